package driver_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
	asherah "github.com/asherah-sql/asherah-sql/driver"
)

// against runs bare and wrapped in turn, so that both see the same noise, and reports the median of the
// rounds' ratios beside the wrapped time.
func against(b *testing.B, bare, wrapped func(n int)) {
	const rounds = 21
	n := max(1, b.N/rounds)
	var ratios, extra []float64
	bare(n)
	wrapped(n)
	b.ResetTimer()
	for range rounds {
		t0 := time.Now()
		bare(n)
		t1 := time.Now()
		wrapped(n)
		t2 := time.Now()
		ratios = append(ratios, float64(t2.Sub(t1))/float64(t1.Sub(t0)))
		extra = append(extra, float64(t2.Sub(t1)-t1.Sub(t0))/float64(n))
	}
	slices.Sort(ratios)
	slices.Sort(extra)
	b.ReportMetric(ratios[rounds/2], "×bare")
	b.ReportMetric(extra[rounds/2], "ns-more/op")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkPassThrough is a statement without an encrypted table, over a driver that does nothing.
func BenchmarkPassThrough(b *testing.B) {
	conn := shapes["both"]
	run := func(c *sql.DB, f *fake) func(int) {
		return func(n int) {
			for range n {
				if _, err := c.Exec("UPDATE other SET a = 1 WHERE id = 2"); err != nil {
					b.Fatal(err)
				}
				f.log = f.log[:0]
			}
		}
	}
	f, g := &fake{}, &fake{}
	plain := sql.OpenDB(fakeConnector{f, conn})
	defer plain.Close()
	c, err := asherah.WrapConnector(fakeConnector{g, conn}, dialect.SQLite, emptyConfig(b))
	if err != nil {
		b.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	against(b, run(plain, f), run(db, g))
}

// BenchmarkSQLite compares with the bare driver, storing values of the stored size.
func BenchmarkSQLite(b *testing.B) {
	value := string(make([]byte, 100))
	setup := func(b *testing.B) (plain, db *sql.DB, stored string) {
		path := filepath.Join(b.TempDir(), "a.db")
		plain = openPlain(b, path)
		if _, err := plain.Exec(`PRAGMA synchronous = OFF; ` + usersDDL); err != nil {
			b.Fatal(err)
		}
		plain.SetMaxOpenConns(1)
		db = connect(b, path, config(b))
		db.SetMaxOpenConns(1)
		if _, err := db.Exec(`PRAGMA synchronous = OFF`); err != nil {
			b.Fatal(err)
		}
		if _, err := db.Exec(insert, 1, "acme", value); err != nil {
			b.Fatal(err)
		}
		if err := plain.QueryRow(`SELECT email FROM users`).Scan(&stored); err != nil {
			b.Fatal(err)
		}
		return plain, db, stored
	}
	b.Run("insert", func(b *testing.B) {
		plain, db, stored := setup(b)
		run := func(c *sql.DB, v string) func(int) {
			return func(n int) {
				for range n {
					if _, err := c.Exec(insert, nil, "acme", v); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		against(b, run(plain, stored), run(db, value))
	})
	b.Run("select one row prepared", func(b *testing.B) {
		plain, db, _ := setup(b)
		run := func(c *sql.DB) func(int) {
			s, err := c.Prepare(`SELECT tenant_id, email FROM users WHERE id = ?`)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { s.Close() })
			return func(n int) {
				var id, email string
				for range n {
					if err := s.QueryRow(1).Scan(&id, &email); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		against(b, run(plain), run(db))
	})
	b.Run("select 1000 rows", func(b *testing.B) {
		plain, db, stored := setup(b)
		for range 999 {
			if _, err := db.Exec(insert, nil, "acme", value); err != nil {
				b.Fatal(err)
			}
		}
		_ = stored
		run := func(c *sql.DB) func(int) {
			return func(n int) {
				for range n {
					rows, err := c.QueryContext(context.Background(), `SELECT tenant_id, email FROM users`)
					if err != nil {
						b.Fatal(err)
					}
					var id, email string
					for rows.Next() {
						if err := rows.Scan(&id, &email); err != nil {
							b.Fatal(err)
						}
					}
					if err := rows.Close(); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		against(b, run(plain), run(db))
	})
}
