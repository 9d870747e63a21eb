package sqlplan

import (
	"strings"

	"github.com/asherah-sql/asherah-sql/tags"
)

// state is what the analyser knows of one version of the schema. It never changes.
type state struct {
	version uint64
	names   nameSet
	finder  finder

	folded map[string]string // of MySQL: names in all the letters that it may fold

	longTable, longColumn string // a registered table, and perhaps a column, whose name the database cuts
}

// tooLong notes a name of t that the database cuts.
func (st *state) tooLong(t *tags.Table, n int) {
	if len(t.Name) > n {
		st.longTable = t.String()
	}
	for _, c := range t.Columns {
		if len(c.Name) > n {
			st.longTable, st.longColumn = t.String(), c.Name
		}
	}
}

func newState(s *tags.Schema, f *facts) *state {
	// The version is read first: when a registration comes between, the state knows more tables than its
	// version says, and is replaced at its next use.
	st := &state{version: s.Version()}
	var names []string
	for _, t := range s.Tables() {
		st.names.add(t)
		name := t.Name
		if f.mysql {
			name = longestASCII(name)
		}
		names = append(names, name)
		if n := f.longestName; n > 0 {
			st.tooLong(t, n)
		}
	}
	if f.mysql {
		st.folded = foldedNames(s)
	}
	st.finder = newFinder(names)
	return st
}

// nameSet finds registered tables by their unqualified name, in any case, without allocating.
type nameSet struct {
	buckets [64][]nameEntry
	lengths [64]bool // some name has this length; the last one stands for all longer ones
}

type nameEntry struct {
	name   string
	tables []*tags.Table
}

func nameHash(s string) int {
	if s == "" {
		return 0
	}
	return (len(s)*5 + int(lower(s[0]))*3 + int(lower(s[len(s)-1]))) % 64
}

func (n *nameSet) add(t *tags.Table) {
	b := &n.buckets[nameHash(t.Name)]
	n.lengths[min(len(t.Name), 63)] = true
	for i := range *b {
		if equalFold((*b)[i].name, t.Name) {
			(*b)[i].tables = append((*b)[i].tables, t)
			return
		}
	}
	*b = append(*b, nameEntry{t.Name, []*tags.Table{t}})
}

// find returns the registered tables of that unqualified name.
func (n *nameSet) find(s string) []*tags.Table {
	if !n.lengths[min(len(s), 63)] {
		return nil
	}
	b := n.buckets[nameHash(s)]
	for i := range b {
		if equalFold(b[i].name, s) {
			return b[i].tables
		}
	}
	return nil
}

// finder searches a text for any of some names, ASCII letters in either case. It is Wu and Manber's
// algorithm with blocks of two bytes: most bytes of a text are skipped.
type finder struct {
	all    bool // every text matches: a name holds nothing that could be searched for
	window int  // length of the shortest name
	names  []string
	shift  [finderSize]uint8 // by block: how far the window may move on; 0: a name may end here
	ends   [finderSize][]int // by block: names whose window ends with it
}

const finderSize = 4096

// finderHash is the same for either case of a letter, and needn't be for other bytes.
func finderHash(a, b byte) int { return (int(a|0x20)<<5 ^ int(b|0x20)) % finderSize }

func newFinder(names []string) finder {
	var f finder
	for _, n := range names {
		// A quote inside a name is doubled or not, depending on the quotes around it: the longest part
		// without quotes is searched for.
		part := longestPart(n)
		if part == "" {
			f.all = true
			continue
		}
		f.names = append(f.names, part)
		if f.window == 0 || len(part) < f.window {
			f.window = len(part)
		}
	}
	f.window = min(f.window, 255)
	if f.window < 2 {
		return f
	}
	for i := range f.shift {
		f.shift[i] = uint8(f.window - 1)
	}
	for i, n := range f.names {
		for j := 1; j < f.window; j++ {
			h := finderHash(n[j-1], n[j])
			f.shift[h] = min(f.shift[h], uint8(f.window-1-j))
			if j == f.window-1 {
				f.ends[h] = append(f.ends[h], i)
			}
		}
	}
	return f
}

// longestPart returns the longest part of a name without quotes.
func longestPart(name string) string {
	best, from := "", 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '"' && name[i] != '\'' && name[i] != '`' && name[i] != ']' {
			continue
		}
		if i-from > len(best) {
			best = name[from:i]
		}
		from = i + 1
	}
	return best
}

func (f *finder) in(text string) bool {
	if f.all {
		return true
	}
	if f.window == 0 {
		return false
	}
	if f.window == 1 {
		for i := range text {
			for _, n := range f.names {
				if hasPrefixFold(text[i:], n) {
					return true
				}
			}
		}
		return false
	}
	for i := f.window - 1; i < len(text); {
		h := finderHash(text[i-1], text[i])
		if s := int(f.shift[h]); s > 0 {
			i += s
			continue
		}
		for _, n := range f.ends[h] {
			if hasPrefixFold(text[i-f.window+1:], f.names[n]) {
				return true
			}
		}
		i++
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && equalFold(s[:len(prefix)], prefix)
}

// longestQuoted bounds the quoted names that Words yields whole, in bytes.
const longestQuoted = 128

// Words calls yield for each word of a text that could be a name: runs of letters, digits, `_`, `$` and bytes
// from 0x80 on, and what stands between quotes where that is more than one such run, up to 128 bytes. It
// reads texts that are no statements too and takes every quote for an opening one, so that it doesn't depend
// on the dialect: it yields more words than there are names, never fewer.
func Words(query string, yield func(word string)) {
	for i := 0; i < len(query); {
		c := query[i]
		switch {
		case wordPart(c):
			j := i + 1
			for j < len(query) && wordPart(query[j]) {
				j++
			}
			yield(query[i:j])
			// Byte order marks are bytes of a word, but white space before one.
			for w := query[i:j]; strings.HasPrefix(w, "\ufeff"); {
				if w = w[len("\ufeff"):]; w != "" {
					yield(w)
				}
			}
			i = j
			continue
		case c == '"' || c == '\'' || c == '`' || c == '[':
			if end := quoteEnd(query[:min(len(query), i+longestQuoted+2)], i); end > i+1 {
				if s := unquote(query[i:end]); s != "" && !isWord(s) {
					yield(s)
				}
			}
		}
		i++
	}
}

// quoteEnd returns the offset after the quoted text that begins at i, or 0 when it doesn't end in s.
func quoteEnd(s string, i int) int {
	closing := s[i]
	if closing == '[' {
		closing = ']'
	}
	for j := i + 1; j < len(s); j++ {
		if s[j] != closing {
			continue
		}
		if closing != ']' && j+1 < len(s) && s[j+1] == closing {
			j++
			continue
		}
		return j + 1
	}
	return 0
}

func isWord(s string) bool {
	for i := 0; i < len(s); i++ {
		if !wordPart(s[i]) {
			return false
		}
	}
	return true
}
