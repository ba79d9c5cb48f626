package doctor

import (
	"context"
	"fmt"
)

// fault is what makes a role dangerous, with what mends it.
type fault struct{ Role, What, Via, Mend, Undo string }

// faults looks at the roles $1 and at all that they can become. The login that stands for them is $2.
const faults = `
	with recursive reachable (id, via) as (
		select oid, rolname::text from pg_catalog.pg_roles where rolname = any ($1::text[])
		union
		select m.roleid, r.via from pg_catalog.pg_auth_members m join reachable r on r.id = m.member
			where pg_catalog.pg_get_userbyid(r.id) not like 'pg\_%'
	)
	select rolname::text, what, min(case when rolname = via then '' else via end), mend, undo
	from reachable join pg_catalog.pg_roles on oid = id
	cross join lateral (values
		(rolsuper, 'is a superuser', format('alter role %I nosuperuser;', rolname), ''),
		(rolbypassrls, 'bypasses row-level security', format('alter role %I nobypassrls;', rolname), ''),
		(rolcreaterole, 'may make roles and grant them to itself', format('alter role %I nocreaterole;', rolname), ''),
		(rolreplication, 'may read everything by replication', format('alter role %I noreplication;', rolname), ''),
		(rolname like 'pg\_%', 'is predefined, with rights beyond policies', format('revoke %I from %I;', rolname, via), format('grant %I to %I;', rolname, via)),
		(exists (select from pg_catalog.pg_shdepend where refclassid = 'pg_catalog.pg_authid'::regclass and refobjid = id and deptype = 'o'
				and dbid in (0, (select oid from pg_catalog.pg_database where datname = current_database())) and classid <> 'pg_catalog.pg_largeobject'::regclass),
			'owns something, and no policy counts for an owner',
			format('reassign owned by %I to %I;', rolname, (select pg_catalog.pg_get_userbyid(nspowner) from pg_catalog.pg_namespace where nspname = 'rowpass')), '')
	) as f (found, what, mend, undo)
	where found and (not rolsuper or what = 'is a superuser')
	group by 1, 2, 4, 5
	order by 1, 2`

// roleFindings tells of roles that policies don't hold although callers' statements run as them.
func roleFindings(ctx context.Context, e *examination) ([]Finding, error) {
	all, err := list[fault](ctx, e.tx, faults, e.everybody())
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, f := range all {
		findings = append(findings, f.finding(e.owner))
	}
	if e.Gateway == "" {
		return findings, nil
	}
	for _, find := range []func(context.Context, *examination) ([]Finding, error){foreignMemberships, inheritance, alterations} {
		found, err := find(ctx, e)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

func (f fault) finding(owner string) Finding {
	via := ""
	if f.Via != "" {
		via = fmt.Sprintf(", and %s is a member of it", quoteIdent(f.Via))
	}
	found := Finding{
		ID: "role-bypasses", Severity: High, Object: "role " + quoteIdent(f.Role),
		Title: fmt.Sprintf("The role %s %s%s", quoteIdent(f.Role), f.What, via),
		Why:   "Callers' statements run as this role, or can leave for it. Policies must hold for every such role. Where other programs use it, too, they lose what the mend takes: give database.gateway_url a login of its own instead.",
		Costs: "One hole in one statement, and a caller has the rows of everybody.",
		Mend:  f.Mend, Undo: f.Undo,
	}
	if f.Role == owner {
		found.Mend, found.Why = "", found.Why+" It is the owner: give database.gateway_url a login of its own, which rowpass migrate makes."
	}
	return found
}

// foreignMemberships tells of what else the gateway may become.
func foreignMemberships(ctx context.Context, e *examination) ([]Finding, error) {
	const query = `
		select format('%I', r.rolname), format('%I', m.rolname)
		from pg_catalog.pg_auth_members a join pg_catalog.pg_roles r on r.oid = a.roleid join pg_catalog.pg_roles m on m.oid = a.member
		where m.rolname = any ($1::text[]) and r.rolname <> all ($2::text[]) and r.rolname not like 'pg\_%'
		order by 1, 2`
	all, err := list[struct{ Role, Member string }](ctx, e.tx, query, e.everybody(), e.Roles)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, m := range all {
		findings = append(findings, Finding{
			ID: "foreign-membership", Severity: High, Object: "role " + m.Member,
			Title: fmt.Sprintf("%s may become %s", m.Member, m.Role),
			Why:   "A caller that leaves its role can become whatever the login can. It should be able to become the roles of callers and nothing else. Where another program becomes it by this login, give database.gateway_url one of its own instead.",
			Costs: "What that role may do, a caller with a hole to go through may do.",
			Mend:  fmt.Sprintf("revoke %s from %s;", m.Role, m.Member), Undo: fmt.Sprintf("grant %s to %s;", m.Role, m.Member),
		})
	}
	return findings, nil
}

// inheritance tells of a gateway that has callers' rights before it has become one. Up to 15 the login's attribute says so, later
// each membership for itself.
func inheritance(ctx context.Context, e *examination) ([]Finding, error) {
	query := `select format('alter role %I noinherit;', rolname), format('alter role %I inherit;', rolname) from pg_catalog.pg_roles where rolname = $1 and rolinherit and cardinality($2::text[]) > 0`
	if e.version >= 160000 {
		query = `
			select coalesce(string_agg(distinct format('grant %I to %I with inherit false, set true;', r.rolname, $1::text), E'\n'), ''), ''
			from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.roleid
			where m.member = (select oid from pg_catalog.pg_roles where rolname = $1::text) and inherit_option and r.rolname = any ($2::text[])
			having count(*) > 0`
	}
	all, err := list[struct{ Mend, Undo string }](ctx, e.tx, query, e.Gateway, e.Roles)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, m := range all {
		findings = append(findings, Finding{
			ID: "gateway-inherits", Severity: Medium, Object: "role " + quoteIdent(e.Gateway),
			Title: fmt.Sprintf("%s has the rights of callers without becoming one", quoteIdent(e.Gateway)),
			Why:   "What runs as the login itself, before or after a request, should have no rights. Then a mistake is an error and no answer.",
			Costs: "A statement that has lost its role still reads tables.",
			Mend:  m.Mend, Undo: m.Undo,
		})
	}
	return findings, nil
}

// alterations tells of settings that the gateway's login starts with.
func alterations(ctx context.Context, e *examination) ([]Finding, error) {
	const query = `
		select format('alter role %I%s reset all;', $1::text, case when d.oid is null then '' else format(' in database %I', datname) end), (select string_agg(split_part(s, '=', 1), ', ') from unnest(setconfig) s)
		from pg_catalog.pg_db_role_setting left join pg_catalog.pg_database d on d.oid = setdatabase
		where setrole = (select oid from pg_catalog.pg_roles where rolname = $1::text) and (setdatabase = 0 or datname = current_database())
		order by 1`
	all, err := list[struct{ Mend, Settings string }](ctx, e.tx, query, e.Gateway)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, m := range all {
		findings = append(findings, Finding{
			ID: "gateway-altered", Severity: High, Object: "role " + quoteIdent(e.Gateway),
			Title: fmt.Sprintf("%s starts with its own %s", quoteIdent(e.Gateway), m.Settings),
			Why:   "A caller that has left its role may alter the login that all share, and these settings are how. rowpass sets what it needs in each request.",
			Costs: "Later requests run under what somebody else has chosen.",
			Mend:  m.Mend,
		})
	}
	return findings, nil
}
