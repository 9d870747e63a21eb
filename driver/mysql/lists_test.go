package mysql_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/asherah-sql/asherah-sql/driver"
)

// The values stand in the text: MariaDB 10.11 itself loses placeholders in VALUES that aren't put into the text, or
// answers "Data too long" to those of the second row.

func TestManyRowsInLists(t *testing.T) {
	eachWay(t, func(t *testing.T, d *database) {
		list := func(rows string) string {
			return fmt.Sprintf(`(WITH d (id, tenant_id, name, email, age, born) AS (VALUES %s) SELECT * FROM d) AS d `, rows)
		}
		mustExec(t, d, insertUser, 1, "acme", secret+"1")
		mustExec(t, d, insertUser, 2, "umbrella", secret+"2")
		mustExec(t, d, `UPDATE users u JOIN `+list(`(1, 'umbrella', 'n', '`+secret+`3', 41, NULL), (2, 'umbrella', 'm', '`+secret+`4', NULL, NULL)`)+
			`ON u.id = d.id SET u.tenant_id = d.tenant_id, u.email = d.email, u.age = d.age, u.born = d.born`)
		mustExec(t, d, `UPDATE users u, `+list(`(1, 'acme....', 'n', '`+secret+`5', 42, NULL), (2, 'umbrella', 'm', '`+secret+`6', 43, NULL)`)+
			`SET u.email = d.email WHERE u.id = d.id AND u.tenant_id = d.tenant_id`)
		mustExec(t, d, `UPDATE users u, `+list(`(1, 'x', 'o', '`+secret+`7', '`+secret+`x', NULL), (2, 'x', 'p', '`+secret+`8', NULL, NULL)`)+`SET u.name = d.name WHERE u.id = d.id`)
		mustExec(t, d, `INSERT INTO users (id, tenant_id, email) WITH d (id, tenant_id, email) AS (VALUES (3, 'initech', '`+secret+`9'), (4, 'acme', NULL)) SELECT id, tenant_id, email FROM d`)
		for i, want := range []string{secret + "3", secret + "6", secret + "9"} {
			if got := one(t, t.Context(), d, `SELECT email FROM users WHERE id = ?`, i+1); got != want {
				t.Errorf("row %d: got %s, want %s", i+1, got, want)
			}
		}
		_, err := d.Exec(`UPDATE users u, ` + list(`(1, 7, 'n', '`+secret+`5', 42, NULL)`) + `SET u.email = d.email WHERE u.id = d.id AND u.tenant_id = d.tenant_id`)
		var refused *driver.RefusedError
		if !errors.As(err, &refused) || refused.Column != "email" {
			t.Errorf("a tenant that is compared as a number: got %v, want a refusal", err)
		}
		d.noLeak(t)
	})
}
