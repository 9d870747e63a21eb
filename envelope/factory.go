package envelope

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asherah-sql/asherah-sql/cache"
	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/protectedmem"
)

// Config says whose keys a factory uses.
type Config struct {
	// Service and Product name the system whose data is encrypted. They are
	// part of every key's id and sealed with every bound record: data written
	// under other names doesn't open. Required.
	Service, Product string

	// Suffix is the region suffix of key ids, for tables that are replicated
	// between regions. Optional.
	Suffix string

	// AcceptSuffixes are the region suffixes of other writers whose records are
	// read, besides one's own and none. nil: with a Suffix, the published names
	// of AWS regions; without, none.
	AcceptSuffixes []string

	// AllowUnderscore permits "_" in Service, Product and the suffixes. Key ids
	// are joined by it, so that with it partition a_b of service c and
	// partition a of service b_c share one key: only for data that exists.
	AllowUnderscore bool

	Policy CryptoPolicy
}

// SessionFactory is the source of sessions for one service and product, and has
// the keys and caches that they share. It is safe for concurrent use. Make one
// with [NewSessionFactory], and Close it.
type SessionFactory struct {
	names   *naming
	policy  CryptoPolicy
	kms     kms.Service
	secrets protectedmem.Factory
	clock   func() time.Time
	random  io.Reader // nil: crypto/rand; set by tests only

	observer Observer     // nil: none
	log      *slog.Logger // nil: none

	wrapLimit            int64
	softCheck, hardCheck int64 // ns after a key was seen, see key.due and key.overdue
	retryPause           int64 // ns

	own       access
	system    *line
	lines     cache.Cache[string, *line] // partition → its line
	addLine   sync.Mutex                 // held while a line is put into lines
	ikeys     cache.Cache[KeyMeta, *key] // each entry has one reference
	skeys     cache.Cache[KeyMeta, *key] // likewise
	spent     spent
	images    imageSet
	scopeKeys scopeKeys
	confirms  atomic.Pointer[confirmRound]
	closed    atomic.Bool
}

// confirmRound is a request to look at all keys again before they are used: the
// round'th, effective from a moment on.
type confirmRound struct {
	round uint64
	at    int64 // unix ns
}

// Option changes a factory.
type Option func(*SessionFactory) error

// WithSecretFactory sets where keys are kept in memory. The default is
// [protectedmem.Default].
func WithSecretFactory(f protectedmem.Factory) Option {
	return func(sf *SessionFactory) error {
		if f == nil {
			return errors.New("WithSecretFactory: no factory given")
		}
		sf.secrets = f
		return nil
	}
}

// WithClock sets what the factory takes for the current time; the default is
// time.Now. It is called by several goroutines at once.
func WithClock(now func() time.Time) Option {
	return func(sf *SessionFactory) error {
		if now == nil {
			return errors.New("WithClock: no function given")
		}
		sf.clock = now
		return nil
	}
}

// NewSessionFactory returns a factory whose key rows are in store and whose
// system keys are sealed by k. It asks neither of them. Without a store, keys
// are reached through overlays only.
func NewSessionFactory(cfg Config, store metastore.Store, k kms.Service, opts ...Option) (*SessionFactory, error) {
	f, err := newFactory(cfg, store, k, opts)
	if err != nil {
		return nil, fmt.Errorf("new session factory: %w", err)
	}
	return f, nil
}

func newFactory(cfg Config, store metastore.Store, k kms.Service, opts []Option) (*SessionFactory, error) {
	if k == nil {
		return nil, errors.New("no key management service given")
	}
	names, err := newNaming(&cfg)
	if err != nil {
		return nil, err
	}
	policy, err := cfg.Policy.normalized()
	if err != nil {
		return nil, err
	}
	f := &SessionFactory{
		names:      names,
		policy:     policy,
		clock:      time.Now,
		wrapLimit:  wrapLimit,
		softCheck:  int64(policy.RevokeCheck / 4 * 3),
		hardCheck:  int64(policy.RevokeCheck),
		retryPause: int64(min(policy.RevokeCheck/60, maxRetryPause)),
		system:     &line{level: system, id: names.systemKeyID()},
	}
	f.images.limit.Store(maxImages)
	f.scopeKeys.limit.Store(maxScopeKeys)
	f.confirms.Store(&confirmRound{at: math.MinInt64})
	for _, o := range opts {
		if err := o(f); err != nil {
			return nil, err
		}
	}
	if f.secrets == nil {
		f.secrets = protectedmem.Default()
	}
	f.own = access{f: f, store: f.watchStore(store)}
	f.kms = f.watchKMS(k)
	if f.lines, err = cache.New(cache.Config[string, *line]{
		Kind:     policy.Cache,
		Capacity: policy.SessionCacheSize,
		OnEvict:  func(_ string, l *line) { l.retire() },
	}); err != nil {
		return nil, err
	}
	for _, c := range []*cache.Cache[KeyMeta, *key]{&f.ikeys, &f.skeys} {
		if *c, err = cache.New(cache.Config[KeyMeta, *key]{
			Kind:     policy.Cache,
			Capacity: policy.CacheSize,
			OnEvict: func(_ KeyMeta, k *key) {
				if !f.closed.Load() && !k.replaced.Load() {
					f.count(countEvicted)
				}
				k.release()
			},
			Acquire: func(k *key) { k.refs.Add(1) },
		}); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Close drops all keys. It waits for nothing: a call that is under way ends as
// it would have, and the keys that it uses are wiped when it does; an overlay's
// provisional keys, when the overlay is done with. Every later use of the
// factory, its sessions, scopes and overlays is ErrClosed. Further calls do
// nothing.
func (f *SessionFactory) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	f.lines.Close()
	f.system.retire()
	f.ikeys.Close()
	f.skeys.Close()
	return nil
}

func (f *SessionFactory) open() error {
	if f.closed.Load() {
		return fmt.Errorf("factory: %w", ErrClosed)
	}
	return nil
}

// SystemKeyID returns the id under which system keys are stored.
func (f *SessionFactory) SystemKeyID() string { return f.names.systemKeyID() }

// IntermediateKeyID returns the id under which a partition's keys are stored.
func (f *SessionFactory) IntermediateKeyID(partition string) string {
	return f.names.intermediateKeyID(partition)
}

// AsherahPartition returns the partition that a DataRowRecord names by its
// parent key's id, if that id belongs to this factory's service and product.
// Nothing proves it until the record has been opened. Errors: ErrMalformed,
// ErrPartitionMismatch.
func (f *SessionFactory) AsherahPartition(record []byte) (string, error) {
	s := getScratch()
	defer s.put()
	var p parsedRecord
	if err := p.parse(record, &s.buf); err != nil {
		return "", err
	}
	partition, ok := f.names.partitionOf(p.parentID)
	if !ok {
		return "", fmt.Errorf("unable to decrypt record: %w: %w", ErrPartitionMismatch, errForeign)
	}
	return partition, nil
}

// Confirm makes every key be looked up again before it next encrypts, and be
// stored again if its row was lost: for a new connection, behind which there may
// be another server or a restored backup. Requests that follow each other within
// a second are put together. It asks nothing itself, and is cheap.
func (f *SessionFactory) Confirm(context.Context) error {
	if err := f.open(); err != nil {
		return err
	}
	for {
		was := f.confirms.Load()
		now := f.now()
		if was.at > now {
			return nil // one is to come
		}
		at := now
		if was.round > 0 {
			at = max(now, was.at+int64(confirmPause))
		}
		if f.confirms.CompareAndSwap(was, &confirmRound{round: was.round + 1, at: at}) {
			return nil
		}
	}
}

// ConfirmNow is Confirm without the second's grace, for a connection after one that broke: a failover is
// likelier then than a pool that grows.
func (f *SessionFactory) ConfirmNow(context.Context) error {
	if err := f.open(); err != nil {
		return err
	}
	for {
		was := f.confirms.Load()
		next := &confirmRound{round: was.round + 1, at: f.now()}
		if was.at > next.at {
			next.round = was.round // the one that is to come comes at once
		}
		if f.confirms.CompareAndSwap(was, next) {
			return nil
		}
	}
}

// round returns the round of confirmation that is in effect.
func (f *SessionFactory) round(now int64) uint64 {
	c := f.confirms.Load()
	if now < c.at {
		return c.round - 1
	}
	return c.round
}

// confirmed reports whether what was seen in a round is still good.
func (f *SessionFactory) confirmed(round uint64, now int64) bool {
	c := f.confirms.Load()
	return round >= c.round || now < c.at && round+1 >= c.round
}

// now is the time in unix ns.
func (f *SessionFactory) now() int64 { return f.clock().UnixNano() }

// stamp is taken before the store is asked.
func (f *SessionFactory) stamp() stamp {
	now := f.now()
	return stamp{at: now, round: f.round(now)}
}

// keys returns the cache of a level.
func (f *SessionFactory) keys(l level) cache.Cache[KeyMeta, *key] {
	if l == system {
		return f.skeys
	}
	return f.ikeys
}

// forget drops a key from its cache.
func (f *SessionFactory) forget(k *key) { f.keys(k.level).Delete(k.meta) }

// line returns a partition's line.
func (f *SessionFactory) line(partition string) (*line, error) {
	if l, ok := f.lines.Get(partition); ok {
		return l, nil
	}
	if err := f.names.checkPartition(partition); err != nil {
		return nil, err
	}
	id := f.names.intermediateKeyID(partition)
	if err := metastore.CheckID(id); err != nil {
		return nil, err
	}
	f.addLine.Lock()
	defer f.addLine.Unlock()
	if l, ok := f.lines.Get(partition); ok {
		return l, nil
	}
	l := &line{level: intermediate, id: id, partition: partition}
	f.lines.Put(partition, l)
	return l, nil
}
