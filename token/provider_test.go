package token_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
	"rowpass/token"
)

const idp = "https://idp.example/"

// published is a key set as a provider publishes it. What is fetched next stands ready in later.
type published struct {
	set     keys.KeySet
	later   []keys.KeySet
	renewed int
}

func (p *published) Set() keys.KeySet { return p.set }

func (p *published) Renew(context.Context) bool {
	p.renewed++
	if len(p.later) == 0 {
		return false
	}
	p.set, p.later = p.later[0], p.later[1:]
	return true
}

// keySet publishes the forgers' keys, each under the kid behind it.
func keySet(t testing.TB, named map[string]forger) keys.KeySet {
	t.Helper()
	var jwks []string
	for kid, f := range named {
		point := must[[]byte](t)(f.private.PublicKey.Bytes())
		jwks = append(jwks, fmt.Sprintf(`{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":%q,"x":%q,"y":%q}`, kid, encode(string(point[1:33])), encode(string(point[33:]))))
	}
	return must[keys.KeySet](t)(keys.ParseKeySet([]byte(`{"keys":[` + strings.Join(jwks, ",") + `]}`)))
}

// abroad is a verifier that takes a provider's tokens beside ours.
type abroad struct {
	setup
	idp       forger
	published *published
	providers token.Providers
	denied    *token.DenyList
}

func (a *abroad) provider() token.Provider {
	return token.Provider{
		Name: "idp", Issuers: []string{idp, "idp.example"}, Audience: []string{"app", "app2"}, AuthorizedParties: []string{"web"},
		Algorithms: []string{"ES256"}, Leeway: 10 * time.Second, Role: "authenticated",
		Subject: []token.Path{{"user", "id"}, {"sub"}}, Prefix: "idp|", Tenant: []token.Path{{"https://idp.example/org", "id"}, {"org_id"}},
		Required: []token.Path{{"auth_time"}}, Refused: []token.Refused{{Claim: token.Path{"sts"}, Values: []string{"pending"}}},
		Keys: a.published,
	}
}

func newAbroad(t testing.TB, more ...token.Provider) *abroad {
	t.Helper()
	a := &abroad{setup: newSetup(t), idp: newForger(t), denied: token.NewDenyList()}
	a.published = &published{set: keySet(t, map[string]forger{"k1": a.idp})}
	a.providers = must[token.Providers](t)(token.NewProviders(append(more, a.provider())))
	a.verifier = must[*token.Verifier](t)(token.NewVerifier(token.VerifierConfig{
		Issuer: issuer, Audience: audience, Ring: a.box.ring, Now: a.clock.now, Denied: a.denied,
		Providers: func() token.Providers { return a.providers },
	}))
	return a
}

func (a *abroad) token(header, claims map[string]any) string {
	a.t.Helper()
	return a.idp.sign(edit(a.t, map[string]any{"alg": "ES256", "typ": "JWT", "kid": "k1"}, header),
		edit(a.t, map[string]any{"iss": idp, "aud": []string{"other", "app"}, "azp": "web", "sub": "u7", "auth_time": 1, "jti": "j7", "sid": "s7",
			"exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "org_id": "o9", "role": "postgres", "tenant_id": "t1"}, claims))
}

func TestAProvidersTokenBecomesClaims(t *testing.T) {
	a := newAbroad(t)
	got, err := a.verifier.Verify(t.Context(), a.token(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	want := &token.Claims{
		Issuer: idp, Subject: "idp|u7", ClientID: "web", ID: "idp|j7", SessionID: "idp|s7", Tenant: "o9", Role: "authenticated", Provider: "idp",
		Audience: []string{"other", "app"}, IssuedAt: now, Expiry: now.Add(time.Minute), GoodUntil: got.GoodUntil, KeyID: "k1",
		Identity: token.Identity{Subject: "u7"},
	}
	set := got.JSON
	got.JSON = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var said map[string]any
	if err := json.Unmarshal(set, &said); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{"rowpass_user": "idp|u7", "rowpass_tenant": "o9", "sub": "u7", "tenant_id": "t1", "role": "postgres"} {
		if said[name] != value {
			t.Errorf("%s is %v, want %v: what the token says stays, and the mapping stands beside it", name, said[name], value)
		}
	}
}

func TestWhichOfAProvidersTokensAreTaken(t *testing.T) {
	a := newAbroad(t)
	stranger := newForger(t)
	claims := func(edits map[string]any) string { return a.token(nil, edits) }
	header := func(edits map[string]any) string { return a.token(edits, nil) }
	hs256 := func() string {
		input := encode(`{"alg":"HS256","kid":"k1"}`) + "." + encode(edit(t, map[string]any{"iss": idp, "sub": "u7"}, nil))
		mac := hmac.New(sha256.New, must[[]byte](t)(a.idp.private.PublicKey.Bytes()))
		mac.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	a.try(t, []attack{
		{"as the provider makes it", claims(nil), ""},
		{"by its other issuer", claims(map[string]any{"iss": "idp.example"}), ""},
		{"of type at+jwt", header(map[string]any{"typ": "at+jwt"}), ""},
		{"without type", header(map[string]any{"typ": nil}), ""},
		{"without kid", header(map[string]any{"kid": nil}), ""},
		{"with the subject elsewhere", claims(map[string]any{"user": map[string]any{"id": "x"}, "sub": nil}), ""},
		{"without a tenant", claims(map[string]any{"org_id": nil}), ""},
		{"without iat", claims(map[string]any{"iat": nil}), ""},
		{"expired within the leeway", claims(map[string]any{"exp": now.Unix() - 9}), ""},

		{"issuer with a slash less", claims(map[string]any{"iss": strings.TrimSuffix(idp, "/")}), "iss is neither this service nor a provider"},
		{"another issuer", claims(map[string]any{"iss": "https://evil.example"}), "iss is neither this service nor a provider"},
		{"no issuer", claims(map[string]any{"iss": nil}), "iss is neither this service nor a provider"},
		{"our issuer by the provider's key", a.token(map[string]any{"typ": "at+jwt"}, map[string]any{"iss": issuer, "aud": audience, "client_id": "c"}), "kid names no key of ours"},
		{"the provider's issuer by our key", a.withClaims(map[string]any{"iss": idp}), "iss is not this service"},
		{"the provider's issuer, our kid, its key", a.token(map[string]any{"kid": a.key.ID(), "typ": "at+jwt"}, nil), "signature is not that of the key"},
		{"a stranger's key", stranger.sign(`{"alg":"ES256","kid":"k1"}`, claimsOf(t, a.token(nil, nil))), "signature is not that of the key"},
		{"an unknown kid", header(map[string]any{"kid": "k2"}), "kid names no key of provider idp"},
		{"an algorithm that it doesn't use", header(map[string]any{"alg": "RS256"}), "alg is none that provider idp signs with"},
		{"HS256 with the public key", hs256(), "alg is not one of"},
		{"no algorithm", header(map[string]any{"alg": "none"}), "alg is not one of"},
		{"a logout token", header(map[string]any{"typ": "logout+jwt"}), "typ says that this is no access token"},
		{"another audience", claims(map[string]any{"aud": "api"}), "aud is none that tokens of provider idp are taken for"},
		{"no audience", claims(map[string]any{"aud": nil}), "aud is none"},
		{"an audience that is no text", claims(map[string]any{"aud": []any{"app", 1}}), "aud is neither"},
		{"a client_id for an audience", claims(map[string]any{"aud": nil, "client_id": "app"}), "aud is none"},
		{"another application", claims(map[string]any{"azp": "cli"}), "azp is no application"},
		{"no application", claims(map[string]any{"azp": nil}), "azp is no application"},
		{"an ID token by its nonce", claims(map[string]any{"nonce": "n"}), "this is an ID token"},
		{"an ID token by its at_hash", claims(map[string]any{"at_hash": "h"}), "this is an ID token"},
		{"a required claim left out", claims(map[string]any{"auth_time": nil}), "auth_time is missing"},
		{"a required claim that is null", claims(map[string]any{"auth_time": raw("null")}), "auth_time is missing"},
		{"a refused value", claims(map[string]any{"sts": "pending"}), "tokens with this sts are not taken"},
		{"a refused value among others", claims(map[string]any{"sts": []string{"active", "pending"}}), "tokens with this sts are not taken"},
		{"a tenant that is an object", claims(map[string]any{"org_id": map[string]any{"id": "o9"}}), "the tenant is not a string"},
		{"a tenant that is a number", claims(map[string]any{"org_id": 9}), "the tenant is not a string"},
		{"no subject", claims(map[string]any{"sub": nil}), "the subject is missing"},
		{"an empty subject", claims(map[string]any{"sub": ""}), "the subject is missing"},
		{"a subject that is a number", claims(map[string]any{"sub": 7}), "the subject is missing, empty or not a string"},
		{"a user that it maps itself", claims(map[string]any{"rowpass_user": "x"}), "rowpass_user is not a token's to say"},
		{"a tenant that it maps itself", claims(map[string]any{"rowpass_tenant": "x"}), "rowpass_tenant is not a token's to say"},
		{"no expiry", claims(map[string]any{"exp": nil}), "exp is missing"},
		{"expired", claims(map[string]any{"exp": now.Unix() - 11}), "expired"},
		{"from the future", claims(map[string]any{"nbf": now.Unix() + 11}), "not valid yet"},
		{"a claim given twice", a.idp.sign(`{"alg":"ES256","kid":"k1"}`, `{"sub":"a",`+claimsOf(t, a.token(nil, nil))[1:]), "claims: a name stands in it twice"},
	})
}

// claimsOf is the payload of a token, as text.
func claimsOf(t testing.TB, raw string) string {
	t.Helper()
	return string(must[[]byte](t)(base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])))
}

func TestOneProvidersKeyIsNotAnothers(t *testing.T) {
	other := newForger(t)
	second := token.Provider{
		Name: "other", Issuers: []string{"https://other.example"}, Algorithms: []string{"ES256"}, Role: "authenticated",
		Subject: []token.Path{{"sub"}}, Prefix: "other|", Keys: &published{set: keySet(t, map[string]forger{"k1": other})},
	}
	a := newAbroad(t, second)
	payload := claimsOf(t, a.token(nil, nil))
	a.try(t, []attack{
		{"signed by the other", other.sign(`{"alg":"ES256","kid":"k1"}`, payload), "signature is not that of the key"},
		{"naming the other", a.token(nil, map[string]any{"iss": "https://other.example"}), "signature is not that of the key"},
		{"the other's own", other.sign(`{"alg":"ES256","kid":"k1"}`, edit(t, map[string]any{"iss": "https://other.example", "sub": "u7", "exp": now.Unix() + 60}, nil)), ""},
	})
}

// TestWhatWasVerifiedStopsAtOnce takes the ground away under a verification that is remembered.
func TestWhatWasVerifiedStopsAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		take func(*abroad)
		says string
	}{
		{"the provider is removed", func(a *abroad) { a.providers = token.Providers{} }, "iss is neither"},
		{"the provider is configured anew, for another audience", func(a *abroad) {
			p := a.provider()
			p.Audience = []string{"elsewhere"}
			a.providers = must[token.Providers](a.t)(token.NewProviders([]token.Provider{p}))
		}, "aud is none"},
		{"its key is gone", func(a *abroad) { a.published.set = keySet(a.t, map[string]forger{"k2": a.idp}) }, "kid names no key"},
		{"its kid has another key", func(a *abroad) { a.published.set = keySet(a.t, map[string]forger{"k1": newForger(a.t)}) }, "signature"},
		{"the user is denied", func(a *abroad) {
			a.denied.Add(token.Denial{Kind: token.DenySubject, Value: "idp|u7", IssuedBefore: now, Until: now.Add(time.Hour)})
		}, "revoked"},
		{"time passes", func(a *abroad) { a.clock.set(now.Add(71 * time.Second)) }, "expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAbroad(t)
			raw := a.token(nil, nil)
			a.try(t, []attack{{"before", raw, ""}})
			tt.take(a)
			a.try(t, []attack{{"after", raw, tt.says}})
		})
	}
}

func TestAProvidersNewKeyIsLookedFor(t *testing.T) {
	t.Run("under a new kid", func(t *testing.T) {
		a := newAbroad(t)
		a.published.later = []keys.KeySet{keySet(t, map[string]forger{"k1": a.idp, "k2": a.idp})}
		a.try(t, []attack{{"signed by it", a.token(map[string]any{"kid": "k2"}, nil), ""}})
	})
	t.Run("under the same kid", func(t *testing.T) {
		a := newAbroad(t)
		replaced := newForger(t)
		a.published.later = []keys.KeySet{keySet(t, map[string]forger{"k1": replaced})}
		a.try(t, []attack{{"signed by it", replaced.sign(`{"alg":"ES256","kid":"k1"}`, claimsOf(t, a.token(nil, nil))), ""}})
	})
	t.Run("and not for a token that is good", func(t *testing.T) {
		a := newAbroad(t)
		a.try(t, []attack{{"good", a.token(nil, nil), ""}, {"not for us", a.token(nil, map[string]any{"aud": "x"}), "aud is none"}})
		if a.published.renewed != 0 {
			t.Errorf("%d fetches", a.published.renewed)
		}
	})
}

// TestAKeySaysWhomItSignsFor is about key sets like Microsoft's, which have keys of several tenants.
func TestAKeySaysWhomItSignsFor(t *testing.T) {
	const tenant, other = "72f988bf-86f1-41af-91ab-2d7cd011db47", "11111111-86f1-41af-91ab-2d7cd011db47"
	v1, v2 := func(id string) string { return "https://sts.windows.net/" + id + "/" }, func(id string) string { return "https://login.microsoftonline.com/" + id + "/v2.0" }
	const refused = "the key is another issuer's than the token"
	for _, tt := range []struct{ name, key, issuer, says string }{
		{"the token's own issuer", v2(tenant), v2(tenant), ""},
		{"the same tenant, in a token of the first version", v2(tenant), v1(tenant), ""},
		{"every tenant", v2("{tenantid}"), v2(tenant), ""},
		{"every tenant, in a token of the first version", v2("{tenantid}"), v1(tenant), ""},
		{"nobody in particular", "", v2(tenant), ""},
		{"another tenant", v2(other), v2(tenant), refused},
		{"another tenant, in a token of the first version", v2(other), v1(tenant), refused},
		{"another issuer", "https://login.example.com", v2(tenant), refused},
		{"every tenant, for an issuer without one", v2("{tenantid}"), idp, refused},
		{"another issuer, for one without a tenant", "https://login.example.com", idp, refused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAbroad(t)
			p := a.provider()
			p.Issuers = []string{idp, v1(tenant), v2(tenant), v1(other), v2(other)}
			point := must[[]byte](t)(a.idp.private.PublicKey.Bytes())
			a.published.set = must[keys.KeySet](t)(keys.ParseKeySet(fmt.Appendf(nil, `{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","issuer":%q,"x":%q,"y":%q}]}`,
				tt.key, encode(string(point[1:33])), encode(string(point[33:])))))
			a.providers = must[token.Providers](t)(token.NewProviders([]token.Provider{p}))
			a.try(t, []attack{{"signed by it", a.token(nil, map[string]any{"iss": tt.issuer}), tt.says}})
		})
	}
}

func TestProvidersThatCannotBe(t *testing.T) {
	a := newAbroad(t)
	for _, tt := range []struct {
		name string
		edit func(*token.Provider)
		want string
	}{
		{"one issuer for two", func(p *token.Provider) { p.Name = "twin" }, `provider idp: issuer "https://idp.example/" belongs to provider twin`},
		{"no issuer", func(p *token.Provider) { p.Issuers = nil }, "provider idp: an issuer is missing"},
		{"no algorithm", func(p *token.Provider) { p.Algorithms = nil }, "provider idp: an algorithm is missing"},
		{"a symmetric algorithm", func(p *token.Provider) { p.Algorithms = []string{"HS256"} }, `provider idp: algorithm "HS256" is not one of`},
		{"no role", func(p *token.Provider) { p.Role = "" }, "provider idp: each of Subject, Keys and Role"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := a.provider()
			tt.edit(&p)
			list := []token.Provider{p}
			if p.Name != "idp" {
				list = append(list, a.provider())
			}
			if _, err := token.NewProviders(list); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}
