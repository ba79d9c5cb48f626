package db

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Tolerances are the findings of Check that the operator has decided to live with.
type Tolerances struct {
	Unprotected []string // relations, as schema.name, that callers may touch although no policy guards their rows
	OldServer   bool     // a server whose row-level security has published holes
}

// ErrUnsafe is what Check finds: with it, rows of one tenant may reach another.
var ErrUnsafe = errors.New("the database does not keep callers apart")

// Check refuses a database in which a caller could get around the policies: by what the gateway's login or the callers'
// roles are, may become, own or may make, or by a relation that no policy guards. It reports all that it finds, each
// in one sentence with the way out.
func (db *DB) Check(ctx context.Context, t Tolerances) error {
	version, err := db.serverVersion(ctx)
	if err != nil {
		return fmt.Errorf("asking the server for its version: %w", err)
	}
	var findings []string
	if hole := oldServer(version); hole != "" && !t.OldServer {
		findings = append(findings, hole)
	}
	for _, query := range []string{missingParts, dangerousRoles, foreignMemberships, inheritedGrants(version), makingRights, alteredLogin, disarmedGuards} {
		found, err := db.findings(ctx, query, db.about(query)...)
		if err != nil {
			return fmt.Errorf("checking the roles: %w", err)
		}
		findings = append(findings, found...)
	}
	found, err := db.findings(ctx, openRelations, slices.Clip(append([]string{}, t.Unprotected...)))
	if err != nil {
		return fmt.Errorf("checking the tables: %w", err)
	}
	findings = append(findings, found...)
	if len(findings) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n- %s", ErrUnsafe, strings.Join(findings, "\n- "))
}

// about are a query's arguments: the schema of rowpass's functions, for those that look at it.
func (db *DB) about(query string) []any {
	if query == missingParts || query == disarmedGuards {
		return []any{db.schema}
	}
	return nil
}

// findings looks names up in pg_catalog before anything else: a function in schema public whose types fit better than PostgreSQL's own could
// keep its maker's tables out of what is found.
func (db *DB) findings(ctx context.Context, query string, args ...any) (found []string, err error) {
	if query == "" {
		return nil, nil
	}
	err = pgx.BeginFunc(ctx, db.gateway, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local search_path = pg_catalog, pg_temp"); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return found, err
}

func (db *DB) serverVersion(ctx context.Context) (version int, err error) {
	err = db.gateway.QueryRow(ctx, `select current_setting('server_version_num')::int`).Scan(&version)
	return version, err
}

// oldServer names the first minor release of each major whose row-level security has no published hole
// (CVE-2023-2455, -39418, CVE-2024-10976, -10978, CVE-2025-8713).
func oldServer(version int) string {
	sound := map[int]int{15: 14, 16: 10, 17: 6}
	major, minor := version/10000, version%10000
	if major < 15 {
		return fmt.Sprintf("the server is PostgreSQL %d.%d; rowpass needs 15.14 or later", major, minor)
	}
	if minor >= sound[major] {
		return ""
	}
	return fmt.Sprintf("the server is PostgreSQL %d.%d, whose row-level security has published holes; update it to %d.%d, "+
		"or set database.allow_server_with_rls_holes", major, minor, major, sound[major])
}

// reachable is every role that a caller's statement can run as: the login, what callers become, and what any of these is
// a member of, directly or not. It is the beginning of the queries below.
const reachable = `
	with recursive reachable (id, via) as (
		select oid, rolname::text from pg_catalog.pg_roles where rolname in (session_user, 'authenticated', 'anonymous')
		union
		select m.roleid, r.via from pg_catalog.pg_auth_members m join reachable r on r.id = m.member
	)`

// missingParts tells of a database that was not migrated, or whose functions stand in another schema than $1.
const missingParts = `
	with ours as (
		select n.oid, nspname from pg_catalog.pg_proc join pg_catalog.pg_namespace n on n.oid = pronamespace
		where proname = 'session' and pronargs = 0 and prosecdef and prosrc like '%rowpass.seal\_keys%'
	)
	select format('role %s is missing; run rowpass migrate up', name)
	from unnest(array['authenticated', 'anonymous']) name
	where not exists (select from pg_catalog.pg_roles where rolname = name)
	union all
	select coalesce(
		(select format('rowpass''s functions stand in schema %I, and database.auth_schema says %s; set it to %1$s', min(nspname::text), $1::text) from ours where nspname <> $1::text having count(*) > 0),
		format('schema %s is missing or closed to the gateway; run rowpass migrate up', $1::text))
	where not exists (select from ours where nspname = $1::text and has_schema_privilege(oid, 'usage'))`

const dangerousRoles = reachable + `
	select format('role %I %s%s; %s', rolname, fault, case when rolname = via then '' else format(' (and %I is a member of it)', via) end, cure)
	from reachable join pg_catalog.pg_roles on oid = id
	cross join lateral (values
		(rolsuper, 'is a superuser, for whom no policy counts', case when rolname = session_user then 'give database.gateway_url a login of its own, which rowpass migrate makes'
			else format('alter role %I nosuperuser', rolname) end),
		(rolbypassrls, 'bypasses row-level security', format('alter role %I nobypassrls', rolname)),
		(rolcreaterole, 'may make roles and grant them to itself', format('alter role %I nocreaterole', rolname)),
		(rolreplication, 'may read everything by replication', format('alter role %I noreplication', rolname)),
		(rolname like 'pg\_%', 'is predefined, with rights beyond the policies', format('revoke %I from %I', rolname, via)),
		(exists (select from pg_catalog.pg_shdepend where refclassid = 'pg_authid'::regclass and refobjid = id and deptype = 'o'
				and classid <> 'pg_largeobject'::regclass),
			'owns something, and no policy counts for an owner', format('reassign owned by %I to %s', rolname, (select nspowner::regrole from pg_catalog.pg_namespace where nspname = 'rowpass')))
	) as faults (found, fault, cure)
	where found and (not rolsuper or fault like 'is a superuser%') order by 1`

const foreignMemberships = reachable + `
	select distinct format('%I may become %I; revoke %I from whichever of %I, authenticated and anonymous holds it', session_user, rolname, rolname, session_user)
	from reachable join pg_catalog.pg_roles on oid = id
	where rolname not in (session_user, 'authenticated', 'anonymous')
	union all
	select format('%I may not become %I; run rowpass migrate up', session_user, rolname)
	from pg_catalog.pg_roles where rolname in ('authenticated', 'anonymous') and not pg_has_role(session_user, oid, 'MEMBER')
	order by 1`

// inheritedGrants tells of memberships that act without being taken. Up to 15 the member's attribute says so, later
// each membership for itself.
func inheritedGrants(version int) string {
	if version < 160000 {
		return `
			select format('role %I inherits what authenticated may do before it has any claims; alter role %I noinherit', session_user, session_user)
			from pg_catalog.pg_roles where rolname = session_user and rolinherit`
	}
	return `
		select format('the membership of %I in %I %s; grant %I to %I with inherit false, set true', session_user, r.rolname,
			case when inherit_option then 'acts before it is taken' else 'cannot be taken' end, r.rolname, session_user)
		from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on r.oid = m.roleid
		where m.member = (select oid from pg_catalog.pg_roles where rolname = session_user)
		group by r.rolname, inherit_option having bool_or(inherit_option) or not bool_or(set_option)`
}

// callersRoles are the roles that a caller's statement runs as, in a query's FROM; of a superuser enough is said elsewhere.
const callersRoles = `(select oid, rolname from pg_catalog.pg_roles where rolname in (session_user, 'authenticated', 'anonymous') and not rolsuper) r`

// makingRights tells of what lets a caller leave something behind that others then run or read: objects that are found before
// ours, triggers on others' rows, references that tell of them, TRUNCATE, which no policy holds, and settings that switch guards off.
const makingRights = `
	select format('role %1$I may CREATE in %2$s, and what it makes there is found before what you made; revoke create on %2$s from %1$I, public', rolname, place)
	from ` + callersRoles + `
	cross join lateral (
		select format('database %I', current_database()) as place where has_database_privilege(oid, current_database(), 'create')
		union all
		select format('schema %I', nspname) from pg_catalog.pg_namespace n
		where nspname not like 'pg\_%' and has_schema_privilege(r.oid, n.oid, 'create')
	) as places
	union all
	select format('role %I may make temporary objects, which are found before all others; revoke temporary on database %I from public, %1$I', rolname, current_database())
	from ` + callersRoles + ` where has_database_privilege(oid, current_database(), 'temporary')
	union all
	select format('role %1$I holds %2$s on %3$I.%4$I, which no policy restrains; revoke %2$s on %3$I.%4$I from %1$I, public', rolname, privilege, nspname, relname)
	from ` + callersRoles + `
	cross join pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
	cross join unnest(array['truncate', 'references', 'trigger']) privilege
	where relkind in ('r', 'p', 'v', 'm', 'f') and nspname not like 'pg\_%' and nspname <> 'information_schema'
		and has_table_privilege(r.oid, c.oid, privilege)
	union all
	select format('role %1$I may use and set the sequence %2$I.%3$I, which all callers share; revoke all on sequence %2$I.%3$I from %1$I, public', rolname, nspname, relname)
	from ` + callersRoles + `
	cross join pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = relnamespace
	where relkind = 'S' and nspname not like 'pg\_%' and has_sequence_privilege(r.oid, c.oid, 'usage, select, update')
	union all
	select format('role %1$I may set %2$s, which is for the superuser; revoke set on parameter %2$s from %1$I, public', rolname, parname)
	from ` + callersRoles + ` cross join pg_catalog.pg_parameter_acl where has_parameter_privilege(r.oid, parname, 'set')
	union all
	select format('role %I may read pg_statistic, where values of all callers'' rows stand; revoke select on pg_catalog.pg_statistic from %1$I, public', rolname)
	from ` + callersRoles + ` where has_any_column_privilege(oid, 'pg_catalog.pg_statistic', 'select')
	order by 1`

// alteredLogin tells of settings that the login starts with: whoever ran SQL as it may have left them there.
const alteredLogin = `
	select format('role %1$I starts with settings of its own (%2$s), which a caller may have left; alter role %1$I reset all, or run rowpass migrate up', session_user, array_to_string(setconfig, ', '))
	from pg_catalog.pg_db_role_setting where setrole = (select oid from pg_catalog.pg_roles where rolname = session_user)`

// disarmedGuards tells of our triggers that were switched off, and of rules, which run as a table's owner.
const disarmedGuards = `
	select format('the trigger %1$I on %2$s is off; alter table %2$s enable trigger %1$I', tgname, tgrelid::regclass)
	from pg_catalog.pg_trigger
	where tgfoid in (select p.oid from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = pronamespace where nspname = $1::text) and tgenabled not in ('O', 'A')
	union all
	select format('the rule %1$I on %2$s runs as its owner, whom no policy holds; drop rule %1$I on %2$s', rulename, ev_class::regclass)
	from pg_catalog.pg_rewrite join pg_catalog.pg_class c on c.oid = ev_class join pg_catalog.pg_namespace n on n.oid = relnamespace
	where rulename <> '_RETURN' and nspname not like 'pg\_%' and nspname <> 'information_schema'
		and exists (select from ` + callersRoles + ` where has_any_column_privilege(r.oid, c.oid, 'select, insert, update') or has_table_privilege(r.oid, c.oid, 'delete'))
	order by 1`

// openRelations lists what callers may touch without a policy between. A view without security_invoker reads as its
// owner, materialized views and foreign tables have no policies, and a partition does not see its parent's. A schema without USAGE
// is no wall: a view that a caller may read leads into it.
const openRelations = `
	select format('%s %I.%I can be touched by callers and %s; %s, or name it in database.unprotected', kind, nspname, relname, fault, cure)
	from pg_catalog.pg_class c
	join pg_catalog.pg_namespace n on n.oid = relnamespace
	cross join lateral (select
		case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'f' then 'foreign table' else 'table' end,
		case relkind when 'v' then 'reads as its owner' when 'm' then 'has no policies' when 'f' then 'has no policies'
			else case when relrowsecurity then 'is a partition, which does not see its parent''s policies' else 'has no row-level security' end end,
		case when relkind = 'v' then format('alter view %I.%I set (security_invoker)', nspname, relname)
			when relkind in ('r', 'p') and not relrowsecurity then format('alter table %I.%I enable row level security', nspname, relname)
			else format('revoke all on %I.%I from authenticated, anonymous, public', nspname, relname) end
	) as words (kind, fault, cure)
	where nspname not in ('pg_catalog', 'information_schema') and nspname not like 'pg\_toast%' and nspname not like 'pg\_temp%'
		and (relkind in ('m', 'f') or relkind in ('r', 'p') and (not relrowsecurity or relispartition)
			or relkind = 'v' and not coalesce((select bool_or(option_value::boolean) from pg_options_to_table(reloptions)
				where option_name = 'security_invoker'), false))
		and exists (select from ` + callersRoles + `
			where has_any_column_privilege(r.oid, c.oid, 'select, insert, update') or has_table_privilege(r.oid, c.oid, 'delete'))
		and format('%s.%s', nspname, relname) <> all ($1::text[])
	order by 1`
