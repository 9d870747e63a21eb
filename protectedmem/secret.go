package protectedmem

import (
	"errors"
	"io"
)

var (
	// ErrClosed is returned by every use of a secret after Close.
	ErrClosed = errors.New("secret has already been destroyed")

	// ErrLength is returned for a secret of less than one byte, or of more than
	// 1 GiB.
	ErrLength = errors.New("invalid secret length")

	// ErrLimit is returned when no more memory may be locked, or kept out of
	// swap by whatever means the operating system has. The error that wraps it
	// names the limit and how to raise it.
	ErrLimit = errors.New("limit of locked memory reached")

	// ErrDamaged is returned by [Secret.Close] when bytes beyond the secret's
	// end have changed: code in this process wrote where it must not. The secret
	// is closed and wiped all the same. Other secrets may be damaged too.
	ErrDamaged = errors.New("memory around the secret was overwritten")
)

// Factory makes secrets. Its methods are safe for concurrent use.
type Factory interface {
	// New returns a secret that holds a copy of b, and wipes b, also when it
	// fails. Errors: ErrLength, ErrLimit, or the operating system's.
	New(b []byte) (Secret, error)

	// CreateRandom returns a secret of n bytes from the operating system's
	// random number generator. Errors: as New.
	CreateRandom(n int) (Secret, error)
}

// Secret is a piece of protected memory that doesn't change. Its methods are
// safe for concurrent use; readers don't wait for each other.
type Secret interface {
	// WithBytes calls fn with the secret's bytes and returns its error, or
	// ErrClosed without a call. The slice may be read only until fn returns, and
	// never be written to: a pointer kept longer leads to memory that was wiped,
	// handed to another secret or unmapped. It starts at a multiple of 16 and has
	// no capacity beyond its length. Fn must not close the secret: Close waits
	// for fn.
	WithBytes(fn func(b []byte) error) error

	// WithBytesFunc is WithBytes for an fn that has a result. The result must
	// not be, or point into, the slice that fn is given.
	WithBytesFunc(fn func(b []byte) ([]byte, error)) ([]byte, error)

	// Len returns the number of bytes, 0 once the secret is closed.
	Len() int

	// IsEmpty reports whether there is nothing to read: Len() == 0.
	IsEmpty() bool

	// IsClosed reports whether Close has been called, by anyone.
	IsClosed() bool

	// Close waits until nobody reads the secret, wipes it and frees its memory.
	// When it returns, by whichever of several calls, the bytes are gone. Only
	// one call can return an error (ErrDamaged, or the operating system's when
	// memory couldn't be given back); the others return nil.
	//
	// A secret that is lost without Close is wiped some time after the garbage
	// collector has noticed, with a warning in the log.
	Close() error

	// NewReader returns a reader over the bytes, from the first. The reader is
	// not safe for concurrent use; several readers are. It fails with ErrClosed
	// once the secret is closed. What it reads is a copy that the caller wipes.
	NewReader() io.Reader
}
