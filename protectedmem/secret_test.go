package protectedmem

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
	"unsafe"
)

// newFactory returns a factory, and checks at the test's end that everything
// has been given back.
func newFactory(t testing.TB, cfg Config) *SlabFactory {
	t.Helper()
	f, err := NewFactory(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n, b := f.InUse(); n != 0 || b != 0 {
			t.Errorf("%d secrets of %d bytes are still in use", n, b)
		}
		if err := f.Trim(); err != nil {
			t.Error(err)
		}
		if n := f.Locked(); n != 0 {
			t.Errorf("%d bytes are still locked", n)
		}
	})
	return f
}

func mustNew(t testing.TB, f *SlabFactory, b []byte) *secret {
	t.Helper()
	s, err := f.New(bytes.Clone(b))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*secret)
}

func mustClose(t testing.TB, ss ...Secret) {
	t.Helper()
	for _, s := range ss {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func content(t testing.TB, s Secret) []byte {
	t.Helper()
	b, err := s.WithBytesFunc(func(b []byte) ([]byte, error) { return bytes.Clone(b), nil })
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// whole is the secret's slot in memory, canary included: what is left after
// Close, as long as another secret keeps the region.
func whole(s *secret) []byte { return s.slot.region.slot(s.slot.index) }

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

func TestNewCopiesAndWipesItsInput(t *testing.T) {
	f := newFactory(t, Config{})
	for _, n := range []int{1, 31, 32, 33, 64, 100, 1000, pageSize - 1, pageSize, pageSize + 1, 3*pageSize - canaryLen, 3 * pageSize, 1 << 20} {
		want := bytes.Repeat([]byte{0xa5, 1, 2}, n)[:n]
		given := bytes.Clone(want)
		s, err := f.New(given)
		if err != nil {
			t.Fatal(err)
		}
		if !zero(given) {
			t.Errorf("%d bytes: the input isn't wiped", n)
		}
		if !bytes.Equal(content(t, s), want) || s.Len() != n || s.IsEmpty() || s.IsClosed() {
			t.Errorf("%d bytes: another content or length", n)
		}
		if err := s.WithBytes(func(b []byte) error {
			if len(b) != n || cap(b) != n {
				t.Errorf("%d bytes: slice of length %d, capacity %d", n, len(b), cap(b))
			}
			if uintptr(unsafe.Pointer(&b[0]))%16 != 0 {
				t.Errorf("%d bytes: not aligned to 16", n)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		if secrets, inUse := f.InUse(); secrets != 1 || inUse != n {
			t.Errorf("%d bytes: %d secrets of %d bytes in use", n, secrets, inUse)
		}
		mustClose(t, s)
	}
}

func TestCreateRandom(t *testing.T) {
	f := newFactory(t, Config{})
	a, err := f.CreateRandom(32)
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.CreateRandom(32)
	if err != nil {
		t.Fatal(err)
	}
	if a.Len() != 32 || zero(content(t, a)) || bytes.Equal(content(t, a), content(t, b)) {
		t.Error("not 32 random bytes")
	}
	mustClose(t, a, b)
}

func TestLengthsThatCannotBe(t *testing.T) {
	f := newFactory(t, Config{})
	if _, err := f.New(nil); !errors.Is(err, ErrLength) {
		t.Error(err)
	}
	if _, err := f.New([]byte{}); !errors.Is(err, ErrLength) {
		t.Error(err)
	}
	for _, n := range []int{0, -1, math.MinInt, maxSecret + 1, math.MaxInt} {
		_, err := f.CreateRandom(n)
		if !errors.Is(err, ErrLength) || !strings.Contains(err.Error(), "protectedmem: create random: invalid secret length: want 1 to ") {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestCloseWipesTheSlot(t *testing.T) {
	f := newFactory(t, Config{})
	keep := mustNew(t, f, []byte("keeps the region mapped"))
	for _, n := range []int{1, 31, 32} {
		s := mustNew(t, f, bytes.Repeat([]byte{0xa5}, n))
		slot := whole(s)
		if !bytes.Equal(slot[:n], bytes.Repeat([]byte{0xa5}, n)) || zero(slot[n:]) {
			t.Fatalf("%d bytes: slot %x", n, slot)
		}
		mustClose(t, s)
		if !zero(slot) {
			t.Errorf("%d bytes: after Close the slot holds %x", n, slot)
		}
	}
	if string(content(t, keep)) != "keeps the region mapped" {
		t.Error("the neighbour has changed")
	}
	mustClose(t, keep)
}

func TestTheRegionInReserveIsWiped(t *testing.T) {
	f := newFactory(t, Config{})
	s := mustNew(t, f, bytes.Repeat([]byte{0xa5}, 32))
	mem := s.slot.region.mem
	mustClose(t, s)
	if f.arena.spare == nil || &f.arena.spare.mem[0] != &mem[0] {
		t.Fatal("the region isn't kept")
	}
	if !zero(mem) {
		t.Error("the region isn't wiped")
	}
	// It serves another class, too.
	s = mustNew(t, f, bytes.Repeat([]byte{0x5a}, 1000))
	if &s.slot.region.mem[0] != &mem[0] || f.arena.spare != nil {
		t.Error("the region wasn't used again")
	}
	mustClose(t, s)
}

func TestEmptyRegionsAreGivenBack(t *testing.T) {
	f := newFactory(t, Config{})
	var all []Secret
	for range 3000 {
		all = append(all, mustNew(t, f, make([]byte, 32)))
	}
	big := mustNew(t, f, make([]byte, maxRegion))
	before := f.Locked()
	mustClose(t, big)
	if got := f.Locked(); got != before-maxRegion-pageSize {
		t.Errorf("%d bytes locked after the big secret was closed, %d before", got, before)
	}
	mustClose(t, all...)
	if got := f.Locked(); got == 0 || got > maxRegion {
		t.Errorf("%d bytes locked without a secret; want one region, of at most %d", got, maxRegion)
	}
	if len(f.arena.classes) != 0 {
		t.Error("classes without regions are kept")
	}
}

func TestAHundredThousandKeysFitTheUsualLimit(t *testing.T) {
	f := newFactory(t, Config{MaxLocked: 8 << 20})
	all := make([]Secret, 100_000)
	for i := range all {
		s, err := f.CreateRandom(32)
		if err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		all[i] = s
	}
	t.Logf("%d bytes locked", f.Locked())
	mustClose(t, all...)
}

func TestUseAfterClose(t *testing.T) {
	f := newFactory(t, Config{})
	s := mustNew(t, f, []byte("secret"))
	r := s.NewReader()
	mustClose(t, s, s, s) // Close is idempotent
	if !s.IsClosed() || !s.IsEmpty() || s.Len() != 0 {
		t.Errorf("closed: IsClosed %v, IsEmpty %v, Len %d", s.IsClosed(), s.IsEmpty(), s.Len())
	}
	called := func([]byte) ([]byte, error) { t.Error("called"); return nil, nil }
	if err := s.WithBytes(func(b []byte) error { _, err := called(b); return err }); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if b, err := s.WithBytesFunc(called); !errors.Is(err, ErrClosed) || b != nil {
		t.Error(b, err)
	}
	for _, r := range []io.Reader{r, s.NewReader()} {
		if n, err := r.Read(make([]byte, 10)); n != 0 || !errors.Is(err, ErrClosed) {
			t.Error(n, err)
		}
	}
	if ErrClosed.Error() != "secret has already been destroyed" || ErrLength.Error() != "invalid secret length" {
		t.Error("the Asherah SDKs' users look for these texts")
	}
}

func TestTheCallersErrorAndResultComeBack(t *testing.T) {
	f := newFactory(t, Config{})
	s := mustNew(t, f, []byte("secret"))
	cause := errors.New("cause")
	if err := s.WithBytes(func([]byte) error { return cause }); err != cause {
		t.Error(err)
	}
	if b, err := s.WithBytesFunc(func([]byte) ([]byte, error) { return []byte("result"), cause }); err != cause || string(b) != "result" {
		t.Error(b, err)
	}
	mustClose(t, s)
}

func TestAPanicInTheCallerReleasesTheSecret(t *testing.T) {
	f := newFactory(t, Config{})
	s := mustNew(t, f, []byte("secret"))
	for range 2 {
		func() {
			defer func() {
				if recover() != "oops" {
					t.Error("the panic was swallowed")
				}
			}()
			_ = s.WithBytes(func([]byte) error { panic("oops") })
		}()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.WithBytes(func([]byte) error { runtime.Goexit(); return nil })
	}()
	<-done
	mustClose(t, s) // waits for no one
}

func TestCloseWaitsForReadersAndReadersDontWait(t *testing.T) {
	f := newFactory(t, Config{})
	keep := mustNew(t, f, []byte("keeps the region mapped"))
	s := mustNew(t, f, []byte("secret"))
	slot := whole(s)

	const readers = 3
	var inside, leave sync.WaitGroup
	inside.Add(readers)
	leave.Add(1)
	var left atomic.Int32
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			err := s.WithBytes(func(b []byte) error {
				inside.Done()
				leave.Wait()
				if string(b) != "secret" {
					t.Errorf("a reader sees %q while Close waits", b)
				}
				left.Add(1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	inside.Wait() // all at once: readers share
	for range 2 {
		wg.Go(func() {
			mustClose(t, s)
			if left.Load() != readers {
				t.Error("Close returned before the last reader")
			}
			if !zero(slot) {
				t.Error("Close returned before the wipe")
			}
		})
	}
	for !s.IsClosed() {
		runtime.Gosched()
	}
	if err := s.WithBytes(func([]byte) error { t.Error("called"); return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("a reader that came after Close: %v", err)
	}
	leave.Done()
	wg.Wait()
	mustClose(t, keep)
}

// Readers, and closers of the same secrets, as fast as they can: under the race
// detector, and with every read checked for bytes of a freed slot.
func TestReadersAndClosersRace(t *testing.T) {
	f := newFactory(t, Config{})
	for range 200 {
		s := mustNew(t, f, bytes.Repeat([]byte{0xa5}, 32))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					err := s.WithBytes(func(b []byte) error {
						for _, c := range b {
							if c != 0xa5 {
								return errors.New("read a wiped slot")
							}
						}
						return nil
					})
					if errors.Is(err, ErrClosed) {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for range 2 {
			wg.Go(func() {
				runtime.Gosched()
				mustClose(t, s)
			})
		}
		wg.Wait()
	}
}

func TestReaders(t *testing.T) {
	f := newFactory(t, Config{})
	want := bytes.Repeat([]byte("0123456789"), 10)
	s := mustNew(t, f, want)
	if err := iotest.TestReader(s.NewReader(), want); err != nil {
		t.Error(err)
	}
	r := s.NewReader()
	p := make([]byte, 60)
	for _, c := range []struct {
		n   int
		err error
	}{{60, nil}, {40, nil}, {0, io.EOF}, {0, io.EOF}} {
		if n, err := r.Read(p); n != c.n || err != c.err {
			t.Errorf("read %d, %v; want %d, %v", n, err, c.n, c.err)
		}
	}
	if n, err := s.NewReader().Read(nil); n != 0 || err != nil {
		t.Errorf("an empty read: %d, %v", n, err)
	}
	mustClose(t, s)
}

func TestDamageIsReported(t *testing.T) {
	var log bytes.Buffer
	f := newFactory(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for _, c := range []struct{ n, at int }{
		{10, 10}, {10, 31}, {10, 32}, {10, 47}, // right behind, end of slot, canary
		{32, 32}, {32, 47},
	} {
		log.Reset()
		keep := mustNew(t, f, []byte("keeps the region mapped"))
		s := mustNew(t, f, bytes.Repeat([]byte{0xa5}, c.n))
		slot := whole(s)
		slot[c.at] ^= 1
		err := s.Close()
		if !errors.Is(err, ErrDamaged) || !strings.HasPrefix(err.Error(), "protectedmem: close: ") {
			t.Errorf("%d bytes, byte %d changed: %v", c.n, c.at, err)
		}
		if !strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("%d bytes, byte %d changed: logged %q", c.n, c.at, log.String())
		}
		if !zero(slot) {
			t.Errorf("%d bytes, byte %d changed: not wiped", c.n, c.at)
		}
		mustClose(t, s) // reported once
		mustClose(t, keep)
	}
	// A write before the beginning is found in the slot before.
	a, b := mustNew(t, f, make([]byte, 32)), mustNew(t, f, make([]byte, 32))
	r := a.slot.region
	if b.slot.region != r || b.slot.index != a.slot.index+1 {
		t.Fatal("not neighbours")
	}
	r.mem[b.slot.index*(32+canaryLen)-1] ^= 1
	mustClose(t, b)
	if err := a.Close(); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	// And in a region of its own.
	big := mustNew(t, f, make([]byte, pageSize+1))
	whole(big)[pageSize+1] ^= 1
	if err := big.Close(); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

func TestALostSecretIsWipedAndLogged(t *testing.T) {
	lines := make(chan string, 10)
	f := newFactory(t, Config{Logger: slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		lines <- string(p)
		return len(p), nil
	}), nil))})
	keep := mustNew(t, f, []byte("keeps the region mapped"))
	slot := func() []byte { return whole(mustNew(t, f, []byte("a secret that is lost"))) }()
	if zero(slot) {
		t.Fatal("nothing there")
	}
	deadline := time.After(10 * time.Second)
	for {
		runtime.GC()
		select {
		case line := <-lines:
			if !strings.Contains(line, "level=WARN") || !strings.Contains(line, "bytes=21") || strings.Contains(line, "a secret that") {
				t.Errorf("logged %q", line)
			}
			if !zero(slot) {
				t.Error("not wiped")
			}
			if n, _ := f.InUse(); n != 1 {
				t.Errorf("%d secrets in use", n)
			}
			mustClose(t, keep)
			return
		case <-deadline:
			t.Fatal("not noticed")
		case <-time.After(time.Millisecond):
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestAClosedSecretIsNotLost(t *testing.T) {
	var lines atomic.Int32
	f := newFactory(t, Config{Logger: slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		lines.Add(1)
		return len(p), nil
	}), nil))})
	for range 100 {
		mustClose(t, mustNew(t, f, []byte("secret")))
	}
	for range 5 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if n := lines.Load(); n != 0 {
		t.Errorf("%d lines logged", n)
	}
}

// The handle isn't used any more after the call has begun, and must live all
// the same until the call returns.
func TestASecretInUseIsNotLost(t *testing.T) {
	f := newFactory(t, Config{})
	s, err := f.New([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	err = s.WithBytes(func(b []byte) error {
		for range 5 {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
		if n, _ := f.InUse(); n != 1 || string(b) != "secret" {
			t.Errorf("%d secrets in use, content %q", n, b)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// Not closed: newFactory's check must not be reached before the cleanup.
	for deadline := time.Now().Add(10 * time.Second); ; {
		runtime.GC()
		if n, _ := f.InUse(); n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("not noticed")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestTheRegionInReserveGoesWithTheFactory(t *testing.T) {
	f, err := NewFactory(Config{})
	if err != nil {
		t.Fatal(err)
	}
	a := f.arena
	locked := func() int {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.locked
	}
	first, last := mustNew(t, f, []byte("secret")), mustNew(t, f, make([]byte, 1000))
	mustClose(t, first)
	if a.spare == nil {
		t.Fatal("no region in reserve")
	}
	before := locked()
	runtime.KeepAlive(f)
	f = nil
	for deadline := time.Now().Add(10 * time.Second); locked() == before; {
		if time.Now().After(deadline) {
			t.Fatal("the region in reserve has outlived its factory")
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	if string(content(t, last)[:4]) != "\x00\x00\x00\x00" {
		t.Error("a secret died with its factory")
	}
	mustClose(t, last)
	if n := locked(); n != 0 {
		t.Errorf("%d bytes locked after the last secret of a factory that is gone", n)
	}
}

func TestMaxLocked(t *testing.T) {
	first := pages(minRegion)
	f := newFactory(t, Config{MaxLocked: 2 * first})
	var all []Secret
	defer func() { mustClose(t, all...) }()
	for {
		s, err := f.CreateRandom(32)
		if err != nil {
			if !errors.Is(err, ErrLimit) {
				t.Fatal(err)
			}
			for _, want := range []string{"protectedmem: create random: lock ", fmt.Sprintf("MaxLocked is %d bytes", 2*first), "raise it"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q doesn't say %q", err, want)
				}
			}
			break
		}
		all = append(all, s)
	}
	// Everything was used before it was refused: the second region is smaller
	// than it would be without the limit.
	if got, want := len(all), 2*(first/(32+canaryLen)); got != want {
		t.Errorf("%d secrets, want %d", got, want)
	}
	// What is there goes on working, and what is closed makes room.
	mustClose(t, all[0])
	s, err := f.CreateRandom(32)
	if err != nil {
		t.Fatal(err)
	}
	all[0] = s

	b := []byte("secret")
	if _, err := newFactory(t, Config{MaxLocked: 1}).New(b); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	if !zero(b) {
		t.Error("the input isn't wiped when New fails")
	}
	if _, err := NewFactory(Config{MaxLocked: -1}); err == nil || !strings.Contains(err.Error(), "MaxLocked: want 0 or more bytes, got -1") {
		t.Error(err)
	}
}

func TestTheRegionInReserveMakesRoom(t *testing.T) {
	f := newFactory(t, Config{MaxLocked: 4 * pages(minRegion)})
	mustClose(t, mustNew(t, f, []byte("small")))
	if f.Locked() == 0 {
		t.Fatal("no region in reserve")
	}
	big := mustNew(t, f, make([]byte, 4*pages(minRegion)-canaryLen)) // all of it
	mustClose(t, big)
}

func TestDefaultIsOneFactory(t *testing.T) {
	first, second := Default(), Default()
	if first == nil || first != second {
		t.Error("not one")
	}
}
