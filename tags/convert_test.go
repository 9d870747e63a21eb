package tags

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

type (
	namedString string
	namedBytes  []byte
	namedInt    int16
	namedUint   uint32
	namedFloat  float32
	namedBool   bool
	namedUUID   [16]byte

	// swapped is a UUID whose Value method writes another byte order, as SQL Server's type does.
	swapped [16]byte
	// valueValuer and pointerValuer differ in their receivers.
	valueValuer   struct{ s string }
	pointerValuer struct{ s string }
	failing       struct{ secret string }
	panicking     struct{ secret string }
	nested        struct{ inner any }
	endless       struct{}
)

func (s swapped) Value() (driver.Value, error) {
	return []byte{s[3], s[2], s[1], s[0], s[5], s[4], s[7], s[6], s[8], s[9], s[10], s[11], s[12], s[13], s[14], s[15]}, nil
}
func (v valueValuer) Value() (driver.Value, error)    { return v.s, nil }
func (v *pointerValuer) Value() (driver.Value, error) { return v.s, nil } // panics on nil
func (f failing) Value() (driver.Value, error)        { return nil, errors.New("bad value " + f.secret) }
func (p panicking) Value() (driver.Value, error)      { panic(p.secret) }
func (n nested) Value() (driver.Value, error)         { return n.inner, nil }
func (e endless) Value() (driver.Value, error)        { return e, nil }

func ptr[T any](v T) *T { return &v }

var someUUID = [16]byte{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}

const (
	someUUIDText = "00112233-4455-6677-8899-aabbccddeeff"
	null         = "<NULL>"
)

func TestAppendTextOfProgramsTypes(t *testing.T) {
	when := time.Date(2024, 5, 6, 7, 8, 9, 0, time.FixedZone("", 3600))
	const whenText = "2024-05-06T06:08:09.000000000Z"
	for _, tc := range []struct {
		name string
		kind Kind
		bits int
		v    any
		want string
	}{
		{"named string", KindString, 0, namedString("x"), "x"},
		{"named bytes", KindBytes, 0, namedBytes("x"), "x"},
		{"nil named bytes", KindBytes, 0, namedBytes(nil), null},
		{"named bytes as a string", KindString, 0, namedBytes("x"), "x"},
		{"named string as bytes", KindBytes, 0, namedString("x"), "x"},
		{"named int", KindInt, 16, namedInt(-7), "-7"},
		{"named uint", KindUint, 32, namedUint(7), "7"},
		{"named uint as int", KindInt, 8, namedUint(7), "7"},
		{"named float", KindFloat, 32, namedFloat(0.1), "0.1"},
		{"named bool", KindBool, 0, namedBool(true), "true"},
		{"named uuid", KindUUID, 0, namedUUID(someUUID), someUUIDText},
		{"duration", KindInt, 64, time.Second, "1000000000"},
		{"number from JSON", KindInt, 64, json.Number("12"), "12"},
		{"raw bytes", KindBytes, 0, sql.RawBytes("x"), "x"},
		{"raw JSON", KindJSON, 0, json.RawMessage(`{}`), `{}`},
		{"nil raw JSON", KindJSON, 0, json.RawMessage(nil), null},

		{"pointer", KindString, 0, ptr("x"), "x"},
		{"pointer to a pointer", KindString, 0, ptr(ptr("x")), "x"},
		{"pointer to a named type", KindInt, 16, ptr(namedInt(3)), "3"},
		{"pointer to a time", KindTime, 0, ptr(when), whenText},
		{"pointer to a uuid", KindUUID, 0, ptr(someUUID), someUUIDText},
		{"nil pointer", KindString, 0, (*string)(nil), null},
		{"pointer to a nil pointer", KindString, 0, ptr((*string)(nil)), null},
		{"nil pointer to a uuid", KindUUID, 0, (*[16]byte)(nil), null},
		{"pointer to nil bytes", KindBytes, 0, ptr([]byte(nil)), null},

		{"NullString", KindString, 0, sql.NullString{String: "x", Valid: true}, "x"},
		{"NullString, NULL", KindString, 0, sql.NullString{String: "x"}, null},
		{"NullInt64", KindInt, 64, sql.NullInt64{Int64: -1, Valid: true}, "-1"},
		{"NullInt32", KindInt, 32, sql.NullInt32{Int32: 5, Valid: true}, "5"},
		{"NullInt16", KindInt, 16, sql.NullInt16{Int16: 5, Valid: true}, "5"},
		{"NullByte", KindUint, 8, sql.NullByte{Byte: 200, Valid: true}, "200"},
		{"NullFloat64", KindFloat, 64, sql.NullFloat64{Float64: 1.5, Valid: true}, "1.5"},
		{"NullBool", KindBool, 0, sql.NullBool{Bool: true, Valid: true}, "true"},
		{"NullTime", KindTime, 0, sql.NullTime{Time: when, Valid: true}, whenText},
		{"NullTime, NULL", KindTime, 0, sql.NullTime{}, null},
		{"Null[string]", KindString, 0, sql.Null[string]{V: "x", Valid: true}, "x"},
		{"Null[int8]", KindInt, 8, sql.Null[int8]{V: -8, Valid: true}, "-8"},
		{"Null[uint64]", KindUint, 64, sql.Null[uint64]{V: 1 << 63, Valid: true}, "9223372036854775808"},
		{"Null[float32]", KindFloat, 32, sql.Null[float32]{V: 0.1, Valid: true}, "0.1"},
		{"Null of a named type", KindString, 0, sql.Null[namedString]{V: "x", Valid: true}, "x"},
		{"Null of a uuid", KindUUID, 0, sql.Null[[16]byte]{V: someUUID, Valid: true}, someUUIDText},
		{"Null, NULL", KindUUID, 0, sql.Null[[16]byte]{}, null},
		{"pointer to a Null", KindString, 0, &sql.NullString{String: "x", Valid: true}, "x"},
		{"nil pointer to a Null", KindString, 0, (*sql.NullString)(nil), null},

		{"Valuer by value", KindString, 0, valueValuer{"x"}, "x"},
		{"Valuer by value behind a pointer", KindString, 0, &valueValuer{"x"}, "x"},
		{"nil pointer to a Valuer by value", KindString, 0, (*valueValuer)(nil), null},
		{"Valuer by pointer", KindString, 0, &pointerValuer{"x"}, "x"},
		{"pointer to a Valuer by pointer", KindString, 0, ptr(&pointerValuer{"x"}), "x"},
		{"Valuer that yields nil", KindString, 0, nested{nil}, null},
		{"Valuer that yields a nil pointer", KindString, 0, nested{(*string)(nil)}, null},
		{"Valuer that yields a Valuer", KindInt, 64, nested{nested{int32(7)}}, "7"},
		{"Valuer that yields decimal bytes", KindFloat, 64, nested{[]byte("12.30")}, "12.3"},
		{"UUID whose Value swaps bytes", KindUUID, 0, swapped(someUUID), someUUIDText},
		{"pointer to a UUID whose Value swaps bytes", KindUUID, 0, ptr(swapped(someUUID)), someUUIDText},
	} {
		text, isNull, err := testColumn(tc.kind, tc.bits).AppendText(nil, tc.v)
		got := string(text)
		if isNull {
			got += null
		}
		if err != nil || got != tc.want {
			t.Errorf("%s: %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestAppendTextRefuses(t *testing.T) {
	type recursive *recursive
	var self recursive
	self = &self
	for _, tc := range []struct {
		name string
		kind Kind
		bits int
		v    any
		want string
	}{
		{"struct", KindString, 0, struct{ S string }{"hidden"}, "convert value: app.things.col: struct { S string } to string: no conversion between the two: pass a string, []byte or an integer"},
		{"map", KindString, 0, map[string]string{"hidden": "hidden"}, "convert value: app.things.col: map[string]string to string: no conversion between the two: pass a string, []byte or an integer"},
		{"slice", KindString, 0, []string{"hidden"}, "convert value: app.things.col: []string to string: no conversion between the two: pass a string, []byte or an integer"},
		{"channel", KindBytes, 0, make(chan int), "convert value: app.things.col: chan int to bytes: no conversion between the two: pass []byte or a string"},
		{"complex number", KindFloat, 64, complex(1, 2), "convert value: app.things.col: complex128 to float: no conversion between the two: pass a number that the field's type holds exactly"},
		{"array without a Valuer", KindString, 0, someUUID, "convert value: app.things.col: [16]uint8 to string: no conversion between the two: pass a string, []byte or an integer"},
		{"named time without a Valuer", KindTime, 0, struct{ time.Month }{5}, "convert value: app.things.col: struct { time.Month } to time: no conversion between the two: pass a time.Time of the years 0 to 9999"},
		{"out of range", KindInt, 8, 300, "convert value: app.things.col: int to int: out of range: pass an integer in the range of the field's type"},
		{"pointer", KindInt, 64, ptr("hidden"), "convert value: app.things.col: *string to int: not a decimal number: pass an integer in the range of the field's type"},
		{"Valuer's error", KindString, 0, failing{"hidden"}, "convert value: app.things.col: tags.failing to string: its Value method returned an error: pass a string, []byte or an integer"},
		{"Valuer's panic", KindString, 0, panicking{"hidden"}, "convert value: app.things.col: tags.panicking to string: its Value method panicked: pass a string, []byte or an integer"},
		{"nil Valuer by pointer", KindString, 0, (*pointerValuer)(nil), "convert value: app.things.col: *tags.pointerValuer to string: its Value method panicked: pass a string, []byte or an integer"},
		{"endless Valuer", KindString, 0, endless{}, "convert value: app.things.col: tags.endless to string: too many pointers or Value methods behind each other: pass a string, []byte or an integer"},
		{"endless pointer", KindUUID, 0, self, "convert value: app.things.col: tags.recursive to uuid: too many pointers or Value methods behind each other: pass a UUID as text, as 16 bytes or as [16]byte"},
		{"yields the wrong type", KindInt, 64, nested{true}, "convert value: app.things.col: tags.nested to int: no conversion between the two: pass an integer in the range of the field's type"},
		{"column without a kind", 0, 0, "hidden", "convert value: app.things.col: string to unknown: the column's type has no canonical text: give its field a type that tags knows"},
		{"column without a kind, uuid", 0, 0, someUUID, "convert value: app.things.col: [16]uint8 to unknown: the column's type has no canonical text: give its field a type that tags knows"},
	} {
		dst := []byte("dst")
		text, isNull, err := testColumn(tc.kind, tc.bits).AppendText(dst, tc.v)
		var ce *ConvertError
		if !errors.As(err, &ce) || isNull || string(text) != "dst" {
			t.Errorf("%s: %q, %t, %v; want an error", tc.name, text, isNull, err)
			continue
		}
		if err.Error() != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, err, tc.want)
		}
		if strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: the text shows the value", tc.name)
		}
	}
}

func TestConvertErrorUnwrapsTheValuersError(t *testing.T) {
	_, _, err := testColumn(KindString, 0).AppendText(nil, failing{"x"})
	var ce *ConvertError
	if !errors.As(err, &ce) || ce.Err == nil || errors.Unwrap(err) != ce.Err {
		t.Fatalf("%v", err)
	}
}

func TestPartitionText(t *testing.T) {
	for _, tc := range []struct {
		name string
		kind Kind
		v    any
		want string
	}{
		{"string", KindString, "tenant", "tenant"},
		{"bytes", KindString, []byte("tenant"), "tenant"},
		{"int in a string column", KindString, 7, "7"},
		{"NullString", KindString, sql.NullString{String: "t", Valid: true}, "t"},
		{"int", KindInt, "007", "7"},
		{"uint", KindUint, uint16(7), "7"},
		{"uuid", KindUUID, strings.ToUpper(someUUIDText), someUUIDText},
	} {
		if got, err := testColumn(tc.kind, 0).PartitionText(tc.v); err != nil || got != tc.want {
			t.Errorf("%s: %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
	for name, v := range map[string]any{
		"nil": nil, "empty": "", "no bytes": []byte{}, "nil bytes": []byte(nil), "nil pointer": (*string)(nil),
		"NULL": sql.NullString{}, "named": namedString(""),
	} {
		_, err := testColumn(KindString, 0).PartitionText(v)
		if !errors.Is(err, ErrEmpty) || err.Error() != "partition: app.things.col: value is NULL or empty: give the row a partition" {
			t.Errorf("%s: %v; want ErrEmpty", name, err)
		}
	}
	var ce *ConvertError
	if _, err := testColumn(KindInt, 64).PartitionText("hidden"); !errors.As(err, &ce) || errors.Is(err, ErrEmpty) || strings.Contains(err.Error(), "hidden") {
		t.Errorf("text for an int: %v", err)
	}
	if _, err := testColumn(KindBool, 0).PartitionText(nil); err == nil || !strings.Contains(err.Error(), "nil to bool") {
		t.Errorf("nil for a bool: %v", err)
	}
	for _, k := range []Kind{0, KindBytes, KindBool, KindFloat, KindTime, KindJSON} {
		_, err := testColumn(k, 0).PartitionText("true")
		if !errors.As(err, &ce) || !strings.HasSuffix(err.Error(), "a value of this kind can't name a partition: want a string, an integer or a UUID") {
			t.Errorf("%s: %v", k, err)
		}
	}
}
