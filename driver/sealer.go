package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/asherah-sql/asherah-sql/envelope"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/metastore/sqlstore"
	"github.com/asherah-sql/asherah-sql/tags"
)

// Sealer makes and opens the same stored values as the driver, for data that doesn't pass through its
// statements: COPY, batches of another API, files. It is safe for concurrent use.
type Sealer struct {
	c    *connector
	keys *Keys
	st   *keyState
	db   *sql.DB         // the key table's connection, where keys have none of their own
	own  metastore.Store // over db, or in the process; nil when the factory has a store
	as   *statement      // knows what the database makes of partitions

	close func() error // once
}

// NewSealer returns a Sealer with the keys and settings of a connector that this package made. Close gives
// its reference to the keys back.
func NewSealer(ctx context.Context, c driver.Connector) (*Sealer, error) {
	con, ok := c.(*connector)
	if !ok {
		return nil, fmt.Errorf("new sealer: connector is a %T: want one made by NewConnector, WrapConnector or WrapDriver", c)
	}
	keys, st, err := con.borrow()
	if err != nil {
		return nil, fmt.Errorf("new sealer: %w", err)
	}
	s := &Sealer{c: con, keys: keys, st: st, as: &statement{}}
	s.close = sync.OnceValue(func() error {
		var err error
		if s.db != nil {
			err = s.db.Close()
		}
		return both(err, s.keys.release())
	})
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("new sealer: %w", err), s.Close())
	}
	return s, nil
}

func (s *Sealer) prepare(ctx context.Context) error {
	store := s.st.store
	if store == nil {
		s.db = sql.OpenDB(kept{base: s.c.base})
		s.db.SetMaxOpenConns(1)
		var place string
		err := withRaw(ctx, s.db, func(raw rawConn) (err error) {
			place, err = s.c.catalog.db.place(ctx, raw)
			return err
		})
		if err == nil {
			err = s.st.at(place)
		}
		if err != nil {
			return err
		}
		if place == "" {
			s.own = processStore(&s.c.cfg)
		} else if s.own, err = sqlstore.New(s.db, s.c.dialect, tableOption(&s.c.cfg)...); err != nil {
			return err
		}
		store = s.own
	}
	if err := patiently(ctx, func() error { return s.st.prepare(ctx, &s.c.core, store) }); err != nil {
		return err
	}
	return s.findSpelling(ctx)
}

// findSpelling notes what the database makes of partitions, see conn.findSpelling.
func (s *Sealer) findSpelling(ctx context.Context) error {
	if !s.c.catalog.db.spells {
		return nil
	}
	var columns []*tags.Column
	for _, t := range s.c.cfg.Schema.Tables() {
		for _, col := range t.Encrypted() {
			if p := col.Partition; p != nil && p.Kind == tags.KindString {
				columns = append(columns, p)
			}
		}
	}
	if len(columns) == 0 {
		return nil
	}
	db := sql.OpenDB(kept{base: s.c.base})
	err := withRaw(ctx, db, func(raw rawConn) error {
		s.as.spelling = map[*tags.Column]spelling{}
		for _, p := range columns {
			is, err := s.c.catalog.spelling(ctx, raw, p)
			if err != nil {
				return err
			}
			s.as.spelling[p] = is
		}
		return nil
	})
	return both(err, db.Close())
}

func withRaw(ctx context.Context, db *sql.DB, f func(rawConn) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(c any) error { return f(rawConn{c.(driver.Conn)}) })
}

// scope returns a use of the keys, and what ends it: keys that were made are published.
func (s *Sealer) scope() (*envelope.Scope, func()) {
	if s.own == nil {
		sc := s.st.factory.Scope()
		return sc, sc.Close
	}
	o := s.st.factory.Overlay(s.own)
	sc := o.Scope()
	return sc, func() {
		sc.Close()
		o.Commit() // stored outside of any transaction, so for good
	}
}

// column finds a registered encrypted column.
func (s *Sealer) column(table, column string) (*tags.Column, error) {
	_, name, qualified := strings.Cut(table, ".")
	if !qualified {
		name = table
	}
	for _, t := range s.c.cfg.Schema.Table(name) {
		if qualified && !strings.EqualFold(t.String(), table) {
			continue
		}
		if col := t.Column(column); col != nil && col.Encrypted {
			return col, nil
		}
	}
	return nil, fmt.Errorf("%s.%s: no such encrypted column is registered", table, column)
}

// Seal returns value as it is stored in table.column: what the driver would store for that row, or nil for
// NULL. row gives the row's other columns, of which the partition column is needed when the tag names one:
// a map from column names to values, or the model itself. For columns tagged `encrypt:"partition"` the
// partition in force counts and row may be nil.
func (s *Sealer) Seal(ctx context.Context, table, column string, row, value any) (any, error) {
	col, err := s.column(table, column)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	sealed, err := s.seal(ctx, col, row, value)
	if err != nil {
		return nil, fmt.Errorf("seal %v: %w", col, err)
	}
	return sealed, nil
}

func (s *Sealer) seal(ctx context.Context, col *tags.Column, row, value any) (any, error) {
	text, null, err := col.AppendText(nil, value)
	if err != nil || null {
		return nil, err
	}
	defer func() { clear(text[:cap(text)]) }()
	force := s.c.inForce(ctx)
	var partition string
	if col.Partition == nil {
		partition, err = force.require()
	} else {
		var at any
		if at, err = field(row, col.Partition); err == nil {
			if partition, err = s.as.partitionText(col, at); err == nil {
				err = force.allow(partition)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	scope, done := s.scope()
	defer done()
	var rec []byte
	if s.c.formatOf(col) == tags.FormatBound {
		if col.Padded() {
			text = tags.Pad(text)
		}
		rec, err = scope.AppendSeal(ctx, nil, partition, text, bindingOf(col))
	} else {
		rec, err = scope.AppendEncrypt(ctx, nil, partition, text)
	}
	if err != nil {
		return nil, err
	}
	return string(rec), nil
}

// Open returns the value behind what is stored in table.column, as the driver would deliver it; nil for
// NULL. row is as for Seal; without the partition column's value the record's own partition is taken, which
// proves less (see asherah_unpinned).
func (s *Sealer) Open(ctx context.Context, table, column string, row, stored any) (any, error) {
	col, err := s.column(table, column)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	v, err := s.openValue(ctx, col, row, stored)
	if err != nil {
		return nil, fmt.Errorf("open %v: %w", col, err)
	}
	return v, nil
}

func (s *Sealer) openValue(ctx context.Context, col *tags.Column, row, stored any) (any, error) {
	var rec []byte
	switch v := stored.(type) {
	case nil:
		return nil, nil
	case string:
		rec = []byte(v)
	case []byte:
		rec = v
	default:
		return nil, ErrPlaintext
	}
	var at any
	if col.Partition != nil && row != nil {
		var err error
		if at, err = field(row, col.Partition); err != nil {
			return nil, err
		}
		if at == nil {
			return nil, fmt.Errorf("%w: the row's %s is NULL", ErrNoPartition, col.Partition.Name)
		}
	}
	if at == nil && col.Partition != nil && s.c.cfg.RefuseUnpinned {
		return nil, fmt.Errorf("%w: row doesn't give %s and asherah_unpinned=refuse", ErrNoPartition, col.Partition.Name)
	}
	scope, done := s.scope()
	defer done()
	op := opener{core: &s.c.core, factory: s.st.factory, scope: scope, force: s.c.inForce(ctx)}
	text, err := op.open(ctx, nil, col, at, rec)
	if err != nil {
		return nil, err
	}
	defer func() { clear(text[:cap(text)]) }()
	return col.ParseText(text)
}

// field takes a column's value out of a row given as a map or as the model.
func field(row any, col *tags.Column) (any, error) {
	missing := fmt.Errorf("%w: row doesn't give %s", ErrNoPartition, col.Name)
	if m, ok := row.(map[string]any); ok {
		var found any
		n := 0
		for k, v := range m {
			if strings.EqualFold(k, col.Name) {
				found = v
				n++
			}
		}
		switch n {
		case 0:
			return nil, missing
		case 1:
			return found, nil
		}
		return nil, fmt.Errorf("row gives %s in %d spellings: give it once", col.Name, n)
	}
	v := reflect.ValueOf(row)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil, missing
	}
	if v.Type() != col.Table.Model {
		return nil, fmt.Errorf("row is a %v: want a map[string]any or a %v", v.Type(), col.Table.Model)
	}
	// Field is the path from the model, "User.Address.City"; a nil pointer on the way means no value.
	for _, name := range strings.Split(col.Field, ".")[1:] {
		for v.Kind() == reflect.Pointer && !v.IsNil() {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return nil, missing
		}
		v = v.FieldByName(name)
		if !v.IsValid() {
			return nil, missing
		}
	}
	return v.Interface(), nil
}

// Close gives the reference to the keys back. The Sealer can't be used afterwards; further calls do nothing.
func (s *Sealer) Close() error { return s.close() }
