package tags

import (
	"database/sql/driver"
	"encoding"
	"encoding/json"
	"reflect"
	"time"
)

// scalar is what a Go type holds as a column.
type scalar struct {
	kind     Kind
	bits     int
	nullable bool
}

var (
	valuerType  = reflect.TypeFor[driver.Valuer]()
	timeType    = reflect.TypeFor[time.Time]()
	rawJSONType = reflect.TypeFor[json.RawMessage]()
)

// maxIndirections bounds pointers to pointers and Valuers that yield Valuers.
const maxIndirections = 8

// scalarOf finds the scalar that values of type t hold, and ok = false if t has no column form.
func scalarOf(t reflect.Type) (s scalar, ok bool) { return scalarAt(t, 0) }

func scalarAt(t reflect.Type, level int) (s scalar, ok bool) {
	if level > maxIndirections {
		return scalar{}, false
	}
	switch {
	case t == timeType:
		return scalar{kind: KindTime}, true
	case t == rawJSONType:
		return scalar{kind: KindJSON}, true
	case isUUID(t):
		return scalar{kind: KindUUID}, true
	case t.Kind() == reflect.Pointer:
		s, ok = scalarAt(t.Elem(), level+1)
		s.nullable = true
		return s, ok
	case t.Kind() != reflect.Interface && (t.Implements(valuerType) || reflect.PointerTo(t).Implements(valuerType)):
		return valuerScalar(t, level)
	}
	return basicScalar(t)
}

// basicScalar is scalarAt for types without methods that matter.
func basicScalar(t reflect.Type) (s scalar, ok bool) {
	switch t.Kind() {
	case reflect.String:
		return scalar{kind: KindString}, true
	case reflect.Bool:
		return scalar{kind: KindBool}, true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return scalar{kind: KindInt, bits: t.Bits()}, true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return scalar{kind: KindUint, bits: t.Bits()}, true
	case reflect.Float32, reflect.Float64:
		return scalar{kind: KindFloat, bits: t.Bits()}, true
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return scalar{kind: KindBytes}, true
		}
	}
	return scalar{}, false
}

// valuerScalar is scalarAt for a driver.Valuer: database/sql's Null types by their structure, others by
// what they yield.
func valuerScalar(t reflect.Type, level int) (scalar, bool) {
	inner, isNull := nullStruct(t)
	if isNull && t.PkgPath() == "database/sql" {
		s, ok := scalarAt(inner, level+1)
		s.nullable = true
		return s, ok
	}
	zero := reflect.New(t)
	yield, nullable := yields(zero, t), false
	if yield == nil {
		nullable = fillValuer(zero.Elem())
		if nullable {
			yield = yields(zero, t)
		}
	}
	s, ok := scalar{kind: KindString}, true
	if yield != nil {
		s, ok = scalarAt(yield, level+1)
	} else if b, basic := basicScalar(t); basic {
		s = b
	}
	// A null type of somebody else's is taken by its structure too, which knows the width, but only
	// where what it yields agrees.
	if isNull && ok {
		if by, known := scalarAt(inner, level+1); known && agrees(by.kind, s.kind) {
			s, nullable = by, true
		}
	}
	s.nullable = s.nullable || nullable
	return s, ok
}

// agrees reports whether a value of the given structure may be handed to a database as a value of the
// other kind.
func agrees(structure, yield Kind) bool {
	switch structure {
	case yield:
		return true
	case KindUint:
		return yield == KindInt
	case KindUUID, KindJSON:
		return yield == KindString || yield == KindBytes
	}
	return false
}

// nullStruct returns the type of the other field of a struct {Something T; Valid bool}.
func nullStruct(t reflect.Type) (inner reflect.Type, ok bool) {
	if t.Kind() != reflect.Struct || t.NumField() != 2 {
		return nil, false
	}
	for i := range 2 {
		valid, value := t.Field(i), t.Field(1-i)
		if valid.Name == "Valid" && valid.Type.Kind() == reflect.Bool && value.IsExported() && value.Name != "Valid" {
			return value.Type, true
		}
	}
	return nil, false
}

// fillValuer makes a zero value that yielded nil say something else: it sets a field Valid, or makes an
// empty map or slice. It reports whether it could.
func fillValuer(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Struct:
		sf, ok := v.Type().FieldByName("Valid")
		if !ok || sf.Type.Kind() != reflect.Bool {
			return false
		}
		f, err := v.FieldByIndexErr(sf.Index)
		if err != nil || !f.CanSet() {
			return false
		}
		f.SetBool(true)
		return true
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		return true
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return false
		}
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
		return true
	}
	return false
}

// yields returns the type of what the Valuer at p yields, or nil if that is nil, an error or a panic: a
// Value method needn't be ready for the zero value.
func yields(p reflect.Value, t reflect.Type) (yield reflect.Type) {
	defer func() {
		if recover() != nil {
			yield = nil
		}
	}()
	if t.Implements(valuerType) {
		p = p.Elem()
	}
	v, err := p.Interface().(driver.Valuer).Value()
	if err != nil || v == nil {
		return nil
	}
	return reflect.TypeOf(v)
}

// isUUID reports whether t is an array of 16 bytes that stands for a UUID: any but one whose own text
// form is something else, as that of a ULID is.
func isUUID(t reflect.Type) (is bool) {
	if t.Kind() != reflect.Array || t.Len() != 16 || t.Elem().Kind() != reflect.Uint8 {
		return false
	}
	m, ok := reflect.New(t).Interface().(encoding.TextMarshaler)
	if !ok {
		return true
	}
	defer func() {
		if recover() != nil {
			is = true
		}
	}()
	text, err := m.MarshalText()
	if err != nil {
		return true
	}
	_, ok = parseUUID(text)
	return ok
}
