package driver_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/driver/sqlite"
	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/kms/static"
	"github.com/asherah-sql/asherah-sql/protectedmem"
	"github.com/asherah-sql/asherah-sql/tags"
)

// countingKMS counts the calls that reach the master key.
type countingKMS struct {
	kms.Service
	decrypts atomic.Int64
}

func (k *countingKMS) DecryptKey(ctx context.Context, b []byte) ([]byte, error) {
	k.decrypts.Add(1)
	return k.Service.DecryptKey(ctx, b)
}

func TestConnectorsShareKeysAndTheLastOneWipesThem(t *testing.T) {
	before, _ := protectedmem.Default().InUse()
	db := open(t)
	db.mustExec(t, tenant("acme"), insert, 1, "acme", secret)
	db.Close()

	k := &countingKMS{Service: masterKMS(t)}
	cfg := config(t)
	cfg.KMS, cfg.Keys = k, asherah.NewKeys()
	a, b := connect(t, db.path, cfg), connect(t, db.path, cfg)
	for range 3 {
		for _, d := range []*sql.DB{a, b} {
			if got := dump(t, context.Background(), d, `SELECT email FROM users`); got != secret+"\n" {
				t.Fatal(got)
			}
		}
	}
	if n := k.decrypts.Load(); n != 1 {
		t.Errorf("the master key was used %d times, want 1", n)
	}
	// A connection that outlives its pool keeps the keys.
	conn, err := a.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	b.Close()
	if got := dump(t, context.Background(), conn, `SELECT email FROM users`); got != secret+"\n" {
		t.Error(got)
	}
	if n, _ := protectedmem.Default().InUse(); n == before {
		t.Error("keys are wiped while a connection is open")
	}
	conn.Close()
	if n, _ := protectedmem.Default().InUse(); n != before {
		t.Errorf("%d keys left", n-before)
	}
}

func TestKeysRefuseOtherSettingsAndOtherFiles(t *testing.T) {
	db, other := open(t), open(t)
	cfg := config(t)
	cfg.Keys = asherah.NewKeys()
	first := connect(t, db.path, cfg)
	if err := first.Ping(); err != nil {
		t.Fatal(err)
	}
	changed := cfg
	changed.Product = "other"
	if err := connect(t, db.path, changed).Ping(); err == nil || !strings.Contains(err.Error(), "in use with other settings") {
		t.Errorf("other product: %v", err)
	}
	if err := connect(t, other.path, cfg).Ping(); err == nil || !strings.Contains(err.Error(), "different database files") {
		t.Errorf("other file: %v", err)
	}
}

func TestOpenSharesByConnectionString(t *testing.T) {
	db := open(t)
	db.mustExec(t, tenant("acme"), insert, 1, "acme", secret)
	db.Close()
	k := &countingKMS{Service: masterKMS(t)}
	cfg := config(t)
	cfg.KMS = k
	if err := asherah.RegisterConfig("share-test", cfg); err != nil {
		t.Fatal(err)
	}
	read := func(dsn string) *sql.DB {
		d, err := sql.Open(sqlite.Name, dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		if got := dump(t, context.Background(), d, `SELECT email FROM users`); got != secret+"\n" {
			t.Fatal(got)
		}
		return d
	}
	dsn := db.path + "?asherah_config=share-test"
	a, b := read(dsn), read(dsn)
	if n := k.decrypts.Load(); n != 1 {
		t.Errorf("equal strings: the master key was used %d times, want 1", n)
	}
	read(dsn + "&asherah_cache_size=5")
	if n := k.decrypts.Load(); n != 2 {
		t.Errorf("other settings: the master key was used %d times, want 2", n)
	}
	a.Close()
	b.Close()
	read(dsn)
	if n := k.decrypts.Load(); n != 3 {
		t.Errorf("after the last was closed: the master key was used %d times, want 3", n)
	}
}

func TestADriftOfSettingsIsRefused(t *testing.T) {
	db := open(t)
	db.mustExec(t, tenant("acme"), insert, 1, "acme", secret)
	db.Close()
	for name, change := range map[string]func(*asherah.Config){
		"KMS was": func(c *asherah.Config) {
			k, err := static.New(bytes.Repeat([]byte{9}, 32))
			if err != nil {
				t.Fatal(err)
			}
			c.KMS = k
		},
		`format was "bound", now "asherah"`: func(c *asherah.Config) { c.Format = tags.FormatAsherah },
	} {
		cfg := config(t)
		change(&cfg)
		err := connect(t, db.path, cfg).Ping()
		if !errors.Is(err, asherah.ErrDrift) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "__asherah_internal_guard_shop_web") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), hex.EncodeToString(masterKey)) {
			t.Error("the error holds the key")
		}
	}
	// Another service in the same table is another set of keys, not a drift.
	cfg := config(t)
	cfg.Service = "billing"
	if err := connect(t, db.path, cfg).Ping(); err != nil {
		t.Error(err)
	}
}

func TestMetastoreModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	plain := openPlain(t, path)
	if _, err := plain.Exec(usersDDL); err != nil {
		t.Fatal(err)
	}
	cfg := config(t)
	cfg.Metastore = asherah.MetastoreRequire
	err := connect(t, path, cfg).Ping()
	if err == nil || !strings.Contains(err.Error(), `"main"."encryption_key" is missing`) || !strings.Contains(err.Error(), "CREATE TABLE") {
		t.Fatalf("require: %v", err)
	}
	cfg.Metastore, cfg.MetastoreTable = asherah.MetastoreAuto, "app_keys"
	db := connect(t, path, cfg)
	if _, err := db.Exec(insert, 1, "acme", secret); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := plain.QueryRow(`SELECT count(*) FROM app_keys WHERE id LIKE '%acme%'`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d keys in app_keys (%v)", n, err)
	}

	// Keys in another file: that file's transactions are its own.
	keysPath := filepath.Join(t.TempDir(), "keys.db")
	t.Setenv("KEYS_DSN", keysPath)
	cfg = config(t)
	cfg.MetastoreDSN, cfg.Service = "env:KEYS_DSN", "apart"
	db2 := connect(t, path, cfg)
	tx, err := db2.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(insert, 2, "globex", secret); err != nil {
		t.Fatal(err)
	}
	tx.Rollback()
	if err := openPlain(t, keysPath).QueryRow(`SELECT count(*) FROM encryption_key WHERE id = '_IK_globex_apart_web'`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d keys in the other file (%v)", n, err)
	}
}

func TestAnEmptySchemaIsAnErrorOfTheFirstConnection(t *testing.T) {
	cfg := config(t)
	cfg.Schema = schemaOf(t)
	db := connect(t, filepath.Join(t.TempDir(), "a.db"), cfg)
	if err := db.Ping(); !errors.Is(err, asherah.ErrNoSchema) || !strings.Contains(err.Error(), "tags.MustRegister") {
		t.Errorf("err = %v", err)
	}
	cfg.AllowEmptySchema = true
	db = connect(t, filepath.Join(t.TempDir(), "a.db"), cfg)
	if err := db.Ping(); err != nil {
		t.Error(err)
	}
}

func TestATableCannotBeRegisteredAfterItsStatementsPassed(t *testing.T) {
	cfg := config(t)
	cfg.Schema, cfg.AllowEmptySchema = schemaOf(t), true
	path := filepath.Join(t.TempDir(), "a.db")
	db := connect(t, path, cfg)
	if _, err := db.Exec(usersDDL); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Schema.Register(user{}); err == nil || !strings.Contains(err.Error(), "users") {
		t.Errorf("users: %v", err)
	}
	// Another table still can, and the same open connection encrypts it.
	if err := cfg.Schema.Register(payment{}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`CREATE TABLE payments (id INTEGER PRIMARY KEY, tenant_id TEXT, email TEXT)`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO payments (tenant_id, email) VALUES ('acme', ?)`, secret); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, context.Background(), openPlain(t, path), `SELECT email FROM payments`); !strings.HasPrefix(got, "ash1.") {
		t.Errorf("stored %q", got)
	}
}

func TestTheCatalogueIsChecked(t *testing.T) {
	for name, c := range map[string]struct{ ddl, want string }{
		"no column":            {`CREATE TABLE users (id INTEGER PRIMARY KEY, tenant_id TEXT, email TEXT, ssn TEXT)`, "users.age: the table has no such column: ALTER TABLE users ADD COLUMN age TEXT"},
		"no partition column":  {`CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, ssn TEXT, age TEXT)`, "no partition column tenant_id"},
		"default":              {`CREATE TABLE users (id INTEGER PRIMARY KEY, tenant_id TEXT, email TEXT DEFAULT 'x', ssn TEXT, age TEXT)`, "users.email has a default"},
		"generated":            {`CREATE TABLE users (id INTEGER PRIMARY KEY, tenant_id TEXT, email TEXT, ssn TEXT, age TEXT AS (id))`, "users.age is a generated column"},
		"UNIQUE":               {`CREATE TABLE users (id INTEGER PRIMARY KEY, tenant_id TEXT, email TEXT UNIQUE, ssn TEXT, age TEXT)`, "users.email is UNIQUE"},
		"unique index":         {usersDDL + `; CREATE UNIQUE INDEX ue ON users (tenant_id, email)`, "DROP INDEX ue"},
		"STRICT of other type": {`CREATE TABLE users (id INTEGER PRIMARY KEY, tenant_id TEXT, email TEXT, ssn TEXT, age INTEGER) STRICT`, "users.age is of type INTEGER in a STRICT table"},
		"numeric tenant":       {`CREATE TABLE users (id INTEGER PRIMARY KEY, tenant_id STRING, email TEXT, ssn TEXT, age TEXT)`, "its partition column tenant_id is declared STRING"},
		"view":                 {`CREATE TABLE t (id, tenant_id, email, ssn, age); CREATE VIEW users AS SELECT * FROM t`, "users is a view"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.db")
			if _, err := openPlain(t, path).Exec(c.ddl); err != nil {
				t.Fatal(err)
			}
			err := connect(t, path, config(t)).Ping()
			if !errors.Is(err, asherah.ErrSchemaMismatch) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("err = %v, want …%s", err, c.want)
			}
			cfg := config(t)
			cfg.SkipVerify = true
			if err := connect(t, path, cfg).Ping(); err != nil {
				t.Errorf("asherah_verify=off: %v", err)
			}
		})
	}
	t.Run("a table made later is checked at its first use", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.db")
		db := connect(t, path, config(t))
		if err := db.Ping(); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`CREATE TABLE users (id INTEGER PRIMARY KEY, tenant_id TEXT, email TEXT UNIQUE, ssn TEXT, age TEXT)`); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(insert, 1, "acme", secret); !errors.Is(err, asherah.ErrSchemaMismatch) {
			t.Errorf("err = %v", err)
		}
		for _, q := range []string{`DROP TABLE users`, usersDDL} {
			if _, err := db.Exec(q); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := db.Exec(insert, 1, "acme", secret); err != nil {
			t.Error(err)
		}
	})
}

func TestAReadOnlyFileCanBeRead(t *testing.T) {
	db := open(t)
	db.mustExec(t, tenant("acme"), insert, 1, "acme", secret)
	db.Close()
	db.plain.Close()
	c, err := newConnectorWith("file:"+db.path+"?mode=ro", config(t))
	if err != nil {
		t.Fatal(err)
	}
	ro := sql.OpenDB(c)
	defer ro.Close()
	if got := dump(t, context.Background(), ro, `SELECT email FROM users`); got != secret+"\n" {
		t.Error(got)
	}
}
