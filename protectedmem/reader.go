package protectedmem

import "io"

type reader struct {
	secret Secret
	off    int // what has been read
}

// Read implements [io.Reader]. The last bytes come without an error, and
// io.EOF after them.
func (r *reader) Read(p []byte) (n int, err error) {
	err = r.secret.WithBytes(func(b []byte) error {
		if r.off == len(b) {
			return io.EOF
		}
		n = copy(p, b[r.off:])
		r.off += n
		return nil
	})
	return n, err
}
