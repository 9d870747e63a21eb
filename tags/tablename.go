package tags

import (
	"fmt"
	"reflect"
	"strings"
)

// remedyTableName ends the errors about a model's table name.
const remedyTableName = "use RegisterTable, a TableName() string method or a blank field's tag table:\"name\""

// tableName finds the table that a struct type stands for, as the program's ORM would.
func tableName(t reflect.Type) (schema, name string, err error) {
	return tableNameAt(t, 0)
}

func tableNameAt(t reflect.Type, level int) (schema, name string, err error) {
	zero := reflect.New(t)
	if m, ok := zero.Interface().(interface{ TableName() string }); ok {
		full, err := callTableName(m)
		if err != nil {
			return "", "", err
		}
		return splitTableName(full)
	}
	full, err := tableTag(t)
	switch {
	case err != nil:
		return "", "", err
	case full != "":
		return splitTableName(full)
	}
	if _, ok := zero.Type().MethodByName("TableName"); ok {
		return "", "", fmt.Errorf("its TableName method has another form than TableName() string: %s", remedyTableName)
	}
	if base := extended(t); base != nil && level < maxIndirections {
		return tableNameAt(base, level+1)
	}
	switch name = t.Name(); {
	case name == "":
		return "", "", fmt.Errorf("the type has no name to take the table's from: %s", remedyTableName)
	case strings.IndexByte(name, '[') >= 0:
		return "", "", fmt.Errorf("no table name follows from the name of a generic type: %s", remedyTableName)
	}
	for i := range len(name) {
		// ORMs disagree beyond ASCII, and a name that differs from the statements' would encrypt nothing.
		if name[i] >= 0x80 {
			return "", "", fmt.Errorf("no table name follows from a type name beyond ASCII: %s", remedyTableName)
		}
	}
	return "", plural(snake(name)), nil
}

func callTableName(m interface{ TableName() string }) (name string, err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("its TableName method panics on a zero value: %s", remedyTableName)
		}
	}()
	return m.TableName(), nil
}

// namesTable reports whether a field is there for its tag alone: blank, or bun.BaseModel, which is
// recognised by its shape so that bun needn't be imported.
func namesTable(f reflect.StructField) bool {
	if f.Name == "_" {
		return true
	}
	return f.Anonymous && f.Name == "BaseModel" && f.Type.Kind() == reflect.Struct && f.Type.NumField() == 0
}

// tableTag returns the table's name that a blank field or bun.BaseModel gives, or "".
func tableTag(t reflect.Type) (string, error) {
	found := ""
	for i := range t.NumField() {
		f := t.Field(i)
		if !namesTable(f) {
			continue
		}
		bunName, options := bunOptions(f.Tag.Get("bun"))
		if option, ok := options["table"]; ok {
			bunName = option
		}
		for _, name := range []string{f.Tag.Get("table"), bunName} {
			switch {
			case name == "" || name == "-" || name == found:
			case found == "":
				found = name
			default:
				return "", fmt.Errorf("its tags name the tables %q and %q: remove one", found, name)
			}
		}
	}
	return found, nil
}

// extended returns the embedded struct whose table t takes over by bun's option extend, or nil.
func extended(t reflect.Type) reflect.Type {
	for i := range t.NumField() {
		f := t.Field(i)
		base := f.Type
		if base.Kind() == reflect.Pointer {
			base = base.Elem()
		}
		if !f.Anonymous || base.Kind() != reflect.Struct {
			continue
		}
		_, options := bunOptions(f.Tag.Get("bun"))
		_, extend := options["extend"]
		_, inherit := options["inherit"]
		if extend || inherit {
			return base
		}
	}
	return nil
}

// splitTableName splits "name" or "schema.name".
func splitTableName(full string) (schema, name string, err error) {
	name = full
	if before, after, ok := strings.Cut(full, "."); ok {
		schema, name = before, after
		if schema == "" {
			return "", "", fmt.Errorf("the table name %q has an empty schema: write name or schema.name", full)
		}
	}
	switch {
	case name == "":
		return "", "", fmt.Errorf("the table name %q is empty: write name or schema.name", full)
	case strings.IndexByte(name, '.') >= 0:
		return "", "", fmt.Errorf("the table name %q has more than two parts: write name or schema.name", full)
	}
	for _, part := range []string{schema, name} {
		switch {
		case strings.ContainsAny(part, "\"`[]'\x00"):
			return "", "", fmt.Errorf("the table name %q holds quotes or NUL: write it bare, as name or schema.name", full)
		case strings.TrimSpace(part) != part:
			return "", "", fmt.Errorf("the table name %q has white space at an end: write name or schema.name", full)
		case len(part) > maxNameLen:
			return "", "", fmt.Errorf("the table name has a part of %d bytes: want at most %d", len(part), maxNameLen)
		}
	}
	return schema, name, nil
}
