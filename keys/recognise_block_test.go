package keys_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"rowpass/keys"
)

// readBack parses r's block and compares it with r.
func readBack(t testing.TB, r keys.Recognised, name string) map[string]any {
	t.Helper()
	text := r.Block(name)
	var file struct{ Providers []map[string]any }
	if err := yaml.Unmarshal([]byte("providers:\n"+text), &file); err != nil || len(file.Providers) != 1 {
		t.Fatalf("%d entries, %v, in\n%s", len(file.Providers), err, text)
	}
	got := file.Providers[0]
	for key, want := range map[string]any{
		"preset": r.Preset.ID, "jwks_url": r.JWKSURL, "audience": r.Audience, "azp": r.AuthorizedParties, "role": r.Role, "allow_private": r.AllowPrivate,
	} {
		compare(t, text, key, got[key], want)
	}
	var algorithms []string
	if !slices.Equal(r.Algorithms, r.Preset.Algorithms) {
		algorithms = r.Algorithms
	}
	compare(t, text, "algorithms", got["algorithms"], algorithms)
	if got["issuers"] != nil || got["issuer"] == nil {
		compare(t, text, "issuers", got["issuers"], r.Issuers)
	}
	return got
}

func compare(t testing.TB, text, key string, got, want any) {
	t.Helper()
	switch w := want.(type) {
	case string:
		if got == nil && w == "" {
			return
		}
	case []string:
		if got == nil && len(w) == 0 {
			return
		}
		list := []any{}
		for _, s := range w {
			list = append(list, s)
		}
		want = list
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s in\n%s", key, diff, text)
	}
}

func TestBlock(t *testing.T) {
	for _, c := range []struct{ paste, name, want string }{
		{"https://test.stytch.com/v1/sessions/jwks/my-awesome-project", "", `- name: stytch
  preset: stytch
  jwks_url: https://test.stytch.com/v1/sessions/jwks/my-awesome-project
  issuers:
    - stytch.com/my-awesome-project
  audience:
    - my-awesome-project
`},
		{"http://localhost:3000/api/auth/jwks", "app", `- name: app
  preset: better-auth
  jwks_url: http://localhost:3000/api/auth/jwks
  issuers:
    - http://localhost:3000
  audience:
    - http://localhost:3000
  allow_private:
    - localhost:3000
`},
		{"https://id.example.org/", "yes", `- name: "yes"
  preset: generic
  issuer: https://id.example.org/
  # Still missing; rowpass says so and does not start before it is there:
  #   audience: without it tokens that were meant for another service are taken: give the aud of tokens that are meant for this service
`},
		{"https://api.stack-auth.com/api/v1/projects-anonymous-users/" + projectID, "guests", `- name: guests
  preset: stack-auth
  jwks_url: https://api.stack-auth.com/api/v1/projects/` + projectID + `/.well-known/jwks.json?include_anonymous=true
  issuers:
    - https://api.stack-auth.com/api/v1/projects-anonymous-users/` + projectID + `
  audience:
    - ` + projectID + `:anon
  role: anonymous
`},
	} {
		if diff := cmp.Diff(c.want, recognised(t, c.paste).Block(c.name)); diff != "" {
			t.Errorf("%s: %s", c.paste, diff)
		}
	}
}

func TestEveryBlockIsYAMLAndSaysWhatIsMissing(t *testing.T) {
	for _, k := range knownOnes() {
		r := recognised(t, k.jwks)
		if got := readBack(t, r, `na"me: {`); got["name"] != `na"me: {` {
			t.Errorf("the name became %q", got["name"])
		}
		for _, m := range r.Missing {
			if !strings.Contains(r.Block(""), "\n  #   "+m+"\n") {
				t.Errorf("%s is not in\n%s", m, r.Block(""))
			}
		}
	}
}

// What stands in a block, and is complete, must be taken by Check as it stands.
func TestABlockWithNothingMissingPassesCheck(t *testing.T) {
	for _, k := range knownOnes() {
		r := recognised(t, k.jwks)
		got := readBack(t, r, "")
		var terms keys.Terms
		terms.JWKSURL, _ = got["jwks_url"].(string)
		terms.Issuer, _ = got["issuer"].(string)
		terms.Role, _ = got["role"].(string)
		if all := r.Preset.Check(terms); len(all) != len(r.Missing) {
			t.Errorf("%s: %q, but the block misses %q", k.jwks, all, r.Missing)
		}
	}
}
