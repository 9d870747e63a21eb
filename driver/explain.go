package driver

import (
	"fmt"
	"strings"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/tags"
)

// Explanation is what the wrapper would do with a statement.
type Explanation struct {
	// PassThrough: the statement names no registered table and is sent as it is.
	PassThrough bool
	// Query is the text that would be sent. A literal that would be sealed stands as «table.column».
	Query string
	// Values are the values that would be sealed.
	Values []ExplainedValue
	// Lookups are queries that would be sent first, to find the partition of the rows of an UPDATE.
	Lookups []string
	// Outputs are the columns of the result, those that would be trimmed included; of several results, which only
	// MySQL's drivers deliver, those of one after the other.
	Outputs []ExplainedOutput
}

// ExplainedValue is a value that goes to an encrypted column.
type ExplainedValue struct {
	Table, Column string
	// Placeholder is its number, from 1; 0 for a literal.
	Placeholder int
	// Offset is its byte in the statement.
	Offset int
	// Partition says where its partition comes from.
	Partition string
	// Array: the placeholder is an array, each element of which is sealed.
	Array bool
	// Unused: nothing reads the value, and NULL is sent instead.
	Unused bool
}

// ExplainedOutput is one column of a result.
type ExplainedOutput struct {
	// Table and Column name the encrypted column that would be opened; "" when the output passes.
	Table, Column string
	// Place says how the value's place would be verified.
	Place string
	// Hidden: added to verify the place of others, and trimmed.
	Hidden bool
}

// Explain analyses a statement without a database: what would be sealed, opened, looked up and rewritten, or
// the *RefusedError with place, rule and remedy. The columns of `*`, and of an INSERT without a column list,
// are taken to be the model's, and the settings that decide how a text is read (PostgreSQL's
// standard_conforming_strings, MySQL's sql_mode) those of a server that nobody has set otherwise. schema nil means tags.Default().
func Explain(schema *tags.Schema, d dialect.Dialect, query string) (*Explanation, error) {
	if schema == nil {
		schema = tags.Default()
	}
	a, err := sqlplan.New(schema, d)
	if err != nil {
		return nil, fmt.Errorf("explain: %w", err)
	}
	p := passThrough
	if a.Mentions(query) {
		if p, err = a.Analyze(query, usualMode(d), nil); err != nil {
			return nil, refusal(err)
		}
	}
	e := &Explanation{PassThrough: !p.Touches, Query: query}
	if e.PassThrough {
		return e, nil
	}
	e.Query, err = splice(query, p, nil, func(v int) (string, error) {
		if p.Values[v].Unused {
			return "NULL", nil
		}
		return "«" + p.Values[v].Column.String() + "»", nil
	})
	if err != nil {
		return nil, err
	}
	for i := range p.Values {
		v := &p.Values[i]
		x := ExplainedValue{Table: v.Column.Table.String(), Column: v.Column.Name, Array: v.Array, Unused: v.Unused}
		if v.Source.Param > 0 {
			par := p.Params[v.Source.Param-1]
			x.Placeholder, x.Offset = par.Index, par.Offsets[0]
		} else {
			x.Offset = v.Source.Literal.Offset
		}
		switch v.Partition.From {
		case sqlplan.InForce:
			x.Partition = "in force"
		case sqlplan.FromSources:
			x.Partition = "the row's " + v.Column.Partition.Name
		case sqlplan.FromLookup:
			x.Partition = v.Column.Partition.Name + " of the rows that match"
		}
		e.Values = append(e.Values, x)
	}
	for _, l := range p.Lookups {
		if l.Query != "" {
			e.Lookups = append(e.Lookups, l.Query+databases[d].lockingRead)
		}
	}
	for _, r := range results(p) {
		e.outputs(&r)
	}
	return e, nil
}

// outputs adds those of one statement.
func (e *Explanation) outputs(r *sqlplan.Result) {
	for i, o := range r.Outputs {
		x := ExplainedOutput{Hidden: i >= len(r.Outputs)-r.Hidden}
		if o.Column != nil {
			x.Table, x.Column = o.Column.Table.String(), o.Column.Name
			switch {
			case o.Unpinned != "":
				x.Place = "place not verified: " + o.Unpinned
			case o.Partition >= 0:
				x.Place = "verified against " + o.Column.Partition.Name
			default:
				x.Place = "verified against the partition in force"
			}
		}
		e.Outputs = append(e.Outputs, x)
	}
}

func usualMode(d dialect.Dialect) sqlplan.Mode {
	if db := databases[d]; db != nil {
		return db.usual
	}
	return sqlplan.Mode{}
}

// String gives the explanation as a few lines for a person.
func (e *Explanation) String() string {
	if e.PassThrough {
		return "passes through: no registered table\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "sent: %s\n", e.Query)
	for _, v := range e.Values {
		what := "literal"
		if v.Placeholder > 0 {
			what = fmt.Sprintf("placeholder %d", v.Placeholder)
		}
		if v.Unused {
			fmt.Fprintf(&b, "%s at byte %d: meant for %s.%s, but nothing reads it: NULL is sent\n", what, v.Offset, v.Table, v.Column)
			continue
		}
		if v.Array {
			what = "each element of " + what
		}
		fmt.Fprintf(&b, "%s at byte %d: sealed for %s.%s, partition: %s\n", what, v.Offset, v.Table, v.Column, v.Partition)
	}
	for _, l := range e.Lookups {
		fmt.Fprintf(&b, "asked first, unless the WHERE tells it: %s\n", l)
	}
	for i, o := range e.Outputs {
		switch {
		case o.Hidden:
			fmt.Fprintf(&b, "output %d: added and trimmed\n", i+1)
		case o.Column != "":
			fmt.Fprintf(&b, "output %d: opened as %s.%s, %s\n", i+1, o.Table, o.Column, o.Place)
		}
	}
	return b.String()
}
