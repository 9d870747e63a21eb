package sqlplan

import "github.com/asherah-sql/asherah-sql/tags"

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
	switch d.op {
	case ddlCreateTable, ddlAlterAdd:
		if t != nil {
			a.columnDefs(t, d.columns)
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
			a.indexPredicate(t, d.where)
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
		c := t.Column(a.ident(defs[i].name))
		if c == nil || !c.Encrypted {
			continue
		}
		if defs[i].deflt != nil && bare(defs[i].deflt).op != opNull {
			a.refuse(RuleDefault, defs[i].name, c)
		}
		if defs[i].generated >= 0 {
			a.refuse(RuleGenerated, defs[i].generated, c)
		}
	}
}

// indexPredicate refuses a predicate in which an encrypted column stands with a literal: it would be compared
// with plaintext, and the literal be kept in the schema.
func (a *analysis) indexPredicate(t *tags.Table, e *expr) {
	var col *tags.Column
	literal := false
	for i := e.tok; i < e.end; i++ {
		switch tok := &a.toks[i]; tok.kind {
		case tWord, tQuoted:
			if c := t.Column(a.ident(i)); c != nil && c.Encrypted {
				col = c
			} else if tok.kind == tQuoted && c == nil {
				literal = true // a double-quoted name that is no column is a string
			}
		case tString, tBlob, tInteger, tFloat, tParam:
			literal = true
			if tok.kind != tString {
				break
			}
			if c := t.Column(a.ident(i)); c != nil && c.Encrypted {
				col = c
			}
		}
	}
	if col != nil && literal {
		a.refuse(RuleIndexPredicate, e.tok, col)
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
