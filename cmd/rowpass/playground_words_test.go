package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"
)

// playJoins asks for the reasons of several tables: each has its own, and its own question about a row.
func playJoins(t *testing.T, b *browser) {
	b.asks("select count(*) from todos, users", "Ada of Acme: 1 row. Gil of Globex: 1 row. 1 the same.")
	b.until("a reason for each", `document.querySelectorAll('.caller-a .why:not(.stale) .reason').length === 2`)
	for i, want := range []string{"todos", "users"} {
		reason := `document.querySelectorAll('.caller-a .reason')[` + strconv.Itoa(i) + `]`
		got := evaluated[string](b, reason+`.textContent`)
		if !strings.HasPrefix(got, want) || !strings.Contains(got, "rows of public."+want) || !strings.Contains(got, "using") {
			t.Errorf("reason %d is %s, want that of %s", i, got, want)
		}
	}
	if why := b.text(".caller-a .why"); !strings.HasPrefix(why, "WhyEach table by itself; what the query makes of them comes on top.todos") {
		t.Errorf("the reasons begin with %s", why)
	}
	const users = ".caller-a .reason:last-child"
	b.click(users + " .question summary")
	evaluated[string](b, `document.querySelector('`+users+` .question input').value = 'b0000000-0000-4000-8000-00000000000b'`)
	b.click(users + " .question button")
	b.until("an answer about the row", `document.querySelector('`+users+` .question').textContent.includes('this caller does not see it')`)
	if first := b.text(".caller-a .reason"); !strings.Contains(first, "rows of public.todos") || strings.Contains(first, "does not see it") {
		t.Errorf("of the other table, the page says %s", first)
	}
	if heading := b.text(users + " h4"); heading != "users" {
		t.Errorf("the table that was asked about is %q", heading)
	}
	b.asks("select from todos, users, tenants, todos a, broken, users b, rowpass.nothing", "Refused for both.")
	b.until("the tables that are not explained", `document.querySelector('.caller-a .why').textContent.includes('rowpass.nothing: not explained.')`)
	if reasons := evaluated[int](b, `document.querySelectorAll('.caller-a .reason').length`); reasons != 4 {
		t.Errorf("%d tables are explained, want 4", reasons)
	}
	for query, want := range map[string]string{
		"":         "",
		"select 1": "",
		"select * from todos t join users u on u.id = t.user_id, tenants":                                             "todos SELECT, users SELECT, tenants SELECT",
		"insert into todos (task) select name from Users":                                                             "todos INSERT, users SELECT",
		"insert into todos (id) values (1) on conflict (id) do update set task = 2, id = 3":                           "todos INSERT",
		"update only todos set task = u.name from users u, tenants":                                                   "todos UPDATE, users SELECT, tenants SELECT",
		"delete from todos using users where a is distinct from b":                                                    "todos DELETE, users SELECT",
		"with x as (select * from todos), y(a) as materialized (delete from \"Us ers\" returning 1) select from x, y": `todos SELECT, "Us ers" DELETE`,
		"select extract(year from made), trim(both 'a' from name) from users where exists (select from todos)":        "users SELECT, todos SELECT",
		"select * from generate_series(1, 2) g, lateral (select id from todos) s, Public . users":                     "todos SELECT, public.users SELECT",
		"select $$ from x $$, 'from y' from todos for update of todos -- from z":                                      "todos SELECT",
		"select a from (values (1, 2)) v (a, b) union select id from (todos join users using (id)) order by 1, 2":     "todos SELECT, users SELECT",
	} {
		got := evaluated[string](b, `import('/playground/statement.js').then((m) => m.tablesOf(`+quoteJS(query)+`).map((t) => t.name + ' ' + t.command).join(', '))`)
		if got != want {
			t.Errorf("%s\nnames %q, want %q", query, got, want)
		}
	}
}

// answering has the page's requests for an address answered by the test until undone is called.
func (b *browser) answering(part string, status int, body any) (undone func()) {
	b.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		b.t.Fatal(err)
	}
	evaluated[bool](b, `(() => {
		const fetch = window.fetch;
		window.undone = () => { window.fetch = fetch; return true; };
		window.fetch = (address, options) => String(address).includes(`+quoteJS(part)+`)
			? Promise.resolve(new Response(`+quoteJS(string(text))+`, {status: `+strconv.Itoa(status)+`})) : fetch(address, options);
		return true;
	})()`)
	return func() { b.t.Helper(); evaluated[bool](b, `window.undone()`) }
}

// playBusy has explanations refused, and answered with less than there may be.
func playBusy(t *testing.T, b *browser) {
	for status, detail := range map[int]string{503: "no more than 2 explanations are made at once", 429: "this caller asks for too many explanations at once"} {
		undone := b.answering("playground/explain", status, map[string]any{"status": status, "title": "Too busy", "detail": detail, "code": "busy"})
		b.asks(people, bothPeople)
		b.until(detail, `document.querySelector('.caller-a .why:not(.stale)')?.textContent === `+quoteJS("WhyNot explained: "+detail+".Ask again"))
		undone()
		b.click(".caller-a .why button")
		b.until("the reason after all", `document.querySelector('.caller-a .why').textContent.includes('2 of 4 rows of public.users')`)
	}
	policy := map[string]any{"name": "fails", "command": "SELECT", "permissive": true, "roles": []string{"public"}, "applies": true, "using": "1 / 0 = 1", "with_check": "", "error": "SQLSTATE 22012"}
	undone := b.answering("playground/explain", 200, map[string]any{
		"answer": "How many rows there are was not counted: public.users belongs to another.", "unread": "public.users belongs to another",
		"row": map[string]any{"key": "7", "exists": false, "seen": false}, "policies": []any{policy},
	})
	b.asks(people, bothPeople)
	b.until("less than there may be", `document.querySelector('.caller-a .why').textContent.includes('was not counted')`)
	for _, part := range []string{"It fails: SQLSTATE 22012.", "This caller does not see a row 7; whether there is one was not looked for."} {
		if why := b.text(".caller-a .why"); !strings.Contains(why, part) || strings.Contains(why, "undefined") || strings.Contains(why, "= 1null") || strings.Contains(why, " of null") {
			t.Errorf("the page says %s, want %s", why, part)
		}
	}
	undone()
	b.asks(people, bothPeople)
}

// playNothing runs and asks without having typed anything.
func playNothing(t *testing.T, b *browser) {
	b.asks(people, bothPeople)
	b.until("the reason", `document.querySelector('.caller-a .why:not(.stale) .question') !== null`)
	b.click(".caller-a .question summary")
	evaluated[string](b, `document.querySelector('.caller-a .question input').value = ' '`)
	b.click(".caller-a .question button")
	if said := b.text(`.caller-a .question [role="status"]`); said != "Type the value of the row’s primary key, then ask." {
		t.Errorf("without a row, the page says %q", said)
	}
	if focused := evaluated[bool](b, `document.activeElement === document.querySelector('.caller-a .question input')`); !focused {
		t.Error("what is to be typed into has no focus")
	}
	b.asks("  \n", nothingTyped)
	if focused, role := evaluated[string](b, `document.activeElement.id`), evaluated[string](b, `document.querySelector('#summary').role`); focused != "query" || role != "status" {
		t.Errorf("without a query, the focus is on %q, and it is said in a %q", focused, role)
	}
	b.asks(people, bothPeople)
}

// playWrites changes rows, each caller its own, and leaves them as they were.
func playWrites(_ *testing.T, b *browser) {
	b.asks("insert into todos (task) values ('mine to add') returning task", "Ada of Acme: added 1 row. Gil of Globex: added 1 row.")
	b.asks("update todos set is_complete = true where task = 'mine to add'", "Ada of Acme: changed 1 row. Gil of Globex: changed 1 row.")
	b.asks("delete from todos where task = 'mine to add'", "Ada of Acme: removed 1 row. Gil of Globex: removed 1 row.")
	b.asks("delete from todos where task = 'mine to add'", "Ada of Acme: removed 0 rows. Gil of Globex: removed 0 rows.")
	b.asks("update todos set task = '' where exists (select from users where name like 'Gil%')", "Ada of Acme: changed 0 rows. Gil of Globex: failed.")
}

// playNames renames a user, so that the name no longer tells the tenant.
func playNames(t *testing.T, b *browser) {
	const rename = "update users set name = 'Max' where email = 'member@acme.example'"
	b.asks(rename, "Ada of Acme: changed 1 row. Gil of Globex: changed 0 rows.")
	b.do(chromedp.Reload())
	b.runs("the page's own query", bothPeople)
	offered := evaluated[[]string](b, `[...document.querySelectorAll('.caller-a option')].map((e) => e.text)`)
	if diff := cmp.Diff([]string{"Ada of Acme, admin", "Max of Acme, member", "Gil of Globex, admin", "Mia of Globex, member"}, offered); diff != "" {
		t.Errorf("after a rename, there are (-want +got):\n%s", diff)
	}
	b.asks(strings.Replace(rename, "'Max'", "'Max of Acme'", 1), "Ada of Acme: changed 1 row. Gil of Globex: changed 0 rows.")
	got := evaluated[[]string](b, `import('/playground/caller.js').then((m) => ['', 'Max', 'Max of Acme'].map((name) => m.called({name, email: 'm@a', tenant: 'Acme'})))`)
	if diff := cmp.Diff([]string{"m@a of Acme", "Max of Acme", "Max of Acme"}, got); diff != "" {
		t.Errorf("users are called (-want +got):\n%s", diff)
	}
}
