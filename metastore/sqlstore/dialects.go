package sqlstore

import (
	"fmt"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// statements is what the store needs to know of a database. Every text is a format whose %s is the quoted,
// qualified table name; its arguments are named beside it. To add a database, add a row to byDialect.
type statements struct {
	schema   string               // schema that holds the table when its name isn't qualified; "" = the session's
	load     string               // id, created, created as other writers spell it
	latest   string               // id
	all      string               // id
	store    string               // id, created, key_record, id, created, created as other writers spell it
	create   []string             // the table; its index (index name, table name)
	created  func(unix int64) any // the value of the created column
	foreign  func(unix int64) any // the same moment as other writers spell it
	existsBy func(schema, table string) (query string, args []any)
}

var byDialect = map[dialect.Dialect]*statements{
	dialect.SQLite: {
		schema: "main",
		load:   `SELECT id, key_record FROM %s WHERE id = ? AND created IN (?, ?)`,
		// Ordered by text, which is chronological for both spellings; the highest Created among the rows
		// read is chosen afterwards, so a writer's shifted clock can't hide a newer key.
		latest: `SELECT id, key_record FROM %s WHERE id = ? ORDER BY created DESC LIMIT 64`,
		all:    `SELECT id, key_record FROM %s WHERE id = ?`,
		// NOT EXISTS sees a row under the other spelling, which the primary key doesn't.
		store: `INSERT INTO %s (id, created, key_record) SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM %[1]s WHERE id = ? AND created IN (?, ?)) ON CONFLICT DO NOTHING`,
		create: []string{
			`CREATE TABLE IF NOT EXISTS %s (id VARCHAR(255) COLLATE BINARY NOT NULL, created TEXT NOT NULL, key_record TEXT NOT NULL, PRIMARY KEY (id, created))`,
			`CREATE INDEX IF NOT EXISTS %s ON %s (created)`,
		},
		created: func(unix int64) any { return time.Unix(unix, 0).UTC().Format(time.DateTime) },
		foreign: func(unix int64) any { return time.Unix(unix, 0).UTC().Format(time.DateTime + " -0700 MST") },
		existsBy: func(schema, table string) (string, []any) {
			return `SELECT 1 FROM ` + dialect.SQLite.QuoteIdent(schema) + `.sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE`, []any{table}
		},
	},
}

func statementsOf(d dialect.Dialect) (*statements, error) {
	s, ok := byDialect[d]
	if !ok {
		return nil, fmt.Errorf("sqlstore: no key table SQL for dialect %v in this version: want %v", d, dialect.SQLite)
	}
	return s, nil
}
