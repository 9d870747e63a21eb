package envelope

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/kms/static"
)

// sdkRecord is one record of an Asherah SDK, with all that is needed to open it,
// and the payload or the error that it leads to.
type sdkRecord struct {
	Name      string `json:"name"`
	MasterKey []byte `json:"master_key"`
	Service   string `json:"service"`
	Product   string `json:"product"`
	Partition string `json:"partition"`
	Suffix    string `json:"suffix"`
	Rows      []struct {
		ID        string             `json:"id"`
		Created   int64              `json:"created"`
		KeyRecord *EnvelopeKeyRecord `json:"key_record"`
	} `json:"rows"`
	DRR       json.RawMessage `json:"drr"`
	Plaintext []byte          `json:"plaintext"`
	Error     string          `json:"error"`
}

func TestRecordsOfTheAsherahSDKs(t *testing.T) {
	data, err := os.ReadFile("testdata/asherah.json")
	if err != nil {
		t.Fatal(err)
	}
	var records []sdkRecord
	if err := json.Unmarshal(data, &records); err != nil {
		t.Fatal(err)
	}
	opened, refused := 0, 0
	for _, r := range records {
		t.Run(r.Name, func(t *testing.T) {
			w := newWorld(t)
			service, err := static.New(r.MasterKey)
			if err != nil {
				t.Fatal(err)
			}
			w.kms.Service = service
			for _, row := range r.Rows {
				row.KeyRecord.ID = row.ID
				w.store.rows[KeyMeta{ID: row.ID, Created: row.Created}] = row.KeyRecord
			}
			cfg := Config{Service: r.Service, Product: r.Product, Suffix: r.Suffix}
			cfg.AllowUnderscore = strings.Contains(cfg.Service+cfg.Product+cfg.Suffix, "_")
			f := w.factory(cfg)
			for way, open := range map[string]func() ([]byte, error){
				"Session.AppendDecrypt": func() ([]byte, error) {
					s, err := f.Session(ctx, r.Partition)
					if err != nil {
						return nil, err
					}
					return s.AppendDecrypt(ctx, nil, r.DRR)
				},
				"Session.Decrypt": func() ([]byte, error) {
					s, err := f.Session(ctx, r.Partition)
					if err != nil {
						return nil, err
					}
					var d DataRowRecord
					if err := json.Unmarshal(r.DRR, &d); err != nil {
						return nil, err
					}
					return s.Decrypt(ctx, d)
				},
				"Overlay.Session": func() ([]byte, error) {
					s, err := f.Overlay(w.store).Session(ctx, r.Partition)
					if err != nil {
						return nil, err
					}
					return s.AppendDecrypt(ctx, nil, r.DRR)
				},
				"Scope": func() ([]byte, error) {
					if r.Partition == "" {
						return nil, ErrNoPartition // there it means the record's own
					}
					sc := f.Scope()
					defer sc.Close()
					return sc.AppendDecrypt(ctx, nil, r.Partition, r.DRR)
				},
			} {
				got, err := open()
				if r.Error != "" {
					if err == nil || !strings.Contains(err.Error(), r.Error) {
						t.Errorf("%s: got %v, want an error with %q", way, err, r.Error)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v", way, err)
					continue
				}
				if got == nil || string(got) != string(r.Plaintext) {
					t.Errorf("%s: got %q, want %q", way, got, r.Plaintext)
				}
			}
		})
		if r.Error == "" {
			opened++
		} else {
			refused++
		}
	}
	if opened < 9 || refused < 7 {
		t.Errorf("the file has %d records that open and %d that don't, want 9 and 7 or more", opened, refused)
	}
}
