package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
)

// TestPlayground plays the page as a person would, in a real browser.
func TestPlayground(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a browser takes a while: -short")
	}
	needChromium(t)
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, "create table public.broken (id int primary key)", "alter table public.broken enable row level security", brokenPolicy, "insert into public.broken values (1)")
	environ := append(environment(t, external(d)...), "ROWPASS_ISSUER_DEMO=true")
	succeed(t, environ, "keys", "generate")
	address := "http://" + serve(t, environ).api + "/"
	b := openBrowser(t, address)
	b.runs("the page's own query", "Ada of Acme: 2 rows. Gil of Globex: 2 rows. None the same.")
	for _, part := range []struct {
		name string
		play func(*testing.T, *browser)
	}{
		{"nothing is wrong from the start", func(t *testing.T, b *browser) {
			if wrong := append(b.noted(&b.messages), b.noted(&b.refused)...); len(wrong) > 0 {
				t.Errorf("the console says %q", wrong)
			}
		}},
		{"each caller sees its own", playCallers},
		{"tokens", playTokens},
		{"why", playWhy},
		{"reasons belong to their answers", playReasons},
		{"rows that are asked for", playRows},
		{"several tables", playJoins},
		{"a busy server", playBusy},
		{"nothing typed", playNothing},
		{"changes", playWrites},
		{"names", playNames},
		{"callers change", playChanges},
		{"a token ends early", playRevoked},
		{"an attacker changes", playOvertaken},
		{"values of any length", playValues},
		{"keyboard and refusals", playKeyboard},
		{"attacks", playAttacks},
		{"what is taken along", playCurl},
		{"colours", playColours},
		{"a phone", playPhone},
		{"packages", playPackages},
	} {
		t.Run(part.name, func(t *testing.T) { part.play(t, b.in(t)) })
	}
	b.in(t).pictures()
	if wrong, foreign := b.noted(&b.messages), b.noted(&b.foreign); len(wrong)+len(foreign) > 0 {
		t.Errorf("the console says %q, and the page asked elsewhere: %q", wrong, foreign)
	}
	for _, refused := range b.noted(&b.refused) {
		if !regexp.MustCompile(`/(sql|api/users|playground/explain)$`).MatchString(refused) {
			t.Errorf("refused: %s", refused)
		}
	}
}

// TestThePageOfAServerWithoutDemo has nothing to play with.
func TestThePageOfAServerWithoutDemo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a browser takes a while: -short")
	}
	needChromium(t)
	environ := environment(t, external(dbtest.New(t))...)
	succeed(t, environ, "keys", "generate")
	b := openBrowser(t, "http://"+serve(t, environ).api+"/")
	if title := b.text("h1"); title != "Bearer tokens in, your rows and no others out." {
		t.Errorf("the page says %q", title)
	}
	if wrong, foreign := append(b.noted(&b.messages), b.noted(&b.refused)...), b.noted(&b.foreign); len(wrong)+len(foreign) > 0 {
		t.Errorf("the console says %q, and the page asked elsewhere: %q", wrong, foreign)
	}
}

func TestAPlaygroundOfNobody(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a browser takes a while: -short")
	}
	needChromium(t)
	d := dbtest.New(t)
	dbtest.Exec(t, d.OwnerURL, "delete from users")
	environ := append(environment(t, external(d)...), "ROWPASS_ISSUER_DEMO=true")
	succeed(t, environ, "keys", "generate")
	b := openBrowser(t, "http://"+serve(t, environ).api+"/")
	b.until("the page says so", `document.querySelector('#callers').textContent.includes('rowpass seed')`)
	if wrong := append(b.noted(&b.messages), b.noted(&b.refused)...); len(wrong) > 0 {
		t.Errorf("the console says %q", wrong)
	}
}

// runs waits for what the page says when both have been answered.
func (b *browser) runs(what, summary string) {
	b.t.Helper()
	b.until(what+": "+summary, `document.querySelector('#summary').textContent === `+quoteJS(summary))
}

// asks sends a statement as both.
func (b *browser) asks(query, summary string) {
	b.t.Helper()
	evaluated[bool](b, `document.querySelector('#query').value = `+quoteJS(query)+`, document.querySelector('#summary').textContent = '', true`)
	b.click("#run")
	b.runs(query, summary)
}

func (b *browser) pick(caller, user string) {
	b.t.Helper()
	if !evaluated[bool](b, `(() => {
		const select = document.querySelector('.caller-`+caller+` select');
		const option = [...select.options].find((o) => o.text.startsWith(`+quoteJS(user)+`));
		select.value = option.value;
		return select.dispatchEvent(new Event('change'));
	})()`) {
		b.t.Fatal("nobody was picked")
	}
}

func playCallers(t *testing.T, b *browser) {
	for caller, names := range map[string][]string{"a": {"Ada of Acme", "Max of Acme"}, "b": {"Gil of Globex", "Mia of Globex"}} {
		rows := evaluated[[]string](b, `[...document.querySelectorAll('.caller-`+caller+` tbody td:first-child')].map((e) => e.textContent)`)
		if diff := cmp.Diff(names, rows); diff != "" {
			t.Errorf("caller %s (-want +got):\n%s", caller, diff)
		}
	}
	b.pick("a", "Mia of Globex")
	b.runs("somebody of the other's tenant", "Mia of Globex: 2 rows. Gil of Globex: 2 rows. 2 the same.")
	b.pick("a", "Ada of Acme")
	b.runs("Ada again", "Ada of Acme: 2 rows. Gil of Globex: 2 rows. None the same.")
}

func playTokens(t *testing.T, b *browser) {
	left := b.text(".caller-a .left")
	if !regexp.MustCompile(`^Good for 1[0-5]:\d\d$`).MatchString(left) {
		t.Errorf("the token is %q", left)
	}
	b.until("the clock ticks", `document.querySelector('.caller-a .left').textContent !== `+quoteJS(left))
	keySet := evaluated[string](b, `fetch(document.querySelector('.caller-a .kid').href).then((r) => r.text())`)
	decoded := b.text(".caller-a .decoded")
	kid := regexp.MustCompile(`"kid": "([^"]+)"`).FindStringSubmatch(decoded)
	if kid == nil || !strings.Contains(keySet, kid[1]) {
		t.Errorf("the header's key is %q, and the key set %s", kid, keySet)
	}
	if !strings.Contains(decoded, `"tenant_id": "a0000000-0000-4000-8000-000000000001"`) {
		t.Errorf("the token says %s", decoded)
	}
}

func playWhy(t *testing.T, b *browser) {
	b.until("the policy that decided", `document.querySelector('.caller-a .why:not(.stale) .policy')?.textContent.startsWith('users_readselect') ?? false`)
	if why := b.text(".caller-a .why"); !strings.Contains(why, "2 of 4 rows of public.users") || !strings.Contains(why, "Index") {
		t.Errorf("the page says %s", why)
	}
	for row, verdict := range map[string]string{
		"a0000000-0000-4000-8000-00000000000b": "this caller sees it",
		"b0000000-0000-4000-8000-00000000000b": "this caller does not see it",
	} {
		b.click(".caller-a .question:not([open]) summary, .caller-a .question[open] label")
		evaluated[string](b, `document.querySelector('.caller-a .question input').value = `+quoteJS(row))
		b.click(".caller-a .question button")
		b.until(row+": "+verdict, `document.querySelector('.caller-a .question').textContent.includes(`+quoteJS(verdict)+`)`)
	}
	b.asks("select 1", "Ada of Acme: 1 row. Gil of Globex: 1 row. 1 the same.")
	if why := b.text(".caller-a .why"); why != "" {
		t.Errorf("a query of no table has as its reason %s", why)
	}
}

func playKeyboard(t *testing.T, b *browser) {
	b.asks("selec name from users", "Failed for both.")
	if answer := b.text(".caller-b .answer"); !strings.Contains(answer, "42601") || !strings.Contains(answer, "syntax error") {
		t.Errorf("the page says %s", answer)
	}
	b.do(chromedp.Focus(chromedp.CSS("#query")), chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)),
		chromedp.KeyEvent("select id from todos where false"), chromedp.KeyEvent("\r", chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	b.runs("a query by keyboard", "Ada of Acme: 0 rows. Gil of Globex: 0 rows.")
	if answer := b.text(".caller-a .answer"); !strings.HasPrefix(answer, "No rows") {
		t.Errorf("the page says %s", answer)
	}
	b.do(chromedp.KeyEvent("\t"))
	if focused := evaluated[string](b, `document.activeElement.id`); focused != "run" {
		t.Errorf("behind the query, %q has the focus", focused)
	}
}

func playAttacks(t *testing.T, b *browser) {
	const todos = "select task from todos"
	b.asks(todos, "Ada of Acme: 2 rows. Gil of Globex: 2 rows. 2 the same.")
	before := b.text(".caller-b table")
	b.click("#try-all")
	b.until("every attack has ended", `!document.querySelector('#try-all').disabled`)
	if score := b.text("#score"); score != "11 of 11 held" {
		t.Errorf("the page says %q", score)
	}
	for _, line := range []struct{ marker, open string }{{"list-item disclosure-closed", "false"}, {"list-item disclosure-open", "true"}} {
		got := evaluated[[]string](b, `[...document.querySelectorAll('.outcome')].map((e) => (e.open = `+line.open+`, getComputedStyle(e.firstElementChild))).map((s) => s.display + ' ' + s.listStyleType)`)
		if marked := slices.Repeat([]string{line.marker}, 11); !slices.Equal(got, marked) {
			t.Errorf("open %s: the lines of the attacks are marked %q", line.open, got)
		}
	}
	evaluated[bool](b, `document.querySelectorAll('.outcome').forEach((e) => { e.open = false }), document.querySelector('#run').click(), true`)
	b.runs("the query, which opening each has taken from what is taken along", "Ada of Acme: 2 rows. Gil of Globex: 2 rows. 2 the same.")
	got := map[string]string{}
	for _, line := range evaluated[[][]string](b, `[...document.querySelectorAll('#attacks li')].map((e) =>
		['h3', '.pill', '.code'].map((s) => e.querySelector(s)?.textContent ?? ''))`) {
		got[line[0]] = strings.TrimSpace(line[1] + " " + line[2])
	}
	want := map[string]string{
		"Read the other tenant": "Held", "Change their rows": "Held", "Write in their name": "Held 42501", "Forge my claims": "Held 42501",
		"Leave my role": "Held 0A000", "Switch the policies off": "Held 0A000", "Hide a second statement": "Held 42601",
		"Take the key of the seal": "Held 42501", "Move to the other tenant": "Held 42501",
		"Edit my token": "Held invalid_token", "Sign with nothing": "Held invalid_token",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attacks (-want +got):\n%s", diff)
	}
	if curl, what := b.text("#curl"), b.text("#shared"); !strings.Contains(curl, todos) || what != "For a terminal and for an editor: the query, as both callers." {
		t.Errorf("after all attacks, what is taken along is %q:\n%s", what, curl)
	}
	b.click("#attacks li:nth-child(5) .outcome summary")
	b.until("the line of the attack that was opened", `document.querySelector('#curl').textContent.includes('reset role')`)
	if what := b.text("#shared"); what != "For a terminal and for an editor: “Leave my role”, as Ada of Acme." {
		t.Errorf("after one was opened, what is taken along is %q", what)
	}
	release := b.holdFetch("sql", false)
	b.click("#try-all")
	b.until("the first attack is under way", `window.held > 0`)
	if score := b.text("#score"); score != "" {
		t.Errorf("before an attack has ended, the page says %q", score)
	}
	release()
	b.until("every attack has ended again", `!document.querySelector('#try-all').disabled`)
	if curl := b.text("#curl"); !strings.Contains(curl, todos) {
		t.Errorf("after all attacks again, what is taken along is %s", curl)
	}
	b.asks(todos, "Ada of Acme: 2 rows. Gil of Globex: 2 rows. 2 the same.")
	if after := b.text(".caller-b table"); after != before {
		t.Errorf("the other's todos were %s and are %s", before, after)
	}
	for answer, want := range map[string]string{
		`{status: 200, body: {rows: [[1]], rowCount: 1}}`: "broken", `{status: 200, body: {rows: [], rowCount: 1}}`: "broken",
		`{status: 200, body: {users: []}}`: "broken", `{status: 503, body: {}}`: "unclear", `{status: 0, body: {}}`: "unclear",
	} {
		if got := evaluated[string](b, `import('/playground/attacks.js').then((m) => m.verdict({answer: `+answer+`}))`); got != want {
			t.Errorf("%s is %s, want %s", answer, got, want)
		}
	}
}

// hostile is a query whose text means something to a shell, to JSON and to JavaScript.
const hostile = "select '$(id) `id` \"\\' as \"it's ${1}\", name\nfrom users order by name"

func playCurl(t *testing.T, b *browser) {
	b.asks(hostile, "Ada of Acme: 2 rows. Gil of Globex: 2 rows. None the same.")
	out, err := exec.Command("sh", "-c", b.text("#curl")).CombinedOutput()
	for _, part := range []string{"Ada of Acme", "Mia of Globex", "$(id) `id` \\\"\\\\", "it's ${1}"} {
		if err != nil || !strings.Contains(string(out), part) {
			t.Errorf("%v: %s lacks %s; was run:\n%s", err, out, part, b.text("#curl"))
		}
	}
	b.click(`[aria-label="Try: Sign with nothing"]`)
	b.until("the attack's line", `document.querySelector('#curl').textContent.includes('/api/users')`)
	out, err = exec.Command("sh", "-c", b.text("#curl")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "invalid_token") {
		t.Errorf("%v: %s; was run:\n%s", err, out, b.text("#curl"))
	}
	b.asks(hostile, "Ada of Acme: 2 rows. Gil of Globex: 2 rows. None the same.")
}

func playColours(t *testing.T, b *browser) {
	const light, dark = "rgb(247, 246, 243)", "rgb(18, 19, 23)"
	colour := func(want, when string) {
		t.Helper()
		if got := evaluated[string](b, `getComputedStyle(document.body).backgroundColor`); got != want {
			t.Errorf("%s: the page is %s, want %s", when, got, want)
		}
	}
	colour(light, "at the start")
	b.click(`#theme input[value="dark"]`)
	colour(dark, "dark was chosen")
	b.do(chromedp.Reload())
	colour(dark, "after a reload")
	b.click(`#theme input[value="auto"]`)
	b.look("dark", 1280, 900)
	colour(dark, "the system is dark")
	b.click(`#theme input[value="light"]`)
	colour(light, "light was chosen on a dark system")
	b.click(`#theme input[value="auto"]`)
	b.look("light", 1280, 900)
	colour(light, "the system is light again")
	b.runs("after the reload", "Ada of Acme: 2 rows. Gil of Globex: 2 rows. None the same.")
}

func playPhone(t *testing.T, b *browser) {
	b.look("light", 360, 780)
	b.asks("select * from users order by name", "Ada of Acme: 2 rows. Gil of Globex: 2 rows. None the same.")
	b.until("the policies", `['a', 'b'].every((c) => document.querySelector('.caller-' + c + ' .why:not(.stale) .policy'))`)
	b.click(`[aria-label="Try: Edit my token"]`)
	b.until("an attack ends", `document.querySelector('.outcome') !== null`)
	evaluated[bool](b, `document.querySelectorAll('details').forEach((d) => { d.open = true }), true`)
	wide := evaluated[[]string](b, `[...document.querySelectorAll('header *, main *, footer *')]
		.filter((e) => e.getBoundingClientRect().right > 360 && !e.closest('.wide, pre')).map((e) => e.outerHTML.slice(0, 80))`)
	if width := evaluated[int](b, `document.documentElement.scrollWidth`); width > 360 || len(wide) > 0 {
		t.Errorf("on a phone 360 wide, the page is %d wide, and these stick out: %q", width, wide)
	}
	if left := evaluated[int](b, `document.querySelector('#score').textContent || Math.round(document.querySelector('#try-all').getBoundingClientRect().left - document.querySelector('#against').getBoundingClientRect().left)`); left != 0 {
		t.Errorf("on a phone, what tries all is %d px from where its text begins", left)
	}
	small := evaluated[[]string](b, `[...document.querySelectorAll('button, select')].filter((e) => e.getBoundingClientRect().height < 24).map((e) => e.textContent)`)
	if len(small) > 0 {
		t.Errorf("too small for a finger: %q", small)
	}
	b.look("light", 1280, 900)
}

// playPackages holds the page to axe-core's rules, and runs the TypeScript lines.
func playPackages(t *testing.T, b *browser) {
	needNode(t)
	dir := filepath.Join(t.TempDir(), "npm")
	if err := os.CopyFS(dir, os.DirFS("testdata/playground")); err != nil {
		t.Fatal(err)
	}
	install(t, dir)
	axe, err := os.ReadFile(filepath.Join(dir, "node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	evaluated[bool](b, string(axe)+"\n;true")
	b.click("#try-all")
	b.until("every attack has ended", `!document.querySelector('#try-all').disabled`)
	for _, details := range []bool{false, true} {
		evaluated[bool](b, `document.querySelectorAll('details').forEach((d) => { d.open = `+map[bool]string{false: "false", true: "true"}[details]+` }), true`)
		for _, look := range []struct {
			scheme string
			width  int64
		}{{"light", 1280}, {"dark", 1280}, {"light", 360}} {
			b.look(look.scheme, look.width, 900)
			found := evaluated[json.RawMessage](b, `axe.run().then((r) => r.violations.map((v) => [v.id, v.help, v.nodes.map((n) => n.html.slice(0, 120) + ' ' + n.failureSummary)]))`)
			if string(found) != "[]" {
				t.Errorf("%s, %d wide, details open %v: %s", look.scheme, look.width, details, found)
			}
		}
	}
	b.look("light", 1280, 900)
	b.asks(hostile, "Ada of Acme: 2 rows. Gil of Globex: 2 rows. None the same.")
	write(t, filepath.Join(dir, "shared.js"), b.text("#typescript"), 0o600)
	out, err := output(dir, nil, "node", "shared.js")
	if err != nil || !strings.Contains(out, "Ada of Acme") || !strings.Contains(out, "Mia of Globex") || !strings.Contains(out, "it's ${1}") {
		t.Errorf("%v: %s; was run:\n%s", err, out, b.text("#typescript"))
	}
}

// pictures takes those of the docs, where ROWPASS_TEST_PICTURES says into which folder.
func (b *browser) pictures() {
	dir, ok := os.LookupEnv("ROWPASS_TEST_PICTURES")
	if !ok {
		return
	}
	for _, look := range []string{"light", "dark"} {
		b.look(look, 1280, 1325)
		b.do(chromedp.Reload())
		b.runs("the page's own query", "Ada of Acme: 2 rows. Gil of Globex: 2 rows. None the same.")
		b.until("the policies", `['a', 'b'].every((c) => document.querySelector('.caller-' + c + ' .why:not(.stale) .policy'))`)
		if err := os.WriteFile(filepath.Join(dir, "playground-"+look+".png"), b.picture(), 0o644); err != nil {
			b.t.Error(err)
		}
	}
}
