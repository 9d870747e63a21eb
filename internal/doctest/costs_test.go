package doctest

import (
	"database/sql"
	sqldriver "database/sql/driver"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/driver/mysql"
	"github.com/asherah-sql/asherah-sql/driver/postgres"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
	"github.com/asherah-sql/asherah-sql/tags"
)

// server is what the costs are counted on.
type server struct {
	head      string // of the table's first column
	start     func(testing.TB, ...testserver.Option) *testserver.Server
	plain     string
	param     string // of the connection string, so that a statement is one line of the log
	connector func(string, driver.Config) (sqldriver.Connector, error)
	logged    *regexp.Regexp
	numbered  bool   // placeholders
	exact     string // what makes a column compare its texts byte for byte
}

var (
	onPostgres = server{"what the program does ", testserver.Postgres, "pgx", "default_query_exec_mode=exec", postgres.NewConnector,
		regexp.MustCompile(`LOG:  (?:execute [^:]+|statement): (.*)`), true, ""}
	onMariaDB = server{"what the program does on MariaDB ", testserver.MariaDB, "mysql", "interpolateParams=true", mysql.NewConnector,
		regexp.MustCompile(`\d (?:Query|Prepare)\t(.*)`), false, " COLLATE utf8mb4_nopad_bin"}
)

// TestCosts counts what the wrapper sends by itself, in the server's log, against the tables of
// docs/configuration.md. Each line of them has a case, found by its first words.
func TestCosts(t *testing.T) {
	t.Run("postgres", func(t *testing.T) { testCosts(t, onPostgres) })
	t.Run("mariadb", func(t *testing.T) { testCosts(t, onMariaDB) })
}

func testCosts(t *testing.T, on server) {
	_, table, ok := strings.Cut(read(t, "docs/configuration.md"), "| "+on.head+"| ")
	if !ok {
		t.Fatal("docs/configuration.md has no table of costs")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	lines := regexp.MustCompile(`(?m)^\| ([^|]+) \| (\d+)[ :,|]`).FindAllStringSubmatch(table, -1)
	if want := strings.Count(table, "\n| "); len(lines) != want {
		t.Fatalf("%d of %d lines of the table have a number", len(lines), want)
	}

	schema, err := tags.NewSchema(User{})
	if err != nil {
		t.Fatal(err)
	}
	srv := on.start(t)
	plain, err := sql.Open(on.plain, srv.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, err := plain.Exec("CREATE TABLE users (id BIGINT PRIMARY KEY, tenant_id VARCHAR(40)" + on.exact + ", name TEXT, email TEXT, ssn TEXT)"); err != nil {
		t.Fatal(err)
	}
	program := func() *sql.DB { // as if the process had started anew: keys are nobody else's
		dsn := srv.DSN("")
		dsn += map[bool]string{true: "&", false: "?"}[strings.Contains(dsn, "?")] + on.param
		c, err := on.connector(dsn, driver.Config{Service: "shop", Product: "web", KMSName: "insecure-test", Schema: schema})
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(c)
		t.Cleanup(func() { db.Close() })
		return db
	}
	bind := func(query string) string {
		for n := 1; on.numbered && strings.Contains(query, "?"); n++ {
			query = strings.Replace(query, "?", "$"+strconv.Itoa(n), 1)
		}
		return query
	}
	statementsIn := func(log string) (out []string) {
		for _, m := range on.logged.FindAllStringSubmatch(log, -1) {
			if m[1] != "-- ping" {
				out = append(out, m[1])
			}
		}
		return out
	}
	ctx := driver.WithPartition(t.Context(), "acme")
	first, second := program(), program()
	connect := func(db *sql.DB) func() error {
		return func() error {
			c, err := db.Conn(ctx)
			if err == nil {
				t.Cleanup(func() { c.Close() })
			}
			return err
		}
	}
	exec := func(db *sql.DB, query string, args ...any) func() error {
		return func() error { _, err := db.ExecContext(ctx, bind(query), args...); return err }
	}
	id := 0
	insert := func(db *sql.DB, tenant string) func() error {
		return func() error {
			id++
			_, err := db.ExecContext(driver.WithPartition(ctx, tenant), bind("INSERT INTO users (id, tenant_id, name, email) VALUES (?, ?, 'x', ?)"), id, tenant, "ada@acme.example")
			return err
		}
	}
	all := func() error {
		id++
		_, err := second.ExecContext(ctx, bind("INSERT INTO users VALUES (?, ?, ?, ?, ?)"), id, "acme", "n", "e", "s")
		return err
	}
	run := func(f func() error) {
		t.Helper()
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	run(connect(first))
	run(insert(first, "acme"))
	var other *sql.Conn
	another := func() (err error) { // a connection that nothing was done on
		run(connect(second)) // the idle one is taken
		other, err = second.Conn(ctx)
		t.Cleanup(func() { other.Close() })
		return err
	}
	onOther := func() error {
		_, err := other.ExecContext(ctx, "UPDATE users SET name = 'x' WHERE id = 1")
		return err
	}
	type cost struct {
		line   string
		step   func() error
		own    int          // the program's own statements
		again  bool         // done once before it is counted
		before func() error // done before it is counted
		only   string       // the driver that it is about, "" for all
	}
	cases := []cost{
		{line: "opens its first connection", step: connect(second)},
		{line: "opens another connection", step: connect(second)},
		{line: "uses a tenant's key for the first time", step: insert(second, "acme"), own: 1, before: exec(second, "SELECT name FROM users")},
		{line: "writes or reads with keys in use", step: insert(second, "acme"), own: 1},
		{line: "writes or reads with keys in use", step: exec(second, "SELECT * FROM users"), own: 1},
		{line: "writes for a new tenant", step: insert(second, "globex"), own: 1},
		{line: "sends a statement on other tables", step: exec(second, "SELECT 1"), own: 1},
		{line: "sends an `UPDATE` whose `WHERE` names the tenant", step: exec(second, "UPDATE users SET email = ? WHERE id = ? AND tenant_id = ?", "e", 1, "acme"), own: 1},
		{line: "sends another `UPDATE`", step: exec(second, "UPDATE users SET email = ? WHERE id = ?", "e", 1), own: 1, again: true},
		{line: "sends an `INSERT` without a column list", step: all, own: 1, again: true},
		{line: "sends a backslash in a plain literal", step: exec(second, `UPDATE users SET name = 'a\b' WHERE id = 1`), own: 1, again: true, only: "pgx"},
		{line: "sends a statement that isn't ASCII", step: exec(second, `UPDATE users SET name = 'é' WHERE id = 1`), own: 1, only: "pgx"},
		{line: "names a registered table for the first time on a connection", step: onOther, own: 1, before: another, only: "mysql"},
	}
	for _, l := range lines {
		if !slices.ContainsFunc(cases, func(c cost) bool { return strings.HasPrefix(l[1], c.line) }) {
			t.Errorf("no case for the line %q", l[1])
		}
	}
	for _, c := range cases {
		at := slices.IndexFunc(lines, func(l []string) bool { return strings.HasPrefix(l[1], c.line) })
		if at < 0 && c.only != "" && c.only != on.plain {
			continue
		}
		if at < 0 {
			t.Errorf("docs/configuration.md has no line that begins with %q", c.line)
			continue
		}
		want, err := strconv.Atoi(lines[at][2])
		if err != nil {
			t.Fatal(err)
		}
		if c.before != nil {
			run(c.before)
		}
		if c.again {
			run(c.step)
		}
		before := len(statementsIn(srv.Log()))
		run(c.step)
		sent := statementsIn(srv.Log())[before:]
		if got := len(sent) - c.own; got != want {
			t.Errorf("%s: %d statements besides, the page says %d:\n%s", c.line, got, want, strings.Join(sent, "\n"))
		}
	}
}
