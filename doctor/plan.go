package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// node is what a plan's node says that matters here.
type node struct {
	Parent  string `json:"Parent Relationship"`
	Filter  string `json:"Filter"`
	Index   string `json:"Index Cond"`
	Recheck string `json:"Recheck Cond"`
	Plans   []node `json:"Plans"`
}

// filters are the conditions that are tried on each row of the relation and its partitions.
func (n node) filters() string {
	if n.Parent == "InitPlan" || n.Parent == "SubPlan" {
		return ""
	}
	text := n.Filter + "\n"
	for _, inner := range n.Plans {
		text += inner.filters()
	}
	return text
}

// usesIndex says whether the relation's rows are found by an index.
func (n node) usesIndex() bool {
	if n.Parent == "InitPlan" || n.Parent == "SubPlan" {
		return false
	}
	return n.Index != "" || n.Recheck != "" || slices.ContainsFunc(n.Plans, node.usesIndex)
}

// The settings that make PostgreSQL show what it can do: with an index if there is any way, and without.
const (
	preferIndex = `set local enable_seqscan = off`
	avoidIndex  = `set local enable_indexscan = off; set local enable_bitmapscan = off; set local enable_indexonlyscan = off; set local enable_seqscan = on`
)

// plan is what PostgreSQL would do for a command of a role on the policy's relation; ok is false where the role may not. Nothing
// is run but what the planner runs, as the caller. An answer of PostgreSQL's is an error where it took too long.
func (e *examination) plan(ctx context.Context, p policy, set string) (n node, ok bool, err error) {
	role := p.Roles[0]
	for _, may := range p.Roles {
		if slices.Contains(p.of.Reach, may) {
			role = may
			break
		}
	}
	err = e.caller.as(ctx, role, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, set); err != nil {
			return err
		}
		var text string
		if err := tx.QueryRow(ctx, "explain (format json) "+p.statement()).Scan(&text); err != nil {
			return err
		}
		var plans []struct{ Plan node }
		if err := json.Unmarshal([]byte(text), &plans); err != nil || len(plans) != 1 {
			return fmt.Errorf("reading a plan: %w", err)
		}
		n, ok = plans[0].Plan, true
		return nil
	})
	if answer, answered := refused(err); answered && answer.Code != canceled && answer.Code != lockNotAvailable {
		err = nil // for instance no right to that command: what can't be run costs nothing
	}
	return n, ok, err
}

// statement is one that asks for the policy, and for as few others as possible.
func (p policy) statement() string {
	switch p.Command {
	case "w":
		for _, a := range p.of.attrs() {
			if !a.Always {
				return fmt.Sprintf("update %s set %s = default", p.of.Name, a.Quoted)
			}
		}
	case "d":
		return "delete from " + p.of.Name
	}
	return "select * from " + p.of.Name
}

// slowFindings tells what real plans of the roles do for each row, where the policy is why.
func (e *examination) slowFindings(ctx context.Context, p policy) ([]Finding, error) {
	if e.caller == nil || p.using == nil || !p.using.correlated && len(p.using.calls) == 0 && len(p.using.casts) == 0 {
		return nil, nil
	}
	n, ok, err := e.plan(ctx, p, avoidIndex)
	if answer, late := refused(err); late {
		return []Finding{notExamined(p.object(), answer)}, nil
	}
	if err != nil || !ok {
		return nil, err
	}
	filters := n.filters()
	var findings []Finding
	for _, slow := range []struct {
		found bool
		make  func() Finding
	}{
		{p.using.correlated && correlated(filters), p.correlatedFinding},
		{len(p.using.calls) > 0 && callsIn(filters, p), p.callsFinding},
		{len(p.using.casts) > 0 && castsIn(filters, p), func() Finding { return p.castsFinding(e.schema) }},
	} {
		if slow.found {
			f := slow.make()
			f.Severity, f.Object, f.Mend, f.Undo = Medium, p.object(), p.mend(), p.undo()
			if f.Mend == "" {
				f.Why += " Write it by hand as column = (select …), with nothing of the row inside the sub-select and nothing around the column."
			}
			f.Costs += e.cost(ctx, p)
			findings = append(findings, f)
		}
	}
	return findings, nil
}

// correlated says whether a sub-plan is run for each row: one that is hashed is run once.
func correlated(filters string) bool {
	return strings.Contains(strings.ReplaceAll(filters, "hashed SubPlan", ""), "SubPlan")
}

// callsIn says whether a filter calls what the policy calls. A function that is inlined shows the one that it calls in turn.
func callsIn(filters string, p policy) bool {
	return parse(filters).any(func(e expr) bool {
		return isQuestion(e) || e.kind == call && slices.ContainsFunc(p.using.calls, func(name string) bool { return lastPart(name) == e.name })
	})
}

func castsIn(filters string, p policy) bool {
	return parse(filters).any(func(e expr) bool { return e.kind == cast && slices.Contains(p.using.casts, lastPart(uncast(e).name)) })
}

// lastPart is a name without what qualifies it.
func lastPart(name string) string { return name[strings.LastIndex(name, ".")+1:] }

// cost says what the planner makes of it today.
func (e *examination) cost(ctx context.Context, p policy) string {
	n, ok, err := e.plan(ctx, p, preferIndex)
	if err != nil || !ok || n.usesIndex() {
		return ""
	}
	return " PostgreSQL finds no index for it, so each query reads the whole table" + p.of.size() + "."
}

// size is how many rows there are, as far as the server has counted: nothing where it has not.
func (r relation) size() string {
	if r.Rows < 1 {
		return ""
	}
	return fmt.Sprintf(", today some %.0f rows", r.Rows)
}

func (p policy) correlatedFinding() Finding {
	return Finding{
		ID: "policy-correlated", Title: "The policy's sub-select looks at the row, so it runs once for each row",
		Why:   "A sub-select around a whole comparison is no constant: PostgreSQL runs it anew for every row and can use no index. Around the function alone, it runs once a query.",
		Costs: "Thousands of times the time where it was measured: 5.5 s against 0.6 ms on 500,000 rows.",
	}
}

func (p policy) callsFinding() Finding {
	return Finding{
		ID: "policy-calls-per-row", Title: fmt.Sprintf("The policy calls %s for each row", strings.Join(p.using.calls, ", ")),
		Why:   "A function that stands bare in a policy is called for every row that is looked at, though it says the same each time. In a sub-select of its own it is called once a query.",
		Costs: "Some 10 µs for each row, which are seconds on 500,000 rows, where a sub-select takes a millisecond.",
	}
}

func (p policy) castsFinding(schema string) Finding {
	return Finding{
		ID: "policy-casts-column", Title: fmt.Sprintf("The policy compares %s as text", strings.Join(p.using.casts, ", ")),
		Why:   "An index on a column is none on the column's text. Cast the other side, which is done once; " + schema + ".as_uuid gives NULL for what is no UUID.",
		Costs: "Two hundred times the time where it was measured: 202 ms against 1.1 ms on 500,000 rows.",
	}
}

// leading lists the columns that begin an index which holds every row.
const leading = `
	select distinct attname::text from pg_catalog.pg_index i join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
	where i.indrelid = $1 and indisvalid and indpred is null
		and (select amname from pg_catalog.pg_class c join pg_catalog.pg_am m on m.oid = c.relam where c.oid = indexrelid) in ('btree', 'hash')`

// indexFinding tells of a policy none of whose columns begins an index. asked holds what was told already.
func (e *examination) indexFinding(ctx context.Context, p policy, asked map[string]bool) ([]Finding, error) {
	if p.using == nil || len(p.using.pinned) == 0 || !p.of.isTable() {
		return nil, nil
	}
	begin, err := list[string](ctx, e.tx, leading, p.of.OID)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprint(p.of.OID, " ", p.using.pinned[0])
	if asked[key] || slices.ContainsFunc(p.using.pinned, func(name string) bool { return slices.Contains(begin, name) }) {
		return nil, nil
	}
	asked[key] = true
	return []Finding{{
		ID: "policy-column-without-index", Severity: Medium, Object: p.object(),
		Title: fmt.Sprintf("No index begins with %s, which the policy compares", p.using.pinned[0]),
		Why:   "A policy is a condition of every query. Without an index on its column each query reads all rows of everybody.",
		Costs: "Each query reads the whole table" + p.of.size() + ".",
		Mend:  fmt.Sprintf("create index on %s (%s);", p.of.Name, p.of.quote(p.using.pinned[0])),
	}}, nil
}
