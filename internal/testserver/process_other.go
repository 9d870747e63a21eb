//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package testserver

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// platform is returned before any of the functions below is called.
var platform = errors.New("private servers are started on Linux, macOS and the BSDs only")

type account struct{}

func accountOf([]string) (*account, error) { return nil, platform }

func (*account) own(string) error { return platform }

func detach(*exec.Cmd, *account) {}

type process struct{ pid int }

func startProcess(*exec.Cmd) (*process, error) { return nil, platform }

func (*process) ended() (string, bool) { return "", true }

func (*process) wait(time.Duration) bool { return true }

func (*process) end(syscall.Signal, time.Duration) error { return platform }

func killChildren(int) ([]int, error) { return nil, platform }

func lock(*os.File, bool) (bool, error) { return false, platform }

func kill(int, syscall.Signal) error { return platform }
