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
