package metastoretest

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/metastore"
)

// Run checks the stores that newStore makes, one subtest for each promise. Each
// call of newStore must return an empty store, or one without the ids of the
// suite, that stays usable until its test ends.
func Run(t *testing.T, newStore func(t *testing.T) metastore.Store) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, newStore(t)) })
	}
}

var cases = []struct {
	name string
	run  func(*testing.T, metastore.Store)
}{
	{"a stored record comes back as it was", comesBack},
	{"a missing record is ErrNotFound", notFound},
	{"storing twice is ErrExists and changes nothing", storesOnce},
	{"one of many concurrent stores wins", oneWinner},
	{"the latest record has the highest creation time", latest},
	{"ids are compared byte for byte", exactIDs},
	{"the longest id is kept whole", longestID},
	{"an id that is too long is refused with its length", tooLongID},
	{"ids that no store can keep are refused", badIDs},
	{"records that don't fit their place are refused", badRecords},
	{"creation times from 1970 to 9999 are exact or refused", createdRange},
	{"records are the caller's own", ownership},
	{"a cancelled context is its own error", cancelled},
	{"reading while others write", readersAndWriters},
}

// base is a creation time inside every database's range.
const base = 1_795_461_600

func sealed(seed byte) []byte {
	b := make([]byte, 60) // the length of a sealed 32-byte key
	for i := range b {
		b[i] = seed + byte(i)*7
	}
	return b
}

func systemKey(created int64) *metastore.EnvelopeKeyRecord {
	return &metastore.EnvelopeKeyRecord{Created: created, EncryptedKey: sealed(1)}
}

func meta(id string, created int64) metastore.KeyMeta {
	return metastore.KeyMeta{ID: id, Created: created}
}

// check compares a loaded record with the one that was stored under m.
func check(t *testing.T, m metastore.KeyMeta, got *metastore.EnvelopeKeyRecord, err error, stored *metastore.EnvelopeKeyRecord) {
	t.Helper()
	if err != nil {
		t.Errorf("load %q, %d: %v", m.ID, m.Created, err)
		return
	}
	want := stored.Clone()
	want.ID = m.ID
	if !reflect.DeepEqual(got, want) {
		t.Errorf("load %q, %d:\n got %+v\nwant %+v", m.ID, m.Created, got, want)
	}
}

func mustStore(t *testing.T, s metastore.Store, id string, r *metastore.EnvelopeKeyRecord) metastore.KeyMeta {
	t.Helper()
	m := meta(id, r.Created)
	if err := s.Store(t.Context(), m, r); err != nil {
		t.Fatalf("store %q, %d: %v", id, r.Created, err)
	}
	return m
}

func comesBack(t *testing.T, s metastore.Store) {
	for _, c := range []struct {
		id     string
		record *metastore.EnvelopeKeyRecord
	}{
		{"_SK_service_product", systemKey(base)},
		{"_IK_partition_service_product", &metastore.EnvelopeKeyRecord{
			Created: base + 60, EncryptedKey: sealed(2),
			ParentKeyMeta: &metastore.KeyMeta{ID: "_SK_service_product", Created: base},
		}},
		{"_IK_revoked_service_product", &metastore.EnvelopeKeyRecord{
			Revoked: true, Created: base, EncryptedKey: sealed(3),
			ParentKeyMeta: &metastore.KeyMeta{ID: "_SK_service_product", Created: base},
		}},
		{"_IK_a<b>&c_service_product", &metastore.EnvelopeKeyRecord{
			Created: base, EncryptedKey: sealed(4),
			ParentKeyMeta: &metastore.KeyMeta{ID: "_SK_a<b>&\"c'\\_product\u2028", Created: base},
		}},
		// A KMS may answer with JSON of some kilobytes, or with one byte.
		{"_SK_large", &metastore.EnvelopeKeyRecord{Created: base, EncryptedKey: slices.Repeat(sealed(5), 200)}},
		{"_SK_small", &metastore.EnvelopeKeyRecord{Created: base, EncryptedKey: []byte{0}}},
		{"_SK_named", &metastore.EnvelopeKeyRecord{ID: "_SK_named", Created: base, EncryptedKey: sealed(6)}},
	} {
		m := mustStore(t, s, c.id, c.record)
		got, err := s.Load(t.Context(), m)
		check(t, m, got, err, c.record)
		got, err = s.LoadLatest(t.Context(), m.ID)
		check(t, m, got, err, c.record)
	}
}

func notFound(t *testing.T, s metastore.Store) {
	absent := func(m metastore.KeyMeta) {
		t.Helper()
		if r, err := s.Load(t.Context(), m); !errors.Is(err, metastore.ErrNotFound) || r != nil {
			t.Errorf("load %q, %d: %v, %v; want no record and ErrNotFound", m.ID, m.Created, r, err)
		}
	}
	absent(meta("_SK_x", base))
	if r, err := s.LoadLatest(t.Context(), "_SK_x"); !errors.Is(err, metastore.ErrNotFound) || r != nil {
		t.Errorf("load latest: %v, %v; want no record and ErrNotFound", r, err)
	}
	mustStore(t, s, "_SK_x", systemKey(base))
	absent(meta("_SK_x", base+1))
	absent(meta("_SK_x", base-1))
	absent(meta("_SK_y", base))
	if _, err := s.LoadLatest(t.Context(), "_SK_y"); !errors.Is(err, metastore.ErrNotFound) {
		t.Errorf("load latest of another id: %v, want ErrNotFound", err)
	}
}

func storesOnce(t *testing.T, s metastore.Store) {
	first := systemKey(base)
	m := mustStore(t, s, "_SK_x", first)
	for _, second := range []*metastore.EnvelopeKeyRecord{
		{Created: base, EncryptedKey: sealed(9)},
		{Created: base, EncryptedKey: sealed(1), Revoked: true},
		systemKey(base), // the same again is no success either: who gets nil has made the key
	} {
		if err := s.Store(t.Context(), m, second); !errors.Is(err, metastore.ErrExists) {
			t.Errorf("second store: %v, want ErrExists", err)
		}
		got, err := s.Load(t.Context(), m)
		check(t, m, got, err, first)
	}
	// The second after is another key.
	mustStore(t, s, "_SK_x", systemKey(base+1))
}

func oneWinner(t *testing.T, s metastore.Store) {
	const rounds, racers = 10, 8
	for round := range rounds {
		m := meta("_IK_race_s_p", base+int64(round)*60)
		errs := make([]error, racers)
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range racers {
			wg.Go(func() {
				<-start
				errs[i] = s.Store(t.Context(), m, &metastore.EnvelopeKeyRecord{Created: m.Created, EncryptedKey: sealed(byte(i))})
			})
		}
		close(start)
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Fatalf("two winners of one key")
			case err == nil:
				winner = i
			case !errors.Is(err, metastore.ErrExists):
				t.Fatalf("a loser got %v, want ErrExists", err)
			}
		}
		if winner < 0 {
			t.Fatal("nobody won")
		}
		got, err := s.Load(t.Context(), m)
		check(t, m, got, err, &metastore.EnvelopeKeyRecord{Created: m.Created, EncryptedKey: sealed(byte(winner))})
	}
}

func latest(t *testing.T, s metastore.Store) {
	// Stored in no order; the lengths of the numbers differ, for stores that
	// would compare text.
	times := []int64{base, 999_999_999, base + 60, 1_000_000_000, base - 60}
	highest := int64(0)
	for i, created := range times {
		r := &metastore.EnvelopeKeyRecord{Created: created, EncryptedKey: sealed(byte(i))}
		mustStore(t, s, "_SK_x", r)
		highest = max(highest, created)
		got, err := s.LoadLatest(t.Context(), "_SK_x")
		if err != nil || got.Created != highest {
			t.Fatalf("latest of %v: %+v, %v; want the one of %d", times[:i+1], got, err, highest)
		}
	}
	mustStore(t, s, "_SK_y", systemKey(base+3600))
	if got, err := s.LoadLatest(t.Context(), "_SK_x"); err != nil || got.Created != highest {
		t.Errorf("latest after another id's newer key: %+v, %v; want the one of %d", got, err, highest)
	}
	// Revoked records count: it is the caller who decides what to do with one.
	revoked := &metastore.EnvelopeKeyRecord{Created: base + 120, EncryptedKey: sealed(7), Revoked: true}
	m := mustStore(t, s, "_SK_x", revoked)
	got, err := s.LoadLatest(t.Context(), "_SK_x")
	check(t, m, got, err, revoked)
}

// lookAlikes are different ids that a collation, a LIKE, an escape or a
// normalisation could take for one another.
var lookAlikes = []string{
	"_IK_Tenant_s_p", "_IK_tenant_s_p", "_IK_TENANT_s_p",
	"_IK_strasse_s_p", "_IK_straße_s_p",
	"_IK_e_s_p", "_IK_é_s_p", "_IK_e\u0301_s_p",
	"_IK_i_s_p", "_IK_ı_s_p", "_IK_İ_s_p",
	"_IK_x_s_p", "_IK_x_s_p ", "_IK_x_s_p  ", " _IK_x_s_p", "_IK_x_s_p\t",
	"_IK_%_s_p", "_IK___s_p", "_IK_*_s_p", "_IK_?_s_p", "$1", ":id", "@id",
	"_IK_o'brien_s_p", "_IK_o''brien_s_p", `_IK_o\'brien_s_p`, `_IK_"quoted"_s_p`, "_IK_`tick`_s_p",
	`_IK_back\slash_s_p`, `_IK_back\\slash_s_p`,
	"_IK_a;b--c/*d*/_s_p", "_IK_1_s_p", "_IK_01_s_p", "_IK_1.0_s_p", "0", "00", "1e3", "1000", "NULL", "null",
	"_IK_日本_s_p", "_IK_ﬁ_s_p", "_IK_fi_s_p", "_IK_🔑_s_p", "_IK_🔒_s_p", "_IK_ａ_s_p", "_IK_a_s_p",
	"_IK_a\u200bb_s_p", "_IK_ab_s_p", "_IK_a\u00adb_s_p",
}

func exactIDs(t *testing.T, s metastore.Store) {
	record := func(i int) *metastore.EnvelopeKeyRecord {
		return &metastore.EnvelopeKeyRecord{Created: base, EncryptedKey: sealed(byte(i))}
	}
	for i, id := range lookAlikes {
		mustStore(t, s, id, record(i))
	}
	for i, id := range lookAlikes {
		m := meta(id, base)
		got, err := s.Load(t.Context(), m)
		check(t, m, got, err, record(i))
		got, err = s.LoadLatest(t.Context(), id)
		check(t, m, got, err, record(i))
	}
	// And where only the look-alike is there, there is nothing. The look-alike
	// is newer, so that a lenient query would choose it.
	for i := 0; i+1 < len(lookAlikes); i += 2 {
		there, missing := lookAlikes[i], lookAlikes[i+1]
		mustStore(t, s, there, systemKey(base+60))
		if _, err := s.Load(t.Context(), meta(missing, base+60)); !errors.Is(err, metastore.ErrNotFound) {
			t.Errorf("load %q, where only %q is stored: %v, want ErrNotFound", missing, there, err)
		}
		if got, err := s.LoadLatest(t.Context(), missing); err != nil || got.Created != base {
			t.Errorf("load latest %q: %+v, %v; want its own, not the newer one of %q", missing, got, err, there)
		}
	}
}

func longestID(t *testing.T, s metastore.Store) {
	prefix := strings.Repeat("p", metastore.MaxIDLen-1)
	for i, last := range []string{"a", "b"} {
		mustStore(t, s, prefix+last, &metastore.EnvelopeKeyRecord{Created: base, EncryptedKey: sealed(byte(i))})
	}
	for i, last := range []string{"a", "b"} {
		m := meta(prefix+last, base)
		got, err := s.Load(t.Context(), m)
		check(t, m, got, err, &metastore.EnvelopeKeyRecord{Created: base, EncryptedKey: sealed(byte(i))})
	}
}

// eachMethod calls every method of the interface with an id.
func eachMethod(ctx context.Context, s metastore.Store, id string, f func(method string, err error)) {
	_, err := s.Load(ctx, meta(id, base))
	f("Load", err)
	_, err = s.LoadLatest(ctx, id)
	f("LoadLatest", err)
	f("Store", s.Store(ctx, meta(id, base), systemKey(base)))
}

func tooLongID(t *testing.T, s metastore.Store) {
	for _, id := range []string{
		strings.Repeat("x", metastore.MaxIDLen+1),
		strings.Repeat("é", metastore.MaxIDLen+1),
	} {
		eachMethod(t.Context(), s, id, func(method string, err error) {
			switch {
			case err == nil:
				t.Errorf("%s accepts an id of %d characters", method, metastore.MaxIDLen+1)
			case errors.Is(err, metastore.ErrNotFound), errors.Is(err, metastore.ErrExists):
				t.Errorf("%s: %v: want an error that is neither ErrNotFound nor ErrExists", method, err)
			case !strings.Contains(err.Error(), "256") || !strings.Contains(err.Error(), "255"):
				t.Errorf("%s: %q doesn't name the length and the limit", method, err)
			}
		})
	}
}

func badIDs(t *testing.T, s metastore.Store) {
	for _, id := range []string{"", "_IK_\xff\xfe_s_p"} {
		eachMethod(t.Context(), s, id, func(method string, err error) {
			if err == nil || errors.Is(err, metastore.ErrNotFound) || errors.Is(err, metastore.ErrExists) {
				t.Errorf("%s of id %q: %v; want it refused", method, id, err)
			}
		})
	}
}

func badRecords(t *testing.T, s metastore.Store) {
	m := meta("_SK_x", base)
	for name, r := range map[string]*metastore.EnvelopeKeyRecord{
		"no record":             nil,
		"no wrapped key":        {Created: base},
		"another creation time": systemKey(base + 1),
		"another id":            {ID: "_SK_y", Created: base, EncryptedKey: sealed(1)},
	} {
		if err := s.Store(t.Context(), m, r); err == nil || errors.Is(err, metastore.ErrExists) {
			t.Errorf("%s: %v; want it refused", name, err)
		}
	}
	if _, err := s.LoadLatest(t.Context(), m.ID); !errors.Is(err, metastore.ErrNotFound) {
		t.Errorf("after refused records: %v, want ErrNotFound", err)
	}
}

func createdRange(t *testing.T, s metastore.Store) {
	// Every database holds the first group; some types end in 2038, and then the
	// record must be refused, not moved.
	const end32 = 1<<31 - 1
	certain := []int64{1, 59, 86_400, 951_782_400 /* a leap day */, base, 1_792_890_000 /* summer time ends in Europe that hour */, end32}
	beyond := []int64{0, end32 + 1, 4_102_444_800 /* 2100 */, 253_402_300_799 /* the last second of 9999 */}
	for _, created := range slices.Concat(certain, beyond) {
		id := "_SK_" + time.Unix(created, 0).UTC().Format("20060102150405")
		m, r := meta(id, created), systemKey(created)
		if err := s.Store(t.Context(), m, r); err != nil {
			if slices.Contains(certain, created) || errors.Is(err, metastore.ErrExists) {
				t.Errorf("store of %d: %v", created, err)
			}
			if _, err := s.LoadLatest(t.Context(), id); err == nil {
				t.Errorf("store of %d failed, and yet there is a record", created)
			}
			continue
		}
		got, err := s.Load(t.Context(), m)
		check(t, m, got, err, r)
		got, err = s.LoadLatest(t.Context(), id)
		check(t, m, got, err, r)
	}
}

func ownership(t *testing.T, s metastore.Store) {
	newRecord := func() *metastore.EnvelopeKeyRecord {
		return &metastore.EnvelopeKeyRecord{
			Created: base, EncryptedKey: sealed(1),
			ParentKeyMeta: &metastore.KeyMeta{ID: "_SK_s_p", Created: base},
		}
	}
	spoil := func(r *metastore.EnvelopeKeyRecord) {
		r.Revoked, r.ID, r.Created = true, "spoilt", 1
		clear(r.EncryptedKey)
		r.ParentKeyMeta.ID, r.ParentKeyMeta.Created = "spoilt", 1
	}
	given := newRecord()
	m := mustStore(t, s, "_IK_x_s_p", given)
	if !reflect.DeepEqual(given, newRecord()) {
		t.Errorf("Store changed the caller's record: %+v", given)
	}
	spoil(given)
	got, err := s.Load(t.Context(), m)
	check(t, m, got, err, newRecord())
	spoil(got)
	got, err = s.LoadLatest(t.Context(), m.ID)
	check(t, m, got, err, newRecord())
	spoil(got)
	got, err = s.Load(t.Context(), m)
	check(t, m, got, err, newRecord())
}

func cancelled(t *testing.T, s metastore.Store) {
	mustStore(t, s, "_SK_there", systemKey(base))
	done, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, ctx := range []context.Context{done, late} {
		for _, id := range []string{"_SK_there", "_SK_missing"} {
			eachMethod(ctx, s, id, func(method string, err error) {
				if !errors.Is(err, ctx.Err()) {
					t.Errorf("%s of %q: %v; want %v", method, id, err, ctx.Err())
				}
				if errors.Is(err, metastore.ErrNotFound) || errors.Is(err, metastore.ErrExists) {
					t.Errorf("%s of %q: %v: a store that wasn't asked doesn't know", method, id, err)
				}
			})
		}
	}
	if _, err := s.LoadLatest(t.Context(), "_SK_missing"); !errors.Is(err, metastore.ErrNotFound) {
		t.Errorf("after cancelled stores: %v, want ErrNotFound", err)
	}
}

func readersAndWriters(t *testing.T, s metastore.Store) {
	const keys = 20
	ids := []string{"_IK_a_s_p", "_IK_b_s_p"}
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			for n := range int64(keys) {
				r := &metastore.EnvelopeKeyRecord{Created: base + n, EncryptedKey: sealed(byte(i))}
				if err := s.Store(t.Context(), meta(id, r.Created), r); err != nil {
					t.Errorf("store %q: %v", id, err)
					return
				}
				// Whoever has stored a record sees it, or a newer one.
				if got, err := s.LoadLatest(t.Context(), id); err != nil || got.Created < r.Created {
					t.Errorf("latest of %q after storing %d: %+v, %v", id, r.Created, got, err)
					return
				}
			}
		})
		wg.Go(func() {
			seen := int64(0)
			for range keys {
				got, err := s.LoadLatest(t.Context(), id)
				if errors.Is(err, metastore.ErrNotFound) && seen == 0 {
					continue
				}
				if err != nil || got.ID != id || got.Created < seen {
					t.Errorf("latest of %q, after one of %d was seen: %+v, %v", id, seen, got, err)
					return
				}
				seen = got.Created
			}
		})
	}
	wg.Wait()
}
