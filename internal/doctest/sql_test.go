package doctest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/tags"
)

// User is the table that the pages' statements speak of, as docs/sql-support.md shows it.
type User struct {
	ID       int64  `db:"id"`
	TenantID string `db:"tenant_id"`
	Name     string `db:"name"`
	Email    string `db:"email" encrypt:"tenant_id"`
	SSN      string `db:"ssn" encrypt:"partition"`
}

// statements splits a block at the comments that say what becomes of each statement.
func statements(text string) (out []statement, rest string) {
	var cur strings.Builder
	for line := range strings.Lines(text) {
		sql, verdict, ok := strings.Cut(line, " -- ")
		cur.WriteString(sql)
		if !ok {
			continue
		}
		verdict, why, _ := strings.Cut(strings.TrimSpace(verdict), ": ")
		out = append(out, statement{strings.TrimSpace(cur.String()), verdict, why})
		cur.Reset()
	}
	return out, strings.TrimSpace(cur.String())
}

// statement is an example and what the page says of it.
type statement struct{ sql, verdict, why string }

// verdict says what driver.Explain answers for a statement in one or two words.
func verdict(s *tags.Schema, d dialect.Dialect, query string) (string, error) {
	e, err := driver.Explain(s, d, query)
	switch {
	case errors.Is(err, driver.ErrRefused):
		return "refused", err
	case err != nil:
		return "", err
	case e.PassThrough:
		return "passes", nil
	}
	opened := slices.ContainsFunc(e.Outputs, func(o driver.ExplainedOutput) bool { return o.Table != "" })
	switch {
	case len(e.Values) > 0 && opened:
		return "sealed, opened", nil
	case len(e.Values) > 0:
		return "sealed", nil
	case opened:
		return "opened", nil
	}
	return "accepted", nil
}

// TestSQLBlocks asks driver.Explain about every statement that a page shows.
func TestSQLBlocks(t *testing.T) {
	schema, err := tags.NewSchema(User{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	each(t, "sql", func(t *testing.T, b *block) {
		d, err := b.dialect()
		if err != nil {
			t.Fatal(err)
		}
		found, rest := statements(b.text)
		if rest != "" || len(found) == 0 {
			t.Errorf("a statement without a comment that says what becomes of it: %q", rest)
		}
		for _, s := range found {
			got, err := verdict(schema, d, s.sql)
			if got != s.verdict {
				t.Errorf("%s\nthe page says %q, driver.Explain says %q, %v", s.sql, s.verdict, got, err)
			}
			seen[d.String()+": "+s.verdict]++
		}
	})
	for _, d := range []string{"sqlite", "postgres", "mysql"} {
		for _, v := range []string{"sealed", "opened", "passes", "accepted", "refused"} {
			if seen[d+": "+v] == 0 {
				t.Errorf("no page shows a statement of %s that is %s", d, v)
			}
		}
	}
}

// TestParametersAreDocumented compares the manual's table with what the driver knows, in both directions.
func TestParametersAreDocumented(t *testing.T) {
	_, _, err := driver.SplitDSN(dialect.SQLite, "shop.db?asherah_nonsense=1")
	if err == nil {
		t.Fatal("an unknown parameter is accepted")
	}
	_, list, ok := strings.Cut(err.Error(), "want one of ")
	if !ok {
		t.Fatalf("the error lists no parameters: %v", err)
	}
	name := regexp.MustCompile(`asherah_[a-z_]+`)
	page := read(t, "docs/configuration.md")
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `("+name.String()+")`").FindAllStringSubmatch(page, -1) {
		documented[m[1]] = true
	}
	known := name.FindAllString(list, -1)
	if len(known) < 15 {
		t.Errorf("the driver names only %v", known)
	}
	for _, k := range known {
		if k == "asherah_kms_" { // stands for all parameters of a KMS
			k = "asherah_kms_key"
		}
		if !documented[k] {
			t.Errorf("docs/configuration.md has no row for %s", k)
		}
		delete(documented, k)
	}
	for d := range documented {
		t.Errorf("docs/configuration.md has a row for %s, which the driver doesn't know", d)
	}
}

func TestStatements(t *testing.T) {
	found, rest := statements("SELECT 1 -- passes\nSELECT a\nFROM b   -- refused: no b\nSELECT 2\n")
	if got := fmt.Sprint(found, rest); got != "[{SELECT 1 passes } {SELECT a\nFROM b refused no b}]SELECT 2" {
		t.Error(got)
	}
}
