package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"rowpass/db/dbtest"
	"rowpass/identity"
)

// synced is a rowpass that keeps the profiles of a provider named clerk, whose tokens it takes.
type synced struct {
	*process
	t        *testing.T
	idp      *fakeProvider
	database dbtest.Database
	environ  []string
}

// serveSynced has a source of preset clerk, with a list or without.
func serveSynced(t *testing.T, list *fakeList) *synced {
	t.Helper()
	dir := t.TempDir()
	write(t, dir+"/webhook", "whsec_"+strings.Repeat("A", 32)+"\n"+webhookSecret+"\n", 0o640) // the one before, too
	block := "    - name: clerk\n      preset: clerk\n      secrets_file: " + dir + "/webhook\n"
	if list != nil {
		block += list.block(t, dir)
	}
	return serveSource(t, block)
}

func serveSource(t *testing.T, block string) *synced {
	t.Helper()
	s := &synced{t: t, idp: newFakeProvider(t), database: dbtest.New(t)}
	config := filepath.Join(t.TempDir(), "config.yaml")
	write(t, config, "sql: {enabled: true}\nproviders:\n"+s.idp.block("clerk", "")+"sync:\n  sources:\n"+block, 0o600)
	s.environ = environment(t, append(external(s.database), "ROWPASS_CONFIG="+config)...)
	succeed(t, s.environ, "keys", "generate")
	s.process = serve(t, s.environ)
	return s
}

// rows asks as a user of the provider's.
func (s *synced) rows(claims map[string]any, query string) string {
	s.t.Helper()
	a := askSQL(s.t, s.api, "postgresql://authenticated@localhost/"+s.database.Name, s.idp.token(claims), query)
	var answer struct{ Rows json.RawMessage }
	if err := json.Unmarshal([]byte(a.body), &answer); err != nil || a.status != 200 {
		s.t.Fatalf("%s: %d %s", query, a.status, a.body)
	}
	return string(answer.Rows)
}

// users are the rows of all users, a line each.
func (s *synced) users() string {
	s.t.Helper()
	rows, err := dbtest.Connect(s.t, s.database.SuperuserURL).Query(s.t.Context(),
		"select concat_ws(' ', id, name, email, case when deleted_at is null then 'there' else 'gone' end) from neon_identity.users_sync order by id")
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			s.t.Fatal(err)
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n")
}

func (s *synced) become(want string) {
	s.t.Helper()
	until(s.t, "the rows become\n"+want+"\nand are\n"+s.users(), func() bool { return s.users() == want })
}

// listed waits until serve has read the list by itself, and given its lease back.
func (s *synced) listed() {
	s.t.Helper()
	until(s.t, "serve has read the list", func() bool { return strings.Contains(s.log.String(), "sync: read the list of a silent source") })
}

// TestEventsBecomeRows through the door: what is sent, what is answered, and what is in the table then.
func TestEventsBecomeRows(t *testing.T) {
	t.Parallel()
	s := serveSynced(t, nil)
	now := time.Now()
	created := clerkEvent("user.created", clerkUser("user_1", "Ada", now), now)
	for _, line := range []struct {
		name string
		got  answer
		want answer
	}{
		{"an event", sendEvent(t, s.api, "clerk", "msg_1", created), answer{200, "{}\n"}},
		{"the same again", sendEvent(t, s.api, "clerk", "msg_1", created), answer{200, "{}\n"}},
	} {
		if line.got != line.want {
			t.Errorf("%s: %v, want %v", line.name, line.got, line.want)
		}
	}
	forged := sendEvent(t, s.api, "clerk", "msg_2", created, "msg_3")
	if forged.status != 403 || !strings.Contains(forged.body, `"code":"invalid_event"`) {
		t.Errorf("an event with another's signature: %v", forged)
	}
	if a := sendEvent(t, s.api, "auth0", "msg_4", created); a.status != 404 || !strings.Contains(a.body, `"code":"no_route"`) {
		t.Errorf("an event of an unknown source: %v", a)
	}
	s.become("clerk|user_1 Ada ada@acme.example there")

	older := clerkEvent("user.updated", clerkUser("user_1", "Eve", now), now.Add(-time.Hour))
	gone := clerkEvent("user.deleted", map[string]any{"id": "user_1", "deleted": true}, now.Add(time.Second))
	for i, body := range []string{older, gone, older} {
		if a := sendEvent(t, s.api, "clerk", fmt.Sprintf("later_%d", i), body); a.status != 200 {
			t.Fatalf("%s: %v", body, a)
		}
	}
	s.become("clerk|user_1 Ada ada@acme.example gone")
	if inbox := kept(t, s.database); inbox != 4 {
		t.Errorf("%d events were kept, want 4: those that were signed, each once", inbox)
	}
}

func kept(t *testing.T, d dbtest.Database) (n int) {
	t.Helper()
	if err := dbtest.Connect(t, d.SuperuserURL).QueryRow(t.Context(), "select count(*) from rowpass.inbox").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestATokensRowIsReplacedByTheEvent: the user is there for its first query, by the claims, and then as the provider says.
func TestATokensRowIsReplacedByTheEvent(t *testing.T) {
	t.Parallel()
	s := serveSynced(t, nil)
	claims := map[string]any{"sub": "user_1", "given_name": "A.", "family_name": "L.", "email": "a@acme.example"}
	const query = "select name, email from neon_identity.profiles where id = auth.user_id()"
	if got := s.rows(claims, query); got != `[{"name":"A. L.","email":"a@acme.example"}]` {
		t.Errorf("at the first query the row is %s", got)
	}
	succeedsWith(t, s.environ, `(?m)^clerk +1 +1 +0 +0 +0s +0 +never +never +never +0$`, "sync", "status")
	if a := ask(t, "GET", s.admin+"/readyz", "", ""); !strings.Contains(a.body, `"sync":{"clerk":"nothing was heard of it yet"}`) {
		t.Errorf("/readyz before the first event: %s", a.body)
	}
	now := time.Now()
	if a := sendEvent(t, s.api, "clerk", "msg_1", clerkEvent("user.created", clerkUser("user_1", "Ada", now), now)); a.status != 200 {
		t.Fatal(a)
	}
	s.become("clerk|user_1 Ada ada@acme.example there")
	claims["email"] = "later@acme.example"
	if got := s.rows(claims, query); got != `[{"name":"Ada","email":"ada@acme.example"}]` {
		t.Errorf("a later token made it %s", got)
	}
	succeedsWith(t, s.environ, `(?m)^clerk +1 +0 +0 +0 +0s +0 +20\S+Z +20\S+Z +never +0$`, "sync", "status", "clerk")
}

func succeedsWith(t *testing.T, environ []string, pattern string, args ...string) {
	t.Helper()
	if got := succeed(t, environ, args...); !regexp.MustCompile(pattern).MatchString(got) {
		t.Errorf("rowpass %s prints\n%s, want %s", strings.Join(args, " "), got, pattern)
	}
}

// TestDeadEventsAndPurge is what an operator does: look, have it read again, remove somebody.
func TestDeadEventsAndPurge(t *testing.T) {
	t.Parallel()
	s := serveSynced(t, nil)
	now := time.Now()
	for id, body := range map[string]string{
		"msg_1": clerkEvent("user.created", clerkUser("user_1", "Ada", now), now),
		"msg_2": clerkEvent("user.created", map[string]any{"first_name": "Nobody"}, now),
	} {
		if a := sendEvent(t, s.api, "clerk", id, body); a.status != 200 {
			t.Fatal(a)
		}
	}
	s.become("clerk|user_1 Ada ada@acme.example there")
	const dead = `^SOURCE +RECEIVED +TRIED +EVENT +REASON\nclerk +20\S+Z +1 +msg_2 +the user's id is missing\n$`
	isDead := func() bool { return regexp.MustCompile(dead).MatchString(succeed(t, s.environ, "sync", "dead")) }
	until(t, "sync dead lists msg_2", isDead)
	if got := succeed(t, s.environ, "sync", "retry", "clerk"); got != "to be read again: 1; rowpass serve does it\n" {
		t.Errorf("sync retry prints %s", got)
	}
	until(t, "it is dead again", isDead)

	typed(t, s.environ, "", "sync", "discard").says(t, 1, "rowpass sync discard wants a SOURCE, and may have the EVENTs to discard behind it")
	typed(t, s.environ, "", "sync", "discard", "clerk", "msg_1", "msg_2", "msg_2").says(t, 1, "discarded: 1\n",
		"1 of the 2 events are not dead events of source clerk; rowpass sync dead clerk lists those")
	if got := succeed(t, s.environ, "sync", "dead"); strings.Contains(got, "msg") {
		t.Errorf("what was discarded is dead: %s", got)
	}
	if got := succeed(t, s.environ, "sync", "discard", "clerk"); got != "discarded: 0\n" {
		t.Errorf("sync discard prints %s", got)
	}

	typed(t, s.environ, "", "sync", "status", "auth0").says(t, 1, `there is no source "auth0" in the configuration; there are: clerk`)
	typed(t, s.environ, "", "sync", "reconcile", "clerk").says(t, 1, "source clerk has no list: give its api what the make needs; docs/profile-sync.md says what")
	typed(t, s.environ, "", "sync", "reconcile").says(t, 0, "clerk: has no list, and is left out")
	typed(t, s.environ, "", "sync", "purge").says(t, 1, `required flag(s) "user" not set`)
	typed(t, s.environ, "", "sync", "purge", "--user", "clerk|user_1").says(t, 0, "clerk|user_1: purged\n")
	typed(t, s.environ, "", "sync", "purge", "--user", "clerk|user_9").says(t, 0, "clerk|user_9: purged; nothing was known of it\n")
	s.become("")
	again := func(id string) {
		t.Helper()
		at := time.Now()
		if a := sendEvent(t, s.api, "clerk", id, clerkEvent("user.updated", clerkUser("user_1", "Ada", at), at)); a.status != 200 {
			t.Fatal(a)
		}
		until(t, id+" is read", func() bool {
			return regexp.MustCompile(`(?m)^clerk( +\d+){3} +0 `).MatchString(succeed(t, s.environ, "sync", "status"))
		})
	}
	again("msg_3")
	s.become("")
	typed(t, s.environ, "", "sync", "purge", "--user", "clerk|user_1", "--allow-return").says(t, 0, "clerk|user_1: may come back\n")
	again("msg_4")
	s.become("clerk|user_1 Ada ada@acme.example there")
}

// TestASilentSourceIsReadByItself, and drift that was planted is found by the command.
func TestASilentSourceIsReadByItself(t *testing.T) {
	t.Parallel()
	long := time.Now().Add(-time.Hour)
	ada, ben, eve := clerkUser("user_1", "Ada", long), clerkUser("user_2", "Ben", long), clerkUser("user_3", "Eve", long)
	list := newFakeList(t, ada, ben, eve)
	s := serveSynced(t, list)
	s.become("clerk|user_1 Ada ada@acme.example there\nclerk|user_2 Ben ben@acme.example there\nclerk|user_3 Eve eve@acme.example there")
	s.listed()
	if n := list.asked(); n != 1 {
		t.Errorf("the list was read %d times, want once", n)
	}
	list.become(ada, clerkUser("user_2", "Bert", long.Add(time.Minute)), clerkUser("user_4", "Zoe", long))
	typed(t, s.environ, "", "sync", "backfill", "clerk").says(t, 0, "clerk: 2 pages, added 1, changed 1, deleted 0, unchanged 1, newer here 0, drift 2\n")
	list.become(ada, clerkUser("user_2", "Bertha", long.Add(2*time.Minute)))
	typed(t, s.environ, "", "sync", "reconcile").says(t, 0, "clerk: 2 pages, added 0, changed 1, deleted 2, unchanged 1, newer here 0, drift 3\n")
	s.become("clerk|user_1 Ada ada@acme.example there\nclerk|user_2 Bertha bertha@acme.example there\nclerk|user_3 Eve eve@acme.example gone\nclerk|user_4 Zoe zoe@acme.example gone")
	succeedsWith(t, s.environ, `(?m)^clerk +2 +0 +2 +0 +0s +0 +never +never +20\S+Z +3$`, "sync", "status")
	if log := s.log.String(); strings.Contains(log, "ada@") || strings.Contains(log, listKey) || strings.Contains(log, "Bert") {
		t.Errorf("the log holds what it must not:\n%s", log)
	}
}

// TestASilentSourceHoldsUpNoOther: the list of the first never answers, and that of the second is read.
func TestASilentSourceHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	stuck := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-r.Context().Done()
	}))
	t.Cleanup(stuck.Close)
	dir := t.TempDir()
	write(t, dir+"/webhook", webhookSecret+"\n", 0o600)
	list := newFakeList(t, clerkUser("user_1", "Ada", time.Now().Add(-time.Hour)))
	source := func(name, block string) string {
		return "    - name: " + name + "\n      preset: clerk\n      secrets_file: " + dir + "/webhook\n" + block
	}
	block := list.block(t, dir)
	s := serveSource(t, source("stuck", strings.ReplaceAll(block, list.URL, stuck.URL))+source("clerk", block))
	<-asked
	s.become("clerk|user_1 Ada ada@acme.example there")
	s.listed()
	succeedsWith(t, s.environ, `(?m)^stuck +0 +0 +0 +0 +0s +0 +never +never +never +0$`, "sync", "status")
}

// TestTokensAlone make rows and change them, and nobody can send events about them.
func TestTokensAlone(t *testing.T) {
	t.Parallel()
	s := serveSource(t, "    - {name: users, preset: tokens, provider: clerk}\n")
	const query = "select id, name from neon_identity.profiles"
	for _, name := range []string{"Ada", "Ada Lovelace"} {
		if got, want := s.rows(map[string]any{"sub": "u1", "name": name}, query), `[{"id":"clerk|u1","name":"`+name+`"}]`; got != want {
			t.Errorf("the rows are %s, want %s", got, want)
		}
	}
	if a := sendEvent(t, s.api, "users", "msg_1", "{}"); a.status != 404 {
		t.Errorf("an event: %v", a)
	}
	if a := ask(t, "GET", s.admin+"/readyz", "", ""); !strings.Contains(a.body, `"sync":{"users":"ok"}`) {
		t.Errorf("/readyz: %s", a.body)
	}
}

func TestSyncWithoutAServer(t *testing.T) {
	t.Parallel()
	none := environment(t, external(dbtest.New(t))...)
	typed(t, none, "", "sync", "status").says(t, 1, "no source is configured: list one under sync.sources; rowpass sync presets lists the makes")
	presets := succeed(t, none, "sync", "presets")
	for _, line := range []string{`^PRESET +NAME +SIGNATURES +NEEDS$`, `^clerk +Clerk +standard +nothing$`,
		`^descope +Descope +bearer, hmac-sha256 +api\.key_file, api\.project_id$`, `^tokens +tokens alone +no events +nothing$`} {
		if !regexp.MustCompile("(?m)" + line).MatchString(presets) {
			t.Errorf("%s is not in\n%s", line, presets)
		}
	}
}

// TestMetricsOfSources are those that docs/profile-sync.md lists, and /readyz has a word on each source.
func TestMetricsOfSources(t *testing.T) {
	t.Parallel()
	s := serveSynced(t, newFakeList(t, clerkUser("user_1", "Ada", time.Now())))
	s.become("clerk|user_1 Ada ada@acme.example there")
	page, err := os.ReadFile("../../docs/profile-sync.md")
	if err != nil {
		t.Fatal(err)
	}
	served := ask(t, "GET", s.admin+"/metrics", "", "").body
	listed := regexp.MustCompile("(?m)^\\| `(rowpass_sync_\\w+)` \\|").FindAllStringSubmatch(string(page), -1)
	for _, m := range listed {
		if !strings.Contains(served, m[1]+`{source="clerk"} `) {
			t.Errorf("%s is on the page, and not served", m[1])
		}
	}
	if n := strings.Count(served, "# TYPE rowpass_sync_"); n != len(listed) {
		t.Errorf("%d metrics are served, and %d on the page", n, len(listed))
	}
	if a := ask(t, "GET", s.admin+"/readyz", "", ""); a.status != 200 || !strings.Contains(a.body, `"sync":{"clerk":"`) {
		t.Errorf("/readyz: %d %s", a.status, a.body)
	}
}

// TestMistakesInSources, each with its message.
func TestMistakesInSources(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/secret", webhookSecret+"\n", 0o600)
	write(t, dir+"/key", listKey, 0o600)
	write(t, dir+"/short", "guess me", 0o600)
	write(t, dir+"/open", webhookSecret, 0o644)
	write(t, dir+"/two", webhookSecret+"\n\nwhsec_n!o\n", 0o600)
	const secret = "secrets_file: DIR/secret"
	const clerk = "{name: clerk, preset: clerk, " + secret + "}"
	for _, tt := range []struct{ name, sources, want string }{
		{"one without a secret", "- {name: clerk, preset: clerk}", "sync.sources[0]: source clerk: secrets_file: give the secret by which the provider's events are verified"},
		{"a secret that isn't there", "- {name: clerk, preset: clerk, secrets_file: DIR/none}", "sync.sources[0]: secrets_file: no such file or directory"},
		{"two files that aren't there", "- {name: clerk, preset: clerk, secrets_file: DIR/none, api: {key_file: DIR/none}}",
			"sync.sources[0]: secrets_file: no such file or directory\nconfig.yaml:3: sync.sources[0]: api.key_file: no such file or directory"},
		{"a secret that everybody may read", "- {name: clerk, preset: clerk, secrets_file: DIR/open}",
			"sync.sources[0]: secrets_file: everybody on this machine may read or change it (mode 0644): make it 0600, or 0640 for a group"},
		{"a second secret that is none", "- {name: clerk, preset: clerk, secrets_file: DIR/two}",
			"sync.sources[0]: source clerk: secrets_file: line 2 is not whsec_… or whpk_… with base64 behind it: copy the endpoint's signing secret"},
		{"a secret that can be guessed", "- {name: auth0, preset: auth0, secrets_file: DIR/short}",
			"sync.sources[0]: source auth0: secrets_file: line 1 has fewer than 16 bytes, which can be guessed: take a random one (openssl rand -hex 32)"},
		{"a make that nobody knows", "- {name: clerk, preset: clark, " + secret + "}",
			`sync.sources[0]: source clerk: preset: "clark" is none; rowpass has clerk, stack-auth, stytch, stytch-b2b, auth0, workos, supabase, keycloak, descope, logto, generic, tokens`},
		{"a signature that nobody knows", "- {name: clerk, preset: clerk, signature: hmac, " + secret + "}",
			`sync.sources[0]: source clerk: signature: "hmac" is none of preset clerk's, which are standard`},
		{"a name with a slash", "- {name: a/b, preset: clerk, " + secret + "}", `sync.sources[0]: source "a/b": name: 1 to 64 letters, digits, _ and - are allowed`},
		{"two of one name", "- " + clerk + "\n  - " + clerk, `sync.sources[1].name: "clerk": given twice, in config.yaml:3 first: each source needs its own`},
		{"two of one provider", "- {name: users, preset: clerk, provider: idp, " + secret + "}\n  - {name: idp, preset: clerk, " + secret + "}",
			`sync.sources[1].provider: "idp" has source users already: a provider's users come from one`},
		{"a provider that isn't there", "- {name: clerk, preset: clerk, provider: clark, " + secret + "}",
			`sync.sources[0]: provider: "clark" is none of providers: give one's name, or leave it out`},
		{"tokens of nobody", "- {name: mine, preset: tokens}", "sync.sources[0]: provider: name the one of providers whose tokens the profiles are made from"},
		{"a secret for tokens", "- {name: idp, preset: tokens, " + secret + "}",
			"sync.sources[0]: source idp: secrets_file: preset tokens has no webhook; leave out secrets_file, signature and secret_header"},
		{"half a list", "- {name: a, preset: auth0, " + secret + ", api: {url: 'https://a.auth0.com'}}", "sync.sources[0]: source a: the list API needs api.client_id and api.client_secret_file, too: set "},
		{"a list over http", "- {name: c, preset: clerk, " + secret + ", api: {url: 'http://10.0.0.1', key_file: DIR/key}}",
			"sync.sources[0]: source c: api.url is not https, so anybody on the way could read the key: name 10.0.0.1 in "},
		{"one that needs a list", "- {name: d, preset: descope, " + secret + "}", "sync.sources[0]: source d: api.key_file: set it; Descope's events only name the user, so the profile must be asked for"},
		{"fields of another make", "- {name: c, preset: clerk, " + secret + ", fields: {id: [/id]}}",
			"sync.sources[0]: source c: fields: preset clerk knows its own; leave out fields, created, updated and deleted, or take preset generic"},
		{"a list of another make", "- {name: c, preset: clerk, " + secret + ", api: {key_file: DIR/key, users: /data}}",
			"sync.sources[0]: source c: api: preset clerk knows its own; leave out user_url, users, next, total and user"},
		{"one of no make without fields", "- {name: g, " + secret + "}", "sync.sources[0]: source g: fields.event_type: say where an event has its type"},
		{"a misspelt key", "- {name: c, preset: clerk, secret_file: DIR/secret}", "sync.sources[0].secret_file: no such key; did you mean sync.sources[0].secrets_file?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := "sync:\n  sources:\n  " + strings.ReplaceAll(tt.sources, "DIR", dir) +
				"\nproviders:\n- {name: idp, jwks_url: 'https://idp.example/jwks', issuers: ['https://idp.example'], audience: [app]}\n"
			c, err := load(t, given{file: file})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), dir) {
				t.Errorf("got  %v\nwant %s\n%+v", err, tt.want, c.Sync)
			}
		})
	}
}

func TestManualsExampleOfSourcesIsValid(t *testing.T) {
	text, err := os.ReadFile(manual)
	if err != nil {
		t.Fatal(err)
	}
	_, example, ok := strings.Cut(string(text), "  # sources:\n")
	if !ok {
		t.Fatal("there is no example")
	}
	example, _, _ = strings.Cut(example, "\n  sources: []")
	var lines []string
	for line := range strings.Lines(example) {
		if rest := strings.TrimPrefix(line, "  # "); strings.HasPrefix(rest, "  ") { // the others are prose
			lines = append(lines, rest)
		}
	}
	dir := t.TempDir()
	c := loaded(t, "providers:\n- {name: clerk, preset: clerk, jwks_url: 'https://a.clerk.accounts.dev/jwks', issuers: ['https://a.clerk.accounts.dev'], azp: ['https://a.example']}\n"+
		"sync:\n  sources:\n"+inTemporaryFiles(t, dir, strings.Join(lines, "")))
	sources, err := c.sources()
	if err != nil || len(sources) != 2 || sources[0].list == nil || sources[1].list == nil || sources[1].Preset().ID != identity.GenericPreset {
		t.Errorf("%+v, %v", sources, err)
	}
}

// inTemporaryFiles is a configuration whose secrets are in files that are there.
func inTemporaryFiles(t *testing.T, dir, text string) string {
	t.Helper()
	return regexp.MustCompile(`(?m)(_file: +)(/\S+)`).ReplaceAllStringFunc(text, func(pair string) string {
		key, path, _ := strings.Cut(pair, ": ")
		file := filepath.Join(dir, filepath.Base(strings.TrimSpace(path)))
		write(t, file, webhookSecret+"\n", 0o600)
		return key + ": " + file
	})
}
