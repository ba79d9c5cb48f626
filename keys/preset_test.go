package keys_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

func preset(t testing.TB, id string) keys.Preset {
	t.Helper()
	p, ok := keys.PresetByID(id)
	if !ok {
		t.Fatalf("there is no preset %s", id)
	}
	return p
}

func TestPresetsAreThose(t *testing.T) {
	var ids []string
	for _, p := range keys.Presets() {
		ids = append(ids, p.ID)
	}
	want := []string{
		"clerk", "stack-auth", "auth0", "firebase", "stytch", "stytch-b2b", "keycloak", "supabase", "cognito", "entra", "google",
		"descope", "propelauth", "workos", "neon-auth", "better-auth", "supertokens", "logto", "zitadel", "generic",
	}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
	if _, ok := keys.PresetByID("okta"); ok {
		t.Error("there is a preset that nobody wrote")
	}
}

func TestEachPresetIsWhole(t *testing.T) {
	kinds := []keys.AudienceKind{
		keys.AudienceRequired, keys.AudienceFixed, keys.AudienceDefault, keys.AudienceRecommended, keys.AudienceOptional,
		keys.AudienceOrClient, keys.AudienceNone,
	}
	for _, p := range keys.Presets() {
		if p.Name == "" || p.Notes == "" || len(p.Issuers) == 0 || len(p.SubjectClaims) == 0 || p.Audience.Means == "" {
			t.Errorf("%s says nothing of what matters: %+v", p.ID, p)
		}
		if !slices.Contains(kinds, p.Audience.Kind) {
			t.Errorf("%s has audience rule %q", p.ID, p.Audience.Kind)
		}
		for _, alg := range p.Algorithms {
			if !slices.Contains(keys.VerifyAlgorithms(), alg) {
				t.Errorf("%s has algorithm %s", p.ID, alg)
			}
		}
		if len(p.Algorithms) == 0 {
			t.Errorf("%s has no algorithm", p.ID)
		}
		for _, text := range []string{p.Notes, p.Audience.Means, p.Name} {
			if strings.ContainsAny(text, "\n{}") {
				t.Errorf("%s says %q", p.ID, text)
			}
		}
	}
}

// A pattern that is not anchored at both ends would take a look-alike for the vendor.
func TestEachPatternIsAnchoredAndFillsItsTemplates(t *testing.T) {
	for _, row := range rows(t) {
		var known []string
		for _, text := range patterns(row) {
			if !strings.HasPrefix(text, "^") || !strings.HasSuffix(text, "$") {
				t.Errorf("%s: %s is not anchored", row["id"], text)
			}
			for _, name := range regexp.MustCompile(`\?P<([a-z]+)>`).FindAllStringSubmatch(text, -1) {
				known = append(known, name[1])
			}
		}
		for _, field := range []string{"jwks", "issuers", "discovery"} {
			for _, text := range texts(row[field]) {
				for _, name := range regexp.MustCompile(`\{([^}]*)\}`).FindAllStringSubmatch(text, -1) {
					if !slices.Contains(known, name[1]) {
						t.Errorf("%s: nothing gives the {%s} of %s", row["id"], name[1], text)
					}
				}
			}
		}
	}
}

// patterns gives those of addresses and issuers.
func patterns(row map[string]any) []string {
	var all []string
	for _, field := range []string{"match", "shape", "issuer_match", "issuer_shape"} {
		list, _ := row[field].([]any)
		for _, p := range list {
			if full, ok := p.(map[string]any); ok {
				p = full["is"]
			}
			all = append(all, p.(string))
		}
	}
	for _, field := range []string{"token_match", "token_shape"} {
		list, _ := row[field].([]any)
		for _, traits := range list {
			all = append(all, traits.(map[string]any)["iss"].(string))
		}
	}
	return all
}

func rows(t testing.TB) []map[string]any {
	t.Helper()
	var all []map[string]any
	if err := json.Unmarshal(must[[]byte](t)(os.ReadFile("presets.json")), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func texts(list any) []string {
	var all []string
	entries, _ := list.([]any)
	for _, e := range entries {
		all = append(all, e.(string))
	}
	return all
}

func TestAPresetIsTheCallersOwn(t *testing.T) {
	p := preset(t, "keycloak")
	p.Algorithms[0], p.Issuers[0], p.SubjectClaims[0][0] = "HS256", "https://evil.example", "email"
	p.Refused["typ"][0] = "Bearer"
	delete(p.Refused, "typ")
	f := preset(t, "firebase")
	f.Required[0], f.TenantClaims[0][0] = "nothing", "nobody"
	again := preset(t, "keycloak")
	if again.Algorithms[0] != "RS256" || again.SubjectClaims[0][0] != "sub" || again.Issuers[0] != "{base}/realms/{realm}" ||
		again.Refused["typ"][0] != "ID" {
		t.Errorf("a caller changed the preset: %+v", again)
	}
	if again := preset(t, "firebase"); again.Required[0] != "sub" || again.TenantClaims[0][0] != "firebase" {
		t.Errorf("a caller changed the preset: %+v", again)
	}
}

// Where users can write a claim themselves, it must not say whose rows they see.
func TestNoTenantComesFromWhatUsersCanWrite(t *testing.T) {
	for _, p := range keys.Presets() {
		for _, path := range p.TenantClaims {
			if strings.HasPrefix(path[0], "custom:") || path[0] == "user_metadata" {
				t.Errorf("%s takes the tenant from %v", p.ID, path)
			}
		}
	}
}

func TestFill(t *testing.T) {
	const tenant, other = "72f988bf-86f1-41af-91ab-2d7cd011db47", "00000000-0000-4000-8000-000000000001"
	for _, c := range []struct {
		name, preset string
		given, want  keys.Terms
	}{
		{"a JWKS URL gives issuer and audience", "stytch",
			keys.Terms{JWKSURL: "https://test.stytch.com/v1/sessions/jwks/my-awesome-project"},
			keys.Terms{JWKSURL: "https://test.stytch.com/v1/sessions/jwks/my-awesome-project", Issuers: []string{"stytch.com/my-awesome-project"},
				Audience: []string{"my-awesome-project"}, Algorithms: []string{"RS256"}}},
		{"an audience gives Firebase's issuer", "firebase",
			keys.Terms{Audience: []string{"a", "b"}},
			keys.Terms{JWKSURL: "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
				Issuers: []string{"https://securetoken.google.com/a", "https://securetoken.google.com/b"}, Audience: []string{"a", "b"}, Algorithms: []string{"RS256"}}},
		{"tenants give Entra's issuers", "entra",
			keys.Terms{JWKSURL: "https://login.microsoftonline.com/common/discovery/v2.0/keys", Audience: []string{"api://x"}, Tenants: []string{tenant, other}},
			keys.Terms{JWKSURL: "https://login.microsoftonline.com/common/discovery/v2.0/keys", Audience: []string{"api://x"}, Tenants: []string{tenant, other},
				Issuers: []string{
					"https://login.microsoftonline.com/" + tenant + "/v2.0", "https://login.microsoftonline.com/" + other + "/v2.0",
					"https://sts.windows.net/" + tenant + "/", "https://sts.windows.net/" + other + "/"}, Algorithms: []string{"RS256"}}},
		{"the address names the tenant, whatever tenants says", "entra",
			keys.Terms{JWKSURL: "https://login.microsoftonline.us/" + tenant + "/discovery/v2.0/keys", Tenants: []string{other}},
			keys.Terms{JWKSURL: "https://login.microsoftonline.us/" + tenant + "/discovery/v2.0/keys", Tenants: []string{other},
				Issuers: []string{"https://login.microsoftonline.us/" + tenant + "/v2.0", "https://sts.windows.net/" + tenant + "/"}, Algorithms: []string{"RS256"}}},
		{"common is nobody's issuer", "entra",
			keys.Terms{Issuer: "https://login.microsoftonline.com/common/v2.0"},
			keys.Terms{Issuer: "https://login.microsoftonline.com/common/v2.0", JWKSURL: "https://login.microsoftonline.com/common/discovery/v2.0/keys",
				Algorithms: []string{"RS256"}}},
		{"the keys of one tenant are not for two", "entra",
			keys.Terms{Issuer: "https://login.microsoftonline.com/common/v2.0", Issuers: []string{"x"}, Tenants: []string{tenant, other}},
			keys.Terms{Issuer: "https://login.microsoftonline.com/common/v2.0", Issuers: []string{"x"}, Tenants: []string{tenant, other},
				JWKSURL: "https://login.microsoftonline.com/common/discovery/v2.0/keys", Algorithms: []string{"RS256"}}},
		{"what is given stays", "auth0",
			keys.Terms{JWKSURL: "https://A.eu.auth0.com/.well-known/jwks.json", Issuers: []string{"https://login.example.com/"}, Algorithms: []string{"PS256"}},
			keys.Terms{JWKSURL: "https://A.eu.auth0.com/.well-known/jwks.json", Issuers: []string{"https://login.example.com/"}, Algorithms: []string{"PS256"}}},
		{"a host of one's own has the issuer that is given", "auth0",
			keys.Terms{Issuer: "https://login.example.com/"},
			keys.Terms{Issuer: "https://login.example.com/", Issuers: []string{"https://login.example.com/"}, Algorithms: []string{"RS256"}}},
		{"Keycloak inside Docker has a shape, too", "keycloak",
			keys.Terms{JWKSURL: "http://keycloak:8080/realms/acme/protocol/openid-connect/certs", Issuers: []string{"https://sso.example.com/realms/acme"}},
			keys.Terms{JWKSURL: "http://keycloak:8080/realms/acme/protocol/openid-connect/certs", Issuers: []string{"https://sso.example.com/realms/acme"},
				Algorithms: []string{"RS256", "ES256", "PS256", "EdDSA"}}},
		{"anonymous users are others", "stack-auth",
			keys.Terms{Issuer: "https://api.stack-auth.com/api/v1/projects-anonymous-users/" + other},
			keys.Terms{Issuer: "https://api.stack-auth.com/api/v1/projects-anonymous-users/" + other, Role: "anonymous",
				JWKSURL:  "https://api.stack-auth.com/api/v1/projects/" + other + "/.well-known/jwks.json?include_anonymous=true",
				Issuers:  []string{"https://api.stack-auth.com/api/v1/projects-anonymous-users/" + other},
				Audience: []string{other + ":anon"}, Algorithms: []string{"ES256"}}},
		{"an issuer that is no URL leads to the key set", "descope",
			keys.Terms{Issuers: []string{"P2abcdefghijklmnopqrstuvwxyz"}},
			keys.Terms{JWKSURL: "https://api.descope.com/P2abcdefghijklmnopqrstuvwxyz/.well-known/jwks.json",
				Issuers: []string{"P2abcdefghijklmnopqrstuvwxyz"}, Algorithms: []string{"RS256"}}},
		{"an algorithm by its new name", "generic", keys.Terms{JWKSURL: "https://a.example/x", Algorithms: []string{"ES256", "Ed25519"}},
			keys.Terms{JWKSURL: "https://a.example/x", Algorithms: []string{"ES256", "EdDSA"}}},
		{"nothing follows from nothing", "clerk", keys.Terms{}, keys.Terms{Algorithms: []string{"RS256"}}},
	} {
		p := preset(t, c.preset)
		if diff := cmp.Diff(c.want, p.Fill(c.given)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if diff := cmp.Diff(c.want, p.Fill(p.Fill(c.given))); diff != "" {
			t.Errorf("%s, filled twice: %s", c.name, diff)
		}
	}
}
