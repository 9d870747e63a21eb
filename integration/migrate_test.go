package integration

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/golang-migrate/migrate/v4"
	migratepgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/pressly/goose/v3"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/internal/testserver"
)

// patient is a table that migrations make.
type patient struct {
	ID       int64  `db:"id"`
	ClinicID string `db:"clinic_id"`
	Name     string `db:"name"`
	Disease  string `db:"disease" encrypt:"clinic_id"`
}

// One set of migrations for both tools: plain DDL, which knows nothing of encryption but for the type TEXT.
const (
	patientsUp   = "CREATE TABLE patients (id BIGINT PRIMARY KEY, clinic_id TEXT NOT NULL, name TEXT NOT NULL);\nCREATE INDEX patients_by_name ON patients (name);"
	patientsDown = "DROP TABLE patients;"
	diseaseUp    = "ALTER TABLE patients ADD COLUMN disease TEXT;"
	diseaseDown  = "ALTER TABLE patients DROP COLUMN disease;"
)

// treat is the program: it uses the table with the same connection string as the migrations.
func treat(t *testing.T, srv *testserver.Server, dsn string) {
	t.Helper()
	db := open(t, "asherah-postgres", dsn)
	ctx := t.Context()
	if _, err := db.ExecContext(ctx, "INSERT INTO patients (id, clinic_id, name, disease) VALUES ($1, $2, $3, $4)", 1, "st-marys", "Ada", "measles of the engine"); err != nil {
		t.Fatal(err)
	}
	var disease string
	if err := db.QueryRowContext(ctx, "SELECT disease FROM patients WHERE id = $1", 1).Scan(&disease); err != nil || disease != "measles of the engine" {
		t.Errorf("%q, %v", disease, err)
	}
	onPostgres.sealedIn(t, srv, "patients", "disease")
	noneOf(t, "the server's log", srv.Log(), "measles of the engine")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestGolangMigrate(t *testing.T) {
	files := fstest.MapFS{
		"m/1_patients.up.sql":   {Data: []byte(patientsUp)},
		"m/1_patients.down.sql": {Data: []byte(patientsDown)},
		"m/2_disease.up.sql":    {Data: []byte(diseaseUp)},
		"m/2_disease.down.sql":  {Data: []byte(diseaseDown)},
	}
	newMigrate := func(t *testing.T, url string) (*migrate.Migrate, error) {
		t.Helper()
		source, err := iofs.New(files, "m")
		if err != nil {
			t.Fatal(err)
		}
		m, err := migrate.NewWithSourceInstance("iofs", source, url)
		if err == nil {
			t.Cleanup(func() { m.Close() })
		}
		return m, err
	}
	pgx5 := func(dsn string) string { return strings.Replace(dsn, "postgres://", "pgx5://", 1) }

	t.Run("with the plain string", func(t *testing.T) {
		srv := testserver.Postgres(t)
		full := encryptedDSN(srv)
		plain, _, err := driver.SplitDSN(dialect.Postgres, full)
		if err != nil {
			t.Fatal(err)
		}
		m, err := newMigrate(t, pgx5(plain))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Up(); err != nil {
			t.Fatal(err)
		}
		treat(t, srv, full)
		if err := m.Down(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("the full string is refused by the server", func(t *testing.T) {
		// Not silently accepted: the parameters mean nothing to the plain driver.
		if _, err := newMigrate(t, pgx5(encryptedDSN(testserver.Postgres(t)))); err == nil || !strings.Contains(err.Error(), "asherah_") {
			t.Errorf("the plain driver takes the asherah parameters: %v", err)
		}
	})
	t.Run("through the encrypting driver", func(t *testing.T) {
		srv := testserver.Postgres(t)
		full := encryptedDSN(srv)
		db := open(t, "asherah-postgres", full)
		target, err := migratepgx.WithInstance(db, &migratepgx.Config{})
		if err != nil {
			t.Fatal(err)
		}
		source, err := iofs.New(files, "m")
		if err != nil {
			t.Fatal(err)
		}
		m, err := migrate.NewWithInstance("iofs", source, "pgx5", target)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Up(); err != nil {
			t.Fatal(err)
		}
		treat(t, srv, full)
		if version, dirty, err := m.Version(); err != nil || version != 2 || dirty {
			t.Errorf("version %d, dirty %t, %v", version, dirty, err)
		}
		if err := errors.Join(m.Close()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestGoose(t *testing.T) {
	files := fstest.MapFS{
		"1_patients.sql": {Data: []byte("-- +goose Up\n" + patientsUp + "\n-- +goose Down\n" + patientsDown + "\n")},
		"2_disease.sql":  {Data: []byte("-- +goose Up\n" + diseaseUp + "\n-- +goose Down\n" + diseaseDown + "\n")},
	}
	up := func(t *testing.T, db *sql.DB, more ...*goose.Migration) *goose.Provider {
		t.Helper()
		p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithGoMigrations(more...))
		if err != nil {
			t.Fatal(err)
		}
		results, err := p.Up(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(results) != 2+len(more) {
			t.Errorf("%d migrations were applied", len(results))
		}
		return p
	}
	t.Run("with the plain string", func(t *testing.T) {
		srv := testserver.Postgres(t)
		full := encryptedDSN(srv)
		plain, _, err := driver.SplitDSN(dialect.Postgres, full)
		if err != nil {
			t.Fatal(err)
		}
		p := up(t, open(t, "pgx", plain))
		treat(t, srv, full)
		if _, err := p.DownTo(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("through the encrypting driver, with data", func(t *testing.T) {
		srv := testserver.Postgres(t)
		full := encryptedDSN(srv)
		seed := goose.NewGoMigration(3, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO patients (id, clinic_id, name, disease) VALUES (7, 'st-marys', 'Blaise', 'the wagers')")
			return err
		}}, nil)
		up(t, open(t, "asherah-postgres", full), seed)
		treat(t, srv, full)
		noneOf(t, "the server's log", srv.Log(), "the wagers")
	})
}
