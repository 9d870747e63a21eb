package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// call is one load and those who wait for it.
type call[V any] struct {
	done chan struct{} // closed when the fields below are final

	// The store's lock guards the fields below until done is closed.
	waiters  int
	finished bool
	value    V
	err      error
}

// PanicError is what the callers of a load get that panicked.
type PanicError struct {
	Value any    // what the load panicked with
	Stack []byte // where, as debug.Stack writes it
}

// Error names the type of the panic's value; the value may hold what the load
// worked on, so it isn't printed.
func (e *PanicError) Error() string {
	return fmt.Sprintf("cache: load: panicked with a %T: see PanicError.Stack", e.Value)
}

var errExited = errors.New("cache: load: its goroutine exited without a result")

// run calls load and hands its result to finish, whatever happens.
func (c *store[K, V]) run(ctx context.Context, cancel context.CancelFunc, k K, cl *call[V], load func(context.Context) (V, error)) {
	var v V
	err := errExited
	defer func() {
		if r := recover(); r != nil {
			err = &PanicError{Value: r, Stack: debug.Stack()}
		}
		cancel()
		c.finish(k, cl, v, err)
	}()
	v, err = load(ctx)
}

// finish gives a load's result to those who wait, and keeps the value if the
// load is still the one to join. Each of those who wait has its reference
// before the lock is released, because the value may be evicted right then.
func (c *store[K, V]) finish(k K, cl *call[V], v V, err error) {
	c.mu.Lock()
	if cl.finished { // by Close
		c.mu.Unlock()
		if err == nil {
			c.evict(evicted[K, V]{k, v, true})
		}
		return
	}
	cl.finished, cl.err = true, err
	delete(c.calls, cl)
	current := c.joins[k] == cl
	if current {
		delete(c.joins, k)
	}
	var out evicted[K, V]
	if err == nil {
		cl.value = v
		for range cl.waiters {
			c.handOut(v)
		}
		if current {
			out = c.keep(k, v)
		} else {
			out = evicted[K, V]{k, v, true}
		}
	}
	c.mu.Unlock()
	c.evict(out)
	close(cl.done)
}

// wait returns the result of a load that the caller is counted in, or ctx's
// error if that comes first.
func (c *store[K, V]) wait(ctx context.Context, k K, cl *call[V]) (V, error) {
	select {
	case <-cl.done:
		return cl.value, cl.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if cl.finished {
		// Too late to leave: the value is acquired for this caller.
		return cl.value, cl.err
	}
	cl.waiters--
	if cl.waiters == 0 {
		// Nobody wants it any more. Who comes next must not join a load that
		// is about to fail for being cancelled.
		if c.joins[k] == cl {
			delete(c.joins, k)
		}
		c.calls[cl]()
	}
	var zero V
	return zero, ctx.Err()
}
