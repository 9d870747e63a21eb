package foreign

import (
	"fmt"
	"os"
	"strings"
)

// exception is a line of testdata/identity.txt.
type exception struct {
	suite, test, reason string
	used                bool
}

// covers tells whether the exception speaks of the test or of one of its subtests.
func (e *exception) covers(suite, test string) bool {
	return e.suite == suite && (e.test == test || strings.HasPrefix(test, e.test+"/"))
}

// readExceptions reads "suite test: reason" lines. Empty lines and those that begin with # are left out.
func readExceptions(name string) ([]*exception, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var list []*exception
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		head, reason, ok := strings.Cut(line, ": ")
		suite, test, ok2 := strings.Cut(head, " ")
		if reason = strings.TrimSpace(reason); !ok || !ok2 || reason == "" || strings.Contains(test, " ") {
			return nil, fmt.Errorf("%s:%d: want `suite test: reason`", name, i+1)
		}
		list = append(list, &exception{suite: suite, test: test, reason: reason})
	}
	return list, nil
}
