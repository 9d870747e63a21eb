//go:build go1.27

package driver

import (
	"database/sql"
	"database/sql/driver"
)

var _ driver.RowsColumnScanner = (*scanningRows[driver.ScanContext])(nil)

// shape returns the rows with the methods that they must have.
func (r *rows) shape() driver.Rows {
	if s, ok := r.inner.(driver.RowsColumnScanner); ok {
		return newScanningRows[driver.ScanContext](r, s, sql.ConvertAssign)
	}
	return r
}
