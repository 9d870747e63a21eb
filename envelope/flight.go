package envelope

import (
	"context"
	"errors"
	"sync"
)

// flights lets one caller at a time do something that takes long, without a
// lock being held meanwhile.
type flights struct {
	mu  sync.Mutex
	now *flight // guarded by mu; nil: nobody is at it
}

// flight is one such go. Its result is final when done is closed.
type flight struct {
	done chan struct{}
	key  *key // without a reference: use tryRetain
	err  error

	// cancelled says that it failed because its leader's context had ended,
	// which tells the others nothing.
	cancelled bool
}

// join returns the flight that is under way, or a new one that the caller leads
// and must land.
func (s *flights) join() (f *flight, leader bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now != nil {
		return s.now, false
	}
	s.now = &flight{done: make(chan struct{})}
	return s.now, true
}

var errPanicked = errors.New("the caller that was loading the key panicked")

// lead runs fn as the leader of f.
func (s *flights) lead(ctx context.Context, f *flight, fn func() (*key, error)) (k *key, err error) {
	f.err = errPanicked
	defer func() {
		s.mu.Lock()
		s.now = nil
		s.mu.Unlock()
		close(f.done)
	}()
	k, err = fn()
	f.key, f.err, f.cancelled = k, err, err != nil && ctx.Err() != nil
	return k, err
}

// wait waits for f to end. It returns an error if ctx ended first.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
