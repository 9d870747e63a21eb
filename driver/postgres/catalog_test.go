package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/driver"
)

// Each table is set up wrong; the error names the place, and running the DDL that it ends with, or what is
// given, makes the connection work.
func TestTheCatalogueIsCheckedAtTheFirstConnection(t *testing.T) {
	d := open(t)
	for _, c := range []struct {
		name, ddl string
		want      []string // of the error; its last part from "ALTER", "DROP" or "CREATE" on is run
	}{
		{"missing column", `CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email TEXT)`, []string{"accounts.age", "ALTER TABLE accounts ADD COLUMN age TEXT"}},
		{"too narrow", `CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email VARCHAR(255), age TEXT)`, []string{"accounts.email", "varchar(255)", "ALTER TABLE public.accounts ALTER COLUMN email TYPE text"}},
		{"too narrow for a number", `CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email TEXT, age VARCHAR(40))`, []string{"accounts.age", "ALTER TABLE public.accounts ALTER COLUMN age TYPE text"}},
		{"a domain that is too narrow", `CREATE DOMAIN short AS VARCHAR(80); CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email short, age TEXT)`, []string{"accounts.email", "ALTER TABLE public.accounts ALTER COLUMN email TYPE text"}},
		{"blank-padded", `CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email CHAR(2000), age TEXT)`, []string{"accounts.email", "bpchar", "ALTER TABLE"}},
		{"a number", `CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email TEXT, age INTEGER)`, []string{"accounts.age", "int4", "ALTER TABLE public.accounts ALTER COLUMN age TYPE text USING CAST(age AS text)"}},
		{"default", `CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email TEXT DEFAULT 'nobody@example.com', age TEXT)`, []string{"accounts.email", "default", "ALTER TABLE public.accounts ALTER COLUMN email DROP DEFAULT"}},
		{"generated", `CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email TEXT GENERATED ALWAYS AS (tenant_id || '@x') STORED, age TEXT)`, []string{"accounts.email", "generated", "ALTER TABLE public.accounts ALTER COLUMN email DROP EXPRESSION"}},
		{"unique constraint", `CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email TEXT UNIQUE, age TEXT)`, []string{"accounts.email", "unique index accounts_email_key", "ALTER TABLE public.accounts DROP CONSTRAINT accounts_email_key"}},
		{"unique index of several", `CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email TEXT, age TEXT); CREATE UNIQUE INDEX "One Each" ON accounts (tenant_id, email)`, []string{"accounts.email", `DROP INDEX public."One Each"`}},
		{"partial unique index", `CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email TEXT, age TEXT); CREATE UNIQUE INDEX ux ON accounts (email) WHERE id > 3`, []string{"DROP INDEX public.ux"}},
		{"partition of another type", `CREATE TABLE accounts (id BIGINT, tenant_id INTEGER, email TEXT, age TEXT)`, []string{"tenant_id", "int4"}},
		{"padded partition", `CREATE TABLE accounts (id BIGINT, tenant_id CHAR(10), email TEXT, age TEXT)`, []string{"tenant_id", "bpchar"}},
		{"no partition column", `CREATE TABLE accounts (id BIGINT, email TEXT, age TEXT)`, []string{"no partition column tenant_id"}},
		{"view", `CREATE TABLE real_accounts (id BIGINT, tenant_id TEXT, email TEXT, age TEXT); CREATE VIEW accounts AS SELECT * FROM real_accounts`, []string{"accounts is a view"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			mustExec(t, d.plain, c.ddl)
			defer mustExec(t, d.plain, `DROP VIEW IF EXISTS v`)
			defer func() {
				for _, q := range []string{`DROP VIEW accounts`, `DROP TABLE accounts`, `DROP TABLE real_accounts`, `DROP DOMAIN short`} {
					d.plain.Exec(q) // some of them is there
				}
			}()
			db := connect(t, d.dsn, config(t, account{}))
			err := db.Ping()
			if !errors.Is(err, driver.ErrSchemaMismatch) {
				t.Fatalf("got %v", err)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q isn't in: %v", w, err)
				}
			}
			// The remedy works.
			last := c.want[len(c.want)-1]
			if strings.HasPrefix(last, "ALTER TABLE ") && len(last) > 12 || strings.HasPrefix(last, "DROP ") {
				mustExec(t, d.plain, last)
				if err := db.Ping(); err != nil {
					t.Errorf("after %s: %v", last, err)
				}
			}
			cfg := config(t, account{})
			cfg.SkipVerify = true
			if err := connect(t, d.dsn, cfg).Ping(); err != nil {
				t.Errorf("with asherah_verify=off: %v", err)
			}
		})
	}
}

func TestWideEnoughTypesPass(t *testing.T) {
	d := open(t)
	mustExec(t, d.plain, `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(20), email VARCHAR(2000) DEFAULT NULL, age VARCHAR(1000))`)
	db := connect(t, d.dsn, config(t, account{}))
	mustExec(t, db, `INSERT INTO accounts VALUES (1, 'acme', $1, $2)`, strings.Repeat("x", 500), 1<<62)
	if got := one(t, context.Background(), db, `SELECT age FROM accounts`); got != "4611686018427387904" {
		t.Error(got)
	}
}

func TestViewsAndChildrenAreReportedOnce(t *testing.T) {
	d := open(t)
	mustExec(t, d.plain, `CREATE VIEW user_names AS SELECT id, email FROM users`)
	mustExec(t, d.plain, `CREATE TABLE old_users () INHERITS (users)`)
	mustExec(t, d.plain, `CREATE VIEW unrelated AS SELECT 1 AS n`)
	var log bytes.Buffer
	cfg := config(t)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	db := connect(t, d.dsn, cfg)
	for range 3 {
		mustExec(t, db, insertUser, 1, "acme", secret)
		mustExec(t, db, `DELETE FROM users`)
		mustExec(t, db, `ALTER TABLE users ADD COLUMN IF NOT EXISTS more TEXT`)
	}
	for _, want := range []string{"view public.user_names", "child table public.old_users"} {
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%q is reported %d times:\n%s", want, n, log.String())
		}
	}
	if strings.Contains(log.String(), "unrelated") {
		t.Error(log.String())
	}
}

func TestATableMadeLaterIsCheckedAtItsFirstUse(t *testing.T) {
	d := open(t)
	db := connect(t, d.dsn, config(t, account{}))
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, d.plain, `CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email VARCHAR(20), age TEXT)`)
	if _, err := db.Exec(`INSERT INTO accounts VALUES (1, 'acme', 'x', 1)`); !errors.Is(err, driver.ErrSchemaMismatch) {
		t.Errorf("got %v", err)
	}
	mustExec(t, d.plain, `ALTER TABLE accounts ALTER COLUMN email TYPE text`)
	mustExec(t, db, `INSERT INTO accounts VALUES (1, 'acme', 'x', 1)`)
}

// An INSERT without a column list goes by the columns of this moment, whoever changed them.
func TestInsertWithoutAListFollowsTheTable(t *testing.T) {
	d := open(t)
	mustExec(t, d.plain, `CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email TEXT, age TEXT)`)
	db := connect(t, d.dsn, config(t, account{}))
	const insert = `INSERT INTO accounts VALUES ($1, $2, $3, $4)`
	mustExec(t, db, insert, 1, "acme", secret, 41)
	mustExec(t, d.plain, `DROP TABLE accounts`)
	mustExec(t, d.plain, `CREATE TABLE accounts (email TEXT, id BIGINT, age TEXT, tenant_id TEXT)`)
	mustExec(t, db, insert, secret, 2, 42, "acme")
	if got := one(t, context.Background(), d.plain, `SELECT count(*) FROM accounts WHERE email LIKE 'ash1.%' AND age LIKE 'ash1.%' AND tenant_id = 'acme' AND id = 2`); got != "1" {
		t.Errorf("%s rows as they should be", got)
	}
	if got := one(t, context.Background(), db, `SELECT email FROM accounts`); got != secret {
		t.Error(got)
	}
	// SELECT * as well.
	rows, err := db.Query(`SELECT * FROM accounts`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	mustExec(t, d.plain, `ALTER TABLE accounts DROP COLUMN age`)
	mustExec(t, d.plain, `ALTER TABLE accounts ADD COLUMN age TEXT`)
	again, err := db.Query(`SELECT * FROM accounts`)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if cols, err := again.Columns(); err != nil || strings.Join(cols, " ") != "email id tenant_id age" {
		t.Errorf("columns %v, %v", cols, err)
	}
}

func TestNamesInOtherSchemasAndCases(t *testing.T) {
	type Thing struct {
		ID       int64
		TenantID string
		Note     string `encrypt:"tenant_id"`
	}
	d := open(t)
	mustExec(t, d.plain, `CREATE SCHEMA "App"`)
	mustExec(t, d.plain, `CREATE TABLE "App"."Things" (id BIGINT, tenant_id TEXT, note TEXT)`)
	db := connect(t, with(d.dsn, "search_path", `"App"`), config(t, Thing{}))
	mustExec(t, db, `INSERT INTO "Things" (id, tenant_id, note) VALUES (1, 'acme', $1)`, secret)
	mustExec(t, db, `INSERT INTO "App"."Things" VALUES (2, 'acme', $1)`, secret)
	if got := one(t, context.Background(), d.plain, `SELECT count(*) FROM "App"."Things" WHERE note LIKE 'ash1.%'`); got != "2" {
		t.Errorf("%s rows are sealed", got)
	}
	if got := one(t, context.Background(), db, `SELECT note FROM "App"."Things" WHERE id = 2`); got != secret {
		t.Error(got)
	}
}
