package doctest

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/driver/sqlite"
	"github.com/asherah-sql/asherah-sql/tags"
)

// TestStoredLengths checks the table of docs/formats.md against what the driver stores.
func TestStoredLengths(t *testing.T) {
	schema, err := tags.NewSchema(User{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := sqlite.NewConnector("file:"+filepath.ToSlash(filepath.Join(t.TempDir(), "formats.db")), driver.Config{
		Service: "shop", Product: "web", KMSName: "insecure-test", Schema: schema, SkipVerify: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := driver.NewSealer(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, table, ok := strings.Cut(read(t, "docs/formats.md"), "### How long values get")
	if !ok {
		t.Fatal("docs/formats.md has no section on lengths")
	}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| (\d+) \|$`).FindAllStringSubmatch(table, -1)
	if len(rows) < 5 {
		t.Fatalf("only %d rows in the table", len(rows))
	}
	for _, row := range rows {
		n, err := strconv.Atoi(row[1])
		if err != nil {
			t.Fatal(err)
		}
		stored, err := s.Seal(t.Context(), "users", "email", map[string]any{"tenant_id": "acme"}, strings.Repeat("x", n))
		if err != nil {
			t.Fatal(err)
		}
		if got := strconv.Itoa(len(stored.(string))); got != row[2] {
			t.Errorf("%d bytes are stored in %s characters, the page says %s", n, got, row[2])
		}
	}
}
