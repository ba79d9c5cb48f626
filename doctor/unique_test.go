package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/doctor"
)

// own is a policy on public.rows by a column.
func own(column string) string {
	return "alter table public.rows enable row level security; create policy own on public.rows to authenticated using (" + column + " = (select auth.uid()))"
}

func TestAKeyIsMadeAnotherOnlyWhereNoRuleOfTheApplicationGoes(t *testing.T) {
	t.Parallel()
	const widened = "alter table public.rows drop constraint rows_pkey, add constraint rows_pkey PRIMARY KEY (owner, id);"
	const numbered = "create table public.rows (id bigint generated always as identity primary key, owner uuid not null, slug text); create index on public.rows (owner)"
	for _, line := range []struct {
		name     string
		do       []string
		severity doctor.Severity // "": nothing is found
		mend     string
		says     string
	}{
		{"a user's name, one among all", []string{"create table public.rows (id uuid primary key references public.users (id), username text unique)", own("id")},
			doctor.Low, "", "But (id) is a key too, so with id before it this one would say nothing"},
		{"the id of a row of which each user has one", []string{"create table public.rows (id bigint generated always as identity primary key, owner uuid unique)", own("owner")},
			doctor.Low, "", "But (owner) is a key too"},
		{"a row's number", []string{numbered, own("owner")}, doctor.Medium, widened, "ON CONFLICT (id) and new references have to name (owner, id)"},
		{"a row's UUID", []string{"create table public.rows (id uuid primary key, owner uuid not null); create index on public.rows (owner)", own("owner")}, doctor.Low, widened, "is unique for each owner alone"},
		{"a row's number, and rows that are nobody's", []string{numbered, "alter table public.rows alter owner drop not null", own("owner")}, doctor.Medium, "", "a primary key allows no NULL"},
		{"a row's number, and a key that is as wide as the mend's", []string{numbered, "alter table public.rows add unique (id, owner)", own("owner")}, doctor.Medium, "", "is there already"},
		{"a row's number by which a view groups", []string{numbered, "create view public.grouped with (security_invoker) as select id, slug, count(*) from public.rows group by id", own("owner")}, doctor.Medium, "", "views that group by it"},
		{"a number that somebody has given", []string{"create table public.rows (id int primary key, owner uuid not null); create index on public.rows (owner)", own("owner")}, doctor.Medium, "", "make it PRIMARY KEY (owner, id)"},
		{"one row for each user, in one tenant", []string{"create table public.rows (id uuid primary key references public.users (id), owner uuid not null); create index on public.rows (owner)", own("owner")},
			doctor.Low, "", "the application's rule"},
		{"a text", []string{"create table public.rows (owner uuid not null, slug text unique); create index on public.rows (owner)", own("owner")}, doctor.Medium, "", "Once for each: make it UNIQUE (owner, slug)"},
		{"a text that is meant so", []string{"create table public.rows (owner uuid not null, slug text unique); create index on public.rows (owner)", own("owner"),
			"comment on constraint rows_slug_key on public.rows is 'Names are everybody''s. rowpass: meant'"}, doctor.Low, "", "the application's rule"},
		{"an index that is meant so", []string{"create table public.rows (owner uuid not null, slug text); create unique index short on public.rows (lower(slug)); create index on public.rows (owner)", own("owner"),
			"comment on index public.short is 'rowpass: meant'"}, doctor.Low, "", "the application's rule"},
		{"a number that callers can't choose", []string{numbered, own("owner"), "revoke insert, update on public.rows from authenticated; grant insert (owner, slug), update (slug) on public.rows to authenticated"}, "", "", ""},
	} {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			dbtest.Exec(t, d.OwnerURL, line.do...)
			found := examine(t, config(d))
			found = slices.DeleteFunc(found, func(f doctor.Finding) bool { return f.ID == "foreign-key-leaks-existence" })
			if line.severity == "" || len(found) != 1 {
				if line.severity != "" || len(found) != 0 {
					t.Fatalf("found is %q", told(found))
				}
				return
			}
			if f := found[0]; f.ID != "key-leaks-existence" || f.Severity != line.severity || f.Mend != line.mend || !strings.Contains(f.Why, line.says) {
				t.Errorf("it is told as %+v", f)
			}
			dbtest.Exec(t, d.OwnerURL, found[0].Mend, found[0].Undo)
		})
	}
}

func TestWhatIsMeantSoIsNoReasonToStop(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, onItems("create function public.everybody() returns bigint language sql security definer return (select count(*) from public.users)",
		"comment on function public.everybody() is 'How many there are is no secret. ROWPASS: meant'",
		"create table public.colours (id int primary key)", "alter table public.colours enable row level security", "create policy p on public.colours for select to authenticated using (true)",
		"alter table public.items add colour int references public.colours (id)", "comment on constraint items_colour_fkey on public.items is 'rowpass: meant'")...)
	found := examine(t, config(d))
	if diff := cmp.Diff([]string{"definer-function-callable: function public.everybody()", "foreign-key-leaks-existence: public.items foreign key items_colour_fkey"}, told(found)); diff != "" {
		t.Fatal(diff)
	}
	for _, f := range found {
		if f.Severity != doctor.Low {
			t.Errorf("%s is %s", f.ID, f.Severity)
		}
	}
	mallory(t, d, "create function m.mine() returns bigint language sql security definer return 1", "comment on function m.mine() is 'rowpass: meant'", "create table m.rows (a int)", "alter table m.rows enable row level security")
	for _, f := range examine(t, config(d)) {
		if f.Object == "function m.mine()" && f.Severity != doctor.Medium {
			t.Errorf("somebody else's comment counts: %+v", f)
		}
	}
}

// TestAReferenceToWhatAllSeeStaysPossible has comments on posts: both have a user, who is another one.
func TestAReferenceToWhatAllSeeStaysPossible(t *testing.T) {
	t.Parallel()
	for _, line := range []struct {
		name, posts string
		mended      bool
	}{
		{"posts that all see", "true", false},
		{"posts that their writers see", "user_id = (select auth.uid())", true},
	} {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			dbtest.Exec(t, d.OwnerURL, "create table public.posts (id bigint generated always as identity primary key, user_id uuid not null)", "create index on public.posts (user_id)", "alter table public.posts enable row level security",
				"create policy seen on public.posts for select to authenticated using ("+line.posts+")",
				"create table public.comments (user_id uuid not null, id uuid default gen_random_uuid(), post bigint references public.posts, primary key (user_id, id))", "alter table public.comments enable row level security",
				"create policy own on public.comments to authenticated using (user_id = (select auth.uid()))")
			found := examine(t, config(d))
			if diff := cmp.Diff([]string{"foreign-key-leaks-existence: public.comments foreign key comments_post_fkey"}, told(found)); diff != "" {
				t.Fatal(diff)
			}
			if f := found[0]; (f.Mend != "") != line.mended {
				t.Errorf("it is mended by %q, since %s", f.Mend, f.Why)
			}
		})
	}
}
