package identity_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	clerk := clerkSource(t, "clerk", "")
	upsert := func(name string, at int) identity.Change {
		return identity.Change{Kind: identity.Upsert, Profile: profileOf(t, clerk, "u1", name, minute(at))}
	}
	remove := func(at int) identity.Change {
		return identity.Change{Kind: identity.Delete, Subject: "u1", At: minute(at)}
	}
	for name, c := range map[string]struct {
		changes []identity.Change // each by itself
		want    string
		counts  []identity.Counts
	}{
		"a new user is added":                        {[]identity.Change{upsert("Ann", 1)}, "u1 Ann 1", []identity.Counts{{Added: 1}}},
		"a newer profile counts":                     {[]identity.Change{upsert("Ann", 1), upsert("Bea", 2)}, "u1 Bea 2", []identity.Counts{{Added: 1}, {Changed: 1}}},
		"an older one that comes later does not":     {[]identity.Change{upsert("Bea", 2), upsert("Ann", 1)}, "u1 Bea 2", []identity.Counts{{Added: 1}, {Stale: 1}}},
		"of the same time the one that comes later":  {[]identity.Change{upsert("Ann", 1), upsert("Bea", 1)}, "u1 Bea 1", []identity.Counts{{Added: 1}, {Changed: 1}}},
		"the same again changes nothing":             {[]identity.Change{upsert("Ann", 1), upsert("Ann", 1)}, "u1 Ann 1", []identity.Counts{{Added: 1}, {Unchanged: 1}}},
		"a deletion keeps the profile":               {[]identity.Change{upsert("Ann", 1), remove(2)}, "u1 Ann 2 deleted", []identity.Counts{{Added: 1}, {Deleted: 1}}},
		"a deletion is made once":                    {[]identity.Change{upsert("Ann", 1), remove(2), remove(3)}, "u1 Ann 3 deleted", []identity.Counts{{Added: 1}, {Deleted: 1}, {Unchanged: 1}}},
		"a deletion holds against an older profile":  {[]identity.Change{remove(2), upsert("Ann", 1)}, "u1 Ann 2 deleted", []identity.Counts{{Unchanged: 1}, {Stale: 1}}},
		"a deletion holds against one as old":        {[]identity.Change{remove(1), upsert("Ann", 1)}, "u1 Ann 1 deleted", []identity.Counts{{Unchanged: 1}, {Stale: 1}}},
		"a deletion of an unknown user is kept":      {[]identity.Change{remove(2)}, "u1 - 2 deleted", []identity.Counts{{Unchanged: 1}}},
		"a newer profile brings the user back":       {[]identity.Change{upsert("Ann", 1), remove(2), upsert("Bea", 3)}, "u1 Bea 3", []identity.Counts{{Added: 1}, {Deleted: 1}, {Added: 1}}},
		"an older deletion that comes later is none": {[]identity.Change{upsert("Ann", 3), remove(2)}, "u1 Ann 3", []identity.Counts{{Added: 1}, {Stale: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			s := storeOf(t, d, nil, clerk)
			var counts []identity.Counts
			for _, change := range c.changes {
				n, err := s.Apply(t.Context(), "clerk", []identity.Change{change})
				if err != nil {
					t.Fatal(err)
				}
				counts = append(counts, n)
			}
			if diff := cmp.Diff(lines(c.want), userRows(t, d)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.counts, counts); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever comes in whichever order and in however many pieces, the same is left.
func TestTheOrderOfChangesDoesNotMatter(t *testing.T) {
	t.Parallel()
	clerk := clerkSource(t, "clerk", "")
	var changes []identity.Change
	for at := range 12 {
		subject := fmt.Sprintf("u%d", at%3)
		switch at % 4 {
		case 3:
			changes = append(changes, identity.Change{Kind: identity.Delete, Subject: subject, At: minute(at)})
		case 1:
			kind := []identity.Kind{identity.Join, identity.Leave}[at/4%2]
			changes = append(changes, identity.Change{Kind: kind, Subject: subject, Tenant: "acme", At: minute(at)})
		default:
			changes = append(changes, identity.Change{Kind: identity.Upsert, Profile: profileOf(t, clerk, subject, fmt.Sprint("Name", at), minute(at))})
		}
	}
	state := func(seed uint64) string {
		d := dbtest.New(t)
		s := storeOf(t, d, nil, clerk)
		random := rand.New(rand.NewPCG(seed, 0))
		random.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
		for rest := changes; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			if _, err := s.Apply(t.Context(), "clerk", rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		return userRows(t, d) + "\n" + rowsOf(t, d.OwnerURL, "select id, tenant, member from rowpass.profile_tenants")
	}
	first := state(0)
	if strings.Count(first, "\n") < 5 {
		t.Fatal(first)
	}
	for seed := range uint64(6) {
		if diff := cmp.Diff(first, state(seed+1)); diff != "" {
			t.Errorf("shuffled by %d: %s", seed+1, diff)
		}
	}
}

func TestAnIDThatBelongsToAnotherSourceIsRefused(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	one, other, prefixed := clerkSource(t, "one", ""), clerkSource(t, "other", ""), clerkSource(t, "prefixed", "p|")
	s := storeOf(t, d, nil, one, other, prefixed)
	for _, c := range []struct {
		source *identity.Source
		name   string
		want   identity.Counts
	}{{one, "Ann", identity.Counts{Added: 1}}, {other, "Eve", identity.Counts{Refused: 1}}, {prefixed, "Pia", identity.Counts{Added: 1}}} {
		counts, err := s.Apply(t.Context(), c.source.Name(), []identity.Change{
			{Kind: identity.Upsert, Profile: profileOf(t, c.source, "u1", c.name, minute(5))},
			{Kind: identity.Join, Subject: "u1", Tenant: c.name + "'s", At: minute(5)},
		})
		if err != nil || counts != c.want {
			t.Errorf("%s: %+v, %v", c.source.Name(), counts, err)
		}
	}
	if diff := cmp.Diff(lines("p|u1 Pia 5", "u1 Ann 5"), userRows(t, d)); diff != "" {
		t.Error(diff)
	}
	if got := rowsOf(t, d.OwnerURL, "select id, tenant from rowpass.profile_tenants"); got != "(p|u1,Pia's)\n(u1,Ann's)" {
		t.Error(got)
	}
	if _, err := s.Apply(t.Context(), "okta", nil); !errors.Is(err, identity.ErrUnknownSource) {
		t.Error(err)
	}
}

func TestAUserWhomTheDatabaseRefusesStopsNobody(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	clerk := clerkSource(t, "clerk", "")
	s := storeOf(t, d, nil, clerk)
	var changes []identity.Change
	for i := range 9 {
		p := profileOf(t, clerk, fmt.Sprint("u", i), "Ann", minute(1))
		if i == 4 {
			p.Raw = []byte(`{"id":"u4","signed_up_at_millis":"soon"}`)
		}
		changes = append(changes, identity.Change{Kind: identity.Upsert, Profile: p})
	}
	counts, err := s.Apply(t.Context(), "clerk", changes)
	if want := (identity.Counts{Added: 8, Refused: 1}); err != nil || counts != want {
		t.Errorf("%+v, %v", counts, err)
	}
	if n := strings.Count(userRows(t, d), "Ann"); n != 8 {
		t.Errorf("%d users are there", n)
	}
}

func TestAProfileThatListsItsTenantsIsInNoOther(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	clerk := clerkSource(t, "clerk", "")
	s := storeOf(t, d, nil, clerk)
	for _, c := range []struct {
		at      time.Time
		tenants []string
		want    string
	}{
		{minute(1), []string{"a", "b"}, "(a)\n(b)"},
		{minute(2), nil, "(a)\n(b)"},
		{minute(3), []string{"b", "c"}, "(b)\n(c)"},
		{minute(2), []string{"a"}, "(b)\n(c)"},
		{minute(4), []string{}, "(joined)"}, // by an event of minute 9
		{minute(6), []string{"a"}, "(a)\n(joined)"},
	} {
		p := profileOf(t, clerk, "u1", "Ann", c.at)
		p.Tenants = c.tenants
		changes := []identity.Change{{Kind: identity.Upsert, Profile: p}}
		if c.at.Equal(minute(4)) {
			changes = append(changes, identity.Change{Kind: identity.Join, Subject: "u1", Tenant: "joined", At: minute(9)})
		}
		if _, err := s.Apply(t.Context(), "clerk", changes); err != nil {
			t.Fatal(err)
		}
		if got := rowsOf(t, d.OwnerURL, "select tenant from rowpass.profile_tenants where member"); got != c.want {
			t.Errorf("after %v: %s", c.tenants, got)
		}
	}
}
