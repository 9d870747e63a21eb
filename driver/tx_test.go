package driver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	asherah "github.com/asherah-sql/asherah-sql/driver"
)

// readableAfterRestart reads every row's e-mail with new keys, as another process would.
func readableAfterRestart(t *testing.T, db *database, want string) {
	t.Helper()
	db.Close()
	again := connect(t, db.path, config(t))
	if got := dump(t, context.Background(), again, `SELECT id, email FROM users ORDER BY id`); got != want {
		t.Errorf("after a restart: got %q, want %q", got, want)
	}
}

func partitionsWithKeys(t *testing.T, db *database) string {
	t.Helper()
	return strings.ReplaceAll(dump(t, context.Background(), db.plain, `SELECT id FROM encryption_key WHERE id LIKE '\_IK\_%' ESCAPE '\' ORDER BY id`), "\n", " ")
}

const insert = `INSERT INTO users (id, tenant_id, email) VALUES (?, ?, ?)`

func TestARolledBackTransactionTakesItsNewKeysBack(t *testing.T) {
	db := open(t)
	ctx := context.Background()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(insert, 1, "acme", secret); err != nil {
		t.Fatal(err)
	}
	// Inside of it the value reads; no other connection sees the key or the row.
	if got := dump(t, ctx, tx, `SELECT email FROM users`); got != secret+"\n" {
		t.Errorf("inside: %q", got)
	}
	if keys := partitionsWithKeys(t, db); keys != "" {
		t.Errorf("uncommitted keys are visible: %s", keys)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	// The same tenant's next row must not be sealed by the key that is gone.
	db.mustExec(t, ctx, insert, 2, "acme", secret)
	if keys := partitionsWithKeys(t, db); keys != "_IK_acme_shop_web " {
		t.Errorf("keys: %s", keys)
	}
	readableAfterRestart(t, db, "2|s3cr3t\n")
}

func TestTransactionsAsText(t *testing.T) {
	for _, end := range []string{"COMMIT", "END TRANSACTION", "RELEASE outermost", " /* x */ commit ;"} {
		t.Run(end, func(t *testing.T) {
			db := open(t)
			ctx := context.Background()
			conn, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			run := func(q string, args ...any) {
				t.Helper()
				if _, err := conn.ExecContext(ctx, q, args...); err != nil {
					t.Fatalf("%s: %v", q, err)
				}
			}
			begin := "BEGIN IMMEDIATE"
			if strings.HasPrefix(end, "RELEASE") {
				begin = "SAVEPOINT outermost"
			}
			run(begin)
			run("SAVEPOINT a")
			run(insert, 1, "acme", secret)
			run("ROLLBACK TO a") // takes the key's row back
			run(insert, 2, "acme", secret)
			run("SAVEPOINT b")
			run(insert, 3, "globex", secret)
			run("RELEASE b")
			if keys := partitionsWithKeys(t, db); keys != "" {
				t.Errorf("uncommitted keys are visible: %s", keys)
			}
			run(end)
			if keys := partitionsWithKeys(t, db); keys != "_IK_acme_shop_web _IK_globex_shop_web " {
				t.Errorf("keys: %s", keys)
			}
			conn.Close()
			readableAfterRestart(t, db, "2|s3cr3t\n3|s3cr3t\n")
		})
	}
}

func TestRollbackAsTextAndInOneText(t *testing.T) {
	db := open(t)
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"BEGIN", `INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme', 's3cr3t')`, "ROLLBACK"} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	// Several statements in one text: keys first, then the text.
	if _, err := conn.ExecContext(ctx, `BEGIN; INSERT INTO users (id, tenant_id, email) VALUES (2, 'acme', 's3cr3t'); COMMIT`); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(ctx, `BEGIN; INSERT INTO users (id, tenant_id, email) VALUES (3, 'globex', 's3cr3t'); ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	// The key was stored before that text, durably.
	if _, err := conn.ExecContext(ctx, insert, 4, "globex", secret); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(ctx, "BEGIN"); err != nil {
		t.Fatal(err)
	}
	_, err = conn.ExecContext(ctx, `ROLLBACK; INSERT INTO users (id, tenant_id, email) VALUES (5, 'initech', 's3cr3t')`)
	if !errors.Is(err, asherah.ErrRefused) {
		t.Errorf("err = %v, want a refusal: nothing tells whether the key would survive", err)
	}
	noSecret(t, err)
	if _, err := conn.ExecContext(ctx, "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	readableAfterRestart(t, db, "2|s3cr3t\n4|s3cr3t\n")
}

func TestNestedSavepointsInATx(t *testing.T) {
	db := open(t)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range []string{"SAVEPOINT s1", "", "SAVEPOINT s2", "", "ROLLBACK TO s1", "", "RELEASE s1", ""} {
		if q != "" {
			_, err = tx.Exec(q)
		} else {
			_, err = tx.Exec(insert, i, "acme", secret)
		}
		if err != nil {
			t.Fatal(i, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	readableAfterRestart(t, db, "5|s3cr3t\n7|s3cr3t\n")
}

func TestATransactionThatSQLiteEndsItself(t *testing.T) {
	db := open(t)
	if _, err := db.plain.Exec(`CREATE UNIQUE INDEX u ON users (name)`); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	ins := `INSERT OR ROLLBACK INTO users (id, tenant_id, name, email) VALUES (?, ?, ?, ?)`
	if _, err := tx.Exec(ins, 1, "acme", "same", secret); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ins, 2, "acme", "same", secret); err == nil {
		t.Fatal("no conflict")
	}
	// The transaction is gone; a program that doesn't notice writes in autocommit mode.
	if _, err := tx.Exec(ins, 3, "acme", "other", secret); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err == nil {
		t.Error("SQLite rolled back nothing without an error")
	}
	_ = ctx
	readableAfterRestart(t, db, "3|s3cr3t\n")
}

func TestATransactionBegunBehindTheWrapper(t *testing.T) {
	db := open(t)
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	inner := func(q string) {
		t.Helper()
		err := conn.Raw(func(c any) error {
			in := c.(interface{ Unwrap() driver.Conn }).Unwrap()
			_, err := in.(driver.ExecerContext).ExecContext(ctx, q, nil)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	inner("BEGIN")
	if _, err := conn.ExecContext(ctx, insert, 1, "acme", secret); err != nil {
		t.Fatal(err)
	}
	inner("ROLLBACK")
	if _, err := conn.ExecContext(ctx, insert, 2, "acme", secret); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	readableAfterRestart(t, db, "2|s3cr3t\n")
}

func TestABusyCommitKeepsItsKeysProvisional(t *testing.T) {
	// Rollback journal: a reader's shared lock makes COMMIT busy.
	path := filepath.Join(t.TempDir(), "app.db")
	plain, err := sql.Open("sqlite", path+"?_pragma=journal_mode(DELETE)&_pragma=busy_timeout(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := plain.Exec(usersDDL + `; INSERT INTO users (id) VALUES (100), (101)`); err != nil {
		t.Fatal(err)
	}
	c, err := newConnectorWith(path+"?_pragma=journal_mode(DELETE)&_pragma=busy_timeout(0)", config(t))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{"BEGIN", `INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme', 's3cr3t')`} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	reader, err := plain.Query(`SELECT id FROM users`)
	if err != nil || !reader.Next() {
		t.Fatal("no reader", err)
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Fatalf("COMMIT: %v, want busy", err)
	}
	if _, err := conn.ExecContext(ctx, insert, 2, "acme", secret); err != nil {
		t.Fatal(err)
	}
	reader.Close()
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	db.Close()
	again := connect(t, path, config(t))
	if got := dump(t, ctx, again, `SELECT id, email FROM users WHERE email IS NOT NULL`); got != "1|s3cr3t\n2|s3cr3t\n" {
		t.Errorf("got %q", got)
	}
}

func TestManyConnectionsMakeKeysOfTheSameTenants(t *testing.T) {
	db := open(t)
	var wg sync.WaitGroup
	errs := make(chan error, 1000)
	for g := range 8 {
		wg.Go(func() {
			for i := range 30 {
				id := fmt.Sprintf("tenant%d", i)
				var err error
				if g%2 == 0 {
					_, err = db.Exec(insert, nil, id, secret)
				} else {
					var tx *sql.Tx
					// IMMEDIATE, as SQLite wants of transactions that write: a deferred one may be busy.
					if tx, err = db.Begin(); err == nil {
						if _, err = tx.Exec(insert, nil, id, secret); err == nil && g%4 == 1 {
							err = tx.Commit()
						} else {
							err = errors.Join(err, tx.Rollback())
						}
					}
				}
				if err != nil && !strings.Contains(err.Error(), "locked") {
					errs <- err
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if got := dump(t, context.Background(), db.plain, `SELECT id, created, count(*) FROM encryption_key GROUP BY 1, 2 HAVING count(*) > 1`); got != "" {
		t.Errorf("more than one key: %s", got)
	}
	want := dump(t, context.Background(), db.plain, `SELECT id, 's3cr3t' FROM users ORDER BY id`)
	if strings.Count(want, "\n") < 100 {
		t.Errorf("only %d rows were written", strings.Count(want, "\n"))
	}
	readableAfterRestart(t, db, want)
}

func TestADatabaseInMemoryKeepsItsKeysInTheProcess(t *testing.T) {
	for _, dsn := range []string{":memory:", "file:shared?mode=memory&cache=shared", "file::memory:"} {
		c, err := newConnectorWith(dsn, config(t))
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(c)
		db.SetMaxOpenConns(1)
		if _, err := db.Exec(usersDDL); err != nil {
			t.Fatal(err)
		}
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(insert, 1, "mem", secret); err != nil {
			t.Fatal(err)
		}
		tx.Rollback()
		if _, err := db.Exec(insert, 2, "mem", secret); err != nil {
			t.Fatal(err)
		}
		if got := dump(t, context.Background(), db, `SELECT email FROM users`); got != secret+"\n" {
			t.Errorf("%s: %q", dsn, got)
		}
		if got := dump(t, context.Background(), db, `SELECT count(*) FROM sqlite_master WHERE name = 'encryption_key'`); got != "0\n" {
			t.Errorf("%s: a key table was made", dsn)
		}
		db.Close()
	}
}
