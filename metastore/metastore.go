package metastore

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"
)

var (
	// ErrNotFound is returned by [Store.Load] and [Store.LoadLatest] when the
	// store answered and has no such record. A store that couldn't be asked
	// returns another error.
	ErrNotFound = errors.New("key record not found")

	// ErrExists is returned by [Store.Store] when a record with this id and
	// creation time is there already. Whoever gets it has lost a race and uses
	// the winner's record.
	ErrExists = errors.New("key record exists already")
)

// MaxIDLen is the longest key id, in characters, that a store accepts: the
// width of the id column in every SDK's table. Databases in a lenient mode cut
// longer values instead of refusing them, and then two keys share one id.
const MaxIDLen = 255

// Store keeps envelope key records. Its methods are called from many
// goroutines at once.
//
// Ids are compared byte for byte: ids that differ only in case, in accents or
// in trailing blanks are different ids, whatever the database's collation says.
// Every method refuses an id that [CheckID] refuses. When ctx ends first, the
// error is, or wraps, ctx.Err(); it is never ErrNotFound or ErrExists, because
// callers decide on those two that a key may be created or has been.
//
// Records are the caller's own: a store keeps no reference to one that it was
// given, and shares none that it returns.
type Store interface {
	// Load returns the record with this id and creation time, or ErrNotFound.
	Load(ctx context.Context, meta KeyMeta) (*EnvelopeKeyRecord, error)

	// LoadLatest returns the record with this id and the highest creation time,
	// revoked or not, or ErrNotFound.
	LoadLatest(ctx context.Context, id string) (*EnvelopeKeyRecord, error)

	// Store inserts the record under meta if there is none, in one atomic step,
	// and returns ErrExists if there is one. Of several callers that store under
	// the same meta at once, in this process or in others, exactly one gets nil.
	// A pair that [CheckRecord] refuses is refused.
	Store(ctx context.Context, meta KeyMeta, record *EnvelopeKeyRecord) error
}

// CheckID says why id can't be the id of a key, or returns nil. Ids have 1 to
// MaxIDLen characters of valid UTF-8: JSON, which carries ids inside records,
// replaces invalid bytes, and two ids could become one.
func CheckID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("metastore: key id: empty: want 1 to %d characters", MaxIDLen)
	case !utf8.ValidString(id):
		return errors.New("metastore: key id: not valid UTF-8: the service, product and partition must be text")
	}
	// Every character is at least one byte, so most ids need no counting.
	if len(id) > MaxIDLen {
		if n := utf8.RuneCountInString(id); n > MaxIDLen {
			return fmt.Errorf("metastore: key id: %d characters, the limit is %d: shorten the service, product or partition", n, MaxIDLen)
		}
	}
	return nil
}

// CheckRecord says why record can't be stored under meta, or returns nil: the
// id must pass [CheckID], the record must be there with a key in it, and where
// it names its own id and creation time they must be meta's, or a later reader
// would take it for another key.
func CheckRecord(meta KeyMeta, record *EnvelopeKeyRecord) error {
	if err := CheckID(meta.ID); err != nil {
		return err
	}
	switch {
	case record == nil:
		return errors.New("metastore: store: no record given")
	case len(record.EncryptedKey) == 0:
		return errors.New("metastore: store: the record has no wrapped key")
	case record.ID != "" && record.ID != meta.ID:
		return errors.New("metastore: store: the record's own id is another than the one to store it under")
	case record.Created != meta.Created:
		return fmt.Errorf("metastore: store: the record was created at %d, to be stored under %d: the two must be equal", record.Created, meta.Created)
	}
	return nil
}
