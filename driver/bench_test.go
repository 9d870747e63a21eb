package driver_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
	asherah "github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/metastore"
)

// against runs bare and wrapped in turn, so that both see the same noise, and reports the median of the
// rounds' ratios, and of the differences, beside the allocations that the wrapper adds.
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
	b.ReportMetric(testing.AllocsPerRun(100, func() { wrapped(1) })-testing.AllocsPerRun(100, func() { bare(1) }), "allocs-more/op")
	b.ReportMetric(0, "ns/op")
}

// null is a driver whose statements do nothing: what is left is database/sql and the wrapper.
type null struct {
	row  []driver.Value      // of each result; nil: none
	seen []driver.NamedValue // arguments of the last Exec
}

func (d *null) Connect(context.Context) (driver.Conn, error) { return &nullConn{d}, nil }
func (d *null) Driver() driver.Driver                        { return d }
func (d *null) Open(string) (driver.Conn, error)             { return &nullConn{d}, nil }

type nullConn struct{ d *null }

func (c *nullConn) Prepare(string) (driver.Stmt, error) { return nullStmt{c}, nil }
func (c *nullConn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }
func (c *nullConn) Close() error                        { return nil }
func (c *nullConn) ResetSession(context.Context) error  { return nil }
func (c *nullConn) IsValid() bool                       { return true }
func (c *nullConn) ExecContext(_ context.Context, _ string, args []driver.NamedValue) (driver.Result, error) {
	c.d.seen = args
	return driver.ResultNoRows, nil
}
func (c *nullConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return &nullRows{c.d, len(c.d.row) > 0}, nil
}

type nullStmt struct{ c *nullConn }

func (s nullStmt) NumInput() int                              { return -1 }
func (s nullStmt) Close() error                               { return nil }
func (s nullStmt) Exec([]driver.Value) (driver.Result, error) { return driver.ResultNoRows, nil }
func (s nullStmt) Query([]driver.Value) (driver.Rows, error)  { return nil, errors.ErrUnsupported }
func (s nullStmt) ExecContext(context.Context, []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, nil
}
func (s nullStmt) QueryContext(context.Context, []driver.NamedValue) (driver.Rows, error) {
	return &nullRows{s.c.d, len(s.c.d.row) > 0}, nil
}

type nullRows struct {
	d    *null
	more bool
}

var nullColumns = []string{"tenant_id", "email"}

func (r *nullRows) Columns() []string { return nullColumns }
func (r *nullRows) Close() error      { return nil }
func (r *nullRows) Next(dest []driver.Value) error {
	if !r.more {
		return io.EOF
	}
	r.more = false
	copy(dest, r.d.row)
	return nil
}

// BenchmarkNull is what the wrapper adds to statements that cost nothing: its own part, the cryptography
// included, which "floor" shows alone.
func BenchmarkNull(b *testing.B) {
	value := string(make([]byte, 100))
	setup := func(b *testing.B, cfg asherah.Config) (plain, db *sql.DB, wrapped *null) {
		cfg.MetastoreStore, cfg.SkipVerify = metastore.NewMemory(), true
		wrapped = &null{}
		c, err := asherah.WrapConnector(wrapped, dialect.SQLite, cfg)
		if err != nil {
			b.Fatal(err)
		}
		plain, db = sql.OpenDB(&null{row: []driver.Value{"acme", value}}), sql.OpenDB(c)
		for _, d := range []*sql.DB{plain, db} {
			d.SetMaxOpenConns(1)
			b.Cleanup(func() { d.Close() })
		}
		return plain, db, wrapped
	}
	exec := func(c *sql.DB, texts []string, args ...any) func(int) {
		return func(n int) {
			for i := range n {
				if _, err := c.Exec(texts[i%len(texts)], args...); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	const passing = "UPDATE other SET a = 1 WHERE id = 2"
	long := strings.Repeat("UPDATE other SET a = 1 WHERE id = 2; ", 28) // 1 KiB
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf("UPDATE other SET a = 1 WHERE id = %d", i))
	}
	// made returns a text at other memory each time, as programs that build their statements do.
	made := func(c *sql.DB, text string) func(int) {
		return func(n int) {
			for range n {
				if _, err := c.Exec(strings.Clone(text)); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	query := func(c *sql.DB, text string) func(int) {
		return func(n int) {
			for range n {
				rows, err := c.Query(text)
				if err == nil {
					err = rows.Close()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	prepared := func(c *sql.DB) func(int) {
		s, err := c.Prepare("SELECT tenant_id, email FROM other WHERE id = ?")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		return func(n int) {
			for range n {
				rows, err := s.Query(1)
				if err == nil {
					err = rows.Close()
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	run := func(name string, f func(*sql.DB) func(int)) {
		b.Run("passing/"+name, func(b *testing.B) {
			plain, db, _ := setup(b, config(b))
			against(b, f(plain), f(db))
		})
	}
	run("exec", func(c *sql.DB) func(int) { return exec(c, []string{passing}) })
	run("exec 1 KiB", func(c *sql.DB) func(int) { return exec(c, []string{long}) })
	run("exec 500 texts", func(c *sql.DB) func(int) { return exec(c, many) })
	run("exec made", func(c *sql.DB) func(int) { return made(c, passing) })
	run("exec 1 KiB made", func(c *sql.DB) func(int) { return made(c, long) })
	run("exec 3 arguments", func(c *sql.DB) func(int) {
		return exec(c, []string{"UPDATE other SET a = ?, b = ? WHERE id = ?"}, 1, "x", 7)
	})
	run("query", func(c *sql.DB) func(int) { return query(c, "SELECT a FROM other") })
	run("query prepared", prepared)
	b.Run("passing/exec at once", func(b *testing.B) {
		plain, db, _ := setup(b, config(b))
		atOnce := func(c *sql.DB) func(int) {
			c.SetMaxOpenConns(0)
			c.SetMaxIdleConns(8)
			return func(n int) {
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() { exec(c, many)(n) })
				}
				wg.Wait()
			}
		}
		against(b, atOnce(plain), atOnce(db))
	})
	b.Run("insert", func(b *testing.B) {
		plain, db, _ := setup(b, config(b))
		against(b, exec(plain, []string{insert}, nil, "acme", value), exec(db, []string{insert}, nil, "acme", value))
	})
	b.Run("select one row", func(b *testing.B) {
		plain, db, row := setup(b, config(b))
		exec(db, []string{insert}, nil, "acme", value)(1)
		row.row = []driver.Value{"acme", row.seen[2].Value}
		one := func(c *sql.DB) func(int) {
			return func(n int) {
				var id, email string
				for range n {
					if err := c.QueryRow(`SELECT tenant_id, email FROM users WHERE id = ?`, 1).Scan(&id, &email); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		against(b, one(plain), one(db))
	})
	b.Run("floor/seal", func(b *testing.B) {
		ready, random, wrapped, payload := readyKey(b), make([]byte, 56), make([]byte, 60), make([]byte, 100)
		body, text := make([]byte, 202), make([]byte, 270)
		against(b, func(int) {}, func(n int) {
			for range n {
				_, _ = rand.Read(random)
				ready.Seal(wrapped[:0], random[32:44], random[:32], nil)
				expanded(b, random[:32]).Seal(body[:0], random[44:], payload, nil)
				base64.RawURLEncoding.Encode(text, body)
			}
		})
	})
	b.Run("floor/open", func(b *testing.B) {
		ready, key, nonce := readyKey(b), make([]byte, 32), make([]byte, 12)
		wrapped, sealed := ready.Seal(nil, nonce, key, nil), ready.Seal(nil, nonce, make([]byte, 100), nil)
		body, text, out := make([]byte, 202), make([]byte, 270), make([]byte, 100)
		base64.RawURLEncoding.Encode(text, body)
		against(b, func(int) {}, func(n int) {
			for range n {
				_, _ = base64.RawURLEncoding.Decode(body, text)
				key, _ := ready.Open(key[:0], nonce, wrapped, nil)
				if _, err := expanded(b, key).Open(out[:0], nonce, sealed, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

func expanded(b *testing.B, key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		b.Fatal(err)
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	return a
}

func readyKey(b *testing.B) cipher.AEAD { return expanded(b, make([]byte, 32)) }

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
	one := func(b *testing.B, query string) {
		plain, db, stored := setup(b)
		if _, err := plain.Exec(`CREATE TABLE contacts (id INTEGER PRIMARY KEY, tenant_id TEXT, email TEXT); INSERT INTO contacts VALUES (1, 'acme', ?)`, stored); err != nil {
			b.Fatal(err)
		}
		run := func(c *sql.DB) func(int) {
			s, err := c.Prepare(query)
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
	}
	b.Run("select one row prepared", func(b *testing.B) { one(b, `SELECT tenant_id, email FROM users WHERE id = ?`) })
	b.Run("select one row prepared of another table", func(b *testing.B) { one(b, `SELECT tenant_id, email FROM contacts WHERE id = ?`) })
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
