// Package mysql registers the database/sql driver "asherah-mysql": go-sql-driver/mysql, for MySQL and MariaDB,
// whose columns that the registered models tag with `encrypt` are ciphertext in the database, its logs and its
// backups.
//
//	import _ "github.com/asherah-sql/asherah-sql/driver/mysql"
//
//	db, err := sql.Open("asherah-mysql", "app@tcp(localhost:3306)/shop?parseTime=true&asherah_service=shop&asherah_product=web&asherah_kms=static&asherah_kms_key=env:SHOP_MASTER_KEY")
//
// The connection string is go-sql-driver's, with the asherah_ parameters added to its query part; names given
// to its RegisterTLSConfig and RegisterDialContext work as ever. Keys are made on connections of their own, at
// most two, which are opened when the first key is needed.
package mysql

import (
	"database/sql"
	sqldriver "database/sql/driver"

	"github.com/go-sql-driver/mysql"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
)

// Name is the name under which importing this package registers the driver.
const Name = "asherah-mysql"

func init() { sql.Register(Name, driver.New(&mysql.MySQLDriver{}, dialect.MySQL)) }

// NewConnector returns a connector for sql.OpenDB. The dsn may carry asherah_ parameters, which are joined
// with cfg; the two must not contradict each other. For a mysql.Config of one's own (mysql.NewConnector), use
// driver.WrapConnector.
func NewConnector(dsn string, cfg driver.Config) (sqldriver.Connector, error) {
	return driver.WrapDriver(&mysql.MySQLDriver{}, dsn, dialect.MySQL, cfg)
}
