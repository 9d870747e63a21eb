package envelope

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

// TestBoundRecordsOpenOnlyInTheirPlace seals one record and tries to open it
// with each coordinate of its place changed.
func TestBoundRecordsOpenOnlyInTheirPlace(t *testing.T) {
	token := []byte("0123456789abcdefghijklmnos")
	other := []byte("0123456789abcdefghijklmno0")
	for _, bound := range []bool{false, true} {
		for _, withToken := range []bool{false, true} {
			w := newWorld(t)
			f := w.factory(Config{})
			home := Binding{Context: "users.email", Encoding: EncodingText, Bound: bound}
			if bound {
				home.Bind = []byte("17")
			}
			if withToken {
				home.Token, home.Epoch = token, 2
			}
			s := session(t, f, "tenant")
			record, err := s.AppendSeal(ctx, nil, []byte("secret"), home)
			if err != nil {
				t.Fatal(err)
			}
			scope := f.Scope()
			defer scope.Close()
			try := func(b Binding, record []byte) []error {
				return []error{
					second(s.AppendOpen(ctx, nil, record, b)),
					second(scope.AppendOpen(ctx, nil, "tenant", record, b)),
					second(scope.AppendOpen(ctx, nil, "", record, b)),
				}
			}
			for _, err := range try(home, record) {
				if err != nil {
					t.Fatal(err)
				}
			}
			moves := map[string]func(*Binding){
				"context":         func(b *Binding) { b.Context = "users.phone" },
				"context, longer": func(b *Binding) { b.Context += "x" },
				"no context":      func(b *Binding) { b.Context = "" },
			}
			if bound {
				moves["bind value"] = func(b *Binding) { b.Bind = []byte("18") }
				moves["no bind value"] = func(b *Binding) { b.Bind = nil }
				moves["bind flag"] = func(b *Binding) { b.Bound, b.Bind = false, nil }
			} else {
				moves["bind value"] = func(b *Binding) { b.Bound, b.Bind = true, []byte("17") }
				moves["bind flag"] = func(b *Binding) { b.Bound = true }
			}
			if withToken {
				moves["token"] = func(b *Binding) { b.Token = other }
				moves["epoch"] = func(b *Binding) { b.Epoch = 3 }
			} else {
				moves["token"] = func(b *Binding) { b.Token = token }
			}
			for name, move := range moves {
				b := home
				move(&b)
				for _, err := range try(b, record) {
					if !errors.Is(err, ErrMoved) {
						t.Errorf("%s: got %v, want ErrMoved", name, err)
					}
				}
			}
			body := record[len(textPlain):]
			if withToken {
				body = record[textPrefix:]
			}
			raw, err := base64url.AppendDecode(nil, body)
			if err != nil {
				t.Fatal(err)
			}
			noToken := home
			noToken.Token, noToken.Epoch = nil, 0
			if withToken {
				swapped := append([]byte("ash1x2"+string(other)+"."), body...)
				for _, b := range []Binding{home, noToken} {
					for _, err := range try(b, swapped) {
						if !errors.Is(err, ErrMoved) {
							t.Errorf("token swapped in the record: got %v, want ErrMoved", err)
						}
					}
				}
			}
			for what, changed := range map[string][]byte{
				"token taken off":   append([]byte(textPlain), body...),
				"token put on":      append([]byte("ash1x2"+string(token)+"."), body...),
				"token put on, too": append([]byte("ash1x2"+string(other)+"."), body...),
			} {
				if bytes.Equal(changed, record) {
					continue
				}
				for _, err := range try(noToken, changed) {
					if !errors.Is(err, ErrMoved) {
						t.Errorf("%s: got %v, want ErrMoved", what, err)
					}
				}
			}
			binary := noToken
			binary.Encoding = EncodingBinary
			for _, err := range try(binary, append([]byte{binaryMagic, binaryPlain}, raw...)) {
				if !errors.Is(err, ErrMoved) {
					t.Errorf("encoding: got %v, want ErrMoved", err)
				}
			}
		}
	}
}

func TestBoundRecordsOpenOnlyInTheirPartition(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	foreign := session(t, f, "other")
	scope := f.Scope()
	defer scope.Close()
	record, err := s.AppendSeal(ctx, nil, []byte("secret"), text("c"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := foreign.AppendSeal(ctx, nil, []byte("x"), text("c")); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		second(foreign.AppendOpen(ctx, nil, record, text("c"))),
		second(scope.AppendOpen(ctx, nil, "other", record, text("c"))),
	} {
		wantError(t, err, ErrMoved, ErrPartitionMismatch)
	}
	// A record that is relabelled asks for a key that doesn't open it.
	r, _, err := parseBound(record, EncodingText, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.partition = []byte("other")
	relabelled := r.append(nil, EncodingText)
	for _, err := range []error{
		second(foreign.AppendOpen(ctx, nil, relabelled, text("c"))),
		second(scope.AppendOpen(ctx, nil, "other", relabelled, text("c"))),
		second(scope.AppendOpen(ctx, nil, "", relabelled, text("c"))),
	} {
		wantError(t, err, ErrMoved)
	}
	// Nor does the data key's being opened already help.
	if _, err := scope.AppendOpen(ctx, nil, "tenant", record, text("c")); err != nil {
		t.Fatal(err)
	}
	wantError(t, second(scope.AppendOpen(ctx, nil, "", relabelled, text("c"))), ErrMoved)
}

// TestBoundRecordsOpenOnlyInTheirProduct uses the services and products whose
// key ids are equal, so that nothing but the associated data keeps them apart.
func TestBoundRecordsOpenOnlyInTheirProduct(t *testing.T) {
	w := newWorld(t)
	one := w.factory(Config{Service: "a_b", Product: "c", AllowUnderscore: true})
	two := w.factory(Config{Service: "a", Product: "b_c", AllowUnderscore: true})
	s1, s2 := session(t, one, "tenant"), session(t, two, "tenant")
	record, err := s1.AppendSeal(ctx, nil, []byte("secret"), text("c"))
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, second(s2.AppendOpen(ctx, nil, record, text("c"))), ErrMoved)

	// The formats of the SDKs have no such protection, hence the check of names.
	d := encrypt(t, s1, "secret")
	wantPayload(t, s2, d, "secret")

	// Of another service in general there is no such key.
	other := session(t, w.factory(Config{Service: "other", Product: "c"}), "tenant")
	wantError(t, second(other.AppendOpen(ctx, nil, record, text("c"))), ErrKeyNotFound, "error loading intermediate key from metastore")
}

// TestAlteredBoundRecordsAreNoticed flips each bit of a record.
func TestAlteredBoundRecordsAreNoticed(t *testing.T) {
	w := newWorld(t)
	s := session(t, w.factory(Config{}), "tenant")
	b := Binding{Context: "c", Encoding: EncodingBinary, Token: []byte("0123456789abcdef")}
	record, err := s.AppendSeal(ctx, nil, []byte("secret"), b)
	if err != nil {
		t.Fatal(err)
	}
	b.Token = nil
	for i := range record {
		for bit := range 8 {
			if i == 2 {
				continue // the epoch isn't sealed
			}
			changed := bytes.Clone(record)
			changed[i] ^= 1 << bit
			_, err := s.AppendOpen(ctx, []byte("dst"), changed, b)
			if !errors.Is(err, ErrMoved) && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrKeyNotFound) {
				t.Errorf("byte %d, bit %d: got %v", i, bit, err)
			}
		}
	}
}

// TestOldFormatIsNoWayAroundTheBinding puts the parts of a record of either
// format into the other.
func TestOldFormatIsNoWayAroundTheBinding(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	bound, err := s.AppendSeal(ctx, nil, []byte("secret"), text("c"))
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := parseBound(bound, EncodingText, nil)
	if err != nil {
		t.Fatal(err)
	}
	turn := func(b []byte, n int) []byte { return append(append([]byte{}, b[n:]...), b[:n]...) }
	asherah := &DataRowRecord{
		Key: &EnvelopeKeyRecord{Created: r.created, EncryptedKey: turn(r.wrapped, aead.NonceLen),
			ParentKeyMeta: &KeyMeta{ID: f.IntermediateKeyID("tenant"), Created: r.created}},
		Data: turn(r.sealed, aead.NonceLen),
	}
	wantError(t, second(s.Decrypt(ctx, *asherah)), ErrMoved)

	d := encrypt(t, s, "secret")
	r.created = parentOf(d).Created
	r.wrapped = turn(d.Key.EncryptedKey, len(d.Key.EncryptedKey)-aead.NonceLen)
	r.sealed = turn(d.Data, len(d.Data)-aead.NonceLen)
	wantError(t, second(s.AppendOpen(ctx, nil, r.append(nil, EncodingText), text("c"))), ErrMoved)
	wantError(t, second(s.AppendOpen(ctx, nil, r.append(nil, EncodingBinary), Binding{Context: "c", Encoding: EncodingBinary})), ErrMoved)
}

func TestBindingsThatCantBe(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	scope := f.Scope()
	defer scope.Close()
	for want, b := range map[string]Binding{
		"want EncodingText or EncodingBinary, got Encoding(0)": {},
		"got Encoding(3)":                        {Encoding: 3},
		"Bind: want nothing without Bound":       {Encoding: EncodingText, Bind: []byte("17")},
		"Epoch: want 0 without a token, got 1":   {Encoding: EncodingText, Epoch: 1},
		"Epoch: want 0 to 31, got 32":            {Encoding: EncodingText, Epoch: 32, Token: []byte("0123456789abcdefghijklmnos")},
		"want 26 characters of lower-case":       {Encoding: EncodingText, Token: []byte("0123456789ABCDEFGHIJKLMNOS")},
		"the last of 3 bits, got something else": {Encoding: EncodingText, Token: []byte("0123456789abcdefghijklmnop")},
		"something else of 16 bytes":             {Encoding: EncodingText, Token: []byte("0123456789abcdef")},
		"want 16 bytes":                          {Encoding: EncodingBinary, Token: []byte("0123456789abcdefghijklmnos")},
	} {
		wantError(t, second(s.AppendSeal(ctx, nil, []byte("x"), b)), "seal: binding: ", want)
		wantError(t, second(scope.AppendSeal(ctx, nil, "tenant", []byte("x"), b)), "seal: binding: ", want)
	}
	for _, b := range []Binding{{}, {Encoding: 3}, {Encoding: EncodingText, Bind: []byte("17")}} {
		wantError(t, second(s.AppendOpen(ctx, nil, []byte("ash1.AQ"), b)), "open: binding: ")
	}
}

// TestResultsMayOverlapWhatTheyAreMadeOf seals into the memory of the plaintext.
func TestResultsMayOverlapWhatTheyAreMadeOf(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	want := strings.Repeat("0123456789", 20)
	for at := range 64 {
		for _, enc := range []Encoding{EncodingText, EncodingBinary} {
			b := Binding{Context: "c", Encoding: enc}
			buf := make([]byte, 1024)
			payload := buf[at : at+copy(buf[at:], want)]
			record, err := s.AppendSeal(ctx, buf[:0], payload, b)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.AppendOpen(ctx, nil, record, b)
			if err != nil || string(got) != want {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		buf := make([]byte, 1024)
		payload := buf[at : at+copy(buf[at:], want)]
		record, err := s.AppendEncrypt(ctx, buf[:0], payload)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.AppendDecrypt(ctx, record[:0], record)
		if err != nil || string(got) != want {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}
