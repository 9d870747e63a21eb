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
func TokenSpansOf(query string, d dialect.Dialect) [][2]int { return TokenSpansIn(query, d, Mode{}) }

// TokenSpansIn returns the spans of the tokens of a text in a mode.
func TokenSpansIn(query string, d dialect.Dialect, mode Mode) [][2]int {
	var spans [][2]int
	toks, _ := lexAll(dialects[d], query, mode, nil)
	for _, t := range toks {
		if t.kind != tEOF {
			spans = append(spans, [2]int{int(t.off), int(t.end)})
		}
	}
	return spans
}

// ParamSpans returns the spans of the placeholders of a text in a mode.
func ParamSpans(query string, d dialect.Dialect, mode Mode) [][2]int {
	var spans [][2]int
	toks, _ := lexAll(dialects[d], query, mode, nil)
	for _, t := range toks {
		if t.kind == tParam {
			spans = append(spans, [2]int{int(t.off), int(t.end)})
		}
	}
	return spans
}

// ModeOf is the mode of a connection with the server's own defaults.
var ModeOf = modeOf

// SetMode changes a mode as a golden case's section says.
var SetMode = setMode

// LiteralOf returns the value of the one literal that a SELECT reads. ok is false when it reads something else, or
// isn't understood.
func LiteralOf(d dialect.Dialect, query string, mode Mode) (v any, ok bool) {
	a := &analysis{parser: parser{f: dialects[d], text: query, mode: mode}, plan: &Plan{}}
	a.toks, _ = lexAll(a.f, query, mode, nil)
	s, err := a.parseStmt()
	if err != nil || s.sel == nil || !a.is(tEOF) || len(s.sel.cores) != 1 || len(s.sel.cores[0].cols) != 1 {
		return nil, false
	}
	col := &s.sel.cores[0].cols[0]
	if e := col.e; e != nil && (e.op == opString || e.op == opBlob) {
		src, ok := a.source(e)
		return src.Literal.Value, ok
	}
	return nil, false
}
