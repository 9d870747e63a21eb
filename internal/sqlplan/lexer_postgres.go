package sqlplan

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// postgres reads the tokens that only PostgreSQL has. They follow the rules of its scanner: what it joins is
// one token here, and what it takes apart are several.
func (l *lexer) postgres(i int) token {
	s := l.text
	switch l.f.class[s[i]] {
	case cString:
		return l.pgString(i, i, l.mode.BackslashEscapes, true)
	case cEscape:
		if l.at(i+1) == '\'' {
			return l.pgString(i, i+1, true, false)
		}
	case cNational:
		if l.at(i+1) == '\'' {
			return l.pgString(i, i+1, l.mode.BackslashEscapes, true)
		}
	case cUnicode:
		if l.at(i+1) == '&' && l.at(i+2) == '\'' {
			return l.decoded(l.uescape(l.pgString(i, i+2, false, false)))
		}
		if l.at(i+1) == '&' && l.at(i+2) == '"' {
			t := l.quoted(i+2, '"', tQuoted)
			if t.kind == tQuoted {
				t.off = int32(i)
			}
			return l.decoded(l.uescape(t))
		}
	case cBits:
		if l.at(i+1) == '\'' {
			t := l.pgString(i, i+1, false, false)
			if t.kind == tString {
				t.kind = tBits
				if strings.Contains(s[i+2:t.end-1], "'") {
					return l.illegal(i, int(t.end), illegalEscape) // no quote can stand in it
				}
			}
			return t
		}
	case cDollar:
		return l.dollar(i)
	case cColon:
		switch l.at(i + 1) {
		case ':':
			return l.token(tCast, i, i+2)
		case '=':
			return l.token(tAssign, i, i+2)
		}
		return l.token(tColon, i, i+1)
	case cNumber:
		return l.pgNumber(i)
	}
	return l.word(i)
}

// decoded is t, or an illegal token when its Unicode escapes are none: the name or the string isn't known then.
func (l *lexer) decoded(t token) token {
	if t.kind == tIllegal {
		return t
	}
	if v, ok := unicodeEscapes(l.text[t.off:t.end]); !ok || v == "" && t.kind == tQuoted {
		return l.illegal(int(t.off), int(t.end), illegalEscape)
	}
	return t
}

// pgString reads a string whose first quote is at q; escapes tells whether a backslash escapes, and moded
// whether that is the mode's decision. A literal that follows behind a line break belongs to it.
func (l *lexer) pgString(i, q int, escapes, moded bool) token {
	s := l.text
	escaped := false
	for {
		j := q + 1
		closed := false
		for ; j < len(s); j++ {
			switch s[j] {
			case '\'':
				if l.at(j+1) == '\'' {
					j++
					continue
				}
				closed = true
			case '\\':
				l.moded = l.moded || moded
				escaped = true
				if escapes {
					j++
					if j < len(s) && s[j] == 0 {
						return l.illegal(j, j+1, illegalNUL)
					}
				}
			case 0:
				return l.illegal(j, j+1, illegalNUL)
			}
			if closed {
				break
			}
		}
		if !closed {
			return l.illegal(i, len(s), illegalUnterminated)
		}
		q = l.continued(j + 1)
		if q < 0 {
			if escaped && escapes && !escapesWell(s[i:j+1]) {
				return l.illegal(i, j+1, illegalEscape)
			}
			return l.token(tString, i, j+1)
		}
	}
}

// escapesWell reports whether the database takes the escapes of a string. Whether the bytes that they make are
// characters depends on its encoding.
func escapesWell(s string) bool {
	if s[0] != '\'' {
		s = s[1:] // E or N
	}
	v, ok := backslashes(pieces(s, true))
	return ok || v != "" && strings.IndexByte(v, 0) < 0
}

// continued returns the offset of the quote that continues a string which ended before i, or -1: there must be
// a line break between them, and nothing but white space and line comments.
func (l *lexer) continued(i int) int {
	s := l.text
	broken := false
	for i < len(s) {
		switch c := s[i]; {
		case c == '\n' || c == '\r':
			broken = true
			i++
		case c == ' ' || c == '\t' || c == '\f' || c == '\v':
			i++
		case c == '-' && l.at(i+1) == '-':
			for i < len(s) && s[i] != '\n' && s[i] != '\r' {
				i++
			}
			if i == len(s) {
				return -1
			}
		case c == '\'' && broken:
			return i
		default:
			return -1
		}
	}
	return -1
}

// uescape takes the UESCAPE clause that follows t into it.
func (l *lexer) uescape(t token) token {
	if t.kind == tIllegal {
		return t
	}
	save := l.pos
	moded := l.moded
	w := l.next()
	if w.kind == tWord && equalFold(l.text[w.off:w.end], "uescape") {
		if c := l.next(); c.kind == tString {
			if l.text[c.off] != '\'' || c.end != c.off+3 {
				// The database takes a string of any form. Which character it is isn't looked for.
				return l.illegal(int(t.off), int(c.end), illegalEscape)
			}
			t.end = c.end
			return t
		}
	}
	l.pos, l.moded = save, moded
	return t
}

// dollar reads $1, or a string between $tag$ and $tag$.
func (l *lexer) dollar(i int) token {
	s := l.text
	j := i + 1
	if isDigit(l.at(j)) {
		for j < len(s) && isDigit(s[j]) {
			j++
		}
		if c := l.at(j); j < len(s) && wordPart(c) && c != '$' {
			return l.illegal(i, j+1, illegalParam)
		}
		return l.token(tParam, i, j)
	}
	for j < len(s) && wordPart(s[j]) && s[j] != '$' {
		j++
	}
	if l.at(j) != '$' {
		return l.illegal(i, i+1, illegalByte)
	}
	tag := s[i : j+1]
	end := strings.Index(s[j+1:], tag)
	if end < 0 {
		return l.illegal(i, len(s), illegalUnterminated)
	}
	end += j + 1 + len(tag)
	if n := strings.IndexByte(s[i:end], 0); n >= 0 {
		return l.illegal(i+n, i+n+1, illegalNUL)
	}
	return l.token(tString, i, end)
}

// pgNumber reads a number; digits may be parted by single underscores.
func (l *lexer) pgNumber(i int) token {
	if l.at(i) == '0' {
		var digit func(byte) bool
		switch lower(l.at(i + 1)) {
		case 'x':
			digit = isHex
		case 'o':
			digit = func(c byte) bool { return '0' <= c && c <= '7' }
		case 'b':
			digit = func(c byte) bool { return c == '0' || c == '1' }
		}
		if digit != nil {
			j, ok := i+2, true
			for n := 0; ; n++ {
				k := j
				if l.at(k) == '_' {
					k++
				}
				if !digit(l.at(k)) {
					ok = n > 0
					break
				}
				j = k + 1
			}
			for j < len(l.text) && wordPart(l.text[j]) {
				ok = false
				j++
			}
			if !ok {
				return l.illegal(i, j, illegalNumber)
			}
			return l.token(tInteger, i, j)
		}
	}
	return l.number(i)
}

// operator reads the longest operator: it ends before a comment, and `+` or `-` only end it when it has a
// character that no SQL operator has.
func (l *lexer) operator(i int) token {
	s := l.text
	j := i
	special := false
	for j < len(s) && l.f.class[s[j]] == cOperator {
		if j > i && (s[j] == '-' && l.at(j+1) == '-' || s[j] == '/' && l.at(j+1) == '*') {
			break
		}
		j++
	}
	for k := i; k < j-1; k++ {
		special = special || strings.IndexByte("~!@#%^&|`?", s[k]) >= 0
	}
	for !special && j-i > 1 && (s[j-1] == '+' || s[j-1] == '-') {
		j--
	}
	switch s[i:j] {
	case "+":
		return l.token(tPlus, i, j)
	case "-":
		return l.token(tMinus, i, j)
	case "*":
		return l.token(tStar, i, j)
	case "/":
		return l.token(tSlash, i, j)
	case "%":
		return l.token(tPercent, i, j)
	case "<":
		return l.token(tLt, i, j)
	case ">":
		return l.token(tGt, i, j)
	case "=":
		return l.token(tEq, i, j)
	case "<=":
		return l.token(tLe, i, j)
	case ">=":
		return l.token(tGe, i, j)
	case "<>", "!=":
		return l.token(tNe, i, j)
	case "=>":
		return l.token(tNamedArg, i, j)
	case "||":
		return l.token(tConcat, i, j)
	case "->", "->>":
		return l.token(tArrow, i, j)
	}
	return l.token(tOp, i, j)
}

// postgresName returns the name of a token: unquoted ones are folded to lower case.
func postgresName(text string, t *token) string {
	s := text[t.off:t.end]
	switch {
	case t.kind != tQuoted:
		return foldName(s)
	case s[0] == '"':
		return unquote(s)
	}
	v, _ := unicodeEscapes(s)
	return v
}

// postgresString returns the value of a string of any form.
func postgresString(s string, mode Mode) (string, bool) {
	escapes := mode.BackslashEscapes
	switch s[0] {
	case '$':
		n := strings.IndexByte(s[1:], '$') + 2
		return s[n : len(s)-n], true
	case 'u', 'U':
		return unicodeEscapes(s)
	case 'e', 'E':
		escapes = true
		s = s[1:]
	case 'n', 'N':
		// It is of type character, which has no blanks at its end.
		v, ok := postgresString(s[1:], mode)
		return v, ok && !strings.HasSuffix(v, " ")
	}
	if escapes {
		return backslashes(pieces(s, true))
	}
	if v := pieces(s, false); v != "" {
		return v, true
	}
	return "", true
}

// pieces joins the pieces of a string and halves the doubled quotes. With escapes, a backslash and the byte
// behind it are kept.
func pieces(s string, escapes bool) string {
	if !escapes && strings.IndexByte(s[1:len(s)-1], '\'') < 0 {
		return s[1 : len(s)-1]
	}
	b := make([]byte, 0, len(s))
	in := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case !in:
			if c == '-' { // a comment between two pieces
				for s[i] != '\n' && s[i] != '\r' {
					i++
				}
			}
			in = c == '\''
		case c == '\'' && i+1 < len(s) && s[i+1] == '\'':
			b = append(b, c)
			i++
		case c == '\'':
			in = false
		case c == '\\' && escapes && i+1 < len(s):
			b = append(b, c, s[i+1])
			i++
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

// backslashes resolves the escapes of an E'…' string. ok is false for one that the database refuses.
func backslashes(s string) (string, bool) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, true
	}
	b := make([]byte, 0, len(s))
	high := rune(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '\\' || i+1 == len(s) {
			if high != 0 {
				return "", false
			}
			b = append(b, c)
			continue
		}
		i++
		number := func(max, base int, digit func(byte) bool) int {
			v, n := 0, 0
			for n < max && i+1+n < len(s) && digit(s[i+1+n]) {
				v = v*base + int(hexValue(s[i+1+n]))
				n++
			}
			i += n
			if n == 0 {
				return -1
			}
			return v
		}
		if high != 0 && s[i] != 'u' && s[i] != 'U' {
			return "", false
		}
		switch c := s[i]; c {
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'x':
			v := number(2, 16, isHex)
			if v < 0 {
				b = append(b, 'x')
				break
			}
			b = append(b, byte(v))
		case '0', '1', '2', '3', '4', '5', '6', '7':
			i--
			b = append(b, byte(number(3, 8, func(c byte) bool { return '0' <= c && c <= '7' })))
		case 'u', 'U':
			n := 4
			if c == 'U' {
				n = 8
			}
			at := i
			v := number(n, 16, isHex)
			if i-at != n {
				return "", false
			}
			var ok bool
			if b, high, ok = appendPoint(b, rune(v), high); !ok {
				return "", false
			}
		default:
			b = append(b, c)
		}
	}
	v := string(b)
	return v, high == 0 && utf8.ValidString(v) && strings.IndexByte(v, 0) < 0
}

// appendPoint appends a code point, or keeps the first half of a surrogate pair.
func appendPoint(b []byte, v, high rune) (out []byte, pending rune, ok bool) {
	switch {
	case 0xD800 <= v && v < 0xDC00:
		return b, v, high == 0
	case 0xDC00 <= v && v < 0xE000:
		if high == 0 {
			return b, 0, false
		}
		v = (high-0xD800)<<10 + (v - 0xDC00) + 0x10000
	case high != 0:
		return b, 0, false
	}
	if v <= 0 || v > utf8.MaxRune {
		return b, 0, false
	}
	return utf8.AppendRune(b, v), 0, true
}

// unicodeEscapes returns the value of U&'…' or U&"…", with its UESCAPE clause if it has one.
func unicodeEscapes(s string) (string, bool) {
	s = s[2:]
	quote := s[0]
	end, more := literalEnd(s)
	escape := byte('\\')
	if more {
		// The clause ends with a string of one character.
		n := len(s)
		if n < 3 || s[n-3] != '\'' {
			return "", false
		}
		escape = s[n-2]
		if isHex(escape) || escape == '+' || escape == '\'' || escape == '"' || escape <= ' ' {
			return "", false
		}
	}
	var body string
	if quote == '"' {
		body = unquote(s[:end])
	} else {
		body = pieces(s[:end], false)
	}
	b := make([]byte, 0, len(body))
	high := rune(0)
	for i := 0; i < len(body); i++ {
		c := body[i]
		if c != escape {
			if high != 0 {
				return "", false
			}
			b = append(b, c)
			continue
		}
		if i+1 < len(body) && body[i+1] == escape {
			if high != 0 {
				return "", false
			}
			b = append(b, c)
			i++
			continue
		}
		n := 4
		if i+1 < len(body) && body[i+1] == '+' {
			n = 6
			i++
		}
		if i+n >= len(body) {
			return "", false
		}
		v := rune(0)
		for k := 1; k <= n; k++ {
			if !isHex(body[i+k]) {
				return "", false
			}
			v = v<<4 | rune(hexValue(body[i+k]))
		}
		i += n
		var ok bool
		if b, high, ok = appendPoint(b, v, high); !ok {
			return "", false
		}
	}
	return string(b), high == 0
}

// literalEnd returns the end of the literal that s begins with, all its pieces, and whether more than white
// space and comments follows it.
func literalEnd(s string) (end int, more bool) {
	quote := s[0]
	in := true
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == quote:
			in = !in
			if !in {
				end = i + 1
			}
		case in:
		case c == '-':
			for i < len(s) && s[i] != '\n' && s[i] != '\r' {
				i++
			}
		case c == '/':
			depth := 1
			for i += 2; depth > 0 && i+1 < len(s); i++ {
				switch s[i : i+2] {
				case "*/":
					depth--
					i++
				case "/*":
					depth++
					i++
				}
			}
			i--
		case c == 'u' || c == 'U':
			return end, true
		}
	}
	return end, false
}

// postgresNumber returns the value of a number.
func postgresNumber(s string, neg bool) (any, bool) {
	if len(s) > 2 && s[0] == '0' {
		base := map[byte]int{'x': 16, 'o': 8, 'b': 2}[lower(s[1])]
		if base > 0 {
			u, err := strconv.ParseUint(strings.ReplaceAll(s[2:], "_", ""), base, 63)
			i := int64(u)
			if neg {
				i = -i
			}
			return i, err == nil
		}
	}
	return parseNumber(s, neg)
}
