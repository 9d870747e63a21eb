package driver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	asherah "github.com/asherah-sql/asherah-sql/driver"
)

// fake is a driver that logs what database/sql, or the wrapper, asks of it.
type fake struct {
	log []string
	err error // returned by every Exec and Query
	bad bool  // nothing is a valid argument
}

// note adds a line to the log. Addresses, which differ from run to run, are left out.
func (f *fake) note(format string, args ...any) {
	f.log = append(f.log, addresses.ReplaceAllString(fmt.Sprintf(format, args...), "0x…"))
}

var addresses = regexp.MustCompile(`0x[0-9a-f]{6,}`)

type fakeConnector struct {
	f    *fake
	conn func(*fake) driver.Conn
}

func (c fakeConnector) Connect(context.Context) (driver.Conn, error) { return c.conn(c.f), nil }
func (c fakeConnector) Driver() driver.Driver                        { return fakeDriver{} }
func (c fakeConnector) Close() error                                 { c.f.note("connector.Close"); return nil }

type fakeDriver struct{}

func (fakeDriver) Open(string) (driver.Conn, error) { return nil, errors.New("not used") }

// bare has what every connection has.
type bare struct{ f *fake }

func (c bare) Prepare(q string) (driver.Stmt, error) {
	c.f.note("Prepare %s", q)
	return fakeStmt(c), nil
}
func (c bare) Close() error              { return nil }
func (c bare) Begin() (driver.Tx, error) { c.f.note("Begin"); return fakeTx(c), nil }

type fakeTx struct{ f *fake }

func (t fakeTx) Commit() error   { t.f.note("Commit"); return nil }
func (t fakeTx) Rollback() error { t.f.note("Rollback"); return nil }

type fakeStmt struct{ f *fake }

func (s fakeStmt) Close() error  { s.f.note("stmt.Close"); return nil }
func (s fakeStmt) NumInput() int { return -1 }
func (s fakeStmt) Exec(a []driver.Value) (driver.Result, error) {
	s.f.note("stmt.Exec %v", a)
	return driver.RowsAffected(1), s.f.err
}
func (s fakeStmt) Query(a []driver.Value) (driver.Rows, error) {
	s.f.note("stmt.Query %v", a)
	return &fakeRows{}, s.f.err
}

type fakeRows struct{ done bool }

func (*fakeRows) Columns() []string { return []string{"c"} }
func (*fakeRows) Close() error      { return nil }
func (r *fakeRows) Next(dest []driver.Value) error {
	if r.done {
		return io.EOF
	}
	r.done = true
	dest[0] = int64(1)
	return nil
}

// The shapes: with ExecerContext, QueryerContext, both; with the old Execer and Queryer; with everything.
type withExec struct{ bare }

func (c withExec) ExecContext(_ context.Context, q string, a []driver.NamedValue) (driver.Result, error) {
	c.f.note("ExecContext %s %v", q, a)
	return driver.RowsAffected(1), c.f.err
}

type withQuery struct{ bare }

func (c withQuery) QueryContext(_ context.Context, q string, a []driver.NamedValue) (driver.Rows, error) {
	c.f.note("QueryContext %s %v", q, a)
	return &fakeRows{}, c.f.err
}

type withBoth struct {
	withExec
	q withQuery
}

func (c withBoth) QueryContext(ctx context.Context, q string, a []driver.NamedValue) (driver.Rows, error) {
	return c.q.QueryContext(ctx, q, a)
}

type old struct{ bare }

func (c old) Exec(q string, a []driver.Value) (driver.Result, error) {
	c.f.note("Exec %s %v", q, a)
	return driver.RowsAffected(1), c.f.err
}
func (c old) Query(q string, a []driver.Value) (driver.Rows, error) {
	c.f.note("Query %s %v", q, a)
	return &fakeRows{}, c.f.err
}

type full struct{ withBoth }

func (c full) CheckNamedValue(nv *driver.NamedValue) error {
	c.f.note("Check %v", nv.Value)
	if c.f.bad {
		return errors.New("no such type")
	}
	if _, ok := nv.Value.(skipped); ok {
		return driver.ErrSkip
	}
	if _, ok := nv.Value.(removed); ok {
		return driver.ErrRemoveArgument
	}
	return nil
}
func (c full) Ping(context.Context) error         { c.f.note("Ping"); return nil }
func (c full) ResetSession(context.Context) error { c.f.note("Reset"); return nil }
func (c full) IsValid() bool                      { c.f.note("IsValid"); return true }
func (c full) BeginTx(_ context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.f.note("BeginTx %v", o)
	return fakeTx{c.f}, nil
}
func (c full) PrepareContext(_ context.Context, q string) (driver.Stmt, error) {
	c.f.note("PrepareContext %s", q)
	return convertingStmt{fakeStmt{c.f}}, nil
}

type (
	skipped int64
	removed struct{}
)

// convertingStmt has the old ColumnConverter.
type convertingStmt struct{ fakeStmt }

func (convertingStmt) NumInput() int { return 2 }
func (s convertingStmt) ColumnConverter(i int) driver.ValueConverter {
	s.f.note("Converter %d", i)
	return driver.DefaultParameterConverter
}

var shapes = map[string]func(*fake) driver.Conn{
	"bare":  func(f *fake) driver.Conn { return bare{f} },
	"exec":  func(f *fake) driver.Conn { return withExec{bare{f}} },
	"query": func(f *fake) driver.Conn { return withQuery{bare{f}} },
	"both":  func(f *fake) driver.Conn { return withBoth{withExec{bare{f}}, withQuery{bare{f}}} },
	"old":   func(f *fake) driver.Conn { return old{bare{f}} },
	"full":  func(f *fake) driver.Conn { return full{withBoth{withExec{bare{f}}, withQuery{bare{f}}}} },
}

type valuer struct{ calls *int }

func (v valuer) Value() (driver.Value, error) { *v.calls++; return "v", nil }

// exercise runs a program through db and returns what it saw.
func exercise(db *sql.DB) []string {
	var seen []string
	see := func(what string, err error) {
		seen = append(seen, fmt.Sprintf("%s: %v %v", what, err, errors.Is(err, driver.ErrBadConn)))
	}
	ctx := context.Background()
	calls := 0
	_, err := db.Exec("UPDATE other SET a = ?", int32(1), valuer{&calls})
	see("exec", err)
	see(fmt.Sprintf("valuer calls %d", calls), nil)
	_, err = db.Exec("UPDATE other SET a = ?", sql.Named("n", "x"))
	see("named", err)
	_, err = db.Exec("UPDATE other SET a = ?", [16]byte{1})
	see("array", err)
	_, err = db.Exec("UPDATE other SET a = ?", skipped(3), removed{}, ptr("p"))
	see("skip and remove", err)
	_, err = db.Exec("UPDATE other SET a = ?", uint64(1)<<63)
	see("big", err)
	rows, err := db.Query("SELECT 1", []byte("b"))
	see("query", err)
	if err == nil {
		types, err := rows.ColumnTypes()
		see("types", err)
		if err == nil {
			n, ok := types[0].Length()
			null, nok := types[0].Nullable()
			seen = append(seen, fmt.Sprint(types[0].Name(), types[0].DatabaseTypeName(), types[0].ScanType(), n, ok, null, nok))
		}
		out, err := render(rows)
		see(out, err)
		see(fmt.Sprint("next set ", rows.NextResultSet()), rows.Err())
		rows.Close()
	}
	stmt, err := db.Prepare("INSERT INTO other VALUES (?, ?)")
	see("prepare", err)
	_, err = stmt.Exec(int8(3), valuer{&calls})
	see("stmt", err)
	_, err = stmt.Exec([16]byte{}, 1)
	see("stmt array", err)
	stmt.Close()
	for _, o := range []*sql.TxOptions{nil, {ReadOnly: true}, {Isolation: sql.LevelSerializable}} {
		tx, err := db.BeginTx(ctx, o)
		see("begin", err)
		if err == nil {
			_, err = tx.Exec("DELETE FROM other")
			see("in tx", err)
			see("commit", tx.Commit())
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = db.ExecContext(cancelled, "DELETE FROM other")
	see("cancelled", err)
	see("ping", db.Ping())
	return seen
}

// TestAWrappedConnectionBehavesAsTheBareOne runs one program over every shape, bare and wrapped: the program
// sees the same, and the driver is asked the same.
func TestAWrappedConnectionBehavesAsTheBareOne(t *testing.T) {
	type own struct{ error }
	for name, conn := range shapes {
		for _, c := range []struct {
			mode string
			f    fake
		}{
			{"works", fake{}}, {"own error", fake{err: own{errors.New("boom")}}}, {"ErrSkip", fake{err: driver.ErrSkip}},
			{"bad connection", fake{err: driver.ErrBadConn}}, {"nothing converts", fake{bad: true}},
		} {
			t.Run(name+"/"+c.mode, func(t *testing.T) {
				f, g := c.f, c.f
				plain := sql.OpenDB(fakeConnector{&f, conn})
				want := exercise(plain)
				plain.Close()
				wrapped, err := asherah.WrapConnector(fakeConnector{&g, conn}, dialect.SQLite, emptyConfig(t))
				if err != nil {
					t.Fatal(err)
				}
				db := sql.OpenDB(wrapped)
				got := exercise(db)
				db.Close()
				if !slices.Equal(got, want) {
					t.Errorf("the program sees\n%s\nbare:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				if !slices.Equal(g.log, f.log) {
					t.Errorf("the driver is asked\n%s\nbare:\n%s", strings.Join(g.log, "\n"), strings.Join(f.log, "\n"))
				}
			})
		}
	}
}

// emptyConfig is a configuration without tables, under which nothing concerns the wrapper.
func emptyConfig(t testing.TB) asherah.Config {
	cfg := config(t)
	cfg.Schema, cfg.AllowEmptySchema = schemaOf(t), true
	return cfg
}

func TestRawGivesTheWrappedConnection(t *testing.T) {
	f := &fake{}
	c, err := asherah.WrapConnector(fakeConnector{f, shapes["full"]}, dialect.SQLite, emptyConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(dc any) error {
		u, ok := dc.(interface{ Unwrap() driver.Conn })
		if !ok {
			return fmt.Errorf("%T has no Unwrap", dc)
		}
		if got := reflect.TypeOf(u.Unwrap()); got != reflect.TypeFor[full]() {
			return fmt.Errorf("Unwrap gives a %v", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
