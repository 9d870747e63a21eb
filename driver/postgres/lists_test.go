package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/drivertest"

	"github.com/jackc/pgx/v5/pgtype"
)

// emails reads the addresses of all rows through the wrapper, which verifies each row's tenant.
func emails(t *testing.T, db drivertest.Execer) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `SELECT tenant_id, email FROM users ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var tenant string
		var email *string
		if err := rows.Scan(&tenant, &email); err != nil {
			t.Fatal(err)
		}
		if email == nil {
			list = append(list, tenant+" NULL")
		} else {
			list = append(list, tenant+" "+*email)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, ", ")
}

func TestManyRowsInArrays(t *testing.T) {
	inModes(t, func(t *testing.T, s drivertest.Session) {
		a, quoted := secret+"-a", secret+` "q\'`+"\n,{}"
		const insert = `INSERT INTO users (id, tenant_id, email) SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])`
		ids, tenants := []int64{1, 2, 3}, []string{"acme", "umbrella", "acme"}
		want := "acme " + a + ", umbrella NULL, acme " + quoted
		for name, list := range map[string]any{
			"slice of pointers": []*string{&a, nil, &quoted},
			"slice of any":      []any{a, nil, quoted},
			"flat array":        pgtype.FlatArray[*string]{&a, nil, &quoted},
			"texts":             []pgtype.Text{{String: a, Valid: true}, {}, {String: quoted, Valid: true}},
			"text form":         `{` + a + `, NULL ,"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(quoted) + `"}`,
		} {
			drivertest.MustExec(t, s.Plain, `TRUNCATE users`)
			if _, err := s.DB.Exec(insert, ids, tenants, list); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := emails(t, s.DB); got != want {
				t.Errorf("%s: got %q, want %q", name, got, want)
			}
		}
		if _, err := s.DB.Exec(`UPDATE users u SET email = d.email FROM unnest($1::bigint[], $2::text[], $3::text[]) AS d (id, tenant_id, email) WHERE u.id = d.id AND u.tenant_id = d.tenant_id`,
			ids, []string{"acme", "acme", "acme"}, []string{a + "2", a + "3", a + "4"}); err != nil {
			t.Fatal(err)
		}
		if got, want := emails(t, s.DB), "acme "+a+"2, umbrella NULL, acme "+a+"4"; got != want {
			t.Errorf("after an update: got %q, want %q", got, want)
		}
		if _, err := s.DB.Exec(`INSERT INTO users (id, tenant_id, email) SELECT n + 10, $1, x FROM unnest($2::text[]) WITH ORDINALITY AS d (x, n)`, "acme", []string{a + "5", a + "6"}); err != nil {
			t.Fatal(err)
		}
		if got := emails(t, s.DB); !strings.Contains(got, "acme "+a+"5") || !strings.Contains(got, "acme "+a+"6") {
			t.Errorf("after an insert for one tenant: got %q", got)
		}
		for name, args := range map[string][]any{
			"a row without a tenant":    {ids[:2], []*string{&tenants[0], nil}, []string{a, a}},
			"fewer tenants than values": {ids[:2], tenants[:1], []string{a, a}},
		} {
			if _, err := s.DB.Exec(insert, args...); !errors.Is(err, driver.ErrNoPartition) {
				t.Errorf("%s: got %v, want ErrNoPartition", name, err)
			}
		}
		for name, list := range map[string]any{"no array": "a,b", "of two dimensions": [][]string{{a}, {a}}, "of two dimensions, as text": "{{a},{b}}", "a number": 7, "not closed": `{"a`} {
			_, err := s.DB.Exec(insert, ids[:2], tenants[:2], list)
			var refused *driver.RefusedError
			if !errors.As(err, &refused) || refused.Ordinal != 3 || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: got %v, want a refusal of placeholder 3", name, err)
			}
		}
		if _, err := s.DB.ExecContext(tenant("umbrella"), insert, ids[:1], tenants[:1], []string{a}); !errors.Is(err, driver.ErrPartitionMismatch) {
			t.Errorf("another partition in force: got %v", err)
		}
	})
}

func TestManyRowsInLists(t *testing.T) {
	inModes(t, func(t *testing.T, s drivertest.Session) {
		drivertest.MustExec(t, s.DB, `INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme', $1), (2, 'umbrella', $2), (3, 'acme', $3)`, secret+"1", secret+"2", secret+"3")
		// As bun writes it: all columns of the model, values in the text.
		drivertest.MustExec(t, s.DB, `WITH "_data" ("id", "tenant_id", "name", "email", "age", "born") AS (VALUES (1::BIGINT, 'acme'::VARCHAR, NULL::VARCHAR, '`+secret+`-x'::VARCHAR, NULL::VARCHAR, NULL::VARCHAR), `+
			`(2::BIGINT, 'umbrella'::VARCHAR, 'n'::VARCHAR, 'it''s `+secret+`'::VARCHAR, '41'::VARCHAR, NULL::VARCHAR)) `+
			`UPDATE "users" AS "u" SET "tenant_id" = _data."tenant_id", "name" = _data."name", "email" = _data."email", "age" = _data."age", "born" = _data."born" FROM _data WHERE ("u"."id" = _data."id")`)
		if got, want := emails(t, s.DB), "acme "+secret+"-x, umbrella it's "+secret+", acme "+secret+"3"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		// A column that nothing reads isn't sent.
		drivertest.MustExec(t, s.DB, `UPDATE users SET name = d.name FROM (VALUES ($1::bigint, 'm', $2), (3, $3, NULL)) AS d (id, name, email) WHERE users.id = d.id`, 1, secret+"-unused", "o")
		drivertest.MustExec(t, s.DB, `MERGE INTO users u USING (VALUES ($1::bigint, $2, $3), ($4, $5, $6)) AS d (id, tenant_id, email) ON u.id = d.id AND u.tenant_id = d.tenant_id
			WHEN MATCHED THEN UPDATE SET email = d.email WHEN NOT MATCHED THEN INSERT (id, tenant_id, email) VALUES (d.id, d.tenant_id, d.email)`,
			3, "acme", secret+"-m", 4, "umbrella", secret+"-n")
		if got, want := emails(t, s.DB), "acme "+secret+"-x, umbrella it's "+secret+", acme "+secret+"-m, umbrella "+secret+"-n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestARowOfAListIsFoundByItsTenantOnlyWhereBytesAreCompared(t *testing.T) {
	d := open(t)
	mustExec(t, d.plain, `CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`)
	mustExec(t, d.plain, `ALTER TABLE users ALTER COLUMN tenant_id TYPE text COLLATE nocase`)
	_, err := d.Exec(`UPDATE users SET email = d.email FROM (VALUES ('acme', $1)) AS d (tenant_id, email) WHERE users.tenant_id = d.tenant_id`, secret)
	var refused *driver.RefusedError
	if !errors.As(err, &refused) || refused.Column != "email" {
		t.Errorf("got %v, want a refusal", err)
	}
}
