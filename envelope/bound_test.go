package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

var update = flag.Bool("update", false, "write testdata/bound.json anew, with other randomness")

// boundVector is a known answer for the format of bound records: everything
// that goes into a record, and the record.
type boundVector struct {
	Name      string `json:"name"`
	Service   string `json:"service"`
	Product   string `json:"product"`
	Suffix    string `json:"suffix,omitempty"`
	Partition string `json:"partition"`

	IntermediateKey hexBytes `json:"intermediate_key"`
	Created         int64    `json:"created"`

	Context  string   `json:"context"`
	Bound    bool     `json:"bound"`
	Bind     hexBytes `json:"bind,omitempty"`
	Token    hexBytes `json:"token,omitempty"` // as it stands in the record: of text, the bytes of its characters
	Epoch    byte     `json:"epoch"`
	Encoding string   `json:"encoding"`

	Plaintext hexBytes `json:"plaintext"`

	// Randomness is what is drawn: 32 bytes of data key, 12 of the wrapped
	// key's nonce, 12 of the data's.
	Randomness hexBytes `json:"randomness"`

	// Record is the record: of text as it is, of binary in hexadecimal digits.
	Record string `json:"record"`
}

type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }
func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

func (v *boundVector) binding() Binding {
	b := Binding{Context: v.Context, Bound: v.Bound, Bind: v.Bind, Token: v.Token, Epoch: v.Epoch, Encoding: EncodingText}
	if v.Encoding == "binary" {
		b.Encoding = EncodingBinary
	}
	return b
}

func (v *boundVector) record(t testing.TB) []byte {
	if v.Encoding == "text" {
		return []byte(v.Record)
	}
	b, err := hex.DecodeString(v.Record)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// factory returns a factory whose metastore has the vector's key, and which
// draws the vector's randomness as often as it is asked.
func (v *boundVector) factory(t *testing.T) *SessionFactory {
	w := newWorld(t)
	w.clock.now = unix(v.Created + 30)
	f := w.factory(Config{Service: v.Service, Product: v.Product, Suffix: v.Suffix})
	sk := bytes.Repeat([]byte{7}, 32)
	wrappedSK, err := w.kms.EncryptKey(ctx, sk)
	if err != nil {
		t.Fatal(err)
	}
	wrappedIK, err := aead.AppendSeal(nil, sk, v.IntermediateKey)
	if err != nil {
		t.Fatal(err)
	}
	w.store.put(&EnvelopeKeyRecord{ID: f.SystemKeyID(), Created: v.Created, EncryptedKey: wrappedSK})
	w.store.put(&EnvelopeKeyRecord{ID: f.IntermediateKeyID(v.Partition), Created: v.Created, EncryptedKey: wrappedIK,
		ParentKeyMeta: &KeyMeta{ID: f.SystemKeyID(), Created: v.Created}})
	f.random = &repeated{b: v.Randomness}
	return f
}

// repeated reads the same bytes over and over.
type repeated struct {
	b  []byte
	at int
}

func (r *repeated) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = r.b[r.at]
		r.at = (r.at + 1) % len(r.b)
	}
	return len(p), nil
}

// design seals the vector the way that the format's description reads, sharing
// no code with the package.
func (v *boundVector) design(t *testing.T) []byte {
	uvarint := func(n uint64) (b []byte) {
		for ; n >= 0x80; n >>= 7 {
			b = append(b, byte(n)|0x80)
		}
		return append(b, byte(n))
	}
	prefixed := func(items ...string) (b []byte) {
		for _, i := range items {
			b = append(b, uvarint(uint64(len(i)))...)
			b = append(b, i...)
		}
		return b
	}
	gcm := func(key []byte) cipher.AEAD {
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		a, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	drk, n1, n2 := v.Randomness[:32], v.Randomness[32:44], v.Randomness[44:56]
	flag := "\x00"
	if v.Bound {
		flag = "\x01"
	}
	body := []byte{1}
	body = append(body, uvarint(uint64(v.Created))...)
	body = append(body, prefixed(v.Partition, v.Suffix)...)
	body = append(body, n1...)
	body = append(body, gcm(v.IntermediateKey).Seal(nil, n1, drk,
		prefixed("asherah-sql/bound/1/key", v.Service, v.Product, v.Partition))...)
	body = append(body, n2...)
	body = append(body, gcm(drk).Seal(nil, n2, v.Plaintext,
		prefixed("asherah-sql/bound/1/data", v.Service, v.Product, v.Partition, v.Context, flag, string(v.Bind), string(v.Token), v.Encoding))...)

	if v.Encoding == "binary" {
		if len(v.Token) == 0 {
			return append([]byte{0xA5, 0x01}, body...)
		}
		return append(append([]byte{0xA5, 0x02, v.Epoch}, v.Token...), body...)
	}
	text := base64.RawURLEncoding.EncodeToString(body)
	if len(v.Token) == 0 {
		return []byte("ash1." + text)
	}
	return []byte("ash1x" + "0123456789abcdefghijklmnopqrstuv"[v.Epoch:v.Epoch+1] + string(v.Token) + "." + text)
}

// boundCases are the vectors without randomness and record.
func boundCases() (all []boundVector) {
	textToken, binaryToken := []byte("0123456789abcdefghijklmnos"), []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255}
	for _, c := range []boundVector{
		{Name: "plain", Plaintext: []byte("mySuperSecretPayload")},
		{Name: "empty plaintext", Plaintext: []byte{}},
		{Name: "bound to a row", Bound: true, Bind: []byte("4711"), Plaintext: []byte("a@example.org")},
		{Name: "bound to an empty value", Bound: true, Plaintext: []byte("a@example.org")},
		{Name: "with a token", Token: textToken, Epoch: 3, Plaintext: []byte("a@example.org")},
		{Name: "with a token of the last epoch and a row", Token: textToken, Epoch: 31, Bound: true, Bind: []byte{0, 255}, Plaintext: []byte("a@example.org")},
		{Name: "with a token of the first epoch", Token: textToken, Plaintext: []byte("x")},
		{Name: "with a suffix", Suffix: "us-west-2", Plaintext: []byte("x")},
		{Name: "with a suffix, a token and a row", Suffix: "eu-west-1", Token: textToken, Epoch: 10, Bound: true, Bind: []byte("r"), Plaintext: []byte("x")},
		{Name: "non-ASCII partition", Partition: "a&b<é>\"\\ 漢", Context: "таблица.столбец", Plaintext: []byte("ключ")},
		{Name: "partition with underscores", Partition: "a_b_c", Plaintext: []byte("x")},
		{Name: "long partition", Partition: strings.Repeat("p", 200), Plaintext: []byte("x")},
		{Name: "no context", Context: " ", Plaintext: []byte("x")},
		{Name: "all bytes", Plaintext: allBytes()},
		{Name: "old key", Created: 60, Plaintext: []byte("x")},
	} {
		for _, enc := range []string{"text", "binary"} {
			v := c
			v.Name += ", " + enc
			v.Service, v.Product, v.Encoding = "shop", "web", enc
			if v.Partition == "" {
				v.Partition = "tenant"
			}
			switch v.Context {
			case "":
				v.Context = "users.email"
			case " ":
				v.Context = ""
			}
			if v.Created == 0 {
				v.Created = 1795461600
			}
			if v.Token != nil && enc == "binary" {
				v.Token = binaryToken
			}
			all = append(all, v)
		}
	}
	return all
}

func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func boundVectors(t testing.TB) (vectors []boundVector) {
	data, err := os.ReadFile("testdata/bound.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

func TestKnownBoundRecords(t *testing.T) {
	if *update {
		vectors := boundCases()
		for i := range vectors {
			v := &vectors[i]
			v.IntermediateKey, v.Randomness = make([]byte, 32), make([]byte, 56)
			_, _ = rand.Read(v.IntermediateKey)
			_, _ = rand.Read(v.Randomness)
			if v.Record = string(v.design(t)); v.Encoding == "binary" {
				v.Record = hex.EncodeToString(v.design(t))
			}
		}
		data, err := json.MarshalIndent(vectors, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/bound.json", append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	vectors := boundVectors(t)
	if got, want := len(vectors), len(boundCases()); got != want {
		t.Fatalf("got %d vectors, want %d: run with -update", got, want)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			record := v.record(t)
			equal(t, "the description's record", v.design(t), record)

			f := v.factory(t)
			s := session(t, f, v.Partition)
			got, err := s.AppendSeal(ctx, nil, v.Plaintext, v.binding())
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "Session's record", got, record)

			sc := f.Scope()
			defer sc.Close()
			got, err = sc.AppendSeal(ctx, []byte("before"), v.Partition, v.Plaintext, v.binding())
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "Scope's record", got, append([]byte("before"), record...))

			plain, err := s.AppendOpen(ctx, []byte("before"), record, v.binding())
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "Session's plaintext", plain, append([]byte("before"), v.Plaintext...))
			for _, partition := range []string{v.Partition, ""} {
				b := v.binding()
				b.Token, b.Epoch = nil, 0 // the record's own
				if plain, err = sc.AppendOpen(ctx, nil, partition, record, b); err != nil {
					t.Fatal(err)
				}
				if plain == nil {
					t.Error("an empty payload came back as nil")
				}
				equal(t, "Scope's plaintext", plain, v.Plaintext)
			}

			enc := v.binding().Encoding
			if !IsBound(record, enc) {
				t.Error("IsBound: got false")
			}
			if IsBound(record, EncodingText+EncodingBinary-enc) {
				t.Error("IsBound in the other encoding: got true")
			}
			if p, err := RecordPartition(record, enc); err != nil || p != v.Partition {
				t.Errorf("RecordPartition: got %q, %v", p, err)
			}
		})
	}
}

// TestBoundRecordsHaveOneWayOfBeingWritten alters each part of a record in ways
// that a lenient reader would pass over.
func TestBoundRecordsHaveOneWayOfBeingWritten(t *testing.T) {
	var plain, token boundVector
	for _, v := range boundVectors(t) {
		switch v.Name {
		case "plain, binary":
			plain = v
		case "with a token, binary":
			token = v
		}
	}
	f := plain.factory(t)
	s := session(t, f, plain.Partition)
	body := plain.record(t)[2:]
	tail := body[len(body)-wrappedLen-aead.Overhead-len(plain.Plaintext):]
	created, partition := body[1:6], body[6:6+1+len(plain.Partition)]
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	version, noSuffix := []byte{1}, []byte{0}
	if !bytes.Equal(join(version, created, partition, noSuffix, tail), body) {
		t.Fatal("the test takes the record apart wrongly")
	}
	bodies := map[string][]byte{
		"empty":                         {},
		"another version":               join([]byte{2}, body[1:]),
		"version 0":                     join([]byte{0}, body[1:]),
		"long uvarint for the time":     join(version, []byte{0x80 | created[0]&0x7f, created[1], created[2], created[3], created[4] | 0x80, 0}, partition, noSuffix, tail),
		"long uvarint for a length":     join(version, created, []byte{partition[0] | 0x80, 0}, partition[1:], noSuffix, tail),
		"long uvarint for no suffix":    join(version, created, partition, []byte{0x80, 0}, tail),
		"eleven-byte uvarint":           join(version, bytes.Repeat([]byte{0xff}, 10), []byte{1}, partition, noSuffix, tail),
		"time over 63 bits":             join(version, bytes.Repeat([]byte{0xff}, 9), []byte{1}, partition, noSuffix, tail),
		"no partition":                  join(version, created, []byte{0}, noSuffix, tail),
		"partition isn't UTF-8":         join(version, created, []byte{1, 0xff}, noSuffix, tail),
		"suffix isn't UTF-8":            join(version, created, partition, []byte{1, 0xff}, tail),
		"length bomb":                   join(version, created, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, tail),
		"length just over what's there": join(version, created, []byte{0xff, 0x0f}, tail),
		"length over the limit":         join(version, created, []byte{0x81, 0x20}, bytes.Repeat([]byte("p"), 4097), noSuffix, tail),
		"cut in the time":               body[:3],
		"cut in the partition":          body[:8],
		"cut before the suffix":         join(version, created, partition),
		"cut in the wrapped key":        body[:len(body)-len(tail)+59],
		"cut in the tag":                body[:len(body)-len(plain.Plaintext)-1],
	}
	for name, body := range bodies {
		for enc, record := range map[Encoding][]byte{
			EncodingBinary: join([]byte{0xA5, 1}, body),
			EncodingText:   []byte("ash1." + base64.RawURLEncoding.EncodeToString(body)),
		} {
			if _, err := s.AppendOpen(ctx, nil, record, Binding{Context: "users.email", Encoding: enc}); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s, %v: got %v, want ErrMalformed", name, enc, err)
			}
			if _, err := RecordPartition(record, enc); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s, %v: RecordPartition: got %v, want ErrMalformed", name, enc, err)
			}
		}
	}

	good := plain.text(t)
	stray := []byte(good)
	if len(stray[len("ash1."):])%4 == 0 {
		t.Fatal("the record's last character has no bits to spare")
	}
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	stray[len(stray)-1] = digits[strings.IndexByte(digits, stray[len(stray)-1])+1]
	goodToken := token.text(t)
	for name, record := range map[string]string{
		"empty":                     "",
		"plaintext":                 "a@example.org",
		"prefix only":               "ash1.",
		"other prefix":              "ash2." + good[5:],
		"upper-case prefix":         "ASH1." + good[5:],
		"blank before":              " " + good,
		"blank after":               good + " ",
		"line break after":          good + "\n",
		"line break within":         good[:40] + "\n" + good[40:],
		"carriage return within":    good[:40] + "\r" + good[40:],
		"padded":                    good + strings.Repeat("=", (4-(len(good)-5)%4)%4),
		"stray bits":                string(stray),
		"alphabet of base64":        good[:40] + "+" + good[41:],
		"a character left over":     good + strings.Repeat("A", (9-(len(good)-5)%4)%4),
		"token: prefix only":        "ash1x",
		"token: cut":                goodToken[:20],
		"token: no full stop":       goodToken[:32] + goodToken[33:],
		"token: another character":  goodToken[:32] + "," + goodToken[33:],
		"token: upper-case epoch":   "ash1xA" + goodToken[6:],
		"token: epoch over 31":      "ash1xw" + goodToken[6:],
		"token: upper case":         goodToken[:6] + strings.ToUpper(goodToken[6:32]) + goodToken[32:],
		"token: not base32hex":      goodToken[:6] + "z" + goodToken[7:],
		"token: bits to spare":      goodToken[:31] + "t" + goodToken[32:],
		"token: one character less": goodToken[:6] + goodToken[7:],
	} {
		if _, err := s.AppendOpen(ctx, nil, []byte(record), text("users.email")); !errors.Is(err, ErrMalformed) {
			t.Errorf("text, %s: got %v, want ErrMalformed", name, err)
		}
	}
	binaryToken := token.record(t)
	for name, record := range map[string][]byte{
		"empty":           {},
		"one byte":        {0xA5},
		"prefix only":     {0xA5, 1},
		"other magic":     join([]byte{0xA6, 1}, body),
		"unknown kind":    join([]byte{0xA5, 3}, body),
		"kind 0":          join([]byte{0xA5, 0}, body),
		"token: cut":      binaryToken[:18],
		"token: only":     binaryToken[:19],
		"token: epoch 32": join([]byte{0xA5, 2, 32}, binaryToken[3:]),
	} {
		if _, err := s.AppendOpen(ctx, nil, record, Binding{Context: "users.email", Encoding: EncodingBinary}); !errors.Is(err, ErrMalformed) {
			t.Errorf("binary, %s: got %v, want ErrMalformed", name, err)
		}
	}

	// What is well-formed but longer or shorter is no longer what was sealed.
	for name, record := range map[string][]byte{
		"a byte more": join(plain.record(t), []byte{0}),
		"a byte less": plain.record(t)[:len(body)+1],
	} {
		if _, err := s.AppendOpen(ctx, nil, record, Binding{Context: "users.email", Encoding: EncodingBinary}); !errors.Is(err, ErrMoved) {
			t.Errorf("%s: got %v, want ErrMoved", name, err)
		}
	}
}

// text returns the vector's body in a text record, which parses but doesn't
// open.
func (v *boundVector) text(t *testing.T) string {
	record := v.record(t)
	if v.Token == nil {
		return "ash1." + base64.RawURLEncoding.EncodeToString(record[2:])
	}
	return "ash1x3" + "0123456789abcdefghijklmnos" + "." + base64.RawURLEncoding.EncodeToString(record[19:])
}

func TestErrorTextsHoldNothingOfARecord(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	const secret = "correct horse battery staple"
	for _, record := range []string{
		secret, `{"Key":"` + secret + `"}`, `{"Key":{"Created":"` + secret + `"}}`, `"` + secret, "[" + secret,
		`{"Key":{"Created":1,"Key":"` + secret + `"},"Data":"` + secret + `"}`,
		"ash1." + secret, "ash1x" + secret + secret, `{"` + secret + `":1}`,
	} {
		for _, err := range []error{
			second(s.AppendOpen(ctx, nil, []byte(record), text("c"))),
			second(s.AppendOpen(ctx, nil, []byte(record), Binding{Encoding: EncodingBinary})),
			second(s.AppendDecrypt(ctx, nil, []byte(record))),
		} {
			if err == nil || strings.Contains(err.Error(), "horse") {
				t.Errorf("got error %q", err)
			}
		}
	}
	// Not a single character: the JSON parser quotes the one that it stops at.
	if _, err := s.AppendDecrypt(ctx, nil, []byte("§")); strings.Contains(err.Error(), "§") || strings.Contains(err.Error(), "Â") {
		t.Errorf("got error %q", err)
	}
}

func second[T any](_ T, err error) error { return err }
