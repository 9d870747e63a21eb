//go:build race

package sqlplan

// slow is how many times the bounds on time are stretched: the race detector makes everything slower.
const slow = 20
