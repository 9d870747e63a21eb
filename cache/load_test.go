package cache

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// inBubble runs f for each kind, with a clock that stands still while anything
// runs.
func inBubble(t *testing.T, f func(t *testing.T, kind Kind)) {
	eachKind(t, func(t *testing.T, kind Kind) {
		synctest.Test(t, func(t *testing.T) { f(t, kind) })
	})
}

// slow returns a load that takes d, or until its context ends.
func slow(l *ledger, d time.Duration, loads *atomic.Int32) func(context.Context) (*ref, error) {
	return func(ctx context.Context) (*ref, error) {
		loads.Add(1)
		select {
		case <-time.After(d):
			return l.make(), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func finish(t *testing.T, l *ledger, c Cache[int, *ref]) {
	t.Helper()
	c.Close()
	synctest.Wait()
	if err := l.settle(); err != nil {
		t.Error(err)
	}
}

func TestOneLoadServesAllWhoWait(t *testing.T) {
	inBubble(t, func(t *testing.T, kind Kind) {
		l := new(ledger)
		c := l.cache(t, kind, 10)
		var loads atomic.Int32
		var wg sync.WaitGroup
		got := make([]*ref, 10)
		for i := range got {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 50 * time.Millisecond) // the last comes after half a second
				r, err := c.GetOrLoad(t.Context(), 1, slow(l, time.Second, &loads))
				if err != nil {
					t.Error(err)
					return
				}
				got[i] = r
			})
		}
		start := time.Now()
		wg.Wait()
		if d := time.Since(start); d != time.Second {
			t.Errorf("took %v, want the load's second", d)
		}
		if loads.Load() != 1 {
			t.Errorf("%d loads", loads.Load())
		}
		if n := got[0].refs.Load(); n != 11 {
			t.Errorf("%d references, want ten callers' and the cache's", n)
		}
		for _, r := range got {
			if r != got[0] {
				t.Error("different values")
			}
			l.release(r)
		}
		finish(t, l, c)
	})
}

func TestALoadDelaysNoOtherKey(t *testing.T) {
	inBubble(t, func(t *testing.T, kind Kind) {
		l := new(ledger)
		c := l.cache(t, kind, 10)
		var loads atomic.Int32
		c.Put(2, l.make())
		var wg sync.WaitGroup
		wg.Go(func() {
			r, err := c.GetOrLoad(t.Context(), 1, slow(l, 10*time.Second, &loads))
			if err != nil {
				t.Error(err)
				return
			}
			l.release(r)
		})
		synctest.Wait() // the load hangs
		start := time.Now()
		if r, ok := c.Get(2); ok {
			l.release(r)
		} else {
			t.Error("2 isn't there")
		}
		if r, err := c.GetOrLoad(t.Context(), 3, slow(l, 0, &loads)); err == nil {
			l.release(r)
		} else {
			t.Error(err)
		}
		c.Put(4, l.make())
		c.Delete(4)
		c.Len()
		if _, ok := c.Get(1); ok {
			t.Error("1 is there already")
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("other keys waited %v", d)
		}
		wg.Wait()
		finish(t, l, c)
	})
}

func TestACallerThatGivesUpLeavesTheLoadToTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, kind Kind) {
		for _, first := range []bool{true, false} { // who gives up: the first caller or a later one
			l := new(ledger)
			c := l.cache(t, kind, 10)
			var loads atomic.Int32
			call := func(patience time.Duration, want error, after time.Duration) {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				start := time.Now()
				r, err := c.GetOrLoad(ctx, 1, slow(l, time.Second, &loads))
				if err != want {
					t.Errorf("patience %v: %v, want %v", patience, err, want)
				}
				if err == nil {
					l.release(r)
				}
				if d := time.Since(start); d != after {
					t.Errorf("patience %v: took %v, want %v", patience, d, after)
				}
			}
			impatient := func() { call(100*time.Millisecond, context.DeadlineExceeded, 100*time.Millisecond) }
			patient := func() { call(time.Hour, nil, time.Second) }
			calls := []func(){impatient, patient}
			if !first {
				calls = []func(){patient, impatient}
			}
			var wg sync.WaitGroup
			for _, f := range calls {
				wg.Go(f)
				synctest.Wait()
			}
			wg.Wait()
			if loads.Load() != 1 {
				t.Errorf("%d loads", loads.Load())
			}
			if c.Len() != 1 {
				t.Error("the value isn't kept")
			}
			finish(t, l, c)
		}
	})
}

func TestALoadThatNobodyWaitsForIsCancelled(t *testing.T) {
	inBubble(t, func(t *testing.T, kind Kind) {
		l := new(ledger)
		c := l.cache(t, kind, 10)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ended := make(chan error, 1)
		hanging := func(ctx context.Context) (*ref, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			time.Sleep(time.Minute) // and takes its time
			return l.make(), nil    // and has a value all the same
		}
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if _, err := c.GetOrLoad(ctx, 1, hanging); !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		// Who comes now doesn't get the cancelled load's error, nor waits for it.
		start := time.Now()
		var loads atomic.Int32
		r, err := c.GetOrLoad(t.Context(), 1, slow(l, time.Second, &loads))
		if err != nil || time.Since(start) != time.Second || loads.Load() != 1 {
			t.Errorf("%v after %v, %d loads", err, time.Since(start), loads.Load())
		}
		time.Sleep(2 * time.Minute)
		// The late value has been given up, and hasn't replaced the new one.
		if again, ok := c.Get(1); !ok || again != r {
			t.Error("the late value took the place of the new one")
		} else {
			l.release(again)
		}
		l.release(r)
		finish(t, l, c)
	})
}

type ctxKey struct{}

func TestTheLoadsContextHasValuesButNoDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T, kind Kind) {
		c := newCache(t, Config[int, int]{Kind: kind})
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), ctxKey{}, "value"), time.Second)
		defer cancel()
		_, err := c.GetOrLoad(ctx, 1, func(ctx context.Context) (int, error) {
			if ctx.Value(ctxKey{}) != "value" {
				t.Error("no value")
			}
			if _, ok := ctx.Deadline(); ok {
				t.Error("a deadline")
			}
			return 1, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestADoneContextStartsNoLoadButHits(t *testing.T) {
	inBubble(t, func(t *testing.T, kind Kind) {
		c := newCache(t, Config[int, int]{Kind: kind})
		c.Put(1, 10)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		load := func(context.Context) (int, error) { t.Error("loaded"); return 0, nil }
		if v, err := c.GetOrLoad(ctx, 1, load); err != nil || v != 10 {
			t.Error(v, err)
		}
		if _, err := c.GetOrLoad(ctx, 2, load); err != context.Canceled {
			t.Error(err)
		}
	})
}

func TestErrorsAreNotKept(t *testing.T) {
	inBubble(t, func(t *testing.T, kind Kind) {
		l := new(ledger)
		c := l.cache(t, kind, 10)
		fault := errors.New("fault")
		var loads atomic.Int32
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				r, err := c.GetOrLoad(t.Context(), 1, func(context.Context) (*ref, error) {
					loads.Add(1)
					time.Sleep(time.Second)
					return nil, fault
				})
				if err != fault || r != nil {
					t.Error(r, err)
				}
			})
		}
		wg.Wait()
		if loads.Load() != 1 || c.Len() != 0 {
			t.Errorf("%d loads, %d entries", loads.Load(), c.Len())
		}
		r, err := c.GetOrLoad(t.Context(), 1, slow(l, 0, &loads))
		if err != nil || loads.Load() != 2 {
			t.Error(err)
		} else {
			l.release(r)
		}
		finish(t, l, c)
	})
}

func TestAPanicInALoadIsAnErrorForAll(t *testing.T) {
	inBubble(t, func(t *testing.T, kind Kind) {
		l := new(ledger)
		c := l.cache(t, kind, 10)
		for name, c2 := range map[string]struct {
			load func()
			want string
		}{
			"panic":        {func() { panic("a secret value") }, "panicked with a string"},
			"panic of nil": {func() { panic(nil) }, "panicked with a *runtime.PanicNilError"},
			"exit":         {func() { runtime.Goexit() }, "exited without a result"},
		} {
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					_, err := c.GetOrLoad(t.Context(), 1, func(context.Context) (*ref, error) {
						time.Sleep(time.Second)
						c2.load()
						return nil, nil
					})
					if err == nil || !strings.Contains(err.Error(), c2.want) || strings.Contains(err.Error(), "secret") {
						t.Errorf("%s: %v", name, err)
					}
					var p *PanicError
					if name == "panic" && (!errors.As(err, &p) || p.Value != "a secret value" || !strings.Contains(string(p.Stack), "load_test.go")) {
						t.Errorf("%s: %#v", name, err)
					}
				})
			}
			wg.Wait()
		}
		var loads atomic.Int32
		if r, err := c.GetOrLoad(t.Context(), 1, slow(l, 0, &loads)); err != nil {
			t.Error(err)
		} else {
			l.release(r)
		}
		finish(t, l, c)
	})
}

func TestAChangeDuringALoadMakesItsValueObsolete(t *testing.T) {
	inBubble(t, func(t *testing.T, kind Kind) {
		for name, change := range map[string]func(*ledger, Cache[int, *ref]){
			"put":    func(l *ledger, c Cache[int, *ref]) { c.Put(1, l.make()) },
			"delete": func(_ *ledger, c Cache[int, *ref]) { c.Delete(1) },
			"clear":  func(_ *ledger, c Cache[int, *ref]) { c.Clear() },
		} {
			l := new(ledger)
			c := l.cache(t, kind, 10)
			var loads atomic.Int32
			var loaded *ref
			var wg sync.WaitGroup
			wg.Go(func() {
				r, err := c.GetOrLoad(t.Context(), 1, slow(l, time.Second, &loads))
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				loaded = r
			})
			synctest.Wait()
			change(l, c)
			// Who comes later gets the new value, or loads a second time.
			later, err := c.GetOrLoad(t.Context(), 1, slow(l, 10*time.Second, &loads))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			wg.Wait()
			if later == loaded {
				t.Errorf("%s: the obsolete value was handed to a later caller", name)
			}
			if loaded.evicted.Load() != 1 || loaded.refs.Load() != 1 {
				t.Errorf("%s: the obsolete value was evicted %d times and has %d references", name, loaded.evicted.Load(), loaded.refs.Load())
			}
			if r, ok := c.Get(1); !ok || r != later {
				t.Errorf("%s: another value is kept", name)
			} else {
				l.release(r)
			}
			l.release(loaded)
			l.release(later)
			finish(t, l, c)
		}
	})
}

func TestCloseDuringALoad(t *testing.T) {
	inBubble(t, func(t *testing.T, kind Kind) {
		for _, detached := range []bool{false, true} {
			l := new(ledger)
			c := l.cache(t, kind, 10)
			cancelled := make(chan struct{})
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					start := time.Now()
					_, err := c.GetOrLoad(t.Context(), 1, func(ctx context.Context) (*ref, error) {
						<-ctx.Done()
						close(cancelled)
						time.Sleep(time.Minute)
						return l.make(), nil // too late
					})
					if !errors.Is(err, ErrClosed) || time.Since(start) != time.Second {
						t.Errorf("%v after %v, want ErrClosed when the cache is closed", err, time.Since(start))
					}
				})
			}
			time.Sleep(time.Second)
			if detached {
				c.Delete(1)
			}
			c.Close()
			wg.Wait()
			<-cancelled
			time.Sleep(2 * time.Minute)
			finish(t, l, c)
			if len(l.all) != 1 {
				t.Errorf("%d values made", len(l.all))
			}
		}
	})
}

// A load may load other keys.
func TestLoadsMayNest(t *testing.T) {
	inBubble(t, func(t *testing.T, kind Kind) {
		c := newCache(t, Config[int, int]{Kind: kind})
		var factorial func(n int) (int, error)
		factorial = func(n int) (int, error) {
			return c.GetOrLoad(t.Context(), n, func(context.Context) (int, error) {
				if n == 0 {
					return 1, nil
				}
				f, err := factorial(n - 1)
				return n * f, err
			})
		}
		if f, err := factorial(10); err != nil || f != 3628800 || c.Len() != 11 {
			t.Error(f, err, c.Len())
		}
	})
}
