//go:build race

package sqlplan

// slow is how many times smaller the longest tests are: the race detector makes everything slower.
const slow = 8
