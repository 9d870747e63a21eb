package driver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
	asherah "github.com/asherah-sql/asherah-sql/driver"
)

// Random programs run over drivers of every form, bare and wrapped. The log of a run is what the program sees
// and what the driver is asked, in one order; the logs must be equal line for line.

// program is one run.
type program struct {
	w     *wire
	rnd   *rand.Rand
	texts []string
	db    *sql.DB
	stmts []prepared
	rows  []*sql.Rows
	tx    *sql.Tx
	conn  *sql.Conn

	// A sql.Conn waits in its Close, which every bad connection calls, for its rows and its transaction. So
	// its rows are closed at once, and it rests while it has a transaction.
	txOnConn bool

	endTx context.CancelFunc // ends the context of tx; nil when it has none that ends
	n     int                // contexts made
	ends  []func()
}

// see notes what the program sees, once what runs in the background has settled.
func (p *program) see(format string, args ...any) {
	p.w.mu.Lock()
	p.w.cancel = nil
	p.w.mu.Unlock()
	synctest.Wait()
	p.w.note("> "+format, args...)
}

func (p *program) chance(percent int) bool { return p.rnd.IntN(100) < percent }

// ctx returns a context for one call: mostly one that doesn't end.
func (p *program) ctx() context.Context {
	p.n++
	ctx := context.WithValue(context.Background(), marked{}, p.n)
	switch p.rnd.IntN(12) {
	case 0: // ends during the call, or not at all
		ctx, cancel := context.WithCancel(ctx)
		p.ends = append(p.ends, cancel)
		p.w.mu.Lock()
		p.w.cancel = cancel
		p.w.mu.Unlock()
		return ctx
	case 1:
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		p.ends = append(p.ends, cancel)
		return ctx
	case 2:
		ctx, cancel := context.WithCancel(ctx)
		if p.chance(30) && p.w.secrets == nil {
			cancel()
		}
		p.ends = append(p.ends, cancel)
		return ctx
	}
	return ctx
}

func (p *program) text() string { return p.texts[p.rnd.IntN(len(p.texts))] }

// args returns arguments for a text: mostly as many as it has placeholders.
func (p *program) args(q string) []any {
	if p.w.secrets != nil {
		return p.w.secrets.arguments(q, p.rnd)
	}
	n := strings.Count(q, "?")
	if p.chance(15) {
		n = p.rnd.IntN(4)
	}
	args := make([]any, n)
	for i := range args {
		args[i] = p.arg(i)
	}
	return args
}

func (p *program) arg(i int) any {
	text := fmt.Sprint("a", p.rnd.IntN(100))
	switch p.rnd.IntN(28) {
	case 0:
		return nil
	case 1:
		return []byte(text)
	case 2:
		return true
	case 3:
		return 1.5
	case 4:
		return time.Unix(int64(p.rnd.IntN(1e6)), 0)
	case 5:
		return uint64(1) << 63 // database/sql takes none with the high bit
	case 6:
		return [16]byte{1}
	case 7:
		return struct{ A int }{1}
	case 8, 9:
		return &counted{p.w, text, nil}
	case 10:
		return &counted{p.w, text, fakeErrors[p.rnd.IntN(4)]}
	case 11:
		return (*valuerOfString)(nil)
	case 12:
		return sql.Named("n", p.arg(1))
	case 13:
		if i == 0 {
			return sql.Named("1n", text) // names begin with a letter
		}
		return int8(3)
	case 14:
		return skips{text}
	case 15:
		return removes{}
	case 16:
		return refuses{}
	case 17:
		return renames{text}
	case 18:
		return sql.Out{Dest: new(int64), In: true}
	case 19:
		return sql.NullString{String: text, Valid: p.chance(50)}
	case 20:
		return &text
	case 21:
		return (*int)(nil)
	case 22:
		return []string{"not", "a", "value"}
	case 23:
		return skips{&counted{p.w, text, nil}}
	}
	if p.chance(50) {
		return p.rnd.IntN(1000)
	}
	return text
}

// prepared is a statement with its text.
type prepared struct {
	*sql.Stmt
	q string
}

// querier is what a program's handles have in common.
type querier interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	PrepareContext(context.Context, string) (*sql.Stmt, error)
}

// on returns one of the handles that are open.
func (p *program) on() (string, querier) {
	switch {
	case p.tx != nil && p.chance(60):
		return "tx", p.tx
	case p.conn != nil && !p.txOnConn && p.chance(60):
		return "conn", p.conn
	}
	return "db", p.db
}

func (p *program) result(what string, res sql.Result, err error) {
	p.see("%s: %s", what, describe(err))
	if err != nil {
		return
	}
	id, err := res.LastInsertId()
	p.see("LastInsertId %d %s", id, describe(err))
	n, err := res.RowsAffected()
	p.see("RowsAffected %d %s", n, describe(err))
}

func (p *program) opened(what string, rows *sql.Rows, err error) {
	p.see("%s: %s", what, describe(err))
	if err != nil {
		return
	}
	p.rows = append(p.rows, rows)
	if what == "conn.Query" {
		p.read(len(p.rows) - 1)
		p.closeRows(len(p.rows) - 1)
	}
	if len(p.rows) > 2 {
		p.read(0)
		p.closeRows(0)
	}
}

// read reads some of a result.
func (p *program) read(i int) {
	rows := p.rows[i]
	cols, err := rows.Columns()
	p.see("Columns %q %s", cols, describe(err))
	if p.chance(40) {
		types, err := rows.ColumnTypes()
		p.see("ColumnTypes %s", describe(err))
		for i, c := range types {
			length, ok := c.Length()
			null, nok := c.Nullable()
			precision, scale, pok := c.DecimalSize()
			if s := p.w.secrets; s != nil && s.kind(c.Name()) != "" {
				p.see("%d %s %s %v %v", i, c.Name(), c.DatabaseTypeName(), null, nok)
				continue
			}
			p.see("%d %s %s %v %d %v %v %v %d %d %v", i, c.Name(), c.DatabaseTypeName(), c.ScanType(), length, ok, null, nok, precision, scale, pok)
		}
	}
	for range p.rnd.IntN(5) {
		ok := rows.Next()
		p.see("Next %v %s", ok, describe(rows.Err()))
		if !ok {
			break
		}
		p.scan(rows, len(cols))
	}
	if p.chance(30) {
		ok := rows.NextResultSet()
		p.see("NextResultSet %v %s", ok, describe(rows.Err()))
		if ok {
			cols, err := rows.Columns()
			p.see("Columns %q %s", cols, describe(err))
			p.see("Next %v", rows.Next())
		}
	}
}

func (p *program) scan(rows *sql.Rows, n int) {
	dest := make([]any, n)
	for i := range dest {
		switch p.rnd.IntN(6) {
		case 0:
			dest[i] = new(string)
		case 1:
			dest[i] = new(int64)
		case 2:
			dest[i] = new(sql.NullString)
		default:
			dest[i] = new(any)
		}
	}
	cursor := n > 0 && p.w.secrets == nil && p.chance(10)
	if cursor {
		dest[0] = new(sql.Rows)
	}
	err := rows.Scan(dest...)
	if cursor {
		p.see("Scan of a cursor %s", describe(err))
		if err == nil {
			sub := dest[0].(*sql.Rows)
			p.see("cursor Next %v %s", sub.Next(), describe(sub.Err()))
			p.see("cursor Close %s", describe(sub.Close()))
		}
		return
	}
	p.see("Scan %s %s", show(dest), describe(err))
}

func (p *program) closeRows(i int) {
	err := p.rows[i].Close()
	p.see("rows.Close %s %s", describe(err), describe(p.rows[i].Err()))
	p.rows = slices.Delete(p.rows, i, i+1)
}

var txOptions = []*sql.TxOptions{nil, nil, {}, {ReadOnly: true}, {Isolation: sql.LevelSerializable}, {Isolation: sql.LevelReadCommitted, ReadOnly: true}}

// step does one thing.
func (p *program) step() {
	q := p.text()
	switch p.rnd.IntN(21) {
	case 0, 1, 2, 3:
		what, on := p.on()
		res, err := on.ExecContext(p.ctx(), q, p.args(q)...)
		p.result(what+".Exec", res, err)
	case 4, 5, 6:
		what, on := p.on()
		rows, err := on.QueryContext(p.ctx(), q, p.args(q)...)
		p.opened(what+".Query", rows, err)
	case 7, 8:
		what, on := p.on()
		s, err := on.PrepareContext(p.ctx(), q)
		p.see("%s.Prepare %s", what, describe(err))
		switch {
		case err != nil:
		case what == "conn":
			res, err := s.ExecContext(p.ctx(), p.args(q)...)
			p.result("stmt.Exec", res, err)
			p.see("closed %s", describe(s.Close()))
		default:
			p.stmts = append(p.stmts, prepared{s, q})
		}
	case 9, 10, 11:
		p.prepared()
	case 12, 13:
		if p.tx != nil {
			p.endTransaction()
			return
		}
		opts := txOptions[p.rnd.IntN(len(txOptions))]
		p.n++
		ctx, cancel := context.WithCancel(context.WithValue(context.Background(), marked{}, p.n))
		p.ends = append(p.ends, cancel)
		var err error
		if p.conn != nil && p.chance(50) {
			p.tx, err = p.conn.BeginTx(ctx, opts)
			p.txOnConn = err == nil
		} else {
			p.tx, err = p.db.BeginTx(ctx, opts)
		}
		p.endTx = cancel
		p.see("Begin %v %s", opts, describe(err))
	case 14:
		if p.tx != nil {
			p.fewRows()
			p.endTx()
			p.see("the transaction's context ends")
		}
	case 15, 16:
		if len(p.rows) > 0 {
			p.read(p.rnd.IntN(len(p.rows)))
		}
	case 17:
		if len(p.rows) > 0 {
			p.closeRows(p.rnd.IntN(len(p.rows)))
		}
	case 18:
		p.onConn()
	case 19:
		p.see("Ping %s", describe(p.db.PingContext(p.ctx())))
	case 20:
		idle := p.rnd.IntN(3)
		p.db.SetMaxIdleConns(idle)
		p.see("idle %d", idle)
	}
}

// prepared executes a statement that was prepared before.
func (p *program) prepared() {
	if len(p.stmts) == 0 {
		return
	}
	i := p.rnd.IntN(len(p.stmts))
	s, q := p.stmts[i].Stmt, p.stmts[i].q
	if p.tx != nil && p.chance(40) {
		s = p.tx.StmtContext(p.ctx(), s)
		p.see("tx.Stmt")
	}
	if p.chance(50) {
		res, err := s.ExecContext(p.ctx(), p.args(q)...)
		p.result("stmt.Exec", res, err)
	} else {
		rows, err := s.QueryContext(p.ctx(), p.args(q)...)
		p.opened("stmt.Query", rows, err)
	}
	if s != p.stmts[i].Stmt {
		p.see("closed %s", describe(s.Close()))
	} else if p.chance(30) {
		p.see("closed %s", describe(s.Close()))
		p.stmts = slices.Delete(p.stmts, i, i+1)
	}
}

// onConn takes a connection, or does with it what only a sql.Conn does.
func (p *program) onConn() {
	if p.conn == nil {
		var err error
		p.conn, err = p.db.Conn(p.ctx())
		p.see("Conn %s", describe(err))
		return
	}
	if p.txOnConn {
		return
	}
	switch p.rnd.IntN(4) {
	case 0:
		p.see("conn.Ping %s", describe(p.conn.PingContext(p.ctx())))
	case 1, 2:
		err := []error{nil, driver.ErrBadConn, fakeErrors[0]}[p.rnd.IntN(3)]
		p.see("conn.Raw %s", describe(p.conn.Raw(func(any) error { return err })))
	case 3:
		p.see("conn.Close %s", describe(p.conn.Close()))
		p.conn = nil
	}
}

// fewRows leaves at most one result open: several ones of a transaction are closed in no order when it ends.
func (p *program) fewRows() {
	for len(p.rows) > 1 {
		p.closeRows(0)
	}
}

func (p *program) endTransaction() {
	p.fewRows()
	var err error
	if p.chance(50) {
		err = p.tx.Commit()
	} else {
		err = p.tx.Rollback()
	}
	p.see("tx ended %s", describe(err))
	p.tx, p.endTx, p.txOnConn = nil, nil, false
}

// run runs the program and returns its log.
func (p *program) run(open func() (*sql.DB, error), steps int) []string {
	var err error
	p.db, err = open()
	p.see("open %s", describe(err))
	if err != nil {
		return p.w.log
	}
	for range steps {
		p.step()
	}
	for len(p.rows) > 0 {
		p.closeRows(0)
	}
	if p.tx != nil {
		p.endTransaction()
	}
	for _, s := range p.stmts {
		p.see("stmt.Close %s", describe(s.Close()))
	}
	if p.conn != nil {
		p.see("conn.Close %s", describe(p.conn.Close()))
	}
	p.see("db.Close %s", describe(p.db.Close()))
	for _, end := range p.ends {
		end()
	}
	synctest.Wait()
	return sortedCloses(p.w.log)
}

// passing are texts that don't concern the wrapper, which it must find out.
var passing = []string{
	"UPDATE other SET a = ?", "SELECT a FROM other WHERE b = ?", "INSERT INTO other VALUES (?, ?)", "SELECT 1", "", ";", "-- a comment", "SELECT '?'",
	"BEGIN", "COMMIT", "SAVEPOINT s", "RELEASE s", "ROLLBACK", "SET NAMES utf8", "SET client_encoding TO 'UTF8'", "SET sql_mode = ''",
	"SELECT \"h\xe9llo\xff\"", "this isn't SQL at all", "CREATE TABLE other (id INTEGER)", "DROP TABLE other",
	"SELECT '" + strings.Repeat("long ", 1000) + "'", "SELECT '" + strings.Repeat("longer ", 8000) + "' WHERE a = ?",
	"INSERTBULK {\"TableName\":\"other\"}", "SELECT a FROM other; SELECT b FROM another",
}

// dialects are those that the wrapper knows.
var dialects = []dialect.Dialect{dialect.SQLite, dialect.Postgres, dialect.MySQL}

// conforming has what the runs of a test share: keys, made once.
type conforming struct {
	wires *sync.Map // of the registered drivers: name → *wire
	cfgs  map[string]asherah.Config
	seen  map[string]int // methods → calls; nil: they aren't counted
}

var (
	registered   = wireDriver{new(sync.Map)}
	registerOnce sync.Once
	wireNames    atomic.Int64
)

// conformance prepares what the runs share.
func conformance(t testing.TB) *conforming {
	registerOnce.Do(func() {
		sql.Register("conform-plain", registered)
		sql.Register("conform-context", wireDriverContext{registered})
		sql.Register("asherah-conform-plain", asherah.New(registered, dialect.SQLite))
		sql.Register("asherah-conform-context", asherah.New(wireDriverContext{registered}, dialect.SQLite))
	})
	c := &conforming{wires: registered.wires, cfgs: map[string]asherah.Config{}}
	for _, schema := range []string{"empty", "apart"} {
		for _, d := range dialects {
			cfg := emptyConfig(t)
			cfg.KMS, cfg.KMSName, cfg.Metastore, cfg.Keys = nil, "insecure-test", asherah.MetastoreMemory, asherah.NewKeys()
			if schema == "apart" {
				cfg.Schema, cfg.AllowEmptySchema, cfg.SkipVerify = schemaOf(t, user{}), false, true
			}
			// A connection that is open throughout holds the keys.
			held, err := asherah.WrapConnector(wireConnector{&wire{}, registered}, d, cfg)
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(held)
			t.Cleanup(func() { db.Close() })
			if err := db.Ping(); err != nil {
				t.Fatal(err)
			}
			c.cfgs[schema+" "+d.String()] = cfg
		}
	}
	return c
}

// check runs one program bare and wrapped.
func (c *conforming) check(t *testing.T, f form, seed uint64, steps int) {
	schema := []string{"empty", "apart"}[seed%2]
	d := dialects[seed/2%uint64(len(dialects))]
	way := seed / 7 % 3 // how the database is opened
	if way == 1 {
		d = dialect.SQLite
	}
	cfg := c.cfgs[schema+" "+d.String()]
	run := func(open func(*wire) (*sql.DB, error)) []string {
		w := &wire{form: f, seed: seed}
		p := &program{w: w, rnd: rand.New(rand.NewPCG(seed, 1)), texts: passing}
		return p.run(func() (*sql.DB, error) { return open(w) }, steps)
	}
	byName := func(prefix string) func(w *wire) (*sql.DB, error) {
		return func(w *wire) (*sql.DB, error) {
			name := fmt.Sprint("wire", wireNames.Add(1))
			c.wires.Store(name, w)
			what := "conform-plain"
			if f.context {
				what = "conform-context"
			}
			if prefix != "" {
				config := name + "-config"
				if err := asherah.RegisterConfig(config, cfg); err != nil {
					return nil, err
				}
				name += "?asherah_config=" + config
			}
			return sql.Open(prefix+what, name)
		}
	}
	bare, wrapped := byName(""), byName("asherah-")
	if way != 1 {
		bare = func(w *wire) (*sql.DB, error) { return sql.OpenDB(w.connector(registered)), nil }
		wrapped = func(w *wire) (*sql.DB, error) {
			wc, err := asherah.WrapConnector(w.connector(registered), d, cfg)
			if err != nil {
				return nil, err
			}
			return sql.OpenDB(wc), nil
		}
	}
	var want, got []string
	synctest.Test(t, func(*testing.T) { want = run(bare) })
	synctest.Test(t, func(*testing.T) { got = run(wrapped) })
	if c.seen != nil {
		for _, line := range want {
			for _, word := range strings.Fields(line) {
				c.seen[word]++
			}
		}
	}
	compare(t, fmt.Sprintf("seed %d, schema %s, %v, opened in way %d: %v", seed, schema, d, way, f), got, want)
}

// compare reports the first line in which the logs differ.
func compare(t *testing.T, what string, got, want []string) {
	t.Helper()
	if len(want) < 2 {
		t.Fatalf("%s: nothing was done: %q", what, want)
	}
	for i := range max(len(got), len(want)) {
		line := func(log []string) string {
			if i < len(log) {
				return log[i]
			}
			return "(ended)"
		}
		if line(got) == line(want) {
			continue
		}
		from := max(0, i-12)
		t.Errorf("%s\nbefore:\n%s\nwrapped:\n%s\nbare:\n%s", what, strings.Join(want[from:min(i, len(want))], "\n"),
			strings.Join(got[min(i, len(got)):min(i+4, len(got))], "\n"), strings.Join(want[min(i, len(want)):min(i+4, len(want))], "\n"))
		return
	}
}

// formOf draws the habits of a driver whose connections are of the given form.
func formOf(conn int, seed uint64) form {
	d := mix(seed + 1)
	return form{
		conn: conn, stmt: int(d % uint64(len(stmtForms))), rows: int(d >> 8 % uint64(len(rowsForms))),
		checker: int(d >> 16 % 3), converter: int(d >> 20 % 2), counts: d>>24%2 == 0, closer: d>>25%2 == 0, context: d>>26%2 == 0,
		trouble: []int{0, 3, 12}[d>>28%3],
	}
}

// TestDriversOfEveryForm runs a program over each form of a connection, the other parts drawn.
func TestDriversOfEveryForm(t *testing.T) {
	c := conformance(t)
	c.seen = map[string]int{}
	for n := range 2 * len(connForms) {
		if seed := uint64(n); !t.Failed() {
			c.check(t, formOf(n%len(connForms), seed), seed, 30)
		}
	}
	for n := range max(len(stmtForms), len(rowsForms)) {
		f := formOf(1<<len(connParts)-1, uint64(n))
		f.stmt, f.rows = n%len(stmtForms), n%len(rowsForms)
		if !t.Failed() {
			c.check(t, f, 5000+uint64(n), 30)
		}
	}
	// The programs have come everywhere.
	for _, part := range append(append(append([]string{"Commit", "Rollback", "NumInput", "ConvertValue", "Next", "OpenConnector", "Open", "Connect", "LastInsertId", "Value"}, connParts...), stmtParts...), rowsParts...) {
		if c.seen[part] < 20 {
			t.Errorf("%s was called %d times", part, c.seen[part])
		}
	}
}

// knownDrivers have the forms of drivers that people use, as of 2026. Forms of others are among all of them.
var knownDrivers = map[string]form{
	"microsoft/go-mssqldb": {
		conn: cPing | cPrepare | cBeginTx | cReset | cValid | cCheck, stmt: sExec | sQuery, rows: rNextSet | rScanType | rTypeName | rLength | rNullable | rPrecision,
		checker: 2, counts: true, context: true,
	},
	"sijms/go-ora": {
		conn: cPing | cExecContext | cQueryContext | cPrepare | cBeginTx | cReset | cCheck, stmt: sExec | sQuery | sCheck, rows: rScanType | rTypeName | rLength | rNullable | rPrecision,
		context: true,
	},
	"jackc/pgx": {
		conn: cPing | cExecContext | cQueryContext | cPrepare | cBeginTx | cReset | cCheck, stmt: sExec | sQuery, rows: rScanType | rTypeName | rLength | rPrecision,
		counts: true, context: true,
	},
	"go-sql-driver/mysql": {
		conn: cPing | cExec | cExecContext | cQuery | cQueryContext | cPrepare | cBeginTx | cReset | cValid | cCheck, stmt: sExec | sQuery | sCheck | sConverter, rows: rNextSet | rScanType | rTypeName | rNullable | rPrecision,
		checker: 2, counts: true, context: true,
	},
	"mattn/go-sqlite3": {
		conn: cPing | cExec | cExecContext | cQuery | cQueryContext | cPrepare | cBeginTx, stmt: sExec | sQuery, rows: rScanType | rTypeName | rLength | rNullable | rPrecision,
		counts: true,
	},
	"modernc.org/sqlite": {
		conn: cPing | cExec | cExecContext | cQuery | cQueryContext | cPrepare | cBeginTx | cReset | cValid, stmt: sExec | sQuery, rows: rScanType | rTypeName | rLength | rNullable | rPrecision,
		counts: true,
	},
}

func TestDriversOfKnownForms(t *testing.T) {
	c := conformance(t)
	for name, f := range knownDrivers {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(60) {
				f.trouble = []int{0, 3, 12}[seed%3]
				if !t.Failed() {
					c.check(t, f, seed, 60)
				}
			}
		})
	}
}

// Two runs over the same driver are the same, and runs over different ones are told apart.
func TestRunsCanBeCompared(t *testing.T) {
	run := func(f form, seed uint64) (log []string) {
		synctest.Test(t, func(*testing.T) {
			w := &wire{form: f, seed: seed}
			p := &program{w: w, rnd: rand.New(rand.NewPCG(seed, 1)), texts: passing}
			log = p.run(func() (*sql.DB, error) { return sql.OpenDB(w.connector(registered)), nil }, 60)
		})
		return log
	}
	for seed := range uint64(40) {
		f := formOf(int(mix(seed)%uint64(len(connForms))), seed)
		log := run(f, seed)
		compare(t, f.String(), run(f, seed), log)
		f.conn ^= cReset | cValid | cExecContext | cQueryContext | cPrepare
		if slices.Equal(run(f, seed), log) {
			t.Errorf("seed %d: drivers of different forms give the same log: %v", seed, f)
		}
	}
}

func FuzzDriversOfEveryForm(f *testing.F) {
	for i := range 8 {
		f.Add(uint16(i*131), uint64(i*1001), uint8(40))
	}
	c := conformance(f)
	f.Fuzz(func(t *testing.T, conn uint16, seed uint64, steps uint8) {
		c.check(t, formOf(int(conn)%len(connForms), seed), seed, int(steps)%80)
	})
}
