package mysql_test

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/asherah-sql/asherah-sql/driver"
	asherah "github.com/asherah-sql/asherah-sql/driver/mysql"
	"github.com/asherah-sql/asherah-sql/internal/drivertest"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

func TestMain(m *testing.M) { testserver.Main(m) }

const secret = drivertest.Secret

type (
	user    = drivertest.User
	account = drivertest.Account
)

var (
	config          = drivertest.Config
	tenant          = drivertest.Tenant
	mustExec        = drivertest.MustExec
	mustExecContext = drivertest.MustExecContext
	one             = drivertest.One
)

const usersDDL = `CREATE TABLE users (id BIGINT AUTO_INCREMENT PRIMARY KEY, tenant_id VARCHAR(64) COLLATE utf8mb4_nopad_bin, name TEXT, email TEXT, ssn TEXT, age TEXT, born TEXT)`

// database is a new database of the server, opened plainly and through the wrapper.
type database struct {
	*sql.DB
	plain *sql.DB
	dsn   string
	srv   *testserver.Server
}

// with adds parameters to a connection string.
func with(dsn string, params ...string) string {
	for _, p := range params {
		sep := "?"
		if strings.Contains(dsn, "?") {
			sep = "&"
		}
		dsn += sep + p
	}
	return dsn
}

func openPlain(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func connector(t testing.TB, dsn string, cfg driver.Config) sqldriver.Connector {
	t.Helper()
	c, err := asherah.NewConnector(dsn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func connect(t testing.TB, dsn string, cfg driver.Config) *sql.DB {
	t.Helper()
	db := sql.OpenDB(connector(t, dsn, cfg))
	t.Cleanup(func() { db.Close() })
	return db
}

// open makes a database with the table users.
func open(t testing.TB, params ...string) *database {
	t.Helper()
	srv := testserver.MariaDB(t)
	return openOn(t, srv, with(srv.DSN(""), params...))
}

func openOn(t testing.TB, srv *testserver.Server, dsn string, change ...func(*driver.Config)) *database {
	t.Helper()
	cfg := config(t)
	for _, f := range change {
		f(&cfg)
	}
	d := &database{plain: openPlain(t, srv.DSN("")), dsn: dsn, srv: srv}
	mustExec(t, d.plain, usersDDL)
	d.DB = connect(t, dsn, cfg)
	return d
}

// noLeak searches what is stored for the secret.
func (d *database) noLeak(t testing.TB) {
	t.Helper()
	drivertest.NoSecret(t, d.plain, `SELECT CONCAT_WS('|', id, tenant_id, name, email, ssn, age, born) FROM users`)
}

// ways are go-sql-driver's ways to send a statement: arguments put into the text, or a prepared statement, with
// one statement a text or several.
var ways = map[string][]string{
	"prepared":                  nil,
	"interpolated":              {"interpolateParams=true"},
	"prepared, parsed times":    {"parseTime=true", "loc=Europe%2FBerlin", "clientFoundRows=true"},
	"interpolated, several":     {"interpolateParams=true", "multiStatements=true", "parseTime=true"},
	"prepared, aliases":         {"columnsWithAlias=true", "multiStatements=true"},
	"interpolated, compressed":  {"interpolateParams=true", "compress=true", "clientFoundRows=true"},
	"prepared, other collation": {"collation=utf8mb4_unicode_ci", "time_zone=%27%2B05%3A00%27"},
}

// eachWay runs a test in each of them.
func eachWay(t *testing.T, f func(t *testing.T, d *database)) {
	ran := 0
	for name, params := range ways {
		t.Run(name, func(t *testing.T) {
			f(t, open(t, params...))
			ran++
		})
	}
	if ran != len(ways) && !t.Failed() && !t.Skipped() {
		t.Errorf("%d of %d ways ran", ran, len(ways))
	}
}

// onOne returns a connection of its own, whose settings nobody else changes.
func (d *database) onOne(t testing.TB) *sql.Conn {
	t.Helper()
	c, err := d.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// mysqlError returns the server's number of an error, 0 when it isn't one.
func mysqlError(err error) uint16 {
	if e, ok := err.(*mysql.MySQLError); ok {
		return e.Number
	}
	return 0
}
