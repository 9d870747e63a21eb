package driver

import (
	"context"
	"database/sql/driver"
	"errors"

	"github.com/asherah-sql/asherah-sql/envelope"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
)

// conn is a wrapped connection. Like every driver.Conn it is used by one goroutine at a time.
//
// It lacks what a wrapper of some connections must not have: shape adds it where they have it.
type conn struct {
	core    *core
	inner   driver.Conn
	keys    *Keys
	state   *keyState // of keys, of which the connection holds a reference
	isReady bool      // see ready

	// overlay holds the keys that only this connection sees, on a database with one writer; else nil.
	overlay       *envelope.Overlay
	keysInProcess bool // the overlay's store isn't in the database: no transaction touches it
	inTx          bool // a transaction is believed to be open; see tx.go
	closed        bool

	recent recentPlans
	spare  *sealing // of an execution that has ended, for the next one; nil: none

	mode          sqlplan.Mode // the settings that decide how a text is read, when they were last asked for
	modePlans     *planSet     // plans that hold in mode, if it is kept; else nil
	modeVaries    bool         // a text has changed, or may have changed, the mode
	charsetOK     bool         // texts with bytes from 0x80 on are read as they stand
	charsetVaries bool         // a text has changed, or may have changed, the character set

	unconverted bool // an argument of the statement to come couldn't be converted
}

// The parts of a connection that it has only if the wrapped one has them.
type (
	execing   struct{ c *conn }
	querying  struct{ c *conn }
	resetting struct{ c *conn }
	valid     struct{ c *conn }
)

var (
	_ driver.Conn               = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
	_ driver.ExecerContext      = execing{}
	_ driver.QueryerContext     = querying{}
	_ driver.SessionResetter    = resetting{}
	_ driver.Validator          = valid{}
)

// shape returns the connection with the parts that it must have.
//
// It has ExecContext and QueryContext only if the wrapped one has them, or their older forms: database/sql
// converts arguments before it sees ErrSkip. And it has both ResetSession and IsValid only if the wrapped one
// does: database/sql keeps the connection of a transaction whose context ended if it has both, and else
// closes it.
func (c *conn) shape() driver.Conn {
	_, resets := c.inner.(driver.SessionResetter)
	_, validates := c.inner.(driver.Validator)
	e, q, r, v := execing{c}, querying{c}, resetting{c}, valid{c}
	exec, query := hasExec(c.inner), hasQuery(c.inner)
	switch {
	case resets && validates:
		switch {
		case exec && query:
			return struct {
				*conn
				execing
				querying
				resetting
				valid
			}{c, e, q, r, v}
		case exec:
			return struct {
				*conn
				execing
				resetting
				valid
			}{c, e, r, v}
		case query:
			return struct {
				*conn
				querying
				resetting
				valid
			}{c, q, r, v}
		}
		return struct {
			*conn
			resetting
			valid
		}{c, r, v}
	case validates:
		switch {
		case exec && query:
			return struct {
				*conn
				execing
				querying
				valid
			}{c, e, q, v}
		case exec:
			return struct {
				*conn
				execing
				valid
			}{c, e, v}
		case query:
			return struct {
				*conn
				querying
				valid
			}{c, q, v}
		}
		return struct {
			*conn
			valid
		}{c, v}
	}
	// Without either, ResetSession makes no difference to database/sql, and to the wrapper it does.
	switch {
	case exec && query:
		return struct {
			*conn
			execing
			querying
			resetting
		}{c, e, q, r}
	case exec:
		return struct {
			*conn
			execing
			resetting
		}{c, e, r}
	case query:
		return struct {
			*conn
			querying
			resetting
		}{c, q, r}
	}
	return struct {
		*conn
		resetting
	}{c, r}
}

// ExecContext plans, seals and sends.
func (e execing) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return e.c.exec(ctx, query, args)
}

// QueryContext plans, seals and sends, and opens what comes back.
func (q querying) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return q.c.query(ctx, query, args)
}

// Unwrap returns the wrapped driver's connection, for sql.Conn.Raw. What is sent on it bypasses the
// wrapper: values are neither sealed nor opened.
func (c *conn) Unwrap() driver.Conn {
	// It may change the settings as well.
	c.forgetMode()
	c.charsetOK = false
	return c.inner
}

func (c *conn) raw() rawConn { return rawConn{c.inner} }

// exec is ExecContext: plan, seal, send.
func (c *conn) exec(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	query, args, err := c.rewritten(ctx, query, args)
	if err != nil {
		return nil, err
	}
	s, err := c.plan(ctx, query)
	if err != nil {
		return nil, err
	}
	if s.passes() && len(s.tx) == 0 {
		if err := convertible(args); err != nil {
			return nil, err
		}
		res, err := callExec(ctx, c.inner, query, args)
		return res, c.noted(err)
	}
	if !s.passes() {
		if args, err = c.tried(args); err != nil {
			return nil, err
		}
		if len(args) > 0 && s.skips.Load() {
			return nil, driver.ErrSkip
		}
	}
	var res driver.Result
	err = c.around(ctx, s, func() error {
		out, err := c.seal(ctx, query, s, args)
		if err != nil {
			return err
		}
		res, err = callExec(ctx, c.inner, out.query, out.args)
		s.skipped(err)
		return err
	})
	return res, c.noted(err)
}

// query is QueryContext: plan, seal, send, and open what comes back.
func (c *conn) query(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	query, args, err := c.rewritten(ctx, query, args)
	if err != nil {
		return nil, err
	}
	s, err := c.plan(ctx, query)
	if err != nil {
		return nil, err
	}
	if s.passes() && len(s.tx) == 0 {
		if err := convertible(args); err != nil {
			return nil, err
		}
		rows, err := callQuery(ctx, c.inner, query, args)
		return rows, c.noted(err)
	}
	if err := s.oneResult(c.core.catalog.db.lastResult); err != nil {
		return nil, err
	}
	if !s.passes() {
		if args, err = c.tried(args); err != nil {
			return nil, err
		}
		if len(args) > 0 && s.skips.Load() {
			return nil, driver.ErrSkip
		}
	}
	var res driver.Rows
	err = c.around(ctx, s, func() error {
		out, err := c.seal(ctx, query, s, args)
		if err != nil {
			return err
		}
		rows, err := callQuery(ctx, c.inner, out.query, out.args)
		s.skipped(err)
		if err == nil {
			res, err = c.open(ctx, query, s, rows, nil)
		}
		return err
	})
	return res, c.noted(err)
}

// Prepare is PrepareContext without a context.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// PrepareContext plans query and prepares the text that will be sent.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.plan(ctx, query)
	if err != nil {
		return nil, err
	}
	return c.prepare(ctx, query, s)
}

// Begin is BeginTx without options.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx begins a transaction; a wrapped driver that knows no options refuses them as database/sql would.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	inner, err := callBegin(ctx, c.inner, opts)
	if err != nil || c.overlay == nil {
		return inner, c.noted(err)
	}
	c.inTx = true
	return &tx{inner, c}, nil
}

// Ping pings, if the wrapped driver can.
func (c *conn) Ping(ctx context.Context) error {
	if p, ok := c.inner.(driver.Pinger); ok {
		return c.noted(p.Ping(ctx))
	}
	return nil
}

// ResetSession resets the session, if the wrapped driver does.
func (r resetting) ResetSession(ctx context.Context) error {
	c := r.c
	if c.modeVaries {
		c.forgetMode() // some drivers take settings back
	}
	if inner, ok := c.inner.(driver.SessionResetter); ok {
		return c.noted(inner.ResetSession(ctx))
	}
	return nil
}

// IsValid asks the wrapped driver whether the connection may be used again.
func (v valid) IsValid() bool {
	if v.c.inner.(driver.Validator).IsValid() {
		return true
	}
	v.c.state.lost.Store(true)
	return false
}

// noted notes that the server was lost: what answers next may be another one, or a restored backup. It
// returns err.
func (c *conn) noted(err error) error {
	if err != nil && errors.Is(err, driver.ErrBadConn) {
		c.state.lost.Store(true)
	}
	return err
}

// Close closes the wrapped connection and gives its reference to the keys back. An open transaction ends
// with it, and so do the keys that only it saw.
func (c *conn) Close() error {
	err := c.inner.Close()
	if c.closed {
		return err
	}
	c.closed = true
	if c.overlay != nil {
		c.overlay.Discard()
	}
	return both(err, c.keys.release())
}
