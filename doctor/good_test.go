package doctor_test

import (
	"database/sql"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"rowpass/db/dbtest"
	"rowpass/doctor"
)

// goodSchema is what somebody who has read the tutorial makes.
var goodSchema = []string{
	items, rls,
	"create policy items_own on public.items to authenticated using (tenant_id = (select auth.tenant_id()) and (owner_id = (select auth.user_id()) or note is not null)) with check (tenant_id = (select auth.tenant_id()))",
	"create policy items_open on public.items as restrictive using ((select auth.session() ->> 'role') = 'authenticated')",
	"create table public.members (tenant_id uuid not null, user_id text not null, primary key (user_id, tenant_id))",
	"alter table public.members enable row level security",
	"create policy own on public.members for select to authenticated using (user_id = (select auth.user_id()))",
	"create policy items_shared on public.items for select to authenticated using (tenant_id in (select m.tenant_id from public.members m where m.user_id = (select auth.user_id())))",
	"create function public.caller() returns text language sql stable as 'select auth.user_id()'",
	"create policy members_too on public.members for select to authenticated using (user_id = (select public.caller()))",
	"create function public.current_claims() returns text language sql stable as $$select current_setting('request.jwt.claims', true)$$",
	"create function public.title(t text) returns text language plpgsql immutable as 'begin return t; end'",
	"create policy items_team on public.items for select to authenticated using (exists (select from public.members m where m.tenant_id = items.tenant_id and m.user_id = (select auth.user_id())))",
	"create view public.open_items with (security_invoker = true) as select * from public.items where note is null",
	"create table public.countries (code text primary key)",
	"alter table public.countries enable row level security",
	"create policy countries_read on public.countries for select to authenticated, anonymous using (true)",
	"revoke insert, update, delete on public.countries from authenticated, anonymous",
	"create table public.steps (tenant_id uuid not null, item_id bigint not null, number int, note text, primary key (tenant_id, item_id, number), foreign key (tenant_id, item_id) references public.items (tenant_id, id), unique (item_id, note))",
	"alter table public.steps enable row level security",
	"create policy steps_own on public.steps to authenticated using (tenant_id = (select auth.tenant_id()) and number > length(public.title(note)))",
	"create table public.internal (v text)", "revoke all on public.internal from authenticated, anonymous",
	"create function public.add(a int, b int) returns int language sql return a + b",
}

func TestDoctorIsSilentWhereNothingIsWrong(t *testing.T) {
	t.Parallel()
	for _, line := range []struct {
		name string
		do   []string
	}{
		{"rowpass's own schema", nil},
		{"a schema as the tutorial teaches it", goodSchema},
		{"an owner whom policies hold as well", []string{items, rls, policy, "alter table public.items force row level security"}},
	} {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			dbtest.Exec(t, d.OwnerURL, line.do...)
			if diff := cmp.Diff([]string{}, told(examine(t, config(d)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDoctorLooksOnlyWhereItIsTold(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, "create schema app", "create table app.secrets (v text)", "grant select on app.secrets to anonymous",
		"create table public.countries (v text)", items, rls, "create policy p on public.items to authenticated using (tenant_id = (select auth.as_uuid(auth.session() ->> 'plan')))")
	const secrets, countries, plan = "table-without-rls: app.secrets", "table-without-rls: public.countries", "claim-unknown: public.items policy p"
	for _, line := range []struct {
		name   string
		change func(*doctor.Config)
		want   []string
	}{
		{"everywhere", func(*doctor.Config) {}, []string{secrets, countries, plan}},
		{"one schema", func(c *doctor.Config) { c.Schemas = []string{"app"} }, []string{secrets}},
		{"what is tolerated", func(c *doctor.Config) { c.Tolerated = []string{"public.countries"} }, []string{secrets, plan}},
		{"for one role", func(c *doctor.Config) { c.Roles, c.Gateway = []string{"authenticated"}, "" }, []string{countries, plan}},
		{"claims that are sent", func(c *doctor.Config) { c.Claims = append(slices.Clone(claims), "plan") }, []string{secrets, countries}},
		{"claims that are unknown", func(c *doctor.Config) { c.Claims = nil }, []string{secrets, countries}},
	} {
		t.Run(line.name, func(t *testing.T) {
			c := config(d)
			line.change(&c)
			if diff := cmp.Diff(line.want, told(examine(t, c))); diff != "" {
				t.Error(diff)
			}
		})
	}
	dbtest.Exec(t, d.OwnerURL, `create or replace function auth.token_claims("user" text, client text) returns jsonb language sql stable return jsonb_build_object('plan', 'pro')`)
	if got := told(examine(t, config(d))); slices.Contains(got, plan) {
		t.Errorf("a claim of the hook's is called unknown: %q", got)
	}
}

func TestTheMendedPlanOfTheTutorialsPolicyIsAnIndexScan(t *testing.T) {
	t.Parallel()
	for _, using := range []string{
		"(select auth.session() ->> 'tenant_id' = tenant_id::text)",
		"(select auth.session()) ->> 'tenant_id' = tenant_id::text",
		"auth.session() ->> 'tenant_id' = tenant_id::text",
	} {
		t.Run(using, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			dbtest.Exec(t, d.OwnerURL, itemsWith(using)...)
			dbtest.Exec(t, d.OwnerURL, "insert into public.items (tenant_id) select gen_random_uuid() from generate_series(1, 5000)", "analyze public.items",
				"insert into public.items (tenant_id) values ('a0000000-0000-4000-8000-000000000001')")
			explained := func() doctor.Explanation {
				e, err := doctor.Explain(t.Context(), doctor.ExplainConfig{
					OwnerURL: d.OwnerURL, GatewayURL: d.GatewayURL, Role: "authenticated", Claims: []byte(`{"tenant_id": "a0000000-0000-4000-8000-000000000001"}`), Table: "items",
				})
				if err != nil {
					t.Fatal(err)
				}
				return e
			}
			before := explained()
			if plan := strings.Join(before.Plan, "\n"); !strings.Contains(plan, "Seq Scan") {
				t.Fatalf("the bad policy is fast:\n%s", plan)
			}
			for _, f := range examine(t, config(d)) {
				dbtest.Exec(t, d.OwnerURL, f.Mend)
			}
			after := explained()
			if plan := strings.Join(after.Plan, "\n"); strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "SubPlan") || !strings.Contains(plan, "Index Cond") {
				t.Errorf("the mended policy is slow:\n%s", plan)
			}
			if diff := cmp.Diff(before.Counts, after.Counts); diff != "" || *after.Counts.Seen != 1 {
				t.Errorf("the mended policy is another one: %s", diff)
			}
		})
	}
}

func TestTheMigrationMendsAllAndCanBeTakenBack(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, itemsWith("(select auth.session() ->> 'tenantId' = tenant_id::text)")...)
	dbtest.Exec(t, d.OwnerURL, "create view public.everybody as select * from public.users", "create table public.countries (v text)",
		"grant truncate on public.users to anonymous", "alter table public.items add during tstzrange, add exclude using gist (during with &&)")
	before := examine(t, config(d))
	dir := fstest.MapFS{"00001_doctor.sql": {Data: []byte(doctor.Migration(before))}}
	migrate(t, d, dir, func(p *goose.Provider) error { _, err := p.Up(t.Context()); return err })
	if diff := cmp.Diff([]string{"key-leaks-existence: public.items key public.items_during_excl"}, told(examine(t, config(d)))); diff != "" {
		t.Errorf("after the migration: %s", diff)
	}
	migrate(t, d, dir, func(p *goose.Provider) error { _, err := p.DownTo(t.Context(), 0); return err })
	if diff := cmp.Diff(told(before), told(examine(t, config(d)))); diff != "" {
		t.Errorf("after it was taken back: %s", diff)
	}
	if text := doctor.Migration(nil); text != "" {
		t.Errorf("a migration of nothing: %s", text)
	}
}

func migrate(t *testing.T, d dbtest.Database, dir fs.FS, do func(*goose.Provider) error) {
	t.Helper()
	conn, err := sql.Open("pgx", d.OwnerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, conn, dir, goose.WithTableName("rowpass.doctor_test_version"))
	if err == nil {
		err = do(p)
	}
	if err != nil {
		t.Fatal(err)
	}
}
