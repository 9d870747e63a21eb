// Package kmstest checks that an implementation of [kms.Service] keeps the
// interface's promises. Every service of this module passes it; use it in the
// test of your own:
//
//	func TestService(t *testing.T) {
//		kmstest.Run(t, func(t *testing.T) kms.Service { return newMyService(t) })
//	}
package kmstest
