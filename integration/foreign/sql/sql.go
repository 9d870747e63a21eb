// Package sql is database/sql with another Open and OpenDB. The suites' copies import it in place of
// database/sql; every type is database/sql's own.
package sql

import (
	"database/sql"
	"database/sql/driver"

	"github.com/asherah-sql/asherah-sql/integration/foreign/arm"
)

// All that database/sql exports, but for what stands below.
type (
	ColumnType     = sql.ColumnType
	Conn           = sql.Conn
	DB             = sql.DB
	DBStats        = sql.DBStats
	IsolationLevel = sql.IsolationLevel
	NamedArg       = sql.NamedArg
	Null[T any]    = sql.Null[T]
	NullBool       = sql.NullBool
	NullByte       = sql.NullByte
	NullFloat64    = sql.NullFloat64
	NullInt16      = sql.NullInt16
	NullInt32      = sql.NullInt32
	NullInt64      = sql.NullInt64
	NullString     = sql.NullString
	NullTime       = sql.NullTime
	Out            = sql.Out
	RawBytes       = sql.RawBytes
	Result         = sql.Result
	Row            = sql.Row
	Rows           = sql.Rows
	Scanner        = sql.Scanner
	Stmt           = sql.Stmt
	Tx             = sql.Tx
	TxOptions      = sql.TxOptions
)

const (
	LevelDefault         = sql.LevelDefault
	LevelReadUncommitted = sql.LevelReadUncommitted
	LevelReadCommitted   = sql.LevelReadCommitted
	LevelWriteCommitted  = sql.LevelWriteCommitted
	LevelRepeatableRead  = sql.LevelRepeatableRead
	LevelSnapshot        = sql.LevelSnapshot
	LevelSerializable    = sql.LevelSerializable
	LevelLinearizable    = sql.LevelLinearizable
)

var (
	ErrConnDone = sql.ErrConnDone
	ErrNoRows   = sql.ErrNoRows
	ErrTxDone   = sql.ErrTxDone
)

// Drivers is sql.Drivers.
func Drivers() []string { return sql.Drivers() }

// Named is sql.Named.
func Named(name string, value any) NamedArg { return sql.Named(name, value) }

// Register is sql.Register.
func Register(name string, d driver.Driver) { sql.Register(name, d) }

// Open is sql.Open, in the wrapped arm of the wrapped driver.
func Open(name, dsn string) (*DB, error) {
	db, err := sql.Open(name, dsn)
	if err != nil || !arm.Wrapped() {
		return db, err
	}
	d := db.Driver()
	if err := db.Close(); err != nil {
		return nil, err
	}
	c, err := arm.Open(d, dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

// OpenDB is sql.OpenDB, in the wrapped arm of the wrapped connector.
func OpenDB(c driver.Connector) *DB { return sql.OpenDB(arm.Connector(c)) }

// Raw is c.Raw(f) with the connection under the wrapper.
func Raw(c *Conn, f func(driverConn any) error) error {
	return c.Raw(func(dc any) error { return f(arm.Inner(dc)) })
}
