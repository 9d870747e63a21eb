package driver

import (
	"context"
	"strconv"
	"strings"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/tags"
)

// database is what the wrapper must know of a dialect. To add one, add a row to databases.
type database struct {
	// oneWriter: a second connection would wait for the first one's transaction, so key rows go through
	// the connection in use, and transaction control sent as text must be known.
	oneWriter bool
	// place names the file behind a connection, "" for a database in memory. Only asked with oneWriter.
	place func(ctx context.Context, conn rawConn) (string, error)
	// version changes whenever the tables that a connection sees do.
	version func(ctx context.Context, conn rawConn) (string, error)
	// read returns a table of the database; nil when there is none.
	read func(ctx context.Context, conn rawConn, name sqlplan.TableName) (*tableInfo, error)
	// check says why an envelope isn't safe in a column, with the DDL that mends it.
	check func(t *tags.Table, info *tableInfo, col *tags.Column) error
	// exact tells whether `column = $n` compares the partition column's canonical text.
	exact func(info *tableInfo, col *tags.Column) bool
	// quote returns a string literal.
	quote func(s string) string
}

var databases = map[dialect.Dialect]*database{
	dialect.SQLite: {
		oneWriter: true, place: placeSQLite, version: versionSQLite,
		read: readSQLite, check: checkSQLite, exact: exactSQLite,
		quote: func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" },
	},
}

// placeSQLite returns the file of the main database.
func placeSQLite(ctx context.Context, conn rawConn) (string, error) {
	rows, err := conn.Query(ctx, "PRAGMA database_list")
	if err != nil {
		return "", err
	}
	for _, r := range rows {
		if len(r) > 2 && str(r[1]) == "main" {
			return str(r[2]), nil
		}
	}
	return "", nil
}

// versionSQLite joins the schema versions of the file and of the connection's temporary tables.
func versionSQLite(ctx context.Context, conn rawConn) (string, error) {
	var v []string
	for _, q := range []string{"PRAGMA main.schema_version", "PRAGMA temp.schema_version"} {
		rows, err := conn.Query(ctx, q)
		if err != nil {
			return "", err
		}
		for _, r := range rows {
			v = append(v, strconv.FormatInt(integer(r[0]), 10))
		}
	}
	return strings.Join(v, "/"), nil
}

// busy, readOnly and inTransaction know SQLite's errors by their text, which is the library's own and the
// same through every driver.
func busy(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "database is locked") || strings.Contains(err.Error(), "database table is locked") || strings.Contains(err.Error(), "SQLITE_BUSY"))
}

func readOnly(err error) bool {
	return err != nil && strings.Contains(err.Error(), "readonly database")
}

func inTransaction(err error) bool {
	return err != nil && strings.Contains(err.Error(), "inside a transaction")
}
