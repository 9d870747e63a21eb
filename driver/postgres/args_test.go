package postgres_test

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/driver/postgres"
)

// keyValue turns a URL into key=value pairs.
func keyValue(t testing.TB, url string) string {
	t.Helper()
	c, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	s := fmt.Sprintf("host=%s port=%d user=%s dbname=%s", c.Host, c.Port, c.User, c.Database)
	if c.Password != "" {
		s += " password='" + c.Password + "'"
	}
	if c.TLSConfig == nil {
		s += " sslmode=disable"
	}
	return s
}

// registered gives a connection string a name, as programs do that must set what no string can hold.
func registered(t testing.TB, url string) string {
	t.Helper()
	c, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	name := stdlib.RegisterConnConfig(c)
	t.Cleanup(func() { stdlib.UnregisterConnConfig(name) })
	return name
}

type valued string

func (v valued) Value() (sqldriver.Value, error) { return "valued-" + string(v), nil }

type pointed struct{ s string }

func (p *pointed) Value() (sqldriver.Value, error) { return "pointed-" + p.s, nil }

type failing struct{}

var errNoValue = errors.New("no value today")

func (failing) Value() (sqldriver.Value, error) { return nil, errNoValue }

func TestArgumentsThatPgxTakesRaw(t *testing.T) {
	eachMode(t, func(t *testing.T, d *database) {
		text := "ptr-" + secret
		for i, a := range []struct {
			arg  any
			want string
		}{
			{valued(secret), "valued-" + secret},
			{&pointed{secret}, "pointed-" + secret},
			{&text, text},
			{[]byte("bytes-" + secret), "bytes-" + secret},
			{sql.NullString{String: secret, Valid: true}, secret},
			{sql.NullString{}, "NULL"},
			{sql.Null[string]{V: secret, Valid: true}, secret},
			{(*string)(nil), "NULL"},
			{12, "12"},
			{uint64(1) << 63, "9223372036854775808"},
		} {
			// Ints and unsigned ones in both a plain and an encrypted place.
			mustExec(t, d, `INSERT INTO users (id, tenant_id, email) VALUES ($1, $2, $3)`, uint(i+1), valued("acme"), a.arg)
			if got := one(t, context.Background(), d, `SELECT email FROM users WHERE id = $1`, i+1); got != a.want {
				t.Errorf("%T: got %q, want %q", a.arg, got, a.want)
			}
		}
		if got := one(t, context.Background(), d.plain, `SELECT DISTINCT tenant_id FROM users`); got != "valued-acme" {
			t.Errorf("partition column: %q", got)
		}
		_, err := d.Exec(`INSERT INTO users (id, tenant_id, email) VALUES ($1, $2, $3)`, 100, "acme", failing{})
		if !errors.Is(err, errNoValue) {
			t.Errorf("a Valuer that fails: %v", err)
		}
		if got := one(t, context.Background(), d, `SELECT count(*) FROM users WHERE id = ANY($1)`, []int64{1, 2, 99}); got != "2" {
			t.Errorf("an array beside encrypted columns: %s", got)
		}
		d.noLeak(t)
	})
}

func TestLeadingOptionArguments(t *testing.T) {
	d := open(t)
	ctx := context.Background()
	for i, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		mustExec(t, d, `INSERT INTO users (id, tenant_id, email) VALUES ($1, $2, $3)`, mode, i+1, "acme", secret)
		mustExec(t, d, `UPDATE users SET email = $1 WHERE id = $2`, mode, "looked-"+secret, i+1)
		if got := one(t, ctx, d, `SELECT email FROM users WHERE id = $1`, mode, pgx.QueryResultFormats{pgx.TextFormatCode}, i+1); got != "looked-"+secret {
			t.Errorf("%v: %q", mode, got)
		}
	}
	mustExec(t, d, `INSERT INTO users (id, tenant_id, email) VALUES (@id, @tenant, @email)`, pgx.NamedArgs{"id": 50, "tenant": "acme", "email": "named-" + secret})
	mustExec(t, d, `UPDATE users SET email = @email WHERE id = @id`, pgx.QueryExecModeExec, pgx.NamedArgs{"id": 50, "email": "again-" + secret})
	if got := one(t, ctx, d, `SELECT email FROM users WHERE id = @id`, pgx.StrictNamedArgs{"id": 50}); got != "again-"+secret {
		t.Errorf("named: %q", got)
	}
	_, err := d.Exec(`SELECT @missing FROM users`, pgx.StrictNamedArgs{"id": 50})
	_, bare := d.plain.Exec(`SELECT @missing FROM users`, pgx.StrictNamedArgs{"id": 50})
	if err == nil || bare == nil || err.Error() != bare.Error() {
		t.Errorf("a rewriter's error is %v, bare %v", err, bare)
	}
	// A rewriter may bring a registered table in.
	if _, err := d.Exec(`SELECT 1`, rewriter{`INSERT INTO users (tenant_id, email) SELECT 'acme', 'x-s3cr3t'||'y'`}); !errors.Is(err, driver.ErrRefused) {
		t.Errorf("a rewriter's statement: %v", err)
	}
	mustExec(t, d, `SELECT 1`, rewriter{`INSERT INTO users (id, tenant_id, email) VALUES (60, 'acme', 'rewritten-s3cr3t')`})
	if got := one(t, ctx, d, `SELECT email FROM users WHERE id = 60`); got != "rewritten-"+secret {
		t.Errorf("rewritten: %q", got)
	}
	d.noLeak(t)
}

type rewriter struct{ text string }

func (r rewriter) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	return r.text, nil, nil
}

func TestRawGivesPgxConnection(t *testing.T) {
	d := open(t)
	c, err := d.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.Raw(func(dc any) error {
		u, ok := dc.(interface{ Unwrap() sqldriver.Conn })
		if !ok {
			return fmt.Errorf("%T has no Unwrap", dc)
		}
		conn := u.Unwrap().(*stdlib.Conn).Conn()
		_, err := conn.CopyFrom(context.Background(), pgx.Identifier{"users"}, []string{"id", "name"}, pgx.CopyFromRows([][]any{{1, "copied"}}))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := one(t, context.Background(), d, `SELECT name FROM users WHERE id = 1`); got != "copied" {
		t.Error(got)
	}
}

func TestAStringPartitionInAUUIDColumn(t *testing.T) {
	type Visit struct {
		ID     int64
		Clinic string
		Note   string `encrypt:"clinic"`
	}
	d := open(t)
	mustExec(t, d.plain, `CREATE TABLE visits (id BIGINT PRIMARY KEY, clinic UUID, note TEXT)`)
	db := connect(t, d.dsn, config(t, Visit{}))
	for i, spelled := range []string{"6BA7B810-9DAD-11D1-80B4-00C04FD430C8", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}", "6ba7b8109dad11d180b400c04fd430c8"} {
		mustExec(t, db, `INSERT INTO visits VALUES ($1, $2, $3)`, i, spelled, "note-"+secret)
		mustExec(t, db, `UPDATE visits SET note = $1 WHERE id = $2 AND clinic = $3`, "changed-"+secret, i, spelled)
		if got := one(t, context.Background(), db, `SELECT note FROM visits WHERE id = $1`, i); got != "changed-"+secret {
			t.Errorf("%s: %q", spelled, got)
		}
	}
	if _, err := db.Exec(`INSERT INTO visits VALUES ($1, $2, $3)`, 9, "not a uuid", secret); err == nil {
		t.Error("a partition that its column can't hold was sealed for")
	}
	// The sealer spells it as the database will.
	conn, err := postgres.NewConnector(d.dsn, config(t, Visit{}))
	if err != nil {
		t.Fatal(err)
	}
	s, err := driver.NewSealer(context.Background(), conn)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sealed, err := s.Seal(context.Background(), "visits", "note", map[string]any{"clinic": "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"}, "sealer-"+secret)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, d.plain, `INSERT INTO visits VALUES (10, '6BA7B810-9DAD-11D1-80B4-00C04FD430C8', $1)`, sealed)
	if got := one(t, context.Background(), db, `SELECT note FROM visits WHERE id = 10`); got != "sealer-"+secret {
		t.Errorf("sealer: %q", got)
	}
}
