package kms

import (
	"context"
	"errors"
)

// ErrUnavailable is wrapped by the errors of a [Service] that could not be
// reached or that answered with an outage: trying again later may help. A
// refusal (a wrong key, no permission, altered bytes) doesn't wrap it.
var ErrUnavailable = errors.New("key management service is unavailable")

// Service wraps keys by a master key that never leaves it. Its methods are
// called from many goroutines at once, and neither keeps nor changes its
// argument.
type Service interface {
	// EncryptKey wraps key. The result goes into the metastore as it is.
	EncryptKey(ctx context.Context, key []byte) ([]byte, error)

	// DecryptKey unwraps what EncryptKey returned. The result is the caller's,
	// who wipes it. Bytes that this master key didn't wrap, or that were
	// altered, are an error.
	DecryptKey(ctx context.Context, encrypted []byte) ([]byte, error)
}

// Identifier is implemented by services that can name their master key, so
// that a start with another one is noticed.
type Identifier interface {
	// Identity is a public, stable name of the master key: equal in every
	// process that uses the key, and of no use to guess it.
	Identity() string
}
