//lint:file-ignore SA1019 old drivers have only the deprecated interfaces, which database/sql still serves

package driver_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"io"
	"math/bits"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A driver of any form: a connection, a statement and rows with any selection of the optional interfaces that
// database/sql knows. Go types have the methods that they are written with, so each selection is a type of its
// own; conform_forms_test.go has them all, made by TestEveryFormIsThere -update.
//
// What such a driver answers is drawn from a seed and the number of calls so far. Two runs that ask the same
// thus get the same answers, and from the first call in which they differ their logs differ.

// The optional interfaces, by the bit that they have in a form. What follows the dot is a type of this file
// with the interface's methods.
var (
	connParts = []string{"Ping", "Exec", "ExecContext", "Query", "QueryContext", "PrepareContext", "BeginTx", "ResetSession", "IsValid", "CheckNamedValue"}
	stmtParts = []string{"ExecContext", "QueryContext", "CheckNamedValue", "ColumnConverter"}
	rowsParts = []string{"NextResultSet", "ScanType", "TypeName", "Length", "Nullable", "Precision"}
)

// The bits of connParts, stmtParts and rowsParts.
const (
	cPing = 1 << iota
	cExec
	cExecContext
	cQuery
	cQueryContext
	cPrepare
	cBeginTx
	cReset
	cValid
	cCheck
)

const (
	sExec = 1 << iota
	sQuery
	sCheck
	sConverter
)

const (
	rNextSet = 1 << iota
	rScanType
	rTypeName
	rLength
	rNullable
	rPrecision
)

// form is a driver's shape and its habits.
type form struct {
	conn, stmt, rows int // selections of the parts above

	checker   int  // what CheckNamedValue does with values that aren't made for it, see check
	converter int  // likewise ColumnConverter
	counts    bool // statements know the number of their placeholders
	closer    bool // the connector is an io.Closer
	context   bool // the driver has OpenConnector
	trouble   int  // of 100 calls, so many fail
}

func (f form) String() string {
	names := func(of []string, set int) string {
		var s []string
		for i, n := range of {
			if set>>i&1 != 0 {
				s = append(s, n)
			}
		}
		return strings.Join(s, "+")
	}
	return fmt.Sprintf("conn %s, stmt %s, rows %s, checker %d, converter %d, counts %v, closer %v, context %v, trouble %d",
		names(connParts, f.conn), names(stmtParts, f.stmt), names(rowsParts, f.rows), f.checker, f.converter, f.counts, f.closer, f.context, f.trouble)
}

// wire is what all connections of one database share.
type wire struct {
	form
	seed uint64

	// What a driver under the wrapper sees of encrypted columns; nil: nothing is encrypted.
	secrets *secrets

	mu     sync.Mutex // guards the fields below
	calls  int
	conns  int
	stmts  int
	log    []string
	cancel func() // ends the context of the call under way, if the program gave it one that ends
}

// note adds a line to the log.
func (w *wire) note(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf(format, args...))
}

// The errors that the fake returns. Programs compare errors by value and by type, so each is one value for all
// runs.
type (
	valueError  struct{ code int }
	pointError  struct{ s string }
	brokenError struct{ s string }
)

func (e valueError) Error() string           { return fmt.Sprint("value error ", e.code) }
func (e *pointError) Error() string          { return e.s }
func (e *brokenError) Error() string         { return e.s }
func (e *brokenError) Is(target error) bool  { return target == driver.ErrBadConn }
func (e *pointError) As(target any) bool     { return false }
func (valueError) SQLState() string          { return "25006" }
func (e *pointError) Unwrap() error          { return nil }
func wrapped(what string, err error) error   { return fmt.Errorf("%s: %w", what, err) }
func joined(err ...error) error              { return errors.Join(err...) }
func newPoint(format string, a ...any) error { return &pointError{fmt.Sprintf(format, a...)} }

var fakeErrors = []error{
	errors.New("plain error"), valueError{7}, newPoint("an error with an address"), wrapped("wrapped", valueError{8}),
	driver.ErrBadConn, wrapped("broken pipe", driver.ErrBadConn), &brokenError{"says that it is a bad connection"},
	io.ErrUnexpectedEOF, context.DeadlineExceeded, context.Canceled, joined(errors.New("one"), valueError{9}), driver.ErrRemoveArgument,
	errors.New("database is locked"), errors.New("cannot start a transaction inside a transaction"),
}

// describe tells everything of an error that a program can.
func describe(err error) string {
	if err == nil {
		return "ok"
	}
	s := fmt.Sprintf("%T %q", err, addresses.ReplaceAllString(err.Error(), "0x…"))
	for i, e := range append([]error{driver.ErrSkip, io.EOF}, fakeErrors...) {
		if errors.Is(err, e) {
			s += fmt.Sprint(" is ", i)
		}
	}
	for i, e := range fakeErrors {
		if err == e {
			s += fmt.Sprint(" same as ", i)
		}
	}
	if u := errors.Unwrap(err); u != nil {
		s += " of " + describe(u)
	}
	return s
}

// fate is the answer to one call.
type fate struct {
	err  error
	skip bool // ErrSkip, where it means something
	draw uint64
}

// call notes a call and draws its answer.
func (w *wire) call(format string, args ...any) fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, "  "+fmt.Sprintf(format, args...))
	w.calls++
	// Keys aren't loaded for a context that has ended, so what is to be sealed isn't sent at all.
	ends := w.secrets == nil || strings.Contains(format, "Exec") || strings.Contains(format, "Query") || strings.Contains(format, "Next")
	d := mix(w.seed ^ mix(uint64(w.calls)))
	f := fate{draw: d >> 32}
	if int(d%100) < w.trouble {
		f.err = fakeErrors[(d>>8)%uint64(len(fakeErrors))]
	}
	f.skip = (d>>16)%100 < 15
	if ends && w.cancel != nil && (d>>24)%100 < 40 {
		w.cancel()
	}
	return f
}

// mix spreads a number's bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// show renders a value with its type, without addresses.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case []driver.NamedValue:
		var s []string
		for _, a := range v {
			s = append(s, fmt.Sprintf("%d:%s=%s", a.Ordinal, a.Name, show(a.Value)))
		}
		return "[" + strings.Join(s, " ") + "]"
	case []driver.Value:
		var s []string
		for _, a := range v {
			s = append(s, show(a))
		}
		return "[" + strings.Join(s, " ") + "]"
	case []any:
		var s []string
		for _, a := range v {
			s = append(s, show(a))
		}
		return "[" + strings.Join(s, " ") + "]"
	case string:
		if len(v) > 100 {
			return fmt.Sprintf("%d bytes %.20q", len(v), v)
		}
		return fmt.Sprintf("%q", v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case driver.Rows:
		return fmt.Sprintf("%T", v)
	case *counted:
		return "counted " + v.text
	}
	rv := reflect.ValueOf(v)
	if _, ok := v.(*sql.Rows); ok {
		return "*sql.Rows"
	}
	if rv.Kind() == reflect.Pointer && !rv.IsNil() {
		return "&" + show(rv.Elem().Interface())
	}
	if rv.Kind() == reflect.Pointer {
		return fmt.Sprintf("%T(nil)", v)
	}
	if rv.Kind() == reflect.Struct {
		s := fmt.Sprintf("%T{", v)
		for i := range rv.NumField() {
			if f := rv.Field(i); f.CanInterface() {
				s += show(f.Interface()) + " "
			}
		}
		return s + "}"
	}
	return fmt.Sprintf("%T(%v)", v, v)
}

// marked is a value of contexts: the driver gets the very context that the program gave, or one made of it.
type marked struct{}

func showCtx(ctx context.Context) string {
	s := fmt.Sprint(ctx.Value(marked{}))
	if _, ok := ctx.Deadline(); ok {
		s += " deadline"
	}
	if ctx.Err() != nil {
		s += " ended"
	}
	return s
}

// link is one connection.
type link struct {
	w  *wire
	id int
}

// fakes are made of these. They embed nothing that has methods.
type (
	connBase            struct{ L *link }
	connPing            struct{ L *link }
	connExec            struct{ L *link }
	connExecContext     struct{ L *link }
	connQuery           struct{ L *link }
	connQueryContext    struct{ L *link }
	connPrepareContext  struct{ L *link }
	connBeginTx         struct{ L *link }
	connResetSession    struct{ L *link }
	connIsValid         struct{ L *link }
	connCheckNamedValue struct{ L *link }
)

// filled returns a prototype with its pointers set.
func filled(prototype, pointer any) any {
	v := reflect.New(reflect.TypeOf(prototype)).Elem()
	p := reflect.ValueOf(pointer)
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		for i := range v.NumField() {
			if f := v.Field(i); f.Type() == p.Type() {
				f.Set(p)
			} else {
				fill(f)
			}
		}
	}
	fill(v)
	return v.Interface()
}

func (w *wire) connect() (driver.Conn, error) {
	f := w.call("connect")
	if f.err != nil {
		return nil, f.err
	}
	w.mu.Lock()
	w.conns++
	l := &link{w, w.conns}
	w.mu.Unlock()
	return filled(connForms[w.form.conn], l).(driver.Conn), nil
}

func (c connBase) Prepare(q string) (driver.Stmt, error) {
	return c.L.prepare(q, c.L.w.call("%d Prepare %s", c.L.id, show(q)))
}
func (c connBase) Close() error { return c.L.w.call("%d Close", c.L.id).err }
func (c connBase) Begin() (driver.Tx, error) {
	return c.L.begin(c.L.w.call("%d Begin", c.L.id))
}
func (c connPing) Ping(ctx context.Context) error {
	return c.L.w.call("%d Ping %s", c.L.id, showCtx(ctx)).err
}
func (c connExec) Exec(q string, a []driver.Value) (driver.Result, error) {
	if c.L.w.secrets.skips(c.L.w.seed, q) {
		return nil, driver.ErrSkip
	}
	return c.L.exec(c.L.w.call("%d Exec %s %s", c.L.id, show(q), c.L.w.args(q, a)), true)
}
func (c connExecContext) ExecContext(ctx context.Context, q string, a []driver.NamedValue) (driver.Result, error) {
	if c.L.w.secrets.skips(c.L.w.seed, q) {
		return nil, driver.ErrSkip
	}
	return c.L.exec(c.L.w.call("%d ExecContext %s %s %s", c.L.id, showCtx(ctx), show(q), c.L.w.args(q, a)), true)
}
func (c connQuery) Query(q string, a []driver.Value) (driver.Rows, error) {
	if c.L.w.secrets.skips(c.L.w.seed, q) {
		return nil, driver.ErrSkip
	}
	return c.L.query(c.L.w.call("%d Query %s %s", c.L.id, show(q), c.L.w.args(q, a)), q, true)
}
func (c connQueryContext) QueryContext(ctx context.Context, q string, a []driver.NamedValue) (driver.Rows, error) {
	if c.L.w.secrets.skips(c.L.w.seed, q) {
		return nil, driver.ErrSkip
	}
	return c.L.query(c.L.w.call("%d QueryContext %s %s %s", c.L.id, showCtx(ctx), show(q), c.L.w.args(q, a)), q, true)
}
func (c connPrepareContext) PrepareContext(ctx context.Context, q string) (driver.Stmt, error) {
	return c.L.prepare(q, c.L.w.call("%d PrepareContext %s %s", c.L.id, showCtx(ctx), show(q)))
}
func (c connBeginTx) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.L.begin(c.L.w.call("%d BeginTx %s %v", c.L.id, showCtx(ctx), o))
}
func (c connResetSession) ResetSession(ctx context.Context) error {
	return c.L.w.call("%d ResetSession %s", c.L.id, showCtx(ctx)).err
}
func (c connIsValid) IsValid() bool {
	return c.L.w.call("%d IsValid", c.L.id).err == nil
}
func (c connCheckNamedValue) CheckNamedValue(nv *driver.NamedValue) error {
	return c.L.w.check("conn", nv)
}

// exec answers an Exec. skips: ErrSkip means that the statement is to be prepared.
func (l *link) exec(f fate, skips bool) (driver.Result, error) {
	if err := l.answer(f, skips); err != nil {
		return nil, err
	}
	return fakeResult{l.w, f}, nil
}

func (l *link) query(f fate, q string, skips bool) (driver.Rows, error) {
	if err := l.answer(f, skips); err != nil {
		return nil, err
	}
	return filled(rowsForms[l.w.form.rows], newSet(l, q, f.draw)).(driver.Rows), nil
}

func (l *link) answer(f fate, skips bool) error {
	if skips && f.skip && l.w.secrets == nil {
		return driver.ErrSkip
	}
	return f.err
}

func (l *link) prepare(q string, f fate) (driver.Stmt, error) {
	if f.err != nil {
		return nil, f.err
	}
	l.w.mu.Lock()
	l.w.stmts++
	s := &text{l, q, l.w.stmts, -1}
	l.w.mu.Unlock()
	if l.w.counts {
		s.inputs = strings.Count(q, "?")
	}
	return filled(stmtForms[l.w.form.stmt], s).(driver.Stmt), nil
}

func (l *link) begin(f fate) (driver.Tx, error) {
	if f.err != nil {
		return nil, f.err
	}
	return linkTx{l}, nil
}

type linkTx struct{ l *link }

func (t linkTx) Commit() error   { return t.l.w.call("%d Commit", t.l.id).err }
func (t linkTx) Rollback() error { return t.l.w.call("%d Rollback", t.l.id).err }

type fakeResult struct {
	w *wire
	f fate
}

func (r fakeResult) LastInsertId() (int64, error) {
	f := r.w.call("LastInsertId")
	return int64(f.draw % 1000), f.err
}
func (r fakeResult) RowsAffected() (int64, error) {
	f := r.w.call("RowsAffected")
	return int64(f.draw % 1000), f.err
}

// Values made for a checker.
type (
	skips   struct{ V any } // is left to database/sql
	removes struct{ V any } // is an option, not an argument
	refuses struct{ V any } // can't be converted
	taken   struct{ V any } // is what a checker made of a value
	renames struct{ V any } // gets another name and value, and is then left to database/sql
)

// check is CheckNamedValue.
func (w *wire) check(whose string, nv *driver.NamedValue) error {
	if w.secrets != nil {
		w.note("  %s CheckNamedValue %d:%s=%s", whose, nv.Ordinal, nv.Name, show(nv.Value))
		return w.leave(nv)
	}
	f := w.call("%s CheckNamedValue %d:%s=%s", whose, nv.Ordinal, nv.Name, show(nv.Value))
	switch v := nv.Value.(type) {
	case skips:
		nv.Value = v.V
		return driver.ErrSkip
	case removes:
		return driver.ErrRemoveArgument
	case refuses:
		return fakeErrors[f.draw%4]
	case renames:
		nv.Name, nv.Value = "renamed", v.V
		return driver.ErrSkip
	}
	return w.leave(nv)
}

// leave is what a checker does with values that aren't made for it.
func (w *wire) leave(nv *driver.NamedValue) error {
	switch w.checker {
	case 0:
		return nil // as it is
	case 1:
		return driver.ErrSkip
	}
	v, err := driver.DefaultParameterConverter.ConvertValue(nv.Value)
	if err != nil {
		return err
	}
	if w.secrets == nil {
		v = taken{v}
	}
	nv.Value = v
	return nil
}

// text is a prepared statement.
type text struct {
	l      *link
	q      string
	id     int
	inputs int
}

type (
	stmtBase            struct{ T *text }
	stmtExecContext     struct{ T *text }
	stmtQueryContext    struct{ T *text }
	stmtCheckNamedValue struct{ T *text }
	stmtColumnConverter struct{ T *text }
)

// Close draws its answer by the statement: database/sql closes the statements of a connection in any order.
func (s stmtBase) Close() error {
	w := s.T.l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, fmt.Sprintf("  %d stmt %d Close", s.T.l.id, s.T.id))
	if d := mix(w.seed ^ uint64(s.T.id)); int(d%100) < w.trouble {
		return fakeErrors[d>>8%4]
	}
	return nil
}
func (s stmtBase) NumInput() int {
	s.T.l.w.note("  stmt %d NumInput", s.T.id)
	return s.T.inputs
}
func (s stmtBase) Exec(a []driver.Value) (driver.Result, error) {
	return s.T.l.exec(s.T.l.w.call("stmt %d Exec %s", s.T.id, s.T.l.w.args(s.T.q, a)), false)
}
func (s stmtBase) Query(a []driver.Value) (driver.Rows, error) {
	return s.T.l.query(s.T.l.w.call("stmt %d Query %s", s.T.id, s.T.l.w.args(s.T.q, a)), s.T.q, false)
}
func (s stmtExecContext) ExecContext(ctx context.Context, a []driver.NamedValue) (driver.Result, error) {
	return s.T.l.exec(s.T.l.w.call("stmt %d ExecContext %s %s", s.T.id, showCtx(ctx), s.T.l.w.args(s.T.q, a)), false)
}
func (s stmtQueryContext) QueryContext(ctx context.Context, a []driver.NamedValue) (driver.Rows, error) {
	return s.T.l.query(s.T.l.w.call("stmt %d QueryContext %s %s", s.T.id, showCtx(ctx), s.T.l.w.args(s.T.q, a)), s.T.q, false)
}
func (s stmtCheckNamedValue) CheckNamedValue(nv *driver.NamedValue) error {
	return s.T.l.w.check(fmt.Sprint("stmt ", s.T.id), nv)
}
func (s stmtColumnConverter) ColumnConverter(i int) driver.ValueConverter {
	return converter{s.T.l.w, s.T.l.w.call("stmt %d ColumnConverter %d", s.T.id, i)}
}

// converter is one column's.
type converter struct {
	w *wire
	f fate
}

func (c converter) ConvertValue(v any) (driver.Value, error) {
	c.w.note("  ConvertValue %s", show(v))
	if c.w.secrets == nil {
		switch c.f.draw % 12 {
		case 0:
			return nil, c.f.err
		case 1:
			return "left to database/sql", driver.ErrSkip
		case 2:
			return "removed", driver.ErrRemoveArgument
		case 3:
			return taken{v}, nil // not a driver.Value
		}
	}
	if s, ok := v.(string); ok && c.w.converter == 1 && c.w.secrets == nil {
		return strings.ToUpper(s), nil
	}
	return driver.DefaultParameterConverter.ConvertValue(v)
}

// set is a result set, and those that follow it.
type set struct {
	l       *link
	q       string
	columns []string
	rows    int // left in this set
	sets    int // that follow
}

func newSet(l *link, q string, draw uint64) *set {
	s := &set{l: l, q: q, rows: int(draw % 4), sets: int(draw >> 4 % 3)}
	for i := range draw >> 8 % 4 {
		s.columns = append(s.columns, fmt.Sprint("c", i))
	}
	if l.w.secrets != nil {
		s.columns = l.w.secrets.columns(q)
	}
	return s
}

type (
	rowsBase          struct{ S *set }
	rowsNextResultSet struct{ S *set }
	rowsScanType      struct{ S *set }
	rowsTypeName      struct{ S *set }
	rowsLength        struct{ S *set }
	rowsNullable      struct{ S *set }
	rowsPrecision     struct{ S *set }
)

func (r rowsBase) Columns() []string {
	if r.S.l.w.secrets == nil {
		r.S.l.w.note("  Columns")
	}
	return r.S.columns
}
func (r rowsBase) Close() error { return r.S.l.w.call("%d rows Close", r.S.l.id).err }
func (r rowsBase) Next(dest []driver.Value) error {
	w := r.S.l.w
	f := w.call("%d Next", r.S.l.id)
	if f.err != nil {
		return f.err
	}
	if r.S.rows == 0 {
		return io.EOF
	}
	r.S.rows--
	for i := range dest {
		d := mix(f.draw + uint64(i))
		dest[i] = []driver.Value{
			nil, int64(d), float64(d % 1000), d%2 == 0, fmt.Append(nil, "bytes ", d%100), fmt.Sprint("text ", d%100), time.Unix(int64(d%1e9), 0).UTC(),
			[3]int{1, 2, 3}, // some drivers have values of their own
		}[d>>40%8]
		if w.secrets != nil {
			dest[i] = w.secrets.stored(r.S.columns[i], d)
		}
		if i == 0 && d>>50%16 == 0 && w.secrets == nil {
			dest[i] = filled(rowsForms[w.form.rows], newSet(r.S.l, r.S.q, d)).(driver.Rows) // a cursor
		}
	}
	return nil
}
func (r rowsNextResultSet) HasNextResultSet() bool {
	r.S.l.w.note("  HasNextResultSet")
	return r.S.sets > 0
}
func (r rowsNextResultSet) NextResultSet() error {
	f := r.S.l.w.call("%d NextResultSet", r.S.l.id)
	if f.err != nil {
		return f.err
	}
	if r.S.sets == 0 {
		return io.EOF
	}
	sets := r.S.sets - 1
	*r.S = *newSet(r.S.l, r.S.q, f.draw)
	r.S.sets = sets
	if r.S.l.w.secrets != nil {
		r.S.columns = []string{"another", "result"}
	}
	return nil
}
func (r rowsScanType) ColumnTypeScanType(i int) reflect.Type {
	r.S.note("ScanType", i)
	return []reflect.Type{reflect.TypeFor[int64](), reflect.TypeFor[time.Time](), reflect.TypeFor[taken]()}[i%3]
}
func (r rowsTypeName) ColumnTypeDatabaseTypeName(i int) string {
	r.S.l.w.note("  TypeName %d", i)
	return fmt.Sprint("TYPE", i)
}
func (r rowsLength) ColumnTypeLength(i int) (int64, bool) {
	r.S.note("Length", i)
	return int64(10 + i), i%2 == 0
}
func (r rowsNullable) ColumnTypeNullable(i int) (nullable, ok bool) {
	r.S.l.w.note("  Nullable %d", i)
	return i%2 == 0, i%3 != 0
}
func (r rowsPrecision) ColumnTypePrecisionScale(i int) (int64, int64, bool) {
	r.S.note("Precision", i)
	return 10, int64(i), i%2 != 0
}

// note notes a question about a column, if it isn't one of those that the wrapper answers for a driver.
func (s *set) note(what string, i int) {
	if s.l.w.secrets == nil || s.l.w.secrets.kind(s.columns[i]) == "" {
		s.l.w.note("  %s %d", what, i)
	}
}

// database/sql's two ways to a connection.
type (
	wireConnector struct {
		w  *wire
		of driver.Driver
	}
	wireConnectorCloser struct{ wireConnector }
	wireDriver          struct{ wires *sync.Map }      // name → *wire
	wireDriverContext   struct{ wireDriver }           // with OpenConnector
	connectorIsClosed   interface{ connectorClosed() } // to tell the two connectors apart
)

var _ connectorIsClosed = wireConnectorCloser{}

func (c wireConnectorCloser) connectorClosed() {}

func (c wireConnector) Connect(ctx context.Context) (driver.Conn, error) {
	c.w.note("  Connect %s", showCtx(ctx))
	return c.w.connect()
}
func (c wireConnector) Driver() driver.Driver { return c.of }
func (c wireConnectorCloser) Close() error    { return c.w.call("connector Close").err }

func (w *wire) connector(of driver.Driver) driver.Connector {
	if w.closer {
		return wireConnectorCloser{wireConnector{w, of}}
	}
	return wireConnector{w, of}
}

func (d wireDriver) wire(name string) (*wire, error) {
	w, ok := d.wires.Load(name)
	if !ok {
		return nil, errors.New("no such name: " + name)
	}
	return w.(*wire), nil
}
func (d wireDriver) Open(name string) (driver.Conn, error) {
	w, err := d.wire(name)
	if err != nil {
		return nil, err
	}
	w.note("  Open")
	return w.connect()
}
func (d wireDriverContext) OpenConnector(name string) (driver.Connector, error) {
	w, err := d.wire(name)
	if err != nil {
		return nil, err
	}
	if f := w.call("OpenConnector"); f.err != nil {
		return nil, f.err
	}
	return w.connector(d), nil
}

// counted is an argument whose conversions are counted.
type counted struct {
	w    *wire
	text string
	err  error
}

func (c *counted) Value() (driver.Value, error) {
	c.w.note("  Value of %s", c.text)
	return c.text, c.err
}

// sortedCloses sorts what database/sql does in no order: it closes the statements of a connection as a map
// gives them.
func sortedCloses(log []string) []string {
	out := slices.Clone(log)
	isClose := func(s string) bool { return strings.Contains(s, " stmt ") && strings.HasSuffix(s, " Close") }
	for i := 0; i < len(out); i++ {
		j := i
		for j < len(out) && isClose(out[j]) {
			j++
		}
		slices.Sort(out[i:j])
		i = max(i, j-1)
	}
	return out
}

var update = flag.Bool("update", false, "write conform_forms_test.go anew")

// TestEveryFormIsThere makes the types of conform_forms_test.go: each adds one part to the type without it.
func TestEveryFormIsThere(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("// Code generated by TestEveryFormIsThere -update. DO NOT EDIT.\n\npackage driver_test\n\nimport \"database/sql/driver\"\n")
	for _, of := range []struct {
		name  string
		parts []string
	}{{"conn", connParts}, {"stmt", stmtParts}, {"rows", rowsParts}} {
		fmt.Fprintf(&b, "\n// %sForms has a type for each selection of the parts.\nvar %sForms = [1 << %d]driver.%s{", of.name, of.name, len(of.parts), strings.Title(of.name)) //nolint:staticcheck // three ASCII words
		for i := range 1 << len(of.parts) {
			if i%8 == 0 {
				b.WriteString("\n")
			}
			fmt.Fprintf(&b, "%s{}, ", formName(of.name, i))
		}
		b.WriteString("\n}\n\ntype (\n")
		for i := 1; i < 1<<len(of.parts); i++ {
			top := bits.Len(uint(i)) - 1
			fmt.Fprintf(&b, "%s struct {\n%s\n%s%s\n}\n", formName(of.name, i), formName(of.name, i^1<<top), of.name, of.parts[top])
		}
		b.WriteString(")\n")
	}
	want, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("conform_forms_test.go", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("conform_forms_test.go"); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("conform_forms_test.go is another one than this test makes: run it with -update (%v)", err)
	}
}

func formName(of string, set int) string {
	if set == 0 {
		return of + "Base"
	}
	return fmt.Sprintf("%s%03x", of, set)
}
