package testserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// watchInstance waits until the pipe closes: because this process says so, or has ended, however it did.
// It then ends the server, if it runs, with signal $1, and removes its directory, $2. Each line
// that comes through the pipe is the server's process id, or empty when the server has ended.
const watchInstance = `
server=
while read -r line; do server=$line; done
if [ -n "$server" ]; then
	kill -"$1" "$server"
	tries=0
	while kill -0 "$server" && [ "$tries" -lt 100 ]; do
		sleep 0.1
		tries=$((tries + 1))
	done
	kill -9 "$server"
fi 2>/dev/null
rm -rf "$2" || { sleep 1; rm -rf "$2"; }
`

// watchContainer does the same for the container $1 and the directory $2 that is locked for it.
const watchContainer = `
while read -r line; do :; done
docker rm --force --volumes "$1"
rm -rf "$2"
`

// watcher is a process that cleans up after this one.
type watcher struct {
	p    *process
	pipe *os.File // closed with this process
}

func newWatcher(a *account, script string, args ...any) (*watcher, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	words := []string{"-c", script, "watcher"}
	for _, arg := range args {
		if s, ok := arg.(syscall.Signal); ok {
			arg = int(s)
		}
		words = append(words, fmt.Sprint(arg))
	}
	cmd := exec.Command("/bin/sh", words...)
	// Its output must not be this process's: `go test` waits until everybody has closed that.
	cmd.Dir, cmd.Stdin = "/", r
	detach(cmd, a)
	p, err := startProcess(cmd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the watching process: %w", err), w.Close())
	}
	return &watcher{p, w}, nil
}

// follow tells the watcher which process to end; 0 = none.
func (w *watcher) follow(pid int) error {
	line := "\n"
	if pid != 0 {
		line = strconv.Itoa(pid) + "\n"
	}
	_, err := w.pipe.WriteString(line)
	return err
}

// close lets the watcher do its work, and waits until it is done.
func (w *watcher) close() error {
	err := w.pipe.Close()
	if !w.p.wait(time.Minute) {
		err = errors.Join(err, fmt.Errorf("the watching process %d hasn't ended", w.p.pid))
	}
	return err
}
