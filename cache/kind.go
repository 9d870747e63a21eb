package cache

import (
	"fmt"
	"strings"
)

// Kind is how a cache chooses what to drop.
type Kind uint8

const (
	_ Kind = iota

	// Simple never drops an entry by itself.
	Simple

	// LRU drops the entry that was used longest ago.
	LRU
)

// kinds are the names, in the order in which errors list them.
var kinds = [...]struct {
	kind Kind
	name string
}{
	{Simple, "simple"},
	{LRU, "lru"},
}

// String returns the name that ParseKind reads.
func (k Kind) String() string {
	for _, e := range kinds {
		if e.kind == k {
			return e.name
		}
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Valid reports whether k is one of the constants.
func (k Kind) Valid() bool {
	for _, e := range kinds {
		if e.kind == k {
			return true
		}
	}
	return false
}

// ParseKind returns the kind of this name. The error for another name lists
// the ones that there are.
func ParseKind(name string) (Kind, error) {
	for _, e := range kinds {
		if e.name == name {
			return e.kind, nil
		}
	}
	return 0, fmt.Errorf("cache: kind %q is not available in this version: want %s", name, kindNames())
}

func kindNames() string {
	var names []string
	for _, e := range kinds {
		names = append(names, e.name)
	}
	return strings.Join(names, " or ")
}
