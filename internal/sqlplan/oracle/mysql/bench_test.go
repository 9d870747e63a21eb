package main

import (
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan/oracle"

	"github.com/sqlc-dev/marino/parser"
)

func BenchmarkAgainstMarino(b *testing.B) {
	p := parser.New() // made once, as its makers advise
	for name, text := range oracle.Benchmarks {
		b.Run(name, func(b *testing.B) {
			mode := sqlplan.Mode{Known: true, BackslashEscapes: true, Strict: true, Version: 80400}
			oracle.Compare(b, dialect.MySQL, mode, text, func() error {
				_, _, err := p.Parse(text, "", "")
				return err
			})
		})
	}
}
