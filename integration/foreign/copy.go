package foreign

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	here    = "github.com/asherah-sql/asherah-sql/integration/foreign"
	armPath = here + "/arm"
	sqlPath = here + "/sql"
)

// edits says what is changed in the copy of a suite's package.
type edits struct {
	// files are those besides the tests that import database/sql and open databases.
	files []string
	// imports are replaced, import path by import path.
	imports map[string]string
	// raw: conn.Raw(f) becomes sql.Raw(conn, f).
	raw bool
	// asserted are types whose assertions are made of what is under the wrapper.
	asserted []string
	// made is the format of table names that the tests make up with fmt.Sprintf: they are registered.
	made string
	// openDB: the function OpenDB of these files first wraps its argument.
	openDB bool
}

// rewrite returns a file's text with the edits, and how many were made. Lines keep their numbers.
func (e *edits) rewrite(name string, src []byte) ([]byte, int, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, 0, err
	}
	type edit struct {
		at, end int
		text    string
	}
	var list []edit
	offset := func(p token.Pos) int { return fset.Position(p).Offset }
	replace := func(from, to token.Pos, text string) { list = append(list, edit{offset(from), offset(to), text}) }
	needsArm := false
	for _, imp := range file.Imports {
		path, err := strconv.Unquote(imp.Path.Value)
		if err != nil {
			return nil, 0, err
		}
		if to, ok := e.imports[path]; ok {
			replace(imp.Path.Pos(), imp.Path.End(), strconv.Quote(to))
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if ok && e.made != "" && sel.Sel.Name == "Sprintf" {
				if lit, ok := n.Args[0].(*ast.BasicLit); ok && lit.Value == strconv.Quote(e.made) {
					replace(n.Pos(), n.Pos(), "foreignarm.Table(")
					replace(n.End(), n.End(), ")")
					needsArm = true
				}
			}
			if !ok || !e.raw || sel.Sel.Name != "Raw" || len(n.Args) != 1 {
				break
			}
			if _, ok := n.Args[0].(*ast.FuncLit); ok {
				replace(sel.Pos(), sel.Pos(), "sql.Raw(")
				replace(sel.X.End(), n.Args[0].Pos(), ", ")
			}
		case *ast.TypeAssertExpr:
			star, ok := n.Type.(*ast.StarExpr)
			if !ok {
				break
			}
			if id, ok := star.X.(*ast.Ident); ok && slices.Contains(e.asserted, id.Name) {
				replace(n.X.Pos(), n.X.Pos(), "foreignarm.Inner(")
				replace(n.X.End(), n.X.End(), ")")
				needsArm = true
			}
		case *ast.FuncDecl:
			if e.openDB && n.Recv == nil && n.Name.Name == "OpenDB" {
				arg := n.Type.Params.List[0].Names[0].Name
				replace(n.Body.Lbrace+1, n.Body.Lbrace+1, fmt.Sprintf(" %s = foreignarm.Connector(%[1]s);", arg))
				needsArm = true
			}
		}
		return true
	})
	if needsArm {
		replace(file.Name.End(), file.Name.End(), "; import foreignarm "+strconv.Quote(armPath))
	}
	slices.SortStableFunc(list, func(a, b edit) int { return a.at - b.at })
	var out bytes.Buffer
	at := 0
	for _, ed := range list {
		if ed.at < at {
			return nil, 0, fmt.Errorf("%s: two edits at byte %d", name, ed.at)
		}
		out.Write(src[at:ed.at])
		out.WriteString(ed.text)
		at = ed.end
	}
	out.Write(src[at:])
	return out.Bytes(), len(list), nil
}

// apply edits the tests of the package in dir, and the files named, in place.
func (e *edits) apply(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, "_test.go") && !slices.Contains(e.files, name) {
			continue
		}
		path := filepath.Join(dir, name)
		src, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		out, n, err := e.rewrite(name, src)
		if err != nil {
			return 0, err
		}
		total += n
		if err := os.WriteFile(path, out, 0o600); err != nil {
			return 0, err
		}
	}
	return total, nil
}
