package testproxy

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy forwards connections to one server. All of its methods may be called from several goroutines.
type Proxy struct {
	network, target string
	listener        net.Listener
	running         sync.WaitGroup
	done            chan struct{} // closed with the proxy

	mu      sync.Mutex // guards the fields below, and those of conns
	stats   Stats
	conns   map[*conn]bool
	fault   *Fault
	fired   bool
	refuse  bool
	delay   time.Duration
	gate    chan struct{} // closed while nothing is held
	holders int
	closed  bool
}

// conn is a connection through the proxy.
type conn struct {
	client, server duplex
	last           Direction // whence the last bytes came; 0 at the beginning
	cut            bool
}

// duplex is a connection each half of which can be closed by itself.
type duplex interface {
	net.Conn
	CloseWrite() error
}

// Direction is whither bytes go.
type Direction int

const (
	ToServer Direction = iota + 1
	ToClient
)

func (d Direction) String() string {
	switch d {
	case ToServer:
		return "to the server"
	case ToClient:
		return "to the client"
	}
	return "no direction"
}

// Stats is what a proxy has counted. A client that has got an answer finds everything up to it counted.
type Stats struct {
	Connections int   // accepted and not refused
	Open        int   // of them, those that neither side has closed
	Requests    int   // begun, and perhaps held; see the package's documentation
	RoundTrips  int   // of them, those that the server has answered
	ToServer    int64 // bytes let through
	ToClient    int64
}

// Sub returns what was counted since before. Open stays what it is.
func (s Stats) Sub(before Stats) Stats {
	s.Connections -= before.Connections
	s.Requests -= before.Requests
	s.RoundTrips -= before.RoundTrips
	s.ToServer -= before.ToServer
	s.ToClient -= before.ToClient
	return s
}

// New starts a proxy to the server at target, a host:port or the path of a Unix socket, until the test ends.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	p := &Proxy{network: "tcp", target: target, done: make(chan struct{}), conns: map[*conn]bool{}, gate: make(chan struct{})}
	close(p.gate)
	listen := "127.0.0.1:0"
	if strings.ContainsRune(target, '/') {
		// A short path, because that of a socket must be; the name is kept, because clients of PostgreSQL make it.
		dir, err := os.MkdirTemp("", "px")
		if err != nil {
			t.Fatal("testproxy: ", err)
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		p.network, listen = "unix", filepath.Join(dir, filepath.Base(target))
	}
	var err error
	if p.listener, err = net.Listen(p.network, listen); err != nil {
		t.Fatal("testproxy: ", err)
	}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is where clients connect: a host:port, or the path of a Unix socket.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Stats returns what was counted so far.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Open = len(p.conns)
	return s
}

// Cut arms a fault in place of the one that is armed. It happens once.
func (p *Proxy) Cut(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.fired = &f, false
}

// Fired tells whether the fault that was armed last has happened.
func (p *Proxy) Fired() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fired
}

// Heal disarms the fault, if it hasn't happened, and accepts connections again.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.refuse = nil, false
}

// CutAll cuts the connections that are there.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		p.cut(c)
	}
}

// Refuse closes connections as soon as they are made, until [Proxy.Heal]. Those that are there stay.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = true
}

// Delay holds each request back for a while, on its way to the server.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Hold lets nothing through, in neither direction, until release is called. Requests counts one that
// is held, so that a test can wait for one.
func (p *Proxy) Hold() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.holders == 0 {
		p.gate = make(chan struct{})
	}
	p.holders++
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.holders--; p.holders == 0 {
			close(p.gate)
		}
	})
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	close(p.done)
	p.listener.Close()
	for c := range p.conns {
		c.client.Close()
		c.server.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}

func (p *Proxy) accept() {
	for {
		accepted, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.running.Go(func() { p.serve(accepted.(duplex)) })
	}
}

// serve is the life of a connection.
func (p *Proxy) serve(client duplex) {
	defer client.Close()
	p.mu.Lock()
	refuse := p.refuse
	p.mu.Unlock()
	if refuse {
		return
	}
	dialed, err := net.Dial(p.network, p.target)
	if err != nil {
		return // as if the server had closed it
	}
	defer dialed.Close()
	c := &conn{client: client, server: dialed.(duplex)}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.conns[c] = true
	p.stats.Connections++
	p.mu.Unlock()
	var pumps sync.WaitGroup
	pumps.Go(func() { p.pump(c, ToServer, c.client, c.server) })
	pumps.Go(func() { p.pump(c, ToClient, c.server, c.client) })
	pumps.Wait()
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// pump forwards one direction, and is the only one that writes to dst and closes that half.
func (p *Proxy) pump(c *conn, d Direction, src, dst duplex) {
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		let := 0
		if n > 0 {
			p.arrived(c, d)
			let = p.let(c, d, buf[:n])
		}
		if let > 0 {
			if _, err := dst.Write(buf[:let]); err != nil {
				// The receiver is gone, and so is what it was sent.
				src.Close()
				dst.Close()
				return
			}
		}
		if p.isCut(c) {
			_ = dst.CloseWrite()
			// Unread bytes would turn the end of src's stream into an error, which may overtake what src was sent.
			_ = src.SetReadDeadline(time.Time{})
			_, _ = io.Copy(io.Discard, src)
			return
		}
		if err != nil {
			_ = dst.CloseWrite()
			if !errors.Is(err, io.EOF) {
				dst.Close()
			}
			return
		}
	}
}

// arrived counts a request, and holds what has arrived back.
func (p *Proxy) arrived(c *conn, d Direction) {
	p.mu.Lock()
	delay := time.Duration(0)
	if d == ToServer && c.last != ToServer && !c.cut {
		p.stats.Requests++
		delay = p.delay
	}
	gate := p.gate
	p.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-p.done:
		}
	}
	select {
	case <-gate:
	case <-p.done:
	}
}

// let tells how many of the bytes may pass, and notes that they do.
func (p *Proxy) let(c *conn, d Direction, data []byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.cut {
		return 0
	}
	begins := d == ToServer && c.last != ToServer
	if d == ToClient && c.last == ToServer {
		p.stats.RoundTrips++
	}
	c.last = d
	n := len(data)
	if f := p.fault; f != nil {
		var cut bool
		if n, cut = f.let(c, d, data, begins); cut {
			p.fault, p.fired = nil, true
			p.cut(c)
		}
	}
	if d == ToServer {
		p.stats.ToServer += int64(n)
	} else {
		p.stats.ToClient += int64(n)
	}
	return n
}

// cut makes both pumps end. The caller holds p.mu.
func (p *Proxy) cut(c *conn) {
	c.cut = true
	// Whoever waits for bytes sees it now.
	_ = c.client.SetReadDeadline(time.Unix(1, 0))
	_ = c.server.SetReadDeadline(time.Unix(1, 0))
}

func (p *Proxy) isCut(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return c.cut
}
