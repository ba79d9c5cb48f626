package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"rowpass/db/dbtest"
	"rowpass/keys"
)

func providersPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/providers.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestProvidersPage holds docs/providers.md to the program: each part has a paste, and a block that is what add makes of
// it, with more. Every block loads.
func TestProvidersPage(t *testing.T) {
	t.Parallel()
	page := providersPage(t)
	loads := map[string]bool{}
	for _, b := range blocks(page) {
		if b.kind == "yaml" {
			for _, p := range loaded(t, b.text).Providers {
				loads[p.Preset] = true
			}
		}
	}
	_, parts, _ := strings.Cut(page, "\n## The providers\n")
	for _, part := range strings.Split(parts, "\n### ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		t.Run(title, func(t *testing.T) { comparePart(t, text) })
	}
	for _, preset := range keys.Presets() {
		if !loads[preset.ID] {
			t.Errorf("no block of preset %s", preset.ID)
		}
	}
}

func comparePart(t *testing.T, text string) {
	paste := regexp.MustCompile("(?m)^Paste `([^`]+)`").FindStringSubmatch(text)
	if paste == nil {
		t.Fatal("nothing to paste")
	}
	r, err := keys.Recognise(paste[1])
	if err != nil {
		t.Fatal(err)
	}
	want, got := firstProvider(t, "providers:\n"+indent(r.Block(""))), firstProvider(t, blocks(text)[0].text)
	for key, value := range want {
		if key != "name" && !reflect.DeepEqual(got[key], value) {
			t.Errorf("%s is %v on the page, and %v in what add prints", key, got[key], value)
		}
	}
}

func firstProvider(t *testing.T, text string) map[string]any {
	t.Helper()
	var file struct{ Providers []map[string]any }
	if err := yaml.Unmarshal([]byte(text), &file); err != nil || len(file.Providers) != 1 {
		t.Fatalf("%v, of\n%s", err, text)
	}
	return file.Providers[0]
}

// guide is what is in the page's part on Stytch, one block of each kind.
func guide(t *testing.T) map[string]string {
	t.Helper()
	_, part, _ := strings.Cut(providersPage(t), "\n## The Stytch guide")
	part, _, _ = strings.Cut(part, "\n## ")
	kinds := map[string]string{}
	for _, b := range blocks(part) {
		kinds[b.kind] = b.text
	}
	return kinds
}

// TestStytchGuideWithRowpass does the guide from its first step to its last, with the driver as npm has it. Stytch is one of our own:
// what differs is the address of its keys.
func TestProvidersPageStytchGuide(t *testing.T) {
	t.Parallel()
	steps, stytch, d := guide(t), newFakeProvider(t), dbtest.New(t)
	command := strings.TrimPrefix(strings.TrimSpace(steps["console"]), "$ rowpass ")
	if printed := succeed(t, environment(t), strings.Fields(command)...); printed != steps["yaml"] {
		t.Errorf("add prints\n%s", printed)
	}
	stytch.documents["/v1/sessions/jwks/my-awesome-project"] = strings.ReplaceAll(stytch.documents["/jwks"], `"kid"`, `"alg":"ES256","kid"`)
	config := filepath.Join(t.TempDir(), "config.yaml")
	block := strings.ReplaceAll(steps["yaml"], "https://test.stytch.com", stytch.url) + "    algorithms: [ES256]\n    allow_private: ['" + stytch.host + "']\n"
	write(t, config, block+"sql:\n  enabled: true\n", 0o600)
	environ := environment(t, append(external(d), "ROWPASS_CONFIG="+config)...)
	succeed(t, environ, "providers", "test")
	succeed(t, environ, "keys", "generate")
	p := serve(t, environ)
	dbtest.Exec(t, d.OwnerURL, steps["sql"])
	jwt := stytch.token(map[string]any{"iss": "stytch.com/my-awesome-project", "aud": []string{"my-awesome-project"}, "sub": "user-test-1"})

	connection := "postgresql://authenticated@localhost/" + d.Name
	other := stytch.token(map[string]any{"iss": "stytch.com/my-awesome-project", "aud": []string{"my-awesome-project"}, "sub": "user-test-2"})
	elsewhere := stytch.token(map[string]any{"iss": "stytch.com/another-project", "aud": []string{"another-project"}, "sub": "user-test-1"})
	if a := askSQL(t, p.api, connection, other, "insert into tasks (task) values ('Somebody else''s')"); a.status != 200 {
		t.Fatalf("another user: %+v", a)
	}
	if a := askSQL(t, p.api, connection, elsewhere, "select * from tasks"); a.status == 200 || !strings.Contains(a.body, "iss is neither") {
		t.Errorf("another project's token: %+v", a)
	}
	if testing.Short() {
		t.Skip("the driver comes from npm, which takes a while: -short")
	}
	got := runGuide(t, strings.NewReplacer("http://localhost:8080", "http://"+p.api, "localhost/rowpass", "localhost/"+d.Name).Replace(steps["ts"]), jwt)
	if got != steps["text"] {
		t.Errorf("the guide's program prints\n%s\nthe page says\n%s", got, steps["text"])
	}
}

// TestProvidersPageTenantPolicy has tenants that are no UUIDs see the rows of theirs, by the policy of the page.
func TestProvidersPageTenantPolicy(t *testing.T) {
	t.Parallel()
	_, part, _ := strings.Cut(providersPage(t), "\n**The tenant**")
	part, _, _ = strings.Cut(part, "\n**")
	idp := newFakeProvider(t)
	d, config := dbtest.New(t), filepath.Join(t.TempDir(), "config.yaml")
	configure(t, config, idp.block("idp", ", tenant_claim: [org]"))
	environ := environment(t, append(external(d), "ROWPASS_CONFIG="+config)...)
	succeed(t, environ, "keys", "generate")
	p := serve(t, environ)
	dbtest.Exec(t, d.OwnerURL, blocks(part)[0].text)
	for _, tt := range []struct{ org, query, want string }{
		{"org_2abc", "insert into notes (note) values ('ours')", `"rowCount":1`},
		{"org_2abc", "select tenant_id, note, auth.tenant_id() is null as no_uuid from notes", `"rows":[{"tenant_id":"org_2abc","note":"ours","no_uuid":true}]`},
		{"org_3def", "select tenant_id from notes", `"rows":[]`},
	} {
		token := idp.token(map[string]any{"org": tt.org})
		if a := askSQL(t, p.api, "postgresql://authenticated@localhost/"+d.Name, token, tt.query); a.status != 200 || !strings.Contains(a.body, tt.want) {
			t.Errorf("%s, for %s: %d %s", tt.query, tt.org, a.status, a.body)
		}
	}
}

// runGuide runs a program of the page as one with the driver, whose application has this session.
func runGuide(t *testing.T, program, jwt string) string {
	t.Helper()
	needNode(t)
	dir := t.TempDir()
	manifest, err := os.ReadFile("../../examples/neon-driver/package.json")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "package.json"), string(manifest), 0o600)
	write(t, filepath.Join(dir, "main.ts"), "const sessionJWT = async () => process.env.SESSION_JWT!;\n"+program, 0o600)
	install(t, dir)
	got, err := output(dir, []string{"SESSION_JWT=" + jwt}, "npm", "start", "--silent")
	if err != nil {
		t.Fatal(err)
	}
	return got
}
