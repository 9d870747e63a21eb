package envelope

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

// Defect 7: the canonical SDK asks metastore and KMS under its cache's lock, so
// that one slow partition stalls all of them. Here no partition waits for
// another one's call, warm or cold, whatever is called and whenever.
func TestSlowPartitionDelaysNoOther(t *testing.T) {
	for _, c := range []struct {
		name  string
		after time.Duration // the warm partitions were last used
		slow  func(op string, meta KeyMeta, stack string) bool
	}{
		{"first use", 0, func(op string, meta KeyMeta, _ string) bool { return strings.Contains(meta.ID, "slow") }},
		{"reading", 0, func(op string, meta KeyMeta, _ string) bool { return op == "load" && strings.Contains(meta.ID, "slow") }},
		{"storing", 0, func(op string, meta KeyMeta, _ string) bool {
			return op == "store" && strings.Contains(meta.ID, "slow")
		}},
		{"revoke check of the partition", 50 * time.Minute, func(op string, meta KeyMeta, _ string) bool { return strings.Contains(meta.ID, "slow") }},
		{"revoke check of the system key", 50 * time.Minute, func(op string, meta KeyMeta, who string) bool { return who == "slow" }},
		{"overdue check of the system key", 2 * time.Hour, func(op string, meta KeyMeta, who string) bool { return who == "slow" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			synctest.Test(t, func(t *testing.T) {
				f := w.factory(Config{}, WithClock(time.Now))
				defer f.Close()
				type who struct{}
				slow, warm, cold := session(t, f, "slow"), session(t, f, "warm"), session(t, f, "cold")
				d := encrypt(t, warm, "x")
				if c.after > 0 {
					encrypt(t, slow, "x")
				}
				time.Sleep(c.after)
				release := make(chan struct{})
				stuck := false
				w.store.hook(func(ctx context.Context, op string, meta KeyMeta) error {
					name, _ := ctx.Value(who{}).(string)
					if c.slow(op, meta, name) {
						stuck = true
						<-release
					}
					return nil
				})
				done := make(chan error)
				go func() {
					_, err := slow.Encrypt(context.WithValue(ctx, who{}, "slow"), []byte("x"))
					if c.name == "reading" {
						_, err = slow.Decrypt(ctx, DataRowRecord{Data: make([]byte, 30), Key: &EnvelopeKeyRecord{EncryptedKey: make([]byte, 60),
							ParentKeyMeta: &KeyMeta{ID: "_IK_slow_service_product", Created: 1}}})
					}
					done <- err
				}()
				synctest.Wait()
				if !stuck {
					t.Fatal("nothing was slow")
				}
				begun := time.Now()
				for range 3 {
					encrypt(t, warm, "x")
					encrypt(t, cold, "x")
					wantPayload(t, warm, d, "x")
					sc := f.Scope()
					if _, err := sc.AppendSeal(ctx, nil, "another", []byte("x"), text("c")); err != nil {
						t.Error(err)
					}
					sc.Close()
				}
				if waited := time.Since(begun); waited != 0 {
					t.Errorf("others waited %v", waited)
				}
				close(release)
				if err := <-done; err != nil && c.name != "reading" {
					t.Error(err)
				}
			})
		})
	}
}

func TestHangingKMSDelaysNoCachedKey(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		f := w.factory(Config{}, WithClock(time.Now))
		defer f.Close()
		warm := session(t, f, "warm")
		encrypt(t, warm, "x")
		// A record under a system key that isn't known here.
		other := w.factory(Config{Policy: CryptoPolicy{ExpireAfter: time.Minute}}, WithClock(time.Now))
		defer other.Close()
		time.Sleep(2 * time.Minute)
		foreign := encrypt(t, session(t, other, "slow"), "secret")
		w.kms.hook(func(string) error { time.Sleep(10 * time.Second); return nil })
		begun := time.Now()
		done := make(chan error)
		go func() {
			_, err := session(t, f, "slow").Decrypt(ctx, *foreign)
			done <- err
		}()
		for range 1000 {
			encrypt(t, warm, "x")
			synctest.Wait()
		}
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("the cached key was delayed by %v", waited)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if waited := time.Since(begun); waited != 10*time.Second {
			t.Errorf("the KMS took %v", waited)
		}
	})
}

// While one caller checks a key ahead of time, the others of its partition go on
// with it; once the interval is over they wait for the answer.
func TestOneCallerChecks(t *testing.T) {
	for name, after := range map[string]time.Duration{"ahead": 50 * time.Minute, "late": 61 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			synctest.Test(t, func(t *testing.T) {
				f := w.factory(Config{}, WithClock(time.Now))
				defer f.Close()
				s := session(t, f, "tenant")
				old := encrypt(t, s, "x")
				w.store.revoke(parentOf(old))
				time.Sleep(after)
				before := w.store.count("latest")
				w.store.hook(func(_ context.Context, op string, meta KeyMeta) error {
					if op == "latest" && meta.ID == parentOf(old).ID {
						time.Sleep(time.Second)
					}
					return nil
				})
				begun := time.Now()
				var mu sync.Mutex
				var wg sync.WaitGroup
				revoked, waited := 0, 0
				for range 100 {
					wg.Go(func() {
						d := encrypt(t, s, "x")
						mu.Lock()
						defer mu.Unlock()
						if parentOf(d) == parentOf(old) {
							revoked++
						}
						if time.Since(begun) > 0 {
							waited++
						}
					})
				}
				wg.Wait()
				if n := w.store.count("latest") - before; n > 2 { // and one for the system key
					t.Errorf("the metastore was asked %d times", n)
				}
				if name == "ahead" && (waited != 1 || revoked != 99) {
					t.Errorf("%d callers waited, %d went on with the old key, want 1 and 99", waited, revoked)
				}
				if name == "late" && (waited != 100 || revoked != 0) {
					t.Errorf("%d callers waited, %d went on with the old key, want 100 and none", waited, revoked)
				}
			})
		})
	}
}

// A caller that gives up takes nobody with it.
func TestLeaderThatGivesUp(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		f := w.factory(Config{}, WithClock(time.Now))
		defer f.Close()
		w.store.hook(func(ctx context.Context, op string, _ KeyMeta) error {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Second):
				return nil
			}
		})
		s := session(t, f, "tenant")
		brief, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		errs := make(chan error, 3)
		go func() { _, err := s.Encrypt(brief, nil); errs <- err }()
		synctest.Wait()
		go func() { _, err := s.Encrypt(ctx, nil); errs <- err }()
		go func() {
			briefer, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := s.Encrypt(briefer, nil)
			errs <- err
		}()
		for _, want := range []error{context.DeadlineExceeded, context.DeadlineExceeded, nil} {
			if err := <-errs; !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
	})
}

func TestLeaderThatPanics(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	waiting := make(chan struct{})
	w.store.hook(func(context.Context, string, KeyMeta) error { <-waiting; panic("store") })
	errs := make(chan error, 1)
	go func() {
		defer func() { errs <- fmt.Errorf("%v", recover()) }()
		_, _ = s.Encrypt(ctx, nil)
	}()
	for w.store.count("latest") == 0 {
		time.Sleep(time.Millisecond)
	}
	go func() { _, err := s.Encrypt(ctx, nil); errs <- err }()
	time.Sleep(10 * time.Millisecond)
	close(waiting)
	for range 2 {
		if err := <-errs; err == nil {
			t.Error("got no error")
		}
	}
	w.store.hook(nil)
	encrypt(t, s, "x")
}

// TestCreationRaces lets several processes with several goroutines each make the
// keys of the same partitions.
func TestCreationRaces(t *testing.T) {
	w := newWorld(t)
	w.store.hook(func(context.Context, string, KeyMeta) error {
		time.Sleep(time.Duration(rand.N(200)) * time.Microsecond)
		return nil
	})
	const processes, goroutines = 4, 4
	names := partitions(25)
	var mu sync.Mutex
	records := map[string][]*DataRowRecord{}
	var wg sync.WaitGroup
	for range processes {
		f := w.factory(Config{})
		for range goroutines {
			wg.Go(func() {
				for _, i := range rand.Perm(len(names)) {
					d := encrypt(t, session(t, f, names[i]), names[i])
					mu.Lock()
					records[names[i]] = append(records[names[i]], d)
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	w.store.hook(nil)
	if n := len(w.store.times("_SK_service_product")); n != 1 {
		t.Errorf("got %d system keys, want 1", n)
	}
	f := w.factory(Config{})
	for _, name := range names {
		if n := len(w.store.times(f.IntermediateKeyID(name))); n != 1 {
			t.Errorf("%s: got %d keys, want 1", name, n)
		}
		for _, d := range records[name] {
			wantPayload(t, session(t, f, name), d, name)
		}
	}
}

// TestEverythingAtOnce lets goroutines use keys that are evicted, revoked, lost
// and rotated under their hands, with the race detector watching, and checks
// that everything opens and nothing is left.
func TestEverythingAtOnce(t *testing.T) {
	for _, reuse := range []int{1, 10} {
		w := newWorld(t)
		p := lruPolicy(3)
		p.RevokeCheck, p.ExpireAfter, p.CreatePrecision, p.DataKeyReuse = time.Second, 20*time.Second, time.Second, reuse
		f := w.factory(Config{Policy: p})
		names := partitions(8)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				sc := f.Scope()
				defer func() { sc.Close() }()
				for i := range 400 {
					name := names[rand.N(len(names))]
					s := session(t, f, name)
					d, err := s.Encrypt(ctx, []byte(name))
					if err != nil {
						t.Error(err)
						return
					}
					record, err := sc.AppendSeal(ctx, nil, name, []byte(name), text("c"))
					if err != nil {
						t.Error(err)
						return
					}
					w.clock.advance(10 * time.Millisecond)
					switch rand.N(40) {
					case 0:
						w.store.revoke(parentOf(d))
					case 1:
						if err := f.Confirm(ctx); err != nil {
							t.Error(err)
						}
					}
					if i%20 == 0 {
						sc.Close()
						sc = f.Scope()
					}
					wantPayload(t, s, d, name)
					if got, err := sc.AppendOpen(ctx, nil, "", record, text("c")); err != nil || string(got) != name {
						t.Errorf("got %q, %v", got, err)
					}
				}
			})
		}
		wg.Wait()
		if n := f.lines.Len() + f.ikeys.Len(); n > 6 {
			t.Errorf("the caches hold %d entries, want 6 or less", n)
		}
	}
}

func TestEvictedKeysStayUsableWhileInUse(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{Policy: lruPolicy(1)})
	s := session(t, f, "tenant")
	d := encrypt(t, s, "x")
	k, err := s.key(ctx, f.now())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range partitions(3) {
		encrypt(t, session(t, f, name), "x")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	sc := getScratch()
	defer sc.put()
	if err := k.unwrap(sc, aead.Canonical, d.Key.EncryptedKey, nil); err != nil {
		t.Errorf("the key was wiped while it was in use: %v", err)
	}
	if n, _ := w.secrets.InUse(); n == 0 {
		t.Error("nothing is in use")
	}
	k.release()
	if n, _ := w.secrets.InUse(); n != 0 {
		t.Errorf("%d secrets are in use after the last reference has gone", n)
	}
}

func TestCloseWhileInUse(t *testing.T) {
	for range 50 {
		w := newWorld(t)
		f := w.factory(Config{})
		var wg sync.WaitGroup
		for _, name := range partitions(4) {
			s := session(t, f, name)
			wg.Go(func() {
				for {
					d, err := s.Encrypt(ctx, []byte("x"))
					if err == nil {
						_, err = s.Decrypt(ctx, *d)
					}
					if err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Errorf("got %v, want ErrClosed", err)
						}
						return
					}
				}
			})
		}
		time.Sleep(time.Duration(rand.N(500)) * time.Microsecond)
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
}

// Once a system key may not be used any longer without an answer, the callers
// wait for the one that is on its way.
func TestWaitingForTheSystemKey(t *testing.T) {
	for _, answer := range []error{nil, errors.New("connection refused")} {
		w := newWorld(t)
		synctest.Test(t, func(t *testing.T) {
			f := w.factory(Config{}, WithClock(time.Now))
			defer f.Close()
			names := partitions(5)
			for _, n := range names {
				encrypt(t, session(t, f, n), "x")
			}
			time.Sleep(staleFactor * time.Hour)
			before := w.store.count("load")
			w.store.hook(func(_ context.Context, _ string, meta KeyMeta) error {
				if meta.ID == "_SK_service_product" {
					time.Sleep(time.Second)
					return answer
				}
				return nil
			})
			var wg sync.WaitGroup
			begun := time.Now()
			for _, n := range names {
				wg.Go(func() {
					if _, err := session(t, f, n).Encrypt(ctx, nil); !errors.Is(err, answer) {
						t.Errorf("got %v, want %v", err, answer)
					}
				})
			}
			synctest.Wait()
			wg.Go(func() {
				brief, cancel := context.WithTimeout(ctx, time.Millisecond)
				defer cancel()
				if _, err := session(t, f, names[0]).Encrypt(brief, nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want DeadlineExceeded", err)
				}
			})
			wg.Wait()
			if n := w.store.count("load") - before; n != 1 {
				t.Errorf("the system key was looked up %d times", n)
			}
			if waited := time.Since(begun); waited != time.Second {
				t.Errorf("waited %v", waited)
			}
		})
	}
}

func TestCloseDuringALoad(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		d := encrypt(t, session(t, w.factory(Config{}, WithClock(time.Now)), "tenant"), "x")
		f := w.factory(Config{}, WithClock(time.Now))
		w.store.hook(func(context.Context, string, KeyMeta) error { time.Sleep(time.Second); return nil })
		s := session(t, f, "tenant")
		errs := make(chan error, 2)
		go func() { errs <- second(s.Decrypt(ctx, *d)) }()
		go func() { errs <- second(s.Encrypt(ctx, nil)) }()
		synctest.Wait()
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := <-errs; err != nil && !errors.Is(err, ErrClosed) {
				t.Errorf("got %v, want ErrClosed or none", err)
			}
		}
		time.Sleep(time.Minute)
	})
}

// TestKeysOfGoodStandingDontWaitForTheStore: behind a pooler the store may wait for the very connection that
// the caller's transaction keeps. A key that was looked at lately is used without the store's answer after half
// a second; one that wasn't, or that is new, waits as long as the context lets it.
func TestKeysOfGoodStandingDontWaitForTheStore(t *testing.T) {
	w := newWorld(t)
	synctest.Test(t, func(t *testing.T) {
		f, store := w.factory(Config{}, WithClock(time.Now)), w.store
		defer f.Close()
		seal := func(ctx context.Context, partition string) (time.Duration, error) {
			s, err := f.Session(ctx, partition)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			began := time.Now()
			_, err = s.Encrypt(ctx, []byte("x"))
			return time.Since(began), err
		}
		for _, partition := range []string{"a", "b", "c"} {
			if _, err := seal(t.Context(), partition); err != nil {
				t.Fatal(err)
			}
		}
		store.hook(func(ctx context.Context, _ string, _ KeyMeta) error {
			<-ctx.Done()
			return ctx.Err()
		})
		time.Sleep(2 * time.Second)
		if err := f.Confirm(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, partition := range []string{"a", "a", "b", "c"} {
			wg.Go(func() {
				if took, err := seal(t.Context(), partition); err != nil || took > 2*storePatience {
					t.Errorf("partition %s: %v after %v", partition, err, took)
				}
			})
		}
		wg.Wait()
		if took, err := seal(t.Context(), "a"); err != nil || took != 0 {
			t.Errorf("once more: %v after %v: the store was asked again at once", err, took)
		}

		// A key that must be looked at, and one that isn't there.
		bounded, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if took, err := seal(bounded, "new"); !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
			t.Errorf("a new partition: %v after %v", err, took)
		}
		time.Sleep(4 * time.Hour)
		bounded, cancel = context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if took, err := seal(bounded, "a"); !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
			t.Errorf("a key nobody looked at for four intervals: %v after %v", err, took)
		}

		store.hook(nil)
		if _, err := seal(t.Context(), "a"); err != nil {
			t.Error(err)
		}
	})
}
