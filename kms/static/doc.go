// Package static is a master key that the program is given: out of a file or
// an environment variable. Importing it registers two services with package
// kms, "static" and "insecure-test".
//
// "static" takes one parameter:
//
//	asherah_kms_key=env:NAME    the variable's value: 64 hexadecimal digits, or base64 (any alphabet, padded or not)
//	asherah_kms_key=file:PATH   the file's content: the same, or 32 raw bytes
//
// One line break at the end is dropped. The key is read once, when the service
// is opened. A key in the parameter itself is refused: connection strings end
// up in logs and process lists.
//
// "insecure-test" takes none and uses a key that is printed in the Asherah
// SDKs' documentation, the same for everyone. It protects nothing, and is for
// tests.
//
// # What it protects, and what not
//
// System keys are sealed by AES-256-GCM under the master key, in the Asherah
// layout, so the SDKs' static KMS reads them. Whoever can read the key's file,
// the process's environment or its memory has the master key, and with it every
// value: the expanded key stays in ordinary memory for as long as the service
// lives, and a key from the environment also where the operating system keeps
// that. There is no audit trail and no way to rotate the master key in place.
// Where that isn't enough, use a key management service.
package static
