package sqlite_test

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"path/filepath"
	"testing"

	moderncsqlite "modernc.org/sqlite"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/drivertest"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan/sqlgen"
)

type base struct{ path string }

func (b base) Driver() sqldriver.Driver { return &moderncsqlite.Driver{} }

func (b base) Connect(ctx context.Context) (sqldriver.Conn, error) {
	c, err := b.Driver().Open(b.path)
	if err == nil {
		_, err = c.(sqldriver.ExecerContext).ExecContext(ctx, "ATTACH '"+b.path+".archive' AS archive", nil)
	}
	return c, err
}

func TestNoGeneratedStatementTellsASecret(t *testing.T) {
	dir := t.TempDir()
	schema, err := sqlgen.Schema()
	if err != nil {
		t.Fatal(err)
	}
	cfg := drivertest.Config(t)
	cfg.Schema, cfg.Partition = schema, drivertest.MarkedPartition
	real, twin := filepath.Join(dir, "real.db"), filepath.Join(dir, "twin.db")
	recorder := &drivertest.Recorder{Base: base{real}}
	open := func(c sqldriver.Connector) *sql.DB {
		db := sql.OpenDB(c)
		t.Cleanup(func() { db.Close() })
		db.SetMaxOpenConns(1)
		return db
	}
	plain, other := open(base{real}), open(base{twin})
	for _, q := range sqlgen.Tables(dialect.SQLite) {
		drivertest.MustExec(t, plain, q)
		drivertest.MustExec(t, other, q)
	}
	wrapped, err := driver.WrapConnector(recorder, dialect.SQLite, cfg)
	if err != nil {
		t.Fatal(err)
	}
	drivertest.Marked{Dialect: dialect.SQLite, Open: open(wrapped), Plain: plain, Twin: other, Log: recorder.Log}.Run(t)
}
