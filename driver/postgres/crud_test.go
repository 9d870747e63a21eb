package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// execModes are pgx's ways to send a statement, as its connection strings name them.
var execModes = []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"}

// eachMode runs a test under each of them, over a URL and over key=value pairs in turn.
func eachMode(t *testing.T, f func(t *testing.T, d *database)) {
	srv := testserver.Postgres(t)
	ran := 0
	for i, mode := range execModes {
		t.Run(mode, func(t *testing.T) {
			own := testserver.Postgres(t)
			dsn := own.DSN("")
			if i%2 == 1 {
				dsn = keyValue(t, dsn)
			}
			f(t, openOn(t, own, with(dsn, "default_query_exec_mode", mode)))
			ran++
		})
	}
	_ = srv
	if ran != len(execModes) && !t.Failed() {
		t.Errorf("%d of %d modes ran", ran, len(execModes))
	}
}

func TestStatementsInEachExecMode(t *testing.T) {
	eachMode(t, func(t *testing.T, d *database) {
		ctx := tenant("inforce")
		acme := context.Background()
		d2 := d.DB
		mustExecContext(t, tenant("acme"), d2, `INSERT INTO users (id, tenant_id, name, email, ssn, age, born) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			1, "acme", "Ann", "ann-"+secret, "ssn-"+secret, 41, time.Date(1980, 2, 3, 4, 5, 6, 7000, time.UTC))
		if got := one(t, tenant("acme"), d2, `SELECT email FROM users WHERE id = $1`, 1); got != "ann-"+secret {
			t.Errorf("email: %q", got)
		}
		var u user
		if err := d2.QueryRowContext(tenant("acme"), `SELECT id, tenant_id, name, email, ssn, age, born FROM users WHERE id = $1`, 1).
			Scan(&u.ID, &u.TenantID, &u.Name, &u.Email, &u.SSN, &u.Age, &u.Born); err != nil {
			t.Fatal(err)
		}
		if *u.Email != "ann-"+secret || *u.SSN != "ssn-"+secret || *u.Age != 41 || !u.Born.Equal(time.Date(1980, 2, 3, 4, 5, 6, 7000, time.UTC)) {
			t.Errorf("%+v", u)
		}
		// Star, RETURNING, literals of each kind, casts, placeholders used twice.
		for _, q := range []struct {
			query string
			args  []any
			want  string
		}{
			{`INSERT INTO users (id, tenant_id, email) VALUES (2, 'acme', 'lit-s3cr3t') RETURNING email`, nil, "lit-s3cr3t"},
			{`INSERT INTO users (id, tenant_id, email) VALUES (3, 'acme', E'e\x2ds3cr3t\'') RETURNING email`, nil, "e-s3cr3t'"},
			{`INSERT INTO users (id, tenant_id, email) VALUES (4, 'acme', U&'u\002ds3cr3t') RETURNING email`, nil, "u-s3cr3t"},
			{`INSERT INTO users (id, tenant_id, email) VALUES (5, 'acme', $q$dollar 's3cr3t'$q$) RETURNING email`, nil, "dollar 's3cr3t'"},
			{`INSERT INTO users (id, tenant_id, email) VALUES (6, 'acme', 'ca'` + "\n" + `'st-s3cr3t'::text) RETURNING users.email AS e`, nil, "cast-s3cr3t"},
			{`INSERT INTO users (id, tenant_id, email, name) VALUES ($1, $2, $3::text, $2) RETURNING email`, []any{7, "acme", "seven-" + secret}, "seven-" + secret},
			{`UPDATE users SET email = $1 WHERE id = $2 AND tenant_id = $3 RETURNING email`, []any{"upd-" + secret, 7, "acme"}, "upd-" + secret},
			{`UPDATE users SET email = $1 WHERE id = $2 RETURNING email`, []any{"looked-" + secret, 7}, "looked-" + secret},
			{`INSERT INTO users (id, tenant_id, email) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET tenant_id = excluded.tenant_id, email = excluded.email, age = excluded.age, born = excluded.born RETURNING email`, []any{7, "acme", "up-" + secret}, "up-" + secret},
			{`SELECT email FROM users WHERE id = $1`, []any{7}, "up-" + secret},
			{`SELECT x.e FROM (SELECT email AS e, tenant_id, id FROM users) x WHERE x.id = $1`, []any{7}, "up-" + secret},
			{`WITH w AS (SELECT * FROM users WHERE id = $1) SELECT email FROM w`, []any{7}, "up-" + secret},
			{`SELECT count(email) FROM users WHERE email IS NOT NULL AND id = $1`, []any{7}, "1"},
		} {
			if got := one(t, acme, d2, q.query, q.args...); got != q.want {
				t.Errorf("%s: got %q, want %q", q.query, got, q.want)
			}
		}
		rows, err := d2.QueryContext(ctx, `SELECT * FROM users WHERE id = 7`)
		if err != nil {
			t.Fatal(err)
		}
		cols, err := rows.Columns()
		if err != nil || strings.Join(cols, " ") != "id tenant_id name email ssn age born" {
			t.Errorf("columns %v, %v", cols, err)
		}
		for rows.Next() { // a row of another tenant than the one in force
		}
		if err := rows.Err(); !errors.Is(err, driver.ErrPartitionMismatch) {
			t.Errorf("a row of another partition: %v", err)
		}
		rows.Close()
		// NULL stays NULL, through each way to say it.
		mustExecContext(t, ctx, d2, `INSERT INTO users (id, tenant_id, email, ssn) VALUES ($1, $2, $3, $4)`, 20, "acme", nil, (*string)(nil))
		mustExec(t, d2, `UPDATE users SET email = NULL, age = DEFAULT WHERE id = $1`, 20)
		if got := one(t, acme, d.plain, `SELECT coalesce(email, ssn, age) FROM users WHERE id = 20`); got != "NULL" {
			t.Errorf("NULL became %q", got)
		}
		// Prepared, several rows, twice.
		st, err := d2.PrepareContext(acme, `INSERT INTO users (id, tenant_id, email) VALUES ($1, $2, $3), ($4, $2, $5)`)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if _, err := st.Exec(30+2*i, "t2", "a-"+secret, 31+2*i, "b-"+secret); err != nil {
				t.Fatal(err)
			}
		}
		st.Close()
		if got := one(t, acme, d2, `SELECT count(*) FROM users WHERE tenant_id = 't2' AND email IS NOT NULL`); got != "4" {
			t.Errorf("prepared rows: %s", got)
		}
		// A transaction that is rolled back, and one that isn't.
		for i, commit := range []bool{false, true} {
			tx, err := d2.Begin()
			if err != nil {
				t.Fatal(err)
			}
			mustExec(t, tx, `INSERT INTO users (id, tenant_id, email) VALUES ($1, $2, $3)`, 40+i, "new tenant", "tx-"+secret)
			if commit {
				err = tx.Commit()
			} else {
				err = tx.Rollback()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := one(t, acme, d2, `SELECT email FROM users WHERE tenant_id = 'new tenant'`); got != "tx-"+secret {
			t.Errorf("after rollback and commit: %s", got)
		}
		// Refused, and nothing sent.
		for _, q := range []string{
			`INSERT INTO users (tenant_id, email) SELECT 'acme', 'x-s3cr3t'||'y'`,
			`UPDATE users SET email = lower('X-s3cr3t') WHERE id = 7`,
			`SELECT id FROM users WHERE email = 'x-s3cr3t'`,
			`COPY users (tenant_id, email) FROM STDIN`,
			`SELECT email INTO copied FROM users`,
			`CREATE TABLE copied AS SELECT email FROM users`,
			`DO $$ BEGIN INSERT INTO users (email) VALUES ('x-s3cr3t'); END $$`,
			`PREPARE p AS INSERT INTO users (tenant_id, email) VALUES ($1, $2)`,
			`INSERT INTO users (tenant_id, email) VALUES ('acme', 'x-s3cr3t'::varchar(5))`,
		} {
			_, err := d2.ExecContext(acme, q)
			if !errors.Is(err, driver.ErrRefused) {
				t.Errorf("%s: %v", q, err)
			} else if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: the error shows a literal: %v", q, err)
			}
		}
		d.noLeak(t)
	})
}

func TestTheServersLogHoldsNoSecret(t *testing.T) {
	eachMode(t, func(t *testing.T, d *database) {
		mustExecContext(t, tenant("acme"), d, `INSERT INTO users (id, tenant_id, name, email, ssn) VALUES ($1, $2, $3, $4, $5)`, 1, "acme", "seen-in-the-log", "ann-"+secret, "ssn-"+secret)
		mustExec(t, d, `INSERT INTO users (id, tenant_id, name, email) VALUES (2, 'acme', 'seen-too', 'lit-s3cr3t')`)
		mustExec(t, d, `UPDATE users SET email = $1 WHERE id = 2`, "upd-"+secret)
		if _, err := d.Exec(`UPDATE users SET email = upper($1) WHERE id = 2`, "bad-"+secret); !errors.Is(err, driver.ErrRefused) {
			t.Error(err)
		}
		log := d.srv.Log()
		if !strings.Contains(log, "seen-in-the-log") || !strings.Contains(log, "seen-too") {
			t.Error("the log doesn't show statements with their parameters")
		}
		if i := strings.Index(log, secret); i >= 0 {
			t.Errorf("the server's log shows a secret: %s", log[max(0, i-200):i+len(secret)])
		}
	})
}

func TestOpenAndItsConnectionStrings(t *testing.T) {
	srv := testserver.Postgres(t)
	mustExec(t, openPlain(t, srv.DSN("")), usersDDL)
	t.Setenv("POSTGRES_TEST_KEY", strings.Repeat("ab", 32))
	const ours = "asherah_service=shop&asherah_product=web&asherah_kms=static&asherah_kms_key=env:POSTGRES_TEST_KEY&asherah_config=pg-test"
	cfg := config(t)
	if err := driver.RegisterConfig("pg-test", driver.Config{Schema: cfg.Schema, Logger: cfg.Logger}); err != nil {
		t.Fatal(err)
	}
	url := srv.DSN("")
	sep := "?"
	if strings.Contains(url, "?") {
		sep = "&"
	}
	n := 0
	for name, dsn := range map[string]string{
		"URL":             url + sep + ours,
		"key=value":       keyValue(t, url) + " " + strings.ReplaceAll(ours, "&", " "),
		"registered ?":    registered(t, url) + "?" + ours,
		"registered pair": registered(t, url) + " " + strings.ReplaceAll(ours, "&", " "),
	} {
		t.Run(name, func(t *testing.T) {
			n++
			db, err := sql.Open("asherah-postgres", dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			mustExec(t, db, `INSERT INTO users (id, tenant_id, email) VALUES ($1, 'acme', $2)`, n, secret)
			if got := one(t, context.Background(), db, `SELECT email FROM users WHERE id = $1`, n); got != secret {
				t.Errorf("got %q", got)
			}
		})
	}
	for _, bad := range []string{
		url + sep + ours + "&asherah_kmss=static",
		keyValue(t, url) + " asherah_service=shop",
		registered(t, url) + "?asherah_service=shop",
	} {
		if db, err := sql.Open("asherah-postgres", bad); err == nil {
			db.Close()
			t.Errorf("no error for a connection string that is set up wrong: %s", bad[len(bad)-40:])
		}
	}
}
