package tags

import "fmt"

// PaddedLen is the length in bytes to which the canonical text of a padded column is filled before it
// is sealed. The longest text of these kinds is a time's, with 30 bytes.
const PaddedLen = 32

// Padded reports whether values of the column are filled to one length inside the seal of a bound
// record, so that the stored length tells nothing about the value: bools, integers, floats and times.
// UUIDs have one length as they are; the length of strings, bytes and JSON stays visible.
func (c *Column) Padded() bool {
	switch c.Kind {
	case KindBool, KindInt, KindUint, KindFloat, KindTime:
		return true
	}
	return false
}

// Pad appends NUL bytes to text up to [PaddedLen] and returns the result. It takes the canonical text
// of a padded column, which is never longer and holds no NUL byte.
func Pad(text []byte) []byte {
	for len(text) < PaddedLen {
		text = append(text, 0)
	}
	return text
}

// Unpad takes away what [Pad] appended. The result shares text's memory. It is an error if text hasn't
// the padded length, is nothing but padding, or has a NUL byte before the padding: such a text was not
// made by Pad.
func Unpad(text []byte) ([]byte, error) {
	if len(text) != PaddedLen {
		return nil, fmt.Errorf("unpad: %d bytes: want %d", len(text), PaddedLen)
	}
	n := len(text)
	for n > 0 && text[n-1] == 0 {
		n--
	}
	if n == 0 {
		return nil, fmt.Errorf("unpad: no text before the padding")
	}
	for _, b := range text[:n] {
		if b == 0 {
			return nil, fmt.Errorf("unpad: a NUL byte inside the text")
		}
	}
	return text[:n], nil
}
