package sqlplan

import "github.com/asherah-sql/asherah-sql/tags"

// result is what a query returns.
type result struct {
	cols   []outCol
	openOf []TableName // more columns, of these tables, that aren't known; none of them is encrypted
	star   bool        // a star stands for columns of a registered table

	scope  *scope // of a query without set operations: where further columns could be selected
	core   *core
	why    string  // why none can; "" when they can
	terms  []*expr // expressions whose bare names may mean outputs
	having []*expr // of MySQL, likewise
}

func (r *result) encrypted() *outCol {
	for i := range r.cols {
		if r.cols[i].lin.encrypted() {
			return &r.cols[i]
		}
	}
	return nil
}

// Why an output's place can't be verified.
const (
	unpinnedSet       = "set operation"
	unpinnedAggregate = "aggregate"
	unpinnedDerived   = "derived table"
	unpinnedSubquery  = "subquery"
	unpinnedRecursive = "recursive query"
	unpinnedHaving    = "name in HAVING"
)

// query analyses a SELECT or VALUES that stands in the scope outer.
func (a *analysis) query(s *selectStmt, outer *scope) *result {
	if s.with != nil {
		outer = a.push(s.with, outer)
	}
	res := a.cores(s, outer, nil)
	a.limit(s.limit, s.offset, outer)
	if s.with != nil {
		a.rest(outer)
	}
	return res
}

// push returns a scope in which the common table expressions of w are in force.
func (a *analysis) push(w *with, outer *scope) *scope {
	ws := &withScope{parent: outer.with}
	for _, c := range w.ctes {
		def := ws
		if a.f.mysql && w.recursive && !a.mode.MariaDB {
			// Those that follow aren't seen, but it is itself.
			def = &withScope{parent: outer.with, ctes: ws.ctes[:len(ws.ctes):len(ws.ctes)]}
			own := &cteState{cte: c, name: a.ident(c.name), def: def, home: outer}
			def.ctes = append(def.ctes, own)
			ws.ctes = append(ws.ctes, own)
			continue
		}
		if (a.f.postgres || a.f.mysql) && !w.recursive {
			def = &withScope{parent: outer.with, ctes: ws.ctes[:len(ws.ctes):len(ws.ctes)]}
		}
		ws.ctes = append(ws.ctes, &cteState{cte: c, name: a.ident(c.name), def: def, home: outer})
	}
	return &scope{parent: outer, with: ws}
}

// rest analyses the common table expressions of sc that nothing referred to: nothing in a statement is left
// out.
func (a *analysis) rest(sc *scope) {
	for _, c := range sc.with.ctes {
		if !c.visited {
			a.cteBody(c, a.bodyScope(c))
		}
	}
}

// bodyScope returns the scope around the body of a common table expression that stands for itself.
func (a *analysis) bodyScope(c *cteState) *scope {
	if a.f.postgres || a.f.mysql {
		return &scope{parent: c.home, with: c.def}
	}
	return &scope{with: c.def}
}

// limit analyses LIMIT and OFFSET, in which no column can be named.
func (a *analysis) limit(limit, offset *expr, outer *scope) {
	sc := &scope{with: outer.with}
	if a.f.postgres || a.f.mysql {
		sc.parent = outer
	}
	if limit != nil {
		a.plain(sc, limit, RuleExpression)
	}
	if offset != nil {
		a.plain(sc, offset, RuleExpression)
	}
}

// cores analyses the parts of a query. self is the common table expression whose body it is, or nil.
func (a *analysis) cores(s *selectStmt, outer *scope, self *cteState) *result {
	if len(s.cores) == 1 {
		return a.core(s.cores[0], outer, s.order)
	}
	res := &result{why: unpinnedSet}
	for i, c := range s.cores {
		arm := a.core(c, outer, nil)
		if i == 0 {
			res.cols = append(res.cols, arm.cols...)
			res.openOf, res.star = arm.openOf, arm.star
		} else {
			a.merge(res, arm, s.ops[i-1], c)
		}
		if self != nil && i+1 < len(s.cores) {
			self.partial = neutral(res)
		}
	}
	a.compoundOrder(s, res, outer)
	return res
}

// neutral returns r as a recursive reference sees it: rows of which nothing is known but that each encrypted
// column is that column.
func neutral(r *result) *result {
	n := &result{openOf: r.openOf, star: r.star, why: unpinnedRecursive}
	for _, c := range r.cols {
		if c.lin.encrypted() {
			c.lin.inst = &instance{}
		} else {
			c.lin = lineage{value: c.lin.value}
		}
		n.cols = append(n.cols, c)
	}
	return n
}

// mergedInstances gives instances to the rows of a set operation when an arm is added: columns that came from
// one instance before and come from one in the new arm come from one instance of the whole.
type mergedInstances []struct{ a, b, out *instance }

func (m *mergedInstances) of(a, b *instance) *instance {
	for _, p := range *m {
		if p.a == a && p.b == b {
			return p.out
		}
	}
	out := &instance{}
	*m = append(*m, struct{ a, b, out *instance }{a, b, out})
	return out
}

// merge adds an arm of a set operation to res.
func (a *analysis) merge(res, arm *result, o setOp, c *core) {
	for _, r := range [2]*result{res, arm} {
		for i := range r.cols {
			if l := &r.cols[i].lin; l.list != nil {
				*l = lineage{value: l.value} // rows of several lists, or made distinct
			}
		}
	}
	var pairs mergedInstances
	left, right := res.encrypted(), arm.encrypted()
	if left == nil && right == nil {
		// Nothing but plain columns: only partition columns are worth following, and only beside encrypted ones.
		for i := range res.cols {
			null := i < len(arm.cols) && res.cols[i].lin.null && arm.cols[i].lin.null
			value := res.cols[i].lin.value
			if value == 0 && i < len(arm.cols) {
				value = arm.cols[i].lin.value
			}
			res.cols[i].lin = lineage{null: null, value: value}
		}
		res.openOf = append(res.openOf, arm.openOf...)
		return
	}
	col := left
	if col == nil {
		col = right
	}
	if o != unionAll {
		a.refuse(RuleSetOperation, c.tok, col.lin.col)
	}
	if open := append(res.openOf, arm.openOf...); len(open) > 0 {
		a.needAll(open, c.tok)
		return
	}
	if len(res.cols) != len(arm.cols) {
		a.refuse(RuleSetOperation, c.tok, col.lin.col)
	}
	for i := range res.cols {
		l, r := res.cols[i].lin, arm.cols[i].lin
		same := l.col == r.col && l.null == r.null || l.null || r.null
		if !same && (l.encrypted() || r.encrypted()) {
			bad := l.col
			if !l.encrypted() {
				bad = r.col
			}
			a.refuse(RuleSetOperation, c.tok, bad)
		}
		switch {
		case !same:
			res.cols[i].lin = lineage{}
		case l.null && r.null:
		case l.null:
			res.cols[i].lin = lineage{col: r.col}
			if r.col != nil {
				res.cols[i].lin.inst = pairs.of(nil, r.inst)
			}
		case l.col != nil:
			res.cols[i].lin = lineage{col: l.col, inst: pairs.of(l.inst, r.inst)}
		}
	}
}

// needAll asks for the columns of tables that must be known, or refuses when there is nobody to ask.
func (a *analysis) needAll(tables []TableName, tok int32) {
	for _, t := range tables {
		if t != (TableName{}) {
			a.columns(t, nil)
		}
	}
	if len(a.need) == 0 {
		a.refuse(RuleUnknownColumns, tok, nil)
	}
}

// compoundOrder analyses ORDER BY after set operations: its terms can only be output columns.
func (a *analysis) compoundOrder(s *selectStmt, res *result, outer *scope) {
	enc := res.encrypted()
	for _, term := range s.order {
		e := a.sortKey(term)
		if enc == nil {
			// Whichever output the term matches, it isn't encrypted; and it must match one. A query in it is
			// analysed nevertheless.
			if term.hasQuery() {
				a.plain(&scope{with: outer.with, aliases: asAliases(res.cols)}, term, RuleOrdered)
			}
			term.markSeen()
			continue
		}
		term.markSeen()
		if n, ok := a.position(e); ok {
			if n >= 1 && n <= len(res.cols) && res.cols[n-1].lin.encrypted() {
				a.refuse(RuleOrdered, e.tok, res.cols[n-1].lin.col)
			}
			continue
		}
		hit := false
		if e.op == opColumn && e.end == e.tok+1 {
			name := a.ident(e.tok)
			a.spend(len(res.cols))
			for i := range res.cols {
				if c := &res.cols[i]; c.sure && a.f.same(c.name, name) {
					hit = !c.lin.encrypted()
					break
				}
			}
		}
		if !hit {
			a.refuse(RuleOrdered, e.tok, enc.lin.col)
		}
	}
}

// asAliases returns cols with every certain name usable.
func asAliases(cols []outCol) []outCol {
	out := make([]outCol, len(cols))
	copy(out, cols)
	for i := range out {
		out[i].alias = out[i].sure
	}
	return out
}

// hasQuery reports whether a query stands in e.
func (e *expr) hasQuery() bool {
	if e == nil {
		return false
	}
	if e.sel != nil || e.op == opInTable || e.a.hasQuery() || e.b.hasQuery() {
		return true
	}
	for _, c := range e.list {
		if c.hasQuery() {
			return true
		}
	}
	return e.fn != nil
}

// markSeen gives a part of an expression that was analysed otherwise its role.
func (e *expr) markSeen() {
	if e == nil {
		return
	}
	e.seen = true
	e.a.markSeen()
	e.b.markSeen()
	for _, c := range e.list {
		c.markSeen()
	}
}

// core analyses one SELECT or VALUES. order is the ORDER BY of the query when the core is all of it.
func (a *analysis) core(c *core, outer *scope, order []*expr) *result {
	if c.sel != nil {
		res := a.query(c.sel, outer)
		return &result{cols: res.cols, openOf: res.openOf, star: res.star, why: unpinnedSet}
	}
	if c.into {
		a.into = true
	}
	sc := &scope{parent: outer, with: outer.with}
	res := &result{scope: sc, core: c}
	if c.values != nil {
		a.valuesCore(c, sc, res)
		return res
	}
	a.f.from(a, sc, c.from, outer)
	res.cols = a.newCols(len(c.cols))
	for i := range c.cols {
		a.resultCol(&c.cols[i], sc, res)
	}
	enc := res.encrypted()
	if enc != nil && res.openOf != nil {
		a.needAll(res.openOf, c.tok)
	}
	if a.f.aliasesVisible {
		sc.aliases = res.cols
	}
	a.joins(sc, c.from)
	if c.where != nil {
		a.plain(sc, c.where, RuleExpression)
	}
	if a.f.mysql {
		a.lateNames(sc, c, order, res)
		sc.aliases = res.cols
	}
	for _, e := range c.on {
		a.sortTerm(sc, e, res, RuleGrouped, true)
	}
	for _, g := range c.group {
		a.sortTerm(sc, g, res, RuleGrouped, false)
	}
	if c.having != nil {
		a.plain(sc, c.having, RuleExpression)
	}
	for _, w := range c.windows {
		a.window(sc, w)
	}
	if c.distinct {
		res.spoiled(c.tok)
		if enc != nil {
			a.refuse(RuleGrouped, c.tok, enc.lin.col)
		}
	}
	for _, o := range order {
		a.sortTerm(sc, o, res, RuleOrdered, true)
	}
	switch {
	case sc.aggregate || c.group != nil:
		res.why = unpinnedAggregate
	case c.distinct:
		res.why = unpinnedSet
	}
	return res
}

// valuesCore analyses VALUES outside of INSERT.
func (a *analysis) valuesCore(c *core, sc *scope, res *result) {
	l := a.listOf(c, sc)
	for i, col := range l.cols {
		res.cols = append(res.cols, outCol{name: columnN(i + 1), sure: !a.f.mysql, lin: lineage{list: col, inst: l.inst}})
	}
	for _, row := range c.values {
		for i, e := range row {
			lin := a.value(sc, e)
			if lin.encrypted() {
				a.refuse(RuleExpression, e.tok, lin.col)
			}
			if i < len(res.cols) && res.cols[i].lin.value == 0 && !lin.null {
				res.cols[i].lin.value = e.tok + 1 // whatever the expression is: it may be of values
			}
		}
	}
}

// resultCol analyses an item of a select list and appends its columns to res.
func (a *analysis) resultCol(rc *resultCol, sc *scope, res *result) {
	if rc.e == nil {
		a.star(rc, sc, res)
		return
	}
	lin := a.value(sc, rc.e)
	if rc.e.op == opWhole {
		res.openOf = append(res.openOf, TableName{}) // the fields of a value of the database's own
		return
	}
	c := outCol{lin: lin}
	switch {
	case rc.alias >= 0:
		c.name, c.sure, c.alias = a.ident(rc.alias), true, true
	case a.f.postgres:
		c.name, c.sure = a.label(rc.e)
	case bare(rc.e).op == opColumn:
		c.name, c.sure = a.ident(bare(rc.e).end-1), true
	}
	res.cols = append(res.cols, c)
	a.checkWidth(res)
}

func (a *analysis) checkWidth(res *result) {
	if len(res.cols) > maxColumns || len(res.openOf) > maxColumns {
		a.refuseAt(RuleComplex, a.cur.Offset)
	}
}

// bare strips parentheses.
func bare(e *expr) *expr {
	for e.op == opParen {
		e.seen = true
		e = e.a
	}
	return e
}

// star expands `*` and `t.*`.
func (a *analysis) star(rc *resultCol, sc *scope, res *result) {
	name := ""
	if rc.table >= 0 {
		name = a.ident(rc.table)
	} else if sc.trees != nil {
		for _, t := range sc.trees {
			a.starTree(t, rc, sc, res)
		}
		return
	}
	hit := false
	a.spend(len(sc.rels))
	for _, r := range sc.rels {
		if r.qualifiedOnly || rc.table >= 0 && !r.answersTo(a.f, "", name) {
			continue
		}
		hit = true
		a.starOf(r, rc, sc, res)
		a.checkWidth(res)
	}
	if rc.table >= 0 && !hit {
		a.refuse(RuleUnknownQualifier, rc.table, nil)
	}
}

func (a *analysis) starOf(r *relation, rc *resultCol, sc *scope, res *result) {
	qualified := rc.table >= 0
	res.star = res.star || r.table != nil
	if r.natural && !qualified {
		res.openOf = append(res.openOf, r.base) // of a derived table nobody can be asked
		return
	}
	if !r.isBase {
		res.star = res.star || r.star
		if r.unnamed && r.cols == nil && r.openOf == nil {
			res.openOf = append(res.openOf, TableName{}) // of a function
		}
		for _, c := range r.cols {
			if !qualified && c.sure && r.merges(a.f, c.name) {
				continue
			}
			c.star, c.alias = true, false
			c.lin = a.used(c.lin, rc.tok)
			if !qualified && c.sure && sc.merged(a.f, c.name) {
				c.lin = c.lin.plainOnly()
			}
			c.sure = c.sure && a.keepsName(sc, r, c.name)
			res.cols = append(res.cols, c)
		}
		res.openOf = append(res.openOf, r.openOf...)
		return
	}
	var names []string
	if r.table == nil {
		// Its columns only matter beside encrypted ones; until then nobody is asked.
		if a.cat != nil {
			names, _ = a.cat.Columns(r.base)
		}
		if len(names) == 0 {
			res.openOf = append(res.openOf, r.base)
			return
		}
	} else {
		var ok bool
		if names, ok = a.columns(r.base, r.table); !ok {
			if len(a.need) == 0 {
				a.refuse(RuleUnknownColumns, rc.tok, nil)
			}
			return
		}
	}
	for _, n := range names {
		if !qualified && r.merges(a.f, n) {
			continue
		}
		c := outCol{name: n, sure: a.keepsName(sc, r, n), star: true, asked: true}
		if r.table != nil {
			if col := r.table.Column(n); col != nil && !a.f.otherCase(col, n) {
				c.lin = lineage{col: col, inst: r.inst}
			}
		}
		if !qualified && sc.merged(a.f, n) {
			c.lin = c.lin.plainOnly()
		}
		res.cols = append(res.cols, c)
	}
}

// keepsName reports whether a star gives a column of r its own name: the tables of a join in parentheses are
// one table for the database, which renames a repeated column.
func (a *analysis) keepsName(sc *scope, r *relation, name string) bool {
	if r.group == 0 {
		return true
	}
	for _, o := range sc.rels {
		if o == r {
			break
		}
		if o.group != r.group {
			continue
		}
		if o.unnamed || o.openOf != nil {
			return false
		}
		a.spend(len(o.cols) + 16)
		var names []string
		if o.isBase {
			if a.cat != nil {
				names, _ = a.cat.Columns(o.base)
			}
			if names == nil {
				return false
			}
		}
		for i := range o.cols {
			names = append(names, o.cols[i].name)
		}
		for _, n := range names {
			if a.f.same(n, name) {
				return false
			}
		}
	}
	return true
}

// plainOnly drops the lineage of a column that isn't encrypted: a column that an outer join merged may hold
// either side's value.
func (l lineage) plainOnly() lineage {
	if l.encrypted() {
		return l
	}
	return lineage{}
}

// merged reports whether a RIGHT or FULL JOIN of s merges columns of that name.
func (s *scope) merged(f *facts, name string) bool {
	for _, r := range s.rels {
		if r.outer && (r.natural || r.merges(f, name)) {
			return true
		}
	}
	return false
}

// sqliteFrom makes relations of the items of FROM. Their ON conditions and arguments are left to joins, since
// they may name any of the items.
func sqliteFrom(a *analysis, sc *scope, list []*source, outer *scope) {
	for _, s := range list {
		left := len(sc.rels)
		a.spend(left)
		switch {
		case s.sel != nil:
			res := a.query(s.sel, outer)
			sc.rels = append(sc.rels, a.derived(s.alias, res, nil))
		case s.nested != nil:
			in := &scope{parent: outer, with: outer.with}
			a.f.from(a, in, s.nested, outer)
			a.joins(in, s.nested)
			if s.alias >= 0 {
				for _, r := range in.rels {
					if r.hasEncrypted() {
						a.refuse(RuleTableUse, s.tok, nil)
					}
				}
			}
			a.groups++
			for _, r := range in.rels {
				r.group = a.groups
			}
			sc.rels = append(sc.rels, in.rels...)
		default:
			sc.rels = append(sc.rels, a.fromTable(s, outer))
		}
		a.mergeColumns(sc, s, left)
	}
}

// fromTable makes a relation of a table, a table-valued function or a common table expression.
func (a *analysis) fromTable(s *source, outer *scope) *relation {
	name := a.ident(s.name.tok)
	alias := s.alias
	if s.name.schema < 0 {
		if c := a.findCTE(outer.with, name); c != nil {
			if s.call {
				a.refuse(RuleTableUse, s.tok, nil)
			}
			if alias < 0 {
				alias = s.name.tok
			}
			return a.derived(alias, a.cteRef(c, outer, s.tok), c.cte.cols)
		}
	}
	r := a.baseRelation(s.name, alias)
	if s.call && r.table != nil {
		a.refuse(RuleTableUse, s.tok, nil)
	}
	return r
}

// baseRelation makes a relation of a table of the database.
func (a *analysis) baseRelation(n name, alias int32) *relation {
	r := &relation{isBase: true, base: a.tableName(n), table: a.lookup(n)}
	r.name = r.base.Name
	if alias >= 0 {
		r.name = a.ident(alias)
	}
	if r.table != nil {
		r.inst = &instance{rel: r}
	}
	return r
}

// derived makes a relation of a query's result. names are the column names of a common table expression.
func (a *analysis) derived(alias int32, res *result, names []int32) *relation {
	r := &relation{openOf: res.openOf, star: res.star}
	if alias >= 0 {
		r.name = a.ident(alias)
	}
	if names != nil && (len(names) > len(res.cols) || len(names) < len(res.cols) && !a.f.postgres || res.openOf != nil) {
		if res.openOf != nil {
			a.openNames(r, res, names)
			return r
		}
		a.refuse(RuleRowWidth, names[0], nil)
	}
	a.spend(64 * len(res.cols)) // they are copied for each reference
	r.cols = make([]outCol, len(res.cols))
	for i, c := range res.cols {
		a.spend(i)
		if i < len(names) {
			c.name, c.sure = a.ident(names[i]), true
		}
		c.alias, c.star = false, false
		c.lin.harmlessUse()
		a.shadow(&c)
		c.lin.inst = r.remap(c.lin.inst)
		// The database renames a repeated column; how is its own affair.
		for j := 0; j < i && c.sure; j++ {
			c.sure = !r.cols[j].sure || !a.f.same(r.cols[j].name, c.name)
		}
		r.unnamed = r.unnamed || !c.sure
		r.vague = r.vague || !c.sure && c.lin.encrypted()
		r.cols[i] = c
	}
	return r
}

// shadow is a placeholder or a literal in a derived column.
type shadow struct {
	name string
	tok  int32
	list *listColumn // that it is, or nil
}

// shadow notes a column of a derived table that holds a value of the statement's own.
func (a *analysis) shadow(c *outCol) {
	if c.lin.value > 0 && c.sure {
		a.shadows = append(a.shadows, shadow{c.name, c.lin.value - 1, c.lin.list})
	}
}

// openNames gives names to the columns of a result of which not all are known. None is encrypted.
func (a *analysis) openNames(r *relation, res *result, names []int32) {
	r.openOf = nil
	for _, n := range names {
		r.cols = append(r.cols, outCol{name: a.ident(n), sure: true})
	}
	if enc := res.encrypted(); enc != nil {
		a.refuse(RuleUnknownColumns, names[0], enc.lin.col)
	}
}

// cteRef returns the result of a common table expression for a reference that stands in the scope outer.
func (a *analysis) cteRef(c *cteState, outer *scope, tok int32) *result {
	c.visited = true
	if c.busy {
		if c.partial == nil {
			a.refuse(RuleCircular, tok, nil)
		}
		c.recursed = true
		return c.partial
	}
	if a.f.postgres || a.f.mysql {
		// A body sees the query around its WITH clause.
		if c.done == nil {
			c.done = a.cteBody(c, a.bodyScope(c))
		}
		return c.done
	}
	// A body may name columns of the query around the reference, so it is analysed for each reference that
	// has such a query.
	if !outer.empty() {
		a.spend(16 * int(c.cte.sel.end-c.cte.sel.tok))
		return a.cteBody(c, &scope{parent: outer, with: c.def})
	}
	if c.done == nil {
		c.done = a.cteBody(c, &scope{with: c.def})
	}
	return c.done
}

func (a *analysis) cteBody(c *cteState, sc *scope) *result {
	c.visited, c.busy, c.partial, c.recursed = true, true, nil, false
	if c.cte.write != nil {
		return a.writingCTE(c, sc)
	}
	s := c.cte.sel
	inner := sc
	if s.with != nil {
		inner = a.push(s.with, sc)
	}
	res := a.cores(s, inner, c)
	a.limit(s.limit, s.offset, inner)
	if s.with != nil {
		a.rest(inner)
	}
	c.busy, c.partial = false, nil
	if c.recursed {
		res = neutral(res)
	}
	if c.cte.extra {
		if enc := res.encrypted(); enc != nil {
			a.refuse(RuleTableUse, c.cte.name, enc.lin.col)
		}
		res.openOf = append(res.openOf, TableName{})
	}
	return res
}

// joins analyses the ON conditions and function arguments of FROM.
func (a *analysis) joins(sc *scope, list []*source) {
	if a.f.joinScopes {
		return
	}
	for _, s := range list {
		for _, e := range s.args {
			a.plain(sc, e, RuleFunction)
		}
		if s.on != nil {
			a.plain(sc, s.on, RuleExpression)
		}
	}
}

// mergeColumns notes which columns USING or NATURAL merge, and refuses encrypted ones. The relations from
// left on are those of s.
func (a *analysis) mergeColumns(sc *scope, s *source, left int) {
	lhs, rhs := sc.rels[:left], sc.rels[left:]
	for _, r := range rhs {
		r.outer = r.outer || s.join&joinOuter != 0
	}
	if s.nested != nil && (s.using != nil || s.join&joinNatural != 0) {
		// Which of the tables in the parentheses a merged column comes from depends on how the database
		// renames their columns.
		for _, r := range rhs {
			r.natural = true
		}
		for _, r := range sc.rels {
			if r.hasEncrypted() {
				a.refuse(RuleTableUse, s.tok, nil)
			}
		}
		return
	}
	for _, u := range s.using {
		n := a.ident(u)
		for _, r := range sc.rels {
			a.spend(r.width())
			lin, sure := r.has(a.f, n)
			if sure == cantTell {
				a.refuse(RuleAmbiguousColumn, u, nil)
			}
			if lin.encrypted() {
				a.refuse(RuleJoined, u, lin.col)
			}
			lin.spoiled(u)
			r.spoiled(u, false)
		}
		for _, r := range rhs {
			r.merged = append(r.merged, n)
		}
	}
	if s.join&joinNatural == 0 {
		return
	}
	enc := false
	a.spend(len(sc.rels) * 16)
	for _, r := range sc.rels {
		enc = enc || r.hasEncrypted()
		r.spoiled(s.tok, true)
	}
	if !enc {
		for _, r := range rhs {
			r.natural = true
		}
		return
	}
	a.natural(lhs, rhs, s)
}

// natural finds the common columns of a NATURAL join with encrypted columns on a side.
func (a *analysis) natural(lhs, rhs []*relation, s *source) {
	var names []string
	for _, r := range lhs {
		names = append(names, a.columnNames(r, s.tok)...)
	}
	for _, r := range rhs {
		for _, n := range a.columnNames(r, s.tok) {
			for _, m := range names {
				if !a.f.same(m, n) {
					continue
				}
				r.merged = append(r.merged, n)
				for _, side := range [][]*relation{lhs, rhs} {
					for _, r := range side {
						if lin, _ := r.has(a.f, n); lin.encrypted() {
							a.refuse(RuleJoined, s.tok, lin.col)
						}
					}
				}
				break
			}
		}
	}
}

// columnNames returns the names of all columns of r, which must be known.
func (a *analysis) columnNames(r *relation, tok int32) []string {
	if r.unnamed {
		a.refuse(RuleAmbiguousColumn, tok, nil)
	}
	if r.isBase {
		cols, ok := a.columns(r.base, r.table)
		if !ok && len(a.need) == 0 {
			a.refuse(RuleUnknownColumns, tok, nil)
		}
		return cols
	}
	if r.openOf != nil {
		a.needAll(r.openOf, tok)
	}
	var names []string
	for i := range r.cols {
		names = append(names, r.cols[i].name)
	}
	return names
}

// place finds the output that holds the partition of output i, among the first n.
func place(cols []outCol, i, n int, p *tags.Column) int {
	for j := range cols[:n] {
		if cols[j].lin.col == p && cols[j].lin.inst == cols[i].lin.inst {
			return j
		}
	}
	return -1
}
