package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

// canonical is the shape that the SDKs' own types have.
type canonical struct {
	Key *struct {
		Revoked       bool `json:"Revoked,omitempty"`
		Created       int64
		Key           []byte
		ParentKeyMeta *struct {
			KeyID   string `json:"KeyId"`
			Created int64
		} `json:"ParentKeyMeta,omitempty"`
	}
	Data []byte
}

func TestRecordsHaveTheCanonicalForm(t *testing.T) {
	for _, partition := range []string{"tenant", "a&b<é>\"\\ 漢\u2028", "a_b", " "} {
		w := newWorld(t)
		f := w.factory(Config{})
		s := session(t, f, partition)
		scope := f.Scope()
		defer scope.Close()
		d := encrypt(t, s, "secret")
		fromStruct, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		appended, err := s.AppendEncrypt(ctx, []byte("before"), []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		scoped, err := scope.AppendEncrypt(ctx, nil, partition, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		for how, record := range map[string][]byte{"Encrypt": fromStruct, "AppendEncrypt": appended[len("before"):], "Scope": scoped} {
			var c canonical
			dec := json.NewDecoder(bytes.NewReader(record))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&c); err != nil {
				t.Fatalf("%s: %v", how, err)
			}
			if len(c.Data) != len("secret")+28 || len(c.Key.Key) != 60 || c.Key.Revoked {
				t.Errorf("%s: got %d bytes of data, %d of key, revoked %v", how, len(c.Data), len(c.Key.Key), c.Key.Revoked)
			}
			if c.Key.Created != start.Unix() {
				t.Errorf("%s: got creation time %d, want the clock's, not truncated: %d", how, c.Key.Created, start.Unix())
			}
			if p := c.Key.ParentKeyMeta; p.KeyID != "_IK_"+partition+"_service_product" || p.Created != start.Unix()/60*60 {
				t.Errorf("%s: got parent %v", how, *p)
			}
			again, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again, record) {
				t.Errorf("%s: got\n%s, the canonical form is\n%s", how, record, again)
			}
			got, err := s.AppendDecrypt(ctx, nil, record)
			if err != nil || string(got) != "secret" {
				t.Errorf("%s: got %q, %v", how, got, err)
			}
			if !IsAsherah(record) {
				t.Errorf("%s: IsAsherah: got false", how)
			}
			if p, err := f.AsherahPartition(record); err != nil || p != partition {
				t.Errorf("%s: AsherahPartition: got %q, %v", how, p, err)
			}
		}
	}
}

func TestRowsHaveTheCanonicalForm(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	encrypt(t, session(t, f, "tenant"), "x")
	if n := len(w.store.dump()); n != 2 {
		t.Fatalf("got %d rows, want 2", n)
	}
	for meta, row := range w.store.dump() {
		var c struct {
			Created       int64
			Key           []byte
			ParentKeyMeta *struct {
				KeyID   string `json:"KeyId"`
				Created int64
			} `json:"ParentKeyMeta,omitempty"`
		}
		if err := json.Unmarshal([]byte(row), &c); err != nil {
			t.Fatal(err)
		}
		if again, _ := json.Marshal(c); string(again) != row {
			t.Errorf("got %s, the canonical form is %s", row, again)
		}
		isIK := strings.HasPrefix(meta.ID, "_IK_")
		if isIK != (c.ParentKeyMeta != nil) || c.Created != meta.Created || len(c.Key) != 60 {
			t.Errorf("%v: got %s", meta, row)
		}
	}
}

func TestReaderIsLenientWhereItMayBe(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "a&b")
	d := encrypt(t, s, "secret")
	b64 := base64.StdEncoding.EncodeToString
	for name, record := range map[string]string{
		"other order": fmt.Sprintf(`{"Data":"%s","Key":{"ParentKeyMeta":{"Created":%d,"KeyId":"_IK_a&b_service_product"},"Key":"%s","Created":%d}}`,
			b64(d.Data), parentOf(d).Created, b64(d.Key.EncryptedKey), d.Key.Created),
		"blanks, unknown fields, revoked false": fmt.Sprintf(" {\n \"Key\" : {\"Revoked\":false, \"Created\":%d, \"Key\":\"%s\", \"x\":[1,{}], \"ParentKeyMeta\":{\"KeyId\":\"_IK_a\\u0026b_service_product\",\"Created\":%d,\"y\":null}}, \"Data\":\"%s\", \"zz\":\"\\\"\"}\n",
			d.Key.Created, b64(d.Key.EncryptedKey), parentOf(d).Created, b64(d.Data)),
		"revoked": fmt.Sprintf(`{"Key":{"Revoked":true,"Created":%d,"Key":"%s","ParentKeyMeta":{"KeyId":"_IK_a\u0026b_service_product","Created":%d}},"Data":"%s"}`,
			d.Key.Created, b64(d.Key.EncryptedKey), parentOf(d).Created, b64(d.Data)),
		"escaped slashes": fmt.Sprintf(`{"Key":{"Created":%d,"Key":"%s","ParentKeyMeta":{"KeyId":"_IK_a\u0026b_service_product","Created":%d}},"Data":"%s"}`,
			d.Key.Created, strings.ReplaceAll(b64(d.Key.EncryptedKey), "/", `\/`), parentOf(d).Created, strings.ReplaceAll(b64(d.Data), "+", `\u002b`)),
	} {
		got, err := s.AppendDecrypt(ctx, nil, []byte(record))
		if err != nil || string(got) != "secret" {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
		p, err := ParseDataRowRecord([]byte(record))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := *d
		key := *d.Key
		key.Revoked = name == "revoked"
		want.Key = &key
		if !reflect.DeepEqual(p, &want) {
			t.Errorf("%s: got %+v, want %+v", name, p, want)
		}
	}
}

func TestRecordsThatAreNone(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	d := encrypt(t, s, "secret")
	good, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	key, data := base64.StdEncoding.EncodeToString(d.Key.EncryptedKey), base64.StdEncoding.EncodeToString(d.Data)
	parent := fmt.Sprintf(`{"KeyId":"_IK_tenant_service_product","Created":%d}`, parentOf(d).Created)
	for record, want := range map[string]string{
		"":                       "not a JSON text",
		"null":                   "datarow key record cannot be empty",
		"{}":                     "datarow key record cannot be empty",
		`{"Data":"AAAA"}`:        "datarow key record cannot be empty",
		`{"Key":null}`:           "datarow key record cannot be empty",
		`{"Key":{}}`:             "parent key cannot be empty",
		`[]`:                     "not the JSON of a record",
		`1`:                      "not the JSON of a record",
		`"x"`:                    "not the JSON of a record",
		"secret":                 "not a JSON text",
		string(good) + "x":       "not a JSON text",
		string(good[:50]):        "not a JSON text",
		`{"Key":{"Created":1.5}`: "not a JSON text",
		`{"Key":{"Created":1.5,"Key":"` + key + `","ParentKeyMeta":` + parent + `},"Data":"` + data + `"}`:                  `field "Key.Created"`,
		`{"Key":{"Created":"1","Key":"` + key + `","ParentKeyMeta":` + parent + `},"Data":"` + data + `"}`:                  `field "Key.Created"`,
		`{"Key":{"Created":99999999999999999999,"Key":"` + key + `","ParentKeyMeta":` + parent + `},"Data":"` + data + `"}`: `field "Key.Created"`,
		`{"Key":{"Created":1,"Key":"` + key + `"},"Data":"` + data + `"}`:                                                   "parent key cannot be empty",
		`{"Key":{"Created":1,"Key":"` + key + `","ParentKeyMeta":null},"Data":"` + data + `"}`:                              "parent key cannot be empty",
		`{"Key":{"Created":1,"Key":"` + key + `","ParentKeyMeta":{}},"Data":"` + data + `"}`:                                "parent key cannot be empty",
		`{"Key":{"Created":1,"Key":"","ParentKeyMeta":` + parent + `},"Data":"` + data + `"}`:                               "no data key",
		`{"Key":{"Created":1,"ParentKeyMeta":` + parent + `},"Data":"` + data + `"}`:                                        "no data key",
		`{"Key":{"Created":1,"Key":"%%%%","ParentKeyMeta":` + parent + `},"Data":"` + data + `"}`:                           "not the JSON of a record",
		`{"Key":{"Created":1,"Key":"` + key + `","ParentKeyMeta":` + parent + `},"Data":"%"}`:                               "not the JSON of a record",
		`{"Key":{"Created":1,"Key":"` + key + `","ParentKeyMeta":` + parent + `},"Data":""}`:                                "data length is shorter than nonce size",
		`{"Key":{"Created":1,"Key":"` + key + `","ParentKeyMeta":` + parent + `},"Data":null}`:                              "data length is shorter than nonce size",
		`{"Key":{"Created":1,"Key":"` + key + `","ParentKeyMeta":` + parent + `}}`:                                          "data length is shorter than nonce size",
		`{"Key":{"Created":1,"Key":"AAAA","ParentKeyMeta":` + parent + `},"Data":"` + data + `"}`:                           "data length is shorter than nonce size",
		strings.Repeat("[", 20000): "not a JSON text",
	} {
		_, err := s.AppendDecrypt(ctx, nil, []byte(record))
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want ErrMalformed with %q", record, err, want)
		}
		if p, err := f.AsherahPartition([]byte(record)); err != nil && !errors.Is(err, ErrMalformed) || p != "" && p != "tenant" {
			t.Errorf("%.80s: AsherahPartition: got %q, %v", record, p, err)
		}
	}
	for name, record := range map[string]DataRowRecord{
		"zero":        {},
		"no parent":   {Key: &EnvelopeKeyRecord{EncryptedKey: d.Key.EncryptedKey}, Data: d.Data},
		"empty key":   {Key: &EnvelopeKeyRecord{ParentKeyMeta: d.Key.ParentKeyMeta}, Data: d.Data},
		"no data":     {Key: d.Key},
		"long key":    {Key: &EnvelopeKeyRecord{EncryptedKey: make([]byte, MaxWrappedKey+1), ParentKeyMeta: d.Key.ParentKeyMeta}, Data: d.Data},
		"long id":     {Key: &EnvelopeKeyRecord{EncryptedKey: d.Key.EncryptedKey, ParentKeyMeta: &KeyMeta{ID: strings.Repeat("x", MaxKeyID+1)}}, Data: d.Data},
		"long record": {Key: d.Key, Data: make([]byte, MaxPayload+aead.Overhead+1)},
	} {
		if _, err := s.Decrypt(ctx, record); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
		if out, err := record.AppendJSON([]byte("before")); name != "no data" && (!errors.Is(err, ErrMalformed) || string(out) != "before") {
			t.Errorf("%s: AppendJSON: got %q, %v", name, out, err)
		}
	}
}

func TestAlteredRecordsAreNoticed(t *testing.T) {
	w := newWorld(t)
	s := session(t, w.factory(Config{}), "tenant")
	d := encrypt(t, s, "secret")
	for i := range d.Data {
		d.Data[i] ^= 1
		wantError(t, second(s.Decrypt(ctx, *d)), ErrMoved, "error decrypting data: cipher: message authentication failed")
		d.Data[i] ^= 1
	}
	for i := range d.Key.EncryptedKey {
		d.Key.EncryptedKey[i] ^= 1
		wantError(t, second(s.Decrypt(ctx, *d)), ErrMoved, "error decrypting data: cipher: message authentication failed")
		d.Key.EncryptedKey[i] ^= 1
	}
	wantPayload(t, s, d, "secret")
}

func TestIsAsherah(t *testing.T) {
	w := newWorld(t)
	f := w.factory(Config{})
	s := session(t, f, "tenant")
	record, err := s.AppendEncrypt(ctx, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !IsAsherah(record) {
		t.Error("a record: got false")
	}
	for _, no := range []string{"", "secret", "{}", `{"Key":{},"Data":""}`, "ash1.AQ", string(record[1:]),
		strings.Replace(string(record), "_IK_", "_SK_", 1), strings.Replace(string(record), `"Key":"`, `"Key":"AAAA`, 1),
		string(record[:strings.Index(string(record), `"Data":"`)]) + `"Data":"AAAA"}`} {
		if IsAsherah([]byte(no)) {
			t.Errorf("%s: got true", no)
		}
	}
}
