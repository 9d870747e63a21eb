package protectedmem_test

import (
	"fmt"

	"github.com/asherah-sql/asherah-sql/protectedmem"
)

func Example() {
	key := []byte("0123456789abcdef0123456789abcdef")
	secret, err := protectedmem.Default().New(key)
	if err != nil {
		panic(err)
	}
	fmt.Printf("%d %q\n", secret.Len(), key[:4]) // the original has been wiped

	err = secret.WithBytes(func(b []byte) error {
		fmt.Printf("%s…\n", b[:4])
		return nil
	})
	if err != nil {
		panic(err)
	}

	if err := secret.Close(); err != nil {
		panic(err)
	}
	fmt.Println(secret.WithBytes(func([]byte) error { return nil }))
	// Output:
	// 32 "\x00\x00\x00\x00"
	// 0123…
	// secret has already been destroyed
}
