package envelope

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asherah-sql/asherah-sql/metastore"
)

// transaction is a store within a transaction: what it has stored only it sees,
// until it is committed. Transactions that are open at once don't see each
// other's rows.
type transaction struct {
	*testStore // what the transaction sees
	base       *testStore
	had        map[KeyMeta]bool // rows that were there when it began
	savepoint  map[KeyMeta]*EnvelopeKeyRecord
}

func begin(base *testStore) *transaction {
	tx := &transaction{testStore: newTestStore(), base: base, had: map[KeyMeta]bool{}}
	base.mu.Lock()
	defer base.mu.Unlock()
	for m, r := range base.rows {
		tx.rows[m], tx.had[m] = r.Clone(), true
	}
	return tx
}

// commit fails if another transaction has stored one of the rows meanwhile.
func (tx *transaction) commit() error {
	tx.base.mu.Lock()
	defer tx.base.mu.Unlock()
	for m := range tx.rows {
		if tx.base.rows[m] != nil && !tx.had[m] {
			return metastore.ErrExists
		}
	}
	for m, r := range tx.rows {
		if tx.base.rows[m] == nil {
			tx.base.rows[m] = r
		}
	}
	return nil
}

// again makes it the next transaction on the same connection.
func (tx *transaction) again() {
	next := begin(tx.base)
	tx.rows, tx.had = next.rows, next.had
}

func (tx *transaction) save()     { tx.savepoint = maps.Clone(tx.rows) }
func (tx *transaction) rollback() { tx.rows = tx.savepoint }

func overlaySession(t testing.TB, o *Overlay, partition string) *Session {
	t.Helper()
	s, err := o.Session(ctx, partition)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantInvisible checks that the factory has no key but those that were there
// before.
func wantInvisible(t testing.TB, f *SessionFactory) {
	t.Helper()
	if n := f.ikeys.Len() + f.skeys.Len(); n != 0 {
		t.Errorf("the factory's caches have %d keys", n)
	}
	if f.system.current.Load() != nil {
		t.Error("the factory has a system key")
	}
	if l, ok := f.lines.Get("tenant"); ok && l.current.Load() != nil {
		t.Error("the factory has an intermediate key")
	}
}

func TestOverlayKeepsNewKeysToItself(t *testing.T) {
	w := newWorld(t)
	f := w.factoryOver(Config{}, nil)
	tx := begin(w.store)
	o := f.Overlay(tx)
	s := overlaySession(t, o, "tenant")
	d := encrypt(t, s, "x")
	if o.Pending() != 2 {
		t.Errorf("%d keys are pending, want 2", o.Pending())
	}
	wantInvisible(t, f)
	// In the transaction it can be read, by all ways.
	wantPayload(t, s, d, "x")
	sc := o.Scope()
	bound, err := sc.AppendSeal(ctx, nil, "tenant", []byte("y"), text("c"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.AppendOpen(ctx, nil, bound, text("c")); err != nil || string(got) != "y" {
		t.Errorf("got %q, %v", got, err)
	}
	sc.Close()
	if o.Pending() != 2 {
		t.Errorf("%d keys are pending, want 2", o.Pending())
	}
	// Outside it can't.
	other := f.Overlay(begin(w.store))
	wantError(t, second(overlaySession(t, other, "tenant").Decrypt(ctx, *d)), ErrKeyNotFound)
	wantInvisible(t, f)

	if err := o.Restore(ctx); err != nil {
		t.Fatal(err)
	}
	if err := tx.commit(); err != nil {
		t.Fatal(err)
	}
	o.Commit()
	if o.Pending() != 0 {
		t.Errorf("%d keys are pending after Commit", o.Pending())
	}
	// Now everybody has them, without asking.
	asked := 0
	w.store.hook(func(context.Context, string, KeyMeta) error { asked++; return nil })
	again := overlaySession(t, f.Overlay(w.store), "tenant")
	wantPayload(t, again, d, "x")
	if e := encrypt(t, again, "y"); parentOf(e) != parentOf(d) {
		t.Error("another key was made")
	}
	if asked != 0 {
		t.Errorf("the metastore was asked %d times", asked)
	}
}

func TestOverlayDropsKeysOfARollback(t *testing.T) {
	w := newWorld(t)
	f := w.factoryOver(Config{}, nil)
	o := f.Overlay(begin(w.store))
	d := encrypt(t, overlaySession(t, o, "tenant"), "x")
	o.Discard()
	if o.Pending() != 0 {
		t.Errorf("%d keys are pending after Discard", o.Pending())
	}
	wantInvisible(t, f)
	if n, _ := w.secrets.InUse(); n != 0 {
		t.Errorf("%d secrets are left", n)
	}
	// The same overlay serves the next transaction.
	tx := begin(w.store)
	o2 := f.Overlay(tx)
	s := overlaySession(t, o2, "tenant")
	wantError(t, second(s.Decrypt(ctx, *d)), ErrKeyNotFound)
	e := encrypt(t, s, "y")
	if err := tx.commit(); err != nil {
		t.Fatal(err)
	}
	o2.Commit()
	wantPayload(t, session(t, w.factory(Config{}), "tenant"), e, "y")
}

func TestOverlayRestoresWhatASavepointTookBack(t *testing.T) {
	w := newWorld(t)
	f := w.factoryOver(Config{}, nil)
	tx := begin(w.store)
	o := f.Overlay(tx)
	s := overlaySession(t, o, "tenant")
	tx.save()
	encrypt(t, s, "lost with its savepoint")
	rows := tx.dump()
	tx.rollback()
	if n := len(tx.rows); n != 0 {
		t.Fatalf("%d rows are left", n)
	}
	// The key goes on being used, and its row isn't there.
	d := encrypt(t, s, "kept")
	if n := len(tx.rows); n != 0 {
		t.Errorf("%d rows were stored", n)
	}
	if err := o.Restore(ctx); err != nil {
		t.Fatal(err)
	}
	sameRows(t, tx.dump(), rows)
	if err := o.Restore(ctx); err != nil { // nothing to do
		t.Fatal(err)
	}
	if err := tx.commit(); err != nil {
		t.Fatal(err)
	}
	o.Commit()
	wantPayload(t, session(t, w.factory(Config{}), "tenant"), d, "kept")
}

func TestOverlayRestoreFails(t *testing.T) {
	down := errors.New("database is locked")
	w := newWorld(t)
	tx := begin(w.store)
	o := w.factoryOver(Config{}, nil).Overlay(tx)
	defer o.Discard()
	d := encrypt(t, overlaySession(t, o, "tenant"), "x")
	for _, op := range []string{"load", "store"} {
		tx.remove(parentOf(d))
		tx.hook(func(_ context.Context, o string, _ KeyMeta) error {
			if o == op {
				return down
			}
			return nil
		})
		wantError(t, o.Restore(ctx), down, "restore: error")
		if o.Pending() != 2 {
			t.Errorf("%d keys are pending, want 2", o.Pending())
		}
	}
	tx.hook(nil)
	tx.put(&EnvelopeKeyRecord{ID: parentOf(d).ID, Created: parentOf(d).Created, EncryptedKey: make([]byte, 60), ParentKeyMeta: &KeyMeta{ID: "x"}})
	wantError(t, o.Restore(ctx), "the metastore has another key in its place")
}

func TestOverlayReconciles(t *testing.T) {
	for _, committed := range []bool{true, false} {
		w := newWorld(t)
		f := w.factoryOver(Config{}, nil)
		tx := begin(w.store)
		o := f.Overlay(tx)
		d := encrypt(t, overlaySession(t, o, "tenant"), "x")
		if committed {
			if err := tx.commit(); err != nil {
				t.Fatal(err)
			}
		}
		// What the store says from now on is what is committed.
		tx.again()
		down := errors.New("database is locked")
		tx.hook(func(context.Context, string, KeyMeta) error { return down })
		wantError(t, o.Reconcile(ctx), down, "reconcile: ")
		if o.Pending() != 2 {
			t.Errorf("%d keys are pending, want 2", o.Pending())
		}
		tx.hook(nil)
		if err := o.Reconcile(ctx); err != nil {
			t.Fatal(err)
		}
		if o.Pending() != 0 {
			t.Errorf("%d keys are pending", o.Pending())
		}
		if committed {
			wantPayload(t, overlaySession(t, f.Overlay(w.store), "tenant"), d, "x")
		} else {
			wantInvisible(t, f)
			if n, _ := w.secrets.InUse(); n != 0 {
				t.Errorf("%d secrets are left", n)
			}
		}
	}
}

// An intermediate key whose system key is lost opens for nobody.
func TestOverlayReconcilesHalfATransaction(t *testing.T) {
	w := newWorld(t)
	f := w.factoryOver(Config{}, nil)
	tx := begin(w.store)
	o := f.Overlay(tx)
	d := encrypt(t, overlaySession(t, o, "tenant"), "x")
	var sk KeyMeta
	tx.change(parentOf(d), func(r *EnvelopeKeyRecord) { sk = *r.ParentKeyMeta })
	tx.remove(sk)
	if err := o.Reconcile(ctx); err != nil {
		t.Fatal(err)
	}
	wantInvisible(t, f)
}

func TestOverlaysRace(t *testing.T) {
	w := newWorld(t)
	f := w.factoryOver(Config{}, nil)
	tx1, tx2 := begin(w.store), begin(w.store)
	o1, o2 := f.Overlay(tx1), f.Overlay(tx2)
	s1, s2 := overlaySession(t, o1, "tenant"), overlaySession(t, o2, "tenant")
	d1, d2 := encrypt(t, s1, "one"), encrypt(t, s2, "two")
	if err := tx1.commit(); err != nil {
		t.Fatal(err)
	}
	o1.Commit()
	if err := tx2.commit(); !errors.Is(err, metastore.ErrExists) {
		t.Fatalf("got %v, want ErrExists", err)
	}
	// Whose transaction is still open goes on with its own.
	wantPayload(t, s2, encrypt(t, s2, "x"), "x")
	o2.Discard()
	tx2.again()
	wantPayload(t, s1, d1, "one")
	wantPayload(t, s2, d1, "one")
	wantError(t, second(s2.Decrypt(ctx, *d2)), ErrMoved)
	if e := encrypt(t, s2, "x"); parentOf(e) != parentOf(d1) {
		t.Error("the loser made another key")
	}
	if n := len(w.store.rows); n != 2 {
		t.Errorf("got %d rows, want 2", n)
	}
}

// Of two that share a database without transactions, the second takes the
// first's key.
func TestOverlayLosesTheRaceForARow(t *testing.T) {
	w := newWorld(t)
	f := w.factoryOver(Config{}, nil)
	o1, o2 := f.Overlay(w.store), f.Overlay(w.store)
	s1, s2 := overlaySession(t, o1, "tenant"), overlaySession(t, o2, "tenant")
	var d1 *DataRowRecord
	w.store.hook(func(_ context.Context, op string, meta KeyMeta) error {
		if op == "store" && d1 == nil {
			w.store.hook(nil)
			d1 = encrypt(t, s1, "one")
		}
		return nil
	})
	d2 := encrypt(t, s2, "two")
	if parentOf(d1) != parentOf(d2) || o1.Pending() != 2 || o2.Pending() != 0 {
		t.Errorf("got keys %v and %v, %d and %d are pending", parentOf(d1), parentOf(d2), o1.Pending(), o2.Pending())
	}
	wantPayload(t, s1, d2, "two")
	wantPayload(t, s2, d1, "one")
	o1.Commit()
	o2.Commit()
}

// Storing that fails may have stored all the same: such a row isn't the
// factory's when it is read in the transaction.
func TestOverlayDoubtsWhatItCouldntStore(t *testing.T) {
	for _, end := range []string{"commit", "rollback"} {
		w := newWorld(t)
		f := w.factoryOver(Config{}, nil)
		tx := begin(w.store)
		o := f.Overlay(tx)
		s := overlaySession(t, o, "tenant")
		down := errors.New("interrupted")
		tx.hook(func(_ context.Context, op string, meta KeyMeta) error {
			if op == "store" && meta.ID == "_SK_service_product" {
				tx.hook(nil)
				wrapped, err := w.kms.EncryptKey(ctx, make([]byte, 32))
				if err != nil {
					t.Fatal(err)
				}
				tx.put(&EnvelopeKeyRecord{ID: meta.ID, Created: meta.Created, EncryptedKey: wrapped})
				return down
			}
			return nil
		})
		wantError(t, second(s.Encrypt(ctx, nil)), down)
		d := encrypt(t, s, "x")
		if o.Pending() != 2 {
			t.Errorf("%d keys are pending, want 2", o.Pending())
		}
		wantInvisible(t, f)
		if end == "commit" {
			if err := tx.commit(); err != nil {
				t.Fatal(err)
			}
			o.Commit()
			wantPayload(t, session(t, w.factory(Config{}), "tenant"), d, "x")
			wantPayload(t, overlaySession(t, f.Overlay(w.store), "tenant"), d, "x")
		} else {
			o.Discard()
			wantInvisible(t, f)
		}
	}
}

// A key that everybody uses and whose row was lost is stored again in the
// transaction that notices; until that is committed others notice, too.
func TestOverlayStoresLostRowsAgain(t *testing.T) {
	for _, end := range []string{"commit", "rollback", "reconcile"} {
		t.Run(end, func(t *testing.T) {
			w := newWorld(t)
			f := w.factoryOver(Config{}, nil)
			setup := f.Overlay(w.store)
			d := encrypt(t, overlaySession(t, setup, "tenant"), "x")
			setup.Commit()
			rows := w.store.dump()
			clear(w.store.rows)
			if err := f.Confirm(ctx); err != nil {
				t.Fatal(err)
			}
			tx := begin(w.store)
			o := f.Overlay(tx)
			s := overlaySession(t, o, "tenant")
			e := encrypt(t, s, "y")
			sameRows(t, tx.dump(), rows)
			if parentOf(e) != parentOf(d) {
				t.Error("another key was made")
			}
			if o.Pending() != 2 {
				t.Errorf("%d keys are pending, want 2", o.Pending())
			}
			asked := tx.count("latest") + tx.count("load")
			encrypt(t, s, "z")
			if n := tx.count("latest") + tx.count("load") - asked; n != 0 {
				t.Errorf("the store was asked %d times again in the same transaction", n)
			}
			switch end {
			case "commit":
				if err := tx.commit(); err != nil {
					t.Fatal(err)
				}
				o.Commit()
			case "reconcile":
				if err := tx.commit(); err != nil {
					t.Fatal(err)
				}
				if err := o.Reconcile(ctx); err != nil {
					t.Fatal(err)
				}
			case "rollback":
				o.Discard()
			}
			tx = begin(w.store)
			o = f.Overlay(tx)
			encrypt(t, overlaySession(t, o, "tenant"), "z")
			if want := map[string]int{"rollback": 2}[end]; o.Pending() != want {
				t.Errorf("%d keys are pending in the next transaction, want %d", o.Pending(), want)
			}
			sameRows(t, tx.dump(), rows)
			o.Discard()
		})
	}
}

// An overlay's transaction may be what another caller's load waits for.
func TestOverlayWaitsForNobody(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		f := w.factory(Config{}, WithClock(time.Now))
		defer f.Close()
		d := encrypt(t, session(t, w.factory(Config{}, WithClock(time.Now)), "tenant"), "x")
		release := make(chan struct{})
		w.store.hook(func(context.Context, string, KeyMeta) error { <-release; return nil })
		var wg sync.WaitGroup
		for _, use := range []func() error{
			func() error { return second(session(t, f, "tenant").Encrypt(ctx, nil)) },
			func() error { return second(session(t, f, "tenant").Decrypt(ctx, *d)) },
			func() error { return second(session(t, f, "new").Encrypt(ctx, nil)) },
		} {
			wg.Go(func() {
				if err := use(); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		begun := time.Now()
		tx := begin(w.store)
		o := f.Overlay(tx)
		s := overlaySession(t, o, "tenant")
		wantPayload(t, s, d, "x")
		wantPayload(t, s, encrypt(t, s, "y"), "y")
		encrypt(t, overlaySession(t, o, "new"), "y")
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("the overlay waited %v", waited)
		}
		o.Discard()
		close(release)
		wg.Wait()
	})
}

// What a transaction only reads is everybody's at once.
func TestOverlayPublishesWhatItReads(t *testing.T) {
	w := newWorld(t)
	d := encrypt(t, session(t, w.factory(Config{}), "tenant"), "x")
	f := w.factoryOver(Config{}, nil)
	o := f.Overlay(begin(w.store))
	s := overlaySession(t, o, "tenant")
	wantPayload(t, s, d, "x")
	if e := encrypt(t, s, "y"); parentOf(e) != parentOf(d) {
		t.Error("another key was made")
	}
	if o.Pending() != 0 || f.ikeys.Len() != 1 || f.skeys.Len() != 1 {
		t.Errorf("%d keys are pending, %d and %d cached", o.Pending(), f.ikeys.Len(), f.skeys.Len())
	}
	down := errors.New("closed")
	w.store.hook(func(context.Context, string, KeyMeta) error { return down })
	encrypt(t, overlaySession(t, f.Overlay(w.store), "tenant"), "z")
}

// A provisional key that is revoked, or expires, in its own transaction.
func TestOverlayReplacesItsOwnKeys(t *testing.T) {
	w := newWorld(t)
	f := w.factoryOver(Config{Policy: CryptoPolicy{ExpireAfter: hour}}, nil)
	tx := begin(w.store)
	o := f.Overlay(tx)
	s := overlaySession(t, o, "tenant")
	tx.save()
	d := encrypt(t, s, "x")
	tx.rollback()
	w.clock.advance(2 * hour)
	e := encrypt(t, s, "y")
	if parentOf(d) == parentOf(e) {
		t.Error("an expired key encrypted")
	}
	if err := o.Restore(ctx); err != nil {
		t.Fatal(err)
	}
	if err := tx.commit(); err != nil {
		t.Fatal(err)
	}
	o.Commit()
	fresh := session(t, w.factory(Config{}), "tenant")
	wantPayload(t, fresh, d, "x")
	wantPayload(t, fresh, e, "y")
}

func TestOverlayWithSharedDataKeys(t *testing.T) {
	w := newWorld(t)
	f := w.factoryOver(Config{Policy: CryptoPolicy{DataKeyReuse: 100}}, nil)
	o := f.Overlay(begin(w.store))
	s := overlaySession(t, o, "tenant")
	var records [][]byte
	for i := range 10 {
		r, err := s.AppendSeal(ctx, nil, fmt.Append(nil, i), text("c"))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	for i, r := range records {
		if got, err := s.AppendOpen(ctx, nil, r, text("c")); err != nil || string(got) != fmt.Sprint(i) {
			t.Errorf("got %q, %v", got, err)
		}
	}
	o.Discard()
}

// After a rollback that the overlay was not told of, another process' key may
// stand where its own was.
func TestOverlayWhoseKeyWasReplaced(t *testing.T) {
	w := newWorld(t)
	encrypt(t, session(t, w.factory(Config{}), "other"), "x") // the system key is there
	f := w.factoryOver(Config{}, nil)
	f.wrapLimit = 1 // it looks for another key after each record
	tx := begin(w.store)
	o := f.Overlay(tx)
	s := overlaySession(t, o, "tenant")
	lost := encrypt(t, s, "lost")
	theirs := encrypt(t, session(t, w.factory(Config{}), "tenant"), "theirs")
	if parentOf(lost) != parentOf(theirs) {
		t.Fatal("the keys have different times")
	}
	tx.again()
	d := encrypt(t, s, "x")
	if parentOf(d) != parentOf(theirs) {
		t.Errorf("got key %v, want the one that is there", parentOf(d))
	}
	wantPayload(t, s, d, "x")
	wantPayload(t, s, theirs, "theirs")
	wantError(t, second(s.Decrypt(ctx, *lost)), ErrMoved)
	if o.Pending() != 0 {
		t.Errorf("%d keys are pending", o.Pending())
	}
	wantPayload(t, session(t, w.factory(Config{}), "tenant"), d, "x")
}
