package sqlplan

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what the analyser says into the golden files")

// TestGoldens runs the cases of testdata/sqlite. A case is a txtar file whose name is a sentence:
//
//	-- input.sql --
//	the text, without its last newline; or input.quoted, a Go string literal, for odd bytes
//	-- plan --
//	what becomes of it, as render writes it: the refusal's column, rule, place and remedy; or the kinds of the
//	statements, the values that are sealed with their partitions, the look-ups, the text to send («sealed
//	users.email» stands for the ciphertext), its arguments, and the outputs
//
// The registered tables are those of render_test.go, and the database's are testTables there. A column whose
// value isn't known from the model is asked for, as the plan's first lines tell.
func TestGoldens(t *testing.T) {
	files, err := filepath.Glob("testdata/sqlite/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 250 {
		t.Fatalf("%d golden cases: want 250 at least", len(files))
	}
	an := testAnalyzer()
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			query := goldenInput(t, ar)
			p, asked, err := plan(an, query)
			got := render(query, p, asked, err)
			if err != nil && strings.Contains(err.Error(), "alice@x") {
				t.Errorf("the error holds a literal: %v", err)
			}
			want := &ar.Files[1]
			if want.Name != "plan" {
				t.Fatalf("%s: want the section plan, got %s", file, want.Name)
			}
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(want.Data) {
				t.Errorf("%s\ngot:\n%s\nwant:\n%s", query, got, want.Data)
			}
		})
	}
}

func goldenInput(t *testing.T, ar *txtar.Archive) string {
	if len(ar.Files) != 2 {
		t.Fatalf("want two sections, got %d", len(ar.Files))
	}
	in := ar.Files[0]
	text := strings.TrimSuffix(string(in.Data), "\n")
	switch in.Name {
	case "input.sql":
		return text
	case "input.quoted":
		s, err := strconv.Unquote(text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	t.Fatalf("want input.sql or input.quoted, got %s", in.Name)
	return ""
}

// goldenQueries returns the texts of all golden cases.
func goldenQueries(t testing.TB) []string {
	files, _ := filepath.Glob("testdata/sqlite/*.txtar")
	var queries []string
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimSuffix(string(ar.Files[0].Data), "\n")
		if s, err := strconv.Unquote(text); err == nil && ar.Files[0].Name == "input.quoted" {
			text = s
		}
		queries = append(queries, text)
	}
	if len(queries) == 0 {
		t.Fatal("no golden cases")
	}
	return queries
}
