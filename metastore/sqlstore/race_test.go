package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/metastore/sqlstore"
)

// Two processes race for the table and for 200 keys: this program again, as racer.
const (
	racerVar   = "ASHERAH_SQLSTORE_RACER" // dialect, driver, connection string
	partitions = 200
	raceTime   = 1_795_461_600
)

// racer makes the table, says so, waits for its input to end, and stores every key.
func racer() int {
	spec := strings.SplitN(os.Getenv(racerVar), " ", 3)
	if err := race(spec[0], spec[1], spec[2]); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func race(dialectName, driver, dsn string) error {
	ctx := context.Background()
	d, err := dialect.Parse(dialectName)
	if err != nil {
		return err
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := sqlstore.New(db, d)
	if err != nil {
		return err
	}
	// Both begin at the same moment: when the pipe that they read closes.
	if _, err := new(bytes.Buffer).ReadFrom(os.Stdin); err != nil {
		return err
	}
	created, err := store.Ensure(ctx)
	if err != nil {
		return fmt.Errorf("ensure: %w", err)
	}
	fmt.Println("created", created)
	const workers = 4
	var wg sync.WaitGroup
	won := make([]int, workers)
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for i := range partitions {
				m := metastore.KeyMeta{ID: fmt.Sprintf("_IK_tenant%d_shop_web", i), Created: raceTime}
				key := fmt.Sprintf("of process %d, worker %d", os.Getpid(), w)
				err := store.Store(ctx, m, &metastore.EnvelopeKeyRecord{Created: m.Created, EncryptedKey: []byte(key)})
				mine := err == nil
				switch {
				case mine:
					won[w]++
				case !errors.Is(err, metastore.ErrExists):
					errs[w] = fmt.Errorf("store: %w", err)
					return
				}
				// The winner's key is there for everybody at once.
				got, err := store.LoadLatest(ctx, m.ID)
				if err != nil {
					errs[w] = fmt.Errorf("load after store: %w", err)
					return
				}
				if (string(got.EncryptedKey) == key) != mine {
					errs[w] = fmt.Errorf("won %v, and the key that is there is that %s", mine, got.EncryptedKey)
					return
				}
			}
		})
	}
	wg.Wait()
	for w := range workers {
		fmt.Println("won", won[w])
	}
	return errors.Join(errs...)
}

func TestTwoProcessesRaceForTheTableAndItsKeys(t *testing.T) {
	params := map[string][]string{
		"postgres": {"", "default_transaction_isolation=serializable"},
		"mysql":    {"", "clientFoundRows=true&interpolateParams=true"},
	}
	eachServer(t, func(t *testing.T, s server) {
		for _, p := range params[s.dialect.String()] {
			t.Run(p, func(t *testing.T) {
				dsn := s.get(t).DSN("")
				db := s.open(t, dsn, "")
				if p != "" {
					dsn += map[bool]string{true: "&", false: "?"}[strings.Contains(dsn, "?")] + p
				}
				created, won := runRacers(t, s, dsn)
				if created != 1 {
					t.Errorf("%d processes made the table, want 1", created)
				}
				if won != partitions {
					t.Errorf("%d stores won, want %d", won, partitions)
				}
				if n := value[int](t, db, `SELECT COUNT(*) FROM encryption_key`); n != partitions {
					t.Errorf("%d rows, want %d", n, partitions)
				}
				if n := value[int](t, db, `SELECT COUNT(DISTINCT id) FROM encryption_key`); n != partitions {
					t.Errorf("%d ids, want %d", n, partitions)
				}
			})
		}
	})
}

func runRacers(t *testing.T, s server, dsn string) (created, won int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outs := make([]bytes.Buffer, 2)
	cmds := make([]*exec.Cmd, len(outs))
	for i := range outs {
		cmds[i] = exec.CommandContext(t.Context(), exe)
		cmds[i].Env = append(os.Environ(), racerVar+"="+s.dialect.String()+" "+s.driver+" "+dsn)
		cmds[i].Stdin, cmds[i].Stdout, cmds[i].Stderr = r, &outs[i], &outs[i]
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	r.Close()
	w.Close()
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Fatalf("process %d: %v\n%s", i, err, &outs[i])
		}
		for line := range strings.Lines(outs[i].String()) {
			var n int
			switch {
			case line == "created true\n":
				created++
			case strings.HasPrefix(line, "won "):
				if _, err := fmt.Sscan(line[len("won "):], &n); err != nil {
					t.Fatal(err)
				}
				won += n
			}
		}
	}
	return created, won
}
