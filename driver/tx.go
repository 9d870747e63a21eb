package driver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/metastore"
	"github.com/asherah-sql/asherah-sql/metastore/sqlstore"
)

// Where a database has one writer, the row of a new key goes through the connection in use and so belongs
// to the transaction that is open on it. Such a key is provisional: the connection's overlay holds it until
// the transaction has been committed, and drops it when the transaction was rolled back.
//
// conn.inTx is only what the wrapper has seen. SQLite also ends transactions by itself (a full disk, ON
// CONFLICT ROLLBACK), and programs can begin one behind the wrapper's back (sql.Conn.Raw). So nothing
// depends on inTx alone: whenever provisional keys exist, the connection is asked.

// rowStore keeps key rows on the connection in use.
type rowStore struct {
	table *sqlstore.Store
	c     *conn
}

// Kind names the store in the metrics.
func (s *rowStore) Kind() string { return s.table.Kind() }

// Load loads a key row.
func (s *rowStore) Load(ctx context.Context, meta metastore.KeyMeta) (*metastore.EnvelopeKeyRecord, error) {
	return s.table.Load(ctx, meta)
}

// LoadLatest loads the newest key row of an id.
func (s *rowStore) LoadLatest(ctx context.Context, id string) (*metastore.EnvelopeKeyRecord, error) {
	return s.table.LoadLatest(ctx, id)
}

// Store inserts a key row, as one statement: in the transaction that is open, or durably when none is. Which
// of the two it was is asked afterwards, see published; a transaction of its own around it would end what the
// program has under way (rows of an INSERT … RETURNING that are still being read).
func (s *rowStore) Store(ctx context.Context, meta metastore.KeyMeta, rec *metastore.EnvelopeKeyRecord) error {
	return s.table.Store(ctx, meta, rec)
}

// pending tells whether keys wait for a transaction's end.
func (c *conn) pending() bool { return c.overlay != nil && c.overlay.Pending() > 0 }

// settle finds out whether the transaction that provisional keys wait for is still open, and if it isn't,
// publishes those whose rows are there and drops the others.
func (c *conn) settle(ctx context.Context) error {
	if !c.pending() {
		return nil
	}
	if c.keysInProcess {
		c.overlay.Commit()
		return nil
	}
	open, err := c.transactionOpen(ctx)
	if err != nil {
		return fmt.Errorf("keys of the open transaction: %w", err)
	}
	c.inTx = open
	if open {
		return nil
	}
	return c.overlay.Reconcile(context.WithoutCancel(ctx))
}

// published gives keys that were just stored to everybody, if no transaction holds their rows.
func (c *conn) published(ctx context.Context) error {
	if !c.pending() {
		return nil
	}
	if !c.keysInProcess {
		open, err := c.transactionOpen(ctx)
		if err != nil {
			return fmt.Errorf("store key: %w", err)
		}
		if c.inTx = open; open {
			return nil
		}
	}
	c.overlay.Commit()
	return nil
}

// transactionOpen asks the connection. Setting `synchronous` to what it is changes nothing, takes no lock, and
// is an error inside of a transaction, whoever began it.
func (c *conn) transactionOpen(ctx context.Context) (bool, error) {
	ctx = context.WithoutCancel(ctx)
	rows, err := c.raw().Query(ctx, "PRAGMA main.synchronous")
	if err != nil {
		return false, err
	}
	if len(rows) != 1 || len(rows[0]) != 1 {
		return false, errors.New("PRAGMA synchronous gives no value")
	}
	_, err = c.raw().Exec(ctx, fmt.Sprintf("PRAGMA main.synchronous = %d", integer(rows[0][0])))
	if err != nil && inTransaction(err) {
		return true, nil
	}
	return false, err
}

// around runs a statement and sees to the keys of a transaction that the statement's text begins or ends.
func (c *conn) around(ctx context.Context, s *statement, send func() error) error {
	if !s.passes() {
		if err := c.ready(ctx); err != nil {
			return err
		}
	}
	if !c.core.cfg.SkipVerify && len(s.tables) > 0 {
		if err := c.core.catalog.verify(ctx, c.raw(), c.core.cfg.Schema, s.tables); err != nil && !s.ddl {
			return err
		}
	}
	if c.overlay != nil {
		if err := c.beforeText(ctx, s); err != nil {
			return err
		}
	}
	err := send()
	if s.ddl {
		c.core.catalog.forget()
	}
	if c.overlay != nil {
		err = both(err, c.afterText(ctx, s, err))
	}
	return err
}

// both joins two errors and leaves a single one as it is: database/sql and programs compare values.
func both(err, other error) error {
	switch {
	case other == nil:
		return err
	case err == nil:
		return other
	}
	return errors.Join(err, other)
}

// beforeText stores the key rows again that a savepoint took back, before anything that may commit.
func (c *conn) beforeText(ctx context.Context, s *statement) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	if len(s.tx) == 0 {
		return nil
	}
	if len(s.plan.Values) > 0 {
		// Which of the text's transactions a new key would belong to can't be told when one is open.
		open, err := c.transactionOpen(ctx)
		if err != nil {
			return err
		}
		if open {
			return &RefusedError{
				Table: s.plan.Values[0].Column.Table.String(), Column: s.plan.Values[0].Column.Name, Offset: s.plan.Statements[0].Offset,
				Rule:   "transaction control and an encrypted value in one text, inside of a transaction",
				Remedy: "send the statements one at a time",
			}
		}
	}
	for _, t := range s.tx {
		if t.Op == sqlplan.TxCommit || t.Op == sqlplan.TxRelease {
			return c.restore(ctx)
		}
	}
	return nil
}

func (c *conn) restore(ctx context.Context) error {
	if !c.pending() {
		return nil
	}
	if err := c.overlay.Restore(ctx); err != nil {
		return fmt.Errorf("store the transaction's keys again: %w", err)
	}
	return nil
}

// afterText notes what a text did to the transaction.
func (c *conn) afterText(ctx context.Context, s *statement, failed error) error {
	if len(s.tx) == 0 || errors.Is(failed, driver.ErrSkip) {
		return nil // with ErrSkip nothing has been sent: the text comes again as a prepared statement
	}
	for _, t := range s.tx {
		switch t.Op {
		case sqlplan.TxBegin, sqlplan.TxSavepoint:
			c.inTx = true
		case sqlplan.TxCommit, sqlplan.TxRollback:
			c.inTx = false
		case sqlplan.TxRelease, sqlplan.TxRollbackTo:
		}
	}
	if failed != nil || len(s.tx) > 1 || s.tx[0].Op == sqlplan.TxRelease {
		// What has run, or whether it was the outermost savepoint, only the connection knows.
		open, err := c.transactionOpen(ctx)
		if err != nil {
			return nil // the provisional keys stay so until the next statement settles them
		}
		c.inTx = open
	}
	if !c.pending() || c.inTx {
		return nil
	}
	if failed == nil && len(s.tx) == 1 {
		switch s.tx[0].Op {
		case sqlplan.TxCommit, sqlplan.TxRelease:
			c.overlay.Commit() // restore saw to it that every row is there
			return nil
		case sqlplan.TxRollback:
			c.overlay.Discard()
			return nil
		}
	}
	return c.settle(ctx)
}

// tx is a transaction on a database with one writer.
type tx struct {
	driver.Tx
	c *conn
}

// Commit stores the key rows again that a savepoint took back, commits, and publishes the keys.
func (t *tx) Commit() error {
	ctx := context.Background()
	if err := t.c.restore(ctx); err != nil {
		// database/sql takes the transaction for ended whatever Commit returns.
		return errors.Join(err, t.Rollback())
	}
	err := t.Tx.Commit()
	if err != nil {
		return both(err, t.c.settle(ctx))
	}
	t.c.inTx = false
	if t.c.pending() {
		t.c.overlay.Commit()
	}
	return nil
}

// Rollback rolls back and drops the transaction's keys.
func (t *tx) Rollback() error {
	err := t.Tx.Rollback()
	if err != nil {
		return both(err, t.c.settle(context.Background()))
	}
	t.c.inTx = false
	if t.c.pending() {
		t.c.overlay.Discard()
	}
	return nil
}
