package sqlplan

// mysqlWith parses a WITH clause.
func mysqlWith(p *parser) *with {
	p.expectKw(kwWith)
	w := &with{recursive: p.acceptKw(kwRecursive)}
	for {
		c := &cte{name: p.name()}
		if p.accept(tLParen) {
			c.cols = p.names()
		}
		p.expectKw(kwAs)
		p.expect(tLParen)
		c.sel = p.selectStmt()
		p.expect(tRParen)
		w.ctes = append(w.ctes, c)
		if !p.accept(tComma) {
			return w
		}
	}
}

// mysqlQuery parses a query after its WITH clause w, which may be nil and began at token first.
func mysqlQuery(p *parser, w *with, first int) *selectStmt {
	s := &selectStmt{with: w, tok: int32(first)}
	for {
		s.cores = append(s.cores, p.myCore())
		o := p.setOp()
		if o == 0 {
			break
		}
		if o == union {
			p.acceptKw(kwDistinct)
		} else if o != unionAll && !p.acceptKw(kwAll) {
			p.acceptKw(kwDistinct)
		}
		s.ops = append(s.ops, o)
	}
	if p.acceptKw(kwOrder) {
		p.expectKw(kwBy)
		s.order = p.sortList()
	}
	p.myTail(s)
	s.end = int32(p.pos)
	if w == nil && len(s.cores) == 1 && s.cores[0].sel != nil && s.order == nil && s.limit == nil && s.offset == nil &&
		s.end == s.cores[0].end {
		return s.cores[0].sel // parentheses that mean nothing
	}
	return s
}

// myTail parses LIMIT, the locks and INTO.
func (p *parser) myTail(s *selectStmt) {
	last := s.cores[len(s.cores)-1]
	s.limit, s.offset = p.myLimit()
	for {
		switch {
		case p.isKw(kwInto):
			p.myInto(last)
		case p.isKw(kwFor):
			p.take()
			if !p.acceptKw(kwUpdate) && !p.acceptWord("share") {
				p.fail()
			}
			if p.acceptKw(kwOf) {
				for {
					s.locks = append(s.locks, p.qname())
					if !p.accept(tComma) {
						break
					}
				}
			}
			p.myWait()
		case p.isKw(kwLock):
			p.take()
			p.expectKw(kwIn)
			p.expectWords("share", "mode")
			p.myWait()
		default:
			return
		}
	}
}

func (p *parser) myWait() {
	switch {
	case p.acceptWord("nowait"):
	case p.acceptWord("skip"):
		p.expectWords("locked")
	case p.acceptWord("wait"):
		p.expect(tInteger)
	}
}

// myLimit parses LIMIT, with OFFSET or a comma, and MariaDB's OFFSET and FETCH.
func (p *parser) myLimit() (limit, offset *expr) {
	if p.acceptKw(kwLimit) {
		limit = p.myRowCount()
		if p.acceptKw(kwOffset) || p.accept(tComma) {
			offset = p.myRowCount()
		}
		return limit, offset
	}
	if p.isKw(kwOffset) {
		p.take()
		offset = p.myRowCount()
		if !p.oneOf("row", "rows") {
			p.fail()
		}
	}
	if p.acceptKw(kwFetch) {
		if !p.oneOf("first", "next") {
			p.fail()
		}
		if !p.word("row") && !p.word("rows") {
			limit = p.myRowCount()
		}
		if !p.oneOf("row", "rows") {
			p.fail()
		}
		if !p.acceptWord("only") {
			p.expectKw(kwWith, kwTies)
		}
	}
	return limit, offset
}

// myRowCount parses a number of rows: an integer or a placeholder.
func (p *parser) myRowCount() *expr {
	if !p.is(tInteger) && !p.is(tParam) {
		p.fail()
	}
	tok := int32(p.pos)
	e := p.expr(bpNone)
	if e.end != tok+1 {
		p.fail()
	}
	return e
}

// myInto parses INTO OUTFILE, INTO DUMPFILE and INTO @x.
func (p *parser) myInto(c *core) {
	p.expectKw(kwInto)
	c.into = true
	switch {
	case p.acceptWord("dumpfile"):
		p.expect(tString)
	case p.acceptWord("outfile"):
		p.expect(tString)
		for !p.is(tEOF) && !p.is(tSemi) && !p.is(tRParen) && !p.isKw(kwFrom) && !p.isKw(kwFor) {
			p.take()
		}
	default:
		for {
			p.expect(tUserVar)
			if !p.accept(tComma) {
				return
			}
		}
	}
}

// selectOptions are the words that may stand behind SELECT.
var selectOptions = []string{"high_priority", "straight_join", "sql_small_result", "sql_big_result", "sql_buffer_result",
	"sql_cache", "sql_no_cache", "sql_calc_found_rows"}

func (p *parser) myCore() *core {
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
		p.myRows(c)
		return c
	case p.acceptKw(kwTable):
		star := resultCol{table: -1, alias: -1, tok: int32(p.pos - 1)}
		s := p.mySource()
		s.name = p.qname()
		s.end = int32(p.pos)
		c.from = []*source{s}
		star.end = int32(p.pos)
		c.cols = []resultCol{star}
		c.table = true
		c.end = int32(p.pos)
		return c
	}
	p.expectKw(kwSelect)
	for {
		if p.acceptKw(kwDistinct) {
			c.distinct = true
		} else if !p.acceptKw(kwAll) && !p.oneOf(selectOptions...) {
			break
		}
	}
	c.cols = p.myResultCols()
	if p.isKw(kwInto) {
		p.myInto(c)
	}
	if p.acceptKw(kwFrom) {
		c.from = p.mySources()
	}
	if p.acceptKw(kwWhere) {
		c.where = p.expr(bpNone)
	}
	if p.acceptKw(kwGroup) {
		p.expectKw(kwBy)
		m := p.exprs.mark()
		for {
			p.exprs.push(p.expr(bpNone))
			p.acceptAny(kwAsc, kwDesc)
			if !p.accept(tComma) {
				break
			}
		}
		c.group = p.exprs.cut(m)
		if p.isKw(kwWith) && p.wordAt(1, "rollup") {
			p.pos += 2
		}
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

// myRows parses the rows of VALUES; MySQL writes ROW before each where it is a query.
func (p *parser) myRows(c *core) {
	m := p.rows.mark()
	row := p.isKw(kwRow)
	for {
		if row {
			p.expectKw(kwRow)
		}
		p.expect(tLParen)
		if p.is(tRParen) {
			p.rows.push([]*expr{})
		} else {
			em := p.exprs.mark()
			for p.exprs.push(p.myValue()); p.accept(tComma); p.exprs.push(p.myValue()) {
			}
			p.rows.push(p.exprs.cut(em))
		}
		p.expect(tRParen)
		if !p.accept(tComma) {
			break
		}
	}
	c.values = p.rows.cut(m)
	c.end = int32(p.pos)
}

// myAlias consumes an optional alias of an output, which may be a string, and returns its token, or -1.
func (p *parser) myAlias() int32 {
	as := p.acceptKw(kwAs)
	switch t := p.cur(); {
	case t.kind == tString:
		for i := t.off; i < t.end; i++ {
			if p.text[i] == '\\' {
				p.fail() // what it spells depends on the mode
			}
		}
		return p.expectOneString()
	case as:
		return p.name()
	case p.isBareAlias(t):
		return p.take()
	}
	return -1
}

// myResultCols parses a select list or the list of RETURNING.
func (p *parser) myResultCols() []resultCol {
	m := p.cols.mark()
	for {
		c := resultCol{table: -1, alias: -1, tok: int32(p.pos)}
		switch {
		case p.is(tStar) && p.cols.mark() == m:
			p.take() // the first only
		case p.f.isName(p.cur()) && p.peek(1).kind == tDot && p.peek(2).kind == tStar:
			c.table = p.take()
			p.pos += 2
		case p.f.isName(p.cur()) && p.peek(1).kind == tDot && p.peek(3).kind == tDot && p.peek(4).kind == tStar:
			p.pos += 2
			c.table = p.take()
			p.pos += 2
		default:
			c.e = p.expr(bpNone)
			c.alias = p.myAlias()
		}
		c.end = int32(p.pos)
		p.cols.push(c)
		if !p.accept(tComma) {
			return p.cols.cut(m)
		}
	}
}

// mySource makes an item of FROM that begins here.
func (p *parser) mySource() *source {
	return &source{alias: -1, merged: -1, name: name{schema: -1, tok: -1}, tok: int32(p.pos)}
}

// mySources parses the items of FROM. Joins that belong together are one source with the parts nested.
func (p *parser) mySources() []*source {
	var list []*source
	for {
		list = append(list, p.myJoined())
		if !p.accept(tComma) {
			return list
		}
	}
}

// myJoined parses an item and all that is joined to it. A single item is itself, several are nested in one
// source without a name.
func (p *parser) myJoined() *source {
	p.enter()
	defer p.leave()
	first := p.myItem()
	var list []*source
	for {
		var join joinOp
		kind := p.cur().kw
		switch kind {
		case kwJoin, kwInner, kwLeft, kwRight, kwCross, kwNatural, kwStraightJoin:
		default:
			if list == nil {
				return first
			}
			s := p.mySource()
			s.nested, s.joined, s.tok, s.end = list, true, first.tok, int32(p.pos)
			return s
		}
		natural := p.acceptKw(kwNatural)
		if natural {
			join = joinNatural
			kind = p.cur().kw
		}
		switch kind {
		case kwInner, kwCross:
			p.take()
		case kwLeft, kwRight:
			p.take()
			p.acceptKw(kwOuter)
			if kind == kwRight {
				join |= joinOuter
			}
		}
		if !p.acceptKw(kwStraightJoin) {
			p.expectKw(kwJoin)
		}
		if list == nil {
			list = append(list, first)
		}
		if natural {
			right := p.myItem()
			right.join |= join
			list = append(list, right)
			continue
		}
		// Joins that follow before the condition are the right side's own, if there is one at last; without, they
		// follow one after the other.
		right := p.myJoined()
		switch {
		case p.acceptKw(kwOn):
			right.on = p.expr(bpNone)
		case p.acceptKw(kwUsing):
			p.expect(tLParen)
			right.using = p.names()
		case kind == kwLeft || kind == kwRight:
			p.fail()
		case right.joined:
			list = append(list, right.nested...)
			continue
		}
		right.join |= join
		right.end = int32(p.pos)
		list = append(list, right)
	}
}

// myItem parses one item of FROM without joins.
func (p *parser) myItem() *source {
	s := p.mySource()
	lateral := p.isKw(kwLateral) && p.peek(1).kind == tLParen
	if lateral {
		p.take()
		s.lateral = true
	}
	switch {
	case p.is(tLParen) && p.parenQuery():
		p.take()
		s.sel = p.selectStmt()
		p.expect(tRParen)
		p.acceptKw(kwAs)
		s.alias = p.name()
		if p.accept(tLParen) {
			s.cols = p.names()
		}
	case lateral:
		p.fail()
	case p.accept(tLParen):
		for {
			in := p.myJoined()
			if in.joined {
				in.joined = false
			}
			s.nested = append(s.nested, in)
			if !p.accept(tComma) {
				break
			}
		}
		p.expect(tRParen)
		if len(s.nested) == 1 {
			one := s.nested[0]
			one.end = int32(p.pos)
			return one
		}
	case p.word("json_table") && p.peek(1).kind == tLParen:
		p.myJSONTable(s)
	case p.word("dual") && p.peek(1).kind != tDot:
		p.take()
		s.dual = true
	default:
		s.name = p.qname()
		if p.is(tLParen) {
			p.fail()
		}
		if p.isKw(kwPartition) {
			p.take()
			p.expect(tLParen)
			p.names()
		}
		s.alias = p.myTableAlias()
		p.myIndexHints()
	}
	s.end = int32(p.pos)
	return s
}

// myTableAlias consumes the optional alias of a table and returns its token, or -1.
func (p *parser) myTableAlias() int32 {
	if p.acceptKw(kwAs) {
		return p.name()
	}
	if t := p.cur(); p.isBareAlias(t) && t.kind != tString && !(p.isKw(kwFor) || p.isKw(kwValue) && p.peek(1).kind == tLParen) {
		return p.take()
	}
	return -1
}

// myIndexHints parses USE INDEX (…) and the like.
func (p *parser) myIndexHints() {
	for p.isKw(kwUse) || p.isKw(kwIgnore) {
		p.take()
		if !p.acceptAny(kwIndex, kwKey) {
			p.fail()
		}
		if p.acceptKw(kwFor) {
			switch {
			case p.acceptKw(kwJoin):
			case p.acceptAny(kwOrder, kwGroup):
				p.expectKw(kwBy)
			default:
				p.fail()
			}
		}
		p.expect(tLParen)
		for more := !p.is(tRParen); more; more = p.accept(tComma) {
			if !p.acceptKw(kwPrimary) {
				p.name()
			}
		}
		p.expect(tRParen)
		if p.is(tComma) && (p.peek(1).kw == kwUse || p.peek(1).kw == kwIgnore) {
			p.pos++
		}
	}
}

// myJSONTable parses JSON_TABLE(expr, path COLUMNS (…)) alias.
func (p *parser) myJSONTable(s *source) {
	p.pos += 2
	s.call, s.lateral = true, true
	m := p.exprs.mark()
	p.exprs.push(p.expr(bpNone))
	p.expect(tComma)
	p.exprs.push(p.expr(bpNone))
	im := p.idxs.mark()
	p.myJSONColumns()
	p.expect(tRParen)
	s.args = p.exprs.cut(m)
	s.cols = p.idxs.cut(im)
	p.acceptKw(kwAs)
	s.alias = p.name()
}

// myJSONColumns parses COLUMNS (…) and pushes the names of the columns.
func (p *parser) myJSONColumns() {
	p.enter()
	p.expectWords("columns")
	p.expect(tLParen)
	for {
		if p.word("nested") && (p.wordAt(1, "path") || p.peek(1).kind == tString) {
			p.take()
			p.acceptWord("path")
			p.expectOneString()
			p.myJSONColumns()
		} else {
			p.idxs.push(p.name())
			if p.acceptKw(kwFor) {
				p.expectWords("ordinality")
			} else {
				mysqlTypeName(p)
				if p.acceptKw(kwCollate) {
					p.label()
				}
				p.acceptKw(kwExists)
				p.expectWords("path")
				p.expectOneString()
				for p.myOnEmpty() {
				}
			}
		}
		if !p.accept(tComma) {
			break
		}
	}
	p.expect(tRParen)
	p.leave()
}
