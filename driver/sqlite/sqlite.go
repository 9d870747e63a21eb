// Package sqlite registers the database/sql driver "asherah-sqlite": modernc.org/sqlite, a SQLite without
// cgo, whose columns that the registered models tag with `encrypt` are ciphertext in the file.
//
//	import _ "github.com/asherah-sql/asherah-sql/driver/sqlite"
//
//	db, err := sql.Open("asherah-sqlite", "file:shop.db?asherah_service=shop&asherah_product=web&asherah_kms=static&asherah_kms_key=env:SHOP_MASTER_KEY")
//
// The connection string is modernc.org/sqlite's, with the asherah_ parameters added to its query part. A
// transaction that first writes a tenant's value also stores that tenant's key, in the same file.
package sqlite

import (
	"database/sql"
	sqldriver "database/sql/driver"

	"modernc.org/sqlite"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
)

// Name is the name under which importing this package registers the driver.
const Name = "asherah-sqlite"

func init() { sql.Register(Name, driver.New(base{}, dialect.SQLite)) }

// NewConnector returns a connector for sql.OpenDB. The dsn may carry asherah_ parameters, which are joined
// with cfg; the two must not contradict each other.
func NewConnector(dsn string, cfg driver.Config) (sqldriver.Connector, error) {
	return driver.WrapDriver(base{}, dsn, dialect.SQLite, cfg)
}

// base is the driver that modernc.org/sqlite registers, with everything that was registered on it
// (functions, collations, hooks).
type base struct{}

func (base) Open(dsn string) (sqldriver.Conn, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return c.Driver().Open(dsn)
}

func (base) OpenConnector(dsn string) (sqldriver.Connector, error) { return sqlite.NewConnector(dsn) }
