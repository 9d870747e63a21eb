package sqlplan

// Binding powers, from loose to tight.
const (
	bpNone = iota
	bpOr
	bpAnd
	bpNot
	bpEquality
	bpOrder
	bpEscape
	bpBits
	bpAdd
	bpMultiply
	bpConcat
	bpCollate
	bpUnary
)

// node makes an expression that begins at token tok and ends before the current one.
func (p *parser) node(o op, tok int32) *expr {
	e := p.nodes.next()
	e.op, e.tok, e.end, e.height = o, tok, int32(p.pos), 1
	return e
}

// over makes an expression over a and b, which may be nil.
func (p *parser) over(o op, tok int32, a, b *expr) *expr {
	e := p.node(o, tok)
	e.a, e.b = a, b
	p.grow(e, a)
	p.grow(e, b)
	return e
}

// grow makes e higher than its child c. The height is bounded because the analysis recurses.
func (p *parser) grow(e, c *expr) {
	if c != nil && c.height >= e.height {
		if e.height = c.height + 1; e.height > maxDepth {
			p.failRule(RuleDepth)
		}
	}
}

func (p *parser) growAll(e *expr, list []*expr) {
	for _, c := range list {
		p.grow(e, c)
	}
}

// expr parses an expression whose operators all bind at least as tightly as bp.
func (p *parser) expr(bp int) *expr {
	p.enter()
	e := p.f.prefix(p)
	for {
		next := p.f.infix(p, e, bp)
		if next == nil {
			break
		}
		e = next
	}
	p.leave()
	return e
}

// binary are the operators whose two sides are symmetric: their kind and their power.
var binary = [...]struct {
	op op
	bp int
}{
	tConcat:  {opConcat, bpConcat},
	tArrow:   {opArrow, bpConcat},
	tStar:    {opArith, bpMultiply},
	tSlash:   {opArith, bpMultiply},
	tPercent: {opArith, bpMultiply},
	tPlus:    {opArith, bpAdd},
	tMinus:   {opArith, bpAdd},
	tAmp:     {opArith, bpBits},
	tPipe:    {opArith, bpBits},
	tShl:     {opArith, bpBits},
	tShr:     {opArith, bpBits},
	tLt:      {opLess, bpOrder},
	tLe:      {opLess, bpOrder},
	tGt:      {opLess, bpOrder},
	tGe:      {opLess, bpOrder},
	tEq:      {opEq, bpEquality},
	tNe:      {opNe, bpEquality},
}

// sqliteInfix parses one operator and its right side after l, or returns nil when none follows that binds tightly
// enough.
func sqliteInfix(p *parser, l *expr, min int) *expr {
	t := p.cur()
	if t.kind != tWord {
		if int(t.kind) >= len(binary) || binary[t.kind].op == opInvalid || binary[t.kind].bp < min {
			return nil
		}
		b := binary[t.kind]
		p.take()
		r := p.expr(b.bp + 1)
		return p.over(b.op, l.tok, l, r)
	}
	switch t.kw {
	case kwOr:
		if bpOr < min {
			return nil
		}
		p.take()
		return p.over(opOr, l.tok, l, p.expr(bpOr+1))
	case kwAnd:
		if bpAnd < min {
			return nil
		}
		p.take()
		return p.over(opAnd, l.tok, l, p.expr(bpAnd+1))
	case kwCollate:
		if bpCollate < min {
			return nil
		}
		p.take()
		if !p.isBareAlias(p.cur()) {
			p.fail()
		}
		p.take()
		return p.over(opCollate, l.tok, l, nil)
	}
	if bpEquality < min {
		return nil
	}
	switch t.kw {
	case kwIs:
		p.take()
		return p.isTest(l)
	case kwIsnull:
		p.take()
		return p.over(opIsNull, l.tok, l, nil)
	case kwNotnull:
		p.take()
		return p.over(opNotNull, l.tok, l, nil)
	case kwNot:
		switch p.peek(1).kw {
		case kwNull:
			p.pos += 2
			return p.over(opNotNull, l.tok, l, nil)
		case kwLike, kwGlob, kwRegexp, kwMatch, kwBetween, kwIn:
			p.take()
			return p.test(l)
		}
		return nil
	}
	return p.test(l)
}

// isTest parses what follows IS.
func (p *parser) isTest(l *expr) *expr {
	o := opIs
	switch {
	case p.isKw(kwNot):
		p.take()
		o = opIsNot
		if p.acceptKw(kwDistinct) {
			p.expectKw(kwFrom)
			o = opIs
		}
	case p.acceptKw(kwDistinct):
		p.expectKw(kwFrom)
		o = opIsNot
	}
	r := p.expr(bpEquality + 1)
	if r.op == opNull {
		r.seen = true
		if o == opIs {
			return p.over(opIsNull, l.tok, l, nil)
		}
		return p.over(opNotNull, l.tok, l, nil)
	}
	return p.over(o, l.tok, l, r)
}

// test parses LIKE and its kin, BETWEEN and IN, after an optional NOT; nil when none of them follows.
func (p *parser) test(l *expr) *expr {
	switch p.cur().kw {
	case kwLike, kwGlob, kwRegexp, kwMatch:
		aux := p.take()
		r := p.expr(bpEquality + 1)
		var esc []*expr
		if p.acceptKw(kwEscape) {
			m := p.exprs.mark()
			p.exprs.push(p.expr(bpEquality + 1))
			esc = p.exprs.cut(m)
		}
		e := p.over(opLike, l.tok, l, r)
		e.aux, e.list = aux, esc
		p.growAll(e, esc)
		return e
	case kwBetween:
		p.take()
		m := p.exprs.mark()
		p.exprs.push(p.expr(bpNot))
		p.expectKw(kwAnd)
		p.exprs.push(p.expr(bpEquality + 1))
		e := p.over(opBetween, l.tok, l, nil)
		e.list = p.exprs.cut(m)
		p.growAll(e, e.list)
		return e
	case kwIn:
		p.take()
		return p.in(l)
	}
	return nil
}

func (p *parser) in(l *expr) *expr {
	if !p.is(tLParen) {
		n := p.qname()
		var args []*expr
		if p.accept(tLParen) {
			args = p.exprList()
			p.expect(tRParen)
		}
		e := p.over(opInTable, l.tok, l, nil)
		e.aux = n.tok
		if n.schema >= 0 {
			e.aux = n.schema
		}
		e.list = args
		p.growAll(e, args)
		return e
	}
	p.take()
	if p.atSelect(0) {
		sel := p.selectStmt()
		p.expect(tRParen)
		e := p.over(opInSelect, l.tok, l, nil)
		e.sel = sel
		return e
	}
	list := p.exprList()
	p.expect(tRParen)
	e := p.over(opIn, l.tok, l, nil)
	e.list = list
	p.growAll(e, list)
	return e
}

// exprList parses expressions up to a closing parenthesis or ORDER, perhaps none.
func (p *parser) exprList() []*expr {
	if p.is(tRParen) || p.isKw(kwOrder) {
		return nil
	}
	return p.someExprs()
}

// someExprs parses one or more expressions.
func (p *parser) someExprs() []*expr {
	m := p.exprs.mark()
	for {
		p.exprs.push(p.expr(bpNone))
		if !p.accept(tComma) {
			return p.exprs.cut(m)
		}
	}
}

// sortList parses the terms of ORDER BY.
func (p *parser) sortList() []*expr {
	m := p.exprs.mark()
	for {
		p.exprs.push(p.expr(bpNone))
		p.acceptAny(kwAsc, kwDesc)
		if p.acceptKw(kwNulls) && !p.acceptAny(kwFirst, kwLast) {
			p.fail()
		}
		if !p.accept(tComma) {
			return p.exprs.cut(m)
		}
	}
}

// sqlitePrefix parses an operand with the operators before it.
func sqlitePrefix(p *parser) *expr {
	t := p.cur()
	tok := int32(p.pos)
	switch t.kind {
	case tLParen:
		p.take()
		return p.parenthesized(tok)
	case tInteger, tFloat:
		p.take()
		return p.node(opNumber, tok)
	case tBlob:
		p.take()
		return p.node(opBlob, tok)
	case tParam:
		p.take()
		return p.node(opParam, tok)
	case tMinus:
		p.take()
		return p.over(opNeg, tok, p.expr(bpUnary), nil)
	case tPlus:
		p.take()
		return p.over(opPos, tok, p.expr(bpUnary), nil)
	case tTilde:
		p.take()
		return p.over(opBitNot, tok, p.expr(bpUnary), nil)
	case tString:
		if p.peek(1).kind == tDot {
			return p.column()
		}
		p.take()
		return p.node(opString, tok)
	case tQuoted:
		return p.columnOrCall()
	case tWord:
		switch t.kw {
		case kwNone:
			return p.columnOrCall()
		case kwNull:
			p.take()
			return p.node(opNull, tok)
		case kwNot:
			p.take()
			return p.over(opNot, tok, p.expr(bpNot), nil)
		case kwCase:
			return p.caseExpr()
		case kwCast:
			return p.cast()
		case kwExists:
			p.take()
			p.expect(tLParen)
			sel := p.selectStmt()
			p.expect(tRParen)
			e := p.node(opExists, tok)
			e.sel = sel
			return e
		case kwRaise:
			return p.raise()
		case kwCurrentDate, kwCurrentTime, kwCurrentTimestamp:
			p.take()
			return p.node(opTime, tok)
		}
		if p.f.words.classes[t.kw] == reserved {
			p.fail()
		}
		return p.columnOrCall()
	}
	p.fail()
	return nil
}

// parenthesized parses what follows an opening parenthesis: a query, an expression or a row.
func (p *parser) parenthesized(tok int32) *expr {
	if p.atSelect(0) {
		sel := p.selectStmt()
		p.expect(tRParen)
		e := p.node(opSubquery, tok)
		e.sel = sel
		return e
	}
	first := p.expr(bpNone)
	if p.accept(tRParen) {
		return p.over(opParen, tok, first, nil)
	}
	p.expect(tComma)
	m := p.exprs.mark()
	p.exprs.push(first)
	for {
		p.exprs.push(p.expr(bpNone))
		if !p.accept(tComma) {
			break
		}
	}
	p.expect(tRParen)
	e := p.node(opRow, tok)
	e.list = p.exprs.cut(m)
	p.growAll(e, e.list)
	return e
}

func (p *parser) columnOrCall() *expr {
	if p.peek(1).kind == tLParen {
		return p.call()
	}
	return p.column()
}

// column parses name, table.name or schema.table.name.
func (p *parser) column() *expr {
	tok := p.take()
	for n := 0; n < 2 && p.is(tDot); n++ {
		p.take()
		p.name()
	}
	return p.node(opColumn, tok)
}

func (p *parser) call() *expr {
	tok := p.take()
	p.expect(tLParen)
	x := p.extra.next()
	var list []*expr
	if p.accept(tStar) {
		x.star = true
	} else {
		x.distinct = p.acceptKw(kwDistinct)
		if !x.distinct {
			p.acceptKw(kwAll)
		}
		list = p.exprList()
		if p.acceptKw(kwOrder) {
			p.expectKw(kwBy)
			x.order = p.sortList()
		}
	}
	p.expect(tRParen)
	if p.isKw(kwWithin) && p.peek(1).kw == kwGroup && p.peek(2).kind == tLParen {
		p.pos += 3
		p.expectKw(kwOrder, kwBy)
		m := p.exprs.mark()
		p.exprs.push(p.expr(bpNone))
		x.order = p.exprs.cut(m)
		p.expect(tRParen)
	}
	if p.acceptKw(kwFilter) {
		p.expect(tLParen)
		p.expectKw(kwWhere)
		x.filter = p.expr(bpNone)
		p.expect(tRParen)
	}
	if p.acceptKw(kwOver) {
		if p.accept(tLParen) {
			x.over = p.window()
			p.expect(tRParen)
		} else {
			p.name()
			x.over = &window{}
		}
	}
	e := p.node(opFunc, tok)
	e.aux, e.list, e.fn = tok, list, x
	p.growAll(e, list)
	p.growAll(e, x.order)
	p.grow(e, x.filter)
	if x.over != nil {
		p.growAll(e, x.over.partition)
		p.growAll(e, x.over.order)
		p.growAll(e, x.over.bounds)
	}
	return e
}

// window parses a window definition between its parentheses.
func (p *parser) window() *window {
	w := &window{}
	switch p.cur().kw {
	case kwPartition, kwOrder, kwRange, kwRows, kwGroups:
	default:
		if p.f.isName(p.cur()) {
			p.take()
		}
	}
	if p.acceptKw(kwPartition) {
		p.expectKw(kwBy)
		w.partition = p.someExprs()
	}
	if p.acceptKw(kwOrder) {
		p.expectKw(kwBy)
		w.order = p.sortList()
	}
	if !p.acceptAny(kwRange, kwRows, kwGroups) {
		return w
	}
	m := p.exprs.mark()
	if p.acceptKw(kwBetween) {
		p.bound(false)
		p.expectKw(kwAnd)
		p.bound(true)
	} else {
		p.bound(false)
	}
	w.bounds = p.exprs.cut(m)
	if p.acceptKw(kwExclude) {
		switch {
		case p.acceptKw(kwNo):
			p.expectKw(kwOthers)
		case p.acceptKw(kwCurrent):
			p.expectKw(kwRow)
		case p.acceptAny(kwGroup, kwTies):
		default:
			p.fail()
		}
	}
	return w
}

// bound parses a frame bound and pushes its expression, when it has one. An expression may not take the AND
// that parts two bounds. end says which bound it is: but on MySQL, a frame can't begin with UNBOUNDED FOLLOWING,
// or end with UNBOUNDED PRECEDING.
func (p *parser) bound(end bool) {
	switch {
	case p.acceptKw(kwUnbounded):
		switch {
		case p.isKw(kwPreceding) && (!end || p.f.mysql), p.isKw(kwFollowing) && (end || p.f.mysql):
			p.take()
		default:
			p.fail()
		}
	case p.acceptKw(kwCurrent):
		p.expectKw(kwRow)
	default:
		e := p.expr(bpNot)
		if p.f.mysql {
			switch e.op {
			case opColumn, opBetween, opIn, opInSelect, opLike, opIsNull, opNotNull, opEq, opNe, opLess, opNot:
				p.fail() // a number, a placeholder or an interval
			}
		}
		if !p.acceptAny(kwPreceding, kwFollowing) {
			p.fail()
		}
		p.exprs.push(e)
	}
}

func (p *parser) caseExpr() *expr {
	tok := p.take()
	var operand *expr
	if !p.isKw(kwWhen) {
		operand = p.expr(bpNone)
	}
	m := p.exprs.mark()
	for p.acceptKw(kwWhen) {
		p.exprs.push(p.expr(bpNone))
		p.expectKw(kwThen)
		p.exprs.push(p.expr(bpNone))
	}
	list := p.exprs.cut(m)
	if list == nil {
		p.fail()
	}
	var otherwise *expr
	if p.acceptKw(kwElse) {
		otherwise = p.expr(bpNone)
	}
	p.expectKw(kwEnd)
	e := p.over(opCase, tok, operand, otherwise)
	e.list = list
	p.growAll(e, list)
	return e
}

func (p *parser) cast() *expr {
	tok := p.take()
	p.expect(tLParen)
	a := p.expr(bpNone)
	p.expectKw(kwAs)
	aux := int32(p.pos)
	p.f.typeName(p)
	auxEnd := int32(p.pos)
	p.expect(tRParen)
	e := p.over(opCast, tok, a, nil)
	e.aux, e.auxEnd = aux, auxEnd
	return e
}

// sqliteTypeName parses a type, perhaps empty: words and up to two numbers in parentheses.
func sqliteTypeName(p *parser) {
	if !p.isBareAlias(p.cur()) {
		return
	}
	for p.isBareAlias(p.cur()) {
		p.take()
	}
	if !p.is(tLParen) {
		return
	}
	p.take()
	p.signedNumber()
	if p.accept(tComma) {
		p.signedNumber()
	}
	p.expect(tRParen)
}

func (p *parser) signedNumber() {
	if !p.accept(tPlus) {
		p.accept(tMinus)
	}
	if !p.accept(tInteger) {
		p.expect(tFloat)
	}
}

func (p *parser) raise() *expr {
	tok := p.take()
	p.expect(tLParen)
	var a *expr
	if !p.acceptKw(kwIgnore) {
		if !p.acceptAny(kwRollback, kwAbort, kwFail) {
			p.fail()
		}
		p.expect(tComma)
		a = p.expr(bpNone)
	}
	p.expect(tRParen)
	return p.over(opRaise, tok, a, nil)
}
