package envelope

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asherah-sql/asherah-sql/cache"
	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/kms/static"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/protectedmem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ctx       = context.Background()
	masterKey = []byte("thisIsAStaticMasterKeyForTesting")
	start     = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
)

// testStore is a metastore whose rows can be changed behind a factory's back,
// and whose calls can be made to wait or fail.
type testStore struct {
	mu    sync.Mutex // guards the fields below
	rows  map[KeyMeta]*EnvelopeKeyRecord
	calls map[string]int // operation → how often

	// before, if set, runs before each call, without the lock. What it returns
	// the call returns.
	before func(ctx context.Context, op string, meta KeyMeta) error
}

func newTestStore() *testStore {
	return &testStore{rows: map[KeyMeta]*EnvelopeKeyRecord{}, calls: map[string]int{}}
}

func (s *testStore) begin(ctx context.Context, op string, meta KeyMeta) error {
	s.mu.Lock()
	s.calls[op]++
	before := s.before
	s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if before != nil {
		return before(ctx, op, meta)
	}
	return nil
}

func (s *testStore) Load(ctx context.Context, meta KeyMeta) (*EnvelopeKeyRecord, error) {
	if err := s.begin(ctx, "load", meta); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.rows[meta]; ok {
		return r.Clone(), nil
	}
	return nil, metastore.ErrNotFound
}

func (s *testStore) LoadLatest(ctx context.Context, id string) (*EnvelopeKeyRecord, error) {
	if err := s.begin(ctx, "latest", KeyMeta{ID: id}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var latest *EnvelopeKeyRecord
	for m, r := range s.rows {
		if m.ID == id && (latest == nil || r.Created > latest.Created) {
			latest = r
		}
	}
	if latest == nil {
		return nil, metastore.ErrNotFound
	}
	return latest.Clone(), nil
}

func (s *testStore) Store(ctx context.Context, meta KeyMeta, r *EnvelopeKeyRecord) error {
	if err := metastore.CheckRecord(meta, r); err != nil {
		return err
	}
	if err := s.begin(ctx, "store", meta); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.rows[meta]; ok {
		return metastore.ErrExists
	}
	r = r.Clone()
	r.ID = meta.ID
	s.rows[meta] = r
	return nil
}

func (s *testStore) hook(before func(ctx context.Context, op string, meta KeyMeta) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

func (s *testStore) change(meta KeyMeta, fn func(r *EnvelopeKeyRecord)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fn(s.rows[meta])
}

func (s *testStore) revoke(meta KeyMeta) {
	s.change(meta, func(r *EnvelopeKeyRecord) { r.Revoked = true })
}

func (s *testStore) remove(meta KeyMeta) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, meta)
}

func (s *testStore) put(r *EnvelopeKeyRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows[KeyMeta{ID: r.ID, Created: r.Created}] = r
}

// ids returns the creation times under an id, in no order.
func (s *testStore) times(id string) (times []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for m := range s.rows {
		if m.ID == id {
			times = append(times, m.Created)
		}
	}
	return times
}

// dump returns the rows as they would lie in a table.
func (s *testStore) dump() map[KeyMeta]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := map[KeyMeta]string{}
	for m, r := range s.rows {
		b, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		rows[m] = string(b)
	}
	return rows
}

func (s *testStore) count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// testClock is a clock that is set by hand.
type testClock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// testKMS is a static KMS that can be made to fail.
type testKMS struct {
	kms.Service
	mu     sync.Mutex
	before func(op string) error // guarded by mu
	calls  int                   // guarded by mu
}

func newTestKMS(t testing.TB) *testKMS {
	s, err := static.New(masterKey)
	if err != nil {
		t.Fatal(err)
	}
	return &testKMS{Service: s}
}

func (k *testKMS) hook(before func(op string) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.before = before
}

func (k *testKMS) begin(op string) error {
	k.mu.Lock()
	k.calls++
	before := k.before
	k.mu.Unlock()
	if before == nil {
		return nil
	}
	return before(op)
}

func (k *testKMS) EncryptKey(ctx context.Context, key []byte) ([]byte, error) {
	if err := k.begin("encrypt"); err != nil {
		return nil, err
	}
	return k.Service.EncryptKey(ctx, key)
}

func (k *testKMS) DecryptKey(ctx context.Context, key []byte) ([]byte, error) {
	if err := k.begin("decrypt"); err != nil {
		return nil, err
	}
	return k.Service.DecryptKey(ctx, key)
}

// world is what several factories share, as processes do.
type world struct {
	t       testing.TB
	store   *testStore
	kms     *testKMS
	clock   *testClock
	secrets *protectedmem.SlabFactory
}

// newWorld returns a world in which, when the test is over, no secret is left.
func newWorld(t testing.TB) *world {
	secrets, err := protectedmem.NewFactory(protectedmem.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: newTestStore(), kms: newTestKMS(t), clock: &testClock{now: start}, secrets: secrets}
	t.Cleanup(func() {
		// A load that was cancelled ends a moment later.
		for range 100 {
			if n, _ := secrets.InUse(); n == 0 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if n, b := secrets.InUse(); n != 0 || b != 0 {
			t.Errorf("%d secrets of %d bytes are left", n, b)
		}
		if err := secrets.Trim(); err != nil {
			t.Error(err)
		}
		if n := secrets.Locked(); n != 0 {
			t.Errorf("%d bytes are still locked", n)
		}
	})
	return w
}

// factory returns a factory that is closed when the test is over.
func (w *world) factory(cfg Config, opts ...Option) *SessionFactory {
	w.t.Helper()
	return w.factoryOver(cfg, w.store, opts...)
}

func (w *world) factoryOver(cfg Config, store metastore.Store, opts ...Option) *SessionFactory {
	w.t.Helper()
	if cfg.Service == "" {
		cfg.Service, cfg.Product = "service", "product"
	}
	opts = append([]Option{WithSecretFactory(w.secrets), WithClock(w.clock.Now)}, opts...)
	f, err := NewSessionFactory(cfg, store, w.kms, opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := f.Close(); err != nil {
			w.t.Error(err)
		}
		if n := f.images.n.Load(); n != 0 {
			w.t.Errorf("%d expanded keys are left", n)
		}
	})
	return f
}

func session(t testing.TB, f *SessionFactory, partition string) *Session {
	t.Helper()
	s, err := f.Session(ctx, partition)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encrypt(t testing.TB, s *Session, payload string) *DataRowRecord {
	t.Helper()
	d, err := s.Encrypt(ctx, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func wantPayload(t testing.TB, s *Session, d *DataRowRecord, want string) {
	t.Helper()
	got, err := s.Decrypt(ctx, *d)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Fatalf("got payload %q, want %q", got, want)
	}
}

// wantError checks sentinels (errors) and parts of the text (strings), and that
// the text holds no key.
func wantError(t testing.TB, err error, want ...any) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want %v", want)
	}
	for _, w := range want {
		switch w := w.(type) {
		case error:
			if !errors.Is(err, w) {
				t.Errorf("got error %q, want one that is %q", err, w)
			}
		case string:
			if !strings.Contains(err.Error(), w) {
				t.Errorf("got error %q, want one with %q", err, w)
			}
		}
	}
	if strings.Contains(err.Error(), string(masterKey)) {
		t.Errorf("a key stands in %q", err)
	}
}

func wantNotError(t testing.TB, err error, not ...error) {
	t.Helper()
	for _, n := range not {
		if errors.Is(err, n) {
			t.Errorf("got error %q, which is %q", err, n)
		}
	}
}

func parentOf(d *DataRowRecord) KeyMeta { return *d.Key.ParentKeyMeta }

// systemOf returns the system key of an intermediate key's row.
func (w *world) systemOf(meta KeyMeta) (sk KeyMeta) {
	w.t.Helper()
	w.store.change(meta, func(r *EnvelopeKeyRecord) {
		if r == nil {
			w.t.Fatalf("no row %v", meta)
		}
		sk = *r.ParentKeyMeta
	})
	return sk
}

func sameRows(t testing.TB, got, want map[KeyMeta]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("got rows\n%v, want\n%v", got, want)
	}
}

func equal(t testing.TB, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: got %x, want %x", what, got, want)
	}
}

func unix(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

func text(context string) Binding { return Binding{Context: context, Encoding: EncodingText} }

func partitions(n int) []string {
	p := make([]string, n)
	for i := range p {
		p[i] = fmt.Sprintf("tenant-%04d", i)
	}
	return p
}

func lruPolicy(size int) CryptoPolicy {
	return CryptoPolicy{Cache: cache.LRU, CacheSize: size, SessionCacheSize: size}
}
