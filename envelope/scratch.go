package envelope

import (
	"crypto/rand"
	"fmt"
	"io"
	"sync"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

// scratch is the working memory of one call, recycled so that a call allocates
// nothing but its result. Between calls it holds no plaintext and no key.
type scratch struct {
	buf []byte // sealed bytes
	ad  []byte // associated data

	// fresh is what one record needs, drawn in one read: the data key, the
	// nonce to wrap it with, and the nonce of the payload's seal. put wipes it.
	fresh   [aead.KeyLen + 2*aead.NonceLen]byte
	wrapped [wrappedLen]byte

	use lockedUse // see lockedKey
}

// maxKept is the largest buffer, in bytes, that a scratch keeps.
const maxKept = 64 << 10

var scratches = sync.Pool{New: func() any {
	s := new(scratch)
	// A method value is allocated each time that it is made, and passing it
	// to a Secret makes it escape.
	s.use.onImage, s.use.onRaw = s.use.image, s.use.raw
	return s
}}

func getScratch() *scratch { return scratches.Get().(*scratch) }

// small reports whether a scope that nobody uses may have it.
func (s *scratch) small() bool { return cap(s.buf)+cap(s.ad) <= 4<<10 }

// wipe zeroes the data key.
func (s *scratch) wipe() { clear(s.fresh[:]) }

func (s *scratch) put() {
	s.wipe()
	if cap(s.buf) > maxKept {
		s.buf = nil
	}
	if cap(s.ad) > maxKept {
		s.ad = nil
	}
	scratches.Put(s)
}

func (s *scratch) dataKey() []byte   { return s.fresh[:aead.KeyLen] }
func (s *scratch) wrapNonce() []byte { return s.fresh[aead.KeyLen:][:aead.NonceLen] }
func (s *scratch) dataNonce() []byte { return s.fresh[aead.KeyLen+aead.NonceLen:] }

// draw fills b from the operating system, or, in tests, from random.
func draw(random io.Reader, b []byte) error {
	if random == nil {
		// It never fails: it ends the process instead.
		_, _ = rand.Read(b)
		return nil
	}
	if _, err := io.ReadFull(random, b); err != nil {
		return fmt.Errorf("draw randomness: %w", err)
	}
	return nil
}
