package protectedmem

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
)

// Config are a factory's settings. The zero value is the usual choice.
type Config struct {
	// MaxLocked is the most memory, in bytes, that this factory may lock; a
	// secret that needs more fails with ErrLimit. 0: only the operating system
	// sets a limit.
	MaxLocked int

	// Logger gets a warning for a secret that was lost without Close, and an
	// error for one that was overwritten: sizes only, never content. Nil:
	// slog.Default() at the time.
	Logger *slog.Logger
}

// SlabFactory is the [Factory] that the package's doc describes. Make one with
// [NewFactory].
type SlabFactory struct {
	arena *arena
}

var _ Factory = (*SlabFactory)(nil)

// NewFactory returns a factory. It takes no memory before the first secret.
func NewFactory(cfg Config) (*SlabFactory, error) {
	if cfg.MaxLocked < 0 {
		return nil, fmt.Errorf("protectedmem: new factory: MaxLocked: want 0 or more bytes, got %d", cfg.MaxLocked)
	}
	f := &SlabFactory{arena: newArena(cfg)}
	// Secrets may live longer than their factory. The region in reserve must
	// not live longer than both.
	runtime.AddCleanup(f, (*arena).retire, f.arena)
	return f, nil
}

// Default returns the factory that the whole process shares, always the same
// one.
func Default() *SlabFactory { return defaultFactory() }

var defaultFactory = sync.OnceValue(func() *SlabFactory {
	f, err := NewFactory(Config{})
	if err != nil {
		panic(err) // the zero Config is valid
	}
	return f
})

// New implements [Factory].
func (f *SlabFactory) New(b []byte) (Secret, error) {
	defer clear(b)
	s, err := f.alloc("new", len(b))
	if err != nil {
		return nil, err
	}
	copy(s.slot.data, b)
	return s, nil
}

// CreateRandom implements [Factory].
func (f *SlabFactory) CreateRandom(n int) (Secret, error) {
	s, err := f.alloc("create random", n)
	if err != nil {
		return nil, err
	}
	// Read never fails: it ends the process instead.
	_, _ = rand.Read(s.slot.data)
	return s, nil
}

func (f *SlabFactory) alloc(op string, n int) (*secret, error) {
	if n < 1 || n > maxSecret {
		return nil, fmt.Errorf("protectedmem: %s: %w: want 1 to %d bytes, got %d", op, ErrLength, maxSecret, n)
	}
	slot, err := f.arena.alloc(n)
	runtime.KeepAlive(f) // until here the arena isn't retired
	if err != nil {
		return nil, fmt.Errorf("protectedmem: %s: %w", op, err)
	}
	return newSecret(slot), nil
}

// InUse returns how many secrets of this factory are not closed yet, and how
// many bytes they hold. A test that ends with anything but zeros has lost one.
func (f *SlabFactory) InUse() (secrets, bytes int) {
	f.arena.mu.Lock()
	defer f.arena.mu.Unlock()
	return f.arena.secrets, f.arena.bytes
}

// Locked returns how many bytes of memory the factory has locked: those of the
// secrets in use, the free slots beside them, and the region in reserve.
func (f *SlabFactory) Locked() int {
	f.arena.mu.Lock()
	defer f.arena.mu.Unlock()
	return f.arena.locked
}

// Trim gives the region in reserve back to the operating system. A factory
// without secrets has nothing locked afterwards. There is seldom a reason to
// call it but a test that looks at Locked.
func (f *SlabFactory) Trim() error {
	f.arena.mu.Lock()
	defer f.arena.mu.Unlock()
	return f.arena.dropSpare()
}
