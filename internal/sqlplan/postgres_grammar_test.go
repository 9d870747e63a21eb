package sqlplan_test

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan/sqlgen"
	"github.com/asherah-sql/asherah-sql/internal/testserver"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// since are constructs that older servers than the given one don't know.
var since = []struct {
	version int
	text    *regexp.Regexp
}{
	{16, regexp.MustCompile(`(?i)\b0[xob][0-9a-f]|\d_\d|IS (NOT )?JSON|any_value|SYSTEM_USER|\bSTORAGE EXTERNAL COMPRESSION`)},
	{16, regexp.MustCompile(`(?i)FROM \((SELECT|\().*\)$`)}, // a derived table without an alias
	{17, regexp.MustCompile(`(?is)MERGE.*(RETURNING|BY SOURCE|BY TARGET)|SET EXPRESSION|WITH .*AS \(MERGE`)},
	{18, regexp.MustCompile(`(?i)RETURNING.*\b(old|new)\b|VIRTUAL`)},
	{19, regexp.MustCompile(`(?i)GROUP BY ALL`)},
}

// unsupported are constructs of PostgreSQL that the analyser refuses as not understood.
var unsupported = []struct {
	text   *regexp.Regexp
	reason string
}{
	{regexp.MustCompile(`\) OVERLAPS \(`), "an operator before a row that overlaps another is no operator on that row alone"},
	{regexp.MustCompile(`xmlelement`), "constructors of XML have a grammar of their own"},
	{regexp.MustCompile(`\)\s*([EeNn]|[Uu]&)?'`), "a literal of a type with a length, numeric(5, 2) '1.5', is to be written as a cast"},
}

func serverMajor(t testing.TB, srv *testserver.Server) int {
	v, err := strconv.Atoi(regexp.MustCompile(`\d+`).FindString(srv.Version()))
	if err != nil {
		t.Fatalf("version %q: %v", srv.Version(), err)
	}
	return v
}

func isNewer(q string, major int) bool {
	for _, s := range since {
		if major < s.version && s.text.MatchString(q) {
			return true
		}
	}
	return false
}

// pgCode returns the SQLSTATE of an error; "" for nil.
func pgCode(t testing.TB, err error) string {
	var e *pgconn.PgError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	t.Fatalf("%v", err)
	return ""
}

const syntaxError = "42601"

// TestTheGrammarIsThatOfPostgreSQL gives the goldens and the ORMs' statements to the server: what is accepted
// must be one for the server too, the text to send as well as the original; and what isn't understood must be
// none, unless it is listed.
func TestTheGrammarIsThatOfPostgreSQL(t *testing.T) {
	srv := testserver.Postgres(t)
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, srv.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, strings.Join(sqlgen.Tables(dialect.Postgres), ";")); err != nil {
		t.Fatal(err)
	}
	major := serverMajor(t, srv)
	prepare := func(q string) error {
		_, err := conn.Prepare(ctx, "", q)
		return err
	}
	an := sqlplan.AnalyzerOf(dialect.Postgres)
	cases := sqlplan.Goldens(t, dialect.Postgres)
	for _, name := range []string{"bun_postgres.sql", "gorm_postgres.sql"} {
		for _, q := range sqlplan.CorpusFilesOf(t, dialect.Postgres)[name] {
			c := cases[0]
			c.Name, c.Query, c.Mode = name, q, sqlplan.Mode{Known: true}
			cases = append(cases, c)
		}
	}
	accepted, refused := 0, 0
	cat := &pgCatalog{conn: conn, known: map[sqlplan.TableName][]string{}}
	for _, c := range cases {
		if isNewer(c.Query, major) {
			t.Logf("%s: not known to version %d", c.Name, major)
			continue
		}
		setting := "on"
		if c.Mode.BackslashEscapes {
			setting = "off"
		}
		if _, err := conn.Exec(ctx, "SET standard_conforming_strings = "+setting); err != nil {
			t.Fatal(err)
		}
		p, err := cat.analyze(t, an, c.Query, c.Mode)
		first := pgCode(t, prepare(c.Query))
		var r *sqlplan.RefusedError
		switch {
		case errors.As(err, &r):
			if r.Rule == sqlplan.RuleSyntax || r.Rule == sqlplan.RuleByte || r.Rule == sqlplan.RuleNumber || r.Rule == sqlplan.RuleUnterminated {
				refused++
				if first != syntaxError && !isUnsupported(c.Query) {
					t.Errorf("%s: the server understands it: %q\n%s", c.Name, first, c.Query)
				}
			}
		case err != nil:
			t.Errorf("%s: %v", c.Name, err)
		case p.Touches && len(p.Statements) == 1:
			accepted++
			if first == syntaxError {
				t.Errorf("%s: the server doesn't understand it: %v\n%s", c.Name, prepare(c.Query), c.Query)
				continue
			}
			sent := sqlplan.ApplyEdits(c.Query, p, func(v *sqlplan.Value) string {
				if v.Array {
					return "'{ash1.x}'"
				}
				return "'ash1.x'"
			})
			if sent == c.Query {
				continue
			}
			// A U&'…' literal is refused where backslashes escape; the sealed one in its place isn't.
			if err := prepare(sent); pgCode(t, err) != first && first != "0A000" {
				t.Errorf("%s: sent: %v, but %q as it was written\n%s", c.Name, err, first, sent)
			}
			for _, l := range p.Lookups {
				if l.Query != "" && first == "" {
					if err := prepare(l.Query); err != nil {
						t.Errorf("%s: look-up: %v\n%s", c.Name, err, l.Query)
					}
				}
			}
		}
	}
	if accepted < 200 || refused < 10 {
		t.Errorf("%d accepted and %d not understood: want 200 and 10 at least", accepted, refused)
	}
}

func isUnsupported(q string) bool {
	for _, u := range unsupported {
		if u.text.MatchString(q) {
			return true
		}
	}
	return false
}

// pgCatalog asks a server.
type pgCatalog struct {
	conn  *pgx.Conn
	known map[sqlplan.TableName][]string
}

func (c *pgCatalog) Columns(n sqlplan.TableName) ([]string, bool) {
	cols, ok := c.known[n]
	return cols, ok
}

func (c *pgCatalog) fetch(t testing.TB, n sqlplan.TableName) {
	schema := n.Schema
	if schema == "" {
		schema = "public"
	}
	rows, err := c.conn.Query(context.Background(), "SELECT column_name::text FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position", schema, n.Name)
	if err != nil {
		t.Fatal(err)
	}
	cols, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	c.known[n] = cols
}

func (c *pgCatalog) analyze(t testing.TB, an *sqlplan.Analyzer, q string, known sqlplan.Mode) (*sqlplan.Plan, error) {
	var mode sqlplan.Mode
	for i := 0; i < 20; i++ {
		p, err := an.AnalyzeOpenly(q, mode, c)
		var columns *sqlplan.NeedColumns
		var need *sqlplan.NeedMode
		switch {
		case errors.As(err, &need) && !mode.Known:
			mode = known
		case errors.As(err, &columns):
			for _, n := range columns.Tables {
				c.fetch(t, n)
			}
		default:
			return p, err
		}
	}
	t.Fatalf("asks again and again: %s", q)
	return nil, nil
}
