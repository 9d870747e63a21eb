package sqlplan

import (
	"fmt"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// The statements whose costs the issue tracker bounds. Analyze keeps nothing between calls, so each run is
// that of a text seen for the first time.

func benchmarkAnalyze(b *testing.B, query string) { benchmarkOf(b, dialect.SQLite, query) }

func benchmarkOf(b *testing.B, d dialect.Dialect, query string) {
	an, mode := analyzerOf(d), modeOf(d)
	cat := &mapCatalog{tables: testTables, asked: map[TableName]bool{}}
	for {
		_, err := an.Analyze(query, mode, cat)
		if need, ok := err.(*NeedColumns); ok {
			for _, n := range need.Tables {
				cat.asked[n] = true
			}
			continue
		}
		if err != nil {
			b.Fatal(err)
		}
		break
	}
	b.SetBytes(int64(len(query)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := an.Analyze(query, mode, cat); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSimpleInsert(b *testing.B) {
	benchmarkAnalyze(b, "INSERT INTO users (tenant_id, email, ssn, name) VALUES (?, ?, ?, ?) RETURNING id")
}

func BenchmarkInsertOf100Rows(b *testing.B) {
	benchmarkAnalyze(b, "INSERT INTO users (tenant_id, email, ssn, name) VALUES "+
		strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", 100), ", "))
}

func BenchmarkUpdate(b *testing.B) {
	benchmarkAnalyze(b, "UPDATE `users` SET `email`=?,`name`=? WHERE `users`.`id` = ? AND `tenant_id` = ?")
}

func BenchmarkSelect(b *testing.B) {
	benchmarkAnalyze(b, "SELECT id, tenant_id, email FROM users WHERE id = ?")
}

func BenchmarkSelectStar(b *testing.B) {
	benchmarkAnalyze(b, "SELECT * FROM `users` WHERE `users`.`id` = ? ORDER BY `users`.`id` LIMIT 1")
}

func BenchmarkCTEWithJoins(b *testing.B) {
	benchmarkAnalyze(b, `WITH recent AS (SELECT id, tenant_id, email, name FROM users WHERE region = ? AND name LIKE ?),
 totals (customer_id, n) AS (SELECT customer_id, count(*) FROM orders GROUP BY customer_id)
 SELECT r.id, r.email, r.name, t.n, p.ssn, l.line FROM recent AS r
 JOIN totals t ON t.customer_id = r.id
 LEFT JOIN profiles p ON p.customer_id = r.id AND p.ssn IS NOT NULL
 LEFT JOIN logs l ON l.id = r.id
 WHERE r.name <> ? AND (t.n > ? OR l.line IS NULL) ORDER BY r.name, t.n DESC LIMIT ? OFFSET ?`)
}

func BenchmarkLiteralInsertOfBun(b *testing.B) {
	benchmarkAnalyze(b, `INSERT INTO "customers" ("name", "email", "phone", "card", "age", "deleted_at") VALUES ('alice', 'al''ice\@x.org', '+1555', X'4100ff', 3, NULL) RETURNING "id", "created_at", "deleted_at"`)
}

func BenchmarkTableNameInAString(b *testing.B) {
	benchmarkAnalyze(b, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'users'")
}

// A statement that mentions no registered table costs a search of its text.
func BenchmarkMentionsPerKiB(b *testing.B) {
	an := testAnalyzer()
	text := "SELECT id, at, line FROM logs WHERE at > ? AND line LIKE '%needle%' OR tenant = 7 "
	text = strings.Repeat(text, 1024/len(text)+1)[:1024]
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if an.Mentions(text) {
			b.Fatal("mentioned")
		}
	}
}

func BenchmarkTxControlOfASelect(b *testing.B) {
	q := "SELECT id, at, line FROM logs WHERE at > ? AND line LIKE ?"
	d := testAnalyzer().f.dialect
	b.ReportAllocs()
	for b.Loop() {
		if TxControl(q, d) != nil {
			b.Fatal("found one")
		}
	}
}

func BenchmarkWords(b *testing.B) {
	q := "SELECT id, at, line FROM logs WHERE at > ? AND line LIKE ?"
	b.ReportAllocs()
	for b.Loop() {
		Words(q, func(string) {})
	}
}

// The same on PostgreSQL.

func BenchmarkPostgresSimpleInsert(b *testing.B) {
	benchmarkOf(b, dialect.Postgres, "INSERT INTO users (tenant_id, email, ssn, name) VALUES ($1, $2, $3, $4) RETURNING id")
}

func BenchmarkPostgresInsertOf100Rows(b *testing.B) {
	var q strings.Builder
	q.WriteString("INSERT INTO users (tenant_id, email, ssn, name) VALUES ")
	for i := range 100 {
		if i > 0 {
			q.WriteString(", ")
		}
		fmt.Fprintf(&q, "($%d, $%d, $%d, $%d)", 4*i+1, 4*i+2, 4*i+3, 4*i+4)
	}
	benchmarkOf(b, dialect.Postgres, q.String())
}

func BenchmarkPostgresUpdate(b *testing.B) {
	benchmarkOf(b, dialect.Postgres, `UPDATE "users" SET "email"=$1,"name"=$2 WHERE "users"."id" = $3 AND "tenant_id" = $4`)
}

func BenchmarkPostgresSelectStar(b *testing.B) {
	benchmarkOf(b, dialect.Postgres, `SELECT * FROM "users" WHERE "users"."id" = $1 ORDER BY "users"."id" LIMIT 1`)
}

func BenchmarkPostgresCTEWithJoins(b *testing.B) {
	benchmarkOf(b, dialect.Postgres, `WITH recent AS (SELECT id, tenant_id, email, name FROM users WHERE region = $1 AND name LIKE $2),
 totals (customer_id, n) AS (SELECT customer_id, count(*) FROM orders GROUP BY customer_id)
 SELECT r.id, r.email, r.name, t.n, p.ssn, l.line FROM recent AS r
 JOIN totals t ON t.customer_id = r.id
 LEFT JOIN profiles p ON p.customer_id = r.id AND p.ssn IS NOT NULL
 LEFT JOIN logs l ON l.id = r.id
 WHERE r.name <> $3 AND (t.n > $4 OR l.line IS NULL) ORDER BY r.name, t.n DESC LIMIT $5 OFFSET $6`)
}

func BenchmarkPostgresMentionsPerKiB(b *testing.B) {
	an := analyzerOf(dialect.Postgres)
	text := "SELECT id, at, line FROM logs WHERE at > $1 AND line LIKE '%needle%' OR tenant = 7 "
	text = strings.Repeat(text, 1024/len(text)+1)[:1024]
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if an.Mentions(text) {
			b.Fatal("mentioned")
		}
	}
}

// And on MySQL.

func BenchmarkMySQLSimpleInsert(b *testing.B) {
	benchmarkOf(b, dialect.MySQL, "INSERT INTO users (tenant_id, email, ssn, name) VALUES (?, ?, ?, ?)")
}

func BenchmarkMySQLInsertOf100Rows(b *testing.B) {
	benchmarkOf(b, dialect.MySQL, "INSERT INTO users (tenant_id, email, ssn, name) VALUES "+
		strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", 100), ", "))
}

func BenchmarkMySQLUpdate(b *testing.B) {
	benchmarkOf(b, dialect.MySQL, "UPDATE `users` SET `email`=?,`name`=? WHERE `users`.`id` = ? AND `tenant_id` = ?")
}
