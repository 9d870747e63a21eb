package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/envelope"
	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/metastore/sqlstore"
)

// Keys shares one set of unsealed keys and caches among connectors of the same database and the same
// settings. Give the same *Keys in their Configs. The keys are wiped when the last of the connectors and
// the last of their connections are closed; a connector used after that starts anew.
//
// A Keys is safe for concurrent use.
type Keys struct {
	mu    sync.Mutex // guards the fields below
	refs  int        // connectors and connections that use state
	shape string     // the settings that state was made with
	state *keyState
	// onIdle runs under mu when refs falls to zero.
	onIdle func()
}

// NewKeys returns an empty set, which the first connector that uses it fills.
func NewKeys() *Keys { return &Keys{} }

// keyState is what connectors of one set share.
type keyState struct {
	factory *envelope.SessionFactory
	store   metastore.Store // nil: keys go through the connection in use (SQLite)
	db      *sql.DB         // behind store, when it is ours to close
	lost    atomic.Bool     // a connection broke: the next one may lead to another server

	mu    sync.Mutex // guards the fields below, and is held while the key table is made ready
	ready bool       // the key table is there and the guard row agrees
	place string     // SQLite: the file that holds the keys; "" until the first connection
}

// shapeOf lists the settings on which all users of one set must agree.
func shapeOf(cfg *Config, d dialect.Dialect) string {
	return fmt.Sprintf("%v|%q|%q|%v|%v|%q|%v|%v|%v|%v|%v|%v|%v", d, cfg.Service, cfg.Product, cfg.Format, cfg.Metastore, cfg.MetastoreTable,
		cfg.ExpireAfter, cfg.RevokeCheck, cfg.Cache, cfg.CacheSize, cfg.SessionCacheSize, cfg.DataKeyReuse, distinct(cfg.KMS))
}

// identity is the public name of a KMS's master key, as the drift guard records it; "" when it has none.
func identity(svc kms.Service) string {
	if i, ok := svc.(kms.Identifier); ok {
		return i.Identity()
	}
	return ""
}

// distinct tells two KMS apart also when they have no identity.
func distinct(svc kms.Service) string {
	if id := identity(svc); id != "" {
		return id
	}
	return fmt.Sprintf("%T %p", svc, svc)
}

// acquire takes a reference, making the state first when there is none.
func (k *Keys) acquire(c *core) (*keyState, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	shape := shapeOf(&c.cfg, c.dialect)
	if k.state == nil {
		st, err := newKeyState(c)
		if err != nil {
			return nil, err
		}
		k.state, k.shape = st, shape
	} else if k.shape != shape {
		return nil, errors.New("keys: this *driver.Keys is in use with other settings: connectors share keys only when service, product, format, metastore, policy and KMS are equal")
	}
	k.refs++
	return k.state, nil
}

// release gives a reference back; the last one wipes the keys.
func (k *Keys) release() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.refs--; k.refs > 0 {
		return nil
	}
	st := k.state
	k.state = nil
	if k.onIdle != nil {
		k.onIdle()
	}
	err := st.factory.Close()
	if st.db != nil {
		err = errors.Join(err, st.db.Close())
	}
	return err
}

func newKeyState(c *core) (*keyState, error) {
	st := &keyState{}
	var err error
	if st.store, st.db, err = keyStore(c); err != nil {
		return nil, err
	}
	if st.factory, err = newFactory(&c.cfg, st.store); err != nil {
		if st.db != nil {
			err = errors.Join(err, st.db.Close())
		}
		return nil, err
	}
	return st, nil
}

func newFactory(cfg *Config, store metastore.Store) (*envelope.SessionFactory, error) {
	return envelope.NewSessionFactory(envelope.Config{
		Service: cfg.Service, Product: cfg.Product, AllowUnderscore: cfg.AllowUnderscore,
		Policy: envelope.CryptoPolicy{
			ExpireAfter: cfg.ExpireAfter, RevokeCheck: cfg.RevokeCheck,
			Cache: cfg.Cache, CacheSize: cfg.CacheSize, SessionCacheSize: cfg.SessionCacheSize,
			DataKeyReuse: cfg.DataKeyReuse,
		},
	}, store, cfg.KMS, envelope.WithObserver(cfg.Observer), envelope.WithLogger(cfg.keyLog))
}

// keyStore says where keys live. A nil store means: on the connection in use, which is right for SQLite,
// where a second connection would wait for the first one's transaction.
func keyStore(c *core) (metastore.Store, *sql.DB, error) {
	base := c.base
	switch {
	case c.cfg.MetastoreStore != nil:
		return c.cfg.MetastoreStore, nil, nil
	case c.cfg.Metastore == MetastoreMemory:
		return processStore(&c.cfg), nil, nil
	case c.cfg.MetastoreConnector != nil:
		base = c.cfg.MetastoreConnector
	case c.cfg.MetastoreDSN != "":
		name := strings.TrimPrefix(c.cfg.MetastoreDSN, "env:")
		dsn := os.Getenv(name)
		if dsn == "" {
			return nil, nil, fmt.Errorf("%smetastore_dsn: environment variable %s is not set", paramPrefix, name)
		}
		var err error
		if base, err = openBase(base.Driver(), dsn); err != nil {
			return nil, nil, fmt.Errorf("%smetastore_dsn: %w", paramPrefix, err)
		}
	case c.dialect == dialect.SQLite:
		return nil, nil, nil
	case pooled(base):
		return nil, nil, fmt.Errorf("connector of a pgx pool: keys need a connection that isn't one of the pool's, which may be its last: give %smetastore_dsn or driver.Config.MetastoreConnector", paramPrefix)
	}
	// Keys are made on a connection of their own, so that a user's rollback can't take them back and a
	// pool of one can't wait for itself.
	db := sql.OpenDB(kept{base, databases[c.dialect].keySession})
	db.SetMaxOpenConns(keyConns)
	db.SetMaxIdleConns(keyConns)
	db.SetConnMaxIdleTime(time.Minute)
	store, err := sqlstore.New(db, c.dialect, tableOption(&c.cfg)...)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return store, db, nil
}

// keyConns is how many connections of their own keys have at most.
const keyConns = 2

// reconnect closes the idle connections of the keys: after a failover they may still lead to the server that
// was left.
func (st *keyState) reconnect() {
	if st.db != nil {
		st.db.SetMaxIdleConns(-1)
		st.db.SetMaxIdleConns(keyConns)
	}
}

func tableOption(cfg *Config) []sqlstore.Option {
	if cfg.MetastoreTable == "" {
		return nil
	}
	return []sqlstore.Option{sqlstore.WithTable(cfg.MetastoreTable)}
}

// processStores holds the keys of in-memory databases, which end with the process as those databases do.
// They are kept until then: a shared in-memory database can outlive the sql.DB that made its keys. The
// records are sealed by the master key, and there is one per key.
var processStores struct {
	mu     sync.Mutex
	stores map[string]*metastore.Memory
}

func processStore(cfg *Config) *metastore.Memory {
	id := fmt.Sprintf("%q|%q|%q", cfg.Service, cfg.Product, distinct(cfg.KMS))
	processStores.mu.Lock()
	defer processStores.mu.Unlock()
	if processStores.stores == nil {
		processStores.stores = map[string]*metastore.Memory{}
	}
	s, ok := processStores.stores[id]
	if !ok {
		s = metastore.NewMemory()
		processStores.stores[id] = s
	}
	return s
}

// at notes the database file that the keys of st are in, and refuses a second one: a key cached from one
// file would seal values in another whose key table has no row for it.
func (st *keyState) at(place string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.place == "" {
		st.place = place
	}
	if st.place != place {
		return errors.New("keys: connections of one connector, or of connectors that share *driver.Keys, lead to different database files: give each database its own")
	}
	return nil
}

// prepare makes the key table ready, once: table there, guard row agrees.
func (st *keyState) prepare(ctx context.Context, c *core, store metastore.Store) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.ready {
		return nil
	}
	if t, ok := store.(*sqlstore.Store); ok {
		if err := ensureTable(ctx, c, t); err != nil {
			return err
		}
	}
	if err := checkGuard(ctx, c, store); err != nil {
		return err
	}
	st.ready = true
	return nil
}

func ensureTable(ctx context.Context, c *core, t *sqlstore.Store) error {
	if c.cfg.Metastore == MetastoreRequire {
		ok, err := t.Exists(ctx)
		if err == nil && !ok {
			err = fmt.Errorf("key table %s is missing (%smetastore=require): run: %s", t.Table(), paramPrefix, strings.Join(t.DDL(), "; "))
		}
		return err
	}
	created, err := t.Ensure(ctx)
	if err != nil {
		if readOnly(err) {
			return fmt.Errorf("%w: the database is read-only: make the table first with: %s", err, strings.Join(t.DDL(), "; "))
		}
		return err
	}
	if created {
		c.cfg.Logger.Info("asherah-sql: key table created", "table", t.Table())
	}
	return nil
}

// guardCreated is the creation time of the guard row: 2000-01-01T00:00:00Z, which every database's
// timestamp types hold.
const guardCreated = 946684800

// guard is what the drift guard's row records, as JSON in the place of a key's bytes. Other SDKs never ask
// for ids that start with __asherah_internal_.
type guard struct {
	Service string `json:"service"`
	Product string `json:"product"`
	Suffix  string `json:"suffix"`
	Format  string `json:"format"`
	KMS     string `json:"kms"`
}

// checkGuard compares the settings with those that the key table was first used with, and writes them
// down at the first use. Another master key or format must not start a second set of keys unnoticed.
func checkGuard(ctx context.Context, c *core, store metastore.Store) error {
	want := guard{Service: c.cfg.Service, Product: c.cfg.Product, Format: c.cfg.Format.String(), KMS: identity(c.cfg.KMS)}
	id := "__asherah_internal_guard_" + want.Service + "_" + want.Product
	rec, err := store.LoadLatest(ctx, id)
	if errors.Is(err, metastore.ErrNotFound) {
		data, err := json.Marshal(want)
		if err != nil {
			return err
		}
		err = store.Store(ctx, metastore.KeyMeta{ID: id, Created: guardCreated}, &metastore.EnvelopeKeyRecord{ID: id, Created: guardCreated, EncryptedKey: data})
		if err == nil || readOnly(err) {
			return nil
		}
		if !errors.Is(err, metastore.ErrExists) {
			return fmt.Errorf("drift guard: %w", err)
		}
		rec, err = store.LoadLatest(ctx, id)
		if err != nil {
			return fmt.Errorf("drift guard: %w", err)
		}
	} else if err != nil {
		return fmt.Errorf("drift guard: %w", err)
	}
	var have guard
	if err := json.Unmarshal(rec.EncryptedKey, &have); err != nil {
		return fmt.Errorf("drift guard: row %q isn't readable: %w", id, err)
	}
	if have.KMS == "" || want.KMS == "" {
		have.KMS, want.KMS = "", "" // a KMS of one's own that can't name its key isn't compared
	}
	if have == want {
		return nil
	}
	var diff []string
	for _, f := range []struct{ name, have, want string }{
		{"service", have.Service, want.Service}, {"product", have.Product, want.Product}, {"suffix", have.Suffix, want.Suffix},
		{"format", have.Format, want.Format}, {"KMS", have.KMS, want.KMS},
	} {
		if f.have != f.want {
			diff = append(diff, fmt.Sprintf("%s was %q, now %q", f.name, f.have, f.want))
		}
	}
	return fmt.Errorf("%w: %s: use the former settings, or delete the row %q of the key table to accept the new ones", ErrDrift, strings.Join(diff, ", "), id)
}

// shared holds the sets of connectors made by sql.Open, by connection string and settings.
var shared struct {
	mu   sync.Mutex
	keys map[string]*Keys
}

// sharedKeys returns the set for id, making it when there is none.
func sharedKeys(id string) *Keys {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if k, ok := shared.keys[id]; ok {
		return k
	}
	if shared.keys == nil {
		shared.keys = map[string]*Keys{}
	}
	k := NewKeys()
	k.onIdle = func() {
		shared.mu.Lock()
		defer shared.mu.Unlock()
		if shared.keys[id] == k {
			delete(shared.keys, id)
		}
	}
	shared.keys[id] = k
	return k
}

// sharedID is what two connectors of sql.Open must agree on to share keys.
func sharedID(cfg *Config, d dialect.Dialect, plain, base string) string {
	var params []string
	for k, v := range cfg.KMSParams {
		params = append(params, fmt.Sprintf("%q=%q", k, v))
	}
	slices.Sort(params)
	return fmt.Sprintf("%s|%q|%q|%q|%s|%p|%v|%v|%q|%q|%p|%p", shapeOf(cfg, d), plain, base, cfg.KMSName, params, cfg.Schema,
		cfg.SkipVerify, cfg.RefuseUnpinned, cfg.MetastoreDSN, cfg.Partition, cfg.MetastoreConnector, cfg.MetastoreStore)
}

// openBase opens a connector of a real driver.
func openBase(base driver.Driver, dsn string) (driver.Connector, error) {
	if d, ok := base.(driver.DriverContext); ok {
		return d.OpenConnector(dsn)
	}
	return dsnConnector{dsn, base}, nil
}

// dsnConnector is what database/sql makes of a driver without DriverContext.
type dsnConnector struct {
	dsn  string
	base driver.Driver
}

func (c dsnConnector) Connect(context.Context) (driver.Conn, error) { return c.base.Open(c.dsn) }
func (c dsnConnector) Driver() driver.Driver                        { return c.base }

// kept is a connector that a sql.DB of ours uses and must not close: it is somebody else's.
type kept struct {
	base    driver.Connector
	session []string // statements that each connection begins with
}

func (k kept) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := k.base.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range k.session {
		if _, err := (rawConn{conn}).Exec(ctx, s); err != nil {
			return nil, both(err, conn.Close())
		}
	}
	return conn, nil
}

func (k kept) Driver() driver.Driver { return k.base.Driver() }
