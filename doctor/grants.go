package doctor

import (
	"context"
	"fmt"
	"strings"
)

// excess is what a role may do beyond policies.
type excess struct {
	Kind    string // table, serial, sequence, place, temporary, parameter or statistics
	Object  string
	On      string   // the object as REVOKE has it
	Rights  []string // in capitals
	Holders []string // quoted where needed
	Table   string   // of a serial, quoted where needed
	Column  string   // of a serial, as it is
}

// excesses asks for $2, the roles and the gateway, in the schemas $1 and in rowpass's, of which $3 is one.
const excesses = `
	with holders as (select oid, rolname from pg_catalog.pg_roles where rolname = any ($2::text[]) and not rolsuper)
	select 'table', format('%I.%I', nspname, relname), format('%I.%I', nspname, relname),
		array_agg(distinct upper(right_)::text), array_agg(distinct format('%I', rolname)), '', ''
	from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
	cross join unnest(array['truncate', 'references', 'trigger'] || case when current_setting('server_version_num')::int >= 170000 then array['maintain'] end) right_
	join holders on case when right_ = 'references' then has_any_column_privilege(holders.oid, c.oid, right_) else has_table_privilege(holders.oid, c.oid, right_) end and holders.oid <> relowner
	where nspname = any ($1::text[]) and relkind in ('r', 'p', 'v', 'm', 'f')
	group by 2
	union all
	select case when s.oid is null then 'sequence' else 'serial' end, format('%I.%I', nspname, c.relname), format('sequence %I.%I', nspname, c.relname),
		array_agg(distinct upper(right_)::text), array_agg(distinct format('%I', rolname)), coalesce(max(s.place), ''), coalesce(max(s.attname::text), '')
	from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
	left join lateral (
		select t.oid, attname, format('%I.%I', tn.nspname, t.relname) as place
		from pg_catalog.pg_depend d join pg_catalog.pg_class t on t.oid = d.refobjid join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
		join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
		where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'a' and a.attnotnull and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
	) s on true
	cross join unnest(array['usage', 'select', 'update']) right_
	join holders on has_sequence_privilege(holders.oid, c.oid, right_) and holders.oid <> c.relowner
	where nspname = any ($1::text[]) and relkind = 'S'
	group by s.oid, nspname, c.relname
	union all
	select 'place', format('schema %I', nspname), format('schema %I', nspname), array['CREATE'], array_agg(distinct format('%I', rolname)), '', ''
	from pg_catalog.pg_namespace n join holders on has_schema_privilege(holders.oid, n.oid, 'create')
	where nspname = any ($1::text[] || array[$3::text, 'rowpass', 'neon_identity'])
	group by nspname
	union all
	select 'place', format('database %I', current_database()), format('database %I', current_database()), array['CREATE'], array_agg(distinct format('%I', rolname)), '', ''
	from holders where has_database_privilege(holders.oid, current_database(), 'create')
	having count(*) > 0
	union all
	select 'temporary', format('database %I', current_database()), format('database %I', current_database()), array['TEMPORARY'], array_agg(distinct format('%I', rolname)), '', ''
	from holders where has_database_privilege(holders.oid, current_database(), 'temporary')
	having count(*) > 0
	union all
	select 'parameter', 'parameter ' || parname, 'parameter ' || parname, array['SET'], array_agg(distinct format('%I', rolname)), '', ''
	from pg_catalog.pg_parameter_acl join holders on has_parameter_privilege(holders.oid, parname, 'set')
	group by parname
	union all
	select 'statistics', 'pg_catalog.pg_statistic', 'pg_catalog.pg_statistic', array['SELECT'], array_agg(distinct format('%I', rolname)), '', ''
	from holders where has_any_column_privilege(holders.oid, 'pg_catalog.pg_statistic', 'select')
	having count(*) > 0
	order by 1, 2`

// everybody are the roles of callers and the login that becomes them.
func (e *examination) everybody() []string {
	all := append([]string{}, e.Roles...)
	if e.Gateway != "" {
		all = append(all, e.Gateway)
	}
	return all
}

// grantFindings tells of rights that no policy restrains.
func grantFindings(ctx context.Context, e *examination) ([]Finding, error) {
	all, err := list[excess](ctx, e.tx, excesses, e.Schemas, e.everybody(), e.schema)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, x := range all {
		findings = append(findings, x.finding())
	}
	closed, err := list[string](ctx, e.tx, `select r from unnest($1::text[]) r where not has_schema_privilege(r, $2, 'usage')`, e.Roles, e.schema)
	for _, role := range closed {
		findings = append(findings, authClosed(role, quoteIdent(e.schema)))
	}
	return findings, err
}

// authClosed tells of a role whose policies fail for want of a right.
func authClosed(role, schema string) Finding {
	return Finding{
		ID: "auth-closed", Severity: Medium, Object: "role " + quoteIdent(role), Title: fmt.Sprintf("%s may not use schema %s", quoteIdent(role), schema),
		Why:   "Policies ask " + schema + ".user_id() and its like as the caller. Without USAGE on their schema SQL that names them fails.",
		Costs: "Callers get permission denied for schema " + schema + ".",
		Mend:  fmt.Sprintf("grant usage on schema %s to %s;", schema, quoteIdent(role)), Undo: fmt.Sprintf("revoke usage on schema %s from %s;", schema, quoteIdent(role)),
	}
}

func (x excess) finding() Finding {
	rights, holders := strings.Join(x.Rights, ", "), strings.Join(x.Holders, ", ")
	f := Finding{
		Severity: Medium, Object: x.Object, Title: fmt.Sprintf("%s holds %s on %s", holders, rights, x.Object),
		Mend: fmt.Sprintf("revoke %s on %s from %s, public;", strings.ToLower(rights), x.On, holders),
		Undo: fmt.Sprintf("grant %s on %s to %s;", strings.ToLower(rights), x.On, holders),
	}
	switch x.Kind {
	case "table":
		f.ID, f.Why = "grant-too-wide", "TRUNCATE and MAINTAIN ask no policy, TRIGGER runs one caller's code on another's rows, and REFERENCES tells which rows exist."
		f.Costs = "A caller with SQL empties the table for everybody, or learns of others' rows."
	case "serial", "sequence":
		f.ID, f.Why = "sequence-grant", "All callers share a sequence: UPDATE sets it back so that others' inserts fail, SELECT and USAGE tell how many rows others add."
		f.Costs = "A caller with SQL stops everybody's inserts, or counts them."
		if x.Kind == "serial" {
			f.Why += " An identity column needs no grant at all, so the mend makes one of the serial column."
			f.Mend, f.Undo = x.identity(), ""
		}
	case "place":
		f.ID, f.Why = "may-create", "What a caller makes is found before what you made, or run by whoever comes across it."
		f.Costs = "A caller with SQL puts a function or table of its own in the way of others."
	case "parameter":
		f.ID, f.Why = "may-set-parameter", "The parameter is for superusers: some switch off triggers, write files or load code."
		f.Costs = "A caller with SQL switches guards off, or worse."
	case "statistics":
		f.ID, f.Why = "may-read-statistics", "PostgreSQL keeps values of everybody's rows there, for the planner. The view pg_stats shows each what it may see."
		f.Costs = "A caller with SQL reads values of others' rows."
	case "temporary":
		f.ID, f.Why = "may-make-temporary", "Temporary tables and types are found before all others, and stay on a connection that the next caller gets."
		f.Costs = "A caller with SQL gives the next one a false table."
	}
	return f
}

// identity makes an identity column of a serial one, which goes on where the sequence was.
func (x excess) identity() string {
	return fmt.Sprintf(nowhere+`alter table %[1]s alter column %[2]s drop default;
drop sequence %[3]s;
alter table %[1]s alter column %[2]s add generated by default as identity;
select setval(pg_get_serial_sequence(%[4]s, %[5]s), coalesce((select max(%[2]s) from %[1]s), 0) + 1, false);`,
		x.Table, quoteIdent(x.Column), x.Object, quoteLiteral(x.Table), quoteLiteral(x.Column))
}
