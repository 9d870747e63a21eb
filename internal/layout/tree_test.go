package layout

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// root is the top of the tree, as seen from this folder.
const root = "../.."

// modulePath reads the module's path from go.mod, so that a rename needs no change here.
func modulePath(t *testing.T) string {
	t.Helper()
	mod := readFile(t, "go.mod")
	m := regexp.MustCompile(`(?m)^module (\S+)$`).FindStringSubmatch(mod)
	if m == nil {
		t.Fatal("go.mod names no module")
	}
	return m[1]
}

// readFile returns the text of the file with that slash-separated name below the root.
func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sourceFile is one Go file and what it imports.
type sourceFile struct {
	name    string   // slash-separated, below the root
	dir     string   // the folder's name below the root, "." for the root itself
	pkg     string   // the package clause
	test    bool     // a _test.go file
	imports []string // import paths
}

// external says that the file belongs to a package of tests that stands outside the one it tests.
func (f sourceFile) external() bool { return f.test && strings.HasSuffix(f.pkg, "_test") }

// goFiles returns every Go file of the module at the root, whatever its build constraints. Nested
// modules are left out: they import what they like.
func goFiles(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && ignoredDir(p, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasPrefix(d.Name(), "_") || strings.HasPrefix(d.Name(), ".") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files = append(files, sourceFile{
			name:    rel,
			dir:     path.Dir(rel),
			pkg:     parsed.Name.Name,
			test:    strings.HasSuffix(rel, "_test.go"),
			imports: importPaths(parsed),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d Go files found below %s: the walk looks in the wrong place", len(files), root)
	}
	return files
}

// ignoredDir says that the go command wouldn't take the folder for a part of this module.
func ignoredDir(p, name string) bool {
	if name == "testdata" || name == "vendor" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return true
	}
	_, err := os.Stat(filepath.Join(p, "go.mod"))
	return err == nil
}

func importPaths(f *ast.File) []string {
	var paths []string
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}
