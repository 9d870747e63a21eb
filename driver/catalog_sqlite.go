package driver

import (
	"context"
	"fmt"
	"strings"

	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/tags"
)

// readSQLite reads a table through SQLite's pragma functions. Without a schema they search as a statement
// does: temp, main, attached.
func readSQLite(ctx context.Context, conn rawConn, name sqlplan.TableName) (*tableInfo, error) {
	args := []any{name.Name}
	schema := ""
	if name.Schema != "" {
		schema = ", ?"
		args = append(args, name.Schema)
	}
	rows, err := conn.Query(ctx, `SELECT name, type, hidden, dflt_value FROM pragma_table_xinfo(?`+schema+`)`, args...)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	info := &tableInfo{}
	for _, r := range rows {
		hidden := integer(r[2])
		info.columns = append(info.columns, columnInfo{
			name: str(r[0]), typ: str(r[1]), def: str(r[3]),
			hidden:    hidden == 1,
			generated: hidden == 2 || hidden == 3,
		})
	}
	list := `SELECT type, strict, schema FROM pragma_table_list(?) ORDER BY schema <> 'temp', schema <> 'main'`
	if name.Schema != "" {
		list = `SELECT type, strict, schema FROM pragma_table_list(?) WHERE schema = ? COLLATE NOCASE`
	}
	if rows, err = conn.Query(ctx, list, args...); err != nil {
		return nil, err
	}
	if len(rows) > 0 {
		info.view = str(rows[0][0]) == "view"
		info.strict = integer(rows[0][1]) != 0
		// Any COLLATE in the definition makes comparisons of any column doubtful: they are confirmed then.
		ddl, err := conn.Query(ctx, `SELECT sql FROM "`+strings.ReplaceAll(str(rows[0][2]), `"`, `""`)+`".sqlite_master WHERE name = ? COLLATE NOCASE`, name.Name)
		if err != nil {
			return nil, err
		}
		info.collated = len(ddl) == 0 || strings.Contains(strings.ToUpper(str(ddl[0][0])), "COLLATE")
	}
	indexes, err := conn.Query(ctx, `SELECT name, origin FROM pragma_index_list(?`+schema+`) WHERE "unique" = 1`, args...)
	if err != nil {
		return nil, err
	}
	for _, ix := range indexes {
		u := uniqueInfo{}
		if str(ix[1]) == "c" {
			u.name = str(ix[0])
		}
		cols, err := conn.Query(ctx, `SELECT name, coll FROM pragma_index_xinfo(?`+schema+`) WHERE key = 1`, append([]any{ix[0]}, args[1:]...)...)
		if err != nil {
			return nil, err
		}
		for _, c := range cols {
			u.columns = append(u.columns, str(c[0])) // "" for an expression
			u.folds = append(u.folds, !strings.EqualFold(str(c[1]), "BINARY"))
		}
		info.uniques = append(info.uniques, u)
	}
	return info, nil
}

func checkSQLite(t *tags.Table, info *tableInfo, col *tags.Column) error {
	c := info.column(col.Name)
	rebuild := fmt.Sprintf("rebuild the table, on a plain connection (driver.SplitDSN), with the column as `%s TEXT`: CREATE TABLE new …; INSERT INTO new SELECT …; DROP TABLE %v; ALTER TABLE new RENAME TO %s", col.Name, t, t.Name)
	switch {
	case c.generated:
		return fmt.Errorf("%w: %v is a generated column, which the database computes in the clear: %s", ErrSchemaMismatch, col, rebuild)
	case c.def != "" && !strings.EqualFold(c.def, "NULL"):
		return fmt.Errorf("%w: %v has a default, which the database would store in the clear: %s", ErrSchemaMismatch, col, rebuild)
	case info.strict && !strings.EqualFold(c.typ, "TEXT") && !strings.EqualFold(c.typ, "ANY"):
		return fmt.Errorf("%w: %v is of type %s in a STRICT table, which holds no envelope: %s", ErrSchemaMismatch, col, c.typ, rebuild)
	}
	if p := col.Partition; p != nil {
		if pc := info.column(p.Name); pc != nil && !keepsSQLite(info, pc.typ, p.Kind) {
			return fmt.Errorf("%w: %v: its partition column %s is declared %s, under which SQLite changes some values that are stored (007 becomes 7), and what is sealed for them could not be read again: declare it TEXT for text, INTEGER for whole numbers", ErrSchemaMismatch, col, p.Name, pc.typ)
		}
	}
	for _, u := range info.uniques {
		for _, name := range u.columns {
			if !strings.EqualFold(name, col.Name) {
				continue
			}
			if u.name == "" {
				return fmt.Errorf("%w: %v is UNIQUE, which never strikes on ciphertext: every envelope differs: %s", ErrSchemaMismatch, col, rebuild)
			}
			return fmt.Errorf("%w: %v is in the unique index %s, which never strikes on ciphertext: every envelope differs: DROP INDEX %s", ErrSchemaMismatch, col, u.name, u.name)
		}
	}
	return nil
}

// affinitySQLite is SQLite's rule (datatype3.html, section 3.1).
func affinitySQLite(typ string) string {
	typ = strings.ToUpper(typ)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(typ, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("INT"):
		return "INTEGER"
	case has("CHAR", "CLOB", "TEXT"):
		return "TEXT"
	case typ == "" || has("BLOB"):
		return "BLOB"
	case has("REAL", "FLOA", "DOUB"):
		return "REAL"
	}
	return "NUMERIC"
}

// keepsSQLite tells whether a column of a declared type gives back partitions of a kind as they were stored:
// drivers also turn columns that are declared as times into times.
func keepsSQLite(info *tableInfo, typ string, kind tags.Kind) bool {
	affinity := affinitySQLite(typ)
	if info.strict && strings.EqualFold(typ, "ANY") {
		affinity = "BLOB"
	}
	switch strings.ToUpper(typ) {
	case "DATE", "DATETIME", "TIME", "TIMESTAMP":
		return false
	}
	switch kind {
	case tags.KindInt, tags.KindUint:
		return affinity != "REAL"
	case tags.KindUUID: // its hyphens keep it from being taken for a number
		return affinity == "TEXT" || affinity == "BLOB" || affinity == "NUMERIC"
	}
	return affinity == "TEXT" || affinity == "BLOB"
}

// exactSQLite: a value found equal has the same canonical text when nothing folds or converts it. A TEXT or
// untyped column under the BINARY collation keeps strings as they were given; an INTEGER column numbers.
func exactSQLite(info *tableInfo, col *tags.Column) bool {
	c := info.column(col.Name)
	if c == nil || info.collated {
		return false
	}
	switch affinitySQLite(c.typ) {
	case "INTEGER":
		return col.Kind == tags.KindInt || col.Kind == tags.KindUint
	case "TEXT":
		return col.Kind == tags.KindString || col.Kind == tags.KindUUID
	}
	return false
}

func str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func integer(v any) int64 {
	n, _ := v.(int64)
	return n
}
