//go:build race

package envelope

// slack is how many allocations more there may be: under the race detector pools forget what they were given.
const slack = 4
