// Command quickstart shows what asherah-sql does, in one process and with nothing to set up:
//
//	go run ./examples/quickstart
//
// It makes a SQLite database, writes customers of two tenants through database/sql, and shows each row
// as the program reads it and as it lies in the database. Then it tries to read one tenant's rows as the
// other and to pass a value off as another's. With the connection string of a PostgreSQL, MySQL or MariaDB
// server it does the same there, in a schema of its own:
//
//	go run ./examples/quickstart -dsn postgres://app@localhost/shop
//	go run ./examples/quickstart -dsn 'app@tcp(localhost)/shop'
package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/go-sql-driver/mysql"

	"github.com/asherah-sql/asherah-sql/driver"
	_ "github.com/asherah-sql/asherah-sql/driver/mysql"    // registers "asherah-mysql"
	_ "github.com/asherah-sql/asherah-sql/driver/postgres" // registers "asherah-postgres"
	_ "github.com/asherah-sql/asherah-sql/driver/sqlite"   // registers "asherah-sqlite"
	"github.com/asherah-sql/asherah-sql/tags"
)

// User is an ordinary model; the encrypt tags name the column that says whose key seals the value.
type User struct {
	ID       int64  `db:"id"`
	TenantID string `db:"tenant_id"`
	Name     string `db:"name"`
	Email    string `db:"email" encrypt:"tenant_id"`
	SSN      string `db:"ssn" encrypt:"tenant_id"`
}

func init() { tags.MustRegister(User{}) }

func main() {
	dir := flag.String("dir", "", "`folder` for the master key and SQLite's database (default: a new temporary one)")
	dsn := flag.String("dsn", "", "`connection string` of a PostgreSQL, MySQL or MariaDB server to use instead of SQLite")
	flag.Parse()
	// The driver logs a line when it makes the key table, as it does here each time.
	slog.SetLogLoggerLevel(slog.LevelWarn)
	if err := run(context.Background(), *dir, *dsn, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, dsn string, out io.Writer) error {
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "asherah-quickstart-"); err != nil {
			return err
		}
	}
	keyFile := filepath.Join(dir, "master.key")
	if err := newMasterKey(keyFile); err != nil {
		return err
	}
	at := inFile(filepath.Join(dir, "shop.db"))
	if dsn != "" {
		var err error
		if at, err = onServer(ctx, dsn); err != nil {
			return err
		}
	}

	// The one change to a program: the driver's name, and where its keys are.
	db, err := sql.Open("asherah-"+at.name, withParams(at.dsn, [][2]string{
		{"asherah_service", "shop"},
		{"asherah_product", "web"},
		{"asherah_kms", "static"},
		{"asherah_kms_key", "file:" + keyFile},
	}))
	if err != nil {
		return err
	}
	defer db.Close()
	// The database as anyone sees it who gets hold of it: no keys, no tags.
	plain, err := sql.Open(at.plain, at.dsn)
	if err != nil {
		return err
	}
	defer plain.Close()

	if err := fill(ctx, at, db); err != nil {
		return err
	}
	const all = "SELECT id, tenant_id, name, email, ssn FROM users ORDER BY id"
	fmt.Fprintln(out, "1. The rows as the program reads them:")
	if err := show(ctx, db, out, all); err != nil {
		return err
	}
	fmt.Fprintln(out, "2. The same rows as they lie in the database, read with the plain driver:")
	if err := show(ctx, plain, out, all); err != nil {
		return err
	}

	fmt.Fprintln(out, "3. A request of the tenant globex asks for a row of acme:")
	globex := driver.WithPartition(ctx, "globex")
	if err := refused(globex, at, db, out, 1, driver.ErrPartitionMismatch); err != nil {
		return err
	}

	fmt.Fprintln(out, "4. Somebody copies the ciphertext of acme's e-mail address into the row of globex:")
	if err := copied(ctx, at, db, plain, out, "email", 3); err != nil {
		return err
	}
	fmt.Fprintln(out, "5. Somebody copies it into another column of its own row:")
	if err := copied(ctx, at, db, plain, out, "ssn", 1); err != nil {
		return err
	}

	fmt.Fprintln(out, "The database and its master key are yours to look at:")
	fmt.Fprintf(out, "   %s\n   %s (in production this is in a KMS, never beside the data)\n", at.place, keyFile)
	return nil
}

// database is where the rows are.
type database struct {
	name, plain string // what the drivers are called: "asherah-"+name, and the one below it
	dsn         string // as the plain driver takes it
	place       string // for the reader
}

func inFile(path string) database {
	return database{"sqlite", "sqlite", "file:" + (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), path}
}

// onServer makes a schema on a server, for tables that disturb no others.
func onServer(ctx context.Context, dsn string) (database, error) {
	schema := "asherah_quickstart_" + strings.ToLower(rand.Text()[:8])
	at := database{"postgres", "pgx", withParams(dsn, [][2]string{{"search_path", schema}}), "schema " + schema}
	if cfg, err := mysql.ParseDSN(dsn); err == nil && !strings.Contains(dsn, "://") {
		cfg.DBName = schema
		at = database{"mysql", "mysql", cfg.FormatDSN(), "schema " + schema}
	}
	db, err := sql.Open(at.plain, dsn)
	if err != nil {
		return database{}, err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "CREATE SCHEMA "+schema)
	return at, err
}

// bind writes the placeholders of a query as the database wants them.
func (at database) bind(query string) string {
	if at.name != "postgres" {
		return query
	}
	for n := 1; strings.Contains(query, "?"); n++ {
		query = strings.Replace(query, "?", fmt.Sprint("$", n), 1)
	}
	return query
}

// withParams adds parameters to a connection string: behind a question mark, or as key='value'.
func withParams(dsn string, params [][2]string) string {
	_, err := mysql.ParseDSN(dsn)
	isURL := err == nil || strings.HasPrefix(dsn, "file:") || strings.Contains(dsn, "://")
	for _, p := range params {
		switch {
		case !isURL:
			dsn += " " + p[0] + "='" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(p[1]) + "'"
		case strings.Contains(dsn, "?"):
			dsn += "&" + p[0] + "=" + url.QueryEscape(p[1])
		default:
			dsn += "?" + p[0] + "=" + url.QueryEscape(p[1])
		}
	}
	return dsn
}

// newMasterKey writes a random key to a new file that only its owner can read.
func newMasterKey(name string) error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, hex.EncodeToString(key))
	return errors.Join(err, f.Close())
}

// fill is ordinary database/sql: nothing in it knows of encryption.
func fill(ctx context.Context, at database, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, `CREATE TABLE users (
		id        INTEGER PRIMARY KEY,
		tenant_id TEXT NOT NULL,
		name      TEXT NOT NULL,
		email     TEXT NOT NULL,
		ssn       TEXT NOT NULL
	)`); err != nil {
		return err
	}
	for _, u := range []User{
		{1, "acme", "Ada", "ada@acme.example", "078-05-1120"},
		{2, "acme", "Blaise", "blaise@acme.example", "219-09-9999"},
		{3, "globex", "Carl", "carl@globex.example", "457-55-5462"},
	} {
		if _, err := db.ExecContext(ctx, at.bind("INSERT INTO users (id, tenant_id, name, email, ssn) VALUES (?, ?, ?, ?, ?)"),
			u.ID, u.TenantID, u.Name, u.Email, u.SSN); err != nil {
			return err
		}
	}
	return nil
}

// show prints what a query answers.
func show(ctx context.Context, db *sql.DB, out io.Writer, query string) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "   id\ttenant\tname\temail\tssn")
	for rows.Next() {
		var u User
		if err := rows.Scan(&u.ID, &u.TenantID, &u.Name, &u.Email, &u.SSN); err != nil {
			return err
		}
		fmt.Fprintf(w, "   %d\t%s\t%s\t%s\t%s\n", u.ID, u.TenantID, u.Name, shorten(u.Email), shorten(u.SSN))
	}
	fmt.Fprintln(w)
	return errors.Join(rows.Err(), w.Flush())
}

// shorten leaves out the middle of what is too long for a terminal and tells the length. The beginning of
// two ciphertexts may be the same: it names the key.
func shorten(s string) string {
	if len(s) <= 24 {
		return s
	}
	return fmt.Sprintf("%s…%s (%d)", s[:10], s[len(s)-10:], len(s))
}

// refused reads a row's secrets and prints the error that must come of it.
func refused(ctx context.Context, at database, db *sql.DB, out io.Writer, id int64, want error) error {
	var email, ssn string
	err := db.QueryRowContext(ctx, at.bind("SELECT email, ssn FROM users WHERE id = ?"), id).Scan(&email, &ssn)
	if !errors.Is(err, want) {
		return fmt.Errorf("reading row %d: want the error %q, got %v", id, want, err)
	}
	fmt.Fprintf(out, "   refused: %v\n\n", err)
	return nil
}

// copied puts the ciphertext of the first row's e-mail address elsewhere, reads it there, and puts back
// what was there.
func copied(ctx context.Context, at database, db, plain *sql.DB, out io.Writer, column string, id int64) error {
	var email, before string
	if err := plain.QueryRowContext(ctx, "SELECT email FROM users WHERE id = 1").Scan(&email); err != nil {
		return err
	}
	if err := plain.QueryRowContext(ctx, at.bind("SELECT "+column+" FROM users WHERE id = ?"), id).Scan(&before); err != nil {
		return err
	}
	put := at.bind("UPDATE users SET " + column + " = ? WHERE id = ?")
	if _, err := plain.ExecContext(ctx, put, email, id); err != nil {
		return err
	}
	if err := refused(ctx, at, db, out, id, driver.ErrMoved); err != nil {
		return err
	}
	_, err := plain.ExecContext(ctx, put, before, id)
	return err
}
