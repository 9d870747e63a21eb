package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/metastore"
)

// postgresColumns finds the table ($1 schema or ”, $2 name) as a statement would, first match in the search
// path, but never a temporary one, and describes its columns. Without a table there is one row without a
// column, whose schema is the one in which the table would be made, NULL when there is none.
//
// Every parameter is cast to text and so is every result, which all drivers and their modes of execution
// carry alike.
const postgresColumns = `
WITH path AS (
	SELECT u.name, u.position
	FROM unnest(CASE WHEN CAST($1 AS text) = '' THEN current_schemas(false) ELSE ARRAY[CAST(CAST($1 AS text) AS name)] END)
		WITH ORDINALITY AS u (name, position)
	WHERE left(CAST(u.name AS text), 7) <> 'pg_temp'
), found AS (
	SELECT c.oid, c.relkind, p.name
	FROM path p
	JOIN pg_catalog.pg_namespace n ON n.nspname = p.name
	JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid
	WHERE c.relname = CAST($2 AS text) AND c.relkind IN ('r', 'p', 'v', 'f')
	ORDER BY p.position
	LIMIT 1
)
SELECT
	CAST(coalesce(f.name, (SELECT name FROM path ORDER BY position LIMIT 1)) AS text),
	CAST(a.attname AS text),
	CAST(coalesce(b.typname, t.typname) AS text),
	CAST(CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS text),
	current_setting('server_encoding'),
	CAST(f.relkind IN ('v', 'f') OR EXISTS (
		SELECT 1 FROM pg_catalog.pg_index i
		WHERE i.indrelid = f.oid AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = 2 AND (
			SELECT count(*) FROM pg_catalog.pg_attribute k
			WHERE k.attrelid = f.oid AND k.attname IN ('id', 'created') AND k.attnum IN (i.indkey[0], i.indkey[1])
		) = 2
	) AS text)
FROM (SELECT 1) AS one
LEFT JOIN found f ON true
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = f.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype`

// postgresColumn is a column, with the type below a domain.
type postgresColumn struct {
	typ    string
	typmod int64 // a length plus 4, or -1
}

// width is what a column of a character type holds.
func (c postgresColumn) width(encoding string) width {
	w := width{noNUL: true}
	if c.typmod > 4 {
		w.chars = c.typmod - 4
	}
	switch encoding {
	case "UTF8":
	case "SQL_ASCII": // which knows no characters: it counts bytes, and keeps them
		w.chars, w.bytes = 0, w.chars
	default:
		w.maxRune = '\u007f'
	}
	return w
}

func locatePostgres(ctx context.Context, q Querier, schema, table string) (*keyTable, error) {
	rows, err := q.Query(ctx, postgresColumns, schema, table)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: look for table %s: %w", qualified(dialect.Postgres, schema, table), err)
	}
	cols := columns[postgresColumn]{}
	var encoding string
	unique := false
	for _, row := range rows {
		if len(row) != 6 {
			return nil, fmt.Errorf("sqlstore: look for table %s: %d columns, want 6", qualified(dialect.Postgres, schema, table), len(row))
		}
		schema, encoding, unique = text(row[0]), text(row[4]), text(row[5]) == "true"
		if name := text(row[1]); name != "" {
			typmod, err := strconv.ParseInt(text(row[3]), 10, 64)
			if err != nil {
				return nil, fmt.Errorf("sqlstore: look for table %s: %w", qualified(dialect.Postgres, schema, table), err)
			}
			cols[name] = postgresColumn{text(row[2]), typmod}
		}
	}
	if schema == "" {
		return nil, errors.New("sqlstore: the search path names no schema that exists: name the key table schema.table")
	}
	t := postgresTable(schema, table)
	if encoding == "SQL_ASCII" {
		t.create = postgresCreate(t.name, table, 4*metastore.MaxIDLen)
	}
	if len(cols) == 0 {
		return t, nil
	}
	t.exists = true
	id, created, record, err := cols.need(dialect.Postgres, schema, table)
	switch {
	case err != nil:
		return nil, err
	case !slices.Contains([]string{"text", "varchar"}, id.typ):
		return nil, unfit(dialect.Postgres, schema, table, "id is of type %s", id.typ)
	case created.typ != "timestamp" && created.typ != "timestamptz":
		return nil, unfit(dialect.Postgres, schema, table, "created is of type %s", created.typ)
	case !slices.Contains([]string{"text", "varchar", "json", "jsonb"}, record.typ):
		return nil, unfit(dialect.Postgres, schema, table, "key_record is of type %s", record.typ)
	case !unique:
		return nil, unfit(dialect.Postgres, schema, table, "no primary key and no unique index is on id and created")
	}
	t.id, t.record = id.width(encoding), record.width(encoding)
	t.statements(created.typ, record.typ)
	return t, nil
}

// postgresTable describes the table that would be made. TIMESTAMPTZ, because other SDKs that send a local
// time send its offset with it.
func postgresTable(schema, table string) *keyTable {
	name := qualified(dialect.Postgres, schema, table)
	return &keyTable{
		schema: schema,
		name:   name,
		create: postgresCreate(name, table, metastore.MaxIDLen),
	}
}

// postgresCreate is the DDL for a table whose ids have up to length characters, or bytes in a database
// without an encoding.
func postgresCreate(name, table string, length int) []string {
	return []string{
		fmt.Sprintf(`CREATE TABLE %s (id VARCHAR(%d) COLLATE "C" NOT NULL, created TIMESTAMPTZ NOT NULL, key_record TEXT NOT NULL, PRIMARY KEY (id, created))`, name, length),
		`CREATE INDEX IF NOT EXISTS ` + dialect.Postgres.QuoteIdent(indexName(table)) + ` ON ` + name + ` (created)`,
	}
}

// statements fills in the SQL for columns of those types. Times are text that says its zone, or UTC for a
// column without one, so that neither the session's nor the server's time zone has a part in it.
func (t *keyTable) statements(created, record string) {
	at := func(n int) string { return fmt.Sprintf("CAST(CAST($%d AS text) AS %s)", n, created) }
	id := func(n int) string { return fmt.Sprintf("CAST($%d AS text)", n) }
	value := "CAST($3 AS text)"
	if strings.HasPrefix(record, "json") {
		value = "CAST(" + value + " AS " + record + ")"
	}
	from := `SELECT CAST(id AS text), CAST(key_record AS text) FROM ` + t.name + ` WHERE id = ` + id(1)
	t.load = from + ` AND created IN (` + at(2) + `, ` + at(3) + `)`
	t.latest = from + fmt.Sprintf(` ORDER BY created DESC LIMIT %d`, latestRows)
	t.all = from
	t.store = `INSERT INTO ` + t.name + ` (id, created, key_record) VALUES (` + id(1) + `, ` + at(2) + `, ` + value + `) ON CONFLICT DO NOTHING`
	t.storeArgs = func(id string, created, _ any, record string) []any { return []any{id, created, record} }
	t.min, t.max = year1, year9999
	t.lookFirst = true
	if created == "timestamptz" {
		t.times = func(unix int64) (created, foreign any) {
			s := utc(unix) + "+00"
			return s, s
		}
		return
	}
	t.times = func(unix int64) (created, foreign any) {
		// The Go SDK writes its local wall clock: most likely that of this machine too.
		return utc(unix), time.Unix(unix, 0).Format(time.DateTime)
	}
}
