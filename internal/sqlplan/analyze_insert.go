package sqlplan

import (
	"slices"

	"github.com/asherah-sql/asherah-sql/tags"
)

// insertStatement analyses an INSERT or REPLACE.
func (a *analysis) insertStatement(s *stmt, i int, root *scope) {
	in := s.ins
	if in.with != nil {
		root = a.push(in.with, root)
	}
	w := a.writer(&in.target, root)
	a.ignore = in.ignore
	for _, e := range in.subs {
		a.plain(root, e, RuleExpression)
	}
	var rows insertedRows
	fromQuery := false
	if in.sel != nil {
		if in.part && w.table != nil {
			a.refuse(RuleStoredPart, in.target.tok, nil)
		}
		if c := in.sel.cores; len(c) == 1 && c[0].values != nil && in.sel.order == nil && in.sel.limit == nil && in.sel.offset == nil {
			sel := root
			if in.sel.with != nil {
				sel = a.push(in.sel.with, root)
			}
			values := &scope{parent: sel, with: sel.with}
			if a.f.mysql {
				values.rels = w.sc.rels // a value may name columns that come before it
			}
			rows = a.insertRows(&w, in, c[0], values)
			if in.sel.with != nil {
				a.rest(sel)
			}
		} else {
			fromQuery = true
			a.insertSelect(&w, in, root)
		}
	}
	for n := range in.upserts {
		a.upsert(&w, in, &in.upserts[n], rows, fromQuery, root)
	}
	a.returning(i, &w, in.returning, in.names, root)
	if in.with != nil {
		a.rest(root)
	}
}

// insertColumns returns the registered columns that the values of an INSERT go to, in order; nil stands for a
// column that isn't registered. Without a column list they are the table's, and the list is spliced into the
// text: a catalogue that has become stale can't put a value into another column. rows are those of VALUES, if any:
// PostgreSQL lets them give fewer values than there are columns, for the first ones.
func (a *analysis) insertColumns(w *writer, in *insertStmt, rows [][]*expr) []*tags.Column {
	if in.hasCols {
		cols := make([]*tags.Column, len(in.cols))
		for i, tok := range in.cols {
			c := a.columnOf(w.table, tok)
			cols[i] = c
			for j := 0; c != nil && j < i; j++ {
				if cols[j] == c {
					a.refuse(RuleStoredTwice, tok, c)
				}
			}
		}
		return cols
	}
	names, ok := a.columns(w.rel.base, w.table)
	if !ok {
		if len(a.need) == 0 {
			a.refuse(RuleUnknownColumns, in.target.tok, nil)
		}
		return nil
	}
	if a.f.postgres && len(rows) > 0 && len(rows[0]) > 0 {
		names = names[:min(len(names), len(rows[0]))]
	}
	cols := make([]*tags.Column, len(names))
	text := []byte(" (")
	for i, n := range names {
		cols[i] = w.table.Column(n)
		if i > 0 {
			text = append(text, ", "...)
		}
		text = append(text, a.f.dialect.QuoteIdent(n)...)
	}
	text = append(text, ')')
	at := int(a.toks[in.target.end-1].end)
	a.plan.Edits = append(a.plan.Edits, Edit{Offset: at, End: at, Text: string(text)})
	return cols
}

// insertedRows is what the rows of VALUES store into partition columns: for each row, one after the other,
// in the order of partitions.
type insertedRows []stored

// insertRows analyses the rows of VALUES.
func (a *analysis) insertRows(w *writer, in *insertStmt, c *core, sc *scope) insertedRows {
	if w.table == nil {
		for _, row := range c.values {
			for _, e := range row {
				a.store(w, sc, nil, e)
			}
		}
		return nil
	}
	if a.f.mysql && !in.hasCols && !slices.ContainsFunc(c.values, func(row []*expr) bool { return len(row) > 0 }) {
		return nil // every column has its default
	}
	cols := a.insertColumns(w, in, c.values)
	if cols == nil {
		return nil
	}
	parts := partitions(w.table)
	n := len(c.values) * len(parts)
	a.stored = append(a.stored[:0], make([]stored, n+len(cols))...)
	rows, values := insertedRows(a.stored[:n]), a.stored[n:]
	sources := make([]Source, 0, len(c.values)*len(parts))
	encrypted := 0
	for _, col := range cols {
		if col != nil && col.Encrypted {
			encrypted++
		}
	}
	if n := len(c.values) * encrypted; a.plan.Values == nil && n > 0 {
		a.plan.Values = make([]Value, 0, n)
	}
	for n, row := range c.values {
		if len(row) != len(cols) {
			at := c.tok
			if len(row) > 0 {
				at = row[0].tok
			}
			a.refuse(RuleRowWidth, at, nil)
		}
		own := rows[n*len(parts) : (n+1)*len(parts)]
		for i, e := range row {
			values[i] = a.store(w, sc, cols[i], e)
			if values[i].kind == storedSame && cols[i].Encrypted {
				a.refuse(RuleStoredColumn, e.tok, cols[i])
			}
			for k, p := range parts {
				if cols[i] == p {
					own[k] = values[i]
				}
			}
		}
		var bySource [4][]Source // by partition: its sources, made once a row
		for i, col := range cols {
			if col == nil || !col.Encrypted {
				continue
			}
			if values[i].kind == storedListed {
				a.insertListed(values[i].from, cols, values, row[i].tok)
			}
			if values[i].kind != storedSource {
				continue
			}
			part := Partition{From: InForce}
			if col.Partition != nil {
				k := indexOf(parts, col.Partition)
				p := &own[k]
				if indexOf(cols, col.Partition) < 0 {
					a.refuseParam(RuleNoPartition, row[i].tok, col, row[i])
				}
				if !p.isPartitionSource() {
					a.refuse(RulePartitionValue, row[indexOf(cols, col.Partition)].tok, col.Partition)
				}
				if k >= len(bySource) || bySource[k] == nil {
					sources = append(sources, p.src)
					s := sources[len(sources)-1 : len(sources) : len(sources)]
					if k < len(bySource) {
						bySource[k] = s
					}
					part = Partition{From: FromSources, Sources: s}
				} else {
					part = Partition{From: FromSources, Sources: bySource[k]}
				}
			}
			a.addValue(col, values[i].src, part, n)
		}
	}
	return rows
}

// insertListed seals a column of a list that is inserted beside the other values of its row.
func (a *analysis) insertListed(v *listedValue, cols []*tags.Column, values []stored, tok int32) {
	p := v.to.Partition
	if p == nil {
		a.sealListed(v, func(int) Partition { return Partition{From: InForce} })
		return
	}
	k := indexOf(cols, p)
	if k < 0 {
		a.refuse(RuleNoPartition, tok, v.to)
	}
	switch own := &values[k]; {
	case own.kind == storedListed:
		a.sealListed(v, a.partitionsOf(v, own.from, false))
	case own.isPartitionSource():
		a.sealListed(v, func(int) Partition { return Partition{From: FromSources, Sources: []Source{own.src}} })
	default:
		a.refuse(RulePartitionValue, tok, p)
	}
}

// partitions returns the columns of a table that name partitions, each once.
func partitions(t *tags.Table) []*tags.Column {
	var parts []*tags.Column
	for _, c := range t.Columns {
		if c.Encrypted && c.Partition != nil && indexOf(parts, c.Partition) < 0 {
			parts = append(parts, c.Partition)
		}
	}
	return parts
}

func indexOf(cols []*tags.Column, c *tags.Column) int {
	for i := range cols {
		if cols[i] == c {
			return i
		}
	}
	return -1
}

// insertSelect analyses INSERT … SELECT. A value that is already sealed may be copied only to where it came
// from: the same column, with the same partition.
func (a *analysis) insertSelect(w *writer, in *insertStmt, root *scope) {
	res := a.query(in.sel, root)
	if a.f.mysql && res.scope != nil {
		a.selected = res.scope.rels
	}
	if w.table == nil {
		if enc := res.encrypted(); enc != nil {
			a.refuse(RuleCopied, in.sel.tok, enc.lin.col)
		}
		return
	}
	if len(res.openOf) > 0 {
		if in.hasCols && res.encrypted() == nil {
			// Whatever they are, no column among them is encrypted: they may go to plain columns.
			plain := true
			for i, c := range a.insertColumns(w, in, nil) {
				if c != nil && c.Encrypted {
					a.refuse(RuleStoredSelect, in.cols[i], c)
				}
				plain = plain && (c == nil || !w.isPartition(c))
			}
			if plain {
				return
			}
		}
		a.needAll(res.openOf, in.sel.tok)
		return
	}
	cols := a.insertColumns(w, in, nil)
	if cols == nil {
		return
	}
	if len(cols) != len(res.cols) {
		a.refuse(RuleRowWidth, in.sel.tok, nil)
	}
	for i, c := range cols {
		lin := res.cols[i].lin
		if c == nil || !c.Encrypted {
			if lin.encrypted() {
				a.refuse(RuleCopied, in.sel.tok, lin.col)
			}
			continue
		}
		if lin.null {
			continue
		}
		if a.f.mysql {
			a.mayCut(c, Source{})
		}
		if lin.list != nil {
			a.insertListed(a.storeListed(c, lin).from, cols, a.selectedValues(res, cols), in.sel.tok)
			continue
		}
		if lin.col != c {
			a.refuseParam(RuleStoredSelect, in.sel.tok, c, nil)
		}
		if c.Partition == nil {
			continue
		}
		k := indexOf(cols, c.Partition)
		if k < 0 {
			a.refuse(RuleNoPartition, in.sel.tok, c)
		}
		if p := res.cols[k].lin; p.col != c.Partition || p.inst != lin.inst || lin.inst == nil {
			a.refuse(RulePartitionValue, in.sel.tok, c.Partition)
		}
	}
	a.expandStar(in, res)
}

// selectedValues returns what a query gives to partition columns that it doesn't read from a registered table: a
// column of a list, a placeholder or a literal.
func (a *analysis) selectedValues(res *result, cols []*tags.Column) []stored {
	values := make([]stored, len(cols))
	for i := range cols {
		switch lin := res.cols[i].lin; {
		case lin.list != nil:
			values[i] = stored{kind: storedListed, from: &listedValue{lin.list, lin.inst}}
		case lin.value > 0 && res.core != nil && len(res.core.cols) == len(cols) && res.core.cols[i].e != nil:
			if src, ok := a.source(a.partitionExpr(res.core.cols[i].e)); ok {
				values[i] = stored{kind: storedSource, src: src}
			}
		}
	}
	return values
}

// expandStar replaces a star whose columns are inserted by their names, so that they can't shift against the
// columns that they go to.
func (a *analysis) expandStar(in *insertStmt, res *result) {
	if res.encrypted() == nil {
		return
	}
	for i := range res.cols {
		if !res.cols[i].star {
			continue
		}
		c := res.core
		if c == nil || len(c.cols) != 1 || len(res.scope.rels) != 1 || res.scope.rels[0].name == "" {
			a.refuse(RuleUnknownColumns, in.sel.tok, nil)
		}
		quote := a.f.dialect.QuoteIdent
		var text []byte
		for j := range res.cols {
			if j > 0 {
				text = append(text, ", "...)
			}
			text = append(text, quote(res.scope.rels[0].name)...)
			text = append(text, '.')
			text = append(text, quote(res.cols[j].name)...)
		}
		star := &c.cols[0]
		if c.table {
			text = append(append([]byte("SELECT "), text...), " FROM"...)
		}
		a.plan.Edits = append(a.plan.Edits, Edit{
			Offset: int(a.toks[star.tok].off), End: int(a.toks[star.end-1].end), Text: string(text),
		})
		return
	}
}

// upsert analyses one ON CONFLICT clause. The row in conflict is another one than those inserted: its
// partition is theirs only if the conflict is about the partition column, or if that is set from them.
func (a *analysis) upsert(w *writer, in *insertStmt, u *upsert, rows insertedRows, fromQuery bool, root *scope) {
	for _, e := range u.target {
		lin := a.value(w.sc, e)
		if lin.encrypted() {
			a.refuse(RuleConflictTarget, e.tok, lin.col)
		}
	}
	if u.targetWhere != nil {
		a.plain(w.sc, u.targetWhere, RuleExpression)
	}
	if !u.update {
		return
	}
	ex := &relation{isBase: true, name: "excluded", base: w.rel.base, table: w.table, qualifiedOnly: true}
	if w.table != nil {
		ex.inst = &instance{rel: ex}
	}
	x := writer{rel: w.rel, table: w.table, excluded: ex}
	x.sc = &scope{parent: root, with: root.with, rels: []*relation{w.rel, ex}}
	if u.duplicate {
		a.duplicateRows(&x, in)
		defer func() { a.excluded = nil }()
	}
	list := a.assignments(&x, u.set)
	if u.where != nil {
		a.plain(x.sc, u.where, RuleExpression)
	}
	if w.table == nil {
		return
	}
	a.checkMove(&x, list)
	parts := partitions(w.table)
	for i := range list {
		v := &list[i]
		if v.kind == storedListed && v.col.Encrypted {
			a.refuse(RuleStoredColumn, v.e.tok, v.col) // which row of the list belongs to the row in conflict isn't known
		}
		if !v.col.Encrypted || v.kind != storedSource && v.kind != storedExcluded {
			continue
		}
		p := v.col.Partition
		if p == nil {
			if v.kind == storedSource {
				a.addValue(v.col, v.src, Partition{From: InForce}, -1)
			}
			continue
		}
		set := find(list, p)
		kept := a.inTarget(w, u, p) || a.keptBy(&x, u.where, p)
		moved := set != nil && set.kind == storedSource
		if u.duplicate && set == nil && !fromQuery && len(rows) > 0 {
			a.guard(in, v, p)
			kept = true
		}
		if !moved && !(set != nil && set.kind == storedExcluded) && !kept {
			rule := RulePartitionUpsert
			if v.kind == storedExcluded {
				rule = RuleExcluded
			}
			a.refuse(rule, v.e.tok, v.col)
		}
		if v.kind == storedExcluded {
			continue
		}
		part := Partition{From: FromSources}
		if moved {
			part.Sources = []Source{set.src}
		} else {
			if fromQuery || len(rows) == 0 {
				a.refuse(RulePartitionUpsert, v.e.tok, v.col)
			}
			for k := indexOf(parts, p); k < len(rows); k += len(parts) {
				if !rows[k].isPartitionSource() {
					a.refuse(RulePartitionUpsert, v.e.tok, v.col)
				}
				part.Sources = appendSource(part.Sources, rows[k].src)
			}
		}
		a.addValue(v.col, v.src, part, -1)
	}
}

// guard makes an assignment of ON DUPLICATE KEY UPDATE fail where the row in conflict has another partition than the
// row inserted: any unique key may be the one that they share, so only the server can tell. Bytes are compared, since
// a collation may take two partitions for one. Arithmetic out of range is an error under each sql_mode, which an
// expression over the row's own column isn't evaluated early for.
func (a *analysis) guard(in *insertStmt, v *written, p *tags.Column) {
	quote := a.f.dialect.QuoteIdent
	here := quote(a.ident(in.target.name.tok)) + "." + quote(p.Name)
	from, to := int(a.toks[v.e.tok].off), int(a.toks[v.e.end-1].end)
	a.plan.Edits = append(a.plan.Edits,
		Edit{Offset: from, End: from, Text: "IF(CAST(" + here + " AS BINARY) <=> CAST(VALUES(" + quote(p.Name) + ") AS BINARY), "},
		Edit{Offset: to, End: to, Text: ", 18446744073709551615 + LENGTH(CONCAT_WS('', " + here + ", '" + OtherPartition + "')))"})
}

// appendSource appends src unless it is the one just appended, as in the rows of one tenant.
func appendSource(list []Source, src Source) []Source {
	if n := len(list); n > 0 && sameSource(&list[n-1], &src) {
		return list
	}
	return append(list, src)
}

// keptBy reports whether a conjunct of the condition of DO UPDATE says that the row in conflict has the
// partition of the row inserted.
func (a *analysis) keptBy(x *writer, e *expr, p *tags.Column) bool {
	if e == nil {
		return false
	}
	e = bare(e)
	for e.op == opAnd { // leans to the left
		if a.keptBy(x, e.b, p) {
			return true
		}
		e = bare(e.a)
	}
	if e.op != opEq {
		return false
	}
	l, r := bare(e.a), bare(e.b)
	if l.op != opColumn || r.op != opColumn {
		return false
	}
	ll, rl := a.resolve(x.sc, l), a.resolve(x.sc, r)
	if ll.inst == x.excluded.inst {
		ll, rl = rl, ll
	}
	return ll.col == p && rl.col == p && ll.inst == x.rel.inst && rl.inst == x.excluded.inst
}

// inTarget reports whether c stands bare in the conflict target, where the rows in conflict have the same
// value.
func (a *analysis) inTarget(w *writer, u *upsert, c *tags.Column) bool {
	for _, e := range u.target {
		if b := bare(e); b.op == opColumn {
			if lin := a.resolve(w.sc, b); lin.col == c && lin.inst == w.rel.inst {
				return true
			}
		}
	}
	return false
}
