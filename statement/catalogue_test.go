package statement_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"rowpass/db/dbtest"
	"rowpass/statement"
)

func texts(t *testing.T, conn *pgx.Conn, query string, args ...any) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryFunctionThatIsNotGoodIsRefused(t *testing.T) {
	c := readCatalogue(t)
	check := newChecker(t)
	good := readList(t, "functions.txt")
	for name := range c.all {
		sql := fmt.Sprintf(`select pg_catalog."%s"()`, name)
		if err := check(sql); (err == nil) != good[name] {
			t.Errorf("%s: good is %v, Check says %v", sql, good[name], err)
		}
		if sql = fmt.Sprintf(`select x."%s" from x`, name); c.attributes[name] && !good[name] {
			wantRefusal(t, check(sql), sql, "42501", "permission denied for function "+name)
		}
	}
}

func TestNoVolatileFunctionIsGoodButTheHarmless(t *testing.T) {
	conn := dbtest.Connect(t, dbtest.NewEmpty(t).SuperuserURL)
	good := readList(t, "functions.txt")
	volatile := texts(t, conn, "select distinct name::text from ("+callable+") f where volatility = 'v' and not name = any ($1)", harmless)
	for _, name := range volatile {
		if good[name] {
			t.Errorf("%s is volatile and good", name)
		}
	}
	refused := readList(t, "testdata/refused.txt")
	for name := range good {
		if matches(refused, name) {
			t.Errorf("%s is good and refused", name)
		}
	}
}

// Operators and casts are allowed whatever they are, since none of pg_catalog's leads to a function that isn't good.
func TestNoOperatorOrCastLeadsToABadFunction(t *testing.T) {
	conn := dbtest.Connect(t, dbtest.NewEmpty(t).SuperuserURL)
	refused := readList(t, "testdata/refused.txt")
	for _, found := range texts(t, conn, `
		select p.proname || ' ' || p.provolatile::text from pg_operator o join pg_proc p on p.oid = o.oprcode
		union select p.proname || ' ' || p.provolatile::text from pg_cast c join pg_proc p on p.oid = c.castfunc
		union select p.proname || ' ' || p.provolatile::text from pg_type t join pg_proc p on p.oid in (t.typinput, t.typoutput, t.typmodin)
			where t.typtype <> 'p'`) {
		if name, volatility, _ := strings.Cut(found, " "); volatility == "v" || matches(refused, name) {
			t.Errorf("an operator, a cast or a type calls %s (%s)", name, volatility)
		}
	}
}

// A view of PostgreSQL's whose own text would be refused is refused by its name.
func TestViewsThatCallWhatIsBadAreRefused(t *testing.T) {
	conn := dbtest.Connect(t, dbtest.NewEmpty(t).SuperuserURL)
	inner := texts(t, conn, `select distinct proname::text from pg_proc where pronamespace = 'information_schema'::regnamespace`)
	check := newCheckerFor(t, &statement.Rules{Functions: inner})
	for _, view := range texts(t, conn, `select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind = 'v' and n.nspname in ('pg_catalog', 'information_schema')`) {
		var text string
		if err := conn.QueryRow(t.Context(), `select pg_get_viewdef($1::text::regclass)`, view).Scan(&text); err != nil {
			t.Fatal(err)
		}
		if why := check(text); why != nil && check("select * from "+view) == nil {
			t.Errorf("%s may be read, but its text is refused: %s", view, describe(why))
		}
	}
}

func TestOurFunctionsMayBeCalled(t *testing.T) {
	conn := dbtest.Connect(t, dbtest.New(t).OwnerURL)
	check := newChecker(t)
	for _, name := range texts(t, conn, `select proname::text from pg_proc where pronamespace = 'auth'::regnamespace and prorettype <> 'trigger'::regtype
		and has_function_privilege('authenticated', oid, 'execute')`) {
		if err := check("select auth." + name + "()"); err != nil {
			t.Errorf("authenticated may execute auth.%s, but %s", name, describe(err))
		}
	}
	for _, name := range ours {
		if got := texts(t, conn, `select proname::text from pg_proc where oid::regproc::text = $1`, name); len(got) != 1 {
			t.Errorf("%s is good, but there is no such function", name)
		}
	}
}

// What PostgreSQL takes for several statements must never be one to us, nor one for several.
func TestSeveralStatementsAreSeveralToBoth(t *testing.T) {
	conn := dbtest.Connect(t, dbtest.NewEmpty(t).OwnerURL)
	check := newCheckerFor(t, nil)
	chance := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // chance, not secrecy
	parts := strings.Fields(`; ; ' '' $$ $a$ $a$b$ "  -- /* */ /* */ E' e'\ \' \\' U&' N' B' select 1 1 a commit $1 $ * - / \ _$ 'x' x'1' ''' """ e''''`)
	parts = append(parts, "\n", "\r", "\t", "\v", "\f", " ", "--\n", "'\n'", "'--x\n'", "\u00a0")
	for range 10_000 {
		sql := "select 1 "
		for range chance.IntN(8) + 1 {
			sql += parts[chance.IntN(len(parts))] + strings.Repeat(" ", chance.IntN(2))
		}
		ours, theirs := several(check(sql)), several(prepare(conn, sql))
		if ours != theirs && !(ours && check(sql) != nil) {
			t.Fatalf("several to us: %v, to PostgreSQL: %v: %q", ours, theirs, sql)
		}
	}
}

func prepare(conn *pgx.Conn, sql string) error {
	_, err := conn.PgConn().Prepare(context.Background(), "", sql, nil)
	return err
}

func several(err error) bool {
	var pg *pgconn.PgError
	return err != nil && strings.Contains(err.Error(), "multiple commands") || errors.As(err, &pg) && strings.Contains(pg.Message, "multiple commands")
}
