package driver_test

import (
	"testing"

	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/drivertest"
)

// session is what drivertest's tests of sessions take, on SQLite.
func session(t *testing.T) drivertest.Session {
	d := open(t, func(cfg *asherah.Config) { *cfg = drivertest.Config(t) })
	if _, err := d.plain.Exec(`ALTER TABLE users ADD COLUMN born TEXT`); err != nil {
		t.Fatal(err)
	}
	return drivertest.Session{DB: d.DB, Plain: d.plain}
}

func TestAPreparedStatementOnManyConnections(t *testing.T) {
	drivertest.PreparedOnManyConnections(t, session(t))
}

func TestRowsAreCancelledInTheirMiddle(t *testing.T) { drivertest.Cancelled(t, session(t)) }

func TestOneConnectionAndItsTransactions(t *testing.T) { drivertest.Nested(t, session(t)) }

func TestAPreparedStatementAfterTheTableChanged(t *testing.T) {
	for _, behind := range []bool{true, false} {
		drivertest.Changed(t, session(t), behind,
			`SELECT 1`,
			`ALTER TABLE users ADD COLUMN more TEXT`,
			`ALTER TABLE users DROP COLUMN more`,
			`DROP TABLE users; CREATE TABLE users (first TEXT, email TEXT, id INTEGER PRIMARY KEY, tenant_id TEXT, name TEXT, ssn TEXT, age TEXT, born TEXT)`,
			`CREATE INDEX users_by_name ON users (name)`,
		)
	}
}
