package envelope

import (
	"bytes"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// level is a floor of the hierarchy whose keys lie in the metastore.
type level uint8

const (
	intermediate level = iota + 1
	system
)

// String is how errors call a key of this level.
func (l level) String() string {
	if l == system {
		return "system key"
	}
	return "intermediate key"
}

// key is one unsealed system or intermediate key, with its row beside it.
//
// It is reference counted: each cache entry, each line that encrypts with it,
// each overlay that holds it, each intermediate key below it and each call that
// uses it has one reference, and the last to go wipes it.
type key struct {
	f      *SessionFactory
	level  level
	meta   KeyMeta
	quoted []byte // meta.ID as JSON
	locked *lockedKey
	parent *key // the system key of an intermediate key; one reference

	expires int64 // unix ns: from then on it doesn't encrypt

	// row is the key's row as it was last read or written: never nil, never
	// changed. When the store has lost the row, this one is stored again.
	row  atomic.Pointer[EnvelopeKeyRecord]
	seen atomic.Pointer[stamp] // when that was: never nil

	// replaced says that the store has another key under the same id and time.
	replaced atomic.Bool

	checks flights      // of confirm
	wraps  atomic.Int64 // data keys sealed by it in this process

	sharing sync.Mutex                    // held while shared is replaced
	shared  atomic.Pointer[sharedDataKey] // nil: none

	refs atomic.Int64
}

// stamp is a moment at which the store was asked: the time, and how often
// Confirm had been called.
type stamp struct {
	at    int64 // unix ns
	round uint64
}

var (
	errReplaced = errors.New("the metastore has another key in its place")
	errUsedUp   = errors.New("key has sealed as many data keys as one key may")
)

// newKey returns a key with one reference, the caller's. It takes over locked,
// and adds a reference to parent.
func (f *SessionFactory) newKey(l level, row *EnvelopeKeyRecord, meta KeyMeta, locked *lockedKey, parent *key, st stamp) *key {
	k := &key{
		f:       f,
		level:   l,
		meta:    meta,
		locked:  locked,
		parent:  parent,
		expires: expiry(meta.Created, f.policy.ExpireAfter),
	}
	if l == intermediate {
		k.quoted = quoteID(meta.ID)
	}
	if parent != nil {
		parent.refs.Add(1)
	}
	k.row.Store(row)
	k.seen.Store(&st)
	k.refs.Store(1)
	k.wraps.Store(f.spent.take(meta))
	return k
}

func expiry(created int64, after time.Duration) int64 {
	const most = math.MaxInt64 / int64(time.Second)
	switch limit := most - int64(after/time.Second) - 1; {
	case created > limit:
		return math.MaxInt64
	case created < -most/2:
		return math.MinInt64
	}
	return created*int64(time.Second) + int64(after)
}

// retain adds a reference. The caller must have one already.
func (k *key) retain() *key {
	k.refs.Add(1)
	return k
}

// tryRetain adds a reference, unless the last one has gone.
func (k *key) tryRetain() bool {
	for {
		n := k.refs.Load()
		if n == 0 {
			return false
		}
		if k.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release drops a reference; the last one wipes the key.
func (k *key) release() {
	if k.refs.Add(-1) != 0 {
		return
	}
	k.f.spent.put(k.meta, k.wraps.Load())
	if d := k.shared.Swap(nil); d != nil {
		d.release()
	}
	// What can go wrong, damaged memory, protectedmem has logged.
	_ = k.locked.close()
	if k.parent != nil {
		k.parent.release()
	}
}

// unfit says why the key must not encrypt, or nil.
func (k *key) unfit(now int64) error {
	switch {
	case k.replaced.Load():
		return errReplaced
	case k.row.Load().Revoked:
		return ErrKeyRevoked
	case now > k.expires:
		return ErrKeyExpired
	case k.wraps.Load() >= k.f.wrapLimit:
		return errUsedUp
	case k.parent != nil:
		return k.parent.unfit(now)
	}
	return nil
}

// due reports whether, after an answer of the store at st, it is time to ask
// again: some time before it must be, so that one caller asks while the others
// go on.
func (f *SessionFactory) due(st stamp, now int64) bool {
	return now >= st.at+f.softCheck || !f.confirmed(st.round, now)
}

// overdue reports whether the store must be asked before the key may encrypt.
func (f *SessionFactory) overdue(st stamp, now int64) bool {
	return now >= st.at+f.hardCheck || !f.confirmed(st.round, now)
}

// abandoned is when a key may no longer encrypt even if the store can't be
// asked, in unix ns.
func (f *SessionFactory) abandoned(st stamp) int64 { return st.at + staleFactor*f.hardCheck }

// sameKey reports whether two rows hold the same key: all but the revocation.
func sameKey(a, b *EnvelopeKeyRecord) bool {
	if a.Created != b.Created || !bytes.Equal(a.EncryptedKey, b.EncryptedKey) {
		return false
	}
	if a.ParentKeyMeta == nil || b.ParentKeyMeta == nil {
		return a.ParentKeyMeta == b.ParentKeyMeta
	}
	return *a.ParentKeyMeta == *b.ParentKeyMeta
}

// spent remembers how much keys that have left the caches have been used, so
// that the limit holds however often they come and go.
type spent struct {
	mu    sync.Mutex
	wraps map[KeyMeta]int64 // guarded by mu
}

// spentWorth is from how many uses on a key is remembered. A key that leaves the
// caches with less each time would have to be loaded half a million times before
// it had sealed wrapLimit data keys.
const spentWorth = 4096

func (s *spent) take(meta KeyMeta) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wraps[meta]
}

func (s *spent) put(meta KeyMeta, wraps int64) {
	if wraps < spentWorth {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wraps == nil {
		s.wraps = make(map[KeyMeta]int64)
	}
	s.wraps[meta] = max(s.wraps[meta], wraps)
}
