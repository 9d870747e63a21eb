package testserver

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	requireVar = "ASHERAH_TEST_REQUIRE"
	reportVar  = "ASHERAH_TEST_REPORT"
)

// untested lists the tests that had no server.
var untested struct {
	mu    sync.Mutex
	tests map[gap][]string // names, in the order of their asking
}

// gap is what was missing.
type gap struct {
	title  string
	reason string
}

// missing notes that the test has no server, and skips it, or fails it when that server is required.
func missing(t testing.TB, k *kind, reason string) {
	t.Helper()
	untested.mu.Lock()
	if untested.tests == nil {
		untested.tests = map[gap][]string{}
	}
	g := gap{k.title, reason}
	untested.tests[g] = append(untested.tests[g], t.Name())
	untested.mu.Unlock()
	// `go test` notes, while tests run, on which variables a result that it keeps depends: a run with another
	// report must not be answered with a result whose lines went to an earlier one.
	_ = os.Getenv(reportVar)

	names, err := required()
	if err != nil {
		t.Fatal("testserver: ", err)
	}
	if slices.Contains(names, k.name) {
		t.Fatalf("testserver: %s is required (%s) but missing: %s", k.title, requireVar, reason)
	}
	t.Skipf("testserver: no %s: %s", k.title, reason)
}

// required returns the kinds that must not be missing. A misspelt one is an error: it would require nothing.
func required() ([]string, error) {
	var names []string
	for name := range strings.SplitSeq(os.Getenv(requireVar), ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	known := knownKinds()
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%s: unknown server %q: want some of %s, separated by commas", requireVar, name, strings.Join(known, ", "))
		}
	}
	return names, nil
}

func knownKinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	names = append(names, pgbouncer.name)
	return names
}

// Main is the TestMain of packages whose tests need servers: it runs the tests, stops the servers, says
// what was not tested, and ends the process.
func Main(m *testing.M) { os.Exit(Run(m)) }

// Run is Main for a TestMain that has more to do after the tests: it returns the status for os.Exit.
func Run(m interface{ Run() int }) int { return run(m, os.Stdout) }

func run(m interface{ Run() int }, out io.Writer) (status int) {
	if _, err := required(); err != nil {
		fmt.Fprintln(out, "testserver:", err)
		return 1
	}
	status = m.Run()
	for _, k := range kinds {
		if err := k.closeShared(); err != nil {
			fmt.Fprintf(out, "testserver: stop %s: %v\n", k.title, err)
			status = max(status, 1)
		}
	}
	lines := summary()
	fmt.Fprint(out, lines)
	if err := appendReport(lines); err != nil {
		fmt.Fprintln(out, "testserver:", err)
		status = max(status, 1)
	}
	return status
}

// summary says what was not tested, one line for each reason.
func summary() string {
	untested.mu.Lock()
	defer untested.mu.Unlock()
	var lines []string
	for g, tests := range untested.tests {
		slices.Sort(tests)
		tests = slices.Compact(tests)
		names, more := tests, ""
		if len(names) > 5 {
			names, more = names[:5], ", …"
		}
		lines = append(lines, fmt.Sprintf("NOT TESTED on %s: %s: %d tests (%s%s): %s\n", g.title, suite(), len(tests), strings.Join(names, ", "), more,
			strings.ReplaceAll(g.reason, "\n", " ")))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// suite is the name of the package whose tests these are, as far as its program tells.
func suite() string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe"), ".test")
}

// appendReport adds lines to the report of the whole run. One write, so that those of other processes
// don't come in between.
func appendReport(lines string) error {
	name := os.Getenv(reportVar)
	if name == "" || lines == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("%s: %w", reportVar, err)
	}
	if _, err := f.WriteString(lines); err != nil {
		f.Close()
		return fmt.Errorf("%s: %w", reportVar, err)
	}
	return f.Close()
}
