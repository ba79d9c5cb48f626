package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
)

// howTo is somebody who follows a page of docs/ block by block, in a folder of its own, with a new database.
type howTo struct {
	t         *testing.T
	left      []block
	dir       string
	environ   []string
	known     string // assignments to begin each step with
	database  dbtest.Database
	translate *strings.Replacer // from the page's addresses to ours
}

// startHowTo has $NEW be the database, as the pages say. Whatever runs has keys.dir in the folder, as whoever types has.
func startHowTo(t *testing.T, page string, environ ...string) *howTo {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	h := &howTo{t: t, left: blocks(string(text)), dir: t.TempDir(), database: dbtest.NewEmpty(t), translate: strings.NewReplacer()}
	h.environ = environment(t, append(append(external(h.database), "NEW="+h.database.OwnerURL, "SUPERUSER="+h.database.SuperuserURL, "ROWPASS_CONFIG="+filepath.Join(h.dir, "config.yaml"), "ROWPASS_KEYS_DIR="+filepath.Join(h.dir, "keys")), environ...)...)
	return h
}

// needPrograms skips the test where one is missing; those of PostgreSQL have to be of the server's version.
func (h *howTo) needPrograms(names ...string) {
	h.t.Helper()
	bin := lookup(h.environ, "ROWPASS_EMBEDDED_BIN_DIR")
	for _, name := range names {
		path := name
		if bin != "" && strings.HasPrefix(name, "p") {
			path = filepath.Join(bin, name)
		}
		if _, err := exec.LookPath(path); err != nil {
			h.t.Skip("the page needs ", path)
		}
	}
	if bin != "" {
		h.environ = append(h.environ, "PATH="+bin+":"+lookup(h.environ, "PATH"))
	}
}

// next is the page's next block, which has to be of a kind.
func (h *howTo) next(kind string) string {
	h.t.Helper()
	if len(h.left) == 0 || h.left[0].kind != kind {
		h.t.Fatalf("a block of kind %s should be next, of %d", kind, len(h.left))
	}
	text := h.left[0].text
	h.left = h.left[1:]
	return text
}

// types does what the next block says, and compares what comes out. The exit status counts, but for output that ends with what
// rowpass says of a failure.
func (h *howTo) types() {
	h.t.Helper()
	for step := range strings.SplitSeq(strings.TrimPrefix(h.next("console"), "$ "), "\n$ ") {
		command, want, _ := strings.Cut(step, "\n")
		got, err := h.shell(command)
		if want = strings.TrimSuffix(want, "\n") + "\n"; !pattern(want, "$").MatchString(got) {
			h.t.Fatalf("$ %s\n%s%v\nthe page says:\n%s", command, got, err, want)
		}
		if failed := regexp.MustCompile(`(?m)^rowpass: `).MatchString(got); err != nil && !failed {
			h.t.Fatalf("$ %s\n%s%v", command, got, err)
		}
	}
}

// assignment is a step that only says what a variable of later ones is.
var assignment = regexp.MustCompile(`^[A-Z]+=\$\(.*\)$`)

func (h *howTo) shell(command string) (string, error) {
	command = h.translate.Replace(command)
	if assignment.MatchString(command) {
		h.known += command + "\n"
		return "\n", nil
	}
	c := exec.CommandContext(h.t.Context(), "sh", "-c", h.known+command)
	c.Dir, c.Env = h.dir, h.environ
	out, err := c.CombinedOutput()
	return strings.TrimRight(string(out), "\n") + "\n", err
}

// configures saves the next block as config.yaml.
func (h *howTo) configures() {
	h.t.Helper()
	write(h.t, filepath.Join(h.dir, "config.yaml"), h.translate.Replace(h.next("yaml")), 0o600)
}

// ends wants the page to be over.
func (h *howTo) ends() {
	h.t.Helper()
	if len(h.left) > 0 {
		h.t.Errorf("nobody does what the last %d blocks say, from\n%s", len(h.left), h.left[0].text)
	}
}

// provider has the page's provider be one of ours.
func (h *howTo) provider(url, jwks, preset string) *fakeProvider {
	idp := newFakeProvider(h.t)
	h.translate = strings.NewReplacer(url+jwks, idp.url+"/jwks", url, idp.url,
		"preset: "+preset, "preset: "+preset+"\n    algorithms: [ES256]\n    allow_private: ['"+idp.host+"']")
	idp.documents["/jwks"] = strings.ReplaceAll(idp.documents["/jwks"], `"kid"`, `"alg":"ES256","kid"`)
	return idp
}

// sees is what a query gives to a token, as rows of JSON.
func (h *howTo) sees(api, token, query string) string {
	h.t.Helper()
	a := askSQL(h.t, api, "postgresql://authenticated@localhost/"+h.database.Name, token, query)
	_, rows, found := strings.Cut(a.body, `"rows":`)
	if a.status != 200 || !found {
		h.t.Fatalf("%s: %d %s", query, a.status, a.body)
	}
	rows, _, _ = strings.Cut(rows, "]")
	return rows + "]"
}

func (h *howTo) expect(api, token, query, want string) {
	h.t.Helper()
	if got := h.sees(api, token, query); got != want {
		h.t.Errorf("%s gives %s, want %s", query, got, want)
	}
}

// neon is a database as Neon RLS left it, but for the extension itself: what policies call is there.
var neon = []string{
	"create schema auth",
	"create function auth.user_id() returns text language sql stable as $$select current_setting('request.jwt.claims', true)::jsonb ->> 'sub'$$",
	"create table public.todos (id bigint generated always as identity primary key, user_id text not null default auth.user_id(), task text not null)",
	"alter table public.todos enable row level security",
	`create policy "view todos" on public.todos for select to authenticated using ((select auth.user_id() = user_id))`,
	`create policy "create todos" on public.todos for insert to authenticated with check ((select auth.user_id() = user_id))`,
	"grant select, insert on public.todos to authenticated",
	"insert into public.todos (user_id, task) values ('user_2abc', 'mine'), ('user_3def', 'somebody else''s')",
}

func TestFromNeonPage(t *testing.T) {
	t.Parallel()
	old := dbtest.NewEmpty(t)
	dbtest.Exec(t, old.OwnerURL, neon...)
	h := startHowTo(t, "from-neon-rls.md", "OLD="+old.OwnerURL)
	h.needPrograms("psql", "pg_dump", "sed")
	idp := h.provider("https://sacred-mule-12.clerk.accounts.dev", "/.well-known/jwks.json", "clerk")
	h.configures()
	h.types() // the copy
	h.types() // the second wall
	h.types() // the slow policies
	if mend, err := h.shell("cat fast.sql"); err != nil || !strings.Contains(mend, `policy "view todos" on public.todos using ((select auth.user_id()) = todos.user_id)`) {
		t.Errorf("fast.sql is\n%s%v", mend, err)
	}
	if program := h.next("ts"); !strings.Contains(program, "postgresql://authenticated@rowpass.example.com/app") {
		t.Errorf("the program has another connection string: %s", program)
	}
	succeed(t, h.environ, "keys", "generate")
	dbtest.Exec(t, h.database.OwnerURL, h.next("sql"),
		`insert into neon_identity.users_sync (raw_json) values ('{"id": "user_2abc", "display_name": "Ada"}')`)
	h.ends()
	p := serve(t, h.environ)
	mine := idp.token(map[string]any{"sub": "user_2abc", "azp": "https://app.example.com", "aud": nil, "sid": "sess_1"})
	h.expect(p.api, mine, "select task from todos", `[{"task":"mine"}]`)
	h.expect(p.api, mine, "insert into todos (task) values ('new') returning user_id", `[{"user_id":"user_2abc"}]`)
	h.expect(p.api, mine, "select name from neon_auth.users_sync", `[{"name":"Ada"}]`)
}

func TestFromSupabasePage(t *testing.T) {
	t.Parallel()
	old := likeSupabase(t)
	h := startHowTo(t, "from-supabase.md", "OLD="+old.OwnerURL)
	h.needPrograms("psql", "pg_dump", "sed")
	idp := h.provider("https://abcdefghijklmnopqrst.supabase.co", "/auth/v1/.well-known/jwks.json", "supabase")
	there := h.environ
	h.environ = append(slices.Clone(there), append(external(old), "ROWPASS_CONFIG=", "SUPERUSER="+old.SuperuserURL)...) // there is none yet
	h.types()                                                                                                           // migrate stops
	h.inPlace(old)
	h.environ = there
	h.configures()
	if roles := h.next("sql"); !strings.Contains(supabaseRoles, "'anon', 'service_role'") || strings.Count(roles, "create role") != 2 {
		t.Errorf("the roles are others: %s", roles)
	}
	h.types() // the copy
	h.types() // what is slow
	dbtest.Exec(t, h.database.OwnerURL, h.next("sql"), h.next("sql"),
		"create policy by_role on public.profiles for update to authenticated using (id = (select auth.uid()) and (select auth.role()) = 'authenticated')")
	h.ends()
	succeed(t, h.environ, "keys", "generate")
	p := serve(t, h.environ)
	mine := idp.token(map[string]any{
		"iss": idp.url + "/auth/v1", "aud": "authenticated", "sub": "c0000000-0000-4000-8000-000000000001", "role": "authenticated", "session_id": "s1", "is_anonymous": false,
	})
	h.expect(p.api, mine, "select note, username from notes join profiles on profiles.id = profile", `[{"note":"of 1","username":"user 1"}]`)
	h.expect(p.api, mine, "update profiles set username = 'me' returning username", `[{"username":"me"}]`)
	h.expect(p.api, mine, "select * from people", `[]`)
}

// inPlace follows the page to rowpass beside Supabase's schema, and back.
func (h *howTo) inPlace(old dbtest.Database) {
	h.t.Helper()
	before := catalogue(h.t, old)
	h.environ = append(h.environ, "ROWPASS_CONFIG="+filepath.Join(h.dir, "config.yaml"))
	h.configures()
	h.types() // migrate, and what is wrong
	h.types() // mended
	policies := strings.Join(catalogue(h.t, old), "\n")
	if !strings.Contains(policies, "policy own todos") || strings.Contains(policies, " auth.uid() = ") || strings.Contains(policies, " auth.uid() AS") {
		h.t.Errorf("policies still ask Supabase's function:\n%s", policies)
	}
	h.types() // back again
	dbtest.Exec(h.t, old.OwnerURL, strings.Split(strings.TrimSpace(h.next("sql")), "\n")...)
	if diff := cmp.Diff(before, catalogue(h.t, old)); diff != "" {
		h.t.Errorf("back again, it is another one: %s", diff)
	}
	if err := os.Remove(filepath.Join(h.dir, "mend.sql")); err != nil { // whoever takes the other way has none yet
		h.t.Fatal(err)
	}
}

func TestExistingSchemaPage(t *testing.T) {
	t.Parallel()
	h := startHowTo(t, "existing-schema.md")
	h.needPrograms("curl", "sed")
	dbtest.Exec(t, h.database.OwnerURL, h.next("sql"))
	if e := rowpass(t, environment(t, external(h.database)...), "migrate", "up"); e.status == 0 || !strings.Contains(e.stderr, "set database.directory to false") {
		t.Errorf("without the setting: %+v", e)
	}
	h.configures()
	h.types() // migrate
	h.types() // the second wall
	dbtest.Exec(t, h.database.OwnerURL, h.next("sql"))
	h.types() // doctor
	p := serve(t, h.environ)
	h.translate = strings.NewReplacer("localhost:8080", p.api)
	h.types() // what a caller sees
	there := h.environ
	taken := likeSupabase(t)
	h.environ = append(slices.Clone(there), append(external(taken), "ROWPASS_CONFIG=")...)
	h.types() // migrate stops
	h.environ = append(h.environ, "ROWPASS_CONFIG="+filepath.Join(h.dir, "config.yaml"))
	settings, err := os.ReadFile(filepath.Join(h.dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.configures()
	h.types() // migrate
	runs(t, taken.OwnerURL, h.next("sql"))
	if e := rowpass(t, h.environ, "doctor"); strings.Contains(e.stdout, "public.drafts policy") || !strings.Contains(e.stdout, "policy-trusts-setting  public.todos policy own") {
		t.Errorf("doctor says %s%s", e.stdout, e.stderr)
	}
	h.ends()
	h.environ = there
	write(t, filepath.Join(h.dir, "config.yaml"), string(settings), 0o600)
	for _, path := range []string{"/api/users", "/api/tenants"} {
		if status, body := getText(t, p.api, path); status != 404 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for _, args := range [][]string{{"users", "list"}, {"tenants", "list"}, {"seed"}, {"token", "issue", "--user", "ada@acme.example"}} {
		if e := rowpass(t, h.environ, args...); e.status == 0 || !strings.Contains(e.stderr, "database.directory is false") {
			t.Errorf("%v: %+v", args, e)
		}
	}
}
