package sqlplan

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/asherah-sql/asherah-sql/dialect"
	"github.com/asherah-sql/asherah-sql/tags"
)

// The facts of MySQL 8 and 9 and of MariaDB 10.5 to 11. What only one of them has is accepted for both where
// the other's server refuses it; where they read the same text differently, the mode decides.
var mysqlFacts = facts{
	dialect: dialect.MySQL,
	words:   newWordTable(mysqlWords),

	lex:    mysqlNext,
	name:   mysqlName,
	str:    mysqlText,
	number: parseNumber,

	command:     mysqlCommand,
	explain:     mysqlExplain,
	with:        mysqlWith,
	query:       mysqlQuery,
	prefix:      mysqlPrefix,
	infix:       mysqlInfix,
	typeName:    mysqlTypeName,
	txStatement: mysqlTxStatement,
	txWord:      mysqlTxWord,

	from:       mysqlFrom,
	joinScopes: true,
	textCast:   mysqlTextCast,
	mysql:      true,

	maxParam: 65535,

	// CASE, IF and the like may hide an error of a conversion, never another value.
	pure: set("abs", "ascii", "bin", "bit_length", "ceil", "ceiling", "char_length", "character_length", "coalesce", "concat",
		"concat_ws", "conv", "crc32", "date", "datediff", "day", "dayofmonth", "dayofweek", "dayofyear", "elt", "field",
		"find_in_set", "floor", "greatest", "hex", "hour", "if", "ifnull", "instr", "isnull", "json_contains",
		"json_extract", "json_unquote", "json_valid", "lcase", "least", "left", "length", "locate", "lower", "lpad", "ltrim",
		"md5", "mid", "minute", "mod", "month", "nullif", "oct", "octet_length", "ord", "position", "pow", "power", "quarter",
		"repeat", "replace", "reverse", "right", "round", "rpad", "rtrim", "second", "sha1", "sha2", "sign", "space", "sqrt",
		"strcmp", "substr", "substring", "substring_index", "to_days", "trim", "truncate", "ucase", "unhex", "upper", "year"),
	aggregates: set("any_value", "avg", "bit_and", "bit_or", "bit_xor", "count", "group_concat", "json_arrayagg",
		"json_objectagg", "max", "median", "min", "percentile_cont", "percentile_disc", "std", "stddev", "stddev_pop",
		"stddev_samp", "sum", "var_pop", "var_samp", "variance"),
	textCasts: set("char", "binary"),
}

// mysqlDefaultMode is how the servers read texts unless they are told otherwise.
var mysqlDefaultMode = Mode{Known: true, BackslashEscapes: true, Strict: true, Version: 80036}

// charsets are the names that introduce a string's character set, on either server.
var charsets = set("armscii8", "ascii", "big5", "binary", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866",
	"cp932", "dec8", "eucjpms", "euckr", "filename", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "keybcs2",
	"koi8r", "koi8u", "latin1", "latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7", "tis620", "ucs2", "ujis",
	"utf16", "utf16le", "utf32", "utf8", "utf8mb3", "utf8mb4")

// mysqlName returns the name that a token spells. A string names a column where an alias is expected.
func mysqlName(text string, t *token) string {
	s := text[t.off:t.end]
	switch t.kind {
	case tQuoted:
		return unquote(s)
	case tString:
		v, _ := mysqlText(s, mysqlDefaultMode)
		return v
	}
	return s
}

// mysqlText returns the value of a string, with those that are joined to it. ok is false for a national string
// with characters that utf8mb3 lacks.
func mysqlText(s string, mode Mode) (v string, ok bool) {
	l := lexer{text: s, mode: mode}
	i := 0
	national := s[0] == 'n' || s[0] == 'N'
	if national {
		i = 1
	}
	var b []byte
	for i < len(s) {
		end, why := l.mysqlString(i)
		if why != 0 {
			return "", false
		}
		b = appendString(b, s[i:end], mode.BackslashEscapes)
		if i, why = l.mysqlGap(end); why != 0 {
			return "", false
		}
	}
	if national {
		for _, r := range string(b) {
			if r > 0xffff {
				return "", false
			}
		}
	}
	return string(b), true
}

// appendString appends the value of a quoted string.
func appendString(b []byte, s string, escapes bool) []byte {
	quote, body := s[0], s[1:len(s)-1]
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case c == quote:
			i++
		case c == '\\' && escapes && i+1 < len(body):
			i++
			switch c = body[i]; c {
			case '0':
				c = 0
			case 'b':
				c = '\b'
			case 'n':
				c = '\n'
			case 'r':
				c = '\r'
			case 't':
				c = '\t'
			case 'Z':
				c = 0x1a
			case '%', '_':
				b = append(b, '\\')
			}
		}
		b = append(b, c)
	}
	return b
}

// introduced returns the value of a string or a number of bytes with a character set before it.
func introduced(set, s string, mode Mode) (v any, ok bool) {
	if s[0] != '\'' && s[0] != '"' {
		b := mysqlBytes(s)
		switch set {
		case "binary":
			return b, true
		case "utf8mb4", "utf8mb3", "utf8":
			return string(b), utf8.Valid(b)
		}
		return nil, false
	}
	text, ok := mysqlText(s, mode)
	switch set {
	case "utf8mb4":
		return text, ok
	case "utf8mb3", "utf8":
		return text, ok && !strings.ContainsFunc(text, func(r rune) bool { return r > 0xffff })
	case "binary":
		return []byte(text), ok
	case "ascii", "latin1":
		return text, ok && isASCII(text)
	}
	return nil, false
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// mysqlBytes returns the value of X'…', 0x…, b'…' or 0b…, which the lexer has checked.
func mysqlBytes(s string) []byte {
	base, digits := s[0], s[2:]
	if base == '0' {
		base = s[1]
	} else {
		digits = digits[:len(digits)-1]
	}
	per := 2
	if lower(base) == 'b' {
		per = 8
	}
	b := make([]byte, (len(digits)+per-1)/per)
	for i, n := 0, len(digits); i < n; i++ {
		at := len(b) - 1 - (n-1-i)/per
		if per == 2 {
			b[at] = b[at]<<4 | hexValue(digits[i])
		} else {
			b[at] = b[at]<<1 | (digits[i] - '0')
		}
	}
	return b
}

// oddLetters fold to ASCII letters on the server, beyond what folding ASCII knows.
var oddLetters = strings.NewReplacer("\u212a", "k", "\u0130", "i", "\u0131", "i", "\u017f", "s")

// foldAll folds a name as far as any setting of the server could.
func foldAll(s string) string {
	return strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, oddLetters.Replace(s))
}

// foldedNames are the names of the registered tables and columns, folded as far as any server could.
func foldedNames(s *tags.Schema) map[string]string {
	m := map[string]string{}
	for _, t := range s.Tables() {
		m[foldAll(t.Name)] = t.Name
		for _, c := range t.Columns {
			m[foldAll(c.Name)] = c.Name
		}
	}
	return m
}

// hasOddLetters reports whether a text may name a registered table in letters that aren't ASCII.
func hasOddLetters(text string) bool {
	return strings.Contains(text, "\u212a") || strings.Contains(text, "\u0130") || strings.Contains(text, "\u0131") ||
		strings.Contains(text, "\u017f")
}

// The words that can't be names on either server, and those that the parser knows. Others are names like any
// other, and known by their text where the grammar asks for them.
var mysqlWords = append([]word{
	{"all", kwAll, reserved},
	{"alter", kwAlter, reserved},
	{"analyze", kwAnalyze, reserved},
	{"and", kwAnd, reserved},
	{"any", kwAny, fallback},
	{"as", kwAs, reserved},
	{"asc", kwAsc, reserved},
	{"begin", kwBegin, fallback},
	{"between", kwBetween, reserved},
	{"binary", kwBinary, reserved},
	{"by", kwBy, reserved},
	{"call", kwCall, reserved},
	{"case", kwCase, reserved},
	{"cast", kwCast, fallback},
	{"check", kwCheck, reserved},
	{"collate", kwCollate, reserved},
	{"column", kwColumn, reserved},
	{"commit", kwCommit, fallback},
	{"constraint", kwConstraint, reserved},
	{"convert", kwConvert, reserved},
	{"create", kwCreate, reserved},
	{"cross", kwCross, reserved},
	{"current", kwCurrent, fallback},
	{"current_date", kwCurrentDate, reserved},
	{"current_time", kwCurrentTime, reserved},
	{"current_timestamp", kwCurrentTimestamp, reserved},
	{"default", kwDefault, reserved},
	{"delete", kwDelete, reserved},
	{"desc", kwDesc, reserved},
	{"describe", kwDesc, reserved},
	{"distinct", kwDistinct, reserved},
	{"distinctrow", kwDistinct, reserved},
	{"div", kwDiv, reserved},
	{"do", kwDo, fallback},
	{"drop", kwDrop, reserved},
	{"each", kwEach, reserved},
	{"else", kwElse, reserved},
	{"end", kwEnd, fallback},
	{"escape", kwEscape, fallback},
	{"except", kwExcept, reserved},
	{"exclude", kwExclude, fallback},
	{"execute", kwExecute, fallback},
	{"exists", kwExists, reserved},
	{"explain", kwExplain, reserved},
	{"false", kwFalse, reserved},
	{"fetch", kwFetch, reserved},
	{"filter", kwFilter, fallback},
	{"first", kwFirst, fallback},
	{"following", kwFollowing, fallback},
	{"for", kwFor, reserved},
	{"foreign", kwForeign, reserved},
	{"from", kwFrom, reserved},
	{"generated", kwGenerated, fallback},
	{"group", kwGroup, reserved},
	{"groups", kwGroups, fallback},
	{"having", kwHaving, reserved},
	{"ignore", kwIgnore, reserved},
	{"in", kwIn, reserved},
	{"index", kwIndex, reserved},
	{"inner", kwInner, reserved},
	{"intersect", kwIntersect, reserved},
	{"interval", kwInterval, reserved},
	{"into", kwInto, reserved},
	{"is", kwIs, reserved},
	{"join", kwJoin, reserved},
	{"key", kwKey, reserved},
	{"last", kwLast, fallback},
	{"lateral", kwLateral, fallback},
	{"like", kwLike, reserved},
	{"limit", kwLimit, reserved},
	{"load", kwLoad, reserved},
	{"localtime", kwLocaltime, reserved},
	{"localtimestamp", kwLocaltime, reserved},
	{"lock", kwLock, reserved},
	{"match", kwMatch, reserved},
	{"mod", kwMod, reserved},
	{"natural", kwNatural, reserved},
	{"no", kwNo, fallback},
	{"not", kwNot, reserved},
	{"null", kwNull, reserved},
	{"nulls", kwNulls, fallback},
	{"of", kwOf, fallback},
	{"offset", kwOffset, nameWord},
	{"on", kwOn, reserved},
	{"or", kwOr, reserved},
	{"order", kwOrder, reserved},
	{"others", kwOthers, fallback},
	{"outer", kwOuter, reserved},
	{"over", kwOver, reserved},
	{"partition", kwPartition, reserved},
	{"preceding", kwPreceding, fallback},
	{"prepare", kwPrepare, fallback},
	{"primary", kwPrimary, reserved},
	{"range", kwRange, reserved},
	{"recursive", kwRecursive, reserved},
	{"references", kwReferences, reserved},
	{"regexp", kwRegexp, reserved},
	{"release", kwRelease, reserved},
	{"rename", kwRename, reserved},
	{"replace", kwReplace, reserved},
	{"returning", kwReturning, reserved},
	{"rlike", kwRegexp, reserved},
	{"rollback", kwRollback, fallback},
	{"row", kwRow, nameWord},
	{"rows", kwRows, reserved},
	{"savepoint", kwSavepoint, fallback},
	{"select", kwSelect, reserved},
	{"set", kwSet, reserved},
	{"show", kwShow, reserved},
	{"some", kwSome, fallback},
	{"start", kwStart, fallback},
	{"straight_join", kwStraightJoin, reserved},
	{"table", kwTable, reserved},
	{"temporary", kwTemp, fallback},
	{"then", kwThen, reserved},
	{"ties", kwTies, fallback},
	{"to", kwTo, reserved},
	{"trigger", kwTrigger, reserved},
	{"true", kwTrue, reserved},
	{"truncate", kwTruncate, fallback},
	{"unbounded", kwUnbounded, fallback},
	{"union", kwUnion, reserved},
	{"unique", kwUnique, reserved},
	{"update", kwUpdate, reserved},
	{"use", kwUse, reserved},
	{"force", kwUse, reserved},
	{"using", kwUsing, reserved},
	{"utc_date", kwLocaltime, reserved},
	{"utc_time", kwLocaltime, reserved},
	{"utc_timestamp", kwLocaltime, reserved},
	{"value", kwValue, fallback},
	{"values", kwValues, reserved},
	{"view", kwView, fallback},
	{"when", kwWhen, reserved},
	{"where", kwWhere, reserved},
	{"window", kwWindow, nameWord},
	{"with", kwWith, reserved},
	{"within", kwWithin, fallback},
	{"xa", kwXA, fallback},
	{"xor", kwXor, reserved},
}, mysqlReserved()...)

// mysqlReserved are the words that can't be names and have no meaning to the parser by themselves. As
// functions some can be called.
func mysqlReserved() []word {
	var list []word
	for _, s := range strings.Fields(`char character current_role current_user database if insert left repeat right schema`) {
		kw := kwFuncWord
		switch s {
		case "insert":
			kw = kwInsert
		case "left":
			kw = kwLeft
		case "right":
			kw = kwRight
		}
		list = append(list, word{s, kw, reserved})
	}
	for _, s := range strings.Fields(`accessible add asensitive before bigint blob both cascade change condition continue
		cursor databases day_hour day_microsecond day_minute day_second dec decimal declare delayed deterministic double dual
		elseif enclosed escaped exit float float4 float8 fulltext grant high_priority hour_microsecond hour_minute hour_second
		infile inout insensitive int int1 int2 int3 int4 int8 integer iterate keys kill leading leave linear lines long longblob
		longtext loop low_priority maxvalue mediumblob mediumint mediumtext middleint minute_microsecond minute_second modifies
		no_write_to_binlog numeric optimize optimizer_costs option optionally out outfile precision procedure purge read reads
		read_write real require resignal restrict return revoke schemas second_microsecond sensitive separator signal smallint
		spatial specific sql sqlexception sqlstate sqlwarning sql_big_result sql_calc_found_rows sql_small_result ssl starting
		terminated tinyblob tinyint tinytext trailing undo unlock unsigned usage varbinary varchar varcharacter
		varying while write year_month zerofill`) {
		list = append(list, word{s, kwReserved, reserved})
	}
	return list
}

// longestASCII returns the longest part of a name in ASCII: the server may fold the rest.
func longestASCII(name string) string {
	best := ""
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return r >= 0x80 }) {
		if len(part) > len(best) {
			best = part
		}
	}
	return best
}
