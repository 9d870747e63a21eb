package driver

import "github.com/asherah-sql/asherah-sql/internal/sqlplan"

// recentPlans are the texts that a connection planned last. Most statements come again on the connection that
// has sent them before, and are found here without a lock that all connections share and without hashing their
// text. It is used by one goroutine at a time, like its connection.
type recentPlans [16]recentPlan

type recentPlan struct {
	query string
	s     *statement // nil: none
}

// recentMaxText is the longest text, in bytes, that a connection keeps.
const recentMaxText = 4 << 10

// at is the place of a text. Texts that differ in a number at their end have places of their own.
func (r *recentPlans) at(query string) *recentPlan {
	n := len(query)
	if n == 0 {
		return &r[0]
	}
	return &r[(uint(n)*5+uint(query[n-1])+3*uint(query[n/2])+7*uint(query[max(n-2, 0)]))%uint(len(r))]
}

// get returns the plan of a text, if it is known and was made with these versions and in this mode.
func (r *recentPlans) get(query string, schema, catalog uint64, mode *sqlplan.Mode) *statement {
	// Comparing two strings at the same memory reads neither.
	if p := r.at(query); p.s != nil && p.query == query && p.s.schema == schema && (p.s.passes() || p.s.catalog == catalog) && (!p.s.moded || p.s.mode == *mode) {
		return p.s
	}
	return nil
}

// put keeps the plan of a text that may be kept.
func (r *recentPlans) put(query string, s *statement) *statement {
	if len(query) <= recentMaxText {
		*r.at(query) = recentPlan{query, s}
	}
	return s
}
