package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/metastore/metastoretest"
	"github.com/asherah-sql/asherah-sql/metastore/sqlstore"
)

func openSQLite(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "keys.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func newStore(t *testing.T, db *sql.DB, opts ...sqlstore.Option) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, dialect.SQLite, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func ExampleNew() {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // a private in-memory database is one connection
	ctx := context.Background()

	store, err := sqlstore.New(db, dialect.SQLite)
	if err != nil {
		panic(err)
	}
	created, err := store.Ensure(ctx)
	fmt.Println(store.Table(), created, err)

	meta := metastore.KeyMeta{ID: "_SK_shop_web", Created: 1795461600}
	rec := &metastore.EnvelopeKeyRecord{Created: meta.Created, EncryptedKey: []byte("sealed")}
	fmt.Println(store.Store(ctx, meta, rec))
	fmt.Println(errors.Is(store.Store(ctx, meta, rec), metastore.ErrExists))
	// Output:
	// "main"."encryption_key" true <nil>
	// <nil>
	// true
}

func TestContractOnSQLite(t *testing.T) {
	metastoretest.Run(t, func(t *testing.T) metastore.Store { return newStore(t, openSQLite(t)) })
}

func TestEnsureSendsNoDDLWhenTheTableIsThere(t *testing.T) {
	db := openSQLite(t)
	// Another SDK's table, with another layout of the same names.
	if _, err := db.Exec(`CREATE TABLE encryption_key (id TEXT, created DATETIME, key_record TEXT, PRIMARY KEY (id, created))`); err != nil {
		t.Fatal(err)
	}
	s, err := sqlstore.New(db, dialect.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	created, err := s.Ensure(t.Context())
	if err != nil || created {
		t.Fatalf("Ensure = %v, %v; want false, nil", created, err)
	}
	var n int
	if err := db.QueryRow(`SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name LIKE '%created%'`).Scan(&n); err != nil || n != 0 {
		t.Fatalf("%d indexes made on a table that was there (%v)", n, err)
	}
}

func TestLayoutIsTheOneOfOtherSDKs(t *testing.T) {
	db := openSQLite(t)
	s := newStore(t, db)
	meta := metastore.KeyMeta{ID: "_IK_p_s_x", Created: 1795461600}
	rec := &metastore.EnvelopeKeyRecord{Created: meta.Created, EncryptedKey: []byte{1, 2, 3}, ParentKeyMeta: &metastore.KeyMeta{ID: "_SK_s_x", Created: 1795461540}}
	if err := s.Store(t.Context(), meta, rec); err != nil {
		t.Fatal(err)
	}
	var id, created, text string
	// CAST keeps the test's own driver from turning the column into a time.Time.
	if err := db.QueryRow(`SELECT id, CAST(created AS TEXT) || '', key_record FROM encryption_key`).Scan(&id, &created, &text); err != nil {
		t.Fatal(err)
	}
	if created != "2026-11-23 19:20:00" {
		t.Errorf("created = %q, want UTC text without a zone", created)
	}
	if want := `{"Created":1795461600,"Key":"AQID","ParentKeyMeta":{"KeyId":"_SK_s_x","Created":1795461540}}`; text != want {
		t.Errorf("key_record = %s\nwant         %s", text, want)
	}
}

func TestReadsRowsThatOthersWrote(t *testing.T) {
	const rec = `{"Key":"AQID","Created":%d,"Revoked":false,"Extra":{"a":1}}`
	for name, created := range map[string]string{
		"Rust SDK":                     "2026-11-23 19:20:00",
		"Go time.String":               "2026-11-23 19:20:00 +0000 UTC",
		"shifted by the writer's zone": "2026-11-23 11:20:00",
	} {
		t.Run(name, func(t *testing.T) {
			db := openSQLite(t)
			s := newStore(t, db)
			if _, err := db.Exec(`INSERT INTO encryption_key VALUES (?, ?, ?)`, "_SK_s_p", created, fmt.Sprintf(rec, 1795461600)); err != nil {
				t.Fatal(err)
			}
			got, err := s.Load(t.Context(), metastore.KeyMeta{ID: "_SK_s_p", Created: 1795461600})
			if err != nil || got.Created != 1795461600 || string(got.EncryptedKey) != "\x01\x02\x03" || got.ID != "_SK_s_p" {
				t.Fatalf("Load = %+v, %v", got, err)
			}
			if got, err = s.LoadLatest(t.Context(), "_SK_s_p"); err != nil || got.Created != 1795461600 {
				t.Fatalf("LoadLatest = %+v, %v", got, err)
			}
		})
	}
}

func TestStoreSeesARowUnderAnotherSpelling(t *testing.T) {
	db := openSQLite(t)
	s := newStore(t, db)
	if _, err := db.Exec(`INSERT INTO encryption_key VALUES ('_SK_s_p', '2026-11-23 19:20:00 +0000 UTC', '{"Created":1795461600,"Key":"AQID"}')`); err != nil {
		t.Fatal(err)
	}
	err := s.Store(t.Context(), metastore.KeyMeta{ID: "_SK_s_p", Created: 1795461600}, &metastore.EnvelopeKeyRecord{Created: 1795461600, EncryptedKey: []byte("other")})
	if !errors.Is(err, metastore.ErrExists) {
		t.Fatalf("err = %v, want ErrExists: two rows for one key", err)
	}
}

func TestIDsAreComparedByteForByteUnderAnyCollation(t *testing.T) {
	db := openSQLite(t)
	if _, err := db.Exec(`CREATE TABLE encryption_key (id TEXT COLLATE NOCASE, created TEXT, key_record TEXT, PRIMARY KEY (id, created))`); err != nil {
		t.Fatal(err)
	}
	s := newStore(t, db)
	if err := s.Store(t.Context(), metastore.KeyMeta{ID: "_IK_Acme_s_p", Created: 60}, &metastore.EnvelopeKeyRecord{Created: 60, EncryptedKey: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Load(t.Context(), metastore.KeyMeta{ID: "_IK_acme_s_p", Created: 60}); !errors.Is(err, metastore.ErrNotFound) {
		t.Errorf("Load of another spelling: %v, want ErrNotFound", err)
	}
	if _, err := s.LoadLatest(t.Context(), "_IK_acme_s_p"); !errors.Is(err, metastore.ErrNotFound) {
		t.Errorf("LoadLatest of another spelling: %v, want ErrNotFound", err)
	}
}

func TestATemporaryTableDoesNotStandIn(t *testing.T) {
	db := openSQLite(t)
	db.SetMaxOpenConns(1)
	s := newStore(t, db)
	if _, err := db.Exec(`CREATE TEMP TABLE encryption_key (id, created, key_record)`); err != nil {
		t.Fatal(err)
	}
	meta := metastore.KeyMeta{ID: "_SK_s_p", Created: 60}
	if err := s.Store(t.Context(), meta, &metastore.EnvelopeKeyRecord{Created: 60, EncryptedKey: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := db.QueryRow(`SELECT count(*) FROM main.encryption_key`).Scan(&n); err != nil || n != 1 {
		t.Fatalf("main has %d rows (%v), want 1", n, err)
	}
}

func TestADamagedRowIsAnErrorThatNamesIt(t *testing.T) {
	db := openSQLite(t)
	s := newStore(t, db)
	if _, err := db.Exec(`INSERT INTO encryption_key VALUES ('_SK_s_p', '1970-01-01 00:01:00', 'no json')`); err != nil {
		t.Fatal(err)
	}
	_, err := s.LoadLatest(t.Context(), "_SK_s_p")
	if err == nil || errors.Is(err, metastore.ErrNotFound) || !strings.Contains(err.Error(), "_SK_s_p") {
		t.Fatalf("err = %v", err)
	}
}

func TestTableNames(t *testing.T) {
	db := openSQLite(t)
	s := newStore(t, db, sqlstore.WithTable(`od"d`))
	if err := s.Store(t.Context(), metastore.KeyMeta{ID: "k", Created: 60}, &metastore.EnvelopeKeyRecord{Created: 60, EncryptedKey: []byte("a")}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "a.b.c", ".x", "x.", "a\x00b"} {
		if _, err := sqlstore.New(db, dialect.SQLite, sqlstore.WithTable(bad)); err == nil || !strings.Contains(err.Error(), "want a name or schema.name") {
			t.Errorf("table %q: %v", bad, err)
		}
	}
}

func TestUnknownDialectIsAnError(t *testing.T) {
	for _, d := range []dialect.Dialect{0, dialect.Oracle, 200} {
		if _, err := sqlstore.New(openSQLite(t), d); err == nil || !strings.Contains(err.Error(), "dialect") {
			t.Errorf("%v: %v", d, err)
		}
	}
}
