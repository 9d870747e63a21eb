package sqlplan

const slabSize = 128

// slab hands out zeroed nodes of fixed addresses and takes them all back at once.
type slab[T any] struct {
	chunks [][]T
	n      int
}

func (s *slab[T]) next() *T {
	c, i := s.n/slabSize, s.n%slabSize
	if c == len(s.chunks) {
		s.chunks = append(s.chunks, make([]T, slabSize))
	}
	s.n++
	return &s.chunks[c][i]
}

func (s *slab[T]) at(i int) *T { return &s.chunks[i/slabSize][i%slabSize] }

// reset takes the nodes back and clears them, so that they hold on to no text. keep bounds the memory that
// stays for the next use.
func (s *slab[T]) reset(keep int) {
	if len(s.chunks) > keep {
		s.chunks = s.chunks[:keep:keep]
	}
	for i := range s.chunks {
		used := min(s.n-i*slabSize, slabSize)
		if used <= 0 {
			break
		}
		clear(s.chunks[i][:used])
	}
	s.n = 0
}

// lists builds slices whose length isn't known before, without a slice growing for each: elements are pushed
// on a stack and cut off it into a shared block.
type lists[T any] struct {
	stack []T
	block []T
}

func (l *lists[T]) mark() int { return len(l.stack) }

func (l *lists[T]) push(v T) { l.stack = append(l.stack, v) }

// cut returns what was pushed since mark; nil for nothing.
func (l *lists[T]) cut(mark int) []T {
	n := len(l.stack) - mark
	if n == 0 {
		return nil
	}
	if cap(l.block)-len(l.block) < n {
		l.block = make([]T, 0, max(n, slabSize, 2*cap(l.block)))
	}
	at := len(l.block)
	l.block = l.block[:at+n]
	s := l.block[at : at+n : at+n]
	copy(s, l.stack[mark:])
	clear(l.stack[mark:])
	l.stack = l.stack[:mark]
	return s
}

// reset takes the slices back. Only the last block stays.
func (l *lists[T]) reset() {
	clear(l.stack)
	l.stack = l.stack[:0]
	if cap(l.block) > 64*slabSize {
		l.block = nil
		return
	}
	clear(l.block)
	l.block = l.block[:0]
}
