//go:build !(linux || darwin || freebsd || netbsd || openbsd || solaris || windows)

package protectedmem

import (
	"errors"
	"fmt"
	"runtime"
)

func sysMap(int) (all, mem []byte, err error) {
	return nil, nil, fmt.Errorf("no protected memory on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func sysUnmap(_, _ []byte) error { return errors.ErrUnsupported }
