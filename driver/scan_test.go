package driver

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/kms/static"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/tags"
)

// scanContext stands for Go 1.27's driver.ScanContext.
type scanContext struct{ passed bool }

// selfScanning is a driver whose rows scan by themselves.
type selfScanning struct {
	columns []string
	values  [][]driver.Value
	seen    []string // contexts and types that ScanColumn got
}

func (d *selfScanning) Connect(context.Context) (driver.Conn, error) { return selfScanningConn{d}, nil }
func (d *selfScanning) Driver() driver.Driver                        { return nil }

type selfScanningConn struct{ d *selfScanning }

func (selfScanningConn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (selfScanningConn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }
func (selfScanningConn) Close() error                        { return nil }
func (c selfScanningConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &selfScanningRows{d: c.d, at: -1}, nil
}

type selfScanningRows struct {
	d  *selfScanning
	at int
}

func (r *selfScanningRows) Columns() []string         { return r.d.columns }
func (r *selfScanningRows) Close() error              { return nil }
func (r *selfScanningRows) Next([]driver.Value) error { return errors.New("Next was called") }
func (r *selfScanningRows) NextRow() error {
	if r.at++; r.at >= len(r.d.values) {
		return io.EOF
	}
	return nil
}

// ScanColumn knows a type that database/sql doesn't.
func (r *selfScanningRows) ScanColumn(ctx scanContext, i int, dest any) error {
	r.d.seen = append(r.d.seen, fmt.Sprintf("%v %d %T", ctx.passed, i, dest))
	v := r.d.values[r.at][i]
	if d, ok := dest.(*[]string); ok {
		*d = strings.Split(v.(string), ",")
		return nil
	}
	return assignValue(ctx, dest, v)
}

// assignValue is as much of sql.ConvertAssign as the tests need.
func assignValue(_ scanContext, dest any, v driver.Value) error {
	switch d := dest.(type) {
	case sql.Scanner:
		return d.Scan(v)
	case *any:
		*d = v
	case *string:
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("not a string: %T", v)
		}
		*d = s
	default:
		return fmt.Errorf("scan into %T", dest)
	}
	return nil
}

type note struct {
	ID     int64
	Tenant string
	Tags   string
	Text   string `encrypt:"tenant"`
	Own    *int64 `encrypt:"partition"`
}

func (note) TableName() string { return "notes" }

// scanning returns a connection to d and a function that seals.
func scanning(t *testing.T, d *selfScanning) (*conn, func(column string, value any) any) {
	t.Helper()
	schema, err := tags.NewSchema(note{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := static.New(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	c, err := newConnector(d, dialect.SQLite, Config{
		Service: "shop", Product: "web", KMS: k, Schema: schema, Logger: slog.New(slog.DiscardHandler),
		MetastoreStore: metastore.NewMemory(), SkipVerify: true, Partition: "acme",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := NewSealer(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	dc, err := c.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dc.Close() })
	return dc.(interface{ self() *conn }).self(), func(column string, value any) any {
		v, err := s.Seal(t.Context(), "notes", column, map[string]any{"tenant": "acme"}, value)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (c *conn) self() *conn { return c }

// query returns the rows as Go 1.27's database/sql gets them.
func (c *conn) queryScanning(t *testing.T, query string) *scanningRows[scanContext] {
	t.Helper()
	dr, err := c.query(t.Context(), query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := dr.(*rows)
	return newScanningRows[scanContext](r, r.inner.(columnScanner[scanContext]), assignValue)
}

func TestRowsThatScanByThemselvesAreOpened(t *testing.T) {
	d := &selfScanning{}
	c, seal := scanning(t, d)
	sealed, own := seal("text", "s3cr3t").(string), seal("own", 41).(string)
	d.columns = []string{"text", "tags", "own", "tenant"} // tenant is hidden: the text doesn't select it
	d.values = [][]driver.Value{
		{sealed, "a,b", own, "acme"},
		{[]byte(sealed), "c", nil, []byte("acme")},
		{nil, "d,e,f", []byte(own), nil},
	}
	r := c.queryScanning(t, "SELECT text, tags, own FROM notes")
	if got := fmt.Sprint(r.Columns()); got != "[text tags own]" {
		t.Errorf("columns %s", got)
	}
	if err := r.ScanColumn(scanContext{true}, 0, new(any)); err == nil {
		t.Error("scanned before the first row")
	}
	var got []string
	for {
		err := r.NextRow()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var text, own any
		var words []string
		for i, dest := range []any{&text, &words, &own} {
			if err := r.ScanColumn(scanContext{true}, i, dest); err != nil {
				t.Fatal(err)
			}
		}
		got = append(got, fmt.Sprint(text, words, own))
		if err := r.ScanColumn(scanContext{true}, 3, new(any)); err == nil {
			t.Error("the hidden column was scanned")
		}
		if err := r.ScanColumn(scanContext{true}, 1, new(sql.Rows)); !errors.Is(err, ErrRefused) {
			t.Errorf("a cursor: %v", err)
		}
	}
	if want := "[s3cr3t[a b] 41 s3cr3t[c] <nil> <nil> [d e f] 41]"; fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	if err := r.ScanColumn(scanContext{true}, 0, new(any)); err == nil {
		t.Error("scanned after the last row")
	}
	// What is encrypted is asked for by the wrapper only, the rest by database/sql.
	for _, s := range d.seen {
		if mine := strings.HasPrefix(s, "false"); mine != strings.HasSuffix(s, "captured") || mine == strings.Contains(s, " 1 ") {
			t.Errorf("ScanColumn got %s", s)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// What doesn't open isn't delivered, and neither is the row before it.
func TestRowsThatScanByThemselvesKeepWhatDoesNotOpen(t *testing.T) {
	d := &selfScanning{columns: []string{"id", "text", "tenant"}}
	c, seal := scanning(t, d)
	sealed := seal("text", "s3cr3t").(string)
	for name, bad := range map[string]struct {
		row  []driver.Value
		want error
	}{
		"plaintext":            {[]driver.Value{int64(2), "s3cr3t in the clear", "acme"}, ErrPlaintext},
		"a number":             {[]driver.Value{int64(2), int64(7), "acme"}, ErrPlaintext},
		"of another tenant":    {[]driver.Value{int64(2), sealed, "globex"}, ErrMoved},
		"of no tenant":         {[]driver.Value{int64(2), sealed, nil}, ErrNoPartition},
		"of another column":    {[]driver.Value{int64(2), seal("own", 1), "acme"}, ErrMoved},
		"cut":                  {[]driver.Value{int64(2), sealed[:50], "acme"}, ErrMalformed},
		"a value of its own":   {[]driver.Value{int64(2), struct{ s string }{sealed}, "acme"}, ErrPlaintext},
		"bytes, and moved too": {[]driver.Value{int64(2), []byte(sealed), []byte("globex")}, ErrMoved},
	} {
		d.values = [][]driver.Value{{int64(1), sealed, "acme"}, bad.row}
		r := c.queryScanning(t, "SELECT id, text, tenant FROM notes")
		if err := r.NextRow(); err != nil {
			t.Fatal(name, err)
		}
		err := r.NextRow()
		if !errors.Is(err, bad.want) || !strings.Contains(err.Error(), "row 2") || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want %v", name, err, bad.want)
		}
		var got any
		if err := r.ScanColumn(scanContext{}, 1, &got); err == nil || got != nil {
			t.Errorf("%s: %v was delivered, %v", name, got, err)
		}
		r.Close()
	}
}

// Where a program scans a value must not matter to whether it is opened: any destination is assigned by
// database/sql's rules, from the opened value.
func TestEncryptedColumnsAreNotScannedByTheDriver(t *testing.T) {
	d := &selfScanning{columns: []string{"text", "tenant"}}
	c, seal := scanning(t, d)
	d.values = [][]driver.Value{{seal("text", "a,b"), "acme"}}
	r := c.queryScanning(t, "SELECT text, tenant FROM notes")
	defer r.Close()
	if err := r.NextRow(); err != nil {
		t.Fatal(err)
	}
	var words []string
	if err := r.ScanColumn(scanContext{}, 0, &words); err == nil || words != nil {
		t.Errorf("the driver scanned a record into %v, %v", words, err)
	}
	var s string
	if err := r.ScanColumn(scanContext{}, 0, &s); err != nil || s != "a,b" {
		t.Errorf("%q, %v", s, err)
	}
}
