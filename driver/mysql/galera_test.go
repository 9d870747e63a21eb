//go:build galera

package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/internal/drivertest"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// TestGaleraNodesMakeEachKeyOnce: programs at three nodes of a cluster write for the same new tenants at the same
// time. The key rows that lose are found out when they are committed; each program goes on with the one that won.
func TestGaleraNodesMakeEachKeyOnce(t *testing.T) {
	const tenants = 120
	nodes := testserver.Galera(t, 3)
	t.Log(nodes[0])
	ctx := context.Background()
	plain := openPlain(t, nodes[0].DSN(""))
	mustExec(t, plain, usersDDL)
	conflicts := func() (n int) {
		for _, s := range nodes {
			v := one(t, ctx, openPlain(t, s.DSN("")), `SELECT SUM(variable_value) FROM information_schema.global_status WHERE variable_name IN ('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')`)
			var k int
			fmt.Sscan(v, &k)
			n += k
		}
		return n
	}
	before := conflicts()

	var programs []*sql.DB
	for n, s := range nodes {
		waitFor(t, s, "users")
		way := []string{"interpolateParams=true", "interpolateParams=false", "autocommit=1"}[n]
		db := connect(t, with(s.DSN(""), way), config(t))
		if err := db.Ping(); err != nil {
			t.Fatal(err)
		}
		programs = append(programs, db)
	}
	// Keys of both sides of a minute's end differ, as they should.
	if left := time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)); left < 20*time.Second {
		time.Sleep(left)
	}
	var failed atomic.Int64
	for i := range tenants {
		begin := make(chan struct{})
		var wg sync.WaitGroup
		for n, db := range programs {
			wg.Go(func() {
				<-begin
				id := 1000*n + i + 1
				// The row's own transaction may lose as well: that is the program's to try again.
				for range 20 {
					_, err := db.Exec(insertUser, id, fmt.Sprint("tenant-", i), drivertest.Numbered(id))
					if err == nil {
						return
					}
					if mysqlError(err) != 1213 || strings.Contains(err.Error(), "encryption_key") || strings.Contains(err.Error(), "store") {
						t.Errorf("node %d: %v", n, err)
						return
					}
					failed.Add(1)
				}
				t.Errorf("node %d: tenant %d never stored", n, i)
			})
		}
		close(begin)
		wg.Wait()
	}
	t.Logf("%d key rows lost against another node's; %d rows of the programs did", conflicts()-before, failed.Load())
	if conflicts() == before {
		t.Error("no two nodes ever stored one key at once: the test shows nothing")
	}
	for n, s := range nodes {
		waitForRows(t, s, 3*tenants)
		at := openPlain(t, s.DSN(""))
		if got := one(t, ctx, at, `SELECT count(*) FROM encryption_key WHERE id LIKE '\_IK\_tenant%'`); got != fmt.Sprint(tenants) {
			t.Errorf("node %d: %s intermediate keys of %d partitions", n, got, tenants)
		}
		if got := one(t, ctx, at, `SELECT count(*) FROM encryption_key WHERE id LIKE '\_SK\_%'`); got != "1" {
			t.Errorf("node %d: %s system keys", n, got)
		}
		drivertest.ReadNumbered(t, connect(t, s.DSN(""), config(t)), 1_000_000, 3*tenants)
	}
}

// waitFor waits until a table has come to a node.
func waitFor(t *testing.T, s *testserver.Server, table string) {
	t.Helper()
	db := openPlain(t, s.DSN(""))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := db.Exec("SELECT 1 FROM " + table + " LIMIT 1")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// waitForRows waits until a node has so many rows.
func waitForRows(t *testing.T, s *testserver.Server, rows int) {
	t.Helper()
	db := openPlain(t, s.DSN(""))
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if got := one(t, context.Background(), db, `SELECT count(*) FROM users`); got == fmt.Sprint(rows) {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("%s rows, want %d", got, rows)
		}
	}
}
