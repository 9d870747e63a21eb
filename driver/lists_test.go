package driver_test

import (
	"context"
	"errors"
	"testing"

	asherah "github.com/asherah-sql/asherah-sql/driver"
)

func TestManyRowsInOneStatement(t *testing.T) {
	db := open(t)
	ctx := context.Background()
	db.mustExec(t, ctx, `INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme', ?), (2, 'globex', ?), (3, 'acme', ?)`, secret+"1", secret+"2", secret+"3")
	const list = `WITH _data (id, tenant_id, name, email, age) AS (VALUES (?, ?, ?, ?, ?), (2, 'globex', 'n', 's3cr3t-literal', 41)) `
	db.mustExec(t, ctx, list+`UPDATE users AS u SET tenant_id = _data.tenant_id, email = _data.email, age = _data.age FROM _data WHERE u.id = _data.id`,
		1, "globex", "m", secret+"4", nil)
	db.mustExec(t, ctx, list+`UPDATE users AS u SET email = _data.email FROM _data WHERE u.id = _data.id AND u.tenant_id = _data.tenant_id`,
		3, "acme", "m", secret+"5", nil)
	db.mustExec(t, ctx, list+`UPDATE users AS u SET name = _data.name FROM _data WHERE u.id = _data.id`, 3, "acme", "o", secret+"6", secret+"7")
	db.mustExec(t, ctx, list+`INSERT INTO users (id, tenant_id, email) SELECT id + 3, tenant_id, email FROM _data WHERE true ON CONFLICT DO NOTHING`, 1, "acme", "m", secret+"8", nil)
	got := dump(t, ctx, db, `SELECT id, tenant_id, name, email, age FROM users ORDER BY id`)
	if want := "1|globex|NULL|s3cr3t4|NULL\n2|globex|n|s3cr3t-literal|41\n3|acme|o|s3cr3t5|NULL\n4|acme|NULL|s3cr3t8|NULL\n5|globex|NULL|s3cr3t-literal|NULL\n"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	db.sealed(t)
	_, err := db.Exec(list+`UPDATE users AS u SET tenant_id = _data.tenant_id, email = _data.email, age = _data.age FROM _data WHERE u.id = _data.id`, 1, nil, "m", secret+"4", nil)
	if !errors.Is(err, asherah.ErrNoPartition) {
		t.Errorf("a row without a tenant: got %v", err)
	}
	noSecret(t, err)
}
