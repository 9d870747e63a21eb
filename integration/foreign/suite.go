package foreign

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/asherah-sql/asherah-sql/integration/foreign/arm"
)

// suite is one package with tests of other people.
type suite struct {
	name    string // in identity.txt and the report
	module  string // the module that has it, "" for database/sql
	pkg     string // folder inside the module
	dialect string
	args    []string // of the test binary
	floor   int      // at least so many top-level tests pass without the wrapper
	sealing int      // at least so many tests, with subtests, seal and open values when columns are encrypted; 0: no such arm, because its tests make and fill tables in one text
	edits   edits
}

// built is a suite's test binary.
type built struct {
	suite
	binary string
	dir    string // where its tests run
}

// toolchain runs the go command in this module's folder.
func toolchain(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_CFLAGS=-O0 -g0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, stderr.Bytes())
	}
	return out, nil
}

// build copies the suite's package below dir, edits it and builds its tests.
func (s suite) build(ctx context.Context, dir string) (*built, error) {
	path, place := s.module, filepath.Join(dir, "module")
	var err error
	if s.module == "" {
		path, err = standardCopy(ctx, place)
	} else {
		err = moduleCopy(ctx, s.module, place)
	}
	if err != nil {
		return nil, fmt.Errorf("copy %s: %w", s.name, err)
	}
	b := &built{suite: s, binary: filepath.Join(dir, "suite.test"), dir: filepath.Join(place, filepath.FromSlash(s.pkg))}
	if runtime.GOOS == "windows" {
		b.binary += ".exe"
	}
	n, err := s.edits.apply(b.dir)
	if err != nil {
		return nil, fmt.Errorf("edit %s: %w", s.name, err)
	}
	if n == 0 {
		return nil, fmt.Errorf("edit %s: nothing to redirect was found", s.name)
	}
	mod, err := modFile(path, place, dir)
	if err != nil {
		return nil, err
	}
	// -trimpath keeps the build cache from telling one temporary directory from another.
	// SQLite in C compiled without optimization is slower by a second and ready 40 seconds sooner.
	_, err = toolchain(ctx, "test", "-c", "-vet=off", "-trimpath", "-modfile", mod, "-o", b.binary, strings.TrimSuffix(path+"/"+s.pkg, "/"))
	return b, err
}

// moduleCopy copies a module of this module's build list.
func moduleCopy(ctx context.Context, module, to string) error {
	out, err := toolchain(ctx, "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return err
	}
	return os.CopyFS(to, os.DirFS(strings.TrimSpace(string(out))))
}

// standardPath is the import path of the copy of database/sql.
const standardPath = "copied.test/database/sql"

// standIns are what the tests of database/sql use of GOROOT's internal packages.
var standIns = map[string]string{
	"race":    "package race\n\nconst Enabled = false\n",
	"asan":    "package asan\n\nconst Enabled = false\n",
	"testenv": "package testenv\n\nimport \"testing\"\n\nfunc SkipIfOptimizationOff(testing.TB) {}\n",
}

// standardCopy copies database/sql to a module of its own.
func standardCopy(ctx context.Context, to string) (string, error) {
	out, err := toolchain(ctx, "env", "GOROOT")
	if err != nil {
		return "", err
	}
	from := filepath.Join(strings.TrimSpace(string(out)), "src", "database", "sql")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return "", err
	}
	// database/sql/driver stays what it is: its types are what the copy and the wrapper share.
	if err := os.RemoveAll(filepath.Join(to, "driver")); err != nil {
		return "", err
	}
	for name, text := range standIns {
		dir := filepath.Join(to, "internal", name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, name+".go"), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	return standardPath, os.WriteFile(filepath.Join(to, "go.mod"), []byte("module "+standardPath+"\n\ngo 1.26\n"), 0o600)
}

// modFile writes this module's go.mod with the copy in the module's place, and returns its name.
func modFile(path, place, dir string) (string, error) {
	text, err := os.ReadFile("go.mod")
	if err != nil {
		return "", err
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return "", err
	}
	const ours = "=> ../../\n"
	if !bytes.Contains(text, []byte(ours)) {
		return "", errors.New("go.mod doesn't replace the top module by ../../")
	}
	text = bytes.Replace(text, []byte(ours), fmt.Appendf(nil, "=> %q\n", root), 1)
	text = fmt.Appendf(text, "\nreplace %s => %q\n", path, place)
	if !bytes.Contains(text, []byte("\t"+path+" ")) {
		text = fmt.Appendf(text, "\nrequire %s v0.0.0\n", path)
	}
	sums, err := os.ReadFile("go.sum")
	if err != nil {
		return "", err
	}
	mod := filepath.Join(dir, "go.mod")
	return mod, errors.Join(os.WriteFile(mod, text, 0o600), os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600))
}

// outcome is what one run of a suite gave.
type outcome struct {
	results     map[string]string // test → "pass", "fail" or "skip"
	started     map[string]bool
	output      map[string]*strings.Builder
	rest        strings.Builder // what no test wrote
	connections int             // opened through the wrapper
	took        time.Duration
}

// with returns the tests with that result.
func (o *outcome) with(result string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(o.results)) {
		if o.results[name] == result {
			names = append(names, name)
		}
	}
	return names
}

// wrote tells whether a test, or one of its subtests, printed a line of the encrypted arm.
func (o *outcome) wrote(test, line string) bool {
	b := o.output[test]
	return b != nil && strings.Contains(b.String(), line)
}

// crashed tells whether tests began that never ended: a panic, or the time was up.
func (o *outcome) crashed() bool {
	for test := range o.started {
		if o.results[test] == "" {
			return true
		}
	}
	return false
}

// top counts the names that are no subtests.
func top(names []string) int {
	n := 0
	for _, name := range names {
		if !strings.Contains(name, "/") {
			n++
		}
	}
	return n
}

// run runs the suite in one arm, "bare", "wrapped" or "encrypted"; only tests that match pattern, if it isn't "".
func (b *built) run(ctx context.Context, which, pattern string, env []string) (*outcome, error) {
	start := time.Now()
	counter := filepath.Join(filepath.Dir(b.binary), "connections")
	if err := os.Remove(counter); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	args := []string{"tool", "test2json", b.binary, "-test.v=test2json", "-test.paniconexit0", "-test.timeout=5m"}
	args = append(args, b.args...)
	if pattern != "" {
		args = append(args, "-test.run", pattern)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = b.dir
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), env...)
	cmd.Env = append(cmd.Env, arm.Var+"="+which, arm.DialectVar+"="+b.dialect, arm.CountVar+"="+counter, arm.SuiteVar+"="+b.name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	o, err := readOutcome(out)
	if werr := cmd.Wait(); werr != nil && !errors.As(werr, new(*exec.ExitError)) {
		err = errors.Join(err, werr) // an exit status says only that tests failed
	}
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w\n%s", b.name, which, err, stderr.Bytes())
	}
	o.rest.Write(stderr.Bytes())
	o.took = time.Since(start)
	text, err := os.ReadFile(counter)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	o.connections = bytes.Count(text, []byte("\n"))
	return o, nil
}

// readOutcome reads what `go tool test2json` writes.
func readOutcome(r io.Reader) (*outcome, error) {
	o := &outcome{results: map[string]string{}, started: map[string]bool{}, output: map[string]*strings.Builder{}}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var e struct{ Action, Test, Output string }
			if err := json.Unmarshal(line, &e); err != nil {
				return nil, fmt.Errorf("test2json: %w in %q", err, line)
			}
			o.add(e.Action, e.Test, e.Output)
		}
		if err == io.EOF {
			return o, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (o *outcome) add(action, test, output string) {
	if action == "output" {
		b := &o.rest
		if test != "" {
			if b = o.output[test]; b == nil {
				b = new(strings.Builder)
				o.output[test] = b
			}
		}
		b.WriteString(output)
		return
	}
	if action == "run" {
		o.started[test] = true
	}
	if test != "" && (action == "pass" || action == "fail" || action == "skip") {
		o.results[test] = action
	}
}
