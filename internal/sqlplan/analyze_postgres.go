package sqlplan

import (
	"slices"

	"github.com/asherah-sql/asherah-sql/tags"
)

// joined says how the items of FROM are joined, for the order of the columns of a star.
type joined struct {
	rel         *relation // of a single item; else nil
	left, right *joined
	using       []string // columns that stand once, before the others
	unsure      bool     // in which order isn't known
}

// postgresFrom makes relations of the items of FROM. The condition of a join sees only what it joins, and what
// follows LATERAL what stands to the left of it.
func postgresFrom(a *analysis, sc *scope, list []*source, outer *scope) {
	for _, s := range list {
		rels, tree := a.pgFromItem(sc.rels, s, outer)
		sc.rels = append(sc.rels, rels...)
		sc.trees = append(sc.trees, tree)
	}
}

// pgFromItem makes the relations of one item; left are those before it.
func (a *analysis) pgFromItem(left []*relation, s *source, outer *scope) ([]*relation, *joined) {
	a.spend(len(left))
	lateral := &scope{parent: outer, with: outer.with, rels: left}
	var r *relation
	switch {
	case s.nested != nil:
		return a.pgJoin(left, s, outer)
	case s.sel != nil:
		in := outer
		if s.lateral {
			in = lateral
		}
		r = a.derived(s.alias, a.query(s.sel, in), nil)
	case s.call:
		for _, e := range s.args {
			a.plain(lateral, e, RuleFunction)
		}
		if r = a.unnested(s, lateral); r != nil {
			return []*relation{r}, &joined{rel: r}
		}
		// What the columns of a function are is its own affair; none is encrypted.
		r = &relation{unnamed: true}
		if s.alias >= 0 {
			r.name = a.ident(s.alias)
		} else if e := s.args[0]; e.op == opFunc {
			r.name = a.ident(e.aux)
		}
		return []*relation{r}, &joined{rel: r}
	default:
		r = a.fromTable(s, outer)
		for _, e := range s.args {
			a.plain(lateral, e, RuleFunction)
		}
	}
	if s.cols != nil {
		r = a.renamed(r, s)
	}
	return []*relation{r}, &joined{rel: r}
}

// renamed gives new names to the first columns of r.
func (a *analysis) renamed(r *relation, s *source) *relation {
	if r.isBase {
		if r.hasEncrypted() {
			a.refuse(RuleTableUse, s.tok, nil)
		}
		return &relation{name: r.name, openOf: []TableName{r.base}, unnamed: true}
	}
	if r.openOf != nil {
		if r.hasEncrypted() {
			a.needAll(r.openOf, s.tok)
		}
		r.unnamed = true
		return r
	}
	if len(s.cols) > len(r.cols) {
		a.refuse(RuleRowWidth, s.cols[0], nil)
	}
	for i, tok := range s.cols {
		r.cols[i].name, r.cols[i].sure = a.ident(tok), true
		a.shadow(&r.cols[i])
	}
	r.unnamed, r.vague = false, false
	for i := range r.cols {
		r.unnamed = r.unnamed || !r.cols[i].sure
		r.vague = r.vague || !r.cols[i].sure && r.cols[i].lin.encrypted()
	}
	return r
}

// pgJoin makes the relations of several items that are joined.
func (a *analysis) pgJoin(left []*relation, s *source, outer *scope) ([]*relation, *joined) {
	group := &scope{parent: outer, with: outer.with}
	var tree *joined
	for i, item := range s.nested {
		visible := slices.Concat(left, group.rels)
		rels, t := a.pgFromItem(visible, item, outer)
		n := len(group.rels)
		group.rels = append(group.rels, rels...)
		a.mergeColumns(group, item, n)
		if item.on != nil {
			a.plain(group, item.on, RuleExpression)
		}
		if i == 0 {
			tree = t
			continue
		}
		tree = &joined{left: tree, right: t}
		for _, r := range rels {
			tree.using = append(tree.using, r.merged...)
		}
		if item.merged >= 0 {
			m := &relation{name: a.ident(item.merged), qualifiedOnly: true}
			for _, u := range item.using {
				m.cols = append(m.cols, outCol{name: a.ident(u), sure: true})
			}
			group.rels = append(group.rels, m)
		}
	}
	if s.alias < 0 {
		return group.rels, tree
	}
	// An alias hides the names of what is joined.
	r := &relation{name: a.ident(s.alias), unnamed: true}
	for _, in := range group.rels {
		if in.hasEncrypted() {
			a.refuse(RuleTableUse, s.tok, nil)
		}
		r.openOf = append(r.openOf, in.openOf...)
		if in.isBase {
			r.openOf = append(r.openOf, in.base)
		}
	}
	return []*relation{r}, &joined{rel: r}
}

// starTree appends the columns of a star over joined items to res: merged columns come first.
func (a *analysis) starTree(t *joined, rc *resultCol, sc *scope, res *result) {
	if t.rel != nil {
		if !t.rel.qualifiedOnly {
			a.starOf(t.rel, rc, sc, res)
			a.checkWidth(res)
		}
		return
	}
	if len(t.using) == 0 {
		a.starTree(t.left, rc, sc, res)
		a.starTree(t.right, rc, sc, res)
		return
	}
	in := &result{}
	a.starTree(t.left, rc, sc, in)
	a.starTree(t.right, rc, sc, in)
	if enc := in.encrypted(); enc != nil && t.unsure {
		a.refuse(RuleUnknownColumns, rc.tok, enc.lin.col)
	}
	res.star = res.star || in.star
	res.openOf = append(res.openOf, in.openOf...)
	done := make([]bool, len(in.cols))
	for _, u := range t.using {
		a.spend(len(in.cols))
		for i := range in.cols {
			if !done[i] && a.f.same(in.cols[i].name, u) {
				done[i] = true
				res.cols = append(res.cols, in.cols[i])
				break
			}
		}
	}
	for i := range in.cols {
		if !done[i] {
			res.cols = append(res.cols, in.cols[i])
		}
	}
	a.checkWidth(res)
}

// typeText returns the words of a type, folded, joined by blanks; ok is false when it is more than words: it has
// a length, a precision or dimensions.
func (a *analysis) typeText(tok, end int32) (text string, ok bool) {
	for i := tok; i < end; i++ {
		t := &a.toks[i]
		switch t.kind {
		case tWord:
		case tQuoted:
			// "char" is another type than char.
			return "", false
		case tDot:
			if i != tok+1 || a.ident(tok) != "pg_catalog" {
				return "", false
			}
			text = ""
			continue
		default:
			return "", false
		}
		if text != "" {
			text += " "
		}
		text += a.ident(i)
	}
	return text, text != ""
}

// postgresTextCast reports whether a cast goes to a type that leaves a sealed value as it is.
func postgresTextCast(a *analysis, e *expr) bool {
	t, ok := a.typeText(e.aux, e.auxEnd)
	return ok && (a.f.textCasts[t] || t == "character varying")
}

// isExactCast reports whether a cast leaves the text of what names a partition as it is.
func (a *analysis) isExactCast(e *expr) bool {
	if !a.f.postgres {
		return false
	}
	t, ok := a.typeText(e.aux, e.auxEnd)
	if !ok {
		return false
	}
	switch t {
	case "text", "varchar", "character varying", "uuid", "int", "integer", "int4", "bigint", "int8", "smallint", "int2":
		return true
	}
	return false
}

// partitionExpr strips what a value that names a partition may be wrapped in.
func (a *analysis) partitionExpr(e *expr) *expr {
	e = bare(e)
	if (e.op == opCast || e.op == opTyped) && a.isExactCast(e) {
		e.seen = true
		return bare(e.a)
	}
	return e
}

// wholeRow analyses e where a whole row may stand: it says which relation's row it is, or nil.
func (a *analysis) wholeRow(sc *scope, e *expr) *relation {
	b := bare(e)
	b.seen = true
	if b.op == opWhole && b.a == nil {
		name := a.ident(b.end - 3)
		for s := sc; s != nil; s = s.parent {
			for _, r := range s.rels {
				if r.answersTo(a.f, "", name) {
					return r
				}
			}
		}
		a.refuse(RuleUnknownQualifier, b.tok, nil)
	}
	if b.op == opColumn && b.end == b.tok+1 {
		a.rowOf, a.rowOK = nil, true
		lin := a.resolve(sc, b)
		a.rowOK = false
		if r := a.rowOf; r != nil && lin.col == nil {
			return r
		}
	}
	return nil
}

// rowValue is called for a name that no relation surely has: it may be the whole row of a relation of that name.
func (a *analysis) rowValue(sc *scope, e *expr, name string, q *search) {
	for s := sc; s != nil; s = s.parent {
		a.spend(len(s.rels))
		for _, r := range s.rels {
			if r.name != name || r.merged != nil && r.qualifiedOnly {
				continue
			}
			for _, u := range q.unsure {
				switch a.knows(u, name) {
				case hasIt:
					return
				case mayHave:
					if len(a.need) > 0 {
						return
					}
				}
			}
			if a.rowOK {
				a.rowOf = r
				return
			}
			r.spoiled(e.tok, true)
			if enc := r.firstEncrypted(); enc != nil {
				a.refuse(RuleWholeRow, e.tok, enc)
			}
			return
		}
	}
}

// firstEncrypted returns an encrypted column of r, or nil.
func (r *relation) firstEncrypted() *tags.Column {
	if r.table != nil {
		for _, c := range r.table.Columns {
			if c.Encrypted {
				return c
			}
		}
	}
	for i := range r.cols {
		if r.cols[i].lin.encrypted() {
			return r.cols[i].lin.col
		}
	}
	return nil
}

// attribute is called for t.name where t has no such column in the model: if the table has none either, the
// database calls a function of that name with the row.
func (a *analysis) attribute(r *relation, e *expr, name string) {
	r.spoiled(e.tok, true)
	enc := r.firstEncrypted()
	if enc == nil || r.isBase && a.isRowID(name) {
		return
	}
	switch a.knows(r, name) {
	case hasIt:
	case mayHave:
		if len(a.need) == 0 {
			a.refuse(RuleAmbiguousColumn, e.tok, enc)
		}
	default:
		a.refuse(RuleWholeRow, e.tok, enc)
	}
}

// label returns the name that the database gives to an output. ok is false when it isn't known here; then the
// output isn't an encrypted column.
func (a *analysis) label(e *expr) (string, bool) {
	for {
		switch e.op {
		case opParen, opCast, opCollate, opIndex:
			e = e.a
		case opColumn:
			return a.ident(e.end - 1), true
		case opField:
			return a.ident(e.aux), true
		case opSubquery:
			s := e.sel
			for len(s.cores) > 0 && s.cores[0].sel != nil {
				s = s.cores[0].sel
			}
			c := s.cores[0]
			if c.values != nil || len(c.cols) != 1 || c.cols[0].e == nil {
				return "", false
			}
			if c.cols[0].alias >= 0 {
				return a.ident(c.cols[0].alias), true
			}
			e = c.cols[0].e
		default:
			return "", false
		}
	}
}

// sqlWords are words by which a text is taken for a statement.
var sqlWords = []string{"select", "insert", "update", "delete", "merge", "copy", "table", "from", "into", "truncate", "values"}

// isStatementText reports whether a string holds a registered table's name among words of a statement.
func (a *analysis) isStatementText(t *token) bool {
	s := a.text[t.off:t.end]
	if v, ok := a.f.str(s, a.mode); ok {
		s = v
	}
	if !a.st.finder.in(s) {
		return false
	}
	named, sql := false, false
	Words(s, func(w string) {
		named = named || a.st.names.find(w) != nil
		for _, x := range sqlWords {
			sql = sql || equalFold(w, x)
		}
	})
	return named && (sql || a.xml)
}

// mentions reports whether a token names a registered table, or holds its name in a string.
func (a *analysis) mentions(t *token) bool {
	if t.kind == tString {
		s := a.text[t.off:t.end]
		if v, ok := a.f.str(s, a.mode); ok {
			s = v
		}
		return a.st.finder.in(s)
	}
	return a.isTableName(t)
}

// harmless functions do nothing with the text of their arguments but text.
var harmless = set("concat", "concat_ws", "format", "json_build_object", "jsonb_build_object", "json_build_array",
	"jsonb_build_array", "coalesce", "nullif", "greatest", "least", "lower", "upper", "length", "position", "strpos",
	"replace", "regexp_replace", "regexp_match", "regexp_matches", "substring", "substr", "trim", "btrim", "ltrim",
	"rtrim", "left", "right", "split_part", "md5", "quote_literal", "quote_ident", "to_tsvector", "to_tsquery",
	"plainto_tsquery", "phraseto_tsquery", "websearch_to_tsquery", "starts_with", "string_to_array", "count", "max",
	"min", "string_agg", "array_agg", "to_json", "to_jsonb", "raise_notice", "pg_notify")

// statementArguments refuses a call of a function that may run what a string argument says.
func (a *analysis) statementArguments(e *expr, name string) {
	if len(a.texts) == 0 || harmless[name] && !e.fn.foreign {
		return
	}
	if i := a.textIn(e.aux, e.end); i >= 0 {
		a.refuse(RuleDynamic, i, nil)
	}
}

// findTexts notes the strings that may be run as statements.
func (a *analysis) findTexts() {
	if !a.f.postgres || !a.st.finder.in(a.text) && !hasUnicodeEscapes(a.text) {
		return
	}
	a.xml = containsFold(a.text, "_to_xml")
	for i := range a.toks {
		if t := &a.toks[i]; t.kind == tString && a.isStatementText(t) {
			a.texts = append(a.texts, int32(i))
		}
	}
}

// textIn returns the first of those strings between two tokens, or -1.
func (a *analysis) textIn(tok, end int32) int32 {
	i, _ := slices.BinarySearch(a.texts, tok)
	if i < len(a.texts) && a.texts[i] < end {
		return a.texts[i]
	}
	return -1
}

// longNames refuses names that the database would cut: what they mean then isn't known here.
func (a *analysis) longNames() {
	n := a.f.longestName
	if n == 0 {
		return
	}
	for i := range a.toks {
		if t := &a.toks[i]; (t.kind == tWord || t.kind == tQuoted) && int(t.end-t.off) > n && len(a.ident(int32(i))) > n {
			a.refuseAt(RuleLongName, int(t.off))
		}
	}
	for _, s := range [2]string{a.st.longTable, a.st.longColumn} {
		if s != "" {
			panic(&RefusedError{Table: a.st.longTable, Column: a.st.longColumn, Rule: RuleLongName, Remedy: remedies[RuleLongName]})
		}
	}
}

// modeChange refuses a text in which a setting stands that decides how texts are read: statements behind it
// would not be read as they were here.
func (a *analysis) modeChange() {
	for i := range a.toks {
		t := &a.toks[i]
		if t.kind != tWord && t.kind != tQuoted && t.kind != tString {
			continue
		}
		s := a.text[t.off:t.end]
		switch {
		case len(s) < len("names"):
		case containsFold(s, "standard_conforming_strings"), containsFold(s, "client_encoding"):
			a.refuse(RuleMode, int32(i), nil)
		case equalFold(s, "names") && i > 0 && a.toks[i-1].kw == kwSet && a.startsStatement(i-1):
			a.refuse(RuleMode, int32(i), nil)
		}
	}
}

// startsStatement reports whether the token is the first of a statement.
func (a *analysis) startsStatement(tok int) bool {
	return slices.ContainsFunc(a.stmts, func(s *stmt) bool { return int(s.tok) == tok })
}

// containsFold reports whether part, in lower case, stands in s in either case.
func containsFold(s, part string) bool {
	for i := 0; i+len(part) <= len(s); i++ {
		if lower(s[i]) == part[0] && equalFold(s[i:i+len(part)], part) {
			return true
		}
	}
	return false
}
