package protectedmem

import "testing"

func BenchmarkWithBytes(b *testing.B) {
	f := newFactory(b, Config{})
	var s Secret = mustNew(b, f, make([]byte, 32))
	sum := byte(0)
	read := func(p []byte) error { sum += p[0]; return nil }
	b.Run("one goroutine", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.WithBytes(read); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("all cores", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := s.WithBytes(func([]byte) error { return nil }); err != nil {
					b.Error(err)
				}
			}
		})
	})
	mustClose(b, s)
}

func BenchmarkNewClose(b *testing.B) {
	f := newFactory(b, Config{})
	key := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		s, err := f.New(key)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
