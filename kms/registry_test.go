package kms_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asherah-sql/asherah-sql/kms"
)

// names counts names, because what is registered stays so when a test runs again.
var names atomic.Int64

func newName() string { return fmt.Sprintf("service-%d", names.Add(1)) }

func open(context.Context, kms.Params) (kms.Service, error) { return vault{}, nil }

func TestOpenGivesTheOpenerItsParams(t *testing.T) {
	want := kms.Params{"key": "env:X"}
	var got kms.Params
	name := newName()
	kms.Register(name, func(_ context.Context, p kms.Params) (kms.Service, error) {
		got = p
		return vault{}, nil
	})
	s, err := kms.Open(t.Context(), name, want)
	if err != nil || s == nil {
		t.Fatal(s, err)
	}
	if got["key"] != "env:X" || len(got) != 1 {
		t.Errorf("the opener got %v", got)
	}
	got["key"] = "changed"
	if want["key"] != "env:X" {
		t.Error("the opener has the caller's own map")
	}
}

func TestOpenReportsTheOpenersError(t *testing.T) {
	cause := errors.New("asherah_kms_key: not set")
	fails, lies := newName(), newName()
	kms.Register(fails, func(context.Context, kms.Params) (kms.Service, error) { return nil, cause })
	kms.Register(lies, func(context.Context, kms.Params) (kms.Service, error) { return nil, nil })
	if _, err := kms.Open(t.Context(), fails, nil); !errors.Is(err, cause) || !strings.Contains(err.Error(), "kms: open "+fails+": ") {
		t.Error(err)
	}
	if s, err := kms.Open(t.Context(), lies, nil); err == nil || s != nil {
		t.Error("no service and no error", s)
	}
}

func TestUnknownServicesAreNamed(t *testing.T) {
	known := newName()
	kms.Register(known, open)
	for name, want := range map[string][]string{
		"statik": {`"statik"`, "registered: ", known, "import the package that registers it"},
		// This test doesn't import the package.
		"static":        {`"static"`, `import _ "github.com/asherah-sql/asherah-sql/kms/static"`},
		"insecure-test": {`"insecure-test"`, `import _ "github.com/asherah-sql/asherah-sql/kms/static"`},
		"":              {"no name given", "asherah_kms"},
	} {
		_, err := kms.Open(t.Context(), name, nil)
		if err == nil {
			t.Errorf("%q opened", name)
			continue
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: %q doesn't say %q", name, err, w)
			}
		}
	}
}

func TestANameThatMayBeAKeyIsNotRepeated(t *testing.T) {
	for _, name := range []string{
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		"thisIsAStaticMasterKeyForTesting",
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"pass word", "a\nb",
	} {
		_, err := kms.Open(t.Context(), name, nil)
		if err == nil || strings.Contains(err.Error(), name) {
			t.Errorf("Open: %v", err)
		}
		err = kms.Params{name: "x"}.Unknown("key")
		if err == nil || strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "asherah_kms_key") {
			t.Errorf("Unknown: %v", err)
		}
	}
}

func TestUnknownParamsAreListed(t *testing.T) {
	p := kms.Params{"key": "secret", "regoin": "secret", "kye": "secret"}
	err := p.Unknown("key", "region")
	if err == nil || err.Error() != "unknown parameter asherah_kms_kye, asherah_kms_regoin: want asherah_kms_key, asherah_kms_region" {
		t.Error(err)
	}
	if err := p.Unknown(); err == nil || !strings.Contains(err.Error(), "has no parameters") || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	if err := p.Unknown("kye", "key", "regoin"); err != nil {
		t.Error(err)
	}
	if err := kms.Params(nil).Unknown(); err != nil {
		t.Error(err)
	}
}

func TestRegisterPanicsOnMistakes(t *testing.T) {
	once := newName()
	kms.Register(once, open)
	for what, register := range map[string]func(){
		"a name taken": func() { kms.Register(once, open) },
		"no name":      func() { kms.Register("", open) },
		"a sentence":   func() { kms.Register("my own service", open) },
		"no opener":    func() { kms.Register("nil", nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			register()
		}()
	}
	if slices.Contains(kms.Names(), "nil") {
		t.Error("a service without opener is registered")
	}
}

func TestTheRegistryIsSafeForConcurrentUse(t *testing.T) {
	var wg sync.WaitGroup
	all := make([]string, 8)
	for i := range all {
		name := newName()
		all[i] = name
		wg.Go(func() { kms.Register(name, open) })
		wg.Go(func() {
			_, _ = kms.Open(t.Context(), name, nil) // found or not yet
			if !slices.IsSorted(kms.Names()) {
				t.Error("names aren't sorted")
			}
		})
	}
	wg.Wait()
	for _, name := range all {
		if _, err := kms.Open(t.Context(), name, nil); err != nil {
			t.Error(err)
		}
	}
}
