//go:build go1.27

package postgres_test

import (
	"fmt"
	"testing"
)

// From Go 1.27 on, pgx scans into types of its own. They can stand beside an encrypted column.
func TestScanningIntoTypesOfPgxBesideEncryptedColumns(t *testing.T) {
	d := open(t)
	mustExec(t, d, `INSERT INTO users (id, tenant_id, email, age) VALUES (1, 'acme', $1, 41), (2, 'acme', NULL, NULL)`, secret)
	rows, err := d.Query(`SELECT ARRAY['a', 'b'], email, age, ARRAY[id, 7] FROM users ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got string
	for rows.Next() {
		var words []string
		var email *string
		var age any
		var numbers []int64
		if err := rows.Scan(&words, &email, &age, &numbers); err != nil {
			t.Fatal(err)
		}
		if email != nil {
			got += *email
		}
		got += fmt.Sprint(words, age, numbers)
	}
	if err := rows.Err(); err != nil || got != "s3cr3t[a b] 41 [1 7][a b] <nil> [2 7]" {
		t.Errorf("got %s, %v", got, err)
	}
	// A record isn't delivered in the place of a list either.
	var list []string
	if err := d.QueryRow(`SELECT email FROM users WHERE id = 1`).Scan(&list); err == nil {
		t.Errorf("got %q", list)
	}
}
