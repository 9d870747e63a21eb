package driver_test

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/asherah-sql/asherah-sql/dialect"
	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/metastore"
)

// The same programs, with statements on a table that has encrypted columns: bare, over a driver that gets and
// delivers plaintext, and wrapped, over one that gets and delivers records. When a driver is asked with a record
// its log shows the value behind it, so the logs must again be equal line for line.

// secrets says of a wire what stands where. A nil *secrets has nothing encrypted.
type secrets struct {
	sealer *asherah.Sealer // nil: the driver is bare
	sealed map[string]any  // column/value → its record
}

// secretTexts are the statements: what their placeholders stand for, and the columns of their results.
var secretTexts = map[string]struct{ params, columns []string }{
	"INSERT INTO users (id, tenant_id, name, email) VALUES (?, ?, ?, ?)":                    {params: []string{"id", "tenant_id", "name", "email"}},
	"INSERT INTO users (email, age, id, tenant_id) VALUES (?, ?, 7, ?)":                     {params: []string{"email", "age", "tenant_id"}},
	"INSERT INTO users (tenant_id, email, ssn) VALUES (?, ?, ?) RETURNING tenant_id, email": {params: []string{"tenant_id", "email", "ssn"}, columns: []string{"tenant_id", "email"}},
	"UPDATE users SET ssn = ?, name = ? WHERE id = ?":                                       {params: []string{"ssn", "name", "id"}},
	"UPDATE users SET name = ? WHERE email IS NULL":                                         {params: []string{"name"}},
	"DELETE FROM users WHERE id = ?":                                                        {params: []string{"id"}},
	"SELECT id, tenant_id, email FROM users WHERE id = ?":                                   {params: []string{"id"}, columns: []string{"id", "tenant_id", "email"}},
	"SELECT ssn, name FROM users":                                                           {columns: []string{"ssn", "name"}},
	"SELECT email, tenant_id, ssn, age FROM users WHERE name = ?":                           {params: []string{"name"}, columns: []string{"email", "tenant_id", "ssn", "age"}},
	"SELECT name FROM users":                                                                {columns: []string{"name"}},
}

// skips: some texts are taken as prepared statements only, each time.
func (s *secrets) skips(seed uint64, q string) bool {
	return s != nil && mix(seed^uint64(len(q)))%3 == 0
}

func (s *secrets) columns(q string) []string { return secretTexts[q].columns }

// kind is the column, if it is encrypted.
func (s *secrets) kind(column string) string {
	switch column {
	case "email", "ssn", "age":
		return column
	}
	return ""
}

// plainSecret is one of the values that the rows hold.
func plainSecret(column string, n uint64) any {
	if column == "age" {
		return int64(n)
	}
	return fmt.Sprint(secret, n)
}

const plainSecrets = 5

// stored is what the driver delivers.
func (s *secrets) stored(column string, d uint64) driver.Value {
	var v any
	switch {
	case column == "id":
		return int64(d % 100)
	case column == "tenant_id":
		v = "acme"
	case s.kind(column) == "":
		return fmt.Sprint("text ", d%100)
	case d%6 == 0:
		return nil
	default:
		v = plainSecret(column, d%plainSecrets)
		if s.sealer == nil {
			return v
		}
		v = s.sealed[fmt.Sprint(column, v)]
	}
	if d>>20%2 == 0 && s.sealer != nil {
		v = []byte(v.(string)) // as some drivers deliver text
	} else if d>>20%2 == 0 && column == "tenant_id" {
		v = []byte("acme")
	}
	return v
}

// arguments returns a program's arguments for a text.
func (s *secrets) arguments(q string, rnd *rand.Rand) []any {
	var args []any
	for _, column := range secretTexts[q].params {
		text := fmt.Sprint(secret, rnd.IntN(1000))
		switch {
		case column == "id":
			args = append(args, rnd.IntN(100))
		case column == "tenant_id":
			args = append(args, []any{"acme", []byte("acme"), valuerOfString("acme")}[rnd.IntN(3)])
		case column == "age":
			args = append(args, []any{rnd.IntN(100), int64(5), nil, ptr(int64(6)), sql.NullInt64{Int64: 7, Valid: true}}[rnd.IntN(5)])
		case s.kind(column) == "":
			args = append(args, fmt.Sprint("name ", rnd.IntN(100)))
		default:
			args = append(args, []any{text, []byte(text), nil, &text, valuerOfString(text), sql.NullString{String: text, Valid: true}, sql.NullString{}, ""}[rnd.IntN(8)])
		}
	}
	return args
}

// args shows the arguments that the driver gets.
func (w *wire) args(q string, a any) string {
	if w.secrets == nil {
		return show(a)
	}
	nvs, ok := a.([]driver.NamedValue)
	if !ok {
		for i, v := range a.([]driver.Value) {
			nvs = append(nvs, driver.NamedValue{Ordinal: i + 1, Value: v})
		}
	}
	params := secretTexts[q].params
	if len(nvs) != len(params) {
		return fmt.Sprintf("%d arguments for %d parameters", len(nvs), len(params))
	}
	var out []string
	for i, nv := range nvs {
		out = append(out, fmt.Sprintf("%d:%s=%s", nv.Ordinal, nv.Name, w.secrets.shown(params[i], nv.Value)))
	}
	return strings.Join(out, " ")
}

// shown shows the value behind an argument.
func (s *secrets) shown(column string, v any) string {
	if s.kind(column) == "" {
		return show(v)
	}
	plain, err := driver.DefaultParameterConverter.ConvertValue(v)
	if err == nil && s.sealer != nil && v != nil {
		rec, ok := v.(string)
		if !ok || !strings.HasPrefix(rec, "ash1.") || strings.Contains(rec, secret) {
			return fmt.Sprintf("not a record: %T", v)
		}
		plain, err = s.sealer.Open(tenant("acme"), "users", column, map[string]any{"tenant_id": "acme"}, rec)
	}
	switch p := plain.(type) {
	case nil:
		return "NULL " + describe(err)
	case []byte:
		return string(p) + describe(err)
	}
	return fmt.Sprint(plain) + describe(err)
}

// encrypting is what the runs of a test share.
type encrypting struct {
	cfg    asherah.Config
	sealed map[string]any
	sealer *asherah.Sealer

	sent, read int // lines with a secret, over all runs: of the driver's and of the program's
}

func newEncrypting(t testing.TB) *encrypting {
	e := &encrypting{cfg: config(t), sealed: map[string]any{}}
	e.cfg.MetastoreStore, e.cfg.SkipVerify, e.cfg.Partition, e.cfg.Keys = metastore.NewMemory(), true, "acme", asherah.NewKeys()
	c, err := asherah.WrapConnector(wireConnector{&wire{}, registered}, dialect.SQLite, e.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if e.sealer, err = asherah.NewSealer(tenant("acme"), c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.sealer.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, column := range []string{"email", "ssn", "age"} {
		for n := range uint64(plainSecrets) {
			v := plainSecret(column, n)
			if e.sealed[fmt.Sprint(column, v)], err = e.sealer.Seal(tenant("acme"), "users", column, map[string]any{"tenant_id": "acme"}, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	return e
}

// check runs one program bare and wrapped.
func (e *encrypting) check(t *testing.T, f form, seed uint64, steps int) {
	var texts []string
	for q := range secretTexts {
		texts = append(texts, q)
	}
	texts = append(texts, passing[:4]...)
	slices.Sort(texts)
	run := func(s *secrets, open func(w *wire) (*sql.DB, error)) (log []string) {
		synctest.Test(t, func(*testing.T) {
			w := &wire{form: f, seed: seed, secrets: s}
			p := &program{w: w, rnd: rand.New(rand.NewPCG(seed, 1)), texts: texts}
			log = p.run(func() (*sql.DB, error) { return open(w) }, steps)
		})
		return log
	}
	want := run(&secrets{}, func(w *wire) (*sql.DB, error) { return sql.OpenDB(w.connector(registered)), nil })
	got := run(&secrets{e.sealer, e.sealed}, func(w *wire) (*sql.DB, error) {
		c, err := asherah.WrapConnector(w.connector(registered), dialect.SQLite, e.cfg)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(c), nil
	})
	for _, line := range got {
		if strings.Contains(line, secret) && strings.HasPrefix(line, ">") {
			e.read++
		} else if strings.Contains(line, secret) && !strings.Contains(line, "CheckNamedValue") && !strings.Contains(line, "ConvertValue") {
			e.sent++
		}
	}
	compare(t, fmt.Sprintf("seed %d: %v", seed, f), got, want)
}

func TestDriversOfEveryFormUnderEncryption(t *testing.T) {
	e := newEncrypting(t)
	for n := range len(connForms) {
		if seed := uint64(n); !t.Failed() {
			e.check(t, formOf(n, seed), seed, 30)
		}
	}
	for name, f := range knownDrivers {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(30) {
				f.trouble = []int{0, 3, 12}[seed%3]
				if !t.Failed() {
					e.check(t, f, seed, 60)
				}
			}
		})
	}
	if e.sent < 500 || e.read < 500 {
		t.Errorf("%d secrets were sent and %d read: too few to tell", e.sent, e.read)
	}
}

func FuzzDriversUnderEncryption(f *testing.F) {
	for i := range 8 {
		f.Add(uint16(i*131), uint64(i*1001), uint8(40))
	}
	e := newEncrypting(f)
	f.Fuzz(func(t *testing.T, conn uint16, seed uint64, steps uint8) {
		e.check(t, formOf(int(conn)%len(connForms), seed), seed, int(steps)%80)
	})
}
