package envelope

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

// boundRecord is a bound record, taken apart. As it stands in a column:
//
//	text    ash1.                                     body in base64url without padding
//	        ash1x │ epoch character │ 26 token characters │ . │ body in base64url
//	binary  A5 01 │ body
//	        A5 02 │ epoch │ 16 token bytes │ body
//
//	body    version = 1
//	        uvarint    creation time of the intermediate key, unix seconds
//	        uvarint n  n bytes of partition
//	        uvarint m  m bytes of region suffix, m = 0 without one
//	        60 bytes   wrapped data key: 12 nonce │ 32 ciphertext │ 16 tag, sealed by the intermediate key
//	        12 bytes   nonce
//	        …          ciphertext, as long as the payload
//	        16 bytes   tag
//
// The epoch character is the epoch's digit in base32hex (0–9, a–v). Every record
// has one way of being written, and the parser takes no other: uvarints are as
// short as they can be, base64 has no line breaks and no stray bits.
type boundRecord struct {
	epoch     byte
	token     []byte // nil: none
	created   int64
	partition []byte
	suffix    []byte
	wrapped   []byte // wrappedLen bytes
	sealed    []byte // nonce │ ciphertext │ tag
}

const (
	boundVersion = 1
	wrappedLen   = aead.KeyLen + aead.Overhead

	textPlain  = "ash1."
	textToken  = "ash1x"
	textPrefix = len(textToken) + 1 + tokenTextLen + 1 // up to the body, with a token

	binaryMagic  = 0xA5
	binaryPlain  = 1
	binaryToken  = 2
	binaryPrefix = 2 + 1 + tokenBinaryLen
)

// base64url is strict about the bits that a last character has too many.
var base64url = base64.RawURLEncoding.Strict()

// parseBound takes a record apart. Its body is decoded, or copied, into buf's
// spare capacity, so that what the caller does to the record's memory afterwards
// doesn't matter; the extended buf is returned, also with an error. The token
// points into the record.
func parseBound(record []byte, enc Encoding, buf []byte) (r boundRecord, _ []byte, err error) {
	buf, err = r.parse(record, enc, buf)
	return r, buf, err
}

// parse is parseBound into r, which must be zero.
func (r *boundRecord) parse(record []byte, enc Encoding, buf []byte) (_ []byte, err error) {
	if err := checkRecordIn(len(record)); err != nil {
		return buf, err
	}
	at := len(buf)
	switch enc {
	case EncodingText:
		var text []byte
		if len(record) >= len(textPlain) && string(record[:len(textPlain)]) == textPlain {
			text = record[len(textPlain):]
		} else if text, err = r.parseTextToken(record); err != nil {
			return buf, err
		}
		if buf, err = appendBase64URL(buf, text); err != nil {
			return buf, err
		}
	case EncodingBinary:
		raw, err := r.parseBinaryPrefix(record)
		if err != nil {
			return buf, err
		}
		buf = append(buf, raw...)
	default:
		return buf, enc.check()
	}
	return buf, r.parseBody(buf[at:])
}

// parseTextToken takes the prefix off a text record with a token.
func (r *boundRecord) parseTextToken(record []byte) (text []byte, err error) {
	rest, ok := bytes.CutPrefix(record, []byte(textToken))
	switch {
	case !ok:
		return nil, malformed("it doesn't begin as a bound text record does")
	case len(record) < textPrefix:
		return nil, malformed("cut off in the search token")
	}
	if r.epoch, ok = base32hexValue(rest[0]); !ok {
		return nil, malformed("the epoch is no base32hex digit")
	}
	r.token = rest[1 : 1+tokenTextLen]
	if !validToken(r.token, EncodingText) {
		return nil, malformed("the search token is no base32hex number of 128 bits")
	}
	if rest[1+tokenTextLen] != '.' {
		return nil, malformed("no full stop behind the search token")
	}
	return record[textPrefix:], nil
}

func (r *boundRecord) parseBinaryPrefix(record []byte) (body []byte, err error) {
	if len(record) < 2 || record[0] != binaryMagic {
		return nil, malformed("it doesn't begin as a bound binary record does")
	}
	switch record[1] {
	case binaryPlain:
		return record[2:], nil
	case binaryToken:
		if len(record) < binaryPrefix {
			return nil, malformed("cut off in the search token")
		}
		if r.epoch = record[2]; r.epoch > maxEpoch {
			return nil, malformed("epoch %d, the highest is %d", r.epoch, maxEpoch)
		}
		r.token = record[3:binaryPrefix]
		return record[binaryPrefix:], nil
	}
	return nil, malformed("unknown kind %d of binary record", record[1])
}

func (r *boundRecord) parseBody(body []byte) error {
	if len(body) == 0 {
		return malformed("empty body")
	}
	if body[0] != boundVersion {
		return malformed("version %d, want %d", body[0], boundVersion)
	}
	body = body[1:]
	created, body, err := cutUvarint(body)
	if err != nil {
		return err
	}
	if created > math.MaxInt64 {
		return malformed("creation time of the key out of range")
	}
	r.created = int64(created)
	if r.partition, body, err = cutItem(body); err != nil {
		return err
	}
	if r.suffix, body, err = cutItem(body); err != nil {
		return err
	}
	switch {
	case len(r.partition) == 0:
		return malformed("no partition")
	case !utf8.Valid(r.partition) || !utf8.Valid(r.suffix):
		return malformed("the partition or the region suffix is not valid UTF-8")
	case len(body) < wrappedLen+aead.Overhead:
		return malformed("cut off in the sealed part")
	case len(body)-wrappedLen-aead.Overhead > MaxPayload:
		return malformed("a payload of %d bytes, the limit is %d", len(body)-wrappedLen-aead.Overhead, MaxPayload)
	}
	r.wrapped, r.sealed = body[:wrappedLen], body[wrappedLen:]
	return nil
}

// append appends the record as it stands in a column.
func (r *boundRecord) append(dst []byte, enc Encoding) []byte {
	if enc == EncodingBinary {
		dst = r.appendPrefix(dst, enc)
		return r.appendBody(dst)
	}
	body := r.appendBody(nil)
	return base64url.AppendEncode(r.appendPrefix(dst, enc), body)
}

func (r *boundRecord) appendBody(dst []byte) []byte {
	dst = appendBoundHeader(dst, r.created, r.partition, r.suffix)
	dst = append(dst, r.wrapped...)
	return append(dst, r.sealed...)
}

// appendPrefix appends what stands before the body.
func (r *boundRecord) appendPrefix(dst []byte, enc Encoding) []byte {
	return appendBoundPrefix(dst, enc, r.epoch, r.token)
}

func appendBoundPrefix(dst []byte, enc Encoding, epoch byte, token []byte) []byte {
	switch {
	case enc == EncodingBinary && len(token) == 0:
		return append(dst, binaryMagic, binaryPlain)
	case enc == EncodingBinary:
		dst = append(dst, binaryMagic, binaryToken, epoch)
		return append(dst, token...)
	case len(token) == 0:
		return append(dst, textPlain...)
	}
	dst = append(dst, textToken...)
	dst = append(dst, base32hex[epoch])
	dst = append(dst, token...)
	return append(dst, '.')
}

// appendBoundHeader appends the body up to the wrapped key.
func appendBoundHeader[T string | []byte](dst []byte, created int64, partition, suffix T) []byte {
	dst = append(dst, boundVersion)
	dst = binary.AppendUvarint(dst, uint64(created))
	dst = appendItem(dst, partition)
	return appendItem(dst, suffix)
}

// cutUvarint reads an uvarint that is as short as it can be.
func cutUvarint(b []byte) (uint64, []byte, error) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), b[1:], nil
	}
	v, n := binary.Uvarint(b)
	switch {
	case n == 0:
		return 0, nil, malformed("cut off in a number")
	case n < 0:
		return 0, nil, malformed("a number over 64 bits")
	case n > 1 && b[n-1] == 0:
		return 0, nil, malformed("a number that isn't as short as it can be")
	}
	return v, b[n:], nil
}

// cutItem reads a length and as many bytes. The length is compared with what is
// there before anything else is done with it.
func cutItem(b []byte) (item, rest []byte, err error) {
	n, b, err := cutUvarint(b)
	if err != nil {
		return nil, nil, err
	}
	if n > MaxKeyID {
		return nil, nil, malformed("a name of %d bytes, the limit is %d", n, MaxKeyID)
	}
	if n > uint64(len(b)) {
		return nil, nil, malformed("cut off in a name")
	}
	return b[:n], b[n:], nil
}

// appendBase64URL appends the decoded text to dst.
func appendBase64URL(dst, text []byte) ([]byte, error) {
	// The decoder skips line breaks, and then a record could be written in
	// many ways.
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return dst, malformed("a line break in base64url")
	}
	at := len(dst)
	out, err := base64url.AppendDecode(dst, text)
	if err != nil {
		return dst[:at], malformed("not base64url without padding")
	}
	return out, nil
}

// IsBound reports whether a value looks like a bound record of this encoding,
// by its first bytes. It is for telling records from plaintext in error texts
// and migrations; whether it is one, only opening tells.
func IsBound(record []byte, enc Encoding) bool {
	switch enc {
	case EncodingText:
		body, ok := bytes.CutPrefix(record, []byte(textPlain))
		if !ok && bytes.HasPrefix(record, []byte(textToken)) && len(record) > textPrefix && record[textPrefix-1] == '.' {
			body, ok = record[textPrefix:], true
		}
		// The body's first byte is 1: its first character is A, and the second
		// one of the sixteen that begin with the bits 01.
		return ok && len(body) >= 2 && body[0] == 'A' && strings.IndexByte("QRSTUVWXYZabcdef", body[1]) >= 0
	case EncodingBinary:
		if len(record) < 3 || record[0] != binaryMagic {
			return false
		}
		return record[1] == binaryPlain && record[2] == boundVersion ||
			record[1] == binaryToken && len(record) > binaryPrefix && record[binaryPrefix] == boundVersion
	}
	return false
}

// RecordPartition returns the partition that a bound record names. Nothing
// proves it until the record has been opened. Errors: ErrMalformed.
func RecordPartition(record []byte, enc Encoding) (string, error) {
	s := getScratch()
	defer s.put()
	r, buf, err := parseBound(record, enc, s.buf[:0])
	s.buf = buf
	if err != nil {
		return "", err
	}
	return string(r.partition), nil
}
