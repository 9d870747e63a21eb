package envelope

import (
	"fmt"
	"sync/atomic"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

// wrap draws a data key and both nonces into s, and seals the key under k.
func (k *key) wrap(s *scratch, l aead.Layout, ad []byte) error {
	if err := draw(k.f.random, s.fresh[:]); err != nil {
		return err
	}
	k.wraps.Add(1)
	if _, err := k.locked.seal(s, l, s.wrapped[:0], s.wrapNonce(), s.dataKey(), ad); err != nil {
		return fmt.Errorf("error encrypting data key: %w", err)
	}
	return nil
}

// unwrap opens a data key into s.
func (k *key) unwrap(s *scratch, l aead.Layout, wrapped, ad []byte) error {
	switch {
	case len(wrapped) < aead.NonceLen:
		return aead.ErrShort
	case len(wrapped) != sealedKeyLen: // a 32-byte key, and nothing else
		return aead.ErrAuth
	}
	_, err := k.locked.open(s, l, s.fresh[:0], wrapped, ad)
	return err
}

// sharedDataKey is a data key that several sessions and scopes seal bound
// records with, at most dataKeyLife long. It is reference counted like a key.
type sharedDataKey struct {
	locked  *lockedKey
	wrapped [wrappedLen]byte
	born    int64        // unix ns
	left    atomic.Int64 // records that it may still seal
	refs    atomic.Int64
}

// takeShared returns a data key under k, good for one record, with a reference.
// Its associated data ad is that of k's partition.
func (k *key) takeShared(s *scratch, ad []byte, now int64) (*sharedDataKey, error) {
	if d := k.shared.Load(); d.take(now) {
		return d, nil
	}
	k.sharing.Lock()
	defer k.sharing.Unlock()
	if d := k.shared.Load(); d.take(now) {
		return d, nil
	}
	if err := k.wrap(s, aead.Bound, ad); err != nil {
		return nil, err
	}
	d := &sharedDataKey{wrapped: s.wrapped, born: now}
	secret, err := k.f.keep(s.dataKey())
	if err != nil {
		return nil, fmt.Errorf("error keeping data key: %w", err)
	}
	d.locked = k.f.lock(secret)
	d.left.Store(int64(k.f.policy.DataKeyReuse) - 1)
	d.refs.Store(2)
	if old := k.shared.Swap(d); old != nil {
		old.release()
	}
	return d, nil
}

// take counts one record and takes a reference, unless the key is used up.
func (d *sharedDataKey) take(now int64) bool {
	if d == nil || now < d.born || now-d.born >= int64(dataKeyLife) || d.left.Load() <= 0 {
		return false
	}
	for {
		n := d.refs.Load()
		if n == 0 {
			return false
		}
		if d.refs.CompareAndSwap(n, n+1) {
			break
		}
	}
	if d.left.Add(-1) < 0 {
		d.release()
		return false
	}
	return true
}

func (d *sharedDataKey) release() {
	if d.refs.Add(-1) == 0 {
		_ = d.locked.close()
	}
}
