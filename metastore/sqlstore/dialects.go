package sqlstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// facts is what the store needs to know of a database. To add one, add its file and a row to byDialect.
type facts struct {
	// draft describes the table as it would be made, without asking the database. static: it is the whole
	// truth, because where the table is follows from its name, and its columns hold anything.
	draft  func(schema, table string) *keyTable
	static bool
	// locate asks the database where the table is, or would be made, and what its columns are. schema is ""
	// when the name wasn't qualified. A table that can't be a key table is an error.
	locate func(ctx context.Context, q Querier, schema, table string) (*keyTable, error)
}

var byDialect = map[dialect.Dialect]facts{
	dialect.Postgres: {draft: postgresTable, locate: locatePostgres},
	dialect.MySQL:    {draft: mysqlTable, locate: locateMySQL},
	dialect.SQLite:   {draft: sqliteTable, locate: locateSQLite, static: true},
}

func factsOf(d dialect.Dialect) (facts, error) {
	f, ok := byDialect[d]
	if !ok {
		return facts{}, fmt.Errorf("sqlstore: no key table SQL for dialect %v in this version: want one of %v", d, slices.Sorted(maps.Keys(byDialect)))
	}
	return f, nil
}

// keyTable is a key table and the SQL for it. Arguments are named beside each text.
type keyTable struct {
	schema string
	name   string // quoted and qualified
	exists bool
	create []string // what makes it; the first statement makes the table

	load   string // id, created, created as other writers spell it
	latest string // id: the latestRows newest rows
	all    string // id
	// current is load that sees what others have committed since the transaction began; "" where load does
	// or nothing can.
	current string
	store   string
	// storeArgs puts the arguments of store in their order.
	storeArgs func(id string, created, foreign any, record string) []any

	// times returns the value of the created column, and the same moment as other writers spell it, which
	// may be the same value.
	times func(unix int64) (created, foreign any)
	// min and max are the times that the column holds, in unix seconds.
	min, max int64
	// id and record are what the columns of text hold.
	id, record width

	// lookFirst: rows of other writers may stand under any wall clock, so the rows of the id are read
	// before one is stored, or one key would have two.
	lookFirst bool
	// duplicate tells whether an error of store says that a row is there: where no statement says that by
	// its count, and the error doesn't abort a transaction. nil = no error says it.
	duplicate func(error) bool
}

// latestRows is how many rows are read to find the newest: more than a wall clock that is wrong by hours
// can put in front of it.
const latestRows = 64

// The years 1 to 9999, in unix seconds: what every text form of a time has four digits for.
var (
	year1    = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	year1000 = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	year9999 = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).Unix()
)

// utc is the form of a time that every database reads the same way.
func utc(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.DateTime) }

// unfit says why the database's table isn't a key table.
func unfit(d dialect.Dialect, schema, table, format string, args ...any) error {
	return fmt.Errorf("sqlstore: table %s: %s: this is no key table: name another one, or change it", qualified(d, schema, table), fmt.Sprintf(format, args...))
}

func qualified(d dialect.Dialect, schema, table string) string {
	if schema == "" {
		return d.QuoteIdent(table)
	}
	return d.QuoteIdent(schema) + "." + d.QuoteIdent(table)
}

// indexName is the name of the index on created.
func indexName(table string) string { return table + "_created" }

// columns are those of a key table that the database has described, by name.
type columns[T any] map[string]T

// need returns the columns id, created and key_record.
func (c columns[T]) need(d dialect.Dialect, schema, table string) (id, created, record T, err error) {
	var missing []string
	for _, name := range []string{"id", "created", "key_record"} {
		if _, ok := c[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		err = unfit(d, schema, table, "it has no column %s", strings.Join(missing, ", "))
	}
	return c["id"], c["created"], c["key_record"], err
}
