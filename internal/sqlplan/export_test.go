package sqlplan

import "github.com/asherah-sql/asherah-sql/dialect"

// What the tests outside of the package need of it.

var (
	TestSchema   = testSchema
	TestAnalyzer = testAnalyzer
	ApplyEdits   = apply

	GoldenQueries = goldenQueries
	CorpusFiles   = corpusFiles
)

// Slow is how many times smaller the longest tests are.
const Slow = slow

// AnalyzeOpenly is Analyze without the last resort that turns a mistake of the analysis into a refusal.
func (an *Analyzer) AnalyzeOpenly(query string, mode Mode, cat Catalog) (*Plan, error) {
	return an.analyze(query, mode, cat)
}

// TokenSpans returns the spans of the tokens of a text.
func TokenSpans(query string) [][2]int {
	var spans [][2]int
	toks, _ := lexAll(dialects[dialect.SQLite], query, Mode{}, nil)
	for _, t := range toks {
		if t.kind != tEOF {
			spans = append(spans, [2]int{int(t.off), int(t.end)})
		}
	}
	return spans
}
