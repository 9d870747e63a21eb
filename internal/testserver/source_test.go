//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package testserver

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func init() {
	children["uses the environment's"] = func(t *testing.T) {
		for _, k := range kinds {
			t.Run(k.name, func(t *testing.T) {
				s := serve(t, k, nil)
				lines("%s: %s", k.name, s)
				must(t, s, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
				lines("%s has %s rows in %s", k.name, must(t, s, "SELECT count(*) FROM t"), s.Database())
			})
			t.Run(k.name+" log", func(t *testing.T) { serve(t, k, nil).Log() })
			t.Run(k.name+" stop", func(t *testing.T) { serve(t, k, nil).Stop() })
			t.Run(k.name+" files", func(t *testing.T) { serve(t, k, nil).DataDir() })
		}
	}
	children["installs"] = func(t *testing.T) {
		// Only PATH, in which the packages of the test "are installed".
		postgres.programs = func() (map[string]string, error) { return programsTogether([]string{"postgres", "initdb"}) }
		s := serve(t, postgres, nil)
		lines("started %s", s)
	}
	children["is in a container"] = func(t *testing.T) {
		hide()
		s := Postgres(t)
		lines("started %s", s)
		must(t, s, "CREATE TABLE t (n int)", "INSERT INTO t VALUES (1)")
		lines("log: %s", strings.ReplaceAll(s.Log(), "\n", " "))
		t.Run("files", func(t *testing.T) { Postgres(t).DataDir() })
		s.Stop()
		s.Restart()
		s.Crash()
		s.Restart()
		lines("rows: %s", must(t, s, "SELECT count(*) FROM t"))
	}
	programsOfTests["fake docker"] = fakeDocker
}

func TestAServerOfTheEnvironmentComesFirst(t *testing.T) {
	local(t)
	env := []string{"PATH=" + t.TempDir()}
	for _, k := range kinds {
		s := serve(t, k, []Option{Private()})
		env = append(env, k.dsnVar+"="+s.DSN(""))
	}
	out, status := runChild(t, "uses the environment's", env...)
	if status != 0 {
		t.Fatalf("status %d:\n%s", status, out)
	}
	for _, want := range []string{
		"(from ASHERAH_TEST_POSTGRES_DSN)\n", "(from ASHERAH_TEST_MARIADB_DSN)\n",
		"postgres has 1 rows in asherah_test_", "mariadb has 1 rows in asherah_test_",
		"--- SKIP: TestChild/postgres_log", "--- SKIP: TestChild/mariadb_stop", "--- SKIP: TestChild/postgres_files",
		"NOT TESTED on MariaDB: testserver: 1 tests (TestChild/mariadb_stop): the server of ASHERAH_TEST_MARIADB_DSN isn't ours to stop",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestAWrongConnectionStringIsAFaultThatKeepsThePassword(t *testing.T) {
	for _, k := range kinds {
		for _, dsn := range []string{"postgres://u:geheim@127.0.0.1:1:2/x", "u:geheim@tcp(127.0.0.1:1/x", "u:geheim@tcp(127.0.0.1:1)/x", "postgres://u:geheim@127.0.0.1:1/x"} {
			out, status := runChild(t, "uses the environment's", k.dsnVar+"="+dsn, installVar+"=no")
			if status == 0 || !strings.Contains(out, "FAIL: TestChild/"+k.name) || !strings.Contains(out, k.dsnVar) {
				t.Errorf("%s %s: status %d:\n%s", k.name, dsn, status, out)
			}
			if strings.Contains(out, "geheim") {
				t.Errorf("%s: the password of %s is in the output:\n%s", k.name, dsn, out)
			}
		}
	}
}

func TestWithDatabase(t *testing.T) {
	for _, c := range []struct {
		k              *kind
		dsn, base, has string
	}{
		{postgres, "postgres://u:p%20w@db:5433/a%2Fb?sslmode=disable&dbname=c", "x", "postgres://u:p%20w@db:5433/x?sslmode=disable"},
		{postgres, "postgresql:///?host=/tmp&database=c", "x", "postgresql:///x?host=%2Ftmp"},
		{postgres, "host=db user=u password='a b' dbname=c", "x", "host=db user=u password='a b' dbname=c dbname=x"},
		{postgres, "host=db dbname=c", "", "host=db dbname=c"},
		{mariadb, "u:p@tcp(db:3307)/c?parseTime=true", "x", "u:p@tcp(db:3307)/x?parseTime=true"},
		{mariadb, "u@unix(/run/m.sock)/", "x", "u@unix(/run/m.sock)/x"},
		{mariadb, "u@tcp(db:3306)/c", "", "u@tcp(db:3306)/c"},
	} {
		got, err := c.k.withDatabase(c.dsn, c.base)
		if err != nil || got != c.has {
			t.Errorf("%s with %q:\n got %s, %v\nwant %s", c.dsn, c.base, got, err, c.has)
		}
	}
}

// script writes an executable into dir.
func script(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// asRootOnDebian ends a test of what only root on Debian and Ubuntu does. Where servers are required it isn't left out.
func asRootOnDebian(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/etc/debian_version"); err == nil && os.Geteuid() == 0 {
		return
	}
	if names, err := required(); err != nil || names != nil {
		t.Fatal("packages are installed by root on Debian and Ubuntu only", err)
	}
	t.Skip("packages are installed by root on Debian and Ubuntu only")
}

func TestPackagesAreInstalledOnce(t *testing.T) {
	local(t)
	asRootOnDebian(t)
	programs, err := postgres.programs()
	if err != nil {
		t.Fatal(err)
	}
	bin, tmp := t.TempDir(), t.TempDir()
	// The server's user goes through both; /usr/bin has the shell's commands but no PostgreSQL.
	for _, dir := range []string{bin, tmp, filepath.Dir(bin), filepath.Dir(tmp)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script(t, bin, "apt-get", `echo "$@" >>`+tmp+`/calls
case "$*" in *install*) sleep 0.3; ln -s `+programs["postgres"]+" "+programs["initdb"]+" "+bin+`/;; esac`)
	env := []string{"PATH=" + bin + ":/usr/bin:/bin", "TMPDIR=" + tmp}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			out, status := runChild(t, "installs", env...)
			if status != 0 || !strings.Contains(out, "started PostgreSQL") {
				t.Errorf("status %d:\n%s", status, out)
			}
		})
	}
	wg.Wait()
	calls, err := os.ReadFile(filepath.Join(tmp, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(calls), "install --yes --no-install-recommends postgresql\n"); n != 1 || strings.Count(string(calls), "\n") != 2 {
		t.Errorf("apt-get was called with\n%swant one update and one install", calls)
	}
}

func TestAFailedInstallationIsNotTriedByEverySuite(t *testing.T) {
	asRootOnDebian(t)
	bin, tmp := t.TempDir(), t.TempDir()
	script(t, bin, "apt-get", `echo "$@" >>`+tmp+`/calls; echo Could not resolve host; exit 100`)
	env := []string{"PATH=" + bin + ":/usr/bin:/bin", "TMPDIR=" + tmp}
	for range 2 {
		out, status := runChild(t, "installs", env...)
		if status != 0 || !strings.Contains(out, "NOT TESTED on PostgreSQL") || !strings.Contains(out, "its output is in "+tmp) {
			t.Errorf("status %d:\n%s", status, out)
		}
	}
	calls, err := os.ReadFile(filepath.Join(tmp, "calls"))
	if err != nil || strings.Count(string(calls), "\n") != 1 {
		t.Errorf("apt-get was called with %v\n%swant one call", err, calls)
	}
	logs, err := filepath.Glob(filepath.Join(tmp, "*postgres.failed"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("logs %v, %v", logs, err)
	}
	if text, err := os.ReadFile(logs[0]); err != nil || !strings.Contains(string(text), "Could not resolve host") {
		t.Errorf("%s: %v\n%s", logs[0], err, text)
	}
	if out, status := runChild(t, "installs", append(env, installVar+"=no")...); status != 0 || !strings.Contains(out, installVar+"=no") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

// The fake docker keeps its state in a directory: the calls it got, and one instance for the container. It
// shows that the calls come in a sensible order, not that Docker understands them.
const fakeDockerVar = "ASHERAH_TESTSERVER_FAKE_DOCKER"

// fakeDocker is a container's engine: it starts PostgreSQL at the port that it is given, with the user of
// docker-compose.yml, and runs until its input ends.
func fakeDocker() {
	var port int
	if _, err := fmt.Sscan(os.Getenv(fakeDockerVar), &port); err != nil {
		panic(err)
	}
	programs, err := postgres.programs()
	if err != nil {
		panic(err)
	}
	user, err := accountOf(postgres.users)
	if os.Geteuid() != 0 {
		user, err = nil, nil
	}
	if err != nil {
		panic(err)
	}
	in := &instance{k: postgres, programs: programs, user: user, at: address{port: port, user: "asherah", password: "asherah"}}
	if in.dir, in.owner, err = newDir("docker", user); err != nil {
		panic(err)
	}
	if in.watch, err = newWatcher(user, watchInstance, postgres.end, in.dir); err != nil {
		panic(err)
	}
	defer in.close()
	lines("%s", in.dir)
	if err := in.makeDirs(); err != nil {
		panic(err)
	}
	if err := postgres.setUp(in); err != nil {
		panic(err)
	}
	// Commands come as lines: start, end, and the end of the input.
	for {
		var command string
		if _, err := fmt.Scanln(&command); err != nil {
			return
		}
		switch command {
		case "start":
			err = in.start()
		case "end":
			err = in.crash()
		}
		if err != nil {
			panic(err)
		}
		lines("%s: done", command)
	}
}

func TestAServerInAContainer(t *testing.T) {
	local(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, state := t.TempDir(), t.TempDir()
	script(t, bin, "docker", `cd `+state+`
echo "$@" >>calls
# Like the real one, it returns when the container has started or ended.
tell() {
	before=$(grep -c "^$1: done" engine)
	echo "$1" >commands
	while [ "$(grep -c "^$1: done" engine)" = "$before" ]; do sleep 0.02; done
}
case "$1 $2" in
"version --format") echo 28.0.0;;
"compose version") echo v2.39.0;;
"ps --all") echo asherah-test-stale other-`+prefix()+`x `+prefix()+`postgres-123;;
"compose --file")
	while [ "$1" != --publish ]; do shift; done
	port=${2#127.0.0.1:}
	mkfifo commands
	`+childVar+`="fake docker" `+fakeDockerVar+`="${port%:5432}" `+exe+` <commands >engine 2>&1 &
	(exec 3>commands; echo start >&3; while [ -e calls ] && [ ! -e removed ]; do sleep 0.02; done) >/dev/null 2>&1 &
	;;
"start `+prefix()+`"*) tell start;;
"stop `+prefix()+`"*|"kill `+prefix()+`"*) tell end;;
"logs `+prefix()+`"*) echo statements of the container >>log; cat log;;
"rm --force") case "$4" in *-123) ;; *) touch removed;; esac;;
*) echo "docker: $* is unknown"; exit 1;;
esac
`)
	out, status := runChild(t, "is in a container", "PATH="+bin+":/usr/bin:/bin", installVar+"=no")
	engine, _ := os.ReadFile(filepath.Join(state, "engine"))
	if status != 0 {
		t.Fatalf("status %d:\n%s\nengine:\n%s", status, out, engine)
	}
	for _, want := range []string{"(a container of docker-compose.yml)", "log: statements of the container", "--- SKIP: TestChild/files", "rows: 1"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	text, err := os.ReadFile(filepath.Join(state, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	calls := string(text)
	var removed []string
	for line := range strings.Lines(calls) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "rm --force --volumes "); ok {
			removed = append(removed, name)
		}
	}
	if len(removed) != 2 || removed[0] != prefix()+"postgres-123" || !strings.Contains(calls, "--name "+removed[1]+" --publish 127.0.0.1:") {
		t.Errorf("removed %v after\n%s", removed, calls)
	}
	compose, err := filepath.Abs("../../docker-compose.yml")
	if err != nil || !strings.Contains(calls, "compose --file "+compose+" run --detach --no-deps --name ") || !strings.Contains(calls, ":5432 postgres\n") {
		t.Errorf("%v: the container was not made from %s:\n%s", err, compose, calls)
	}
	if engine, err = os.ReadFile(filepath.Join(state, "engine")); err != nil || !strings.HasPrefix(string(engine), "/") {
		t.Fatalf("the engine's output: %v\n%s", err, engine)
	}
	eventually(t, "the engine has ended", func() bool {
		dir, _, _ := strings.Cut(string(engine), "\n")
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
}

func TestProgramsAreFound(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"9/bin/a", "9/bin/b", "15/bin/a", "15/bin/b", "17/bin/a", "links/c"} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		script(t, root, name, "")
	}
	pattern := filepath.Join(root, "*/bin")
	t.Setenv("PATH", "")
	// 17 lacks b, and 15 is newer than 9.
	got, err := programsTogether([]string{"a", "b"}, pattern)
	if err != nil || got["a"] != filepath.Join(root, "15/bin/a") || got["b"] != filepath.Join(root, "15/bin/b") {
		t.Errorf("together: %v, %v", got, err)
	}
	if err := os.Symlink(filepath.Join(root, "9/bin/a"), filepath.Join(root, "links/a")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "."+string(filepath.ListSeparator)+filepath.Join(root, "links"))
	resolved, err := filepath.EvalSymlinks(filepath.Join(root, "9/bin/a"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err = programsTogether([]string{"a", "b"}, pattern); err != nil || got["a"] != resolved {
		t.Errorf("PATH comes first, its links are followed: %v, %v", got, err)
	}
	if got, err = programsAnywhere([]string{"c", "b"}, filepath.Join(root, "15/bin")); err != nil || got["c"] != filepath.Join(root, "links/c") || got["b"] != filepath.Join(root, "15/bin/b") {
		t.Errorf("anywhere: %v, %v", got, err)
	}
	if _, err := programsTogether([]string{"b", "c"}, pattern); err == nil || !strings.Contains(err.Error(), pattern) {
		t.Errorf("b and c side by side: %v, want an error that says where they were looked for", err)
	}
	if _, err := programsAnywhere([]string{"c", "d"}); err == nil || !strings.Contains(err.Error(), "no d in PATH") {
		t.Errorf("d: %v", err)
	}
}
