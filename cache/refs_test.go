package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// ref is a value with a reference count, as keys have one. It is born with one
// reference, its maker's.
type ref struct {
	n       int
	refs    atomic.Int32
	evicted atomic.Int32
}

// ledger makes refs and knows all of them.
type ledger struct {
	mu   sync.Mutex
	all  []*ref
	errs []string
}

func (l *ledger) make() *ref {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &ref{n: len(l.all)}
	r.refs.Store(1)
	l.all = append(l.all, r)
	return r
}

func (l *ledger) fail(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, fmt.Sprintf(format, args...))
}

// acquire and release are what a key's retain and close are.
func (l *ledger) acquire(r *ref) {
	if r.refs.Add(1) < 2 {
		l.fail("value %d was handed out after its last reference had gone", r.n)
	}
}

func (l *ledger) release(r *ref) {
	if r.refs.Add(-1) < 0 {
		l.fail("value %d was released too often", r.n)
	}
}

func (l *ledger) onEvict(_ int, r *ref) {
	if r.evicted.Add(1) > 1 {
		l.fail("value %d was evicted twice", r.n)
	}
	l.release(r)
}

// settle checks that everything has been released exactly once. The cache is
// closed and nobody holds a value.
func (l *ledger) settle() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.all {
		if n, e := r.refs.Load(), r.evicted.Load(); n != 0 || e != 1 {
			l.errs = append(l.errs, fmt.Sprintf("value %d: %d references left, evicted %d times", r.n, n, e))
		}
	}
	if len(l.errs) > 0 {
		return fmt.Errorf("%d faults, first: %s", len(l.errs), l.errs[0])
	}
	return nil
}

func (l *ledger) cache(t testing.TB, kind Kind, capacity int) Cache[int, *ref] {
	t.Helper()
	c, err := New(Config[int, *ref]{Kind: kind, Capacity: capacity, OnEvict: l.onEvict, Acquire: l.acquire})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var allKinds = []Kind{Simple, LRU}

func eachKind(t *testing.T, f func(t *testing.T, kind Kind)) {
	for _, k := range allKinds {
		t.Run(k.String(), func(t *testing.T) { f(t, k) })
	}
	if len(allKinds) != len(kinds) {
		t.Errorf("%d of %d kinds tested", len(allKinds), len(kinds))
	}
}

// Any history of calls, one after the other: the cache says what a map and a
// list of uses say, and references come out even.
func TestRandomHistories(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		rapid.Check(t, func(rt *rapid.T) {
			const capacity = 4
			l := new(ledger)
			c := l.cache(t, kind, capacity)
			want := make(map[int]*ref)
			var order []int // the key used last stands last
			use := func(k int) {
				drop(&order, k)
				order = append(order, k)
			}
			keep := func(k int, r *ref) {
				want[k] = r
				use(k)
				if kind == LRU && len(order) > capacity {
					delete(want, order[0])
					order = order[1:]
				}
			}
			key := rapid.IntRange(0, 7)
			fault := errors.New("fault")
			rt.Repeat(map[string]func(*rapid.T){
				"get": func(rt *rapid.T) {
					k := key.Draw(rt, "key")
					r, ok := c.Get(k)
					if ok != (want[k] != nil) || r != want[k] {
						rt.Fatalf("get %d: %v, %v", k, r, ok)
					}
					if ok {
						use(k)
						l.release(r)
					}
				},
				"load": func(rt *rapid.T) {
					k := key.Draw(rt, "key")
					fails := rapid.Bool().Draw(rt, "fails")
					loaded := false
					r, err := c.GetOrLoad(rt.Context(), k, func(context.Context) (*ref, error) {
						loaded = true
						if fails {
							return nil, fault
						}
						return l.make(), nil
					})
					there := want[k] != nil
					switch {
					case loaded == there:
						rt.Fatalf("load %d: there %v, loaded %v", k, there, loaded)
					case there && (err != nil || r != want[k]):
						rt.Fatalf("load %d: %v, %v", k, r, err)
					case loaded && fails != errors.Is(err, fault):
						rt.Fatalf("load %d: %v", k, err)
					}
					if err != nil {
						return
					}
					if there {
						use(k)
					} else {
						keep(k, r)
					}
					l.release(r)
				},
				"put": func(rt *rapid.T) {
					k := key.Draw(rt, "key")
					r := l.make()
					c.Put(k, r)
					keep(k, r)
				},
				"delete": func(rt *rapid.T) {
					k := key.Draw(rt, "key")
					if got, there := c.Delete(k), want[k] != nil; got != there {
						rt.Fatalf("delete %d: %v, want %v", k, got, there)
					}
					delete(want, k)
					drop(&order, k)
				},
				"clear": func(rt *rapid.T) {
					if rapid.IntRange(0, 9).Draw(rt, "really") == 0 {
						c.Clear()
						clear(want)
						order = nil
					}
				},
				"": func(rt *rapid.T) {
					if c.Len() != len(want) {
						rt.Fatalf("%d entries, want %d", c.Len(), len(want))
					}
					live := 0
					for _, r := range l.all {
						live += int(r.refs.Load())
					}
					if live != len(want) {
						rt.Fatalf("%d references, want the cache's own %d", live, len(want))
					}
				},
			})
			c.Close()
			if err := l.settle(); err != nil {
				rt.Fatal(err)
			}
		})
	})
}

func drop(order *[]int, k int) {
	for i, o := range *order {
		if o == k {
			*order = append((*order)[:i:i], (*order)[i+1:]...)
			return
		}
	}
}

// Everything at once, under the race detector: loads that fail, panic, take
// time or come too late, callers that give up, values that are evicted while
// they are handed out, and a Close in the midst of it.
func TestReferencesComeOutEvenUnderFire(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		l := new(ledger)
		c := l.cache(t, kind, 5)
		var loads, callers sync.WaitGroup
		var ops atomic.Int64
		closeAt := make(chan struct{})
		for g := range 8 {
			rnd := rand.New(rand.NewPCG(uint64(g), 42))
			callers.Go(func() {
				for range 3000 {
					if ops.Add(1) == 20_000 {
						close(closeAt)
					}
					k := rnd.IntN(12)
					switch n := rnd.IntN(100); {
					case n < 40:
						if r, ok := c.Get(k); ok {
							l.use(r)
						}
					case n < 85:
						ctx, cancel := context.WithCancel(context.Background())
						if rnd.IntN(3) == 0 {
							ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.IntN(100))*time.Microsecond)
						}
						how, nap := rnd.IntN(10), time.Duration(rnd.IntN(100))*time.Microsecond
						r, err := c.GetOrLoad(ctx, k, func(context.Context) (*ref, error) {
							loads.Add(1)
							defer loads.Done()
							time.Sleep(nap)
							switch how {
							case 0:
								return nil, errors.New("fault")
							case 1:
								panic("oops")
							}
							return l.make(), nil
						})
						if err == nil {
							l.use(r)
						}
						cancel()
					case n < 92:
						c.Put(k, l.make())
					case n < 99:
						c.Delete(k)
					default:
						c.Clear()
					}
				}
			})
		}
		<-closeAt
		c.Close()
		callers.Wait()
		loads.Wait()
		if c.Len() != 0 {
			t.Errorf("%d entries after Close", c.Len())
		}
		// A load that outlived Close gives its value up just after it returned.
		var err error
		for range 1000 {
			if err = l.settled(); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if err := l.settle(); err != nil {
			t.Error(err)
		}
	})
}

// use is what a caller does with a value: it must be alive meanwhile.
func (l *ledger) use(r *ref) {
	if r.refs.Load() < 1 {
		l.fail("value %d is dead while a caller holds it", r.n)
	}
	l.release(r)
}

// settled is settle without keeping what it finds.
func (l *ledger) settled() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.all {
		if r.refs.Load() != 0 {
			return errors.New("not yet")
		}
	}
	return nil
}
