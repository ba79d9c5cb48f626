package doctor_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
)

func TestAPolicyForEverybodyStaysForAllWhoSeeByIt(t *testing.T) {
	t.Parallel()
	for _, line := range []struct{ name, command, to string }{
		{"a claim", "using (owner = (select auth.user_id()))", "authenticated"},
		{"a claim by its name", "using (owner = (auth.session() ->> 'sub') and public)", "authenticated"},
		{"a claim as a UUID", "using ((select auth.as_uuid(auth.jwt() ->> 'sub')) = id)", "authenticated"},
		{"one claim or another", "using (owner = auth.user_id() or owner = auth.tenant())", "authenticated"},
		{"a list of a claim's", "using (owner = any (array[auth.user_id()]))", "authenticated, anonymous"},
		{"public rows and one's own", "using (public or owner = (select auth.user_id()))", "authenticated, anonymous"},
		{"whoever is nobody", "using (auth.user_id() is null)", "authenticated, anonymous"},
		{"a claim that may be missing", "using (coalesce(auth.user_id(), 'a') = owner)", "authenticated, anonymous"},
		{"whoever is not somebody", "using (not (owner = auth.user_id()) or (owner = auth.user_id()) is null)", "authenticated, anonymous"},
		{"a function of one's own", "using (owner = public.caller())", "authenticated, anonymous"},
		{"everybody's rows, but one's own to write", "using (true) with check (owner = auth.user_id())", "authenticated, anonymous"},
		{"one's own rows, but any to write", "using (owner = auth.user_id()) with check (true)", "authenticated, anonymous"},
	} {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			dbtest.Exec(t, d.OwnerURL, "create table public.posts (k int, id uuid, owner text, public bool)", "insert into public.posts values (1, null, 'a', true), (2, 'a0000000-0000-4000-8000-000000000001', 'b', false)",
				"alter table public.posts enable row level security", "create index on public.posts (owner)", "grant select on public.posts to anonymous", "create sequence public.steps",
				"create function public.caller() returns text language sql stable as $$select coalesce(auth.user_id(), 'a')$$", "create policy p on public.posts "+line.command)
			conn := dbtest.Connect(t, d.OwnerURL)
			seen := func() []string {
				return []string{visible(t, conn, "public.posts", "anonymous", "{}"), visible(t, conn, "public.posts", "authenticated", `{"sub":"a"}`)}
			}
			before := seen()
			for _, f := range examine(t, config(d)) {
				if f.ID == "policy-for-public" {
					if want := "alter policy p on public.posts to " + line.to + ";"; f.Mend != want {
						t.Errorf("the mend is %s, want %s", f.Mend, want)
					}
					dbtest.Exec(t, d.OwnerURL, f.Mend)
				}
			}
			if diff := cmp.Diff(before, seen()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAClaimIsRenamedByItsOwnMendAlone(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, append(itemsWith("tenant_id::text = auth.session() ->> 'tenantId'"), "create policy two on public.items as restrictive to authenticated using (owner_id = (select auth.session() ->> 'subb') and note = (select auth.session() ->> 'rol'))")...)
	renamed := 0
	var last string
	for _, f := range examine(t, config(d)) {
		if !strings.HasPrefix(f.Object, "public.items policy") {
			continue
		}
		right := strings.Contains(f.Mend, "'tenant_id'") || strings.Contains(f.Mend, "'sub'")
		if right != (f.ID == "claim-unknown") {
			t.Errorf("%s: %s", f.ID, f.Mend)
		}
		if right {
			renamed++
		}
		if strings.HasSuffix(f.Object, "items_own") && f.Mend != "" {
			last = f.ID
		}
	}
	if renamed != 3 || last != "claim-unknown" {
		t.Errorf("%d mends give a claim another name, and the last one of the policy is of %s", renamed, last)
	}
}
