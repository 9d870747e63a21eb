package testproxy

import "bytes"

// Fault says where a connection is cut. Bytes and requests are counted from [Proxy.Cut] on, over all
// connections together, or as [Fault.When] says.
type Fault struct {
	direction Direction // of bytes; 0: requests are counted
	bytes     int64     // left
	requests  int       // left
	answer    bool      // the answer is cut, not the request

	when    func(data []byte) bool
	pinned  *conn // the one that when has chosen
	waiting *conn // whose answer is cut
}

// AfterBytes lets n bytes pass in a direction and cuts: at once after the last of them, with 0 when the
// first one comes.
func AfterBytes(d Direction, n int64) Fault {
	if d != ToServer && d != ToClient || n < 0 {
		panic("testproxy: AfterBytes: no such place")
	}
	return Fault{direction: d, bytes: n}
}

// BeforeRequest cuts when the k-th request (from 1) begins: the server gets none of it.
func BeforeRequest(k int) Fault {
	if k < 1 {
		panic("testproxy: BeforeRequest: requests are counted from 1")
	}
	return Fault{requests: k}
}

// BeforeAnswer cuts when the answer to the k-th request (from 1) begins: the server has done it, and the
// client gets none of the answer.
func BeforeAnswer(k int) Fault {
	f := BeforeRequest(k)
	f.answer = true
	return f
}

// When begins to count with the first piece of a request that match says true of, on that connection only:
// the request is the first, and the piece's bytes count. A piece is what one read gave: a client's write,
// unless that is larger than 64 KiB.
func (f Fault) When(match func(data []byte) bool) Fault {
	f.when = match
	return f
}

// Contains is a match for [Fault.When]: the piece has that text in it.
func Contains(text string) func(data []byte) bool {
	return func(data []byte) bool { return bytes.Contains(data, []byte(text)) }
}

// let tells how many of the bytes pass, and whether the connection is then cut. begins: they begin a request.
func (f *Fault) let(c *conn, d Direction, data []byte, begins bool) (n int, cut bool) {
	if f.when != nil && f.pinned != c {
		if f.pinned != nil || d != ToServer || !f.when(data) {
			return len(data), false
		}
		f.pinned, begins = c, true // it may be a later piece of its request
	}
	switch {
	case f.direction == d:
		if int64(len(data)) < f.bytes {
			f.bytes -= int64(len(data))
			return len(data), false
		}
		return int(f.bytes), true
	case f.direction != 0:
	case d == ToClient && f.waiting == c:
		return 0, true
	case begins && f.waiting == nil:
		f.requests--
		switch {
		case f.requests > 0:
		case f.answer:
			f.waiting = c
		default:
			return 0, true
		}
	}
	return len(data), false
}
