package aead

import (
	"crypto/aes"
	"crypto/cipher"
	"reflect"
	"slices"
	"sync"
	"unsafe"
)

// What envelope needs beside Cipher: nonces that it has drawn itself together with a data key, and expanded
// keys that can be moved into protected memory.

// Layout is the order of the parts of a seal.
type Layout uint8

const (
	Canonical Layout = iota // ciphertext, tag, nonce; no associated data
	Bound                   // nonce, ciphertext, tag
)

// Ready is an expanded key, wherever it lies.
type Ready = cipher.AEAD

// Expanded is an AES-256-GCM key made ready for use, in ordinary memory. Its
// user wipes it.
type Expanded struct {
	Block cipher.Block
	AEAD  cipher.AEAD
}

// Expand makes a 32-byte key ready. The error is about its length.
func Expand(key []byte) (k Expanded, err error) {
	if k.Block, err = aes.NewCipher(key); err != nil {
		return k, err
	}
	k.AEAD, err = cipher.NewGCM(k.Block)
	return k, err
}

// Wipe zeroes the key, unless its form is unknown: see Movable. It must not be
// used afterwards.
func (k Expanded) Wipe() {
	f := forms()
	f.wipe(k.AEAD, f.gcm, f.gcmSize)
	f.wipe(k.Block, f.block, f.blockSize)
}

// Movable returns the type of the struct behind the standard library's AES-GCM
// if it, and the AES cipher that it was made of, hold no pointers: then they can
// be wiped, and the first holds all that it needs and can be moved. Otherwise
// (on s390x, or if a later Go changes them) it returns nil; keys are then left to
// the garbage collector and expanded for each use.
func Movable() reflect.Type {
	if f := forms(); f.gcm != nil {
		return f.gcm.Elem()
	}
	return nil
}

// keyForms are the types of an Expanded, pointers to structs without pointers,
// and the structs' sizes; nil if they aren't.
type keyForms struct {
	block, gcm         reflect.Type
	blockSize, gcmSize uintptr
}

// wipe zeroes the struct that v points to if it is of this form.
func (f *keyForms) wipe(v any, form reflect.Type, size uintptr) {
	if p := reflect.ValueOf(v); form != nil && p.IsValid() && p.Type() == form {
		clear(unsafe.Slice((*byte)(p.UnsafePointer()), size))
	}
}

var forms = sync.OnceValue(func() *keyForms {
	f := new(keyForms)
	k, err := Expand(make([]byte, KeyLen))
	if err != nil {
		return f
	}
	block, gcm := reflect.TypeOf(k.Block), reflect.TypeOf(k.AEAD)
	if block.Kind() != reflect.Pointer || gcm.Kind() != reflect.Pointer || !pointerFree(block.Elem()) || !pointerFree(gcm.Elem()) {
		return f
	}
	return &keyForms{block, gcm, block.Elem().Size(), gcm.Elem().Size()}
})

// MemoryOf returns the memory of the struct that v, a pointer, points to.
func MemoryOf(v any) []byte {
	p := reflect.ValueOf(v)
	return unsafe.Slice((*byte)(p.UnsafePointer()), p.Type().Elem().Size())
}

// Placed returns the AES-GCM whose struct lies at b. Movable must not be nil.
func Placed(b []byte) cipher.AEAD {
	return reflect.NewAt(Movable(), unsafe.Pointer(&b[0])).Interface().(cipher.AEAD)
}

// Aligned reports whether the struct may lie at b.
func Aligned(b []byte) bool {
	return uintptr(unsafe.Pointer(&b[0]))%uintptr(Movable().Align()) == 0
}

// SealWith appends src, sealed, to dst. They must not overlap.
func SealWith(a cipher.AEAD, l Layout, dst, nonce, src, ad []byte) []byte {
	dst = slices.Grow(dst, len(src)+Overhead)
	if l == Bound {
		return a.Seal(append(dst, nonce...), nonce, src, ad)
	}
	return append(a.Seal(dst, nonce, src, nil), nonce...)
}

// OpenWith appends what src holds to dst. They must not overlap.
func OpenWith(a cipher.AEAD, l Layout, dst, src, ad []byte) ([]byte, error) {
	if len(src) < NonceLen {
		return dst, ErrShort
	}
	nonce, sealed := src[:NonceLen], src[NonceLen:]
	if l == Canonical {
		end := len(src) - NonceLen
		nonce, sealed, ad = src[end:], src[:end], nil
	}
	out, err := a.Open(dst, nonce, sealed, ad)
	if err != nil {
		return dst, ErrAuth
	}
	return out, nil
}

// SealOnce is SealWith under a key that is used for nothing else.
func SealOnce(key []byte, l Layout, dst, nonce, src, ad []byte) ([]byte, error) {
	k, err := Expand(key)
	if err != nil {
		return dst, err
	}
	dst = SealWith(k.AEAD, l, dst, nonce, src, ad)
	k.Wipe()
	return dst, nil
}

// OpenOnce is OpenWith under a key that is used for nothing else.
func OpenOnce(key []byte, l Layout, dst, src, ad []byte) ([]byte, error) {
	k, err := Expand(key)
	if err != nil {
		return dst, err
	}
	dst, err = OpenWith(k.AEAD, l, dst, src, ad)
	k.Wipe()
	return dst, err
}
