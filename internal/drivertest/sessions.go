package drivertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Session is a database with the table users, for the tests below: what database/sql keeps for a program beyond one
// statement.
type Session struct {
	DB    *sql.DB // through the wrapper
	Plain *sql.DB
	// Numbered: placeholders are $1, $2, …; otherwise each is a question mark.
	Numbered bool
	// Slow is an expression that takes the server about ten milliseconds for each row; "" when there is none.
	Slow string
}

const insertUser = `INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?)`

func (s Session) bind(query string) string {
	for n := 1; s.Numbered && strings.Contains(query, "?"); n++ {
		query = strings.Replace(query, "?", fmt.Sprint("$", n), 1)
	}
	return query
}

// PreparedOnManyConnections: a prepared statement of a pool is prepared on each connection that it comes to, in
// transactions and on a single connection too.
func PreparedOnManyConnections(t *testing.T, s Session) {
	ctx := context.Background()
	insert, err := s.DB.Prepare(s.bind(insertUser))
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	read, err := s.DB.Prepare(s.bind(`SELECT email FROM users WHERE id = ?`))
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	check := func(read *sql.Stmt, id int) {
		var email string
		if err := read.QueryRow(id).Scan(&email); err != nil || email != Numbered(id) {
			t.Errorf("%d: %q, %v", id, email, err)
		}
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 25 {
				id := g*100 + i + 1
				if _, err := insert.Exec(id, fmt.Sprint("t", id%5), Numbered(id)); err != nil {
					t.Error(err)
					return
				}
				check(read, id)
			}
		})
	}
	wg.Wait()
	tx, err := s.DB.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Stmt(insert).Exec(2000, "tx", Numbered(2000)); err != nil {
		t.Error(err)
	}
	check(tx.Stmt(read), 2000)
	own, err := tx.Prepare(s.bind(`UPDATE users SET email = ? WHERE id = ?`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Exec(Numbered(1), 1); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if _, err := own.Exec(Numbered(1), 1); err == nil {
		t.Error("a statement outlives its transaction")
	}
	if err := read.QueryRow(2000).Scan(new(string)); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("a row that was taken back: %v", err)
	}
	conn, err := s.DB.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	on, err := conn.PrepareContext(ctx, s.bind(`SELECT email FROM users WHERE id = ?`))
	if err != nil {
		t.Fatal(err)
	}
	defer on.Close()
	check(on, 1)
	check(on, 2)
}

// Cancelled: rows that are cancelled or given up in their middle have the context's error, and the pool goes on.
func Cancelled(t *testing.T, s Session) {
	s.DB.SetMaxOpenConns(2)
	for i := range 300 {
		MustExec(t, s.DB, s.bind(insertUser), i+1, "acme", Numbered(i+1))
	}
	query := `SELECT a.email, a.id FROM users a WHERE a.id > ?`
	if s.Slow != "" {
		query = strings.Replace(query, "a.id", s.Slow, 1)
	}
	for _, after := range []int{0, 1, 40} {
		ctx, cancel := context.WithCancel(context.Background())
		rows, err := s.DB.QueryContext(ctx, s.bind(query), 0)
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
			t.Errorf("after %d rows: %v", n, err)
		}
		rows.Close()
		if rows, err = s.DB.Query(s.bind(`SELECT email FROM users WHERE id > ?`), 0); err != nil {
			t.Fatal(err)
		}
		rows.Next()
		rows.Close() // given up
		ReadNumbered(t, s.DB, 1000, 300)
	}
	if s.Slow == "" {
		return
	}
	// A deadline while the server is busy with the statement.
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := s.DB.ExecContext(ctx, s.bind(`UPDATE users SET email = ? WHERE tenant_id = ? AND `+s.Slow+` IS NOT NULL`), Secret, "acme"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 2500*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

// Nested: savepoints within savepoints on a connection's transaction, sent as text too.
func Nested(t *testing.T, s Session) {
	ctx := context.Background()
	conn, err := s.DB.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a", "b", "c"} {
		MustExec(t, tx, `SAVEPOINT `+name)
		MustExec(t, tx, s.bind(insertUser), i+1, name, Numbered(i+1))
	}
	MustExec(t, tx, `ROLLBACK TO c`)
	MustExec(t, tx, `RELEASE SAVEPOINT b`)
	MustExec(t, tx, s.bind(insertUser), 3, "c", Numbered(3))
	MustExec(t, tx, `SAVEPOINT users`) // a savepoint of the table's name
	MustExec(t, tx, s.bind(`UPDATE users SET email = ? WHERE id = ?`), "taken back", 3)
	MustExec(t, tx, s.bind(insertUser), 9, "only here", Numbered(9))
	MustExec(t, tx, `ROLLBACK TO SAVEPOINT users`)
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		`BEGIN`, `SAVEPOINT s`, `INSERT INTO users (id, tenant_id, email) VALUES (4, 'text', 's3cr3t 4')`, `ROLLBACK TO s`,
		`INSERT INTO users (id, tenant_id, email) VALUES (4, 'text', 's3cr3t 4')`, `COMMIT`,
		`BEGIN`, `INSERT INTO users (id, tenant_id, email) VALUES (5, 'gone', 's3cr3t 5')`, `ROLLBACK`,
		`INSERT INTO users (id, tenant_id, email) VALUES (6, 'gone', 's3cr3t 6')`,
	} {
		MustExecContext(t, ctx, conn, q)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	ReadNumbered(t, s.DB, 1000, 5)
	if got := One(t, ctx, s.Plain, `SELECT count(*) FROM users`); got != "5" {
		t.Errorf("%s rows", got)
	}
}

// Changed: prepared statements over a table that is changed, by the program itself and behind its back. ddl are the
// changes. Each statement goes on as a bare one does; what was sealed lies in its column, and a star has the
// columns of now.
func Changed(t *testing.T, s Session, behind bool, ddl ...string) {
	s.DB.SetMaxOpenConns(1)
	change := s.DB
	if behind {
		change = s.Plain
	}
	prepare := func(db *sql.DB, query string) *sql.Stmt {
		st, err := db.Prepare(s.bind(query))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		return st
	}
	const all = `SELECT u.* FROM users u WHERE id = ?`
	insert := prepare(s.DB, `INSERT INTO users (id, tenant_id, email) VALUES (?, 'acme', ?)`)
	update := prepare(s.DB, `UPDATE users SET email = ? WHERE id = ?`)
	star, bare := prepare(s.DB, all), prepare(s.Plain, all)
	for i, q := range ddl {
		MustExec(t, change, q)
		if _, err := insert.Exec(i+1, "new-"+Secret); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		_, err := update.Exec(Numbered(i+1), i+1)
		if err != nil && strings.Contains(err.Error(), "SQLSTATE 0A000") {
			// A look-up whose result has another type now, and which pgx has cached: it forgets it at the error.
			_, err = update.Exec(Numbered(i+1), i+1)
		}
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		_, bareErr := readRow(bare, i+1)
		row, err := readRow(star, i+1)
		if err != nil { // noticed by its result
			row, err = readRow(star, i+1)
		}
		if err != nil && bareErr != nil {
			// The server holds the bare driver's statement to its old columns, too: prepared anew, it works.
			if err := errors.Join(star.Close(), bare.Close()); err != nil {
				t.Fatal(err)
			}
			star, bare = prepare(s.DB, all), prepare(s.Plain, all)
			row, err = readRow(star, i+1)
		}
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		if row["email"] != Numbered(i+1) {
			t.Errorf("%s: email %v of %v", q, row["email"], row)
		}
		want, err := readRow(bare, i+1)
		if err != nil {
			t.Fatal(err)
		}
		if len(row) != len(want) {
			t.Errorf("%s: %d columns, want %d", q, len(row), len(want))
		}
	}
}

// readRow reads a row by its columns' names.
func readRow(st *sql.Stmt, id int) (map[string]any, error) {
	rows, err := st.Query(id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	row, to := make([]any, len(cols)), make([]any, len(cols))
	for i := range row {
		to[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		for i, c := range cols {
			out[c] = row[i]
		}
	}
	return out, rows.Err()
}
