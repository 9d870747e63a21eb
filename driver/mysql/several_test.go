package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/drivertest"
	"github.com/asherah-sql/asherah-sql/internal/testproxy"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// results reads every result of a query: each row's values joined by commas.
func results(t *testing.T, rows *sql.Rows, err error) (all []string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for {
		cols, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for rows.Next() {
			row := make([]sql.NullString, len(cols))
			to := make([]any, len(cols))
			for i := range row {
				to[i] = &row[i]
			}
			if err := rows.Scan(to...); err != nil {
				t.Fatal(err)
			}
			var values []string
			for _, v := range row {
				values = append(values, v.String)
			}
			lines = append(lines, strings.Join(values, ","))
		}
		all = append(all, strings.Join(lines, ";"))
		if !rows.NextResultSet() {
			break
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSeveralStatementsInOneText(t *testing.T) {
	for _, way := range []string{"interpolateParams=true&multiStatements=true", "multiStatements=true&interpolateParams=true&columnsWithAlias=true"} {
		d := open(t, strings.Split(way, "&")...)
		ctx := context.Background()
		mustExec(t, d, `INSERT INTO users (id, tenant_id, name, email) VALUES (?, 'acme', 'a', ?); INSERT INTO users SET id = ?, tenant_id = 'zoo', email = ?; INSERT INTO users VALUES (3, 'acme', NULL, 'lit-s3cr3t', NULL, NULL, NULL)`,
			1, "one-"+secret, 2, "two-"+secret)
		for _, q := range []struct {
			query string
			args  []any
			want  []string
		}{
			{`SELECT email FROM users WHERE id = ?; SELECT id, email FROM users WHERE tenant_id = ? ORDER BY id`, []any{2, "acme"}, []string{"two-s3cr3t", "1,one-s3cr3t;3,lit-s3cr3t"}},
			{`SELECT 1; SELECT email FROM users WHERE id = 1; SELECT 'x', name FROM users WHERE id = 1; SELECT * FROM users WHERE id = 3`, nil, []string{"1", "one-s3cr3t", "x,a", "3,acme,,lit-s3cr3t,,,"}},
			{`DO 1; SET @a = 5; SELECT email FROM users WHERE id = 1`, nil, []string{"one-s3cr3t"}},
			{`UPDATE users SET name = 'b' WHERE id = 1; SELECT name, email FROM users WHERE id = 1; COMMIT; SELECT tenant_id, email FROM users WHERE id = 2`, nil, []string{"b,one-s3cr3t", "zoo,two-s3cr3t"}},
			{`INSERT INTO users (id, tenant_id, email) VALUES (4, 'acme', ?) RETURNING email; SELECT count(*) FROM users; DELETE FROM users WHERE id = 4 RETURNING id, email`, []any{"ret-" + secret}, []string{"ret-s3cr3t", "4", "4,ret-s3cr3t"}},
			{`SELECT email FROM users WHERE id = 99; SELECT email FROM users WHERE id = 1;`, nil, []string{"", "one-s3cr3t"}},
			{`SET STATEMENT max_statement_time = 5 FOR SELECT 2; SELECT email FROM users WHERE id = 1; SELECT name FROM users WHERE id = 3`, nil, []string{"2", "one-s3cr3t", ""}},
			{`SHOW TABLES LIKE 'users'; SELECT email FROM users WHERE id = 1`, nil, []string{"users", "one-s3cr3t"}},
		} {
			for range 2 {
				rows, err := d.QueryContext(ctx, q.query, q.args...)
				if got := results(t, rows, err); strings.Join(got, "|") != strings.Join(q.want, "|") {
					t.Errorf("%s:\ngot  %q\nwant %q", q.query, got, q.want)
				}
			}
		}
		// One refusal refuses all, and nothing is sent.
		for _, q := range []string{
			`INSERT INTO users (id, tenant_id, email) VALUES (50, 'acme', 'x-s3cr3t'); UPDATE users SET email = UPPER('x-s3cr3t')`,
			`UPDATE users SET name = 'gone'; SELECT id FROM users WHERE email = 'x-s3cr3t'`,
			`UPDATE users SET name = 'gone'; SET sql_mode = ''; INSERT INTO users (tenant_id, email) VALUES ('acme', 'x-s3cr3t')`,
			`UPDATE users SET name = 'gone'; EXECUTE s`,
			`UPDATE users SET name = 'gone'; CALL p()`,
			// Which row the second one changes can't be told before the first one has run.
			`UPDATE users SET name = 'gone', id = 60 WHERE id = 1; UPDATE users SET email = 'x-s3cr3t' WHERE id = 60`,
		} {
			if _, err := d.ExecContext(ctx, q); !errors.Is(err, driver.ErrRefused) {
				t.Errorf("%s: %v", q, err)
			} else if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", q, err)
			}
		}
		for _, q := range []string{
			`SELECT email INTO @x FROM users WHERE id = 1; SELECT email FROM users`,
			`SELECT 1 INTO @x; SELECT email FROM users; SELECT email FROM users`,
			`ANALYZE TABLE others; SELECT email FROM users; SELECT email FROM users`,
		} {
			if _, err := d.QueryContext(ctx, q); !errors.Is(err, driver.ErrRefused) {
				t.Errorf("%s: %v", q, err)
			}
		}
		if got := one(t, ctx, d.plain, `SELECT CONCAT(count(*), ' ', sum(coalesce(name, '') = 'gone')) FROM users`); got != "3 0" {
			t.Errorf("after refusals: %s", got)
		}
		// A statement that fails in the middle: what went before is delivered, then its error.
		rows, err := d.QueryContext(ctx, `SELECT email FROM users WHERE id = 1; SELECT nothing; SELECT email FROM users WHERE id = 2`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
		}
		if rows.NextResultSet() || mysqlError(rows.Err()) != 1054 {
			t.Errorf("the second statement's error: %v", rows.Err())
		}
		rows.Close()
		d.noLeak(t)
	}
}

// Columns that come and go between the statements of a text are noticed.
func TestSeveralResultsOfATableThatChanges(t *testing.T) {
	d := open(t, "multiStatements=true")
	ctx := context.Background()
	mustExec(t, d, insertUser, 1, "acme", secret)
	const query = `SELECT * FROM users; SELECT * FROM users`
	rows, err := d.QueryContext(ctx, query)
	if got := results(t, rows, err); len(got) != 2 || got[0] != got[1] || !strings.Contains(got[1], secret) {
		t.Fatalf("%q", got)
	}
	mustExec(t, d.plain, `ALTER TABLE users ADD COLUMN more TEXT FIRST`)
	failed := false
	for i := range 2 {
		rows, err := d.QueryContext(ctx, query)
		if err != nil {
			if !errors.Is(err, driver.ErrSchemaMismatch) || i > 0 {
				t.Fatal(i, err)
			}
			failed = true
			continue
		}
		if got := results(t, rows, err); len(got) != 2 || got[0] != got[1] || !strings.Contains(got[1], secret) {
			t.Fatalf("%q", got)
		}
	}
	if !failed {
		t.Error("the change wasn't noticed")
	}
}

// counter is an Observer that counts what is sealed.
type counter struct{ sealed atomic.Int64 }

func (c *counter) Timed(name string, _ time.Duration, _ error) {
	if name == "ael.drr.encrypt" {
		c.sealed.Add(1)
	}
}

func (*counter) Counted(string) {}

// A value is sealed once, also where the driver wants the statement prepared first: but for an attempt now and
// then that finds this out. What is stored is never an envelope in an envelope.
func TestNothingIsSealedTwice(t *testing.T) {
	for _, c := range []struct {
		way    string
		sealed int64 // of 60 values
	}{{"interpolateParams=true", 60}, {"interpolateParams=false", 62}} {
		t.Run(c.way, func(t *testing.T) {
			srv := testserver.MariaDB(t)
			count := &counter{}
			d := openOn(t, srv, with(srv.DSN(""), c.way), func(c *driver.Config) { c.Observer = count })
			for i := range 60 {
				mustExec(t, d, insertUser, i+1, "acme", drivertest.Numbered(i+1))
			}
			if got := count.sealed.Load(); got != c.sealed {
				t.Errorf("%d values were sealed, want %d", got, c.sealed)
			}
			stmt, err := d.Prepare(insertUser)
			if err != nil {
				t.Fatal(err)
			}
			defer stmt.Close()
			before := count.sealed.Load()
			for i := range 10 {
				if _, err := stmt.Exec(i+101, "acme", drivertest.Numbered(i+101)); err != nil {
					t.Fatal(err)
				}
			}
			if got := count.sealed.Load() - before; got != 10 {
				t.Errorf("%d values were sealed by 10 executions of a prepared statement", got)
			}
			if got := one(t, context.Background(), d.plain, `SELECT CONCAT(COUNT(DISTINCT email), ' ', SUM(email LIKE 'ash1.%'), ' ', MAX(LENGTH(email)) < 230) FROM users`); got != "70 70 1" {
				t.Errorf("stored: %s", got)
			}
			drivertest.ReadNumbered(t, d.DB, 1000, 70)
			if log := d.srv.Log(); strings.Contains(log, secret) {
				t.Error("the log shows a secret")
			}
		})
	}
}

// A text that was too long to take its arguments is sent as it used to be when they are short again.
func TestOneLongArgumentChangesNothingForOthers(t *testing.T) {
	srv := testserver.MariaDB(t)
	mustExec(t, openPlain(t, srv.DSN("")), usersDDL)
	mustExec(t, openPlain(t, srv.DSN("")), `ALTER TABLE users MODIFY email MEDIUMTEXT`)
	proxy := testproxy.New(t, srv.Addr())
	db := connect(t, with(srv.DSNAt(proxy.Addr(), ""), "interpolateParams=true&maxAllowedPacket=200000"), config(t))
	db.SetMaxOpenConns(1)
	trips := func(n int) int {
		before := proxy.Stats()
		mustExec(t, db, `REPLACE INTO users (id, tenant_id, email) VALUES (1, ?, ?)`, "acme", strings.Repeat("x", n))
		return proxy.Stats().Sub(before).RoundTrips
	}
	trips(10)
	if got := trips(10); got != 1 {
		t.Fatalf("%d round trips", got)
	}
	if got := trips(160_000); got < 2 {
		t.Fatalf("%d round trips for a long argument", got)
	}
	if got := trips(10); got != 1 {
		t.Errorf("afterwards %d round trips", got)
	}
}
