package dialect

import "strconv"

// Placeholder is the style in which a dialect's drivers number the parameters of a statement. The zero
// value is invalid.
type Placeholder uint8

const (
	_ Placeholder = iota
	// Question is `?`: parameters count in the order in which they stand in the text.
	Question
	// Dollar is `$1`.
	Dollar
	// AtP is `@p1`.
	AtP
	// Colon is `:1`.
	Colon
)

// placeholders has one row per style, in the order of the constants.
var placeholders = [...]struct {
	name, prefix string
	numbered     bool
}{
	0:        {},
	Question: {"question", "?", false},
	Dollar:   {"dollar", "$", true},
	AtP:      {"atp", "@p", true},
	Colon:    {"colon", ":", true},
}

// Valid reports whether p is one of the constants of this package.
func (p Placeholder) Valid() bool { return p > 0 && int(p) < len(placeholders) }

// String returns "question", "dollar", "atp" or "colon"; for an invalid style a text like
// "Placeholder(0)".
func (p Placeholder) String() string {
	if !p.Valid() {
		return "Placeholder(" + strconv.Itoa(int(p)) + ")"
	}
	return placeholders[p].name
}

// Bind returns the text of parameter n, counted from 1. [Question] gives the same text for every n. It
// panics if n < 1 or the style is invalid: both are mistakes of the calling code, and a text that no
// database understands would only hide them.
func (p Placeholder) Bind(n int) string {
	if n < 1 || !p.Valid() {
		panic("dialect: Bind(" + strconv.Itoa(n) + ") of " + p.String() + ": want n >= 1 and a valid style")
	}
	f := &placeholders[p]
	if !f.numbered {
		return f.prefix
	}
	return f.prefix + strconv.Itoa(n)
}

// Placeholder returns the style that drivers of this dialect use, or the invalid zero for an invalid
// dialect. SQLite also takes named and numbered parameters, and other databases' drivers named ones;
// this is the style for statements that the module writes itself.
func (d Dialect) Placeholder() Placeholder { return d.facts().placeholder }

// Bind returns the placeholder of parameter n, counted from 1: `?`, `$1`, `@p1` or `:1`. It panics if
// n < 1 or d is invalid.
func (d Dialect) Bind(n int) string { return d.Placeholder().Bind(n) }
