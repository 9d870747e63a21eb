package metastore

import "bytes"

// KeyMeta addresses one key.
type KeyMeta struct {
	ID      string `json:"KeyId"`
	Created int64  // unix seconds
}

// EnvelopeKeyRecord is a wrapped key. Its JSON form is what the metastores of
// all Asherah SDKs hold,
//
//	{["Revoked":true,]"Created":<s>,"Key":"<base64>"[,"ParentKeyMeta":{"KeyId":"<id>","Created":<s>}]}
//
// written by encoding/json without white space, in this order, with & < >
// escaped, base64 in the standard alphabet with padding. Reading accepts any
// order, unknown fields, "Revoked":false and unescaped & < >.
type EnvelopeKeyRecord struct {
	Revoked bool `json:"Revoked,omitempty"`

	// ID is the key's id. It is not part of the JSON form; stores set it on
	// the records that they return.
	ID string `json:"-"`

	Created      int64  // unix seconds
	EncryptedKey []byte `json:"Key"`

	// ParentKeyMeta names the key that EncryptedKey is sealed by: nil for a
	// system key, which the KMS has sealed.
	ParentKeyMeta *KeyMeta `json:"ParentKeyMeta,omitempty"`
}

// Clone returns a deep copy of r. The clone of nil is nil.
func (r *EnvelopeKeyRecord) Clone() *EnvelopeKeyRecord {
	if r == nil {
		return nil
	}
	c := *r
	c.EncryptedKey = bytes.Clone(r.EncryptedKey)
	if r.ParentKeyMeta != nil {
		p := *r.ParentKeyMeta
		c.ParentKeyMeta = &p
	}
	return &c
}
