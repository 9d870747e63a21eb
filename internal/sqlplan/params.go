package sqlplan

import (
	"slices"
	"strconv"
)

// paramStyle is how the placeholders of a text are written.
type paramStyle uint8

const (
	styleNone     paramStyle = iota
	styleQuestion            // ?
	styleNumbered            // ?1, $1, :1
	styleNamed               // :name, @name, $name
	styleMixed
)

// params lists the placeholders of the whole text, from its tokens: what the analysis overlooks is found by
// checkRoles, since it is in this list.
func (a *analysis) params() {
	p := a.plan
	n := 0
	for i := range a.toks {
		if a.toks[i].kind == tParam {
			n++
		}
	}
	if n == 0 {
		return
	}
	offsets := make([]int, 0, n)
	p.Params = make([]Param, 0, n)
	var names map[string]int32
	for i := range a.toks {
		t := &a.toks[i]
		if t.kind != tParam {
			continue
		}
		s := a.text[t.off:t.end]
		style, number := paramText(s)
		if a.style == styleNone {
			a.style = style
		} else if a.style != style {
			a.style = styleMixed
		}
		idx := int32(-1)
		switch style {
		case styleQuestion:
			p.Params = append(p.Params, Param{Index: len(p.Params) + 1})
			idx = int32(len(p.Params) - 1)
		case styleNumbered:
			if number < 1 || number > a.f.maxParam {
				a.refuseAt(RuleParamNumber, int(t.off))
			}
			for len(p.Params) < number {
				p.Params = append(p.Params, Param{Index: len(p.Params) + 1})
			}
			idx = int32(number - 1)
		default:
			if names == nil {
				names = make(map[string]int32)
			}
			have, ok := names[s]
			if !ok {
				p.Params = append(p.Params, Param{Index: len(p.Params) + 1, Name: s[1:]})
				have = int32(len(p.Params) - 1)
				names[s] = have
			}
			idx = have
		}
		a.uses = append(a.uses, paramUse{int32(i), idx})
		q := &p.Params[idx]
		if q.Offsets == nil {
			offsets = append(offsets, int(t.off))
			q.Offsets = offsets[len(offsets)-1 : len(offsets) : len(offsets)]
		} else {
			q.Offsets = append(q.Offsets, int(t.off))
		}
	}
}

// paramText returns the style of a placeholder, and its number.
func paramText(s string) (paramStyle, int) {
	if s == "?" {
		return styleQuestion, 0
	}
	for i := 1; i < len(s); i++ {
		if !isDigit(s[i]) {
			return styleNamed, 0
		}
	}
	if s[0] == '@' {
		return styleNamed, 0
	}
	n, err := strconv.Atoi(s[1:])
	if err != nil {
		return styleNumbered, -1
	}
	return styleNumbered, n
}

// param returns the index of the Param that a placeholder token stands for.
func (a *analysis) param(tok int32) int {
	i, ok := slices.BinarySearchFunc(a.uses, tok, func(u paramUse, tok int32) int { return int(u.tok - tok) })
	if !ok {
		a.refuse(RuleUnaccounted, tok, nil)
	}
	return int(a.uses[i].idx)
}

// checkParams refuses placeholders that drivers bind in different ways.
func (a *analysis) checkParams() {
	if len(a.uses) == 0 {
		return
	}
	first := int(a.toks[a.uses[0].tok].off)
	switch a.style {
	case styleMixed:
		a.refuseAt(RuleParamStyles, first)
	case styleNumbered:
		// SQLite numbers `$2` and `:2` in the order of their first appearance, `?2` by the number in it.
		seen := 0
		for _, u := range a.uses {
			if s := a.text[a.toks[u.tok].off]; s != '?' && a.f.firstUse {
				if int(u.idx) > seen {
					a.refuseAt(RuleParamNumber, int(a.toks[u.tok].off))
				}
				seen = max(seen, int(u.idx)+1)
			}
			if a.text[a.toks[u.tok].off] != a.text[first] || a.text[a.toks[u.tok].off+1] == '0' {
				a.refuseAt(RuleParamStyles, int(a.toks[u.tok].off))
			}
		}
	case styleNamed:
		// Drivers know names without their prefix: :a and @a would be one argument or two.
		names := make(map[string]int32, len(a.plan.Params))
		for _, u := range a.uses {
			n := a.plan.Params[u.idx].Name
			if have, ok := names[n]; ok && have != u.idx {
				a.refuseAt(RuleParamStyles, int(a.toks[u.tok].off))
			}
			names[n] = u.idx
		}
	}
	a.checkStatements()
}

// checkStatements refuses placeholders in several statements: some drivers bind each statement from the first
// argument, others go on counting. On MySQL such a text can't be prepared, and drivers that put the arguments into
// it count on.
func (a *analysis) checkStatements() {
	if a.f.mysql {
		return
	}
	in := -1
	u, l := 0, 0
	for i, s := range a.stmts {
		has := false
		for u < len(a.uses) && a.uses[u].tok < s.end {
			has = true
			u++
		}
		for l < len(a.lookups) && a.lookups[l].stmt == i {
			has = true
			l++
		}
		if !has {
			continue
		}
		if in >= 0 {
			a.refuseAt(RuleParamStatements, a.plan.Statements[i].Offset)
		}
		in = i
	}
}

// role is how often a parameter is sealed, and the index of the first of its values.
type role struct{ count, first int32 }

// checkRoles refuses a placeholder that is sealed at one place and stands at another where it would have to
// be something else. The argument is one, so it can be sealed once, for one column and one partition.
func (a *analysis) checkRoles() {
	p := a.plan
	roles := append(a.roles[:0], make([]role, len(p.Params))...)
	a.roles = roles
	for i := range p.Values {
		v := &p.Values[i]
		if v.Source.Param == 0 {
			continue
		}
		n := v.Source.Param - 1
		r := &roles[n]
		r.count++
		if r.count == 1 {
			r.first = int32(i)
			continue
		}
		w := &p.Values[r.first]
		if v.Column != w.Column || v.Array != w.Array || v.Unused != w.Unused || !samePartition(&v.Partition, &w.Partition) {
			a.refuseRole(v, n)
		}
	}
	for n, r := range roles {
		if r.count > 0 && int(r.count) != len(p.Params[n].Offsets) {
			a.refuseRole(&p.Values[r.first], n)
		}
	}
}

func (a *analysis) refuseRole(v *Value, param int) {
	q := &a.plan.Params[param]
	panic(&RefusedError{
		Table: v.Column.Table.String(), Column: v.Column.Name, Ordinal: q.Index,
		Offset: q.Offsets[len(q.Offsets)-1], Rule: RuleParamRoles, Remedy: remedies[RuleParamRoles],
	})
}

// samePartition reports whether two partitions are surely the same.
func samePartition(a, b *Partition) bool {
	if a.From != b.From || a.Lookup != b.Lookup || a.Array != b.Array || len(a.Sources) != len(b.Sources) {
		return false
	}
	for i := range a.Sources {
		if !sameSource(&a.Sources[i], &b.Sources[i]) {
			return false
		}
	}
	return true
}

func sameSource(a, b *Source) bool {
	if a.Param != b.Param {
		return false
	}
	if a.Literal == nil || b.Literal == nil {
		return a.Literal == b.Literal
	}
	switch x := a.Literal.Value.(type) {
	case string, int64:
		return x == b.Literal.Value
	}
	return false
}

// placeholder is one that the plan adds, for a partition that is looked up.
type placeholder struct {
	stmt   int // index of its statement
	lookup int
	offset int // where it is inserted
}

// arguments says which arguments the edited text takes. Without added placeholders it takes the user's.
func (a *analysis) arguments() {
	if len(a.lookups) == 0 {
		return
	}
	p := a.plan
	args := make([]Arg, 0, len(p.Params)+len(a.lookups))
	if a.style != styleQuestion && a.style != styleNone {
		for i := range p.Params {
			args = append(args, Arg{Param: i + 1, Name: p.Params[i].Name})
		}
		for i, l := range a.lookups {
			arg := Arg{Lookup: l.lookup + 1}
			if a.style == styleNamed {
				arg.Name = a.lookupName(i)
			}
			args = append(args, arg)
		}
		p.Args = args
		return
	}
	n := 0
	for _, l := range a.lookups {
		for n < len(p.Params) && p.Params[n].Offsets[0] < l.offset {
			args = append(args, Arg{Param: n + 1})
			n++
		}
		args = append(args, Arg{Lookup: l.lookup + 1})
	}
	for ; n < len(p.Params); n++ {
		args = append(args, Arg{Param: n + 1})
	}
	p.Args = args
}

// lookupName returns the name of the ith added placeholder, one that the text doesn't use.
func (a *analysis) lookupName(i int) string {
	name := "asherah_partition" + strconv.Itoa(i+1)
	for a.hasParam(name) {
		name += "_"
	}
	return name
}

func (a *analysis) hasParam(name string) bool {
	a.spend(len(a.plan.Params))
	for i := range a.plan.Params {
		if equalFold(a.plan.Params[i].Name, name) {
			return true
		}
	}
	return false
}

// lookupText returns the text of the ith added placeholder.
func (a *analysis) lookupText(i int) string {
	switch a.style {
	case styleNamed:
		return ":" + a.lookupName(i)
	case styleNumbered:
		prefix := a.text[a.toks[a.uses[0].tok].off]
		return string(prefix) + strconv.Itoa(len(a.plan.Params)+i+1)
	}
	if a.f.numbered {
		return "$" + strconv.Itoa(len(a.plan.Params)+i+1)
	}
	return "?"
}
