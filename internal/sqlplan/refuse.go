package sqlplan

import (
	"strconv"
	"strings"
)

// The reasons for which a statement is refused. They are stable: documents and tests quote them.
const (
	// Of the text.

	// RuleNUL: SQLite stops reading at a NUL byte, other tools don't.
	RuleNUL = "a NUL byte in the text"
	// RuleUTF8: databases disagree about where names and literals end in such a text.
	RuleUTF8 = "text that isn't valid UTF-8"
	// RuleEscape: an escape in a string or a name that the database refuses.
	RuleEscape = "an escape that is none"
	// RuleByte: a character that begins no token.
	RuleByte = "a character that no statement has"
	// RuleUnterminated: a string, a quoted name or a comment that doesn't end.
	RuleUnterminated = "a quote or comment that isn't closed"
	// RuleNumber: a malformed number or blob.
	RuleNumber = "a malformed number or blob"
	// RuleSyntax: the parser knows no statement that goes on like this.
	RuleSyntax = "a statement that isn't understood"
	// RuleDepth: expressions or queries nested deeper than the database allows.
	RuleDepth = "too deep nesting"
	// RuleComplex: more columns, tables and names than the database itself takes, or than can be matched soon.
	RuleComplex = "too complex a statement"
	// RuleTooLong: texts over one gigabyte.
	RuleTooLong = "too long a text"
	// RuleUnaccounted: the analysis doesn't know what a part of the statement does.
	RuleUnaccounted = "a part of the statement that the analysis doesn't know"

	// Of names.

	// RuleAmbiguousTable: several registered tables could be meant.
	RuleAmbiguousTable = "a table name that fits several registered tables"
	// RuleAmbiguousColumn: an encrypted column or another one could be meant.
	RuleAmbiguousColumn = "a column name that can't be resolved for certain"
	// RuleUnknownQualifier: a qualified name whose table isn't in scope.
	RuleUnknownQualifier = "a qualified name whose table isn't known here"
	// RuleUnknownColumns: the columns of a table are needed, and the database doesn't tell them.
	RuleUnknownColumns = "a table whose columns aren't known"
	// RuleHiddenTarget: a common table expression has the name of the table that is written.
	RuleHiddenTarget = "a common table expression named like the written table"
	// RuleTableUse: a registered table where only other things can be read.
	RuleTableUse = "a registered table in a place that can't be analysed"
	// RuleCircular: common table expressions that refer to each other.
	RuleCircular = "common table expressions that refer to themselves in a circle"

	// Of parameters.

	// RuleParamStyles: placeholders of several styles in one text, which drivers bind differently.
	RuleParamStyles = "placeholders of different styles in one text"
	// RuleParamNumber: a numbered placeholder that drivers bind differently.
	RuleParamNumber = "a numbered placeholder that drivers don't agree on"
	// RuleParamStatements: several statements with placeholders, which drivers bind differently.
	RuleParamStatements = "placeholders in more than one statement"
	// RuleParamRoles: one placeholder is sealed in one place and means something else in another.
	RuleParamRoles = "one placeholder for an encrypted column and for something else"

	// Of values that are stored.

	// RuleStoredExpression: the database would compute a value that must be sealed.
	RuleStoredExpression = "an expression stored into an encrypted column"
	// RuleStoredDoubleQuotes: the database may take a double-quoted name for a string.
	RuleStoredDoubleQuotes = "a double-quoted value for an encrypted column"
	// RuleStoredColumn: another column's value is stored.
	RuleStoredColumn = "another column stored into an encrypted column"
	// RuleStoredCast: a cast that could cut or change the sealed value.
	RuleStoredCast = "a cast stored into an encrypted column"
	// RuleStoredSelect: values that a query computes are stored.
	RuleStoredSelect = "a query's value stored into an encrypted column"
	// RuleStoredNumber: a number that the database itself doesn't read exactly.
	RuleStoredNumber = "a number out of range for an encrypted column"
	// RuleListUsed: of a list of rows, what is sealed is compared, computed with or returned as well.
	RuleListUsed = "a column of a list that is stored into an encrypted column and read for something else"
	// RuleListParam: MariaDB 10.11 stores an empty string in the place of such a placeholder, or says that it is too long,
	// unless the driver puts it into the text.
	RuleListParam = "a placeholder in a list of VALUES, which MariaDB may lose"
	// RuleListTwice: a column of a list of rows would have to be sealed for two places.
	RuleListTwice = "a column of a list that is stored into two encrypted columns or for two partitions"
	// RuleShadow: a value that is meant for an encrypted column would be sent in the clear.
	RuleShadow = "a value in a derived column named like an encrypted one"
	// RuleStoredPart: a sealed value has no elements and no fields.
	RuleStoredPart = "a part of an encrypted column that is assigned"
	// RuleStoredTwice: a column is assigned twice, and databases differ in which value they take.
	RuleStoredTwice = "a column assigned twice"
	// RuleRowWidth: a row has more or fewer values than columns.
	RuleRowWidth = "a row whose values don't match the columns"
	// RuleExcluded: excluded.c may have been sealed for another partition.
	RuleExcluded = "excluded on an encrypted column without its partition"
	// RuleConflictTarget: encrypted values are never equal, so the conflict never happens.
	RuleConflictTarget = "an encrypted column as a conflict target"

	// Of partitions.

	// RuleNoPartition: an INSERT doesn't carry the column that names the partition.
	RuleNoPartition = "an encrypted value without its partition column"
	// RulePartitionValue: the partition is computed by the database.
	RulePartitionValue = "a partition column that isn't a placeholder or literal"
	// RulePartitionMoved: a row's partition changes and an encrypted column stays.
	RulePartitionMoved = "a change of the partition column that leaves encrypted columns behind"
	// RulePartitionUnknown: the partition of the updated rows can't be looked up.
	RulePartitionUnknown = "an update whose partition can't be determined"
	// RulePartitionUpsert: the row in conflict may belong to another partition.
	RulePartitionUpsert = "an upsert whose partition can't be determined"

	// Of values that are read.

	// RuleCompared: an encrypted column is compared for equality.
	RuleCompared = "an encrypted column in a comparison"
	// RuleOrdered: ciphertext has no order.
	RuleOrdered = "an encrypted column that is ordered"
	// RuleGrouped: equal values have different ciphertexts.
	RuleGrouped = "an encrypted column that is grouped or made distinct"
	// RuleSetOperation: UNION, EXCEPT and INTERSECT compare, and UNION ALL mixes columns.
	RuleSetOperation = "an encrypted column in a set operation"
	// RuleJoined: USING and NATURAL compare.
	RuleJoined = "an encrypted column that tables are joined on"
	// RuleExpression: the database would compute with ciphertext.
	RuleExpression = "an encrypted column in an expression"
	// RuleWholeRow: the row of a table as one value has the ciphertexts inside.
	RuleWholeRow = "a whole row with an encrypted column as one value"
	// RuleFunction: likewise.
	RuleFunction = "an encrypted column in a function"
	// RuleCopied: ciphertext would be stored in a column that isn't opened.
	RuleCopied = "an encrypted column copied into another column"
	// RuleWritingCTE: what the statement writes can't be told from what it reads.
	RuleWritingCTE = "a registered table written inside WITH"
	// RuleDynamic: a text inside the statement is run as a statement, and isn't analysed.
	RuleDynamic = "a statement inside a string or behind a name"
	// RuleBulk: COPY sends and takes values past the analysis.
	RuleBulk = "a bulk copy of a registered table"
	// RuleMode: a later part of the text may be read in another way than it was analysed.
	RuleMode = "a setting that changes how texts are read, beside a registered table"
	// RuleLongName: the database cuts it, and what it means then isn't known.
	RuleLongName = "a name longer than the database keeps"
	// RuleIgnore: the server would cut a value that is too long, and say so in a warning only.
	RuleIgnore = "IGNORE with a value for an encrypted column"
	// RuleNotStrict: likewise.
	RuleNotStrict = "a value for an encrypted column in a session that isn't strict"
	// RuleStoredCharset: the server would convert the literal.
	RuleStoredCharset = "a literal of another character set for an encrypted column"
	// RuleInto: the ciphertexts would go into a file or a variable.
	RuleInto = "the result of a registered table stored on the server"
	// RuleOddName: the server takes other letters for those of the name.
	RuleOddName = "a name that differs from a registered one in letters beyond ASCII"
	// RuleOracleMode: a grammar that isn't analysed.
	RuleOracleMode = "a registered table in a session whose sql_mode is another database's"
	// RuleOutputs: several statements of the text return encrypted columns.
	RuleOutputs = "more than one statement that returns encrypted columns"

	// Of definitions.

	// RuleRenamed: under another name its columns would be written in the clear.
	RuleRenamed = "a registered table that gets a name that isn't registered"
	// RuleDefinition: the literal would be kept in the catalogue, and means nothing beside ciphertext.
	RuleDefinition = "a literal beside an encrypted column in a definition"
	// RuleConversion: the database would compute what lies in the column.
	RuleConversion = "a conversion of an encrypted column"
	// RuleRowRule: a rule rewrites statements behind the analysis.
	RuleRowRule = "a rule on a registered table"
	// RuleRoutine: what a stored program stores isn't seen again.
	RuleRoutine = "a stored program that names a registered table"
	// RuleTableAs: CREATE TABLE AS copies data without its registration.
	RuleTableAs = "a table made from a query over a registered table"
	// RuleDefault: a default would be stored in the clear.
	RuleDefault = "a default for an encrypted column"
	// RuleGenerated: a generated encrypted column would be stored in the clear.
	RuleGenerated = "a generated encrypted column"
	// RuleIndexPredicate: an index predicate compares plaintext.
	RuleIndexPredicate = "an index predicate over an encrypted column"
	// RuleTrigger: what a trigger stores isn't seen again.
	RuleTrigger = "a trigger that works on an encrypted column"
	// RuleVirtualTable: modules read their arguments in their own way.
	RuleVirtualTable = "a virtual table over a registered table"
)

// remedies says for each rule what to write instead.
var remedies = map[string]string{
	RuleNUL:          "remove the byte",
	RuleUTF8:         "send UTF-8, or pass the bytes as an argument",
	RuleEscape:       "write the escape as the database takes it",
	RuleByte:         "remove the character",
	RuleUnterminated: "close it",
	RuleNumber:       "correct it, or pass the value as an argument",
	RuleSyntax:       "rewrite the statement in the supported forms",
	RuleDepth:        "split the statement or flatten it",
	RuleComplex:      "split the statement",
	RuleTooLong:      "split the text",
	RuleUnaccounted:  "rewrite the statement in the supported forms",

	RuleAmbiguousTable:   "qualify the table with its schema",
	RuleAmbiguousColumn:  "qualify the column with its table, and spell it as it is registered",
	RuleUnknownQualifier: "use the table's alias or name as the statement gives it",
	RuleUnknownColumns:   "name the columns",
	RuleHiddenTarget:     "give the common table expression another name",
	RuleTableUse:         "name the table in FROM",
	RuleCircular:         "use WITH RECURSIVE with UNION ALL",

	RuleParamStyles:     "use one style of placeholders",
	RuleParamNumber:     "number placeholders in their order, or use ?",
	RuleParamStatements: "send the statements one by one",
	RuleParamRoles:      "use a placeholder of its own for each",

	RuleStoredExpression:   "compute the value in the program and pass it as an argument",
	RuleStoredDoubleQuotes: "use single quotes for a string",
	RuleStoredColumn:       "read the value in the program and pass it as an argument",
	RuleStoredCast:         "cast to TEXT or BLOB without a length, or not at all",
	RuleStoredSelect:       "use VALUES with placeholders",
	RuleStoredNumber:       "pass the value as an argument",
	RuleStoredTwice:        "assign it once",
	RuleListUsed:           "give the list another column for it",
	RuleListParam:          "use INSERT … VALUES, or send a statement for each row",
	RuleListTwice:          "give the list a column for each",
	RuleShadow:             "leave the column out, or send a statement for each row with placeholders in VALUES or SET",
	RuleStoredPart:         "assign the whole column",
	RuleRowWidth:           "give one value for each column",
	RuleExcluded:           "put the partition column into the conflict target, or set it from excluded too",
	RuleConflictTarget:     "use a column that isn't encrypted",

	RuleNoPartition:      "insert the partition column too",
	RulePartitionValue:   "use a placeholder or a literal",
	RulePartitionMoved:   "assign every encrypted column of that partition in the same statement",
	RulePartitionUnknown: "add the partition column to SET, or `WHERE <column> = ?` as a condition joined by AND",
	RulePartitionUpsert:  "put the partition column into the conflict target, or set it from excluded too",

	RuleCompared:      "lookups need the option index, which this version doesn't have",
	RuleOrdered:       "sort in the program",
	RuleGrouped:       "group in the program",
	RuleSetOperation:  "use UNION ALL of the same column",
	RuleJoined:        "join on columns that aren't encrypted",
	RuleExpression:    "select the bare column and compute in the program",
	RuleFunction:      "select the bare column and compute in the program",
	RuleWholeRow:      "name the columns",
	RuleWritingCTE:    "send the statements one by one",
	RuleDynamic:       "send the statement itself",
	RuleBulk:          "insert with placeholders, or seal the values with driver.Sealer and copy with the plain driver",
	RuleMode:          "send the setting in a text of its own",
	RuleLongName:      "use a name of at most 63 bytes",
	RuleCopied:        "read the value in the program and pass it as an argument; rebuild tables with the plain driver (driver.SplitDSN)",
	RuleIgnore:        "leave IGNORE out, or assign only NULL to the column",
	RuleNotStrict:     "set STRICT_TRANS_TABLES in the session's sql_mode",
	RuleStoredCharset: "pass the value as an argument",
	RuleInto:          "read the result in the program",
	RuleOddName:       "write the name as it is registered",
	RuleOracleMode:    "leave ORACLE, MSSQL, DB2 and the like out of the session's sql_mode",
	RuleOutputs:       "send the statements one by one",

	RuleRenamed:        "register the new name too, or rename with the plain driver (driver.SplitDSN)",
	RuleDefinition:     "leave the literal out",
	RuleConversion:     "read and write the column through the program",
	RuleRowRule:        "use a trigger that copies ciphertext, or write from the program",
	RuleRoutine:        "write from the program, or define it with the plain driver (driver.SplitDSN)",
	RuleTableAs:        "create the table, then copy through the program",
	RuleDefault:        "remove the default",
	RuleGenerated:      "remove the expression",
	RuleIndexPredicate: "use only IS NULL or IS NOT NULL on the column",
	RuleTrigger:        "write encrypted columns from the program",
	RuleVirtualTable:   "name no registered table in it",
}

// Rules returns every rule and its usual remedy, for documents.
func Rules() map[string]string {
	m := make(map[string]string, len(remedies))
	for r, remedy := range remedies {
		m[r] = remedy
	}
	return m
}

// RefusedError says that a statement isn't sent, why, where and what to write instead. It holds no text of a
// literal.
type RefusedError struct {
	Table   string // the registered table; empty when none is to blame
	Column  string // the encrypted column; empty when none is to blame
	Ordinal int    // number of the placeholder, from 1; 0: none
	Offset  int    // byte of the user's text
	Rule    string // one of the Rule constants
	Remedy  string
}

func (e *RefusedError) Error() string {
	var b strings.Builder
	b.WriteString("statement refused: ")
	if e.Table != "" {
		b.WriteString(e.Table)
		if e.Column != "" {
			b.WriteString(".")
			b.WriteString(e.Column)
		}
		b.WriteString(" ")
	}
	if e.Ordinal > 0 {
		b.WriteString("placeholder ")
		b.WriteString(strconv.Itoa(e.Ordinal))
		b.WriteString(" ")
	}
	b.WriteString("at byte ")
	b.WriteString(strconv.Itoa(e.Offset))
	b.WriteString(": ")
	b.WriteString(e.Rule)
	if e.Remedy != "" {
		b.WriteString(": ")
		b.WriteString(e.Remedy)
	}
	return b.String()
}
