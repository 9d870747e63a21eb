package sqlplan

import (
	"slices"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
)

func lexSQLite(text string) []token {
	toks, _ := lexAll(&sqliteFacts, text, Mode{}, nil)
	return toks
}

func lexKinds(text string) []kind {
	var kinds []kind
	for _, t := range lexSQLite(text) {
		kinds = append(kinds, t.kind)
	}
	return kinds
}

func TestTokensOfSQLite(t *testing.T) {
	for _, c := range []struct {
		text string
		want []kind
	}{
		{"", nil},
		{"a_$1 \u00e9t\u00e9 A", []kind{tWord, tWord, tWord}},
		{`"a""b" [c"d] ` + "`e``f`", []kind{tQuoted, tQuoted, tQuoted}},
		{"'it''s' x'00fF' X'' x", []kind{tString, tBlob, tBlob, tWord}},
		{"1 1.5 .5 1. 1e5 1.e-5 0x1F 1_000 1_0.0_1e1_0", []kind{tInteger, tFloat, tFloat, tFloat, tFloat, tFloat, tInteger, tInteger, tFloat}},
		{"1_ 1__0 0x 0x_1 12abc 1.5x", []kind{tIllegal, tIllegal, tIllegal, tIllegal, tIllegal, tIllegal}},
		{"? ?12 :a @b1 $c $a::b $a::b(c)", []kind{tParam, tParam, tParam, tParam, tParam, tParam, tParam}},
		{": @ $ #1 :a(b", []kind{tIllegal, tIllegal, tIllegal, tIllegal, tInteger, tIllegal}},
		{"( ) , ; . * + - / % || & | ~", []kind{tLParen, tRParen, tComma, tSemi, tDot, tStar, tPlus, tMinus, tSlash, tPercent, tConcat, tAmp, tPipe, tTilde}},
		{"< <= <> << > >= >> = == != -> ->>", []kind{tLt, tLe, tNe, tShl, tGt, tGe, tShr, tEq, tEq, tNe, tArrow, tArrow}},
		{"a--b\nc/* ' ; */d -- e", []kind{tWord, tWord, tWord}},
		{"\ufeffa\ufeffb \ufeff", []kind{tWord}},
		{"a \vb", []kind{tWord, tWord}},
		{"a\vb", []kind{tWord, tIllegal, tWord}},
		{"a\u00a0b a\u2028b", []kind{tWord, tWord}},
		{"'a", []kind{tIllegal}},
		{"[a", []kind{tIllegal}},
		{"/* a", []kind{tIllegal}},
		{"/*/", []kind{tIllegal}},
		{"x'0", []kind{tIllegal}},
		{"x'0'", []kind{tIllegal}},
		{"x'0g'", []kind{tIllegal}},
		{"! ^ \\ { }", []kind{tIllegal, tIllegal, tIllegal, tIllegal, tIllegal}},
		{"a\x00b", []kind{tWord, tIllegal, tWord}},
		{"-- a\x00b", []kind{tIllegal, tWord}},
	} {
		if got := lexKinds(c.text); !slices.Equal(got, append(slices.Clone(c.want), tEOF)) {
			t.Errorf("%q: got %v, want %v", c.text, got, c.want)
		}
	}
}

func TestSoftWordsAreKeywordsOnlyInTheirPlaces(t *testing.T) {
	for _, c := range []struct {
		text string
		want bool // some WINDOW, OVER or FILTER is a keyword
	}{
		{"SELECT a OVER FROM t", false},
		{"SELECT f() OVER FROM t", false},
		{"SELECT f() OVER w FROM t", true},
		{"SELECT f() OVER (ORDER BY a) FROM t", true},
		{"SELECT f() FILTER (WHERE a) FROM t", true},
		{"SELECT filter FROM t", false},
		{"SELECT filter(1)", false},
		{"SELECT 1 FROM t WINDOW w AS (ORDER BY a)", true},
		{"SELECT 1 FROM t WINDOW", false},
		{"SELECT 1 FROM window", false},
	} {
		got := false
		for _, tok := range lexSQLite(c.text) {
			got = got || tok.kw == kwWindow || tok.kw == kwOver || tok.kw == kwFilter
		}
		if got != c.want {
			t.Errorf("%s: keyword %v, want %v", c.text, got, c.want)
		}
	}
}

func TestEveryKeywordIsFound(t *testing.T) {
	seen := map[keyword]bool{}
	for _, d := range testDialects {
		words := dialects[d].words
		for _, w := range words.words {
			for _, s := range []string{w.text, strings.ToUpper(w.text)} {
				if got := words.find(s); got != w.kw {
					t.Errorf("%s: got keyword %d, want %d", s, got, w.kw)
				}
			}
			if words.classes[w.kw] != w.class {
				t.Errorf("%s: two words of keyword %d are of different classes", w.text, w.kw)
			}
			seen[w.kw] = true
		}
	}
	for kw := kwNone + 1; kw < keywords; kw++ {
		if !seen[kw] {
			t.Errorf("keyword %d is no word of any dialect", kw)
		}
	}
	for _, s := range []string{"users", "selec", "selectx", "é", ""} {
		if s != "" && sqliteFacts.words.find(s) != kwNone {
			t.Errorf("%s is taken for a keyword", s)
		}
	}
}

func TestUnquote(t *testing.T) {
	for in, want := range map[string]string{
		`"a"`: "a", `"a""b"`: `a"b`, "`a``b`": "a`b", "[a]": "a", "''": "", "'it''s'": "it's", `"it's"`: "it's", `""""`: `"`,
	} {
		if got := unquote(in); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

// checkTokens checks that tokens and the gaps between them are the text, and that the gaps are nothing but
// white space and comments.
func checkTokens(t *testing.T, text string) {
	at := 0
	for _, tok := range lexSQLite(text) {
		if int(tok.off) < at || tok.end < tok.off || int(tok.end) > len(text) {
			t.Fatalf("token %d-%d after %d in %q", tok.off, tok.end, at, text)
		}
		if tok.kind != tEOF && tok.off == tok.end {
			t.Fatalf("empty token at %d in %q", tok.off, text)
		}
		gap := text[at:tok.off]
		if tok.kind != tIllegal {
			for gap != "" {
				switch {
				case strings.HasPrefix(gap, "\ufeff"):
					gap = gap[3:]
				case strings.HasPrefix(gap, "--"):
					_, gap, _ = strings.Cut(gap, "\n")
				case strings.HasPrefix(gap, "/*"):
					var ok bool
					if _, gap, ok = strings.Cut(gap[2:], "*/"); !ok {
						t.Fatalf("a gap with half a comment in %q", text)
					}
				case strings.IndexByte(" \t\n\f\r\v", gap[0]) >= 0:
					gap = gap[1:]
				default:
					t.Fatalf("the gap %q in %q", gap, text)
				}
			}
		}
		at = int(tok.end)
	}
}

func FuzzLexer(f *testing.F) {
	for _, q := range goldenQueries(f) {
		f.Add(q)
	}
	for _, s := range []string{"'", "x'0", "/*/", "--", "\ufeff\v", ":a(", "0x", "1_", "?99999999999999999999", "[", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkTokens(t, text)
		for _, tx := range TxControl(text, dialect.SQLite) {
			_ = tx.Op.String()
		}
		Words(text, func(word string) {
			if word == "" {
				t.Fatal("an empty word")
			}
		})
	})
}
