package testserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// Server is a database server for one test. Its methods end the test when they fail, so they are called
// from the test's own goroutine.
type Server struct {
	t        testing.TB
	k        *kind
	b        backend
	database string
	version  string
	logged   []int // how long the logs were when the test began
}

// Option changes what [Postgres] and [MariaDB] return.
type Option func(*options)

type options struct {
	private  bool
	settings [][2]string
}

// Private asks for a server that no other test uses: for tests that stop it or look through its files.
// It takes about a second, and never comes from a connection string of the environment.
func Private() Option { return func(o *options) { o.private = true } }

// Setting sets a variable of the server on its command line, for instance timezone or default_time_zone.
// The server is then private.
func Setting(name, value string) Option {
	return func(o *options) {
		o.private = true
		o.settings = append(o.settings, [2]string{name, value})
	}
}

// Postgres returns a PostgreSQL server with an empty database of the test's own, which is dropped when the
// test ends. The test is skipped when there is no server and none can be started.
func Postgres(t testing.TB, opts ...Option) *Server {
	t.Helper()
	return serve(t, postgres, opts)
}

// MariaDB returns a MariaDB server as [Postgres] does a PostgreSQL one. Where the environment names a
// server, it may be MySQL.
func MariaDB(t testing.TB, opts ...Option) *Server {
	t.Helper()
	return serve(t, mariadb, opts)
}

// maintenance is how long creating and dropping a database may take.
const maintenance = time.Minute

func serve(t testing.TB, k *kind, opts []Option) *Server {
	t.Helper()
	s := &Server{t: t, k: k}
	if _, err := required(); err != nil {
		t.Fatal("testserver: ", err)
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	var err error
	if o.private {
		var settings []string
		for _, set := range o.settings {
			settings = append(settings, k.setting(set[0], set[1]))
		}
		s.b, err = k.newServer(settings, k.setUp)
	} else {
		s.b, err = k.sharedServer()
	}
	s.check(err)
	t.Cleanup(func() { s.end(o.private) })
	s.check(s.b.died(0))
	s.check(s.b.start())

	s.database = "asherah_test_" + strings.ToLower(rand.Text()[:12])
	ctx, cancel := context.WithTimeout(context.Background(), maintenance)
	defer cancel()
	s.version, err = k.run(ctx, s.dsnOf(""), k.create(s.database), k.version)
	s.check(err)
	if logs, err := s.b.log(); err == nil {
		for _, text := range logs {
			s.logged = append(s.logged, len(text))
		}
	} else if !errors.As(err, new(lacking)) {
		s.check(err)
	}
	return s
}

// end leaves a shared server as the test has found it, and ends a private one.
func (s *Server) end(private bool) {
	err := s.b.died(0)
	switch {
	case private:
		err = errors.Join(err, s.b.close())
	case s.database != "":
		started := s.b.start()
		if started == nil {
			ctx, cancel := context.WithTimeout(context.Background(), maintenance)
			defer cancel()
			started = s.k.drop(ctx, s.dsnOf(""), s.database)
		}
		if started != nil {
			// Clients notice its end a moment sooner than its parent.
			err = errors.Join(err, s.b.died(2*time.Second))
		}
		err = errors.Join(err, started)
	}
	if err != nil {
		s.t.Errorf("testserver: %s: end of test: %v", s.k.title, err)
	}
}

// check ends the test when err isn't nil: as skipped when it is about what this machine doesn't have.
func (s *Server) check(err error) {
	s.t.Helper()
	var l lacking
	switch {
	case err == nil:
	case errors.As(err, &l):
		missing(s.t, s.k, l.reason)
	default:
		s.t.Fatalf("testserver: %s: %v", s.k.title, err)
	}
}

func (s *Server) dsnOf(database string) string {
	s.t.Helper()
	dsn, err := s.b.dsn(database)
	s.check(err)
	return dsn
}

// String names the server, its version and where it comes from.
func (s *Server) String() string {
	return fmt.Sprintf("%s %s (%s)", s.k.title, s.version, s.b.describe())
}

// Version returns what the server says of its version.
func (s *Server) Version() string { return s.version }

// Database returns the name of the test's own database.
func (s *Server) Database() string { return s.database }

// DSN returns the connection string for a database, the test's own one when database is "": a URL for
// pgx, the form of go-sql-driver/mysql for MariaDB. It is over TCP, and its user may do everything.
func (s *Server) DSN(database string) string {
	s.t.Helper()
	if database == "" {
		database = s.database
	}
	return s.dsnOf(database)
}

// SocketDSN is DSN over the server's Unix socket, for benchmarks. Where the server isn't a private one
// it is the same as DSN.
func (s *Server) SocketDSN(database string) string {
	s.t.Helper()
	if database == "" {
		database = s.database
	}
	dsn, err := s.b.socketDSN(database)
	s.check(err)
	return dsn
}

// Addr returns where DSN leads, for a proxy before the server: a host:port.
func (s *Server) Addr() string {
	s.t.Helper()
	addr, err := s.k.address(s.DSN(""))
	s.check(err)
	return addr
}

// SocketAddr returns where SocketDSN leads: the path of a Unix socket.
func (s *Server) SocketAddr() string {
	s.t.Helper()
	addr, err := s.k.address(s.SocketDSN(""))
	s.check(err)
	return addr
}

// DSNAt is DSN by way of another address, a proxy's: a host:port or the path of a Unix socket.
func (s *Server) DSNAt(addr, database string) string {
	s.t.Helper()
	dsn, err := s.k.withAddress(s.DSN(database), addr)
	s.check(err)
	return dsn
}

// Log returns what the server has logged since the test got it: its messages and, from everybody who uses
// it, each statement with its parameters. A statement is there when it has been answered. The test is
// skipped where the log can't be read.
func (s *Server) Log() string {
	s.t.Helper()
	logs, err := s.b.log()
	s.check(err)
	var text strings.Builder
	for i, part := range logs {
		text.WriteString(part[min(s.logged[i], len(part)):])
	}
	return text.String()
}

// DataDir returns the server's data directory. Data may still be in the server's memory; [Server.Stop]
// writes it. The test is skipped where the directory can't be read.
func (s *Server) DataDir() string {
	s.t.Helper()
	dir, err := s.b.dataDir()
	s.check(err)
	return dir
}

// Stop ends the server in good order, cutting its connections. [Server.Restart] starts it again, and the
// end of the test does for a shared one, which all other tests of the process miss meanwhile: those that
// run in parallel make it [Private]. The test is skipped where the server isn't ours to stop.
func (s *Server) Stop() {
	s.t.Helper()
	s.check(s.b.stop())
}

// Crash kills the server with all its processes (SIGKILL): they write nothing more, their clients' connections
// just end, and the server recovers at the next start. What was committed is there, because the system
// keeps it.
func (s *Server) Crash() {
	s.t.Helper()
	s.check(s.b.crash())
}

// Restart ends the server in good order, if it runs, and starts it at the same port with the same data. It
// also starts a server after [Server.Stop] and [Server.Crash].
func (s *Server) Restart() {
	s.t.Helper()
	s.check(s.b.stop())
	s.check(s.b.start())
}
