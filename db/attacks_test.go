package db_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowpass/db/dbtest"
)

// The attacks below run as a member of Acme with SQL of its own, as many statements as it likes. What each would win
// stands beside it.
func TestCallersSQLWinsNothing(t *testing.T) {
	const globexClaims = `'{"sub":"b0000000-0000-4000-8000-00000000000a","tenant_id":"b0000000-0000-4000-8000-000000000001"}'`
	for _, tt := range []struct {
		name       string
		wins       string
		statements []string
		code       string   // the SQLSTATE that refuses it; "": it runs and
		want       []string // returns this
	}{
		{"claims forged in one statement", "the other tenant's rows",
			[]string{`with forged as materialized (select set_config('request.jwt.claims', ` + globexClaims + `, true)) select email from forged, users`}, "28000", nil},
		{"claims forged by a sub-select that is run first", "the other tenant's rows",
			[]string{`select email from (select set_config('request.jwt.claims', ` + globexClaims + `, true) offset 0) f, lateral (select email from users where f.set_config is not null) u`}, "28000", nil},
		{"claims forged in capitals", "the other tenant's rows",
			[]string{`set local "Request.JWT.Claims" = ` + globexClaims, `select email from users`}, "28000", nil},
		{"claims forged by a DO block", "the other tenant's rows",
			[]string{`do $$ begin perform set_config('request.jwt.claims', ` + globexClaims + `, true); raise exception '%', (select string_agg(email, ' ') from public.users); end $$`}, "28000", nil},
		{"claims and seal emptied", "more than nothing",
			[]string{`select set_config('request.jwt.claims', '', true), set_config('request.jwt.seal', '', true)`, `select email from users`}, "", nil},
		{"one's own seal read", "no more than being oneself for a minute",
			[]string{`select split_part(current_setting('request.jwt.seal'), '.', 1)`}, "", []string{"v1"}},
		{"the role left", "the gateway's rights, which are none", []string{`select set_config('role', 'none', true)`, `select email from users`}, "42501", nil},
		{"the owner's role taken", "everything", []string{`set role rowpass_owner`}, "42501", nil},
		{"the service's role taken", "the directory", []string{`reset role`, `set role rowpass_service`}, "42501", nil},
		{"the key read", "to be anybody", []string{`select inner_pad from rowpass.seal_keys`}, "42501", nil},
		{"the key read by the gateway", "to be anybody", []string{`reset role`, `select inner_pad from rowpass.seal_keys`}, "42501", nil},
		{"the key's plan read", "rows of the key's table", []string{`explain select * from rowpass.seal_keys`}, "42501", nil},
		{"the key found in the functions' source", "to be anybody",
			[]string{`select count(*)::text from pg_proc where prosrc ~ '[0-9a-f]{64}' and pronamespace in ('auth'::regnamespace, 'rowpass'::regnamespace)`}, "", []string{"0"}},
		{"a key made", "the old one dropped", []string{`select rowpass.add_seal_key()`}, "42501", nil},
		{"the directory looked up as the service", "every tenant's users", []string{`select rowpass.find_users('admin@globex.example', null)`}, "42501", nil},
		{"auth.session() replaced", "any claims", []string{`create or replace function auth.session() returns jsonb language sql as $$ select '{}'::jsonb $$`}, "42501", nil},
		{"a temporary table before the real one", "the next caller's rows", []string{`create temporary table todos (id int)`}, "42501", nil},
		{"a temporary table by SELECT INTO", "the next caller's rows", []string{`select * into temporary todos from public.todos`}, "42501", nil},
		{"a table of one's own", "a place for functions that others run", []string{`create table public.x (id int)`}, "42501", nil},
		{"row security turned off", "an error instead of fewer rows", []string{`set local row_security = off`, `select email from users`}, "42501", nil},
		{"policies dropped", "everything", []string{`drop policy users_read on users`}, "42501", nil},
		{"row security disabled", "everything", []string{`alter table users disable row level security`}, "42501", nil},
		{"a trigger disabled", "another role in the tenant", []string{`set local session_replication_role = replica`}, "42501", nil},

		{"another tenant's row changed", "the row", []string{`update users set name = 'X' where email like '%globex%' returning email`}, "", nil},
		{"another tenant's rows removed", "the rows", []string{`delete from todos where user_id like 'b%' returning id::text`}, "", nil},
		{"another tenant's row merged away", "the row",
			[]string{`merge into todos t using (values (1)) v (x) on true when matched and t.user_id like 'b%' then delete`, `select count(*)::text from todos`}, "", []string{"2"}},
		{"a todo planted for somebody else", "words in another's mouth",
			[]string{`insert into todos (user_id, task) values ('b0000000-0000-4000-8000-00000000000a', 'x')`}, "42501", nil},
		{"a todo given away", "words in another's mouth", []string{`update todos set user_id = 'b0000000-0000-4000-8000-00000000000a'`}, "42501", nil},
		{"oneself moved to the other tenant", "its rows",
			[]string{`update users set tenant_id = 'b0000000-0000-4000-8000-000000000001' where id = auth.uid()`}, "42501", nil},
		{"one's id changed to another's", "its todos",
			[]string{`update users set id = 'b0000000-0000-4000-8000-00000000000b' where id = auth.uid()`}, "42501", nil},
		{"oneself made an admin", "the tenant", []string{`update users set role = 'admin' where id = auth.uid()`}, "42501", nil},
		{"oneself made an admin by MERGE", "the tenant",
			[]string{`merge into users u using (values (1)) v (x) on u.id = auth.uid() when matched then update set role = 'admin'`}, "42501", nil},
		{"one's address changed to another's", "whoever looks up by address",
			[]string{`update users set email = 'admin@globex.example' where id = auth.uid()`}, "42501", nil},
		{"a user added", "an account", []string{`insert into users (email) values ('x@acme.example')`}, "42501", nil},
		{"users emptied", "everything gone", []string{`truncate users`}, "42501", nil},
		{"the id of a todo probed", "whether another has it",
			[]string{`insert into todos (id, task) overriding system value select id, 'x' from generate_series(1, 20) id returning '1'`}, "23505", nil}, // one's own two collide
		{"ids of todos taken ahead", "other callers' inserts fail",
			[]string{`insert into todos (id, task) overriding system value select id, 'x' from generate_series(1000, 1010) id`, `select count(*)::text from todos`}, "", []string{"13"}},
		{"a sequence read", "how many rows others have", []string{`select last_value::text from todos_id_seq`}, "42501", nil},
		{"a sequence set", "other callers' inserts fail", []string{`select setval('todos_id_seq', 1)`}, "42501", nil},
		{"the length of a foreign row guessed by division", "its text",
			[]string{`select email from users where 1 / (case when email like '%globex%' then 0 else 1 end) = 1 order by 1`}, "",
			[]string{"admin@acme.example", "member@acme.example"}},
		{"statistics read", "common values of foreign rows", []string{`select count(*)::text from pg_stats where tablename in ('users', 'todos', 'tenants')`}, "", []string{"0"}},
		{"arguments that PostgreSQL cannot read as JSON", "an error that looks like ours",
			[]string{`select set_config('request.jwt.claims', 'no json', true)`, `select auth.session()`}, "28000", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCaller(t, dbtest.New(t))
			got, err := c.as(acmeMember, tt.statements...)
			if code(err) != tt.code {
				t.Fatalf("%q, %v; want SQLSTATE %q, or it wins %s", got, err, tt.code, tt.wins)
			}
			if strings.Join(got, "\n") != strings.Join(tt.want, "\n") {
				t.Errorf("%q, want %q, or it wins %s", got, tt.want, tt.wins)
			}
		})
	}
}

func TestSessionEndsWithItsTransaction(t *testing.T) {
	c := newCaller(t, dbtest.New(t))
	if _, err := c.as(acmeMember, "select auth.session()"); err != nil {
		t.Fatal(err)
	}
	var user, claims string
	if err := c.QueryRow(t.Context(), `select current_user, coalesce(current_setting('request.jwt.claims', true), '')`).Scan(&user, &claims); err != nil {
		t.Fatal(err)
	}
	if user != dbtest.Gateway || claims != "" {
		t.Errorf("after the transaction the connection is %s with claims %q", user, claims)
	}
}

func TestSealSetForTheWholeConnectionIsNotTakenOver(t *testing.T) {
	c := newCaller(t, dbtest.New(t))
	if _, err := c.as(acmeMember, `select set_config('request.jwt.claims', current_setting('request.jwt.claims'), false),
		set_config('request.jwt.seal', current_setting('request.jwt.seal'), false)`); err != nil {
		t.Fatal(err)
	}
	got, err := c.sealed("", "", "select email from users")
	if err != nil || len(got) != 0 {
		t.Errorf("a caller without claims after one who left some sees %q, %v", got, err)
	}
}

func TestAdminsChooseNoIDs(t *testing.T) {
	c := newCaller(t, dbtest.New(t))
	const taken = "b0000000-0000-4000-8000-00000000000b"
	got, err := c.as(acmeAdmin, `insert into users (id, email, created_at) values ('`+taken+`', 'x@acme.example', '2000-01-01') returning (id <> '`+taken+`' and created_at > '2001-01-01')::text`)
	if err != nil || len(got) != 1 || got[0] != "true" {
		t.Errorf("adding a user with another's id: %q, %v", got, err)
	}
	for name, statement := range map[string]string{
		"changing an id":              `update users set id = '` + taken + `' where email = 'member@acme.example'`,
		"moving a user away":          `update users set tenant_id = 'b0000000-0000-4000-8000-000000000001' where email = 'member@acme.example'`,
		"stepping down":               `update users set role = 'member' where id = auth.uid()`,
		"changing the tenant's id":    `update tenants set id = gen_random_uuid()`,
		"a user in the other tenant":  `insert into users (tenant_id, email) values ('b0000000-0000-4000-8000-000000000001', 'x@globex.example')`,
		"a tenant":                    `insert into tenants (name) values ('X')`,
		"overwriting a foreign user":  `insert into users (id, email) values ('` + taken + `', 'y@acme.example') on conflict (id) do update set email = 'z@acme.example'; `,
		"a foreign address overtaken": `insert into users (tenant_id, email) values ('b0000000-0000-4000-8000-000000000001', 'admin@globex.example') on conflict (tenant_id, lower(email)) do update set name = 'X'`,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.as(acmeAdmin, statement)
			if name == "overwriting a foreign user" { // its id is replaced before anything can collide
				if err != nil {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
			if code(err) != "42501" {
				t.Errorf("%q, %v; want 42501", got, err)
			}
		})
	}
}

func TestLaterObjectsOfTheOwnerAreNotOpenByThemselves(t *testing.T) {
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL,
		`create table auth.later (v int)`, `create table rowpass.later (v int)`,
		`create schema app`, `create table app.later (v int)`,
		`create table public.later (v int)`, `alter table public.later enable row level security`, `insert into public.later values (1)`,
		`create sequence public.later_seq`)
	c := newCaller(t, d)
	for statement, want := range map[string]string{
		`select v::text from auth.later`: "42501", `select v::text from rowpass.later`: "42501", `select v::text from app.later`: "42501",
		`select nextval('public.later_seq')`: "42501", `select v::text from public.later`: "",
	} {
		t.Run(statement, func(t *testing.T) {
			if got, err := c.as(acmeMember, statement); code(err) != want || len(got) != 0 {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
		})
	}
	for _, f := range []string{"auth.session()", "auth.is_tenant_admin()", "auth.impersonate(jsonb, text)", "auth.guard_users()", "auth.remove_todos()",
		"rowpass.find_users(text, uuid)", "rowpass.first_user()", "rowpass.add_seal_key()", "rowpass.pad(bytea, integer)"} {
		t.Run(f+" is not PUBLIC's", func(t *testing.T) {
			var public bool
			err := dbtest.Connect(t, d.OwnerURL).QueryRow(t.Context(),
				`select exists (select from pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner))) a where oid = $1::regprocedure and a.grantee = 0)`, f).Scan(&public)
			if err != nil || public {
				t.Errorf("public %v, %v", public, err)
			}
		})
	}
}

// TestKeyIsNotPrintedWithPlans reads what debug_print_plan, which any caller may set, sends to the client.
func TestKeyIsNotPrintedWithPlans(t *testing.T) {
	d := dbtest.New(t)
	var notices strings.Builder
	c := newCaller(t, d)
	config := c.Config()
	config.OnNotice = func(_ *pgConn, n *notice) { notices.WriteString(n.Message + n.Detail + n.Where) }
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	c.Conn = conn
	_, err = c.as(acmeMember, `set local client_min_messages = debug1`, `set local debug_print_parse = on`, `set local debug_print_rewritten = on`,
		`set local debug_print_plan = on`, `set local plpgsql.print_strict_params = on`, `select email from users`, `update users set name = 'x' where id = auth.uid()`)
	if err != nil {
		t.Fatal(err)
	}
	text := notices.String()
	if !strings.Contains(text, "seal_keys") && !strings.Contains(text, "plan:") {
		t.Fatalf("no plan was printed, so that this test can tell nothing: %.500s", text)
	}
	for _, pad := range pads(t, d) {
		for _, form := range printed(pad) {
			if strings.Contains(text, form) {
				t.Errorf("the key stands in a notice: %s", form)
			}
		}
	}
}
