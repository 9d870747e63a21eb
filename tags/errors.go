package tags

import "errors"

// ErrEmpty is wrapped by the error of [Column.PartitionText] for a NULL or empty value: such a value
// names no partition.
var ErrEmpty = errors.New("value is NULL or empty")

// ConvertError says that a value doesn't convert exactly to its column's kind, or that a stored text
// doesn't read back as one. It carries the value's Go type but never the value itself, neither in its
// fields nor in its text.
type ConvertError struct {
	Table  string // the table, with its schema if it was registered with one
	Column string // the column's SQL name
	Want   Kind   // what the column holds
	Got    string // the Go type of the value; "stored text" when reading
	Cause  string // why not, without the value: "out of range"
	// Err is the error that the value's own Value method returned, if that is the cause. Its text is
	// the application's and may hold the value, so Error leaves it out.
	Err error
}

// gotStored is ConvertError.Got when reading.
const gotStored = "stored text"

// Causes. They say what is wrong with a value without showing any of it.
const (
	causeType        = "no conversion between the two"
	causeRange       = "out of range"
	causeInexact     = "not exactly representable"
	causeBool        = "neither true nor false"
	causeNumber      = "not a decimal number"
	causeUUID        = "not a UUID"
	causeTime        = "not a time in RFC 3339"
	causeYear        = "a year outside 0 to 9999"
	causeNoText      = "the column's type has no canonical text"
	causeValuer      = "its Value method returned an error"
	causeValuerPanic = "its Value method panicked"
	causeDepth       = "too many pointers or Value methods behind each other"
	causePartition   = "a value of this kind can't name a partition"
)

// remedies says what a column of each kind takes.
var remedies = [...]string{
	0:          "give its field a type that tags knows",
	KindString: "pass a string, []byte or an integer",
	KindBytes:  "pass []byte or a string",
	KindBool:   "pass a bool, 0 or 1",
	KindInt:    "pass an integer in the range of the field's type",
	KindUint:   "pass an integer in the range of the field's type",
	KindFloat:  "pass a number that the field's type holds exactly",
	KindTime:   "pass a time.Time of the years 0 to 9999",
	KindUUID:   "pass a UUID as text, as 16 bytes or as [16]byte",
	KindJSON:   "pass JSON as []byte or a string",
}

const remedyStored = "it was written for a field of another type, or by another program"

// Error returns "convert value: table.column: <Go type> to <kind>: <cause>: <remedy>".
func (e *ConvertError) Error() string {
	remedy := remedies[0]
	switch {
	case e.Cause == causePartition:
		remedy = "want a string, an integer or a UUID"
	case e.Got == gotStored:
		remedy = remedyStored
	case e.Want.Valid():
		remedy = remedies[e.Want]
	}
	want := "unknown"
	if e.Want.Valid() {
		want = e.Want.String()
	}
	return "convert value: " + e.Table + "." + e.Column + ": " + e.Got + " to " + want + ": " + e.Cause + ": " + remedy
}

// Unwrap returns the error of the value's own Value method, or nil.
func (e *ConvertError) Unwrap() error { return e.Err }

// fail makes the error for a value of the Go type got.
func (c *Column) fail(got, cause string, err error) *ConvertError {
	return &ConvertError{Table: c.Table.String(), Column: c.Name, Want: c.Kind, Got: got, Cause: cause, Err: err}
}
