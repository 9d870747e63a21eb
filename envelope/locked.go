package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/asherah-sql/asherah-sql/internal/aead"
	"github.com/asherah-sql/asherah-sql/protectedmem"
)

// lockedKey is an AES-256-GCM key that lives in protected memory, as its 32
// bytes and, once it has been used twice, also in its expanded form: expanding
// it for each use costs about as much as sealing a short value with it.
//
// The expanded form is the standard library's own struct, moved into protected
// memory. That is possible while the struct holds no pointers; where it does (on
// s390x), and when too many keys are expanded or no more memory may be locked,
// the 32 bytes are expanded for each use.
type lockedKey struct {
	bytes   protectedmem.Secret
	image   atomic.Pointer[keyImage] // nil: not expanded
	used    atomic.Bool
	secrets protectedmem.Factory
	images  *atomic.Int64 // the factory's number of expanded keys
}

type keyImage struct{ secret protectedmem.Secret }

// maxImages is how many expanded keys a factory keeps: at one KiB each, a quarter
// of the 8 MiB that a process may usually lock.
const maxImages = 2048

type layout uint8

const (
	layoutCanonical layout = iota // ciphertext, tag, nonce; no associated data
	layoutBound                   // nonce, ciphertext, tag
)

// seal appends src, sealed under the given nonce, to dst, which it must not
// overlap.
func (k *lockedKey) seal(s *scratch, l layout, dst, nonce, src, ad []byte) ([]byte, error) {
	return k.do(s, l, true, dst, nonce, src, ad)
}

// open appends what src holds to dst, which it must not overlap.
func (k *lockedKey) open(s *scratch, l layout, dst, src, ad []byte) ([]byte, error) {
	return k.do(s, l, false, dst, nil, src, ad)
}

func (k *lockedKey) do(s *scratch, l layout, seal bool, dst, nonce, src, ad []byte) ([]byte, error) {
	u := &s.use
	u.layout, u.seal, u.dst, u.nonce, u.src, u.ad = l, seal, dst, nonce, src, ad
	var err error
	if im := k.expanded(); im != nil {
		err = im.secret.WithBytes(u.onImage)
	} else {
		err = k.bytes.WithBytes(u.onRaw)
	}
	out := u.dst
	u.dst, u.nonce, u.src, u.ad = nil, nil, nil, nil // they are the caller's
	if err != nil {
		return dst, err
	}
	return out, nil
}

// expanded returns the expanded key, which the second use makes.
func (k *lockedKey) expanded() *keyImage {
	im := k.image.Load()
	if im != nil || imageType() == nil {
		return im
	}
	if !k.used.Swap(true) || k.images.Load() >= maxImages {
		return nil
	}
	var secret protectedmem.Secret
	if err := k.bytes.WithBytes(func(b []byte) (err error) {
		secret, err = newImage(b, k.secrets)
		return err
	}); err != nil {
		return nil // locked memory is short: expanding each time works, too
	}
	im = &keyImage{secret}
	if !k.image.CompareAndSwap(nil, im) {
		_ = secret.Close()
		return k.image.Load()
	}
	k.images.Add(1)
	return im
}

// close wipes the key. Nobody may be using it.
func (k *lockedKey) close() error {
	err := k.bytes.Close()
	if im := k.image.Swap(nil); im != nil {
		k.images.Add(-1)
		err = errors.Join(err, im.secret.Close())
	}
	return err
}

// imageType is the struct behind the standard library's AES-GCM, if it can be
// moved: nil if it holds pointers.
var imageType = sync.OnceValue(func() reflect.Type {
	_, a, err := expand(make([]byte, aead.KeyLen))
	if err != nil {
		return nil
	}
	t := reflect.TypeOf(a)
	if t.Kind() != reflect.Pointer || !withoutPointers(t.Elem()) {
		return nil
	}
	return t.Elem()
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

func expand(key []byte) (cipher.Block, cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	a, err := cipher.NewGCM(block)
	return block, a, err
}

// memoryOf returns the memory of the struct that v, a pointer, points to.
func memoryOf(v any) []byte {
	p := reflect.ValueOf(v)
	return unsafe.Slice((*byte)(p.UnsafePointer()), p.Type().Elem().Size())
}

var errMisplaced = errors.New("protected memory isn't aligned for an expanded key")

// newImage expands a key into protected memory. imageType must not be nil.
func newImage(key []byte, secrets protectedmem.Factory) (protectedmem.Secret, error) {
	block, a, err := expand(key)
	if err != nil {
		return nil, err
	}
	// The AEAD holds no pointers, so it has its own copy of the round keys.
	if t := reflect.TypeOf(block); t.Kind() == reflect.Pointer && withoutPointers(t.Elem()) {
		clear(memoryOf(block))
	}
	s, err := secrets.New(memoryOf(a)) // wipes the original
	if err != nil {
		return nil, err
	}
	err = s.WithBytes(func(b []byte) error {
		if uintptr(unsafe.Pointer(&b[0]))%uintptr(imageType().Align()) != 0 {
			return errMisplaced
		}
		return nil
	})
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// lockedUse is one use of a lockedKey: arguments and result.
type lockedUse struct {
	layout         layout
	seal           bool
	dst            []byte // also the result
	nonce, src, ad []byte
	onImage, onRaw func([]byte) error // the methods below
}

// image runs the use on an expanded key.
func (u *lockedUse) image(b []byte) error {
	a := reflect.NewAt(imageType(), unsafe.Pointer(&b[0])).Interface().(cipher.AEAD)
	n := len(u.dst)
	var err error
	switch {
	case u.seal && u.layout == layoutBound:
		u.dst = append(u.dst, u.nonce...)
		u.dst = a.Seal(u.dst, u.nonce, u.src, u.ad)
	case u.seal:
		u.dst = a.Seal(u.dst, u.nonce, u.src, u.ad)
		u.dst = append(u.dst, u.nonce...)
	case len(u.src) < aead.NonceLen:
		return aead.ErrShort
	case u.layout == layoutBound:
		u.dst, err = a.Open(u.dst, u.src[:aead.NonceLen], u.src[aead.NonceLen:], u.ad)
	default:
		end := len(u.src) - aead.NonceLen
		u.dst, err = a.Open(u.dst, u.src[end:], u.src[:end], u.ad)
	}
	if err != nil {
		u.dst = u.dst[:n]
		return aead.ErrAuth
	}
	return nil
}

// raw runs the use on a key's 32 bytes.
func (u *lockedUse) raw(key []byte) error {
	c, err := aead.NewCipherRandom(key, bytes.NewReader(u.nonce))
	if err != nil {
		return err
	}
	defer c.Wipe()
	switch {
	case u.seal && u.layout == layoutBound:
		u.dst, err = c.AppendSealAD(u.dst, u.src, u.ad)
	case u.seal:
		u.dst, err = c.AppendSeal(u.dst, u.src)
	case u.layout == layoutBound:
		u.dst, err = c.AppendOpenAD(u.dst, u.src, u.ad)
	default:
		u.dst, err = c.AppendOpen(u.dst, u.src)
	}
	return err
}
