package aead

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectors are cases 13, 14 and 16 of the GCM submission to NIST (McGrew and
// Viega, "The Galois/Counter Mode of Operation", appendix B); its cases with
// associated data are for the bound layout, those without for both.
var vectors = []struct{ key, nonce, plain, ad, cipher, tag string }{
	{
		key:   strings.Repeat("00", 32),
		nonce: strings.Repeat("00", 12),
		tag:   "530f8afbc74536b9a963b4f1c4cb738b",
	},
	{
		key:    strings.Repeat("00", 32),
		nonce:  strings.Repeat("00", 12),
		plain:  strings.Repeat("00", 16),
		cipher: "cea7403d4d606b6e074ec5d3baf39d18",
		tag:    "d0d1c8a799996bf0265b98b5d48ab919",
	},
	{
		key:   "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
		nonce: "cafebabefacedbaddecaf888",
		plain: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
			"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		ad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		cipher: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
			"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
		tag: "76fc6ece0f4e1768cddf8853bb2d551b",
	},
}

func TestKnownAnswers(t *testing.T) {
	for i, v := range vectors {
		key, nonce, plain, ad := unhex(t, v.key), unhex(t, v.nonce), unhex(t, v.plain), unhex(t, v.ad)
		body := unhex(t, v.cipher+v.tag)
		c, err := NewCipherRandom(key, bytes.NewReader(slices.Concat(nonce, nonce)))
		if err != nil {
			t.Fatal(err)
		}
		bound := slices.Concat(nonce, body)
		if got, err := c.AppendSealAD(nil, plain, ad); err != nil || !bytes.Equal(got, bound) {
			t.Errorf("%d: bound: %v\n got %x\nwant %x", i, err, got, bound)
		}
		if got, err := AppendOpenAD(nil, key, bound, ad); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d: open bound: %x, %v", i, got, err)
		}
		if len(ad) > 0 {
			continue
		}
		canonical := slices.Concat(body, nonce)
		if got, err := c.AppendSeal(nil, plain); err != nil || !bytes.Equal(got, canonical) {
			t.Errorf("%d: canonical: %v\n got %x\nwant %x", i, err, got, canonical)
		}
		if got, err := AppendOpen(nil, key, canonical); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d: open canonical: %x, %v", i, got, err)
		}
	}
}

var testKey = []byte("0123456789abcdef0123456789ABCDEF")

// layout is one of the two, so that a test says what holds for both.
type layout struct {
	name string
	seal func(dst, key, plain []byte) ([]byte, error)
	open func(dst, key, sealed []byte) ([]byte, error)
}

var ad = []byte("associated data")

func onceEach(f func(c *Cipher) ([]byte, error), dst, key []byte) ([]byte, error) {
	c, err := NewCipher(key)
	if err != nil {
		return dst, err
	}
	return f(c)
}

var layouts = []layout{
	{"canonical", AppendSeal, AppendOpen},
	{"bound",
		func(dst, key, plain []byte) ([]byte, error) { return AppendSealAD(dst, key, plain, ad) },
		func(dst, key, sealed []byte) ([]byte, error) { return AppendOpenAD(dst, key, sealed, ad) }},
	{"canonical, prepared",
		func(dst, key, plain []byte) ([]byte, error) {
			return onceEach(func(c *Cipher) ([]byte, error) { return c.AppendSeal(dst, plain) }, dst, key)
		},
		func(dst, key, sealed []byte) ([]byte, error) {
			return onceEach(func(c *Cipher) ([]byte, error) { return c.AppendOpen(dst, sealed) }, dst, key)
		}},
	{"bound, prepared",
		func(dst, key, plain []byte) ([]byte, error) {
			return onceEach(func(c *Cipher) ([]byte, error) { return c.AppendSealAD(dst, plain, ad) }, dst, key)
		},
		func(dst, key, sealed []byte) ([]byte, error) {
			return onceEach(func(c *Cipher) ([]byte, error) { return c.AppendOpenAD(dst, sealed, ad) }, dst, key)
		}},
}

func each(t *testing.T, f func(t *testing.T, l layout)) {
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) { f(t, l) })
	}
}

func TestSealedDataOpens(t *testing.T) {
	each(t, func(t *testing.T, l layout) {
		for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 33, 1000, 1 << 20} {
			plain := bytes.Repeat([]byte{0xa5}, n)
			sealed, err := l.seal(nil, testKey, plain)
			if err != nil || len(sealed) != n+Overhead {
				t.Fatalf("%d bytes: sealed to %d, %v", n, len(sealed), err)
			}
			got, err := l.open(nil, testKey, sealed)
			if err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%d bytes: %v", n, err)
			}
			again, err := l.seal(nil, testKey, plain)
			if err != nil || bytes.Equal(sealed, again) {
				t.Fatalf("%d bytes: sealed twice alike: the nonce isn't random", n)
			}
		}
	})
}

func TestResultsAreAppended(t *testing.T) {
	each(t, func(t *testing.T, l layout) {
		plain := []byte("plaintext")
		for _, spare := range []int{0, 1, len(plain), len(plain) + Overhead, 200} {
			dst := append(make([]byte, 0, 6+spare), "prefix"...)
			sealed, err := l.seal(dst, testKey, plain)
			if err != nil || string(sealed[:6]) != "prefix" || len(sealed) != 6+len(plain)+Overhead {
				t.Fatalf("spare %d: %q, %v", spare, sealed, err)
			}
			dst = append(make([]byte, 0, 6+spare), "prefix"...)
			got, err := l.open(dst, testKey, sealed[6:])
			if err != nil || string(got) != "prefixplaintext" {
				t.Fatalf("spare %d: %q, %v", spare, got, err)
			}
			if inPlace := &got[0] == &dst[0]; spare >= len(plain) && !inPlace {
				t.Errorf("spare %d: dst had room, and yet the result is elsewhere", spare)
			}
		}
	})
}

func TestEveryAlteredBitIsNoticed(t *testing.T) {
	each(t, func(t *testing.T, l layout) {
		sealed, err := l.seal(nil, testKey, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 * len(sealed) {
			bad := bytes.Clone(sealed)
			bad[i/8] ^= 1 << (i % 8)
			if _, err := l.open(nil, testKey, bad); !errors.Is(err, ErrAuth) {
				t.Fatalf("bit %d altered: %v", i, err)
			}
		}
	})
}

func TestShortDataIsRefused(t *testing.T) {
	each(t, func(t *testing.T, l layout) {
		sealed, err := l.seal(nil, testKey, nil)
		if err != nil {
			t.Fatal(err)
		}
		for n := range Overhead {
			want := ErrAuth
			if n < NonceLen {
				want = ErrShort
			}
			for _, b := range [][]byte{sealed[:n], sealed[Overhead-n:], make([]byte, n)} {
				if got, err := l.open(nil, testKey, b); !errors.Is(err, want) || got != nil {
					t.Errorf("%d bytes: %x, %v; want %v", n, got, err, want)
				}
			}
		}
		if got, err := l.open(nil, testKey, sealed); err != nil || len(got) != 0 {
			t.Errorf("an empty plaintext: %x, %v", got, err)
		}
	})
	if ErrShort.Error() != "data length is shorter than nonce size" {
		t.Error("other SDKs' users look for this text")
	}
}

func TestAnotherKeyOpensNothing(t *testing.T) {
	each(t, func(t *testing.T, l layout) {
		sealed, err := l.seal(nil, testKey, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		other := bytes.Clone(testKey)
		other[31] ^= 1
		if _, err := l.open(nil, other, sealed); !errors.Is(err, ErrAuth) {
			t.Error(err)
		}
	})
}

func TestAssociatedDataMustBeEqual(t *testing.T) {
	sealed, err := AppendSealAD(nil, testKey, []byte("secret"), ad)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range [][]byte{nil, ad[1:], ad[:len(ad)-1], append(bytes.Clone(ad), 0), []byte("associated datA")} {
		if _, err := AppendOpenAD(nil, testKey, sealed, other); !errors.Is(err, ErrAuth) {
			t.Errorf("%q: %v", other, err)
		}
	}
	// The layouts aren't each other's, with no associated data either.
	bare, err := AppendSealAD(nil, testKey, []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := AppendOpen(nil, testKey, bare); !errors.Is(err, ErrAuth) {
		t.Error(err)
	}
}

func TestKeysOfOtherLengthsAreRefused(t *testing.T) {
	each(t, func(t *testing.T, l layout) {
		for _, n := range []int{0, 16, 24, 31, 33} {
			dst := []byte("dst")
			got, err := l.seal(dst, make([]byte, n), nil)
			if err == nil || !strings.Contains(err.Error(), "want 32 bytes, got ") || string(got) != "dst" {
				t.Errorf("seal, %d bytes: %q, %v", n, got, err)
			}
			got, err = l.open(dst, make([]byte, n), make([]byte, 100))
			if err == nil || !strings.Contains(err.Error(), "want 32 bytes, got ") || string(got) != "dst" {
				t.Errorf("open, %d bytes: %q, %v", n, got, err)
			}
		}
	})
}

func TestAFailureLeavesDstAndNoPlaintext(t *testing.T) {
	each(t, func(t *testing.T, l layout) {
		plain := bytes.Repeat([]byte("secret"), 100)
		sealed, err := l.seal(nil, testKey, plain)
		if err != nil {
			t.Fatal(err)
		}
		sealed[len(sealed)/2] ^= 1
		dst := append(make([]byte, 0, 1000), "prefix"...)
		got, err := l.open(dst, testKey, sealed)
		if !errors.Is(err, ErrAuth) || string(got) != "prefix" {
			t.Errorf("%q, %v", got, err)
		}
		if bytes.Contains(dst[:cap(dst)], []byte("secret")) {
			t.Error("unauthenticated plaintext was left behind dst")
		}
	})
}

func TestOverlap(t *testing.T) {
	each(t, func(t *testing.T, l layout) {
		plain := []byte("sixteen bytes... and some more")
		n := len(plain)
		// Where the plaintext must stand, relative to dst's end, to be sealed in
		// place, and the sealed data to be opened in place.
		sealAt, openAt := 0, 0
		if strings.HasPrefix(l.name, "bound") {
			sealAt, openAt = NonceLen, -NonceLen
		}
		const start = 100
		for off := -n - Overhead - 1; off <= n+Overhead+1; off++ {
			buf := make([]byte, 300)
			in := buf[start+off : start+off+n]
			copy(in, plain)
			got, err := l.seal(buf[:start], testKey, in)
			apart := off <= -n || off >= n+Overhead
			if want := apart || off == sealAt; want != (err == nil) || !want && !errors.Is(err, ErrOverlap) {
				t.Fatalf("seal, plaintext %d bytes after dst: %v", off, err)
			}
			if err == nil {
				if back, err := l.open(nil, testKey, got[start:]); err != nil || !bytes.Equal(back, plain) {
					t.Fatalf("seal, plaintext %d bytes after dst: opens to %q, %v", off, back, err)
				}
			} else if !bytes.Equal(in, plain) {
				t.Fatalf("a refused seal changed its input")
			}
		}
		sealed, err := l.seal(nil, testKey, plain)
		if err != nil {
			t.Fatal(err)
		}
		const at = 100
		for off := -len(sealed) - 1; off <= n+1; off++ {
			buf := make([]byte, 300)
			in := buf[at+off : at+off+len(sealed)]
			copy(in, sealed)
			got, err := l.open(buf[:at], testKey, in)
			apart := off <= -len(sealed) || off >= n
			if want := apart || off == openAt; want != (err == nil) || !want && !errors.Is(err, ErrOverlap) {
				t.Fatalf("open, sealed %d bytes after dst: %v", off, err)
			}
			if err == nil && !bytes.Equal(got[at:], plain) {
				t.Fatalf("open, sealed %d bytes after dst: %q", off, got[at:])
			}
		}
	})
}

func TestAssociatedDataMayNotBeOverwritten(t *testing.T) {
	buf := make([]byte, 300)
	data := append(buf[:20], ad...)[20:] // behind dst, which is buf[:0]
	if _, err := AppendSealAD(buf[:0], testKey, []byte("secret"), data); !errors.Is(err, ErrOverlap) {
		t.Error(err)
	}
	sealed, err := AppendSealAD(nil, testKey, make([]byte, 40), ad)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := AppendOpenAD(buf[:0], testKey, sealed, data); !errors.Is(err, ErrOverlap) {
		t.Error(err)
	}
	if got, err := AppendOpenAD(buf[:0], testKey, sealed, ad); err != nil || len(got) != 40 {
		t.Error(err)
	}
}

func TestARandomSourceThatFailsIsAnError(t *testing.T) {
	c, err := NewCipherRandom(testKey, io.LimitReader(bytes.NewReader(make([]byte, 100)), NonceLen+5))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AppendSeal(nil, nil); err != nil {
		t.Fatal(err)
	}
	dst := []byte("dst")
	if got, err := c.AppendSeal(dst, []byte("secret")); !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "dst" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := c.AppendSealAD(dst, []byte("secret"), ad); !errors.Is(err, io.EOF) || string(got) != "dst" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestACipherIsSharedByGoroutines(t *testing.T) {
	c, err := NewCipher(testKey)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			plain := bytes.Repeat([]byte{byte(i)}, 100)
			for range 100 {
				sealed, err := c.AppendSealAD(nil, plain, ad)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := c.AppendOpenAD(nil, sealed, ad); err != nil || !bytes.Equal(got, plain) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestNoAllocationsWithRoom(t *testing.T) {
	c, err := NewCipher(testKey)
	if err != nil {
		t.Fatal(err)
	}
	plain := make([]byte, 100)
	sealed, opened := make([]byte, 0, 200), make([]byte, 0, 200)
	n := testing.AllocsPerRun(100, func() {
		s, err := c.AppendSealAD(sealed, plain, ad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.AppendOpenAD(opened, s, ad); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzOpen(f *testing.F) {
	c, err := NewCipher(testKey)
	if err != nil {
		f.Fatal(err)
	}
	// The same in every process that the fuzzer starts.
	fixed, err := NewCipherRandom(testKey, bytes.NewReader(make([]byte, NonceLen)))
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := fixed.AppendSeal(nil, []byte("seed"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed, ad)
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, data, ad []byte) {
		// Nobody without the key makes anything that opens.
		if !bytes.Equal(data, sealed) {
			if _, err := c.AppendOpen(nil, data); err == nil {
				t.Error("canonical: opened")
			}
		}
		if _, err := c.AppendOpenAD(nil, data, ad); err == nil {
			t.Error("bound: opened")
		}
		s, err := c.AppendSealAD(nil, data, ad)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.AppendOpenAD(nil, s, ad); err != nil || !bytes.Equal(got, data) {
			t.Error(err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	c, err := NewCipher(testKey)
	if err != nil {
		b.Fatal(err)
	}
	plain, dst := make([]byte, 100), make([]byte, 0, 200)
	b.Run("prepared", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.AppendSealAD(dst, plain, ad); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("once", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := AppendSealAD(dst, testKey, plain, ad); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	c, err := NewCipher(testKey)
	if err != nil {
		b.Fatal(err)
	}
	sealed, err := c.AppendSealAD(nil, make([]byte, 100), ad)
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 0, 200)
	b.Run("prepared", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.AppendOpenAD(dst, sealed, ad); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("once", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := AppendOpenAD(dst, testKey, sealed, ad); err != nil {
				b.Fatal(err)
			}
		}
	})
}
