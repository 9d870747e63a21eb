package tags

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// FuzzTag: no tag makes the parser panic, what it accepts is written and read as the same, and every
// error says what to do.
func FuzzTag(f *testing.F) {
	for _, s := range []string{"", "-", "partition", "tenant_id, as=x ,format=bound", "t,index=global", "t,,", "t,as=", "-,as=x", "t,format=asherah,as=a=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		spec, encrypted, err := parseTag(s)
		switch {
		case err != nil:
			if !strings.Contains(err.Error(), ": ") || encrypted || spec != (tagSpec{}) {
				t.Fatalf("%q: %+v, %t, %v", s, spec, encrypted, err)
			}
		case encrypted:
			if again, ok, err := parseTag(spec.String()); err != nil || !ok || again != spec {
				t.Fatalf("%q: %+v written as %q reads as %+v, %v", s, spec, spec.String(), again, err)
			}
		case spec != (tagSpec{}):
			t.Fatalf("%q: %+v, but not encrypted", s, spec)
		}
	})
}

// FuzzStructTag: a whole struct tag never panics, and its encrypt tag is never missed: either it is
// found as package reflect finds it, or the model is refused.
func FuzzStructTag(f *testing.F) {
	for _, s := range []string{`db:"a" encrypt:"partition"`, `encrypt:partition`, `gorm:"column:x;embedded" bun:"a,type:b(c,d)" xorm:"varchar(1,2) 'x'" encrypt:"t"`, `db:"a, encrypt:"t"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tag := reflect.StructTag(s)
		_ = readColumnTag(tag)
		want, wantOK := tag.Lookup(tagKey)
		got, ok, err := lookupTag(tag)
		if err == nil && (got != want || ok != wantOK) {
			t.Fatalf("%q: %q, %t; reflect says %q, %t", s, got, ok, want, wantOK)
		}
		if err != nil || ok || !strings.Contains(fold(s), tagKey) {
			return
		}
		// The word stands in a tag that can be read to its end, as another key or inside a value.
		for rest := strings.TrimLeft(s, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
			var well bool
			if _, _, rest, well = cutPair(rest); !well {
				t.Fatalf("%q: the encrypt tag may have been missed", s)
			}
		}
	})
}

// FuzzText: whatever a column reads has a canonical text, and that reads back as the same.
func FuzzText(f *testing.F) {
	cs := columns()
	for _, v := range readVectors(f) {
		for i, c := range cs {
			if c.Kind.String() == v.Kind && c.Bits == v.Bits {
				f.Add(uint8(i), []byte(v.text(f)))
				f.Add(uint8(i), []byte(v.Value))
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, text []byte) {
		c := cs[int(which)%len(cs)]
		v, err := c.ParseText(text)
		canonical, null, err2 := c.AppendText(nil, string(text))
		if (err == nil) != (err2 == nil) || null {
			t.Fatalf("%s%d %q: read %v, written %v, %t", c.Kind, c.Bits, text, err, err2, null)
		}
		if err != nil {
			return
		}
		again, null, err := c.AppendText(nil, v)
		if err != nil || null || !bytes.Equal(again, canonical) {
			t.Fatalf("%s%d %q: %v: %q, %v; want %q", c.Kind, c.Bits, text, v, again, err, canonical)
		}
		read, err := c.ParseText(canonical)
		if f, ok := v.(float64); ok && f != f {
			return // NaN equals nothing
		}
		if err != nil || !reflect.DeepEqual(read, v) {
			t.Fatalf("%s%d %q: reads as %v, its canonical text %q as %v, %v", c.Kind, c.Bits, text, v, canonical, read, err)
		}
	})
}
