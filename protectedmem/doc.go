// Package protectedmem keeps keys out of swap files and core dumps.
//
// A [Secret] is a few bytes in memory of their own, outside Go's heap, which
// the collector neither moves nor copies. A [Factory] makes secrets: [Default]
// is the process's own, [NewFactory] makes another one. Whoever makes a secret
// closes it; the bytes are wiped then.
//
// # What it protects
//
// Many secrets share a region of memory, cut into slots of 32, 64, 128 … bytes
// up to a page; a longer secret has a region to itself. Each region
//
//   - is locked into physical memory, so that it is never written to swap. When
//     the operating system refuses, making a secret fails with [ErrLimit]; there
//     is no fallback to memory that isn't locked. Hibernation and the suspend
//     image of a virtual machine still write it out.
//   - lies between two pages that can't be accessed, so that running over its
//     edge ends the process.
//   - holds a canary behind each slot, checked when the slot is freed: bytes
//     written past a secret's end, or before the beginning of its neighbour, are
//     reported as [ErrDamaged].
//   - is left out of core dumps where the operating system can do that: Linux
//     (MADV_DONTDUMP), FreeBSD (MADV_NOCORE) and OpenBSD (MAP_CONCEAL). On
//     macOS, NetBSD, Solaris, illumos and Windows a core dump has it.
//   - is empty in a forked child, on Linux (MADV_WIPEONFORK, or MADV_DONTFORK on
//     kernels before 4.14). Go programs don't fork without running another
//     program at once; C code in them may.
//
// A slot is wiped when its secret is closed, and a region whose last secret is
// closed is given back, but for one of at most 256 KiB that a factory keeps, wiped, for
// the next secret. On operating systems that aren't named here no secret can be
// made. The package's tests run on Linux; for the other systems it is compiled.
//
// # What it doesn't
//
// The regions stay readable and writable for as long as they exist. Whoever can
// read the process's memory has the secrets in it: the same user with a
// debugger, the superuser, the kernel, and code inside the process that follows
// a wrong pointer. What a caller copies out of [Secret.WithBytes] is the
// caller's to wipe; expanded cipher keys in Go's heap are such copies.
//
// # Numbers
//
// A slot takes its class and 16 bytes more: the key of 32 bytes takes 48, so
// Linux's usual limit of 8 MiB holds some 170,000 of them. Reading costs two
// atomic additions.
//
// Importing the package has no effect on the process: no signal handler, no
// resource limit, no memory before the first secret.
package protectedmem
