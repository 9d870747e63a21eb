package dialect

import (
	"fmt"
	"strconv"
	"strings"
)

// Dialect is a family of databases that share one SQL grammar. The zero value is invalid.
type Dialect uint8

const (
	_ Dialect = iota
	// Postgres is PostgreSQL and the databases that speak its dialect.
	Postgres
	// MySQL is MySQL and MariaDB.
	MySQL
	// SQLite is SQLite 3.
	SQLite
	// SQLServer is Microsoft SQL Server (T-SQL).
	SQLServer
	// Oracle is Oracle Database.
	Oracle
)

// facts is what the package knows of one dialect.
type facts struct {
	name        string
	placeholder Placeholder
	open, close byte // identifier quotes; close is doubled inside
}

// table has one row per dialect, in the order of the constants. The row of the invalid zero quotes as
// the SQL standard does, so that a mistake can't turn a name into SQL text.
var table = [...]facts{
	0:         {"", 0, '"', '"'},
	Postgres:  {"postgres", Dollar, '"', '"'},
	MySQL:     {"mysql", Question, '`', '`'},
	SQLite:    {"sqlite", Question, '"', '"'},
	SQLServer: {"sqlserver", AtP, '[', ']'},
	Oracle:    {"oracle", Colon, '"', '"'},
}

func (d Dialect) facts() *facts {
	if !d.Valid() {
		return &table[0]
	}
	return &table[d]
}

// Valid reports whether d is one of the constants of this package.
func (d Dialect) Valid() bool { return d > 0 && int(d) < len(table) }

// String returns the name that [Parse] takes: "postgres", "mysql", "sqlite", "sqlserver" or "oracle";
// for an invalid dialect a text like "Dialect(0)".
func (d Dialect) String() string {
	if !d.Valid() {
		return "Dialect(" + strconv.Itoa(int(d)) + ")"
	}
	return table[d].name
}

// Parse returns the dialect of that name. Names are matched exactly, as [Dialect.String] spells them;
// for any other text the error lists them.
func Parse(name string) (Dialect, error) {
	for d := Postgres; d.Valid(); d++ {
		if table[d].name == name {
			return d, nil
		}
	}
	return 0, fmt.Errorf("parse dialect: unknown name %q: want one of %s", name, strings.Join(Names(), ", "))
}

// Names returns the names of all dialects, in the order of the constants.
func Names() []string {
	names := make([]string, 0, len(table)-1)
	for d := Postgres; d.Valid(); d++ {
		names = append(names, table[d].name)
	}
	return names
}

// QuoteIdent returns s as a quoted identifier: one name, not a dotted path. A closing quote inside s is
// doubled, so whatever s holds, it stays one identifier of this dialect. Whether the database accepts
// the name (its length, NUL bytes, a double quote in Oracle) is for the database to say.
func (d Dialect) QuoteIdent(s string) string {
	f := d.facts()
	b := make([]byte, 0, len(s)+2)
	b = append(b, f.open)
	for i := 0; i < len(s); i++ {
		if s[i] == f.close {
			b = append(b, f.close)
		}
		b = append(b, s[i])
	}
	return string(append(b, f.close))
}
