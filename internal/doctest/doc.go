// Package doctest holds tests and no code: they keep the README and the manual in docs/ true.
//
// Every fenced block of those pages says its language, and each language is checked in its way:
//
//   - go: the block is checked by the compiler as a program of somebody else's that imports this module, and
//     run when a text block follows. A block that begins with a package clause is a program as it is; any other
//     is a fragment: its declarations stand at the top, its statements in a function that has a ctx and a db.
//     Known packages are imported for it.
//   - sh: each line is a command that is run, or checked in a way that fits it (a make target must exist).
//   - text: directly after a block of the two kinds above, it is what that program or command prints
//     (-update writes it), ciphertexts, temporary folders and schemas aside.
//   - sql: each line is a statement with a comment that says what becomes of it; driver.Explain must agree.
//     "sql postgres" is of PostgreSQL, "sql" alone of SQLite.
//
// A block that names SHOP_DSN gets a PostgreSQL database of its own (internal/testserver); without a server it
// is reported as not tested.
//
// A block of another language is an error, so that no example can go unchecked by a slip of the pen.
package doctest
