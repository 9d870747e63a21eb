package aead

import (
	"reflect"
	"sync"
	"unsafe"
)

// wipe zeroes the struct that v, a *T behind an interface, points to, if T
// holds no pointers. The standard library has no way to wipe an expanded key,
// and its structs hold the round keys by value; zeroing them needs only their
// address and size. A struct with pointers isn't touched: zeroing one without
// the collector's write barriers would be unsound.
func wipe(v any) {
	if !wipeable(v) {
		return
	}
	rv := reflect.ValueOf(v)
	clear(unsafe.Slice((*byte)(rv.UnsafePointer()), rv.Type().Elem().Size()))
}

var wipeableTypes sync.Map // reflect.Type → bool

func wipeable(v any) bool {
	t := reflect.TypeOf(v)
	if t == nil || t.Kind() != reflect.Pointer || reflect.ValueOf(v).IsNil() {
		return false
	}
	if ok, known := wipeableTypes.Load(t); known {
		return ok.(bool)
	}
	ok := pointerFree(t.Elem())
	wipeableTypes.Store(t, ok)
	return ok
}

func pointerFree(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return t.Len() == 0 || pointerFree(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !pointerFree(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}
