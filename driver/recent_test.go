package driver

import (
	"fmt"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
)

func TestRecentPlans(t *testing.T) {
	var r recentPlans
	touching := &statement{plan: &sqlplan.Plan{Touches: true}, schema: 1, catalog: 5}
	passing := &statement{plan: passThrough, schema: 1, catalog: 5}
	for what, c := range map[string]struct {
		s               *statement
		schema, catalog uint64
		found           bool
	}{
		"as it was":                                      {touching, 1, 5, true},
		"after a registration":                           {touching, 2, 5, false},
		"after a change of tables":                       {touching, 1, 6, false},
		"passing, as it was":                             {passing, 1, 5, true},
		"passing, after a registration":                  {passing, 2, 5, false},
		"passing, after a change of tables it isn't for": {passing, 1, 6, true},
	} {
		const text = "SELECT a FROM t"
		r.put(text, c.s)
		for _, same := range []string{text, strings.Clone(text)} {
			if got := r.get(same, c.schema, c.catalog, &sqlplan.Mode{}); (got == c.s) != c.found || got != nil && got != c.s {
				t.Errorf("%s: got %v", what, got)
			}
		}
		for _, other := range []string{"SELECT b FROM t", "SELECT a FROM T", "", "S", text + " "} {
			if got := r.get(other, c.schema, c.catalog, &sqlplan.Mode{}); got != nil {
				t.Errorf("%s: %q is found", what, other)
			}
		}
	}
	// Texts that want one place replace each other; none is ever found for another.
	plans := map[string]*statement{}
	for i := range 200 {
		text := fmt.Sprintf("UPDATE t SET a = %d WHERE id = %d", i%7, i)
		plans[text] = &statement{plan: passThrough, schema: 1}
		r.put(text, plans[text])
		if r.get(text, 1, 0, &sqlplan.Mode{}) != plans[text] {
			t.Errorf("%s isn't found", text)
		}
		for text, s := range plans {
			if got := r.get(text, 1, 0, &sqlplan.Mode{}); got != nil && got != s {
				t.Errorf("%s has another text's plan", text)
			}
		}
	}
	used := 0
	for i := range r {
		if r[i].s != nil {
			used++
		}
	}
	if used < len(r)/2 {
		t.Errorf("200 texts have %d of %d places", used, len(r))
	}
	long := strings.Repeat("x", recentMaxText+1)
	r.put(long, passing)
	if r.get(long, 1, 5, &sqlplan.Mode{}) != nil {
		t.Error("a long text is kept")
	}
}
