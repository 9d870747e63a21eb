package oracle_test

import (
	"math/rand/v2"
	"regexp"
)

// tokens splits a text roughly: what it calls a token is only where mutants differ from their seed.
var tokens = regexp.MustCompile(`(?s)'(?:[^']|'')*'|"(?:[^"]|"")*"|` + "`[^`]*`" + `|\[[A-Za-z_]\w*\]|/\*.*?\*/|--[^\n]*|\$\w*\$.*?\$\w*\$|[$:@?]\w+|[A-Za-z_\x80-\xff][\w$\x80-\xff]*|\d[\w.]*|::|[<>=!|&@#%^~*/+-]+|\S`)

var inserted = []string{"/*", "*/", "--", "-- \n", "/**/", "/* x */", "/*!", "/*+ x */", "#", "\n", ";", "'", `"`, "`", "$$", "$a$", "E'", "U&'", "N'",
	"X'", `\`, "''", "(", ")", ",", ".", "::text", "COLLATE x", "NULL", "AS", "*", "[", "]", "@", "?", "$1", "{", "}", "||", "-", "+", "DISTINCT", "NOT", "ALL", "e", "0x"}

// mutant changes a text at one or two places.
func mutant(text string, r *rand.Rand) string {
	text = change(text, r)
	if r.IntN(4) == 0 {
		text = change(text, r)
	}
	return text
}

func change(text string, r *rand.Rand) string {
	spans := tokens.FindAllStringIndex(text, -1)
	if len(spans) == 0 {
		return text
	}
	i := r.IntN(len(spans))
	from, to := spans[i][0], spans[i][1]
	switch r.IntN(8) {
	case 0, 1: // deleted
		return text[:from] + text[to:]
	case 2: // doubled
		return text[:to] + " " + text[from:to] + text[to:]
	case 3: // swapped with the next, or any other
		j := i + 1
		if r.IntN(2) == 0 {
			j = r.IntN(len(spans))
		}
		if j < i {
			i, j = j, i
			from, to = spans[i][0], spans[i][1]
		}
		if j == i || j >= len(spans) {
			return text
		}
		return text[:from] + text[spans[j][0]:spans[j][1]] + text[to:spans[j][0]] + text[from:to] + text[spans[j][1]:]
	case 4: // replaced by another
		j := r.IntN(len(spans))
		return text[:from] + text[spans[j][0]:spans[j][1]] + text[to:]
	case 5: // a byte of it is lost, so that a quote opens
		n := from + r.IntN(to-from)
		return text[:n] + text[n+1:]
	default:
		at := from
		if r.IntN(3) == 0 {
			at += r.IntN(to - from)
		}
		s := inserted[r.IntN(len(inserted))]
		if r.IntN(2) == 0 {
			s = " " + s + " "
		}
		return text[:at] + s + text[at:]
	}
}
