package sqlplan_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan/sqlgen"
	"github.com/asherah-sql/asherah-sql/internal/testserver"

	"github.com/go-sql-driver/mysql"
)

// openMySQL returns a connection to a server of the test's own, with the tables, and the mode that it is in.
func openMySQL(t testing.TB, params string) (*sql.Conn, sqlplan.Mode) {
	srv := testserver.MariaDB(t, testserver.Private())
	dsn := srv.DSN("")
	sep := "?"
	if strings.Contains(dsn, "?") {
		sep = "&"
	}
	db, err := sql.Open("mysql", dsn+sep+params)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	c, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range append(sqlgen.Tables(dialect.MySQL), "SET max_statement_time = 1", "SET collation_connection = utf8mb4_bin") {
		if _, err := c.ExecContext(context.Background(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	mode := sqlplan.ModeOf(dialect.MySQL)
	mode.MariaDB = strings.Contains(srv.Version(), "MariaDB")
	m := regexp.MustCompile(`(\d+)\.(\d+)\.(\d+)`).FindStringSubmatch(srv.Version())
	if m == nil {
		t.Fatalf("version %q", srv.Version())
	}
	mode.Version = 0
	for _, n := range m[1:] {
		i, _ := strconv.Atoi(n)
		mode.Version = mode.Version*100 + i
	}
	return c, mode
}

// mysqlNumber returns the number of a server's error; 0 for nil.
func mysqlNumber(t testing.TB, err error) int {
	var e *mysql.MySQLError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return int(e.Number)
	}
	t.Fatalf("%v", err)
	return 0
}

// Errors of the server.
const (
	erSyntax    = 1064
	erCharset   = 1115 // an unknown character set
	erUnknown   = 1149
	erNoPrepare = 1295 // the statement can't be prepared, but it is one
	// bytes that aren't a text of the column's character set
	erWrongString = 1366
	// a text that isn't a number
	erWrongNumber = 1292
	// what the server says of names and calls while it parses
	erNotUnique   = 1066
	erTableName   = 1103
	erMultiDelete = 1109
	erVariable    = 1327
	erParameters  = 1582
	erDataType    = 4161
	erOperand     = 1241
	erCollation   = 1273
	erNative      = 1583
	erStored      = 1584
	erSystem      = 1193
	erFormat      = 1791
	erAnchors     = 4005
	erNotYet      = 1235
	erNoAlias     = 4177
	erJSONPath    = 4042
	erGenerated   = 1901
	erSpecifier   = 1063
	erOrderTable  = 1250
	erTwiceNamed  = 4004
)

// sqlModes are the settings that change how a text is read, one by one.
var sqlModes = []string{"", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "PIPES_AS_CONCAT", "HIGH_NOT_PRECEDENCE", "IGNORE_SPACE",
	"ANSI_QUOTES,NO_BACKSLASH_ESCAPES"}

// setMode puts a connection into a sql_mode, and returns the mode for the analyser.
func setSQLMode(t testing.TB, c *sql.Conn, mode sqlplan.Mode, sqlMode string) sqlplan.Mode {
	full := strings.Trim("STRICT_TRANS_TABLES,"+sqlMode, ",")
	if _, err := c.ExecContext(context.Background(), "SET sql_mode = '"+full+"'"); err != nil {
		t.Fatal(err)
	}
	for _, m := range strings.Split(sqlMode, ",") {
		if m != "" {
			sqlplan.SetMode(t, &mode, m)
		}
	}
	return mode
}

// beyondMySQL are constructs that the analyser takes for statements, and MariaDB 10.5 to 11 doesn't. MySQL has them,
// or later versions.
var beyondMySQL = []*regexp.Regexp{
	regexp.MustCompile(`(?i)LATERAL|VALUES ROW|(^|[(;] ?)TABLE \S+( ORDER|$| LIMIT)|(INTO|INSERT) .?customers.? TABLE|MEMBER OF|->|[?)] AS .?new|FOR SHARE|EXPLAIN ANALYZE|IGNORE NULLS`),
	regexp.MustCompile(`(?i)^WITH .*UPDATE|^CREATE .*INDEX .*, \(LOWER|\bNOT ENFORCED|NESTED '|FULL JOIN`),
	regexp.MustCompile(`(?i)DELETE [A-Z_ ]*FROM \S+ (AS |(.?users.?|orders|customers|u|.WHERE.)( |$))`),                                                     // an alias
	regexp.MustCompile(`(?i)\) ?(AS )? ?\S+ \( ?\S+ ?, ?\S+ ?\)`),                                                                                           // names of a derived table's columns
	regexp.MustCompile(`(?i)(SELECT|DISTINCT|,) VALUES ?\(`),                                                                                                // outside of an upsert
	regexp.MustCompile(`(?i)JSON_TABLE|\b(LEFT|IF) ?\(|\bOFFSET ($|FROM|,|OFFSET)|OFFSET$|\b(id|offset|name|x|y) ?\([?\w]|(LIKE|REGEXP|[-+*/%|&<>=]) NOT `), // types, numbers of arguments, words that MariaDB doesn't call
}

// understoodByMySQL are constructs of MariaDB that the analyser refuses as not understood.
var understoodByMySQL = []*regexp.Regexp{
	regexp.MustCompile(`(?i)BEGIN NOT ATOMIC|PROCEDURE ANALYSE|SYSTEM_TIME|=! |\{d '|(AS|email) '.*'|PROCEDURE .*\(|\bCAST \(|@\w+[^\x00-\x7f]`),
	regexp.MustCompile(`(?i)\bVALUES ?($|[^ (RAQu'"$?_xXn0-9\x60w])`),                             // a column of this name
	regexp.MustCompile(`(?i)[(,=] ?IGNORE ?([,)]|WHERE|$)`),                                       // IGNORE for a value
	regexp.MustCompile(`(?i)(^|[^\w\x60]|FROM) ?\. ?[\w\x60]`),                                    // a table whose schema is left out before its dot
	regexp.MustCompile(`(?i)(UPDATE|JOIN|FROM|,|\(|\)) ?[\w.\x60]* ?= ?[\w\x60]+ (SET|ON|WHERE)`), // = before an alias
}

// TestTheGrammarIsThatOfMariaDB gives the goldens and the ORMs' statements to the server: what is accepted must be a
// statement for the server too, the text to send as well as the original; and what isn't understood must be none,
// unless it is listed.
func TestTheGrammarIsThatOfMariaDB(t *testing.T) {
	c, mode := openMySQL(t, "")
	ctx := context.Background()
	prepare := func(q string) int {
		s, err := c.PrepareContext(ctx, q)
		if err == nil {
			s.Close()
		}
		return mysqlNumber(t, err)
	}
	an := sqlplan.AnalyzerOf(dialect.MySQL)
	cat := newMySQLCatalog(c)
	cases := sqlplan.Goldens(t, dialect.MySQL)
	for name, queries := range sqlplan.CorpusFilesOf(t, dialect.MySQL) {
		for _, q := range queries {
			g := cases[0]
			g.Name, g.Query, g.Mode = name, q, sqlplan.ModeOf(dialect.MySQL)
			cases = append(cases, g)
		}
	}
	accepted, refused := 0, 0
	for _, g := range cases {
		if g.Mode.MariaDB != mode.MariaDB || g.Mode.OracleMode {
			continue
		}
		var modes []string
		for name, on := range map[string]bool{"NO_BACKSLASH_ESCAPES": !g.Mode.BackslashEscapes, "ANSI_QUOTES": g.Mode.AnsiQuotes,
			"PIPES_AS_CONCAT": g.Mode.PipesConcat, "HIGH_NOT_PRECEDENCE": g.Mode.HighNot, "IGNORE_SPACE": g.Mode.IgnoreSpace} {
			if on {
				modes = append(modes, name)
			}
		}
		setSQLMode(t, c, mode, strings.Join(modes, ","))
		p, err := analyzeWith(t, an, g.Query, g.Mode, cat)
		code := prepare(g.Query)
		wrong := code == erSyntax || code == erUnknown || code == erCharset || code == erStored
		listed := matches(beyondMySQL, g.Query, g.Mode) || matches(understoodByMySQL, g.Query, g.Mode)
		var r *sqlplan.RefusedError
		switch {
		case errors.As(err, &r):
			refused++
			if r.Rule == sqlplan.RuleSyntax && !wrong && !listed && code != erNoPrepare {
				t.Errorf("%s: understood by the server only (%d):\n%s", g.Name, code, g.Query)
			}
		case !p.Touches:
		default:
			accepted++
			if strings.Contains(g.Query, ";") {
				continue // several statements can't be prepared
			}
			if wrong && !listed {
				t.Errorf("%s: accepted beyond the server (%d):\n%s", g.Name, code, g.Query)
			}
			sent := sqlplan.ApplyEdits(g.Query, p, func(*sqlplan.Value) string { return "'ash1.x'" })
			if code := prepare(sent); (code == erSyntax) && !wrong {
				t.Errorf("%s: the text to send isn't a statement:\n%s", g.Name, sent)
			}
			for _, l := range p.Lookups {
				if l.Query != "" && prepare(l.Query) != 0 && code == 0 {
					t.Errorf("%s: the look-up isn't a statement: %d\n%s", g.Name, prepare(l.Query), l.Query)
				}
			}
		}
	}
	if accepted < 200 || refused < 150 {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
}

// analyzeWith plans a statement, asking the catalogue until all is known.
func analyzeWith(t testing.TB, an *sqlplan.Analyzer, q string, mode sqlplan.Mode, cat *mysqlCatalog) (*sqlplan.Plan, error) {
	for i := 0; ; i++ {
		p, err := an.AnalyzeOpenly(q, mode, cat)
		var need *sqlplan.NeedColumns
		if !errors.As(err, &need) || i > 20 {
			return p, err
		}
		for _, n := range need.Tables {
			cat.fetch(n)
		}
	}
}

// mysqlCatalog asks the server.
type mysqlCatalog struct {
	conn  *sql.Conn
	known map[sqlplan.TableName][]string
}

func newMySQLCatalog(c *sql.Conn) *mysqlCatalog {
	return &mysqlCatalog{conn: c, known: map[sqlplan.TableName][]string{}}
}

func (c *mysqlCatalog) Columns(n sqlplan.TableName) ([]string, bool) {
	cols, ok := c.known[n]
	return cols, ok
}

const mysqlColumns = "SELECT column_name FROM information_schema.columns WHERE lower(table_name) = lower(?) AND table_schema = coalesce(?, if(? = 'documents', 'archive', database())) ORDER BY ordinal_position"

func (c *mysqlCatalog) fetch(n sqlplan.TableName) {
	var cols []string
	rows, err := c.conn.QueryContext(context.Background(), mysqlColumns, n.Name, sql.NullString{String: n.Schema, Valid: n.Schema != ""}, n.Name)
	if err == nil {
		for rows.Next() {
			var s string
			if rows.Scan(&s) == nil {
				cols = append(cols, s)
			}
		}
		rows.Close()
	}
	c.known[n] = cols
}

// TestLiteralsAreReadAsTheServerReadsThem puts random strings together and reads them with the lexer and the server
// under each sql_mode: where both take them for one literal, its value is the same.
func TestLiteralsAreReadAsTheServerReadsThem(t *testing.T) {
	c, server := openMySQL(t, "")
	pieces := []string{"'", "'", "'", `"`, `"`, `\`, `\`, "a", "é", "😀", " ", "\n", "%", "_", "0", "n", "Z", "--", "-- ", "#", "/*", "*/", "/*!",
		"/*!50000", "/*!80000", "/*!999999", "/*M!100000", "N", "n'", "_utf8mb4", "_binary", "_latin1", "x'41'", "X'4a4B'", "0x41", "b'01'", "0b1", "`", "''",
		`\'`, `""`, "\t", "' '", "'a' 'b'", ";"}
	fixed := []string{`'a'`, `'a\'b'`, `'a\\'`, `'\0\b\n\r\t\Z\%\_\x\"'`, `'it''s'`, `"a""b"`, `"a'b"`, `'a' "b"`, `'a' /* ' */ 'b'`, "'a' # '\n'b'",
		"'a' -- '\n'b'", "'a'--'b'", `N'a' 'b'`, `n'é'`, `_utf8mb4'é'`, `_utf8 'é' 'b'`, `_binary'é'`, `_latin1'a'`, `x'00ff'`, `X'4G'`, `x'414'`, `0x414`, `0X41`, `0xg`,
		`b'101'`, `b'000000001'`, `0b101`, `0b2`, `''`, `""`, `'' ''`, `'\'`, `'\\\'`, `_utf8mb4 x'c3a9'`, `_utf8mb4 0xc3a9`, `_binary b'1000001'`, `'a' /*!50000 'b' */`, `'a' /*!999999 'b' */ 'c'`,
		`/*!50000 'a' */`, `/*!50000 'a' 'b' */ `, `/*!80000 'x' */ 'y'`, `/*M!100100 'x' */`, `'/*' '*/'`, `/* 'x' */ 'y'`, `/*!999999 /* 'x' */ 'y' */ 'z'`, `'\é'`, "'\\\n'"}
	r := rand.New(rand.NewPCG(9, 9))
	same, both := map[string]int{}, 0
	for _, sqlMode := range sqlModes {
		mode := setSQLMode(t, c, server, sqlMode)
		for i := range 3000/sqlplan.Slow + len(fixed) {
			var s string
			if i < len(fixed) {
				s = fixed[i]
			} else {
				for range 1 + r.IntN(7) {
					s += pieces[r.IntN(len(pieces))]
				}
			}
			q := "SELECT " + s
			v, ok := sqlplan.LiteralOf(dialect.MySQL, q, mode)
			if !ok {
				continue
			}
			got := fmt.Sprintf("%s", v)
			var want, more []byte
			rows, err := c.QueryContext(context.Background(), q)
			if err != nil {
				continue
			}
			cols, _ := rows.Columns()
			if len(cols) == 1 && rows.Next() {
				err = rows.Scan(&want)
			} else if len(cols) == 2 && rows.Next() {
				err = rows.Scan(&want, &more)
			}
			rows.Close()
			if err != nil {
				t.Fatal(err)
			}
			both++
			same[sqlMode]++
			if len(cols) != 1 || got != string(want) {
				t.Errorf("mode %q: %q is %q to the server, and %q here", sqlMode, s, want, got)
			}
		}
	}
	t.Logf("%d literals: %v", both, same)
	for _, m := range sqlModes {
		if same[m] < 40 {
			t.Errorf("mode %q: %d literals compared", m, same[m])
		}
	}
}
