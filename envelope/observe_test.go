package envelope

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/cache"
	"github.com/asherah-sql/asherah-sql/metastore"
)

// tally is an Observer that counts.
type tally struct {
	mu     sync.Mutex     // guards the fields below
	n      map[string]int // name, or name + " failed"
	longer map[string]time.Duration
}

func (t *tally) Timed(name string, took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil && !errors.Is(err, metastore.ErrNotFound) {
		name += " failed"
	}
	t.n[name]++
	t.longer[name] = max(t.longer[name], took)
}

func (t *tally) Counted(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n[name]++
}

// since returns what was counted since the last call.
func (t *tally) since() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.n
	t.n = map[string]int{}
	return n
}

func TestTheObserverIsToldWhatTheFactoryDoes(t *testing.T) {
	w := newWorld(t)
	seen := &tally{n: map[string]int{}, longer: map[string]time.Duration{}}
	var log bytes.Buffer
	f := w.factory(Config{Policy: CryptoPolicy{RevokeCheck: time.Hour}}, WithObserver(seen),
		WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	expect := func(what string, want map[string]int) {
		t.Helper()
		if got := seen.since(); !maps.Equal(got, want) {
			t.Errorf("%s:\n got %v\nwant %v", what, got, want)
		}
	}
	logged := func(what string, lines ...string) {
		t.Helper()
		got := log.String()
		log.Reset()
		if n := strings.Count(got, "\n"); n != len(lines) {
			t.Errorf("%s: want %d lines in the log, got %d:\n%s", what, len(lines), n, got)
		}
		for _, want := range lines {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in the log:\n%s", what, want, got)
			}
		}
	}
	s := session(t, f, "tenant")
	d := encrypt(t, s, "x")
	expect("the first value", map[string]int{
		"ael.drr.encrypt": 1, "ael.key.cache.miss": 2, "ael.key.system.created": 1, "ael.key.intermediate.created": 1,
		"ael.metastore.custom.loadlatest": 2, "ael.metastore.custom.store": 2, "ael.kms.custom.encryptkey": 1,
	})
	logged("the first value", `level="system key"`, `id=_IK_tenant_`)

	encrypt(t, s, "y")
	if _, err := s.Decrypt(ctx, *d); err != nil {
		t.Fatal(err)
	}
	expect("a second one, and reading", map[string]int{"ael.drr.encrypt": 1, "ael.drr.decrypt": 1, "ael.key.cache.hit": 2})

	sc := f.Scope()
	sealed, err := sc.AppendSeal(ctx, nil, "tenant", []byte("z"), text("users.email"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sc.AppendOpen(ctx, nil, "tenant", sealed, text("users.email")); err != nil {
		t.Fatal(err)
	}
	if _, err := sc.AppendOpen(ctx, nil, "tenant", sealed, text("users.phone")); !errors.Is(err, ErrMoved) {
		t.Fatal(err)
	}
	sc.Close()
	expect("a scope", map[string]int{"ael.drr.encrypt": 1, "ael.drr.decrypt": 1, "ael.drr.decrypt failed": 1, "ael.key.cache.hit": 3})
	logged("use")

	cold := w.factory(Config{}, WithObserver(seen))
	if _, err := session(t, cold, "tenant").Decrypt(ctx, *d); err != nil {
		t.Fatal(err)
	}
	expect("another process reads", map[string]int{"ael.drr.decrypt": 1, "ael.key.cache.miss": 2, "ael.metastore.custom.load": 2, "ael.kms.custom.decryptkey": 1})

	// The metastore is away when the key is due to be looked at.
	away := errors.New("connection refused")
	w.store.hook(func(_ context.Context, _ string, _ KeyMeta) error { return away })
	w.clock.advance(time.Hour)
	encrypt(t, s, "x")
	expect("an outage", map[string]int{"ael.drr.encrypt": 1, "ael.key.cache.stale": 1, "ael.metastore.custom.loadlatest failed": 1})
	logged("an outage", `level=WARN msg="asherah-sql: a key is used without having been looked at again" level="intermediate key"`)
	w.store.hook(nil)

	// A failover has lost the rows.
	w.clock.advance(time.Hour)
	w.store.mu.Lock()
	clear(w.store.rows)
	w.store.mu.Unlock()
	encrypt(t, s, "x")
	if got := seen.since(); got["ael.key.restored"] != 2 || got["ael.key.intermediate.created"] != 0 {
		t.Errorf("a failover: %v", got)
	}
	logged("a failover", `has been stored again" level="system key"`, `has been stored again" level="intermediate key"`)

	small := w.factory(Config{Policy: CryptoPolicy{Cache: cache.LRU, CacheSize: 1, SessionCacheSize: 1}}, WithObserver(seen))
	for _, p := range []string{"a", "b", "c"} {
		encrypt(t, session(t, small, p), "x")
	}
	if got := seen.since(); got["ael.key.cache.evicted"] != 2 {
		t.Errorf("a cache of one: %v", got)
	}
	if got := log.String(); strings.Contains(got, "secret") {
		t.Error(got)
	}
}

// Without an observer nothing is measured, and that costs nothing.
func TestNoObserverCostsNoAllocation(t *testing.T) {
	w := newWorld(t)
	seen := &tally{n: map[string]int{}, longer: map[string]time.Duration{}}
	var allocs [2]float64
	for i, opts := range [][]Option{nil, {WithObserver(seen)}} {
		s := session(t, w.factory(Config{}, opts...), "tenant")
		out := make([]byte, 0, 1024)
		payload := []byte("x")
		use := func() {
			if _, err := s.AppendEncrypt(ctx, out, payload); err != nil {
				t.Fatal(err)
			}
		}
		use()
		use()
		allocs[i] = testing.AllocsPerRun(100, use)
	}
	if allocs[0] > 2+slack || allocs[1] > allocs[0]+slack {
		t.Errorf("%v allocations without an observer, %v with", allocs[0], allocs[1])
	}
}
