package keys_test

import (
	"slices"
	"strings"
	"testing"

	"rowpass/keys"
)

const (
	googleKeys   = "https://www.googleapis.com/oauth2/v3/certs"
	firebaseKeys = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"
	commonKeys   = "https://login.microsoftonline.com/common/discovery/v2.0/keys"
	clerkKeys    = "https://sacred-mule-12.clerk.accounts.dev/.well-known/jwks.json"
	tenantID     = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	projectID    = "0a1b2c3d-0000-4000-8000-000000000001"
)

// problem wants exactly one, for key and with each of the words.
func problem(t testing.TB, name string, all []string, key string, words ...string) {
	t.Helper()
	if len(all) != 1 || !strings.HasPrefix(all[0], key+": ") {
		t.Errorf("%s: want one problem with %s, got %q", name, key, all)
		return
	}
	for _, word := range words {
		if !strings.Contains(all[0], word) {
			t.Errorf("%s: %q does not say %q", name, all[0], word)
		}
	}
}

func TestCheckRefuses(t *testing.T) {
	for _, c := range []struct {
		name, preset string
		terms        keys.Terms
		key          string
		words        []string
	}{
		{"Firebase without the project", "firebase", keys.Terms{JWKSURL: firebaseKeys}, "audience", []string{"one set of keys signs for everybody", "project ID"}},
		{"Firebase with an issuer and no project", "firebase",
			keys.Terms{JWKSURL: firebaseKeys, Issuers: []string{"https://securetoken.google.com/p"}}, "audience", []string{"one set of keys signs for everybody"}},
		{"Google without the client", "google", keys.Terms{JWKSURL: googleKeys}, "audience", []string{"one set of keys signs for everybody", "OAuth client ID"}},
		{"Entra common without tenants", "entra", keys.Terms{JWKSURL: commonKeys, Audience: []string{"api://x"}}, "tenants", []string{"every tenant", "tid"}},
		{"Entra organizations without tenants", "entra",
			keys.Terms{JWKSURL: "https://login.microsoftonline.com/organizations/discovery/v2.0/keys", Audience: []string{"api://x"}}, "tenants", []string{"organizations"}},
		{"Entra v1 common without tenants", "entra",
			keys.Terms{JWKSURL: "https://login.microsoftonline.com/common/discovery/keys", Audience: []string{"api://x"}}, "tenants", nil},
		{"Entra common by discovery without tenants", "entra",
			keys.Terms{Issuer: "https://login.microsoftonline.com/common/v2.0", Audience: []string{"api://x"}}, "tenants", nil},
		{"Entra common in capitals without tenants", "entra",
			keys.Terms{JWKSURL: "https://LOGIN.microsoftonline.com:443/common/discovery/v2.0/keys/", Audience: []string{"api://x"}}, "tenants", nil},
		{"Entra with issuers in place of tenants", "entra",
			keys.Terms{JWKSURL: commonKeys, Audience: []string{"api://x"}, Issuers: []string{"https://sts.windows.net/" + tenantID + "/"}}, "tenants", nil},
		{"Entra with a tenant's domain", "entra", keys.Terms{JWKSURL: commonKeys, Audience: []string{"api://x"}, Tenants: []string{"contoso.com"}},
			"tenants", []string{"contoso.com", "tid"}},
		{"one Entra tenant without an audience", "entra",
			keys.Terms{JWKSURL: "https://login.microsoftonline.com/" + tenantID + "/discovery/v2.0/keys"}, "audience", []string{"Application (client) ID"}},
		{"Cognito without an app client", "cognito",
			keys.Terms{JWKSURL: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC/.well-known/jwks.json"}, "audience", []string{"client_id", "every application"}},
		{"Auth0 without an API", "auth0", keys.Terms{Issuer: "https://a.us.auth0.com/"}, "audience", []string{"identifier of your API"}},
		{"a provider of any make without an audience", "generic", keys.Terms{Issuer: "https://id.example.org"}, "audience", []string{"another service"}},
		{"no address", "clerk", keys.Terms{Issuers: []string{"https://x.example"}}, "jwks_url", []string{"https://<fapi>/.well-known/jwks.json"}},
		{"no address of a provider of any make", "generic", keys.Terms{Issuers: []string{"x"}, Audience: []string{"y"}}, "jwks_url", []string{"issuer"}},
		{"an issuer from which nothing can be discovered", "generic", keys.Terms{Issuer: "my-company", Audience: []string{"y"}}, "jwks_url", nil},
		{"an issuer with no discovery document", "neon-auth", keys.Terms{Issuer: "https://ep-x-1.neon.tech"}, "jwks_url", []string{"https://ep-x-1.neon.tech/<database>/auth"}},
		{"no issuer", "generic", keys.Terms{JWKSURL: "https://id.example.org/keys", Audience: []string{"x"}}, "issuers", []string{"exactly"}},
		{"no issuer of a preset that knows its form", "auth0", keys.Terms{JWKSURL: "https://login.example.com/.well-known/jwks.json", Audience: []string{"x"}},
			"issuers", []string{"as a rule https://<host>/"}},
		{"an issuer that is blank", "workos", keys.Terms{JWKSURL: "https://id.example.org/keys", Issuers: []string{" "}}, "issuers", []string{"empty"}},
		{"an audience that is empty", "google", keys.Terms{Audience: []string{""}}, "audience", []string{"empty"}},
		{"an audience for all", "google", keys.Terms{Audience: []string{"*"}}, "audience", []string{"nothing here is a pattern"}},
		{"an azp for all", "clerk", keys.Terms{JWKSURL: clerkKeys, AuthorizedParties: []string{"https://*.example.com"}}, "azp", []string{"nothing here is a pattern"}},
		{"HS256", "clerk", keys.Terms{JWKSURL: clerkKeys, Algorithms: []string{"RS256", "HS256"}}, "algorithms", []string{"secret"}},
		{"none", "clerk", keys.Terms{JWKSURL: clerkKeys, Algorithms: []string{"none"}}, "algorithms", []string{"none"}},
		{"Google's keys under another preset", "propelauth", keys.Terms{JWKSURL: googleKeys, Issuers: []string{"https://accounts.google.com"}, Audience: []string{"x"}},
			"preset", []string{"write preset: google"}},
		{"Google's keys as those of anybody", "generic", keys.Terms{JWKSURL: googleKeys, Issuers: []string{"https://accounts.google.com"}, Audience: []string{"x"}},
			"preset", []string{"write preset: google"}},
		{"Google's keys at an address that no preset has", "propelauth",
			keys.Terms{JWKSURL: googleKeys + "?x=1", Issuers: []string{"https://accounts.google.com"}}, "audience", nil},
		{"the key set of B2B for consumers", "stytch",
			keys.Terms{JWKSURL: "https://live.stytch.com/v1/b2b/sessions/jwks/project-live-" + projectID, Audience: []string{"x"}, Issuers: []string{"x"}},
			"preset", []string{"write preset: stytch-b2b"}},
		{"somebody else's issuer", "keycloak", keys.Terms{Issuer: "https://a.us.auth0.com/", Audience: []string{"x"}}, "preset", []string{"issuer is one of Auth0"}},
		{"anonymous users as users", "stack-auth",
			keys.Terms{Issuer: "https://api.stack-auth.com/api/v1/projects-anonymous-users/" + projectID, Role: "authenticated"}, "role", []string{"role: anonymous"}},
		{"anonymous users among users", "stack-auth",
			keys.Terms{JWKSURL: "https://api.stack-auth.com/api/v1/projects/" + projectID + "/.well-known/jwks.json", Issuers: []string{
				"https://api.stack-auth.com/api/v1/projects/" + projectID, "https://api.stack-auth.com/api/v1/projects-restricted-users/" + projectID}},
			"role", []string{"have not signed in"}},
	} {
		problem(t, c.name, preset(t, c.preset).Check(c.terms), c.key, c.words...)
	}
}

func TestCheckTakes(t *testing.T) {
	for _, c := range []struct {
		name, preset string
		terms        keys.Terms
	}{
		{"Firebase with its project", "firebase", keys.Terms{Audience: []string{"my-project"}}},
		{"Google with its client", "google", keys.Terms{Audience: []string{"1.apps.googleusercontent.com"}}},
		{"Google with the domains of Workspace", "google", keys.Terms{Audience: []string{"1.apps.googleusercontent.com"}, Tenants: []string{"acme.example"}}},
		{"Entra common with tenants", "entra", keys.Terms{JWKSURL: commonKeys, Audience: []string{"api://x"}, Tenants: []string{tenantID}}},
		{"one Entra tenant", "entra", keys.Terms{JWKSURL: "https://login.microsoftonline.com/" + tenantID + "/discovery/keys", Audience: []string{"api://x"}}},
		{"an Entra issuer", "entra", keys.Terms{Issuer: "https://sts.windows.net/" + tenantID + "/", Audience: []string{"api://x"}}},
		{"Clerk, which has no aud", "clerk", keys.Terms{JWKSURL: clerkKeys}},
		{"the guide's own Stytch project", "stytch", keys.Terms{JWKSURL: "https://test.stytch.com/v1/sessions/jwks/my-awesome-project"}},
		{"Stytch B2B by its issuer", "stytch-b2b", keys.Terms{Issuer: "stytch.com/project-test-" + projectID}},
		{"Supabase", "supabase", keys.Terms{JWKSURL: "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json"}},
		{"WorkOS, which has no aud", "workos", keys.Terms{JWKSURL: "https://api.workos.com/sso/jwks/client_01ABCDEF"}},
		{"Keycloak without an audience, which Advise speaks of", "keycloak", keys.Terms{Issuer: "https://sso.example.com/realms/acme"}},
		{"Ed25519 for EdDSA", "better-auth", keys.Terms{JWKSURL: "https://a.example/api/auth/jwks", Algorithms: []string{"Ed25519"}}},
		{"another vendor's keys that are no shared ones", "generic",
			keys.Terms{JWKSURL: clerkKeys, Issuers: []string{"https://x.example"}, Audience: []string{"y"}}},
		{"anonymous users as anonymous", "stack-auth", keys.Terms{Issuer: "https://api.stack-auth.com/api/v1/projects-anonymous-users/" + projectID, Role: "anonymous"}},
		{"Auth0 on a host of one's own", "auth0", keys.Terms{Issuer: "https://login.example.com/", Audience: []string{"https://api.example.com"}}},
		{"a preset that nobody knows is the generic one", "", keys.Terms{Issuer: "https://id.example.org", Audience: []string{"x"}}},
	} {
		p, _ := keys.PresetByID(c.preset)
		if all := p.Check(c.terms); len(all) > 0 {
			t.Errorf("%s: %q", c.name, all)
		}
	}
}

func TestAdvise(t *testing.T) {
	const realm = "https://sso.example.com/realms/acme"
	for _, c := range []struct {
		name, preset string
		terms        keys.Terms
		want         []string // keys
	}{
		{"Keycloak for every client", "keycloak", keys.Terms{Issuer: realm}, []string{"audience"}},
		{"Keycloak for one client", "keycloak", keys.Terms{Issuer: realm, AuthorizedParties: []string{"web"}}, nil},
		{"Keycloak for one audience", "keycloak", keys.Terms{Issuer: realm, Audience: []string{"api"}}, nil},
		{"Clerk for every front end", "clerk", keys.Terms{JWKSURL: clerkKeys}, []string{"azp"}},
		{"Clerk with more leeway than life", "clerk", keys.Terms{JWKSURL: clerkKeys, AuthorizedParties: []string{"https://a.example"}, LeewaySeconds: 60}, []string{"leeway"}},
		{"Clerk as it should be", "clerk", keys.Terms{JWKSURL: clerkKeys, AuthorizedParties: []string{"https://a.example"}, LeewaySeconds: 5}, nil},
		{"Google", "google", keys.Terms{Audience: []string{"x"}, LeewaySeconds: 60}, nil},
	} {
		var got []string
		for _, sentence := range preset(t, c.preset).Advise(c.terms) {
			key, _, _ := strings.Cut(sentence, ": ")
			got = append(got, key)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
