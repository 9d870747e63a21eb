package driver_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/tags"
)

type payment struct {
	ID       int64
	TenantID string
	Email    string `encrypt:"tenant_id"`
}

func twoTables(c *asherah.Config) { c.Schema, _ = tags.NewSchema(user{}, payment{}) }

// readErr reads all rows and returns the error that ended it.
func readErr(t *testing.T, ctx context.Context, db *database, query string) error {
	t.Helper()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	out, err := render(rows)
	noSecret(t, err)
	if err != nil && strings.Contains(out, "ash1.") {
		t.Errorf("ciphertext reached the program: %s", out)
	}
	return err
}

func TestMovedValuesAreNoticed(t *testing.T) {
	setup := []string{
		`CREATE TABLE payments (id INTEGER PRIMARY KEY, tenant_id TEXT, email TEXT)`,
	}
	for name, c := range map[string]struct {
		move, read string
		want       error
	}{
		"to another column":            {`UPDATE users SET age = email WHERE id = 1`, `SELECT age FROM users`, asherah.ErrMoved},
		"to another tenant's row":      {`UPDATE users SET email = (SELECT email FROM users WHERE id = 1) WHERE id = 2`, `SELECT email FROM users WHERE id = 2`, asherah.ErrMoved},
		"to another table":             {`INSERT INTO payments (tenant_id, email) SELECT tenant_id, email FROM users`, `SELECT email FROM payments`, asherah.ErrMoved},
		"with the tenant rewritten":    {`UPDATE users SET tenant_id = 'globex' WHERE id = 1`, `SELECT email FROM users WHERE id = 1`, asherah.ErrMoved},
		"with the tenant nulled":       {`UPDATE users SET tenant_id = NULL WHERE id = 1`, `SELECT email FROM users WHERE id = 1`, asherah.ErrNoPartition},
		"one character changed":        {`UPDATE users SET email = substr(email, 1, length(email) - 3) || 'AAA' WHERE id = 1`, `SELECT email FROM users WHERE id = 1`, asherah.ErrMoved},
		"cut":                          {`UPDATE users SET email = substr(email, 1, 40) WHERE id = 1`, `SELECT email FROM users WHERE id = 1`, asherah.ErrMalformed},
		"plaintext":                    {`UPDATE users SET email = 's3cr3t' WHERE id = 1`, `SELECT email FROM users WHERE id = 1`, asherah.ErrPlaintext},
		"a number":                     {`UPDATE users SET email = 7 WHERE id = 1`, `SELECT email FROM users WHERE id = 1`, asherah.ErrPlaintext},
		"through a derived table":      {`UPDATE users SET age = email WHERE id = 1`, `SELECT x FROM (SELECT age AS x FROM users)`, asherah.ErrMoved},
		"value of another's partition": {`UPDATE users SET ssn = (SELECT ssn FROM users WHERE id = 2) WHERE id = 1`, `SELECT ssn FROM users WHERE id = 1`, asherah.ErrPartitionMismatch},
		"its key lost":                 {`DELETE FROM encryption_key`, `SELECT email FROM users WHERE id = 1`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, twoTables)
			for _, q := range setup {
				if _, err := db.plain.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			db.mustExec(t, tenant("acme"), `INSERT INTO users (id, tenant_id, email, ssn) VALUES (1, 'acme', ?, ?)`, secret, secret)
			db.mustExec(t, tenant("globex"), `INSERT INTO users (id, tenant_id, email, ssn) VALUES (2, 'globex', ?, ?)`, secret, secret)
			if _, err := db.plain.Exec(c.move); err != nil {
				t.Fatal(err)
			}
			ctx := context.Background()
			if strings.Contains(c.read, "ssn") {
				ctx = tenant("acme")
			}
			err := readErr(t, ctx, db, c.read)
			if !errors.Is(err, c.want) {
				t.Errorf("err = %v, want %v", err, c.want)
			}
			if c.want != nil && !strings.Contains(err.Error(), "row 1") {
				t.Errorf("the error doesn't name the row: %v", err)
			}
		})
	}
}

func TestAnotherTenantsContextCannotRead(t *testing.T) {
	db := open(t)
	db.mustExec(t, tenant("acme"), `INSERT INTO users (id, tenant_id, email, ssn) VALUES (1, 'acme', ?, ?)`, secret, secret)
	for _, q := range []string{`SELECT email FROM users`, `SELECT ssn FROM users`, `SELECT * FROM users`, `SELECT e FROM (SELECT email AS e FROM users)`} {
		if err := readErr(t, tenant("globex"), db, q); !errors.Is(err, asherah.ErrPartitionMismatch) {
			t.Errorf("%s: %v, want ErrPartitionMismatch", q, err)
		}
	}
	if err := readErr(t, context.Background(), db, `SELECT ssn FROM users`); !errors.Is(err, asherah.ErrNoPartition) || !strings.Contains(err.Error(), "set asherah_partition or use driver.WithPartition") {
		t.Errorf("no partition: %v", err)
	}
	if err := readErr(t, tenant(""), db, `SELECT ssn FROM users`); !errors.Is(err, asherah.ErrNoPartition) {
		t.Errorf("empty partition: %v", err)
	}
	if _, err := db.Exec(`INSERT INTO users (ssn) VALUES (?)`, secret); !errors.Is(err, asherah.ErrNoPartition) {
		t.Errorf("insert: %v", err)
	}
	if _, err := db.Exec(`INSERT INTO users (tenant_id, email) VALUES (?, ?)`, "", secret); !errors.Is(err, asherah.ErrNoPartition) || !strings.Contains(err.Error(), "tenant_id") {
		t.Errorf("empty tenant: %v", err)
	}
	if _, err := db.ExecContext(tenant("globex"), `INSERT INTO users (tenant_id, email) VALUES (?, ?)`, "acme", secret); !errors.Is(err, asherah.ErrPartitionMismatch) {
		t.Errorf("insert for another tenant: %v", err)
	}
}

func TestUnpinnedReadsCanBeRefused(t *testing.T) {
	db := open(t, func(c *asherah.Config) { c.RefuseUnpinned = true })
	db.mustExec(t, tenant("acme"), `INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme', ?)`, secret)
	_, err := db.Query(`SELECT email FROM users UNION ALL SELECT email FROM users`)
	var r *asherah.RefusedError
	if !errors.As(err, &r) || !strings.Contains(r.Rule, "asherah_unpinned=refuse") || r.Column != "email" {
		t.Errorf("err = %v", err)
	}
	if got := dump(t, context.Background(), db, `SELECT email FROM users`); got != secret+"\n" {
		t.Error(got)
	}
}

func TestFormatAsherah(t *testing.T) {
	db := open(t, func(c *asherah.Config) { c.Format = tags.FormatAsherah })
	db.mustExec(t, tenant("acme"), `INSERT INTO users (id, tenant_id, email, ssn, age) VALUES (1, 'acme', ?, 's3cr3t', 42)`, secret)
	stored := dump(t, context.Background(), db.plain, `SELECT email FROM users`)
	if !strings.HasPrefix(stored, `{"Key":{"Created":`) || !strings.Contains(stored, `"ParentKeyMeta":{"KeyId":"_IK_acme_shop_web"`) {
		t.Errorf("stored %s", stored)
	}
	if got := dump(t, tenant("acme"), db, `SELECT email, ssn, age FROM users`); got != "s3cr3t|s3cr3t|42\n" {
		t.Error(got)
	}
	if _, err := db.plain.Exec(`UPDATE users SET tenant_id = 'globex'`); err != nil {
		t.Fatal(err)
	}
	if err := readErr(t, context.Background(), db, `SELECT email FROM users`); !errors.Is(err, asherah.ErrPartitionMismatch) {
		t.Errorf("err = %v", err)
	}
	db.sealed(t)
}

// A query of several statements delivers one result. Where that isn't the one to be opened, nothing is sent.
func TestAQueryWhoseResultWouldNotBeDeliveredIsRefused(t *testing.T) {
	db := open(t)
	ctx := tenant("acme")
	db.mustExec(t, ctx, insert, 1, "acme", secret)
	_, err := db.QueryContext(ctx, `SELECT email FROM users; UPDATE users SET name = 'changed'`)
	if !errors.Is(err, asherah.ErrRefused) {
		t.Errorf("got %v", err)
	}
	if got := dump(t, ctx, db.plain, `SELECT coalesce(name, 'as it was') FROM users`); got != "as it was\n" {
		t.Errorf("the refused text was sent: %q", got)
	}
	if got := dump(t, ctx, db.DB, `UPDATE users SET name = 'changed'; SELECT email FROM users`); got != secret+"\n" {
		t.Errorf("got %q", got)
	}
}
