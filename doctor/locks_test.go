package doctor_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"rowpass/db/dbtest"
	"rowpass/doctor"
)

// as is the URL with another login.
func as(t *testing.T, address, login, password string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(login, password)
	return u.String()
}

func TestALockedTableIsLeftOut(t *testing.T) {
	t.Parallel()
	for name, line := range map[string]struct{ lock, want string }{
		"one with a policy":                       {"public.items", "not-examined: public.items"},
		"one of several":                          {"public.items, public.other", "not-examined: public.other"},
		"one with a rule, which is told as well":  {"public.ruled", "rule-runs-as-owner: public.ruled rule r"},
		"one that a function's body names":        {"public.named", "not-examined: functions that policies call"},
		"one that another's policy looks into":    {"public.ruled", "not-examined: public.other policy asks"},
		"one of rowpass's own, which callers see": {"public.todos", "not-examined: public.todos"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && name != "one with a policy" {
				t.Skip("each lock is waited for: -short")
			}
			d := dbtest.New(t)
			dbtest.Exec(t, d.OwnerURL, append(itemsWith("tenant_id = auth.tenant_id()"),
				"create table public.other (tenant_id uuid)", "alter table public.other enable row level security",
				"create table public.ruled (x int)", "create rule r as on delete to public.ruled do instead nothing", "create table public.named (x int)",
				"create function public.names() returns bigint language sql begin atomic select count(*) from public.named; end",
				"create policy asks on public.other to authenticated using (tenant_id = auth.tenant_id() and exists (select from public.ruled))")...)
			tx, err := dbtest.Connect(t, d.OwnerURL).Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), "lock table "+line.lock); err != nil {
				t.Fatal(err)
			}
			found := told(examine(t, config(d)))
			if !slices.Contains(found, line.want) || !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, "table-without-rls") }) {
				t.Errorf("found %q, want %s and what is wrong elsewhere", found, line.want)
			}
		})
	}
}

func TestALockedTableIsNotExplained(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	tx, err := dbtest.Connect(t, d.OwnerURL).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "lock table public.todos"); err != nil {
		t.Fatal(err)
	}
	if _, err := (question{claims: admin, table: "todos"}).ask(t, d); !errors.Is(err, doctor.ErrLocked) {
		t.Error(err)
	}
}
