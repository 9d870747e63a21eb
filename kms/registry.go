package kms

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Params are the settings for one service: the values of a connection string's
// asherah_kms_… parameters, under their names without that prefix ("key",
// "region_map", …).
type Params map[string]string

// Opener makes a service from its settings. It must know every one of them:
// an unknown name is an error (see [Params.Unknown]), so that a misspelt
// setting is never ignored. Its errors name parameters as the user wrote them,
// with the prefix, and hold no value that could be a key.
type Opener func(ctx context.Context, p Params) (Service, error)

// Unknown returns an error that names the settings in p that aren't among
// known, and the ones that there are; nil when there is none.
func (p Params) Unknown(known ...string) error {
	var bad []string
	for name := range p {
		if !slices.Contains(known, name) {
			bad = append(bad, paramName(name))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	slices.Sort(bad)
	if len(known) == 0 {
		return fmt.Errorf("unknown parameter %s: this service has no parameters", strings.Join(bad, ", "))
	}
	names := make([]string, len(known))
	for i, k := range known {
		names[i] = paramName(k)
	}
	return fmt.Errorf("unknown parameter %s: want %s", strings.Join(bad, ", "), strings.Join(names, ", "))
}

var registry struct {
	mu      sync.RWMutex      // guards the field below
	openers map[string]Opener // name → opener
}

// Register makes a service available under a name, the value of asherah_kms.
// It panics if the name is empty or not a plain word, if the opener is nil, or
// if the name is taken: all are mistakes of a program's own imports. It is safe
// for concurrent use.
func Register(name string, open Opener) {
	if !plainWord(name) {
		panic("kms: register: the name is empty, too long or not made of letters, digits, '-', '_' and '.'")
	}
	if open == nil {
		panic("kms: register " + name + ": the opener is nil")
	}
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if _, taken := registry.openers[name]; taken {
		panic("kms: register " + name + ": called twice")
	}
	if registry.openers == nil {
		registry.openers = make(map[string]Opener)
	}
	registry.openers[name] = open
}

// Open makes the service that is registered under name. The error for a name
// that isn't lists the ones that are, and says what to import. It is safe for
// concurrent use; the opener runs without a lock.
func Open(ctx context.Context, name string, p Params) (Service, error) {
	registry.mu.RLock()
	open, ok := registry.openers[name]
	registry.mu.RUnlock()
	if !ok {
		return nil, unknownService(name)
	}
	// The opener gets a copy: the caller may go on using its map.
	s, err := open(ctx, maps.Clone(p))
	if err != nil {
		return nil, fmt.Errorf("kms: open %s: %w", name, err)
	}
	if s == nil {
		return nil, fmt.Errorf("kms: open %s: the opener returned no service and no error", name)
	}
	return s, nil
}

// Names returns the registered names, sorted. It is safe for concurrent use.
func Names() []string {
	registry.mu.RLock()
	defer registry.mu.RUnlock()
	return slices.Sorted(maps.Keys(registry.openers))
}

// homes says which package registers a name of this module, for the error of
// somebody who forgot the import.
var homes = map[string]string{
	"static":        "github.com/asherah-sql/asherah-sql/kms/static",
	"insecure-test": "github.com/asherah-sql/asherah-sql/kms/static",
}

func unknownService(name string) error {
	if name == "" {
		return errors.New("kms: open: no name given: set asherah_kms")
	}
	registered := "none is registered"
	if names := Names(); len(names) > 0 {
		registered = "registered: " + strings.Join(names, ", ")
	}
	remedy := "import the package that registers it"
	if home, ok := homes[name]; ok {
		remedy = fmt.Sprintf("import _ %q", home)
	}
	// A string that isn't shaped like a name may be a key in the wrong
	// parameter: it isn't repeated.
	if !plainWord(name) {
		return fmt.Errorf("kms: open: asherah_kms is not the name of a service (%s)", registered)
	}
	return fmt.Errorf("kms: open %q: unknown service (%s): %s", name, registered, remedy)
}

// paramName is a setting's name as the user wrote it. Names come from the
// user's connection string, and one that isn't a plain word may be anything.
func paramName(name string) string {
	if !plainWord(name) {
		return "asherah_kms_… (a name that is not a plain word)"
	}
	return "asherah_kms_" + name
}

// plainWord reports whether s looks like a name: at most 31 letters, digits,
// '-', '_' and '.'. No 32-byte key, be it raw, hexadecimal or base64, is that short.
func plainWord(s string) bool {
	if s == "" || len(s) > 31 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
