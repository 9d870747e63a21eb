package aead

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Lengths in bytes.
const (
	KeyLen   = 32
	NonceLen = 12
	TagLen   = 16
	Overhead = NonceLen + TagLen // what either layout adds to a plaintext
)

var (
	// ErrShort is returned for sealed data that can't even hold a nonce.
	ErrShort = errors.New("data length is shorter than nonce size")

	// ErrAuth is returned when the tag doesn't fit: another key, other
	// associated data, or altered bytes. Nothing tells which.
	ErrAuth = errors.New("message authentication failed")

	// ErrOverlap is returned when a result would be written over its own input.
	ErrOverlap = errors.New("destination overlaps the input")

	// ErrLong is returned for a plaintext over GCM's limit of 64 GiB - 32 bytes.
	ErrLong = errors.New("message is too long")
)

// maxPlaintext is GCM's limit in bytes, or what an int can count.
const maxPlaintext = min((1<<32-2)*aes.BlockSize, math.MaxInt-Overhead)

// Cipher is a key made ready for use: it saves a caller that uses a key twice
// the second expansion. It is safe for concurrent use, but for Wipe.
type Cipher struct {
	aead   cipher.AEAD
	random io.Reader // nil: crypto/rand
}

// NewCipher expands a key of KeyLen bytes. It keeps no reference to key.
func NewCipher(key []byte) (*Cipher, error) {
	return NewCipherRandom(key, nil)
}

// NewCipherRandom is NewCipher with another source of nonces: for known-answer
// tests, and for nothing else. A nil source is the operating system's.
func NewCipherRandom(key []byte, random io.Reader) (*Cipher, error) {
	a, err := expand(key)
	if err != nil {
		return nil, err
	}
	return &Cipher{aead: a, random: random}, nil
}

// Wipe zeroes the expanded key, as far as the package's doc says. The cipher
// must not be in use, and no longer seals or opens afterwards.
func (c *Cipher) Wipe() {
	wipe(c.aead)
	c.aead = nil
}

// AppendSeal appends the sealed plaintext in the canonical layout to dst and
// returns the extended slice, or dst itself and an error. The plaintext may
// stand in dst's spare capacity only if it starts right at len(dst) (then it is
// sealed in place).
func (c *Cipher) AppendSeal(dst, plaintext []byte) ([]byte, error) {
	if c.aead == nil {
		return dst, errWiped
	}
	return appendSeal(c.aead, c.random, dst, plaintext)
}

// AppendOpen appends the plaintext of sealed, which is in the canonical layout,
// to dst and returns the extended slice, or dst itself and an error. Sealed may
// stand in dst's spare capacity only if it starts right at len(dst) (then it is
// opened in place, and destroyed if the tag doesn't fit).
func (c *Cipher) AppendOpen(dst, sealed []byte) ([]byte, error) {
	if c.aead == nil {
		return dst, errWiped
	}
	return appendOpen(c.aead, dst, sealed)
}

// AppendSealAD is AppendSeal in the bound layout, with associated data ad,
// which may not overlap what is written. In place means: the plaintext starts
// NonceLen bytes after len(dst).
func (c *Cipher) AppendSealAD(dst, plaintext, ad []byte) ([]byte, error) {
	if c.aead == nil {
		return dst, errWiped
	}
	return appendSealAD(c.aead, c.random, dst, plaintext, ad)
}

// AppendOpenAD is AppendOpen in the bound layout, with associated data ad,
// which may not overlap what is written. In place means: sealed starts NonceLen
// bytes before len(dst).
func (c *Cipher) AppendOpenAD(dst, sealed, ad []byte) ([]byte, error) {
	if c.aead == nil {
		return dst, errWiped
	}
	return appendOpenAD(c.aead, dst, sealed, ad)
}

// AppendSeal is [Cipher.AppendSeal] under a key that is used once.
func AppendSeal(dst, key, plaintext []byte) ([]byte, error) {
	a, err := expand(key)
	if err != nil {
		return dst, err
	}
	defer wipe(a)
	return appendSeal(a, nil, dst, plaintext)
}

// AppendOpen is [Cipher.AppendOpen] under a key that is used once.
func AppendOpen(dst, key, sealed []byte) ([]byte, error) {
	a, err := expand(key)
	if err != nil {
		return dst, err
	}
	defer wipe(a)
	return appendOpen(a, dst, sealed)
}

// AppendSealAD is [Cipher.AppendSealAD] under a key that is used once.
func AppendSealAD(dst, key, plaintext, ad []byte) ([]byte, error) {
	a, err := expand(key)
	if err != nil {
		return dst, err
	}
	defer wipe(a)
	return appendSealAD(a, nil, dst, plaintext, ad)
}

// AppendOpenAD is [Cipher.AppendOpenAD] under a key that is used once.
func AppendOpenAD(dst, key, sealed, ad []byte) ([]byte, error) {
	a, err := expand(key)
	if err != nil {
		return dst, err
	}
	defer wipe(a)
	return appendOpenAD(a, dst, sealed, ad)
}

var errWiped = errors.New("aead: the key has been wiped")

func expand(key []byte) (cipher.AEAD, error) {
	if len(key) != KeyLen {
		return nil, fmt.Errorf("aead: key: want %d bytes, got %d", KeyLen, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("aead: expand key: %w", err)
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("aead: expand key: %w", err)
	}
	// GCM has copied the round keys; these would wait for the collector. The
	// copy is by value exactly when the AEAD holds no pointers.
	if wipeable(a) {
		wipe(block)
	}
	return a, nil
}

func appendSeal(a cipher.AEAD, random io.Reader, dst, plaintext []byte) ([]byte, error) {
	if len(plaintext) > maxPlaintext {
		return dst, ErrLong
	}
	out, n := grow(dst, len(plaintext)+Overhead)
	if !disjoint(out[n:], plaintext, 0) {
		return dst, ErrOverlap
	}
	// The nonce goes straight to its place behind the tag, which Seal, writing
	// before it, doesn't touch.
	nonce := out[len(out)-NonceLen:]
	if err := readNonce(random, nonce); err != nil {
		return dst, err
	}
	a.Seal(out[:n], nonce, plaintext, nil)
	return out, nil
}

func appendOpen(a cipher.AEAD, dst, sealed []byte) ([]byte, error) {
	if len(sealed) < NonceLen {
		return dst, ErrShort
	}
	if len(sealed) < Overhead {
		return dst, ErrAuth
	}
	out, n := grow(dst, len(sealed)-Overhead)
	if !disjoint(out[n:], sealed, 0) {
		return dst, ErrOverlap
	}
	end := len(sealed) - NonceLen
	if _, err := a.Open(out[:n], sealed[end:], sealed[:end], nil); err != nil {
		return dst, ErrAuth
	}
	return out, nil
}

func appendSealAD(a cipher.AEAD, random io.Reader, dst, plaintext, ad []byte) ([]byte, error) {
	if len(plaintext) > maxPlaintext {
		return dst, ErrLong
	}
	out, n := grow(dst, len(plaintext)+Overhead)
	if !disjoint(out[n:], plaintext, NonceLen) || overlap(out[n:], ad) {
		return dst, ErrOverlap
	}
	nonce := out[n : n+NonceLen]
	if err := readNonce(random, nonce); err != nil {
		return dst, err
	}
	a.Seal(out[:n+NonceLen], nonce, plaintext, ad)
	return out, nil
}

func appendOpenAD(a cipher.AEAD, dst, sealed, ad []byte) ([]byte, error) {
	if len(sealed) < NonceLen {
		return dst, ErrShort
	}
	if len(sealed) < Overhead {
		return dst, ErrAuth
	}
	out, n := grow(dst, len(sealed)-Overhead)
	if !disjoint(out[n:], sealed, -NonceLen) || overlap(out[n:], ad) {
		return dst, ErrOverlap
	}
	if _, err := a.Open(out[:n], sealed[:NonceLen], sealed[NonceLen:], ad); err != nil {
		return dst, ErrAuth
	}
	return out, nil
}

// grow returns dst extended by n bytes, and dst's own length.
func grow(dst []byte, n int) (out []byte, at int) {
	return slices.Grow(dst, n)[:len(dst)+n], len(dst)
}

func readNonce(random io.Reader, nonce []byte) error {
	if random == nil {
		// Called directly, not through the io.Reader, so that nothing escapes
		// to the heap. It never fails: it ends the process instead.
		_, _ = rand.Read(nonce)
		return nil
	}
	if _, err := io.ReadFull(random, nonce); err != nil {
		return fmt.Errorf("aead: draw nonce: %w", err)
	}
	return nil
}
