package testserver

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// pgbouncer isn't one of kinds: it has no databases of its own, and nothing shares it.
var pgbouncer = &kind{
	name:   "pgbouncer",
	title:  "PgBouncer",
	users:  []string{"postgres", "nobody"},
	deb:    "pgbouncer",
	server: "pgbouncer",

	programs: func() (map[string]string, error) {
		return programsAnywhere([]string{"pgbouncer"}, "/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin")
	},
	command: func(in *instance) []string { return []string{in.programs["pgbouncer"], pgbouncerConfig(in)} },
	logs:    []string{serverLog},
	halt:    syscall.SIGTERM,
	end:     syscall.SIGTERM,
	dsn: func(at address, database string) string {
		if database == "" {
			database = "pgbouncer" // its console
		}
		return postgres.dsn(at, database)
	},
	run:     postgresRun,
	version: "SHOW VERSION",
}

func pgbouncerConfig(in *instance) string { return filepath.Join(in.dir, "pgbouncer.ini") }

// PgBouncer starts a PgBouncer before a PostgreSQL server and returns the connection string for the test's
// database through it. It hands out its four connections by turns and for one transaction at a time
// (pool_mode=transaction), so that what a session keeps is never where the next statement looks. It ends
// with the test, which is skipped when there is none and none can be installed.
func PgBouncer(t testing.TB, server *Server) string {
	t.Helper()
	if server.k != postgres {
		t.Fatalf("testserver: PgBouncer stands before PostgreSQL only, not %s", server.k.title)
	}
	cfg, err := pgconn.ParseConfig(server.DSN(""))
	if err != nil {
		t.Fatal("testserver: PgBouncer: ", err)
	}
	s := &Server{t: t, k: pgbouncer}
	s.b, err = pgbouncer.newServer(nil, func(in *instance) error {
		in.at.user, in.at.password = cfg.User, cfg.Password
		users := filepath.Join(in.dir, "users")
		quoted := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
		in.configure = func() error {
			return in.write(pgbouncerConfig(in), fmt.Sprintf(`[databases]
* = host=%s port=%d
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir = %s
pidfile = %s
auth_type = scram-sha-256
auth_file = %s
admin_users = %s
pool_mode = transaction
default_pool_size = 4
server_round_robin = 1
max_client_conn = 500
`, cfg.Host, cfg.Port, in.at.port, in.at.socket, in.pidFile(), users, cfg.User))
		}
		return in.write(users, quoted(cfg.User)+" "+quoted(cfg.Password)+"\n")
	})
	s.check(err)
	t.Cleanup(func() { s.end(true) })
	return pgbouncer.dsn(s.b.(*instance).tcp(), server.Database())
}
