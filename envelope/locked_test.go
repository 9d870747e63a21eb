package envelope

import (
	"bytes"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/asherah-sql/asherah-sql/internal/aead"
	"github.com/asherah-sql/asherah-sql/protectedmem"
)

// TestLockedKeysAreOrdinaryKeys compares what a locked key does, expanded or
// not, with internal/aead.
func TestLockedKeysAreOrdinaryKeys(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	plain, ad := []byte("32 bytes of payload, or a little"), []byte("place")
	for _, limit := range []int64{0, 1} {
		f.images.limit.Store(limit)
		key := bytes.Repeat([]byte{1, 2}, 16)
		secret, err := w.secrets.New(bytes.Clone(key))
		if err != nil {
			t.Fatal(err)
		}
		k := f.lock(secret)
		s := getScratch()
		for use := range 4 {
			nonce := bytes.Repeat([]byte{byte(use)}, aead.NonceLen)
			canonical, err := k.seal(s, aead.Canonical, []byte("before"), nonce, plain, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := aead.AppendOpen(nil, key, canonical[6:]); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("use %d: got %q, %v", use, got, err)
			}
			bound, err := k.seal(s, aead.Bound, nil, nonce, plain, ad)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := aead.AppendOpenAD(nil, key, bound, ad); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("use %d: got %q, %v", use, got, err)
			}
			if canonical, err = aead.AppendSeal(nil, key, plain); err != nil {
				t.Fatal(err)
			}
			if got, err := k.open(s, aead.Canonical, []byte("before"), canonical, nil); err != nil || string(got) != "before"+string(plain) {
				t.Errorf("use %d: got %q, %v", use, got, err)
			}
			if bound, err = aead.AppendSealAD(nil, key, plain, ad); err != nil {
				t.Fatal(err)
			}
			if got, err := k.open(s, aead.Bound, nil, bound, ad); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("use %d: got %q, %v", use, got, err)
			}
			for _, l := range []aead.Layout{aead.Canonical, aead.Bound} {
				if got, err := k.open(s, l, []byte("before"), bound[:40], ad); !errors.Is(err, aead.ErrAuth) || string(got) != "before" {
					t.Errorf("use %d: got %q, %v, want ErrAuth", use, got, err)
				}
				if got, err := k.open(s, l, []byte("before"), bound[:11], ad); !errors.Is(err, aead.ErrShort) || string(got) != "before" {
					t.Errorf("use %d: got %q, %v, want ErrShort", use, got, err)
				}
			}
		}
		s.put()
		if expanded := k.image.Load() != nil; expanded != (limit == 1) && runtime.GOARCH != "s390x" {
			t.Errorf("with a limit of %d: got expanded %v", limit, expanded)
		}
		if err := k.close(); err != nil {
			t.Error(err)
		}
		if n := f.images.n.Load(); n != 0 {
			t.Errorf("got %d expanded keys after close", n)
		}
	}
}

// TestDataKeysAreWiped looks at the memory of data keys after their use.
func TestDataKeysAreWiped(t *testing.T) {
	if aead.Movable() == nil {
		t.Fatalf("the expanded keys of %s on %s can't be wiped", runtime.Version(), runtime.GOARCH)
	}
	w := newWorld(t)
	f := w.factory(Config{})
	sc := f.Scope()
	record, err := sc.AppendSeal(ctx, nil, "tenant", []byte("x"), text("c"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sc.AppendOpen(ctx, nil, "tenant", record, text("c")); err != nil {
		t.Fatal(err)
	}
	if len(sc.sealing) != 1 || sc.sealing[0].key.image.cipher == nil {
		t.Fatal("the scope keeps no data key in protected memory")
	}
	if sc.work.fresh != [len(sc.work.fresh)]byte{} {
		t.Error("a data key is in the scope's scratch between two calls")
	}
	secrets, _ := w.secrets.InUse()
	sc.Close()
	if n, _ := w.secrets.InUse(); n != secrets-1 {
		t.Errorf("closing the scope took the secrets from %d to %d, want one less", secrets, n)
	}
	// What was expanded in ordinary memory is wiped, whether or not it could be kept.
	for _, limit := range []int64{1, 0} {
		f.scopeKeys.limit.Store(limit)
		key := bytes.Repeat([]byte{7}, aead.KeyLen)
		k := must(aead.Expand(key))
		kept := f.keepForScope(k, key)
		if (kept != nil) != (limit > 0) {
			t.Errorf("with a limit of %d: kept %v", limit, kept != nil)
		}
		for what, b := range map[string][]byte{"AES": aead.MemoryOf(k.Block), "GCM": aead.MemoryOf(k.AEAD)} {
			if !bytes.Equal(b, make([]byte, len(b))) {
				t.Errorf("%s: the key is still there", what)
			}
		}
		if kept != nil {
			kept.close(f)
		}
		if n := f.scopeKeys.n.Load(); n != 0 {
			t.Errorf("%d keys are counted", n)
		}
	}
	s := getScratch()
	if err := draw(nil, s.fresh[:]); err != nil {
		t.Fatal(err)
	}
	s.put()
	if s.fresh != [len(s.fresh)]byte{} {
		t.Error("the data key is still in the scratch")
	}
}

// TestExpandedKeysGiveWay fills the memory that may be locked: as many keys fit
// as would without their expanded forms.
func TestExpandedKeysGiveWay(t *testing.T) {
	fit := map[int64]int{}
	for _, limit := range []int64{0, maxImages} {
		small, err := protectedmem.NewFactory(protectedmem.Config{MaxLocked: 128 << 10})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t)
		f := w.factory(Config{}, WithSecretFactory(small))
		f.images.limit.Store(limit)
		var first *Session
		for _, name := range partitions(5000) {
			s := session(t, f, name)
			if first == nil {
				first = s
			}
			d, err := s.Encrypt(ctx, []byte("x"))
			if err != nil {
				wantError(t, err, protectedmem.ErrLimit)
				break
			}
			wantPayload(t, s, d, "x")
			wantPayload(t, s, d, "x")
			wantPayload(t, first, encrypt(t, first, "y"), "y")
			fit[limit]++
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if n, _ := small.InUse(); n != 0 {
			t.Errorf("%d secrets are left", n)
		}
		if err := small.Trim(); err != nil {
			t.Error(err)
		}
	}
	if fit[0] < 1000 || fit[maxImages] < fit[0]*9/10 {
		t.Errorf("%d keys fit without expanded forms, %d with", fit[0], fit[maxImages])
	}
}

// Uses of a key whose expanded form gives way just then.
func TestExpandedKeysGiveWayInUse(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2000 {
				wantPayload(t, s, encrypt(t, s, "x"), "x")
			}
		})
	}
	wg.Go(func() {
		for range 2000 {
			f.images.giveWay()
			f.images.limit.Store(maxImages)
		}
	})
	wg.Wait()
}
