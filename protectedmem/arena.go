package protectedmem

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"os"
	"sync"
)

const (
	minClass  = 32
	maxSecret = 1 << 30

	// A class's first region has minRegion bytes, each further one twice as
	// many as the one before, up to maxRegion: a program with a handful of keys
	// locks little, and one with many makes few system calls.
	minRegion = 16 << 10
	maxRegion = 256 << 10
)

var pageSize = os.Getpagesize()

// arena is the memory of one factory.
type arena struct {
	cfg Config

	mu      sync.Mutex     // guards the fields below and the regions' bookkeeping
	classes map[int]*class // slot size → its regions; none for secrets over a page
	spare   *region        // an empty region, or nil
	retired bool           // the factory is gone: keep no spare
	locked  int            // bytes of all regions
	secrets int            // slots in use
	bytes   int            // in those
}

// class is what the slots of one size share.
type class struct {
	free    []*region // regions with a free slot, each at its region.pos
	regions int       // regions of this class, the full ones too
}

func newArena(cfg Config) *arena {
	return &arena{cfg: cfg, classes: make(map[int]*class)}
}

func (a *arena) logger() *slog.Logger {
	if a.cfg.Logger != nil {
		return a.cfg.Logger
	}
	return slog.Default()
}

// sizes returns the slot size for a secret of n bytes and the least region that
// holds one such slot.
func sizes(n int) (slotSize, region int) {
	if n <= pageSize {
		slotSize = max(minClass, 1<<bits.Len(uint(n-1)))
		return slotSize, pages(slotSize + canaryLen)
	}
	region = pages(n + canaryLen)
	return region - canaryLen, region
}

// pages rounds n up to whole pages.
func pages(n int) int { return (n + pageSize - 1) / pageSize * pageSize }

func (a *arena) alloc(n int) (*slot, error) {
	size, least := sizes(n)
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.classes[size]
	if c == nil {
		c = new(class)
	}
	if len(c.free) == 0 {
		want := least
		if n <= pageSize {
			want = max(least, pages(min(minRegion<<min(c.regions, 8), maxRegion)))
		}
		r, err := a.region(want, least)
		if err != nil {
			return nil, err
		}
		r.cut(size)
		if n <= pageSize {
			a.classes[size] = c
		}
		r.class = c
		c.regions++
		c.push(r)
	}
	r := c.free[len(c.free)-1]
	s := r.take(n)
	if r.full() {
		c.remove(r)
	}
	a.secrets++
	a.bytes += n
	return s, nil
}

// region returns an empty region of at least least bytes, rather of want.
func (a *arena) region(want, least int) (*region, error) {
	if r := a.spare; r != nil && len(r.mem) >= least {
		a.spare = nil
		return r, nil
	}
	for size := want; ; {
		r, err := a.lock(size)
		if err == nil || !errors.Is(err, ErrLimit) {
			return r, err
		}
		switch {
		case a.spare != nil: // too small for this secret, but its bytes count
			if err := a.dropSpare(); err != nil {
				return nil, err
			}
		case size > least:
			size = max(least, pages(size/2))
		default:
			return nil, err
		}
	}
}

// lock makes a region of size bytes, whole pages.
func (a *arena) lock(size int) (*region, error) {
	if limit := a.cfg.MaxLocked; limit > 0 && a.locked+size > limit {
		return nil, fmt.Errorf("lock %d bytes: %w: the factory's MaxLocked is %d bytes, %d are locked: raise it, or close secrets earlier",
			size, ErrLimit, limit, a.locked)
	}
	all, mem, err := sysMap(size)
	if err != nil {
		return nil, fmt.Errorf("lock %d bytes, with %d locked by this factory: %w", size, a.locked, err)
	}
	a.locked += size
	r := &region{arena: a, all: all, mem: mem}
	_, _ = rand.Read(r.canary[:]) // never fails
	return r, nil
}

// free wipes a slot that nobody reads any more.
func (a *arena) free(s *slot) error {
	r := s.region
	err := r.check(s)
	if err != nil {
		a.logger().Error("protectedmem: memory around a secret was overwritten", slog.Int("bytes", len(s.data)))
		err = fmt.Errorf("protectedmem: close: %w", err)
	}
	r.wipe(s)

	a.mu.Lock()
	defer a.mu.Unlock()
	a.secrets--
	a.bytes -= len(s.data)
	c := r.class
	if r.full() {
		c.push(r)
	}
	r.put(s)
	if r.used > 0 {
		return err
	}
	c.remove(r)
	c.regions--
	if c.regions == 0 {
		delete(a.classes, r.slotSize) // so that the next one starts small again
	}
	if a.spare == nil && !a.retired && len(r.mem) <= maxRegion {
		a.spare = r
		return err
	}
	return errors.Join(err, a.unmap(r))
}

// retire is called when nothing but its secrets refers to the arena.
func (a *arena) retire() {
	a.mu.Lock()
	a.retired = true
	err := a.dropSpare()
	a.mu.Unlock()
	if err != nil {
		a.logger().Warn("protectedmem: retire factory", slog.Any("error", err))
	}
}

func (a *arena) dropSpare() error {
	r := a.spare
	if r == nil {
		return nil
	}
	a.spare = nil
	return a.unmap(r)
}

func (a *arena) unmap(r *region) error {
	if err := sysUnmap(r.all, r.mem); err != nil {
		return fmt.Errorf("protectedmem: unmap %d bytes: %w", len(r.mem), err)
	}
	a.locked -= len(r.mem)
	r.all, r.mem = nil, nil
	return nil
}

func (c *class) push(r *region) {
	r.pos = len(c.free)
	c.free = append(c.free, r)
}

func (c *class) remove(r *region) {
	last := len(c.free) - 1
	c.free[r.pos] = c.free[last]
	c.free[r.pos].pos = r.pos
	c.free[last] = nil
	c.free = c.free[:last]
}
