package sqlplan

// kind is the kind of a token. The zero value is the end of the text.
type kind uint8

const (
	tEOF     kind = iota
	tIllegal      // token.why says what is wrong; the parser accepts it nowhere
	tWord         // a bare word: an identifier or a keyword
	tQuoted       // an identifier in quotes
	tString
	tBlob
	tInteger
	tFloat
	tParam
	tLParen
	tRParen
	tComma
	tDot
	tSemi
	tStar
	tPlus
	tMinus
	tSlash
	tPercent
	tConcat // ||
	tAmp
	tPipe
	tTilde
	tShl
	tShr
	tLt
	tLe
	tGt
	tGe
	tEq // = and ==
	tNe // <> and !=
	tArrow
	tOp       // another operator
	tCast     // ::
	tAssign   // :=
	tNamedArg // =>
	tColon
	tLBracket
	tRBracket
	tIntroducer // _utf8mb4 before a string
	tUserVar    // @x
	tSysVar     // @@x
	tAndAnd     // && as AND
	tNullEq     // <=>
	tBits       // B'…' and X'…' where these are bit strings
)

// token is one token of a text. Tokens are small because a text may have a million of them.
type token struct {
	kind     kind
	why      illegal // of a tIllegal
	kw       keyword // of a tWord that is a keyword where it stands
	off, end int32
}

// illegal says why a token isn't one.
type illegal uint8

const (
	_ illegal = iota
	illegalByte
	illegalNUL
	illegalUnterminated
	illegalNumber
	illegalBlob
	illegalParam
	illegalEscape
)

var illegalRules = [...]string{
	illegalByte:         RuleByte,
	illegalNUL:          RuleNUL,
	illegalUnterminated: RuleUnterminated,
	illegalNumber:       RuleNumber,
	illegalBlob:         RuleNumber,
	illegalParam:        RuleByte,
	illegalEscape:       RuleEscape,
}

// lower folds an ASCII letter. Names are compared in ASCII only: folding more would take two tables for one.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// equalFold compares two names.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if a[i] != b[i] && lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

// foldName returns s with ASCII letters in lower case.
func foldName(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] != lower(s[i]) {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				b[j] = lower(b[j])
			}
			return string(b)
		}
	}
	return s
}
