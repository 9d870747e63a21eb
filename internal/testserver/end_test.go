//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package testserver

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childServer starts both servers and prints where they are.
func childServer(t *testing.T) {
	for _, k := range kinds {
		in, ok := serve(t, k, nil).b.(*instance)
		if !ok {
			t.Fatal("no private instance")
		}
		lines("server %d watcher %d dir %s", in.server.pid, in.watch.p.pid, in.dir)
	}
	lines("ready")
}

func init() {
	children["returns"] = childServer
	children["exits"] = func(t *testing.T) { childServer(t); os.Exit(3) }
	children["panics"] = func(t *testing.T) { childServer(t); panic("as planned") }
	children["panics elsewhere"] = func(t *testing.T) {
		childServer(t)
		go panic("as planned")
		time.Sleep(time.Minute)
	}
	children["loses its server"] = func(t *testing.T) {
		for _, k := range kinds {
			t.Run("loses "+k.name, func(t *testing.T) {
				in := serve(t, k, nil).b.(*instance)
				if err := syscall.Kill(in.server.pid, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			})
			t.Run("has "+k.name+" again", func(t *testing.T) { must(t, serve(t, k, nil), "SELECT 1") })
		}
	}
	children["waits"] = func(t *testing.T) { childServer(t); time.Sleep(time.Minute) }
}

// started is what a child says of one server.
type started struct {
	server, watcher int
	dir             string
}

var startedLine = regexp.MustCompile(`(?m)^server (\d+) watcher (\d+) dir (\S+)$`)

func parseStarted(t *testing.T, out string) []started {
	t.Helper()
	var all []started
	for _, m := range startedLine.FindAllStringSubmatch(out, -1) {
		server, _ := strconv.Atoi(m[1])
		watcher, _ := strconv.Atoi(m[2])
		all = append(all, started{server, watcher, m[3]})
	}
	if len(all) != len(kinds) {
		t.Fatalf("the child names %d servers, want %d:\n%s", len(all), len(kinds), out)
	}
	return all
}

func (s started) gone() bool {
	_, err := os.Stat(s.dir)
	return os.IsNotExist(err) && !strings.Contains(commandLine(s.server), s.dir)
}

func TestAServerDoesNotOutliveItsProcess(t *testing.T) {
	local(t)
	for name, signal := range map[string]syscall.Signal{
		"returns": 0, "exits": 0, "panics": 0, "panics elsewhere": 0,
		"waits for SIGKILL": syscall.SIGKILL, "waits for SIGINT": syscall.SIGINT, "waits for SIGTERM": syscall.SIGTERM,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			child, _, _ := strings.Cut(name, " for ")
			c := startChild(t, child)
			if signal != 0 {
				// To the whole group, as a terminal does.
				if err := syscall.Kill(-c.cmd.Process.Pid, signal); err != nil {
					t.Fatal(err)
				}
			}
			out, err := c.end()
			if (err == nil) != (child == "returns") {
				t.Errorf("the child ended with %v:\n%s", err, out)
			}
			for _, s := range parseStarted(t, out) {
				if name == "returns" && !s.gone() {
					t.Errorf("%+v is there after Main", s)
				}
				eventually(t, "the server has ended and its directory is gone: "+s.dir, s.gone)
			}
		})
	}
}

// readyChild is a child that has started its servers.
type readyChild struct {
	cmd *exec.Cmd
	r   *os.File
	out strings.Builder
}

// startChild runs a child, as the leader of a process group, until it is ready or has ended.
func startChild(t *testing.T, name string, env ...string) *readyChild {
	t.Helper()
	c := new(readyChild)
	c.cmd, _ = childCommand(t, name, env...)
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	c.r, c.cmd.Stdout, c.cmd.Stderr = r, w, w
	err = c.cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(c.out.String(), "\nready\n") && c.read() {
	}
	return c
}

// read reads more of the child's output; false at its end.
func (c *readyChild) read() bool {
	buf := make([]byte, 4096)
	n, err := c.r.Read(buf)
	c.out.Write(buf[:n])
	return err == nil
}

// end waits for the child's end and returns all that it has written. That the output ends is the proof
// that no server and no watcher holds it open, which `go test` would wait for.
func (c *readyChild) end() (out string, err error) {
	for c.read() {
	}
	return c.out.String(), c.cmd.Wait()
}

func TestWhatEverybodyLeftIsRemovedByTheNextRun(t *testing.T) {
	local(t)
	base := ownBase(t)
	child := startChild(t, "waits", baseVar+"="+base)
	all := parseStarted(t, child.out.String())
	for _, s := range all {
		if err := syscall.Kill(s.watcher, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	if err := child.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.end()
	for _, s := range all {
		if s.gone() || commandLine(s.server) == "" {
			t.Fatalf("%+v is gone already: nothing is tested", s)
		}
	}
	eachKind(t, func(t *testing.T, k *kind) { must(t, serve(t, k, []Option{Private()}), "SELECT 1") })
	for _, s := range all {
		eventually(t, "the next run has removed "+s.dir, s.gone)
	}
}

func TestOthersAreLeftAlone(t *testing.T) {
	local(t)
	in := serve(t, postgres, []Option{Private()})
	// Each that starts looks for what others have left. The file with the lock must outlive every collection
	// of garbage, which closes files that nobody holds.
	for range 3 {
		runtime.GC()
		_, owner, err := newDir("other", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := owner.Close(); err != nil {
			t.Fatal(err)
		}
	}
	must(t, in, "SELECT 1")
	dirs := ownDirs(t)
	if !slices.Contains(dirs, in.b.(*instance).dir) {
		t.Errorf("the directory is gone: there are %v", dirs)
	}
}

func TestAServerThatEndsByItselfIsAFault(t *testing.T) {
	local(t)
	out, status := runChild(t, "loses its server")
	for _, want := range []string{"--- FAIL: TestChild/loses_postgres", "--- FAIL: TestChild/loses_mariadb", "has ended by itself (killed)", "ready for connections",
		"--- PASS: TestChild/has_postgres_again", "--- PASS: TestChild/has_mariadb_again"} {
		if status == 0 || !strings.Contains(out, want) {
			t.Errorf("status %d, no %q in\n%s", status, want, out)
		}
	}
}

// local skips tests of servers that are started from programs, where there are none.
func local(t *testing.T) {
	t.Helper()
	for _, k := range kinds {
		if _, err := k.programs(); err == nil {
			continue
		}
		b, err := fromPackage(k, nil, k.setUp)
		(&Server{t: t, k: k}).check(err)
		if err := b.close(); err != nil {
			t.Fatal(err)
		}
	}
}
