// Package metastoretest checks that an implementation of [metastore.Store]
// keeps the interface's promises. Every store of this module passes it; use it
// in the test of your own:
//
//	func TestStore(t *testing.T) {
//		metastoretest.Run(t, func(t *testing.T) metastore.Store { return newMyStore(t) })
//	}
package metastoretest
