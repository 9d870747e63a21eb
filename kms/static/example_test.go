package static_test

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/kms/static"
)

func ExampleNew() {
	key := bytes.Repeat([]byte{7}, 32) // from wherever the program keeps it
	service, err := static.New(key)
	if err != nil {
		panic(err)
	}
	clear(key)

	ctx := context.Background()
	wrapped, err := service.EncryptKey(ctx, []byte("a system key"))
	if err != nil {
		panic(err)
	}
	back, err := service.DecryptKey(ctx, wrapped)
	fmt.Println(len(wrapped), string(back), err)
	// Output: 40 a system key <nil>
}

// As a connection string with asherah_kms=static&asherah_kms_key=env:SHOP_MASTER_KEY does.
func Example() {
	os.Setenv("SHOP_MASTER_KEY", "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
	defer os.Unsetenv("SHOP_MASTER_KEY")

	ctx := context.Background()
	service, err := kms.Open(ctx, "static", kms.Params{"key": "env:SHOP_MASTER_KEY"})
	fmt.Println(service != nil, err)

	_, err = kms.Open(ctx, "static", kms.Params{"key": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"})
	fmt.Println(err)
	// Output:
	// true <nil>
	// kms: open static: asherah_kms_key: not a reference to a key: want env:NAME (64 hex digits or base64) or file:PATH (the same, or 32 raw bytes); the key itself never stands in a connection string
}
