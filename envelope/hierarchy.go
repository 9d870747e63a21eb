package envelope

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/asherah-sql/asherah-sql/cache"
	"github.com/asherah-sql/asherah-sql/internal/aead"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/protectedmem"
)

// access is a way to the keys: the factory's own, or an overlay's. The
// difference is the store that is asked, where new keys go, and that an overlay
// never waits for what another caller is doing: that caller may be waiting for
// the overlay's transaction.
//
// Methods that return a key return a reference with it.
type access struct {
	f       *SessionFactory
	store   metastore.Store // nil: every use is an error
	overlay *Overlay        // nil: the factory's own
}

// createAttempts is how many creation times are tried for one new key.
const createAttempts = 16

var errNoStore = errors.New("the factory has no metastore: use an Overlay")

// encryptionKey returns the key of a line that encrypts at now, making one if
// need be.
func (a *access) encryptionKey(ctx context.Context, l *line, now int64) (*key, error) {
	if a.store == nil {
		return nil, errNoStore
	}
	if a.overlay != nil {
		if k := a.overlay.newest(l.id); k != nil && k.unfit(now) == nil {
			a.f.count(countHit)
			return k.retain(), nil
		}
	}
	if k := l.fresh(a.f, now); k != nil {
		a.f.count(countHit)
		return k, nil
	}
	if a.overlay != nil {
		return a.renew(ctx, l)
	}
	for {
		flight, leader := l.renewal.join()
		if leader {
			return l.renewal.lead(ctx, flight, func() (*key, error) { return a.renew(ctx, l) })
		}
		if k := a.serveMeanwhile(l); k != nil {
			a.f.count(countStale)
			return k, nil
		}
		if err := flight.wait(ctx); err != nil {
			return nil, err
		}
		switch {
		case flight.err == nil && flight.key.tryRetain():
			return flight.key, nil
		case flight.err != nil && !flight.cancelled:
			return nil, flight.err
		}
	}
}

// serveMeanwhile returns the key that may be used while somebody else looks for
// a newer one.
func (a *access) serveMeanwhile(l *line) *key {
	g := l.hold()
	if g == nil {
		return nil
	}
	k, f, now := g.key, a.f, a.f.now()
	ok := k.unfit(now) == nil
	if l.level == system {
		// The line is shared by all partitions, and none of them is to wait for
		// what another one has begun. What a new intermediate key inherits is
		// its system key's old confirmation, so it is looked at again soon.
		ok = ok && now < f.abandoned(g.asked)
	} else {
		ok = ok && !f.overdue(g.asked, now) && !f.overdue(*k.parent.seen.Load(), now)
	}
	if !ok {
		k.release()
		return nil
	}
	return k
}

// renew looks at everything about a line that is due, and returns the key to go
// on with: the same, a newer one, or a new one.
func (a *access) renew(ctx context.Context, l *line) (_ *key, err error) {
	var k *key
	var asked stamp // when the store was asked for the newest row, if k isn't nil
	if g := l.hold(); g != nil {
		k, asked = g.key, g.asked
	} else {
		a.f.count(countMiss)
	}
	defer func() {
		if err != nil && k != nil {
			k.release()
		}
	}()
	var (
		askedNow    bool  // the store was asked for the newest row
		askedParent bool  // and for the system key's
		outageErr   error // a key of good standing is used in spite of it
		newest      int64 = math.MinInt64
	)
	for {
		now := a.f.now()
		if !askedNow && (k == nil || a.due(k, asked, now) || k.unfit(now) != nil) {
			askedNow = true
			st := a.f.stamp()
			next, created, err := a.newest(ctx, l, k, asked, st)
			switch {
			case err == nil:
				if k != nil {
					k.release()
				}
				k, asked, newest = next, st, created
			case a.standsOutage(ctx, k, asked, err):
				outageErr = err
			default:
				return nil, err
			}
			continue
		}
		if k != nil && k.parent != nil && !askedParent && outageErr == nil && a.due(k.parent, *k.parent.seen.Load(), now) {
			askedParent = true
			asking, cancel := a.hurried(ctx, k, asked)
			err := a.confirm(asking, k.parent)
			cancel()
			switch {
			case err == nil:
			case a.standsOutage(ctx, k, asked, err):
				outageErr = err
			default:
				return nil, err
			}
			continue
		}
		if k != nil && k.unfit(now) == nil {
			if outageErr != nil {
				a.f.count(countStale)
				a.f.tell(ctx, slog.LevelWarn, "a key is used without having been looked at again", l.level, k.meta, outageErr)
			}
			a.install(l, k, asked, outageErr != nil)
			return k, nil
		}
		if !askedNow {
			continue
		}
		if outageErr != nil {
			return nil, outageErr
		}
		if k != nil {
			newest = max(newest, k.meta.Created)
			k.release()
			k = nil
		}
		return a.create(ctx, l, newest)
	}
}

// due reports whether the store is to be asked again about k. What an overlay
// has stored in its transaction needs no confirmation there.
func (a *access) due(k *key, st stamp, now int64) bool {
	return a.f.due(st, now) && (a.overlay == nil || !a.overlay.provisional(k))
}

// standsOutage reports whether k, whose line was looked at when asked says, may
// be used although err has kept the store or the KMS from being asked about it.
func (a *access) standsOutage(ctx context.Context, k *key, asked stamp, err error) bool {
	return isOutage(err) && ctx.Err() == nil && a.stands(k, asked)
}

// stands reports whether k is fit, and was looked at lately enough, to do without the store and the KMS.
func (a *access) stands(k *key, asked stamp) bool {
	if k == nil {
		return false
	}
	f, now := a.f, a.f.now()
	return k.unfit(now) == nil && now < f.abandoned(asked) && (k.parent == nil || now < f.abandoned(*k.parent.seen.Load()))
}

// hurried is the context for asking the store about k, whose line was looked at when asked says. While k may
// stand an outage, a store that doesn't answer soon is taken for one: the caller may be in a transaction
// that keeps the very connection that the store waits for, as behind a pooler.
func (a *access) hurried(ctx context.Context, k *key, asked stamp) (context.Context, context.CancelFunc) {
	if a.overlay != nil || !a.stands(k, asked) {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, storePatience)
}

// install makes k the key that the line encrypts with, for as long as nothing
// is due. asked is when the store was asked for the line's newest row; outage
// says that it now can't be.
func (a *access) install(l *line, k *key, asked stamp, outage bool) {
	if a.overlay != nil && a.overlay.provisional(k) {
		return
	}
	f := a.f
	g := &generation{key: k, asked: asked, until: k.expires, round: asked.round}
	stamps := []stamp{asked}
	if k.parent != nil {
		g.until = min(g.until, k.parent.expires)
		stamps = append(stamps, *k.parent.seen.Load())
	}
	if outage {
		now := f.now()
		g.until, g.round = min(g.until, now+f.retryPause), f.round(now)
	}
	for _, st := range stamps {
		if outage {
			g.until = min(g.until, f.abandoned(st))
		} else {
			g.until, g.round = min(g.until, st.at+f.softCheck), min(g.round, st.round)
		}
	}
	l.install(g)
}

// newest asks the store, at st, for the newest row of a line. It returns the
// row's key, or nil if there is none or it must not encrypt by what the row says;
// and the row's creation time. k, if not nil, is the key in use, whose line was
// looked at when asked says: its row is confirmed, and stored again if it was
// lost.
func (a *access) newest(ctx context.Context, l *line, k *key, asked, st stamp) (*key, int64, error) {
	asking, cancel := a.hurried(ctx, k, asked)
	row, err := a.loadLatest(asking, l)
	cancel()
	if errors.Is(err, ErrKeyNotFound) {
		row, err = nil, nil
	}
	if err != nil {
		return nil, 0, err
	}
	if k != nil && !k.replaced.Load() && (row == nil || row.Created != k.meta.Created) {
		asking, cancel := a.hurried(ctx, k, asked)
		err := a.confirm(asking, k)
		cancel()
		if err != nil {
			return nil, 0, err
		}
		if row == nil || row.Created < k.meta.Created {
			if k.replaced.Load() {
				return a.newest(ctx, l, nil, asked, st)
			}
			return k.retain(), k.meta.Created, nil
		}
	}
	if row == nil {
		return nil, math.MinInt64, nil
	}
	if a.f.unfitRow(row, st.at) != nil {
		// It isn't unsealed: whoever revoked a system key may have destroyed
		// the master key, too.
		if k != nil && sameKey(row, k.row.Load()) {
			a.observe(k, row, st)
		}
		return nil, row.Created, nil
	}
	next, err := a.adopt(ctx, l.level, row, st)
	if err != nil {
		return nil, 0, err
	}
	return next, row.Created, nil
}

// confirm reads the row of a key again. A row that is lost is stored again, as
// it was, before anything more is encrypted below it.
func (a *access) confirm(ctx context.Context, k *key) error {
	if a.overlay != nil {
		return a.confirmNow(ctx, k)
	}
	for {
		flight, leader := k.checks.join()
		if leader {
			_, err := k.checks.lead(ctx, flight, func() (*key, error) { return nil, a.confirmNow(ctx, k) })
			return err
		}
		// A system key belongs to all partitions: see serveMeanwhile.
		if a.f.now() < a.f.abandoned(*k.seen.Load()) {
			return nil
		}
		if err := flight.wait(ctx); err != nil {
			return outage{fmt.Errorf("error loading %s from metastore: %w", k.level, err)}
		}
		if flight.err == nil || !flight.cancelled {
			return flight.err
		}
	}
}

func (a *access) confirmNow(ctx context.Context, k *key) error {
	st := a.f.stamp()
	row, err := a.load(ctx, k.level, k.meta)
	if errors.Is(err, ErrKeyNotFound) {
		// The key above first: without it the row is of no use to anybody.
		if k.parent != nil {
			if err := a.confirmNow(ctx, k.parent); err != nil {
				return err
			}
		}
		row = k.row.Load()
		err = a.store.Store(ctx, k.meta, row.Clone())
		switch {
		case err == nil:
			a.f.restored(ctx, k)
			if a.overlay != nil {
				a.overlay.add(k)
				return nil
			}
		case errors.Is(err, metastore.ErrExists):
			row, err = a.load(ctx, k.level, k.meta)
		default:
			err = outage{fmt.Errorf("error storing the lost %s again: %w", k.level, err)}
		}
	}
	if err != nil {
		return err
	}
	if !sameKey(row, k.row.Load()) {
		a.f.tell(ctx, slog.LevelError, "another key stands in this one's row", k.level, k.meta, errReplaced)
		k.replaced.Store(true)
		a.f.forget(k)
		return nil
	}
	a.observe(k, row, st)
	return nil
}

// observe notes what the store answered about a key at st, unless the answer
// may be taken back with an overlay's transaction.
func (a *access) observe(k *key, row *EnvelopeKeyRecord, st stamp) {
	if a.overlay != nil && a.overlay.provisional(k) {
		return
	}
	k.row.Store(row)
	k.seen.Store(&st)
}

// adopt returns the key of a row that was read at st.
func (a *access) adopt(ctx context.Context, l level, row *EnvelopeKeyRecord, st stamp) (*key, error) {
	meta := KeyMeta{ID: row.ID, Created: row.Created}
	if a.overlay != nil {
		if k := a.overlay.find(meta); k != nil {
			if sameKey(row, k.row.Load()) {
				return k.retain(), nil
			}
			// The transaction that it was stored in is gone, and another
			// process has taken its place.
			a.overlay.drop(k)
		}
	}
	keys := a.f.keys(l)
	if k, ok := keys.Get(meta); ok {
		if sameKey(row, k.row.Load()) {
			a.observe(k, row, st)
			return k, nil
		}
		k.replaced.Store(true)
		a.f.forget(k)
		k.release()
	}
	k, err := a.unseal(ctx, l, row, st)
	if err != nil {
		return nil, err
	}
	a.publish(k)
	return k, nil
}

// publish puts a key that was read into the cache, unless others must not see
// it yet: then it is provisional.
func (a *access) publish(k *key) {
	if a.overlay != nil && a.overlay.dubious(k) {
		a.overlay.add(k)
		return
	}
	a.f.keys(k.level).Put(k.meta, k.retain())
}

// exact returns the key of this id and time, whatever its state: for reading.
func (a *access) exact(ctx context.Context, l level, meta KeyMeta) (*key, error) {
	if a.store == nil {
		return nil, errNoStore
	}
	if a.overlay != nil {
		if k := a.overlay.find(meta); k != nil {
			a.f.count(countHit)
			return k.retain(), nil
		}
	}
	keys := a.f.keys(l)
	if k, ok := keys.Get(meta); ok {
		a.f.count(countHit)
		return k, nil
	}
	a.f.count(countMiss)
	if a.overlay != nil {
		k, err := a.read(ctx, l, meta)
		if err != nil {
			return nil, err
		}
		a.publish(k)
		return k, nil
	}
	k, err := keys.GetOrLoad(ctx, meta, func(ctx context.Context) (*key, error) { return a.read(ctx, l, meta) })
	if errors.Is(err, cache.ErrClosed) {
		err = fmt.Errorf("factory: %w", ErrClosed)
	}
	return k, err
}

// read loads and unseals a key.
func (a *access) read(ctx context.Context, l level, meta KeyMeta) (*key, error) {
	st := a.f.stamp()
	row, err := a.load(ctx, l, meta)
	if err != nil {
		return nil, err
	}
	return a.unseal(ctx, l, row, st)
}

// unseal returns the key of a row.
func (a *access) unseal(ctx context.Context, l level, row *EnvelopeKeyRecord, st stamp) (*key, error) {
	meta := KeyMeta{ID: row.ID, Created: row.Created}
	var (
		bytes  []byte
		parent *key
		err    error
	)
	if l == system {
		if bytes, err = a.f.kms.DecryptKey(ctx, row.EncryptedKey); err != nil {
			return nil, kmsError("decrypting", err)
		}
	} else {
		if row.ParentKeyMeta == nil {
			return nil, fmt.Errorf("error loading intermediate key from metastore: %w", errNoParent)
		}
		if parent, err = a.exact(ctx, system, *row.ParentKeyMeta); err != nil {
			return nil, err
		}
		defer parent.release()
		s := getScratch()
		defer s.put()
		// A slice of the scratch, which is wiped: the key leaves no copy.
		if len(row.EncryptedKey) == sealedKeyLen {
			bytes, err = parent.locked.open(s, aead.Canonical, s.fresh[:0], row.EncryptedKey, nil)
		} else {
			err = aead.ErrAuth
		}
		if err != nil {
			return nil, fmt.Errorf("error decrypting intermediate key: %w: its row was altered, or belongs to another system key", errAltered)
		}
	}
	if len(bytes) != aead.KeyLen {
		n := len(bytes)
		clear(bytes)
		return nil, fmt.Errorf("error decrypting %s: want %d bytes, got %d", l, aead.KeyLen, n)
	}
	secret, err := a.f.keep(bytes)
	if err != nil {
		return nil, fmt.Errorf("error keeping %s: %w", l, err)
	}
	return a.f.newKey(l, row, meta, a.f.lock(secret), parent, st), nil
}

// create makes a new key for a line whose newest row, if any, was created at
// after and must not encrypt. Of several that do so at once, one stores its row;
// the others use that one's key, once they know that it may encrypt.
func (a *access) create(ctx context.Context, l *line, after int64) (*key, error) {
	var parent *key
	if l.level == intermediate {
		var err error
		if parent, err = a.encryptionKey(ctx, a.f.system, a.f.now()); err != nil {
			return nil, err
		}
		defer parent.release()
	}
	if a.overlay != nil {
		after = max(after, a.overlay.latest(l.id))
	}
	var why error
	for range createAttempts {
		st := a.f.stamp()
		created, err := a.f.birth(after)
		if err != nil {
			return nil, fmt.Errorf("error creating %s: %w", l.level, err)
		}
		k, err := a.make(ctx, l, KeyMeta{ID: l.id, Created: created}, parent, st)
		if err != nil {
			return nil, err
		}
		err = a.store.Store(ctx, k.meta, k.row.Load().Clone())
		if err == nil {
			a.f.count(l.level.countCreated())
			a.f.tell(ctx, slog.LevelInfo, "key created", l.level, k.meta, nil)
			if a.overlay != nil {
				a.overlay.add(k)
			} else {
				a.publish(k)
				a.install(l, k, st, false)
			}
			return k, nil
		}
		meta := k.meta
		k.release()
		if !errors.Is(err, metastore.ErrExists) {
			if a.overlay != nil {
				// The row may be in the transaction all the same.
				a.overlay.doubt(meta)
			}
			return nil, outage{fmt.Errorf("error storing %s in metastore: %w", l.level, err)}
		}
		var winner *key
		if winner, why, err = a.winner(ctx, l, meta, st); err != nil {
			return nil, err
		}
		if winner != nil {
			a.install(l, winner, st, false)
			return winner, nil
		}
		after = created
	}
	return nil, fmt.Errorf("error creating %s: %d times another process created one that must not encrypt: %w", l.level, createAttempts, why)
}

// winner returns the key that was stored under meta by somebody else, or why it
// must not encrypt.
func (a *access) winner(ctx context.Context, l *line, meta KeyMeta, st stamp) (k *key, why, err error) {
	row, err := a.load(ctx, l.level, meta)
	if errors.Is(err, ErrKeyNotFound) {
		return nil, nil, fmt.Errorf("%w: the metastore says that it exists: does it read from a replica?", err)
	}
	if err != nil {
		return nil, nil, err
	}
	if why = a.f.unfitRow(row, st.at); why != nil {
		return nil, why, nil
	}
	if k, err = a.adopt(ctx, l.level, row, st); err != nil {
		return nil, nil, err
	}
	if why = k.unfit(st.at); why != nil {
		k.release()
		return nil, why, nil
	}
	return k, nil, nil
}

// unfitRow says why the key of a row must not encrypt, by what the row alone
// says.
func (f *SessionFactory) unfitRow(row *EnvelopeKeyRecord, now int64) error {
	switch {
	case row.Revoked:
		return ErrKeyRevoked
	case now > expiry(row.Created, f.policy.ExpireAfter):
		return ErrKeyExpired
	}
	return nil
}

// birth returns the creation time of a new key, in unix seconds: now, truncated
// so that processes meet in one row, but after the row that it replaces. A key
// that was revoked within the precision's window would otherwise be met by its
// own replacement. The next free second is taken, which may lie ahead of the
// clock by as much as the newest row does.
func (f *SessionFactory) birth(after int64) (int64, error) {
	t := f.clock().UTC()
	created := t.Truncate(f.policy.CreatePrecision).Unix()
	if t.UnixNano() > expiry(created, f.policy.ExpireAfter) {
		// Keys live shorter than the window is long.
		created = t.Unix()
	}
	if created <= after {
		created = after + 1
	}
	if ahead := created - t.Unix(); ahead > int64(maxAhead/time.Second) {
		return 0, fmt.Errorf("the newest one in the metastore was created %v ahead of this clock: set the clocks right, or delete that row", time.Duration(min(ahead, math.MaxInt64/int64(time.Second)))*time.Second)
	}
	return created, nil
}

// make returns a new key with its sealed row, not stored yet.
func (a *access) make(ctx context.Context, l *line, meta KeyMeta, parent *key, st stamp) (*key, error) {
	secret, err := a.f.secrets.CreateRandom(aead.KeyLen)
	if errors.Is(err, protectedmem.ErrLimit) && a.f.images.giveWay() {
		secret, err = a.f.secrets.CreateRandom(aead.KeyLen)
	}
	if err != nil {
		return nil, fmt.Errorf("error creating %s: %w", l.level, err)
	}
	row := &EnvelopeKeyRecord{ID: meta.ID, Created: meta.Created}
	err = secret.WithBytes(func(key []byte) (err error) {
		if l.level == system {
			if row.EncryptedKey, err = a.f.kms.EncryptKey(ctx, key); err != nil {
				return kmsError("encrypting", err)
			}
			return nil
		}
		s := getScratch()
		defer s.put()
		if err := draw(a.f.random, s.wrapNonce()); err != nil {
			return err
		}
		row.ParentKeyMeta = &KeyMeta{ID: parent.meta.ID, Created: parent.meta.Created}
		row.EncryptedKey, err = parent.locked.seal(s, aead.Canonical, nil, s.wrapNonce(), key, nil)
		return err
	})
	if err == nil && (len(row.EncryptedKey) == 0 || len(row.EncryptedKey) > MaxWrappedKey) {
		err = fmt.Errorf("error encrypting %s: want 1 to %d bytes, got %d", l.level, MaxWrappedKey, len(row.EncryptedKey))
	}
	if err != nil {
		_ = secret.Close()
		return nil, err
	}
	return a.f.newKey(l.level, row, meta, a.f.lock(secret), parent, st), nil
}

// load reads one row.
func (a *access) load(ctx context.Context, l level, meta KeyMeta) (*EnvelopeKeyRecord, error) {
	row, err := a.store.Load(ctx, meta)
	if err != nil {
		return nil, loadError(l, err)
	}
	if row != nil && row.Created != meta.Created {
		return nil, rowError(l, "its creation time is another than it was asked for")
	}
	return row, checkRow(l, meta.ID, row)
}

// loadLatest reads the newest row of a line.
func (a *access) loadLatest(ctx context.Context, l *line) (*EnvelopeKeyRecord, error) {
	row, err := a.store.LoadLatest(ctx, l.id)
	if err != nil {
		return nil, loadError(l.level, err)
	}
	return row, checkRow(l.level, l.id, row)
}

// checkRow refuses what no key can be made of, and fills in the row's id.
func checkRow(l level, id string, row *EnvelopeKeyRecord) error {
	switch {
	case row == nil:
		return fmt.Errorf("error loading %s from metastore: the store returned neither a row nor an error: want metastore.ErrNotFound", l)
	case row.ID != "" && row.ID != id:
		return rowError(l, "its id is another than it was asked for: give the id column a binary collation")
	case len(row.EncryptedKey) == 0:
		return rowError(l, "it has no key")
	case len(row.EncryptedKey) > MaxWrappedKey:
		return rowError(l, "its key is longer than 16 KiB")
	case row.ParentKeyMeta != nil && len(row.ParentKeyMeta.ID) > MaxKeyID:
		return rowError(l, "its parent's id is longer than 4 KiB")
	}
	row.ID = id
	return nil
}

func rowError(l level, what string) error {
	return fmt.Errorf("error loading %s from metastore: %w", l, malformed("%s", what))
}
