package sqlplan

import "github.com/asherah-sql/asherah-sql/dialect"

// The facts of SQLite, as of version 3.54. Older versions accept less; nothing that they accept means
// something else.
var sqliteFacts = facts{
	dialect: dialect.SQLite,
	class:   sqliteClasses(),
	words:   newWordTable(sqliteWords),

	lineEnds:    "\n",
	softWords:   sqliteSoftWords,
	name:        asWritten,
	str:         func(s string, _ Mode) (string, bool) { return unquote(s), true },
	number:      parseNumber,
	stringNames: true,
	wordValues:  true,

	command:     sqliteCommand,
	explain:     sqliteExplain,
	with:        sqliteWith,
	query:       sqliteQuery,
	prefix:      sqlitePrefix,
	infix:       sqliteInfix,
	typeName:    sqliteTypeName,
	txStatement: sqliteTxStatement,
	txWord:      sqliteTxWord,

	from:            sqliteFrom,
	textCast:        sqliteTextCast,
	aliasesVisible:  true,
	returningByName: true,
	byteCollation:   " COLLATE BINARY",
	firstUse:        true,

	defaultSchema: "main",
	rowIDs:        []string{"rowid", "oid", "_rowid_"},
	maxParam:      32766,

	pure: set("abs", "coalesce", "glob", "hex", "ifnull", "iif", "instr", "length", "like", "lower", "ltrim",
		"max", "min", "nullif", "replace", "round", "rtrim", "sign", "substr", "substring", "trim", "typeof",
		"unicode", "upper"),
	aggregates: set("avg", "count", "group_concat", "json_group_array", "json_group_object", "jsonb_group_array",
		"jsonb_group_object", "max", "median", "min", "percentile", "percentile_cont", "percentile_disc",
		"string_agg", "sum", "total"),
	orderHints: set("likelihood", "likely", "unlikely"),
	textCasts:  set("blob", "char", "character", "clob", "nchar", "nvarchar", "text", "varchar"),
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// sqliteClasses is SQLite's table of first bytes. Words may hold every byte from 0x80 on, so a no-break
// space is a part of a word and not white space. `#` begins parameters that only nested parsing uses: it
// stays illegal.
func sqliteClasses() (c [256]class) {
	for b := 0x80; b < 0x100; b++ {
		c[b] = cWord
	}
	for b := 'a'; b <= 'z'; b++ {
		c[b], c[b-'a'+'A'] = cWord, cWord
	}
	for b := '0'; b <= '9'; b++ {
		c[b] = cDigit
	}
	for _, b := range "\t\n\f\r " {
		c[b] = cSpace
	}
	for _, b := range "(),;*+%&~" {
		c[b] = cSingle
	}
	for _, b := range ":@$" {
		c[b] = cNamedParam
	}
	for _, b := range "\"`" {
		c[b] = cIdentQuote
	}
	c['\v'] = cLateSpace
	c[0xEF] = cBOM
	c['_'] = cWord
	c['x'], c['X'] = cBlobWord, cBlobWord
	c['\''] = cQuote
	c['['] = cBracket
	c['?'] = cQuestion
	c['-'] = cMinus
	c['/'] = cSlash
	c['<'] = cLt
	c['>'] = cGt
	c['='] = cEq
	c['!'] = cBang
	c['|'] = cPipe
	c['.'] = cDot
	c[0] = cNUL
	return c
}

var sqliteWords = []word{
	{"abort", kwAbort, fallback},
	{"action", kwAction, fallback},
	{"add", kwAdd, reserved},
	{"after", kwAfter, fallback},
	{"all", kwAll, reserved},
	{"alter", kwAlter, reserved},
	{"always", kwAlways, fallback},
	{"analyze", kwAnalyze, fallback},
	{"and", kwAnd, reserved},
	{"as", kwAs, reserved},
	{"asc", kwAsc, fallback},
	{"attach", kwAttach, fallback},
	{"autoincrement", kwAutoincrement, reserved},
	{"before", kwBefore, fallback},
	{"begin", kwBegin, fallback},
	{"between", kwBetween, reserved},
	{"by", kwBy, fallback},
	{"cascade", kwCascade, fallback},
	{"case", kwCase, reserved},
	{"cast", kwCast, fallback},
	{"check", kwCheck, reserved},
	{"collate", kwCollate, reserved},
	{"column", kwColumn, fallback},
	{"commit", kwCommit, reserved},
	{"conflict", kwConflict, fallback},
	{"constraint", kwConstraint, reserved},
	{"create", kwCreate, reserved},
	{"cross", kwCross, joinWord},
	{"current", kwCurrent, fallback},
	{"current_date", kwCurrentDate, fallback},
	{"current_time", kwCurrentTime, fallback},
	{"current_timestamp", kwCurrentTimestamp, fallback},
	{"database", kwDatabase, fallback},
	{"default", kwDefault, reserved},
	{"deferrable", kwDeferrable, reserved},
	{"deferred", kwDeferred, fallback},
	{"delete", kwDelete, reserved},
	{"desc", kwDesc, fallback},
	{"detach", kwDetach, fallback},
	{"distinct", kwDistinct, reserved},
	{"do", kwDo, fallback},
	{"drop", kwDrop, reserved},
	{"each", kwEach, fallback},
	{"else", kwElse, reserved},
	{"end", kwEnd, fallback},
	{"escape", kwEscape, reserved},
	{"except", kwExcept, reserved},
	{"exclude", kwExclude, fallback},
	{"exclusive", kwExclusive, fallback},
	{"exists", kwExists, reserved},
	{"explain", kwExplain, fallback},
	{"fail", kwFail, fallback},
	{"filter", kwFilter, softWord},
	{"first", kwFirst, fallback},
	{"following", kwFollowing, fallback},
	{"for", kwFor, fallback},
	{"foreign", kwForeign, reserved},
	{"from", kwFrom, reserved},
	{"full", kwFull, joinWord},
	{"generated", kwGenerated, fallback},
	{"glob", kwGlob, fallback},
	{"group", kwGroup, reserved},
	{"groups", kwGroups, fallback},
	{"having", kwHaving, reserved},
	{"if", kwIf, fallback},
	{"ignore", kwIgnore, fallback},
	{"immediate", kwImmediate, fallback},
	{"in", kwIn, reserved},
	{"index", kwIndex, reserved},
	{"indexed", kwIndexed, nameWord},
	{"initially", kwInitially, fallback},
	{"inner", kwInner, joinWord},
	{"insert", kwInsert, reserved},
	{"instead", kwInstead, fallback},
	{"intersect", kwIntersect, reserved},
	{"into", kwInto, reserved},
	{"is", kwIs, reserved},
	{"isnull", kwIsnull, reserved},
	{"join", kwJoin, reserved},
	{"key", kwKey, fallback},
	{"last", kwLast, fallback},
	{"left", kwLeft, joinWord},
	{"like", kwLike, fallback},
	{"limit", kwLimit, reserved},
	{"match", kwMatch, fallback},
	{"materialized", kwMaterialized, fallback},
	{"natural", kwNatural, joinWord},
	{"no", kwNo, fallback},
	{"not", kwNot, reserved},
	{"nothing", kwNothing, reserved},
	{"notnull", kwNotnull, reserved},
	{"null", kwNull, reserved},
	{"nulls", kwNulls, fallback},
	{"of", kwOf, fallback},
	{"offset", kwOffset, fallback},
	{"on", kwOn, reserved},
	{"or", kwOr, reserved},
	{"order", kwOrder, reserved},
	{"others", kwOthers, fallback},
	{"outer", kwOuter, joinWord},
	{"over", kwOver, softWord},
	{"partition", kwPartition, fallback},
	{"plan", kwPlan, fallback},
	{"pragma", kwPragma, fallback},
	{"preceding", kwPreceding, fallback},
	{"primary", kwPrimary, reserved},
	{"query", kwQuery, fallback},
	{"raise", kwRaise, fallback},
	{"range", kwRange, fallback},
	{"recursive", kwRecursive, fallback},
	{"references", kwReferences, reserved},
	{"regexp", kwRegexp, fallback},
	{"reindex", kwReindex, fallback},
	{"release", kwRelease, fallback},
	{"rename", kwRename, fallback},
	{"replace", kwReplace, fallback},
	{"restrict", kwRestrict, fallback},
	{"returning", kwReturning, reserved},
	{"right", kwRight, joinWord},
	{"rollback", kwRollback, fallback},
	{"row", kwRow, fallback},
	{"rows", kwRows, fallback},
	{"savepoint", kwSavepoint, fallback},
	{"select", kwSelect, reserved},
	{"set", kwSet, reserved},
	{"table", kwTable, reserved},
	{"temp", kwTemp, fallback},
	{"temporary", kwTemp, fallback},
	{"then", kwThen, reserved},
	{"ties", kwTies, fallback},
	{"to", kwTo, reserved},
	{"transaction", kwTransaction, reserved},
	{"trigger", kwTrigger, fallback},
	{"unbounded", kwUnbounded, fallback},
	{"union", kwUnion, reserved},
	{"unique", kwUnique, reserved},
	{"update", kwUpdate, reserved},
	{"using", kwUsing, reserved},
	{"vacuum", kwVacuum, fallback},
	{"values", kwValues, reserved},
	{"view", kwView, fallback},
	{"virtual", kwVirtual, fallback},
	{"when", kwWhen, reserved},
	{"where", kwWhere, reserved},
	{"window", kwWindow, softWord},
	{"with", kwWith, fallback},
	{"within", kwWithin, fallback},
	{"without", kwWithout, fallback},
}
