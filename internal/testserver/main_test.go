package testserver

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// How a test process ends, and what it does without a server, is tried on processes of their own: this
// program again, which TestMain turns into the child that childVar names.
const childVar = "ASHERAH_TESTSERVER_CHILD"

// children are the tests of such processes.
var children = map[string]func(t *testing.T){}

// baseVar names the directory in which a child makes its servers' ones, away from those of other runs.
const baseVar = "ASHERAH_TESTSERVER_BASE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(baseVar); dir != "" {
		bases = func(bool) []string { return []string{dir} }
	}
	if act, ok := programsOfTests[os.Getenv(childVar)]; ok {
		act()
		return
	}
	Main(m)
}

// ownBase makes this test's servers have their directories where no other run's are, and returns that place.
func ownBase(t *testing.T) string {
	t.Helper()
	base, err := os.MkdirTemp("/tmp", "testserver") // short, for the sake of Unix sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	if err := os.Chmod(base, 0o777|os.ModeSticky); err != nil { // as /tmp is
		t.Fatal(err)
	}
	before := bases
	t.Cleanup(func() { bases = before })
	bases = func(bool) []string { return []string{base} }
	return base
}

// programsOfTests are children that aren't tests.
var programsOfTests = map[string]func(){}

func TestChild(t *testing.T) {
	name := os.Getenv(childVar)
	if name == "" {
		return
	}
	child, ok := children[name]
	if !ok {
		t.Fatalf("no child %q", name)
	}
	child(t)
}

// childCommand prepares a child with variables added to the environment.
func childCommand(t *testing.T, name string, env ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, exe, "-test.run=^TestChild$", "-test.v")
	for _, pair := range os.Environ() {
		// What the suite itself is run with must not change what the children show.
		if !strings.HasPrefix(pair, "ASHERAH_TEST") {
			cmd.Env = append(cmd.Env, pair)
		}
	}
	cmd.Env = append(cmd.Env, childVar+"="+name)
	cmd.Env = append(cmd.Env, env...)
	out := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd, out
}

// runChild runs a child and returns its output and exit status.
func runChild(t *testing.T, name string, env ...string) (string, int) {
	t.Helper()
	cmd, out := childCommand(t, name, env...)
	err := cmd.Run()
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatalf("child %s: %v", name, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// eventually waits for something that another process does.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

// eachKind runs a test on every kind of server.
func eachKind(t *testing.T, test func(t *testing.T, k *kind)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { test(t, k) })
	}
}

// must runs statements in the server's own database and returns the last one's first value.
func must(t *testing.T, s *Server, statements ...string) string {
	t.Helper()
	value, err := s.k.run(t.Context(), s.DSN(""), statements...)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func lines(format string, args ...any) { fmt.Printf(format+"\n", args...) }
