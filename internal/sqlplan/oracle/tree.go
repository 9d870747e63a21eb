package oracle

// The form into which the trees of all grammars are brought. Names are as the database compares them: folded
// where it folds them.

// Stmt is a statement. A part that a kind of statement doesn't have is empty.
type Stmt struct {
	Kind      string // select, insert, update, delete, merge, view, other; moves: takes data past the analysis
	With      *With
	Query     *Query // of SELECT, of INSERT, of a view
	Target    *Source
	Targets   []*Source // of MySQL: all that an UPDATE or DELETE joins, instead of Target
	Columns   []Column  // of INSERT
	AllCols   bool      // INSERT without a column list
	OwnValues bool      // the values of INSERT see the table
	Set       []Assign  // of UPDATE; of INSERT … SET
	Upserts   []*Upsert
	RowAlias  string   // of MySQL's INSERT: the name of the new row
	RowCols   []string // of MySQL's INSERT: the names of its columns
	From      []*Source
	Exprs     []*Expr // WHERE, LIMIT and whatever else sees Target and From
	Outer     []*Expr // what sees neither
	Order     []*Expr
	Whens     []*When
	Returning []Item
	Returns   bool
	Old, New  string // names of the old and the new row in RETURNING
	Touched   []*Source
	Defaults  []Default // of a statement that defines columns
	Explain   bool
}

// Column is a column that is written; Part says that only an element or a field of it is.
type Column struct {
	Name string
	Part bool
}

// Default is a value that a definition gives a column.
type Default struct {
	Column string
	Value  *Expr
}

// Assign is an assignment; several columns take the columns of a row or a query.
type Assign struct {
	Table   string // of MySQL: the table that the column is said to be of
	Columns []Column
	Value   *Expr
	Others  []*Expr // indices
}

// Upsert is what is done about a row in conflict.
type Upsert struct {
	Target []*Expr
	Where  []*Expr
	Set    []Assign
}

// When is an arm of MERGE.
type When struct {
	Cond    *Expr
	Set     []Assign
	Insert  bool
	Columns []Column
	AllCols bool
	Values  []*Expr
	Source  bool // the source's row exists
	Target  bool // the target's row exists
}

// With is a WITH clause.
type With struct {
	Recursive bool
	CTEs      []*CTE
}

// CTE is a common table expression.
type CTE struct {
	Name    string
	Columns []string
	Query   *Query
	Stmt    *Stmt // one that writes, instead of Query
	Extra   []string
}

// Query is a SELECT, VALUES or set operation.
type Query struct {
	With        *With
	Left, Right *Query // of a set operation
	Op          string
	All         bool

	Values   [][]*Expr
	Distinct bool
	Into     bool // makes a table
	Items    []Item
	From     []*Source
	Exprs    []*Expr // WHERE, HAVING, windows: see FROM
	On       []*Expr // DISTINCT ON
	Group    []*Expr
	Having   []*Expr
	Order    []*Expr
	Limit    []*Expr
}

// Item is an item of a select list.
type Item struct {
	Expr  *Expr
	Alias string
	Name  string // the name without an alias; "": not known
}

// SourceKind is the kind of a Source.
type SourceKind uint8

// The kinds of sources.
const (
	Base SourceKind = iota
	Derived
	Function
	Join
	Group // a join in parentheses, whose conditions see nothing else: Left
)

// Source is an item of FROM, or the target of a write.
type Source struct {
	Kind    SourceKind
	Schema  string
	Name    string
	Alias   string
	Columns []string // column aliases

	Query   *Query
	Lateral bool
	Exprs   []*Expr // arguments
	Arrays  bool    // a function that makes rows of its arguments, a column of each array
	Number  bool    // with a column that numbers the rows

	Left, Right *Source
	Natural     bool
	Using       []string
	UsingAlias  string
	On          *Expr
	Broken      bool // the grammar takes it, the database doesn't
}

// ExprKind is the kind of an Expr.
type ExprKind uint8

// The kinds of expressions. What isn't told apart is Other: something computed from all of its parts.
const (
	Other ExprKind = iota
	Null           // also DEFAULT
	Const
	Param
	Name     // a column, or a row
	Star     // * or t.*
	Cast     // to another type
	TextCast // to a type that keeps every character
	Scalar   // a query for a value
	Exists
	IsNull
	Count
	Field // of a row
	Row
	Values // of MySQL: VALUES(column)
	Array  // of Kids
)

// Expr is an expression.
type Expr struct {
	Kind   ExprKind
	Offset int      // of Const and Param
	Int    int      // of a Const that is an integer: its value; else -1
	Parts  []string // of Name and Star; of Field, the field
	Loose  bool     // of Name: a string of that text when there is no such column
	Kids   []*Expr
	Subs   []*Query
	Name   string // of a function
}
