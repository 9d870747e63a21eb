//lint:file-ignore SA1019 old drivers have only the deprecated interfaces, which database/sql still serves

package driver

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
)

// The functions here call a wrapped driver the way database/sql would: the optional interface when it is
// there, what database/sql does in its absence when it isn't.

// callExec runs conn's ExecerContext or Execer; driver.ErrSkip when it has neither.
func callExec(ctx context.Context, conn driver.Conn, query string, args []driver.NamedValue) (driver.Result, error) {
	if e, ok := conn.(driver.ExecerContext); ok {
		return e.ExecContext(ctx, query, args)
	}
	e, ok := conn.(driver.Execer)
	if !ok {
		return nil, driver.ErrSkip
	}
	values, err := unnamed(args)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return e.Exec(query, values)
}

// callQuery is callExec for QueryerContext and Queryer.
func callQuery(ctx context.Context, conn driver.Conn, query string, args []driver.NamedValue) (driver.Rows, error) {
	if q, ok := conn.(driver.QueryerContext); ok {
		return q.QueryContext(ctx, query, args)
	}
	q, ok := conn.(driver.Queryer)
	if !ok {
		return nil, driver.ErrSkip
	}
	values, err := unnamed(args)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return q.Query(query, values)
}

func callPrepare(ctx context.Context, conn driver.Conn, query string) (driver.Stmt, error) {
	if p, ok := conn.(driver.ConnPrepareContext); ok {
		return p.PrepareContext(ctx, query)
	}
	s, err := conn.Prepare(query)
	if err == nil && ctx.Err() != nil {
		s.Close()
		return nil, ctx.Err()
	}
	return s, err
}

func callStmtExec(ctx context.Context, s driver.Stmt, args []driver.NamedValue) (driver.Result, error) {
	if e, ok := s.(driver.StmtExecContext); ok {
		return e.ExecContext(ctx, args)
	}
	values, err := unnamed(args)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.Exec(values)
}

func callStmtQuery(ctx context.Context, s driver.Stmt, args []driver.NamedValue) (driver.Rows, error) {
	if q, ok := s.(driver.StmtQueryContext); ok {
		return q.QueryContext(ctx, args)
	}
	values, err := unnamed(args)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.Query(values)
}

func callBegin(ctx context.Context, conn driver.Conn, opts driver.TxOptions) (driver.Tx, error) {
	if b, ok := conn.(driver.ConnBeginTx); ok {
		return b.BeginTx(ctx, opts)
	}
	if opts.Isolation != 0 {
		return nil, errors.New("sql: driver does not support non-default isolation level")
	}
	if opts.ReadOnly {
		return nil, errors.New("sql: driver does not support read-only transactions")
	}
	tx, err := conn.Begin()
	if err == nil && ctx.Err() != nil {
		tx.Rollback()
		return nil, ctx.Err()
	}
	return tx, err
}

func hasExec(c driver.Conn) bool {
	if _, ok := c.(driver.ExecerContext); ok {
		return true
	}
	_, ok := c.(driver.Execer)
	return ok
}

func hasQuery(c driver.Conn) bool {
	if _, ok := c.(driver.QueryerContext); ok {
		return true
	}
	_, ok := c.(driver.Queryer)
	return ok
}

// columnConverter is the old way in which a statement converts its arguments.
type columnConverter = driver.ColumnConverter

// unnamed drops the names of arguments for drivers that know none.
func unnamed(args []driver.NamedValue) ([]driver.Value, error) {
	values := make([]driver.Value, len(args))
	for i, a := range args {
		if a.Name != "" {
			return nil, errors.New("sql: driver does not support the use of Named Parameters")
		}
		values[i] = a.Value
	}
	return values, nil
}

// rawConn runs the wrapper's own statements (key rows, catalogue, partition look-ups) on a wrapped
// connection. It has the methods of sqlstore.Querier. The caller holds the connection, as every caller of
// a driver's methods does.
type rawConn struct{ conn driver.Conn }

// Exec runs a statement and returns the number of rows it changed.
func (r rawConn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	nvs := ordinals(args)
	res, err := callExec(ctx, r.conn, query, nvs)
	if errors.Is(err, driver.ErrSkip) {
		var s driver.Stmt
		if s, err = callPrepare(ctx, r.conn, query); err != nil {
			return 0, err
		}
		defer s.Close()
		res, err = callStmtExec(ctx, s, nvs)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Query runs a statement and returns all its rows.
func (r rawConn) Query(ctx context.Context, query string, args ...any) (_ [][]any, err error) {
	nvs := ordinals(args)
	rows, err := callQuery(ctx, r.conn, query, nvs)
	if errors.Is(err, driver.ErrSkip) {
		var s driver.Stmt
		if s, err = callPrepare(ctx, r.conn, query); err != nil {
			return nil, err
		}
		defer s.Close()
		rows, err = callStmtQuery(ctx, s, nvs)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	buf := make([]driver.Value, len(rows.Columns()))
	var out [][]any
	for {
		if err := rows.Next(buf); err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		row := make([]any, len(buf))
		for i, v := range buf {
			if b, ok := v.([]byte); ok {
				v = string(b) // the driver may reuse the bytes
			}
			row[i] = v
		}
		out = append(out, row)
	}
}

func ordinals(args []any) []driver.NamedValue {
	nvs := make([]driver.NamedValue, len(args))
	for i, a := range args {
		nvs[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return nvs
}
