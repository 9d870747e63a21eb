package protectedmem

const (
	mapFlags = 0

	remedy = "raise it (ulimit -l, memorylocked in /etc/login.conf)"
)

// exclude does nothing: the system can't keep a mapping out of a core dump.
func exclude([]byte) error { return nil }
