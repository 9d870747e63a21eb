package drivertest

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"
	"sync"
)

// Recorder stands in for the statement log of a server where there is no server: it is a connector that notes each text
// and each argument that its base is given.
type Recorder struct {
	Base driver.Connector

	mu  sync.Mutex
	log strings.Builder
}

// Log returns what was noted.
func (r *Recorder) Log() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

func (r *Recorder) note(query string, args []driver.NamedValue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log.WriteString(query)
	for _, a := range args {
		switch v := a.Value.(type) {
		case []byte:
			fmt.Fprintf(&r.log, "\n%s %q", a.Name, v)
		default:
			fmt.Fprintf(&r.log, "\n%s %v", a.Name, v)
		}
	}
	r.log.WriteByte('\n')
}

// Driver is the base's.
func (r *Recorder) Driver() driver.Driver { return r.Base.Driver() }

// Connect opens a connection that is noted.
func (r *Recorder) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.Base.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &recorded{c.(recordable), r}, nil
}

// recordable is what the drivers for SQLite implement.
type recordable interface {
	driver.Conn
	driver.ConnPrepareContext
	driver.ConnBeginTx
	driver.ExecerContext
	driver.QueryerContext
}

type recorded struct {
	recordable
	r *Recorder
}

func (c *recorded) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.r.note(query, args)
	return c.recordable.ExecContext(ctx, query, args)
}

func (c *recorded) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.r.note(query, args)
	return c.recordable.QueryContext(ctx, query, args)
}

func (c *recorded) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

func (c *recorded) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.r.note(query, nil)
	s, err := c.recordable.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &recordedStmt{s, query, c.r}, nil
}

type recordedStmt struct {
	driver.Stmt
	query string
	r     *Recorder
}

func (s *recordedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.r.note(s.query, args)
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *recordedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.r.note(s.query, args)
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}
