package testserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	serverLog = "server.log" // what the server writes to its standard output and error

	// startTimeout is how long a server may take to answer, on a machine with other things to do.
	startTimeout = time.Minute
	// stopTimeout is how long a server may take to end in good order.
	stopTimeout = 30 * time.Second
)

// instance is a server that this process started from programs of this machine, with a directory of its
// own:
//
//	owner.lock   locked for as long as this process lives; see stale.go
//	data/        the server's data directory
//	run/         its Unix socket and the file with its process id
//	tmp/         what it takes for the directory of temporary files
//	server.log   and what else kind.logs names
type instance struct {
	k        *kind
	programs map[string]string
	settings []string
	dir      string
	data     string
	tmp      string
	at       address
	user     *account // whom the server runs as; nil = as this process
	owner    *os.File // the open owner.lock
	watch    *watcher

	// configure, if not nil, is called before each start, when the port is known.
	configure func() error

	mu     sync.Mutex // guards server, and is held while it is started and stopped
	server *process   // nil while it is stopped
}

var _ backend = (*instance)(nil)

// newInstance makes a directory, fills it with setUp and starts the server.
func newInstance(k *kind, programs map[string]string, settings []string, setUp func(*instance) error) (_ *instance, err error) {
	in := &instance{k: k, programs: programs, settings: settings}
	in.at.user, in.at.password = "asherah", rand.Text()
	if os.Geteuid() == 0 {
		if in.user, err = accountOf(k.users); err != nil {
			return nil, err
		}
	}
	if in.dir, in.owner, err = newDir(k.name, in.user); err != nil {
		return nil, err
	}
	if in.watch, err = newWatcher(in.user, watchInstance, k.end, in.dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(in.dir), in.owner.Close())
	}
	if err := in.setUpAndStart(setUp); err != nil {
		return nil, errors.Join(err, in.close())
	}
	return in, nil
}

// makeDirs makes what is in in.dir.
func (in *instance) makeDirs() error {
	in.data, in.tmp, in.at.socket = filepath.Join(in.dir, "data"), filepath.Join(in.dir, "tmp"), filepath.Join(in.dir, "run")
	for _, dir := range []string{in.data, in.tmp, in.at.socket} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		if err := in.user.own(dir); err != nil {
			return err
		}
	}
	return nil
}

func (in *instance) setUpAndStart(setUp func(*instance) error) error {
	if err := in.makeDirs(); err != nil {
		return err
	}
	if err := setUp(in); err != nil {
		return fmt.Errorf("set up the data directory: %w", err)
	}
	// Another program may take the port between its being found free and the server's taking it.
	var err error
	for range 3 {
		if in.at.port, err = freePort(); err != nil {
			return err
		}
		if err = in.start(); err == nil {
			return nil
		}
	}
	return err
}

// runProgram runs one of the kind's programs to its end.
func (in *instance) runProgram(name string, args ...string) error {
	cmd := in.command(append([]string{in.programs[name]}, args...))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", name, err, tail(string(out)))
	}
	return nil
}

// command prepares a program to run as the server's user, away from the terminal's signals and with none
// of this process's environment: PGDATA, MYSQL_HOME and the like would change what it does.
func (in *instance) command(args []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = in.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LD_LIBRARY_PATH=" + os.Getenv("LD_LIBRARY_PATH"), "LC_ALL=C", "HOME=" + in.dir, "TMPDIR=" + in.tmp}
	detach(cmd, in.user)
	return cmd
}

// write makes a file that the server can read.
func (in *instance) write(path, text string) error {
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return in.user.own(path)
}

func (in *instance) pidFile() string { return filepath.Join(in.at.socket, "server.pid") }

// start starts the server at in.at.port, if it doesn't run, and waits until it answers.
func (in *instance) start() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.server != nil {
		return nil
	}
	for deadline := time.Now().Add(startTimeout); ; time.Sleep(50 * time.Millisecond) {
		err := in.launch()
		// What a killed server has left may take a moment to end.
		if err == nil || in.k.lingers == "" || !strings.Contains(err.Error(), in.k.lingers) || time.Now().After(deadline) {
			return err
		}
	}
}

// launch is start, once. The caller holds mu.
func (in *instance) launch() error {
	log, err := os.OpenFile(filepath.Join(in.dir, serverLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	if err := in.user.own(log.Name()); err != nil {
		return err
	}
	if in.configure != nil {
		if err := in.configure(); err != nil {
			return err
		}
	}
	cmd := in.command(slices.Concat(in.k.command(in), in.settings))
	cmd.Stdout, cmd.Stderr = log, log
	if in.server, err = startProcess(cmd); err != nil {
		return err
	}
	if err = in.watch.follow(in.server.pid); err == nil {
		err = in.ready()
	}
	if err != nil {
		return errors.Join(err, in.endServer(in.k.end))
	}
	return nil
}

// ready waits until the server answers. The password tells it from another one that has got the port.
func (in *instance) ready() error {
	var err error
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if status, ended := in.server.ended(); ended {
			return fmt.Errorf("%s ended while starting (%s):\n%s", in.k.title, status, in.lastLines())
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		_, err = in.k.run(ctx, in.k.dsn(in.tcp(), ""), in.k.version)
		cancel()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s doesn't answer after %v: %w\n%s", in.k.title, startTimeout, err, in.lastLines())
}

func (in *instance) lastLines() string {
	text, err := os.ReadFile(filepath.Join(in.dir, serverLog))
	if err != nil {
		return err.Error()
	}
	return tail(string(text))
}

// tcp is the address without its Unix socket.
func (in *instance) tcp() address {
	at := in.at
	at.socket = ""
	return at
}

func (in *instance) describe() string { return "a private instance of " + in.programs[in.k.server] }

func (in *instance) dsn(database string) (string, error) {
	return in.k.dsn(in.tcp(), database), nil
}

func (in *instance) socketDSN(database string) (string, error) {
	return in.k.dsn(in.at, database), nil
}

func (in *instance) log() ([]string, error) {
	var texts []string
	for _, name := range in.k.logs {
		text, err := os.ReadFile(filepath.Join(in.dir, name))
		if err != nil {
			return nil, err
		}
		texts = append(texts, string(text))
	}
	return texts, nil
}

func (in *instance) dataDir() (string, error) { return in.data, nil }

func (in *instance) died(timeout time.Duration) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.server == nil || !in.server.wait(timeout) {
		return nil
	}
	status, _ := in.server.ended()
	in.server = nil
	return errors.Join(fmt.Errorf("the server has ended by itself (%s); its last lines:\n%s", status, in.lastLines()), in.watch.follow(0))
}

func (in *instance) stop() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.endServer(in.k.halt)
}

// crash kills the server and its children, so that they neither write nor say anything more.
func (in *instance) crash() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.server == nil {
		return nil
	}
	children, err := killChildren(in.server.pid)
	err = errors.Join(err, in.endServer(syscall.SIGKILL))
	// A child that still lives keeps the server from starting anew.
	for deadline := time.Now().Add(stopTimeout); len(children) > 0; time.Sleep(2 * time.Millisecond) {
		children = slices.DeleteFunc(children, func(pid int) bool { return commandLine(pid) == "" })
		if len(children) > 0 && time.Now().After(deadline) {
			return errors.Join(err, fmt.Errorf("children %v of the server haven't ended", children))
		}
	}
	return err
}

// endServer ends the server with a signal, and waits for it. The caller holds in.mu.
func (in *instance) endServer(signal syscall.Signal) error {
	if in.server == nil {
		return nil
	}
	err := in.server.end(signal, stopTimeout)
	in.server = nil
	return errors.Join(err, in.watch.follow(0))
}

// close ends the server, whose data nobody wants any more, and removes the directory: the watcher does,
// as it would if this process were killed, so that it isn't a way that only a crash takes.
func (in *instance) close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	err := in.endServer(in.k.end)
	if in.k.forget != nil {
		in.k.forget(in)
	}
	return errors.Join(err, in.watch.close(), in.owner.Close())
}

// freePort finds a port of 127.0.0.1 that nobody listens at.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// tail returns the last lines of a log.
func tail(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
