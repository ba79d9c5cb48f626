package doctor_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/doctor"
)

const (
	acme   = "a0000000-0000-4000-8000-000000000001"
	ada    = "a0000000-0000-4000-8000-00000000000a"
	gil    = "b0000000-0000-4000-8000-00000000000a"
	globex = "b0000000-0000-4000-8000-000000000001"
	admin  = `{"sub": "` + ada + `", "tenant_id": "` + acme + `"}`
)

// question is a caller and a table, with the answer.
type question struct {
	name   string
	do     []string
	role   string // authenticated by default
	claims string
	table  string
	row    string
	want   string
}

var questions = []question{
	{name: "one's own tenant", claims: admin, table: "users", want: "authenticated sees 2 of 4 rows: those of which policy users_read is true."},
	{name: "no claims", claims: "", table: "todos", want: "authenticated sees no rows: policy todos_own is true of none of 8 rows (the caller has no claims)."},
	{name: "nobody", role: "anonymous", table: "public.todos", want: "anonymous sees no rows: no policy of public.todos lets it read; policy todos_own is for ALL by authenticated."},
	{name: "an empty table", do: []string{"delete from public.todos"}, claims: admin, table: "todos", want: "public.todos is empty: there are no rows to see."},
	{name: "a row of one's own", claims: admin, table: "users", row: ada, want: "authenticated sees row " + ada + ": policy users_read is true of it."},
	{name: "a row of somebody else's", claims: admin, table: "users", row: gil, want: "authenticated does not see row " + gil + ": policy users_read is not true of it."},
	{name: "a row of a key of two columns", claims: admin, table: "todos", row: ada + ", 1", want: "authenticated sees row " + ada + ", 1: policy todos_own is true of it."},
	{name: "a row by its column id alone", claims: admin, table: "todos", row: "5", want: "authenticated does not see row 5: policy todos_own is not true of it."},
	{name: "a row that is not there", claims: admin, table: "users", row: acme, want: "There is no row " + acme + " in public.users."},
	{name: "a row and nobody", role: "anonymous", table: "users", row: ada, want: "anonymous does not see row " + ada + ": no policy of public.users lets it read; policy users_add is for INSERT by authenticated."},
	{name: "no grant", do: []string{"revoke select on public.todos from authenticated"}, claims: admin, table: "todos",
		want: "authenticated gets an error: it may not read public.todos (grant select on public.todos to authenticated)."},
	{name: "a closed schema", do: []string{"create schema app", "create table app.t (id int primary key)", "grant select on app.t to authenticated"}, claims: admin, table: "app.t",
		want: "authenticated gets an error: it may not use schema app (grant usage on schema app to authenticated)."},
	{name: "no row-level security", do: []string{"create table public.countries (v text)", "insert into public.countries values ('a')"}, claims: admin, table: "countries",
		want: "public.countries has no row-level security: authenticated sees every row (1 row)."},
	{name: "no policy at all", do: []string{"alter table public.todos disable row level security", "drop policy todos_own on public.todos", "alter table public.todos enable row level security"},
		claims: admin, table: "todos", want: "authenticated sees no rows: no policy of public.todos lets it read, since it has none."},
	{name: "a misspelt claim", do: append(itemsWith("tenant_id = (select auth.as_uuid(auth.session() ->> 'tenantId'))"), "insert into public.items (tenant_id) values ('"+acme+"')"),
		claims: admin, table: "items",
		want: `authenticated sees no rows: policy items_own is true of none of 1 row (policy items_own asks for the claim "tenantId", which the caller does not have; it has "tenant_id").`},
	{name: "a restrictive policy", do: []string{"create policy nobody on public.users as restrictive for select to authenticated using (name <> 'Ada of Acme')"}, claims: admin, table: "users", row: ada,
		want: "authenticated does not see row " + ada + ": the restrictive policy nobody is not true of it."},
	{name: "a policy that fails", do: itemsWith("tenant_id = (select (auth.session() ->> 'sub')::uuid)"), claims: `{"sub": "auth0|7"}`, table: "items",
		want: `authenticated gets an error: invalid input syntax for type uuid: "auth0|7".`},
	{name: "a policy that looks into a table which is closed to the caller", claims: admin, table: "items", row: "1",
		do: append([]string{"create table public.closed as select 1 as k", "alter table public.closed enable row level security", "insert into public.closed values (2)"},
			append(itemsWith("exists (select from public.closed)"), "insert into public.items (tenant_id) values ('"+acme+"')")...),
		want: "authenticated does not see row 1: policy items_own is not true of it."},
	{name: "a policy that writes", do: append([]string{"create table public.visits (n int)", "create function public.visit() returns boolean language sql as 'insert into public.visits values (1) returning true'"}, append(itemsWith("public.visit()"), "insert into public.items (tenant_id) values ('"+acme+"')")...),
		claims: admin, table: "items", want: "authenticated gets an error: cannot execute INSERT in a read-only transaction."},
	{name: "every row", do: []string{"create policy everybody on public.users for select to authenticated using (true)"}, claims: admin, table: "users",
		want: "authenticated sees every row of public.users (4 rows): one of the policies everybody, users_read is true of each."},
	{name: "a view that reads as its owner", do: []string{"create view public.everybody as select * from public.users"}, claims: admin, table: "everybody",
		want: "public.everybody is a view that reads as its owner: authenticated sees every row that the owner does (4 rows)."},
	{name: "a view that reads as its caller", do: []string{"create view public.us with (security_invoker) as select * from public.users"}, claims: admin, table: "us",
		want: "public.us is a view that reads as its caller: the policies of the tables behind it decide (2 rows). Explain those."},
	{name: "names that have to be quoted", claims: admin, table: `public."Odd table"`, row: "1",
		do: []string{`create table public."Odd table" ("Tenant" uuid, "Id" int primary key)`, `alter table public."Odd table" enable row level security`,
			`create policy "the one" on public."Odd table" to authenticated using ("Tenant" = (select auth.tenant_id()))`, `insert into public."Odd table" values ('` + acme + `', 1)`},
		want: `authenticated sees row 1: policy "the one" is true of it.`},
}

func TestExplainSaysWhyRowsAreSeen(t *testing.T) {
	t.Parallel()
	for _, q := range questions {
		t.Run(q.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			dbtest.Exec(t, d.OwnerURL, q.do...)
			got, err := q.ask(t, d)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(q.want, got.Answer); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func (q question) ask(t *testing.T, d dbtest.Database) (doctor.Explanation, error) {
	t.Helper()
	if q.role == "" {
		q.role = "authenticated"
	}
	return doctor.Explain(t.Context(), doctor.ExplainConfig{OwnerURL: d.OwnerURL, GatewayURL: d.GatewayURL, Role: q.role, Claims: []byte(q.claims), Table: q.table, Row: q.row})
}

func TestAnExplanationHoldsWhatItRestsOn(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	got, err := question{claims: admin, table: "todos", row: "1"}.ask(t, d)
	if err != nil {
		t.Fatal(err)
	}
	yes, tenant, user, two, eight := true, acme, ada, int64(2), int64(8)
	const own = "(user_id = ( SELECT auth.user_id() AS user_id))"
	want := doctor.Explanation{
		Answer: "authenticated sees row 1: policy todos_own is true of it.", Role: "authenticated", Claims: json.RawMessage(admin),
		Identity: doctor.Identity{UserID: &user, UID: &user, Tenant: &tenant, TenantID: &tenant}, Table: "public.todos", Kind: "table", RLS: true,
		Grants:   []doctor.Grant{{Privilege: "SELECT", Columns: []string{}}, {Privilege: "INSERT", Columns: []string{}}, {Privilege: "UPDATE", Columns: []string{}}, {Privilege: "DELETE", Columns: []string{}}},
		Policies: []doctor.PolicyVerdict{{Name: "todos_own", Command: "ALL", Permissive: true, Roles: []string{"authenticated"}, Applies: true, Using: own, WithCheck: own, Sees: &yes, Writes: &yes}},
		Row:      &doctor.RowVerdict{Key: "1", Exists: true, Seen: true}, Counts: doctor.Counts{Seen: &two, All: &eight}, Typos: []doctor.Typo{},
	}
	if plan := strings.Join(got.Plan, "\n"); !strings.Contains(plan, "InitPlan 1") || !strings.Contains(plan, "on todos") {
		t.Errorf("no plan of the caller's: %s", plan)
	}
	want.Plan = got.Plan
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestExplainRefusesWhatItCannotFind(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, "create table public.keyless (v text)", "create table public.pairs (a int, id int, primary key (a, id))", "insert into public.pairs values (1, 1), (2, 1)")
	for _, line := range []struct {
		name, table, row string
		want             error
	}{
		{"a table that is not there", "nothing", "", doctor.ErrNoTable},
		{"SQL for a table's name", "users; drop table users", "", doctor.ErrNoTable},
		{"a row of a table without a primary key", "keyless", "1", doctor.ErrRow},
		{"a key of another type", "users", "1' or true", doctor.ErrRow},
		{"too many values", "users", acme + "," + globex, doctor.ErrRow},
		{"a value that several rows have", "pairs", "1", doctor.ErrRow},
	} {
		t.Run(line.name, func(t *testing.T) {
			if _, err := (question{claims: admin, table: line.table, row: line.row}).ask(t, d); !errors.Is(err, line.want) {
				t.Errorf("%v, want %v", err, line.want)
			}
		})
	}
	for name, role := range map[string]string{"a role that is not there": "nobody at all", "a superuser": "postgres"} {
		if _, err := (question{role: role, table: "users"}).ask(t, d); err == nil {
			t.Errorf("%s is explained", name)
		}
	}
}

func TestAnUnmigratedDatabaseIsToldHowToMigrate(t *testing.T) {
	t.Parallel()
	d := dbtest.NewEmpty(t)
	const want = "run rowpass migrate up"
	if _, err := doctor.Examine(t.Context(), config(d)); err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	if _, err := (question{table: "users"}).ask(t, d); err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
	d.OwnerURL = "postgres://owner:hunter2@127.0.0.1:1/app"
	if _, err := doctor.Examine(t.Context(), config(d)); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}
