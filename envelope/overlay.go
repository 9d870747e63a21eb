package envelope

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/asherah-sql/asherah-sql/metastore"
)

// Overlay is a way to the keys through a store of its own, for a database with
// one writer, where the row of a new key belongs to the transaction that needs
// it. Keys that are stored through it are provisional: only the overlay's own
// sessions and scopes see them, until Commit or Reconcile gives them to the
// factory, or Discard drops them. It never waits for what other users of the
// factory are doing: they may be waiting for its transaction.
//
// An overlay can be used for one transaction after the other, and must be left
// without provisional keys (Pending is 0): they stay in memory until then, also
// when the factory is closed. It is not safe for concurrent use, nor are its
// sessions and scopes.
type Overlay struct {
	keys access

	// pending are the provisional keys in the order in which they were stored,
	// each with a reference: new ones, and ones that the factory knows, too,
	// whose lost row has been stored again.
	pending []*key

	// doubtful are rows whose storing failed in a way that doesn't tell whether
	// they were stored.
	doubtful []KeyMeta
}

// Overlay returns an overlay over the factory's keys that reads and stores rows
// through store.
func (f *SessionFactory) Overlay(store metastore.Store) *Overlay {
	o := &Overlay{}
	o.keys = access{f: f, store: f.watchStore(store), overlay: o}
	return o
}

// Session is [SessionFactory.Session] over the overlay's keys.
func (o *Overlay) Session(ctx context.Context, partition string) (*Session, error) {
	return o.keys.session(partition)
}

// Scope is [SessionFactory.Scope] over the overlay's keys.
func (o *Overlay) Scope() *Scope { return &Scope{keys: &o.keys} }

// Pending returns the number of provisional keys.
func (o *Overlay) Pending() int { return len(o.pending) }

// Restore stores again, exactly as they were, the rows of provisional keys that
// the store no longer has, because a savepoint took them back: values that were
// encrypted since may need them. It is to be called before a commit.
func (o *Overlay) Restore(ctx context.Context) error {
	if err := o.open(); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	// In the order of storing, the keys above come first.
	for _, k := range o.pending {
		if err := o.restore(ctx, k); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	}
	return nil
}

func (o *Overlay) restore(ctx context.Context, k *key) error {
	row, err := o.keys.load(ctx, k.level, k.meta)
	if errors.Is(err, ErrKeyNotFound) {
		err = o.keys.store.Store(ctx, k.meta, k.row.Load().Clone())
		if err == nil {
			o.keys.f.restored(ctx, k)
			return nil
		}
		if !errors.Is(err, metastore.ErrExists) {
			return fmt.Errorf("error storing %s in metastore: %w", k.level, err)
		}
		row, err = o.keys.load(ctx, k.level, k.meta)
	}
	if err != nil {
		return err
	}
	if !sameKey(row, k.row.Load()) {
		return fmt.Errorf("%s: %w: roll back", k.level, errReplaced)
	}
	return nil
}

// Commit gives the provisional keys to the factory: their rows are committed.
func (o *Overlay) Commit() {
	for _, k := range o.take() {
		o.settle(k)
	}
}

// Reconcile gives the provisional keys to the factory whose rows the store has,
// and drops the others: for a transaction of which it isn't known how it ended.
// With an error, those that weren't looked up stay provisional.
func (o *Overlay) Reconcile(ctx context.Context) error {
	if err := o.open(); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	var lost []*key // without references: for comparison only
	for len(o.pending) > 0 {
		k := o.pending[0]
		row, err := o.keys.load(ctx, k.level, k.meta)
		if err != nil && !errors.Is(err, ErrKeyNotFound) {
			return fmt.Errorf("reconcile: %w", err)
		}
		there := err == nil && sameKey(row, k.row.Load())
		if err == nil && !there {
			k.replaced.Store(true)
			o.keys.f.forget(k)
		}
		o.pending = slices.Delete(o.pending, 0, 1)
		// A key whose system key is lost opens for nobody.
		if there && !slices.Contains(lost, k.parent) {
			o.settle(k)
		} else {
			lost = append(lost, k)
			k.release()
		}
	}
	o.doubtful = nil
	return nil
}

// Discard drops the provisional keys: their rows were rolled back. A key that
// the factory knows, whose lost row had been stored again, stays due for
// confirmation there.
func (o *Overlay) Discard() {
	for _, k := range o.take() {
		k.release()
	}
}

func (o *Overlay) open() error {
	if o.keys.store == nil {
		return errNoStore
	}
	return o.keys.f.open()
}

// take empties the overlay.
func (o *Overlay) take() []*key {
	keys := o.pending
	o.pending, o.doubtful = nil, nil
	return keys
}

// settle makes a key that isn't provisional any more the factory's, and drops
// the overlay's reference.
func (o *Overlay) settle(k *key) {
	f := o.keys.f
	st := f.stamp()
	k.seen.Store(&st)
	f.own.publish(k)
	l := f.system
	if k.level == intermediate {
		partition, _ := f.names.ownPartition(k.meta.ID)
		l, _ = f.lines.Get(partition)
	}
	if l != nil {
		f.own.install(l, k, st, false)
	}
	k.release()
}

// add takes up a key that was stored through the overlay.
func (o *Overlay) add(k *key) {
	if !o.provisional(k) {
		o.pending = append(o.pending, k.retain())
	}
}

// drop gives up a provisional key that can't be stored any more.
func (o *Overlay) drop(k *key) {
	k.replaced.Store(true)
	if i := slices.Index(o.pending, k); i >= 0 {
		o.pending = slices.Delete(o.pending, i, i+1)
		k.release()
	}
}

// doubt remembers that nobody knows whether a row was stored.
func (o *Overlay) doubt(meta KeyMeta) { o.doubtful = append(o.doubtful, meta) }

// provisional reports whether k is one of the overlay's.
func (o *Overlay) provisional(k *key) bool { return slices.Contains(o.pending, k) }

// dubious reports whether a key that was read may rest on a row of the
// transaction.
func (o *Overlay) dubious(k *key) bool {
	return slices.Contains(o.doubtful, k.meta) || k.parent != nil && (o.provisional(k.parent) || slices.Contains(o.doubtful, k.parent.meta))
}

// find returns the provisional key of this id and time, or nil, without a
// reference.
func (o *Overlay) find(meta KeyMeta) *key {
	for _, k := range o.pending {
		if k.meta == meta {
			return k
		}
	}
	return nil
}

// newest returns the newest provisional key of this id, or nil, without a
// reference.
func (o *Overlay) newest(id string) (newest *key) {
	for _, k := range o.pending {
		if k.meta.ID == id && (newest == nil || k.meta.Created > newest.meta.Created) {
			newest = k
		}
	}
	return newest
}

// latest returns the latest creation time that the overlay may have used for
// this id.
func (o *Overlay) latest(id string) int64 {
	latest := int64(math.MinInt64)
	for _, k := range o.pending {
		if k.meta.ID == id {
			latest = max(latest, k.meta.Created)
		}
	}
	for _, m := range o.doubtful {
		if m.ID == id {
			latest = max(latest, m.Created)
		}
	}
	return latest
}
