package identity_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

// holding runs statements in a transaction that stays open until release.
func holding(t testing.TB, url string, statements ...string) (release func()) {
	t.Helper()
	tx, err := dbtest.Connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := tx.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	return func() { _ = tx.Rollback(context.Background()) }
}

// state is an event's state, and why.
func state(t testing.TB, d dbtest.Database, id string) string {
	t.Helper()
	return rowsOf(t, d.OwnerURL, "select state, reason from rowpass.inbox where event_id = $1", id)
}

func TestACallersForeignKeyHoldsNoEventUp(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", "clerk|"))
	running(t, s)
	accept(t, s, "clerk", "1", clerkEvent("user.created", "eve", "Eve", minute(1)))
	drained(t, s)
	dbtest.Exec(t, d.OwnerURL, `create table public.notes (user_id text references neon_identity.users_sync (id)); alter table public.notes enable row level security;
		grant insert on public.notes to authenticated; create policy own on public.notes for insert to authenticated with check (user_id = (select auth.user_id()))`)
	release := holding(t, d.OwnerURL, `select auth.impersonate('{"rowpass_user":"clerk|eve","sub":"eve"}')`, `insert into public.notes values ('clerk|eve')`)
	defer release()
	accept(t, s, "clerk", "2", clerkEvent("user.updated", "eve", "Eve II", minute(2)))
	const users = "select id, name, deleted_at is not null from neon_identity.users_sync"
	comes(t, d.OwnerURL, `(clerk|eve,"Eve II",f)`, users)
	accept(t, s, "clerk", "3", clerkEvent("user.deleted", "eve", "", minute(3)))
	comes(t, d.OwnerURL, `(clerk|eve,"Eve II",t)`, users)
	if got := rowsOf(t, d.OwnerURL, "select max(attempts) from rowpass.inbox"); got != "(1)" {
		t.Errorf("the event was tried %s times", got)
	}
}

func TestAUserWhoIsLockedHoldsNobodyElseUp(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", "clerk|"), clerkSource(t, "other", "other|"))
	accept(t, s, "clerk", "1", clerkEvent("user.created", "eve", "Eve", minute(1)))
	accept(t, s, "clerk", "2", clerkEvent("user.created", "fay", "Fay", minute(1)))
	stop := running(t, s)
	drained(t, s)
	stop()
	for lock, table := range []string{"neon_identity.users_sync", "rowpass.profiles"} {
		release := holding(t, d.OwnerURL, "select from "+table+" where id = 'clerk|eve' for update")
		event := func(n int) string { return fmt.Sprint(lock, " ", n) }
		at := minute(10 * (lock + 1))
		accept(t, s, "clerk", event(1), clerkEvent("user.updated", "eve", "Eve of "+table, at))
		accept(t, s, "clerk", event(2), clerkEvent("user.created", "dan", "Dan", at))
		accept(t, s, "clerk", event(3), clerkEvent("user.updated", "fay", "Fay", at))
		accept(t, s, "other", event(4), clerkEvent("user.deleted", "fired", "", at))
		stop := running(t, s)
		comes(t, d.OwnerURL, `("`+event(1)+`","another transaction holds the user (SQLSTATE 55P03)")`, "select event_id, reason from rowpass.inbox where state = 'pending'")
		if got := rowsOf(t, d.OwnerURL, "select next_at >= received_at + interval '1 second', attempts > 0 from rowpass.inbox where event_id = $1", event(1)); got != "(t,t)" {
			t.Errorf("%s: put off, tried: %s", table, got)
		}
		release()
		dbtest.Exec(t, d.OwnerURL, "update rowpass.inbox set next_at = now() where state = 'pending'")
		drained(t, s)
		stop()
		minutes := 10 * (lock + 1)
		want := lines(fmt.Sprint("clerk|dan Dan ", minutes), fmt.Sprintf("clerk|eve Eve of %s %d", table, minutes), fmt.Sprint("clerk|fay Fay ", minutes), fmt.Sprintf("other|fired - %d deleted", minutes))
		if diff := cmp.Diff(want, userRows(t, d)); diff != "" {
			t.Errorf("%s: %s", table, diff)
		}
	}
}

func TestAUserWhoTakesTooLongIsDeadInTheEnd(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, func(c *identity.StoreConfig) { c.Timeout = 300 * time.Millisecond }, clerkSource(t, "clerk", ""), clerkSource(t, "other", "o|"))
	dbtest.Exec(t, d.OwnerURL, `create function public.slow() returns trigger language plpgsql as $$
		begin if new.raw_json ->> 'id' = 'eve' then perform pg_sleep(60); end if; return new; end $$;
		create trigger slow before insert or update on neon_identity.users_sync for each row execute function public.slow()`)
	for _, name := range []string{"dan", "eve", "fay"} {
		accept(t, s, "clerk", name, clerkEvent("user.created", name, "Name", minute(1)))
	}
	accept(t, s, "other", "gus", clerkEvent("user.created", "gus", "Name", minute(1)))
	running(t, s)
	comes(t, d.OwnerURL, `(eve,"the database takes too long over it (SQLSTATE 57014)")`, "select event_id, reason from rowpass.inbox where state = 'pending'")
	if diff := cmp.Diff(lines("dan Name 1", "fay Name 1", "o|gus Name 1"), userRows(t, d)); diff != "" {
		t.Error(diff)
	}
	dbtest.Exec(t, d.OwnerURL, "update rowpass.inbox set next_at = now(), attempts = 9 where event_id = 'eve'")
	drained(t, s)
	if got := state(t, d, "eve"); got != `(dead,"the database takes too long over it (SQLSTATE 57014)")` {
		t.Error(got)
	}
}

// The user is new to both, so that neither sees a row when it begins.
func TestTheNewerOfTwoFirstProfilesCounts(t *testing.T) {
	t.Parallel()
	const apply = `select outcome from rowpass.apply_profiles('clerk', '{u1}', '{u1}', array[$1::text], array[$2::timestamptz], '{null}')`
	for name, c := range map[string]struct{ first, second int }{"it comes first": {2, 1}, "it comes second": {1, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			clerk := clerkSource(t, "clerk", "")
			s := storeOf(t, d, nil, clerk)
			named := func(at int) identity.Profile { return profileOf(t, clerk, "u1", fmt.Sprint("Name", at), minute(at)) }
			tx, err := dbtest.Connect(t, d.ServiceURL).Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), "select rowpass.hold_purged()"); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), apply, string(named(c.first).Raw), minute(c.first)); err != nil {
				t.Fatal(err)
			}
			applied := make(chan error, 1)
			go func() {
				_, err := s.Apply(context.Background(), "clerk", []identity.Change{{Kind: identity.Upsert, Profile: named(c.second)}})
				applied <- err
			}()
			comes(t, d.SuperuserURL, "(1)", "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := <-applied; err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(lines("u1 Name2 2"), userRows(t, d)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func tenantNames(from, n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("org_%05d", from+i))
	}
	return names
}

func TestAProfileMayListAThousandTenants(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	ours := newSource(t, identity.SourceConfig{
		Name: "ours", Preset: "generic", Signature: "hmac-sha256", SecretHeader: "X-S", Secrets: []string{"0123456789abcdef0123"}, Updated: []string{"u"},
		Fields: identity.Fields{
			EventType: []identity.Path{{"t"}}, EventTime: []identity.Path{{"at"}}, User: []identity.Path{{"user"}}, ID: []identity.Path{{"id"}}, Name: []identity.Path{{"name"}},
			Tenant: []identity.Path{{"orgs", "*"}},
		},
	})
	s := storeOf(t, d, nil, ours)
	running(t, s)
	event := func(at int, tenants []string) []byte {
		return mustJSON(map[string]any{"t": "u", "at": minute(at).Format(time.RFC3339), "user": map[string]any{"id": "eve", "name": "Eve", "orgs": tenants}})
	}
	for n, c := range []struct {
		tenants []string
		want    string
	}{
		{tenantNames(0, 1000), "(1000,org_00000)"},
		{tenantNames(5000, 1000), "(1000,org_05000)"},
		{tenantNames(0, 1001), "(1000,org_05000)"},
		{tenantNames(5001, 2), "(2,org_05001)"},
	} {
		accept(t, s, "ours", fmt.Sprint("e", n), event(n+1, c.tenants))
		drained(t, s)
		if got := rowsOf(t, d.OwnerURL, "select count(*), min(tenant) from rowpass.profile_tenants where member"); got != c.want {
			t.Errorf("after event %d: %s, want %s", n, got, c.want)
		}
	}
	if got := state(t, d, "e2"); got != `(dead,"the user is in 1001 tenants; a profile may list 1000: let fields.tenant name fewer")` {
		t.Error(got)
	}
	p := identity.Profile{ID: "eve", Subject: "eve", At: minute(9), Raw: []byte(`{"id":"eve"}`), Tenants: tenantNames(0, 1001)}
	counts, err := s.Apply(t.Context(), "ours", []identity.Change{{Kind: identity.Upsert, Profile: p}})
	if want := (identity.Counts{Refused: 1}); err != nil || counts != want {
		t.Errorf("of a list: %+v, %v", counts, err)
	}
}

func TestWhatIsKeptOfADeadEvent(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	supabase := newSource(t, identity.SourceConfig{Name: "supabase", Preset: "supabase", Prefix: "s|", Secrets: []string{"0123456789abcdef0123"}})
	s := storeOf(t, d, nil, clerkSource(t, "clerk", "c|"), keycloakSource(t), supabase)
	running(t, s)
	for _, id := range []string{"c|user_ann", "user-kim", "s|sam"} {
		if _, err := s.Purge(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	// Events have a type, which is a text.
	many := map[string]any{"type": 7, "data": map[string]any{"id": "user_bea", "words": tenantNames(0, 600)}}
	record := func(id string) []byte {
		row := map[string]any{"id": id, "email": "e@acme.example", "encrypted_password": "$2a$10$SECRETHASH", "recovery_token": "SECRETTOKEN"}
		return mustJSON(map[string]any{"type": 7, "table": "users", "schema": "auth", "record": row, "old_record": row})
	}
	for _, c := range []struct {
		name, source string
		body         []byte
		kept         bool
	}{
		{"one that names nobody who was purged", "clerk", []byte(`{"type":7,"data":{"id":"user_bea"}}`), true},
		{"one about somebody who was", "clerk", []byte(`{"type":7,"data":{"id":"user_ann"}}`), false},
		{"one that names somebody who was anywhere", "clerk", []byte(`{"type":7,"data":{"id":"user_bea"},"by":{"also":["x","user_ann"]}}`), false},
		{"one that names somebody of another source by chance", "keycloak", []byte(`{"type":7,"resourcePath":"users/user_ann"}`), true},
		{"one that names somebody by a path", "keycloak", []byte(`{"type":7,"resourcePath":"users/user-kim"}`), false},
		{"one with more texts than are looked up", "clerk", mustJSON(many), false},
		{"what is no JSON", "clerk", []byte(`{"type":"user.updated","data":{"id":"user_bea"}`), false},
		{"one with secrets", "supabase", record("sue"), true},
		{"one with secrets of somebody who was purged", "supabase", record("sam"), false},
	} {
		accept(t, s, c.source, c.name, c.body)
		drained(t, s)
		if got := rowsOf(t, d.OwnerURL, "select state, body is not null from rowpass.inbox where event_id = $1", c.name); got != map[bool]string{true: "(dead,t)", false: "(dead,f)"}[c.kept] {
			t.Errorf("of %s: %s", c.name, got)
		}
	}
	conn := dbtest.Connect(t, d.OwnerURL)
	var kept string
	if err := conn.QueryRow(t.Context(), "select convert_from(body, 'UTF8') from rowpass.inbox where event_id = 'one with secrets'").Scan(&kept); err != nil && err != pgx.ErrNoRows {
		t.Fatal(err)
	}
	if strings.Contains(kept, "SECRET") || !strings.Contains(kept, "e@acme.example") {
		t.Errorf("of one with secrets is kept %.300s", kept)
	}
}
