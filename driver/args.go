package driver

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
)

// rawArg is an argument that the wrapped driver can't take as it is ([16]byte, a uint64 with the high bit
// set). If it goes to an encrypted column, the column's own conversion takes it; else err is returned, in
// database/sql's words, as the wrapped driver would have had it returned.
//
// database/sql converts no argument after one that can't be, so those after it are kept as they were given,
// and converted if the statement turns out to be one for which the wrapper takes such arguments.
type rawArg struct {
	value   any
	err     error
	untried bool // not converted: an argument before it couldn't be
}

// convertible returns the error of the first argument that the wrapped driver can't take.
func convertible(args []driver.NamedValue) error {
	for i := range args {
		if r, ok := args[i].Value.(*rawArg); ok {
			return argError(args[i], r.err)
		}
	}
	return nil
}

// argError is database/sql's text for an argument that can't be converted.
func argError(nv driver.NamedValue, err error) error {
	name := "$" + strconv.Itoa(nv.Ordinal)
	if nv.Name != "" {
		name = fmt.Sprintf("with name %q", nv.Name)
	}
	return fmt.Errorf("sql: converting argument %s type: %w", name, err)
}

// plainValue is an argument's value, whether or not the wrapped driver could take it.
func plainValue(v any) any {
	if r, ok := v.(*rawArg); ok {
		return r.value
	}
	return v
}

// CheckNamedValue converts an argument once, as the wrapped driver's connection would. database/sql calls
// it before the statement is known.
func (c *conn) CheckNamedValue(nv *driver.NamedValue) error {
	if nv.Ordinal == 1 {
		c.unconverted = false
	}
	if c.unconverted {
		nv.Value = &rawArg{value: nv.Value, untried: true}
		return nil
	}
	check, _ := c.inner.(driver.NamedValueChecker)
	err := c.convert(nv, check, nil, 0)
	_, c.unconverted = nv.Value.(*rawArg)
	return err
}

// tried converts the arguments that were left. It is for statements that concern encrypted columns.
func (c *conn) tried(args []driver.NamedValue) ([]driver.NamedValue, error) {
	i := slices.IndexFunc(args, func(nv driver.NamedValue) bool {
		r, ok := nv.Value.(*rawArg)
		return ok && r.untried
	})
	if i < 0 {
		return args, nil
	}
	check, _ := c.inner.(driver.NamedValueChecker)
	out := slices.Clone(args[:i])
	for _, nv := range args[i:] {
		nv.Ordinal = len(out) + 1
		if r, ok := nv.Value.(*rawArg); ok && r.untried {
			nv.Value = r.value
			if err := c.convert(&nv, check, nil, 0); err == driver.ErrRemoveArgument {
				continue
			} else if err != nil {
				return nil, argError(nv, err)
			}
		}
		out = append(out, nv)
	}
	return out, nil
}

// convert is database/sql's conversion of one argument: the checker, on ErrSkip the column converter, on
// ErrSkip the default. Conversion errors are kept beside the value, see rawArg.
func (c *conn) convert(nv *driver.NamedValue, check driver.NamedValueChecker, cc columnConverter, want int) error {
	given := nv.Value
	err := driver.ErrSkip
	if check != nil {
		err = check.CheckNamedValue(nv)
	}
	if err == driver.ErrSkip && cc != nil {
		err = convertColumn(nv, cc, want)
	}
	if err == driver.ErrSkip {
		nv.Value, err = driver.DefaultParameterConverter.ConvertValue(nv.Value)
	}
	if err == nil || err == driver.ErrRemoveArgument {
		return err
	}
	if c.core.cfg.Schema.Empty() {
		return err // there is no encrypted column that it could be for
	}
	nv.Value = &rawArg{value: given, err: err}
	return nil
}

// convertColumn is what database/sql does with a statement's ColumnConverter.
func convertColumn(nv *driver.NamedValue, cc columnConverter, want int) error {
	index := nv.Ordinal - 1
	if want >= 0 && want <= index {
		return nil
	}
	if vr, ok := nv.Value.(driver.Valuer); ok {
		v, err := callValuer(vr)
		if err != nil {
			return err
		}
		if !driver.IsValue(v) {
			return fmt.Errorf("non-subset type %T returned from Value", v)
		}
		nv.Value = v
	}
	arg := nv.Value
	var err error
	nv.Value, err = cc.ColumnConverter(index).ConvertValue(arg)
	if err != nil {
		return err // with ErrSkip, what the default converts is what the converter returned
	}
	if !driver.IsValue(nv.Value) {
		return fmt.Errorf("driver ColumnConverter error converted %T to unsupported type %T", arg, nv.Value)
	}
	return nil
}

var valuerType = reflect.TypeFor[driver.Valuer]()

// callValuer takes a nil pointer to a type whose own method has no pointer receiver for NULL.
func callValuer(v driver.Valuer) (driver.Value, error) {
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Pointer && rv.IsNil() && rv.Type().Elem().Implements(valuerType) {
		return nil, nil
	}
	return v.Value()
}

var errNamedTwice = errors.New("two arguments of one name")

// bind finds the argument of each of the plan's parameters: by name where the statement names parameters
// and the program names arguments, else by ordinal. The first skip arguments are options of the driver.
func bind(at []int, p *sqlplan.Plan, args []driver.NamedValue, skip int, named bool) ([]int, error) {
	byName := false
	for i := range args {
		byName = byName || named && args[i].Name != ""
	}
	at = slices.Grow(at[:0], len(p.Params))[:len(p.Params)]
	if !byName {
		if len(args)-skip != len(p.Params) {
			return nil, fmt.Errorf("sql: expected %d arguments, got %d", len(p.Params), len(args)-skip)
		}
		for i, par := range p.Params {
			n := par.Index + skip
			if par.Index < 1 || n > len(args) || args[n-1].Ordinal != n {
				return nil, fmt.Errorf("sql: no argument for parameter %d", par.Index)
			}
			at[i] = n - 1
		}
		return at, nil
	}
	for i := range args {
		for j := range i {
			if args[j].Name == args[i].Name {
				return nil, fmt.Errorf("argument %q: %w", args[i].Name, errNamedTwice)
			}
		}
	}
	for i, par := range p.Params {
		at[i] = -1
		for j := range args {
			if par.Name != "" && args[j].Name == par.Name {
				at[i] = j
			}
		}
		if at[i] < 0 {
			if par.Name == "" {
				return nil, fmt.Errorf("sql: parameter %d has no name, but arguments do: use one style in a statement with encrypted columns", par.Index)
			}
			return nil, fmt.Errorf("sql: no argument named %q", par.Name)
		}
	}
	if len(args) != len(p.Params) {
		return nil, fmt.Errorf("sql: expected %d arguments, got %d", len(p.Params), len(args))
	}
	return at, nil
}
