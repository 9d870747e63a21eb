package driver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/asherah-sql/asherah-sql/envelope"
	"github.com/asherah-sql/asherah-sql/internal/sqlplan"
	"github.com/asherah-sql/asherah-sql/tags"
)

// outgoing is what is sent: never the arguments that the program gave, which come again when the wrapped
// driver answers ErrSkip.
type outgoing struct {
	query string
	args  []driver.NamedValue
	// rewritten: the text isn't the statement's own static one and must be prepared anew.
	rewritten bool
}

// sealing is one execution of one statement.
type sealing struct {
	c     *conn
	ctx   context.Context
	query string
	s     *statement
	args  []driver.NamedValue
	at    []int // parameter → argument
	skip  int   // leading arguments that are options of the wrapped driver
	force inForce
	scope *envelope.Scope

	found []any  // partition values looked up, by lookup; nil: no row matched
	asked []bool // by lookup

	byParam []sealedValue // what is sent, by parameter
	byValue []any         // by value; nil unless literals are sealed

	buffer []byte // a value's text, wiped at the end

	kept   *envelope.Scope   // of the execution before, to be used again; it holds no keys
	keptOf *envelope.Overlay // whose it is; nil: the factory's
}

// sealedValue is what is sent in a parameter's place, if set.
type sealedValue struct {
	value     any // nil for NULL
	partition string
	set       bool
}

// seal replaces what goes to encrypted columns. A key that had to be made is stored before it returns.
func (c *conn) seal(ctx context.Context, query string, s *statement, args []driver.NamedValue) (outgoing, error) {
	if s.passes() {
		return outgoing{query: query, args: args}, convertible(args)
	}
	p := s.plan
	skip := c.options(args)
	if s.sends(args, skip) {
		return outgoing{query: s.text, args: args}, convertible(args)
	}
	x := c.spare
	if c.spare = nil; x == nil {
		x = new(sealing)
	}
	x.c, x.ctx, x.query, x.s, x.args, x.skip, x.force = c, ctx, query, s, args, skip, c.core.inForce(ctx)
	defer x.end()
	if err := x.noNames(); err != nil {
		return outgoing{}, err
	}
	var err error
	if x.at, err = bind(x.at, p, args, skip, c.core.catalog.db.named); err != nil {
		return outgoing{}, err
	}
	err = x.values()
	if err == nil {
		err = x.complete()
	}
	if err != nil {
		return outgoing{}, fmt.Errorf("encrypt: %w", err)
	}
	if err := c.published(ctx); err != nil {
		return outgoing{}, err
	}
	out := outgoing{query: s.text}
	if out.args, err = x.arguments(); err != nil {
		return outgoing{}, err
	}
	if p.HasLiterals || x.spare() {
		out.rewritten = true
		out.query, err = splice(query, p, x.needs, func(v int) (string, error) {
			text, ok := x.byValue[v].(string)
			if !ok {
				return "NULL", nil
			}
			return c.core.catalog.db.quote(text), nil
		})
	}
	return out, err
}

// noNames refuses named arguments for values to be sealed where the database has no named parameters. Which
// value is sealed goes by the order of the arguments there, and a driver may take the names for something.
func (x *sealing) noNames() error {
	if x.c.core.catalog.db.named || len(x.s.plan.Values) == 0 {
		return nil
	}
	for i := range x.args {
		if x.args[i].Name != "" {
			col := x.s.plan.Values[0].Column
			return &RefusedError{
				Table: col.Table.String(), Column: col.Name, Ordinal: x.args[i].Ordinal - x.skip, Offset: x.s.plan.Statements[0].Offset,
				Rule: "this database has no named arguments", Remedy: "give the arguments by position",
			}
		}
	}
	return nil
}

// sends tells whether the arguments of a statement that stores nothing in encrypted columns are sent as they
// were given.
func (s *statement) sends(args []driver.NamedValue, skip int) bool {
	p := s.plan
	if len(p.Values) > 0 || len(p.Lookups) > 0 || p.Args != nil || p.HasLiterals || skip > 0 || len(args) != len(p.Params) {
		return false
	}
	for i := range args {
		if args[i].Name != "" || args[i].Ordinal != p.Params[i].Index {
			return false
		}
	}
	return true
}

// What an idle connection keeps of the memory of an execution, at most: bytes of a text's buffer, parameters.
const (
	maxKeptText   = 4 << 10
	maxKeptParams = 256
)

// end wipes what the execution has left of keys and plaintext.
func (x *sealing) end() {
	if x.scope != nil {
		x.scope.Reset()
	}
	clear(x.buffer[:cap(x.buffer)])
	if cap(x.buffer) > maxKeptText {
		x.buffer = nil
	}
	clear(x.byParam)
	if cap(x.byParam) > maxKeptParams {
		x.at, x.byParam = nil, nil
	}
	c := x.c
	*x = sealing{at: x.at[:0], byParam: x.byParam[:0], buffer: x.buffer[:0], kept: x.kept, keptOf: x.keptOf}
	c.spare = x
}

// values seals every value of the plan. A parameter that stands in several places goes to one column under
// one partition, so it is sealed once.
func (x *sealing) values() error {
	p := x.s.plan
	if len(p.Values) == 0 {
		return nil
	}
	x.byParam = slices.Grow(x.byParam, len(p.Params))[:len(p.Params)]
	if p.HasLiterals {
		x.byValue = make([]any, len(p.Values))
	}
	for i := range p.Values {
		v := &p.Values[i]
		var sealed any
		var partition string
		var err error
		switch {
		case v.Unused: // NULL is sent
		case v.Array:
			sealed, partition, err = x.arrayValue(v)
		default:
			sealed, partition, err = x.value(v)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", v.Column, err)
		}
		if x.byValue != nil {
			x.byValue[i] = sealed
		}
		if v.Source.Param == 0 {
			continue
		}
		to := &x.byParam[v.Source.Param-1]
		if to.set && to.partition != partition {
			return &RefusedError{
				Table: v.Column.Table.String(), Column: v.Column.Name, Ordinal: p.Params[v.Source.Param-1].Index,
				Offset: p.Params[v.Source.Param-1].Offsets[0],
				Rule:   "one placeholder for two partitions", Remedy: "give each row a placeholder of its own",
			}
		}
		*to = sealedValue{sealed, partition, true}
	}
	return nil
}

// value seals one value; nil for NULL, and for an UPDATE that matches no row.
func (x *sealing) value(v *sqlplan.Value) (sealed any, partition string, err error) {
	if err := x.noOutput(v.Column, v.Source); err != nil {
		return nil, "", err
	}
	text, null, err := v.Column.AppendText(x.buffer[:0], x.source(v.Source))
	if err != nil || null {
		return nil, "", err
	}
	x.text(text)
	partition, none, err := x.partition(v)
	if err != nil || none {
		return nil, "", err
	}
	rec, err := x.record(v, partition, text)
	if err != nil {
		return nil, "", err
	}
	// Nobody else has rec: its bytes become the string's.
	return unsafe.String(unsafe.SliceData(rec), len(rec)), partition, nil
}

// record seals a value's text under a partition.
func (x *sealing) record(v *sqlplan.Value, partition string, text []byte) ([]byte, error) {
	if x.scope == nil {
		if x.keptOf != x.c.overlay || x.kept == nil {
			x.kept, x.keptOf = x.c.scope(), x.c.overlay
		}
		x.scope = x.kept
		if len(x.s.plan.Values) == 1 && !v.Array {
			x.scope.Single()
		}
	}
	if x.c.core.formatOf(v.Column) != tags.FormatBound {
		return x.scope.AppendEncrypt(x.ctx, nil, partition, text)
	}
	if v.Column.Padded() {
		text = tags.Pad(text)
		x.text(text)
	}
	return x.scope.AppendSeal(x.ctx, nil, partition, text, bindingOf(v.Column))
}

// text takes the buffer that a value's text was appended to, which may be a new one.
func (x *sealing) text(text []byte) {
	if cap(text) > cap(x.buffer) {
		clear(x.buffer[:cap(x.buffer)])
	}
	x.buffer = text
}

// source returns the value of a placeholder or literal.
func (x *sealing) source(s sqlplan.Source) any {
	if s.Param == 0 {
		return s.Literal.Value
	}
	return plainValue(x.args[x.at[s.Param-1]].Value)
}

// noOutput refuses an output parameter where a value is sealed or sealed for: what the database would return in
// it is no value of the program's.
func (x *sealing) noOutput(col *tags.Column, s sqlplan.Source) error {
	if s.Param == 0 {
		return nil
	}
	if _, ok := plainValue(x.args[x.at[s.Param-1]].Value).(sql.Out); !ok {
		return nil
	}
	par := &x.s.plan.Params[s.Param-1]
	return &RefusedError{
		Table: col.Table.String(), Column: col.Name, Ordinal: par.Index, Offset: par.Offsets[0],
		Rule: "an output parameter where a value is encrypted", Remedy: "give the value itself, and read what is stored with a SELECT",
	}
}

// partition finds whose value v is. none: it belongs to no row at all (an UPDATE that matches nothing).
func (x *sealing) partition(v *sqlplan.Value) (id string, none bool, err error) {
	switch v.Partition.From {
	case sqlplan.InForce:
		id, err = x.force.require()
		return id, false, err
	case sqlplan.FromSources:
		if v.Partition.Compared {
			if err := x.comparesExactly(v); err != nil {
				return "", false, err
			}
		}
		for i, src := range v.Partition.Sources {
			if err := x.noOutput(v.Column.Partition, src); err != nil {
				return "", false, err
			}
			one, err := x.s.partitionText(v.Column, x.source(src))
			if err != nil {
				return "", false, err
			}
			if i > 0 && one != id {
				return "", false, &RefusedError{
					Table: v.Column.Table.String(), Column: v.Column.Name,
					Rule: "one value for rows of different partitions", Remedy: "insert one partition's rows at a time, or assign excluded." + v.Column.Name,
				}
			}
			id = one
		}
		if len(v.Partition.Sources) == 0 {
			return "", false, fmt.Errorf("%w: the statement doesn't give %s", ErrNoPartition, v.Column.Partition.Name)
		}
	case sqlplan.FromLookup:
		found, err := x.lookup(v.Partition.Lookup)
		if err != nil {
			return "", false, err
		}
		if found == nil {
			return "", true, nil
		}
		if id, err = x.s.partitionText(v.Column, found); err != nil {
			return "", false, err
		}
	default:
		return "", false, fmt.Errorf("plan: unknown partition source %v", v.Partition.From)
	}
	return id, false, x.force.allow(id)
}

func partitionText(col *tags.Column, v any) (string, error) {
	id, err := col.Partition.PartitionText(v)
	if errors.Is(err, tags.ErrEmpty) {
		return "", fmt.Errorf("%w: the row's %s is NULL or empty", ErrNoPartition, col.Partition.Name)
	}
	return id, err
}

// partitionText is partitionText for a statement that stores: what is sealed for is the text that the
// partition column will give back.
func (s *statement) partitionText(col *tags.Column, v any) (string, error) {
	id, err := partitionText(col, v)
	if err != nil || col.Partition == nil {
		return id, err
	}
	switch s.spelling[col.Partition] {
	case asUUID:
		canonical, ok := tags.CanonicalUUID(id)
		if !ok {
			return "", fmt.Errorf("the row's %s is no UUID, as its column's type wants it", col.Partition.Name)
		}
		return canonical, nil
	case noBlanks:
		if strings.HasSuffix(id, " ") {
			return "", fmt.Errorf("the row's %s ends with a blank, which its column of type CHAR doesn't keep: make it VARCHAR", col.Partition.Name)
		}
	case asGiven:
	}
	return id, nil
}

// lookup returns the partition column's value of the rows that an UPDATE will touch; nil when it touches
// none. The plan's text carries the found value as one more condition, so a row that another connection
// moves in between is left alone.
func (x *sealing) lookup(i int) (any, error) {
	p := x.s.plan
	if x.found == nil {
		x.found, x.asked = make([]any, len(p.Lookups)), make([]bool, len(p.Lookups))
	}
	if x.asked[i] {
		return x.found[i], nil
	}
	l := &p.Lookups[i]
	refused := func(rule string) error {
		return &RefusedError{
			Table: l.Table.String(), Column: l.Column.Name, Offset: p.Statements[0].Offset, Rule: rule,
			Remedy: fmt.Sprintf("add `%s = …` to the WHERE, or update one partition's rows at a time", l.Column.Name),
		}
	}
	var value any
	exact, err := false, error(nil)
	if l.Pinned != nil {
		exact, err = x.exact(l.Table, l.Column)
	}
	switch {
	case err != nil:
		return nil, err
	case l.Pinned != nil && exact && x.comparesText(l.Column, *l.Pinned):
		if value = x.source(*l.Pinned); value == nil {
			break // = NULL matches nothing
		}
		if text, ok := value.(string); ok && x.s.spelling[l.Column] == asUUID {
			if id, ok := tags.CanonicalUUID(text); ok {
				value = id // as the column spells it, which the condition compares
			}
		}
	case x.s.several:
		return nil, refused("the partition of the rows can't be told before other statements of the text have run")
	case l.Query == "":
		return nil, refused("the partition of the rows can't be told from this WHERE")
	default:
		args := make([]any, len(l.Args))
		for j, param := range l.Args {
			nv := x.args[x.at[param-1]]
			if r, ok := nv.Value.(*rawArg); ok {
				return nil, argError(nv, r.err)
			}
			args[j] = nv.Value
		}
		rows, err := x.c.raw().Query(x.ctx, l.Query+x.c.core.catalog.db.lockingRead, args...)
		if err != nil {
			return nil, fmt.Errorf("look up the rows' %s: %w", l.Column.Name, err)
		}
		switch {
		case len(rows) > 1:
			return nil, refused("the rows are of several partitions")
		case len(rows) == 1 && rows[0][0] == nil:
			return nil, fmt.Errorf("%w: the row's %s is NULL", ErrNoPartition, l.Column.Name)
		case len(rows) == 1:
			value = rows[0][0]
			if text, ok := value.(string); ok && l.Column.Kind == tags.KindUUID && len(text) == 16 {
				value = []byte(text)
			}
		}
	}
	x.found[i], x.asked[i] = value, true
	return value, nil
}

// exact tells whether the database compares a table's partition column byte for byte.
func (x *sealing) exact(t *tags.Table, p *tags.Column) (bool, error) {
	info, err := x.c.core.catalog.info(x.ctx, x.c.raw(), sqlplan.TableName{Schema: t.Schema, Name: t.Name})
	if err != nil || info == nil {
		return false, err
	}
	return x.c.core.catalog.db.exact(info, p), nil
}

// comparesExactly refuses a value whose row is found by comparing its partition column with what the statement brings
// along, where rows of a partition of another spelling would be found too.
func (x *sealing) comparesExactly(v *sqlplan.Value) error {
	p := v.Column.Partition
	exact, err := x.exact(v.Column.Table, p)
	if err != nil {
		return err
	}
	for _, src := range v.Partition.Sources {
		exact = exact && (v.Partition.Array || x.comparesText(p, src))
	}
	if exact {
		return nil
	}
	return &RefusedError{
		Table: v.Column.Table.String(), Column: v.Column.Name, Offset: x.s.plan.Statements[0].Offset,
		Rule:   "rows found by a comparison of " + p.Name + " that takes different partitions for equal",
		Remedy: fmt.Sprintf("set %s too, or give it a collation that compares bytes", p.Name),
	}
}

// comparesText: where a number compared with a text column is compared as a number, the rows found may spell
// their partition in other ways.
func (x *sealing) comparesText(p *tags.Column, src sqlplan.Source) bool {
	if !x.c.core.catalog.db.loose || p.Kind != tags.KindString {
		return true
	}
	switch x.source(src).(type) {
	case nil, string, []byte:
		return true
	}
	return false
}

// needs tells whether a value was sealed under the partition that lookup i found. An UPDATE that stores
// only NULLs needs none: it may touch rows of several partitions.
func (x *sealing) needs(i int) bool { return x.asked != nil && x.asked[i] }

// complete asks the lookups that no value needed, if another one was needed: placeholders that are numbered
// can't be left out one by one.
func (x *sealing) complete() error {
	if x.asked == nil {
		return nil
	}
	for i := range x.asked {
		if _, err := x.lookup(i); err != nil {
			return err
		}
	}
	return nil
}

// spare tells whether the plan has a lookup that this execution doesn't need.
func (x *sealing) spare() bool {
	for i := range x.s.plan.Lookups {
		if !x.needs(i) {
			return true
		}
	}
	return false
}

// arguments returns the arguments of the text that is sent. Those that the program gave are never changed in
// place.
func (x *sealing) arguments() ([]driver.NamedValue, error) {
	p := x.s.plan
	if p.Args == nil {
		out := make([]driver.NamedValue, len(x.args))
		copy(out, x.args)
		for i := range x.byParam {
			if x.byParam[i].set {
				out[x.at[i]].Value = x.byParam[i].value
			}
		}
		for i := range out {
			if r, ok := out[i].Value.(*rawArg); ok {
				return nil, argError(out[i], r.err)
			}
		}
		return out, nil
	}
	out := make([]driver.NamedValue, 0, x.skip+len(p.Args))
	out = append(out, x.args[:x.skip]...)
	for _, a := range p.Args {
		if a.Lookup > 0 && !x.needs(a.Lookup-1) {
			continue
		}
		nv := driver.NamedValue{Ordinal: len(out) + 1, Name: a.Name}
		switch {
		case a.Param > 0:
			given := x.args[x.at[a.Param-1]]
			nv.Name, nv.Value = given.Name, given.Value
			if len(x.byParam) > 0 && x.byParam[a.Param-1].set {
				nv.Value = x.byParam[a.Param-1].value
			} else if r, ok := given.Value.(*rawArg); ok {
				return nil, argError(given, r.err)
			}
		case a.Lookup > 0:
			nv.Value = x.found[a.Lookup-1]
		}
		out = append(out, nv)
	}
	return out, nil
}

// scope is one statement's or result set's use of the keys.
func (c *conn) scope() *envelope.Scope {
	if c.overlay != nil {
		return c.overlay.Scope()
	}
	return c.state.factory.Scope()
}

func (c *core) formatOf(col *tags.Column) tags.Format {
	if col.Format == tags.FormatDefault {
		return c.cfg.Format
	}
	return col.Format
}

func bindingOf(col *tags.Column) envelope.Binding {
	return envelope.Binding{Context: col.Context, Encoding: envelope.EncodingText}
}
