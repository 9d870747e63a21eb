// Package envelope encrypts values under a hierarchy of keys.
//
//	master key (KMS) → system key → one intermediate key per partition → data keys
//
// A partition is a tenant: whoever has one partition's intermediate key reads
// that partition and no other. System and intermediate keys lie in a
// [metastore.Store], each sealed by the key above it; a data key lies, sealed,
// beside the data that it encrypted.
//
// # Choosing
//
// A program makes one [SessionFactory] for its service and product, and takes
// from it
//
//   - a [Session], for one partition: Encrypt and Decrypt work on a
//     [DataRowRecord], AppendSeal and AppendOpen on bound records;
//   - a [Scope], for the values of one statement or one result set, of many
//     partitions: values of one partition share a data key, and a data key that
//     several records have isn't opened for each of them;
//   - an [Overlay], where new keys must stay invisible to the rest of the
//     process until a transaction has been committed.
//
// # Formats
//
// A [DataRowRecord] is what every Asherah SDK reads and writes. Nothing ties it
// to its place: whoever can write to the database can move it to another row or
// column of the same partition. A bound record ([Binding], drawn in bound.go) is
// smaller and opens only where it was sealed for. Both formats, and the ids of
// keys, are stable: later versions of this package read what this one writes.
//
// # What it protects, and what it reveals
//
// Payloads are sealed by AES-256-GCM under random nonces. Whoever reads the
// database without the master key learns of each value its partition (which
// stands in the record in clear), the time its intermediate key was made, and
// its length: 60 bytes of wrapped key and 28 bytes of nonce and tag are all that
// is added. Keys that are kept longer than a call are in [protectedmem], those of
// a Scope until its Close; a data key that isn't kept, and its expanded form, are
// in ordinary memory while they are used, and wiped afterwards.
//
// # Keys over time
//
// A key encrypts for [CryptoPolicy].ExpireAfter and decrypts for ever. Rotation
// is inline: the first encryption that finds its key expired, revoked or used up
// makes the next one, and of several that race, in this process or in others,
// one wins and the rest use its key. Every key in use is looked up again once in
// CryptoPolicy.RevokeCheck, so that a revocation, or a newer key made elsewhere,
// takes effect within that time however warm the caches are. Nothing is queued
// and no goroutine runs in the background.
package envelope
