package sqlplan

import (
	"slices"
	"strconv"
)

// emit makes the outputs of a statement from its result. Further columns can be selected behind the token
// before end, unless res says why not.
func (a *analysis) emit(stmt int, res *result, end int32) {
	if a.inner || a.cur.Explain || res.encrypted() == nil && (!res.star || res.openOf != nil) {
		return
	}
	if a.outputs && !a.f.mysql {
		a.refuseAt(RuleOutputs, a.cur.Offset)
	}
	cols := res.cols
	n := len(cols)
	outs := make([]Output, n, n+2)
	text := ""
	for i := range cols {
		c := &cols[i]
		o := &outs[i]
		o.Partition = -1
		if c.star && c.asked && c.sure {
			o.Name = c.name
		}
		if !c.lin.encrypted() {
			continue
		}
		o.Column = c.lin.col
		p := c.lin.col.Partition
		if p == nil {
			continue
		}
		a.spend(len(cols))
		if o.Partition = place(cols, i, len(cols), p); o.Partition >= 0 {
			continue
		}
		if o.Unpinned = res.why; o.Unpinned != "" {
			continue
		}
		// A hidden column is appended to cols, so that the next output of the same row finds it.
		expr, name, reason := a.hidden(res.scope, cols[i].lin, p.Name)
		if o.Unpinned = reason; reason != "" {
			continue
		}
		if a.namedIn(res.having, name) {
			// HAVING finds columns that are selected, under whatever name: it might find this one.
			o.Unpinned = unpinnedHaving
			continue
		}
		if a.namedIn(res.terms, name) {
			// As a second output of this name it would change what the term means, or make it ambiguous.
			name = "asherah_" + strconv.Itoa(len(cols)+1)
			expr += " AS " + a.f.dialect.QuoteIdent(name)
		}
		text += ", " + expr
		o.Partition = len(cols)
		cols = append(cols, outCol{lin: lineage{col: p, inst: cols[i].lin.inst}})
		outs = append(outs, Output{Name: name, Partition: -1})
	}
	if a.outputs {
		a.plan.Further = append(a.plan.Further, Result{Statement: stmt, Outputs: outs, Hidden: len(cols) - n})
	} else {
		a.plan.Outputs, a.plan.Hidden, a.plan.OutputStatement = outs, len(cols)-n, stmt
	}
	a.outputs = true
	if text != "" {
		at := int(a.toks[end-1].end)
		a.plan.Edits = append(a.plan.Edits, Edit{Offset: at, End: at, Text: text})
	}
}

// namedIn reports whether one of the terms has this name, bare.
func (a *analysis) namedIn(terms []*expr, name string) bool {
	for _, e := range terms {
		a.spend(int(e.end - e.tok))
		for i := e.tok; i < e.end; i++ {
			if t := &a.toks[i]; a.f.isName(t) && (i == 0 || a.toks[i-1].kind != tDot) && a.f.same(a.ident(i), name) {
				return true
			}
		}
	}
	return false
}

// hidden returns the text that selects the partition column named p of lin's row in the scope sc.
func (a *analysis) hidden(sc *scope, lin lineage, p string) (expr, name, why string) {
	if lin.inst == nil || lin.inst.rel == nil {
		return "", "", unpinnedRecursive
	}
	r := lin.inst.rel
	here, twice := false, false
	a.spend(len(sc.rels))
	for _, s := range sc.rels {
		here = here || s == r
		twice = twice || s != r && s.name != "" && a.f.same(s.name, r.name)
	}
	if !here {
		return "", "", unpinnedSubquery
	}
	if r.name == "" || twice {
		return "", "", unpinnedDerived
	}
	quote := a.f.dialect.QuoteIdent
	if r.isBase {
		return quote(r.name) + "." + quote(p), p, ""
	}
	a.spend(2 * len(r.cols))
	for i := range r.cols {
		c := &r.cols[i]
		if !c.sure || c.lin.col != lin.col.Partition || c.lin.inst != lin.inst {
			continue
		}
		for j := range r.cols {
			if j != i && a.f.same(r.cols[j].name, c.name) {
				return "", "", unpinnedDerived
			}
		}
		return quote(r.name) + "." + quote(c.name), c.name, ""
	}
	return "", "", unpinnedDerived
}

// selectStatement analyses a SELECT.
func (a *analysis) selectStatement(s *stmt, i int, root *scope) {
	res := a.query(s.sel, root)
	if !a.cur.Touches {
		return
	}
	if res.why == "" && (res.core == nil || res.core.values != nil) {
		res.why = unpinnedSet
	}
	if res.why == "" && res.core.table {
		res.why = unpinnedDerived // there is no list to add to
	}
	end := int32(0)
	if res.why == "" && len(res.core.cols) > 0 {
		end = res.core.cols[len(res.core.cols)-1].end
	}
	if a.f.postgres {
		res.terms = s.sel.order
		if res.core != nil {
			res.terms = slices.Concat(res.terms, res.core.on)
		}
	} else if a.f.mysql && res.core != nil {
		res.terms = append(slices.Clone(s.sel.order), res.core.group...)
		if res.core.having != nil {
			res.having = []*expr{res.core.having}
		}
	}
	a.emit(i, res, end)
}
