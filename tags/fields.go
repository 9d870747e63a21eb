package tags

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// maxNameLen bounds the names of tables and columns, in bytes. No database takes longer ones.
const maxNameLen = 255

// field is a struct field that is a column.
type field struct {
	column    Column
	goName    string
	path      string // from the model on, without the model's name: "Address.City"
	depth     int    // how many structs the field is embedded in
	spec      tagSpec
	encrypted bool
	conflict  string
}

// walker collects the columns of one model and what is wrong with it.
type walker struct {
	model  string // the struct type's name, the first part of every place
	fields []*field
	errs   []error
}

func (w *walker) fail(path, format string, args ...any) {
	place := w.model
	if path != "" {
		place += "." + path
	}
	w.errs = append(w.errs, fmt.Errorf("register: %s: %w", place, fmt.Errorf(format, args...)))
}

// walk adds the fields of the struct type t. stack holds the structs that t is embedded in, t last.
func (w *walker) walk(t reflect.Type, path, prefix string, nullable bool, stack []reflect.Type) {
	for i := range t.NumField() {
		sf := t.Field(i)
		at := sf.Name
		if path != "" {
			at = path + "." + sf.Name
		}
		f := &field{goName: sf.Name, path: at, depth: len(stack) - 1}
		tag, tagged, err := lookupTag(sf.Tag)
		if err != nil {
			w.fail(at, "%w", err)
			continue
		}
		if tagged {
			if f.spec, f.encrypted, err = parseTag(tag); err != nil {
				w.fail(at, "%w", err)
				continue
			}
		}
		w.visit(sf, f, prefix, nullable, stack)
	}
}

// visit decides what one field is: a column, a struct to walk, or nothing. Nothing with an encrypt tag
// is an error.
func (w *walker) visit(sf reflect.StructField, f *field, prefix string, nullable bool, stack []reflect.Type) {
	base, pointer := sf.Type, false
	for base.Kind() == reflect.Pointer {
		base, pointer = base.Elem(), true
	}
	nothing := func(format string, args ...any) {
		if f.encrypted {
			w.fail(f.path, format, args...)
		}
	}
	if namesTable(sf) {
		nothing("the field holds no value, but has an encrypt tag: remove the tag")
		return
	}
	if !sf.IsExported() && (!sf.Anonymous || base.Kind() != reflect.Struct) {
		nothing("the field is unexported, but has an encrypt tag: export the field or remove the tag")
		return
	}
	ct := readColumnTag(sf.Tag)
	if ct.relation != "" {
		nothing("the field is a relation by %s, but has an encrypt tag: tag the related model's fields", ct.relation)
		return
	}
	if ct.noColumn() {
		nothing("the field is excluded by %s, but has an encrypt tag: remove one of the two", ct.excluded)
		return
	}
	s, scalarOK := scalarOf(sf.Type)
	embed := ct.embed
	if sf.Anonymous && base.Kind() == reflect.Struct && !scalarOK {
		// With sqlx, an embedded struct that has a name of its own is a joined table's row.
		embed = embed || ct.from != "db"
	}
	if embed && base.Kind() == reflect.Struct {
		switch {
		case f.encrypted:
			w.fail(f.path, "the encrypt tag stands on an embedded struct: put it on the struct's fields")
		case slices.Contains(stack, base):
			w.fail(f.path, "the struct embeds itself: break the cycle or exclude the field with db:\"-\"")
		default:
			w.walk(base, f.path, prefix+ct.prefix, nullable || pointer, append(slices.Clip(stack), base))
		}
		return
	}
	if !sf.IsExported() {
		nothing("the field is unexported, but has an encrypt tag: export the field or remove the tag")
		return
	}
	if !scalarOK {
		nothing("values of type %s can't be encrypted: give the type a Value method (driver.Valuer) that yields a string, "+
			"[]byte, bool, number or time.Time, or remove the tag", sf.Type)
		if ct.name == "" || ct.from == "db" && holdsRows(sf.Type) {
			return
		}
	}
	name := ct.name
	if name == "" {
		name = snake(sf.Name)
	}
	f.conflict = ct.conflict
	f.column = Column{
		Name:      prefix + name,
		Field:     w.model + "." + f.path,
		Kind:      s.kind,
		Bits:      s.bits,
		Nullable:  s.nullable || nullable,
		Encrypted: f.encrypted,
		Format:    f.spec.format,
	}
	w.fields = append(w.fields, f)
}

// holdsRows reports whether a field of type t holds other structs: sqlx programs give such fields names
// too, for the columns of joined tables.
func holdsRows(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Array {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct
}

// check looks for bad names, for names that two tags give differently and for columns that two fields
// claim. Of two unencrypted ones the shallower stays, as in the ORMs; otherwise it isn't clear which of
// them reaches the database.
func (w *walker) check() {
	byName := make(map[string]*field, len(w.fields))
	kept := w.fields[:0]
	for _, f := range w.fields {
		switch name := f.column.Name; {
		case strings.IndexByte(name, 0) >= 0:
			w.fail(f.path, "the column name %q holds a NUL byte: write the bare name", name)
			continue
		case len(name) > maxNameLen:
			w.fail(f.path, "the column name has %d bytes: want at most %d", len(name), maxNameLen)
			continue
		}
		if f.encrypted && f.conflict != "" {
			w.fail(f.path, "its tags give the column the name %q and by %s another: give one name", f.column.Name, f.conflict)
		}
		key := fold(f.column.Name)
		other := byName[key]
		switch {
		case other == nil:
			byName[key] = f
			kept = append(kept, f)
		case other.encrypted || f.encrypted || other.depth == f.depth:
			w.fail(f.path, "column %s is also that of field %s: give one of them another column, or exclude it with db:\"-\"",
				f.column.Name, other.path)
		case f.depth < other.depth:
			byName[key] = f
			kept[slices.Index(kept, other)] = f
		}
	}
	w.fields = kept
}

// resolve finds the column that f's tag names as its partition; nil without an error is the partition in
// force.
func (w *walker) resolve(f *field) *field {
	word := f.spec.partition
	found, other := w.lookup(word)
	switch {
	case other != nil:
		w.fail(f.path, "partition %q means the fields %s and %s: write the column's name", word, found.path, other.path)
	case found == nil && word == wordPartition:
		return nil
	case found == nil:
		w.fail(f.path, "partition %q is no column or field of %s: write one of its columns (%s), or \"partition\" for the partition in force",
			word, w.model, w.columnNames())
	case found == f:
		w.fail(f.path, "partition %q is the encrypted column itself: name a column that is not encrypted", word)
	case found.encrypted:
		w.fail(f.path, "partition column %s is itself encrypted: name a column that is not, or remove its encrypt tag",
			found.column.Name)
	case !found.column.partitionKind():
		w.fail(f.path, "partition column %s has a type that can't name a partition: want a string, an integer or a UUID",
			found.column.Name)
	default:
		return found
	}
	return nil
}

// lookup finds the field that word means: a column's name, or a Go field by its path or its name, the
// shallowest first. other is a second field that it may mean as well.
func (w *walker) lookup(word string) (found, other *field) {
	for _, p := range w.fields {
		if equalFold(p.column.Name, word) {
			found = p
		}
	}
	if word == wordPartition {
		return found, nil // a word of the grammar: it means a column of that name, never a Go field
	}
	var byField []*field // of one depth
	for _, p := range w.fields {
		switch {
		case p.path == word:
			byField = []*field{p}
		case p.goName != word || len(byField) > 0 && (byField[0].path == word || byField[0].depth < p.depth):
		case len(byField) > 0 && byField[0].depth == p.depth:
			byField = append(byField, p)
		default:
			byField = []*field{p}
		}
	}
	switch {
	case len(byField) == 0 || slices.Contains(byField, found):
		return found, nil
	case found != nil:
		return found, byField[0]
	case len(byField) > 1:
		return byField[0], byField[1]
	}
	return byField[0], nil
}

func (w *walker) columnNames() string {
	names := make([]string, len(w.fields))
	for i, f := range w.fields {
		names[i] = f.column.Name
	}
	return strings.Join(names, ", ")
}
