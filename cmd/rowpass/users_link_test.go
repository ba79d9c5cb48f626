package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestALinkLetsAProvidersTokenBeExchanged plays it at the command line and over HTTP.
func TestALinkLetsAProvidersTokenBeExchanged(t *testing.T) {
	t.Parallel()
	idp := newFakeProvider(t)
	environ, _ := withProviders(t, idp.block("idp", ", users: linked"), strings.ReplaceAll(idp.block("other", ""), "["+idp.url+"]", "[other]"))
	p := serve(t, environ)
	exchange := func() (status int, answer map[string]any) {
		t.Helper()
		resp, err := http.PostForm("http://"+p.api+"/api/token", url.Values{
			"grant_type":    {"urn:ietf:params:oauth:grant-type:token-exchange"},
			"subject_token": {idp.token(nil)}, "subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		return resp.StatusCode, answer
	}
	link := func(command, user string, more ...string) ending {
		return typed(t, environ, "", append([]string{"users", command, user, "--subject", "u7"}, more...)...)
	}
	if status, answer := exchange(); status != 400 || !strings.Contains(answer["error_description"].(string), "no user of ours") {
		t.Errorf("without a link: %d %v", status, answer)
	}
	link("link", "member@acme.example", "--provider", "idp").says(t, 0, "u7 of idp is member@acme.example (a0000000-0000-4000-8000-00000000000b), of tenant a0000000-0000-4000-8000-000000000001\n")
	link("link", "member@acme.example", "--provider", "idp").says(t, 0, "u7 of idp is member@acme.example")
	status, answer := exchange()
	if status != 200 {
		t.Fatalf("with a link: %d %v", status, answer)
	}
	raw := answer["access_token"].(string)
	typed(t, environ, raw, "token", "explain").says(t, 0, `"tenant_id": "a0000000-0000-4000-8000-000000000001"`, "user a0000000-0000-4000-8000-00000000000b")
	typed(t, environ, "", "users", "links").says(t, 0, "PROVIDER", "idp", "u7", "member@acme.example")

	for name, tt := range map[string]struct {
		command, user string
		more          []string
		says          string
	}{
		"a provider that isn't there":               {"link", "member@acme.example", []string{"--provider", "nope"}, `there is no provider "nope" in the configuration; rowpass providers list shows them`},
		"a provider that doesn't link":              {"link", "member@acme.example", []string{"--provider", "other"}, "set users to linked or email in its block"},
		"a user that isn't there":                   {"link", "nobody@acme.example", []string{"--provider", "idp"}, `there is no user "nobody@acme.example"`},
		"a user of a tenant in which it is another": {"link", "admin@acme.example", []string{"--provider", "idp"}, "u7 of idp is somebody else in tenant a0000000-0000-4000-8000-000000000001 already"},
		"no subject":                         {"link", "member@acme.example", []string{"--provider", "idp", "--subject", ""}, "--subject is empty"},
		"auth.user_id() for a subject":       {"link", "member@acme.example", []string{"--provider", "idp", "--subject", "idp|user_2abc"}, `--subject "idp|user_2abc": this is auth.user_id(); give the bare sub: user_2abc`},
		"a subject with a space behind it":   {"link", "member@acme.example", []string{"--provider", "idp", "--subject", "u7 "}, `--subject "u7 ": there is a space before or behind it`},
		"auth.user_id() of Auth0":            {"link", "member@acme.example", []string{"--provider", "auth0", "--subject", "auth0|google-oauth2|11"}, "give the bare sub: google-oauth2|11"},
		"a sub of Auth0, which begins alike": {"link", "member@acme.example", []string{"--provider", "auth0", "--subject", "auth0|64ab"}, `there is no provider "auth0" in the configuration`},
		"a tenant by its name":               {"link", "member@acme.example", []string{"--provider", "idp", "--tenant", "Acme"}, "the tenant's id is needed"},
		"a link that isn't there taken back": {"unlink", "admin@acme.example", []string{"--provider", "idp"}, "is not linked with a0000000-0000-4000-8000-00000000000a; rowpass users links shows who is"},
	} {
		t.Run(name, func(t *testing.T) { link(tt.command, tt.user, tt.more...).says(t, 1, tt.says) })
	}

	typed(t, environ, "", "token", "revoke", "--user", "idp|u7").says(t, 0, "void: every token of idp|u7 issued until now")
	typed(t, environ, raw, "token", "explain").says(t, 1, "revoked")
	link("unlink", "member@acme.example", "--provider", "idp").says(t, 0, "u7 of idp is member@acme.example no more")
	if status, _ := exchange(); status != 400 {
		t.Errorf("with the link taken back: %d", status)
	}
	typed(t, environ, raw, "token", "explain").says(t, 1, "revoked")
	typed(t, environ, "", "audit", "--event", "unlink").says(t, 0, "u7 of idp")
}
