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
	if quoted := strings.ReplaceAll(s, "'", "''"); quoted != s {
		out.add([]byte(quoted)) // in a statement's text
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
	s := secret{name: name}
	s.add(b)
	return s
}

// intSecret searches for a number: its decimal digits, its bytes as SQLite stores an integer of that
// size (six of them, big-endian) and the eight bytes of either order.
func intSecret(n int64) secret {
	s := textSecret(fmt.Sprint(n))
	big := binary.BigEndian.AppendUint64(nil, uint64(n))
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

// search looks for many secrets at once, in one pass over what may be gigabytes.
type search struct {
	secrets       []secret
	exact, folded patterns
}

func newSearch(secrets ...secret) *search {
	s := &search{secrets: secrets}
	for i, sec := range secrets {
		for _, form := range sec.exact {
			s.exact.add(form, i)
		}
		for _, form := range sec.fold {
			s.folded.add(form, i)
		}
	}
	return s
}

// in returns the secrets of which content holds some form.
func (s *search) in(content []byte) []secret {
	found := make([]bool, len(s.secrets))
	s.exact.match(content, found)
	s.folded.match(lower(content), found)
	var out []secret
	for i, f := range found {
		if f {
			out = append(out, s.secrets[i])
		}
	}
	return out
}

// patterns finds byte strings by their first bytes.
type patterns struct {
	first [1 << 16]bool // by hash
	forms map[[gram]byte][]form
}

// gram is how many bytes a form has at least.
const gram = 4

type form struct {
	text   []byte
	secret int
}

func gramHash(b []byte) uint32 { return binary.LittleEndian.Uint32(b) * 2654435769 >> 16 }

func (p *patterns) add(text []byte, secret int) {
	if len(text) < gram {
		panic(fmt.Sprintf("a form of secret %d has only %d bytes", secret, len(text)))
	}
	if p.forms == nil {
		p.forms = map[[gram]byte][]form{}
	}
	p.first[gramHash(text)] = true
	p.forms[[gram]byte(text)] = append(p.forms[[gram]byte(text)], form{text, secret})
}

// match sets found of the secrets whose forms are in content.
func (p *patterns) match(content []byte, found []bool) {
	for i := 0; i+gram <= len(content); i++ {
		if !p.first[gramHash(content[i:])] {
			continue
		}
		for _, f := range p.forms[[gram]byte(content[i:])] {
			if !found[f.secret] && bytes.HasPrefix(content[i:], f.text) {
				found[f.secret] = true
			}
		}
	}
}
