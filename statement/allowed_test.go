package statement_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"rowpass/db/dbtest"
	"rowpass/statement"
)

// odd has columns whose names are functions' and types' as well, and that everybody has somewhere.
const odd = `create table odd (id bigint, name text, version int, count int, length int, date date, text text, position int, "left" int,
	"right" int, timestamp timestamptz, time_in timestamptz, time_out timestamptz, date_in date, age int, format text, type text, value jsonb,
	md5 text, random float8, now timestamptz, current_user_id int, sum int, max int, upper text, extract text, replace text, unnest text,
	"user" text, "end" text, size int, path text, point point, box box, line text, state text, lower text, host text, family int, rank int)`

// ordinary statements, as people and their tools write them.
var ordinary = []string{
	// Nothing at all
	``, ` `, `;`, `-- nothing`, `/* nothing */`, "/* a /* nested */ comment */ -- and another\n",
	// Small
	`select 1`, `select 1;`, `select 1 ; ; ; `, `SELECT 1 AS one -- why not`, `table todos`, `values (1, 'a'), (2, 'b')`, `select`,
	`select $1::text, $2::int`, `select 'it''s', E'a\nb', U&'d\0061t\+000061', $$dollars$$, $t$ tagged $t$, B'101', X'1F'`,
	`select "id" from "todos"`, `select 'a;b', $$ ; select set_config('a','b',false) $$`,
	// Drizzle
	`select "id", "user_id", "task", "is_complete", "inserted_at" from "todos" where "todos"."user_id" = $1 order by "todos"."inserted_at" desc limit $2`,
	`insert into "todos" ("id", "user_id", "task", "is_complete", "inserted_at") values (default, default, $1, default, default) returning "id", "task"`,
	`insert into "todos" ("task") values ($1), ($2), ($3) on conflict do nothing`,
	`update "todos" set "is_complete" = $1 where ("todos"."id" = $2 and "todos"."user_id" = $3) returning "id"`,
	`delete from "todos" where "todos"."id" in ($1, $2, $3)`,
	`select "users"."id", "users_todos"."data" as "todos" from "users" left join lateral (select coalesce(json_agg(json_build_array("users_todos"."id",
		"users_todos"."task")), '[]'::json) as "data" from "todos" "users_todos" where "users_todos"."user_id" = "users"."id"::text) "users_todos" on true`,
	`select count(*) from "todos"`, `select cast(count("id") as int) from "todos"`,
	`select exists(select 1 from "todos" where "task" ilike $1)`,
	// Prisma and the like
	`SELECT "public"."users"."id", "public"."users"."name" FROM "public"."users" WHERE 1=1 OFFSET $1`,
	`SELECT COUNT(*) FROM (SELECT "public"."todos"."id" FROM "public"."todos" WHERE "public"."todos"."is_complete" = $1 OFFSET $2) AS "sub"`,
	`INSERT INTO "public"."todos" ("task") VALUES ($1) RETURNING "public"."todos"."id"`,
	`select now()::text, current_timestamp, current_date, current_time, localtime, localtimestamp, current_user, session_user, current_role, current_schema, current_catalog`,
	`select t.relname, a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), col_description(t.oid, a.attnum)
		from pg_catalog.pg_class t join pg_catalog.pg_attribute a on a.attrelid = t.oid left join pg_catalog.pg_attrdef d on d.adrelid = t.oid and d.adnum = a.attnum
		where t.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped and pg_table_is_visible(t.oid)`,
	`select table_name, column_name, data_type from information_schema.columns where table_schema = 'public'`,
	`select pg_catalog.pg_class.relname from pg_catalog.pg_class`,
	`select version(), pg_catalog.version(), current_setting('server_version_num')::int, current_setting('TimeZone'::text)`,
	// Whose rows
	`select auth.user_id(), auth.uid(), auth.jwt() ->> 'sub', auth.session(), auth.tenant(), auth.tenant_id(), auth.organization(), auth.organization_id()`,
	`select (select auth.user_id()) = user_id from todos`, `select * from users where tenant_id = (select auth.tenant_id()) and auth.is_tenant_admin()`,
	`select current_setting('request.jwt.claims', true)::jsonb ->> 'sub'`, `select pg_catalog.current_setting('REQUEST.jwt.claims')`,
	// Columns that bear functions' names
	`select o.id, o.name, o.version, o.count, o.length, o.date, o.text, o.position, o."left", o."right", o.timestamp, o.time_in, o.time_out, o.date_in,
		o.age, o.format, o.type, o.value, o.md5, o.random, o.now, o.sum, o.max, o.upper, o.extract, o.replace, o.unnest, o."user", o."end", o.size, o.path,
		o.point, o.box, o.line, o.state, o.lower, o.host, o.family, o.rank, o.* from odd o`,
	`select (o).name, (p)[0], (value).* from (select odd, point, users from odd, users) as q (o, p, value)`,
	`select o.name, upper(odd.name) from odd o, odd`, `update odd set name = odd.text, version = odd.count + 1 returning odd.name, odd.version`,
	`select (date_trunc('day', o.timestamp)).date from odd o`, `select t.tableoid, t.ctid, t.xmin from todos t`,
	// Joins and sub-queries
	`select u.name, count(t.id) filter (where t.is_complete) from users u left join todos t on t.user_id = u.id::text group by u.id, u.name having count(*) > 0 order by 2 desc nulls last`,
	`select * from users natural join tenants`, `select * from users u full join tenants t using (id)`, `select * from users cross join tenants`,
	`select * from users u, lateral (select * from todos where user_id = u.id::text limit 3) t`,
	`select * from users where (tenant_id, name) in (select id, name from tenants)`,
	`select * from todos where id = any ($1::bigint[]) or id <> all (array[1, 2]) or task = some (array['a'])`,
	`select array(select task from todos order by id), (select max(id) from todos)`,
	`select * from todos where task like '%a%' escape '\' and task not ilike $1 and task similar to '(a|b)%' and task ~ '^a' and task !~* 'b'`,
	`select * from todos where id between 1 and 10 and id not between symmetric 5 and 3 and task is distinct from 'x' and is_complete is not true`,
	`select 1 union select 2 union all select 3 intersect select 3 except all (select 4) order by 1 limit 1 offset 0`,
	`select * from todos order by id fetch first 3 rows with ties`,
	`select distinct on (user_id) user_id, task from todos order by user_id, inserted_at desc`, `select distinct task from todos`,
	`select * from todos for update skip locked`, `select * from todos t join users u on t.user_id = u.id::text for no key update of t nowait`, `select * from todos for share`, `select * from todos for key share`,
	`select * from todos tablesample system (10)`, `select * from todos tablesample bernoulli (50) repeatable (1)`, `select * from only todos`,
	// CTEs
	`with a as (select 1 as x), b as materialized (select * from a), c as not materialized (select * from b) select * from c`,
	`with recursive t(n) as (values (1) union all select n + 1 from t where n < 100) select sum(n) from t`,
	`with recursive t(id, up) as (select 1, 2 union all select id + 1, up from t where id < 5) search depth first by id set path cycle id set looped using trail select * from t`,
	`with new as (insert into todos (task) values ('a') returning *) select * from new`,
	`with gone as (delete from todos where is_complete returning *), old as (update todos set task = upper(task) returning id) select count(*) from gone, old`,
	// Writing
	`insert into todos (task, is_complete) select task, false from todos`, `insert into todos default values`, `insert into todos (task) overriding user value values ('a')`,
	`insert into users (id, tenant_id, name, email) values ($1, $2, $3, $4) on conflict (id) do update set name = excluded.name, updated_at = now() where users.name <> excluded.name returning *, (xmax = 0) as inserted`,
	`insert into users as u (id, tenant_id, name, email) values ($1, $2, $3, $4) on conflict on constraint users_pkey do nothing`,
	`insert into users (tenant_id, name, email) values ($1, $2, $3) on conflict (tenant_id, lower(email)) do update set name = coalesce(excluded.name, users.name)`,
	`update todos t set (task, is_complete) = (select u.name, true from users u where u.id::text = t.user_id) where t.id = 1`,
	`update users set settings = jsonb_set(settings, '{theme}', '"dark"', true), name = default where id = $1`, `update users set settings['theme'] = '"dark"'`,
	`update todos set task = v.task from (values (1, 'a'), (2, 'b')) as v (id, task) where todos.id = v.id`,
	`delete from todos using users where users.id::text = todos.user_id and users.name is null returning todos.*`,
	`merge into todos t using (values (1, 'a')) as s (id, task) on t.id = s.id when matched and t.is_complete then delete when matched then update set task = s.task when not matched then insert (task) values (s.task)`,
	`merge into todos t using todos s on t.id = s.id when matched then do nothing`,
	// Aggregates and windows
	`select string_agg(task, ', ' order by id desc), array_agg(distinct task), json_agg(t), jsonb_object_agg(id, task), bool_and(is_complete), every(is_complete), xmlagg(xmlelement(name a, task)) from todos t`,
	`select percentile_cont(0.5) within group (order by id), percentile_disc(array[0.1, 0.9]) within group (order by id), mode() within group (order by task), rank(5) within group (order by id) from todos`,
	`select stddev(id), variance(id), corr(id, id), regr_slope(id, id), bit_and(id), min(task), avg(id) from todos`,
	`select row_number() over w, rank() over w, dense_rank() over w, ntile(4) over w, lag(task, 1, 'x') over w, lead(task) over w, first_value(task) over w, last_value(task) over w, nth_value(task, 2) over w,
		sum(id) over (partition by user_id order by inserted_at rows between unbounded preceding and current row exclude ties), cume_dist() over w, percent_rank() over w
		from todos window w as (partition by user_id order by id)`,
	`select user_id, is_complete, count(*), grouping(user_id, is_complete) from todos group by grouping sets ((user_id), (is_complete), ()), rollup (user_id), cube (is_complete)`,
	`select count(*) filter (where is_complete), count(distinct user_id) from todos group by distinct rollup (user_id)`,
	// Dates
	`select date_trunc('week', now()), date_part('year', now()), extract(epoch from now()), now() - interval '1 day', now() at time zone 'Europe/Berlin', age(now(), now() - interval '1 year'),
		date_bin('15 minutes', now(), timestamp '2001-01-01'), to_timestamp(0), make_interval(days => 10), make_date(2024, 2, 29), justify_days(interval '40 days'), to_char(now(), 'YYYY-MM-DD'),
		clock_timestamp(), statement_timestamp(), transaction_timestamp(), timeofday(), date '2024-01-01' + 7, (date '2024-01-01', interval '1 day') overlaps (date '2024-01-01', date '2024-01-02'), isfinite(now())`,
	`select d::date from generate_series(current_date, current_date + 7, interval '1 day') as d`, `select extract(dow from d) from unnest(array[current_date]) as d`,
	// Text
	`select lower('A'), upper('a'), initcap('a'), length('a'), char_length('a'), octet_length('a'), substring('abc' from 2 for 1), substring('abc' from 'b.'), substring('abc' similar 'a#"b#"c' escape '#'), trim(both ' ' from ' a '), ltrim('a'), rtrim('a'),
		position('a' in 'ab'), overlay('abc' placing 'x' from 1), left('abc', 1), right('abc', 1), lpad('a', 3), repeat('a', 3), replace('a', 'b', 'c'), reverse('abc'), split_part('a,b', ',', 1), translate('a', 'b', 'c'), strpos('a', 'b'),
		starts_with('ab', 'a'), concat('a', 1, null), concat_ws(',', 'a', 'b'), format('%s %I', 'a', 'b'), quote_literal('a'), quote_ident('a'), md5('a'), encode('a'::bytea, 'hex'), decode('00', 'hex'), chr(65), ascii('A'), 'a' || 'b', normalize('a', NFC), 'a' is normalized, to_hex(255), unistr('a'), collation for ('a')`,
	`select regexp_replace('a', 'b', 'c', 'g'), regexp_match('a', 'b'), regexp_matches('a', 'b', 'g'), regexp_split_to_array('a', ','), regexp_count('a', 'a'), regexp_substr('a', 'a'), string_to_array('a,b', ','), array_to_string(array['a'], ',')`,
	`select 'a' collate "C" < 'b', convert_from('a'::bytea, 'UTF8'), to_number('1', '9'), to_date('2024', 'YYYY'), sha256('a'::bytea), bit_length('a')`,
	// Numbers
	`select abs(-1), ceil(1.5), floor(1.5), round(1.234, 2), trunc(1.5), mod(5, 2), power(2, 3), sqrt(4), exp(1), ln(2), log(10), random(), pi(), sin(1), degrees(1), sign(1), div(5, 2), gcd(4, 6), width_bucket(5, 0, 10, 5), greatest(1, 2), least(1, 2), 5 % 2, 2 ^ 3, |/ 4, 1 << 2, ~1, 5 & 3, -(-1), +1, 1::numeric(10,2), 1e10, 1.5`,
	`select coalesce(null, 1), nullif(1, 1), case when true then 1 else 2 end, case 1 when 1 then 'a' when 2 then 'b' end, true and not false or null, 1 is null, 1 notnull, row(1, 2) = (1, 2), (1, 2) < (2, 1)`,
	`select 1::int4, '1'::int, int '1', cast('1' as bigint), 'a'::varchar(3), '{}'::jsonb, '{1,2}'::int[], '{}'::text[1][2], '1 day'::interval, '(1,2)'::point, '[1,2)'::int4range, '127.0.0.1'::inet, 'a'::name, '1'::xid, 'todos'::regclass, 'int4'::regtype, 'x'::"char", double precision '1.5', timestamp with time zone 'now', bit '101', interval '1' year, interval(3) '1 second'`,
	`select gen_random_uuid(), uuid('00000000-0000-0000-0000-000000000000'), text(1), int4('1'), date('2024-01-01'), bool('t'), float8(1), inet('127.0.0.1')`,
	// JSON, arrays, ranges
	`select settings -> 'a' ->> 'b', settings #> '{a,b}', settings #>> '{a,b}', settings @> '{"a":1}', settings ? 'a', settings ?| array['a'], settings ?& array['a'], settings || '{}', settings - 'a', settings #- '{a}', settings @? '$.a', settings @@ '$.a == 1', settings['a']['b'] from users`,
	`select jsonb_build_object('a', 1, 'b', row_to_json(u)), json_build_array(1, 2), to_jsonb(u), jsonb_array_length('[]'), jsonb_typeof(settings), jsonb_strip_nulls(settings), jsonb_pretty(settings), jsonb_path_query_array(settings, '$.*'), jsonb_path_exists(settings, '$.a'), jsonb_insert('[]', '{0}', '1'), json_object('{a,1}'), jsonb_extract_path_text(settings, 'a'), json_object_agg('a', 1) over () from users u`,
	`select e.key, e.value, x.a, y from users, jsonb_each(settings) e, jsonb_to_record(settings) as x (a int, b text), jsonb_array_elements('[1]') with ordinality as y (v, n), json_to_recordset('[]') as r (id int), jsonb_populate_record(null::todos, '{}') as p, jsonb_object_keys(settings) k, json_each_text('{}') as t`,
	`select array_length(array[1], 1), cardinality(array[1]), array_append(array[1], 2), array_remove(array[1], 1), array_position(array[1], 1), array_cat(array[1], array[2]), array[1,2] && array[2], array[1] <@ array[1,2], array[[1,2],[3,4]], (array[1,2,3])[1:2], (array[1])[1], '{}'::int[] || 1, unnest(array[1, 2]), array_fill(0, array[3]), trim_array(array[1, 2], 1)`,
	`select * from unnest(array[1, 2], array['a', 'b']) with ordinality as t (a, b, n)`, `select * from rows from (generate_series(1, 3), unnest(array['a'])) with ordinality as t (a, b, n)`,
	`select int4range(1, 5) @> 3, lower(int4range(1, 5)), upper_inf('[1,)'::int4range), range_merge('[1,2]'::int4range, '[3,4]'), range_agg(r), tstzrange(now(), null) && tstzrange(null, now()), isempty(int4range(1, 1)), int4multirange('[1,2]'::int4range) from (values ('[1,2]'::int4range)) v (r) group by 1`,
	`select xmlelement(name a, xmlattributes(1 as b), 'c'), xmlforest(1 as a), xmlparse(content '<a/>'), xmlserialize(content '<a/>'::xml as text), xpath('/a', '<a/>'::xml), xmlexists('/a' passing (select '<a/>'::xml)), xmlconcat('<a/>', '<b/>'), xmlpi(name a, 'b'), xmlroot('<a/>'::xml, version '1.0'), '<a/>'::xml is document`,
	`select * from xmltable('/r/a' passing ('<r><a>1</a></r>'::xml) columns n for ordinality, v int path '.' default 0)`,
	// Full text
	`select task, ts_rank(to_tsvector('english', task), q), ts_headline('english', task, q) from todos, websearch_to_tsquery('english', $1) q where to_tsvector('english', task) @@ q order by ts_rank_cd(to_tsvector(task), q) desc`,
	`select plainto_tsquery('a') && to_tsquery('simple', 'b') || phraseto_tsquery('c'), setweight(to_tsvector('a'), 'A'), strip(to_tsvector('a')), numnode('a'::tsquery), ts_rewrite('a & b'::tsquery, 'a'::tsquery, 'c'::tsquery), querytree('a'::tsquery), ts_debug('a'), array_to_tsvector('{a}')`,
	// Odd, yet ordinary
	`select 1 operator(pg_catalog.+) 1`, `select * from todos order by task using <`, `select "set_config" from (select 1 as "set_config") x`, `select 'set_config(''a'',''b'',false)'`, `select 1 as pg_sleep, 2 as "case", 3 as "end"`,
	`select all task from todos where 'x' = (select 'x') and (select true)`, `select ((1))`, `select -1, - -1, not not true`, `select (select (select (select 1)))`, `select * from (select 1) x`, `(select 1)`, `((select 1) union (select 2))`,
	`select a.b from (select 1 as b) a`, `select (row(1, 2)).f1`, `select (t).task from todos t`, `select (array_agg(t))[1].task from todos t`, `select $1 + 1, ($2::todos).task`, `select hashtext('a'), pg_typeof(1), pg_column_size('a'), pg_backend_pid(), pg_get_serial_sequence('todos', 'id'), has_table_privilege('todos', 'select'), txid_visible_in_snapshot(1, '1:1:'::txid_snapshot), to_regclass('todos'), obj_description('todos'::regclass)`,
	`select * from pg_timezone_names where name = 'UTC'`, `select rolname from pg_roles where pg_has_role(rolname, 'member')`, `select * from pg_indexes`, `select * from pg_policies`, `select proname, provolatile from pg_proc limit 1`,
}

// newer statements need a newer server to run, by its major version.
var newer = map[string]int{
	`select random_normal(), array_shuffle(array[1, 2]), array_sample(array[1, 2], 1), any_value(task), json_array(1, 2), json_object('a': 1), json_arrayagg(task), json_objectagg(task: 1), '{}' is json object, 0xFF, 1_000 from todos`: 16,
	`select json_value('{}', '$.a' returning int default 1 on empty), json_query('[]', '$[*]' with wrapper), json_exists('{}', '$.a'), json_scalar(1), json('{}'), json_serialize('{}' returning text), random(1, 10)`:                    17,
	`select * from json_table('[{"a":1}]', '$[*]' columns (n for ordinality, a int path '$.a', nested path '$.b[*]' columns (c text path '$')))`:                                                                                          17,
	`merge into todos t using (values (1, 'a')) as s (id, task) on t.id = s.id when not matched by source then delete when not matched then insert (task) values (s.task) returning merge_action(), t.*`:                                  17,
	`select uuidv7(), uuidv4(), casefold('A'), crc32('a'::bytea)`: 18,
	`update todos set task = 'b' returning old.task, new.task`:    18,
}

func TestOrdinaryStatementsMayRunAndAreValid(t *testing.T) {
	d := dbtest.New(t)
	conn := dbtest.Connect(t, d.OwnerURL)
	dbtest.Exec(t, d.OwnerURL, odd)
	var major int
	if err := conn.QueryRow(t.Context(), "select current_setting('server_version_num')::int / 10000").Scan(&major); err != nil {
		t.Fatal(err)
	}
	check := newChecker(t)
	for _, sql := range ordinary {
		if err := check(sql); err != nil {
			t.Errorf("%s\nis refused: %v", sql, describe(err))
		}
		if _, err := conn.Prepare(t.Context(), "", sql); err != nil {
			t.Errorf("%s\nis not valid: %v", sql, err)
		}
	}
	for sql, since := range newer {
		if err := check(sql); err != nil {
			t.Errorf("%s\nis refused: %v", sql, describe(err))
		}
		if _, err := conn.Prepare(t.Context(), "", sql); err != nil && major >= since {
			t.Errorf("%s\nis not valid: %v", sql, err)
		}
	}
}

// newChecker makes a checker and gives its Check under the default rules.
func newChecker(t testing.TB) func(sql string) error {
	t.Helper()
	c, err := statement.NewChecker(statement.Config{})
	if err != nil {
		t.Fatal(err)
	}
	rules := &statement.Rules{}
	return func(sql string) error { return c.Check(context.Background(), sql, rules) }
}

func describe(err error) string {
	if r, ok := err.(*statement.Refusal); ok { //nolint:errorlint // Check returns it bare
		return fmt.Sprintf("%s %s at %d (%s)", r.Code, r.Message, r.Position, strings.TrimSpace(r.Hint))
	}
	return fmt.Sprint(err)
}
