package protectedmem

// canaryLen is the least room between two slots, in bytes. It keeps slots
// aligned to 16.
const canaryLen = 16

// region is one piece of locked memory between two guard pages, cut into slots
// of one size:
//
//	guard │ secret, canary … │ secret, canary … │ … │ rest │ guard
//	        slotSize + 16      slotSize + 16
//
// The canary begins right behind the secret, where that is shorter than its
// slot too. What lies before the first slot is the guard page.
type region struct {
	arena  *arena
	all    []byte          // with the guard pages
	mem    []byte          // without
	canary [canaryLen]byte // random, one for each region

	// The arena's lock guards the fields below.
	slotSize int
	free     []int32 // indexes of free slots, all of them wiped; the last is taken first
	used     int
	class    *class
	pos      int // in class.free, while a slot is free
}

// cut divides an empty region into slots.
func (r *region) cut(slotSize int) {
	if r.slotSize == slotSize {
		return // as it was: all slots are free
	}
	r.slotSize = slotSize
	n := len(r.mem) / (slotSize + canaryLen)
	r.free = make([]int32, n)
	for i := range r.free {
		r.free[i] = int32(n - 1 - i)
	}
}

func (r *region) full() bool { return len(r.free) == 0 }

// take makes a slot for a secret of n bytes. There must be a free one.
func (r *region) take(n int) *slot {
	last := len(r.free) - 1
	i := int(r.free[last])
	r.free = r.free[:last]
	r.used++
	b := r.slot(i)
	for j := n; j < len(b); j++ {
		b[j] = r.canary[j%canaryLen]
	}
	return &slot{data: b[:n:n], region: r, index: i}
}

// put takes a wiped slot back.
func (r *region) put(s *slot) {
	r.free = append(r.free, int32(s.index))
	r.used--
}

// slot is the memory of slot i with its canary.
func (r *region) slot(i int) []byte {
	size := r.slotSize + canaryLen
	return r.mem[i*size : (i+1)*size : (i+1)*size]
}

// check looks whether the bytes between the secret and the next slot are as
// take left them, and those behind the slot before it.
func (r *region) check(s *slot) error {
	b := r.slot(s.index)
	var diff byte
	for j := len(s.data); j < len(b); j++ {
		diff |= b[j] ^ r.canary[j%canaryLen]
	}
	if diff != 0 {
		return ErrDamaged
	}
	return nil
}

// wipe zeroes a slot and its canary.
func (r *region) wipe(s *slot) { clear(r.slot(s.index)) }
