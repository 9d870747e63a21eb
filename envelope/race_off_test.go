//go:build !race

package envelope

// slack is how many allocations more there may be.
const slack = 0
