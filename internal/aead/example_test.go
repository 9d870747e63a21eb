package aead_test

import (
	"fmt"

	"github.com/asherah-sql/asherah-sql/internal/aead"
)

func Example() {
	key := make([]byte, aead.KeyLen) // a real one is random
	c, err := aead.NewCipher(key)
	if err != nil {
		panic(err)
	}
	defer c.Wipe()

	// Bound to a place: the same bytes don't open anywhere else.
	sealed, err := c.AppendSealAD(nil, []byte("hello"), []byte("users.email"))
	if err != nil {
		panic(err)
	}
	plain, err := c.AppendOpenAD(nil, sealed, []byte("users.email"))
	fmt.Println(string(plain), err)
	_, err = c.AppendOpenAD(nil, sealed, []byte("users.name"))
	fmt.Println(err)
	// Output:
	// hello <nil>
	// message authentication failed
}
