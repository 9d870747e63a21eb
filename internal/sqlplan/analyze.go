package sqlplan

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/tags"
)

// Analyzer plans the statements of one dialect for one schema. It is safe for concurrent use, and takes up
// registrations that come later.
type Analyzer struct {
	schema *tags.Schema
	f      *facts
	state  atomic.Pointer[state]
	pool   sync.Pool // *analysis
}

// New returns an Analyzer for the schema s. The error is about a dialect that isn't built.
func New(s *tags.Schema, d dialect.Dialect) (*Analyzer, error) {
	f, err := factsOf(d)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, fmt.Errorf("analyse statements: schema: want one, got nil")
	}
	return &Analyzer{schema: s, f: f}, nil
}

// current returns the state of the schema's version.
func (an *Analyzer) current() *state {
	st := an.state.Load()
	if st == nil || st.version != an.schema.Version() {
		st = newState(an.schema, an.f)
		an.state.Store(st)
	}
	return st
}

// Mentions reports whether a registered table's name stands anywhere in the text, inside words and quotes
// too, ASCII letters in either case. A text that mentions none can be sent as it is.
func (an *Analyzer) Mentions(query string) bool {
	st := an.current()
	return st.finder.in(query) || st.longTable != "" || an.f.postgres && hasUnicodeEscapes(query) ||
		an.f.mysql && hasOddLetters(query)
}

// hasUnicodeEscapes reports whether U&"…" or U&'…', which can hide a name, stands in the text.
func hasUnicodeEscapes(query string) bool {
	for i := 0; ; {
		n := strings.IndexByte(query[i:], '&')
		if n < 0 {
			return false
		}
		if i += n; i > 0 && lower(query[i-1]) == 'u' && i+1 < len(query) && (query[i+1] == '"' || query[i+1] == '\'') {
			return true
		}
		i++
	}
}

// Analyze plans a text of one or more statements that a connection in the given mode would send. The error is
// a *RefusedError, *NeedColumns when cat doesn't know a table's columns that matter, or *NeedMode when the
// mode isn't known and matters. Without a catalogue (nil) registered tables have the columns
// of their models, and nothing is known of other tables.
func (an *Analyzer) Analyze(query string, mode Mode, cat Catalog) (p *Plan, err error) {
	defer func() {
		// A mistake in this package must not let a statement pass.
		if r := recover(); r != nil {
			if _, ok := r.(runtime.Error); !ok {
				panic(r)
			}
			p, err = nil, &RefusedError{Rule: RuleUnaccounted, Remedy: remedies[RuleUnaccounted]}
		}
	}()
	return an.analyze(query, mode, cat)
}

// analyze is Analyze without the last resort, for tests.
func (an *Analyzer) analyze(query string, mode Mode, cat Catalog) (*Plan, error) {
	st := an.current()
	if len(query) > 1<<30 {
		return nil, &RefusedError{Rule: RuleTooLong, Remedy: remedies[RuleTooLong]}
	}
	a, _ := an.pool.Get().(*analysis)
	if a == nil {
		a = &analysis{unsure: make([]*relation, 0, 16)}
	}
	a.st, a.cat, a.mode = st, cat, mode
	a.f, a.text = an.f, query
	defer func() {
		a.reset()
		an.pool.Put(a)
	}()
	return a.run()
}

// analysis is the work on one text. Its memory is used again; nothing of a Plan points into it.
type analysis struct {
	parser
	st   *state
	cat  Catalog
	plan *Plan

	need   []TableName
	uses   []paramUse
	texts  []int32 // strings that may be run as statements, by their tokens
	stmts  []*stmt
	unread *syntaxError // of the first statement that isn't understood
	named  []bool       // by statement: it names a registered table
	unsure []*relation
	stored []stored // of the rows of an INSERT
	roles  []role   // by param
	groups int      // joins in parentheses met
	work   int      // steps of matching names so far

	cur      *Statement // the statement being analysed
	style    paramStyle
	lookups  []placeholder
	outputs  bool      // some statement has outputs
	into     bool      // some SELECT makes a table
	inner    bool      // a statement inside WITH is analysed
	written  *result   // of the RETURNING analysed last
	rowOf    *relation // whose whole row a name means
	rowOK    bool      // whole rows may be named
	shadows  []shadow
	lists    []*list     // of the statement
	ignore   bool        // of MySQL: values that don't fit are cut
	excluded *relation   // of MySQL: the row that VALUES(c) reads
	selected []*relation // of MySQL: the relations of the query of INSERT, which ON DUPLICATE KEY UPDATE sees
	xml      bool        // a function that writes tables and queries as XML may be called
}

// paramUse is a placeholder token and the index of its Param.
type paramUse struct{ tok, idx int32 }

func (a *analysis) reset() {
	if cap(a.toks) > 1<<16 {
		a.toks = nil
	}
	a.toks = a.toks[:0]
	a.nodes.reset(64)
	a.extra.reset(8)
	a.exprs.reset()
	a.rows.reset()
	a.cols.reset()
	a.idxs.reset()
	a.sets.reset()
	clear(a.unsure[:cap(a.unsure)])
	if cap(a.uses) > 1<<14 {
		a.uses = nil
	}
	clear(a.stmts)
	if cap(a.stored) > 1<<14 {
		a.stored = nil
	}
	clear(a.stored)
	if cap(a.roles) > 1<<14 {
		a.roles = nil
	}
	*a = analysis{
		parser: parser{
			toks: a.toks, nodes: a.nodes, extra: a.extra, exprs: a.exprs, rows: a.rows, cols: a.cols,
			idxs: a.idxs, sets: a.sets,
		},
		uses: a.uses[:0], texts: a.texts[:0], stmts: a.stmts[:0], named: a.named[:0], unsure: a.unsure[:0],
		stored: a.stored[:0], roles: a.roles[:0],
	}
}

// run plans the text. Refusals come as panics with a *RefusedError from wherever they are found.
func (a *analysis) run() (p *Plan, err error) {
	defer func() {
		if r := recover(); r != nil {
			refused, ok := r.(*RefusedError)
			if !ok {
				panic(r)
			}
			p, err = nil, refused
		}
		// With columns missing the rest was analysed on guesses: nothing of it counts.
		if len(a.need) > 0 {
			p, err = nil, &NeedColumns{Tables: slices.Clone(a.need)}
		}
	}()
	a.plan = &Plan{Schema: a.st.version}
	moded := false
	a.toks, moded = lexAll(a.f, a.text, a.mode, a.toks[:0])
	if moded && !a.mode.Known {
		return nil, &NeedMode{}
	}
	a.plan.Moded = moded
	a.findTexts()
	if a.f.mysql {
		a.mysqlTexts()
		a.oddNames()
	}
	if !a.namesTable() {
		return a.plan, nil
	}
	if !utf8.ValidString(a.text) {
		a.refuseAt(RuleUTF8, a.invalidUTF8())
	}
	a.longNames()
	a.split()
	a.params()
	touches := false
	a.plan.Statements = make([]Statement, len(a.stmts))
	for i, s := range a.stmts {
		a.cur = &a.plan.Statements[i]
		a.statement(s, i)
		touches = touches || a.cur.Touches
	}
	if !touches {
		return &Plan{Schema: a.st.version, Moded: moded}, nil
	}
	if a.unread != nil {
		// Whether the text falls into these statements isn't known.
		a.refuseAt(a.unread.rule, int(a.toks[a.unread.tok].off))
	}
	a.plan.Touches = true
	if a.f.postgres {
		a.modeChange()
	}
	if a.f.mysql {
		a.mysqlModeChange()
	}
	a.finish()
	return a.plan, nil
}

// namesTable reports whether a token is a registered table's name. A text that isn't made of tokens counts
// as well, if it mentions one.
func (a *analysis) namesTable() bool {
	if a.st.longTable != "" || len(a.texts) > 0 {
		return true
	}
	for i := range a.toks {
		t := &a.toks[i]
		if t.kind == tIllegal {
			if t.why == illegalEscape && int(t.off)+2 < len(a.text) && a.text[t.off+2] == '"' {
				return true // a name that isn't known: it may be any table's
			}
			if a.st.finder.in(a.text) {
				return true
			}
			continue
		}
		if a.isTableName(t) {
			return true
		}
	}
	return false
}

// isTableName reports whether t is a registered table's name, in quotes of any kind or without.
func (a *analysis) isTableName(t *token) bool {
	switch t.kind {
	case tWord, tQuoted, tString:
		// A table may have the name of a keyword, but a reserved one only names it in quotes.
		if !a.f.isName(t) {
			return false
		}
		name := a.f.ident(a.text, t)
		if n := a.f.longestName; n > 0 && len(name) > n {
			name = name[:n]
		}
		return a.st.names.find(name) != nil
	}
	return false
}

func (a *analysis) invalidUTF8() int {
	for i := 0; i < len(a.text); {
		r, n := utf8.DecodeRuneInString(a.text[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return 0
}

// split parses the statements of the text. One that isn't understood refuses the text if it names a
// registered table, or if another one touches one. Otherwise it ends at the next semicolon, which holds for
// all but triggers and virtual tables: they have semicolons inside, so one that isn't understood is always
// refused.
func (a *analysis) split() {
	for {
		if len(a.stmts) > 0 {
			a.accept(tSemi)
		}
		empty := a.pos
		for a.accept(tSemi) {
		}
		if a.is(tEOF) {
			return
		}
		if a.f.mysql && empty < a.pos && a.unread == nil {
			a.unread = &syntaxError{tok: empty, rule: RuleSyntax} // an empty statement ends the text there
		}
		first := a.pos
		s, err := a.parseStmt()
		if err != nil {
			end := first
			named := false
			for a.toks[end].kind != tSemi && a.toks[end].kind != tEOF {
				t := &a.toks[end]
				named = named || a.isTableName(t) || t.kind == tIllegal || t.kw == kwTrigger || t.kw == kwVirtual
				end++
			}
			// On MySQL it may be a block of statements.
			if named || a.f.mysql || a.textIn(int32(first), int32(end)) >= 0 {
				a.refuseAt(err.rule, int(a.toks[err.tok].off))
			}
			if a.unread == nil {
				a.unread = err
			}
			a.pos = end
			*s = stmt{kind: Other, opaque: true, tok: int32(first), end: int32(end), exprs: s.exprs}
		}
		named := a.textIn(s.tok, s.end) >= 0
		for i := s.tok; i < s.end && !named; i++ {
			named = a.isTableName(&a.toks[i])
		}
		a.stmts = append(a.stmts, s)
		a.named = append(a.named, named)
	}
}

// statement analyses one statement.
func (a *analysis) statement(s *stmt, i int) {
	out := a.cur
	out.Kind, out.Explain, out.Tx = s.kind, s.explain, s.tx
	out.Offset, out.End = int(a.toks[s.tok].off), int(a.toks[s.end-1].end)
	out.ReturnsRows = s.explain
	switch {
	case s.sel != nil:
		out.ReturnsRows = true
	case s.ins != nil:
		out.ReturnsRows = out.ReturnsRows || s.ins.returning != nil
	case s.upd != nil:
		out.ReturnsRows = out.ReturnsRows || s.upd.returning != nil
	case s.del != nil:
		out.ReturnsRows = out.ReturnsRows || s.del.returning != nil
	case s.merge != nil:
		out.ReturnsRows = out.ReturnsRows || s.merge.returning != nil
	case s.ddl != nil && s.ddl.op == ddlPragma:
		out.ReturnsRows = true
	case s.ddl != nil && s.ddl.op != ddlCreateView && a.f.postgres:
		switch first := a.toks[s.tok].kw; first {
		case kwShow, kwFetch, kwExecute:
			out.ReturnsRows = true
		default:
			out.ReturnsRows = out.ReturnsRows || s.ddl.call != nil
		}
	case s.ddl != nil && s.ddl.rows:
		out.ReturnsRows = true
	}
	if !a.named[i] {
		return
	}
	values := len(a.plan.Values)
	a.shadows, a.lists = a.shadows[:0], a.lists[:0]
	a.ignore, a.into, a.selected = false, false, nil
	root := &scope{}
	switch {
	case s.sel != nil:
		a.selectStatement(s, i, root)
	case s.ins != nil:
		a.insertStatement(s, i, root)
	case s.upd != nil:
		a.updateStatement(s, i, root)
	case s.del != nil:
		a.deleteStatement(s, i, root)
	case s.merge != nil:
		a.mergeStatement(s, i, root)
	case s.ddl != nil:
		a.ddlStatement(s, root)
		return
	case s.tx != nil:
		return // a savepoint of that name
	default:
		a.refuse(RuleUnaccounted, s.tok, nil)
	}
	if a.into && out.Touches {
		if a.f.mysql {
			a.refuse(RuleInto, s.tok, nil)
		}
		a.refuse(RuleTableAs, s.tok, nil)
	}
	a.checkLists()
	for i := values; i < len(a.plan.Values) && !out.Writes; i++ {
		out.Writes = !a.plan.Values[i].Unused
	}
	// Whatever the parser made, the analysis must have given a role.
	for n := s.exprs[0]; n < s.exprs[1]; n++ {
		e := a.nodes.at(n)
		if leaf := e.op == opColumn || e.op == opParam || e.op == opString || e.op == opBlob || e.op == opNumber || e.op == opBool || e.op == opBits; leaf && !e.seen {
			a.refuse(RuleUnaccounted, e.tok, nil)
		}
	}
}

// lookup returns the registered table that a name means, or nil, and notes that the statement touches it.
func (a *analysis) lookup(n name) *tags.Table {
	tables := a.st.names.find(a.ident(n.tok))
	if tables == nil {
		return nil
	}
	schema := ""
	if n.schema >= 0 {
		schema = a.ident(n.schema)
	}
	var found *tags.Table
	exact := false
	for _, t := range tables {
		fits := equalFold(t.Schema, schema)
		switch {
		case fits && !exact && schema != "":
			found, exact = t, true
		case exact && !fits:
		case t.Schema == "" || schema == "" || fits:
			if found != nil {
				a.refuse(RuleAmbiguousTable, n.tok, nil)
			}
			found = t
		}
	}
	if found != nil {
		a.touch(found)
	}
	return found
}

func (a *analysis) touch(t *tags.Table) {
	a.cur.Touches = true
	for _, have := range a.cur.Tables {
		if have == t {
			return
		}
	}
	a.cur.Tables = append(a.cur.Tables, t)
}

func (a *analysis) tableName(n name) TableName {
	t := TableName{Name: a.ident(n.tok)}
	if n.schema >= 0 {
		t.Schema = a.ident(n.schema)
	}
	return t
}

// ident returns the name that a token spells.
func (a *analysis) ident(tok int32) string { return a.f.ident(a.text, &a.toks[tok]) }

func (a *analysis) newCols(n int) []outCol { return make([]outCol, 0, n+1) }

func (a *analysis) refuseAt(rule string, offset int) {
	panic(&RefusedError{Offset: offset, Rule: rule, Remedy: remedies[rule]})
}

// finish checks what concerns the whole text and puts edits and arguments in order.
func (a *analysis) finish() {
	a.checkParams()
	a.checkRoles()
	a.sortValues()
	a.arguments()
	edits := a.plan.Edits
	slices.SortStableFunc(edits, func(x, y Edit) int { return x.Offset - y.Offset })
	for i := 1; i < len(edits); i++ {
		if edits[i].Offset < edits[i-1].End {
			a.refuseAt(RuleUnaccounted, edits[i].Offset)
		}
	}
}

// sortValues puts the values in text order and adds the edits of literals.
func (a *analysis) sortValues() {
	p := a.plan
	at := func(v *Value) int {
		if v.Source.Literal != nil {
			return v.Source.Literal.Offset
		}
		return p.Params[v.Source.Param-1].Offsets[0]
	}
	sorted := func() bool {
		last := math.MinInt
		for i := range p.Values {
			if o := at(&p.Values[i]); o < last {
				return false
			} else {
				last = o
			}
		}
		return true
	}
	if !sorted() {
		slices.SortStableFunc(p.Values, func(x, y Value) int { return at(&x) - at(&y) })
	}
	for i := range p.Values {
		if l := p.Values[i].Source.Literal; l != nil {
			p.HasLiterals = true
			p.Edits = append(p.Edits, Edit{Offset: l.Offset, End: l.End, Value: i + 1})
		}
	}
}
