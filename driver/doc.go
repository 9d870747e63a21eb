// Package driver wraps a database/sql driver so that the columns that a program's models tag with
// `encrypt` are ciphertext in the database and plaintext in the program.
//
// Most programs never import it: they import a leaf (driver/sqlite) for its registered name and tag
// their models. This package is for code that configures the wrapper itself:
//
//   - [WithPartition] says which tenant a request works for.
//   - [WrapConnector] and [WrapDriver] put the wrapper around any connector or driver: tracing wrappers,
//     other drivers of the same database, pools that refresh tokens.
//   - [SplitDSN] takes the asherah settings out of a connection string, for tools that want the plain one.
//   - [Sealer] makes the same bytes as the driver where statements don't pass through it (COPY, batches).
//   - [Explain] shows what the wrapper would do with a statement, without a database.
//
// # What it promises
//
// A plaintext value of an encrypted column never leaves the process, and a statement that can't be proved
// to honour that is refused before anything is sent, with a [RefusedError] that names place and remedy.
// A statement that names no registered table reaches the wrapped driver byte for byte, and its rows,
// errors and results come back as they are.
//
// # How a query flows
//
// The files follow it: connector.go opens and prepares a connection; conn.go takes the statement;
// plans.go finds or makes its plan; args.go binds arguments to the plan's parameters and seal.go replaces
// those that go to encrypted columns; rows.go opens what comes back. tx.go keeps the keys of SQLite's
// transactions apart until they are committed.
//
// The package imports no real driver, so that a real driver's own tests can run through it.
package driver
