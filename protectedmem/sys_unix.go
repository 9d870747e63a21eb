//go:build linux || darwin || freebsd || netbsd || openbsd || solaris

package protectedmem

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// sysMap returns size bytes (whole pages) of zeroed memory, locked and
// excluded from dumps, in the middle of a mapping whose first and last page
// can't be accessed.
func sysMap(size int) (all, mem []byte, err error) {
	all, err = unix.Mmap(-1, 0, size+2*pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|mapFlags)
	if err != nil {
		return nil, nil, fmt.Errorf("map memory: %w", err)
	}
	end := pageSize + size
	mem = all[pageSize:end:end]
	if err := prepare(all, mem); err != nil {
		return nil, nil, errors.Join(err, unix.Munmap(all))
	}
	return all, mem, nil
}

func prepare(all, mem []byte) error {
	for _, guard := range [][]byte{all[:pageSize], all[len(all)-pageSize:]} {
		if err := unix.Mprotect(guard, unix.PROT_NONE); err != nil {
			return fmt.Errorf("protect guard page: %w", err)
		}
	}
	if err := exclude(mem); err != nil {
		return err
	}
	if err := unix.Mlock(mem); err != nil {
		if overLimit(err) {
			return fmt.Errorf("%w (%w): %s", ErrLimit, err, limit())
		}
		return fmt.Errorf("lock memory: %w", err)
	}
	return nil
}

// sysUnmap gives back what sysMap returned; unmapping unlocks.
func sysUnmap(all, _ []byte) error { return unix.Munmap(all) }

// overLimit reports whether mlock's error means a limit. The systems disagree
// about which of the three they return, and use none of them otherwise for a
// mapping that exists.
func overLimit(err error) bool {
	return errors.Is(err, unix.ENOMEM) || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EPERM)
}
