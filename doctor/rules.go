package doctor

import (
	"context"
	"fmt"
)

// attached is a rule or trigger of a relation. Names are quoted where needed.
type attached struct {
	Name, Relation string
	Trigger        bool
}

// attachments lists rules on what callers reach in the schemas $1, and triggers of rowpass's, whose functions stand in $3, that are off.
const attachments = `
	select format('%I', rulename), format('%I.%I', nspname, relname), false
	from pg_catalog.pg_rewrite join pg_catalog.pg_class c on c.oid = ev_class join pg_catalog.pg_namespace n on n.oid = relnamespace
	where rulename <> '_RETURN' and nspname = any ($1::text[]) and ev_enabled in ('O', 'A') and exists (select from unnest($2::text[]) r
		where has_any_column_privilege(r, c.oid, 'select, insert, update') or has_table_privilege(r, c.oid, 'delete'))
	union all
	select format('%I', tgname), format('%I.%I', nspname, relname), true
	from pg_catalog.pg_trigger join pg_catalog.pg_class c on c.oid = tgrelid join pg_catalog.pg_namespace n on n.oid = relnamespace
	where tgfoid in (select p.oid from pg_catalog.pg_proc p join pg_catalog.pg_namespace a on a.oid = pronamespace where a.nspname = $3) and tgenabled not in ('O', 'A')
	order by 2, 1`

// ruleFindings tells of what runs beside a caller's statement as somebody else, and of what should and doesn't.
func ruleFindings(ctx context.Context, e *examination) ([]Finding, error) {
	all, err := list[attached](ctx, e.tx, attachments, e.Schemas, e.everybody(), e.schema)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, a := range all {
		findings = append(findings, a.finding())
	}
	return findings, nil
}

func (a attached) finding() Finding {
	if a.Trigger {
		return Finding{
			ID: "guard-off", Severity: High, Object: a.Relation + " trigger " + a.Name, Title: fmt.Sprintf("The trigger %s on %s is off", a.Name, a.Relation),
			Why:   "It holds what policies can't say: which columns of a row that one may change may change, and what goes with a user that is removed.",
			Costs: "Callers change ids, tenants or roles, and what a removed user had waits for the next of its id.",
			Mend:  fmt.Sprintf("alter table %s enable trigger %s;", a.Relation, a.Name),
			Undo:  fmt.Sprintf("alter table %s disable trigger %s;", a.Relation, a.Name),
		}
	}
	return Finding{
		ID: "rule-runs-as-owner", Severity: High, Object: a.Relation + " rule " + a.Name, Title: fmt.Sprintf("The rule %s on %s runs as the owner", a.Name, a.Relation),
		Why: "What a rule adds to a caller's statement is checked for the owner of the relation, whom no policy holds. " +
			fmt.Sprintf("No SQL is offered, since what it does, such as keeping a log, would end without a word: let a trigger do it, whose function is SECURITY INVOKER and so the caller, then drop rule %s on %s. serve doesn't start before.", a.Name, a.Relation),
		Costs: "Callers change through it what policies keep from them.",
	}
}
