package doctest

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// knownPackages are imported for fragments that use them without saying so.
var knownPackages = map[string]string{
	"context":     "context",
	"errors":      "errors",
	"fmt":         "fmt",
	"log":         "log",
	"os":          "os",
	"slog":        "log/slog",
	"sql":         "database/sql",
	"time":        "time",
	"dialect":     "github.com/asherah-sql/asherah-sql/dialect",
	"driver":      "github.com/asherah-sql/asherah-sql/driver",
	"envelope":    "github.com/asherah-sql/asherah-sql/envelope",
	"otel":        "go.opentelemetry.io/otel",
	"otelmetrics": "github.com/asherah-sql/asherah-sql/envelope/otelmetrics",
	"kms":         "github.com/asherah-sql/asherah-sql/kms",
	"otelsql":     "github.com/XSAM/otelsql",
	"pgx":         "github.com/jackc/pgx/v5",
	"pgxpool":     "github.com/jackc/pgx/v5/pgxpool",
	"postgres":    "github.com/asherah-sql/asherah-sql/driver/postgres",
	"sqlite":      "github.com/asherah-sql/asherah-sql/driver/sqlite",
	"sqlite3":     "github.com/mattn/go-sqlite3",
	"sqlmock":     "github.com/DATA-DOG/go-sqlmock",
	"sqlx":        "github.com/jmoiron/sqlx",
	"stdlib":      "github.com/jackc/pgx/v5/stdlib",
	"static":      "github.com/asherah-sql/asherah-sql/kms/static",
	"strings":     "strings",
	"tags":        "github.com/asherah-sql/asherah-sql/tags",
}

// program turns a block into a file that compiles. line comments make the compiler's errors point into
// the page.
func program(b *block) (string, error) {
	if strings.HasPrefix(b.text, "package ") {
		return fmt.Sprintf("//line %s:%d\n%s", b.page, b.line, b.text), nil
	}
	var decls, stmts strings.Builder
	line := b.line
	for _, para := range paragraphs(b.text) {
		at := fmt.Sprintf("//line %s:%d\n", b.page, line)
		line += strings.Count(para, "\n")
		switch {
		case parses("package p\n" + para):
			decls.WriteString(at + para + "\n")
		case parses("package p\nfunc f() error {\n" + para + "\n}\n"):
			stmts.WriteString(at + para + "\n")
		default:
			_, err := parser.ParseFile(token.NewFileSet(), b.page, "package p\nfunc f() error {\n"+at+para+"\n}\n", parser.SkipObjectResolution)
			return "", err
		}
	}
	body := "func example(ctx context.Context, db *sql.DB) error {\n" + stmts.String()
	for _, name := range declared(stmts.String()) {
		body += "_ = " + name + "\n"
	}
	body += "return nil\n}\n\nfunc main() { _ = example }\n"
	rest := "\n" + decls.String() + body
	return "package main\n" + imports(rest) + rest, nil
}

// paragraphs splits at empty lines outside of braces, so that a paragraph is whole declarations or whole
// statements. Each keeps its line ends, so that lines can be counted.
func paragraphs(text string) []string {
	var out []string
	var cur strings.Builder
	depth := 0
	for line := range strings.Lines(text) {
		depth += strings.Count(line, "{") + strings.Count(line, "(") - strings.Count(line, "}") - strings.Count(line, ")")
		cur.WriteString(line)
		if depth == 0 && strings.TrimSpace(line) == "" {
			out = append(out, cur.String())
			cur.Reset()
		}
	}
	return append(out, cur.String())
}

func parses(src string) bool {
	_, err := parser.ParseFile(token.NewFileSet(), "", src, parser.SkipObjectResolution)
	return err == nil
}

// declared lists the variables that statements declare at their top level, which a fragment need not use.
func declared(stmts string) []string {
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc f() error {\n"+stmts+"\n}", parser.SkipObjectResolution)
	if err != nil {
		return nil
	}
	var names []string
	add := func(e ast.Expr) {
		if id, ok := e.(*ast.Ident); ok && id.Name != "_" {
			names = append(names, id.Name)
		}
	}
	for _, s := range f.Decls[0].(*ast.FuncDecl).Body.List {
		switch s := s.(type) {
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				for _, e := range s.Lhs {
					add(e)
				}
			}
		case *ast.DeclStmt:
			for _, spec := range s.Decl.(*ast.GenDecl).Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					for _, id := range v.Names {
						add(id)
					}
				}
			}
		}
	}
	return names
}

// imports writes an import for each known package that the source uses and doesn't import itself.
func imports(src string) string {
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+src, parser.SkipObjectResolution)
	if err != nil {
		return "" // the compiler will say it better
	}
	have := map[string]bool{}
	for _, spec := range f.Imports {
		have[spec.Path.Value] = true
	}
	var out []string
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok {
			if p := knownPackages[id.Name]; p != "" && !have[strconv.Quote(p)] {
				have[strconv.Quote(p)] = true
				out = append(out, "import "+strconv.Quote(p)+"\n")
			}
		}
		return true
	})
	slices.Sort(out)
	return strings.Join(out, "")
}

// userModule makes a module outside of this one that requires it, as a user's program does. What else the
// pages import has the versions with which the integration module's tests use it.
func userModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	top, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	mod := read(t, "integration/go.mod")
	mod = regexp.MustCompile(`(?m)^module .*$`).ReplaceAllString(mod, "module example.org/program")
	replaced := regexp.MustCompile(`(?m)^(replace `+regexp.QuoteMeta(module)+` =>) \.\./$`).ReplaceAllString(mod, "$1 "+strings.ReplaceAll(top, "$", "$$"))
	if replaced == mod {
		t.Fatal("integration/go.mod doesn't replace this module")
	}
	write(t, filepath.Join(dir, "go.mod"), replaced)
	write(t, filepath.Join(dir, "go.sum"), read(t, "integration/go.sum"))
	return dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// command runs a command with the environment that the pages tell the reader to set up, and more.
func command(t *testing.T, more []string, dir, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SHOP_MASTER_KEY=4f1c6ab2d8e07395b1f2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718", "TMPDIR="+t.TempDir())
	cmd.Env = append(cmd.Env, more...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%w\n%s%s", err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

// TestGoBlocks has the compiler check every Go block, and runs those whose output the page shows.
func TestGoBlocks(t *testing.T) {
	module := userModule(t)
	each(t, "go", func(t *testing.T, b *block) {
		src, err := program(b)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(src, "/internal/") {
			t.Error("a user's program can't import an internal package")
		}
		dir := filepath.Join(module, fmt.Sprintf("%s_%d", strings.NewReplacer("/", "_", ".", "_").Replace(b.page), b.line))
		write(t, filepath.Join(dir, "main.go"), src)
		if b.output == nil {
			// Checked for types without linking, which would be most of the work.
			if _, err := command(t, nil, dir, "go", "vet", "-mod=mod", "."); err != nil {
				t.Fatalf("%v\n%s", err, src)
			}
			return
		}
		exe := filepath.Join(dir, "program.exe")
		if _, err := command(t, nil, dir, "go", "build", "-mod=mod", "-buildvcs=false", "-o", exe, "."); err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		out, err := command(t, b.environment(t), t.TempDir(), exe)
		if err != nil {
			t.Fatal(err)
		}
		compareOutput(t, b, out)
	})
}

func TestFragments(t *testing.T) {
	b := &block{page: "x.md", line: 7, text: "type U struct{ A string }\n\nu := U{\"a\"}\n\nrows, err := db.QueryContext(ctx, \"SELECT ?\", u.A)\nif errors.Is(err, driver.ErrMoved) {\n\treturn err\n}\n"}
	src, err := program(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"import \"errors\"\n", "import \"context\"\n", "import \"github.com/asherah-sql/asherah-sql/driver\"\n",
		"//line x.md:7\ntype U", "//line x.md:9\nu :=", "//line x.md:11\nrows, err", "_ = u\n", "_ = rows\n", "_ = err\n",
	} {
		if !strings.Contains(src, want) {
			t.Errorf("no %q in\n%s", want, src)
		}
	}
	if !parses(src) {
		t.Errorf("doesn't parse:\n%s", src)
	}
	if _, err := program(&block{page: "x.md", line: 3, text: "x := = 2\n"}); err == nil || !strings.Contains(err.Error(), "x.md:3") {
		t.Errorf("a fragment that isn't Go: %v", err)
	}
}
