package driver_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/driver/sqlite"
)

// A context that ends while a new tenant's key is being stored must not leave the connection in a transaction,
// which would take later writes with it.
func TestACancelledInsertOfANewTenantLosesNothingLater(t *testing.T) {
	db := open(t)
	db.SetMaxOpenConns(1)
	rnd := rand.New(rand.NewPCG(1, 2))
	var want strings.Builder
	for i := range 150 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rnd.IntN(1500))*time.Microsecond)
		_, err := db.ExecContext(ctx, insert, i, "t"+string(rune('A'+i%26))+string(rune('a'+i/26)), secret)
		cancel()
		noSecret(t, err)
		db.mustExec(t, context.Background(), insert, 1000+i, "steady", secret)
	}
	for i := range 150 {
		want.WriteString(dump(t, context.Background(), db, `SELECT ?, 's3cr3t'`, 1000+i))
	}
	db.Close()
	again := connect(t, db.path, config(t))
	if got := dump(t, context.Background(), again, `SELECT id, email FROM users WHERE id >= 1000 ORDER BY id`); got != want.String() {
		t.Errorf("acknowledged rows are lost: %d of 150 left", strings.Count(got, "\n"))
	}
	// What did get through before its context ended reads, too.
	dump(t, context.Background(), again, `SELECT email FROM users WHERE id < 1000`)
}

func TestANewTenantWhileReturnedRowsAreOpen(t *testing.T) {
	db := open(t)
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.QueryContext(ctx, `INSERT INTO users (id, tenant_id, email) VALUES (1, 'a', ?), (2, 'a', ?) RETURNING id`, secret, secret)
	if err != nil || !rows.Next() {
		t.Fatal("no row", err)
	}
	if _, err := conn.ExecContext(ctx, insert, 3, "b", secret); err != nil {
		t.Fatal(err)
	}
	rows.Close()
	conn.Close()
	readableAfterRestart(t, db, "1|s3cr3t\n2|s3cr3t\n3|s3cr3t\n")
}

func TestAnInsertWithoutAColumnListGoesByThePresentColumns(t *testing.T) {
	db := open(t)
	ctx := tenant("acme")
	ins, err := db.Prepare(`INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)`)
	if err != nil {
		t.Fatal(err)
	}
	defer ins.Close()
	if _, err := ins.ExecContext(ctx, 1, "acme", "n", secret, nil, nil); err != nil {
		t.Fatal(err)
	}
	// Somebody else makes the table anew, with its columns in another order.
	if _, err := db.plain.Exec(`DROP TABLE users; CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, name TEXT, tenant_id TEXT, ssn TEXT, age TEXT)`); err != nil {
		t.Fatal(err)
	}
	if _, err := ins.ExecContext(ctx, 2, secret, "n", "acme", nil, nil); err != nil {
		t.Fatal(err)
	}
	db.mustExec(t, ctx, `INSERT INTO users VALUES (3, ?, 'n', 'acme', NULL, NULL)`, secret)
	if got := dump(t, ctx, db, `SELECT id, tenant_id, email FROM users`); got != "2|acme|s3cr3t\n3|acme|s3cr3t\n" {
		t.Errorf("got %q", got)
	}
	db.sealed(t)
}

func TestKeysDoNotShowInLastInsertId(t *testing.T) {
	db := open(t)
	db.SetMaxOpenConns(1)
	db.mustExec(t, t.Context(), `CREATE TABLE other (id INTEGER PRIMARY KEY)`)
	db.mustExec(t, t.Context(), `INSERT INTO other VALUES (777)`)
	if _, err := db.plain.Exec(`INSERT INTO users (id) VALUES (500)`); err != nil {
		t.Fatal(err)
	}
	id, err := db.mustExec(t, t.Context(), `INSERT OR IGNORE INTO users (id, tenant_id, email) VALUES (500, 'new', ?)`, secret).LastInsertId()
	if err != nil || id != 777 {
		t.Errorf("LastInsertId = %d, %v; want 777, as without the key's row", id, err)
	}
}

func TestSealerCanBeClosedTwice(t *testing.T) {
	db := open(t)
	c, err := sqlite.NewConnector(db.path, config(t))
	if err != nil {
		t.Fatal(err)
	}
	s, err := asherah.NewSealer(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
