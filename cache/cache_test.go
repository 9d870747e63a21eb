package cache

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// events records what OnEvict is told.
type events struct{ got []int }

func (e *events) onEvict(k, v int) { e.got = append(e.got, k*100+v) }

func (e *events) expect(t *testing.T, what string, want ...int) {
	t.Helper()
	slices.Sort(e.got)
	if !slices.Equal(e.got, want) {
		t.Errorf("%s: evicted %v, want %v", what, e.got, want)
	}
	e.got = nil
}

func newCache(t testing.TB, cfg Config[int, int]) Cache[int, int] {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEachReasonToEvictIsReportedOnce(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		var e events
		c := newCache(t, Config[int, int]{Kind: kind, Capacity: 2, OnEvict: e.onEvict})
		c.Put(1, 10)
		e.expect(t, "put")
		c.Put(1, 11)
		e.expect(t, "replaced", 110)
		c.Put(1, 11)
		e.expect(t, "replaced by an equal value", 111)
		if !c.Delete(1) || c.Delete(1) {
			t.Error("delete says otherwise")
		}
		e.expect(t, "deleted", 111)
		c.Put(1, 10)
		c.Put(2, 20)
		c.Put(3, 30)
		if kind == LRU {
			e.expect(t, "over the capacity", 110)
		} else {
			e.expect(t, "without a capacity")
			c.Delete(1)
			e.expect(t, "deleted", 110)
		}
		c.Clear()
		e.expect(t, "cleared", 220, 330)
		c.Clear()
		e.expect(t, "cleared again")
		c.Put(4, 40)
		c.Close()
		e.expect(t, "closed", 440)
		c.Close()
		c.Clear()
		e.expect(t, "closed again")
	})
}

func TestAClosedCacheKeepsAndFindsNothing(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		var e events
		c := newCache(t, Config[int, int]{Kind: kind, OnEvict: e.onEvict})
		c.Put(1, 10)
		c.Close()
		e.got = nil
		if _, ok := c.Get(1); ok || c.Len() != 0 || c.Delete(1) {
			t.Error("there is something in it")
		}
		c.Put(2, 20)
		e.expect(t, "put after close", 220)
		_, err := c.GetOrLoad(t.Context(), 1, func(context.Context) (int, error) { t.Error("loaded"); return 0, nil })
		if !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}

func TestOnEvictMayUseTheCache(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		var c Cache[int, int]
		calls := 0
		c = newCache(t, Config[int, int]{Kind: kind, Capacity: 1, OnEvict: func(k, v int) {
			calls++
			c.Get(k)
			c.Len()
			c.Delete(k)
			if v < 3 {
				c.Put(k, v+1)
			}
		}})
		c.Put(1, 0)
		c.Delete(1)
		c.Close()
		if calls == 0 {
			t.Error("not called")
		}
	})
}

func TestLRUDropsWhatWasUsedLongestAgo(t *testing.T) {
	var e events
	c := newCache(t, Config[int, int]{Kind: LRU, Capacity: 3, OnEvict: e.onEvict})
	for k := range 3 {
		c.Put(k, k)
	}
	c.Get(0)    // order 1 2 0
	c.Get(9)    // a miss changes nothing
	c.Put(1, 1) // replaced: order 2 0 1
	e.got = nil // the replaced value
	c.Put(3, 3) // order 0 1 3
	e.expect(t, "first", 202)
	if _, err := c.GetOrLoad(t.Context(), 0, nil); err != nil { // a hit: order 1 3 0
		t.Fatal(err)
	}
	c.Put(4, 4)
	e.expect(t, "second", 101)
	c.Delete(0) // order 3 4
	e.got = nil
	c.Put(5, 5) // order 3 4 5
	e.expect(t, "third")
	c.Put(6, 6)
	e.expect(t, "fourth", 303)
	if c.Len() != 3 {
		t.Errorf("%d entries", c.Len())
	}
}

func TestLRUOfOne(t *testing.T) {
	var e events
	c := newCache(t, Config[int, int]{Kind: LRU, Capacity: 1, OnEvict: e.onEvict})
	c.Put(1, 1)
	c.Put(2, 2)
	e.expect(t, "second put", 101)
	if v, ok := c.Get(2); !ok || v != 2 {
		t.Error(v, ok)
	}
}

func TestDefaults(t *testing.T) {
	c := newCache(t, Config[int, int]{Kind: LRU})
	for k := range DefaultCapacity + 10 {
		c.Put(k, k)
	}
	if c.Len() != DefaultCapacity {
		t.Errorf("an LRU without capacity keeps %d entries, want %d", c.Len(), DefaultCapacity)
	}
	for _, cfg := range []Config[int, int]{{}, {Kind: Simple, Capacity: 5}} {
		c := newCache(t, cfg)
		for k := range DefaultCapacity + 10 {
			c.Put(k, k)
		}
		if c.Len() != DefaultCapacity+10 {
			t.Errorf("%+v: keeps %d entries", cfg, c.Len())
		}
	}
}

func TestKinds(t *testing.T) {
	for name, want := range map[string]Kind{"simple": Simple, "lru": LRU} {
		got, err := ParseKind(name)
		if err != nil || got != want || got.String() != name || !got.Valid() {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"", "lfu", "slru", "tinylfu", "none", "LRU", "Simple", "\x00"} {
		_, err := ParseKind(name)
		if err == nil || !strings.Contains(err.Error(), "is not available in this version: want simple or lru") {
			t.Errorf("%q: %v", name, err)
		}
	}
	if Kind(0).Valid() || Kind(77).Valid() || Kind(77).String() != "Kind(77)" {
		t.Error("kinds that aren't")
	}
	if _, err := New(Config[int, int]{Kind: 77}); err == nil || !strings.Contains(err.Error(), "want simple or lru") {
		t.Error(err)
	}
	if _, err := New(Config[int, int]{Capacity: -1}); err == nil || !strings.Contains(err.Error(), "want 0 or more entries, got -1") {
		t.Error(err)
	}
}

func TestHitsDontAllocate(t *testing.T) {
	eachKind(t, func(t *testing.T, kind Kind) {
		c, err := New(Config[string, int]{Kind: kind, Acquire: func(int) {}})
		if err != nil {
			t.Fatal(err)
		}
		c.Put("key", 1)
		if n := testing.AllocsPerRun(100, func() { c.Get("key") }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
