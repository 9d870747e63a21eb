package oracle

import (
	"slices"
	"strings"
)

// Rules is what the walk must know of a database.
type Rules struct {
	NamesOnce     bool     // no two tables of FROM may have one name
	WholeRows     bool     // the name of a table stands for its row
	CTESeesAround bool     // the body of a common table expression sees the query around its WITH; else around the reference
	AnyOrder      bool     // common table expressions see those that follow
	OnSeesAll     bool     // a join's condition sees every table of FROM
	HavingAliases bool     // names of the select list can be used in HAVING
	LateAliases   bool     // names of the select list can be used in WHERE and GROUP BY
	MergedFirst   bool     // * yields the columns that USING merged before all others
	ByTableName   bool     // RETURNING knows the row by the table's name, whatever its alias
	Excluded      string   // the name of the proposed row of an upsert
	FromSeesWrite bool     // FROM of an UPDATE sees the table that is written
	RowIDs        []string // names that every table answers to
}

// lin is what a value is.
type lin struct {
	enc   string // table.column of the encrypted column that it is
	inst  *int   // which reading of the table; nil: several, or none
	null  bool   // it may be the literal NULL
	other bool   // it may be something computed
	pos   []int  // placeholders and literals that it may be
	row   *rel   // it is the whole row of a table
}

type column struct {
	name string
	lin  lin
}

// rel is a table, or something like one, in a scope.
type rel struct {
	name, schema string
	cols         []column
	table        *Table // the one that it is, or nil
	inst         *int
	open         bool // it may have more columns
	qualified    bool // its columns are only known by its name
	hidden       map[string]bool
	learn        *Table
}

func (r *rel) find(name string) (lin, bool) {
	for _, c := range r.cols {
		if c.name == name {
			return c.lin, true
		}
	}
	if r.learn != nil && slices.Contains(r.learn.Columns, name) {
		return lin{other: true}, true
	}
	return lin{}, false
}

func (r *rel) encrypted() string {
	for _, c := range r.cols {
		if c.lin.enc != "" {
			return c.lin.enc
		}
	}
	return ""
}

// frame is a scope.
type frame struct {
	parent  *frame
	rels    []*rel
	star    []column
	aliases []column
}

// env holds the common table expressions in force.
type env struct {
	parent *env
	ctes   []*cteDef
}

type cteDef struct {
	cte     *CTE
	home    *frame
	env     *env
	busy    bool
	visited bool
	done    bool
	cols    []column
	partial []column
	begun   bool // the first term has been walked
}

type walker struct {
	rules   *Rules
	tables  map[string]*Table
	f       *Facts
	learned map[string]*Table
	order   []*Table
	steps   int
	lateOn  []late
}

type late struct {
	e  *Expr
	sc *frame
	en *env
}

// Walk follows the encrypted columns of tables through statements.
func Walk(r *Rules, tables []Table, stmts []*Stmt) []Facts {
	byName := make(map[string]*Table, len(tables))
	for i := range tables {
		byName[tables[i].Name] = &tables[i]
	}
	facts := make([]Facts, len(stmts))
	for i, s := range stmts {
		w := &walker{rules: r, tables: byName, f: &facts[i]}
		w.f.Kind = s.Kind
		cols := w.stmt(s, nil, nil)
		if s.Returns && !s.Explain {
			w.f.Outputs = make([]string, len(cols))
			for j, c := range cols {
				w.f.Outputs[j] = c.lin.enc
				w.read(c.lin)
				if r := c.lin.row; r != nil && r.encrypted() != "" {
					w.misuse("a whole row", r.encrypted())
				}
			}
		}
	}
	return facts
}

// Learn returns the tables that statements name, with the columns that are theirs as far as can be told.
func Learn(r *Rules, stmts []*Stmt) []Table {
	w := &walker{rules: r, learned: map[string]*Table{}, f: &Facts{}}
	for _, s := range stmts {
		w.stmt(s, nil, nil)
	}
	list := make([]Table, len(w.order))
	for i, t := range w.order {
		list[i] = *t
	}
	return list
}

func (w *walker) misuse(what, col string) {
	if len(w.f.Misuses) < 20 {
		w.f.Misuses = append(w.f.Misuses, col+": "+what)
	}
}

func (w *walker) touch(t *Table) {
	if t != nil && len(t.Encrypted) > 0 && !slices.Contains(w.f.Tables, t.Name) {
		w.f.Tables = append(w.f.Tables, t.Name)
	}
}

// table returns the table of that name, or nil.
func (w *walker) table(name string) *Table {
	if w.learned == nil {
		t := w.tables[name]
		if t == nil { // names that differ in the case of letters are taken for one
			t = w.tables[strings.ToLower(name)]
		}
		w.touch(t)
		return t
	}
	t := w.learned[name]
	if t == nil {
		t = &Table{Name: name}
		w.learned[name] = t
		w.order = append(w.order, t)
	}
	return t
}

func (w *walker) learnColumn(t *Table, name string) {
	if !slices.Contains(t.Columns, name) {
		t.Columns = append(t.Columns, name)
	}
}

// columnKey returns "table.column" when that column is encrypted.
func (t *Table) columnKey(name string) string {
	if t != nil && slices.Contains(t.Encrypted, name) {
		return t.Name + "." + name
	}
	return ""
}

// base makes a rel of a table of the database.
func (w *walker) base(s *Source) *rel {
	t := w.table(s.Name)
	r := &rel{name: s.Alias, table: t, inst: new(int)}
	if r.name == "" {
		r.name, r.schema = s.Name, s.Schema
	}
	if w.learned != nil {
		r.learn = t
		if len(s.Columns) == 0 {
			return r
		}
		r.learn = nil
		r.open = true
		for len(t.Columns) < len(s.Columns) {
			t.Columns = append(t.Columns, "column"+itoa(len(t.Columns)+1))
		}
	}
	if t == nil {
		r.open = true
		return r
	}
	for i, c := range t.Columns {
		l := lin{other: true}
		if key := t.columnKey(c); key != "" {
			l = lin{enc: key, inst: r.inst}
		}
		if i < len(s.Columns) {
			c = s.Columns[i]
		}
		r.cols = append(r.cols, column{c, l})
	}
	return r
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

// rename gives columns the names of an alias.
func rename(cols []column, names []string) []column {
	out := slices.Clone(cols)
	for i := range out {
		if i < len(names) {
			out[i].name = names[i]
		}
	}
	return out
}

// item is a source of FROM.
type item struct {
	rels []*rel
	star []column
}

// count is how many columns of that name a side of a join has.
func count(cols []column, name string) int {
	n := 0
	for _, c := range cols {
		if c.name == name {
			n++
		}
	}
	return n
}

// has reports whether a side of a join may have a column of that name.
func has(it item, name string) bool {
	for _, r := range it.rels {
		if _, ok := r.find(name); ok || r.open {
			return true
		}
	}
	return false
}

func one(r *rel) item { return item{[]*rel{r}, r.cols} }

// from walks FROM. sc becomes the scope of what sees it.
func (w *walker) from(list []*Source, sc, outer *frame, en *env) {
	for _, s := range list {
		it := w.source(s, sc, outer, en)
		for _, r := range it.rels {
			w.twice(sc.rels, r)
		}
		sc.rels = append(sc.rels, it.rels...)
		sc.star = append(sc.star, it.star...)
	}
}

// twice notes a name that two tables of FROM have, where that is an error.
func (w *walker) twice(rels []*rel, r *rel) {
	for _, o := range rels {
		if w.rules.NamesOnce && o.name != "" && o.name == r.name && (o.schema == r.schema || o.schema == "" || r.schema == "") {
			w.f.Invalid = "two tables of one name"
		}
	}
}

// source walks an item of FROM; left has the items before it, outer is around the query.
func (w *walker) source(s *Source, left, outer *frame, en *env) item {
	if s.Broken {
		w.f.Invalid = "a join's condition without a join"
	}
	switch s.Kind {
	case Base:
		if s.Schema == "" {
			if c, at := find(en, s.Name); c != nil {
				name := s.Alias
				if name == "" {
					name = s.Name
				}
				cols := w.cte(c, at, outer)
				return one(&rel{name: name, cols: rename(cols, s.Columns), open: len(c.cte.Extra) > 0})
			}
		}
		r := w.base(s)
		for _, e := range s.Exprs { // TABLESAMPLE, or arguments
			w.use("an argument", e, left, en)
		}
		return one(r)
	case Derived:
		around := outer
		if s.Lateral {
			around = left
		}
		cols := w.query(s.Query, around, en)
		return one(&rel{name: s.Alias, cols: rename(cols, s.Columns)})
	case Function:
		if w.tables[s.Name] != nil && w.rules.ByTableName {
			w.f.Invalid = "a table called as a function"
		}
		name := s.Alias
		if name == "" {
			name = s.Name
		}
		if s.Arrays {
			return one(w.arrays(s, name, left, en))
		}
		for _, e := range s.Exprs {
			w.use("an argument", e, left, en)
		}
		r := &rel{name: name, open: true}
		for _, c := range s.Columns {
			r.cols = append(r.cols, column{c, lin{other: true}})
		}
		if len(s.Columns) == 0 && name != "" {
			r.cols = append(r.cols, column{name, lin{other: true}})
		}
		return one(r)
	}
	if s.Kind == Group {
		in := &frame{parent: outer}
		saved := w.lateOn
		w.lateOn = nil
		w.from([]*Source{s.Left}, in, outer, en)
		for _, l := range w.lateOn {
			w.use("a join's condition", l.e, l.sc, l.en)
		}
		w.lateOn = saved
		it := item{in.rels, in.star}
		if s.Alias != "" {
			return w.renamed(s, it)
		}
		return it
	}
	l := w.source(s.Left, left, outer, en)
	both := &frame{parent: left.parent}
	both.rels = append(append(both.rels, left.rels...), l.rels...)
	r := w.source(s.Right, both, outer, en)
	for _, x := range r.rels {
		w.twice(l.rels, x)
	}
	it := item{rels: append(slices.Clone(l.rels), r.rels...)}
	using := s.Using
	if s.Natural {
		using = nil
		for _, c := range l.star {
			for _, d := range r.star {
				if c.name == d.name && !slices.Contains(using, c.name) {
					using = append(using, c.name)
				}
			}
		}
	}
	for _, n := range using {
		if w.learned == nil && (!has(l, n) || !has(r, n)) {
			w.f.Invalid = "an unknown column in USING"
		}
		if count(l.star, n) > 1 || count(r.star, n) > 1 {
			w.f.Invalid = "an ambiguous column in USING"
		}
		for _, x := range it.rels {
			if x.learn != nil {
				w.learnColumn(x.learn, n)
			}
			if v, ok := x.find(n); ok && !x.hidden[n] {
				w.read(v)
				if v.enc != "" {
					w.misuse("a column that a join merges", v.enc)
				}
			}
		}
		for _, x := range r.rels {
			if x.hidden == nil {
				x.hidden = map[string]bool{}
			}
			x.hidden[n] = true
		}
	}
	isMerged := func(n string) bool { return slices.Contains(using, n) }
	if w.rules.MergedFirst {
		for _, n := range using {
			it.star = append(it.star, column{n, lin{other: true}})
		}
	}
	for _, c := range l.star {
		if !w.rules.MergedFirst || !isMerged(c.name) {
			it.star = append(it.star, c)
		}
	}
	for _, c := range r.star {
		if !isMerged(c.name) {
			it.star = append(it.star, c)
		}
	}
	if s.On != nil {
		if w.rules.OnSeesAll {
			w.lateOn = append(w.lateOn, late{s.On, left, en})
		} else {
			w.use("a join's condition", s.On, &frame{parent: outer, rels: it.rels}, en)
		}
	}
	if s.UsingAlias != "" {
		u := &rel{name: s.UsingAlias, qualified: true}
		for _, n := range using {
			u.cols = append(u.cols, column{n, lin{other: true}})
		}
		it.rels = append(it.rels, u)
	}
	if s.Alias != "" {
		return w.renamed(s, it)
	}
	return it
}

// renamed is a join with an alias.
func (w *walker) renamed(s *Source, it item) item {
	r := &rel{name: s.Alias, cols: rename(it.star, s.Columns)}
	for _, x := range it.rels {
		r.open = r.open || x.open || x.learn != nil
	}
	return one(r)
}

// with puts the common table expressions of a clause in force.
func (w *walker) with(c *With, outer *frame, en *env) *env {
	if c == nil {
		return en
	}
	all := &env{parent: en}
	for _, x := range c.CTEs {
		d := &cteDef{cte: x, home: outer, env: all}
		if !c.Recursive && !w.rules.AnyOrder {
			d.env = &env{parent: en, ctes: slices.Clone(all.ctes)}
		}
		all.ctes = append(all.ctes, d)
	}
	return all
}

// rest walks the common table expressions of a clause that nothing referred to.
func (w *walker) rest(c *With, en *env) {
	if c == nil {
		return
	}
	for _, d := range en.ctes {
		if !d.visited {
			w.cte(d, en, d.home)
		}
	}
}

func find(en *env, name string) (*cteDef, *env) {
	for ; en != nil; en = en.parent {
		for _, d := range en.ctes {
			if d.cte.Name == name {
				return d, en
			}
		}
	}
	return nil, nil
}

// cte returns the columns of a common table expression for a reference in the scope ref.
func (w *walker) cte(d *cteDef, _ *env, ref *frame) []column {
	d.visited = true
	if d.busy {
		if !d.begun {
			w.f.Invalid = "a circular reference"
		}
		return d.partial
	}
	if d.done {
		return d.cols
	}
	around := d.home
	if !w.rules.CTESeesAround {
		around = ref
	}
	if w.steps++; w.steps > 5000 {
		w.f.Invalid = "too many references"
		return nil
	}
	d.busy, d.begun, d.partial = true, false, nil
	var cols []column
	if d.cte.Stmt != nil {
		cols = w.stmt(d.cte.Stmt, around, d.env)
	} else {
		q := d.cte.Query
		en := w.with(q.With, around, d.env)
		cols = w.body(q, around, en, d)
		w.rest(q.With, en)
	}
	d.busy = false
	cols = rename(cols, d.cte.Columns)
	for _, n := range d.cte.Extra {
		cols = append(cols, column{n, lin{other: true}})
	}
	d.cols = cols
	d.done = w.rules.CTESeesAround || ref == nil
	return cols
}

// query walks a query in the scope outer and returns its columns.
func (w *walker) query(q *Query, outer *frame, en *env) []column {
	inner := w.with(q.With, outer, en)
	cols := w.body(q, outer, inner, nil)
	w.rest(q.With, inner)
	return cols
}

func (w *walker) uses(what string, list []*Expr, sc *frame, en *env) {
	for _, e := range list {
		w.use(what, e, sc, en)
	}
}

// body walks a query behind its WITH clause. self is the common table expression that it is the body of.
func (w *walker) body(q *Query, outer *frame, en *env, self *cteDef) []column {
	w.uses("a limit", q.Limit, outer, en)
	if q.Left != nil {
		l := w.query2(q.Left, outer, en, self)
		if self != nil {
			self.begun = true
			self.partial = nil
			for _, c := range rename(l, self.cte.Columns) {
				c.lin.inst, c.lin.row = nil, nil
				self.partial = append(self.partial, c)
			}
		}
		r := w.query2(q.Right, outer, en, nil)
		cols := w.merge(l, r, q)
		w.sorted("ORDER BY", q.Order, cols, &frame{aliases: cols}, en, true)
		return cols
	}
	if q.Values != nil {
		var cols []column
		for n, row := range q.Values {
			for i, e := range row {
				v := w.value(e, outer, en)
				if v.enc != "" {
					w.misuse("a value of VALUES", v.enc)
				}
				if n == 0 {
					cols = append(cols, column{"column" + itoa(i+1), v})
				} else if i < len(cols) {
					cols[i].lin = union(cols[i].lin, v)
				}
			}
		}
		w.sorted("ORDER BY", q.Order, cols, &frame{aliases: cols}, en, true)
		return cols
	}
	sc := &frame{parent: outer}
	saved := w.lateOn
	w.lateOn = nil
	w.from(q.From, sc, outer, en)
	cols := w.items(q.Items, sc, en)
	if w.rules.LateAliases {
		for i, it := range q.Items {
			if it.Alias != "" && i < len(cols) {
				sc.aliases = append(sc.aliases, column{it.Alias, w.aliased(q.Items, cols, i)})
			}
		}
	}
	for _, l := range w.lateOn {
		w.use("a join's condition", l.e, l.sc, l.en)
	}
	w.lateOn = saved
	w.uses("WHERE, HAVING or a window", q.Exprs, sc, en)
	having := sc
	if w.rules.HavingAliases {
		having = &frame{parent: sc.parent, rels: sc.rels, aliases: cols}
	}
	w.uses("HAVING", q.Having, having, en)
	w.sorted("DISTINCT ON", q.On, cols, sc, en, true)
	w.sorted("GROUP BY", q.Group, cols, sc, en, false)
	named := cols
	if w.rules.LateAliases {
		named = nil // only a name that was given counts
		for i, c := range cols {
			if i >= len(q.Items) || q.Items[i].Alias == "" {
				c.name = ""
			}
			named = append(named, c)
		}
	}
	w.sorted("ORDER BY", q.Order, named, sc, en, true)
	if q.Distinct && q.On == nil {
		for _, c := range cols {
			w.read(c.lin)
			if c.lin.enc != "" {
				w.misuse("DISTINCT", c.lin.enc)
			}
		}
	}
	return cols
}

// aliased returns what the ith item of a select list is, whose alias is used elsewhere.
func (w *walker) aliased(items []Item, cols []column, i int) lin {
	n := 0
	for j, it := range items {
		if it.Expr.Kind == Star {
			if j < i {
				return lin{other: true} // the width of the star isn't known here: see byName
			}
			continue
		}
		if j == i && n < len(cols) {
			return cols[n].lin
		}
		n++
	}
	return lin{other: true}
}

func (w *walker) query2(q *Query, outer *frame, en *env, self *cteDef) []column {
	if q.With != nil {
		return w.query(q, outer, en)
	}
	return w.body(q, outer, en, self)
}

func union(a, b lin) lin {
	u := lin{null: a.null || b.null, other: a.other || b.other, pos: append(slices.Clone(a.pos), b.pos...)}
	u.enc = a.enc
	if u.enc == "" {
		u.enc = b.enc
	}
	return u
}

// bare reports whether a value is NULL and nothing else.
func (l lin) onlyNull() bool {
	return l.null && l.enc == "" && !l.other && len(l.pos) == 0 && l.row == nil
}

// merge walks a set operation.
func (w *walker) merge(l, r []column, q *Query) []column {
	if len(l) != len(r) {
		for _, c := range append(slices.Clone(l), r...) {
			if c.lin.enc != "" && w.learned == nil {
				w.f.Invalid = "set operation of different widths"
			}
		}
		return l
	}
	out := slices.Clone(l)
	for i := range out {
		a, b := l[i].lin, r[i].lin
		enc := a.enc
		if enc == "" {
			enc = b.enc
		}
		if q.Op != "union" || !q.All {
			w.read(a)
			w.read(b)
		}
		if a.row != nil && a.row.encrypted() != "" {
			w.misuse("a set operation", a.row.encrypted())
		}
		if b.row != nil && b.row.encrypted() != "" {
			w.misuse("a set operation", b.row.encrypted())
		}
		if enc != "" {
			if q.Op != "union" || !q.All {
				w.misuse("a set operation", enc)
			}
			if a.enc != b.enc && !a.onlyNull() && !b.onlyNull() {
				w.misuse("UNION ALL with something else", enc)
			}
		}
		out[i].lin = union(a, b)
	}
	return out
}

// items walks a select list.
func (w *walker) items(list []Item, sc *frame, en *env) []column {
	var cols []column
	for _, it := range list {
		if it.Expr.Kind == Star {
			cols = append(cols, w.expand(it.Expr, sc)...)
			continue
		}
		v := w.value(it.Expr, sc, en)
		name := it.Alias
		if name == "" {
			name = it.Name
		}
		cols = append(cols, column{name, v})
	}
	return cols
}

// expand returns the columns of * or t.*.
func (w *walker) expand(e *Expr, sc *frame) []column {
	if len(e.Parts) == 0 {
		return slices.Clone(sc.star)
	}
	if r := w.rel(e.Parts, sc); r != nil {
		return slices.Clone(r.cols)
	}
	if w.learned == nil {
		w.f.Invalid = "an unknown table before a star"
	}
	return nil
}

// rel finds a table by its name, perhaps with a schema.
func (w *walker) rel(parts []string, sc *frame) *rel {
	name := parts[len(parts)-1]
	schema := ""
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	for ; sc != nil; sc = sc.parent {
		for _, r := range sc.rels {
			if r.name == name && (schema == "" || r.schema == "" || r.schema == schema) {
				return r
			}
		}
	}
	return nil
}

// sorted walks the terms of a sort or a grouping.
func (w *walker) sorted(what string, list []*Expr, cols []column, sc *frame, en *env, aliasFirst bool) {
	for _, e := range list {
		if e.Kind == Const && e.Int >= 0 {
			if e.Int >= 1 && e.Int <= len(cols) {
				w.consume(what, cols[e.Int-1].lin)
			}
			continue
		}
		if e.Kind == Name && len(e.Parts) == 1 {
			hit := false
			if aliasFirst || !w.known(e.Parts[0], sc) {
				for _, c := range cols {
					if c.name == e.Parts[0] {
						w.consume(what, c.lin)
						hit = true
						break
					}
				}
			}
			if hit {
				continue
			}
		}
		w.use(what, e, sc, en)
	}
}

// known reports whether a table of the innermost scope has a column of that name.
func (w *walker) known(name string, sc *frame) bool {
	for _, r := range sc.rels {
		if _, ok := r.find(name); ok && !r.qualified {
			return true
		}
	}
	return false
}

// arrays makes the table that rows of arrays are.
func (w *walker) arrays(s *Source, name string, left *frame, en *env) *rel {
	r := &rel{name: name}
	for i, e := range s.Exprs {
		c := column{s.Name, w.array(e, left, en)}
		switch {
		case i < len(s.Columns):
			c.name = s.Columns[i]
		case len(s.Exprs) == 1:
			c.name = name
		}
		r.cols = append(r.cols, c)
	}
	if s.Number {
		c := column{"ordinality", lin{other: true}}
		if n := len(s.Exprs); n < len(s.Columns) {
			c.name = s.Columns[n]
		}
		r.cols = append(r.cols, c)
	}
	return r
}

// array returns what the elements of an array are.
func (w *walker) array(e *Expr, sc *frame, en *env) lin {
	switch e.Kind {
	case Array:
		all := lin{null: true}
		for _, k := range e.Kids {
			all = union(all, w.value(k, sc, en))
		}
		return all
	case TextCast:
		return w.array(e.Kids[0], sc, en)
	case Cast:
		v := w.array(e.Kids[0], sc, en)
		w.reject("a cast", v)
		return lin{pos: v.pos, null: v.null, other: true}
	}
	return w.value(e, sc, en)
}

// read notes that a value is used for something else than being stored.
func (w *walker) read(l lin) {
	w.f.Reads = append(w.f.Reads, l.pos...)
	if l.row != nil {
		for _, c := range l.row.cols {
			w.f.Reads = append(w.f.Reads, c.lin.pos...)
		}
	}
}

// consume notes a use of a value that isn't allowed of an encrypted column.
func (w *walker) consume(what string, l lin) {
	w.read(l)
	w.reject(what, l)
}

// reject notes a use that isn't allowed of an encrypted column, and hands the value on.
func (w *walker) reject(what string, l lin) {
	if l.enc != "" {
		w.misuse(what, l.enc)
	}
	if l.row != nil && l.row.encrypted() != "" {
		w.misuse(what+", as a whole row", l.row.encrypted())
	}
}

// use walks an expression whose value is used for something.
func (w *walker) use(what string, e *Expr, sc *frame, en *env) {
	if e == nil {
		return
	}
	w.consume(what, w.value(e, sc, en))
}

// value walks an expression and returns what its value is.
func (w *walker) value(e *Expr, sc *frame, en *env) lin {
	if e == nil {
		return lin{other: true}
	}
	switch e.Kind {
	case Null:
		return lin{null: true}
	case Const, Param:
		return lin{pos: []int{e.Offset}}
	case Name:
		return w.name(e, sc)
	case Star:
		if len(e.Parts) > 0 {
			if r := w.rel(e.Parts, sc); r != nil {
				w.read(lin{row: r})
				if r.encrypted() != "" {
					w.misuse("all columns as a value", r.encrypted())
				}
			}
		}
		return lin{other: true}
	case TextCast:
		v := w.value(e.Kids[0], sc, en)
		if v.row != nil {
			w.consume("a cast", v)
			return lin{other: true}
		}
		return v
	case Cast:
		v := w.value(e.Kids[0], sc, en)
		w.reject("a cast", v)
		v.enc, v.inst, v.row = "", nil, nil
		v.other = v.other || len(v.pos) > 0
		return v
	case Scalar:
		cols := w.query(e.Subs[0], sc, en)
		if len(cols) == 1 {
			return cols[0].lin
		}
		for _, c := range cols {
			w.consume("a query for a row", c.lin)
		}
		return lin{other: true}
	case Exists:
		w.query(e.Subs[0], sc, en)
		return lin{other: true}
	case IsNull, Count:
		for _, k := range e.Kids {
			if k.Kind != Star { // whether a row is NULL tells no value
				w.value(k, sc, en)
			}
		}
		return lin{other: true}
	case Field:
		v := w.value(e.Kids[0], sc, en)
		if v.row == nil {
			w.consume("a field", v)
			return lin{other: true}
		}
		c, ok := v.row.find(e.Parts[0])
		if !ok {
			w.read(v)
		}
		if !ok && v.row.encrypted() != "" {
			w.misuse("a function of a whole row", v.row.encrypted())
		}
		if !ok {
			return lin{other: true}
		}
		return c
	}
	for _, k := range e.Kids {
		w.use("an expression", k, sc, en)
	}
	for _, q := range e.Subs {
		for _, c := range w.query(q, sc, en) {
			w.consume("a query in an expression", c.lin)
		}
	}
	return lin{other: true}
}

// name returns what a name means.
func (w *walker) name(e *Expr, sc *frame) lin {
	n := len(e.Parts)
	name := e.Parts[n-1]
	if n > 1 {
		r := w.rel(e.Parts[:n-1], sc)
		if r == nil {
			if w.learned == nil {
				w.f.Invalid = "an unknown table before a column"
			}
			return lin{other: true}
		}
		v, ok := r.find(name)
		switch {
		case ok:
			return v
		case r.learn != nil:
			w.learnColumn(r.learn, name)
		case r.encrypted() != "" && w.rules.WholeRows && !slices.Contains(w.rules.RowIDs, name):
			w.f.Invalid = "a name that may be a function of a whole row"
		case !r.open && w.learned == nil && !slices.Contains(w.rules.RowIDs, name):
			w.f.Invalid = "an unknown column"
		}
		return lin{other: true}
	}
	open := false
	for f := sc; f != nil; f = f.parent {
		hits := 0
		var found lin
		for _, r := range f.rels {
			if r.qualified || r.hidden[name] {
				continue
			}
			open = open || r.open
			if v, ok := r.find(name); ok {
				if hits++; hits == 1 {
					found = v
				}
			}
		}
		if hits > 1 {
			w.f.Invalid = "an ambiguous column"
		}
		if hits > 0 {
			if open && found.enc != "" && f != sc {
				w.f.Invalid = "a name that may be a column of an unknown table"
			}
			return found
		}
		for _, c := range f.aliases {
			if c.name == name {
				return c.lin
			}
		}
		if len(f.rels) > 0 && slices.Contains(w.rules.RowIDs, name) {
			return lin{other: true}
		}
	}
	if w.rules.WholeRows {
		if r := w.rel(e.Parts, sc); r != nil {
			return lin{row: r}
		}
	}
	if e.Loose && w.learned == nil {
		return lin{pos: []int{e.Offset}}
	}
	if w.learned != nil && !e.Loose {
		for f := sc; f != nil; f = f.parent {
			var can []*rel
			for _, r := range f.rels {
				if r.learn != nil {
					can = append(can, r)
				}
			}
			if len(can) > 0 {
				w.learnColumn(can[len(name)%len(can)].learn, name)
				return lin{other: true}
			}
		}
	}
	if !open && w.learned == nil {
		w.f.Invalid = "an unknown column"
	}
	return lin{other: true}
}

// String names a column for messages.
func (c Column) String() string { return strings.TrimSpace(c.Name) }
