package testserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// container is what the package knows of a service of docker-compose.yml.
type container struct {
	service        string
	port           int // inside the container
	user, password string
	// log is the docker command whose output is the statement log of the container with that name.
	log func(name string) []string
}

const composeFile = "docker-compose.yml"

// dockerTimeout covers the download of an image.
const dockerTimeout = 10 * time.Minute

// docked is a server in a container of its own: not the one that `docker compose up` starts, whose port
// and data several test processes would share. The container has the name of a directory that is locked
// while this process lives, as instance's is.
type docked struct {
	k     *kind
	name  string
	at    address
	owner *os.File
	watch *watcher

	mu sync.Mutex // guards up, and is held while the container is started and stopped
	up bool
}

var _ backend = (*docked)(nil)

func fromContainer(k *kind, settings []string, _ func(*instance) error) (_ backend, err error) {
	if platform != nil {
		return nil, lacking{platform.Error()}
	}
	if k.container.service == "" {
		return nil, lacking{"no container: " + composeFile + " has no " + k.title}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if _, err := docker(ctx, "version", "--format", "{{.Server.Version}}"); err != nil {
		return nil, lacking{"no container: no Docker daemon answers"}
	}
	if _, err := docker(ctx, "compose", "version"); err != nil {
		return nil, lacking{"no container: docker has no compose plug-in"}
	}
	if len(settings) > 0 {
		return nil, lacking{"no container: the test sets variables of the server, which containers are not started with"}
	}
	compose, err := findUp(composeFile)
	if err != nil {
		return nil, err
	}
	if err := removeStaleContainers(ctx); err != nil {
		return nil, err
	}
	d := &docked{k: k}
	dir, owner, err := newDir(k.name, nil)
	if err != nil {
		return nil, err
	}
	d.name, d.owner = filepath.Base(dir), owner
	if d.watch, err = newWatcher(nil, watchContainer, d.name, dir); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir), owner.Close())
	}
	if err := d.create(compose); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// create makes and starts the container, at a free port of 127.0.0.1.
func (d *docked) create(compose string) error {
	c := d.k.container
	port, err := freePort()
	if err != nil {
		return err
	}
	d.at = address{port: port, user: c.user, password: c.password}
	ctx, cancel := context.WithTimeout(context.Background(), dockerTimeout)
	defer cancel()
	if _, err := docker(ctx, "compose", "--file", compose, "run", "--detach", "--no-deps", "--name", d.name,
		"--publish", fmt.Sprintf("127.0.0.1:%d:%d", port, c.port), c.service); err != nil {
		return err
	}
	d.up = true
	return d.ready()
}

func (d *docked) ready() error {
	var err error
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		_, err = d.k.run(ctx, d.k.dsn(d.at, ""), d.k.version)
		cancel()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("container %s doesn't answer after %v: %w", d.name, startTimeout, err)
}

func (d *docked) describe() string { return "a container of " + composeFile }

func (d *docked) dsn(database string) (string, error) { return d.k.dsn(d.at, database), nil }

func (d *docked) socketDSN(database string) (string, error) { return d.dsn(database) }

func (d *docked) log() ([]string, error) {
	text, err := d.do(d.k.container.log(d.name)...)
	return []string{text}, err
}

func (d *docked) dataDir() (string, error) {
	return "", lacking{"the server runs in a container, which keeps its files to itself"}
}

func (d *docked) died(time.Duration) error { return nil }

func (d *docked) start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.up {
		return nil
	}
	if _, err := d.do("start", d.name); err != nil {
		return err
	}
	d.up = true
	return d.ready()
}

func (d *docked) stop() error { return d.endWith("stop") }

func (d *docked) crash() error { return d.endWith("kill") }

func (d *docked) endWith(command string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.up {
		return nil
	}
	d.up = false
	_, err := d.do(command, d.name)
	return err
}

func (d *docked) close() error { return errors.Join(d.watch.close(), d.owner.Close()) }

func (d *docked) do(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return docker(ctx, args...)
}

// docker runs a docker command and returns its output.
func docker(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, tail(string(out)))
	}
	return string(out), nil
}

// removeStaleContainers removes the containers of processes that died together with their watcher.
func removeStaleContainers(ctx context.Context) error {
	names, err := docker(ctx, "ps", "--all", "--filter", "name="+prefix(), "--format", "{{.Names}}")
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(names) {
		if !strings.HasPrefix(name, prefix()) {
			continue // the filter matches inside names too
		}
		inUse := false
		for _, base := range []string{shm, tempDir(false)} {
			dir := filepath.Join(base, name)
			if _, err := os.Stat(dir); err == nil {
				died, err := ownerDied(dir)
				inUse = inUse || err != nil || !died
			}
		}
		if !inUse {
			if _, err := docker(ctx, "rm", "--force", "--volumes", name); err != nil {
				return err
			}
		}
	}
	return nil
}

// findUp finds a file in the working directory or above it.
func findUp(name string) (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			return "", lacking{"no container: no " + name + " in " + strconv.Quote(start) + " or above it"}
		}
	}
}
