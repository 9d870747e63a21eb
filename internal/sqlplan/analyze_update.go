package sqlplan

import (
	"slices"
	"strconv"
	"strings"

	"github.com/asherah-sql/asherah-sql/tags"
)

// updateStatement analyses an UPDATE.
func (a *analysis) updateStatement(s *stmt, i int, root *scope) {
	u := s.upd
	if u.with != nil {
		root = a.push(u.with, root)
	}
	a.ignore = u.ignore
	if u.multi {
		a.multiUpdate(s, i, root)
		if u.with != nil {
			a.rest(root)
		}
		return
	}
	w := a.writer(&u.target, root)
	if a.f.mysql {
		a.setQualifiers(&w, u.set)
	}
	a.updateFrom(&w, u.from, root)
	list := a.assignments(&w, u.set)
	if u.where != nil {
		a.plain(w.sc, u.where, RuleExpression)
	}
	if w.table != nil {
		a.checkMove(&w, list)
		a.updateValues(&w, i, u, list)
	}
	a.returning(i, &w, u.returning, u.names, root)
	for _, o := range u.order {
		a.plain(w.sc, o, RuleOrdered)
	}
	a.limit(u.limit, u.offset, root)
	if u.with != nil {
		a.rest(root)
	}
}

// updateFrom adds the tables of FROM to the scope of the assignments and of WHERE. Several are joined among
// each other before they meet the target, so their conditions don't see it; a single one's does.
func (a *analysis) updateFrom(w *writer, from []*source, root *scope) {
	if len(from) <= 1 && !a.f.postgres {
		a.f.from(a, w.sc, from, root)
		a.joins(w.sc, from)
		return
	}
	in := &scope{parent: root, with: root.with}
	a.f.from(a, in, from, root)
	a.joins(in, from)
	w.sc.rels = append(w.sc.rels, in.rels...)
}

// updateValues notes the values of SET with their partitions.
func (a *analysis) updateValues(w *writer, stmt int, u *updateStmt, list []written) {
	type found struct {
		p      *tags.Column
		lookup int
	}
	var lookups []found
	before := len(a.lookups)
	for i := range list {
		v := &list[i]
		if !v.col.Encrypted || v.kind != storedSource && v.kind != storedListed {
			continue
		}
		if v.kind == storedListed && a.setListed(w, list, v, u.where) {
			continue
		}
		part := Partition{From: InForce}
		if p := v.col.Partition; p != nil {
			if set := find(list, p); set != nil && set.kind == storedSource {
				part = Partition{From: FromSources, Sources: []Source{set.src}}
			} else {
				n := -1
				for _, f := range lookups {
					if f.p == p {
						n = f.lookup
					}
				}
				if n < 0 {
					n = a.addLookup(w, stmt, u, p, v)
					lookups = append(lookups, found{p, n})
				}
				part = Partition{From: FromLookup, Lookup: n}
			}
		}
		if v.kind == storedListed {
			a.sealListed(v.from, func(int) Partition { return part })
			continue
		}
		a.addValue(v.col, v.src, part, -1)
	}
	a.spliceLookups(w, u, before)
}

// addLookup plans how the partition of the updated rows is found: the statement's own condition on the
// column, a query with the same WHERE, or both.
func (a *analysis) addLookup(w *writer, stmt int, u *updateStmt, p *tags.Column, v *written) int {
	l := Lookup{Table: w.table, Column: p, Pinned: a.pinned(w, u.where, p)}
	if !u.current && u.from == nil && u.order == nil && u.limit == nil && (u.where == nil || a.isPure(u.where)) {
		a.lookupQuery(&l, w, u)
	}
	if l.Query == "" && l.Pinned == nil {
		a.refuse(RulePartitionUnknown, v.e.tok, v.col)
	}
	a.plan.Lookups = append(a.plan.Lookups, l)
	n := len(a.plan.Lookups) - 1
	a.lookups = append(a.lookups, placeholder{stmt: stmt, lookup: n, offset: int(a.toks[u.bodyEnd-1].end)})
	return n
}

// pinned returns the source that a top-level conjunct of the condition compares the target's column p with.
func (a *analysis) pinned(w *writer, e *expr, p *tags.Column) *Source {
	if e == nil {
		return nil
	}
	e = bare(e)
	for e.op == opAnd { // leans to the left
		if s := a.pinned(w, e.b, p); s != nil {
			return s
		}
		e = bare(e.a)
	}
	if e.op != opEq {
		return nil
	}
	for _, side := range [2][2]*expr{{e.a, e.b}, {e.b, e.a}} {
		col := bare(side[0])
		if col.op != opColumn {
			continue
		}
		if lin := a.resolve(w.sc, col); lin.col != p || lin.inst != w.rel.inst {
			continue
		}
		if src, ok := a.source(a.partitionExpr(side[1])); ok {
			if s := (stored{kind: storedSource, src: src}); s.isPartitionSource() {
				return &src
			}
		}
	}
	return nil
}

// isPure reports whether an expression gives the same when it is evaluated again.
func (a *analysis) isPure(e *expr) bool {
	if e == nil {
		return true
	}
	switch e.op {
	case opColumn, opParam, opString, opBlob, opNumber, opNull, opBool, opBits:
		return true
	case opOperator:
		if !builtinOperators[a.operatorText(e)] {
			return false
		}
	case opAny:
		if e.sel != nil {
			return false
		}
	case opArray, opIndex, opTyped:
	case opParen, opRow, opNeg, opPos, opBitNot, opNot, opArith, opConcat, opArrow, opAnd, opOr, opEq, opNe,
		opLess, opIs, opIsNot, opIsNull, opNotNull, opBetween, opIn, opCase, opCast, opCollate:
	case opLike:
		if kw := a.toks[e.aux].kw; kw != kwLike && kw != kwGlob && kw != kwIlike && kw != kwSimilar {
			return false
		}
	case opFunc:
		x := e.fn
		if !a.f.pure[foldName(a.ident(e.aux))] || x.foreign || x.star || x.distinct || x.order != nil || x.filter != nil || x.over != nil {
			return false
		}
	default:
		return false
	}
	if !a.isPure(e.a) || !a.isPure(e.b) {
		return false
	}
	for _, x := range e.list {
		if !a.isPure(x) {
			return false
		}
	}
	return true
}

// lookupQuery writes the query of a lookup: the same target and the same WHERE, its placeholders as `?`.
func (a *analysis) lookupQuery(l *Lookup, w *writer, u *updateStmt) {
	quote := a.f.dialect.QuoteIdent
	var b strings.Builder
	column := quote(w.rel.name) + "." + quote(l.Column.Name)
	if a.f.mysql {
		column = exactText(l.Column, column)
	}
	b.WriteString("SELECT DISTINCT ")
	b.WriteString(column)
	b.WriteString(a.f.byteCollation)
	b.WriteString(" FROM ")
	a.copyText(&b, u.target.tok, u.target.end, nil)
	if u.where != nil {
		b.WriteString(" WHERE ")
		a.copyText(&b, u.where.tok, u.where.end, &l.Args)
	}
	b.WriteString(" LIMIT 2")
	l.Query = b.String()
}

// copyText copies tokens with the gaps between them; placeholders become `?`, or numbers, and are added to args.
func (a *analysis) copyText(b *strings.Builder, tok, end int32, args *[]int) {
	from := a.toks[tok].off
	for i := tok; i < end; i++ {
		t := &a.toks[i]
		if a.f.mysql && from < t.off {
			b.WriteString(plainGap(a.text[from:t.off]))
			from = t.off
		}
		if t.kind != tParam {
			if a.f.mysql {
				b.WriteString(a.text[from:t.end])
				from = t.end
			}
			continue
		}
		b.WriteString(a.text[from:t.off])
		from = t.end
		n := a.param(i) + 1
		if !a.f.numbered {
			b.WriteByte('?')
			*args = append(*args, n)
			continue
		}
		at := slices.Index(*args, n)
		if at < 0 {
			at = len(*args)
			*args = append(*args, n)
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(at + 1))
	}
	b.WriteString(a.text[from:a.toks[end-1].end])
}

// spliceLookups adds the found partitions of this statement, the lookups numbered from on, to the statement's own condition: a row that has come from, or gone
// to, another partition in the meantime isn't touched. Each condition is an edit of its own, which is left out
// when all values are NULL.
func (a *analysis) spliceLookups(w *writer, u *updateStmt, from int) {
	at := int(a.toks[u.bodyEnd-1].end)
	gap := ""
	if at < len(a.text) && wordPart(a.text[at]) {
		gap = " " // the next word follows the last token at once
	}
	first := true
	for i := from; i < len(a.lookups); i++ {
		if first {
			first = false
			if u.where == nil {
				a.plan.Edits = append(a.plan.Edits, Edit{Offset: at, End: at, Text: " WHERE 1 = 1" + gap})
			} else {
				open := int(a.toks[u.where.tok].off)
				a.plan.Edits = append(a.plan.Edits,
					Edit{Offset: open, End: open, Text: "("}, Edit{Offset: at, End: at, Text: ")"})
			}
		}
		a.plan.Edits = append(a.plan.Edits, a.lookupEdit(w, i, at, gap))
	}
}

// lookupEdit is the condition on the partition of the ith added placeholder.
func (a *analysis) lookupEdit(w *writer, i, at int, gap string) Edit {
	quote := a.f.dialect.QuoteIdent
	l := a.lookups[i]
	c := a.plan.Lookups[l.lookup].Column
	column, param := quote(w.rel.name)+"."+quote(c.Name), a.lookupText(i)
	if a.f.mysql {
		column, param = exactText(c, column), exactParam(c, param)
	}
	text := " AND " + column + " = " + param + a.f.byteCollation + gap
	return Edit{Offset: at, End: at, Text: text, Lookup: l.lookup + 1}
}

// builtinOperators give the same for the same operands.
var builtinOperators = set("~", "~*", "!~", "!~*", "~~", "!~~", "~~*", "!~~*", "||", "&&", "@>", "<@", "#>", "#>>", "?", "?|",
	"?&", "@@", "&", "|", "#", "<<", ">>", "^", "-|-", "&<", "&>", "^@", "@?")

// operatorText returns the operator of an opOperator; "" for one that is written with words.
func (a *analysis) operatorText(e *expr) string {
	i := e.tok
	if e.b != nil {
		i = e.b.tok - 1
	}
	if t := &a.toks[i]; t.kind == tOp || t.kind == tConcat {
		return a.text[t.off:t.end]
	}
	return ""
}
