package sqlplan

import (
	"errors"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// The tests of this file break the analysis on purpose: whatever it doesn't know must refuse.

// analyseTree parses a text, lets change spoil the tree, and analyses it.
func analyseTree(d dialect.Dialect, query string, change func(a *analysis)) (err error) {
	an := analyzerOf(d)
	a := &analysis{parser: parser{f: an.f, text: query}, st: an.current(), plan: &Plan{}}
	defer func() {
		if r := recover(); r != nil {
			err = r.(*RefusedError)
		}
	}()
	a.toks, _ = lexAll(a.f, query, Mode{}, nil)
	a.split()
	a.params()
	change(a)
	a.plan.Statements = make([]Statement, len(a.stmts))
	for i, s := range a.stmts {
		a.cur = &a.plan.Statements[i]
		a.statement(s, i)
	}
	a.finish()
	return nil
}

func wantUnaccounted(t *testing.T, query string, change func(a *analysis)) {
	t.Helper()
	wantUnaccountedOf(t, dialect.SQLite, query, change)
}

func wantUnaccountedOf(t *testing.T, d dialect.Dialect, query string, change func(a *analysis)) {
	t.Helper()
	if err := analyseTree(d, query, func(*analysis) {}); err != nil {
		t.Fatalf("%s: %v before it is spoilt", query, err)
	}
	err := analyseTree(d, query, change)
	var r *RefusedError
	if !errors.As(err, &r) || r.Rule != RuleUnaccounted {
		t.Errorf("%s: got %v, want %s", query, err, RuleUnaccounted)
	}
}

func TestAnUnknownNodeIsRefused(t *testing.T) {
	const q = "SELECT name FROM users WHERE id = 1 + 2"
	for _, o := range []op{opInvalid, ops, 255} {
		wantUnaccounted(t, q, func(a *analysis) { a.stmts[0].sel.cores[0].where.b.op = o })
	}
	wantUnaccounted(t, "CREATE TABLE users (id INTEGER)", func(a *analysis) { a.stmts[0].ddl.op = ddls })
	wantUnaccounted(t, "SELECT name FROM users", func(a *analysis) { a.stmts[0].sel = nil })
}

func TestAPartThatTheAnalysisForgetsIsRefused(t *testing.T) {
	wantUnaccounted(t, "SELECT name FROM users WHERE id = ?", func(a *analysis) { a.stmts[0].sel.cores[0].where = nil })
	wantUnaccounted(t, "SELECT name FROM users ORDER BY 1", func(a *analysis) { a.stmts[0].sel.order = nil })
	wantUnaccounted(t, "DELETE FROM users WHERE id = 1 LIMIT 5", func(a *analysis) { a.stmts[0].del.limit = nil })
	wantUnaccounted(t, "UPDATE users SET name = 'x' WHERE id = 1", func(a *analysis) { a.stmts[0].upd.set = nil })
	wantUnaccounted(t, "INSERT INTO users (name) VALUES (?) ON CONFLICT (id) DO UPDATE SET name = 'y'",
		func(a *analysis) { a.stmts[0].ins.upserts = nil })
	wantUnaccounted(t, "SELECT count(*) FILTER (WHERE id > 5) FROM users",
		func(a *analysis) { a.stmts[0].sel.cores[0].cols[0].e.fn.filter = nil })
}

func TestAPartOfPostgreSQLThatTheAnalysisForgetsIsRefused(t *testing.T) {
	want := func(query string, change func(a *analysis)) {
		t.Helper()
		wantUnaccountedOf(t, dialect.Postgres, query, change)
	}
	want("SELECT DISTINCT ON (id) name FROM users", func(a *analysis) { a.stmts[0].sel.cores[0].on = nil })
	want("SELECT 1 FROM users TABLESAMPLE SYSTEM (10)", func(a *analysis) { a.stmts[0].sel.cores[0].from[0].args = nil })
	want("SELECT 1 FROM users u JOIN logs l ON l.id = u.id", func(a *analysis) { a.stmts[0].sel.cores[0].from[0].nested[1].on = nil })
	want("SELECT 1 FROM users, ROWS FROM (f(1), f(2))", func(a *analysis) {
		s := a.stmts[0].sel.cores[0].from[1]
		s.args = s.args[:1]
	})
	want("MERGE INTO users u USING logs l ON u.id = 1 WHEN MATCHED AND l.id = 2 THEN DELETE", func(a *analysis) { a.stmts[0].merge.whens[0].cond = nil })
	want("MERGE INTO users u USING logs l ON u.id = 1 WHEN MATCHED THEN UPDATE SET name = 'x'", func(a *analysis) { a.stmts[0].merge.whens = nil })
	want("UPDATE users SET extra[1] = NULL", func(a *analysis) { a.stmts[0].upd.set[0].subs = nil })
	want("DELETE FROM users USING logs, generate_series(1, 2)", func(a *analysis) { a.stmts[0].del.using = nil })
	want("INSERT INTO users (name) VALUES (TRUE)", func(a *analysis) { a.stmts[0].ins.sel = nil })
	want("WITH d AS (DELETE FROM logs WHERE id = 1 RETURNING id) SELECT name FROM users", func(a *analysis) { a.stmts[0].sel.with.ctes = nil })
	want("SELECT id FROM users WHERE id = ANY(ARRAY[1, 2])", func(a *analysis) { a.stmts[0].sel.cores[0].where.b.list = nil })
}

func TestEditsThatOverlapAreRefused(t *testing.T) {
	wantUnaccounted(t, "INSERT INTO customers (email) VALUES ('x')", func(a *analysis) {
		a.plan.Edits = []Edit{{Offset: 30, End: len(a.text)}}
	})
}

// Every kind of expression stands in some golden case, so none is planned untested.
func TestGoldensHaveEveryKindOfExpression(t *testing.T) {
	seen := map[op]bool{}
	for _, d := range testDialects {
		an := analyzerOf(d)
		for _, q := range goldenQueriesOf(t, d) {
			a := &analysis{parser: parser{f: an.f, text: q}, st: an.current(), plan: &Plan{}}
			a.toks, _ = lexAll(a.f, q, Mode{}, nil)
			for !a.is(tEOF) {
				if _, err := a.parseStmt(); err != nil || a.is(tEOF) {
					break
				}
				a.pos++
			}
			for i := range a.nodes.n {
				seen[a.nodes.at(i).op] = true
			}
		}
	}
	for o := opInvalid + 1; o < ops; o++ {
		if !seen[o] {
			t.Errorf("no golden case has expression kind %d", o)
		}
	}
}

// brokenCatalog makes a mistake of the kind that a bug in the analysis would be.
type brokenCatalog struct{ columns map[TableName][]string }

func (c *brokenCatalog) Columns(n TableName) ([]string, bool) {
	c.columns[n] = nil // of a nil map
	return nil, true
}

func TestAMistakeInTheAnalysisRefuses(t *testing.T) {
	an := testAnalyzer()
	p, err := an.Analyze("SELECT * FROM users", Mode{}, &brokenCatalog{})
	var r *RefusedError
	if p != nil || !errors.As(err, &r) || r.Rule != RuleUnaccounted {
		t.Errorf("got %v, %v", p, err)
	}
	// The memory that it used is fit for the next one.
	if _, err := an.Analyze("SELECT * FROM users", Mode{}, nil); err != nil {
		t.Error(err)
	}
}
