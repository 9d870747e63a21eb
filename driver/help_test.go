package driver_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/driver/sqlite"
	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/kms/static"
	"github.com/asherah-sql/asherah-sql/protectedmem"
	"github.com/asherah-sql/asherah-sql/tags"
)

// Every value that must stay secret in these tests holds this word, so a search for it finds a leak.
const secret = "s3cr3t"

// user has one column of each way to find a partition.
type user struct {
	ID       int64
	TenantID string
	Name     string
	Email    *string `encrypt:"tenant_id"`
	SSN      *string `encrypt:"partition"`
	Age      *int64  `encrypt:"tenant_id"`
}

func (user) TableName() string { return "users" }

const usersDDL = `CREATE TABLE users (id INTEGER PRIMARY KEY, tenant_id TEXT, name TEXT, email TEXT, ssn TEXT, age TEXT)`

var masterKey = bytes.Repeat([]byte{7}, 32)

func masterKMS(t testing.TB) kms.Service {
	t.Helper()
	k, err := static.New(bytes.Clone(masterKey))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func schemaOf(t testing.TB, models ...any) *tags.Schema {
	t.Helper()
	s, err := tags.NewSchema(models...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func config(t testing.TB) asherah.Config {
	return asherah.Config{Service: "shop", Product: "web", KMS: masterKMS(t), Schema: schemaOf(t, user{}), Logger: slog.New(slog.DiscardHandler)}
}

// database is one SQLite file, opened through the wrapper and plainly.
type database struct {
	*sql.DB
	path  string
	plain *sql.DB
}

const pragmas = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)"

func connect(t testing.TB, path string, cfg asherah.Config) *sql.DB {
	t.Helper()
	c, err := sqlite.NewConnector(path+"?"+pragmas, cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	return db
}

func open(t testing.TB, change ...func(*asherah.Config)) *database {
	t.Helper()
	cfg := config(t)
	for _, f := range change {
		f(&cfg)
	}
	path := filepath.Join(t.TempDir(), "app.db")
	plain := openPlain(t, path)
	if _, err := plain.Exec(usersDDL); err != nil {
		t.Fatal(err)
	}
	return &database{DB: connect(t, path, cfg), path: path, plain: plain}
}

func openPlain(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?"+pragmas)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func tenant(id string) context.Context {
	return asherah.WithPartition(context.Background(), id)
}

func (d *database) mustExec(t testing.TB, ctx context.Context, query string, args ...any) sql.Result {
	t.Helper()
	res, err := d.ExecContext(ctx, query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return res
}

// dump renders a query's rows, one line each.
func dump(t testing.TB, ctx context.Context, q interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string, args ...any) string {
	t.Helper()
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	out, err := render(rows)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

func render(rows *sql.Rows) (string, error) {
	cols, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for rows.Next() {
		vals, ptrs := make([]any, len(cols)), make([]any, len(cols))
		for i := range vals {
			ptrs[i] = &vals[i]
		}
		if err := rows.Scan(ptrs...); err != nil {
			return "", err
		}
		for i, v := range vals {
			if i > 0 {
				b.WriteByte('|')
			}
			if raw, ok := v.([]byte); ok {
				v = string(raw)
			}
			if v == nil {
				v = "NULL"
			}
			fmt.Fprint(&b, v)
		}
		b.WriteByte('\n')
	}
	return b.String(), rows.Err()
}

// sealed checks that no secret is in the database's files, as it is now.
func (d *database) sealed(t testing.TB) {
	t.Helper()
	files, err := filepath.Glob(d.path + "*")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, []byte(secret)) {
			t.Fatalf("%s holds a secret in the clear", filepath.Base(f))
		}
	}
}

// noSecret checks an error's text.
func noSecret(t testing.TB, err error) {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), secret) {
		t.Fatalf("the error repeats a value: %v", err)
	}
}

func ptr[T any](v T) *T { return &v }

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left:", err)
			code = 1
		}
		if n, _ := protectedmem.Default().InUse(); n != 0 {
			fmt.Fprintln(os.Stderr, n, "keys left in protected memory after every test closed its database")
			code = 1
		}
	}
	os.Exit(code)
}

func newConnectorWith(dsn string, cfg asherah.Config) (driver.Connector, error) {
	return sqlite.NewConnector(dsn, cfg)
}
