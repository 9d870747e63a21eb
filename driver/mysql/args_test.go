package mysql_test

import (
	"bytes"
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/asherah-sql/asherah-sql/driver"
)

type valued string

func (v valued) Value() (sqldriver.Value, error) { return "valued-" + string(v), nil }

type pointed struct{ s string }

func (p *pointed) Value() (sqldriver.Value, error) { return "pointed-" + p.s, nil }

type failing struct{}

var errNoValue = errors.New("no value today")

func (failing) Value() (sqldriver.Value, error) { return nil, errNoValue }

func TestArgumentsOfEachType(t *testing.T) {
	eachWay(t, func(t *testing.T, d *database) {
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
			{"", ""},
			{"it's \"quoted\\\" \x00 \x1a \n % _ ☃ 😀", "it's \"quoted\\\" \x00 \x1a \n % _ ☃ 😀"},
			{12, "12"},
			{uint64(1) << 63, "9223372036854775808"},
		} {
			mustExec(t, d, insertUser, uint(i+1), valued("acme"), a.arg)
			if got := one(t, context.Background(), d, `SELECT email FROM users WHERE id = ?`, i+1); got != a.want {
				t.Errorf("%T: got %q, want %q", a.arg, got, a.want)
			}
		}
		if got := one(t, context.Background(), d.plain, `SELECT DISTINCT tenant_id FROM users`); got != "valued-acme" {
			t.Errorf("partition column: %q", got)
		}
		_, err := d.Exec(insertUser, 100, "acme", failing{})
		if !errors.Is(err, errNoValue) {
			t.Errorf("a Valuer that fails: %v", err)
		}
		if _, err := d.Exec(insertUser, 100, "acme"); err == nil {
			t.Error("an argument is missing")
		}
		d.noLeak(t)
	})
}

func TestLargeValues(t *testing.T) {
	for _, way := range []string{"interpolateParams=true", "interpolateParams=false", "interpolateParams=true&compress=true", "maxAllowedPacket=0"} {
		d := open(t, strings.Split(way, "&")...)
		mustExec(t, d.plain, `ALTER TABLE users MODIFY email LONGTEXT, MODIFY ssn TEXT`)
		ctx := context.Background()
		for i, n := range []int{1 << 10, 1 << 16, 1 << 20, 3 << 20} {
			value := secret + strings.Repeat("0123456789abcde\n", n/16)
			mustExec(t, d, insertUser, i+1, "acme", value)
			if got := one(t, ctx, d, `SELECT email FROM users WHERE id = ?`, i+1); got != value {
				t.Errorf("%s: %d bytes came back as %d", way, len(value), len(got))
			}
		}
		// Literals as well.
		value := secret + strings.Repeat("it''s\\\\n", 1<<17)
		mustExec(t, d, `INSERT INTO users (id, tenant_id, email) VALUES (9, 'acme', '`+value+`')`)
		if got := one(t, ctx, d, `SELECT email FROM users WHERE id = 9`); got != strings.ReplaceAll(strings.ReplaceAll(value, "''", "'"), `\\`, `\`) {
			t.Errorf("%s: a literal of %d bytes", way, len(value))
		}
		// What doesn't fit the column is an error of the server's, and nothing is stored.
		if _, err := d.ExecContext(tenant("acme"), `INSERT INTO users (id, ssn) VALUES (10, ?)`, strings.Repeat("x", 60_000)); mysqlError(err) != 1406 {
			t.Errorf("%s: a value that doesn't fit: %v", way, err)
		}
		// A value over the server's max_allowed_packet.
		if _, err := d.Exec(insertUser, 11, "acme", strings.Repeat("x", 20<<20)); err == nil {
			t.Errorf("%s: a value over the limit was stored", way)
		}
		mustExec(t, d, insertUser, 12, "acme", secret)
	}
}

func TestResultsOfBothProtocols(t *testing.T) {
	eachWay(t, func(t *testing.T, d *database) {
		ctx := tenant("acme")
		born := time.Date(1980, 2, 3, 4, 5, 6, 0, time.UTC)
		mustExecContext(t, ctx, d, `INSERT INTO users (id, tenant_id, name, email, ssn, age, born) VALUES (1, 'acme', 'n', ?, ?, ?, ?)`, "e-"+secret, []byte("s-"+secret), 41, born)
		mustExec(t, d.plain, `CREATE TABLE kinds (b BIGINT UNSIGNED, f DOUBLE, d DECIMAL(10,2), at DATETIME(3), x VARBINARY(9))`)
		mustExec(t, d.plain, `INSERT INTO kinds VALUES (18446744073709551615, 1.5, 2.50, '2020-01-02 03:04:05.678', 'bytes')`)
		for _, prepared := range []bool{false, true} {
			query := `SELECT id, email, ssn, age, born, k.b, k.f, k.d, k.at, k.x FROM users, kinds k WHERE 1`
			var args []any
			if prepared {
				query, args = query+` = ?`, []any{1}
			}
			rows, err := d.QueryContext(ctx, query, args...)
			if err != nil {
				t.Fatal(err)
			}
			types, err := rows.ColumnTypes()
			if err != nil {
				t.Fatal(err)
			}
			if len(types) != 10 {
				t.Fatalf("%d columns", len(types))
			}
			for i, want := range map[int]reflect.Type{1: reflect.TypeFor[string](), 3: reflect.TypeFor[int64](), 4: reflect.TypeFor[time.Time]()} {
				if types[i].ScanType() != want || types[i].DatabaseTypeName() != "TEXT" {
					t.Errorf("column %d: %v, %s", i, types[i].ScanType(), types[i].DatabaseTypeName())
				}
				if _, ok := types[i].Length(); ok {
					t.Errorf("column %d has a length", i)
				}
			}
			for rows.Next() {
				var id int64
				var email, ssn, x sql.RawBytes
				var age int
				var b uint64
				var f float64
				var dec string
				var at, bornAt any
				if err := rows.Scan(&id, &email, &ssn, &age, &bornAt, &b, &f, &dec, &at, &x); err != nil {
					t.Fatal(err)
				}
				when, ok := bornAt.(time.Time)
				if string(email) != "e-"+secret || string(ssn) != "s-"+secret || age != 41 || !ok || !when.Equal(born) || string(x) != "bytes" {
					t.Errorf("%q %q %d %v %q", email, ssn, age, bornAt, x)
				}
				if b != 1<<64-1 || f != 1.5 || dec != "2.50" {
					t.Errorf("%d %v %s", b, f, dec)
				}
			}
			if err := rows.Err(); err != nil {
				t.Error(err)
			}
			rows.Close()
		}
		// Columns that aren't encrypted come as from the bare driver, of the same types.
		bare := openPlain(t, d.dsn)
		const query = `SELECT id, tenant_id, name, k.* FROM users, kinds k WHERE id = ?`
		scan := func(db *sql.DB) (all []any) {
			rows, err := db.Query(query, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			types, err := rows.ColumnTypes()
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range types {
				l, lok := c.Length()
				p, s, pok := c.DecimalSize()
				n, nok := c.Nullable()
				all = append(all, c.Name(), c.DatabaseTypeName(), c.ScanType(), l, lok, p, s, pok, n, nok)
			}
			for rows.Next() {
				row := make([]any, len(types))
				to := make([]any, len(row))
				for i := range row {
					to[i] = &row[i]
				}
				if err := rows.Scan(to...); err != nil {
					t.Fatal(err)
				}
				all = append(all, row...)
			}
			return all
		}
		if w, b := scan(d.DB), scan(bare); !reflect.DeepEqual(w, b) {
			t.Errorf("wrapped: %v\nbare:    %v", w, b)
		}
	})
}

// Results of writes are the server's: rows found or changed, ids made.
func TestResultsOfWrites(t *testing.T) {
	for _, way := range []string{"clientFoundRows=true", "clientFoundRows=false", "interpolateParams=true&clientFoundRows=true"} {
		d := open(t, strings.Split(way, "&")...)
		found := map[bool]string{true: "0 2", false: "0 0"}[strings.Contains(way, "clientFoundRows=true")]
		result := func(query string, args ...any) string {
			res, err := d.Exec(query, args...)
			if err != nil {
				t.Fatal(err)
			}
			id, err := res.LastInsertId()
			n, err2 := res.RowsAffected()
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			return fmt.Sprint(id, " ", n)
		}
		for _, c := range []struct {
			query string
			args  []any
			want  string
		}{
			{`INSERT INTO users (tenant_id, email) VALUES ('acme', ?), ('acme', ?)`, []any{secret, secret}, "1 2"},
			{`INSERT INTO users (tenant_id, email) VALUES ('acme', 'lit-s3cr3t')`, nil, "3 1"},
			{`UPDATE users SET name = 'n' WHERE id < 3`, nil, "0 2"},
			{`UPDATE users SET name = 'n' WHERE id < 3`, nil, found},
			{`UPDATE users SET email = ? WHERE id = 2 AND tenant_id = ?`, []any{secret, "acme"}, "0 1"},
			{`UPDATE users SET email = ? WHERE id = 99`, []any{secret}, "0 0"},
			{`REPLACE INTO users (id, tenant_id, email) VALUES (3, 'acme', ?)`, []any{secret}, "3 2"},
			{`INSERT INTO users (id, tenant_id, email) VALUES (3, 'acme', ?) ON DUPLICATE KEY UPDATE name = 'dup'`, []any{secret}, "3 2"},
			{`DELETE FROM users`, nil, "0 3"},
		} {
			if got := result(c.query, c.args...); got != c.want {
				t.Errorf("%s: %s: got %s, want %s", way, c.query, got, c.want)
			}
		}
	}
}

func TestRawGivesTheConnection(t *testing.T) {
	d := open(t)
	err := d.onOne(t).Raw(func(dc any) error {
		u, ok := dc.(interface{ Unwrap() sqldriver.Conn })
		if !ok {
			return fmt.Errorf("%T has no Unwrap", dc)
		}
		res, err := u.Unwrap().(sqldriver.ExecerContext).ExecContext(context.Background(), `INSERT INTO users (name) VALUES ('a'), ('b')`, nil)
		if err != nil {
			return err
		}
		if n := len(res.(mysql.Result).AllRowsAffected()); n != 1 {
			return fmt.Errorf("%d results", n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Errors are the server's own, with their types.
func TestErrorsAreTheDriversOwn(t *testing.T) {
	eachWay(t, func(t *testing.T, d *database) {
		mustExec(t, d, insertUser, 1, "acme", secret)
		bare := openPlain(t, d.dsn)
		for _, q := range []struct {
			query string
			args  []any
		}{
			{`INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme', NULL)`, nil},
			{`SELECT nothing FROM users WHERE id = ?`, []any{1}},
			{`SELECT nothing FROM nowhere`, nil},
			{`SELECT FROM`, nil},
			{`UPDATE users SET id = ? WHERE id = 1`, []any{"no number"}},
		} {
			_, w := d.Exec(q.query, q.args...)
			_, b := bare.Exec(q.query, q.args...)
			var we, be *mysql.MySQLError
			if !errors.As(b, &be) {
				t.Fatalf("%s: bare: %v", q.query, b)
			}
			if !errors.As(w, &we) || *we != *be || reflect.TypeOf(w) != reflect.TypeOf(b) {
				t.Errorf("%s: %v, bare %v", q.query, w, b)
			}
		}
	})
}

// The same bytes as the driver's, for those that send statements on their own.
func TestTheSealerSealsForMySQL(t *testing.T) {
	d := open(t)
	s, err := driver.NewSealer(context.Background(), connector(t, d.dsn, config(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	sealed, err := s.Seal(context.Background(), "users", "email", map[string]any{"tenant_id": "acme"}, secret)
	if err != nil {
		t.Fatal(err)
	}
	mustExec(t, d.plain, `INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme', ?)`, sealed)
	if got := one(t, context.Background(), d, `SELECT email FROM users`); got != secret {
		t.Error(got)
	}
	var stored []byte
	mustExec(t, d, insertUser, 2, "acme", secret)
	if err := d.plain.QueryRow(`SELECT email FROM users WHERE id = 2`).Scan(&stored); err != nil || bytes.Contains(stored, []byte(secret)) {
		t.Fatal(err)
	}
	opened, err := s.Open(context.Background(), "users", "email", map[string]any{"tenant_id": "acme"}, stored)
	if err != nil || opened != secret {
		t.Errorf("%v, %v", opened, err)
	}
}
