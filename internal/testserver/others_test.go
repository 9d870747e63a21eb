package testserver

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
)

// TestAnotherInstanceTouchesNoFileOfOurs: a MariaDB that starts removes what it takes for the remains of
// itself from its directory for temporary files. In one that several share, those are the tables of
// another's statements, and that one crashes.
func TestAnotherInstanceTouchesNoFileOfOurs(t *testing.T) {
	f, err := os.CreateTemp("", "#sql-temptable-*.MAI")
	if err != nil {
		t.Fatal(err)
	}
	remains := f.Name()
	defer os.Remove(remains)
	if err := errors.Join(f.Chmod(0o666), f.Close()); err != nil {
		t.Fatal(err)
	}

	ours := MariaDB(t, Private())
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				// What is told of columns goes through a temporary table on disk.
				if _, err := mariadb.run(context.Background(), ours.DSN(""), "SELECT count(*) FROM (SELECT * FROM information_schema.columns WHERE table_schema = 'mysql' UNION SELECT * FROM information_schema.columns WHERE table_schema = 'x') AS c"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 3 {
		MariaDB(t, Private())
	}
	stop()
	wg.Wait()
	if _, err := os.Stat(remains); err != nil {
		t.Errorf("a server that started has removed another one's file: %v", err)
	}
}
