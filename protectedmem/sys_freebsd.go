package protectedmem

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	mapFlags = 0

	remedy = "raise it (memorylocked in /etc/login.conf, and the system's vm.max_user_wired), and see that security.bsd.unprivileged_mlock is 1"
)

func exclude(mem []byte) error {
	if err := unix.Madvise(mem, unix.MADV_NOCORE); err != nil {
		return fmt.Errorf("exclude memory from core dumps: %w", err)
	}
	return nil
}
