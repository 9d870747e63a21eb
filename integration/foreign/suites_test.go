package foreign

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/integration/foreign/arm"
)

func TestDatabaseSQL(t *testing.T) {
	compare(t, suite{
		name: "database/sql", dialect: "sqlite", floor: 105,
		edits: edits{
			files: []string{"sql.go"}, openDB: true,
			asserted: []string{"fakeConn", "ctxOnlyConn", "fakeDriver", "fakeConnector"},
			imports: map[string]string{
				"internal/race": standardPath + "/internal/race", "internal/asan": standardPath + "/internal/asan",
				"internal/testenv": standardPath + "/internal/testenv",
			},
		},
	}, nil)
}

// compare runs a suite in its arms, each with an environment (a database) of its own.
func compare(t *testing.T, s suite, environment func(*testing.T) []string) {
	b, err := s.build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	run := func(which string) *outcome {
		var env []string
		if environment != nil {
			env = environment(t)
		}
		o, err := b.run(t.Context(), which, "", env)
		if err != nil {
			t.Fatal(err)
		}
		if o.crashed() {
			t.Errorf("%s: %s: the tests ended before their end\n%s", s.name, which, o.rest.String())
		}
		fmt.Printf("%s: %s: %d tests passed, %d failed, %d skipped (with subtests: %d, %d, %d) in %.1f s, %d connections through the wrapper\n",
			s.name, which, top(o.with("pass")), top(o.with("fail")), top(o.with("skip")),
			len(o.with("pass")), len(o.with("fail")), len(o.with("skip")), o.took.Seconds(), o.connections)
		return o
	}
	bare, wrapped := run("bare"), run("wrapped")
	if n := top(bare.with("pass")); n < s.floor {
		t.Errorf("only %d tests pass without the wrapper, %d or more are expected: is the suite complete?\n%s", n, s.floor, bare.rest.String())
		for _, test := range bare.with("fail") {
			t.Logf("without the wrapper: %s\n%s", test, text(bare, test))
		}
	}
	if bare.connections != 0 || wrapped.connections < s.floor/2 {
		t.Errorf("%d connections through the wrapper in the bare arm, %d in the wrapped one", bare.connections, wrapped.connections)
	}
	s.expect(t, bare, wrapped, "identity.txt")
	for _, test := range bare.with("fail") {
		if wrapped.results[test] == "fail" && verbose {
			fmt.Printf("%s: fails in both arms: %s\n%s", s.name, test, text(bare, test))
		}
	}
	if s.sealing == 0 {
		return
	}
	encrypted := run("encrypted")
	s.expect(t, bare, encrypted, "identity.txt", "encrypted.txt")
	sealing := 0
	for _, test := range encrypted.with("pass") {
		if encrypted.wrote(test, arm.Sealed) {
			sealing++
			if verbose {
				fmt.Printf("%s: with encrypted columns: %s (opens: %t)\n", s.name, test, encrypted.wrote(test, arm.Opened))
			}
		}
	}
	fmt.Printf("%s: encrypted: %d tests that pass, with subtests, have sealed values\n", s.name, sealing)
	if sealing < s.sealing {
		t.Errorf("%d tests have sealed values, want %d or more: are the tests' tables still the registered ones?", sealing, s.sealing)
	}
}

var verbose = os.Getenv("ASHERAH_FOREIGN_VERBOSE") != ""

// expect compares the sets of passing tests. What differs must stand in one of the lists, and what stands in the
// last of them must differ.
func (s suite) expect(t *testing.T, bare, other *outcome, lists ...string) {
	t.Helper()
	var exceptions []*exception
	for i, name := range lists {
		list, err := readExceptions(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			e.used = i < len(lists)-1
		}
		exceptions = append(exceptions, list...)
	}
	for _, test := range different(bare, other) {
		i := slices.IndexFunc(exceptions, func(e *exception) bool { return e.covers(s.name, test) })
		if i < 0 {
			t.Errorf("%s: %q without the wrapper, %q with it\n%s\n%s", test, bare.results[test], other.results[test],
				text(bare, test), text(other, test))
			continue
		}
		fmt.Printf("%s: differs: %s: %s\n", s.name, test, exceptions[i].reason)
		exceptions[i].used = true
	}
	for _, e := range exceptions {
		if e.suite == s.name && !e.used {
			t.Errorf("testdata/%s: %s %s: the test gives the same in both arms: take the line out", lists[len(lists)-1], e.suite, e.test)
		}
	}
}

// different returns the tests that passed in one arm only.
func different(a, b *outcome) []string {
	var names []string
	for _, o := range []*outcome{a, b} {
		for _, test := range o.with("pass") {
			if (a.results[test] == "pass") != (b.results[test] == "pass") {
				names = append(names, test)
			}
		}
	}
	slices.Sort(names)
	return names
}

func text(o *outcome, test string) string {
	if b := o.output[test]; b != nil && o.results[test] != "pass" {
		return strings.TrimRight(b.String(), "\n") + "\n"
	}
	return ""
}
