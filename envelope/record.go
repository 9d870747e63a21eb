package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/asherah-sql/asherah-sql/internal/aead"
	"github.com/asherah-sql/asherah-sql/metastore"
)

// KeyMeta and EnvelopeKeyRecord are the metastore's: a DataRowRecord's key has
// the shape of a metastore's row.
type (
	KeyMeta           = metastore.KeyMeta
	EnvelopeKeyRecord = metastore.EnvelopeKeyRecord
)

// DataRowRecord is one encrypted payload, as every Asherah SDK reads and writes
// it:
//
//	{"Key":{["Revoked":true,]"Created":<s>,"Key":"<base64>","ParentKeyMeta":{"KeyId":"<id>","Created":<s>}},"Data":"<base64>"}
//
// Key.EncryptedKey is the data key, sealed by the intermediate key that
// Key.ParentKeyMeta names; Data is the payload, sealed by the data key. Both are
// ciphertext, tag (16 bytes) and nonce (12).
//
// It protects the payload and notices when it was altered. It is not bound to
// its place: within one partition records can be exchanged unnoticed.
//
// encoding/json writes it in the canonical form, the one shown;
// [ParseDataRowRecord] reads it and says what is wrong with one.
type DataRowRecord struct {
	Key  *EnvelopeKeyRecord
	Data []byte
}

// sealedKeyLen is the length of a sealed 32-byte key.
const sealedKeyLen = aead.KeyLen + aead.Overhead

// ParseDataRowRecord reads a record: any order of fields, unknown fields,
// "Revoked":false and unescaped characters are accepted. It checks shape and
// limits, not the seals. Errors: ErrMalformed.
func ParseDataRowRecord(record []byte) (*DataRowRecord, error) {
	var p parsedRecord
	if err := p.parse(record, new([]byte)); err != nil {
		return nil, err
	}
	return &DataRowRecord{
		Key: &EnvelopeKeyRecord{
			Revoked:       p.revoked,
			Created:       p.created,
			EncryptedKey:  bytes.Clone(p.wrapped),
			ParentKeyMeta: &KeyMeta{ID: p.parentID, Created: p.parentCreated},
		},
		Data: append([]byte{}, p.data...),
	}, nil
}

// AppendJSON appends the canonical form. The record must be whole, or
// ErrMalformed is returned with dst.
func (d *DataRowRecord) AppendJSON(dst []byte) ([]byte, error) {
	p, err := d.parsed()
	if err != nil {
		return dst, err
	}
	dst = appendRecordHead(dst, p.revoked, p.created, p.wrapped, quoteID(d.Key.ParentKeyMeta.ID), p.parentCreated)
	return appendRecordData(dst, p.data), nil
}

func (d *DataRowRecord) parsed() (p parsedRecord, err error) {
	if d.Key == nil {
		return p, errNoKey
	}
	if d.Key.ParentKeyMeta == nil {
		return p, errNoParent
	}
	p = parsedRecord{
		revoked:       d.Key.Revoked,
		created:       d.Key.Created,
		wrapped:       d.Key.EncryptedKey,
		parentID:      d.Key.ParentKeyMeta.ID,
		parentCreated: d.Key.ParentKeyMeta.Created,
		data:          d.Data,
	}
	return p, p.check()
}

var (
	errNoKey    = malformed("datarow key record cannot be empty")
	errNoParent = malformed("parent key cannot be empty")
)

// parsedRecord is a DataRowRecord without pointers to chase.
type parsedRecord struct {
	revoked       bool
	created       int64
	wrapped       []byte
	parentID      string
	parentCreated int64
	data          []byte

	likely string // what parentID probably is: it saves a copy
}

func (p *parsedRecord) check() error {
	switch {
	case p.parentID == "":
		return errNoParent
	case len(p.parentID) > MaxKeyID:
		return malformed("a key id of %d bytes, the limit is %d", len(p.parentID), MaxKeyID)
	case len(p.wrapped) == 0:
		return malformed("no data key")
	case len(p.wrapped) > MaxWrappedKey:
		return malformed("a data key of %d bytes, the limit is %d", len(p.wrapped), MaxWrappedKey)
	case len(p.data) > MaxPayload+aead.Overhead:
		return malformed("data of %d bytes, the limit is %d", len(p.data), MaxPayload+aead.Overhead)
	}
	return nil
}

// parse reads a record's JSON. What it decodes lies in buf, which it
// extends.
func (p *parsedRecord) parse(record []byte, buf *[]byte) error {
	if err := checkRecordIn(len(record)); err != nil {
		return err
	}
	if !p.parseCanonical(record, buf) {
		if err := p.parseAny(record); err != nil {
			return err
		}
	}
	return p.check()
}

// parseCanonical reads the canonical form, which is what nearly all records
// have, some ten times as fast as a general parser. It gives up on the slightest
// difference.
func (p *parsedRecord) parseCanonical(record []byte, buf *[]byte) bool {
	at := cursor{rest: record, buf: (*buf)[:0]}
	at.skip(`{"Key":{`)
	if at.peek(`"Revoked":true,`) {
		p.revoked = true
	}
	at.skip(`"Created":`)
	p.created = at.integer()
	at.skip(`,"Key":`)
	wrapped := at.base64()
	at.skip(`,"ParentKeyMeta":{"KeyId":"`)
	id := at.plain()
	at.skip(`","Created":`)
	p.parentCreated = at.integer()
	at.skip(`}},"Data":`)
	data := at.base64()
	at.skip(`}`)
	*buf = at.buf
	if at.failed || len(at.rest) != 0 {
		*p = parsedRecord{likely: p.likely}
		return false
	}
	// The buffer may have moved while it grew.
	p.wrapped, p.data = at.buf[wrapped.from:wrapped.to], at.buf[data.from:data.to]
	if string(id) == p.likely {
		p.parentID = p.likely
	} else {
		p.parentID = string(id)
	}
	return true
}

// parseAny reads whatever is this record in JSON.
func (p *parsedRecord) parseAny(record []byte) error {
	var d DataRowRecord
	if err := json.Unmarshal(record, &d); err != nil {
		return jsonError(err)
	}
	got, err := d.parsed()
	*p = got
	return err
}

// jsonError says where a text stops being JSON, and leaves out the characters
// that encoding/json quotes: they may be a user's plaintext.
func jsonError(err error) error {
	if e := (*json.SyntaxError)(nil); errors.As(err, &e) {
		return malformed("not a JSON text, at byte %d", e.Offset)
	}
	if e := (*json.UnmarshalTypeError)(nil); errors.As(err, &e) {
		return malformed("not the JSON of a record, at byte %d: field %q can't be read", e.Offset, e.Field)
	}
	return malformed("not the JSON of a record")
}

// cursor reads a text from left to right. After the first failure it stays
// failed and yields zeros.
type cursor struct {
	rest   []byte
	buf    []byte // what base64 has decoded
	failed bool
}

type span struct{ from, to int }

func (c *cursor) skip(s string) {
	if !c.peek(s) {
		c.failed = true
	}
}

// peek skips s if it stands here.
func (c *cursor) peek(s string) bool {
	if len(c.rest) < len(s) || string(c.rest[:len(s)]) != s {
		return false
	}
	c.rest = c.rest[len(s):]
	return true
}

// integer reads digits as JSON allows them.
func (c *cursor) integer() (v int64) {
	n := 0
	for n < len(c.rest) && n < 18 && c.rest[n]-'0' <= 9 {
		v = v*10 + int64(c.rest[n]-'0')
		n++
	}
	if n == 0 || n > 1 && c.rest[0] == '0' {
		c.failed = true
	}
	c.rest = c.rest[n:]
	return v
}

// plain reads the characters of a string that need no escaping.
func (c *cursor) plain() []byte {
	for i, b := range c.rest {
		if b == '"' {
			s := c.rest[:i]
			c.rest = c.rest[i:]
			return s
		}
		if !plainInJSON(b) {
			break
		}
	}
	c.failed = true
	return nil
}

func plainInJSON(b byte) bool {
	return b >= 0x20 && b < 0x7F && b != '"' && b != '\\' && b != '&' && b != '<' && b != '>'
}

// base64 reads a string of base64.
func (c *cursor) base64() span {
	c.skip(`"`)
	n := bytes.IndexByte(c.rest, '"')
	if c.failed || n < 0 {
		c.failed = true
		return span{}
	}
	from := len(c.buf)
	// A record of the canonical form has no backslash in its base64, so that a
	// quote can't be part of it.
	out, err := base64.StdEncoding.Strict().AppendDecode(c.buf, c.rest[:n])
	if err != nil || bytes.IndexByte(c.rest[:n], '\n') >= 0 || bytes.IndexByte(c.rest[:n], '\r') >= 0 {
		c.failed = true
		return span{}
	}
	c.buf, c.rest = out, c.rest[n+1:]
	return span{from, len(out)}
}

// quoteID returns an id as a JSON string, escaped as encoding/json does it.
func quoteID(id string) []byte {
	for i := range len(id) {
		if !plainInJSON(id[i]) {
			quoted, _ := json.Marshal(id) // a string always can be
			return quoted
		}
	}
	return []byte(`"` + id + `"`)
}

// appendRecordHead appends a record up to the data.
func appendRecordHead(dst []byte, revoked bool, created int64, wrapped, quotedParent []byte, parentCreated int64) []byte {
	dst = append(dst, `{"Key":{`...)
	if revoked {
		dst = append(dst, `"Revoked":true,`...)
	}
	dst = append(dst, `"Created":`...)
	dst = strconv.AppendInt(dst, created, 10)
	dst = append(dst, `,"Key":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, wrapped)
	dst = append(dst, `","ParentKeyMeta":{"KeyId":`...)
	dst = append(dst, quotedParent...)
	dst = append(dst, `,"Created":`...)
	dst = strconv.AppendInt(dst, parentCreated, 10)
	return append(dst, `}},"Data":"`...)
}

func appendRecordData(dst, data []byte) []byte {
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, `"}`...)
}

// recordLen is the length of a record whose head is given.
func recordLen(head, data int) int { return head + base64.StdEncoding.EncodedLen(data) + len(`"}`) }

// IsAsherah reports whether a value is a DataRowRecord by its shape: whole, its
// parent an intermediate key, key and data as long as a seal makes them. Whether
// it opens, only opening tells.
func IsAsherah(record []byte) bool {
	// Most values that aren't one are told by their first byte.
	if trimmed := bytes.TrimLeft(record, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return false
	}
	s := getScratch()
	defer s.put()
	var p parsedRecord
	return p.parse(record, &s.buf) == nil &&
		len(p.wrapped) == sealedKeyLen && len(p.data) >= aead.Overhead &&
		strings.HasPrefix(p.parentID, ikPrefix)
}
