package db_test

import (
	"errors"
	"testing"
	"time"

	"rowpass/db"
	"rowpass/db/dbtest"
)

// expire makes it so that all denials were made two hours earlier, and are out of date.
func expire(t *testing.T, d dbtest.Database) {
	t.Helper()
	dbtest.Exec(t, d.OwnerURL, `update rowpass.denials set until = now() - interval '1 hour', begun_by = begun_by - interval '2 hours',
		issued_before = issued_before - interval '2 hours'`,
		`update rowpass.refresh_families set created_at = created_at - interval '2 hours'`)
}

// TestADenialGoesWhenItsSessionsHave prunes while somebody holds the session's row, and then once more.
func TestADenialGoesWhenItsSessionsHave(t *testing.T) {
	for _, denial := range []db.Denial{
		{Kind: db.DenySession}, {Kind: db.DenySubject, Value: memberID}, {Kind: db.DenyTenant, Value: acme}, {Kind: db.DenyClient, Value: clientName}, {Kind: db.DenyAll},
		{Kind: db.DenySubject, Value: memberID, IssuedBefore: time.Now()}, {Kind: db.DenyAll, IssuedBefore: time.Now()},
	} {
		name := string(denial.Kind)
		if !denial.IssuedBefore.IsZero() {
			name += " until now"
		}
		t.Run(name, func(t *testing.T) {
			d := dbtest.New(t)
			s := openState(t, d)
			token, family := session(t, s)
			if denial.Kind == db.DenySession {
				denial.Value = family.ID
			}
			if !denial.IssuedBefore.IsZero() {
				denial.IssuedBefore = time.Now()
			}
			if err := s.Deny(t.Context(), denial); err != nil {
				t.Fatal(err)
			}
			state := func(step, denials, ended string) {
				t.Helper()
				if err := s.Prune(t.Context(), anHour); err != nil {
					t.Fatalf("%s: %v", step, err)
				}
				if _, err := s.Refresh(t.Context(), token, clientName, anHour, 0); !errors.Is(err, db.ErrNotFound) {
					t.Errorf("%s, the session is alive: %v", step, err)
				}
				got := value(t, d, `select format('%s %s', (select count(*) from rowpass.denials), (select count(*) from rowpass.refresh_families where ended_at is not null))`)
				if got != denials+" "+ended {
					t.Errorf("%s, there are %s, want %s denials and %s sessions that were ended", step, got, denials, ended)
				}
			}
			expire(t, d)
			dbtest.Exec(t, d.OwnerURL, `insert into rowpass.denials (kind, value, until, begun_by) values ('sub', 'yet to hold', now() + interval '1 day', now() + interval '1 day')`)
			locked := begin(t, d, `select from rowpass.refresh_families for update`)
			state("with the session locked", "2", "0")
			if err := locked.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			state("with the session free", "1", "1")
			state("once more", "1", "0")
		})
	}
}

// TestPruneEndsManySessionsOfManyDenials has more of both than a statement takes, and one that nobody denied.
func TestPruneEndsManySessionsOfManyDenials(t *testing.T) {
	d := dbtest.New(t)
	s := openState(t, d)
	token, family := session(t, s)
	dbtest.Exec(t, d.OwnerURL,
		`insert into rowpass.refresh_families select 'tenant ' || n, 'c', 's', 'denied', '', '{}', now(), now() + interval '1 day' from generate_series(1, 2500) n`,
		`insert into rowpass.refresh_families select 'named ' || n, 'c', 's', '', '', '{}', now(), now() + interval '1 day' from generate_series(1, 2500) n`,
		`select rowpass.deny('sid', 'named ' || n, null, null, '') from generate_series(1, 2500) n`,
		`select rowpass.deny('tenant_id', 'denied', clock_timestamp(), null, '')`)
	if err := s.Prune(t.Context(), anHour); err != nil {
		t.Fatal(err)
	}
	if alive := value(t, d, `select string_agg(id, ' ') from rowpass.refresh_families where ended_at is null`); alive != family.ID {
		t.Errorf("these go on: %.200s", alive)
	}
	if kept := value(t, d, `select count(*)::text from rowpass.denials`); kept != "2501" {
		t.Errorf("%s denials, want all, whose tokens are not out of date", kept)
	}
	refresh(t, s, token)
}
