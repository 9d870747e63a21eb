package sqlplan

import (
	"strings"

	"github.com/asherah-sql/asherah-sql/tags"
)

// ddlStatement analyses a statement that defines or manages things. They pass, unless they compute data,
// copy it, or carry a value for an encrypted column.
func (a *analysis) ddlStatement(s *stmt, root *scope) {
	d := s.ddl
	for _, n := range d.others {
		a.lookup(n)
	}
	var t *tags.Table
	if d.table.tok >= 0 && d.op != ddlPragma {
		t = a.lookup(d.table)
	}
	if t != nil {
		a.renamedTable(t, d)
		for _, e := range d.exprs {
			a.definition(t, e)
		}
		for _, u := range d.usings {
			a.conversion(t, u)
		}
	}
	if a.f.mysql {
		a.mysqlDefinition(s)
	}
	switch d.op {
	case ddlRoutine:
	case ddlCreateTable, ddlAlterAdd:
		if t != nil {
			a.columnDefs(t, d.columns)
		}
	case ddlPass, ddlSet, ddlDefine, ddlFunction, ddlDynamic, ddlMove, ddlRowRule:
		a.utility(s, root)
	case ddlStore:
		a.utility(s, root)
		if d.sel != nil {
			a.query(d.sel, root)
		}
		if a.cur.Touches {
			a.refuse(RuleTableAs, s.tok, nil)
		}
	case ddlCreateTableAs:
		a.query(d.sel, root)
		if a.cur.Touches {
			a.refuse(RuleTableAs, s.tok, nil)
		}
	case ddlCreateView:
		a.query(d.sel, root)
	case ddlCreateIndex:
		if t != nil && d.where != nil {
			a.predicate(t, d.where, RuleIndexPredicate)
		}
	case ddlCreateTrigger:
		a.trigger(s)
	case ddlCreateVirtual:
		// The module's arguments may name any table, in any way.
		for i := s.tok; i < s.end; i++ {
			if a.isTableName(&a.toks[i]) {
				a.refuse(RuleVirtualTable, i, nil)
			}
		}
	case ddlDrop, ddlAlterOther, ddlAnalyze, ddlReindex, ddlPragma, ddlAttach, ddlDetach, ddlVacuum:
	default:
		a.refuse(RuleUnaccounted, s.tok, nil)
	}
}

// columnDefs refuses values that the database would put into encrypted columns by itself.
func (a *analysis) columnDefs(t *tags.Table, defs []columnDef) {
	for i := range defs {
		c := a.columnOf(t, defs[i].name)
		if c == nil || !c.Encrypted {
			continue
		}
		if defs[i].deflt != nil && !isNull(defs[i].deflt) {
			a.refuse(RuleDefault, defs[i].name, c)
		}
		if defs[i].generated >= 0 {
			a.refuse(RuleGenerated, defs[i].generated, c)
		}
	}
}

// isNull reports whether e is NULL, perhaps of a certain type.
func isNull(e *expr) bool {
	for e = bare(e); e.op == opCast; {
		e = bare(e.a)
	}
	return e.op == opNull
}

// renamedTable refuses a registered table's change to a name under which it isn't registered: from then on its
// columns would be written in the clear.
func (a *analysis) renamedTable(t *tags.Table, d *ddlStmt) {
	if d.renames {
		to := d.others[len(d.others)-1].tok
		for _, r := range a.st.names.find(a.ident(to)) {
			if equalFold(r.Schema, t.Schema) {
				return
			}
		}
		a.refuse(RuleRenamed, to, nil)
	}
	if d.moves > 0 && t.Schema != "" && !equalFold(t.Schema, a.ident(d.moves)) {
		a.refuse(RuleRenamed, d.moves, nil)
	}
}

// definition refuses an expression that stays in the catalogue and has a literal beside an encrypted column.
func (a *analysis) definition(t *tags.Table, e *expr) { a.predicate(t, e, RuleDefinition) }

// predicate refuses an expression in which an encrypted column stands with a literal: it would be compared with
// plaintext, and the literal be kept in the catalogue. Questions after the length of the ciphertext, its first
// characters, and literals that are the mark of a sealed value say nothing of a plaintext.
func (a *analysis) predicate(t *tags.Table, e *expr, rule string) {
	var col *tags.Column
	literal := false
	var walk func(e *expr)
	walk = func(e *expr) {
		if e == nil {
			return
		}
		switch e.op {
		case opColumn:
			name := e.end - 1
			if c := t.Column(a.ident(name)); c != nil && c.Encrypted {
				col = c
			} else if tok := &a.toks[name]; a.f.stringNames && c == nil && tok.kind == tQuoted {
				literal = true // a double-quoted name that is no column is a string
			}
			return
		case opString:
			v, ok := a.f.str(a.text[a.toks[e.tok].off:a.toks[e.tok].end], a.mode)
			literal = literal || !ok || !strings.HasPrefix(v, "ash1")
			if c := t.Column(v); c != nil && c.Encrypted && a.f.stringNames {
				col = c
			}
			return
		case opBlob, opBits, opNumber, opParam, opBool:
			literal = true
			return
		case opLess, opEq, opNe:
			// A length may be compared with a number.
			if a.isLength(bare(e.a)) && bare(e.b).op == opNumber {
				return
			}
		}
		walk(e.a)
		walk(e.b)
		for _, x := range e.list {
			walk(x)
		}
		if e.fn != nil {
			for _, x := range e.fn.order {
				walk(x)
			}
			walk(e.fn.filter)
		}
		if e.sel != nil {
			literal = true // the database doesn't take a query here
		}
	}
	if b := bare(e); b.op == opFunc && a.isStart(b) {
		return
	}
	walk(e)
	if col != nil && literal {
		a.refuse(rule, e.tok, col)
	}
}

// isLength reports whether e is the length of one column.
func (a *analysis) isLength(e *expr) bool {
	if e.op != opFunc || e.fn.foreign || len(e.list) != 1 || bare(e.list[0]).op != opColumn {
		return false
	}
	switch foldName(a.ident(e.aux)) {
	case "length", "octet_length", "char_length", "character_length":
		return true
	}
	return false
}

// isStart reports whether a call asks for the first characters of one column.
func (a *analysis) isStart(e *expr) bool {
	switch foldName(a.ident(e.aux)) {
	case "substr", "substring":
		return !e.fn.foreign && len(e.list) == 3 && bare(e.list[0]).op == opColumn &&
			bare(e.list[1]).op == opNumber && bare(e.list[2]).op == opNumber
	}
	return false
}

// conversion refuses a change of an encrypted column's type or default that computes a value or holds one, and
// one of another column that takes an encrypted column's value.
func (a *analysis) conversion(t *tags.Table, u *using) {
	c := a.columnOf(t, u.col)
	if c != nil && c.Encrypted {
		e := bare(u.e)
		if u.deflt {
			if !isNull(e) {
				a.refuse(RuleDefault, u.e.tok, c)
			}
			return
		}
		if e.op == opCast && a.f.textCast(a, e) {
			e = bare(e.a)
		}
		if e.op != opColumn || t.Column(a.ident(e.end-1)) != c {
			a.refuse(RuleConversion, u.e.tok, c)
		}
		return
	}
	for i := u.e.tok; i < u.e.end; i++ {
		if tok := &a.toks[i]; tok.kind == tWord || tok.kind == tQuoted {
			if c := t.Column(a.ident(i)); c != nil && c.Encrypted {
				a.refuse(RuleCopied, i, c)
			}
		}
	}
}

// utility analyses a statement that was consumed token by token.
func (a *analysis) utility(s *stmt, root *scope) {
	d := s.ddl
	at := int32(-1) // the first token that names a registered table
	var col *tags.Column
	colAt, literal := s.tok, false
	for i := s.tok; i < s.end; i++ {
		t := &a.toks[i]
		if a.isTableName(t) {
			for _, table := range a.st.names.find(a.ident(i)) {
				a.touch(table)
			}
			if at < 0 {
				at = i
			}
		} else if t.kind == tString && at < 0 && (d.op == ddlDynamic || d.op == ddlMove || d.op == ddlFunction) && a.mentions(t) {
			at = i
		}
		switch t.kind {
		case tString, tBits, tInteger, tFloat, tParam:
			literal = true
		}
	}
	if d.call != nil {
		a.plain(&scope{with: root.with}, d.call, RuleFunction)
	}
	if at < 0 {
		return
	}
	switch d.op {
	case ddlDynamic:
		a.refuse(RuleDynamic, at, nil)
	case ddlMove:
		a.refuse(RuleBulk, at, nil)
	case ddlRowRule:
		a.refuse(RuleRowRule, at, nil)
	case ddlFunction:
		a.functionBody(s)
	case ddlDefine:
		for i := s.tok; i < s.end && col == nil; i++ {
			if t := &a.toks[i]; t.kind == tWord || t.kind == tQuoted {
				for _, table := range a.cur.Tables {
					if c := table.Column(a.ident(i)); c != nil && c.Encrypted {
						col, colAt = c, i
					}
				}
			}
		}
		if col != nil && literal {
			a.refuse(RuleDefinition, colAt, col)
		}
		if d.renames {
			a.refuse(RuleRenamed, at, nil)
		}
	}
}

// functionBody refuses a function whose text names a registered table and one of its encrypted columns. Other
// functions pass: no client can know what they do.
func (a *analysis) functionBody(s *stmt) {
	var tables []*tags.Table
	var names []string
	for i := s.tok; i < s.end; i++ {
		switch t := &a.toks[i]; t.kind {
		case tWord, tQuoted:
			names = append(names, a.ident(i))
		case tString:
			v, ok := a.f.str(a.text[t.off:t.end], a.mode)
			if !ok {
				v = a.text[t.off:t.end]
			}
			Words(v, func(w string) { names = append(names, w) })
		}
	}
	for _, n := range names {
		tables = append(tables, a.st.names.find(n)...)
	}
	for _, t := range tables {
		a.touch(t)
		for _, n := range names {
			a.spend(len(t.Columns))
			if c := t.Column(n); c != nil && c.Encrypted {
				a.refuse(RuleTrigger, s.tok, c)
			}
		}
	}
}

// trigger refuses a trigger that stores into an encrypted column, or in which a literal stands beside one.
// Others pass: what they copy is ciphertext.
func (a *analysis) trigger(s *stmt) {
	for i := s.tok; i < s.end; i++ {
		if t := &a.toks[i]; t.kind == tWord || t.kind == tQuoted || t.kind == tString {
			for _, table := range a.st.names.find(a.ident(i)) {
				a.touch(table)
			}
		}
	}
	for _, b := range s.ddl.body {
		a.triggerWrite(b)
	}
	var col *tags.Column
	at := s.tok
	literal := false
	for i := s.tok; i < s.end; i++ {
		switch tok := &a.toks[i]; tok.kind {
		case tWord, tQuoted, tString:
			literal = literal || tok.kind == tString || tok.kind == tQuoted && a.text[tok.off] == '"'
			for _, t := range a.cur.Tables {
				if c := t.Column(a.ident(i)); c != nil && c.Encrypted && col == nil {
					col, at = c, i
				}
			}
		case tBlob, tInteger, tFloat, tParam:
			literal = true
		}
	}
	if col != nil && literal {
		a.refuse(RuleTrigger, at, col)
	}
}

// triggerWrite refuses a statement of a trigger that stores into an encrypted column.
func (a *analysis) triggerWrite(b *stmt) {
	var t *tags.Table
	check := func(tok int32) {
		if c := t.Column(a.ident(tok)); c != nil && c.Encrypted {
			a.refuse(RuleTrigger, tok, c)
		}
	}
	sets := func(set []assign) {
		for i := range set {
			for _, tok := range set[i].cols {
				check(tok)
			}
		}
	}
	switch {
	case b.ins != nil:
		if t = a.lookup(b.ins.target.name); t == nil {
			return
		}
		if !b.ins.hasCols && b.ins.sel != nil && t.Encrypted() != nil {
			a.refuse(RuleTrigger, b.ins.target.tok, nil)
		}
		for _, tok := range b.ins.cols {
			check(tok)
		}
		for i := range b.ins.upserts {
			sets(b.ins.upserts[i].set)
		}
	case b.upd != nil:
		if t = a.lookup(b.upd.target.name); t != nil {
			sets(b.upd.set)
		}
	}
}
