package sqlplan

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/asherah-sql/asherah-sql/dialect"
)

func lexSQLite(text string) []token { return lexOf(dialect.SQLite, text) }

func lexOf(d dialect.Dialect, text string) []token {
	toks, _ := lexAll(dialects[d], text, Mode{}, nil)
	return toks
}

func lexKinds(text string) []kind { return lexKindsOf(dialect.SQLite, text) }

func lexKindsOf(d dialect.Dialect, text string) []kind {
	var kinds []kind
	for _, t := range lexOf(d, text) {
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

func TestTokensOfPostgreSQL(t *testing.T) {
	for _, c := range []struct {
		text string
		want []kind
	}{
		{"", nil},
		{"a_$1 \u00e9t\u00e9 A u e x b n", []kind{tWord, tWord, tWord, tWord, tWord, tWord, tWord, tWord}},
		{`"a""b" U&"c" u&"d\0061" UESCAPE '!' U & "x"`, []kind{tQuoted, tQuoted, tQuoted, tWord, tOp, tQuoted}},
		{`'it''s' E'\'' N'x' U&'y' x'1f' B'01' e 'z'`, []kind{tString, tString, tString, tString, tBits, tBits, tWord, tString}},
		{"'a'\n'b' -- c\n 'd' 'e'", []kind{tString, tString}},
		{"'a' -- c\n 'd' /* */ 'e' \n -- x", []kind{tString, tString}},
		{"E'a'\n'\\''", []kind{tString}},
		{"$$a$$ $b$ $$ ' $b$ $1 $12 a$b$", []kind{tString, tString, tParam, tParam, tWord}},
		{"$a$ $b", []kind{tIllegal}},
		{"$ $a $1a", []kind{tIllegal, tIllegal, tWord, tIllegal}},
		{"1 1.5 .5 1. 1e5 1.e-5 0x1F 0o17 0b01 1_000 0x_1F", []kind{tInteger, tFloat, tFloat, tFloat, tFloat, tFloat, tInteger, tInteger, tInteger, tInteger, tInteger}},
		{"1_ 1__0 0x 0o8 0b2 12abc", []kind{tIllegal, tIllegal, tIllegal, tIllegal, tIllegal, tIllegal}},
		{"( ) , ; . * + - / % [ ] : :: := => || -> ->>", []kind{tLParen, tRParen, tComma, tSemi, tDot, tStar, tPlus, tMinus, tSlash, tPercent, tLBracket, tRBracket, tColon, tCast, tAssign, tNamedArg, tConcat, tArrow, tArrow}},
		{"< <= <> != = >= > ! ^ ~* @> ?| #>> <-> @- *- =-", []kind{tLt, tLe, tNe, tNe, tEq, tGe, tGt, tOp, tOp, tOp, tOp, tOp, tOp, tOp, tOp, tStar, tMinus, tEq, tMinus}},
		{"a+--b\nc*/* /* ; */ ' */d@--x\re", []kind{tWord, tPlus, tWord, tStar, tWord, tOp, tWord}},
		{"a/*/* */", []kind{tWord, tIllegal}},
		{"'a", []kind{tIllegal}},
		{"E'a\\'", []kind{tIllegal}},
		{"\"a", []kind{tIllegal}},
		{"\\ { }", []kind{tIllegal, tIllegal, tIllegal}},
		{"a\x00b 'c\x00'", []kind{tWord, tIllegal, tWord, tIllegal, tIllegal}},
	} {
		if got := lexKindsOf(dialect.Postgres, c.text); !slices.Equal(got, append(slices.Clone(c.want), tEOF)) {
			t.Errorf("%q: got %v, want %v", c.text, got, c.want)
		}
	}
}

func TestStringsOfPostgreSQL(t *testing.T) {
	for _, c := range []struct {
		text, want string
		ok         bool
	}{
		{`''`, "", true},
		{`'a''b'`, "a'b", true},
		{`'a\b'`, `a\b`, true},
		{"'a'\n  -- it's\n 'b''c'", "ab'c", true},
		{`E'\b\f\n\r\t\v\'\\\x4\x41\101\8'`, "\b\f\n\r\tv'\\\x04AA8", true},
		{"E'a'\n'\\tb'", "a\tb", true},
		{`E'\u00e9\U0001F600\uD83D\uDE00'`, "\u00e9\U0001F600\U0001F600", true},
		{`E'\uD83D'`, "", false},
		{`E'\uD83Dx'`, "", false},
		{`E'\uDE00'`, "", false},
		{`E'\u00'`, "", false},
		{`E'\xff'`, "", false},
		{`E'\000'`, "", false},
		{`E'\U00110000'`, "", false},
		{`U&'d\0061t\+000061\\'`, `data`[:3] + "a\\", true},
		{`U&'d!0061t!!' UESCAPE '!'`, "dat!", true},
		{"U&'d!0061' -- uescape '#'\n/* u */ uescape '!'", "da", true},
		{"U&'a'\n'\\0062'", "ab", true},
		{`U&'\D83D\DE00'`, "\U0001F600", true},
		{`U&'\D83D'`, "", false},
		{`U&'\006'`, "", false},
		{`U&'\0000'`, "", false},
		{`U&'x' UESCAPE 'a'`, "", false},
		{`N'x'`, "x", true},
		{`N'x '`, "x ", false},
		{`$$a''\$$`, `a''\`, true},
		{`$t$a$$b$t$`, "a$$b", true},
	} {
		toks := lexOf(dialect.Postgres, c.text)
		illegal := len(toks) == 2 && toks[0].kind == tIllegal && toks[0].why == illegalEscape
		if !illegal && (len(toks) != 2 || toks[0].kind != tString) || illegal && c.ok {
			t.Errorf("%s: isn't one string: %v", c.text, toks)
			continue
		}
		got, ok := postgresString(c.text, Mode{})
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%s: got %q, %v, want %q, %v", c.text, got, ok, c.want, c.ok)
		}
	}
}

func TestBackslashesMatterInPlainStringsOnly(t *testing.T) {
	for text, want := range map[string]bool{
		`SELECT 'a'`: false, `SELECT 'a\b'`: true, `SELECT E'\''`: false, `SELECT $$\$$`: false, `SELECT "\"`: false,
		`SELECT U&'\0061'`: false, `SELECT -- '\'`: false, `SELECT N'\'`: true, `SELECT '\`: true, "SELECT 'a'\n'\\'": true,
	} {
		if _, moded := lexAll(&postgresFacts, text, Mode{}, nil); moded != want {
			t.Errorf("%s: got %v, want %v", text, moded, want)
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
func checkTokens(t *testing.T, d dialect.Dialect, text string) {
	at := 0
	for _, tok := range lexOf(d, text) {
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
					i := strings.IndexAny(gap, dialects[d].lineEnds)
					if i < 0 {
						i = len(gap) - 1
					}
					gap = gap[i+1:]
				case strings.HasPrefix(gap, "/*") && dialects[d].nestedComments:
					open := 0
					for {
						n := strings.Index(gap, "*/")
						m := strings.Index(gap, "/*")
						if m >= 0 && m < n {
							open++
							gap = gap[m+2:]
							continue
						}
						if n < 0 {
							t.Fatalf("a gap with half a comment in %q", text)
						}
						gap = gap[n+2:]
						if open--; open == 0 {
							break
						}
					}
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

func FuzzLexer(f *testing.F) { fuzzLexer(f, dialect.SQLite) }

func FuzzLexerOfPostgreSQL(f *testing.F) { fuzzLexer(f, dialect.Postgres) }

// FuzzLexerOfMySQL: tokens and gaps are the text in each mode, and gaps are nothing but white space, comments and the
// marks of executable ones.
func FuzzLexerOfMySQL(f *testing.F) {
	for _, q := range goldenQueriesOf(f, dialect.MySQL) {
		f.Add(q, uint8(len(q)))
	}
	for _, s := range []string{"'", "x'0", "/*!", "/*!50000", "/*M!100000 */", "--", "#", "-- ", "_utf8'a' 'b'", "0x", "1e", "`", "\x00", "*/", "'a' /*!50000 'b' */"} {
		f.Add(s, uint8(64))
	}
	f.Fuzz(func(t *testing.T, text string, bits uint8) {
		mode := mysqlMode(bits)
		toks, _ := lexAll(dialects[dialect.MySQL], text, mode, nil)
		at := 0
		for _, tok := range toks {
			if int(tok.off) < at || tok.end < tok.off || int(tok.end) > len(text) || tok.kind != tEOF && tok.kind != tIllegal && tok.off == tok.end {
				t.Fatalf("token %d-%d after %d in %q", tok.off, tok.end, at, text)
			}
			for gap := text[at:tok.off]; tok.kind != tIllegal && gap != ""; {
				n := mysqlGapPart(gap)
				if n == 0 {
					t.Fatalf("the gap %q in %q", gap, text)
				}
				gap = gap[n:]
			}
			switch at = int(tok.end); tok.kind {
			case tString:
				dialects[dialect.MySQL].str(text[tok.off:tok.end], mode)
			case tQuoted:
				dialects[dialect.MySQL].ident(text, &tok)
			}
		}
		for _, tx := range TxControl(text, dialect.MySQL) {
			_ = tx.Op.String()
		}
	})
}

var (
	mysqlBlank = regexp.MustCompile(`^(?:[ \t-\r]|#[^\n]*(?:\n|$)|--(?:[\x01- \x7f][^\n]*)?(?:\n|$)|\*/)`)
	mysqlMark  = regexp.MustCompile(`^/\*M?!\d{0,6}`)
)

// mysqlGapPart returns how long the comment, mark or white space is that a gap begins with, 0 when it is none. A
// comment for other servers may have comments inside, an ordinary one has none.
func mysqlGapPart(gap string) int {
	if !strings.HasPrefix(gap, "/*") {
		return len(mysqlBlank.FindString(gap))
	}
	mark := len(mysqlMark.FindString(gap))
	for i := 2; i < len(gap); i++ {
		switch {
		case strings.HasPrefix(gap[i:], "*/"):
			return i + 2
		case mark > 0 && strings.HasPrefix(gap[i:], "/*"):
			n := strings.Index(gap[i:], "*/")
			if n < 0 {
				return mark
			}
			i += n + 1
		}
	}
	return mark
}

func fuzzLexer(f *testing.F, d dialect.Dialect) {
	for _, q := range goldenQueriesOf(f, d) {
		f.Add(q)
	}
	for _, s := range []string{"'", "x'0", "/*/", "--", "\ufeff\v", ":a(", "0x", "1_", "?99999999999999999999", "[", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkTokens(t, d, text)
		for _, tok := range lexOf(d, text) {
			if tok.kind == tString {
				dialects[d].str(text[tok.off:tok.end], Mode{})
				dialects[d].str(text[tok.off:tok.end], Mode{BackslashEscapes: true})
			}
			if tok.kind == tQuoted {
				dialects[d].ident(text, &tok)
			}
		}
		for _, tx := range TxControl(text, d) {
			_ = tx.Op.String()
		}
		Words(text, func(word string) {
			if word == "" {
				t.Fatal("an empty word")
			}
		})
	})
}
