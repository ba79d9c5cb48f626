package doctor_test

import (
	"strings"
	"testing"

	"rowpass/db/dbtest"
	"rowpass/doctor"
)

func TestSQLIsOfferedWherePostgreSQLReadsIt(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	for _, line := range []struct{ name, mend, undo, why string }{
		{"what it reads", "create index on public.todos (id);\nselect 'it''s';", "drop index x;", ""},
		{"names that are not there", "alter table nowhere.nothing enable row level security;", "", ""},
		{"a rule of several statements", "drop rule x on y;", "create rule x as on update to y do also (delete from a; delete from b);", ""},
		{"nothing", "", "", ""},
		{"broken SQL", "alter policy p on t using (a = any (select any (b)));", "", "PostgreSQL does not read it"},
		{"broken SQL to take it back", "select 1;", "create index on;", "PostgreSQL does not read it"},
		{"an open string", "select 'x;", "", "PostgreSQL does not read it"},
		{"what would end the block and run", "select 1; end $$; drop table public.todos; do $$begin", "", "PostgreSQL does not read it"},
		{"a control character", "select '\x07';", "", "it holds characters that are not seen"},
	} {
		t.Run(line.name, func(t *testing.T) {
			found, err := doctor.Offered(t.Context(), config(d), []doctor.Finding{{ID: "id", Object: "o", Why: "Because.", Mend: line.mend, Undo: line.undo}})
			if err != nil {
				t.Fatal(err)
			}
			got := found[0]
			if line.why == "" && (got.Mend != line.mend || got.Undo != line.undo || got.Why != "Because.") {
				t.Errorf("it becomes %+v", got)
			}
			if line.why != "" && (got.Mend != "" || got.Undo != "" || !strings.HasPrefix(got.Why, "Because. No SQL is offered, since "+line.why)) {
				t.Errorf("it is offered: %+v", got)
			}
		})
	}
	dbtest.Exec(t, d.OwnerURL, "select from public.todos")
}

// TestWhatBelongsToOthersIsLeftToThem has relations of a lesser role's, whose code SQL on them would run, beside one of the owner's.
func TestWhatBelongsToOthersIsLeftToThem(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	mallory(t, d,
		"create table m.\"a policy\" (x int)", "grant select on m.\"a policy\" to authenticated",
		"create table m.bait (id serial not null, tenant_id uuid not null, x int unique)", "alter table m.bait enable row level security",
		"create policy p on m.bait using (m.evil(1) = x)", "create index on m.bait ((m.evil(1)))",
		"create view m.seen as select 1 as x", "grant select on m.seen to authenticated",
		"grant select, insert, references on m.bait to public", "grant usage on sequence m.bait_id_seq to authenticated",
		"create table m.of (tenant_id uuid not null, id uuid primary key)", "alter table m.of enable row level security",
		"grant select, references on m.of to public")
	dbtest.Exec(t, d.SuperuserURL, "create policy p on m.of to authenticated using (tenant_id = auth.tenant_id())")
	dbtest.Exec(t, d.OwnerURL, "create table public.items (tenant_id uuid not null, of uuid references m.of)", "create index on public.items (tenant_id)", "alter table public.items enable row level security",
		"create policy p on public.items to authenticated using (tenant_id = auth.tenant_id())")
	found := examine(t, config(d))
	mended := 0
	for _, f := range found {
		others := strings.Contains(f.Object, "m.") || strings.Contains(f.Object, "foreign key")
		if others && (f.Mend != "" || f.Undo != "" || !strings.Contains(f.Why, "belongs to mallory_"+d.Name)) {
			t.Errorf("%s %s: offered %q, since %s", f.ID, f.Object, f.Mend, f.Why)
		}
		if f.Mend != "" {
			mended++
		}
	}
	up, _, _ := strings.Cut(doctor.Migration(found), "-- +goose Down")
	logins := witness(t, d, func() { dbtest.Exec(t, d.OwnerURL, up) })
	if len(logins) > 0 || mended == 0 || len(found) < 8 {
		t.Errorf("ran as %q; %d mended of %q", logins, mended, told(found))
	}
}
