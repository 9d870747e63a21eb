package envelope

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"
)

func dataKeyOf(t testing.TB, record []byte) string {
	t.Helper()
	r, _, err := parseBound(record, EncodingText, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(r.wrapped)
}

func TestScopeUsesOneDataKeyAPartition(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	keys := map[string]bool{}
	for range 3 {
		sc := f.Scope()
		for _, p := range partitions(5) {
			var first string
			for i := range 4 {
				record, err := sc.AppendSeal(ctx, nil, p, fmt.Append(nil, i), text("c"))
				if err != nil {
					t.Fatal(err)
				}
				key := dataKeyOf(t, record)
				if i == 0 {
					first = key
				}
				if key != first {
					t.Errorf("%s has two data keys in one scope", p)
				}
				if got, err := sc.AppendOpen(ctx, nil, p, record, text("c")); err != nil || string(got) != fmt.Sprint(i) {
					t.Errorf("got %q, %v", got, err)
				}
			}
			if keys[first] {
				t.Error("two scopes, or partitions, share a data key")
			}
			keys[first] = true
		}
		sc.Close()
	}
	// A session takes a new one each time.
	s := session(t, f, "tenant-0000")
	for range 3 {
		record, err := s.AppendSeal(ctx, nil, nil, text("c"))
		if err != nil {
			t.Fatal(err)
		}
		if keys[dataKeyOf(t, record)] {
			t.Error("a session shares a data key")
		}
		keys[dataKeyOf(t, record)] = true
	}
}

func TestScopeOfManyPartitions(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	sc := f.Scope()
	defer sc.Close()
	var records [][]byte
	names := partitions(maxSealing + 50)
	for range 2 {
		for _, p := range names {
			record, err := sc.AppendSeal(ctx, nil, p, []byte(p), text("c"))
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, record)
		}
	}
	for range 2 {
		for i, record := range records {
			p := names[i%len(names)]
			if got, err := sc.AppendOpen(ctx, nil, p, record, text("c")); err != nil || string(got) != p {
				t.Fatalf("got %q, %v", got, err)
			}
		}
	}
	if len(sc.sealing) > maxSealing || len(sc.readers) > maxReaders {
		t.Errorf("the scope holds %d data keys and %d readers", len(sc.sealing), len(sc.readers))
	}
}

func TestScopeReplacesItsDataKeyInTime(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	sc := f.Scope()
	defer sc.Close()
	first, err := sc.AppendSeal(ctx, nil, "tenant", []byte("x"), text("c"))
	if err != nil {
		t.Fatal(err)
	}
	sc.sealing[0].left = 0
	next, err := sc.AppendSeal(ctx, nil, "tenant", []byte("y"), text("c"))
	if err != nil {
		t.Fatal(err)
	}
	if dataKeyOf(t, first) == dataKeyOf(t, next) {
		t.Error("a data key that was used up sealed a record")
	}
	if len(sc.sealing) != 1 {
		t.Errorf("the scope holds %d data keys", len(sc.sealing))
	}
}

// A record that names a partition which isn't there must not fill the caches.
func TestReadingMakesNoLines(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	encrypt(t, session(t, f, "tenant"), "x")
	sc := f.Scope()
	defer sc.Close()
	for _, p := range partitions(10) {
		r := boundRecord{created: 1, partition: []byte(p), wrapped: make([]byte, wrappedLen), sealed: make([]byte, 40)}
		wantError(t, second(sc.AppendOpen(ctx, nil, "", r.append(nil, EncodingText), text("c"))), ErrKeyNotFound)
	}
	if n := f.lines.Len(); n != 1 {
		t.Errorf("%d partitions are cached, want 1", n)
	}
}

func TestDataKeysThatAreShared(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{Policy: CryptoPolicy{DataKeyReuse: 10}})
	s := session(t, f, "tenant")
	uses := map[string]int{}
	seal := func(i int) {
		var record []byte
		var err error
		if i%2 == 0 {
			record, err = s.AppendSeal(ctx, nil, []byte("x"), text("c"))
		} else {
			sc := f.Scope()
			record, err = sc.AppendSeal(ctx, nil, "tenant", []byte("x"), text("c"))
			sc.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		uses[dataKeyOf(t, record)]++
		if got, err := s.AppendOpen(ctx, nil, record, text("c")); err != nil || string(got) != "x" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	for i := range 35 {
		seal(i)
	}
	if len(uses) != 4 {
		t.Errorf("35 records have %d data keys, want 4", len(uses))
	}
	for _, n := range uses {
		if n != 10 && n != 5 {
			t.Errorf("a data key sealed %d records", n)
		}
	}
	w.clock.advance(dataKeyLife - time.Second)
	seal(0)
	if len(uses) != 4 {
		t.Error("a data key was replaced too soon")
	}
	w.clock.advance(time.Second)
	seal(0)
	if len(uses) != 5 {
		t.Error("a data key was used for more than five minutes")
	}
	// Other partitions have their own, and records of the SDKs' format, too.
	d1, d2 := encrypt(t, s, "x"), encrypt(t, s, "x")
	if bytes.Equal(d1.Key.EncryptedKey, d2.Key.EncryptedKey) {
		t.Error("two DataRowRecords share a data key")
	}
	record, err := session(t, f, "other").AppendSeal(ctx, nil, nil, text("c"))
	if err != nil || uses[dataKeyOf(t, record)] != 0 {
		t.Errorf("two partitions share a data key: %v", err)
	}
}

// sealedBy returns n records of a partition, each with a data key of its own, and the payloads "0", "1", ….
func sealedBy(t testing.TB, s *Session, n int) (records [][]byte) {
	t.Helper()
	for i := range n {
		record, err := s.AppendSeal(ctx, nil, fmt.Append(nil, i), text("c"))
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, record)
	}
	return records
}

// A data key that two records have is kept, in protected memory; one that a single record has isn't.
func TestScopeKeepsDataKeysThatAreMetAgain(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	single := sealedBy(t, session(t, f, "tenant"), 200)
	writer := f.Scope()
	var shared [][]byte
	for range 3 {
		record, err := writer.AppendSeal(ctx, nil, "tenant", []byte("x"), text("c"))
		if err != nil {
			t.Fatal(err)
		}
		shared = append(shared, record)
	}
	writer.Close()
	if n := f.scopeKeys.n.Load(); n != 0 {
		t.Fatalf("%d data keys are kept after Close", n)
	}
	sc := f.Scope()
	for i, record := range single {
		if got, err := sc.AppendOpen(ctx, nil, "tenant", record, text("c")); err != nil || string(got) != fmt.Sprint(i) {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if n := f.scopeKeys.n.Load(); n != 0 {
		t.Errorf("%d data keys of single records are kept", n)
	}
	for i, record := range append(shared, shared...) {
		// The other ones between them don't matter, but where two keys want one place.
		for _, other := range single[:3] {
			if got, err := sc.AppendOpen(ctx, nil, "", other, text("c")); err != nil || len(got) != 1 {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		if got, err := sc.AppendOpen(ctx, nil, "", record, text("c")); err != nil || string(got) != "x" {
			t.Fatalf("use %d: got %q, %v", i, got, err)
		}
		// A kept key opens nothing for another place.
		wantError(t, second(sc.AppendOpen(ctx, nil, "tenant", record, text("d"))), ErrMoved)
		wantError(t, second(sc.AppendOpen(ctx, nil, "other", record, text("c"))), ErrMoved, ErrPartitionMismatch)
		bad := bytes.Clone(record)
		if at := len(bad) - 8; bad[at] == 'A' {
			bad[at] = 'B'
		} else {
			bad[at] = 'A'
		}
		wantError(t, second(sc.AppendOpen(ctx, nil, "tenant", bad, text("c"))), ErrMoved)
	}
	if n := f.scopeKeys.n.Load(); n < 1 || n > openingSlots {
		t.Errorf("%d data keys are kept", n)
	}
	sc.Close()
	if n := f.scopeKeys.n.Load(); n != 0 {
		t.Errorf("%d data keys are kept after Close", n)
	}
}

// More partitions than a scope remembers the keys of, read in all orders.
func TestScopeOfManyReaders(t *testing.T) {
	w := newWorld(t)
	names := partitions(3 * maxReaders)
	var records [][]byte
	writer := w.factory(Config{})
	for _, p := range names {
		records = append(records, sealedBy(t, session(t, writer, p), 1)...)
	}
	for what, f := range map[string]*SessionFactory{"that wrote them": writer, "that has none of the keys": w.factory(Config{})} {
		sc := f.Scope()
		for round := range 4 {
			for i := range names {
				i = (i * (2*round + 1)) % len(names)
				for _, p := range []string{names[i], "", names[i]} {
					if got, err := sc.AppendOpen(ctx, nil, p, records[i], text("c")); err != nil || string(got) != "0" {
						t.Fatalf("factory %s: got %q, %v", what, got, err)
					}
				}
			}
		}
		if len(sc.readers) != maxReaders {
			t.Errorf("the scope remembers %d keys, want %d", len(sc.readers), maxReaders)
		}
		sc.Close()
	}
}

// A key that a scope remembers is wiped when the factory lets go of it: a scope that nobody closed holds none.
func TestScopeHoldsNoIntermediateKeys(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	records := sealedBy(t, session(t, f, "tenant"), 3)
	lost := f.Scope()
	for _, record := range records[:2] {
		if _, err := lost.AppendOpen(ctx, nil, "tenant", record, text("c")); err != nil {
			t.Fatal(err)
		}
	}
	k := lost.readers[0].key
	f.lines.Clear()
	f.ikeys.Clear()
	if n := k.refs.Load(); n != 0 {
		t.Fatalf("the key has %d references", n)
	}
	// It is loaded again.
	if got, err := lost.AppendOpen(ctx, nil, "tenant", records[2], text("c")); err != nil || string(got) != "2" {
		t.Errorf("got %q, %v", got, err)
	}
	if lost.readers[0].key == k {
		t.Error("a key that was wiped is remembered")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n, _ := w.secrets.InUse(); n != 0 {
		t.Errorf("%d secrets are in use after the factory's Close", n)
	}
	wantError(t, second(lost.AppendOpen(ctx, nil, "tenant", records[1], text("c"))), ErrClosed)
}

// Single takes a data key of its own for each value and keeps none.
func TestScopeSingle(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	sc := f.Scope()
	defer sc.Close()
	sc.Single()
	keys := map[string]bool{}
	for i := range 3 {
		record, err := sc.AppendSeal(ctx, nil, "tenant", []byte("x"), text("c"))
		if err != nil {
			t.Fatal(err)
		}
		keys[dataKeyOf(t, record)] = true
		if got, err := sc.AppendOpen(ctx, nil, "tenant", record, text("c")); err != nil || string(got) != "x" {
			t.Errorf("got %q, %v", got, err)
		}
		if len(keys) != i+1 || len(sc.sealing) != 0 || f.scopeKeys.n.Load() != 0 {
			t.Errorf("%d values have %d data keys, %d are kept", i+1, len(keys), len(sc.sealing))
		}
	}
}

// When no data key can be kept, values have keys of their own, and everything opens.
func TestScopeWithoutRoomForDataKeys(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	f.scopeKeys.limit.Store(1)
	sc := f.Scope()
	defer sc.Close()
	keys := map[string]int{}
	for _, p := range []string{"a", "b", "a", "b", "b", "a"} {
		record, err := sc.AppendSeal(ctx, nil, p, []byte(p), text("c"))
		if err != nil {
			t.Fatal(err)
		}
		keys[p+dataKeyOf(t, record)]++
		for range 3 {
			if got, err := sc.AppendOpen(ctx, nil, p, record, text("c")); err != nil || string(got) != p {
				t.Errorf("got %q, %v", got, err)
			}
		}
	}
	if len(keys) != 4 { // one for a, three for b
		t.Errorf("got %d data keys: %v", len(keys), len(keys))
	}
	if n := f.scopeKeys.n.Load(); n != 1 {
		t.Errorf("%d data keys are kept", n)
	}
}

// Scopes of many goroutines over one factory, some of which aren't let keep keys, and the factory closed
// while they work.
func TestScopesAtOnce(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	f.scopeKeys.limit.Store(3)
	records := sealedBy(t, session(t, f, "tenant"), 8)
	var wg sync.WaitGroup
	started := make(chan struct{}, 4)
	for range 4 {
		wg.Go(func() {
			for round := 0; ; round++ {
				sc := f.Scope()
				for i := range 20 {
					_, err := sc.AppendSeal(ctx, nil, fmt.Sprint("p", i%3), []byte("x"), text("c"))
					if err == nil {
						_, err = sc.AppendOpen(ctx, nil, "tenant", records[i%8], text("c"))
					}
					if err != nil {
						wantError(t, err, ErrClosed)
						sc.Close()
						return
					}
				}
				sc.Close()
				if round == 10 {
					started <- struct{}{}
				}
			}
		})
	}
	for range 4 {
		<-started
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if n := f.scopeKeys.n.Load(); n != 0 {
		t.Errorf("%d data keys are kept", n)
	}
}

// After Reset a scope is as a new one.
func TestScopeReset(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	sc := f.Scope()
	keys := map[string]bool{}
	var records [][]byte
	for round := range 6 {
		if round == 1 {
			sc.Single() // of this round only
		}
		for range 2 {
			record, err := sc.AppendSeal(ctx, nil, "tenant", fmt.Append(nil, round), text("c"))
			if err != nil {
				t.Fatal(err)
			}
			keys[dataKeyOf(t, record)] = true
			records = append(records, record)
		}
		for i, record := range append(records, records...) {
			if got, err := sc.AppendOpen(ctx, nil, "", record, text("c")); err != nil || string(got) != fmt.Sprint(i%len(records)/2) {
				t.Fatalf("record %d: got %q, %v", i, got, err)
			}
		}
		if f.scopeKeys.n.Load() == 0 {
			t.Error("no data key is kept")
		}
		sc.Reset()
		if n := f.scopeKeys.n.Load(); n != 0 {
			t.Errorf("%d data keys are kept after Reset", n)
		}
		if sc.work != nil && sc.work.fresh != [len(sc.work.fresh)]byte{} {
			t.Error("a data key is in the scratch after Reset")
		}
	}
	if len(keys) != 6+1 {
		t.Errorf("six rounds, one of them with keys of their own, have %d data keys", len(keys))
	}
	sc.Close()
	sc.Reset()
	wantError(t, second(sc.AppendSeal(ctx, nil, "tenant", nil, text("c"))), ErrClosed)
}
