package envelope

import (
	"context"
	"errors"
	"fmt"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

// Scope is one statement's execution or one result set. Bound records of one
// partition that are sealed in it share a data key, and a data key that was
// opened in it is kept for the next record: a result set costs one wrapped key
// for each statement that wrote it. Close wipes them.
//
// A Scope is not safe for concurrent use.
type Scope struct {
	keys   *access
	closed bool

	sealing []*sealingKey // one a partition, the one used last first
	opening []*openingKey // at most maxOpening, the one used last first
}

// maxOpening is how many opened data keys a scope keeps. Rows that were written
// together mostly lie together.
const maxOpening = 64

// maxSealing is how many partitions' data keys a scope keeps.
const maxSealing = 256

// sealingKey is a data key for the records of one partition.
type sealingKey struct {
	partition string
	created   int64 // of the intermediate key
	wrapped   [wrappedLen]byte
	cipher    aead.Expanded
	left      int64 // records that it may still seal
}

// openingKey is an opened data key. It opens only what came with the same
// wrapped bytes for the same intermediate key: what would be opened again.
type openingKey struct {
	partition, suffix string
	created           int64
	wrapped           [wrappedLen]byte
	cipher            aead.Expanded
}

// Scope returns a scope. It asks neither the metastore nor the KMS, and costs
// one allocation.
func (f *SessionFactory) Scope() *Scope { return &Scope{keys: &f.own} }

// Close wipes the scope's data keys. Every later use is ErrClosed. Further calls
// do nothing.
func (sc *Scope) Close() {
	sc.closed = true
	for _, d := range sc.sealing {
		d.cipher.Wipe()
	}
	for _, d := range sc.opening {
		d.cipher.Wipe()
	}
	sc.sealing, sc.opening = nil, nil
}

func (sc *Scope) open() error {
	if sc.closed {
		return fmt.Errorf("scope: %w", ErrClosed)
	}
	return sc.keys.f.open()
}

// key returns the key that a partition encrypts with, and the time.
func (sc *Scope) key(ctx context.Context, partition string) (*key, int64, error) {
	l, err := sc.keys.f.line(partition)
	if err != nil {
		return nil, 0, err
	}
	now := sc.keys.f.now()
	k, err := sc.keys.encryptionKey(ctx, l, now)
	return k, now, err
}

// AppendSeal is [Session.AppendSeal] for a partition; ErrNoPartition if it is
// empty.
func (sc *Scope) AppendSeal(ctx context.Context, dst []byte, partition string, payload []byte, b Binding) ([]byte, error) {
	if err := sc.open(); err != nil {
		return dst, fmt.Errorf("seal: %w", err)
	}
	out, err := sc.appendSeal(ctx, dst, partition, payload, &b)
	if err != nil {
		return dst, fmt.Errorf("seal: %w", err)
	}
	return out, nil
}

func (sc *Scope) appendSeal(ctx context.Context, dst []byte, partition string, payload []byte, b *Binding) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	if err := checkPayload(len(payload)); err != nil {
		return nil, err
	}
	s := getScratch()
	defer s.put()
	if sc.keys.f.policy.DataKeyReuse > 1 {
		k, now, err := sc.key(ctx, partition)
		if err != nil {
			return nil, err
		}
		defer k.release()
		return k.appendSeal(s, dst, partition, payload, b, now)
	}
	d, err := sc.sealingKey(ctx, s, partition)
	if err != nil {
		return nil, err
	}
	d.left--
	return sc.keys.f.appendBound(s, dst, d.created, partition, d.wrapped[:], b, func() error {
		s.buf = aead.SealWith(d.cipher.AEAD, aead.Bound, s.buf, s.dataNonce(), payload, s.ad)
		return nil
	})
}

// sealingKey returns the scope's data key for a partition, and a nonce to use it
// with in s.
func (sc *Scope) sealingKey(ctx context.Context, s *scratch, partition string) (*sealingKey, error) {
	for i, d := range sc.sealing {
		if d.partition != partition {
			continue
		}
		if d.left > 0 {
			toFront(sc.sealing, i)
			return d, draw(sc.keys.f.random, s.dataNonce())
		}
		d.cipher.Wipe()
		toFront(sc.sealing, i)
		sc.sealing = sc.sealing[1:]
		break
	}
	k, _, err := sc.key(ctx, partition)
	if err != nil {
		return nil, err
	}
	defer k.release()
	s.ad = appendBoundAD1(s.ad[:0], k.f.names, partition, nil)
	if err := k.wrap(s, aead.Bound, s.ad); err != nil {
		return nil, err
	}
	c, err := aead.Expand(s.dataKey())
	if err != nil {
		return nil, err
	}
	d := &sealingKey{partition: partition, created: k.meta.Created, wrapped: s.wrapped, cipher: c, left: wrapLimit}
	if len(sc.sealing) == maxSealing {
		sc.sealing[maxSealing-1].cipher.Wipe()
		sc.sealing = sc.sealing[:maxSealing-1]
	}
	sc.sealing = append(sc.sealing, d)
	toFront(sc.sealing, len(sc.sealing)-1)
	return d, nil
}

// toFront moves the i'th element to the front.
func toFront[T any](list []T, i int) {
	e := list[i]
	copy(list[1:i+1], list[:i])
	list[0] = e
}

// AppendEncrypt is [Session.AppendEncrypt] for a partition; ErrNoPartition if it
// is empty. Each record has a data key of its own.
func (sc *Scope) AppendEncrypt(ctx context.Context, dst []byte, partition string, payload []byte) ([]byte, error) {
	if err := sc.open(); err != nil {
		return dst, fmt.Errorf("encrypt: %w", err)
	}
	out, err := sc.appendEncrypt(ctx, dst, partition, payload)
	if err != nil {
		return dst, fmt.Errorf("encrypt: %w", err)
	}
	return out, nil
}

func (sc *Scope) appendEncrypt(ctx context.Context, dst []byte, partition string, payload []byte) ([]byte, error) {
	if err := checkPayload(len(payload)); err != nil {
		return nil, err
	}
	k, now, err := sc.key(ctx, partition)
	if err != nil {
		return nil, err
	}
	defer k.release()
	return k.appendEncrypt(dst, payload, now)
}

// AppendOpen is [Session.AppendOpen] for a partition. The empty partition stands
// for the one that the record itself names: then nothing proves that the record
// belongs to the row that it was found in, only to the context and the rest of
// the binding.
func (sc *Scope) AppendOpen(ctx context.Context, dst []byte, partition string, record []byte, b Binding) ([]byte, error) {
	if err := sc.open(); err != nil {
		return dst, fmt.Errorf("open: %w", err)
	}
	out, err := sc.appendOpen(ctx, dst, partition, record, &b)
	if err != nil {
		return dst, fmt.Errorf("open: %w", err)
	}
	return out, nil
}

func (sc *Scope) appendOpen(ctx context.Context, dst []byte, partition string, record []byte, b *Binding) ([]byte, error) {
	s := getScratch()
	defer s.put()
	f := sc.keys.f
	r, err := f.parseFor(s, record, partition, b)
	if err != nil {
		return nil, err
	}
	d, err := sc.openingKey(ctx, s, &r)
	if err != nil {
		return nil, err
	}
	dst, err = aead.OpenWith(d.cipher.AEAD, aead.Bound, dst, r.sealed, f.dataAD(s, d.partition, b, &r))
	return opened(dst, err)
}

// openingKey returns a record's data key.
func (sc *Scope) openingKey(ctx context.Context, s *scratch, r *boundRecord) (*openingKey, error) {
	wrapped := [wrappedLen]byte(r.wrapped)
	for i, d := range sc.opening {
		if d.wrapped == wrapped && d.created == r.created && d.partition == string(r.partition) && d.suffix == string(r.suffix) {
			toFront(sc.opening, i)
			return d, nil
		}
	}
	partition := string(r.partition)
	// Looked for, not made: anybody can write a record that names a partition.
	l, _ := sc.keys.f.lines.Get(partition)
	k, err := sc.keys.boundKey(ctx, l, partition, r)
	if err != nil {
		return nil, err
	}
	defer k.release()
	if err := k.unwrapBound(s, partition, r); err != nil {
		return nil, err
	}
	c, err := aead.Expand(s.dataKey())
	if err != nil {
		return nil, err
	}
	d := &openingKey{partition: partition, suffix: string(r.suffix), created: r.created, wrapped: wrapped, cipher: c}
	if len(sc.opening) == maxOpening {
		sc.opening[maxOpening-1].cipher.Wipe()
		sc.opening = sc.opening[:maxOpening-1]
	}
	sc.opening = append(sc.opening, d)
	toFront(sc.opening, len(sc.opening)-1)
	return d, nil
}

// AppendDecrypt is [Session.AppendDecrypt] for a partition. The empty partition
// stands for the one that the record itself names, see
// [SessionFactory.AsherahPartition].
func (sc *Scope) AppendDecrypt(ctx context.Context, dst []byte, partition string, record []byte) ([]byte, error) {
	if err := sc.open(); err != nil {
		return dst, fmt.Errorf("decrypt: %w", err)
	}
	out, err := sc.appendDecrypt(ctx, dst, partition, record)
	if err != nil {
		return dst, fmt.Errorf("decrypt: %w", err)
	}
	return out, nil
}

var errForeign = errors.New("its key is of another service or product, or of a region that isn't accepted")

func (sc *Scope) appendDecrypt(ctx context.Context, dst []byte, partition string, record []byte) ([]byte, error) {
	s := getScratch()
	defer s.put()
	l, known := sc.keys.f.lines.Get(partition)
	var p parsedRecord
	if known {
		p.likely = l.id
	}
	if err := p.parse(record, &s.buf); err != nil {
		return nil, err
	}
	if partition == "" {
		var ok bool
		if partition, ok = sc.keys.f.names.partitionOf(p.parentID); !ok {
			return nil, fmt.Errorf("unable to decrypt record: %w: %w", ErrPartitionMismatch, errForeign)
		}
		l, _ = sc.keys.f.lines.Get(partition)
	}
	return sc.keys.openRecord(ctx, s, l, partition, dst, &p)
}
