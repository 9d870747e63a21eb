package doctest

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

const root = "../.."

// block is one fenced block of a page.
type block struct {
	page string // the page's name below the root
	line int    // of the block's first line of text, from 1
	lang string
	of   string // what follows the language: the database of an sql block, "" for SQLite
	text string
	// output is the text block that follows directly, nil when none does.
	output *block
}

// pages returns the names of the pages that are checked.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 5 {
		t.Fatalf("only %d pages in docs: the test looks in the wrong place", len(found))
	}
	names := []string{"README.md"}
	for _, f := range found {
		names = append(names, "docs/"+filepath.Base(f))
	}
	return names
}

func read(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks returns a page's fenced blocks in order.
func blocks(page, text string) (found []*block, problem string) {
	var open *block
	var last *block // the block before, while nothing but empty lines has followed it
	for i, line := range strings.Split(text, "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case open != nil && line == "```":
			found = append(found, open)
			if open.lang == "text" && last != nil {
				last.output = open
			}
			last, open = open, nil
		case open != nil:
			open.text += line + "\n"
		case isFence:
			lang, of, _ := strings.Cut(fence, " ")
			open = &block{page: page, line: i + 2, lang: lang, of: of}
		case strings.TrimSpace(line) != "":
			last = nil
		}
	}
	if open != nil {
		problem = "a block that begins before line " + strconv.Itoa(open.line) + " isn't closed"
	}
	return found, problem
}

// dialect is the database that an sql block is for.
func (b *block) dialect() (dialect.Dialect, error) {
	if b.of == "" {
		return dialect.SQLite, nil
	}
	return dialect.Parse(b.of)
}

// dsnVar and mysqlVar are the variables in which the pages keep the connection string of a PostgreSQL server, and
// of a MySQL or MariaDB server. Whatever names one is run with a database of its own.
const (
	dsnVar   = "SHOP_DSN"
	mysqlVar = "SHOP_MYSQL_DSN"
)

// environment is what a block's programs and commands find besides this process's: a server when it is
// named. Without one the test is skipped, and reported as not tested.
func (b *block) environment(t *testing.T) []string {
	t.Helper()
	switch {
	case strings.Contains(b.text, mysqlVar):
		srv := testserver.MariaDB(t)
		return []string{mysqlVar + "=" + srv.DSN("") + map[bool]string{true: "&", false: "?"}[strings.Contains(srv.DSN(""), "?")] + "parseTime=true"}
	case strings.Contains(b.text, dsnVar):
		return []string{dsnVar + "=" + testserver.Postgres(t).DSN("")}
	}
	return nil
}

func TestMain(m *testing.M) { testserver.Main(m) }

// each runs f as a subtest for each block of that language and requires that there be some.
func each(t *testing.T, lang string, f func(t *testing.T, b *block)) {
	count := 0
	for _, page := range pages(t) {
		found, problem := blocks(page, read(t, page))
		if problem != "" {
			t.Errorf("%s: %s", page, problem)
		}
		for _, b := range found {
			if b.lang != lang {
				continue
			}
			count++
			t.Run(page+":"+strconv.Itoa(b.line), func(t *testing.T) { f(t, b) })
		}
	}
	if count == 0 {
		t.Errorf("no page has a block of %s", lang)
	}
}

// variable is what differs between two runs of the same program: ciphertexts, temporary folders and schemas.
var (
	ciphertext = regexp.MustCompile(`ash1\.[A-Za-z0-9_-]+(…[A-Za-z0-9_-]*)?`)
	tempFolder = regexp.MustCompile(`\S*asherah-quickstart-[0-9]+`)
	tempSchema = regexp.MustCompile(`asherah_(quickstart|bulk)_[a-z0-9]{8}`)
)

func masked(s string) string {
	s = ciphertext.ReplaceAllString(s, "ash1.")
	s = tempFolder.ReplaceAllString(s, "FOLDER")
	s = tempSchema.ReplaceAllString(s, "SCHEMA_OF_$1")
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// update writes what is printed into the pages: go test ./internal/doctest -update
var update = flag.Bool("update", false, "write what programs and commands print into the pages")

func compareOutput(t *testing.T, b *block, got string) {
	t.Helper()
	if b.output == nil || masked(got) == masked(b.output.text) {
		return
	}
	if *update {
		page := read(t, b.page)
		got = tempFolder.ReplaceAllString(got, "/tmp/asherah-quickstart-1234567890")
		got = tempSchema.ReplaceAllString(got, "asherah_${1}_a1b2c3d4")
		write(t, filepath.Join(root, filepath.FromSlash(b.page)), strings.Replace(page, "```text\n"+b.output.text+"```\n", "```text\n"+strings.TrimRight(got, "\n")+"\n```\n", 1))
		return
	}
	t.Errorf("%s:%d shows\n%s\nbut this is printed:\n%s\nrun go test ./internal/doctest -update if that is right", b.page, b.output.line, b.output.text, got)
}

func TestLanguages(t *testing.T) {
	known := map[string]bool{"go": true, "sh": true, "text": true, "sql": true}
	for _, page := range pages(t) {
		found, problem := blocks(page, read(t, page))
		if problem != "" {
			t.Errorf("%s: %s", page, problem)
		}
		for _, b := range found {
			if !known[b.lang] {
				t.Errorf("%s:%d: block of %q: want go, sh, text or sql", page, b.line-1, b.lang)
			}
			if _, err := b.dialect(); b.of != "" && (b.lang != "sql" || err != nil) {
				t.Errorf("%s:%d: block of %s for %q: want sql and a database's name, %v", page, b.line-1, b.lang, b.of, err)
			}
		}
	}
}

// TestLinks follows the links between the pages, and those to files of the tree.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading := regexp.MustCompile(`(?m)^#+ (.*)$`)
	anchors := func(page string) map[string]bool {
		found := map[string]bool{}
		for _, m := range heading.FindAllStringSubmatch(read(t, page), -1) {
			// GitHub's rule: lower case, spaces to hyphens, and of the rest only letters and digits.
			a := regexp.MustCompile(`[^\p{L}\p{N}\- _]`).ReplaceAllString(strings.ToLower(m[1]), "")
			found[strings.ReplaceAll(a, " ", "-")] = true
		}
		return found
	}
	count := 0
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			count++
			if target == "" {
				target = filepath.Base(page)
			}
			file := filepath.ToSlash(filepath.Join(filepath.Dir(page), target))
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(file))); err != nil {
				t.Errorf("%s: link to %s: %v", page, m[1], err)
				continue
			}
			if anchor != "" && !anchors(file)[anchor] {
				t.Errorf("%s: link to %s: %s has no such heading", page, m[1], file)
			}
		}
	}
	if count < 5 {
		t.Errorf("only %d links found", count)
	}
}

func TestBlocks(t *testing.T) {
	const page = "# x\n\n```sh\ngo run .\n```\n\n```text\nhello\n```\n\nWords.\n\n```text\nalone\n```\n\n```sql postgres\nSELECT 1\n```\n"
	found, problem := blocks("p", page)
	if problem != "" || len(found) != 4 || found[3].lang != "sql" || found[3].of != "postgres" {
		t.Fatalf("%d blocks, %q", len(found), problem)
	}
	if found[0].output != found[1] || found[0].line != 4 || found[0].text != "go run .\n" || found[1].output != nil || found[2].text != "alone\n" {
		t.Errorf("%+v %+v %+v", *found[0], *found[1], *found[2])
	}
	if _, problem := blocks("p", "```go\nx := 1\n"); problem == "" {
		t.Error("a block that isn't closed goes unnoticed")
	}
}
