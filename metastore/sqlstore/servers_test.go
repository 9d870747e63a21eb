package sqlstore_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/metastore/metastoretest"
	"github.com/asherah-sql/asherah-sql/metastore/sqlstore"
)

func TestMain(m *testing.M) {
	if os.Getenv(racerVar) != "" {
		os.Exit(racer())
	}
	// It would tell of every connection that a test cuts.
	if err := mysql.SetLogger(&mysql.NopLogger{}); err != nil {
		panic(err)
	}
	testserver.Main(m)
}

// server is a kind of database server, as the tests of both use it.
type server struct {
	dialect dialect.Dialect
	driver  string
	get     func(testing.TB, ...testserver.Option) *testserver.Server
}

var (
	postgres = server{dialect.Postgres, "pgx", testserver.Postgres}
	mariadb  = server{dialect.MySQL, "mysql", testserver.MariaDB}
	servers  = []server{postgres, mariadb}
)

// eachServer runs a test on both.
func eachServer(t *testing.T, test func(t *testing.T, s server)) {
	for _, s := range servers {
		t.Run(s.dialect.String(), func(t *testing.T) { test(t, s) })
	}
}

// open opens a database with parameters added to the connection string, "a=b&c=d".
func (s server) open(t *testing.T, dsn, params string) *sql.DB {
	t.Helper()
	if params != "" {
		sep := "?"
		if strings.Contains(dsn, "?") {
			sep = "&"
		}
		dsn += sep + params
	}
	db, err := sql.Open(s.driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// fresh returns a database of the test's own.
func (s server) fresh(t *testing.T) *sql.DB {
	t.Helper()
	return s.open(t, s.get(t).DSN(""), "")
}

// store returns a store over db and makes its table.
func (s server) store(t *testing.T, db sqlstore.DB, opts ...sqlstore.Option) *sqlstore.Store {
	t.Helper()
	st, err := sqlstore.New(db, s.dialect, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return st
}

func run(t *testing.T, db sqlstore.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func value[T any](t *testing.T, db *sql.DB, query string, args ...any) (v T) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// The layouts of a key table. %s is its name.
const (
	// goLayout is that of the canonical Go SDK.
	goLayoutPostgres = `CREATE TABLE %s (id VARCHAR(255) NOT NULL, created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, key_record TEXT NOT NULL, PRIMARY KEY (id, created))`
	goLayoutMySQL    = `CREATE TABLE %s (id VARCHAR(255) NOT NULL, created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, key_record TEXT NOT NULL, PRIMARY KEY (id, created), INDEX (created))`
	// exactLayout is the same with a collation that the contract can be kept with.
	exactLayoutMySQL = `CREATE TABLE %s (id VARCHAR(255) COLLATE utf8mb4_nopad_bin NOT NULL, created TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, key_record TEXT NOT NULL, PRIMARY KEY (id, created))`
	// jsonLayout is that of SDKs that store JSON.
	jsonbLayout     = `CREATE TABLE %s (id TEXT NOT NULL, created TIMESTAMPTZ NOT NULL, key_record JSONB NOT NULL, PRIMARY KEY (id, created))`
	jsonLayout      = `CREATE TABLE %s (id TEXT, created TIMESTAMP(0), key_record JSON, UNIQUE (created, id))`
	jsonLayoutMySQL = `CREATE TABLE %s (id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin, created DATETIME(6), key_record JSON, UNIQUE (created, id))`
	// dstZone has the same offsets around this one transition as Europe/Berlin.
	dstZone = `Test/Dst`
)

// makeDSTZone gives a MariaDB server, which knows no zones by name, one that leaves summer time.
func makeDSTZone(t *testing.T, db *sql.DB) {
	t.Helper()
	run(t, db,
		`REPLACE INTO mysql.time_zone VALUES (4711, 'N')`,
		`REPLACE INTO mysql.time_zone_name VALUES ('`+dstZone+`', 4711)`,
		`REPLACE INTO mysql.time_zone_transition_type VALUES (4711, 0, 7200, 1, 'CEST'), (4711, 1, 3600, 0, 'CET')`,
		`REPLACE INTO mysql.time_zone_transition VALUES (4711, 0, 0), (4711, 1792890000, 1)`,
	)
}

// TestContractOnServers runs the contract suite in each mode that a program may use a database in: ways of
// the driver, time zones, isolation, other people's tables.
func TestContractOnServers(t *testing.T) {
	type mode struct{ name, params, layout string }
	modes := map[dialect.Dialect][]mode{
		dialect.Postgres: {
			{"own table", "", ""},
			{"statement cache, Kathmandu", "default_query_exec_mode=cache_statement&timezone=Asia/Kathmandu", ""},
			{"describe cache", "default_query_exec_mode=cache_describe", ""},
			{"describe and execute", "default_query_exec_mode=describe_exec", ""},
			{"execute", "default_query_exec_mode=exec", ""},
			{"simple protocol, Berlin", "default_query_exec_mode=simple_protocol&timezone=Europe/Berlin", ""},
			{"serializable", "default_transaction_isolation=serializable", ""},
			{"repeatable read", "default_transaction_isolation=repeatable%20read", ""},
			{"other date style", "datestyle=German", goLayoutPostgres},
			{"Go SDK's table", "", goLayoutPostgres},
			{"Go SDK's table, New York", "timezone=America/New_York", goLayoutPostgres},
			{"Go SDK's table, execute, Berlin", "default_query_exec_mode=exec&timezone=Europe/Berlin", goLayoutPostgres},
			{"JSONB", "", jsonbLayout},
			{"JSONB, simple protocol", "default_query_exec_mode=simple_protocol", jsonbLayout},
			{"JSONB, execute, Auckland", "default_query_exec_mode=exec&timezone=Pacific/Auckland", jsonbLayout},
			{"JSON", "timezone=Europe/Berlin", jsonLayout},
		},
		dialect.MySQL: {
			{"own table", "", ""},
			{"interpolated", "interpolateParams=true", ""},
			{"found rows", "clientFoundRows=true", ""},
			{"parsed times in a zone", "parseTime=true&loc=Asia%2FKathmandu&time_zone=%27%2B05%3A45%27", ""},
			{"lenient mode", "sql_mode=%27%27", ""},
			{"no escapes, ANSI", "sql_mode=%27NO_BACKSLASH_ESCAPES,ANSI%27&interpolateParams=true", ""},
			{"Latin-1 connection", "charset=latin1", ""},
			{"serializable", "tx_isolation=%27SERIALIZABLE%27", ""},
			{"read committed", "tx_isolation=%27READ-COMMITTED%27", ""},
			{"TIMESTAMP", "", exactLayoutMySQL},
			{"TIMESTAMP, interpolated, found rows, zone", "interpolateParams=true&clientFoundRows=true&time_zone=%27-09%3A30%27", exactLayoutMySQL},
			{"TIMESTAMP, summer time", "time_zone=%27" + url.QueryEscape(dstZone) + "%27", exactLayoutMySQL},
			{"TIMESTAMP, lenient mode", "sql_mode=%27%27&charset=latin1", exactLayoutMySQL},
			{"JSON", "time_zone=%27%2B05%3A45%27", jsonLayoutMySQL},
		},
	}
	eachServer(t, func(t *testing.T, s server) {
		srv := s.get(t)
		if s.dialect == dialect.MySQL {
			makeDSTZone(t, s.open(t, srv.DSN(""), ""))
		}
		for _, m := range modes[s.dialect] {
			t.Run(m.name, func(t *testing.T) {
				db := s.open(t, srv.DSN(""), m.params)
				metastoretest.Run(t, func(t *testing.T) metastore.Store {
					table := fmt.Sprintf("keys_%d", tables.Add(1))
					if m.layout != "" {
						run(t, db, fmt.Sprintf(m.layout, table))
					}
					return s.store(t, db, sqlstore.WithTable(table))
				})
			})
		}
		if s.dialect == dialect.Postgres {
			for line := range strings.Lines(srv.Log()) {
				// What a cancelled context does, and what a serializable transaction that gave way says.
				if strings.Contains(line, "ERROR:") && strings.Contains(line, srv.Database()) &&
					!strings.Contains(line, "canceling statement due to user request") && !strings.Contains(line, "could not serialize access") {
					t.Errorf("a statement of the store failed: %s", line)
				}
			}
		}
	})
}

var tables atomic.Int64

func record(created int64, key string) *metastore.EnvelopeKeyRecord {
	return &metastore.EnvelopeKeyRecord{Created: created, EncryptedKey: []byte(key)}
}

func meta(id string, created int64) metastore.KeyMeta {
	return metastore.KeyMeta{ID: id, Created: created}
}

// mustStore stores a record whose key is its text.
func mustStore(t *testing.T, st metastore.Store, id string, created int64, key string) {
	t.Helper()
	if err := st.Store(t.Context(), meta(id, created), record(created, key)); err != nil {
		t.Fatalf("store %q, %d: %v", id, created, err)
	}
}

// wantKey loads a record and compares its key.
func wantKey(t *testing.T, st metastore.Store, id string, created int64, key string) {
	t.Helper()
	got, err := st.Load(t.Context(), meta(id, created))
	if err != nil || string(got.EncryptedKey) != key || got.Created != created {
		t.Errorf("load %q, %d: %+v, %v; want key %q", id, created, got, err, key)
	}
}

// eventually waits for what another session does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
	}
}
