package driver_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/driver/sqlite"
)

func TestSealerMakesWhatTheDriverReads(t *testing.T) {
	db := open(t)
	cfg := config(t)
	c, err := sqlite.NewConnector(db.path+"?"+pragmas, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx := tenant("acme")
	s, err := asherah.NewSealer(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	row := map[string]any{"tenant_id": "acme"}
	seal := func(column string, row, value any) any {
		t.Helper()
		v, err := s.Seal(ctx, "users", column, row, value)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	_, err = db.plain.Exec(`INSERT INTO users VALUES (1, 'acme', 'ann', ?, ?, ?)`, seal("email", row, secret), seal("ssn", nil, ptr(secret)), seal("age", user{TenantID: "acme"}, 41))
	if err != nil {
		t.Fatal(err)
	}
	if got := dump(t, ctx, db, `SELECT email, ssn, age FROM users`); got != "s3cr3t|s3cr3t|41\n" {
		t.Error(got)
	}
	if v := seal("email", row, nil); v != nil {
		t.Errorf("NULL gives %v", v)
	}
	db.mustExec(t, ctx, `UPDATE users SET email = ?, age = ? WHERE id = 1`, secret+"2", 42)
	var email, age string
	if err := db.plain.QueryRow(`SELECT email, age FROM users`).Scan(&email, &age); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Open(ctx, "users", "email", row, email); err != nil || v != secret+"2" {
		t.Errorf("%v, %v", v, err)
	}
	if v, err := s.Open(ctx, "users", "age", nil, []byte(age)); err != nil || v != int64(42) {
		t.Errorf("%v, %v", v, err)
	}
	for _, c := range []struct {
		column string
		row    any
		stored any
		want   error
	}{
		{"age", row, email, asherah.ErrMoved},
		{"email", map[string]any{"tenant_id": "globex"}, email, asherah.ErrPartitionMismatch},
		{"email", row, "s3cr3t", asherah.ErrPlaintext},
		{"email", row, int64(7), asherah.ErrPlaintext},
		{"email", map[string]any{"id": 1}, email, asherah.ErrNoPartition},
	} {
		_, err := s.Open(ctx, "users", c.column, c.row, c.stored)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.column, err, c.want)
		}
		noSecret(t, err)
	}
	if _, err := s.Seal(ctx, "users", "email", nil, secret); !errors.Is(err, asherah.ErrNoPartition) {
		t.Errorf("no row: %v", err)
	}
	if _, err := s.Seal(ctx, "users", "name", row, secret); err == nil || !strings.Contains(err.Error(), "users.name: no such encrypted column") {
		t.Errorf("not encrypted: %v", err)
	}
	if _, err := s.Seal(ctx, "users", "age", row, secret); err == nil {
		t.Error("text for a number was sealed")
	} else {
		noSecret(t, err)
	}
}

func TestExplain(t *testing.T) {
	s := schemaOf(t, user{})
	e, err := asherah.Explain(s, dialect.SQLite, `INSERT INTO users (tenant_id, email, ssn) VALUES (?, 's3cr3t', ?) RETURNING email`)
	if err != nil {
		t.Fatal(err)
	}
	text := e.String()
	for _, want := range []string{"«users.email»", "sealed for users.ssn, partition: in force", "partition: the row's tenant_id", "verified against tenant_id", "added and trimmed"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q isn't in\n%s", want, text)
		}
	}
	if strings.Contains(text, secret) {
		t.Errorf("a literal is shown:\n%s", text)
	}
	if e, err = asherah.Explain(s, dialect.SQLite, `SELECT 1`); err != nil || !e.PassThrough {
		t.Errorf("%+v, %v", e, err)
	}
	if e, err = asherah.Explain(s, dialect.SQLite, `SELECT * FROM users`); err != nil || len(e.Outputs) != 6 || e.Outputs[3].Column != "email" {
		t.Errorf("%+v, %v", e, err)
	}
	_, err = asherah.Explain(s, dialect.SQLite, `SELECT id FROM users WHERE email = ?`)
	var r *asherah.RefusedError
	if !errors.As(err, &r) || r.Column != "email" || r.Offset == 0 {
		t.Errorf("err = %v", err)
	}
	// What a backslash means depends on a setting of the connection; the usual one is assumed.
	const backslash = `UPDATE users SET email = 'a\', name = 'b' WHERE tenant_id = 'acme'`
	if e, err = asherah.Explain(s, dialect.Postgres, backslash); err != nil || len(e.Values) != 1 || e.Values[0].Column != "email" {
		t.Errorf("%+v, %v", e, err)
	}
}
