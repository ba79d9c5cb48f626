package doctor_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/db/dbtest"
)

// shapes are conditions of policies, of a table z of rows.
var shapes = []string{
	"own = auth.user_id()",
	"(select own = auth.user_id())",
	"not (select own = auth.user_id())",
	"(select own = auth.user_id()) is not false",
	"exists (select 1 where z.own = auth.user_id())",
	"public.same(own) = auth.user_id()",
	"own = (select auth.user_id() || coalesce(z.txt, ''))",
	"case (select own = auth.user_id()) when true then true else n = 5 end",
	"case when n > 0 then own = auth.user_id() else false end or n = 5",
	"id::text = auth.user_id()",
	"auth.user_id() = id::text",
	"id = auth.uid() or id::text = (auth.session() ->> 'sub')",
	"(id::text = auth.user_id()) = (own is null)",
	"id::text collate \"C\" = auth.user_id()",
	"id::text = case when n > 100 then auth.user_id() else 'x' end",
	"id::char(5) = auth.user_id()::char(5)",
	"id::char(36) = auth.user_id()",
	"id::varchar = auth.user_id()",
	"id::varchar(5) = auth.user_id()",
	"id::text = upper(auth.user_id())",
	"n::text = auth.user_id()",
	"big::text = auth.user_id()",
	"s::text = auth.user_id()",
	"n::text = auth.user_id() or (auth.user_id() is null)",
	"n::text = auth.session() ->> 'tenant_id' and s::text = auth.user_id() is not false",
	"(id::text = auth.user_id()) or (select (n::text = auth.user_id()) is null)",
	"n::text::char(2) = auth.user_id()::char(20)",
	"n::text::varchar(2) = auth.user_id()",
	"ch = auth.user_id()::char(36)",
	"vc::text = auth.user_id()",
	"n::text = (select auth.user_id() limit 1)",
	"n::text = (select auth.user_id() where z.s > 5)",
	"n::text = (select auth.user_id() order by z.s)",
	"n::text = nullif(auth.user_id(), '12')",
	"n::text = coalesce(auth.user_id(), '12')",
	"n::bool = (auth.user_id() = '12')",
	"n::oid::text = auth.user_id()",
	"s::int::text = auth.user_id()",
	"n::text = auth.user_id() || ''",
	"n::text = trim(auth.user_id())",
	"n::text = (auth.user_id())::varchar(2)",
	"n::text = 'a' or n::text = auth.user_id() or 'b' = n::text",
	"txt = 'x' or own = auth.user_id() and not n::text = auth.user_id()",
	"own = any ((select array[auth.user_id()])::text[])",
	"own = any (string_to_array(auth.user_id(), ','))",
	"own = any (array[auth.user_id(), 'q'])",
	"own = any (public.names())",
	"own in (select auth.user_id())",
	"own in (select x from unnest(array[auth.user_id()]) x)",
	"own in (select unnest(z.arr))",
	"own = any (array(select z.own))",
	"array(select z.own) = array[auth.user_id()]",
	"own not in (select auth.user_id())",
	"own = all (array[auth.user_id()])",
	"own = all (string_to_array(auth.user_id(), ','))",
	"own <> all (array[auth.user_id(), 'u1'])",
	"own = (values (auth.user_id()))",
	"own = (select auth.user_id() union select auth.user_id())",
	"auth.user_id() = any (arr)",
	"auth.user_id() = any (array[own, txt])",
	"arr && array[auth.user_id()]",
	"arr @> array[auth.user_id()]",
	"j ? auth.user_id() or arr @> array[auth.user_id()]",
	"array[own] = array[auth.user_id()]",
	"own = (array[auth.user_id(), 'q'])[1]",
	"own = (string_to_array(auth.user_id(), ','))[length(auth.tenant())]",
	"(auth.user_id() = 'u1') = (own = 'u1')",
	"(auth.user_id() = 'u1' and n > 0) is not true",
	"(auth.session() -> 'a' ->> 0) is null and own = auth.user_id()",
	"greatest(own, auth.user_id()) = own",
	"n = length(auth.user_id())",
	"n = -length(auth.user_id())",
	"(n > 0) and (n > 0) is distinct from (auth.user_id() is null)",
	"own similar to auth.user_id()",
	"xmlexists('a' passing by ref xmlelement(name a, auth.user_id()))",
	"extract(year from now()) > 5 and own = auth.user_id()",
	"own = substring(auth.user_id() from 1 for 2)",
	"position(own in auth.user_id()) > 0",
	"own = overlay(auth.user_id() placing 'u' from 1)",
	"own = (auth.user_id() collate \"C\")",
	"own collate \"C\" = auth.user_id()",
	"own || '' = auth.user_id() || ''",
	"row(own) = row(auth.user_id())",
	"row(own, n) = row(auth.user_id(), 12)",
	"row(own, auth.user_id()) = row(txt, 'u1')",
	"(own, auth.user_id()) is not null",
	"(own, auth.user_id()) in (select own, auth.user_id())",
	"(select (own, n) = (auth.user_id(), 12))",
	"own = U&'\\0075' || auth.user_id()",
	"own = E'a\\'b' || auth.user_id()",
	"txt = ')' or own = auth.user_id() or txt = '('",
	"json_build_object('a', auth.user_id())::text like '%' || own || '%'",
	"j @> jsonb_build_object('a', auth.user_id())",
	"public.seen(z) = auth.user_id()",
	"public.seen(z.*) is not distinct from auth.user_id()",
	"(z is not null) = (auth.user_id() is not null)",
	"tableoid::regclass::text = auth.user_id() or own = auth.user_id()",
	"public.named(b => auth.user_id(), a => own)",
	"public.variable(variadic array[own, auth.user_id()])",
	"(select public.several(own)) and own = auth.user_id()",
	"k = public.step() and auth.user_id() is not null",
	"k % 2 = public.turn(auth.user_id()) % 2",
	"k::text = (public.turn(auth.user_id()) % 4)::text",
	"own = (select auth.user_id() || public.turn('x'))",
	"st = 'on' and own = auth.user_id()",
	"st operator(public.===) 'on' and own = auth.user_id()",
}

// settingShapes read the setting itself. Each has its like in TestForeignFunctionsGiveWayToOurs.
var settingShapes = func() (all []string) {
	const claims, bare = "nullif(current_setting('request.jwt.claims', true), '')::jsonb", "current_setting('request.jwt.claims', true)::jsonb"
	for _, using := range []string{
		"CLAIMS is not null", "(select CLAIMS) is not null", "CLAIMS is null", "coalesce(CLAIMS ->> 'role', 'x') = 'x'",
		"coalesce(CLAIMS, '{\"role\":\"none\"}'::jsonb) ->> 'role' <> 'none'", "coalesce(CLAIMS ? 'is_banned', true) = false", "not (CLAIMS ? 'is_banned')",
		"not (CLAIMS @> '{\"aal\":\"aal1\"}')", "CLAIMS <> '{}'", "CLAIMS::text <> ''", "jsonb_typeof(CLAIMS) is not null", "CLAIMS::text::json is not null",
		"CLAIMS::json is not null", "CLAIMS::json::text <> '{}'", "CLAIMS #> '{}' is not null", "CLAIMS #>> '{}' is null", "CLAIMS -> 0 is null", "CLAIMS -> 'sub' is null",
		"own = CLAIMS ->> 'sub'", "own = (select CLAIMS ->> 'sub')", "own = (select CLAIMS) ->> 'sub'", "own = CLAIMS #>> '{sub}'", "id::text = CLAIMS ->> 'sub'", "(CLAIMS ->> own) is null",
		"not (CLAIMS || '{}' = '{}')", "(CLAIMS || '{}') ->> 'role' is null", "(CLAIMS)['sub'] is null", "(CLAIMS is not null)::text = 'true'", "case when CLAIMS is null then false else true end",
	} {
		all = append(all, strings.ReplaceAll(using, "CLAIMS", claims), strings.ReplaceAll(using, "CLAIMS", bare))
	}
	return all
}()

const someone = "a0000000-0000-4000-8000-00000000000b"

// rowsOfShapes are what each table of the property holds, whose users and numbers are those of claimsOfShapes.
var rowsOfShapes = []string{
	"('" + someone + "', 12, 1234567890123456789, 12, 'x', 'u1', '{u1}', '{\"a\":1}', '12', 'x', 'on')",
	"('" + someone + "', 123, 12, 1, 'y', '" + someone + "', '{}', '{}', 'ab', '" + someone + "', 'off')",
	"('b0000000-0000-4000-8000-00000000000b', 2000000000, -5, -5, 'z', 'X', null, null, null, null, null)",
	"(null, -5, -9223372036854775808, 1234, null, null, null, null, null, null, 'on')",
	"(null, 0, 9223372036854775807, 0, 'u1', 'u1', '{a,u1}', '{\"a\":\"u1\"}', 'u1', null, 'off')",
}

func claimsOfShapes() []string {
	all := []string{"", `{}`, `{"sub":"u1","tenant_id":"12"}`, `{"sub":"X","role":"authenticated"}`, `{"sub":"u1,X","tenant_id":"1"}`}
	for _, sub := range []string{someone, strings.ToUpper(someone), "{" + someone + "}", strings.ReplaceAll(someone, "-", ""), "a0000", "12", "123", "1234", " 12", "012", "+12", "-5", "-0", "0",
		"2000000000", "2147483648", "1234567890123456789", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", strings.Repeat("9", 40)} {
		all = append(all, fmt.Sprintf(`{"sub":%q}`, sub))
	}
	return all
}

// shapedTables makes a table for each shape whose policy is that, and gives those that PostgreSQL takes.
func shapedTables(t *testing.T, d dbtest.Database) map[string]string {
	dbtest.Exec(t, d.OwnerURL,
		"create type public.st as enum ('on', 'off')", "create sequence public.steps", "grant usage on sequence public.steps to authenticated",
		"create function public.step() returns bigint language sql volatile as $$select nextval('public.steps') % 5$$",
		"create function public.turn(text) returns bigint language sql volatile as $$select nextval('public.steps')$$",
		"create function public.same(text) returns text language sql immutable as 'select $1'",
		"create function public.names() returns text[] language sql stable as 'select array[auth.user_id()]'",
		"create function public.named(a text, b text) returns boolean language sql immutable as 'select a = b'",
		"create function public.variable(variadic text[]) returns boolean language sql immutable as 'select $1[1] = $1[2]'",
		"create function public.several(text) returns setof boolean language sql stable as 'select $1 is not null'",
		"create function public.is_same(public.st, public.st) returns boolean language sql immutable as 'select $1 = $2'",
		"create operator public.=== (leftarg = public.st, rightarg = public.st, function = public.is_same)")
	conn := dbtest.Connect(t, d.OwnerURL)
	tables := map[string]string{}
	for i, using := range append(slices.Clone(shapes), settingShapes...) {
		schema := fmt.Sprintf("s%d", i)
		dbtest.Exec(t, d.OwnerURL, "create schema "+schema, "grant usage on schema "+schema+" to authenticated",
			"create table "+schema+".z (k int generated always as identity, id uuid, n int, big bigint, s smallint, txt text, own text, arr text[], j jsonb, vc varchar(10), ch char(40), st public.st)",
			"insert into "+schema+".z (id, n, big, s, txt, own, arr, j, vc, ch, st) values "+strings.Join(rowsOfShapes, ","),
			"create function public.seen("+schema+".z) returns text language sql stable as 'select $1.own'",
			"alter table "+schema+".z enable row level security", "grant select on "+schema+".z to authenticated")
		if _, err := conn.Exec(t.Context(), "create policy p on "+schema+".z to authenticated using ("+using+")"); err != nil {
			t.Fatalf("%s: %v", using, err)
		}
		tables[schema+".z"] = using
	}
	return tables
}

// visible is which rows of a table somebody sees, or the error. Without claims none are set.
func visible(t *testing.T, conn *pgx.Conn, table, role, claims string) string {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	become := "auth.impersonate('" + claims + "', '" + role + "')"
	if claims == "" {
		become = "set_config('role', '" + role + "', true)"
	}
	if _, err := tx.Exec(t.Context(), "select pg_catalog.setval('public.steps', 1, false), "+become); err != nil {
		t.Fatal(err)
	}
	rows, err := tx.Query(t.Context(), "select k::text from "+table+" order by k")
	if err != nil {
		return err.Error()
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err.Error()
	}
	return strings.Join(all, ",")
}

func TestAMendedPolicyLetsTheSameRowsThrough(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	tables := shapedTables(t, d)
	conn := dbtest.Connect(t, d.OwnerURL)
	seen := func() map[string]string {
		all := map[string]string{}
		for _, claims := range claimsOfShapes() {
			conn := dbtest.Connect(t, d.OwnerURL) // where no claims were set before: the setting is empty afterwards, and no more NULL
			for table, using := range tables {
				all[using+" for <"+claims+">"] = visible(t, conn, table, "authenticated", claims)
			}
			_ = conn.Close(t.Context())
		}
		return all
	}
	before := seen()
	mended := map[string]string{}
	for _, f := range examine(t, config(d)) {
		table, _, _ := strings.Cut(f.Object, " policy ")
		if using := tables[table]; using != "" && strings.Contains(f.Mend, "alter policy") {
			mended[using] = f.Mend
			if _, err := conn.Exec(t.Context(), f.Mend); err != nil {
				t.Errorf("the mend of %s: %v\n%s", using, err, f.Mend)
			}
		}
	}
	after := seen()
	for key := range before {
		using, _, _ := strings.Cut(key, " for <")
		if diff := cmp.Diff(before[key], after[key]); diff != "" {
			t.Errorf("%s\n%s\n%s", key, mended[using], diff)
		}
	}
	if len(mended) < 40 {
		t.Errorf("only %d of %d are mended", len(mended), len(shapes))
	}
}
