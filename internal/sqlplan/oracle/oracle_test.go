package oracle_test

import (
	"bytes"
	"flag"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan/oracle"

	"golang.org/x/tools/txtar"
)

var (
	full    = flag.Bool("full", false, "all statements with many mutants, instead of a part of them with few")
	mutants = flag.Int("mutants", 0, "mutants of each choice of tables; 0: as -full says")
	show    = flag.Int("show", 8, "differences of a kind that are printed")
	seed    = flag.Uint64("seed", 1, "of the random choices")
)

// subject is a database.
type subject struct {
	dialect dialect.Dialect
	program string
	module  string // that the program's grammar comes from
	mode    sqlplan.Mode
	data    func(dir string) ([]string, error) // statements of the module's own tests
	stride  int                                // without -full every so many statements of them are taken
	with    string                             // the mode of the program
	arbiter bool                               // the server is asked about queries and writes too that the grammar rejects
	judge   func(t *testing.T) judge
	least   int // statements of them that there must be
}

var subjects = []subject{
	{dialect: dialect.Postgres, program: "postgres", module: "github.com/sqlc-dev/oliphant", mode: sqlplan.Mode{Known: true},
		judge: postgresJudge, data: oliphantData, stride: 7, least: 20_000},
	{dialect: dialect.SQLite, program: "sqlite", module: "github.com/sqlc-dev/meyer", mode: sqlplan.Mode{Known: true},
		judge: sqliteJudge, data: meyerData, stride: 7, least: 20_000},
	{dialect: dialect.MySQL, program: "mysql", module: "github.com/sqlc-dev/marino",
		// The grammar is MySQL's and the server MariaDB: what only the server understands isn't a difference.
		mode: sqlplan.Mode{Known: true, BackslashEscapes: true, Strict: true, MariaDB: true, Version: 101119}, with: "mariadb", arbiter: true,
		judge: mariadbJudge, data: marinoData, stride: 1, least: 4000},
}

// statement is a text to compare the readings of.
type statement struct {
	text  string
	fixed bool // over the fixed tables
}

// tally counts what was compared.
type tally struct {
	mu                                   sync.Mutex
	seeds, texts, mutants, accepted, bad int
	stores, opened, crashes              int
	differences                          map[string][]string // by kind
	crashed                              []string
	commands                             []command // definitions and commands that the grammar rejects
}

func (t *tally) add(n *int, by int) {
	t.mu.Lock()
	*n += by
	t.mu.Unlock()
}

// TestGrammars compares sqlplan's reading of statements with the grammars'.
func TestGrammars(t *testing.T) {
	for _, s := range subjects {
		t.Run(s.program, func(t *testing.T) { testGrammar(t, s) })
	}
}

func testGrammar(t *testing.T, s subject) {
	program := s.build(t)
	list := statements(t, s)
	exceptions := readExceptions(t, s.program)
	sum := &tally{differences: map[string][]string{}}
	work := make(chan statement)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			p := &oracle.Process{Path: program}
			defer p.Close()
			for st := range work {
				c := &comparison{subject: s, process: p, sum: sum, t: t, exceptions: exceptions}
				c.statement(st)
			}
			sum.add(&sum.crashes, p.Crashes)
		})
	}
	for _, st := range list {
		work <- st
	}
	close(work)
	wg.Wait()
	t.Logf("%d statements, %d texts with a registered table (%d mutants), %d of them accepted and compared, %d of those invalid for the database; %d values stored, %d outputs opened; %d crashes of the grammar",
		sum.seeds, sum.texts, sum.mutants, sum.accepted, sum.bad, sum.stores, sum.opened, sum.crashes)
	if sum.accepted < 1000 || sum.stores < 100 || sum.opened < 100 {
		t.Errorf("too little was compared")
	}
	t.Logf("%d definitions and commands that the grammar rejects", len(sum.commands))
	for _, x := range sum.crashed[:min(len(sum.crashed), *show)] {
		t.Logf("the grammar crashed: %.1500s", x)
	}
	for kind, texts := range sum.differences {
		t.Errorf("%d × %s", len(texts), kind)
		slices.SortFunc(texts, func(a, b string) int { return len(a) - len(b) })
		for _, x := range texts[:min(len(texts), *show)] {
			t.Errorf("    %s", x)
		}
	}
	if len(sum.commands) > 0 {
		slices.SortFunc(sum.commands, func(a, b command) int { return strings.Compare(a.text, b.text) })
		t.Run("server", func(t *testing.T) { askServer(t, s, sum.commands) })
	}
}

// build builds the program of a subject.
func (s *subject) build(t *testing.T) string {
	program := filepath.Join(t.TempDir(), s.program)
	if out, err := exec.Command("go", "build", "-o", program, "./"+s.program).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// comparison is the work on one statement.
type comparison struct {
	subject
	process    *oracle.Process
	sum        *tally
	t          *testing.T
	exceptions []*exception

	tables     []oracle.Table
	partitions map[string]string
	analyzer   *sqlplan.Analyzer
	catalog    catalog
}

func (c *comparison) statement(st statement) {
	c.sum.add(&c.sum.seeds, 1)
	h := fnv.New64a()
	h.Write([]byte(st.text))
	r := rand.New(rand.NewPCG(*seed, h.Sum64()))
	choices, each := 2, 4
	if *full {
		choices, each = 6, 25
	}
	if *mutants > 0 {
		each = *mutants
	}
	if st.fixed {
		each *= 4
		if c.register(fixed, fixedPartitions) {
			c.run(st.text, each, r)
		}
	}
	a, err := c.process.Ask(&oracle.Request{Text: st.text, Learn: true, Mode: c.with})
	if err != nil || a.Rejected != "" {
		return
	}
	for range choices {
		tables, partitions, ok := choose(a.Learned, r)
		if ok && c.register(tables, partitions) {
			c.run(st.text, each, r)
		}
	}
}

func (c *comparison) register(tables []oracle.Table, partitions map[string]string) bool {
	an, err := analyzer(c.dialect, tables, partitions)
	if err != nil {
		c.t.Logf("%v", err)
		return false
	}
	c.tables, c.partitions, c.analyzer, c.catalog = tables, partitions, an, catalogOf(tables)
	return true
}

func (c *comparison) run(text string, each int, r *rand.Rand) {
	c.compare(text)
	for range each {
		m := mutant(text, r)
		if utf8.ValidString(m) && m != text {
			c.sum.add(&c.sum.mutants, 1)
			c.compare(m)
		}
	}
}

// compare has both sides read a text.
func (c *comparison) compare(text string) {
	if !c.analyzer.Mentions(text) {
		return
	}
	c.sum.add(&c.sum.texts, 1)
	p, err := c.analyzer.Analyze(text, c.mode, c.catalog)
	if err != nil {
		if r, ok := err.(*sqlplan.RefusedError); !ok || r.Offset < 0 || r.Offset > len(text) {
			c.differ("not a refusal: "+fmt.Sprint(err), text)
		}
		return
	}
	a, err := c.process.Ask(&oracle.Request{Text: text, Tables: c.tables, Mode: c.with})
	if err != nil {
		c.crashed(p, text)
		return
	}
	if a.Rejected != "" {
		if p.Touches {
			c.sum.add(&c.sum.accepted, 1)
			c.rejected(p, text, a.Rejected)
		}
		return
	}
	if p.Touches {
		c.sum.add(&c.sum.accepted, 1)
	}
	c.facts(text, p, a.Statements)
}

// rejected notes a text that sqlplan accepts and the grammar doesn't.
func (c *comparison) rejected(p *sqlplan.Plan, text, message string) {
	for _, e := range c.exceptions {
		if e.matches(text, message) {
			return
		}
	}
	defines := false
	for _, s := range p.Statements {
		defines = defines || s.Kind == sqlplan.DDL || s.Kind == sqlplan.Other || s.Kind == sqlplan.Transaction
	}
	if defines || c.arbiter {
		c.sum.mu.Lock()
		c.sum.commands = append(c.sum.commands, command{text, message, !defines})
		c.sum.mu.Unlock()
		return
	}
	c.differ("a query or a write is accepted, but not by the grammar", text+"\n        "+message)
}

// crashed notes a text that the grammar's program died of. It is the grammar's affair, unless the walk is to blame.
func (c *comparison) crashed(p *sqlplan.Plan, text string) {
	if p.Touches && strings.Contains(c.process.Last, "/sqlplan/oracle.") && !strings.Contains(c.process.Last, "sqlc-dev") {
		c.differ("the walk crashed", text+"\n        "+c.process.Last)
		return
	}
	c.sum.mu.Lock()
	c.sum.crashed = append(c.sum.crashed, text+"\n        "+c.process.Last)
	c.sum.mu.Unlock()
}

func (c *comparison) differ(kind, text string) {
	for _, e := range c.exceptions {
		if e.matches(text, kind) {
			return
		}
	}
	c.sum.mu.Lock()
	defer c.sum.mu.Unlock()
	var names []string
	for _, t := range c.tables {
		if len(t.Encrypted) > 0 {
			names = append(names, t.Name+"("+strings.Join(t.Encrypted, ",")+" of "+strings.Join(t.Columns, ",")+")")
		}
	}
	entry := text
	if len(c.tables) != len(fixed) {
		entry += "\n        " + strings.Join(names, " ")
	}
	c.sum.differences[kind] = append(c.sum.differences[kind], entry)
}

// facts compares where values go and what is returned.
func (c *comparison) facts(text string, p *sqlplan.Plan, facts []oracle.Facts) {
	if !p.Touches {
		for _, f := range facts {
			if len(f.Tables) > 0 {
				c.differ("a registered table isn't seen", text)
			}
		}
		return
	}
	if len(facts) != len(p.Statements) {
		c.differ("another number of statements", text)
		return
	}
	type store struct {
		from, to int
		column   string
		hit      bool
	}
	var ours []store
	for _, v := range p.Values {
		if v.Unused {
			for _, f := range facts {
				for _, s := range f.Stores {
					c.unread(text, p, &v, s.Offset, "a value is taken for unused that is stored")
				}
				for _, at := range f.Reads {
					c.unread(text, p, &v, at, "a value is taken for unused that is read")
				}
			}
			continue
		}
		for _, f := range facts {
			for _, at := range f.Reads {
				c.unread(text, p, &v, at, "a value is sealed that is read too")
			}
		}
		key := v.Column.Table.Name + "." + v.Column.Name
		if l := v.Source.Literal; l != nil {
			ours = append(ours, store{l.Offset, l.End, key, false})
			continue
		}
		for _, o := range p.Params[v.Source.Param-1].Offsets {
			ours = append(ours, store{o, o + 1, key, false})
		}
	}
	for i, f := range facts {
		if f.Invalid != "" {
			c.sum.add(&c.sum.bad, 1)
			return
		}
		for _, name := range f.Tables {
			if !slices.ContainsFunc(p.Statements[i].Tables, func(t *tagsTable) bool { return t.Name == name }) {
				c.differ("a registered table isn't seen", text)
				return
			}
		}
		for _, m := range f.Misuses {
			_, what, _ := strings.Cut(m, ": ")
			what, _, _ = strings.Cut(what, ":")
			c.differ("an encrypted column goes further: "+what, text+"\n        "+m)
		}
		for _, s := range f.Stores {
			hit := false
			for j := range ours {
				if o := &ours[j]; o.from <= s.Offset && s.Offset < o.to && o.column == s.Column {
					o.hit, hit = true, true
				}
			}
			if !hit {
				c.differ("a value isn't sealed", fmt.Sprintf("%s\n        at %d for %s", text, s.Offset, s.Column))
			}
		}
		c.outputs(text, p, i, f)
	}
	for _, o := range ours {
		c.sum.add(&c.sum.stores, 1)
		if !o.hit {
			c.differ("a value is sealed that isn't stored", fmt.Sprintf("%s\n        at %d for %s", text, o.from, o.column))
		}
	}
}

// unread notes a difference when a token is the value v.
func (c *comparison) unread(text string, p *sqlplan.Plan, v *sqlplan.Value, at int, kind string) {
	hit := false
	if l := v.Source.Literal; l != nil {
		hit = l.Offset <= at && at < l.End
	} else {
		hit = slices.Contains(p.Params[v.Source.Param-1].Offsets, at)
	}
	if hit {
		c.differ(kind, fmt.Sprintf("%s\n        at %d for %s", text, at, v.Column))
	}
}

func (c *comparison) outputs(text string, p *sqlplan.Plan, i int, f oracle.Facts) {
	ours := make([]string, len(f.Outputs))
	results := append([]sqlplan.Result{{Statement: p.OutputStatement, Outputs: p.Outputs, Hidden: p.Hidden}}, p.Further...)
	for _, r := range results {
		if r.Outputs == nil || r.Statement != i {
			continue
		}
		ours = ours[:0]
		for _, o := range r.Outputs[:len(r.Outputs)-r.Hidden] {
			name := ""
			if o.Column != nil {
				name = o.Column.Table.Name + "." + o.Column.Name
				c.sum.add(&c.sum.opened, 1)
			}
			ours = append(ours, name)
		}
	}
	if p.Statements[i].Explain {
		return
	}
	if !slices.Equal(ours, f.Outputs) {
		c.differ("other outputs", fmt.Sprintf("%s\n        ours %q\n        theirs %q", text, ours, f.Outputs))
	}
}

// statements returns what is compared: the module's own test data, the ORMs' statements and the golden cases.
func statements(t *testing.T, s subject) []statement {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", s.module).Output()
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.data(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	if len(data) < s.least {
		t.Fatalf("%d statements of %s's test data: want %d at least", len(data), s.module, s.least)
	}
	var list []statement
	seen := map[string]bool{}
	add := func(text string, fixed bool) {
		if !seen[text] && utf8.ValidString(text) && len(text) < 20_000 {
			seen[text] = true
			list = append(list, statement{text, fixed})
		}
	}
	corpora, _ := filepath.Glob("../testdata/corpora/*_" + s.dialect.String() + ".sql")
	n := 0
	for _, f := range corpora {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			add(strings.TrimSuffix(strings.TrimSpace(line), ";"), true)
			n++
		}
	}
	if n < 100 {
		t.Fatalf("%d statements of ORMs", n)
	}
	goldens, _ := filepath.Glob("../testdata/" + s.dialect.String() + "/*.txtar")
	if len(goldens) < 250 {
		t.Fatalf("%d golden cases", len(goldens))
	}
	for _, f := range goldens {
		ar, err := txtar.ParseFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(ar.Files) != 2 {
			continue // in another mode than the grammar's
		}
		text := strings.TrimSuffix(string(ar.Files[0].Data), "\n")
		if ar.Files[0].Name == "input.quoted" {
			if text, err = strconv.Unquote(text); err != nil {
				t.Fatal(err)
			}
		}
		add(text, true)
	}
	for i, text := range data {
		if *full || i%s.stride == 0 {
			add(text, false)
		}
	}
	return list
}

// oliphantData reads the texts of oliphant's tests of its parser. A case is a line "== name", the text, a line
// "--" and the expected tree; lines of the text that could be taken for those begin with a bar.
func oliphantData(dir string) ([]string, error) {
	var list []string
	err := filepath.WalkDir(filepath.Join(dir, "parser/testdata/parse"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".test" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var text []string
		in := false
		for line := range bytes.Lines(b) {
			s := strings.TrimSuffix(string(line), "\n")
			switch {
			case strings.HasPrefix(s, "== "):
				in, text = true, nil
			case s == "--" && in:
				in = false
				list = append(list, strings.Join(text, "\n"))
			case in:
				text = append(text, strings.TrimPrefix(s, "|"))
			}
		}
		return nil
	})
	return list, err
}

// marinoData reads the texts of marino's tests of its parser: files of cases with lines "-- case" between them.
func marinoData(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "parser/testdata/parser/*/input.sql"))
	if err != nil {
		return nil, err
	}
	var list []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		text := string(b)
		if strings.HasPrefix(text, "-- flags:") {
			_, text, _ = strings.Cut(text, "\n")
		}
		for part := range strings.SplitSeq(text, "\n-- case\n") {
			list = append(list, strings.TrimSpace(part))
		}
	}
	return list, nil
}

var stmtLine = regexp.MustCompile(`^stmt (\d+) `)

// meyerData reads the texts of meyer's tests of its parser. A case is a line "==== name", a script, a line
// "----" and for each statement of the script a line with its offset and what SQLite says.
func meyerData(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "parser/testdata/*.test"))
	if err != nil {
		return nil, err
	}
	var list []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		for _, part := range strings.Split("\n"+string(b), "\n==== ")[1:] {
			_, part, _ = strings.Cut(part, "\n")
			script, expected, ok := strings.Cut(part, "\n----\n")
			if !ok {
				continue // a script of nothing
			}
			last := -1
			for line := range strings.Lines(expected) {
				m := stmtLine.FindStringSubmatch(line)
				if m == nil {
					continue
				}
				at, err := strconv.Atoi(m[1])
				if err != nil || at > len(script) {
					return nil, fmt.Errorf("%s: offset %s", f, m[1])
				}
				if last >= 0 {
					list = append(list, strings.TrimSpace(script[last:at]))
				}
				last = at
			}
			if last >= 0 {
				list = append(list, strings.TrimSpace(script[last:]))
			}
		}
	}
	return list, nil
}
