//go:build foreign

package foreign

import (
	"net/url"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// shim is the change that redirects a driver's tests.
var shim = map[string]string{"database/sql": sqlPath}

func TestMattnSQLite(t *testing.T) {
	compare(t, suite{
		name: "mattn/go-sqlite3", module: "github.com/mattn/go-sqlite3", dialect: "sqlite", floor: 85, sealing: 4,
		edits: edits{imports: shim, raw: true},
	}, nil)
}

func TestModerncSQLite(t *testing.T) {
	compare(t, suite{
		name: "modernc.org/sqlite", module: "modernc.org/sqlite", dialect: "sqlite", floor: 160,
		// Two subtests wait 200 ms a thousand times each, and -test.short leaves out one that waits a minute.
		args:  []string{"-test.short", "-test.skip=TestRegisteredFunctions/.*_with_context_expiring"},
		edits: edits{imports: shim, raw: true},
	}, nil)
}

func TestGoSQLDriverMySQL(t *testing.T) {
	compare(t, suite{
		name: "go-sql-driver/mysql", module: "github.com/go-sql-driver/mysql", dialect: "mysql", floor: 155, sealing: 8,
		// It dials an address of the internet, and panics where something answers there.
		args:  []string{"-test.skip=^TestConnectorReturnsTimeout$"},
		edits: edits{imports: shim, raw: true, made: "test_%x"},
	}, func(t *testing.T) []string {
		cfg, err := mysql.ParseDSN(testserver.MariaDB(t).DSN(""))
		if err != nil {
			t.Fatal(err)
		}
		return []string{
			"MYSQL_TEST_USER=" + cfg.User, "MYSQL_TEST_PASS=" + cfg.Passwd, "MYSQL_TEST_PROT=" + cfg.Net,
			"MYSQL_TEST_ADDR=" + cfg.Addr, "MYSQL_TEST_DBNAME=" + cfg.DBName,
		}
	})
}

func TestPgxStdlib(t *testing.T) {
	compare(t, suite{
		name: "pgx/stdlib", module: "github.com/jackc/pgx/v5", pkg: "stdlib", dialect: "postgres", floor: 44, sealing: 11,
		edits: edits{imports: shim, raw: true, files: []string{"sql.go"}},
	}, func(t *testing.T) []string {
		u, err := url.Parse(testserver.Postgres(t).DSN(""))
		if err != nil {
			t.Fatal(err)
		}
		return []string{"PGX_TEST_DATABASE=" + u.String()}
	})
}
