package sqlplan

// ddl parses a statement that defines or manages things.
func (p *parser) ddl() *ddlStmt {
	d := &ddlStmt{table: name{schema: -1, tok: -1}}
	switch kw := p.cur().kw; kw {
	case kwCreate:
		p.take()
		p.create(d)
	case kwDrop:
		p.take()
		d.op = ddlDrop
		isTable := p.isKw(kwTable) || p.isKw(kwView)
		if !p.acceptAny(kwTable, kwView, kwIndex, kwTrigger) {
			p.fail()
		}
		if p.acceptKw(kwIf) {
			p.expectKw(kwExists)
		}
		if n := p.qname(); isTable {
			d.table = n
		}
	case kwAlter:
		p.take()
		p.alter(d)
	case kwAnalyze, kwReindex:
		p.take()
		d.op = ddlAnalyze
		if kw == kwReindex {
			d.op = ddlReindex
		}
		if p.f.isName(p.cur()) {
			d.table = p.qname()
		}
	case kwPragma:
		p.take()
		d.op = ddlPragma
		p.qname()
		switch {
		case p.accept(tEq):
			p.pragmaValue()
		case p.accept(tLParen):
			p.pragmaValue()
			p.expect(tRParen)
		}
	case kwAttach:
		p.take()
		d.op = ddlAttach
		p.acceptKw(kwDatabase)
		p.expr(bpNone)
		p.expectKw(kwAs)
		p.expr(bpNone)
		if p.acceptKw(kwKey) {
			p.expr(bpNone)
		}
	case kwDetach:
		p.take()
		d.op = ddlDetach
		p.acceptKw(kwDatabase)
		p.expr(bpNone)
	case kwVacuum:
		p.take()
		d.op = ddlVacuum
		if p.f.isName(p.cur()) {
			p.take()
		}
		if p.acceptKw(kwInto) {
			p.noQuery(p.expr(bpNone))
		}
	default:
		p.fail()
	}
	return d
}

func (p *parser) pragmaValue() {
	switch {
	case p.is(tPlus), p.is(tMinus), p.is(tInteger), p.is(tFloat):
		p.signedNumber()
	case p.acceptAny(kwOn, kwDelete, kwDefault):
	default:
		p.name()
	}
}

func (p *parser) ifNotExists() {
	if p.acceptKw(kwIf) {
		p.expectKw(kwNot, kwExists)
	}
}

func (p *parser) create(d *ddlStmt) {
	switch {
	case p.acceptKw(kwUnique):
		p.expectKw(kwIndex)
		p.createIndex(d)
		return
	case p.acceptKw(kwIndex):
		p.createIndex(d)
		return
	case p.acceptKw(kwVirtual):
		p.expectKw(kwTable)
		p.createVirtual(d)
		return
	}
	p.acceptKw(kwTemp)
	switch {
	case p.acceptKw(kwTable):
		p.createTable(d)
	case p.acceptKw(kwView):
		d.op = ddlCreateView
		p.ifNotExists()
		d.table = p.qname()
		if p.accept(tLParen) {
			p.names()
		}
		p.expectKw(kwAs)
		d.sel = p.selectStmt()
	case p.acceptKw(kwTrigger):
		p.createTrigger(d)
	default:
		p.fail()
	}
}

func (p *parser) createIndex(d *ddlStmt) {
	d.op = ddlCreateIndex
	p.ifNotExists()
	p.qname()
	p.expectKw(kwOn)
	d.table = name{schema: -1, tok: p.name()}
	p.expect(tLParen)
	d.exprs = append(d.exprs, p.sortList()...)
	p.expect(tRParen)
	if p.acceptKw(kwWhere) {
		d.where = p.noQuery(p.expr(bpNone))
	}
}

// noQuery is e, which has ended at the current token, unless a query stands in it.
func (p *parser) noQuery(e *expr) *expr {
	for i := int(e.tok); i < p.pos; i++ {
		if kw := p.toks[i].kw; kw == kwSelect || kw == kwValues {
			p.pos = i
			p.failRule(RuleTableUse)
		}
	}
	return e
}

// createVirtual parses a virtual table; the module's arguments are any tokens in balanced parentheses, even
// semicolons.
func (p *parser) createVirtual(d *ddlStmt) {
	d.op = ddlCreateVirtual
	p.ifNotExists()
	d.table = p.qname()
	p.expectKw(kwUsing)
	p.name()
	if !p.accept(tLParen) {
		return
	}
	for open := 1; open > 0; p.take() {
		switch p.cur().kind {
		case tLParen:
			open++
		case tRParen:
			open--
		case tIllegal:
			p.fail()
		}
	}
}

func (p *parser) createTable(d *ddlStmt) {
	d.op = ddlCreateTable
	p.ifNotExists()
	d.table = p.qname()
	if p.acceptKw(kwAs) {
		d.op = ddlCreateTableAs
		d.sel = p.selectStmt()
		return
	}
	p.expect(tLParen)
	for {
		p.columnDef(d)
		if !p.accept(tComma) {
			break
		}
		if p.atConstraint() {
			p.tableConstraints(d)
			break
		}
	}
	p.expect(tRParen)
	for p.f.isName(p.cur()) {
		p.acceptKw(kwWithout)
		p.name()
		if !p.accept(tComma) {
			break
		}
		if !p.f.isName(p.cur()) {
			p.fail()
		}
	}
}

func (p *parser) atConstraint() bool {
	switch p.cur().kw {
	case kwConstraint, kwPrimary, kwUnique, kwCheck, kwForeign:
		return true
	}
	return false
}

// columnDef parses a column of a table: its name, its type and its constraints.
func (p *parser) columnDef(d *ddlStmt) {
	c := columnDef{name: p.name(), generated: -1}
	p.f.typeName(p)
	for p.columnConstraint(d, &c) {
	}
	d.columns = append(d.columns, c)
}

func (p *parser) columnConstraint(d *ddlStmt, c *columnDef) bool {
	switch p.cur().kw {
	case kwConstraint:
		p.take()
		p.name()
	case kwDefault:
		p.take()
		p.defaultValue(c)
	case kwNull:
		p.take()
		p.onConflict()
	case kwNot:
		p.take()
		if p.acceptKw(kwDeferrable) {
			p.initially()
			break
		}
		p.expectKw(kwNull)
		p.onConflict()
	case kwDeferrable:
		p.take()
		p.initially()
	case kwPrimary:
		p.take()
		p.expectKw(kwKey)
		p.acceptAny(kwAsc, kwDesc)
		p.onConflict()
		p.acceptKw(kwAutoincrement)
	case kwUnique:
		p.take()
		p.onConflict()
	case kwCheck:
		p.take()
		p.expect(tLParen)
		d.exprs = append(d.exprs, p.expr(bpNone))
		p.expect(tRParen)
	case kwReferences:
		p.references(d)
	case kwCollate:
		p.take()
		if !p.isBareAlias(p.cur()) {
			p.fail()
		}
		p.take()
	case kwGenerated:
		p.take()
		p.expectKw(kwAlways)
		if !p.isKw(kwAs) {
			p.fail()
		}
		p.generated(c)
	case kwAs:
		p.generated(c)
	default:
		return false
	}
	return true
}

// gets notes a default. A statement may give several, of which the last counts, but all of them are sent: one
// that isn't NULL stays.
func (c *columnDef) gets(e *expr) {
	if c.deflt == nil || isNull(c.deflt) {
		c.deflt = e
	}
}

// defaultValue parses what follows DEFAULT. A bare word is a string.
func (p *parser) defaultValue(c *columnDef) {
	tok := int32(p.pos)
	switch {
	case p.accept(tLParen):
		e := p.expr(bpNone)
		p.expect(tRParen)
		c.gets(e)
	case p.is(tPlus), p.is(tMinus):
		p.take()
		c.gets(p.term())
	case p.is(tQuoted), p.is(tWord) && p.cur().kw == kwNone:
		p.take()
		c.gets(p.node(opString, tok))
	default:
		c.gets(p.term())
	}
}

// term parses a literal.
func (p *parser) term() *expr {
	tok := int32(p.pos)
	switch t := p.cur(); t.kind {
	case tInteger, tFloat:
		p.take()
		return p.node(opNumber, tok)
	case tString:
		p.take()
		return p.node(opString, tok)
	case tBlob:
		p.take()
		return p.node(opBlob, tok)
	case tWord:
		switch t.kw {
		case kwNull:
			p.take()
			return p.node(opNull, tok)
		case kwCurrentDate, kwCurrentTime, kwCurrentTimestamp:
			p.take()
			return p.node(opTime, tok)
		}
		if p.f.words.classes[t.kw] == fallback || t.kw == kwIndexed {
			p.take()
			return p.node(opString, tok)
		}
	}
	p.fail()
	return nil
}

func (p *parser) generated(c *columnDef) {
	p.expectKw(kwAs)
	c.generated = int32(p.pos)
	p.expect(tLParen)
	p.expr(bpNone)
	p.expect(tRParen)
	if t := p.cur(); t.kind == tQuoted || t.kind == tWord && (t.kw == kwNone || p.f.words.classes[t.kw] == fallback && t.kw != kwGenerated) {
		p.take() // STORED or VIRTUAL
	}
}

func (p *parser) onConflict() {
	if p.isKw(kwOn) && p.peek(1).kw == kwConflict {
		p.pos += 2
		if !p.acceptAny(kwRollback, kwAbort, kwFail, kwIgnore, kwReplace) {
			p.fail()
		}
	}
}

func (p *parser) references(d *ddlStmt) {
	p.expectKw(kwReferences)
	d.others = append(d.others, name{schema: -1, tok: p.name()})
	if p.accept(tLParen) {
		p.names()
	}
	for {
		switch {
		case p.acceptKw(kwMatch):
			p.name()
		case p.acceptKw(kwOn):
			if !p.acceptAny(kwInsert, kwDelete, kwUpdate) {
				p.fail()
			}
			switch {
			case p.acceptKw(kwSet):
				if !p.acceptAny(kwNull, kwDefault) {
					p.fail()
				}
			case p.acceptAny(kwCascade, kwRestrict):
			case p.acceptKw(kwNo):
				p.expectKw(kwAction)
			default:
				p.fail()
			}
		default:
			return
		}
	}
}

func (p *parser) initially() {
	if p.acceptKw(kwInitially) && !p.acceptAny(kwDeferred, kwImmediate) {
		p.fail()
	}
}

// tableConstraints parses the constraints after the columns; the commas between them may be missing.
func (p *parser) tableConstraints(d *ddlStmt) {
	for p.atConstraint() {
		switch {
		case p.acceptKw(kwConstraint):
			p.name()
		case p.acceptKw(kwPrimary):
			p.expectKw(kwKey)
			p.expect(tLParen)
			p.sortList()
			p.acceptKw(kwAutoincrement)
			p.expect(tRParen)
			p.onConflict()
		case p.acceptKw(kwUnique):
			p.expect(tLParen)
			p.sortList()
			p.expect(tRParen)
			p.onConflict()
		case p.acceptKw(kwCheck):
			p.expect(tLParen)
			d.exprs = append(d.exprs, p.expr(bpNone))
			p.expect(tRParen)
			p.onConflict()
		case p.acceptKw(kwForeign):
			p.expectKw(kwKey)
			p.expect(tLParen)
			p.names()
			p.references(d)
			if p.isKw(kwNot) && p.peek(1).kw == kwDeferrable {
				p.take()
			}
			if p.acceptKw(kwDeferrable) {
				p.initially()
			}
		}
		if p.accept(tComma) && !p.atConstraint() {
			p.fail()
		}
	}
}

func (p *parser) alter(d *ddlStmt) {
	p.expectKw(kwTable)
	d.table = p.qname()
	d.op = ddlAlterOther
	switch {
	case p.acceptKw(kwRename):
		if p.acceptKw(kwTo) {
			d.renames = true
			d.others = append(d.others, name{schema: -1, tok: p.name()})
			return
		}
		p.acceptKw(kwColumn)
		p.name()
		p.expectKw(kwTo)
		p.name()
	case p.acceptKw(kwAdd):
		switch {
		case p.acceptKw(kwConstraint):
			p.name()
			p.checkConstraint(d)
		case p.isKw(kwCheck):
			p.checkConstraint(d)
		default:
			d.op = ddlAlterAdd
			p.acceptKw(kwColumn)
			p.columnDef(d)
		}
	case p.acceptKw(kwDrop):
		if !p.acceptKw(kwConstraint) {
			p.acceptKw(kwColumn)
		}
		p.name()
	case p.acceptKw(kwAlter):
		p.acceptKw(kwColumn)
		p.name()
		if p.acceptKw(kwDrop) {
			p.expectKw(kwNot, kwNull)
			return
		}
		p.expectKw(kwSet, kwNot, kwNull)
		p.onConflict()
	default:
		p.fail()
	}
}

func (p *parser) checkConstraint(d *ddlStmt) {
	p.expectKw(kwCheck)
	p.expect(tLParen)
	d.exprs = append(d.exprs, p.expr(bpNone))
	p.expect(tRParen)
	p.onConflict()
}

func (p *parser) createTrigger(d *ddlStmt) {
	d.op = ddlCreateTrigger
	p.ifNotExists()
	p.qname()
	if p.acceptKw(kwInstead) {
		p.expectKw(kwOf)
	} else {
		p.acceptAny(kwBefore, kwAfter)
	}
	switch {
	case p.acceptAny(kwDelete, kwInsert):
	case p.acceptKw(kwUpdate):
		if p.acceptKw(kwOf) {
			for {
				p.name()
				if !p.accept(tComma) {
					break
				}
			}
		}
	default:
		p.fail()
	}
	p.expectKw(kwOn)
	d.table = p.qname()
	if p.acceptKw(kwFor) {
		p.expectKw(kwEach, kwRow)
	}
	if p.acceptKw(kwWhen) {
		p.expr(bpNone)
	}
	p.expectKw(kwBegin)
	for {
		s := &stmt{tok: int32(p.pos)}
		switch p.cur().kw {
		case kwWith, kwSelect, kwValues, kwInsert, kwReplace, kwUpdate, kwDelete:
			p.query(s)
		default:
			p.fail()
		}
		s.end = int32(p.pos)
		d.body = append(d.body, s)
		p.expect(tSemi)
		if p.acceptKw(kwEnd) {
			return
		}
	}
}
