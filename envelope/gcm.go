package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"reflect"
	"slices"
	"sync"
	"unsafe"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

// All use of crypto/cipher of this package is in this file: what internal/aead
// does, with nonces that the caller has drawn together with the data key, and
// with expanded keys that can be moved.

// layout is the order of the parts of a seal.
type layout uint8

const (
	layoutCanonical layout = iota // ciphertext, tag, nonce; no associated data
	layoutBound                   // nonce, ciphertext, tag
)

// expandedKey is an AES-256-GCM key made ready for use, in ordinary memory. Its
// user wipes it.
type expandedKey struct {
	block cipher.Block
	gcm   cipher.AEAD
}

func expandKey(key []byte) (k expandedKey, err error) {
	if k.block, err = aes.NewCipher(key); err != nil {
		return k, err
	}
	k.gcm, err = cipher.NewGCM(k.block)
	return k, err
}

// wipe zeroes the key, unless its form is unknown: see movable. It must not be
// used afterwards.
func (k expandedKey) wipe() {
	if movable() != nil {
		clear(memoryOf(k.gcm))
		clear(memoryOf(k.block))
	}
}

// movable returns the type of the struct behind the standard library's AES-GCM
// if it, and the AES cipher that it was made of, hold no pointers: then they can
// be wiped, and the first holds all that it needs and can be moved. Otherwise
// (on s390x, or if a later Go changes them) it returns nil; keys are then left to
// the garbage collector and expanded for each use.
var movable = sync.OnceValue(func() reflect.Type {
	k, err := expandKey(make([]byte, aead.KeyLen))
	if err != nil {
		return nil
	}
	block, gcm := reflect.TypeOf(k.block), reflect.TypeOf(k.gcm)
	if block.Kind() != reflect.Pointer || gcm.Kind() != reflect.Pointer || !withoutPointers(block.Elem()) || !withoutPointers(gcm.Elem()) {
		return nil
	}
	return gcm.Elem()
})

func withoutPointers(t reflect.Type) bool {
	switch k := t.Kind(); {
	case k >= reflect.Bool && k <= reflect.Complex128:
		return true
	case k == reflect.Array:
		return withoutPointers(t.Elem())
	case k == reflect.Struct:
		for i := range t.NumField() {
			if !withoutPointers(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}

// memoryOf returns the memory of the struct that v, a pointer, points to.
func memoryOf(v any) []byte {
	p := reflect.ValueOf(v)
	return unsafe.Slice((*byte)(p.UnsafePointer()), p.Type().Elem().Size())
}

// placed returns the AES-GCM whose struct lies at b. movable must not be nil.
func placed(b []byte) cipher.AEAD {
	return reflect.NewAt(movable(), unsafe.Pointer(&b[0])).Interface().(cipher.AEAD)
}

// aligned reports whether the struct may lie at b.
func aligned(b []byte) bool {
	return uintptr(unsafe.Pointer(&b[0]))%uintptr(movable().Align()) == 0
}

// sealWith appends src, sealed, to dst. They must not overlap.
func sealWith(a cipher.AEAD, l layout, dst, nonce, src, ad []byte) []byte {
	dst = slices.Grow(dst, len(src)+aead.Overhead)
	if l == layoutBound {
		return a.Seal(append(dst, nonce...), nonce, src, ad)
	}
	return append(a.Seal(dst, nonce, src, nil), nonce...)
}

// openWith appends what src holds to dst. They must not overlap.
func openWith(a cipher.AEAD, l layout, dst, src, ad []byte) ([]byte, error) {
	if len(src) < aead.NonceLen {
		return dst, aead.ErrShort
	}
	nonce, sealed := src[:aead.NonceLen], src[aead.NonceLen:]
	if l == layoutCanonical {
		end := len(src) - aead.NonceLen
		nonce, sealed, ad = src[end:], src[:end], nil
	}
	out, err := a.Open(dst, nonce, sealed, ad)
	if err != nil {
		return dst, aead.ErrAuth
	}
	return out, nil
}

// sealOnce is sealWith under a key that is used for nothing else.
func sealOnce(key []byte, l layout, dst, nonce, src, ad []byte) ([]byte, error) {
	k, err := expandKey(key)
	if err != nil {
		return dst, err
	}
	dst = sealWith(k.gcm, l, dst, nonce, src, ad)
	k.wipe()
	return dst, nil
}

// openOnce is openWith under a key that is used for nothing else.
func openOnce(key []byte, l layout, dst, src, ad []byte) ([]byte, error) {
	k, err := expandKey(key)
	if err != nil {
		return dst, err
	}
	dst, err = openWith(k.gcm, l, dst, src, ad)
	k.wipe()
	return dst, err
}
