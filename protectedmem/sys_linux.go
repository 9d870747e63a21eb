package protectedmem

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	mapFlags = 0

	remedy = "raise it (ulimit -l, LimitMEMLOCK= in a systemd unit, --ulimit memlock= in Docker), or grant CAP_IPC_LOCK"
)

func exclude(mem []byte) error {
	if err := unix.Madvise(mem, unix.MADV_DONTDUMP); err != nil {
		return fmt.Errorf("exclude memory from core dumps: %w", err)
	}
	if err := unix.Madvise(mem, unix.MADV_WIPEONFORK); err != nil {
		// Kernels before 4.14 don't know it. There a child doesn't get the
		// mapping at all.
		if err := unix.Madvise(mem, unix.MADV_DONTFORK); err != nil {
			return fmt.Errorf("exclude memory from forked processes: %w", err)
		}
	}
	return nil
}
