package drivertest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
)

// Execer is a *sql.DB, *sql.Tx or *sql.Conn.
type Execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// MustExec is MustExecContext without a context.
func MustExec(t testing.TB, db Execer, query string, args ...any) {
	t.Helper()
	MustExecContext(t, context.Background(), db, query, args...)
}

// MustExecContext executes a statement and ends the test when it fails.
func MustExecContext(t testing.TB, ctx context.Context, db Execer, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(ctx, query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// One reads one value as text; "NULL" for NULL.
func One(t testing.TB, ctx context.Context, db Execer, query string, args ...any) string {
	t.Helper()
	var v any
	if err := db.QueryRowContext(ctx, query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(v)
	}
	return fmt.Sprint(v)
}

// NoSecret searches the rows of a query, each of one column of text, for the secret. There must be some.
func NoSecret(t testing.TB, db *sql.DB, query string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var row string
		if err := rows.Scan(&row); err != nil {
			t.Fatal(err)
		}
		n++
		if strings.Contains(row, Secret) {
			t.Errorf("stored in the clear: %s", row)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Error("no row is there to be searched")
	}
}

// Numbered is the email that ReadNumbered expects in the row of an id.
func Numbered(id int) string { return fmt.Sprintf("%s %d", Secret, id) }

// ReadNumbered reads the users, whose emails are Numbered by the remainder of their ids, and checks that there are at
// least so many.
func ReadNumbered(t testing.TB, db *sql.DB, modulo, atLeast int) {
	t.Helper()
	rows, err := db.Query(`SELECT id, email FROM users`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var id int
		var email string
		if err := rows.Scan(&id, &email); err != nil {
			t.Fatal(err)
		}
		n++
		if email != Numbered(id%modulo) {
			t.Errorf("row %d: %q", id, email)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if n < atLeast {
		t.Errorf("%d rows, want %d at least", n, atLeast)
	}
}
