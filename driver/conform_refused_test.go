package driver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/metastore"
)

// scripted is a driver that takes arguments of any type, as pgx, go-mssqldb and go-ora do, keeps what it gets
// and answers queries with rows of the test's.
type scripted struct {
	rows    [][]driver.Value
	columns []string
	query   string // the last one, and its arguments
	args    []driver.NamedValue
	asked   int // statements sent
}

func (d *scripted) Connect(context.Context) (driver.Conn, error) { return scriptedConn{d}, nil }
func (d *scripted) Driver() driver.Driver                        { return nil }

type scriptedConn struct{ d *scripted }

func (c scriptedConn) Prepare(q string) (driver.Stmt, error) {
	c.d.asked++
	return nil, errors.New("prepared " + q)
}
func (c scriptedConn) Begin() (driver.Tx, error) { return nil, errors.ErrUnsupported }
func (c scriptedConn) Close() error              { return nil }
func (c scriptedConn) ExecContext(_ context.Context, q string, args []driver.NamedValue) (driver.Result, error) {
	c.d.query, c.d.args, c.d.asked = q, args, c.d.asked+1
	return driver.RowsAffected(1), nil
}
func (c scriptedConn) QueryContext(_ context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	if strings.Contains(q, "@@SESSION.sql_mode") {
		// MySQL's and MariaDB's settings, which the wrapper asks for
		return &scriptedRows{d: &scripted{columns: make([]string, 4), rows: [][]driver.Value{{"STRICT_TRANS_TABLES", "10.11.6-MariaDB", int64(0), "utf8mb4"}}}}, nil
	}
	c.d.query, c.d.args, c.d.asked = q, args, c.d.asked+1
	return &scriptedRows{d: c.d}, nil
}
func (c scriptedConn) CheckNamedValue(nv *driver.NamedValue) error {
	if _, ok := nv.Value.(*returnStatus); ok {
		return driver.ErrRemoveArgument // as go-mssqldb's ReturnStatus and ReturnMessage
	}
	return nil
}

type returnStatus int32

type scriptedRows struct {
	d  *scripted
	at int
}

func (r *scriptedRows) Columns() []string { return r.d.columns }
func (r *scriptedRows) Close() error      { return nil }
func (r *scriptedRows) Next(dest []driver.Value) error {
	if r.at == len(r.d.rows) {
		return io.EOF
	}
	copy(dest, r.d.rows[r.at])
	r.at++
	return nil
}

func openScripted(t *testing.T, d dialect.Dialect) (*sql.DB, *scripted) {
	t.Helper()
	cfg := config(t)
	cfg.MetastoreStore, cfg.SkipVerify, cfg.Partition = metastore.NewMemory(), true, "acme"
	s := &scripted{}
	c, err := asherah.WrapConnector(s, d, cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	return db, s
}

// What drivers have beyond database/sql's plain arguments is refused where a value would have to be sealed,
// before anything is sent, and goes on working elsewhere.
func TestFeaturesThatEncryptedColumnsDoNotHaveAreRefused(t *testing.T) {
	text := secret
	for name, c := range map[string]struct {
		dialect dialect.Dialect
		query   string
		args    []any
		ordinal int
		says    string
	}{
		"an OUT parameter": {
			dialect.SQLite, `INSERT INTO users (tenant_id, email) VALUES (?, ?)`, []any{"acme", sql.Out{Dest: &text}}, 2, "output parameter",
		},
		"an INOUT parameter": {
			dialect.SQLite, `UPDATE users SET ssn = ? WHERE id = ?`, []any{sql.Out{Dest: &text, In: true}, 1}, 1, "output parameter",
		},
		"an OUT parameter for the partition": {
			dialect.SQLite, `INSERT INTO users (tenant_id, email) VALUES (?, ?)`, []any{sql.Out{Dest: &text}, secret}, 1, "output parameter",
		},
		"a named OUT parameter": {
			dialect.SQLite, `UPDATE users SET ssn = :ssn WHERE id = :id`, []any{sql.Named("id", 1), sql.Named("ssn", sql.Out{Dest: &text})}, 1, "output parameter",
		},
		"a name on PostgreSQL": {
			dialect.Postgres, `UPDATE users SET ssn = $1 WHERE id = $2`, []any{sql.Named("ssn", secret), 1}, 1, "no named arguments",
		},
		"a name on MySQL": {
			dialect.MySQL, `UPDATE users SET ssn = ? WHERE id = ?`, []any{secret, sql.Named("id", 1)}, 2, "no named arguments",
		},
		"go-mssqldb's bulk copy": {
			dialect.SQLite, `INSERTBULK {"TableName":"users","ColumnsName":["email"],"Options":{}}`, nil, 0, "",
		},
		"lib/pq's COPY": {
			dialect.Postgres, `COPY "users" ("tenant_id", "email") FROM STDIN`, nil, 0, "",
		},
		"LOAD DATA": {
			dialect.MySQL, `LOAD DATA LOCAL INFILE 'Reader::x' INTO TABLE users (tenant_id, email)`, nil, 0, "",
		},
		"a procedure with the table in its text": {
			dialect.Postgres, `DO $$ BEGIN INSERT INTO users (email) VALUES ('x'); END $$`, nil, 0, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, d := openScripted(t, c.dialect)
			for what, run := range map[string]func() error{
				"Exec":  func() error { _, err := db.Exec(c.query, c.args...); return err },
				"Query": func() error { _, err := db.Query(c.query, c.args...); return err },
			} {
				d.asked = 0
				err := run()
				var r *asherah.RefusedError
				if !errors.As(err, &r) || r.Rule == "" || r.Remedy == "" || r.Table != "users" && c.ordinal > 0 || r.Ordinal != c.ordinal || !strings.Contains(r.Rule, c.says) {
					t.Errorf("%s: %v (%+v)", what, err, r)
				}
				noSecret(t, err)
				if d.asked > 0 {
					t.Errorf("%s: sent: %s", what, d.query)
				}
			}
		})
	}
}

// Values that no driver could store in the column are errors that name the column and never the value.
func TestArgumentsThatEncryptedColumnsCannotHold(t *testing.T) {
	db, d := openScripted(t, dialect.SQLite)
	type table []struct{ A string }
	for _, v := range []any{[]string{secret}, map[string]string{"a": secret}, table{{secret}}, struct{ S string }{secret}, new(any), make(chan int), func() string { return secret }, [2]string{secret}, &scriptedRows{}} {
		d.asked = 0
		_, err := db.Exec(`INSERT INTO users (tenant_id, email) VALUES (?, ?)`, "acme", v)
		if *new(any) == nil && fmt.Sprintf("%T", v) == "*interface {}" {
			continue // a nil pointer's value is NULL
		}
		if err == nil || !strings.Contains(err.Error(), "users.email") {
			t.Errorf("%T: %v", v, err)
		}
		noSecret(t, err)
		if d.asked > 0 {
			t.Errorf("%T: sent %s", v, d.query)
		}
	}
}

// What concerns no encrypted column goes to the driver as it is, in a statement on an encrypted table too.
func TestDriversOwnArgumentsBesideEncryptedColumns(t *testing.T) {
	db, d := openScripted(t, dialect.SQLite)
	var status returnStatus
	var name string
	out := sql.Out{Dest: &name}
	if _, err := db.Exec(`INSERT INTO users (tenant_id, email, name) VALUES (?, ?, ?)`, &status, "acme", secret, out); err != nil {
		t.Fatal(err)
	}
	if len(d.args) != 3 || d.args[0].Value != "acme" || !strings.HasPrefix(fmt.Sprint(d.args[1].Value), "ash1.") || d.args[2].Value != any(out) || d.args[2].Ordinal != 3 {
		t.Errorf("the driver got %v", d.args)
	}
	// Options don't stand for values.
	d.asked = 0
	if _, err := db.Exec(`INSERT INTO users (tenant_id, email) VALUES (?, ?)`, "acme", &status); err == nil || d.asked > 0 {
		t.Errorf("an option in the place of a value: %v, %d statements sent", err, d.asked)
	}
	// A name that means nothing to the database is the driver's affair where nothing is sealed.
	pg, d := openScripted(t, dialect.Postgres)
	d.columns = []string{"name"}
	rows, err := pg.Query(`SELECT name FROM users WHERE id = $1`, sql.Named("id", 1))
	if err != nil {
		t.Fatal(err)
	}
	rows.Close()
	if len(d.args) != 1 || d.args[0].Name != "id" {
		t.Errorf("the driver got %v", d.args)
	}
}

// A result in the place of a value is nothing that anybody has planned.
func TestCursorsBesideEncryptedColumnsAreRefused(t *testing.T) {
	db, d := openScripted(t, dialect.SQLite)
	d.columns = []string{"email", "tenant_id", "name"}
	cursor := &scriptedRows{d: &scripted{columns: []string{"x"}}}
	for name, c := range map[string]struct {
		row  []driver.Value
		want error
	}{
		"beside":    {[]driver.Value{nil, "acme", cursor}, asherah.ErrRefused},
		"in":        {[]driver.Value{cursor, "acme", "n"}, asherah.ErrPlaintext},
		"partition": {[]driver.Value{nil, cursor, "n"}, asherah.ErrRefused},
	} {
		d.rows = [][]driver.Value{c.row}
		rows, err := db.Query(`SELECT email, tenant_id, name FROM users`)
		if err != nil {
			t.Fatal(err)
		}
		if rows.Next() || !errors.Is(rows.Err(), c.want) {
			t.Errorf("%s: %v, want %v", name, rows.Err(), c.want)
		}
		rows.Close()
	}
	// Where nothing is encrypted they are delivered.
	d.columns, d.rows = []string{"name"}, [][]driver.Value{{cursor}}
	var sub sql.Rows
	rows, err := db.Query(`SELECT name FROM users`)
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	if err := rows.Scan(&sub); err != nil {
		t.Error(err)
	}
	sub.Close()
	rows.Close()
}

func TestDialectsThatTheWrapperDoesNotKnow(t *testing.T) {
	for _, d := range []dialect.Dialect{0, 99, dialect.SQLServer, dialect.Oracle} {
		c, err := asherah.WrapConnector(&scripted{}, d, config(t))
		if err == nil || c != nil || !strings.Contains(err.Error(), "wrap connector") || !strings.Contains(err.Error(), d.String()) {
			t.Errorf("%v: %v", d, err)
		}
		if _, err := asherah.WrapDriver(fakeDriver{}, "x", d, config(t)); err == nil {
			t.Errorf("%v: WrapDriver takes it", d)
		}
	}
}
