// Program sqlite reads statements with SQLite's grammar as github.com/sqlc-dev/meyer (MIT; its test data is
// SQLite's own, in the public domain) has it.
package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/asherah-sql/asherah-sql/internal/sqlplan/oracle"

	"github.com/sqlc-dev/meyer/ast"
	"github.com/sqlc-dev/meyer/parser"
)

func main() {
	oracle.Serve(&oracle.Rules{
		AnyOrder: true, OnSeesAll: true, LateAliases: true, ByTableName: true, Excluded: "excluded", FromSeesWrite: true,
		RowIDs: []string{"rowid", "oid", "_rowid_"},
	}, read)
}

func read(text, _ string) ([]*oracle.Stmt, error) {
	list, err := parser.Options{UpdateDeleteLimit: true}.ParseString(text)
	if err != nil {
		return nil, err
	}
	var stmts []*oracle.Stmt
	for _, s := range list {
		stmts = append(stmts, stmt(s))
	}
	return stmts, nil
}

// fold is how SQLite compares names.
func fold(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func name(n *ast.Ident) string {
	if n == nil {
		return ""
	}
	return fold(n.Name)
}

func names(list []*ast.Ident) []string {
	var out []string
	for _, n := range list {
		out = append(out, name(n))
	}
	return out
}

func columns(list []*ast.Ident) []oracle.Column {
	var out []oracle.Column
	for _, n := range list {
		out = append(out, oracle.Column{Name: name(n)})
	}
	return out
}

func base(q *ast.QualifiedName, alias *ast.Ident) *oracle.Source {
	return &oracle.Source{Kind: oracle.Base, Schema: name(q.Schema), Name: name(q.Name), Alias: name(alias)}
}

func stmt(s ast.Stmt) *oracle.Stmt {
	switch x := s.(type) {
	case *ast.ExplainStmt:
		in := stmt(x.Stmt)
		in.Explain = true
		return in
	case *ast.SelectStmt:
		return &oracle.Stmt{Kind: "select", Query: query(x), Returns: true}
	case *ast.InsertStmt:
		in := &oracle.Stmt{Kind: "insert", With: with(x.With), Target: base(x.Table, x.Alias), Columns: columns(x.Columns), AllCols: len(x.Columns) == 0}
		if x.Select != nil {
			in.Query = query(x.Select)
		}
		for _, u := range x.Upserts {
			in.Upserts = append(in.Upserts, &oracle.Upsert{Target: append(terms(u.Target), some(u.TargetWhere)...), Set: assigns(u.Set), Where: some(u.Where)})
		}
		returning(in, x.Returning)
		return in
	case *ast.UpdateStmt:
		up := &oracle.Stmt{Kind: "update", With: with(x.With), Target: base(x.Table, x.Alias), Set: assigns(x.Set), From: from(x.From),
			Exprs: some(x.Where), Order: terms(x.OrderBy), Outer: limit(x.Limit)}
		returning(up, x.Returning)
		return up
	case *ast.DeleteStmt:
		del := &oracle.Stmt{Kind: "delete", With: with(x.With), Target: base(x.Table, x.Alias), Exprs: some(x.Where),
			Order: terms(x.OrderBy), Outer: limit(x.Limit)}
		returning(del, x.Returning)
		return del
	case *ast.CreateTableStmt:
		if x.Select != nil {
			return &oracle.Stmt{Kind: "moves", Query: query(x.Select), Touched: []*oracle.Source{base(x.Name, nil)}}
		}
		c := &oracle.Stmt{Kind: "other", Target: base(x.Name, nil)}
		for _, d := range x.Columns {
			c.Defaults = append(c.Defaults, defaults(d)...)
		}
		return c
	case *ast.AlterTableStmt:
		a := &oracle.Stmt{Kind: "other", Target: base(x.Table, nil)}
		if x.ColumnDef != nil {
			a.Defaults = defaults(x.ColumnDef)
		}
		return a
	case *ast.CreateViewStmt:
		return &oracle.Stmt{Kind: "view", Query: query(x.Select)}
	}
	out := &oracle.Stmt{Kind: "other"}
	ast.Walk(s, func(n ast.Node) bool {
		if t, ok := n.(*ast.TableRef); ok && t.Name != nil {
			out.Touched = append(out.Touched, base(t.Name, nil))
		}
		return true
	})
	return out
}

func defaults(d *ast.ColumnDef) []oracle.Default {
	var list []oracle.Default
	for _, c := range d.Constraints {
		if (c.Kind == ast.ColumnDefault || c.Kind == ast.ColumnGenerated) && c.Expr != nil {
			list = append(list, oracle.Default{Column: name(d.Name), Value: expr(c.Expr)})
		}
	}
	return list
}

func returning(s *oracle.Stmt, list []*ast.ResultColumn) {
	if len(list) > 0 {
		s.Returning, s.Returns = items(list), true
	}
}

func with(c *ast.With) *oracle.With {
	if c == nil {
		return nil
	}
	w := &oracle.With{Recursive: c.Recursive}
	for _, e := range c.CTEs {
		w.CTEs = append(w.CTEs, &oracle.CTE{Name: name(e.Name), Columns: names(e.Columns), Query: query(e.Select)})
	}
	return w
}

// query makes the set operations of a query, which lean to the left; ORDER BY and LIMIT of the last term are
// those of the whole.
func query(s *ast.SelectStmt) *oracle.Query {
	cores := make([]*oracle.Query, len(s.Cores))
	for i, c := range s.Cores {
		switch x := c.(type) {
		case *ast.ValuesClause:
			cores[i] = &oracle.Query{}
			for _, row := range x.Rows {
				cores[i].Values = append(cores[i].Values, some(row...))
			}
		case *ast.SelectQuery:
			cores[i] = &oracle.Query{Distinct: x.Distinct == ast.DistinctDistinct, Items: items(x.Columns), From: from(x.From),
				Exprs: some(x.Where), Group: some(x.GroupBy...), Having: some(x.Having), Order: terms(x.OrderBy), Limit: limit(x.Limit)}
			for _, w := range x.Windows {
				cores[i].Exprs = append(cores[i].Exprs, window(w)...)
			}
		}
	}
	q := cores[0]
	for i, op := range s.Ops {
		right := cores[i+1]
		q = &oracle.Query{Left: q, Right: right, Op: strings.ToLower(op.Op), All: op.All}
		if i == len(s.Ops)-1 {
			q.Order, q.Limit = right.Order, right.Limit
			right.Order, right.Limit = nil, nil
		}
	}
	q.With = with(s.With)
	return q
}

func items(list []*ast.ResultColumn) []oracle.Item {
	out := []oracle.Item{}
	for _, c := range list {
		it := oracle.Item{Expr: expr(c.Expr), Alias: name(c.Alias)}
		if c.Alias != nil && it.Alias == "" {
			it.Alias = "\x00" // no name that can be written finds it
		}
		if it.Expr.Kind == oracle.Name {
			it.Name = it.Expr.Parts[len(it.Expr.Parts)-1]
		}
		out = append(out, it)
	}
	return out
}

func from(list []*ast.TableRef) []*oracle.Source {
	var s *oracle.Source
	for i, t := range list {
		r := source(t)
		if i == 0 {
			s = r
			s.Broken = t.On != nil || t.Using != nil
			continue
		}
		s = &oracle.Source{Kind: oracle.Join, Left: s, Right: r, Using: names(t.Using)}
		if t.Join != nil {
			s.Natural = t.Join.Type&ast.JoinNatural != 0
		}
		if t.On != nil {
			s.On = expr(t.On)
		}
	}
	if s == nil {
		return nil
	}
	return []*oracle.Source{s}
}

func source(t *ast.TableRef) *oracle.Source {
	switch {
	case t.Select != nil:
		return &oracle.Source{Kind: oracle.Derived, Query: query(t.Select), Alias: name(t.Alias)}
	case t.List != nil:
		return &oracle.Source{Kind: oracle.Group, Left: from(t.List)[0], Alias: name(t.Alias)}
	case t.HasArgs:
		return &oracle.Source{Kind: oracle.Function, Name: name(t.Name.Name), Alias: name(t.Alias), Exprs: some(t.Args...)}
	}
	return base(t.Name, t.Alias)
}

func assigns(list []*ast.SetPair) []oracle.Assign {
	var out []oracle.Assign
	for _, p := range list {
		out = append(out, oracle.Assign{Columns: columns(p.Columns), Value: expr(p.Value)})
	}
	return out
}

func terms(list []*ast.OrderingTerm) []*oracle.Expr {
	var out []*oracle.Expr
	for _, t := range list {
		// A sort looks through parentheses and collations when it matches an output.
		e := t.Expr
		for {
			if p, ok := e.(*ast.ParenExpr); ok {
				e = p.X
			} else if c, ok := e.(*ast.CollateExpr); ok {
				e = c.X
			} else {
				break
			}
		}
		out = append(out, expr(e))
	}
	return out
}

func limit(l *ast.Limit) []*oracle.Expr {
	if l == nil {
		return nil
	}
	return some(l.Count, l.Offset)
}

func window(w *ast.WindowDef) []*oracle.Expr {
	if w == nil {
		return nil
	}
	list := slices.Concat(some(w.Partition...), terms(w.OrderBy))
	for _, b := range []*ast.FrameBound{w.StartBound, w.EndBound} {
		if b != nil {
			list = append(list, some(b.Expr)...)
		}
	}
	return list
}

func some(list ...ast.Expr) []*oracle.Expr {
	var out []*oracle.Expr
	for _, e := range list {
		if e != nil {
			out = append(out, expr(e))
		}
	}
	return out
}

// keeps are the types to which a cast changes no character.
var keeps = map[string]bool{"text": true, "blob": true, "varchar": true, "char": true, "clob": true, "character": true, "nvarchar": true, "nchar": true}

func expr(e ast.Expr) *oracle.Expr {
	other := func(list ...ast.Expr) *oracle.Expr { return &oracle.Expr{Kids: some(list...)} }
	switch x := e.(type) {
	case *ast.Literal:
		switch x.Kind {
		case ast.LitNull:
			return &oracle.Expr{Kind: oracle.Null}
		case ast.LitCurrentDate, ast.LitCurrentTime, ast.LitCurrentTimestamp:
			return &oracle.Expr{}
		}
		c := &oracle.Expr{Kind: oracle.Const, Offset: x.Pos(), Int: -1}
		if n, err := strconv.Atoi(x.Value); err == nil && x.Kind == ast.LitInteger {
			c.Int = n
		}
		return c
	case *ast.BindParam:
		return &oracle.Expr{Kind: oracle.Param, Offset: x.Pos()}
	case *ast.Ident:
		n := name(x)
		return &oracle.Expr{Kind: oracle.Name, Parts: []string{n}, Offset: x.Pos(),
			Loose: x.Quote == ast.QuoteDouble || x.Quote == ast.QuoteNone && (n == "true" || n == "false")}
	case *ast.QualifiedRef:
		return &oracle.Expr{Kind: oracle.Name, Parts: names(x.Parts)}
	case *ast.Star:
		s := &oracle.Expr{Kind: oracle.Star}
		if x.Table != nil {
			s.Parts = []string{name(x.Table)}
		}
		return s
	case *ast.ParenExpr:
		return expr(x.X)
	case *ast.UnaryExpr:
		in := x.X
		for {
			p, ok := in.(*ast.ParenExpr)
			if !ok {
				break
			}
			in = p.X
		}
		if l, ok := in.(*ast.Literal); ok && (x.Op == ast.OpMinus || x.Op == ast.OpPlus) && (l.Kind == ast.LitInteger || l.Kind == ast.LitFloat) {
			return &oracle.Expr{Kind: oracle.Const, Offset: l.Pos(), Int: -1}
		} else if ok && l.Kind == ast.LitNull {
			return &oracle.Expr{Kind: oracle.Null}
		}
		return other(x.X)
	case *ast.CastExpr:
		c := other(x.X)
		c.Kind = oracle.Cast
		if x.Type != nil && keeps[fold(x.Type.Name)] && len(x.Type.Args) == 0 {
			// A value that is stored stays what it is, one that is read may have been a number: only the first counts.
			if k := c.Kids[0].Kind; k != oracle.Name && k != oracle.Scalar {
				c.Kind = oracle.TextCast
			}
		}
		return c
	case *ast.IsExpr:
		// IS NULL is IS with NULL beside it.
		if l, ok := x.Y.(*ast.Literal); ok && l.Kind == ast.LitNull && !x.Distinct {
			return &oracle.Expr{Kind: oracle.IsNull, Kids: some(x.X)}
		}
		return other(x.X, x.Y)
	case *ast.NullCheckExpr:
		return &oracle.Expr{Kind: oracle.IsNull, Kids: some(x.X)}
	case *ast.SubqueryExpr:
		return &oracle.Expr{Kind: oracle.Scalar, Subs: []*oracle.Query{query(x.Select)}}
	case *ast.ExistsExpr:
		return &oracle.Expr{Kind: oracle.Exists, Subs: []*oracle.Query{query(x.Select)}}
	case *ast.VectorExpr:
		return &oracle.Expr{Kind: oracle.Row, Kids: some(x.List...)}
	case *ast.InExpr:
		in := other(append([]ast.Expr{x.X}, append(slices.Clone(x.List), x.Args...)...)...)
		if x.Select != nil {
			in.Subs = []*oracle.Query{query(x.Select)}
		}
		if x.Table != nil {
			s := base(x.Table, nil)
			if x.HasArgs {
				s.Kind = oracle.Function
			}
			in.Subs = append(in.Subs, &oracle.Query{Items: []oracle.Item{{Expr: &oracle.Expr{Kind: oracle.Star}}}, From: []*oracle.Source{s}})
		}
		return in
	case *ast.FuncCall:
		args := some(x.Args...)
		rest := slices.Concat(terms(x.OrderBy), some(x.Filter), window(x.Over))
		if name(x.Name) == "count" && len(args) == 1 && !x.Distinct {
			args = []*oracle.Expr{{Kind: oracle.Count, Kids: args}}
		}
		return &oracle.Expr{Kids: append(args, rest...)}
	}
	// All parts of whatever it is.
	o := &oracle.Expr{}
	if e == nil {
		return o
	}
	children(e, o)
	return o
}

func children(n ast.Node, o *oracle.Expr) {
	for _, c := range n.Children() {
		switch x := c.(type) {
		case *ast.SelectStmt:
			o.Subs = append(o.Subs, query(x))
		case *ast.TypeName:
		case ast.Expr:
			if l, ok := n.(*ast.LikeExpr); ok && x == ast.Expr(l.Op) {
				continue
			}
			if l, ok := n.(*ast.CollateExpr); ok && x == ast.Expr(l.Name) {
				continue
			}
			o.Kids = append(o.Kids, expr(x))
		default:
			children(c, o)
		}
	}
}
