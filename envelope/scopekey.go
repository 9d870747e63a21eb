package envelope

import (
	"sync/atomic"

	"github.com/asherah-sql/asherah-sql/internal/aead"
	"github.com/asherah-sql/asherah-sql/protectedmem"
)

// scopeKey is a data key that a scope keeps: expanded, in protected memory; where
// expanded keys can't be moved, as its 32 bytes, which are expanded for each use.
type scopeKey struct {
	image *keyImage // its cipher is nil: the secret is the 32 bytes
}

// maxScopeKeys is how many data keys all scopes of a factory keep: at one KiB
// each, an eighth of the 8 MiB that a process may usually lock. They are a
// convenience, and must not take the place of the keys above them.
const maxScopeKeys = 1024

// scopeKeys counts the data keys that scopes keep.
type scopeKeys struct{ n, limit atomic.Int64 }

// keepForScope keeps a data key, given in both of its forms, and wipes c. It
// returns nil when there are too many, or no more memory can be locked: then each
// record that needs the key unwraps it, and each value has its own.
func (f *SessionFactory) keepForScope(c aead.Expanded, key []byte) *scopeKey {
	if f.scopeKeys.n.Add(1) > f.scopeKeys.limit.Load() {
		f.scopeKeys.n.Add(-1)
		c.Wipe()
		return nil
	}
	var im *keyImage
	var err error
	if aead.Movable() != nil {
		im, err = newImage(c, f.secrets)
	} else {
		var secret protectedmem.Secret
		secret, err = f.secrets.New(key) // which wipes it, as the scratch does anyway
		im = &keyImage{secret: secret}
	}
	if err != nil {
		f.scopeKeys.n.Add(-1)
		return nil
	}
	return &scopeKey{im}
}

func (k *scopeKey) seal(s *scratch, l aead.Layout, dst, nonce, src, ad []byte) ([]byte, error) {
	return s.use.run(k.image, l, true, dst, nonce, src, ad)
}

func (k *scopeKey) open(s *scratch, l aead.Layout, dst, src, ad []byte) ([]byte, error) {
	return s.use.run(k.image, l, false, dst, nil, src, ad)
}

// close wipes the key.
func (k *scopeKey) close(f *SessionFactory) {
	f.scopeKeys.n.Add(-1)
	// What can go wrong, damaged memory, protectedmem has logged.
	_ = k.image.secret.Close()
}
