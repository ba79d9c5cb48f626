package doctor_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"rowpass/db/dbtest"
	"rowpass/doctor"
)

// fellow is a role of another program's, beside the callers'.
func fellow(t *testing.T, d dbtest.Database) string {
	t.Helper()
	anon := "anon_" + d.Name
	dbtest.Exec(t, d.SuperuserURL, "create role "+anon, "grant usage on schema public to "+anon)
	return anon
}

func TestAPolicyForEverybodyStaysForOtherPrograms(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	anon := fellow(t, d)
	dbtest.Exec(t, d.OwnerURL, "create table public.profiles (id uuid, name text)", "insert into public.profiles values (null, 'ada')", "create index on public.profiles (id)", "alter table public.profiles enable row level security",
		"grant select on public.profiles to "+anon, `create policy "Public profiles" on public.profiles for select using (true)`,
		"create table public.forced (id int)", "insert into public.forced values (1)", "alter table public.forced enable row level security", "alter table public.forced force row level security",
		"grant select (id) on public.forced to "+anon, "create policy p on public.forced for select using (true)")
	conn := dbtest.Connect(t, d.SuperuserURL)
	seen := func() map[string]int {
		counts := map[string]int{}
		for _, role := range []string{anon, dbtest.Owner, "anonymous"} {
			for _, table := range []string{"public.profiles", "public.forced"} {
				if role == dbtest.Owner && table == "public.profiles" {
					continue
				}
				var n int
				if _, err := conn.Exec(t.Context(), "set role "+role); err != nil {
					t.Fatal(err)
				}
				column := map[string]string{"public.profiles": "name", "public.forced": "id"}[table]
				if err := conn.QueryRow(t.Context(), "select count("+column+") from "+table).Scan(&n); err != nil {
					t.Fatal(err)
				}
				counts[role+" "+table] = n
			}
		}
		return counts
	}
	before := seen()
	want := map[string]string{
		`public.profiles policy "Public profiles"`: `alter policy "Public profiles" on public.profiles to authenticated, anonymous, ` + anon + ";",
		"public.forced policy p":                   "alter policy p on public.forced to authenticated, anonymous, " + anon + ", " + dbtest.Owner + ";",
	}
	mends := map[string]string{}
	for _, f := range examine(t, config(d)) {
		mends[f.Object] = f.Mend
		dbtest.Exec(t, d.OwnerURL, f.Mend)
		if !strings.Contains(f.Why, "The mend keeps it for "+anon) {
			t.Errorf("for whom it stays is not told: %s", f.Why)
		}
	}
	if diff := cmp.Diff(want, mends); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, seen()); diff != "" || before[anon+" public.profiles"] != 1 {
		t.Error(diff)
	}
}

func TestAPolicyAndAGrantForEverybodyAreForAPersonToSortOut(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, items, rls, "create policy items_own on public.items using (tenant_id = (select auth.tenant_id()))", "grant select on public.items to public")
	found := examine(t, config(d))
	if len(found) != 1 || found[0].ID != "policy-for-public" || found[0].Mend != "" || !strings.Contains(found[0].Why, "alter policy items_own on public.items to authenticated;") {
		t.Errorf("it is told as %+v", found)
	}
}

// TestWhatIsTakenBackIsAsItWas looks at who may what before a migration and after it was taken back.
func TestWhatIsTakenBackIsAsItWas(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	anon := fellow(t, d)
	dbtest.Exec(t, d.OwnerURL, "create table public.countries (code text, name text)", "revoke all on public.countries from anonymous", "grant select (code) on public.countries to anonymous", "grant select on public.countries to "+anon,
		"create materialized view public.counted as select count(*) from public.users", "revoke all on public.counted from authenticated, anonymous", "grant select on public.counted to public",
		"grant truncate on public.users to public")
	rights := func() (all []string) {
		const query = `select array(select relname || ' ' || coalesce(a::text, '') from pg_class left join unnest(relacl) a on true where relnamespace = 'public'::regnamespace
			union all select attname || ' ' || a::text from pg_attribute, unnest(attacl) a where attrelid = 'public.countries'::regclass order by 1)`
		if err := dbtest.Connect(t, d.OwnerURL).QueryRow(t.Context(), query).Scan(&all); err != nil {
			t.Fatal(err)
		}
		return all
	}
	before, found := rights(), examine(t, config(d))
	for _, f := range found {
		if f.Object == "public.countries" && !strings.Contains(f.Why, "it is empty for "+anon) || f.Object == "public.counted" && !strings.Contains(f.Why, "PUBLIC holds it") {
			t.Errorf("who else loses rows is not told: %+v", f)
		}
	}
	dir := fstest.MapFS{"00001_doctor.sql": {Data: []byte(doctor.Migration(found))}}
	migrate(t, d, dir, func(p *goose.Provider) error { _, err := p.Up(t.Context()); return err })
	if left := told(examine(t, config(d))); len(left) > 0 {
		t.Errorf("%q is left", left)
	}
	migrate(t, d, dir, func(p *goose.Provider) error { _, err := p.DownTo(t.Context(), 0); return err })
	if diff := cmp.Diff(before, rights()); diff != "" {
		t.Error(diff)
	}
}

func TestOneRoundOfMendsIsEnoughForSerialColumns(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	anon := fellow(t, d)
	dbtest.Exec(t, d.OwnerURL, "alter default privileges in schema public grant all on sequences to authenticated, "+anon,
		"create table public.drawn (filled serial, drawn uuid not null, note text, primary key (drawn, filled))", "alter sequence public.drawn_filled_seq rename to numbers", "alter sequence public.numbers increment by 10 cache 3",
		"alter table public.drawn enable row level security", "create policy own on public.drawn to authenticated using (drawn = (select auth.uid()))",
		"insert into public.drawn (drawn) values (gen_random_uuid()), (gen_random_uuid())", "delete from public.drawn where filled > 1",
		`create table public."$mend$" (a uuid not null, "drawn" serial, primary key (a, "drawn"))`, `alter table public."$mend$" enable row level security`, `create policy own on public."$mend$" to authenticated using (a = (select auth.uid()))`)
	text := doctor.Migration(examine(t, config(d)))
	psql(t, d, text, "-q1")
	if left := told(examine(t, config(d))); len(left) > 0 {
		t.Errorf("%q is left after\n%s", left, text)
	}
	var next int
	var kept bool
	conn := dbtest.Connect(t, d.OwnerURL)
	if err := conn.QueryRow(t.Context(), "insert into public.drawn (drawn) values (gen_random_uuid()) returning filled").Scan(&next); err != nil || next <= 11 {
		t.Errorf("the next number is %d, which somebody had before: %v", next, err)
	}
	const query = "select has_sequence_privilege($1, 'public.numbers', 'usage') and (select seqincrement = 10 and seqcache = 3 from pg_sequence where seqrelid = 'public.numbers'::regclass)"
	if err := conn.QueryRow(t.Context(), query, anon).Scan(&kept); err != nil || !kept {
		t.Errorf("the sequence is another one for others: %v", err)
	}
	down := text[strings.Index(text, "-- +goose Down"):]
	if strings.Index(down, "alter default privileges") < strings.LastIndex(down, "-- This stays as it was mended") {
		t.Errorf("default privileges are not given back last:\n%s", down)
	}
}

// TestWhatSupabasesGuideMakesIsMendedInOneRound has its profiles, of which names are one among all and seen by all, and a serial column.
func TestWhatSupabasesGuideMakesIsMendedInOneRound(t *testing.T) {
	t.Parallel()
	c, d := besideSupabase(t)
	anon := fellow(t, d)
	dbtest.Exec(t, d.OwnerURL, "drop table public.todos, public.members", "grant usage on schema auth to authenticated",
		"alter default privileges in schema public grant all on tables to authenticated, "+anon, "alter default privileges in schema public grant all on sequences to authenticated, "+anon,
		"create table public.profiles (id uuid primary key references auth.users on delete cascade, username text unique)", "alter table public.profiles enable row level security",
		`create policy "Public profiles are viewable by everyone." on public.profiles for select using (true)`,
		`create policy "Users can insert their own profile." on public.profiles for insert with check ((select auth.uid()) = id)`,
		`create policy "Users can update own profile." on public.profiles for update using ((select auth.uid()) = id)`,
		"create table public.notes (id serial primary key, owner uuid not null default auth.uid() references public.profiles, note text)", "alter table public.notes enable row level security",
		"create policy own on public.notes to authenticated using (auth.uid() = owner)",
		"insert into auth.users values ('c0000000-0000-4000-8000-000000000001'), ('c0000000-0000-4000-8000-000000000002')", "insert into public.profiles values ('c0000000-0000-4000-8000-000000000001', 'ada')")
	psql(t, d, doctor.Migration(examine(t, c)), "-q1")
	left := examine(t, c)
	for _, f := range left {
		if f.Severity != doctor.Low {
			t.Errorf("%s of %s is left: %s", f.ID, f.Object, f.Title)
		}
	}
	conn := dbtest.Connect(t, d.SuperuserURL)
	if _, err := conn.Exec(t.Context(), "insert into public.profiles values ('c0000000-0000-4000-8000-000000000002', 'ada')"); err == nil {
		t.Error("two users have one name")
	}
	var rows int
	if _, err := conn.Exec(t.Context(), "set role "+anon); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), "select count(*) from public.profiles").Scan(&rows); err != nil || rows != 1 {
		t.Errorf("the other program's visitors see %d profiles: %v", rows, err)
	}
}
