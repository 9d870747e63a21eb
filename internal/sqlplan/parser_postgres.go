package sqlplan

import "slices"

// word reports whether the current token is that unquoted word, whether or not it is a keyword.
func (p *parser) word(w string) bool { return p.wordAt(0, w) }

func (p *parser) wordAt(n int, w string) bool {
	t := p.peek(n)
	return t.kind == tWord && int(t.end-t.off) == len(w) && equalFold(p.text[t.off:t.end], w)
}

func (p *parser) acceptWord(w string) bool {
	if p.word(w) {
		p.pos++
		return true
	}
	return false
}

// acceptWords consumes all of the words, or none.
func (p *parser) acceptWords(ws ...string) bool {
	for i, w := range ws {
		if !p.wordAt(i, w) {
			return false
		}
	}
	p.pos += len(ws)
	return true
}

// oneOf consumes one of the words.
func (p *parser) oneOf(ws ...string) bool { return slices.ContainsFunc(ws, p.acceptWord) }

func (p *parser) expectWords(ws ...string) {
	if !p.acceptWords(ws...) {
		p.fail()
	}
}

// label consumes a word or a quoted name where every keyword may stand for a name.
func (p *parser) label() int32 {
	if !p.is(tWord) && !p.is(tQuoted) || p.pgLooksAhead() {
		p.fail()
	}
	return p.take()
}

// pgLooksAhead reports whether the current word and the next are two that PostgreSQL takes together, so that
// the first is no name.
func (p *parser) pgLooksAhead() bool {
	switch p.cur().kw {
	case kwNot:
		switch p.peek(1).kw {
		case kwBetween, kwIn, kwLike, kwIlike, kwSimilar:
			return true
		}
	case kwNulls:
		return p.peek(1).kw == kwFirst || p.peek(1).kw == kwLast
	case kwWith:
		return p.wordAt(1, "time") || p.wordAt(1, "ordinality")
	}
	return p.word("without") && p.wordAt(1, "time") || p.word("format") && p.wordAt(1, "json")
}

// pgFuncName consumes the name of a function: by itself it may be what a column can't be called, and the other
// way round.
func (p *parser) pgFuncName() {
	t := p.cur()
	switch {
	case t.kind == tQuoted, t.kind == tWord && (t.kw == kwNone || p.f.words.classes[t.kw] == funcWord):
	case p.f.isName(t) && (p.f.words.classes[t.kw] != nameWord || p.peek(1).kind == tDot):
	default:
		p.fail()
	}
	p.take()
	for p.accept(tDot) {
		p.label()
	}
}

// pgName consumes the name of a table, with a schema or with a database and a schema.
func (p *parser) pgName() name {
	n := name{schema: -1, tok: p.name()}
	for i := 0; p.accept(tDot); i++ {
		if i == 2 {
			p.fail()
		}
		n.schema, n.tok = n.tok, p.label()
	}
	return n
}

// isReserved reports whether the current word is one that is never a name.
func (p *parser) isReserved() bool {
	kw := p.cur().kw
	return kw != kwNone && p.f.words.classes[kw] == reserved
}

// anyName consumes the name of another object.
func (p *parser) anyName() {
	p.label()
	for p.accept(tDot) {
		p.label()
	}
}

func postgresExplain(p *parser) {
	if p.is(tLParen) && p.peek(1).kind == tWord && p.peek(1).kw != kwSelect && p.peek(1).kw != kwWith && p.peek(1).kw != kwValues && p.peek(1).kw != kwTable {
		p.take()
		for {
			if p.isReserved() && !p.isKw(kwAnalyze) && !p.word("analyse") {
				p.fail()
			}
			if !p.acceptWord("format") { // FORMAT JSON isn't taken together here
				p.label()
			}
			if !p.is(tComma) && !p.is(tRParen) {
				if p.accept(tMinus) || p.accept(tPlus) {
					if !p.accept(tInteger) && !p.accept(tFloat) {
						p.fail()
					}
				} else if !p.accept(tInteger) && !p.accept(tFloat) && !p.accept(tString) {
					if p.isReserved() && !p.isKw(kwOn) && !p.isKw(kwTrue) && !p.isKw(kwFalse) {
						p.fail()
					}
					p.label()
				}
			}
			if !p.accept(tComma) {
				break
			}
		}
		p.expect(tRParen)
		return
	}
	p.acceptKw(kwAnalyze)
	p.acceptKw(kwVerbose)
}

// balanced consumes tokens up to the parenthesis that closes the one consumed before.
func (p *parser) balanced() {
	for open := 1; open > 0; {
		switch p.cur().kind {
		case tLParen:
			open++
		case tRParen:
			open--
		case tIllegal, tSemi:
			p.fail()
		}
		p.take()
	}
}

// postgresCommand parses one statement without EXPLAIN and without its semicolon.
func postgresCommand(p *parser, s *stmt) {
	switch kw := p.cur().kw; kw {
	case kwSelect, kwValues, kwWith, kwTable, kwInsert, kwUpdate, kwDelete, kwMerge:
		p.pgQuery(s)
	case kwBegin, kwStart, kwCommit, kwEnd, kwAbort, kwRollback, kwSavepoint, kwRelease:
		p.pgTx(s)
	case kwPrepare:
		if p.peek(1).kw == kwTransaction {
			p.pgTx(s)
			return
		}
		p.pgUtility(s)
	default:
		if p.is(tLParen) {
			p.pgQuery(s)
			return
		}
		p.pgUtility(s)
	}
}

func (p *parser) pgTx(s *stmt) {
	tx, n, ok := p.f.txStatement(p.f, p.text, p.toks[p.pos:])
	if !ok {
		p.fail()
	}
	p.pos += n
	s.kind = Transaction
	if tx.Op != 0 {
		s.tx = &tx
	}
}

// pgQuery parses a statement that reads or writes rows.
func (p *parser) pgQuery(s *stmt) {
	first := p.pos
	var w *with
	if p.isKw(kwWith) {
		w = p.f.with(p)
	}
	switch p.cur().kw {
	case kwInsert:
		s.kind = Insert
		s.ins = p.pgInsert(w)
	case kwUpdate:
		s.kind = Update
		s.upd = p.pgUpdate(w)
	case kwDelete:
		s.kind = Delete
		s.del = p.pgDelete(w)
	case kwMerge:
		s.kind = Merge
		s.merge = p.pgMerge(w)
	default:
		s.kind = Select
		s.sel = postgresQuery(p, w, first)
	}
}

// postgresTxWord reports whether a transaction control statement begins with kw.
func postgresTxWord(kw keyword) bool {
	switch kw {
	case kwBegin, kwStart, kwCommit, kwEnd, kwAbort, kwRollback, kwSavepoint, kwRelease, kwPrepare:
		return true
	}
	return false
}

// postgresTxStatement reads a transaction control statement. PREPARE TRANSACTION ends the transaction of this
// connection, as COMMIT does; COMMIT PREPARED and ROLLBACK PREPARED are about others, and have no operation.
func postgresTxStatement(f *facts, text string, toks []token) (tx TxStatement, n int, ok bool) {
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
	chain := func() bool {
		if !next("and") {
			return true
		}
		next("no")
		return next("chain")
	}
	switch toks[0].kw {
	case kwBegin, kwStart:
		tx.Op = TxBegin
		work := next("work", "transaction")
		if toks[0].kw == kwStart && (!work || !equalFold(text[toks[1].off:toks[1].end], "transaction")) {
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
			case next("isolation"):
				if !next("level") {
					return no()
				}
				switch {
				case next("serializable"):
				case next("repeatable"):
					if !next("read") {
						return no()
					}
				case next("read"):
					if !next("committed", "uncommitted") {
						return no()
					}
				default:
					return no()
				}
			case next("read"):
				if !next("only", "write") {
					return no()
				}
			case next("not"):
				if !next("deferrable") {
					return no()
				}
			case next("deferrable"):
			default:
				return no()
			}
		}
	case kwCommit, kwEnd:
		if toks[0].kw == kwCommit && next("prepared") {
			i++
			break
		}
		tx.Op = TxCommit
		next("work", "transaction")
		if !chain() {
			return no()
		}
	case kwPrepare:
		if !next("transaction") || toks[i].kind != tString {
			return no()
		}
		i++
		tx.Op = TxCommit
	case kwAbort, kwRollback:
		if toks[0].kw == kwRollback && next("prepared") {
			i++
			break
		}
		tx.Op = TxRollback
		next("work", "transaction")
		if toks[0].kw == kwRollback && next("to") {
			tx.Op = TxRollbackTo
			next("savepoint")
			if !name() {
				return no()
			}
			break
		}
		if !chain() {
			return no()
		}
	case kwSavepoint:
		tx.Op = TxSavepoint
		if !name() {
			return no()
		}
	case kwRelease:
		tx.Op = TxRelease
		if toks[i].kw == kwSavepoint && f.isName(&toks[i+1]) {
			i++
		}
		if !name() {
			return no()
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
