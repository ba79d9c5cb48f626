package doctor

import (
	"context"
	"fmt"
	"strings"
)

// function is one that callers can call.
type function struct {
	Signature string // quoted where needed
	Owner     string
	Bypasses  bool     // the owner is held by no policy
	InPolicy  bool     // a policy calls it
	Pinned    bool     // it looks names up in a search path of its own, or looked them up when it was made
	Meant     bool     // its comment says that callers shall have it
	Place     string   // its schema, quoted where needed
	Holders   []string // quoted where needed
}

// definers lists the SECURITY DEFINER functions of the schemas $1 that the roles $2 may execute and, since they may use the schema or a
// policy calls it, can. Trigger functions cannot be called.
const definers = `
	select p.oid::regprocedure::text, format('%I', pg_catalog.pg_get_userbyid(proowner)),
		exists (select from pg_catalog.pg_roles where oid = proowner and (rolsuper or rolbypassrls))
			or exists (select from pg_catalog.pg_class where relowner = proowner and relrowsecurity and not relforcerowsecurity),
		exists (select from pg_catalog.pg_depend where refclassid = 'pg_catalog.pg_proc'::regclass and refobjid = p.oid and classid = 'pg_catalog.pg_policy'::regclass),
		prosqlbody is not null or exists (select from unnest(proconfig) c where c like 'search_path=%'),
		proowner in (select oid from pg_catalog.pg_roles where rolname = current_user union select nspowner from pg_catalog.pg_namespace where nspname = 'rowpass')
			and coalesce(pg_catalog.obj_description(p.oid, 'pg_proc') ~* $3, false),
		format('%I', nspname),
		array(select format('%I', r) from unnest($2::text[]) r where has_function_privilege(r, p.oid, 'execute'))
	from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = pronamespace
	where nspname = any ($1::text[]) and prosecdef and prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
		and exists (select from unnest($2::text[]) r where has_function_privilege(r, p.oid, 'execute') and has_schema_privilege(r, n.oid, 'usage'))
		and not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
	order by 1`

// functionFindings tells of functions that do for callers what they may not.
func functionFindings(ctx context.Context, e *examination) ([]Finding, error) {
	all, err := list[function](ctx, e.tx, definers, e.Schemas, e.everybody(), meant)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, f := range all {
		findings = append(findings, f.findings(e.asks)...)
	}
	dangerous, err := e.dangerousFindings(ctx)
	return append(findings, dangerous...), err
}

func (f function) findings(asks askers) []Finding {
	var found []Finding
	if !f.InPolicy && f.Bypasses {
		severity := Medium
		if f.Meant {
			severity = Low
		}
		found = append(found, Finding{
			ID: "definer-function-callable", Severity: severity, Object: "function " + f.Signature,
			Title: fmt.Sprintf("Callers can call %s, which runs as %s", f.Signature, f.Owner),
			Why: "A SECURITY DEFINER function runs as its owner, whom no policy holds. PUBLIC may execute every new function. No SQL is offered, since an application may call it on purpose, by itself or in a default, a view or a trigger." +
				fmt.Sprintf(" Where none does: revoke execute on function %s from %s, public, and grant it to the other roles that need it. Where it needs no more than its caller may: make it SECURITY INVOKER.", f.Signature, strings.Join(f.Holders, ", ")) +
				" Where callers shall have it: see that it asks " + asks.call("user_id") + " or " + asks.call("tenant_id") + " itself, and " + meaning("function", f.Signature),
			Costs: "Callers read or change through it what policies keep from them.",
		})
	}
	if f.InPolicy && !f.Pinned {
		path := "pg_catalog, public, pg_temp"
		if f.Place != "public" {
			path = "pg_catalog, " + f.Place + ", public, pg_temp"
		}
		found = append(found, Finding{
			ID: "definer-function-search-path", Severity: Medium, Object: "function " + f.Signature,
			Title: fmt.Sprintf("%s runs as %s and looks names up where its caller says", f.Signature, f.Owner),
			Why:   "A SECURITY DEFINER function without a search path of its own finds tables, operators and types that a caller puts in the way, and runs them as its owner. The mend lets it look in " + path + ": where it names things of another schema without that, such as an extension's, put it behind pg_catalog, or the policy fails.",
			Costs: "With a place to create something, a caller becomes the owner.",
			Mend:  fmt.Sprintf("alter function %s set search_path = %s;", f.Signature, path),
			Undo:  fmt.Sprintf("alter function %s reset search_path;", f.Signature),
		})
	}
	return found
}

// dangerousFindings tells of PostgreSQL's own functions by which SQL of callers leaves its role or reaches others.
func (e *examination) dangerousFindings(ctx context.Context) ([]Finding, error) {
	if e.Dangerous == "" {
		return nil, nil
	}
	const query = `
		select p.oid::regprocedure::text from pg_catalog.pg_proc p
		where pronamespace = 'pg_catalog'::regnamespace and proname ~ $1
			and exists (select from pg_catalog.aclexplode(coalesce(proacl, pg_catalog.acldefault('f', proowner))) where grantee = 0)
		order by 1`
	all, err := list[string](ctx, e.tx, query, e.Dangerous)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	mends := make([]string, 0, 2*len(all))
	keep := quoteIdent(e.owner)
	for _, signature := range all {
		keepers := keep
		if strings.HasPrefix(signature, "set_config(") && e.Gateway != "" {
			keepers += ", " + quoteIdent(e.Gateway)
		}
		mends = append(mends, fmt.Sprintf("grant execute on function %s to %s;", signature, keepers), fmt.Sprintf("revoke execute on function %s from public;", signature))
	}
	return []Finding{{
		ID: "dangerous-function-callable", Severity: Low, Object: "schema pg_catalog",
		Title: fmt.Sprintf("PUBLIC may execute %d functions that leave a role or reach others, such as %s", len(all), all[0]),
		Why:   "rowpass refuses them in callers' SQL. Taking them from PUBLIC is a second wall behind that. It needs a superuser, and other programs that use this database may miss one: rowpass migrate harden does the same and reports what is not permitted.",
		Costs: "A hole in the check of callers' SQL would have nothing behind it.",
		Mend:  strings.Join(mends, "\n"),
		Undo:  "grant execute on function " + strings.Join(all, ", ") + " to public;",
	}}, nil
}
