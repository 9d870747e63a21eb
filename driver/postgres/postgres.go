// Package postgres registers the database/sql driver "asherah-postgres": pgx, whose columns that the
// registered models tag with `encrypt` are ciphertext in the database, its logs and its backups.
//
//	import _ "github.com/asherah-sql/asherah-sql/driver/postgres"
//
//	db, err := sql.Open("asherah-postgres", "postgres://app@localhost/shop?asherah_service=shop&asherah_product=web&asherah_kms=static&asherah_kms_key=env:SHOP_MASTER_KEY")
//
// The connection string is pgx's, a URL or key=value pairs, with the asherah_ parameters added; a name that
// pgx's stdlib.RegisterConnConfig returned takes them behind a question mark. Keys are made on connections of
// their own, at most two, which are opened when the first key is needed.
package postgres

import (
	"database/sql"
	sqldriver "database/sql/driver"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
)

// Name is the name under which importing this package registers the driver.
const Name = "asherah-postgres"

func init() { sql.Register(Name, driver.New(stdlib.GetDefaultDriver(), dialect.Postgres)) }

// NewConnector returns a connector for sql.OpenDB. The dsn may carry asherah_ parameters, which are joined
// with cfg; the two must not contradict each other. For a pgx.ConnConfig or hooks of one's own
// (stdlib.GetConnector), or a pgxpool.Pool, use driver.WrapConnector.
func NewConnector(dsn string, cfg driver.Config) (sqldriver.Connector, error) {
	return driver.WrapDriver(stdlib.GetDefaultDriver(), dsn, dialect.Postgres, cfg)
}
