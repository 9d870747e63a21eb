package integration

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"fmt"
	"strings"
	"testing"

	"github.com/XSAM/otelsql"
	"github.com/jackc/pgx/v5/stdlib"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// tracer collects spans. The getter puts every argument into them, which is the most that a program can
// have recorded.
type tracer struct {
	exporter *tracetest.InMemoryExporter
	options  []otelsql.Option
}

func newTracer(t *testing.T) *tracer {
	t.Helper()
	tr := &tracer{exporter: tracetest.NewInMemoryExporter()}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(tr.exporter))
	t.Cleanup(func() { provider.Shutdown(context.Background()) })
	tr.options = []otelsql.Option{
		otelsql.WithTracerProvider(provider),
		otelsql.WithAttributesGetter(func(_ context.Context, _ otelsql.Method, _ string, args []sqldriver.NamedValue) []attribute.KeyValue {
			var out []attribute.KeyValue
			for _, a := range args {
				out = append(out, attribute.String(fmt.Sprintf("arg.%d", a.Ordinal), fmt.Sprint(a.Value)))
			}
			return out
		}),
	}
	return tr
}

// text is all that the spans say.
func (tr *tracer) text(t *testing.T) string {
	t.Helper()
	spans := tr.exporter.GetSpans()
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "%s %s\n", s.Name, s.Status.Description)
		for _, a := range s.Attributes {
			fmt.Fprintf(&b, "\t%s=%s\n", a.Key, a.Value.String())
		}
		for _, e := range s.Events {
			fmt.Fprintf(&b, "\t%s %v\n", e.Name, e.Attributes)
		}
	}
	tr.exporter.Reset()
	return b.String()
}

const (
	tracedInsert  = "INSERT INTO patients (id, clinic_id, name, disease) VALUES ($1, $2, $3, $4)"
	tracedLiteral = "UPDATE patients SET disease = 'the quinsy of carl' WHERE id = 1"
)

// workTraced is a program whose statements are traced.
func workTraced(t *testing.T, srv *testserver.Server, db *sql.DB) {
	t.Helper()
	ctx := t.Context()
	if _, err := open(t, "pgx", postgresDSN(srv)).Exec(patientsUp + diseaseUp); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, tracedInsert, 1, "st-marys", "Ada", "measles of the engine"); err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	stmt, err := tx.PrepareContext(ctx, "UPDATE patients SET disease = $1 WHERE id = $2")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	if _, err := stmt.ExecContext(ctx, "pneumonia of pascal", 1); err != nil {
		t.Fatal(err)
	}
	var disease string
	if err := tx.QueryRowContext(ctx, "SELECT disease FROM patients WHERE clinic_id = $1", "st-marys").Scan(&disease); err != nil || disease != "pneumonia of pascal" {
		t.Fatalf("%q, %v", disease, err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, "SELECT id FROM patients WHERE disease = $1", "fever of felix"); err == nil {
		t.Error("a search for an encrypted value isn't refused")
	}
	onPostgres.sealedIn(t, srv, "patients", "disease")
	noneOf(t, "the server's log", srv.Log(), tracedSecrets...)
}

var tracedSecrets = []string{"measles of the engine", "pneumonia of pascal", "fever of felix", "the quinsy of carl"}

// TestTracedInside: otelsql below the wrapper sees what the server sees. Texts and arguments, even literals,
// are ciphertext.
func TestTracedInside(t *testing.T) {
	for name, wrap := range map[string]func(t *testing.T, tr *tracer, plain string, cfg driver.Config) (sqldriver.Connector, error){
		"WrapConnector": func(t *testing.T, tr *tracer, plain string, cfg driver.Config) (sqldriver.Connector, error) {
			base, err := otelsql.WrapDriver(stdlib.GetDefaultDriver(), tr.options...).(sqldriver.DriverContext).OpenConnector(plain)
			if err != nil {
				t.Fatal(err)
			}
			return driver.WrapConnector(base, dialect.Postgres, cfg)
		},
		"WrapDriver": func(t *testing.T, tr *tracer, plain string, cfg driver.Config) (sqldriver.Connector, error) {
			return driver.WrapDriver(otelsql.WrapDriver(stdlib.GetDefaultDriver(), tr.options...), plain, dialect.Postgres, cfg)
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv, tr := testserver.Postgres(t), newTracer(t)
			plain, cfg, err := driver.SplitDSN(dialect.Postgres, encryptedDSN(srv))
			if err != nil {
				t.Fatal(err)
			}
			connector, err := wrap(t, tr, plain, cfg)
			if err != nil {
				t.Fatal(err)
			}
			db := sql.OpenDB(connector)
			defer db.Close()
			workTraced(t, srv, db)
			if _, err := db.ExecContext(t.Context(), tracedLiteral); err != nil {
				t.Fatal(err)
			}
			text := tr.text(t)
			noneOf(t, "the spans", text, append(tracedSecrets, masterKey)...)
			for _, want := range []string{"INSERT INTO patients", "arg.4=ash1.", "disease = 'ash1."} {
				if !strings.Contains(text, want) {
					t.Errorf("the spans have no %q:\n%s", want, text)
				}
			}
		})
	}
}

// TestTracedOutside: otelsql above the wrapper sees what the program says. With placeholders the texts hold
// no value; arguments and literals are the program's own.
func TestTracedOutside(t *testing.T) {
	work := func(t *testing.T, open func(tr *tracer, dsn string) (*sql.DB, error)) {
		srv, tr := testserver.Postgres(t), newTracer(t)
		tr.options = tr.options[:1] // without the arguments
		db, err := open(tr, encryptedDSN(srv))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		workTraced(t, srv, db)
		text := tr.text(t)
		noneOf(t, "the spans", text, append(tracedSecrets, masterKey)...)
		if !strings.Contains(text, tracedInsert) {
			t.Errorf("the spans haven't the program's statement:\n%s", text)
		}
		if _, err := db.ExecContext(t.Context(), tracedLiteral); err != nil {
			t.Fatal(err)
		}
		// What docs/tools.md warns of. Should this change, so must the page.
		if !strings.Contains(tr.text(t), "the quinsy of carl") {
			t.Error("a literal isn't in the spans of a tracer above the wrapper")
		}
		noneOf(t, "the server's log", srv.Log(), tracedSecrets...)
	}
	t.Run("Register", func(t *testing.T) {
		work(t, func(tr *tracer, dsn string) (*sql.DB, error) {
			name, err := otelsql.Register("asherah-postgres", tr.options...) // opens the driver with an empty string
			if err != nil {
				return nil, err
			}
			return sql.Open(name, dsn)
		})
	})
	t.Run("Open", func(t *testing.T) {
		work(t, func(tr *tracer, dsn string) (*sql.DB, error) {
			return otelsql.Open("asherah-postgres", dsn, tr.options...)
		})
	})
	t.Run("OpenDB", func(t *testing.T) {
		work(t, func(tr *tracer, dsn string) (*sql.DB, error) {
			connector, err := open(t, "asherah-postgres", dsn).Driver().(sqldriver.DriverContext).OpenConnector(dsn)
			if err != nil {
				return nil, err
			}
			return otelsql.OpenDB(connector, tr.options...), nil
		})
	})
}
