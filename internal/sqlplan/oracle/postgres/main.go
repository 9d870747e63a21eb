// Program postgres reads statements with PostgreSQL's grammar as github.com/sqlc-dev/oliphant (MIT; its grammar
// and test data are libpg_query's, BSD, and PostgreSQL's) has it.
package main

import (
	"slices"
	"strings"

	"github.com/asherah-sql/asherah-sql/internal/sqlplan/oracle"

	pg "github.com/sqlc-dev/oliphant"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func main() {
	oracle.Serve(&oracle.Rules{
		NamesOnce: true, WholeRows: true, CTESeesAround: true, MergedFirst: true, Excluded: "excluded",
		RowIDs: []string{"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"},
	}, read)
}

func read(text, _ string) ([]*oracle.Stmt, error) {
	tree, err := pg.Parse(text)
	if err != nil {
		return nil, err
	}
	var stmts []*oracle.Stmt
	for _, raw := range tree.Stmts {
		stmts = append(stmts, stmt(raw.Stmt))
	}
	return stmts, nil
}

func stmt(n *pg.Node) *oracle.Stmt {
	switch x := n.GetNode().(type) {
	case *pg.Node_SelectStmt:
		return &oracle.Stmt{Kind: "select", Query: query(x.SelectStmt), Returns: true}
	case *pg.Node_InsertStmt:
		return insert(x.InsertStmt)
	case *pg.Node_UpdateStmt:
		return update(x.UpdateStmt)
	case *pg.Node_DeleteStmt:
		d := x.DeleteStmt
		s := &oracle.Stmt{Kind: "delete", With: with(d.WithClause), Target: target(d.Relation), From: sources(d.UsingClause),
			Exprs: some(d.WhereClause)}
		returning(s, d.ReturningClause)
		return s
	case *pg.Node_MergeStmt:
		return merge(x.MergeStmt)
	case *pg.Node_ExplainStmt:
		s := stmt(x.ExplainStmt.Query)
		s.Explain = true
		return s
	case *pg.Node_ViewStmt:
		return &oracle.Stmt{Kind: "view", Query: query(x.ViewStmt.Query.GetSelectStmt()), Touched: []*oracle.Source{target(x.ViewStmt.View)}}
	case *pg.Node_CreateTableAsStmt:
		s := &oracle.Stmt{Kind: "moves"}
		if q := x.CreateTableAsStmt.Query.GetSelectStmt(); q != nil {
			s.Query = query(q)
		}
		return s
	case *pg.Node_CopyStmt:
		s := &oracle.Stmt{Kind: "moves"}
		if x.CopyStmt.Relation != nil {
			s.Touched = []*oracle.Source{target(x.CopyStmt.Relation)}
		}
		if q := x.CopyStmt.Query.GetSelectStmt(); q != nil {
			s.Query = query(q)
		} else if x.CopyStmt.Query != nil {
			s.Touched = append(s.Touched, tables(x.CopyStmt.Query.ProtoReflect())...)
		}
		return s
	case *pg.Node_DeclareCursorStmt, *pg.Node_PrepareStmt, *pg.Node_RuleStmt:
		return &oracle.Stmt{Kind: "moves", Touched: tables(n.ProtoReflect())}
	case *pg.Node_CreateStmt:
		s := &oracle.Stmt{Kind: "other", Target: target(x.CreateStmt.Relation), Touched: tables(n.ProtoReflect())}
		for _, e := range x.CreateStmt.TableElts {
			s.Defaults = append(s.Defaults, defaults(e.GetColumnDef())...)
		}
		return s
	case *pg.Node_AlterTableStmt:
		s := &oracle.Stmt{Kind: "other", Target: target(x.AlterTableStmt.Relation), Touched: tables(n.ProtoReflect())}
		for _, c := range x.AlterTableStmt.Cmds {
			cmd := c.GetAlterTableCmd()
			if d := cmd.GetDef().GetColumnDef(); d != nil {
				if d.Colname == "" {
					d.Colname = cmd.Name
				}
				s.Defaults = append(s.Defaults, defaults(d)...)
			} else if cmd.GetSubtype() == pg.AlterTableType_AT_ColumnDefault && cmd.Def != nil {
				s.Defaults = append(s.Defaults, oracle.Default{Column: cmd.Name, Value: expr(cmd.Def)})
			}
		}
		return s
	}
	return &oracle.Stmt{Kind: "other", Touched: tables(n.ProtoReflect())}
}

func defaults(d *pg.ColumnDef) []oracle.Default {
	if d == nil {
		return nil
	}
	var list []oracle.Default
	if d.RawDefault != nil { // of ALTER … USING
		list = append(list, oracle.Default{Column: d.Colname, Value: expr(d.RawDefault)})
	}
	for _, c := range d.Constraints {
		if k := c.GetConstraint(); k.GetContype() == pg.ConstrType_CONSTR_DEFAULT || k.GetContype() == pg.ConstrType_CONSTR_GENERATED {
			list = append(list, oracle.Default{Column: d.Colname, Value: expr(k.RawExpr)})
		}
	}
	return list
}

// tables returns every table that stands below a node.
func tables(m protoreflect.Message) []*oracle.Source {
	var list []*oracle.Source
	each(m, func(x protoreflect.Message) bool {
		if v, ok := x.Interface().(*pg.RangeVar); ok {
			list = append(list, target(v))
		}
		return true
	})
	return list
}

// each calls f for the messages below m; f says whether to go deeper.
func each(m protoreflect.Message, f func(protoreflect.Message) bool) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Kind() != protoreflect.MessageKind {
			return true
		}
		visit := func(x protoreflect.Message) {
			if f(x) {
				each(x, f)
			}
		}
		if fd.IsList() {
			for i := range v.List().Len() {
				visit(v.List().Get(i).Message())
			}
			return true
		}
		visit(v.Message())
		return true
	})
}

func some(nodes ...*pg.Node) []*oracle.Expr {
	var list []*oracle.Expr
	for _, n := range nodes {
		if n != nil && n.Node != nil {
			list = append(list, expr(n))
		}
	}
	return list
}

func names(nodes []*pg.Node) []string {
	var list []string
	for _, n := range nodes {
		list = append(list, n.GetString_().GetSval())
	}
	return list
}

func target(v *pg.RangeVar) *oracle.Source {
	s := &oracle.Source{Kind: oracle.Base, Schema: v.GetSchemaname(), Name: v.GetRelname()}
	if v.GetAlias() != nil {
		s.Alias, s.Columns = v.Alias.Aliasname, names(v.Alias.Colnames)
	}
	return s
}

func with(c *pg.WithClause) *oracle.With {
	if c == nil {
		return nil
	}
	w := &oracle.With{Recursive: c.Recursive}
	for _, n := range c.Ctes {
		e := n.GetCommonTableExpr()
		x := &oracle.CTE{Name: e.Ctename, Columns: names(e.Aliascolnames)}
		if q := e.Ctequery.GetSelectStmt(); q != nil {
			x.Query = query(q)
		} else {
			x.Stmt = stmt(e.Ctequery)
		}
		if s := e.SearchClause; s != nil {
			x.Extra = append(x.Extra, s.SearchSeqColumn)
		}
		if s := e.CycleClause; s != nil {
			x.Extra = append(x.Extra, s.CycleMarkColumn, s.CyclePathColumn)
		}
		w.CTEs = append(w.CTEs, x)
	}
	return w
}

func query(s *pg.SelectStmt) *oracle.Query {
	if s == nil {
		return &oracle.Query{}
	}
	q := &oracle.Query{With: with(s.WithClause), Order: sorts(s.SortClause), Limit: some(s.LimitCount, s.LimitOffset)}
	if s.Op != pg.SetOperation_SETOP_NONE && s.Larg != nil {
		q.Left, q.Right, q.All = query(s.Larg), query(s.Rarg), s.All
		q.Op = strings.ToLower(strings.TrimPrefix(s.Op.String(), "SETOP_"))
		return q
	}
	for _, row := range s.ValuesLists {
		q.Values = append(q.Values, some(row.GetList().GetItems()...))
	}
	q.Into = s.IntoClause != nil
	q.Items = items(s.TargetList)
	q.From = sources(s.FromClause)
	q.Exprs = append(some(s.WhereClause), windows(s.WindowClause)...)
	q.Having = some(s.HavingClause)
	q.Group = grouping(s.GroupClause)
	if len(s.DistinctClause) > 0 {
		q.Distinct = true
		q.On = some(s.DistinctClause...)
	}
	return q
}

func grouping(nodes []*pg.Node) []*oracle.Expr {
	var list []*oracle.Expr
	for _, n := range nodes {
		if g := n.GetGroupingSet(); g != nil {
			list = append(list, grouping(g.Content)...)
			continue
		}
		if r := n.GetRowExpr(); r != nil {
			list = append(list, grouping(r.Args)...)
			continue
		}
		list = append(list, some(n)...)
	}
	return list
}

func sorts(nodes []*pg.Node) []*oracle.Expr {
	var list []*oracle.Expr
	for _, n := range nodes {
		list = append(list, some(n.GetSortBy().GetNode())...)
	}
	return list
}

func windows(nodes []*pg.Node) []*oracle.Expr {
	var list []*oracle.Expr
	for _, n := range nodes {
		list = append(list, window(n.GetWindowDef())...)
	}
	return list
}

func window(d *pg.WindowDef) []*oracle.Expr {
	if d == nil {
		return nil
	}
	return slices.Concat(some(d.PartitionClause...), sorts(d.OrderClause), some(d.StartOffset, d.EndOffset))
}

func items(nodes []*pg.Node) []oracle.Item {
	list := []oracle.Item{}
	for _, n := range nodes {
		r := n.GetResTarget()
		it := oracle.Item{Expr: expr(r.GetVal()), Alias: r.GetName()}
		if it.Alias == "" && it.Expr.Kind != oracle.Star {
			it.Name = label(r.GetVal())
		}
		list = append(list, it)
	}
	return list
}

// label is the name that PostgreSQL gives a column without an alias.
func label(n *pg.Node) string {
	name, _ := labelOf(n)
	if name == "" {
		return "?column?"
	}
	return name
}

// labelOf returns the name and how good it is: 0 none, 1 a type's, 2 a name's.
func labelOf(n *pg.Node) (string, int) {
	last := func(list []*pg.Node) string {
		for _, x := range slices.Backward(list) {
			if s := x.GetString_(); s != nil {
				return s.Sval
			}
		}
		return ""
	}
	switch x := n.GetNode().(type) {
	case *pg.Node_ColumnRef:
		if s := last(x.ColumnRef.Fields); s != "" {
			return s, 2
		}
	case *pg.Node_AIndirection:
		if s := last(x.AIndirection.Indirection); s != "" {
			return s, 2
		}
		return labelOf(x.AIndirection.Arg)
	case *pg.Node_FuncCall:
		return last(x.FuncCall.Funcname), 2
	case *pg.Node_AExpr:
		if x.AExpr.Kind == pg.A_Expr_Kind_AEXPR_NULLIF {
			return "nullif", 2
		}
	case *pg.Node_TypeCast:
		if s, good := labelOf(x.TypeCast.Arg); good > 1 {
			return s, good
		}
		return last(x.TypeCast.TypeName.GetNames()), 1
	case *pg.Node_CollateClause:
		return labelOf(x.CollateClause.Arg)
	case *pg.Node_GroupingFunc:
		return "grouping", 2
	case *pg.Node_SubLink:
		switch x.SubLink.SubLinkType {
		case pg.SubLinkType_EXISTS_SUBLINK:
			return "exists", 2
		case pg.SubLinkType_ARRAY_SUBLINK:
			return "array", 2
		case pg.SubLinkType_EXPR_SUBLINK:
			q := x.SubLink.Subselect.GetSelectStmt()
			for q.GetLarg() != nil {
				q = q.Larg
			}
			if len(q.GetValuesLists()) > 0 {
				return "column1", 2
			}
			if len(q.GetTargetList()) > 0 {
				r := q.TargetList[0].GetResTarget()
				if r.GetName() != "" {
					return r.Name, 2
				}
				return label(r.GetVal()), 2
			}
		}
	case *pg.Node_CaseExpr:
		if s, good := labelOf(x.CaseExpr.Defresult); good > 0 {
			return s, good
		}
		return "case", 1
	case *pg.Node_AArrayExpr:
		return "array", 2
	case *pg.Node_RowExpr:
		return "row", 2
	case *pg.Node_CoalesceExpr:
		return "coalesce", 2
	case *pg.Node_MinMaxExpr:
		if x.MinMaxExpr.Op == pg.MinMaxOp_IS_GREATEST {
			return "greatest", 2
		}
		return "least", 2
	case *pg.Node_SqlvalueFunction:
		return strings.ToLower(strings.TrimPrefix(x.SqlvalueFunction.Op.String(), "SVFOP_")), 2
	}
	return "", 0
}

func sources(nodes []*pg.Node) []*oracle.Source {
	var list []*oracle.Source
	for _, n := range nodes {
		list = append(list, source(n))
	}
	return list
}

func source(n *pg.Node) *oracle.Source {
	alias := func(s *oracle.Source, a *pg.Alias) *oracle.Source {
		if a != nil {
			s.Alias, s.Columns = a.Aliasname, names(a.Colnames)
		}
		return s
	}
	switch x := n.GetNode().(type) {
	case *pg.Node_RangeVar:
		return target(x.RangeVar)
	case *pg.Node_RangeSubselect:
		r := x.RangeSubselect
		return alias(&oracle.Source{Kind: oracle.Derived, Lateral: r.Lateral, Query: query(r.Subquery.GetSelectStmt())}, r.Alias)
	case *pg.Node_JoinExpr:
		j := x.JoinExpr
		s := &oracle.Source{Kind: oracle.Join, Left: source(j.Larg), Right: source(j.Rarg), Natural: j.IsNatural, Using: names(j.UsingClause)}
		if j.Quals != nil {
			s.On = expr(j.Quals)
		}
		if j.JoinUsingAlias != nil {
			s.UsingAlias = j.JoinUsingAlias.Aliasname
		}
		return alias(s, j.Alias)
	case *pg.Node_RangeTableSample:
		s := source(x.RangeTableSample.Relation)
		s.Exprs = append(s.Exprs, append(some(x.RangeTableSample.Args...), some(x.RangeTableSample.Repeatable)...)...)
		return s
	case *pg.Node_RangeFunction:
		r := x.RangeFunction
		s := &oracle.Source{Kind: oracle.Function}
		for _, f := range r.Functions {
			for i, p := range f.GetList().GetItems() {
				if i == 0 && p != nil {
					s.Exprs = append(s.Exprs, expr(p))
					if s.Name == "" {
						s.Name = label(p)
					}
				}
			}
		}
		alias(s, r.Alias)
		unnest(s, r)
		for _, c := range r.Coldeflist {
			s.Columns = append(s.Columns, c.GetColumnDef().GetColname())
		}
		return s
	}
	e := whole(n.ProtoReflect())
	s := &oracle.Source{Kind: oracle.Function, Exprs: []*oracle.Expr{e}}
	switch x := n.GetNode().(type) {
	case *pg.Node_RangeTableFunc:
		s.Name = "xmltable"
		return alias(s, x.RangeTableFunc.Alias)
	case *pg.Node_JsonTable:
		s.Name = "json_table"
		return alias(s, x.JsonTable.Alias)
	}
	return s
}

// unnest takes UNNEST apart, if the function is that.
func unnest(s *oracle.Source, r *pg.RangeFunction) {
	if len(r.Functions) != 1 || r.IsRowsfrom || len(r.Coldeflist) > 0 {
		return
	}
	f := r.Functions[0].GetList().GetItems()[0].GetFuncCall()
	if f == nil || f.FuncVariadic || f.AggStar || f.AggDistinct || f.AggFilter != nil || f.Over != nil || len(f.AggOrder) > 0 || len(f.Args) == 0 {
		return
	}
	if list := names(f.Funcname); list[len(list)-1] != "unnest" || len(list) > 1 && list[0] != "pg_catalog" {
		return
	}
	s.Exprs, s.Arrays, s.Number = nil, true, r.Ordinality
	for _, a := range f.Args {
		s.Exprs = append(s.Exprs, array(a))
	}
}

// array is expr for an array whose elements matter.
func array(n *pg.Node) *oracle.Expr {
	switch x := n.GetNode().(type) {
	case *pg.Node_AArrayExpr:
		return &oracle.Expr{Kind: oracle.Array, Kids: some(x.AArrayExpr.Elements...)}
	case *pg.Node_TypeCast:
		e := &oracle.Expr{Kind: oracle.Cast, Kids: []*oracle.Expr{array(x.TypeCast.Arg)}}
		t := x.TypeCast.TypeName
		list := names(t.GetNames())
		if len(list) > 0 && keeps[list[len(list)-1]] && len(t.Typmods) == 0 && len(t.ArrayBounds) == 1 && !t.Setof && (len(list) == 1 || list[0] == "pg_catalog") {
			e.Kind = oracle.TextCast
		}
		return e
	}
	return expr(n)
}

// keeps are the types to which a cast changes no character.
var keeps = map[string]bool{"text": true, "varchar": true, "bytea": true}

// national reports whether a cast is what the grammar makes of N'…': a string of unbounded length.
func national(x *pg.TypeCast) bool {
	list := names(x.TypeName.GetNames())
	c := x.Arg.GetAConst()
	return len(list) == 2 && list[1] == "bpchar" && len(x.TypeName.Typmods) == 0 && c != nil && x.Location < 0
}

func expr(n *pg.Node) *oracle.Expr {
	switch x := n.GetNode().(type) {
	case nil:
		return &oracle.Expr{}
	case *pg.Node_AConst:
		c := x.AConst
		if c.Isnull {
			return &oracle.Expr{Kind: oracle.Null}
		}
		e := &oracle.Expr{Kind: oracle.Const, Offset: int(c.Location), Int: -1}
		if v, ok := c.Val.(*pg.A_Const_Ival); ok {
			e.Int = int(v.Ival.GetIval())
		}
		return e
	case *pg.Node_ParamRef:
		return &oracle.Expr{Kind: oracle.Param, Offset: int(x.ParamRef.Location)}
	case *pg.Node_SetToDefault:
		return &oracle.Expr{Kind: oracle.Null}
	case *pg.Node_ColumnRef:
		f := x.ColumnRef.Fields
		if f[len(f)-1].GetAStar() != nil {
			return &oracle.Expr{Kind: oracle.Star, Parts: names(f[:len(f)-1])}
		}
		return &oracle.Expr{Kind: oracle.Name, Parts: names(f)}
	case *pg.Node_TypeCast:
		e := &oracle.Expr{Kind: oracle.Cast, Kids: some(x.TypeCast.Arg)}
		t := x.TypeCast.TypeName
		list := names(t.GetNames())
		if len(list) > 0 && keeps[list[len(list)-1]] && len(t.Typmods) == 0 && len(t.ArrayBounds) == 0 && !t.Setof && (len(list) == 1 || list[0] == "pg_catalog") {
			e.Kind = oracle.TextCast
		}
		if national(x.TypeCast) {
			e.Kind = oracle.TextCast
		}
		return e
	case *pg.Node_SubLink:
		q := query(x.SubLink.Subselect.GetSelectStmt())
		e := &oracle.Expr{Kids: some(x.SubLink.Testexpr), Subs: []*oracle.Query{q}}
		switch x.SubLink.SubLinkType {
		case pg.SubLinkType_EXISTS_SUBLINK:
			e.Kind = oracle.Exists
		case pg.SubLinkType_EXPR_SUBLINK:
			e.Kind = oracle.Scalar
		}
		return e
	case *pg.Node_NullTest:
		return &oracle.Expr{Kind: oracle.IsNull, Kids: some(x.NullTest.Arg)}
	case *pg.Node_AExpr:
		// IS [NOT] DISTINCT FROM NULL asks what IS NULL does.
		if k := x.AExpr.Kind; k == pg.A_Expr_Kind_AEXPR_DISTINCT || k == pg.A_Expr_Kind_AEXPR_NOT_DISTINCT {
			if c := x.AExpr.Rexpr.GetAConst(); c != nil && c.Isnull {
				return &oracle.Expr{Kind: oracle.IsNull, Kids: some(x.AExpr.Lexpr)}
			}
		}
		// A sign before a number belongs to it.
		if op := names(x.AExpr.Name); x.AExpr.Lexpr == nil && len(op) == 1 && op[0] == "+" {
			if c := x.AExpr.Rexpr.GetAConst(); c.GetFval() != nil || c.GetVal() != nil && c.GetSval() == nil && c.GetBsval() == nil && c.GetBoolval() == nil {
				return &oracle.Expr{Kind: oracle.Const, Offset: int(c.Location), Int: -1}
			}
		}
	case *pg.Node_RowExpr:
		return &oracle.Expr{Kind: oracle.Row, Kids: some(x.RowExpr.Args...)}
	case *pg.Node_AIndirection:
		a := x.AIndirection
		e := expr(a.Arg)
		for _, i := range a.Indirection {
			if s := i.GetString_(); s != nil {
				e = &oracle.Expr{Kind: oracle.Field, Parts: []string{s.Sval}, Kids: []*oracle.Expr{e}}
				continue
			}
			e = &oracle.Expr{Kids: append([]*oracle.Expr{e}, parts(i.ProtoReflect())...)}
		}
		return e
	case *pg.Node_FuncCall:
		f := x.FuncCall
		name := names(f.Funcname)
		rest := slices.Concat(sorts(f.AggOrder), some(f.AggFilter), window(f.Over))
		if name[len(name)-1] == "count" && (len(name) == 1 || name[0] == "pg_catalog") && len(f.Args) == 1 && !f.AggDistinct && !f.FuncVariadic {
			return &oracle.Expr{Kids: append([]*oracle.Expr{{Kind: oracle.Count, Kids: some(f.Args...)}}, rest...)}
		}
		return &oracle.Expr{Kids: append(some(f.Args...), rest...)}
	}
	return whole(n.ProtoReflect())
}

// whole is something computed from all that stands below a message.
func whole(m protoreflect.Message) *oracle.Expr {
	return &oracle.Expr{Kids: parts(m)}
}

// parts returns the topmost expressions below a message.
func parts(m protoreflect.Message) []*oracle.Expr {
	var list []*oracle.Expr
	each(m, func(x protoreflect.Message) bool {
		switch v := x.Interface().(type) {
		case *pg.Node:
			switch v.GetNode().(type) {
			case *pg.Node_AConst, *pg.Node_ParamRef, *pg.Node_ColumnRef, *pg.Node_TypeCast, *pg.Node_SubLink, *pg.Node_NullTest,
				*pg.Node_RowExpr, *pg.Node_AIndirection, *pg.Node_FuncCall:
				list = append(list, expr(v))
				return false
			}
		case *pg.SelectStmt:
			list = append(list, &oracle.Expr{Subs: []*oracle.Query{query(v)}})
			return false
		case *pg.TypeName:
			return false
		}
		return true
	})
	return list
}

func columns(nodes []*pg.Node) []oracle.Column {
	var list []oracle.Column
	for _, n := range nodes {
		r := n.GetResTarget()
		list = append(list, oracle.Column{Name: r.GetName(), Part: len(r.GetIndirection()) > 0})
	}
	return list
}

func assigns(nodes []*pg.Node) []oracle.Assign {
	var list []oracle.Assign
	for i := 0; i < len(nodes); i++ {
		r := nodes[i].GetResTarget()
		a := oracle.Assign{Columns: columns(nodes[i : i+1])}
		for _, x := range r.GetIndirection() {
			a.Others = append(a.Others, parts(x.ProtoReflect())...)
		}
		if m := r.GetVal().GetMultiAssignRef(); m != nil {
			a.Columns = columns(nodes[i : i+int(m.Ncolumns)])
			i += int(m.Ncolumns) - 1
			a.Value = expr(m.Source)
			if a.Value.Kind == oracle.Row && len(a.Value.Kids) != len(a.Columns) {
				a.Value.Kind = oracle.Other
			}
		} else {
			a.Value = expr(r.GetVal())
			if a.Value.Kind == oracle.Row {
				a.Value.Kind = oracle.Other
			}
		}
		list = append(list, a)
	}
	return list
}

func returning(s *oracle.Stmt, c *pg.ReturningClause) {
	if c == nil {
		return
	}
	s.Returning, s.Returns = items(c.Exprs), true
	s.Old, s.New = "old", "new"
	for _, o := range c.Options {
		if r := o.GetReturningOption(); r.GetOption() == pg.ReturningOptionKind_RETURNING_OPTION_OLD {
			s.Old = r.Value
		} else {
			s.New = r.GetValue()
		}
	}
}

func insert(x *pg.InsertStmt) *oracle.Stmt {
	s := &oracle.Stmt{Kind: "insert", With: with(x.WithClause), Target: target(x.Relation), Columns: columns(x.Cols), AllCols: len(x.Cols) == 0}
	if q := x.SelectStmt.GetSelectStmt(); q != nil {
		s.Query = query(q)
	}
	if c := x.OnConflictClause; c != nil {
		u := &oracle.Upsert{Set: assigns(c.TargetList), Where: some(c.WhereClause)}
		if c.Infer != nil {
			for _, e := range c.Infer.IndexElems {
				if ie := e.GetIndexElem(); ie.GetName() != "" {
					u.Target = append(u.Target, &oracle.Expr{Kind: oracle.Name, Parts: []string{ie.Name}})
				} else {
					u.Target = append(u.Target, expr(ie.GetExpr()))
				}
			}
			u.Target = append(u.Target, some(c.Infer.WhereClause)...)
		}
		s.Upserts = append(s.Upserts, u)
	}
	returning(s, x.ReturningClause)
	return s
}

func update(x *pg.UpdateStmt) *oracle.Stmt {
	s := &oracle.Stmt{Kind: "update", With: with(x.WithClause), Target: target(x.Relation), Set: assigns(x.TargetList),
		From: sources(x.FromClause), Exprs: some(x.WhereClause)}
	returning(s, x.ReturningClause)
	return s
}

func merge(x *pg.MergeStmt) *oracle.Stmt {
	s := &oracle.Stmt{Kind: "merge", With: with(x.WithClause), Target: target(x.Relation),
		From: []*oracle.Source{source(x.SourceRelation)}, Exprs: some(x.JoinCondition)}
	for _, n := range x.MergeWhenClauses {
		c := n.GetMergeWhenClause()
		w := &oracle.When{Target: c.MatchKind != pg.MergeMatchKind_MERGE_WHEN_NOT_MATCHED_BY_TARGET,
			Source: c.MatchKind != pg.MergeMatchKind_MERGE_WHEN_NOT_MATCHED_BY_SOURCE}
		if c.Condition != nil {
			w.Cond = expr(c.Condition)
		}
		switch c.CommandType {
		case pg.CmdType_CMD_INSERT:
			w.Insert, w.Columns, w.AllCols, w.Values = true, columns(c.TargetList), len(c.TargetList) == 0, some(c.Values...)
		case pg.CmdType_CMD_UPDATE:
			w.Set = assigns(c.TargetList)
		}
		s.Whens = append(s.Whens, w)
	}
	returning(s, x.ReturningClause)
	return s
}
