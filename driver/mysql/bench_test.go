package mysql_test

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/drivertest"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// mysqlConn is what go-sql-driver's connections can do.
type mysqlConn interface {
	sqldriver.Conn
	sqldriver.ConnBeginTx
	sqldriver.ConnPrepareContext
	sqldriver.ExecerContext
	sqldriver.QueryerContext
	sqldriver.NamedValueChecker
	sqldriver.Pinger
	sqldriver.SessionResetter
	sqldriver.Validator
}

// sharedConn is a connection that its users don't end.
type sharedConn struct{ mysqlConn }

func (c *sharedConn) Close() error { return nil }

// benchDatabase is a database whose server logs no statements, opened twice plainly and once through the
// wrapper, over one connection. The servers of tests don't wait for a disk.
func benchDatabase(b *testing.B, params string, change ...func(*driver.Config)) (plain, again, db *sql.DB, stored, value string) {
	srv := testserver.MariaDB(b)
	dsn := with(srv.SocketDSN(""), strings.Split(params, "&")...)
	base, err := new(mysql.MySQLDriver).OpenConnector(dsn)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := base.Connect(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	one := &drivertest.OneConnection{Connector: base, Conn: &sharedConn{conn.(mysqlConn)}}
	cfg := config(b)
	cfg.MetastoreConnector = base
	for _, f := range change {
		f(&cfg)
	}
	wrapped, err := driver.WrapConnector(one, dialect.MySQL, cfg)
	if err != nil {
		b.Fatal(err)
	}
	plain, again = sql.OpenDB(one), sql.OpenDB(one)
	mustExec(b, plain, `SET sql_log_off = 1`)
	mustExec(b, plain, usersDDL)
	mustExec(b, plain, `CREATE TABLE others (id BIGINT AUTO_INCREMENT PRIMARY KEY, name TEXT)`)
	db = sql.OpenDB(wrapped)
	for _, d := range []*sql.DB{plain, again, db} {
		d.SetMaxOpenConns(1)
		b.Cleanup(func() { d.Close() })
	}
	value = strings.Repeat("v", 100)
	mustExec(b, db, insert, "acme", value)
	if err := plain.QueryRow(`SELECT email FROM users`).Scan(&stored); err != nil {
		b.Fatal(err)
	}
	return plain, again, db, stored, value
}

const insert = `INSERT INTO users (tenant_id, email) VALUES (?, ?)`

// BenchmarkInsert is an insert of one encrypted column of 100 bytes; the bare one inserts what is stored.
func BenchmarkInsert(b *testing.B) {
	run := func(exec func(args ...any) (sql.Result, error), v string) func() {
		return func() {
			if _, err := exec("acme", v); err != nil {
				b.Fatal(err)
			}
		}
	}
	direct := func(d *sql.DB) func(...any) (sql.Result, error) {
		return func(args ...any) (sql.Result, error) { return d.Exec(insert, args...) }
	}
	prepared := func(d *sql.DB) func(...any) (sql.Result, error) {
		s, err := d.Prepare(insert)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		return s.Exec
	}
	plain, again, db, stored, value := benchDatabase(b, "interpolateParams=true")
	b.Run("prepared", func(b *testing.B) { drivertest.InTurns(b, 1, run(prepared(plain), stored), run(prepared(db), value)) })
	b.Run("interpolated", func(b *testing.B) { drivertest.InTurns(b, 1, run(direct(plain), stored), run(direct(db), value)) })
	b.Run("prepared each time", func(b *testing.B) {
		plain, _, db, stored, value := benchDatabase(b, "interpolateParams=false")
		drivertest.InTurns(b, 1, run(direct(plain), stored), run(direct(db), value))
	})
	b.Run("a literal", func(b *testing.B) {
		exec := func(d *sql.DB, v string) func() {
			text := `INSERT INTO users (tenant_id, email) VALUES ('acme', '` + v + `')`
			return func() { mustExec(b, d, text) }
		}
		drivertest.InTurns(b, 1, exec(plain, stored), exec(db, value))
	})
	b.Run("prepared with shared data keys", func(b *testing.B) {
		plain, _, db, stored, value := benchDatabase(b, "interpolateParams=true", func(c *driver.Config) { c.DataKeyReuse = 1000 })
		drivertest.InTurns(b, 1, run(prepared(plain), stored), run(prepared(db), value))
	})
	b.Run("bare against bare", func(b *testing.B) { // how far the figures can be trusted
		drivertest.InTurns(b, 1, run(prepared(plain), stored), run(prepared(again), stored))
	})
	b.Run("bare with the cryptography alone", func(b *testing.B) { // what no wrapper can be without
		floor, bare := drivertest.SealFloor(b, value), run(prepared(plain), stored)
		drivertest.InTurns(b, 1, bare, func() { floor(); bare() })
	})
}

// BenchmarkSelect reads rows with one encrypted column. Times are by row.
func BenchmarkSelect(b *testing.B) {
	plain, _, db, _, value := benchDatabase(b, "interpolateParams=true")
	for range 999 { // each in a statement of its own, so that it has a data key of its own
		mustExec(b, db, insert, "acme", value)
	}
	for _, n := range []int{1, 1000} {
		query := fmt.Sprintf(`SELECT tenant_id, email FROM users ORDER BY id LIMIT %d`, n)
		b.Run(fmt.Sprintf("%d rows", n), func(b *testing.B) {
			drivertest.InTurns(b, float64(n), drivertest.ReadUsers(b, plain, query, n), drivertest.ReadUsers(b, db, query, n))
		})
	}
}

// BenchmarkOtherTable is statements without an encrypted table.
func BenchmarkOtherTable(b *testing.B) {
	plain, again, db, _, _ := benchDatabase(b, "interpolateParams=true")
	mustExec(b, plain, `INSERT INTO others (id, name) VALUES (1, 'x')`)
	read := func(d *sql.DB) func() {
		return func() {
			var name string
			if err := d.QueryRow(`SELECT name FROM others WHERE id = ?`, 1).Scan(&name); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("wrapped", func(b *testing.B) { drivertest.InTurns(b, 1, read(plain), read(db)) })
	b.Run("bare against bare", func(b *testing.B) { drivertest.InTurns(b, 1, read(plain), read(again)) })
}
