package sqlgen

import "strings"

// What the generator writes for PostgreSQL only.

// pgPred writes a condition that only PostgreSQL has.
func (g *Generator) pgPred() string {
	c := g.column(!g.trick())
	rels := g.rels[len(g.rels)-1]
	row := "logs"
	if len(rels) > 0 && rels[0].name != "" {
		row = g.name(rels[0].name)
	}
	return one(g,
		c+" = ANY(ARRAY["+g.value("MK1")+", "+g.value("MK2")+"])",
		c+" <> ALL("+g.value("{MK1,MK2}")+"::text[])",
		c+" ILIKE "+g.value("mk%"),
		c+" NOT IN ("+g.value("MK1")+", "+g.value("MK2")+")",
		c+"::text = "+g.value("MK1"),
		c+" ~ "+g.value("MK"),
		c+" BETWEEN SYMMETRIC "+g.value("MK3")+" AND "+g.value("MK1"),
		row+" IS NOT NULL", "("+row+").id = "+g.value("1"),
		c+" = ANY(SELECT "+g.column(false)+")",
		"(SELECT true WHERE "+c+" = "+g.value("MK1")+")",
	)
}

// pgItem writes an item of a select list that only PostgreSQL has.
func (g *Generator) pgItem(text string) (item, name string) {
	rels := g.rels[len(g.rels)-1]
	if len(rels) == 0 || rels[0].name == "" || len(rels[0].cols) == 0 {
		return text, ""
	}
	r := one(g, rels...)
	if r.name == "" || len(r.cols) == 0 {
		return text, ""
	}
	n, c := g.name(r.name), one(g, r.cols...)
	switch g.IntN(9) {
	case 0:
		return "(" + n + ")." + g.name(c), c
	case 1:
		return n + "." + g.name(c) + "::text", c
	case 2:
		return "CAST(" + n + "." + g.name(c) + " AS varchar)", c
	case 3:
		return "count(" + n + ") OVER ()", ""
	case 4:
		return n + " IS NULL", ""
	}
	return one(g, n, "to_json("+n+")", n+"."+one(g, "to_json", "length", "lower"), n+"."+c+"::varchar(5)", "ARRAY["+n+"."+c+"]",
		n+"."+c+" COLLATE \"C\"", "(ARRAY["+n+"."+c+"])[1]", c+"("+n+")", "ROW("+n+".*)", n+"."+c+" AT TIME ZONE 'UTC'"), ""
}

// merge writes a MERGE.
func (g *Generator) merge() string {
	t := g.writeTable()
	text, alias := g.target(t)
	r, item := g.item(nil)
	b := "MERGE INTO " + text + " USING " + item + " ON "
	g.rels = append(g.rels, []relation{alias, r})
	defer func() { g.rels = g.rels[:len(g.rels)-1] }()
	if p := one(g, t.cols...); isPartition(t.name, p) || g.p(0.3) {
		if isPartition(t.name, p) {
			b += g.name(alias.name) + "." + g.name(p) + " = " + g.value(g.forColumn(p)) + " AND "
		}
	}
	b += g.pred()
	cond := func() string {
		if g.p(0.4) {
			return " AND " + g.pred()
		}
		return ""
	}
	for i := 0; i <= g.IntN(2); i++ {
		if g.p(0.6) {
			b += " WHEN MATCHED" + cond() + " THEN "
			var sets []string
			for _, c := range g.someColumns(t) {
				if c != "id" {
					sets = append(sets, g.name(c)+" = "+g.stored(t, c, true))
				}
			}
			switch {
			case sets == nil || g.p(0.1):
				b += one(g, "DELETE", "DO NOTHING")
			default:
				b += "UPDATE SET " + strings.Join(sets, ", ")
			}
			continue
		}
		b += " WHEN NOT MATCHED" + cond() + " THEN INSERT "
		cols := g.someColumns(t)
		var vals, names []string
		for _, c := range cols {
			names = append(names, g.name(c))
			vals = append(vals, g.stored(t, c, false))
		}
		b += "(" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(vals, ", ") + ")"
	}
	return b
}
