package envelope

import "fmt"

// Limits, in bytes. What is over one is refused when it is written
// (ErrTooLarge) and when it is read (ErrMalformed).
const (
	MaxPayload    = 64 << 20 // a plaintext
	MaxRecord     = 65 << 20 // a whole record, as AppendEncrypt and AppendSeal write it; base64 takes a third of that
	MaxWrappedKey = 16 << 10 // a sealed key of a metastore row
	MaxKeyID      = 4 << 10  // a key's id; stores have a lower one, metastore.MaxIDLen
)

func checkPayload(n int) error {
	if n > MaxPayload {
		return fmt.Errorf("payload: %w: %d bytes, the limit is %d", ErrTooLarge, n, MaxPayload)
	}
	return nil
}

func checkRecordOut(n int) error {
	if n > MaxRecord {
		return fmt.Errorf("record: %w: %d bytes, the limit is %d", ErrTooLarge, n, MaxRecord)
	}
	return nil
}

func checkRecordIn(n int) error {
	if n > MaxRecord {
		return malformed("%d bytes, the limit is %d", n, MaxRecord)
	}
	return nil
}
