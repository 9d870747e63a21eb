package doctest

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
)

const module = "github.com/asherah-sql/asherah-sql"

// shell says how each command that a page may show is checked; the first pattern that fits counts.
var shell = []struct {
	pattern *regexp.Regexp
	check   func(t *testing.T, env []string, line string, m []string) (output string)
}{
	// Programs of ours are run as they stand.
	{regexp.MustCompile(`^go run (\./examples/\S+)(.*)$`), func(t *testing.T, env []string, line string, m []string) string {
		// Read, so that the test cache knows what the answer depends on.
		files, err := filepath.Glob(filepath.Join(root, m[1], "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: no such program: %v", line, err)
		}
		for _, f := range files {
			if _, err := os.ReadFile(f); err != nil {
				t.Error(err)
			}
		}
		out, err := command(t, env, root, "sh", "-c", line)
		if err != nil {
			t.Error(err)
		}
		return out
	}},
	// Not run: some of the targets run this test. Make must know how, though.
	{regexp.MustCompile(`^make ([a-z]+)$`), func(t *testing.T, _ []string, _ string, m []string) string {
		if _, err := exec.LookPath("make"); err != nil {
			if !strings.Contains(read(t, "Makefile"), "\n"+m[1]+": ") {
				t.Errorf("the Makefile has no target %s", m[1])
			}
			return ""
		}
		if _, err := command(t, nil, root, "make", "-n", m[1]); err != nil {
			t.Error(err)
		}
		return ""
	}},
	{regexp.MustCompile(`^git clone https://(\S+)$`), func(t *testing.T, _ []string, line string, m []string) string {
		if m[1] != module {
			t.Errorf("%s: the module is %s", line, module)
		}
		return ""
	}},
	{regexp.MustCompile(`^cd (\S+)$`), func(t *testing.T, _ []string, line string, m []string) string {
		if m[1] != filepath.Base(module) {
			t.Errorf("%s: a clone of %s is in %s", line, module, filepath.Base(module))
		}
		return ""
	}},
	{regexp.MustCompile(`^go get ` + module + `(/[a-z/]+)?$`), func(t *testing.T, _ []string, line string, m []string) string {
		if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		return ""
	}},
	{regexp.MustCompile(`^export SHOP_MASTER_KEY=\$\((openssl rand -hex 32)\)$`), func(t *testing.T, _ []string, line string, m []string) string {
		if _, err := exec.LookPath("openssl"); err != nil {
			return "" // the reader needs it, this test doesn't
		}
		out, err := command(t, nil, root, "sh", "-c", m[1])
		if err != nil || !regexp.MustCompile(`^[0-9a-f]{64}\n$`).MatchString(out) {
			t.Errorf("%s: prints something else than 64 digits: %v", line, err)
		}
		return ""
	}},
	// The tests' own server takes its place.
	{regexp.MustCompile(`^export ` + dsnVar + `='?(postgres://[^' ]+)'?$`), func(t *testing.T, _ []string, line string, m []string) string {
		plain, _, err := driver.SplitDSN(dialect.Postgres, m[1])
		if err == nil {
			_, err = pgconn.ParseConfig(plain)
		}
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		compose := read(t, "docker-compose.yml")
		u, err := url.Parse(plain)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		for _, want := range []string{
			"POSTGRES_USER: " + u.User.Username() + "\n", "POSTGRES_PASSWORD: " + password + "\n", "POSTGRES_DB: " + strings.TrimPrefix(u.Path, "/") + "\n", `"` + u.Host + `:5432"`,
		} {
			if !strings.Contains(compose, want) {
				t.Errorf("%s: docker-compose.yml has no %q", line, want)
			}
		}
		return ""
	}},
	{regexp.MustCompile(`^export ` + mysqlVar + `='([^' ]+)'$`), func(t *testing.T, _ []string, line string, m []string) string {
		plain, _, err := driver.SplitDSN(dialect.MySQL, m[1])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		cfg, err := mysql.ParseDSN(plain)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		_, compose, _ := strings.Cut(read(t, "docker-compose.yml"), "\n  mariadb:\n")
		for _, want := range []string{"MARIADB_ROOT_PASSWORD: " + cfg.Passwd + "\n", "MARIADB_DATABASE: " + cfg.DBName + "\n", `"` + cfg.Addr + `:3306"`} {
			if cfg.User != "root" || !strings.Contains(compose, want) {
				t.Errorf("%s: docker-compose.yml has no %q", line, want)
			}
		}
		return ""
	}},
	{regexp.MustCompile(`^docker compose up -d --wait ([a-z]+)$`), func(t *testing.T, _ []string, line string, m []string) string {
		if !strings.Contains(read(t, "docker-compose.yml"), "\n  "+m[1]+":\n") {
			t.Errorf("%s: there is no such service", line)
		}
		return ""
	}},
}

func TestShellBlocks(t *testing.T) {
	each(t, "sh", func(t *testing.T, b *block) {
		env := b.environment(t)
		var output string
		for line := range strings.Lines(b.text) {
			line, _, _ = strings.Cut(line, " # ")
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				output += runLine(t, env, line)
			}
		}
		compareOutput(t, b, output)
	})
}

func runLine(t *testing.T, env []string, line string) string {
	t.Helper()
	for _, s := range shell {
		if m := s.pattern.FindStringSubmatch(line); m != nil {
			return s.check(t, env, line, m)
		}
	}
	t.Errorf("%s: no rule says how to check this command: add one", line)
	return ""
}

// TestPromisedCommands: the two commands that a new user is told, and what CI runs.
func TestPromisedCommands(t *testing.T) {
	readme := read(t, "README.md")
	for _, c := range []string{"go run ./examples/quickstart", "make test"} {
		if !regexp.MustCompile("(?m)^" + regexp.QuoteMeta(c) + "( |$)").MatchString(readme) {
			t.Errorf("the README doesn't show the command %q", c)
		}
	}
	ci := read(t, ".ci/run")
	for _, c := range []string{"make --no-print-directory test", "make --no-print-directory race", "go run ./examples/quickstart", "staticcheck", ".ci/fuzz"} {
		if !strings.Contains(ci, c) {
			t.Errorf(".ci/run doesn't run %q", c)
		}
	}
	makefile := read(t, "Makefile")
	for _, target := range []string{"test", "race", "fuzz", "lint", "bench", "quickstart", "help"} {
		if !regexp.MustCompile(`(?m)^` + target + `:.* ## \S`).MatchString(makefile) {
			t.Errorf("the Makefile has no target %s with a line of help", target)
		}
	}
	for _, script := range []string{".ci/run", ".ci/fuzz"} {
		info, err := os.Stat(filepath.Join(root, script))
		if err != nil {
			t.Error(err)
		} else if os.PathSeparator == '/' && info.Mode()&0o111 == 0 {
			t.Errorf("%s isn't executable", script)
		}
	}
}
