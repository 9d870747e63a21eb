package sqlplan

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"

	"golang.org/x/tools/txtar"
)

// The page's table stands between these lines.
const (
	supportPage  = "../../docs/sql-support.md"
	supportBegin = "<!-- The table is made from internal/sqlplan/testdata by `go test ./internal/sqlplan -run TestSupportTable -update`. -->\n"
	supportEnd   = "<!-- The end of the table. -->\n"
)

// TestSupportTable holds the table of docs/sql-support.md against the golden cases of testdata/constructs.txt.
func TestSupportTable(t *testing.T) {
	b, err := os.ReadFile("testdata/constructs.txt")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	rows := 0
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "## "); ok {
			fmt.Fprintf(&table, "\n| %s | SQLite | PostgreSQL | MySQL, MariaDB |\n|---|---|---|---|\n", title)
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		title, name, ok := strings.Cut(line, " | ")
		if !ok {
			t.Fatalf("line %q", line)
		}
		fmt.Fprintf(&table, "| %s |", strings.ReplaceAll(title, "|", `\|`))
		have := 0
		for _, d := range testDialects {
			what := outcomeOf(t, d, name)
			if what != "–" {
				have++
			}
			fmt.Fprintf(&table, " %s |", what)
		}
		table.WriteByte('\n')
		if have == 0 {
			t.Errorf("%s: no dialect has the case %s", title, name)
		}
		rows++
	}
	if rows < 100 {
		t.Errorf("%d constructs: want 100 at least", rows)
	}
	page, err := os.ReadFile(supportPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), supportBegin)
	have, after, ok2 := strings.Cut(rest, supportEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", supportPage)
	}
	want := table.String() + "\n"
	if have == want {
		return
	}
	if !*update {
		t.Errorf("%s: the table isn't that of the cases; want\n%s", supportPage, want)
		return
	}
	if err := os.WriteFile(supportPage, []byte(before+supportBegin+want+supportEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// outcomeOf says in a word or two what the case's plan does.
func outcomeOf(t *testing.T, d dialect.Dialect, name string) string {
	file := "testdata/" + d.String() + "/" + name + ".txtar"
	ar, err := txtar.ParseFile(file)
	if os.IsNotExist(err) {
		return "–"
	}
	if err != nil {
		t.Fatal(err)
	}
	plan := "\n" + string(ar.Files[len(ar.Files)-1].Data)
	has := func(s string) bool { return strings.Contains(plan, s) }
	if has("\nrefused") {
		return "refused"
	}
	if has("\nerror") {
		t.Fatalf("%s: %s", file, plan)
	}
	var words []string
	if has("\nseal ") {
		words = append(words, "encrypted")
	}
	if has("\n  query ") && !has("\n  pinned ") {
		words = append(words, "after a look-up")
	}
	if has(": open ") {
		words = append(words, "decrypted")
	}
	if has("place not verified") {
		words = append(words, "place not verified")
	}
	if words == nil {
		return "passed"
	}
	return strings.Join(words, ", ")
}
