package sqlplan

import "github.com/asherah-sql/asherah-sql/tags"

// storedKind is the kind of a value that a statement stores.
type storedKind uint8

const (
	storedOther storedKind = iota // computed by the database
	storedNull
	storedSource   // a placeholder or a literal
	storedSame     // the row's own value of the same column
	storedExcluded // excluded.c of the same column
)

// stored is what a statement stores into a column.
type stored struct {
	kind storedKind
	src  Source
}

// written is one column that SET assigns.
type written struct {
	col *tags.Column // encrypted, or one that names a partition
	e   *expr
	stored
}

// writer is what the parts of a writing statement share.
type writer struct {
	rel      *relation // the target
	table    *tags.Table
	excluded *relation // of an upsert
	sc       *scope
}

// target makes the writer of a statement's target.
func (a *analysis) writer(t *target, root *scope) writer {
	if t.name.schema < 0 && a.findCTE(root.with, a.ident(t.name.tok)) != nil {
		// Which of the two a part of the statement means differs between databases, and versions.
		if a.lookup(t.name) != nil {
			a.refuse(RuleHiddenTarget, t.name.tok, nil)
		}
	}
	r := a.baseRelation(t.name, t.alias)
	return writer{rel: r, table: r.table, sc: &scope{parent: root, with: root.with, rels: []*relation{r}}}
}

// column returns the registered column that a name token in a column list means, or nil.
func (w *writer) column(name string) *tags.Column {
	if w.table == nil {
		return nil
	}
	return w.table.Column(name)
}

// isPartition reports whether some encrypted column's partition is c.
func (w *writer) isPartition(c *tags.Column) bool {
	for _, e := range w.table.Columns {
		if e.Encrypted && e.Partition == c {
			return true
		}
	}
	return false
}

// store analyses a value that is stored into c, which may be nil or not encrypted.
func (a *analysis) store(w *writer, sc *scope, c *tags.Column, e *expr) stored {
	if c == nil || !c.Encrypted {
		lin := a.value(sc, e)
		if lin.encrypted() {
			a.refuse(RuleCopied, e.tok, lin.col)
		}
		if c == nil {
			return stored{}
		}
		switch b := bare(e); {
		case lin.null:
			return stored{kind: storedNull}
		case b.op == opParam, b.op == opString, b.op == opNumber, b.op == opBlob, b.op == opNeg, b.op == opPos:
			if src, ok := a.source(b); ok {
				return stored{kind: storedSource, src: src}
			}
		case lin.col == c && lin.inst == w.rel.inst:
			return stored{kind: storedSame}
		case lin.col == c && w.excluded != nil && lin.inst == w.excluded.inst:
			return stored{kind: storedExcluded}
		}
		return stored{}
	}
	return a.storeEncrypted(w, sc, c, e)
}

// storeEncrypted analyses a value that is stored into the encrypted column c: only a bare placeholder or
// literal can be sealed.
func (a *analysis) storeEncrypted(w *writer, sc *scope, c *tags.Column, e *expr) stored {
	b := bare(e)
	b.seen = true
	if b.op == opCast {
		if !a.f.textCast(a, b) {
			a.refuseParam(RuleStoredCast, e.tok, c, e)
		}
		b = bare(b.a)
		b.seen = true
	}
	switch b.op {
	case opNull:
		return stored{kind: storedNull}
	case opParam, opString, opBlob, opNumber:
		if src, ok := a.source(b); ok {
			return stored{kind: storedSource, src: src}
		}
		a.refuse(RuleStoredNumber, b.tok, c)
	case opNeg, opPos:
		if b.a.op != opNumber {
			break
		}
		b.a.seen = true
		if src, ok := a.source(b); ok {
			return stored{kind: storedSource, src: src}
		}
		a.refuse(RuleStoredNumber, b.tok, c)
	case opColumn:
		return a.storeColumn(w, sc, c, b)
	case opSubquery, opExists, opInSelect:
		a.refuseParam(RuleStoredSelect, e.tok, c, e)
	}
	a.refuseParam(RuleStoredExpression, e.tok, c, e)
	return stored{}
}

// storeColumn analyses a name that is stored into the encrypted column c: the same column of the same row, or
// a word that is no column at all.
func (a *analysis) storeColumn(w *writer, sc *scope, c *tags.Column, e *expr) stored {
	first := &a.toks[e.tok]
	single := e.end == e.tok+1
	lin := a.resolve(sc, e)
	switch {
	case lin.col == c && lin.inst == w.rel.inst:
		return stored{kind: storedSame}
	case lin.col == c && w.excluded != nil && lin.inst == w.excluded.inst:
		return stored{kind: storedExcluded}
	case a.f.wordValues && single && first.kind == tWord && lin.col == nil:
		// TRUE and FALSE are values where they are no columns.
		word := a.ident(e.tok)
		isTrue := equalFold(word, "true")
		if (isTrue || equalFold(word, "false")) && a.noColumn(sc, word, e.tok, c) {
			l := &Literal{Value: isTrue, Offset: int(first.off), End: int(first.end)}
			return stored{kind: storedSource, src: Source{Literal: l}}
		}
	case single && first.kind == tQuoted && a.text[first.off] == '"' && lin.col == nil:
		a.refuse(RuleStoredDoubleQuotes, e.tok, c)
	}
	a.refuse(RuleStoredColumn, e.tok, c)
	return stored{}
}

// noColumn reports whether no relation of sc has a column of that name, as the database knows them.
func (a *analysis) noColumn(sc *scope, name string, tok int32, c *tags.Column) bool {
	for ; sc != nil; sc = sc.parent {
		for _, r := range sc.rels {
			if r.qualifiedOnly {
				continue
			}
			switch _, sure := r.has(a.f, name); sure {
			case hasNot:
			case mayHave:
				switch a.knows(r, name) {
				case hasIt:
					return false
				case mayHave:
					if len(a.need) == 0 {
						a.refuse(RuleAmbiguousColumn, tok, c)
					}
				}
			default:
				return false
			}
		}
	}
	return true
}

// sqliteTextCast reports whether a cast goes to an unbounded text or binary type, which leaves a sealed value
// as it is.
func sqliteTextCast(a *analysis, e *expr) bool {
	return e.auxEnd == e.aux+1 && a.f.textCasts[foldName(a.ident(e.aux))]
}

// source returns the placeholder or literal that e is. ok is false when e is neither, or a number that can't
// be read exactly.
func (a *analysis) source(e *expr) (src Source, ok bool) {
	t := &a.toks[e.tok]
	lit := func(v any, end int32) Source {
		return Source{Literal: &Literal{Value: v, Offset: int(t.off), End: int(end)}}
	}
	s := a.text[t.off:t.end]
	switch e.op {
	case opParam:
		return Source{Param: a.param(e.tok) + 1}, true
	case opString:
		v, ok := a.f.str(s, a.mode)
		return lit(v, t.end), ok
	case opBlob:
		return lit(blobBytes(s), t.end), true
	case opNumber:
		v, ok := parseNumber(s, false)
		return lit(v, t.end), ok
	case opNeg, opPos:
		if e.a.op != opNumber {
			return Source{}, false
		}
		n := &a.toks[e.a.tok]
		v, ok := parseNumber(a.text[n.off:n.end], e.op == opNeg)
		return lit(v, n.end), ok
	}
	return Source{}, false
}

// blobBytes decodes X'…', which the lexer has checked.
func blobBytes(s string) []byte {
	digits := s[2 : len(s)-1]
	b := make([]byte, len(digits)/2)
	for i := range b {
		b[i] = hexValue(digits[2*i])<<4 | hexValue(digits[2*i+1])
	}
	return b
}

func hexValue(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return lower(c) - 'a' + 10
}

// addValue notes a value to be sealed.
func (a *analysis) addValue(c *tags.Column, src Source, p Partition, row int) {
	a.plan.Values = append(a.plan.Values, Value{Column: c, Source: src, Partition: p, Row: row})
}

// isPartitionSource reports whether a stored value can name a partition: a placeholder, a string or an
// integer.
func (s *stored) isPartitionSource() bool {
	if s.kind != storedSource {
		return false
	}
	if s.src.Literal == nil {
		return true
	}
	switch s.src.Literal.Value.(type) {
	case string, int64:
		return true
	}
	return false
}

// assignments analyses the assignments of SET and returns those of encrypted and of partition columns.
func (a *analysis) assignments(w *writer, set []assign) []written {
	var list []written
	one := func(tok int32, e *expr) {
		name := a.ident(tok)
		c := w.column(name)
		if c == nil {
			a.store(w, w.sc, nil, e)
			return
		}
		if !c.Encrypted && !w.isPartition(c) {
			a.store(w, w.sc, nil, e)
			return
		}
		for i := range list {
			if list[i].col == c {
				a.refuse(RuleStoredTwice, tok, c)
			}
		}
		list = append(list, written{col: c, e: e, stored: a.store(w, w.sc, c, e)})
	}
	for i := range set {
		s := &set[i]
		if len(s.cols) == 1 {
			one(s.cols[0], s.e)
			continue
		}
		e := bare(s.e)
		e.seen = true
		switch {
		case e.op == opRow && len(e.list) == len(s.cols):
			for j, x := range e.list {
				one(s.cols[j], x)
			}
		case e.op == opSubquery:
			a.assignQuery(w, s, e)
		default:
			a.refuse(RuleRowWidth, s.tok, nil)
		}
	}
	return list
}

// assignQuery analyses (a, b) = (SELECT …), which may not concern an encrypted or a partition column.
func (a *analysis) assignQuery(w *writer, s *assign, e *expr) {
	for _, tok := range s.cols {
		if c := w.column(a.ident(tok)); c != nil && (c.Encrypted || w.isPartition(c)) {
			rule := RuleStoredSelect
			if !c.Encrypted {
				rule = RulePartitionValue
			}
			a.refuse(rule, tok, c)
		}
	}
	if enc := a.query(e.sel, w.sc).encrypted(); enc != nil {
		a.refuse(RuleCopied, e.tok, enc.lin.col)
	}
}

// find returns the assignment of c, or nil.
func find(list []written, c *tags.Column) *written {
	for i := range list {
		if list[i].col == c {
			return &list[i]
		}
	}
	return nil
}

// checkMove refuses assignments that change a partition column and leave an encrypted column sealed for the
// old partition.
func (a *analysis) checkMove(w *writer, list []written) {
	for i := range list {
		p := &list[i]
		if p.col.Encrypted || p.kind == storedSame {
			continue
		}
		values := false
		for _, c := range w.table.Columns {
			if !c.Encrypted || c.Partition != p.col {
				continue
			}
			s := find(list, c)
			if s == nil || s.kind == storedSame {
				a.refuse(RulePartitionMoved, p.e.tok, c)
			}
			if s.kind == storedExcluded && p.kind != storedExcluded {
				a.refuse(RuleExcluded, s.e.tok, c)
			}
			values = values || s.kind == storedSource
		}
		if values && p.kind != storedExcluded && !p.isPartitionSource() {
			a.refuse(RulePartitionValue, p.e.tok, p.col)
		}
	}
}

// returning analyses RETURNING. SQLite knows the row there by the table's own name, whatever its alias.
func (a *analysis) returning(stmt int, w *writer, list []resultCol, root *scope) {
	if list == nil {
		return
	}
	r := *w.rel
	if a.f.returningByName {
		r.name = r.base.Name
	}
	if r.table != nil {
		r.inst = &instance{rel: &r}
	}
	sc := &scope{parent: root, with: root.with, rels: []*relation{&r}}
	res := &result{scope: sc, cols: a.newCols(len(list))}
	for i := range list {
		a.resultCol(&list[i], sc, res)
	}
	if enc := res.encrypted(); enc != nil && res.openOf != nil {
		a.needAll(res.openOf, list[0].tok)
	}
	if !a.cur.Touches {
		return
	}
	a.emit(stmt, res, list[len(list)-1].end)
}

// deleteStatement analyses a DELETE.
func (a *analysis) deleteStatement(s *stmt, i int, root *scope) {
	d := s.del
	if d.with != nil {
		root = a.push(d.with, root)
	}
	w := a.writer(&d.target, root)
	if d.where != nil {
		a.plain(w.sc, d.where, RuleExpression)
	}
	a.returning(i, &w, d.returning, root)
	for _, o := range d.order {
		a.plain(w.sc, o, RuleOrdered)
	}
	a.limit(d.limit, d.offset, root)
	if d.with != nil {
		a.rest(root)
	}
}
