package migrations_test

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/db/dbtest"
	"rowpass/migrations"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// beside asks for the functions in another schema than auth.
func beside(d dbtest.Database, schema string) migrations.Config {
	return migrations.Config{
		OwnerURL: d.OwnerURL, GatewayURL: d.GatewayURL, ServiceURL: d.ServiceURL, AuthOnly: true, AuthSchema: schema, Log: slog.New(slog.DiscardHandler),
	}
}

// foreign is a schema auth of somebody else's, whose functions have names of ours.
var foreign = []string{
	"create schema auth",
	"create table auth.users (id uuid primary key)",
	"create function auth.uid() returns uuid language sql stable as $$select (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid$$",
	"create function auth.session() returns jsonb language sql stable as $$select current_setting('request.jwt.claims', true)::jsonb$$",
	"create table public.todos (id bigint primary key, owner uuid default auth.uid())",
	"alter table public.todos enable row level security",
	"create policy own on public.todos using (owner = auth.uid())",
	"comment on schema auth is 'theirs'",
}

// catalogue is what stands in the schemas but rowpass's own three, as text.
const catalogue = `
	with theirs as (select * from pg_catalog.pg_namespace where nspname in ('auth', 'public'))
	select nspname || ': ' || coalesce(nspacl::text, '') || coalesce(obj_description(oid, 'pg_namespace'), '') from theirs where nspname = 'auth'
	union all
	select pg_catalog.pg_get_functiondef(p.oid) || coalesce(proacl::text, '') from pg_catalog.pg_proc p join theirs n on n.oid = pronamespace
	union all
	select c.oid::regclass || ' ' || relkind::text || coalesce(relacl::text, '') || relrowsecurity::text from pg_catalog.pg_class c join theirs n on n.oid = relnamespace
	union all
	select polrelid::regclass || ' ' || polname || polroles::text || ' ' || pg_catalog.pg_get_expr(polqual, polrelid) from pg_catalog.pg_policy where polrelid = 'public.todos'::regclass
	union all
	select pg_catalog.pg_get_expr(adbin, adrelid) from pg_catalog.pg_attrdef join pg_catalog.pg_class c on c.oid = adrelid join theirs n on n.oid = relnamespace
	order by 1`

func lines(t *testing.T, url, query string, args ...any) []string {
	t.Helper()
	rows, err := dbtest.Connect(t, url).Query(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestTheFunctionsStandBesideAForeignSchema(t *testing.T) {
	t.Parallel()
	d := dbtest.NewEmpty(t)
	dbtest.Exec(t, d.OwnerURL, foreign...)
	before := lines(t, d.OwnerURL, catalogue)
	c := beside(d, "rowpass_auth")
	steps, err := migrations.Up(t.Context(), c)
	if err != nil || len(steps) == 0 {
		t.Fatal(steps, err)
	}
	if diff := cmp.Diff(before, lines(t, d.OwnerURL, catalogue)); diff != "" {
		t.Errorf("the foreign schema is another one: %s", diff)
	}
	if again, err := migrations.Up(t.Context(), c); err != nil || len(again) > 0 {
		t.Errorf("again: %v %v", again, err)
	}
	if _, err := migrations.Down(t.Context(), c, true); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, lines(t, d.OwnerURL, catalogue)); diff != "" {
		t.Errorf("taken back, the foreign schema is another one: %s", diff)
	}
	left := lines(t, d.OwnerURL, `select nspname::text from pg_catalog.pg_namespace where nspname in ('rowpass_auth', 'neon_identity')
		union all select p.oid::regprocedure::text from pg_catalog.pg_proc p where pronamespace = 'rowpass'::regnamespace`)
	if len(left) > 0 {
		t.Errorf("taken back, there are still %q", left)
	}
}

// spoken is every text of rowpass's objects that could name a schema.
const spoken = `
	with ours as (select oid from pg_catalog.pg_namespace where nspname in ('rowpass_auth', 'rowpass', 'neon_identity'))
	select pg_catalog.pg_get_functiondef(p.oid) from pg_catalog.pg_proc p where pronamespace in (select oid from ours)
	union all
	select polname || ' ' || coalesce(pg_catalog.pg_get_expr(polqual, polrelid), '') || coalesce(pg_catalog.pg_get_expr(polwithcheck, polrelid), '') from pg_catalog.pg_policy
	union all
	select pg_catalog.pg_get_viewdef(c.oid) from pg_catalog.pg_class c where relkind = 'v' and relnamespace in (select oid from ours)
	union all
	select pg_catalog.pg_get_expr(adbin, adrelid) from pg_catalog.pg_attrdef join pg_catalog.pg_class c on c.oid = adrelid where relnamespace in (select oid from ours)
	union all
	select pg_catalog.pg_get_constraintdef(oid) from pg_catalog.pg_constraint where connamespace in (select oid from ours)
	union all
	select pg_catalog.pg_get_triggerdef(t.oid) from pg_catalog.pg_trigger t
	union all
	select description from pg_catalog.pg_description where objoid in (select oid from ours)`

func TestUnderAnotherNameNothingSpeaksOfSchemaAuth(t *testing.T) {
	t.Parallel()
	d := dbtest.NewEmpty(t)
	if _, err := migrations.Up(t.Context(), beside(d, "rowpass_auth")); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(lines(t, d.OwnerURL, spoken), "\n")
	for _, kept := range []string{"rowpass_auth.session()", "rowpass_auth.token_claims: ", "request.jwt.claims", "authenticated"} {
		if !strings.Contains(all, kept) {
			t.Errorf("nothing says %s", kept)
		}
	}
	for line := range strings.Lines(all) {
		if words := strings.FieldsFunc(line, func(r rune) bool { return r != '_' && r != '.' && (r < 'a' || r > 'z') }); hasSchema(words, "auth") {
			t.Errorf("it speaks of schema auth: %s", line)
		}
	}
	if there := lines(t, d.OwnerURL, "select nspname::text from pg_catalog.pg_namespace where nspname = 'auth'"); len(there) > 0 {
		t.Error("schema auth was made")
	}
	there := lines(t, d.OwnerURL, "select proname::text from pg_catalog.pg_proc where pronamespace = 'rowpass_auth'::regnamespace order by 1")
	want := []string{"as_uuid", "impersonate", "jwt", "organization", "organization_id", "session", "tenant", "tenant_id", "token_claims", "uid", "user_id"}
	if diff := cmp.Diff(want, there); diff != "" {
		t.Error(diff)
	}
}

func hasSchema(words []string, name string) bool {
	for _, w := range words {
		if w == name || strings.HasPrefix(w, name+".") {
			return true
		}
	}
	return false
}

func TestASchemaThatIsNotToBeHadIsRefused(t *testing.T) {
	t.Parallel()
	up := func(ctx context.Context, c migrations.Config) error { _, err := migrations.Up(ctx, c); return err }
	down := func(ctx context.Context, c migrations.Config) error {
		_, err := migrations.Down(ctx, c, true)
		return err
	}
	for _, line := range []struct {
		name   string
		before []string
		from   string // migrated under this name before
		to     string
		do     func(context.Context, migrations.Config) error
		want   string
	}{
		{"a foreign auth", foreign, "", "", up, "schema auth is taken: it belongs to Supabase (it holds auth.users); to have rowpass's functions beside it, set database.auth_schema to rowpass_auth and database.directory to false, or use another database"},
		{"another name that somebody has", []string{"create schema rowpass_auth", "create function rowpass_auth.f() returns int language sql return 1"}, "", "rowpass_auth", up,
			"schema rowpass_auth is taken: it belongs to the role rowpass_owner; name another one"},
		{"another name with a type in it", []string{"create schema rowpass_auth", "create type rowpass_auth.t as enum ('a')"}, "", "rowpass_auth", up, "schema rowpass_auth is taken"},
		{"a word of SQL's", nil, "", "user", up, `"user" is a word of SQL's`},
		{"a name that needs quotes", nil, "", "row-auth", up, "needs quotes"},
		{"another name for what is auth already", nil, "auth", "rowpass_auth", up, "rowpass's functions stand in schema auth of this database, and database.auth_schema says rowpass_auth: set it to auth;"},
		{"auth for what has another name", nil, "rowpass_auth", "", up, "rowpass's functions stand in schema rowpass_auth of this database, and database.auth_schema says auth"},
		{"a third name", nil, "rowpass_auth", "row_auth", up, "stand in schema rowpass_auth"},
		{"taking it back under another name", foreign, "rowpass_auth", "auth", down, "stand in schema rowpass_auth"},
	} {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.NewEmpty(t)
			dbtest.Exec(t, d.OwnerURL, line.before...)
			if line.from != "" {
				if _, err := migrations.Up(t.Context(), beside(d, line.from)); err != nil {
					t.Fatal(err)
				}
			}
			const functions = "select p.oid::regprocedure::text from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = pronamespace where nspname !~ '^(pg_|information_schema)' order by 1"
			before := lines(t, d.OwnerURL, functions)
			if err := line.do(t.Context(), beside(d, line.to)); err == nil || !strings.Contains(err.Error(), line.want) {
				t.Errorf("%v, want %s", err, line.want)
			}
			if diff := cmp.Diff(before, lines(t, d.OwnerURL, functions)); diff != "" {
				t.Errorf("it did something all the same: %s", diff)
			}
		})
	}
}

func TestAnEmptySchemaOfSomebodyElsesIsRefused(t *testing.T) {
	t.Parallel()
	d := dbtest.NewEmpty(t)
	dbtest.Exec(t, d.SuperuserURL, "create role squatter nologin", "create schema rowpass_auth authorization squatter", "grant create, usage on schema rowpass_auth to "+dbtest.Owner)
	if _, err := migrations.Up(t.Context(), beside(d, "rowpass_auth")); err == nil || !strings.Contains(err.Error(), "schema rowpass_auth is taken: it belongs to the role squatter") {
		t.Error(err)
	}
	dbtest.Exec(t, d.SuperuserURL, "alter schema rowpass_auth owner to "+dbtest.Owner)
	if _, err := migrations.Up(t.Context(), beside(d, "rowpass_auth")); err != nil {
		t.Errorf("an empty schema of the owner's: %v", err)
	}
}

// TestASchemaThatIsShutToTheOwnerIsRefused has an application's own schema auth, which rowpass's owner may not look into.
func TestASchemaThatIsShutToTheOwnerIsRefused(t *testing.T) {
	t.Parallel()
	d := dbtest.NewEmpty(t)
	dbtest.Exec(t, d.SuperuserURL, "create schema auth", "create table auth.users (id int)")
	if _, err := migrations.Up(t.Context(), beside(d, "")); err == nil || !strings.Contains(err.Error(), "schema auth is taken: it belongs to") {
		t.Error(err)
	}
}

func TestTheDirectoryStandsOnlyOnAuth(t *testing.T) {
	t.Parallel()
	d := dbtest.NewEmpty(t)
	c := beside(d, "rowpass_auth")
	c.AuthOnly = false
	if _, err := migrations.Up(t.Context(), c); err == nil || !strings.Contains(err.Error(), "set database.directory to false") {
		t.Error(err)
	}
}

func TestAHookUnderAnotherNameIsClosedToCallersAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.NewEmpty(t)
	c := beside(d, "rowpass_auth")
	if _, err := migrations.Up(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	dbtest.Exec(t, d.OwnerURL, "grant execute on function rowpass_auth.token_claims(text, text) to public")
	if _, err := migrations.Up(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	const public = "select 'public' from pg_catalog.pg_proc, pg_catalog.aclexplode(proacl) where oid = 'rowpass_auth.token_claims(text, text)'::regprocedure and grantee = 0"
	if left := lines(t, d.OwnerURL, public); len(left) > 0 {
		t.Error("PUBLIC may call the hook")
	}
}

func TestWhatWasTakenBackIsNoReasonToEnterAForeignSchema(t *testing.T) {
	t.Parallel()
	d := dbtest.NewEmpty(t)
	dbtest.Exec(t, d.OwnerURL, foreign...)
	if _, err := migrations.Up(t.Context(), beside(d, "rowpass_auth")); err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Down(t.Context(), beside(d, "rowpass_auth"), true); err != nil {
		t.Fatal(err)
	}
	before := lines(t, d.OwnerURL, catalogue)
	if _, err := migrations.Up(t.Context(), beside(d, "auth")); err == nil || !strings.Contains(err.Error(), "schema auth is taken") {
		t.Error(err)
	}
	if diff := cmp.Diff(before, lines(t, d.OwnerURL, catalogue)); diff != "" {
		t.Error(diff)
	}
	if steps, err := migrations.Up(t.Context(), beside(d, "row_auth")); err != nil || len(steps) == 0 {
		t.Errorf("it does not come back under a new name: %v %v", steps, err)
	}
}
