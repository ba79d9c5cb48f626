package main

import (
	"net/url"
	"strings"
	"testing"

	"rowpass/db/dbtest"
)

// fault is a database in which callers are not kept apart. GATEWAY stands for the gateway's login, which each line has
// for itself, since roles belong to the whole cluster.
type fault struct {
	name  string
	as    string   // superuser, or owner by default
	do    []string // makes the fault
	want  string   // what serve says of it
	cure  string   // SQL that the sentence names, run as whoever made the fault
	named string   // the relation, where database.unprotected is a cure as well
}

func faults(version int) []fault {
	found := []fault{
		{name: "a gateway that bypasses row-level security", as: "superuser",
			do:   []string{"alter role GATEWAY bypassrls"},
			want: "role GATEWAY bypasses row-level security; alter role GATEWAY nobypassrls",
			cure: "alter role GATEWAY nobypassrls"},
		{name: "a gateway that is a superuser", as: "superuser",
			do:   []string{"alter role GATEWAY superuser"},
			want: "role GATEWAY is a superuser, for whom no policy counts; give database.gateway_url a login of its own",
			cure: "alter role GATEWAY nosuperuser"},
		{name: "a gateway that may make roles", as: "superuser",
			do:   []string{"alter role GATEWAY createrole"},
			want: "role GATEWAY may make roles and grant them to itself; alter role GATEWAY nocreaterole",
			cure: "alter role GATEWAY nocreaterole"},
		{name: "a gateway that may replicate", as: "superuser",
			do:   []string{"alter role GATEWAY replication"},
			want: "role GATEWAY may read everything by replication; alter role GATEWAY noreplication",
			cure: "alter role GATEWAY noreplication"},
		{name: "a gateway that owns a table", as: "superuser",
			do: []string{"create table public.theirs (id int)", "alter table public.theirs enable row level security",
				"alter table public.theirs owner to GATEWAY"},
			want: "role GATEWAY owns something, and no policy counts for an owner; reassign owned by GATEWAY to " + dbtest.Owner,
			cure: "reassign owned by GATEWAY to " + dbtest.Owner},
		{name: "a gateway that may become another role", as: "superuser",
			do:   []string{"create role GATEWAY_friend", "grant GATEWAY_friend to GATEWAY"},
			want: "GATEWAY may become GATEWAY_friend; revoke GATEWAY_friend from",
			cure: "revoke GATEWAY_friend from GATEWAY"},
		{name: "a gateway that may become a role which bypasses row-level security", as: "superuser",
			do:   []string{"create role GATEWAY_friend bypassrls", "grant GATEWAY_friend to GATEWAY"},
			want: "role GATEWAY_friend bypasses row-level security (and GATEWAY is a member of it); alter role GATEWAY_friend nobypassrls",
			cure: "revoke GATEWAY_friend from GATEWAY"},
		{name: "a gateway with a predefined role", as: "superuser",
			do:   []string{"grant pg_read_all_data to GATEWAY"},
			want: "role pg_read_all_data is predefined, with rights beyond the policies (and GATEWAY is a member of it); revoke pg_read_all_data from GATEWAY",
			cure: "revoke pg_read_all_data from GATEWAY"},
		{name: "callers that may make tables in schema public",
			as:   "superuser",
			do:   []string{"grant create on schema public to GATEWAY"},
			want: "role GATEWAY may CREATE in schema public, and what it makes there is found before what you made; revoke create on schema public from GATEWAY",
			cure: "revoke create on schema public from GATEWAY, public"},
		{name: "a gateway that may make schemas",
			do:   []string{"grant create on database DATABASE to GATEWAY"},
			want: "role GATEWAY may CREATE in database DATABASE, and what it makes there is found before what you made; revoke create on database DATABASE from GATEWAY",
			cure: "revoke create on database DATABASE from GATEWAY, public"},
		{name: "a table without row-level security", named: "public.countries",
			do:   []string{"create table public.countries (name text)"},
			want: "table public.countries can be touched by callers and has no row-level security; alter table public.countries enable row level security, or name it in database.unprotected",
			cure: "alter table public.countries enable row level security"},
		{name: "a view that reads as its owner", named: "public.everybody",
			do:   []string{"create view public.everybody as select * from public.users"},
			want: "view public.everybody can be touched by callers and reads as its owner; alter view public.everybody set (security_invoker), or name it in database.unprotected",
			cure: "alter view public.everybody set (security_invoker)"},
		{name: "a materialized view", named: "public.counted",
			do:   []string{"create materialized view public.counted as select count(*) from public.users"},
			want: "materialized view public.counted can be touched by callers and has no policies; revoke all on public.counted from authenticated, anonymous, public, or name it in database.unprotected",
			cure: "revoke all on public.counted from authenticated, anonymous, public"},
		{name: "a foreign table", named: "public.elsewhere", as: "superuser",
			do: []string{"create foreign data wrapper nowhere", "create server nowhere foreign data wrapper nowhere",
				"create foreign table public.elsewhere (id int) server nowhere", "grant select on public.elsewhere to authenticated"},
			want: "foreign table public.elsewhere can be touched by callers and has no policies; revoke all on public.elsewhere from authenticated, anonymous, public, or name it in database.unprotected",
			cure: "revoke all on public.elsewhere from authenticated, anonymous, public"},
		{name: "a table whose schema is closed, which is no wall", named: "hidden.secrets",
			do:   []string{"create schema hidden", "create table hidden.secrets (v text)", "grant select on hidden.secrets to authenticated"},
			want: "table hidden.secrets can be touched by callers and has no row-level security",
			cure: "revoke all on hidden.secrets from authenticated"},
		{name: "a table that the gateway itself can read", named: "public.wide",
			do: []string{"create table public.wide (v text)", "revoke all on public.wide from authenticated, anonymous",
				"grant select on public.wide to GATEWAY"},
			want: "table public.wide can be touched by callers and has no row-level security",
			cure: "alter table public.wide enable row level security"},
		{name: "a schema of its own to make things in",
			do:   []string{"create schema app", "grant usage, create on schema app to GATEWAY"},
			want: "role GATEWAY may CREATE in schema app, and what it makes there is found before what you made; revoke create on schema app from GATEWAY, public",
			cure: "revoke create on schema app from GATEWAY, public"},
		{name: "temporary objects", as: "superuser",
			do:   []string{"grant temporary on database DATABASE to GATEWAY"},
			want: "role GATEWAY may make temporary objects, which are found before all others; revoke temporary on database DATABASE from public, GATEWAY",
			cure: "revoke temporary on database DATABASE from public, GATEWAY"},
		{name: "TRUNCATE", do: []string{"grant truncate on public.users to authenticated"},
			want: "role authenticated holds truncate on public.users, which no policy restrains; revoke truncate on public.users from authenticated, public",
			cure: "revoke truncate on public.users from authenticated, public"},
		{name: "TRIGGER", do: []string{"grant trigger on public.todos to GATEWAY"},
			want: "role GATEWAY holds trigger on public.todos, which no policy restrains; revoke trigger on public.todos from GATEWAY, public",
			cure: "revoke trigger on public.todos from GATEWAY, public"},
		{name: "a sequence", do: []string{"grant usage on sequence public.todos_id_seq to authenticated"},
			want: "role authenticated may use and set the sequence public.todos_id_seq, which all callers share; revoke all on sequence public.todos_id_seq from authenticated, public",
			cure: "revoke all on sequence public.todos_id_seq from authenticated, public"},
		{name: "statistics", as: "superuser", do: []string{"grant select on pg_catalog.pg_statistic to GATEWAY"},
			want: "role GATEWAY may read pg_statistic, where values of all callers' rows stand; revoke select on pg_catalog.pg_statistic from GATEWAY, public",
			cure: "revoke select on pg_catalog.pg_statistic from GATEWAY, public"},
		{name: "a guard that is off", do: []string{"alter table public.users disable trigger guard"},
			want: "the trigger guard on public.users is off; alter table public.users enable trigger guard",
			cure: "alter table public.users enable trigger guard"},
		{name: "a rule", do: []string{"create rule tell as on update to public.todos do also select 1"},
			want: "the rule tell on public.todos runs as its owner, whom no policy holds; drop rule tell on public.todos",
			cure: "drop rule tell on public.todos"},
		{name: "a partition", named: "public.events_1",
			do: []string{"create table public.events (id int) partition by range (id)", "alter table public.events enable row level security",
				"create table public.events_1 partition of public.events for values from (0) to (9)", "alter table public.events_1 enable row level security"},
			want: "table public.events_1 can be touched by callers and is a partition, which does not see its parent's policies; revoke all on public.events_1 from authenticated, anonymous, public, or name it in database.unprotected",
			cure: "revoke all on public.events_1 from authenticated, anonymous, public"},
	}
	if version >= 160000 {
		return append(found, fault{name: "a membership that acts before it is taken", as: "superuser",
			do:   []string{"grant authenticated to GATEWAY with inherit true"},
			want: "the membership of GATEWAY in authenticated acts before it is taken; grant authenticated to GATEWAY with inherit false, set true",
			cure: "grant authenticated to GATEWAY with inherit false, set true"})
	}
	return append(found, fault{name: "a gateway that inherits", as: "superuser",
		do:   []string{"alter role GATEWAY inherit"},
		want: "role GATEWAY inherits what authenticated may do before it has any claims; alter role GATEWAY noinherit",
		cure: "alter role GATEWAY noinherit"})
}

func TestServeRefusesADatabaseThatDoesNotKeepCallersApart(t *testing.T) {
	var version int
	err := dbtest.Connect(t, dbtest.New(t).OwnerURL).QueryRow(t.Context(), "select current_setting('server_version_num')::int").Scan(&version)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults(version) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.provoke(t)
		})
	}
}

func (f fault) provoke(t *testing.T) {
	d := dbtest.New(t)
	gateway := "gateway_of_" + d.Name
	actor := d.OwnerURL
	if f.as == "superuser" {
		actor = d.SuperuserURL
	}
	fill := strings.NewReplacer("GATEWAY", gateway, "DATABASE", d.Name).Replace
	d.GatewayURL = login(d.GatewayURL, gateway, "a password")
	environ := environment(t, external(d)...)
	succeed(t, environ, "keys", "generate")
	succeed(t, environ, "serve")
	for _, statement := range f.do {
		dbtest.Exec(t, actor, fill(statement))
	}

	e := rowpass(t, environ, "serve")
	if e.status == 0 || !strings.Contains(e.stderr, "\n- "+fill(f.want)) || !strings.HasSuffix(e.stderr, "\nrowpass doctor says more of tables and policies, with SQL that mends them\n") {
		t.Fatalf("serve ended with %d and said:\n%s\nwant: %s", e.status, e.stderr, fill(f.want))
	}
	if f.named != "" {
		succeed(t, environ, "serve", "--set", "database.unprotected="+f.named)
	}
	dbtest.Exec(t, actor, fill(f.cure))
	succeed(t, environ, "serve")
}

// TestServeRefusesADatabaseThatIsNotMigrated is about an instance that may not migrate by itself.
func TestServeRefusesADatabaseThatIsNotMigrated(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	d.GatewayURL = login(d.GatewayURL, "checked_late", "a password")
	environ := environment(t, append(external(d), "ROWPASS_DATABASE_MIGRATE_ON_START=false")...)
	succeed(t, environ, "keys", "generate")
	succeed(t, environ, "migrate", "up")
	revoke := func(right string) func() {
		return func() { dbtest.Exec(t, d.OwnerURL, "revoke "+right+" from checked_late") }
	}
	for _, line := range []struct {
		name string
		do   func()
		want string
	}{
		{"schema auth closed to the gateway", revoke("usage on schema auth"),
			"- schema auth is missing or closed to the gateway; run rowpass migrate up"},
		{"a gateway that may not become a caller", revoke("anonymous"),
			"- checked_late may not become anonymous; run rowpass migrate up"},
		{"settings that a caller has left on the login",
			func() {
				dbtest.Exec(t, d.SuperuserURL, "alter role checked_late set default_transaction_read_only = on")
			},
			"- role checked_late starts with settings of its own (default_transaction_read_only=on), which a caller may have left; alter role checked_late reset all, or run rowpass migrate up"},
		{"a step that is not applied", func() { succeed(t, environ, "migrate", "down", "--yes") },
			"the database is not up to date; run rowpass migrate up where the owner's login is, or set database.migrate_on_start"},
	} {
		line.do()
		if e := rowpass(t, environ, "serve"); e.status == 0 || !strings.Contains(e.stderr, line.want) {
			t.Errorf("%s: serve ended with %d and said:\n%s", line.name, e.status, e.stderr)
		}
		succeed(t, environ, "migrate", "up")
		succeed(t, environ, "serve")
	}
}

// login is a URL with another user and password.
func login(of, user, password string) string {
	u, err := url.Parse(of)
	if err != nil {
		panic(err) // dbtest made it
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}
