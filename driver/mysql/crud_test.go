package mysql_test

import (
	"context"
	"errors"
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
			{`UPDATE users u SET u.email = ? WHERE u.id = ? ORDER BY u.id LIMIT 1`, []any{"ordered-" + secret, 13}, -1, ""},
			{`UPDATE users SET tenant_id = ?, email = ? WHERE id = 13`, []any{"acme", "moved-" + secret}, -1, ""},
			{`INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE tenant_id = VALUES(tenant_id), email = VALUES(email), age = VALUES(age), born = VALUES(born)`, []any{13, "acme", "dup-" + secret}, 13, "dup-s3cr3t"},
			{`INSERT INTO users SET id = 14, tenant_id = 'acme', email = ? ON DUPLICATE KEY UPDATE name = 'again'`, []any{"first-" + secret}, 14, "first-s3cr3t"},
			{`INSERT INTO users SET id = 14, tenant_id = 'acme', email = ? ON DUPLICATE KEY UPDATE name = 'again'`, []any{"second-" + secret}, 14, "first-s3cr3t"},
		} {
			_, err := d2.Exec(q.query, q.args...)
			if q.id < 0 {
				if err != nil && !errors.Is(err, driver.ErrRefused) {
					t.Errorf("%d: %s: %v", i, q.query, err)
				}
				t.Logf("%s: %v", q.query, err)
				continue
			}
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
		d.noLeak(t)
	})
}
