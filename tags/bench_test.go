package tags

import (
	"database/sql"
	"strings"
	"testing"
	"time"
)

var benchValues = []struct {
	name string
	kind Kind
	v    any
}{
	{"string", KindString, "alice@example.com"},
	{"bytes", KindBytes, []byte("alice@example.com")},
	{"int64", KindInt, int64(-1234567890123)},
	{"bool", KindBool, true},
	{"float64", KindFloat, 1234.5678},
	{"time", KindTime, time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)},
	{"uuid", KindUUID, [16]byte{1, 2, 3}},
	{"uuid-text", KindUUID, "00112233-4455-6677-8899-AABBCCDDEEFF"},
	{"named-uuid", KindUUID, namedUUID{1, 2, 3}},
	{"string-pointer", KindString, ptr("alice@example.com")},
	{"NullString", KindString, sql.NullString{String: "alice@example.com", Valid: true}},
}

func BenchmarkAppendText(b *testing.B) {
	for _, bv := range benchValues {
		b.Run(bv.name, func(b *testing.B) {
			c := testColumn(bv.kind, 64)
			dst := make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, _, err = c.AppendText(dst[:0], bv.v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseText(b *testing.B) {
	for _, bv := range benchValues[:7] {
		b.Run(bv.name, func(b *testing.B) {
			c := testColumn(bv.kind, 64)
			text, _, err := c.AppendText(nil, bv.v)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.ParseText(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSchema(b *testing.B) {
	s, err := NewSchema(user{}, Order{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Version", func(b *testing.B) {
		for b.Loop() {
			_ = s.Version()
		}
	})
	b.Run("Table", func(b *testing.B) {
		for b.Loop() {
			_ = s.Table("users")
		}
	})
	b.Run("MarkPassed", func(b *testing.B) {
		words := strings.Fields("SELECT a b FROM c WHERE d")
		b.ReportAllocs()
		for b.Loop() {
			s.MarkPassed(words...)
		}
	})
}

// TestAppendTextDoesNotAllocate holds for the types that drivers are handed most.
func TestAppendTextDoesNotAllocate(t *testing.T) {
	for _, bv := range benchValues[:8] {
		c := testColumn(bv.kind, 64)
		dst := make([]byte, 0, 64)
		if n := testing.AllocsPerRun(100, func() {
			if _, _, err := c.AppendText(dst, bv.v); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", bv.name, n)
		}
	}
}
