//go:build !race

package sqlplan

// slow is how many times the bounds on time are stretched.
const slow = 1
