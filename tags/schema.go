package tags

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// maxPassed bounds the words that a schema remembers from statements that it let pass.
const maxPassed = 16384

// Schema is a set of registered tables. The zero value is an empty schema, ready to use. All methods
// are safe for concurrent use. A Schema must not be copied after its first use.
type Schema struct {
	// current is replaced, never changed, so that readers need no lock. Only nil before the first
	// registration.
	current atomic.Pointer[snapshot]

	// mu guards the fields below and makes registrations wait for each other and for MarkPassed: once
	// MarkPassed has returned, a registration of one of its words has either failed or is visible in
	// Version.
	mu     sync.RWMutex
	passed map[string]struct{} // folded words
	full   bool                // maxPassed words have been seen; passed is no longer kept
}

// snapshot is the state of a schema after one registration. It never changes.
type snapshot struct {
	version  uint64
	tables   []*Table            // sorted by name
	byName   map[string][]*Table // folded unqualified name → tables
	contexts map[string]string   // context name → folded table.column that owns it
}

var (
	noTables      snapshot
	defaultSchema Schema
)

// Default returns the schema that [Register], [MustRegister] and [RegisterTable] fill, and that drivers
// use unless they are given another.
func Default() *Schema { return &defaultSchema }

// NewSchema returns a schema of its own with the given models, or the error of [Schema.Register].
func NewSchema(models ...any) (*Schema, error) {
	s := new(Schema)
	if err := s.Register(models...); err != nil {
		return nil, err
	}
	return s, nil
}

// Register registers models in the default schema; see [Schema.Register].
func Register(models ...any) error { return defaultSchema.Register(models...) }

// MustRegister registers models in the default schema and panics with the error of [Schema.Register].
// It is meant for init functions and variable initialisers.
func MustRegister(models ...any) {
	if err := Register(models...); err != nil {
		panic(err)
	}
}

// RegisterTable registers a model in the default schema under a table name of its own; see
// [Schema.RegisterTable].
func RegisterTable(name string, model any) error { return defaultSchema.RegisterTable(name, model) }

// Register registers the tables of the given models: structs or pointers to structs, also nil pointers,
// since only their types matter. All are registered, or none. The error joins all that is wrong, each
// with the struct, the field and the remedy; it never holds a value.
//
// The same table twice is no error if both registrations agree: the same encrypted columns with the same
// types, partitions and options. A table that statements have already passed through (see
// [Schema.MarkPassed]) can't be registered.
func (s *Schema) Register(models ...any) error {
	var errs []error
	tables := make([]*Table, 0, len(models))
	for _, m := range models {
		t, err := newTable(m, "")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		tables = append(tables, t)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return s.add(tables)
}

// RegisterTable registers a model under the given table name, "name" or "schema.name", whatever the
// model says of its own. A name without a schema stands for that table in every schema. Otherwise it is
// [Schema.Register].
func (s *Schema) RegisterTable(name string, model any) error {
	if name == "" {
		return errors.New("register: RegisterTable: the table name is empty: write name or schema.name")
	}
	t, err := newTable(model, name)
	if err != nil {
		return err
	}
	return s.add([]*Table{t})
}

// add publishes the given tables together, or none of them.
func (s *Schema) add(tables []*Table) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.snapshot()
	next := old.clone()
	var errs []error
	for _, t := range tables {
		place := "register: " + modelName(t.Model) + ": table " + t.String()
		same, err := next.find(t)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", place, err))
			continue
		case same:
			continue
		}
		if s.full {
			errs = append(errs, fmt.Errorf("%s: statements with %d different words have already passed, "+
				"and whether this table was among them isn't known: register every model before the first statement", place, maxPassed))
			continue
		}
		if _, ok := s.passed[fold(t.Name)]; ok {
			errs = append(errs, fmt.Errorf("%s: a statement that may name it has already passed unencrypted: "+
				"register every model before the first statement", place))
			continue
		}
		if err := next.insert(t); err != nil {
			errs = append(errs, fmt.Errorf("register: %w", err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if len(next.tables) == len(old.tables) {
		return nil
	}
	next.version = old.version + 1
	slices.SortFunc(next.tables, func(a, b *Table) int { return strings.Compare(a.String(), b.String()) })
	s.current.Store(next)
	return nil
}

func (s *Schema) snapshot() *snapshot {
	if p := s.current.Load(); p != nil {
		return p
	}
	return &noTables
}

func (p *snapshot) clone() *snapshot {
	next := &snapshot{
		tables:   slices.Clone(p.tables),
		byName:   make(map[string][]*Table, len(p.byName)+1),
		contexts: make(map[string]string, len(p.contexts)+1),
	}
	for name, tables := range p.byName {
		next.byName[name] = tables
	}
	for context, owner := range p.contexts {
		next.contexts[context] = owner
	}
	return next
}

// find reports whether t is registered already, with an error if a registration that stands for the same
// table says something else. A registration without a schema stands for the tables of all schemas.
func (p *snapshot) find(t *Table) (same bool, err error) {
	for _, other := range p.byName[fold(t.Name)] {
		if !equalFold(other.Schema, t.Schema) && other.Schema != "" && t.Schema != "" {
			continue
		}
		if why := disagreement(other, t); why != "" {
			return false, fmt.Errorf("it is registered already as %s by %s, and the two don't agree: %s: make both the same, "+
				"or register one", other, modelName(other.Model), why)
		}
		same = same || equalFold(other.Schema, t.Schema)
	}
	return same, nil
}

// insert adds a table that find doesn't know. Two columns never share a context name, or a value of one
// would open in the other; but a table that stands in several schemas has one set of names.
func (p *snapshot) insert(t *Table) error {
	for _, c := range t.Columns {
		if !c.Encrypted {
			continue
		}
		owner := fold(c.String())
		if other, ok := p.contexts[c.Context]; ok && other != owner {
			return fmt.Errorf("%s: the context name %q belongs to %s already: choose another with as=<name>", c.Field, c.Context, other)
		}
		p.contexts[c.Context] = owner
	}
	key := fold(t.Name)
	p.byName[key] = append(slices.Clip(p.byName[key]), t)
	p.tables = append(p.tables, t)
	return nil
}

// Version returns a number that grows with each registration that adds a table. It takes no lock, so
// that every statement can ask whether a plan made earlier still holds.
func (s *Schema) Version() uint64 { return s.snapshot().version }

// Empty reports whether no table is registered.
func (s *Schema) Empty() bool { return len(s.snapshot().tables) == 0 }

// Tables returns the registered tables, sorted by name, in a new slice: later registrations don't change
// it.
func (s *Schema) Tables() []*Table { return slices.Clone(s.snapshot().tables) }

// Table returns the tables whose unqualified name is the given one, ASCII letters in either case; nil if
// there are none. There are several if tables of that name are registered for several schemas. The
// caller must not change the slice.
func (s *Schema) Table(name string) []*Table { return s.snapshot().byName[fold(name)] }

// MarkPassed records the words (identifiers, in any case) of statements that are sent to the database
// without analysis. A later registration of a table with such a name is refused, because its rows may
// lie in the database in the clear.
//
// A caller that marks before it sends, and sends only if [Schema.Version] is still the one that it
// looked at, can't lose a race with a registration. After 16384 different words every later registration
// is refused.
func (s *Schema) MarkPassed(words ...string) {
	if s.knowsPassed(words) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return
	}
	if s.passed == nil {
		s.passed = make(map[string]struct{})
	}
	for _, w := range words {
		if len(w) > maxNameLen {
			continue // no table can be registered under it
		}
		w = fold(w)
		if _, ok := s.passed[w]; ok {
			continue
		}
		s.passed[strings.Clone(w)] = struct{}{} // the word may be a part of a long statement
		if len(s.passed) == maxPassed {
			s.full, s.passed = true, nil
			return
		}
	}
}

// knowsPassed reports whether MarkPassed has nothing to add for words: the usual case, which takes only
// a shared lock.
func (s *Schema) knowsPassed(words []string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.full {
		return true
	}
	for _, w := range words {
		if len(w) > maxNameLen {
			continue
		}
		if _, ok := s.passed[fold(w)]; !ok {
			return false
		}
	}
	return true
}
