package mysql_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// Each table is set up wrong; the error names the place, and running the DDL that it ends with makes the
// connection work.
func TestTheCatalogueIsCheckedAtTheFirstConnection(t *testing.T) {
	d := open(t)
	ran := 0
	for _, c := range []struct {
		name, ddl string
		want      []string // of the error; its last part is run when it is DDL
	}{
		{"missing column", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT)`, []string{"accounts.age", "ALTER TABLE accounts ADD COLUMN age TEXT"}},
		{"too narrow", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email VARCHAR(255), age TEXT)`, []string{"accounts.email", "varchar(255)", "ALTER TABLE `accounts` MODIFY `email` TEXT"}},
		{"too narrow for a number", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT, age VARCHAR(40))`, []string{"accounts.age", "ALTER TABLE `accounts` MODIFY `age` TEXT"}},
		{"tinytext", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TINYTEXT, age TEXT)`, []string{"accounts.email", "tinytext", "ALTER TABLE `accounts` MODIFY `email` TEXT"}},
		{"blank-padded", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email CHAR(255), age TEXT)`, []string{"accounts.email", "char", "ALTER TABLE `accounts` MODIFY `email` TEXT"}},
		{"bytes", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email VARBINARY(4000), age TEXT)`, []string{"accounts.email", "varbinary", "ALTER TABLE `accounts` MODIFY `email` TEXT"}},
		{"JSON that is checked", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email ENUM('a'), age TEXT)`, []string{"accounts.email", "enum", "ALTER TABLE `accounts` MODIFY `email` TEXT"}},
		{"a number", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT, age INT)`, []string{"accounts.age", "int", "ALTER TABLE `accounts` MODIFY `age` TEXT"}},
		{"default", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT DEFAULT 'nobody@example.com', age TEXT)`, []string{"accounts.email", "default", "ALTER TABLE `accounts` ALTER COLUMN `email` DROP DEFAULT"}},
		{"a default that reads NULL", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT DEFAULT 'NULL', age TEXT)`, []string{"accounts.email", "default", "ALTER TABLE `accounts` ALTER COLUMN `email` DROP DEFAULT"}},
		{"an empty default", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT NOT NULL DEFAULT '', age TEXT)`, []string{"accounts.email", "default", "ALTER TABLE `accounts` ALTER COLUMN `email` DROP DEFAULT"}},
		{"a default that is computed", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT DEFAULT (CONCAT(tenant_id, '@x')), age TEXT)`, []string{"accounts.email", "default", "ALTER TABLE `accounts` ALTER COLUMN `email` DROP DEFAULT"}},
		{"generated", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT AS (CONCAT(tenant_id, '@x')) STORED, age TEXT)`, []string{"accounts.email", "generated", "ALTER TABLE `accounts` DROP COLUMN `email`, ADD COLUMN `email` TEXT"}},
		{"generated when read", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT AS (CONCAT(tenant_id, '@x')) VIRTUAL, age TEXT)`, []string{"accounts.email", "generated", "ALTER TABLE `accounts` DROP COLUMN `email`, ADD COLUMN `email` TEXT"}},
		{"unique", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT, age TEXT, UNIQUE (email(100)))`, []string{"accounts.email", "unique index email", "ALTER TABLE `accounts` DROP INDEX `email`"}},
		{"unique index of several", "CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT, age TEXT, UNIQUE KEY `One Each` (tenant_id, email(100)))", []string{"accounts.email", "ALTER TABLE `accounts` DROP INDEX `One Each`"}},
		{"primary key", `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT NOT NULL, age TEXT, PRIMARY KEY (id, email(100)))`, []string{"accounts.email", "ALTER TABLE `accounts` DROP INDEX `PRIMARY`"}},
		{"partition of another type", `CREATE TABLE accounts (id BIGINT, tenant_id INT, email TEXT, age TEXT)`, []string{"tenant_id", "int"}},
		{"a partition that is one of a few", `CREATE TABLE accounts (id BIGINT, tenant_id ENUM('a', 'b'), email TEXT, age TEXT)`, []string{"tenant_id", "enum"}},
		{"no partition column", `CREATE TABLE accounts (id BIGINT, email TEXT, age TEXT)`, []string{"no partition column tenant_id"}},
		{"view", `CREATE VIEW accounts AS SELECT id, tenant_id, email, age FROM users`, []string{"accounts is a view"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ran++
			mustExec(t, d.plain, c.ddl)
			defer func() {
				d.plain.Exec(`DROP VIEW accounts`) // one of the two is there
				d.plain.Exec(`DROP TABLE accounts`)
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
			if last := c.want[len(c.want)-1]; strings.HasPrefix(last, "ALTER TABLE ") {
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
	if ran < 15 {
		t.Errorf("%d ran", ran)
	}
}

func TestWideEnoughTypesPass(t *testing.T) {
	d := open(t)
	for _, ddl := range []string{
		`CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(20), email VARCHAR(2000) DEFAULT NULL, age VARCHAR(1000))`,
		`CREATE TABLE accounts (id BIGINT, tenant_id CHAR(20), email MEDIUMTEXT NOT NULL, age LONGTEXT)`,
		`CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(20) CHARACTER SET latin1, email TEXT CHARACTER SET ascii, age TEXT CHARACTER SET utf16) CHARACTER SET utf8mb3`,
		`CREATE TABLE accounts (id BIGINT, tenant_id TEXT, email TEXT COMPRESSED, age TEXT, INDEX (age(40)), UNIQUE (id)) ENGINE=MyISAM`,
		`CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(20), email TEXT, age TEXT) WITH SYSTEM VERSIONING`,
		`CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(20), email TEXT, age TEXT) PARTITION BY HASH (id) PARTITIONS 3`,
	} {
		mustExec(t, d.plain, ddl)
		db := connect(t, d.dsn, config(t, account{}))
		mustExec(t, db, `INSERT INTO accounts VALUES (1, 'acme', ?, ?)`, strings.Repeat("x", 500), 1<<62)
		if got := one(t, context.Background(), db, `SELECT age FROM accounts`); got != "4611686018427387904" {
			t.Errorf("%s: %s", ddl, got)
		}
		mustExec(t, db, `UPDATE accounts SET email = ? WHERE id = 1`, "x")
		if got := one(t, context.Background(), db, `SELECT email FROM accounts`); got != "x" {
			t.Errorf("%s: %s", ddl, got)
		}
		db.Close()
		mustExec(t, d.plain, `DROP TABLE accounts`)
	}
}

func TestViewsAreReportedOnce(t *testing.T) {
	d := open(t)
	mustExec(t, d.plain, `CREATE VIEW user_names AS SELECT id, email FROM users`)
	mustExec(t, d.plain, `CREATE TABLE visits (users INT)`)
	mustExec(t, d.plain, `CREATE VIEW unrelated AS SELECT users FROM visits`)
	var log bytes.Buffer
	cfg := config(t)
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	db := connect(t, d.dsn, cfg)
	for range 3 {
		mustExec(t, db, insertUser, 1, "acme", secret)
		mustExec(t, db, `DELETE FROM users`)
		mustExec(t, db, `ALTER TABLE users ADD COLUMN IF NOT EXISTS more TEXT`)
	}
	if n := strings.Count(log.String(), "user_names"); n != 1 {
		t.Errorf("reported %d times:\n%s", n, log.String())
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
	mustExec(t, d.plain, `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email VARCHAR(20), age TEXT)`)
	if _, err := db.Exec(`INSERT INTO accounts VALUES (1, 'acme', 'x', 1)`); !errors.Is(err, driver.ErrSchemaMismatch) {
		t.Errorf("got %v", err)
	}
	mustExec(t, d.plain, `ALTER TABLE accounts MODIFY email TEXT`)
	mustExec(t, db, `INSERT INTO accounts VALUES (1, 'acme', 'x', 1)`)
}

// An INSERT without a column list goes by the columns of this moment, whoever changed them.
func TestInsertWithoutAListFollowsTheTable(t *testing.T) {
	d := open(t)
	mustExec(t, d.plain, `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT, age TEXT)`)
	db := connect(t, d.dsn, config(t, account{}))
	const insert = `INSERT INTO accounts VALUES (?, ?, ?, ?)`
	prepared, err := db.Prepare(insert)
	if err != nil {
		t.Fatal(err)
	}
	defer prepared.Close()
	mustExec(t, db, insert, 1, "acme", secret, 41)
	mustExec(t, d.plain, `DROP TABLE accounts`)
	mustExec(t, d.plain, `CREATE TABLE accounts (email TEXT, id BIGINT, hidden TEXT INVISIBLE, age TEXT, tenant_id VARCHAR(50))`)
	mustExec(t, db, insert, secret, 2, 42, "acme")
	if _, err := prepared.Exec(secret, 2, 42, "acme"); err != nil {
		t.Error(err)
	}
	if got := one(t, context.Background(), d.plain, `SELECT count(*) FROM accounts WHERE email LIKE 'ash1.%' AND age LIKE 'ash1.%' AND tenant_id = 'acme' AND id = 2`); got != "2" {
		t.Errorf("%s rows as they should be", got)
	}
	if got := one(t, context.Background(), db, `SELECT email FROM accounts LIMIT 1`); got != secret {
		t.Error(got)
	}
	// SELECT * as well, prepared before the change and not.
	star, err := db.Prepare(`SELECT * FROM accounts`)
	if err != nil {
		t.Fatal(err)
	}
	defer star.Close()
	read := func(query func() (*sql.Rows, error), want string) {
		t.Helper()
		rows, err := query()
		if errors.Is(err, driver.ErrSchemaMismatch) { // noticed by the result
			rows, err = query()
		}
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		if cols, err := rows.Columns(); err != nil || strings.Join(cols, " ") != want {
			t.Errorf("columns %v, %v", cols, err)
		}
		for rows.Next() {
			var email, age, tenant, id any
			if err := rows.Scan(&email, &id, &age, &tenant); err != nil {
				t.Fatal(err)
			}
			if s, ok := email.(string); !ok || s != secret {
				t.Errorf("email %T", email)
			}
		}
		if err := rows.Err(); err != nil {
			t.Error(err)
		}
	}
	read(func() (*sql.Rows, error) { return db.Query(`SELECT * FROM accounts`) }, "email id age tenant_id")
	read(func() (*sql.Rows, error) { return star.Query() }, "email id age tenant_id")
	mustExec(t, d.plain, `ALTER TABLE accounts DROP COLUMN age`)
	mustExec(t, d.plain, `ALTER TABLE accounts ADD COLUMN age TEXT`)
	read(func() (*sql.Rows, error) { return db.Query(`SELECT * FROM accounts`) }, "email id tenant_id age")
	read(func() (*sql.Rows, error) { return star.Query() }, "email id tenant_id age")
}

// A temporary table hides the table of its name, on its connection only.
func TestTemporaryTables(t *testing.T) {
	d := open(t)
	ctx := context.Background()
	mustExec(t, d.plain, `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT, age TEXT)`)
	db := connect(t, d.dsn, config(t, account{}))
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	mustExecContext(t, ctx, conn, `INSERT INTO accounts VALUES (1, 'acme', ?, 1)`, secret)
	mustExecContext(t, ctx, conn, `CREATE TEMPORARY TABLE accounts (email TEXT, tenant_id VARCHAR(50), age TEXT, id BIGINT)`)
	mustExecContext(t, ctx, conn, `INSERT INTO accounts VALUES (?, 'acme', 2, 2)`, "temp-"+secret)
	if got := one(t, ctx, conn, `SELECT email FROM accounts WHERE id = 2`); got != "temp-"+secret {
		t.Error(got)
	}
	mustExec(t, db, `INSERT INTO accounts VALUES (3, 'acme', ?, 3)`, secret)
	if got := one(t, ctx, d.plain, `SELECT CONCAT(count(*), ' ', sum(email LIKE 'ash1.%')) FROM accounts`); got != "2 2" {
		t.Errorf("stored: %s", got)
	}
	mustExecContext(t, ctx, conn, `DROP TEMPORARY TABLE accounts`)
	if got := one(t, ctx, conn, `SELECT email FROM accounts WHERE id = 3`); got != secret {
		t.Error(got)
	}
}

// Names of tables are found as the server folds them.
func TestNamesInOtherSchemasAndCases(t *testing.T) {
	type Thing struct {
		ID       int64
		TenantID string
		Note     string `encrypt:"tenant_id"`
	}
	for _, fold := range []string{"0", "1"} {
		srv := testserver.MariaDB(t, testserver.Setting("lower_case_table_names", fold))
		d := openOn(t, srv, srv.DSN(""))
		ctx := context.Background()
		name := "things"
		if fold == "1" {
			name = "Things"
		}
		mustExec(t, d.plain, "CREATE TABLE `"+name+"` (id BIGINT, Tenant_ID VARCHAR(50), NOTE TEXT)")
		mustExec(t, d.plain, `CREATE DATABASE elsewhere`)
		mustExec(t, d.plain, `CREATE TABLE elsewhere.things (id BIGINT, note TEXT, tenant_id VARCHAR(50))`)
		db := connect(t, d.dsn, config(t, Thing{}))
		mustExec(t, db, "INSERT INTO `things` (id, tenant_id, note) VALUES (1, 'acme', ?)", secret)
		mustExec(t, db, "INSERT INTO elsewhere.things VALUES (2, ?, 'acme')", "else-"+secret)
		mustExec(t, db, "INSERT INTO `elsewhere` . `things` SET id = 3, TENANT_id = 'acme', `Note` = 'lit-s3cr3t'")
		for query, want := range map[string]string{
			"SELECT note FROM things":                                         secret,
			"SELECT t.NOTE FROM things AS t":                                  secret,
			"SELECT things.* FROM elsewhere.things WHERE id = 99":             "",
			"SELECT note FROM elsewhere.things WHERE id = 3":                  "lit-" + secret,
			"SELECT elsewhere.things.note FROM elsewhere.things WHERE id = 2": "else-" + secret,
		} {
			if want == "" {
				continue
			}
			if got := one(t, ctx, db, query); got != want {
				t.Errorf("%s: %s: %q", fold, query, got)
			}
		}
		// A name in other letters is the table's own where the server folds it, and no table where it doesn't.
		_, err := db.Exec("INSERT INTO `THINGS` (id, tenant_id, note) VALUES (4, 'acme', ?)", secret)
		if fold == "1" && err != nil || fold == "0" && err == nil {
			t.Errorf("fold %s: %v", fold, err)
		}
		if got := one(t, ctx, d.plain, "SELECT count(*) FROM (SELECT note FROM `"+name+"` UNION ALL SELECT note FROM elsewhere.things) x WHERE note NOT LIKE 'ash1.%'"); got != "0" {
			t.Errorf("fold %s: %s rows in the clear", fold, got)
		}
	}
}

type booking struct {
	ID     int64
	Clinic string
	Note   string `encrypt:"clinic"`
}

func (booking) TableName() string { return "bookings" }

type numbered struct {
	ID   int64
	Org  uint64
	Note string `encrypt:"org"`
}

func (numbered) TableName() string { return "bookings" }

type uuided struct {
	ID   int64
	Org  [16]byte
	Note string `encrypt:"org"`
}

func (uuided) TableName() string { return "bookings" }

// Partition columns of each type and collation: what is sealed can be opened, whichever spelling of a partition
// was written or asked for, and an update that finds rows of several partitions is refused.
func TestPartitionColumnsOfEachType(t *testing.T) {
	d := open(t)
	ctx := context.Background()
	for _, c := range []struct {
		column string
		values []string
	}{
		{"VARCHAR(50) COLLATE utf8mb4_bin", []string{"a", "A", "a ", "á", "ａ"}},
		{"VARCHAR(50) COLLATE utf8mb4_nopad_bin", []string{"a", "A", "a ", "á"}},
		{"VARCHAR(50) COLLATE utf8mb4_general_ci", []string{"a", "A", "á", "a "}},
		{"VARCHAR(50) COLLATE utf8mb4_unicode_520_nopad_ci", []string{"straße", "STRASSE", "strasse"}},
		{"VARCHAR(50) CHARACTER SET latin1", []string{"é", "e", "E"}},
		{"TEXT COLLATE utf8mb4_unicode_ci", []string{"a", "A", "ä"}},
		{"CHAR(20)", []string{"a", "A"}},
		{"UUID", []string{"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "6BA7B8109DAD11D180B400C04FD430C9"}},
	} {
		mustExec(t, d.plain, `CREATE TABLE bookings (id BIGINT PRIMARY KEY, clinic `+c.column+`, note TEXT)`)
		db := connect(t, d.dsn, config(t, booking{}))
		for i, v := range c.values {
			mustExec(t, db, `INSERT INTO bookings VALUES (?, ?, ?)`, i+1, v, "new-"+secret)
			mustExec(t, db, `UPDATE bookings SET note = ? WHERE id = ?`, "looked-"+secret, i+1)
			mustExec(t, db, `UPDATE bookings SET note = ? WHERE id = ? AND clinic = ?`, "pinned-"+secret, i+1, v)
			if got := one(t, ctx, db, `SELECT note FROM bookings WHERE id = ?`, i+1); got != "pinned-"+secret {
				t.Errorf("%s: %q: %q", c.column, v, got)
			}
		}
		// Whatever the collation calls equal, each row stays readable.
		for i, v := range c.values {
			_, err := db.Exec(`UPDATE bookings SET note = ? WHERE clinic = ?`, "all-"+secret, v)
			if err != nil && !errors.Is(err, driver.ErrRefused) {
				t.Errorf("%s: %q: %v", c.column, v, err)
			}
			if got := one(t, ctx, db, `SELECT note FROM bookings WHERE id = ?`, i+1); !strings.HasSuffix(got, secret) {
				t.Errorf("%s: %q: %q", c.column, v, got)
			}
		}
		rows, err := db.Query(`SELECT note FROM bookings`)
		if got := results(t, rows, err); len(strings.Split(got[0], ";")) != len(c.values) {
			t.Errorf("%s: %q", c.column, got)
		}
		db.Close()
		mustExec(t, d.plain, `DROP TABLE bookings`)
	}
	for _, column := range []string{"INT", "BIGINT UNSIGNED", "INT(10) UNSIGNED ZEROFILL", "DECIMAL(20,0)", "VARCHAR(30)", "TINYINT UNSIGNED"} {
		mustExec(t, d.plain, `CREATE TABLE bookings (id BIGINT PRIMARY KEY, org `+column+`, note TEXT)`)
		for _, way := range []string{"interpolateParams=true", "interpolateParams=false"} {
			db := connect(t, with(d.dsn, way), config(t, numbered{}))
			mustExec(t, db, `REPLACE INTO bookings VALUES (1, ?, ?)`, uint64(7), secret)
			mustExec(t, db, `UPDATE bookings SET note = ? WHERE id = 1`, "looked-"+secret)
			mustExec(t, db, `UPDATE bookings SET note = ? WHERE org = ?`, "pinned-"+secret, 7)
			mustExec(t, db, `UPDATE bookings SET note = 'pinned-s3cr3t' WHERE org = 7`)
			for _, q := range []string{`SELECT note FROM bookings WHERE id = 1`, `SELECT note FROM bookings WHERE id = ?`} {
				var args []any
				if strings.Contains(q, "?") {
					args = append(args, 1)
				}
				if got := one(t, ctx, db, q, args...); got != "pinned-"+secret {
					t.Errorf("%s: %q", column, got)
				}
			}
			db.Close()
		}
		mustExec(t, d.plain, `DROP TABLE bookings`)
	}
	id := [16]byte{0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8}
	for column, arg := range map[string]any{"UUID": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "BINARY(16)": id[:], "CHAR(36)": "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"} {
		mustExec(t, d.plain, `CREATE TABLE bookings (id BIGINT PRIMARY KEY, org `+column+`, note TEXT)`)
		db := connect(t, d.dsn, config(t, uuided{}))
		mustExec(t, db, `INSERT INTO bookings VALUES (1, ?, ?)`, arg, secret)
		mustExec(t, db, `UPDATE bookings SET note = ? WHERE id = 1`, "looked-"+secret)
		mustExec(t, db, `UPDATE bookings SET note = ? WHERE org = ?`, "pinned-"+secret, arg)
		if got := one(t, ctx, db, `SELECT note FROM bookings WHERE id = ?`, 1); got != "pinned-"+secret {
			t.Errorf("%s: %q", column, got)
		}
		db.Close()
		mustExec(t, d.plain, `DROP TABLE bookings`)
	}
}

// A user who may not touch a registered table can use the others; one who may only write it can do that.
func TestUsersWithFewPrivileges(t *testing.T) {
	type elsewhere struct {
		ID       int64
		TenantID string
		Note     string `encrypt:"tenant_id"`
	}
	d := open(t)
	ctx := context.Background()
	mustExec(t, d.plain, `CREATE TABLE accounts (id BIGINT, tenant_id VARCHAR(50), email TEXT, age TEXT)`)
	mustExec(t, d.plain, `CREATE TABLE others (id BIGINT)`)
	mustExec(t, d, insertUser, 1, "acme", secret)
	mustExec(t, d.plain, `CREATE OR REPLACE USER 'few'@'%' IDENTIFIED BY 'few'`)
	t.Cleanup(func() { d.plain.Exec(`DROP USER 'few'@'%'`) })
	c := parsed(t, d.dsn)
	for _, grant := range []string{"SELECT, INSERT ON encryption_key", "SELECT ON others", "INSERT ON users", "SELECT, INSERT, UPDATE (email, age) ON accounts"} {
		mustExec(t, d.plain, strings.Replace("GRANT "+grant+" TO 'few'@'%'", " ON ", " ON `"+c.DBName+"`.", 1))
	}
	c.User, c.Passwd = "few", "few"
	cfg := config(t, user{}, account{}, elsewhere{})
	if err := cfg.Schema.RegisterTable("nowhere.things", elsewhere{}); err != nil {
		t.Fatal(err)
	}
	db := connect(t, c.FormatDSN(), cfg)
	if got := one(t, ctx, db, `SELECT count(*) FROM others`); got != "0" {
		t.Error(got)
	}
	mustExec(t, db, insertUser, 2, "acme", secret)
	if _, err := db.Exec(`SELECT email FROM users`); mysqlError(err) != 1143 && mysqlError(err) != 1142 {
		t.Errorf("reading what may only be written: %v", err)
	}
	mustExec(t, db, `INSERT INTO accounts VALUES (1, 'acme', ?, 3)`, secret)
	mustExec(t, db, `UPDATE accounts SET email = ? WHERE tenant_id = ? AND id = 1`, secret, "acme")
	mustExec(t, db, `UPDATE accounts SET email = ? WHERE id = 1`, secret)
	if got := d.afresh(t, 2); got != secret {
		t.Error(got)
	}
	d.noLeak(t)
}
