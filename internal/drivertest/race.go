package drivertest

import (
	"bufio"
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

const (
	raceDSN  = "ASHERAH_TEST_RACE_DSN"
	raceBase = "ASHERAH_TEST_RACE_BASE"
)

// RaceKeys is how many partitions the processes of Race use, RaceBase what their ids are apart.
const (
	RaceKeys = 1000
	RaceBase = 1_000_000
)

// Racer is the process that Race starts, and nothing in any other one. The package calls it in a test of its own,
// whose name it gives to Race. insert takes an id, a tenant_id and an email.
func Racer(t *testing.T, insert string, connect func(dsn string) *sql.DB) {
	dsn := os.Getenv(raceDSN)
	if dsn == "" {
		return
	}
	var base int
	fmt.Sscan(os.Getenv(raceBase), &base)
	db := connect(dsn)
	db.SetMaxOpenConns(4)
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	order := make(chan int, RaceKeys)
	for i := range RaceKeys {
		order <- i // the same order in both, so that they meet at each key
	}
	close(order)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range order {
				if _, err := db.Exec(insert, base+i, fmt.Sprintf("tenant-%d", i), Numbered(i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Race has two processes insert rows of RaceKeys new partitions at once, each in the test of that name. It returns
// how many intermediate keys there may be at most: RaceKeys, or, if a minute ended meanwhile, the precision in which
// keys are made, one more for each partition: processes on both sides of that moment don't meet in one row.
func Race(t *testing.T, test, dsn string) (most int) {
	t.Helper()
	if left := time.Until(time.Now().Truncate(time.Minute).Add(time.Minute)); left < 20*time.Second {
		time.Sleep(left)
	}
	type process struct {
		cmd *exec.Cmd
		out bytes.Buffer
		in  io.Writer
	}
	var ps []*process
	for i := range 2 {
		p := &process{cmd: exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.v")}
		p.cmd.Env = append(os.Environ(), raceDSN+"="+dsn, fmt.Sprintf("%s=%d", raceBase, (i+1)*RaceBase))
		in, err := p.cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		p.in = in
		out, err := p.cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(out)
		for sc.Scan() && sc.Text() != "ready" {
			p.out.WriteString(sc.Text() + "\n")
		}
		go func() {
			for sc.Scan() {
				p.out.WriteString(sc.Text() + "\n")
			}
		}()
		ps = append(ps, p)
	}
	began := time.Now().Truncate(time.Minute)
	for _, p := range ps {
		if _, err := p.in.Write([]byte("go\n")); err != nil {
			t.Error(err)
		}
	}
	for _, p := range ps {
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("%v\n%s", err, p.out.String())
		}
	}
	return RaceKeys * (1 + int(time.Now().Truncate(time.Minute).Sub(began)/time.Minute))
}
