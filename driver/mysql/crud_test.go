package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/driver"
)

func TestStatementsInEachWay(t *testing.T) {
	eachWay(t, func(t *testing.T, d *database) {
		ctx := tenant("inforce")
		acme := context.Background()
		d2 := d.DB
		born := time.Date(1980, 2, 3, 4, 5, 6, 7000, time.UTC)
		mustExecContext(t, tenant("acme"), d2, `INSERT INTO users (id, tenant_id, name, email, ssn, age, born) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			1, "acme", "Ann", "ann-"+secret, "ssn-"+secret, 41, born)
		if got := one(t, tenant("acme"), d2, `SELECT email FROM users WHERE id = ?`, 1); got != "ann-"+secret {
			t.Errorf("email: %q", got)
		}
		var u user
		if err := d2.QueryRowContext(tenant("acme"), `SELECT id, tenant_id, name, email, ssn, age, born FROM users WHERE id = ?`, 1).
			Scan(&u.ID, &u.TenantID, &u.Name, &u.Email, &u.SSN, &u.Age, &u.Born); err != nil {
			t.Fatal(err)
		}
		if *u.Email != "ann-"+secret || *u.SSN != "ssn-"+secret || *u.Age != 41 || !u.Born.Equal(born) {
			t.Errorf("%+v", u)
		}
		// Each form of a write, literals of each kind.
		for i, q := range []struct {
			query string
			args  []any
			id    int
			want  string
		}{
			{`INSERT INTO users (id, tenant_id, email) VALUES (2, 'acme', 'lit-s3cr3t')`, nil, 2, "lit-s3cr3t"},
			{`INSERT users SET id = ?, tenant_id = ?, email = ?`, []any{3, "acme", "set-" + secret}, 3, "set-s3cr3t"},
			{`INSERT INTO users SET id = 4, tenant_id = 'acme', email = "double-s3cr3t"`, nil, 4, "double-s3cr3t"},
			{`INSERT INTO users (id, tenant_id, email) VALUE (5, 'acme', 'ad' 'ja' "cent-s3cr3t")`, nil, 5, "adjacent-s3cr3t"},
			{`INSERT INTO users (id, tenant_id, email) VALUES (6, 'acme', _utf8mb4'intro-s3cr3t')`, nil, 6, "intro-s3cr3t"},
			{`INSERT INTO users (id, tenant_id, email) VALUES (7, 'acme', N'national-s3cr3t')`, nil, 7, "national-s3cr3t"},
			{`INSERT INTO users (id, tenant_id, email) VALUES (8, 'acme', 'esc\'aped\\-s3cr3t\n''')`, nil, 8, "esc'aped\\-s3cr3t\n'"},
			{`INSERT INTO users (id, tenant_id, email) VALUES (9, 'acme', CAST('cast-s3cr3t' AS CHAR))`, nil, 9, "cast-s3cr3t"},
			{"INSERT INTO `users` (`id`, `tenant_id`, `email`) VALUES (?, ?, CONVERT(? USING utf8mb4))", []any{10, "acme", "conv-" + secret}, 10, "conv-s3cr3t"},
			{`INSERT INTO users /*!50000 (id, tenant_id, email) VALUES (11, 'acme', 'executed-s3cr3t') */`, nil, 11, "executed-s3cr3t"},
			{`INSERT /*M! INTO users (id, tenant_id, email) VALUES (12, 'acme', 'mariadb-s3cr3t') */`, nil, 12, "mariadb-s3cr3t"},
			{`INSERT INTO users VALUES (?, ?, ?, ?, NULL, NULL, NULL)`, []any{13, "acme", "n", "nolist-" + secret}, 13, "nolist-s3cr3t"},
			{`REPLACE INTO users (id, tenant_id, email) VALUES (?, ?, ?)`, []any{13, "acme", "rep-" + secret}, 13, "rep-s3cr3t"},
			{`REPLACE users SET id = 13, tenant_id = 'acme', email = 'repset-s3cr3t'`, nil, 13, "repset-s3cr3t"},
			{`UPDATE users SET email = ? WHERE id = ? AND tenant_id = ?`, []any{"upd-" + secret, 13, "acme"}, 13, "upd-s3cr3t"},
			{`UPDATE users SET email = ? WHERE id = ?`, []any{"looked-" + secret, 13}, 13, "looked-s3cr3t"},
			{`UPDATE users u SET u.email = ? WHERE u.id = ? AND u.tenant_id = ? ORDER BY u.id LIMIT 1`, []any{"ordered-" + secret, 13, "acme"}, 13, "ordered-s3cr3t"},
			{`UPDATE users SET tenant_id = ?, email = ?, age = ?, born = ? WHERE id = 13`, []any{"other", "moved-" + secret, nil, nil}, 13, "moved-s3cr3t"},
			{`UPDATE users SET tenant_id = 'acme', email = 'back-s3cr3t', age = NULL, born = NULL WHERE id = 13`, nil, 13, "back-s3cr3t"},
			{`UPDATE users a JOIN users b ON a.id = b.id SET a.tenant_id = ?, a.email = ?, a.age = ?, a.born = NULL WHERE b.id = 13`, []any{"acme", "joined-" + secret, 5}, 13, "joined-s3cr3t"},
			{`INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE tenant_id = VALUES(tenant_id), email = VALUES(email), age = VALUES(age), born = VALUES(born)`, []any{13, "acme", "dup-" + secret}, 13, "dup-s3cr3t"},
			{`INSERT INTO users SET id = 14, tenant_id = 'acme', email = ? ON DUPLICATE KEY UPDATE name = 'again'`, []any{"first-" + secret}, 14, "first-s3cr3t"},
			{`INSERT INTO users SET id = 14, tenant_id = 'acme', email = ? ON DUPLICATE KEY UPDATE name = 'again'`, []any{"second-" + secret}, 14, "first-s3cr3t"},
		} {
			_, err := d2.Exec(q.query, q.args...)
			if err != nil {
				t.Errorf("%d: %s: %v", i, q.query, err)
				continue
			}
			if got := one(t, acme, d2, `SELECT email FROM users WHERE id = ?`, q.id); got != q.want {
				t.Errorf("%s: got %q, want %q", q.query, got, q.want)
			}
		}
		// Reads of each form, and RETURNING.
		for _, q := range []struct {
			query string
			args  []any
			want  string
		}{
			{`SELECT x.e FROM (SELECT email AS e, tenant_id, id FROM users) x WHERE x.id = ?`, []any{13}, "dup-" + secret},
			{`WITH w AS (SELECT * FROM users WHERE id = ?) SELECT email FROM w`, []any{13}, "dup-" + secret},
			{`SELECT count(email) FROM users WHERE email IS NOT NULL AND id = ?`, []any{13}, "1"},
			{`SELECT a.email FROM users a JOIN users b ON a.id = b.id WHERE b.id = ?`, []any{13}, "dup-" + secret},
			{`SELECT b.email FROM users a LEFT JOIN users b USING (id) WHERE a.id = ?`, []any{13}, "dup-" + secret},
			{`SELECT email FROM users WHERE id = 13 UNION ALL SELECT email FROM users WHERE id = 99`, nil, "dup-" + secret},
			{`INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?) RETURNING email`, []any{60, "acme", "ret-" + secret}, "ret-" + secret},
			{`REPLACE INTO users (id, tenant_id, email) VALUES (60, 'acme', 'retlit-s3cr3t') RETURNING email AS e`, nil, "retlit-" + secret},
			{`DELETE FROM users WHERE id = ? RETURNING email`, []any{60}, "retlit-" + secret},
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
		for i := range cols {
			cols[i] = strings.TrimPrefix(cols[i], "users.")
		}
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
		mustExecContext(t, ctx, d2, `INSERT INTO users (id, tenant_id, email, ssn) VALUES (?, ?, ?, ?)`, 20, "acme", nil, (*string)(nil))
		mustExec(t, d2, `UPDATE users SET email = NULL, age = DEFAULT WHERE id = ?`, 20)
		if got := one(t, acme, d.plain, `SELECT coalesce(email, ssn, age) FROM users WHERE id = 20`); got != "NULL" {
			t.Errorf("NULL became %q", got)
		}
		// Prepared, several rows, twice.
		st, err := d2.PrepareContext(acme, `INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?), (?, 't2', ?)`)
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
			mustExec(t, tx, `INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?)`, 40+i, "new tenant", "tx-"+secret)
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
		// Rows are deleted by joins.
		mustExec(t, d2, `DELETE a, b FROM users a JOIN users b ON a.id = b.id WHERE a.tenant_id = ?`, "new tenant")
		mustExec(t, d2, `DELETE FROM u USING users u WHERE u.tenant_id = 't2' AND u.email IS NOT NULL`)
		if got := one(t, acme, d2, `SELECT count(*) FROM users WHERE tenant_id IN ('new tenant', 't2')`); got != "0" {
			t.Errorf("%s rows are left", got)
		}
		// Copied from the same columns, and no others.
		mustExec(t, d2, `INSERT INTO users (id, tenant_id, email) SELECT id + 1000, tenant_id, email FROM users WHERE id = 13`)
		if got := one(t, acme, d2, `SELECT email FROM users WHERE id = 1013`); got != "dup-"+secret {
			t.Errorf("copied: %q", got)
		}
		// Refused, and nothing sent.
		for _, q := range []string{
			`INSERT INTO users (tenant_id, email) SELECT 'acme', CONCAT('x-s3cr3t', 'y')`,
			`INSERT IGNORE INTO users (tenant_id, email) VALUES ('acme', 'x-s3cr3t')`,
			`UPDATE IGNORE users SET email = 'x-s3cr3t' WHERE id = 7 AND tenant_id = 'acme'`,
			`UPDATE users SET email = LOWER('X-s3cr3t') WHERE id = 7`,
			`UPDATE users SET name = email WHERE id = 7`,
			`UPDATE users SET email = IF(id = 7, 'x-s3cr3t', email) WHERE id = 7`,
			`SELECT id FROM users WHERE email = 'x-s3cr3t'`,
			`SELECT id FROM users ORDER BY email`,
			`SELECT email INTO @x FROM users`,
			`SELECT email FROM users INTO OUTFILE '/tmp/s3cr3t'`,
			`LOAD DATA LOCAL INFILE '/tmp/x-s3cr3t' INTO TABLE users`,
			`CREATE TABLE copied AS SELECT email FROM users`,
			`CREATE TABLE copied SELECT * FROM users`,
			`PREPARE p FROM 'INSERT INTO users (tenant_id, email) VALUES (?, ?)'`,
			`EXECUTE IMMEDIATE 'INSERT INTO users (tenant_id, email) VALUES (1, ''x-s3cr3t'')'`,
			`INSERT INTO users (tenant_id, email) VALUES ('acme', CAST('x-s3cr3t' AS CHAR(5)))`,
			`INSERT INTO users (tenant_id, email) VALUES ('acme', @x)`,
			`INSERT INTO users (tenant_id, email) VALUES ('acme', _latin1'x-s3cr3té')`,
			`INSERT INTO users (id, tenant_id, email) VALUES (13, 'acme', 'x-s3cr3t') ON DUPLICATE KEY UPDATE email = CONCAT(VALUES(email), 's3cr3t')`,
			`INSERT INTO users (id, tenant_id, email) VALUES (13, 'acme', 'x-s3cr3t') ON DUPLICATE KEY UPDATE email = VALUES(name)`,
			`UPDATE users u SET u.email = 'x-s3cr3t' WHERE u.id = 13 ORDER BY u.id LIMIT 1`,
			`UPDATE users SET tenant_id = 'other', email = 'x-s3cr3t' WHERE id = 13`,
			`HANDLER users OPEN`,
			`ALTER TABLE users MODIFY email TEXT DEFAULT 'x-s3cr3t'`,
			`CREATE PROCEDURE p() INSERT INTO users (tenant_id, email) VALUES ('acme', 'x-s3cr3t')`,
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

// A conflict's row may be given the values of the row that was to be inserted where its partition goes with them.
func TestUpsertsKeepValuesAndPartitionsTogether(t *testing.T) {
	eachWay(t, func(t *testing.T, d *database) {
		ctx := context.Background()
		mustExec(t, d, `INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme', ?)`, "old-"+secret)
		// The conflict is on id: the row in conflict may be of another tenant, which only the server knows.
		for _, q := range []string{
			`INSERT INTO users (id, tenant_id, email, name) VALUES (1, 'other', ?, 'n') ON DUPLICATE KEY UPDATE name = 'n', email = VALUES(email)`,
			`INSERT INTO users (id, tenant_id, email) VALUES (1, 'other', ?) ON DUPLICATE KEY UPDATE email = VALUE(email), age = NULL`,
			`INSERT INTO users (id, tenant_id, email) VALUES (1, 'ACME', ?) ON DUPLICATE KEY UPDATE email = VALUES(email)`,
			`INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme ', ?) ON DUPLICATE KEY UPDATE email = VALUES(email)`,
			`INSERT INTO users (id, tenant_id, email) VALUES (8, 'acme', 'x'), (1, 'other', ?) ON DUPLICATE KEY UPDATE email = VALUES(email)`,
			`INSERT INTO users SET id = 1, tenant_id = 'other' ON DUPLICATE KEY UPDATE email = ?`,
		} {
			_, err := d.Exec(q, "new-"+secret)
			if mysqlError(err) != 1690 || !strings.Contains(err.Error(), "belongs to another partition") {
				t.Errorf("%s: %v", q, err)
			}
		}
		if got := one(t, ctx, d, `SELECT email FROM users`); got != "old-"+secret {
			t.Errorf("got %q", got)
		}
		if got := one(t, ctx, d, `SELECT COUNT(*) FROM users WHERE name IS NULL`); got != "1" {
			t.Errorf("%s rows", got)
		}
		// The same tenant's row takes what is given, and keeps what isn't.
		mustExec(t, d, `UPDATE users SET age = ? WHERE id = 1 AND tenant_id = 'acme'`, 41)
		for i, q := range []string{
			`INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme', ?) ON DUPLICATE KEY UPDATE email = VALUES(email), name = CONCAT('n', id)`,
			`INSERT INTO users (id, tenant_id, email) VALUES (2, 'acme', NULL), (1, 'acme', ?) ON DUPLICATE KEY UPDATE email = VALUES(email)`,
			`INSERT INTO users SET id = 1, tenant_id = 'acme' ON DUPLICATE KEY UPDATE email = ?`,
		} {
			email := fmt.Sprint(i, secret)
			mustExec(t, d, q, email)
			if got := one(t, ctx, d, `SELECT email FROM users WHERE id = 1`); got != email {
				t.Errorf("%s: %q", q, got)
			}
		}
		if got := one(t, ctx, d, `SELECT age FROM users WHERE id = 1`); got != "41" {
			t.Errorf("got %q", got)
		}
		mustExec(t, d, `DELETE FROM users WHERE id <> 1`)
		for i, q := range []string{
			`INSERT INTO users (id, tenant_id, email) VALUES (1, ?, ?) ON DUPLICATE KEY UPDATE tenant_id = VALUES(tenant_id), email = VALUES(email), age = VALUES(age), born = VALUES(born)`,
			`INSERT INTO users (id, tenant_id, email) VALUES (1, ?, ?) ON DUPLICATE KEY UPDATE email = VALUES(email), tenant_id = VALUES(tenant_id), age = NULL, born = NULL`,
			`INSERT INTO users SET id = 1, tenant_id = ?, email = ? ON DUPLICATE KEY UPDATE tenant_id = VALUES(tenant_id), email = VALUES(email), age = NULL, born = NULL`,
		} {
			tenant, email := fmt.Sprint("t", i), fmt.Sprint(i, secret)
			mustExec(t, d, q, tenant, email)
			if got := one(t, ctx, d, `SELECT CONCAT(tenant_id) FROM users`); got != tenant {
				t.Errorf("%s: tenant %q", q, got)
			}
			if got := one(t, ctx, d, `SELECT email FROM users`); got != email {
				t.Errorf("%s: %q", q, got)
			}
		}
		d.noLeak(t)
	})
}

// The error for another partition's row is one in the modes too that let most things pass.
func TestAnUpsertOverAnotherPartitionFailsInEachMode(t *testing.T) {
	for _, mode := range []string{"STRICT_TRANS_TABLES", "STRICT_ALL_TABLES,ANSI_QUOTES", "STRICT_TRANS_TABLES,NO_UNSIGNED_SUBTRACTION,NO_BACKSLASH_ESCAPES", "TRADITIONAL"} {
		d := open(t, "sql_mode="+url.QueryEscape("'"+mode+"'"))
		if _, err := d.plain.Exec(`INSERT INTO users (id, tenant_id) VALUES (1, NULL), (2, 'acme')`); err != nil {
			t.Fatal(err)
		}
		for id := 1; id <= 2; id++ {
			_, err := d.Exec(`INSERT INTO users (id, tenant_id, email) VALUES (?, 'other', ?) ON DUPLICATE KEY UPDATE email = VALUES(email)`, id, secret)
			if mysqlError(err) != 1690 {
				t.Errorf("%s: %d: %v", mode, id, err)
			}
		}
		d.noLeak(t)
	}
}

func TestTheServersLogHoldsNoSecret(t *testing.T) {
	eachWay(t, func(t *testing.T, d *database) {
		mustExecContext(t, tenant("acme"), d, `INSERT INTO users (id, tenant_id, name, email, ssn) VALUES (?, ?, ?, ?, ?)`, 1, "acme", "seen-in-the-log", "ann-"+secret, "ssn-"+secret)
		mustExec(t, d, `INSERT INTO users (id, tenant_id, name, email) VALUES (2, 'acme', 'seen-too', 'lit-s3cr3t')`)
		mustExec(t, d, `UPDATE users SET email = ? WHERE id = 2`, "upd-"+secret)
		mustExec(t, d, `INSERT INTO users (id, tenant_id, email) VALUES (2, 'acme', ?) ON DUPLICATE KEY UPDATE name = 'seen-again'`, "dup-"+secret)
		if _, err := d.Exec(`UPDATE users SET email = upper(?) WHERE id = 2`, "bad-"+secret); !errors.Is(err, driver.ErrRefused) {
			t.Error(err)
		}
		log := d.srv.Log()
		for _, want := range []string{"seen-in-the-log", "seen-too", "seen-again"} {
			if !strings.Contains(log, want) {
				t.Errorf("the log doesn't show statements with their parameters: %s", want)
			}
		}
		if i := strings.Index(log, secret); i >= 0 {
			t.Errorf("the server's log shows a secret: %s", log[max(0, i-200):i+len(secret)])
		}
	})
}
