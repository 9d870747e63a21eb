package sqlplan

// pgTarget parses the table that a statement writes.
func (p *parser) pgTarget(only, bareAlias bool) target {
	t := target{alias: -1, tok: int32(p.pos)}
	alone := only && p.acceptKw(kwOnly)
	paren := alone && p.accept(tLParen)
	t.name = p.pgName()
	if paren {
		p.expect(tRParen)
	} else if only && !alone {
		p.accept(tStar)
	}
	switch {
	case p.acceptKw(kwAs):
		t.alias = p.name()
	case bareAlias && !p.isKw(kwSet) && !p.isKw(kwUsing) && p.f.isName(p.cur()):
		t.alias = p.take()
	}
	t.end = int32(p.pos)
	return t
}

// pgColumn consumes a column that is written, and reports whether only a part of it is. The numbers of its
// elements are added to subs.
func (p *parser) pgColumn(subs *[]*expr) (tok int32, part bool) {
	tok = p.name()
	for {
		switch {
		case p.accept(tDot):
			p.label()
		case p.accept(tLBracket):
			if !p.is(tColon) {
				*subs = append(*subs, p.expr(bpNone))
			}
			if p.accept(tColon) && !p.is(tRBracket) {
				*subs = append(*subs, p.expr(bpNone))
			}
			p.expect(tRBracket)
		default:
			return tok, part
		}
		part = true
	}
}

// pgColumns consumes a list of columns, behind the opening parenthesis.
func (p *parser) pgColumns(subs *[]*expr) (cols []int32, part bool) {
	var list []int32
	for {
		tok, some := p.pgColumn(subs)
		part = part || some
		list = append(list, tok)
		if !p.accept(tComma) {
			break
		}
	}
	p.expect(tRParen)
	return list, part
}

func (p *parser) pgInsert(w *with) *insertStmt {
	s := &insertStmt{with: w}
	p.expectKw(kwInsert, kwInto)
	s.target = p.pgTarget(false, false)
	if p.is(tLParen) && p.pgAtColumns() {
		p.take()
		s.hasCols = true
		s.cols, s.part = p.pgColumns(&s.subs)
	}
	p.pgOverriding()
	if p.acceptKw(kwDefault) {
		p.expectKw(kwValues)
	} else {
		s.sel = p.selectStmt()
	}
	if p.acceptKw(kwOn) {
		p.expectKw(kwConflict)
		s.upserts = append(s.upserts, p.pgUpsert())
	}
	s.returning, s.names = p.pgReturning()
	return s
}

// pgAtColumns reports whether the parentheses here hold names of columns, not a query.
func (p *parser) pgAtColumns() bool {
	return p.f.isName(p.peek(1)) && p.peek(1).kw != kwValues && p.peek(1).kw != kwWith || p.peek(1).kw == kwValues && p.peek(2).kind != tLParen
}

func (p *parser) pgOverriding() {
	if p.acceptWord("overriding") {
		if !p.acceptWord("system") && !p.acceptKw(kwSessionValue) {
			p.fail()
		}
		p.expectWords("value")
	}
}

// pgUpsert parses what follows ON CONFLICT.
func (p *parser) pgUpsert() upsert {
	u := upsert{tok: int32(p.pos - 2)}
	switch {
	case p.accept(tLParen):
		m := p.exprs.mark()
		for {
			p.exprs.push(p.pgIndexElement())
			if p.is(tWord) && (p.cur().kw == kwNone || p.f.words.classes[p.cur().kw] == fallback) || p.is(tQuoted) {
				p.anyName() // an operator class
			}
			if !p.accept(tComma) {
				break
			}
		}
		u.target = p.exprs.cut(m)
		p.expect(tRParen)
		if p.acceptKw(kwWhere) {
			u.targetWhere = p.expr(bpNone)
		}
	case p.acceptKw(kwOn):
		p.expectKw(kwConstraint)
		p.name()
	}
	p.expectKw(kwDo)
	if p.acceptKw(kwNothing) {
		return u
	}
	p.expectKw(kwUpdate, kwSet)
	u.update = true
	u.set = p.pgSetList()
	if p.acceptKw(kwWhere) {
		u.where = p.expr(bpNone)
	}
	return u
}

// pgSetList parses the assignments of SET.
func (p *parser) pgSetList() []assign {
	var list []assign
	for {
		a := assign{tok: int32(p.pos)}
		if p.accept(tLParen) {
			a.row = true
			a.cols, a.part = p.pgColumns(&a.subs)
		} else {
			im := p.idxs.mark()
			tok, part := p.pgColumn(&a.subs)
			p.idxs.push(tok)
			a.cols, a.part = p.idxs.cut(im), part
		}
		p.expect(tEq)
		a.e = p.expr(bpNone)
		list = append(list, a)
		if !p.accept(tComma) {
			return list
		}
	}
}

// pgReturning parses RETURNING. names are the aliases of the old and the new row, when it gives some.
func (p *parser) pgReturning() (cols []resultCol, names []int32) {
	if !p.acceptKw(kwReturning) {
		return nil, nil
	}
	if p.isKw(kwWith) {
		p.take()
		p.expect(tLParen)
		names = []int32{-1, -1}
		for {
			i := 0
			if !p.acceptWord("old") {
				p.expectWords("new")
				i = 1
			}
			p.expectKw(kwAs)
			names[i] = p.name()
			if !p.accept(tComma) {
				break
			}
		}
		p.expect(tRParen)
	}
	return p.pgResultCols(), names
}

func (p *parser) pgUpdate(w *with) *updateStmt {
	s := &updateStmt{with: w}
	p.expectKw(kwUpdate)
	s.target = p.pgTarget(true, true)
	p.expectKw(kwSet)
	s.set = p.pgSetList()
	if p.acceptKw(kwFrom) {
		s.from = p.pgSources()
	}
	s.where, s.current = p.pgWhere()
	s.bodyEnd = int32(p.pos)
	s.returning, s.names = p.pgReturning()
	return s
}

// pgWhere parses WHERE of UPDATE and DELETE.
func (p *parser) pgWhere() (e *expr, current bool) {
	if !p.acceptKw(kwWhere) {
		return nil, false
	}
	if p.isKw(kwCurrent) && p.peek(1).kw == kwOf {
		p.pos += 2
		p.name()
		return nil, true
	}
	return p.expr(bpNone), false
}

func (p *parser) pgDelete(w *with) *deleteStmt {
	s := &deleteStmt{with: w}
	p.expectKw(kwDelete, kwFrom)
	s.target = p.pgTarget(true, true)
	if p.acceptKw(kwUsing) {
		s.using = p.pgSources()
	}
	s.where, _ = p.pgWhere()
	s.returning, s.names = p.pgReturning()
	return s
}

func (p *parser) pgMerge(w *with) *mergeStmt {
	s := &mergeStmt{with: w}
	p.expectKw(kwMerge, kwInto)
	s.target = p.pgTarget(true, true)
	p.expectKw(kwUsing)
	s.source = []*source{p.pgItem()}
	p.expectKw(kwOn)
	s.on = p.expr(bpNone)
	for p.isKw(kwWhen) {
		m := mergeWhen{tok: p.take()}
		m.matched = !p.acceptKw(kwNot)
		p.expectWords("matched")
		if !m.matched && p.acceptKw(kwBy) {
			if p.acceptWord("source") {
				m.bySource = true
			} else {
				p.expectWords("target")
			}
		}
		if p.acceptKw(kwAnd) {
			m.cond = p.expr(bpNone)
		}
		p.expectKw(kwThen)
		switch {
		case p.acceptKw(kwDo):
			p.expectKw(kwNothing)
		case (m.matched || m.bySource) && p.acceptKw(kwDelete):
		case (m.matched || m.bySource) && p.acceptKw(kwUpdate):
			p.expectKw(kwSet)
			m.set = p.pgSetList()
		case !m.matched && !m.bySource && p.isKw(kwInsert):
			m.ins = &insertStmt{target: s.target}
			p.take()
			m.ins.target.end = int32(p.pos) // where a list of columns may be added
			if p.accept(tLParen) {
				m.ins.hasCols = true
				m.ins.cols, m.ins.part = p.pgColumns(&m.ins.subs)
			}
			p.pgOverriding()
			if p.acceptKw(kwDefault) {
				p.expectKw(kwValues)
			} else {
				c := &core{tok: int32(p.pos)}
				p.expectKw(kwValues)
				p.expect(tLParen)
				c.values = [][]*expr{p.someExprs()}
				p.expect(tRParen)
				c.end = int32(p.pos)
				m.ins.sel = &selectStmt{cores: []*core{c}, tok: c.tok, end: c.end}
			}
		default:
			p.fail()
		}
		s.whens = append(s.whens, m)
	}
	if s.whens == nil {
		p.fail()
	}
	s.returning, s.names = p.pgReturning()
	return s
}
