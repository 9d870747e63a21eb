package drivertest

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/kms/static"
	"github.com/asherah-sql/asherah-sql/tags"
)

// Secret is in every value that must not be seen outside of the process.
const Secret = "s3cr3t"

// User has one column of each way to find a partition, and several types. Its table is the test's to make.
type User struct {
	ID       int64
	TenantID string
	Name     string
	Email    *string    `encrypt:"tenant_id"`
	SSN      *string    `encrypt:"partition"`
	Age      *int64     `encrypt:"tenant_id"`
	Born     *time.Time `encrypt:"tenant_id"`
}

// TableName is users.
func (User) TableName() string { return "users" }

// Account is for tables that are set up wrong.
type Account struct {
	ID       int64
	TenantID string
	Email    string `encrypt:"tenant_id"`
	Age      int    `encrypt:"tenant_id"`
}

// TableName is accounts.
func (Account) TableName() string { return "accounts" }

// MasterKey is that of Config.
var MasterKey = bytes.Repeat([]byte{7}, 32)

// Config returns settings for the models, or for User without any. What is logged is thrown away.
func Config(t testing.TB, models ...any) driver.Config {
	t.Helper()
	if models == nil {
		models = []any{User{}}
	}
	k, err := static.New(bytes.Clone(MasterKey))
	if err != nil {
		t.Fatal(err)
	}
	s, err := tags.NewSchema(models...)
	if err != nil {
		t.Fatal(err)
	}
	return driver.Config{Service: "shop", Product: "web", KMS: k, Schema: s, Logger: slog.New(slog.DiscardHandler)}
}

// Tenant returns a context with a partition in force.
func Tenant(id string) context.Context { return driver.WithPartition(context.Background(), id) }
