package sqlplan

import "github.com/asherah-sql/asherah-sql/dialect"

// What the tests outside of the package need of it.

var (
	TestSchema   = testSchema
	TestAnalyzer = testAnalyzer
	AnalyzerOf   = analyzerOf
	ApplyEdits   = apply

	GoldenQueries = goldenQueries
	CorpusFiles   = corpusFiles
	CorpusFilesOf = corpusFilesOf
	Goldens       = goldensOf
)

// Slow is how many times smaller the longest tests are.
const Slow = slow

// AnalyzeOpenly is Analyze without the last resort that turns a mistake of the analysis into a refusal.
func (an *Analyzer) AnalyzeOpenly(query string, mode Mode, cat Catalog) (*Plan, error) {
	return an.analyze(query, mode, cat)
}

// TokenSpans returns the spans of the tokens of a text of SQLite.
func TokenSpans(query string) [][2]int { return TokenSpansOf(query, dialect.SQLite) }

// TokenSpansOf returns the spans of the tokens of a text.
func TokenSpansOf(query string, d dialect.Dialect) [][2]int {
	var spans [][2]int
	toks, _ := lexAll(dialects[d], query, Mode{}, nil)
	for _, t := range toks {
		if t.kind != tEOF {
			spans = append(spans, [2]int{int(t.off), int(t.end)})
		}
	}
	return spans
}

// ParamSpans returns the spans of the placeholders of a text.
func ParamSpans(query string, d dialect.Dialect) [][2]int {
	var spans [][2]int
	toks, _ := lexAll(dialects[d], query, Mode{}, nil)
	for _, t := range toks {
		if t.kind == tParam {
			spans = append(spans, [2]int{int(t.off), int(t.end)})
		}
	}
	return spans
}
