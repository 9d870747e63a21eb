package mysql_test

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
	srv, twin := testserver.MariaDB(t, testserver.Private()), testserver.MariaDB(t, testserver.Private())
	for _, s := range []*testserver.Server{srv, twin} {
		mustExec(t, openPlain(t, s.DSN("")), "CREATE DATABASE "+sqlgen.Database)
	}
	plain, other := openPlain(t, srv.DSN(sqlgen.Database)), openPlain(t, twin.DSN(sqlgen.Database))
	for _, q := range sqlgen.Tables(dialect.MySQL) {
		mustExec(t, plain, q)
		mustExec(t, other, q)
	}
	drivertest.Marked{
		Dialect: dialect.MySQL, Mode: sqlgen.Mode{BackslashEscapes: true},
		Open: connect(t, srv.DSN(sqlgen.Database), cfg), Plain: plain, Twin: other, Log: srv.Log,
	}.Run(t)
}
