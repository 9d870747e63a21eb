package envelope

import (
	"encoding/binary"
	"fmt"
)

// Encoding says whether a bound record is text or raw bytes. A record of one
// encoding doesn't open as the other.
type Encoding uint8

// The encodings. The zero value is none, and an error.
const (
	EncodingText   Encoding = 1 // for columns of characters: letters, digits, "-", "_" and "."
	EncodingBinary Encoding = 2 // for columns of bytes
)

// String returns "text" or "binary", the names that are sealed with a value.
func (e Encoding) String() string {
	switch e {
	case EncodingText:
		return "text"
	case EncodingBinary:
		return "binary"
	}
	return fmt.Sprintf("Encoding(%d)", uint8(e))
}

func (e Encoding) check() error {
	if e != EncodingText && e != EncodingBinary {
		return fmt.Errorf("binding: encoding: want EncodingText or EncodingBinary, got %v", e)
	}
	return nil
}

// Binding is the place that a bound record is sealed for, besides the partition,
// service and product. It opens only with an equal one; otherwise the error is
// ErrMoved.
type Binding struct {
	// Context names what kind of value it is, for example table.column. The
	// empty string is a context like any other.
	Context string

	// Bound says that the value belongs to one row, which Bind identifies. A
	// record sealed without it doesn't open with it, and the reverse.
	Bound bool
	Bind  []byte // nothing unless Bound

	// Token is the search token that stands in the record before the sealed
	// part: 26 characters of lower-case base32hex in a text, 16 bytes in a
	// binary record. Empty: none. It is sealed with the value, so that a token
	// put there by somebody else is noticed.
	//
	// For opening it may be left empty: the record's own is verified then. If
	// it is given, it must be the record's.
	Token []byte

	// Epoch is the number of the index key that made the token, 0 to 31. It is
	// not sealed; a token of another epoch is another token.
	Epoch byte

	Encoding Encoding
}

const (
	tokenTextLen   = 26
	tokenBinaryLen = 16
	maxEpoch       = 31

	base32hex = "0123456789abcdefghijklmnopqrstuv"
)

// check refuses what can't be sealed.
func (b *Binding) check() error {
	if err := b.Encoding.check(); err != nil {
		return err
	}
	if !b.Bound && len(b.Bind) != 0 {
		return fmt.Errorf("binding: Bind: want nothing without Bound, got %d bytes", len(b.Bind))
	}
	if len(b.Token) == 0 {
		if b.Epoch != 0 {
			return fmt.Errorf("binding: Epoch: want 0 without a token, got %d", b.Epoch)
		}
		return nil
	}
	if b.Epoch > maxEpoch {
		return fmt.Errorf("binding: Epoch: want 0 to %d, got %d", maxEpoch, b.Epoch)
	}
	if !validToken(b.Token, b.Encoding) {
		want := "16 bytes"
		if b.Encoding == EncodingText {
			want = "26 characters of lower-case base32hex, the last of 3 bits"
		}
		return fmt.Errorf("binding: Token: want %s, got something else of %d bytes", want, len(b.Token))
	}
	return nil
}

func validToken(token []byte, enc Encoding) bool {
	if enc == EncodingBinary {
		return len(token) == tokenBinaryLen
	}
	if len(token) != tokenTextLen {
		return false
	}
	for _, c := range token {
		if _, ok := base32hexValue(c); !ok {
			return false
		}
	}
	// 26 characters hold 130 bits, a token has 128: the two that are over must
	// be zero, or one token could be written in four ways.
	last, _ := base32hexValue(token[tokenTextLen-1])
	return last&3 == 0
}

func base32hexValue(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'v':
		return c - 'a' + 10, true
	}
	return 0, false
}

// What the associated data of version 1 begins with: which of the two seals of
// a record it is for.
const (
	purposeKey1  = "asherah-sql/bound/1/key"
	purposeData1 = "asherah-sql/bound/1/data"
)

// appendBoundAD1 appends the associated data of a bound record of version 1,
// the whole definition of what such a record is bound to. Each item is preceded
// by its length as an uvarint, so that no two places have the same bytes.
//
//	key:  purpose, service, product, partition
//	data: purpose, service, product, partition, context, bind flag (one byte,
//	      0 or 1), bind value, search token (empty without), "text" or "binary"
//
// A nil binding makes the associated data of the wrapped key.
func appendBoundAD1(dst []byte, n *naming, partition string, b *Binding) []byte {
	if b == nil {
		return appendItem(append(dst, n.keyAD1...), partition)
	}
	return appendBoundDataAD1(dst, n, partition, b, b.Token)
}

// appendBoundDataAD1 makes the associated data of a payload with this token.
func appendBoundDataAD1(dst []byte, n *naming, partition string, b *Binding, token []byte) []byte {
	dst = appendItem(append(dst, n.dataAD1...), partition)
	dst = appendItem(dst, b.Context)
	if b.Bound {
		dst = append(dst, 1, 1)
	} else {
		dst = append(dst, 1, 0)
	}
	dst = appendItem(dst, b.Bind)
	dst = appendItem(dst, token)
	return appendItem(dst, b.Encoding.String())
}

// boundAD1Prefix is the part that is the same for all records of a factory.
func boundAD1Prefix(purpose string, n *naming) string {
	dst := appendItem([]byte(nil), purpose)
	dst = appendItem(dst, n.service)
	return string(appendItem(dst, n.product))
}

func appendItem[T string | []byte](dst []byte, item T) []byte {
	if len(item) < 0x80 {
		dst = append(dst, byte(len(item)))
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(item)))
	}
	return append(dst, item...)
}
