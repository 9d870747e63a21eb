package envelope

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

// appendSeal appends a bound record sealed under a data key of k that is not
// kept, or under the one that k's users share.
func (k *key) appendSeal(s *scratch, dst []byte, partition string, payload []byte, b *Binding, now int64) ([]byte, error) {
	f := k.f
	s.ad = appendBoundAD1(s.ad[:0], f.names, partition, nil)
	if f.policy.DataKeyReuse > 1 {
		d, err := k.takeShared(s, s.ad, now)
		if err != nil {
			return nil, err
		}
		defer d.release()
		if err := draw(f.random, s.dataNonce()); err != nil {
			return nil, err
		}
		f.beginBound(s, k.meta.Created, partition, d.wrapped[:], b)
		s.buf, err = d.locked.seal(s, aead.Bound, s.buf, s.dataNonce(), payload, s.ad)
		return endBound(s, dst, b, err)
	}
	if err := k.wrap(s, aead.Bound, s.ad); err != nil {
		return nil, err
	}
	f.beginBound(s, k.meta.Created, partition, s.wrapped[:], b)
	var err error
	s.buf, err = aead.SealOnce(s.dataKey(), aead.Bound, s.buf, s.dataNonce(), payload, s.ad)
	return endBound(s, dst, b, err)
}

// beginBound makes a bound record in s.buf up to where the sealed payload goes,
// whose associated data it leaves in s.ad.
func (f *SessionFactory) beginBound(s *scratch, created int64, partition string, wrapped []byte, b *Binding) {
	s.ad = appendBoundAD1(s.ad[:0], f.names, partition, b)
	// Made apart from the result: whatever the payload shares with that one's
	// spare capacity has been read before anything is written there.
	s.buf = appendBoundHeader(s.buf[:0], created, partition, f.names.suffix)
	s.buf = append(s.buf, wrapped...)
}

// endBound appends the bound record in s.buf as it stands in a column. err is
// that of the payload's seal.
func endBound(s *scratch, dst []byte, b *Binding, err error) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("error encrypting data: %w", err)
	}
	n := len(s.buf)
	if b.Encoding == EncodingText {
		n = base64url.EncodedLen(n)
	}
	if err := checkRecordOut(textPrefix + n); err != nil {
		return nil, err
	}
	dst = slices.Grow(dst, textPrefix+n)
	dst = appendBoundPrefix(dst, b.Encoding, b.Epoch, b.Token)
	if b.Encoding == EncodingText {
		return base64url.AppendEncode(dst, s.buf), nil
	}
	return append(dst, s.buf...), nil
}

// parseFor takes a record apart into r, which must be zero, and refuses what by
// its own account belongs elsewhere. The empty partition stands for the record's
// own.
func (f *SessionFactory) parseFor(s *scratch, r *boundRecord, record []byte, partition string, b *Binding) (err error) {
	if !b.Bound && len(b.Bind) != 0 {
		return b.check()
	}
	if s.buf, err = r.parse(record, b.Encoding, s.buf[:0]); err != nil {
		return err
	}
	switch {
	case partition != "" && string(r.partition) != partition:
		return fmt.Errorf("%w: %w", ErrMoved, ErrPartitionMismatch)
	case !f.names.acceptsSuffix(r.suffix):
		return fmt.Errorf("%w: %w: its region suffix isn't accepted: add it to AcceptSuffixes", ErrMoved, ErrPartitionMismatch)
	case len(b.Token) != 0 && (!bytes.Equal(b.Token, r.token) || b.Epoch != r.epoch):
		return fmt.Errorf("search token: %w", ErrMoved)
	}
	return nil
}

// boundKey returns the intermediate key that a record names. l is the
// partition's line, or nil.
func (a *access) boundKey(ctx context.Context, l *line, partition string, r *boundRecord) (*key, error) {
	meta := KeyMeta{Created: r.created}
	if l != nil && string(r.suffix) == a.f.names.suffix {
		meta.ID = l.id
	} else {
		l = nil
		meta.ID = a.f.names.suffixedIntermediateKeyID(partition, string(r.suffix))
	}
	return a.readingKey(ctx, l, meta)
}

// unwrapBound opens a record's data key into s.
func (k *key) unwrapBound(s *scratch, partition string, r *boundRecord) error {
	s.ad = appendBoundAD1(s.ad[:0], k.f.names, partition, nil)
	_, err := opened(nil, k.unwrap(s, aead.Bound, r.wrapped, s.ad))
	return err
}

// dataAD returns the associated data of a record's payload at the place b, with
// the search token that stands in the record.
func (f *SessionFactory) dataAD(s *scratch, partition string, b *Binding, r *boundRecord) []byte {
	s.ad = appendBoundDataAD1(s.ad[:0], f.names, partition, b, r.token)
	return s.ad
}

// opened is the result of opening a seal of a bound record.
func opened(dst []byte, err error) ([]byte, error) {
	switch {
	case errors.Is(err, aead.ErrAuth), errors.Is(err, aead.ErrShort):
		return nil, ErrMoved
	case err != nil:
		return nil, fmt.Errorf("error decrypting data: %w", err)
	case dst == nil:
		return []byte{}, nil
	}
	return dst, nil
}
