package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/drivertest"
)

// A prepared statement of a pool is prepared on each connection that it comes to.
func TestAPreparedStatementOnManyConnections(t *testing.T) {
	d := open(t)
	insert, err := d.Prepare(insertUser)
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	read, err := d.Prepare(`SELECT email FROM users WHERE id = ?`)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 25 {
				id := g*100 + i + 1
				if _, err := insert.Exec(id, fmt.Sprint("t", id%5), drivertest.Numbered(id)); err != nil {
					t.Error(err)
					return
				}
				var email string
				if err := read.QueryRow(id).Scan(&email); err != nil || email != drivertest.Numbered(id) {
					t.Errorf("%d: %q, %v", id, email, err)
				}
			}
		})
	}
	wg.Wait()
	// In transactions and on one connection.
	tx, err := d.Begin()
	if err != nil {
		t.Fatal(err)
	}
	in := tx.Stmt(insert)
	if _, err := in.Exec(2000, "tx", drivertest.Numbered(2000)); err != nil {
		t.Error(err)
	}
	var email string
	if err := tx.Stmt(read).QueryRow(2000).Scan(&email); err != nil || email != drivertest.Numbered(2000) {
		t.Errorf("%q, %v", email, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if err := read.QueryRow(2000).Scan(&email); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("rolled back: %v", err)
	}
	drivertest.ReadNumbered(t, d.DB, 1<<30, 200)
	d.noLeak(t)
}

// After a change of the table a prepared statement goes on by the table as it is.
func TestAPreparedStatementAfterTheTableChanged(t *testing.T) {
	for _, own := range []bool{true, false} {
		d := open(t)
		d.SetMaxOpenConns(1)
		change := d.plain
		if own {
			change = d.DB // the wrapper sees the change
		}
		insert, err := d.Prepare(`INSERT INTO users (id, tenant_id, email) VALUES (?, 'acme', ?)`)
		if err != nil {
			t.Fatal(err)
		}
		update, err := d.Prepare(`UPDATE users SET email = ? WHERE id = ?`)
		if err != nil {
			t.Fatal(err)
		}
		star, err := d.Prepare(`SELECT u.* FROM users u WHERE id = ?`)
		if err != nil {
			t.Fatal(err)
		}
		for i, ddl := range []string{
			`DO 1`,
			`ALTER TABLE users ADD COLUMN first TEXT FIRST`,
			`ALTER TABLE users DROP COLUMN first`,
			`ALTER TABLE users MODIFY email MEDIUMTEXT AFTER id`,
			`ALTER TABLE users MODIFY tenant_id VARCHAR(70) COLLATE utf8mb4_general_ci`,
			`ALTER TABLE users ENGINE = InnoDB`,
		} {
			mustExec(t, change, ddl)
			if _, err := insert.Exec(i+1, "new-"+secret); err != nil {
				t.Fatalf("%s: %v", ddl, err)
			}
			if _, err := update.Exec(drivertest.Numbered(i+1), i+1); err != nil {
				t.Fatalf("%s: %v", ddl, err)
			}
			for attempt := range 2 {
				rows, err := star.Query(i + 1)
				if errors.Is(err, driver.ErrSchemaMismatch) && attempt == 0 && !own {
					continue // noticed by its result
				}
				if err != nil {
					t.Fatalf("%s: %v", ddl, err)
				}
				cols, err := rows.Columns()
				if err != nil {
					t.Fatal(err)
				}
				row := make([]any, len(cols))
				to := make([]any, len(cols))
				for i := range row {
					to[i] = &row[i]
				}
				for rows.Next() {
					if err := rows.Scan(to...); err != nil {
						t.Fatal(err)
					}
				}
				if err := rows.Err(); err != nil {
					t.Fatal(err)
				}
				rows.Close()
				found := false
				for i, c := range cols {
					found = found || c == "email" && fmt.Sprint(row[i]) != ""
					if c == "email" && row[i] != drivertest.Numbered(int(row[indexOf(cols, "id")].(int64))) {
						t.Errorf("%s: email %v", ddl, row[i])
					}
				}
				if !found {
					t.Errorf("%s: no email among %v", ddl, cols)
				}
			}
		}
		d.noLeak(t)
	}
}

func indexOf(list []string, s string) int {
	for i := range list {
		if list[i] == s {
			return i
		}
	}
	return -1
}

// Rows that are cancelled, or given up, in their middle: the error is the context's, and the pool goes on.
func TestRowsAreCancelledInTheirMiddle(t *testing.T) {
	quiet(t)
	for _, way := range []string{"interpolateParams=true", "interpolateParams=false"} {
		d := open(t, way)
		d.SetMaxOpenConns(2)
		for i := range 300 {
			mustExec(t, d, insertUser, i+1, "acme", drivertest.Numbered(i+1))
		}
		for _, after := range []int{0, 1, 150} {
			ctx, cancel := context.WithCancel(context.Background())
			rows, err := d.QueryContext(ctx, `SELECT a.email, SLEEP(0.01) FROM users a WHERE a.id > ?`, 0)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for n < after && rows.Next() {
				n++
			}
			cancel()
			for rows.Next() {
				n++
			}
			if err := rows.Err(); !errors.Is(err, context.Canceled) && n < 300 {
				t.Errorf("%s: after %d rows: %v", way, n, err)
			}
			rows.Close()
			rows, err = d.Query(`SELECT email FROM users WHERE id > ?`, 0)
			if err != nil {
				t.Fatal(err)
			}
			rows.Next()
			rows.Close() // given up
			drivertest.ReadNumbered(t, d.DB, 1000, 300)
		}
		// A deadline while the server is busy with the statement.
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := d.ExecContext(ctx, `UPDATE users SET email = ? WHERE tenant_id = ? AND SLEEP(5) = 0`, secret, "acme"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 4*time.Second {
			t.Errorf("%s: %v after %v", way, err, time.Since(start))
		}
	}
}

func TestOneConnectionAndItsTransactions(t *testing.T) {
	d := open(t)
	ctx := context.Background()
	conn := d.onOne(t)
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range []string{"a", "b", "c"} {
		mustExec(t, tx, `SAVEPOINT `+s)
		mustExec(t, tx, insertUser, i+1, s, drivertest.Numbered(i+1))
	}
	mustExec(t, tx, `ROLLBACK TO c`)
	mustExec(t, tx, `RELEASE SAVEPOINT b`)
	mustExec(t, tx, insertUser, 3, "c", drivertest.Numbered(3))
	mustExec(t, tx, `SAVEPOINT users`) // a savepoint of the table's name
	mustExec(t, tx, `UPDATE users SET email = ? WHERE id = ?`, drivertest.Numbered(3), 3)
	mustExec(t, tx, `ROLLBACK TO SAVEPOINT users`)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	drivertest.ReadNumbered(t, d.DB, 1000, 3)
	// The same sent as text.
	for _, q := range []string{`START TRANSACTION`, `SAVEPOINT s`, `INSERT INTO users (id, tenant_id, email) VALUES (4, 'text', 's3cr3t 4')`, `ROLLBACK TO s`, `INSERT INTO users (id, tenant_id, email) VALUES (4, 'text', 's3cr3t 4')`, `COMMIT AND CHAIN`, `INSERT INTO users (id, tenant_id, email) VALUES (5, 'text', 's3cr3t 5')`, `ROLLBACK`} {
		mustExecContext(t, ctx, conn, q)
	}
	drivertest.ReadNumbered(t, d.DB, 1000, 4)
	if got := one(t, ctx, d.plain, `SELECT count(*) FROM users`); got != "4" {
		t.Errorf("%s rows", got)
	}
}

// Cursors over a table that is changed meanwhile, and statements on a connection whose rows are open, end as with
// the bare driver.
func TestAStatementBesideOpenRows(t *testing.T) {
	quiet(t)
	d := open(t)
	for i := range 50 {
		mustExec(t, d, insertUser, i+1, "acme", drivertest.Numbered(i+1))
	}
	try := func(db *sql.DB) string {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		rows, err := tx.Query(`SELECT id, email FROM users`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		rows.Next()
		_, err = tx.Exec(`INSERT INTO users (tenant_id, email) VALUES (?, ?)`, "acme", "x")
		return fmt.Sprint(err)
	}
	if w, b := try(d.DB), try(openPlain(t, d.dsn)); w != b {
		t.Errorf("%s, bare %s", w, b)
	}
}

// MariaDB answers a DELETE … RETURNING whose condition it finds impossible without a result set.
func TestReturningWithAConditionThatCannotBeMet(t *testing.T) {
	eachWay(t, func(t *testing.T, d *database) {
		if _, err := d.Exec(insertUser, 1, "acme", drivertest.Numbered(1)); err != nil {
			t.Fatal(err)
		}
		for _, q := range []string{
			`DELETE FROM users WHERE tenant_id = 'a' AND tenant_id = 'b' RETURNING id, email`,
			`DELETE FROM users WHERE 1 = 0 RETURNING *`,
		} {
			rows, err := d.Query(q)
			if err != nil {
				t.Errorf("%s: %v", q, err)
				continue
			}
			if rows.Next() {
				t.Errorf("%s: a row", q)
			}
			if err := rows.Err(); err != nil {
				t.Errorf("%s: %v", q, err)
			}
			rows.Close()
		}
		var email string
		if err := d.QueryRow(`DELETE FROM users WHERE id = ? RETURNING email`, 1).Scan(&email); err != nil || email != drivertest.Numbered(1) {
			t.Errorf("%q, %v", email, err)
		}
	})
}
