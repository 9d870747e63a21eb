package sqlplan_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan/sqlgen"
)

// The soundness test of soundness_test.go on MariaDB, in each sql_mode that changes how a text is read.

// mysqlWorld is a world whose mode can be changed.
type mysqlWorld struct {
	*world
	server sqlplan.Mode // but for the sql_mode
}

func newMySQLWorld(t testing.TB) *mysqlWorld {
	w := &world{t: t, d: dialect.MySQL, an: sqlplan.AnalyzerOf(dialect.MySQL), schema: sqlplan.TestSchema(), rnd: rand.New(rand.NewPCG(1, 2))}
	var server sqlplan.Mode
	open := func() *sql.Conn {
		var c *sql.Conn
		c, server = openMySQL(t, "")
		// Both databases have one name, which statements give.
		for _, q := range append([]string{"CREATE DATABASE " + sqlgen.Database, "USE " + sqlgen.Database, "DROP DATABASE archive"}, sqlgen.Tables(w.d)...) {
			if _, err := c.ExecContext(context.Background(), q); err != nil {
				t.Fatalf("%s: %v", q, err)
			}
		}
		return c
	}
	w.real, w.twin = open(), open()
	w.cat = newMySQLCatalog(w.twin)
	out := &mysqlWorld{w, server}
	out.set("")
	for _, q := range sqlgen.Rows(w.d) {
		if what := w.run(q, nil, false); what != "ok" {
			t.Fatalf("seed %s: %s", q, what)
		}
	}
	return out
}

// set puts both connections and the analyser into a sql_mode.
func (w *mysqlWorld) set(sqlMode string) {
	setSQLMode(w.t, w.real, w.server, sqlMode)
	w.mode = setSQLMode(w.t, w.twin, w.server, sqlMode)
}

func (w *mysqlWorld) sqlMode() sqlgen.Mode {
	return sqlgen.Mode{AnsiQuotes: w.mode.AnsiQuotes, BackslashEscapes: w.mode.BackslashEscapes, PipesConcat: w.mode.PipesConcat}
}

// differsOnMySQL finds what gives other results in each session or at each time.
var differsOnMySQL = regexp.MustCompile(`(?i)current_|localtime|sysdate|\buser\b|now\(|\brand\(|uuid|connection_id|last_insert_id|unix_timestamp|sleep|benchmark|information_schema|performance_schema|mysql\.|get_lock|version|curtime|curdate|utc_|\binto\s+(outfile|dumpfile)`)

// mysqlGrammarShare is one in how many generated texts the analyser may take otherwise than the server does for a
// statement or none. Which words MariaDB calls, and what it says before it has read the whole of a text, differs by
// word and version; the lists of mysql_grammar_test.go name what is known. What is accepted is sound without a share.
const mysqlGrammarShare = 800

// ofTies finds what depends on the order of rows that a sort takes for equal.
var ofTies = regexp.MustCompile(`(?i)\blimit\b|\brows\b|\bgroup_concat|@x`)

// matches looks for constructs in a text, wherever it has comments and gaps.
func matches(list []*regexp.Regexp, q string, mode sqlplan.Mode) bool {
	var b strings.Builder
	last := 0
	for _, s := range sqlplan.TokenSpansIn(q, dialect.MySQL, mode) {
		if s[0] > last && last > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(q[s[0]:s[1]])
		last = s[1]
	}
	q = b.String()
	for _, re := range list {
		if re.MatchString(q) {
			return true
		}
	}
	return false
}

// mysqlGrammar reports whether the server takes a text for a statement, of whatever sense.
func (w *world) mysqlGrammar(q string) bool {
	s, err := w.twin.PrepareContext(context.Background(), q)
	if err == nil {
		s.Close()
	}
	switch mysqlNumber(w.t, err) {
	case erSyntax, erUnknown, erCharset, erNoPrepare:
		return false
	case erNotUnique, erTableName, erMultiDelete, erVariable, erParameters, erDataType,
		erOperand, erCollation, erNative, erStored, erSystem, erFormat, erAnchors, erNotYet, erNoAlias, erJSONPath, erGenerated, erSpecifier, erOrderTable, erTwiceNamed:
		return false // said while the text is parsed: what follows wasn't read
	}
	return true
}

func TestAcceptedStatementsAreSoundOnMariaDB(t *testing.T) {
	w := newMySQLWorld(t)
	outcome := map[string]int{}
	examples := map[string]string{}
	for m, sqlMode := range sqlModes {
		w.set(sqlMode)
		for i := m; i < *statements; i += len(sqlModes) {
			g := sqlgen.New(w.d, w.sqlMode(), *seed+uint64(i))
			q := g.Statement()
			if g.IntN(4) == 0 {
				q = g.Mutate(q, sqlplan.TokenSpansIn(q, dialect.MySQL, w.mode))
			}
			shorter(outcome, examples, w.run(q, g.Args, true), q)
		}
	}
	report(t, outcome, examples)
	if outcome["ok"] < *statements/8 {
		t.Errorf("only %d of %d statements were planned and run", outcome["ok"], *statements)
	}
	checkGrammar(t, outcome, examples, *statements/mysqlGrammarShare)
}

func TestMutantsOfKnownStatementsAreSoundOnMariaDB(t *testing.T) {
	w := newMySQLWorld(t)
	outcome := map[string]int{}
	examples := map[string]string{}
	var queries []string
	for _, c := range sqlplan.Goldens(t, dialect.MySQL) {
		queries = append(queries, c.Query)
	}
	for _, f := range sqlplan.CorpusFilesOf(t, dialect.MySQL) {
		queries = append(queries, f...)
	}
	for m, sqlMode := range sqlModes {
		w.set(sqlMode)
		for i := m; i < *statements+len(queries); i += len(sqlModes) {
			g := sqlgen.New(w.d, w.sqlMode(), *seed+uint64(i))
			q := queries[i%len(queries)]
			for n := 0; i >= len(queries) && n <= g.IntN(3); n++ {
				q = g.Mutate(q, sqlplan.TokenSpansIn(q, dialect.MySQL, w.mode))
			}
			shorter(outcome, examples, w.run(q, nil, true), q)
		}
	}
	report(t, outcome, examples)
	if outcome["ok"] < *statements/20 {
		t.Errorf("only %d of %d statements were planned and run", outcome["ok"], *statements)
	}
	checkGrammar(t, outcome, examples, *statements/mysqlGrammarShare)
}
