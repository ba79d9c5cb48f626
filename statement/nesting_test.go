package statement_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"rowpass/statement"
)

// towers are texts that nest, by how often.
var towers = map[string]func(n int) string{
	"brackets":        func(n int) string { return "select " + repeat("(", n) + "1" + repeat(")", n) },
	"array brackets":  func(n int) string { return "select array" + repeat("[", n) + "1" + repeat("]", n) },
	"signs":           func(n int) string { return "select " + repeat("+ - ", n/2) + "a" },
	"operators":       func(n int) string { return "select 1" + repeat("+1", n) },
	"user operators":  func(n int) string { return "select 1." + repeat(" operator(pg_catalog.+) 1.", n) },
	"casts":           func(n int) string { return "select 1" + repeat("::int", n) },
	"collations":      func(n int) string { return "select a" + repeat(` collate "C"`, n) },
	"time zones":      func(n int) string { return "select a" + repeat(` at time zone 'utc'`, n) },
	"nots":            func(n int) string { return "select " + repeat("not ", n) + "a" },
	"null tests":      func(n int) string { return "select a" + repeat(" is null", n) },
	"ranges":          func(n int) string { return "select a" + repeat(" between 1 and 2 is null", n) },
	"names as words":  func(n int) string { return "select 1" + repeat(" + a.and + a . or + a./**/when", n) },
	"parameters":      func(n int) string { return "select 1" + repeat(" + $1.and + $1 . or", n) },
	"sub-selects":     func(n int) string { return repeat("select (", n) + "1" + repeat(")", n) },
	"FROMs":           func(n int) string { return repeat("select * from (", n) + "table a" + repeat(") x", n) },
	"unions":          func(n int) string { return "select 1" + repeat(" union select 1", n) },
	"unions of lists": func(n int) string { return "select 1, 2" + repeat(" union select 1, 2 where a and b", n) },
	"labels as words": func(n int) string { return "select 1 as case, 2" + repeat(" union select 1 as when, 1 as case", n) },
	"excepts":         func(n int) string { return "select 1" + repeat(" except all values (1), (2)", n) },
	"joins":           func(n int) string { return "select * from a" + repeat(" cross join b", n) },
	"joins on":        func(n int) string { return "select * from a" + repeat(" join b on a and b", n) },
	"joins at last":   func(n int) string { return "select * from a" + repeat(" join a", n) + repeat(" on a", n) },
	"cases":           func(n int) string { return "select " + repeat("case when a then ", n) + "1" + repeat(" end", n) },
	"cases first":     func(n int) string { return "select " + repeat("case ", n) + "1" + repeat(" when a then b end", n) },
	"cases at last": func(n int) string {
		return "select " + repeat("case when a and b or c then d else ", n) + "1" + repeat(" end", n)
	},
	"cases and signs": func(n int) string { return "select " + repeat("- - - case when a then ", n) + "1" + repeat(" end", n) },
	"calls":           func(n int) string { return "select " + repeat("f(", n) + "1" + repeat(")", n) },
	"calls of many":   func(n int) string { return "select " + repeat("f(1, 2, ", n) + "1" + repeat(", 3, 4)", n) },
	"CTEs":            func(n int) string { return repeat("with a as (", n) + "select 1" + repeat(") select 1", n) },
	"IN":              func(n int) string { return "select a" + repeat(" in (b", n) + repeat(")", n) },
	"strings between": func(n int) string { return "select " + repeat(`'a' || $$b$$ || e'\',' || "c" || `, n) + "1" },
	"continued":       func(n int) string { return "select " + repeat("e'a'\n  -- b\n  '\\', and ' || ", n) + "1" },
	"comments":        func(n int) string { return "select 1" + repeat("/* , */ + -- ,\n 1", n) },
	"XML":             func(n int) string { return "select " + repeat("xmlelement(name a, ", n) + "1" + repeat(")", n) },
	"JSON":            func(n int) string { return "select " + repeat("json_object('a': ", n) + "1" + repeat(")", n) },
	"schema elements": func(n int) string { return "create schema a " + repeat("create view b as select 1 ", n) },
	"table checks":    func(n int) string { return "create table a (b int check (" + repeat("not ", n) + "b))" },
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

// The parser's stack ends somewhere above 1,000 operators. What is given to it must never come near.
func TestDeepStatementsAreRefusedUnparsed(t *testing.T) {
	check := newChecker(t)
	for name, tower := range towers {
		for _, n := range []int{2_000, 20_000} {
			wantTooDeep(t, check(tower(n)), fmt.Sprintf("%d %s", n, name))
		}
	}
	for _, name := range []string{"brackets", "unions", "signs", "operators"} {
		wantTooDeep(t, check(towers[name](50_000)), name)
	}
	if err := check("select 1"); err != nil {
		t.Error("the parser has suffered:", err)
	}
}

func wantTooDeep(t *testing.T, err error, what string) {
	t.Helper()
	var r *statement.Refusal
	if !errors.As(err, &r) || r.Code != "54001" && r.Code != "54000" {
		t.Errorf("%s aren't refused as too deep: %.200s", what, describe(err))
	}
}

func TestTheParserSurvivesWhatIsGivenToIt(t *testing.T) {
	check := newChecker(t)
	for name, tower := range towers {
		n := 1
		for n < 2_000 && statement.Parsed(tower(n+n/4+1)) {
			n += n/4 + 1
		}
		if n < 60 || n >= 2_000 {
			t.Errorf("only %d %s may be nested", n, name)
		}
		var r *statement.Refusal
		if err := check(tower(n)); err != nil && !errors.As(err, &r) {
			t.Fatalf("%d %s: %v", n, name, err)
		}
		if err := check(fmt.Sprintf("select %d", n)); err != nil {
			t.Fatalf("after %d %s the parser misreads: %v", n, name, err)
		}
	}
}

func TestLongButFlatStatementsMayRun(t *testing.T) {
	check := newChecker(t)
	for name, sql := range map[string]string{
		"a list":             "select 1" + repeat(", 1", 20_000),
		"rows":               "insert into todos (task, is_complete) values ('a', true)" + repeat(", ($1, default)", 10_000),
		"conditions":         "delete from todos where id = 1" + repeat(" or id = 2 and task = 'a'", 3_000),
		"an IN":              "select * from todos where id in (1" + repeat(", 2", 20_000) + ")",
		"branches":           "update todos set task = case id" + repeat(" when 1 then 'a'", 3_000) + " end where id = any($1)",
		"ranges":             "select * from todos where id between 1 and 2" + repeat(" or id between 3 and 4", 2_000),
		"a string":           "select '" + repeat("((((", 100_000) + "'",
		"a comment":          "select 1 /*" + repeat("((((", 100_000) + "*/",
		"many joins":         "select * from a" + repeat(" join b on b.a_id = a.id and b.c = 1", 60),
		"many unions":        "select 1" + repeat(" union all select 1", 150),
		"many concatenation": "select ''" + repeat(" || a.b", 300),
	} {
		if err := check(sql); err != nil {
			t.Errorf("%s of %d bytes: %s", name, len(sql), describe(err))
		}
	}
}

func TestLongStatementsAreRefused(t *testing.T) {
	check := newChecker(t)
	wantRefusal(t, check("select '"+repeat("x", 1<<20)+"'"), "more than a MiB", "54000", "too long: 1048585 bytes, allowed are 1048576")
	wantRefusal(t, check("select 1"+repeat(",1", 200_000)), "many parts", "54000", "too many parts")
	wantRefusal(t, check("select 1"+repeat(", "+repeat("-a", 400), 200)), "deep parts", "54000", "too complex")
	short, err := statement.NewChecker(statement.Config{MaxLength: 10})
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, short.Check(t.Context(), "select 12345", nil), "by configuration", "54000", "12 bytes, allowed are 10")
}
