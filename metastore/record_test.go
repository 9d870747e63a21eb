package metastore_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/metastore"
)

func TestRecordsAreWrittenInTheCanonicalForm(t *testing.T) {
	for name, c := range map[string]struct {
		record metastore.EnvelopeKeyRecord
		want   string
	}{
		"a system key": {
			metastore.EnvelopeKeyRecord{ID: "_SK_s_p", Created: 1795461600, EncryptedKey: []byte{0xfb, 0xef, 0xff, 0x00}},
			`{"Created":1795461600,"Key":"++//AA=="}`,
		},
		"an intermediate key": {
			metastore.EnvelopeKeyRecord{ID: "_IK_x_s_p", Created: 1, EncryptedKey: []byte("abc"), ParentKeyMeta: &metastore.KeyMeta{ID: "_SK_s_p", Created: 2}},
			`{"Created":1,"Key":"YWJj","ParentKeyMeta":{"KeyId":"_SK_s_p","Created":2}}`,
		},
		"a revoked one": {
			metastore.EnvelopeKeyRecord{Revoked: true, Created: 1, EncryptedKey: []byte("ab"), ParentKeyMeta: &metastore.KeyMeta{ID: "_SK_s_p", Created: 2}},
			`{"Revoked":true,"Created":1,"Key":"YWI=","ParentKeyMeta":{"KeyId":"_SK_s_p","Created":2}}`,
		},
		"characters that JSON escapes": {
			metastore.EnvelopeKeyRecord{Created: 1, EncryptedKey: []byte("a"), ParentKeyMeta: &metastore.KeyMeta{ID: "_SK_<a>&\"b\"\\é\u2028_p", Created: 2}},
			`{"Created":1,"Key":"YQ==","ParentKeyMeta":{"KeyId":"_SK_\u003ca\u003e\u0026\"b\"\\é\u2028_p","Created":2}}`,
		},
	} {
		got, err := json.Marshal(&c.record)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, c.want)
		}
		byValue, err := json.Marshal(c.record)
		if err != nil || string(byValue) != c.want {
			t.Errorf("%s, by value: %v\n got %s\nwant %s", name, err, byValue, c.want)
		}
		var back metastore.EnvelopeKeyRecord
		if err := json.Unmarshal(got, &back); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		want := c.record
		want.ID = "" // not part of the form
		if !reflect.DeepEqual(back, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, back, want)
		}
	}
}

func TestRecordsAreReadInEveryForm(t *testing.T) {
	want := metastore.EnvelopeKeyRecord{Created: 1, EncryptedKey: []byte("ab"), ParentKeyMeta: &metastore.KeyMeta{ID: "_SK_<a>&b_p", Created: 2}}
	for name, text := range map[string]string{
		"canonical":            `{"Created":1,"Key":"YWI=","ParentKeyMeta":{"KeyId":"_SK_\u003ca\u003e\u0026b_p","Created":2}}`,
		"another order":        `{"ParentKeyMeta":{"Created":2,"KeyId":"_SK_\u003ca\u003e\u0026b_p"},"Key":"YWI=","Created":1}`,
		"raw characters":       `{"Created":1,"Key":"YWI=","ParentKeyMeta":{"KeyId":"_SK_<a>&b_p","Created":2}}`,
		"not revoked, said so": `{"Revoked":false,"Created":1,"Key":"YWI=","ParentKeyMeta":{"KeyId":"_SK_<a>&b_p","Created":2}}`,
		"unknown fields":       `{"Version":7,"Created":1,"X":{"Key":"no"},"Key":"YWI=","ParentKeyMeta":{"KeyId":"_SK_<a>&b_p","Created":2,"Y":[]}}`,
		"white space":          " {\n\"Created\" : 1 ,\t\"Key\": \"YWI=\", \"ParentKeyMeta\": { \"KeyId\": \"_SK_<a>&b_p\", \"Created\": 2 } } \n",
	} {
		var got metastore.EnvelopeKeyRecord
		if err := json.Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", name, err, got, want)
		}
	}
}

func TestMalformedRecordsAreErrors(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":           ``,
		"half a record":     `{"Created":1,"Key":"YWI=`,
		"an array":          `[]`,
		"base64 of URLs":    `{"Created":1,"Key":"-_8="}`,
		"unpadded base64":   `{"Created":1,"Key":"YWI"}`,
		"a fraction":        `{"Created":1.5,"Key":"YWI="}`,
		"a number too big":  `{"Created":9223372036854775808,"Key":"YWI="}`,
		"text for a number": `{"Created":"1","Key":"YWI="}`,
		"text for a flag":   `{"Revoked":"true","Created":1,"Key":"YWI="}`,
		"two records":       `{"Created":1,"Key":"YWI="}{"Created":1,"Key":"YWI="}`,
	} {
		var got metastore.EnvelopeKeyRecord
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s: read as %+v, want an error", name, got)
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	if (*metastore.EnvelopeKeyRecord)(nil).Clone() != nil {
		t.Error("the clone of nil is something")
	}
	newRecord := func() *metastore.EnvelopeKeyRecord {
		return &metastore.EnvelopeKeyRecord{ID: "_IK_x_s_p", Created: 1, EncryptedKey: []byte("ab"), ParentKeyMeta: &metastore.KeyMeta{ID: "_SK_s_p", Created: 2}}
	}
	r := newRecord()
	c := r.Clone()
	if !reflect.DeepEqual(r, c) {
		t.Fatalf("clone %+v of %+v", c, r)
	}
	clear(c.EncryptedKey)
	c.ParentKeyMeta.ID = "other"
	if !reflect.DeepEqual(r, newRecord()) {
		t.Errorf("changing the clone changed the record: %+v", r)
	}
}

func TestCheckIDCountsCharacters(t *testing.T) {
	for _, id := range []string{"x", strings.Repeat("x", 255), strings.Repeat("é", 255), strings.Repeat("🔑", 255)} {
		if err := metastore.CheckID(id); err != nil {
			t.Errorf("%d bytes: %v", len(id), err)
		}
	}
	for id, want := range map[string]string{
		"":                       "empty",
		"\xff":                   "UTF-8",
		strings.Repeat("x", 256): "256 characters, the limit is 255",
		strings.Repeat("é", 300): "300 characters, the limit is 255",
	} {
		err := metastore.CheckID(id)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckID of %d bytes: %v, want an error with %q", len(id), err, want)
		}
		if err != nil && len(id) > 1 && strings.Contains(err.Error(), id) {
			t.Errorf("the error repeats the id")
		}
	}
}
