package aead

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"reflect"
	"runtime"
	"testing"
	"unsafe"
)

// memory is the struct behind v, as bytes.
func memory(v any) []byte {
	rv := reflect.ValueOf(v)
	return unsafe.Slice((*byte)(rv.UnsafePointer()), rv.Type().Elem().Size())
}

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

func TestWipeZeroesExpandedKeys(t *testing.T) {
	block, err := aes.NewCipher(testKey)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	// Both hold pointers on s390x, and are left alone there.
	if want := runtime.GOARCH != "s390x"; wipeable(block) != want || wipeable(gcm) != want {
		t.Fatalf("%T wipeable: %v, %T wipeable: %v; want %v: the standard library has changed", block, wipeable(block), gcm, wipeable(gcm), want)
	}
	if !wipeable(gcm) {
		return
	}
	for _, v := range []any{block, gcm} {
		if zero(memory(v)) {
			t.Fatalf("%T: nothing there to wipe", v)
		}
		wipe(v)
		if !zero(memory(v)) {
			t.Errorf("%T: not zero after wipe", v)
		}
	}
}

func TestAWipedCipherIsAnError(t *testing.T) {
	c, err := NewCipher(testKey)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := c.AppendSeal(nil, []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	m := memory(c.aead)
	c.Wipe()
	if wipeable(c.aead) || runtime.GOARCH != "s390x" && !zero(m) {
		t.Error("the expanded key is still there")
	}
	c.Wipe() // twice is no mistake
	dst := []byte("dst")
	for name, f := range map[string]func() ([]byte, error){
		"AppendSeal":   func() ([]byte, error) { return c.AppendSeal(dst, nil) },
		"AppendOpen":   func() ([]byte, error) { return c.AppendOpen(dst, sealed) },
		"AppendSealAD": func() ([]byte, error) { return c.AppendSealAD(dst, nil, ad) },
		"AppendOpenAD": func() ([]byte, error) { return c.AppendOpenAD(dst, sealed, ad) },
	} {
		if got, err := f(); err == nil || string(got) != "dst" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestOnlyStructsWithoutPointersAreWiped(t *testing.T) {
	type plain struct {
		A [4]uint32
		B struct{ C, D int }
	}
	p := &plain{A: [4]uint32{1, 2, 3, 4}}
	wipe(p)
	if *p != (plain{}) {
		t.Error("not wiped")
	}
	type pointers struct {
		N int
		P []byte
	}
	q := &pointers{1, []byte{2}}
	wipe(q)
	if q.N != 1 || q.P == nil {
		t.Error("a struct with pointers was wiped")
	}
	// None of these is a struct behind a pointer.
	wipe(nil)
	wipe((*plain)(nil))
	wipe(plain{})
	wipe(map[int]int{})
}
