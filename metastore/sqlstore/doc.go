// Package sqlstore keeps key records in a table of an SQL database: the table `encryption_key` of the
// Asherah SDKs, so that their rows are read here and ours there.
//
//	id VARCHAR(255), created TIMESTAMP, key_record TEXT, PRIMARY KEY (id, created)
//
// [New] takes a *sql.DB, *sql.Conn or *sql.Tx. [NewOver] takes anything that can run a statement and
// fetch a small result; the driver uses it to keep SQLite's keys on the very connection that is in use.
//
// # Tables
//
// A table that is there is used as it is, whoever made it; [Store.Ensure] makes one when there is none.
//
//	            made here                                       also used
//	PostgreSQL  id VARCHAR(255) COLLATE "C",                    id TEXT, created TIMESTAMP,
//	            created TIMESTAMPTZ, key_record TEXT            key_record VARCHAR, JSON or JSONB
//	MySQL,      id VARBINARY(1020), created DATETIME,           id VARCHAR, created TIMESTAMP,
//	MariaDB     key_record TEXT                                 key_record VARCHAR, any TEXT or JSON
//	SQLite      id VARCHAR(255), created TEXT, key_record TEXT  any
//
// VARBINARY holds 255 characters of four bytes and compares them byte for byte, trailing blanks included,
// which no collation that both MySQL and MariaDB have does. DATETIME keeps UTC whatever the time zone of
// the session is, and ends in 9999; MySQL's TIMESTAMP ends in 2038, and a key from after that is refused.
//
// The name is resolved once, to where the database finds the table or else would make it, and is qualified
// from then on: a search path, a default database or (but for MySQL, where a temporary table hides even a
// qualified name) a temporary table of the session's can't put another table in its place. A table of that
// name that can't be a key table is an error: a column is missing or of a type that isn't named above, or
// nothing makes (id, created) unique, without which two processes could each make a key and one of them
// would be lost.
//
// # Times
//
// Times are unix seconds, written as UTC whatever the zone of the client, the session or the server. Rows
// that other writers stored under a shifted wall clock are still found: the Created inside the JSON decides.
//
// # Transactions
//
// Storing a key that is there already aborts no transaction: PostgreSQL is asked to do nothing then, and
// MySQL's error, if another process was quicker by a moment, undoes that statement only. What a column
// can't hold is refused before anything is sent. Under REPEATABLE READ or SERIALIZABLE a database may still
// fail a statement in favour of another transaction, and so may a deadlock: over a *sql.DB the store tries
// again, within a caller's transaction that is the caller's to begin anew. There, too, a record that
// somebody else has stored since the transaction began isn't read.
//
// # Privileges
//
// SELECT and INSERT on the table are enough. Without UPDATE and DELETE a program can't destroy keys, and it
// should have neither.
package sqlstore
