package protectedmem

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// Any history of making, reading and closing secrets: each keeps its own
// content, nothing overlaps, the books agree, and at the end all is given back.
func TestRandomHistories(t *testing.T) {
	f := newFactory(t, Config{})
	rapid.Check(t, func(t *rapid.T) {
		type held struct {
			secret *secret
			want   []byte
		}
		var live []held
		total := 0
		size := rapid.OneOf(rapid.IntRange(1, 200), rapid.SampledFrom([]int{32, 64, 128, 4080, 4096, 4097, 8176, 8192, 20_000}))
		closeAt := func(i int) {
			h := live[i]
			if err := h.secret.Close(); err != nil {
				t.Fatal(err)
			}
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
			total -= len(h.want)
		}
		t.Repeat(map[string]func(*rapid.T){
			"make": func(t *rapid.T) {
				n := size.Draw(t, "size")
				want := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, n)
				s, err := f.New(bytes.Clone(want))
				if err != nil {
					t.Fatal(err)
				}
				live = append(live, held{s.(*secret), want})
				total += n
			},
			"make many": func(t *rapid.T) {
				for range rapid.IntRange(300, 1000).Draw(t, "count") {
					s, err := f.New([]byte{1, 2, 3})
					if err != nil {
						t.Fatal(err)
					}
					live = append(live, held{s.(*secret), []byte{1, 2, 3}})
					total += 3
				}
			},
			"close one": func(t *rapid.T) {
				if len(live) > 0 {
					closeAt(rapid.IntRange(0, len(live)-1).Draw(t, "which"))
				}
			},
			"close most": func(t *rapid.T) {
				for len(live) > 3 {
					closeAt(rapid.IntRange(0, len(live)-1).Draw(t, "which"))
				}
			},
			"read one": func(t *rapid.T) {
				if len(live) == 0 {
					return
				}
				h := live[rapid.IntRange(0, len(live)-1).Draw(t, "which")]
				if err := h.secret.WithBytes(func(b []byte) error {
					if !bytes.Equal(b, h.want) {
						return errors.New("another content")
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				if n, b := f.InUse(); n != len(live) || b != total {
					t.Fatalf("InUse %d, %d; want %d, %d", n, b, len(live), total)
				}
				checkArena(t, f.arena)
			},
		})
		for _, h := range live {
			if !bytes.Equal(h.secret.slot.data, h.want) {
				t.Fatal("another content at the end")
			}
		}
		for len(live) > 0 {
			closeAt(len(live) - 1)
		}
		if f.Locked() > maxRegion {
			t.Fatalf("%d bytes locked without a secret", f.Locked())
		}
	})
}

// checkArena checks what must hold between any two calls.
func checkArena(t *rapid.T, a *arena) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for size, c := range a.classes {
		if c.regions == 0 {
			t.Fatalf("class %d has no regions", size)
		}
		for i, r := range c.free {
			if r.pos != i || r.class != c || r.slotSize != size {
				t.Fatalf("class %d: region %d has lost its place", size, i)
			}
			if r.full() || r.used == 0 {
				t.Fatalf("class %d: region %d with %d of %d slots in use is listed", size, i, r.used, r.used+len(r.free))
			}
			seen := make(map[int32]bool)
			for _, n := range r.free {
				if seen[n] {
					t.Fatalf("class %d: a slot is free twice", size)
				}
				seen[n] = true
			}
			if got, want := r.used+len(r.free), len(r.mem)/(size+canaryLen); got != want {
				t.Fatalf("class %d: region %d has %d slots, want %d", size, i, got, want)
			}
		}
	}
	if a.spare != nil && a.spare.used != 0 {
		t.Fatal("the region in reserve is in use")
	}
}

func TestSizes(t *testing.T) {
	for _, c := range []struct{ n, slot int }{
		{1, 32}, {32, 32}, {33, 64}, {64, 64}, {65, 128}, {1000, 1024}, {pageSize, pageSize},
	} {
		slot, least := sizes(c.n)
		if slot != c.slot || least%pageSize != 0 || least < slot+canaryLen || least > pages(slot+canaryLen) {
			t.Errorf("%d bytes: slot %d, region %d", c.n, slot, least)
		}
	}
	for _, n := range []int{pageSize + 1, 2*pageSize - canaryLen, 2 * pageSize, maxSecret} {
		slot, least := sizes(n)
		if slot < n || least != slot+canaryLen || least%pageSize != 0 || least-n >= pageSize+canaryLen {
			t.Errorf("%d bytes: slot %d, region %d", n, slot, least)
		}
	}
}
