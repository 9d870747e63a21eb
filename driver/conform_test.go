package driver_test

import (
	"database/sql"
	"database/sql/driver"
	"slices"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
	asherah "github.com/asherah-sql/asherah-sql/driver"
)

// homeless is a connector that names no driver.
type homeless struct{ fakeConnector }

func (homeless) Driver() driver.Driver { return nil }

func TestAConnectorWithoutADriverIsWrapped(t *testing.T) {
	c, err := asherah.WrapConnector(homeless{fakeConnector{&fake{}, shapes["bare"]}}, dialect.SQLite, emptyConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer db.Close()
	if err := db.Ping(); err != nil {
		t.Error(err)
	}
	if d := db.Driver(); d != nil {
		t.Errorf("Driver gives a %T", d)
	}
}

// uncounted is a connection whose statements convert arguments by column and can't count them.
type uncounted struct{ bare }

func (c uncounted) Prepare(string) (driver.Stmt, error) {
	return uncountedStmt{convertingStmt{fakeStmt(c.bare)}}, nil
}

type uncountedStmt struct{ convertingStmt }

func (s uncountedStmt) NumInput() int { s.f.note("NumInput"); return -1 }

type upper struct{}

func (upper) ConvertValue(v any) (driver.Value, error) {
	return strings.ToUpper(v.(string)), nil
}

func (s uncountedStmt) ColumnConverter(int) driver.ValueConverter { return upper{} }

// valuerOfString is asked through a nil pointer.
type valuerOfString string

func (v valuerOfString) Value() (driver.Value, error) { return string(v), nil }

func TestStatementsThatCannotCountConvertByColumn(t *testing.T) {
	for name, wrap := range arms(t) {
		f := &fake{}
		db := sql.OpenDB(wrap(fakeConnector{f, func(f *fake) driver.Conn { return uncounted{bare{f}} }}))
		if _, err := db.Exec("x", "a", valuerOfString("b")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := []string{"NumInput", "stmt.Exec [A B]", "stmt.Close"}; !slices.Equal(f.log, want) {
			t.Errorf("%s: the driver is asked %v, want %v", name, f.log, want)
		}
		db.Close()
	}
}

// arms gives the ways in which each test of this file opens a database: bare, wrapped with an empty schema,
// and wrapped with a schema that the statements don't touch. The keys are in the process, so that the wrapper
// has nothing of its own to send.
func arms(t testing.TB) map[string]func(driver.Connector) driver.Connector {
	wrapped := func(change func(*asherah.Config)) func(driver.Connector) driver.Connector {
		return func(c driver.Connector) driver.Connector {
			cfg := emptyConfig(t)
			cfg.KMS, cfg.KMSName, cfg.Metastore = nil, "insecure-test", asherah.MetastoreMemory
			change(&cfg)
			w, err := asherah.WrapConnector(c, dialect.SQLite, cfg)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
	}
	return map[string]func(driver.Connector) driver.Connector{
		"bare":  func(c driver.Connector) driver.Connector { return c },
		"empty": wrapped(func(*asherah.Config) {}),
		"apart": wrapped(func(cfg *asherah.Config) {
			cfg.Schema, cfg.AllowEmptySchema, cfg.SkipVerify = schemaOf(t, user{}), false, true
		}),
	}
}
