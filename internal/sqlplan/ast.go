package sqlplan

// The syntax tree. Nodes hold token numbers instead of texts, and are made by the parser's slabs, so that a
// statement of a thousand placeholders costs a few allocations. Nothing of it outlives one Analyze.

// op is the kind of an expression. The analysis has a case for each; one without a case is refused.
type op uint8

const (
	opInvalid op = iota
	opColumn     // name, table.name or schema.table.name
	opParam
	opString
	opBlob
	opNumber
	opNull
	opTime   // CURRENT_DATE, CURRENT_TIME, CURRENT_TIMESTAMP
	opParen  // (a)
	opRow    // (list), two or more
	opNeg    // -a
	opPos    // +a
	opBitNot // ~a
	opNot
	opArith // a + b and the like
	opConcat
	opArrow // -> and ->>
	opAnd
	opOr
	opEq
	opNe
	opLess // < <= > >=
	opIs   // also IS NOT DISTINCT FROM
	opIsNot
	opIsNull
	opNotNull
	opLike // LIKE, GLOB, REGEXP, MATCH; list[0]: ESCAPE
	opBetween
	opIn       // a IN (list)
	opInSelect // a IN (sel)
	opInTable  // a IN name(list)
	opExists
	opSubquery
	opCase // a: operand or nil; list: when, then, …; b: else or nil
	opCast
	opCollate
	opFunc
	opRaise

	opBool
	opBits     // a bit string
	opDefault  // DEFAULT as a value
	opOperator // another operator, a and b or only a
	opAny      // a <operator> ANY or ALL (b), or (sel)
	opArray    // ARRAY[list]
	opArrayOf  // ARRAY(sel)
	opIndex    // a[list]
	opField    // (a).name, the name at aux
	opWhole    // t.* as a value, or (a).*
	opTyped    // type 'string': a is the string
	opInserted // VALUES(column at aux) of ON DUPLICATE KEY UPDATE
	ops        // their number
)

// expr is a node of an expression.
type expr struct {
	op     op
	seen   bool  // the analysis has given it a role
	height int32 // of the tree below it
	tok    int32 // first token
	end    int32 // after the last token
	aux    int32 // opFunc and opLike: the token that names it; opCast: first token of the type; opInTable: first token of the name
	auxEnd int32 // opCast: after the last token of the type
	a, b   *expr
	list   []*expr
	sel    *selectStmt
	fn     *funcExtra
}

// funcExtra is what only some function calls have.
type funcExtra struct {
	distinct bool
	star     bool
	foreign  bool // the name has a schema that isn't the database's own
	order    []*expr
	filter   *expr
	over     *window // nil without OVER; an empty one for OVER name
}

// window is a window definition.
type window struct {
	partition, order []*expr
	bounds           []*expr
}

// name is a possibly qualified name: token numbers, 0 schema when there is none.
type name struct {
	schema int32 // token, or -1
	tok    int32
}

// selectStmt is a SELECT or VALUES with its set operations.
type selectStmt struct {
	with     *with
	cores    []*core
	ops      []setOp // ops[i] stands between cores[i] and cores[i+1]
	order    []*expr
	limit    *expr
	offset   *expr
	locks    []name // tables of FOR UPDATE OF
	tok, end int32
}

type setOp uint8

const (
	unionAll setOp = iota + 1
	union
	except
	intersect
)

// core is one SELECT or VALUES of a set operation.
type core struct {
	values   [][]*expr   // VALUES; nil for SELECT
	sel      *selectStmt // a query in parentheses; then all below but tok and end is empty
	into     bool        // SELECT INTO
	table    bool        // TABLE t: its star is the word TABLE
	distinct bool
	on       []*expr // DISTINCT ON
	cols     []resultCol
	from     []*source
	where    *expr
	group    []*expr
	having   *expr
	windows  []*window
	tok, end int32
}

// resultCol is an item of a select list or of RETURNING.
type resultCol struct {
	e        *expr // nil for a star
	table    int32 // token of t in t.*, or -1
	alias    int32 // token, or -1
	tok, end int32 // with the alias
}

// joinOp says how a source is joined to those before it.
type joinOp uint8

const (
	joinNatural joinOp = 1 << iota
	joinOuter          // RIGHT or FULL: rows of the left side may be missing
)

// source is an item of FROM.
type source struct {
	join       joinOp
	name       name
	alias      int32   // token, or -1
	call       bool    // a table-valued function
	ordinality bool    // WITH ORDINALITY: its rows are numbered
	joined     bool    // of MySQL: nested are joined without parentheses around them
	dual       bool    // of MySQL: no table
	lateral    bool    // also without the word, of a function
	cols       []int32 // names given to its columns, by their tokens
	typed      bool    // cols have types: they are the columns of a function
	args       []*expr // of a function; the function itself, or several, where calls are expressions
	merged     int32   // token of the alias of the columns of USING, or -1
	sel        *selectStmt
	nested     []*source
	on         *expr
	using      []int32 // tokens
	tok, end   int32
}

// with is a WITH clause.
type with struct {
	recursive bool
	ctes      []*cte
}

// cte is a common table expression.
type cte struct {
	name  int32
	cols  []int32
	sel   *selectStmt
	write *stmt // a statement that writes, instead of sel
	extra bool  // SEARCH or CYCLE add columns
}

// target is the table that a statement writes.
type target struct {
	name     name
	alias    int32 // token, or -1
	tok, end int32 // with the alias
}

// assign is one assignment of SET: one column, or several from a row or a query.
type assign struct {
	cols []int32
	row  bool    // written in parentheses
	part bool    // a part of the column is assigned: an element or a field
	subs []*expr // the numbers of the elements
	e    *expr
	tok  int32
}

// upsert is one ON CONFLICT clause.
type upsert struct {
	target      []*expr
	targetWhere *expr
	duplicate   bool // ON DUPLICATE KEY: the conflict may be about any key
	update      bool
	set         []assign
	where       *expr
	tok         int32
}

// insertStmt is INSERT or REPLACE.
type insertStmt struct {
	with      *with
	target    target
	cols      []int32
	hasCols   bool
	part      bool        // a part of a column is inserted into
	subs      []*expr     // the numbers of elements
	sel       *selectStmt // nil for DEFAULT VALUES
	upserts   []upsert
	returning []resultCol
	names     []int32
	ignore    bool    // INSERT IGNORE
	alias     int32   // of MySQL: the token of the name of the row in ON DUPLICATE KEY UPDATE, or -1
	aliasCols []int32 // of MySQL: the names of its columns
}

// mergeStmt is MERGE.
type mergeStmt struct {
	with      *with
	target    target
	source    []*source // one
	on        *expr
	whens     []mergeWhen
	returning []resultCol
	names     []int32
}

// mergeWhen is one WHEN of MERGE.
type mergeWhen struct {
	matched  bool // the target's row exists
	bySource bool // NOT MATCHED BY SOURCE: there is a row of the target and none of the source
	cond     *expr
	set      []assign
	ins      *insertStmt
	tok      int32
}

// updateStmt is UPDATE.
type updateStmt struct {
	with      *with
	target    target
	set       []assign
	from      []*source
	where     *expr
	returning []resultCol
	names     []int32 // aliases of the old and the new row in RETURNING, or -1
	ignore    bool    // UPDATE IGNORE
	multi     bool    // of MySQL: from is all that is updated, without a target
	current   bool    // WHERE CURRENT OF
	order     []*expr
	limit     *expr
	offset    *expr
	bodyEnd   int32 // token after the last one before ORDER BY, LIMIT, RETURNING: where a WHERE may be added
}

// deleteStmt is DELETE.
type deleteStmt struct {
	with      *with
	target    target
	multi     bool // of MySQL: using is all, without a target
	using     []*source
	where     *expr
	returning []resultCol
	names     []int32
	order     []*expr
	limit     *expr
	offset    *expr
}

// ddlOp is the kind of a statement that isn't a query.
type ddlOp uint8

const (
	ddlInvalid ddlOp = iota
	ddlCreateTable
	ddlCreateTableAs
	ddlCreateIndex
	ddlCreateView
	ddlCreateTrigger
	ddlCreateVirtual
	ddlDrop
	ddlAlterAdd   // ADD COLUMN
	ddlAlterOther // RENAME, DROP COLUMN, constraints
	ddlAnalyze
	ddlReindex
	ddlPragma
	ddlAttach
	ddlDetach
	ddlVacuum
	ddlPass     // concerns no values of columns
	ddlDefine   // exprs may hold literals that stand beside encrypted columns
	ddlDynamic  // runs statements that stand in strings, or under a name
	ddlMove     // COPY and the like: moves data past the analysis
	ddlRowRule  // CREATE RULE
	ddlFunction // its body is a string, or statements
	ddlStore    // a table or a materialized view made from a query
	ddlSet      // SET
	ddlRoutine  // a stored program of MySQL: its body is statements
	ddls        // their number
)

// ddlStmt is a statement that defines or manages things.
type ddlStmt struct {
	op      ddlOp
	table   name   // the table that it is about; tok -1: none
	others  []name // other tables that it names
	columns []columnDef
	sel     *selectStmt
	where   *expr   // of an index
	exprs   []*expr // of indexes and constraints
	usings  []*using
	body    []*stmt
	call    *expr     // of CALL
	renames bool      // the last of others is the table's new name
	rows    bool      // it returns rows
	pairs   [][2]name // of MySQL: old and new names of tables
	after   int32     // of MySQL: the token behind the table of a trigger
	moves   int32     // token of the table's new schema, or 0
}

// using is a change of a column's type with an expression, or its new default.
type using struct {
	col   int32
	e     *expr
	deflt bool
}

// columnDef is a column of CREATE TABLE or ADD COLUMN.
type columnDef struct {
	name      int32
	generated int32 // token of the expression, or -1
	deflt     *expr // nil: none
}

// stmt is one statement of a text.
type stmt struct {
	kind     Kind
	explain  bool
	opaque   bool  // not understood, and names no registered table
	tok, end int32 // tokens, without the semicolon
	sel      *selectStmt
	ins      *insertStmt
	upd      *updateStmt
	del      *deleteStmt
	merge    *mergeStmt
	ddl      *ddlStmt
	tx       *TxStatement
	exprs    [2]int // its nodes, as numbered by the parser
}
