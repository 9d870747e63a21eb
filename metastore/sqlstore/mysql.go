package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// What MySQL says of the table's columns, and of the table. Names are compared as the server does: it
// folds them or not (@@lower_case_table_names), and its catalogue may always.
const (
	mysqlDatabase = `SELECT COALESCE(DATABASE(), '')`

	mysqlNamed = `table_schema = ? AND table_name = ?
		AND (@@lower_case_table_names <> 0 OR CAST(table_schema AS BINARY) = CAST(? AS BINARY) AND CAST(table_name AS BINARY) = CAST(? AS BINARY))`

	mysqlColumns = `SELECT LOWER(column_name), LOWER(data_type), COALESCE(character_set_name, ''), COALESCE(collation_name, ''),
		CAST(COALESCE(character_maximum_length, 0) AS CHAR), CAST(COALESCE(character_octet_length, 0) AS CHAR)
		FROM information_schema.columns WHERE ` + mysqlNamed

	mysqlUnique = `SELECT index_name FROM information_schema.statistics WHERE non_unique = 0 AND ` + mysqlNamed + `
		GROUP BY index_name HAVING COUNT(*) = 2 AND SUM(LOWER(column_name) IN ('id', 'created')) = 2
		UNION ALL
		SELECT 'a view' FROM information_schema.views WHERE ` + mysqlNamed
)

// mysqlColumn is a column; charset and collation are "" when it isn't one of characters.
type mysqlColumn struct {
	typ, charset, collation string
	chars, bytes            int64
}

// mysqlWord is what the names of character sets and collations look like: they go into SQL text.
var mysqlWord = regexp.MustCompile(`^[a-z0-9_]*$`)

func locateMySQL(ctx context.Context, q Querier, schema, table string) (*keyTable, error) {
	failed := func(err error) (*keyTable, error) {
		return nil, fmt.Errorf("sqlstore: look for table %s: %w", qualified(dialect.MySQL, schema, table), err)
	}
	if schema == "" {
		rows, err := q.Query(ctx, mysqlDatabase)
		if err != nil {
			return failed(err)
		}
		if len(rows) != 1 || len(rows[0]) != 1 || text(rows[0][0]) == "" {
			return nil, errors.New("sqlstore: the connection has no default database: name one in the connection string, or the key table database.table")
		}
		schema = text(rows[0][0])
	}
	named := []any{schema, table, schema, table}
	rows, err := q.Query(ctx, mysqlColumns, named...)
	if err != nil {
		return failed(err)
	}
	cols := columns[mysqlColumn]{}
	for _, row := range rows {
		if len(row) != 6 {
			return failed(fmt.Errorf("%d columns, want 6", len(row)))
		}
		c := mysqlColumn{typ: text(row[1]), charset: text(row[2]), collation: text(row[3])}
		var bad error
		c.chars, err = strconv.ParseInt(text(row[4]), 10, 64)
		bad = errors.Join(bad, err)
		c.bytes, err = strconv.ParseInt(text(row[5]), 10, 64)
		bad = errors.Join(bad, err)
		if !mysqlWord.MatchString(c.charset) || !mysqlWord.MatchString(c.collation) {
			bad = errors.Join(bad, fmt.Errorf("column %s has character set %q and collation %q", text(row[0]), c.charset, c.collation))
		}
		if bad != nil {
			return failed(bad)
		}
		cols[text(row[0])] = c
	}
	t := mysqlTable(schema, table)
	if len(cols) == 0 {
		return t, nil
	}
	t.exists = true
	id, created, record, err := cols.need(dialect.MySQL, schema, table)
	switch {
	case err != nil:
		return nil, err
	case id.typ != "varchar" && id.typ != "varbinary":
		return nil, unfit(dialect.MySQL, schema, table, "id is of type %s", id.typ)
	case created.typ != "timestamp" && created.typ != "datetime":
		return nil, unfit(dialect.MySQL, schema, table, "created is of type %s", created.typ)
	case !slices.Contains([]string{"varchar", "tinytext", "text", "mediumtext", "longtext", "json"}, record.typ):
		return nil, unfit(dialect.MySQL, schema, table, "key_record is of type %s", record.typ)
	}
	if rows, err = q.Query(ctx, mysqlUnique, slices.Concat(named, named)...); err != nil {
		return failed(err)
	}
	if len(rows) == 0 {
		return nil, unfit(dialect.MySQL, schema, table, "no primary key and no unique index is on id and created")
	}
	t.id, t.record = id.width(), record.width()
	t.mysqlStatements(id, created, record)
	return t, nil
}

func (c mysqlColumn) width() width {
	w := width{chars: c.chars, bytes: c.bytes}
	switch c.charset {
	case "utf8mb4", "utf16", "utf16le", "utf32":
		w.bytes = 0 // the characters say it
	case "utf8", "utf8mb3", "ucs2":
		w.bytes, w.maxRune = 0, '\uffff'
	case "":
		w.chars = 0 // bytes, or JSON, which has no limit of its own
	default:
		w.maxRune = utf8.RuneSelf - 1
	}
	// A TEXT column's length is in bytes, also where the catalogue calls it characters.
	if c.chars == c.bytes {
		w.bytes = c.bytes
	}
	return w
}

// mysqlTable describes the table that would be made.
func mysqlTable(schema, table string) *keyTable {
	name := qualified(dialect.MySQL, schema, table)
	return &keyTable{
		schema: schema,
		name:   name,
		create: []string{
			`CREATE TABLE ` + name + ` (id VARBINARY(1020) NOT NULL, created DATETIME NOT NULL, key_record TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,` +
				` PRIMARY KEY (id, created), KEY ` + dialect.MySQL.QuoteIdent(indexName(table)) + ` (created)) ENGINE=InnoDB`,
		},
	}
}

// mysqlStatements fills in the SQL for those columns. Text goes and comes as bytes, so that neither the
// connection's character set nor its collation has a part in it.
func (t *keyTable) mysqlStatements(id, created, record mysqlColumn) {
	// in is a parameter as the column's own type, with its collation, so that the index serves.
	in := func(c mysqlColumn) string {
		switch {
		case c.typ == "json":
			return "CONVERT(CAST(? AS BINARY) USING utf8mb4)"
		case c.charset == "":
			return "CAST(? AS BINARY)"
		}
		return "CONVERT(CAST(? AS BINARY) USING " + c.charset + ") COLLATE " + c.collation
	}
	out := func(name string, c mysqlColumn) string {
		if c.typ == "varbinary" {
			return name
		}
		return "CAST(CONVERT(" + name + " USING utf8mb4) AS BINARY)"
	}
	at, foreign := "CAST(? AS DATETIME)", "CAST(? AS DATETIME)"
	t.times = func(unix int64) (created, foreign any) { return utc(unix), utc(unix) }
	t.min, t.max = year1000, year9999
	if created.typ == "timestamp" {
		// The column keeps an instant, which FROM_UNIXTIME names in the session's time zone, whatever it is. Other
		// SDKs send UTC as text, which the server takes for a time of the session's zone. In the hour that
		// is there twice when summer time ends two instants have one name: if a key of each were needed, the
		// second one would be refused.
		at = "FROM_UNIXTIME(CAST(? AS SIGNED))"
		t.times = func(unix int64) (created, foreign any) { return unix, utc(unix) }
		t.min, t.max = 1, time.Date(2038, 1, 19, 3, 14, 7, 0, time.UTC).Unix()
	}
	from := `SELECT ` + out("id", id) + `, ` + out("key_record", record) + ` FROM ` + t.name + ` WHERE id = ` + in(id)
	t.load = from + ` AND created IN (` + at + `, ` + foreign + `)`
	t.latest = from + fmt.Sprintf(` ORDER BY created DESC LIMIT %d`, latestRows)
	t.all = from
	t.current = t.load + ` LOCK IN SHARE MODE`
	// A plain INSERT, whose error for a row that is there undoes the statement and nothing else. INSERT IGNORE would
	// hide every other error too; ON DUPLICATE KEY UPDATE wants the privilege to change keys, and is counted as
	// an insertion where a connection has clientFoundRows; INSERT … WHERE NOT EXISTS locks the gap in which the
	// row would be, so that two of them wait for each other until the server rolls a transaction back.
	t.store = `INSERT INTO ` + t.name + ` (id, created, key_record) VALUES (` + in(id) + `, ` + at + `, ` + in(record) + `)`
	t.duplicate = func(err error) bool { return strings.Contains(err.Error(), "Error 1062") }
	t.storeArgs = func(id string, created, _ any, record string) []any { return []any{id, created, record} }
	t.lookFirst = true
}
