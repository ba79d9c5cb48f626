package identity_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

// reconciling is a provider and a database that is to have the same users.
type reconciling struct {
	t testing.TB
	*fakeProvider
	database dbtest.Database
	cfg      identity.ReconcileConfig
}

func newReconciling(t *testing.T, preset string, users ...fakeUser) *reconciling {
	t.Helper()
	r := &reconciling{t: t, fakeProvider: newFakeProvider(t, preset, users...), database: dbtest.New(t)}
	r.clamp = 4
	c := r.source()
	c.Prefix, c.Secrets = "acme|", []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	source, err := identity.NewSource(c)
	if err != nil {
		t.Fatal(err)
	}
	store, err := identity.OpenStore(t.Context(), identity.StoreConfig{URL: r.database.ServiceURL, QueryExecMode: "cache_statement", Timeout: 10 * time.Second,
		Sources: []*identity.Source{source}, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	lister, err := identity.NewListerPausing(c, new(pauses).pause)
	if err != nil {
		t.Fatal(err)
	}
	r.cfg = identity.ReconcileConfig{Store: store, Source: source, Lister: lister, Now: time.Now}
	return r
}

// run reconciles, or backfills, and wants it to go well.
func (r *reconciling) run(backfill bool) identity.Reconciled {
	r.t.Helper()
	c := r.cfg
	c.Backfill = backfill
	out, err := identity.Reconcile(r.t.Context(), c)
	if err != nil {
		r.t.Fatalf("%s: %v", r.preset, err)
	}
	return out
}

// agree wants the table's live rows to be the provider's users.
func (r *reconciling) agree() {
	r.t.Helper()
	var want []string
	for _, u := range r.users {
		want = append(want, fmt.Sprintf("acme|%s %s %s@acme.example %d", u.id, u.name, strings.ToLower(u.name), u.created.Unix()))
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, r.rows(`select concat_ws(' ', id, name, email, extract(epoch from created_at)::bigint)
		from neon_identity.users_sync where deleted_at is null order by id collate "C"`), cmpopts.EquateEmpty()); diff != "" {
		r.t.Errorf("%s: %s", r.preset, diff)
	}
}

func (r *reconciling) rows(query string) (rows []string) {
	r.t.Helper()
	found, err := dbtest.Connect(r.t, r.database.OwnerURL).Query(r.t.Context(), query)
	if err != nil {
		r.t.Fatal(err)
	}
	for found.Next() {
		var row string
		if err := found.Scan(&row); err != nil {
			r.t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

func (r *reconciling) counts(got identity.Counts, want identity.Counts) {
	r.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("%s: %s", r.preset, diff)
	}
}

func TestBackfillAndReconcile(t *testing.T) {
	for _, preset := range listPresets() {
		r := newReconciling(t, preset, fakeUsers(11)...)
		out := r.run(true)
		if out.Counts.Added != 11 || out.Poisoned != 0 || out.Resumed {
			t.Errorf("%s: %+v", preset, out)
		}
		r.agree()
		if out := r.run(false); out.Counts.Added+out.Counts.Changed+out.Counts.Deleted != 0 || out.Drift != 0 {
			t.Errorf("%s: nothing differs, and yet %+v", preset, out)
		}
		r.change(func(p *fakeProvider) { // three changes that no event told of
			p.users[3].name, p.users[3].updated = "Renamed", time.Now().Add(-time.Hour)
			p.remove("u|0007")
			p.users = append(p.users, fakeUser{id: "u|0099", name: "New", created: listStart.Add(time.Hour * 24)})
		})
		out = r.run(false)
		if c := out.Counts; c.Added != 1 || c.Changed != 1 || c.Deleted != 1 || out.Drift != 3 {
			t.Errorf("%s: %+v", preset, out)
		}
		r.agree()
		if out := r.run(false); out.Counts.Added+out.Counts.Changed+out.Counts.Deleted != 0 || out.Drift != 0 {
			t.Errorf("%s: nothing differs any more, and yet %+v", preset, out)
		}
	}
}

func TestBackfillDeletesNobody(t *testing.T) {
	r := newReconciling(t, "clerk", fakeUsers(11)...)
	r.run(true)
	r.change(func(p *fakeProvider) { p.remove("u|0003") })
	r.counts(r.run(true).Counts, identity.Counts{Unchanged: 10})
	if live := r.rows(`select id from neon_identity.users_sync where deleted_at is null`); len(live) != 11 {
		t.Errorf("%d rows", len(live))
	}
}

// What changed a moment ago may be on its way as an event: the row is brought up to date, and nobody is alarmed.
func TestReconcileCallsNothingDriftThatIsUnderWay(t *testing.T) {
	r := newReconciling(t, "workos", fakeUsers(5)...)
	r.run(true)
	r.change(func(p *fakeProvider) {
		p.users[1].name, p.users[1].updated = "Renamed", time.Now().Add(-time.Second)
		p.users[2].name, p.users[2].updated = "Late", time.Now().Add(-time.Hour)
	})
	if out := r.run(false); out.Counts.Changed != 2 || out.Drift != 1 {
		t.Errorf("%+v", out)
	}
	r.agree()
}

// A run that an error ended goes on where it was.
func TestReconcileGoesOnAfterAnError(t *testing.T) {
	for _, preset := range listPresets() {
		r := newReconciling(t, preset, fakeUsers(23)...)
		r.change(func(p *fakeProvider) {
			p.disturb = func(n int) *fail {
				if n > 4 {
					return &fail{status: 500}
				}
				return nil
			}
		})
		out, err := identity.Reconcile(t.Context(), r.cfg)
		if err == nil || out.Counts.Added == 0 || out.Counts.Added == 23 || !strings.Contains(err.Error(), "source acme: reading page ") {
			t.Fatalf("%s: %+v, %v", preset, out, err)
		}
		before := out
		r.change(func(p *fakeProvider) { p.disturb, p.asked = nil, 0 })
		out = r.run(false)
		if !out.Resumed || out.Counts.Added != 23 || out.Pages <= before.Pages {
			t.Errorf("%s: %+v", preset, out)
		}
		r.agree()
		asked := r.asked
		if r.run(false); r.asked-asked <= asked {
			t.Errorf("%s: going on took %d requests, and a whole run %d", preset, asked, r.asked-asked)
		}
	}
}

// A process that was killed leaves its lease, which runs out.
func TestReconcileGoesOnAfterADeath(t *testing.T) {
	r := newReconciling(t, "supabase", fakeUsers(23)...)
	func() {
		defer func() { _ = recover() }()
		c := r.cfg
		c.Report = func(p identity.Progress) {
			if p.Pages == 3 {
				panic("killed")
			}
		}
		_, _ = identity.Reconcile(t.Context(), c)
	}()
	if _, err := identity.Reconcile(t.Context(), r.cfg); !errors.Is(err, identity.ErrRunning) {
		t.Fatal(err)
	}
	dbtest.Exec(t, r.database.OwnerURL, `update rowpass.sync_runs set leased_until = now() - interval '1 second'`)
	if out := r.run(false); !out.Resumed || out.Counts.Added != 23 || out.Counts.Unchanged != 0 {
		t.Errorf("%+v", out)
	}
	r.agree()
}

// Who gives up a run doesn't keep the lease.
func TestReconcileEndsWithItsContext(t *testing.T) {
	r := newReconciling(t, "clerk", fakeUsers(23)...)
	ctx, cancel := context.WithCancel(t.Context())
	c := r.cfg
	c.Report = func(p identity.Progress) { cancel() }
	if _, err := identity.Reconcile(ctx, c); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if out := r.run(false); !out.Resumed || out.Counts.Added != 23 {
		t.Errorf("%+v", out)
	}
	r.agree()
}

// When users are removed while pages are read, others move to pages that were read before.
func TestReconcileMissesNobodyWhomAShiftHid(t *testing.T) {
	for _, preset := range []string{"clerk", "supabase", "keycloak", "descope", "logto"} {
		for _, known := range []bool{true, false} {
			r := newReconciling(t, preset, fakeUsers(23)...)
			if known {
				r.run(true)
			}
			c := r.cfg
			c.Report = func(p identity.Progress) {
				if p.Pages == 2 {
					r.change(func(p *fakeProvider) { p.remove("u|0000"); p.remove("u|0001") })
				}
			}
			out, err := identity.Reconcile(t.Context(), c)
			if err != nil || out.Counts.Deleted != 0 || !known && out.Counts.Added != 23 {
				t.Fatalf("%s: %+v, %v", preset, out, err)
			}
			r.run(false) // the two were listed before they were removed
			r.agree()
		}
	}
}

// The list of a provider may lag behind: who is not in it isn't gone.
func TestReconcileAsksForWhomTheListLacks(t *testing.T) {
	for _, preset := range listPresets() {
		r := newReconciling(t, preset, fakeUsers(11)...)
		r.run(true)
		r.change(func(p *fakeProvider) {
			p.hidden["u|0002"], p.hidden["u|0003"] = true, true
			p.users[3].name, p.users[3].updated = "Renamed", time.Now().Add(-time.Hour)
			p.remove("u|0004")
		})
		if out := r.run(false); out.Counts.Deleted != 1 || out.Counts.Changed != 1 || out.Drift != 2 {
			t.Errorf("%s: %+v", preset, out)
		}
		r.agree()
	}
}

func TestReconcileDeletesNoMultitude(t *testing.T) {
	r := newReconciling(t, "clerk", fakeUsers(40)...)
	r.run(true)
	r.change(func(p *fakeProvider) { p.users = p.users[:31] })
	r.counts(r.run(false).Counts, identity.Counts{Unchanged: 31, Deleted: 9}) // more than a fifth, but few
	r.change(func(p *fakeProvider) { p.users = p.users[:21] })
	out, err := identity.Reconcile(t.Context(), r.cfg)
	if !errors.Is(err, identity.ErrMassDelete) || out.Counts.Deleted != 0 || out.Drift != 10 ||
		!strings.Contains(err.Error(), "10 or more of the 31 users") || !strings.Contains(err.Error(), "run it again with --allow-mass-delete") {
		t.Fatalf("%+v, %v", out, err)
	}
	if live := r.rows(`select id from neon_identity.users_sync where deleted_at is null`); len(live) != 31 {
		t.Errorf("%d rows", len(live))
	}
	c := r.cfg
	c.AllowMassDelete = true
	if out, err = identity.Reconcile(t.Context(), c); err != nil || out.Counts.Deleted != 10 || out.Resumed {
		t.Errorf("%+v, %v", out, err)
	}
	r.agree()
}

// A fifth and no more is what may go.
func TestReconcileDeletesAFifth(t *testing.T) {
	r := newReconciling(t, "stytch", fakeUsers(50)...)
	r.run(true)
	r.change(func(p *fakeProvider) { p.users = p.users[10:] })
	r.counts(r.run(false).Counts, identity.Counts{Unchanged: 40, Deleted: 10})
	r.agree()
}

// A deletion that was wrong is taken back, though the user's own time of change is older.
func TestReconcileRevives(t *testing.T) {
	for _, preset := range listPresets() {
		r := newReconciling(t, preset, fakeUsers(6)...)
		r.run(true)
		at := func(ago time.Duration) identity.Change {
			return identity.Change{Kind: identity.Delete, Subject: fmt.Sprintf("u|%04d", int(ago.Minutes())%6), At: time.Now().Add(-ago)}
		}
		if _, err := r.cfg.Store.Apply(t.Context(), "acme", []identity.Change{at(62 * time.Minute), at(63 * time.Minute), at(64 * time.Minute)}); err != nil {
			t.Fatal(err)
		}
		r.change(func(p *fakeProvider) {
			p.users[2].updated = listStart // older than what is known of it
		})
		r.run(false)
		r.agree()
	}
}

// The list may still have somebody who was deleted a moment ago.
func TestReconcileRevivesNobodyWhoWasJustDeleted(t *testing.T) {
	r := newReconciling(t, "workos", fakeUsers(6)...)
	r.run(true)
	gone := identity.Change{Kind: identity.Delete, Subject: "u|0002", At: time.Now()}
	if _, err := r.cfg.Store.Apply(t.Context(), "acme", []identity.Change{gone}); err != nil {
		t.Fatal(err)
	}
	r.counts(r.run(false).Counts, identity.Counts{Unchanged: 6})
	r.change(func(p *fakeProvider) { p.remove("u|0002") })
	r.agree()
}

func TestReconcileSaysWhichKeyToSet(t *testing.T) {
	r := newReconciling(t, "descope", fakeUsers(6)...)
	c := r.source()
	c.API.Key = "wrong"
	r.cfg.Lister, _ = newPausingLister(t, c)
	_, err := identity.Reconcile(t.Context(), r.cfg)
	want := "source acme: reading page 1 of its list: the list API refuses the credentials (status 401): set api.project_id to the project's ID and api.key_file to a management key that may read its users"
	if !errors.Is(err, identity.ErrListKey) || err.Error() != want {
		t.Error(err)
	}
}

// One user that can't be understood stops nobody, and isn't deleted for it. One with a name that no column holds is understood.
func TestReconcileLeavesOutWhomItCannotUnderstand(t *testing.T) {
	r := newReconciling(t, "clerk", fakeUsers(6)...)
	r.run(true)
	r.change(func(p *fakeProvider) {
		p.users[3].name, p.users[3].updated = strings.Repeat("x", 4000), time.Now().Add(-time.Hour)
		p.users[4].name, p.users[4].updated = "Renamed", time.Now().Add(-time.Hour)
	})
	c := r.cfg.Source.Config()
	c.Reserved = []string{c.Prefix + r.users[2].id}
	r.cfg.Source = newSource(t, c)
	out := r.run(false)
	if out.Poisoned != 2 || !strings.Contains(out.Poison, "id begins with") || out.Unsure != 1 || out.Counts.Changed != 2 || out.Counts.Deleted != 0 {
		t.Errorf("%+v", out)
	}
	if got := r.rows(`select id || ' is there, named ' || coalesce(name, 'nothing') from neon_identity.users_sync where deleted_at is null order by id`); len(got) != 6 ||
		got[3] != "acme|"+r.users[3].id+" is there, named nothing" || !strings.HasSuffix(got[4], "named Renamed") {
		t.Errorf("%q", got)
	}
}

func TestReconcileTellsHowFarItIs(t *testing.T) {
	r := newReconciling(t, "supabase", fakeUsers(9)...)
	r.run(true)
	r.change(func(p *fakeProvider) { p.remove("u|0008") })
	var steps []string
	r.cfg.Report = func(p identity.Progress) {
		steps = append(steps, fmt.Sprintf("%s listed=%v page %d, %d of %d", p.Source, p.Listed, p.Pages, p.Done, p.Total))
	}
	r.run(false)
	want := []string{"acme listed=false page 1, 4 of 8", "acme listed=false page 2, 8 of 8", "acme listed=false page 3, 8 of 8", "acme listed=true page 3, 1 of 1"}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Error(diff)
	}
}

// A cursor may be too old for the provider: then the list is read from the beginning.
func TestReconcileBeginsAnewWhereACursorIsNoMore(t *testing.T) {
	for _, status := range []int{400, 404} {
		r := newReconciling(t, "workos", fakeUsers(23)...)
		c := r.cfg
		ctx, cancel := context.WithCancel(t.Context())
		c.Report = func(identity.Progress) { cancel() }
		if _, err := identity.Reconcile(ctx, c); err == nil {
			t.Fatal("it was not broken off")
		}
		r.change(func(p *fakeProvider) {
			p.asked, p.disturb = 0, func(n int) *fail {
				if n == 1 {
					return &fail{status: status}
				}
				return nil
			}
		})
		if out := r.run(false); !out.Resumed || out.Counts.Unchanged != 4 || out.Counts.Added != 23 {
			t.Errorf("%d: %+v", status, out)
		}
		r.agree()
		for _, at := range []int{1, 2} { // of a run of one's own
			r.change(func(p *fakeProvider) {
				p.asked, p.disturb = 0, func(n int) *fail {
					if n == at {
						return &fail{status: status}
					}
					return nil
				}
			})
			if _, err := identity.Reconcile(t.Context(), r.cfg); err == nil {
				t.Errorf("%d at page %d is no error", status, at)
			}
		}
	}
}

// A subject that the provider takes for no ID of its own says nothing about whether it has the user.
func TestReconcileLeavesAloneWhomItCannotAskFor(t *testing.T) {
	r := newReconciling(t, "auth0", fakeUsers(5)...)
	r.run(true)
	r.change(func(p *fakeProvider) {
		p.hidden["u|0001"] = true
		p.disturb = func(int) *fail {
			if p.last == "/api/v2/users/u|0001" {
				return &fail{status: 400}
			}
			return nil
		}
	})
	if out := r.run(false); out.Unsure != 1 || out.Counts.Deleted != 0 || out.Drift != 0 {
		t.Errorf("%+v", out)
	}
	r.agree()
}

// restless is a list that loses and gains users whenever it is read.
type restless struct{ read int }

func (l *restless) Page(_ context.Context, cursor string) (identity.Page, error) {
	l.read++
	p := identity.Page{Users: []json.RawMessage{fmt.Appendf(nil, `{"id":"u|%d"}`, l.read)}, Total: 1000 - l.read}
	if cursor == "" {
		p.Next = "2"
	}
	return p, nil
}

func (l *restless) User(context.Context, string) (json.RawMessage, bool, error) {
	return nil, false, nil
}

func TestReconcileComesToAnEnd(t *testing.T) {
	r := newReconciling(t, "clerk")
	r.cfg.Lister = &restless{}
	if out := r.run(true); out.Pages != 6 || out.Counts.Added != 6 {
		t.Errorf("%+v", out)
	}
}

// An API that answers with a page about its maintenance when it is asked for one user hasn't lost that user.
func TestMaintenanceDeletesNobody(t *testing.T) {
	for _, preset := range listPresets() {
		r := newReconciling(t, preset, fakeUsers(1)...)
		r.run(true)
		r.change(func(p *fakeProvider) {
			p.hidden[p.users[0].id] = true
			p.disturb = func(n int) *fail {
				if strings.Contains(p.last, p.users[0].id) || preset == "descope" && n == 2 {
					return &fail{status: 200, body: "<html>we are back soon</html>"}
				}
				return nil
			}
			p.asked = 0
		})
		r.cfg.AllowMassDelete = true
		out, err := identity.Reconcile(t.Context(), r.cfg)
		if err == nil || !strings.Contains(err.Error(), "has no user where this provider's has it") || out.Counts.Deleted > 0 {
			t.Errorf("%s: %+v, %v", preset, out, err)
		}
	}
}
