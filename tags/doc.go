// Package tags turns Go structs with `encrypt` tags into a [Schema]: which columns of which tables are
// encrypted, under whose key, and in which form. It also holds the canonical text of values, the one
// form in which a value is sealed, whatever Go type carried it.
//
//	type User struct {
//		ID       int64  `db:"id"`
//		TenantID string `db:"tenant_id"`
//		Email    string `db:"email" encrypt:"tenant_id"`
//		SSN      string `db:"ssn"   encrypt:"partition,as=user-ssn"`
//	}
//
//	func init() { tags.MustRegister(User{}) }
//
// # The tag
//
//	encrypt:"<partition>[,option…]"
//
// The first word says to which partition (tenant) a row's value belongs:
//
//   - partition: the row's own column named "partition" if the struct has one, otherwise the partition
//     in force when the statement runs;
//   - a column or a Go field of the same struct: that column's value in the same row. It must be a
//     string, an integer or a UUID, and not itself encrypted.
//
// Any other word is an error. `encrypt:"-"` is the same as no tag. The options follow in any order, each
// at most once; white space around commas is ignored, anywhere else it is part of the word:
//
//   - as=<name>: the name that a value is bound to, 1 to 255 bytes without NUL, unique in the schema.
//     With it the column can be renamed and its values still open. Default: "table.column".
//   - format=bound or format=asherah: the record format, in place of the connection's.
//
// A tag that Go itself can't read (a quote missing, another spelling of the key) is an error if it
// mentions encrypt, so that a slip of the pen can't switch encryption off.
//
// # Names
//
// The table's name is, first match: the name given to [RegisterTable]; the result of a TableName()
// string method, called on a zero value; the tag `table:"users"` or `bun:"table:users"` of a blank field
// (`_ struct{}`) or of bun.BaseModel; that of an embedded struct tagged `bun:",extend"`; GORM's rule,
// the plural of the type's name in snake_case. A name may be qualified once: "shop.users".
//
// A column's name is, first match: `db:"name"`, `gorm:"column:name"`, `bun:"name"`, the name in an
// `xorm` tag, GORM's rule for the field's name (UserID → user_id). For an encrypted field, two tags that
// give different names are an error. A field that one of these tags excludes ("-") and none names is no
// column.
//
// Embedded structs are walked, also behind pointers, as are fields tagged gorm:"embedded" (with
// embeddedPrefix), bun:"embed:prefix_" and xorm:"extends". Other fields whose type has no column form
// (slices and structs of other models) are no columns, unless a tag gives them a column name.
//
// # Types
//
// A column may be a string, []byte, bool, integer, float, time.Time, json.RawMessage, an array of 16
// bytes (a UUID), a type whose underlying type is one of these, a pointer to one, one of database/sql's
// Null types, or any driver.Valuer that yields one of these. What a Valuer yields is found by calling it
// on its zero value.
//
// # Canonical text
//
// [Column.AppendText] writes it and [Column.ParseText] reads it:
//
//	string, bytes, json   the bytes as they are, valid UTF-8 or not
//	bool                  true or false
//	int, uint             decimal: -7
//	float                 strconv's shortest form 'g' for the column's width: 0.1, 1e+06, -0, NaN, +Inf, -Inf
//	time                  RFC 3339 in UTC with nine digits: 2024-05-06T07:08:09.000000000Z, years 0 to 9999
//	uuid                  lower case with hyphens
//
// A value of another type is converted if nothing is lost, otherwise the result is a [ConvertError].
// The canonical text and the default context name are promises: sealed values depend on them, so they
// don't change between versions. testdata/canonical.json pins them.
package tags
