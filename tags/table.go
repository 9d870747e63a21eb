package tags

import "reflect"

// Table is a registered table: a struct type and the SQL table that it stands for. A Table and its
// columns never change after registration; callers must not change them either.
type Table struct {
	Schema  string       // the schema or database that qualifies the name; "" for an unqualified registration
	Name    string       // the unqualified name, as spelt in the registration
	Model   reflect.Type // the struct type that was registered first for this table
	Columns []*Column    // every column of the struct in declared order, encrypted or not
}

// String returns "schema.name", or "name" for an unqualified registration.
func (t *Table) String() string {
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// Encrypted returns the encrypted columns in declared order, in a new slice.
func (t *Table) Encrypted() []*Column {
	var cs []*Column
	for _, c := range t.Columns {
		if c.Encrypted {
			cs = append(cs, c)
		}
	}
	return cs
}

// Column returns the column of that SQL name, or nil. ASCII letters match in either case.
func (t *Table) Column(name string) *Column {
	for _, c := range t.Columns {
		if equalFold(c.Name, name) {
			return c
		}
	}
	return nil
}

// Column is one column of a registered table.
type Column struct {
	Table     *Table
	Name      string  // the SQL name, as spelt in the registration
	Field     string  // the Go field for messages, for example "User.Email"
	Kind      Kind    // decides the canonical text; 0 for an unencrypted column whose Go type has none
	Bits      int     // width of integers and floats in bits (8 to 64), 0 for other kinds
	Nullable  bool    // the field is a pointer or one of database/sql's Null types
	Encrypted bool    // false for a column that is only listed
	Partition *Column // the column of the same row whose value is the partition; nil: the partition in force
	Context   string  // the name that seals are bound to: the option as=, or "table.column" without the schema
	Format    Format  // the option format=
}

// String returns "table.column", without the schema.
func (c *Column) String() string { return c.Table.Name + "." + c.Name }

// equalFold compares two SQL names: ASCII letters in either case are equal, all else byte for byte.
// Databases disagree about case beyond ASCII, and a comparison that folds less never takes two columns
// for one.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// fold returns name with ASCII letters in lower case: the key under which names are compared.
func fold(name string) string {
	for i := 0; i < len(name); i++ {
		if name[i] != lower(name[i]) {
			b := []byte(name)
			for j := i; j < len(b); j++ {
				b[j] = lower(b[j])
			}
			return string(b)
		}
	}
	return name
}
