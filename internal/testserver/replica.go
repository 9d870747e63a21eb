package testserver

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/asherah-sql/asherah-sql/internal/testproxy"
)

// Replica is a copy of a PostgreSQL server that follows it and answers what only reads (a hot standby). It
// has the same users, databases and, for Database and DSN, test. It ends with the test, as its primary does.
type Replica struct {
	*Server
	primary *Server
	// proxy is the way between the two: cutting it lets nothing more through, at that very moment.
	proxy *testproxy.Proxy
}

// replicaTimeout is how long a replica may take to do what it is asked for.
const replicaTimeout = 30 * time.Second

// Replica makes a copy of the server, which must be PostgreSQL, and returns when it answers and follows. It
// takes about a second. The test is skipped where the server isn't one that the tests have started.
func (s *Server) Replica() *Replica {
	s.t.Helper()
	if s.k != postgres {
		s.t.Fatalf("testserver: %s: Replica is for PostgreSQL only", s.k.title)
	}
	of, ok := s.b.(*instance)
	if !ok {
		s.check(lacking{"a replica needs a server that the tests start from programs of this machine, not one " + s.b.describe()})
	}
	server, err := filepath.EvalSymlinks(of.programs["postgres"])
	s.check(err)
	backup, ok := programIn(filepath.Dir(server), "pg_basebackup")
	if !ok {
		s.check(lacking{"no pg_basebackup beside " + server})
	}
	r := &Replica{primary: s, proxy: testproxy.New(s.t, s.Addr())}
	programs := map[string]string{"postgres": of.programs["postgres"], "pg_basebackup": backup}
	from, err := s.k.withAddress(s.dsnOf(""), r.proxy.Addr())
	s.check(err)
	settings := append([]string{postgresSetting("wal_retrieve_retry_interval", "100ms")}, of.settings...)
	in, err := newInstance(postgres, programs, settings, func(in *instance) error {
		in.at.user, in.at.password = of.at.user, of.at.password
		return in.runProgram("pg_basebackup", "--dbname="+from, "--pgdata="+in.data, "--checkpoint=fast",
			"--wal-method=stream", "--no-sync", "--write-recovery-conf")
	})
	s.check(err)
	r.Server = &Server{t: s.t, k: s.k, b: in, database: s.database, version: s.version}
	s.t.Cleanup(func() { r.end(true) })
	logs, err := in.log()
	s.check(err)
	for _, text := range logs {
		r.logged = append(r.logged, len(text))
	}
	r.CatchUp()
	return r
}

// CatchUp waits until the replica shows everything that the primary had committed before the call.
func (r *Replica) CatchUp() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), replicaTimeout)
	defer cancel()
	// A record of our own in the primary's log comes after all of them.
	end, err := r.k.run(ctx, r.primary.DSN(""), "SELECT pg_logical_emit_message(true, 'testserver', CAST('' AS text))")
	r.check(err)
	r.wait(ctx, "has caught up", fmt.Sprintf("SELECT coalesce(pg_last_wal_replay_lsn() >= '%s', false)", end))
}

// Disconnect cuts the replica off: it goes on answering, and what the primary commits from now on never
// reaches it. What was committed before the call may not have either: see [Replica.CatchUp].
func (r *Replica) Disconnect() {
	r.proxy.Refuse()
	r.proxy.CutAll()
}

// Reconnect lets the replica follow again.
func (r *Replica) Reconnect() { r.proxy.Heal() }

// Promote makes the replica a server that accepts writes and follows nobody. The primary isn't told.
func (r *Replica) Promote() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), replicaTimeout)
	defer cancel()
	_, err := r.k.run(ctx, r.DSN(""), "SELECT pg_promote(false)")
	r.check(err)
	r.wait(ctx, "is promoted", "SELECT NOT pg_is_in_recovery()")
}

// wait asks the replica until the query's answer is true.
func (r *Replica) wait(ctx context.Context, what, query string) {
	r.t.Helper()
	for {
		value, err := r.k.run(ctx, r.DSN(""), query)
		r.check(err)
		if value == "t" {
			return
		}
		select {
		case <-ctx.Done():
			r.check(fmt.Errorf("the replica never %s: %w", what, ctx.Err()))
		case <-time.After(5 * time.Millisecond):
		}
	}
}
