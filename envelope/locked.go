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

// keyImage is an expanded key in protected memory.
type keyImage struct {
	secret protectedmem.Secret
	cipher aead.Ready // the bytes of secret: to be used while those are being read, and no longer
}

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
	if im := k.expanded(); im != nil {
		out, err := s.use.run(im, l, seal, dst, nonce, src, ad)
		if !errors.Is(err, protectedmem.ErrClosed) {
			return out, err
		}
	}
	// Not expanded, or not any more.
	return s.use.run(&keyImage{secret: k.bytes}, l, seal, dst, nonce, src, ad)
}

// run uses a key once: an image, or, without a cipher, the 32 bytes of a key. With
// an error it returns dst.
func (u *lockedUse) run(im *keyImage, l aead.Layout, seal bool, dst, nonce, src, ad []byte) ([]byte, error) {
	u.layout, u.seal, u.dst, u.nonce, u.src, u.ad, u.cipher = l, seal, dst, nonce, src, ad, im.cipher
	use := u.onImage
	if im.cipher == nil {
		use = u.onRaw
	}
	err := im.secret.WithBytes(use)
	out := u.dst
	u.dst, u.nonce, u.src, u.ad, u.cipher = nil, nil, nil, nil, nil // they are the caller's
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
	var im *keyImage
	if err := k.bytes.WithBytes(func(b []byte) error {
		c, err := aead.Expand(b)
		if err == nil {
			im, err = newImage(c, k.secrets)
		}
		return err
	}); err != nil {
		k.never.Store(true)
		return nil
	}
	if !k.image.CompareAndSwap(nil, im) {
		_ = im.secret.Close()
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

// newImage moves an expanded key into protected memory. It wipes c, also when it
// fails. aead.Movable must not be nil.
func newImage(c aead.Expanded, secrets protectedmem.Factory) (*keyImage, error) {
	defer c.Wipe()
	s, err := secrets.New(aead.MemoryOf(c.AEAD))
	if err != nil {
		return nil, err
	}
	im := &keyImage{secret: s}
	err = s.WithBytes(func(b []byte) error {
		if !aead.Aligned(b) {
			return errMisplaced
		}
		im.cipher = aead.Placed(b)
		return nil
	})
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	return im, nil
}

// lockedUse is one use of a lockedKey: arguments and result.
type lockedUse struct {
	layout         aead.Layout
	seal           bool
	dst            []byte // also the result
	nonce, src, ad []byte
	cipher         aead.Ready         // for onImage
	onImage, onRaw func([]byte) error // the methods below
}

// image runs the use on an expanded key, whose bytes are being read.
func (u *lockedUse) image([]byte) (err error) {
	if u.seal {
		u.dst = aead.SealWith(u.cipher, u.layout, u.dst, u.nonce, u.src, u.ad)
	} else {
		u.dst, err = aead.OpenWith(u.cipher, u.layout, u.dst, u.src, u.ad)
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
