package statement_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"rowpass/statement"
)

// everywhere are the places of a statement in which an expression may stand; %s is the expression.
var everywhere = []string{
	`select %s`, `select 1 where %s is null`, `select 1 from todos group by %s`, `select 1 from todos group by id having %s is null`,
	`select 1 order by %s`, `select 1 limit (select %s)::int`, `select 1 offset (%s)::text::int`, `select distinct on (%s) 1`,
	`values (%s)`, `select * from (values (1, %s)) v`, `select (select %s)`, `select exists (select %s)`, `select 1 in (select %s)`, `select 1 = any (array[%s])`,
	`with a as (select %s) select 1`, `with recursive a as (select 1 union all select %s from a) select 1`, `with a as materialized (values (%s)) select 1`,
	`select * from todos t join users u on %s is null`, `select * from todos, lateral (select %s) x`, `select 1 union select %s`, `(select %s) except select 1`,
	`insert into todos (task) values (%s)`, `insert into todos (task) select %s`, `insert into todos (task) values ('a') returning %s`,
	`insert into todos (task) values ('a') on conflict (id) where %s is null do nothing`, `insert into todos (task) values ('a') on conflict ((%s)) do nothing`,
	`insert into todos (task) values ('a') on conflict (id) do update set task = %s`, `insert into todos (task) values ('a') on conflict (id) do update set task = 'a' where %s is null`,
	`with a as (insert into todos (task) values (%s) returning 1) select 1`, `update todos set task = %s`, `update todos set (task, id) = (%s, 1)`, `update todos set task = 'a' from (select %s) x`,
	`update todos set task = 'a' where %s is null`, `update todos set task = 'a' returning %s`, `update users set settings[%s] = '1'`, `delete from todos where %s is null`, `delete from todos using (select %s) x`, `delete from todos returning %s`,
	`merge into todos t using (select %s) s on true when matched then do nothing`, `merge into todos t using users s on %s is null when matched then do nothing`, `merge into todos t using users s on true when matched and %s is null then do nothing`,
	`merge into todos t using users s on true when matched then update set task = %s`, `merge into todos t using users s on true when not matched then insert (task) values (%s)`, `merge into todos t using users s on true when matched then delete returning %s`,
	`select lower(%s)`, `select lower(upper(%s))`, `select count(*) filter (where %s is null)`, `select sum(1) over (partition by %s)`, `select sum(1) over (order by %s)`, `select sum(1) over w from todos window w as (order by %s)`,
	`select sum(1) over (rows between %s preceding and current row)`, `select string_agg(task, %s) from todos`, `select string_agg(task, ',' order by %s) from todos`, `select percentile_cont(%s) within group (order by 1)`, `select percentile_cont(0.5) within group (order by %s)`,
	`select make_interval(days => %s)`, `select concat(variadic array[%s])`, `select case when %s is null then 1 end`, `select case %s when 1 then 1 end`, `select case when true then %s end`, `select case when true then 1 else %s end`,
	`select coalesce(1, %s)`, `select nullif(%s, 1)`, `select greatest(%s, 1)`, `select row(1, %s)`, `select (1, %s) = (1, 2)`, `select array[1, %s]`, `select (array[1])[%s]`, `select (array[1])[1:%s]`, `select (%s)::text`, `select cast(%s as text)`, `select %s collate "C"`, `select %s is distinct from 1`,
	`select 1 between %s and 2`, `select 'a' like %s escape 'b'`, `select 'a' like 'b' escape %s`, `select %s at time zone 'utc'`, `select now() at time zone %s`, `select %s is null`, `select (%s) is true`, `select not %s`, `select - %s`, `select 1 + %s`, `select 1 operator(pg_catalog.+) %s`, `select extract(year from %s)`, `select position(%s in 'a')`, `select substring('a' from %s)`, `select trim(%s from 'a')`, `select overlay('a' placing %s from 1)`,
	`select * from generate_series(1, %s)`, `select * from rows from (generate_series(1, %s)) with ordinality`, `select * from todos tablesample system (%s)`, `select * from todos tablesample system (1) repeatable (%s)`, `select * from unnest(array[%s]) with ordinality`,
	`select xmlelement(name a, %s)`, `select xmlelement(name a, xmlattributes(%s as b))`, `select xmlforest(%s as a)`, `select xmlparse(content %s)`, `select xmlserialize(content %s as text)`, `select xmlpi(name a, %s)`, `select %s is document`, `select xmlroot(%s, version '1.0')`,
	`select * from xmltable('/a' passing (%s) columns a int path '.')`, `select * from xmltable(%s passing ('a') columns a int)`, `select * from xmltable('/a' passing ('a') columns a int path '.' default %s)`, `select * from xmltable('/a' passing ('a') columns a int path %s)`, `select * from xmltable(xmlnamespaces(%s as x), '/a' passing ('a') columns a int)`,
	`select json_object('a': %s)`, `select json_object(%s: 1)`, `select json_array(1, %s)`, `select json_array(select %s)`, `select json_arrayagg(%s)`, `select json_arrayagg(1 order by %s)`, `select json_objectagg('a': %s)`, `select json_arrayagg(1) filter (where %s is null)`, `select %s is json`, `select json(%s)`, `select json_scalar(%s)`, `select json_serialize(%s)`,
	`select json_value(%s, '$')`, `select json_value('{}', '$' passing %s as x)`, `select json_value('{}', '$' default %s on error)`, `select json_query(%s, '$')`, `select json_exists(%s, '$')`, `select json_value('{}', %s)`, `select * from json_table(%s, '$' columns (a int))`, `select * from json_table('{}', '$' passing %s as x columns (a int))`, `select * from json_table('{}', '$' columns (a int default %s on empty))`, `select * from json_table('{}', '$' columns (nested path '$.a' columns (a int default %s on error)))`,
	`explain (costs off) select %s`, `explain (costs off) update todos set task = %s`,
}

func TestABadFunctionIsRefusedWhereverItStands(t *testing.T) {
	check := newCheckerFor(t, &statement.Rules{Kinds: statement.Kinds()[:7]})
	for _, place := range everywhere {
		if err := check(fmt.Sprintf(place, "1")); err != nil && !strings.Contains(place, "update users set settings[") {
			t.Errorf("%s of a constant is refused: %s", place, describe(err))
		}
		for _, expression := range []string{`set_config('a', 'b', false)`, `(7::bigint).pg_advisory_lock`, `todos.ts_stat`} {
			sql := fmt.Sprintf(place, expression)
			wantRefusal(t, check(sql), sql, "42501", "permission denied for function "+regexp.MustCompile(`[a-z]+_[a-z_]+`).FindString(expression))
		}
		sql := fmt.Sprintf(place, `(select 1 from pg_settings)`)
		wantRefusal(t, check(sql), sql, "42501", "permission denied for relation pg_settings")
	}
}

// attempts are what got somewhere against a server without this check, or might; each with what refuses it.
var attempts = []struct{ what, sql, code, message string }{
	// How a name is written
	{"plain", `select set_config('role', 'none', true)`, "42501", "function set_config"},
	{"capitals", `select SET_Config('role', 'none', true)`, "42501", "function set_config"},
	{"quotes", `select "set_config"('role', 'none', true)`, "42501", "function set_config"},
	{"a schema", `select pg_catalog.set_config('role', 'none', true)`, "42501", "function pg_catalog.set_config"},
	{"a database", `select app.pg_catalog.set_config('role', 'none', true)`, "42501", "function app.pg_catalog.set_config"},
	{"quoted schema and capitals", `select "pg_catalog".SET_CONFIG('role', 'none', true)`, "42501", "function pg_catalog.set_config"},
	{"Unicode escapes", `select U&"set\005fconfig"('role', 'none', true)`, "42501", "function set_config"},
	{"Unicode escapes of six digits", `select U&"\+000073et_config"('role', 'none', true)`, "42501", "function set_config"},
	{"Unicode escapes of another sign", `select U&"set!005fconfig" uescape '!' ('role', 'none', true)`, "42501", "function set_config"},
	{"comments within", "select set_config/* a */ -- b\n ('role', 'none', true)", "42501", "function set_config"},
	{"comments between the parts", "select pg_catalog /**/ . /**/ set_config('role', 'none', true)", "42501", "function pg_catalog.set_config"},
	{"a name that PostgreSQL cuts off", `select pg_advisory_lock` + strings.Repeat("x", 60) + `(1)`, "42501", "function pg_advisory_lockxxx"},
	{"rows from", `select * from rows from (set_config('role', 'none', true)) with ordinality`, "42501", "function set_config"},
	{"rows from with columns", `select * from rows from (query_to_xml('select 1', true, true, '') as (a int))`, "42501", "function query_to_xml"},
	{"lateral", `select * from todos, lateral set_config('role', 'none', true)`, "42501", "function set_config"},
	{"as a window function", `select set_config('role', 'none', true) over ()`, "42501", "function set_config"},
	{"as an aggregate", `select set_config('role', 'none', true order by 1) filter (where true)`, "42501", "function set_config"},
	{"within group", `select set_config('role') within group (order by 1)`, "42501", "function set_config"},
	{"variadic", `select set_config(variadic array['role', 'none', 'true'])`, "42501", "function set_config"},
	{"named arguments", `select set_config(setting_name => 'role', new_value => 'none', is_local => true)`, "42501", "function set_config"},
	{"no arguments", `select pg_advisory_unlock_all()`, "42501", "function pg_advisory_unlock_all"},
	{"a good name in another schema", `select evil.lower('a')`, "42501", "function evil.lower"},
	{"a good name in public", `select public.now()`, "42501", "function public.now"},
	{"one of ours without its schema", `select user_id()`, "42501", "function user_id"},
	{"one of ours that isn't for callers", `select auth.impersonate('{}')`, "42501", "function auth.impersonate"},
	{"an unknown function", `select my_function(1)`, "42501", "function my_function"},
	{"an extension's", `select similarity('a', 'b')`, "42501", "function similarity"},
	{"sampling by an unknown method", `select * from todos tablesample system_rows (1)`, "42501", "function system_rows"},
	{"sampling by a bad name", `select * from todos tablesample pg_catalog.pg_sleep (1)`, "42501", "function pg_sleep"},

	// Attributes
	{"a constant's attribute", `select ($$select to_tsvector('simple', set_config('role','none',true))$$::text).ts_stat`, "42501", "function ts_stat"},
	{"a column's attribute", `select x.ts_stat from unnest(array['select 1']) x`, "42501", "function ts_stat"},
	{"a parameter's", `select ($1::text).ts_stat`, "42501", "function ts_stat"},
	{"a parameter's without brackets", `select $1.ts_stat`, "42501", "function ts_stat"},
	{"a number's", `select ((-1)).lo_creat`, "42501", "function lo_creat"},
	{"a sub-select's", `select (select 999999).pg_terminate_backend`, "42501", "function pg_terminate_backend"},
	{"a function's", `select (lower('a')).ts_stat`, "42501", "function ts_stat"},
	{"a row's", `select (row('a')).ts_stat`, "42501", "function ts_stat"},
	{"an array element's", `select (array['a'])[1].ts_stat`, "42501", "function ts_stat"},
	{"an attribute's attribute", `select ((t).task).ts_stat from todos t`, "42501", "function ts_stat"},
	{"one of several", `select (t).task.ts_stat from todos t`, "42501", "function ts_stat"},
	{"before a star", `select ((t).ts_stat).* from todos t`, "42501", "function ts_stat"},
	{"of a table in a schema", `select public.todos.pg_sleep from public.todos`, "42501", "function pg_sleep"},
	{"of a table in a database's schema", `select app.public.todos.pg_sleep from public.todos`, "42501", "function pg_sleep"},
	{"with quotes", `select x."pg_sleep" from generate_series(0, 0) x`, "42501", "function pg_sleep"},
	{"with capitals", `select x.PG_SLEEP from generate_series(0, 0) x`, "42501", "function pg_sleep"},
	{"with Unicode escapes", `select x.U&"pg\005fsleep" from generate_series(0, 0) x`, "42501", "function pg_sleep"},
	{"with a letter that Turkish folds", `select x.pg_termİnate_backend from generate_series(0, 0) x`, "42501", "function pg_termİnate_backend"},
	{"with a letter that Turkish folds, in a name without pg", `select x.lo_unlİnk from generate_series(0, 0) x`, "42501", "function lo_unlİnk"},
	{"with comments", "select x./* */pg_sleep from generate_series(0, 0) x", "42501", "function pg_sleep"},
	{"of what ON CONFLICT excludes", `insert into todos (task) values ('a') on conflict (id) do update set task = excluded.ts_stat`, "42501", "function ts_stat"},
	{"in a name of newer versions", `select x.pg_unheard_of from generate_series(0, 0) x`, "42501", "function pg_unheard_of"},
	{"of a setting", `select ('role'::text).current_setting`, "42501", "function current_setting"},
	{"of an extension", `select ('delete from todos'::text).dblink_exec`, "42501", "function dblink_exec"},
	{"of a sequence", `select ('todos_id_seq'::regclass).nextval`, "42501", "function nextval"},

	// Settings
	{"somebody's setting", `select current_setting('rowpass.secret')`, "42501", "function current_setting"},
	{"a setting with a good cast", `select current_setting('data_directory'::text, true)`, "42501", "function current_setting"},
	{"a setting that isn't constant", `select current_setting('request.' || 'x')`, "42501", "function current_setting"},
	{"a setting by a sub-select", `select current_setting((select name from pg_roles))`, "42501", "function current_setting"},
	{"a setting by its parameter's name", `select current_setting(setting_name => 'data_directory')`, "42501", "function current_setting"},
	{"a setting by a parameter", `select current_setting($1)`, "42501", "function current_setting"},
	{"no setting", `select current_setting()`, "42501", "function current_setting"},
	{"the rule of pg_settings", `update pg_settings set setting = 'off' where name = 'standard_conforming_strings'`, "42501", "relation pg_settings"},

	// Text that runs
	{"two-argument ts_rewrite", `select ts_rewrite('a'::tsquery, 'select 1')`, "42501", "function ts_rewrite"},
	{"ts_rewrite by variadic", `select ts_rewrite('a', 'b', variadic array['c'])`, "42501", "function ts_rewrite"},
	{"ts_rewrite of three elsewhere", `select public.ts_rewrite('a', 'b', 'c')`, "42501", "function public.ts_rewrite"},
	{"crosstab", `select * from crosstab('select 1') as x (a int)`, "42501", "function crosstab"},
	{"dblink", `select * from dblink('', 'select 1') as x (a int)`, "42501", "function dblink"},
	{"the whole database", `select database_to_xml(true, true, '')`, "42501", "function database_to_xml"},

	// Relations
	{"settings", `select * from pg_settings`, "42501", "relation pg_settings"},
	{"settings, quoted", `select * from "pg_settings"`, "42501", "relation pg_settings"},
	{"settings, in capitals", `select * from PG_SETTINGS s`, "42501", "relation pg_settings"},
	{"settings by Unicode escapes", `select * from U&"pg\005fsettings"`, "42501", "relation pg_settings"},
	{"settings of a schema", `select * from pg_catalog.pg_settings`, "42501", "relation pg_catalog.pg_settings"},
	{"settings of a database", `select * from app.pg_catalog.pg_settings`, "42501", "relation pg_catalog.pg_settings"},
	{"settings of Turkish", `select * from pg_settİngs`, "42501", "relation pg_settİngs"},
	{"settings only", `select * from only (pg_settings)`, "42501", "relation pg_settings"},
	{"table settings", `table pg_settings`, "42501", "relation pg_settings"},
	{"settings as a join", `select * from todos natural join pg_settings`, "42501", "relation pg_settings"},
	{"settings sampled", `select * from pg_settings tablesample system (1)`, "42501", "relation pg_settings"},
	{"settings that an UPDATE reads", `update todos set task = setting from pg_settings`, "42501", "relation pg_settings"},
	{"settings that a DELETE reads", `delete from todos using pg_settings`, "42501", "relation pg_settings"},
	{"settings that a MERGE reads", `merge into todos using pg_settings on true when matched then delete`, "42501", "relation pg_settings"},
	{"others' statements", `select query from pg_stat_activity`, "42501", "relation pg_stat_activity"},
	{"counts of rows", `select n_live_tup from pg_stat_user_tables`, "42501", "relation pg_stat_user_tables"},
	{"input and output", `select * from pg_statio_user_tables`, "42501", "relation pg_statio_user_tables"},
	{"statements of all", `select * from public.pg_stat_statements`, "42501", "relation public.pg_stat_statements"},
	{"prepared statements", `select * from pg_prepared_statements`, "42501", "relation pg_prepared_statements"},
	{"cursors", `select * from pg_cursors`, "42501", "relation pg_cursors"}, {"locks", `select * from pg_locks`, "42501", "relation pg_locks"},
	{"prepared transactions", `select * from pg_prepared_xacts`, "42501", "relation pg_prepared_xacts"}, {"sequences", `select * from pg_sequences`, "42501", "relation pg_sequences"},
	{"large objects", `select * from pg_largeobject_metadata`, "42501", "relation pg_largeobject_metadata"}, {"replication", `select * from pg_replication_slots`, "42501", "relation pg_replication_slots"},
	{"files", `select * from pg_hba_file_rules`, "42501", "relation pg_hba_file_rules"}, {"memory", `select * from pg_shmem_allocations`, "42501", "relation pg_shmem_allocations"},
	{"a temporary table", `select * from pg_temp.todos`, "42501", "relation pg_temp.todos"}, {"a toast table", `select * from pg_toast.pg_toast_1255`, "42501", "relation pg_toast.pg_toast_1255"},
	{"writing to the catalogue", `insert into pg_catalog.pg_class values (1)`, "42501", "relation pg_catalog.pg_class"}, {"unqualified", `delete from pg_class`, "42501", "relation pg_class"},
	{"to the information schema", `update information_schema.sql_features set comments = ''`, "42501", "relation information_schema.sql_features"},
	{"to a temporary table", `insert into pg_temp.todos values (1)`, "42501", "relation pg_temp.todos"}, {"by MERGE", `merge into pg_class using todos on true when matched then delete`, "42501", "relation pg_class"},
	{"in a CTE", `with a as (update pg_settings set setting = 'a' returning 1) select 1`, "42501", "relation pg_settings"}, {"whatever its schema", `insert into public.pg_mine values (1)`, "42501", "relation public.pg_mine"},

	// Kinds
	{"a temporary table that shadows", `select * into temp todos from public.todos where false`, "0A000", "SELECT INTO"},
	{"into, in a union", `select 1 into x union select 2`, "0A000", "SELECT INTO"}, {"into, in EXPLAIN", `explain (costs off) select 1 into x`, "42501", "EXPLAIN"},
	{"as a table", `create temp table todos as select 1`, "0A000", "CREATE"}, {"identities by choice", `insert into todos (id) overriding system value values (1)`, "42501", "OVERRIDING SYSTEM VALUE"},
	{"identities by MERGE", `merge into todos using users on false when not matched then insert (id) overriding system value values (1)`, "42501", "OVERRIDING SYSTEM VALUE"},
	{"identities in a CTE", `with a as (insert into todos (id) overriding system value values (1) returning id) select 1`, "42501", "OVERRIDING SYSTEM VALUE"},
	{"EXPLAIN", `explain select 1`, "42501", "EXPLAIN statements"}, {"a cursor's row", `update todos set task = 'a' where current of c`, "0A000", "CurrentOfExpr"},
	{"two statements", `select 1; select 2`, "42601", "cannot insert multiple commands"}, {"two, of which one is nothing much", `select 1;; commit`, "42601", "cannot insert multiple commands"},
	{"two, behind a dollar", `select $a$ $a$; commit`, "42601", "cannot insert multiple commands"}, {"two, behind a comment", "select 1 -- ;\r; commit", "42601", "cannot insert multiple commands"},
	{"two, behind a nested comment", "select 1 /* /* */ ; */ ; commit", "42601", "cannot insert multiple commands"}, {"two, behind a backslash", `select '\'; commit --'`, "42601", "cannot insert multiple commands"},
	{"not SQL", `selec 1`, "42601", `syntax error at or near "selec"`}, {"a string without its end", `select 'a`, "42601", "unterminated quoted string"},
	{"a NUL behind which more stands", "select 1\x00; commit", "22021", "0x00"}, {"bytes that aren't UTF-8", "select '\xff'", "22021", "invalid byte sequence"},
}

func TestAttemptsAreRefused(t *testing.T) {
	check := newChecker(t)
	for _, a := range attempts {
		wantRefusal(t, check(a.sql), a.what+": "+a.sql, a.code, a.message)
	}
}

// otherKinds are the statements that no list of kinds allows, with a word of the hint.
var otherKinds = []struct{ sql, hint string }{
	{`begin`, "one batch"}, {`start transaction isolation level serializable`, "isolationLevel"}, {`commit`, "one batch"}, {`commit and chain`, "one batch"}, {`end`, "one batch"}, {`rollback`, "one batch"}, {`abort`, "one batch"}, {`savepoint a`, "one batch"}, {`release a`, "one batch"},
	{`rollback to a`, "one batch"}, {`prepare transaction 'a'`, "one batch"}, {`commit prepared 'a'`, "one batch"}, {`rollback prepared 'a'`, "one batch"}, {`set constraints all deferred`, "one batch"}, {`set transaction isolation level serializable`, "isolationLevel"},
	{`set session characteristics as transaction read only`, "outlives"}, {`set search_path = evil`, "outlives"}, {`set local role none`, "outlives"}, {`set role postgres`, "outlives"}, {`set session authorization postgres`, "outlives"}, {`reset role`, "outlives"}, {`reset all`, "outlives"},
	{`show data_directory`, "request"}, {`show all`, "request"}, {`discard all`, "request"}, {`load 'plpgsql'`, "request"}, {`prepare a as select 1`, "sql.query"}, {`execute a`, "sql.query"}, {`deallocate all`, "sql.query"},
	{`copy todos to stdout`, "INSERT"}, {`copy (select 1) to program 'id'`, "INSERT"}, {`copy todos from stdin`, "INSERT"}, {`listen a`, "session"}, {`unlisten *`, "session"}, {`notify a`, "session"},
	{`declare c cursor with hold for select 1`, "pages"}, {`fetch all from c`, "pages"}, {`move c`, "pages"}, {`close all`, "pages"}, {`do $$ begin end $$`, "sql.functions"}, {`call f()`, "sql.functions"}, {`lock table todos`, "FOR UPDATE"},
	{`create table a (id int)`, "migrations"}, {`create temp table a (id int)`, "migrations"}, {`create table a as select 1`, "table"}, {`create materialized view a as select 1`, "table"}, {`create view a as select 1`, "migrations"}, {`create function f() returns int return 1`, "migrations"},
	{`create schema a create table b (id int)`, "migrations"}, {`create extension dblink`, "migrations"}, {`create role a`, "migrations"}, {`create policy p on todos using (true)`, "migrations"}, {`create rule r as on select to todos do instead select 1`, "migrations"},
	{`create trigger t before insert on todos execute function f()`, "migrations"}, {`create domain d as int`, "migrations"}, {`create type t as (a int)`, "migrations"}, {`create operator === (leftarg = int, function = f)`, "migrations"}, {`create cast (int as text) with inout`, "migrations"},
	{`create database a`, "migrations"}, {`create subscription s connection '' publication p`, "migrations"}, {`create publication p`, "migrations"}, {`create server s foreign data wrapper f`, "migrations"}, {`create statistics s on a, b from t`, "migrations"}, {`create index on todos (id)`, "migrations"},
	{`alter table todos disable row level security`, "migrations"}, {`alter role authenticated bypassrls`, "migrations"}, {`alter role authenticated set search_path = evil`, "migrations"}, {`alter database a set work_mem = '1'`, "migrations"}, {`alter system set a = 'b'`, "migrations"}, {`alter default privileges grant select on tables to public`, "migrations"},
	{`drop table todos`, "migrations"}, {`truncate todos`, "migrations"}, {`grant select on todos to public`, "migrations"}, {`grant a to b`, "migrations"}, {`revoke all on todos from public`, "migrations"}, {`comment on table todos is 'a'`, "migrations"}, {`security label on table todos is 'a'`, "migrations"}, {`reassign owned by a to b`, "migrations"}, {`drop owned by a`, "migrations"},
	{`vacuum`, "migrations"}, {`analyze todos`, "migrations"}, {`cluster`, "migrations"}, {`reindex table todos`, "migrations"}, {`refresh materialized view a`, "migrations"}, {`checkpoint`, "migrations"}, {`import foreign schema a from server b into c`, "migrations"},
}

func TestOtherKindsAreRefusedWithWhatToDoInstead(t *testing.T) {
	check := newCheckerFor(t, &statement.Rules{Kinds: statement.Kinds()[:7]})
	for _, k := range otherKinds {
		for _, sql := range []string{k.sql, "; " + k.sql + " ;", "/* a */ " + strings.ToUpper(k.sql[:1]) + k.sql[1:]} {
			err := check(sql)
			wantRefusal(t, err, sql, "0A000", strings.ToUpper(strings.Fields(strings.TrimRight(k.sql, ";"))[0])+" is not allowed")
			var r *statement.Refusal
			if errors.As(err, &r) && !strings.Contains(r.Hint, k.hint) {
				t.Errorf("%s: hint %q doesn't say %q", sql, r.Hint, k.hint)
			}
		}
	}
	for _, sql := range []string{`prepare a as delete from todos`, `explain (costs off) execute a`, `explain (costs off) create table a as select 1`, `explain (costs off) declare c cursor for select 1`} {
		wantRefusal(t, check(sql), sql, "0A000", "is not allowed")
	}
}

func TestWritesAreWritesWhereverTheyStand(t *testing.T) {
	cases := []struct {
		kinds []statement.Kind
		sql   string
		want  string // what is denied; empty: nothing
	}{
		{[]statement.Kind{"select"}, `select 1`, ""},
		{[]statement.Kind{"select"}, `select 1 union values (2)`, ""},
		{[]statement.Kind{"select"}, `values (1)`, "VALUES"},
		{[]statement.Kind{"values"}, `values (1)`, ""},
		{[]statement.Kind{"values"}, `values ((select 1))`, "SELECT"},
		{[]statement.Kind{"values"}, `table todos`, "SELECT"},
		{[]statement.Kind{"select"}, `with a as (insert into todos (task) values ('a') returning 1) select 1`, "INSERT"},
		{[]statement.Kind{"select"}, `with a as (with b as (delete from todos returning 1) select 1) select 1`, "DELETE"},
		{[]statement.Kind{"select"}, `with a as (update todos set task = 'a' returning 1) select 1`, "UPDATE"},
		{[]statement.Kind{"select"}, `with a as (merge into todos using users on true when matched then do nothing returning 1) select 1`, "MERGE"},
		{[]statement.Kind{"select"}, `select * from todos for update`, ""},
		{[]statement.Kind{"insert"}, `insert into todos (task) values ('a')`, ""},
		{[]statement.Kind{"insert"}, `insert into todos (task) select task from todos`, "SELECT"},
		{[]statement.Kind{"insert"}, `insert into todos (task) values ('a') on conflict do nothing`, ""},
		{[]statement.Kind{"insert"}, `insert into todos (task) values ('a') on conflict (id) do update set task = 'b'`, "UPDATE"},
		{[]statement.Kind{"update"}, `update todos set task = 'a' where id = 1`, ""},
		{[]statement.Kind{"update"}, `update todos set task = (select 'a')`, "SELECT"},
		{[]statement.Kind{"delete"}, `delete from todos`, ""},
		{[]statement.Kind{"merge", "update"}, `merge into todos using users on true when matched then update set task = 'a'`, ""},
		{[]statement.Kind{"merge", "update"}, `merge into todos using users on true when matched then delete`, "DELETE"},
		{[]statement.Kind{"merge", "update"}, `merge into todos using users on true when not matched then insert default values`, "INSERT"},
		{[]statement.Kind{"merge"}, `merge into todos using users on true when matched then update set task = 'a'`, "UPDATE"},
		{[]statement.Kind{"explain"}, `explain (costs off) select 1`, "SELECT"},
		{[]statement.Kind{"explain", "select"}, `explain (costs off) select 1`, ""},
		{[]statement.Kind{"explain", "select"}, `explain (costs off) values (1)`, "VALUES"},
		{[]statement.Kind{"explain", "select"}, `explain (costs off) delete from todos`, "DELETE"},
		{nil, `with a as (delete from todos returning 1) select 1`, ""},
		{nil, `explain (costs off) select 1`, "EXPLAIN"},
	}
	for _, c := range cases {
		err := newCheckerFor(t, &statement.Rules{Kinds: c.kinds})(c.sql)
		if c.want == "" && err != nil {
			t.Errorf("%v: %s is refused: %s", c.kinds, c.sql, describe(err))
		}
		if c.want != "" {
			wantRefusal(t, err, fmt.Sprint(c.kinds, c.sql), "42501", "permission denied for "+c.want+" statements")
		}
	}
}

func TestExplainShowsNoNumbers(t *testing.T) {
	check := newCheckerFor(t, &statement.Rules{Kinds: []statement.Kind{"explain", "select"}})
	for _, options := range []string{`(costs off)`, `(costs false)`, `(costs 0)`, `(COSTS OFF, verbose, format json)`, `("costs" off, summary off)`, `(costs 'off', generic_plan)`, `(costs off, costs off)`} {
		if err := check("explain " + options + " select 1"); err != nil {
			t.Errorf("explain %s is refused: %s", options, describe(err))
		}
	}
	for options, name := range map[string]string{
		``: "COSTS", `verbose`: "COSTS", `analyze`: "ANALYZE", `analyze verbose`: "ANALYZE", `(costs)`: "COSTS", `(costs on)`: "COSTS", `(costs off, costs on)`: "COSTS", `(costs on, costs off)`: "COSTS", `(costs 1)`: "COSTS", `(costs true)`: "COSTS", `(verbose)`: "COSTS", `(format json)`: "COSTS",
		`(costs off, analyze)`: "ANALYZE", `(costs off, analyze off)`: "ANALYZE", `(analyze off, costs off, analyze on)`: "ANALYZE", `(ANALYZE FALSE, costs off)`: "ANALYZE", `("analyze" off, costs off)`: "ANALYZE", `(U&"\0061nalyze" off, costs off)`: "ANALYZE",
		`(costs off, buffers)`: "BUFFERS", `(costs off, settings)`: "SETTINGS", `(costs off, wal)`: "WAL", `(costs off, timing)`: "TIMING", `(costs off, serialize)`: "SERIALIZE", `(costs off, memory)`: "MEMORY", `(costs off, unheard_of)`: "UNHEARD_OF", `(costs off, "Costs" on)`: "COSTS",
	} {
		wantRefusal(t, check("explain "+options+" select 1"), "explain "+options, "42501", "EXPLAIN with "+name)
	}
}

func TestEveryNameOfTheListIsRefused(t *testing.T) {
	check := newChecker(t)
	for _, pattern := range sorted(readList(t, "testdata/refused.txt")) {
		name := strings.ReplaceAll(pattern, "*", "x")
		if name == "current_setting" {
			continue
		}
		for _, sql := range []string{`select %s()`, `select pg_catalog.%s(1, 2)`, `select * from "%s"('a', 'b', 'c')`, `select public.%s(1)`} {
			if sql = fmt.Sprintf(sql, name); sql != `select * from "ts_rewrite"('a', 'b', 'c')` {
				wantRefusal(t, check(sql), sql, "42501", "permission denied for function")
			}
		}
	}
}

func TestTheOwnerAllowsFunctionsByName(t *testing.T) {
	rules := &statement.Rules{Functions: []string{"similarity", "current_setting", "pg_sleep", "set_config", "system_rows", "My Function"}}
	if err := rules.Validate(); err == nil {
		t.Error("set_config may be allowed")
	}
	check := newCheckerFor(t, rules)
	for _, sql := range []string{
		`select similarity('a', 'b'), extensions.similarity('a', 'b'), SIMILARITY('a', 'b')`, `select current_setting('app.name')`, `select pg_sleep(1), (1).pg_sleep`, `select * from todos tablesample system_rows (1)`, `select "My Function"()`,
	} {
		if err := check(sql); err != nil {
			t.Errorf("%s is refused: %s", sql, describe(err))
		}
	}
	for _, sql := range []string{`select set_config('a', 'b', true)`, `select word_similarity('a', 'b')`, `select my function()`[:6] + ` "my function"()`} {
		wantRefusal(t, check(sql), sql, "42501", "permission denied for function")
	}
}

func TestHintsSayWhatToDo(t *testing.T) {
	check := newChecker(t)
	for sql, hint := range map[string]string{
		`select public.similarity('a', 'b')`: "similarity in sql.functions", `select user_id()`: "auth.user_id", `select set_config('a', 'b', true)`: "past every check",
		`select t.pg_sleep from t`: "without its table", `select current_setting('x')`: "request.jwt.claims", `select 1; select 2`: "sql.transaction", `explain select 1`: "sql.statements",
	} {
		var r *statement.Refusal
		if !errors.As(check(sql), &r) || !strings.Contains(r.Hint, hint) {
			t.Errorf("%s: the hint %q doesn't say %q", sql, r.Hint, hint)
		}
	}
}

func TestPositionsAreCharacters(t *testing.T) {
	check := newChecker(t)
	for sql, position := range map[string]int{
		`select 'ä€😀', set_config('a','b',true)`: 15, `select 'ä€😀' from from`: 19, `select 1 from pg_settings`: 15, `select a.pg_sleep from a`: 8, `select 1 +`: 11,
	} {
		var r *statement.Refusal
		if !errors.As(check(sql), &r) || r.Position != position {
			t.Errorf("%s: position %d, not %d", sql, r.Position, position)
		}
	}
}

func TestAnythingGoesForAMigration(t *testing.T) {
	check := newCheckerFor(t, &statement.Rules{Kinds: []statement.Kind{"any"}})
	for _, sql := range []string{
		``, `create table a (id int)`, `select set_config('search_path', '', false)`, `do $$ begin end $$`, `set role a`, `update pg_settings set setting = '1'`, `copy a to '/tmp/x'`, `call f()`, `vacuum`, `a syntax of PostgreSQL 19`,
		`select ` + strings.Repeat("(", 5000) + `1` + strings.Repeat(")", 5000), `create table a (b int, c int generated always as (b) virtual)`,
	} {
		if err := check(sql); err != nil {
			t.Errorf("%.80s is refused: %s", sql, describe(err))
		}
	}
	for sql, hint := range map[string]string{`begin`: "one batch", `/* */ commit;`: "one batch", `rollback`: "one batch", `copy a from stdin`: "INSERT", `copy a to stdout`: "INSERT"} {
		wantRefusal(t, check(sql), sql, "0A000", "is not allowed")
		var r *statement.Refusal
		if errors.As(check(sql), &r) && !strings.Contains(r.Hint, hint) {
			t.Errorf("%s: hint %q doesn't say %q", sql, r.Hint, hint)
		}
	}
	wantRefusal(t, check(`create table a (); commit`), "two statements", "42601", "multiple commands")
}

func TestRulesAreValidated(t *testing.T) {
	for want, r := range map[string]statement.Rules{
		``:                     {Kinds: statement.Kinds(), Functions: []string{"similarity", "pg_sleep", "Mine"}},
		`no kind of statement`: {Kinds: []statement.Kind{"selec"}}, `empty`: {Functions: []string{""}}, `without its schema`: {Functions: []string{"public.f"}}, `without its schema and arguments`: {Functions: []string{"f()"}},
		`cannot be allowed`: {Functions: []string{"query_to_xml"}},
	} {
		err := r.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: %v, want %q", r, err, want)
		}
	}
}

func newCheckerFor(t testing.TB, r *statement.Rules) func(sql string) error {
	t.Helper()
	c, err := statement.NewChecker(statement.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return func(sql string) error { return c.Check(context.Background(), sql, r) }
}

func wantRefusal(t *testing.T, err error, what, code, message string) {
	t.Helper()
	var r *statement.Refusal
	switch {
	case !errors.As(err, &r):
		t.Errorf("%s\nisn't refused: %v", what, err)
	case r.Code != code || !strings.Contains(r.Message, message):
		t.Errorf("%s\nis refused by %s, not by %s %s", what, describe(err), code, message)
	}
}
