package foreign

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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

// compare runs a suite in both arms, each with an environment (a database) of its own.
func compare(t *testing.T, s suite, environment func(*testing.T) []string) {
	exceptions, err := readExceptions(filepath.Join("testdata", "identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	arms := map[string]*outcome{}
	for _, which := range []string{"bare", "wrapped"} {
		var env []string
		if environment != nil {
			env = environment(t)
		}
		if arms[which], err = b.run(t.Context(), which, "", env); err != nil {
			t.Fatal(err)
		}
	}
	bare, wrapped := arms["bare"], arms["wrapped"]
	for _, which := range []string{"bare", "wrapped"} {
		o := arms[which]
		fmt.Printf("%s: %s: %d tests passed, %d failed, %d skipped (with subtests: %d, %d, %d) in %.1f s, %d connections through the wrapper\n",
			s.name, which, top(o.with("pass")), top(o.with("fail")), top(o.with("skip")),
			len(o.with("pass")), len(o.with("fail")), len(o.with("skip")), o.took.Seconds(), o.connections)
	}
	if n := top(bare.with("pass")); n < s.floor {
		t.Errorf("only %d tests pass without the wrapper, %d or more are expected: is the suite complete?\n%s", n, s.floor, bare.rest.String())
		for _, test := range bare.with("fail") {
			t.Logf("without the wrapper: %s\n%s", test, text(bare, test))
		}
	}
	if bare.connections != 0 || wrapped.connections < s.floor/2 {
		t.Errorf("%d connections through the wrapper in the bare arm, %d in the wrapped one", bare.connections, wrapped.connections)
	}
	for which, o := range arms {
		if o.crashed() {
			t.Errorf("%s: %s: the tests ended before their end", s.name, which)
		}
	}
	for _, test := range different(bare, wrapped) {
		i := slices.IndexFunc(exceptions, func(e *exception) bool { return e.covers(s.name, test) })
		if i < 0 {
			t.Errorf("%s: %q without the wrapper, %q with it\n%s\n%s", test, bare.results[test], wrapped.results[test],
				text(bare, test), text(wrapped, test))
			continue
		}
		fmt.Printf("%s: differs: %s: %s\n", s.name, test, exceptions[i].reason)
		exceptions[i].used = true
	}
	for _, e := range exceptions {
		if e.suite == s.name && !e.used {
			t.Errorf("testdata/identity.txt: %s %s: the test gives the same in both arms: take the line out", e.suite, e.test)
		}
	}
	for _, test := range bare.with("fail") {
		if wrapped.results[test] == "fail" && os.Getenv("ASHERAH_FOREIGN_VERBOSE") != "" {
			fmt.Printf("%s: fails in both arms: %s\n%s", s.name, test, text(bare, test))
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
