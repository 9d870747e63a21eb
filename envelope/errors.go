package envelope

import (
	"context"
	"errors"
	"fmt"

	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/metastore"
)

var (
	// ErrMoved is returned by whatever opens a record, when the record is whole
	// but its seal doesn't fit: it was sealed for another place (partition,
	// context, bound value, search token, encoding, service, product), or
	// altered. For a DataRowRecord, which has no place, it means altered.
	ErrMoved = errors.New("the value does not belong here, or was altered")

	// ErrNoPartition is returned where a partition must be given and is empty.
	ErrNoPartition = errors.New("partition id cannot be empty")

	// ErrPartitionMismatch is returned when a record names another partition
	// than the one that it is to be opened for, or a region suffix that isn't
	// accepted. The record is not opened.
	ErrPartitionMismatch = errors.New("the record belongs to another partition")

	// ErrKeyNotFound is returned when the metastore has no row for a key that a
	// record or a key names.
	ErrKeyNotFound = errors.New("key not found")

	// ErrKeyRevoked and ErrKeyExpired are returned when a value can't be
	// encrypted because the keys that there are must not be used and no other
	// could be made. Decryption never returns them.
	ErrKeyRevoked = errors.New("key is revoked")
	ErrKeyExpired = errors.New("key is expired")

	// ErrMalformed is returned for bytes that are no record: of the wrong
	// shape, cut, too long, or not in the one way of writing that is allowed.
	ErrMalformed = errors.New("malformed record")

	// ErrKMSUnavailable is returned when the key management service could not
	// be reached or answered with an outage. Trying again later may help.
	ErrKMSUnavailable = errors.New("key management service is unavailable")

	// ErrClosed is returned by every use of a factory, session, scope or
	// overlay after its Close, or after its factory's.
	ErrClosed = errors.New("closed")

	// ErrTooLarge is returned for a payload, or a record to be written, over
	// its limit.
	ErrTooLarge = errors.New("too large")
)

// errAltered is the text that the SDKs give for a seal that doesn't fit.
var errAltered = errors.New("cipher: message authentication failed")

// An outage is an error that says nothing about a key: the store or the KMS
// couldn't be asked. While there is one, a key that was valid a short time ago
// may go on being used.
type outage struct{ err error }

func (o outage) Error() string { return o.err.Error() }
func (o outage) Unwrap() error { return o.err }

func isOutage(err error) bool {
	var o outage
	return errors.As(err, &o)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// loadError is what becomes of a store's error: its answer "not found" is an
// answer, anything else isn't.
func loadError(l level, err error) error {
	if errors.Is(err, metastore.ErrNotFound) {
		return fmt.Errorf("error loading %s from metastore: %w: restore the metastore's row, without it the values below it are lost", l, ErrKeyNotFound)
	}
	return outage{fmt.Errorf("error loading %s from metastore: %w", l, err)}
}

func kmsError(op string, err error) error {
	switch {
	case errors.Is(err, kms.ErrUnavailable):
		return outage{fmt.Errorf("error %s system key: %w: %w", op, ErrKMSUnavailable, err)}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return outage{fmt.Errorf("error %s system key: %w", op, err)}
	}
	if op == "decrypting" {
		return fmt.Errorf("error decrypting system key: %w: is this the master key that sealed it?", err)
	}
	return fmt.Errorf("error %s system key: %w", op, err)
}
