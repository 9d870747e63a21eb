package doctest

import (
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/driver/sqlite"
	"github.com/asherah-sql/asherah-sql/tags"
)

// TestSecurityTable does what docs/security.md says that somebody with write access may do, and expects
// what it says that the program gets. Each line of the table has a case, found by its first words.
func TestSecurityTable(t *testing.T) {
	cases := []struct {
		line   string // how the line of the table begins
		tamper string // run with the plain driver
		args   func(email string) []any
		tenant string // of the context, "" for none
		want   []error
	}{
		{line: "copies a value to another column", tamper: "UPDATE users SET ssn = (SELECT email FROM users WHERE id = 1) WHERE id = 1", tenant: "acme", want: []error{driver.ErrMoved}},
		{line: "copies a value to another tenant", tamper: "UPDATE users SET email = (SELECT email FROM users WHERE id = 2) WHERE id = 1", tenant: "acme", want: []error{driver.ErrMoved, driver.ErrPartitionMismatch}},
		{line: "changes bits", tamper: "UPDATE users SET email = ? WHERE id = 1", args: flipped, tenant: "acme", want: []error{driver.ErrMoved}},
		{line: "changes bits", tamper: "UPDATE users SET email = substr(email, 1, 60) WHERE id = 1", tenant: "acme", want: []error{driver.ErrMalformed}},
		{line: "replaces it by plaintext", tamper: "UPDATE users SET email = 'eve@evil.example' WHERE id = 1", tenant: "acme", want: []error{driver.ErrPlaintext}},
		{line: "reads a row of another tenant", tamper: "UPDATE users SET name = name", tenant: "globex", want: []error{driver.ErrPartitionMismatch}},
	}
	page := read(t, "docs/security.md")
	_, table, _ := strings.Cut(page, "what somebody with write access")
	table, _, _ = strings.Cut(table, "\n\n")
	lines := strings.Split(table, "\n")[2:]
	for _, l := range lines {
		covered := false
		for _, c := range cases {
			covered = covered || strings.HasPrefix(l, "| "+c.line)
		}
		if !covered {
			t.Errorf("no case for the line %q", l)
		}
	}
	for i, c := range cases {
		t.Run(fmt.Sprintf("%d %s", i+1, c.line), func(t *testing.T) {
			if !strings.Contains(table, "\n| "+c.line) {
				t.Errorf("docs/security.md has no line that begins with %q", c.line)
			}
			for _, want := range c.want {
				if !strings.Contains(table, errorName(want)) {
					t.Errorf("docs/security.md doesn't name %v", want)
				}
			}
			db, plain := tampered(t)
			var args []any
			if c.args != nil {
				var stored string
				if err := plain.QueryRow("SELECT email FROM users WHERE id = 1").Scan(&stored); err != nil {
					t.Fatal(err)
				}
				args = c.args(stored)
			}
			if _, err := plain.Exec(c.tamper, args...); err != nil {
				t.Fatal(err)
			}
			ctx := t.Context()
			if c.tenant != "" {
				ctx = driver.WithPartition(ctx, c.tenant)
			}
			var email, ssn string
			err := db.QueryRowContext(ctx, "SELECT email, ssn FROM users WHERE id = 1").Scan(&email, &ssn)
			for _, want := range c.want {
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			}
			if err != nil && (strings.Contains(err.Error(), "ada@") || strings.Contains(err.Error(), "evil")) {
				t.Errorf("the error tells a value: %v", err)
			}
		})
	}
}

func errorName(err error) string {
	for name, e := range map[string]error{
		"ErrMoved": driver.ErrMoved, "ErrPartitionMismatch": driver.ErrPartitionMismatch,
		"ErrMalformed": driver.ErrMalformed, "ErrPlaintext": driver.ErrPlaintext,
	} {
		if errors.Is(err, e) {
			return "`" + name + "`"
		}
	}
	return err.Error()
}

// flipped changes one bit in the last byte of a record.
func flipped(stored string) []any {
	body, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(stored, "ash1."))
	if err != nil {
		return []any{err.Error()}
	}
	body[len(body)-1] ^= 1
	return []any{"ash1." + base64.RawURLEncoding.EncodeToString(body)}
}

// tampered returns a database with one row of each of two tenants, as the program and as the plain driver has it.
func tampered(t *testing.T) (db, plain *sql.DB) {
	t.Helper()
	file := "file:" + filepath.ToSlash(filepath.Join(t.TempDir(), "users.db"))
	plain, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plain.Close() })
	if _, err := plain.Exec("CREATE TABLE users (id INTEGER PRIMARY KEY, tenant_id TEXT, name TEXT, email TEXT, ssn TEXT)"); err != nil {
		t.Fatal(err)
	}
	schema, err := tags.NewSchema(User{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := sqlite.NewConnector(file, driver.Config{Service: "shop", Product: "web", KMSName: "insecure-test", Schema: schema})
	if err != nil {
		t.Fatal(err)
	}
	db = sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	for id, tenant := range map[int]string{1: "acme", 2: "globex"} {
		ctx := driver.WithPartition(t.Context(), tenant)
		if _, err := db.ExecContext(ctx, "INSERT INTO users (id, tenant_id, name, email, ssn) VALUES (?, ?, 'n', 'ada@example.org', '078-05-1120')", id, tenant); err != nil {
			t.Fatal(err)
		}
	}
	return db, plain
}
