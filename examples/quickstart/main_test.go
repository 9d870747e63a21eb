package main

import (
	"bytes"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// stripped takes out what differs between runs: ciphertexts, the folder and the schema.
func stripped(out, dir string) string {
	out = regexp.MustCompile(`asherah_quickstart_\w+`).ReplaceAllString(out, "SCHEMA")
	out = regexp.MustCompile(`ash1\.[A-Za-z0-9_-]+…[A-Za-z0-9_-]+`).ReplaceAllString(out, "ash1.")
	return strings.ReplaceAll(out, dir, "DIR")
}

func quickstart(t *testing.T, dsn string) (out, dir string) {
	t.Helper()
	var b bytes.Buffer
	dir = t.TempDir()
	if err := run(t.Context(), dir, dsn, &b); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	if _, err := mysql.ParseDSN(dsn); err == nil && !strings.Contains(dsn, "://") && dsn != "" {
		// What lies beside the test's own database isn't dropped with it.
		t.Cleanup(func() {
			db, err := sql.Open("mysql", dsn)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec("DROP SCHEMA " + regexp.MustCompile(`asherah_quickstart_\w+`).FindString(b.String())); err != nil {
				t.Error(err)
			}
		})
	}
	return b.String(), dir
}

// onEach runs a test on each database.
func onEach(t *testing.T, test func(t *testing.T, dsn string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "") })
	t.Run("postgres", func(t *testing.T) { test(t, testserver.Postgres(t).DSN("")) })
	t.Run("mariadb", func(t *testing.T) { test(t, testserver.MariaDB(t).DSN("")) })
	t.Run("postgres, key=value", func(t *testing.T) {
		cfg, err := pgconn.ParseConfig(testserver.Postgres(t).DSN(""))
		if err != nil {
			t.Fatal(err)
		}
		test(t, fmt.Sprintf("host='%s' port=%d user='%s' password='%s' dbname='%s' sslmode=disable", cfg.Host, cfg.Port, cfg.User, cfg.Password, cfg.Database))
	})
}

func TestMain(m *testing.M) {
	slog.SetLogLoggerLevel(slog.LevelWarn) // as main does
	testserver.Main(m)
}

// section returns the lines between the headline with that number and the next empty line.
func section(t *testing.T, out, number string) []string {
	t.Helper()
	_, rest, ok := strings.Cut("\n"+out, "\n"+number+". ")
	if !ok {
		t.Fatalf("no section %s in\n%s", number, out)
	}
	text, _, _ := strings.Cut(rest, "\n\n")
	return strings.Split(text, "\n")[1:]
}

func TestShowsEachRowTwice(t *testing.T) { onEach(t, testShowsEachRowTwice) }

func testShowsEachRowTwice(t *testing.T, dsn string) {
	out, _ := quickstart(t, dsn)
	program, file := section(t, out, "1"), section(t, out, "2")
	if len(program) != 4 || len(file) != 4 {
		t.Fatalf("want a headline and three rows in both sections:\n%s", out)
	}
	for i, want := range [][]string{
		{"1", "acme", "Ada", "ada@acme.example", "078-05-1120"},
		{"2", "acme", "Blaise", "blaise@acme.example", "219-09-9999"},
		{"3", "globex", "Carl", "carl@globex.example", "457-55-5462"},
	} {
		if got := strings.Fields(program[i+1]); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("as the program reads it: %q, want %q", got, want)
		}
		got := regexp.MustCompile(`^   (\d) +(\w+) +(\w+) +(ash1\.[A-Za-z0-9_-]{5}…[A-Za-z0-9_-]{10}) \(\d+\)  (ash1\.[A-Za-z0-9_-]{5}…[A-Za-z0-9_-]{10}) \(\d+\)$`).FindStringSubmatch(file[i+1])
		if got == nil || strings.Join(got[1:4], " ") != strings.Join(want[:3], " ") {
			t.Errorf("as it lies in the database: %q", file[i+1])
		}
	}
}

func TestRefusals(t *testing.T) { onEach(t, testRefusals) }

func testRefusals(t *testing.T, dsn string) {
	out, _ := quickstart(t, dsn)
	for number, parts := range map[string][]string{
		"3": {"users.email", "partition"},
		"4": {"users.email"},
		"5": {"users.ssn"},
	} {
		lines := section(t, out, number)
		if len(lines) != 1 || !strings.HasPrefix(lines[0], "   refused: ") {
			t.Errorf("section %s: %q, want one refusal", number, lines)
			continue
		}
		for _, p := range parts {
			if !strings.Contains(lines[0], p) {
				t.Errorf("section %s: %q, want %q in it", number, lines[0], p)
			}
		}
		for _, secret := range []string{"ada@", "carl@", "078-05", "457-55"} {
			if strings.Contains(lines[0], secret) {
				t.Errorf("section %s: the error tells a value: %q", number, lines[0])
			}
		}
	}
}

func TestLeavesWhatItPrints(t *testing.T) {
	out, dir := quickstart(t, "")
	file, key := filepath.Join(dir, "shop.db"), filepath.Join(dir, "master.key")
	for _, name := range []string{file, key} {
		if !strings.Contains(out, "   "+name) {
			t.Errorf("the output doesn't name %s:\n%s", name, out)
		}
	}
	info, err := os.Stat(key)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); os.PathSeparator == '/' && mode != 0o600 {
		t.Errorf("the key file's mode is %v, want it for its owner alone", mode)
	}
	// The file holds none of the secrets, and every value is back in its place.
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"@acme.example", "@globex.example", "078-05-1120", "219-09-9999", "457-55-5462"} {
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("the file holds %s", secret)
		}
	}
	db, err := sql.Open("asherah-sqlite", "file:"+filepath.ToSlash(file)+"?asherah_service=shop&asherah_product=web&asherah_kms=static&asherah_kms_key=file:"+filepath.ToSlash(key))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var again bytes.Buffer
	if err := show(t.Context(), db, &again, "SELECT id, tenant_id, name, email, ssn FROM users ORDER BY id"); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(again.String()), strings.TrimSpace(strings.Join(section(t, out, "1"), "\n")); got != want {
		t.Errorf("the database that is left reads\n%s\nwant\n%s", got, want)
	}
}

func TestSameOutputEachRun(t *testing.T) { onEach(t, testSameOutputEachRun) }

func testSameOutputEachRun(t *testing.T, dsn string) {
	first, firstDir := quickstart(t, dsn)
	second, secondDir := quickstart(t, dsn)
	if a, b := stripped(first, firstDir), stripped(second, secondDir); a != b {
		t.Errorf("two runs print different things:\n%s\n%s", a, b)
	}
	if first == second {
		t.Error("two runs made the same ciphertexts")
	}
}

func TestSecondRunInOneFolder(t *testing.T) {
	_, dir := quickstart(t, "")
	var b bytes.Buffer
	if err := run(t.Context(), dir, "", &b); err == nil {
		t.Error("a second run in the same folder must not overwrite the first one's master key")
	}
}

// TestLeavesASchema: on a server everything lies in the schema that is printed, and nothing elsewhere; and
// the log has none of the secrets.
func TestLeavesASchema(t *testing.T) {
	t.Run("postgres", func(t *testing.T) { testLeavesASchema(t, "pgx", testserver.Postgres(t)) })
	t.Run("mariadb", func(t *testing.T) { testLeavesASchema(t, "mysql", testserver.MariaDB(t)) })
}

func testLeavesASchema(t *testing.T, driver string, srv *testserver.Server) {
	out, dir := quickstart(t, srv.DSN(""))
	m := regexp.MustCompile(`(?m)^   schema (asherah_quickstart_\w+)$`).FindStringSubmatch(out)
	if m == nil || !strings.Contains(out, filepath.Join(dir, "master.key")) {
		t.Fatalf("the output doesn't name the schema and the key:\n%s", out)
	}
	db, err := sql.Open(driver, srv.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	// Other tests may share the server.
	rows, err := db.Query("SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables WHERE table_schema = '" + m[1] + "' OR table_schema = 'public' OR table_schema = '" + srv.Database() + "' ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		tables = append(tables, name)
	}
	if got, want := strings.Join(tables, " "), m[1]+".encryption_key "+m[1]+".users"; got != want {
		t.Errorf("tables %s, want %s", got, want)
	}
	for _, secret := range []string{"@acme.example", "@globex.example", "078-05-1120", "219-09-9999", "457-55-5462"} {
		if strings.Contains(srv.Log(), secret) {
			t.Errorf("the server's log has %s", secret)
		}
	}
}

func TestWithParams(t *testing.T) {
	params := [][2]string{{"a", "b c"}, {"d", `it's a \`}}
	for dsn, want := range map[string]string{
		"file:/x.db":                    "file:/x.db?a=b+c&d=it%27s+a+%5C",
		"postgres://u:p@h/db?sslmode=x": "postgres://u:p@h/db?sslmode=x&a=b+c&d=it%27s+a+%5C",
		"u:p@tcp(h:3306)/db":            "u:p@tcp(h:3306)/db?a=b+c&d=it%27s+a+%5C",
		"/db?parseTime=true":            "/db?parseTime=true&a=b+c&d=it%27s+a+%5C",
		"host=/run/pg user=u":           `host=/run/pg user=u a='b c' d='it\'s a \\'`,
		"host=h password=a:b":           `host=h password=a:b a='b c' d='it\'s a \\'`,
	} {
		if got := withParams(dsn, params); got != want {
			t.Errorf("%s: %s, want %s", dsn, got, want)
		}
	}
}
