package integration

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/internal/testserver"
	"github.com/asherah-sql/asherah-sql/tags"
)

// toolModels are the models of the tests with tools and ORMs, each with tables of its own.
func toolModels() []any {
	return []any{patient{}, member{}, author{}, book{}, reader{}, loan{}}
}

func registerModels() { tags.MustRegister(toolModels()...) }

// noneOf fails when a text holds one of the secrets. what names the text.
func noneOf(t *testing.T, what, text string, secrets ...string) {
	t.Helper()
	var all []secret
	for _, s := range secrets {
		all = append(all, textSecret(s))
	}
	for _, s := range newSearch(all...).in([]byte(text)) {
		t.Errorf("%s holds %s", what, s.name)
	}
}

// server is a kind of server that the shop, the tools and the ORMs are run on.
type server struct {
	name             string
	start            func(testing.TB, ...testserver.Option) *testserver.Server
	plain, encrypted string // names of the drivers
	dsn              func(*testserver.Server, ...string) string
	ways             []string        // parameters for each way in which the driver sends statements
	secrets          func() []secret // the shop's, with the forms that they have in this server's files
	flush            string          // has the server write its files
	dumps            []dumped
}

// dumped is a form of dump.
type dumped struct {
	name string
	dump func(t *testing.T, srv *testserver.Server) []byte
}

// onServers runs a test on each.
func onServers(t *testing.T, f func(t *testing.T, on server)) {
	for _, on := range []server{onPostgres, onMariaDB} {
		t.Run(on.name, func(t *testing.T) { f(t, on) })
	}
}

// open opens a server as a program does that encrypts.
func (on server) open(t *testing.T, srv *testserver.Server) *sql.DB {
	t.Helper()
	return open(t, on.encrypted, on.dsn(srv, settings))
}

// sealedIn fails unless every value of a column, of which there must be some, is a record.
func (on server) sealedIn(t *testing.T, srv *testserver.Server, table, column string) {
	t.Helper()
	db := open(t, on.plain, on.dsn(srv))
	rows, err := db.Query("SELECT " + column + " FROM " + table + " WHERE " + column + " IS NOT NULL")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		n++
		if !strings.HasPrefix(v, "ash1.") {
			t.Errorf("%s.%s: a value of %d bytes is no record", table, column, len(v))
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if n == 0 {
		t.Errorf("%s has no values of %s", table, column)
	}
}

// encryptedDSN is the connection string of a program that encrypts.
func encryptedDSN(srv *testserver.Server, params ...string) string {
	return postgresDSN(srv, append(params, settings)...)
}

func nullString(s string) sql.NullString { return sql.NullString{String: s, Valid: true} }
