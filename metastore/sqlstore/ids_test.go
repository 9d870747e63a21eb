package sqlstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/metastore/sqlstore"
)

// alike are ids that some collation takes for the first one.
var alike = []string{"_IK_acme_s_p", "_IK_Acme_s_p", "_IK_acme_s_p ", "_IK_acmé_s_p"}

func TestIDsOnTablesThatTakeThemForTheSame(t *testing.T) {
	for _, c := range []struct {
		name     string
		s        server
		ddl      []string
		distinct int // how many of alike the table tells apart
	}{
		{"MySQL's usual collation", mariadb, []string{`CREATE TABLE encryption_key (id VARCHAR(255) COLLATE utf8mb4_general_ci, created TIMESTAMP, key_record TEXT, PRIMARY KEY (id, created))`}, 1},
		{"MySQL's binary collation, which pads", mariadb, []string{`CREATE TABLE encryption_key (id VARCHAR(255) COLLATE utf8mb4_bin, created DATETIME, key_record TEXT, PRIMARY KEY (id, created))`}, 3},
		{"a nondeterministic collation", postgres, []string{`CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false)`,
			`CREATE TABLE encryption_key (id TEXT COLLATE loose, created TIMESTAMP, key_record TEXT, PRIMARY KEY (id, created))`}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := c.s.fresh(t)
			run(t, db, c.ddl...)
			st := c.s.store(t, db)
			stored := 0
			for i, id := range alike {
				err := st.Store(t.Context(), meta(id, 60), record(60, id))
				if err == nil {
					stored++
				} else if errors.Is(err, metastore.ErrExists) || !strings.Contains(err.Error(), "for the same") || !strings.Contains(err.Error(), "binary collation") {
					t.Errorf("store %q beside %q: %v, want an error with the remedy", id, alike[0], err)
				}
				// At another time there is room for each, and none is taken for another.
				at := int64(120 + 60*i)
				mustStore(t, st, id, at, id)
				wantKey(t, st, id, at, id)
				if got, err := st.LoadLatest(t.Context(), id); err != nil || got.Created != at {
					t.Errorf("latest of %q: %+v, %v; want %d", id, got, err, at)
				}
			}
			if stored != c.distinct {
				t.Errorf("%d of %q stored at one time, want %d", stored, alike, c.distinct)
			}
			for i, id := range alike {
				if got, err := st.LoadLatest(t.Context(), id); err != nil || got.Created != int64(120+60*i) {
					t.Errorf("latest of %q: %+v, %v", id, got, err)
				}
				if _, err := st.Load(t.Context(), meta(id, int64(120+60*((i+1)%len(alike))))); !errors.Is(err, metastore.ErrNotFound) {
					t.Errorf("load %q at another's time: %v, want ErrNotFound", id, err)
				}
			}
		})
	}
}

// TestALookAlikeWithManyKeysHidesNoOther: the newest rows are all of another id.
func TestALookAlikeWithManyKeysHidesNoOther(t *testing.T) {
	db := mariadb.fresh(t)
	run(t, db, fmt.Sprintf(goLayoutMySQL, "encryption_key"))
	st := mariadb.store(t, db)
	mustStore(t, st, "_IK_acme_s_p", 60, "mine")
	for i := range int64(80) {
		mustStore(t, st, "_IK_ACME_s_p", 120+60*i, "another's")
	}
	got, err := st.LoadLatest(t.Context(), "_IK_acme_s_p")
	if err != nil || string(got.EncryptedKey) != "mine" {
		t.Errorf("latest: %+v, %v", got, err)
	}
}

func TestWhatTheColumnsCannotHoldIsRefused(t *testing.T) {
	long := strings.Repeat("x", 101)
	for _, c := range []struct {
		s           server
		ddl, params string
		id, key     string
		want        string
	}{
		{postgres, `(id VARCHAR(100), created TIMESTAMP, key_record TEXT, PRIMARY KEY (id, created))`, "", long, "a", "101 characters, and the column holds 100"},
		{postgres, `(id TEXT, created TIMESTAMP, key_record VARCHAR(50), PRIMARY KEY (id, created))`, "", "k", long, "characters, and the column holds 50"},
		{postgres, `(id TEXT, created TIMESTAMP, key_record TEXT, PRIMARY KEY (id, created))`, "", "a\x00b", "a", "NUL"},
		{mariadb, `(id VARCHAR(100), created DATETIME, key_record TEXT, PRIMARY KEY (id, created))`, "", long, "a", "101 characters, and the column holds 100"},
		{mariadb, `(id VARBINARY(150), created DATETIME, key_record TEXT, PRIMARY KEY (id, created))`, "", strings.Repeat("é", 100), "a", "200 bytes, and the column holds 150"},
		{mariadb, `(id VARCHAR(255), created DATETIME, key_record TINYTEXT, PRIMARY KEY (id, created))`, "", "k", strings.Repeat("x", 300), "bytes, and the column holds 255"},
		{mariadb, `(id VARCHAR(255), created DATETIME, key_record VARCHAR(50), PRIMARY KEY (id, created))`, "", "k", long, "characters, and the column holds 50"},
		{mariadb, `(id VARCHAR(255) CHARACTER SET latin1, created DATETIME, key_record TEXT, PRIMARY KEY (id, created))`, "", "日本", "a", "character set"},
		{mariadb, `(id VARCHAR(255) CHARACTER SET utf8mb3, created DATETIME, key_record TEXT, PRIMARY KEY (id, created))`, "", "🔑", "a", "character set"},
	} {
		modes := []string{""}
		if c.s.dialect == dialect.MySQL {
			modes = append(modes, "sql_mode=%27%27") // in which MySQL would cut the value
		}
		for _, mode := range modes {
			db := c.s.open(t, c.s.get(t).DSN(""), mode)
			run(t, db, `CREATE TABLE encryption_key `+c.ddl)
			st := c.s.store(t, db)
			err := st.Store(t.Context(), meta(c.id, 60), record(60, c.key))
			if err == nil || errors.Is(err, metastore.ErrExists) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v %s: %v; want %q", c.s.dialect, c.ddl, err, c.want)
			}
			if n := value[int](t, db, `SELECT COUNT(*) FROM encryption_key`); n != 0 {
				t.Errorf("%v %s: %d rows", c.s.dialect, c.ddl, n)
			}
			if _, err := st.LoadLatest(t.Context(), c.id); !errors.Is(err, metastore.ErrNotFound) {
				t.Errorf("%v %s: load: %v, want ErrNotFound", c.s.dialect, c.ddl, err)
			}
		}
	}
}

func TestADatabaseOfAnotherEncoding(t *testing.T) {
	srv := postgres.get(t, testserver.Private())
	run(t, postgres.open(t, srv.DSN(""), ""), `CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0`)
	st := postgres.store(t, postgres.open(t, srv.DSN("latin"), ""))
	mustStore(t, st, "_IK_acme_s_p", 60, "a")
	wantKey(t, st, "_IK_acme_s_p", 60, "a")
	if err := st.Store(t.Context(), meta("_IK_日本_s_p", 60), record(60, "a")); err == nil || !strings.Contains(err.Error(), "character set") {
		t.Errorf("store: %v, want it refused", err)
	}
	if _, err := st.LoadLatest(t.Context(), "_IK_日本_s_p"); !errors.Is(err, metastore.ErrNotFound) {
		t.Errorf("load: %v, want ErrNotFound", err)
	}
}

func TestInternalRowsOfOtherSDKsAreLeftAlone(t *testing.T) {
	eachServer(t, func(t *testing.T, s server) {
		db := s.fresh(t)
		st := s.store(t, db, sqlstore.WithTable("encryption_key"))
		run(t, db, `INSERT INTO encryption_key (id, created, key_record) VALUES ('__asherah_internal_x', '2026-11-23 19:20:00', 'no key record')`)
		mustStore(t, st, "_SK_s_p", 60, "a")
		wantKey(t, st, "_SK_s_p", 60, "a")
		if n := value[int](t, db, `SELECT COUNT(*) FROM encryption_key WHERE key_record = 'no key record'`); n != 1 {
			t.Errorf("%d internal rows, want 1", n)
		}
		_, err := st.LoadLatest(t.Context(), "__asherah_internal_x")
		if err == nil || errors.Is(err, metastore.ErrNotFound) || !strings.Contains(err.Error(), "isn't a key record") {
			t.Errorf("a row that is no key record: %v", err)
		}
	})
}
