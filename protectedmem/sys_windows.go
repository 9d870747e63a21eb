package protectedmem

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
)

// sysMap returns size bytes (whole pages) of zeroed, locked memory in the
// middle of an allocation whose first and last page can't be accessed.
func sysMap(size int) (all, mem []byte, err error) {
	total := size + 2*pageSize
	addr, err := windows.VirtualAlloc(0, uintptr(total), windows.MEM_RESERVE|windows.MEM_COMMIT, windows.PAGE_READWRITE)
	if err != nil {
		return nil, nil, fmt.Errorf("allocate memory: %w", err)
	}
	// The address is the system's, so the collector has nothing to track: the
	// number is read as the pointer that it is.
	all = unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr))), total)
	end := pageSize + size
	mem = all[pageSize:end:end]
	if err := prepare(all, mem); err != nil {
		return nil, nil, errors.Join(err, release(all))
	}
	return all, mem, nil
}

func prepare(all, mem []byte) error {
	for _, guard := range [][]byte{all[:pageSize], all[len(all)-pageSize:]} {
		var old uint32
		if err := windows.VirtualProtect(address(guard), uintptr(len(guard)), windows.PAGE_NOACCESS, &old); err != nil {
			return fmt.Errorf("protect guard page: %w", err)
		}
	}
	if err := windows.VirtualLock(address(mem), uintptr(len(mem))); err != nil {
		if errors.Is(err, windows.ERROR_WORKING_SET_QUOTA) || errors.Is(err, windows.ERROR_NOT_ENOUGH_QUOTA) || errors.Is(err, windows.ERROR_NO_SYSTEM_RESOURCES) {
			return fmt.Errorf("%w (%w): %s", ErrLimit, err, limit())
		}
		return fmt.Errorf("lock memory: %w", err)
	}
	return nil
}

// sysUnmap gives back what sysMap returned.
func sysUnmap(all, mem []byte) error {
	if err := windows.VirtualUnlock(address(mem), uintptr(len(mem))); err != nil {
		return err
	}
	return release(all)
}

func release(all []byte) error { return windows.VirtualFree(address(all), 0, windows.MEM_RELEASE) }

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// limit describes the process's limit on locked memory and the remedy.
func limit() string {
	var least, most uintptr
	var flags uint32
	windows.GetProcessWorkingSetSizeEx(windows.CurrentProcess(), &least, &most, &flags)
	return fmt.Sprintf("the process's minimum working set is %d bytes: raise it at start (SetProcessWorkingSetSizeEx)", least)
}
