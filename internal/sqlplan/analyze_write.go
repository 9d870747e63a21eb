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
	storedListed   // a column of a list
)

// stored is what a statement stores into a column.
type stored struct {
	kind storedKind
	src  Source
	from *listedValue // of storedListed
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

// writtenColumn returns the registered column of the target that a name token means, or nil.
func (a *analysis) writtenColumn(w *writer, tok int32) *tags.Column {
	if w.table == nil {
		return nil
	}
	return a.columnOf(w.table, tok)
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
		switch b := a.partitionExpr(e); {
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
		case b.op == opColumn:
			if lin := a.resolve(sc, b); lin.list != nil {
				return stored{kind: storedListed, from: &listedValue{lin.list, lin.inst}}
			}
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
	typed := int32(-1)
	if b.op == opCast || b.op == opTyped {
		if b.op == opCast && isNull(b) {
			b.markSeen()
			return stored{kind: storedNull}
		}
		if !a.f.textCast(a, b) {
			a.refuseParam(RuleStoredCast, e.tok, c, e)
		}
		if b.op == opTyped {
			typed = b.tok
		}
		b = bare(b.a)
		b.seen = true
	}
	switch b.op {
	case opNull:
		return stored{kind: storedNull}
	case opDefault:
		return stored{kind: storedNull} // the catalogue has no other default
	case opParam, opString, opBlob, opNumber, opBool:
		if src, ok := a.source(b); ok && a.fits(c, src) {
			if typed >= 0 {
				// The type goes with the string: no NULL can stand behind it.
				src.Literal.Offset = int(a.toks[typed].off)
			}
			return stored{kind: storedSource, src: src}
		}
		if b.op == opString && a.f.mysql {
			a.refuse(RuleStoredCharset, b.tok, c)
		}
		a.refuse(RuleStoredNumber, b.tok, c)
	case opInserted:
		if lin := a.inserted(b); lin.col == c {
			return stored{kind: storedExcluded}
		}
		a.refuse(RuleStoredColumn, e.tok, c)
	case opNeg, opPos:
		if b.a.op != opNumber {
			break
		}
		b.a.seen = true
		if src, ok := a.source(b); ok && a.fits(c, src) {
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
	case lin.list != nil:
		return a.storeListed(c, lin)
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
	case opString, opBlob:
		if a.f.mysql {
			v, ok := a.mysqlLiteral(e)
			return lit(v, a.toks[e.end-1].end), ok
		}
		if e.op == opString {
			v, ok := a.f.str(s, a.mode)
			return lit(v, t.end), ok
		}
		return lit(blobBytes(s), t.end), true
	case opBool:
		return lit(lower(s[0]) == 't', t.end), true
	case opNumber:
		v, ok := a.f.number(s, false)
		return lit(v, t.end), ok
	case opNeg, opPos:
		if e.a.op != opNumber {
			return Source{}, false
		}
		n := &a.toks[e.a.tok]
		v, ok := a.f.number(a.text[n.off:n.end], e.op == opNeg)
		return lit(v, n.end), ok
	}
	return Source{}, false
}

// fits reports whether a literal is stored as what the database would make of it. One for a binary column is
// decoded here.
func (a *analysis) fits(c *tags.Column, src Source) bool {
	l := src.Literal
	if l == nil || !a.f.postgres {
		return true
	}
	switch v := l.Value.(type) {
	case float64:
		// The database keeps the digits of a number that isn't for a column of floats.
		return c.Kind == tags.KindFloat
	case string:
		if c.Kind == tags.KindBytes {
			b, ok := byteaBytes(v)
			l.Value = b
			return ok
		}
	}
	return true
}

// byteaBytes decodes the text of a bytea: the hexadecimal form, or the one with escapes.
func byteaBytes(s string) ([]byte, bool) {
	if hasPrefixFold(s, `\x`) {
		b := make([]byte, 0, len(s)/2)
		for i := 2; i < len(s); i++ {
			switch {
			case s[i] == ' ' || s[i] == '\n' || s[i] == '\t' || s[i] == '\r':
				continue
			case i+1 < len(s) && isHex(s[i]) && isHex(s[i+1]):
				b = append(b, hexValue(s[i])<<4|hexValue(s[i+1]))
				i++
			default:
				return nil, false
			}
		}
		return b, true
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		octal := func(n int) bool { return i+n < len(s) && '0' <= s[i+n] && s[i+n] <= '7' }
		switch {
		case s[i] != '\\':
			b = append(b, s[i])
		case i+1 < len(s) && s[i+1] == '\\':
			b = append(b, '\\')
			i++
		case octal(1) && octal(2) && octal(3) && s[i+1] <= '3':
			b = append(b, (s[i+1]-'0')<<6|(s[i+2]-'0')<<3|(s[i+3]-'0'))
			i += 3
		default:
			return nil, false
		}
	}
	return b, true
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
	if a.f.mysql {
		a.mayCut(c, src)
	}
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
	one := func(tok int32, e *expr, part bool) {
		c := a.writtenColumn(w, tok)
		if c == nil {
			a.store(w, w.sc, nil, e)
			return
		}
		if !c.Encrypted && !w.isPartition(c) {
			a.store(w, w.sc, nil, e)
			return
		}
		if part {
			a.refuse(RuleStoredPart, tok, c)
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
		for _, e := range s.subs {
			a.plain(w.sc, e, RuleExpression)
		}
		if len(s.cols) == 1 {
			e := s.e
			if b := bare(e); s.row && b.op == opRow && len(b.list) == 1 {
				b.seen = true
				e = b.list[0]
			}
			one(s.cols[0], e, s.part)
			continue
		}
		e := bare(s.e)
		e.seen = true
		switch {
		case e.op == opRow && len(e.list) == len(s.cols):
			for j, x := range e.list {
				one(s.cols[j], x, s.part)
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
		if c := a.writtenColumn(w, tok); c != nil && (c.Encrypted || w.isPartition(c)) {
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
		if values && p.kind != storedExcluded && !p.isPartitionSource() { // values of a list: see setListed
			a.refuse(RulePartitionValue, p.e.tok, p.col)
		}
	}
}

// returning analyses RETURNING. SQLite knows the row there by the table's own name, whatever its alias;
// PostgreSQL by its alias, and the old and the new row, and the other tables of the statement.
func (a *analysis) returning(stmt int, w *writer, list []resultCol, names []int32, root *scope) {
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
	if a.f.postgres {
		a.returningRows(w, &r, sc, names)
	}
	res := &result{scope: sc, cols: a.newCols(len(list))}
	for i := range list {
		a.resultCol(&list[i], sc, res)
	}
	if enc := res.encrypted(); enc != nil && res.openOf != nil {
		a.needAll(res.openOf, list[0].tok)
	}
	a.written = res
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
	if d.multi {
		a.multiDelete(s, root)
		if d.with != nil {
			a.rest(root)
		}
		return
	}
	w := a.writer(&d.target, root)
	if d.using != nil {
		a.updateFrom(&w, d.using, root)
	}
	if d.where != nil {
		a.plain(w.sc, d.where, RuleExpression)
	}
	a.returning(i, &w, d.returning, d.names, root)
	for _, o := range d.order {
		a.plain(w.sc, o, RuleOrdered)
	}
	a.limit(d.limit, d.offset, root)
	if d.with != nil {
		a.rest(root)
	}
}

// returningRows brings what RETURNING can name beside the written row r into its scope.
func (a *analysis) returningRows(w *writer, r *relation, sc *scope, names []int32) {
	for _, o := range w.sc.rels {
		if o != w.rel {
			sc.rels = append(sc.rels, o)
		}
	}
	for i, name := range [2]string{"old", "new"} {
		if names != nil && names[i] >= 0 {
			name = a.ident(names[i])
		}
		taken := false
		for _, o := range sc.rels {
			taken = taken || o.name == name
		}
		if taken {
			continue
		}
		row := *r
		row.name, row.qualifiedOnly = name, true
		if row.table != nil {
			row.inst = &instance{rel: &row}
		}
		sc.rels = append(sc.rels, &row)
	}
}

// writingCTE analyses a statement that writes and stands in a WITH clause. It may not write a registered
// table; what it returns is read as other tables are.
func (a *analysis) writingCTE(c *cteState, sc *scope) *result {
	s := c.cte.write
	root := &scope{parent: sc, with: sc.with}
	saved, written := a.inner, a.written
	a.inner, a.written = true, nil
	var t *target
	switch {
	case s.ins != nil:
		t = &s.ins.target
		a.insertStatement(s, 0, root)
	case s.upd != nil:
		t = &s.upd.target
		a.updateStatement(s, 0, root)
	case s.del != nil:
		t = &s.del.target
		a.deleteStatement(s, 0, root)
	case s.merge != nil:
		t = &s.merge.target
		a.mergeStatement(s, 0, root)
	default:
		a.refuse(RuleUnaccounted, s.tok, nil)
	}
	if a.lookup(t.name) != nil {
		a.refuse(RuleWritingCTE, t.tok, nil)
	}
	res := a.written
	a.inner, a.written = saved, written
	c.busy = false
	if res == nil {
		res = &result{}
	}
	return &result{cols: res.cols, openOf: res.openOf, star: res.star, why: unpinnedDerived}
}
