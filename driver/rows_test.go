package driver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/tags"
)

// What a value's partition has to do with its error, for both formats and all ways in which a partition is
// found.
func TestErrorsNameThePartitionThatIsWrong(t *testing.T) {
	const derived = `SELECT e FROM (SELECT email AS e FROM users)` // can't deliver the row's partition
	for _, format := range []tags.Format{tags.FormatBound, tags.FormatAsherah} {
		t.Run(format.String(), func(t *testing.T) {
			db := open(t, func(c *asherah.Config) { c.Format = format })
			db.mustExec(t, tenant("acme"), `INSERT INTO users (id, tenant_id, email, ssn) VALUES (1, 'acme', ?, ?)`, secret, secret)
			for _, c := range []struct {
				partition, query string
				want             error
				text             string
			}{
				{"acme", `SELECT ssn FROM users`, nil, ""},
				{"globex", `SELECT ssn FROM users`, asherah.ErrPartitionMismatch, "than the one in force"},
				{"acme", derived, nil, ""},
				{"globex", derived, asherah.ErrPartitionMismatch, "than the one that driver.WithPartition set"},
				{"", derived, asherah.ErrPartitionMismatch, "than the one that driver.WithPartition set"},
				{"-", derived, nil, ""},
				{"globex", `SELECT email FROM users`, asherah.ErrPartitionMismatch, "than the one that driver.WithPartition set"},
			} {
				ctx := tenant(c.partition)
				if c.partition == "-" {
					ctx = context.Background()
				}
				err := readErr(t, ctx, db, c.query)
				if c.want == nil {
					if err != nil {
						t.Errorf("%q: %s: %v", c.partition, c.query, err)
					}
					continue
				}
				if !errors.Is(err, c.want) || errors.Is(err, asherah.ErrMoved) || !strings.Contains(err.Error(), c.text) {
					t.Errorf("%q: %s: err = %v, want %v: %s", c.partition, c.query, err, c.want, c.text)
				}
			}
			for _, bad := range []string{"s3cr3t", "", `{}`, `{"Key":{"Created":1,"Key":"AAAA","ParentKeyMeta":{"KeyId":"_IK_acme_shop_web","Created":1}},"Data":"AAAA"}`, "ash1"} {
				if _, err := db.plain.Exec(`UPDATE users SET email = ?, ssn = ?`, bad, bad); err != nil {
					t.Fatal(err)
				}
				for _, q := range []string{`SELECT ssn FROM users`, `SELECT email FROM users`, derived} {
					if err := readErr(t, tenant("acme"), db, q); !errors.Is(err, asherah.ErrPlaintext) {
						t.Errorf("%s of %q: err = %v, want ErrPlaintext", q, bad, err)
					}
				}
			}
		})
	}
}

type note struct {
	ID   int64
	Org  int64
	Room []byte
	Text string `encrypt:"org"`
	More string `encrypt:"owner"`
	// Owner is stored as a BLOB by the test, which drivers deliver as bytes.
	Owner string
}

func (note) TableName() string { return "notes" }

// The partition of the row before is remembered; a row of another one must not be taken for its.
func TestPartitionsThatChangeFromRowToRow(t *testing.T) {
	db := open(t, func(c *asherah.Config) { c.Schema = schemaOf(t, user{}, note{}) })
	if _, err := db.plain.Exec(`CREATE TABLE notes (id INTEGER PRIMARY KEY, org INTEGER, room BLOB, text TEXT, more TEXT, owner TEXT)`); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	var want strings.Builder
	for i := range 30 {
		org, owner := []int{1, 1, 12, 1, 2, 3}[i%6], []string{"a", "ab", "a", "b", "b", "b"}[i%6]
		db.mustExec(t, ctx, `INSERT INTO notes (id, org, text, more, owner) VALUES (?, ?, ?, ?, ?)`, i, org, fmt.Sprint("t", i), fmt.Sprint("m", i), owner)
		fmt.Fprintf(&want, "t%d|m%d\n", i, i)
	}
	if got := dump(t, ctx, db, `SELECT text, more FROM notes ORDER BY id`); got != want.String() {
		t.Errorf("got %s", got)
	}
	if _, err := db.plain.Exec(`UPDATE notes SET owner = CAST(owner AS BLOB)`); err != nil {
		t.Fatal(err)
	}
	if got := dump(t, ctx, db, `SELECT text, more FROM notes ORDER BY id`); got != want.String() {
		t.Errorf("with bytes: got %s", got)
	}
	for _, move := range []string{`UPDATE notes SET org = 1 WHERE id = 2`, `UPDATE notes SET owner = 'b' WHERE id = 2`, `UPDATE notes SET owner = CAST('ab' AS BLOB) WHERE id = 2`} {
		if _, err := db.plain.Exec(move); err != nil {
			t.Fatal(err)
		}
		if err := readErr(t, ctx, db, `SELECT text, more FROM notes ORDER BY id`); !errors.Is(err, asherah.ErrMoved) || !strings.Contains(err.Error(), "row 3") {
			t.Errorf("%s: err = %v, want ErrMoved in row 3", move, err)
		}
	}
}

// An argument that the driver can't take is refused as the driver would refuse it, also in a statement that
// only reads an encrypted column.
func TestArgumentsOfReadsAreConverted(t *testing.T) {
	db := open(t)
	ctx := context.Background()
	db.mustExec(t, ctx, `INSERT INTO users (id, tenant_id, email) VALUES (1, 'acme', ?)`, secret)
	var email string
	err := db.QueryRow(`SELECT email FROM users WHERE id = ?`, [2]int{}).Scan(&email)
	bare := db.plain.QueryRow(`SELECT email FROM users WHERE id = ?`, [2]int{}).Scan(&email)
	if err == nil || bare == nil || err.Error() != bare.Error() {
		t.Errorf("err = %v, want %v", err, bare)
	}
	if err := db.QueryRow(`SELECT email FROM users WHERE id = ?`).Scan(&email); err == nil {
		t.Error("no error without the argument")
	}
	if err := db.QueryRow(`SELECT email FROM users WHERE id = ?`, 1, 2).Scan(&email); err == nil {
		t.Error("no error with an argument too many")
	}
	if err := db.QueryRow(`SELECT email FROM users WHERE id = ?`, 1).Scan(&email); err != nil || email != secret {
		t.Errorf("got %q, %v", email, err)
	}
}

// Values that were read stay as they are while more rows are read, and after the rows are closed: nothing of
// a result set is memory that is used again.
func TestValuesOutliveTheirRows(t *testing.T) {
	db := open(t, func(c *asherah.Config) { c.Schema = schemaOf(t, user{}, document{}) })
	if _, err := db.plain.Exec(`CREATE TABLE documents (id INTEGER PRIMARY KEY, org TEXT, title TEXT, body TEXT, size TEXT)`); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for i := range 20 {
		db.mustExec(t, ctx, `INSERT INTO documents (id, org, title, body, size) VALUES (?, 'acme', ?, ?, ?)`, i, fmt.Sprint("title ", i), fmt.Append(nil, "body ", i), i)
	}
	rows, err := db.Query(`SELECT title, body, size FROM documents ORDER BY id`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	type row struct{ title, body, size any }
	var got []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.title, &r.body, &r.size); err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	db.mustExec(t, ctx, `INSERT INTO documents (id, org, title, body, size) VALUES (99, 'acme', ?, ?, 99)`, strings.Repeat("z", 100), strings.Repeat("z", 100))
	for i, r := range got {
		if want := fmt.Sprintf("title %d, body %d, %d", i, i, i); fmt.Sprintf("%s, %s, %d", r.title, r.body, r.size) != want {
			t.Errorf("row %d: got %s, %s, %v", i, r.title, r.body, r.size)
		}
	}
	if len(got) != 20 {
		t.Errorf("got %d rows", len(got))
	}
}

type document struct {
	ID    int64
	Org   string
	Title string `encrypt:"org"`
	Body  []byte `encrypt:"org"`
	Size  int64  `encrypt:"org"`
}

func (document) TableName() string { return "documents" }

// What one execution leaves on its connection must not reach the next one, whichever way it ended.
func TestExecutionsOfOneConnectionAreApart(t *testing.T) {
	db := open(t)
	db.SetMaxOpenConns(1)
	ctx := tenant("acme")
	long := strings.Repeat("l", 10<<10)
	for i := range 3 {
		db.mustExec(t, ctx, `DELETE FROM users`)
		db.mustExec(t, ctx, `INSERT INTO users (id, tenant_id, email, ssn, age) VALUES (1, 'acme', ?, ?, ?)`, "mail", "number", 41)
		// Refused after the first of its values was sealed.
		if _, err := db.ExecContext(ctx, `INSERT INTO users (id, tenant_id, email, age) VALUES (2, 'acme', ?, ?)`, secret, "no number"); err == nil {
			t.Fatal("a text was taken for a number")
		}
		db.mustExec(t, ctx, `INSERT INTO users (id, tenant_id, name, email) VALUES (?, ?, ?, ?)`, 3, "acme", "plain", nil)
		db.mustExec(t, ctx, `UPDATE users SET name = ? WHERE id = ?`, "other", 1)
		db.mustExec(t, ctx, `INSERT INTO users (id, tenant_id, email, ssn) VALUES (?, ?, ?, ?)`, 4, "acme", long, "")
		if _, err := db.ExecContext(tenant("globex"), `INSERT INTO users (tenant_id, email) VALUES (?, ?)`, "acme", secret); !errors.Is(err, asherah.ErrPartitionMismatch) {
			t.Fatalf("round %d: %v", i, err)
		}
		db.mustExec(t, ctx, `INSERT INTO users (id, ssn) VALUES (?, ?)`, 5, "last")
		want := "1|other|mail|number|41\n3|plain|NULL|NULL|NULL\n4|NULL|" + long + "||NULL\n5|NULL|NULL|last|NULL\n"
		if got := dump(t, ctx, db, `SELECT id, name, email, ssn, age FROM users WHERE id <> 5 ORDER BY id`) +
			dump(t, ctx, db, `SELECT id, name, NULL, ssn, age FROM users WHERE id = 5`); got != want {
			t.Errorf("round %d: got %s", i, got)
		}
		db.sealed(t)
	}
}
