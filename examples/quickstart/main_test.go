package main

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// stripped takes out what differs between runs: ciphertexts and the folder.
func stripped(out, dir string) string {
	out = regexp.MustCompile(`ash1\.[A-Za-z0-9_-]+…[A-Za-z0-9_-]+`).ReplaceAllString(out, "ash1.")
	return strings.ReplaceAll(out, dir, "DIR")
}

func quickstart(t *testing.T) (out, dir string) {
	t.Helper()
	var b bytes.Buffer
	dir = t.TempDir()
	if err := run(t.Context(), dir, &b); err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	return b.String(), dir
}

// section returns the lines between the headline with that number and the next empty line.
func section(t *testing.T, out, number string) []string {
	t.Helper()
	_, rest, ok := strings.Cut("\n"+out, "\n"+number+". ")
	if !ok {
		t.Fatalf("no section %s in\n%s", number, out)
	}
	text, _, _ := strings.Cut(rest, "\n\n")
	return strings.Split(text, "\n")[1:]
}

func TestShowsEachRowTwice(t *testing.T) {
	out, _ := quickstart(t)
	program, file := section(t, out, "1"), section(t, out, "2")
	if len(program) != 4 || len(file) != 4 {
		t.Fatalf("want a headline and three rows in both sections:\n%s", out)
	}
	for i, want := range [][]string{
		{"1", "acme", "Ada", "ada@acme.example", "078-05-1120"},
		{"2", "acme", "Blaise", "blaise@acme.example", "219-09-9999"},
		{"3", "globex", "Carl", "carl@globex.example", "457-55-5462"},
	} {
		if got := strings.Fields(program[i+1]); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("as the program reads it: %q, want %q", got, want)
		}
		got := regexp.MustCompile(`^   (\d) +(\w+) +(\w+) +(ash1\.[A-Za-z0-9_-]{5}…[A-Za-z0-9_-]{10}) \(\d+\)  (ash1\.[A-Za-z0-9_-]{5}…[A-Za-z0-9_-]{10}) \(\d+\)$`).FindStringSubmatch(file[i+1])
		if got == nil || strings.Join(got[1:4], " ") != strings.Join(want[:3], " ") {
			t.Errorf("as it lies in the file: %q", file[i+1])
		}
	}
}

func TestRefusals(t *testing.T) {
	out, _ := quickstart(t)
	for number, parts := range map[string][]string{
		"3": {"users.email", "partition"},
		"4": {"users.email"},
		"5": {"users.ssn"},
	} {
		lines := section(t, out, number)
		if len(lines) != 1 || !strings.HasPrefix(lines[0], "   refused: ") {
			t.Errorf("section %s: %q, want one refusal", number, lines)
			continue
		}
		for _, p := range parts {
			if !strings.Contains(lines[0], p) {
				t.Errorf("section %s: %q, want %q in it", number, lines[0], p)
			}
		}
		for _, secret := range []string{"ada@", "carl@", "078-05", "457-55"} {
			if strings.Contains(lines[0], secret) {
				t.Errorf("section %s: the error tells a value: %q", number, lines[0])
			}
		}
	}
}

func TestLeavesWhatItPrints(t *testing.T) {
	out, dir := quickstart(t)
	file, key := filepath.Join(dir, "shop.db"), filepath.Join(dir, "master.key")
	for _, name := range []string{file, key} {
		if !strings.Contains(out, "   "+name) {
			t.Errorf("the output doesn't name %s:\n%s", name, out)
		}
	}
	info, err := os.Stat(key)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); os.PathSeparator == '/' && mode != 0o600 {
		t.Errorf("the key file's mode is %v, want it for its owner alone", mode)
	}
	// The file holds none of the secrets, and every value is back in its place.
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"@acme.example", "@globex.example", "078-05-1120", "219-09-9999", "457-55-5462"} {
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("the file holds %s", secret)
		}
	}
	db, err := sql.Open("asherah-sqlite", "file:"+filepath.ToSlash(file)+"?asherah_service=shop&asherah_product=web&asherah_kms=static&asherah_kms_key=file:"+filepath.ToSlash(key))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var again bytes.Buffer
	if err := show(t.Context(), db, &again, "SELECT id, tenant_id, name, email, ssn FROM users ORDER BY id"); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(again.String()), strings.TrimSpace(strings.Join(section(t, out, "1"), "\n")); got != want {
		t.Errorf("the database that is left reads\n%s\nwant\n%s", got, want)
	}
}

func TestSameOutputEachRun(t *testing.T) {
	first, firstDir := quickstart(t)
	second, secondDir := quickstart(t)
	if a, b := stripped(first, firstDir), stripped(second, secondDir); a != b {
		t.Errorf("two runs print different things:\n%s\n%s", a, b)
	}
	if first == second {
		t.Error("two runs made the same ciphertexts")
	}
}

func TestSecondRunInOneFolder(t *testing.T) {
	_, dir := quickstart(t)
	var b bytes.Buffer
	if err := run(t.Context(), dir, &b); err == nil {
		t.Error("a second run in the same folder must not overwrite the first one's master key")
	}
}
