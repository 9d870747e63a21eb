package sqlplan

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/asherah-sql/asherah-sql/tags"
)

// mysqlFrom makes relations of the items of FROM. The condition of a join sees only what it joins, and what
// follows LATERAL what stands to the left of it.
func mysqlFrom(a *analysis, sc *scope, list []*source, outer *scope) {
	for _, s := range list {
		rels, tree := a.myFromItem(sc.rels, s, outer)
		sc.rels = append(sc.rels, rels...)
		if tree != nil {
			sc.trees = append(sc.trees, tree)
		}
	}
}

// myFromItem makes the relations of one item; left are those before it.
func (a *analysis) myFromItem(left []*relation, s *source, outer *scope) ([]*relation, *joined) {
	a.spend(len(left))
	lateral := &scope{parent: outer, with: outer.with, rels: left}
	var r *relation
	switch {
	case s.dual:
		return nil, nil
	case s.nested != nil:
		return a.myJoin(left, s, outer)
	case s.sel != nil:
		in := outer
		if s.lateral {
			in = lateral
		}
		r = a.derived(s.alias, a.query(s.sel, in), nil)
		if s.cols != nil {
			r = a.renamed(r, s)
		}
	case s.call:
		// JSON_TABLE: its columns are those that it names, and its values are read from one expression.
		for _, e := range s.args {
			a.plain(lateral, e, RuleFunction)
		}
		r = &relation{name: a.ident(s.alias)}
		for _, c := range s.cols {
			r.cols = append(r.cols, outCol{name: a.ident(c), sure: true})
		}
	default:
		r = a.fromTable(s, outer)
	}
	return []*relation{r}, &joined{rel: r}
}

// myJoin makes the relations of several items that are joined.
func (a *analysis) myJoin(left []*relation, s *source, outer *scope) ([]*relation, *joined) {
	group := &scope{parent: outer, with: outer.with}
	var tree *joined
	for _, item := range s.nested {
		visible := slices.Concat(left, group.rels)
		rels, t := a.myFromItem(visible, item, outer)
		n := len(group.rels)
		group.rels = append(group.rels, rels...)
		a.mergeColumns(group, item, n)
		if item.on != nil {
			a.plain(group, item.on, RuleExpression)
		}
		switch {
		case tree == nil:
			tree = t
			continue
		case t == nil:
			continue
		}
		tree = &joined{left: tree, right: t}
		if item.join&joinOuter != 0 && (item.using != nil || item.join&joinNatural != 0) {
			// The order of a star's columns isn't that of a LEFT JOIN.
			tree.unsure = true
		}
		for _, r := range rels {
			tree.using = append(tree.using, r.merged...)
		}
	}
	return group.rels, tree
}

// mysqlTextCast reports whether a cast leaves a sealed value as it is: to CHAR or BINARY without a length, or to
// another name of UTF-8.
func mysqlTextCast(a *analysis, e *expr) bool {
	if e.op != opCast || a.toks[e.tok].kw == kwBinary {
		return false
	}
	word := func(i int32) string {
		t := &a.toks[i]
		return foldName(a.text[t.off:t.end])
	}
	utf8Name := func(i int32) bool {
		w := word(i)
		return w == "utf8mb4" || w == "utf8"
	}
	switch n := e.auxEnd - e.aux; {
	case a.toks[e.aux-1].kw == kwUsing:
		return n == 1 && utf8Name(e.aux)
	case n == 1:
		return a.f.textCasts[word(e.aux)]
	case n == 4:
		return word(e.aux) == "char" && word(e.aux+1) == "character" && a.toks[e.aux+2].kw == kwSet && utf8Name(e.aux+3)
	case n == 3:
		return word(e.aux) == "char" && word(e.aux+1) == "charset" && utf8Name(e.aux+2)
	}
	return false
}

// mysqlLiteral returns the value of a string or of bytes, perhaps with a character set before it.
func (a *analysis) mysqlLiteral(e *expr) (v any, ok bool) {
	t := &a.toks[e.tok]
	s := a.text[t.off:t.end]
	if t.kind == tIntroducer {
		body := &a.toks[e.tok+1]
		return introduced(foldName(s[1:]), a.text[body.off:body.end], a.mode)
	}
	if e.op == opBlob {
		return mysqlBytes(s), true
	}
	return mysqlText(s, a.mode)
}

// mayCut refuses a statement that stores a sealed value where the server could cut it: the rest could not be
// opened again.
func (a *analysis) mayCut(c *tags.Column, src Source) {
	rule := RuleNotStrict
	switch {
	case a.ignore:
		rule = RuleIgnore
	case a.mode.Strict:
		return
	}
	err := &RefusedError{Table: c.Table.String(), Column: c.Name, Offset: a.cur.Offset, Rule: rule, Remedy: remedies[rule]}
	if src.Param > 0 {
		q := &a.plan.Params[src.Param-1]
		err.Ordinal, err.Offset = q.Index, q.Offsets[0]
	} else if src.Literal != nil {
		err.Offset = src.Literal.Offset
	}
	panic(err)
}

// inserted returns what VALUES(c) means: the value that would have been inserted.
func (a *analysis) inserted(e *expr) lineage {
	e.seen = true
	x := a.excluded
	if x == nil || x.table == nil {
		return lineage{} // NULL outside of ON DUPLICATE KEY UPDATE
	}
	if c := a.columnOf(x.table, e.aux); c != nil {
		return lineage{col: c, inst: x.inst}
	}
	return lineage{}
}

// rowAlias makes the relation of the row that ON DUPLICATE KEY UPDATE would have inserted. It has a name, and
// its columns may have other ones than the table's.
func (a *analysis) rowAlias(w *writer, in *insertStmt) (ex, named *relation) {
	ex = &relation{isBase: true, base: w.rel.base, table: w.table, qualifiedOnly: true}
	if w.table != nil {
		ex.inst = &instance{rel: ex}
	}
	if in.alias < 0 {
		return ex, nil
	}
	ex.name = a.ident(in.alias)
	if in.aliasCols == nil {
		// A bare name may mean either row.
		ex.qualifiedOnly = false
		return ex, nil
	}
	named = &relation{name: ex.name}
	ex.name = ""
	for i, tok := range in.aliasCols {
		c := outCol{name: a.ident(tok), sure: true}
		if w.table != nil {
			if !in.hasCols || i >= len(in.cols) {
				a.refuse(RuleRowWidth, tok, nil)
			}
			if col := a.columnOf(w.table, in.cols[i]); col != nil {
				c.lin = lineage{col: col, inst: ex.inst}
			}
		}
		named.cols = append(named.cols, c)
	}
	return ex, named
}

// multiUpdate analyses an UPDATE of joined tables. What it stores into an encrypted column must be for the
// partition in force, or for one that the statement itself names.
func (a *analysis) multiUpdate(s *stmt, i int, root *scope) {
	u := s.upd
	sc := &scope{parent: root, with: root.with}
	a.f.from(a, sc, u.from, root)
	if u.where != nil {
		a.plain(sc, u.where, RuleExpression)
	}
	sets := make([][]assign, len(sc.rels))
	var other []assign
	for _, set := range u.set {
		n := a.assignedTo(sc, set.cols[0])
		if n < 0 {
			other = append(other, set)
			continue
		}
		sets[n] = append(sets[n], set)
	}
	a.assignments(&writer{rel: &relation{}, sc: sc}, other)
	for n, r := range sc.rels {
		if len(sets[n]) == 0 {
			continue
		}
		w := writer{rel: r, table: r.table, sc: sc}
		list := a.assignments(&w, sets[n])
		a.checkMove(&w, list)
		a.updateValues(&w, i, u, list)
	}
	for _, o := range u.order {
		a.plain(sc, o, RuleOrdered)
	}
	a.limit(u.limit, u.offset, root)
}

// setQualifiers refuses an assignment to a column of another table than the one that is updated.
func (a *analysis) setQualifiers(w *writer, set []assign) {
	for _, s := range set {
		if schema, table := a.qualifier(s.cols[0]); table != "" && !w.rel.answersTo(a.f, schema, table) {
			a.refuse(RuleUnknownQualifier, s.cols[0], nil)
		}
	}
}

// qualifier returns what stands before the name of a column.
func (a *analysis) qualifier(tok int32) (schema, table string) {
	if a.toks[tok-1].kind == tDot {
		table = a.ident(tok - 2)
		if a.toks[tok-3].kind == tDot {
			schema = a.ident(tok - 4)
		}
	}
	return schema, table
}

// assignedTo returns the number of the registered relation whose column a token of SET names, or -1.
func (a *analysis) assignedTo(sc *scope, tok int32) int {
	schema, table := a.qualifier(tok)
	found := -1
	for n, r := range sc.rels {
		switch {
		case table != "" && !r.answersTo(a.f, schema, table):
			continue
		case r.table == nil, r.table.Column(a.ident(tok)) == nil && table == "":
			continue
		}
		if found >= 0 {
			a.refuse(RuleAmbiguousColumn, tok, nil)
		}
		found = n
	}
	return found
}

// multiDelete analyses a DELETE from joined tables.
func (a *analysis) multiDelete(s *stmt, root *scope) {
	d := s.del
	sc := &scope{parent: root, with: root.with}
	a.f.from(a, sc, d.using, root)
	if d.where != nil {
		a.plain(sc, d.where, RuleExpression)
	}
	for _, o := range d.order {
		a.plain(sc, o, RuleOrdered)
	}
	a.limit(d.limit, d.offset, root)
}

// exactText returns an expression that is a column's value byte for byte, whatever its collation and its
// character set; for numbers and UUIDs, which have one spelling, the column itself.
func exactText(c *tags.Column, column string) string {
	if c.Kind != tags.KindString {
		return column
	}
	return "CAST(CONVERT(" + column + " USING utf8mb4) AS BINARY)"
}

// exactParam is what exactText's value is compared with.
func exactParam(c *tags.Column, param string) string {
	if c.Kind != tags.KindString {
		return param
	}
	return "CAST(" + param + " AS BINARY)"
}

// plainGap returns a gap between tokens as it may stand in another statement: no comment, whose end might be
// elsewhere.
func plainGap(gap string) string {
	if strings.ContainsAny(gap, "/*#-") {
		return " "
	}
	return gap
}

// mysqlDefinition analyses what only MySQL's definitions have.
func (a *analysis) mysqlDefinition(s *stmt) {
	d := s.ddl
	for _, p := range d.pairs {
		t := a.lookup(p[0])
		if t == nil {
			a.lookup(p[1])
			continue
		}
		d.others, d.renames = append(d.others, p[1]), true
		a.renamedTable(t, d)
	}
	switch d.op {
	case ddlSet:
		for i := s.tok; i < s.end; i++ {
			if a.isTableName(&a.toks[i]) {
				a.utilityTouch(i)
				a.refuse(RuleTableUse, i, nil)
			}
		}
		if i := a.textIn(s.tok, s.end); i >= 0 {
			a.cur.Touches = true
			a.refuse(RuleDynamic, i, nil)
		}
	case ddlRoutine:
		a.routine(s)
	}
}

func (a *analysis) utilityTouch(tok int32) {
	for _, t := range a.st.names.find(a.ident(tok)) {
		a.touch(t)
	}
}

// routine refuses a stored program whose body names a registered table: what it stores there no client sees.
// A trigger on one passes as long as it names no encrypted column.
func (a *analysis) routine(s *stmt) {
	d := s.ddl
	from := max(s.tok, d.after)
	var on *tags.Table
	if d.table.tok >= 0 {
		on = a.lookup(d.table)
	}
	for i := from; i < s.end; i++ {
		t := &a.toks[i]
		switch {
		case a.isTableName(t):
			a.utilityTouch(i)
			a.refuse(RuleRoutine, i, nil)
		case t.kind == tString && a.mentions(t):
			a.cur.Touches = true
			a.refuse(RuleDynamic, i, nil)
		case on != nil && (t.kind == tWord || t.kind == tQuoted):
			if c := on.Column(a.ident(i)); c != nil && c.Encrypted {
				a.refuse(RuleTrigger, i, c)
			}
		}
	}
}

// mysqlTexts notes strings that may be run as statements: those of a text with PREPARE or EXECUTE, or that sets a
// variable, which another text may run.
func (a *analysis) mysqlTexts() {
	dynamic := false
	for i := range a.toks {
		t := &a.toks[i]
		switch {
		case t.kw == kwPrepare, t.kw == kwExecute:
			dynamic = true
		case t.kind == tUserVar && i+1 < len(a.toks) && (a.toks[i+1].kind == tAssign || a.toks[i+1].kind == tEq && a.setsVariable(i)):
			dynamic = true
		case t.kw == kwInto && a.toks[i+1].kind == tUserVar:
			dynamic = true
		}
	}
	if !dynamic {
		return
	}
	for i := range a.toks {
		if t := &a.toks[i]; t.kind == tString && a.mentions(t) {
			a.texts = append(a.texts, int32(i))
		}
	}
}

// setsVariable reports whether the variable at token i is assigned with = in a SET statement.
func (a *analysis) setsVariable(i int) bool {
	for i--; i >= 0 && a.toks[i].kind != tSemi; i-- {
		if a.toks[i].kw == kwSet {
			return i == 0 || a.toks[i-1].kind == tSemi
		}
	}
	return false
}

// modeNames are the settings that decide how a text is read, or what becomes of a value that doesn't fit.
var modeNames = []string{"sql_mode", "character_set_client", "character_set_connection", "collation_connection"}

// mysqlModeChange refuses a text in which a setting stands that decides how texts are read, or that runs what
// isn't seen: the server reads each statement after it ran those before.
func (a *analysis) mysqlModeChange() {
	for i := range a.toks {
		t := &a.toks[i]
		s := a.text[t.off:t.end]
		switch t.kind {
		case tWord, tQuoted, tSysVar:
			for _, n := range modeNames {
				if containsFold(s, n) {
					a.refuse(RuleMode, int32(i), nil)
				}
			}
			if i == 0 || a.toks[i-1].kw != kwSet || !a.startsStatement(i-1) {
				break
			}
			if equalFold(s, "names") && !a.isUTF8(i+1) || equalFold(s, "charset") || equalFold(s, "character") || equalFold(s, "char") {
				a.refuse(RuleMode, int32(i), nil)
			}
		}
	}
	if i := strings.Index(a.text, "/*+"); i >= 0 && containsFold(a.text[i:], "sql_mode") {
		a.refuseAt(RuleMode, i)
	}
	if len(a.stmts) < 2 {
		return
	}
	for _, s := range a.stmts {
		if kw := a.toks[s.tok].kw; kw == kwExecute || kw == kwCall || kw == kwPrepare {
			a.refuse(RuleDynamic, s.tok, nil)
		}
	}
}

// isUTF8 reports whether a token names UTF-8 as the character set of SET NAMES.
func (a *analysis) isUTF8(i int) bool {
	s := strings.Trim(a.text[a.toks[i].off:a.toks[i].end], "'\"`")
	return equalFold(s, "utf8") || equalFold(s, "utf8mb4") || equalFold(s, "utf8mb3")
}

// oddNames refuses names that the server may take for registered ones, though they aren't in ASCII: it folds
// more letters.
func (a *analysis) oddNames() {
	for i := range a.toks {
		t := &a.toks[i]
		if t.kind != tWord && t.kind != tQuoted || isASCII(a.text[t.off:t.end]) {
			continue
		}
		n := a.ident(int32(i))
		if !utf8.ValidString(n) {
			a.refuseAt(RuleUTF8, int(t.off))
		}
		if have, ok := a.st.folded[foldAll(n)]; ok && !equalFold(have, n) {
			a.refuseAt(RuleOddName, int(t.off))
		}
	}
}

// duplicateRows makes the scope of ON DUPLICATE KEY UPDATE: the row in conflict, the one that would have been
// inserted, and what the query of INSERT … SELECT reads.
func (a *analysis) duplicateRows(x *writer, in *insertStmt) {
	ex, named := a.rowAlias(x, in)
	x.excluded, a.excluded = ex, ex
	x.sc.rels = append([]*relation{x.rel, ex}, a.selected...)
	if named != nil {
		x.sc.rels = append(x.sc.rels, named)
	}
}

// lateNames refuses a name in GROUP BY, HAVING, WINDOW or ORDER BY that is both a column of FROM and an
// encrypted output: which of them it means differs from clause to clause.
func (a *analysis) lateNames(sc *scope, c *core, order []*expr, res *result) {
	enc := false
	for i := range res.cols {
		enc = enc || res.cols[i].alias && res.cols[i].lin.encrypted()
	}
	if !enc {
		return
	}
	var walk func(e *expr)
	walk = func(e *expr) {
		if e == nil {
			return
		}
		if e.op == opColumn && e.end == e.tok+1 {
			a.spend(len(res.cols))
			for i := range res.cols {
				if o := &res.cols[i]; o.alias && o.lin.encrypted() && a.f.same(o.name, a.ident(e.tok)) {
					if lin := a.resolve(sc, e); !lin.encrypted() && lin.col != nil {
						a.refuse(RuleAmbiguousColumn, e.tok, o.lin.col)
					}
				}
			}
		}
		walk(e.a)
		walk(e.b)
		for _, x := range e.list {
			walk(x)
		}
	}
	for _, e := range c.group {
		walk(e)
	}
	walk(c.having)
	for _, e := range order {
		walk(e)
	}
}
