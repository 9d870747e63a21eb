package envelope

import (
	"bytes"
	"encoding/base64"
	"testing"
)

// strictBase64URL is what the standard library makes of a text, without the line breaks that it skips.
func strictBase64URL(text []byte) ([]byte, bool) {
	if bytes.ContainsAny(text, "\r\n") {
		return nil, false
	}
	out, err := base64.RawURLEncoding.Strict().DecodeString(string(text))
	if err != nil {
		return nil, false // it returns what comes before the error
	}
	return out, true
}

func checkBase64URL(t *testing.T, data []byte) {
	t.Helper()
	for _, room := range []int{0, 1, 7, len(data), 2*len(data) + 9} {
		dst := append(make([]byte, 0, 3+room), "ab."...)
		encoded := appendBase64URL(dst, data)
		if want := "ab." + base64.RawURLEncoding.EncodeToString(data); string(encoded) != want {
			t.Fatalf("encode %x: got %q, want %q", data, encoded, want)
		}
		decoded, err := appendFromBase64URL(dst, encoded[3:])
		if err != nil || string(decoded) != "ab."+string(data) {
			t.Fatalf("decode %q: got %x, %v", encoded[3:], decoded, err)
		}
		got, err := appendFromBase64URL(dst, data)
		want, ok := strictBase64URL(data)
		switch {
		case (err == nil) != ok:
			t.Fatalf("decode %q: got error %v, want success %v", data, err, ok)
		case ok && string(got) != "ab."+string(want), !ok && string(got) != "ab.":
			t.Fatalf("decode %q: got %x, want %x", data, got, want)
		}
	}
}

func TestBase64URL(t *testing.T) {
	for n := range 70 {
		data := make([]byte, n)
		for fill := range 256 {
			for i := range data {
				data[i] = byte(fill + 37*i*i)
			}
			checkBase64URL(t, data)
		}
	}
	// Every byte at every place of a group, in and behind what the tables do.
	for n := 1; n <= 26; n++ {
		for at := range n {
			for c := range 256 {
				text := bytes.Repeat([]byte{'A'}, n)
				text[at] = byte(c)
				got, err := appendFromBase64URL(nil, text)
				want, ok := strictBase64URL(text)
				if (err == nil) != ok || !bytes.Equal(got, want) {
					t.Fatalf("decode %q: got %x, %v, want %x, success %v", text, got, err, want, ok)
				}
			}
		}
	}
}

func FuzzBase64URL(f *testing.F) {
	f.Add([]byte("QUJDREVGR0hJSktMTU5PUA"))
	f.Add([]byte("AAAA\nAAAA"))
	f.Fuzz(func(t *testing.T, data []byte) { checkBase64URL(t, data) })
}

func BenchmarkBase64URL(b *testing.B) {
	data := make([]byte, 202) // the body of a record of 100 bytes
	for i := range data {
		data[i] = byte(37 * i * i)
	}
	text := appendBase64URL(nil, data)
	out := make([]byte, 0, 512)
	b.Run("encode", func(b *testing.B) {
		ratio(b, func() { base64url.AppendEncode(out, data) }, func() { appendBase64URL(out, data) })
	})
	b.Run("decode", func(b *testing.B) {
		ratio(b, func() { must(base64url.AppendDecode(out, text)) }, func() { must(appendFromBase64URL(out, text)) })
	})
}
