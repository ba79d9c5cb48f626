package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
)

// members is a table that policies of others look into; what it says of itself is told there, not with them.
func members(columns, using string) []string {
	return []string{
		"create table public.members (" + columns + ")", "alter table public.members enable row level security",
		"revoke all on public.members from anonymous", "create policy members_own on public.members for select to authenticated using (" + using + ")",
	}
}

const (
	byUser   = "user_id text, tenant_id uuid, note text, primary key (user_id, tenant_id)"
	noKey    = "user_id text, tenant_id uuid, note text"
	everyone = "true"
	fixed    = "create function public.fixed() returns uuid language sql immutable return 'a0000000-0000-4000-8000-000000000001'::uuid"

	itemsCalls      = "policy-calls-per-row: public.items policy items_own"
	itemsIndex      = "policy-column-without-index: public.items policy items_own"
	itemsCorrelated = "policy-correlated: public.items policy items_own"
)

// inTwo is a table of two partitions, whose rows are found by the index of each.
var inTwo = []string{
	"create table public.events (tenant_id uuid, at date) partition by range (at)", "create index on public.events (tenant_id)",
	"create table public.events_1 partition of public.events for values from ('2026-01-01') to ('2027-01-01')", "create table public.events_2 partition of public.events default",
	"revoke all on public.events_1, public.events_2 from authenticated, anonymous", "alter table public.events enable row level security",
	"create policy own on public.events to authenticated using (tenant_id = auth.tenant_id())",
}

// TestAPolicyIsSlowByItsOwnTableAlone has policies whose sub-selects scan other tables, otherwise than the policy's own is scanned.
func TestAPolicyIsSlowByItsOwnTableAlone(t *testing.T) {
	t.Parallel()
	for _, line := range []struct {
		name  string
		do    []string
		using string // of items; "" where do has a table of its own
		want  []string
		whole bool // whether the costs say that the policy's table is read whole
	}{
		{"a call that is folded away, and a sub-select that filters by a call", members(noKey, everyone),
			"tenant_id = public.fixed() and note in (select m.note from public.members m where m.user_id = auth.user_id())", []string{}, false},
		{"a call that is folded away, and a sub-select that is run before and filters by a call", members(noKey, everyone),
			"tenant_id = public.fixed() and (select exists (select from public.members m where m.user_id = auth.user_id()))", []string{}, false},
		{"the same call in the filter", members(noKey, everyone),
			"tenant_id = public.fixed() and note = auth.user_id() and note in (select m.note from public.members m where m.user_id = auth.user_id())", []string{itemsCalls}, false},
		{"a sub-select that is hashed, into a table whose own policy is correlated", members(noKey, "(select auth.user_id() = user_id)"),
			"exists (select from public.members m where m.tenant_id = items.tenant_id)", []string{"policy-correlated: public.members policy members_own", "policy-column-without-index: public.members policy members_own"}, true},
		{"a sub-select that is not hashed", members(byUser, "user_id = (select auth.user_id())"),
			"exists (select from public.members m where m.tenant_id = items.tenant_id and items.note <> m.note)", []string{itemsCorrelated}, true},
		{"an index for the table, none for the sub-select's", members(noKey, everyone),
			"tenant_id = auth.tenant_id() and note in (select m.note from public.members m where m.tenant_id = (select auth.tenant_id()))", []string{itemsCalls}, false},
		{"an index for the sub-select's table, none for its own", members(byUser, everyone),
			"owner_id = auth.user_id() and note in (select m.note from public.members m where m.user_id = (select auth.user_id()))", []string{itemsCalls, itemsIndex}, true},
		{"an index for what is asked before, none for its own", members(byUser, everyone),
			"owner_id = auth.user_id() and (select exists (select from public.members m where m.user_id = (select auth.user_id())))", []string{itemsCalls, itemsIndex}, true},
		{"partitions, each with its index", inTwo, "", []string{"policy-calls-per-row: public.events policy own"}, false},
	} {
		t.Run(line.name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			dbtest.Exec(t, d.OwnerURL, append(line.do, fixed)...)
			if line.using != "" {
				dbtest.Exec(t, d.OwnerURL, itemsWith(line.using)...)
			}
			found := examine(t, config(d))
			got := slices.DeleteFunc(told(found), func(name string) bool { return !strings.HasPrefix(name, "policy-") })
			slices.Sort(got)
			slices.Sort(line.want)
			if diff := cmp.Diff(line.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for _, f := range found {
				if slow := f.ID == "policy-calls-per-row" || f.ID == "policy-correlated"; slow && strings.Contains(f.Costs, "PostgreSQL finds no index for it") != line.whole {
					t.Errorf("%s of %s costs: %s", f.ID, f.Object, f.Costs)
				}
			}
		})
	}
}
