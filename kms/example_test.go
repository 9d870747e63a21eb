package kms_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/asherah-sql/asherah-sql/kms"
)

// vault stands for a client of one's own key service.
type vault struct{}

func (vault) EncryptKey(context.Context, []byte) ([]byte, error) { return nil, kms.ErrUnavailable }
func (vault) DecryptKey(context.Context, []byte) ([]byte, error) { return nil, kms.ErrUnavailable }

func openVault(_ context.Context, p kms.Params) (kms.Service, error) {
	if err := p.Unknown("address"); err != nil {
		return nil, err
	}
	if p["address"] == "" {
		return nil, errors.New("asherah_kms_address: not set")
	}
	return vault{}, nil
}

func init() { kms.Register("vault-of-mine", openVault) }

func Example() {
	_, err := kms.Open(context.Background(), "vault-of-mine", kms.Params{"adress": "https://vault.example"})
	fmt.Println(err)
	_, err = kms.Open(context.Background(), "vault-of-mine", nil)
	fmt.Println(err)
	// Output:
	// kms: open vault-of-mine: unknown parameter asherah_kms_adress: want asherah_kms_address
	// kms: open vault-of-mine: asherah_kms_address: not set
}
