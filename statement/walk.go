package statement

import (
	"fmt"
	"strings"
	"unicode/utf8"

	tree "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// check says whether the tree of sql may run under r.
func check(sql string, t *tree.ParseResult, r *Rules, n *names) *Refusal {
	switch len(t.GetStmts()) {
	case 0:
		return nil
	case 1:
		w := &walk{sql: sql, rules: r, names: n}
		return w.statement(t.GetStmts()[0].GetStmt())
	}
	return severalRefusal()
}

func severalRefusal() *Refusal {
	return refuse(codeSyntax, "cannot insert multiple commands into a prepared statement",
		"Send one statement a query, and several as one batch: sql.transaction([...]).")
}

// walk visits every message of a tree, by reflection, so that no field can be forgotten. A type of node that inspect doesn't
// name is refused.
type walk struct {
	sql   string
	rules *Rules
	names *names
}

// statement checks the statement that a query is, or that EXPLAIN shows.
func (w *walk) statement(n *tree.Node) *Refusal {
	kind, ok := kindOf(n)
	if !ok {
		return w.foreign(n)
	}
	if refusal := w.kind(kind); refusal != nil {
		return refusal
	}
	switch kind {
	case KindExplain:
		return w.explain(n.GetExplainStmt())
	case KindValues: // the walk takes its SelectStmt for a part of something
		return w.fields(n.GetSelectStmt().ProtoReflect())
	}
	return w.message(n.ProtoReflect())
}

func (w *walk) message(m protoreflect.Message) *Refusal {
	if len(m.GetUnknown()) > 0 {
		return unknownNode(m)
	}
	if refusal := w.inspect(m.Interface()); refusal != nil {
		return refusal
	}
	return w.fields(m)
}

// fields visits what a message holds.
func (w *walk) fields(m protoreflect.Message) (refusal *Refusal) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Message() == nil {
			return true
		}
		if !field.IsList() {
			refusal = w.message(value.Message())
			return refusal == nil
		}
		list := value.List()
		for i := 0; i < list.Len() && refusal == nil; i++ {
			refusal = w.message(list.Get(i).Message())
		}
		return refusal == nil
	})
	return refusal
}

// inspect checks one node by itself. What it lists without a check can't call, change or show anything but through the nodes
// below it: operators and casts of pg_catalog are bound to harmless functions only, which a test asks the catalogue.
func (w *walk) inspect(m proto.Message) *Refusal {
	switch m := m.(type) {
	case *tree.SelectStmt:
		return w.selects(m)
	case *tree.InsertStmt:
		return w.inserts(m)
	case *tree.UpdateStmt:
		return w.writes(KindUpdate, m.GetRelation())
	case *tree.DeleteStmt:
		return w.writes(KindDelete, m.GetRelation())
	case *tree.MergeStmt:
		return w.writes(KindMerge, m.GetRelation())
	case *tree.MergeWhenClause:
		return w.mergeAction(m)
	case *tree.OnConflictClause:
		return w.conflictAction(m)
	case *tree.RangeVar:
		return w.source(m)
	case *tree.FuncCall:
		return w.call(m)
	case *tree.ColumnRef:
		return w.column(m)
	case *tree.A_Indirection:
		return w.indirection(m)
	case *tree.RangeTableSample:
		return w.sample(m)
	}
	if plain(m) {
		return nil
	}
	return unknownNode(m.ProtoReflect())
}

// plain names the nodes that need no check of their own.
func plain(m proto.Message) bool {
	switch m.(type) {
	case *tree.Node, *tree.List,
		// Constants, names and types
		*tree.A_Const, *tree.Integer, *tree.Float, *tree.Boolean, *tree.String, *tree.BitString,
		*tree.ParamRef, *tree.A_Star, *tree.A_Indices, *tree.TypeName, *tree.TypeCast, *tree.CollateClause, *tree.Alias,
		// Expressions
		*tree.A_Expr, *tree.BoolExpr, *tree.A_ArrayExpr, *tree.RowExpr, *tree.CaseExpr, *tree.CaseWhen,
		*tree.CoalesceExpr, *tree.MinMaxExpr, *tree.NullTest, *tree.BooleanTest, *tree.SubLink, *tree.SQLValueFunction,
		*tree.GroupingFunc, *tree.NamedArgExpr, *tree.SetToDefault, *tree.MultiAssignRef, *tree.MergeSupportFunc,
		// XML and JSON
		*tree.XmlExpr, *tree.XmlSerialize, *tree.JsonFormat, *tree.JsonReturning, *tree.JsonOutput, *tree.JsonValueExpr,
		*tree.JsonIsPredicate, *tree.JsonBehavior, *tree.JsonArgument, *tree.JsonFuncExpr, *tree.JsonKeyValue,
		*tree.JsonParseExpr, *tree.JsonScalarExpr, *tree.JsonSerializeExpr, *tree.JsonObjectConstructor,
		*tree.JsonArrayConstructor, *tree.JsonArrayQueryConstructor, *tree.JsonAggConstructor, *tree.JsonObjectAgg,
		*tree.JsonArrayAgg, *tree.JsonTable, *tree.JsonTableColumn, *tree.JsonTablePathSpec,
		// What a query is made of
		*tree.ResTarget, *tree.JoinExpr, *tree.RangeSubselect, *tree.RangeFunction, *tree.RangeTableFunc,
		*tree.RangeTableFuncCol, *tree.ColumnDef, *tree.WithClause, *tree.CommonTableExpr, *tree.CTESearchClause,
		*tree.CTECycleClause, *tree.SortBy, *tree.WindowDef, *tree.GroupingSet, *tree.LockingClause, *tree.InferClause,
		*tree.IndexElem:
		return true
	}
	return false
}

func unknownNode(m protoreflect.Message) *Refusal {
	return refuse(codeUnsupported, fmt.Sprintf("%s is not supported here", m.Descriptor().Name()),
		"This syntax is not known to be harmless in a stranger's statement.")
}

// words are the strings of a name or an indirection, in which subscripts and stars may stand, too.
func words(nodes []*tree.Node) []string {
	var all []string
	for _, n := range nodes {
		if s := n.GetString_(); s != nil {
			all = append(all, s.GetSval())
		}
	}
	return all
}

// folded is a name by which a list of bad names looks it up. A server with a single-byte encoding may fold to lower case what
// isn't ASCII: in Turkish, İ is the capital of i.
func folded(name string) string {
	if strings.IndexFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 {
		return name
	}
	return strings.NewReplacer("İ", "i", "\u212a", "k").Replace(name)
}
