package cache_test

import (
	"context"
	"fmt"

	"github.com/asherah-sql/asherah-sql/cache"
)

func Example() {
	squares, err := cache.New(cache.Config[int, int]{
		Kind:     cache.LRU,
		Capacity: 2,
		OnEvict:  func(n, square int) { fmt.Println("gone:", n, square) },
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	for _, n := range []int{3, 4, 3, 5} {
		square, err := squares.GetOrLoad(ctx, n, func(context.Context) (int, error) {
			fmt.Println("loading:", n)
			return n * n, nil
		})
		fmt.Println(n, square, err)
	}
	squares.Delete(3)
	// Output:
	// loading: 3
	// 3 9 <nil>
	// loading: 4
	// 4 16 <nil>
	// 3 9 <nil>
	// loading: 5
	// gone: 4 16
	// 5 25 <nil>
	// gone: 3 9
}
