package tags

import "strings"

// The default names of tables and columns are GORM's, because a name that differs from the one the
// program's statements use means a table that nobody encrypts. So its oddities are kept too
// ("HTTPS" → "http_s", "human" → "humen"); the golden list testdata/names.txt pins them. The code is
// our own: the library that GORM uses for plurals compiles some 300 regular expressions when a program
// starts, and has had no release since 2019. Plural rules that a program adds to that library aren't
// seen here; such a model says its name with a TableName method or a table tag.

// initialisms are spelt as words before a name is split at its capitals. Of two that fit at one place,
// the first in this list wins.
var initialisms = strings.NewReplacer(initialismPairs("API", "ASCII", "CPU", "CSS", "DNS", "EOF", "GUID", "HTML",
	"HTTP", "HTTPS", "ID", "IP", "JSON", "LHS", "QPS", "RAM", "RHS", "RPC", "SLA", "SMTP", "SSH", "TLS", "TTL", "UID",
	"UI", "UUID", "URI", "URL", "UTF8", "VM", "XML", "XSRF", "XSS")...)

func initialismPairs(words ...string) []string {
	pairs := make([]string, 0, 2*len(words))
	for _, w := range words {
		pairs = append(pairs, w, w[:1]+strings.ToLower(w[1:]))
	}
	return pairs
}

// snake returns the snake_case form of a Go name.
func snake(name string) string {
	s := initialisms.Replace(name)
	var b strings.Builder
	b.Grow(len(s) + 4)
	prev, cur := false, len(s) > 0 && isUpper(s[0])
	for i, r := range s {
		last := i == len(s)-1
		var next, digit bool // of the byte after r's first, as GORM looks at it
		if i+1 < len(s) {
			next, digit = isUpper(s[i+1]), '0' <= s[i+1] && s[i+1] <= '9'
		}
		if cur {
			var split bool
			switch {
			case last:
				split = i > 0 && !prev
			case prev && (next || digit):
			default:
				split = i > 0 && s[i-1] != '_' && s[i+1] != '_'
			}
			if split {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
		prev, cur = cur, next
	}
	return b.String()
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

var uncountable = map[string]bool{
	"equipment": true, "information": true, "rice": true, "money": true, "species": true, "series": true,
	"fish": true, "sheep": true, "jeans": true, "police": true,
}

// wholeWords are nouns that change only when they stand alone.
var wholeWords = map[string]string{
	"ox": "oxen", "oxen": "oxen",
	"mouse": "mice", "louse": "lice", "mice": "mice", "lice": "lice",
	"axis": "axes", "testis": "testes",
}

// endings are the rules for the end of a word, the first that fits wins. when looks at what stands
// before the ending; nil fits always.
var endings = []struct {
	ending, plural string
	when           func(before string) bool
}{
	{"person", "people", nil},
	{"man", "men", nil},
	{"child", "children", nil},
	{"sex", "sexes", nil},
	{"move", "moves", nil},
	{"mombie", "mombies", nil},
	{"quiz", "quizzes", nil},
	{"matrix", "matrices", nil}, {"matrex", "matrices", nil},
	{"vertix", "vertices", nil}, {"vertex", "vertices", nil},
	{"indix", "indices", nil}, {"index", "indices", nil},
	{"x", "xes", nil}, {"ch", "ches", nil}, {"ss", "sses", nil}, {"sh", "shes", nil},
	{"quy", "quies", nil},
	{"y", "ies", func(s string) bool { return s != "" && !strings.Contains("aeiouy", s[len(s)-1:]) }},
	{"fe", "ves", func(s string) bool { return s != "" && s[len(s)-1] != 'f' }},
	{"lf", "lves", nil}, {"rf", "rves", nil},
	{"sis", "ses", nil},
	{"ta", "ta", nil}, {"ia", "ia", nil},
	{"tum", "ta", nil}, {"ium", "ia", nil},
	{"buffalo", "buffaloes", nil}, {"tomato", "tomatoes", nil},
	{"bus", "buses", nil},
	{"alias", "aliases", nil}, {"status", "statuses", nil},
	{"octopi", "octopi", nil}, {"viri", "viri", nil},
	{"octopus", "octopi", nil}, {"virus", "viri", nil},
	{"s", "s", nil},
}

// plural returns the plural of a snake_case name as GORM forms it: the rules look at the end of the
// whole name, a name that ends in no letter a to z stays as it is.
func plural(name string) string {
	if uncountable[name] {
		return name
	}
	if p, ok := wholeWords[name]; ok {
		return p
	}
	for _, e := range endings {
		if before, ok := strings.CutSuffix(name, e.ending); ok && (e.when == nil || e.when(before)) {
			return before + e.plural
		}
	}
	if name != "" && 'a' <= name[len(name)-1] && name[len(name)-1] <= 'z' {
		return name + "s"
	}
	return name
}
