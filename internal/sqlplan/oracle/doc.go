// Package oracle holds the analyser of package sqlplan against somebody else's reading of the same statements.
//
// For each database there is a program (postgres, sqlite, mysql) that parses a text with a grammar that others
// wrote, brings its tree into the form of tree.go and follows the encrypted columns through it (walk.go). The
// walk knows nothing of sqlplan and shares no code with it. The programs run as processes of their own, since
// a foreign parser may panic, hang or grow on a broken text; process.go starts them, watches them and starts
// them again.
//
// The tests compare: what sqlplan accepts the grammar must accept, and which placeholder or literal is stored
// into which column, and which output is which column, must be the same on both sides.
//
// It is a module of its own, so that the grammars are never a dependency of a user's program.
package oracle
