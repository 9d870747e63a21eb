package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

func TestMain(m *testing.M) { testserver.Main(m) }

func TestRun(t *testing.T) {
	for name, more := range map[string]string{
		"a pool of one":    "pool_max_conns=1",
		"a larger pool":    "pool_max_conns=8",
		"simple protocol":  "default_query_exec_mode=simple_protocol",
		"exec":             "default_query_exec_mode=exec",
		"cached statement": "default_query_exec_mode=cache_statement",
	} {
		t.Run(name, func(t *testing.T) {
			srv := testserver.Postgres(t)
			dsn := srv.DSN("")
			if !strings.Contains(dsn, "?") {
				dsn += "?"
			}
			var out bytes.Buffer
			if err := run(t.Context(), dsn+"&"+more, 1000, &out); err != nil {
				t.Fatalf("%v\n%s", err, out.String())
			}
			text := regexp.MustCompile(`asherah_bulk_\w+`).ReplaceAllString(out.String(), "SCHEMA")
			if want := `COPY stored 1000 rows.
   asherah-postgres reads 1 of globex: user.1@copied.example
   asherah-postgres reads 2 of initech: user.2@copied.example
SendBatch stored 1 row.
   a batch reads 1 of globex: ada@lovelace.example
   a batch reads 1001 of globex: emmy@batch.example
pgx and the Sealer open all of them: 333 of acme, 335 of globex, 333 of initech.

The rows are yours to look at in schema SCHEMA; their master key is gone.
`; text != want {
				t.Errorf("it prints\n%s\nwant\n%s", text, want)
			}
			checkStored(t, srv.DSN(""), out.String())
			for _, secret := range []string{"@copied.example", "@lovelace.example", "@batch.example"} {
				if strings.Contains(srv.Log(), secret) {
					t.Errorf("the server's log holds %s", secret)
				}
			}
		})
	}
}

// checkStored reads the column as it is: every value is a record, and all are different.
func checkStored(t *testing.T, dsn, out string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var all, records, distinct int
	schema := regexp.MustCompile(`asherah_bulk_\w+`).FindString(out)
	if err := conn.QueryRow(t.Context(), "SELECT count(*), count(*) FILTER (WHERE email LIKE 'ash1.%'), count(DISTINCT email) FROM "+schema+".users").Scan(&all, &records, &distinct); err != nil {
		t.Fatal(err)
	}
	if all != 1001 || records != all || distinct != all {
		t.Errorf("%d rows, %d records, %d of them distinct", all, records, distinct)
	}
}

// TestPoolNeedsAConnectorForKeys: without one, a pool whose connections are all in use could never make a
// key.
func TestPoolNeedsAConnectorForKeys(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), testserver.Postgres(t).DSN(""))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	connector, err := driver.WrapConnector(stdlib.GetPoolConnector(pool), dialect.Postgres, driver.Config{Service: "shop", Product: "web", KMSName: "insecure-test"})
	if err == nil {
		_, err = connector.Connect(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "MetastoreConnector") {
		t.Errorf("a pool alone: %v", err)
	}
}
