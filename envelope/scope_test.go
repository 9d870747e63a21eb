package envelope

import (
	"bytes"
	"fmt"
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
	if len(sc.sealing) > maxSealing || len(sc.opening) > maxOpening {
		t.Errorf("the scope holds %d and %d data keys", len(sc.sealing), len(sc.opening))
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
