// Package metastore describes where wrapped keys are kept.
//
// A metastore holds envelope key records: system keys wrapped by the master
// key, and intermediate keys wrapped by a system key. A record is addressed by
// its id and the second of its creation ([KeyMeta]); it is inserted once and
// never replaced. The records are the Asherah format ([EnvelopeKeyRecord]), so
// a table filled here serves the Asherah SDKs of other languages, and the
// reverse.
//
// Nothing in a metastore is secret by itself: without the master key its
// records open nothing. Losing a record, however, loses every value that was
// encrypted below it, so a metastore wants the same backups as the data.
//
// Choose package sqlstore for the database that holds the data, and
// [NewMemory] for tests and for private in-memory databases, whose data dies
// with the process anyway. An implementation of one's own is any type with the
// three methods of [Store]; package metastoretest checks it.
package metastore
