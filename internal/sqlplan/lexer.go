package sqlplan

import "strings"

// lexer splits a text into tokens. White space and comments are the gaps between them. It allocates nothing
// and never fails: what is no token is a tIllegal, which the parser accepts nowhere.
type lexer struct {
	f    *facts
	text string
	pos  int

	mode  Mode
	moded bool // the mode has decided how the text is read

	// Of MySQL, see lexer_mysql.go.
	state lexState
	exec  bool // inside an executable comment
}

// next returns the next token; at the end a tEOF, again and again.
func (l *lexer) next() token {
	if l.f.lex != nil {
		return l.f.lex(l)
	}
	s := l.text
	i := l.pos
	spaced := false
	for i < len(s) {
		c := s[i]
		switch l.f.class[c] {
		case cSpace:
			i++
			spaced = true
			continue
		case cLateSpace:
			if spaced {
				i++
				continue
			}
			return l.illegal(i, i+1, illegalByte)
		case cBOM:
			if i+3 <= len(s) && s[i:i+3] == "\ufeff" {
				i += 3
				spaced = false
				continue
			}
			return l.word(i)
		case cWord:
			return l.word(i)
		case cBlobWord:
			if i+1 < len(s) && s[i+1] == '\'' {
				return l.blob(i)
			}
			return l.word(i)
		case cDigit:
			return l.number(i)
		case cQuote:
			return l.quoted(i, c, tString)
		case cIdentQuote:
			if l.f.postgres && l.at(i+1) == '"' && l.at(i+2) != '"' {
				return l.illegal(i, i+2, illegalByte) // a name has a character at least
			}
			return l.quoted(i, c, tQuoted)
		case cBracket:
			for j := i + 1; j < len(s) && s[j] != 0; j++ {
				if s[j] == ']' {
					return l.token(tQuoted, i, j+1)
				}
			}
			return l.illegal(i, len(s), illegalUnterminated)
		case cNamedParam:
			return l.namedParam(i)
		case cQuestion:
			j := i + 1
			for j < len(s) && isDigit(s[j]) {
				j++
			}
			return l.token(tParam, i, j)
		case cMinus:
			if l.at(i+1) == '-' {
				for i += 2; i < len(s) && !l.lineEnd(s[i]); i++ {
					if s[i] == 0 {
						return l.illegal(i, i+1, illegalNUL)
					}
				}
				spaced = false
				continue
			}
			if l.at(i+1) == '>' {
				if l.at(i+2) == '>' {
					return l.token(tArrow, i, i+3)
				}
				return l.token(tArrow, i, i+2)
			}
			return l.token(tMinus, i, i+1)
		case cSlash:
			if l.at(i+1) != '*' {
				return l.token(tSlash, i, i+1)
			}
			end, t := l.comment(i)
			if end == 0 {
				return t
			}
			i = end
			spaced = false
		case cLt:
			switch l.at(i + 1) {
			case '=':
				return l.token(tLe, i, i+2)
			case '>':
				return l.token(tNe, i, i+2)
			case '<':
				return l.token(tShl, i, i+2)
			}
			return l.token(tLt, i, i+1)
		case cGt:
			switch l.at(i + 1) {
			case '=':
				return l.token(tGe, i, i+2)
			case '>':
				return l.token(tShr, i, i+2)
			}
			return l.token(tGt, i, i+1)
		case cEq:
			if l.at(i+1) == '=' {
				return l.token(tEq, i, i+2)
			}
			return l.token(tEq, i, i+1)
		case cBang:
			if l.at(i+1) == '=' {
				return l.token(tNe, i, i+2)
			}
			return l.illegal(i, i+1, illegalByte)
		case cPipe:
			if l.at(i+1) == '|' {
				return l.token(tConcat, i, i+2)
			}
			return l.token(tPipe, i, i+1)
		case cDot:
			if isDigit(l.at(i + 1)) {
				return l.number(i)
			}
			return l.token(tDot, i, i+1)
		case cSingle:
			return l.token(singles[c], i, i+1)
		case cNUL:
			return l.illegal(i, i+1, illegalNUL)
		case cOperator:
			switch {
			case c == '-' && l.at(i+1) == '-':
				for i += 2; i < len(s) && !l.lineEnd(s[i]); i++ {
					if s[i] == 0 {
						return l.illegal(i, i+1, illegalNUL)
					}
				}
				continue
			case c == '/' && l.at(i+1) == '*':
				end, t := l.comment(i)
				if end == 0 {
					return t
				}
				i = end
				continue
			}
			return l.operator(i)
		case cString, cEscape, cUnicode, cBits, cNational, cDollar, cColon, cNumber:
			return l.postgres(i)
		default:
			return l.illegal(i, i+1, illegalByte)
		}
	}
	return l.token(tEOF, len(s), len(s))
}

func (l *lexer) lineEnd(c byte) bool {
	return c == '\n' || c < ' ' && strings.IndexByte(l.f.lineEnds, c) >= 0
}

// comment skips the comment that begins at i and returns the offset after it; 0 and an illegal token when it
// doesn't end. SQLite takes an unterminated comment for a comment, or for two operators when nothing follows
// it; nothing is lost by refusing both.
func (l *lexer) comment(i int) (end int, t token) {
	s := l.text
	depth := 1
	for j := i + 2; j+1 < len(s); j++ {
		switch {
		case s[j] == 0:
			return 0, l.illegal(j, j+1, illegalNUL)
		case s[j] == '*' && s[j+1] == '/':
			if depth--; depth == 0 {
				return j + 2, t
			}
			j++
		case l.f.nestedComments && s[j] == '/' && s[j+1] == '*':
			depth++
			j++
		}
	}
	return 0, l.illegal(i, len(s), illegalUnterminated)
}

// at returns the byte at i, or 0 beyond the end.
func (l *lexer) at(i int) byte {
	if i < len(l.text) {
		return l.text[i]
	}
	return 0
}

func (l *lexer) token(k kind, off, end int) token {
	l.pos = end
	return token{kind: k, off: int32(off), end: int32(end)}
}

func (l *lexer) illegal(off, end int, why illegal) token {
	l.pos = end
	return token{kind: tIllegal, why: why, off: int32(off), end: int32(end)}
}

func (l *lexer) word(i int) token {
	j := i + 1
	for j < len(l.text) && wordPart(l.text[j]) {
		j++
	}
	t := l.token(tWord, i, j)
	t.kw = l.f.words.find(l.text[i:j])
	return t
}

// quoted reads up to the closing quote; a doubled one stands for itself.
func (l *lexer) quoted(i int, quote byte, k kind) token {
	s := l.text
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case quote:
			if l.at(j+1) == quote {
				j++
				continue
			}
			return l.token(k, i, j+1)
		case 0:
			return l.illegal(j, j+1, illegalNUL)
		}
	}
	return l.illegal(i, len(s), illegalUnterminated)
}

func (l *lexer) blob(i int) token {
	j := i + 2
	for j < len(l.text) && isHex(l.text[j]) {
		j++
	}
	if l.at(j) == '\'' && (j-i)%2 == 0 {
		return l.token(tBlob, i, j+1)
	}
	for j < len(l.text) && l.text[j] != '\'' && l.text[j] != 0 {
		j++
	}
	return l.illegal(i, min(j+1, len(l.text)), illegalBlob)
}

// number reads an integer, a hexadecimal integer or a float; digits may be parted by single underscores.
func (l *lexer) number(i int) token {
	k := tInteger
	ok := true
	j := i
	if l.at(i) == '0' && lower(l.at(i+1)) == 'x' && isHex(l.at(i+2)) {
		j, ok = l.digits(i+2, isHex)
	} else {
		j, ok = l.digits(i, isDigit)
		if l.at(j) == '.' {
			k = tFloat
			var good bool
			j, good = l.digits(j+1, isDigit)
			ok = ok && good
		}
		if lower(l.at(j)) == 'e' {
			e := j + 1
			if l.at(e) == '+' || l.at(e) == '-' {
				e++
			}
			if isDigit(l.at(e)) {
				k = tFloat
				var good bool
				j, good = l.digits(e, isDigit)
				ok = ok && good
			}
		}
	}
	if j < len(l.text) && wordPart(l.text[j]) {
		for j < len(l.text) && wordPart(l.text[j]) {
			j++
		}
		ok = false
	}
	if !ok {
		return l.illegal(i, j, illegalNumber)
	}
	return l.token(k, i, j)
}

// digits reads digits with underscores between them and reports whether each underscore has a digit on
// both sides.
func (l *lexer) digits(i int, digit func(byte) bool) (end int, ok bool) {
	ok = true
	for ; ; i++ {
		c := l.at(i)
		if c == '_' {
			if i == 0 || !digit(l.at(i-1)) || !digit(l.at(i+1)) {
				ok = false
			}
			continue
		}
		if !digit(c) {
			return i, ok
		}
	}
}

// namedParam reads `:a`, `@a`, `$a`, also with `::` inside and a suffix in parentheses.
func (l *lexer) namedParam(i int) token {
	n := 0
	j := i + 1
	for ; j < len(l.text); j++ {
		c := l.text[j]
		switch {
		case wordPart(c):
			n++
			continue
		case c == ':' && l.at(j+1) == ':':
			j++
			continue
		case c == '(' && n > 0:
			for j++; j < len(l.text) && l.text[j] != ')' && l.text[j] > ' '; j++ {
			}
			if l.at(j) != ')' {
				return l.illegal(i, j, illegalParam)
			}
			j++
		}
		break
	}
	if n == 0 {
		return l.illegal(i, j, illegalParam)
	}
	return l.token(tParam, i, j)
}

// lexAll appends all tokens of the text to toks, a tEOF last, and settles which soft words are keywords. moded
// tells whether another mode than the given one could read it otherwise.
func lexAll(f *facts, text string, mode Mode, toks []token) (all []token, moded bool) {
	l := lexer{f: f, text: text, mode: mode}
	soft := false
	for {
		t := l.next()
		if t.kw != kwNone && f.words.classes[t.kw] == softWord {
			soft = true
		}
		toks = append(toks, t)
		if t.kind == tEOF {
			break
		}
	}
	if soft && f.softWords != nil {
		f.softWords(f, toks)
	}
	return toks, l.moded
}

// sqliteSoftWords takes WINDOW, OVER and FILTER for identifiers unless the tokens around them make them keywords.
func sqliteSoftWords(f *facts, toks []token) {
	// The look-ahead takes more words for names than the grammar does, and INDEXED not.
	name := func(i int) bool {
		return i < len(toks) && toks[i].kw != kwIndexed &&
			(f.isName(&toks[i]) || toks[i].kw == kwWindow || toks[i].kw == kwOver)
	}
	for i := range toks {
		t := &toks[i]
		if t.kw == kwNone || f.words.classes[t.kw] != softWord {
			continue
		}
		afterParen := i > 0 && toks[i-1].kind == tRParen
		beforeParen := i+1 < len(toks) && toks[i+1].kind == tLParen
		keep := false
		switch t.kw {
		case kwWindow:
			keep = name(i+1) && i+2 < len(toks) && toks[i+2].kw == kwAs
		case kwOver:
			keep = afterParen && (beforeParen || name(i+1))
		case kwFilter:
			keep = afterParen && beforeParen
		}
		if !keep {
			t.kw = kwNone
		}
	}
}

// isName reports whether t may name a table, a column or another object.
func (f *facts) isName(t *token) bool {
	switch t.kind {
	case tQuoted:
		return true
	case tString:
		return f.stringNames
	case tWord:
		if t.kw == kwNone {
			return true
		}
		c := f.words.classes[t.kw]
		return c != reserved && c != softWord && c != funcWord
	}
	return false
}

// ident returns the name that t spells.
func (f *facts) ident(text string, t *token) string { return f.name(text, t) }

// asWritten is facts.name of a dialect that keeps the case of names, and has but one way to quote each kind.
func asWritten(text string, t *token) string {
	s := text[t.off:t.end]
	if t.kind == tWord {
		return s
	}
	return unquote(s)
}

// unquote removes the quotes of a quoted identifier or a string.
func unquote(s string) string {
	open, body := s[0], s[1:len(s)-1]
	if open == '[' {
		return body
	}
	n := 0
	for i := 0; i < len(body); i++ {
		if body[i] == open {
			n++
		}
	}
	if n == 0 {
		return body
	}
	b := make([]byte, 0, len(body)-n/2)
	for i := 0; i < len(body); i++ {
		b = append(b, body[i])
		if body[i] == open {
			i++
		}
	}
	return string(b)
}
