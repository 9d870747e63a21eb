// Package aead is AES-256-GCM in the two layouts that records use. It exists so
// that lengths, nonces and the order of the parts are decided in one place, and
// so that no other package touches crypto/cipher.
//
//	canonical   ciphertext ‖ tag(16) ‖ nonce(12)     no associated data; what every Asherah SDK writes
//	bound       nonce(12) ‖ ciphertext ‖ tag(16)     with associated data
//
// Nonces are random, 96 bits, drawn from the operating system for each seal and
// never buffered: a process whose memory is restored twice from one snapshot
// would hand out a buffered nonce twice. With random nonces one key may seal
// 2³² messages before a repeated nonce becomes likelier than 2⁻³²; a repeated
// nonce reveals the XOR of two plaintexts and lets an attacker forge. Keys that
// seal more than a few messages count them elsewhere.
//
// # Key material
//
// [Cipher] holds an expanded key in ordinary memory until [Cipher.Wipe]. The
// functions that take a key expand it, use it once and wipe the expansion.
// Wiping reaches the standard library's structs where they hold no pointers,
// which is so on every architecture but s390x; there, and if a later Go release
// changes them, the expansion is left to the garbage collector.
package aead
