package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// Each record passes through here, and encoding/base64 takes as long for one as its decryption does. Tables
// of two characters, and of one character at each of four places, are several times as fast. Their memory is
// read at places that depend on the data, which in a record is public: ciphertext.

// base64url is strict about the bits that a last character has too many.
var base64url = base64.RawURLEncoding.Strict()

const base64urlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// notBase64 marks, in base64urlDecode, what isn't in the alphabet. It is above the 24 bits of a group.
const notBase64 = 1 << 31

var (
	// base64urlPairs has the two characters of 12 bits, the first in the low byte.
	base64urlPairs [1 << 12]uint16

	// base64urlDecode has, for each place in a group of four, the character's bits where they go.
	base64urlDecode [4][256]uint32
)

func init() {
	for i := range base64urlPairs {
		base64urlPairs[i] = uint16(base64urlAlphabet[i>>6]) | uint16(base64urlAlphabet[i&63])<<8
	}
	for place := range base64urlDecode {
		for c := range base64urlDecode[place] {
			base64urlDecode[place][c] = notBase64
		}
		for v := range len(base64urlAlphabet) {
			base64urlDecode[place][base64urlAlphabet[v]] = uint32(v) << (18 - 6*place)
		}
	}
}

// appendBase64URL appends src in base64url without padding. They must not overlap.
func appendBase64URL(dst, src []byte) []byte {
	at := len(dst)
	dst = slices.Grow(dst, base64url.EncodedLen(len(src)))
	out := dst[at:cap(dst)]
	n := 0
	for len(src) >= 8 && len(out)-n >= 8 { // six bytes are used
		v := binary.BigEndian.Uint64(src)
		binary.LittleEndian.PutUint64(out[n:], uint64(base64urlPairs[v>>52])|
			uint64(base64urlPairs[v>>40&0xFFF])<<16|
			uint64(base64urlPairs[v>>28&0xFFF])<<32|
			uint64(base64urlPairs[v>>16&0xFFF])<<48)
		n += 8
		src = src[6:]
	}
	for len(src) >= 3 {
		v := uint(src[0])<<16 | uint(src[1])<<8 | uint(src[2])
		binary.LittleEndian.PutUint32(out[n:], uint32(base64urlPairs[v>>12])|uint32(base64urlPairs[v&0xFFF])<<16)
		n += 4
		src = src[3:]
	}
	return base64url.AppendEncode(dst[:at+n], src)
}

// appendFromBase64URL appends the decoded text to dst, which it must not overlap. With an error it returns dst.
func appendFromBase64URL(dst, text []byte) ([]byte, error) {
	at := len(dst)
	all := text
	dst = slices.Grow(dst, base64url.DecodedLen(len(text))+2)
	out := dst[at:cap(dst)]
	var seen uint32
	n := 0
	t := &base64urlDecode
	for len(text) >= 8 && len(out)-n >= 8 { // six of them are used
		c := text[:8:8]
		x := t[0][c[0]] | t[1][c[1]] | t[2][c[2]] | t[3][c[3]]
		y := t[0][c[4]] | t[1][c[5]] | t[2][c[6]] | t[3][c[7]]
		seen |= x | y
		binary.BigEndian.PutUint64(out[n:], uint64(x)<<40|uint64(y)<<16)
		n += 6
		text = text[8:]
	}
	// The decoder skips line breaks, and then a record could be written in many ways.
	if seen&notBase64 == 0 && bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') < 0 {
		if m, err := base64url.Decode(out[n:], text); err == nil {
			return dst[:at+n+m], nil
		}
	}
	if bytes.IndexByte(all, '\n') >= 0 || bytes.IndexByte(all, '\r') >= 0 {
		return dst[:at], malformed("a line break in base64url")
	}
	return dst[:at], malformed("not base64url without padding")
}
