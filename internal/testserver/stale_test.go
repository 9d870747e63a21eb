//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package testserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhereDirectoriesAreMade(t *testing.T) {
	root, err := os.MkdirTemp("/tmp", "t")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)
	for _, c := range []struct {
		name         string
		outer, inner os.FileMode
		others       bool
		falls        bool // back to /tmp
	}{
		{"open", 0o755, 0o777 | os.ModeSticky, true, false},
		{"mine", 0o700, 0o700, false, false},
		{"closed", 0o700, 0o777, true, true},
		{"read", 0o755, 0o755, true, true}, // another user could remove nothing
		{strings.Repeat("x", 40), 0o755, 0o777, false, true},
	} {
		outer := filepath.Join(root, c.name)
		inner := filepath.Join(outer, "in")
		if err := os.MkdirAll(inner, 0o700); err != nil {
			t.Fatal(err)
		}
		for dir, mode := range map[string]os.FileMode{root: 0o755, outer: c.outer, inner: c.inner} {
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("TMPDIR", inner)
		want := map[bool]string{true: "/tmp", false: inner}[c.falls]
		if got := tempDir(c.others); got != want {
			t.Errorf("%s: %s, want %s", c.name, got, want)
		}
	}
}
