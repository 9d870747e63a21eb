// Package layout holds tests and no code: they read the tree's own files and fail when its shape
// drifts from what the manual says of it. They parse the files themselves, because the answer of a
// test that asks the go command would be kept in the test cache after the files have changed.
package layout
