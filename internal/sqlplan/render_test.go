package sqlplan

import (
	"fmt"
	"strings"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/tags"
)

// The schema of all tests.

type customer struct {
	_         struct{} `table:"customers"`
	ID        int64    `db:"id"`
	Name      string   `db:"name"`
	Email     string   `db:"email" encrypt:"partition"`
	Phone     *string  `db:"phone" encrypt:"partition"`
	Card      []byte   `db:"card" encrypt:"partition"`
	Age       int      `db:"age"`
	CreatedAt time.Time
	UpdatedAt time.Time
	DeletedAt *time.Time
}

type profile struct {
	_          struct{} `table:"profiles"`
	ID         int64
	CustomerID int64  `db:"customer_id"`
	SSN        string `db:"ssn" encrypt:"partition"`
}

type order struct {
	_          struct{} `table:"orders"`
	ID         int64
	CustomerID int64  `db:"customer_id"`
	Item       string `db:"item"`
	CardNo     []byte `db:"card_no" encrypt:"partition"`
}

type user struct {
	_        struct{} `table:"users"`
	ID       int64    `db:"id"`
	TenantID string   `db:"tenant_id"`
	Email    string   `db:"email" encrypt:"tenant_id"`
	SSN      *string  `db:"ssn" encrypt:"tenant_id"`
	Name     string   `db:"name"`
	Pin      int      `db:"pin" encrypt:"tenant_id"`
	Admin    bool     `db:"admin" encrypt:"tenant_id"`
	Note     string   `db:"note" encrypt:"region"`
	Region   int      `db:"region"`
}

type document struct {
	ID     int64  `db:"id"`
	Tenant int    `db:"tenant"`
	Body   []byte `db:"body" encrypt:"tenant"`
}

func testSchema() *tags.Schema {
	s, err := tags.NewSchema(customer{}, profile{}, order{}, user{})
	if err != nil {
		panic(err)
	}
	if err := s.RegisterTable("archive.documents", document{}); err != nil {
		panic(err)
	}
	return s
}

// testDialects are those that are built.
var testDialects = []dialect.Dialect{dialect.SQLite, dialect.Postgres, dialect.MySQL}

func testAnalyzer() *Analyzer { return analyzerOf(dialect.SQLite) }

func analyzerOf(d dialect.Dialect) *Analyzer {
	an, err := New(testSchema(), d)
	if err != nil {
		panic(err)
	}
	return an
}

// mapCatalog is a catalogue of what the map holds; what it doesn't hold is unknown until it was asked for, and
// doesn't exist then.
type mapCatalog struct {
	tables map[string][]string
	asked  map[TableName]bool
}

func (c *mapCatalog) Columns(n TableName) ([]string, bool) {
	if !c.asked[n] {
		return nil, false
	}
	return c.tables[foldName(n.Name)], true
}

var testTables = map[string][]string{
	"customers": {"id", "created_at", "updated_at", "deleted_at", "name", "email", "phone", "card", "age"},
	"profiles":  {"id", "customer_id", "ssn"},
	"orders":    {"id", "customer_id", "item", "card_no"},
	"users":     {"id", "tenant_id", "email", "ssn", "name", "pin", "admin", "note", "region", "extra"},
	"documents": {"id", "tenant", "body"},
	"logs":      {"id", "at", "line", "tenant_id"},
	"items":     {"id", "note", "price"},
}

// plan analyses as the driver does: with a catalogue that is asked until all is known.
func plan(an *Analyzer, query string) (*Plan, []TableName, error) {
	return planIn(an, query, modeOf(an.f.dialect))
}

// planIn is plan on a connection in that mode, which is only told when it is asked for.
func planIn(an *Analyzer, query string, mode Mode) (*Plan, []TableName, error) {
	var known Mode
	cat := &mapCatalog{tables: testTables, asked: map[TableName]bool{}}
	var asked []TableName
	for {
		p, err := an.analyze(query, known, cat)
		if _, ok := err.(*NeedMode); ok && !known.Known {
			known = mode
			continue
		}
		need, ok := err.(*NeedColumns)
		if !ok {
			return p, asked, err
		}
		for _, t := range need.Tables {
			if cat.asked[t] {
				panic("asked twice: " + t.String())
			}
			cat.asked[t] = true
			asked = append(asked, t)
		}
	}
}

// render writes a plan so that a reader can check it.
func render(query string, p *Plan, asked []TableName, err error) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	for _, t := range asked {
		line("asks for the columns of %s", t)
	}
	if r, ok := err.(*RefusedError); ok {
		place := ""
		if r.Column != "" {
			place = " " + r.Table + "." + r.Column
		}
		if r.Ordinal > 0 {
			place += fmt.Sprintf(" placeholder %d", r.Ordinal)
		}
		line("refused%s: %s", place, r.Rule)
		line("at %s", near(query, r.Offset))
		line("remedy: %s", r.Remedy)
		return b.String()
	}
	if err == nil && p.Moded {
		line("holds for this mode")
	}
	if err != nil {
		line("error: %v", err)
		return b.String()
	}
	if !p.Touches {
		line("not touched")
		return b.String()
	}
	for i, s := range p.Statements {
		var words []string
		if s.Explain {
			words = append(words, "explain")
		}
		words = append(words, s.Kind.String())
		if s.Tx != nil {
			words = append(words, "tx", s.Tx.Op.String(), s.Tx.Name)
		}
		if s.Touches {
			words = append(words, "touches")
			for _, t := range s.Tables {
				words = append(words, t.String())
			}
		}
		if s.Writes {
			words = append(words, "writes")
		}
		if s.ReturnsRows {
			words = append(words, "returns")
		}
		line("statement %d: %s", i, strings.TrimSpace(strings.Join(words, " ")))
	}
	for _, v := range p.Values {
		row := ""
		if v.Row >= 0 {
			row = fmt.Sprintf(" row %d", v.Row)
		}
		if v.Unused {
			line("drop %s, meant for %s%s", showSource(p, v.Source), v.Column, row)
			continue
		}
		each := ""
		if v.Array {
			each = "each of "
		}
		line("seal %s%s -> %s%s, partition %s", each, showSource(p, v.Source), v.Column, row, showPartition(p, v.Partition))
	}
	for i, l := range p.Lookups {
		line("lookup %d: %s", i, l.Column)
		if l.Query != "" {
			line("  query %s", l.Query)
			line("  args %v", l.Args)
		}
		if l.Pinned != nil {
			line("  pinned %s", showSource(p, *l.Pinned))
		}
	}
	if len(p.Edits) > 0 {
		line("text %s", edited(query, p))
	}
	if p.Args != nil {
		var args []string
		for _, a := range p.Args {
			s := ""
			switch {
			case a.Lookup > 0:
				s = fmt.Sprintf("lookup %d", a.Lookup-1)
			default:
				s = fmt.Sprintf("%d", a.Param)
			}
			if a.Name != "" {
				s += "=" + a.Name
			}
			args = append(args, s)
		}
		line("args %s", strings.Join(args, ", "))
	}
	outputs := func(outs []Output, hidden int) {
		for i, o := range outs {
			s := "pass"
			if o.Column != nil {
				s = "open " + o.Column.String()
				switch {
				case o.Partition >= 0:
					s += fmt.Sprintf(", partition in output %d", o.Partition)
				case o.Unpinned != "":
					s += ", place not verified: " + o.Unpinned
				case o.Column.Partition == nil:
					s += ", partition in force"
				default:
					s += ", NO PLACE"
				}
			}
			if o.Name != "" {
				s += fmt.Sprintf(", named %q", o.Name)
			}
			if i >= len(outs)-hidden {
				s += ", hidden"
			}
			line("output %d: %s", i, s)
		}
	}
	outputs(p.Outputs, p.Hidden)
	if p.OutputStatement > 0 {
		line("outputs are of statement %d", p.OutputStatement)
	}
	for _, r := range p.Further {
		line("of statement %d", r.Statement)
		outputs(r.Outputs, r.Hidden)
	}
	if p.HasLiterals {
		line("has literals")
	}
	return b.String()
}

func showSource(p *Plan, s Source) string {
	if s.Literal != nil {
		return fmt.Sprintf("literal %T(%v)", s.Literal.Value, s.Literal.Value)
	}
	q := p.Params[s.Param-1]
	if q.Name != "" {
		return fmt.Sprintf("param %d (%s)", q.Index, q.Name)
	}
	return fmt.Sprintf("param %d", q.Index)
}

func showPartition(p *Plan, x Partition) string {
	switch x.From {
	case InForce:
		return "in force"
	case FromLookup:
		return fmt.Sprintf("of lookup %d", x.Lookup)
	}
	var all []string
	for _, s := range x.Sources {
		all = append(all, showSource(p, s))
	}
	text := strings.Join(all, " and ")
	if x.Array {
		text = "each of " + text
	}
	if x.Compared {
		text += ", compared"
	}
	return text
}

// edited applies the edits, with «sealed table.column» for sealed literals.
func edited(query string, p *Plan) string {
	return apply(query, p, func(v *Value) string {
		if v.Unused {
			return "NULL"
		}
		return "«sealed " + v.Column.String() + "»"
	})
}

func apply(query string, p *Plan, seal func(*Value) string) string {
	var b strings.Builder
	at := 0
	for _, e := range p.Edits {
		b.WriteString(query[at:e.Offset])
		if e.Value > 0 {
			b.WriteString(seal(&p.Values[e.Value-1]))
		} else {
			b.WriteString(e.Text)
		}
		at = e.End
	}
	b.WriteString(query[at:])
	return b.String()
}

// near shows the place of a refusal in the text.
func near(query string, offset int) string {
	if offset >= len(query) {
		return fmt.Sprintf("%d, the end", offset)
	}
	rest := query[offset:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	if len(rest) > 40 {
		rest = rest[:40]
	}
	return fmt.Sprintf("%d, %q", offset, rest)
}
