package protectedmem

import (
	"io"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
)

// secret is the handle that callers hold. The slot is a separate object so that
// the cleanup can have it while the handle is unreachable.
type secret struct {
	slot    *slot
	cleanup runtime.Cleanup
}

var _ Secret = (*secret)(nil)

func newSecret(s *slot) *secret {
	h := &secret{slot: s}
	h.cleanup = runtime.AddCleanup(h, lost, s)
	return h
}

// slot is one secret's memory.
type slot struct {
	data   []byte // the secret: len and cap are its length
	region *region
	index  int // in region

	// state is the number of readers, plus closing once Close has begun.
	state atomic.Int64

	mu      sync.Mutex    // held during all of Close, so that a second call returns after the wipe
	freed   bool          // guarded by mu
	drained chan struct{} // set by Close before closing appears in state, if there are readers to wait for
}

// closing is far above any number of readers.
const closing = 1 << 62

// enter counts a reader in, or reports that the secret is closed.
func (s *slot) enter() bool {
	if s.state.Add(1)&closing != 0 {
		s.exit()
		return false
	}
	return true
}

func (s *slot) exit() {
	if s.state.Add(-1) == closing {
		// Readers that come too late pass here as well, so that a token may be
		// there already.
		select {
		case s.drained <- struct{}{}:
		default:
		}
	}
}

func (s *slot) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.freed {
		return nil
	}
	if !s.state.CompareAndSwap(0, closing) {
		s.drained = make(chan struct{}, 1)
		s.state.Or(closing)
		for s.state.Load() != closing {
			<-s.drained
		}
	}
	s.freed = true
	return s.region.arena.free(s)
}

// lost is the cleanup of a handle that nobody closed.
func lost(s *slot) {
	attrs := []any{slog.Int("bytes", len(s.data))}
	if err := s.close(); err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	s.region.arena.logger().Warn("protectedmem: a secret was lost without Close; it has been wiped now", attrs...)
}

// WithBytes implements [Secret].
func (h *secret) WithBytes(fn func([]byte) error) error {
	s := h.slot
	if !s.enter() {
		return ErrClosed
	}
	defer h.leave()
	return fn(s.data)
}

// WithBytesFunc implements [Secret].
func (h *secret) WithBytesFunc(fn func([]byte) ([]byte, error)) ([]byte, error) {
	s := h.slot
	if !s.enter() {
		return nil, ErrClosed
	}
	defer h.leave()
	return fn(s.data)
}

// leave counts a reader out. Being a method of the handle it keeps the handle,
// and with it the memory, alive until then.
func (h *secret) leave() {
	h.slot.exit()
	runtime.KeepAlive(h)
}

// Len implements [Secret].
func (h *secret) Len() int {
	if h.IsClosed() {
		return 0
	}
	return len(h.slot.data)
}

// IsEmpty implements [Secret].
func (h *secret) IsEmpty() bool { return h.Len() == 0 }

// IsClosed implements [Secret].
func (h *secret) IsClosed() bool { return h.slot.state.Load()&closing != 0 }

// Close implements [Secret].
func (h *secret) Close() error {
	err := h.slot.close()
	h.cleanup.Stop()
	return err
}

// NewReader implements [Secret].
func (h *secret) NewReader() io.Reader { return &reader{secret: h} }
