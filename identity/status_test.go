package identity_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

func TestStatusSaysHowEachSourceIsDoing(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	clerk := clerkSource(t, "clerk", "")
	s := storeOf(t, d, nil, clerk, clerkSource(t, "quiet", "q|"))
	stop := running(t, s)
	accept(t, s, "clerk", "e1", clerkEvent("user.created", "u1", "Ann", minute(1)))
	accept(t, s, "clerk", "e2", clerkEvent("user.created", "u2", "Bea", minute(5)))
	accept(t, s, "clerk", "e3", clerkEvent("user.deleted", "u2", "", minute(3)))
	accept(t, s, "clerk", "e4", clerkEvent("user.deleted", "u3", "", minute(4)))
	accept(t, s, "clerk", "e5", clerkEvent("organizationMembership.created", "u4", "acme", minute(4)))
	accept(t, s, "clerk", "e6", []byte("no JSON"))
	drained(t, s)
	stop()
	if err := s.Seen(t.Context(), claimed(t, clerk, "u5", `{"name":"Cleo"}`, minute(4)), ""); err != nil {
		t.Fatal(err)
	}
	accept(t, s, "clerk", "e7", clerkEvent("user.created", "u6", "Dan", minute(9)))
	dbtest.Exec(t, d.OwnerURL, "update rowpass.inbox set received_at = received_at - interval '90 seconds' where event_id = 'e7'",
		"update rowpass.sync_sources set last_received_at = last_received_at - interval '8 days'", "delete from rowpass.inbox where state = 'done'")
	got, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if lag := got[0].Lag; lag < 90*time.Second || lag > 3*time.Minute {
		t.Errorf("lag %v", lag)
	}
	if since := time.Since(got[0].LastReceived); since < 80*time.Second || since > 3*time.Minute {
		t.Errorf("received %v ago", since)
	}
	want := []identity.SourceStatus{
		{Source: "clerk", LastEvent: minute(5), Pending: 1, Dead: 1, Live: 3, Deleted: 1, Provisional: 1},
		{Source: "quiet"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(identity.SourceStatus{}, "Lag", "LastReceived")); diff != "" {
		t.Error(diff)
	}
}

func TestPruneKeepsWhatADuplicateMayBeOf(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", ""))
	dbtest.Exec(t, d.OwnerURL,
		`insert into rowpass.inbox (source, event_id, state, received_at) select 'clerk', state || age, state, now() - age * interval '1 day'
			from unnest('{pending,fetch,done,dead}'::text[]) state, unnest('{6,8,29,31}'::int[]) age`,
		`insert into rowpass.inbox (source, event_id, state, received_at) select 'gone', 'done' || n, 'done', now() - interval '1 year' from generate_series(1, 2500) n`,
		`insert into rowpass.profile_tenants (id, tenant, source, at, member, until) values ('member', 't', 's', now() - interval '1 year', true, null),
			('left', 't', 's', now() - interval '29 days', false, null), ('left long ago', 't', 's', now() - interval '31 days', false, null),
			('seen', 't', 's', null, false, now() + interval '1 day'), ('not seen any more', 't', 's', null, false, now() - interval '1 minute')`)
	if err := s.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := "(dead29)\n(dead6)\n(dead8)\n(done6)\n(fetch29)\n(fetch31)\n(fetch6)\n(fetch8)\n(pending29)\n(pending31)\n(pending6)\n(pending8)"
	if diff := cmp.Diff(want, rowsOf(t, d.OwnerURL, "select event_id from rowpass.inbox")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("(left)\n(member)\n(seen)", rowsOf(t, d.OwnerURL, "select id from rowpass.profile_tenants")); diff != "" {
		t.Error(diff)
	}
}
