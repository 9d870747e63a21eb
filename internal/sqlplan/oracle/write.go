package oracle

import "slices"

// stmt walks a statement and returns the columns of its rows.
func (w *walker) stmt(s *Stmt, outer *frame, en *env) []column {
	inner := w.with(s.With, outer, en)
	defer w.rest(s.With, inner)
	for _, t := range s.Touched {
		w.table(t.Name)
	}
	switch s.Kind {
	case "select":
		if s.Query.Into {
			w.moves()
		}
		return w.query(s.Query, outer, inner)
	case "view":
		w.query(s.Query, outer, inner)
	case "insert":
		return w.insert(s, outer, inner)
	case "update", "delete":
		return w.update(s, outer, inner)
	case "merge":
		return w.mergeInto(s, outer, inner)
	case "moves":
		if s.Query != nil {
			w.query(s.Query, outer, inner)
		}
		w.moves()
	default:
		w.define(s)
	}
	return nil
}

// moves notes that a statement takes data past any analysis.
func (w *walker) moves() {
	for _, t := range w.f.Tables {
		w.misuse("moved by a statement that isn't a query", t)
	}
}

// define walks a definition: a value that it gives a column is stored.
func (w *walker) define(s *Stmt) {
	if s.Target == nil {
		return
	}
	t := w.table(s.Target.Name)
	for _, d := range s.Defaults {
		if w.learned != nil {
			w.learnColumn(t, d.Column)
			continue
		}
		if key := t.columnKey(d.Column); key != "" {
			w.store(key, w.value(d.Value, nil, nil), nil)
		}
	}
}

// target makes the rel of a table that is written.
func (w *walker) target(s *Source) *rel {
	r := w.base(s)
	return r
}

// store notes a value that is stored into the encrypted column key, or into another one. rows are those whose
// own value of the same column may be stored.
func (w *walker) store(key string, v lin, rows []*int) {
	if key == "" {
		w.consume("stored into another column", v)
		return
	}
	switch {
	case v.row != nil || v.other:
		w.misuse("a computed value is stored", key)
	case v.enc != "" && v.enc != key:
		w.misuse("another column is stored: "+v.enc, key)
	case v.enc != "" && rows != nil && !slices.Contains(rows, v.inst):
		w.misuse("the value of another row is stored", key)
	}
	for _, p := range v.pos {
		w.f.Stores = append(w.f.Stores, Store{p, key})
	}
}

func (w *walker) columnKey(t *Table, c Column) string {
	if w.learned != nil {
		w.learnColumn(t, c.Name)
		return ""
	}
	key := t.columnKey(c.Name)
	if key != "" && c.Part {
		w.misuse("a part is written", key)
	}
	return key
}

// assign walks the assignments of SET.
func (w *walker) assign(list []Assign, target func(table, column string) *rel, sc *frame, en *env, rows []*int) {
	for _, a := range list {
		w.uses("an index", a.Others, sc, en)
		keys := make([]string, len(a.Columns))
		for i, c := range a.Columns {
			if r := target(a.Table, c.Name); r != nil && r.table != nil {
				keys[i] = w.columnKey(r.table, c)
			}
		}
		switch {
		case len(keys) == 1 && !(a.Value.Kind == Row && len(a.Value.Kids) == 1):
			w.store(keys[0], w.value(a.Value, sc, en), rows)
		case a.Value.Kind == Row && len(a.Value.Kids) == len(keys):
			for i, k := range a.Value.Kids {
				w.store(keys[i], w.value(k, sc, en), rows)
			}
		case a.Value.Kind == Scalar:
			cols := w.query(a.Value.Subs[0], sc, en)
			if len(cols) != len(keys) && w.learned == nil {
				w.f.Invalid = "a row of another width"
			}
			for i, c := range cols {
				if i < len(keys) {
					w.store(keys[i], c.lin, rows)
				}
			}
		default:
			w.use("assigned as a row", a.Value, sc, en)
			for _, k := range keys {
				if k != "" {
					w.misuse("a part of a row is stored", k)
				}
			}
		}
	}
}

// widths are the columns that the values of an INSERT go to.
func (w *walker) insertKeys(t *Table, s []Column, all bool, width int) []string {
	var keys []string
	if !all {
		for _, c := range s {
			keys = append(keys, w.columnKey(t, c))
		}
		return keys
	}
	if t == nil {
		return make([]string, width)
	}
	if w.learned != nil {
		for len(t.Columns) < width {
			t.Columns = append(t.Columns, "column"+itoa(len(t.Columns)+1))
		}
	}
	for _, c := range t.Columns {
		keys = append(keys, t.columnKey(c))
	}
	return keys
}

func (w *walker) insert(s *Stmt, outer *frame, en *env) []column {
	r := w.target(s.Target)
	sc := &frame{parent: outer, rels: []*rel{r}, star: r.cols}
	var rows []*int
	if s.Set != nil && len(s.Upserts) == 0 || s.Query == nil && s.Set != nil {
		w.assign(s.Set, func(string, string) *rel { return r }, sc, en, []*int{})
	}
	var selected []*rel
	if q := s.Query; q != nil {
		if q.Values != nil && q.Order == nil && q.Limit == nil && q.Left == nil {
			inner := w.with(q.With, outer, en)
			for _, row := range q.Values {
				keys := w.insertKeys(r.table, s.Columns, s.AllCols, len(row))
				if len(row) > len(keys) {
					w.f.Invalid = "more values than columns"
				}
				for i, e := range row {
					if i < len(keys) {
						around := outer
						if s.OwnValues {
							around = sc
						}
						v := w.value(e, around, inner)
						if v.enc != "" {
							w.misuse("stored by VALUES", v.enc)
						}
						w.store(keys[i], v, []*int{})
					}
				}
			}
			w.rest(q.With, inner)
		} else {
			cols := w.query(q, outer, en)
			keys := w.insertKeys(r.table, s.Columns, s.AllCols, len(cols))
			if len(cols) > len(keys) {
				w.f.Invalid = "more values than columns"
			}
			for i, c := range cols {
				if i < len(keys) {
					w.store(keys[i], c.lin, nil)
				}
			}
		}
	}
	for _, u := range s.Upserts {
		ex := *r
		ex.inst, ex.name, ex.schema, ex.qualified = new(int), w.rules.Excluded, "", true
		if s.RowAlias != "" {
			ex.name = s.RowAlias
		}
		ex.cols = slices.Clone(r.cols)
		for i := range ex.cols {
			if ex.cols[i].lin.enc != "" {
				ex.cols[i].lin.inst = ex.inst
			}
		}
		rows = []*int{r.inst, ex.inst}
		w.uses("a conflict's target", u.Target, sc, en)
		renamed := &rel{} // the new row's columns can be named alone
		for i, n := range s.RowCols {
			if i < len(s.Columns) {
				if v, ok := ex.find(s.Columns[i].Name); ok {
					ex.cols = append(ex.cols, column{n, v})
					renamed.cols = append(renamed.cols, column{n, v})
				}
			}
		}
		us := &frame{parent: outer, rels: append([]*rel{r, &ex, renamed}, selected...)}
		if s.RowAlias != "" {
			values := ex
			values.name = w.rules.Excluded
			us.rels = append(us.rels, &values)
		}
		w.assign(u.Set, func(string, string) *rel { return r }, us, en, rows)
		w.uses("an upsert's condition", u.Where, us, en)
	}
	return w.returning(s, r, nil, outer, en)
}

// joined walks an UPDATE or DELETE of MySQL, which writes any of the tables that it joins.
func (w *walker) joined(s *Stmt, outer *frame, en *env) []column {
	sc := &frame{parent: outer}
	w.from(s.From, sc, outer, en)
	target := func(table, column string) *rel {
		for _, r := range sc.rels {
			_, ok := r.find(column)
			if r.name == table || table == "" && (ok || len(sc.rels) == 1 || r.learn != nil) {
				return r
			}
		}
		w.f.Invalid = "an unknown column is assigned"
		return nil
	}
	for _, a := range s.Set {
		var rows []*int
		if r := target(a.Table, a.Columns[0].Name); r != nil {
			rows = []*int{r.inst}
		}
		w.assign([]Assign{a}, target, sc, en, rows)
	}
	w.uses("a condition", s.Exprs, sc, en)
	w.uses("ORDER BY", s.Order, sc, en)
	w.uses("a limit", s.Outer, outer, en)
	return nil
}

func (w *walker) update(s *Stmt, outer *frame, en *env) []column {
	if s.Target == nil {
		return w.joined(s, outer, en)
	}
	r := w.target(s.Target)
	sc := &frame{parent: outer, rels: []*rel{r}, star: r.cols}
	in := &frame{parent: outer}
	// Several are joined before they meet the table that is written.
	sees := w.rules.FromSeesWrite && len(s.From) == 1 && s.From[0].Kind != Join
	if sees {
		in = &frame{parent: outer, rels: []*rel{r}}
	}
	saved := w.lateOn
	w.lateOn = nil
	w.from(s.From, in, outer, en)
	on := in
	if sees {
		in.rels, on = in.rels[1:], sc
	}
	for _, l := range w.lateOn {
		w.use("a join's condition", l.e, on, l.en)
	}
	w.lateOn = saved
	sc.rels = append(sc.rels, in.rels...)
	w.assign(s.Set, func(string, string) *rel { return r }, sc, en, []*int{r.inst})
	w.uses("a condition", s.Exprs, sc, en)
	w.uses("ORDER BY", s.Order, sc, en)
	w.uses("a limit", s.Outer, outer, en)
	return w.returning(s, r, in.rels, outer, en)
}

func (w *walker) mergeInto(s *Stmt, outer *frame, en *env) []column {
	r := w.target(s.Target)
	in := &frame{parent: outer}
	w.from(s.From, in, outer, en)
	both := &frame{parent: outer, rels: append([]*rel{r}, in.rels...)}
	w.uses("a condition", s.Exprs, both, en)
	target := func(string, string) *rel { return r }
	for _, m := range s.Whens {
		sc := both
		if !m.Target {
			sc = in
		}
		w.use("a condition", m.Cond, sc, en)
		if !m.Insert {
			w.assign(m.Set, target, sc, en, []*int{r.inst})
			continue
		}
		keys := w.insertKeys(r.table, m.Columns, m.AllCols, len(m.Values))
		for i, e := range m.Values {
			if i < len(keys) {
				w.store(keys[i], w.value(e, sc, en), []*int{})
			}
		}
	}
	return w.returning(s, r, in.rels, outer, en)
}

// returning walks RETURNING over the written row and the other tables of the statement.
func (w *walker) returning(s *Stmt, r *rel, others []*rel, outer *frame, en *env) []column {
	if s.Returning == nil {
		return nil
	}
	row := *r
	if w.rules.ByTableName {
		row.name, row.schema = s.Target.Name, s.Target.Schema
	}
	if w.rules.ByTableName {
		others = nil // only the row can be returned
	}
	sc := &frame{parent: outer, rels: append([]*rel{&row}, others...)}
	for _, x := range sc.rels {
		sc.star = append(sc.star, x.cols...)
	}
	for _, n := range []string{s.Old, s.New} {
		if n != "" && w.rel([]string{n}, &frame{rels: sc.rels}) == nil {
			o := *r
			o.name, o.schema, o.qualified = n, "", true
			sc.rels = append(sc.rels, &o)
		}
	}
	return w.items(s.Returning, sc, en)
}
