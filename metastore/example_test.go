package metastore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/asherah-sql/asherah-sql/metastore"
)

func ExampleNewMemory() {
	ctx := context.Background()
	store := metastore.NewMemory()

	meta := metastore.KeyMeta{ID: "_SK_shop_web", Created: 1795461600}
	record := &metastore.EnvelopeKeyRecord{Created: meta.Created, EncryptedKey: []byte("what the KMS returned")}
	fmt.Println(store.Store(ctx, meta, record))

	// Whoever comes second uses the key that is there.
	if err := store.Store(ctx, meta, record); errors.Is(err, metastore.ErrExists) {
		winner, err := store.LoadLatest(ctx, meta.ID)
		fmt.Println(winner.ID, winner.Created, err)
	}
	// Output:
	// <nil>
	// _SK_shop_web 1795461600 <nil>
}

func ExampleEnvelopeKeyRecord() {
	text, err := json.Marshal(&metastore.EnvelopeKeyRecord{
		Created:       1795461600,
		EncryptedKey:  []byte("sealed"),
		ParentKeyMeta: &metastore.KeyMeta{ID: "_SK_shop_web", Created: 1795461600},
	})
	fmt.Println(string(text), err)
	// Output:
	// {"Created":1795461600,"Key":"c2VhbGVk","ParentKeyMeta":{"KeyId":"_SK_shop_web","Created":1795461600}} <nil>
}
