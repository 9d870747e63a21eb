package aead

import "unsafe"

// start is the address of b's first byte. It is compared, never followed.
func start(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// overlap reports whether x and y share memory: the later of the two starts
// before the earlier one ends.
func overlap(x, y []byte) bool {
	if start(x) > start(y) {
		x, y = y, x
	}
	return len(x) > 0 && len(y) > 0 && start(y)-start(x) < uintptr(len(x))
}

// disjoint reports whether in may be read while out is written: they share no
// memory, or in starts exactly off bytes after out, where GCM, working forward
// block by block, reads each byte before it writes it. GCM panics in the other
// cases; a panic is no answer to a caller's mistake that depends on addresses.
func disjoint(out, in []byte, off int) bool {
	if !overlap(out, in) {
		return true
	}
	return start(in) == start(out)+uintptr(off)
}
