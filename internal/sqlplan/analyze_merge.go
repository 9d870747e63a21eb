package sqlplan

// mergeStatement analyses a MERGE.
func (a *analysis) mergeStatement(s *stmt, i int, root *scope) {
	m := s.merge
	if m.with != nil {
		root = a.push(m.with, root)
	}
	w := a.writer(&m.target, root)
	in := &scope{parent: root, with: root.with}
	a.f.from(a, in, m.source, root)
	both := &scope{parent: root, with: root.with, rels: append([]*relation{w.rel}, in.rels...)}
	a.plain(both, m.on, RuleExpression)
	for n := range m.whens {
		when := &m.whens[n]
		x := w
		switch {
		case when.matched:
			x.sc = both
		case !when.bySource:
			x.sc = in
		}
		if when.cond != nil {
			a.plain(x.sc, when.cond, RuleExpression)
		}
		switch {
		case when.set != nil:
			list := a.assignments(&x, when.set)
			if w.table != nil {
				a.checkMove(&x, list)
				a.mergeValues(&x, i, m, when, list)
			}
		case when.ins != nil && when.ins.sel != nil:
			if when.ins.part && w.table != nil {
				a.refuse(RuleStoredPart, when.ins.target.tok, nil)
			}
			for _, e := range when.ins.subs {
				a.plain(x.sc, e, RuleExpression)
			}
			a.insertRows(&x, when.ins, when.ins.sel.cores[0], x.sc)
		}
	}
	w.sc = both
	a.returning(i, &w, m.returning, m.names, root)
	if m.with != nil {
		a.rest(root)
	}
}

// mergeValues notes the values of SET with their partitions: assigned too, or pinned by the conditions under
// which the row is changed.
func (a *analysis) mergeValues(w *writer, stmt int, m *mergeStmt, when *mergeWhen, list []written) {
	before := len(a.lookups)
	end := when.tok // the last token before THEN
	for a.toks[end+1].kw != kwThen || when.cond != nil && end+1 < when.cond.end {
		end++
	}
	for i := range list {
		v := &list[i]
		if !v.col.Encrypted || v.kind != storedSource && v.kind != storedListed {
			continue
		}
		if v.kind == storedListed {
			conditions := []*expr{when.cond}
			if when.matched {
				conditions = append(conditions, m.on)
			}
			if a.setListed(w, list, v, conditions...) {
				continue
			}
		}
		part := Partition{From: InForce}
		if p := v.col.Partition; p != nil {
			if set := find(list, p); set != nil && set.kind == storedSource {
				part = Partition{From: FromSources, Sources: []Source{set.src}}
			} else {
				part = Partition{From: FromLookup, Lookup: -1}
				for _, l := range a.lookups[before:] {
					if a.plan.Lookups[l.lookup].Column == p {
						part.Lookup = l.lookup
					}
				}
				if part.Lookup < 0 {
					l := Lookup{Table: w.table, Column: p, Pinned: a.pinned(w, when.cond, p)}
					if l.Pinned == nil && when.matched {
						l.Pinned = a.pinned(w, m.on, p)
					}
					if l.Pinned == nil {
						a.refuse(RulePartitionUnknown, v.e.tok, v.col)
					}
					a.plan.Lookups = append(a.plan.Lookups, l)
					part.Lookup = len(a.plan.Lookups) - 1
					a.lookups = append(a.lookups, placeholder{stmt: stmt, lookup: part.Lookup, offset: int(a.toks[end].end)})
				}
			}
		}
		if v.kind == storedListed {
			a.sealListed(v.from, func(int) Partition { return part })
			continue
		}
		a.addValue(v.col, v.src, part, -1)
	}
	at := int(a.toks[end].end)
	for i := before; i < len(a.lookups); i++ {
		if i == before && when.cond != nil {
			open := int(a.toks[when.cond.tok].off)
			a.plan.Edits = append(a.plan.Edits, Edit{Offset: open, End: open, Text: "("}, Edit{Offset: at, End: at, Text: ")"})
		}
		a.plan.Edits = append(a.plan.Edits, a.lookupEdit(w, i, at, ""))
	}
}
