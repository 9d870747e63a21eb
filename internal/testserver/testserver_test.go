package testserver

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
)

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	eachKind(t, func(t *testing.T, k *kind) {
		a, b := serve(t, k, nil), serve(t, k, nil)
		if a.b != b.b {
			t.Error("two servers in one process")
		}
		must(t, a, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
		must(t, b, "CREATE TABLE t (n int)")
		if n := must(t, b, "SELECT count(*) FROM t"); n != "0" {
			t.Errorf("%s rows in the other database", n)
		}
		if must(t, a, k.version) != a.Version() || !strings.HasPrefix(a.String(), k.title+" "+a.Version()) {
			t.Errorf("String %q, Version %q", a, a.Version())
		}
	})
}

func TestADatabaseIsDroppedAlthoughItIsInUse(t *testing.T) {
	eachKind(t, func(t *testing.T, k *kind) {
		outer := serve(t, k, nil)
		var inner string
		t.Run("leaves a transaction open", func(t *testing.T) {
			s := serve(t, k, nil)
			inner = s.Database()
			driver := map[string]string{"postgres": "pgx", "mariadb": "mysql"}[k.name]
			db, err := sql.Open(driver, s.DSN(""))
			if err != nil {
				t.Fatal(err)
			}
			tx, err := db.BeginTx(context.Background(), nil)
			if err != nil {
				t.Fatal(err)
			}
			must(t, s, "CREATE TABLE t (n int)")
			if _, err := tx.Exec("INSERT INTO t VALUES (1)"); err != nil {
				t.Fatal(err)
			}
		})
		query := "SELECT count(*) FROM pg_database WHERE datname = '" + inner + "'"
		if k == mariadb {
			query = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = '" + inner + "'"
		}
		if n := must(t, outer, query); n != "0" {
			t.Errorf("database %s is still there", inner)
		}
	})
}

func TestTheLogHoldsStatementsAndParameters(t *testing.T) {
	must(t, Postgres(t), "SELECT 'of an earlier test'")
	must(t, MariaDB(t), "SELECT 'of an earlier test'")
	for driver, c := range map[string]struct {
		s     *Server
		query string
	}{
		"pgx":   {Postgres(t), "SELECT $1 || 'x'"},
		"mysql": {MariaDB(t), "SELECT CONCAT(?, 'x')"},
	} {
		db, err := sql.Open(driver, c.s.DSN(""))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var got string
		if err := db.QueryRow(c.query, "parameter-4711").Scan(&got); err != nil || got != "parameter-4711x" {
			t.Fatalf("%s: %q, %v", driver, got, err)
		}
		log := c.s.Log()
		for _, want := range []string{c.query[:9], "parameter-4711"} {
			if !strings.Contains(log, want) {
				t.Errorf("%s: no %q in the log:\n%s", driver, want, log)
			}
		}
		if strings.Contains(log, "of an earlier test") {
			t.Errorf("%s: Log begins before the test", driver)
		}
	}
}

func TestSocketAndDirectory(t *testing.T) {
	eachKind(t, func(t *testing.T, k *kind) {
		s := serve(t, k, []Option{Private()})
		if _, err := k.run(t.Context(), s.SocketDSN(""), "SELECT 1"); err != nil {
			t.Errorf("over the Unix socket: %v", err)
		}
		if s.SocketDSN("") == s.DSN("") {
			t.Error("the two connection strings are equal")
		}
		must(t, s, "CREATE TABLE t (v varchar(40))", "INSERT INTO t VALUES ('to be found in a file')")
		s.Stop()
		found := false
		err := filepath.WalkDir(s.DataDir(), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				text, rerr := os.ReadFile(path)
				found = found || strings.Contains(string(text), "to be found in a file")
				err = rerr
			}
			return err
		})
		if err != nil || !found {
			t.Errorf("value found in the data directory: %v, %v", found, err)
		}
	})
}

func TestStopCrashAndRestartKeepTheData(t *testing.T) {
	eachKind(t, func(t *testing.T, k *kind) {
		s := serve(t, k, []Option{Private()})
		dsn := s.DSN("")
		must(t, s, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
		for name, stop := range map[string]func(){"Stop": s.Stop, "Crash": s.Crash} {
			stop()
			if _, err := k.run(t.Context(), dsn, "SELECT 1"); err == nil {
				t.Fatalf("after %s the server answers", name)
			}
			s.Restart()
			if n := must(t, s, "SELECT count(*) FROM t"); n != "1" {
				t.Errorf("after %s: %s rows, want 1", name, n)
			}
		}
		s.Restart()
		if s.DSN("") != dsn || must(t, s, "SELECT count(*) FROM t") != "1" {
			t.Error("another server after Restart")
		}
	})
}

func TestASharedServerThatATestStoppedIsThereForTheNext(t *testing.T) {
	eachKind(t, func(t *testing.T, k *kind) {
		t.Run("stops it", func(t *testing.T) { serve(t, k, nil).Stop() })
		t.Run("needs it", func(t *testing.T) { must(t, serve(t, k, nil), "SELECT 1") })
	})
}

func TestSettings(t *testing.T) {
	pg := Postgres(t, Setting("timezone", "Asia/Kathmandu"))
	if got := must(t, pg, "SHOW timezone"); got != "Asia/Kathmandu" {
		t.Errorf("PostgreSQL's time zone is %s", got)
	}
	maria := MariaDB(t, Setting("default-time-zone", "+05:45"))
	if got := must(t, maria, "SELECT @@global.time_zone"); got != "+05:45" {
		t.Errorf("MariaDB's time zone is %s", got)
	}
}

func TestAServerThatDoesNotStartIsAFaultWithItsReason(t *testing.T) {
	for _, k := range kinds {
		serve(t, k, nil) // or the test is skipped
	}
	ownBase(t)
	for k, variable := range map[*kind]string{postgres: "no_such_variable", mariadb: "no-such-variable"} {
		_, err := k.newServer([]string{k.setting(variable, "1")}, k.setUp)
		if err == nil {
			t.Fatalf("%s started with an unknown variable", k.title)
		}
		if _, ok := err.(lacking); ok || !strings.Contains(err.Error(), variable) {
			t.Errorf("%s: %v: want a fault with the server's message", k.title, err)
		}
		if after := ownDirs(t); len(after) > 0 {
			t.Errorf("%s: directories %v stay", k.title, after)
		}
	}
}

// ownDirs lists the directories of private servers.
func ownDirs(t *testing.T) []string {
	t.Helper()
	var dirs []string
	for _, base := range bases(true) {
		found, err := filepath.Glob(filepath.Join(base, prefix()+"*-*"))
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, found...)
	}
	return dirs
}
