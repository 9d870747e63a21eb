package envelope_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/asherah-sql/asherah-sql/envelope"
	"github.com/asherah-sql/asherah-sql/kms/static"
	"github.com/asherah-sql/asherah-sql/metastore"
)

func newFactory() *envelope.SessionFactory {
	service, err := static.New([]byte("thisIsAStaticMasterKeyForTesting"))
	if err != nil {
		log.Fatal(err)
	}
	f, err := envelope.NewSessionFactory(envelope.Config{Service: "shop", Product: "web"}, metastore.NewMemory(), service)
	if err != nil {
		log.Fatal(err)
	}
	return f
}

// A session encrypts and decrypts for one tenant, in the format of the Asherah
// SDKs.
func Example() {
	ctx := context.Background()
	factory := newFactory()
	defer factory.Close()

	acme, err := factory.Session(ctx, "acme")
	if err != nil {
		log.Fatal(err)
	}
	defer acme.Close()
	record, err := acme.Encrypt(ctx, []byte("4111 1111 1111 1111"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sealed under", record.Key.ParentKeyMeta.ID)

	card, err := acme.Decrypt(ctx, *record)
	fmt.Printf("%s %v\n", card, err)

	other, err := factory.Session(ctx, "globex")
	if err != nil {
		log.Fatal(err)
	}
	defer other.Close()
	_, err = other.Decrypt(ctx, *record)
	fmt.Println("globex:", errors.Is(err, envelope.ErrPartitionMismatch))
	// Output:
	// sealed under _IK_acme_shop_web
	// 4111 1111 1111 1111 <nil>
	// globex: true
}

// A bound record opens only in the place that it was sealed for.
func ExampleSession_AppendSeal() {
	ctx := context.Background()
	factory := newFactory()
	defer factory.Close()
	acme, err := factory.Session(ctx, "acme")
	if err != nil {
		log.Fatal(err)
	}
	defer acme.Close()

	email := envelope.Binding{Context: "users.email", Bound: true, Bind: []byte("17"), Encoding: envelope.EncodingText}
	record, err := acme.AppendSeal(ctx, nil, []byte("ann@example.org"), email)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s…\n", record[:5])

	plain, err := acme.AppendOpen(ctx, nil, record, email)
	fmt.Printf("%s %v\n", plain, err)

	row18 := email
	row18.Bind = []byte("18")
	_, err = acme.AppendOpen(ctx, nil, record, row18)
	fmt.Println("in row 18:", errors.Is(err, envelope.ErrMoved))
	// Output:
	// ash1.…
	// ann@example.org <nil>
	// in row 18: true
}

// A scope shares data keys among the values of one statement.
func ExampleSessionFactory_Scope() {
	ctx := context.Background()
	factory := newFactory()
	defer factory.Close()

	scope := factory.Scope()
	defer scope.Close()
	place := envelope.Binding{Context: "users.email", Encoding: envelope.EncodingText}
	for _, row := range []struct{ tenant, email string }{
		{"acme", "ann@example.org"}, {"acme", "bob@example.org"}, {"globex", "cay@example.org"},
	} {
		record, err := scope.AppendSeal(ctx, nil, row.tenant, []byte(row.email), place)
		if err != nil {
			log.Fatal(err)
		}
		// The record names its partition; opening proves it.
		plain, err := scope.AppendOpen(ctx, nil, "", record, place)
		if err != nil {
			log.Fatal(err)
		}
		partition, err := envelope.RecordPartition(record, envelope.EncodingText)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", partition, plain)
	}
	// Output:
	// acme: ann@example.org
	// acme: bob@example.org
	// globex: cay@example.org
}
