package envelope

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/protectedmem"
)

func TestPayloads(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	for _, payload := range [][]byte{nil, {}, {0}, []byte("secret"), allBytes(), make([]byte, 100_000)} {
		d, err := s.Encrypt(ctx, payload)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Decrypt(ctx, *d)
		if err != nil {
			t.Fatal(err)
		}
		if got == nil {
			t.Error("an empty payload came back as nil")
		}
		equal(t, "payload", got, payload)
		for _, enc := range []Encoding{EncodingText, EncodingBinary} {
			record, err := s.AppendSeal(ctx, nil, payload, Binding{Encoding: enc})
			if err != nil {
				t.Fatal(err)
			}
			if got, err = s.AppendOpen(ctx, nil, record, Binding{Encoding: enc}); err != nil {
				t.Fatal(err)
			}
			equal(t, "payload", got, payload)
		}
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	scope := f.Scope()
	defer scope.Close()
	binary := Binding{Encoding: EncodingBinary}

	most := make([]byte, MaxPayload)
	record, err := s.AppendSeal(ctx, nil, most, binary)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.AppendOpen(ctx, nil, record, binary)
	if err != nil || len(got) != MaxPayload {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	// As text it would be longer than a record may be.
	wantError(t, second(s.AppendSeal(ctx, nil, most, text("c"))), ErrTooLarge, "seal: record: too large")
	wantError(t, second(s.AppendEncrypt(ctx, nil, most)), ErrTooLarge, "encrypt: record: too large")
	if _, err := s.Encrypt(ctx, most); err != nil {
		t.Error(err)
	}

	over := make([]byte, MaxPayload+1)
	for _, err := range []error{
		second(s.Encrypt(ctx, over)),
		second(s.AppendEncrypt(ctx, nil, over)),
		second(s.AppendSeal(ctx, nil, over, binary)),
		second(scope.AppendSeal(ctx, nil, "tenant", over, binary)),
		second(scope.AppendEncrypt(ctx, nil, "tenant", over)),
	} {
		wantError(t, err, ErrTooLarge, "payload: too large: 67108865 bytes, the limit is 67108864")
	}
	long := make([]byte, MaxRecord+1)
	for _, err := range []error{
		second(s.AppendDecrypt(ctx, nil, long)),
		second(s.AppendOpen(ctx, nil, long, text("c"))),
		second(s.AppendOpen(ctx, nil, long, binary)),
		second(ParseDataRowRecord(long)),
		second(RecordPartition(long, EncodingText)),
	} {
		wantError(t, err, ErrMalformed, "the limit is 68157440")
	}
	if n := cap(getScratch().buf); n > maxKept {
		t.Errorf("a buffer of %d bytes was kept", n)
	}
}

func TestPartitionsThatCantBe(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	scope := f.Scope()
	defer scope.Close()
	for partition, want := range map[string][]any{
		"":                       {ErrNoPartition, "partition id cannot be empty"},
		"a\xff":                  {"partition id is not valid UTF-8"},
		strings.Repeat("x", 250): {"the limit is 255"},
	} {
		wantError(t, second(f.Session(ctx, partition)), append(want, "session: ")...)
		wantError(t, second(f.Overlay(w.store).Session(ctx, partition)), append(want, "session: ")...)
		wantError(t, second(scope.AppendSeal(ctx, nil, partition, nil, text("c"))), append(want, "seal: ")...)
		wantError(t, second(scope.AppendEncrypt(ctx, nil, partition, nil)), append(want, "encrypt: ")...)
	}
	if n := f.lines.Len(); n != 0 {
		t.Errorf("%d partitions are cached", n)
	}
}

func TestForeignPartitions(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s, other := session(t, f, "tenant"), session(t, f, "other")
	scope := f.Scope()
	defer scope.Close()
	d := encrypt(t, s, "x")
	record, err := d.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	loads := w.store.count("load")
	for _, err := range []error{
		second(other.Decrypt(ctx, *d)),
		second(other.AppendDecrypt(ctx, nil, record)),
		second(scope.AppendDecrypt(ctx, nil, "other", record)),
	} {
		wantError(t, err, ErrPartitionMismatch, "decrypt: unable to decrypt record")
	}
	if n := w.store.count("load"); n != loads {
		t.Error("a foreign key was loaded")
	}
	if got, err := scope.AppendDecrypt(ctx, nil, "", record); err != nil || string(got) != "x" {
		t.Errorf("got %q, %v", got, err)
	}
	product := w.factory(Config{Service: "service", Product: "product2"})
	scope2 := product.Scope()
	defer scope2.Close()
	wantError(t, second(scope2.AppendDecrypt(ctx, nil, "", record)), ErrPartitionMismatch, "unable to decrypt record")
	wantError(t, second(product.AsherahPartition(record)), ErrPartitionMismatch)
}

// Defect 4: the canonical SDK tests whether a parent's id begins with the
// session's, so that partition x of product p reads partition x_s_p and
// product p2.
func TestSuffixesAreAcceptedExactly(t *testing.T) {
	w := newWorld(t)
	west := Config{Service: "s", Product: "p", Suffix: "us-west-2"}
	plain := Config{Service: "s", Product: "p"}
	for name, c := range map[string]struct {
		writer    Config
		partition string
		reader    Config
		accepted  bool
	}{
		"own suffix":                 {west, "x", west, true},
		"no suffix":                  {plain, "x", west, true},
		"another region":             {Config{Service: "s", Product: "p", Suffix: "eu-west-1"}, "x", west, true},
		"no region":                  {Config{Service: "s", Product: "p", Suffix: "mars"}, "x", west, false},
		"no region, but listed":      {Config{Service: "s", Product: "p", Suffix: "mars"}, "x", Config{Service: "s", Product: "p", Suffix: "us-west-2", AcceptSuffixes: []string{"mars"}}, true},
		"a region, but not listed":   {Config{Service: "s", Product: "p", Suffix: "eu-west-1"}, "x", Config{Service: "s", Product: "p", Suffix: "us-west-2", AcceptSuffixes: []string{"mars"}}, false},
		"own, with a list":           {west, "x", Config{Service: "s", Product: "p", Suffix: "us-west-2", AcceptSuffixes: []string{}}, true},
		"reader without":             {west, "x", plain, false},
		"reader without, but listed": {west, "x", Config{Service: "s", Product: "p", AcceptSuffixes: []string{"us-west-2"}}, true},
		"partition x_s_p":            {plain, "x_s_p", west, false},
		"partition x_s_p, suffixed":  {west, "x_s_p", west, false},
		"longer product":             {Config{Service: "s", Product: "p2"}, "x", west, false},
		"longer product, suffixed":   {Config{Service: "s", Product: "p2", Suffix: "us-west-2"}, "x", west, false},
		"longer suffix":              {Config{Service: "s", Product: "p", Suffix: "us-west-22"}, "x", west, false},
		"longer partition":           {west, "xx", west, false},
	} {
		d := encrypt(t, session(t, w.factory(c.writer), c.partition), "x")
		record, err := session(t, w.factory(c.writer), c.partition).AppendSeal(ctx, nil, []byte("x"), text("c"))
		if err != nil {
			t.Fatal(err)
		}
		f := w.factory(c.reader)
		s := session(t, f, "x")
		_, err = s.Decrypt(ctx, *d)
		if (err == nil) != c.accepted {
			t.Errorf("%s: got %v, want accepted %v", name, err, c.accepted)
		}
		if !c.accepted {
			wantError(t, err, ErrPartitionMismatch, "unable to decrypt record")
		}
		// The same for bound records, but that the seal keeps other services
		// and products apart, too.
		_, err = s.AppendOpen(ctx, nil, record, text("c"))
		if (err == nil) != c.accepted {
			t.Errorf("%s: bound: got %v, want accepted %v", name, err, c.accepted)
		}
		if asherah, err := d.AppendJSON(nil); err != nil {
			t.Error(err)
		} else if p, err := f.AsherahPartition(asherah); err == nil && p != c.partition {
			t.Errorf("%s: AsherahPartition: got %q, want %q", name, p, c.partition)
		} else if c.accepted && err != nil {
			t.Errorf("%s: AsherahPartition: %v", name, err)
		}
	}
}

// Defect 5: ids are joined by "_" and nothing is escaped.
func TestNamesThatMakeIdsAmbiguous(t *testing.T) {
	w := newWorld(t)
	for want, cfg := range map[string]Config{
		`Service: "a_b" contains "_"`:          {Service: "a_b", Product: "p"},
		`Product: "a_b" contains "_"`:          {Service: "s", Product: "a_b"},
		`Suffix: "a_b" contains "_"`:           {Service: "s", Product: "p", Suffix: "a_b"},
		`AcceptSuffixes: "a_b" contains "_"`:   {Service: "s", Product: "p", Suffix: "x", AcceptSuffixes: []string{"a_b"}},
		`AcceptSuffixes: want names of reg`:    {Service: "s", Product: "p", Suffix: "x", AcceptSuffixes: []string{""}},
		"Service: want a name":                 {Product: "p"},
		"Product: want a name":                 {Service: "s"},
		"Service: not valid UTF-8":             {Service: "\xff", Product: "p"},
		"characters, the limit is 255":         {Service: strings.Repeat("x", 250), Product: "p"},
		"ExpireAfter: want 1s or more, got -":  {Service: "s", Product: "p", Policy: CryptoPolicy{ExpireAfter: -1}},
		"RevokeCheck: want 87600h0m0s or less": {Service: "s", Product: "p", Policy: CryptoPolicy{RevokeCheck: 1 << 62}},
		"RevokeCheck: want 1ns or more":        {Service: "s", Product: "p", Policy: CryptoPolicy{RevokeCheck: -1}},
		"CreatePrecision: want 1s or more":     {Service: "s", Product: "p", Policy: CryptoPolicy{CreatePrecision: time.Millisecond}},
		"CacheSize: want 1 or more, got -1":    {Service: "s", Product: "p", Policy: CryptoPolicy{CacheSize: -1}},
		"SessionCacheSize: want 1 or more":     {Service: "s", Product: "p", Policy: CryptoPolicy{SessionCacheSize: -1}},
		"DataKeyReuse: want 1 or more":         {Service: "s", Product: "p", Policy: CryptoPolicy{DataKeyReuse: -1}},
		"is not available":                     {Service: "s", Product: "p", Policy: CryptoPolicy{Cache: 99}},
	} {
		_, err := NewSessionFactory(cfg, w.store, w.kms)
		wantError(t, err, "new session factory: ", want)
	}
	for _, o := range []Option{WithClock(nil), WithSecretFactory(nil)} {
		wantError(t, second(NewSessionFactory(Config{Service: "s", Product: "p"}, w.store, w.kms, o)), "new session factory: With")
	}
	wantError(t, second(NewSessionFactory(Config{Service: "s", Product: "p"}, w.store, nil)), "no key management service given")

	// A key that never expires.
	s := session(t, w.factory(Config{Policy: CryptoPolicy{ExpireAfter: 1<<63 - 1}}), "tenant")
	d := encrypt(t, s, "x")
	w.clock.advance(100 * 365 * day)
	if e := encrypt(t, s, "x"); parentOf(e) != parentOf(d) {
		t.Error("it expired")
	}

	f := w.factory(Config{Service: "a_b", Product: "c", AllowUnderscore: true})
	if got := f.IntermediateKeyID("x"); got != "_IK_x_a_b_c" {
		t.Errorf("got id %q", got)
	}
	// A partition may contain it all the same.
	s = session(t, w.factory(Config{}), "a_b")
	wantPayload(t, s, encrypt(t, s, "x"), "x")
}

func TestAfterClose(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s, s2 := session(t, f, "tenant"), session(t, f, "tenant")
	scope, overlay := f.Scope(), f.Overlay(w.store)
	os, osc := second2(overlay.Session(ctx, "tenant")), overlay.Scope()
	d := encrypt(t, s, "x")
	asherah, err := d.AppendJSON(nil)
	if err != nil {
		t.Fatal(err)
	}
	bound, err := scope.AppendSeal(ctx, nil, "tenant", []byte("x"), text("c"))
	if err != nil {
		t.Fatal(err)
	}
	bySession := func(s *Session) []error {
		return []error{
			second(s.Encrypt(ctx, nil)),
			second(s.Decrypt(ctx, *d)),
			second(s.AppendEncrypt(ctx, nil, nil)),
			second(s.AppendDecrypt(ctx, nil, asherah)),
			second(s.AppendSeal(ctx, nil, nil, text("c"))),
			second(s.AppendOpen(ctx, nil, bound, text("c"))),
			second(s.Load(ctx, "key", LoaderFunc(func(context.Context, any) (*DataRowRecord, error) { return d, nil }))),
			second(s.Store(ctx, nil, StorerFunc(func(context.Context, DataRowRecord) (any, error) { return nil, nil }))),
		}
	}
	byScope := func(sc *Scope) []error {
		return []error{
			second(sc.AppendEncrypt(ctx, nil, "tenant", nil)),
			second(sc.AppendDecrypt(ctx, nil, "tenant", asherah)),
			second(sc.AppendSeal(ctx, nil, "tenant", nil, text("c"))),
			second(sc.AppendOpen(ctx, nil, "tenant", bound, text("c"))),
		}
	}
	wantClosed := func(errs []error) {
		t.Helper()
		for i, err := range errs {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%d: got %v, want ErrClosed", i, err)
			}
		}
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	wantClosed(bySession(s))
	for _, err := range bySession(s2) {
		if err != nil {
			t.Errorf("another session of the partition: %v", err)
		}
	}
	for range 2 {
		osc.Close()
	}
	wantClosed(byScope(osc))
	osc = overlay.Scope()
	for _, err := range byScope(osc) {
		if err != nil {
			t.Error(err)
		}
	}
	osc.Close()
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	wantClosed(bySession(s2))
	wantClosed(bySession(os))
	wantClosed(byScope(scope))
	wantClosed(byScope(overlay.Scope()))
	wantClosed([]error{second(f.Session(ctx, "tenant")), second(overlay.Session(ctx, "tenant")), f.Confirm(ctx), overlay.Restore(ctx), overlay.Reconcile(ctx)})
	overlay.Commit()
	overlay.Discard()
	scope.Close()
	if n, _ := w.secrets.InUse(); n != 0 {
		t.Errorf("%d secrets are in use", n)
	}
}

func second2[T any](v T, _ error) T { return v }

func TestLoadAndStore(t *testing.T) {
	w := newWorld(t)
	s := session(t, w.factory(Config{}), "tenant")
	records := map[any]DataRowRecord{}
	down := errors.New("disk full")
	key, err := s.Store(ctx, []byte("secret"), StorerFunc(func(_ context.Context, d DataRowRecord) (any, error) {
		records[17] = d
		return 17, nil
	}))
	if err != nil || key != 17 {
		t.Fatalf("got %v, %v", key, err)
	}
	loader := LoaderFunc(func(_ context.Context, key any) (*DataRowRecord, error) {
		switch key {
		case 18:
			return nil, nil
		case 19:
			return nil, down
		}
		d := records[key]
		return &d, nil
	})
	if got, err := s.Load(ctx, 17, loader); err != nil || string(got) != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
	wantError(t, second(s.Load(ctx, 18, loader)), "load: the loader returned neither a record nor an error")
	wantError(t, second(s.Load(ctx, 19, loader)), down, "load: disk full")
	wantError(t, second(s.Load(ctx, 20, loader)), ErrMalformed, "datarow key record cannot be empty")
	wantError(t, second(s.Store(ctx, nil, StorerFunc(func(context.Context, DataRowRecord) (any, error) { return nil, down }))), down, "store: disk full")
}

func TestFactoryWithoutAStore(t *testing.T) {
	w := newWorld(t)
	f := w.factoryOver(Config{}, nil)
	sc := f.Scope()
	defer sc.Close()
	wantError(t, second(f.Session(ctx, "tenant")), "session: the factory has no metastore: use an Overlay")
	wantError(t, second(sc.AppendSeal(ctx, nil, "tenant", nil, text("c"))), "seal: the factory has no metastore")
	wantError(t, second(sc.AppendOpen(ctx, nil, "", []byte(boundVectors(t)[0].Record), text("c"))), "open: ")
	o := f.Overlay(w.store)
	defer o.Discard()
	s := second2(o.Session(ctx, "tenant"))
	wantPayload(t, s, encrypt(t, s, "x"), "x")
	wantError(t, f.Overlay(nil).Restore(ctx), "the factory has no metastore")
}

func TestLockedMemoryRunsOut(t *testing.T) {
	w := newWorld(t)
	small, err := protectedmem.NewFactory(protectedmem.Config{MaxLocked: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	f := w.factory(Config{}, WithSecretFactory(small))
	failed := 0
	for _, name := range partitions(1000) {
		s := session(t, f, name)
		for range 3 {
			d, err := s.Encrypt(ctx, []byte("x"))
			if err != nil {
				wantError(t, err, protectedmem.ErrLimit)
				failed++
				continue
			}
			wantPayload(t, s, d, "x")
		}
	}
	if failed == 0 {
		t.Error("the limit was never reached")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n, _ := small.InUse(); n != 0 {
		t.Errorf("%d secrets are left", n)
	}
	if err := small.Trim(); err != nil {
		t.Error(err)
	}
}

var (
	_ metastore.Store = (*testStore)(nil)
	_ kms.Service     = (*testKMS)(nil)
)
