//go:build linux || darwin || freebsd || netbsd || openbsd

package protectedmem

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// limit describes the process's limit on locked memory and the remedy.
func limit() string {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &l); err != nil {
		return "the limit is unknown: " + remedy
	}
	// Infinity is a huge number on every system, with a different type on some.
	if cur := uint64(l.Cur); cur < 1<<62 {
		return fmt.Sprintf("RLIMIT_MEMLOCK is %d bytes for the whole process: %s", cur, remedy)
	}
	return "RLIMIT_MEMLOCK is unlimited, so the limit is the system's own: " + remedy
}
