package sqlstore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/metastore/sqlstore"
)

var ddl = regexp.MustCompile(`(?i)\b(create|alter|drop) +(table|index|database|schema)\b`)

func TestNoDDLIsSentWhenTheTableIsThere(t *testing.T) {
	eachServer(t, func(t *testing.T, s server) {
		dsn := s.get(t).DSN("")
		db := s.open(t, dsn, "")
		st, err := sqlstore.New(db, s.dialect)
		if err != nil {
			t.Fatal(err)
		}
		if created, err := st.Ensure(t.Context()); err != nil || !created {
			t.Fatalf("first Ensure = %v, %v; want true, nil", created, err)
		}
		mustStore(t, st, "_SK_s_p", 60, "a")

		srv := s.get(t) // for the log from here on
		again, err := sqlstore.New(s.open(t, dsn, ""), s.dialect)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if created, err := again.Ensure(t.Context()); err != nil || created {
				t.Fatalf("Ensure = %v, %v; want false, nil", created, err)
			}
		}
		wantKey(t, again, "_SK_s_p", 60, "a")
		log := srv.Log()
		if !strings.Contains(log, "encryption_key") {
			t.Fatalf("the log hasn't the store's statements:\n%s", log)
		}
		for line := range strings.Lines(log) {
			if ddl.MatchString(line) {
				t.Errorf("DDL: %s", line)
			}
		}
	})
}

func TestOneOfManyMakesTheTable(t *testing.T) {
	eachServer(t, func(t *testing.T, s server) {
		db := s.fresh(t)
		for round := range 5 {
			table := fmt.Sprintf("keys%d", round)
			var made atomic.Int64
			var wg sync.WaitGroup
			start := make(chan struct{})
			for range 8 {
				st, err := sqlstore.New(db, s.dialect, sqlstore.WithTable(table))
				if err != nil {
					t.Fatal(err)
				}
				wg.Go(func() {
					<-start
					created, err := st.Ensure(t.Context())
					if err != nil {
						t.Error(err)
					}
					if created {
						made.Add(1)
					}
				})
			}
			close(start)
			wg.Wait()
			if made.Load() != 1 {
				t.Errorf("%d of 8 made the table, want 1", made.Load())
			}
		}
	})
}

func TestAMissingTableIsAnErrorWithTheDDL(t *testing.T) {
	eachServer(t, func(t *testing.T, s server) {
		db := s.fresh(t)
		st, err := sqlstore.New(db, s.dialect)
		if err != nil {
			t.Fatal(err)
		}
		for name, call := range map[string]func() error{
			"Load":       func() error { _, err := st.Load(t.Context(), meta("k", 60)); return err },
			"LoadLatest": func() error { _, err := st.LoadLatest(t.Context(), "k"); return err },
			"Store":      func() error { return st.Store(t.Context(), meta("k", 60), record(60, "a")) },
		} {
			err := call()
			if err == nil || errors.Is(err, metastore.ErrNotFound) || !strings.Contains(err.Error(), "is missing: run: CREATE TABLE") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if ok, err := st.Exists(t.Context()); ok || err != nil {
			t.Errorf("Exists = %v, %v", ok, err)
		}
		// What a person runs by hand is what Ensure would have run.
		run(t, db, st.DDL()...)
		mustStore(t, st, "k", 60, "a")
	})
}

func TestTheTableThatIsMadeComparesBytesAndHasItsIndex(t *testing.T) {
	eachServer(t, func(t *testing.T, s server) {
		db := s.fresh(t)
		s.store(t, db)
		query := `SELECT COUNT(*) FROM pg_indexes WHERE tablename = 'encryption_key' AND indexdef LIKE '%(created)' AND schemaname = current_schema()`
		collation := `SELECT collation_name FROM information_schema.columns WHERE table_name = 'encryption_key' AND column_name = 'id'`
		if s.dialect == dialect.MySQL {
			query = `SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name = 'encryption_key_created' AND column_name = 'created'`
			collation = `SELECT IF(data_type = 'varbinary', 'C', collation_name) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = 'encryption_key' AND column_name = 'id'`
		}
		if n := value[int](t, db, query); n != 1 {
			t.Errorf("%d indexes on created, want 1", n)
		}
		if c := value[string](t, db, collation); c != "C" {
			t.Errorf("collation of id is %q", c)
		}
	})
}

func TestTablesThatCannotHoldKeysAreRefused(t *testing.T) {
	for _, c := range []struct {
		s            server
		ddl, problem string
	}{
		{postgres, `(id TEXT, created TIMESTAMP, PRIMARY KEY (id, created))`, "no column key_record"},
		{postgres, `(a INT)`, "no column id, created, key_record"},
		{postgres, `(id TEXT, created BIGINT, key_record TEXT, PRIMARY KEY (id, created))`, "created is of type int8"},
		{postgres, `(id CHAR(255), created TIMESTAMP, key_record TEXT, PRIMARY KEY (id, created))`, "id is of type bpchar"},
		{postgres, `(id TEXT, created TIMESTAMP, key_record BYTEA, PRIMARY KEY (id, created))`, "key_record is of type bytea"},
		{postgres, `(id TEXT, created TIMESTAMP, key_record TEXT)`, "no primary key"},
		{postgres, `(id TEXT PRIMARY KEY, created TIMESTAMP, key_record TEXT, UNIQUE (created, key_record))`, "no primary key"},
		{mariadb, `(id VARCHAR(255), created TIMESTAMP, PRIMARY KEY (id, created))`, "no column key_record"},
		{mariadb, `(id VARCHAR(255), created BIGINT, key_record TEXT, PRIMARY KEY (id, created))`, "created is of type bigint"},
		{mariadb, `(id BINARY(255), created DATETIME, key_record TEXT, PRIMARY KEY (id, created))`, "id is of type binary"},
		{mariadb, `(id VARCHAR(255), created DATETIME, key_record BLOB, PRIMARY KEY (id, created))`, "key_record is of type blob"},
		{mariadb, `(id VARCHAR(255), created DATETIME, key_record TEXT, KEY (id, created))`, "no primary key"},
		{mariadb, `(id VARCHAR(255), created DATETIME, key_record VARCHAR(100), PRIMARY KEY (id), UNIQUE (id, created, key_record))`, "no primary key"},
	} {
		db := c.s.fresh(t)
		run(t, db, `CREATE TABLE encryption_key `+c.ddl)
		st, err := sqlstore.New(db, c.s.dialect)
		if err != nil {
			t.Fatal(err)
		}
		_, ensured := st.Ensure(t.Context())
		_, loaded := st.LoadLatest(t.Context(), "k")
		for _, err := range []error{ensured, loaded} {
			if err == nil || !strings.Contains(err.Error(), c.problem) || !strings.Contains(err.Error(), "this is no key table") {
				t.Errorf("%v %s: %v; want %q", c.s.dialect, c.ddl, err, c.problem)
			}
		}
	}
}

func TestOtherLayoutsThatAreUsed(t *testing.T) {
	for _, c := range []struct {
		s   server
		ddl []string
	}{
		{postgres, []string{`CREATE DOMAIN short AS VARCHAR(300)`, `CREATE TABLE encryption_key (id short, created TIMESTAMP(0), key_record VARCHAR(9000), extra INT, PRIMARY KEY (created, id))`}},
		{postgres, []string{`CREATE TABLE encryption_key (id TEXT, created TIMESTAMPTZ, key_record TEXT) PARTITION BY HASH (id)`,
			`CREATE TABLE p0 PARTITION OF encryption_key FOR VALUES WITH (MODULUS 1, REMAINDER 0)`, `ALTER TABLE encryption_key ADD PRIMARY KEY (id, created)`}},
		{postgres, []string{`CREATE TABLE t (id TEXT, created TIMESTAMPTZ, key_record TEXT, PRIMARY KEY (id, created) INCLUDE (key_record))`,
			`CREATE VIEW encryption_key AS SELECT * FROM t`}},
		{mariadb, []string{`CREATE TABLE encryption_key (ID VARCHAR(255) CHARACTER SET latin1, Created TIMESTAMP(3), KEY_RECORD MEDIUMTEXT CHARACTER SET latin1, UNIQUE (created, id))`}},
		{mariadb, []string{`CREATE TABLE t (id VARBINARY(300), created DATETIME, key_record VARCHAR(9000), PRIMARY KEY (id, created))`, `CREATE VIEW encryption_key AS SELECT * FROM t`}},
	} {
		db := c.s.fresh(t)
		run(t, db, c.ddl...)
		st := c.s.store(t, db)
		mustStore(t, st, "_SK_s_p", 1795461600, "a")
		if err := st.Store(t.Context(), meta("_SK_s_p", 1795461600), record(1795461600, "b")); !errors.Is(err, metastore.ErrExists) {
			t.Errorf("%v: second store: %v", c.ddl, err)
		}
		wantKey(t, st, "_SK_s_p", 1795461600, "a")
	}
}

func TestTheSearchPathIsResolvedOnce(t *testing.T) {
	db := postgres.fresh(t)
	db.SetMaxOpenConns(1)
	run(t, db, `CREATE SCHEMA a`, `CREATE SCHEMA b`, `SET search_path = pg_temp, a, b, public`,
		`CREATE TEMP TABLE encryption_key (id TEXT, created TIMESTAMP, key_record TEXT, PRIMARY KEY (id, created))`)
	// Where a statement would make it, were pg_temp not there.
	st, err := sqlstore.New(db, dialect.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	if st.Table() != `"encryption_key"` {
		t.Errorf("before the database was asked: %s", st.Table())
	}
	if created, err := st.Ensure(t.Context()); err != nil || !created || st.Table() != `"a"."encryption_key"` {
		t.Fatalf("Ensure = %v, %v, at %s", created, err, st.Table())
	}
	mustStore(t, st, "k", 60, "in a")
	run(t, db, `SET search_path = b`)
	wantKey(t, st, "k", 60, "in a")
	if ok, err := st.Exists(t.Context()); err != nil || !ok {
		t.Errorf("Exists = %v, %v", ok, err)
	}
	// Another store finds it behind a schema in which there is none, as a statement would.
	run(t, db, `SET search_path = b, a`)
	other, err := sqlstore.New(db, dialect.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	wantKey(t, other, "k", 60, "in a")
	// And a name that says where is taken at its word.
	named := postgres.store(t, db, sqlstore.WithTable("b.encryption_key"))
	if _, err := named.LoadLatest(t.Context(), "k"); !errors.Is(err, metastore.ErrNotFound) {
		t.Errorf("b: %v, want ErrNotFound", err)
	}
	if n := value[int](t, db, `SELECT count(*) FROM pg_temp.encryption_key`); n != 0 {
		t.Errorf("%d rows in the temporary table", n)
	}
}

func TestAPathToNowhereIsAnErrorWithTheRemedy(t *testing.T) {
	db := postgres.open(t, postgres.get(t).DSN(""), "search_path=nowhere")
	for _, st := range []*sqlstore.Store{must(sqlstore.New(db, dialect.Postgres)), must(sqlstore.New(mariadb.open(t, noDatabase(t), ""), dialect.MySQL))} {
		if _, err := st.Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), "name") || !strings.Contains(err.Error(), "the key table") {
			t.Errorf("Ensure: %v", err)
		}
	}
	if _, err := must(sqlstore.New(db, dialect.Postgres, sqlstore.WithTable("nowhere.keys"))).Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), `"nowhere"`) {
		t.Errorf("Ensure in a schema that isn't there: %v", err)
	}
}

func must(st *sqlstore.Store, err error) *sqlstore.Store {
	if err != nil {
		panic(err)
	}
	return st
}

// noDatabase is a connection string of MariaDB without a default database.
func noDatabase(t *testing.T) string {
	srv := mariadb.get(t)
	return strings.Replace(srv.DSN(""), "/"+srv.Database(), "/", 1)
}

func TestMySQLNamesTheDatabase(t *testing.T) {
	srv := mariadb.get(t)
	db := mariadb.open(t, srv.DSN(""), "")
	db.SetMaxOpenConns(1)
	st := mariadb.store(t, db)
	if want := "`" + srv.Database() + "`.`encryption_key`"; st.Table() != want {
		t.Errorf("Table = %s, want %s", st.Table(), want)
	}
	mustStore(t, st, "k", 60, "a")
	run(t, db, "USE mysql")
	wantKey(t, st, "k", 60, "a")
	named := mariadb.store(t, mariadb.open(t, noDatabase(t), ""), sqlstore.WithTable(srv.Database()+".encryption_key"))
	wantKey(t, named, "k", 60, "a")
	// Names of tables are told apart as the server does.
	upper := mariadb.store(t, mariadb.open(t, srv.DSN(""), ""), sqlstore.WithTable("ENCRYPTION_KEY"))
	if value[int](t, db, "SELECT @@lower_case_table_names") == 0 {
		if _, err := upper.LoadLatest(t.Context(), "k"); !errors.Is(err, metastore.ErrNotFound) {
			t.Errorf("ENCRYPTION_KEY: %v, want another, empty table", err)
		}
	}
}

func TestOddTableNames(t *testing.T) {
	eachServer(t, func(t *testing.T, s server) {
		db := s.fresh(t)
		for _, name := range []string{`od"d`, "od`d", "o'd d", "Keys", "schlüssel", "%d", "select"} {
			st := s.store(t, db, sqlstore.WithTable(name))
			mustStore(t, st, "k", 60, name)
			wantKey(t, s.store(t, db, sqlstore.WithTable(name)), "k", 60, name)
		}
	})
}

// TestTheLeastPrivilegesSuffice is what the documentation says a role needs.
func TestTheLeastPrivilegesSuffice(t *testing.T) {
	eachServer(t, func(t *testing.T, s server) {
		srv := s.get(t, testserver.Private())
		admin := s.open(t, srv.DSN(""), "")
		s.store(t, admin)
		var db *sql.DB
		switch s.dialect {
		case dialect.Postgres:
			run(t, admin, `CREATE ROLE app LOGIN PASSWORD 'app'`, `GRANT SELECT, INSERT ON encryption_key TO app`)
			u, err := url.Parse(srv.DSN(""))
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword("app", "app")
			db = s.open(t, u.String(), "")
		case dialect.MySQL:
			run(t, admin, `CREATE USER app@'127.0.0.1' IDENTIFIED BY 'app'`, `GRANT SELECT, INSERT ON encryption_key TO app@'127.0.0.1'`)
			_, rest, _ := strings.Cut(srv.DSN(""), "@")
			db = s.open(t, "app:app@"+rest, "")
		}
		st := s.store(t, db)
		mustStore(t, st, "k", 60, "a")
		wantKey(t, st, "k", 60, "a")
		if err := st.Store(t.Context(), meta("k", 60), record(60, "b")); !errors.Is(err, metastore.ErrExists) {
			t.Errorf("second store: %v, want ErrExists", err)
		}
		// Who may not make a table is told what somebody else is to run.
		_, err := must(sqlstore.New(db, s.dialect, sqlstore.WithTable("other"))).Ensure(t.Context())
		if err == nil || !strings.Contains(err.Error(), "as a user who may, run: CREATE TABLE") {
			t.Errorf("Ensure without the privilege: %v", err)
		}
	})
}
