package envelope

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/asherah-sql/asherah-sql/internal/aead"
	"github.com/asherah-sql/asherah-sql/protectedmem"
)

// lockedKey is an AES-256-GCM key that lives in protected memory, as its 32
// bytes and, once it has been used twice, also in its expanded form: expanding
// it for each use costs about as much as sealing a short value with it.
//
// The expanded form is the standard library's own struct, moved into protected
// memory. That is possible while the struct holds no pointers; where it does (on
// s390x), and when too many keys are expanded or memory to lock is short, the 32
// bytes are expanded for each use.
type lockedKey struct {
	bytes   protectedmem.Secret
	image   atomic.Pointer[keyImage] // nil: not expanded
	once    atomic.Bool              // it has been used
	never   atomic.Bool              // it couldn't be expanded
	secrets protectedmem.Factory
	images  *imageSet
}

type keyImage struct{ secret protectedmem.Secret }

// imageSet are the expanded keys of one factory. It exists so that they can give
// way when locked memory is short: keys need it, their expanded form doesn't.
type imageSet struct {
	n, limit atomic.Int64

	mu   sync.Mutex
	keys map[*lockedKey]struct{} // guarded by mu
}

// maxImages is how many expanded keys a factory keeps: at one KiB each, a quarter
// of the 8 MiB that a process may usually lock.
const maxImages = 2048

func (s *imageSet) add(k *lockedKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = make(map[*lockedKey]struct{})
	}
	s.keys[k] = struct{}{}
	s.n.Store(int64(len(s.keys)))
}

func (s *imageSet) remove(k *lockedKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, k)
	s.n.Store(int64(len(s.keys)))
}

// giveWay drops all expanded keys and allows half as many from now on. It
// reports whether there were any.
func (s *imageSet) giveWay() bool {
	s.mu.Lock()
	keys := s.keys
	s.keys = nil
	s.n.Store(0)
	if len(keys) > 0 {
		s.limit.Store(int64(len(keys) / 2))
	}
	s.mu.Unlock()
	for k := range keys {
		if im := k.image.Swap(nil); im != nil {
			_ = im.secret.Close()
		}
	}
	return len(keys) > 0
}

// keep takes a key's 32 bytes into protected memory, and wipes them.
func (f *SessionFactory) keep(key []byte) (protectedmem.Secret, error) {
	spare := getScratch() // New wipes the key also when it fails
	defer spare.put()
	n := copy(spare.fresh[:], key)
	s, err := f.secrets.New(key)
	if errors.Is(err, protectedmem.ErrLimit) && f.images.giveWay() {
		s, err = f.secrets.New(spare.fresh[:n])
	}
	return s, err
}

// lock makes a lockedKey of a secret.
func (f *SessionFactory) lock(secret protectedmem.Secret) *lockedKey {
	return &lockedKey{bytes: secret, secrets: f.secrets, images: &f.images}
}

// seal appends src, sealed under the given nonce, to dst, which it must not
// overlap.
func (k *lockedKey) seal(s *scratch, l aead.Layout, dst, nonce, src, ad []byte) ([]byte, error) {
	return k.do(s, l, true, dst, nonce, src, ad)
}

// open appends what src holds to dst, which it must not overlap.
func (k *lockedKey) open(s *scratch, l aead.Layout, dst, src, ad []byte) ([]byte, error) {
	return k.do(s, l, false, dst, nil, src, ad)
}

func (k *lockedKey) do(s *scratch, l aead.Layout, seal bool, dst, nonce, src, ad []byte) ([]byte, error) {
	u := &s.use
	u.layout, u.seal, u.dst, u.nonce, u.src, u.ad = l, seal, dst, nonce, src, ad
	err := protectedmem.ErrClosed
	if im := k.expanded(); im != nil {
		err = im.secret.WithBytes(u.onImage)
	}
	if errors.Is(err, protectedmem.ErrClosed) { // not expanded, or not any more
		err = k.bytes.WithBytes(u.onRaw)
	}
	out := u.dst
	u.dst, u.nonce, u.src, u.ad = nil, nil, nil, nil // they are the caller's
	if err != nil {
		return dst, err
	}
	return out, nil
}

// expanded returns the expanded key, which the second use makes, or nil.
func (k *lockedKey) expanded() *keyImage {
	if im := k.image.Load(); im != nil {
		return im
	}
	if !k.once.Load() {
		k.once.Store(true)
		return nil
	}
	if k.never.Load() || aead.Movable() == nil || k.images.n.Load() >= k.images.limit.Load() {
		return nil
	}
	var secret protectedmem.Secret
	if err := k.bytes.WithBytes(func(b []byte) (err error) {
		secret, err = newImage(b, k.secrets)
		return err
	}); err != nil {
		k.never.Store(true)
		return nil
	}
	im := &keyImage{secret}
	if !k.image.CompareAndSwap(nil, im) {
		_ = secret.Close()
		return k.image.Load()
	}
	k.images.add(k)
	return im
}

// close wipes the key. Nobody may be using it.
func (k *lockedKey) close() error {
	err := k.bytes.Close()
	k.images.remove(k)
	if im := k.image.Swap(nil); im != nil {
		err = errors.Join(err, im.secret.Close())
	}
	return err
}

var errMisplaced = errors.New("protected memory isn't aligned for an expanded key")

// newImage expands a key into protected memory. movable must not be nil.
func newImage(key []byte, secrets protectedmem.Factory) (protectedmem.Secret, error) {
	k, err := aead.Expand(key)
	if err != nil {
		return nil, err
	}
	defer k.Wipe()
	s, err := secrets.New(aead.MemoryOf(k.AEAD))
	if err != nil {
		return nil, err
	}
	err = s.WithBytes(func(b []byte) error {
		if !aead.Aligned(b) {
			return errMisplaced
		}
		return nil
	})
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// lockedUse is one use of a lockedKey: arguments and result.
type lockedUse struct {
	layout         aead.Layout
	seal           bool
	dst            []byte // also the result
	nonce, src, ad []byte
	onImage, onRaw func([]byte) error // the methods below
}

// image runs the use on an expanded key.
func (u *lockedUse) image(b []byte) (err error) {
	if u.seal {
		u.dst = aead.SealWith(aead.Placed(b), u.layout, u.dst, u.nonce, u.src, u.ad)
	} else {
		u.dst, err = aead.OpenWith(aead.Placed(b), u.layout, u.dst, u.src, u.ad)
	}
	return err
}

// raw runs the use on a key's 32 bytes.
func (u *lockedUse) raw(key []byte) (err error) {
	if u.seal {
		u.dst, err = aead.SealOnce(key, u.layout, u.dst, u.nonce, u.src, u.ad)
	} else {
		u.dst, err = aead.OpenOnce(key, u.layout, u.dst, u.src, u.ad)
	}
	return err
}
