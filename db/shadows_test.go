package db_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"rowpass/db/dbtest"
)

type (
	pgConn = pgconn.PgConn
	notice = pgconn.Notice
)

// pads are the key's blocks as the database keeps them.
func pads(t *testing.T, d dbtest.Database) [][]byte {
	t.Helper()
	var inner, outer []byte
	err := dbtest.Connect(t, d.OwnerURL).QueryRow(t.Context(), `select inner_pad, outer_pad from rowpass.seal_keys`).Scan(&inner, &outer)
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{inner, outer}
}

// printed is how a block looks in a plan (bytes as signed numbers) and in text (hex).
func printed(pad []byte) []string {
	var numbers []string
	for _, b := range pad[:8] {
		numbers = append(numbers, fmt.Sprint(int8(b))) //nolint:gosec // PostgreSQL prints chars, which are signed
	}
	return []string{strings.Join(numbers, " "), hex.EncodeToString(pad[:8])}
}

// shadows makes a schema with an operator and a function for each of the catalogue's over the common types, and a domain
// for each type, all of which tell on whoever uses them. Their owner is the caller's role.
const shadows = `
create schema evil;
grant all on schema evil to authenticated, rowpass_owner;
create function evil.tell() returns void language plpgsql as $$ begin raise exception 'shadowed as %', current_user using errcode = 'ZZ001'; end $$;
grant execute on function evil.tell() to public;
do $do$
declare
	common oidvector := '16 17 20 23 25 701 1184 1186 2950 3802 19 1700 1043';
	o record;
	arguments text;
begin
	for o in select oprname, oprleft::regtype as l, oprright::regtype as r, oprresult::regtype as result, row_number() over () as n
		from pg_operator where oprnamespace = 'pg_catalog'::regnamespace and oprleft = any (common) and oprright = any (common) loop
		execute format('create function evil.op_%s(%s, %s) returns %s language plpgsql as $$ begin perform evil.tell(); return null; end $$',
			o.n, o.l, o.r, o.result);
		execute format('create operator evil.%s (function = evil.op_%s, leftarg = %s, rightarg = %s)', o.oprname, o.n, o.l, o.r);
	end loop;
	for o in select distinct on (proname, proargtypes) proname, proargtypes, prorettype::regtype as result
		from pg_proc p where pronamespace = 'pg_catalog'::regnamespace and prokind = 'f' and not proretset and provariadic = 0
			and proargtypes::oid[] <@ common::oid[] and prorettype = any (common) loop
		select coalesce(string_agg(format_type(t, null), ', ' order by i), '') into arguments from unnest(o.proargtypes::oid[]) with ordinality a (t, i);
		execute format('create function evil.%I(%s) returns %s language plpgsql as $$ begin perform evil.tell(); return null; end $$',
			o.proname, arguments, o.result);
	end loop;
end
$do$;
create function evil.told(anyelement) returns boolean language plpgsql as $$ begin perform evil.tell(); return true; end $$;
create domain evil.text as pg_catalog.text check (evil.told(value));
create domain evil.jsonb as pg_catalog.jsonb check (evil.told(value));
create domain evil.uuid as pg_catalog.uuid check (evil.told(value));
create domain evil.int8 as pg_catalog.int8 check (evil.told(value));
create domain evil.float8 as pg_catalog.float8 check (evil.told(value));
create domain evil.bytea as pg_catalog.bytea check (evil.told(value));
create domain evil.timestamptz as pg_catalog.timestamptz check (evil.told(value));
create domain evil.interval as pg_catalog.interval check (evil.told(value));
create table evil.users (id pg_catalog.uuid, tenant_id pg_catalog.uuid, role pg_catalog.text, email pg_catalog.text);
create table evil.seal_keys (inner_pad pg_catalog.bytea, outer_pad pg_catalog.bytea);
create table evil.denials (kind pg_catalog.text, value pg_catalog.text);
create table evil.refresh_families (id pg_catalog.text, subject pg_catalog.text, ended_at pg_catalog.timestamptz);
create table evil.passwords (user_id pg_catalog.uuid);
`

// TestShadowsOfNamesChangeNothing calls every function of ours, and everything that fires a trigger of ours, under a
// search_path in which other operators, functions, types and tables come first.
func TestShadowsOfNamesChangeNothing(t *testing.T) {
	d := dbtest.New(t)
	if _, err := dbtest.Connect(t, d.SuperuserURL).PgConn().Exec(t.Context(), shadows).ReadAll(); err != nil {
		t.Fatal(err)
	}
	c := newCaller(t, d)
	path := `set local search_path = evil, pg_catalog, public`
	if _, err := c.as(acmeMember, path, `select 'a' || 'b'::text`); code(err) != "ZZ001" {
		t.Fatalf("the shadows do not work, so that this test can tell nothing: %v", err)
	}
	for _, tt := range []struct{ name, statement string }{
		{"a role changed while = is the caller's", `update public.users set role = 'admin'`},
		{"an address changed while = is the caller's", `update public.users set email = 'x@acme.example'`},
		{"an id changed while = is the caller's", `update public.users set id = 'b0000000-0000-4000-8000-00000000000b'`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := c.as(acmeMember, path, tt.statement); code(err) != "42501" {
				t.Errorf("%q, %v; want 42501", got, err)
			}
		})
	}
	const forged = `select pg_catalog.set_config('request.jwt.claims', '{"sub":"x"}', true), auth.session()`
	if got, err := c.as(acmeMember, path, forged); code(err) != "28000" {
		t.Errorf("forged claims: %q, %v; want 28000", got, err)
	}
	session := strings.NewReplacer(`":"`, `": "`, `,"`, `, "`).Replace(acmeMember)
	const tenantless = `{"sub":"user_1","tenant_id":"a0000000-0000-4000-8000-000000000001","rowpass_user":"clerk|user_1"}`
	const foreigner = `{"sub":"user_1","rowpass_user":"clerk|user_1","rowpass_tenant":"a0000000-0000-4000-8000-000000000001"}`
	for _, tt := range []struct{ claims, statement, want string }{
		{acmeMember, `select auth.session()`, session},
		{acmeMember, `select auth.jwt()`, session},
		{acmeMember, `select auth.user_id()`, "a0000000-0000-4000-8000-00000000000b"},
		{acmeMember, `select auth.uid()::pg_catalog.text`, "a0000000-0000-4000-8000-00000000000b"},
		{acmeMember, `select auth.tenant()`, "a0000000-0000-4000-8000-000000000001"},
		{acmeMember, `select auth.tenant_id()::pg_catalog.text`, "a0000000-0000-4000-8000-000000000001"},
		{acmeMember, `select (auth.organization_id() is null)::pg_catalog.text`, "true"},
		{acmeMember, `select (auth.organization() is null)::pg_catalog.text`, "true"},
		{foreigner, `select auth.user_id()`, "clerk|user_1"},
		{foreigner, `select auth.tenant()`, "a0000000-0000-4000-8000-000000000001"},
		{tenantless, `select (auth.tenant() is null)::pg_catalog.text`, "true"},
		{tenantless, `select email from public.users`, ""},
		{acmeAdmin, `select auth.is_tenant_admin()::pg_catalog.text`, "true"},
		{acmeMember, `select auth.is_tenant_admin()::pg_catalog.text`, "false"},
		{acmeMember, `select email from public.users`, "admin@acme.example member@acme.example"},
		{acmeMember, `select task from public.todos`, "Read the tutorial Look for the other tenant"},
		{acmeMember, `update public.users set name = 'X' returning name`, "X"},
		{acmeAdmin, `update public.tenants set name = 'X' returning name`, "X"},
		{acmeAdmin, `delete from public.users returning email`, "member@acme.example"},
		{acmeAdmin, `insert into public.users (email) values ('new@acme.example') returning email`, "new@acme.example"},
	} {
		t.Run(tt.statement, func(t *testing.T) {
			if got, err := c.as(tt.claims, path, tt.statement); err != nil || strings.Join(got, " ") != tt.want {
				t.Errorf("%q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

// TestTemporaryTypesComeFirstAndDoNothing grants what migrate revokes: temporary types precede every path.
func TestTemporaryTypesComeFirstAndDoNothing(t *testing.T) {
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, "grant temporary on database "+d.Name+" to authenticated")
	c := newCaller(t, d)
	_, err := c.as(acmeMember,
		`create function pg_temp.steal(pg_catalog.text) returns bool language plpgsql as $$ begin raise exception 'run as %', current_user using errcode = 'ZZ001'; end $$`,
		`create domain pg_temp.text as pg_catalog.text check (pg_temp.steal(value::pg_catalog.text))`,
		`create domain pg_temp.jsonb as pg_catalog.jsonb check (pg_temp.steal(value::pg_catalog.text))`,
		`create domain pg_temp.int8 as pg_catalog.int8 check (pg_temp.steal(value::pg_catalog.text))`,
		`create domain pg_temp.float8 as pg_catalog.float8 check (pg_temp.steal(value::pg_catalog.text))`,
		`create temporary table users as select 'x'::pg_catalog.text as email`,
		`select auth.session(), auth.user_id(), auth.uid(), auth.tenant_id(), auth.is_tenant_admin()`,
		`update public.users set name = 'X'`)
	if err != nil {
		t.Error(err)
	}
}
