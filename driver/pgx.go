package driver

import (
	"context"
	"database/sql/driver"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/asherah-sql/asherah-sql/dialect"
)

// pgx's database/sql driver takes arguments as they are and reads leading ones as options: an execution mode,
// result formats, a rewriter of the statement. They stand before $1, and so must be known, though nothing
// here may import pgx: a program can reach it through a tracing wrapper or a connector of its own. They are
// told by the names of their types and methods, which are part of pgx's public interface.

const pgxPath = "github.com/jackc/pgx/v5"

type argumentKind uint8

const (
	_ argumentKind = iota
	argValue
	argOption
	argRewriter
)

// argumentKinds caches the kind of each type seen: reflect.Type → argumentKind.
var argumentKinds sync.Map

func kindOfArgument(v any) argumentKind {
	switch v.(type) {
	case nil, string, []byte, int64, int, int32, bool, float64, time.Time, *rawArg:
		return argValue
	}
	t := reflect.TypeOf(v)
	if k, ok := argumentKinds.Load(t); ok {
		return k.(argumentKind)
	}
	k := argValue
	if m, ok := t.MethodByName("RewriteQuery"); ok {
		// func (ctx, *pgx.Conn, sql string, args []any) (string, []any, error), and the receiver
		if f := m.Type; f.NumIn() == 5 && f.NumOut() == 3 && f.In(3).Kind() == reflect.String && f.In(4) == reflect.TypeFor[[]any]() {
			k = argRewriter
		}
	} else if t.PkgPath() == pgxPath {
		switch t.Name() {
		case "QueryExecMode", "QueryResultFormats", "QueryResultFormatsByOID":
			k = argOption
		}
	}
	argumentKinds.Store(t, k)
	return k
}

// options returns the number of leading arguments that are no values.
func (c *conn) options(args []driver.NamedValue) int {
	if c.core.dialect != dialect.Postgres {
		return 0
	}
	for i := range args {
		if kindOfArgument(args[i].Value) == argValue {
			return i
		}
	}
	return len(args)
}

// rewritten lets a rewriter among the leading arguments (pgx.NamedArgs) rewrite the statement before it is
// planned: what it returns is what the server would see. Without one, query and args come back as they are.
func (c *conn) rewritten(ctx context.Context, query string, args []driver.NamedValue) (string, []driver.NamedValue, error) {
	if len(args) == 0 || c.core.dialect != dialect.Postgres || kindOfArgument(args[0].Value) == argValue || c.core.cfg.Schema.Empty() {
		return query, args, nil
	}
	for i := range args {
		switch kindOfArgument(args[i].Value) {
		case argValue:
			return query, args, nil
		case argRewriter:
		default:
			continue
		}
		rest := make([]any, 0, len(args)-i-1)
		for _, a := range args[i+1:] {
			rest = append(rest, a.Value)
		}
		text, values, err := callRewriter(ctx, args[i].Value, c.inner, query, rest)
		if err != nil {
			return "", nil, fmt.Errorf("rewrite query failed: %w", err) // pgx's words
		}
		out := make([]driver.NamedValue, 0, i+len(values))
		out = append(out, args[:i]...)
		for _, v := range values {
			if kindOfArgument(v) != argValue && len(out) == i {
				return "", nil, fmt.Errorf("rewrite query failed: a rewriter returned another option (%T) as its first argument", v)
			}
			out = append(out, driver.NamedValue{Ordinal: len(out) + 1, Value: v})
		}
		return text, out, nil
	}
	return query, args, nil
}

// callRewriter calls RewriteQuery with the *pgx.Conn of the wrapped connection, nil when it shows none.
func callRewriter(ctx context.Context, rewriter any, inner driver.Conn, query string, args []any) (string, []any, error) {
	m := reflect.ValueOf(rewriter).MethodByName("RewriteQuery")
	conn := reflect.Zero(m.Type().In(1))
	if f := reflect.ValueOf(inner).MethodByName("Conn"); f.IsValid() && f.Type().NumIn() == 0 && f.Type().NumOut() == 1 && f.Type().Out(0) == m.Type().In(1) {
		conn = f.Call(nil)[0]
	}
	out := m.Call([]reflect.Value{reflect.ValueOf(ctx), conn, reflect.ValueOf(query), reflect.ValueOf(args)})
	err, _ := out[2].Interface().(error)
	values, _ := out[1].Interface().([]any)
	return out[0].String(), values, err
}

// pooled tells whether a connector of pgx hands out the connections of a pgxpool: keys can't be made on
// one of those, which may be the pool's last.
func pooled(c driver.Connector) bool {
	v := reflect.ValueOf(c)
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || v.Type().PkgPath() != pgxPath+"/stdlib" {
		return false
	}
	f := v.FieldByName("pool")
	return f.IsValid() && f.Kind() == reflect.Pointer && !f.IsNil()
}
