package kmstest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/asherah-sql/asherah-sql/kms"
)

// Run checks the services that newService makes, one subtest for each promise.
// All of them must use the same master key, as the processes of one program do.
func Run(t *testing.T, newService func(t *testing.T) kms.Service) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, newService) })
	}
}

type maker func(t *testing.T) kms.Service

var cases = []struct {
	name string
	run  func(*testing.T, maker)
}{
	{"a wrapped key comes back", roundTrip},
	{"another process opens it", acrossServices},
	{"wrapping hides the key and is different each time", hides},
	{"altered bytes are refused", altered},
	{"short and foreign bytes are refused", foreign},
	{"arguments are left alone and results are the caller's", ownership},
	{"a cancelled context is its own error", cancelled},
	{"many goroutines at once", concurrent},
	{"the identity is stable and tells nothing", identity},
}

// key returns a test key whose bytes are all different.
func key(seed byte) []byte {
	b := make([]byte, 32)
	for i := range b {
		b[i] = seed ^ byte(i*7+1)
	}
	return b
}

func wrap(t *testing.T, s kms.Service, k []byte) []byte {
	t.Helper()
	w, err := s.EncryptKey(t.Context(), k)
	if err != nil {
		t.Fatalf("EncryptKey: %v", err)
	}
	if len(w) == 0 {
		t.Fatal("EncryptKey returned nothing")
	}
	return w
}

func expect(t *testing.T, s kms.Service, wrapped, want []byte) {
	t.Helper()
	got, err := s.DecryptKey(t.Context(), wrapped)
	if err != nil {
		t.Fatalf("DecryptKey: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Fatal("DecryptKey returned another key than the one that was wrapped")
	}
}

func roundTrip(t *testing.T, newService maker) {
	s := newService(t)
	for _, k := range [][]byte{key(1), key(0xff), make([]byte, 32), bytes.Repeat([]byte{0xff}, 32), key(3)[:16]} {
		expect(t, s, wrap(t, s, k), k)
	}
}

func acrossServices(t *testing.T, newService maker) {
	a, b := newService(t), newService(t)
	expect(t, b, wrap(t, a, key(1)), key(1))
	expect(t, a, wrap(t, b, key(2)), key(2))
}

func hides(t *testing.T, newService maker) {
	s := newService(t)
	first, second := wrap(t, s, key(1)), wrap(t, s, key(1))
	if bytes.Equal(first, second) {
		t.Error("the same key wrapped twice gives the same bytes: equal keys can be told")
	}
	for _, w := range [][]byte{first, second} {
		for i := range 32 - 8 {
			if bytes.Contains(w, key(1)[i:i+8]) {
				t.Fatal("the wrapped key holds a piece of the key")
			}
		}
	}
}

// mustRefuse checks an error for wrapped bytes that can't be opened.
func mustRefuse(t *testing.T, s kms.Service, wrapped []byte, what string) {
	t.Helper()
	got, err := s.DecryptKey(t.Context(), wrapped)
	if err == nil {
		t.Errorf("%s: opened", what)
		return
	}
	if got != nil {
		t.Errorf("%s: an error and a result", what)
	}
	if len(wrapped) > 8 && strings.Contains(err.Error(), string(wrapped)) {
		t.Errorf("%s: the error repeats what it was given", what)
	}
	if errors.Is(err, kms.ErrUnavailable) {
		t.Errorf("%s: %v: a refusal isn't an outage, trying again doesn't help", what, err)
	}
}

func altered(t *testing.T, newService maker) {
	s := newService(t)
	w := wrap(t, s, key(1))
	// The first, the last and some in between; a service may ignore no byte of
	// the key's own ciphertext, which is most of what is there.
	step := max(1, len(w)/16)
	for i := 0; i < len(w); i += step {
		bad := bytes.Clone(w)
		bad[i] ^= 1
		got, err := s.DecryptKey(t.Context(), bad)
		if err == nil && !bytes.Equal(got, key(1)) {
			t.Fatalf("byte %d altered: another key came back", i)
		}
	}
	bad := bytes.Clone(w)
	for i := range bad {
		bad[i] ^= 0x55
	}
	mustRefuse(t, s, bad, "all bytes altered")
	mustRefuse(t, s, w[:len(w)-1], "last byte cut off")
	mustRefuse(t, s, append(bytes.Clone(w), 0), "a byte appended")
}

func foreign(t *testing.T, newService maker) {
	s := newService(t)
	mustRefuse(t, s, nil, "nothing")
	mustRefuse(t, s, []byte{}, "no bytes")
	mustRefuse(t, s, []byte{0}, "one byte")
	mustRefuse(t, s, key(1), "the key itself")
	mustRefuse(t, s, make([]byte, 60), "zeros")
	mustRefuse(t, s, []byte("{}"), "an empty object")
}

func ownership(t *testing.T, newService maker) {
	s := newService(t)
	k := key(1)
	w := wrap(t, s, k)
	if !bytes.Equal(k, key(1)) {
		t.Error("EncryptKey changed its argument")
	}
	clear(k) // as callers do
	saved := bytes.Clone(w)
	first, err := s.DecryptKey(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(w, saved) {
		t.Error("DecryptKey changed its argument")
	}
	clear(first)
	expect(t, s, w, key(1))
	clear(w)
	expect(t, s, saved, key(1))
}

func cancelled(t *testing.T, newService maker) {
	s := newService(t)
	w := wrap(t, s, key(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.EncryptKey(ctx, key(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("EncryptKey: %v, want context.Canceled", err)
	}
	if _, err := s.DecryptKey(ctx, w); !errors.Is(err, context.Canceled) {
		t.Errorf("DecryptKey: %v, want context.Canceled", err)
	}
}

func concurrent(t *testing.T, newService maker) {
	s := newService(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				k := key(byte(i))
				w, err := s.EncryptKey(t.Context(), k)
				if err != nil {
					t.Errorf("EncryptKey: %v", err)
					return
				}
				got, err := s.DecryptKey(t.Context(), w)
				if err != nil || !bytes.Equal(got, k) {
					t.Errorf("DecryptKey: %v, or another goroutine's key", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func identity(t *testing.T, newService maker) {
	a, ok := newService(t).(kms.Identifier)
	if !ok {
		return // optional
	}
	b := newService(t).(kms.Identifier)
	id := a.Identity()
	if id == "" || id != a.Identity() || id != b.Identity() {
		t.Errorf("identities %q and %q of one master key: want one that isn't empty", id, b.Identity())
	}
	if strings.ContainsFunc(id, func(r rune) bool { return r < ' ' }) {
		t.Errorf("identity %q: want one line of text", id)
	}
}
