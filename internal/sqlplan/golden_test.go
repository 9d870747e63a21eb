package sqlplan

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write what the analyser says into the golden files")

// TestGoldens runs the cases of testdata/<dialect>. A case is a txtar file whose name is a sentence:
//
//	-- input.sql --
//	the text, without its last newline; or input.quoted, a Go string literal, for odd bytes
//	-- mode --
//	perhaps: the connection's mode, once it is asked for; by default the database's own default
//	-- plan --
//	what becomes of it, as render writes it: the refusal's column, rule, place and remedy; or the kinds of the
//	statements, the values that are sealed with their partitions, the look-ups, the text to send («sealed
//	users.email» stands for the ciphertext), its arguments, and the outputs
//
// The registered tables are those of render_test.go, and the database's are testTables there. A column whose
// value isn't known from the model is asked for, as the plan's first lines tell.
func TestGoldens(t *testing.T) {
	for _, d := range testDialects {
		t.Run(d.String(), func(t *testing.T) { testGoldens(t, d) })
	}
}

func testGoldens(t *testing.T, d dialect.Dialect) {
	files, err := filepath.Glob("testdata/" + d.String() + "/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 250 {
		t.Fatalf("%d golden cases: want 250 at least", len(files))
	}
	an := analyzerOf(d)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			query, mode := goldenInput(t, d, ar)
			p, asked, err := planIn(an, query, mode)
			got := render(query, p, asked, err)
			if err != nil && strings.Contains(err.Error(), "alice@x") {
				t.Errorf("the error holds a literal: %v", err)
			}
			want := &ar.Files[len(ar.Files)-1]
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

func goldenInput(t testing.TB, d dialect.Dialect, ar *txtar.Archive) (string, Mode) {
	mode := modeOf(d)
	if len(ar.Files) == 3 && ar.Files[1].Name == "mode" {
		for _, s := range strings.Split(strings.TrimSpace(string(ar.Files[1].Data)), ", ") {
			setMode(t, &mode, s)
		}
	} else if len(ar.Files) != 2 {
		t.Fatalf("want two sections, got %d", len(ar.Files))
	}
	in := ar.Files[0]
	text := strings.TrimSuffix(string(in.Data), "\n")
	switch in.Name {
	case "input.sql":
		return text, mode
	case "input.quoted":
		s, err := strconv.Unquote(text)
		if err != nil {
			t.Fatal(err)
		}
		return s, mode
	}
	t.Fatalf("want input.sql or input.quoted, got %s", in.Name)
	return "", mode
}

// goldenQueries returns the texts of SQLite's golden cases.
func goldenQueries(t testing.TB) []string { return goldenQueriesOf(t, dialect.SQLite) }

// goldenQueriesOf returns the texts of all golden cases of a dialect.
func goldenQueriesOf(t testing.TB, d dialect.Dialect) []string {
	var queries []string
	for _, g := range goldensOf(t, d) {
		queries = append(queries, g.Query)
	}
	return queries
}

// golden is the input of a golden case.
type golden struct {
	Name, Query string
	Mode        Mode
}

// goldensOf returns the inputs of all golden cases of a dialect.
func goldensOf(t testing.TB, d dialect.Dialect) []golden {
	files, _ := filepath.Glob("testdata/" + d.String() + "/*.txtar")
	var list []golden
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		query, mode := goldenInput(t, d, ar)
		list = append(list, golden{strings.TrimSuffix(filepath.Base(file), ".txtar"), query, mode})
	}
	if len(list) == 0 {
		t.Fatal("no golden cases")
	}
	return list
}

// modeOf is the mode of a connection with the server's own defaults.
func modeOf(d dialect.Dialect) Mode {
	if d == dialect.MySQL {
		return Mode{Known: true, BackslashEscapes: true, Strict: true, MariaDB: true, Version: 101119}
	}
	return Mode{Known: true}
}

// setMode changes a mode as a case's section says: "standard_conforming_strings = off" on PostgreSQL; a server
// such as "MySQL 80036" or a sql_mode on MySQL, where "not strict" and "NO_BACKSLASH_ESCAPES" are what they say.
func setMode(t testing.TB, mode *Mode, s string) {
	server, version, _ := strings.Cut(s, " ")
	switch {
	case s == "standard_conforming_strings = off":
		mode.BackslashEscapes = true
	case s == "NO_BACKSLASH_ESCAPES":
		mode.BackslashEscapes = false
	case s == "ANSI_QUOTES":
		mode.AnsiQuotes = true
	case s == "PIPES_AS_CONCAT":
		mode.PipesConcat = true
	case s == "HIGH_NOT_PRECEDENCE":
		mode.HighNot = true
	case s == "IGNORE_SPACE":
		mode.IgnoreSpace = true
	case s == "ORACLE":
		mode.OracleMode = true
	case s == "not strict":
		mode.Strict = false
	case server == "MySQL" || server == "MariaDB":
		mode.MariaDB = server == "MariaDB"
		var err error
		if mode.Version, err = strconv.Atoi(version); err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("unknown mode %s", s)
	}
}
