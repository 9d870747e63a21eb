package testserver

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// hide makes the programs of all kinds unfindable, wherever they are.
func hide() {
	for _, k := range kinds {
		k.programs = func() (map[string]string, error) { return nil, errors.New("no programs here") }
	}
}

func init() {
	children["has no server"] = func(t *testing.T) {
		hide()
		t.Run("pg one", func(t *testing.T) { Postgres(t); lines("reached") })
		t.Run("pg two", func(t *testing.T) { Postgres(t, Private()); lines("reached") })
		t.Run("maria", func(t *testing.T) { MariaDB(t); lines("reached") })
		t.Run("none", func(t *testing.T) { lines("other tests run") })
	}
}

// nothing is an environment in which no server can be had.
func nothing(t *testing.T) []string {
	return []string{"PATH=" + t.TempDir(), installVar + "=no"}
}

func TestWithoutAServerTestsAreSkippedAndNamedAtTheEnd(t *testing.T) {
	report := filepath.Join(t.TempDir(), "report")
	if err := os.WriteFile(report, []byte("from another suite\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, status := runChild(t, "has no server", append(nothing(t), reportVar+"="+report)...)
	if status != 0 || strings.Contains(out, "reached") || !strings.Contains(out, "other tests run") {
		t.Fatalf("status %d:\n%s", status, out)
	}
	all := strings.Split(strings.TrimSpace(out), "\n")
	last := strings.Join(all[len(all)-2:], "\n") + "\n"
	for _, want := range []string{
		"NOT TESTED on PostgreSQL: testserver: 2 tests (TestChild/pg_one, TestChild/pg_two): no programs here; ",
		"NOT TESTED on MariaDB: testserver: 1 tests (TestChild/maria): no programs here; ",
		installVar + "=no; no container: ",
	} {
		if !strings.Contains(last, want) {
			t.Errorf("the last lines are\n%swant %q among them", last, want)
		}
	}
	if text, err := os.ReadFile(report); err != nil || string(text) != "from another suite\n"+last {
		t.Errorf("the report is %v\n%s", err, text)
	}
}

// TestAKeptResultIsOfOneReport looks at what `go test` is told of the variables that a result depends on.
func TestAKeptResultIsOfOneReport(t *testing.T) {
	log := filepath.Join(t.TempDir(), "testlog")
	cmd, out := childCommand(t, "has no server", nothing(t)...)
	cmd.Args = append(cmd.Args, "-test.testlogfile="+log)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{reportVar, requireVar, installVar, postgres.dsnVar, mariadb.dsnVar, "PATH"} {
		if !strings.Contains(string(text), "getenv "+name+"\n") {
			t.Errorf("a result doesn't depend on %s", name)
		}
	}
}

func TestRequiredServersMustNotBeMissing(t *testing.T) {
	for require, failed := range map[string][]string{
		"postgres":            {"pg_one", "pg_two"},
		"mariadb":             {"maria"},
		" mariadb , postgres": {"pg_one", "pg_two", "maria"},
		"":                    nil,
	} {
		out, status := runChild(t, "has no server", append(nothing(t), requireVar+"="+require)...)
		if (status != 0) != (len(failed) > 0) || strings.Contains(out, "reached") {
			t.Errorf("%q: status %d:\n%s", require, status, out)
		}
		if got := strings.Count(out, "--- FAIL: TestChild/"); got != len(failed) {
			t.Errorf("%q: %d tests failed, want %v:\n%s", require, got, failed, out)
		}
		for _, name := range failed {
			if !strings.Contains(out, "--- FAIL: TestChild/"+name) {
				t.Errorf("%q: %s hasn't failed", require, name)
			}
		}
	}
}

func TestAMisspeltRequirementFails(t *testing.T) {
	out, status := runChild(t, "has no server", append(nothing(t), requireVar+"=postgresql")...)
	if status == 0 || strings.Contains(out, "reached") || !strings.Contains(out, `unknown server "postgresql": want some of postgres, mariadb, pgbouncer`) {
		t.Errorf("status %d:\n%s", status, out)
	}
	// Also where TestMain isn't ours.
	t.Setenv(requireVar, "maria")
	if _, err := required(); err == nil {
		t.Error("required accepts an unknown name")
	}
}

type runner func() int

func (r runner) Run() int { return r() }

func TestRunReturnsTheStatusOfTheTests(t *testing.T) {
	// Of a copy, so that the servers of this very run aren't stopped.
	defer func(all []*kind) { kinds = all }(kinds)
	kinds = nil
	t.Setenv(reportVar, "")
	t.Setenv(requireVar, "")
	for _, want := range []int{0, 1, 2} {
		if got := run(runner(func() int { return want }), new(bytes.Buffer)); got != want {
			t.Errorf("Run = %d, want %d", got, want)
		}
	}
	untested.mu.Lock()
	kept := untested.tests
	untested.tests = map[gap][]string{{"Some", "reason"}: {"TestA"}}
	untested.mu.Unlock()
	defer func() {
		untested.mu.Lock()
		untested.tests = kept
		untested.mu.Unlock()
	}()
	// Who asked for a report and gets none must not take that for "all was tested".
	t.Setenv(reportVar, filepath.Join(t.TempDir(), "no", "such", "directory"))
	out := new(bytes.Buffer)
	if got := run(runner(func() int { return 0 }), out); got == 0 {
		t.Errorf("Run = 0 although the report can't be written:\n%s", out)
	}
}
