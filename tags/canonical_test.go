package tags

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// vector is one case of testdata/canonical.json: a value of the Go type go, converted for a column of
// the given kind and width, has the canonical text text, is NULL, or is refused with a ConvertError of
// that cause. Values and texts that JSON can't hold stand in hexadecimal.
type vector struct {
	Kind     string
	Bits     int
	Go       string
	Value    string
	ValueHex string `json:"value_hex"`
	Text     string
	TextHex  string `json:"text_hex"`
	Null     bool
	Error    string
}

func (v vector) String() string {
	return fmt.Sprintf("%s%d from %s %q%s", v.Kind, v.Bits, v.Go, v.Value, v.ValueHex)
}

func readVectors(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile("testdata/canonical.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []vector
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&vs); err != nil {
		t.Fatal(err)
	}
	return vs
}

func kindByName(t testing.TB, name string) Kind {
	t.Helper()
	for k := KindString; k.Valid(); k++ {
		if k.String() == name {
			return k
		}
	}
	t.Fatalf("no kind %q", name)
	return 0
}

// value builds the Go value of a vector.
func (v vector) value(t testing.TB) any {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatalf("%s: %v", v, err)
		}
	}
	raw := v.Value
	if v.ValueHex != "" {
		b, err := hex.DecodeString(v.ValueHex)
		must(err)
		raw = string(b)
	}
	number := map[string]reflect.Type{
		"int": reflect.TypeFor[int](), "int8": reflect.TypeFor[int8](), "int16": reflect.TypeFor[int16](),
		"int32": reflect.TypeFor[int32](), "int64": reflect.TypeFor[int64](),
		"uint": reflect.TypeFor[uint](), "uint8": reflect.TypeFor[uint8](), "uint16": reflect.TypeFor[uint16](),
		"uint32": reflect.TypeFor[uint32](), "uint64": reflect.TypeFor[uint64](),
		"float32": reflect.TypeFor[float32](), "float64": reflect.TypeFor[float64](),
	}
	if typ, ok := number[v.Go]; ok {
		n := reflect.New(typ).Elem()
		switch {
		case n.CanInt():
			i, err := strconv.ParseInt(raw, 10, typ.Bits())
			must(err)
			n.SetInt(i)
		case n.CanUint():
			u, err := strconv.ParseUint(raw, 10, typ.Bits())
			must(err)
			n.SetUint(u)
		default:
			f, err := strconv.ParseFloat(raw, typ.Bits())
			must(err)
			n.SetFloat(f)
		}
		return n.Interface()
	}
	switch v.Go {
	case "nil":
		return nil
	case "string":
		return raw
	case "[]byte":
		return []byte(raw)
	case "[]byte(nil)":
		return []byte(nil)
	case "json.RawMessage":
		return json.RawMessage(raw)
	case "bool":
		return raw == "true"
	case "[16]byte":
		return [16]byte([]byte(raw))
	case "time":
		switch raw {
		case "year -1":
			return time.Date(-1, 12, 31, 23, 59, 59, 0, time.UTC)
		case "year 10000":
			return time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
		case "monotonic":
			now := time.Now()
			return now.Add(time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC).Sub(now.Round(0)))
		}
		tm, err := time.Parse(time.RFC3339Nano, raw)
		must(err)
		return tm
	}
	t.Fatalf("%s: no such Go type", v)
	return nil
}

func (v vector) text(t testing.TB) string {
	if v.TextHex == "" {
		return v.Text
	}
	b, err := hex.DecodeString(v.TextHex)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// testColumn returns a column that stands in a table, for tests of values alone.
func testColumn(k Kind, bits int) *Column {
	table := &Table{Schema: "app", Name: "things"}
	c := &Column{Table: table, Name: "col", Field: "Thing.Col", Kind: k, Bits: bits}
	table.Columns = []*Column{c}
	return c
}

func TestCanonicalVectors(t *testing.T) {
	texts, nulls, failures := map[Kind]int{}, map[Kind]int{}, map[Kind]int{}
	for _, v := range readVectors(t) {
		kind := kindByName(t, v.Kind)
		c := testColumn(kind, v.Bits)
		text, null, err := c.AppendText([]byte("before:"), v.value(t))
		if !strings.HasPrefix(string(text), "before:") {
			t.Fatalf("%s: dst was changed: %q", v, text)
		}
		text = text[len("before:"):]
		switch {
		case v.Error != "":
			failures[kind]++
			checkConvertError(t, v, err)
			if len(text) != 0 {
				t.Errorf("%s: text %q beside an error", v, text)
			}
		case err != nil:
			t.Errorf("%s: %v", v, err)
		case v.Null:
			nulls[kind]++
			if !null || len(text) != 0 {
				t.Errorf("%s: text %q, null %t; want NULL", v, text, null)
			}
		default:
			texts[kind]++
			if null || string(text) != v.text(t) {
				t.Errorf("%s: text %q, null %t; want %q", v, text, null, v.text(t))
			}
			checkReadsBack(t, c, v, text)
		}
	}
	for k := KindString; k.Valid(); k++ {
		if texts[k] == 0 || nulls[k] == 0 || failures[k] == 0 {
			t.Errorf("kind %s: %d texts, %d NULLs, %d errors: want some of each", k, texts[k], nulls[k], failures[k])
		}
	}
}

func checkConvertError(t *testing.T, v vector, err error) {
	t.Helper()
	var ce *ConvertError
	if !errors.As(err, &ce) {
		t.Errorf("%s: error %v; want a ConvertError %q", v, err, v.Error)
		return
	}
	if ce.Cause != v.Error || ce.Table != "app.things" || ce.Column != "col" || ce.Want.String() != v.Kind || ce.Got == "" {
		t.Errorf("%s: %+v; want the cause %q", v, ce, v.Error)
	}
	msg := err.Error()
	if !strings.HasPrefix(msg, "convert value: app.things.col: ") || !strings.HasSuffix(msg, remedies[ce.Want]) {
		t.Errorf("%s: text %q lacks place or remedy", v, msg)
	}
	// Short values are parts of ordinary words, so only longer ones can be looked for.
	if len(v.Value) > 5 && strings.Contains(msg, v.Value) {
		t.Errorf("%s: text %q shows the value", v, msg)
	}
}

// checkReadsBack checks that a canonical text reads as the kind's Go type and is written the same again.
func checkReadsBack(t *testing.T, c *Column, v vector, text []byte) {
	t.Helper()
	got, err := c.ParseText(text)
	if err != nil {
		t.Errorf("%s: read back: %v", v, err)
		return
	}
	ok := false
	switch got := got.(type) {
	case string:
		ok = c.Kind == KindString || c.Kind == KindUUID
	case []byte:
		ok = c.Kind == KindBytes || c.Kind == KindJSON
	case bool:
		ok = c.Kind == KindBool
	case int64:
		ok = c.Kind == KindInt || c.Kind == KindUint && got >= 0
	case uint64:
		ok = c.Kind == KindUint && got > math.MaxInt64
	case float64:
		ok = c.Kind == KindFloat
	case time.Time:
		ok = c.Kind == KindTime && got.Location() == time.UTC
	}
	if !ok {
		t.Errorf("%s: read back as %T", v, got)
	}
	again, null, err := c.AppendText(nil, got)
	if err != nil || null || string(again) != string(text) {
		t.Errorf("%s: written again: %q, %t, %v; want %q", v, again, null, err, text)
	}
	if c.Padded() {
		padded := Pad(append([]byte(nil), text...))
		if unpadded, err := Unpad(padded); len(padded) != PaddedLen || err != nil || string(unpadded) != string(text) {
			t.Errorf("%s: padded %q, unpadded %q, %v", v, padded, unpadded, err)
		}
	}
}

func TestParseTextRefusesWhatIsNoCanonicalText(t *testing.T) {
	for _, tc := range []struct {
		kind Kind
		bits int
		text string
	}{
		{KindBool, 0, ""}, {KindBool, 0, "secret"},
		{KindInt, 8, "128"}, {KindInt, 64, "1e3"}, {KindInt, 64, "7.5"},
		{KindUint, 16, "-1"}, {KindUint, 16, "65536"},
		{KindFloat, 64, "secret"}, {KindFloat, 32, "0.123456789"},
		{KindTime, 0, "yesterday"}, {KindTime, 0, "10000-01-01T00:00:00Z"},
		{KindUUID, 0, "secret"}, {KindUUID, 0, "0123456789abcdef"},
		{0, 0, "secret"},
	} {
		c := testColumn(tc.kind, tc.bits)
		v, err := c.ParseText([]byte(tc.text))
		var ce *ConvertError
		if v != nil || !errors.As(err, &ce) {
			t.Errorf("%s%d: %v, %v; want a ConvertError", tc.kind, tc.bits, v, err)
			continue
		}
		msg := err.Error()
		if !strings.Contains(msg, "app.things.col: stored text to ") || !strings.Contains(msg, ce.Cause) || strings.Contains(msg, "secret") {
			t.Errorf("%s%d: text %q", tc.kind, tc.bits, msg)
		}
	}
}

func TestParseTextReadsWhatOthersWrote(t *testing.T) {
	for _, tc := range []struct {
		kind Kind
		text string
		want any
	}{
		{KindBool, "TRUE", true},
		{KindInt, "7.0", int64(7)},
		{KindInt, "-9223372036854775808", int64(math.MinInt64)},
		{KindUint, "18446744073709551615", uint64(math.MaxUint64)},
		{KindUint, "9223372036854775807", int64(math.MaxInt64)},
		{KindUint, "9223372036854775808", uint64(1 << 63)},
		{KindFloat, "1.50", 1.5},
		{KindTime, "2024-05-06T09:08:09+02:00", time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)},
		{KindUUID, "{00112233-4455-6677-8899-AABBCCDDEEFF}", "00112233-4455-6677-8899-aabbccddeeff"},
	} {
		got, err := testColumn(tc.kind, 0).ParseText([]byte(tc.text))
		if err != nil || got != tc.want {
			t.Errorf("%s %q: %v (%T), %v; want %v", tc.kind, tc.text, got, got, err, tc.want)
		}
	}
}

func TestParseTextKeepsNothingOfItsInput(t *testing.T) {
	for _, k := range []Kind{KindString, KindBytes, KindJSON} {
		text := []byte("abc")
		got, err := testColumn(k, 0).ParseText(text)
		if err != nil {
			t.Fatal(err)
		}
		text[0] = 'X'
		if fmt.Sprintf("%s", got) != "abc" {
			t.Errorf("%s: the result changed with the input", k)
		}
	}
	if got, err := testColumn(KindBytes, 0).ParseText(nil); err != nil || got.([]byte) == nil {
		t.Errorf("no bytes: %v, %v; want an empty slice, which isn't NULL", got, err)
	}
}

func TestUnpadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"too short":       "true",
		"too long":        strings.Repeat("1", PaddedLen+1),
		"nothing":         strings.Repeat("\x00", PaddedLen),
		"NUL in the text": "1\x002" + strings.Repeat("\x00", PaddedLen-3),
	} {
		if got, err := Unpad([]byte(text)); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
	full := strings.Repeat("1", PaddedLen)
	if got, err := Unpad(Pad([]byte(full))); err != nil || string(got) != full {
		t.Errorf("a text of the full length: %q, %v", got, err)
	}
}
