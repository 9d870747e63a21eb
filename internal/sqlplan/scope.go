package sqlplan

import "github.com/asherah-sql/asherah-sql/tags"

// lineage says which column an expression's bare value is, and of which row.
type lineage struct {
	col  *tags.Column // encrypted or not; nil: something else
	inst *instance    // nil when col and list are nil
	null bool         // the literal NULL
	// value is the token of a placeholder or a literal that stands there, plus 1; 0: none.
	value int32
	said  int32       // where the column of list was named
	list  *listColumn // a column of rows that the statement brings along, or nil
}

func (l lineage) encrypted() bool { return l.col != nil && l.col.Encrypted }

// instance stands for the rows of one registered table at one place of a statement. Two columns of the same
// instance in one result row come from the same row of the table.
type instance struct {
	rel *relation // the item of FROM at which its columns can be named; nil: at none
}

// outCol is a column of a query's result.
type outCol struct {
	name  string
	sure  bool // the name is certain
	alias bool // the name was given with AS
	star  bool // it came from a star
	asked bool // its name is the catalogue's, from the star of a table
	lin   lineage
}

// relation is an item of FROM, or the target of a write.
type relation struct {
	name   string // by which columns are qualified; "" when they can't be
	base   TableName
	isBase bool
	table  *tags.Table // nil when it isn't registered
	inst   *instance   // of a registered table

	cols    []outCol    // of a derived table
	openOf  []TableName // tables whose columns are among a derived table's, unknown
	unnamed bool        // it has columns whose names aren't certain
	vague   bool        // encrypted ones among them
	star    bool        // a star stood for some of them

	qualifiedOnly bool     // excluded: not found by unqualified names
	outer         bool     // joined by RIGHT or FULL JOIN
	merged        []string // columns that USING or NATURAL merged with those to the left
	natural       bool     // merged with columns that aren't known
	group         int      // of a join in parentheses
	remapped      []instancePair
}

type instancePair struct{ from, to *instance }

// remap returns the instance of r that stands for in, an instance inside the derived table that r is.
func (r *relation) remap(in *instance) *instance {
	if in == nil {
		return nil
	}
	for _, p := range r.remapped {
		if p.from == in {
			return p.to
		}
	}
	to := &instance{rel: r}
	r.remapped = append(r.remapped, instancePair{in, to})
	return to
}

func (r *relation) hasEncrypted() bool {
	if r.table != nil {
		for _, c := range r.table.Columns {
			if c.Encrypted {
				return true
			}
		}
	}
	for i := range r.cols {
		if r.cols[i].lin.encrypted() {
			return true
		}
	}
	return false
}

// width is the number of columns that has looks at.
func (r *relation) width() int {
	if r.table != nil {
		return len(r.table.Columns)
	}
	return len(r.cols)
}

func (r *relation) merges(f *facts, name string) bool {
	for _, m := range r.merged {
		if f.same(m, name) {
			return true
		}
	}
	return false
}

// otherCase reports whether a name of a statement is that of c but for the case of its letters, where names
// are told apart by it: then it may be another column.
func (f *facts) otherCase(c *tags.Column, name string) bool {
	return f.exactNames && c.Name != name && foldName(c.Name) != name
}

// columnOf returns the column of t that a token names, or nil.
func (a *analysis) columnOf(t *tags.Table, tok int32) *tags.Column {
	name := a.ident(tok)
	c := t.Column(name)
	if c != nil && a.f.otherCase(c, name) {
		a.refuse(RuleAmbiguousColumn, tok, c)
	}
	return c
}

// certainty says how sure it is that a relation has a column.
type certainty uint8

const (
	hasNot    certainty = iota
	mayHave             // its columns aren't known
	shouldHas           // the model says so, of a column that isn't encrypted
	hasIt
	cantTell // it has encrypted columns of unknown names
)

// has looks a column up.
func (r *relation) has(f *facts, name string) (lineage, certainty) {
	if r.isBase {
		if r.table == nil {
			return lineage{}, mayHave
		}
		c := r.table.Column(name)
		switch {
		case c == nil:
			return lineage{}, mayHave
		case f.otherCase(c, name):
			return lineage{}, cantTell
		case c.Encrypted:
			return lineage{col: c, inst: r.inst}, hasIt
		}
		return lineage{col: c, inst: r.inst}, shouldHas
	}
	for i := range r.cols {
		if c := &r.cols[i]; c.sure && f.same(c.name, name) {
			return c.lin, hasIt
		}
	}
	switch {
	case r.vague:
		return lineage{}, cantTell
	case r.unnamed || r.openOf != nil:
		return lineage{}, mayHave
	}
	return lineage{}, hasNot
}

// scope is what names mean at one place. The outermost scope of a statement has no relations.
type scope struct {
	parent    *scope
	with      *withScope
	rels      []*relation
	trees     []*joined // how the relations of FROM are joined, where that orders their columns
	aliases   []outCol  // names of the select list, where they can be used
	aggregate bool      // an aggregate function was met
}

// empty reports whether no column can be named through s.
func (s *scope) empty() bool {
	for ; s != nil; s = s.parent {
		if len(s.rels) > 0 || len(s.aliases) > 0 {
			return false
		}
	}
	return true
}

// withScope is a WITH clause in force.
type withScope struct {
	parent *withScope
	ctes   []*cteState
}

// cteState is a common table expression and what is known of it.
type cteState struct {
	cte      *cte
	name     string
	def      *withScope // the clause that it stands in: its body sees all of it
	visited  bool
	home     *scope  // around the clause
	busy     bool    // its body is being analysed
	partial  *result // of the terms before the recursive one, while busy
	recursed bool    // its body referred to it
	done     *result // of an analysis that no outer scope could influence
}

// findCTE returns the common table expression of that name that is in force, or nil.
func (a *analysis) findCTE(w *withScope, name string) *cteState {
	for ; w != nil; w = w.parent {
		a.spend(len(w.ctes))
		for _, c := range w.ctes {
			if a.f.same(c.name, name) {
				return c
			}
		}
	}
	return nil
}

// maxWork bounds the steps of matching names, which may grow with the square of a text's length.
const maxWork = 1 << 26

// maxColumns bounds the columns of a result. No build of SQLite takes more.
const maxColumns = 32767

// spend counts steps of matching names.
func (a *analysis) spend(n int) {
	if a.work += n + 1; a.work > maxWork {
		a.refuseAt(RuleComplex, a.cur.Offset)
	}
}

// resolve returns what a column reference means.
func (a *analysis) resolve(sc *scope, e *expr) lineage {
	e.seen = true
	last := e.end - 1
	col := a.ident(last)
	switch (last - e.tok) / 2 {
	case 0:
		return a.unqualified(sc, e, col)
	case 1:
		return a.qualified(sc, e, "", a.ident(e.tok), col)
	default:
		return a.qualified(sc, e, a.ident(last-4), a.ident(last-2), col) // a database may stand before them
	}
}

// search carries what a name's search has met on its way outwards.
type search struct {
	held    lineage // of the column that the name means unless an encrypted one is found
	hasHeld bool
	unsure  []*relation // relations that the name may belong to instead of one further out
}

// hold notes a column that a relation should have. inner relations may hide it: then its lineage isn't sure.
func (q *search) hold(lin lineage, r *relation, inner int) {
	q.unsure = append(q.unsure, r)
	if q.hasHeld {
		return
	}
	q.hasHeld = true
	if inner == 0 {
		q.held = lin
	}
}

// unqualified resolves a bare column name: the innermost scope that has it wins; within a scope, columns win
// over aliases of the select list. A name that two relations of a scope have is an error of the database, so
// where one surely has it, the others needn't be known.
func (a *analysis) unqualified(sc *scope, e *expr, name string) lineage {
	q := search{unsure: a.unsure[:0]}
	for s := sc; s != nil; s = s.parent {
		inner := len(q.unsure)
		var found lineage
		hits := 0
		base, should := false, false
		for _, r := range s.rels {
			if r.qualifiedOnly {
				continue
			}
			a.spend(r.width())
			base = base || r.isBase
			lin, sure := r.has(a.f, name)
			lin = a.used(lin, e.tok)
			switch sure {
			case cantTell:
				a.refuse(RuleAmbiguousColumn, e.tok, nil)
			case mayHave:
				r.spoiled(e.tok, false)
				q.unsure = append(q.unsure, r)
			case shouldHas:
				should = true
				q.hold(lin, r, inner)
			case hasIt:
				if hits++; hits == 1 {
					found = lin
					continue
				}
				if !r.merges(a.f, name) && (lin.encrypted() || found.encrypted()) {
					a.refuse(RuleAmbiguousColumn, e.tok, nil)
				}
				if !found.encrypted() {
					found = lineage{}
				}
			}
		}
		if should && s.merged(a.f, name) {
			q.held = lineage{}
		}
		if hits > 0 {
			if should {
				if found.encrypted() {
					a.refuse(RuleAmbiguousColumn, e.tok, found.col)
				}
				return lineage{}
			}
			if s.merged(a.f, name) {
				found = found.plainOnly()
			}
			return a.settle(e, name, q, inner, found)
		}
		if base && a.isRowID(name) {
			return q.held
		}
		a.spend(len(s.aliases))
		for i := range s.aliases {
			if c := &s.aliases[i]; c.alias && a.f.same(c.name, name) {
				c.lin.spoiled(e.tok)
				if !c.lin.encrypted() {
					return q.held
				}
				return a.settle(e, name, q, len(q.unsure), c.lin)
			}
		}
	}
	if a.f.postgres && !q.hasHeld {
		a.rowValue(sc, e, name, &q)
	}
	return q.held
}

// settle answers that the name means found, unless it is one of the first n unsure relations' own. What was
// found is an encrypted column or not; only when it is does it matter to be certain.
func (a *analysis) settle(e *expr, name string, q search, n int, found lineage) lineage {
	if n == 0 {
		return found
	}
	if !found.encrypted() {
		return q.held
	}
	for _, r := range q.unsure[:n] {
		switch a.knows(r, name) {
		case hasIt:
			return lineage{}
		case mayHave:
			// The catalogue is asked, or nobody knows.
			if len(a.need) == 0 {
				a.refuse(RuleAmbiguousColumn, e.tok, found.col)
			}
			return lineage{}
		}
	}
	return found
}

// knows asks the catalogue whether a relation has a column.
func (a *analysis) knows(r *relation, name string) certainty {
	if r.unnamed {
		return mayHave
	}
	tables := r.openOf
	if r.isBase {
		tables = []TableName{r.base}
	}
	for _, t := range tables {
		cols, ok := a.columns(t, r.table)
		if !ok {
			return mayHave
		}
		for _, c := range cols {
			if a.f.same(c, name) {
				return hasIt
			}
		}
	}
	return hasNot
}

func (a *analysis) isRowID(name string) bool {
	for _, n := range a.f.rowIDs {
		if a.f.same(n, name) {
			return true
		}
	}
	return false
}

// qualified resolves table.name and schema.table.name.
func (a *analysis) qualified(sc *scope, e *expr, schema, table, name string) lineage {
	q := search{unsure: a.unsure[:0]}
	known := false
	for s := sc; s != nil; s = s.parent {
		inner := len(q.unsure)
		var found lineage
		hits := 0
		a.spend(len(s.rels))
		for _, r := range s.rels {
			if !r.answersTo(a.f, schema, table) {
				continue
			}
			a.spend(r.width())
			known = true
			lin, sure := r.has(a.f, name)
			lin = a.used(lin, e.tok)
			switch sure {
			case cantTell:
				a.refuse(RuleAmbiguousColumn, e.tok, nil)
			case hasNot:
				if a.f.postgres {
					a.attribute(r, e, name)
				}
			case mayHave:
				if a.f.postgres {
					a.attribute(r, e, name)
				}
				r.spoiled(e.tok, false)
				q.unsure = append(q.unsure, r)
			case shouldHas:
				q.hold(lin, r, inner)
			case hasIt:
				if hits++; hits == 1 {
					found = lin
					continue
				}
				if lin.encrypted() || found.encrypted() {
					a.refuse(RuleAmbiguousColumn, e.tok, nil)
				}
				found = lineage{}
			}
		}
		if hits > 0 {
			return a.settle(e, name, q, inner, found)
		}
	}
	if !known {
		a.refuse(RuleUnknownQualifier, e.tok, nil)
	}
	return q.held
}

// answersTo reports whether columns of r may be written as [schema.]table.column.
func (r *relation) answersTo(f *facts, schema, table string) bool {
	if r.name == "" || !f.same(r.name, table) {
		return false
	}
	if schema == "" {
		return true
	}
	return r.isBase && (r.base.Schema == "" || f.same(r.base.Schema, schema))
}

// columns returns a table's columns in the database. ok is false when they aren't known: then they are asked
// for, or there is no catalogue to ask.
func (a *analysis) columns(n TableName, t *tags.Table) (cols []string, ok bool) {
	if a.cat == nil {
		if t == nil {
			return nil, false
		}
		for _, c := range t.Columns {
			cols = append(cols, c.Name)
		}
		return cols, true
	}
	cols, ok = a.cat.Columns(n)
	if !ok {
		a.ask(n)
		return nil, false
	}
	return cols, len(cols) > 0
}

// ask notes that the columns of a table are needed.
func (a *analysis) ask(n TableName) {
	for _, t := range a.need {
		if t == n {
			return
		}
	}
	a.need = append(a.need, n)
}
