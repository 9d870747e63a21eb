package integration

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/asherah-sql/asherah-sql/driver/sqlite"
	"github.com/asherah-sql/asherah-sql/integration/shop"
)

// secrets lists every value that the shop ever puts into an encrypted column, those that it takes back
// or overwrites included.
func secrets() []secret {
	var out []secret
	for _, s := range []string{
		"ada.lovelace@engine.example", "+44 20 7946 0123", "allergic to penicillin", "found to be allergic to codfish too",
		"blaise.pascal@pari.example", "+33 4 7398 0456", "b.pascal@port-royal.example",
		"c.f.gauss@göttingen.example", "prefers Geheimrat; credit limit 17 Thaler",
		"daniel.bernoulli@basel.example", "+41 61 555 0789", "d.bernoulli@st-petersburg.example", "+7 812 555 0456",
		"emmy.noether@erlangen.example", "+49 9131 555 0147", "ring theory; won't take calls before noon",
		"felix.klein@bottle.example", "grace.hopper@cobol.example", "found a real moth in relay 70",
		"hypatia@library.example", "pays in drachmae", "withheld on request",
		"walk-in.1@counter.example", "walk-in.2@counter.example", "walk-in.3@counter.example", "walk-in.4@counter.example",
		"+1 555 0100 00", "+1 555 0100 02", "nobody@nowhere.example",
		"mallory@offshore.example", "3530 1113 3330 0000", "M ALLORY",
		"4111 1111 4555 1142", "5500 0055 5555 5559", "3714 4963 5398 431", "6011 0009 9013 9424",
		"MS A K LOVELACE-KING", "HERR JCF GAUSS", "CHAS BABBAGE ESQ", "AUGUSTA ADA KING", "ERLANGEN UNIVERSITY TREASURY",
		"13:37:42", "13:37:43",
	} {
		out = append(out, textSecret(s))
	}
	for _, n := range []int64{129_950_017_423, 808_500_281_979, 577_215_664_901, 662_607_015_987, 999_999_999_989, 141_421_356_237} {
		out = append(out, intSecret(n))
	}
	for _, holder := range []string{"MS A K LOVELACE-KING", "HERR JCF GAUSS", "CHAS BABBAGE ESQ"} {
		out = append(out, byteSecret("signature of "+holder, []byte("\x00\x01ink of "+holder+"\xff\xfe")))
	}
	return out
}

// encryptedColumns are the columns that the models' tags name.
var encryptedColumns = map[string][]string{
	"customers": {"email", "phone", "notes"},
	"payments":  {"card_number", "holder", "amount", "authorized_at", "signature"},
}

// watcher is the shop's output. Whenever the shop prints, in the middle of its transactions too, it
// searches the database's files as they lie on the disk at that moment.
type watcher struct {
	t       *testing.T
	path    string
	secrets *search
	out     bytes.Buffer
	found   map[string][]secret // by the file's suffix: "", "-journal", "-wal"
	looks   map[string]int      // how often the file had content
	last    map[string][]byte
	// db is kept open to the end: closing a descriptor of a file drops every POSIX lock that the process
	// holds on it, SQLite's own too.
	db *os.File
}

func newWatcher(t *testing.T, path string, more ...secret) *watcher {
	w := &watcher{t: t, path: path, secrets: newSearch(append(secrets(), more...)...), found: map[string][]secret{}, looks: map[string]int{}, last: map[string][]byte{}}
	t.Cleanup(func() {
		if w.db != nil {
			w.db.Close()
		}
	})
	return w
}

func (w *watcher) Write(p []byte) (int, error) {
	w.look()
	return w.out.Write(p)
}

func (w *watcher) look() {
	w.t.Helper()
	for _, suffix := range []string{"", "-journal", "-wal"} {
		content, err := w.read(suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		if len(content) == 0 || bytes.Equal(content, w.last[suffix]) {
			continue
		}
		w.last[suffix] = content
		w.looks[suffix]++
		for _, s := range w.secrets.in(content) {
			if !named(w.found[suffix], s.name) {
				w.found[suffix] = append(w.found[suffix], s)
			}
		}
	}
}

func named(list []secret, name string) bool {
	return slices.ContainsFunc(list, func(s secret) bool { return s.name == name })
}

func (w *watcher) read(suffix string) ([]byte, error) {
	if suffix != "" {
		return os.ReadFile(w.path + suffix)
	}
	if w.db == nil {
		f, err := os.Open(w.path)
		if err != nil {
			return nil, err
		}
		w.db = f
	}
	return io.ReadAll(io.NewSectionReader(w.db, 0, 1<<30))
}

// opener opens a shop's database in a journal mode, plain or encrypting.
type opener struct {
	name  string
	plain func(t *testing.T, path, mode string) *sql.DB
	// encrypted runs prepare on the database before the shop does, as a migration would.
	encrypted func(t *testing.T, path, mode string) *sql.DB
	prepare   func(t *testing.T, path string)
}

// openers holds the drivers that the shop is run through; others add themselves.
var openers = []opener{{
	name: "modernc",
	plain: func(t *testing.T, path, mode string) *sql.DB {
		return open(t, "sqlite", fmt.Sprintf("file:%s?_pragma=journal_mode(%s)", path, mode))
	},
	encrypted: func(t *testing.T, path, mode string) *sql.DB {
		return open(t, "asherah-sqlite", fmt.Sprintf("file:%s?_pragma=journal_mode(%s)&%s&asherah_partition=till", path, mode, settings))
	},
}}

func open(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestShop(t *testing.T) {
	if len(openers) == 0 {
		t.Fatal("no driver to run the shop through")
	}
	for _, o := range openers {
		for _, mode := range []string{"DELETE", "WAL"} {
			t.Run(o.name+"/"+mode, func(t *testing.T) { testShop(t, o, mode) })
		}
	}
}

func testShop(t *testing.T, o opener, mode string) {
	journal := map[string]string{"DELETE": "-journal", "WAL": "-wal"}[mode]
	plainPath := filepath.Join(t.TempDir(), "plain.db")
	plain := newWatcher(t, plainPath)
	runShop(t, o.plain(t, plainPath, mode), plain)

	path := filepath.Join(t.TempDir(), "encrypted.db")
	if o.prepare != nil {
		o.prepare(t, path)
	}
	encrypted := newWatcher(t, path, masterSecrets(t)...)
	runShop(t, o.encrypted(t, path, mode), encrypted)

	samePrint(t, plain.out.String(), encrypted.out.String())

	// The plain run shows that the search works where it looks: in the database and in the journal.
	for _, suffix := range []string{"", journal} {
		if encrypted.looks[suffix] == 0 || plain.looks[suffix] == 0 {
			t.Errorf("the file %q was never there to be searched", suffix)
		}
		if len(plain.found[suffix]) < 10 {
			t.Errorf("only %d secrets found in the plain run's file %q", len(plain.found[suffix]), suffix)
		}
	}
	for suffix, found := range encrypted.found {
		for _, s := range found {
			t.Errorf("the encrypted run's file %q holds %s", suffix, s.name)
		}
	}

	checkPlainStore(t, open(t, "sqlite", plainPath), sqliteColumn, plain.secrets, plain.found[""])
	checkEncryptedFile(t, path)
}

// masterSecrets are the master key in its two forms, which no file holds either.
func masterSecrets(t *testing.T) []secret {
	t.Helper()
	key, err := hex.DecodeString(masterKey)
	if err != nil {
		t.Fatal(err)
	}
	return []secret{textSecret(masterKey), byteSecret("the master key", key)}
}

// shopCommand builds the program.
func shopCommand(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "shop.exe")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", exe, "./cmd/shop").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return exe
}

// TestShopCommand runs the shop as a program of its own, as a user would.
func TestShopCommand(t *testing.T) {
	exe := shopCommand(t)
	dir := t.TempDir()
	plain := output(t, exe, "-driver", "sqlite", "-dsn", "file:"+filepath.Join(dir, "plain.db"))
	encrypted := output(t, exe, "-driver", "asherah-sqlite", "-dsn", "file:"+filepath.Join(dir, "encrypted.db")+"?"+settings+"&asherah_partition=till")
	samePrint(t, string(plain), string(encrypted))
	checkEncryptedFile(t, filepath.Join(dir, "encrypted.db"))
}

// runShop runs the shop and searches the files while the database is open and after it is closed.
func runShop(t *testing.T, db *sql.DB, w *watcher) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := shop.Run(ctx, db, w); err != nil {
		t.Fatalf("%v\nafter printing\n%s", err, w.out.String())
	}
	w.look()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	w.look()
}

func firstDifference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return fmt.Sprintf("line %d: plain     %q\nline %d: encrypted %q", i+1, as[i], i+1, bs[i])
		}
	}
	return fmt.Sprintf("%d lines, %d lines", len(as), len(bs))
}

// checkPlainStore reads what the plain run stored. Each value must be one of the secrets, so that the
// list can't fall behind the program, and must have been found where it lies.
func checkPlainStore(t *testing.T, db *sql.DB, column string, all *search, found []secret) {
	t.Helper()
	count := 0
	eachStored(t, db, column, func(place string, v any) {
		var content []byte
		switch v := v.(type) {
		case string:
			content = []byte(v)
		case []byte:
			content = v
		case int64:
			content = fmt.Append(nil, v)
		case time.Time:
			content = []byte(v.UTC().Format(time.DateTime))
		default:
			t.Fatalf("%s: stored as %T", place, v)
		}
		if len(content) == 0 {
			return
		}
		count++
		stored := all.in(content)
		if len(stored) == 0 {
			t.Errorf("%s: the plain run stores a value that the list of secrets lacks: %q", place, content)
		}
		for _, s := range stored {
			if !named(found, s.name) {
				t.Errorf("%s: %s is stored, but the search didn't find it", place, s.name)
			}
		}
	})
	if count < 30 {
		t.Errorf("only %d values in the plain run's encrypted columns", count)
	}
}

// checkEncryptedFile reads the encrypted run's file with the plain driver: records and keys are there, and
// the file is whole. The tenant whose only rows were rolled back has no key.
func checkEncryptedFile(t *testing.T, path string) {
	t.Helper()
	db := open(t, "sqlite", path)
	checkEncryptedStore(t, db, sqliteColumn)
	checkTenantKeys(t, db, "acme", "globex", "initech", "till")
	var check string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&check); err != nil || check != "ok" {
		t.Errorf("integrity check: %s, %v", check, err)
	}
}

// checkEncryptedStore: there is nothing but bound records in the encrypted columns.
func checkEncryptedStore(t *testing.T, db *sql.DB, column string) {
	t.Helper()
	count := 0
	eachStored(t, db, column, func(place string, v any) {
		count++
		if s, ok := v.(string); !ok || !strings.HasPrefix(s, "ash1.") {
			t.Errorf("%s: stored as %T, want a bound record", place, v)
		}
	})
	if count < 30 {
		t.Errorf("only %d values in the encrypted columns", count)
	}
}

// checkTenantKeys compares the tenants that have a key in the key table with those that should.
func checkTenantKeys(t *testing.T, db *sql.DB, tenants ...string) {
	t.Helper()
	rows, err := db.Query("SELECT id FROM encryption_key WHERE id LIKE '!_IK!_%' ESCAPE '!'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, strings.TrimSuffix(strings.TrimPrefix(id, "_IK_"), "_shop_web"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if slices.Sort(ids); !slices.Equal(ids, tenants) {
		t.Errorf("keys of %v, want %v", ids, tenants)
	}
}

// sqliteColumn reads a column as it is stored: an expression has no declared type, which keeps the driver
// from making something else of a TIMESTAMP column's text.
const sqliteColumn = "CASE WHEN 1 THEN %s END"

// eachStored calls f with every value that isn't NULL of the encrypted columns, as the plain driver reads it.
func eachStored(t *testing.T, db *sql.DB, expression string, f func(place string, v any)) {
	t.Helper()
	for table, columns := range encryptedColumns {
		for _, column := range columns {
			rows, err := db.Query(fmt.Sprintf("SELECT id, "+expression+" FROM %s WHERE %s IS NOT NULL", column, table, column))
			if err != nil {
				t.Fatal(err)
			}
			for rows.Next() {
				var id int64
				var v any
				if err := rows.Scan(&id, &v); err != nil {
					t.Fatal(err)
				}
				if b, ok := v.([]byte); ok && isMySQL(db) {
					v = string(b) // its driver hands texts out as bytes
				}
				f(fmt.Sprintf("%s.%s of %d", table, column, id), v)
			}
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
}
