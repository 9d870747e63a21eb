// Package testproxy stands between a client and a server in tests: it counts what the two say to each
// other, and cuts a connection at a chosen byte or request. It knows no protocol and needs no clock, so a
// test that uses it fails at the same place each time.
//
//	srv := testserver.Postgres(t)
//	proxy := testproxy.New(t, srv.Addr())
//	db, err := sql.Open("pgx", srv.DSNAt(proxy.Addr(), ""))
//	…
//	before := proxy.Stats()
//	…
//	if n := proxy.Stats().Sub(before).RoundTrips; n != 1 { … }
//
//	proxy.Cut(testproxy.BeforeAnswer(1).When(testproxy.Contains("INSERT INTO")))
//
// # Round trips
//
// What a client sends until the server says something is one request, however many writes it takes; its
// answer makes it a round trip. What is never answered (MySQL's COM_STMT_CLOSE, a client's leave) costs none:
// it is part of the request that follows it on the connection, if one does, so that a test which counts
// doesn't depend on when such a message arrives. What is said while a connection is made counts too.
//
// # Cuts
//
// Cutting is closing in good order what was let through: the receiver gets exactly those bytes and then the
// end of the stream, and so does the other side. What either of them sends later is thrown away. The
// server therefore learns of it as it does of a client that has died, and goes on with a statement that it
// has got whole.
package testproxy
