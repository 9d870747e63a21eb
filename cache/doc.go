// Package cache is a small generic cache for values that are reference counted
// or costly to make: unwrapped keys, sessions, plans. It exists because such
// values need promises that a map with a lock, and most libraries, don't make.
//
// # Choosing
//
// [Simple] keeps everything until it is deleted: right when the number of keys
// is bounded by the program itself. [LRU] keeps a number of entries and drops
// the one that was used longest ago.
//
// # What is promised
//
//   - One load per key. Callers of GetOrLoad that miss the same key at the same
//     time share one load. No lock is held while it runs: a load of one key
//     never delays another key.
//   - Values are released exactly once. The cache owns each value that Put or a
//     load gives it, until it calls OnEvict for it, once, whatever the reason:
//     capacity, replacement, Delete, Clear, Close, or a load whose result came
//     too late to be kept.
//   - What is handed out is alive. Acquire runs on each value handed out under
//     the lock that an eviction needs, so a reference is taken before the
//     cache's own can be dropped.
//   - A caller waits no longer than its context. The load goes on for the
//     others, and is cancelled when the last of them has left.
//   - Failed loads aren't kept: the next caller tries again. A load that panics
//     fails with a [PanicError].
//
// With reference counts, then: a value enters with one reference, which is the
// cache's; Acquire adds one for the caller, who drops it after use; OnEvict
// drops the cache's.
package cache
