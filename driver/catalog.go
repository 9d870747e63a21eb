package driver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/tags"
)

// catalog remembers the tables as the database has them. It is shared by the connections of a connector.
type catalog struct {
	db *database

	version atomic.Uint64 // grows whenever tables may have changed
	allOK   atomic.Uint64 // schema version + 1 whose tables were all checked, at the present catalogue version

	looked atomic.Uint64 // schema version + 1 whose tables a new connection has looked for, found or not

	log *slog.Logger // hears of views and children of registered tables; nil: nobody does

	mu       sync.Mutex // guards the fields below; never held over a query
	seen     string     // the database's own version of its tables, when it was last asked for
	tables   map[sqlplan.TableName]*tableInfo
	ok       map[*tags.Table]bool // checked against the tags
	reported map[string]bool      // views and children that the log has heard of
}

// tableInfo is one table of the database.
type tableInfo struct {
	name     sqlplan.TableName // as the catalogue spells it; empty where the statement's own name does
	view     bool
	columns  []columnInfo
	uniques  []uniqueInfo
	strict   bool // SQLite: types are enforced
	collated bool // some column may compare otherwise than byte for byte
	// dependents are views that read the table and children of it, "view public.v": the wrapper can't see
	// through them.
	dependents []string
}

type columnInfo struct {
	name      string
	typ       string
	generated bool
	hidden    bool // not part of `*`
	def       string
	collation string
	length    int  // of a type that holds so many characters at most; 0: unbounded
	folds     bool // compared otherwise than byte for byte
}

type uniqueInfo struct {
	name    string   // "" for one that the table's definition makes
	columns []string // "" for an expression
	folds   []bool   // by column: compared otherwise than byte for byte

	// Where the database tells them:
	schema, constraint string
	expressions        []string // by column: its text
}

func newCatalog(d dialect.Dialect) (*catalog, error) {
	db, ok := databases[d]
	if !ok {
		var names []string
		for d := range databases {
			names = append(names, d.String())
		}
		slices.Sort(names)
		return nil, fmt.Errorf("dialect %v isn't in this version: want one of %s", d, strings.Join(names, ", "))
	}
	return &catalog{
		db: db, tables: map[sqlplan.TableName]*tableInfo{}, ok: map[*tags.Table]bool{}, reported: map[string]bool{},
	}, nil
}

func folded(name sqlplan.TableName) sqlplan.TableName {
	return sqlplan.TableName{Schema: strings.ToLower(name.Schema), Name: strings.ToLower(name.Name)}
}

// forget drops what is known: tables were, or may have been, changed.
func (c *catalog) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.tables)
	clear(c.ok)
	c.allOK.Store(0)
	c.version.Add(1)
}

// changed notes the database's version of its tables and forgets them when it is another one than before.
func (c *catalog) changed(version string) bool {
	c.mu.Lock()
	same := c.seen == version
	c.seen = version
	c.mu.Unlock()
	if !same {
		c.forget()
	}
	return !same
}

// info returns the table, asking the database on conn when it isn't known; nil when there is none.
func (c *catalog) info(ctx context.Context, conn rawConn, name sqlplan.TableName) (*tableInfo, error) {
	key := folded(name)
	c.mu.Lock()
	info, ok := c.tables[key]
	version := c.version.Load()
	c.mu.Unlock()
	if ok {
		return info, nil
	}
	info, err := c.db.read(ctx, conn, name)
	if err != nil {
		return nil, fmt.Errorf("read catalogue of table %s: %w", name.Name, err)
	}
	if info == nil {
		return nil, nil // not remembered: it may be made at any time
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.version.Load() == version {
		c.tables[key] = info
	}
	return info, nil
}

// spelling is how a partition column's type changes the text of a partition.
type spelling uint8

const (
	asGiven  spelling = iota
	asUUID            // the canonical text of a UUID
	noBlanks          // trailing blanks are dropped
)

// spelling asks for the type of a partition column of strings.
func (c *catalog) spelling(ctx context.Context, conn rawConn, col *tags.Column) (spelling, error) {
	info, err := c.info(ctx, conn, sqlplan.TableName{Schema: col.Table.Schema, Name: col.Table.Name})
	if err != nil || info == nil {
		return asGiven, err
	}
	if have := info.column(col.Name); have != nil {
		switch strings.ToLower(have.typ) {
		case "uuid":
			return asUUID, nil
		case "char":
			return noBlanks, nil
		}
	}
	return asGiven, nil
}

// unchanged reads tables anew, on conn, and reports whether their columns are those that are remembered. If
// they aren't, everything is forgotten.
func (c *catalog) unchanged(ctx context.Context, conn rawConn, tables []*tags.Table) (bool, error) {
	for _, t := range tables {
		name := sqlplan.TableName{Schema: t.Schema, Name: t.Name}
		c.mu.Lock()
		was := c.tables[folded(name)]
		c.mu.Unlock()
		now, err := c.db.read(ctx, conn, name)
		if err != nil {
			return false, fmt.Errorf("read catalogue of table %v: %w", t, err)
		}
		if was == nil || now == nil || !slices.Equal(was.columns, now.columns) {
			c.forget()
			return false, nil
		}
	}
	return true, nil
}

// verify checks the registered tables against the database: all of them (tables nil), or those that a
// statement names. Tables that don't exist yet are checked at their first use.
func (c *catalog) verify(ctx context.Context, conn rawConn, s *tags.Schema, tables []*tags.Table) error {
	schema, all := s.Version(), tables == nil
	if c.allOK.Load() == schema+1 || all && c.looked.Load() == schema+1 {
		return nil
	}
	if all {
		tables = s.Tables()
	}
	version := c.version.Load()
	missing := false
	for _, t := range tables {
		c.mu.Lock()
		done := c.ok[t]
		c.mu.Unlock()
		if done {
			continue
		}
		info, err := c.info(ctx, conn, sqlplan.TableName{Schema: t.Schema, Name: t.Name})
		if err != nil {
			return err
		}
		if info == nil {
			missing = true
			continue
		}
		if err := c.check(t, info); err != nil {
			// Not remembered: it will be mended from outside.
			c.mu.Lock()
			delete(c.tables, folded(sqlplan.TableName{Schema: t.Schema, Name: t.Name}))
			c.mu.Unlock()
			return err
		}
		c.mu.Lock()
		if c.version.Load() == version {
			c.ok[t] = true
		}
		c.mu.Unlock()
		c.report(t, info)
	}
	if all {
		c.looked.Store(schema + 1)
	}
	if all && !missing {
		c.mu.Lock()
		if c.version.Load() == version {
			c.allOK.Store(schema + 1)
		}
		c.mu.Unlock()
	}
	return nil
}

// report tells the log, once, what reaches a registered table past the wrapper.
func (c *catalog) report(t *tags.Table, info *tableInfo) {
	if c.log == nil {
		return
	}
	for _, d := range info.dependents {
		c.mu.Lock()
		said := c.reported[d]
		c.reported[d] = true
		c.mu.Unlock()
		if !said {
			c.log.Warn("asherah-sql: statements on it are not encrypted: it reaches a table with encrypted columns past the wrapper", "dependent", d, "table", t.String())
		}
	}
}

func (c *catalog) check(t *tags.Table, info *tableInfo) error {
	if info.view {
		return fmt.Errorf("%w: %v is a view: register the table that it reads", ErrSchemaMismatch, t)
	}
	var errs []error
	for _, col := range t.Encrypted() {
		if info.column(col.Name) == nil {
			errs = append(errs, fmt.Errorf("%w: %v: the table has no such column: ALTER TABLE %v ADD COLUMN %s TEXT", ErrSchemaMismatch, col, t, col.Name))
			continue
		}
		if p := col.Partition; p != nil && info.column(p.Name) == nil {
			errs = append(errs, fmt.Errorf("%w: %v: the table has no partition column %s: add it, or tag the field `encrypt:\"partition\"`", ErrSchemaMismatch, col, p.Name))
		}
		if err := c.db.check(t, info, col); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (t *tableInfo) column(name string) *columnInfo {
	for i := range t.columns {
		if strings.EqualFold(t.columns[i].name, name) {
			return &t.columns[i]
		}
	}
	return nil
}

// foldsIn tells whether some unique index holds a column under a collation that takes different values for
// equal: then a row in conflict needn't have the same value there.
func (t *tableInfo) foldsIn(name string) bool {
	for _, u := range t.uniques {
		for i, c := range u.columns {
			if u.folds[i] && strings.EqualFold(c, name) {
				return true
			}
			if c == "" && i < len(u.expressions) && strings.Contains(strings.ToLower(u.expressions[i]), strings.ToLower(name)) {
				return true
			}
		}
	}
	return false
}

// catalogView is the catalogue as one analysis sees it: what it needs is fetched between two attempts.
type catalogView struct {
	known  map[sqlplan.TableName][]string
	absent string // a table that was asked for and doesn't exist
}

// Columns returns the columns that `*` yields.
func (v *catalogView) Columns(name sqlplan.TableName) ([]string, bool) {
	cols, ok := v.known[folded(name)]
	return cols, ok
}

// fetch adds the tables that the analysis asked for.
func (v *catalogView) fetch(ctx context.Context, c *catalog, conn rawConn, names []sqlplan.TableName) error {
	if v.known == nil {
		v.known = map[sqlplan.TableName][]string{}
	}
	for _, n := range names {
		info, err := c.info(ctx, conn, n)
		if err != nil {
			return err
		}
		var cols []string
		if info == nil {
			v.absent = n.String()
		} else {
			for _, col := range info.columns {
				if !col.hidden {
					cols = append(cols, col.name)
				}
			}
		}
		v.known[folded(n)] = cols
	}
	return nil
}
