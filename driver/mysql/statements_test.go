package mysql_test

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/asherah-sql/asherah-sql/internal/drivertest"
)

// session is what drivertest's tests of sessions take.
func (d *database) session() drivertest.Session {
	return drivertest.Session{DB: d.DB, Plain: d.plain, Slow: "SLEEP(0.01)"}
}

func TestAPreparedStatementOnManyConnections(t *testing.T) {
	for _, way := range []string{"interpolateParams=true", "interpolateParams=false"} {
		drivertest.PreparedOnManyConnections(t, open(t, way).session())
	}
}

func TestRowsAreCancelledInTheirMiddle(t *testing.T) {
	quiet(t)
	for _, way := range []string{"interpolateParams=true", "interpolateParams=false"} {
		drivertest.Cancelled(t, open(t, way).session())
	}
}

func TestOneConnectionAndItsTransactions(t *testing.T) { drivertest.Nested(t, open(t).session()) }

func TestAPreparedStatementAfterTheTableChanged(t *testing.T) {
	for _, behind := range []bool{true, false} {
		d := open(t)
		drivertest.Changed(t, d.session(), behind,
			`DO 1`,
			`ALTER TABLE users ADD COLUMN first TEXT FIRST`,
			`ALTER TABLE users DROP COLUMN first`,
			`ALTER TABLE users MODIFY email MEDIUMTEXT AFTER id`,
			`ALTER TABLE users MODIFY tenant_id VARCHAR(70) COLLATE utf8mb4_general_ci`,
			`ALTER TABLE users ENGINE = InnoDB`,
		)
		d.noLeak(t)
	}
}

// Cursors over a table that is changed meanwhile, and statements on a connection whose rows are open, end as with
// the bare driver.
func TestAStatementBesideOpenRows(t *testing.T) {
	quiet(t)
	d := open(t)
	for i := range 50 {
		mustExec(t, d, insertUser, i+1, "acme", drivertest.Numbered(i+1))
	}
	try := func(db *sql.DB) string {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		rows, err := tx.Query(`SELECT id, email FROM users`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		rows.Next()
		_, err = tx.Exec(`INSERT INTO users (tenant_id, email) VALUES (?, ?)`, "acme", "x")
		return fmt.Sprint(err)
	}
	if w, b := try(d.DB), try(openPlain(t, d.dsn)); w != b {
		t.Errorf("%s, bare %s", w, b)
	}
}

// MariaDB answers a DELETE … RETURNING whose condition it finds impossible without a result set.
func TestReturningWithAConditionThatCannotBeMet(t *testing.T) {
	eachWay(t, func(t *testing.T, d *database) {
		if _, err := d.Exec(insertUser, 1, "acme", drivertest.Numbered(1)); err != nil {
			t.Fatal(err)
		}
		for _, q := range []string{
			`DELETE FROM users WHERE tenant_id = 'a' AND tenant_id = 'b' RETURNING id, email`,
			`DELETE FROM users WHERE 1 = 0 RETURNING *`,
		} {
			rows, err := d.Query(q)
			if err != nil {
				t.Errorf("%s: %v", q, err)
				continue
			}
			if rows.Next() {
				t.Errorf("%s: a row", q)
			}
			if err := rows.Err(); err != nil {
				t.Errorf("%s: %v", q, err)
			}
			rows.Close()
		}
		var email string
		if err := d.QueryRow(`DELETE FROM users WHERE id = ? RETURNING email`, 1).Scan(&email); err != nil || email != drivertest.Numbered(1) {
			t.Errorf("%q, %v", email, err)
		}
	})
}
