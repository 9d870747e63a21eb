package sqlplan

import "strings"

// lexState is what a token leaves for the next one on MySQL.
type lexState uint8

const (
	lexStart lexState = iota
	lexDot            // a dot comes at once, and is no decimal point
	lexIdent          // an identifier comes at once, whatever it spells
)

// mysqlNext returns the next token of MySQL or MariaDB. White space, comments and the marks of executable
// comments whose content is code are the gaps. What two versions or modes of the server could read in two
// ways, and the mode doesn't tell, is illegal.
func mysqlNext(l *lexer) token {
	l.moded = true
	if !l.mode.Known {
		l.mode = mysqlDefaultMode
	}
	s := l.text
	switch l.state {
	case lexDot:
		i := l.pos
		l.state = lexStart
		if wordPart(l.at(i + 1)) {
			l.state = lexIdent
		}
		return l.token(tDot, i, i+1)
	case lexIdent:
		return l.mysqlIdent(l.pos, l.pos)
	}
	i, why := l.mysqlGap(l.pos)
	switch {
	case why != 0:
		return l.illegal(i, len(s), why)
	case i == len(s):
		if l.exec {
			l.exec = false
			return l.illegal(i, i, illegalUnterminated)
		}
		return l.token(tEOF, i, i)
	}
	c := s[i]
	next := l.at(i + 1)
	switch {
	case c == '\'' || c == '"' && !l.mode.AnsiQuotes:
		return l.mysqlStrings(i, i)
	case c == '"', c == '`':
		return l.quoted(i, c, tQuoted)
	case (c == 'x' || c == 'X') && next == '\'':
		return l.blob(i)
	case (c == 'b' || c == 'B') && next == '\'':
		j := i + 2
		for l.at(j) == '0' || l.at(j) == '1' {
			j++
		}
		if l.at(j) != '\'' {
			return l.illegal(i, min(j+1, len(s)), illegalBlob)
		}
		return l.token(tBlob, i, j+1)
	case (c == 'n' || c == 'N') && next == '\'':
		return l.mysqlStrings(i, i+1)
	case isDigit(c):
		return l.mysqlNumber(i)
	case c == '$' && !l.mode.MariaDB:
		// MySQL 9 begins strings with it.
		return l.illegal(i, i+1, illegalByte)
	case wordPart(c):
		return l.mysqlWord(i)
	}
	two := func(k kind) token { return l.token(k, i, i+2) }
	switch c {
	case '.':
		if isDigit(next) {
			return l.mysqlReal(i, i)
		}
		if wordPart(next) {
			l.state = lexIdent
		}
		return l.token(tDot, i, i+1)
	case '?':
		if wordPart(next) {
			return l.illegal(i, i+1, illegalParam)
		}
		return l.token(tParam, i, i+1)
	case '@':
		return l.mysqlVariable(i)
	case '-':
		if next == '>' && !l.mode.MariaDB {
			if l.at(i+2) == '>' {
				return l.token(tArrow, i, i+3)
			}
			return two(tArrow)
		}
		return l.token(tMinus, i, i+1)
	case '<', '>', '=', '!':
		return l.mysqlComparison(i)
	case '&':
		if next == '&' {
			return two(tAndAnd)
		}
		return l.token(tAmp, i, i+1)
	case '|':
		if next == '|' {
			return two(tConcat)
		}
		return l.token(tPipe, i, i+1)
	case ':':
		if next == '=' {
			return two(tAssign)
		}
		return l.token(tColon, i, i+1)
	case '^':
		return l.token(tOp, i, i+1)
	case '/':
		return l.token(tSlash, i, i+1)
	case 0:
		return l.illegal(i, i+1, illegalNUL)
	}
	if k := singles[c]; k != 0 && c != '[' && c != ']' {
		return l.token(k, i, i+1)
	}
	return l.illegal(i, i+1, illegalByte)
}

// mysqlGap skips white space and comments from i on, and enters and leaves executable comments. why isn't 0
// when a comment can't be read.
func (l *lexer) mysqlGap(i int) (end int, why illegal) {
	s := l.text
	for i < len(s) {
		c := s[i]
		switch {
		case c == ' ' || '\t' <= c && c <= '\r':
			i++
		case c == '#', c == '-' && l.at(i+1) == '-' && (i+2 >= len(s) || s[i+2] <= ' ' || s[i+2] == 0x7f):
			for ; i < len(s) && s[i] != '\n'; i++ {
				if s[i] == 0 {
					return i, illegalNUL
				}
			}
		case c == '*' && l.exec && l.at(i+1) == '/':
			l.exec = false
			i += 2
		case c == '/' && l.at(i+1) == '*':
			if i, why = l.mysqlComment(i); why != 0 {
				return i, why
			}
		default:
			return i, 0
		}
	}
	return i, 0
}

// mysqlComment skips the comment at i, or the opening mark of one whose content is code: /*! always, /*!50110
// from that version of the server on. MariaDB skips those for MySQL 5.7 and later, and has /*M! for itself.
func (l *lexer) mysqlComment(i int) (end int, why illegal) {
	body := 0
	own := l.mode.MariaDB && l.at(i+2) == 'M' && l.at(i+3) == '!'
	switch {
	case l.at(i+2) == '!':
		body = i + 3
	case own:
		body = i + 4
	default:
		return l.mysqlCommentEnd(i+2, false)
	}
	n := 0
	for n < 6 && isDigit(l.at(body+n)) {
		n++
	}
	if n < 5 {
		l.exec = true
		return body, 0
	}
	v5, v6 := atoi(l.text[body:body+5]), atoi(l.text[body:body+n])
	isCode := func(v int) bool {
		if l.mode.MariaDB {
			return v <= l.mode.Version && (v < 50700 || v > 99999 || own)
		}
		return v <= l.mode.Version
	}
	switch {
	case !l.mode.MariaDB && n == 6 && isCode(v5):
		// Whether MySQL reads five digits or six depends on its release.
		return i, illegalByte
	case isCode(v6):
		l.exec = true
		return body + n, 0
	}
	return l.mysqlCommentEnd(body, true)
}

// mysqlCommentEnd returns the offset after a comment whose content begins at i. A skipped version's comment
// may hold others.
func (l *lexer) mysqlCommentEnd(i int, nested bool) (end int, why illegal) {
	s := l.text
	inner := false
	for ; i+1 < len(s); i++ {
		switch {
		case s[i] == 0:
			return i, illegalNUL
		case nested && !inner && s[i] == '/' && s[i+1] == '*':
			inner = true
			i++
		case s[i] == '*' && s[i+1] == '/':
			if !inner {
				return i + 2, 0
			}
			inner = false
			i++
		}
	}
	return len(s), illegalUnterminated
}

// atoi reads a few digits.
func atoi(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// mysqlStrings reads the string whose quote stands at i, and those that follow it, which the server joins. The
// token begins at tok.
func (l *lexer) mysqlStrings(tok, i int) token {
	end, why := l.mysqlString(i)
	for why == 0 {
		exec := l.exec
		j, bad := l.mysqlGap(end)
		joined := bad == 0 && (l.at(j) == '\'' || l.at(j) == '"' && !l.mode.AnsiQuotes)
		changed := l.exec != exec || joined && strings.Contains(l.text[end:j], "/*!") || joined && strings.Contains(l.text[end:j], "/*M!")
		l.exec = exec
		if !joined {
			return l.token(tString, tok, end)
		}
		if changed {
			// The second string is one for some servers only.
			return l.illegal(tok, j+1, illegalByte)
		}
		end, why = l.mysqlString(j)
	}
	return l.illegal(tok, end, why)
}

// mysqlString returns the offset after the string whose quote stands at i.
func (l *lexer) mysqlString(i int) (end int, why illegal) {
	s := l.text
	quote := s[i]
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case quote:
			if l.at(j+1) != quote {
				return j + 1, 0
			}
			j++
		case '\\':
			if l.mode.BackslashEscapes {
				j++
				if l.at(j) == 0 && j < len(s) {
					return j + 1, illegalNUL
				}
			}
		case 0:
			return j + 1, illegalNUL
		}
	}
	return len(s), illegalUnterminated
}

// mysqlWord reads a word. One that a dot and a name follow at once is a name, whatever it spells.
func (l *lexer) mysqlWord(i int) token {
	t := l.mysqlIdent(i, i)
	if l.state == lexDot {
		return t
	}
	s := l.text[t.off:t.end]
	t.kw = l.f.words.find(s)
	if s[0] == '_' && charsets[foldName(s[1:])] {
		t.kind = tIntroducer
	}
	return t
}

// mysqlIdent reads an identifier that goes on at j and begins at i.
func (l *lexer) mysqlIdent(i, j int) token {
	for j < len(l.text) && wordPart(l.text[j]) {
		j++
	}
	l.state = lexStart
	if l.at(j) == '.' && wordPart(l.at(j+1)) {
		l.state = lexDot
	}
	return l.token(tWord, i, j)
}

// mysqlNumber reads what begins with a digit: a number, or an identifier such as 1a.
func (l *lexer) mysqlNumber(i int) token {
	if l.text[i] == '0' {
		digit := isHex
		switch l.at(i + 1) {
		case 'b':
			digit = func(c byte) bool { return c == '0' || c == '1' }
			fallthrough
		case 'x':
			j := i + 2
			for digit(l.at(j)) {
				j++
			}
			if j > i+2 && !wordPart(l.at(j)) {
				return l.token(tBlob, i, j)
			}
			return l.mysqlIdent(i, j)
		}
	}
	j := i
	for isDigit(l.at(j)) {
		j++
	}
	c := l.at(j)
	switch {
	case c == '.':
		return l.mysqlReal(i, j)
	case !wordPart(c):
		return l.token(tInteger, i, j)
	case lower(c) == 'e':
		e := j + 1
		if l.at(e) == '+' || l.at(e) == '-' {
			e++
		}
		if isDigit(l.at(e)) {
			for isDigit(l.at(e)) {
				e++
			}
			return l.token(tFloat, i, e)
		}
	}
	return l.mysqlIdent(i, j)
}

// mysqlReal reads a number that begins at i and has its point at dot.
func (l *lexer) mysqlReal(i, dot int) token {
	j := dot + 1
	for isDigit(l.at(j)) {
		j++
	}
	if lower(l.at(j)) != 'e' {
		return l.token(tFloat, i, j)
	}
	j++
	if l.at(j) == '+' || l.at(j) == '-' {
		j++
	}
	if !isDigit(l.at(j)) {
		return l.illegal(i, j, illegalNumber)
	}
	for isDigit(l.at(j)) {
		j++
	}
	return l.token(tFloat, i, j)
}

// mysqlVariable reads @x, @'x', @`x` and @@x.y.
func (l *lexer) mysqlVariable(i int) token {
	s := l.text
	quotedEnd := func(j int) int {
		switch c := l.at(j); {
		case c == '`', c == '"' && l.mode.AnsiQuotes:
			if t := l.quoted(j, c, tQuoted); t.kind == tQuoted {
				return int(t.end)
			}
		case c == '\'', c == '"':
			if end, why := l.mysqlString(j); why == 0 {
				return end
			}
		}
		return 0
	}
	j := i + 1
	if l.at(j) != '@' {
		if end := quotedEnd(j); end > 0 {
			return l.token(tUserVar, i, end)
		}
		for j < len(s) && (wordPart(s[j]) && s[j] < 0x80 || s[j] == '.') {
			j++
		}
		if j == i+1 {
			return l.illegal(i, j, illegalParam)
		}
		return l.token(tUserVar, i, j)
	}
	for {
		j++
		end := j
		if l.at(j) == '`' {
			end = max(quotedEnd(j), j)
		} else {
			for end < len(s) && wordPart(s[end]) {
				end++
			}
		}
		if end == j {
			return l.illegal(i, j, illegalParam)
		}
		if j = end; l.at(j) != '.' {
			return l.token(tSysVar, i, j)
		}
	}
}

// mysqlComparison reads an operator of < > = !. The server takes as many of these bytes as it can.
func (l *lexer) mysqlComparison(i int) token {
	j := i + 1
	for j < len(l.text) && strings.IndexByte("<>=!", l.text[j]) >= 0 {
		j++
	}
	k := tIllegal
	switch l.text[i:j] {
	case "<":
		k = tLt
	case "<=":
		k = tLe
	case ">":
		k = tGt
	case ">=":
		k = tGe
	case "=":
		k = tEq
	case "<>", "!=":
		k = tNe
	case "<<":
		k = tShl
	case ">>":
		k = tShr
	case "<=>":
		k = tNullEq
	case "!", "!!":
		return l.token(tOp, i, i+1)
	}
	if k == tIllegal {
		return l.illegal(i, j, illegalByte)
	}
	return l.token(k, i, j)
}
