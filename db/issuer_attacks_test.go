package db_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/migrations"
)

// TestNothingOfTheIssuersIsACallers looks through the catalogue, so that what is added later is seen too.
func TestNothingOfTheIssuersIsACallers(t *testing.T) {
	d := dbtest.New(t)
	const open = `
		select format('%s %s on %s', role, privilege, c.oid::regclass) from pg_class c
		cross join unnest(array['authenticated', 'anonymous', 'rowpass_gateway', 'public']) role
		cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) privilege
		where relnamespace = 'rowpass'::regnamespace and relkind in ('r', 'v', 'm', 'p', 'f') and has_table_privilege(role, c.oid, privilege)
		union all
		select format('%s execute on %s', role, p.oid::regprocedure) from pg_proc p
		cross join unnest(array['authenticated', 'anonymous', 'rowpass_gateway', 'public']) role
		where p.oid <> 'rowpass.tenant_profiles()'::regprocedure -- which a policy calls for callers, and which tells of their own tenant alone
			and (pronamespace = 'rowpass'::regnamespace or pronamespace = 'auth'::regnamespace and proname in ('token_claims', 'end_user', 'forget_password'))
			and has_function_privilege(role, p.oid, 'execute')
		union all
		select format('%s usage of schema rowpass', role) from unnest(array['authenticated', 'anonymous', 'rowpass_gateway', 'public']) role
		where has_schema_privilege(role, 'rowpass', 'usage')
		union all
		select 'the service may ' || privilege || ' ' || c.oid::regclass from pg_class c
		cross join unnest(array['select', 'insert', 'update', 'delete']) privilege
		where (relnamespace = 'public'::regnamespace or c.oid = 'rowpass.seal_keys'::regclass) and relkind = 'r'
			and has_table_privilege('rowpass_service', c.oid, privilege)`
	rows, err := dbtest.Connect(t, d.OwnerURL).Query(t.Context(), open)
	if err != nil {
		t.Fatal(err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(found) != 0 {
		t.Errorf("%s, %v", strings.Join(found, "\n"), err)
	}
}

func TestMigrateTakesANewHookFromCallers(t *testing.T) {
	d := dbtest.New(t)
	c := newCaller(t, d)
	call := func(want string) {
		t.Helper()
		if got, err := c.as(acmeMember, `select auth.token_claims('x', 'y')`); code(err) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	dbtest.Exec(t, d.OwnerURL, `drop function auth.token_claims(text, text)`,
		`create function auth.token_claims("user" text, client text) returns jsonb language sql return '{}'::jsonb`)
	call("")
	config := migrations.Config{OwnerURL: d.OwnerURL, Log: slog.New(slog.DiscardHandler)}
	if _, err := migrations.Up(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	call("42501")
	dbtest.Exec(t, d.OwnerURL, `drop function auth.token_claims(text, text)`)
	if _, err := migrations.Up(t.Context(), config); err != nil {
		t.Errorf("without a hook: %v", err)
	}
}

func TestCallersSQLReachesNothingOfTheIssuers(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	setPassword(t, s, adminID)
	token, _ := session(t, s)
	version := wantValues(t, s, 0, adminID)
	heard := notifications(t, d)
	c := newCaller(t, d)
	for _, tt := range []struct{ wins, statement string }{
		{"hashes of passwords", `select * from rowpass.passwords`},
		{"hashes of passwords", `select * from rowpass.find_passwords('admin@acme.example', null)`},
		{"another's password", `insert into rowpass.passwords values ('` + adminID + `', 'x') on conflict do nothing`},
		{"the ring", `select document from rowpass.ring`},
		{"a ring of one's own", `insert into rowpass.ring (document, version) values ('', 1)`},
		{"sessions", `select * from rowpass.refresh_families`},
		{"hashes of refresh tokens", `select * from rowpass.refresh_tokens`},
		{"a session for ever", `update rowpass.refresh_families set expires_at = 'infinity'`},
		{"who was denied", `select * from rowpass.denials`},
		{"one's own denial taken back", `delete from rowpass.denials`},
		{"others denied", `select rowpass.deny('all', '', null, null, '')`},
		{"denials that nobody reads", `select rowpass.number_denials(1)`},
		{"denials that end at once", `update rowpass.state set longest_ttl = '0'`},
		{"who logs in when", `select * from rowpass.audit`},
		{"an audit that lies", `insert into rowpass.audit select gen_random_uuid(), now(), 'login', '', '', '', '', '', '', '', '', ''`},
		{"the owner's claims of others", `select auth.token_claims('` + adminID + `', 'x')`},
		{"the owner's rights in the hook", `select rowpass.token_claims('` + adminID + `', 'x')`},
		{"another time limit", `select rowpass.limit_time(0)`},
		{"a trigger of ours on another table", `create trigger x after insert on public.todos execute function rowpass.tell()`},
		{"a session revived", `update rowpass.denials set begun_by = null`},
		{"whether a session has ended", `select rowpass.is_over(f) from rowpass.refresh_families f`},
		{"a user's end without its removal", `select auth.end_user()`},
		{"a user's password gone", `select auth.forget_password()`},
	} {
		t.Run(tt.statement, func(t *testing.T) {
			for _, as := range [][]string{{tt.statement}, {"reset role", tt.statement}} {
				if got, err := c.as(acmeMember, as...); code(err) != "42501" {
					t.Errorf("%q, %v; want 42501, or it wins %s", got, err, tt.wins)
				}
			}
		})
	}
	wantValues(t, s, version)
	if _, err := s.LookUpRefresh(t.Context(), token, clientName); err != nil {
		t.Errorf("the session of another has ended: %v", err)
	}
	if n := heard(); n != 0 {
		t.Errorf("%d notifications", n)
	}
}

// TestUsersAreDeniedUnderEveryShadow removes a user, or gives it another address, while every name, operator and type is the
// caller's.
func TestUsersAreDeniedUnderEveryShadow(t *testing.T) {
	for _, change := range []string{`delete from public.users`, `update public.users set email = 'x@acme.example'::pg_catalog.text`} {
		t.Run(change, func(t *testing.T) { underEveryShadow(t, change) })
	}
}

func underEveryShadow(t *testing.T, change string) {
	t.Helper()
	d := dbtest.New(t)
	if _, err := dbtest.Connect(t, d.SuperuserURL).PgConn().Exec(t.Context(), shadows).ReadAll(); err != nil {
		t.Fatal(err)
	}
	s := openState(t, d)
	setPassword(t, s, memberID)
	token, _ := session(t, s)
	dbtest.Exec(t, d.OwnerURL, "grant temporary on database "+d.Name+" to authenticated")
	got, err := newCaller(t, d).as(acmeAdmin,
		`create function pg_temp.steal(pg_catalog.text) returns bool language plpgsql as $$ begin raise exception 'run as %', current_user using errcode = 'ZZ001'; end $$`,
		`create domain pg_temp.text as pg_catalog.text check (pg_temp.steal(value::pg_catalog.text))`,
		`create domain pg_temp.timestamptz as pg_catalog.timestamptz check (pg_temp.steal(value::pg_catalog.text))`,
		`create domain pg_temp.interval as pg_catalog.interval check (pg_temp.steal(value::pg_catalog.text))`,
		`create temporary table denials (kind text)`, `create temporary table refresh_families (id text)`, `create temporary table users (id text)`, `create temporary table passwords (user_id text)`,
		`set local search_path = pg_temp, evil, pg_catalog, public`,
		change+` where email operator(pg_catalog.=) 'member@acme.example'::pg_catalog.text returning name`)
	if diff := cmp.Diff([]string{"Max of Acme"}, got); diff != "" || err != nil {
		t.Fatalf("%v %s", err, diff)
	}
	wantValues(t, s, 0, memberID, memberID)
	if _, err := s.LookUpRefresh(t.Context(), token, clientName); err != db.ErrNotFound { //nolint:errorlint // not a refusal
		t.Errorf("its session: %v, want ErrNotFound", err)
	}
	if n := value(t, d, "select count(*)::text from rowpass.passwords"); n != "0" {
		t.Error("its password is still there")
	}
}
