// Package sqlstore keeps key records in a table of an SQL database: the table `encryption_key` of the
// Asherah SDKs, so that their rows are read here and ours there.
//
//	id VARCHAR(255), created TIMESTAMP, key_record TEXT, PRIMARY KEY (id, created)
//
// [New] takes a *sql.DB, *sql.Conn or *sql.Tx. [NewOver] takes anything that can run a statement and
// fetch a small result; the driver uses it to keep SQLite's keys on the very connection that is in use.
//
// What SQL a database needs is one row of the table in dialects.go. A dialect without a row is an error
// of the constructor.
//
// Times are unix seconds, written as UTC whatever the zone of the client or the session. Rows that other
// writers stored under a shifted wall clock are still found: the Created inside the JSON decides.
package sqlstore
