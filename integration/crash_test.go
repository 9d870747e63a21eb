package integration

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A child process inserts rows of tenants that nobody has heard of before, so that each row needs a new
// key, and is killed in the middle of it. Whatever the moment, the file that it leaves must be whole:
// every row in it reads back, which means that its key is there too, and every row that the child
// reported as committed is in it.
//
// The child writes one line per committed transaction, "ok" and its row ids; a row's tenant and secret
// follow from its id. Rows that the child takes back have ids of their own, which must never be seen.

const (
	crashDSNVar  = "ASHERAH_INTEGRATION_CRASH_DSN"
	crashBaseVar = "ASHERAH_INTEGRATION_CRASH_BASE"
	// crashIDs is the number of ids that one child may use.
	crashIDs = 1_000_000
)

type crashRow struct {
	ID       int64  `db:"id"`
	TenantID string `db:"tenant_id"`
	Secret   string `db:"secret" encrypt:"tenant_id"`
	Owner    string `db:"owner" encrypt:"partition"` // always of the connection's own partition
}

func (crashRow) TableName() string { return "crash_rows" }

// Two rows share a tenant, so that keys are used again as well as made; taken-back rows share theirs
// with rows that stay, so that a key that went with the one is made again for the other.
func crashTenant(id int64) string { return fmt.Sprintf("tenant-%d", id/2) }
func crashSecret(id int64) string { return fmt.Sprintf("the secret of row %d", id) }
func crashOwner(id int64) string  { return fmt.Sprintf("owner of row %d", id) }

const crashInsert = "INSERT INTO crash_rows (id, tenant_id, secret, owner) VALUES (?, ?, ?, ?)"

func crashArgs(id int64) []any { return []any{id, crashTenant(id), crashSecret(id), crashOwner(id)} }

// execer is what sql.DB, sql.Conn and sql.Tx have in common.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func insertCrashRow(ctx context.Context, e execer, id int64) error {
	_, err := e.ExecContext(ctx, crashInsert, crashArgs(id)...)
	return err
}

// crashWays are the ways in which a program can insert rows. Each gets four ids, inserts rows and
// returns the ids of those that are committed; the fourth id is for what it takes back.
var crashWays = []struct {
	name   string
	insert func(ctx context.Context, db *sql.DB, ids []int64) (committed []int64, err error)
}{
	{"autocommit", func(ctx context.Context, db *sql.DB, ids []int64) ([]int64, error) {
		return ids[:1], insertCrashRow(ctx, db, ids[0])
	}},
	{"many rows of several tenants in one statement", func(ctx context.Context, db *sql.DB, ids []int64) ([]int64, error) {
		query := crashInsert + ", (?, ?, ?, ?), (?, ?, ?, ?)"
		var args []any
		for _, id := range ids[:3] {
			args = append(args, crashArgs(id)...)
		}
		_, err := db.ExecContext(ctx, query, args...)
		return ids[:3], err
	}},
	{"prepared", func(ctx context.Context, db *sql.DB, ids []int64) ([]int64, error) {
		stmt, err := db.PrepareContext(ctx, crashInsert)
		if err != nil {
			return nil, err
		}
		defer stmt.Close()
		_, err = stmt.ExecContext(ctx, crashArgs(ids[0])...)
		return ids[:1], err
	}},
	{"returning", func(ctx context.Context, db *sql.DB, ids []int64) ([]int64, error) {
		var secret string
		return ids[:1], db.QueryRowContext(ctx, crashInsert+" RETURNING secret", crashArgs(ids[0])...).Scan(&secret)
	}},
	{"BeginTx", func(ctx context.Context, db *sql.DB, ids []int64) ([]int64, error) {
		return inTx(ctx, db, func(tx *sql.Tx) ([]int64, error) {
			for _, id := range ids[:2] {
				if err := insertCrashRow(ctx, tx, id); err != nil {
					return nil, err
				}
			}
			return ids[:2], nil
		})
	}},
	{"BeginTx with a savepoint taken back", func(ctx context.Context, db *sql.DB, ids []int64) ([]int64, error) {
		return inTx(ctx, db, func(tx *sql.Tx) ([]int64, error) {
			return ids[:3], inOrder(ctx, tx, "SAVEPOINT a", ids[3], "ROLLBACK TO a", ids[2], "SAVEPOINT b", ids[0], "RELEASE b", "RELEASE a", ids[1])
		})
	}},
	{"rolled back, then again", func(ctx context.Context, db *sql.DB, ids []int64) ([]int64, error) {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return nil, err
		}
		err = insertCrashRow(ctx, tx, ids[3])
		if rerr := tx.Rollback(); err == nil {
			err = rerr
		}
		if err != nil {
			return nil, err
		}
		return ids[2:3], insertCrashRow(ctx, db, ids[2])
	}},
	{"BEGIN as text", func(ctx context.Context, db *sql.DB, ids []int64) ([]int64, error) {
		return onConn(ctx, db, func(c *sql.Conn) ([]int64, error) {
			return ids[:2], inOrder(ctx, c, "BEGIN", ids[0], ids[1], "COMMIT")
		})
	}},
	{"begin immediate as text, end", func(ctx context.Context, db *sql.DB, ids []int64) ([]int64, error) {
		return onConn(ctx, db, func(c *sql.Conn) ([]int64, error) {
			return []int64{ids[0], ids[2]}, inOrder(ctx, c, "/* now */ begin immediate", ids[0], ids[2], "end transaction")
		})
	}},
	{"outermost savepoint", func(ctx context.Context, db *sql.DB, ids []int64) ([]int64, error) {
		return onConn(ctx, db, func(c *sql.Conn) ([]int64, error) {
			return ids[:3], inOrder(ctx, c, "SAVEPOINT outer", ids[0], `SAVEPOINT "inner"`, ids[3], "ROLLBACK TO inner", "RELEASE inner", ids[2], ids[1], "RELEASE OUTER")
		})
	}},
	{"ROLLBACK as text, then again", func(ctx context.Context, db *sql.DB, ids []int64) ([]int64, error) {
		return onConn(ctx, db, func(c *sql.Conn) ([]int64, error) {
			return []int64{ids[0], ids[2]}, inOrder(ctx, c, "BEGIN", ids[3], "ROLLBACK", ids[2], "BEGIN", ids[0], "COMMIT")
		})
	}},
}

// inTx runs f in a transaction and commits it.
func inTx(ctx context.Context, db *sql.DB, f func(*sql.Tx) ([]int64, error)) ([]int64, error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback()
	ids, err := f(tx)
	if err != nil {
		return nil, err
	}
	return ids, tx.Commit()
}

// onConn runs f on one connection, and ends the transaction that f left open when it failed.
func onConn(ctx context.Context, db *sql.DB, f func(*sql.Conn) ([]int64, error)) ([]int64, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ids, err := f(c)
	if err != nil {
		// Fails when there is no transaction left, which is as good.
		c.ExecContext(ctx, "ROLLBACK")
	}
	return ids, err
}

// inOrder sends statements (strings) and inserts rows (ids).
func inOrder(ctx context.Context, e execer, steps ...any) error {
	for _, step := range steps {
		var err error
		switch step := step.(type) {
		case string:
			_, err = e.ExecContext(ctx, step)
		case int64:
			err = insertCrashRow(ctx, e, step)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// crashChild inserts until it is killed. Two goroutines with a connection each go through the ways from
// different ends.
func crashChild(dsn, firstID string) {
	base, err := strconv.ParseInt(firstID, 10, 64)
	if err != nil {
		crashFail(err)
	}
	db, err := sql.Open("asherah-sqlite", dsn)
	if err != nil {
		crashFail(err)
	}
	db.SetMaxOpenConns(2)
	ctx := context.Background()
	var wg sync.WaitGroup
	for worker := range int64(2) {
		wg.Go(func() {
			next := base + worker*crashIDs/2
			for n := int(worker) * 5; ; n++ {
				way := crashWays[n%len(crashWays)]
				// Ids are used once, also for tries that failed: one may have committed after all.
				ids := []int64{next, next + 1, next + 2, next + 3}
				next += 4
				committed, err := way.insert(ctx, db, ids)
				if crashBusy(err) {
					continue // the other connection was faster, as it may be in any program
				}
				if err != nil {
					crashFail(fmt.Errorf("%s: %w", way.name, err))
				}
				line := "ok"
				for _, id := range committed {
					line += " " + strconv.FormatInt(id, 10)
				}
				// One write each, so that a line is whole or absent.
				os.Stdout.WriteString(line + "\n")
			}
		})
	}
	wg.Wait()
}

func crashBusy(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "SQLITE_BUSY") || strings.Contains(err.Error(), "database is locked"))
}

func crashFail(err error) {
	os.Stdout.WriteString("error: " + err.Error() + "\n")
	os.Exit(1)
}

// crashFile is a database that children are killed over, and what they reported.
type crashFile struct {
	dsn string

	mu    sync.Mutex // guards the fields below
	acked map[int64]bool
	next  int64 // the next child's first id
}

// take reserves the ids of one child.
func (f *crashFile) take() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.next
	f.next += crashIDs
	return first
}

func newCrashFile(t *testing.T, mode string) *crashFile {
	f := &crashFile{
		dsn: fmt.Sprintf("file:%s?_pragma=journal_mode(%s)&_pragma=busy_timeout(10000)&%s&asherah_partition=owners",
			filepath.Join(t.TempDir(), "crash.db"), mode, settings),
		acked: map[int64]bool{},
		next:  crashIDs,
	}
	// Made with the plain driver: the children's first connection makes the key table, and may be
	// killed over that as well.
	plain, _, _ := strings.Cut(f.dsn, "&"+settings)
	db := open(t, "sqlite", plain)
	if _, err := db.Exec("CREATE TABLE crash_rows (id INTEGER PRIMARY KEY, tenant_id TEXT NOT NULL, secret TEXT NOT NULL, owner TEXT NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

// kill runs a child and kills it the given time after its first report, or after its start when atStart
// is set. Several may run at once.
func (f *crashFile) kill(t *testing.T, delay time.Duration, atStart bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDSNVar+"="+f.dsn, crashBaseVar+"="+strconv.FormatInt(f.take(), 10))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Error(err)
		return
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	lines := bufio.NewReader(out)
	hung := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	defer hung.Stop()
	count := 0
	if !atStart {
		f.ack(t, lines, &count, 1)
		if count == 0 {
			t.Error("the child reported nothing within 30 s")
		}
	}
	timer := time.AfterFunc(delay, func() { cmd.Process.Kill() })
	defer timer.Stop()
	f.ack(t, lines, &count, 0)
	err = cmd.Wait()
	if err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("the child ended by itself: %v\n%s", err, stderr.String())
	}
}

// ack reads reports: at most max of them, or to the end when max is 0.
func (f *crashFile) ack(t *testing.T, lines *bufio.Reader, count *int, max int) {
	t.Helper()
	for n := 0; max == 0 || n < max; n++ {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return // what follows the last line end, if anything, wasn't written in full
		}
		if err != nil {
			t.Error(err)
			return
		}
		ids, ok := strings.CutPrefix(strings.TrimSpace(line), "ok ")
		if !ok {
			t.Errorf("child: %s", line)
			return
		}
		*count++
		for field := range strings.FieldsSeq(ids) {
			id, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				t.Errorf("child: %s", line)
				return
			}
			f.mu.Lock()
			f.acked[id] = true
			f.mu.Unlock()
		}
	}
}

// check reads the whole file through the driver and uses it once more. It returns the number of rows.
func (f *crashFile) check(t *testing.T) int {
	t.Helper()
	db, err := sql.Open("asherah-sqlite", f.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var integrity string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&integrity); err != nil || integrity != "ok" {
		t.Fatalf("integrity check: %s, %v", integrity, err)
	}
	rows, err := db.Query("SELECT id, tenant_id, secret, owner FROM crash_rows ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := map[int64]bool{}
	for rows.Next() {
		var id int64
		var tenant, secret, owner string
		if err := rows.Scan(&id, &tenant, &secret, &owner); err != nil {
			t.Fatalf("after %d rows: %v", len(seen), err)
		}
		if tenant != crashTenant(id) || secret != crashSecret(id) || owner != crashOwner(id) {
			t.Errorf("row %d of %s reads %q, %q", id, tenant, secret, owner)
		}
		if id%4 == 3 && !f.acked[id] {
			t.Errorf("row %d was taken back and is there", id)
		}
		seen[id] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("after %d rows: %v", len(seen), err)
	}
	for id := range f.acked {
		if !seen[id] {
			t.Errorf("row %d was reported as committed and isn't there", id)
		}
	}
	// The keys that the file holds are usable for writing too, and new ones can be made.
	first := f.take()
	mine := []int64{first, first + 2}
	for id := range seen {
		other := id ^ 1
		if !seen[other] && len(mine) == 2 {
			mine = append(mine, other)
		}
	}
	for _, id := range mine {
		if err := insertCrashRow(t.Context(), db, id); err != nil {
			t.Fatalf("insert after the kill: %v", err)
		}
		f.acked[id] = true
	}
	return len(seen)
}

func TestKilledAtAnyMoment(t *testing.T) {
	kills := 100
	if testing.Short() {
		kills = 20
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	total, rows := 0, 0
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			var f *crashFile
			for n := range kills / 2 {
				// A new file now and then: its first kills fall into the making of the first keys.
				if n%10 == 0 {
					f = newCrashFile(t, mode)
				}
				// One in ten is killed before anything is reported: while the key table, the guard row
				// and the first keys are made.
				atStart := n%10 == 0
				delay := time.Duration(random.Int64N(int64(200 * time.Millisecond)))
				f.kill(t, delay, atStart)
				rows = f.check(t)
				if t.Failed() {
					t.Fatalf("kill %d, %v after the first report", n, delay)
				}
				total++
			}
		})
	}
	if total != kills {
		t.Errorf("%d kills, want %d", total, kills)
	}
	if rows < 50 {
		t.Errorf("only %d rows in the last file: the children hardly got to work", rows)
	}
}

// TestProcessesKilledTogether lets several processes work on one new file: they race for the key table,
// the system key and the partition that all of them share, and are killed in the middle of it.
func TestProcessesKilledTogether(t *testing.T) {
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			for range rounds / 2 {
				f := newCrashFile(t, mode)
				var wg sync.WaitGroup
				for range 3 {
					delay := rand.N(500 * time.Millisecond)
					wg.Go(func() { f.kill(t, delay, false) })
				}
				wg.Wait()
				if f.check(t); t.Failed() {
					return
				}
			}
		})
	}
}
