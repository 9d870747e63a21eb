package sqlplan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// corpusFiles returns the statements of SQLite's corpora.
func corpusFiles(t testing.TB) map[string][]string { return corpusFilesOf(t, dialect.SQLite) }

// corpusFilesOf returns the statements of testdata/corpora by file: one a line, as GORM and bun sent them.
func corpusFilesOf(t testing.TB, d dialect.Dialect) map[string][]string {
	files, err := filepath.Glob("testdata/corpora/*_" + d.String() + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	corpora := map[string][]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(b), "\n") {
			if line = strings.TrimSuffix(strings.TrimSpace(line), ";"); line != "" {
				corpora[filepath.Base(f)] = append(corpora[filepath.Base(f)], line)
			}
		}
	}
	return corpora
}

// TestStatementsOfORMs plans everything that GORM and bun were seen to send, over a schema in which their
// customers' email, phone and card, the profiles' ssn and the orders' card_no are encrypted. What is refused
// stands in testdata/corpora/refused_<dialect>.txt with the reason; nothing else may be.
func TestStatementsOfORMs(t *testing.T) {
	for _, d := range testDialects {
		t.Run(d.String(), func(t *testing.T) { testCorpora(t, d) })
	}
}

func testCorpora(t *testing.T, d dialect.Dialect) {
	corpora := corpusFilesOf(t, d)
	names := []string{"bun_" + d.String() + ".sql", "gorm_" + d.String() + ".sql"}
	if d == dialect.MySQL {
		names = append(names, "gorm_interpolate_mysql.sql") // with interpolateParams, which works below the driver
	}
	if len(corpora) != len(names) {
		t.Fatalf("%d corpora: want %v", len(corpora), names)
	}
	an := analyzerOf(d)
	var b strings.Builder
	b.WriteString("# Statements of the ORM corpora that are refused, each with its reason.\n")
	sealed := 0
	for _, name := range names {
		if len(corpora[name]) < 40 {
			t.Errorf("%s: %d statements: want 40 at least", name, len(corpora[name]))
		}
		b.WriteString("\n## " + name + "\n")
		for _, q := range corpora[name] {
			p, _, err := plan(an, q)
			if err == nil {
				sealed += len(p.Values)
				continue
			}
			r, ok := err.(*RefusedError)
			if !ok {
				t.Fatalf("%v of %s", err, q)
			}
			b.WriteString(q + "\n    " + r.Error() + "\n")
		}
	}
	if sealed < 50 {
		t.Errorf("%d values are sealed: want 50 at least", sealed)
	}
	file := "testdata/corpora/refused_" + d.String() + ".txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s: got:\n%s", file, b.String())
	}
}
