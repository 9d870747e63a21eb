package static

import (
	"context"

	"github.com/asherah-sql/asherah-sql/kms"
)

// testKey is the master key of the Asherah SDKs' examples. It is public.
const testKey = "thisIsAStaticMasterKeyForTesting"

func init() {
	kms.Register("static", open)
	kms.Register("insecure-test", openInsecureTest)
}

func open(_ context.Context, p kms.Params) (kms.Service, error) {
	if err := p.Unknown("key"); err != nil {
		return nil, err
	}
	key, err := readKey(p["key"])
	if err != nil {
		return nil, err
	}
	defer clear(key)
	return New(key)
}

func openInsecureTest(_ context.Context, p kms.Params) (kms.Service, error) {
	if err := p.Unknown(); err != nil {
		return nil, err
	}
	return New([]byte(testKey))
}
