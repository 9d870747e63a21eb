package sqlplan_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan/sqlgen"
	"github.com/asherah-sql/asherah-sql/internal/testserver"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// The soundness test of soundness_test.go on PostgreSQL. All columns are texts there, so that more of what is
// generated is of fitting types.

func newPostgresWorld(t testing.TB) *world {
	w := &world{t: t, d: dialect.Postgres, mode: sqlplan.Mode{Known: true}, an: sqlplan.AnalyzerOf(dialect.Postgres), schema: sqlplan.TestSchema(), rnd: rand.New(rand.NewPCG(1, 2))}
	open := func() *sql.Conn {
		srv := testserver.Postgres(t)
		w.major = serverMajor(t, srv)
		dsn := srv.DSN("")
		sep := "?"
		if strings.Contains(dsn, "?") {
			sep = "&"
		}
		// No statement is kept prepared: definitions change what is behind it.
		db, err := sql.Open("pgx", dsn+sep+"default_query_exec_mode=describe_exec")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		c, err := db.Conn(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		// A statement that doesn't end must not end the connection.
		for _, q := range append(sqlgen.Tables(w.d), "SET statement_timeout = 1000", "SET client_min_messages = error") {
			if _, err := c.ExecContext(context.Background(), q); err != nil {
				t.Fatal(err)
			}
		}
		return c
	}
	w.real, w.twin = open(), open()
	w.cat = &dbCatalog{conn: w.twin, known: map[sqlplan.TableName][]string{},
		query: "SELECT column_name::text FROM information_schema.columns WHERE table_name = $1 AND table_schema = coalesce($2, CASE $1 WHEN 'documents' THEN 'archive' ELSE 'public' END) ORDER BY ordinal_position"}
	for _, q := range sqlgen.Rows(w.d) {
		if what := w.run(q, nil, false); what != "ok" {
			t.Fatalf("seed %s: %s", q, what)
		}
	}
	w.saves = true
	return w
}

// differs finds what gives other results in each session.
var differs = regexp.MustCompile(`(?i)current_|localtime|session_user|system_user|\buser\b|now\(|random|\b(ctid|xmin|xmax|cmin|cmax|tableoid)\b`)

// grammar reports whether the server takes a text for a statement, of whatever sense.
func (w *world) grammar(q string) bool {
	var err error
	w.twin.Raw(func(c any) error {
		_, err = c.(*stdlib.Conn).Conn().Prepare(context.Background(), "", q)
		return nil
	})
	if w.saves && err != nil {
		w.twin.ExecContext(context.Background(), "ROLLBACK")
		w.twin.ExecContext(context.Background(), "BEGIN")
	}
	var e *pgconn.PgError
	if err != nil && !errors.As(err, &e) {
		w.t.Fatalf("%v of\n%s", err, q)
	}
	// Class 22 is a malformed literal, which is found before the grammar is asked.
	return err == nil || e.Code != syntaxError && e.Code[:2] != "22"
}

func TestAcceptedStatementsAreSoundOnPostgreSQL(t *testing.T) {
	w := newPostgresWorld(t)
	outcome := map[string]int{}
	examples := map[string]string{}
	for i := range *statements {
		g := sqlgen.New(w.d, sqlgen.Mode{}, *seed+uint64(i))
		q := g.Statement()
		if g.IntN(4) == 0 {
			q = g.Mutate(q, sqlplan.TokenSpansOf(q, dialect.Postgres))
		}
		shorter(outcome, examples, w.run(q, g.Args, true), q)
	}
	report(t, outcome, examples)
	if outcome["ok"] < *statements/8 {
		t.Errorf("only %d of %d statements were planned and run", outcome["ok"], *statements)
	}
	checkGrammar(t, outcome, examples, 0)
}

func TestMutantsOfKnownStatementsAreSoundOnPostgreSQL(t *testing.T) {
	w := newPostgresWorld(t)
	outcome := map[string]int{}
	examples := map[string]string{}
	var queries []string
	for _, c := range sqlplan.Goldens(t, dialect.Postgres) {
		queries = append(queries, c.Query)
	}
	for _, f := range sqlplan.CorpusFilesOf(t, dialect.Postgres) {
		queries = append(queries, f...)
	}
	for i := range *statements + len(queries) {
		g := sqlgen.New(w.d, sqlgen.Mode{}, *seed+uint64(i))
		q := queries[i%len(queries)]
		for n := 0; i >= len(queries) && n <= g.IntN(3); n++ {
			q = g.Mutate(q, sqlplan.TokenSpansOf(q, dialect.Postgres))
		}
		shorter(outcome, examples, w.run(q, nil, true), q)
	}
	report(t, outcome, examples)
	if outcome["ok"] < *statements/20 {
		t.Errorf("only %d of %d statements were planned and run", outcome["ok"], *statements)
	}
	checkGrammar(t, outcome, examples, 0)
}
