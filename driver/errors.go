package driver

import (
	"errors"
	"fmt"
	"strings"

	"github.com/asherah-sql/asherah-sql/envelope"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
)

// Decisions that a caller takes. The errors returned wrap these and name the place; none ever holds a
// value, a key or a connection string.
var (
	// ErrRefused is what every [RefusedError] is: a statement was not sent because it can't be proved
	// that no plaintext of an encrypted column would leave the process.
	ErrRefused = errors.New("statement refused")
	// ErrPlaintext is returned by Rows.Next for a value of an encrypted column that is no envelope of the
	// column's format.
	ErrPlaintext = errors.New("plaintext in an encrypted column")
	// ErrNoSchema is returned by the first connection when no model with an encrypted column is
	// registered: a program whose init forgot it must not write plaintext.
	ErrNoSchema = errors.New("no table with encrypted columns is registered")
	// ErrSchemaMismatch is returned by the first connection, or the first statement on a table made
	// later, when the database's table can't hold the column's envelopes safely.
	ErrSchemaMismatch = errors.New("table and tags disagree")
	// ErrDrift is returned by the first connection when the key table was set up for another service,
	// product, format or master key.
	ErrDrift = errors.New("key table was set up otherwise")

	// ErrMoved is envelope.ErrMoved: a value stands in another place than the one it was sealed for.
	ErrMoved = envelope.ErrMoved
	// ErrNoPartition is envelope.ErrNoPartition: nothing says which partition a value belongs to.
	ErrNoPartition = envelope.ErrNoPartition
	// ErrPartitionMismatch is envelope.ErrPartitionMismatch: the value belongs to another partition than
	// the one in force.
	ErrPartitionMismatch = envelope.ErrPartitionMismatch
	// ErrKeyNotFound is envelope.ErrKeyNotFound: the key table has no row for a key that a record names.
	ErrKeyNotFound = envelope.ErrKeyNotFound
	// ErrKeyRevoked is envelope.ErrKeyRevoked.
	ErrKeyRevoked = envelope.ErrKeyRevoked
	// ErrKeyExpired is envelope.ErrKeyExpired.
	ErrKeyExpired = envelope.ErrKeyExpired
	// ErrMalformed is envelope.ErrMalformed: an envelope's bytes are damaged.
	ErrMalformed = envelope.ErrMalformed
	// ErrKMSUnavailable is envelope.ErrKMSUnavailable.
	ErrKMSUnavailable = envelope.ErrKMSUnavailable
	// ErrClosed is envelope.ErrClosed: the keys were closed with their last connector.
	ErrClosed = envelope.ErrClosed
)

// RefusedError says why a statement wasn't sent. errors.Is(err, ErrRefused) holds. It never contains a
// value of the statement.
type RefusedError struct {
	// Table and Column name the encrypted column concerned, when one is ("users", "email").
	Table, Column string
	// Ordinal is the placeholder's number, from 1; 0 when none is concerned.
	Ordinal int
	// Offset is the byte in the statement as the program wrote it.
	Offset int
	// Rule is the rule that struck, a short text that stays the same across versions.
	Rule string
	// Remedy says what to write instead.
	Remedy string
}

// Error gives place, rule and remedy.
func (e *RefusedError) Error() string {
	var b strings.Builder
	b.WriteString("statement refused")
	switch {
	case e.Column != "":
		fmt.Fprintf(&b, ": %s.%s", e.Table, e.Column)
	case e.Table != "":
		fmt.Fprintf(&b, ": %s", e.Table)
	}
	fmt.Fprintf(&b, " at byte %d", e.Offset)
	if e.Ordinal > 0 {
		fmt.Fprintf(&b, ", placeholder %d", e.Ordinal)
	}
	fmt.Fprintf(&b, ": %s", e.Rule)
	if e.Remedy != "" {
		fmt.Fprintf(&b, ": %s", e.Remedy)
	}
	return b.String()
}

// Is reports whether target is [ErrRefused].
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// refusal turns the analyser's refusal into the public error and leaves other errors as they are.
func refusal(err error) error {
	var r *sqlplan.RefusedError
	if !errors.As(err, &r) {
		return err
	}
	return &RefusedError{Table: r.Table, Column: r.Column, Ordinal: r.Ordinal, Offset: r.Offset, Rule: r.Rule, Remedy: r.Remedy}
}
