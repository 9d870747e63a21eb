package oracle_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/internal/sqlplan/oracle"
	"github.com/asherah-sql/asherah-sql/internal/testserver"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "modernc.org/sqlite"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// judge asks a real server whether it understands a text: whether its grammar does, not whether the text can be
// run. Nothing is run.
type judge func(text string) bool

func postgresJudge(t *testing.T) judge {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, testserver.Postgres(t).DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	return func(text string) bool {
		_, err := conn.PgConn().Prepare(ctx, "", text, nil)
		var e *pgconn.PgError
		switch {
		case err == nil:
			return true
		case !errors.As(err, &e):
			t.Fatalf("%q: %v", text, err)
		case e.Code == "42601":
			// Several statements can't be prepared, but are read first.
			return strings.Contains(e.Message, "multiple commands")
		case e.Code == "42P20", e.Code == "0A000", strings.HasPrefix(e.Code, "22"): // what the scanner and the grammar's actions find
			return false
		}
		return true
	}
}

func mariadbJudge(t *testing.T) judge {
	db, err := sql.Open("mysql", testserver.MariaDB(t).DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return func(text string) bool {
		s, err := db.Prepare(text)
		if err == nil {
			s.Close()
			return true
		}
		var e *mysql.MySQLError
		if !errors.As(err, &e) {
			t.Fatalf("%q: %v", text, err)
		}
		return e.Number != 1064
	}
}

func sqliteJudge(t *testing.T) judge {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	// Some statements are only read on when their table is there.
	if _, err := db.Exec("CREATE TABLE users (id, tenant_id, email, name); CREATE TABLE logs (id, at, line)"); err != nil {
		t.Fatal(err)
	}
	return func(text string) bool {
		// Each statement is prepared by itself, so that only the first of several is asked about. The last three are what
		// it finds before it comes to the error of syntax.
		s, err := db.Prepare(text)
		if err == nil {
			s.Close()
			return true
		}
		for _, m := range []string{"syntax error", "unrecognized token", "incomplete input",
			"unknown table option", "unknown database", "may not have qualified name"} {
			if strings.Contains(err.Error(), m) {
				return false
			}
		}
		return true
	}
}

// TestExceptions asks the real servers about the examples of the exceptions. An exception whose example is no
// difference any more has to go.
func TestExceptions(t *testing.T) {
	for _, s := range subjects {
		t.Run(s.program, func(t *testing.T) {
			list := readExceptions(t, s.program)
			if len(list) == 0 {
				return
			}
			understands := s.judge(t)
			p := &oracle.Process{Path: s.build(t)}
			defer p.Close()
			an, err := analyzer(s.dialect, fixed, fixedPartitions)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				a, err := p.Ask(&oracle.Request{Text: e.example, Tables: fixed, Mode: s.with})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := an.Analyze(e.example, s.mode, catalogOf(fixed)); err != nil || !e.reads() && (a.Rejected == "" || !e.matches(e.example, a.Rejected)) {
					t.Errorf("the exception of %q is needed no more: %v; the grammar: %s", e.example, err, a.Rejected)
				}
				if got := understands(e.example); got != e.accepts {
					t.Errorf("the server understands %q: got %v, want %v", e.example, got, e.accepts)
				}
			}
		})
	}
}

// command is a text and why the grammar rejects it.
type command struct {
	text, message string
	query         bool // it is a query or a write
}

// maxCommands is how many definitions and commands a server is asked about.
const maxCommands = 20_000

// askServer gives the definitions and commands that sqlplan lets pass and the grammar rejects to the server. Of
// these sqlplan reads the tables and the values only, since there is nothing else in them that matters; so what
// the grammar rejects must be rejected by the server too, before anything of it is done.
func askServer(t *testing.T, s subject, commands []command) {
	understands := s.judge(t)
	step := max(1, len(commands)/maxCommands)
	for i := 0; i < len(commands); i += step {
		c := commands[i]
		switch understands := understands(c.text); {
		case c.query && !understands:
			t.Errorf("a query or a write is accepted, but not by the grammar and the server: %s\n        %s", c.text, c.message)
		case !c.query && understands && !s.arbiter:
			t.Errorf("the server understands what the grammar rejects, and sqlplan didn't read it in full: %s\n        %s", c.text, c.message)
		}
	}
}
