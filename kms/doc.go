// Package kms describes the master key service at the top of the key
// hierarchy, and the registry that finds one by name.
//
// A [Service] wraps and unwraps system keys. It is asked seldom: when a system
// key is created, and when a process loads one. The services live in packages
// of their own that register themselves on import, as database/sql's drivers
// do; package static, for a master key out of a file or the environment, is
// the smallest. Package kmstest checks an implementation of one's own.
package kms
