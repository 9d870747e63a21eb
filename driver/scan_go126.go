//go:build !go1.27

package driver

import "database/sql/driver"

// shape returns the rows with the methods that they must have.
func (r *rows) shape() driver.Rows { return r }
