//go:build cgo

package integration

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/mattn/go-sqlite3"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/integration/shop"
	"github.com/asherah-sql/asherah-sql/kms/static"
	"github.com/asherah-sql/asherah-sql/tags"
)

// mattnConnector is mattn/go-sqlite3 as a connector, which that driver has none of.
type mattnConnector struct{ dsn string }

func (c mattnConnector) Connect(context.Context) (sqldriver.Conn, error) {
	return c.Driver().Open(c.dsn)
}
func (mattnConnector) Driver() sqldriver.Driver { return &sqlite3.SQLiteDriver{} }

func init() {
	openers = append(openers, opener{
		name: "mattn",
		plain: func(t *testing.T, path, mode string) *sql.DB {
			return open(t, "sqlite3", fmt.Sprintf("file:%s?_journal_mode=%s", path, mode))
		},
		encrypted: func(t *testing.T, path, mode string) *sql.DB {
			t.Helper()
			key, err := hex.DecodeString(masterKey)
			if err != nil {
				t.Fatal(err)
			}
			kms, err := static.New(key)
			if err != nil {
				t.Fatal(err)
			}
			schema, err := tags.NewSchema(shop.Models()...)
			if err != nil {
				t.Fatal(err)
			}
			c, err := driver.WrapConnector(mattnConnector{fmt.Sprintf("file:%s?_journal_mode=%s", path, mode)}, dialect.SQLite,
				driver.Config{Service: "shop", Product: "web", Partition: "till", KMS: kms, Schema: schema})
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(c)
			t.Cleanup(func() { db.Close() })
			return db
		},
		// This driver turns the text of a TIMESTAMP column that it can't read as a time into the zero
		// time, so the column that is to hold ciphertext becomes TEXT first.
		prepare: func(t *testing.T, path string) {
			t.Helper()
			db := open(t, "sqlite", path)
			ddl := strings.NewReplacer("$SERIAL", "INTEGER PRIMARY KEY", "$BLOB", "BLOB", "authorized_at $TIME", "authorized_at TEXT", "$TIME", "TIMESTAMP").Replace(shop.Schema)
			if !strings.Contains(ddl, "authorized_at TEXT") {
				t.Fatal("the schema has no authorized_at $TIME any more")
			}
			if _, err := db.Exec(ddl); err != nil {
				t.Fatal(err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		},
	})
}
