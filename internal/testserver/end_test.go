//go:build servers && (darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package testserver

import (
	"os"
	"os/exec"
	"regexp"
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
func startChild(t *testing.T, name string) *readyChild {
	t.Helper()
	c := new(readyChild)
	c.cmd, _ = childCommand(t, name)
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
	child := startChild(t, "waits")
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
	for range 3 {
		removeStale(shm)
		removeStale(tempDir(true))
	}
	must(t, in, "SELECT 1")
}

// local skips tests of servers that are started from programs, where there are none.
func local(t *testing.T) {
	t.Helper()
	for _, k := range kinds {
		if _, err := k.programs(); err == nil {
			continue
		}
		b, err := fromPackage(k, nil)
		(&Server{t: t, k: k}).check(err)
		if err := b.close(); err != nil {
			t.Fatal(err)
		}
	}
}
