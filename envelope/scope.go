package envelope

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

// Scope is one statement's execution or one result set. Bound records of one
// partition that are sealed in it share a data key, and a data key that several
// of the records have which are opened in it isn't opened for each of them.
//
// Data keys that a scope keeps are in protected memory. Close wipes them.
//
// A Scope is not safe for concurrent use.
type Scope struct {
	keys   *access
	closed bool
	single bool     // see Single
	work   *scratch // the scope's own from its first use until Close

	sealing []*sealingKey // one a partition, the one used last first
	readers []reader      // at most maxReaders, the one used last first
	one     [1]reader     // the memory of the first
	opening openingKeys
}

// maxSealing is how many partitions' data keys a scope keeps.
const maxSealing = 256

// sealingKey is a data key for the records of one partition.
type sealingKey struct {
	partition string
	created   int64 // of the intermediate key
	wrapped   [wrappedLen]byte
	key       *scopeKey
	left      int64 // records that it may still seal
}

// reader is an intermediate key that a record was opened with. The scope has no
// reference to it: it is used again only if somebody else still has one.
type reader struct {
	key               *key
	partition, suffix string
	created           int64
}

// maxReaders is how many intermediate keys are remembered: what makes a result
// of a few tenants as quick as that of one.
const maxReaders = 8

// Scope returns a scope. It asks neither the metastore nor the KMS, and costs
// one allocation.
func (f *SessionFactory) Scope() *Scope { return &Scope{keys: &f.own} }

// Single says that at most one more bound record is sealed in the scope, so that
// its data key needn't be kept for a next one. If there is one all the same, it
// has a data key of its own.
func (sc *Scope) Single() { sc.single = true }

// Close wipes the scope's data keys. Every later use is ErrClosed. Further calls
// do nothing.
func (sc *Scope) Close() {
	sc.Reset()
	sc.closed = true
	if sc.work != nil {
		sc.work.put()
		sc.work = nil
	}
}

// Reset wipes the scope's data keys and makes it a new one, for another
// statement: it takes no data key and nothing else over from before.
func (sc *Scope) Reset() {
	for _, d := range sc.sealing {
		d.key.close(sc.keys.f)
	}
	sc.opening.close(sc.keys.f)
	sc.sealing, sc.readers, sc.one, sc.single, sc.opening = nil, nil, [1]reader{}, false, openingKeys{}
	if sc.work != nil && !sc.work.small() {
		sc.work.put()
		sc.work = nil
	}
}

func (sc *Scope) open() error {
	if sc.closed {
		return fmt.Errorf("scope: %w", ErrClosed)
	}
	return sc.keys.f.open()
}

// scratch returns the scope's working memory. Whoever uses it wipes it.
func (sc *Scope) scratch() *scratch {
	if sc.work == nil {
		sc.work = getScratch()
	}
	return sc.work
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
	t := sc.keys.f.begin(timerEncrypt)
	out, err := sc.appendSeal(ctx, dst, partition, payload, &b)
	t.end(err)
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
	s, f := sc.scratch(), sc.keys.f
	defer s.wipe()
	if d := sc.sealingKey(partition); d != nil {
		if err := draw(f.random, s.dataNonce()); err != nil {
			return nil, err
		}
		d.left--
		f.beginBound(s, d.created, partition, d.wrapped[:], b)
		var err error
		s.buf, err = d.key.seal(s, aead.Bound, s.buf, s.dataNonce(), payload, s.ad)
		return endBound(s, dst, b, err)
	}
	k, now, err := sc.key(ctx, partition)
	if err != nil {
		return nil, err
	}
	defer k.release()
	if sc.single || f.policy.DataKeyReuse > 1 {
		return k.appendSeal(s, dst, partition, payload, b, now)
	}
	s.ad = appendBoundAD1(s.ad[:0], f.names, partition, nil)
	if err := k.wrap(s, aead.Bound, s.ad); err != nil {
		return nil, err
	}
	c, err := aead.Expand(s.dataKey())
	if err != nil {
		return nil, err
	}
	f.beginBound(s, k.meta.Created, partition, s.wrapped[:], b)
	s.buf = aead.SealWith(c.AEAD, aead.Bound, s.buf, s.dataNonce(), payload, s.ad)
	if kept := f.keepForScope(c, s.dataKey()); kept != nil {
		sc.keepSealing(&sealingKey{partition: partition, created: k.meta.Created, wrapped: s.wrapped, key: kept, left: wrapLimit - 1})
	}
	return endBound(s, dst, b, nil)
}

// sealingKey returns the data key that the scope has for a partition, or nil.
func (sc *Scope) sealingKey(partition string) *sealingKey {
	for i, d := range sc.sealing {
		if d.partition != partition {
			continue
		}
		toFront(sc.sealing, i)
		if d.left > 0 {
			return d
		}
		d.key.close(sc.keys.f)
		sc.sealing[0] = nil
		sc.sealing = sc.sealing[1:]
		return nil
	}
	return nil
}

func (sc *Scope) keepSealing(d *sealingKey) {
	if len(sc.sealing) == maxSealing {
		sc.sealing[maxSealing-1].key.close(sc.keys.f)
		sc.sealing = sc.sealing[:maxSealing-1]
	}
	sc.sealing = append(sc.sealing, d)
	toFront(sc.sealing, len(sc.sealing)-1)
}

// toFront moves the i'th element to the front.
func toFront[T any](list []T, i int) {
	if i == 0 {
		return
	}
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
	t := sc.keys.f.begin(timerEncrypt)
	out, err := sc.appendEncrypt(ctx, dst, partition, payload)
	t.end(err)
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
	s := sc.scratch()
	defer s.wipe()
	return k.appendEncrypt(s, dst, payload, now)
}

// AppendOpen is [Session.AppendOpen] for a partition. The empty partition stands
// for the one that the record itself names: then nothing proves that the record
// belongs to the row that it was found in, only to the context and the rest of
// the binding.
func (sc *Scope) AppendOpen(ctx context.Context, dst []byte, partition string, record []byte, b Binding) ([]byte, error) {
	if err := sc.open(); err != nil {
		return dst, fmt.Errorf("open: %w", err)
	}
	t := sc.keys.f.begin(timerDecrypt)
	out, err := sc.appendOpen(ctx, dst, partition, record, &b)
	t.end(err)
	if err != nil {
		return dst, fmt.Errorf("open: %w", err)
	}
	return out, nil
}

func (sc *Scope) appendOpen(ctx context.Context, dst []byte, partition string, record []byte, b *Binding) ([]byte, error) {
	s, f := sc.scratch(), sc.keys.f
	defer s.wipe()
	var r boundRecord
	if err := f.parseFor(s, &r, record, partition, b); err != nil {
		return nil, err
	}
	if d := sc.opening.find(&r); d != nil {
		return opened(d.key.open(s, aead.Bound, dst, r.sealed, f.dataAD(s, d.partition, b, &r)))
	}
	k, partition, err := sc.reader(ctx, partition, &r)
	if err != nil {
		return nil, err
	}
	defer k.release()
	if err := k.unwrapBound(s, partition, &r); err != nil {
		return nil, err
	}
	c, err := aead.Expand(s.dataKey())
	if err != nil {
		return nil, err
	}
	dst, err = aead.OpenWith(c.AEAD, aead.Bound, dst, r.sealed, f.dataAD(s, partition, b, &r))
	if sc.opening.again(&r) {
		sc.opening.keep(f, &r, partition, f.keepForScope(c, s.dataKey()))
	} else {
		c.Wipe()
	}
	return opened(dst, err)
}

// reader returns the intermediate key that a record names, with a reference, and
// the partition, which is the record's.
func (sc *Scope) reader(ctx context.Context, partition string, r *boundRecord) (*key, string, error) {
	// What a transaction has stored may come and go in the scope's life.
	settled := sc.keys.overlay == nil || sc.keys.overlay.Pending() == 0
	if settled {
		for i := range sc.readers {
			known := &sc.readers[i]
			if known.created == r.created && known.partition == string(r.partition) && known.suffix == string(r.suffix) {
				k, partition := known.key, known.partition
				if !k.tryRetain() {
					break
				}
				toFront(sc.readers, i)
				sc.keys.f.count(countHit)
				return k, partition, nil
			}
		}
	}
	if partition == "" {
		partition = string(r.partition)
	}
	// Looked for, not made: anybody can write a record that names a partition.
	l, _ := sc.keys.f.lines.Get(partition)
	k, err := sc.keys.boundKey(ctx, l, partition, r)
	if err == nil && settled && (sc.keys.overlay == nil || sc.keys.overlay.Pending() == 0) {
		if sc.readers == nil {
			sc.readers = sc.one[:0]
		}
		if len(sc.readers) < maxReaders {
			sc.readers = append(sc.readers, reader{})
		}
		last := len(sc.readers) - 1
		sc.readers[last] = reader{key: k, partition: partition, suffix: string(r.suffix), created: r.created}
		toFront(sc.readers, last)
	}
	return k, partition, err
}

// openingKeys are data keys that more than one record of a scope has. Most
// records have a data key of their own, as each statement that stores values
// makes one: a key is kept when it is met for the second time.
type openingKeys struct {
	first uint64 // the mark of the first key
	n     int    // keys met, 0, 1 or more
	slots *[openingSlots]openingSlot
}

// openingSlots is how many data keys a scope keeps at most. Each has one place,
// which its mark says; of two with the same place the later one has it.
const openingSlots = 32

type openingSlot struct {
	mark uint64 // of the key met last
	kept *openingKey
}

// openingKey is an opened data key. It opens only what came with the same
// wrapped bytes for the same intermediate key: what would be opened again.
type openingKey struct {
	partition, suffix string
	created           int64
	wrapped           [wrappedLen]byte
	key               *scopeKey
}

// mark tells data keys apart, nearly: eight bytes of the wrapped key's nonce,
// which is random.
func (r *boundRecord) mark() uint64 { return binary.LittleEndian.Uint64(r.wrapped) }

// find returns a record's data key if it was kept, or nil.
func (o *openingKeys) find(r *boundRecord) *openingKey {
	if o.slots == nil {
		return nil
	}
	d := o.slots[r.mark()%openingSlots].kept
	if d == nil || string(d.wrapped[:]) != string(r.wrapped) || d.created != r.created || d.partition != string(r.partition) || d.suffix != string(r.suffix) {
		return nil
	}
	return d
}

// again notes that a record's data key was met, and reports whether it was
// before.
func (o *openingKeys) again(r *boundRecord) bool {
	mark := r.mark()
	switch {
	case o.n == 0:
		o.n, o.first = 1, mark
		return false
	case o.slots == nil:
		o.slots = new([openingSlots]openingSlot)
		o.slots[o.first%openingSlots].mark = o.first
	}
	slot := &o.slots[mark%openingSlots]
	met := slot.mark == mark
	slot.mark = mark
	return met
}

// keep keeps a record's data key, in the place of another one. A nil key is
// none.
func (o *openingKeys) keep(f *SessionFactory, r *boundRecord, partition string, k *scopeKey) {
	if k == nil {
		return
	}
	slot := &o.slots[r.mark()%openingSlots]
	if slot.kept != nil {
		slot.kept.key.close(f)
	}
	slot.kept = &openingKey{partition: partition, suffix: string(r.suffix), created: r.created, wrapped: [wrappedLen]byte(r.wrapped), key: k}
}

func (o *openingKeys) close(f *SessionFactory) {
	if o.slots == nil {
		return
	}
	for i := range o.slots {
		if d := o.slots[i].kept; d != nil {
			d.key.close(f)
		}
	}
	o.slots = nil
}

// AppendDecrypt is [Session.AppendDecrypt] for a partition. The empty partition
// stands for the one that the record itself names, see
// [SessionFactory.AsherahPartition].
func (sc *Scope) AppendDecrypt(ctx context.Context, dst []byte, partition string, record []byte) ([]byte, error) {
	if err := sc.open(); err != nil {
		return dst, fmt.Errorf("decrypt: %w", err)
	}
	t := sc.keys.f.begin(timerDecrypt)
	out, err := sc.appendDecrypt(ctx, dst, partition, record)
	t.end(err)
	if err != nil {
		return dst, fmt.Errorf("decrypt: %w", err)
	}
	return out, nil
}

var errForeign = errors.New("its key is of another service or product, or of a region that isn't accepted")

func (sc *Scope) appendDecrypt(ctx context.Context, dst []byte, partition string, record []byte) ([]byte, error) {
	s := sc.scratch()
	defer s.wipe()
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
