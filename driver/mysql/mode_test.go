package mysql_test

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/testproxy"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// A changed sql_mode takes effect with the next statement, however it was changed: what was a literal is a name
// then, and what couldn't be cut can be.
func TestAChangedModeTakesEffectAtOnce(t *testing.T) {
	for _, way := range []string{"", "interpolateParams=true&multiStatements=true"} {
		d := open(t, strings.Split(way, "&")...)
		ctx := context.Background()
		mustExec(t, d.plain, `CREATE PROCEDURE ansi() SET sql_mode = 'ANSI_QUOTES'`)
		mustExec(t, d.plain, `CREATE FUNCTION f() RETURNS INT BEGIN SET sql_mode = 'ANSI_QUOTES'; RETURN 1; END`)
		const quoted = `INSERT INTO users (tenant_id, email) VALUES ('acme', "double-s3cr3t")`
		const escaped = `INSERT INTO users (tenant_id, email) VALUES ('acme', 'a\'b-s3cr3t')`
		const bound = `INSERT INTO users (tenant_id, email) VALUES ('acme', ?)`
		for _, c := range []struct {
			set string // texts, separated by |
		}{
			{set: `SET sql_mode = 'ANSI_QUOTES'`},
			{set: `set SESSION Sql_Mode := 'ANSI_QUOTES'`},
			{set: `SET LOCAL sql_mode = 'ANSI_QUOTES'`},
			{set: `SET @@sql_mode = 'ANSI_QUOTES'`},
			{set: `SET @@session.sql_mode = 'ANSI_QUOTES'`},
			{set: "SET @@local.`sql_mode` = 4"},
			{set: "SET `sql_mode` = 4"},
			{set: `SET @a = 1, sql_mode = 'ANSI_QUOTES'`},
			{set: `SET/**/sql_mode/**/=/**/'ANSI_QUOTES'`},
			{set: `/*!50000SET*/ /*!sql_mode*/ = 'ANSI_QUOTES'`},
			{set: `/*!99999 DO 1 */ SET /*M!100000 sql_mode */ = 'ANSI_QUOTES'`},
			{set: "-- nothing\nSET\tsql_mode\n=\n'ANSI_QUOTES'"},
			{set: "# nothing\nSET SQL_MODE='ansi'"},
			{set: `SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')`},
			{set: `EXECUTE IMMEDIATE CONCAT('SET sql', '_mode = ''ANSI_QUOTES''')`},
			{set: `EXECUTE IMMEDIATE 0x5345542073716c5f6d6f64653d27414e53495f51554f54455327`},
			{set: `/*!50000EXECUTE*/ IMMEDIATE CONCAT('SET sql', '_mode = ''ANSI_QUOTES''')`},
			{set: `PREPARE p FROM 'SET sql_mode = ''ANSI_QUOTES'''|EXECUTE p`},
			{set: `SET @hidden = CONCAT('SET sql', '_mode = 4')|PREPARE p FROM @hidden|EXECUTE p`},
			{set: `SET @hidden = CONCAT('SET sql', '_mode = 4')|PREPARE p FROM @hidden|execute/**/p`},
		} {
			t.Run(way+" "+c.set, func(t *testing.T) {
				conn := d.onOne(t)
				defer mustExec(t, d, `DELETE FROM users`)
				for range 2 { // planned and kept
					mustExecContext(t, ctx, conn, quoted)
					mustExecContext(t, ctx, conn, bound, secret)
				}
				for _, text := range strings.Split(c.set, "|") {
					mustExecContext(t, ctx, conn, text)
				}
				if got := one(t, ctx, conn, `SELECT @@sql_mode`); !strings.Contains(got, "ANSI_QUOTES") {
					t.Fatalf("the mode is %q", got)
				}
				if _, err := conn.ExecContext(ctx, quoted); !errors.Is(err, driver.ErrRefused) {
					t.Errorf("a name in quotes as a value: %v", err)
				}
				// Not strict any more: a value could be cut.
				if _, err := conn.ExecContext(ctx, bound, secret); !strings.Contains(one(t, ctx, conn, `SELECT @@sql_mode`), "STRICT") && !errors.Is(err, driver.ErrRefused) {
					t.Errorf("without strictness: %v", err)
				}
				mustExecContext(t, ctx, conn, `SET sql_mode = 'STRICT_ALL_TABLES'`)
				mustExecContext(t, ctx, conn, quoted)
				mustExecContext(t, ctx, conn, escaped)
				mustExecContext(t, ctx, conn, `SET sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES'`)
				if _, err := conn.ExecContext(ctx, escaped); !errors.Is(err, driver.ErrRefused) {
					t.Errorf("a backslash that escapes nothing: %v", err)
				}
				d.noLeak(t)
			})
		}
		// What sets a mode for itself alone changes nothing for others.
		for _, set := range []string{
			`CALL ansi()`, `DO f()`, `SELECT f()`, `SET STATEMENT sql_mode = 'ANSI_QUOTES' FOR SELECT 1`,
			`BEGIN NOT ATOMIC SET sql_mode = 'ANSI_QUOTES'; END`,
		} {
			conn := d.onOne(t)
			mustExecContext(t, ctx, conn, quoted)
			mustExecContext(t, ctx, conn, set)
			if got := one(t, ctx, conn, `SELECT @@sql_mode`); strings.Contains(got, "ANSI") {
				t.Errorf("%s: the mode is %q", set, got)
			}
			mustExecContext(t, ctx, conn, quoted)
			conn.Close()
		}
		for _, q := range []string{
			`SET STATEMENT sql_mode = 'ANSI_QUOTES' FOR INSERT INTO users (tenant_id, email) VALUES ('acme', "x-s3cr3t")`,
			`SET STATEMENT sql_mode = '' FOR INSERT INTO users (tenant_id, email) VALUES ('acme', ?)`,
			`SET STATEMENT /*!50000 sql_mode */ = '' FOR UPDATE users SET email = 'x-s3cr3t' WHERE tenant_id = 'acme'`,
			`INSERT /*+ SET_VAR(sql_mode='') */ INTO users (tenant_id, email) VALUES ('acme', 'x-s3cr3t')`,
		} {
			var args []any
			if strings.Contains(q, "?") {
				args = append(args, "x-"+secret)
			}
			if _, err := d.Exec(q, args...); !errors.Is(err, driver.ErrRefused) {
				t.Errorf("%s: %v", q, err)
			}
		}
		d.noLeak(t)
	}
}

// A prepared statement was read in the mode of its time; in another one it is planned and prepared again.
func TestAPreparedStatementInAnotherMode(t *testing.T) {
	d := open(t)
	ctx := context.Background()
	conn := d.onOne(t)
	insert, err := conn.PrepareContext(ctx, `INSERT INTO users (tenant_id, email, name) VALUES (?, ?, 'it\'s')`)
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	if _, err := insert.Exec("acme", secret); err != nil {
		t.Fatal(err)
	}
	mustExecContext(t, ctx, conn, `SET sql_mode = ''`)
	if _, err := insert.Exec("acme", secret); !errors.Is(err, driver.ErrRefused) {
		t.Errorf("not strict: %v", err)
	}
	mustExecContext(t, ctx, conn, `SET sql_mode = 'STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES'`)
	if _, err := insert.Exec("acme", secret); !errors.Is(err, driver.ErrRefused) {
		t.Errorf("a text that isn't understood in this mode: %v", err)
	}
	mustExecContext(t, ctx, conn, `SET sql_mode = 'STRICT_TRANS_TABLES,ANSI_QUOTES'`)
	if _, err := insert.Exec("acme", secret); err != nil {
		t.Error(err)
	}
	// A text that named no table may name one now.
	read, err := conn.PrepareContext(ctx, `SELECT 'x' FROM (SELECT 1) one WHERE 'users' <> 'email'`)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	set, err := conn.PrepareContext(ctx, `SET sql_mode = ?`)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	for _, mode := range []string{"STRICT_ALL_TABLES", "", "ANSI_QUOTES"} {
		if _, err := set.Exec(mode); err != nil {
			t.Fatal(err)
		}
		if _, err := insert.Exec("acme", secret); (err == nil) != (mode == "STRICT_ALL_TABLES") || err != nil && !errors.Is(err, driver.ErrRefused) {
			t.Errorf("mode %q: %v", mode, err)
		}
		var x string
		if err := read.QueryRow().Scan(&x); err != nil || x != "x" {
			t.Errorf("mode %q: %q, %v", mode, x, err)
		}
	}
	d.noLeak(t)
}

// Who reaches for the wrapped connection may change the mode there.
func TestAModeChangedOnTheWrappedConnection(t *testing.T) {
	d := open(t)
	ctx := context.Background()
	conn := d.onOne(t)
	mustExecContext(t, ctx, conn, insertUser, 1, "acme", secret)
	if err := conn.Raw(func(dc any) error {
		inner := dc.(interface{ Unwrap() sqldriver.Conn }).Unwrap()
		_, err := inner.(sqldriver.ExecerContext).ExecContext(ctx, `SET sql_mode = ''`, nil)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(ctx, insertUser, 2, "acme", secret); !errors.Is(err, driver.ErrRefused) {
		t.Errorf("not strict: %v", err)
	}
}

// SET GLOBAL concerns connections that are made later.
func TestTheGlobalModeIsOfLaterConnections(t *testing.T) {
	srv := testserver.MariaDB(t, testserver.Private())
	d := openOn(t, srv, srv.DSN(""))
	d.SetMaxIdleConns(0)
	ctx := context.Background()
	conn := d.onOne(t)
	const quoted = `INSERT INTO users (tenant_id, email) VALUES ('acme', "double-s3cr3t")`
	mustExecContext(t, ctx, conn, quoted)
	mustExecContext(t, ctx, conn, `SET GLOBAL sql_mode = 'STRICT_ALL_TABLES,ANSI_QUOTES'`)
	mustExecContext(t, ctx, conn, quoted)
	if _, err := d.ExecContext(ctx, quoted); !errors.Is(err, driver.ErrRefused) {
		t.Errorf("on a new connection: %v", err)
	}
	mustExecContext(t, ctx, conn, quoted)
	d.noLeak(t)
}

// Literals are read as the server reads them, in each mode.
func TestLiteralsInEachMode(t *testing.T) {
	d := open(t)
	ctx := context.Background()
	for _, mode := range []string{"", "NO_BACKSLASH_ESCAPES", "ANSI_QUOTES", "PIPES_AS_CONCAT", "HIGH_NOT_PRECEDENCE", "IGNORE_SPACE", "ANSI", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "TRADITIONAL", "ORACLE", "MSSQL"} {
		conn := d.onOne(t)
		mustExecContext(t, ctx, conn, `SET sql_mode = '`+mode+`,STRICT_ALL_TABLES'`)
		ran := 0
		for _, literal := range []string{
			`'plain'`, `"double"`, `'it''s'`, `"say ""so"""`, `'back\\slash'`, `'back\slash'`, `'tab\tnew\nnul\0 percent\% under\_'`, `'a' 'b'`, `'a' "b"`,
			`N'national'`, `_utf8mb4'x'`, `_utf8mb4 x'6869'`, `X'6869'`, `0x6869`, `_binary'bytes'`, `b'0110100001101001'`, `'quote"in'`, `"quote'in"`, `'end\\'`, `'☃ snow'`,
			`'a' /* gap */ 'b'`, `'a' -- gap` + "\n 'b'", `'/*!50000 no comment */'`, `'a' || 'b'`, `'a' COLLATE utf8mb4_bin`,
			// Comments that are executed, or aren't, by the server's version.
			`'a' /*!50100 'b' */`, `'a' /*!50700 'b' */`, `'a' /*!50701 'b' */`, `'a' /*!50999 'b' */`, `'a' /*!80000 'b' */`, `'a' /*!99999 'b' */`, `'a' /*!100100 'b' */`,
			`'a' /*!101100 'b' */`, `'a' /*!110000 'b' */`, `'a' /*!999999 'b' */`, `'a' /*M!50701 'b' */`, `'a' /*M!100100 'b' */`, `'a' /*M!120000 'b' */`, `'a' /*M! 'b' */`,
			`'a' /*! 'b' */`, `'a' /*!'b'*/`, `'a' /*M!'b'*/`, `'a' /*m! 'b' */`, `'a' /* !50000 'b' */`, `'a' /*!5 'b' */`, `'a' /*!050701 'b' */`, `'a' /*!0500000 'b' */`,
			`'a' /*!500001 'b' */`, `'a' /*!50000'b'*/`, `'a' /*!501009 'b' */`, `'a' /*!50100 'b' /* x */ */`, `'a' /*!99999 'b' /* x */ 'c' */`, `'a' /*!50701 /* x */ 'c' */`,
			`'a' /*+ 'b' */`, `'a' --'b'`, `'a' # 'b'` + "\n", `'a' -- 'b'` + "\n 'c'", `'a' --` + "\t'b'\n", `'a' --` + "\x01'b'\n", `'a' /**/ 'b'`, `'a' /*/ 'b' */`,
		} {
			mustExec(t, d.plain, `DELETE FROM users`)
			_, err := conn.ExecContext(ctx, `INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme', `+literal+`)`)
			if errors.Is(err, driver.ErrRefused) {
				continue
			}
			// What the server makes of it in this mode, where it takes it.
			if err != nil {
				t.Errorf("mode %q: %s: %v", mode, literal, err)
				continue
			}
			ran++
			want := one(t, ctx, conn, `SELECT HEX(CONVERT(`+literal+` USING utf8mb4))`)
			got := fmt.Sprintf("%X", one(t, ctx, conn, `SELECT email FROM users WHERE id = 1`))
			if got != want {
				t.Errorf("mode %q: %s is stored as %s, the server reads %s", mode, literal, got, want)
			}
		}
		if oracle := strings.Contains("ORACLE MSSQL", mode) && mode != ""; (ran == 0) != oracle {
			t.Errorf("mode %q: %d literals were taken", mode, ran)
		}
		mustExecContext(t, ctx, conn, `SET sql_mode = DEFAULT`)
		conn.Close()
	}
}

// Nothing is cut: not by a mode that isn't strict, and not by the room of a column.
func TestNothingIsCut(t *testing.T) {
	d := open(t)
	ctx := context.Background()
	mustExec(t, d.plain, `ALTER TABLE users MODIFY email TEXT`)
	loose := connect(t, with(d.dsn, "sql_mode=%27%27"), config(t))
	long := strings.Repeat("x", 60000) + secret
	for _, q := range []string{`INSERT INTO users (tenant_id, email) VALUES ('acme', ?)`, `REPLACE users SET tenant_id = 'acme', email = ?`, `UPDATE users SET email = ? WHERE tenant_id = 'acme'`} {
		if _, err := loose.Exec(q, long); !errors.Is(err, driver.ErrRefused) || !strings.Contains(err.Error(), "strict") {
			t.Errorf("not strict: %s: %v", q, err)
		}
		if _, err := d.Exec(q, long); mysqlError(err) != 1406 && !strings.HasPrefix(q, "UPDATE") {
			t.Errorf("strict: %s: %v", q, err)
		}
	}
	// Statements that store no envelope don't mind.
	mustExec(t, loose, `INSERT INTO users (id, tenant_id, name, email) VALUES (7, 'acme', 'n', NULL)`)
	mustExec(t, loose, `UPDATE users SET name = 'm' WHERE id = 7`)
	if got := one(t, ctx, loose, `SELECT name FROM users WHERE id = 7 AND email IS NULL`); got != "m" {
		t.Error(got)
	}
}

// A warm statement asks for nothing more, and the mode is asked for once after it may have changed.
func TestTheModeCostsNoRoundTripWhenWarm(t *testing.T) {
	srv := testserver.MariaDB(t)
	mustExec(t, openPlain(t, srv.DSN("")), usersDDL)
	proxy := testproxy.New(t, srv.Addr())
	db := connect(t, with(srv.DSNAt(proxy.Addr(), ""), "interpolateParams=true"), config(t))
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	trips := func(query string, args ...any) int {
		before := proxy.Stats()
		mustExecContext(t, ctx, conn, query, args...)
		return proxy.Stats().Sub(before).RoundTrips
	}
	const insert = `INSERT INTO users (tenant_id, email) VALUES (?, ?)`
	trips(insert, "acme", secret)
	for _, c := range []struct {
		query string
		args  []any
		want  int
	}{
		{insert, []any{"acme", secret}, 1},
		{`UPDATE others SET character_name = 'n' WHERE call_id = 1 /* executed, named */`, nil, -1},
		{insert, []any{"acme", secret}, 1},
		{`SET sql_mode = 'STRICT_ALL_TABLES'`, nil, 1},
		{insert, []any{"acme", secret}, 2},
		{insert, []any{"acme", secret}, 1},
		{`SET NAMES utf8mb4`, nil, 1},
		{insert, []any{"acme", secret}, 2},
		{insert, []any{"acme", "wide ☃"}, 1},
		{`INSERT INTO users (tenant_id, name) VALUES ('acme', '☃')`, nil, 1},
		{`INSERT INTO users (tenant_id, name) VALUES ('acme', '☃')`, nil, 1},
	} {
		if c.want < 0 {
			if _, err := conn.ExecContext(ctx, c.query); mysqlError(err) != 1146 {
				t.Fatal(err)
			}
			continue
		}
		if got := trips(c.query, c.args...); got != c.want {
			t.Errorf("%s: %d round trips, want %d", c.query, got, c.want)
		}
	}
}
