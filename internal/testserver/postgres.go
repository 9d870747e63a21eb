package testserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

var postgres = &kind{
	name:   "postgres",
	title:  "PostgreSQL",
	dsnVar: "ASHERAH_TEST_POSTGRES_DSN",
	users:  []string{"postgres", "nobody"},
	deb:    "postgresql",
	server: "postgres",

	lingers: "pre-existing shared memory block",

	programs: func() (map[string]string, error) {
		return programsTogether([]string{"postgres", "initdb"},
			"/usr/lib/postgresql/*/bin", // Debian
			"/usr/pgsql-*/bin",          // the RPMs of postgresql.org
			"/usr/local/pgsql/bin",      // make install
			"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
		)
	},
	setUp: func(in *instance) error {
		password := filepath.Join(in.dir, "password")
		if err := in.write(password, in.at.password); err != nil {
			return err
		}
		return in.runProgram("initdb", "--pgdata="+in.data, "--username="+in.at.user, "--pwfile="+password,
			"--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync")
	},
	command: func(in *instance) []string {
		args := []string{in.programs["postgres"], "-D", in.data}
		for _, s := range [][2]string{
			{"listen_addresses", "127.0.0.1"},
			{"port", strconv.Itoa(in.at.port)},
			{"unix_socket_directories", in.at.socket},
			{"external_pid_file", in.pidFile()},
			{"fsync", "off"},
			{"full_page_writes", "off"},
			{"shared_buffers", "32MB"},
			{"max_connections", "200"},
			// Anything in /dev/shm under another name would outlive a server that was killed.
			{"dynamic_shared_memory_type", "mmap"},
			{"log_statement", "all"},
			{"log_parameter_max_length", "-1"},
			{"log_parameter_max_length_on_error", "-1"},
			{"log_line_prefix", "%m [%p] %d %a: "},
		} {
			args = append(args, postgresSetting(s[0], s[1]))
		}
		return args
	},
	setting: postgresSetting,
	logs:    []string{serverLog},
	halt:    syscall.SIGINT, // without waiting for the clients to go
	end:     syscall.SIGQUIT,

	forget: func(in *instance) {
		// The file is there after a crash only. Its seventh line has the shared memory, by which the server would
		// know at its next start whether an earlier one still runs: some 50 bytes.
		text, err := os.ReadFile(filepath.Join(in.data, "postmaster.pid"))
		if lines := strings.Split(string(text), "\n"); err == nil && len(lines) >= 7 {
			if words := strings.Fields(lines[6]); len(words) == 2 {
				_, _ = in.command([]string{"ipcrm", "-m", words[1]}).CombinedOutput()
			}
		}
	},

	container: container{
		service: "postgres", port: 5432, user: "asherah", password: "asherah",
		log: func(name string) []string { return []string{"logs", name} },
	},

	dsn: func(at address, database string) string {
		if database == "" {
			database = "postgres"
		}
		u := url.URL{Scheme: "postgres", User: url.UserPassword(at.user, at.password), Path: "/" + database}
		query := url.Values{}
		if at.socket != "" {
			query.Set("host", at.socket)
			query.Set("port", strconv.Itoa(at.port))
		} else {
			u.Host = "127.0.0.1:" + strconv.Itoa(at.port)
			query.Set("sslmode", "disable")
		}
		u.RawQuery = query.Encode()
		return u.String()
	},
	withDatabase: func(dsn, database string) (string, error) {
		if _, err := pgconn.ParseConfig(dsn); err != nil {
			return "", err
		}
		if database == "" {
			return dsn, nil
		}
		if !postgresURL(dsn) {
			return dsn + " dbname=" + database, nil // the last one counts
		}
		u, err := url.Parse(dsn)
		if err != nil {
			return "", errors.New("not a URL") // url's error repeats the password
		}
		u.Path, u.RawPath = "/"+database, ""
		query := u.Query()
		query.Del("dbname")
		query.Del("database")
		u.RawQuery = query.Encode()
		return u.String(), nil
	},
	address: func(dsn string) (string, error) {
		cfg, err := pgconn.ParseConfig(dsn)
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(cfg.Host, "/") {
			return cfg.Host + "/" + postgresSocket + strconv.Itoa(int(cfg.Port)), nil
		}
		return net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))), nil
	},
	withAddress: func(dsn, addr string) (string, error) {
		host, port, err := net.SplitHostPort(addr)
		if dir, name := filepath.Split(addr); dir != "" {
			host, port, err = filepath.Clean(dir), strings.TrimPrefix(name, postgresSocket), nil
		}
		if err != nil {
			return "", err
		}
		if !postgresURL(dsn) {
			return dsn + " host=" + host + " port=" + port, nil
		}
		u, err := url.Parse(dsn)
		if err != nil {
			return "", errors.New("not a URL")
		}
		u.Host = ""
		query := u.Query()
		query.Set("host", host)
		query.Set("port", port)
		u.RawQuery = query.Encode()
		return u.String(), nil
	},
	run:     postgresRun,
	version: "SHOW server_version",
	create: func(database string) string {
		// From template0, which nobody can be connected to: template1 can't be copied while somebody is.
		return `CREATE DATABASE "` + database + `" TEMPLATE template0`
	},
	drop: func(ctx context.Context, dsn, database string) error {
		_, err := postgresRun(ctx, dsn, `DROP DATABASE IF EXISTS "`+database+`" WITH (FORCE)`)
		return err
	},
}

// postgresSocket begins the name of a Unix socket, and the port ends it.
const postgresSocket = ".s.PGSQL."

func postgresURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

func postgresSetting(name, value string) string { return "--" + name + "=" + value }

func postgresRun(ctx context.Context, dsn string, statements ...string) (value string, err error) {
	conn, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for _, s := range statements {
		results, err := conn.Exec(ctx, s).ReadAll()
		if err != nil {
			return "", fmt.Errorf("%s: %w", s, err)
		}
		value = ""
		if len(results) > 0 && len(results[0].Rows) > 0 {
			value = string(results[0].Rows[0][0])
		}
	}
	return value, nil
}
