package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

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
	sql                   *statements
	schemaName, tableName string
	load, latest, all     string
	store                 string
}

var _ metastore.Store = (*Store)(nil)

// New returns a store over db. It sends nothing: the table must be there, or be made by [Store.Ensure].
func New(db DB, d dialect.Dialect, opts ...Option) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: no database")
	}
	return NewOver(dbQuerier{db}, d, opts...)
}

// NewOver is New for a [Querier].
func NewOver(q Querier, d dialect.Dialect, opts ...Option) (*Store, error) {
	st, err := statementsOf(d)
	if err != nil {
		return nil, err
	}
	s := &Store{q: q, d: d, sql: st, tableName: DefaultTable}
	for _, o := range opts {
		if err := o(s); err != nil {
			return nil, err
		}
	}
	// Resolved once and then always qualified: a temporary table or a search path of the session's must
	// not stand in for the key table.
	if s.schemaName == "" {
		s.schemaName = st.schema
	}
	name := s.Table()
	s.load = fmt.Sprintf(st.load, name)
	s.latest = fmt.Sprintf(st.latest, name)
	s.all = fmt.Sprintf(st.all, name)
	s.store = fmt.Sprintf(st.store, name)
	return s, nil
}

// Table returns the quoted, qualified name of the key table.
func (s *Store) Table() string {
	if s.schemaName == "" {
		return s.d.QuoteIdent(s.tableName)
	}
	return s.d.QuoteIdent(s.schemaName) + "." + s.d.QuoteIdent(s.tableName)
}

// Exists tells whether the table is there.
func (s *Store) Exists(ctx context.Context) (bool, error) {
	q, args := s.sql.existsBy(s.schemaName, s.tableName)
	rows, err := s.q.Query(ctx, q, args...)
	if err != nil {
		return false, fmt.Errorf("sqlstore: look for table %s: %w", s.Table(), err)
	}
	return len(rows) > 0, nil
}

// Ensure creates the table and its index when the table is absent, and tells whether it did. No DDL is
// sent when the table is there.
func (s *Store) Ensure(ctx context.Context) (created bool, err error) {
	ok, err := s.Exists(ctx)
	if err != nil || ok {
		return false, err
	}
	for _, stmt := range s.DDL() {
		if _, err := s.q.Exec(ctx, stmt); err != nil {
			return false, fmt.Errorf("sqlstore: create table %s: %w", s.Table(), err)
		}
	}
	return true, nil
}

// DDL returns the statements that [Store.Ensure] runs.
func (s *Store) DDL() []string {
	index := s.d.QuoteIdent(s.tableName + "_created")
	if s.schemaName != "" {
		index = s.d.QuoteIdent(s.schemaName) + "." + index
	}
	return []string{
		fmt.Sprintf(s.sql.create[0], s.Table()),
		fmt.Sprintf(s.sql.create[1], index, s.d.QuoteIdent(s.tableName)),
	}
}

// Load returns the record of that id and creation time, or an error that is [metastore.ErrNotFound].
func (s *Store) Load(ctx context.Context, meta metastore.KeyMeta) (*metastore.EnvelopeKeyRecord, error) {
	if err := metastore.CheckID(meta.ID); err != nil {
		return nil, err
	}
	recs, err := s.records(ctx, meta.ID, s.load, meta.ID, s.sql.created(meta.Created), s.sql.foreign(meta.Created))
	if err != nil {
		return nil, err
	}
	for _, r := range recs {
		if r.Created == meta.Created {
			return r, nil
		}
	}
	// A writer in another time zone may have shifted the column; the JSON can't be shifted.
	if recs, err = s.records(ctx, meta.ID, s.all, meta.ID); err != nil {
		return nil, err
	}
	for _, r := range recs {
		if r.Created == meta.Created {
			return r, nil
		}
	}
	return nil, fmt.Errorf("sqlstore: load key: %w", metastore.ErrNotFound)
}

// LoadLatest returns the record of that id with the highest creation time, or an error that is
// [metastore.ErrNotFound].
func (s *Store) LoadLatest(ctx context.Context, id string) (*metastore.EnvelopeKeyRecord, error) {
	if err := metastore.CheckID(id); err != nil {
		return nil, err
	}
	recs, err := s.records(ctx, id, s.latest, id)
	if err != nil {
		return nil, err
	}
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
// [metastore.ErrExists] and nothing was changed. It can't abort a transaction.
func (s *Store) Store(ctx context.Context, meta metastore.KeyMeta, rec *metastore.EnvelopeKeyRecord) error {
	if err := metastore.CheckRecord(meta, rec); err != nil {
		return err
	}
	text, err := json.Marshal(rec)
	if err != nil {
		return fmt.Errorf("sqlstore: store key: %w", err)
	}
	at, foreign := s.sql.created(meta.Created), s.sql.foreign(meta.Created)
	n, err := s.q.Exec(ctx, s.store, meta.ID, at, string(text), meta.ID, at, foreign)
	if err != nil {
		return fmt.Errorf("sqlstore: store key: %w", err)
	}
	if n == 0 {
		return fmt.Errorf("sqlstore: store key: %w", metastore.ErrExists)
	}
	return nil
}

// records runs one of the load statements. Rows of another id (a column collation that folds case or
// ignores trailing spaces) are dropped: ids are compared byte for byte.
func (s *Store) records(ctx context.Context, id, query string, args ...any) ([]*metastore.EnvelopeKeyRecord, error) {
	rows, err := s.q.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: load key: %w", err)
	}
	recs := make([]*metastore.EnvelopeKeyRecord, 0, len(rows))
	for _, row := range rows {
		if len(row) != 2 {
			return nil, fmt.Errorf("sqlstore: load key: %d columns, want 2", len(row))
		}
		if text(row[0]) != id {
			continue
		}
		rec := new(metastore.EnvelopeKeyRecord)
		if err := json.Unmarshal([]byte(text(row[1])), rec); err != nil {
			return nil, fmt.Errorf("sqlstore: load key %q: key_record isn't a key record: %w", id, err)
		}
		rec.ID = id
		recs = append(recs, rec)
	}
	return recs, nil
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
