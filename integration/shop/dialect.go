package shop

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// Schema is the DDL of the tables, with $SERIAL, $BLOB and $TIME where databases differ.
//
//go:embed schema.sql
var Schema string

// dialect holds what differs between the databases that the shop runs on.
type dialect struct {
	name     string
	numbered bool // placeholders are $1, $2, … instead of ?
	serial   string
	blob     string
	time     string
	// excluded is how an upsert names the value that it couldn't insert, %s being the column.
	excluded string
	conflict string // the words between the row and the assignments, %s being the conflict target
	lastID   bool   // results tell the last inserted id
	// widen makes room for ciphertext in the columns that have another type than TEXT, where the database
	// enforces types.
	widen string
}

var dialects = []dialect{
	{name: "sqlite", serial: "INTEGER PRIMARY KEY", blob: "BLOB", time: "TIMESTAMP", excluded: "excluded.%s", conflict: "ON CONFLICT (%s) DO UPDATE SET", lastID: true},
	{name: "postgres", numbered: true, serial: "BIGSERIAL PRIMARY KEY", blob: "BYTEA", time: "TIMESTAMP", excluded: "excluded.%s", conflict: "ON CONFLICT (%s) DO UPDATE SET",
		widen: "ALTER TABLE payments ALTER COLUMN amount TYPE TEXT, ALTER COLUMN authorized_at TYPE TEXT, ALTER COLUMN signature TYPE TEXT"},
	{name: "mariadb", serial: "BIGINT AUTO_INCREMENT PRIMARY KEY", blob: "LONGBLOB", time: "DATETIME(6)", excluded: "VALUES(%s)", conflict: "ON DUPLICATE KEY UPDATE", lastID: true,
		widen: "ALTER TABLE payments MODIFY amount TEXT NOT NULL, MODIFY authorized_at TEXT, MODIFY signature TEXT"},
}

// detect asks the server what it is.
func detect(ctx context.Context, db *sql.DB) (dialect, error) {
	var version string
	if err := db.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err == nil {
		return dialects[0], nil
	}
	if err := db.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		return dialect{}, fmt.Errorf("which database is this: %w", err)
	}
	if strings.HasPrefix(version, "PostgreSQL") {
		return dialects[1], nil
	}
	return dialects[2], nil
}

// bind writes the placeholders of a query as the database wants them. No query of the shop has a
// question mark in a literal.
func (d dialect) bind(query string) string {
	if !d.numbered {
		return query
	}
	var b strings.Builder
	n := 0
	for _, r := range query {
		if r != '?' {
			b.WriteRune(r)
			continue
		}
		n++
		b.WriteString("$" + strconv.Itoa(n))
	}
	return b.String()
}

// upsert returns the end of an INSERT that overwrites the columns of a row that is there already.
func (d dialect) upsert(key string, columns ...string) string {
	conflict := d.conflict
	if strings.Contains(conflict, "%s") {
		conflict = fmt.Sprintf(conflict, key)
	}
	for i, c := range columns {
		columns[i] = c + " = " + fmt.Sprintf(d.excluded, c)
	}
	return " " + conflict + " " + strings.Join(columns, ", ")
}

// ddl returns the statements of Schema for the database.
func (d dialect) ddl() []string {
	text := strings.NewReplacer("$SERIAL", d.serial, "$BLOB", d.blob, "$TIME", d.time).Replace(Schema)
	var statements []string
	for s := range strings.SplitSeq(text, ";") {
		if s = strings.TrimSpace(s); s != "" {
			statements = append(statements, s)
		}
	}
	return statements
}
