package sqlplan

// pgUtility parses a statement that is no query. Those whose parts concern no values are consumed token by
// token; their tokens say which tables they name.
func (p *parser) pgUtility(s *stmt) {
	d := &ddlStmt{table: name{schema: -1, tok: -1}}
	s.kind, s.ddl = Other, d
	t := p.cur()
	if t.kind != tWord {
		p.fail()
	}
	rest := func(o ddlOp) {
		d.op = o
		p.pgRest()
	}
	switch foldName(p.text[t.off:t.end]) {
	case "create":
		s.kind = DDL
		p.take()
		p.pgCreate(d)
	case "alter":
		s.kind = DDL
		p.take()
		p.pgAlter(d)
	case "drop", "truncate", "comment", "grant", "revoke", "reindex", "analyze", "analyse", "cluster", "refresh",
		"reassign", "security", "import":
		s.kind = DDL
		rest(ddlPass)
	case "vacuum", "lock", "listen", "notify", "unlisten", "show", "reset", "discard", "deallocate", "checkpoint",
		"fetch", "move", "close", "load":
		rest(ddlPass)
	case "set":
		rest(ddlSet)
	case "prepare", "execute", "do", "declare":
		rest(ddlDynamic)
	case "copy":
		rest(ddlMove)
	case "call":
		p.take()
		d.op = ddlPass
		e := p.pgReference()
		if e.op != opFunc {
			p.fail()
		}
		d.call = e
	default:
		p.fail()
	}
}

// pgRest consumes the tokens up to the end of the statement.
func (p *parser) pgRest() {
	open := 0
	for {
		switch p.cur().kind {
		case tLParen:
			open++
		case tRParen:
			if open--; open < 0 {
				p.fail()
			}
		case tSemi, tEOF:
			if open > 0 {
				p.fail()
			}
			return
		case tIllegal:
			p.fail()
		}
		p.take()
	}
}

// pgSkip consumes tokens up to a comma, a closing parenthesis or the end of the statement.
func (p *parser) pgSkip() {
	for {
		switch p.cur().kind {
		case tLParen:
			p.take()
			p.balanced()
			continue
		case tComma, tRParen, tSemi, tEOF:
			return
		case tIllegal:
			p.fail()
		}
		p.take()
	}
}

func (p *parser) pgIfNotExists() {
	if p.acceptWord("if") {
		p.expectWords("not", "exists")
	}
}

func (p *parser) pgCreate(d *ddlStmt) {
	first := p.pos
	if p.acceptKw(kwOr) {
		p.expectWords("replace")
	}
	p.oneOf("global", "local")
	p.oneOf("temp", "temporary", "unlogged")
	unique := p.acceptKw(kwUnique)
	switch {
	case p.acceptKw(kwTable):
		p.pgCreateTable(d)
	case p.acceptKw(kwIndex):
		p.pgCreateIndex(d)
	case unique:
		p.fail()
	case p.word("recursive") && p.wordAt(1, "view"), p.word("view"), p.acceptWords("materialized", "view"):
		d.op = ddlCreateView
		if !p.acceptWord("recursive") && !p.word("view") {
			d.op = ddlStore
			p.pgIfNotExists()
		}
		p.acceptWord("view")
		d.table = p.pgName()
		if p.accept(tLParen) {
			p.names()
		}
		for p.isKw(kwWith) || p.isKw(kwUsing) || p.word("tablespace") {
			p.take()
			if p.accept(tLParen) {
				p.balanced()
			} else {
				p.anyName()
			}
		}
		p.expectKw(kwAs)
		d.sel = p.selectStmt()
		if p.isKw(kwWith) {
			p.take()
			p.oneOf("no", "local", "cascaded")
			if !p.acceptWord("data") {
				p.expectKw(kwCheck)
				p.expectWords("option")
			}
		}
	case p.word("rule"):
		d.op = ddlRowRule
		p.pgRest()
	case p.word("schema"):
		d.op = ddlStore
		p.pgRest()
	case p.word("function"), p.word("procedure"):
		d.op = ddlFunction
		p.pgFunction()
	default:
		if p.pos == first && !p.is(tWord) {
			p.fail()
		}
		d.op = ddlDefine
		p.pgRest()
	}
}

// pgFunction consumes CREATE FUNCTION, whose body may be a block of statements.
func (p *parser) pgFunction() {
	for {
		switch {
		case p.is(tSemi), p.is(tEOF):
			return
		case p.is(tIllegal):
			p.fail()
		case p.isKw(kwBegin) && p.wordAt(1, "atomic"):
			p.pos += 2
			for open := 1; open > 0; {
				switch {
				case p.isKw(kwCase):
					open++
				case p.isKw(kwEnd):
					open--
				case p.is(tIllegal):
					p.fail()
				}
				p.take()
			}
		default:
			p.take()
		}
	}
}

func (p *parser) pgCreateTable(d *ddlStmt) {
	d.op = ddlCreateTable
	p.pgIfNotExists()
	d.table = p.pgName()
	switch {
	case p.acceptWords("partition", "of"):
		d.others = append(d.others, p.pgName())
	case p.acceptKw(kwOf):
		p.anyName()
	}
	if p.accept(tLParen) {
		for !p.is(tRParen) {
			p.pgTableElement(d)
			if !p.accept(tComma) {
				break
			}
		}
		p.expect(tRParen)
	}
	for {
		switch {
		case p.is(tSemi), p.is(tEOF):
			return
		case p.word("inherits"):
			p.take()
			p.expect(tLParen)
			for {
				d.others = append(d.others, p.pgName())
				if !p.accept(tComma) {
					break
				}
			}
			p.expect(tRParen)
		case p.acceptWords("partition", "by"):
			p.label()
			p.expect(tLParen)
			d.exprs = append(d.exprs, p.pgIndexElements()...)
			p.expect(tRParen)
		case p.acceptKw(kwAs):
			d.op = ddlStore
			if p.word("execute") {
				p.pgRest()
				return
			}
			d.sel = p.selectStmt()
			if p.isKw(kwWith) {
				p.take()
				p.acceptWord("no")
				p.expectWords("data")
			}
			return
		case p.is(tLParen):
			p.take()
			p.balanced()
		case p.is(tIllegal), p.is(tRParen):
			p.fail()
		default:
			p.take()
		}
	}
}

func (p *parser) pgAtConstraint() bool {
	switch p.cur().kw {
	case kwConstraint, kwPrimary, kwUnique, kwCheck, kwForeign:
		return true
	}
	return p.word("exclude") && (p.peek(1).kw == kwUsing || p.peek(1).kind == tLParen)
}

// pgTableElement parses a column, a constraint or LIKE.
func (p *parser) pgTableElement(d *ddlStmt) {
	switch {
	case p.acceptKw(kwLike):
		d.others = append(d.others, p.pgName())
		p.pgSkip()
	case p.pgAtConstraint():
		p.pgConstraints(d, nil)
	default:
		p.pgColumnDef(d)
	}
}

// pgColumnDef parses a column of a table: its name, its type and its constraints.
func (p *parser) pgColumnDef(d *ddlStmt) {
	c := columnDef{name: p.name(), generated: -1}
	if p.acceptKw(kwWith) {
		p.expectWords("options")
	} else if !p.is(tComma) && !p.is(tRParen) && !p.pgAtConstraint() && !p.isKw(kwDefault) && !p.isKw(kwNot) {
		p.f.typeName(p)
	}
	p.pgConstraints(d, &c)
	d.columns = append(d.columns, c)
}

// pgConstraints parses constraints up to a comma or a closing parenthesis; c is the column that they are of,
// or nil.
func (p *parser) pgConstraints(d *ddlStmt, c *columnDef) {
	for {
		switch {
		case p.is(tComma), p.is(tRParen), p.is(tSemi), p.is(tEOF):
			return
		case p.is(tIllegal):
			p.fail()
		case p.acceptKw(kwCheck):
			p.expect(tLParen)
			d.exprs = append(d.exprs, p.expr(bpNone))
			p.expect(tRParen)
		case c != nil && p.isKw(kwDefault):
			p.take()
			c.gets(p.expr(pgCompare))
		case c != nil && p.acceptKw(kwGenerated):
			if p.acceptWord("by") {
				p.expectKw(kwDefault)
			} else {
				p.expectWords("always")
			}
			p.expectKw(kwAs)
			if p.is(tLParen) {
				c.generated = int32(p.pos)
				p.take()
				d.exprs = append(d.exprs, p.expr(bpNone))
				p.expect(tRParen)
				p.oneOf("stored", "virtual")
				break
			}
			p.expectWords("identity")
			if p.accept(tLParen) {
				p.balanced()
			}
		case p.isKw(kwReferences):
			p.take()
			d.others = append(d.others, p.pgName())
		case p.word("exclude"):
			p.take()
			if p.acceptKw(kwUsing) {
				p.anyName()
			}
			p.expect(tLParen)
			d.exprs = append(d.exprs, p.pgIndexElements()...)
			p.expect(tRParen)
		case p.acceptKw(kwWhere):
			p.expect(tLParen)
			d.exprs = append(d.exprs, p.expr(bpNone))
			p.expect(tRParen)
		case p.is(tLParen):
			p.take()
			p.balanced()
		default:
			p.take()
		}
	}
}

// pgIndexElement parses a column, a call or an expression in parentheses, with its collation.
func (p *parser) pgIndexElement() *expr {
	at := p.pos
	e := postgresPrefix(p)
	switch e.op {
	case opColumn, opFunc, opParen, opSubquery:
	default:
		p.pos = at
		p.fail()
	}
	if p.acceptKw(kwCollate) {
		if !p.f.isName(p.cur()) {
			p.fail()
		}
		p.anyName()
		return p.over(opCollate, e.tok, e, nil)
	}
	return e
}

// pgIndexElements parses the columns and expressions of an index, with their operator classes.
func (p *parser) pgIndexElements() []*expr {
	m := p.exprs.mark()
	for {
		p.exprs.push(p.pgIndexElement())
		if p.is(tQuoted) || p.is(tWord) && (p.cur().kw == kwNone || p.f.words.classes[p.cur().kw] == fallback) && !p.isKw(kwNulls) {
			p.anyName()
			if p.accept(tLParen) {
				p.balanced()
			}
		}
		p.acceptAny(kwAsc, kwDesc)
		if p.acceptKw(kwNulls) && !p.acceptAny(kwFirst, kwLast) {
			p.fail()
		}
		if p.isKw(kwWith) { // of EXCLUDE
			p.take()
			if p.word("operator") {
				p.pgNamedOperator()
			} else {
				p.pgOperatorToken()
			}
		}
		if !p.accept(tComma) {
			return p.exprs.cut(m)
		}
	}
}

func (p *parser) pgCreateIndex(d *ddlStmt) {
	d.op = ddlCreateIndex
	p.acceptKw(kwConcurrently)
	p.pgIfNotExists()
	if !p.isKw(kwOn) {
		p.name()
	}
	p.expectKw(kwOn)
	p.acceptKw(kwOnly)
	d.table = p.pgName()
	if p.acceptKw(kwUsing) {
		p.anyName()
	}
	p.expect(tLParen)
	d.exprs = p.pgIndexElements()
	p.expect(tRParen)
	for {
		switch {
		case p.acceptKw(kwWhere):
			d.where = p.expr(bpNone)
		case p.is(tSemi), p.is(tEOF):
			return
		case p.is(tLParen):
			p.take()
			p.balanced()
		case p.is(tIllegal), p.is(tRParen):
			p.fail()
		default:
			p.take()
		}
	}
}

func (p *parser) pgAlter(d *ddlStmt) {
	foreign := p.acceptKw(kwForeign)
	if !p.acceptKw(kwTable) {
		if foreign {
			p.pos--
		}
		d.op = ddlDefine
		view := p.word("view") || p.word("materialized")
		first := p.pos
		p.pgRest()
		// ALTER VIEW renames tables too.
		for i := first; view && i+1 < p.pos; i++ {
			if p.toks[i].kw == kwRename && p.toks[i+1].kw == kwTo {
				d.renames = true
			}
		}
		return
	}
	d.op = ddlAlterOther
	if p.acceptWord("if") {
		p.expectWords("exists")
	}
	if p.acceptKw(kwAll) { // IN TABLESPACE
		d.op = ddlDefine
		p.pgRest()
		return
	}
	p.acceptKw(kwOnly)
	d.table = p.pgName()
	p.accept(tStar)
	for {
		p.pgAlterAction(d)
		if !p.accept(tComma) {
			return
		}
	}
}

func (p *parser) pgAlterAction(d *ddlStmt) {
	switch {
	case p.acceptWord("rename"):
		if p.acceptKw(kwTo) {
			d.renames = true
			d.others = append(d.others, name{schema: -1, tok: p.name()})
			return
		}
		if !p.acceptKw(kwConstraint) {
			p.acceptKw(kwColumn)
		}
		p.name()
		p.expectKw(kwTo)
		p.name()
	case p.acceptWords("set", "schema"):
		d.moves = p.name()
	case p.acceptKw(kwAdd):
		if p.pgAtConstraint() {
			p.pgConstraints(d, nil)
			return
		}
		d.op = ddlAlterAdd
		p.acceptKw(kwColumn)
		p.pgIfNotExists()
		p.pgColumnDef(d)
	case p.acceptKw(kwAlter):
		if p.acceptKw(kwConstraint) {
			p.pgSkip()
			return
		}
		p.acceptKw(kwColumn)
		if p.is(tInteger) { // the column of an index
			p.pgSkip()
			return
		}
		p.pgAlterColumn(d, p.name())
	case p.acceptWords("attach", "partition"), p.acceptWords("detach", "partition"), p.acceptWord("inherit"),
		p.acceptWords("no", "inherit"):
		d.others = append(d.others, p.pgName())
		p.pgSkip()
	default:
		if !p.is(tWord) {
			p.fail()
		}
		p.pgSkip()
	}
}

func (p *parser) pgAlterColumn(d *ddlStmt, col int32) {
	p.acceptWords("set", "data")
	switch {
	case p.acceptWord("type"):
		p.f.typeName(p)
		if p.acceptKw(kwCollate) {
			p.anyName()
		}
		if p.acceptKw(kwUsing) {
			d.usings = append(d.usings, &using{col: col, e: p.expr(bpNone)})
		}
	case p.acceptWords("set", "default"):
		d.usings = append(d.usings, &using{col: col, e: p.expr(bpNone), deflt: true})
	case p.acceptWords("set", "expression"):
		p.expectKw(kwAs)
		p.expect(tLParen)
		d.usings = append(d.usings, &using{col: col, e: p.expr(bpNone)})
		p.expect(tRParen)
	default:
		if !p.is(tWord) {
			p.fail()
		}
		p.pgSkip()
	}
}
