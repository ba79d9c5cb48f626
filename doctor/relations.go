package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// relation is what callers can reach, or a table that a foreign key of theirs names.
type relation struct {
	OID       uint32
	Name      string // quoted where needed, with its schema
	Plain     string // the relation's name alone, as it is
	Kind      string // relkind
	RLS       bool
	Partition bool
	Invoker   bool            // a view that reads as its caller
	Rows      float64         // as last estimated
	Attrs     json.RawMessage // columns in their order
	Policed   bool            // it has a policy for one of the roles that reach it
	Reach     []string        // the roles that may read or change it, in whole or in part
	Add       []string        // the roles that may insert
	Change    []string        // the roles that may update, in whole or in part
	Own       bool            // it belongs to the login, or to the owner of schema rowpass
	Granted   string          // statements that grant the roles, and PUBLIC, what they hold
	Public    bool            // PUBLIC holds something
	Others    []string        // other roles whom its policies hold and who hold something by name, and an owner whom they hold; quoted where needed
}

// attr is a column.
type attr struct {
	Name    string   `json:"name"`
	Quoted  string   `json:"quoted"` // Name, quoted where needed
	Number  int16    `json:"number"`
	Type    string   `json:"type"`
	Always  bool     `json:"always"`  // its value is the database's, whatever is written
	NotNull bool     `json:"notnull"` //
	Writers []string `json:"writers"` // the roles that may write it
}

// writtenBy says whether one of roles may write the column.
func (a attr) writtenBy(roles []string) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(a.Writers, role) })
}

// relations lists what stands in the schemas. $2 are the roles. A column counts as the database's where a trigger before INSERT assigns it.
const relations = `
	select c.oid, format('%I.%I', nspname, relname), relname::text, relkind::text, relrowsecurity, relispartition,
		relkind = 'v' and coalesce((select bool_or(option_value::boolean) from pg_catalog.pg_options_to_table(reloptions) where option_name = 'security_invoker'), false),
		greatest(reltuples, 0)::float8,
		(select coalesce(jsonb_agg(jsonb_build_object('name', attname, 'quoted', format('%I', attname), 'number', attnum, 'type', pg_catalog.format_type(atttypid, atttypmod),
				'notnull', attnotnull, 'writers', array(select r from unnest($2::text[]) r where has_column_privilege(r, c.oid, attnum, 'insert, update')), 'always', attgenerated <> '' or exists (select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = tgfoid
				where tgrelid = c.oid and tgtype & 7 = 7 and tgenabled in ('O', 'A') and prosrc ~* ('\mnew\.(' || regexp_replace(attname, '[^[:alnum:]_]', '\\\&', 'g') || '|' || regexp_replace('"' || replace(attname, '"', '""') || '"', '[^[:alnum:]_]', '\\\&', 'g') || ')\s*:?=[^=]'))) order by attnum), '[]')
			from pg_catalog.pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped),
		exists (select from pg_catalog.pg_policy p, unnest(polroles) for_role, unnest($2::text[]) r where polrelid = c.oid
			and (for_role = 0 or pg_catalog.pg_has_role(r, for_role, 'USAGE'))),
		array(select r from unnest($2::text[]) r where has_any_column_privilege(r, c.oid, 'select, insert, update') or has_table_privilege(r, c.oid, 'delete')),
		array(select r from unnest($2::text[]) r where has_any_column_privilege(r, c.oid, 'insert')),
		array(select r from unnest($2::text[]) r where has_any_column_privilege(r, c.oid, 'update')),
		relowner in (select oid from pg_catalog.pg_roles where rolname = current_user union select nspowner from pg_catalog.pg_namespace where nspname = 'rowpass'),
		(select coalesce(string_agg(format('grant %s on %I.%I to %s;', what, nspname, relname, who), E'\n' order by who, what), '') from (
			select case grantee when 0 then 'public' else format('%I', pg_catalog.pg_get_userbyid(grantee)) end, string_agg(lower(privilege_type), ', ' order by privilege_type)
				from pg_catalog.aclexplode(relacl) where grantee = 0 or pg_catalog.pg_get_userbyid(grantee) = any ($2::text[]) group by grantee
			union all
			select case grantee when 0 then 'public' else format('%I', pg_catalog.pg_get_userbyid(grantee)) end, lower(privilege_type) || ' (' || string_agg(format('%I', attname), ', ' order by attnum) || ')'
				from pg_catalog.pg_attribute cross join pg_catalog.aclexplode(attacl) where attrelid = c.oid and not attisdropped and (grantee = 0 or pg_catalog.pg_get_userbyid(grantee) = any ($2::text[]))
				group by grantee, privilege_type
		) as given (who, what)),
		exists (select from pg_catalog.aclexplode(relacl) where grantee = 0) or exists (select from pg_catalog.pg_attribute cross join pg_catalog.aclexplode(attacl) where attrelid = c.oid and grantee = 0),
		array(select format('%I', rolname) from pg_catalog.pg_roles r where not rolsuper and rolname <> all ($2::text[]) and case
			when oid = relowner then relforcerowsecurity
			else exists (select from pg_catalog.aclexplode(relacl) where grantee = r.oid)
				or exists (select from pg_catalog.pg_attribute cross join pg_catalog.aclexplode(attacl) where attrelid = c.oid and grantee = r.oid) end
			order by rolname)
	from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
	where nspname = any ($1::text[]) and relkind in ('r', 'p', 'v', 'm', 'f')
	order by nspname, relname`

func (r relation) attrs() []attr {
	var all []attr
	_ = json.Unmarshal(r.Attrs, &all) // as the query made it
	return all
}

// types are the columns with their types.
func (r relation) types() map[string]string {
	types := map[string]string{}
	for _, a := range r.attrs() {
		types[a.Name] = a.Type
	}
	return types
}

func (r relation) isTable() bool { return r.Kind == "r" || r.Kind == "p" }

// quote writes the names of columns as SQL has to have them.
func (r relation) quote(names ...string) string {
	var quoted []string
	for _, a := range r.attrs() {
		if slices.Contains(names, a.Name) {
			quoted = append(quoted, a.Quoted)
		}
	}
	return strings.Join(quoted, ", ")
}

// relationFindings tells of what callers reach without a policy between.
func relationFindings(_ context.Context, e *examination) ([]Finding, error) {
	var findings []Finding
	for _, r := range e.relations {
		if len(r.Reach) == 0 || slices.Contains(e.Tolerated, strings.ReplaceAll(r.Name, `"`, "")) {
			continue
		}
		r.Others = e.others(r)
		if f, found := r.finding(e.asks); found {
			findings = append(findings, f)
		}
	}
	return findings, nil
}

func (r relation) finding(asks askers) (Finding, bool) {
	switch {
	case r.Kind == "v" && !r.Invoker:
		return Finding{
			ID: "view-without-security-invoker", Severity: High, Object: "view " + r.Name,
			Title: fmt.Sprintf("The view %s reads as its owner", r.Name),
			Why: "A view checks policies for its owner, whom they mostly don't hold, and not for who asks. With the mend callers need SELECT on what the view reads, and see of it what policies let them:" +
				" a view that shows more on purpose shows less then. Name that one in database.unprotected instead.",
			Costs: "Callers see the rows of everybody that the view selects.",
			Mend:  fmt.Sprintf("alter view %s set (security_invoker = true);", r.Name),
			Undo:  fmt.Sprintf("alter view %s reset (security_invoker);", r.Name),
		}, true
	case r.Kind == "m":
		return r.closed("materialized-view-reachable", "The materialized view "+r.Name+" has no policies",
			"Materialized views know no row-level security: what they hold was read as their owner."), true
	case r.Kind == "f":
		return r.closed("foreign-table-reachable", "The foreign table "+r.Name+" has no policies",
			"Foreign tables know no row-level security here; the other server sees one login for all callers."), true
	case r.isTable() && r.Partition:
		return r.closed("partition-reachable", "The partition "+r.Name+" can be reached past its parent",
			"A partition that is asked for by its own name does not see its parent's policies. Queries to the parent need no rights on it."), true
	case r.isTable() && !r.RLS:
		return r.withoutRLS(asks), true
	case r.isTable() && !r.Policed:
		return r.withoutPolicies(asks), true
	}
	return Finding{}, false
}

// closed is a finding that is mended by taking the rights of callers.
func (r relation) closed(id, title, why string) Finding {
	return Finding{
		ID: id, Severity: High, Object: r.Name, Title: title, Costs: "Callers see the rows of everybody in it.",
		Why:  why + " The mend closes it to them: what an application shows of it by their SQL fails then. Where all of it is meant for all of them, name it in database.unprotected instead." + r.losing(),
		Mend: r.revoke(), Undo: r.regrant(),
	}
}

func (r relation) revoke() string {
	from := quoteAll(r.Reach)
	if r.Public {
		from = append(from, "public")
	}
	return fmt.Sprintf("revoke all on %s from %s;", r.Name, strings.Join(from, ", "))
}

// regrant gives what callers, and PUBLIC, hold today.
func (r relation) regrant() string { return r.Granted }

// losing says whose right goes as well where PUBLIC holds it.
func (r relation) losing() string {
	if !r.Public {
		return ""
	}
	return " PUBLIC holds it, too: whoever else needs it gets a grant by name first."
}

func (r relation) withoutRLS(asks askers) Finding {
	f := Finding{
		ID: "table-without-rls", Severity: High, Object: r.Name,
		Title: fmt.Sprintf("Callers reach %s, which has no row-level security", r.Name),
		Why:   "Without row-level security a grant is for every row: no policy is asked.",
		Costs: fmt.Sprintf("Each of %s reads, or may change, the rows of everybody.", strings.Join(r.Reach, ", ")),
		Mend:  fmt.Sprintf("alter table %s enable row level security;\n", r.Name),
		Undo:  fmt.Sprintf("alter table %s disable row level security;", r.Name),
	}
	if policy, undo, column := r.guess(asks); policy != "" {
		f.Why += fmt.Sprintf(" Its column %s says whose a row is; look whether the policy below is meant.", column) + r.emptied()
		f.Mend, f.Undo = f.Mend+policy, undo+"\n"+f.Undo
		return f
	}
	f.Why += " No column of it says whose a row is, so it is closed; if everybody may read it, grant select and make a policy for select using (true) instead." + r.emptied() + r.losing()
	f.Mend, f.Undo = f.Mend+r.revoke(), r.regrant()+"\n"+f.Undo
	return f
}

// others are those of a relation but the gateway, which needs none of its own.
func (e *examination) others(r relation) []string {
	return slices.DeleteFunc(slices.Clone(r.Others), func(role string) bool { return role == quoteIdent(e.Gateway) })
}

// emptied names who else reads the table until it has row-level security.
func (r relation) emptied() string {
	if len(r.Others) == 0 && !r.Public {
		return ""
	}
	who := r.Others
	if r.Public {
		who = append(slices.Clone(who), "whoever holds a grant by PUBLIC")
	}
	return fmt.Sprintf(" With row-level security it is empty for %s as well: make a policy to them first, where they need it.", strings.Join(who, ", "))
}

func (r relation) withoutPolicies(asks askers) Finding {
	f := Finding{
		ID: "rls-without-policies", Severity: Medium, Object: r.Name,
		Title: fmt.Sprintf("No policy of %s is for a role of callers", r.Name),
		Why:   "Row-level security without a policy lets nobody but the owner see or write a row, whatever is granted.",
		Costs: "Callers get empty answers and no error.",
	}
	policy, undo, column := r.guess(asks)
	if policy != "" {
		f.Why += fmt.Sprintf(" Its column %s says whose a row is; look whether the policy below is meant.", column)
		f.Mend, f.Undo = policy, undo
		return f
	}
	f.Why += " No column of it says whose a row is: make a policy, or take the grants, as below, so that callers get an error." + r.losing()
	f.Mend, f.Undo = r.revoke(), r.regrant()
	return f
}

// owning are columns that usually say whose a row is, with the functions whose answers they are compared with.
var owning = []struct{ name, uuid, text string }{
	{"tenant_id", "tenant_id", "tenant"},
	{"organization_id", "organization_id", ""}, {"org_id", "organization_id", ""},
	{"user_id", "uid", "user_id"}, {"owner_id", "uid", "user_id"}, {"created_by", "uid", "user_id"},
}

// guess makes a policy of the column that seems to say whose a row is, and the index that it needs.
func (r relation) guess(asks askers) (mend, undo, column string) {
	types := r.types()
	for _, o := range owning {
		value := map[string]string{"uuid": o.uuid, "text": o.text}[types[o.name]]
		if value == "" {
			continue
		}
		name := quoteIdent(r.Plain + "_own")
		to := quoteAll(r.Reach)
		if slices.Contains(to, "authenticated") {
			to = []string{"authenticated"}
		}
		mend = fmt.Sprintf("create policy %s on %s for all to %s using (%s = (select %s)) with check (%[4]s = (select %[5]s));\ncreate index on %[2]s (%[4]s);",
			name, r.Name, strings.Join(to, ", "), o.name, asks.call(value))
		return mend, fmt.Sprintf("drop policy %s on %s;", name, r.Name), o.name
	}
	return "", "", ""
}
