package postgres_test

import (
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/drivertest"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan/sqlgen"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

func TestNoGeneratedStatementTellsASecret(t *testing.T) {
	schema, err := sqlgen.Schema()
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t)
	cfg.Schema, cfg.Partition = schema, drivertest.MarkedPartition
	srv, twin := testserver.Postgres(t, testserver.Private()), testserver.Postgres(t)
	plain, other := openPlain(t, srv.DSN("")), openPlain(t, twin.DSN(""))
	for _, q := range sqlgen.Tables(dialect.Postgres) {
		mustExec(t, plain, q)
		mustExec(t, other, q)
	}
	drivertest.Marked{
		Dialect: dialect.Postgres, Open: connect(t, srv.DSN(""), cfg), Plain: plain, Twin: other, Log: srv.Log,
	}.Run(t)
}
