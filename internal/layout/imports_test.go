package layout

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"
)

// rule says what the packages of one folder may import in the files that a user's program compiles.
// Test files may import more, within the limits of testViolations.
type rule struct {
	// own lists the folders of ours, "…/" at the end for all that lies below one.
	own []string
	// others lists the modules of others, by the beginning of the import path.
	others []string
	// leaf packages are imported by a program that wants just that database or service, and by no
	// package of ours: they alone may import real drivers and vendor SDKs.
	leaf bool
	// free packages may import anything: programs, examples, suites.
	free bool
}

// rules is the picture of the tree: imports point downwards only. A folder that isn't here is an
// error, so that a new one is a decision and not an accident.
var rules = map[string]rule{
	"driver": {own: []string{"tags", "dialect", "envelope", "metastore", "metastore/sqlstore", "kms", "kms/static", "cache", "internal/sqlplan"}},

	"driver/postgres":  {own: []string{"driver", "dialect"}, leaf: true},
	"driver/mysql":     {own: []string{"driver", "dialect"}, leaf: true},
	"driver/sqlserver": {own: []string{"driver", "dialect"}, leaf: true},
	"driver/sqlite":    {own: []string{"driver", "dialect"}, leaf: true},
	"driver/oracle":    {own: []string{"driver", "dialect"}, leaf: true},

	"internal/sqlplan": {own: []string{"tags", "dialect"}},

	"internal/sqlplan/sqlgen": {own: []string{"tags", "dialect"}},

	"tags":     {},
	"dialect":  {},
	"envelope": {own: []string{"metastore", "kms", "cache", "protectedmem", "internal/aead"}},

	"envelope/otelmetrics": {own: []string{"envelope"}, others: []string{"go.opentelemetry.io/otel/"}, leaf: true},

	"metastore":               {own: []string{"dialect"}},
	"metastore/sqlstore":      {own: []string{"metastore", "dialect"}},
	"metastore/dynamodb":      {own: []string{"metastore"}, leaf: true},
	"metastore/metastoretest": {own: []string{"metastore"}},

	"kms":         {own: []string{"internal/aead"}},
	"kms/static":  {own: []string{"kms", "internal/aead"}},
	"kms/aws":     {own: []string{"kms", "internal/aead"}, leaf: true},
	"kms/vault":   {own: []string{"kms", "internal/aead"}, leaf: true},
	"kms/kmstest": {own: []string{"kms"}},

	"internal/aead": {},

	"protectedmem":          {others: []string{"golang.org/x/sys/"}},
	"protectedmem/memguard": {own: []string{"protectedmem"}, others: []string{"github.com/awnumar/memguard"}},
	"cache":                 {},

	"cmd/…":      {free: true},
	"examples/…": {free: true},

	// Tests on the tree itself.
	"internal/layout":  {},
	"internal/doctest": {},

	// Real servers, and what stands before them, for test files: no other rule lists it, so nothing that a program links imports it.
	"internal/testserver": {free: true},
	"internal/testproxy":  {},
	"internal/drivertest": {own: []string{"driver", "dialect", "internal/sqlplan/sqlgen", "kms/static", "tags"}},
}

// realDrivers and vendorSDKs are what only leaves may bring into a program.
var (
	realDrivers = []string{
		"modernc.org/sqlite", "github.com/mattn/go-sqlite3", "github.com/ncruces/go-sqlite3",
		"github.com/jackc/pgx", "github.com/lib/pq", "github.com/go-sql-driver/mysql",
		"github.com/microsoft/go-mssqldb", "github.com/denisenkom/go-mssqldb",
		"github.com/sijms/go-ora", "github.com/godror/godror",
	}
	vendorSDKs = []string{
		"github.com/aws/", "github.com/hashicorp/", "cloud.google.com/", "github.com/Azure/",
	}
)

// ruleFor returns the rule of a folder, or of the nearest folder above it that speaks for all below.
func ruleFor(dir string) (rule, bool) {
	if r, ok := rules[dir]; ok {
		return r, true
	}
	for parent := dir; ; {
		i := strings.LastIndexByte(parent, '/')
		if i < 0 {
			return rule{}, false
		}
		parent = parent[:i]
		if r, ok := rules[parent+"/…"]; ok {
			return r, true
		}
	}
}

// standard says that an import path is the standard library's: its first element has no dot.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// oneOf returns the entry of list that importPath is or lies below, "" when there is none. An entry
// "a/b" covers a/b and a/b/c but not a/bc; one that ends in a slash covers all that begins with it.
func oneOf(importPath string, list []string) string {
	for _, entry := range list {
		if importPath == entry || strings.HasPrefix(importPath, strings.TrimSuffix(entry, "/")+"/") {
			return entry
		}
	}
	return ""
}

// violations checks one file against the rules; it is apart from the test so that the test can show
// that each kind of breach is found.
func violations(module string, f sourceFile) []string {
	if f.test {
		return testViolations(module, f)
	}
	r, ok := ruleFor(f.dir)
	if !ok {
		return []string{f.name + ": the folder " + f.dir + " is unknown: add it to the rules with what it may import"}
	}
	if r.free {
		return nil
	}
	var bad []string
	for _, imp := range f.imports {
		own, isOwn := strings.CutPrefix(imp, module+"/")
		switch {
		case imp == module || isOwn && !slices.Contains(r.own, own):
			bad = append(bad, f.name+": imports "+imp+": "+f.dir+" may import, of ours, "+cmp.Or(strings.Join(r.own, ", "), "nothing"))
		case isOwn || standard(imp) || r.leaf:
		case oneOf(imp, realDrivers) != "" || oneOf(imp, vendorSDKs) != "":
			bad = append(bad, f.name+": imports "+imp+": real drivers and vendor SDKs belong in the leaves")
		case oneOf(imp, r.others) == "":
			bad = append(bad, f.name+": imports "+imp+": "+f.dir+" may import, of others, "+cmp.Or(strings.Join(r.others, ", "), "nothing"))
		}
	}
	return bad
}

// testViolations: tests may import what they like, but for driver's own in-package ones. A real
// driver's in-package tests are run through our driver, which needs the core to be free of cycles.
func testViolations(module string, f sourceFile) []string {
	if _, ok := ruleFor(f.dir); !ok && f.dir != "." {
		return []string{f.name + ": the folder " + f.dir + " is unknown: add it to the rules with what it may import"}
	}
	if f.dir != "driver" || f.external() {
		return nil
	}
	var bad []string
	for _, imp := range f.imports {
		own, isOwn := strings.CutPrefix(imp, module+"/")
		r, _ := ruleFor(own)
		if oneOf(imp, realDrivers) != "" || isOwn && (r.leaf || r.free) {
			bad = append(bad, f.name+": imports "+imp+": in-package tests of driver import no real driver: use package driver_test")
		}
	}
	return bad
}

func TestImportsPointDownwards(t *testing.T) {
	module := modulePath(t)
	for _, f := range goFiles(t) {
		for _, v := range violations(module, f) {
			t.Error(v)
		}
	}
}

// TestCoreReachesNoRealDriver follows our own imports from the packages that every program links,
// and lists what they bring in of others: nothing but what some rule on the way allows, and no rule
// on the way may be a leaf's.
func TestCoreReachesNoRealDriver(t *testing.T) {
	module := modulePath(t)
	imports := map[string]map[string]bool{} // folder → import paths of its non-test files
	for _, f := range goFiles(t) {
		if f.test {
			continue
		}
		if imports[f.dir] == nil {
			imports[f.dir] = map[string]bool{}
		}
		for _, imp := range f.imports {
			imports[f.dir][imp] = true
		}
	}
	for _, start := range []string{"driver", "tags", "envelope"} {
		if imports[start] == nil {
			t.Errorf("no Go file in %s", start)
		}
		seen := map[string]bool{}
		var walk func(dir string, way []string)
		walk = func(dir string, way []string) {
			if seen[dir] {
				return
			}
			seen[dir] = true
			way = append(slices.Clone(way), dir)
			if r, _ := ruleFor(dir); r.leaf || r.free {
				t.Errorf("%s is reached, which is no part of the core", strings.Join(way, " → "))
			}
			for _, imp := range slices.Sorted(maps.Keys(imports[dir])) {
				if own, ok := strings.CutPrefix(imp, module+"/"); ok {
					walk(own, way)
				} else if oneOf(imp, realDrivers) != "" || oneOf(imp, vendorSDKs) != "" {
					t.Errorf("%s imports %s", strings.Join(way, " → "), imp)
				}
			}
		}
		walk(start, nil)
	}
}

// TestRulesKeepTheirOrder: the rules themselves have no cycle and let no package import a leaf.
func TestRulesKeepTheirOrder(t *testing.T) {
	var visit func(dir string, way []string)
	visit = func(dir string, way []string) {
		if slices.Contains(way, dir) {
			t.Fatalf("the rules allow a cycle: %s → %s", strings.Join(way, " → "), dir)
		}
		for _, own := range rules[dir].own {
			if r, ok := rules[own]; !ok {
				t.Errorf("%s may import %s, which has no rule", dir, own)
			} else if r.leaf || r.free {
				t.Errorf("%s may import the leaf %s", dir, own)
			}
			visit(own, append(slices.Clone(way), dir))
		}
	}
	for _, dir := range slices.Sorted(maps.Keys(rules)) {
		visit(dir, nil)
	}
}

func TestViolationsAreFound(t *testing.T) {
	const module = "example.org/m"
	cases := []struct {
		name string
		file sourceFile
		want string // a part of the message, "" for none
	}{
		{"allowed", sourceFile{dir: "driver", imports: []string{"database/sql", module + "/tags"}}, ""},
		{"own", sourceFile{dir: "tags", imports: []string{module + "/envelope"}}, "of ours, nothing"},
		{"leaf from core", sourceFile{dir: "driver", imports: []string{module + "/driver/sqlite"}}, "may import, of ours"},
		{"root package", sourceFile{dir: "tags", imports: []string{module}}, "may import, of ours"},
		{"real driver in core", sourceFile{dir: "driver", imports: []string{"github.com/jackc/pgx/v5/stdlib"}}, "belong in the leaves"},
		{"SDK in core", sourceFile{dir: "kms", imports: []string{"github.com/aws/aws-sdk-go-v2/config"}}, "belong in the leaves"},
		{"real driver in leaf", sourceFile{dir: "driver/postgres", imports: []string{"github.com/jackc/pgx/v5/stdlib"}}, ""},
		{"other module", sourceFile{dir: "cache", imports: []string{"github.com/maypok86/otter/v2"}}, "of others, nothing"},
		{"other module allowed", sourceFile{dir: "protectedmem", imports: []string{"golang.org/x/sys/unix"}}, ""},
		{"prefix is no match", sourceFile{dir: "protectedmem", imports: []string{"golang.org/x/sysx"}}, "of others"},
		{"unknown folder", sourceFile{dir: "helpers"}, "is unknown"},
		{"below a known folder", sourceFile{dir: "tags/deep"}, "is unknown"},
		{"unknown folder, test", sourceFile{dir: "helpers", test: true}, "is unknown"},
		{"program", sourceFile{dir: "cmd/asherah-sql", imports: []string{"github.com/jackc/pgx/v5"}}, ""},
		{"test", sourceFile{dir: "cache", test: true, pkg: "cache", imports: []string{"pgregory.net/rapid"}}, ""},
		{"in-package test of driver", sourceFile{dir: "driver", test: true, pkg: "driver", imports: []string{"modernc.org/sqlite"}}, "in-package"},
		{"in-package test of driver, our leaf", sourceFile{dir: "driver", test: true, pkg: "driver", imports: []string{module + "/driver/sqlite"}}, "in-package"},
		{"in-package test of driver, real servers", sourceFile{dir: "driver", test: true, pkg: "driver", imports: []string{module + "/internal/testserver"}}, "in-package"},
		{"real servers in a program", sourceFile{dir: "driver", imports: []string{module + "/internal/testserver"}}, "may import, of ours"},
		{"external test of driver", sourceFile{dir: "driver", test: true, pkg: "driver_test", imports: []string{"modernc.org/sqlite"}}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := strings.Join(violations(module, c.file), "\n")
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q in it", got, c.want)
			}
		})
	}
}
