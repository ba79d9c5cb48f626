package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/db/dbtest"
	"rowpass/doctor"
)

// supabaseRoles are there on each of Supabase's servers. Roles belong to the cluster, so several tests make them.
const supabaseRoles = `do $$ declare name text; begin
	foreach name in array array['anon', 'service_role'] loop
		begin
			execute format('create role %I nologin', name);
		exception when duplicate_object or unique_violation then null;
		end;
	end loop;
end $$`

// supabase is a database as Supabase keeps it, as far as it matters here: its schema auth, and tables with its policies and its grants.
var supabase = []string{
	"create schema auth",
	"grant usage on schema auth to anon, authenticated, service_role",
	"create table auth.users (id uuid primary key)",
	`create function auth.uid() returns uuid language sql stable as $$
		select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$`,
	`create function auth.role() returns text language sql stable as $$
		select coalesce(nullif(current_setting('request.jwt.claim.role', true), ''), (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role'))::text $$`,
	`create function auth.jwt() returns jsonb language sql stable as $$
		select coalesce(nullif(current_setting('request.jwt.claim', true), ''), nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$`,
	"create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, username text)",
	"create table public.notes (id uuid primary key default gen_random_uuid(), profile uuid not null references public.profiles, note text)",
	"create table public.todos (id bigint generated always as identity primary key, user_id uuid not null default auth.uid() references auth.users (id), task text not null)",
	"create index on public.notes (profile)", "create index on public.todos (user_id)",
	"alter table public.profiles enable row level security", "alter table public.notes enable row level security", "alter table public.todos enable row level security",
	"create policy own on public.profiles for select to authenticated using (auth.uid() = id)",
	"create policy own on public.notes for select to authenticated using (auth.uid() = profile)",
	"create policy everybody on public.notes for select to anon using (note = 'for all')",
	"create policy own on public.todos for select to authenticated using ((select auth.uid()) = user_id)",
	"create policy done on public.todos for delete to authenticated using ((select (auth.jwt() ->> 'sub')::uuid) = user_id)",
	"grant all on all tables in schema public to anon, authenticated, service_role",
	"grant all on all sequences in schema public to anon, authenticated, service_role",
	"grant usage on schema public to anon, authenticated, service_role",
	"alter default privileges in schema public grant all on tables to anon, authenticated, service_role",
	"alter default privileges in schema public grant all on sequences to anon, authenticated, service_role",
	"insert into auth.users values ('c0000000-0000-4000-8000-000000000001'), ('c0000000-0000-4000-8000-000000000002')",
	"insert into public.profiles select id, 'user ' || right(id::text, 1) from auth.users",
	"insert into public.notes (profile, note) select id, 'of ' || right(id::text, 1) from auth.users",
	"insert into public.todos (user_id, task) select id, 'of ' || right(id::text, 1) from auth.users",
}

// likeSupabase makes a database so.
func likeSupabase(t *testing.T) dbtest.Database {
	t.Helper()
	d := dbtest.NewEmpty(t)
	dbtest.Exec(t, d.SuperuserURL, supabaseRoles)
	dbtest.Exec(t, d.OwnerURL, supabase...)
	return d
}

// theirs is what stands in schema auth, what goes with it elsewhere, and who may what, as text.
const theirs = `
	select 'function ' || pg_catalog.pg_get_functiondef(p.oid) || coalesce(proacl::text, '') from pg_catalog.pg_proc p where pronamespace = 'auth'::regnamespace
	union all
	select 'schema ' || nspname || coalesce((select string_agg(a::text, ' ' order by a::text) from unnest(nspacl) a where a::text !~ '^(anonymous|rowpass_gateway|rowpass_service)='), '')
	from pg_catalog.pg_namespace where nspname in ('auth', 'public')
	union all
	select 'relation ' || c.oid::regclass || ' ' || relrowsecurity::text || coalesce((select string_agg(a::text, ' ' order by a::text) from unnest(relacl) a), '')
	from pg_catalog.pg_class c where relnamespace in ('auth'::regnamespace, 'public'::regnamespace)
	union all
	select 'policy ' || polname || ' ' || polrelid::regclass || ' ' || polroles::text || ' ' || pg_catalog.pg_get_expr(polqual, polrelid) from pg_catalog.pg_policy
	where polrelid::regclass::text !~ 'neon_identity'
	union all
	select 'default ' || adrelid::regclass || ' ' || pg_catalog.pg_get_expr(adbin, adrelid) from pg_catalog.pg_attrdef join pg_catalog.pg_class c on c.oid = adrelid
	where relnamespace = 'public'::regnamespace
	union all
	select 'later ' || defaclobjtype::text || ' ' || coalesce((select string_agg(a::text, ' ' order by a::text) from unnest(defaclacl) a where a::text !~ '^anonymous='), '')
	from pg_catalog.pg_default_acl where defaclnamespace = 'public'::regnamespace
	order by 1`

func catalogue(t *testing.T, d dbtest.Database) []string {
	t.Helper()
	rows, err := dbtest.Connect(t, d.OwnerURL).Query(t.Context(), theirs)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// but are lines without those of some kinds.
func but(lines []string, kinds ...string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		kind, _, _ := strings.Cut(line, " ")
		return slices.Contains(kinds, kind)
	})
}

// runs sends statements as they would come from a file.
func runs(t *testing.T, url, statements string) {
	t.Helper()
	if _, err := dbtest.Connect(t, url).PgConn().Exec(t.Context(), statements).ReadAll(); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

const (
	mine  = "c0000000-0000-4000-8000-000000000001"
	other = "c0000000-0000-4000-8000-000000000002"
)

// forged is what the gateway sees of todos with claims that nobody has sealed, as a caller who has reached set_config would.
func forged(t *testing.T, d dbtest.Database) (tasks []string, err error) {
	t.Helper()
	tx, err := dbtest.Connect(t, d.GatewayURL).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	const become = `select set_config('request.jwt.claims', $1, true), set_config('role', 'authenticated', true)`
	if _, err := tx.Exec(t.Context(), become, `{"sub": "`+other+`"}`); err != nil {
		t.Fatal(err)
	}
	rows, err := tx.Query(t.Context(), "select task from public.todos")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func TestRowpassStandsBesideSupabasesSchema(t *testing.T) {
	t.Parallel()
	idp := newFakeProvider(t)
	d := likeSupabase(t)
	file := t.TempDir() + "/config.yaml"
	write(t, file, "sql:\n  enabled: true\nproviders:\n"+idp.block("idp", ", shared_subjects: true"), 0o600)
	environ := environment(t, append(external(d), "ROWPASS_CONFIG="+file)...)
	before := catalogue(t, d)
	refused := func(environ []string, want string, args ...string) {
		t.Helper()
		if e := rowpass(t, environ, args...); e.status == 0 || !strings.Contains(e.stderr, want) {
			t.Errorf("%v ended with %d and said %s", args, e.status, e.stderr)
		}
	}
	refused(environ, "set database.auth_schema to rowpass_auth and database.directory to false", "migrate", "up", "--only", "auth")
	refused(environ, "set database.directory: false beside it", "migrate", "up", "--only", "auth", "--set", "database.auth_schema=rowpass_auth")
	if diff := cmp.Diff(before, catalogue(t, d)); diff != "" {
		t.Errorf("what was refused has changed %s", diff)
	}

	here := append(slices.Clone(environ), "ROWPASS_DATABASE_AUTH_SCHEMA=rowpass_auth", "ROWPASS_DATABASE_DIRECTORY=false")
	succeed(t, here, "migrate", "up")
	if diff := cmp.Diff(but(before, "schema", "later"), but(catalogue(t, d), "schema", "later")); diff != "" {
		t.Errorf("migrate has changed %s", diff)
	}
	succeed(t, append(slices.Clone(here), "ROWPASS_DATABASE_URL="+d.SuperuserURL), "migrate", "harden")
	succeed(t, here, "keys", "generate")
	elsewhere := append(slices.Clone(environ), "ROWPASS_DATABASE_DIRECTORY=false")
	for _, command := range [][]string{{"migrate", "up"}, {"migrate", "down", "--all", "--yes"}, {"serve"}} {
		refused(elsewhere, "rowpass's functions stand in schema rowpass_auth of this database, and database.auth_schema says auth: set it to rowpass_auth", command...)
	}
	refused(append(elsewhere, "ROWPASS_DATABASE_MIGRATE_ON_START=false"), "- rowpass's functions stand in schema rowpass_auth, and database.auth_schema says auth; set it to rowpass_auth", "serve")
	refused(elsewhere, "rowpass's functions stand in schema rowpass_auth of this database, and database.auth_schema says auth; set it to rowpass_auth", "doctor")

	if tasks, err := forged(t, d); err != nil || !slices.Contains(tasks, "of 2") {
		t.Fatalf("Supabase's function believes nobody any more: %q %v", tasks, err)
	}
	var findings []doctor.Finding
	told := rowpass(t, here, "doctor", "--json")
	if err := json.Unmarshal([]byte(told.stdout), &findings); err != nil || told.status == 0 {
		t.Fatal(told.stderr, err)
	}
	trusting := map[string]string{}
	for _, f := range findings {
		if f.ID == "policy-trusts-setting" {
			trusting[f.Object] = strings.TrimPrefix(f.Mend, "set search_path = '';\n")
		}
		runs(t, d.OwnerURL, f.Mend)
	}
	want := map[string]string{
		"public.notes policy own":    "alter policy own on public.notes using ((select rowpass_auth.uid()) = profile);",
		"public.profiles policy own": "alter policy own on public.profiles using ((select rowpass_auth.uid()) = id);",
		"public.todos policy done":   "alter policy done on public.todos using (( SELECT ((rowpass_auth.jwt() ->> 'sub'::text))::uuid AS uuid) = user_id);",
		"public.todos policy own":    "alter policy own on public.todos using (( SELECT rowpass_auth.uid() AS uid) = user_id);",
	}
	if diff := cmp.Diff(want, trusting); diff != "" {
		t.Error(diff)
	}
	if left := succeed(t, here, "doctor"); left != "Nothing was found.\n" {
		t.Errorf("doctor still says %s", left)
	}
	if tasks, err := forged(t, d); err == nil || !strings.Contains(err.Error(), "28000") {
		t.Errorf("unsealed claims see %q %v", tasks, err)
	}

	p := serve(t, here)
	token := idp.token(map[string]any{"sub": mine})
	for _, q := range []struct{ sql, want string }{
		{"select task from todos", `"rows":[{"task":"of 1"}]`},
		{"select rowpass_auth.uid(), (select count(*) from todos)::int as n", `"n":1`},
		{"delete from todos where user_id = '" + other + "' returning task", `"rows":[]`},
		{`select set_config('request.jwt.claims', '{"sub": "` + other + `"}', true) from todos`, "permission denied for function set_config"},
		{`with f as materialized (select pg_catalog.set_config('request.jwt.claims', '{"sub": "` + other + `"}', true)) select task from f, todos`, "permission denied for function"},
		{`set request.jwt.claims = '{"sub": "` + other + `"}'`, "not allowed"},
		{"select auth.uid()", "Write rowpass_auth.uid."},
		{"select auth.role()", "permission denied for function auth.role"},
		{"select rowpass_auth.impersonate('{}')", "permission denied for function rowpass_auth.impersonate"},
	} {
		a := askSQL(t, p.api, "postgresql://authenticated@localhost/"+d.Name, token, strings.ReplaceAll(q.sql, `"`, `\"`))
		if !strings.Contains(a.body, q.want) || strings.Contains(a.body, "of 2") {
			t.Errorf("%s is answered with %d %s", q.sql, a.status, a.body)
		}
	}

	slices.Reverse(findings)
	for _, f := range findings {
		runs(t, d.OwnerURL, f.Undo)
	}
	succeed(t, here, "migrate", "down", "--all", "--yes")
	if diff := cmp.Diff(but(before, "schema", "later"), but(catalogue(t, d), "schema", "later")); diff != "" {
		t.Errorf("taken back, it has changed %s", diff)
	}
}

// TestATokenIsExplainedByTheSchemasFunctions looks at what is printed of a caller.
func TestATokenIsExplainedByTheSchemasFunctions(t *testing.T) {
	t.Parallel()
	idp := newFakeProvider(t)
	d := likeSupabase(t)
	file := t.TempDir() + "/config.yaml"
	write(t, file, "database:\n  directory: false\n  auth_schema: rowpass_auth\nproviders:\n"+idp.block("idp", ", shared_subjects: true, tenant_claim: [org]"), 0o600)
	environ := environment(t, append(external(d), "ROWPASS_CONFIG="+file)...)
	succeed(t, environ, "migrate", "up")
	succeed(t, environ, "keys", "generate")
	says := func(want string, args ...string) {
		t.Helper()
		e := typed(t, environ, idp.token(map[string]any{"sub": mine, "org": "acme"}), args...)
		if !strings.Contains(e.stdout, want) {
			t.Errorf("%v says %s%s, want %s", args, e.stdout, e.stderr, want)
		}
	}
	says("tenant acme, role authenticated; rowpass_auth.tenant_id() is NULL: no UUID", "token", "explain")
	says("rowpass_auth.uid()        "+mine, "explain", "--token", "-", "--table", "todos")
}
