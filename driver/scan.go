package driver

import (
	"bytes"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// From Go 1.27 on, database/sql doesn't call Next of rows that have NextRow and ScanColumn: the driver puts each
// column into the program's variable by itself. Rows with encrypted columns then have both methods as well, if
// the wrapped ones do, so that a variable of any type that such a driver knows can stand beside an encrypted
// column. What such a driver stores is never left to it to deliver.
//
// The methods are written for any type of context, because driver.ScanContext isn't there before Go 1.27: that
// version's part is in scan_go127.go.

// columnScanner is driver.RowsColumnScanner; C is driver.ScanContext.
type columnScanner[C any] interface {
	driver.Rows
	NextRow() error
	ScanColumn(scanCtx C, index int, dest any) error
}

// scanningRows are rows whose driver scans by itself.
type scanningRows[C any] struct {
	*rows
	scanner columnScanner[C] // the wrapped rows
	assign  func(scanCtx C, dest any, src driver.Value) error

	stored []captured     // of the present row, by column: what was asked for
	opened []driver.Value // of the present row, by column: encrypted ones; nil: there is no row
}

// captured takes a column's value as the driver has it.
type captured struct {
	value driver.Value
	asked bool
}

// Scan keeps the value. Bytes are the driver's own and are copied.
func (c *captured) Scan(src any) error {
	if b, ok := src.([]byte); ok {
		src = bytes.Clone(b)
	}
	c.value = src
	return nil
}

func newScanningRows[C any](r *rows, scanner columnScanner[C], assign func(C, any, driver.Value) error) *scanningRows[C] {
	return &scanningRows[C]{rows: r, scanner: scanner, assign: assign}
}

// NextRow goes on to the next row and opens its encrypted values: like Next, it fails if one doesn't open,
// whether or not the program scans it.
func (r *scanningRows[C]) NextRow() error {
	r.forget()
	if err := r.scanner.NextRow(); err != nil {
		return err
	}
	r.row++
	if len(r.outs) == 0 {
		return nil
	}
	if len(r.stored) != len(r.outs) {
		r.stored, r.buf = make([]captured, len(r.outs)), make([]driver.Value, len(r.outs))
	}
	opened := make([]driver.Value, len(r.outs))
	for i := range r.outs {
		o := &r.outs[i]
		if o.Column == nil {
			continue
		}
		err := r.capture(i)
		if err == nil && o.Partition >= 0 {
			err = r.capture(o.Partition)
		}
		if err == nil && r.buf[i] != nil {
			opened[i], err = r.value(o, r.buf[i], r.buf)
		}
		if err != nil {
			r.forget()
			clear(opened)
			return fmt.Errorf("decrypt %v: row %d: %w", o.Column, r.row, err)
		}
	}
	r.opened = opened
	return nil
}

// capture puts what is stored in a column of the present row into buf.
func (r *scanningRows[C]) capture(i int) error {
	if r.stored[i].asked {
		return nil
	}
	r.stored[i].asked = true
	var none C
	if err := r.scanner.ScanColumn(none, i, &r.stored[i]); err != nil {
		return err
	}
	r.buf[i] = r.stored[i].value
	return nil
}

// forget drops the present row.
func (r *scanningRows[C]) forget() {
	clear(r.stored)
	clear(r.buf)
	r.opened = nil
}

// ScanColumn puts an encrypted column's value into dest by database/sql's rules, and leaves other columns to the
// wrapped rows.
func (r *scanningRows[C]) ScanColumn(scanCtx C, index int, dest any) error {
	if index < 0 || index >= len(r.names) {
		return fmt.Errorf("scan: there is no column %d", index)
	}
	if r.column(index) != nil {
		if r.opened == nil {
			return errors.New("scan: there is no row")
		}
		return r.assign(scanCtx, dest, r.opened[index])
	}
	if _, ok := dest.(*sql.Rows); ok && len(r.outs) > 0 {
		return r.noCursor()
	}
	return r.scanner.ScanColumn(scanCtx, index, dest)
}

// NextResultSet drops the present row and goes on.
func (r *scanningRows[C]) NextResultSet() error {
	r.forget()
	r.stored = nil
	return r.rows.NextResultSet()
}

// cursor tells whether a driver delivered a result in the place of a value. Nobody has planned what is in it.
func cursor(v driver.Value) bool {
	switch v.(type) {
	case nil, string, []byte, int64, float64, bool, time.Time:
		return false
	}
	_, ok := v.(driver.Rows)
	return ok
}

// noCursor refuses a cursor beside encrypted columns.
func (r *rows) noCursor() error {
	e := &RefusedError{Rule: "a cursor beside encrypted columns", Remedy: "select the cursor in a statement of its own"}
	for _, o := range r.outs {
		if o.Column != nil {
			e.Table = o.Column.Table.String()
		}
	}
	return e
}
