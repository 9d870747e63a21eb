package protectedmem

const mapFlags = 0

// limit describes the process's limit on locked memory and the remedy.
func limit() string {
	return "the limit is project.max-locked-memory, and locking wants the privilege proc_lock_memory: raise and grant them (projmod, usermod -K defaultpriv=basic,proc_lock_memory)"
}

// exclude does nothing: the system can't keep a mapping out of a core dump.
func exclude([]byte) error { return nil }
