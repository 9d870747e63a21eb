package sqlplan

import (
	"strconv"
	"strings"

	"github.com/asherah-sql/asherah-sql/tags"
)

// Plan says what to do with a statement text: what is sealed, looked up, spliced and opened.
// A Plan is never changed after Analyze returned it and may be shared by goroutines.
type Plan struct {
	Schema  uint64 // version of the schema that it was made with
	Touches bool   // false: no registered table is touched; the text is sent as it is and all below is empty
	Moded   bool   // it holds for the mode that it was made with only; false: it is the same in every mode

	Statements []Statement // in text order
	Params     []Param     // the distinct parameters of the text; Params[i].Index == i+1 for positional styles
	Values     []Value     // every value stored into an encrypted column, in text order
	Lookups    []Lookup    // partitions to be found before the statement is sent
	Edits      []Edit      // sorted by offset, never overlapping; empty: the text is sent unchanged
	Args       []Arg       // arguments of the text to send, in order; nil: as the user gave them

	// Outputs are the columns of the one row-returning statement that touches a registered table; nil when
	// none of its columns has to be opened, checked or trimmed.
	Outputs         []Output
	Hidden          int // so many of the last Outputs were added by Edits: they are trimmed
	OutputStatement int // index of the statement that Outputs belong to
	// Further are the results of later statements that have such columns, in text order. Only of dialects
	// whose drivers deliver each of several results: MySQL's.
	Further     []Result
	HasLiterals bool // a literal stands in an encrypted position: the text is neither cached nor logged
}

// Statement is one statement of a text.
type Statement struct {
	Kind        Kind
	Offset, End int // bytes of the user's text, without the semicolon
	Touches     bool
	Explain     bool // EXPLAIN or EXPLAIN QUERY PLAN stands before it
	Tx          *TxStatement
	Tables      []*tags.Table // registered tables that it names, each once
	ReturnsRows bool
	Writes      bool // some of Plan.Values belong to it
}

// Kind is the kind of a statement.
type Kind uint8

// The kinds of statements. REPLACE is an Insert; PRAGMA, ATTACH, VACUUM and the like are Other.
const (
	_ Kind = iota
	Select
	Insert
	Update
	Delete
	DDL
	Transaction
	Other
	Merge
)

var kindNames = [...]string{"", "select", "insert", "update", "delete", "ddl", "transaction", "other", "merge"}

// String returns the kind's name in lower case.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindNames[k]
}

// Param is one distinct parameter of a text. A positional parameter takes the argument whose ordinal is
// Index; a named one the argument of that name or, when no argument has a name, the one whose ordinal is
// Index.
type Param struct {
	Index   int
	Name    string // without its prefix; empty: positional
	Offsets []int  // where it stands, in bytes of the user's text
}

// Source is where a stored value comes from: exactly one of the two is set.
type Source struct {
	Param   int // index into Plan.Params + 1; 0: a literal
	Literal *Literal
}

// Literal is a literal of the text. It has no String method on purpose, and its fields must not be printed:
// it may be the very secret.
type Literal struct {
	Value       any // string, []byte, int64, float64 or bool
	Offset, End int // bytes of the user's text
}

// Value is a value that is stored into an encrypted column.
type Value struct {
	Column    *tags.Column
	Source    Source
	Partition Partition
	Row       int // number of the VALUES row, from 0; -1 outside of VALUES

	Array  bool // the source is an array: each of its elements is sealed
	Unused bool // nothing reads the value, and NULL is sent in its place; it has no partition
}

// Partition says whose key seals a value.
type Partition struct {
	From    PartitionFrom
	Sources []Source // FromSources: one, or several that must all be equal
	Lookup  int      // FromLookup: index into Plan.Lookups

	// Array: the source is an array, whose elements are the partitions of the elements of the value's array.
	Array bool
	// Compared: the statement compares the column with the source instead of storing it. It may only be run where
	// the database compares the column byte for byte.
	Compared bool
}

// PartitionFrom is the kind of a Partition.
type PartitionFrom uint8

// The ways in which a partition is found.
const (
	_           PartitionFrom = iota
	InForce                   // of the context or the connection
	FromSources               // arguments or literals of the statement itself
	FromLookup                // a look-up before the statement
)

var partitionNames = [...]string{"", "in force", "sources", "lookup"}

// String returns a short name of p.
func (p PartitionFrom) String() string {
	if p == 0 || int(p) >= len(partitionNames) {
		return "PartitionFrom(" + strconv.Itoa(int(p)) + ")"
	}
	return partitionNames[p]
}

// Lookup finds the partition of the rows that an UPDATE is about to change.
type Lookup struct {
	Table  *tags.Table
	Column *tags.Column // the partition column

	// Query yields the distinct partitions of the rows, at most two. Its placeholders are all `?`, and Args
	// names the parameter of each (index into Plan.Params + 1). Empty: only Pinned can be used.
	Query string
	Args  []int

	// Pinned is the source that the statement itself compares the column with, in a conjunct that every
	// changed row satisfies. It may be used instead of Query where the database compares the column byte
	// for byte.
	Pinned *Source
}

// OtherPartition stands in the error of a server that finds a row of another partition in an upsert's way, where only
// it can tell.
const OtherPartition = "asherah-sql: the row in the way belongs to another partition"

// Edit is a splice into the user's text. Offset == End is an insertion.
type Edit struct {
	Offset, End int
	Text        string
	Value       int // index into Plan.Values + 1: replaced by the sealed value as a literal; 0: by Text
	// Lookup is an index into Plan.Lookups + 1 when the edit is that lookup's condition on the partition: it
	// and its Arg are left out of an execution whose values are all NULL and so need no partition. 0: none.
	Lookup int
}

// Arg is one argument of the text to send.
type Arg struct {
	Param  int    // index into Plan.Params + 1, or 0
	Lookup int    // index into Plan.Lookups + 1: the partition that was found, or 0
	Name   string // of a named parameter, without its prefix
}

// Result is the outputs of one statement of several that return rows.
type Result struct {
	Statement int // its index
	Outputs   []Output
	Hidden    int // so many of the last Outputs were added
}

// Output is one column of the result.
type Output struct {
	Column    *tags.Column // the encrypted column that it is; nil: passed through
	Name      string       // the name that it must have, when it came from a star or was added; "": not checked
	Partition int          // output that holds the row's partition column; -1: none
	Unpinned  string       // why the value's place can't be verified; "": it is, or the partition is the one in force
}

// TxOp is a transaction control operation.
type TxOp uint8

// The transaction control operations.
const (
	_          TxOp = iota
	TxBegin         // BEGIN
	TxCommit        // COMMIT, END
	TxRollback      // ROLLBACK
	TxSavepoint
	TxRelease
	TxRollbackTo // ROLLBACK TO a savepoint
)

var txOpNames = [...]string{"", "begin", "commit", "rollback", "savepoint", "release", "rollback to"}

// String returns the operation in lower case.
func (o TxOp) String() string {
	if o == 0 || int(o) >= len(txOpNames) {
		return "TxOp(" + strconv.Itoa(int(o)) + ")"
	}
	return txOpNames[o]
}

// TxStatement is one transaction control statement.
type TxStatement struct {
	Op   TxOp
	Name string // of the savepoint, folded to lower case
}

// TableName is a table as a statement names it, unquoted.
type TableName struct{ Schema, Name string }

// String returns "schema.name" or "name".
func (n TableName) String() string {
	if n.Schema == "" {
		return n.Name
	}
	return n.Schema + "." + n.Name
}

// Catalog tells the columns of tables as the database has them.
type Catalog interface {
	// Columns returns the columns that `*` yields, in order. ok is false when they aren't known yet. A table
	// that doesn't exist is (nil, true).
	Columns(TableName) (cols []string, ok bool)
}

// Mode is what of a connection's settings and of its server decides how a text is read, beyond the dialect.
// It is comparable: plans that depend on it are kept by it. SQLite has no modes.
type Mode struct {
	Known bool // false: nothing below is known; an analysis to which it matters ends with *NeedMode

	// BackslashEscapes: in '…' a backslash escapes the next byte. PostgreSQL with standard_conforming_strings
	// off, MySQL without NO_BACKSLASH_ESCAPES.
	BackslashEscapes bool

	// The sql_mode of MySQL and MariaDB.
	AnsiQuotes  bool // ANSI_QUOTES: "…" is an identifier
	PipesConcat bool // PIPES_AS_CONCAT
	HighNot     bool // HIGH_NOT_PRECEDENCE
	IgnoreSpace bool // IGNORE_SPACE
	Strict      bool // STRICT_TRANS_TABLES or STRICT_ALL_TABLES: a value that is too long is an error, never cut
	OracleMode  bool // ORACLE, MSSQL, DB2 or another mode with a grammar of its own, which isn't analysed

	MariaDB        bool
	Version        int  // of the server, as executable comments count it: 80036, 101119
	LowerCaseNames bool // lower_case_table_names isn't 0
}

// NeedMode is the error of an analysis whose answer depends on the mode, which wasn't known. The caller asks
// the connection and analyses again.
type NeedMode struct{}

func (*NeedMode) Error() string {
	return "analyse statement: the connection's mode is not known yet"
}

// NeedColumns is the error of an analysis that needs the columns of tables that the Catalog didn't know
// yet. The caller fetches them and analyses again.
type NeedColumns struct{ Tables []TableName }

func (e *NeedColumns) Error() string {
	var b strings.Builder
	b.WriteString("analyse statement: the columns of ")
	for i, t := range e.Tables {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(t.String())
	}
	b.WriteString(" are not known yet")
	return b.String()
}
