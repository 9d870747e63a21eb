package driver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/tags"
)

// postgresTable finds a table ($1 schema or ”, $2 name) as a statement of this session would, and describes
// it, one row a fact: T the table, C a column, U a column or expression of a unique index, D a view or child
// of the table. Names are compared as %s says. Catalogue columns that younger servers added are read
// through to_jsonb, which gives NULL where they are missing.
//
// Every parameter is cast to text and so is every result, which all drivers and their modes of execution
// carry alike.
const postgresTable = `
WITH t AS (
	SELECT c.oid, c.relkind, c.relname, n.nspname
	FROM pg_catalog.pg_class c
	JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND %s
		AND CASE WHEN CAST($1 AS text) = '' THEN pg_catalog.pg_table_is_visible(c.oid) ELSE CAST(n.nspname AS text) = CAST($1 AS text) END
	ORDER BY CAST(c.relname AS text) = CAST($2 AS text) DESC, c.relname
	LIMIT 1
)
SELECT 'T' AS fact, 0 AS place, CAST(t.relkind AS text) AS a, CAST(t.nspname AS text) AS b, CAST(t.relname AS text) AS c, CAST('' AS text) AS d, CAST('' AS text) AS e, CAST('' AS text) AS f
FROM t
UNION ALL
SELECT 'C', a.attnum, CAST(a.attname AS text),
	CAST(coalesce(b.typname, y.typname) AS text),
	CAST(CASE WHEN y.typtype = 'd' THEN y.typtypmod ELSE a.atttypmod END AS text),
	coalesce(to_jsonb(a) ->> 'attgenerated', '') || coalesce(to_jsonb(a) ->> 'attidentity', ''),
	coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), ''),
	CASE WHEN to_jsonb(o) ->> 'collisdeterministic' = 'false' THEN 'folds' ELSE '' END
FROM t
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type b ON b.oid = y.typbasetype AND y.typtype = 'd'
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_collation o ON o.oid = a.attcollation
UNION ALL
SELECT 'U', k.n, CAST(x.relname AS text), coalesce(CAST(s.conname AS text), ''), coalesce(CAST(a.attname AS text), ''),
	CASE WHEN to_jsonb(o) ->> 'collisdeterministic' = 'false' THEN 'folds' ELSE '' END,
	CASE WHEN a.attname IS NULL THEN pg_catalog.pg_get_indexdef(i.indexrelid, CAST(k.n AS integer), true) ELSE '' END,
	CAST(n.nspname AS text)
FROM t
JOIN pg_catalog.pg_index i ON i.indrelid = t.oid AND i.indisunique
JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = x.relnamespace
LEFT JOIN pg_catalog.pg_constraint s ON s.conindid = i.indexrelid AND s.conrelid = t.oid AND s.contype IN ('p', 'u')
CROSS JOIN LATERAL generate_series(1, i.indnatts) AS k (n)
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[k.n - 1] AND i.indkey[k.n - 1] <> 0
LEFT JOIN pg_catalog.pg_collation o ON o.oid = i.indcollation[k.n - 1]
WHERE k.n <= coalesce(CAST(to_jsonb(i) ->> 'indnkeyatts' AS integer), i.indnatts)
UNION ALL
SELECT DISTINCT 'D', 0, 'view', CAST(n.nspname AS text), CAST(v.relname AS text), '', '', ''
FROM t
JOIN pg_catalog.pg_depend p ON p.refclassid = CAST('pg_catalog.pg_class' AS regclass) AND p.refobjid = t.oid AND p.classid = CAST('pg_catalog.pg_rewrite' AS regclass)
JOIN pg_catalog.pg_rewrite r ON r.oid = p.objid
JOIN pg_catalog.pg_class v ON v.oid = r.ev_class AND v.oid <> t.oid AND v.relkind IN ('v', 'm')
JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
UNION ALL
SELECT 'D', 0, 'child table', CAST(n.nspname AS text), CAST(v.relname AS text), '', '', ''
FROM t
JOIN pg_catalog.pg_inherits h ON h.inhparent = t.oid
JOIN pg_catalog.pg_class v ON v.oid = h.inhrelid
JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
ORDER BY 1, 2`

var (
	postgresExactly  = fmt.Sprintf(postgresTable, `c.relname IN (CAST(CAST($2 AS text) AS name), CAST(lower(CAST($2 AS text)) AS name))`)
	postgresAnyCase  = fmt.Sprintf(postgresTable, `lower(CAST(c.relname AS text)) = lower(CAST($2 AS text))`)
	errShortCatalog  = errors.New("the catalogue gives fewer columns than asked for")
	postgresTextType = map[string]bool{"text": true, "varchar": true, "citext": true}
)

// readPostgres reads a table from the system catalogue. A name that no table has as it is spelled is searched
// for in any case: registered names needn't be spelled as the database folds them.
func readPostgres(ctx context.Context, conn rawConn, name sqlplan.TableName) (*tableInfo, error) {
	var rows [][]any
	for _, query := range []string{postgresExactly, postgresAnyCase} {
		var err error
		if rows, err = conn.Query(ctx, query, name.Schema, name.Name); err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			break
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	info := &tableInfo{}
	for _, r := range rows {
		if len(r) != 8 {
			return nil, errShortCatalog
		}
		a, b, c, d, e, f := str(r[2]), str(r[3]), str(r[4]), str(r[5]), str(r[6]), str(r[7])
		switch str(r[0]) {
		case "T":
			info.view = a == "v" || a == "m"
			info.name = sqlplan.TableName{Schema: b, Name: c}
		case "C":
			col := columnInfo{name: a, typ: b, generated: d != "", def: e, folds: f != "" || b == "citext"}
			if n, err := strconv.Atoi(c); err == nil && n > 4 {
				col.length = n - 4
			}
			if strings.HasPrefix(strings.ToUpper(e), "NULL") {
				col.def = ""
			}
			info.columns = append(info.columns, col)
		case "U":
			i := slices.IndexFunc(info.uniques, func(u uniqueInfo) bool { return u.name == a })
			if i < 0 {
				i = len(info.uniques)
				info.uniques = append(info.uniques, uniqueInfo{name: a, schema: f, constraint: b})
			}
			u := &info.uniques[i]
			u.columns = append(u.columns, c)
			u.folds = append(u.folds, d != "")
			u.expressions = append(u.expressions, e)
		case "D":
			info.dependents = append(info.dependents, a+" "+sqlplan.TableName{Schema: b, Name: c}.String())
		}
	}
	for i := range info.uniques {
		u := &info.uniques[i]
		for j, name := range u.columns {
			if c := info.column(name); c != nil && c.folds {
				u.folds[j] = true
			}
		}
	}
	return info, nil
}

// What an envelope takes in characters, for types that have a length. A value of n bytes in a partition of p
// bytes takes (97+p+n)·4/3 + 38 with a search token; partitions are counted with 64 bytes, the values of kinds
// that are padded with tags.PaddedLen, other values with 512.
const (
	roomPadded = (97+64+tags.PaddedLen)*4/3 + 38
	roomText   = (97+64+512)*4/3 + 38
)

func roomOf(col *tags.Column) int {
	if col.Padded() || col.Kind == tags.KindUUID {
		return roomPadded
	}
	return roomText
}

// checkPostgres says why an envelope isn't safe in a column.
func checkPostgres(t *tags.Table, info *tableInfo, col *tags.Column) error {
	c := info.column(col.Name)
	table := quoteName(info.name)
	column := quoteWord(c.name)
	alter := fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s", table, column)
	switch {
	case c.generated:
		return fmt.Errorf("%w: %v is a generated column: the database would compute it from other columns in the clear: %s DROP EXPRESSION, or make it an ordinary text column", ErrSchemaMismatch, col, alter)
	case !postgresTextType[c.typ]:
		return fmt.Errorf("%w: %v is of type %s, which holds no envelope: %s TYPE text USING CAST(%s AS text)", ErrSchemaMismatch, col, c.typ, alter, column)
	case c.def != "":
		return fmt.Errorf("%w: %v has a default, which the database would store in the clear: %s DROP DEFAULT", ErrSchemaMismatch, col, alter)
	}
	if room := roomOf(col); c.length > 0 && c.length < room {
		return fmt.Errorf("%w: %v is %s(%d), too narrow: an envelope takes up to %d characters: %s TYPE text", ErrSchemaMismatch, col, c.typ, c.length, room, alter)
	}
	if p := col.Partition; p != nil {
		if pc := info.column(p.Name); pc != nil && !keepsPostgres(pc.typ, p.Kind) {
			return fmt.Errorf("%w: %v: its partition column %s is of type %s, which doesn't give back a %v as it was stored, and what is sealed for it could not be read again: make it text, an integer type or uuid, and the field alike", ErrSchemaMismatch, col, p.Name, pc.typ, p.Kind)
		}
	}
	for _, u := range info.uniques {
		for _, name := range u.columns {
			if name == "" || !strings.EqualFold(name, col.Name) {
				continue
			}
			drop := "DROP INDEX " + quoteName(sqlplan.TableName{Schema: u.schema, Name: u.name})
			if u.constraint != "" {
				drop = fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s", table, quoteWord(u.constraint))
			}
			return fmt.Errorf("%w: %v is in the unique index %s, which never strikes on ciphertext: every envelope differs: %s", ErrSchemaMismatch, col, u.name, drop)
		}
	}
	return nil
}

// keepsPostgres tells whether a column of a type gives back partitions of a kind as they were stored. A
// string in a uuid column is sealed under the uuid's canonical text, see spelling.
func keepsPostgres(typ string, kind tags.Kind) bool {
	switch typ {
	case "text", "varchar", "citext", "name":
		return true
	case "uuid":
		return kind == tags.KindUUID || kind == tags.KindString
	case "int2", "int4", "int8":
		return kind == tags.KindInt || kind == tags.KindUint
	case "numeric":
		return kind == tags.KindInt || kind == tags.KindUint
	}
	return false
}

// exactPostgres: deterministic collations call only equal bytes equal (PostgreSQL manual, section 24.2.2.4).
func exactPostgres(info *tableInfo, col *tags.Column) bool {
	c := info.column(col.Name)
	if c == nil || c.folds {
		return false
	}
	switch c.typ {
	case "text", "varchar":
		return col.Kind == tags.KindString
	case "uuid":
		return col.Kind == tags.KindUUID || col.Kind == tags.KindString
	case "int2", "int4", "int8":
		return col.Kind == tags.KindInt || col.Kind == tags.KindUint
	}
	return false
}

// modePostgres asks for the one setting that changes where a literal ends.
func modePostgres(ctx context.Context, conn rawConn) (sqlplan.Mode, error) {
	v, err := show(ctx, conn, "SHOW standard_conforming_strings")
	return sqlplan.Mode{Known: true, BackslashEscapes: v != "on"}, err
}

// charsetPostgres refuses the client encodings in which a byte below 0x80 can be the second half of a
// character (PostgreSQL manual, section 24.3: those that no server can have). The server reads such a text
// otherwise than it stands here. Names with such bytes are known in UTF-8 only.
func charsetPostgres(ctx context.Context, conn rawConn, names bool) error {
	v, err := show(ctx, conn, "SHOW client_encoding")
	if err != nil {
		return err
	}
	if names && v != "UTF8" {
		return fmt.Errorf("client_encoding is %s, in which registered tables whose names aren't ASCII can't be told: use UTF8", v)
	}
	switch strings.ToUpper(v) {
	case "BIG5", "GB18030", "GBK", "JOHAB", "SJIS", "SHIFT_JIS_2004", "UHC":
		return fmt.Errorf("client_encoding is %s, in which a statement can't be read byte by byte: use UTF8", v)
	}
	return nil
}

func setsCharsetPostgres(query string) bool {
	return containsFold(query, "client_encoding") || containsFold(query, "names")
}

func show(ctx context.Context, conn rawConn, query string) (string, error) {
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return "", err
	}
	if len(rows) != 1 || len(rows[0]) == 0 {
		return "", fmt.Errorf("%s: no answer", query)
	}
	return str(rows[0][0]), nil
}

// quotePostgres returns a literal that means the same whatever standard_conforming_strings is.
func quotePostgres(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		q = " E" + strings.ReplaceAll(q, `\`, `\\`)
	}
	return q
}

func quoteName(n sqlplan.TableName) string {
	if n.Schema == "" {
		return quoteWord(n.Name)
	}
	return quoteWord(n.Schema) + "." + quoteWord(n.Name)
}

// quoteWord quotes a name where it must be.
func quoteWord(name string) string {
	plain := name != "" && (name[0] < '0' || name[0] > '9')
	for i := range len(name) {
		c := name[i]
		plain = plain && ('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_')
	}
	if plain {
		return name
	}
	return dialect.Postgres.QuoteIdent(name)
}
