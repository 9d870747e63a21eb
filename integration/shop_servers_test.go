package integration

import (
	"bytes"
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/integration/shop"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// The shop on servers: what differs between them is in shop_postgres_test.go and shop_mariadb_test.go.

// runOn runs the shop plainly or, on tables made for it, encrypted, and returns what it prints. way is a parameter of
// the connection string.
func runOn(t *testing.T, on server, srv *testserver.Server, way string, encrypted bool) string {
	t.Helper()
	driver, params := on.plain, []string{way}
	if encrypted {
		driver, params = on.encrypted, append(params, settings, "asherah_partition=till")
		migration := open(t, on.plain, on.dsn(srv))
		if err := shop.Prepare(t.Context(), migration); err != nil {
			t.Fatal(err)
		}
		if err := migration.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db := open(t, driver, on.dsn(srv, params...))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	if err := shop.Run(ctx, db, &out); err != nil {
		t.Fatalf("%v\nafter printing\n%s", err, out.String())
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func samePrint(t *testing.T, plain, encrypted string) {
	t.Helper()
	if plain != encrypted {
		t.Errorf("the encrypted run prints something else:\n%s", firstDifference(plain, encrypted))
	}
	if len(plain) < 2000 {
		t.Errorf("the shop printed %d bytes only", len(plain))
	}
}

// TestShopOnServers runs the shop in each way in which the driver sends statements. The server's log has every
// statement with its arguments: all secrets when nobody encrypts, none when the wrapper does.
func TestShopOnServers(t *testing.T) {
	onServers(t, func(t *testing.T, on server) {
		all := newSearch(append(on.secrets(), masterSecrets(t)...)...)
		var first string
		for _, way := range on.ways {
			t.Run(way, func(t *testing.T) {
				// Both may be the same server: each has a database and a part of the log of its own.
				plainServer := on.start(t)
				t.Log(plainServer)
				plain := runOn(t, on, plainServer, way, false)
				plainLog := all.in([]byte(plainServer.Log()))

				srv := on.start(t)
				samePrint(t, plain, runOn(t, on, srv, way, true))
				log := srv.Log()

				for _, s := range on.secrets() {
					if !named(plainLog, s.name) {
						t.Errorf("the plain run's log is without %s: the search isn't worth much", s.name)
					}
				}
				if n := strings.Count(log, "ash1."); n < 50 {
					t.Errorf("the encrypted run's log has %d records only: is this its log?", n)
				}
				for _, s := range all.in([]byte(log)) {
					t.Errorf("the encrypted run's log holds %s", s.name)
				}

				checkPlainStore(t, open(t, on.plain, on.dsn(plainServer)), "%s", all, plainLog)
				db := open(t, on.plain, on.dsn(srv))
				checkEncryptedStore(t, db, "%s")
				// Keys are made on a connection of their own: the rollback of the only rows of a tenant doesn't
				// take its key.
				checkTenantKeys(t, db, "acme", "globex", "initech", "shell-company", "till")

				if first == "" {
					first = plain
				}
				samePrint(t, first, plain)
			})
		}
	})
}

// TestShopAtRestOnServers searches what the encrypted shop leaves: dumps, and every file of the server.
func TestShopAtRestOnServers(t *testing.T) {
	onServers(t, func(t *testing.T, on server) {
		all := newSearch(append(on.secrets(), masterSecrets(t)...)...)
		plainServer := on.start(t, testserver.Private())
		srv := on.start(t, testserver.Private())
		samePrint(t, runOn(t, on, plainServer, on.ways[0], false), runOn(t, on, srv, on.ways[0], true))
		stored := func() *sql.DB { return open(t, on.plain, on.dsn(plainServer)) }

		for _, format := range on.dumps {
			t.Run("dump/"+format.name, func(t *testing.T) {
				plain := all.in(format.dump(t, plainServer))
				checkPlainStore(t, stored(), "%s", all, plain)
				content := format.dump(t, srv)
				if n := bytes.Count(content, []byte("ash1.")); n < 30 {
					t.Errorf("the dump has %d records only", n)
				}
				for _, s := range all.in(content) {
					t.Errorf("the dump holds %s", s.name)
				}
			})
		}

		t.Run("files", func(t *testing.T) {
			for _, s := range []*testserver.Server{plainServer, srv} {
				if _, err := open(t, on.plain, on.dsn(s)).Exec(on.flush); err != nil {
					t.Fatal(err)
				}
			}
			found, records := searchFiles(t, plainServer.DataDir(), all)
			if records != 0 {
				t.Errorf("%d records in the plain run's files", records)
			}
			checkPlainStore(t, stored(), "%s", all, found)
			// The write-ahead log has what was taken back and overwritten, too.
			for _, name := range []string{`"mallory@offshore.example"`, `"5500 0055 5555 5559"`, `"hypatia@library.example"`} {
				if !named(found, name) {
					t.Errorf("the plain run's files are without %s", name)
				}
			}
			found, records = searchFiles(t, srv.DataDir(), all)
			if records < 30 {
				t.Errorf("the server's files have %d records only", records)
			}
			for _, s := range found {
				t.Errorf("the server's files hold %s", s.name)
			}

			// What it keeps in memory until it ends, and what it writes while it does.
			srv.Stop()
			found, _ = searchFiles(t, srv.DataDir(), all)
			for _, s := range found {
				t.Errorf("the stopped server's files hold %s", s.name)
			}
		})
	})
}

// TestShopCommandOnServers runs the shop as a program of its own, as a user would.
func TestShopCommandOnServers(t *testing.T) {
	exe := shopCommand(t)
	run := func(driver, dsn string, more ...string) string {
		t.Helper()
		return string(output(t, exe, append([]string{"-driver", driver, "-dsn", dsn}, more...)...))
	}
	onServers(t, func(t *testing.T, on server) {
		plain := run(on.plain, on.dsn(on.start(t)))
		srv := on.start(t)
		run(on.plain, on.dsn(srv), "-prepare")
		samePrint(t, plain, run(on.encrypted, on.dsn(srv, settings, "asherah_partition=till")))
		checkEncryptedStore(t, open(t, on.plain, on.dsn(srv)), "%s")
	})
}

// TestUnpreparedTables: a column that has no room for ciphertext is an error at the first connection, not
// at the first row, and says what to run.
func TestUnpreparedTables(t *testing.T) {
	onServers(t, func(t *testing.T, on server) {
		srv := on.start(t)
		if _, err := open(t, on.plain, on.dsn(srv)).Exec("CREATE TABLE payments (id BIGINT PRIMARY KEY, amount BIGINT)"); err != nil {
			t.Fatal(err)
		}
		db := open(t, on.encrypted, on.dsn(srv, settings, "asherah_partition=till"))
		if err := db.Ping(); err == nil || !strings.Contains(err.Error(), "payments") {
			t.Errorf("payments.amount is a BIGINT: %v", err)
		}
	})
}
