package sqlplan

// sqliteWith parses a WITH clause.
func sqliteWith(p *parser) *with {
	p.expectKw(kwWith)
	p.acceptKw(kwRecursive)
	w := &with{}
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
		c.sel = p.selectStmt()
		p.expect(tRParen)
		w.ctes = append(w.ctes, c)
		if !p.accept(tComma) {
			return w
		}
	}
}

// selectStmt parses a query with an optional WITH.
func (p *parser) selectStmt() *selectStmt {
	first := p.pos
	p.enter()
	var w *with
	if p.isKw(kwWith) {
		w = p.f.with(p)
	}
	s := p.f.query(p, w, first)
	p.leave()
	return s
}

// sqliteQuery parses a query after its WITH clause w, which may be nil and began at token first.
func sqliteQuery(p *parser, w *with, first int) *selectStmt {
	s := &selectStmt{with: w, tok: int32(first)}
	for {
		c := p.core()
		s.cores = append(s.cores, c)
		if c.values == nil {
			if p.acceptKw(kwOrder) {
				p.expectKw(kwBy)
				s.order = p.sortList()
			}
			s.limit, s.offset = p.limit()
		}
		o := p.setOp()
		if o == 0 {
			break
		}
		if s.order != nil || s.limit != nil {
			p.pos-- // ORDER BY and LIMIT belong to the whole, so no operator may follow them
			p.fail()
		}
		s.ops = append(s.ops, o)
	}
	s.end = int32(p.pos)
	return s
}

func (p *parser) setOp() setOp {
	switch {
	case p.acceptKw(kwUnion):
		if p.acceptKw(kwAll) {
			return unionAll
		}
		return union
	case p.acceptKw(kwExcept):
		return except
	case p.acceptKw(kwIntersect):
		return intersect
	}
	return 0
}

// limit parses LIMIT with OFFSET or with a comma.
func (p *parser) limit() (limit, offset *expr) {
	if !p.acceptKw(kwLimit) {
		return nil, nil
	}
	limit = p.expr(bpNone)
	if p.acceptKw(kwOffset) || p.accept(tComma) {
		offset = p.expr(bpNone)
	}
	return limit, offset
}

func (p *parser) core() *core {
	c := &core{tok: int32(p.pos)}
	if p.acceptKw(kwValues) {
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
	}
	p.expectKw(kwSelect)
	c.distinct = p.acceptKw(kwDistinct)
	if !c.distinct {
		p.acceptKw(kwAll)
	}
	c.cols = p.resultCols()
	if p.acceptKw(kwFrom) {
		c.from = p.sources()
	}
	if p.acceptKw(kwWhere) {
		c.where = p.expr(bpNone)
	}
	if p.acceptKw(kwGroup) {
		p.expectKw(kwBy)
		c.group = p.someExprs()
	}
	if p.acceptKw(kwHaving) {
		c.having = p.expr(bpNone)
	}
	if p.acceptKw(kwWindow) {
		for {
			p.name()
			p.expectKw(kwAs)
			p.expect(tLParen)
			c.windows = append(c.windows, p.window())
			p.expect(tRParen)
			if !p.accept(tComma) {
				break
			}
		}
	}
	c.end = int32(p.pos)
	return c
}

// resultCols parses a select list or the list of RETURNING.
func (p *parser) resultCols() []resultCol {
	m := p.cols.mark()
	for {
		c := resultCol{table: -1, alias: -1, tok: int32(p.pos)}
		switch {
		case p.accept(tStar):
		case p.f.isName(p.cur()) && p.peek(1).kind == tDot && p.peek(2).kind == tStar:
			c.table = p.take()
			p.pos += 2
		default:
			c.e = p.expr(bpNone)
			c.alias = p.alias()
		}
		c.end = int32(p.pos)
		p.cols.push(c)
		if !p.accept(tComma) {
			return p.cols.cut(m)
		}
	}
}

// sources parses the items of FROM.
func (p *parser) sources() []*source {
	p.enter()
	var list []*source
	var join joinOp
	for {
		list = p.source(list, join)
		var ok bool
		if join, ok = p.joinOp(); !ok {
			break
		}
	}
	p.leave()
	return list
}

// joinOp parses a comma or a JOIN with the words before it.
func (p *parser) joinOp() (j joinOp, ok bool) {
	if p.accept(tComma) || p.acceptKw(kwJoin) {
		return 0, true
	}
	n := 0
	for ; n < 3; n++ {
		kw := p.cur().kw
		switch kw {
		case kwNatural:
			j |= joinNatural
		case kwRight, kwFull:
			j |= joinOuter
		case kwLeft, kwOuter, kwInner, kwCross:
		default:
			if n == 0 {
				return 0, false
			}
			p.expectKw(kwJoin)
			return j, true
		}
		p.take()
	}
	p.expectKw(kwJoin)
	return j, true
}

// source parses one item of FROM and appends it to list.
func (p *parser) source(list []*source, join joinOp) []*source {
	s := &source{join: join, alias: -1, name: name{schema: -1, tok: -1}, tok: int32(p.pos)}
	var nested []*source
	switch {
	case p.is(tLParen) && p.atSelect(1):
		p.take()
		s.sel = p.selectStmt()
		p.expect(tRParen)
	case p.accept(tLParen):
		nested = p.sources()
		p.expect(tRParen)
	default:
		s.name = p.qname()
		if p.accept(tLParen) {
			s.call = true
			s.args = p.exprList()
			p.expect(tRParen)
		}
	}
	s.alias = p.alias()
	if nested == nil && s.sel == nil && !s.call {
		p.indexedBy()
	}
	switch {
	case p.acceptKw(kwOn):
		s.on = p.expr(bpNone)
	case p.acceptKw(kwUsing):
		p.expect(tLParen)
		s.using = p.names()
	}
	s.end = int32(p.pos)
	switch {
	case nested == nil:
		return append(list, s)
	case list == nil && s.alias < 0 && s.on == nil && s.using == nil:
		// At the head of the list, and without a name, the parentheses mean nothing.
		return nested
	case len(nested) == 1:
		// Parentheses around one table: SQLite keeps the table and takes the outer alias for the inner one,
		// also where there is none.
		in := nested[0]
		if in.on != nil || in.using != nil {
			p.fail()
		}
		in.join, in.alias, in.on, in.using, in.end = join, s.alias, s.on, s.using, s.end
		return append(list, in)
	}
	s.nested = nested
	return append(list, s)
}

// indexedBy parses INDEXED BY and NOT INDEXED.
func (p *parser) indexedBy() {
	switch {
	case p.acceptKw(kwIndexed):
		p.expectKw(kwBy)
		p.name()
	case p.isKw(kwNot) && p.peek(1).kw == kwIndexed:
		p.pos += 2
	}
}
