// Package arm is what a suite's copy calls where it opens a database. The same test binary is run twice:
// as the bare arm, in which every function here gives back what it was given, and as the wrapped arm, in
// which every connection goes through the wrapper. It imports nothing of the suites, so that their own
// packages can import it.
package arm

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"os"
	"reflect"
	"sync"

	"github.com/asherah-sql/asherah-sql/dialect"
	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/tags"
)

// The environment variables that choose the arm.
const (
	// Var is "bare" or "wrapped".
	Var = "ASHERAH_FOREIGN_ARM"
	// DialectVar is the dialect's name.
	DialectVar = "ASHERAH_FOREIGN_DIALECT"
	// CountVar names a file that gets one line for each connection that was opened through the wrapper.
	CountVar = "ASHERAH_FOREIGN_COUNT"
)

// Wrapped tells whether this process is the wrapped arm.
var Wrapped = sync.OnceValue(func() bool {
	switch a := os.Getenv(Var); a {
	case "bare":
		return false
	case "wrapped":
		return true
	default:
		panic(fmt.Sprintf("%s is %q: want bare or wrapped", Var, a))
	}
})

// Connector puts the wrapper around c.
func Connector(c driver.Connector) driver.Connector {
	if !Wrapped() {
		return c
	}
	w, err := asherah.WrapConnector(counted{c}, grammar(), config())
	if err != nil {
		panic(err)
	}
	inner.Store(w, c)
	inner.Store(w.Driver(), c.Driver())
	return w
}

// Open opens a driver's connection string as sql.Open does, through the wrapper.
func Open(d driver.Driver, dsn string) (driver.Connector, error) {
	w, err := asherah.WrapDriver(countedDriver{d}, dsn, grammar(), config())
	if err != nil {
		return nil, err
	}
	inner.Store(w.Driver(), d)
	return w, nil
}

// inner holds what is under each wrapped connector and its driver.
var inner sync.Map

// Inner gives a test that takes a connection, connector or driver for one of a concrete type the one under the
// wrapper, as a program gets it with Unwrap. Everything else is given back as it is.
func Inner(v any) any {
	if u, ok := v.(interface{ Unwrap() driver.Conn }); ok && Wrapped() {
		return u.Unwrap()
	}
	if v != nil && reflect.TypeOf(v).Comparable() {
		if under, ok := inner.Load(v); ok {
			return under
		}
	}
	return v
}

func config() asherah.Config {
	empty, err := tags.NewSchema()
	if err != nil {
		panic(err)
	}
	return asherah.Config{
		Service: "foreign", Product: "suites", KMSName: "insecure-test", Metastore: asherah.MetastoreMemory,
		Schema: empty, AllowEmptySchema: true,
	}
}

func grammar() dialect.Dialect {
	name := os.Getenv(DialectVar)
	for d := dialect.Postgres; d.Valid(); d++ {
		if d.String() == name {
			return d
		}
	}
	panic(fmt.Sprintf("%s is %q: no such dialect", DialectVar, name))
}

// counted notes each connection in the file that CountVar names, which proves that a run went through the
// wrapper. It hides nothing of the connector: database/sql knows no other optional interface of one.
type counted struct{ base driver.Connector }

func (c counted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.base.Connect(ctx)
	if err == nil {
		count()
	}
	return conn, err
}

func (c counted) Driver() driver.Driver { return c.base.Driver() }

func (c counted) Close() error {
	if cl, ok := c.base.(io.Closer); ok {
		return cl.Close()
	}
	return nil
}

// countedDriver is counted for a driver with a connection string.
type countedDriver struct{ base driver.Driver }

func (d countedDriver) Open(dsn string) (driver.Conn, error) {
	c, err := d.base.Open(dsn)
	if err == nil {
		count()
	}
	return c, err
}

func (d countedDriver) OpenConnector(dsn string) (driver.Connector, error) {
	if dc, ok := d.base.(driver.DriverContext); ok {
		c, err := dc.OpenConnector(dsn)
		if err != nil {
			return nil, err
		}
		return counted{c}, nil
	}
	return counted{plain{d.base, dsn}}, nil
}

// plain is what database/sql makes of a driver without DriverContext.
type plain struct {
	base driver.Driver
	dsn  string
}

func (p plain) Connect(context.Context) (driver.Conn, error) { return p.base.Open(p.dsn) }
func (p plain) Driver() driver.Driver                        { return p.base }

var countMu sync.Mutex

func count() {
	countMu.Lock()
	defer countMu.Unlock()
	f, err := os.OpenFile(os.Getenv(CountVar), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString("connection\n")
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		panic(err)
	}
}
