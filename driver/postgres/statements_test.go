package postgres_test

import (
	"testing"

	"github.com/asherah-sql/asherah-sql/internal/drivertest"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// inModes runs a test in pgx's execution modes, each with a database of its own.
func inModes(t *testing.T, f func(t *testing.T, s drivertest.Session)) {
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			srv := testserver.Postgres(t)
			d := openOn(t, srv, with(srv.DSN(""), "default_query_exec_mode", mode))
			f(t, drivertest.Session{DB: d.DB, Plain: d.plain, Numbered: true, Slow: "pg_sleep(0.01)"})
			d.noLeak(t)
		})
	}
}

func TestAPreparedStatementOnManyConnections(t *testing.T) {
	inModes(t, drivertest.PreparedOnManyConnections)
}

func TestRowsAreCancelledInTheirMiddle(t *testing.T) { inModes(t, drivertest.Cancelled) }

func TestOneConnectionAndItsTransactions(t *testing.T) { inModes(t, drivertest.Nested) }

func TestAPreparedStatementAfterTheTableChanged(t *testing.T) {
	for _, behind := range []bool{true, false} {
		inModes(t, func(t *testing.T, s drivertest.Session) {
			drivertest.Changed(t, s, behind,
				`SELECT 1`,
				`ALTER TABLE users ADD COLUMN more TEXT`,
				`ALTER TABLE users DROP COLUMN more`,
				`DROP TABLE users; CREATE TABLE users (first TEXT, email TEXT, id BIGINT PRIMARY KEY, tenant_id TEXT, name TEXT, ssn TEXT, age TEXT, born TEXT)`,
				`ALTER TABLE users ALTER COLUMN tenant_id TYPE VARCHAR(70)`,
			)
		})
	}
}
