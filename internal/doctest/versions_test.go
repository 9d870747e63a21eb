package doctest

import (
	"regexp"
	"testing"
)

// TestVersionsAreThoseOfTheTests: docs/compatibility.md has the versions with which the integration module
// is built, and every tool that it uses.
func TestVersionsAreThoseOfTheTests(t *testing.T) {
	used := map[string]string{}
	direct := regexp.MustCompile(`(?ms)^require \((.*?)^\)`).FindStringSubmatch(read(t, "integration/go.mod"))
	if direct == nil {
		t.Fatal("integration/go.mod requires nothing")
	}
	for _, m := range regexp.MustCompile(`(?m)^\t(\S+) (v\S+)$`).FindAllStringSubmatch(direct[1], -1) {
		used[m[1]] = m[2]
	}
	delete(used, module)
	rows := regexp.MustCompile(`(?m)^\| (\S+\.\S+/\S+) \| (v\S+) \|`).FindAllStringSubmatch(read(t, "docs/compatibility.md"), -1)
	if len(rows) < 5 {
		t.Fatalf("only %d tools in the table", len(rows))
	}
	for _, row := range rows {
		if used[row[1]] != row[2] {
			t.Errorf("docs/compatibility.md says %s %s, the tests use %q", row[1], row[2], used[row[1]])
		}
		delete(used, row[1])
	}
	// Parts of what stands there.
	for _, part := range []string{"github.com/uptrace/bun/dialect/pgdialect", "github.com/uptrace/bun/dialect/mysqldialect", "go.opentelemetry.io/otel", "go.opentelemetry.io/otel/sdk", "go.opentelemetry.io/otel/sdk/metric"} {
		delete(used, part)
	}
	for name := range used {
		t.Errorf("docs/compatibility.md has no line for %s", name)
	}
}
