package metastoretest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/metastore/metastoretest"
)

func Example() {
	// In a test file of the package that has the store.
	_ = func(t *testing.T) {
		metastoretest.Run(t, func(t *testing.T) metastore.Store { return metastore.NewMemory() })
	}
}

// faulty is a good store with one fault.
type faulty struct {
	good   *metastore.Memory
	load   func(context.Context, metastore.Store, metastore.KeyMeta) (*metastore.EnvelopeKeyRecord, error)
	latest func(context.Context, metastore.Store, string) (*metastore.EnvelopeKeyRecord, error)
	store  func(context.Context, metastore.Store, metastore.KeyMeta, *metastore.EnvelopeKeyRecord) error
}

func (f *faulty) Load(ctx context.Context, m metastore.KeyMeta) (*metastore.EnvelopeKeyRecord, error) {
	if f.load != nil {
		return f.load(ctx, f.good, m)
	}
	return f.good.Load(ctx, m)
}

func (f *faulty) LoadLatest(ctx context.Context, id string) (*metastore.EnvelopeKeyRecord, error) {
	if f.latest != nil {
		return f.latest(ctx, f.good, id)
	}
	return f.good.LoadLatest(ctx, id)
}

func (f *faulty) Store(ctx context.Context, m metastore.KeyMeta, r *metastore.EnvelopeKeyRecord) error {
	if f.store != nil {
		return f.store(ctx, f.good, m, r)
	}
	return f.good.Store(ctx, m, r)
}

// mapIDs is a fault of a store that takes different ids for one.
func mapIDs(f func(string) string) func() *faulty {
	return func() *faulty {
		back := func(id string, r *metastore.EnvelopeKeyRecord, err error) (*metastore.EnvelopeKeyRecord, error) {
			if r != nil {
				r.ID = id
			}
			return r, err
		}
		return &faulty{
			load: func(ctx context.Context, s metastore.Store, m metastore.KeyMeta) (*metastore.EnvelopeKeyRecord, error) {
				r, err := s.Load(ctx, metastore.KeyMeta{ID: f(m.ID), Created: m.Created})
				return back(m.ID, r, err)
			},
			latest: func(ctx context.Context, s metastore.Store, id string) (*metastore.EnvelopeKeyRecord, error) {
				r, err := s.LoadLatest(ctx, f(id))
				return back(id, r, err)
			},
			store: func(ctx context.Context, s metastore.Store, m metastore.KeyMeta, r *metastore.EnvelopeKeyRecord) error {
				r = r.Clone()
				if r != nil && r.ID != "" {
					r.ID = f(r.ID)
				}
				return s.Store(ctx, metastore.KeyMeta{ID: f(m.ID), Created: m.Created}, r)
			},
		}
	}
}

// faults are stores that must fail, each in the subtest whose name it has.
var faults = map[string]struct {
	make func() *faulty
	want string
}{
	"drops the id": {func() *faulty {
		return &faulty{load: func(ctx context.Context, s metastore.Store, m metastore.KeyMeta) (*metastore.EnvelopeKeyRecord, error) {
			r, err := s.Load(ctx, m)
			if r != nil {
				r.ID = ""
			}
			return r, err
		}}
	}, "a stored record comes back as it was"},
	"drops the flag": {func() *faulty {
		return &faulty{store: func(ctx context.Context, s metastore.Store, m metastore.KeyMeta, r *metastore.EnvelopeKeyRecord) error {
			if r = r.Clone(); r != nil {
				r.Revoked = false
			}
			return s.Store(ctx, m, r)
		}}
	}, "a stored record comes back as it was"},
	"finds nothing without an error": {func() *faulty {
		return &faulty{load: func(ctx context.Context, s metastore.Store, m metastore.KeyMeta) (*metastore.EnvelopeKeyRecord, error) {
			r, err := s.Load(ctx, m)
			if errors.Is(err, metastore.ErrNotFound) {
				err = nil
			}
			return r, err
		}}
	}, "a missing record is ErrNotFound"},
	"stores the same again": {func() *faulty {
		return &faulty{store: func(ctx context.Context, s metastore.Store, m metastore.KeyMeta, r *metastore.EnvelopeKeyRecord) error {
			if there, err := s.Load(ctx, m); err == nil && r != nil && string(there.EncryptedKey) == string(r.EncryptedKey) {
				return nil
			}
			return s.Store(ctx, m, r)
		}}
	}, "storing twice is ErrExists and changes nothing"},
	"looks before it stores": {func() *faulty {
		var winners atomic.Int32
		return &faulty{store: func(ctx context.Context, s metastore.Store, m metastore.KeyMeta, r *metastore.EnvelopeKeyRecord) error {
			err := s.Store(ctx, m, r)
			if errors.Is(err, metastore.ErrExists) && m.ID == "_IK_race_s_p" && winners.Add(1) == 1 {
				return nil
			}
			return err
		}}
	}, "one of many concurrent stores wins"},
	"the last one is the latest": {func() *faulty {
		var last atomic.Pointer[metastore.KeyMeta]
		return &faulty{
			store: func(ctx context.Context, s metastore.Store, m metastore.KeyMeta, r *metastore.EnvelopeKeyRecord) error {
				err := s.Store(ctx, m, r)
				if err == nil {
					last.Store(&m)
				}
				return err
			},
			latest: func(ctx context.Context, s metastore.Store, id string) (*metastore.EnvelopeKeyRecord, error) {
				if m := last.Load(); m != nil && m.ID == id {
					return s.Load(ctx, *m)
				}
				return s.LoadLatest(ctx, id)
			},
		}
	}, "the latest record has the highest creation time"},
	"folds case":           {mapIDs(strings.ToLower), "ids are compared byte for byte"},
	"trims blanks":         {mapIDs(func(id string) string { return strings.TrimRight(id, " ") }), "ids are compared byte for byte"},
	"unescapes":            {mapIDs(func(id string) string { return strings.ReplaceAll(id, `\\`, `\`) }), "ids are compared byte for byte"},
	"cuts":                 {mapIDs(func(id string) string { return id[:min(len(id), 254)] }), "the longest id is kept whole"},
	"cuts what's too long": {mapIDs(func(id string) string { return id[:min(len(id), 255)] }), "an id that is too long is refused with its length"},
	"has a name for none": {mapIDs(func(id string) string {
		if id == "" {
			return "none"
		}
		return id
	}), "ids that no store can keep are refused"},
	"moves what's early": {func() *faulty {
		return &faulty{load: func(ctx context.Context, s metastore.Store, m metastore.KeyMeta) (*metastore.EnvelopeKeyRecord, error) {
			r, err := s.Load(ctx, m)
			if r != nil && r.Created < 1000 {
				r.Created += 3600
			}
			return r, err
		}}
	}, "creation times from 1970 to 9999 are exact or refused"},
	"stores under another time": {func() *faulty {
		return &faulty{store: func(ctx context.Context, s metastore.Store, m metastore.KeyMeta, r *metastore.EnvelopeKeyRecord) error {
			if r = r.Clone(); r != nil {
				r.Created = m.Created
			}
			return s.Store(ctx, m, r)
		}}
	}, "records that don't fit their place are refused"},
	"shares its records": {func() *faulty {
		shared := make(map[metastore.KeyMeta]*metastore.EnvelopeKeyRecord)
		return &faulty{load: func(ctx context.Context, s metastore.Store, m metastore.KeyMeta) (*metastore.EnvelopeKeyRecord, error) {
			r, err := s.Load(ctx, m)
			if err == nil {
				if shared[m] == nil {
					shared[m] = r
				}
				r = shared[m]
			}
			return r, err
		}}
	}, "records are the caller's own"},
	"takes an end for a loss": {func() *faulty {
		return &faulty{store: func(ctx context.Context, s metastore.Store, m metastore.KeyMeta, r *metastore.EnvelopeKeyRecord) error {
			if ctx.Err() != nil {
				return errors.Join(ctx.Err(), metastore.ErrExists)
			}
			return s.Store(ctx, m, r)
		}}
	}, "a cancelled context is its own error"},
	"reads what's old": {func() *faulty {
		return &faulty{latest: func(ctx context.Context, s metastore.Store, id string) (*metastore.EnvelopeKeyRecord, error) {
			r, err := s.LoadLatest(ctx, id)
			if err != nil || (id != "_IK_a_s_p" && id != "_IK_b_s_p") {
				return r, err
			}
			if older, err := s.Load(ctx, metastore.KeyMeta{ID: id, Created: r.Created - 1}); err == nil {
				return older, nil
			}
			return r, nil
		}}
	}, "reading while others write"},
}

const faultEnv = "METASTORETEST_FAULT"

// TestFaultyStore is what TestTheSuiteFindsFaults runs, in a process of its
// own because it fails.
func TestFaultyStore(t *testing.T) {
	fault, ok := faults[os.Getenv(faultEnv)]
	if !ok {
		fault.make = func() *faulty { return new(faulty) } // none
	}
	metastoretest.Run(t, func(t *testing.T) metastore.Store {
		f := fault.make()
		f.good = metastore.NewMemory()
		return f
	})
}

func TestTheSuiteFindsFaults(t *testing.T) {
	if os.Getenv(faultEnv) != "" {
		t.Fatal("a child runs its one test only")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for name, fault := range faults {
		cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestFaultyStore$")
		cmd.Env = append(os.Environ(), faultEnv+"="+name)
		out, err := cmd.CombinedOutput()
		subtest := "--- FAIL: TestFaultyStore/" + strings.ReplaceAll(fault.want, " ", "_") + " "
		if err == nil || !strings.Contains(string(out), subtest) {
			t.Errorf("a store that %s: %v, want a failure of %q\n%s", name, err, fault.want, out)
		}
		found[fault.want] = true
	}
	if want := 14; len(found) != want {
		t.Errorf("%d of %d subtests are shown to fail when they should", len(found), want)
	}
}
