package tags

import (
	"errors"
	"fmt"
	"reflect"
)

// newTable builds the table of a model. full is its name if the caller gives one, else "". The error
// joins everything that is wrong with the model.
func newTable(model any, full string) (*Table, error) {
	t := reflect.TypeOf(model)
	if t == nil {
		return nil, errors.New("register: nil: no model: want a struct or a pointer to one")
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("register: %s: not a model: want a struct or a pointer to one", t)
	}
	w := &walker{model: modelName(t)}
	var schema, name string
	var err error
	if full != "" {
		schema, name, err = splitTableName(full)
	} else {
		schema, name, err = tableName(t)
	}
	if err != nil {
		w.fail("", "%w", err)
	}
	w.walk(t, "", "", false, []reflect.Type{t})
	w.check()

	table := &Table{Schema: schema, Name: name, Model: t, Columns: make([]*Column, 0, len(w.fields))}
	encrypted := 0
	for _, f := range w.fields {
		f.column.Table = table
		table.Columns = append(table.Columns, &f.column)
		if !f.encrypted {
			continue
		}
		encrypted++
		if p := w.resolve(f); p != nil {
			f.column.Partition = &p.column
		}
		f.column.Context = f.spec.context
		if f.column.Context == "" {
			f.column.Context = name + "." + f.column.Name
		}
	}
	if encrypted == 0 && len(w.errs) == 0 {
		w.fail("", "no field has an encrypt tag: tag the fields that must be secret, or don't register the model")
	}
	if len(w.errs) > 0 {
		return nil, errors.Join(w.errs...)
	}
	return table, nil
}

// modelName names a struct type in messages and in [Column.Field].
func modelName(t reflect.Type) string {
	if name := t.Name(); name != "" {
		return name
	}
	return "struct"
}

// disagreement says how the encrypted columns of two registrations of one table differ, or "".
func disagreement(a, b *Table) string {
	for _, c := range a.Columns {
		d := b.Column(c.Name)
		switch {
		case !c.Encrypted && (d == nil || !d.Encrypted):
			continue
		case d == nil || c.Encrypted != d.Encrypted:
			return "column " + c.Name + " is encrypted in one of them only"
		case c.Context != d.Context:
			return fmt.Sprintf("column %s has the context names %q and %q", c.Name, c.Context, d.Context)
		case c.Format != d.Format:
			return fmt.Sprintf("column %s has the formats %s and %s", c.Name, c.Format, d.Format)
		case c.Kind != d.Kind || c.Bits != d.Bits:
			return fmt.Sprintf("column %s has the types %s and %s", c.Name, c.typeText(), d.typeText())
		case (c.Partition == nil) != (d.Partition == nil):
			return "column " + c.Name + " takes its partition from a column in one of them only"
		case c.Partition == nil:
			continue
		case !equalFold(c.Partition.Name, d.Partition.Name):
			return fmt.Sprintf("column %s takes its partition from %s and from %s", c.Name, c.Partition.Name, d.Partition.Name)
		case c.Partition.Kind != d.Partition.Kind:
			return fmt.Sprintf("partition column %s has the types %s and %s", c.Partition.Name, c.Partition.typeText(),
				d.Partition.typeText())
		}
	}
	for _, d := range b.Columns {
		if d.Encrypted && a.Column(d.Name) == nil {
			return "column " + d.Name + " is encrypted in one of them only"
		}
	}
	return ""
}

// typeText names a column's type for messages, for example "int32".
func (c *Column) typeText() string {
	if c.Bits == 0 {
		return c.Kind.String()
	}
	return fmt.Sprintf("%s%d", c.Kind, c.Bits)
}
