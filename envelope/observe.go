package envelope

import (
	"context"
	"log/slog"
	"time"

	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/metastore"
)

// Observer is told what a factory does. Its methods are called by whoever does
// it, before the call that did returns, and from several goroutines at once:
// they must be quick, must not panic, and must not use the factory. They get
// names and times, never a key, a partition or a value.
//
// Timers have the names under which every Asherah SDK reports them:
//
//	ael.drr.encrypt                     a payload sealed, in either format
//	ael.drr.decrypt                     a payload opened
//	ael.metastore.<kind>.load           one row read by its id and time
//	ael.metastore.<kind>.loadlatest     the newest row read
//	ael.metastore.<kind>.store          a row stored
//	ael.kms.<kind>.encryptkey           a system key wrapped
//	ael.kms.<kind>.decryptkey           a system key unwrapped
//
// The kind is what the store's or the service's method Kind() string returns
// ("sql", "memory", "aws"), or "custom" if it has none. Counters:
//
//	ael.key.cache.hit                   a key was at hand
//	ael.key.cache.miss                  the metastore had to be asked for it
//	ael.key.cache.stale                 a key was used while somebody looked at it, or because nobody could
//	ael.key.cache.evicted               a key was dropped for want of room
//	ael.key.system.created              a new system key
//	ael.key.intermediate.created        a new intermediate key
//	ael.key.restored                    the lost row of a key was stored again
type Observer interface {
	// Timed reports an operation that took so long and ended with err.
	Timed(name string, took time.Duration, err error)

	// Counted reports an event.
	Counted(name string)
}

// WithObserver sets who is told what the factory does. Without one nothing is
// measured.
func WithObserver(o Observer) Option {
	return func(sf *SessionFactory) error {
		sf.observer = o
		return nil
	}
}

// WithLogger sets a log for what befalls keys: made, replaced, lost and stored
// again, used although the metastore or the KMS can't be reached. It gets key
// ids, in which the partition stands, and never a key or a value. Without one
// nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return func(sf *SessionFactory) error {
		sf.log = l
		return nil
	}
}

const (
	timerEncrypt = "ael.drr.encrypt"
	timerDecrypt = "ael.drr.decrypt"

	countHit      = "ael.key.cache.hit"
	countMiss     = "ael.key.cache.miss"
	countStale    = "ael.key.cache.stale"
	countEvicted  = "ael.key.cache.evicted"
	countRestored = "ael.key.restored"
)

// countCreated are the counters of new keys.
func (l level) countCreated() string {
	if l == system {
		return "ael.key.system.created"
	}
	return "ael.key.intermediate.created"
}

// timing is an operation under way.
type timing struct {
	o     Observer
	name  string
	began time.Time
}

// begin times an operation; it costs nothing but a comparison without an observer.
func (f *SessionFactory) begin(name string) timing {
	if f.observer == nil {
		return timing{}
	}
	return timing{f.observer, name, time.Now()}
}

func (t timing) end(err error) {
	if t.o != nil {
		t.o.Timed(t.name, time.Since(t.began), err)
	}
}

func (f *SessionFactory) count(name string) {
	if f.observer != nil {
		f.observer.Counted(name)
	}
}

// tell logs what befell a key.
func (f *SessionFactory) tell(ctx context.Context, at slog.Level, what string, l level, meta KeyMeta, err error) {
	if f.log == nil || !f.log.Enabled(ctx, at) {
		return
	}
	attrs := []slog.Attr{
		slog.String("level", l.String()), slog.String("id", meta.ID), slog.Time("created", time.Unix(meta.Created, 0).UTC()),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	f.log.LogAttrs(ctx, at, "asherah-sql: "+what, attrs...)
}

// restored reports that a key's lost row was stored again.
func (f *SessionFactory) restored(ctx context.Context, k *key) {
	f.count(countRestored)
	f.tell(ctx, slog.LevelWarn, "the row of a key was lost, and has been stored again", k.level, k.meta, nil)
}

// kindOf names a store or a service in the metrics.
func kindOf(v any) string {
	if k, ok := v.(interface{ Kind() string }); ok {
		return k.Kind()
	}
	return "custom"
}

// watchStore returns the store as it is, or one that reports to the observer.
func (f *SessionFactory) watchStore(s metastore.Store) metastore.Store {
	if f.observer == nil || s == nil {
		return s
	}
	prefix := "ael.metastore." + kindOf(s) + "."
	return &watchedStore{f: f, store: s, load: prefix + "load", latest: prefix + "loadlatest", insert: prefix + "store"}
}

type watchedStore struct {
	f                    *SessionFactory
	store                metastore.Store
	load, latest, insert string // timers
}

func (w *watchedStore) Load(ctx context.Context, meta KeyMeta) (*EnvelopeKeyRecord, error) {
	t := w.f.begin(w.load)
	row, err := w.store.Load(ctx, meta)
	t.end(err)
	return row, err
}

func (w *watchedStore) LoadLatest(ctx context.Context, id string) (*EnvelopeKeyRecord, error) {
	t := w.f.begin(w.latest)
	row, err := w.store.LoadLatest(ctx, id)
	t.end(err)
	return row, err
}

func (w *watchedStore) Store(ctx context.Context, meta KeyMeta, row *EnvelopeKeyRecord) error {
	t := w.f.begin(w.insert)
	err := w.store.Store(ctx, meta, row)
	t.end(err)
	return err
}

// watchKMS returns the service as it is, or one that reports to the observer.
func (f *SessionFactory) watchKMS(k kms.Service) kms.Service {
	if f.observer == nil {
		return k
	}
	prefix := "ael.kms." + kindOf(k) + "."
	return &watchedKMS{f: f, kms: k, encrypt: prefix + "encryptkey", decrypt: prefix + "decryptkey"}
}

type watchedKMS struct {
	f                *SessionFactory
	kms              kms.Service
	encrypt, decrypt string // timers
}

func (w *watchedKMS) EncryptKey(ctx context.Context, key []byte) ([]byte, error) {
	t := w.f.begin(w.encrypt)
	out, err := w.kms.EncryptKey(ctx, key)
	t.end(err)
	return out, err
}

func (w *watchedKMS) DecryptKey(ctx context.Context, encrypted []byte) ([]byte, error) {
	t := w.f.begin(w.decrypt)
	out, err := w.kms.DecryptKey(ctx, encrypted)
	t.end(err)
	return out, err
}
