package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"time"
)

var benchSizes = []int{16, 100, 1024}

// floorSeal is the cryptography of sealing a value and no more: 56 random bytes,
// one key expansion, the value's seal, and 32 bytes' seal with a key that is
// ready.
func floorSeal(ready cipher.AEAD, random, wrapped, dst, payload []byte) {
	_, _ = rand.Read(random)
	block, _ := aes.NewCipher(random[:32])
	a, _ := cipher.NewGCM(block)
	ready.Seal(wrapped[:0], random[32:44], random[:32], nil)
	a.Seal(dst[:0], random[44:], payload, nil)
}

// floorOpen is the same for opening.
func floorOpen(ready cipher.AEAD, wrapped, key, dst, sealed []byte) {
	key, _ = ready.Open(key[:0], wrapped[:12], wrapped[12:], nil)
	block, _ := aes.NewCipher(key)
	a, _ := cipher.NewGCM(block)
	if _, err := a.Open(dst[:0], sealed[:12], sealed[12:], nil); err != nil {
		panic(err)
	}
}

// ratio runs fn and the floor in turns, so that both see the same machine, and
// reports fn's time in floors: the median of the turns, because the machine may
// have other things to do. The usual columns are fn's.
func ratio(b *testing.B, floor, fn func()) {
	const turn = 500
	allocs := testing.AllocsPerRun(1000, fn)
	for range 1000 { // warm up
		floor()
		fn()
	}
	var floors, fns, ratios []float64
	b.ResetTimer()
	for n := 0; n < b.N; n += turn {
		t := time.Now()
		for range turn {
			floor()
		}
		t2 := time.Now()
		for range turn {
			fn()
		}
		t3 := time.Now()
		floors = append(floors, float64(t2.Sub(t))/turn)
		fns = append(fns, float64(t3.Sub(t2))/turn)
		ratios = append(ratios, fns[len(fns)-1]/floors[len(floors)-1])
	}
	b.ReportMetric(median(fns), "ns/op")
	b.ReportMetric(median(floors), "ns/floor")
	b.ReportMetric(median(ratios), "floors")
	b.ReportMetric(allocs, "allocs")
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

type benchWorld struct {
	*world
	f *SessionFactory
	s *Session
}

func newBench(b *testing.B, cfg Config) *benchWorld {
	w := newWorld(b)
	f := w.factory(cfg, WithClock(time.Now))
	return &benchWorld{w, f, session(b, f, "tenant")}
}

func readyGCM() cipher.AEAD {
	block, _ := aes.NewCipher(make([]byte, 32))
	a, _ := cipher.NewGCM(block)
	return a
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func BenchmarkSeal(b *testing.B) {
	for _, size := range benchSizes {
		payload := make([]byte, size)
		ready, random, wrapped := readyGCM(), make([]byte, 56), make([]byte, 64)
		out := make([]byte, 4*size+1024)
		floor := func() { floorSeal(ready, random, wrapped, out, payload) }
		w := newBench(b, Config{})
		reuse := newBench(b, Config{Policy: CryptoPolicy{DataKeyReuse: 1000}})
		scope := w.f.Scope()
		defer scope.Close()
		for _, c := range []struct {
			name string
			fn   func()
		}{
			{"Encrypt", func() { must(w.s.Encrypt(ctx, payload)) }},
			{"AppendEncrypt", func() { must(w.s.AppendEncrypt(ctx, out[:0], payload)) }},
			{"AppendSeal-text", func() { must(w.s.AppendSeal(ctx, out[:0], payload, text("users.email"))) }},
			{"AppendSeal-binary", func() {
				must(w.s.AppendSeal(ctx, out[:0], payload, Binding{Context: "users.email", Encoding: EncodingBinary}))
			}},
			{"AppendSeal-reuse", func() { must(reuse.s.AppendSeal(ctx, out[:0], payload, text("users.email"))) }},
			{"Scope-first", func() {
				sc := w.f.Scope()
				must(sc.AppendSeal(ctx, out[:0], "tenant", payload, text("users.email")))
				sc.Close()
			}},
			{"Scope-single", func() {
				sc := w.f.Scope()
				sc.Single()
				must(sc.AppendSeal(ctx, out[:0], "tenant", payload, text("users.email")))
				sc.Close()
			}},
			{"Scope-next", func() { must(scope.AppendSeal(ctx, out[:0], "tenant", payload, text("users.email"))) }},
		} {
			b.Run(fmt.Sprintf("%s/%d", c.name, size), func(b *testing.B) { ratio(b, floor, c.fn) })
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, size := range benchSizes {
		payload := make([]byte, size)
		ready := readyGCM()
		key, nonce := make([]byte, 32), make([]byte, 12)
		wrapped := ready.Seal(nonce, nonce, key, nil)
		sealed := ready.Seal(nonce, nonce, payload, nil) // the same key
		out := make([]byte, 4*size+1024)
		floor := func() { floorOpen(ready, wrapped, key, out, sealed) }
		w := newBench(b, Config{})
		d := must(w.s.Encrypt(ctx, payload))
		asherah := must(w.s.AppendEncrypt(ctx, nil, payload))
		binding := text("users.email")
		bound := must(w.s.AppendSeal(ctx, nil, payload, binding))
		binary := must(w.s.AppendSeal(ctx, nil, payload, Binding{Context: "users.email", Encoding: EncodingBinary}))
		scope := w.f.Scope()
		defer scope.Close()
		row, rows := 0, make([][]byte, 1000) // a result whose rows were written one by one
		for i := range rows {
			rows[i] = must(w.s.AppendSeal(ctx, nil, payload, binding))
		}
		for _, c := range []struct {
			name string
			fn   func()
		}{
			{"Decrypt", func() { must(w.s.Decrypt(ctx, *d)) }},
			{"AppendDecrypt", func() { must(w.s.AppendDecrypt(ctx, out[:0], asherah)) }},
			{"AppendOpen-text", func() { must(w.s.AppendOpen(ctx, out[:0], bound, binding)) }},
			{"AppendOpen-binary", func() {
				must(w.s.AppendOpen(ctx, out[:0], binary, Binding{Context: "users.email", Encoding: EncodingBinary}))
			}},
			{"Scope-first", func() {
				sc := w.f.Scope()
				must(sc.AppendOpen(ctx, out[:0], "tenant", bound, binding))
				sc.Close()
			}},
			{"Scope-next", func() { must(scope.AppendOpen(ctx, out[:0], "tenant", bound, binding)) }},
			{"Scope-rows", func() {
				must(scope.AppendOpen(ctx, out[:0], "tenant", rows[row], binding))
				row = (row + 1) % len(rows)
			}},
		} {
			b.Run(fmt.Sprintf("%s/%d", c.name, size), func(b *testing.B) { ratio(b, floor, c.fn) })
		}
	}
}

// BenchmarkPartitions encrypts for 1,000 partitions in turn.
func BenchmarkPartitions(b *testing.B) {
	w := newBench(b, Config{})
	names := partitions(1000)
	sessions := make([]*Session, len(names))
	payload := make([]byte, 100)
	for range 2 {
		for i, name := range names {
			sessions[i] = session(b, w.f, name)
			must(sessions[i].Encrypt(ctx, payload))
		}
	}
	out := make([]byte, 1024)
	one := func() { must(w.s.AppendEncrypt(ctx, out[:0], payload)) }
	i := 0
	b.Run("round-robin", func(b *testing.B) {
		ratio(b, one, func() {
			must(sessions[i].AppendEncrypt(ctx, out[:0], payload))
			i = (i + 1) % len(sessions)
		})
	})
	b.Run("look-up", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			must(w.f.line(names[i%len(names)]))
		}
	})
	b.Run("Session", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			must(w.f.Session(ctx, names[i%len(names)]))
		}
	})
}

// BenchmarkSharedKey encrypts with one key from all processors.
func BenchmarkSharedKey(b *testing.B) {
	w := newBench(b, Config{})
	payload := make([]byte, 100)
	b.RunParallel(func(pb *testing.PB) {
		out := make([]byte, 1024)
		for pb.Next() {
			must(w.s.AppendEncrypt(ctx, out[:0], payload))
		}
	})
}
