package sqlplan

// target parses the table that a statement writes.
func (p *parser) target() target {
	t := target{alias: -1, tok: int32(p.pos)}
	t.name = p.qname()
	if p.acceptKw(kwAs) {
		t.alias = p.name()
	}
	t.end = int32(p.pos)
	return t
}

// orAction parses OR ROLLBACK and the like.
func (p *parser) orAction() {
	if p.acceptKw(kwOr) && !p.acceptAny(kwRollback, kwAbort, kwFail, kwIgnore, kwReplace) {
		p.fail()
	}
}

func (p *parser) insert(w *with) *insertStmt {
	s := &insertStmt{with: w}
	if !p.acceptKw(kwReplace) {
		p.expectKw(kwInsert)
		p.orAction()
	}
	p.expectKw(kwInto)
	s.target = p.target()
	if p.accept(tLParen) {
		s.hasCols = true
		s.cols = p.names()
	}
	if p.acceptKw(kwDefault) {
		p.expectKw(kwValues)
		s.returning = p.returning()
		return s
	}
	s.sel = p.selectStmt()
	for p.acceptKw(kwOn) {
		p.expectKw(kwConflict)
		u := p.upsert()
		s.upserts = append(s.upserts, u)
		if u.target == nil {
			break
		}
	}
	s.returning = p.returning()
	return s
}

// upsert parses what follows ON CONFLICT.
func (p *parser) upsert() upsert {
	u := upsert{tok: int32(p.pos - 2)}
	if p.accept(tLParen) {
		u.target = p.sortList()
		p.expect(tRParen)
		if p.acceptKw(kwWhere) {
			u.targetWhere = p.expr(bpNone)
		}
	}
	p.expectKw(kwDo)
	if p.acceptKw(kwNothing) {
		return u
	}
	p.expectKw(kwUpdate, kwSet)
	u.update = true
	u.set = p.setList()
	if p.acceptKw(kwWhere) {
		u.where = p.expr(bpNone)
	}
	return u
}

func (p *parser) returning() []resultCol {
	if !p.acceptKw(kwReturning) {
		return nil
	}
	return p.resultCols()
}

// setList parses the assignments of SET.
func (p *parser) setList() []assign {
	m := p.sets.mark()
	for {
		a := assign{tok: int32(p.pos)}
		im := p.idxs.mark()
		if p.accept(tLParen) {
			a.row = true
			a.cols = p.names()
		} else {
			p.idxs.push(p.name())
			a.cols = p.idxs.cut(im)
		}
		p.expect(tEq)
		a.e = p.expr(bpNone)
		p.sets.push(a)
		if !p.accept(tComma) {
			return p.sets.cut(m)
		}
	}
}

func (p *parser) update(w *with) *updateStmt {
	s := &updateStmt{with: w}
	p.expectKw(kwUpdate)
	p.orAction()
	s.target = p.target()
	p.indexedBy()
	p.expectKw(kwSet)
	s.set = p.setList()
	if p.acceptKw(kwFrom) {
		s.from = p.sources()
	}
	if p.acceptKw(kwWhere) {
		s.where = p.expr(bpNone)
	}
	s.bodyEnd = int32(p.pos)
	s.returning = p.returning()
	if p.acceptKw(kwOrder) {
		p.expectKw(kwBy)
		s.order = p.sortList()
	}
	s.limit, s.offset = p.limit()
	return s
}

func (p *parser) delete(w *with) *deleteStmt {
	s := &deleteStmt{with: w}
	p.expectKw(kwDelete, kwFrom)
	s.target = p.target()
	p.indexedBy()
	if p.acceptKw(kwWhere) {
		s.where = p.expr(bpNone)
	}
	s.returning = p.returning()
	if p.acceptKw(kwOrder) {
		p.expectKw(kwBy)
		s.order = p.sortList()
	}
	s.limit, s.offset = p.limit()
	return s
}
