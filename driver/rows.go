package driver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"time"
	"unsafe"

	"github.com/asherah-sql/asherah-sql/envelope"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/tags"
)

// rows opens the encrypted values of a result set and trims the columns that the plan added to it. Rows
// without either are the wrapped driver's own.
type rows struct {
	inner  driver.Rows
	owned  driver.Stmt // closed with the rows; nil when they own none
	c      *conn
	ctx    context.Context
	outs   []sqlplan.Output
	next   []sqlplan.Result // what the plan says of the results to come, if it speaks of each
	each   bool             // it does
	names  []string
	buf    []driver.Value // a whole row, when some of it is trimmed
	op     opener         // its scope is nil until a value is opened
	row    int            // from 1
	plain  []byte
	closed bool
}

var (
	_ driver.Rows                           = (*rows)(nil)
	_ driver.RowsNextResultSet              = (*rows)(nil)
	_ driver.RowsColumnTypeScanType         = (*rows)(nil)
	_ driver.RowsColumnTypeDatabaseTypeName = (*rows)(nil)
	_ driver.RowsColumnTypeLength           = (*rows)(nil)
	_ driver.RowsColumnTypeNullable         = (*rows)(nil)
	_ driver.RowsColumnTypePrecisionScale   = (*rows)(nil)
)

// open returns the rows as the program sees them. owned is a statement to close with them, or nil.
func (c *conn) open(ctx context.Context, query string, s *statement, inner driver.Rows, owned driver.Stmt) (driver.Rows, error) {
	if !s.decodes && owned == nil {
		return inner, nil
	}
	r := &rows{inner: inner, owned: owned, c: c, ctx: ctx, outs: s.plan.Outputs}
	if s.results != nil {
		r.next, r.each = s.results, true
		r.op = opener{core: c.core, factory: c.state.factory, force: c.core.inForce(ctx)}
		if err := r.begin(); err != nil {
			return nil, errors.Join(err, r.Close())
		}
		return r.shape(), nil
	}
	r.op = opener{core: c.core, factory: c.state.factory, force: c.core.inForce(ctx)}
	names := inner.Columns()
	if s.decodes && len(names) > 0 {
		if err := c.fits(s.plan.Outputs, names); err != nil {
			// The table has changed since its columns were read. With its present columns the same text may
			// be understood; if it isn't the same text any more, the result can't be.
			c.core.catalog.forget()
			now, perr := c.replan(ctx, query)
			if perr != nil || now.text != s.text || c.fits(now.plan.Outputs, names) != nil {
				return nil, errors.Join(err, r.Close())
			}
			s, r.outs = now, now.plan.Outputs
		}
		if s.plan.Hidden > 0 {
			r.buf = make([]driver.Value, len(names))
		}
		names = names[:len(names)-s.plan.Hidden]
	} else {
		r.outs = nil // MariaDB answers DELETE … RETURNING without a result when its condition can't be met
	}
	r.names = names
	return r.shape(), nil
}

// replan plans a statement while its rows are open. Where a connection may be busy with them, the tables are
// read on a short-lived one.
func (c *conn) replan(ctx context.Context, query string) (*statement, error) {
	if c.core.catalog.db.oneWriter {
		return c.plan(ctx, query)
	}
	if pooled(c.core.base) {
		return nil, errors.New("no connection to read the tables on")
	}
	inner, err := c.core.base.Connect(ctx)
	if err != nil {
		return nil, err
	}
	other := &conn{core: c.core, inner: inner, state: c.state, mode: c.mode}
	s, err := other.plan(ctx, query)
	return s, both(err, inner.Close())
}

// fits compares a result's columns with what the plan expects of it.
func (c *conn) fits(outs []sqlplan.Output, names []string) error {
	if len(names) != len(outs) {
		return fmt.Errorf("%w: the result has %d columns where %d were expected: run the statement again", ErrSchemaMismatch, len(names), len(outs))
	}
	for i, o := range outs {
		if o.Name != "" && !strings.EqualFold(o.Name, names[i]) && !(c.core.catalog.db.prefixes && hasSuffixFold(names[i], "."+o.Name)) {
			return fmt.Errorf("%w: column %d of the result isn't %s: run the statement again", ErrSchemaMismatch, i+1, o.Name)
		}
	}
	return nil
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// Columns returns the names of the columns that the program asked for.
func (r *rows) Columns() []string { return r.names }

// Next opens the next row.
func (r *rows) Next(dest []driver.Value) error {
	buf := dest
	if r.buf != nil {
		buf = r.buf
	}
	if err := r.inner.Next(buf); err != nil {
		return err
	}
	r.row++
	for i := range r.outs {
		o := &r.outs[i]
		if o.Column == nil && cursor(buf[i]) {
			clear(buf)
			clear(dest)
			return r.noCursor()
		}
		if o.Column == nil || buf[i] == nil {
			continue
		}
		v, err := r.value(o, buf[i], buf)
		if err != nil {
			clear(buf)
			clear(dest)
			return fmt.Errorf("decrypt %v: row %d: %w", o.Column, r.row, err)
		}
		buf[i] = v
	}
	if r.buf != nil {
		copy(dest, buf)
		clear(buf)
	}
	return nil
}

// value opens one value of the row.
func (r *rows) value(o *sqlplan.Output, stored driver.Value, row []driver.Value) (driver.Value, error) {
	rec, ok := record(stored)
	if !ok {
		return nil, ErrPlaintext
	}
	var at any
	if o.Partition >= 0 {
		if at = row[o.Partition]; at == nil {
			return nil, fmt.Errorf("%w: the row's %s is NULL", ErrNoPartition, o.Column.Partition.Name)
		}
	}
	if r.op.scope == nil {
		r.op.scope = r.c.scope()
	}
	switch o.Column.Kind {
	case tags.KindString:
		// As ParseText, but the value is the memory that it was decrypted to.
		text, err := r.op.open(r.ctx, nil, o.Column, at, rec)
		if err != nil {
			return nil, err
		}
		return unsafe.String(unsafe.SliceData(text), len(text)), nil
	case tags.KindBytes, tags.KindJSON:
		text, err := r.op.open(r.ctx, nil, o.Column, at, rec)
		if err != nil {
			return nil, err
		}
		return text, nil
	}
	text, err := r.op.open(r.ctx, r.plain[:0], o.Column, at, rec)
	if err != nil {
		return nil, err
	}
	r.plain = text
	return o.Column.ParseText(text)
}

// record returns a stored value's bytes, which must not be changed: a string's are not copied.
func record(stored any) (rec []byte, ok bool) {
	switch v := stored.(type) {
	case string:
		return unsafe.Slice(unsafe.StringData(v), len(v)), true
	case []byte:
		return v, true
	}
	return nil, false
}

// opener opens stored values; rows and Sealer share it. It is used by one goroutine at a time.
type opener struct {
	core    *core
	factory *envelope.SessionFactory
	scope   *envelope.Scope
	force   inForce
	last    lastPartition
}

// open appends the canonical text of a stored value to dst. at is the row's partition column, nil when the
// column has none or the statement couldn't deliver it.
func (o *opener) open(ctx context.Context, dst []byte, col *tags.Column, at any, rec []byte) ([]byte, error) {
	bound := o.core.formatOf(col) == tags.FormatBound
	if bound && !envelope.IsBound(rec, envelope.EncodingText) {
		return nil, o.plaintext(col)
	}
	partition, err := o.partition(col, at)
	if err != nil {
		return nil, o.explain(col, at, rec, bound, err)
	}
	var text []byte
	if bound {
		text, err = o.scope.AppendOpen(ctx, dst, partition, rec, bindingOf(col))
	} else {
		text, err = o.scope.AppendDecrypt(ctx, dst, partition, rec)
	}
	if err != nil {
		return nil, o.explain(col, at, rec, bound, err)
	}
	if bound && col.Padded() {
		return tags.Unpad(text)
	}
	return text, nil
}

func (o *opener) plaintext(col *tags.Column) error {
	return fmt.Errorf("%w: want a record of format %v", ErrPlaintext, o.core.formatOf(col))
}

// partition says under whose key a record must open; "" is the one that the record names.
func (o *opener) partition(col *tags.Column, at any) (string, error) {
	switch {
	case col.Partition == nil:
		return o.force.require()
	case at != nil:
		id, err := o.last.text(col, at)
		if err != nil {
			return "", err
		}
		return id, o.force.allow(id)
	case o.force.pinned:
		// As below, but rows of other partitions are errors.
		if o.force.id == "" {
			return "", o.force.allow("\x00") // no record is of an empty partition
		}
		return o.force.id, nil
	}
	// The statement couldn't deliver the row's partition: the record's own is taken, so the value is
	// proved to be of this column and of some partition, not of this row's.
	return "", nil
}

// explain says more of an error in opening a record, if there is more to say: nearly all records open, so
// what only errors need isn't looked at before.
func (o *opener) explain(col *tags.Column, at any, rec []byte, bound bool, err error) error {
	if err == nil {
		return nil
	}
	if !bound && !envelope.IsAsherah(rec) {
		return o.plaintext(col)
	}
	if col.Partition != nil && at != nil || !errors.Is(err, ErrPartitionMismatch) {
		return err
	}
	own, ownErr := o.own(rec, bound)
	switch {
	case ownErr != nil:
		return ownErr
	case col.Partition != nil:
		if other := o.force.allow(own); other != nil {
			return other
		}
	case own != o.force.id:
		return fmt.Errorf("%w than the one in force", ErrPartitionMismatch)
	}
	return err
}

func (o *opener) own(rec []byte, bound bool) (string, error) {
	if bound {
		return envelope.RecordPartition(rec, envelope.EncodingText)
	}
	return o.factory.AsherahPartition(rec)
}

// lastPartition is the partition of the row before: mostly the next row's too, and then its text needn't be
// made again.
type lastPartition struct {
	col   *tags.Column
	bytes []byte // what the database delivered, one of the two
	n     int64
	isInt bool
	id    string
}

// text is partitionText.
func (l *lastPartition) text(col *tags.Column, at any) (string, error) {
	switch v := at.(type) {
	case []byte:
		if l.col == col && !l.isInt && string(l.bytes) == string(v) {
			return l.id, nil
		}
		id, err := partitionText(col, at)
		if err == nil {
			l.col, l.bytes, l.isInt, l.id = col, append(l.bytes[:0], v...), false, id
		}
		return id, err
	case int64:
		if l.col == col && l.isInt && l.n == v {
			return l.id, nil
		}
		id, err := partitionText(col, at)
		if err == nil {
			l.col, l.n, l.isInt, l.id = col, v, true, id
		}
		return id, err
	}
	return partitionText(col, at)
}

// Close ends the result set and wipes its data keys.
func (r *rows) Close() error {
	err := r.inner.Close()
	if r.closed {
		return err
	}
	r.closed = true
	if r.op.scope != nil {
		r.op.scope.Close()
	}
	clear(r.plain[:cap(r.plain)])
	if r.owned != nil {
		err = both(err, r.owned.Close())
	}
	return err
}

// HasNextResultSet asks the wrapped driver.
func (r *rows) HasNextResultSet() bool {
	n, ok := r.inner.(driver.RowsNextResultSet)
	return ok && n.HasNextResultSet()
}

// begin takes up the next of the results that the plan speaks of.
func (r *rows) begin() error {
	r.names, r.outs, r.buf, r.row = r.inner.Columns(), nil, nil, 0
	if len(r.next) == 0 {
		return fmt.Errorf("%w: the text delivers more results than its statements should", ErrSchemaMismatch)
	}
	res := r.next[0]
	r.next = r.next[1:]
	if res.Outputs == nil || len(r.names) == 0 {
		return nil
	}
	if err := r.c.fits(res.Outputs, r.names); err != nil {
		r.c.core.catalog.forget()
		r.names = nil
		return err
	}
	r.outs = res.Outputs
	if res.Hidden > 0 {
		r.buf = make([]driver.Value, len(r.names))
	}
	r.names = r.names[:len(r.names)-res.Hidden]
	return nil
}

// NextResultSet goes on to a result of another statement. Where the plan speaks of the first one only, what
// follows comes as it is stored.
func (r *rows) NextResultSet() error {
	n, ok := r.inner.(driver.RowsNextResultSet)
	if !ok {
		return io.EOF // which database/sql takes for a driver without NextResultSet
	}
	if err := n.NextResultSet(); err != nil {
		return err
	}
	if r.each {
		return r.begin()
	}
	r.outs, r.buf, r.names, r.row = nil, nil, r.inner.Columns(), 0
	return nil
}

// column returns the encrypted column behind a result's column, or nil.
func (r *rows) column(i int) *tags.Column {
	if i >= len(r.outs) {
		return nil
	}
	return r.outs[i].Column
}

var scanTypes = map[tags.Kind]reflect.Type{
	tags.KindString: reflect.TypeFor[string](), tags.KindUUID: reflect.TypeFor[string](),
	tags.KindBytes: reflect.TypeFor[[]byte](), tags.KindJSON: reflect.TypeFor[[]byte](),
	tags.KindBool: reflect.TypeFor[bool](), tags.KindInt: reflect.TypeFor[int64](), tags.KindUint: reflect.TypeFor[uint64](),
	tags.KindFloat: reflect.TypeFor[float64](), tags.KindTime: reflect.TypeFor[time.Time](),
}

// ColumnTypeScanType gives the opened value's type for an encrypted column.
func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	if col := r.column(i); col != nil {
		return scanTypes[col.Kind]
	}
	if t, ok := r.inner.(driver.RowsColumnTypeScanType); ok {
		return t.ColumnTypeScanType(i)
	}
	return reflect.TypeFor[any]()
}

// ColumnTypeDatabaseTypeName gives the type of the column as it is stored.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	if t, ok := r.inner.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return t.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

// ColumnTypeLength is unknown for an encrypted column, whose stored length isn't the value's, unless the column
// has no bounds.
func (r *rows) ColumnTypeLength(i int) (int64, bool) {
	if t, ok := r.inner.(driver.RowsColumnTypeLength); ok {
		if n, ok := t.ColumnTypeLength(i); r.column(i) == nil || ok && n == math.MaxInt64 {
			return n, ok
		}
	}
	return 0, false
}

// ColumnTypeNullable asks the wrapped driver: NULL is stored as NULL.
func (r *rows) ColumnTypeNullable(i int) (nullable, ok bool) {
	if t, ok := r.inner.(driver.RowsColumnTypeNullable); ok {
		return t.ColumnTypeNullable(i)
	}
	return false, false
}

// ColumnTypePrecisionScale is unknown for an encrypted column.
func (r *rows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	if t, ok := r.inner.(driver.RowsColumnTypePrecisionScale); ok && r.column(i) == nil {
		return t.ColumnTypePrecisionScale(i)
	}
	return 0, 0, false
}
