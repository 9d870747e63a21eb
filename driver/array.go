package driver

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
	"strings"

	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
)

// PostgreSQL's UNNEST makes rows of arrays, by which programs send many rows in a few arguments. An array that goes
// to an encrypted column is sealed element by element, and sent in its text form, which drivers and server take for
// an array of any type (PostgreSQL's documentation, section 8.15.6).

// arrayValue seals the elements of an array. An element that is NULL stays NULL.
func (x *sealing) arrayValue(v *sqlplan.Value) (sealed any, partition string, err error) {
	if err := x.noOutput(v.Column, v.Source); err != nil {
		return nil, "", err
	}
	elements, err := arrayElements(x.source(v.Source))
	if err != nil {
		return nil, "", x.arrayError(v, err)
	}
	if elements == nil {
		return nil, "", nil
	}
	var partitions []any
	if v.Partition.Array {
		if partitions, err = arrayElements(x.source(v.Partition.Sources[0])); err != nil {
			return nil, "", fmt.Errorf("the rows' %s: %w", v.Column.Partition.Name, err)
		}
	}
	var b strings.Builder
	b.WriteByte('{')
	for i, e := range elements {
		if i > 0 {
			b.WriteByte(',')
		}
		text, null, err := v.Column.AppendText(x.buffer[:0], e)
		if err != nil {
			return nil, "", err
		}
		if null {
			b.WriteString("NULL")
			continue
		}
		x.text(text)
		none := false
		switch {
		case !v.Partition.Array:
			partition, none, err = x.partition(v)
		case i >= len(partitions):
			err = fmt.Errorf("%w: there are fewer elements of %s than of %s", ErrNoPartition, v.Column.Partition.Name, v.Column.Name)
		default:
			if partition, err = x.s.partitionText(v.Column, partitions[i]); err == nil {
				err = x.force.allow(partition)
			}
		}
		if err != nil {
			return nil, "", err
		}
		if none {
			b.WriteString("NULL")
			continue
		}
		rec, err := x.record(v, partition, text)
		if err != nil {
			return nil, "", err
		}
		b.WriteByte('"')
		for _, c := range rec {
			if c == '"' || c == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(c)
		}
		b.WriteByte('"')
	}
	b.WriteByte('}')
	if v.Partition.Array {
		partition = "" // several: two such values of one parameter are of the same ones by the plan
	}
	return b.String(), partition, nil
}

func (x *sealing) arrayError(v *sqlplan.Value, err error) error {
	refused := &RefusedError{
		Table: v.Column.Table.String(), Column: v.Column.Name,
		Rule: "an array that isn't understood: " + err.Error(), Remedy: "pass a slice, or the text form of an array of one dimension",
	}
	if l := v.Source.Literal; l != nil {
		refused.Offset = l.Offset
	} else {
		par := &x.s.plan.Params[v.Source.Param-1]
		refused.Ordinal, refused.Offset = par.Index, par.Offsets[0]
	}
	return refused
}

var errArray = fmt.Errorf("neither a slice nor the text form of an array of one dimension")

// arrayElements returns the elements of an array: of a slice, a pointer to one, a driver.Valuer that gives one, or
// of an array's text form. nil is NULL.
func arrayElements(v any) ([]any, error) {
	for range 3 {
		switch a := v.(type) {
		case nil:
			return nil, nil
		case string:
			return parseArray(a)
		case []byte:
			return parseArray(string(a))
		case driver.Valuer:
			var err error
			if v, err = callValuer(a); err != nil {
				return nil, err
			}
			continue
		}
		r := reflect.ValueOf(v)
		switch r.Kind() {
		case reflect.Pointer:
			if r.IsNil() {
				return nil, nil
			}
			v = r.Elem().Interface()
		case reflect.Slice:
			if r.IsNil() {
				return nil, nil
			}
			return sliceElements(r)
		case reflect.Array:
			return sliceElements(r)
		default:
			return nil, errArray
		}
	}
	return nil, errArray
}

func sliceElements(r reflect.Value) ([]any, error) {
	out := make([]any, r.Len())
	for i := range out {
		e := r.Index(i)
		if e.Kind() == reflect.Pointer {
			if e.IsNil() {
				continue
			}
			if _, ok := e.Interface().(driver.Valuer); !ok {
				e = e.Elem()
			}
		}
		v := e.Interface()
		if a, ok := v.(driver.Valuer); ok {
			var err error
			if v, err = callValuer(a); err != nil {
				return nil, err
			}
		}
		if _, ok := v.(sql.RawBytes); !ok && v != nil {
			if k := reflect.TypeOf(v).Kind(); k == reflect.Slice && reflect.TypeOf(v).Elem().Kind() != reflect.Uint8 {
				return nil, errArray // of more dimensions
			}
		}
		out[i] = v
	}
	return out, nil
}

// parseArray reads the text form of an array of one dimension: {a,"b c",NULL}.
func parseArray(s string) ([]any, error) {
	s = strings.Trim(s, " \t\n\r\v\f")
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return nil, errArray
	}
	s = s[1 : len(s)-1]
	out := []any{}
	i := 0
	blanks := func() {
		for i < len(s) && strings.IndexByte(" \t\n\r\v\f", s[i]) >= 0 {
			i++
		}
	}
	if blanks(); i == len(s) {
		return out, nil
	}
	for {
		blanks()
		var b []byte
		quoted := i < len(s) && s[i] == '"'
		if quoted {
			i++
		}
		end := 0 // after the last byte that isn't a blank
		for ; ; i++ {
			if i == len(s) {
				if quoted {
					return nil, errArray
				}
				break
			}
			c := s[i]
			if quoted && c == '"' {
				i++
				break
			}
			if !quoted {
				if c == ',' {
					break
				}
				if c == '"' || c == '{' || c == '}' {
					return nil, errArray
				}
			}
			if c == '\\' {
				if i++; i == len(s) {
					return nil, errArray
				}
				b, end = append(b, s[i]), len(b)+1
				continue
			}
			b = append(b, c)
			if strings.IndexByte(" \t\n\r\v\f", c) < 0 {
				end = len(b)
			}
		}
		switch {
		case quoted:
			out = append(out, string(b))
		case end == 0:
			return nil, errArray
		case strings.EqualFold(string(b[:end]), "null"):
			out = append(out, nil)
		default:
			out = append(out, string(b[:end]))
		}
		if blanks(); i == len(s) {
			return out, nil
		}
		if s[i] != ',' {
			return nil, errArray
		}
		i++
	}
}
