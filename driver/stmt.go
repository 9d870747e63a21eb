package driver

import (
	"context"
	"database/sql/driver"
)

// stmt is a prepared statement. The wrapped driver has prepared the text that will be sent, so nothing of
// it changes between executions, but for literals in encrypted positions (sealed anew each time) and
// tables that changed: those are prepared again when they are executed.
type stmt struct {
	c     *conn
	query string
	s     *statement
	inner driver.Stmt
	text  string // what inner was prepared from
	want  int    // what inner.NumInput said last; -1 when it can't tell
}

var (
	_ driver.Stmt              = (*stmt)(nil)
	_ driver.StmtExecContext   = (*stmt)(nil)
	_ driver.StmtQueryContext  = (*stmt)(nil)
	_ driver.NamedValueChecker = (*stmt)(nil)
)

func (c *conn) prepare(ctx context.Context, query string, s *statement) (driver.Stmt, error) {
	inner, err := callPrepare(ctx, c.inner, s.text)
	if err != nil {
		return nil, c.noted(err)
	}
	return &stmt{c: c, query: query, s: s, inner: inner, text: s.text, want: -1}, nil
}

// NumInput is the number of arguments that the program gives: without those that the plan adds. database/sql
// asks before it converts arguments, at each execution, and the wrapped statement is asked as often.
func (s *stmt) NumInput() int {
	s.want = s.inner.NumInput()
	n := s.want
	if n < 0 {
		return n
	}
	for _, a := range s.s.plan.Args {
		if a.Lookup > 0 {
			n--
		}
	}
	return n
}

// CheckNamedValue converts an argument as the wrapped statement, or else its connection, would.
func (s *stmt) CheckNamedValue(nv *driver.NamedValue) error {
	check, ok := s.inner.(driver.NamedValueChecker)
	if !ok {
		check, _ = s.c.inner.(driver.NamedValueChecker)
	}
	cc, _ := s.inner.(columnConverter)
	err := s.c.convert(nv, check, cc, s.want)
	if r, ok := nv.Value.(*rawArg); ok && s.s.passes() {
		nv.Value = r.value
		return r.err
	}
	return err
}

// Exec is ExecContext without a context.
func (s *stmt) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), withOrdinals(args))
}

// Query is QueryContext without a context.
func (s *stmt) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), withOrdinals(args))
}

func withOrdinals(args []driver.Value) []driver.NamedValue {
	nvs := make([]driver.NamedValue, len(args))
	for i, v := range args {
		nvs[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return nvs
}

// ExecContext seals the arguments and executes the statement.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	if s.s.setsMode || s.s.setsCharset {
		if err := s.c.minds(ctx, s.s); err != nil {
			return nil, err
		}
	}
	if s.s.passes() && len(s.s.tx) == 0 && !s.s.moded {
		res, err := callStmtExec(ctx, s.inner, args)
		return res, s.c.noted(err)
	}
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	var res driver.Result
	err := s.c.around(ctx, s.s, func() error {
		out, err := s.c.seal(ctx, s.query, s.s, args)
		if err != nil {
			return err
		}
		inner, once, err := s.ready(ctx, out)
		if err != nil {
			return err
		}
		if once {
			defer inner.Close()
		}
		res, err = callStmtExec(ctx, inner, out.args)
		return err
	})
	return res, s.c.noted(err)
}

// QueryContext seals the arguments, executes the statement and opens its rows.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	if s.s.setsMode || s.s.setsCharset {
		if err := s.c.minds(ctx, s.s); err != nil {
			return nil, err
		}
	}
	if s.s.passes() && len(s.s.tx) == 0 && !s.s.moded {
		rows, err := callStmtQuery(ctx, s.inner, args)
		return rows, s.c.noted(err)
	}
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	if err := s.s.oneResult(s.c.core.catalog.db.lastResult); err != nil {
		return nil, err
	}
	var res driver.Rows
	err := s.c.around(ctx, s.s, func() error {
		out, err := s.c.seal(ctx, s.query, s.s, args)
		if err != nil {
			return err
		}
		inner, once, err := s.ready(ctx, out)
		if err != nil {
			return err
		}
		owned := driver.Stmt(nil)
		if once {
			owned = inner
		}
		rows, err := callStmtQuery(ctx, inner, out.args)
		if err == nil {
			res, err = s.c.open(ctx, s.query, s.s, rows, owned)
		} else if owned != nil {
			owned.Close()
		}
		return err
	})
	return res, s.c.noted(err)
}

// refresh plans the statement again when tables were registered or changed since, or the connection's mode is
// another one: the server goes on reading the text as it was prepared.
func (s *stmt) refresh(ctx context.Context) error {
	if s.s.passes() && !s.s.moded {
		return nil
	}
	now, err := s.c.plan(ctx, s.query)
	if err != nil {
		return err
	}
	same := now.text == s.text && (!now.moded || now.mode == s.s.mode)
	s.s = now
	if same {
		return nil
	}
	inner, err := callPrepare(ctx, s.c.inner, now.text)
	if err != nil {
		return err
	}
	old := s.inner
	s.inner, s.text, s.want = inner, now.text, -1
	return old.Close()
}

// ready returns the statement to execute: the prepared one, or one for this execution only.
func (s *stmt) ready(ctx context.Context, out outgoing) (inner driver.Stmt, once bool, err error) {
	if !out.rewritten {
		return s.inner, false, nil
	}
	inner, err = callPrepare(ctx, s.c.inner, out.query)
	return inner, true, err
}

// Close closes the wrapped statement.
func (s *stmt) Close() error { return s.inner.Close() }
