package envelope

import (
	"sync"
	"sync/atomic"
)

// line is the succession of keys under one id, and knows the one that encrypts.
type line struct {
	level     level
	id        string
	partition string // of an intermediate key

	renewal flights

	mu      sync.Mutex                 // held while the fields below are replaced
	current atomic.Pointer[generation] // nil: not known
	retired atomic.Bool                // it is in no cache any more and keeps no key
}

// generation is the key that a line encrypts with, on which the line has a
// reference. It doesn't change.
type generation struct {
	key   *key
	asked stamp // when the store was asked for the newest row

	// Nothing needs to be looked at before until (unix ns), unless a round of
	// confirmation after this one has begun.
	until int64
	round uint64
}

// fresh returns the key that encrypts, with a reference, if nothing needs to be
// looked at. This is the way of nearly all calls: it takes no lock.
func (l *line) fresh(f *SessionFactory, now int64) *key {
	g := l.current.Load()
	if g == nil || now >= g.until || !f.confirmed(g.round, now) || g.key.unfit(now) != nil || !g.key.tryRetain() {
		return nil
	}
	return g.key
}

// hold returns what the line has, with a reference to its key, or nil.
func (l *line) hold() *generation {
	for {
		g := l.current.Load()
		if g == nil || g.key.tryRetain() {
			return g
		}
		// Replaced since, and gone: look again.
	}
}

// install makes next the current generation, unless the line has a newer key. It
// adds the line's reference itself.
func (l *line) install(next *generation) {
	l.mu.Lock()
	var old *key
	if g := l.current.Load(); !l.retired.Load() && (g == nil || next.key.meta.Created >= g.key.meta.Created) {
		next.key.retain()
		if g != nil {
			old = g.key
		}
		l.current.Store(next)
	}
	l.mu.Unlock()
	if old != nil {
		old.release()
	}
}

// retire makes the line forget its key.
func (l *line) retire() {
	l.mu.Lock()
	l.retired.Store(true)
	g := l.current.Swap(nil)
	l.mu.Unlock()
	if g != nil {
		g.key.release()
	}
}
