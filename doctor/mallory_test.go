package doctor_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/doctor"
)

// evil leaves whichever role it runs in, and waits there until the witness has seen as whose login that is.
const evil = `create function m.evil(int) returns int language plpgsql immutable as $$
	declare
		mine text := current_setting('role');
	begin
		begin
			perform pg_catalog.set_config('role', 'none', true);
			perform pg_catalog.pg_advisory_lock_shared(case session_user when '` + dbtest.Owner + `' then 1 when '` + dbtest.Gateway + `' then 2 else 3 end);
			perform pg_catalog.set_config('role', mine, true);
		exception when others then null;
		end;
		return $1;
	end $$`

// mallory makes a role that has nothing but a schema m of its own, and runs statements as it. MALLORY stands for its name.
func mallory(t *testing.T, d dbtest.Database, statements ...string) {
	t.Helper()
	role := "mallory_" + d.Name
	dbtest.Exec(t, d.SuperuserURL, "create role "+role, "create schema m authorization "+role)
	all := append([]string{"set session authorization MALLORY", "grant usage on schema m to public", evil}, statements...)
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], "MALLORY", role)
	}
	dbtest.Exec(t, d.SuperuserURL, all...)
}

// witness gives the logins over which evil ran while f did.
func witness(t *testing.T, d dbtest.Database, f func()) []string {
	t.Helper()
	conn := dbtest.Connect(t, d.SuperuserURL)
	if _, err := conn.Exec(t.Context(), "select pg_advisory_lock(1), pg_advisory_lock(2)"); err != nil {
		t.Fatal(err)
	}
	over, seen := make(chan struct{}), make(chan []string)
	go func() {
		logins := []string{}
		for {
			const waiting = `select usename::text, pg_advisory_unlock(objid::bigint) from pg_locks join pg_stat_activity using (pid)
				where locktype = 'advisory' and not granted and pg_locks.database = (select oid from pg_database where datname = current_database()) limit 1`
			var login string
			var unlocked bool
			if conn.QueryRow(t.Context(), waiting).Scan(&login, &unlocked) == nil && unlocked {
				logins = append(logins, login)
			}
			select {
			case <-over:
				seen <- logins
				return
			case <-time.After(5 * time.Millisecond): // until somebody waits
			}
		}
	}()
	f()
	close(over)
	return <-seen
}

// trap is what a lesser role has laid out for whoever looks at table.
type trap struct {
	name     string
	do       []string // as the lesser role
	owner    []string // as a superuser, afterwards: what the owner has made of the lesser role's things
	table    string
	row      string
	answer   string // MALLORY and OWNER stand for the roles
	gateways bool   // whether the code runs at all, over the gateway's login
}

const (
	readable   = "grant select on m.bait to " + dbtest.Owner + ", authenticated"
	belongs    = "m.bait belongs to MALLORY, whose code would run as the owner."
	notCounted = "m.bait has no row-level security: authenticated sees every row (1 row). How many rows there are was not counted: " + belongs
	kind       = "create type m.e as enum ('a')"
	toText     = "create function m.t(m.e) returns text language plpgsql as $$begin perform m.evil(1); return 'a'; end$$"
	toJSON     = "create function m.j(m.e) returns json language plpgsql as $$begin perform m.evil(1); return 'null'; end$$"
	casts      = "create cast (m.e as text) with function m.t(m.e) as implicit"
	castsJSON  = "create cast (m.e as json) with function m.j(m.e) as implicit"
	domain     = "create domain m.dom as int check (m.evil(value) is not null)"
	owned      = "alter table public.bait owner to " + dbtest.Owner
	policed    = "alter table public.bait enable row level security"
	grants     = "grant select on public.bait to authenticated"
	allows     = "create policy p on public.bait to authenticated using (true)"
	sees       = "authenticated sees row 1: policy p is true of it."
)

var traps = []trap{
	{name: "a policy", do: []string{"create table m.bait as select 1 as x", readable, "alter table m.bait enable row level security", "create policy p on m.bait to authenticated using (m.evil(1) = x)"},
		table: "m.bait", gateways: true,
		answer: "authenticated sees 1 row: those of which policy p is true. How many rows there are was not counted: " + belongs},
	{name: "an index on an expression", do: []string{"create table m.bait as select 1 as x", readable, "create index on m.bait ((m.evil(1)))"}, table: "m.bait", gateways: true, answer: notCounted},
	{name: "a part of an index", do: []string{"create table m.bait as select 1 as x", readable, "create index on m.bait (x) where m.evil(1) = 1"}, table: "m.bait", gateways: true, answer: notCounted},
	{name: "a materialized view's index", do: []string{"create materialized view m.bait as select 1 as x", readable, "create index on m.bait ((m.evil(1)))"}, table: "m.bait", gateways: true, answer: notCounted},
	{name: "a CHECK of a partition", do: []string{"create table m.bait (id int primary key) partition by range (id)", readable,
		"create table m.part partition of m.bait (check (m.evil(1) = id)) default", "insert into m.bait values (1)"}, table: "m.bait", row: "1", gateways: true, answer: notCounted},
	{name: "a view", do: []string{"create view m.bait as select m.evil(x) as x from generate_series(1, 1) x where m.evil(x) = 1", readable}, table: "m.bait", gateways: true,
		answer: "m.bait is a view that reads as its owner: authenticated sees every row that the owner does (1 row)."},
	{name: "a key of its domain", do: []string{domain, "create table m.bait (id m.dom primary key)", "insert into m.bait values (1)", readable}, table: "m.bait", row: "1", answer: notCounted},
	{name: "rows with policies", do: []string{"create table m.bait (id int primary key)", "insert into m.bait values (1)", readable, "alter table m.bait enable row level security",
		"create policy p on m.bait to authenticated using (m.evil(id) = 1)"}, table: "m.bait", row: "1", gateways: true,
		answer: "authenticated sees row 1. What each policy says of it was not asked: " + belongs},
	{name: "rows that are not seen", do: []string{"create table m.bait (id int primary key)", "insert into m.bait values (1)", readable, "alter table m.bait enable row level security",
		"create policy p on m.bait to authenticated using (m.evil(id) = 2)"}, table: "m.bait", row: "1", gateways: true,
		answer: "authenticated does not see row 1. Whether there is one was not looked for: " + belongs},
	{name: "its domain as the key of the owner's table", do: []string{domain}, owner: []string{"create table public.bait (id m.dom primary key)", "insert into public.bait values (1)", owned, policed, grants, allows},
		table: "bait", row: "1", gateways: true, answer: sees},
	{name: "its casts, of the owner's row", do: []string{kind, toText, toJSON, casts, castsJSON},
		owner: []string{"create table public.bait (id int primary key, found m.e)", "insert into public.bait values (1, 'a')", owned, policed, grants, allows}, table: "bait", row: "1", answer: sees},
	{name: "its casts, of the owner's key", do: []string{kind, toText, toJSON, casts, castsJSON},
		owner: []string{"create table public.bait (found m.e primary key)", "insert into public.bait values ('a')", owned, policed, grants, allows}, table: "bait", row: "a", answer: strings.Replace(sees, "1", "a", 1)},
	{name: "its operators, of the owner's key", do: []string{kind, "create function m.same(m.e, m.e) returns boolean language plpgsql as $$begin perform m.evil(1); return true; end$$",
		"create operator public.= (leftarg = m.e, rightarg = m.e, function = m.same)"},
		owner: []string{"create table public.bait (id m.e primary key)", "insert into public.bait values ('a')", owned, policed, grants, allows}, table: "bait", row: "b", answer: "There is no row b in public.bait."},
	{name: "a partition of the owner's table", do: []string{"create table m.part (id int not null)", "create index on m.part ((m.evil(1)))"},
		owner: []string{"create table public.bait (id int) partition by range (id)", "alter table public.bait attach partition m.part default", "insert into public.bait values (1)", owned, grants},
		table: "bait", gateways: true,
		answer: "public.bait has no row-level security: authenticated sees every row (1 row). How many rows there are was not counted: public.bait belongs to MALLORY, whose code would run as the owner."},
}

func TestNothingOfALesserRolesRunsAsTheOwner(t *testing.T) {
	t.Parallel()
	for _, trap := range traps {
		t.Run(trap.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			if strings.Contains(strings.Join(trap.do, " "), "public.") {
				dbtest.Exec(t, d.SuperuserURL, "grant create on schema public to public")
			}
			mallory(t, d, trap.do...)
			dbtest.Exec(t, d.SuperuserURL, trap.owner...)
			var got doctor.Explanation
			var err error
			logins := witness(t, d, func() {
				got, err = question{claims: admin, table: trap.table, row: trap.row}.ask(t, d)
			})
			if err != nil {
				t.Fatal(err)
			}
			want := []string{}
			if trap.gateways {
				want = []string{dbtest.Gateway}
			}
			if diff := cmp.Diff(want, logins); diff != "" {
				t.Errorf("it ran over these logins (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(strings.ReplaceAll(trap.answer, "MALLORY", "mallory_"+d.Name), got.Answer); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDoctorRunsNothingOfALesserRolesAsTheOwner has code of its in everything that doctor reads of a table, and in a policy, which is planned.
func TestDoctorRunsNothingOfALesserRolesAsTheOwner(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	mallory(t, d, domain, kind, toText, toJSON, casts, castsJSON,
		"create table m.bait (id int primary key, x int default m.evil(1), d m.dom default 1, e m.e default 'a', g int generated always as (m.evil(id)) stored, check (m.evil(1) = x), unique (x))",
		"create index on m.bait ((m.evil(1))) where m.evil(1) = 1", "create unique index on m.bait (e, d)", "create statistics m.s on (m.evil(x)) from m.bait",
		"create function m.asks() returns int language sql begin atomic select m.evil(1) from m.bait where e = 'a'; end",
		"create rule r as on insert to m.bait where m.evil(1) = 1 do also select m.evil(1)", "create view m.v as select m.evil(1) as x, 'a'::m.e as e from m.bait",
		"alter table m.bait enable row level security", "create policy p on m.bait to authenticated using (m.evil(1) = x and m.asks() = x and e = 'a' and d = 1)",
		"grant select, insert, update on m.bait, m.v to authenticated")
	var found []doctor.Finding
	logins := witness(t, d, func() { found = examine(t, config(d)) })
	if diff := cmp.Diff([]string{dbtest.Gateway}, logins); diff != "" {
		t.Errorf("it ran over these logins (-want +got):\n%s", diff)
	}
	if names := strings.Join(told(found), "\n"); !strings.Contains(names, "rule-runs-as-owner: m.bait rule r") || !strings.Contains(names, "policy-column-without-index: m.bait policy p") && !strings.Contains(names, "key-leaks") {
		t.Errorf("m.bait was not looked at: %s", names)
	}
}

// TestSealingCallsNoFunctionOfOthers has the configuration name a schema of somebody else's, or miss the one that is rowpass's.
func TestSealingCallsNoFunctionOfOthers(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	mallory(t, d, "create function m.impersonate(jsonb, text) returns void language sql as 'select m.evil(1)'")
	c := config(d)
	c.AuthSchema = "m"
	logins := witness(t, d, func() {
		if _, err := doctor.Examine(t.Context(), c); err == nil || !strings.Contains(err.Error(), "stand in schema auth of this database") {
			t.Errorf("schema m is taken for rowpass's: %v", err)
		}
	})
	if diff := cmp.Diff([]string{}, logins); diff != "" {
		t.Error(diff)
	}
}

// TestAGatewayThatMayBecomeMoreRunsNothing has logins as serve refuses them.
func TestAGatewayThatMayBecomeMoreRunsNothing(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]struct {
		grant, what string
	}{
		"the owner":            {"grant " + dbtest.Owner + " to GATEWAY", "may become the owner"},
		"a superuser":          {"alter role GATEWAY superuser", "the owner"},
		"one past policies":    {"alter role GATEWAY bypassrls", "is a role with rights beyond policies"},
		"one that runs others": {"grant pg_execute_server_program to GATEWAY", "may become pg_execute_server_program"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			gateway := "unfit_" + d.Name
			dbtest.Exec(t, d.SuperuserURL, "create role "+gateway+" login noinherit password 'x'", "grant authenticated, anonymous to "+gateway, strings.ReplaceAll(line.grant, "GATEWAY", gateway))
			mallory(t, d, "create table m.bait (x int)", "grant select on m.bait to authenticated", "alter table m.bait enable row level security", "create policy p on m.bait to authenticated using (m.evil(1) = x)")
			d.GatewayURL = as(t, d.GatewayURL, gateway, "x")
			var found []doctor.Finding
			logins := witness(t, d, func() {
				found = examine(t, config(d))
				if _, err := (question{claims: admin, table: "m.bait"}).ask(t, d); err == nil || !strings.Contains(err.Error(), line.what) {
					t.Errorf("explained with it: %v", err)
				}
			})
			if diff := cmp.Diff([]string{}, logins); diff != "" {
				t.Error(diff)
			}
			if f := found[0]; f.ID != "not-examined" || !strings.Contains(f.Title, line.what) {
				t.Errorf("what was left out is not told: %q %s", told(found), f.Title)
			}
		})
	}
}

// TestAnErrorIsToldToWhomItMayBe has a policy that fails on a row of another tenant's, with that row's text in the message.
func TestAnErrorIsToldToWhomItMayBe(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, "create table public.notes (id int primary key, note text)", "insert into public.notes values (1, 'of Globex')", "alter table public.notes enable row level security",
		"create policy p on public.notes to authenticated using (note::uuid = (select auth.tenant_id()))")
	for name, line := range map[string]struct {
		toCaller bool
		table    string
		want     string
	}{
		"the operator":       {false, "notes", `authenticated gets an error: policy p fails with "invalid input syntax for type uuid: \"of Globex\"".`},
		"the caller":         {true, "notes", `authenticated gets an error: policy p fails with "SQLSTATE 22P02".`},
		"what it may read":   {true, "todos", "authenticated sees row 1: policy todos_own is true of it."},
		"what it may not":    {true, "rowpass.seal_keys", ""},
		"the operator again": {false, "rowpass.seal_keys", "authenticated gets an error: it may not use schema rowpass, which is rowpass's own and for no caller."},
	} {
		t.Run(name, func(t *testing.T) {
			c := doctor.ExplainConfig{OwnerURL: d.OwnerURL, GatewayURL: d.GatewayURL, Role: "authenticated", Claims: []byte(admin), Table: line.table, Row: "1", ToCaller: line.toCaller}
			got, err := doctor.Explain(t.Context(), c)
			if unknown := line.want == ""; unknown != (err != nil) {
				t.Fatal(err)
			}
			if text, _ := json.Marshal(got); got.Answer != line.want || line.toCaller && strings.Contains(string(text), "Globex") {
				t.Errorf("got %s\n%s", got.Answer, text)
			}
		})
	}
}
