package sqlplan

import "slices"

// Binding powers of PostgreSQL, from loose to tight.
const (
	pgOr = iota + 1
	pgAnd
	pgNot
	pgIs
	pgCompare
	pgTest // BETWEEN, IN, LIKE and their kin
	pgOverlaps
	pgOperator
	pgAdd
	pgMultiply
	pgPower
	pgAt
	pgCollate
	pgUnary
	pgPostfix
)

// pgBinary are the operators by their token.
var pgBinary = [...]struct {
	op op
	bp int
}{
	tConcat:   {opConcat, pgOperator},
	tArrow:    {opArrow, pgOperator},
	tOp:       {opOperator, pgOperator},
	tStar:     {opArith, pgMultiply},
	tSlash:    {opArith, pgMultiply},
	tPercent:  {opArith, pgMultiply},
	tPlus:     {opArith, pgAdd},
	tMinus:    {opArith, pgAdd},
	tLt:       {opLess, pgCompare},
	tLe:       {opLess, pgCompare},
	tGt:       {opLess, pgCompare},
	tGe:       {opLess, pgCompare},
	tEq:       {opEq, pgCompare},
	tNe:       {opNe, pgCompare},
	tLBracket: {}, // as long as the kinds are
}

// postgresInfix parses one operator and its right side after l, or returns nil when none follows that binds
// tightly enough.
func postgresInfix(p *parser, l *expr, min int) *expr {
	t := p.cur()
	switch t.kind {
	case tWord:
		return p.pgInfixWord(l, min)
	case tCast:
		p.take()
		aux := int32(p.pos)
		p.f.typeName(p)
		e := p.over(opCast, l.tok, l, nil)
		e.aux, e.auxEnd = aux, int32(p.pos)
		return e
	case tLBracket:
		switch l.op {
		case opColumn, opParam, opParen, opSubquery, opIndex, opField:
			return p.pgIndex(l)
		}
		return nil
	}
	if int(t.kind) >= len(pgBinary) || pgBinary[t.kind].op == opInvalid {
		return nil
	}
	b := pgBinary[t.kind]
	if t.kind == tOp && t.end-t.off == 1 && p.text[t.off] == '^' {
		b.bp = pgPower
	}
	if b.bp < min {
		return nil
	}
	if b.bp == pgCompare && (l.op == opEq || l.op == opNe || l.op == opLess) {
		p.fail() // comparisons don't chain
	}
	p.take()
	return p.pgRight(b.op, b.bp, l)
}

// pgRight parses the right side of an operator: an expression, or ANY, SOME or ALL of an array or a query.
func (p *parser) pgRight(o op, bp int, l *expr) *expr {
	if kw := p.cur().kw; (kw == kwAny || kw == kwSome || kw == kwAll) && p.peek(1).kind == tLParen {
		p.take()
		p.take()
		if p.pgAtQuery() {
			sel := p.selectStmt()
			p.expect(tRParen)
			e := p.over(opAny, l.tok, l, nil)
			e.sel = sel
			return e
		}
		r := p.expr(bpNone)
		p.expect(tRParen)
		return p.over(opAny, l.tok, l, r)
	}
	return p.over(o, l.tok, l, p.expr(bp+1))
}

// pgAtQuery reports whether a query begins at the current token, behind any number of parentheses. Where
// there are some, it may yet be an expression that begins with a query.
func (p *parser) pgAtQuery() bool {
	switch p.cur().kw {
	case kwSelect, kwWith, kwTable:
		return true
	case kwValues:
		return p.peek(1).kind == tLParen // else a column of that name
	}
	return false
}

func (p *parser) pgInfixWord(l *expr, min int) *expr {
	// Without an operand behind it, the word is a label.
	switch next := p.peek(1); next.kind {
	case tComma, tRParen, tSemi, tEOF:
		if !p.isKw(kwIsnull) && !p.isKw(kwNotnull) {
			return nil
		}
	}
	switch p.cur().kw {
	case kwOr:
		if pgOr < min {
			return nil
		}
		p.take()
		return p.over(opOr, l.tok, l, p.expr(pgOr+1))
	case kwAnd:
		if pgAnd < min {
			return nil
		}
		p.take()
		return p.over(opAnd, l.tok, l, p.expr(pgAnd+1))
	case kwIs:
		if pgIs < min || !p.pgAtIsTest() {
			return nil
		}
		p.take()
		return p.pgIsTest(l)
	case kwIsnull:
		if pgIs < min {
			return nil
		}
		p.take()
		return p.over(opIsNull, l.tok, l, nil)
	case kwNotnull:
		if pgIs < min {
			return nil
		}
		p.take()
		return p.over(opNotNull, l.tok, l, nil)
	case kwCollate:
		if pgCollate < min || !p.f.isName(p.peek(1)) {
			return nil
		}
		p.take()
		p.anyName()
		return p.over(opCollate, l.tok, l, nil)
	case kwOverlaps:
		if pgOverlaps < min {
			return nil
		}
		p.take()
		r := p.expr(pgOverlaps + 1)
		if l.op != opRow || r.op != opRow || len(l.list) != 2 || len(r.list) != 2 {
			p.fail()
		}
		return p.over(opOperator, l.tok, l, r)
	case kwNot:
		switch p.peek(1).kw {
		case kwBetween, kwIn, kwLike, kwIlike, kwSimilar:
			if pgTest < min || p.peek(1).kw == kwSimilar && p.peek(2).kw != kwTo {
				return nil
			}
			p.take()
			return p.pgTest(l)
		}
		return nil
	case kwBetween, kwIn, kwLike, kwIlike, kwSimilar:
		if pgTest < min || p.isKw(kwSimilar) && p.peek(1).kw != kwTo { // SIMILAR alone is a word of SUBSTRING
			return nil
		}
		return p.pgTest(l)
	}
	switch {
	case p.word("at") && (p.wordAt(1, "time") || p.wordAt(1, "local")):
		if pgAt < min {
			return nil
		}
		p.take()
		if p.acceptWord("local") {
			return p.over(opOperator, l.tok, l, nil)
		}
		p.expectWords("time", "zone")
		return p.over(opOperator, l.tok, l, p.expr(pgAt+1))
	case p.word("operator") && p.peek(1).kind == tLParen:
		if pgOperator < min {
			return nil
		}
		p.pgNamedOperator()
		return p.pgRight(opOperator, pgOperator, l)
	}
	return nil
}

// pgNamedOperator parses OPERATOR(schema.+).
func (p *parser) pgNamedOperator() {
	p.expectWords("operator")
	p.expect(tLParen)
	for p.is(tWord) || p.is(tQuoted) {
		p.name()
		p.expect(tDot)
	}
	p.pgOperatorToken()
	p.expect(tRParen)
}

func (p *parser) pgOperatorToken() {
	switch p.cur().kind {
	case tOp, tConcat, tArrow, tStar, tSlash, tPercent, tPlus, tMinus, tLt, tLe, tGt, tGe, tEq, tNe, tNamedArg:
		p.take()
		return
	}
	p.fail()
}

// pgAtIsTest reports whether a test follows IS; else the word is a label.
func (p *parser) pgAtIsTest() bool {
	switch t := p.peek(1); t.kw {
	case kwNot, kwNull, kwDistinct, kwTrue, kwFalse:
		return true
	case kwFrom:
		return false
	default:
		return t.kind == tWord
	}
}

// pgIsTest parses what follows IS.
func (p *parser) pgIsTest(l *expr) *expr {
	not := p.acceptKw(kwNot)
	switch {
	case p.acceptKw(kwNull):
		if not {
			return p.over(opNotNull, l.tok, l, nil)
		}
		return p.over(opIsNull, l.tok, l, nil)
	case p.acceptKw(kwDistinct):
		p.expectKw(kwFrom)
		r := p.expr(pgCompare)
		if bareNull(r) {
			if not {
				return p.over(opIsNull, l.tok, l, nil)
			}
			return p.over(opNotNull, l.tok, l, nil)
		}
		if not {
			return p.over(opIs, l.tok, l, r)
		}
		return p.over(opIsNot, l.tok, l, r)
	case p.acceptAny(kwTrue, kwFalse), p.oneOf("unknown", "document"):
	case p.oneOf("nfc", "nfd", "nfkc", "nfkd"):
		p.expectWords("normalized")
	case p.acceptWord("normalized"):
	case p.acceptWord("json"):
		p.oneOf("value", "object", "array", "scalar")
		if p.oneOf("with", "without") {
			p.expectKw(kwUnique)
			p.acceptWord("keys")
		}
	default:
		p.fail()
	}
	return p.over(opNot, l.tok, l, nil)
}

// bareNull gives the NULL of `IS DISTINCT FROM NULL` its role.
func bareNull(e *expr) bool {
	if e.op == opNull {
		e.seen = true
		return true
	}
	return false
}

// pgRestricted refuses NOT and COLLATE in the operand that began at token first and ends here, but for parentheses and CASE:
// only some operators can stand there.
func (p *parser) pgRestricted(first int) {
	depth := 0
	for i := first; i < p.pos; i++ {
		switch t := &p.toks[i]; {
		case t.kind == tLParen, t.kind == tLBracket, t.kw == kwCase:
			depth++
		case t.kind == tRParen, t.kind == tRBracket, t.kw == kwEnd:
			depth--
		case t.kw == kwNot && depth == 0 && (i == first || p.toks[i-1].kw != kwIs && p.toks[i-1].kind != tDot):
			p.pos = i
			p.fail()
		case t.kw == kwCollate && depth == 0 && i > first && p.toks[i-1].kind != tDot:
			p.pos = i
			p.fail()
		}
	}
}

// pgTest parses BETWEEN, IN, LIKE, ILIKE and SIMILAR TO, after an optional NOT.
func (p *parser) pgTest(l *expr) *expr {
	switch l.op {
	case opLike, opBetween, opIn, opInSelect:
		p.fail() // tests don't chain
	}
	aux := p.take()
	switch p.toks[aux].kw {
	case kwBetween:
		p.acceptAny(kwSymmetric, kwAsymmetric)
		m := p.exprs.mark()
		first := p.pos
		p.exprs.push(p.expr(pgCompare))
		p.pgRestricted(first)
		p.expectKw(kwAnd)
		p.exprs.push(p.expr(pgTest + 1))
		e := p.over(opBetween, l.tok, l, nil)
		e.list = p.exprs.cut(m)
		p.growAll(e, e.list)
		return e
	case kwIn:
		p.expect(tLParen)
		if p.pgAtQuery() {
			sel := p.selectStmt()
			p.expect(tRParen)
			e := p.over(opInSelect, l.tok, l, nil)
			e.sel = sel
			return e
		}
		list := p.someExprs()
		if len(list) == 1 {
			if sel := p.pgContinueExpr(list[0]); sel != nil {
				p.expect(tRParen)
				e := p.over(opInSelect, l.tok, l, nil)
				e.sel = sel
				return e
			}
		}
		p.expect(tRParen)
		e := p.over(opIn, l.tok, l, nil)
		e.list = list
		p.growAll(e, list)
		return e
	case kwSimilar:
		p.expectKw(kwTo)
	}
	if kw := p.cur().kw; (kw == kwAny || kw == kwSome || kw == kwAll) && p.peek(1).kind == tLParen {
		return p.pgRight(opLike, pgTest, l)
	}
	r := p.expr(pgTest + 1)
	var esc []*expr
	if p.acceptWord("escape") {
		m := p.exprs.mark()
		p.exprs.push(p.expr(pgTest + 1))
		esc = p.exprs.cut(m)
	}
	e := p.over(opLike, l.tok, l, r)
	e.aux, e.list = aux, esc
	p.growAll(e, esc)
	return e
}

// pgContinue turns a query in parentheses, the tokens from tok to end, into the first part of a longer query,
// when a set operation, an order or a limit follows it; else it returns nil.
func (p *parser) pgContinue(sel *selectStmt, tok, end int32) *selectStmt {
	switch p.cur().kw {
	case kwUnion, kwExcept, kwIntersect, kwOrder, kwLimit, kwOffset, kwFetch, kwFor:
		return p.pgQueryFrom(&core{sel: sel, tok: tok, end: end}, nil, int(tok))
	}
	return nil
}

// pgContinueExpr is pgContinue for an expression that is a query in parentheses.
func (p *parser) pgContinueExpr(e *expr) *selectStmt {
	if e.op != opSubquery {
		return nil
	}
	return p.pgContinue(e.sel, e.tok, e.end)
}

// pgIndex parses [a], [a:b] and the like after l.
func (p *parser) pgIndex(l *expr) *expr {
	p.expect(tLBracket)
	m := p.exprs.mark()
	if !p.is(tColon) && !p.is(tCast) {
		p.exprs.push(p.expr(bpNone))
	}
	if p.accept(tColon) && !p.is(tRBracket) {
		p.exprs.push(p.expr(bpNone))
	}
	list := p.exprs.cut(m)
	p.expect(tRBracket)
	e := p.over(opIndex, l.tok, l, nil)
	e.list = list
	p.growAll(e, list)
	return p.pgFields(e)
}

// pgFields parses .name and .* after an expression that may have fields.
func (p *parser) pgFields(l *expr) *expr {
	for p.accept(tDot) {
		if p.accept(tStar) {
			return p.over(opWhole, l.tok, l, nil)
		}
		aux := p.label()
		e := p.over(opField, l.tok, l, nil)
		e.aux = aux
		l = e
	}
	return l
}

// postgresPrefix parses an operand with the operators before it.
func postgresPrefix(p *parser) *expr {
	t := p.cur()
	tok := int32(p.pos)
	leaf := func(o op) *expr {
		p.take()
		return p.node(o, tok)
	}
	switch t.kind {
	case tLParen:
		p.take()
		e := p.pgParenthesized(tok)
		if e.op == opRow && p.is(tDot) {
			p.fail() // only a row written with ROW in parentheses has fields
		}
		return p.pgFields(e)
	case tInteger, tFloat:
		return leaf(opNumber)
	case tString:
		return leaf(opString)
	case tBits:
		return leaf(opBits)
	case tParam:
		return p.pgFields(leaf(opParam))
	case tMinus:
		p.take()
		return p.over(opNeg, tok, p.expr(pgUnary), nil)
	case tPlus:
		p.take()
		return p.over(opPos, tok, p.expr(pgUnary), nil)
	case tOp, tConcat, tArrow:
		if t.end-t.off == 1 && p.text[t.off] == '^' {
			p.fail() // it stands between two operands only
		}
		p.take()
		return p.over(opOperator, tok, p.expr(pgOperator+1), nil)
	case tQuoted:
		return p.pgReference()
	case tWord:
		return p.pgPrefixWord(tok)
	}
	p.fail()
	return nil
}

// pgParenthesized parses what follows an opening parenthesis: a query, an expression or a row.
func (p *parser) pgParenthesized(tok int32) *expr {
	query := func(sel *selectStmt) *expr {
		p.expect(tRParen)
		e := p.node(opSubquery, tok)
		e.sel = sel
		return e
	}
	if p.pgAtQuery() {
		return query(p.selectStmt())
	}
	first := p.expr(bpNone)
	if sel := p.pgContinueExpr(first); sel != nil {
		return query(sel)
	}
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

func (p *parser) pgPrefixWord(tok int32) *expr {
	t := p.cur()
	leaf := func(o op) *expr {
		p.take()
		return p.node(o, tok)
	}
	call := p.peek(1).kind == tLParen
	switch t.kw {
	case kwNull:
		return leaf(opNull)
	case kwTrue, kwFalse:
		return leaf(opBool)
	case kwDefault:
		return leaf(opDefault)
	case kwNot:
		p.take()
		return p.over(opNot, tok, p.expr(pgNot), nil)
	case kwCase:
		return p.caseExpr()
	case kwCast:
		return p.cast()
	case kwTreat:
		if call {
			return p.cast()
		}
	case kwExists:
		if call {
			p.pos += 2
			sel := p.selectStmt()
			p.expect(tRParen)
			e := p.node(opExists, tok)
			e.sel = sel
			return e
		}
	case kwArray:
		p.take()
		if p.accept(tLParen) {
			sel := p.selectStmt()
			p.expect(tRParen)
			e := p.node(opArrayOf, tok)
			e.sel = sel
			return e
		}
		return p.pgArray(tok)
	case kwRow:
		if call {
			p.pos += 2
			var list []*expr
			if !p.is(tRParen) {
				list = p.someExprs()
			}
			p.expect(tRParen)
			e := p.node(opRow, tok)
			e.list = list
			p.growAll(e, list)
			return e
		}
	case kwCurrentDate, kwCurrentTime, kwCurrentTimestamp, kwLocaltime, kwSessionValue:
		p.take()
		if t.kw != kwCurrentDate && t.kw != kwSessionValue && p.accept(tLParen) {
			p.expect(tInteger)
			p.expect(tRParen)
		}
		return p.node(opTime, tok)
	case kwCurrentSchema:
		if !call {
			return leaf(opTime)
		}
	case kwInterval:
		if e := p.pgInterval(); e != nil {
			return e
		}
	case kwCollation:
		if p.wordAt(1, "for") {
			p.pos += 2
			p.expect(tLParen)
			a := p.expr(bpNone)
			p.expect(tRParen)
			return p.over(opOperator, tok, a, nil)
		}
	case kwSpecialCall:
		// The grammar of XML and JSON constructors isn't known, beyond that of plain calls.
	}
	if p.word("operator") && call && (p.peek(2).kind == tRParen || !p.pgIsExprAt(2)) {
		p.pgNamedOperator()
		return p.over(opOperator, tok, p.expr(pgOperator+1), nil)
	}
	if p.f.words.classes[t.kw] == reserved && t.kw != kwNone {
		p.fail()
	}
	return p.pgReference()
}

// pgIsExprAt reports whether the token n places on can't be an operator.
func (p *parser) pgIsExprAt(n int) bool {
	switch p.peek(n).kind {
	case tWord, tQuoted:
		return p.peek(n+1).kind != tDot
	case tOp, tConcat, tArrow, tStar, tSlash, tPercent, tPlus, tMinus, tLt, tLe, tGt, tGe, tEq, tNe:
		return false
	}
	return true
}

// pgArray parses what follows ARRAY: a list in brackets, whose elements may be lists themselves.
func (p *parser) pgArray(tok int32) *expr {
	p.enter()
	p.expect(tLBracket)
	m := p.exprs.mark()
	for first := true; first && !p.is(tRBracket) || !first; first = false {
		if p.is(tLBracket) {
			p.exprs.push(p.pgArray(int32(p.pos)))
		} else {
			p.exprs.push(p.expr(bpNone))
		}
		if !p.accept(tComma) {
			break
		}
	}
	list := p.exprs.cut(m)
	p.expect(tRBracket)
	p.leave()
	e := p.node(opArray, tok)
	e.list = list
	p.growAll(e, list)
	return e
}

// pgInterval parses interval 'x' with its precision and fields; nil when the word isn't followed by one.
func (p *parser) pgInterval() *expr {
	tok := int32(p.pos)
	n := 1
	if p.peek(1).kind == tLParen && p.peek(2).kind == tInteger && p.peek(3).kind == tRParen {
		n = 4
	}
	if p.peek(n).kind != tString {
		return nil
	}
	p.pos += n
	str := int32(p.pos)
	p.take()
	s := p.node(opString, str)
	p.pgFieldsOfInterval()
	e := p.over(opTyped, tok, s, nil)
	e.aux, e.auxEnd = tok, str
	return e
}

// pgFieldsOfInterval parses YEAR, DAY TO SECOND(3) and the like.
func (p *parser) pgFieldsOfInterval() {
	if !p.oneOf("year", "month", "day", "hour", "minute", "second") {
		return
	}
	if p.acceptKw(kwTo) && !p.oneOf("month", "hour", "minute", "second") {
		p.fail()
	}
	if p.accept(tLParen) {
		p.expect(tInteger)
		p.expect(tRParen)
	}
}

// pgReference parses what begins with a name: a column, a call, or a type with a string.
func (p *parser) pgReference() *expr {
	tok := int32(p.pos)
	class := reserved
	if t := p.cur(); t.kind == tQuoted || t.kw == kwNone {
		class = fallback
	} else {
		class = p.f.words.classes[t.kw]
	}
	if kw := p.cur().kw; (class != nameWord || kw == kwTypeWord || kw == kwSpecialCall) && p.pgTypedString() {
		aux := tok
		auxEnd := int32(p.pos)
		p.take()
		s := p.node(opString, auxEnd)
		e := p.over(opTyped, tok, s, nil)
		e.aux, e.auxEnd = aux, auxEnd
		return e
	}
	p.take()
	parts := 1
	for p.is(tDot) {
		if p.peek(1).kind == tStar {
			p.pos += 2
			return p.node(opWhole, tok)
		}
		p.take()
		p.label()
		parts++
	}
	last := int32(p.pos) - 1
	if p.is(tLParen) {
		if parts == 1 && class == nameWord {
			switch p.toks[tok].kw {
			case kwTypeWord, kwSetof, kwInterval, kwBetween, kwPrecision, kwValues:
				p.fail() // no function has such a name
			}
		}
		return p.pgCall(tok, last)
	}
	if class == funcWord && parts == 1 || parts > 4 {
		p.pos--
		p.fail()
	}
	return p.node(opColumn, tok)
}

// oneInteger are the types whose modifier is an integer for the grammar already.
var oneInteger = []string{"char", "character", "varchar", "national", "nchar", "time", "timestamp"}

// pgTypedString moves to the string when the tokens from here are a type and a string.
func (p *parser) pgTypedString() bool {
	n := 1
	switch {
	case p.peek(1).kind == tString:
	case p.word("double") && p.wordAt(1, "precision"):
		n = 2
	case (p.word("character") || p.word("char") || p.word("bit") || p.word("nchar")) && p.wordAt(1, "varying"):
		n = 2
	case p.word("national") && (p.wordAt(1, "character") || p.wordAt(1, "char")):
		n = 2
		if p.wordAt(2, "varying") {
			n = 3
		}
	default:
		for p.peek(n).kind == tDot && (p.peek(n+1).kind == tWord || p.peek(n+1).kind == tQuoted) {
			n += 2
		}
	}
	if p.peek(n).kind == tLParen {
		k := n + 1
		for {
			if p.peek(k).kind == tMinus && p.peek(k+1).kind == tInteger {
				k++
			}
			if p.peek(k).kind != tInteger && p.peek(k).kind != tString {
				return false
			}
			if k++; p.peek(k).kind != tComma {
				break
			}
			k++
		}
		if p.peek(k).kind != tRParen {
			return false
		}
		if slices.ContainsFunc(oneInteger, p.word) && (k != n+2 || p.peek(n+1).kind != tInteger) {
			return false
		}
		n = k + 1
	}
	if p.word("time") || p.word("timestamp") {
		if (p.wordAt(n, "with") || p.wordAt(n, "without")) && p.wordAt(n+1, "time") && p.wordAt(n+2, "zone") {
			n += 3
		}
	}
	if t := p.peek(n); t.kind != tString || lower(p.text[t.off]) == 'n' {
		return false
	}
	p.pos += n
	return true
}

// pgCall parses the arguments of a call whose name's last token is last.
func (p *parser) pgCall(tok, last int32) *expr {
	p.expect(tLParen)
	x := p.extra.next()
	x.foreign = last > tok && !(last == tok+2 && p.f.ident(p.text, &p.toks[tok]) == "pg_catalog")
	var list []*expr
	m := p.exprs.mark()
	kw := p.toks[last].kw
	if last > tok {
		kw = kwNone
	}
	switch {
	case p.is(tStar):
		switch kw {
		case kwTrim, kwExtract, kwPosition, kwNormalize, kwCall, kwGrouping, kwSpecialCall, kwSubstring, kwOverlay:
			p.fail()
		}
		p.take()
		x.star = true
	case p.is(tRParen):
	case kw == kwExtract:
		// The field is a name or a string.
		if !p.is(tString) && (p.isReserved() || !p.is(tWord) && !p.is(tQuoted)) {
			p.fail()
		}
		p.take()
		p.expectKw(kwFrom)
		p.exprs.push(p.expr(bpNone))
	case kw == kwPosition:
		p.exprs.push(p.expr(pgTest + 1))
		p.expectKw(kwIn)
		p.exprs.push(p.expr(pgTest + 1))
	case kw == kwTrim:
		p.acceptAny(kwBoth, kwLeading, kwTrailing)
		if !p.isKw(kwFrom) {
			p.exprs.push(p.expr(bpNone))
		}
		if p.acceptKw(kwFrom) || p.accept(tComma) {
			for {
				p.exprs.push(p.expr(bpNone))
				if !p.accept(tComma) {
					break
				}
			}
		}
	case kw == kwNormalize:
		p.exprs.push(p.expr(bpNone))
		if p.accept(tComma) && !p.oneOf("nfc", "nfd", "nfkc", "nfkd") {
			p.fail()
		}
	default:
		if kw == kwCall && (p.isKw(kwDistinct) || p.isKw(kwAll) || p.isKw(kwVariadic)) {
			p.fail() // GREATEST and the like are no functions
		}
		x.distinct = p.acceptKw(kwDistinct)
		all := x.distinct || p.acceptKw(kwAll)
		for {
			if p.acceptKw(kwVariadic) && all {
				p.fail()
			}
			if (p.is(tWord) || p.is(tQuoted)) && (p.peek(1).kind == tNamedArg || p.peek(1).kind == tAssign) {
				if class := p.f.words.classes[p.cur().kw]; p.cur().kw != kwNone && (class == reserved || class == nameWord) {
					p.fail()
				}
				p.pos += 2
			}
			p.exprs.push(p.expr(bpNone))
			if !p.accept(tComma) {
				break
			}
		}
		switch {
		case kw == kwSubstring:
			push := func() { p.exprs.push(p.expr(bpNone)) }
			switch {
			case p.acceptKw(kwFrom):
				push()
				if p.acceptKw(kwFor) {
					push()
				}
			case p.acceptKw(kwFor):
				push()
				if p.acceptKw(kwFrom) {
					push()
				}
			case p.acceptKw(kwSimilar):
				push()
				p.expectWords("escape")
				push()
			}
		case kw == kwOverlay && p.acceptKw(kwPlacing):
			p.exprs.push(p.expr(bpNone))
			p.expectKw(kwFrom)
			p.exprs.push(p.expr(bpNone))
			if p.acceptKw(kwFor) {
				p.exprs.push(p.expr(bpNone))
			}
		}
		if p.acceptKw(kwOrder) {
			p.expectKw(kwBy)
			x.order = p.pgSortList()
		}
	}
	list = p.exprs.cut(m)
	if last == tok && !x.star && !p.pgArguments(tok, len(list)) {
		p.fail()
	}
	p.expect(tRParen)
	if p.acceptWord("within") {
		p.expectKw(kwGroup)
		p.expect(tLParen)
		p.expectKw(kwOrder, kwBy)
		x.order = p.pgSortList()
		p.expect(tRParen)
	}
	if p.word("filter") && p.peek(1).kind == tLParen {
		p.pos += 2
		p.expectKw(kwWhere)
		x.filter = p.expr(bpNone)
		p.expect(tRParen)
	}
	if p.word("over") && (p.peek(1).kind == tLParen || p.f.isName(p.peek(1))) {
		p.take()
		if p.accept(tLParen) {
			x.over = p.pgWindow()
			p.expect(tRParen)
		} else {
			p.name()
			x.over = &window{}
		}
	}
	e := p.node(opFunc, tok)
	e.aux, e.list, e.fn = last, list, x
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

// pgArguments reports whether a function of the grammar's own can have n arguments that are written as those of
// other functions are.
func (p *parser) pgArguments(tok int32, n int) bool {
	switch p.toks[tok].kw {
	case kwExtract, kwPosition, kwTrim, kwNormalize:
		return n > 0
	case kwCall, kwGrouping, kwSpecialCall:
	default:
		return true
	}
	switch p.f.ident(p.text, &p.toks[tok]) {
	case "merge_action":
		return n == 0
	case "nullif", "json_exists", "json_query", "json_value":
		return n == 2
	case "json_scalar", "json_serialize", "json", "json_arrayagg":
		return n == 1
	case "coalesce", "greatest", "least", "grouping", "xmlconcat", "xmlforest":
		return n > 0
	case "json_objectagg", "json_table", "xmlattributes", "xmlelement", "xmlexists", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot",
		"xmlserialize", "xmltable":
		return false // their arguments are written otherwise
	}
	return true
}

// pgWindow parses a window definition between its parentheses.
func (p *parser) pgWindow() *window {
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
		w.order = p.pgSortList()
	}
	if !p.acceptAny(kwRange, kwRows, kwGroups) {
		return w
	}
	m := p.exprs.mark()
	if p.acceptKw(kwBetween) {
		p.pgBound()
		p.expectKw(kwAnd)
	}
	p.pgBound()
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

func (p *parser) pgBound() {
	switch {
	case p.isKw(kwUnbounded) && (p.peek(1).kw == kwPreceding || p.peek(1).kw == kwFollowing):
		p.pos += 2
	case p.isKw(kwCurrent) && p.peek(1).kw == kwRow:
		p.pos += 2
	default:
		p.exprs.push(p.expr(pgNot))
		if !p.acceptAny(kwPreceding, kwFollowing) {
			p.fail()
		}
	}
}

// pgSortList parses the terms of ORDER BY.
func (p *parser) pgSortList() []*expr {
	m := p.exprs.mark()
	for {
		p.exprs.push(p.expr(bpNone))
		if p.acceptKw(kwUsing) {
			if p.word("operator") {
				p.pgNamedOperator()
			} else {
				p.pgOperatorToken()
			}
		} else {
			p.acceptAny(kwAsc, kwDesc)
		}
		if p.acceptKw(kwNulls) && !p.acceptAny(kwFirst, kwLast) {
			p.fail()
		}
		if !p.accept(tComma) {
			return p.exprs.cut(m)
		}
	}
}

// postgresTypeName parses a type.
func postgresTypeName(p *parser) {
	p.acceptKw(kwSetof)
	t := p.cur()
	first := p.pos
	switch {
	case t.kind == tQuoted:
	case t.kind != tWord, p.isReserved():
		p.fail()
	case t.kw != kwNone && t.kw != kwTypeWord && t.kw != kwInterval && p.f.words.classes[t.kw] == nameWord && t.kw != kwSpecialCall:
		p.fail() // it may name a column, not a type
	}
	p.take()
	if p.is(tDot) && t.kind == tWord && p.f.words.classes[t.kw] == nameWord && t.kw != kwNone {
		p.fail() // these types have no schema
	}
	for p.is(tDot) {
		p.take()
		p.label()
	}
	is := func(w string) bool {
		t := &p.toks[first]
		return t.kind == tWord && equalFold(p.text[t.off:t.end], w)
	}
	switch {
	case p.pos > first+1:
	case is("double"):
		p.expectWords("precision")
	case is("national"):
		if !p.oneOf("character", "char") {
			p.fail()
		}
		p.acceptWord("varying")
	case is("character"), is("char"), is("nchar"), is("bit"):
		p.acceptWord("varying")
	case is("interval"):
		p.pgFieldsOfInterval()
	}
	if p.is(tLParen) && (p.pos == first+1 || !is("interval") && p.toks[first+1].kind == tWord) && t.kind == tWord && slices.Contains(oneInteger, foldName(p.text[t.off:t.end])) {
		p.take()
		p.expect(tInteger)
		p.expect(tRParen)
	} else if p.is(tLParen) {
		p.take()
		for {
			// Any expression, for the grammar. Those that make sense are no values of columns; others stay without
			// a role.
			switch e := p.expr(bpNone); e.op {
			case opNumber, opString, opColumn:
				e.markSeen()
			case opNeg:
				if e.a.op == opNumber {
					e.markSeen()
				}
			}
			if !p.accept(tComma) {
				break
			}
		}
		p.expect(tRParen)
	}
	if (is("time") || is("timestamp")) && (p.word("with") || p.word("without")) && p.wordAt(1, "time") {
		p.take()
		p.expectWords("time", "zone")
	}
	if p.isKw(kwArray) {
		p.take()
		if p.accept(tLBracket) {
			p.expect(tInteger)
			p.expect(tRBracket)
		}
	}
	for p.accept(tLBracket) {
		p.accept(tInteger)
		p.expect(tRBracket)
	}
}
