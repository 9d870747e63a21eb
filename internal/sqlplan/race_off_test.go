//go:build !race

package sqlplan

// slow is how many times smaller the longest tests are.
const slow = 1
