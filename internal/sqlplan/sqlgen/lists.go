package sqlgen

import (
	"fmt"
	"strings"
)

// Statements that bring rows along and read them like a table.

// rows writes a list of rows for some columns of a table, as an item of FROM, and the WITH clause that it needs.
func (g *Generator) rows(t relation, cols []string) (with, item string, r relation) {
	r = relation{one(g, "d", "d", "_data", "x"), cols}
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = g.nm(c)
	}
	list := "(" + strings.Join(names, ", ") + ")"
	if g.pg && g.p(0.3) {
		return "", g.arrays(t, cols) + " AS " + g.rel(r.name) + " " + list, r
	}
	style := g.style
	defer func() { g.style = style }()
	if g.my {
		g.style = 3 // MariaDB loses placeholders in VALUES when they aren't put into the text
	}
	var rows []string
	for i := 0; i <= g.IntN(3); i++ {
		vals := make([]string, len(cols))
		for j, c := range cols {
			vals[j] = g.listed(t, c)
		}
		rows = append(rows, "("+strings.Join(vals, ", ")+")")
	}
	values := "VALUES" + g.sp() + strings.Join(rows, ", ")
	cte := g.rel(r.name) + " " + list + " AS (" + values + ")"
	switch {
	case g.my:
		item = "(WITH " + cte + " " + g.selectOf(r) + ") AS " + g.rel(r.name)
	case g.pg && g.p(0.5):
		item = "(" + values + ") AS " + g.rel(r.name) + " " + list
	default:
		with, item = "WITH "+cte+" ", g.rel(r.name)
		if g.p(0.3) {
			item = "(" + g.selectOf(r) + ") AS " + g.rel(r.name)
		} else if g.p(0.2) {
			r.name, item = "y", item+" AS y"
		}
	}
	return with, item, r
}

// listed writes a value of a list. It isn't a number or a truth value where that would decide the type of a column.
func (g *Generator) listed(t relation, col string) string {
	switch v := g.stored(t, col, false); v {
	case "TRUE", "false", "-5", "+5", "17", "1000":
		if !g.pg {
			return v
		}
	case "DEFAULT":
	default:
		return v
	}
	return "NULL"
}

// arrays writes UNNEST of an array for each column.
func (g *Generator) arrays(t relation, cols []string) string {
	n := 1 + g.IntN(3)
	constructed := g.p(0.4)
	list := make([]string, len(cols))
	for i, c := range cols {
		elements := make([]string, n)
		for j := range elements {
			if constructed {
				elements[j] = g.listed(t, c)
				continue
			}
			elements[j] = "NULL"
			if v := g.storable(t, c); v != nil {
				elements[j] = fmt.Sprint(v)
			}
		}
		switch {
		case constructed && !g.trick():
			list[i] = "ARRAY[" + strings.Join(elements, ", ") + "]" + one(g, "", "::text[]")
		default:
			list[i] = g.value("{"+strings.Join(elements, ",")+"}") + one(g, "::text[]", "::text[]", "::varchar[]")
		}
	}
	return one(g, "unnest", "UNNEST", "pg_catalog.unnest") + "(" + strings.Join(list, ", ") + ")"
}

// selectOf writes a query that hands the columns of a list on, mostly.
func (g *Generator) selectOf(r relation) string {
	cols := "*"
	if g.p(0.4) {
		list := make([]string, len(r.cols))
		for i, c := range r.cols {
			list[i] = g.name(c)
		}
		cols = strings.Join(list, ", ")
	}
	b := "SELECT " + cols + " FROM " + g.rel(r.name)
	if g.trick() {
		c := g.name(one(g, r.cols...))
		b = one(g, "SELECT DISTINCT "+cols+" FROM "+g.rel(r.name), b+" ORDER BY "+c, b+" UNION ALL "+b, b+" WHERE "+c+" IS NOT NULL", b+" WHERE "+c+" <> "+g.value("MK1"))
	}
	return b
}

// many writes a statement over such a list.
func (g *Generator) many() string {
	t := g.writeTable()
	cols := []string{"id"}
	for _, c := range g.someColumns(t) {
		if c != "id" {
			cols = append(cols, c)
		}
	}
	with, item, r := g.rows(t, cols)
	if g.p(0.3) {
		return g.insertMany(t, with, item, r)
	}
	alias := t
	if alias.name = one(g, "u", t.name); g.my || alias.name == t.name {
		alias.name = t.name
	}
	target := g.qualified(t.name)
	if alias.name != t.name {
		target += " AS " + g.rel(alias.name)
	}
	g.rels = append(g.rels, []relation{alias, r})
	defer func() { g.rels = g.rels[:len(g.rels)-1] }()
	on := g.rel(alias.name) + ".id = " + g.rel(r.name) + ".id"
	var sets, names, vals []string
	for _, c := range cols {
		from := g.rel(r.name) + "." + g.name(c)
		if g.trick() {
			from = one(g, g.rel(r.name)+"."+g.name(one(g, r.cols...)), "lower("+from+")", "CAST("+from+" AS "+one(g, g.textTypes()...)+")", g.stored(t, c, true))
		}
		names, vals = append(names, g.nm(c)), append(vals, from)
		if c == "id" {
			continue
		}
		if isPartition(t.name, c) && g.p(0.7) {
			on += " AND " + g.rel(alias.name) + "." + g.name(c) + " = " + g.rel(r.name) + "." + g.name(c)
			continue
		}
		left := g.nm(c)
		if g.my {
			left = g.rel(alias.name) + "." + left
		}
		sets = append(sets, left+" = "+from)
	}
	if len(sets) == 0 {
		sets = []string{g.nm(t.cols[len(t.cols)-1]) + " = NULL"}
	}
	set := strings.Join(sets, ", ")
	switch {
	case g.pg && g.p(0.3):
		b := with + "MERGE INTO " + target + " USING " + item + " ON " + on + " WHEN MATCHED THEN UPDATE SET " + set
		if g.p(0.5) {
			b += " WHEN NOT MATCHED THEN INSERT (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(vals, ", ") + ")"
		}
		return b
	case g.my:
		return "UPDATE " + target + ", " + item + " SET " + set + " WHERE " + on
	}
	b := with + "UPDATE " + target + " SET " + set + " FROM " + item + " WHERE " + on
	if g.p(0.1) {
		b += " AND " + g.pred()
	}
	if g.pg && g.p(0.2) {
		b += " RETURNING " + g.rel(alias.name) + "." + g.name(one(g, t.cols...))
	}
	return b
}

// insertMany writes an INSERT of a list's rows.
func (g *Generator) insertMany(t relation, with, item string, r relation) string {
	var names, vals []string
	for _, c := range r.cols {
		v := g.rel(r.name) + "." + g.name(c)
		switch {
		case g.trick():
			v = one(g, g.rel(r.name)+"."+g.name(one(g, r.cols...)), g.stored(t, c, true))
		case isPartition(t.name, c) && g.p(0.2):
			v = g.value(g.forColumn(c))
		}
		names, vals = append(names, g.nm(c)), append(vals, v)
	}
	b := with + "INSERT INTO " + g.qualified(t.name) + " (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(vals, ", ") + " FROM " + item
	if !g.my && g.p(0.3) {
		b += " WHERE true ON CONFLICT DO NOTHING"
	}
	return b
}
