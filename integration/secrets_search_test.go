package integration

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

// TestSearchFindsEachForm: a search that finds nothing proves something only if it could have found it.
func TestSearchFindsEachForm(t *testing.T) {
	const text = "Ada.Lovelace@göttingen.example"
	wide := func(s string, little bool) string {
		var b []byte
		for _, u := range utf16.Encode([]rune(s)) {
			if little {
				b = append(b, byte(u), byte(u>>8))
			} else {
				b = append(b, byte(u>>8), byte(u))
			}
		}
		return string(b)
	}
	hidden := map[string]string{
		"raw":              text,
		"upper":            strings.ToUpper(text),
		"lower":            strings.ToLower(text),
		"mixed":            "ADA.lovelace@göttingen.EXAMPLE",
		"hex":              hex.EncodeToString([]byte(text)),
		"hex upper":        strings.ToUpper(hex.EncodeToString([]byte(text))),
		"utf-16le":         wide(text, true),
		"utf-16be":         wide(text, false),
		"utf-16le lower":   wide(strings.ToLower(text), true),
		"base64":           base64.StdEncoding.EncodeToString([]byte(text)),
		"base64 after 1":   base64.StdEncoding.EncodeToString([]byte("x" + text + "yz")),
		"base64 after 2":   base64.URLEncoding.EncodeToString([]byte("xy" + text)),
		"base64 of upper":  base64.URLEncoding.EncodeToString([]byte(strings.ToUpper(text))),
		"base64 of utf-16": base64.StdEncoding.EncodeToString([]byte("zz" + wide(text, true) + "!")),
		"hex of lower":     hex.EncodeToString([]byte(strings.ToLower(text))),
	}
	s := newSearch(textSecret(text))
	for name, form := range hidden {
		if len(s.in([]byte("before "+form+" after"))) != 1 {
			t.Errorf("%s isn't found", name)
		}
	}
	if len(s.in(bytes.Repeat([]byte("ada.lovelace@gottingen.example "), 100))) != 0 {
		t.Error("found where the secret isn't")
	}

	n := newSearch(intSecret(129_950_017_423))
	for name, form := range map[string]string{
		"decimal":     "129950017423",
		"stored":      "\x00\x1e\x41\x9f\xe7\x8f",
		"hex decimal": hex.EncodeToString([]byte("129950017423")),
	} {
		if len(n.in([]byte("x"+form+"y"))) != 1 {
			t.Errorf("number as %s isn't found", name)
		}
	}
	// Every byte value, at every alignment, in both alphabets.
	plain := "\x00\x01ink\xff\xfe\xfb\xff"
	b := newSearch(byteSecret("bytes", []byte(plain)))
	for lead := range 6 {
		for tail := range 4 {
			whole := strings.Repeat("\xa7", lead) + plain + strings.Repeat("\x3c", tail)
			for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
				if len(b.in([]byte(enc.EncodeToString([]byte(whole))))) != 1 {
					t.Errorf("base64 with %d bytes before and %d after isn't found", lead, tail)
				}
			}
		}
	}

	// Several at once: only those that are there, wherever they stand.
	many := newSearch(textSecret(text), textSecret("at the very end"), intSecret(129_950_017_423), textSecret("nowhere to be seen"))
	found := many.in([]byte(strings.ToUpper(text) + "129950017423 ada.lov at the very end"))
	if len(found) != 3 || found[0].name != fmt.Sprintf("%q", text) || found[1].name != `"at the very end"` {
		t.Errorf("found %d of 3: %v", len(found), found)
	}

	if len(newSearch(textSecret("won't take calls")).in([]byte("VALUES ('won''t take calls')"))) != 1 {
		t.Error("a literal isn't found")
	}
}
