package driver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/metastore/sqlstore"
)

// Driver is a wrapped driver as sql.Register takes it. The leaves register theirs ("asherah-sqlite").
type Driver struct {
	base    driver.Driver
	dialect dialect.Dialect
}

var (
	_ driver.Driver        = (*Driver)(nil)
	_ driver.DriverContext = (*Driver)(nil)
)

// New returns a wrapper of base for sql.Register. Its connection strings are base's, with the asherah_
// parameters added. It panics on an invalid dialect: that is a mistake in the calling code.
func New(base driver.Driver, d dialect.Dialect) *Driver {
	if base == nil || !d.Valid() {
		panic(fmt.Sprintf("driver: New(%T, %v): want a driver and a dialect", base, d))
	}
	return &Driver{base, d}
}

// Open opens one connection. database/sql calls OpenConnector instead.
func (d *Driver) Open(dsn string) (driver.Conn, error) {
	c, err := d.OpenConnector(dsn)
	if err != nil {
		return nil, err
	}
	conn, err := c.Connect(context.Background())
	if cerr := c.(io.Closer).Close(); cerr != nil && err == nil {
		err = errors.Join(cerr, conn.Close())
	}
	return conn, err
}

// OpenConnector checks the whole connection string, so that sql.Open itself returns its errors. For an
// empty one, which tracing wrappers open only to find the driver, the error comes from Connect.
func (d *Driver) OpenConnector(dsn string) (driver.Connector, error) {
	if dsn == "" {
		return &unset{d}, nil
	}
	plain, params, err := splitParams(d.dialect, dsn)
	if err != nil {
		return nil, fmt.Errorf("connection string: %w", err)
	}
	if name := os.Getenv(envPrefix + "CONFIG"); name != "" && !slices.ContainsFunc(params, func(p param) bool { return p.name == "config" }) {
		params = append(params, param{"config", name})
	}
	cfg, err := fromParams(params)
	if err != nil {
		return nil, fmt.Errorf("connection string: %w", err)
	}
	base, err := openBase(d.base, plain)
	if err != nil {
		return nil, err
	}
	c, err := newConnector(base, d.dialect, cfg)
	if err != nil {
		return nil, err
	}
	c.driver = d
	if c.cfg.Keys == nil {
		c.sharedID = sharedID(&c.cfg, d.dialect, plain, fmt.Sprintf("%T", d.base))
	}
	return c, nil
}

// unset is the connector of an empty connection string.
type unset struct{ d *Driver }

func (u *unset) Connect(context.Context) (driver.Conn, error) {
	return nil, errors.New("connection string: empty: asherah_service, asherah_product and asherah_kms are required")
}
func (u *unset) Driver() driver.Driver { return u.d }

// WrapConnector puts the wrapper around any connector of a database of dialect d: another driver of it, a
// tracing wrapper, a pool. The returned connector is an io.Closer, which sql.DB.Close calls. Errors of cfg
// (what is missing or contradictory) are returned here, those of the database by the first connection.
func WrapConnector(base driver.Connector, d dialect.Dialect, cfg Config) (driver.Connector, error) {
	if base == nil {
		return nil, errors.New("wrap connector: no connector")
	}
	c, err := newConnector(base, d, cfg)
	if err != nil {
		return nil, fmt.Errorf("wrap connector: %w", err)
	}
	return c, nil
}

// WrapDriver is WrapConnector for a driver and its connection string, whose asherah_ parameters are taken
// out and joined with cfg.
func WrapDriver(base driver.Driver, dsn string, d dialect.Dialect, cfg Config) (driver.Connector, error) {
	if base == nil {
		return nil, errors.New("wrap driver: no driver")
	}
	plain, fromDSN, err := SplitDSN(d, dsn)
	if err != nil {
		return nil, fmt.Errorf("wrap driver: %w", err)
	}
	if cfg, err = merge(cfg, fromDSN); err != nil {
		return nil, fmt.Errorf("wrap driver: %w", err)
	}
	c, err := openBase(base, plain)
	if err != nil {
		return nil, err
	}
	return WrapConnector(c, d, cfg)
}

// core is what a connector's connections share. It is immutable but for what its parts guard themselves.
type core struct {
	base    driver.Connector
	dialect dialect.Dialect
	cfg     Config
	plans   *plans
	catalog *catalog
}

// connector opens wrapped connections.
type connector struct {
	core
	driver   driver.Driver
	sharedID string // of sql.Open; "" = keys of its own

	mu     sync.Mutex // guards the fields below
	keys   *Keys
	held   bool // a reference of the connector's own is held
	closed bool
}

var (
	_ driver.Connector = (*connector)(nil)
	_ io.Closer        = (*connector)(nil)
)

func newConnector(base driver.Connector, d dialect.Dialect, cfg Config) (*connector, error) {
	if !d.Valid() {
		return nil, fmt.Errorf("unknown dialect %v", d)
	}
	cat, err := newCatalog(d)
	if err != nil {
		return nil, err
	}
	if cfg, err = complete(cfg); err != nil {
		return nil, err
	}
	// Made once for its checks of service, product and policy, so that their errors come from sql.Open.
	probe, err := newFactory(&cfg, nil)
	if err != nil {
		return nil, err
	}
	if err := probe.Close(); err != nil {
		return nil, err
	}
	cat.log = cfg.Logger
	c := &connector{core: core{base: base, dialect: d, cfg: cfg, catalog: cat}, keys: cfg.Keys}
	if c.plans, err = newPlans(&c.core); err != nil {
		return nil, err
	}
	if under := base.Driver(); under != nil {
		c.driver = New(under, d)
	}
	return c, nil
}

// Driver returns the wrapper of the base connector's driver, nil if that connector knows none.
func (c *connector) Driver() driver.Driver { return c.driver }

// Close gives the connector's reference to its keys back and closes the base connector. Connections that
// are still open keep working.
func (c *connector) Close() error {
	c.mu.Lock()
	held, keys := c.held, c.keys
	done := c.closed
	c.held, c.closed = false, true
	c.mu.Unlock()
	if done {
		return nil
	}
	var err error
	if held {
		err = keys.release()
	}
	if cl, ok := c.base.(io.Closer); ok {
		err = both(err, cl.Close())
	}
	return err
}

// acquire takes a reference to the keys for a new connection, and at the first one the connector's own,
// which Close gives back.
func (c *connector) acquire() (*Keys, *keyState, error) {
	k, st, err := c.borrow()
	if err != nil {
		return nil, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held && !c.closed {
		if _, err := k.acquire(&c.core); err != nil {
			return nil, nil, errors.Join(err, k.release())
		}
		c.held = true
	}
	return k, st, nil
}

// borrow takes one reference to the keys.
func (c *connector) borrow() (*Keys, *keyState, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil {
		if c.sharedID != "" {
			c.keys = sharedKeys(c.sharedID)
		} else {
			c.keys = NewKeys()
		}
	}
	st, err := c.keys.acquire(&c.core)
	return c.keys, st, err
}

// Connect opens a connection. The first one makes the key table ready and checks the registered tables
// against the database.
func (c *connector) Connect(ctx context.Context) (_ driver.Conn, err error) {
	if c.cfg.Schema.Empty() && !c.cfg.AllowEmptySchema {
		return nil, fmt.Errorf("connect: %w: call tags.MustRegister(Model{}) before the first connection", ErrNoSchema)
	}
	inner, err := c.base.Connect(ctx)
	if err != nil {
		return nil, err
	}
	keys, st, err := c.acquire()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect: %w", err), inner.Close())
	}
	conn := &conn{core: &c.core, inner: inner, keys: keys, state: st}
	if !c.cfg.Schema.Empty() {
		if err := conn.ready(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("connect: %w", err), conn.Close())
		}
	}
	return conn.shape(), nil
}

// ready finds the connection's keys and checks the registered tables, once: when the connection is opened,
// or, if no table was registered then, before its first statement on one.
func (c *conn) ready(ctx context.Context) error {
	if c.isReady {
		return nil
	}
	if err := c.prepareKeys(ctx, c.state); err != nil {
		return err
	}
	if !c.core.cfg.SkipVerify {
		err := patiently(ctx, func() error { return c.core.catalog.verify(ctx, c.raw(), c.core.cfg.Schema, nil) })
		if err != nil {
			return err
		}
	}
	c.isReady = true
	return nil
}

// prepareKeys finds where the connection's keys are and makes the key table ready.
func (c *conn) prepareKeys(ctx context.Context, st *keyState) error {
	store := st.store
	if store == nil {
		place, err := c.core.catalog.db.place(ctx, c.raw())
		if err != nil {
			return err
		}
		if err := st.at(place); err != nil {
			return err
		}
		if store, err = c.ownStore(place); err != nil {
			return err
		}
		if err := c.noDirtyReads(ctx); err != nil {
			return err
		}
		c.overlay = st.factory.Overlay(store)
	}
	if r, ok := store.(*rowStore); ok {
		store = r.table
	}
	if err := patiently(ctx, func() error { return st.prepare(ctx, c.core, store) }); err != nil {
		return err
	}
	// Behind a new connection there may be a restored backup, or another server: keys in use are looked up
	// again before they encrypt.
	if st.lost.Swap(false) {
		st.reconnect()
		return st.factory.ConfirmNow(ctx)
	}
	return st.factory.Confirm(ctx)
}

// noDirtyReads refuses read_uncommitted, under which a key could be read that is rolled back afterwards.
func (c *conn) noDirtyReads(ctx context.Context) error {
	if c.core.dialect != dialect.SQLite {
		return nil
	}
	rows, err := c.raw().Query(ctx, "PRAGMA read_uncommitted")
	if err == nil && len(rows) == 1 && integer(rows[0][0]) != 0 {
		err = errors.New("PRAGMA read_uncommitted is on: keys of transactions that are rolled back could be used: turn it off")
	}
	return err
}

// ownStore is where a connection of a one-writer database keeps keys: in its file, or in the process when
// it has none.
func (c *conn) ownStore(place string) (metastore.Store, error) {
	if place == "" {
		c.keysInProcess = true
		return processStore(&c.core.cfg), nil
	}
	s, err := sqlstore.NewOver(c.raw(), c.core.dialect, tableOption(&c.core.cfg)...)
	if err != nil {
		return nil, err
	}
	return &rowStore{table: s, c: c}, nil
}

// patiently repeats what a new connection needs of a database that other processes may be setting up at
// the same moment: SQLite's lock errors, for at most five seconds.
func patiently(ctx context.Context, f func() error) error {
	deadline := time.Now().Add(5 * time.Second)
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		err := f()
		if !busy(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
