package sqlgen

import (
	"fmt"
	"strings"
)

// What the generator writes for MariaDB only.

// myLiteral writes a string as one of the literals that the mode has.
func (g *Generator) myLiteral(x string) string {
	forms := []string{"'" + x + "'", "'" + x + "'", "'" + x + "'", "N'" + x + "'", "_utf8mb4'" + x + "'", fmt.Sprintf("X'%x'", x), fmt.Sprintf("0x%x", x),
		"'" + x[:1] + "' '" + x[1:] + "'", "'" + x[:1] + "'\n'" + x[1:] + "'", "'" + x + "' COLLATE utf8mb4_bin", "_binary'" + x + "'", fmt.Sprintf("_utf8mb4 0x%x", x),
		"'" + x + "' /*!50000 '' */", "'" + x + "' /*!999999 'x' */"}
	if !g.mode.AnsiQuotes {
		forms = append(forms, `"`+x+`"`, `"`+x+`"`, `'`+x[:1]+`' "`+x[1:]+`"`)
	}
	if g.mode.BackslashEscapes {
		forms = append(forms, `'\`+x+`'`) // \M is M
	}
	return one(g, forms...)
}

// myPred writes a condition that only MySQL and MariaDB have.
func (g *Generator) myPred() string {
	c := g.column(!g.trick())
	return one(g,
		c+" <=> "+g.value("MK1"),
		c+" RLIKE "+g.value("MK"),
		c+" NOT IN ("+g.value("MK1")+", "+g.value("MK2")+")",
		"find_in_set("+c+", "+g.value("MK1,MK2")+")",
		"!"+g.column(false)+" <=> NULL",
		"NOT "+c+" = "+g.value("MK1"),
		"NOT "+c+" BETWEEN "+g.value("MK1")+" AND "+g.value("MK3"),
		c+" SOUNDS LIKE "+g.value("MK1"),
		"binary "+c+" = "+g.value("MK1"),
		c+" COLLATE utf8mb4_bin LIKE "+g.value("MK_")+" ESCAPE '|'",
		"isnull("+g.column(false)+")",
		"("+c+", "+g.column(true)+") IN (("+g.value("MK1")+", "+g.value("1")+"), ("+g.value("MK2")+", "+g.value("2")+"))",
		c+" = ANY (SELECT note FROM items)", // without FROM it can end MariaDB 10.11
		c+" = "+g.value("MK1")+" && "+g.column(false)+" IS NOT NULL",
		c+" = "+g.value("MK1")+" XOR "+g.column(false)+" IS NULL",
		"MATCH ("+c+") AGAINST ("+g.value("MK1")+")",
	)
}

// myItem writes an item of a select list that only MySQL and MariaDB have, or takes for an alias what others don't.
func (g *Generator) myItem() string {
	c := g.column(true)
	return one(g, "group_concat("+c+" ORDER BY "+c+" SEPARATOR ', ')", "if("+g.pred()+", "+c+", "+g.value("MK1")+")", "ifnull("+c+", "+g.value("MK2")+")",
		"convert("+c+" USING utf8mb4)", "cast("+c+" AS char)", "binary "+c, c+" COLLATE utf8mb4_general_ci", "concat_ws(',', "+c+", "+g.value("MK3")+")",
		"@x := "+c, "json_object('k', "+c+")", "isnull("+g.column(false)+")", "if("+g.column(false)+" IS NULL, 1, 0)", "char_length("+c+")",
		"any_value("+c+")", "'MK1' 'x'", "substring("+c+" FROM 1 FOR 2)", "trim(LEADING 'M' FROM "+c+")", c+" 'alias'", "values("+c+")", "extractvalue("+c+", '/a')",
		"cast("+c+" AS char) = "+g.value("MK1"), "null", "-1", "interval(1, 2, 3)", g.column(false)+" IS NULL AS e")
}

// mySet writes assignments.
func (g *Generator) mySet(t, alias relation, cols []string, partitions float64) string {
	var sets []string
	for _, c := range cols {
		if c == "id" || isPartition(t.name, c) && !g.p(partitions) {
			continue
		}
		left := g.nm(c)
		if g.p(0.1) {
			left = g.rel(alias.name) + "." + left
		}
		sets = append(sets, left+g.sp()+one(g, "=", "=", "=", ":=")+g.sp()+g.stored(t, c, true))
	}
	if len(sets) == 0 {
		c := t.cols[len(t.cols)-1]
		sets = append(sets, g.nm(c)+" = "+g.stored(t, c, true))
	}
	return strings.Join(sets, ", ")
}

func (g *Generator) myInsert() string {
	t := g.writeTable()
	verb := one(g, "INSERT INTO ", "INSERT INTO ", "INSERT ", "REPLACE INTO ", "REPLACE ", "INSERT HIGH_PRIORITY INTO ", "INSERT /*!50000 INTO */ ")
	if g.trick() {
		verb = one(g, "INSERT IGNORE INTO ", "INSERT LOW_PRIORITY INTO ", "REPLACE DELAYED ")
	}
	b := verb + g.qualified(t.name)
	cols := g.someColumns(t)
	switch {
	case g.p(0.15):
		b += " SET " + g.mySet(t, t, cols, 1)
	case g.p(0.03):
		b += one(g, " () VALUES ()", " VALUES ()")
	default:
		if g.p(0.1) {
			cols = t.cols
		} else {
			var names []string
			for _, c := range cols {
				names = append(names, g.nm(c))
			}
			b += g.sp() + "(" + strings.Join(names, ",") + ")"
		}
		if g.p(0.12) {
			b += " " + g.insertSelect(t, cols)
			break
		}
		var rows []string
		for i := 0; i <= g.IntN(3); i++ {
			var vals []string
			for _, c := range cols {
				vals = append(vals, g.stored(t, c, false))
			}
			rows = append(rows, "("+strings.Join(vals, ","+g.sp())+")")
		}
		b += g.sp() + one(g, "VALUES ", "VALUES ", "VALUE ") + strings.Join(rows, ", ")
	}
	if g.p(0.35) && !strings.HasPrefix(verb, "REPLACE") {
		b += g.myUpsert(t)
	}
	return b + g.returning(t)
}

func (g *Generator) myUpsert(t relation) string {
	g.rels = append(g.rels, []relation{t})
	defer func() { g.rels = g.rels[:len(g.rels)-1] }()
	var sets []string
	for _, c := range g.someColumns(t) {
		if c == "id" {
			continue
		}
		v := g.stored(t, c, true)
		if g.p(0.6) {
			v = one(g, "VALUES(", "values(", "VALUE(") + g.name(c) + ")"
			if g.p(0.1) {
				v = "VALUES(" + g.rel(t.name) + "." + g.name(c) + ")"
			}
		}
		sets = append(sets, g.nm(c)+" = "+v)
	}
	if len(sets) == 0 {
		sets = append(sets, "id = id")
	}
	return " ON DUPLICATE KEY UPDATE " + strings.Join(sets, ", ")
}

// myWhere writes a condition that mostly pins the partition or the row.
func (g *Generator) myWhere(t, alias relation) string {
	b := ""
	if g.p(0.5) {
		for _, c := range []string{"tenant_id", "region", "tenant"} {
			if contains(t.cols, c) && g.p(0.7) {
				b += g.rel(alias.name) + "." + g.name(c) + one(g, " = ", " = ", " <=> ") + g.value(g.forColumn(c)) + one(g, " AND ", " AND ", " && ")
			}
		}
		if g.p(0.5) {
			return b + g.rel(alias.name) + ".id = " + g.value(1+g.IntN(4))
		}
	}
	return b + g.pred()
}

func (g *Generator) myUpdate() string {
	t := g.writeTable()
	text, alias := g.target(t)
	b := one(g, "UPDATE ", "UPDATE ", "UPDATE ", "UPDATE LOW_PRIORITY ") + text
	if g.trick() {
		b = "UPDATE IGNORE " + text
	}
	rels := []relation{alias}
	several := g.p(0.2)
	g.rels = append(g.rels, rels)
	defer func() { g.rels = g.rels[:len(g.rels)-1] }()
	if several {
		r, item := g.item(nil)
		rels = append(rels, r)
		g.rels[len(g.rels)-1] = rels
		join := one(g, ", ", " JOIN ", " LEFT JOIN ", " INNER JOIN ")
		b += join + item
		if join != ", " {
			b += " ON " + g.rel(alias.name) + ".id = " + g.rel(r.name) + ".id"
		}
	}
	b += g.sp() + "SET " + g.mySet(t, alias, g.someColumns(t), 0.2)
	if g.p(0.85) {
		b += " WHERE " + g.myWhere(t, alias)
	}
	if !several && g.p(0.1) {
		b += one(g, " ORDER BY id", " ORDER BY id DESC LIMIT 2", " ORDER BY id LIMIT 1")
	}
	return b
}

func (g *Generator) myDelete() string {
	t := g.writeTable()
	g.rels = append(g.rels, []relation{t})
	defer func() { g.rels = g.rels[:len(g.rels)-1] }()
	if g.p(0.3) {
		text, alias := g.target(t)
		r, item := g.item(nil)
		g.rels[len(g.rels)-1] = []relation{alias, r}
		n := g.rel(alias.name)
		if g.p(0.5) {
			return "DELETE FROM " + n + " USING " + text + ", " + item + " WHERE " + g.pred()
		}
		return "DELETE " + n + one(g, "", ".*") + " FROM " + text + " LEFT JOIN " + item + " ON " + g.pred() + " WHERE " + g.pred()
	}
	return "DELETE FROM " + g.qualified(t.name) + " WHERE " + g.pred() + one(g, "", " ORDER BY id LIMIT 1") + g.returning(t)
}
