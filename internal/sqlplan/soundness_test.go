package sqlplan_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan/sqlgen"
	"github.com/asherah-sql/asherah-sql/tags"

	"github.com/asherah-sql/asherah-sql/dialect"

	"github.com/go-sql-driver/mysql"
	_ "modernc.org/sqlite"
)

var (
	statements = flag.Int("statements", 2400/sqlplan.Slow, "generated statements that the soundness test runs")
	verbose    = flag.Bool("beyond", false, "show what the analyser accepts and the database doesn't")
	seed       = flag.Uint64("seed", 1, "seed of the first generated statement")
)

// The soundness test plans random statements, applies each plan as the driver does but for a fake sealing, and
// runs it on a real SQLite database. The same statement runs unplanned on a twin database. Then
//   - no encrypted column of any table holds an unsealed value, and each sealed value lies in the column and
//     beside the partition that it was sealed for;
//   - no other column holds a sealed value;
//   - an output that the plan opens is NULL or sealed for that column (and for the partition in the output that
//     the plan names), and no other output is sealed;
//   - opened, results and tables are those of the twin: nothing was compared or computed in sealed form.

const sealMark = "\x01S|"

type world struct {
	t      testing.TB
	d      dialect.Dialect
	an     *sqlplan.Analyzer
	schema *tags.Schema
	real   *sql.Conn // sealed
	twin   *sql.Conn // plain
	cat    sqlCatalog
	mode   sqlplan.Mode
	major  int   // version of the server
	saves  bool  // an error ends the transaction, unless a savepoint is gone back to
	sealed []any // by number: what a sealed value was
	rnd    *rand.Rand
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, d: dialect.SQLite, mode: sqlplan.Mode{Known: true}, an: sqlplan.TestAnalyzer(), schema: sqlplan.TestSchema(), rnd: rand.New(rand.NewPCG(1, 2))}
	open := func() *sql.Conn {
		db, err := sql.Open("sqlite", ":memory:")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		c, err := db.Conn(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range append([]string{"ATTACH ':memory:' AS archive"}, sqlgen.Tables(dialect.SQLite)...) {
			if _, err := c.ExecContext(context.Background(), q); err != nil {
				t.Fatal(err)
			}
		}
		return c
	}
	w.real, w.twin = open(), open()
	w.cat = &dbCatalog{conn: w.twin, query: "SELECT name FROM pragma_table_info(?, ?)", known: map[sqlplan.TableName][]string{}}
	for _, q := range sqlgen.Rows(w.d) {
		if what := w.run(q, nil, false); what != "ok" {
			t.Fatalf("seed %s: %s", q, what)
		}
	}
	return w
}

// sqlCatalog is a catalogue that asks a database.
type sqlCatalog interface {
	sqlplan.Catalog
	fetch(sqlplan.TableName)
}

// dbCatalog asks a database.
type dbCatalog struct {
	conn  *sql.Conn
	query string // by name and schema
	known map[sqlplan.TableName][]string
}

func (c *dbCatalog) Columns(n sqlplan.TableName) ([]string, bool) {
	cols, ok := c.known[n]
	return cols, ok
}

func (c *dbCatalog) fetch(n sqlplan.TableName) {
	var cols []string
	rows, err := c.conn.QueryContext(context.Background(), c.query, n.Name, sql.NullString{String: n.Schema, Valid: n.Schema != ""})
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

func (w *world) analyze(q string) (*sqlplan.Plan, error) {
	for i := 0; ; i++ {
		p, err := w.an.AnalyzeOpenly(q, w.mode, w.cat)
		var need *sqlplan.NeedColumns
		if !errors.As(err, &need) {
			return p, err
		}
		if i > 20 {
			w.t.Fatalf("asks for columns again and again: %s", q)
		}
		for _, n := range need.Tables {
			w.cat.fetch(n)
		}
	}
}

var errSkip = errors.New("the driver refuses the arguments")

// seal is the fake sealing.
func (w *world) seal(c *tags.Column, partition string, v any) any {
	if v == nil {
		return nil
	}
	w.sealed = append(w.sealed, v)
	return fmt.Sprintf("%s%s|%x|%d", sealMark, c, partition, len(w.sealed)-1)
}

// unseal takes a sealed value apart.
func unseal(s string) (column, partition string, n int) {
	parts := strings.Split(strings.TrimPrefix(s, sealMark), "|")
	if len(parts) != 3 {
		return "", "", -1
	}
	b, err := hex.DecodeString(parts[1])
	if err != nil {
		return "", "", -1
	}
	if n, err = strconv.Atoi(parts[2]); err != nil {
		return "", "", -1
	}
	return parts[0], string(b), n
}

const inForce = "PF"

// arguments are what the program passes: by name, or by number.
type arguments struct {
	names   []string
	byName  map[string]any
	byIndex []any
}

// argumentsOf makes arguments for the placeholders of a text. Those that the generator made are in list: a
// name is "p" and a number. Mutants may have others, and get a marker.
func argumentsOf(d dialect.Dialect, mode sqlplan.Mode, q string, list []any) *arguments {
	a := &arguments{byName: map[string]any{}}
	at := func(n int) any {
		if n >= 1 && n <= len(list) {
			return list[n-1]
		}
		return "MK1"
	}
	questions := 0
	for _, s := range sqlplan.ParamSpans(q, d, mode) {
		tok := q[s[0]:s[1]]
		n, err := strconv.Atoi(tok[1:])
		switch {
		case tok == "?":
			questions++
			n = questions
		case err != nil || tok[0] == '@':
			if _, ok := a.byName[tok[1:]]; !ok {
				n, _ = strconv.Atoi(strings.TrimLeft(tok[1:], "p"))
				a.byName[tok[1:]] = at(n)
				a.names = append(a.names, tok[1:])
			}
			continue
		}
		for len(a.byIndex) < min(n, 100) {
			a.byIndex = append(a.byIndex, at(len(a.byIndex)+1))
		}
	}
	return a
}

func (a *arguments) param(p sqlplan.Param) any {
	if p.Name != "" {
		return a.byName[p.Name]
	}
	if p.Index <= len(a.byIndex) {
		return a.byIndex[p.Index-1]
	}
	return "MK1"
}

// bind returns the arguments as database/sql takes them.
func (a *arguments) bind() []any {
	out := append([]any(nil), a.byIndex...)
	for _, n := range a.names {
		out = append(out, sql.Named(n, a.byName[n]))
	}
	return out
}

func (w *world) value(p *sqlplan.Plan, s sqlplan.Source, args *arguments) any {
	if s.Literal != nil {
		if b, ok := s.Literal.Value.(bool); ok {
			if w.d == dialect.Postgres {
				return fmt.Sprint(b)
			}
			if b {
				return int64(1)
			}
			return int64(0)
		}
		return s.Literal.Value
	}
	return args.param(p.Params[s.Param-1])
}

// prepared is a statement as it is sent.
type prepared struct {
	text string
	args []any
}

// prepare does what the driver does with a plan. err is errSkip where the driver would refuse the arguments.
func (w *world) prepare(q string, p *sqlplan.Plan, args *arguments) (*prepared, error) {
	if !p.Touches {
		return &prepared{q, args.bind()}, nil
	}
	found := make([]any, len(p.Lookups))
	noRow := make([]bool, len(p.Lookups))
	for i, l := range p.Lookups {
		if l.Pinned != nil && (l.Query == "" || w.rnd.IntN(2) == 0) {
			found[i] = w.value(p, *l.Pinned, args)
			if found[i] == nil {
				return nil, errSkip
			}
			continue
		}
		var qargs []any
		for _, n := range l.Args {
			qargs = append(qargs, args.param(p.Params[n-1]))
		}
		rows, err := w.query(w.real, l.Query, qargs)
		switch {
		case err != nil:
			return nil, fmt.Errorf("lookup %s: %w", l.Query, err)
		case len(rows.data) == 0:
			noRow[i] = true
		case len(rows.data) > 1 || rows.data[0][0] == nil:
			return nil, errSkip
		default:
			found[i] = rows.data[0][0]
		}
	}
	send := &arguments{args.names, maps.Clone(args.byName), slices.Clone(args.byIndex)}
	literals := make(map[int]any)
	done := make(map[int]bool)
	for i := range p.Values {
		v := &p.Values[i]
		plain := w.value(p, v.Source, args)
		part := inForce
		switch v.Partition.From {
		case sqlplan.FromLookup:
			part = text(found[v.Partition.Lookup])
			if noRow[v.Partition.Lookup] {
				plain = nil
			}
		case sqlplan.FromSources:
			if v.Array {
				break
			}
			var first any
			for j, s := range v.Partition.Sources {
				x := w.value(p, s, args)
				if plain != nil && (x == nil || j > 0 && fmt.Sprint(x) != fmt.Sprint(first)) {
					return nil, errSkip
				}
				first = x
			}
			part = text(first)
		}
		var s any
		switch {
		case v.Unused:
		case v.Array:
			var err error
			if s, err = w.sealArray(p, v, part, plain, args); err != nil {
				return nil, err
			}
		default:
			s = w.seal(v.Column, part, plain)
		}
		if v.Source.Literal != nil {
			literals[i] = s
			continue
		}
		if n := v.Source.Param - 1; !done[n] {
			done[n] = true
			if q := p.Params[n]; q.Name != "" {
				send.byName[q.Name] = s
			} else {
				send.byIndex[q.Index-1] = s
			}
		}
	}
	out := &prepared{}
	out.text = sqlplan.ApplyEdits(q, p, func(v *sqlplan.Value) string {
		for i := range p.Values {
			if v == &p.Values[i] {
				if literals[i] == nil {
					return "NULL"
				}
				return "'" + literals[i].(string) + "'"
			}
		}
		return "?"
	})
	if p.Args == nil {
		out.args = send.bind()
		return out, nil
	}
	for _, a := range p.Args {
		var v any
		if a.Lookup > 0 {
			v = found[a.Lookup-1]
		} else {
			v = send.param(p.Params[a.Param-1])
		}
		if a.Name != "" {
			v = sql.Named(a.Name, v)
		}
		out.args = append(out.args, v)
	}
	return out, nil
}

// sealArray seals each element of an array of the form {a,NULL}.
func (w *world) sealArray(p *sqlplan.Plan, v *sqlplan.Value, partition string, plain any, args *arguments) (any, error) {
	list := func(x any) []string {
		s, ok := x.(string)
		if !ok || len(s) < 3 || s[0] != '{' {
			return nil
		}
		return strings.Split(s[1:len(s)-1], ",")
	}
	elements, parts := list(plain), []string(nil)
	if v.Partition.Array {
		parts = list(w.value(p, v.Partition.Sources[0], args))
	} else if v.Partition.From == sqlplan.FromSources {
		partition = text(w.value(p, v.Partition.Sources[0], args))
	}
	if elements == nil {
		return nil, errSkip
	}
	out := make([]string, len(elements))
	for i, e := range elements {
		if out[i] = e; e == "NULL" {
			continue
		}
		if v.Partition.Array {
			if i >= len(parts) || parts[i] == "NULL" {
				return nil, errSkip
			}
			partition = parts[i]
		}
		out[i] = fmt.Sprint(w.seal(v.Column, partition, e))
	}
	return "{" + strings.Join(out, ",") + "}", nil
}

type table struct {
	cols []string
	data [][]any
}

func (w *world) query(c *sql.Conn, q string, args []any) (t *table, err error) {
	if w.saves {
		if _, err := c.ExecContext(context.Background(), "SAVEPOINT q"); err != nil {
			w.t.Fatal(err)
		}
		defer func() {
			if err != nil {
				if _, err := c.ExecContext(context.Background(), "ROLLBACK TO q"); err != nil {
					w.t.Fatalf("%v after %s", err, q)
				}
			}
		}()
	}
	// A recursive statement may never end.
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	rows, err := c.QueryContext(ctx, q, args...)
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) {
		w.t.Fatalf("the server went away: %v\n%s\nargs %v", err, q, args)
	}
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	t = &table{}
	if t.cols, err = rows.Columns(); err != nil {
		return nil, err
	}
	for rows.Next() {
		if len(t.data) > 10000 {
			return nil, context.DeadlineExceeded
		}
		v := make([]any, len(t.cols))
		at := make([]any, len(t.cols))
		for i := range v {
			at[i] = &v[i]
		}
		if err := rows.Scan(at...); err != nil {
			return nil, err
		}
		t.data = append(t.data, v)
	}
	return t, rows.Err()
}

// text is how values are compared: numbers and texts alike, since the twin's columns may convert them.
func text(v any) string {
	switch x := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return string(x)
	}
	return fmt.Sprint(v)
}

// open returns what a sealed value was.
func (w *world) open(v any) any {
	if s := text(v); v != nil && strings.HasPrefix(s, sealMark) {
		if _, _, n := unseal(s); n >= 0 && n < len(w.sealed) {
			return w.sealed[n]
		}
	}
	return v
}

func isSealed(v any) bool { return v != nil && strings.Contains(text(v), sealMark) }

// dump checks all tables of the sealed database and returns their opened contents.
func (w *world) dump(q string) []string {
	// A definition may give a column or a table another name; what lies in it stays sealed.
	renames := strings.Contains(strings.ToUpper(q), "RENAME")
	var lines []string
	for _, name := range sqlgen.Names {
		t, err := w.query(w.real, "SELECT * FROM "+name, nil)
		if err != nil {
			continue // dropped
		}
		var reg *tags.Table
		for _, x := range w.schema.Table(name[strings.IndexByte(name, '.')+1:]) {
			reg = x
		}
		for _, row := range t.data {
			var out []string
			for i, v := range row {
				var col *tags.Column
				if reg != nil {
					col = reg.Column(t.cols[i])
				}
				if col == nil || !col.Encrypted || renames && isSealed(v) {
					if isSealed(v) && !renames {
						w.t.Fatalf("sealed value %q in the plain column %s.%s after\n%s", v, name, t.cols[i], q)
					}
				} else if v != nil {
					column, partition, n := unseal(text(v))
					if n < 0 || !strings.HasPrefix(text(v), sealMark) {
						w.t.Fatalf("plaintext %q in the encrypted column %s after\n%s", v, col, q)
					}
					if column != col.String() {
						w.t.Fatalf("%s holds a value of %s after\n%s", col, column, q)
					}
					want := inForce
					if col.Partition != nil {
						for j, c := range t.cols {
							if strings.EqualFold(c, col.Partition.Name) {
								want = text(row[j])
							}
						}
					}
					if partition != want {
						w.t.Fatalf("%s is sealed for partition %q and lies in %q after\n%s", col, partition, want, q)
					}
				}
				out = append(out, text(w.open(v)))
			}
			lines = append(lines, name+": "+strings.Join(out, ", "))
		}
	}
	sort.Strings(lines)
	return lines
}

func (w *world) dumpTwin() []string {
	var lines []string
	for _, name := range sqlgen.Names {
		t, err := w.query(w.twin, "SELECT * FROM "+name, nil)
		if err != nil {
			continue
		}
		for _, row := range t.data {
			var out []string
			for _, v := range row {
				out = append(out, text(v))
			}
			lines = append(lines, name+": "+strings.Join(out, ", "))
		}
	}
	sort.Strings(lines)
	return lines
}

// checkOutputs checks a result against the plan and returns it opened and trimmed.
func (w *world) checkOutputs(q string, p *sqlplan.Plan, t *table) []string {
	if len(t.cols) == 0 && w.d == dialect.MySQL {
		return nil // the answer to RETURNING with a condition that can't be met
	}
	if p.Outputs != nil && len(p.Outputs) != len(t.cols) {
		w.t.Fatalf("%d outputs planned, %d returned by\n%s", len(p.Outputs), len(t.cols), q)
	}
	var lines []string
	for _, row := range t.data {
		var out []string
		for i, v := range row {
			var o sqlplan.Output
			if p.Outputs != nil {
				o = p.Outputs[i]
			}
			switch {
			case o.Column == nil:
				if isSealed(v) {
					w.t.Fatalf("output %d passes the sealed value %q of\n%s", i, v, q)
				}
			case v != nil:
				column, partition, n := unseal(text(v))
				if n < 0 || !strings.HasPrefix(text(v), sealMark) || column != o.Column.String() {
					w.t.Fatalf("output %d should be a sealed %s, and is %q, of\n%s", i, o.Column, v, q)
				}
				if o.Partition >= 0 && text(row[o.Partition]) != partition {
					w.t.Fatalf("output %d is sealed for %q, its partition output says %q, of\n%s", i, partition, row[o.Partition], q)
				}
			}
			if o.Name != "" && !strings.EqualFold(o.Name, t.cols[i]) {
				w.t.Fatalf("output %d should be named %q, and is named %q, of\n%s", i, o.Name, t.cols[i], q)
			}
			if i < len(row)-p.Hidden {
				out = append(out, text(w.open(v)))
			}
		}
		lines = append(lines, strings.Join(out, ", "))
	}
	return lines
}

// beyond lists what the analyser accepts and this build of SQLite doesn't.
var beyond = []struct{ text, err, reason string }{
	{"UPDATE", `near "ORDER"`, "builds with SQLITE_ENABLE_UPDATE_DELETE_LIMIT have it"},
	{"UPDATE", `near "LIMIT"`, "builds with SQLITE_ENABLE_UPDATE_DELETE_LIMIT have it"},
	{"DELETE", `near "ORDER"`, "builds with SQLITE_ENABLE_UPDATE_DELETE_LIMIT have it"},
	{"DELETE", `near "LIMIT"`, "builds with SQLITE_ENABLE_UPDATE_DELETE_LIMIT have it"},
	{"WITHIN", `near "("`, "builds with SQLITE_ENABLE_ORDERED_SET_AGGREGATES have it"},
	{"\v", "syntax error", "PostgreSQL before 16 doesn't know the vertical tab"},
	{"ALTER TABLE", "error", "SQLite copies the column's text, with a comment at its end, into another statement"},
}

// checkGrammar fails the test if the analyser takes for a statement what the database doesn't, or the other way
// round, more than so many times.
func checkGrammar(t *testing.T, outcome map[string]int, examples map[string]string, most int) {
	for _, bad := range []string{"accepted beyond the database", "understood by SQLite only", "understood by PostgreSQL only", "understood by MariaDB only"} {
		if n := outcome[bad]; n > most {
			t.Errorf("%d statements: %s, for example\n%s", n, bad, examples[bad])
		}
	}
}

// beginsWith reports whether the first token of a text is that word.
func beginsWith(q, word string) bool {
	spans := sqlplan.TokenSpans(q)
	return len(spans) > 0 && strings.EqualFold(q[spans[0][0]:spans[0][1]], word)
}

func isSyntaxError(err error) bool {
	if err == nil {
		return false
	}
	s := err.Error()
	return strings.Contains(s, "Error 1064 ") || strings.Contains(s, "syntax error") || strings.Contains(s, "unrecognized token") || strings.Contains(s, "incomplete input")
}

// run plans a statement, runs it on both databases and compares them. With undo both are taken back. It
// returns what became of it.
func (w *world) run(q string, list []any, undo bool) string {
	if w.d == dialect.Postgres && isNewer(q, w.major) {
		return "not known to this version"
	}
	if w.d == dialect.Postgres && differs.MatchString(q) {
		return "not run: other results each time"
	}
	if w.d == dialect.MySQL && differsOnMySQL.MatchString(q) {
		return "not run: other results each time"
	}
	args := argumentsOf(w.d, w.mode, q, list)
	p, err := w.analyze(q)
	ctx := context.Background()
	exec := func(c *sql.Conn, q string) {
		if _, err := c.ExecContext(ctx, q); err != nil {
			w.t.Fatalf("%s: %v", q, err)
		}
	}
	if undo {
		exec(w.twin, "BEGIN")
		defer w.rollback(w.twin)
	}
	if err != nil {
		var r *sqlplan.RefusedError
		if !errors.As(err, &r) {
			w.t.Fatalf("%v of\n%s", err, q)
		}
		if strings.Contains(err.Error(), "MK") {
			w.t.Fatalf("an error with a literal: %v", err)
		}
		if r.Rule == sqlplan.RuleSyntax && w.d == dialect.MySQL {
			if w.mysqlGrammar(q) && !matches(understoodByMySQL, q, w.mode) {
				if *verbose {
					_, is := w.twin.PrepareContext(ctx, q)
					w.t.Logf("understood by MariaDB only: %s\n%v; there %v", q, err, is)
				}
				return "understood by MariaDB only"
			}
		} else if r.Rule == sqlplan.RuleSyntax && w.d == dialect.Postgres {
			if w.grammar(q) && !isUnsupported(q) {
				return "understood by PostgreSQL only"
			}
		} else if r.Rule == sqlplan.RuleSyntax {
			if _, err := w.query(w.twin, "EXPLAIN\n"+q, args.bind()); err == nil && !beginsWith(q, "QUERY") {
				return "understood by SQLite only"
			}
		}
		return "refused: " + r.Rule
	}
	if p.Touches {
		for _, s := range p.Statements {
			if s.Kind == sqlplan.Other || s.Kind == sqlplan.Transaction {
				return "not run"
			}
			if s.Kind == sqlplan.DDL && w.d == dialect.MySQL {
				return "not run: definitions end the transaction"
			}
		}
		if len(p.Statements) > 1 {
			return "not run"
		}
		for _, v := range p.Values {
			// The twin's column is a text and not a bytea: it takes such a literal as it is.
			if l := v.Source.Literal; l != nil && w.d == dialect.Postgres && v.Column.Kind == tags.KindBytes && strings.Contains(q, `\`) {
				return "not run: bytes"
			}
		}
	} else if !onlyReads(q) {
		return "untouched"
	}
	if undo {
		exec(w.real, "BEGIN")
		defer w.rollback(w.real)
	}
	send, err := w.prepare(q, p, args)
	if err == errSkip {
		return "refused by the driver"
	}
	twin, twinErr := w.query(w.twin, q, args.bind())
	if errors.Is(twinErr, context.DeadlineExceeded) || twinErr != nil && (strings.Contains(twinErr.Error(), "interrupt") || strings.Contains(twinErr.Error(), "max_statement_time")) {
		return "endless"
	}
	if p.Touches && isSyntaxError(twinErr) {
		for _, x := range beyond {
			if strings.Contains(twinErr.Error(), x.err) && strings.Contains(strings.ToUpper(q), x.text) {
				return "accepted: " + x.reason
			}
		}
		if w.d == dialect.MySQL && matches(beyondMySQL, q, w.mode) {
			return "accepted: MySQL has it, or a later MariaDB"
		}
		if w.d == dialect.Postgres && p.Statements[0].Kind == sqlplan.DDL {
			return "accepted: definitions are read token by token"
		}
		if *verbose {
			w.t.Logf("%v\n%s", twinErr, q)
		}
		return "accepted beyond the database"
	}
	if err != nil {
		if twinErr == nil {
			w.t.Fatalf("%v of\n%s", err, q)
		}
		return "error: lookup"
	}
	real, realErr := w.query(w.real, send.text, send.args)
	if realErr != nil && definesConstraint(p, realErr) {
		return "ok"
	}
	if realErr != nil && strings.Contains(realErr.Error(), sqlplan.OtherPartition) {
		return "refused by the server: another partition"
	}
	if realErr != nil {
		if twinErr == nil {
			w.t.Fatalf("%v in\n%s\nplanned from\n%s", realErr, send.text, q)
		}
		w.dump(q)
		return "error: " + kindOf(twinErr)
	}
	var got []string
	if len(p.Statements) == 0 || !p.Statements[0].Explain {
		got = w.checkOutputs(q, p, real) // a listing of the plan may show sealed literals
	}
	dump := w.dump(q)
	if twinErr != nil && definesConstraint(p, twinErr) {
		return "ok"
	}
	if w.d == dialect.MySQL && twinErr != nil {
		switch mysqlNumber(w.t, twinErr) {
		case erWrongString:
			return "not run: bytes" // sealed in a text column, and no text on the twin
		case erWrongNumber:
			return "error: of some row" // it depends on the order of conditions whether that row is seen
		}
	}
	if twinErr != nil {
		w.t.Fatalf("%v in\n%s\nbut not when planned:\n%s", twinErr, q, send.text)
	}
	if len(p.Statements) > 0 && p.Statements[0].Explain {
		return "ok"
	}
	var want []string
	for _, row := range twin.data {
		var out []string
		for _, v := range row {
			out = append(out, text(v))
		}
		want = append(want, strings.Join(out, ", "))
	}
	sort.Strings(got)
	sort.Strings(want)
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		if w.d == dialect.MySQL && ofTies.MatchString(q) {
			return "not compared: which of the rows that tie comes first isn't said"
		}
		w.t.Fatalf("results differ: %q, want %q, of\n%s\nargs %v\nplanned: %s", got, want, q, args.bind(), send.text)
	}
	if twinDump := w.dumpTwin(); strings.Join(dump, "\n") != strings.Join(twinDump, "\n") {
		w.t.Fatalf("tables differ after\n%s\nargs %v\nplanned: %s\n%s\nwant\n%s", q, args.bind(), send.text, strings.Join(dump, "\n"), strings.Join(twinDump, "\n"))
	}
	return "ok"
}

// definesConstraint reports whether a definition failed for what lies in the table: a constraint sees
// ciphertext on one side and plaintext on the other.
func definesConstraint(p *sqlplan.Plan, err error) bool {
	return len(p.Statements) > 0 && p.Statements[0].Kind == sqlplan.DDL && strings.Contains(err.Error(), "constraint")
}

// rollback ends a transaction that a failed statement may have ended already.
func (w *world) rollback(c *sql.Conn) { c.ExecContext(context.Background(), "ROLLBACK") }

// onlyReads reports whether an untouched statement may be run without changing what the tests rely on.
func onlyReads(q string) bool {
	q = strings.ToUpper(strings.TrimSpace(q))
	return !strings.Contains(q, ";") && (strings.HasPrefix(q, "SELECT") || strings.HasPrefix(q, "WITH") ||
		strings.HasPrefix(q, "INSERT") || strings.HasPrefix(q, "UPDATE") || strings.HasPrefix(q, "DELETE"))
}

func kindOf(err error) string {
	s := err.Error()
	if _, code, ok := strings.Cut(s, "(SQLSTATE "); ok {
		return strings.TrimSuffix(code, ")")
	}
	if number, _, ok := strings.Cut(s, " ("); ok && strings.HasPrefix(number, "Error ") {
		return number
	}
	for _, k := range []string{"no such column", "ambiguous", "UNIQUE", "values for", "constraint", "mismatch", "no such table", "sub-select", "SELECTs", "aggregate", "ORDER BY", "ON CONFLICT"} {
		if strings.Contains(s, k) {
			return k
		}
	}
	return s
}

func TestAcceptedStatementsAreSoundOnSQLite(t *testing.T) {
	w := newWorld(t)
	outcome := map[string]int{}
	examples := map[string]string{}
	for i := range *statements {
		g := sqlgen.New(dialect.SQLite, sqlgen.Mode{}, *seed+uint64(i))
		q := g.Statement()
		if g.IntN(4) == 0 {
			q = g.Mutate(q, sqlplan.TokenSpans(q))
		}
		shorter(outcome, examples, w.run(q, g.Args, true), q)
	}
	report(t, outcome, examples)
	if outcome["ok"] < *statements/8 {
		t.Errorf("only %d of %d statements were planned and run", outcome["ok"], *statements)
	}
	checkGrammar(t, outcome, examples, 0)
}

// corpusQueries returns the statements of the goldens and of the captured ORMs.
func corpusQueries(t testing.TB) []string {
	queries := sqlplan.GoldenQueries(t)
	for _, f := range sqlplan.CorpusFiles(t) {
		queries = append(queries, f...)
	}
	return queries
}

func TestMutantsOfKnownStatementsAreSoundOnSQLite(t *testing.T) {
	w := newWorld(t)
	outcome := map[string]int{}
	examples := map[string]string{}
	queries := corpusQueries(t)
	for i := range *statements + len(queries) {
		g := sqlgen.New(dialect.SQLite, sqlgen.Mode{}, *seed+uint64(i))
		q := queries[i%len(queries)]
		for n := 0; i >= len(queries) && n <= g.IntN(3); n++ {
			q = g.Mutate(q, sqlplan.TokenSpans(q))
		}
		shorter(outcome, examples, w.run(q, nil, true), q)
	}
	report(t, outcome, examples)
	if outcome["ok"] < *statements/20 {
		t.Errorf("only %d of %d statements were planned and run", outcome["ok"], *statements)
	}
	checkGrammar(t, outcome, examples, 0)
}

func shorter(outcome map[string]int, examples map[string]string, what, q string) {
	outcome[what]++
	if examples[what] == "" || len(q) < len(examples[what]) {
		examples[what] = q
	}
}

func report(t *testing.T, outcome map[string]int, examples map[string]string) {
	var keys []string
	for k := range outcome {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return outcome[keys[i]] > outcome[keys[j]] })
	for _, k := range keys {
		t.Logf("%6d %s\n        %s", outcome[k], k, strings.ReplaceAll(examples[k], "\n", "\\n"))
	}
}
