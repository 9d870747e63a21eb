package integration

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf16"
)

// secret is a value that must not lie in a file, with every way of writing it that is searched for.
type secret struct {
	name  string
	plain []byte // as SQLite stores it when nobody encrypts
	exact [][]byte
	fold  [][]byte // lower-case; compared with the lower-case form of what is searched
}

// textSecret searches for a text: as it is, in any case, as UTF-16, in hex and in base64.
func textSecret(s string) secret {
	out := byteSecret(fmt.Sprintf("%q", s), []byte(s))
	out.fold = append(out.fold, lower([]byte(s)))
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		var wide, wideLower []byte
		for _, u := range utf16.Encode([]rune(s)) {
			wide = order.AppendUint16(wide, u)
		}
		for _, u := range utf16.Encode([]rune(strings.ToLower(s))) {
			wideLower = order.AppendUint16(wideLower, u)
		}
		out.add(wide)
		out.fold = append(out.fold, lower(wideLower))
	}
	// Whoever folds a text before hiding it badly has hidden it badly all the same.
	for _, folded := range []string{strings.ToLower(s), strings.ToUpper(s)} {
		if folded != s {
			out.add([]byte(folded))
		}
	}
	return out
}

// byteSecret searches for bytes: as they are, in hex and in base64.
func byteSecret(name string, b []byte) secret {
	s := secret{name: name, plain: b}
	s.add(b)
	return s
}

// intSecret searches for a number: its decimal digits, its bytes as SQLite stores an integer of that
// size (six of them, big-endian) and the eight bytes of either order.
func intSecret(n int64) secret {
	s := textSecret(fmt.Sprint(n))
	big := binary.BigEndian.AppendUint64(nil, uint64(n))
	s.plain = big[2:]
	s.add(big[2:])
	s.add(binary.LittleEndian.AppendUint64(nil, uint64(n))[:6])
	return s
}

func (s *secret) add(b []byte) {
	s.exact = append(s.exact, b)
	s.fold = append(s.fold, []byte(hex.EncodeToString(b)))
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 {
			s.exact = append(s.exact, inBase64(enc, b, shift))
		}
	}
}

// inBase64 returns the characters that b has in the base64 of any bytes in which it stands at a
// position that leaves the remainder shift when divided by three; characters that carry bits of its
// neighbours are cut off.
func inBase64(enc *base64.Encoding, b []byte, shift int) []byte {
	padded := append(make([]byte, shift), b...)
	text := enc.EncodeToString(padded)
	first := (shift*8 + 5) / 6
	last := len(padded) * 8 / 6
	return []byte(text[first:last])
}

// lower folds ASCII letters only, so that lengths stay.
func lower(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}

// haystack is a file's content prepared for the search.
type haystack struct{ exact, folded []byte }

func newHaystack(content []byte) haystack { return haystack{content, lower(content)} }

// holds says whether any form of the secret is there, and which.
func (h haystack) holds(s secret) (form []byte, found bool) {
	for _, f := range s.exact {
		if bytes.Contains(h.exact, f) {
			return f, true
		}
	}
	for _, f := range s.fold {
		if bytes.Contains(h.folded, f) {
			return f, true
		}
	}
	return nil, false
}
