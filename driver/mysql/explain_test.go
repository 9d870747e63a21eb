package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/tags"
)

func TestExplain(t *testing.T) {
	schema := config(t).Schema
	for query, want := range map[string][]string{
		`SELECT 1`:                  {"passes through"},
		"SELECT `email` FROM users": {"sent: SELECT `email`, `users`.`tenant_id` FROM users", "output 1: opened as users.email, verified against tenant_id", "output 2: added and trimmed"},
		`INSERT INTO users SET id = 1, tenant_id = ?, email = "it\"s s3cr3t"`:                                   {`email = «users.email»`, "literal at byte 53: sealed for users.email, partition: the row's tenant_id"},
		`UPDATE users SET email = ? WHERE id = ?`:                                                               {"placeholder 1 at byte 25: sealed for users.email, partition: tenant_id of the rows that match", "asked first, unless the WHERE tells it: SELECT DISTINCT", "FOR UPDATE"},
		`INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE name = VALUES(name)`: {"placeholder 3"},
		`SELECT email FROM users; SELECT age FROM users`:                                                        {"opened as users.email", "opened as users.age"},
	} {
		e, err := driver.Explain(schema, dialect.MySQL, query)
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		for _, w := range want {
			if !strings.Contains(e.String(), w) {
				t.Errorf("%s: %q isn't in\n%s", query, w, e)
			}
		}
		if strings.Contains(e.String(), secret) {
			t.Errorf("%s: a literal is shown:\n%s", query, e)
		}
	}
	_, err := driver.Explain(schema, dialect.MySQL, `INSERT IGNORE INTO users (tenant_id, email) VALUES ('acme', 's3cr3t')`)
	if refused := (*driver.RefusedError)(nil); !errors.As(err, &refused) || refused.Column != "email" || refused.Remedy == "" || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v", err)
	}
}

// An update in a transaction with a snapshot changes rows that are newer than it; the look-up of their partition
// sees them as well.
func TestALookUpSeesWhatTheUpdateChanges(t *testing.T) {
	d := open(t)
	ctx := context.Background()
	mustExec(t, d, insertUser, 1, "acme", "old-"+secret)
	tx, err := d.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	if got := one(t, ctx, tx, `SELECT count(*) FROM users`); got != "1" { // the snapshot is taken
		t.Fatal(got)
	}
	mustExec(t, d, insertUser, 2, "newer", "old-"+secret)
	mustExec(t, d, `DELETE FROM users WHERE id = 1`)
	mustExec(t, d, insertUser, 1, "moved", "old-"+secret)
	for id := 1; id <= 2; id++ {
		res, err := tx.Exec(`UPDATE users SET email = ? WHERE id = ?`, "new-"+secret, id)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := res.RowsAffected(); n != 1 || err != nil {
			t.Errorf("row %d: %d changed, %v", id, n, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	for id := 1; id <= 2; id++ {
		if got := d.afresh(t, id); got != "new-"+secret {
			t.Errorf("row %d: %q", id, got)
		}
	}
}

// Records of Asherah's own format hold quotes and backslashes.
func TestTheAsherahFormat(t *testing.T) {
	for _, mode := range []string{"STRICT_ALL_TABLES", "STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES,ANSI_QUOTES"} {
		for _, way := range []string{"interpolateParams=true", "interpolateParams=false"} {
			d := open(t)
			cfg := config(t)
			cfg.Format = tags.FormatAsherah
			db := connect(t, with(d.dsn, way, "sql_mode=%27"+mode+"%27"), cfg)
			ctx := context.Background()
			const odd = `a&b<c>'d"\e`
			mustExec(t, db, insertUser, 1, odd, "arg-"+secret)
			if !strings.Contains(mode, "NO_BACK") {
				mustExec(t, db, `INSERT INTO users (id, tenant_id, email) VALUES (2, 'a&b<c>''d"\\e', 'lit-s3cr3t')`)
			} else {
				mustExec(t, db, `INSERT INTO users (id, tenant_id, email) VALUES (2, 'a&b<c>''d"`+"\\"+`e', 'lit-s3cr3t')`)
			}
			for id, want := range map[int]string{1: "arg-" + secret, 2: "lit-" + secret} {
				if got := one(t, ctx, db, `SELECT email FROM users WHERE id = ? AND tenant_id = ?`, id, odd); got != want {
					t.Errorf("%s: %s: row %d: %q", mode, way, id, got)
				}
			}
			d.noLeak(t)
		}
	}
}
