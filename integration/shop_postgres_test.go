package integration

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/asherah-sql/asherah-sql/driver/postgres"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// onPostgres is the shop's server, once with each way in which pgx sends a statement and its arguments.
var onPostgres = server{
	name: "PostgreSQL", start: testserver.Postgres, plain: "pgx", encrypted: "asherah-postgres", dsn: postgresDSN,
	ways: []string{"default_query_exec_mode=cache_statement", "default_query_exec_mode=cache_describe", "default_query_exec_mode=describe_exec",
		"default_query_exec_mode=exec", "default_query_exec_mode=simple_protocol"},
	secrets: postgresSecrets,
	flush:   "CHECKPOINT",
	dumps: []dumped{
		{"plain", func(t *testing.T, srv *testserver.Server) []byte { return dump(t, srv, "--format=plain") }},
		{"plain with inserts", func(t *testing.T, srv *testserver.Server) []byte {
			return dump(t, srv, "--format=plain", "--inserts")
		}},
		{"custom", func(t *testing.T, srv *testserver.Server) []byte {
			return dump(t, srv, "--format=custom", "--compress=0")
		}},
		{"custom, compressed, restored to text", func(t *testing.T, srv *testserver.Server) []byte {
			file := filepath.Join(t.TempDir(), "shop.dump")
			if err := os.WriteFile(file, dump(t, srv, "--format=custom"), 0o600); err != nil {
				t.Fatal(err)
			}
			return output(t, clientProgram(t, srv, "pg_restore"), "--file=-", file)
		}},
	},
}

// postgresDSN adds parameters to the server's connection string, which is a URL with a query. The session's
// time zone is set because in some of pgx's modes a time passes through it on its way to a TIMESTAMP.
func postgresDSN(srv *testserver.Server, params ...string) string {
	dsn := srv.DSN("")
	sep := "?"
	if strings.Contains(dsn, "?") {
		sep = "&"
	}
	return dsn + sep + strings.Join(append(params, "timezone=UTC"), "&")
}

// postgresSecrets adds the forms that a value has in PostgreSQL's files only: a timestamp is microseconds
// since 2000.
func postgresSecrets() []secret {
	out := secrets()
	for second := 42; second <= 43; second++ {
		at := time.Date(2024, time.November, 5, 13, 37, second, 0, time.UTC)
		micros := at.Sub(time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)).Microseconds()
		name := fmt.Sprintf("%q", at.Format(time.TimeOnly))
		for i := range out {
			if out[i].name == name {
				out[i].add(binary.LittleEndian.AppendUint64(nil, uint64(micros)))
				out[i].add(binary.BigEndian.AppendUint64(nil, uint64(micros)))
			}
		}
	}
	return out
}

// searchFiles reads all files below a directory, and counts the records as well.
func searchFiles(t *testing.T, dir string, all *search) (found []secret, records int) {
	t.Helper()
	size := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // the server works on
		}
		size += len(content)
		records += bytes.Count(content, []byte("ash1."))
		for _, s := range all.in(content) {
			if !named(found, s.name) {
				found = append(found, s)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if size < 1<<20 {
		t.Errorf("only %d bytes in %s", size, dir)
	}
	return found, records
}

// clientProgram finds a program of PostgreSQL's that isn't older than the server: pg_dump would refuse.
func clientProgram(t *testing.T, srv *testserver.Server, name string) string {
	t.Helper()
	var candidates, seen []string
	if path, err := exec.LookPath(name); err == nil {
		candidates = append(candidates, path)
	}
	for _, dir := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"} {
		found, err := filepath.Glob(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		candidates = append(candidates, found...)
	}
	for _, path := range candidates {
		version := strings.TrimSpace(string(output(t, path, "--version")))
		_, number, _ := strings.Cut(version, ") ") // pg_dump (PostgreSQL) 15.8
		if major(number) >= major(srv.Version()) {
			return path
		}
		seen = append(seen, version)
	}
	t.Fatalf("no %s for PostgreSQL %s: it comes with the client package; there is %q", name, srv.Version(), seen)
	return ""
}

// major is the number at the beginning of a version, 0 when there is none.
func major(version string) int {
	digits, _, _ := strings.Cut(version, ".")
	n, _ := strconv.Atoi(digits)
	return n
}

func dump(t *testing.T, srv *testserver.Server, args ...string) []byte {
	t.Helper()
	return output(t, clientProgram(t, srv, "pg_dump"), append(args, "--dbname="+srv.DSN(""))...)
}

func output(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, stderr.String())
	}
	return out
}
