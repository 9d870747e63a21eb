package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// sqliteTable describes the table without asking: where it is follows from its name, and SQLite's columns
// hold anything.
func sqliteTable(schema, table string) *keyTable {
	if schema == "" {
		schema = "main" // temp would come first
	}
	quote := dialect.SQLite.QuoteIdent
	name := qualified(dialect.SQLite, schema, table)
	return &keyTable{
		schema: schema,
		name:   name,
		create: []string{
			`CREATE TABLE IF NOT EXISTS ` + name + ` (id VARCHAR(255) COLLATE BINARY NOT NULL, created TEXT NOT NULL, key_record TEXT NOT NULL, PRIMARY KEY (id, created)) WITHOUT ROWID`,
			`CREATE INDEX IF NOT EXISTS ` + quote(schema) + "." + quote(indexName(table)) + ` ON ` + quote(table) + ` (created)`,
		},
		load: `SELECT id, key_record FROM ` + name + ` WHERE id = ? AND created IN (?, ?)`,
		// Ordered by text, which is chronological for both spellings.
		latest: fmt.Sprintf(`SELECT id, key_record FROM %s WHERE id = ? ORDER BY created DESC LIMIT %d`, name, latestRows),
		all:    `SELECT id, key_record FROM ` + name + ` WHERE id = ?`,
		// NOT EXISTS sees a row under the other spelling, which the primary key doesn't.
		store: `INSERT INTO ` + name + ` (id, created, key_record) SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM ` + name + ` WHERE id = ? AND created IN (?, ?)) ON CONFLICT DO NOTHING`,
		storeArgs: func(id string, created, foreign any, record string) []any {
			return []any{id, created, record, id, created, foreign}
		},
		times: func(unix int64) (created, foreign any) {
			return utc(unix), time.Unix(unix, 0).UTC().Format(time.DateTime + " -0700 MST")
		},
		min: year1, max: year9999,
	}
}

func locateSQLite(ctx context.Context, q Querier, schema, table string) (*keyTable, error) {
	t := sqliteTable(schema, table)
	rows, err := q.Query(ctx, `SELECT 1 FROM `+dialect.SQLite.QuoteIdent(t.schema)+`.sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE`, table)
	if err != nil {
		return nil, fmt.Errorf("sqlstore: look for table %s: %w", t.name, err)
	}
	t.exists = len(rows) > 0
	return t, nil
}
