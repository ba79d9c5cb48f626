package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rowpass/keys"
)

func TestProvidersTest(t *testing.T) {
	t.Parallel()
	good, other, exposed := newFakeProvider(t), newFakeProvider(t), newFakeProvider(t)
	exposed.documents["/jwks"] = `{"keys":[` + exposed.jwk("sig", "") + `,` + strings.Replace(exposed.jwk("sig", `,"d":"AAAA"`), "k1", "k2", 1) + `]}`
	down := strings.Replace(other.block("down", ""), "/jwks", "/nothing", 1)
	both := configured(t, good.block("good", ""), other.block("other", ", tenant_claim: [org, id]"))

	succeeded := typed(t, both, "", "providers", "test")
	succeeded.says(t, 0, `good (a provider of any make), `+good.url+`/jwks: good for 5m0s`, `key      "k1"  ES256`, `skipped  "k1"  `, "other (", "!WRONG", "!EXPOSED")
	typed(t, both, "", "providers", "test", "other").says(t, 0, "other (", "!good (")
	typed(t, configured(t, good.block("good", ""), strings.Replace(down, other.url+"]", "https://x.example]", 1)), "", "providers", "test").
		says(t, 1, "good for 5m0s", "down (", "WRONG  fetching keys of provider down: ", "something is wrong with the keys of down")
	typed(t, configured(t, exposed.block("exposed", "")), "", "providers", "test").
		says(t, 1, `key      "k1"`, `EXPOSED  "k2"`, "something is wrong with the keys of exposed")
	private := strings.Replace(good.block("good", ""), "allow_private: ['"+good.host+"']", "leeway: 0s", 1)
	typed(t, configured(t, private), "", "providers", "test").says(t, 1, "WRONG", "not https")

	typed(t, both, good.token(nil), "providers", "test", "--token", "-").
		says(t, 0, `whose         ok       provider good, by its iss "`+good.url+`"`, `aud`, "The token is taken: user good|u7, tenant none, role authenticated")
	typed(t, both, "Bearer "+other.token(map[string]any{"iss": other.url, "org": map[string]any{"id": "o9"}})+"\n", "providers", "test", "other", "--token", "-").
		says(t, 0, "The token is taken: user other|u7, tenant o9, role authenticated")
	typed(t, both, other.token(nil), "providers", "test", "good", "--token", "-").
		says(t, 1, `whose         WRONG    iss "`+other.url+`"`, "rowpass providers add", "the token is refused: the token is not valid: claims: iss is neither")
	typed(t, both, good.token(map[string]any{"aud": "api", "nonce": "n"}), "providers", "test", "--token", "-").
		says(t, 1, `aud           WRONG    "api"`, `mend: if it is meant for you, add what was found to audience, which is ["app"]`, "kind: the token is not valid: claims: nonce says",
			"mend: send the access token, not the ID token", "!The token is taken")
	typed(t, both, "", "providers", "test", "--token", "-").says(t, 1, "no token came on standard input")
}

func TestTokenExplainFetchesTheKeysOfTheProvider(t *testing.T) {
	t.Parallel()
	idp, idle := newFakeProvider(t), newFakeProvider(t)
	environ := configured(t, idp.block("idp", ""), idle.block("idle", ""))
	typed(t, environ, idp.token(nil), "token", "explain").says(t, 0, `"iss": "`+idp.url+`"`, "signature     ok", "The token is taken: user idp|u7")
	if asked := idle.asked.Load(); asked != 0 {
		t.Errorf("the provider that the token doesn't name was asked %d times", asked)
	}
	stranger := newFakeProvider(t)
	typed(t, environ, stranger.token(map[string]any{"iss": idp.url}), "token", "explain").
		says(t, 1, "signature     WRONG", "mend: copy the whole token", "aud           ok", "the token is refused: the token is not valid: the signature is not that of the key")
	idp.documents = nil
	typed(t, environ, idp.token(nil), "token", "explain").says(t, 1, `key           WRONG    kid "k1"`, "mend: whether the token is good nobody can say", "!signature ",
		"the token is refused: the keys of provider idp cannot be fetched, and rowpass serve has kept none: ", "!kid names no key")
	typed(t, environ, idp.token(nil), "providers", "test", "idp", "--token", "-").says(t, 1, "  WRONG  fetching keys of provider idp", "  kept   rowpass serve has kept none",
		"the token is refused: the keys of provider idp cannot be fetched")
	anonymous := newFakeProvider(t)
	typed(t, configured(t, anonymous.block("anonymous", ", role: anonymous")), anonymous.token(nil), "token", "explain").
		says(t, 1, "role", `WRONG    "anonymous"`, "a token's role must be authenticated")
}

// TestKeptKeysCountWhileAProviderIsDown has what serve keeps in state_dir, which it goes on with.
func TestKeptKeysCountWhileAProviderIsDown(t *testing.T) {
	t.Parallel()
	idp, stranger := newFakeProvider(t), newFakeProvider(t)
	environ := configured(t, idp.block("idp", ""))
	folder := filepath.Join(strings.TrimPrefix(environ[2], "ROWPASS_STATE_DIR="), "providers")
	good := idp.token(nil)
	keep := func(ago time.Duration) (at string) {
		t.Helper()
		then := time.Now().Add(-ago)
		remote, err := keys.NewRemote(keys.RemoteConfig{
			Name: "idp", URL: idp.url + "/jwks", Allow: []string{idp.host}, Last: keys.NewLastFolder(folder), Now: func() time.Time { return then }, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := remote.Fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
		return then.UTC().Format(time.RFC3339)
	}
	at, jwks := keep(time.Hour), idp.documents["/jwks"]
	typed(t, environ, good, "token", "explain").says(t, 0, "The token is taken: user idp|u7", "!cannot be asked")

	delete(idp.documents, "/jwks")
	const goesOn = "rowpass serve goes on with those that were fetched at "
	typed(t, environ, good, "token", "explain").says(t, 0, "signature     ok", "key: provider idp cannot be asked for its keys now, and "+goesOn+at, "The token is taken: user idp|u7")
	typed(t, environ, stranger.token(map[string]any{"iss": idp.url}), "token", "explain").says(t, 1, goesOn+at, "signature     WRONG")
	typed(t, environ, good, "providers", "test", "--token", "-").says(t, 1, "  WRONG  ", "  kept   "+goesOn+at, "The token is taken: user idp|u7", "something is wrong with the keys of idp")

	idp.documents["/jwks"] = jwks
	keep(25 * time.Hour)
	delete(idp.documents, "/jwks")
	typed(t, environ, good, "token", "explain").says(t, 1, "the keys of provider idp cannot be fetched", "more than 24 hours old", "!"+goesOn)
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	typed(t, environ, good, "token", "explain").says(t, 1, "those that rowpass serve keeps cannot be read: others than we can write")
}

func TestTokenExplainWarnsOfATenantThatIsNoUUID(t *testing.T) {
	t.Parallel()
	idp := newFakeProvider(t)
	environ := configured(t, idp.block("idp", ", tenant_claim: [org]"))
	const warning = "; auth.tenant_id() is NULL: no UUID"
	typed(t, environ, idp.token(map[string]any{"org": "org_2abc"}), "token", "explain").says(t, 0, "tenant org_2abc, role authenticated"+warning+"\n")
	for _, org := range []any{nil, "A0000000-0000-4000-8000-000000000001"} {
		typed(t, environ, idp.token(map[string]any{"org": org}), "token", "explain").says(t, 0, "role authenticated\n", "!"+warning)
	}
}

// TestAKeyWithoutANameIsShownAsNone in a set and in a token's header.
func TestAKeyWithoutANameIsShownAsNone(t *testing.T) {
	t.Parallel()
	idp := newFakeProvider(t)
	idp.documents["/jwks"] = strings.ReplaceAll(idp.documents["/jwks"], `"kid":"k1",`, "")
	environ := configured(t, idp.block("idp", ""))
	typed(t, environ, "", "providers", "test").says(t, 0, "key      none  ES256", "skipped  none", `!""`)
	nameless := "eyJhbGciOiJFUzI1NiJ9." + strings.Split(idp.token(nil), ".")[1] + ".c2ln" // {"alg":"ES256"}
	typed(t, environ, nameless, "token", "explain").says(t, 1, "kid none", `!kid ""`)
}

// TestASecondListOfProvidersLosesNone: whoever pastes a block below another is told to join them.
func TestASecondListOfProvidersLosesNone(t *testing.T) {
	t.Parallel()
	idp := newFakeProvider(t)
	environ := configured(t, idp.block("one", ""), "providers:\n"+idp.block("two", ""))
	typed(t, environ, "", "providers", "list").says(t, 1, "config.yaml:3: providers: given twice, in line 1 first: put what stands below both under one, and remove the other")
}

func TestProvidersListShowsWhoseTokensAreExchanged(t *testing.T) {
	t.Parallel()
	one, two := newFakeProvider(t), newFakeProvider(t)
	environ := configured(t, one.block("one", ""), two.block("two", ", users: linked"))
	listed := typed(t, environ, "", "providers", "list")
	listed.says(t, 0, "ROLE", "USERS\n", "authenticated  none\n", "authenticated  linked\n")
}

func TestProvidersAddConfirms(t *testing.T) {
	t.Parallel()
	const keycloak, certs, document = "/realms/dev", "/realms/dev/protocol/openid-connect/certs", "/realms/dev/.well-known/openid-configuration"
	for _, tt := range []struct {
		name, paste string // behind the provider's address
		documents   map[string]string
		more        []string // arguments
		says        []string
	}{
		{"an issuer", keycloak, map[string]string{document: `{"issuer":"URL/realms/dev","jwks_uri":"URL` + certs + `"}`}, nil,
			[]string{"This looks like Keycloak", "Confirmed by the discovery document", "!Not confirmed", "!names other keys", "preset: keycloak", "allow_private:"}},
		{"a JWKS URL", certs, map[string]string{document: `{"issuer":"URL/realms/dev","jwks_uri":"URL` + certs + `"}`}, nil,
			[]string{"Confirmed by the discovery document", "!names other keys"}},
		{"keys that are elsewhere", certs, map[string]string{document: `{"issuer":"URL/realms/dev","jwks_uri":"URL/elsewhere"}`}, nil,
			[]string{"Confirmed", "jwks_url: the discovery document names other keys, at URL/elsewhere"}},
		{"another issuer", certs, map[string]string{document: `{"issuer":"https://sso.example.com/realms/dev","jwks_uri":"URL/x"}`}, nil,
			[]string{"Not confirmed", `its issuer is "https://sso.example.com/realms/dev"`, "!\nConfirmed", "preset: keycloak"}},
		{"no document", certs, nil, nil, []string{"Not confirmed: fetching discovery document", "Compare issuers with the iss of a token."}},
		{"nobody asked", certs, nil, []string{"--offline"}, []string{"Not confirmed: compare issuers and jwks_url with what the provider says."}},
		{"an unknown one, whose issuer has a slash", "/.well-known/jwks.json", map[string]string{
			"/.well-known/openid-configuration": `{"issuer":"URL/","jwks_uri":"URL/.well-known/jwks.json"}`}, nil,
			[]string{"This JWKS URL is not one that rowpass knows", "Its name is generic: choose the name now (--name)", "Confirmed", "    issuers:\n      - URL/\n    allow_private"}},
		{"an unknown one by its issuer", "/tenant", map[string]string{
			"/tenant/.well-known/openid-configuration": `{"issuer":"URL/tenant","jwks_uri":"URL/keys"}`}, nil,
			[]string{"Confirmed", "    issuer: URL/tenant\n", "Missing: audience"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeProvider(t)
			for path, text := range tt.documents {
				f.documents[path] = strings.ReplaceAll(text, "URL", f.url)
			}
			words := make([]string, len(tt.says))
			for i, word := range tt.says {
				words[i] = strings.ReplaceAll(word, "URL/", f.url+"/")
			}
			typed(t, environment(t), "", append([]string{"providers", "add", f.url + tt.paste}, tt.more...)...).says(t, 0, words...)
			if asked := f.asked.Load(); len(tt.more) > 0 && asked != 0 {
				t.Errorf("--offline asked %d times", asked)
			}
		})
	}
}
