package testserver

import (
	"database/sql"
	"strings"
	"testing"
	"time"
)

func TestAReplicaFollowsAndOnlyReads(t *testing.T) {
	primary := Postgres(t, Private(), Setting("timezone", "Asia/Kathmandu"))
	must(t, primary, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
	r := primary.Replica()
	if r.DSN("") == primary.DSN("") || r.Database() != primary.Database() {
		t.Errorf("%s, %s", r.DSN(""), r.Database())
	}
	if n := must(t, r.Server, "SELECT count(*) FROM t"); n != "1" {
		t.Errorf("%s rows, want 1", n)
	}
	if zone := must(t, r.Server, "SHOW timezone"); zone != "Asia/Kathmandu" {
		t.Errorf("the settings aren't the primary's: %s", zone)
	}
	for range 20 {
		must(t, primary, "INSERT INTO t VALUES (2)")
		r.CatchUp()
		if got, want := must(t, r.Server, "SELECT count(*) FROM t"), must(t, primary, "SELECT count(*) FROM t"); got != want {
			t.Fatalf("after CatchUp: %s rows, want %s", got, want)
		}
	}
	if _, err := postgres.run(t.Context(), r.DSN(""), "INSERT INTO t VALUES (3)"); err == nil || !strings.Contains(err.Error(), "25006") {
		t.Errorf("a write: %v, want that it is read-only", err)
	}
	if log := r.Log(); !strings.Contains(log, "INSERT INTO t VALUES (3)") || strings.Contains(log, "VALUES (2)") {
		t.Errorf("the log isn't the replica's:\n%s", log)
	}
	// Both may be restarted, and the one follows the other again.
	primary.Crash()
	primary.Restart()
	r.Restart()
	must(t, primary, "DELETE FROM t")
	r.CatchUp()
	if n := must(t, r.Server, "SELECT count(*) FROM t"); n != "0" {
		t.Errorf("after the restarts: %s rows, want 0", n)
	}
}

func TestAFailoverLosesWhatTheReplicaHasNotGot(t *testing.T) {
	primary := Postgres(t, Private())
	must(t, primary, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
	r := primary.Replica()
	for range 3 { // there and back
		r.Disconnect()
		must(t, primary, "INSERT INTO t VALUES (2)")
		must(t, r.Server, "SELECT 1")
		r.Reconnect()
		r.CatchUp()
	}
	r.Disconnect()
	must(t, primary, "INSERT INTO t VALUES (3)")
	primary.Crash()
	r.Promote()
	if n := must(t, r.Server, "INSERT INTO t VALUES (4)", "SELECT string_agg(n::text, ' ' ORDER BY n) FROM t"); n != "1 2 2 2 4" {
		t.Errorf("after the failover there is %s, want 1 2 2 2 4", n)
	}
}

func TestACrashCutsConnectionsWithoutAWord(t *testing.T) {
	s := Postgres(t, Private())
	must(t, s, "CREATE TABLE t (n int)")
	ended := make(chan error)
	go func() {
		_, err := postgres.run(t.Context(), s.DSN(""), "INSERT INTO t VALUES (1)", "SELECT pg_sleep(600)")
		ended <- err
	}()
	eventually(t, "the statement runs", func() bool {
		return must(t, s, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND state = 'active'") == "1"
	})
	s.Crash()
	if err := <-ended; err == nil || strings.Contains(err.Error(), "57P0") {
		t.Errorf("the statement ended with %v, want no word of the server", err)
	}
	start := time.Now()
	s.Restart()
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("restarted after %v", d)
	}
	if n := must(t, s, "SELECT count(*) FROM t"); n != "1" {
		t.Errorf("%s rows, want the one that was committed", n)
	}
}

func TestPgBouncerHandsConnectionsOutByTheTransaction(t *testing.T) {
	srv := Postgres(t)
	dsn := PgBouncer(t, srv)
	db, err := sql.Open("pgx", dsn+"&default_query_exec_mode=exec")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	// Four clients at once make it open its four connections.
	var txs []*sql.Tx
	many, err := sql.Open("pgx", dsn+"&default_query_exec_mode=exec")
	if err != nil {
		t.Fatal(err)
	}
	defer many.Close()
	for range 4 {
		tx, err := many.Begin()
		if err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	for _, tx := range txs {
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
	pids := map[int]bool{}
	for range 20 {
		var pid int
		if err := db.QueryRow("SELECT pg_backend_pid()").Scan(&pid); err != nil {
			t.Fatal(err)
		}
		pids[pid] = true
	}
	if len(pids) < 2 {
		t.Errorf("one client's statements went over %d connections, want several", len(pids))
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	inTx := map[int]bool{}
	for range 5 {
		var pid int
		if err := tx.QueryRow("SELECT pg_backend_pid()").Scan(&pid); err != nil {
			t.Fatal(err)
		}
		inTx[pid] = true
	}
	if len(inTx) != 1 {
		t.Errorf("a transaction went over %d connections", len(inTx))
	}
	var database string
	if err := tx.QueryRow("SELECT current_database()").Scan(&database); err != nil || database != srv.Database() {
		t.Errorf("%s, %v", database, err)
	}
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		k              *kind
		dsn, at, other string
		has            string
	}{
		{postgres, "postgres://u:p@db:5433/a?sslmode=disable", "db:5433", "127.0.0.1:1", "postgres://u:p@/a?host=127.0.0.1&port=1&sslmode=disable"},
		{postgres, "postgres://u:p@/a?host=%2Frun&port=5433", "/run/.s.PGSQL.5433", "/tmp/px/.s.PGSQL.1", "postgres://u:p@/a?host=%2Ftmp%2Fpx&port=1"},
		{postgres, "host=db port=5433 user=u", "db:5433", "127.0.0.1:1", "host=db port=5433 user=u host=127.0.0.1 port=1"},
		{mariadb, "u:p@tcp(db:3307)/c?parseTime=true", "db:3307", "/tmp/px/m.sock", "u:p@unix(/tmp/px/m.sock)/c?parseTime=true"},
		{mariadb, "u:p@unix(/tmp/m.sock)/c", "/tmp/m.sock", "127.0.0.1:1", "u:p@tcp(127.0.0.1:1)/c"},
	} {
		at, err := c.k.address(c.dsn)
		if err != nil || at != c.at {
			t.Errorf("%s leads to %s, %v; want %s", c.dsn, at, err, c.at)
		}
		has, err := c.k.withAddress(c.dsn, c.other)
		if err != nil || has != c.has {
			t.Errorf("%s at %s is\n     %s, %v\nwant %s", c.dsn, c.other, has, err, c.has)
		}
		if at, err := c.k.address(has); err != nil || at != c.other {
			t.Errorf("%s leads to %s, %v", has, at, err)
		}
	}
}
