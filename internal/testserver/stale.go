package testserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A directory of a private server belongs to a process that lives as long as its owner.lock is locked.
// The lock goes with the process, whatever ended it, and no child inherits the file, so no process id has
// to be compared with that of a stranger who has got the same one. What a dead process left is ended and
// removed by the next one that makes a directory.

const ownerLock = "owner.lock"

// shm is where servers are fast, and shmSpace what must be free there: a server takes 60 to 200 MB.
const (
	shm      = "/dev/shm"
	shmSpace = 1 << 30
)

// prefix begins the names of this user's directories.
func prefix() string { return fmt.Sprintf("asherah-test-%d-", os.Geteuid()) }

// newDir removes what dead processes have left and makes a directory, owned by a, whose lock this process
// holds until it closes the file that is returned.
func newDir(name string, a *account) (dir string, owner *os.File, err error) {
	for _, base := range bases(a != nil) {
		if dir, owner, err = newDirIn(base, name, a); err == nil {
			return dir, owner, nil
		}
	}
	return "", nil, err
}

// bases are where directories are made, the best place first; others tells whether another user goes there.
// The tests have a place of their own, where another run removes nothing.
var bases = func(others bool) []string {
	if free, err := freeSpace(shm); err == nil && free >= shmSpace {
		return []string{shm, tempDir(others)}
	}
	return []string{tempDir(others)}
}

// tempDir is the temporary directory, or /tmp when another user must get through to it and remove what is
// its own there, and can't, or when its path is so long that with a server's below it no Unix socket could
// be named.
func tempDir(others bool) string {
	dir := os.TempDir()
	if len(dir) > 40 {
		return "/tmp"
	}
	need := os.FileMode(0o003)
	for d := dir; others; d = filepath.Dir(d) {
		if info, err := os.Stat(d); err != nil || info.Mode()&need != need {
			return "/tmp"
		}
		need = 0o001
		if d == filepath.Dir(d) {
			break
		}
	}
	return dir
}

func newDirIn(base, name string, a *account) (dir string, owner *os.File, err error) {
	// While this is locked, every directory without a locked owner.lock is a dead process's.
	all, err := os.OpenFile(filepath.Join(base, prefix()+"all.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, err
	}
	defer all.Close()
	if _, err := lock(all, true); err != nil {
		return "", nil, err
	}
	removeStale(base)
	if dir, err = os.MkdirTemp(base, prefix()+name+"-"); err != nil {
		return "", nil, err
	}
	owner, err = os.OpenFile(filepath.Join(dir, ownerLock), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		_, err = lock(owner, true)
	}
	if err == nil {
		err = a.own(dir)
	}
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, owner, nil
}

// removeStale ends and removes the servers below base whose owners have died. What can't be removed yet,
// because a server is just ending, is left to the next run.
func removeStale(base string) {
	dirs, err := filepath.Glob(filepath.Join(base, prefix()+"*-*"))
	if err != nil {
		panic("testserver: " + err.Error()) // the pattern is wrong
	}
	for _, dir := range dirs {
		if died, err := ownerDied(dir); err == nil && died {
			endServer(dir)
			os.RemoveAll(dir)
		}
	}
}

func ownerDied(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, ownerLock))
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	return lock(f, false)
}

// endServer ends the server that runs in dir, if one does.
func endServer(dir string) {
	text, err := os.ReadFile(filepath.Join(dir, "run", "server.pid"))
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	// The file outlives a server that was killed, and its number may be a stranger's by now.
	if err != nil || pid <= 1 || !strings.Contains(commandLine(pid), dir) {
		return
	}
	// SIGQUIT first: PostgreSQL gives its shared memory back.
	for _, signal := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		if kill(pid, signal) != nil {
			return
		}
		for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
			if !strings.Contains(commandLine(pid), dir) {
				return
			}
		}
	}
}

// commandLine returns the command line of a process, "" when there is none.
func commandLine(pid int) string {
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil {
		return string(text)
	}
	out, err := exec.Command("ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return string(out)
}
