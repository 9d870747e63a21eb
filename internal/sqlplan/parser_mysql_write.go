package sqlplan

// myQueryStmt parses a statement that reads or writes rows.
func (p *parser) myQueryStmt(s *stmt) {
	first := p.pos
	var w *with
	if p.isKw(kwWith) {
		w = p.f.with(p)
	}
	switch p.cur().kw {
	case kwInsert, kwReplace:
		if w != nil {
			p.fail()
		}
		s.kind = Insert
		s.ins = p.myInsert()
	case kwUpdate:
		s.kind = Update
		s.upd = p.myUpdate(w)
	case kwDelete:
		s.kind = Delete
		s.del = p.myDelete(w)
	default:
		s.kind = Select
		s.sel = mysqlQuery(p, w, first)
	}
}

// myColumnName consumes the name of a column to be written, which may be qualified.
func (p *parser) myColumnName() int32 {
	n := p.name()
	for i := 0; i < 2 && p.accept(tDot); i++ {
		n = p.name()
	}
	return n
}

func (p *parser) myInsert() *insertStmt {
	s := &insertStmt{alias: -1}
	p.take()
	p.oneOf("low_priority", "delayed", "high_priority")
	s.ignore = p.acceptKw(kwIgnore)
	p.acceptKw(kwInto)
	s.target = target{alias: -1, tok: int32(p.pos)}
	s.target.name = p.qname()
	if p.acceptKw(kwPartition) {
		p.expect(tLParen)
		p.names()
	}
	s.target.end = int32(p.pos)
	if p.acceptKw(kwSet) {
		p.myInsertSet(s)
	} else {
		if p.is(tLParen) && !p.parenQuery() {
			p.take()
			s.hasCols = true
			m := p.idxs.mark()
			for more := !p.is(tRParen); more; more = p.accept(tComma) {
				p.idxs.push(p.myColumnName())
			}
			s.cols = p.idxs.cut(m)
			p.expect(tRParen)
		}
		if p.acceptAny(kwValues, kwValue) {
			c := &core{tok: int32(p.pos - 1)}
			p.myRows(c)
			s.sel = &selectStmt{cores: []*core{c}, tok: c.tok, end: c.end}
		} else {
			s.sel = p.selectStmt()
		}
	}
	if p.acceptKw(kwAs) {
		s.alias = p.name()
		if p.accept(tLParen) {
			s.aliasCols = p.names()
		}
	}
	if p.acceptKw(kwOn) {
		u := upsert{tok: int32(p.pos - 1), update: true, duplicate: true}
		p.expectWords("duplicate")
		p.expectKw(kwKey, kwUpdate)
		u.set = p.myAssignments()
		s.upserts = []upsert{u}
	}
	if p.acceptKw(kwReturning) {
		s.returning = p.myResultCols()
	}
	return s
}

// myInsertSet parses the assignments of INSERT … SET as columns and one row.
func (p *parser) myInsertSet(s *insertStmt) {
	c := &core{tok: int32(p.pos - 1)}
	im, em, rm := p.idxs.mark(), p.exprs.mark(), p.rows.mark()
	for {
		p.idxs.push(p.myColumnName())
		if !p.accept(tEq) {
			p.expect(tAssign)
		}
		p.exprs.push(p.myValue())
		if !p.accept(tComma) {
			break
		}
	}
	s.hasCols, s.cols = true, p.idxs.cut(im)
	p.rows.push(p.exprs.cut(em))
	c.values = p.rows.cut(rm)
	c.end = int32(p.pos)
	s.sel = &selectStmt{cores: []*core{c}, tok: c.tok, end: c.end}
}

// myValue parses what is written into a column: an expression or DEFAULT.
func (p *parser) myValue() *expr {
	if p.isKw(kwDefault) && p.peek(1).kind != tLParen {
		return p.node(opDefault, p.take())
	}
	return p.expr(bpNone)
}

// myAssignments parses the assignments of SET.
func (p *parser) myAssignments() []assign {
	m := p.sets.mark()
	for {
		a := assign{tok: int32(p.pos)}
		im := p.idxs.mark()
		p.idxs.push(p.myColumnName())
		a.cols = p.idxs.cut(im)
		if !p.accept(tEq) {
			p.expect(tAssign)
		}
		a.e = p.myValue()
		p.sets.push(a)
		if !p.accept(tComma) {
			return p.sets.cut(m)
		}
	}
}

func (p *parser) myUpdate(w *with) *updateStmt {
	s := &updateStmt{with: w}
	p.expectKw(kwUpdate)
	p.acceptWord("low_priority")
	s.ignore = p.acceptKw(kwIgnore)
	tok := int32(p.pos)
	refs := p.mySources()
	if one := refs[0]; len(refs) == 1 && one.name.tok >= 0 && one.tok == tok && p.toks[tok].kind != tLParen {
		s.target = target{name: one.name, alias: one.alias, tok: tok, end: int32(p.pos)}
	} else {
		s.from, s.multi = refs, true
	}
	p.expectKw(kwSet)
	s.set = p.myAssignments()
	if p.acceptKw(kwWhere) {
		s.where = p.expr(bpNone)
	}
	s.bodyEnd = int32(p.pos)
	if p.acceptKw(kwOrder) {
		p.expectKw(kwBy)
		s.order = p.sortList()
	}
	s.limit, s.offset = p.myLimit()
	return s
}

func (p *parser) myDelete(w *with) *deleteStmt {
	s := &deleteStmt{with: w}
	p.expectKw(kwDelete)
	for p.oneOf("low_priority", "quick") || p.acceptKw(kwIgnore) {
	}
	if !p.acceptKw(kwFrom) {
		p.myTargets()
		p.expectKw(kwFrom)
		s.using, s.multi = p.mySources(), true
	} else if p.myManyTargets() {
		p.myTargets()
		p.expectKw(kwUsing)
		s.using, s.multi = p.mySources(), true
	} else {
		s.target = target{alias: -1, tok: int32(p.pos)}
		s.target.name = p.qname()
		if p.acceptKw(kwPartition) {
			p.expect(tLParen)
			p.names()
		}
		s.target.alias = p.myTableAlias()
		if p.acceptKw(kwPartition) {
			p.expect(tLParen)
			p.names()
		}
		s.target.end = int32(p.pos)
	}
	if p.acceptKw(kwWhere) {
		s.where = p.expr(bpNone)
	}
	if p.acceptKw(kwOrder) {
		p.expectKw(kwBy)
		s.order = p.sortList()
	}
	s.limit, s.offset = p.myLimit()
	if p.acceptKw(kwReturning) {
		s.returning = p.myResultCols()
	}
	return s
}

// myTargets parses the tables that a DELETE over several deletes from: t, t.*, db.t and db.t.*.
func (p *parser) myTargets() {
	for {
		p.name()
		if p.accept(tDot) && !p.accept(tStar) {
			p.name()
			if p.accept(tDot) {
				p.expect(tStar)
			}
		}
		if !p.accept(tComma) {
			return
		}
	}
}

// myManyTargets reports whether USING follows the names behind DELETE FROM.
func (p *parser) myManyTargets() bool {
	for i := 0; ; i++ {
		switch t := p.peek(i); t.kind {
		case tComma, tDot, tStar:
		default:
			if t.kw == kwUsing {
				return true
			}
			if !p.f.isName(t) {
				return false
			}
		}
	}
}
