package tags

import "strconv"

// Kind says what sort of value a column holds. It decides the canonical text of its values. The zero
// value is invalid.
type Kind uint8

const (
	_ Kind = iota
	// KindString is text; its canonical text is itself, byte for byte, valid UTF-8 or not.
	KindString
	// KindBytes is binary data; its canonical text is itself.
	KindBytes
	// KindBool is "true" or "false".
	KindBool
	// KindInt is a signed integer of [Column.Bits] bits, in decimal.
	KindInt
	// KindUint is an unsigned integer of [Column.Bits] bits, in decimal.
	KindUint
	// KindFloat is a floating point number of [Column.Bits] bits in its shortest decimal form.
	KindFloat
	// KindTime is a point in time: RFC 3339 in UTC with nine digits after the second.
	KindTime
	// KindUUID is a UUID: 36 characters, lower case, with hyphens.
	KindUUID
	// KindJSON is a JSON document that is kept as it was written.
	KindJSON
)

var kindNames = [...]string{
	KindString: "string",
	KindBytes:  "bytes",
	KindBool:   "bool",
	KindInt:    "int",
	KindUint:   "uint",
	KindFloat:  "float",
	KindTime:   "time",
	KindUUID:   "uuid",
	KindJSON:   "json",
}

// String returns the kind's name in lower case, for example "string" or "uuid"; for an invalid kind a
// text like "Kind(0)".
func (k Kind) String() string {
	if !k.Valid() {
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindNames[k]
}

// Valid reports whether k is one of the constants of this package.
func (k Kind) Valid() bool { return k > 0 && int(k) < len(kindNames) }

// Format says in which record format an encrypted column is stored.
type Format uint8

const (
	// FormatDefault leaves the format to the connection's settings.
	FormatDefault Format = iota
	// FormatBound is the module's own record, bound to its table, column and partition.
	FormatBound
	// FormatAsherah is the DataRowRecord that every Asherah SDK reads. It is bound to nothing but its
	// partition, and nothing hides the length of its value: [Column.Padded] values aren't padded in it.
	FormatAsherah
)

var formatNames = [...]string{FormatDefault: "default", FormatBound: "bound", FormatAsherah: "asherah"}

// String returns "default", "bound" or "asherah"; for any other value a text like "Format(9)".
func (f Format) String() string {
	if int(f) >= len(formatNames) {
		return "Format(" + strconv.Itoa(int(f)) + ")"
	}
	return formatNames[f]
}
