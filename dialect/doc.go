// Package dialect names the databases that the module knows and holds the few facts about them that
// several packages need: the driver-independent name, the placeholder style and the way an identifier
// is quoted.
//
// A database is one row of a table in this package. What only the statement analyser must know about a
// database stands there, not here.
//
// The names that [Dialect.String] gives are promised: they stand in connection strings, configuration
// files and golden tests. The numbers behind the constants are not; nothing may store them.
//
// Everything here is immutable and safe for concurrent use.
package dialect
