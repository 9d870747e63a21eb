package integration

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/asherah-sql/asherah-sql/driver/postgres"
	"github.com/asherah-sql/asherah-sql/integration/shop"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// pgxModes are the ways in which pgx sends a statement and its arguments.
var pgxModes = []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"}

// postgresDSN adds parameters to the server's connection string, which is a URL with a query. The session's
// time zone is set because in some of pgx's modes a time passes through it on its way to a TIMESTAMP.
func postgresDSN(srv *testserver.Server, params ...string) string {
	dsn := srv.DSN("")
	sep := "?"
	if strings.Contains(dsn, "?") {
		sep = "&"
	}
	return dsn + sep + strings.Join(append(params, "timezone=UTC"), "&")
}

// postgresSecrets adds the forms that a value has in PostgreSQL's files only: a timestamp is microseconds
// since 2000.
func postgresSecrets() []secret {
	out := secrets()
	for second := 42; second <= 43; second++ {
		at := time.Date(2024, time.November, 5, 13, 37, second, 0, time.UTC)
		micros := at.Sub(time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)).Microseconds()
		name := fmt.Sprintf("%q", at.Format(time.TimeOnly))
		for i := range out {
			if out[i].name == name {
				out[i].add(binary.LittleEndian.AppendUint64(nil, uint64(micros)))
				out[i].add(binary.BigEndian.AppendUint64(nil, uint64(micros)))
			}
		}
	}
	return out
}

// runPostgres runs the shop plainly or, on tables made for it, encrypted, and returns what it prints.
func runPostgres(t *testing.T, srv *testserver.Server, mode string, encrypted bool) string {
	t.Helper()
	driver, params := "pgx", []string{"default_query_exec_mode=" + mode}
	if encrypted {
		driver, params = "asherah-postgres", append(params, settings, "asherah_partition=till")
		migration := open(t, "pgx", postgresDSN(srv))
		if err := shop.Prepare(t.Context(), migration); err != nil {
			t.Fatal(err)
		}
		if err := migration.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db := open(t, driver, postgresDSN(srv, params...))
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

// TestShopOnPostgres runs the shop in each of pgx's modes. The server's log has every statement with its
// parameters: all secrets when nobody encrypts, none when asherah-postgres does.
func TestShopOnPostgres(t *testing.T) {
	all := newSearch(append(postgresSecrets(), masterSecrets(t)...)...)
	var first string
	for _, mode := range pgxModes {
		t.Run(mode, func(t *testing.T) {
			// Both may be the same server: each has a database and a part of the log of its own.
			plainServer := testserver.Postgres(t)
			t.Log(plainServer)
			plain := runPostgres(t, plainServer, mode, false)
			plainLog := all.in([]byte(plainServer.Log()))

			server := testserver.Postgres(t)
			samePrint(t, plain, runPostgres(t, server, mode, true))
			log := server.Log()

			for _, s := range postgresSecrets() {
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

			checkPlainStore(t, open(t, "pgx", postgresDSN(plainServer)), "%s", all, plainLog)
			db := open(t, "pgx", postgresDSN(server))
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
}

// TestShopAtRest searches what the encrypted shop leaves: dumps, and every file of the server.
func TestShopAtRest(t *testing.T) {
	all := newSearch(append(postgresSecrets(), masterSecrets(t)...)...)
	plainServer := testserver.Postgres(t, testserver.Private())
	server := testserver.Postgres(t, testserver.Private())
	samePrint(t, runPostgres(t, plainServer, "cache_statement", false), runPostgres(t, server, "cache_statement", true))

	t.Run("dump", func(t *testing.T) {
		for _, format := range []struct {
			name string
			dump func(t *testing.T, srv *testserver.Server) []byte
		}{
			{"plain", func(t *testing.T, srv *testserver.Server) []byte { return dump(t, srv, "--format=plain") }},
			{"plain with inserts", func(t *testing.T, srv *testserver.Server) []byte {
				return dump(t, srv, "--format=plain", "--inserts")
			}},
			{"custom", func(t *testing.T, srv *testserver.Server) []byte {
				return dump(t, srv, "--format=custom", "--compress=0")
			}},
			{"custom, compressed, restored to text", func(t *testing.T, srv *testserver.Server) []byte {
				file := filepath.Join(t.TempDir(), "shop.dump")
				if err := os.WriteFile(file, dump(t, srv, "--format=custom"), 0o600); err != nil {
					t.Fatal(err)
				}
				return output(t, clientProgram(t, srv, "pg_restore"), "--file=-", file)
			}},
		} {
			t.Run(format.name, func(t *testing.T) {
				plain := all.in(format.dump(t, plainServer))
				checkPlainStore(t, open(t, "pgx", postgresDSN(plainServer)), "%s", all, plain)
				content := format.dump(t, server)
				if n := bytes.Count(content, []byte("ash1.")); n < 30 {
					t.Errorf("the dump has %d records only", n)
				}
				for _, s := range all.in(content) {
					t.Errorf("the dump holds %s", s.name)
				}
			})
		}
	})

	t.Run("files", func(t *testing.T) {
		checkpoint := func(srv *testserver.Server) {
			t.Helper()
			db := open(t, "pgx", postgresDSN(srv))
			if _, err := db.Exec("CHECKPOINT"); err != nil {
				t.Fatal(err)
			}
		}
		checkpoint(plainServer)
		checkpoint(server)
		found, records := searchFiles(t, plainServer.DataDir(), all)
		if records != 0 {
			t.Errorf("%d records in the plain run's files", records)
		}
		checkPlainStore(t, open(t, "pgx", postgresDSN(plainServer)), "%s", all, found)
		// The write-ahead log has what was taken back and overwritten, too.
		for _, name := range []string{"mallory@offshore.example", "5500 0055 5555 5559", "hypatia@library.example"} {
			if !named(found, fmt.Sprintf("%q", name)) {
				t.Errorf("the plain run's files are without %s", name)
			}
		}
		found, records = searchFiles(t, server.DataDir(), all)
		if records < 30 {
			t.Errorf("the server's files have %d records only", records)
		}
		for _, s := range found {
			t.Errorf("the server's files hold %s", s.name)
		}

		// What it keeps in memory until it ends, and what it writes while it does.
		server.Stop()
		found, _ = searchFiles(t, server.DataDir(), all)
		for _, s := range found {
			t.Errorf("the stopped server's files hold %s", s.name)
		}
	})
}

// searchFiles reads all files below a directory, and counts the records as well.
func searchFiles(t *testing.T, dir string, all *search) (found []secret, records int) {
	t.Helper()
	size := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // the server works on
		}
		size += len(content)
		records += bytes.Count(content, []byte("ash1."))
		for _, s := range all.in(content) {
			if !named(found, s.name) {
				found = append(found, s)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if size < 1<<20 {
		t.Errorf("only %d bytes in %s", size, dir)
	}
	return found, records
}

// clientProgram finds a program of PostgreSQL's that isn't older than the server: pg_dump would refuse.
func clientProgram(t *testing.T, srv *testserver.Server, name string) string {
	t.Helper()
	var candidates, seen []string
	if path, err := exec.LookPath(name); err == nil {
		candidates = append(candidates, path)
	}
	for _, dir := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"} {
		found, err := filepath.Glob(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		candidates = append(candidates, found...)
	}
	for _, path := range candidates {
		version := strings.TrimSpace(string(output(t, path, "--version")))
		_, number, _ := strings.Cut(version, ") ") // pg_dump (PostgreSQL) 15.8
		if major(number) >= major(srv.Version()) {
			return path
		}
		seen = append(seen, version)
	}
	t.Fatalf("no %s for PostgreSQL %s: it comes with the client package; there is %q", name, srv.Version(), seen)
	return ""
}

// major is the number at the beginning of a version, 0 when there is none.
func major(version string) int {
	digits, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(digits)
	return n
}

func dump(t *testing.T, srv *testserver.Server, args ...string) []byte {
	t.Helper()
	return output(t, clientProgram(t, srv, "pg_dump"), append(args, "--dbname="+srv.DSN(""))...)
}

func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, stderr.String())
	}
	return out
}

// TestShopCommandOnPostgres runs the shop as a program of its own, as a user would.
func TestShopCommandOnPostgres(t *testing.T) {
	exe := shopCommand(t)
	run := func(driver, dsn string, more ...string) string {
		t.Helper()
		return string(output(t, exe, append([]string{"-driver", driver, "-dsn", dsn}, more...)...))
	}
	plain := run("pgx", postgresDSN(testserver.Postgres(t)))
	srv := testserver.Postgres(t)
	run("pgx", postgresDSN(srv), "-prepare")
	samePrint(t, plain, run("asherah-postgres", postgresDSN(srv, settings, "asherah_partition=till")))
	checkEncryptedStore(t, open(t, "pgx", postgresDSN(srv)), "%s")
}

// TestUnpreparedTables: a column that has no room for ciphertext is an error at the first connection, not
// at the first row, and says what to run.
func TestUnpreparedTables(t *testing.T) {
	srv := testserver.Postgres(t)
	if _, err := open(t, "pgx", postgresDSN(srv)).Exec("CREATE TABLE payments (id BIGINT PRIMARY KEY, amount BIGINT)"); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("asherah-postgres", postgresDSN(srv, settings, "asherah_partition=till"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Ping(); err == nil || !strings.Contains(err.Error(), "payments") {
		t.Errorf("payments.amount is a BIGINT: %v", err)
	}
}
