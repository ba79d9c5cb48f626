package identity_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

func claimed(t testing.TB, s *identity.Source, subject, claims string, at time.Time) identity.Profile {
	t.Helper()
	p, err := s.FromClaims([]byte(claims), subject, at)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const provisionalRows = `select s.id, s.name, p.provisional, s.deleted_at is not null as deleted from neon_identity.users_sync s join rowpass.profiles p using (id)`

func TestWhoeverIsSeenFirstGetsAProvisionalRow(t *testing.T) {
	t.Parallel()
	clerk := clerkSource(t, "clerk", "")
	seen := func(at int) func(*testing.T, *identity.Store) {
		return func(t *testing.T, s *identity.Store) {
			if err := s.Seen(t.Context(), claimed(t, clerk, "u1", `{"name":"Token","email":"t@example.com"}`, minute(at)), ""); err != nil {
				t.Error(err)
			}
		}
	}
	apply := func(c identity.Change) func(*testing.T, *identity.Store) {
		return func(t *testing.T, s *identity.Store) {
			if _, err := s.Apply(t.Context(), "clerk", []identity.Change{c}); err != nil {
				t.Error(err)
			}
		}
	}
	event := apply(identity.Change{Kind: identity.Upsert, Profile: profileOf(t, clerk, "u1", "Event", minute(1))})
	remove := apply(identity.Change{Kind: identity.Delete, Subject: "u1", At: minute(1)})
	for name, c := range map[string]struct {
		steps []func(*testing.T, *identity.Store)
		want  string
	}{
		"nothing was known of the user":              {[]func(*testing.T, *identity.Store){seen(9)}, "(u1,Token,t,f)"},
		"the first event replaces it, however old":   {[]func(*testing.T, *identity.Store){seen(9), event}, "(u1,Event,f,f)"},
		"a deletion removes it, however old":         {[]func(*testing.T, *identity.Store){seen(9), remove}, "(u1,Token,t,t)"},
		"what an event has said is not changed":      {[]func(*testing.T, *identity.Store){event, seen(9)}, "(u1,Event,f,f)"},
		"a deleted user does not come back":          {[]func(*testing.T, *identity.Store){event, remove, seen(9)}, "(u1,Event,f,t)"},
		"a membership alone is not a row":            {[]func(*testing.T, *identity.Store){apply(identity.Change{Kind: identity.Join, Subject: "u1", Tenant: "acme", At: minute(1)})}, ""},
		"a user of whom only a membership was known": {[]func(*testing.T, *identity.Store){apply(identity.Change{Kind: identity.Join, Subject: "u1", Tenant: "acme", At: minute(1)}), seen(9)}, "(u1,Token,t,f)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			s := storeOf(t, d, nil, clerk)
			for _, step := range c.steps {
				step(t, s)
			}
			if diff := cmp.Diff(c.want, rowsOf(t, d.OwnerURL, provisionalRows)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestATokensTenantHoldsForAMonth(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	clerk := clerkSource(t, "clerk", "")
	s := storeOf(t, d, nil, clerk)
	see := func(at int) {
		fresh := storeOf(t, d, nil, clerk) // one that remembers nobody
		if err := fresh.Seen(t.Context(), claimed(t, clerk, "u1", `{}`, minute(at)), "acme"); err != nil {
			t.Fatal(err)
		}
	}
	move := func(kind identity.Kind, at int) {
		if _, err := s.Apply(t.Context(), "clerk", []identity.Change{{Kind: kind, Subject: "u1", Tenant: "acme", At: minute(at)}}); err != nil {
			t.Fatal(err)
		}
	}
	is := func(want string) {
		t.Helper()
		if got := as(t, d, "authenticated", `{"sub":"colleague","tenant_id":"acme"}`, "select id from neon_identity.users_sync"); got != want {
			t.Errorf("of acme is %q, want %q", got, want)
		}
	}
	see(1)
	is("u1")
	dbtest.Exec(t, d.OwnerURL, "update rowpass.profile_tenants set until = until - interval '29 days 23 hours'")
	is("u1")
	dbtest.Exec(t, d.OwnerURL, "update rowpass.profile_tenants set until = until - interval '2 hours'")
	is("")
	see(2)
	is("u1")
	move(identity.Leave, 3)
	is("")
	see(2) // a token from before it left
	is("")
	see(4)
	is("u1")
	move(identity.Join, 5)
	dbtest.Exec(t, d.OwnerURL, "update rowpass.profile_tenants set until = '2020-01-01'")
	is("u1")
}

func TestTheDatabaseIsToldOfATokenOnceADay(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	clerk := clerkSource(t, "clerk", "")
	now := time.Now()
	s := storeOf(t, d, func(c *identity.StoreConfig) { c.Now = func() time.Time { return now } }, clerk)
	told := func(tenant string, issued int) bool {
		t.Helper()
		if err := s.Seen(t.Context(), claimed(t, clerk, "u1", `{}`, minute(issued)), tenant); err != nil {
			t.Fatal(err)
		}
		fresh := rowsOf(t, d.OwnerURL, "select from rowpass.profile_tenants where until > now() and tenant = '"+tenant+"'") != ""
		dbtest.Exec(t, d.OwnerURL, "update rowpass.profile_tenants set until = '2020-01-01'")
		return fresh
	}
	for _, step := range []struct {
		after  time.Duration
		tenant string
		issued int
		want   bool
	}{
		{0, "acme", 5, true}, {0, "acme", 5, false}, {0, "acme", 4, false}, {0, "acme", 6, true}, {0, "globex", 4, true}, {23 * time.Hour, "acme", 6, false},
		{2 * time.Hour, "acme", 6, true},
	} {
		now = now.Add(step.after)
		if got := told(step.tenant, step.issued); got != step.want {
			t.Errorf("after %v, as one of %s: told %v", step.after, step.tenant, got)
		}
	}
}

func TestWhoLeftAndCameBackIsOfTheTenantAgain(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	clerk := clerkSource(t, "clerk", "")
	s := storeOf(t, d, nil, clerk)
	for at, want := range []string{"(t)", "(f)", "(f)", "(t)"} {
		issued := at
		switch at {
		case 1:
			if _, err := s.Apply(t.Context(), "clerk", []identity.Change{{Kind: identity.Leave, Subject: "ann", Tenant: "acme", At: minute(1)}}); err != nil {
				t.Fatal(err)
			}
			issued = 0
		case 2:
			issued = 1
		}
		if err := s.Seen(t.Context(), claimed(t, clerk, "ann", `{"name":"Ann"}`, minute(issued)), "acme"); err != nil {
			t.Fatal(err)
		}
		if got := rowsOf(t, d.OwnerURL, "select coalesce(until > now(), false) from rowpass.profile_tenants"); got != want {
			t.Errorf("step %d: %s, want %s", at, got, want)
		}
	}
}

func TestWhoIsKnownIsWrittenOnceADay(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	clerk := clerkSource(t, "clerk", "")
	s := storeOf(t, d, nil, clerk)
	written := func() string {
		return rowsOf(t, d.OwnerURL, "select xmin, xmax from rowpass.profile_tenants union all select xmin, xmax from rowpass.profiles")
	}
	see := func(at int) {
		if err := s.Seen(t.Context(), claimed(t, clerk, "ann", `{"name":"Ann"}`, minute(at)), "acme"); err != nil {
			t.Fatal(err)
		}
	}
	see(1)
	before := written()
	see(2)
	if got := written(); got != before {
		t.Errorf("rows were written again: %s, were %s", got, before)
	}
	dbtest.Exec(t, d.OwnerURL, "update rowpass.profile_tenants set until = now() + interval '28 days'")
	see(3)
	if got := rowsOf(t, d.OwnerURL, "select until > now() + interval '29 days' from rowpass.profile_tenants"); got != "(t)" {
		t.Error("it was not written after a day")
	}
}

func TestAfterAnErrorTheDatabaseIsLeftAloneForAWhile(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	one, other := clerkSource(t, "one", ""), clerkSource(t, "other", "")
	now := time.Now()
	s := storeOf(t, d, func(c *identity.StoreConfig) { c.Now = func() time.Time { return now } }, one, other)
	if _, err := s.Apply(t.Context(), "one", []identity.Change{{Kind: identity.Upsert, Profile: profileOf(t, one, "u1", "Ann", minute(1))}}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		want  error
	}{{0, identity.ErrForeign}, {29 * time.Second, nil}, {2 * time.Second, identity.ErrForeign}} {
		now = now.Add(step.after)
		if err := s.Seen(t.Context(), claimed(t, other, "u1", `{"name":"Eve"}`, now), "acme"); !errors.Is(err, step.want) {
			t.Errorf("%v later: %v", step.after, err)
		}
	}
	if got := rowsOf(t, d.OwnerURL, "select from rowpass.profile_tenants"); got != "" {
		t.Error(got)
	}
}

func TestASourceOfNothingButTokensGoesByThem(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	tokens := newSource(t, identity.SourceConfig{Name: "tokens", Preset: "tokens", Prefix: "okta|"})
	s := storeOf(t, d, nil, tokens)
	see := func(at int, name, tenant string) {
		if err := s.Seen(t.Context(), claimed(t, tokens, "u1", `{"name":"`+name+`"}`, minute(at)), tenant); err != nil {
			t.Fatal(err)
		}
	}
	for at, step := range []struct{ name, tenant string }{{"Ann", "acme"}, {"Ann", "acme"}, {"Bea", "acme"}, {"Ann", "acme"}, {"Bea", "globex"}, {"Ann", "acme"}} {
		see(at, step.name, step.tenant)
		if got := rowsOf(t, d.OwnerURL, provisionalRows); got != "(okta|u1,"+step.name+",f,f)" {
			t.Errorf("after %v: %s", step, got)
		}
	}
	see(3, "Bea", "acme") // a token from before the last
	see(5, "Bea", "acme") // one of the same second
	if got := rowsOf(t, d.OwnerURL, provisionalRows); got != "(okta|u1,Bea,f,f)" {
		t.Error(got)
	}
	if got := as(t, d, "authenticated", `{"sub":"x","tenant_id":"acme"}`, "select id from neon_identity.profiles"); got != "okta|u1" {
		t.Error(got)
	}
	if got := rowsOf(t, d.OwnerURL, "select raw_json->>'provider' from neon_identity.users_sync"); !strings.Contains(got, "tokens") {
		t.Error(got)
	}
}
