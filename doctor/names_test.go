package doctor_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"rowpass/db/dbtest"
	"rowpass/doctor"
)

func TestNamesAreQuotedAsPostgreSQLDoes(t *testing.T) {
	t.Parallel()
	conn := dbtest.Connect(t, dbtest.New(t).OwnerURL)
	rows, err := conn.Query(t.Context(), `select name, quote_ident(name) from (select word from pg_get_keywords()
		union select unnest(array['tenant_id', 'Tenant', 'a b', 'a"b', '1a', 'a1', 'a$', 'ä', '', 'x(y'])) as n (name)`)
	if err != nil {
		t.Fatal(err)
	}
	var name, quoted string
	_, err = pgx.ForEachRow(rows, []any{&name, &quoted}, func() error {
		if got := doctor.QuoteIdent(name); got != quoted {
			t.Errorf("%q is written %s, want %s", name, got, quoted)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAColumnIsPutBeforeThoseOfADefinition(t *testing.T) {
	t.Parallel()
	for _, line := range [][2]string{
		{`UNIQUE (a, b)`, `UNIQUE (t, a, b)`},
		{`UNIQUE NULLS NOT DISTINCT (a) INCLUDE (b)`, `UNIQUE NULLS NOT DISTINCT (t, a) INCLUDE (b)`},
		{`CREATE UNIQUE INDEX "a(b" ON public.c USING btree (id)`, `CREATE UNIQUE INDEX "a(b" ON public.c USING btree (t, id)`},
		{`CREATE UNIQUE INDEX "a""(b'(" ON public."c(" USING btree (lower(x)) WHERE (x <> '('::text)`, `CREATE UNIQUE INDEX "a""(b'(" ON public."c(" USING btree (t, lower(x)) WHERE (x <> '('::text)`},
	} {
		if got := doctor.LeadBy(line[0], "t"); got != line[1] {
			t.Errorf("%s becomes %s, want %s", line[0], got, line[1])
		}
	}
}

// oddColumns are names that mean something in a regular expression.
var oddColumns = []string{`price (EUR`, `a(b`, `x*{`, `\`, `(((((a*)*)*)*)*)*$`, `a.c`, `Ünit`}

func TestAColumnsNameIsNoExpression(t *testing.T) {
	t.Parallel()
	for i, name := range append(oddColumns, "plain", "end") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := dbtest.New(t)
			column := pgx.Identifier{name}.Sanitize()
			table := fmt.Sprintf("public.keyed_%d", i)
			dbtest.Exec(t, d.OwnerURL, "create table "+table+" (tenant_id uuid not null, "+column+" int unique, primary key (tenant_id))", "alter table "+table+" enable row level security",
				"create policy own on "+table+" to authenticated using (tenant_id = (select auth.tenant_id()))")
			key := func() string { return strings.Join(told(examine(t, config(d))), "\n") }
			if got := key(); !strings.HasPrefix(got, "key-leaks-existence: "+table+" key ") {
				t.Fatalf("a key that callers fill: %q", got)
			}
			dbtest.Exec(t, d.OwnerURL, "create function public.set_it() returns trigger language plpgsql as 'begin new."+column+" := 1; return new; end'",
				"create trigger sets before insert on "+table+" for each row execute function public.set_it()")
			if got := key(); got != "" {
				t.Errorf("a key that a trigger fills: %q", got)
			}
		})
	}
}
