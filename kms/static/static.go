package static

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/asherah-sql/asherah-sql/internal/aead"
	"github.com/asherah-sql/asherah-sql/kms"
)

// service implements kms.Service and kms.Identifier. It doesn't change.
type service struct {
	cipher   *aead.Cipher
	identity string
}

var (
	_ kms.Service    = (*service)(nil)
	_ kms.Identifier = (*service)(nil)
)

// New returns a service whose master key is key, of 32 bytes. It keeps no
// reference to key; the caller wipes it.
func New(key []byte) (kms.Service, error) {
	c, err := aead.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("static: master key: want %d bytes, got %d", aead.KeyLen, len(key))
	}
	return &service{cipher: c, identity: identify(key)}, nil
}

// EncryptKey implements kms.Service.
func (s *service) EncryptKey(ctx context.Context, key []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("static: encrypt key: %w", err)
	}
	sealed, err := s.cipher.AppendSeal(nil, key)
	if err != nil {
		return nil, fmt.Errorf("static: encrypt key: %w", err)
	}
	return sealed, nil
}

// DecryptKey implements kms.Service.
func (s *service) DecryptKey(ctx context.Context, encrypted []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("static: decrypt key: %w", err)
	}
	key, err := s.cipher.AppendOpen(nil, encrypted)
	if err != nil {
		return nil, fmt.Errorf("static: decrypt key: %w: the key was wrapped by another master key, or altered", err)
	}
	return key, nil
}

// Kind names the service in the metrics, see envelope.Observer.
func (s *service) Kind() string { return "static" }

// Identity implements kms.Identifier: "static:" and 16 hexadecimal digits that
// depend on the key and don't help to find it.
func (s *service) Identity() string { return s.identity }

func identify(key []byte) string {
	// A MAC, not a hash: a plain hash of the key would have an application
	// elsewhere, and then one of the two would be published by the other.
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("asherah-sql/kms/static/identity/1"))
	return "static:" + hex.EncodeToString(mac.Sum(nil)[:8])
}
