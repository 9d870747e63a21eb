package main

import (
	"strconv"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan/oracle"

	pg "github.com/sqlc-dev/oliphant"
)

func BenchmarkAgainstOliphant(b *testing.B) {
	for name, text := range oracle.Benchmarks {
		for n := 1; strings.Contains(text, "?"); n++ {
			text = strings.Replace(text, "?", "$"+strconv.Itoa(n), 1)
		}
		b.Run(name, func(b *testing.B) {
			oracle.Compare(b, dialect.Postgres, sqlplan.Mode{Known: true}, text, func() error {
				_, err := pg.Parse(text)
				return err
			})
		})
	}
}
