package cache

import (
	"context"
	"fmt"
	"testing"
)

func BenchmarkHit(b *testing.B) {
	for _, kind := range allKinds {
		c, err := New(Config[string, *ref]{Kind: kind, Acquire: func(r *ref) { r.refs.Add(1) }})
		if err != nil {
			b.Fatal(err)
		}
		var keys []string
		for i := range 256 {
			k := fmt.Sprintf("_IK_tenant-%d_service_product", i)
			keys = append(keys, k)
			c.Put(k, new(ref))
		}
		b.Run(kind.String()+"/one goroutine", func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r, ok := c.Get(keys[i%len(keys)])
				if !ok {
					b.Fatal("miss")
				}
				r.refs.Add(-1)
				i++
			}
		})
		b.Run(kind.String()+"/all cores", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					r, ok := c.Get(keys[i%len(keys)])
					if !ok {
						b.Error("miss")
						return
					}
					r.refs.Add(-1)
				}
			})
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, kind := range allKinds {
		b.Run(kind.String(), func(b *testing.B) {
			c, err := New(Config[int, int]{Kind: kind})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for k := 0; b.Loop(); k++ {
				if _, err := c.GetOrLoad(context.Background(), k, func(context.Context) (int, error) { return k, nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
