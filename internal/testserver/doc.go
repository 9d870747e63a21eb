// Package testserver gives tests a real database server. It is apart from the suites that use it so
// that all of them find a server in the same way, and none of them leaves one behind.
//
//	func TestMain(m *testing.M) { testserver.Main(m) }
//
//	func TestOrders(t *testing.T) {
//		srv := testserver.Postgres(t)
//		db, err := sql.Open("pgx", srv.DSN(""))
//		…
//	}
//
// # Where the server comes from
//
// The first of these that there is:
//
//  1. The server behind ASHERAH_TEST_POSTGRES_DSN (a connection string of pgx) or
//     ASHERAH_TEST_MARIADB_DSN (of go-sql-driver/mysql), whose user may create databases.
//  2. Programs on this machine: in PATH, or where packages put them (/usr/lib/postgresql/*/bin, …).
//     PostgreSQL 13 or later, MariaDB 10.5 or later. A version of one's own choice stands first in PATH.
//  3. The same programs after `apt-get install`: as root, on Debian and Ubuntu, unless
//     ASHERAH_TEST_INSTALL is "no".
//  4. A container of the service in docker-compose.yml, where a Docker daemon answers.
//
// What 2 to 4 start is private to the test process: a directory of its own in /dev/shm, or in the temporary
// directory where that is too small, with all files that the server makes, a free port of 127.0.0.1, a random password, no waiting
// for the disk. All tests of the process that don't ask for a [Private] one share it, and each call of
// [Postgres] or [MariaDB] makes a database that is dropped when the test ends. Every statement is logged
// with its parameters: [Server.Log].
//
// Both servers refuse to run as root, so root starts them as their packages' users, postgres and mysql,
// or as nobody.
//
// # More than one server
//
// [Server.Replica] makes a PostgreSQL server's read-only copy, which can be cut off and promoted, and
// [PgBouncer] stands before one. A proxy that counts round trips and cuts connections is made for
// [Server.Addr] with the package testproxy.
//
// # How it ends
//
// A server never outlives the test process. [Main] stops it after the last test. Where nobody can (the
// process was killed, a test panicked, a deadline passed, Main isn't used), a small watching process,
// which holds the other end of a pipe and is in a session of its own, sees the pipe close, ends the server
// at once and removes its directory. Should both have been killed, the next run that needs a server ends
// and removes what is left.
//
// # When there is none
//
// The tests that need it are skipped with the reason, and Main ends the process's output with lines that
// say what was not tested. `go test` shows the output of a package that passes only with -v, so the lines
// are also appended to the file that ASHERAH_TEST_REPORT names, for a caller to show at the end.
// ASHERAH_TEST_REQUIRE=postgres,mariadb,pgbouncer turns the skips of those servers into failures. `go test` doesn't
// know that a server has been installed since: -count=1 keeps it from repeating a kept result.
//
// A server that is there but can't be used (a connection string that is wrong, a program that doesn't
// start) fails the tests: that is a fault, and skipping would hide it. So is one that ends by itself, whose
// last lines the failure shows.
package testserver
