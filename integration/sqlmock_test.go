package integration

import (
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/DATA-DOG/go-sqlmock"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/kms"
	"github.com/asherah-sql/asherah-sql/tags"
)

// These are a user's own tests: the program's repository, over a mock in place of the server.

var mocks atomic.Int64

// mocked returns the program's database over a mock, and the mock. The settings keep the wrapper from
// sending queries of its own: nothing is checked against a catalogue, keys are in the process.
func mocked(t *testing.T) (*sql.DB, sqlmock.Sqlmock, sqldriver.Connector) {
	t.Helper()
	schema, err := tags.NewSchema(patient{})
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("mock-%d", mocks.Add(1))
	base, mock, err := sqlmock.NewWithDSN(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { base.Close() })
	connector, err := driver.WrapDriver(base.Driver(), name, dialect.Postgres, driver.Config{
		Service: "shop", Product: "web", KMSName: "insecure-test",
		Metastore:  driver.MetastoreMemory,
		SkipVerify: true,
		Schema:     schema,
	})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() {
		if err := mock.ExpectationsWereMet(); err != nil {
			t.Error(err)
		}
	})
	return db, mock, connector
}

// expectCatalogue answers that the table isn't known, when the wrapper asks for the type of a partition
// column that is a string: it may be a uuid's, which have many spellings. It asks once a statement, for the
// name as it is and in any case.
func expectCatalogue(mock sqlmock.Sqlmock) {
	for range 2 {
		mock.ExpectQuery("FROM pg_catalog.pg_class").WillReturnRows(sqlmock.NewRows(nil))
	}
}

// record expects a sealed value.
type record struct{}

func (record) Match(v sqldriver.Value) bool {
	s, ok := v.(string)
	return ok && strings.HasPrefix(s, "ash1.")
}

func TestMockedStatements(t *testing.T) {
	db, mock, connector := mocked(t)
	ctx := t.Context()
	expectCatalogue(mock)
	mock.ExpectExec("INSERT INTO patients").WithArgs(1, "st-marys", "Ada", record{}).WillReturnResult(sqlmock.NewResult(0, 1))
	if _, err := db.ExecContext(ctx, tracedInsert, 1, "st-marys", "Ada", "measles of the engine"); err != nil {
		t.Fatal(err)
	}

	// What the database would have stored comes from a Sealer.
	expectCatalogue(mock)
	mock.ExpectClose() // of the connection that it asked on
	sealer, err := driver.NewSealer(ctx, connector)
	if err != nil {
		t.Fatal(err)
	}
	defer sealer.Close()
	stored, err := sealer.Seal(ctx, "patients", "disease", patient{ClinicID: "st-marys"}, "the gout")
	if err != nil {
		t.Fatal(err)
	}
	// The partition column is asked for as well, and trimmed from the result.
	mock.ExpectQuery("SELECT disease").WithArgs(1).WillReturnRows(sqlmock.NewRows([]string{"disease", "clinic_id"}).AddRow(stored, "st-marys"))
	var disease string
	if err := db.QueryRowContext(ctx, "SELECT disease FROM patients WHERE id = $1", 1).Scan(&disease); err != nil || disease != "the gout" {
		t.Errorf("%q, %v", disease, err)
	}

	// An UPDATE that doesn't say the partition asks for it first.
	expectCatalogue(mock)
	mock.ExpectQuery("SELECT .*clinic_id.* FROM patients").WillReturnRows(sqlmock.NewRows([]string{"clinic_id"}).AddRow("st-marys"))
	mock.ExpectExec("UPDATE patients SET disease").WillReturnResult(sqlmock.NewResult(0, 1))
	if _, err := db.ExecContext(ctx, "UPDATE patients SET disease = $1 WHERE id = $2", "the mumps", 1); err != nil {
		t.Fatal(err)
	}

	// Statements on other tables reach the mock as they are, and so do its errors.
	lost := errors.New("the mock is tired")
	mock.ExpectQuery("SELECT 1").WillReturnError(lost)
	if err := db.QueryRowContext(ctx, "SELECT 1").Scan(new(int)); err != lost {
		t.Errorf("%v, want the mock's own error", err)
	}
	// A refused statement never reaches it.
	if _, err := db.ExecContext(ctx, "DELETE FROM patients WHERE disease = $1", "x"); !errors.Is(err, driver.ErrRefused) {
		t.Errorf("%v, want a refusal", err)
	}
	mock.ExpectClose()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestMockedTransaction: begin, commit and rollback are the mock's to expect; keys don't show in them.
func TestMockedTransaction(t *testing.T) {
	db, mock, _ := mocked(t)
	ctx := driver.WithPartition(t.Context(), "st-marys")
	mock.ExpectBegin()
	expectCatalogue(mock)
	mock.ExpectExec("INSERT INTO patients").WithArgs(1, "st-marys", "Ada", record{}).WillReturnError(errors.New("duplicate"))
	mock.ExpectRollback()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, tracedInsert, 1, "st-marys", "Ada", "measles"); err == nil || err.Error() != "duplicate" {
		t.Errorf("%v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
}

// TestMockSeesTheWrappersQueries: without those settings the mock has to expect the key table and the
// catalogue, and says so; nothing is sent unprotected meanwhile.
func TestMockSeesTheWrappersQueries(t *testing.T) {
	base, mock, err := sqlmock.NewWithDSN("mock-strict")
	if err != nil {
		t.Fatal(err)
	}
	defer base.Close()
	connector, err := driver.WrapDriver(base.Driver(), "mock-strict", dialect.Postgres, driver.Config{Service: "shop", Product: "web", KMSName: "static", KMSParams: kms.Params{"key": "env:" + masterKeyVar}})
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	mock.ExpectExec("INSERT INTO patients")
	_, err = db.ExecContext(t.Context(), tracedInsert, 1, "st-marys", "Ada", "measles of the engine")
	if err == nil {
		t.Fatal("a mock without a key table will do")
	}
	noneOf(t, "the error", err.Error(), "measles of the engine")
	if mock.ExpectationsWereMet() == nil {
		t.Error("the statement was sent")
	}
}
