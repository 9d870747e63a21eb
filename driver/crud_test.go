package driver_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	asherah "github.com/asherah-sql/asherah-sql/driver"
)

func TestRowsOfTwoTenantsRoundTripAndAreCiphertextInTheFile(t *testing.T) {
	db := open(t)
	for _, id := range []string{"acme", "globex"} {
		db.mustExec(t, tenant(id), `INSERT INTO users (tenant_id, name, email, ssn, age) VALUES (?, ?, ?, ?, ?), (?, ?, ?, ?, ?)`,
			id, "ann", secret+"@"+id, secret+"-ssn", 41, id, "bob", nil, secret, nil)
	}
	ctx := tenant("acme")
	got := dump(t, ctx, db, `SELECT name, email, ssn, age FROM users WHERE tenant_id = ? ORDER BY id`, "acme")
	if want := "ann|s3cr3t@acme|s3cr3t-ssn|41\nbob|NULL|s3cr3t|NULL\n"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	stored := dump(t, context.Background(), db.plain, `SELECT email, ssn, age FROM users ORDER BY id`)
	if strings.Contains(stored, secret) || strings.Count(stored, "ash1.") != 8 {
		t.Errorf("stored:\n%s", stored)
	}
	db.sealed(t)

	// Emails alone don't need the context: their partition stands in the row.
	if got := dump(t, context.Background(), db, `SELECT email FROM users WHERE email IS NOT NULL ORDER BY id`); got != "s3cr3t@acme\ns3cr3t@globex\n" {
		t.Errorf("emails: %q", got)
	}
}

func TestEveryStatementForm(t *testing.T) {
	db := open(t)
	ctx := tenant("acme")
	db.mustExec(t, ctx, `INSERT INTO users (id, tenant_id, name, email, ssn) VALUES (1, 'acme', 'ann', 's3cr3t-literal', 's3cr3t''s')`)
	db.mustExec(t, ctx, `INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)`, 2, "acme", "bob", secret+"2", nil, 7)
	db.mustExec(t, ctx, `INSERT INTO users (id, tenant_id, name, email) VALUES (:id, :tenant, :name, :email)`,
		sql.Named("email", secret+"3"), sql.Named("id", 3), sql.Named("name", "cid"), sql.Named("tenant", "acme"))
	db.mustExec(t, ctx, `INSERT INTO users (email, id, tenant_id) VALUES (?3, ?1, ?2)`, 4, "acme", secret+"4")
	db.mustExec(t, ctx, `INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET tenant_id = excluded.tenant_id, email = excluded.email, age = NULL`, 4, "acme", secret+"4b")
	var email string
	err := db.QueryRowContext(ctx, `INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?) RETURNING email`, 5, "acme", secret+"5").Scan(&email)
	if err != nil || email != secret+"5" {
		t.Errorf("RETURNING: %q, %v", email, err)
	}
	db.mustExec(t, ctx, `UPDATE users SET email = ? WHERE id = ?`, secret+"5b", 5)
	db.mustExec(t, ctx, `UPDATE users SET email = CAST(? AS TEXT), name = upper(name) WHERE tenant_id = ? AND id = ?`, secret+"1b", "acme", 1)
	db.mustExec(t, ctx, `UPDATE users AS u SET email = 's3cr3t-2b' WHERE u.id = 2`)

	for _, c := range [][2]string{
		{`SELECT id, email FROM users ORDER BY id`, "1|s3cr3t1b\n2|s3cr3t-2b\n3|s3cr3t3\n4|s3cr3t4b\n5|s3cr3t5b\n"},
		{`SELECT * FROM users WHERE id = 1`, "1|acme|ANN|s3cr3t1b|s3cr3t's|NULL\n"},
		{`SELECT u.* FROM users u WHERE id = 2`, "2|acme|bob|s3cr3t-2b|NULL|7\n"},
		{`SELECT x.e FROM (SELECT email AS e, id FROM users) AS x WHERE x.id = 3`, "s3cr3t3\n"},
		{`WITH x AS (SELECT email, id FROM users) SELECT a.email, b.email FROM x a JOIN x b ON a.id = b.id + 1 WHERE a.id = 2`, "s3cr3t-2b|s3cr3t1b\n"},
		{`SELECT (SELECT email FROM users WHERE id = 2), count(*), count(email) FROM users WHERE email IS NOT NULL`, "s3cr3t-2b|5|5\n"},
		{`SELECT email FROM users WHERE id = 1 UNION ALL SELECT email FROM users WHERE id = 2`, "s3cr3t1b\ns3cr3t-2b\n"},
		{`SELECT email AS "E-mail", id FROM main."users" WHERE ssn IS NULL AND age IS NOT NULL`, "s3cr3t-2b|2\n"},
		{`SELECT EXISTS (SELECT email FROM users WHERE id = 5), (SELECT count(*) FROM users)`, "1|5\n"},
		{"SELECT /* email */ `email` -- ssn\n FROM [users] WHERE id IN (3)", "s3cr3t3\n"},
		{`SELECT u.name, o.email FROM users u LEFT JOIN users o ON o.id = u.id + 4 WHERE u.id < 3 ORDER BY u.id`, "ANN|s3cr3t5b\nbob|NULL\n"},
		{`DELETE FROM users WHERE id = 5 RETURNING id, email`, "5|s3cr3t5b\n"},
	} {
		query, want := c[0], c[1]
		if got := dump(t, ctx, db, query); got != want {
			t.Errorf("%s\ngot  %q\nwant %q", query, got, want)
		}
	}
	db.sealed(t)
	rows, err := db.QueryContext(ctx, `SELECT email FROM users WHERE id = 1`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if cols, _ := rows.Columns(); len(cols) != 1 || cols[0] != "email" {
		t.Errorf("the hidden column shows: %v", cols)
	}
	types, err := rows.ColumnTypes()
	if err != nil || len(types) != 1 || types[0].ScanType().Kind().String() != "string" {
		t.Errorf("types: %v, %v", types, err)
	}
}

func TestRefusalsAreTypedAndHoldNoValue(t *testing.T) {
	db := open(t)
	for _, query := range []string{
		`SELECT id FROM users WHERE email = 's3cr3t'`,
		`SELECT id FROM users WHERE email LIKE 's3cr3t%'`,
		`SELECT email || 's3cr3t' FROM users`,
		`SELECT id FROM users ORDER BY email`,
		`SELECT DISTINCT email FROM users`,
		`SELECT max(email) FROM users`,
		`UPDATE users SET email = lower('s3cr3t') WHERE id = 1`,
		`UPDATE users SET email = name`,
		`UPDATE users SET name = email`,
		`UPDATE users SET tenant_id = 's3cr3t' WHERE id = 1`,
		`INSERT INTO users (tenant_id, email) SELECT tenant_id, name FROM users`,
		`INSERT INTO users (email) VALUES ('s3cr3t')`,
		`INSERT INTO users (tenant_id, email) VALUES ('a', CASE WHEN 1 THEN 's3cr3t' END)`,
		`INSERT INTO users (tenant_id, email) VALUES ('a', 's3cr3t') ON CONFLICT (id) DO UPDATE SET email = excluded.email`,
		`CREATE TABLE copy AS SELECT * FROM users`,
		`SELECT email FROM users WHERE 's3cr3t`,
		`SELECT email FROM users; SELECT name FROM users`,
		`SELECT 's3cr3t' FROM users users2 WEIRD users`,
	} {
		_, err := db.Query(query)
		var r *asherah.RefusedError
		if !errors.As(err, &r) || !errors.Is(err, asherah.ErrRefused) {
			t.Errorf("%s: %v, want a RefusedError", query, err)
			continue
		}
		noSecret(t, err)
		if r.Rule == "" || r.Remedy == "" || r.Offset < 0 || r.Offset > len(query) {
			t.Errorf("%s: incomplete: %+v", query, r)
		}
	}
	db.sealed(t)
}

func TestUpdateFindsThePartitionOfItsRows(t *testing.T) {
	db := open(t)
	ctx := context.Background()
	for i, id := range []string{"acme", "acme", "globex", "globex"} {
		db.mustExec(t, ctx, `INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?)`, i+1, id, "old")
	}
	db.mustExec(t, ctx, `INSERT INTO users (id, name) VALUES (9, 'no tenant')`)

	db.mustExec(t, ctx, `UPDATE users SET email = ? WHERE id <= ?`, secret, 2)
	if n, _ := db.mustExec(t, ctx, `UPDATE users SET email = ? WHERE id = ?`, secret, 77).RowsAffected(); n != 0 {
		t.Errorf("%d rows of none", n)
	}
	_, err := db.Exec(`UPDATE users SET email = ? WHERE id >= ? AND id < 9`, secret, 2)
	if !errors.Is(err, asherah.ErrRefused) || !strings.Contains(err.Error(), "several partitions") || !strings.Contains(err.Error(), "tenant_id") {
		t.Errorf("several: %v", err)
	}
	_, err = db.Exec(`UPDATE users SET email = ? WHERE id = 9`, secret)
	if !errors.Is(err, asherah.ErrNoPartition) {
		t.Errorf("NULL tenant: %v", err)
	}
	// Another tenant's row doesn't match, so nothing is touched.
	if n, _ := db.mustExec(t, ctx, `UPDATE users SET email = ? WHERE tenant_id = ? AND id = 3`, secret, "acme").RowsAffected(); n != 0 {
		t.Errorf("%d rows of another tenant", n)
	}
	if _, err := db.ExecContext(tenant("globex"), `UPDATE users SET email = ? WHERE id = 1`, secret); !errors.Is(err, asherah.ErrPartitionMismatch) {
		t.Errorf("other tenant in force: %v", err)
	}
	// Only NULLs: no partition is needed, so several may be touched.
	if n, _ := db.mustExec(t, ctx, `UPDATE users SET email = ? WHERE id > 2`, nil).RowsAffected(); n != 3 {
		t.Errorf("NULL touched %d rows, want 3", n)
	}
	db.mustExec(t, ctx, `UPDATE users SET tenant_id = ?, email = ?, age = ? WHERE id = 9`, "initech", secret, 5)
	got := dump(t, ctx, db, `SELECT id, tenant_id, email, age FROM users ORDER BY id`)
	if want := "1|acme|s3cr3t|NULL\n2|acme|s3cr3t|NULL\n3|globex|NULL|NULL\n4|globex|NULL|NULL\n9|initech|s3cr3t|5\n"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	db.sealed(t)
}

func TestUpdateUnderAFoldingCollationConfirmsThePartition(t *testing.T) {
	db := open(t)
	for _, q := range []string{`DROP TABLE users`, `CREATE TABLE users (id INTEGER PRIMARY KEY, tenant_id TEXT COLLATE NOCASE, name TEXT, email TEXT, ssn TEXT, age TEXT)`} {
		if _, err := db.plain.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	db.mustExec(t, ctx, `INSERT INTO users (id, tenant_id, email) VALUES (1, 'Acme', ?), (2, 'ACME', ?)`, "a", "b")
	db.mustExec(t, ctx, `UPDATE users SET email = ? WHERE tenant_id = ? AND id = 1`, secret, "acme")
	if _, err := db.Exec(`UPDATE users SET email = ? WHERE tenant_id = ?`, secret, "acme"); !errors.Is(err, asherah.ErrRefused) {
		t.Errorf("two tenants that fold to one: %v", err)
	}
	if got := dump(t, ctx, db, `SELECT tenant_id, email FROM users ORDER BY id`); got != "Acme|s3cr3t\nACME|b\n" {
		t.Errorf("got %q", got)
	}
}

func TestPreparedStatements(t *testing.T) {
	db := open(t)
	ctx := tenant("acme")
	ins, err := db.PrepareContext(ctx, `INSERT INTO users (id, tenant_id, email, ssn) VALUES (?, ?, ?, 's3cr3t-lit')`)
	if err != nil {
		t.Fatal(err)
	}
	defer ins.Close()
	upd, err := db.Prepare(`UPDATE users SET email = ? WHERE id = ?`)
	if err != nil {
		t.Fatal(err)
	}
	defer upd.Close()
	sel, err := db.Prepare(`SELECT email, ssn FROM users WHERE id = ?`)
	if err != nil {
		t.Fatal(err)
	}
	defer sel.Close()
	for i := range 5 {
		if _, err := ins.ExecContext(ctx, i, "acme", secret); err != nil {
			t.Fatal(err)
		}
		if _, err := upd.Exec(secret+"-new", i); err != nil {
			t.Fatal(err)
		}
		if _, err := upd.Exec(nil, i+100); err != nil {
			t.Fatal(err)
		}
		var email, ssn string
		if err := sel.QueryRowContext(ctx, i).Scan(&email, &ssn); err != nil || email != secret+"-new" || ssn != "s3cr3t-lit" {
			t.Fatalf("%q %q %v", email, ssn, err)
		}
	}
	if _, err := upd.Exec(secret); err == nil || !strings.Contains(err.Error(), "expected 2 arguments, got 1") {
		t.Errorf("too few arguments: %v", err)
	}
	if n := dump(t, ctx, db, `SELECT count(*) FROM users`); n != "5\n" {
		t.Error(n)
	}
	seals := dump(t, context.Background(), db.plain, `SELECT count(DISTINCT ssn) FROM users`)
	if seals != "5\n" {
		t.Errorf("a prepared literal was sealed %s times for 5 executions", seals)
	}
	db.sealed(t)
}

func TestAChangedTableIsReadAnew(t *testing.T) {
	db := open(t)
	ctx := tenant("acme")
	sel, err := db.Prepare(`SELECT * FROM users`)
	if err != nil {
		t.Fatal(err)
	}
	defer sel.Close()
	db.mustExec(t, ctx, `INSERT INTO users VALUES (1, 'acme', 'ann', ?, ?, 3)`, secret, secret)
	if got := dump(t, ctx, db, `SELECT * FROM users`); got != "1|acme|ann|s3cr3t|s3cr3t|3\n" {
		t.Fatal(got)
	}
	// Behind the wrapper's back: email moves to the end, a column of another meaning takes its place.
	for _, q := range []string{`ALTER TABLE users RENAME COLUMN email TO e`, `ALTER TABLE users ADD COLUMN email TEXT`, `UPDATE users SET email = e, e = 'x'`} {
		if _, err := db.plain.Exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if got := dump(t, ctx, db, `SELECT * FROM users`); got != "1|acme|ann|x|s3cr3t|3|s3cr3t\n" {
		t.Fatal(got)
	}
	rows, err := sel.QueryContext(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if got, err := render(rows); got != "1|acme|ann|x|s3cr3t|3|s3cr3t\n" {
		t.Fatal(got, err)
	}
	if _, err := db.Exec(`INSERT INTO users VALUES (2, 'acme', 'bob', 'plain', NULL, NULL, ?)`, secret); err != nil {
		t.Fatal(err)
	}
	db.sealed(t)
}

func TestAnUpsertOverAFoldingIndexIsRefused(t *testing.T) {
	for _, ddl := range []string{
		`CREATE TABLE users (id INTEGER, tenant_id TEXT COLLATE NOCASE, name TEXT, email TEXT, ssn TEXT, age TEXT, UNIQUE (tenant_id, id))`,
		`CREATE TABLE users (id INTEGER, tenant_id TEXT, name TEXT, email TEXT, ssn TEXT, age TEXT); CREATE UNIQUE INDEX ux ON users (tenant_id COLLATE NOCASE, id)`,
	} {
		db := open(t)
		if _, err := db.plain.Exec(`DROP TABLE users; ` + ddl); err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		db.mustExec(t, ctx, insert, 1, "acme", secret)
		_, err := db.Exec(`INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?) ON CONFLICT (tenant_id, id) DO UPDATE SET email = excluded.email`, 1, "ACME", "new")
		if !errors.Is(err, asherah.ErrRefused) || !strings.Contains(err.Error(), "COLLATE BINARY") {
			t.Errorf("%s: %v", ddl, err)
		}
		if got := dump(t, ctx, db, `SELECT tenant_id, email FROM users`); got != "acme|s3cr3t\n" {
			t.Errorf("got %q", got)
		}
	}
}

func TestAMissingTableIsNamed(t *testing.T) {
	db := open(t)
	if _, err := db.plain.Exec(`DROP TABLE users`); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`SELECT * FROM users`, `INSERT INTO users VALUES (1, 'a', 'b', 's3cr3t', NULL, NULL)`} {
		_, err := db.Query(q)
		if err == nil || !strings.Contains(err.Error(), "no such table: users") {
			t.Errorf("%s: %v", q, err)
		}
		noSecret(t, err)
	}
}
