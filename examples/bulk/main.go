// Command bulk shows how a program that uses pgx's own interface for the heavy part of its work shares
// encrypted columns with one that uses database/sql:
//
//	go run ./examples/bulk -dsn postgres://app@localhost/shop
//
// COPY and batches don't pass through the driver, so driver.Sealer makes and opens the same values for
// them. All of it runs over one pgxpool; the keys have a connector of their own, because the pool's last
// connection may be the one that waits for a key.
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/kms/static"
	"github.com/asherah-sql/asherah-sql/tags"
)

// User is the model of the encrypted table.
type User struct {
	ID       int64  `db:"id"`
	TenantID string `db:"tenant_id"`
	Name     string `db:"name"`
	Email    string `db:"email" encrypt:"tenant_id"`
}

func init() { tags.MustRegister(User{}) }

var columns = []string{"id", "tenant_id", "name", "email"}

func main() {
	dsn := flag.String("dsn", "", "`connection string` of a PostgreSQL server")
	rows := flag.Int("rows", 1000, "`number` of rows to copy")
	flag.Parse()
	if err := run(context.Background(), *dsn, *rows, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bulk:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dsn string, n int, out io.Writer) error {
	if dsn == "" {
		return errors.New("no database: give -dsn")
	}
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return err
	}
	schema, err := newSchema(ctx, cfg.ConnConfig)
	if err != nil {
		return err
	}
	cfg.ConnConfig.RuntimeParams["search_path"] = schema
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()

	// One key for the example; in production driver.Config names a KMS.
	master := make([]byte, 32)
	if _, err := rand.Read(master); err != nil {
		return err
	}
	kms, err := static.New(master)
	if err != nil {
		return err
	}
	connector, err := driver.WrapConnector(stdlib.GetPoolConnector(pool), dialect.Postgres, driver.Config{
		Service: "shop", Product: "web", KMS: kms,
		MetastoreConnector: stdlib.GetConnector(*cfg.ConnConfig), // without it the pool is refused
	})
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	db.SetMaxIdleConns(0) // the pool keeps them
	if _, err := db.ExecContext(ctx, "CREATE TABLE users (id BIGINT PRIMARY KEY, tenant_id TEXT NOT NULL, name TEXT NOT NULL, email TEXT)"); err != nil {
		return err
	}

	// It takes the connector's keys and settings.
	sealer, err := driver.NewSealer(ctx, connector)
	if err != nil {
		return err
	}
	defer sealer.Close()

	copied, err := copyUsers(ctx, pool, sealer, n)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "COPY stored %d rows.\n", copied)
	if err := readThroughDriver(ctx, db, out); err != nil {
		return err
	}

	if _, err := db.ExecContext(ctx, "UPDATE users SET email = $1 WHERE id = $2", "ada@lovelace.example", 1); err != nil {
		return err
	}
	if err := batch(ctx, pool, sealer, n, out); err != nil {
		return err
	}
	if err := exportUsers(ctx, pool, sealer, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nThe rows are yours to look at in schema %s; their master key is gone.\n", schema)
	return nil
}

// newSchema makes a schema for tables that disturb no others.
func newSchema(ctx context.Context, cfg *pgx.ConnConfig) (string, error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return "", err
	}
	name := "asherah_bulk_" + strings.ToLower(rand.Text()[:8])
	_, err = conn.Exec(ctx, "CREATE SCHEMA "+name)
	return name, errors.Join(err, conn.Close(ctx))
}

// copyUsers streams rows with COPY; each value is sealed when its turn comes.
func copyUsers(ctx context.Context, pool *pgxpool.Pool, sealer *driver.Sealer, n int) (int64, error) {
	tenants := []string{"acme", "globex", "initech"}
	next := 0
	return pool.CopyFrom(ctx, pgx.Identifier{"users"}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		if next == n {
			return nil, nil
		}
		next++
		u := User{ID: int64(next), TenantID: tenants[next%len(tenants)], Name: fmt.Sprintf("user %d", next), Email: fmt.Sprintf("user.%d@copied.example", next)}
		email, err := sealer.Seal(ctx, "users", "email", u, u.Email)
		return []any{u.ID, u.TenantID, u.Name, email}, err
	}))
}

// readThroughDriver reads what COPY stored as every other part of the program does.
func readThroughDriver(ctx context.Context, db *sql.DB, out io.Writer) error {
	rows, err := db.QueryContext(ctx, "SELECT id, tenant_id, email FROM users ORDER BY id LIMIT 2")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var u User
		if err := rows.Scan(&u.ID, &u.TenantID, &u.Email); err != nil {
			return err
		}
		fmt.Fprintf(out, "   asherah-postgres reads %d of %s: %s\n", u.ID, u.TenantID, u.Email)
	}
	return rows.Err()
}

// batch sends several statements in one round trip: what they store is sealed before, what they return
// is opened after.
func batch(ctx context.Context, pool *pgxpool.Pool, sealer *driver.Sealer, n int, out io.Writer) error {
	u := User{ID: int64(n) + 1, TenantID: "globex", Name: "Emmy", Email: "emmy@batch.example"}
	email, err := sealer.Seal(ctx, "users", "email", u, u.Email)
	if err != nil {
		return err
	}
	var b pgx.Batch
	b.Queue("INSERT INTO users (id, tenant_id, name, email) VALUES ($1, $2, $3, $4)", u.ID, u.TenantID, u.Name, email)
	b.Queue("SELECT id, tenant_id, email FROM users WHERE id IN ($1, $2) ORDER BY id", 1, u.ID).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			var u User
			var stored *string
			if err := rows.Scan(&u.ID, &u.TenantID, &stored); err != nil {
				return err
			}
			if err := openEmail(ctx, sealer, &u, stored); err != nil {
				return err
			}
			fmt.Fprintf(out, "   a batch reads %d of %s: %s\n", u.ID, u.TenantID, u.Email)
		}
		return rows.Err()
	})
	fmt.Fprintln(out, "SendBatch stored 1 row.")
	return pool.SendBatch(ctx, &b).Close()
}

// openEmail fills in the e-mail address; u has the row's tenant already.
func openEmail(ctx context.Context, sealer *driver.Sealer, u *User, stored *string) error {
	if stored == nil {
		return nil
	}
	v, err := sealer.Open(ctx, "users", "email", *u, *stored)
	if err != nil {
		return err
	}
	u.Email = v.(string) // the type of the model's field
	return nil
}

// exportUsers reads all rows with pgx, as COPY … TO would deliver them, and opens them.
func exportUsers(ctx context.Context, pool *pgxpool.Pool, sealer *driver.Sealer, out io.Writer) error {
	rows, err := pool.Query(ctx, "SELECT id, tenant_id, email FROM users")
	if err != nil {
		return err
	}
	count := map[string]int{}
	var u User
	var stored *string
	if _, err := pgx.ForEachRow(rows, []any{&u.ID, &u.TenantID, &stored}, func() error {
		count[u.TenantID]++
		return openEmail(ctx, sealer, &u, stored)
	}); err != nil {
		return err
	}
	fmt.Fprintf(out, "pgx and the Sealer open all of them: %d of acme, %d of globex, %d of initech.\n", count["acme"], count["globex"], count["initech"])
	return nil
}
