package mysql_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/drivertest"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
	"github.com/asherah-sql/asherah-sql/kms/static"
)

const insertUser = `INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?)`

// keysOf counts the rows of a partition's key.
func (d *database) keysOf(t testing.TB, partition string) string {
	t.Helper()
	return one(t, context.Background(), d.plain, `SELECT count(*) FROM encryption_key WHERE id = ?`, "_IK_"+partition+"_shop_web")
}

// afresh reads an email with keys that come from the table.
func (d *database) afresh(t testing.TB, id int) string {
	t.Helper()
	db := connect(t, d.srv.DSN(""), config(t))
	defer db.Close()
	return one(t, context.Background(), db, `SELECT email FROM users WHERE id = ?`, id)
}

func TestAPoolOfOneCanMakeKeysInATransaction(t *testing.T) {
	d := open(t)
	d.SetMaxOpenConns(1)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tx, err := d.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		mustExecContext(t, ctx, tx, insertUser, i+1, fmt.Sprintf("t%d", i), secret)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := d.afresh(t, 5); got != secret {
		t.Error(got)
	}
}

func TestARollbackTakesNoKeyBack(t *testing.T) {
	d := open(t)
	for _, way := range []string{"Rollback", "text", "savepoint", "nested savepoints", "a server's error", "DDL", "deadlock"} {
		tx, err := d.Begin()
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, tx, `SAVEPOINT s`)
		mustExec(t, tx, insertUser, 1, way, secret)
		left := "0"
		switch way {
		case "text":
			mustExec(t, tx, `ROLLBACK`)
		case "savepoint":
			mustExec(t, tx, `ROLLBACK TO SAVEPOINT s`)
		case "nested savepoints":
			mustExec(t, tx, `SAVEPOINT inside`)
			mustExec(t, tx, insertUser, 2, "inside", secret)
			mustExec(t, tx, `ROLLBACK TO inside`)
			mustExec(t, tx, insertUser, 2, "inside", secret)
			mustExec(t, tx, `RELEASE SAVEPOINT inside`)
			mustExec(t, tx, `ROLLBACK TO s`)
			if got := d.keysOf(t, "inside"); got != "1" {
				t.Errorf("%s keys", got)
			}
		case "a server's error":
			// The statement is undone and the transaction goes on.
			if _, err := tx.Exec(insertUser, 1, "taken", secret); mysqlError(err) != 1062 {
				t.Fatal(err)
			}
			mustExec(t, tx, insertUser, 3, "taken", secret)
			if got := d.keysOf(t, "taken"); got != "1" {
				t.Errorf("%s keys", got)
			}
		case "DDL":
			mustExec(t, tx, `CREATE TABLE ddl (id INT)`) // commits
			left = "1"
		case "deadlock":
			if _, err := tx.Exec(`SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213`); mysqlError(err) != 1213 {
				t.Fatal(err)
			}
		}
		if err := tx.Rollback(); err != nil {
			t.Errorf("%s: %v", way, err)
		}
		if got := one(t, context.Background(), d.plain, `SELECT count(*) FROM users`); got != left {
			t.Errorf("%s: %s rows", way, got)
		}
		if got := d.keysOf(t, way); got != "1" {
			t.Errorf("%s: %s keys", way, got)
		}
		mustExec(t, d, `DELETE FROM users`)
		mustExec(t, d, insertUser, 1, way, secret)
		if got := d.afresh(t, 1); got != secret {
			t.Errorf("%s: %s", way, got)
		}
		mustExec(t, d, `DELETE FROM users`)
		if got := d.keysOf(t, way); got != "1" {
			t.Errorf("%s: %s keys afterwards", way, got)
		}
	}
}

// A session that has locked tables may use no others; keys are made elsewhere.
func TestKeysAreMadeUnderLockedTables(t *testing.T) {
	d := open(t)
	ctx := context.Background()
	conn := d.onOne(t)
	mustExecContext(t, ctx, conn, `LOCK TABLES users WRITE`)
	mustExecContext(t, ctx, conn, insertUser, 1, "locked", secret)
	mustExecContext(t, ctx, conn, `UPDATE users SET email = ? WHERE id = 1`, "again-"+secret)
	if got := one(t, ctx, conn, `SELECT email FROM users WHERE id = 1`); got != "again-"+secret {
		t.Error(got)
	}
	mustExecContext(t, ctx, conn, `UNLOCK TABLES`)
	if got := d.afresh(t, 1); got != "again-"+secret {
		t.Error(got)
	}
}

func TestAReadOnlySessionMakesKeysElsewhere(t *testing.T) {
	d := open(t)
	mustExec(t, d, insertUser, 1, "acme", secret)
	reader := with(d.dsn, "tx_read_only=1")
	// Reading needs no other connection.
	ro := connect(t, reader, config(t))
	if got := one(t, context.Background(), ro, `SELECT email FROM users`); got != secret {
		t.Error(got)
	}
	// A key that must be made does, and the error says what is wrong.
	_, err := ro.Exec(`UPDATE users SET email = ? WHERE id = 1 AND tenant_id = ?`, "x-"+secret, "unheard of")
	if err == nil || !strings.Contains(err.Error(), "READ ONLY") && !strings.Contains(err.Error(), "read-only") {
		t.Errorf("a key in a read-only session: %v", err)
	}
	// In a read-only transaction of a session that isn't, keys are made as ever; the write is the server's to refuse.
	tx, err := d.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(insertUser, 9, "in a read-only transaction", secret); mysqlError(err) != 1792 {
		t.Errorf("got %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	t.Setenv("MYSQL_TEST_KEYS_DSN", d.dsn)
	cfg := config(t)
	cfg.MetastoreDSN = "env:MYSQL_TEST_KEYS_DSN"
	elsewhere := connect(t, reader, cfg)
	s, err := driver.NewSealer(context.Background(), connector(t, reader, cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Seal(context.Background(), "users", "email", map[string]any{"tenant_id": "made elsewhere"}, secret); err != nil {
		t.Errorf("keys through asherah_metastore_dsn: %v", err)
	}
	if got := d.keysOf(t, "made elsewhere"); got != "1" {
		t.Errorf("%s keys", got)
	}
	if got := one(t, context.Background(), elsewhere, `SELECT email FROM users`); got != secret {
		t.Error(got)
	}
	// Where the key table isn't there and can't be made, the DDL is in the error.
	empty := testserver.MariaDB(t)
	mustExec(t, openPlain(t, empty.DSN("")), usersDDL)
	err = connect(t, with(empty.DSN(""), "tx_read_only=1"), config(t)).Ping()
	if err == nil || !strings.Contains(err.Error(), "CREATE TABLE") {
		t.Errorf("no key table in a read-only session: %v", err)
	}
}

func TestADriftOfSettingsIsRefused(t *testing.T) {
	d := open(t)
	mustExec(t, d, insertUser, 1, "acme", secret)
	other := config(t)
	k, err := static.New(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	other.KMS = k
	if err := connect(t, d.dsn, other).Ping(); !errors.Is(err, driver.ErrDrift) {
		t.Errorf("another master key: %v", err)
	}
	if got := d.afresh(t, 1); got != secret {
		t.Error(got)
	}
}

// A failover to a server that hadn't got a key row yet: the row is stored again, byte for byte, before
// anything more is sealed with the key.
func TestAKeyRowThatAFailoverLostIsStoredAgain(t *testing.T) {
	d := open(t)
	mustExec(t, d, insertUser, 1, "acme", secret)
	dump := func() string {
		return one(t, context.Background(), d.plain, `SELECT GROUP_CONCAT(id, created, key_record ORDER BY id) FROM encryption_key WHERE id LIKE '\_IK%' OR id LIKE '\_SK%'`)
	}
	before := dump()
	mustExec(t, d.plain, `DELETE FROM encryption_key WHERE id LIKE '\_IK%' OR id LIKE '\_SK%'`)
	const others = `SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()`
	deadline := time.Now().Add(20 * time.Second)
	for {
		id := ""
		if err := d.plain.QueryRow(others + ` LIMIT 1`).Scan(&id); errors.Is(err, sql.ErrNoRows) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		d.plain.Exec(`KILL ` + id) // it may have gone by itself
		if time.Now().After(deadline) {
			t.Fatal("connections don't end")
		}
	}
	for {
		// The connections that were cut are noticed first.
		_, err := d.Exec(insertUser, 2, "acme", secret)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if after := dump(); after != before {
		t.Errorf("keys before: %s\nafter: %s", before, after)
	}
	for id := 1; id <= 2; id++ {
		if got := d.afresh(t, id); got != secret {
			t.Errorf("row %d: %q", id, got)
		}
	}
}

// Keys are found whatever the time zones of the server, the session and the driver, and no second one is made.
func TestTimeZones(t *testing.T) {
	for _, layout := range []string{"", `CREATE TABLE encryption_key (id VARCHAR(255) NOT NULL, created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, key_record TEXT NOT NULL, PRIMARY KEY (id, created), INDEX (created))`} {
		srv := testserver.MariaDB(t)
		plain := openPlain(t, srv.DSN(""))
		mustExec(t, plain, usersDDL)
		if layout != "" {
			mustExec(t, plain, layout)
		}
		ctx := context.Background()
		born := time.Date(1980, 2, 3, 4, 5, 6, 7000, time.FixedZone("", -5*3600))
		for i, params := range [][]string{
			{"time_zone=%27%2B00:00%27"},
			{"time_zone=%27%2B13:00%27", "parseTime=true"},
			{"time_zone=%27-11:30%27", "parseTime=true", "loc=Pacific%2FAuckland"},
			{"parseTime=true", "loc=Local", "interpolateParams=true"},
		} {
			db := connect(t, with(srv.DSN(""), params...), config(t))
			mustExec(t, db, `INSERT INTO users (id, tenant_id, email, born) VALUES (?, 'acme', ?, ?)`, i+1, drivertest.Numbered(i+1), born)
			drivertest.ReadNumbered(t, db, 1000, i+1)
			var got time.Time
			if err := db.QueryRowContext(ctx, `SELECT born FROM users WHERE id = ?`, i+1).Scan(&got); err != nil || !got.Equal(born) {
				t.Errorf("%v: %v, %v", params, got, err)
			}
			db.Close()
		}
		if got := one(t, ctx, plain, `SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM encryption_key GROUP BY id) x`); got != "1" {
			t.Errorf("%s keys of one partition", got)
		}
	}
}

// TestRacingProcess isn't a test of its own: it is the process that the next one starts.
func TestRacingProcess(t *testing.T) {
	drivertest.Racer(t, insertUser, func(dsn string) *sql.DB { return connect(t, dsn, config(t)) })
}

func TestTwoProcessesMakeEachKeyOnce(t *testing.T) {
	srv := testserver.MariaDB(t)
	plain := openPlain(t, srv.DSN(""))
	mustExec(t, plain, usersDDL)
	drivertest.Race(t, "TestRacingProcess", srv.DSN(""))
	ctx := context.Background()
	if got := one(t, ctx, plain, `SELECT count(*) FROM users`); got != fmt.Sprint(2*drivertest.RaceKeys) {
		t.Fatalf("%s rows", got)
	}
	if got := one(t, ctx, plain, `SELECT count(*) FROM encryption_key WHERE id LIKE '\_IK\_tenant%'`); got != fmt.Sprint(drivertest.RaceKeys) {
		t.Errorf("%s intermediate keys of %d partitions", got, drivertest.RaceKeys)
	}
	if got := one(t, ctx, plain, `SELECT count(*) FROM encryption_key WHERE id LIKE '\_SK\_%'`); got != "1" {
		t.Errorf("%s system keys", got)
	}
	drivertest.ReadNumbered(t, connect(t, srv.DSN(""), config(t)), drivertest.RaceBase, 2*drivertest.RaceKeys)
}

// A program that commits by itself (autocommit=0) has its keys committed at once, not by chance.
func TestKeysAreCommittedWithoutAutocommit(t *testing.T) {
	for _, params := range [][]string{{"autocommit=0"}, {"autocommit=0", "interpolateParams=true"}, {"completion_type=CHAIN", "autocommit=0"}} {
		d := open(t, params...)
		ctx := context.Background()
		conn := d.onOne(t)
		mustExecContext(t, ctx, conn, insertUser, 1, "acme", secret)
		if got := d.keysOf(t, "acme"); got != "1" {
			t.Errorf("%v: %s keys are there for others", params, got)
		}
		mustExecContext(t, ctx, conn, `ROLLBACK`)
		if got := d.keysOf(t, "acme"); got != "1" {
			t.Errorf("%v: %s keys after a rollback", params, got)
		}
		mustExecContext(t, ctx, conn, insertUser, 1, "acme", secret)
		mustExecContext(t, ctx, conn, `COMMIT`)
		// The other key of the same partition, made by somebody who can't see a row that isn't committed.
		other := connect(t, d.dsn, config(t))
		oc, err := other.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		mustExecContext(t, ctx, oc, insertUser, 2, "acme", secret)
		mustExecContext(t, ctx, oc, `COMMIT`)
		oc.Close()
		if got := one(t, ctx, d.plain, `SELECT count(*) FROM encryption_key WHERE id LIKE '\_%'`); got != "3" { // guard, system key, acme's
			t.Errorf("%v: %s key rows", params, got)
		}
		for id := 1; id <= 2; id++ {
			if got := d.afresh(t, id); got != secret {
				t.Errorf("%v: %q", params, got)
			}
		}
	}
}

// Keys that somebody else may still take back are not used, whatever the program's isolation level is.
func TestNoKeyIsReadThatIsNotCommitted(t *testing.T) {
	srv := testserver.MariaDB(t)
	ctx := context.Background()
	var name, level string // the variable has two names
	if err := openPlain(t, srv.DSN("")).QueryRow(`SHOW SESSION VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')`).Scan(&name, &level); err != nil {
		t.Fatal(err)
	}
	d := openOn(t, srv, with(srv.DSN(""), name+"=%27READ-UNCOMMITTED%27"))
	if got := one(t, ctx, d, `SELECT @@SESSION.`+name); got != "READ-UNCOMMITTED" {
		t.Fatal(got)
	}
	mustExec(t, d, insertUser, 1, "acme", drivertest.Numbered(1))
	mustExec(t, d, insertUser, 2, "zoo", drivertest.Numbered(2))
	// The row of zoo's key is there, but not committed, when a process that starts now reads it.
	tx, err := d.plain.Begin()
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, tx, `INSERT INTO encryption_key (id, created, key_record) SELECT '_IK_dirty_shop_web', created, key_record FROM encryption_key WHERE id = '_IK_zoo_shop_web'`)
	late, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if _, err := d.ExecContext(late, insertUser, 3, "dirty", drivertest.Numbered(3)); err == nil {
		t.Error("a key was used that isn't committed")
	} else if strings.Contains(err.Error(), "authent") || strings.Contains(err.Error(), "unable to") {
		t.Errorf("the key was read: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	mustExec(t, d, insertUser, 3, "dirty", drivertest.Numbered(3))
	drivertest.ReadNumbered(t, connect(t, d.srv.DSN(""), config(t)), 1000, 3)
}
