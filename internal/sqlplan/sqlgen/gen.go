package sqlgen

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// Generator makes random statements over the tables of the tests: nested, shadowed, quoted and aliased in ways that
// no program would write. Every value that it writes holds the marker "MK", but for numbers in id columns.
//
// A Generator isn't safe for concurrent use.
type Generator struct {
	*rand.Rand

	// Args are the arguments of the statement that Statement wrote: of `?`, `?1` and `$1` by number, of `:p1` by
	// the number in the name.
	Args []any
	// Secret stands at the front of each value that is stored into an encrypted column, but for numbers.
	Secret string

	pg, my bool // statements of PostgreSQL, of MariaDB
	mode   Mode
	style  int // 0: ?, 1: ?1, 2: :name, 3: literals only
	depth  int
	rels   [][]relation // by scope, innermost last
	ctes   []relation
	made   []any   // values of all placeholders, whether they are in the text or not
	tricks float64 // how often something is done that is likely to be refused
}

type relation struct {
	name string
	cols []string
}

var tables = []relation{
	{"users", []string{"id", "tenant_id", "email", "ssn", "name", "pin", "admin", "note", "region", "extra"}},
	{"customers", []string{"id", "created_at", "updated_at", "deleted_at", "name", "email", "phone", "card", "age"}},
	{"orders", []string{"id", "customer_id", "item", "card_no"}},
	{"documents", []string{"id", "tenant", "body"}},
	{"logs", []string{"id", "at", "line", "tenant_id"}},
	{"mails", []string{"id", "email", "name", "users"}},
}

var encrypted = map[string]map[string]string{
	"users": {"email": "tenant_id", "ssn": "tenant_id", "pin": "tenant_id", "admin": "tenant_id",
		"note": "region"},
	"customers": {"email": "", "phone": "", "card": ""},
	"orders":    {"card_no": ""},
	"documents": {"body": "tenant"},
}

// isEncryptedAnywhere is a guess by the name, to steer the generator.
func isEncryptedAnywhere(col string) bool {
	for _, t := range encrypted {
		if _, ok := t[col]; ok {
			return true
		}
	}
	return false
}

// Mode is what of a connection's mode the texts depend on: MariaDB's sql_mode.
type Mode struct{ AnsiQuotes, BackslashEscapes, PipesConcat bool }

// New returns a generator of one statement of a database, the same one for each seed.
func New(d dialect.Dialect, m Mode, seed uint64) *Generator {
	g := &Generator{Rand: rand.New(rand.NewPCG(seed, 7)), pg: d == dialect.Postgres, my: d == dialect.MySQL, mode: m}
	g.style = g.IntN(4)
	g.tricks = []float64{0, 0.02, 0.1, 0.3}[g.IntN(4)]
	return g
}

func (g *Generator) p(x float64) bool { return g.Float64() < x }

func (g *Generator) trick() bool { return g.p(g.tricks) }

func one[T any](g *Generator, list ...T) T { return list[g.IntN(len(list))] }

// sp is a gap between tokens.
func (g *Generator) sp() string {
	if g.p(0.93) {
		return " "
	}
	if g.my && g.p(0.4) {
		return one(g, " # ' ; `\n", "/*! */", "/*!50000 */", " /*!999999 ' */", "/*M!100000 */", " --\n", "-- '\n")
	}
	return one(g, "\n", "\t ", "/* ' ; */", " -- ; \"\n", "/**/", " \f")
}

// name writes an identifier, in any quotes.
func (g *Generator) name(n string) string {
	if g.pg {
		switch g.IntN(20) {
		case 0, 1:
			return `"` + n + `"`
		case 2:
			return strings.ToUpper(n)
		case 3:
			return fmt.Sprintf(`U&"\%04x%s"`, n[0], n[1:])
		}
		return n
	}
	if g.my {
		switch g.IntN(12) {
		case 0, 1:
			return "`" + n + "`"
		case 2:
			if g.mode.AnsiQuotes {
				return `"` + n + `"`
			}
		case 3:
			return strings.ToUpper(n[:1]) + n[1:]
		}
		return n
	}
	switch g.IntN(14) {
	case 0:
		return `"` + n + `"`
	case 1:
		return "`" + n + "`"
	case 2:
		return "[" + n + "]"
	case 3:
		return strings.ToUpper(n)
	}
	return n
}

// nm writes an identifier where SQLite takes a string for one too.
func (g *Generator) nm(n string) string {
	if !g.pg && !g.my && g.p(0.04) {
		return "'" + n + "'"
	}
	return g.name(n)
}

// rel writes the name of a table or an alias, whose case counts in MariaDB.
func (g *Generator) rel(n string) string {
	if g.my {
		return one(g, n, n, n, "`"+n+"`")
	}
	return g.nm(n)
}

// value writes a value: a placeholder or a literal.
func (g *Generator) value(v any) string {
	if v == nil {
		if g.p(0.7) || g.style == 3 {
			return "NULL"
		}
	}
	if n, ok := v.(int); ok && (g.pg || g.my) {
		v = fmt.Sprint(n) // all columns are texts
	}
	if g.style != 3 && g.p(0.7) {
		return g.param(v)
	}
	if x, ok := v.(string); ok && g.pg {
		return one(g, "'"+x+"'", "'"+x+"'", "'"+x+"'", "E'"+x+"'", "$q$"+x+"$q$", "U&'"+x+"'", "'"+x+"'::text", "text '"+x+"'",
			fmt.Sprintf(`E'\x%02x%s'`, x[0], x[1:]), "'"+x[:1]+"'\n'"+x[1:]+"'")
	}
	if x, ok := v.(string); ok && g.my {
		return g.myLiteral(x)
	}
	switch x := v.(type) {
	case int:
		return one(g, fmt.Sprint(x), fmt.Sprintf("0x%x", x))
	case string:
		if g.p(0.1) {
			return fmt.Sprintf("X'%x'", x)
		}
		return "'" + x + "'"
	}
	return "NULL"
}

// param writes a placeholder, whose form and number bind decides.
func (g *Generator) param(v any) string {
	if len(g.made) > 0 && (g.pg || !g.my && g.style != 0) && g.p(0.08) {
		n := g.IntN(len(g.made))
		if x, ok := g.made[n].(string); !ok || g.Secret == "" || !strings.HasPrefix(x, g.Secret) {
			return fmt.Sprintf("\x00%d\x00", n) // a secret may not have come into the text elsewhere
		}
	}
	g.made = append(g.made, v)
	return fmt.Sprintf("\x00%d\x00", len(g.made)-1)
}

// bind gives the placeholders that came into the text their form, and makes Args: not all that was made was used.
func (g *Generator) bind(text string) string {
	var b strings.Builder
	numbers := map[string]int{}
	for i, part := range strings.Split(text, "\x00") {
		if i%2 == 0 {
			b.WriteString(part)
			continue
		}
		made, _ := strconv.Atoi(part)
		n, ok := numbers[part]
		if !ok || g.my || !g.pg && g.style == 0 {
			g.Args = append(g.Args, g.made[made])
			n = len(g.Args)
			numbers[part] = n
		}
		switch {
		case g.pg:
			fmt.Fprintf(&b, "$%d", n)
		case !g.my && g.style == 1:
			fmt.Fprintf(&b, "?%d", n)
		case !g.my && g.style == 2:
			fmt.Fprintf(&b, ":p%d", n)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// marker is a string value.
func (g *Generator) marker() any {
	return one[any](g, "MK1", "MK2", "MK3", "MK1", "MK''4"[:2]+"4")
}

// forColumn makes a value that fits a column.
func (g *Generator) forColumn(col string) any {
	switch col {
	case "id", "customer_id":
		return 1 + g.IntN(5)
	case "region", "tenant", "age":
		return 1 + g.IntN(2)
	case "tenant_id":
		return one[any](g, "MKta", "MKtb")
	}
	if g.p(0.08) {
		return nil
	}
	return g.marker()
}

// table picks a base table.
func (g *Generator) table() relation {
	if g.p(0.45) {
		return tables[0]
	}
	return one(g, tables...)
}

// qualified writes a table's name with or without a schema.
func (g *Generator) qualified(n string) string {
	switch {
	case n == "documents":
		if g.p(0.5) || g.my {
			return g.rel("archive") + "." + g.rel(n)
		}
	case g.p(0.08):
		return one(g, g.schema()) + "." + g.rel(n)
	}
	return g.rel(n)
}

var genAliases = []string{"u", "x", "users", "logs", "email", "t", "mails"}
var genLabels = []string{"email", "e", "name", "tenant_id", "id", "note", "a b", "ssn"}

// column writes a reference to a column in scope; plain steers away from encrypted ones.
func (g *Generator) column(plain bool) string {
	for try := 0; try < 20; try++ {
		level := len(g.rels) - 1
		if g.p(0.12) {
			level = g.IntN(len(g.rels))
		}
		rels := g.rels[level]
		if len(rels) == 0 {
			continue
		}
		r := one(g, rels...)
		if len(r.cols) == 0 {
			continue
		}
		c := one(g, r.cols...)
		if plain && isEncryptedAnywhere(c) && !g.trick() {
			continue
		}
		if r.name == "" || g.p(0.4) && (len(rels) == 1 || g.p(0.3)) {
			return g.name(c)
		}
		return g.rel(r.name) + "." + g.nm(c)
	}
	return "1"
}

// pred writes a condition.
func (g *Generator) pred() string {
	g.depth++
	defer func() { g.depth-- }()
	if g.depth > 4 {
		return g.yes()
	}
	if g.pg && g.p(0.12) {
		return g.pgPred()
	}
	if g.my && g.p(0.12) {
		return g.myPred()
	}
	c := g.column(true)
	switch g.IntN(15) {
	case 10:
		return "(" + c + ", " + g.column(true) + ") " + one(g, "=", "<>", "<") + " (" + g.value("MK1") + ", " + g.value(1) + ")"
	case 11:
		return "CASE " + c + " WHEN " + g.value("MK1") + " THEN " + g.yes() + " WHEN " + g.column(true) + " THEN " + g.no() + " END"
	case 12:
		return c + " IN (" + g.sel(1) + ") AND " + g.column(false) + " IS NOT NULL"
	case 0:
		return g.column(false) + g.sp() + one(g, g.nullTests()...)
	case 1:
		return "(" + g.pred() + g.sp() + "OR" + g.sp() + g.pred() + ")"
	case 2:
		return g.pred() + g.sp() + "AND" + g.sp() + g.pred()
	case 3:
		return "NOT" + g.sp() + g.pred()
	case 4:
		return one(g, "", "NOT ") + "EXISTS (" + g.sel(1) + ")"
	case 5:
		return c + " IN (" + g.value(g.marker()) + "," + g.value(2) + ")"
	case 6:
		return c + " IN (" + g.sel(1) + ")"
	case 7:
		return c + " BETWEEN " + g.value(1) + " AND " + g.value("MK9")
	case 8:
		return c + " LIKE " + g.value("MK%")
	case 9:
		return "lower(" + c + ") = " + g.value("mk1")
	}
	col := c[strings.LastIndexAny(c, ".")+1:]
	return c + g.sp() + one(g, g.comparisons()...) + g.sp() +
		g.value(g.forColumn(strings.ToLower(strings.Trim(col, "\"'`[]"))))
}

// scalarExpr writes an expression over plain columns.
func (g *Generator) scalarExpr() string {
	g.depth++
	defer func() { g.depth-- }()
	if g.depth > 4 {
		return g.value("MK5")
	}
	switch g.IntN(9) {
	case 0:
		return "coalesce(" + g.column(true) + ", " + g.value("MK6") + ")"
	case 1:
		if g.my && (!g.mode.PipesConcat || g.p(0.5)) {
			return "concat(" + g.column(true) + ", " + g.value("MK7") + ")"
		}
		return g.column(true) + " || " + g.value("MK7")
	case 2:
		return "CASE WHEN " + g.pred() + " THEN " + g.column(true) + " ELSE " + g.value("MK8") + " END"
	case 3:
		return "(" + g.sel(1) + ")"
	case 4:
		return g.value(g.marker())
	case 5:
		return "CAST(" + g.column(true) + " AS " + g.textTypes()[0] + ")"
	case 6:
		return "(" + g.column(true) + ")"
	}
	return g.column(true)
}

// from writes a FROM clause and opens the scope of its tables.
func (g *Generator) from() string {
	outer := g.rels
	var rels []relation
	var b strings.Builder
	n := 1
	if g.p(0.25) {
		n += 1 + g.IntN(2)
	}
	lateral := ""
	for i := 0; i < n; i++ {
		join := ""
		if i > 0 {
			join = one(g, ", ", " JOIN ", " LEFT JOIN ", " INNER JOIN ", " CROSS JOIN ", " RIGHT JOIN ", " FULL JOIN ")
			if g.my && (join == " FULL JOIN " || g.p(0.1)) {
				join = one(g, " STRAIGHT_JOIN ", " LEFT OUTER JOIN ", " CROSS JOIN ")
			}
			if g.p(0.06) {
				join = " NATURAL JOIN "
			}
		}
		b.WriteString(join)
		if lateral = ""; g.pg && i > 0 && g.p(0.2) {
			lateral = "LATERAL "
			g.rels = append(outer[:len(outer):len(outer)], rels)
		}
		r, text := g.item(outer)
		g.rels = outer
		if strings.HasPrefix(text, "(SELECT") {
			text = lateral + text
		}
		b.WriteString(text)
		rels = append(rels, r)
		if i > 0 && join != ", " && !strings.Contains(join, "CROSS") && !strings.Contains(join, "NATURAL") && (g.pg || g.my || g.p(0.7)) {
			if g.p(0.15) && join != " STRAIGHT_JOIN " {
				b.WriteString(" USING (" + g.nm(one(g, "id", "tenant_id", "name", "email")) + ")")
			} else {
				g.rels = append(outer[:len(outer):len(outer)], rels)
				b.WriteString(" ON " + g.pred())
				g.rels = outer
			}
		}
	}
	g.rels = append(outer[:len(outer):len(outer)], rels)
	return b.String()
}

// item writes one item of FROM.
func (g *Generator) item(outer [][]relation) (relation, string) {
	if g.depth < 3 && g.p(0.15) {
		g.depth++
		text, cols := g.selCols(1 + g.IntN(3))
		g.depth--
		a := one(g, genAliases...)
		if !g.pg && !g.my && g.p(0.1) {
			return relation{"", cols}, "(" + text + ")"
		}
		return relation{a, cols}, "(" + text + ") " + one(g, "AS ", "") + g.rel(a)
	}
	r := g.table()
	text := ""
	if len(g.ctes) > 0 && g.p(0.5) {
		r = one(g, g.ctes...)
		text = g.rel(r.name)
	} else {
		text = g.qualified(r.name)
	}
	if g.p(0.45) {
		a := one(g, genAliases...)
		text += one(g, " AS ", " ") + g.rel(a)
		r.name = a
	}
	switch {
	case !g.pg && g.p(0.03):
		text = "(" + text + ")"
	case g.p(0.03):
		s := g.table()
		text = "(" + text + " JOIN " + s.name + " AS y ON " + g.rel(r.name) + ".id = y.id)"
	}
	return r, text
}

// sel writes a query of n columns.
func (g *Generator) sel(n int) string {
	s, _ := g.selCols(n)
	return s
}

func (g *Generator) selCols(n int) (string, []string) {
	g.depth++
	outer, ctes := g.rels, g.ctes
	defer func() { g.depth--; g.rels, g.ctes = outer, ctes }()
	if g.depth > 4 {
		return "SELECT " + strings.TrimSuffix(strings.Repeat("1, ", n), ", "), make([]string, 0)
	}
	with := ""
	if g.p(0.08) {
		with = g.with()
	}
	if g.p(0.03) && !g.my {
		var vals, cols []string
		for i := 0; i < n; i++ {
			vals = append(vals, g.value(g.marker()))
			cols = append(cols, fmt.Sprintf("column%d", i+1))
		}
		return with + "VALUES (" + strings.Join(vals, ", ") + ")", cols
	}
	text, cols := g.coreCols(n, true)
	if g.p(0.1) {
		g.rels = outer
		op := " UNION ALL "
		if g.trick() {
			op = one(g, " UNION ", " EXCEPT ", " INTERSECT ")
		}
		again := text
		if g.p(0.6) {
			again, _ = g.coreCols(n, false)
		} else if strings.Contains(again, "LIMIT") || strings.Contains(again, "ORDER") || strings.Contains(again, "?") {
			again = g.sel(n)
		}
		if i := strings.LastIndex(text, " ORDER BY "); i < 0 && !strings.Contains(text, " LIMIT ") {
			text += op + again
		}
	}
	return with + text, cols
}

// coreCols writes one SELECT and returns the names of its columns.
func (g *Generator) coreCols(n int, tail bool) (string, []string) {
	outer := g.rels
	fromText := ""
	if g.p(0.93) || g.my && g.depth > 0 { // a subquery without FROM can end MariaDB 10.11
		fromText = " FROM " + g.from()
	} else {
		g.rels = append(outer[:len(outer):len(outer)], []relation{})
	}
	var items, cols []string
	if n < 0 {
		n = 1 + g.IntN(4)
		if g.p(0.25) {
			items = append(items, "*")
			for _, r := range g.rels[len(g.rels)-1] {
				cols = append(cols, r.cols...)
			}
			n = g.IntN(2)
		} else if rels := g.rels[len(g.rels)-1]; len(rels) > 0 && g.p(0.1) {
			r := one(g, rels...)
			if r.name != "" {
				items = append(items, g.rel(r.name)+".*")
				cols = append(cols, r.cols...)
			}
		}
		if len(items) == 0 && n == 0 {
			n = 1
		}
	}
	for i := 0; i < n; i++ {
		text, name := "", ""
		switch {
		case g.p(0.7):
			text = g.column(false)
			name = strings.ToLower(strings.Trim(text[strings.LastIndexByte(text, '.')+1:], "\"'`[]"))
			if g.p(0.05) {
				text = "(" + text + ")"
			}
		case g.my && g.p(0.2):
			text = g.myItem()
		case g.my && g.p(0.1):
			text = one(g, "count(*)", "count("+g.column(false)+")", "max("+g.column(true)+")", "count(DISTINCT "+g.column(true)+")",
				"row_number() OVER (PARTITION BY "+g.column(true)+" ORDER BY "+g.column(true)+")",
				"min("+g.column(true)+") OVER (ORDER BY "+g.column(true)+" ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)")
		case !g.my && g.p(0.15):
			text = one(g, "count(*)", "count("+g.column(false)+")", "max("+g.column(true)+")",
				"row_number() OVER (PARTITION BY "+g.column(true)+" ORDER BY "+g.column(true)+")",
				"count("+g.column(false)+") FILTER (WHERE "+g.pred()+") OVER ()",
				"min("+g.column(true)+") OVER (ORDER BY "+g.column(true)+" ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)")
		default:
			text = g.scalarExpr()
		}
		if g.pg && g.p(0.1) {
			text, name = g.pgItem(text)
		}
		if g.p(0.25) {
			name = one(g, genLabels...)
			if name == "a b" && g.my {
				text += one(g, " AS `a b`", " 'a b'", ` AS "a b"`)
			} else if name == "a b" {
				text += ` AS "a b"`
			} else {
				text += one(g, " AS ", " ") + g.nm(name)
			}
		}
		items = append(items, text)
		if name != "" && !strings.ContainsAny(name, " ()") {
			cols = append(cols, name)
		}
	}
	distinct := ""
	if g.p(0.03) {
		distinct = "DISTINCT "
		if g.pg && g.p(0.6) {
			distinct = "DISTINCT ON (" + g.column(true) + ") "
		}
	}
	b := "SELECT" + g.sp() + distinct + strings.Join(items, ", ") + fromText
	if g.p(0.5) {
		b += g.sp() + "WHERE " + g.pred()
	}
	if g.p(0.05) {
		b += " GROUP BY " + g.column(true)
		if g.p(0.3) {
			b += " HAVING " + g.pred()
		}
	}
	if tail && g.p(0.2) {
		b += " ORDER BY " + one(g, g.column(true), "1", g.descending(g.column(true)), "2")
		if g.p(0.3) {
			if g.my {
				b += one(g, " LIMIT 3", " LIMIT 1, 2", " LIMIT 2 OFFSET 1", " FOR UPDATE", " LOCK IN SHARE MODE", " LIMIT 100 FOR UPDATE NOWAIT")
			} else if g.pg {
				b += one(g, " LIMIT 3", " OFFSET 1 ROWS FETCH FIRST 2 ROWS ONLY", " LIMIT ALL", " FOR UPDATE", " FOR SHARE SKIP LOCKED")
			} else {
				b += " LIMIT " + g.value(3)
			}
		}
	}
	return b, cols
}

// with writes a WITH clause and brings its names into scope.
func (g *Generator) with() string {
	var b strings.Builder
	b.WriteString("WITH ")
	recursive := (g.pg || g.my && g.depth == 0) && g.p(0.5) // inside of others they can end MariaDB 10.11
	if recursive {
		b.WriteString("RECURSIVE ")
	}
	n := 1 + g.IntN(2)
	for i := 0; i < n; i++ {
		if i > 0 {
			b.WriteString(", ")
		}
		name := one(g, "w", "c1", "users", "logs", "mails", "x")
		if (!g.pg && !g.my || recursive) && g.p(0.12) {
			t := g.table()
			a, c := one(g, t.cols...), one(g, t.cols...)
			op := "UNION ALL"
			if g.trick() {
				op = "UNION"
			}
			b.WriteString(name + "(n, a, c) AS (SELECT 1, " + a + ", " + c + " FROM " + t.name + " " + op + " SELECT n + 1, " +
				one(g, "a, c", "a, c", "c, a", "a, 'MK1'") + " FROM " + name + " WHERE n < 3)")
			g.ctes = append(g.ctes[:len(g.ctes):len(g.ctes)], relation{name, []string{"n", "a", "c"}})
			continue
		}
		text, cols := g.selCols(1 + g.IntN(3))
		b.WriteString(g.rel(name))
		if g.p(0.2) && len(cols) > 0 {
			b.WriteString("(" + strings.Join(cols, ", ") + ")")
		}
		hint := one(g, "", "MATERIALIZED ", "NOT MATERIALIZED ")
		if g.my {
			hint = ""
		}
		b.WriteString(" AS " + hint + "(" + text + ")")
		g.ctes = append(g.ctes[:len(g.ctes):len(g.ctes)], relation{name, cols})
	}
	b.WriteString(" ")
	return b.String()
}

// returning writes an optional RETURNING.
func (g *Generator) returning(t relation) string {
	if g.p(0.6) {
		return ""
	}
	if g.p(0.3) {
		return " RETURNING *"
	}
	var cols []string
	for i := 0; i <= g.IntN(3); i++ {
		c := g.name(one(g, t.cols...))
		if g.p(0.1) {
			c = g.rel(t.name) + "." + c
		}
		if g.p(0.1) {
			c += " AS " + one(g, "email", "x")
		}
		if g.p(0.05) {
			c = "(" + g.sel(1) + ")"
		}
		cols = append(cols, c)
	}
	return " RETURNING " + strings.Join(cols, ", ")
}

// storable makes a value for a column of a table.
func (g *Generator) storable(t relation, col string) any {
	v := g.forColumn(col)
	if x, ok := v.(string); ok && g.Secret != "" {
		if _, enc := encrypted[t.name][col]; enc {
			return g.Secret + x
		}
	}
	return v
}

// stored writes a value for a column in VALUES or SET.
func (g *Generator) stored(t relation, col string, set bool) string {
	_, enc := encrypted[t.name][col]
	v := g.storable(t, col)
	if !enc {
		if g.p(0.9) {
			return g.value(v)
		}
		return g.scalarExprOrValue(set)
	}
	if g.trick() {
		return one(g, "lower("+g.value(v)+")", "(SELECT "+g.value(v)+")", `"MKdq"`, g.value(v)+" || ''", "CASE WHEN 1 THEN "+g.value(v)+" END",
			"CAST("+g.value(v)+" AS VARCHAR(3))", "+"+g.value(v), g.scalarExprOrValue(set), "coalesce("+g.value(v)+", 'MK')", "MK", "current_date")
	}
	if g.my && g.p(0.08) {
		return one(g, "DEFAULT", "CAST("+g.value(v)+" AS CHAR)", "CONVERT("+g.value(v)+", CHAR)", "CAST("+g.value(v)+" AS CHAR CHARACTER SET utf8mb4)", "CONVERT("+g.value(v)+" USING utf8mb4)", "(("+g.value(v)+"))")
	}
	if g.pg && g.p(0.15) {
		return one(g, g.value(v)+"::text", g.value(v)+"::VARCHAR", "DEFAULT", g.value(v)+"::pg_catalog.text", "CAST("+g.value(v)+" AS character varying)")
	}
	switch g.IntN(14) {
	case 0:
		return "(" + g.value(v) + ")"
	case 1:
		return "CAST(" + g.value(v) + " AS " + one(g, g.textTypes()...) + ")"
	case 2:
		return one(g, "NULL", "TRUE", "false", "-5", "+5", "17", "1000")
	case 3:
		if set {
			return g.name(col)
		}
	}
	return g.value(v)
}

func (g *Generator) scalarExprOrValue(set bool) string {
	if set {
		return g.scalarExpr()
	}
	g.rels = append(g.rels, nil)
	defer func() { g.rels = g.rels[:len(g.rels)-1] }()
	return one(g, g.value("MK2"), "lower("+g.value("MK3")+")", "("+g.sel(1)+")")
}

// target writes the table of a write.
func (g *Generator) target(t relation) (string, relation) {
	text := g.qualified(t.name)
	if g.p(0.25) {
		a := one(g, "u", "x", "logs", "users")
		text += " AS " + g.rel(a)
		t.name = a
	}
	return text, t
}

func (g *Generator) writeTable() relation {
	if g.p(0.8) {
		return tables[g.IntN(4)]
	}
	return g.table()
}

func (g *Generator) insert() string {
	if g.my {
		return g.myInsert()
	}
	t := g.writeTable()
	with := ""
	if g.p(0.08) {
		with = g.with()
	}
	text, alias := g.target(t)
	verb := one(g, "INSERT INTO ", "INSERT INTO ", "INSERT INTO ", "INSERT OR IGNORE INTO ", "INSERT OR REPLACE INTO ", "REPLACE INTO ")
	if g.pg {
		verb = "INSERT INTO "
	}
	b := with + verb + text
	if g.p(0.03) {
		return b + " DEFAULT VALUES" + g.returning(t)
	}
	cols := g.someColumns(t)
	if g.p(0.1) && t.name != "documents" {
		cols = t.cols
	} else {
		var names []string
		for _, c := range cols {
			names = append(names, g.nm(c))
		}
		b += g.sp() + "(" + strings.Join(names, ",") + ")"
	}
	switch {
	case g.p(0.12):
		b += " " + g.insertSelect(t, cols)
	default:
		var rows []string
		for i := 0; i <= g.IntN(3); i++ {
			var vals []string
			for _, c := range cols {
				vals = append(vals, g.stored(t, c, false))
			}
			rows = append(rows, "("+strings.Join(vals, ","+g.sp())+")")
		}
		b += g.sp() + "VALUES " + strings.Join(rows, ", ")
	}
	if g.p(0.3) && !strings.HasPrefix(verb, "REPLACE") {
		b += g.upsert(t, alias)
	}
	return b + g.returning(t)
}

// insertSelect writes a query that fits an INSERT into those columns.
func (g *Generator) insertSelect(t relation, cols []string) string {
	if g.p(0.6) {
		var list []string
		for _, c := range cols {
			if g.trick() {
				c = one(g, t.cols...)
			}
			if c == "id" {
				list = append(list, one(g, g.newID()))
				continue
			}
			list = append(list, g.name(c))
		}
		return "SELECT " + strings.Join(list, ", ") + " FROM " + g.qualified(t.name) + " WHERE " + one(g, "id > "+g.value(1), "tenant_id = "+g.value("MKta"), g.yes())
	}
	return g.sel(len(cols)) + " WHERE true"
}

// someColumns picks columns of a table; mostly with the partitions of the encrypted ones.
func (g *Generator) someColumns(t relation) []string {
	var cols []string
	have := map[string]bool{}
	add := func(c string) {
		if !have[c] {
			have[c] = true
			cols = append(cols, c)
		}
	}
	for _, c := range t.cols {
		if g.p(0.35) {
			add(c)
			if p := encrypted[t.name][c]; p != "" && !g.trick() {
				add(p)
			}
		}
	}
	if len(cols) == 0 {
		add(t.cols[len(t.cols)-1])
	}
	g.Shuffle(len(cols), func(i, j int) { cols[i], cols[j] = cols[j], cols[i] })
	return cols
}

func (g *Generator) upsert(t, alias relation) string {
	target := map[string][]string{
		"users": {"(id)", "(tenant_id, name)", "(name, tenant_id)", "(region, id)"}, "customers": {"(id)", "(name)"},
		"documents": {"(id)", "(tenant, id)"},
	}[t.name]
	if target == nil {
		target = []string{"(id)"}
	}
	b := " ON CONFLICT " + one(g, target...)
	if g.p(0.2) {
		return b + " DO NOTHING"
	}
	g.rels = append(g.rels, []relation{alias, {"excluded", t.cols}})
	defer func() { g.rels = g.rels[:len(g.rels)-1] }()
	var sets []string
	for _, c := range g.someColumns(t) {
		if c == "id" {
			continue
		}
		v := g.stored(t, c, true)
		if g.p(0.6) {
			v = g.name("excluded") + "." + g.name(c)
		}
		sets = append(sets, g.nm(c)+" = "+v)
	}
	if len(sets) == 0 {
		return b + " DO NOTHING"
	}
	b += " DO UPDATE SET " + strings.Join(sets, ", ")
	if p := map[string]string{"users": "tenant_id", "documents": "tenant"}[t.name]; p != "" && g.p(0.2) {
		b += " WHERE " + g.name(alias.name) + "." + p + " = excluded." + p
	} else if g.p(0.2) {
		b += " WHERE " + g.pred()
	}
	if !g.pg && g.p(0.1) {
		b += " ON CONFLICT DO NOTHING"
	}
	return b
}

func (g *Generator) update() string {
	if g.my {
		return g.myUpdate()
	}
	t := g.writeTable()
	with := ""
	if g.p(0.08) {
		with = g.with()
	}
	text, alias := g.target(t)
	verb := one(g, "UPDATE ", "UPDATE ", "UPDATE OR IGNORE ", "UPDATE OR REPLACE ")
	if g.pg {
		verb = one(g, "UPDATE ", "UPDATE ", "UPDATE ONLY ")
	}
	b := with + verb + text + g.sp() + "SET "
	rels := []relation{alias}
	fromText := ""
	if g.p(0.12) {
		r, item := g.item(nil)
		fromText = " FROM " + item
		rels = append(rels, r)
		if g.p(0.3) {
			r, item := g.item(nil)
			fromText += one(g, ", ", " JOIN ", " LEFT JOIN ") + item
			rels = append(rels, r)
		}
	}
	g.rels = append(g.rels, rels)
	defer func() { g.rels = g.rels[:len(g.rels)-1] }()
	var sets []string
	cols := g.someColumns(t)
	for _, c := range cols {
		if c == "id" || isPartition(t.name, c) && g.p(0.8) {
			continue
		}
		sets = append(sets, g.nm(c)+g.sp()+"="+g.sp()+g.stored(t, c, true))
	}
	if g.p(0.15) && len(t.cols) > 3 {
		c, d := t.cols[2], t.cols[3]
		sets = append(sets, "("+g.nm(c)+", "+d+") = ("+g.stored(t, c, true)+", "+g.stored(t, d, true)+")")
	}
	if len(sets) == 0 {
		c := t.cols[len(t.cols)-1]
		sets = append(sets, g.nm(c)+" = "+g.stored(t, c, true))
	}
	b += strings.Join(sets, ", ") + fromText
	if g.p(0.85) {
		b += " WHERE "
		if g.p(0.5) {
			for c := range map[string]bool{"tenant_id": true, "region": true, "tenant": true} {
				if contains(t.cols, c) && g.p(0.7) {
					b += g.name(alias.name) + "." + g.name(c) + " = " + g.value(g.forColumn(c)) + " AND "
				}
			}
			if g.p(0.5) {
				b += g.name(alias.name) + ".id = " + g.value(1+g.IntN(4))
			} else {
				b += g.pred()
			}
		} else {
			b += g.pred()
		}
	}
	return b + g.returning(t)
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func isPartition(table, col string) bool {
	for _, p := range encrypted[table] {
		if p == col {
			return true
		}
	}
	return false
}

func (g *Generator) delete() string {
	if g.my {
		return g.myDelete()
	}
	t := g.writeTable()
	with := ""
	if g.p(0.08) {
		with = g.with()
	}
	text, alias := g.target(t)
	g.rels = append(g.rels, []relation{alias})
	defer func() { g.rels = g.rels[:len(g.rels)-1] }()
	if g.pg && g.p(0.15) {
		r, item := g.item(nil)
		g.rels[len(g.rels)-1] = append(g.rels[len(g.rels)-1], r)
		text += " USING " + item
	}
	return with + "DELETE FROM " + text + " WHERE " + g.pred() + g.returning(t)
}

// Bind returns Args as database/sql takes them.
func (g *Generator) Bind() []any {
	if g.pg || g.my || g.style != 2 {
		return g.Args
	}
	args := make([]any, len(g.Args))
	for i, v := range g.Args {
		args[i] = sql.Named(fmt.Sprint("p", i+1), v)
	}
	return args
}

// Statement writes one statement.
func (g *Generator) Statement() string { return g.bind(g.statement()) }

func (g *Generator) statement() string {
	g.rels = [][]relation{nil}
	explain := ""
	if g.p(0.01) {
		explain = "EXPLAIN QUERY PLAN "
		if g.pg {
			explain = "EXPLAIN (COSTS OFF) "
		}
		if g.my {
			explain = one(g, "EXPLAIN ", "DESC ", "EXPLAIN EXTENDED ", "EXPLAIN FORMAT=JSON ")
		}
	}
	if g.pg && g.p(0.06) {
		return explain + g.merge()
	}
	if g.p(0.06) {
		return explain + g.many()
	}
	switch n := g.IntN(20); {
	case n < 7:
		return explain + g.insert()
	case n < 13:
		return explain + g.update()
	case n < 14:
		return explain + g.delete()
	}
	with := ""
	if g.p(0.25) {
		with = g.with()
	}
	text, _ := g.coreColsTop()
	return explain + with + text
}

func (g *Generator) coreColsTop() (string, []string) {
	if g.p(0.85) {
		return g.coreCols(-1, true)
	}
	return g.selCols(1 + g.IntN(3))
}

// Mutate changes a statement as a careless or hostile hand would. spans are its tokens.
func (g *Generator) Mutate(s string, spans [][2]int) string {
	if len(spans) == 0 {
		return s
	}
	i := g.IntN(len(spans))
	t := spans[i]
	switch g.IntN(9) {
	case 0: // a token deleted
		return s[:t[0]] + s[t[1]:]
	case 1: // doubled
		return s[:t[1]] + " " + s[t[0]:t[1]] + s[t[1]:]
	case 2: // swapped with the next
		if i+1 < len(spans) {
			u := spans[i+1]
			return s[:t[0]] + s[u[0]:u[1]] + s[t[1]:u[0]] + s[t[0]:t[1]] + s[u[1]:]
		}
	case 3: // swapped with any
		u := spans[g.IntN(len(spans))]
		if u[0] > t[1] {
			return s[:t[0]] + s[u[0]:u[1]] + s[t[1]:u[0]] + s[t[0]:t[1]] + s[u[1]:]
		}
	case 4: // a quote opened
		return s[:t[0]] + one(g, "'", `"`, "`", "[", "x'", "$$", "E'", "U&'", "(", "::") + s[t[0]:]
	case 5: // a comment inserted
		return s[:t[0]] + one(g, "/* ' */", "-- \n", "/*;*/", "--\r", "/*/ */") + s[t[0]:]
	case 6: // a byte inserted
		return s[:t[0]] + one(g, "\u00a0", "\ufeff", "\v", ";", "\u2028", "\\", "^", "#") + s[t[0]:]
	case 7: // replaced by another
		u := spans[g.IntN(len(spans))]
		return s[:t[0]] + s[u[0]:u[1]] + s[t[1]:]
	case 8: // quoted otherwise
		w := strings.Trim(s[t[0]:t[1]], "\"'`[]")
		return s[:t[0]] + one(g, `"`+w+`"`, "'"+w+"'", "`"+w+"`", "["+w+"]", w) + s[t[1]:]
	}
	return s
}

// The words that differ between the dialects.

func (g *Generator) yes() string {
	if g.pg {
		return "true"
	}
	return "1"
}

func (g *Generator) no() string {
	if g.pg {
		return "false"
	}
	return "0"
}

func (g *Generator) schema() string {
	if g.my {
		return Database
	}
	if g.pg {
		return "public"
	}
	return "main"
}

func (g *Generator) comparisons() []string {
	if g.pg {
		return []string{"=", "=", "<>", "!=", "<", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM", "~~", "OPERATOR(pg_catalog.=)"}
	}
	if g.my {
		return []string{"=", "=", "<>", "!=", "<", ">=", "<=>", "NOT LIKE", "REGEXP"}
	}
	return []string{"=", "=", "==", "<>", "<", ">=", "IS", "IS NOT"}
}

func (g *Generator) textTypes() []string {
	if g.pg {
		return []string{"TEXT", "text", "varchar"}
	}
	if g.my {
		return []string{"CHAR", "BINARY", "char(90)"}
	}
	return []string{"TEXT", "BLOB", "varchar"}
}

func (g *Generator) newID() string {
	if g.pg {
		return "id || '00'"
	}
	if g.my {
		return "concat(id, '00')"
	}
	return "id + 100"
}

func (g *Generator) nullTests() []string {
	if g.my {
		return []string{"IS NULL", "IS NOT NULL", "<=> NULL", "IS NOT UNKNOWN"}
	}
	return []string{"IS NULL", "IS NOT NULL", "NOTNULL", "ISNULL", "NOT NULL"}
}

func (g *Generator) descending(column string) string {
	if g.my {
		return column + " DESC"
	}
	return column + " DESC NULLS LAST"
}
