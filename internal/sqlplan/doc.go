// Package sqlplan decides what may be sent to the database: it reads the text of a statement, matches it
// with the registered schema and answers with a Plan, or with a refusal.
//
// It is the module's security boundary. A column that is registered as encrypted must never receive a
// value that wasn't sealed, and nothing else may carry its plaintext; so the package is closed by default.
// The lexer knows every token, the parser every construct and the analysis every node, or the statement is
// refused: there is no path on which an unknown thing is ignored. Every placeholder and every literal of a
// statement that touches a registered table ends with a role; one that is left over refuses the statement.
//
// The flow, and the files in its order: a text that names no registered table is found by [Analyzer.Mentions]
// (mentions.go) and never gets further. [Analyzer.Analyze] (analyze.go) splits the text into tokens
// (lexer.go), parses it (parser*.go, ast.go), resolves names through scopes (scope.go), follows encrypted
// columns to the outputs (lineage.go), plans the statement kinds (analyze_*.go) and fills a [Plan] (plan.go).
// The reasons for refusals are constants in refuse.go.
//
// Rows that a statement brings along and reads like a table are followed in analyze_lists.go.
//
// What differs between databases is data and a few functions with the same names in each: the facts in
// dialect_<database>.go, with PostgreSQL's and MySQL's tokens and grammars in lexer_<database>.go and
// parser_<database>*.go, and what only their statements have in analyze_<database>.go. What of a connection's settings decides how a text is read is a [Mode]. Adding a
// database means adding such files.
//
// Argument values never reach this package, and no text of a literal appears in its errors.
package sqlplan
