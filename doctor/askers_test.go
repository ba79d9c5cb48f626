package doctor_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/doctor"
	"rowpass/migrations"
)

// supabase is schema auth as Supabase has it, as far as policies call it.
var supabase = []string{
	"create schema auth", "grant usage on schema auth to public", "create table auth.users (id uuid primary key)",
	`create function auth.uid() returns uuid language sql stable as $$
		select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''), (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$`,
	`create function auth.jwt() returns jsonb language sql stable as $$
		select coalesce(nullif(current_setting('request.jwt.claim', true), ''), nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$`,
	`create function auth.role() returns text language sql stable as $$select auth.jwt() ->> 'role'$$`,
	`create function auth.tenant_id() returns bigint language sql stable as $$select (auth.jwt() ->> 'tenant_id')::bigint$$`,
	"create table public.todos (owner uuid, note text, tenant bigint)", "create index on public.todos (owner)", "create index on public.todos (tenant)",
	"alter table public.todos enable row level security",
	"create table public.members (owner uuid, tenant bigint)", "create index on public.members (owner)", "alter table public.members enable row level security",
}

// besideSupabase is a database with both, and what doctor is to look at.
func besideSupabase(t *testing.T, more ...string) (doctor.Config, dbtest.Database) {
	t.Helper()
	d := dbtest.NewEmpty(t)
	dbtest.Exec(t, d.OwnerURL, supabase...)
	_, err := migrations.Up(t.Context(), migrations.Config{
		OwnerURL: d.OwnerURL, GatewayURL: d.GatewayURL, ServiceURL: d.ServiceURL, AuthOnly: true, AuthSchema: "rowpass_auth", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, d.OwnerURL, append([]string{
		"grant select on public.todos, public.members to authenticated",
		"create policy own on public.members for select to authenticated using (owner = (select rowpass_auth.uid()))",
	}, more...)...)
	c := config(d)
	c.AuthSchema = "rowpass_auth"
	return c, d
}

func TestPoliciesThatAskAForeignSchemaAreFoundAndMended(t *testing.T) {
	t.Parallel()
	const trusts = "policy-trusts-setting: public.todos policy p"
	for _, line := range []struct {
		name, using string
		want        []string
		mend        string // of the first finding; "": by hand
	}{
		{"ours", "owner = (select rowpass_auth.uid())", nil, ""},
		{"uid", "owner = (select auth.uid())", []string{trusts}, "(owner = ( SELECT rowpass_auth.uid() AS uid))"},
		{"uid, bare", "auth.uid() = owner", []string{trusts, "policy-calls-per-row: public.todos policy p"}, "((select rowpass_auth.uid()) = owner)"},
		{"a claim of jwt", "owner = (select (auth.jwt() ->> 'sub')::uuid)", []string{trusts}, "(owner = ( SELECT ((rowpass_auth.jwt() ->> 'sub'::text))::uuid AS uuid))"},
		{"role, which ours has no name for", "owner = (select rowpass_auth.uid()) and (select auth.role()) = 'authenticated'", []string{trusts}, ""},
		{"tenant_id, which is of another type than ours", "tenant = (select auth.tenant_id())", []string{trusts}, ""},
		{"uid in a sub-select that looks at the row, which stays", "exists (select from public.members m where m.owner = auth.uid() and m.tenant <> todos.tenant)",
			[]string{trusts, "policy-correlated: public.todos policy p"}, "m.owner = rowpass_auth.uid()"},
	} {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			c, _ := besideSupabase(t, "create policy p on public.todos for select to authenticated using ("+line.using+")")
			found := examine(t, c)
			if diff := cmp.Diff(append([]string{}, line.want...), told(found)); diff != "" {
				t.Fatal(diff)
			}
			if len(found) == 0 {
				return
			}
			if mend := found[0].Mend; !strings.Contains(mend, strings.Trim(line.mend, "()")) || (mend == "") != (line.mend == "") {
				t.Errorf("the mend is %s, want %s", mend, line.mend)
			}
			dbtest.Exec(t, c.OwnerURL, found[0].Mend)
			if left := told(examine(t, c)); line.mend != "" && slices.Contains(left, trusts) {
				t.Errorf("its own SQL does not mend it: %q", left)
			}
		})
	}
}

func TestAForeignSchemaIsExaminedAsAnyOther(t *testing.T) {
	t.Parallel()
	c, _ := besideSupabase(t, "drop table public.todos", "grant select on auth.users to authenticated", "revoke usage on schema rowpass_auth from anonymous")
	want := []string{"table-without-rls: auth.users", "auth-closed: role anonymous"}
	found := examine(t, c)
	if diff := cmp.Diff(want, told(found)); diff != "" {
		t.Fatal(diff)
	}
	if mend := found[1].Mend; mend != "grant usage on schema rowpass_auth to anonymous;" {
		t.Errorf("the mend is %s", mend)
	}
}

func TestGuessedPoliciesNameTheSchema(t *testing.T) {
	t.Parallel()
	c, _ := besideSupabase(t, "drop table public.todos", "create table public.notes (user_id uuid, note text)")
	found := examine(t, c)
	if diff := cmp.Diff([]string{"table-without-rls: public.notes"}, told(found)); diff != "" {
		t.Fatal(diff)
	}
	dbtest.Exec(t, c.OwnerURL, found[0].Mend)
	if left := told(examine(t, c)); len(left) > 0 || !strings.Contains(found[0].Mend, "rowpass_auth.uid()") {
		t.Errorf("%q is left after %s", left, found[0].Mend)
	}
}

// pg_session_jwt takes the setting where its session has no key, and nobody here gives it one. It can't be had for a test, so another
// function in C passes for its own.
func TestAPolicyThatAsksPgSessionJWTIsFound(t *testing.T) {
	t.Parallel()
	c, d := besideSupabase(t, "create function auth.user_id() returns text language sql return 'x'",
		"create policy p on public.todos for select to authenticated using (note = (select auth.user_id()))", "create index on public.todos (note)")
	if found := told(examine(t, c)); len(found) > 0 {
		t.Fatalf("a function that asks nobody is told of: %q", found)
	}
	dbtest.Exec(t, d.SuperuserURL, "update pg_catalog.pg_proc set probin = '$libdir/pg_session_jwt-0.5' where oid = 'auth.user_id()'::regprocedure")
	if diff := cmp.Diff([]string{"policy-trusts-setting: public.todos policy p"}, told(examine(t, c))); diff != "" {
		t.Error(diff)
	}
}

func TestAnExplanationAsksTheSchema(t *testing.T) {
	t.Parallel()
	c, _ := besideSupabase(t, "create policy p on public.todos for select to authenticated using (owner = (select rowpass_auth.uid()))",
		"insert into public.todos values ('c0000000-0000-4000-8000-000000000001', 'mine'), ('c0000000-0000-4000-8000-000000000002', 'yours')")
	e, err := doctor.Explain(t.Context(), doctor.ExplainConfig{
		OwnerURL: c.OwnerURL, GatewayURL: c.GatewayURL, Role: "authenticated", Claims: []byte(`{"sub": "c0000000-0000-4000-8000-000000000001"}`), Table: "todos", AuthSchema: "rowpass_auth",
	})
	if err != nil {
		t.Fatal(err)
	}
	if e.Identity.UID == nil || *e.Identity.UID != "c0000000-0000-4000-8000-000000000001" || e.Counts.Seen == nil || *e.Counts.Seen != 1 {
		t.Errorf("%+v sees %+v", e.Identity, e.Counts)
	}
	if _, err := doctor.Examine(t.Context(), doctor.Config{OwnerURL: c.OwnerURL}); err == nil || !strings.Contains(err.Error(), "stand in schema rowpass_auth of this database, and database.auth_schema says auth") {
		t.Errorf("under the wrong name: %v", err)
	}
}
