package integration

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// TestPool: database/sql over a pgxpool of one connection, in whose transactions new keys are needed. They are
// made on connections of another connector, or of another connection string; without either it is refused.
func TestPool(t *testing.T) {
	srv := testserver.Postgres(t)
	if _, err := open(t, "pgx", postgresDSN(srv)).Exec("CREATE TABLE patients (id BIGINT PRIMARY KEY, clinic_id TEXT NOT NULL, name TEXT NOT NULL, disease TEXT)"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SHOP_KEYS_DSN", srv.DSN(""))
	keys, err := pgx.ParseConfig(srv.DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		name string
		set  func(*driver.Config)
		want string // in the error
	}{
		{"connector", func(cfg *driver.Config) { cfg.MetastoreConnector = stdlib.GetConnector(*keys) }, ""},
		{"connection string", func(cfg *driver.Config) { cfg.MetastoreDSN = "env:SHOP_KEYS_DSN" }, ""},
		{"neither", func(*driver.Config) {}, "asherah_metastore_dsn or driver.Config.MetastoreConnector"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			one, err := pgxpool.ParseConfig(srv.DSN(""))
			if err != nil {
				t.Fatal(err)
			}
			one.MaxConns = 1
			pool, err := pgxpool.NewWithConfig(ctx, one)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			_, cfg, err := driver.SplitDSN(dialect.Postgres, encryptedDSN(srv))
			if err != nil {
				t.Fatal(err)
			}
			c.set(&cfg)
			connector, err := driver.WrapConnector(stdlib.GetPoolConnector(pool), dialect.Postgres, cfg)
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(connector)
			defer db.Close()
			db.SetMaxIdleConns(0)
			if c.want != "" {
				if err := db.PingContext(ctx); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want …%s…", err, c.want)
				}
				return
			}
			var wg sync.WaitGroup
			for n := range 5 {
				wg.Go(func() {
					tx, err := db.BeginTx(ctx, nil)
					if err != nil {
						t.Error(err)
						return
					}
					defer tx.Rollback()
					id := i*10 + n
					if _, err := tx.ExecContext(ctx, tracedInsert, id, fmt.Sprintf("clinic-%d", id), "x", "the secret disease"); err != nil {
						t.Error(err)
						return
					}
					if err := tx.Commit(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			var n int
			rows, err := db.QueryContext(ctx, "SELECT disease FROM patients WHERE id BETWEEN $1 AND $2", i*10, i*10+9)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				var disease string
				if err := rows.Scan(&disease); err != nil || disease != "the secret disease" {
					t.Errorf("%q, %v", disease, err)
				}
				n++
			}
			if err := rows.Err(); err != nil || n != 5 {
				t.Errorf("%d rows, %v", n, err)
			}
		})
	}
	noneOf(t, "the server's log", srv.Log(), "the secret disease")
}
