package tags_test

import (
	"fmt"

	"github.com/asherah-sql/asherah-sql/tags"
)

type Customer struct {
	ID       int64
	TenantID string
	Email    string  `encrypt:"tenant_id"`
	Card     *string `db:"card_no" encrypt:"partition,as=customer-card"`
}

// A program registers its models once, usually in an init function with [tags.MustRegister].
func Example() {
	schema, err := tags.NewSchema(Customer{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, table := range schema.Tables() {
		for _, c := range table.Encrypted() {
			fmt.Println(c, c.Kind, c.Context, c.Partition)
		}
	}
	// Output:
	// customers.email string customers.email customers.tenant_id
	// customers.card_no string customer-card <nil>
}

// A mistake in a tag is found when the program starts.
func ExampleRegister_mistake() {
	type Account struct {
		TenantID string
		IBAN     string `encrypt:"tenant,idnex"`
	}
	fmt.Println(tags.Register(Account{}))
	// Output:
	// register: Account.IBAN: unknown option "idnex": want one of as=<name>, format=bound, format=asherah
}

// One value has one canonical text, whatever Go type carries it.
func ExampleColumn_AppendText() {
	type Payment struct {
		Amount int32 `encrypt:"partition"`
	}
	schema, err := tags.NewSchema(Payment{})
	if err != nil {
		fmt.Println(err)
		return
	}
	amount := schema.Table("payments")[0].Column("amount")
	for _, v := range []any{int64(7), 7.0, []byte("7.00"), "7", 7.5} {
		text, _, err := amount.AppendText(nil, v)
		fmt.Printf("%q %v\n", text, err)
	}
	// Output:
	// "7" <nil>
	// "7" <nil>
	// "7" <nil>
	// "7" <nil>
	// "" convert value: payments.amount: float64 to int: not exactly representable: pass an integer in the range of the field's type
}
