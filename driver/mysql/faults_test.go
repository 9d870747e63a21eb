package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/drivertest"
	"github.com/asherah-sql/asherah-sql/internal/testproxy"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// quiet has go-sql-driver say nothing of connections that tests cut.
func quiet(t testing.TB) {
	t.Helper()
	if err := mysql.SetLogger(&mysql.NopLogger{}); err != nil {
		t.Fatal(err)
	}
}

// keysBehind opens the database through the wrapper with keys on connections through a proxy.
func keysBehind(t testing.TB, srv *testserver.Server, p *testproxy.Proxy) *sql.DB {
	t.Helper()
	cfg := config(t)
	var err error
	if cfg.MetastoreConnector, err = new(mysql.MySQLDriver).OpenConnector(srv.DSNAt(p.Addr(), "")); err != nil {
		t.Fatal(err)
	}
	return connect(t, srv.DSN(""), cfg)
}

// The connection of the keys is cut at a byte of the exchange in which a new partition's key is looked for,
// stored and read again, in either direction. Whatever the byte: the statement fails or its row can be read,
// a later attempt succeeds, and the partition has one key.
func TestTheConnectionIsCutWhileAKeyIsStored(t *testing.T) {
	quiet(t)
	srv := testserver.MariaDB(t)
	plain := openPlain(t, srv.DSN(""))
	mustExec(t, plain, usersDDL)
	proxy := testproxy.New(t, srv.Addr())
	db := keysBehind(t, srv, proxy)
	ctx := context.Background()
	insert := func(id int, partition string) error {
		_, err := db.ExecContext(ctx, insertUser, id, partition, drivertest.Numbered(id))
		return err
	}
	if err := insert(1, "first"); err != nil { // connections and the system key are there
		t.Fatal(err)
	}
	before := proxy.Stats()
	if err := insert(2, "measured"); err != nil {
		t.Fatal(err)
	}
	size := proxy.Stats().Sub(before)
	if size.ToServer == 0 || size.ToClient == 0 {
		t.Fatalf("no key went through the proxy: %+v", size)
	}
	id, fired := 10, 0
	for _, dir := range []testproxy.Direction{testproxy.ToServer, testproxy.ToClient} {
		n := size.ToServer
		if dir == testproxy.ToClient {
			n = size.ToClient
		}
		step := int64(1)
		if testing.Short() {
			step = 17
		}
		for at := int64(0); at < n; at += step {
			id += 2
			partition := fmt.Sprintf("%v-%d", dir, at)
			proxy.Cut(testproxy.AfterBytes(dir, at))
			err := insert(id, partition)
			if proxy.Fired() {
				fired++
			}
			proxy.Heal()
			rows := one(t, ctx, plain, `SELECT count(*) FROM users WHERE id = ?`, id)
			if (err == nil) != (rows == "1") {
				t.Fatalf("%s: %v, and %s rows", partition, err, rows)
			}
			if err := insert(id+1, partition); err != nil {
				t.Fatalf("%s: afterwards: %v", partition, err)
			}
		}
	}
	if fired < int(size.ToServer)/2 && !testing.Short() {
		t.Errorf("only %d cuts happened", fired)
	}
	t.Logf("%d cuts in %d + %d bytes", fired, size.ToServer, size.ToClient)
	if got := one(t, ctx, plain, `SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM encryption_key GROUP BY id) x`); got != "1" {
		t.Errorf("%s keys of one partition", got)
	}
	readAll(t, srv, 1)
}

// readAll reads every row with keys that come from the table, and checks that there are at least so many.
func readAll(t testing.TB, srv *testserver.Server, atLeast int) {
	t.Helper()
	db := connect(t, srv.DSN(""), config(t))
	defer db.Close()
	drivertest.ReadNumbered(t, db, math.MaxInt, atLeast)
}

func TestAStatementIsCancelledWhileAKeyIsMade(t *testing.T) {
	quiet(t)
	d := open(t)
	mustExec(t, d, insertUser, 1, "first", drivertest.Numbered(1))
	block, err := d.plain.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer block.Close()
	mustExec(t, block, `LOCK TABLES encryption_key WRITE`)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err = d.ExecContext(ctx, insertUser, 2, "second", drivertest.Numbered(2))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("it took %v", d)
	}
	// Another partition, whose key is there, isn't held up.
	mustExec(t, d, insertUser, 3, "first", drivertest.Numbered(3))
	mustExec(t, block, `UNLOCK TABLES`)
	mustExec(t, d, insertUser, 2, "second", drivertest.Numbered(2))
	if got := d.keysOf(t, "second"); got != "1" {
		t.Errorf("%s keys", got)
	}
	readAll(t, d.srv, 3)
}

// The server is killed and started again while rows of new partitions are inserted, between statements and in
// the middle of them: what was acknowledged is there and can be read.
func TestTheServerRestarts(t *testing.T) {
	quiet(t)
	srv := testserver.MariaDB(t, testserver.Private())
	plain := openPlain(t, srv.DSN(""))
	mustExec(t, plain, usersDDL)
	db := connect(t, srv.DSN(""), config(t))
	db.SetMaxOpenConns(4)
	var acknowledged sync.Map
	var next, n atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := next.Add(1)
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				_, err := db.ExecContext(ctx, insertUser, id, fmt.Sprint("tenant ", id/3), drivertest.Numbered(int(id)))
				cancel()
				if err == nil {
					acknowledged.Store(id, true)
					n.Add(1)
				} else if errors.Is(err, driver.ErrRefused) {
					t.Error(err)
					return
				}
			}
		})
	}
	await := func(more int64) {
		t.Helper()
		want := n.Load() + more
		for deadline := time.Now().Add(60 * time.Second); n.Load() < want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				close(stop)
				t.Fatal("nothing is acknowledged any more")
			}
		}
	}
	await(30)
	srv.Crash()
	srv.Restart()
	await(30)
	srv.Stop()
	srv.Restart()
	await(30)
	close(stop)
	wg.Wait()
	again := openPlain(t, srv.DSN(""))
	acknowledged.Range(func(id, _ any) bool {
		if got := one(t, context.Background(), again, `SELECT count(*) FROM users WHERE id = ?`, id); got != "1" {
			t.Errorf("row %v was acknowledged and is lost", id)
			return false
		}
		return true
	})
	readAll(t, srv, int(n.Load()))
	if got := one(t, context.Background(), again, `SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM encryption_key GROUP BY id) x`); got != "1" {
		t.Errorf("%s keys of one partition", got)
	}
}

// When warm, an encrypted statement costs the round trips of a bare one.
func TestNoMoreRoundTripsWhenWarm(t *testing.T) {
	for _, way := range []string{"interpolateParams=false", "interpolateParams=true"} {
		srv := testserver.MariaDB(t)
		mustExec(t, openPlain(t, srv.DSN("")), usersDDL)
		proxy := testproxy.New(t, srv.Addr())
		dsn := with(srv.DSNAt(proxy.Addr(), ""), way)
		trips := func(db *sql.DB, f func()) int {
			f()
			f()
			before := proxy.Stats()
			f()
			return proxy.Stats().Sub(before).RoundTrips
		}
		ctx := context.Background()
		bare, wrapped := openPlain(t, dsn), connect(t, dsn, config(t))
		id := 0
		ran := 0
		for name, f := range map[string]func(db *sql.DB) func(){
			"insert": func(db *sql.DB) func() {
				return func() { id--; mustExec(t, db, insertUser, id, "acme", "x") }
			},
			"insert of a literal": func(db *sql.DB) func() {
				return func() { mustExec(t, db, `INSERT INTO users (tenant_id, email) VALUES ('acme', 'x')`) }
			},
			"prepared insert": func(db *sql.DB) func() {
				s, err := db.Prepare(`INSERT INTO users (tenant_id, email) VALUES (?, ?)`)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				return func() {
					if _, err := s.Exec("acme", "x"); err != nil {
						t.Fatal(err)
					}
				}
			},
			"replace": func(db *sql.DB) func() {
				return func() { mustExec(t, db, `REPLACE users SET id = 1, tenant_id = ?, email = ?`, "acme", "x") }
			},
			"upsert": func(db *sql.DB) func() {
				return func() {
					mustExec(t, db, `INSERT INTO users (id, tenant_id, email) VALUES (1, ?, ?) ON DUPLICATE KEY UPDATE name = ?`, "acme", "x", "n")
				}
			},
			"update pinned by its partition": func(db *sql.DB) func() {
				return func() { mustExec(t, db, `UPDATE users SET email = ? WHERE tenant_id = ? AND id = 1`, "y", "acme") }
			},
			"select": func(db *sql.DB) func() {
				return func() {
					rows, err := db.QueryContext(ctx, `SELECT * FROM users WHERE tenant_id = ?`, "acme")
					if err != nil {
						t.Fatal(err)
					}
					rows.Close()
				}
			},
			"wide": func(db *sql.DB) func() {
				return func() { mustExec(t, db, `UPDATE users SET name = '☃' WHERE id = ?`, 1) }
			},
			"elsewhere": func(db *sql.DB) func() { return func() { one(t, ctx, db, `SELECT ? + 0`, 1) } },
			"transaction": func(db *sql.DB) func() {
				return func() {
					tx, err := db.Begin()
					if err != nil {
						t.Fatal(err)
					}
					mustExec(t, tx, `INSERT INTO users (tenant_id, email) VALUES (?, ?)`, "acme", "x")
					if err := tx.Commit(); err != nil {
						t.Fatal(err)
					}
				}
			},
		} {
			w, b := trips(wrapped, f(wrapped)), trips(bare, f(bare))
			if w != b || b == 0 {
				t.Errorf("%s: %s: %d round trips, bare %d", way, name, w, b)
			}
			ran++
		}
		if ran != 10 {
			t.Errorf("%d ran", ran)
		}
	}
}

// TestALaterConnectionAsksNothing: the tables are looked for once, also those that aren't there yet, and not by
// each connection that a pool opens.
func TestALaterConnectionAsksNothing(t *testing.T) {
	srv := testserver.MariaDB(t) // without the table users
	proxy := testproxy.New(t, srv.Addr())
	dsn := srv.DSNAt(proxy.Addr(), "")
	trips := func(db *sql.DB) int {
		before := proxy.Stats()
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return proxy.Stats().Sub(before).RoundTrips
	}
	bare, wrapped := openPlain(t, dsn), connect(t, dsn, config(t))
	trips(wrapped)
	w, b := trips(wrapped), trips(bare)
	if w != b || b == 0 {
		t.Errorf("the second connection takes %d round trips, a bare one %d", w, b)
	}
}
