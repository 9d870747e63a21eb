package sqlplan

import "slices"

// postgresWith parses a WITH clause.
func postgresWith(p *parser) *with {
	p.expectKw(kwWith)
	w := &with{recursive: p.isKw(kwRecursive) && p.peek(1).kw != kwAs && p.peek(1).kind != tLParen}
	if w.recursive {
		p.take()
	}
	for {
		c := &cte{name: p.name()}
		if p.accept(tLParen) {
			c.cols = p.names()
		}
		p.expectKw(kwAs)
		if p.acceptKw(kwNot) {
			p.expectKw(kwMaterialized)
		} else {
			p.acceptKw(kwMaterialized)
		}
		p.expect(tLParen)
		s := &stmt{tok: int32(p.pos)}
		p.enter()
		p.pgQuery(s)
		p.leave()
		s.end = int32(p.pos)
		if c.sel = s.sel; s.sel == nil {
			c.write = s
		}
		p.expect(tRParen)
		if p.acceptWord("search") {
			c.extra = true
			if !p.oneOf("breadth", "depth") {
				p.fail()
			}
			p.expectWords("first", "by")
			p.pgNames()
			p.expectWords("set")
			p.name()
		}
		if p.acceptWord("cycle") {
			c.extra = true
			p.pgNames()
			p.expectWords("set")
			p.name()
			if p.acceptKw(kwTo) {
				p.pgMark()
				p.expectKw(kwDefault)
				p.pgMark()
			}
			p.expectKw(kwUsing)
			p.name()
		}
		w.ctes = append(w.ctes, c)
		if !p.accept(tComma) {
			return w
		}
	}
}

// pgMark parses a constant that marks rows. It is no value of a column.
func (p *parser) pgMark() {
	switch e := p.expr(pgOperator); e.op {
	case opString, opNumber, opBool, opTyped, opBits:
		e.markSeen()
	}
}

// pgNames consumes a list of names without parentheses.
func (p *parser) pgNames() {
	p.name()
	for p.accept(tComma) {
		p.name()
	}
}

// postgresQuery parses a query after its WITH clause w, which may be nil and began at token first.
func postgresQuery(p *parser, w *with, first int) *selectStmt {
	return p.pgQueryFrom(p.pgCore(), w, first)
}

// pgQueryFrom parses a query whose first part is c.
func (p *parser) pgQueryFrom(c *core, w *with, first int) *selectStmt {
	s := &selectStmt{with: w, tok: int32(first)}
	for {
		s.cores = append(s.cores, c)
		o := p.setOp()
		if o == 0 {
			break
		}
		if o != unionAll && !p.acceptKw(kwAll) {
			p.acceptKw(kwDistinct)
		}
		s.ops = append(s.ops, o)
		c = p.pgCore()
	}
	if p.acceptKw(kwOrder) {
		p.expectKw(kwBy)
		s.order = p.pgSortList()
	}
	p.pgTail(s)
	s.end = int32(p.pos)
	if w == nil && len(s.cores) == 1 && s.cores[0].sel != nil && s.order == nil && s.limit == nil && s.offset == nil && s.locks == nil {
		return s.cores[0].sel // parentheses that mean nothing
	}
	return s
}

// pgTail parses LIMIT, OFFSET, FETCH and the locks, in any order.
func (p *parser) pgTail(s *selectStmt) {
	for {
		switch {
		case s.limit == nil && p.acceptKw(kwLimit):
			if p.isKw(kwAll) {
				s.limit = p.node(opNull, p.take())
				continue
			}
			s.limit = p.expr(bpNone)
		case s.offset == nil && p.acceptKw(kwOffset):
			s.offset = p.expr(bpNone)
			p.oneOf("row", "rows")
		case s.limit == nil && p.isKw(kwFetch):
			p.take()
			if !p.oneOf("first", "next") {
				p.fail()
			}
			if !p.word("row") && !p.word("rows") || p.wordAt(1, "row") || p.wordAt(1, "rows") {
				s.limit = p.pgFetched()
			} else {
				s.limit = p.node(opNull, int32(p.pos))
			}
			if !p.oneOf("row", "rows") {
				p.fail()
			}
			if !p.acceptKw(kwOnly) {
				p.expectKw(kwWith, kwTies)
			}
		case p.isKw(kwFor):
			p.take()
			switch {
			case p.acceptKw(kwUpdate), p.acceptWord("share"):
			case p.acceptKw(kwNo):
				p.expectWords("key", "update")
			case p.acceptKw(kwKey):
				p.expectWords("share")
			case p.acceptWord("read"):
				p.expectKw(kwOnly)
			default:
				p.fail()
			}
			if p.acceptKw(kwOf) {
				for {
					s.locks = append(s.locks, p.pgName())
					if !p.accept(tComma) {
						break
					}
				}
			}
			if !p.acceptWord("nowait") && p.acceptWord("skip") {
				p.expectWords("locked")
			}
		default:
			return
		}
	}
}

func (p *parser) pgCore() *core {
	c := &core{tok: int32(p.pos)}
	p.enter()
	defer p.leave()
	switch {
	case p.accept(tLParen):
		c.sel = p.selectStmt()
		p.expect(tRParen)
		c.end = int32(p.pos)
		return c
	case p.acceptKw(kwValues):
		m := p.rows.mark()
		for {
			p.expect(tLParen)
			p.rows.push(p.someExprs())
			p.expect(tRParen)
			if !p.accept(tComma) {
				break
			}
		}
		c.values = p.rows.cut(m)
		c.end = int32(p.pos)
		return c
	case p.acceptKw(kwTable):
		c.table = true
		star := resultCol{table: -1, alias: -1, tok: int32(p.pos - 1), end: int32(p.pos)}
		c.from = p.pgTableSource(nil, 0)
		c.cols = []resultCol{star}
		c.end = int32(p.pos)
		return c
	}
	p.expectKw(kwSelect)
	if c.distinct = p.acceptKw(kwDistinct); c.distinct && p.acceptKw(kwOn) {
		c.distinct = false
		p.expect(tLParen)
		c.on = p.someExprs()
		p.expect(tRParen)
	} else if !c.distinct {
		p.acceptKw(kwAll)
	}
	if c.distinct || c.on != nil || !p.pgCoreEnds() {
		c.cols = p.pgResultCols()
	}
	if p.acceptKw(kwInto) {
		c.into = true
		p.oneOf("temporary", "temp", "local", "global", "unlogged")
		p.acceptKw(kwTemp)
		p.acceptKw(kwTable)
		p.pgName()
	}
	if p.acceptKw(kwFrom) {
		c.from = p.pgSources()
	}
	if p.acceptKw(kwWhere) {
		c.where = p.expr(bpNone)
	}
	if p.acceptKw(kwGroup) {
		p.expectKw(kwBy)
		if !p.acceptKw(kwAll) {
			p.acceptKw(kwDistinct)
		}
		m := p.exprs.mark()
		p.pgGroupItems(true)
		c.group = p.exprs.cut(m)
	}
	if p.acceptKw(kwHaving) {
		c.having = p.expr(bpNone)
	}
	if p.acceptKw(kwWindow) {
		for {
			p.name()
			p.expectKw(kwAs)
			p.expect(tLParen)
			c.windows = append(c.windows, p.pgWindow())
			p.expect(tRParen)
			if !p.accept(tComma) {
				break
			}
		}
	}
	c.end = int32(p.pos)
	return c
}

// pgCoreEnds reports whether no select list follows.
func (p *parser) pgCoreEnds() bool {
	switch t := p.cur(); t.kind {
	case tEOF, tSemi, tRParen:
		return true
	case tWord:
		switch t.kw {
		case kwFrom, kwWhere, kwGroup, kwHaving, kwWindow, kwUnion, kwExcept, kwIntersect, kwOrder, kwLimit, kwOffset,
			kwFetch, kwFor, kwInto:
			return true
		}
	}
	return false
}

// pgFetched parses the number of FETCH: an operand without operators, or a number with a sign.
func (p *parser) pgFetched() *expr {
	switch p.cur().kind {
	case tPlus, tMinus:
		if k := p.peek(1).kind; k != tInteger && k != tFloat {
			p.fail()
		}
	case tOp, tConcat, tArrow, tStar, tSlash, tPercent, tLt, tLe, tGt, tGe, tEq, tNe:
		p.fail()
	}
	if p.isKw(kwNot) {
		p.fail()
	}
	return postgresPrefix(p)
}

// pgGroupItem pushes an expression of GROUP BY. Those of a list in parentheses stand for themselves: a number
// among them is the position of an output.
func (p *parser) pgGroupItem(e *expr) {
	if e.op != opRow || p.toks[e.tok].kind != tLParen {
		p.exprs.push(e)
		return
	}
	p.enter()
	e.seen = true
	for _, x := range e.list {
		p.pgGroupItem(x)
	}
	p.leave()
}

// pgGroupItems pushes the expressions of GROUP BY; those of grouping sets too. sets: an empty one may be among
// them.
func (p *parser) pgGroupItems(sets bool) {
	p.enter()
	for {
		switch {
		case sets && p.is(tLParen) && p.peek(1).kind == tRParen:
			p.pos += 2
			p.exprs.push(p.node(opNull, int32(p.pos-2)))
		case p.isKw(kwGrouping) && p.wordAt(1, "sets"):
			p.pos += 2
			p.expect(tLParen)
			p.pgGroupItems(true)
			p.expect(tRParen)
		case (p.word("rollup") || p.word("cube")) && p.peek(1).kind == tLParen:
			p.pos += 2
			p.pgGroupItems(false)
			p.expect(tRParen)
		default:
			p.pgGroupItem(p.expr(bpNone))
		}
		if !p.accept(tComma) {
			break
		}
	}
	p.leave()
}

// pgResultCols parses a select list or the list of RETURNING.
func (p *parser) pgResultCols() []resultCol {
	m := p.cols.mark()
	for {
		c := resultCol{table: -1, alias: -1, tok: int32(p.pos)}
		switch {
		case p.accept(tStar):
		default:
			c.e = p.expr(bpNone)
			if c.e.op == opWhole && c.e.a == nil {
				c.table, c.e = c.e.end-3, nil // t.* by itself
			}
			label := int32(-1)
			if p.acceptKw(kwAs) {
				label = p.label()
			} else if p.pgBareLabel() {
				label = p.take()
			}
			if c.e != nil { // that of a star means nothing
				c.alias = label
			}
		}
		c.end = int32(p.pos)
		p.cols.push(c)
		if !p.accept(tComma) {
			return p.cols.cut(m)
		}
	}
}

// asLabels are the words, beside keywords of this package, that are labels behind AS only.
var asLabels = []string{"char", "character", "year", "month", "hour", "minute", "second", "varying"}

// pgBareLabel reports whether the current token is a label without AS: any word but some, which the grammar
// needs there.
func (p *parser) pgBareLabel() bool {
	t := p.cur()
	switch t.kind {
	case tQuoted:
		return true
	case tWord:
		switch t.kw {
		case kwArray, kwAs, kwCreate, kwExcept, kwFetch, kwFor, kwFrom, kwGrant, kwGroup, kwHaving, kwIntersect, kwInto,
			kwIsnull, kwLimit, kwNotnull, kwOffset, kwOn, kwOrder, kwOverlaps, kwPrecision, kwReturning, kwTo, kwUnion,
			kwWhere, kwWindow, kwWith, kwFilter, kwOver, kwWithin, kwWithout, kwDay:
			return false
		}
		return !slices.ContainsFunc(asLabels, p.word)
	}
	return false
}

// pgSources parses the items of FROM. Joins that belong together are one source with the parts nested.
func (p *parser) pgSources() []*source {
	var list []*source
	for {
		list = append(list, p.pgJoined())
		if !p.accept(tComma) {
			return list
		}
	}
}

// pgJoined parses an item and all that is joined to it. A single item is itself, several are nested in one
// source without a name.
func (p *parser) pgJoined() *source {
	p.enter()
	defer p.leave()
	first := p.pgItem()
	var list []*source
	for {
		var join joinOp
		kind := p.cur().kw
		switch kind {
		case kwJoin, kwInner, kwLeft, kwRight, kwFull, kwCross, kwNatural:
		default:
			if list == nil {
				return first
			}
			return &source{nested: list, alias: -1, merged: -1, name: name{schema: -1, tok: -1}, tok: first.tok, end: int32(p.pos)}
		}
		if p.acceptKw(kwNatural) {
			join = joinNatural
			kind = p.cur().kw
		}
		switch kind {
		case kwInner, kwCross:
			p.take()
		case kwLeft, kwRight, kwFull:
			p.take()
			p.acceptKw(kwOuter)
			if kind != kwLeft {
				join |= joinOuter
			}
		}
		p.expectKw(kwJoin)
		var right *source
		if kind == kwCross || join&joinNatural != 0 {
			right = p.pgItem()
		} else {
			// Joins that follow before the condition are the right side's own.
			right = p.pgJoined()
			switch {
			case p.acceptKw(kwOn):
				right.on = p.expr(bpNone)
			case p.acceptKw(kwUsing):
				p.expect(tLParen)
				right.using = p.names()
				if p.acceptKw(kwAs) {
					right.merged = p.name()
				}
			default:
				p.fail()
			}
		}
		right.join |= join
		right.end = int32(p.pos)
		if list == nil {
			list = append(list, first)
		}
		list = append(list, right)
	}
}

// pgItem parses one item of FROM without joins.
func (p *parser) pgItem() *source {
	s := &source{alias: -1, merged: -1, name: name{schema: -1, tok: -1}, tok: int32(p.pos)}
	s.lateral = p.acceptKw(kwLateral)
	switch {
	case p.is(tLParen):
		p.pgParenItem(s)
	case p.word("rows") && p.wordAt(1, "from") && p.peek(2).kind == tLParen:
		p.pos += 3
		s.call, s.lateral = true, true
		m := p.exprs.mark()
		for {
			p.exprs.push(p.pgFromCall())
			if p.acceptKw(kwAs) {
				p.expect(tLParen)
				p.pgColumnTypes(s)
			}
			if !p.accept(tComma) {
				break
			}
		}
		s.args = p.exprs.cut(m)
		p.expect(tRParen)
	case p.isKw(kwOnly) && !s.lateral:
		p.take()
		paren := p.accept(tLParen)
		s.name = p.pgName()
		if paren {
			p.expect(tRParen)
		}
	case p.pgAtCall():
		s.call, s.lateral = true, true
		m := p.exprs.mark()
		p.exprs.push(p.pgFromCall())
		s.args = p.exprs.cut(m)
	case s.lateral:
		p.fail() // it stands before queries and functions
	default:
		s.name = p.pgName()
		p.accept(tStar)
	}
	if s.call && p.is(tWord) && p.isKw(kwWith) && p.wordAt(1, "ordinality") {
		p.pos += 2
		s.ordinality = true
	}
	p.pgAlias(s)
	if p.acceptKw(kwTablesample) {
		p.pgFuncName()
		p.expect(tLParen)
		m := p.exprs.mark()
		for {
			p.exprs.push(p.expr(bpNone))
			if !p.accept(tComma) {
				break
			}
		}
		p.expect(tRParen)
		if p.acceptWord("repeatable") {
			p.expect(tLParen)
			p.exprs.push(p.expr(bpNone))
			p.expect(tRParen)
		}
		s.args = append(s.args, p.exprs.cut(m)...)
	}
	s.end = int32(p.pos)
	return s
}

// pgTableSource parses the table of TABLE t, or of a statement that takes one and no alias.
func (p *parser) pgTableSource(list []*source, join joinOp) []*source {
	s := &source{alias: -1, merged: -1, join: join, name: name{schema: -1, tok: -1}, tok: int32(p.pos)}
	only := p.acceptKw(kwOnly)
	paren := only && p.accept(tLParen)
	s.name = p.pgName()
	if paren {
		p.expect(tRParen)
	} else {
		p.accept(tStar)
	}
	s.end = int32(p.pos)
	return append(list, s)
}

// pgAtCall reports whether a function stands in FROM.
func (p *parser) pgAtCall() bool {
	t := p.cur()
	switch t.kw {
	case kwSessionValue, kwCurrentDate, kwCurrentTime, kwCurrentTimestamp, kwLocaltime, kwCast, kwCall:
		return true
	}
	for n := 1; ; n += 2 {
		switch p.peek(n).kind {
		case tLParen:
			return true
		case tDot:
			continue
		}
		return false
	}
}

// pgFromCall parses a function of FROM.
func (p *parser) pgFromCall() *expr {
	at := p.pos
	e := postgresPrefix(p)
	switch e.op {
	case opFunc, opTime, opCast:
		return e
	}
	p.pos = at
	p.fail()
	return nil
}

// pgParenItem parses an item of FROM in parentheses into s: a query, or a join.
func (p *parser) pgParenItem(s *source) {
	tok := p.take()
	if p.pgAtQuery() {
		s.sel = p.selectStmt()
		p.expect(tRParen)
		return
	}
	in := p.pgJoined()
	if in.sel != nil && in.alias < 0 {
		// A query in parentheses of its own: alone, or the first part of a longer one.
		if s.sel = p.pgContinue(in.sel, tok+1, int32(p.pos)); s.sel == nil {
			s.sel = in.sel
		}
	} else if s.nested = in.nested; in.nested == nil {
		p.fail() // the database wants a join in these parentheses
	} else if in.alias >= 0 {
		s.nested = []*source{in}
	}
	p.expect(tRParen)
}

// pgAlias parses the alias of an item of FROM, with names of columns.
func (p *parser) pgAlias(s *source) {
	if p.acceptKw(kwAs) {
		if s.call && p.accept(tLParen) {
			p.pgColumnTypes(s)
			return
		}
		s.alias = p.name()
	} else if t := p.cur(); t.kind == tQuoted || t.kind == tWord && p.f.isName(t) && !p.pgNoAlias() {
		s.alias = p.take()
	}
	if s.alias < 0 || !p.is(tLParen) {
		return
	}
	p.take()
	if s.call && p.peek(1).kind != tComma && p.peek(1).kind != tRParen {
		p.pgColumnTypes(s)
		return
	}
	s.cols = p.names()
}

// pgNoAlias reports whether the current word, which could be a name, goes on with the statement.
func (p *parser) pgNoAlias() bool {
	switch p.cur().kw {
	case kwSet, kwValues: // UPDATE t SET
		return true
	}
	return false
}

// pgColumnTypes parses names with types, behind the opening parenthesis.
func (p *parser) pgColumnTypes(s *source) {
	s.typed = true
	m := p.idxs.mark()
	for {
		p.idxs.push(p.name())
		p.f.typeName(p)
		if p.acceptKw(kwCollate) {
			p.anyName()
		}
		if !p.accept(tComma) {
			break
		}
	}
	p.expect(tRParen)
	s.cols = p.idxs.cut(m)
}
