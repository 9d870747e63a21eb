package sqlplan

import "strings"

// Binding powers, from loose to tight.
const (
	myOr = iota + 1
	myXor
	myAnd
	myNot
	myCompare
	myPredicate
	myBitOr
	myBitAnd
	myShift
	myAdd
	myMultiply
	myBitXor
	mySimple
	myCollate
)

// mysqlBinary are the operators whose two sides are symmetric.
var mysqlBinary = map[kind]struct {
	op op
	bp int
}{
	tAndAnd:  {opAnd, myAnd},
	tEq:      {opEq, myCompare},
	tNullEq:  {opIs, myCompare},
	tNe:      {opNe, myCompare},
	tLt:      {opLess, myCompare},
	tLe:      {opLess, myCompare},
	tGt:      {opLess, myCompare},
	tGe:      {opLess, myCompare},
	tPipe:    {opArith, myBitOr},
	tAmp:     {opArith, myBitAnd},
	tShl:     {opArith, myShift},
	tShr:     {opArith, myShift},
	tPlus:    {opArith, myAdd},
	tMinus:   {opArith, myAdd},
	tStar:    {opArith, myMultiply},
	tSlash:   {opArith, myMultiply},
	tPercent: {opArith, myMultiply},
	tArrow:   {opArrow, myCollate},
}

// mysqlInfix parses one operator and its right side after l, or returns nil when none follows that binds
// tightly enough.
func mysqlInfix(p *parser, l *expr, min int) *expr {
	t := p.cur()
	b, ok := mysqlBinary[t.kind]
	switch {
	case t.kind == tWord:
		return p.myInfixWord(l, min)
	case t.kind == tConcat:
		b.op, b.bp = opOr, myOr
		if p.mode.PipesConcat {
			b.op, b.bp = opConcat, mySimple
		}
	case t.kind == tOp && p.text[t.off] == '^':
		b.op, b.bp = opArith, myBitXor
	case !ok:
		return nil
	}
	if b.bp < min {
		return nil
	}
	p.take()
	if b.bp == myCompare && (p.isKw(kwAny) || p.isKw(kwSome) || p.isKw(kwAll)) && p.peek(1).kind == tLParen {
		p.pos += 2
		sel := p.selectStmt()
		p.expect(tRParen)
		e := p.over(opAny, l.tok, l, nil)
		e.sel = sel
		return e
	}
	return p.over(b.op, l.tok, l, p.expr(b.bp+1))
}

func (p *parser) myInfixWord(l *expr, min int) *expr {
	binary := func(o op, bp int) *expr {
		if bp < min {
			return nil
		}
		p.take()
		return p.over(o, l.tok, l, p.expr(bp+1))
	}
	switch p.cur().kw {
	case kwOr:
		return binary(opOr, myOr)
	case kwXor:
		return binary(opArith, myXor)
	case kwAnd:
		return binary(opAnd, myAnd)
	case kwDiv, kwMod:
		return binary(opArith, myMultiply)
	case kwCollate:
		if myCollate < min {
			return nil
		}
		switch l.op {
		case opIsNull, opNotNull, opEq, opNe, opLess, opLike, opIn, opInSelect, opBetween, opAnd, opOr, opNot:
			p.fail() // it belongs to an operand
		}
		p.take()
		if !p.is(tString) && !p.isKw(kwBinary) {
			p.name()
		} else {
			p.take()
		}
		return p.over(opCollate, l.tok, l, nil)
	case kwIs:
		if myCompare < min {
			return nil
		}
		p.take()
		o := opIsNull
		if p.acceptKw(kwNot) {
			o = opNotNull
		}
		switch {
		case p.acceptKw(kwNull):
			return p.over(o, l.tok, l, nil)
		case p.acceptAny(kwTrue, kwFalse), p.acceptWord("unknown"):
			return p.over(opOperator, l.tok, l, nil)
		}
		p.fail()
	}
	if myPredicate < min {
		return nil
	}
	n := 0
	if p.isKw(kwNot) {
		n = 1
	}
	switch t := p.peek(n); {
	case t.kw == kwIn, t.kw == kwBetween, t.kw == kwLike, t.kw == kwRegexp:
		p.pos += n
		return p.myTest(l)
	case n == 0 && p.word("member") && p.peek(1).kw == kwOf:
		p.pos += 2
		p.expect(tLParen)
		r := p.expr(bpNone)
		p.expect(tRParen)
		return p.over(opArith, l.tok, l, r)
	case n == 0 && p.word("member") && p.peek(1).kind == tLParen:
		p.take()
		return p.over(opArith, l.tok, l, p.expr(mySimple))
	case n == 0 && p.word("sounds") && p.peek(1).kw == kwLike:
		p.take()
		return p.myTest(l)
	}
	return nil
}

// myTest parses LIKE and its kin, BETWEEN and IN.
func (p *parser) myTest(l *expr) *expr {
	switch aux := p.take(); p.toks[aux].kw {
	case kwLike, kwRegexp:
		r := p.expr(myBitOr)
		var esc []*expr
		if p.acceptKw(kwEscape) {
			m := p.exprs.mark()
			p.exprs.push(p.expr(mySimple))
			esc = p.exprs.cut(m)
		}
		e := p.over(opLike, l.tok, l, r)
		e.aux, e.list = aux, esc
		p.growAll(e, esc)
		return e
	case kwBetween:
		m := p.exprs.mark()
		p.exprs.push(p.expr(myBitOr))
		p.expectKw(kwAnd)
		p.exprs.push(p.expr(myPredicate))
		e := p.over(opBetween, l.tok, l, nil)
		e.list = p.exprs.cut(m)
		p.growAll(e, e.list)
		return e
	}
	if !p.is(tLParen) {
		p.fail()
	}
	if p.parenQuery() {
		p.take()
		sel := p.selectStmt()
		p.expect(tRParen)
		e := p.over(opInSelect, l.tok, l, nil)
		e.sel = sel
		return e
	}
	p.take()
	list := p.someExprs()
	p.expect(tRParen)
	e := p.over(opIn, l.tok, l, nil)
	e.list = list
	p.growAll(e, list)
	return e
}

// mysqlPrefix parses an operand with the operators before it.
func mysqlPrefix(p *parser) *expr {
	t := p.cur()
	tok := int32(p.pos)
	leaf := func(o op) *expr {
		p.take()
		return p.node(o, tok)
	}
	switch t.kind {
	case tLParen:
		return p.myParenthesized(tok)
	case tInteger, tFloat:
		return leaf(opNumber)
	case tBlob:
		return leaf(opBlob)
	case tString:
		return leaf(opString)
	case tIntroducer:
		p.take()
		if !p.is(tString) && !p.is(tBlob) {
			p.fail()
		}
		return leaf(opString)
	case tParam:
		return leaf(opParam)
	case tSysVar:
		return leaf(opTime)
	case tUserVar:
		p.take()
		if p.accept(tAssign) {
			return p.over(opOperator, tok, p.expr(bpNone), nil)
		}
		return p.node(opTime, tok)
	case tMinus, tPlus, tTilde:
		o := opNeg
		if t.kind == tPlus {
			o = opPos
		} else if t.kind == tTilde {
			o = opBitNot
		}
		p.take()
		return p.over(o, tok, p.expr(mySimple), nil)
	case tOp:
		if p.text[t.off] != '!' {
			p.fail()
		}
		p.take()
		return p.over(opNot, tok, p.expr(mySimple), nil)
	case tQuoted:
		return p.myColumnOrCall()
	case tWord:
		return p.myPrefixWord(tok)
	}
	p.fail()
	return nil
}

func (p *parser) myPrefixWord(tok int32) *expr {
	t := p.cur()
	leaf := func(o op) *expr {
		p.take()
		return p.node(o, tok)
	}
	called := p.peek(1).kind == tLParen
	switch t.kw {
	case kwNone:
		switch {
		case p.peek(1).kind == tString && (p.word("date") || p.word("time") || p.word("timestamp")):
			p.take()
			s := p.node(opString, p.take())
			e := p.over(opTyped, tok, s, nil)
			e.aux, e.auxEnd = tok, tok+1
			return e
		case (p.word("next") || p.word("previous")) && p.peek(1).kw == kwValue && p.peek(2).kw == kwFor:
			p.pos += 3
			p.qname()
			return p.node(opTime, tok)
		}
		return p.myColumnOrCall()
	case kwNull:
		return leaf(opNull)
	case kwTrue, kwFalse:
		return leaf(opBool)
	case kwNot:
		p.take()
		bp := myNot
		if p.mode.HighNot {
			bp = mySimple
		}
		return p.over(opNot, tok, p.expr(bp), nil)
	case kwBinary:
		p.take()
		e := p.over(opCast, tok, p.expr(mySimple), nil)
		e.aux, e.auxEnd = tok, tok+1
		return e
	case kwCase:
		return p.caseExpr()
	case kwExists:
		p.take()
		p.expect(tLParen)
		sel := p.selectStmt()
		p.expect(tRParen)
		e := p.node(opExists, tok)
		e.sel = sel
		return e
	case kwInterval:
		return p.myInterval(tok)
	case kwCast, kwConvert:
		if called {
			return p.myCast(tok)
		}
	case kwRow:
		if called {
			p.pos += 2
			e := p.node(opRow, tok)
			e.list = p.someExprs()
			p.expect(tRParen)
			e.end = int32(p.pos)
			p.growAll(e, e.list)
			return e
		}
	case kwMatch:
		return p.myMatch(tok)
	case kwDefault:
		p.take()
		if !called {
			p.fail() // it isn't part of an expression
		}
		p.take()
		if !p.f.isName(p.cur()) {
			p.fail()
		}
		e := p.column()
		p.expect(tRParen)
		return p.over(opOperator, tok, e, nil)
	case kwValues, kwValue:
		if called {
			p.pos += 2
			n := p.name()
			for p.accept(tDot) {
				n = p.name()
			}
			p.expect(tRParen)
			e := p.node(opInserted, tok)
			e.aux = n
			return e
		}
	case kwCurrentDate, kwCurrentTime, kwCurrentTimestamp, kwLocaltime:
		p.take()
		if p.accept(tLParen) {
			p.accept(tInteger)
			p.expect(tRParen)
		}
		return p.node(opTime, tok)
	case kwFuncWord, kwLeft, kwRight, kwInsert, kwReplace, kwMod:
		if called {
			return p.myCall(tok)
		}
		if p.word("current_user") || p.word("current_role") {
			return leaf(opTime)
		}
		p.fail()
	}
	if p.f.words.classes[t.kw] == reserved {
		p.fail()
	}
	return p.myColumnOrCall()
}

// myParenthesized parses a query, an expression or a row in parentheses.
func (p *parser) myParenthesized(tok int32) *expr {
	if !p.parenQuery() {
		p.take()
		return p.parenthesized(tok)
	}
	p.take()
	sel := p.selectStmt()
	p.expect(tRParen)
	e := p.node(opSubquery, tok)
	e.sel = sel
	return e
}

// parenQuery reports whether the parenthesis at the current token begins a query: SELECT and the like follow,
// perhaps after more parentheses that go on as a query when they are closed.
func (p *parser) parenQuery() bool {
	const yes, no = 1, 2
	if p.paren == nil {
		p.matchParens()
	}
	if p.paren[p.pos] != 0 {
		return p.paren[p.pos] == yes
	}
	first := p.pos
	n := 0
	for p.toks[first+n].kind == tLParen {
		n++
	}
	state := int8(no)
	if t := &p.toks[first+n]; t.kw == kwSelect || t.kw == kwWith || t.kw == kwTable ||
		t.kw == kwValues && !p.insertedAt(first+n) {
		state = yes
	}
	for k := n - 1; k >= 0; k-- {
		p.paren[first+k] = state
		closed := p.closed[first+k]
		if state == no || closed == 0 {
			state = no
			continue
		}
		switch t := &p.toks[closed+1]; t.kw {
		case kwUnion, kwExcept, kwIntersect, kwOrder, kwLimit, kwFor, kwLock, kwInto, kwOffset, kwFetch:
		default:
			if t.kind != tRParen {
				state = no
			}
		}
	}
	return p.paren[first] == yes
}

// matchParens notes for each opening parenthesis where it is closed.
func (p *parser) matchParens() {
	p.paren = make([]int8, len(p.toks))
	p.closed = make([]int32, len(p.toks))
	var open []int32
	for i := range p.toks {
		switch p.toks[i].kind {
		case tLParen:
			open = append(open, int32(i))
		case tRParen:
			if n := len(open); n > 0 {
				p.closed[open[n-1]] = int32(i)
				open = open[:n-1]
			}
		}
	}
}

// insertedAt reports whether VALUES(name) stands at token i: the function, not a query.
func (p *parser) insertedAt(i int) bool {
	if i+3 >= len(p.toks) || p.toks[i+1].kind != tLParen || !p.f.isName(&p.toks[i+2]) {
		return false
	}
	return p.toks[i+3].kind == tRParen || p.toks[i+3].kind == tDot
}

// units are the words that may follow the number of an INTERVAL.
var units = set("microsecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year",
	"second_microsecond", "minute_microsecond", "minute_second", "hour_microsecond", "hour_second", "hour_minute",
	"day_microsecond", "day_second", "day_minute", "day_hour", "year_month")

// myInterval parses INTERVAL n unit, or the function.
func (p *parser) myInterval(tok int32) *expr {
	p.take()
	bp := bpNone
	if p.is(tLParen) {
		bp = mySimple // perhaps the arguments of the function
	}
	a := p.expr(bp)
	if t := p.cur(); t.kind == tWord && units[foldName(p.text[t.off:t.end])] {
		p.take()
	} else if a.op != opRow {
		p.fail()
	}
	return p.over(opOperator, tok, a, nil)
}

// myCast parses CAST(a AS type) and CONVERT.
func (p *parser) myCast(tok int32) *expr {
	convert := p.isKw(kwConvert)
	if !convert && p.gap(p.cur(), p.peek(1)) {
		p.fail() // behind a gap CAST is no word of the grammar
	}
	p.pos += 2
	a := p.expr(bpNone)
	switch {
	case convert && p.acceptKw(kwUsing):
		aux := int32(p.pos)
		p.myCharset()
		p.expect(tRParen)
		e := p.over(opCast, tok, a, nil)
		e.aux, e.auxEnd = aux, aux+1
		return e
	case convert:
		p.expect(tComma)
	default:
		p.expectKw(kwAs)
	}
	aux := int32(p.pos)
	mysqlTypeName(p)
	p.acceptWord("array")
	auxEnd := int32(p.pos)
	p.expect(tRParen)
	e := p.over(opCast, tok, a, nil)
	e.aux, e.auxEnd = aux, auxEnd
	return e
}

// myCharset parses the name of a character set.
func (p *parser) myCharset() {
	switch {
	case p.acceptKw(kwBinary):
	case p.is(tString):
		p.expectOneString()
	default:
		p.name()
	}
}

// expectOneString consumes a string that stands where the grammar doesn't join it with a following one.
func (p *parser) expectOneString() int32 {
	t := p.cur()
	if quote := p.text[t.off]; t.kind != tString || quote != '\'' && quote != '"' {
		p.fail()
	}
	l := lexer{text: p.text, mode: p.mode}
	if end, why := l.mysqlString(int(t.off)); why != 0 || end != int(t.end) {
		p.fail()
	}
	return p.take()
}

// mysqlTypeName parses the type of a cast or a column: words, numbers in parentheses, the values of an ENUM.
func mysqlTypeName(p *parser) {
	if !p.is(tWord) {
		p.fail()
	}
	p.take()
	for {
		switch {
		case p.is(tLParen):
			p.take()
			if p.is(tRParen) {
				p.fail()
			}
			for {
				p.accept(tIntroducer)
				switch p.cur().kind {
				case tInteger, tString, tBlob:
					p.take()
				default:
					p.fail()
				}
				if !p.accept(tComma) {
					break
				}
			}
			p.expect(tRParen)
		case p.isKw(kwBinary), p.oneOf("precision", "unsigned", "signed", "zerofill", "varying", "ascii", "unicode", "byte"):
			if p.isKw(kwBinary) {
				p.take()
			}
		case p.acceptWord("charset"), p.word("character") && p.peek(1).kw == kwSet, p.word("char") && p.peek(1).kw == kwSet:
			if p.toks[p.pos].kind == tWord && p.peek(1).kw == kwSet {
				p.pos += 2
			}
			p.myCharset()
		case (p.word("integer") || p.word("int")) && p.pos > 0 && p.wordAt(-1, "signed"), (p.word("integer") || p.word("int")) && p.pos > 0 && p.wordAt(-1, "unsigned"):
			p.take() // SIGNED INTEGER
		default:
			return
		}
	}
}

// myMatch parses MATCH (a, b) AGAINST (x mode).
func (p *parser) myMatch(tok int32) *expr {
	p.take()
	m := p.exprs.mark()
	paren := p.accept(tLParen)
	for {
		if !p.f.isName(p.cur()) {
			p.fail()
		}
		p.exprs.push(p.column())
		if !p.accept(tComma) {
			break
		}
	}
	if paren {
		p.expect(tRParen)
	}
	p.expectWords("against")
	p.expect(tLParen)
	p.exprs.push(p.expr(myBitOr))
	if p.acceptKw(kwIn) {
		switch {
		case p.acceptKw(kwNatural):
			p.expectWords("language", "mode")
		default:
			p.expectWords("boolean", "mode")
		}
	}
	if p.acceptKw(kwWith) {
		p.expectWords("query", "expansion")
	}
	p.expect(tRParen)
	list := p.exprs.cut(m)
	e := p.node(opFunc, tok)
	e.aux, e.list, e.fn = tok, list, p.extra.next()
	p.growAll(e, list)
	return e
}

// myColumnOrCall parses a column, or a call of a function that may have a schema.
func (p *parser) myColumnOrCall() *expr {
	tok := int32(p.pos)
	if p.peek(1).kind == tLParen {
		return p.myCall(tok)
	}
	e := p.column()
	if !p.is(tLParen) {
		return e
	}
	if e.end == e.tok+5 {
		p.fail()
	}
	p.pos--
	call := p.myCall(tok)
	call.fn.foreign = true
	e.seen = true // the function's name
	return call
}

// gap reports whether what stands between a function's name and its parenthesis parts them: white space doesn't
// under IGNORE_SPACE, a comment always does.
func (p *parser) gap(name, paren *token) bool {
	between := p.text[name.end:paren.off]
	return between != "" && !(p.mode.IgnoreSpace && strings.Trim(between, " \t\r\n\v\f") == "")
}

// myCall parses a call of the function that the current token names. Within the parentheses the words that some
// functions part their arguments with are taken for all.
func (p *parser) myCall(first int32) *expr {
	aux := p.take()
	t := &p.toks[aux]
	x := p.extra.next()
	// With a gap before the parenthesis it may be a stored function of the same name.
	x.foreign = t.kind != tWord || p.gap(t, p.cur())
	p.expect(tLParen)
	m := p.exprs.mark()
	form := callPlain
	if t.kind == tWord && first == aux {
		switch name := foldName(p.text[t.off:t.end]); {
		case name == "row_number", name == "last_value", name == "char":
			x.foreign = false // words of the grammar, with a gap too
			fallthrough
		case !x.foreign:
			form = myCalls[name]
		}
	}
	switch {
	case form == callCount && !x.foreign && p.accept(tStar):
		x.star = true
	case !p.is(tRParen):
		if form >= callAggregate {
			x.distinct = p.acceptKw(kwDistinct)
			if !x.distinct {
				p.acceptKw(kwAll)
			}
		}
		p.myArguments(x, form)
	case form > callRank:
		p.fail() // it has an argument
	}
	p.expect(tRParen)
	list := p.exprs.cut(m)
	if p.isKw(kwWithin) && p.peek(1).kw == kwGroup && p.peek(2).kind == tLParen {
		p.pos += 3
		p.expectKw(kwOrder, kwBy)
		x.order = p.sortList()
		p.expect(tRParen)
	}
	if p.word("from") && (p.wordAt(1, "first") || p.wordAt(1, "last")) && p.peek(2).kw == kwOver {
		p.pos += 2
	}
	if (p.word("respect") || p.isKw(kwIgnore)) && p.peek(1).kw == kwNulls {
		p.pos += 2
	}
	if form == callRank && len(list) > 0 || (form == callRank || form == callOver) && !p.isKw(kwOver) {
		p.fail()
	}
	if p.isKw(kwOver) && form >= callRank && (p.peek(1).kind == tLParen || p.f.isName(p.peek(1))) {
		p.take()
		if p.accept(tLParen) {
			x.over = p.window()
			p.expect(tRParen)
		} else {
			p.name()
			x.over = &window{}
		}
	}
	e := p.node(opFunc, first)
	e.aux, e.list, e.fn = aux, list, x
	p.growAll(e, list)
	p.growAll(e, x.order)
	if x.over != nil {
		p.growAll(e, x.over.partition)
		p.growAll(e, x.over.order)
		p.growAll(e, x.over.bounds)
	}
	return e
}

// callForm is how the arguments of a function are written.
type callForm uint8

const (
	callPlain callForm = iota
	callTrim
	callSubstring
	callExtract
	callPosition
	callChar
	callWeight
	callJSONValue
	callRank      // OVER follows; no argument
	callOver      // OVER follows
	callWindowed  // OVER may follow, as behind those below
	callAggregate // DISTINCT may stand before the arguments, as in those below
	callConcat
	callCount
)

// myCalls are the functions whose calls the grammar writes otherwise than those of all others.
var myCalls = map[string]callForm{
	"trim": callTrim, "substring": callSubstring, "substr": callSubstring, "mid": callSubstring, "extract": callExtract,
	"position": callPosition, "char": callChar, "weight_string": callWeight, "json_value": callJSONValue,
	"row_number": callRank, "rank": callRank, "dense_rank": callRank, "percent_rank": callRank, "cume_dist": callRank,
	"lag": callOver, "lead": callOver, "first_value": callOver, "last_value": callOver, "nth_value": callOver,
	"ntile": callOver, "median": callOver, "percentile_cont": callOver, "percentile_disc": callOver,
	"bit_and": callWindowed, "bit_or": callWindowed, "bit_xor": callWindowed, "std": callWindowed, "stddev": callWindowed,
	"stddev_pop": callWindowed, "stddev_samp": callWindowed, "variance": callWindowed, "var_pop": callWindowed,
	"var_samp": callWindowed, "json_objectagg": callWindowed,
	"sum": callAggregate, "avg": callAggregate, "min": callAggregate, "max": callAggregate,
	"group_concat": callConcat, "json_arrayagg": callConcat, "count": callCount,
}

// myArguments pushes the arguments of a function.
func (p *parser) myArguments(x *funcExtra, form callForm) {
	push := func() { p.exprs.push(p.expr(bpNone)) }
	switch form {
	case callTrim:
		side := p.oneOf("both", "leading", "trailing")
		if !side || !p.isKw(kwFrom) {
			push()
		}
		if p.acceptKw(kwFrom) {
			push()
		} else if side {
			p.fail()
		}
		return
	case callExtract:
		push() // the unit
		p.expectKw(kwFrom)
		push()
		return
	case callPosition:
		p.exprs.push(p.expr(myBitOr))
		p.expectKw(kwIn)
		push()
		return
	case callSubstring:
		push()
		if p.acceptKw(kwFrom) {
			push()
			if p.acceptKw(kwFor) {
				push()
			}
			return
		}
		if !p.accept(tComma) {
			return
		}
	}
	for {
		push()
		if !p.accept(tComma) {
			break
		}
	}
	switch form {
	case callChar:
		if p.acceptKw(kwUsing) {
			p.myCharset()
		}
	case callWeight:
		if p.acceptKw(kwAs) {
			mysqlTypeName(p)
		}
	case callJSONValue: // JSON_VALUE(x, path RETURNING type …)
		if p.acceptKw(kwReturning) {
			mysqlTypeName(p)
		}
		for p.myOnEmpty() {
		}
	case callConcat:
		if p.acceptKw(kwOrder) {
			p.expectKw(kwBy)
			x.order = p.sortList()
		}
		if p.acceptWord("separator") {
			p.expectOneString()
		}
		if p.acceptKw(kwLimit) {
			push()
			if p.acceptKw(kwOffset) || p.accept(tComma) {
				push()
			}
		}
	}
}

// myOnEmpty parses NULL ON EMPTY, ERROR ON ERROR, DEFAULT x ON EMPTY and the like.
func (p *parser) myOnEmpty() bool {
	switch {
	case p.acceptKw(kwNull), p.acceptWord("error"):
	case p.acceptKw(kwDefault):
		p.exprs.push(p.expr(mySimple))
	default:
		return false
	}
	p.expectKw(kwOn)
	if !p.oneOf("empty", "error") {
		p.fail()
	}
	return true
}
