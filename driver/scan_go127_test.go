//go:build go1.27

package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"strings"
	"testing"
)

// rows127 are rows of a driver of Go 1.27.
type rows127 struct{ selfScanningRows }

func (r *rows127) ScanColumn(ctx driver.ScanContext, i int, dest any) error {
	v := r.d.values[r.at][i]
	if d, ok := dest.(*[]string); ok {
		*d = strings.Split(v.(string), ",")
		return nil
	}
	return sql.ConvertAssign(ctx, dest, v)
}

// plain127 are rows without NextRow.
type plain127 struct{ r *selfScanningRows }

func (r plain127) Columns() []string { return r.r.Columns() }
func (r plain127) Close() error      { return nil }
func (r plain127) Next(dest []driver.Value) error {
	if err := r.r.NextRow(); err != nil {
		return err
	}
	copy(dest, r.r.d.values[r.r.at])
	return nil
}

func TestRowsHaveNextRowIfTheWrappedOnesDo(t *testing.T) {
	d := &selfScanning{columns: []string{"text", "tags", "tenant"}}
	_, seal := scanning(t, d)
	d.values = [][]driver.Value{{seal("text", "s3cr3t"), "a,b", "acme"}}
	c := &conn{core: &core{}}
	for _, scans := range []bool{true, false} {
		inner := driver.Rows(plain127{&selfScanningRows{d: d, at: -1}})
		if scans {
			inner = &rows127{selfScanningRows{d: d, at: -1}}
		}
		if _, ok := (&rows{inner: inner, c: c}).shape().(driver.RowsColumnScanner); ok != scans {
			t.Errorf("has NextRow: %v, want %v", ok, scans)
		}
	}
}

type conn127 struct {
	selfScanningConn
	scans bool
}

func (c conn127) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	r := selfScanningRows{d: c.d, at: -1}
	if c.scans {
		return &rows127{r}, nil
	}
	return plain127{&r}, nil
}

func TestScanningThroughDatabaseSQL(t *testing.T) {
	for _, scans := range []bool{true, false} {
		d := &selfScanning{columns: []string{"id", "text", "tags", "own", "tenant"}}
		c, seal := scanning(t, d)
		sealed, own := seal("text", "s3cr3t"), seal("own", 41)
		d.values = [][]driver.Value{{int64(1), sealed, "a,b", own, "acme"}, {int64(2), nil, "c", nil, nil}, {int64(3), sealed, "d", own, "globex"}}
		c.inner = conn127{selfScanningConn{d}, scans}
		db := sql.OpenDB(one127{c})
		rows, err := db.Query("SELECT id, text, tags, own FROM notes")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for rows.Next() {
			var id int
			var text sql.RawBytes
			var own sql.NullInt64
			var tags any = new(string)
			if scans {
				tags = new([]string)
			}
			if err := rows.Scan(&id, &text, tags, &own); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%d %s %v", id, text, own))
		}
		if want := "[1 s3cr3t {41 true} 2  {0 false}]"; fmt.Sprint(got) != want {
			t.Errorf("scans %v: got %v, want %s", scans, got, want)
		}
		if err := rows.Err(); !errors.Is(err, ErrMoved) {
			t.Errorf("scans %v: a moved value: %v", scans, err)
		}
		rows.Close()
		db.Close()
	}
}

// one127 is a connector of one connection, which isn't its to close.
type one127 struct{ c *conn }

func (o one127) Connect(context.Context) (driver.Conn, error) { return open127{o.c.shape()}, nil }
func (o one127) Driver() driver.Driver                        { return nil }

type open127 struct{ driver.Conn }

func (open127) Close() error { return nil }
func (o open127) QueryContext(ctx context.Context, q string, args []driver.NamedValue) (driver.Rows, error) {
	return o.Conn.(driver.QueryerContext).QueryContext(ctx, q, args)
}
