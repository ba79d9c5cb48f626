package statement

import (
	"fmt"
	"strings"

	tree "github.com/pganalyze/pg_query_go/v6"
)

// kindOf is what a statement is; none for those that Rules can't allow one by one.
func kindOf(n *tree.Node) (Kind, bool) {
	switch {
	case n.GetSelectStmt() != nil:
		if len(n.GetSelectStmt().GetValuesLists()) > 0 {
			return KindValues, true
		}
		return KindSelect, true
	case n.GetInsertStmt() != nil:
		return KindInsert, true
	case n.GetUpdateStmt() != nil:
		return KindUpdate, true
	case n.GetDeleteStmt() != nil:
		return KindDelete, true
	case n.GetMergeStmt() != nil:
		return KindMerge, true
	case n.GetExplainStmt() != nil:
		return KindExplain, true
	}
	return "", false
}

// kind refuses what the rules don't allow.
func (w *walk) kind(kind Kind) *Refusal {
	if w.rules.allows(kind) {
		return nil
	}
	return refuse(codePrivilege, fmt.Sprintf("permission denied for %s statements", strings.ToUpper(string(kind))),
		fmt.Sprintf("The statements of this role don't have %q: see sql.statements and sql.roles of rowpass's configuration.", kind))
}

// selects checks a SELECT wherever it stands. The lists of VALUES are only values there.
func (w *walk) selects(s *tree.SelectStmt) *Refusal {
	if s.GetIntoClause() != nil {
		return refuse(codeUnsupported, "SELECT INTO is not allowed", hintInto).
			at(w.sql, s.GetIntoClause().GetRel().GetLocation())
	}
	if len(s.GetValuesLists()) > 0 {
		return nil
	}
	return w.kind(KindSelect)
}

func (w *walk) inserts(s *tree.InsertStmt) *Refusal {
	if refusal := overriding(s.GetOverride()); refusal != nil {
		return refusal
	}
	return w.writes(KindInsert, s.GetRelation())
}

func (w *walk) writes(kind Kind, target *tree.RangeVar) *Refusal {
	if refusal := w.kind(kind); refusal != nil {
		return refusal
	}
	return w.target(target)
}

// overriding refuses to choose the values of identity columns: who may can take the ids that others are about to get.
func overriding(o tree.OverridingKind) *Refusal {
	if o != tree.OverridingKind_OVERRIDING_SYSTEM_VALUE {
		return nil
	}
	return refuse(codePrivilege, "OVERRIDING SYSTEM VALUE is not allowed", "Leave the identity column out, or write DEFAULT.")
}

// mergeAction asks for the action's own kind, too: a MERGE that deletes is a DELETE.
func (w *walk) mergeAction(m *tree.MergeWhenClause) *Refusal {
	if refusal := overriding(m.GetOverride()); refusal != nil {
		return refusal
	}
	switch m.GetCommandType() {
	case tree.CmdType_CMD_INSERT:
		return w.kind(KindInsert)
	case tree.CmdType_CMD_UPDATE:
		return w.kind(KindUpdate)
	case tree.CmdType_CMD_DELETE:
		return w.kind(KindDelete)
	case tree.CmdType_CMD_NOTHING:
		return nil
	}
	return unknownNode(m.ProtoReflect())
}

func (w *walk) conflictAction(m *tree.OnConflictClause) *Refusal {
	if m.GetAction() == tree.OnConflictAction_ONCONFLICT_NOTHING {
		return nil
	}
	return w.kind(KindUpdate)
}

// explain allows the options that show no numbers. Estimates count rows that the caller may not see, ANALYZE runs the statement,
// and says what a filter removed; of an option that stands twice the last one counts, so that none may be wrong.
func (w *walk) explain(e *tree.ExplainStmt) *Refusal {
	noCosts := false
	for _, option := range e.GetOptions() {
		switch o := option.GetDefElem(); o.GetDefname() {
		case "costs":
			if !off(o.GetArg()) {
				return explainRefusal("COSTS").at(w.sql, o.GetLocation())
			}
			noCosts = true
		case "verbose", "format", "summary", "generic_plan":
		default:
			return explainRefusal(strings.ToUpper(clip(o.GetDefname()))).at(w.sql, o.GetLocation())
		}
	}
	if !noCosts {
		return explainRefusal("COSTS")
	}
	return w.statement(e.GetQuery())
}

func explainRefusal(option string) *Refusal {
	return refuse(codePrivilege, fmt.Sprintf("EXPLAIN with %s is not allowed", option), "Write EXPLAIN (COSTS OFF) and no ANALYZE.")
}

// off tells whether an option's value is one of those that PostgreSQL takes for false.
func off(n *tree.Node) bool {
	switch {
	case n.GetString_() != nil:
		v := strings.ToLower(n.GetString_().GetSval())
		return v == "off" || v == "false"
	case n.GetInteger() != nil:
		return n.GetInteger().GetIval() == 0
	case n.GetBoolean() != nil:
		return !n.GetBoolean().GetBoolval()
	}
	return false
}
