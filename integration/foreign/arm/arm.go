// Package arm is what a suite's copy calls where it opens a database. The same test binary is run three times:
// as the bare arm, in which every function here gives back what it was given, as the wrapped arm, in which
// every connection goes through the wrapper, and as the encrypted arm, in which columns of the tests' own tables
// are encrypted as well. It imports nothing of the suites, so that their own packages can import it.
package arm

import (
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/tags"
)

// The environment variables that choose the arm.
const (
	// Var is "bare", "wrapped" or "encrypted".
	Var = "ASHERAH_FOREIGN_ARM"
	// DialectVar is the dialect's name.
	DialectVar = "ASHERAH_FOREIGN_DIALECT"
	// CountVar names a file that gets one line for each connection that was opened through the wrapper.
	CountVar = "ASHERAH_FOREIGN_COUNT"
	// SuiteVar is the suite's name, by which the encrypted arm knows its tables.
	SuiteVar = "ASHERAH_FOREIGN_SUITE"
)

// Sealed and Opened are printed by the encrypted arm for each value, among what the test prints.
const (
	Sealed = "asherah-foreign: sealed"
	Opened = "asherah-foreign: opened"
)

// Wrapped tells whether this process is the wrapped arm, or the encrypted one.
var Wrapped = sync.OnceValue(func() bool {
	switch a := os.Getenv(Var); a {
	case "bare":
		return false
	case "wrapped", "encrypted":
		return true
	default:
		panic(fmt.Sprintf("%s is %q: want bare, wrapped or encrypted", Var, a))
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

// encrypted is the encrypted arm's schema and keys; nil in the others.
var encrypted = sync.OnceValue(func() *asherah.Config {
	if os.Getenv(Var) != "encrypted" {
		return nil
	}
	schema, err := tags.NewSchema()
	if err != nil {
		panic(err)
	}
	for name, model := range tables[os.Getenv(SuiteVar)] {
		if err := schema.RegisterTable(name, model); err != nil {
			panic(err)
		}
	}
	return &asherah.Config{
		Service: "foreign", Product: "suites", KMSName: "insecure-test", Partition: "suite", Schema: schema,
		SkipVerify: true, // the suites' columns are narrower than any value may need
		Observer:   observer{}, Logger: slog.New(slog.DiscardHandler),
	}
})

// tables are the models of the encrypted arm, by suite and table.
var tables = map[string]map[string]any{
	"pgx/stdlib":          {"t": strT{}, "defer_test": strDefer{}, "temp_column_type_length": strLengths{}},
	"go-sql-driver/mysql": {"test": strTest{}},
	"mattn/go-sqlite3":    {"foo": strFoo{}, "t": strT{}},
}

type (
	strT struct {
		A   string `encrypt:"partition"`
		Str string `encrypt:"partition"`
		B   string `encrypt:"partition"`
		S   string `encrypt:"partition"`
	}
	strDefer struct {
		Name string `encrypt:"partition"`
	}
	strLengths struct {
		TextColumn string `encrypt:"partition"`
	}
	strTest struct {
		Value string `encrypt:"partition"`
		V     string `encrypt:"partition"`
		Name  string `encrypt:"partition"`
	}
	strMade struct {
		Value string `encrypt:"partition"`
	}
	strFoo struct {
		Name  string `encrypt:"partition"`
		Extra string `encrypt:"partition"`
	}
)

// Table registers a table whose name a test has just made up. It returns the name.
func Table(name string) string {
	if cfg := encrypted(); cfg != nil {
		if err := cfg.Schema.RegisterTable(name, strMade{}); err != nil {
			panic(err)
		}
	}
	return name
}

// observer prints what is sealed and opened, for the test that does it.
type observer struct{}

func (observer) Timed(name string, _ time.Duration, err error) {
	switch {
	case err != nil:
	case name == "ael.drr.encrypt":
		fmt.Println("\n" + Sealed)
	case name == "ael.drr.decrypt":
		fmt.Println("\n" + Opened)
	}
}

func (observer) Counted(string) {}

func config() asherah.Config {
	if cfg := encrypted(); cfg != nil {
		return *cfg
	}
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
