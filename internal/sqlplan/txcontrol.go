package sqlplan

import (
	"strings"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// TxControl returns the transaction control statements that stand in a text, in order; nil when there are
// none. It doesn't parse the other statements, and it knows that the BEGIN and END of a trigger are none. For
// a dialect that isn't built it returns nil.
func TxControl(query string, d dialect.Dialect) []TxStatement {
	f := dialects[d]
	if f == nil {
		return nil
	}
	l := lexer{f: f, text: query}
	t := l.next()
	if !f.txWord(t.kw) {
		// One statement, perhaps with a semicolon at its end.
		if i := strings.IndexByte(query[t.off:], ';'); i < 0 || strings.TrimSpace(query[int(t.off)+i+1:]) == "" {
			return nil
		}
	}
	var found []TxStatement
	var buf [24]token // no transaction control statement has more tokens
	for ; t.kind != tEOF && t.kind != tIllegal; t = l.next() {
		if t.kind == tSemi {
			continue
		}
		n, open := 0, 0
		trigger := false
		var last token
		for ; t.kind != tEOF && t.kind != tIllegal; t = l.next() {
			// A semicolon in parentheses ends no statement: it belongs to the arguments of a virtual table, or
			// it is an error, and nothing after it is run.
			switch t.kind {
			case tLParen:
				open++
			case tRParen:
				open--
			}
			if t.kind == tSemi && !trigger && open <= 0 {
				break
			}
			if trigger && t.kw == kwEnd && last.kind == tSemi {
				trigger = false // the end of the trigger is the end of the statement
			}
			if n < len(buf) {
				buf[n] = t
			}
			n++
			if n <= 6 && t.kw == kwTrigger && !f.postgres && isCreateTrigger(buf[:n]) {
				trigger = true
			}
			if f.postgres && last.kw == kwBegin && n > 2 && equalFold(query[t.off:t.end], "atomic") {
				trigger = true // the body of a function
			}
			last = t
		}
		if t.kind == tIllegal || n >= len(buf) {
			if t.kind != tSemi {
				break
			}
			continue
		}
		buf[n] = token{kind: tEOF}
		if tx, _, ok := f.txStatement(f, query, buf[:n+1]); ok && tx.Op != 0 {
			found = append(found, tx)
		}
		if t.kind != tSemi {
			break
		}
	}
	return found
}

// isCreateTrigger reports whether the tokens are `[EXPLAIN [QUERY PLAN]] CREATE [TEMP] TRIGGER`.
func isCreateTrigger(toks []token) bool {
	i := 0
	if toks[i].kw == kwExplain {
		i++
		if i+1 < len(toks) && toks[i].kw == kwQuery && toks[i+1].kw == kwPlan {
			i += 2
		}
	}
	if i >= len(toks) || toks[i].kw != kwCreate {
		return false
	}
	if i++; i < len(toks) && toks[i].kw == kwTemp {
		i++
	}
	return i == len(toks)-1 && toks[i].kw == kwTrigger
}

// sqliteTxWord reports whether a transaction control statement begins with kw.
func sqliteTxWord(kw keyword) bool {
	switch kw {
	case kwBegin, kwCommit, kwEnd, kwRollback, kwSavepoint, kwRelease:
		return true
	}
	return false
}

// sqliteTxStatement reads a transaction control statement that begins with the first token and ends before a
// semicolon or the end of the text. n is the number of its tokens.
func sqliteTxStatement(f *facts, text string, toks []token) (tx TxStatement, n int, ok bool) {
	i := 1
	next := func(kw keyword) bool {
		if toks[i].kw == kw {
			i++
			return true
		}
		return false
	}
	name := func() bool {
		if !f.isName(&toks[i]) {
			return false
		}
		tx.Name = foldName(f.ident(text, &toks[i]))
		i++
		return true
	}
	switch toks[0].kw {
	case kwBegin:
		tx.Op = TxBegin
		_ = next(kwDeferred) || next(kwImmediate) || next(kwExclusive)
		if next(kwTransaction) && f.isName(&toks[i]) {
			i++
		}
	case kwCommit, kwEnd:
		tx.Op = TxCommit
		if next(kwTransaction) && f.isName(&toks[i]) {
			i++
		}
	case kwRollback:
		tx.Op = TxRollback
		if next(kwTransaction) && f.isName(&toks[i]) {
			i++
		}
		if next(kwTo) {
			tx.Op = TxRollbackTo
			next(kwSavepoint)
			if !name() {
				return tx, 0, false
			}
		}
	case kwSavepoint:
		tx.Op = TxSavepoint
		if !name() {
			return tx, 0, false
		}
	case kwRelease:
		tx.Op = TxRelease
		next(kwSavepoint)
		if !name() {
			return tx, 0, false
		}
	default:
		return tx, 0, false
	}
	if k := toks[i].kind; k != tSemi && k != tEOF {
		return tx, 0, false
	}
	return tx, i, true
}
