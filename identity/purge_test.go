package identity_test

import (
	"sync"
	"testing"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

func TestAPurgedUserIsGoneForGood(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	clerk := clerkSource(t, "clerk", "c|")
	s := storeOf(t, d, nil, clerk)
	running(t, s)
	accept(t, s, "clerk", "e1", clerkEvent("user.created", "user_ann/1", "Ann", minute(1)))
	accept(t, s, "clerk", "e2", clerkEvent("organizationMembership.created", "user_ann/1", "acme", minute(1)))
	accept(t, s, "clerk", "e3", clerkEvent("user.created", "user_bea", "Bea", minute(1)))
	accept(t, s, "clerk", "dead-of-ann", []byte(`{"type":"user.updated","timestamp":99999999999999,"data":{"id":"user_ann\/1"}}`))
	accept(t, s, "clerk", "dead-of-bea", []byte(`{"type":"user.updated","timestamp":99999999999999,"data":{"id":"user_bea"}}`))
	drained(t, s)
	if found, err := s.Purge(t.Context(), "c|user_ann/1"); !found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
	left := func() string {
		return rowsOf(t, d.OwnerURL, `select 'row', id from neon_identity.users_sync union all select 'profile', id from rowpass.profiles
			union all select 'tenant', id from rowpass.profile_tenants union all select 'body', event_id from rowpass.inbox where body is not null`)
	}
	const bea = "(body,dead-of-bea)\n(profile,c|user_bea)\n(row,c|user_bea)"
	if got := left(); got != bea {
		t.Error(got)
	}
	accept(t, s, "clerk", "e4", clerkEvent("user.updated", "user_ann/1", "Ann", minute(2)))
	accept(t, s, "clerk", "e5", clerkEvent("organizationMembership.created", "user_ann/1", "acme", minute(3)))
	accept(t, s, "clerk", "e6", clerkEvent("user.deleted", "user_ann/1", "", minute(4)))
	drained(t, s)
	if err := s.Seen(t.Context(), claimed(t, clerk, "user_ann/1", `{"name":"Ann"}`, minute(5)), "acme"); err != nil {
		t.Error(err)
	}
	counts, err := s.Apply(t.Context(), "clerk", []identity.Change{{Kind: identity.Upsert, Profile: profileOf(t, clerk, "user_ann/1", "Ann", minute(6))}})
	if want := (identity.Counts{Stale: 1}); counts != want || err != nil {
		t.Errorf("%+v, %v", counts, err)
	}
	if got := left(); got != bea {
		t.Errorf("what came later: %s", got)
	}
	if found, err := s.Purge(t.Context(), "c|user_ann/1"); found || err != nil {
		t.Errorf("again: found %v, %v", found, err)
	}
	if found, err := s.Unpurge(t.Context(), "c|user_ann/1"); !found || err != nil {
		t.Errorf("unpurged: found %v, %v", found, err)
	}
	if err := s.Seen(t.Context(), claimed(t, clerk, "user_ann/1", `{"name":"Ann"}`, minute(7)), ""); err != nil {
		t.Error(err)
	}
	if got := left(); got != "(body,dead-of-bea)\n(profile,c|user_ann/1)\n(profile,c|user_bea)\n(row,c|user_ann/1)\n(row,c|user_bea)" {
		t.Error(got)
	}
	if found, err := s.Unpurge(t.Context(), "c|user_ann/1"); found || err != nil {
		t.Errorf("unpurged again: found %v, %v", found, err)
	}
}

func TestAShortSubjectTakesNoOtherUsersEvents(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := storeOf(t, d, nil, clerkSource(t, "clerk", ""))
	running(t, s)
	accept(t, s, "clerk", "of-1", []byte(`{"type":"user.updated","timestamp":99999999999999,"data":{"id":"1"}}`))
	accept(t, s, "clerk", "of-11", []byte(`{"type":"user.updated","timestamp":99999999999999,"data":{"id":"11"}}`))
	drained(t, s)
	if found, err := s.Purge(t.Context(), "1"); !found || err != nil {
		t.Errorf("found %v, %v", found, err)
	}
	if got := rowsOf(t, d.OwnerURL, "select event_id from rowpass.inbox where body is not null"); got != "(of-11)" {
		t.Error(got)
	}
	if _, err := s.Purge(t.Context(), ""); err == nil {
		t.Error("everybody was purged")
	}
}

// Whoever is written while it is being purged is gone afterwards.
func TestPurgingWaitsForWhoIsWriting(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	clerk := clerkSource(t, "clerk", "")
	s := storeOf(t, d, nil, clerk)
	for range 20 {
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := s.Apply(t.Context(), "clerk", []identity.Change{{Kind: identity.Upsert, Profile: profileOf(t, clerk, "u1", "Ann", minute(1))}}); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			if _, err := s.Purge(t.Context(), "u1"); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if got := userRows(t, d); got != "" {
			t.Fatal(got)
		}
		if _, err := s.Unpurge(t.Context(), "u1"); err != nil {
			t.Fatal(err)
		}
	}
	purgesBehindAForeignKey(t, d, s, clerk)
	conn := dbtest.Connect(t, d.ServiceURL)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "select rowpass.hold_purged()"); err != nil {
		t.Fatal(err)
	}
	purged := make(chan error, 1)
	go func() {
		_, err := s.Purge(t.Context(), "u1")
		purged <- err
	}()
	wait(t, func() bool {
		return rowsOf(t, d.SuperuserURL, "select from pg_locks where not granted and relation = 'rowpass.purged'::regclass") != ""
	})
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-purged; err != nil {
		t.Error(err)
	}
}

// purgesBehindAForeignKey purges somebody whom a transaction has just written a foreign key to, while others are written.
func purgesBehindAForeignKey(t *testing.T, d dbtest.Database, s *identity.Store, clerk *identity.Source) {
	t.Helper()
	upsert := func(id string, at int) error {
		_, err := s.Apply(t.Context(), "clerk", []identity.Change{{Kind: identity.Upsert, Profile: profileOf(t, clerk, id, "Name", minute(at))}})
		return err
	}
	if err := upsert("held", 1); err != nil {
		t.Fatal(err)
	}
	release := holding(t, d.OwnerURL, "select from neon_identity.users_sync where id = 'held' for key share")
	purged := make(chan error, 1)
	go func() {
		_, err := s.Purge(t.Context(), "held")
		purged <- err
	}()
	for at := range 50 {
		if err := upsert("other", at); err != nil {
			t.Error(err)
		}
	}
	release()
	if err := <-purged; err != nil {
		t.Error(err)
	}
	if got := rowsOf(t, d.OwnerURL, "select id from rowpass.profiles"); got != "(other)" {
		t.Error(got)
	}
	if _, err := s.Purge(t.Context(), "other"); err != nil {
		t.Error(err)
	}
}
