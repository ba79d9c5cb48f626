package identity_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

// as runs a query in a transaction of a caller's, with sealed claims, and gives its rows as text, or the SQLSTATE.
func as(t testing.TB, d dbtest.Database, role, claims, query string) string {
	t.Helper()
	conn := dbtest.Connect(t, d.OwnerURL)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "select auth.impersonate($1::jsonb, $2)", claims, role); err != nil {
		t.Fatal(err)
	}
	rows, err := tx.Query(t.Context(), query)
	if err == nil {
		var all []string
		all, err = pgx.CollectRows(rows, pgx.RowTo[string])
		if err == nil {
			return strings.Join(all, " ")
		}
	}
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	return refused.Code
}

// people fills a database: Ann and Bea of acme, Cleo of globex, Dan who has left acme, Eve of none, Fay who is deleted, of acme.
func people(t testing.TB) dbtest.Database {
	t.Helper()
	d := dbtest.New(t)
	clerk := clerkSource(t, "clerk", "")
	s := storeOf(t, d, nil, clerk)
	changes := []identity.Change{
		{Kind: identity.Join, Subject: "ann", Tenant: "acme", At: minute(1)}, {Kind: identity.Join, Subject: "bea", Tenant: "acme", At: minute(1)},
		{Kind: identity.Join, Subject: "cleo", Tenant: "globex", At: minute(1)}, {Kind: identity.Join, Subject: "dan", Tenant: "acme", At: minute(1)},
		{Kind: identity.Leave, Subject: "dan", Tenant: "acme", At: minute(2)}, {Kind: identity.Join, Subject: "fay", Tenant: "acme", At: minute(1)},
		{Kind: identity.Delete, Subject: "fay", At: minute(3)},
	}
	for _, name := range []string{"ann", "bea", "cleo", "dan", "eve", "fay"} {
		changes = append(changes, identity.Change{Kind: identity.Upsert, Profile: profileOf(t, clerk, name, strings.ToUpper(name), minute(1))})
	}
	if _, err := s.Apply(t.Context(), "clerk", changes); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWhoReadsWhichProfiles(t *testing.T) {
	t.Parallel()
	d := people(t)
	const ids = "select id from neon_identity.users_sync order by id"
	for name, c := range map[string]struct{ role, claims, query, want string }{
		"one's own and those of one's tenant":      {"authenticated", `{"sub":"ann","tenant_id":"acme"}`, ids, "ann bea fay"},
		"another tenant's":                         {"authenticated", `{"sub":"cleo","tenant_id":"globex"}`, ids, "cleo"},
		"without a tenant one's own":               {"authenticated", `{"sub":"ann"}`, ids, "ann"},
		"who has left reads its own":               {"authenticated", `{"sub":"dan"}`, ids, "dan"},
		"a tenant that nobody is in":               {"authenticated", `{"sub":"eve","tenant_id":"nobody"}`, ids, "eve"},
		"a tenant of null":                         {"authenticated", `{"sub":"eve","tenant_id":null}`, ids, "eve"},
		"without claims nobody's":                  {"authenticated", `{}`, ids, ""},
		"a provider's tenant as mapped":            {"authenticated", `{"sub":"x","rowpass_user":"cleo","rowpass_tenant":"globex","tenant_id":"acme"}`, ids, "cleo"},
		"a provider's own word for a tenant":       {"authenticated", `{"sub":"x","rowpass_user":"cleo","tenant_id":"acme"}`, ids, "cleo"},
		"somebody else by id":                      {"authenticated", `{"sub":"ann","tenant_id":"acme"}`, "select id from neon_identity.users_sync where id = 'cleo'", ""},
		"the columns that are granted":             {"authenticated", `{"sub":"ann"}`, "select (id, name, email, created_at is null, updated_at is null, deleted_at)::text from neon_identity.users_sync", "(ann,ANN,,f,f,)"},
		"raw_json is not":                          {"authenticated", `{"sub":"ann"}`, "select raw_json::text from neon_identity.users_sync", "42501"},
		"nor the whole row":                        {"authenticated", `{"sub":"ann"}`, "select u::text from neon_identity.users_sync u", "42501"},
		"nor through a condition":                  {"authenticated", `{"sub":"ann"}`, "select id from neon_identity.users_sync where raw_json is not null", "42501"},
		"anonymous reads nothing":                  {"anonymous", `{}`, ids, "42501"},
		"anonymous reads no view":                  {"anonymous", `{}`, "select id from neon_identity.profiles", "42501"},
		"the view has who is there":                {"authenticated", `{"sub":"ann","tenant_id":"acme"}`, "select id from neon_identity.profiles order by id", "ann bea"},
		"the view has no raw_json":                 {"authenticated", `{"sub":"ann"}`, "select raw_json::text from neon_identity.profiles", "42703"},
		"nobody inserts":                           {"authenticated", `{"sub":"ann"}`, `insert into neon_identity.users_sync (raw_json) values ('{"id":"x"}') returning id`, "42501"},
		"nobody changes its own":                   {"authenticated", `{"sub":"ann"}`, `update neon_identity.users_sync set deleted_at = now() returning id`, "42501"},
		"nobody deletes":                           {"authenticated", `{"sub":"ann"}`, `delete from neon_identity.users_sync returning id`, "42501"},
		"nor through the view":                     {"authenticated", `{"sub":"ann"}`, `delete from neon_identity.profiles returning id`, "42501"},
		"who is of one's tenant is for the policy": {"authenticated", `{"sub":"ann","tenant_id":"acme"}`, `select rowpass.tenant_profiles()::text`, "42501"},
		"who is of a tenant is not anonymous's":    {"anonymous", `{}`, `select rowpass.tenant_profiles()::text`, "42501"},
		"rowpass's own tables are closed":          {"authenticated", `{"sub":"ann"}`, `select id from rowpass.profile_tenants`, "42501"},
		"rowpass's functions too":                  {"authenticated", `{"sub":"ann"}`, `select id from rowpass.apply_profiles('clerk', '{}', '{}', '{}', '{}', '{}')`, "42501"},
		"purging too":                              {"authenticated", `{"sub":"ann"}`, `select rowpass.purge_profile('bea', '{}')::text`, "42501"},
		"a condition that tells of rows it gets":   {"authenticated", `{"sub":"ann","tenant_id":"acme"}`, `select id from neon_identity.users_sync where 1 / (case id when 'cleo' then 0 else 1 end) > 0 order by id`, "ann bea fay"},
		"claims that are set again in a statement": {"authenticated", `{"sub":"ann"}`, `with f as materialized (select set_config('request.jwt.claims', '{"sub":"bea"}', true)) select id from f, neon_identity.users_sync`, "28000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := as(t, d, c.role, c.claims, c.query); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTheViewJoinsTodosAndUsersWithoutCasts(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	clerk := clerkSource(t, "clerk", "")
	s := storeOf(t, d, nil, clerk)
	const admin = "select id::text from users where email = 'admin@acme.example'"
	id := strings.Trim(rowsOf(t, d.OwnerURL, admin), "()")
	if _, err := s.Apply(t.Context(), "clerk", []identity.Change{{Kind: identity.Upsert, Profile: profileOf(t, clerk, id, "Ada", minute(1))}}); err != nil {
		t.Fatal(err)
	}
	const query = `select p.name || ' ' || u.email || ' ' || count(*) from todos t
		join neon_identity.profiles p on p.id = t.user_id join users u on u.id = p.user_id group by p.name, u.email`
	tenant := strings.Trim(rowsOf(t, d.OwnerURL, "select tenant_id from users where email = 'admin@acme.example'"), "()")
	if got := as(t, d, "authenticated", `{"sub":"`+id+`","tenant_id":"`+tenant+`"}`, query); got != "Ada admin@acme.example 2" {
		t.Error(got)
	}
}

// The policy must not be asked for each row: whoever reads the whole table gets its tenant's rows by the primary key.
func TestProfilesAreReadByTheirKeys(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	fillProfiles(t, d, 1_000, 10)
	for query, want := range map[string][]string{
		"select id from neon_identity.users_sync":                                   {"Bitmap Index Scan on users_sync_pkey", "InitPlan"},
		"select id from neon_identity.users_sync where id = 'u5_5'":                 {"users_sync_pkey", "Index Cond: (id = 'u5_5'::text)", "InitPlan"},
		"select id from neon_identity.profiles where id = any ('{u5_5,u5_6,u7_1}')": {"users_sync_pkey", "InitPlan"},
	} {
		plan := strings.ReplaceAll(as(t, d, "authenticated", `{"sub":"u5_5","tenant_id":"t5"}`, "explain (costs off) "+query), "\n", " ")
		for _, part := range want {
			if !strings.Contains(plan, part) {
				t.Errorf("%s: no %q in %s", query, part, plan)
			}
		}
		if strings.Contains(plan, "Seq Scan on users_sync") {
			t.Errorf("%s: %s", query, plan)
		}
	}
}

// fillProfiles adds users "u<tenant>_<n>" to tenants "t<tenant>", as the owner.
func fillProfiles(t testing.TB, d dbtest.Database, tenants, users int) {
	t.Helper()
	conn := dbtest.Connect(t, d.OwnerURL)
	for _, statement := range []string{
		`insert into neon_identity.users_sync (raw_json, updated_at) select jsonb_build_object('id', 'u' || t || '_' || u, 'display_name', 'User ' || u,
			'primary_email', 'u' || u || '@tenant' || t || '.example', 'signed_up_at_millis', 1700000000000), now() from generate_series(1, $1::int) t, generate_series(1, $2::int) u`,
		`insert into rowpass.profile_tenants (id, tenant, source, at, member) select 'u' || t || '_' || u, 't' || t, 'clerk', now(), true
			from generate_series(1, $1::int) t, generate_series(1, $2::int) u`,
	} {
		if _, err := conn.Exec(t.Context(), statement, tenants, users); err != nil {
			t.Fatal(err)
		}
	}
	dbtest.Exec(t, d.OwnerURL, "analyze neon_identity.users_sync", "analyze rowpass.profile_tenants")
}
