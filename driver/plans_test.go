package driver

import (
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
)

// BenchmarkPlanFound finds a plan that is known: on the connection that has sent the text last, and among those of all
// connections, alone and from several goroutines (-cpu).
func BenchmarkPlanFound(b *testing.B) {
	for name, size := range map[string]int{"64B": 64, "256B": 256, "1KiB": 1 << 10, "4KiB": 4 << 10, "16KiB": 16 << 10} {
		text := "SELECT id, email FROM users WHERE id IN (" + strings.Repeat("1,", size)
		text = text[:size-2] + "1)"
		s := &statement{plan: &sqlplan.Plan{Touches: true}, schema: 1, catalog: 1}
		set := newPlanSet()
		set.put(text, s)
		same := strings.Clone(text) // another place in memory, as of a text that was put together
		if size <= recentMaxText {
			b.Run(name+"/connection", func(b *testing.B) {
				var r recentPlans
				r.put(text, s)
				b.ReportAllocs()
				for b.Loop() {
					if r.get(same, 1, 1, &sqlplan.Mode{}) == nil {
						b.Fatal("not found")
					}
				}
			})
		}
		b.Run(name+"/all", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if set.get(same, 1, 1) == nil {
						b.Error("not found")
					}
				}
			})
		})
	}
}

func TestAStreamOfTextsLeavesThePlansOfOthers(t *testing.T) {
	set := newPlanSet()
	kept := &statement{plan: &sqlplan.Plan{Touches: true}, schema: 1, catalog: 1}
	set.put("kept", kept)
	for i := range 10 * planCacheSize {
		set.put(strings.Repeat("x", i), &statement{plan: passThrough, schema: 1, catalog: 1})
	}
	if set.get("kept", 1, 1) != kept {
		t.Error("texts that pass have driven out a plan")
	}
}
