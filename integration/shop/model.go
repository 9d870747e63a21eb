package shop

import (
	"database/sql"
	"time"
)

// Customer is a person who buys from one tenant's shop.
type Customer struct {
	ID        int64          `db:"id"`
	TenantID  string         `db:"tenant_id"`
	Code      string         `db:"code"` // the tenant's own number for the customer
	Name      string         `db:"name"`
	Email     string         `db:"email" encrypt:"tenant_id"`
	Phone     sql.NullString `db:"phone" encrypt:"tenant_id"`
	Notes     *string        `db:"notes" encrypt:"tenant_id"`
	CreatedAt time.Time      `db:"created_at"`
}

// Order is what a customer bought at one time.
type Order struct {
	ID         int64     `db:"id"`
	CustomerID int64     `db:"customer_id"`
	Reference  string    `db:"reference"`
	Status     string    `db:"status"`
	TotalCents int64     `db:"total_cents"`
	PlacedAt   time.Time `db:"placed_at"`
}

// Payment is money that came in for an order; only card payments have a card's fields.
type Payment struct {
	ID           int64          `db:"id"`
	OrderID      int64          `db:"order_id"`
	Method       string         `db:"method"`
	CardNumber   sql.NullString `db:"card_number" encrypt:"partition"`
	Holder       *string        `db:"holder" encrypt:"partition"`
	Amount       int64          `db:"amount" encrypt:"partition"` // millionths of the currency
	AuthorizedAt sql.NullTime   `db:"authorized_at" encrypt:"partition"`
	Signature    []byte         `db:"signature" encrypt:"partition"`
}

// Models lists the models with encrypt tags, for whoever reads those.
func Models() []any { return []any{Customer{}, Payment{}} }
