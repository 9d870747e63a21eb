package tags

import (
	"database/sql/driver"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"time"
)

// AppendText appends the canonical text of v to dst and returns the extended slice. v is anything that a
// program may pass as an argument: nil, Go's basic types and types derived from them, []byte, time.Time,
// UUIDs as [16]byte, pointers to these, and driver.Valuers, whose Value method is called. It is converted
// to the column's kind first; where that isn't exact, err is a [*ConvertError] and dst is returned as it
// was.
//
// null reports a NULL: nil, a nil pointer, a nil []byte, or a Valuer that yields nil. Nothing is appended
// then. As in database/sql, a nil pointer to a type whose Value method has a value receiver is NULL.
//
// Beyond the kind's own Go types a column takes
//
//   - string, bytes, json: each other's types; a string column also integers, in decimal;
//   - bool: 0 and 1 of any numeric type, and the texts that strconv.ParseBool takes;
//   - int, uint: integers and floats without a fraction that are in range, and decimal text, also with a
//     fraction of zeros ("7.00");
//   - float: numbers that the column's width holds exactly, and decimal text that names the float as its
//     shortest form or its exact value does;
//   - time: RFC 3339 text with at most nine digits after the second, also with a blank for the T. Without
//     a zone it is taken as UTC, as Go's drivers read such columns;
//   - uuid: 16 bytes, and text with hyphens, in braces, after "urn:uuid:", or without hyphens, in any case.
//
// Strings, []byte, integers, floats, bools and times are converted without reflection and without an
// allocation but for dst's growth; their pointers, derived types and Valuers cost more.
func (c *Column) AppendText(dst []byte, v any) (text []byte, null bool, err error) {
	out, null, cause, err := c.appendValue(dst, v, 0)
	if cause != "" {
		return dst, false, c.fail(typeName(v), cause, err)
	}
	return out, null, nil
}

// appendValue is AppendText with the cause of a failure in place of the whole error; "" is success. err is
// the error of a Value method. level counts the pointers and Valuers that v was found behind.
func (c *Column) appendValue(dst []byte, v any, level int) (out []byte, null bool, cause string, err error) {
	out, null, cause, ok := c.appendBasic(dst, v)
	if !ok {
		return c.appendReflect(dst, v, level)
	}
	return out, null, cause, nil
}

// appendBasic converts the types that need no reflection; ok is false for all others.
func (c *Column) appendBasic(dst []byte, v any) (out []byte, null bool, cause string, ok bool) {
	switch v := v.(type) {
	case nil:
		return dst, true, "", true
	case string:
		out, cause = appendFromText(c, dst, v)
	case []byte:
		// Drivers send a nil slice as NULL.
		if v == nil {
			return dst, true, "", true
		}
		out, cause = appendFromBytes(c, dst, v)
	case bool:
		out, cause = c.appendBool(dst, v)
	case int64:
		out, cause = c.appendSigned(dst, v)
	case int:
		out, cause = c.appendSigned(dst, int64(v))
	case int32:
		out, cause = c.appendSigned(dst, int64(v))
	case int16:
		out, cause = c.appendSigned(dst, int64(v))
	case int8:
		out, cause = c.appendSigned(dst, int64(v))
	case uint64:
		out, cause = c.appendInteger(dst, false, v)
	case uint:
		out, cause = c.appendInteger(dst, false, uint64(v))
	case uint32:
		out, cause = c.appendInteger(dst, false, uint64(v))
	case uint16:
		out, cause = c.appendInteger(dst, false, uint64(v))
	case uint8:
		out, cause = c.appendInteger(dst, false, uint64(v))
	case float64:
		out, cause = c.appendFloat(dst, v)
	case float32:
		out, cause = c.appendFloat(dst, float64(v))
	case time.Time:
		out, cause = c.appendTime(dst, v)
	case [16]byte:
		if c.Kind != KindUUID {
			return dst, false, c.mismatch(), true
		}
		out = appendUUID(dst, v)
	default:
		return dst, false, "", false
	}
	return out, false, cause, true
}

// appendReflect converts pointers, Valuers and derived types.
func (c *Column) appendReflect(dst []byte, v any, level int) (out []byte, null bool, cause string, err error) {
	if level > maxIndirections {
		return dst, false, causeDepth, nil
	}
	rv := reflect.ValueOf(v)
	// A UUID's array is looked at before its Value method is: the array is in the order of the text,
	// which what Value makes of it need not be (SQL Server swaps bytes).
	if c.Kind == KindUUID {
		if u, ok := uuidArray(rv); ok {
			return appendUUID(dst, u), false, "", nil
		}
	}
	if valuer, ok := v.(driver.Valuer); ok {
		if rv.Kind() == reflect.Pointer && rv.IsNil() && rv.Type().Elem().Implements(valuerType) {
			return dst, true, "", nil
		}
		if v, ok := sqlNull(rv); ok {
			return c.appendValue(dst, v, level+1)
		}
		yield, cause, err := callValuer(valuer)
		if cause != "" {
			return dst, false, cause, err
		}
		return c.appendValue(dst, yield, level+1)
	}
	switch rv.Kind() {
	case reflect.Pointer:
		if rv.IsNil() {
			return dst, true, "", nil
		}
		return c.appendValue(dst, rv.Elem().Interface(), level+1)
	case reflect.String:
		out, cause = appendFromText(c, dst, rv.String())
	case reflect.Bool:
		out, cause = c.appendBool(dst, rv.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		out, cause = c.appendSigned(dst, rv.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		out, cause = c.appendInteger(dst, false, rv.Uint())
	case reflect.Float32, reflect.Float64:
		out, cause = c.appendFloat(dst, rv.Float())
	case reflect.Slice:
		if rv.Type().Elem().Kind() != reflect.Uint8 {
			return dst, false, causeType, nil
		}
		if rv.IsNil() {
			return dst, true, "", nil
		}
		out, cause = appendFromBytes(c, dst, rv.Bytes())
	default:
		return dst, false, causeType, nil
	}
	return out, false, cause, nil
}

// sqlNull returns what one of database/sql's Null types holds, nil for NULL. Its Value method isn't asked,
// because Null[T] refuses types that a column can hold: a large uint64, a UUID's array.
func sqlNull(rv reflect.Value) (v any, ok bool) {
	if rv.Kind() == reflect.Pointer {
		rv = rv.Elem()
	}
	if rv.Kind() != reflect.Struct || rv.Type().PkgPath() != "database/sql" || rv.NumField() != 2 || rv.Field(1).Kind() != reflect.Bool {
		return nil, false
	}
	if !rv.Field(1).Bool() {
		return nil, true
	}
	return rv.Field(0).Interface(), true
}

// uuidArray returns the bytes of an array of 16 bytes of any type, also behind pointers.
func uuidArray(rv reflect.Value) (u [16]byte, ok bool) {
	for level := 0; rv.Kind() == reflect.Pointer && !rv.IsNil() && level < maxIndirections; level++ {
		rv = rv.Elem()
	}
	if rv.Kind() != reflect.Array || rv.Len() != 16 || rv.Type().Elem().Kind() != reflect.Uint8 {
		return u, false
	}
	for i := range u {
		u[i] = byte(rv.Index(i).Uint())
	}
	return u, true
}

// callValuer calls the Value method of a program's type. Its panic is an error like any other: the text
// of neither is shown, since both may hold the value.
func callValuer(v driver.Valuer) (yield any, cause string, err error) {
	defer func() {
		if recover() != nil {
			yield, cause, err = nil, causeValuerPanic, nil
		}
	}()
	if yield, err = v.Value(); err != nil {
		return nil, causeValuer, err
	}
	return yield, "", nil
}

func typeName(v any) string {
	if v == nil {
		return "nil"
	}
	return reflect.TypeOf(v).String()
}

func (c *Column) appendBool(dst []byte, b bool) ([]byte, string) {
	if c.Kind != KindBool {
		return dst, c.mismatch()
	}
	return strconv.AppendBool(dst, b), ""
}

func (c *Column) appendSigned(dst []byte, i int64) ([]byte, string) {
	if i < 0 {
		return c.appendInteger(dst, true, -uint64(i))
	}
	return c.appendInteger(dst, false, uint64(i))
}

// appendInteger appends the integer of the given sign and magnitude.
func (c *Column) appendInteger(dst []byte, neg bool, mag uint64) ([]byte, string) {
	neg = neg && mag != 0
	switch c.Kind {
	case KindString:
	case KindBool:
		if neg || mag > 1 {
			return dst, causeBool
		}
		return strconv.AppendBool(dst, mag == 1), ""
	case KindInt:
		limit := uint64(1) << (c.width() - 1)
		if mag > limit || !neg && mag == limit {
			return dst, causeRange
		}
	case KindUint:
		if neg || mag>>c.width() != 0 {
			return dst, causeRange
		}
	case KindFloat:
		if !fitsMantissa(mag, c.width()) {
			return dst, causeInexact
		}
		f := float64(mag)
		if neg {
			f = -f
		}
		return strconv.AppendFloat(dst, f, 'g', -1, c.width()), ""
	default:
		return dst, c.mismatch()
	}
	if neg {
		dst = append(dst, '-')
	}
	return strconv.AppendUint(dst, mag, 10), ""
}

func (c *Column) appendFloat(dst []byte, f float64) ([]byte, string) {
	switch c.Kind {
	case KindFloat:
		if c.width() == 32 && !math.IsNaN(f) && float64(float32(f)) != f {
			return dst, causeInexact
		}
		return strconv.AppendFloat(dst, f, 'g', -1, c.width()), ""
	case KindInt, KindUint, KindBool:
		neg, mag := f < 0, math.Abs(f)
		switch {
		case math.IsNaN(f) || math.IsInf(f, 0):
			return dst, causeRange
		case mag != math.Trunc(mag):
			return dst, causeInexact
		case mag >= 1<<64:
			return dst, causeRange
		}
		return c.appendInteger(dst, neg, uint64(mag))
	}
	return dst, c.mismatch()
}

// appendTime appends RFC 3339 in UTC with nine digits. It is written out because the layouts of package
// time that have a fast path drop trailing zeros.
func (c *Column) appendTime(dst []byte, t time.Time) ([]byte, string) {
	if c.Kind != KindTime {
		return dst, c.mismatch()
	}
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return dst, causeYear
	}
	hour, minute, second := t.Clock()
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(append(dst, '-'), int(month), 2)
	dst = appendDigits(append(dst, '-'), day, 2)
	dst = appendDigits(append(dst, 'T'), hour, 2)
	dst = appendDigits(append(dst, ':'), minute, 2)
	dst = appendDigits(append(dst, ':'), second, 2)
	dst = appendDigits(append(dst, '.'), t.Nanosecond(), 9)
	return append(dst, 'Z'), ""
}

// appendDigits appends n >= 0 in decimal with zeros in front up to width.
func appendDigits(dst []byte, n, width int) []byte {
	end := len(dst) + width
	for range width {
		dst = append(dst, '0')
	}
	for i := end - 1; n > 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// width is Bits, for a column of a number without it the widest.
func (c *Column) width() int {
	if c.Bits == 0 {
		return 64
	}
	return c.Bits
}

// mismatch is the cause where a column's kind doesn't take a type at all.
func (c *Column) mismatch() string {
	if !c.Kind.Valid() {
		return causeNoText
	}
	return causeType
}

// appendFromBytes is appendFromText, but for a UUID as 16 raw bytes.
func appendFromBytes(c *Column, dst, b []byte) ([]byte, string) {
	if c.Kind == KindUUID && len(b) == 16 {
		return appendUUID(dst, [16]byte(b)), ""
	}
	return appendFromText(c, dst, b)
}

func appendFromText[T string | []byte](c *Column, dst []byte, s T) ([]byte, string) {
	switch c.Kind {
	case KindString, KindBytes, KindJSON:
		return append(dst, s...), ""
	case KindBool:
		b, cause := parseBool(s)
		if cause != "" {
			return dst, cause
		}
		return strconv.AppendBool(dst, b), ""
	case KindInt, KindUint:
		neg, mag, cause := parseInteger(s)
		if cause != "" {
			return dst, cause
		}
		return c.appendInteger(dst, neg, mag)
	case KindFloat:
		f, cause := parseFloat(string(s), c.width())
		if cause != "" {
			return dst, cause
		}
		return c.appendFloat(dst, f)
	case KindTime:
		t, cause := parseTime(string(s))
		if cause != "" {
			return dst, cause
		}
		return c.appendTime(dst, t)
	case KindUUID:
		u, ok := parseUUID(s)
		if !ok {
			return dst, causeUUID
		}
		return appendUUID(dst, u), ""
	}
	return dst, c.mismatch()
}

// ParseText reads a canonical text back: a string column gives a string; bytes and json a fresh []byte;
// bool a bool; int an int64; uint an int64 if it fits, otherwise a uint64; float a float64; time a
// time.Time in UTC; uuid a string in canonical form. text isn't kept. Texts that aren't canonical but
// that AppendText would convert exactly are read too, so that values which another program sealed can be
// read; anything else is a [*ConvertError].
func (c *Column) ParseText(text []byte) (driver.Value, error) {
	v, cause := c.parseText(text)
	if cause != "" {
		return nil, c.fail(gotStored, cause, nil)
	}
	return v, nil
}

func (c *Column) parseText(text []byte) (v driver.Value, cause string) {
	switch c.Kind {
	case KindString:
		return string(text), ""
	case KindBytes, KindJSON:
		return append(make([]byte, 0, len(text)), text...), ""
	case KindBool:
		b, cause := parseBool(text)
		return b, cause
	case KindInt, KindUint:
		neg, mag, cause := parseInteger(text)
		if cause == "" {
			_, cause = c.appendInteger(make([]byte, 0, PaddedLen), neg, mag) // checks the range
		}
		switch {
		case neg:
			return int64(-mag), cause
		case mag > math.MaxInt64:
			return mag, cause
		}
		return int64(mag), cause
	case KindFloat:
		f, cause := parseFloat(string(text), c.width())
		return f, cause
	case KindTime:
		t, cause := parseTime(string(text))
		return t, cause
	case KindUUID:
		u, ok := parseUUID(text)
		if !ok {
			return nil, causeUUID
		}
		return string(appendUUID(make([]byte, 0, 36), u)), ""
	}
	return nil, c.mismatch()
}

// partitionKind reports whether values of the column can name a partition.
func (c *Column) partitionKind() bool {
	switch c.Kind {
	case KindString, KindInt, KindUint, KindUUID:
		return true
	}
	return false
}

// PartitionText returns the canonical text of v as the name of a partition. The error is [ErrEmpty]
// (errors.Is) if v is NULL or its text is empty, and a [*ConvertError] if v doesn't convert or the
// column's kind isn't string, int, uint or uuid.
func (c *Column) PartitionText(v any) (string, error) {
	if !c.partitionKind() {
		return "", c.fail(typeName(v), causePartition, nil)
	}
	if s, ok := v.(string); ok && s != "" && c.Kind == KindString {
		return s, nil
	}
	var buf [64]byte
	text, null, err := c.AppendText(buf[:0], v)
	switch {
	case err != nil:
		return "", err
	case null || len(text) == 0:
		return "", fmt.Errorf("partition: %s.%s: %w: give the row a partition", c.Table, c.Name, ErrEmpty)
	}
	return string(text), nil
}
