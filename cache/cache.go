package cache

import (
	"context"
	"errors"
	"fmt"
)

// ErrClosed is returned by GetOrLoad once the cache is closed.
var ErrClosed = errors.New("cache is closed")

// DefaultCapacity is the number of entries of an LRU whose Config doesn't say.
const DefaultCapacity = 1000

// Cache keeps values under keys. Its methods are safe for concurrent use.
type Cache[K comparable, V any] interface {
	// Get returns the value of k, if it is there.
	Get(k K) (V, bool)

	// GetOrLoad returns the value of k, and if it isn't there, what load
	// returns, which is kept.
	//
	// Load runs in a goroutine of its own, under a context that has ctx's
	// values but neither its deadline nor its cancellation: other callers may
	// come to wait for the same load. It is cancelled when all of them have
	// left, and when the cache is closed. Each caller waits until its own ctx
	// ends, and then gets ctx.Err(). A value that is there already is returned
	// whatever the state of ctx.
	//
	// A load must not ask for its own key. If k is put, deleted or cleared
	// while it is being loaded, those who wait get the loaded value, but it
	// isn't kept, and later callers don't join them.
	GetOrLoad(ctx context.Context, k K, load func(ctx context.Context) (V, error)) (V, error)

	// Put keeps v under k, in place of the value that is there. The cache owns
	// v from then on, and the caller, unless it took a reference before, must
	// not use it any more. On a closed cache v is evicted at once.
	Put(k K, v V)

	// Delete drops k and reports whether it was there.
	Delete(k K) bool

	// Len returns the number of entries.
	Len() int

	// Clear drops all entries.
	Clear()

	// Close drops all entries. Callers that wait for a load get ErrClosed at
	// once; the load's context is cancelled, and if it returns a value all the
	// same, the value is evicted. Nothing is found or kept afterwards. Further
	// calls do nothing.
	Close()
}

// Config are a cache's settings.
type Config[K comparable, V any] struct {
	Kind Kind // 0: Simple

	// Capacity is the number of entries that an LRU keeps, 0 for
	// DefaultCapacity. Simple has no capacity and doesn't look at it.
	Capacity int

	// OnEvict, if set, is called once for each value that the cache gives up:
	// by the goroutine that caused it, before the method that did returns, and
	// for a loaded value, and what had to make room for one, by the load's
	// goroutine, before those who wait get theirs. No lock is held: it may use
	// the cache, and may be called by several goroutines at once. It must not
	// panic.
	OnEvict func(K, V)

	// Acquire, if set, is called for each value that is about to be handed out,
	// once for each caller that gets it. A lock is held, which others may share:
	// it may be called by several goroutines at once, must be quick, must not
	// panic and must not use the cache.
	Acquire func(V)
}

// New returns an empty cache.
func New[K comparable, V any](cfg Config[K, V]) (Cache[K, V], error) {
	if cfg.Kind == 0 {
		cfg.Kind = Simple
	}
	if cfg.Capacity < 0 {
		return nil, fmt.Errorf("cache: new: capacity: want 0 or more entries, got %d", cfg.Capacity)
	}
	if cfg.Capacity == 0 {
		cfg.Capacity = DefaultCapacity
	}
	switch cfg.Kind {
	case Simple:
		return newStore(cfg, nil), nil
	case LRU:
		return newStore(cfg, newLRU[K, V](cfg.Capacity)), nil
	}
	return nil, fmt.Errorf("cache: new: kind %v is not available in this version: want %s", cfg.Kind, kindNames())
}
