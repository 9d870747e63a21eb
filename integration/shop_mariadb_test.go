package integration

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	_ "github.com/asherah-sql/asherah-sql/driver/mysql"
	"github.com/asherah-sql/asherah-sql/integration/shop"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// mariadbWays are the ways in which go-sql-driver sends a statement and its arguments.
var mariadbWays = map[string]string{"prepared": "interpolateParams=false", "interpolated": "interpolateParams=true"}

// mariadbDSN adds parameters to the server's connection string.
func mariadbDSN(srv *testserver.Server, params ...string) string {
	dsn := srv.DSN("")
	sep := "?"
	if strings.Contains(dsn, "?") {
		sep = "&"
	}
	return dsn + sep + strings.Join(append(params, "parseTime=true"), "&")
}

func isMySQL(db *sql.DB) bool {
	_, ok := db.Driver().(*mysql.MySQLDriver)
	return ok
}

// mariadbSecrets adds the forms that a value has in MariaDB's files only: escaped in a literal, and a DATETIME, which
// is five packed bytes.
func mariadbSecrets() []secret {
	out := secrets()
	escape := strings.NewReplacer("\x00", `\0`, "'", `\'`)
	for i := range out {
		for _, holder := range []string{"MS A K LOVELACE-KING", "HERR JCF GAUSS", "CHAS BABBAGE ESQ"} {
			if out[i].name == "signature of "+holder {
				signature := escape.Replace("\x00\x01ink of " + holder + "\xff\xfe")
				out[i].add([]byte(signature))
				// Of an argument the log escapes the bytes that no character begins with, too.
				out[i].add([]byte(strings.NewReplacer("\xff", "\\\xff", "\xfe", "\\\xfe").Replace(signature)))
			}
		}
		if text, err := strconv.Unquote(out[i].name); err == nil && strings.Contains(text, "'") {
			out[i].add([]byte(escape.Replace(text)))
		}
	}
	for second := 42; second <= 43; second++ {
		at := time.Date(2024, time.November, 5, 13, 37, second, 0, time.UTC)
		days := uint64(at.Year()*13+int(at.Month()))<<5 | uint64(at.Day())
		packed := days<<17 | uint64(at.Hour())<<12 | uint64(at.Minute())<<6 | uint64(at.Second()) | 1<<39
		name := fmt.Sprintf("%q", at.Format(time.TimeOnly))
		for i := range out {
			if out[i].name == name {
				out[i].add(binary.BigEndian.AppendUint64(nil, packed)[3:])
			}
		}
	}
	return out
}

// runMariaDB runs the shop plainly or, on tables made for it, encrypted, and returns what it prints.
func runMariaDB(t *testing.T, srv *testserver.Server, way string, encrypted bool) string {
	t.Helper()
	driver, params := "mysql", []string{way}
	if encrypted {
		driver, params = "asherah-mysql", append(params, settings, "asherah_partition=till")
		migration := open(t, "mysql", mariadbDSN(srv))
		if err := shop.Prepare(t.Context(), migration); err != nil {
			t.Fatal(err)
		}
		if err := migration.Close(); err != nil {
			t.Fatal(err)
		}
	}
	db := open(t, driver, mariadbDSN(srv, params...))
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

// TestShopOnMariaDB runs the shop in both of go-sql-driver's ways. The server's general log has every statement
// with its arguments: all secrets when nobody encrypts, none when asherah-mysql does.
func TestShopOnMariaDB(t *testing.T) {
	all := newSearch(append(mariadbSecrets(), masterSecrets(t)...)...)
	var first string
	for name, way := range mariadbWays {
		t.Run(name, func(t *testing.T) {
			plainServer := testserver.MariaDB(t)
			t.Log(plainServer)
			plain := runMariaDB(t, plainServer, way, false)
			plainLog := all.in([]byte(plainServer.Log()))

			server := testserver.MariaDB(t)
			samePrint(t, plain, runMariaDB(t, server, way, true))
			log := server.Log()

			for _, s := range mariadbSecrets() {
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

			checkPlainStore(t, open(t, "mysql", mariadbDSN(plainServer)), "%s", all, plainLog)
			db := open(t, "mysql", mariadbDSN(server))
			checkEncryptedStore(t, db, "%s")
			checkTenantKeys(t, db, "acme", "globex", "initech", "shell-company", "till")

			if first == "" {
				first = plain
			}
			samePrint(t, first, plain)
		})
	}
}

// TestShopAtRestOnMariaDB searches what the encrypted shop leaves: dumps, and every file of the server.
func TestShopAtRestOnMariaDB(t *testing.T) {
	all := newSearch(append(mariadbSecrets(), masterSecrets(t)...)...)
	plainServer := testserver.MariaDB(t, testserver.Private())
	server := testserver.MariaDB(t, testserver.Private())
	way := mariadbWays["prepared"]
	samePrint(t, runMariaDB(t, plainServer, way, false), runMariaDB(t, server, way, true))

	for _, format := range [][]string{{"--skip-extended-insert"}, {"--hex-blob"}, {"--xml"}} {
		t.Run("dump "+format[0], func(t *testing.T) {
			plain := all.in(mariadbDump(t, plainServer, format...))
			checkPlainStore(t, open(t, "mysql", mariadbDSN(plainServer)), "%s", all, plain)
			content := mariadbDump(t, server, format...)
			if n := bytes.Count(content, []byte("ash1.")); n < 30 {
				t.Errorf("the dump has %d records only", n)
			}
			for _, s := range all.in(content) {
				t.Errorf("the dump holds %s", s.name)
			}
		})
	}

	t.Run("files", func(t *testing.T) {
		flush := func(srv *testserver.Server) {
			t.Helper()
			if _, err := open(t, "mysql", mariadbDSN(srv)).Exec("FLUSH TABLES"); err != nil {
				t.Fatal(err)
			}
		}
		flush(plainServer)
		flush(server)
		found, records := searchFiles(t, plainServer.DataDir(), all)
		if records != 0 {
			t.Errorf("%d records in the plain run's files", records)
		}
		// Until they are written to their tables, rows are in the redo log.
		checkPlainStore(t, open(t, "mysql", mariadbDSN(plainServer)), "%s", all, found)
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
		server.Stop()
		found, _ = searchFiles(t, server.DataDir(), all)
		for _, s := range found {
			t.Errorf("the stopped server's files hold %s", s.name)
		}
	})
}

// mariadbDump runs the server's dump program.
func mariadbDump(t *testing.T, srv *testserver.Server, args ...string) []byte {
	t.Helper()
	program := ""
	for _, name := range []string{"mariadb-dump", "mysqldump"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Fatal("no mariadb-dump: it comes with the client package")
	}
	cfg, err := mysql.ParseDSN(srv.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	line := append([]string{"--no-defaults", "--user=" + cfg.User, "--password=" + cfg.Passwd, "--no-tablespaces"}, args...)
	if cfg.Net == "unix" {
		line = append(line, "--socket="+cfg.Addr)
	} else {
		host, port, _ := strings.Cut(cfg.Addr, ":")
		line = append(line, "--protocol=tcp", "--host="+host, "--port="+port)
	}
	return output(t, program, append(line, cfg.DBName)...)
}

// TestShopCommandOnMariaDB runs the shop as a program of its own, as a user would.
func TestShopCommandOnMariaDB(t *testing.T) {
	exe := shopCommand(t)
	run := func(driver, dsn string, more ...string) string {
		t.Helper()
		return string(output(t, exe, append([]string{"-driver", driver, "-dsn", dsn}, more...)...))
	}
	plain := run("mysql", mariadbDSN(testserver.MariaDB(t)))
	srv := testserver.MariaDB(t)
	run("mysql", mariadbDSN(srv), "-prepare")
	samePrint(t, plain, run("asherah-mysql", mariadbDSN(srv, settings, "asherah_partition=till")))
	checkEncryptedStore(t, open(t, "mysql", mariadbDSN(srv)), "%s")
}

// TestUnpreparedTablesOnMariaDB: a column that has no room for ciphertext is an error at the first connection.
func TestUnpreparedTablesOnMariaDB(t *testing.T) {
	srv := testserver.MariaDB(t)
	if _, err := open(t, "mysql", mariadbDSN(srv)).Exec("CREATE TABLE payments (id BIGINT PRIMARY KEY, amount BIGINT)"); err != nil {
		t.Fatal(err)
	}
	db := open(t, "asherah-mysql", mariadbDSN(srv, settings, "asherah_partition=till"))
	if err := db.Ping(); err == nil || !strings.Contains(err.Error(), "payments") {
		t.Errorf("payments.amount is a BIGINT: %v", err)
	}
}
