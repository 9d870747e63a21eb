package dialect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
)

func Example() {
	d, err := dialect.Parse("postgres")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("SELECT * FROM %s WHERE id = %s\n", d.QuoteIdent("order"), d.Bind(1))
	// Output: SELECT * FROM "order" WHERE id = $1
}

var facts = []struct {
	d           dialect.Dialect
	name        string
	placeholder dialect.Placeholder
	style       string
	bind1       string
	bind12      string
	quoted      string // of a"b`c]d
}{
	{dialect.Postgres, "postgres", dialect.Dollar, "dollar", "$1", "$12", "\"a\"\"b`c]d\""},
	{dialect.MySQL, "mysql", dialect.Question, "question", "?", "?", "`a\"b``c]d`"},
	{dialect.SQLite, "sqlite", dialect.Question, "question", "?", "?", "\"a\"\"b`c]d\""},
	{dialect.SQLServer, "sqlserver", dialect.AtP, "atp", "@p1", "@p12", "[a\"b`c]]d]"},
	{dialect.Oracle, "oracle", dialect.Colon, "colon", ":1", ":12", "\"a\"\"b`c]d\""},
}

func TestFacts(t *testing.T) {
	for _, f := range facts {
		if got, err := dialect.Parse(f.name); err != nil || got != f.d || !got.Valid() || got.String() != f.name {
			t.Errorf("%s: parsed as %v, %v", f.name, got, err)
		}
		if p := f.d.Placeholder(); p != f.placeholder || !p.Valid() || p.String() != f.style {
			t.Errorf("%s: placeholder %v", f.name, p)
		}
		if got := f.d.Bind(1) + f.d.Bind(12); got != f.bind1+f.bind12 {
			t.Errorf("%s: binds %s", f.name, got)
		}
		if got := f.d.QuoteIdent("a\"b`c]d"); got != f.quoted {
			t.Errorf("%s: quoted %s; want %s", f.name, got, f.quoted)
		}
	}
	if got := dialect.Names(); len(got) != len(facts) {
		t.Errorf("names %v: want %d", got, len(facts))
	}
}

func TestParseListsTheNames(t *testing.T) {
	for _, name := range []string{"", "Postgres", "mariadb", "sqlite "} {
		d, err := dialect.Parse(name)
		want := fmt.Sprintf("parse dialect: unknown name %q: want one of postgres, mysql, sqlite, sqlserver, oracle", name)
		if d != 0 || err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v; want %s", name, d, err, want)
		}
	}
}

func TestInvalid(t *testing.T) {
	for _, d := range []dialect.Dialect{0, dialect.Oracle + 1, 255} {
		if d.Valid() || d.Placeholder().Valid() || d.String() != fmt.Sprintf("Dialect(%d)", uint8(d)) {
			t.Errorf("%v seems valid", d)
		}
		if got := d.QuoteIdent(`a"b`); got != `"a""b"` {
			t.Errorf("%v: quoted %s", d, got)
		}
		if msg := panicOf(func() { d.Bind(1) }); !strings.Contains(msg, "Placeholder(0)") {
			t.Errorf("%v: Bind panics with %q", d, msg)
		}
	}
	if got := dialect.Placeholder(99).String(); got != "Placeholder(99)" {
		t.Error(got)
	}
	if msg := panicOf(func() { dialect.Postgres.Bind(0) }); msg != "dialect: Bind(0) of dollar: want n >= 1 and a valid style" {
		t.Errorf("Bind(0) panics with %q", msg)
	}
}

func panicOf(f func()) (msg string) {
	defer func() { msg, _ = recover().(string) }()
	f()
	return ""
}
