package sqlplan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// facts is what the lexer, the parser and the analysis must know about a dialect. A dialect is one value of
// it, in a file of its own.
type facts struct {
	dialect dialect.Dialect
	class   [256]class // how the lexer starts at each byte
	words   *wordTable

	// Of the lexer.
	lex            func(l *lexer) token // reads the next token, instead of what follows
	lineEnds       string               // bytes that end a line comment
	nestedComments bool                 // a comment of /* */ may hold others
	softWords      func(f *facts, toks []token)
	// name returns the name that a token spells, unquoted, and folded as the database folds it.
	name func(text string, t *token) string
	// str returns the value of a tString. ok is false when it isn't known for certain.
	str func(s string, mode Mode) (v string, ok bool)

	// number returns the value of a number. ok is false when it isn't known exactly.
	number func(s string, neg bool) (v any, ok bool)

	// Of names.
	exactNames  bool // names are compared byte for byte, after folding; else ASCII letters match in either case
	stringNames bool // a string may stand for a name
	wordValues  bool // TRUE and FALSE are names unless no column has them

	// Of the parser: what differs between grammars. Each reads from the current token.
	command  func(p *parser, s *stmt)                        // a statement
	explain  func(p *parser)                                 // what stands between EXPLAIN and its statement
	with     func(p *parser) *with                           // a WITH clause
	query    func(p *parser, w *with, first int) *selectStmt // a query behind its WITH clause
	prefix   func(p *parser) *expr                           // an operand with the operators before it
	infix    func(p *parser, l *expr, min int) *expr         // an operator and its right side, or nil
	typeName func(p *parser)                                 // a type, perhaps empty
	// txStatement reads a transaction control statement up to a semicolon or the end; n is the number of its
	// tokens. txWord tells words that begin one.
	txStatement func(f *facts, text string, toks []token) (tx TxStatement, n int, ok bool)
	txWord      func(kw keyword) bool

	// Of the analysis.
	// from makes relations of the items of FROM in sc; outer is the scope around the query.
	from func(a *analysis, sc *scope, list []*source, outer *scope)
	// joinScopes: from analyses the ON conditions too, each in a scope of its own; else they see all of FROM.
	joinScopes bool
	// textCast reports whether the opCast e leaves a sealed value as it is.
	textCast        func(a *analysis, e *expr) bool
	aliasesVisible  bool   // the names of a select list can be used in WHERE and the like
	returningByName bool   // RETURNING knows the written row by its table's name, whatever its alias
	byteCollation   string // appended to a comparison of texts, or to a text, that must be by bytes; may be empty

	postgres    bool // the analysis follows PostgreSQL's rules of names
	mysql       bool // the analysis follows MySQL's rules of names
	longestName int  // bytes that the database keeps of a name; 0: all

	defaultSchema string   // the schema that an unqualified table belongs to
	rowIDs        []string // names that every table answers to, though they are no columns
	maxParam      int      // highest number that a numbered placeholder may have
	numbered      bool     // a placeholder is written $1
	firstUse      bool     // `$2` and `:2` are numbered by their first appearance

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
	dialect.SQLite:   &sqliteFacts,
	dialect.Postgres: &postgresFacts,
	dialect.MySQL:    &mysqlFacts,
}

func factsOf(d dialect.Dialect) (*facts, error) {
	if f := dialects[d]; f != nil {
		return f, nil
	}
	var names []string
	for _, f := range dialects {
		names = append(names, f.dialect.String())
	}
	slices.Sort(names)
	last := len(names) - 1
	return nil, fmt.Errorf("analyse statements: dialect %s: not available in this version: want %s or %s", d,
		strings.Join(names[:last], ", "), names[last])
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

	// Of PostgreSQL, see lexer_postgres.go.
	cOperator // a run of operator characters, or a comment
	cString   // '…', where a backslash may escape
	cEscape   // e or E: a string with escapes, or a word
	cUnicode  // u or U: a string or a name with Unicode escapes, or a word
	cBits     // b, B, x or X: a bit string, or a word
	cNational // n or N: a string, or a word
	cDollar   // $1 or a dollar quote
	cColon    // : :: :=
	cNumber
)

// singles are the tokens of one byte that no longer token begins with.
var singles = [256]kind{
	'(': tLParen, ')': tRParen, ',': tComma, ';': tSemi, '*': tStar, '+': tPlus, '%': tPercent,
	'&': tAmp, '~': tTilde, '[': tLBracket, ']': tRBracket,
}

// wordPart reports whether c continues a bare word.
func wordPart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '$' || c >= 0x80
}

// same reports whether two names of a statement are one.
func (f *facts) same(a, b string) bool {
	if f.exactNames {
		return a == b
	}
	return equalFold(a, b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= lower(c) && lower(c) <= 'f'
}
