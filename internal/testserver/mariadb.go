package testserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

// statementLog is the file that MariaDB logs statements to.
const statementLog = "statements.log"

var mariadb = &kind{
	name:   "mariadb",
	title:  "MariaDB",
	dsnVar: "ASHERAH_TEST_MARIADB_DSN",
	users:  []string{"mysql", "nobody"},
	deb:    "mariadb-server",
	server: "mariadbd",

	programs: func() (map[string]string, error) {
		return programsAnywhere([]string{"mariadbd", "mariadb-install-db"},
			"/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/bin", "/usr/local/bin",
			"/opt/homebrew/opt/mariadb/bin", "/usr/local/opt/mariadb/bin",
		)
	},
	setUp: func(in *instance) error {
		// One statement a line: the server skips what goes on in the next one.
		var init string
		for _, host := range []string{"127.0.0.1", "localhost"} {
			who := fmt.Sprintf("'%s'@'%s'", in.at.user, host)
			init += fmt.Sprintf("CREATE USER IF NOT EXISTS %s IDENTIFIED BY '%s';\n", who, in.at.password) +
				fmt.Sprintf("GRANT ALL PRIVILEGES ON *.* TO %s WITH GRANT OPTION;\n", who)
		}
		if err := in.write(mariadbInit(in), init); err != nil {
			return err
		}
		return in.runProgram("mariadb-install-db", "--no-defaults", "--datadir="+in.data, "--skip-test-db")
	},
	command: func(in *instance) []string {
		return []string{in.programs["mariadbd"], "--no-defaults",
			"--datadir=" + in.data,
			"--bind-address=127.0.0.1",
			"--port=" + strconv.Itoa(in.at.port),
			"--socket=" + mariadbSocket(in.at),
			"--pid-file=" + in.pidFile(),
			// At its start a server removes other servers' temporary tables from a directory that they share.
			"--tmpdir=" + in.tmp,
			"--init-file=" + mariadbInit(in),
			"--general-log", "--log-output=FILE", "--general-log-file=" + filepath.Join(in.dir, statementLog),
			"--innodb-flush-log-at-trx-commit=2", // what is committed outlives the process, not the machine
			"--innodb-buffer-pool-size=64M",
			"--innodb-log-file-size=32M",
			"--max-connections=300",
			// What --no-defaults takes away that every package's configuration sets.
			"--character-set-server=utf8mb4",
		}
	},
	setting: func(name, value string) string { return "--" + name + "=" + value },
	logs:    []string{serverLog, statementLog},
	halt:    syscall.SIGTERM,
	end:     syscall.SIGKILL,

	container: container{
		service: "mariadb", port: 3306, user: "root", password: "asherah",
		log: func(name string) []string { return []string{"exec", name, "cat", "/var/lib/mysql/general.log"} },
	},

	dsn: func(at address, database string) string {
		cfg := mysql.NewConfig()
		cfg.User, cfg.Passwd, cfg.DBName = at.user, at.password, database
		cfg.Net, cfg.Addr = "tcp", "127.0.0.1:"+strconv.Itoa(at.port)
		if at.socket != "" {
			cfg.Net, cfg.Addr = "unix", mariadbSocket(at)
		}
		return cfg.FormatDSN()
	},
	withDatabase: func(dsn, database string) (string, error) {
		cfg, err := mysql.ParseDSN(dsn)
		if err != nil {
			return "", err
		}
		if database != "" {
			cfg.DBName = database
		}
		return cfg.FormatDSN(), nil
	},
	address: func(dsn string) (string, error) {
		cfg, err := mysql.ParseDSN(dsn)
		if err != nil {
			return "", err
		}
		return cfg.Addr, nil
	},
	withAddress: func(dsn, addr string) (string, error) {
		cfg, err := mysql.ParseDSN(dsn)
		if err != nil {
			return "", err
		}
		cfg.Net, cfg.Addr = "tcp", addr
		if strings.Contains(addr, "/") {
			cfg.Net = "unix"
		}
		return cfg.FormatDSN(), nil
	},
	run:     mariadbRun,
	version: "SELECT VERSION()",
	create:  func(database string) string { return "CREATE DATABASE `" + database + "`" },
	drop: func(ctx context.Context, dsn, database string) error {
		// A transaction that a test left open would hold its locks, and DROP would wait for them.
		db, err := mariadbOpen(dsn)
		if err != nil {
			return err
		}
		defer db.Close()
		ids, err := values(ctx, db, "SELECT id FROM information_schema.processlist WHERE db = '"+database+"'")
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := db.ExecContext(ctx, "KILL "+id); err != nil && !errors.Is(err, &mysql.MySQLError{Number: 1094}) {
				return err // other than: it has gone by itself
			}
		}
		_, err = db.ExecContext(ctx, "DROP DATABASE IF EXISTS `"+database+"`")
		return err
	},
}

func mariadbInit(in *instance) string { return filepath.Join(in.dir, "init.sql") }

func mariadbSocket(at address) string { return filepath.Join(at.socket, "mariadb.sock") }

func mariadbOpen(dsn string) (*sql.DB, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, err
	}
	cfg.Logger = &mysql.NopLogger{} // attempts while the server starts are expected to fail
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	return db, nil
}

func mariadbRun(ctx context.Context, dsn string, statements ...string) (value string, err error) {
	db, err := mariadbOpen(dsn)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, s := range statements {
		got, err := values(ctx, db, s)
		if err != nil {
			return "", fmt.Errorf("%s: %w", s, err)
		}
		value = ""
		if len(got) > 0 {
			value = got[0]
		}
	}
	return value, nil
}

// values returns the first column of a result, nothing when the statement has none.
func values(ctx context.Context, db *sql.DB, statement string) (got []string, err error) {
	rows, err := db.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil || len(columns) == 0 {
		return nil, err
	}
	var first sql.NullString
	dest := make([]any, len(columns))
	for i := range dest {
		dest[i] = new(any)
	}
	dest[0] = &first
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		got = append(got, first.String)
	}
	return got, rows.Err()
}
