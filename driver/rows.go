package driver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

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
	force  inForce
	outs   []sqlplan.Output
	names  []string
	buf    []driver.Value // a whole row, when some of it is trimmed
	scope  *envelope.Scope
	row    int // from 1
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
	r := &rows{inner: inner, owned: owned, c: c, ctx: ctx, force: c.core.inForce(ctx), outs: s.plan.Outputs}
	names := inner.Columns()
	if s.decodes {
		if err := fits(s.plan, names); err != nil {
			// The table has changed since its columns were read. With its present columns the same text may
			// be understood; if it isn't the same text any more, the result can't be.
			c.core.catalog.forget()
			now, perr := c.plan(ctx, query)
			if perr != nil || now.text != s.text || fits(now.plan, names) != nil {
				return nil, errors.Join(err, r.Close())
			}
			s, r.outs = now, now.plan.Outputs
		}
		if s.plan.Hidden > 0 {
			r.buf = make([]driver.Value, len(names))
		}
		names = names[:len(names)-s.plan.Hidden]
	} else {
		r.outs = nil
	}
	r.names = names
	return r, nil
}

// fits compares a result's columns with what the plan expects of it.
func fits(p *sqlplan.Plan, names []string) error {
	if len(names) != len(p.Outputs) {
		return fmt.Errorf("%w: the result has %d columns where %d were expected: run the statement again", ErrSchemaMismatch, len(names), len(p.Outputs))
	}
	for i, o := range p.Outputs {
		if o.Name != "" && !strings.EqualFold(o.Name, names[i]) {
			return fmt.Errorf("%w: column %d of the result isn't %s: run the statement again", ErrSchemaMismatch, i+1, o.Name)
		}
	}
	return nil
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
	var rec []byte
	switch v := stored.(type) {
	case string:
		rec = []byte(v)
	case []byte:
		rec = v
	default:
		return nil, ErrPlaintext
	}
	var at any
	if o.Partition >= 0 {
		if at = row[o.Partition]; at == nil {
			return nil, fmt.Errorf("%w: the row's %s is NULL", ErrNoPartition, o.Column.Partition.Name)
		}
	}
	if r.scope == nil {
		r.scope = r.c.scope()
	}
	op := opener{core: r.c.core, factory: r.c.state.factory, scope: r.scope, force: r.force}
	text, err := op.open(r.ctx, r.plain[:0], o.Column, at, rec)
	if err != nil {
		return nil, err
	}
	r.plain = text
	return o.Column.ParseText(text)
}

// opener opens stored values; rows and Sealer share it.
type opener struct {
	core    *core
	factory *envelope.SessionFactory
	scope   *envelope.Scope
	force   inForce
}

// open appends the canonical text of a stored value to dst. at is the row's partition column, nil when the
// column has none or the statement couldn't deliver it.
func (o *opener) open(ctx context.Context, dst []byte, col *tags.Column, at any, rec []byte) ([]byte, error) {
	bound := o.core.formatOf(col) == tags.FormatBound
	if bound && !envelope.IsBound(rec, envelope.EncodingText) || !bound && !envelope.IsAsherah(rec) {
		return nil, fmt.Errorf("%w: want a record of format %v", ErrPlaintext, o.core.formatOf(col))
	}
	partition, err := o.partition(col, at, rec, bound)
	if err != nil {
		return nil, err
	}
	if !bound {
		return o.scope.AppendDecrypt(ctx, dst, partition, rec)
	}
	text, err := o.scope.AppendOpen(ctx, dst, partition, rec, bindingOf(col))
	if err != nil || !col.Padded() {
		return text, err
	}
	return tags.Unpad(text)
}

// partition says under whose key a record must open.
func (o *opener) partition(col *tags.Column, at any, rec []byte, bound bool) (string, error) {
	if col.Partition == nil {
		id, err := o.force.require()
		if err != nil {
			return "", err
		}
		own, err := o.own(rec, bound)
		if err == nil && own != id {
			err = fmt.Errorf("%w than the one in force", ErrPartitionMismatch)
		}
		return id, err
	}
	if at == nil {
		// The statement couldn't deliver the row's partition: the record's own is taken, so the value is
		// proved to be of this column and of some partition, not of this row's.
		id, err := o.own(rec, bound)
		if err != nil {
			return "", err
		}
		return id, o.force.allow(id)
	}
	id, err := partitionText(col, at)
	if err != nil {
		return "", err
	}
	return id, o.force.allow(id)
}

func (o *opener) own(rec []byte, bound bool) (string, error) {
	if bound {
		return envelope.RecordPartition(rec, envelope.EncodingText)
	}
	return o.factory.AsherahPartition(rec)
}

// Close ends the result set and wipes its data keys.
func (r *rows) Close() error {
	err := r.inner.Close()
	if r.closed {
		return err
	}
	r.closed = true
	if r.scope != nil {
		r.scope.Close()
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

// NextResultSet goes on to a result of another statement; the plan speaks of the first one only, so what
// follows comes as it is stored.
func (r *rows) NextResultSet() error {
	n, ok := r.inner.(driver.RowsNextResultSet)
	if !ok {
		return errors.New("driver does not support multiple result sets")
	}
	if err := n.NextResultSet(); err != nil {
		return err
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

// ColumnTypeLength is unknown for an encrypted column: the stored length isn't the value's.
func (r *rows) ColumnTypeLength(i int) (int64, bool) {
	if t, ok := r.inner.(driver.RowsColumnTypeLength); ok && r.column(i) == nil {
		return t.ColumnTypeLength(i)
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
