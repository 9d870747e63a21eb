package sqlplan

// mysqlExplain parses what may stand between EXPLAIN and its statement.
func mysqlExplain(p *parser) {
	p.acceptKw(kwAnalyze)
	p.myExplainForm()
}

// myExplainForm parses the form of a listing: one of MySQL's FORMAT = name, EXTENDED and PARTITIONS.
func (p *parser) myExplainForm() {
	if p.wordAt(0, "format") && p.peek(1).kind == tEq {
		p.take()
		p.take()
		p.myCharset() // a word or a string, as there
		return
	}
	p.oneOf("extended", "partitions")
}

// mysqlCommand parses one statement without EXPLAIN and without its semicolon.
func mysqlCommand(p *parser, s *stmt) {
	if p.mode.OracleMode {
		p.failRule(RuleOracleMode)
	}
	switch kw := p.cur().kw; kw {
	case kwSelect, kwValues, kwWith, kwTable, kwInsert, kwReplace, kwUpdate, kwDelete:
		p.myQueryStmt(s)
		return
	case kwBegin, kwStart, kwCommit, kwRollback, kwSavepoint, kwRelease, kwXA:
		tx, n, ok := p.f.txStatement(p.f, p.text, p.toks[p.pos:])
		if !ok {
			p.fail()
		}
		p.pos += n
		if s.kind = Transaction; tx.Op != 0 {
			s.tx = &tx
		}
		return
	case kwDesc:
		if s.explain {
			p.fail()
		}
		p.take()
		p.myDescribe(s)
		return
	case kwAnalyze:
		if !s.explain && !p.wordAt(1, "table") && !p.wordAt(1, "tables") && !p.wordAt(2, "table") && !p.wordAt(2, "tables") {
			s.explain = true
			p.take()
			p.myExplainForm()
			p.myQueryStmt(s)
			return
		}
	}
	if p.is(tLParen) {
		p.myQueryStmt(s)
		return
	}
	if s.explain {
		p.myDescribe(s)
		return
	}
	s.kind = Other
	s.ddl = p.myUtility(s)
}

// myDescribe parses what follows DESCRIBE or EXPLAIN: a statement, or the name of a table.
func (p *parser) myDescribe(s *stmt) {
	mysqlExplain(p)
	switch p.cur().kw {
	case kwSelect, kwValues, kwWith, kwTable, kwInsert, kwReplace, kwUpdate, kwDelete:
		s.explain = true
		p.myQueryStmt(s)
		return
	case kwFor:
		p.take()
		p.expectWords("connection")
		p.expect(tInteger)
	default:
		p.qname()
		if p.is(tString) || p.f.isName(p.cur()) {
			p.take()
		}
	}
	s.explain, s.kind = true, Other
	s.ddl = p.newDDL(ddlPass)
}

func (p *parser) newDDL(o ddlOp) *ddlStmt { return &ddlStmt{op: o, table: name{schema: -1, tok: -1}} }

// rest consumes the statement's remaining tokens.
func (p *parser) rest() {
	for !p.is(tSemi) && !p.is(tEOF) {
		if p.is(tIllegal) {
			p.fail()
		}
		p.take()
	}
}

// rowWords are the first words of statements that return rows though they are no queries.
var rowWords = set("show", "check", "checksum", "analyze", "optimize", "repair", "help", "call", "handler", "execute")

// myUtility parses a statement that defines or manages things. Of those that concern no values of columns it
// knows the first word only.
func (p *parser) myUtility(s *stmt) *ddlStmt {
	d := p.newDDL(ddlPass)
	t := p.cur()
	if t.kind != tWord {
		p.fail()
	}
	d.rows = rowWords[foldName(p.text[t.off:t.end])]
	switch {
	case p.isKw(kwCreate):
		s.kind = DDL
		p.take()
		p.myCreate(d)
	case p.isKw(kwAlter):
		s.kind = DDL
		p.take()
		p.myAlter(d)
	case p.isKw(kwDrop):
		s.kind = DDL
		p.take()
		if p.isKw(kwPrepare) {
			s.kind = Other
		}
		p.rest()
	case p.isKw(kwTruncate):
		s.kind = DDL
		p.rest()
	case p.isKw(kwRename):
		s.kind = DDL
		p.take()
		p.myRename(d)
	case p.isKw(kwSet):
		p.take()
		if p.acceptWord("statement") {
			// SET STATEMENT variable = value FOR statement.
			for more := true; more; more = p.accept(tComma) {
				p.name()
				p.expect(tEq)
				if p.f.isName(p.cur()) || p.isKw(kwOn) || p.isKw(kwDefault) {
					p.take() // ON, or the name of something
				} else {
					p.noQuery(p.expr(mySimple)).markSeen()
				}
			}
			p.expectKw(kwFor)
			mysqlCommand(p, s)
			return s.ddl
		}
		d.op = ddlSet
		p.rest()
	case p.isKw(kwDo), p.isKw(kwCall):
		d.op = ddlSet
		p.rest()
	case p.isKw(kwPrepare), p.isKw(kwExecute), p.word("deallocate"):
		d.op = ddlDynamic
		p.rest()
	case p.isKw(kwLoad), p.word("handler"), p.word("import"):
		d.op = ddlMove
		p.rest()
	case p.isKw(kwShow), p.isKw(kwLock), p.isKw(kwUse), p.isKw(kwCheck), p.isKw(kwAnalyze),
		p.oneOfWords("unlock", "flush", "optimize", "repair", "checksum", "grant", "revoke", "help", "kill", "reset", "cache", "purge"):
		if p.word("force") {
			p.fail()
		}
		p.rest()
	default:
		p.fail()
	}
	return d
}

// oneOfWords reports whether the current token is one of the words.
func (p *parser) oneOfWords(ws ...string) bool {
	for _, w := range ws {
		if p.word(w) {
			return true
		}
	}
	return false
}

// myRename parses the pairs of RENAME TABLE.
func (p *parser) myRename(d *ddlStmt) {
	if !p.acceptKw(kwTable) {
		if !p.acceptWord("tables") {
			p.expectWords("user")
			p.rest()
			return
		}
	}
	p.ifExists()
	for {
		from := p.qname()
		p.myWait()
		p.expectKw(kwTo)
		d.pairs = append(d.pairs, [2]name{from, p.qname()})
		if !p.accept(tComma) {
			return
		}
	}
}

func (p *parser) ifExists() {
	if p.word("if") {
		p.take()
		p.acceptKw(kwNot)
		p.expectKw(kwExists)
	}
}

func (p *parser) myCreate(d *ddlStmt) {
	if p.acceptKw(kwOr) {
		p.expectKw(kwReplace)
	}
	switch {
	case p.isKw(kwTemp), p.isKw(kwTable):
		p.acceptKw(kwTemp)
		p.expectKw(kwTable)
		p.myCreateTable(d)
	case p.isKw(kwIndex), p.isKw(kwUnique), p.oneOfWords("fulltext", "spatial"):
		if !p.isKw(kwIndex) {
			p.take()
		}
		p.expectKw(kwIndex)
		p.ifExists()
		p.name()
		if p.acceptKw(kwUsing) {
			p.label()
		}
		p.expectKw(kwOn)
		d.table = p.qname()
		p.myKeyParts(d)
		p.myOptions(d)
	default:
		p.myCreateOther(d)
	}
}

// myCreateOther parses CREATE or ALTER of a view, a stored program or another object.
func (p *parser) myCreateOther(d *ddlStmt) {
	for i := 0; ; i++ {
		t := p.peek(i)
		if t.kind == tEOF || t.kind == tSemi || i > 24 {
			break
		}
		switch {
		case t.kw == kwView:
			p.pos += i + 1
			d.op = ddlCreateView
			p.ifExists()
			d.table = p.qname()
			if p.accept(tLParen) {
				p.names()
			}
			p.expectKw(kwAs)
			d.sel = p.selectStmt()
			if p.acceptKw(kwWith) {
				p.oneOf("cascaded", "local")
				p.expectKw(kwCheck)
				p.expectWords("option")
			}
			return
		case t.kw == kwTrigger, p.wordAt(i, "procedure"), p.wordAt(i, "function"), p.wordAt(i, "event"), p.wordAt(i, "package"):
			// The body may hold semicolons; it is taken to go on to the end of the text.
			d.op = ddlRoutine
			p.pos += i + 1
			if t.kw == kwTrigger {
				p.myTriggerTable(d)
			}
			for !p.is(tEOF) {
				if p.is(tIllegal) {
					p.fail()
				}
				p.take()
			}
			return
		}
	}
	// A database, a user, a sequence, a server: no rows of a table.
	p.rest()
}

// myTriggerTable notes the table of a trigger.
func (p *parser) myTriggerTable(d *ddlStmt) {
	p.ifExists()
	p.qname()
	if !p.oneOf("before", "after") || !p.oneOf("insert", "update", "delete") {
		p.fail()
	}
	p.expectKw(kwOn)
	d.table = p.qname()
	d.after = int32(p.pos)
}

func (p *parser) myCreateTable(d *ddlStmt) {
	d.op = ddlCreateTable
	p.ifExists()
	d.table = p.qname()
	switch {
	case p.acceptKw(kwLike):
		d.others = append(d.others, p.qname())
		return
	case p.is(tLParen) && p.peek(1).kw == kwLike:
		p.pos += 2
		d.others = append(d.others, p.qname())
		p.expect(tRParen)
		return
	case p.is(tLParen) && !p.parenQuery():
		p.take()
		for {
			p.myDefinition(d)
			if !p.accept(tComma) {
				break
			}
		}
		p.expect(tRParen)
	}
	p.myOptions(d)
}

// myOptions consumes what follows the definitions of a table. A query there makes it hold data.
func (p *parser) myOptions(d *ddlStmt) {
	for !p.is(tSemi) && !p.is(tEOF) {
		switch t := p.cur(); {
		case t.kind == tIllegal:
			p.fail()
		case t.kw == kwSelect, t.kw == kwTable, t.kw == kwWith && (p.peek(1).kw == kwRecursive || p.peek(2).kw == kwAs || p.peek(2).kind == tLParen),
			t.kw == kwValues && (p.peek(1).kw == kwRow || p.peek(1).kind == tLParen):
			d.op = ddlStore
			p.rest()
			return
		case p.word("check") || p.word("where"):
			p.fail()
		}
		p.take()
	}
}

// myDefinition parses a column or a key of a table.
func (p *parser) myDefinition(d *ddlStmt) {
	if p.acceptKw(kwConstraint) {
		if !p.isKw(kwPrimary) && !p.isKw(kwUnique) && !p.isKw(kwForeign) && !p.isKw(kwCheck) {
			p.ifExists()
			p.name()
		}
	}
	switch {
	case p.acceptKw(kwPrimary):
		p.expectKw(kwKey)
	case p.acceptKw(kwUnique):
		p.acceptAny(kwIndex, kwKey)
	case p.isKw(kwIndex), p.isKw(kwKey):
		p.take()
	case p.oneOf("fulltext", "spatial"):
		p.acceptAny(kwIndex, kwKey)
	case p.acceptKw(kwForeign):
		p.expectKw(kwKey)
		p.ifExists()
		if p.f.isName(p.cur()) {
			p.name()
		}
		p.expect(tLParen)
		p.names()
		p.myReferences(d)
		return
	case p.isKw(kwCheck):
		p.myCheck(d)
		return
	case p.word("period") && p.peek(1).kw == kwFor:
		p.pos += 3
		p.expect(tLParen)
		p.names()
		return
	default:
		p.myColumn(d)
		return
	}
	p.ifExists()
	if p.f.isName(p.cur()) {
		p.name()
	}
	if p.acceptKw(kwUsing) {
		p.label()
	}
	p.myKeyParts(d)
	p.myKeyOptions()
}

func (p *parser) myCheck(d *ddlStmt) {
	p.expectKw(kwCheck)
	p.expect(tLParen)
	d.exprs = append(d.exprs, p.expr(bpNone))
	p.expect(tRParen)
	if p.isKw(kwNot) && p.wordAt(1, "enforced") {
		p.take()
	}
	p.acceptWord("enforced")
}

// myKeyParts parses the columns of an index, some cut to a length, some expressions.
func (p *parser) myKeyParts(d *ddlStmt) {
	p.expect(tLParen)
	for {
		if p.accept(tLParen) {
			d.exprs = append(d.exprs, p.expr(bpNone))
			p.expect(tRParen)
		} else {
			p.name()
			if p.accept(tLParen) {
				p.expect(tInteger)
				p.expect(tRParen)
			}
		}
		p.acceptAny(kwAsc, kwDesc)
		if !p.accept(tComma) {
			break
		}
	}
	p.expect(tRParen)
}

func (p *parser) myKeyOptions() {
	for {
		switch {
		case p.acceptKw(kwUsing):
			p.label()
		case p.acceptWord("comment"):
			p.expect(tString)
		case p.acceptWord("key_block_size"):
			p.accept(tEq)
			p.expect(tInteger)
		case p.oneOf("visible", "invisible", "ignored"):
		case p.isKw(kwNot) && p.wordAt(1, "ignored"):
			p.pos += 2
		case p.isKw(kwWith) && p.wordAt(1, "parser"):
			p.pos += 2
			p.name()
		default:
			return
		}
	}
}

func (p *parser) myReferences(d *ddlStmt) {
	p.expectKw(kwReferences)
	d.others = append(d.others, p.qname())
	if p.accept(tLParen) {
		p.names()
	}
	for {
		switch {
		case p.acceptKw(kwMatch):
			p.label()
		case p.isKw(kwOn) && (p.peek(1).kw == kwDelete || p.peek(1).kw == kwUpdate):
			p.pos += 2
			switch {
			case p.acceptKw(kwSet):
				if !p.acceptAny(kwNull, kwDefault) {
					p.fail()
				}
			case p.acceptKw(kwNo):
				p.expectWords("action")
			default:
				if !p.oneOf("cascade", "restrict") {
					p.fail()
				}
			}
		default:
			return
		}
	}
}

// myColumn parses a column: its name, its type and its attributes.
func (p *parser) myColumn(d *ddlStmt) {
	c := columnDef{name: p.name(), generated: -1}
	mysqlTypeName(p)
	for p.myAttribute(d, &c) {
	}
	d.columns = append(d.columns, c)
}

func (p *parser) myAttribute(d *ddlStmt, c *columnDef) bool {
	switch {
	case p.acceptKw(kwNull):
	case p.isKw(kwNot) && p.peek(1).kw == kwNull:
		p.pos += 2
	case p.isKw(kwNot) && p.wordAt(1, "enforced"):
		p.pos += 2
	case p.acceptKw(kwDefault):
		c.gets(p.expr(mySimple))
	case p.isKw(kwOn) && p.peek(1).kw == kwUpdate:
		p.pos += 2
		p.expr(mySimple)
	case p.acceptKw(kwUnique):
		p.acceptKw(kwKey)
	case p.acceptKw(kwPrimary):
		p.expectKw(kwKey)
	case p.acceptKw(kwKey):
	case p.acceptWord("comment"):
		p.expect(tString)
	case p.acceptKw(kwCollate):
		p.accept(tEq)
		if !p.accept(tString) && !p.acceptKw(kwBinary) {
			p.label()
		}
	case p.oneOf("column_format", "storage", "srid"):
		p.take()
	case p.oneOf("engine_attribute", "secondary_engine_attribute"):
		p.accept(tEq)
		p.expect(tString)
	case p.oneOf("auto_increment", "visible", "invisible", "enforced", "compressed", "virtual", "stored", "persistent"):
	case p.isKw(kwReferences):
		p.myReferences(d)
	case p.acceptKw(kwConstraint):
		if !p.isKw(kwCheck) {
			p.name()
		}
	case p.isKw(kwCheck):
		p.myCheck(d)
	case p.acceptKw(kwGenerated):
		p.expectWords("always")
		if !p.isKw(kwAs) {
			p.fail()
		}
	case p.acceptKw(kwAs):
		c.generated = int32(p.pos)
		p.expect(tLParen)
		d.exprs = append(d.exprs, p.expr(bpNone))
		p.expect(tRParen)
	default:
		return false
	}
	return true
}

func (p *parser) myAlter(d *ddlStmt) {
	p.oneOf("online", "offline")
	p.acceptKw(kwIgnore)
	if !p.acceptKw(kwTable) {
		p.myCreateOther(d)
		return
	}
	d.op = ddlAlterAdd
	p.ifExists()
	d.table = p.qname()
	p.myWait()
	for !p.is(tSemi) && !p.is(tEOF) {
		p.myAlteration(d)
		if !p.accept(tComma) {
			break
		}
	}
	p.myOptions(d)
}

// place parses FIRST and AFTER of a column.
func (p *parser) place() {
	if !p.acceptKw(kwFirst) && p.acceptWord("after") {
		p.name()
	}
}

func (p *parser) myAlteration(d *ddlStmt) {
	column := func() {
		p.acceptKw(kwColumn)
		p.ifExists()
	}
	switch {
	case p.acceptWord("add"):
		switch {
		case p.isKw(kwPartition):
			p.myOptions(d)
		case p.acceptKw(kwColumn), p.f.isName(p.cur()), p.word("if"), p.is(tLParen):
			p.ifExists()
			if p.accept(tLParen) {
				for {
					p.myDefinition(d)
					if !p.accept(tComma) {
						break
					}
				}
				p.expect(tRParen)
				return
			}
			p.myColumn(d)
			p.place()
		default:
			p.myDefinition(d)
		}
	case p.acceptWord("change"):
		column()
		p.name()
		p.myColumn(d)
		p.place()
	case p.acceptWord("modify"):
		column()
		p.myColumn(d)
		p.place()
	case p.acceptKw(kwAlter):
		if p.acceptAny(kwIndex, kwKey) || p.isKw(kwConstraint) || p.isKw(kwCheck) {
			p.acceptAny(kwConstraint, kwCheck)
			p.name()
			p.oneOf("visible", "invisible", "ignored", "enforced")
			if p.acceptKw(kwNot) {
				p.label()
			}
			return
		}
		column()
		c := columnDef{name: p.name(), generated: -1}
		if p.acceptKw(kwSet) {
			if !p.oneOf("visible", "invisible") {
				p.expectKw(kwDefault)
				c.gets(p.expr(mySimple))
			}
		} else {
			p.expectKw(kwDrop, kwDefault)
		}
		d.columns = append(d.columns, c)
	case p.acceptKw(kwDrop):
		switch {
		case p.acceptKw(kwPrimary):
			p.expectKw(kwKey)
		case p.isKw(kwPartition):
			p.myOptions(d)
		default:
			if p.acceptKw(kwForeign) {
				p.expectKw(kwKey)
			} else {
				p.acceptAny(kwIndex, kwKey, kwConstraint, kwCheck, kwColumn)
			}
			p.ifExists()
			p.name()
			p.oneOf("cascade", "restrict")
		}
	case p.acceptKw(kwRename):
		switch {
		case p.isKw(kwColumn), p.isKw(kwIndex), p.isKw(kwKey):
			p.take()
			p.ifExists()
			p.name()
			p.expectKw(kwTo)
			p.name()
		default:
			if !p.acceptAny(kwTo, kwAs) {
				p.accept(tEq)
			}
			d.pairs = append(d.pairs, [2]name{d.table, p.qname()})
		}
	case p.word("exchange"):
		d.op = ddlMove
		p.rest()
	default:
		// An option, or an operation on partitions: up to the next comma outside of parentheses.
		n := 0
		for open := 0; !p.is(tSemi) && !p.is(tEOF) && (open > 0 || !p.is(tComma)); n++ {
			switch t := p.cur(); {
			case t.kind == tLParen:
				open++
			case t.kind == tRParen:
				open--
			case t.kind == tIllegal, t.kw == kwSelect, t.kw == kwCheck, p.word("exchange"), p.word("rename"), p.word("change"), p.word("modify"):
				p.fail()
			}
			p.take()
		}
		if n == 0 {
			p.fail()
		}
	}
}

// mysqlTxWord reports whether a transaction control statement begins with kw.
func mysqlTxWord(kw keyword) bool {
	switch kw {
	case kwBegin, kwStart, kwCommit, kwRollback, kwSavepoint, kwRelease, kwXA:
		return true
	}
	return false
}

// mysqlTxStatement reads a transaction control statement. Of XA only those have an operation that begin or end a
// transaction of this connection; what they end may be another one, which is then taken for this.
func mysqlTxStatement(f *facts, text string, toks []token) (tx TxStatement, n int, ok bool) {
	i := 1
	next := func(ws ...string) bool {
		for _, w := range ws {
			if t := &toks[i]; t.kind == tWord && equalFold(text[t.off:t.end], w) {
				i++
				return true
			}
		}
		return false
	}
	name := func() bool {
		if !f.isName(&toks[i]) {
			return false
		}
		tx.Name = foldName(f.ident(text, &toks[i]))
		i++
		return true
	}
	no := func() (TxStatement, int, bool) { return TxStatement{}, 0, false }
	completion := func() bool {
		if next("and") {
			next("no")
			if !next("chain") {
				return false
			}
		}
		if next("no") {
			return next("release")
		}
		next("release")
		return true
	}
	switch toks[0].kw {
	case kwBegin:
		tx.Op = TxBegin
		next("work")
	case kwStart:
		tx.Op = TxBegin
		if !next("transaction") {
			return no()
		}
		for first := true; toks[i].kind == tWord || toks[i].kind == tComma; first = false {
			if toks[i].kind == tComma {
				if first {
					return no()
				}
				i++
			}
			switch {
			case next("with"):
				if !next("consistent") || !next("snapshot") {
					return no()
				}
			case next("read"):
				if !next("only", "write") {
					return no()
				}
			default:
				return no()
			}
		}
	case kwCommit, kwRollback:
		tx.Op = TxCommit
		if toks[0].kw == kwRollback {
			tx.Op = TxRollback
		}
		next("work")
		if toks[0].kw == kwRollback && next("to") {
			tx.Op = TxRollbackTo
			next("savepoint")
			if !name() {
				return no()
			}
			break
		}
		if !completion() {
			return no()
		}
	case kwSavepoint:
		tx.Op = TxSavepoint
		if !name() {
			return no()
		}
	case kwRelease:
		tx.Op = TxRelease
		if !next("savepoint") || !name() {
			return no()
		}
	case kwXA:
		switch {
		case next("start", "begin"):
			tx.Op = TxBegin
		case next("commit"):
			tx.Op = TxCommit
		case next("rollback"):
			tx.Op = TxRollback
		default:
			if !next("end", "prepare", "recover") {
				return no()
			}
		}
		for i < len(toks) && toks[i].kind != tSemi && toks[i].kind != tEOF {
			if k := toks[i].kind; k != tString && k != tBlob && k != tInteger && k != tComma && k != tWord {
				return no()
			}
			i++
		}
	default:
		return no()
	}
	if i >= len(toks) {
		return no()
	}
	if k := toks[i].kind; k != tSemi && k != tEOF {
		return no()
	}
	return tx, i, true
}
