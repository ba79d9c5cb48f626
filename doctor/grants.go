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
	Public  bool     // PUBLIC holds one of Rights
	Drawn   bool     // of a sequence: a column's default draws from it
	Options string   // of a serial: what its sequence does otherwise than a new one, as an identity column has it
	Others  string   // of a serial: statements that grant other roles what they hold on the sequence
}

// excesses asks for $2, the roles and the gateway, in the schemas $1 and in rowpass's, of which $3 is one.
const excesses = `
	with holders as (select oid, rolname from pg_catalog.pg_roles where rolname = any ($2::text[]) and not rolsuper)
	select 'table', format('%I.%I', nspname, relname), format('%I.%I', nspname, relname),
		array_agg(distinct upper(right_)::text), array_agg(distinct format('%I', rolname)), '', '',
		bool_or(exists (select from pg_catalog.aclexplode(relacl) where grantee = 0 and privilege_type in ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN'))), false, '', ''
	from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
	cross join unnest(array['truncate', 'references', 'trigger'] || case when current_setting('server_version_num')::int >= 170000 then array['maintain'] end) right_
	join holders on case when right_ = 'references' then has_any_column_privilege(holders.oid, c.oid, right_) else has_table_privilege(holders.oid, c.oid, right_) end and holders.oid <> relowner
	where nspname = any ($1::text[]) and relkind in ('r', 'p', 'v', 'm', 'f')
	group by 2
	union all
	select case when s.oid is null then 'sequence' else 'serial' end, format('%I.%I', nspname, c.relname), format('sequence %I.%I', nspname, c.relname),
		array_agg(distinct upper(right_)::text), array_agg(distinct format('%I', rolname)), coalesce(max(s.place), ''), coalesce(max(s.attname::text), ''),
		bool_or(exists (select from pg_catalog.aclexplode(c.relacl) where grantee = 0)),
		exists (select from pg_catalog.pg_depend where classid = 'pg_catalog.pg_attrdef'::regclass and refclassid = 'pg_catalog.pg_class'::regclass and refobjid = c.oid),
		case when seqincrement <> 1 or seqmin <> 1 or seqcache <> 1 then format(' increment by %s minvalue %s cache %s', seqincrement, seqmin, seqcache) else '' end,
		max((select coalesce(string_agg(format('grant %s on sequence %I.%I to %s;', rights, nspname, c.relname, who), E'\n' order by who), '') from (
			select format('%I', pg_catalog.pg_get_userbyid(grantee)), string_agg(lower(privilege_type), ', ' order by privilege_type)
			from pg_catalog.aclexplode(c.relacl) where grantee <> 0 and grantee <> c.relowner and pg_catalog.pg_get_userbyid(grantee) <> all ($2::text[]) group by grantee) as given (who, rights)))
	from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace join pg_catalog.pg_sequence on seqrelid = c.oid
	left join lateral (
		select t.oid, attname, format('%I.%I', tn.nspname, t.relname) as place
		from pg_catalog.pg_depend d join pg_catalog.pg_class t on t.oid = d.refobjid join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
		join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
		join pg_catalog.pg_attrdef f on f.adrelid = t.oid and f.adnum = a.attnum and pg_catalog.pg_get_expr(adbin, adrelid) ~ '^nextval\(''.*''::regclass\)$'
		where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'a' and a.attnotnull and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
			and seqincrement > 0 and not seqcycle and array[f.oid] = array(select objid from pg_catalog.pg_depend where classid = 'pg_catalog.pg_attrdef'::regclass and refclassid = 'pg_catalog.pg_class'::regclass and refobjid = c.oid)
	) s on true
	cross join unnest(array['usage', 'select', 'update']) right_
	join holders on has_sequence_privilege(holders.oid, c.oid, right_) and holders.oid <> c.relowner
	where nspname = any ($1::text[]) and relkind = 'S'
	group by s.oid, nspname, c.oid, c.relname, seqincrement, seqmin, seqcache
	union all
	select 'place', format('schema %I', nspname), format('schema %I', nspname), array['CREATE'], array_agg(distinct format('%I', rolname)), '', '', bool_or(exists (select from pg_catalog.aclexplode(nspacl) where grantee = 0 and privilege_type = 'CREATE')), false, '', ''
	from pg_catalog.pg_namespace n join holders on has_schema_privilege(holders.oid, n.oid, 'create')
	where nspname = any ($1::text[] || array[$3::text, 'rowpass', 'neon_identity'])
	group by nspname
	union all
	select 'place', format('database %I', current_database()), format('database %I', current_database()), array['CREATE'], array_agg(distinct format('%I', rolname)), '', '', exists (select from pg_catalog.aclexplode((select coalesce(datacl, pg_catalog.acldefault('d', datdba)) from pg_catalog.pg_database where datname = current_database())) where grantee = 0 and privilege_type = 'CREATE'), false, '', ''
	from holders where has_database_privilege(holders.oid, current_database(), 'create')
	having count(*) > 0
	union all
	select 'temporary', format('database %I', current_database()), format('database %I', current_database()), array['TEMPORARY'], array_agg(distinct format('%I', rolname)), '', '', exists (select from pg_catalog.aclexplode((select coalesce(datacl, pg_catalog.acldefault('d', datdba)) from pg_catalog.pg_database where datname = current_database())) where grantee = 0 and privilege_type = 'TEMPORARY'), false, '', ''
	from holders where has_database_privilege(holders.oid, current_database(), 'temporary')
	having count(*) > 0
	union all
	select 'parameter', 'parameter ' || parname, 'parameter ' || parname, array['SET'], array_agg(distinct format('%I', rolname)), '', '', bool_or(exists (select from pg_catalog.aclexplode(paracl) where grantee = 0 and privilege_type = 'SET')), false, '', ''
	from pg_catalog.pg_parameter_acl join holders on has_parameter_privilege(holders.oid, parname, 'set')
	group by parname
	union all
	select 'statistics', 'pg_catalog.pg_statistic', 'pg_catalog.pg_statistic', array['SELECT'], array_agg(distinct format('%I', rolname)), '', '', exists (select from pg_catalog.aclexplode((select relacl from pg_catalog.pg_class where oid = 'pg_catalog.pg_statistic'::regclass)) where grantee = 0 and privilege_type = 'SELECT'), false, '', ''
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
	f.ID, f.Why, f.Costs = x.about()
	if x.Public {
		f.Why += " PUBLIC holds it, so the mend takes it from every other role as well: whoever needs it gets a grant by name first."
		if len(x.Rights) == 1 {
			f.Undo = fmt.Sprintf("grant %s on %s to public;", strings.ToLower(rights), x.On)
		}
	}
	switch {
	case x.Kind == "serial":
		f.Why += " An identity column needs no grant at all, so the mend makes one of the serial column, which goes on with the sequence's name and next number."
		f.Mend, f.Undo = x.identity(), ""
	case x.Drawn:
		f.Why += " But a column's default draws from it, so without the grant callers' inserts fail and no SQL is offered: make the column an identity column, which needs no grant, or let a trigger before INSERT that is SECURITY DEFINER set it."
		f.Mend, f.Undo = "", ""
	case x.Kind == "sequence":
		f.Why += " Statements of callers that ask nextval of it fail with the mend."
	}
	return f
}

// about is the finding's ID, with why it is one and what it costs.
func (x excess) about() (id, why, costs string) {
	switch x.Kind {
	case "table":
		return "grant-too-wide", "TRUNCATE and MAINTAIN ask no policy, TRIGGER runs one caller's code on another's rows, and REFERENCES tells which rows exist.",
			"A caller with SQL empties the table for everybody, or learns of others' rows."
	case "place":
		return "may-create", "What a caller makes is found before what you made, or run by whoever comes across it.",
			"A caller with SQL puts a function or table of its own in the way of others."
	case "parameter":
		return "may-set-parameter", "The parameter is for superusers: some switch off triggers, write files or load code.",
			"A caller with SQL switches guards off, or worse."
	case "statistics":
		return "may-read-statistics", "PostgreSQL keeps values of everybody's rows there, for the planner. The view pg_stats shows each what it may see.",
			"A caller with SQL reads values of others' rows."
	case "temporary":
		return "may-make-temporary", "Temporary tables and types are found before all others, and stay on a connection that the next caller gets.",
			"A caller with SQL gives the next one a false table."
	}
	return "sequence-grant", "All callers share a sequence: UPDATE sets it back so that others' inserts fail, SELECT and USAGE tell how many rows others add.",
		"A caller with SQL stops everybody's inserts, or counts them."
}

// identity makes an identity column of a serial one. It keeps the sequence's name, its next number and what others than callers hold on it;
// what default privileges give callers of it goes.
func (x excess) identity() string {
	return nowhere + "do " + quoteBody(fmt.Sprintf(`declare
	drawn bigint;
begin
	alter table %[1]s alter column %[2]s drop default;
	drawn := pg_catalog.nextval(%[4]s);
	drop sequence %[3]s;
	alter table %[1]s alter column %[2]s add generated by default as identity (sequence name %[3]s%[5]s);
	perform pg_catalog.setval(%[4]s, drawn, false);
	revoke all on sequence %[3]s from %[6]s, public;
%[7]send`, x.Table, quoteIdent(x.Column), x.Object, quoteLiteral(x.Object), x.Options, strings.Join(x.Holders, ", "), indented(x.Others))) + ";"
}

// indented are lines of a block.
func indented(lines string) string {
	if lines == "" {
		return ""
	}
	return "\t" + strings.ReplaceAll(lines, "\n", "\n\t") + "\n"
}
