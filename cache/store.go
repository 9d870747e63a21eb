package cache

import (
	"context"
	"sync"
)

// store implements Cache for every kind: it has the map, the locks and the
// loads, and its policy the order.
type store[K comparable, V any] struct {
	onEvict func(K, V) // may be nil
	acquire func(V)    // may be nil

	mu      sync.RWMutex        // guards the fields below
	policy  policy[K, V]        // nil: nothing is ever dropped, and a hit changes nothing
	entries map[K]*entry[K, V]  // nil once closed
	joins   map[K]*call[V]      // key → the load that callers may join
	calls   map[*call[V]]func() // every load that hasn't finished → its cancel, those nobody may join any more too
}

// entry is one key's value. Its key and list fields don't concern the store.
type entry[K comparable, V any] struct {
	key        K
	value      V
	prev, next *entry[K, V] // the policy's
}

// policy decides what is dropped. Its methods are called under the write lock.
type policy[K comparable, V any] interface {
	// add is told of a new entry and returns the entry to drop in exchange,
	// possibly the new one, or nil.
	add(e *entry[K, V]) (victim *entry[K, V])

	// hit is told that an entry was used.
	hit(e *entry[K, V])

	// remove is told that an entry is gone, unless add returned it.
	remove(e *entry[K, V])

	// clear is told that all entries are gone.
	clear()
}

func newStore[K comparable, V any](cfg Config[K, V], p policy[K, V]) *store[K, V] {
	return &store[K, V]{
		onEvict: cfg.OnEvict,
		acquire: cfg.Acquire,
		policy:  p,
		entries: make(map[K]*entry[K, V]),
		joins:   make(map[K]*call[V]),
		calls:   make(map[*call[V]]func()),
	}
}

// Get implements Cache.
func (c *store[K, V]) Get(k K) (v V, ok bool) {
	if c.policy == nil {
		c.mu.RLock()
		e := c.entries[k]
		if e != nil {
			v, ok = c.handOut(e.value), true
		}
		c.mu.RUnlock()
		return v, ok
	}
	c.mu.Lock()
	e := c.entries[k]
	if e != nil {
		c.policy.hit(e)
		v, ok = c.handOut(e.value), true
	}
	c.mu.Unlock()
	return v, ok
}

// handOut takes a caller's reference. It runs under the lock, so that nothing
// can have dropped the cache's own reference before.
func (c *store[K, V]) handOut(v V) V {
	if c.acquire != nil {
		c.acquire(v)
	}
	return v
}

// Put implements Cache.
func (c *store[K, V]) Put(k K, v V) {
	c.mu.Lock()
	delete(c.joins, k) // a load of k that is under way is about an older state
	out := c.keep(k, v)
	c.mu.Unlock()
	c.evict(out)
}

// Delete implements Cache.
func (c *store[K, V]) Delete(k K) bool {
	c.mu.Lock()
	delete(c.joins, k)
	e := c.entries[k]
	if e != nil {
		delete(c.entries, k)
		if c.policy != nil {
			c.policy.remove(e)
		}
	}
	c.mu.Unlock()
	if e == nil {
		return false
	}
	c.evict(evicted[K, V]{e.key, e.value, true})
	return true
}

// Len implements Cache.
func (c *store[K, V]) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.entries)
}

// Clear implements Cache.
func (c *store[K, V]) Clear() {
	c.mu.Lock()
	old := c.entries
	if old == nil { // closed
		c.mu.Unlock()
		return
	}
	c.entries = make(map[K]*entry[K, V])
	clear(c.joins)
	if c.policy != nil {
		c.policy.clear()
	}
	c.mu.Unlock()
	c.evictAll(old)
}

// Close implements Cache.
func (c *store[K, V]) Close() {
	c.mu.Lock()
	old, calls := c.entries, c.calls
	c.entries, c.joins, c.calls = nil, nil, nil
	if c.policy != nil {
		c.policy.clear()
	}
	for call, cancel := range calls {
		call.finished, call.err = true, ErrClosed
		close(call.done)
		cancel()
	}
	c.mu.Unlock()
	c.evictAll(old)
}

// evicted is a value that the cache has given up and that OnEvict hasn't seen.
type evicted[K comparable, V any] struct {
	key   K
	value V
	some  bool
}

// keep takes v in, under the lock, and returns what had to go: at most one
// value, because an entry that replaces another one needs no room.
func (c *store[K, V]) keep(k K, v V) (out evicted[K, V]) {
	if c.entries == nil { // closed
		return evicted[K, V]{k, v, true}
	}
	if e := c.entries[k]; e != nil {
		out = evicted[K, V]{e.key, e.value, true}
		e.value = v
		if c.policy != nil {
			c.policy.hit(e)
		}
		return out
	}
	e := &entry[K, V]{key: k, value: v}
	c.entries[k] = e
	if c.policy == nil {
		return out
	}
	if victim := c.policy.add(e); victim != nil {
		delete(c.entries, victim.key)
		out = evicted[K, V]{victim.key, victim.value, true}
	}
	return out
}

// evict tells OnEvict, without a lock.
func (c *store[K, V]) evict(e evicted[K, V]) {
	if e.some && c.onEvict != nil {
		c.onEvict(e.key, e.value)
	}
}

func (c *store[K, V]) evictAll(old map[K]*entry[K, V]) {
	if c.onEvict == nil {
		return
	}
	for _, e := range old {
		c.onEvict(e.key, e.value)
	}
}

// GetOrLoad implements Cache.
func (c *store[K, V]) GetOrLoad(ctx context.Context, k K, load func(context.Context) (V, error)) (V, error) {
	if v, ok := c.Get(k); ok {
		return v, nil
	}
	var zero V
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	c.mu.Lock()
	if c.entries == nil {
		c.mu.Unlock()
		return zero, ErrClosed
	}
	if e := c.entries[k]; e != nil { // somebody was quicker
		if c.policy != nil {
			c.policy.hit(e)
		}
		v := c.handOut(e.value)
		c.mu.Unlock()
		return v, nil
	}
	cl := c.joins[k]
	if cl != nil {
		cl.waiters++
	} else {
		cl = &call[V]{done: make(chan struct{}), waiters: 1}
		loadCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
		c.joins[k] = cl
		c.calls[cl] = cancel
		go c.run(loadCtx, cancel, k, cl, load)
	}
	c.mu.Unlock()
	return c.wait(ctx, k, cl)
}
