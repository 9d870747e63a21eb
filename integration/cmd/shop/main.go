// Command shop runs the shop against a database:
//
//	go run ./cmd/shop -driver sqlite -dsn shop.db
//	SHOP_MASTER_KEY=$(openssl rand -hex 32) go run ./cmd/shop -driver asherah-sqlite \
//		-dsn 'shop.db?asherah_service=shop&asherah_product=web&asherah_kms=static&asherah_kms_key=env:SHOP_MASTER_KEY&asherah_partition=till'
//
// The database must be new: the shop makes its tables and lets one day pass. PostgreSQL and MariaDB enforce the
// types of columns, so there the tables are made for ciphertext first:
//
//	go run ./cmd/shop -driver pgx -dsn 'postgres://…' -prepare
//	SHOP_MASTER_KEY=… go run ./cmd/shop -driver asherah-postgres -dsn 'postgres://…?asherah_service=shop&…'
//
//	go run ./cmd/shop -driver mysql -dsn 'user@tcp(host)/shop?parseTime=true' -prepare
//	SHOP_MASTER_KEY=… go run ./cmd/shop -driver asherah-mysql -dsn 'user@tcp(host)/shop?parseTime=true&asherah_service=shop&…'
package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"

	_ "github.com/asherah-sql/asherah-sql/driver/mysql"    // registers "asherah-mysql", and through the driver below it "mysql"
	_ "github.com/asherah-sql/asherah-sql/driver/postgres" // registers "asherah-postgres", and through the driver below it "pgx"
	_ "github.com/asherah-sql/asherah-sql/driver/sqlite"   // registers "asherah-sqlite", and through the driver below it "sqlite"
	"github.com/asherah-sql/asherah-sql/integration/shop"
	"github.com/asherah-sql/asherah-sql/tags"
)

func init() { tags.MustRegister(shop.Models()...) }

func main() {
	driver := flag.String("driver", "sqlite", "`name` of the database/sql driver")
	dsn := flag.String("dsn", "", "the database, as the driver wants it")
	prepare := flag.Bool("prepare", false, "make the tables for ciphertext, and no more")
	flag.Parse()
	if err := run(*driver, *dsn, *prepare); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(driver, dsn string, prepare bool) error {
	if dsn == "" {
		return fmt.Errorf("no database: give -dsn")
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	if prepare {
		return shop.Prepare(context.Background(), db)
	}
	return shop.Run(context.Background(), db, os.Stdout)
}
