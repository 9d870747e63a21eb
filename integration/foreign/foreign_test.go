package foreign

import (
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEdits(t *testing.T) {
	cases := []struct{ name, in, want string }{
		{"import", "package x\n\nimport (\n\t\"database/sql\"\n\t\"database/sql/driver\"\n)\n",
			"package x\n\nimport (\n\t\"new/sql\"\n\t\"database/sql/driver\"\n)\n"},
		{"named import", "package x\n\nimport stdsql \"database/sql\"\n", "package x\n\nimport stdsql \"new/sql\"\n"},
		{"raw", "package x\n\nvar _ = a.b().Raw(func(any) error { return c.Raw(func(any) error { return nil }) })\n",
			"package x\n\nvar _ = sql.Raw(a.b(), func(any) error { return sql.Raw(c, func(any) error { return nil }) })\n"},
		{"another Raw", "package x\n\nvar _ = a.Raw(1)\n", "package x\n\nvar _ = a.Raw(1)\n"},
		{"assertion", "package x\n\nvar _, ok = c.ci.(*fake)\n",
			"package x; import foreignarm \"" + armPath + "\"\n\nvar _, ok = foreignarm.Inner(c.ci).(*fake)\n"},
		{"another type", "package x\n\nvar _ = c.(*other)\nvar _ = c.(fake)\n", "package x\n\nvar _ = c.(*other)\nvar _ = c.(fake)\n"},
		{"OpenDB", "package x\n\nfunc OpenDB(c T) *DB {\n\treturn nil\n}\n",
			"package x; import foreignarm \"" + armPath + "\"\n\nfunc OpenDB(c T) *DB { c = foreignarm.Connector(c);\n\treturn nil\n}\n"},
	}
	e := edits{imports: map[string]string{"database/sql": "new/sql"}, raw: true, asserted: []string{"fake"}, openDB: true}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, n, err := e.rewrite("x.go", []byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != c.want || (n == 0) != (c.in == c.want) {
				t.Errorf("%d edits give\n%s\nwant\n%s", n, got, c.want)
			}
			if _, err := parser.ParseFile(token.NewFileSet(), "x.go", got, 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestShimIsComplete: a suite's copy finds everything of database/sql in the package that stands in for it.
func TestShimIsComplete(t *testing.T) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := func(dir string) []string {
		fset := token.NewFileSet()
		//lint:ignore SA1019 the files need no type information
		pkgs, err := parser.ParseDir(fset, dir, func(f os.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
		if err != nil {
			t.Fatal(err)
		}
		d := doc.New(pkgs["sql"], "sql", doc.AllDecls|doc.PreserveAST)
		var list []string
		add := func(name string) {
			if token.IsExported(name) {
				list = append(list, name)
			}
		}
		values := slices.Concat(d.Consts, d.Vars)
		for _, f := range d.Funcs {
			add(f.Name)
		}
		for _, typ := range d.Types {
			add(typ.Name)
			for _, f := range typ.Funcs {
				add(f.Name)
			}
			values = slices.Concat(values, typ.Consts, typ.Vars)
		}
		for _, v := range values {
			for _, name := range v.Names {
				add(name)
			}
		}
		slices.Sort(list)
		return list
	}
	want, got := names(filepath.Join(strings.TrimSpace(string(out)), "src", "database", "sql")), names("sql")
	if len(want) < 40 {
		t.Fatalf("database/sql exports only %v", want)
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("sql.%s is missing", name)
		}
	}
}

func TestExceptions(t *testing.T) {
	list, err := readExceptions(filepath.Join("testdata", "identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatal("no exceptions: the file is another one")
	}
	e := exception{suite: "s", test: "TestA"}
	for test, want := range map[string]bool{"TestA": true, "TestA/b": true, "TestAb": false} {
		if got := e.covers("s", test); got != want {
			t.Errorf("covers %s: %v", test, got)
		}
	}
	bad := filepath.Join(t.TempDir(), "bad.txt")
	for _, line := range []string{"suite TestA", "suite TestA: ", "TestA: why", "a b c: why"} {
		if err := os.WriteFile(bad, []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readExceptions(bad); err == nil {
			t.Errorf("%q is taken", line)
		}
	}
}

func TestOutcomes(t *testing.T) {
	o, err := readOutcome(strings.NewReader(`{"Action":"run","Test":"A"}
{"Action":"run","Test":"A/b"}
{"Action":"output","Test":"A","Output":"x\n"}
{"Action":"pass","Test":"A/b"}
{"Action":"pass","Test":"A"}
{"Action":"run","Test":"C"}
{"Action":"skip","Test":"C"}
{"Action":"pass"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := o.with("pass"); !slices.Equal(got, []string{"A", "A/b"}) || top(got) != 1 || o.crashed() {
		t.Errorf("passed: %v", got)
	}
	if o.add("run", "D", ""); !o.crashed() {
		t.Error("D never ended")
	}
	if _, err := readOutcome(strings.NewReader("panic: x\n")); err == nil {
		t.Error("a line that is no event is taken")
	}
}
