package sqlplan

import "github.com/asherah-sql/asherah-sql/tags"

// A list is rows that a statement brings along and reads like a table: VALUES in FROM or in a common table
// expression, or arrays that UNNEST makes rows of. Programs change many rows at once with it. What a column of a
// list holds may be stored into an encrypted column: then each of its values is sealed where it stands. That is
// right only if nothing else is done with the column, so every place that names it is noted, and must turn out to
// be one that stores it or one that only hands it on. A place that isn't known stays noted, and refuses.
type list struct {
	core *core // of VALUES
	sc   *scope
	cols []*listColumn
	inst *instance // of its rows
}

// listColumn is a column of a list.
type listColumn struct {
	list  *list
	cells []*expr // by row; of arrays the one array, or its elements
	array bool    // the cell is an array of all rows' values
	uses  []listUse

	to    *tags.Column // that it is stored into, or nil
	at    int32        // where
	parts []Partition  // by row, once they are known
}

// listUse is a place that names a column of a list, or reads it without naming it.
type listUse struct {
	tok  int32
	fine bool
}

// listedValue is a column of a list at one place of FROM: columns of one instance there are of one row.
type listedValue struct {
	*listColumn
	inst *instance
}

// listOf returns the list that a VALUES is. It is the same one each time that its text is analysed.
func (a *analysis) listOf(c *core, sc *scope) *list {
	for _, l := range a.lists {
		if l.core == c {
			return l
		}
	}
	l := &list{core: c, sc: sc, inst: &instance{}}
	a.spend(len(c.values[0]) * len(c.values))
	for i := range c.values[0] {
		col := &listColumn{list: l, cells: make([]*expr, len(c.values))}
		for n, row := range c.values {
			if i < len(row) {
				col.cells[n] = row[i]
			}
		}
		l.cols = append(l.cols, col)
	}
	a.lists = append(a.lists, l)
	return l
}

// unnested makes the relation of UNNEST in FROM, whose arrays are a list, or returns nil for another function.
func (a *analysis) unnested(s *source, sc *scope) *relation {
	if len(s.args) != 1 || s.typed {
		return nil
	}
	f := s.args[0]
	if f.op != opFunc || foldName(a.ident(f.aux)) != "unnest" || len(f.list) == 0 {
		return nil
	}
	if x := f.fn; x.foreign || x.star || x.distinct || x.order != nil || x.filter != nil || x.over != nil {
		return nil
	}
	l := &list{sc: sc, inst: &instance{}}
	elements := 0
	for _, e := range f.list {
		array := bare(e)
		if array.op == opCast {
			array = bare(array.a)
		}
		if array.op == opArray {
			elements++
		}
	}
	res := &result{}
	for i, e := range f.list {
		if before := a.toks[e.tok-1].kind; i == 0 && before != tLParen || i > 0 && before != tComma {
			return nil // VARIADIC, or a name
		}
		col := &listColumn{list: l, cells: []*expr{e}, array: true}
		if elements == len(f.list) {
			a.elements(col, e)
		}
		l.cols = append(l.cols, col)
		out := outCol{lin: lineage{list: col, inst: l.inst, value: e.tok + 1}}
		if len(f.list) == 1 {
			out.name, out.sure = a.ident(f.aux), true
			if s.alias >= 0 {
				out.name = a.ident(s.alias)
			}
		}
		res.cols = append(res.cols, out)
	}
	if elements == len(f.list) {
		a.level(l)
	}
	a.lists = append(a.lists, l)
	if s.ordinality {
		res.cols = append(res.cols, outCol{name: "ordinality", sure: true})
	}
	alias := s.alias
	if alias < 0 {
		alias = f.aux
	}
	r := a.derived(alias, res, nil)
	if s.cols != nil {
		r = a.renamed(r, s)
	}
	return r
}

// elements makes the cells of a column from ARRAY[…], perhaps with a cast.
func (a *analysis) elements(col *listColumn, e *expr) {
	b := bare(e)
	if b.op == opCast {
		b = bare(b.a)
	}
	col.cells, col.array = b.list, false
	if c := bare(e); c.op == opCast && !a.arrayCast(c) {
		col.cells = []*expr{e} // an expression: what its elements become isn't known
	}
}

// level gives all columns of a list as many rows: UNNEST fills up with NULL.
func (a *analysis) level(l *list) {
	rows := 0
	for _, c := range l.cols {
		rows = max(rows, len(c.cells))
	}
	a.spend(rows * len(l.cols))
	for _, c := range l.cols {
		cells := make([]*expr, rows)
		copy(cells, c.cells)
		c.cells = cells
	}
}

// arrayCast reports whether a cast goes to an array of an unbounded text or binary type.
func (a *analysis) arrayCast(e *expr) bool {
	end := e.auxEnd
	if end-e.aux < 3 || a.text[a.toks[end-2].off] != '[' || a.text[a.toks[end-1].off] != ']' {
		return false
	}
	t, ok := a.typeText(e.aux, end-2)
	return ok && (a.f.textCasts[t] || t == "character varying")
}

// use notes that a token reads a column of a list.
func (c *listColumn) use(tok int32) {
	for i := range c.uses {
		if c.uses[i].tok == tok {
			return
		}
	}
	c.uses = append(c.uses, listUse{tok: tok})
}

// used notes that a name means lin, and returns lin with the place of the name.
func (a *analysis) used(lin lineage, tok int32) lineage {
	if lin.list != nil {
		a.spend(len(lin.list.uses))
		lin.list.use(tok)
		lin.said = tok
	}
	return lin
}

// harmlessUse notes that nothing is done with the value of lin where it was named.
func (l lineage) harmlessUse() {
	if l.list == nil {
		return
	}
	for i := range l.list.uses {
		if u := &l.list.uses[i]; u.tok == l.said {
			u.fine = true
		}
	}
}

// spoiled notes that what a token does may read a column of a list in an unknown way.
func (l lineage) spoiled(tok int32) {
	if l.list != nil {
		l.list.uses = append(l.list.uses, listUse{tok: tok})
	}
}

// spoiled notes that what a token does may read the columns of r in an unknown way: all of them, or those whose
// names aren't sure.
func (r *relation) spoiled(tok int32, all bool) {
	for i := range r.cols {
		if c := &r.cols[i]; all || !c.sure {
			c.lin.spoiled(tok)
		}
	}
}

// spoiled notes that the outputs of a query are read in an unknown way.
func (r *result) spoiled(tok int32) {
	for i := range r.cols {
		r.cols[i].lin.spoiled(tok)
	}
}

// storeListed is what storing a column of a list into the encrypted column c comes to.
func (a *analysis) storeListed(c *tags.Column, lin lineage) stored {
	l := lin.list
	if l.to != nil && l.to != c {
		a.refuse(RuleListTwice, lin.said, c)
	}
	l.to, l.at = c, lin.said
	lin.harmlessUse()
	return stored{kind: storedListed, from: &listedValue{l, lin.inst}}
}

// sealListed seals the column of a list for the encrypted column that v stores it into. partition says whose the value of
// a row is.
func (a *analysis) sealListed(v *listedValue, partition func(row int) Partition) {
	l := v.listColumn
	parts := make([]Partition, len(l.cells))
	a.spend(len(parts))
	for n := range parts {
		parts[n] = partition(n)
	}
	if l.parts == nil {
		l.parts = parts
		return
	}
	for n := range parts {
		if !samePartition(&l.parts[n], &parts[n]) {
			a.refuse(RuleListTwice, l.at, l.to)
		}
		l.parts[n].Compared = l.parts[n].Compared || parts[n].Compared
	}
}

// partitionsOf returns the partitions of the rows of v when p, a column of the same list, names them.
func (a *analysis) partitionsOf(v, p *listedValue, compared bool) func(row int) Partition {
	col := v.to
	if p.list != v.list || p.inst != v.inst || p.array != v.array || p.to != nil {
		a.refuse(RulePartitionValue, v.at, col.Partition)
	}
	return func(n int) Partition {
		e := v.cells[n]
		if e == nil || isNull(bare(e)) {
			return Partition{From: FromSources}
		}
		part := Partition{From: FromSources, Compared: compared, Array: p.array}
		cell := p.cells[n]
		if cell == nil {
			a.refuse(RulePartitionValue, v.at, col.Partition)
		}
		s := a.listedSource(col.Partition, p.listColumn, cell, true)
		if !s.isPartitionSource() {
			a.refuse(RulePartitionValue, cell.tok, col.Partition)
		}
		if s.src.Param > 0 && a.f.mysql && a.mode.MariaDB {
			a.refuseParam(RuleListParam, cell.tok, col.Partition, cell)
		}
		part.Sources = []Source{s.src}
		return part
	}
}

// listedSource returns the source that a cell of a list is.
func (a *analysis) listedSource(c *tags.Column, l *listColumn, cell *expr, partition bool) stored {
	if l.array {
		e := bare(cell)
		e.seen = true
		if e.op == opCast {
			if !partition && !a.arrayCast(e) {
				a.refuseParam(RuleStoredCast, cell.tok, c, cell)
			}
			e = bare(e.a)
			e.seen = true
		}
		src, ok := a.source(e)
		if e.op != opParam && e.op != opString || !ok {
			a.refuseParam(RuleStoredExpression, cell.tok, c, cell)
		}
		return stored{kind: storedSource, src: src}
	}
	if partition {
		if src, ok := a.source(a.partitionExpr(cell)); ok {
			return stored{kind: storedSource, src: src}
		}
		return stored{}
	}
	s := a.storeEncrypted(&writer{rel: &relation{inst: &instance{}}}, l.list.sc, c, cell)
	if s.kind != storedNull && s.kind != storedSource {
		a.refuse(RuleStoredColumn, cell.tok, c)
	}
	return s
}

// checkLists seals what is stored of the lists of a statement, and refuses what would go along in the clear: a
// column that is stored into an encrypted column and read for something else, and a value in a column that is named
// like an encrypted one of a table that the statement touches. Where nothing reads that column, as in statements
// that bring all columns of a model along, NULL takes the place of its values.
func (a *analysis) checkLists() {
	for _, l := range a.lists {
		for _, c := range l.cols {
			if c.to != nil {
				a.sealColumn(c)
			}
		}
	}
	for _, s := range a.shadows {
		if s.list != nil && s.list.to != nil {
			continue
		}
		for _, t := range a.cur.Tables {
			a.spend(len(t.Columns))
			c := t.Column(s.name)
			if c == nil || !c.Encrypted {
				continue
			}
			if s.list == nil || s.list.array || len(s.list.uses) > 0 && !s.list.handedOn() {
				a.refuse(RuleShadow, s.tok, c)
			}
			s.list.to = c
			a.dropColumn(s.list)
			break
		}
	}
	a.lists = a.lists[:0]
}

// handedOn reports whether nothing but derived tables that nobody reads the column of read it.
func (c *listColumn) handedOn() bool {
	for _, u := range c.uses {
		if !u.fine {
			return false
		}
	}
	return true
}

func (a *analysis) sealColumn(c *listColumn) {
	for _, u := range c.uses {
		if !u.fine {
			a.refuse(RuleListUsed, max(u.tok, 0), c.to)
		}
	}
	if c.parts == nil {
		a.refuse(RuleStoredColumn, c.at, c.to)
	}
	for n, e := range c.cells {
		if e == nil {
			continue // NULL
		}
		s := a.listedSource(c.to, c, e, false)
		if s.kind == storedNull {
			continue
		}
		if s.src.Param > 0 && a.f.mysql && a.mode.MariaDB {
			a.refuseParam(RuleListParam, e.tok, c.to, e)
		}
		row := n
		if c.array {
			row = -1
		}
		if c.parts[n].From == FromSources && len(c.parts[n].Sources) == 0 {
			a.refuse(RulePartitionValue, e.tok, c.to.Partition)
		}
		a.addValue(c.to, s.src, c.parts[n], row)
		a.plan.Values[len(a.plan.Values)-1].Array = c.array
	}
}

// dropColumn puts NULL in the place of the values of a column that nothing reads.
func (a *analysis) dropColumn(c *listColumn) {
	for n, e := range c.cells {
		b := bare(e)
		if b.op == opCast || b.op == opTyped {
			b = bare(b.a)
		}
		if b.op == opNull {
			continue
		}
		src, ok := a.source(b)
		if !ok || bare(e).op == opTyped {
			a.refuse(RuleShadow, e.tok, c.to)
		}
		a.plan.Values = append(a.plan.Values, Value{Column: c.to, Source: src, Row: n, Unused: true})
	}
}

// listedPin returns the column of a list that a top-level conjunct of the condition compares the target's column p
// with, or nil.
func (a *analysis) listedPin(w *writer, e *expr, p *tags.Column) *listedValue {
	if e == nil {
		return nil
	}
	e = bare(e)
	for e.op == opAnd { // leans to the left
		if v := a.listedPin(w, e.b, p); v != nil {
			return v
		}
		e = bare(e.a)
	}
	if e.op != opEq {
		return nil
	}
	for _, side := range [2][2]*expr{{e.a, e.b}, {e.b, e.a}} {
		col, other := bare(side[0]), a.partitionExpr(side[1])
		if col.op != opColumn || other.op != opColumn {
			continue
		}
		if lin := a.resolve(w.sc, col); lin.col != p || lin.inst != w.rel.inst {
			continue
		}
		if lin := a.resolve(w.sc, other); lin.list != nil {
			return &listedValue{lin.list, lin.inst}
		}
	}
	return nil
}

// setListed seals what SET stores of a list into an encrypted column, if its partition is known from the statement:
// set too, or compared with the list in one of the conditions.
func (a *analysis) setListed(w *writer, list []written, v *written, conditions ...*expr) bool {
	p := v.col.Partition
	if p == nil {
		a.sealListed(v.from, func(int) Partition { return Partition{From: InForce} })
		return true
	}
	if set := find(list, p); set != nil {
		switch set.kind {
		case storedListed:
			a.sealListed(v.from, a.partitionsOf(v.from, set.from, false))
			return true
		case storedSource:
			a.sealListed(v.from, func(int) Partition { return Partition{From: FromSources, Sources: []Source{set.src}} })
			return true
		case storedSame:
		default:
			a.refuse(RulePartitionValue, set.e.tok, p)
		}
	}
	for _, e := range conditions {
		if pin := a.listedPin(w, e, p); pin != nil && pin.list == v.from.list && pin.inst == v.from.inst {
			a.sealListed(v.from, a.partitionsOf(v.from, pin, true))
			return true
		}
	}
	return false
}
