package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"rowpass/identity"
)

// rounds is a list of which page n names users(n), and next(n) as the page behind it.
type rounds struct {
	users func(n int) []string
	next  func(n int) string
	read  int
}

func (l *rounds) Page(context.Context, string) (identity.Page, error) {
	l.read++
	p := identity.Page{Next: l.next(l.read)}
	for _, id := range l.users(l.read) {
		p.Users = append(p.Users, json.RawMessage(fmt.Sprintf(`{"id":%q}`, id)))
	}
	return p, nil
}

func (l *rounds) User(context.Context, string) (json.RawMessage, bool, error) { return nil, false, nil }

// someone names two users who are new on each page, nobody a page without users, and same always the same two.
func someone(n int) []string { return []string{fmt.Sprint("u", 2*n), fmt.Sprint("u", 2*n+1)} }
func nobody(int) []string    { return nil }
func same(int) []string      { return []string{"u1", "u2"} }

// last is a next page for the first n, and then none.
func last(n int) func(int) string {
	return func(at int) string {
		if at == n {
			return ""
		}
		return fmt.Sprint("c", at)
	}
}

func TestReconcileEndsWhereAListDoesNot(t *testing.T) {
	for _, tt := range []struct {
		name  string
		list  rounds
		pages int
		want  string // "": it goes well
	}{
		{"cursors that go round", rounds{users: someone, next: func(n int) string { return []string{"a", "b", "c"}[n%3] }}, 4, "page 4 names a page as the next one that was read before"},
		{"an API that doesn't heed the place", rounds{users: same, next: last(-1)}, 4, "3 pages in a row name nobody but whom earlier ones have named"},
		{"one that can't be understood again and again", rounds{users: func(int) []string { return []string{""} }, next: last(-1)}, 4, "3 pages in a row"},
		{"pages without anybody", rounds{users: nobody, next: last(-1)}, 1000, "1000 pages in a row name nobody, and yet a next one"},
		{"a few pages without anybody", rounds{users: func(n int) []string { return someone(n)[:min(n/900, 2)] }, next: last(902)}, 902, ""},
		{"two that name nobody new, time and again", rounds{users: func(n int) []string { return someone(n / 3) }, next: last(30)}, 30, ""},
		{"a last page that was read before", rounds{users: same, next: last(3)}, 3, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReconciling(t, "clerk", fakeUsers(3)...)
			r.run(true)
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			r.cfg.Lister, r.cfg.AllowMassDelete = &tt.list, true
			out, err := identity.Reconcile(ctx, r.cfg)
			ended := errors.Is(err, identity.ErrEndless)
			if tt.list.read != tt.pages || ended != (tt.want != "") || ended != (err != nil) || ended && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%d pages were read, want %d: %v", tt.list.read, tt.pages, err)
			}
			if live := len(r.rows(`select id from neon_identity.users_sync where id like 'acme|u|%' and deleted_at is null`)); ended != (live == 3) || ended != (out.Counts.Deleted == 0) {
				t.Errorf("of three users whom the list doesn't name %d are there, and %+v", live, out.Counts)
			}
			if got := r.rows(`select coalesce(reconciled_at::text, 'never') from rowpass.sync_sources`); ended != (len(got) == 0 || got[0] == "never") {
				t.Errorf("it was reconciled: %v", got)
			}
		})
	}
}

// A day is what a run that broke off is good for.
func TestReconcileReadsAListForADayAtMost(t *testing.T) {
	r := newReconciling(t, "clerk")
	now := time.Now()
	r.cfg.Now = func() time.Time { now = now.Add(time.Hour); return now }
	list := &rounds{users: nobody, next: last(-1)}
	r.cfg.Lister = list
	if _, err := identity.Reconcile(t.Context(), r.cfg); !errors.Is(err, identity.ErrEndless) || !strings.Contains(err.Error(), "it was read for 24 hours, 12 pages") {
		t.Errorf("after %d pages: %v", list.read, err)
	}
}

// The next run begins at the beginning, and goes well once the API does.
func TestReconcileBeginsAnewBehindAListWithoutAnEnd(t *testing.T) {
	r := newReconciling(t, "clerk", fakeUsers(9)...)
	clerk := r.cfg.Lister
	r.cfg.Lister = &rounds{users: same, next: last(-1)}
	if _, err := identity.Reconcile(t.Context(), r.cfg); !errors.Is(err, identity.ErrEndless) {
		t.Fatal(err)
	}
	r.cfg.Lister = clerk
	if out := r.run(false); out.Counts.Added != 9 || out.Counts.Deleted != 2 || out.Resumed {
		t.Errorf("%+v", out)
	}
	r.agree()
}

// A provider whose clock is behind writes times into its events that are older than the moment its list was read at.
func TestAChangeRightAfterAReconciliationCounts(t *testing.T) {
	for _, preset := range []string{"keycloak", "descope", "stytch", "workos"} { // the last has times of change
		for _, revived := range []bool{false, true} {
			r := newReconciling(t, preset, fakeUsers(1)...)
			if revived {
				gone := identity.Change{Kind: identity.Delete, Subject: r.users[0].id, At: time.Now().Add(-time.Hour)}
				if _, err := r.cfg.Store.Apply(t.Context(), "acme", []identity.Change{gone}); err != nil {
					t.Fatal(err)
				}
			}
			r.run(false)
			r.agree()
			r.change(func(p *fakeProvider) { p.users[0].name, p.users[0].updated = "Renamed", time.Now().Add(-4*time.Minute) })
			user, _, err := r.cfg.Lister.User(t.Context(), r.users[0].id)
			if err != nil {
				t.Fatal(err)
			}
			p, err := r.cfg.Source.Profile(user, time.Now().Add(-4*time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.cfg.Store.Apply(t.Context(), "acme", []identity.Change{{Kind: identity.Upsert, Profile: p}}); err != nil {
				t.Fatal(err)
			}
			r.agree()
		}
	}
}
