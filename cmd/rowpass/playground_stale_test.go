package main

import (
	"strings"
	"testing"
)

const (
	people       = "select name from users order by name"
	bothPeople   = "Ada of Acme: 2 rows. Gil of Globex: 2 rows. None the same."
	nothingTyped = "Type a query first, or pick one of the examples."
	brokenPolicy = "create policy broken_own on public.broken to authenticated using (id / 0 = 1)"
)

// holdFetch keeps the page's requests for an address that contains part until released is called, or fails them at once.
func (b *browser) holdFetch(part string, fail bool) (release func()) {
	b.t.Helper()
	evaluated[bool](b, `(() => {
		const fetch = window.fetch;
		const gate = new Promise((open) => { window.release = () => { window.fetch = fetch; open(); return true; }; });
		window.held = 0;
		window.fetch = (address, options) => {
			if (!String(address).includes(`+quoteJS(part)+`)) return fetch(address, options);
			window.held += 1;
			return `+map[bool]string{true: "Promise.reject(new TypeError('away'))", false: "gate.then(() => fetch(address, options))"}[fail]+`;
		};
		return true;
	})()`)
	return func() { b.t.Helper(); evaluated[bool](b, `window.release()`) }
}

// settles waits for a request that is sent after all others, so that what they do to the page is done.
func (b *browser) settles() {
	b.t.Helper()
	explained := `performance.getEntriesByType('resource').filter((e) => e.name.endsWith('playground/explain')).length`
	for before := -1; ; {
		evaluated[int](b, `fetch('playground/users').then((r) => r.text()).then((t) => t.length)`)
		now := evaluated[int](b, explained)
		if now == before {
			return
		}
		before = now
	}
}

// playReasons holds Why to the answer that it stands under.
func playReasons(t *testing.T, b *browser) {
	for _, line := range []struct{ name, query, summary, why string }{
		{"rows", people, bothPeople, "2 of 4 rows of public.users"},
		{"a syntax error", "selec name from users", "Failed for both.", ""},
		{"rows again", people, bothPeople, "2 of 4 rows of public.users"},
		{"a column that is not there", "select nothing from users", "Failed for both.", ""},
		{"what a policy refuses", "insert into todos (user_id, task) values ('x', 'y')", "Refused for both.", "todos_own"},
		{"a kind that is not allowed", "truncate users; select from users", "Failed for both.", ""},
		{"a statement that is not for callers", "truncate users", "Refused for both.", ""},
		{"PostgreSQL's own table", "select * from pg_authid", "Refused for both.", "pg_authid is PostgreSQL’s own: rights decide on it, and no policies."},
		{"a table of no caller's", "select * from rowpass.nothing", "Refused for both.", "Not explained: this caller may read no table rowpass.nothing."},
		{"a policy that fails", "select * from broken", "Failed for both.", "gets an error: SQLSTATE 22012"},
		{"what would have been refused anyway", "select nothing from broken", "Failed for both.", ""},
		{"a table that is not there", "select * from nowhere", "Failed for both.", ""},
	} {
		b.asks(line.query, line.summary)
		if line.why != "" {
			b.until(line.name+" has a reason", `document.querySelector('.caller-b .why:not(.stale)')?.textContent.includes(`+quoteJS(line.why)+`) ?? false`)
			continue
		}
		for _, when := range []string{"at once", "in the end"} {
			if why := b.text(".caller-b .why"); why != "" {
				t.Errorf("%s: %s, the reason is %s", line.name, when, why)
			}
			b.settles()
		}
	}
}

// playRows asks for rows by keys that cannot be: what is known of the table stays, and the question too.
func playRows(t *testing.T, b *browser) {
	b.asks(people, bothPeople)
	b.until("the reason", `document.querySelector('.caller-a .why:not(.stale) .question') !== null`)
	for _, line := range []struct{ row, says string }{
		{"a0000000-0000-4000-8000-00000000000b", "Row a0000000-0000-4000-8000-00000000000b is there, and this caller sees it."},
		{"no key", "Row must be a value of the table"},
		{"a0000000-0000-4000-8000-000000000001", "There is no row a0000000-0000-4000-8000-000000000001, for anybody."},
	} {
		b.click(".caller-a .question:not([open]) summary, .caller-a .question[open] label")
		evaluated[string](b, `document.querySelector('.caller-a .question input').value = `+quoteJS(line.row))
		b.click(".caller-a .question button")
		b.until(line.row+": "+line.says, `document.querySelector('.caller-a .question p')?.textContent.includes(`+quoteJS(line.says)+`) ?? false`)
		if why := b.text(".caller-a .why"); !strings.Contains(why, "2 of 4 rows of public.users") || strings.Contains(why, "pill") {
			t.Errorf("%s: the page says %s", line.row, why)
		}
		if marked := evaluated[bool](b, `document.querySelector('.caller-a .why .pill') !== null`); marked != (line.row != "no key") {
			t.Errorf("%s: policies are marked: %v", line.row, marked)
		}
		if asked := evaluated[string](b, `document.querySelector('.caller-a .question input').value`); asked != line.row {
			t.Errorf("%s was asked, and %s stands there", line.row, asked)
		}
	}
}

// playChanges changes callers where the server does not answer, or too late: nothing of one may stand under the name of another.
func playChanges(t *testing.T, b *browser) {
	b.asks(people, bothPeople)
	release := b.holdFetch("api/token", true)
	b.pick("a", "Mia of Globex")
	b.runs("no token", "Mia of Globex: failed. Gil of Globex: 2 rows.")
	release()
	if left := b.text(".caller-a .decoded") + b.text(".caller-a .left") + b.text(".caller-a .why"); left != "" {
		t.Errorf("of the caller before stays %s", left)
	}
	if !evaluated[bool](b, `document.querySelector('.caller-a .kid').hidden`) {
		t.Error("a key is named where there is no token")
	}

	release = b.holdFetch("api/token?user=a0000000-0000-4000-8000-00000000000b", false)
	b.pick("a", "Max of Acme")
	b.until("a token is waited for", `window.held > 0`)
	if answer := b.text(".caller-a .answer"); answer != "" {
		t.Errorf("before Max of Acme is answered, the page says %s", answer)
	}
	b.pick("a", "Ada of Acme")
	b.runs("somebody else after all", bothPeople)
	release()
	b.settles()
	if token := b.text(".caller-a .decoded"); !strings.Contains(token, `"sub": "a0000000-0000-4000-8000-00000000000a"`) {
		t.Errorf("a token that came late is shown as Ada's: %s", token)
	}

	release = b.holdFetch("playground/explain", false)
	b.asks(people, bothPeople)
	b.until("reasons are waited for", `window.held === 2`)
	evaluated[bool](b, `document.querySelector('#query').value = '', true`)
	b.pick("b", "Mia of Globex")
	release()
	b.settles()
	if said := b.text("#summary") + b.text(".caller-b .answer") + b.text(".caller-b .why"); said != nothingTyped {
		t.Errorf("nothing was asked as Mia of Globex, and the page says %s", said)
	}
	if curl := b.text("#curl"); !strings.Contains(curl, "WHO in admin@acme.example member@globex.example;") {
		t.Errorf("the line for others is %s", curl)
	}
	b.pick("b", "Gil of Globex")

	release = b.holdFetch("sql", false)
	b.asks(people, "")
	b.until("answers are waited for", `window.held === 2`)
	evaluated[bool](b, `document.querySelector('#query').value = '', true`)
	b.pick("b", "Mia of Globex")
	release()
	b.settles()
	if said := b.text("#summary") + b.text(".caller-b .answer"); said != nothingTyped || !strings.Contains(b.text(".caller-a .answer"), "Ada of Acme") {
		t.Errorf("after an answer that came too late, the page says %q, and to Ada %q", said, b.text(".caller-a .answer"))
	}
	b.pick("b", "Gil of Globex")
	b.asks(people, bothPeople)
}

// playRevoked ends a token behind the page's back, as a server does that starts with other keys.
func playRevoked(t *testing.T, b *browser) {
	b.asks(people, bothPeople)
	status := evaluated[int](b, `fetch('api/logout', {method: 'POST', headers: {Authorization: 'Bearer ' + document.querySelector('.caller-a .raw').textContent}}).then((r) => r.status)`)
	if status >= 300 {
		t.Fatalf("logout gives %d", status)
	}
	b.asks(people, "Ada of Acme: refused. Gil of Globex: 2 rows.")
	if left := b.text(".caller-a .left"); left != "Refused: the next run fetches another" {
		t.Errorf("a token that was refused is %q", left)
	}
	b.asks(people, bothPeople)
}

// playOvertaken changes the attacker while an attack is under way.
func playOvertaken(t *testing.T, b *browser) {
	for _, button := range []string{`[aria-label="Try: Edit my token"]`, "#try-all"} {
		b.asks(people, bothPeople)
		release := b.holdFetch("api/users", false)
		b.click(button)
		b.until("the attack is under way", `window.held > 0`)
		b.pick("a", "Max of Acme")
		b.runs("another attacker", "Max of Acme: 2 rows. Gil of Globex: 2 rows. None the same.")
		release()
		b.settles()
		if outcomes := evaluated[int](b, `document.querySelectorAll('.outcome').length`); outcomes != 0 || b.text("#score") != "" {
			t.Errorf("%s: of the attack before stay %d outcomes and %q", button, outcomes, b.text("#score"))
		}
		if curl := b.text("#curl"); !strings.Contains(curl, people) {
			t.Errorf("%s: the line for others is %s", button, curl)
		}
		if evaluated[bool](b, `document.querySelector('#try-all').disabled`) {
			t.Errorf("%s: the other attacker can't try all", button)
		}
		b.pick("a", "Ada of Acme")
		b.runs("Ada again", bothPeople)
	}
}

// playValues shows values that are too long for a line, or for the page.
func playValues(t *testing.T, b *browser) {
	for _, width := range []int64{1280, 360} {
		b.look("light", width, 900)
		for _, line := range []struct {
			query, ends string
			scrolls     bool // whether the table may be wider than its card
		}{
			{"select id, task, is_complete from todos order by id", "false", false},
			{"select repeat('long words ', 40) || 'end' as text", "end", false},
			{"select repeat('x', 300) || 'end' as text", "end", false},
			{"select jsonb_build_object('a', repeat('x', 200), 'z', 1)", `"z":1}`, false},
			{"select repeat('x', 1003) as text", "… and 3 more characters", false},
			{"select id, tenant_id from users", "1", true},
		} {
			evaluated[bool](b, `document.querySelector('#query').value = `+quoteJS(line.query)+`, document.querySelector('#summary').textContent = '', true`)
			b.click("#run")
			b.until(line.query, `document.querySelector('#summary').textContent !== ''`)
			if text := b.text(".caller-a tbody tr td:last-child"); !strings.HasSuffix(text, line.ends) {
				t.Errorf("%d wide: %s ends with %s", width, line.query, text)
			}
			cut := evaluated[[]string](b, `[...document.querySelectorAll('.caller th, .caller td, .caller .value')].filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.textContent)`)
			if len(cut) > 0 {
				t.Errorf("%d wide: %s is cut off: %q", width, line.query, cut)
			}
			if wide := evaluated[bool](b, `[...document.querySelectorAll('.caller .wide')].some((e) => e.scrollWidth > e.clientWidth)`); wide && !line.scrolls {
				t.Errorf("%d wide: %s is wider than its card", width, line.query)
			}
		}
	}
	b.look("light", 1280, 900)
	b.asks(people, bothPeople)
}
