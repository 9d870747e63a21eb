package tags

import (
	"bytes"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// columns has one column of every kind and width.
func columns() []*Column {
	var cs []*Column
	for k := KindString; k.Valid(); k++ {
		widths := []int{0}
		switch k {
		case KindInt, KindUint:
			widths = []int{8, 16, 32, 64}
		case KindFloat:
			widths = []int{32, 64}
		}
		for _, bits := range widths {
			cs = append(cs, testColumn(k, bits))
		}
	}
	return cs
}

// anyValue draws a value of any type that AppendText knows without reflection.
func anyValue() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.String().AsAny(),
		rapid.SliceOf(rapid.Byte()).AsAny(),
		rapid.StringMatching(`[-+]?[0-9]{1,22}(\.[0-9]{1,4})?([eE][-+]?[0-9]{1,3})?`).AsAny(),
		rapid.Bool().AsAny(),
		rapid.Int64().AsAny(), rapid.Int32().AsAny(), rapid.Int16().AsAny(), rapid.Int8().AsAny(),
		rapid.Uint64().AsAny(), rapid.Uint32().AsAny(), rapid.Uint16().AsAny(), rapid.Uint8().AsAny(),
		rapid.Float64().AsAny(), rapid.Float32().AsAny(),
		rapid.Custom(drawTime).AsAny(),
		rapid.Custom(drawUUID).AsAny(),
	)
}

func drawTime(t *rapid.T) time.Time {
	seconds := rapid.Int64Range(-62167219200-1e6, 253402300799+1e6).Draw(t, "seconds")
	zone := time.FixedZone("", rapid.IntRange(-14*3600, 14*3600).Draw(t, "zone"))
	return time.Unix(seconds, rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).In(zone)
}

func drawUUID(t *rapid.T) [16]byte {
	return [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
}

// TestWhatIsWrittenReadsBack: whatever a column takes, its canonical text reads back, and what was read
// has the same canonical text, also as an argument of other types that hold it.
func TestWhatIsWrittenReadsBack(t *testing.T) {
	cs := columns()
	written := make([]int, len(cs))
	check := func(t interface{ Fatalf(string, ...any) }, v any) {
		for i, c := range cs {
			text, null, err := c.AppendText([]byte("x"), v)
			if err != nil || null {
				if !bytes.Equal(text, []byte("x")) {
					t.Fatalf("%s%d: %T: dst %q", c.Kind, c.Bits, v, text)
				}
				continue
			}
			written[i]++
			text = text[1:]
			if c.Padded() && (len(text) == 0 || len(text) > PaddedLen) {
				t.Fatalf("%s%d: %T: %q doesn't fit the padding", c.Kind, c.Bits, v, text)
			}
			read, err := c.ParseText(text)
			if err != nil {
				t.Fatalf("%s%d: %T: %q: %v", c.Kind, c.Bits, v, text, err)
			}
			for _, v := range []any{read, &read, string(text), text} {
				if p, ok := v.(*any); ok {
					v = *p
				}
				again, null, err := c.AppendText(nil, v)
				if err != nil || null || !bytes.Equal(again, text) {
					t.Fatalf("%s%d: %T: %q, %t, %v; want %q", c.Kind, c.Bits, v, again, null, err, text)
				}
			}
		}
	}
	// One value that suits each kind, however few are drawn.
	for _, v := range []any{"text", true, int64(1), 0.5, time.Unix(1, 0), [16]byte{1}} {
		check(t, v)
	}
	rapid.Check(t, func(t *rapid.T) { check(t, anyValue().Draw(t, "value")) })
	for i, c := range cs {
		if written[i] == 0 {
			t.Errorf("%s%d took none of the values", c.Kind, c.Bits)
		}
	}
}

// TestNumbersConvertExactly: a number that a column takes is the number that it gives back.
func TestNumbersConvertExactly(t *testing.T) {
	numbers := []*Column{}
	for _, c := range columns() {
		if c.Kind == KindInt || c.Kind == KindUint || c.Kind == KindFloat {
			numbers = append(numbers, c)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.Float64().Draw(t, "float")
		i := rapid.Int64().Draw(t, "int")
		u := rapid.Uint64().Draw(t, "uint")
		for _, c := range numbers {
			for _, v := range []any{f, math.Trunc(f), i, u} {
				text, _, err := c.AppendText(nil, v)
				if err != nil {
					continue
				}
				read, err := c.ParseText(text)
				if err != nil {
					t.Fatal(err)
				}
				if !sameNumber(v, read) {
					t.Fatalf("%s%d: %T %v reads back as %T %v", c.Kind, c.Bits, v, v, read, read)
				}
			}
		}
		// What a type holds, a column of that type takes.
		for _, tc := range []struct {
			kind Kind
			v    any
		}{{KindFloat, f}, {KindInt, i}, {KindUint, u}} {
			if _, _, err := testColumn(tc.kind, 64).AppendText(nil, tc.v); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// sameNumber compares without a conversion that could round.
func sameNumber(a, b any) bool {
	sign := func(v any) (neg bool, whole uint64, fraction float64, nan bool) {
		switch v := v.(type) {
		case int64:
			if v < 0 {
				return true, -uint64(v), 0, false
			}
			return false, uint64(v), 0, false
		case uint64:
			return false, v, 0, false
		case float64:
			if math.IsNaN(v) {
				return false, 0, 0, true
			}
			if math.Abs(v) < 1<<64 && v == math.Trunc(v) {
				return v < 0, uint64(math.Abs(v)), 0, false
			}
			return v < 0, 0, math.Abs(v), false
		}
		panic("not a number")
	}
	n1, w1, f1, nan1 := sign(a)
	n2, w2, f2, nan2 := sign(b)
	return n1 == n2 && w1 == w2 && f1 == f2 && nan1 == nan2
}

func TestTimesConvertExactly(t *testing.T) {
	c := testColumn(KindTime, 0)
	rapid.Check(t, func(t *rapid.T) {
		tm := drawTime(t)
		text, _, err := c.AppendText(nil, tm)
		if year := tm.UTC().Year(); year < 0 || year > 9999 {
			if err == nil {
				t.Fatalf("year %d: %q", year, text)
			}
			return
		}
		const layout = "2006-01-02T15:04:05.000000000Z"
		if want := tm.UTC().Format(layout); err != nil || string(text) != want {
			t.Fatalf("%q, %v; want %q", text, err, want)
		}
		read, err := c.ParseText(text)
		if got, ok := read.(time.Time); err != nil || !ok || !got.Equal(tm) {
			t.Fatalf("%v, %v; want %v", read, err, tm)
		}
	})
}
