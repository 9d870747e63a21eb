package envelope

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/kms/static"
	"github.com/asherah-sql/asherah-sql/metastore"
)

const (
	hour = time.Hour
	day  = 24 * hour
)

func TestKeysAreTruncatedToThePrecision(t *testing.T) {
	for precision, want := range map[time.Duration]time.Time{
		0:                start.Truncate(time.Minute),
		time.Second:      start,
		10 * time.Second: start.Truncate(10 * time.Second),
		day:              start.Truncate(day),
	} {
		w := newWorld(t)
		f := w.factory(Config{Policy: CryptoPolicy{CreatePrecision: precision}})
		d := encrypt(t, session(t, f, "tenant"), "x")
		if got := parentOf(d); got != (KeyMeta{ID: "_IK_tenant_service_product", Created: want.Unix()}) {
			t.Errorf("precision %v: got %v, want the time %d", precision, got, want.Unix())
		}
		if got := w.systemOf(parentOf(d)); got != (KeyMeta{ID: "_SK_service_product", Created: want.Unix()}) {
			t.Errorf("precision %v: got %v, want the time %d", precision, got, want.Unix())
		}
	}
}

// TestKeysLivingShorterThanThePrecision would make keys that are expired at
// birth.
func TestKeysLivingShorterThanThePrecision(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{Policy: CryptoPolicy{ExpireAfter: 2 * time.Second}})
	s := session(t, f, "tenant")
	for range 20 {
		encrypt(t, s, "x")
		w.clock.advance(time.Second)
	}
	if n := len(w.store.times("_IK_tenant_service_product")); n < 5 || n > 10 {
		t.Errorf("got %d keys in 20 seconds, want one every 3", n)
	}
}

func TestKeysAreReusedUntilTheyExpire(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	first := encrypt(t, s, "first")
	w.clock.advance(90*day - time.Minute)
	if d := encrypt(t, s, "x"); parentOf(d) != parentOf(first) {
		t.Error("the key was replaced before it expired")
	}
	w.clock.advance(2 * time.Minute)
	d := encrypt(t, s, "x")
	if parentOf(d) == parentOf(first) {
		t.Error("an expired key encrypted")
	}
	if sk := w.systemOf(parentOf(d)); sk == w.systemOf(parentOf(first)) {
		t.Error("an expired system key sealed a new key")
	}
	wantPayload(t, s, first, "first")
	wantPayload(t, session(t, w.factory(Config{}), "tenant"), first, "first")
}

// Defect 1: the canonical SDK goes on encrypting with a revoked key as long as
// its cache is warm.
func TestRevokedKeysStopEncryptingOnAWarmCache(t *testing.T) {
	for _, level := range []string{"intermediate", "system"} {
		t.Run(level, func(t *testing.T) {
			w := newWorld(t)
			f := w.factory(Config{})
			s := session(t, f, "tenant")
			scope, reuse := f.Scope(), w.factory(Config{Policy: CryptoPolicy{DataKeyReuse: 1000}})
			defer scope.Close()
			shared := session(t, reuse, "tenant")
			old := encrypt(t, s, "old")
			if _, err := shared.AppendSeal(ctx, nil, []byte("x"), text("c")); err != nil {
				t.Fatal(err)
			}
			w.clock.advance(hour / 2)
			if level == "system" {
				w.store.revoke(w.systemOf(parentOf(old)))
			} else {
				w.store.revoke(parentOf(old))
			}
			// Busy all the time, so that nothing is looked up for being cold.
			for range 30 {
				w.clock.advance(time.Minute)
				encrypt(t, s, "x")
				if _, err := shared.AppendSeal(ctx, nil, []byte("x"), text("c")); err != nil {
					t.Fatal(err)
				}
			}
			d := encrypt(t, s, "new")
			if parentOf(d) == parentOf(old) {
				t.Error("the revoked key encrypted when the interval was over")
			}
			if level == "system" && w.systemOf(parentOf(d)) == w.systemOf(parentOf(old)) {
				t.Error("the new key was sealed by the revoked one")
			}
			record, err := shared.AppendSeal(ctx, nil, []byte("x"), text("c"))
			if err != nil {
				t.Fatal(err)
			}
			if r, _, err := parseBound(record, EncodingText, nil); err != nil || r.created == parentOf(old).Created {
				t.Errorf("a data key of the revoked key was shared when the interval was over: %v", err)
			}
			record, err = scope.AppendEncrypt(ctx, nil, "tenant", []byte("x"))
			if err != nil {
				t.Fatal(err)
			}
			if p, err := ParseDataRowRecord(record); err != nil || *p.Key.ParentKeyMeta != parentOf(d) {
				t.Errorf("Scope: got %v, %v, want %v", p, err, parentOf(d))
			}
			wantPayload(t, s, old, "old")
			wantPayload(t, session(t, w.factory(Config{}), "tenant"), old, "old")
			wantPayload(t, s, d, "new")
		})
	}
}

// A system key's revocation that one partition has found holds for all, in
// particular for a partition that is new.
func TestRevokedSystemKeySealsNoNewKey(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	a, b := session(t, f, "a"), session(t, f, "b")
	old := encrypt(t, a, "x")
	sk := w.systemOf(parentOf(old))
	encrypt(t, b, "x")
	w.store.revoke(sk)
	w.clock.advance(hour)
	for _, s := range []*Session{a, b, session(t, f, "c")} {
		if d := encrypt(t, s, "x"); w.systemOf(parentOf(d)) == sk {
			t.Errorf("%v is sealed by the revoked system key", parentOf(d))
		}
	}
	if n := len(w.store.times("_SK_service_product")); n != 2 {
		t.Errorf("got %d system keys, want 2", n)
	}
}

// Defect 2: the canonical SDK ignores a newer key made by another process.
func TestNewerKeyOfAnotherProcessIsTakenUp(t *testing.T) {
	w := newWorld(t)
	s := session(t, w.factory(Config{}), "tenant")
	old := encrypt(t, s, "old")
	w.clock.advance(10 * time.Minute)
	other := session(t, w.factory(Config{Policy: CryptoPolicy{ExpireAfter: time.Minute}}), "tenant")
	newer := encrypt(t, other, "newer")
	if parentOf(newer) == parentOf(old) {
		t.Fatal("the other process made no key")
	}
	for range 50 {
		w.clock.advance(time.Minute)
		encrypt(t, s, "x")
	}
	if d := encrypt(t, s, "x"); parentOf(d) != parentOf(newer) {
		t.Errorf("got key %v, want the newer %v", parentOf(d), parentOf(newer))
	}
	wantPayload(t, s, old, "old")
	wantPayload(t, s, newer, "newer")
}

// Defect 3: the canonical SDK's replacement for a key that was revoked within
// the precision's window collides with it, and the revoked key is used again.
func TestRevokingWithinThePrecisionWindow(t *testing.T) {
	for _, level := range []string{"intermediate", "system", "both"} {
		t.Run(level, func(t *testing.T) {
			w := newWorld(t)
			f := w.factory(Config{Policy: CryptoPolicy{RevokeCheck: time.Second, CreatePrecision: hour}})
			s := session(t, f, "tenant")
			seen := map[KeyMeta]bool{}
			var latest KeyMeta
			for range 5 {
				d := encrypt(t, s, "x")
				if seen[parentOf(d)] {
					t.Fatalf("%v encrypted although it is revoked", parentOf(d))
				}
				if sk := w.systemOf(parentOf(d)); seen[sk] {
					t.Fatalf("%v encrypted although it is revoked", sk)
				}
				// A process that has just started agrees.
				if c := encrypt(t, session(t, w.factory(Config{}), "tenant"), "x"); parentOf(c) != parentOf(d) {
					t.Fatalf("another process uses %v, this one %v", parentOf(c), parentOf(d))
				}
				if parentOf(d).Created <= latest.Created {
					t.Fatalf("%v isn't newer than %v", parentOf(d), latest)
				}
				latest = parentOf(d)
				if level != "intermediate" {
					seen[w.systemOf(latest)] = true
					w.store.revoke(w.systemOf(latest))
				}
				if level != "system" {
					seen[latest] = true
					w.store.revoke(latest)
				}
				w.clock.advance(time.Second)
			}
			if ahead := latest.Created - start.Truncate(hour).Unix(); ahead != 4 {
				t.Errorf("the newest key is %d seconds ahead of the first, want 4: the next free second each time", ahead)
			}
		})
	}
}

// Defect 7: the canonical SDK asks metastore and KMS under its cache's lock. The
// tests of it are in concurrency_test.go.

// Defect 8: the canonical SDK takes every error of its store for a lost race,
// and "not found" for nothing at all.
func TestErrorsOfTheMetastoreAreReturned(t *testing.T) {
	down := errors.New("connection refused")
	for _, op := range []string{"load", "latest", "store"} {
		t.Run(op, func(t *testing.T) {
			w := newWorld(t)
			s := session(t, w.factory(Config{}), "tenant")
			w.store.hook(func(_ context.Context, o string, _ KeyMeta) error {
				if o == op {
					return down
				}
				return nil
			})
			d := &DataRowRecord{Key: &EnvelopeKeyRecord{EncryptedKey: make([]byte, 60), ParentKeyMeta: &KeyMeta{ID: "_IK_tenant_service_product", Created: 1}}, Data: make([]byte, 30)}
			if op == "load" {
				_, err := s.Decrypt(ctx, *d)
				wantError(t, err, down, "decrypt: error loading intermediate key from metastore: connection refused")
				wantNotError(t, err, ErrKeyNotFound)
				return
			}
			_, err := s.Encrypt(ctx, []byte("x"))
			wantError(t, err, down, "encrypt: error")
			wantNotError(t, err, ErrKeyNotFound, metastore.ErrExists)
			if n := len(w.store.rows); n != 0 {
				t.Errorf("%d rows were stored", n)
			}
			// Once it is up again everything goes on.
			w.store.hook(nil)
			encrypt(t, s, "x")
		})
	}
}

func TestCancellationIsNoLostRace(t *testing.T) {
	for _, level := range []string{"_SK_service_product", "_IK_tenant_service_product"} {
		w := newWorld(t)
		s := session(t, w.factory(Config{}), "tenant")
		cancelled, cancel := context.WithCancel(ctx)
		w.store.hook(func(ctx context.Context, op string, meta KeyMeta) error {
			if op == "store" && meta.ID == level {
				cancel()
				return ctx.Err()
			}
			return nil
		})
		_, err := s.Encrypt(cancelled, []byte("x"))
		wantError(t, err, context.Canceled)
		if times := w.store.times(level); len(times) != 0 {
			t.Errorf("%s: %d rows were stored", level, len(times))
		}
		w.store.hook(nil)
		encrypt(t, s, "x")
	}
}

func TestKeysThatAreNotFound(t *testing.T) {
	w := newWorld(t)
	d := encrypt(t, session(t, w.factory(Config{}), "tenant"), "x")
	sk := w.systemOf(parentOf(d))
	row := w.store.rows[sk]
	w.store.remove(sk)
	s := session(t, w.factory(Config{}), "tenant")
	wantError(t, second(s.Decrypt(ctx, *d)), ErrKeyNotFound, "decrypt: error loading system key from metastore")
	// Nor is the intermediate key replaced: its rows may be restored.
	wantError(t, second(s.Encrypt(ctx, []byte("x"))), ErrKeyNotFound, "encrypt: error loading system key from metastore")
	if n := len(w.store.rows); n != 1 {
		t.Errorf("%d rows were stored", n-1)
	}
	w.store.put(row)
	wantPayload(t, s, d, "x")
	w.store.remove(parentOf(d))
	s = session(t, w.factory(Config{}), "tenant")
	wantError(t, second(s.Decrypt(ctx, *d)), ErrKeyNotFound, "decrypt: error loading intermediate key from metastore")
}

// silentStore answers "not found" as the canonical SDK's stores do.
type silentStore struct{ *testStore }

func (silentStore) Load(context.Context, KeyMeta) (*EnvelopeKeyRecord, error)      { return nil, nil }
func (silentStore) LoadLatest(context.Context, string) (*EnvelopeKeyRecord, error) { return nil, nil }

func TestRowsThatAreNone(t *testing.T) {
	w := newWorld(t)
	d := encrypt(t, session(t, w.factory(Config{}), "tenant"), "x")
	for name, change := range map[string]struct {
		fn   func(*EnvelopeKeyRecord)
		want string
	}{
		"no parent":     {func(r *EnvelopeKeyRecord) { r.ParentKeyMeta = nil }, "parent key cannot be empty"},
		"no key":        {func(r *EnvelopeKeyRecord) { r.EncryptedKey = nil }, "it has no key"},
		"long key":      {func(r *EnvelopeKeyRecord) { r.EncryptedKey = make([]byte, MaxWrappedKey+1) }, "longer than 16 KiB"},
		"short key":     {func(r *EnvelopeKeyRecord) { r.EncryptedKey = r.EncryptedKey[:59] }, "error decrypting intermediate key: cipher: message authentication failed"},
		"altered key":   {func(r *EnvelopeKeyRecord) { r.EncryptedKey[0] ^= 1 }, "error decrypting intermediate key: cipher: message authentication failed"},
		"another id":    {func(r *EnvelopeKeyRecord) { r.ID = "_IK_TENANT_service_product" }, "give the id column a binary collation"},
		"another time":  {func(r *EnvelopeKeyRecord) { r.Created++ }, ""},
		"another SK":    {func(r *EnvelopeKeyRecord) { r.ParentKeyMeta.Created++ }, "error loading system key from metastore"},
		"own parent":    {func(r *EnvelopeKeyRecord) { *r.ParentKeyMeta = parentOf(d) }, "error decrypting system key"},
		"parent's name": {func(r *EnvelopeKeyRecord) { r.ParentKeyMeta.ID = string(make([]byte, MaxKeyID+1)) }, "longer than 4 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			w2 := newWorld(t)
			for m, r := range w.store.rows {
				w2.store.rows[m] = r.Clone()
			}
			w2.store.change(parentOf(d), change.fn)
			before := len(w2.store.rows)
			s := session(t, w2.factory(Config{}), "tenant")
			wantError(t, second(s.Decrypt(ctx, *d)), "decrypt: error", change.want)
			if name != "another time" {
				wantError(t, second(s.Encrypt(ctx, []byte("x"))), "encrypt: error", change.want)
				if n := len(w2.store.rows); n != before {
					t.Errorf("%d rows were stored", n-before)
				}
			}
		})
	}
	s := session(t, w.factoryOver(Config{}, silentStore{w.store}), "tenant")
	wantError(t, second(s.Decrypt(ctx, *d)), "want metastore.ErrNotFound")
	wantError(t, second(s.Encrypt(ctx, nil)), "want metastore.ErrNotFound")
}

func TestSystemKeyThatCantBeUnsealedIsNotReplaced(t *testing.T) {
	w := newWorld(t)
	d := encrypt(t, session(t, w.factory(Config{}), "tenant"), "x")
	before := w.store.dump()
	right := w.kms.Service
	wrong, err := static.New([]byte("anotherMasterKeyOf32BytesLength!"))
	if err != nil {
		t.Fatal(err)
	}
	w.kms.Service = wrong
	f := w.factory(Config{})
	for _, partition := range []string{"tenant", "new"} {
		wantError(t, second(session(t, f, partition).Encrypt(ctx, nil)), "error decrypting system key", "is this the master key that sealed it?")
	}
	wantError(t, second(session(t, f, "tenant").Decrypt(ctx, *d)), "error decrypting system key")
	sameRows(t, w.store.dump(), before)

	// Revoked, or expired, it needs no unsealing.
	w.store.revoke(w.systemOf(parentOf(d)))
	w.store.revoke(parentOf(d))
	encrypt(t, session(t, f, "tenant"), "x")
	w.kms.Service = right
	wantPayload(t, session(t, w.factory(Config{}), "tenant"), d, "x")
}

func TestKMSOutage(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	w.kms.hook(func(string) error { return fmt.Errorf("region asleep: %w", kms.ErrUnavailable) })
	wantError(t, second(session(t, f, "tenant").Encrypt(ctx, nil)), ErrKMSUnavailable, kms.ErrUnavailable, "encrypt: error encrypting system key")
	w.kms.hook(nil)
	d := encrypt(t, session(t, f, "tenant"), "x")
	w.kms.hook(func(string) error { return kms.ErrUnavailable })
	wantError(t, second(session(t, w.factory(Config{}), "tenant").Decrypt(ctx, *d)), ErrKMSUnavailable, "decrypt: error decrypting system key")
	// It isn't asked for what is known.
	encrypt(t, session(t, f, "new"), "x")
}

func TestIntermediateKeyUnderAnExpiredSystemKey(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	encrypt(t, session(t, f, "first"), "x")
	w.clock.advance(60 * day)
	s := session(t, f, "tenant")
	old := encrypt(t, s, "old")
	w.clock.advance(31 * day)
	d := encrypt(t, s, "x")
	if parentOf(d) == parentOf(old) || w.systemOf(parentOf(d)) == w.systemOf(parentOf(old)) {
		t.Error("an intermediate key encrypted under an expired system key")
	}
	wantPayload(t, s, old, "old")
}

func TestNewSystemKeyLeavesYoungerIntermediateKeysAlone(t *testing.T) {
	w := newWorld(t)
	s := session(t, w.factory(Config{}), "tenant")
	old := encrypt(t, s, "x")
	w.clock.advance(2 * hour)
	encrypt(t, session(t, w.factory(Config{Policy: CryptoPolicy{ExpireAfter: hour}}), "other"), "x")
	if n := len(w.store.times("_SK_service_product")); n != 2 {
		t.Fatalf("got %d system keys, want 2", n)
	}
	if d := encrypt(t, s, "x"); parentOf(d) != parentOf(old) {
		t.Error("the key was replaced")
	}
	// But new ones come under the newest.
	d := encrypt(t, session(t, s.keys.f, "new"), "x")
	if sk := w.systemOf(parentOf(d)); sk.Created == start.Truncate(time.Minute).Unix() {
		t.Error("a new key came under the older system key")
	}
}

func TestLostRowsAreStoredAgain(t *testing.T) {
	for name, lose := range map[string]func(w *world, ik, sk KeyMeta){
		"both":         func(w *world, ik, sk KeyMeta) { w.store.remove(ik); w.store.remove(sk) },
		"intermediate": func(w *world, ik, sk KeyMeta) { w.store.remove(ik) },
		"system":       func(w *world, ik, sk KeyMeta) { w.store.remove(sk) },
	} {
		for when, later := range map[string]func(w *world, f *SessionFactory){
			"at the revoke check": func(w *world, f *SessionFactory) { w.clock.advance(50 * time.Minute) },
			"after Confirm": func(w *world, f *SessionFactory) {
				if err := f.Confirm(ctx); err != nil {
					t.Fatal(err)
				}
			},
			"after a second Confirm": func(w *world, f *SessionFactory) {
				for range 2 {
					if err := f.Confirm(ctx); err != nil {
						t.Fatal(err)
					}
				}
				w.clock.advance(confirmPause)
			},
		} {
			t.Run(name+" "+when, func(t *testing.T) {
				w := newWorld(t)
				f := w.factory(Config{})
				s := session(t, f, "tenant")
				d := encrypt(t, s, "x")
				before := w.store.dump()
				lose(w, parentOf(d), w.systemOf(parentOf(d)))
				later(w, f)
				e := encrypt(t, s, "y")
				sameRows(t, w.store.dump(), before)
				fresh := session(t, w.factory(Config{}), "tenant")
				wantPayload(t, fresh, d, "x")
				wantPayload(t, fresh, e, "y")
			})
		}
	}
}

// A restored backup may have an older key as its newest.
func TestLostNewerRowIsStoredAgain(t *testing.T) {
	w := newWorld(t)
	s := session(t, w.factory(Config{Policy: CryptoPolicy{ExpireAfter: hour}}), "tenant")
	encrypt(t, s, "x")
	w.clock.advance(2 * hour)
	d := encrypt(t, s, "y")
	before := w.store.dump()
	if len(before) != 4 {
		t.Fatalf("got %d rows, want 4", len(before))
	}
	w.store.remove(w.systemOf(parentOf(d)))
	w.store.remove(parentOf(d))
	w.clock.advance(50 * time.Minute)
	encrypt(t, s, "z")
	sameRows(t, w.store.dump(), before)
}

// A key that another process has superseded, and whose row was lost, is needed
// for what it encrypted.
func TestLostSupersededRowIsStoredAgain(t *testing.T) {
	w := newWorld(t)
	s := session(t, w.factory(Config{}), "tenant")
	d := encrypt(t, s, "x")
	w.clock.advance(10 * time.Minute)
	newer := encrypt(t, session(t, w.factory(Config{Policy: CryptoPolicy{ExpireAfter: time.Minute}}), "tenant"), "y")
	before := w.store.dump()
	w.store.remove(parentOf(d))
	w.clock.advance(hour)
	if e := encrypt(t, s, "z"); parentOf(e) != parentOf(newer) {
		t.Errorf("got key %v, want %v", parentOf(e), parentOf(newer))
	}
	sameRows(t, w.store.dump(), before)
}

// A failover can also lose a row and let another process put its own in the
// place: what the metastore has is what everybody else reads.
func TestReplacedRowsAreTakenUp(t *testing.T) {
	w := newWorld(t)
	s := session(t, w.factory(Config{}), "tenant")
	d := encrypt(t, s, "x")
	w.store.remove(parentOf(d))
	other := session(t, w.factory(Config{}), "tenant")
	theirs := encrypt(t, other, "theirs")
	if parentOf(theirs) != parentOf(d) {
		t.Fatal("the other process' key has another time")
	}
	w.clock.advance(hour)
	wantPayload(t, other, encrypt(t, s, "y"), "y")
	wantPayload(t, s, theirs, "theirs")
	wantError(t, second(s.Decrypt(ctx, *d)), ErrMoved)
}

func TestReplacedSystemKeyIsTakenUp(t *testing.T) {
	w := newWorld(t)
	s := session(t, w.factory(Config{}), "tenant")
	d := encrypt(t, s, "x")
	w.store.remove(w.systemOf(parentOf(d)))
	other := session(t, w.factory(Config{}), "other")
	encrypt(t, other, "y")
	w.clock.advance(hour)
	e := encrypt(t, s, "z")
	if parentOf(e) == parentOf(d) {
		t.Error("a key encrypted that is sealed by a system key which nobody has")
	}
	wantPayload(t, session(t, w.factory(Config{}), "tenant"), e, "z")
}

func TestConfirmAsksOnce(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	encrypt(t, s, "x")
	asked := func() int { return w.store.count("latest") + w.store.count("load") }
	before := asked()
	encrypt(t, s, "x")
	if asked() != before {
		t.Error("the metastore was asked on a warm cache")
	}
	if err := f.Confirm(ctx); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		encrypt(t, s, "x")
	}
	if n := asked() - before; n != 2 {
		t.Errorf("the metastore was asked %d times, want 2: for both keys", n)
	}
	// Connections that come and go all the time don't make each statement ask.
	for range 10 {
		if err := f.Confirm(ctx); err != nil {
			t.Fatal(err)
		}
		encrypt(t, s, "x")
	}
	if n := asked() - before; n != 2 {
		t.Errorf("the metastore was asked %d times, want 2", n)
	}
	w.clock.advance(confirmPause)
	encrypt(t, s, "x")
	if n := asked() - before; n != 4 {
		t.Errorf("the metastore was asked %d times, want 4", n)
	}
}

func TestOutageOfTheMetastore(t *testing.T) {
	down := errors.New("connection refused")
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	d := encrypt(t, s, "x")
	w.store.hook(func(context.Context, string, KeyMeta) error { return down })
	w.clock.advance(hour)
	before := w.store.count("latest") + w.store.count("load")
	for range 10 {
		if e := encrypt(t, s, "x"); parentOf(e) != parentOf(d) {
			t.Fatal("another key")
		}
	}
	if n := w.store.count("latest") + w.store.count("load") - before; n != 1 {
		t.Errorf("the metastore was asked %d times within one pause, want once", n)
	}
	w.clock.advance(maxRetryPause)
	encrypt(t, s, "x")
	if n := w.store.count("latest") + w.store.count("load") - before; n != 2 {
		t.Errorf("the metastore was asked %d times within two pauses, want twice", n)
	}
	w.clock.advance(2*hour - 2*maxRetryPause)
	encrypt(t, s, "x")
	w.clock.advance(maxRetryPause)
	wantError(t, second(s.Encrypt(ctx, nil)), down, "encrypt: error loading intermediate key from metastore")
	wantPayload(t, s, d, "x") // what is known decrypts on
	w.store.hook(nil)
	if e := encrypt(t, s, "x"); parentOf(e) != parentOf(d) {
		t.Error("another key after the outage")
	}

	// A new partition can't be served, and expired keys aren't.
	w.store.hook(func(context.Context, string, KeyMeta) error { return down })
	wantError(t, second(session(t, f, "new").Encrypt(ctx, nil)), down)
	w.store.hook(nil)
	w.clock.advance(90*day - 4*hour)
	encrypt(t, s, "x")
	w.clock.advance(hour)
	w.store.hook(func(context.Context, string, KeyMeta) error { return down })
	wantError(t, second(s.Encrypt(ctx, nil)), down)
}

func TestUsedUpKeysAreReplaced(t *testing.T) {
	for _, kind := range []string{"simple", "evicting"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			cfg := Config{}
			if kind == "evicting" {
				cfg.Policy = lruPolicy(1)
			}
			f := w.factory(cfg)
			f.wrapLimit = 2 * spentWorth
			s, other := session(t, f, "tenant"), session(t, f, "other")
			first := encrypt(t, s, "first")
			used := 1
			for used <= 2*spentWorth {
				d := encrypt(t, s, "x")
				if used++; parentOf(d) != parentOf(first) {
					break
				}
				if kind == "evicting" && used == spentWorth+1 {
					encrypt(t, other, "x") // takes the only place
				}
			}
			if used != 2*spentWorth+1 {
				t.Errorf("the key sealed %d data keys, want %d", used-1, 2*spentWorth)
			}
			if d := encrypt(t, session(t, w.factory(Config{}), "tenant"), "x"); parentOf(d) == parentOf(first) {
				t.Error("another process doesn't see the new key")
			}
			wantPayload(t, s, first, "first")
		})
	}
}

func TestLoserOfARaceChecksTheWinner(t *testing.T) {
	for name, spoil := range map[string]func(*EnvelopeKeyRecord){
		"valid":   func(*EnvelopeKeyRecord) {},
		"revoked": func(r *EnvelopeKeyRecord) { r.Revoked = true },
	} {
		for _, id := range []string{"_IK_tenant_service_product", "_SK_service_product"} {
			t.Run(name+" "+id, func(t *testing.T) {
				w := newWorld(t)
				winner := session(t, w.factory(Config{}), "tenant")
				s := session(t, w.factory(Config{}), "tenant")
				raced := false
				w.store.hook(func(_ context.Context, op string, meta KeyMeta) error {
					if op == "store" && meta.ID == id && !raced {
						raced = true
						encrypt(t, winner, "winner")
						w.store.change(meta, spoil)
					}
					return nil
				})
				d := encrypt(t, s, "x")
				if !raced {
					t.Fatal("there was no race")
				}
				times := w.store.times(id)
				slices.Sort(times)
				won := KeyMeta{ID: id, Created: times[0]}
				used := parentOf(d)
				if id == "_SK_service_product" {
					used = w.systemOf(used)
				}
				if (used == won) != (name == "valid") {
					t.Errorf("got key %v, the winner is %v", used, won)
				}
				if want := map[string]int{"valid": 1, "revoked": 2}[name]; len(times) != want {
					t.Errorf("got %d rows, want %d", len(times), want)
				}
				wantPayload(t, winner, d, "x")
			})
		}
	}
}

func TestRacesWithoutEnd(t *testing.T) {
	w := newWorld(t)
	encrypt(t, session(t, w.factory(Config{}), "other"), "x")
	w.store.hook(func(_ context.Context, op string, meta KeyMeta) error {
		if op == "store" {
			w.store.put(&EnvelopeKeyRecord{ID: meta.ID, Created: meta.Created, Revoked: true, EncryptedKey: make([]byte, 60), ParentKeyMeta: &KeyMeta{ID: "x"}})
		}
		return nil
	})
	wantError(t, second(session(t, w.factory(Config{}), "tenant").Encrypt(ctx, nil)), ErrKeyRevoked, "encrypt: error creating intermediate key: 16 times another process")
}

func TestStoreThatReadsFromAReplica(t *testing.T) {
	w := newWorld(t)
	encrypt(t, session(t, w.factory(Config{}), "tenant"), "x")
	w.store.hook(func(_ context.Context, op string, meta KeyMeta) error {
		if op != "store" {
			return metastore.ErrNotFound
		}
		return nil
	})
	wantError(t, second(session(t, w.factory(Config{}), "tenant").Encrypt(ctx, nil)), ErrKeyNotFound, "does it read from a replica?")
}

func TestKeysFromTheFuture(t *testing.T) {
	w := newWorld(t)
	old := encrypt(t, session(t, w.factory(Config{}), "tenant"), "old")
	future := func(ahead time.Duration) {
		r := w.store.rows[parentOf(old)].Clone()
		r.Created, r.Revoked = start.Add(ahead).Unix(), true
		w.store.put(r)
	}
	future(hour)
	if d := encrypt(t, session(t, w.factory(Config{}), "tenant"), "x"); parentOf(d).Created != start.Add(hour).Unix()+1 {
		t.Errorf("got key %v, want the next second", parentOf(d))
	}
	future(25 * hour)
	wantError(t, second(session(t, w.factory(Config{}), "tenant").Encrypt(ctx, nil)), "error creating intermediate key: the newest one in the metastore was created 25h0m1s ahead of this clock")
}

func TestExpiryDoesntOverflow(t *testing.T) {
	for created, want := range map[int64]bool{0: true, -1 << 63: true, 1<<63 - 1: false, 1 << 40: false, start.Unix(): false, -1 << 40: true} {
		if expired := start.UnixNano() > expiry(created, 90*day); expired != want {
			t.Errorf("created %d: got expired %v, want %v", created, expired, want)
		}
	}
}

// The system key alone can't be confirmed: the same cap holds for it.
func TestOutageBehindTheSystemKey(t *testing.T) {
	down := errors.New("connection refused")
	w := newWorld(t)
	s := session(t, w.factory(Config{}), "tenant")
	d := encrypt(t, s, "x")
	w.store.hook(func(_ context.Context, _ string, meta KeyMeta) error {
		if meta.ID == "_SK_service_product" {
			return down
		}
		return nil
	})
	for range 5 {
		w.clock.advance(hour / 2)
		encrypt(t, s, "x")
	}
	w.clock.advance(hour / 2)
	wantError(t, second(s.Encrypt(ctx, nil)), down, "encrypt: error loading system key from metastore")
	w.store.hook(nil)
	if e := encrypt(t, s, "x"); parentOf(e) != parentOf(d) {
		t.Error("another key after the outage")
	}
}

// A lost row that can't be stored again is an outage, too: its key may be the
// only one that opens what was just encrypted.
func TestLostRowThatCantBeStoredAgain(t *testing.T) {
	readOnly := errors.New("read-only transaction")
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	d := encrypt(t, s, "x")
	before := w.store.dump()
	w.store.remove(parentOf(d))
	w.store.hook(func(_ context.Context, op string, _ KeyMeta) error {
		if op == "store" {
			return readOnly
		}
		return nil
	})
	w.clock.advance(hour)
	encrypt(t, s, "x")
	w.clock.advance(2 * hour)
	wantError(t, second(s.Encrypt(ctx, nil)), readOnly, "error storing the lost intermediate key again")
	w.store.hook(nil)
	encrypt(t, s, "x")
	sameRows(t, w.store.dump(), before)

	// Another process, which has it too, may be quicker.
	w.store.remove(parentOf(d))
	row := before[parentOf(d)]
	w.store.hook(func(_ context.Context, op string, meta KeyMeta) error {
		if op == "store" {
			var r EnvelopeKeyRecord
			if err := json.Unmarshal([]byte(row), &r); err != nil {
				t.Error(err)
			}
			r.ID = meta.ID
			w.store.put(&r)
		}
		return nil
	})
	w.clock.advance(hour)
	encrypt(t, s, "x")
	sameRows(t, w.store.dump(), before)
}

func TestErrorsOfTheKMSAreReturned(t *testing.T) {
	w := newWorld(t)
	denied := errors.New("access denied")
	for _, cause := range []error{denied, context.DeadlineExceeded} {
		w.kms.hook(func(string) error { return cause })
		_, err := session(t, w.factory(Config{}), "tenant").Encrypt(ctx, nil)
		wantError(t, err, cause, "encrypt: error encrypting system key: ")
		wantNotError(t, err, ErrKMSUnavailable)
	}
	w.kms.hook(nil)
	d := encrypt(t, session(t, w.factory(Config{}), "tenant"), "x")
	w.kms.hook(func(string) error { return denied })
	wantError(t, second(session(t, w.factory(Config{}), "tenant").Decrypt(ctx, *d)), denied, "decrypt: error decrypting system key: ")

	// A newer system key that can't be unsealed doesn't stop those who have the
	// older one from going on during an outage, and does otherwise.
	w = newWorld(t)
	f := w.factory(Config{})
	encrypt(t, session(t, f, "tenant"), "x")
	w.clock.advance(2 * hour)
	encrypt(t, session(t, w.factory(Config{Policy: CryptoPolicy{ExpireAfter: hour}}), "other"), "x")
	w.kms.hook(func(string) error { return kms.ErrUnavailable })
	encrypt(t, session(t, f, "new"), "x")
	w.kms.hook(func(string) error { return denied })
	w.clock.advance(time.Minute)
	wantError(t, second(session(t, f, "newer").Encrypt(ctx, nil)), denied)
}

// brokenKMS returns what no KMS should.
type brokenKMS struct{ encrypted, decrypted []byte }

func (b brokenKMS) EncryptKey(context.Context, []byte) ([]byte, error) { return b.encrypted, nil }
func (b brokenKMS) DecryptKey(context.Context, []byte) ([]byte, error) {
	return slices.Clone(b.decrypted), nil
}

func TestKMSThatReturnsNoKey(t *testing.T) {
	w := newWorld(t)
	d := encrypt(t, session(t, w.factory(Config{}), "tenant"), "x")
	for n, want := range map[int]string{0: "want 32 bytes, got 0", 31: "want 32 bytes, got 31", 33: "want 32 bytes, got 33"} {
		w.kms.Service = brokenKMS{decrypted: make([]byte, n)}
		wantError(t, second(session(t, w.factory(Config{}), "tenant").Decrypt(ctx, *d)), "error decrypting system key", want)
	}
	for n, want := range map[int]string{0: "want 1 to 16384 bytes, got 0", MaxWrappedKey + 1: "got 16385"} {
		w2 := newWorld(t)
		w2.kms.Service = brokenKMS{encrypted: make([]byte, n)}
		wantError(t, second(session(t, w2.factory(Config{}), "tenant").Encrypt(ctx, nil)), "error encrypting system key", want)
	}
}
