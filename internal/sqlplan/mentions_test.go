package sqlplan

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestMentionsFindsNamesInEveryDisguise(t *testing.T) {
	an := testAnalyzer()
	for text, want := range map[string]bool{
		"SELECT * FROM users":             true,
		`SELECT * FROM "USERS"`:           true,
		"users":                           true,
		"x users2y":                       true, // inside a word: the analysis decides
		"SELECT 'uSeRs'":                  true,
		"SELECT * FROM user":              false,
		"":                                false,
		"u":                               false,
		"SELECT * FROM user s":            false,
		"-- archive.documents":            true,
		"SELECT * FROM archive.document":  false,
		"INSERT INTO [Customers] VALUES ": true,
	} {
		if got := an.Mentions(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestFinderAgreesWithAPlainSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	letters := "abAB_]\"x"
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		return string(b)
	}
	for range 20000 {
		var names []string
		for range 1 + r.IntN(4) {
			names = append(names, word(1+r.IntN(5)))
		}
		f := newFinder(names)
		text := word(r.IntN(30))
		want := false
		for _, n := range names {
			want = want || strings.Contains(strings.ToLower(text), strings.ToLower(longestPart(n)))
		}
		if got := f.in(text); got != want {
			t.Fatalf("names %q in %q: got %v, want %v", names, text, got, want)
		}
	}
}

func TestNamesWithQuotesAreFoundByTheirLongestPart(t *testing.T) {
	for name, want := range map[string]string{"users": "users", `a"bc`: "bc", "it's": "it", "``": "", "x]": "x"} {
		if got := longestPart(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestWordsYieldsEveryNameThatATextCouldMean(t *testing.T) {
	var got []string
	Words(`SELECT "my table", [a b], 'it''s', été$1 FROM x.y WHERE "open`, func(w string) { got = append(got, w) })
	for _, want := range []string{"SELECT", "my", "table", "my table", "a b", "it's", "été$1", "x", "y", "open"} {
		if !slices.Contains(got, want) {
			t.Errorf("%q isn't among %q", want, got)
		}
	}
	// Whatever the lexer takes for a name is among the words.
	for _, q := range goldenQueries(t) {
		words := map[string]bool{}
		Words(q, func(w string) { words[w] = true })
		for _, tok := range lexSQLite(q) {
			if tok.kind != tWord && tok.kind != tQuoted && tok.kind != tString {
				continue
			}
			if n := sqliteFacts.ident(q, &tok); n != "" && len(n) <= longestQuoted && !words[n] {
				t.Errorf("%q of %s isn't among the words", n, q)
			}
		}
	}
}
