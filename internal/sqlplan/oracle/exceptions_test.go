package oracle_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/tags"
)

type tagsTable = tags.Table

// exception is a difference that was looked at and isn't a mistake of sqlplan.
type exception struct {
	pattern *regexp.Regexp // of the text and what the grammar says
	text    string
	hits    int
}

// readExceptions reads testdata/exceptions_<program>.txt. Each is a paragraph: a line "pattern: " with the
// expression that matches the text and the grammar's message, and lines that say why and what the server says.
func readExceptions(t testing.TB, program string) []*exception {
	b, err := os.ReadFile("testdata/exceptions_" + program + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []*exception
	for line := range strings.Lines(string(b)) {
		if s, ok := strings.CutPrefix(strings.TrimSpace(line), "pattern: "); ok {
			list = append(list, &exception{pattern: regexp.MustCompile("(?s)" + s), text: s})
		}
	}
	return list
}
