package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/testproxy"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/metastore/metastoretest"
	"github.com/asherah-sql/asherah-sql/metastore/sqlstore"
)

// TestContractThroughPgBouncer: in the ways of executing that pgx itself can use there. Each statement may
// find another session, so nothing may depend on one.
func TestContractThroughPgBouncer(t *testing.T) {
	srv := testserver.Postgres(t)
	dsn := testserver.PgBouncer(t, srv)
	for _, mode := range []string{"cache_describe", "exec", "simple_protocol"} {
		for name, layout := range layouts[dialect.Postgres] {
			t.Run(mode+", "+name, func(t *testing.T) {
				db := postgres.open(t, dsn, "default_query_exec_mode="+mode)
				metastoretest.Run(t, func(t *testing.T) metastore.Store {
					table := fmt.Sprintf("keys_%d", tables.Add(1))
					if layout != "" {
						run(t, db, fmt.Sprintf(layout, table))
					}
					return postgres.store(t, db, sqlstore.WithTable(table))
				})
			})
		}
	}
}

// bytesQuerier gives results as drivers do that take everything for bytes, as lib/pq does with what isn't text.
type bytesQuerier struct{ db *sql.DB }

func (q bytesQuerier) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := q.db.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (q bytesQuerier) Query(ctx context.Context, query string, args ...any) ([][]any, error) {
	rows, err := q.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var all [][]any
	for rows.Next() {
		values, dest := make([][]byte, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		row := make([]any, len(values))
		for i, v := range values {
			if v != nil { // else NULL
				row[i] = v
			}
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

func TestContractOverADriverThatAnswersWithBytes(t *testing.T) {
	eachServer(t, func(t *testing.T, s server) {
		db := s.fresh(t)
		metastoretest.Run(t, func(t *testing.T) metastore.Store {
			st := must(sqlstore.NewOver(bytesQuerier{db}, s.dialect, sqlstore.WithTable(fmt.Sprintf("keys_%d", tables.Add(1)))))
			if created, err := st.Ensure(t.Context()); !created || err != nil {
				t.Fatal(created, err)
			}
			return st
		})
	})
}

// TestATableThatComesEarlierInThePathLater is never used by a store that has found its own.
func TestATableThatComesEarlierInThePathLater(t *testing.T) {
	srv := testserver.Postgres(t)
	db := postgres.open(t, srv.DSN(""), "search_path=late,early,public") // no schema has come yet
	run(t, db, `CREATE SCHEMA early`, fmt.Sprintf(goLayoutPostgres, "early.encryption_key"))
	st := postgres.store(t, db)
	mustStore(t, st, "k", 60, "early")
	run(t, db, `CREATE SCHEMA late`, fmt.Sprintf(goLayoutPostgres, "late.encryption_key"),
		`INSERT INTO late.encryption_key VALUES ('k', '1970-01-01 00:01:00', '{"Key":"AQID","Created":60}'), ('k', '1970-01-01 00:03:00', '{"Key":"AQID","Created":180}')`)
	for range 2 {
		wantKey(t, st, "k", 60, "early")
		if got, err := st.LoadLatest(t.Context(), "k"); err != nil || got.Created != 60 {
			t.Errorf("latest: %+v, %v", got, err)
		}
		// Asked to look again, it finds the same one.
		if created, err := st.Ensure(t.Context()); created || err != nil || st.Table() != `"early"."encryption_key"` {
			t.Errorf("Ensure: %v, %v: %s", created, err, st.Table())
		}
	}
	mustStore(t, st, "k", 120, "early too")
	if n := value[int](t, db, `SELECT count(*) FROM early.encryption_key`); n != 2 {
		t.Errorf("%d rows in the store's table, want 2", n)
	}
	// Were it to vanish, that is an error, and not a reason to go on with the other one.
	run(t, db, `DROP TABLE early.encryption_key`)
	if _, err := st.LoadLatest(t.Context(), "k"); err == nil || errors.Is(err, metastore.ErrNotFound) {
		t.Errorf("after the table is gone: %v", err)
	}
	if err := st.Store(t.Context(), meta("k", 240), record(240, "x")); err == nil || errors.Is(err, metastore.ErrExists) {
		t.Errorf("store after the table is gone: %v", err)
	}
	if n := value[int](t, db, `SELECT count(*) FROM late.encryption_key`); n != 2 {
		t.Errorf("%d rows in the other table, want 2", n)
	}
}

// TestConstraintsOfOtherNames: what is there already aborts no transaction, whatever says so.
func TestConstraintsOfOtherNames(t *testing.T) {
	for _, ddl := range []string{
		`(id TEXT, created TIMESTAMP, key_record TEXT, CONSTRAINT "PK of another SDK" PRIMARY KEY (created, id))`,
		`(id TEXT, created TIMESTAMPTZ, key_record JSONB, CONSTRAINT a UNIQUE (id, created), CONSTRAINT b UNIQUE (created, id))`,
		`(no SERIAL PRIMARY KEY, id VARCHAR(255), created TIMESTAMP, key_record JSON, CONSTRAINT uq UNIQUE (id, created))`,
	} {
		db := postgres.fresh(t)
		run(t, db, `CREATE TABLE encryption_key `+ddl)
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		st := must(sqlstore.New(tx, dialect.Postgres))
		mustStore(t, st, "k", 60, "first")
		if err := st.Store(t.Context(), meta("k", 60), record(60, "second")); !errors.Is(err, metastore.ErrExists) {
			t.Errorf("%s: %v, want ErrExists", ddl, err)
		}
		if err := tx.Commit(); err != nil {
			t.Errorf("%s: commit: %v", ddl, err)
		}
		wantKey(t, postgres.store(t, db), "k", 60, "first")
	}
}

// withUser is a connection string for another user.
func withUser(t *testing.T, dsn, user string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, user)
	return u.String()
}

// readOnly are sessions that may not write, each with the error that says so.
func readOnly(t *testing.T, srv *testserver.Server) map[string]*sql.DB {
	t.Helper()
	replica := srv.Replica()
	return map[string]*sql.DB{
		"a replica":             postgres.open(t, replica.DSN(""), ""),
		"a read-only session":   postgres.open(t, srv.DSN(""), "default_transaction_read_only=on"),
		"a user who only reads": postgres.open(t, withUser(t, srv.DSN(""), "reader"), ""),
	}
}

func TestWhoOnlyReadsReads(t *testing.T) {
	srv := testserver.Postgres(t, testserver.Private())
	admin := postgres.open(t, srv.DSN(""), "")
	mustStore(t, postgres.store(t, admin), "k", 60, "a")
	run(t, admin, `CREATE ROLE reader LOGIN PASSWORD 'reader'`, `GRANT SELECT ON encryption_key TO reader`)
	for name, db := range readOnly(t, srv) {
		st := must(sqlstore.New(db, dialect.Postgres))
		if ok, err := st.Exists(t.Context()); !ok || err != nil {
			t.Errorf("%s: Exists = %v, %v", name, ok, err)
		}
		if created, err := st.Ensure(t.Context()); created || err != nil {
			t.Errorf("%s: Ensure = %v, %v", name, created, err)
		}
		wantKey(t, st, "k", 60, "a")
		if _, err := st.LoadLatest(t.Context(), "missing"); !errors.Is(err, metastore.ErrNotFound) {
			t.Errorf("%s: load: %v, want ErrNotFound", name, err)
		}
		if err := st.Store(t.Context(), meta("k", 60), record(60, "b")); !errors.Is(err, metastore.ErrExists) {
			t.Errorf("%s: store of a key that is there: %v, want ErrExists", name, err)
		}
		err := st.Store(t.Context(), meta("k", 120), record(120, "b"))
		if err == nil || errors.Is(err, metastore.ErrExists) {
			t.Errorf("%s: store: %v, want the database's refusal", name, err)
		}
		// A table that isn't there isn't made, and the error says what somebody else is to run.
		other := must(sqlstore.New(db, dialect.Postgres, sqlstore.WithTable("other")))
		if ok, err := other.Exists(t.Context()); ok || err != nil {
			t.Errorf("%s: Exists of another table = %v, %v", name, ok, err)
		}
		if created, err := other.Ensure(t.Context()); created || err == nil || !strings.Contains(err.Error(), "as a user who may, run: CREATE TABLE") {
			t.Errorf("%s: Ensure of another table = %v, %v", name, created, err)
		}
	}
	if n := value[int](t, admin, `SELECT count(*) FROM encryption_key`); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}

// TestAKeyThatAFailoverHasLostIsStoredAgain: by the same store, as the same record.
func TestAKeyThatAFailoverHasLostIsStoredAgain(t *testing.T) {
	srv := testserver.Postgres(t, testserver.Private())
	mustStore(t, postgres.store(t, postgres.open(t, srv.DSN(""), "")), "k", 60, "kept")
	replica := srv.Replica()
	replica.Disconnect()
	proxy := testproxy.New(t, srv.Addr())
	mustStore(t, postgres.store(t, postgres.open(t, srv.DSNAt(proxy.Addr(), ""), "")), "k", 120, "lost")
	srv.Crash()
	replica.Promote()
	st := postgres.store(t, postgres.open(t, replica.DSN(""), ""))
	wantKey(t, st, "k", 60, "kept")
	if _, err := st.Load(t.Context(), meta("k", 120)); !errors.Is(err, metastore.ErrNotFound) {
		t.Errorf("the key that was lost: %v, want ErrNotFound", err)
	}
	mustStore(t, st, "k", 120, "lost")
	wantKey(t, st, "k", 120, "lost")
}

// TestEncodings keeps keys in databases whose characters aren't Unicode.
func TestEncodings(t *testing.T) {
	const french = "_IK_élise_s_p"
	for _, c := range []struct {
		encoding string
		longest  string // that the id column takes
		others   []string
		refused  []string
	}{
		// A database without an encoding counts and keeps bytes.
		{"SQL_ASCII", strings.Repeat("🔑", 255), []string{french, "_IK_日本_s_p", "_IK_E\u0301lise_s_p"}, nil},
		{"LATIN1", strings.Repeat("x", 255), nil, []string{french, "_IK_日本_s_p"}},
		{"UTF8", strings.Repeat("🔑", 255), []string{french, "_IK_日本_s_p", "_IK_E\u0301lise_s_p"}, nil},
	} {
		srv := testserver.Postgres(t, testserver.Private())
		run(t, postgres.open(t, srv.DSN(""), ""), `CREATE DATABASE other ENCODING '`+c.encoding+`' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`)
		for name, layout := range layouts[dialect.Postgres] {
			for _, mode := range []string{"cache_statement", "exec"} {
				where := c.encoding + ", " + name + ", " + mode
				db := postgres.open(t, srv.DSN("other"), "default_query_exec_mode="+mode)
				table := fmt.Sprintf("keys_%d", tables.Add(1))
				if layout != "" {
					run(t, db, fmt.Sprintf(layout, table))
				}
				tx, err := db.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				// Ensure isn't for transactions.
				postgres.store(t, db, sqlstore.WithTable(table))
				st := must(sqlstore.New(tx, dialect.Postgres, sqlstore.WithTable(table)))
				ids := append([]string{"_SK_s_p"}, c.others...)
				if name != "TIMESTAMP" || c.encoding != "SQL_ASCII" { // its VARCHAR(255) holds as many bytes
					ids = append(ids, c.longest)
				}
				for _, id := range ids {
					rec := record(60, id)
					rec.ParentKeyMeta = &metastore.KeyMeta{ID: id, Created: 60}
					if err := st.Store(t.Context(), meta(id, 60), rec); err != nil {
						t.Fatalf("%s: store %.20q: %v", where, id, err)
					}
					got, err := st.LoadLatest(t.Context(), id)
					if err != nil || string(got.EncryptedKey) != id || got.ID != id || got.ParentKeyMeta.ID != id {
						t.Errorf("%s: load %q: %+v, %v", where, id, got, err)
					}
				}
				for _, id := range c.refused {
					if err := st.Store(t.Context(), meta(id, 60), record(60, "a")); err == nil || !strings.Contains(err.Error(), "character set") {
						t.Errorf("%s: store %q: %v, want it refused", where, id, err)
					}
				}
				if name == "TIMESTAMP" && c.encoding == "SQL_ASCII" {
					if err := st.Store(t.Context(), meta(c.longest, 60), record(60, "a")); err == nil || !strings.Contains(err.Error(), "1020 bytes, and the column holds 255") {
						t.Errorf("%s: an id that is too long: %v", where, err)
					}
				}
				// Whatever was refused was so before it was sent.
				if err := tx.Commit(); err != nil {
					t.Errorf("%s: commit: %v", where, err)
				}
				wantKey(t, postgres.store(t, db, sqlstore.WithTable(table)), "_SK_s_p", 60, "_SK_s_p")
			}
		}
	}
}

// TestTheZoneOfTheProgramHasNoPart is about TZ, the zone of the machine that a program runs on.
func TestTheZoneOfTheProgramHasNoPart(t *testing.T) {
	defer func(local *time.Location) { time.Local = local }(time.Local)
	eachServer(t, func(t *testing.T, s server) {
		srv := s.get(t)
		db := s.open(t, srv.DSN(""), "")
		if s.dialect == dialect.MySQL {
			makeDSTZone(t, db)
		}
		for name, layout := range layouts[s.dialect] {
			table := "keys_" + strings.ToLower(name)
			if layout != "" {
				run(t, db, fmt.Sprintf(layout, table))
			}
			st := s.store(t, db, sqlstore.WithTable(table))
			programs := []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"}
			in := func(zone string) {
				loc, err := time.LoadLocation(zone)
				if err != nil {
					t.Fatal(err)
				}
				time.Local = loc
			}
			for w, writer := range programs {
				for _, at := range moments() {
					id := fmt.Sprintf("_SK_%d_%d", w, at)
					in(writer)
					mustStore(t, st, id, at, id)
					for _, reader := range programs {
						in(reader)
						wantKey(t, st, id, at, id)
						if err := st.Store(t.Context(), meta(id, at), record(at, "other")); !errors.Is(err, metastore.ErrExists) {
							t.Errorf("%s: %d, written in %s, stored again in %s: %v", name, at, writer, reader, err)
						}
					}
				}
			}
			if got, want := value[int](t, db, "SELECT COUNT(*) FROM "+table), len(programs)*len(moments()); got != want {
				t.Errorf("%s: %d rows, want %d", name, got, want)
			}
		}
	})
}

// TestTheConnectionIsCutWhileAKeyIsStored at each byte of what the two say to each other about the INSERT. The
// caller learns that it went well, or that nobody knows; a later attempt makes it exactly one row, with the
// key that the caller then has.
func TestTheConnectionIsCutWhileAKeyIsStored(t *testing.T) {
	// So that the statement's text is in what is sent, and all of it is one request.
	params := map[dialect.Dialect]string{dialect.Postgres: "default_query_exec_mode=exec", dialect.MySQL: "interpolateParams=true"}
	eachServer(t, func(t *testing.T, s server) {
		srv := s.get(t)
		proxy := testproxy.New(t, srv.Addr())
		admin := s.open(t, srv.DSN(""), "")
		straight := s.store(t, admin)
		db := s.open(t, srv.DSNAt(proxy.Addr(), ""), params[s.dialect])
		st := s.store(t, db)
		cuts, outcomes := map[testproxy.Direction]int64{}, map[string]int{}
		for _, d := range []testproxy.Direction{testproxy.ToServer, testproxy.ToClient} {
			for fired := true; fired; cuts[d]++ {
				// Whoever has got the whole answer only notices at the next statement that the connection is dead.
				db.SetMaxIdleConns(0)
				db.SetMaxIdleConns(1)
				where := fmt.Sprintf("cut after %d bytes %v", cuts[d], d)
				m := meta(fmt.Sprintf("_IK_%d_%04d_s_p", d, cuts[d]), 60)
				proxy.Cut(testproxy.AfterBytes(d, cuts[d]).When(testproxy.Contains("INSERT INTO")))
				err := st.Store(t.Context(), m, record(60, "mine"))
				fired = proxy.Fired()
				proxy.Heal()
				switch {
				case err == nil:
					outcomes["stored"]++
				case !fired || errors.Is(err, metastore.ErrExists):
					t.Errorf("%s (happened: %v): %v, and nobody else has stored it", where, fired, err)
				default:
					outcomes["unknown"]++
				}
				// The server may still be at it: what it has got whole it does. Then this one waits for it.
				again := straight.Store(t.Context(), m, record(60, "second"))
				want := "second"
				if errors.Is(again, metastore.ErrExists) {
					want, again = "mine", nil
					outcomes["there"]++
				}
				got, loadErr := straight.Load(t.Context(), m)
				if again != nil || loadErr != nil || string(got.EncryptedKey) != want || err == nil && want != "mine" {
					t.Fatalf("%s: first %v, again %v, and there is %+v, %v; want %q", where, err, again, got, loadErr, want)
				}
			}
		}
		total := cuts[testproxy.ToServer] + cuts[testproxy.ToClient]
		if rows := value[int64](t, admin, `SELECT COUNT(*) FROM encryption_key`); rows != total {
			t.Errorf("%d rows, want one for each of %d cuts", rows, total)
		}
		// Before, at and after the commit have all been met, and nothing in between.
		if cuts[testproxy.ToServer] < 100 || cuts[testproxy.ToClient] < 8 || outcomes["stored"] < 2 || outcomes["there"] < outcomes["stored"]+5 || outcomes["there"] > int(total)-100 {
			t.Errorf("the cuts came out one-sided: %v of %v", outcomes, cuts)
		}
	})
}

// TestRoundTrips is what a warm store costs.
func TestRoundTrips(t *testing.T) {
	for _, c := range []struct {
		s           server
		params      string
		load, store int
	}{
		{postgres, "", 1, 2},
		{postgres, "default_query_exec_mode=simple_protocol", 1, 2},
		{mariadb, "interpolateParams=true", 1, 2},
	} {
		srv := c.s.get(t)
		proxy := testproxy.New(t, srv.Addr())
		db := c.s.open(t, srv.DSNAt(proxy.Addr(), ""), c.params)
		db.SetMaxOpenConns(1)
		st := c.s.store(t, db)
		mustStore(t, st, "k", 60, "a")
		mustStore(t, st, "k", 120, "a")
		for call, want := range map[string]int{"Load": c.load, "LoadLatest": c.load, "Store": c.store} {
			f := func() {
				t.Helper()
				switch call {
				case "Load":
					wantKey(t, st, "k", 120, "a")
				case "LoadLatest":
					if _, err := st.LoadLatest(t.Context(), "k"); err != nil {
						t.Error(err)
					}
				case "Store":
					at := 180 + 60*tables.Add(1)
					mustStore(t, st, "k", at, "a")
				}
			}
			f()
			before := proxy.Stats()
			f()
			if got := proxy.Stats().Sub(before); got.RoundTrips != want || got.Connections != 0 {
				t.Errorf("%v %q: %s took %+v, want %d round trips", c.s.dialect, c.params, call, got, want)
			}
		}
	}
}
