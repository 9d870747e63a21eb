package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/driver"
	"github.com/asherah-sql/asherah-sql/driver/sqlite"
	"github.com/asherah-sql/asherah-sql/tags"
)

type Patient struct {
	ID       int64
	Clinic   string
	Name     string `encrypt:"clinic"`
	Diagnose string `encrypt:"clinic"`
}

func init() { tags.MustRegister(Patient{}) }

func Example() {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the driver logs that it made the key table
	dir, err := os.MkdirTemp("", "asherah")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv("CLINIC_KEY", "2b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfe")
	defer os.Unsetenv("CLINIC_KEY")

	// In a program: _ "github.com/asherah-sql/asherah-sql/driver/sqlite", and type Patient struct with
	// `encrypt:"clinic"` on Name and Diagnose, registered by tags.MustRegister(Patient{}).
	path := filepath.Join(dir, "clinic.db")
	db, err := sql.Open("asherah-sqlite", path+"?asherah_service=clinics&asherah_product=web&asherah_kms=static&asherah_kms_key=env:CLINIC_KEY")
	if err != nil {
		panic(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE patients (id INTEGER PRIMARY KEY, clinic TEXT, name TEXT, diagnose TEXT)`); err != nil {
		panic(err)
	}
	if _, err := db.Exec(`INSERT INTO patients (clinic, name, diagnose) VALUES (?, ?, ?)`, "north", "Ann", "flu"); err != nil {
		panic(err)
	}
	var name string
	if err := db.QueryRow(`SELECT name FROM patients WHERE clinic = ?`, "north").Scan(&name); err != nil {
		panic(err)
	}
	fmt.Println("the program reads:", name)

	plain, err := sql.Open("sqlite", path)
	if err != nil {
		panic(err)
	}
	defer plain.Close()
	if err := plain.QueryRow(`SELECT name FROM patients`).Scan(&name); err != nil {
		panic(err)
	}
	fmt.Println("the file holds:", name[:5]+"…")
	// Output:
	// the program reads: Ann
	// the file holds: ash1.…
}

func TestOpenAndNewConnectorGiveTheSame(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	t.Setenv("CLINIC_KEY", strings.Repeat("ab", 32))
	db, err := sql.Open(sqlite.Name, path+"?asherah_service=s&asherah_product=p&asherah_kms=static&asherah_kms_key=env:CLINIC_KEY&_pragma=foreign_keys(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE TABLE patients (id INTEGER PRIMARY KEY, clinic TEXT, name TEXT, diagnose TEXT)`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(`INSERT INTO patients (clinic, name) VALUES ('c', 'ann')`); err != nil {
		t.Fatal(err)
	}
	var fk int
	if err := db.QueryRow(`PRAGMA foreign_keys`).Scan(&fk); err != nil || fk != 1 {
		t.Errorf("the driver's own parameter is lost: %d, %v", fk, err)
	}
	c, err := sqlite.NewConnector(path, driver.Config{Service: "s", Product: "p", KMSName: "static", KMSParams: map[string]string{"key": "env:CLINIC_KEY"}})
	if err != nil {
		t.Fatal(err)
	}
	again := sql.OpenDB(c)
	defer again.Close()
	var name string
	if err := again.QueryRowContext(context.Background(), `SELECT name FROM patients`).Scan(&name); err != nil || name != "ann" {
		t.Errorf("%q, %v", name, err)
	}
	if fmt.Sprintf("%T", again.Driver()) != fmt.Sprintf("%T", db.Driver()) {
		t.Errorf("drivers %T and %T", again.Driver(), db.Driver())
	}
}
