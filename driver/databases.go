package driver

import (
	"context"
	"errors"
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
	// version changes whenever the tables that a connection sees do. nil: nothing cheap tells, the tables
	// themselves are read again.
	version func(ctx context.Context, conn rawConn) (string, error)
	// mode asks for the settings on which the meaning of a text depends; nil: there are none. It is kept for
	// a connection until a text that setsMode is true of; with setsMode nil it is asked for each time.
	mode     func(ctx context.Context, conn rawConn) (sqlplan.Mode, error)
	setsMode func(query string) bool
	// usual is the mode of a server of today that nobody has set otherwise. For Explain, which has none to ask.
	usual sqlplan.Mode
	// charset says why texts with bytes from 0x80 on can't be read in the connection's character set; names:
	// those of registered tables are such texts. nil: they always can. It is kept for a connection until a
	// text that setsCharset is true of.
	charset     func(ctx context.Context, conn rawConn, names bool) error
	setsCharset func(query string) bool
	// undoes: a rollback takes settings back.
	undoes bool
	// spells: some types of a partition column give a text back otherwise than it was stored, see spelling.
	spells bool
	// loose: a column of text compared with a number is compared as a number: '7' and '07' equal 7.
	loose bool
	// keySession are the statements that connections of keys begin with: what is stored on them is committed at
	// once, and what is read has been committed, though the program's own connections may be set up otherwise.
	keySession []string
	// lockingRead is what a look-up ends with, so that it sees the rows that an UPDATE in its place would change,
	// and nobody moves them in between.
	lockingRead string
	// eachResult: of a text of several statements, a query delivers the rows of each that returns some, in order.
	eachResult bool
	// lastResult: of a text of several statements, a query delivers the last one's rows, not the first one's.
	lastResult bool
	// prefixes: a driver may put the table's name before a result's column (go-sql-driver's columnsWithAlias).
	prefixes bool
	// named: arguments have names. Otherwise a name that the program gives is passed on and means nothing.
	named bool
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
		oneWriter: true, place: placeSQLite, version: versionSQLite, named: true, lastResult: true,
		read: readSQLite, check: checkSQLite, exact: exactSQLite,
		quote: func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" },
	},
	dialect.Postgres: {
		mode: modePostgres, usual: sqlplan.Mode{Known: true}, charset: charsetPostgres, setsCharset: setsCharsetPostgres, undoes: true, spells: true,
		read: readPostgres, check: checkPostgres, exact: exactPostgres, quote: quotePostgres,
	},
	dialect.MySQL: {
		mode: modeMySQL, usual: sqlplan.Mode{Known: true, BackslashEscapes: true, Strict: true, Version: 80400}, setsMode: setsModeMySQL,
		charset: charsetMySQL, setsCharset: setsCharsetMySQL,
		spells: true, loose: true, prefixes: true, eachResult: true, lockingRead: " FOR UPDATE",
		keySession: []string{"SET autocommit = 1", "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"},
		read:       readMySQL, check: checkMySQL, exact: exactMySQL, quote: quoteMySQL,
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

// sqlState is what errors of PostgreSQL drivers (pgx, lib/pq) have.
type sqlState interface{ SQLState() string }

// readOnly tells whether a write failed because the database, or the session, takes none.
func readOnly(err error) bool {
	if err == nil {
		return false
	}
	if s := sqlState(nil); errors.As(err, &s) {
		return s.SQLState() == "25006" // read_only_sql_transaction: a replica, or default_transaction_read_only
	}
	for _, text := range []string{
		"readonly database",                      // SQLite
		"Error 1290", "Error 1792", "Error 1836", // MySQL: --read-only, a read-only transaction, a read-only server
	} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

func inTransaction(err error) bool {
	return err != nil && strings.Contains(err.Error(), "inside a transaction")
}
