package api_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rowpass/api"
	"rowpass/db/dbtest"
)

// Every text of a row holds its tenant's mark, and a caller's statements hold no other tenant's. So a mark of the other tenant in
// an answer, or in a row of the caller's tenant, has crossed.
const (
	acmeMark   = "acmark"
	globexMark = "gxmark"
)

// author is a caller who writes statements by a small grammar, at random but the same for the same seed.
type author struct {
	*rand.Rand
	user, mark, foreign string
	names               int
}

// scope is the tables that an expression may name, by their aliases.
type scope []source

type source struct {
	alias string
	table table
}

// table lists columns by their types.
type table struct {
	name          string
	texts, others []string // what is not text can be cast to it
	inserts       []string // text columns that an INSERT must have
	update        string   // a text column that may be changed
}

func tables() []table {
	return []table{
		{name: "users", texts: []string{"name", "email"}, others: []string{"id", "tenant_id", "role", "settings", "created_at"}, inserts: []string{"email", "name"}, update: "name"},
		{name: "tenants", texts: []string{"name"}, others: []string{"id", "created_at"}, inserts: []string{"name"}, update: "name"},
		{name: "todos", texts: []string{"task"}, others: []string{"id", "user_id", "is_complete"}, inserts: []string{"task"}, update: "task"},
		{name: "notes", texts: []string{"body", "tags[1]"}, others: []string{"id", "tenant_id", "n"}, inserts: []string{"body"}, update: "body"},
	}
}

func oneOf[T any](a *author, all ...T) T { return all[a.IntN(len(all))] }

func (a *author) statement() string {
	switch a.IntN(10) {
	case 0, 1:
		return a.insert()
	case 2, 3:
		return a.change()
	case 4:
		return a.remove()
	case 5:
		return a.merge()
	}
	return a.with() + a.query(2)
}

// with puts statements that change something, or nothing, into CTEs.
func (a *author) with() string {
	switch a.IntN(6) {
	case 0:
		return "with w as (" + oneOf(a, a.insert, a.change, a.remove)() + ") "
	case 1:
		return "with w as materialized (" + a.query(1) + ") "
	case 2:
		return "with recursive w (x) as (select 1 union all select x + 1 from w where x < 3 and exists (" + a.query(1) + ")) "
	}
	return ""
}

// query has one column of text.
func (a *author) query(depth int) string {
	s, from := a.from(depth)
	q := "select " + a.text(s, depth) + " as t from " + from
	if a.IntN(3) > 0 {
		q += " where " + a.condition(s, depth)
	}
	switch a.IntN(6) {
	case 0:
		q = "(" + q + " order by 1 limit 20)"
	case 1:
		q = "select string_agg(t, ',' order by t) as t from (" + q + " limit 50) q"
	case 2:
		if depth > 0 {
			q += oneOf(a, " union ", " union all ", " intersect ", " except ") + a.query(depth-1)
		}
	case 3:
		q += " limit 30"
	}
	return q
}

// from joins one to three tables, sub-selects or sides that are empty.
func (a *author) from(depth int) (s scope, text string) {
	for i := range 1 + a.IntN(3) {
		t := oneOf(a, tables()...)
		a.names++
		alias := fmt.Sprintf("t%d", a.names)
		item := t.name + " " + alias
		switch {
		case depth > 0 && a.IntN(5) == 0:
			item = "(select * from " + t.name + oneOf(a, "", " where true", " tablesample system (100)", " offset 0", " limit 9") + ") " + alias
		case i > 0 && a.IntN(6) == 0:
			item = "lateral (select * from " + t.name + ") " + alias
		}
		s = append(s, source{alias, t})
		if i == 0 {
			text = item
			continue
		}
		text += oneOf(a, " join ", " left join ", " full join ", " right join ") + item + " on " + a.join(s)
	}
	return s, text
}

// join is a condition that every kind of join can have, over the last two tables.
func (a *author) join(s scope) string {
	left, right := s[len(s)-2], s[len(s)-1]
	if a.IntN(4) == 0 {
		return "true"
	}
	return a.column(scope{left}) + oneOf(a, " = ", " = ", " < ", " || 'x' = ") + a.column(scope{right})
}

func (a *author) column(s scope) string {
	from := oneOf(a, s...)
	if a.IntN(3) == 0 {
		return "(" + from.alias + "." + oneOf(a, from.table.others...) + ")::text"
	}
	return from.alias + "." + oneOf(a, from.table.texts...)
}

// text is an expression that keeps marks readable.
func (a *author) text(s scope, depth int) string {
	switch a.IntN(12) {
	case 0:
		return a.constant()
	case 1:
		return "coalesce(" + a.column(s) + ", " + a.column(s) + ")"
	case 2:
		return "lower(" + a.column(s) + ")"
	case 3:
		return "(" + a.column(s) + " || ' ' || " + a.column(s) + ")"
	case 4:
		return "(to_jsonb(" + oneOf(a, s...).alias + "))::text"
	case 5:
		return "(" + oneOf(a, s...).alias + ")::text"
	case 6:
		if depth > 0 {
			return "(select max(t) from (" + a.query(depth-1) + ") m)"
		}
	case 7:
		return "case when " + a.condition(s, 0) + " then " + a.column(s) + " else " + a.column(s) + " end"
	case 8:
		return "max(" + a.column(s) + ") over (partition by " + a.column(s) + ")"
	case 9:
		if depth > 0 {
			return "array_to_string(array(" + a.query(depth-1) + "), ',')"
		}
	}
	return a.column(s)
}

func (a *author) condition(s scope, depth int) string {
	switch a.IntN(9) {
	case 0:
		return "true"
	case 1:
		return a.column(s) + " = " + a.constant()
	case 2:
		return a.column(s) + oneOf(a, " <> ", " like ", " > ", " ~~* ") + a.column(s)
	case 3:
		return "(" + a.condition(s, 0) + oneOf(a, " or ", " and ", " is not distinct from ") + a.condition(s, 0) + ")"
	case 4:
		return "not (" + a.condition(s, 0) + ")"
	case 5:
		if depth > 0 {
			return a.column(s) + oneOf(a, " in (", " = any (", " <> all (") + a.query(depth-1) + ")"
		}
	case 6:
		if depth > 0 {
			return oneOf(a, "exists (", "not exists (") + a.query(depth-1) + ")"
		}
	case 7:
		return "length(" + a.column(s) + ") > " + oneOf(a, "0", "20", "-1")
	case 8:
		return "1 / (length(" + a.column(s) + ") + 1) >= 0"
	}
	return a.column(s) + " is not null"
}

// constant is a text of the caller's own, or an id of anybody's.
func (a *author) constant() string {
	if a.IntN(3) == 0 {
		return "'" + oneOf(a, acme, globex, acmeAdmin, acmeMember, globexAdmin, globexMember) + "'"
	}
	return fmt.Sprintf("'%s-%d@x'", a.mark, a.IntN(40))
}

func (a *author) insert() string {
	t := oneOf(a, tables()...)
	if a.IntN(3) > 0 { // callers seldom may add users or tenants
		t = oneOf(a, tables()[2:]...)
	}
	columns, values := append([]string{}, t.inserts...), []string{}
	for range t.inserts {
		values = append(values, fmt.Sprintf("'%s-%d@x'", a.mark, a.IntN(1000)))
	}
	if owner := map[string]string{"users": "tenant_id", "notes": "tenant_id", "todos": "user_id"}[t.name]; owner != "" && a.IntN(4) == 0 {
		columns, values = append(columns, owner), append(values, "'"+oneOf(a, acme, globex, acmeMember, globexMember)+"'")
	}
	q := "insert into " + t.name + " as n (" + strings.Join(columns, ", ") + ") "
	if a.IntN(3) == 0 && t.name != "users" && len(columns) == 1 {
		q += "select left(" + a.marked() + " || coalesce(t, ''), 200) from (" + a.query(1) + ") q limit 3"
	} else {
		q += "values (" + strings.Join(values, ", ") + ")"
	}
	switch a.IntN(5) {
	case 0:
		q += " on conflict do nothing"
	case 1:
		if t.name == "notes" {
			q += " on conflict (tenant_id, body) do update set n = n.n + 1"
		}
	}
	return q + a.returning(t)
}

// marked is a text that others can be put behind.
func (a *author) marked() string { return "'" + a.mark + " '" }

// returning shows rows as they became, in one column of text.
func (a *author) returning(t table) string {
	return " returning " + oneOf(a, "(n)::text", "to_jsonb(n)::text", "n."+t.update, "n."+t.update+" || ' ' || (select coalesce(max(email), '') from users)") + " as t"
}

func (a *author) change() string {
	t := oneOf(a, tables()...)
	target := scope{{"n", t}}
	q := "update " + t.name + " n set " + t.update + " = "
	from := ""
	s := target
	if a.IntN(3) == 0 {
		var more scope
		more, from = a.from(0)
		s, from = append(s, more...), " from "+from
	}
	switch a.IntN(4) {
	case 0:
		q += a.constant()
	case 1:
		q += "left(" + a.marked() + " || coalesce(" + a.column(s) + ", ''), 200)"
	case 2:
		q += "left(coalesce((select max(t) from (" + a.query(1) + ") m), " + a.marked() + "), 200)"
	case 3:
		q += a.marked() + ", " + oneOf(a, t.others...) + " = " + a.constant()
	}
	return q + from + " where " + a.condition(s, 1) + a.returning(t)
}

func (a *author) remove() string {
	t := oneOf(a, tables()[2:]...) // users who remove one another would end the test early
	using, s := "", scope{{"n", t}}
	if a.IntN(3) == 0 {
		more, text := a.from(0)
		s, using = append(s, more...), " using "+text
	}
	return "delete from " + t.name + " n" + using + " where " + a.condition(s, 1) + oneOf(a, "", " and n.id % 5 = 0", " and n.id % 7 = 1") + a.returning(t)
}

func (a *author) merge() string {
	t := oneOf(a, tables()...)
	s, from := a.from(0)
	q := "merge into " + t.name + " n using (select distinct " + a.column(s) + " as t from " + from + " limit 5) v on n." + t.update + " = v.t or " + oneOf(a, "false", "false", "n.id is null", "true")
	q += " when matched and " + a.condition(scope{{"n", t}}, 0) + " then " + oneOf(a, "do nothing", "update set "+t.update+" = "+a.marked()+" || left(v.t, 100)", "update set "+t.update+" = left(v.t, 100)")
	if t.name == "todos" || t.name == "notes" {
		q += oneOf(a, "", " when not matched then insert ("+t.inserts[0]+") values (left("+a.marked()+" || v.t, 100))")
	}
	return q
}

func TestPropertyNoRowCrosses(t *testing.T) {
	for conns := 1; conns <= 3; conns++ {
		t.Run(fmt.Sprintf("with %d connections", conns), func(t *testing.T) {
			d := dbtest.New(t)
			fillMarked(t, d)
			s := &siege{server: newServer(t, options{database: &d, sql: true, conns: conns, sqlConfig: func(c *api.SQLConfig) { c.PerSubject = 100 }})}
			crossing := s.property(t, chance(t))
			crossing.enough(t)
			s.rowsStayed(t)
		})
	}
}

// chance is ROWPASS_TEST_SEED, to have a run's statements once more, or by chance.
func chance(t *testing.T) uint64 {
	n, err := strconv.ParseUint(os.Getenv("ROWPASS_TEST_SEED"), 10, 64)
	if err != nil {
		n = rand.Uint64() //nolint:gosec // not a secret
	}
	t.Logf("ROWPASS_TEST_SEED=%d", n)
	return n
}

// fillMarked gives each tenant rows with its mark, and the owner a table with a tenant, an array and a key to collide on.
func fillMarked(t *testing.T, d dbtest.Database) {
	t.Helper()
	side := func(column string) string {
		return "case when " + column + "::text like 'a%' then '" + acmeMark + "' else '" + globexMark + "' end"
	}
	dbtest.Exec(t, d.OwnerURL,
		`create table notes (id bigint generated always as identity, tenant_id uuid not null default auth.tenant_id(), body text, n int default 0, tags text[],
			primary key (tenant_id, id), unique (tenant_id, body))`,
		`alter table notes enable row level security`,
		`create policy own on notes using (tenant_id = (select auth.tenant_id())) with check (tenant_id = (select auth.tenant_id()))`,
		`update tenants set name = `+side("id")+` || ' ' || name`,
		`update users set name = `+side("tenant_id")+` || ' ' || name, email = `+side("tenant_id")+` || '-' || email`,
		`update todos set task = `+side("user_id")+` || ' ' || task`,
		`insert into notes (tenant_id, body, tags) select t.id, `+side("t.id")+` || '-' || g || '@x', array[`+side("t.id")+`] from tenants t, generate_series(1, 20) g`,
		`analyze`)
}

// crossing counts what a run has seen.
type crossing struct{ asked, carriedOut, own atomic.Int64 }

func (c *crossing) enough(t *testing.T) {
	t.Helper()
	asked, done, own := c.asked.Load(), c.carriedOut.Load(), c.own.Load()
	t.Logf("%d statements, of which %d were carried out, and %d showed rows of the caller's", asked, done, own)
	if done*2 < asked || own*5 < asked {
		t.Errorf("most statements are refused or empty, so that the test tells little")
	}
}

// property lets two users of each tenant send statements at once.
func (s *siege) property(t *testing.T, seed uint64) *crossing {
	c := &crossing{}
	each := 150
	if testing.Short() {
		each = 20
	}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	var all sync.WaitGroup
	for i, user := range []string{acmeAdmin, acmeMember, globexAdmin, globexMember} {
		a := &author{Rand: rand.New(rand.NewPCG(seed, uint64(i))), user: user, mark: acmeMark, foreign: globexMark} //nolint:gosec // not a secret
		tenant := acme
		if i > 1 {
			a.mark, a.foreign, tenant = globexMark, acmeMark, globex
		}
		bearer := s.token(user, tenant)
		all.Go(func() {
			for range each {
				if t.Failed() || !s.cross(ctx, t, a, bearer, c) {
					return
				}
			}
		})
	}
	all.Wait()
	return c
}

// cross sends one statement, or two in a batch, and looks for the other tenant's mark.
func (s *siege) cross(ctx context.Context, t *testing.T, a *author, bearer string, c *crossing) bool {
	x := try{sql: a.statement(), token: func(*siege) string { return bearer }}
	if a.IntN(4) == 0 {
		x.batch = []string{a.statement(), x.sql}
	}
	if a.IntN(2) == 0 {
		x.headers = map[string]string{"Neon-Raw-Text-Output": "false", "Neon-Array-Mode": "false"}
	}
	got, err := s.ask(ctx, x)
	if err != nil {
		t.Error(err)
		return false
	}
	c.asked.Add(1)
	if got.status == http.StatusOK {
		c.carriedOut.Add(1)
	}
	if strings.Contains(got.body, a.mark) {
		c.own.Add(1)
	}
	if strings.Contains(strings.ToLower(got.body), a.foreign) {
		t.Errorf("%s sees the other tenant by %s:\n%.2000s", a.user, x.body(), got.body)
	}
	if got.status >= http.StatusInternalServerError && got.status != http.StatusInsufficientStorage {
		t.Errorf("%s: %d %.500s", x.body(), got.status, got.body)
	}
	if code := got.code(); strings.HasPrefix(code, "28") || strings.HasPrefix(code, "XX") || code == "57014" {
		t.Errorf("%s: %.500s", x.body(), got.body)
	}
	return true
}

// rowsStayed asks the owner: each row is still its mark's tenant's.
func (s *siege) rowsStayed(t *testing.T) {
	t.Helper()
	rows, err := dbtest.Connect(t, s.database.OwnerURL).Query(t.Context(), `
		select tenant_id::text, to_jsonb(u)::text from users u
		union all select id::text, to_jsonb(t)::text from tenants t
		union all select user_id, to_jsonb(o)::text from todos o
		union all select tenant_id::text, to_jsonb(n)::text from notes n`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var owner, text string
		if err := rows.Scan(&owner, &text); err != nil {
			t.Fatal(err)
		}
		foreign := globexMark
		if strings.HasPrefix(owner, "b") {
			foreign = acmeMark
		}
		if strings.Contains(strings.ToLower(text), foreign) {
			t.Errorf("a row of %s holds %s: %s", owner, foreign, text)
		}
	}
	if n == 0 || rows.Err() != nil {
		t.Errorf("no rows are left, so that the test tells nothing: %v", rows.Err())
	}
}
