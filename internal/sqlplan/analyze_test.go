package sqlplan

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/tags"
)

func TestNewWantsASchemaAndADialectThatIsBuilt(t *testing.T) {
	if _, err := New(testSchema(), dialect.Oracle); err == nil || !strings.Contains(err.Error(), "oracle") || !strings.Contains(err.Error(), "want mysql, postgres or sqlite") {
		t.Errorf("oracle: %v", err)
	}
	if _, err := New(nil, dialect.SQLite); err == nil {
		t.Error("no schema: no error")
	}
}

func TestEveryRuleHasARemedyAndIsTested(t *testing.T) {
	struck := map[string]bool{}
	for _, d := range testDialects {
		an := analyzerOf(d)
		for _, g := range goldensOf(t, d) {
			_, _, err := planIn(an, g.Query, g.Mode)
			var r *RefusedError
			if errors.As(err, &r) {
				struck[r.Rule] = true
				if r.Remedy == "" {
					t.Errorf("%s: no remedy", g.Query)
				}
			}
		}
	}
	// These need a text or a catalogue that a golden file can't show.
	for _, r := range []string{RuleTooLong, RuleUnaccounted, RuleDepth, RuleComplex, RuleAmbiguousTable} {
		struck[r] = true
	}
	for rule := range Rules() {
		if !struck[rule] {
			t.Errorf("no golden case is refused by %q", rule)
		}
	}
}

func TestRefusalsNameThePlaceAndNoLiteral(t *testing.T) {
	an := testAnalyzer()
	_, _, err := plan(an, "SELECT id FROM users WHERE email = 'alice@x' AND id = ?")
	want := "statement refused: users.email at byte 27: an encrypted column in a comparison: lookups need the option index, which this version doesn't have"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	_, _, err = plan(an, "INSERT INTO users (email, tenant_id) VALUES (lower(?), ?)")
	want = "statement refused: users.email placeholder 1 at byte 45: an expression stored into an encrypted column: compute the value in the program and pass it as an argument"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestWithoutACatalogueTheModelsColumnsCount(t *testing.T) {
	an := testAnalyzer()
	p, err := an.Analyze("SELECT * FROM orders", Mode{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Outputs) != 4 || p.Outputs[3].Column == nil {
		t.Errorf("got %+v", p.Outputs)
	}
	var r *RefusedError
	if _, err := an.Analyze("SELECT * FROM orders, logs", Mode{}, nil); !errors.As(err, &r) || r.Rule != RuleUnknownColumns {
		t.Errorf("star of an unknown table: %v", err)
	}
	if _, err := an.Analyze("SELECT 1 FROM users WHERE EXISTS (SELECT 1 FROM logs WHERE email = ?)", Mode{}, nil); !errors.As(err, &r) || r.Rule != RuleAmbiguousColumn {
		t.Errorf("a name that may be an unknown table's: %v", err)
	}
}

func TestColumnsAreAskedForAllAtOnce(t *testing.T) {
	an := testAnalyzer()
	cat := &mapCatalog{tables: testTables, asked: map[TableName]bool{}}
	_, err := an.Analyze("SELECT * FROM orders o, main.logs l, items", Mode{}, cat)
	var need *NeedColumns
	if !errors.As(err, &need) {
		t.Fatalf("got %v", err)
	}
	cat.asked[TableName{Name: "orders"}] = true
	_, err = an.Analyze("SELECT * FROM orders o, main.logs l, items", Mode{}, cat)
	if !errors.As(err, &need) || !slices.Equal(need.Tables, []TableName{{"main", "logs"}, {"", "items"}}) {
		t.Fatalf("got %v", err)
	}
	if want := "analyse statement: the columns of main.logs, items are not known yet"; err.Error() != want {
		t.Errorf("got %s, want %s", err, want)
	}
}

func TestATableThatDoesNotExistIsRefusedWhereItsColumnsMatter(t *testing.T) {
	an := testAnalyzer()
	for q, rule := range map[string]string{
		"SELECT * FROM orders, nowhere":                                                RuleUnknownColumns,
		"INSERT INTO nowhere SELECT * FROM orders":                                     RuleCopied,
		"SELECT 1 FROM users WHERE EXISTS (SELECT 1 FROM nowhere WHERE email = ?)":     RuleAmbiguousColumn,
		"SELECT email FROM users NATURAL JOIN nowhere":                                 RuleUnknownColumns,
		"UPDATE users SET admin = TRUE FROM nowhere WHERE tenant_id = ? AND admin > 1": RuleAmbiguousColumn,
	} {
		_, _, err := plan(an, q)
		var r *RefusedError
		if !errors.As(err, &r) || r.Rule != rule {
			t.Errorf("%s: got %v, want %s", q, err, rule)
		}
	}
}

func TestTablesOfOneNameInSeveralSchemas(t *testing.T) {
	s := new(tags.Schema)
	for _, name := range []string{"main.files", "old.files"} {
		if err := s.RegisterTable(name, document{}); err != nil {
			t.Fatal(err)
		}
	}
	an, err := New(s, dialect.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	p, err := an.Analyze("INSERT INTO old.files (tenant, body) VALUES (?, ?)", Mode{}, nil)
	if err != nil || p.Values[0].Column.Table.Schema != "old" {
		t.Errorf("old.files: %v", err)
	}
	p, err = an.Analyze("INSERT INTO new.files (tenant, body) VALUES (?, ?)", Mode{}, nil)
	if err != nil || p.Touches {
		t.Errorf("new.files: %v", err)
	}
	var r *RefusedError
	if _, err = an.Analyze("INSERT INTO files (tenant, body) VALUES (?, ?)", Mode{}, nil); !errors.As(err, &r) || r.Rule != RuleAmbiguousTable {
		t.Errorf("files: %v", err)
	}
}

func TestLaterRegistrationsAreTakenUp(t *testing.T) {
	s := new(tags.Schema)
	an, err := New(s, dialect.SQLite)
	if err != nil {
		t.Fatal(err)
	}
	const q = "INSERT INTO customers (email) VALUES (?)"
	if an.Mentions(q) {
		t.Error("mentioned before it is registered")
	}
	if err := s.Register(customer{}); err != nil {
		t.Fatal(err)
	}
	if !an.Mentions(q) {
		t.Error("not mentioned after it is registered")
	}
	p, err := an.Analyze(q, Mode{}, nil)
	if err != nil || !p.Touches || len(p.Values) != 1 || p.Schema != s.Version() {
		t.Errorf("got %+v, %v", p, err)
	}
}

// Analyses share memory through a pool: what one leaves there must not show in another.
func TestConcurrentAnalysesDoNotDisturbEachOther(t *testing.T) {
	an := testAnalyzer()
	queries := goldenQueries(t)
	want := make([]string, len(queries))
	for i, q := range queries {
		p, asked, err := plan(an, q)
		want[i] = render(q, p, asked, err)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			for range 2000 / slow {
				i := r.IntN(len(queries))
				p, asked, err := plan(an, queries[i])
				if got := render(queries[i], p, asked, err); got != want[i] {
					t.Errorf("%s: got\n%s\nwant\n%s", queries[i], got, want[i])
					return
				}
			}
		})
	}
	wg.Wait()
}

// Long texts are answered in time that grows with their length, whatever they are made of.
func TestLongTextsAreAnsweredSoon(t *testing.T) {
	for _, d := range testDialects {
		t.Run(d.String(), func(t *testing.T) { testLongTexts(t, d) })
	}
}

func testLongTexts(t *testing.T, d dialect.Dialect) {
	// What grows with the square of the length takes minutes for these; the bound leaves room for a busy
	// machine, and for the race detector.
	soon := 5 * time.Second
	if slow > 1 {
		soon = time.Minute
	}
	const size = 1 << 20 / slow
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	an := analyzerOf(d)
	texts := map[string]string{
		"nested parentheses":     "SELECT " + fill("(") + "1 FROM users",
		"balanced parentheses":   "SELECT " + strings.Repeat("(", size/2) + "1" + strings.Repeat(")", size/2) + " FROM users",
		"nested FROM":            "SELECT 1 FROM " + fill("(") + "users",
		"nested queries":         fill("SELECT (") + " users",
		"nested IN":              "SELECT 1 FROM users WHERE " + fill("1 IN ("),
		"nested CASE":            "SELECT " + fill("CASE ") + " users",
		"signs":                  "SELECT " + fill("- ") + "1 FROM users",
		"negations":              "SELECT 1 FROM users WHERE " + fill("NOT ") + "1",
		"a sum":                  "SELECT 1" + fill("+1") + " FROM users",
		"conjuncts":              "UPDATE users SET email = ? WHERE id = 1" + fill(" AND id = 1"),
		"IN items":               "SELECT name FROM users WHERE id IN (0" + fill(",1") + ")",
		"IN placeholders":        "SELECT name FROM users WHERE id IN (?" + fill(",?") + ")",
		"named placeholders":     "SELECT name FROM users WHERE id IN (" + manyNames(size/8) + "0)",
		"rows":                   "INSERT INTO customers (name, email) VALUES ('', '')" + fill(",(?,?)"),
		"columns":                "SELECT email" + fill(",email") + " FROM customers",
		"aliases":                "SELECT email e" + fill(",id") + " FROM customers ORDER BY e",
		"set operations":         "SELECT email FROM customers" + fill(" UNION ALL SELECT email FROM customers"),
		"joins":                  "SELECT name FROM users" + fill(",users"),
		"assignments":            "UPDATE users SET name = 1" + fill(",extra=1"),
		"comments":               "SELECT name " + fill("/* ' */") + " FROM users",
		"one long comment":       "SELECT name /*" + fill("x") + "*/ FROM users",
		"line comments":          "SELECT name " + fill("-- \n") + " FROM users",
		"an open comment":        "SELECT name FROM users /*" + fill("x"),
		"open brackets":          "SELECT name FROM users " + fill("["),
		"quotes":                 "SELECT name FROM users WHERE name = '" + fill("''") + "'",
		"a long word":            "SELECT name FROM users WHERE " + fill("x") + " = 1",
		"semicolons":             fill(";") + "SELECT name FROM users",
		"statements":             fill("SELECT 1;") + "SELECT name FROM users",
		"names":                  "SELECT 1 FROM users WHERE name IN (" + fill("'users',") + "'')",
		"triggers":               fill("CREATE TRIGGER ") + "users",
		"common tables":          "WITH " + manyCTEs(2000) + " SELECT name FROM users",
		"common tables in chain": "WITH " + chainCTEs(500) + " SELECT name FROM users",
		"dots":                   "SELECT " + fill("a.") + "a FROM users",
		"numbered placeholders":  "SELECT name FROM users WHERE id IN ($1" + fill(",$1") + ")",
		"nested comments":        "SELECT name " + fill("/*") + fill("*/") + " FROM users",
		"dollar quotes":          "SELECT name " + fill("$a$ $b") + " FROM users",
		"open dollar quotes":     "SELECT name FROM users WHERE " + manyTags(size/8),
		"pieces of a string":     "INSERT INTO customers (email) VALUES ('a'" + fill("\n'a'") + ")",
		"unicode escapes":        "INSERT INTO customers (email) VALUES (U&'" + fill(`\0061`) + "')",
		"escapes":                "INSERT INTO customers (email) VALUES (E'" + fill(`\n\x41`) + "')",
		"casts":                  "SELECT id" + fill("::text") + " FROM users",
		"elements":               "SELECT id" + fill("[1]") + " FROM users",
		"arrays":                 "SELECT ARRAY" + fill("[") + " FROM users",
		"operators":              "SELECT 1 " + fill("@#") + " 2 FROM users",
		"prefix operators":       "SELECT " + fill("@ ") + " 2 FROM users",
		"joins on":               "SELECT 1 FROM users" + fill(" JOIN logs ON true"),
		"joins before on":        "SELECT 1 FROM users" + fill(" JOIN logs") + fill(" ON true"),
		"queries in parentheses": "SELECT 1 FROM " + fill("((SELECT 1) UNION ") + " users",
		"grouping sets":          "SELECT 1 FROM users GROUP BY " + fill("GROUPING SETS ("),
		"laterals":               "SELECT 1 FROM users u" + fill(", LATERAL (SELECT u.id) a"),
		"merges":                 "MERGE INTO users USING logs ON true" + fill(" WHEN MATCHED THEN DELETE"),
		"actions":                "ALTER TABLE users ADD a int" + fill(", ADD a int"),
		"usings":                 "SELECT * FROM users" + fill(" JOIN users USING (id)"),
		"statements in strings":  "SELECT f('select " + fill("users ") + "') FROM users",
		"nested calls":           strings.Repeat("SELECT f(", 1) + strings.Repeat("f(", 900) + "'users'" + fill(",'users'") + strings.Repeat(")", 900) + ") FROM users",
		"rows of values":         "UPDATE customers SET name = 'x' FROM (VALUES (1, 2)" + fill(", (1, 2)") + ") x WHERE true",
		"upsert conditions":      "INSERT INTO users (id, tenant_id, email) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET email = excluded.email WHERE true" + fill(" AND true"),
	}
	for name, q := range texts {
		start := time.Now()
		p, _, err := plan(an, q)
		if d := time.Since(start); d > soon {
			t.Errorf("%s: %v for %d bytes", name, d, len(q))
		}
		if err == nil && !p.Touches {
			t.Errorf("%s: not touched", name)
		}
		start = time.Now()
		TxControl(q, d)
		Words(q, func(string) {})
		an.Mentions(q)
		if d := time.Since(start); d > soon {
			t.Errorf("%s: %v for the other readers", name, d)
		}
	}
}

// manyTags makes openings of strings, each with a tag of its own.
func manyTags(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "$t%d$ ", i)
	}
	return b.String()
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ":p%d,", i)
	}
	return b.String()
}

func manyCTEs(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "c%d AS (SELECT name FROM users),", i)
	}
	return b.String() + "z AS (SELECT 1)"
}

// chainCTEs makes tables each of which reads the one before twice.
func chainCTEs(n int) string {
	var b strings.Builder
	b.WriteString("c0 AS (SELECT name FROM users)")
	for i := 1; i < n; i++ {
		fmt.Fprintf(&b, ", c%d AS (SELECT a.name FROM c%d a, c%d b WHERE EXISTS (SELECT 1 FROM c%d))", i, i-1, i-1, i-1)
	}
	return b.String()
}

// sealedRoles says which placeholders of a text are sealed for which column.
func sealedRoles(p *Plan) map[int]string {
	m := map[int]string{}
	for _, v := range p.Values {
		if v.Source.Param > 0 {
			m[v.Source.Param] = v.Column.String()
		}
	}
	return m
}

// Neither the case of names and keywords nor white space and comments change what a statement means.
func TestSpellingChangesNoPlan(t *testing.T) {
	for _, d := range testDialects {
		t.Run(d.String(), func(t *testing.T) { testSpelling(t, d) })
	}
}

func testSpelling(t *testing.T, d dialect.Dialect) {
	an := analyzerOf(d)
	for _, q := range goldenQueriesOf(t, d) {
		p, _, err := plan(an, q)
		var b strings.Builder
		at := 0
		text := q
		legal := true
		for _, tok := range lexOf(d, text) {
			legal = legal && tok.kind != tIllegal
			gap := text[at:tok.off]
			b.WriteString(gap)
			if gap != "" {
				if at > 0 && tok.kind == tString && strings.ContainsAny(gap, "\r\n") && text[at-1] == '\'' {
					t.Fatalf("two strings that join in %s", q)
				}
				if d == dialect.Postgres {
					b.WriteString(" /* , /* ( */ users */ -- '\n/**/")
				} else {
					b.WriteString(" /* , ( users */ -- '\n")
				}
			}
			s := text[tok.off:tok.end]
			if tok.kind == tWord {
				s = strings.Map(func(r rune) rune {
					if 'a' <= r && r <= 'z' {
						return r - 'a' + 'A'
					}
					return r
				}, s)
			}
			b.WriteString(s)
			at = int(tok.end)
		}
		if !legal {
			continue
		}
		p2, _, err2 := plan(an, b.String())
		if (err == nil) != (err2 == nil) {
			t.Errorf("%s: %v\n%s: %v", q, err, b.String(), err2)
			continue
		}
		if err != nil {
			if r, r2 := err.(*RefusedError), err2.(*RefusedError); r.Rule != r2.Rule {
				t.Errorf("%s: %v\n%s: %v", q, err, b.String(), err2)
			}
			continue
		}
		if p.Touches != p2.Touches || !maps.Equal(sealedRoles(p), sealedRoles(p2)) || len(p.Outputs) != len(p2.Outputs) {
			t.Errorf("%s and\n%s are planned differently", q, b.String())
		}
	}
}

// checkPlan checks what must hold of every answer.
func checkPlan(t *testing.T, an *Analyzer, query string) {
	for _, escapes := range []bool{false, true} {
		checkPlanIn(t, an, query, Mode{Known: true, BackslashEscapes: escapes})
	}
}

func checkPlanIn(t *testing.T, an *Analyzer, query string, mode Mode) {
	p, _, err := planIn(an, query, mode)
	if err != nil {
		r, ok := err.(*RefusedError)
		if !ok {
			t.Fatalf("%T %v of %q", err, err, query)
		}
		if r.Offset < 0 || r.Offset > len(query) || r.Rule == "" || remedies[r.Rule] == "" {
			t.Fatalf("%+v of %q", r, query)
		}
		return
	}
	if !p.Touches {
		if p.Statements != nil || p.Values != nil || p.Edits != nil || p.Outputs != nil {
			t.Fatalf("an untouched statement with a plan: %q", query)
		}
		return
	}
	if !an.Mentions(query) {
		t.Fatalf("touches what it doesn't mention: %q", query)
	}
	at := 0
	for _, e := range p.Edits {
		if e.Offset < at || e.End < e.Offset || e.End > len(query) || e.Value > len(p.Values) || e.Lookup > len(p.Lookups) {
			t.Fatalf("edit %+v after %d of %q", e, at, query)
		}
		at = e.End
	}
	literals := 0
	for _, v := range p.Values {
		if (v.Source.Param == 0) == (v.Source.Literal == nil) || v.Column == nil || !v.Column.Encrypted || v.Source.Param > len(p.Params) {
			t.Fatalf("value %+v of %q", v, query)
		}
		if v.Source.Literal != nil {
			literals++
		}
		if v.Unused {
			if v.Partition.From != 0 || v.Array {
				t.Fatalf("value %+v of %q", v, query)
			}
			continue
		}
		switch v.Partition.From {
		case InForce:
			if v.Column.Partition != nil {
				t.Fatalf("the partition in force for %s of %q", v.Column, query)
			}
		case FromSources:
			if len(v.Partition.Sources) == 0 || v.Column.Partition == nil {
				t.Fatalf("no source for %s of %q", v.Column, query)
			}
		case FromLookup:
			if v.Partition.Lookup >= len(p.Lookups) || p.Lookups[v.Partition.Lookup].Column != v.Column.Partition {
				t.Fatalf("no lookup for %s of %q", v.Column, query)
			}
		default:
			t.Fatalf("partition %+v of %q", v.Partition, query)
		}
	}
	if p.HasLiterals != (literals > 0) {
		t.Fatalf("HasLiterals is %v of %q", p.HasLiterals, query)
	}
	for i, q := range p.Params {
		if q.Name == "" && q.Index != i+1 {
			t.Fatalf("parameter %d has index %d of %q", i, q.Index, query)
		}
		for _, off := range q.Offsets {
			if off >= len(query) || !strings.ContainsRune("?:@$", rune(query[off])) {
				t.Fatalf("parameter %d at %d of %q", i, off, query)
			}
		}
	}
	for i, o := range p.Outputs {
		if o.Partition >= len(p.Outputs) || o.Partition == i || o.Column != nil && !o.Column.Encrypted {
			t.Fatalf("output %d is %+v of %q", i, o, query)
		}
		if o.Column != nil && o.Column.Partition != nil && o.Partition < 0 && o.Unpinned == "" {
			t.Fatalf("output %d has no place of %q", i, query)
		}
	}
	if p.Hidden > len(p.Outputs) {
		t.Fatalf("%d hidden of %q", p.Hidden, query)
	}
	// What the plan sends must be a statement that is understood as well, and means no more than the original.
	sent := apply(query, p, func(*Value) string { return "'ash1.'" })
	toks, _ := lexAll(an.f, sent, mode, nil)
	for _, tok := range toks {
		if tok.kind == tIllegal {
			t.Fatalf("%q is sent for %q", sent, query)
		}
	}
}

func FuzzPlanner(f *testing.F) { fuzzPlanner(f, dialect.SQLite) }

func FuzzPlannerOfPostgreSQL(f *testing.F) { fuzzPlanner(f, dialect.Postgres) }

// FuzzPlannerOfMySQL draws the mode, too: each changes how a text is read.
func FuzzPlannerOfMySQL(f *testing.F) {
	for _, q := range goldenQueriesOf(f, dialect.MySQL) {
		f.Add(q, uint8(0))
		f.Add(q, uint8(len(q)))
	}
	an := analyzerOf(dialect.MySQL)
	f.Fuzz(func(t *testing.T, query string, bits uint8) {
		checkPlanIn(t, an, query, mysqlMode(bits))
	})
}

// mysqlMode is one of the modes that servers and sessions differ in.
func mysqlMode(bits uint8) Mode {
	m := Mode{Known: true, Strict: true, BackslashEscapes: bits&1 == 0, AnsiQuotes: bits&2 != 0, PipesConcat: bits&4 != 0, HighNot: bits&8 != 0,
		IgnoreSpace: bits&16 != 0, LowerCaseNames: bits&32 != 0, MariaDB: bits&64 != 0, Version: 80400}
	if m.MariaDB {
		m.Version = 101100
	}
	return m
}

func fuzzPlanner(f *testing.F, d dialect.Dialect) {
	for _, q := range goldenQueriesOf(f, d) {
		f.Add(q)
	}
	for _, c := range corpusFilesOf(f, d) {
		for _, q := range c {
			f.Add(q)
		}
	}
	an := analyzerOf(d)
	f.Fuzz(func(t *testing.T, query string) {
		checkPlan(t, an, query)
	})
}

// A text is passed without analysis only when none of its tokens is a registered name.
func TestOnlyTextsWithoutTheNamesAreUntouchedUnparsed(t *testing.T) {
	for _, d := range testDialects {
		t.Run(d.String(), func(t *testing.T) { testUntouched(t, d) })
	}
}

func testUntouched(t *testing.T, d dialect.Dialect) {
	an := analyzerOf(d)
	r := rand.New(rand.NewPCG(3, 4))
	pieces := []string{`U&"\0075sers"`, `E'\''`, "$$", "::", "$1", "*", "users", `"users"`, "[Users]", "'users'", "`USERS`", "SELECT", "FROM", "(", ")", ",", "?", "'x'", "--\n", "/* */", ";", "logs", "1", "=", "email", "users2", "AS"}
	for range 20000 {
		var words []string
		for range 1 + r.IntN(8) {
			words = append(words, pieces[r.IntN(len(pieces))])
		}
		q := strings.Join(words, " ")
		p, _, err := plan(an, q)
		named := false
		for _, tok := range lexOf(d, q) {
			if tok.kind == tWord || tok.kind == tQuoted || tok.kind == tString && d == dialect.SQLite {
				named = named || equalFold(dialects[d].ident(q, &tok), "users")
			}
			// A broken text, or one with a statement in a string, is refused as well.
			named = named || (tok.kind == tIllegal || tok.kind == tString && d == dialect.Postgres) && an.Mentions(q)
		}
		if !named && (err != nil || p.Touches) {
			t.Fatalf("%s: %v", q, err)
		}
		checkPlan(t, an, q)
	}
}

func TestKindsAreNamed(t *testing.T) {
	for _, s := range []fmt.Stringer{Select, Insert, Update, Delete, DDL, Transaction, Other, InForce, FromSources, FromLookup,
		TxBegin, TxCommit, TxRollback, TxSavepoint, TxRelease, TxRollbackTo} {
		if strings.ContainsAny(s.String(), "()") || s.String() == "" {
			t.Errorf("%#v has no name", s)
		}
	}
	for _, s := range []fmt.Stringer{Kind(0), Kind(99), PartitionFrom(0), TxOp(0)} {
		if !strings.HasSuffix(s.String(), ")") {
			t.Errorf("%#v is named %s", s, s)
		}
	}
}
