// Program mysql reads statements with MySQL's grammar as github.com/sqlc-dev/marino (Apache 2.0, from TiDB's
// parser) has it.
package main

import (
	"strings"

	"github.com/asherah-sql/asherah-sql/internal/sqlplan/oracle"

	"github.com/sqlc-dev/marino/ast"
	"github.com/sqlc-dev/marino/opcode"
	"github.com/sqlc-dev/marino/parser"
)

func main() {
	oracle.Serve(&oracle.Rules{
		NamesOnce: true, CTESeesAround: true, MergedFirst: true, HavingAliases: true, Excluded: "\x00values",
	}, read)
}

func read(text, mode string) ([]*oracle.Stmt, error) {
	p := parser.New()
	p.SetMariaDB(mode == "mariadb")
	list, _, err := p.Parse(text, "", "")
	if err != nil {
		return nil, err
	}
	var stmts []*oracle.Stmt
	for _, s := range list {
		stmts = append(stmts, stmt(s))
	}
	return stmts, nil
}

func base(n *ast.TableName) *oracle.Source {
	return &oracle.Source{Kind: oracle.Base, Schema: n.Schema.L, Name: n.Name.L}
}

// tables returns every table that stands below a node.
func tables(n ast.Node) []*oracle.Source {
	var list []*oracle.Source
	n.Accept(visitor(func(x ast.Node) bool {
		if t, ok := x.(*ast.TableName); ok {
			list = append(list, base(t))
		}
		return true
	}))
	return list
}

// visitor calls a function for each node, which says whether to go deeper.
type visitor func(n ast.Node) bool

func (v visitor) Enter(n ast.Node) (ast.Node, bool) { return n, !v(n) }
func (v visitor) Leave(n ast.Node) (ast.Node, bool) { return n, true }

func stmt(n ast.StmtNode) *oracle.Stmt {
	switch x := n.(type) {
	case *ast.SelectStmt:
		return &oracle.Stmt{Kind: "select", Query: query(x), Returns: true}
	case *ast.SetOprStmt:
		return &oracle.Stmt{Kind: "select", Query: query(x), Returns: true}
	case *ast.ExplainStmt:
		s := stmt(x.Stmt)
		s.Explain = true
		return s
	case *ast.InsertStmt:
		return insert(x)
	case *ast.UpdateStmt:
		s := &oracle.Stmt{Kind: "update", With: with(x.With), From: []*oracle.Source{source(x.TableRefs.TableRefs)}, Set: assigns(x.List),
			Exprs: some(x.Where), Order: order(x.Order), Outer: limit(x.Limit)}
		return s
	case *ast.DeleteStmt:
		s := &oracle.Stmt{Kind: "delete", With: with(x.With), From: []*oracle.Source{source(x.TableRefs.TableRefs)},
			Exprs: some(x.Where), Order: order(x.Order), Outer: limit(x.Limit)}
		return s
	case *ast.CreateViewStmt:
		if q, ok := x.Select.(ast.ResultSetNode); ok {
			return &oracle.Stmt{Kind: "view", Query: query(q)}
		}
	case *ast.CreateTableStmt:
		if x.Select != nil {
			return &oracle.Stmt{Kind: "moves", Query: query(x.Select), Touched: []*oracle.Source{base(x.Table)}}
		}
		s := &oracle.Stmt{Kind: "other", Target: base(x.Table)}
		for _, c := range x.Cols {
			s.Defaults = append(s.Defaults, defaults(c)...)
		}
		return s
	case *ast.AlterTableStmt:
		s := &oracle.Stmt{Kind: "other", Target: base(x.Table)}
		for _, spec := range x.Specs {
			for _, c := range spec.NewColumns {
				s.Defaults = append(s.Defaults, defaults(c)...)
			}
		}
		return s
	case *ast.CreateTriggerStmt:
		return &oracle.Stmt{Kind: "other", Touched: []*oracle.Source{base(x.Table)}}
	case *ast.LoadDataStmt, *ast.LoadXMLStmt, *ast.PrepareStmt, *ast.HandlerOpenStmt, *ast.HandlerReadStmt:
		return &oracle.Stmt{Kind: "moves", Touched: tables(n)}
	}
	return &oracle.Stmt{Kind: "other", Touched: tables(n)}
}

func defaults(c *ast.ColumnDef) []oracle.Default {
	var list []oracle.Default
	for _, o := range c.Options {
		if (o.Tp == ast.ColumnOptionDefaultValue || o.Tp == ast.ColumnOptionGenerated || o.Tp == ast.ColumnOptionOnUpdate) && o.Expr != nil {
			list = append(list, oracle.Default{Column: c.Name.Name.L, Value: expr(o.Expr)})
		}
	}
	return list
}

func with(c *ast.WithClause) *oracle.With {
	if c == nil {
		return nil
	}
	w := &oracle.With{Recursive: c.IsRecursive}
	for _, e := range c.CTEs {
		w.CTEs = append(w.CTEs, &oracle.CTE{Name: e.Name.L, Columns: names(e.ColNameList), Query: query(e.Query.Query)})
	}
	return w
}

func names(list []ast.CIStr) []string {
	var out []string
	for _, n := range list {
		out = append(out, n.L)
	}
	return out
}

func query(n ast.ResultSetNode) *oracle.Query {
	switch x := n.(type) {
	case *ast.SelectStmt:
		q := &oracle.Query{With: with(x.With), Distinct: x.Distinct, Order: order(x.OrderBy), Limit: limit(x.Limit), Into: x.SelectIntoOpt != nil}
		if x.Kind == ast.SelectStmtKindValues {
			for _, row := range x.Lists {
				q.Values = append(q.Values, some(row.Values...))
			}
			return q
		}
		if x.From != nil {
			q.From = []*oracle.Source{source(x.From.TableRefs)}
		}
		if x.Kind == ast.SelectStmtKindTable {
			q.Items = []oracle.Item{{Expr: &oracle.Expr{Kind: oracle.Star}}}
			return q
		}
		if x.Fields != nil {
			q.Items = items(x.Fields.Fields)
		}
		q.Exprs = some(x.Where)
		for i := range x.WindowSpecs {
			q.Exprs = append(q.Exprs, window(&x.WindowSpecs[i])...)
		}
		if x.GroupBy != nil {
			for _, i := range x.GroupBy.Items {
				q.Group = append(q.Group, expr(i.Expr))
			}
		}
		if x.Having != nil {
			q.Having = some(x.Having.Expr)
		}
		return q
	case *ast.SetOprStmt:
		return setOperation(x.SelectList.Selects, with(x.With), order(x.OrderBy), limit(x.Limit))
	case *ast.SubqueryExpr:
		return query(x.Query)
	}
	return &oracle.Query{}
}

// setOperation makes the operations of a list, INTERSECT before the others.
func setOperation(list []ast.Node, w *oracle.With, sort, limits []*oracle.Expr) *oracle.Query {
	var terms []*oracle.Query
	var ops []ast.SetOprType
	for i, n := range list {
		var after *ast.SetOprType
		switch x := n.(type) {
		case *ast.SelectStmt:
			after = x.AfterSetOperator
		case *ast.SetOprSelectList:
			after = x.AfterSetOperator
		}
		var q *oracle.Query
		if l, ok := n.(*ast.SetOprSelectList); ok {
			q = setOperation(l.Selects, with(l.With), order(l.OrderBy), limit(l.Limit))
		} else {
			q = query(n.(ast.ResultSetNode))
		}
		if i == 0 || after == nil {
			terms = append(terms, q)
			continue
		}
		if *after == ast.Intersect || *after == ast.IntersectAll {
			last := len(terms) - 1
			terms[last] = &oracle.Query{Left: terms[last], Right: q, Op: "intersect", All: *after == ast.IntersectAll}
			continue
		}
		terms, ops = append(terms, q), append(ops, *after)
	}
	q := terms[0]
	for i, o := range ops {
		q = &oracle.Query{Left: q, Right: terms[i+1], Op: "union", All: o == ast.UnionAll || o == ast.ExceptAll}
		if o == ast.Except || o == ast.ExceptAll {
			q.Op = "except"
		}
	}
	if len(ops) == 0 && (sort != nil || limits != nil || w != nil) && (q.With != nil || q.Order != nil || q.Limit != nil) {
		q = &oracle.Query{Items: []oracle.Item{{Expr: &oracle.Expr{Kind: oracle.Star}}}, From: []*oracle.Source{{Kind: oracle.Derived, Query: q, Alias: "\x00"}}}
	}
	if w != nil {
		q.With = w
	}
	if sort != nil {
		q.Order = sort
	}
	if limits != nil {
		q.Limit = limits
	}
	return q
}

func items(list []*ast.SelectField) []oracle.Item {
	out := []oracle.Item{}
	for _, f := range list {
		if f.WildCard != nil {
			e := &oracle.Expr{Kind: oracle.Star}
			if f.WildCard.Table.L != "" {
				e.Parts = append(e.Parts, f.WildCard.Table.L)
				if f.WildCard.Schema.L != "" {
					e.Parts = []string{f.WildCard.Schema.L, f.WildCard.Table.L}
				}
			}
			out = append(out, oracle.Item{Expr: e})
			continue
		}
		it := oracle.Item{Expr: expr(f.Expr), Alias: f.AsName.L}
		if it.Expr.Kind == oracle.Name {
			it.Name = it.Expr.Parts[len(it.Expr.Parts)-1]
		}
		out = append(out, it)
	}
	return out
}

func source(n ast.ResultSetNode) *oracle.Source {
	switch x := n.(type) {
	case *ast.Join:
		if x.Right == nil {
			return source(x.Left)
		}
		s := &oracle.Source{Kind: oracle.Join, Left: source(x.Left), Right: source(x.Right), Natural: x.NaturalJoin}
		if x.Tp == ast.RightJoin && (x.NaturalJoin || len(x.Using) > 0) {
			s.Left, s.Right = s.Right, s.Left
		}
		for _, u := range x.Using {
			s.Using = append(s.Using, u.Name.L)
		}
		if x.On != nil {
			s.On = expr(x.On.Expr)
		}
		return s
	case *ast.TableSource:
		s := source(x.Source)
		if x.AsName.L != "" {
			s.Alias = x.AsName.L
		}
		s.Columns = names(x.ColumnNames)
		s.Lateral = x.Lateral
		return s
	case *ast.TableName:
		return base(x)
	case *ast.SelectStmt, *ast.SetOprStmt, *ast.SubqueryExpr:
		return &oracle.Source{Kind: oracle.Derived, Query: query(x)}
	}
	return &oracle.Source{Kind: oracle.Function, Exprs: below(n).Kids}
}

func insert(x *ast.InsertStmt) *oracle.Stmt {
	s := &oracle.Stmt{Kind: "insert", Target: source(x.Table.TableRefs), AllCols: len(x.Columns) == 0 && !x.Setlist, OwnValues: true}
	for _, c := range x.Columns {
		s.Columns = append(s.Columns, oracle.Column{Name: c.Name.L})
	}
	switch {
	case x.Select != nil:
		s.Query = query(x.Select)
	default:
		s.Query = &oracle.Query{Values: [][]*oracle.Expr{}}
		for _, row := range x.Lists {
			s.Query.Values = append(s.Query.Values, some(row...))
		}
	}
	if x.RowAlias != nil {
		s.RowAlias = x.RowAlias.L
		for _, c := range x.ColumnAliases {
			s.RowCols = append(s.RowCols, c.L)
		}
	}
	if len(x.OnDuplicate) > 0 {
		s.Upserts = []*oracle.Upsert{{Set: assigns(x.OnDuplicate)}}
	}
	return s
}

func assigns(list []*ast.Assignment) []oracle.Assign {
	var out []oracle.Assign
	for _, a := range list {
		out = append(out, oracle.Assign{Table: a.Column.Table.L, Columns: []oracle.Column{{Name: a.Column.Name.L}}, Value: expr(a.Expr)})
	}
	return out
}

func order(c *ast.OrderByClause) []*oracle.Expr {
	if c == nil {
		return nil
	}
	var list []*oracle.Expr
	for _, i := range c.Items {
		list = append(list, expr(i.Expr))
	}
	return list
}

func limit(l *ast.Limit) []*oracle.Expr {
	if l == nil {
		return nil
	}
	return some(l.Count, l.Offset)
}

func window(w *ast.WindowSpec) []*oracle.Expr { return below(w).Kids }

func some(list ...ast.ExprNode) []*oracle.Expr {
	var out []*oracle.Expr
	for _, e := range list {
		if e != nil {
			out = append(out, expr(e))
		}
	}
	return out
}

func expr(e ast.ExprNode) *oracle.Expr {
	switch x := e.(type) {
	case *ast.ParenthesesExpr:
		return expr(x.Expr)
	case ast.ParamMarkerExpr:
		return &oracle.Expr{Kind: oracle.Param, Offset: x.OriginTextPosition()}
	case ast.ValueExpr:
		if x.GetValue() == nil {
			return &oracle.Expr{Kind: oracle.Null}
		}
		return &oracle.Expr{Kind: oracle.Const, Offset: x.OriginTextPosition(), Int: -1}
	case *ast.PositionExpr:
		return &oracle.Expr{Kind: oracle.Const, Offset: x.OriginTextPosition(), Int: x.N}
	case *ast.DefaultExpr:
		if x.Name == nil {
			return &oracle.Expr{Kind: oracle.Null}
		}
		return &oracle.Expr{Kids: []*oracle.Expr{{Kind: oracle.Name, Parts: parts(x.Name)}}}
	case *ast.ColumnNameExpr:
		return &oracle.Expr{Kind: oracle.Name, Parts: parts(x.Name)}
	case *ast.ValuesExpr:
		return &oracle.Expr{Kind: oracle.Name, Parts: []string{"\x00values", x.Column.Name.Name.L}}
	case *ast.UnaryOperationExpr:
		in := x.V
		for {
			p, ok := in.(*ast.ParenthesesExpr)
			if !ok {
				break
			}
			in = p.Expr
		}
		if v, ok := in.(ast.ValueExpr); ok && (x.Op == opcode.Minus || x.Op == opcode.Plus) && v.GetValue() != nil && !strings.HasPrefix(v.GetType().String(), "var") {
			return &oracle.Expr{Kind: oracle.Const, Offset: v.OriginTextPosition(), Int: -1}
		}
	case *ast.RowExpr:
		return &oracle.Expr{Kind: oracle.Row, Kids: some(x.Values...)}
	case *ast.SubqueryExpr:
		return &oracle.Expr{Kind: oracle.Scalar, Subs: []*oracle.Query{query(x.Query)}}
	case *ast.ExistsSubqueryExpr:
		if s, ok := x.Sel.(*ast.SubqueryExpr); ok {
			return &oracle.Expr{Kind: oracle.Exists, Subs: []*oracle.Query{query(s.Query)}}
		}
	case *ast.IsNullExpr:
		return &oracle.Expr{Kind: oracle.IsNull, Kids: some(x.Expr)}
	case *ast.PatternInExpr:
		o := &oracle.Expr{Kids: append(some(x.Expr), some(x.List...)...)}
		if s, ok := x.Sel.(*ast.SubqueryExpr); ok {
			o.Subs = []*oracle.Query{query(s.Query)}
		}
		return o
	case *ast.CompareSubqueryExpr:
		o := &oracle.Expr{Kids: some(x.L)}
		if s, ok := x.R.(*ast.SubqueryExpr); ok {
			o.Subs = []*oracle.Query{query(s.Query)}
		}
		return o
	case *ast.AggregateFuncExpr:
		if strings.EqualFold(x.F, "count") && len(x.Args) == 1 && !x.Distinct {
			return &oracle.Expr{Kids: []*oracle.Expr{{Kind: oracle.Count, Kids: some(x.Args...)}}}
		}
	case *ast.WindowFuncExpr:
		o := below(x)
		if strings.EqualFold(x.Name, "count") && len(x.Args) == 1 && !x.Distinct && len(o.Kids) > 0 {
			o.Kids[0] = &oracle.Expr{Kind: oracle.Count, Kids: o.Kids[:1:1]}
		}
		return o
	case *ast.FuncCallExpr:
		// CONVERT(x USING utf8mb4) keeps every character, and CONVERT(x USING binary) every byte.
		if x.FnName.L == "convert" && len(x.Args) == 2 {
			if v, ok := x.Args[1].(ast.ValueExpr); ok {
				o := &oracle.Expr{Kind: oracle.Cast, Kids: some(x.Args[0])}
				if k := o.Kids[0].Kind; k != oracle.Name && k != oracle.Scalar && (v.GetString() == "utf8mb4" || v.GetString() == "binary") {
					o.Kind = oracle.TextCast
				}
				return o
			}
		}
	case *ast.FuncCastExpr:
		o := &oracle.Expr{Kind: oracle.Cast, Kids: some(x.Expr)}
		if t := x.Tp.String(); o.Kids[0].Kind != oracle.Name && o.Kids[0].Kind != oracle.Scalar && x.Tp.GetFlen() < 0 && (strings.HasPrefix(t, "var_string") || strings.HasPrefix(t, "char") || strings.HasPrefix(t, "binary") || strings.HasPrefix(t, "varbinary")) {
			o.Kind = oracle.TextCast
		}
		return o
	}
	return below(e)
}

func parts(n *ast.ColumnName) []string {
	var list []string
	for _, s := range []string{n.Schema.L, n.Table.L} {
		if s != "" {
			list = append(list, s)
		}
	}
	return append(list, n.Name.L)
}

// below is something computed from all that stands below a node.
func below(n ast.Node) *oracle.Expr {
	o := &oracle.Expr{}
	n.Accept(visitor(func(x ast.Node) bool {
		if x == n {
			return true
		}
		switch v := x.(type) {
		case *ast.SubqueryExpr:
			o.Subs = append(o.Subs, query(v.Query))
			return false
		case *ast.SelectStmt:
			o.Subs = append(o.Subs, query(v))
			return false
		case *ast.SetOprStmt:
			o.Subs = append(o.Subs, query(v))
			return false
		case ast.ExprNode:
			o.Kids = append(o.Kids, expr(v))
			return false
		}
		return true
	}))
	return o
}
