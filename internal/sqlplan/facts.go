package sqlplan

import (
	"fmt"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// facts is what the lexer, the parser and the analysis must know about a dialect. A dialect is one value of
// it, in a file of its own.
type facts struct {
	dialect dialect.Dialect
	class   [256]class // how the lexer starts at each byte
	words   *wordTable

	defaultSchema string   // the schema that an unqualified table belongs to
	rowIDs        []string // names that every table answers to, though they are no columns
	maxParam      int      // highest number that a numbered placeholder may have

	// pure functions give the same result for the same arguments in two statements of one transaction; a WHERE
	// that calls others can't be evaluated a second time to look the partition up.
	pure map[string]bool
	// aggregates are the functions that make a SELECT without GROUP BY an aggregate.
	aggregates map[string]bool
	// orderHints are functions that ORDER BY looks through.
	orderHints map[string]bool
	// textCasts are the types to which a placeholder may be cast without a stored envelope losing a byte.
	textCasts map[string]bool
}

// dialects has a row for each dialect that is built.
var dialects = map[dialect.Dialect]*facts{
	dialect.SQLite: &sqliteFacts,
}

func factsOf(d dialect.Dialect) (*facts, error) {
	if f := dialects[d]; f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("analyse statements: dialect %s: not available in this version: want sqlite", d)
}

// class says what a byte begins when a token starts with it. Part bytes of words are told by wordPart.
type class uint8

const (
	cIllegal class = iota
	cSpace
	cLateSpace // white space, but not as the first byte after a token
	cBOM       // perhaps a byte order mark, which is white space; else a word
	cWord
	cBlobWord // x or X: a blob or a word
	cDigit
	cQuote      // ' string
	cIdentQuote // an identifier up to the same byte, which is doubled inside
	cBracket    // an identifier up to ]
	cNamedParam // : @ $
	cQuestion
	cMinus
	cSlash
	cLt
	cGt
	cEq
	cBang
	cPipe
	cDot
	cSingle // a token of its own, see singles
	cNUL
)

// singles are the tokens of one byte that no longer token begins with.
var singles = [256]kind{
	'(': tLParen, ')': tRParen, ',': tComma, ';': tSemi, '*': tStar, '+': tPlus, '%': tPercent,
	'&': tAmp, '~': tTilde,
}

// wordPart reports whether c continues a bare word.
func wordPart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= lower(c) && lower(c) <= 'f'
}
