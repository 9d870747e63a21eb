package envelope

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

// Session encrypts and decrypts for one partition. It is safe for concurrent
// use. It holds no keys: one that is lost without Close costs nothing.
type Session struct {
	keys      *access
	partition string
	line      atomic.Pointer[line]
	closed    atomic.Bool
}

// Session returns a session for a partition. It asks neither the metastore nor
// the KMS. Errors: ErrNoPartition for the empty one, ErrClosed, and one for a
// partition whose key id would be too long for a metastore.
func (f *SessionFactory) Session(ctx context.Context, partition string) (*Session, error) {
	if f.own.store == nil {
		return nil, fmt.Errorf("session: %w", errNoStore)
	}
	return f.own.session(partition)
}

func (a *access) session(partition string) (*Session, error) {
	if err := a.f.open(); err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	l, err := a.f.line(partition)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	s := &Session{keys: a, partition: partition}
	s.line.Store(l)
	return s, nil
}

// Close ends the session's use. Keys stay in the factory's caches. Further calls
// do nothing.
func (s *Session) Close() error {
	s.closed.Store(true)
	return nil
}

func (s *Session) open() error {
	if s.closed.Load() {
		return fmt.Errorf("session: %w", ErrClosed)
	}
	return s.keys.f.open()
}

// key returns the key that encrypts at now.
func (s *Session) key(ctx context.Context, now int64) (*key, error) {
	l := s.line.Load()
	if s.keys.overlay == nil {
		if k := l.fresh(s.keys.f, now); k != nil {
			s.keys.f.count(countHit)
			return k, nil
		}
	}
	if l.retired.Load() {
		// The cache has dropped it; the partition may have another one by now.
		var err error
		if l, err = s.keys.f.line(s.partition); err != nil {
			return nil, err
		}
		s.line.Store(l)
	}
	return s.keys.encryptionKey(ctx, l, now)
}

// Encrypt seals a payload into a DataRowRecord, under a data key of its own.
// Errors: ErrTooLarge, ErrClosed, and those of the metastore and the KMS.
func (s *Session) Encrypt(ctx context.Context, payload []byte) (*DataRowRecord, error) {
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	t := s.keys.f.begin(timerEncrypt)
	d, err := s.encrypt(ctx, payload)
	t.end(err)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return d, nil
}

// wholeRecord is a DataRowRecord with all that it points to but the data.
type wholeRecord struct {
	DataRowRecord
	key     EnvelopeKeyRecord
	parent  KeyMeta
	wrapped [sealedKeyLen]byte
}

func (s *Session) encrypt(ctx context.Context, payload []byte) (*DataRowRecord, error) {
	if err := checkPayload(len(payload)); err != nil {
		return nil, err
	}
	now := s.keys.f.now()
	k, err := s.key(ctx, now)
	if err != nil {
		return nil, err
	}
	defer k.release()
	sc := getScratch()
	defer sc.put()
	w := new(wholeRecord)
	if w.Data, err = k.encrypt(sc, nil, payload); err != nil {
		return nil, err
	}
	w.wrapped = sc.wrapped
	w.parent = k.meta
	w.key = EnvelopeKeyRecord{
		Created:       now / int64(time.Second),
		EncryptedKey:  w.wrapped[:],
		ParentKeyMeta: &w.parent,
	}
	w.Key = &w.key
	return &w.DataRowRecord, nil
}

// encrypt seals a payload under a new data key, which it leaves in s.wrapped.
func (k *key) encrypt(s *scratch, dst, payload []byte) ([]byte, error) {
	if err := k.wrap(s, aead.Canonical, nil); err != nil {
		return nil, err
	}
	return aead.SealOnce(s.dataKey(), aead.Canonical, dst, s.dataNonce(), payload, nil)
}

// AppendEncrypt is Encrypt that appends the record's canonical JSON to dst, and
// returns dst itself with an error.
func (s *Session) AppendEncrypt(ctx context.Context, dst, payload []byte) ([]byte, error) {
	if err := s.open(); err != nil {
		return dst, fmt.Errorf("encrypt: %w", err)
	}
	t := s.keys.f.begin(timerEncrypt)
	out, err := s.appendEncrypt(ctx, dst, payload)
	t.end(err)
	if err != nil {
		return dst, fmt.Errorf("encrypt: %w", err)
	}
	return out, nil
}

func (s *Session) appendEncrypt(ctx context.Context, dst, payload []byte) ([]byte, error) {
	if err := checkPayload(len(payload)); err != nil {
		return nil, err
	}
	now := s.keys.f.now()
	k, err := s.key(ctx, now)
	if err != nil {
		return nil, err
	}
	defer k.release()
	sc := getScratch()
	defer sc.put()
	return k.appendEncrypt(sc, dst, payload, now)
}

func (k *key) appendEncrypt(s *scratch, dst, payload []byte, now int64) (_ []byte, err error) {
	// Sealed apart from dst: whatever the payload shares with dst's spare
	// capacity has been read before anything is written there.
	if s.buf, err = k.encrypt(s, s.buf[:0], payload); err != nil {
		return nil, err
	}
	head := 160 + len(k.quoted) // at most
	if err := checkRecordOut(recordLen(head, len(s.buf))); err != nil {
		return nil, err
	}
	dst = slices.Grow(dst, recordLen(head, len(s.buf)))
	dst = appendRecordHead(dst, false, now/int64(time.Second), s.wrapped[:], k.quoted, k.meta.Created)
	return appendRecordData(dst, s.buf), nil
}

// Decrypt opens a DataRowRecord of this session's partition, however old its
// keys are. Errors: ErrPartitionMismatch for another partition's, ErrMalformed,
// ErrKeyNotFound, ErrMoved when it was altered, ErrClosed, and those of the
// metastore and the KMS.
func (s *Session) Decrypt(ctx context.Context, record DataRowRecord) ([]byte, error) {
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	t := s.keys.f.begin(timerDecrypt)
	out, err := s.decrypt(ctx, &record)
	t.end(err)
	if err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	return out, nil
}

func (s *Session) decrypt(ctx context.Context, record *DataRowRecord) ([]byte, error) {
	p, err := record.parsed()
	if err != nil {
		return nil, err
	}
	sc := getScratch()
	defer sc.put()
	return s.keys.openRecord(ctx, sc, s.line.Load(), s.partition, nil, &p)
}

// AppendDecrypt is Decrypt of a record's JSON. It appends the payload to dst,
// and returns dst itself with an error.
func (s *Session) AppendDecrypt(ctx context.Context, dst, record []byte) ([]byte, error) {
	if err := s.open(); err != nil {
		return dst, fmt.Errorf("decrypt: %w", err)
	}
	t := s.keys.f.begin(timerDecrypt)
	out, err := s.appendDecrypt(ctx, dst, record)
	t.end(err)
	if err != nil {
		return dst, fmt.Errorf("decrypt: %w", err)
	}
	return out, nil
}

func (s *Session) appendDecrypt(ctx context.Context, dst, record []byte) ([]byte, error) {
	sc := getScratch()
	defer sc.put()
	l := s.line.Load()
	p := parsedRecord{likely: l.id}
	if err := p.parse(record, &sc.buf); err != nil {
		return nil, err
	}
	return s.keys.openRecord(ctx, sc, l, s.partition, dst, &p)
}

// openRecord opens a record of a partition. l is the partition's line, or nil.
func (a *access) openRecord(ctx context.Context, s *scratch, l *line, partition string, dst []byte, p *parsedRecord) ([]byte, error) {
	id := p.parentID
	if (l == nil || id != l.id) && !a.f.names.accepts(id, partition) {
		return nil, fmt.Errorf("unable to decrypt record: %w", ErrPartitionMismatch)
	}
	k, err := a.readingKey(ctx, l, KeyMeta{ID: id, Created: p.parentCreated})
	if err != nil {
		return nil, err
	}
	defer k.release()
	if err = k.unwrap(s, aead.Canonical, p.wrapped, nil); err == nil {
		dst, err = aead.OpenOnce(s.dataKey(), aead.Canonical, dst, p.data, nil)
	}
	switch {
	case errors.Is(err, aead.ErrShort):
		return nil, fmt.Errorf("error decrypting data: %w: %w", ErrMalformed, err)
	case errors.Is(err, aead.ErrAuth):
		return nil, fmt.Errorf("error decrypting data: %w: %w", errAltered, ErrMoved)
	case err != nil:
		return nil, fmt.Errorf("error decrypting data: %w", err)
	}
	if dst == nil {
		dst = []byte{}
	}
	return dst, nil
}

// readingKey returns the key that a record was sealed under: at best the one
// that its partition encrypts with now.
func (a *access) readingKey(ctx context.Context, l *line, meta KeyMeta) (*key, error) {
	if l != nil && (a.overlay == nil || a.overlay.find(meta) == nil) {
		if g := l.current.Load(); g != nil && g.key.meta == meta && g.key.tryRetain() {
			a.f.count(countHit)
			return g.key, nil
		}
	}
	return a.exact(ctx, intermediate, meta)
}

// AppendSeal appends a payload, sealed for its place, to dst: a bound record as
// it stands in a column. It returns dst itself with an error. Errors: as
// Encrypt, and one for a binding that can't be.
func (s *Session) AppendSeal(ctx context.Context, dst, payload []byte, b Binding) ([]byte, error) {
	if err := s.open(); err != nil {
		return dst, fmt.Errorf("seal: %w", err)
	}
	t := s.keys.f.begin(timerEncrypt)
	out, err := s.appendSeal(ctx, dst, payload, &b)
	t.end(err)
	if err != nil {
		return dst, fmt.Errorf("seal: %w", err)
	}
	return out, nil
}

func (s *Session) appendSeal(ctx context.Context, dst, payload []byte, b *Binding) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	if err := checkPayload(len(payload)); err != nil {
		return nil, err
	}
	now := s.keys.f.now()
	k, err := s.key(ctx, now)
	if err != nil {
		return nil, err
	}
	defer k.release()
	sc := getScratch()
	defer sc.put()
	return k.appendSeal(sc, dst, s.partition, payload, b, now)
}

// AppendOpen appends the payload of a bound record to dst, and returns dst
// itself with an error. Errors: ErrMoved for a record of another place, and also
// ErrPartitionMismatch if it names another partition; ErrMalformed,
// ErrKeyNotFound, ErrClosed, and those of the metastore and the KMS.
func (s *Session) AppendOpen(ctx context.Context, dst, record []byte, b Binding) ([]byte, error) {
	if err := s.open(); err != nil {
		return dst, fmt.Errorf("open: %w", err)
	}
	t := s.keys.f.begin(timerDecrypt)
	out, err := s.appendOpen(ctx, dst, record, &b)
	t.end(err)
	if err != nil {
		return dst, fmt.Errorf("open: %w", err)
	}
	return out, nil
}

func (s *Session) appendOpen(ctx context.Context, dst, record []byte, b *Binding) ([]byte, error) {
	sc := getScratch()
	defer sc.put()
	var r boundRecord
	if err := s.keys.f.parseFor(sc, &r, record, s.partition, b); err != nil {
		return nil, err
	}
	l := s.line.Load()
	k, err := s.keys.boundKey(ctx, l, s.partition, &r)
	if err != nil {
		return nil, err
	}
	defer k.release()
	if err := k.unwrapBound(sc, s.partition, &r); err != nil {
		return nil, err
	}
	dst, err = aead.OpenOnce(sc.dataKey(), aead.Bound, dst, r.sealed, s.keys.f.dataAD(sc, s.partition, b, &r))
	return opened(dst, err)
}
