package oracle

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/tags"
)

// compared has the columns that the benchmarks' statements store and read.
type compared struct {
	ID       int64
	TenantID string
	Name     string
	Email    string `encrypt:"tenant_id"`
	SSN      string `encrypt:"tenant_id"`
}

// Benchmarks are statements whose analysis is compared with a grammar's parsing of the same text, by name. `?` stands
// for a placeholder.
var Benchmarks = map[string]string{
	"Insert":          "INSERT INTO users (tenant_id, email, ssn, name) VALUES (?, ?, ?, ?)",
	"InsertOf100Rows": "INSERT INTO users (tenant_id, email, ssn, name) VALUES " + strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", 100), ", "),
	"CTEWithJoins": `WITH recent AS (SELECT id, tenant_id, email, name FROM users WHERE region = ? AND name LIKE ?),
 totals (customer_id, n) AS (SELECT customer_id, count(*) FROM orders GROUP BY customer_id)
 SELECT r.id, r.email, r.name, t.n, p.ssn, l.line FROM recent AS r
 JOIN totals t ON t.customer_id = r.id
 LEFT JOIN profiles p ON p.customer_id = r.id AND p.ssn IS NOT NULL
 LEFT JOIN logs l ON l.id = r.id
 WHERE r.name <> ? AND (t.n > ? OR l.line IS NULL) ORDER BY r.name, t.n DESC LIMIT 5`,
	"LiteralInsert": `INSERT INTO users (name, tenant_id, email, ssn, age, deleted_at) VALUES ('alice', 'acme', 'al''ice@x.org', '+1555', 3, NULL)`,
}

// Compare times the analysis of a text against another reading of it. They take turns; what is reported are medians of
// several runs.
func Compare(b *testing.B, d dialect.Dialect, mode sqlplan.Mode, text string, other func() error) {
	schema := &tags.Schema{}
	if err := schema.RegisterTable("users", compared{}); err != nil {
		b.Fatal(err)
	}
	an, err := sqlplan.New(schema, d)
	if err != nil {
		b.Fatal(err)
	}
	ours := func() {
		if _, err := an.Analyze(text, mode, nil); err != nil {
			b.Fatal(err)
		}
	}
	theirs := func() {
		if err := other(); err != nil {
			b.Fatal(err)
		}
	}
	const runs, block = 7, 20
	var mine, yours, ratio []float64
	n := max(block, b.N/runs)
	b.ResetTimer()
	for range runs {
		var x, y time.Duration
		for range n / block {
			x += timed(block, ours)
			y += timed(block, theirs)
		}
		done := float64(n / block * block)
		mine, yours, ratio = append(mine, float64(x)/done), append(yours, float64(y)/done), append(ratio, float64(y)/float64(x))
	}
	b.ReportMetric(median(mine), "ns")
	b.ReportMetric(median(yours), "grammar-ns")
	b.ReportMetric(median(ratio), "×faster")
	b.ReportMetric(0, "ns/op")
}

func timed(n int, f func()) time.Duration {
	start := time.Now()
	for range n {
		f()
	}
	return time.Since(start)
}

func median(list []float64) float64 { return slices.Sorted(slices.Values(list))[len(list)/2] }
