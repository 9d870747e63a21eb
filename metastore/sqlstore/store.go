package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/metastore"
)

// DefaultTable is the table's name where none is given: the one that every Asherah SDK uses.
const DefaultTable = "encryption_key"

// DB is what [New] needs of a database: *sql.DB, *sql.Conn and *sql.Tx have it.
type DB interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Querier runs the store's statements. Exec returns the number of rows inserted; Query returns all rows,
// each with as many values as the statement selects. Both must report an error of the database as it is.
type Querier interface {
	Exec(ctx context.Context, query string, args ...any) (rows int64, err error)
	Query(ctx context.Context, query string, args ...any) ([][]any, error)
}

// Option changes a [Store].
type Option func(*Store) error

// WithTable names the key table, optionally qualified ("keys.encryption_key"). Default [DefaultTable].
func WithTable(name string) Option {
	return func(s *Store) error {
		schema, table, qualified := strings.Cut(name, ".")
		if !qualified {
			schema, table = "", name
		}
		if table == "" || (qualified && schema == "") || strings.Contains(table, ".") || strings.ContainsRune(name, 0) {
			return fmt.Errorf("sqlstore: table name %q: want a name or schema.name", name)
		}
		s.schemaName, s.tableName = schema, table
		return nil
	}
}

// Store is a [metastore.Store] over one SQL table. It is safe for concurrent use if its database is.
type Store struct {
	q                     Querier
	d                     dialect.Dialect
	facts                 facts
	schemaName, tableName string // as configured
	// autocommit: each statement is a transaction of its own, so one that the database has given up in
	// favour of another can be sent again.
	autocommit bool
	// table is what was found out last. Once a table was found, it stays that one.
	table atomic.Pointer[keyTable]
}

var _ metastore.Store = (*Store)(nil)

// New returns a store over db. It sends nothing: the table must be there, or be made by [Store.Ensure].
func New(db DB, d dialect.Dialect, opts ...Option) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: no database")
	}
	s, err := NewOver(dbQuerier{db}, d, opts...)
	if err == nil {
		_, s.autocommit = db.(*sql.DB)
	}
	return s, err
}

// NewOver is New for a [Querier].
func NewOver(q Querier, d dialect.Dialect, opts ...Option) (*Store, error) {
	f, err := factsOf(d)
	if err != nil {
		return nil, err
	}
	s := &Store{q: q, d: d, facts: f, tableName: DefaultTable}
	for _, o := range opts {
		if err := o(s); err != nil {
			return nil, err
		}
	}
	if f.static {
		t := f.draft(s.schemaName, s.tableName)
		t.exists = true // a statement will tell if it isn't there
		s.table.Store(t)
	}
	return s, nil
}

// Table returns the quoted name of the key table. It is qualified when the database, or whoever configured
// the store, has said where the table is.
func (s *Store) Table() string {
	return s.drafted().name
}

// drafted is what is known of the table without asking the database.
func (s *Store) drafted() *keyTable {
	if t := s.table.Load(); t != nil {
		return t
	}
	return s.facts.draft(s.schemaName, s.tableName)
}

// locate asks the database where the table is, or would be made.
func (s *Store) locate(ctx context.Context) (*keyTable, error) {
	schema := s.schemaName
	before := s.table.Load()
	// Where it was found once, whatever the search path of another connection is.
	if before != nil && before.exists {
		schema = before.schema
	}
	t, err := s.facts.locate(ctx, againQuerier{s}, schema, s.tableName)
	if err != nil {
		return nil, err
	}
	// Whoever was quicker has resolved the name.
	if t.exists && !s.table.CompareAndSwap(before, t) {
		if now := s.table.Load(); now.exists {
			return now, nil
		}
	}
	if !t.exists {
		s.table.CompareAndSwap(before, t)
	}
	return t, nil
}

// found returns the table, asking the database where it is at the first call.
func (s *Store) found(ctx context.Context) (*keyTable, error) {
	t := s.table.Load()
	if t != nil && t.exists {
		return t, nil
	}
	t, err := s.locate(ctx)
	if err == nil && !t.exists {
		err = fmt.Errorf("sqlstore: table %s is missing: run: %s", t.name, strings.Join(t.create, "; "))
	}
	return t, err
}

// Exists asks the database whether the table is there. A table of that name that can't be a key table is an
// error that says why.
func (s *Store) Exists(ctx context.Context) (bool, error) {
	t, err := s.locate(ctx)
	if err != nil {
		return false, err
	}
	return t.exists, nil
}

// Ensure creates the table and its index when the table is absent, and tells whether it did: of several
// processes that find it absent, one does. No DDL is sent when the table is there. It is not for use within
// a transaction, which a database may commit at once, or abort because of the others.
func (s *Store) Ensure(ctx context.Context) (created bool, err error) {
	t, err := s.locate(ctx)
	if err != nil || t.exists {
		return false, err
	}
	for _, stmt := range t.create {
		if _, err := s.q.Exec(ctx, stmt); err != nil {
			if !created {
				// Another process may have been quicker.
				if there, existsErr := s.Exists(ctx); there && existsErr == nil {
					return false, nil
				}
			}
			return created, fmt.Errorf("sqlstore: create table %s: %w: as a user who may, run: %s", t.name, err, strings.Join(t.create, "; "))
		}
		created = true
	}
	_, err = s.found(ctx)
	return true, err
}

// DDL returns the statements that [Store.Ensure] runs. Where the table would be made is known once the
// database has been asked, by Ensure or [Store.Exists]; before that its name is as configured.
func (s *Store) DDL() []string { return slices.Clone(s.drafted().create) }

// Kind names the store in the metrics, see envelope.Observer.
func (s *Store) Kind() string { return "sql" }

// Load returns the record of that id and creation time, or an error that is [metastore.ErrNotFound].
func (s *Store) Load(ctx context.Context, meta metastore.KeyMeta) (*metastore.EnvelopeKeyRecord, error) {
	if err := metastore.CheckID(meta.ID); err != nil {
		return nil, err
	}
	t, err := s.found(ctx)
	if err != nil {
		return nil, err
	}
	rec, err := s.find(ctx, t, meta)
	if err == nil && rec == nil {
		err = fmt.Errorf("sqlstore: load key: %w", metastore.ErrNotFound)
	}
	return rec, err
}

// find returns the record of meta, nil when there is none.
func (s *Store) find(ctx context.Context, t *keyTable, meta metastore.KeyMeta) (*metastore.EnvelopeKeyRecord, error) {
	if t.id.check(meta.ID) != nil {
		return nil, ctx.Err() // what can't be stored isn't there
	}
	if t.min <= meta.Created && meta.Created <= t.max {
		rec, err := s.one(ctx, t.load, t, meta)
		if rec != nil || err != nil {
			return rec, err
		}
	}
	// A writer in another time zone may have shifted the column; the JSON can't be shifted.
	return s.one(ctx, t.all, t, meta)
}

// one runs t.load, t.current or t.all and returns the record of meta, nil when there is none.
func (s *Store) one(ctx context.Context, query string, t *keyTable, meta metastore.KeyMeta) (*metastore.EnvelopeKeyRecord, error) {
	args := []any{meta.ID}
	if query != t.all {
		created, foreign := t.times(meta.Created)
		args = append(args, created, foreign)
	}
	recs, _, err := s.records(ctx, meta.ID, query, args...)
	for _, r := range recs {
		if r.Created == meta.Created {
			return r, nil
		}
	}
	return nil, err
}

// LoadLatest returns the record of that id with the highest creation time, or an error that is
// [metastore.ErrNotFound].
func (s *Store) LoadLatest(ctx context.Context, id string) (*metastore.EnvelopeKeyRecord, error) {
	if err := metastore.CheckID(id); err != nil {
		return nil, err
	}
	t, err := s.found(ctx)
	if err != nil {
		return nil, err
	}
	if t.id.check(id) != nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("sqlstore: load latest key: %w", metastore.ErrNotFound)
	}
	recs, rows, err := s.records(ctx, id, t.latest, id)
	if err != nil {
		return nil, err
	}
	// Rows of ids that the column's collation takes for this one may have filled the page.
	if rows == latestRows && len(recs) < rows {
		if recs, _, err = s.records(ctx, id, t.all, id); err != nil {
			return nil, err
		}
	}
	// The highest Created among the rows read, so that a writer's shifted clock can't hide a newer key.
	var latest *metastore.EnvelopeKeyRecord
	for _, r := range recs {
		if latest == nil || r.Created > latest.Created {
			latest = r
		}
	}
	if latest == nil {
		return nil, fmt.Errorf("sqlstore: load latest key: %w", metastore.ErrNotFound)
	}
	return latest, nil
}

// Store inserts the record unless one of that id and creation time is there: then the error is
// [metastore.ErrExists] and nothing was changed. What is there already aborts no transaction.
func (s *Store) Store(ctx context.Context, meta metastore.KeyMeta, rec *metastore.EnvelopeKeyRecord) error {
	if err := metastore.CheckRecord(meta, rec); err != nil {
		return err
	}
	data, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("sqlstore: store key: %w", err)
	}
	t, err := s.found(ctx)
	if err != nil {
		return err
	}
	if err := t.fits(meta, rec, string(data)); err != nil {
		return err
	}
	if t.lookFirst {
		there, err := s.one(ctx, t.all, t, meta)
		if err != nil {
			return err
		}
		if there != nil {
			return errExists
		}
	}
	created, foreign := t.times(meta.Created)
	n, err := s.exec(ctx, t.store, t.storeArgs(meta.ID, created, foreign, string(data))...)
	switch {
	case err != nil && (t.duplicate == nil || !t.duplicate(err)):
		return fmt.Errorf("sqlstore: store key: %w", err)
	case err == nil && n > 0:
		return nil
	}
	// A row is in the way. Only if it is this very key, and not one that a collation takes for it, may the caller
	// go and use it.
	there, err := s.one(ctx, t.load, t, meta)
	if err == nil && there == nil && t.current != "" {
		there, err = s.one(ctx, t.current, t, meta)
	}
	switch {
	case err != nil:
		return err
	case there == nil:
		return fmt.Errorf("sqlstore: store key %q, created at %d: %s takes another id, or another time, for the same: give its column id a binary collation that heeds trailing blanks", meta.ID, meta.Created, t.name)
	}
	return errExists
}

// errExists says that somebody else has stored the key.
var errExists = fmt.Errorf("sqlstore: store key: %w", metastore.ErrExists)

// fits tells what the table can't hold.
func (t *keyTable) fits(meta metastore.KeyMeta, rec *metastore.EnvelopeKeyRecord, data string) error {
	if meta.Created < t.min || meta.Created > t.max {
		return fmt.Errorf("sqlstore: store key %q: created at %d: the column created of %s holds %d to %d (unix seconds)", meta.ID, meta.Created, t.name, t.min, t.max)
	}
	if err := t.id.check(meta.ID); err != nil {
		return fmt.Errorf("sqlstore: store key %q: the id %w: column id of %s", meta.ID, err, t.name)
	}
	err := t.record.check(data)
	if err == nil && rec.ParentKeyMeta != nil {
		err = t.id.check(rec.ParentKeyMeta.ID) // JSON spells a NUL with other characters
	}
	if err != nil {
		return fmt.Errorf("sqlstore: store key %q: the record %w: column key_record of %s", meta.ID, err, t.name)
	}
	return nil
}

// records runs one of the load statements, and returns also how many rows came. Rows of another id (a
// column collation that folds case or ignores trailing spaces) are dropped: ids are compared byte for byte.
func (s *Store) records(ctx context.Context, id, query string, args ...any) (recs []*metastore.EnvelopeKeyRecord, n int, err error) {
	rows, err := s.query(ctx, query, args...)
	if err != nil {
		return nil, 0, fmt.Errorf("sqlstore: load key: %w", err)
	}
	recs = make([]*metastore.EnvelopeKeyRecord, 0, len(rows))
	for _, row := range rows {
		if len(row) != 2 {
			return nil, 0, fmt.Errorf("sqlstore: load key: %d columns, want 2", len(row))
		}
		if text(row[0]) != id {
			continue
		}
		rec := new(metastore.EnvelopeKeyRecord)
		if err := json.Unmarshal([]byte(text(row[1])), rec); err != nil {
			return nil, 0, fmt.Errorf("sqlstore: load key %q: key_record isn't a key record: %w", id, err)
		}
		rec.ID = id
		recs = append(recs, rec)
	}
	return recs, len(rows), nil
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}

func (s *Store) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.again(ctx, func() error {
		n, err = s.q.Exec(ctx, query, args...)
		return err
	})
	return n, err
}

func (s *Store) query(ctx context.Context, query string, args ...any) (rows [][]any, err error) {
	err = s.again(ctx, func() error {
		rows, err = s.q.Query(ctx, query, args...)
		return err
	})
	return rows, err
}

// attempts is how often a statement is sent that the database gives up in favour of another one's.
const attempts = 10

// again runs f, and runs it again when the database has rolled it back for the sake of another transaction.
func (s *Store) again(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		if err == nil || !s.autocommit || n == attempts || !gaveWay(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(rand.N(time.Duration(n) * 5 * time.Millisecond)):
		}
	}
}

// gaveWay tells whether a database has rolled a statement back to let another one through: a
// serialization failure or a deadlock.
func gaveWay(err error) bool {
	var state interface{ SQLState() string }
	if errors.As(err, &state) {
		return state.SQLState() == "40001" || state.SQLState() == "40P01"
	}
	// go-sql-driver/mysql has it in a field and in the text: "Error 1213 (40001): Deadlock found …".
	return strings.Contains(err.Error(), " (40001): ")
}

// againQuerier is a store's Querier with its patience.
type againQuerier struct{ s *Store }

func (q againQuerier) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	return q.s.exec(ctx, query, args...)
}

func (q againQuerier) Query(ctx context.Context, query string, args ...any) ([][]any, error) {
	return q.s.query(ctx, query, args...)
}

// dbQuerier runs the statements through database/sql.
type dbQuerier struct{ db DB }

func (q dbQuerier) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := q.db.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (q dbQuerier) Query(ctx context.Context, query string, args ...any) (_ [][]any, err error) {
	rows, err := q.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	cols, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var out [][]any
	for rows.Next() {
		row, ptrs := make([]any, len(cols)), make([]any, len(cols))
		for i := range row {
			ptrs[i] = &row[i]
		}
		if err := rows.Scan(ptrs...); err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, rows.Err()
}
