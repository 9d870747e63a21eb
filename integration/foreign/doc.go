// Package foreign runs other people's test suites through the wrapper: database/sql's own tests, and those of
// the drivers that the wrapper is used with. What passes without the wrapper must pass with it.
//
// A suite's package is copied to a temporary directory, from GOROOT or from the module cache: nothing of it is
// kept in this tree. The copy differs from the original in these places only, see [edits]:
//
//   - The tests import a package that is database/sql with another Open and OpenDB (package sql). database/sql's
//     copy has one statement more in OpenDB instead.
//   - Where a test takes the concrete connection, connector or driver out of database/sql, it is given the one
//     under the wrapper, as a program gets it with Unwrap.
//   - database/sql's copy has stand-ins for three internal packages that only GOROOT may import.
//
// One binary is built of the copy and run twice, with the environment variable that says whether connections
// go through the wrapper. The two sets of passing tests, subtests included, must be equal. Tests of identity
// (the driver that db.Driver returns is the very one that was registered) can't be: testdata/identity.txt
// lists each with its reason, and an entry that isn't needed any more is an error as well.
//
// Where a suite's tests use tables that can be registered, the binary runs a third time with columns of them
// encrypted, see package arm. Tests that can't pass then (a value wider than the column leaves room for, a
// column of another type) are in testdata/encrypted.txt, again with reasons and with no entry too many; how many
// tests sealed a value is counted, and must not fall.
//
// database/sql's suite takes seconds and runs with every test. Those of the drivers need servers, a C compiler and
// minutes: they run with the build tag foreign, `make foreign`.
package foreign
