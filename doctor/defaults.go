package doctor

import (
	"context"
	"fmt"
	"strings"
)

// preset is a default privilege of callers' that goes too far.
type preset struct {
	Maker   string // who makes the objects, quoted where needed
	Schema  string // quoted where needed; "": all
	Kind    string // tables or sequences
	Rights  []string
	Holders []string // quoted where needed
}

// presets lists what callers, $1, or everybody get of what is made later, beyond SELECT, INSERT, UPDATE and DELETE on tables of one schema.
const presets = `
	select format('%I', pg_catalog.pg_get_userbyid(defaclrole)), case when nspname is null then '' else format('%I', nspname) end,
		case defaclobjtype when 'r' then 'tables' else 'sequences' end,
		array_agg(distinct privilege_type), array_agg(distinct case when grantee = 0 then 'public' else format('%I', pg_catalog.pg_get_userbyid(grantee)) end)
	from pg_catalog.pg_default_acl left join pg_catalog.pg_namespace n on n.oid = defaclnamespace
	cross join pg_catalog.aclexplode(defaclacl)
	where defaclobjtype in ('r', 'S') and (grantee = 0 or pg_catalog.pg_get_userbyid(grantee) = any ($1::text[]))
		and (defaclobjtype = 'S' or defaclnamespace = 0 or grantee = 0 or privilege_type <> all (array['SELECT', 'INSERT', 'UPDATE', 'DELETE']))
	group by defaclrole, nspname, defaclobjtype
	order by 1, 2, 3`

// defaultFindings tells of what tables that are made later are born with.
func defaultFindings(ctx context.Context, e *examination) ([]Finding, error) {
	all, err := list[preset](ctx, e.tx, presets, e.everybody())
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, p := range all {
		findings = append(findings, p.finding())
	}
	missing, err := e.missingDefaults(ctx)
	return append(findings, missing...), err
}

func (p preset) finding() Finding {
	in, where := "", "in every schema"
	if p.Schema != "" {
		in, where = " in schema "+p.Schema, "in schema "+p.Schema
	}
	rights, holders := strings.ToLower(strings.Join(p.Rights, ", ")), strings.Join(p.Holders, ", ")
	return Finding{
		ID: "default-privileges-too-wide", Severity: Medium, Object: fmt.Sprintf("default privileges of %s on %s", p.Maker, p.Kind),
		Title: fmt.Sprintf("%s will hold %s on %s that %s makes %s", holders, rights, p.Kind, p.Maker, where),
		Why:   "Default privileges open what somebody makes later and does not think of: a table of keys, a view, a sequence. For callers they belong on tables of one schema, and are SELECT, INSERT, UPDATE and DELETE at most. With the mend a later table elsewhere is granted by name, and a later column is an identity column and no serial one, into which callers couldn't insert.",
		Costs: "A later table is open before its policies are written, or in a way that policies don't restrain.",
		Mend:  fmt.Sprintf("alter default privileges for role %s%s revoke %s on %s from %s;", p.Maker, in, rights, p.Kind, holders),
		Undo:  fmt.Sprintf("alter default privileges for role %s%s grant %s on %s to %s;", p.Maker, in, rights, p.Kind, holders),
	}
}

// missingDefaults tells where tables that the owner makes in schema public are closed to the first role, since nothing says so then but
// an error.
func (e *examination) missingDefaults(ctx context.Context) ([]Finding, error) {
	const query = `
		select n.oid is not null and not exists (select from pg_catalog.pg_default_acl, pg_catalog.aclexplode(defaclacl)
			where defaclobjtype = 'r' and defaclnamespace = n.oid and defaclrole = (select nspowner from pg_catalog.pg_namespace where nspname = 'rowpass')
				and grantee = (select oid from pg_catalog.pg_roles where rolname = $1) and privilege_type = 'SELECT'),
			(select format('%I', pg_catalog.pg_get_userbyid(nspowner)) from pg_catalog.pg_namespace where nspname = 'rowpass')
		from (select 1) one left join pg_catalog.pg_namespace n on nspname = 'public' and nspname = any ($2::text[])`
	var missing bool
	var maker string
	if err := e.tx.QueryRow(ctx, query, e.Roles[0], e.Schemas).Scan(&missing, &maker); err != nil || !missing {
		return nil, err
	}
	roles := strings.Join(quoteAll(e.Roles), ", ")
	const grant = "alter default privileges for role %s in schema public %s select, insert, update, delete on tables %s %s;"
	return []Finding{{
		ID: "default-privileges-missing", Severity: Low, Object: "default privileges of " + maker + " on tables",
		Title: fmt.Sprintf("Tables that %s makes in schema public will be closed to %s", maker, e.Roles[0]),
		Why:   "rowpass migrate gives callers the tables of schema public that are made later, and policies decide about their rows. That was taken back; if it was meant, grant each table by name.",
		Costs: "A new table answers with permission denied until somebody grants it.",
		Mend:  fmt.Sprintf(grant, maker, "grant", "to", roles), Undo: fmt.Sprintf(grant, maker, "revoke", "from", roles),
	}}, nil
}
