package tags

import (
	"os"
	"strings"
	"testing"
)

func TestNamesAreGORMs(t *testing.T) {
	data, err := os.ReadFile("testdata/names.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[0] == "#" {
			continue
		}
		n++
		if got := snake(f[0]); got != f[1] {
			t.Errorf("column of %s: %s; want %s", f[0], got, f[1])
		}
		if got := plural(snake(f[0])); got != f[2] {
			t.Errorf("table of %s: %s; want %s", f[0], got, f[2])
		}
	}
	if n < 150 {
		t.Errorf("%d names: the list is cut", n)
	}
}

func TestNamesBeyondASCII(t *testing.T) {
	for name, want := range map[string]string{"": "", "Größe": "größe", "NameÉ": "nameÉ", "Café": "café", "ÄmterID": "Ämter_id"} {
		if got := snake(name); got != want {
			t.Errorf("%q: %q; want %q", name, got, want)
		}
	}
	if got := plural(""); got != "" {
		t.Errorf("plural of nothing: %q", got)
	}
}
