package protectedmem

const (
	mapFlags = 0

	remedy = "raise it (ulimit -l, and the system's vm.user_wire_limit)"
)

// exclude does nothing: the system can't keep a mapping out of a core dump.
func exclude([]byte) error { return nil }
