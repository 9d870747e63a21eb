//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package testserver

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// platform says why private servers can't be started on this system; nil = they can.
var platform error

// account is a user of this machine that root becomes. A nil account is the present user.
type account struct {
	name     string
	uid, gid int
}

// accountOf returns the first of the users that this machine knows.
func accountOf(names []string) (*account, error) {
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			return nil, err
		}
		return &account{u.Username, uid, gid}, nil
	}
	return nil, fmt.Errorf("the server refuses to run as root, and there is no user %s", strings.Join(names, " or "))
}

// own gives a file to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// detach makes cmd run as the account and in a session of its own, where neither an interrupt from the
// terminal nor a signal to this process's group reaches it.
func detach(cmd *exec.Cmd, a *account) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
	}
}

// process is a child that is asked for its end only now and then: a goroutine that waits for it would be
// found by every suite that looks for leaked goroutines.
type process struct {
	pid    int
	status string // why it ended; "" while it runs
}

// startProcess starts cmd, whose files must be files or nil.
func startProcess(cmd *exec.Cmd) (*process, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{pid: cmd.Process.Pid}
	return p, cmd.Process.Release()
}

// ended tells whether the process has ended, and how.
func (p *process) ended() (status string, ok bool) {
	if p.status != "" {
		return p.status, true
	}
	var ws syscall.WaitStatus
	pid, err := syscall.Wait4(p.pid, &ws, syscall.WNOHANG, nil)
	switch {
	case err == nil && pid == p.pid && ws.Signaled():
		p.status = ws.Signal().String()
	case err == nil && pid == p.pid:
		p.status = fmt.Sprintf("exit status %d", ws.ExitStatus())
	case errors.Is(err, syscall.ECHILD):
		p.status = "waited for elsewhere"
	}
	return p.status, p.status != ""
}

// wait tells whether the process ends within the time.
func (p *process) wait(timeout time.Duration) bool {
	for deadline := time.Now().Add(timeout); ; time.Sleep(2 * time.Millisecond) {
		if _, ended := p.ended(); ended {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// end sends a signal, and a harder one after the timeout, and waits until the process has ended.
func (p *process) end(signal syscall.Signal, timeout time.Duration) error {
	if _, ended := p.ended(); ended {
		return nil
	}
	if err := syscall.Kill(p.pid, signal); err != nil {
		return err
	}
	if p.wait(timeout) {
		return nil
	}
	err := fmt.Errorf("process %d didn't end within %v of signal %d", p.pid, timeout, signal)
	if kill := syscall.Kill(p.pid, syscall.SIGKILL); kill != nil || !p.wait(timeout) {
		return errors.Join(err, kill)
	}
	return err
}

// killChildren stops a process for good, which makes no more children, and kills those that it has. They are
// known by their parent until that is killed too.
func killChildren(parent int) (children []int, err error) {
	if err := syscall.Kill(parent, syscall.SIGSTOP); err != nil {
		return nil, err
	}
	if children, err = childrenOf(parent); err != nil {
		return nil, err
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return nil, err
		}
	}
	return children, nil
}

func childrenOf(parent int) (children []int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has just ended
		}
		// The number, the name in parentheses, which may hold some itself, the state, the parent.
		var state string
		var ppid int
		rest := text[bytes.LastIndexByte(text, ')')+1:]
		if _, err := fmt.Sscan(string(rest), &state, &ppid); err != nil {
			return nil, fmt.Errorf("%s: %w", stat, err)
		}
		if ppid != parent {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil {
			return nil, err
		}
		children = append(children, pid)
	}
	if len(stats) > 0 {
		return children, nil
	}
	// A system without such files.
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		return nil, fmt.Errorf("ps: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		var pid, ppid int
		if _, err := fmt.Sscan(line, &pid, &ppid); err != nil {
			return nil, fmt.Errorf("ps: %w: %q", err, line)
		}
		if ppid == parent {
			children = append(children, pid)
		}
	}
	return children, nil
}

// lock locks an open file against other open files of the same name, in this process and in others, until
// it is closed. With wait false, ok tells whether nobody else had it.
func lock(f *os.File, wait bool) (ok bool, err error) {
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		switch err := syscall.Flock(int(f.Fd()), how); err {
		case nil:
			return true, nil
		case syscall.EINTR:
		case syscall.EWOULDBLOCK:
			return false, nil
		default:
			return false, &os.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
	}
}

// kill sends a signal to a process that isn't a child.
func kill(pid int, signal syscall.Signal) error { return syscall.Kill(pid, signal) }
