package sqlstore

import (
	"fmt"
	"unicode/utf8"
)

// width is what a column of text holds. The zero value holds everything.
//
// A value that doesn't fit is refused before it is sent: PostgreSQL would fail the statement and with it a
// caller's transaction, and MySQL in a lenient mode would cut the value or put question marks in it, after
// which two keys share one id, or a key can't be opened any more.
type width struct {
	chars, bytes int64 // 0 = no limit
	maxRune      rune  // 0 = every character
	noNUL        bool
}

func (w width) check(text string) error {
	if w.bytes > 0 && int64(len(text)) > w.bytes {
		return fmt.Errorf("has %d bytes, and the column holds %d: widen it", len(text), w.bytes)
	}
	if w.chars > 0 && int64(len(text)) > w.chars {
		if n := utf8.RuneCountInString(text); int64(n) > w.chars {
			return fmt.Errorf("has %d characters, and the column holds %d: widen it", n, w.chars)
		}
	}
	for _, r := range text {
		switch {
		case w.maxRune > 0 && r > w.maxRune:
			return fmt.Errorf("has a character outside of the column's character set: change that to Unicode")
		case w.noNUL && r == 0:
			return fmt.Errorf("has a NUL character, which the database doesn't store")
		}
	}
	return nil
}
