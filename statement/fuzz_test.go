package statement_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	pg_query "github.com/wasilibs/go-pgquery"
	"google.golang.org/protobuf/reflect/protoreflect"

	"rowpass/statement"
)

// levels is how deep a message nests.
func levels(m protoreflect.Message) int {
	deepest := 0
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				deepest = max(deepest, levels(value.List().Get(i).Message()))
			}
		default:
			deepest = max(deepest, levels(value.Message()))
		}
		return true
	})
	return deepest + 1
}

// wantMeasured checks that a text's tree isn't deeper than its measure says, whatever the text is. A level of the grammar is up
// to three messages, and a statement begins with some.
func wantMeasured(t *testing.T, sql string) {
	t.Helper()
	if !statement.Parsed(sql) {
		return
	}
	bound := statement.Depth(sql)
	tree, err := pg_query.Parse(sql)
	if err != nil {
		return
	}
	if n := levels(tree.ProtoReflect()); n > 3*bound+20 {
		t.Fatalf("%d levels, measured as %d: %.2000q", n, bound, sql)
	}
}

// wantSameMarks compares where the lexer sees brackets, commas and semicolons with PostgreSQL's scanner.
func wantSameMarks(t *testing.T, sql string) {
	t.Helper()
	scanned, err := pg_query.Scan(sql)
	if err != nil {
		return
	}
	want := []int{}
	for _, token := range scanned.GetTokens() {
		if token.GetEnd()-token.GetStart() == 1 && strings.IndexByte("()[],;", sql[token.GetStart()]) >= 0 {
			want = append(want, int(token.GetStart()))
		}
	}
	if got := statement.Marks(sql); !slices.Equal(got, want) {
		t.Fatalf("marks %v, PostgreSQL's %v: %q", got, want, sql)
	}
}

func TestStringsAndCommentsEndWherePostgreSQLSaysSo(t *testing.T) {
	for _, sql := range []string{
		`'a,' 'b,', e'\',' '\',', x`, "e'a' \n '\\', x', 1", "'a' \n '\\', x', 1", "e'a' -- ,' \n '\\', x', 1", "e'a' /* \n */ '\\', x, '",
		`'a'',' , "a"",", "a`, `e'a' '\', x, 'b'`, `$a$ , $b$ , $a$, $$ , $a$ $$,`,
		`a$b$ , $b$, 1$c$,$c$`, `$1$a$,$a$, $a,`, `/* /* , */ , */, -- , */`, "-- ,\r,", `/*/ , */,`, `1--,`, `1+/*,*/,`, `+--,`, `<>--,`, `e',`, `E'\`, `"`, `$$,`, `n'\', b'1,', x',', u&'\',', U&"\",`, `1.,2..3,.4,1.5.,`, `ä$ä$,`, `$ä$,$ä$,`,
	} {
		wantSameMarks(t, sql)
	}
}

func readable(sql string) bool {
	return strings.IndexByte(sql, 0) < 0 && strings.ToValidUTF8(sql, "") == sql
}

func FuzzCheck(f *testing.F) {
	for _, sql := range ordinary {
		f.Add(sql)
	}
	for _, a := range attempts {
		f.Add(a.sql)
	}
	for _, k := range otherKinds {
		f.Add(k.sql)
	}
	check := newChecker(f)
	f.Fuzz(func(t *testing.T, sql string) {
		err := check(sql)
		var r *statement.Refusal
		if err != nil && !errors.As(err, &r) {
			t.Fatalf("%q: %v", sql, err)
		}
		if r != nil && (len(r.Code) != 5 || r.Message == "" || r.Position < 0 || r.Position > len(sql)+1) {
			t.Fatalf("%q: %s", sql, describe(err))
		}
		if !readable(sql) || len(sql) > 10_000 {
			return
		}
		wantMeasured(t, sql)
		wantSameMarks(t, sql)
		if err == nil {
			wantAlone(t, sql)
		}
	})
}

// wantAlone looks at an allowed statement by its tokens: nothing follows its semicolon.
func wantAlone(t *testing.T, sql string) {
	t.Helper()
	scanned, err := pg_query.Scan(sql)
	if err != nil {
		t.Fatalf("allowed, but can't be scanned: %q: %v", sql, err)
	}
	begun, over := false, false
	for _, token := range scanned.GetTokens() {
		switch text := sql[token.GetStart():token.GetEnd()]; {
		case strings.HasPrefix(text, "--") || strings.HasPrefix(text, "/*"):
		case text == ";":
			over = begun
		case over:
			t.Fatalf("allowed, but a statement follows: %q", sql)
		default:
			begun = true
		}
	}
}

// FuzzTowers looks for a link of a chain that nests without being counted.
func FuzzTowers(f *testing.F) {
	for _, link := range []string{
		" + 1", "::int", ` collate "C"`, " is null", " or a", " between 1 and 2 is null", " union select 1", " operator(pg_catalog.+) 1.",
		" at time zone 'utc'", ", 1", " in (1) is null", " || e'\\', and ' || $$and$$", "[1]", ".and",
	} {
		f.Add("select a", link, "")
	}
	f.Add("select ", "(", "1")
	f.Add("select * from a", " join b on a and b", "")
	f.Add("select 1", " + a.and", "")
	f.Add("select a", " between 1 and 2 is null", "")
	f.Add("select 1", " as case union select 1", " as end")
	f.Add("select ", "- case when a and ", "b")
	f.Fuzz(func(t *testing.T, prefix, link, suffix string) {
		if sql := prefix + strings.Repeat(link, 150) + suffix; len(link) <= 100 && readable(sql) && len(sql) <= 30_000 {
			wantMeasured(t, sql)
		}
	})
}

// pieces of SQL, out of which chance makes chains.
var pieces = strings.Fields(`a a b 1 1. $1 'a' E'\\'' "a" + - * || :: int . , ( ) [ ] and or not is null between in case when then else end as case
	union select union all select 1 except values (1) join on cross from a where true like collate "C" at time zone operator(pg_catalog.+) any(a) a.and a.when .or as end select
	array[ exists( (select row( f( f(1, interval year escape distinct from isnull over () filter (where a) lateral with a as ( returning a using(a) natural left join limit 1 order by group by having`)

func TestNoChainNestsUncounted(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // chance, not secrecy
	words := func(n int) string {
		var all []string
		for range chance.IntN(n) + 1 {
			all = append(all, pieces[chance.IntN(len(pieces))])
		}
		return " " + strings.Join(all, " ") + " "
	}
	starts := []string{"select 1", "select a from b", "select a", "select ", "select * from a", "select case when a then 1", "select 1 as case", "values (1)"}
	ends := []string{"", "", "", "1", "a", " end", ") x", " then 1 end"}
	for range 8_000 {
		sql := starts[chance.IntN(len(starts))] + strings.Repeat(words(5), 40) + ends[chance.IntN(len(ends))]
		wantMeasured(t, sql)
	}
	for range 2_000 {
		wantSameMarks(t, words(12)+words(12)+words(12))
	}
}
