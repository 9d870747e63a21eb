package sqlplan

// keyword numbers the keywords that the parser knows, of all dialects together. Which of them a dialect has,
// and which may stand for an identifier, is in its facts.
type keyword uint16

const (
	kwNone keyword = iota
	kwAbort
	kwAction
	kwAdd
	kwAfter
	kwAll
	kwAlter
	kwAlways
	kwAnalyze
	kwAnd
	kwAs
	kwAsc
	kwAttach
	kwAutoincrement
	kwBefore
	kwBegin
	kwBetween
	kwBy
	kwCascade
	kwCase
	kwCast
	kwCheck
	kwCollate
	kwColumn
	kwCommit
	kwConflict
	kwConstraint
	kwCreate
	kwCross
	kwCurrent
	kwCurrentDate
	kwCurrentTime
	kwCurrentTimestamp
	kwDatabase
	kwDefault
	kwDeferrable
	kwDeferred
	kwDelete
	kwDesc
	kwDetach
	kwDistinct
	kwDo
	kwDrop
	kwEach
	kwElse
	kwEnd
	kwEscape
	kwExcept
	kwExclude
	kwExclusive
	kwExists
	kwExplain
	kwFail
	kwFilter
	kwFirst
	kwFollowing
	kwFor
	kwForeign
	kwFrom
	kwFull
	kwGenerated
	kwGlob
	kwGroup
	kwGroups
	kwHaving
	kwIf
	kwIgnore
	kwImmediate
	kwIn
	kwIndex
	kwIndexed
	kwInitially
	kwInner
	kwInsert
	kwInstead
	kwIntersect
	kwInto
	kwIs
	kwIsnull
	kwJoin
	kwKey
	kwLast
	kwLeft
	kwLike
	kwLimit
	kwMatch
	kwMaterialized
	kwNatural
	kwNo
	kwNot
	kwNothing
	kwNotnull
	kwNull
	kwNulls
	kwOf
	kwOffset
	kwOn
	kwOr
	kwOrder
	kwOthers
	kwOuter
	kwOver
	kwPartition
	kwPlan
	kwPragma
	kwPreceding
	kwPrimary
	kwQuery
	kwRaise
	kwRange
	kwRecursive
	kwReferences
	kwRegexp
	kwReindex
	kwRelease
	kwRename
	kwReplace
	kwRestrict
	kwReturning
	kwRight
	kwRollback
	kwRow
	kwRows
	kwSavepoint
	kwSelect
	kwSet
	kwTable
	kwTemp
	kwThen
	kwTies
	kwTo
	kwTransaction
	kwTrigger
	kwUnbounded
	kwUnion
	kwUnique
	kwUpdate
	kwUsing
	kwVacuum
	kwValues
	kwView
	kwVirtual
	kwWhen
	kwWhere
	kwWindow
	kwWith
	kwWithin
	kwWithout
	// Of PostgreSQL. Some stand for several words that are treated alike.
	kwAny
	kwArray
	kwAsymmetric
	kwFuncWord
	kwTypeWord
	kwBoth
	kwCall
	kwCollation
	kwConcurrently
	kwSessionValue
	kwCurrentSchema
	kwExtract
	kwFalse
	kwFetch
	kwFreeze
	kwGrant
	kwGrouping
	kwIlike
	kwInterval
	kwSpecialCall
	kwLateral
	kwLeading
	kwLocaltime
	kwNormalize
	kwOnly
	kwOverlaps
	kwOverlay
	kwPlacing
	kwPosition
	kwPrecision
	kwSetof
	kwSimilar
	kwSome
	kwSubstring
	kwSymmetric
	kwTablesample
	kwTrailing
	kwTreat
	kwTrim
	kwTrue
	kwVariadic
	kwVerbose
	kwExecute
	kwMerge
	kwPrepare
	kwTruncate
	kwDay
	kwDeclare
	kwDeallocate
	kwDiscard
	kwListen
	kwNotify
	kwUnlisten
	kwLock
	kwLoad
	kwMove
	kwCopy
	kwComment
	kwCluster
	kwCheckpoint
	kwRefresh
	kwSecurity
	kwShow
	kwStart
	kwClose
	kwImport
	kwRevoke
	kwReassign
	// Of MySQL.
	kwBinary
	kwConvert
	kwDiv
	kwMod
	kwReserved
	kwStraightJoin
	kwUse
	kwValue
	kwXA
	kwXor
	keywords // their number
)

// wordClass says where a keyword may stand for an identifier.
type wordClass uint8

const (
	reserved wordClass = iota // nowhere
	fallback                  // wherever the keyword itself has no meaning
	joinWord                  // as a name, but not as an alias without AS
	nameWord                  // likewise
	softWord                  // a keyword only where the tokens around it say so
	funcWord                  // as a function or a type, but not as a column, a table or an alias
)

// word is one keyword of a dialect.
type word struct {
	text  string // lower case
	kw    keyword
	class wordClass
}

// wordTable finds keywords: open addressing over a fixed array, built once per dialect.
type wordTable struct {
	slots   [2048]uint16 // index into words + 1
	words   []word
	classes [keywords]wordClass
	longest int
}

func newWordTable(words []word) *wordTable {
	t := &wordTable{words: words}
	for i, w := range words {
		h := wordHash(w.text)
		for t.slots[h] != 0 {
			h = (h + 1) % len(t.slots)
		}
		t.slots[h] = uint16(i + 1)
		t.classes[w.kw] = w.class
		t.longest = max(t.longest, len(w.text))
	}
	return t
}

func wordHash(s string) int {
	n := len(s)
	h := n*37 + int(s[0]|0x20)*11 + int(s[n-1]|0x20)*73 + int(s[n/2]|0x20)*151
	return h % 2048
}

// find returns the keyword that s is, or kwNone.
func (t *wordTable) find(s string) keyword {
	if len(s) < 2 || len(s) > t.longest {
		return kwNone
	}
	for h := wordHash(s); t.slots[h] != 0; h = (h + 1) % len(t.slots) {
		if w := &t.words[t.slots[h]-1]; equalFold(w.text, s) {
			return w.kw
		}
	}
	return kwNone
}
