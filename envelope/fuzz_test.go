package envelope

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"
)

// FuzzBoundRecord parses whatever comes; what parses must be written again with
// the same bytes, in place of its own encoding.
func FuzzBoundRecord(f *testing.F) {
	for _, v := range boundVectors(f) {
		f.Add(v.record(f))
	}
	f.Add([]byte{0xA5, 1, 1, 0, 1, 'p', 0})
	f.Fuzz(func(t *testing.T, record []byte) {
		for _, enc := range []Encoding{EncodingText, EncodingBinary} {
			r, _, err := parseBound(record, enc, []byte("before")[:6:6])
			if err != nil {
				if !errors.Is(err, ErrMalformed) {
					t.Errorf("got %v, want ErrMalformed", err)
				}
				continue
			}
			if again := r.append(nil, enc); !bytes.Equal(again, record) {
				t.Errorf("got %q, want %q", again, record)
			}
			if !IsBound(record, enc) {
				t.Error("IsBound: got false")
			}
			if p, err := RecordPartition(record, enc); err != nil || p != string(r.partition) {
				t.Errorf("RecordPartition: got %q, %v", p, err)
			}
		}
	})
}

// FuzzDataRowRecord parses whatever comes, compares the quick parser with the
// general one, and writes what parses again: the canonical form, with the same
// bytes, if it came in that form.
func FuzzDataRowRecord(f *testing.F) {
	data, err := os.ReadFile("testdata/asherah.json")
	if err != nil {
		f.Fatal(err)
	}
	var records []sdkRecord
	if err := json.Unmarshal(data, &records); err != nil {
		f.Fatal(err)
	}
	for _, r := range records {
		f.Add([]byte(r.DRR))
		var b bytes.Buffer
		if err := json.Compact(&b, r.DRR); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte(`{"Key":{"Revoked":true,"Created":-1,"Key":"AA==","ParentKeyMeta":{"KeyId":"\u0026","Created":0}},"Data":""}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		d, err := ParseDataRowRecord(record)
		var plain DataRowRecord
		jsonErr := json.Unmarshal(record, &plain)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
			if _, perr := plain.parsed(); jsonErr == nil && perr == nil {
				t.Errorf("got %v for a whole record", err)
			}
			return
		}
		if jsonErr != nil {
			t.Fatalf("encoding/json says: %v", jsonErr)
		}
		if len(plain.Data) == 0 {
			plain.Data = []byte{}
		}
		if !reflect.DeepEqual(*d, plain) {
			t.Fatalf("got %+v, encoding/json has %+v", *d.Key, *plain.Key)
		}
		out, err := d.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out, want) {
			t.Errorf("got %s, want %s", out, want)
		}
		again, err := ParseDataRowRecord(out)
		if err != nil || !reflect.DeepEqual(again, d) {
			t.Errorf("got %+v, %v, want %+v", again, err, d)
		}
		var p parsedRecord
		if p.parseCanonical(record, new([]byte)) && !bytes.Equal(out, record) {
			t.Errorf("the quick parser took %s, which is written %s", record, out)
		}
	})
}
