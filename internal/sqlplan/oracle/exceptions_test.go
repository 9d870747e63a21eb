package oracle_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/tags"
)

type tagsTable = tags.Table

// exception is a shape of texts in which sqlplan and the grammar differ, and that was looked at.
type exception struct {
	pattern *regexp.Regexp // of the grammar's message
	needs   *regexp.Regexp // of the text
	example string
	accepts bool // the server does
}

func (e *exception) matches(text, message string) bool {
	return e.pattern.MatchString(message) && (e.needs == nil || e.needs.MatchString(text))
}

// reads reports whether the exception is one in which the grammar reads a text in another way, and doesn't reject it.
func (e *exception) reads() bool { return e.pattern.MatchString("other outputs") }

// readExceptions reads testdata/exceptions_<program>.txt, which says how it is written.
func readExceptions(t testing.TB, program string) []*exception {
	b, err := os.ReadFile("testdata/exceptions_" + program + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []*exception
	for paragraph := range strings.SplitSeq(string(b), "\n\n") {
		e := &exception{}
		server := ""
		for line := range strings.Lines(paragraph) {
			line = strings.TrimSpace(line)
			if s, ok := strings.CutPrefix(line, "pattern: "); ok {
				e.pattern = regexp.MustCompile("(?s)" + s)
			} else if s, ok := strings.CutPrefix(line, "needs: "); ok {
				e.needs = regexp.MustCompile("(?s)" + s)
			} else if s, ok := strings.CutPrefix(line, "example: "); ok {
				e.example = strings.ReplaceAll(s, `\n`, "\n")
			} else if s, ok := strings.CutPrefix(line, "server: "); ok {
				server = s
			}
		}
		if e.pattern == nil {
			continue
		}
		e.accepts = strings.HasPrefix(server, "accepts")
		if e.example == "" || !e.accepts && !strings.HasPrefix(server, "rejects") {
			t.Fatalf("exceptions of %s: want an example and the server's verdict, accepts or rejects:\n%s", program, paragraph)
		}
		list = append(list, e)
	}
	return list
}
