package sqlplan

import (
	"strconv"
	"strings"

	"github.com/asherah-sql/asherah-sql/tags"
)

// value analyses an expression whose bare value goes on: into a select list, a column, a comparison. It
// returns whose value it is. Every kind of expression has a case; an encrypted column comes out only of those
// that hand a value through unchanged.
func (a *analysis) value(sc *scope, e *expr) lineage {
	e.seen = true
	switch e.op {
	case opColumn:
		return a.resolve(sc, e)
	case opParen:
		return a.value(sc, e.a)
	case opNull:
		return lineage{null: true}
	case opParam, opString, opBlob, opNumber, opBool, opBits:
		return lineage{value: e.tok + 1}
	case opTime, opDefault:
		return lineage{}
	case opSubquery:
		return a.scalar(sc, e)
	case opExists:
		// Whether there are rows says nothing about the columns of the rows.
		for _, c := range a.query(e.sel, sc).cols {
			c.lin.harmlessUse()
		}
		return lineage{}
	case opIsNull, opNotNull:
		// NULL is stored as NULL, so it is the one thing that may be asked of an encrypted column.
		if bare(e.a).op == opRow {
			a.row(sc, bare(e.a), RuleExpression)
			return lineage{}
		}
		if a.f.postgres {
			if r := a.wholeRow(sc, e.a); r != nil {
				r.spoiled(e.tok, true)
				return lineage{}
			}
		}
		a.value(sc, e.a).harmlessUse()
		return lineage{}
	case opNeg, opPos, opBitNot, opNot:
		a.plain(sc, e.a, RuleExpression)
	case opArith, opConcat, opArrow, opAnd, opOr:
		// A chain of operators leans to the left, and may be long.
		for ; ; e = e.a {
			e.seen = true
			a.plain(sc, e.b, RuleExpression)
			if e.a.op != e.op {
				break
			}
		}
		a.plain(sc, e.a, RuleExpression)
	case opEq, opNe, opIs, opIsNot:
		a.compare(sc, e.a, e.b, RuleCompared)
	case opLess:
		a.compare(sc, e.a, e.b, RuleOrdered)
	case opLike:
		a.compare(sc, e.a, e.b, RuleCompared)
		for _, x := range e.list {
			a.plain(sc, x, RuleExpression)
		}
	case opBetween:
		a.compare(sc, e.a, e.list[0], RuleOrdered)
		a.compare(sc, e.a, e.list[1], RuleOrdered)
	case opIn:
		a.compareList(sc, e.a, e.list)
	case opInSelect:
		a.compare(sc, e.a, nil, RuleCompared)
		if enc := a.query(e.sel, sc).encrypted(); enc != nil {
			a.refuse(RuleCompared, e.sel.tok, enc.lin.col)
		}
	case opInTable:
		a.inTable(sc, e)
	case opCase:
		a.caseExpr(sc, e)
	case opCast:
		lin := a.value(sc, e.a)
		if lin.encrypted() {
			if a.f.postgres && a.f.textCast(a, e) {
				return lin // the same characters come out
			}
			a.refuse(RuleExpression, e.a.tok, lin.col)
		}
		return lineage{value: lin.value}
	case opTyped:
		e.a.seen = true
		return lineage{value: e.a.tok + 1}
	case opInserted:
		return a.inserted(e)
	case opOperator:
		a.plain(sc, e.a, RuleExpression)
		if e.b != nil {
			a.plain(sc, e.b, RuleExpression)
		}
	case opAny:
		a.compare(sc, e.a, e.b, RuleCompared)
		if e.sel != nil {
			if enc := a.query(e.sel, sc).encrypted(); enc != nil {
				a.refuse(RuleCompared, e.sel.tok, enc.lin.col)
			}
		}
	case opArray:
		a.listed(sc, e, RuleExpression)
	case opArrayOf:
		if enc := a.query(e.sel, sc).encrypted(); enc != nil {
			a.refuse(RuleExpression, e.sel.tok, enc.lin.col)
		}
	case opIndex:
		a.plain(sc, e.a, RuleExpression)
		a.listed(sc, e, RuleExpression)
	case opField:
		if r := a.wholeRow(sc, e.a); r != nil {
			lin, sure := r.has(a.f, a.ident(e.aux))
			lin = a.used(lin, e.tok)
			switch sure {
			case cantTell:
				a.refuse(RuleAmbiguousColumn, e.tok, nil)
			case mayHave, hasNot:
				a.attribute(r, e, a.ident(e.aux))
			}
			return lin
		}
		a.plain(sc, e.a, RuleExpression)
	case opWhole:
		if e.a != nil {
			if r := a.wholeRow(sc, e.a); r == nil {
				a.plain(sc, e.a, RuleExpression)
			} else {
				r.spoiled(e.tok, true)
				if enc := r.firstEncrypted(); enc != nil {
					a.refuse(RuleWholeRow, e.tok, enc)
				}
			}
			break
		}
		r := a.wholeRow(sc, e)
		r.spoiled(e.tok, true)
		if enc := r.firstEncrypted(); enc != nil {
			a.refuse(RuleWholeRow, e.tok, enc)
		}
	case opCollate:
		a.plain(sc, e.a, RuleExpression)
	case opFunc:
		a.call(sc, e)
	case opRaise:
		if e.a != nil {
			a.plain(sc, e.a, RuleExpression)
		}
	case opRow:
		// A row is only where comparisons and assignments take it apart.
		a.row(sc, e, RuleExpression)
	default:
		a.refuse(RuleUnaccounted, e.tok, nil)
	}
	return lineage{}
}

// plain analyses an expression that may not be an encrypted column; rule says what is done with its value.
func (a *analysis) plain(sc *scope, e *expr, rule string) {
	if lin := a.value(sc, e); lin.encrypted() {
		a.refuse(rule, e.tok, lin.col)
	}
}

func (a *analysis) row(sc *scope, e *expr, rule string) {
	e.seen = true
	a.listed(sc, e, rule)
}

func (a *analysis) listed(sc *scope, e *expr, rule string) {
	for _, x := range e.list {
		a.plain(sc, x, rule)
	}
}

// compare analyses a comparison of l with r; r may be nil, for a list or a query. It is the one place where
// encrypted columns meet what they are compared with: a version with search tokens rewrites here.
func (a *analysis) compare(sc *scope, l, r *expr, rule string) {
	if r != nil {
		if bl, br := bare(l), bare(r); bl.op == opRow && br.op == opRow && len(bl.list) == len(br.list) {
			bl.seen, br.seen = true, true
			for i := range bl.list {
				a.compare(sc, bl.list[i], br.list[i], rule)
			}
			return
		}
	}
	left := a.value(sc, l)
	var right lineage
	if r != nil {
		right = a.value(sc, r)
	}
	switch {
	case left.encrypted():
		a.refuseParam(rule, l.tok, left.col, r)
	case right.encrypted():
		a.refuseParam(rule, r.tok, right.col, l)
	}
}

// compareList analyses `l IN (list)`.
func (a *analysis) compareList(sc *scope, l *expr, list []*expr) {
	if len(list) == 0 || bare(l).op == opRow {
		for _, x := range list {
			a.compare(sc, l, x, RuleCompared)
		}
		a.compare(sc, l, nil, RuleCompared)
		return
	}
	a.compare(sc, l, list[0], RuleCompared)
	for _, x := range list[1:] {
		if lin := a.value(sc, x); lin.encrypted() {
			a.refuseParam(RuleCompared, x.tok, lin.col, l)
		}
	}
}

// scalar analyses a query that stands for a value. Its row, or NULL, is the row of its column.
func (a *analysis) scalar(sc *scope, e *expr) lineage {
	res := a.query(e.sel, sc)
	if len(res.cols) == 1 && res.openOf == nil {
		lin := res.cols[0].lin
		if !lin.encrypted() {
			// It is NULL where there is no row: it can't say whose another column is, nor which row of a list it is of.
			return lineage{null: lin.null, value: lin.value}
		}
		return lin
	}
	// A row value, or an error of the database.
	if enc := res.encrypted(); enc != nil {
		a.refuse(RuleExpression, e.tok, enc.lin.col)
	}
	return lineage{}
}

func (a *analysis) caseExpr(sc *scope, e *expr) {
	for i, x := range e.list {
		if e.a != nil && i%2 == 0 {
			a.compare(sc, e.a, x, RuleCompared)
			continue
		}
		a.plain(sc, x, RuleExpression)
	}
	if e.b != nil {
		a.plain(sc, e.b, RuleExpression)
	}
}

// inTable analyses `x IN table`, which reads the table's only column.
func (a *analysis) inTable(sc *scope, e *expr) {
	a.compare(sc, e.a, nil, RuleCompared)
	n := name{schema: -1, tok: e.aux}
	if a.toks[e.aux+1].kind == tDot {
		n = name{schema: e.aux, tok: e.aux + 2}
	}
	for _, x := range e.list {
		a.plain(sc, x, RuleFunction)
	}
	if n.schema < 0 {
		if c := a.findCTE(sc.with, a.ident(n.tok)); c != nil {
			res := a.cteRef(c, sc, n.tok)
			res.spoiled(n.tok)
			if enc := res.encrypted(); enc != nil {
				a.refuse(RuleCompared, n.tok, enc.lin.col)
			}
			return
		}
	}
	if t := a.lookup(n); t != nil {
		a.refuse(RuleTableUse, n.tok, nil)
	}
}

// call analyses a function call. COUNT(c) only asks whether c is NULL.
func (a *analysis) call(sc *scope, e *expr) {
	name := foldName(a.ident(e.aux))
	x := e.fn
	if a.f.postgres {
		a.statementArguments(e, name)
		if x.foreign {
			name = "" // not the database's own function
		}
	}
	if a.f.mysql && x.foreign {
		name = ""
	}
	if x.over == nil && a.f.aggregates[name] {
		sc.aggregate = true
	}
	if name == "count" && len(e.list) == 1 && !x.distinct {
		r := (*relation)(nil)
		if a.f.postgres {
			r = a.wholeRow(sc, e.list[0])
		}
		if r == nil {
			a.value(sc, e.list[0])
		} else {
			r.spoiled(e.tok, true)
		}
	} else {
		rule := RuleFunction
		if x.distinct {
			rule = RuleGrouped
		} else if name == "min" || name == "max" {
			rule = RuleOrdered
		}
		for _, arg := range e.list {
			a.plain(sc, arg, rule)
		}
	}
	for _, o := range x.order {
		a.plain(sc, o, RuleOrdered)
	}
	if x.filter != nil {
		a.plain(sc, x.filter, RuleExpression)
	}
	if x.over != nil {
		a.window(sc, x.over)
	}
}

func (a *analysis) window(sc *scope, w *window) {
	for _, e := range w.partition {
		a.plain(sc, e, RuleGrouped)
	}
	for _, e := range w.order {
		a.plain(sc, e, RuleOrdered)
	}
	for _, e := range w.bounds {
		a.plain(sc, e, RuleExpression)
	}
}

// sortTerm analyses a term of ORDER BY or GROUP BY over the columns of res. Only in ORDER BY does an alias
// win over a column.
func (a *analysis) sortTerm(sc *scope, e *expr, res *result, rule string, aliasFirst bool) {
	k := a.sortKey(e)
	if n, ok := a.position(k); ok {
		e.markSeen()
		if n < 1 || n > len(res.cols) {
			// The database refuses it, unless a hidden column comes to stand in that place.
			res.why = unpinnedDerived
		} else if res.cols[n-1].lin.spoiled(e.tok); res.cols[n-1].lin.encrypted() {
			a.refuse(rule, e.tok, res.cols[n-1].lin.col)
		}
		return
	}
	if a.f.postgres {
		// With a collation it is an expression, over the columns of FROM.
		if k = bare(e); k.op == opColumn && k.end == k.tok+1 && a.outputTerm(e, k, res, rule, aliasFirst) {
			return
		}
	} else if a.f.mysql {
		k = bare(e) // likewise
	}
	if !a.f.postgres && aliasFirst && k.op == opColumn && k.end == k.tok+1 {
		name := a.ident(k.tok)
		a.spend(len(res.cols))
		for i := range res.cols {
			c := &res.cols[i]
			if !c.alias || !a.f.same(c.name, name) {
				continue
			}
			e.markSeen()
			c.lin.spoiled(e.tok)
			if c.lin.encrypted() {
				a.refuse(rule, e.tok, c.lin.col)
			}
			return
		}
	}
	a.plain(sc, e, rule)
}

// outputTerm analyses a bare name in ORDER BY or GROUP BY where it means an output before all else, or, in
// GROUP BY, after the columns of FROM; there an encrypted output of that name is refused all the same.
func (a *analysis) outputTerm(e, k *expr, res *result, rule string, first bool) bool {
	name := a.ident(k.tok)
	hit := false
	a.spend(len(res.cols))
	for i := range res.cols {
		c := &res.cols[i]
		if !c.sure || c.name != name {
			continue
		}
		hit = true
		c.lin.spoiled(e.tok)
		if c.lin.encrypted() {
			a.refuse(rule, e.tok, c.lin.col)
		}
	}
	if hit && first {
		e.markSeen()
	}
	return hit && first
}

// sortKey strips what a sort looks through: parentheses, collations and planner hints.
func (a *analysis) sortKey(e *expr) *expr {
	for {
		switch {
		case e.op == opParen, e.op == opCollate:
			e = e.a
		case e.op == opFunc && len(e.list) > 0 && a.f.orderHints[foldName(a.ident(e.aux))]:
			e = e.list[0]
		default:
			return e
		}
	}
}

// position returns the number that stands for an output column.
func (a *analysis) position(e *expr) (n int, ok bool) {
	neg := false
	for e.op == opPos || e.op == opNeg || e.op == opParen {
		neg = neg != (e.op == opNeg)
		e = e.a
	}
	if e.op != opNumber {
		return 0, false
	}
	v, _ := parseNumber(a.text[a.toks[e.tok].off:a.toks[e.tok].end], neg)
	i, ok := v.(int64)
	if !ok || i != int64(int(i)) {
		return 0, false
	}
	return int(i), true
}

// columnN is the name of the nth column of VALUES.
func columnN(n int) string { return "column" + strconv.Itoa(n) }

// parseNumber returns the value of a number as the database reads it: an int64, or a float64. ok is false
// when the database would refuse or round it.
func parseNumber(s string, neg bool) (v any, ok bool) {
	if strings.IndexByte(s, '_') >= 0 {
		s = strings.ReplaceAll(s, "_", "")
	}
	if len(s) > 2 && lower(s[1]) == 'x' {
		u, err := strconv.ParseUint(s[2:], 16, 64)
		i := int64(u)
		if err != nil || neg && i == -i && i != 0 {
			return nil, false
		}
		if neg {
			i = -i
		}
		return i, true
	}
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		switch {
		case u <= 1<<63-1:
			if neg {
				return -int64(u), true
			}
			return int64(u), true
		case neg && u == 1<<63:
			return int64(-1 << 63), true
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, false
	}
	if neg {
		f = -f
	}
	// Digits without a point are meant as an integer; one that doesn't fit would be rounded.
	return f, strings.ContainsAny(s, ".eE")
}

// refuse refuses the statement because of what begins at a token. col may be nil.
func (a *analysis) refuse(rule string, tok int32, col *tags.Column) {
	a.refuseParam(rule, tok, col, nil)
}

// refuseParam refuses the statement and names the first placeholder in e, which may be nil.
func (a *analysis) refuseParam(rule string, tok int32, col *tags.Column, e *expr) {
	err := &RefusedError{Offset: int(a.toks[tok].off), Rule: rule, Remedy: remedies[rule]}
	if col != nil {
		err.Table, err.Column = col.Table.String(), col.Name
	}
	if e != nil {
		for i := e.tok; i < e.end; i++ {
			if a.toks[i].kind == tParam {
				err.Ordinal = a.plan.Params[a.param(i)].Index
				break
			}
		}
	}
	panic(err)
}
