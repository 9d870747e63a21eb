// Package drivertest is what the tests of the packages below driver share: a model, settings, statements that must
// work, processes that race for keys, and benchmarks in which the bare driver and the wrapped one take turns. It is
// apart from them so that each database is tested in the same way. Only test files import it.
package drivertest
