package testproxy_test

import (
	"bufio"
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.uber.org/goleak"

	"github.com/asherah-sql/asherah-sql/internal/testproxy"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

func TestMain(m *testing.M) {
	status := testserver.Run(m)
	if err := goleak.Find(); status == 0 && err != nil {
		fmt.Println(err)
		status = 1
	}
	os.Exit(status)
}

// echo is a server that answers each line with itself in brackets, and notes what it got.
type echo struct {
	l  net.Listener
	mu sync.Mutex
	// got is what each connection has sent, ended whether its end was seen.
	got   []*bytes.Buffer
	ended []bool
}

func newEcho(t *testing.T, network string) *echo {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "unix" {
		dir, err := os.MkdirTemp("", "echo")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		addr = filepath.Join(dir, ".s.ECHO.1")
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{l: l}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { e.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return e
}

func (e *echo) serve(c net.Conn) {
	defer c.Close()
	e.mu.Lock()
	i := len(e.got)
	e.got, e.ended = append(e.got, new(bytes.Buffer)), append(e.ended, false)
	e.mu.Unlock()
	var line []byte
	buf := make([]byte, 256)
	for {
		n, err := c.Read(buf)
		e.mu.Lock()
		e.got[i].Write(buf[:n])
		e.ended[i] = err == io.EOF
		e.mu.Unlock()
		for _, b := range buf[:n] {
			if b != '\n' {
				line = append(line, b)
				continue
			}
			if _, err := fmt.Fprintf(c, "[%s]\n", line); err != nil {
				return
			}
			line = nil
		}
		if err != nil {
			return
		}
	}
}

// seen returns what connection i has sent, when its end has come.
func (e *echo) seen(t *testing.T, i int) string {
	t.Helper()
	eventually(t, "the server sees the end of the connection", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return i < len(e.ended) && e.ended[i]
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.got[i].String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
	}
}

// client is a connection to a proxy.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, p *testproxy.Proxy) *client {
	t.Helper()
	network := "tcp"
	if strings.Contains(p.Addr(), "/") {
		network = "unix"
	}
	c, err := net.Dial(network, p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{t, c, bufio.NewReader(c)}
}

// say sends pieces, which together are a line, and returns the answer, or what came of it before the end.
func (c *client) say(pieces ...string) string {
	c.t.Helper()
	for _, piece := range pieces {
		if _, err := io.WriteString(c, piece); err != nil {
			c.t.Fatal(err)
		}
	}
	answer, err := c.r.ReadString('\n')
	if err != nil && err != io.EOF {
		c.t.Fatalf("after %q: %q, %v: want the end of the stream", pieces, answer, err)
	}
	return answer
}

func TestRoundTripsAreCounted(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		e := newEcho(t, network)
		p := testproxy.New(t, e.l.Addr().String())
		if network == "unix" && filepath.Base(p.Addr()) != ".s.ECHO.1" {
			t.Errorf("the socket is %s", p.Addr())
		}
		a, b := dial(t, p), dial(t, p)
		if got := a.say("one\n"); got != "[one]\n" {
			t.Fatal(got)
		}
		before := p.Stats()
		for range 10 {
			a.say("t", "w", "o\n") // three writes, one round trip
			b.say("three\n")
		}
		got := p.Stats().Sub(before)
		// The server may have accepted b late.
		if got.RoundTrips != 20 || got.ToServer != 10*(4+6) || got.ToClient != 10*(6+8) || p.Stats().Connections != 2 || p.Stats().Open != 2 {
			t.Errorf("%s: %+v, %+v", network, got, p.Stats())
		}
		// What isn't answered costs no round trip, whether it arrives before, or with, the next request.
		before = p.Stats()
		if _, err := a.Write([]byte("no answer to")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it has arrived", func() bool { return p.Stats().Sub(before).Requests == 1 })
		if n := p.Stats().Sub(before).RoundTrips; n != 0 {
			t.Errorf("%s: %d round trips without an answer", network, n)
		}
		if got, n := a.say(" this\n"), p.Stats().Sub(before).RoundTrips; got != "[no answer to this]\n" || n != 1 {
			t.Errorf("%s: %q, %d round trips", network, got, n)
		}
		a.Close()
		b.Close()
		eventually(t, "no connection is open", func() bool { return p.Stats().Open == 0 })
	}
}

func TestCutAtEachByte(t *testing.T) {
	e := newEcho(t, "tcp")
	p := testproxy.New(t, e.l.Addr().String())
	const request, answer = "hello\n", "[hello]\n"
	conns := 0
	for n := range len(request) + 1 {
		c := dial(t, p)
		p.Cut(testproxy.AfterBytes(testproxy.ToServer, int64(n)))
		if got := c.say("hel", "lo\n"); got != "" {
			t.Errorf("after %d bytes: the client got %q", n, got)
		}
		if got := e.seen(t, conns); got != request[:n] {
			t.Errorf("after %d bytes: the server got %q", n, got)
		}
		conns++
		if !p.Fired() {
			t.Errorf("after %d bytes: not fired", n)
		}
	}
	for n := range len(answer) + 1 {
		c := dial(t, p)
		p.Cut(testproxy.AfterBytes(testproxy.ToClient, int64(n)))
		got := c.say(request)
		rest, err := io.ReadAll(c.r)
		if got+string(rest) != answer[:n] || err != nil {
			t.Errorf("answer after %d bytes: the client got %q%q, %v", n, got, rest, err)
		}
		if got := e.seen(t, conns); got != request {
			t.Errorf("answer after %d bytes: the server got %q", n, got)
		}
		conns++
	}
	// It happens once.
	if got := dial(t, p).say(request); got != answer {
		t.Errorf("after the cuts: %q", got)
	}
}

func TestBytesAreCountedOverRequests(t *testing.T) {
	p := testproxy.New(t, newEcho(t, "tcp").l.Addr().String())
	a, b := dial(t, p), dial(t, p)
	a.say("not counted\n")
	p.Cut(testproxy.AfterBytes(testproxy.ToClient, 8))
	if got := a.say("aaa\n") + b.say("bbb\n") + a.say("ccc\n"); got != "[aaa]\n[b[ccc]\n" {
		t.Errorf("got %q", got)
	}
}

func TestCutAtRequests(t *testing.T) {
	e := newEcho(t, "tcp")
	p := testproxy.New(t, e.l.Addr().String())
	for i, c := range []struct {
		fault          testproxy.Fault
		client, server string
	}{
		{testproxy.BeforeRequest(1), "", "warm\n"},
		{testproxy.BeforeRequest(3), "[1]\n[2]\n", "warm\n1\n2\n"},
		{testproxy.BeforeAnswer(1), "", "warm\n1\n"},
		{testproxy.BeforeAnswer(3), "[1]\n[2]\n", "warm\n1\n2\n3\n"},
		{testproxy.BeforeRequest(1).When(testproxy.Contains("2")), "[1]\n", "warm\n1\n"},
		{testproxy.BeforeRequest(2).When(testproxy.Contains("2")), "[1]\n[2]\n", "warm\n1\n2\n"},
		{testproxy.BeforeAnswer(1).When(testproxy.Contains("2")), "[1]\n", "warm\n1\n2\n"},
		{testproxy.BeforeAnswer(2).When(testproxy.Contains("2")), "[1]\n[2]\n", "warm\n1\n2\n3\n"},
		{testproxy.AfterBytes(testproxy.ToServer, 3).When(testproxy.Contains("2")), "[1]\n[2]\n", "warm\n1\n2\n3"},
		{testproxy.AfterBytes(testproxy.ToClient, 5).When(testproxy.Contains("2")), "[1]\n[2]\n[", "warm\n1\n2\n3\n"},
	} {
		conn := dial(t, p)
		conn.say("warm\n")
		p.Cut(c.fault)
		var got string
		for n := 1; n <= 4 && !p.Fired(); n++ {
			got += conn.say(fmt.Sprintf("%d\n", n))
		}
		if got != c.client {
			t.Errorf("%d: the client got %q, want %q", i, got, c.client)
		}
		if got := e.seen(t, i); got != c.server {
			t.Errorf("%d: the server got %q, want %q", i, got, c.server)
		}
	}
}

func TestWhenChoosesAConnection(t *testing.T) {
	p := testproxy.New(t, newEcho(t, "tcp").l.Addr().String())
	a, b := dial(t, p), dial(t, p)
	p.Cut(testproxy.BeforeRequest(2).When(testproxy.Contains("key")))
	got := a.say("x\n") + a.say("key\n") + b.say("key\n") + b.say("y\n") + b.say("z\n")
	if got != "[x]\n[key]\n[key]\n[y]\n[z]\n" || p.Fired() {
		t.Errorf("got %q, fired %v", got, p.Fired())
	}
	if got := a.say("x\n"); got != "" || !p.Fired() {
		t.Errorf("got %q, fired %v", got, p.Fired())
	}
	if got := b.say("b lives\n"); got != "[b lives]\n" {
		t.Errorf("got %q", got)
	}
}

func TestHealRefuseAndCutAll(t *testing.T) {
	e := newEcho(t, "tcp")
	p := testproxy.New(t, e.l.Addr().String())
	a := dial(t, p)
	a.say("x\n")
	p.Cut(testproxy.BeforeRequest(1))
	p.Refuse()
	refused := dial(t, p)
	if _, err := refused.r.ReadByte(); err == nil {
		t.Error("not refused")
	}
	p.Heal()
	if got := a.say("x\n") + dial(t, p).say("y\n"); got != "[x]\n[y]\n" || p.Fired() {
		t.Errorf("after Heal: %q", got)
	}
	p.CutAll()
	if got := a.say("x\n"); got != "" {
		t.Errorf("after CutAll: %q", got)
	}
	if got := e.seen(t, 0); got != "x\nx\n" {
		t.Errorf("the server got %q", got)
	}
	if n := p.Stats().Connections; n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestHoldAndDelay(t *testing.T) {
	p := testproxy.New(t, newEcho(t, "tcp").l.Addr().String())
	c := dial(t, p)
	c.say("warm\n")
	before := p.Stats()
	release, second := p.Hold(), p.Hold()
	answer := make(chan string)
	go func() { answer <- c.say("x\n") }()
	eventually(t, "the request is held", func() bool { return p.Stats().Sub(before).Requests == 1 })
	release()
	release() // once is enough
	select {
	case got := <-answer:
		t.Errorf("an answer while held: %q", got)
	case <-time.After(20 * time.Millisecond):
	}
	if n := p.Stats().Sub(before).ToServer; n != 0 {
		t.Errorf("%d bytes while held", n)
	}
	second()
	if got := <-answer; got != "[x]\n" {
		t.Errorf("got %q", got)
	}
	p.Delay(30 * time.Millisecond)
	start := time.Now()
	c.say("x\n")
	if d := time.Since(start); d < 30*time.Millisecond {
		t.Errorf("answered after %v", d)
	}
}

// TestAProxyEndsWithConnectionsThatAreHeld: the end of the test releases everything; TestMain looks for leaks.
func TestAProxyEndsWithConnectionsThatAreHeld(t *testing.T) {
	e := newEcho(t, "tcp")
	p := testproxy.New(t, e.l.Addr().String())
	c := dial(t, p)
	p.Hold()
	p.Delay(time.Hour)
	if _, err := io.WriteString(c, "x\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the request is there", func() bool { return p.Stats().Requests == 1 })
}

func TestAServerThatIsNotThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	p := testproxy.New(t, l.Addr().String())
	if _, err := dial(t, p).r.ReadByte(); err == nil {
		t.Error("a byte from nowhere")
	}
}

func TestLargeStreamsPassWhole(t *testing.T) {
	p := testproxy.New(t, newEcho(t, "tcp").l.Addr().String())
	line := strings.Repeat("x", 3<<20)
	var wg sync.WaitGroup
	for range 4 {
		c := dial(t, p)
		wg.Go(func() {
			if got := c.say(line, "\n"); got != "["+line+"]\n" {
				t.Errorf("%d bytes came back", len(got))
			}
		})
	}
	wg.Wait()
}

func TestPostgreSQL(t *testing.T) {
	srv := testserver.Postgres(t)
	for _, target := range []string{srv.Addr(), srv.SocketAddr()} {
		p := testproxy.New(t, target)
		db, err := sql.Open("pgx", srv.DSNAt(p.Addr(), ""))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		scan := func() (n int, err error) { err = db.QueryRow("SELECT $1::int + 1", 41).Scan(&n); return n, err }
		for range 2 { // the first prepares, the second finds out whether the connection is alive
			if n, err := scan(); n != 42 || err != nil {
				t.Fatal(n, err)
			}
		}
		before := p.Stats()
		for range 5 {
			if n, err := scan(); n != 42 || err != nil {
				t.Fatal(n, err)
			}
		}
		if got := p.Stats().Sub(before); got.RoundTrips != 5 || got.Connections != 0 {
			t.Errorf("%+v for 5 prepared queries", got)
		}
		p.Cut(testproxy.BeforeAnswer(1))
		if _, err := scan(); err == nil || !p.Fired() {
			t.Errorf("no error of a connection that was cut (fired %v)", p.Fired())
		}
		if n, err := scan(); n != 42 || err != nil {
			t.Errorf("after the cut: %d, %v", n, err)
		}
	}
}
