package sqlplan

// maxDepth bounds the nesting of expressions and queries. The database's own bound for an expression is 1000.
const maxDepth = 1000

// parser turns tokens into syntax trees, by recursive descent. What it doesn't understand it leaves by a
// panic with a syntaxError, which parseStmt takes up: no caller can go on by mistake.
type parser struct {
	f     *facts
	text  string
	toks  []token
	pos   int
	depth int
	mode  Mode // of the connection

	// Of MySQL, by token: whether an opening parenthesis begins a query, and where it is closed; see parenQuery.
	paren  []int8
	closed []int32

	nodes slab[expr]
	extra slab[funcExtra]
	exprs lists[*expr]
	rows  lists[[]*expr]
	cols  lists[resultCol]
	idxs  lists[int32]
	sets  lists[assign]
}

// syntaxError is the first token that isn't understood, and why.
type syntaxError struct {
	tok  int
	rule string
}

func (p *parser) fail() { p.failRule(RuleSyntax) }

func (p *parser) failRule(rule string) {
	if t := &p.toks[p.pos]; t.kind == tIllegal {
		rule = illegalRules[t.why]
	}
	panic(&syntaxError{p.pos, rule})
}

func (p *parser) cur() *token { return &p.toks[p.pos] }

// peek returns the token n places on.
func (p *parser) peek(n int) *token {
	if p.pos+n >= len(p.toks) {
		return &p.toks[len(p.toks)-1]
	}
	return &p.toks[p.pos+n]
}

// take consumes the current token and returns its number. The last token, the end, is never consumed.
func (p *parser) take() int32 {
	i := p.pos
	if p.toks[i].kind == tEOF {
		p.fail()
	}
	p.pos++
	return int32(i)
}

func (p *parser) is(k kind) bool { return p.toks[p.pos].kind == k }

func (p *parser) isKw(kw keyword) bool { return p.toks[p.pos].kw == kw }

func (p *parser) accept(k kind) bool {
	if p.is(k) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) acceptKw(kw keyword) bool {
	if p.isKw(kw) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) expect(k kind) {
	if !p.accept(k) {
		p.fail()
	}
}

func (p *parser) expectKw(kws ...keyword) {
	for _, kw := range kws {
		if !p.acceptKw(kw) {
			p.fail()
		}
	}
}

// acceptAny consumes one of the keywords.
func (p *parser) acceptAny(kws ...keyword) bool {
	for _, kw := range kws {
		if p.acceptKw(kw) {
			return true
		}
	}
	return false
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxDepth {
		p.failRule(RuleDepth)
	}
}

func (p *parser) leave() { p.depth-- }

// name consumes the name of a table, a column or another object.
func (p *parser) name() int32 {
	if !p.f.isName(p.cur()) {
		p.fail()
	}
	return p.take()
}

// qname consumes a name with an optional schema.
func (p *parser) qname() name {
	n := name{schema: -1, tok: p.name()}
	if p.accept(tDot) {
		n.schema, n.tok = n.tok, p.name()
	}
	return n
}

// isBareAlias reports whether t is an alias where AS is left out.
func (p *parser) isBareAlias(t *token) bool {
	switch t.kind {
	case tQuoted:
		return true
	case tString:
		return p.f.stringNames
	case tWord:
		return t.kw == kwNone || p.f.words.classes[t.kw] == fallback
	}
	return false
}

// alias consumes an optional alias and returns its token, or -1.
func (p *parser) alias() int32 {
	if p.acceptKw(kwAs) {
		return p.name()
	}
	if p.isBareAlias(p.cur()) {
		return p.take()
	}
	return -1
}

// names consumes a list of names in parentheses; the opening one is already consumed.
func (p *parser) names() []int32 {
	m := p.idxs.mark()
	for {
		p.idxs.push(p.name())
		if !p.accept(tComma) {
			break
		}
	}
	p.expect(tRParen)
	return p.idxs.cut(m)
}

// atSelect reports whether the token n places on begins a query.
func (p *parser) atSelect(n int) bool {
	switch p.peek(n).kw {
	case kwSelect, kwValues, kwWith:
		return true
	}
	return false
}

// parseStmt parses the statement that begins at the current token. When it isn't understood, err says where,
// and the current token is anywhere.
func (p *parser) parseStmt() (s *stmt, err *syntaxError) {
	s = &stmt{tok: int32(p.pos)}
	p.depth = 0
	s.exprs[0] = p.nodes.n
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*syntaxError)
			if !ok {
				panic(r)
			}
			err = e
		}
		s.exprs[1] = p.nodes.n
	}()
	if p.acceptKw(kwExplain) {
		s.explain = true
		p.f.explain(p)
	}
	p.f.command(p, s)
	if !p.is(tSemi) && !p.is(tEOF) {
		p.fail()
	}
	s.end = int32(p.pos)
	return s, nil
}

// sqliteExplain parses what may stand between EXPLAIN and its statement.
func sqliteExplain(p *parser) {
	if p.acceptKw(kwQuery) {
		p.expectKw(kwPlan)
	}
}

// sqliteCommand parses one statement without EXPLAIN and without its semicolon.
func sqliteCommand(p *parser, s *stmt) {
	switch p.cur().kw {
	case kwWith, kwSelect, kwValues, kwInsert, kwReplace, kwUpdate, kwDelete:
		p.query(s)
	case kwBegin, kwCommit, kwEnd, kwRollback, kwSavepoint, kwRelease:
		tx, n, ok := p.f.txStatement(p.f, p.text, p.toks[p.pos:])
		if !ok {
			p.fail()
		}
		p.pos += n
		s.kind, s.tx = Transaction, &tx
	case kwCreate, kwDrop, kwAlter, kwAnalyze, kwReindex:
		s.kind = DDL
		s.ddl = p.ddl()
	case kwPragma, kwAttach, kwDetach, kwVacuum:
		s.kind = Other
		s.ddl = p.ddl()
	default:
		p.fail()
	}
}

// query parses a statement that reads or writes rows.
func (p *parser) query(s *stmt) {
	first := p.pos
	var w *with
	if p.isKw(kwWith) {
		w = p.f.with(p)
	}
	switch p.cur().kw {
	case kwSelect, kwValues:
		s.kind = Select
		s.sel = p.f.query(p, w, first)
	case kwInsert, kwReplace:
		s.kind = Insert
		s.ins = p.insert(w)
	case kwUpdate:
		s.kind = Update
		s.upd = p.update(w)
	case kwDelete:
		s.kind = Delete
		s.del = p.delete(w)
	default:
		p.fail()
	}
}
