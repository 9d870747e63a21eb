package testserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// backend is a server that was found or started. Its methods may be called from several goroutines.
type backend interface {
	describe() string // follows the server's version in parentheses
	// dsn is a connection string; database "" is one to administer the server from.
	dsn(database string) (string, error)
	socketDSN(database string) (string, error)
	// log returns what each of the server's logs holds, always the same ones in the same order.
	log() ([]string, error)
	dataDir() (string, error)
	start() error // returns when the server answers; nothing happens when it runs
	stop() error
	crash() error
	// died says once that the server has ended, or does within the time, although nobody wanted it to.
	died(timeout time.Duration) error
	close() error
}

// lacking is an error that says what this machine doesn't have: the test is skipped. Every other error of
// this package is a fault, which fails the test.
type lacking struct{ reason string }

func (l lacking) Error() string { return l.reason }

// share is the server that the tests of this process share.
type share struct {
	mu     sync.Mutex // guards the fields below; held while the server is looked for
	looked bool
	b      backend
	err    error // why there is none
}

// sharedServer returns the kind's shared server, looking for one at the first call.
func (k *kind) sharedServer() (backend, error) {
	k.share.mu.Lock()
	defer k.share.mu.Unlock()
	if !k.share.looked {
		k.share.looked = true
		if dsn := os.Getenv(k.dsnVar); dsn != "" {
			k.share.b, k.share.err = newExternal(k, dsn)
		} else {
			k.share.b, k.share.err = k.newServer(nil, k.setUp)
		}
	}
	return k.share.b, k.share.err
}

// closeShared ends the shared server, if there is one.
func (k *kind) closeShared() error {
	k.share.mu.Lock()
	defer k.share.mu.Unlock()
	b := k.share.b
	if b == nil {
		return nil
	}
	k.share.b, k.share.err = nil, errors.New("the server was stopped when the tests had ended")
	return b.close()
}

// newServer starts a server of our own, from the first source that has one. setUp fills an instance's
// directory.
func (k *kind) newServer(settings []string, setUp func(*instance) error) (backend, error) {
	var reasons []string
	for _, source := range []func(*kind, []string, func(*instance) error) (backend, error){fromPrograms, fromPackage, fromContainer} {
		b, err := source(k, settings, setUp)
		if err == nil {
			return b, nil
		}
		l, ok := err.(lacking)
		if !ok {
			return nil, err
		}
		reasons = append(reasons, l.reason)
	}
	return nil, lacking{strings.Join(reasons, "; ")}
}

func fromPrograms(k *kind, settings []string, setUp func(*instance) error) (backend, error) {
	if platform != nil {
		return nil, lacking{platform.Error()}
	}
	programs, err := k.programs()
	if err != nil {
		return nil, lacking{err.Error()}
	}
	return newInstance(k, programs, settings, setUp)
}

// fromPackage installs the server's package. Several processes may want it at once: one installs it, the
// others wait and find it there.
func fromPackage(k *kind, settings []string, setUp func(*instance) error) (backend, error) {
	if os.Getenv(installVar) == "no" {
		return nil, lacking{"not installed: " + installVar + "=no"}
	}
	const debian = "/etc/debian_version"
	aptGet, err := exec.LookPath("apt-get")
	if _, statErr := os.Stat(debian); platform != nil || err != nil || statErr != nil {
		return nil, lacking{"not installed: packages are installed on Debian and Ubuntu only"}
	}
	if os.Geteuid() != 0 {
		return nil, lacking{"not installed: only root may: apt-get install " + k.deb}
	}
	f, err := os.OpenFile(filepath.Join(os.TempDir(), prefix()+"install.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := lock(f, true); err != nil {
		return nil, err
	}
	if _, err := k.programs(); err != nil {
		if err := install(aptGet, k); err != nil {
			return nil, err
		}
	}
	return fromPrograms(k, settings, setUp)
}

const installVar = "ASHERAH_TEST_INSTALL"

// retryInstall is how long the processes of one test run leave it at a failed attempt: without a network
// each of them would wait for the same time-outs.
const retryInstall = 10 * time.Minute

func install(aptGet string, k *kind) error {
	failed := filepath.Join(os.TempDir(), prefix()+k.name+".failed")
	if info, err := os.Stat(failed); err == nil && time.Since(info.ModTime()) < retryInstall {
		return lacking{"not installed: apt-get install " + k.deb + " has failed: its output is in " + failed}
	}
	fmt.Fprintf(os.Stderr, "testserver: installing %s with apt-get\n", k.deb)
	var log []byte
	for _, args := range [][]string{
		{"update"},
		{"install", "--yes", "--no-install-recommends", k.deb},
	} {
		cmd := exec.Command(aptGet, append([]string{"--quiet", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20"}, args...)...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		// An interrupt must not catch the package manager half-way.
		detach(cmd, nil)
		out, err := cmd.CombinedOutput()
		log = append(log, out...)
		if err != nil {
			if err := os.WriteFile(failed, log, 0o600); err != nil {
				return err
			}
			return lacking{fmt.Sprintf("not installed: apt-get install %s: %v: its output is in %s", k.deb, err, failed)}
		}
	}
	os.Remove(failed)
	return nil
}

// external is the server behind a connection string of the environment. It isn't ours to stop.
type external struct {
	k *kind
	s string // the connection string
}

var _ backend = (*external)(nil)

func newExternal(k *kind, dsn string) (backend, error) {
	s, err := k.withDatabase(dsn, "")
	if err != nil {
		// The cause may repeat the password.
		return nil, fmt.Errorf("%s isn't a connection string for %s", k.dsnVar, k.title)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if _, err := k.run(ctx, s, k.version); err != nil {
		return nil, fmt.Errorf("%s: %w", k.dsnVar, err)
	}
	return &external{k, s}, nil
}

func (e *external) describe() string { return "from " + e.k.dsnVar }

func (e *external) dsn(database string) (string, error) { return e.k.withDatabase(e.s, database) }

func (e *external) socketDSN(database string) (string, error) { return e.dsn(database) }

func (e *external) lacks(what string) error {
	return lacking{"the server of " + e.k.dsnVar + " " + what + ": unset the variable to let the tests start their own"}
}

func (e *external) log() ([]string, error) { return nil, e.lacks("keeps its log to itself") }

func (e *external) dataDir() (string, error) { return "", e.lacks("keeps its files to itself") }

func (e *external) start() error { return nil }

func (e *external) stop() error { return e.lacks("isn't ours to stop") }

func (e *external) died(time.Duration) error { return nil }

func (e *external) crash() error { return e.stop() }

func (e *external) close() error { return nil }
