package keys_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

// noSignature is that of every sample: nobody looks at it, and nothing of it may come out.
const noSignature = "dGhpcy1zaWduYXR1cmUtaXMtbm9uZS1hbmQtbXVzdC1uZXZlci1iZS1zZWVu"

// claims are one token's, with what is the same for all left out.
type claims map[string]any

// sampleToken is a token as header and claims say, signed by nobody.
func sampleToken(t testing.TB, header, payload claims) string {
	t.Helper()
	all := claims{"iat": 1790000000, "exp": 1790000300, "jti": "4b1c", "email": "ann@acme.example"}
	for name, value := range payload {
		all[name] = value
	}
	return b64(must[[]byte](t)(json.Marshal(header))) + "." + b64(must[[]byte](t)(json.Marshal(all))) + "." + noSignature
}

func (s sampleOf) token(t testing.TB) string {
	header := claims{"alg": s.alg, "typ": "JWT"}
	if s.kid != "" {
		header["kid"] = s.kid
	}
	return sampleToken(t, header, s.claims)
}

func keysOf(sentences []string) []string {
	var all []string
	for _, s := range sentences {
		key, _, _ := strings.Cut(s, ": ")
		all = append(all, key)
	}
	return all
}

func TestRecogniseAToken(t *testing.T) {
	for _, s := range samples() {
		r := recognised(t, s.token(t))
		if r.Preset.ID != s.preset || r.Sure != s.sure || r.From != keys.FromToken {
			t.Errorf("%s is %s, sure %v, from %s", s.name, r.Preset.ID, r.Sure, r.From)
		}
		if s.want.Algorithms == nil {
			s.want.Algorithms = r.Preset.Algorithms
		}
		if diff := cmp.Diff(s.want, r.Terms()); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
		if got := missingKeys(r); !slices.Equal(got, s.missing) {
			t.Errorf("%s misses %q", s.name, r.Missing)
		}
		if got := keysOf(r.Hints); !slices.Equal(got, s.hints) {
			t.Errorf("%s has hints %q", s.name, r.Hints)
		}
		if !slices.Contains(r.Issuers, s.claims["iss"].(string)) {
			t.Errorf("%s: its own iss is not among the issuers %q", s.name, r.Issuers)
		}
		readBack(t, r, "")
	}
}

func TestNothingOfATokenButItsIssuerAndAudienceComesOut(t *testing.T) {
	for _, s := range samples() {
		token := s.token(t)
		r := recognised(t, "Bearer "+token)
		all := r.Block("") + string(must[[]byte](t)(json.Marshal(r)))
		for _, part := range append(strings.Split(token, "."), "ann@acme.example", "1790000000", "4b1c") {
			if strings.Contains(all, part) {
				t.Errorf("%s: %s came out", s.name, part)
			}
		}
	}
}

func TestATokenOfALookAlikeIsNobodys(t *testing.T) {
	for _, iss := range []string{
		"https://sacred-mule-12.clerk.accounts.dev.evil.example", "https://clerk.accounts.dev.evil.example", "https://dev-abc123.us.auth0.com.evil.example/",
		"https://dev-abc123.us.auth0.com:8443/", "https://auth.auth0.com.evil.example", "https://xn--clrk-8oa.example", "https://sso.accounts.google.com.evil.example/realms/x",
		"stytch.com.evil.example/project-test-" + projectID, "accounts.google.com.evil.example", "https://evil.example/accounts.google.com", "P2abcdefghijklmnopqrstuvwxyz/x",
	} {
		payload := claims{"iss": iss, "sub": "user_1", "sid": "sess_1", "user_id": "1", "org_member_info": claims{}, "gty": "client-credentials"}
		r := recognised(t, sampleToken(t, claims{"alg": "RS256"}, payload))
		if r.Preset.ID != "generic" || r.Sure || !slices.Equal(r.Issuers, []string{iss}) {
			t.Errorf("%s is taken for %s with %q, sure %v", iss, r.Preset.Name, r.Issuers, r.Sure)
		}
	}
}

func TestATokenIsRefused(t *testing.T) {
	good := claims{"iss": "https://id.example.org", "aud": "x"}
	text := sampleToken(t, claims{"alg": "ES256"}, good)
	parts := strings.Split(text, ".")
	for _, c := range []struct{ name, paste, words string }{
		{"a shared secret", sampleToken(t, claims{"alg": "HS256"}, good), "whoever can verify it can forge it"},
		{"no signature", sampleToken(t, claims{"alg": "none"}, good), "not signed"},
		{"no algorithm", sampleToken(t, claims{"typ": "JWT"}, good), "not signed"},
		{"an algorithm that is no text", sampleToken(t, claims{"alg": 1}, good), "not signed"},
		{"an algorithm that nobody has", sampleToken(t, claims{"alg": "ES256K"}, good), "is none of ES256"},
		{"an encrypted one", parts[0] + ".a.b.c.d", "encrypted"},
		{"half of one", parts[0] + "." + parts[1], "three parts"},
		{"a payload that is none", parts[0] + ".bm90aGluZw." + parts[2], "second part"},
		{"a payload with more behind", parts[0] + "." + b64([]byte(`{"iss":"x"}{}`)) + "." + parts[2], "second part"},
		{"a payload that is an array", parts[0] + "." + b64([]byte(`[{"iss":"x"}]`)) + "." + parts[2], "second part"},
		{"no issuer", sampleToken(t, claims{"alg": "ES256"}, claims{"aud": "x"}), "no iss"},
		{"an issuer that is no text", sampleToken(t, claims{"alg": "ES256"}, claims{"iss": []string{"x"}}), "no iss"},
		{"an issuer that paints the terminal", sampleToken(t, claims{"alg": "ES256"}, claims{"iss": "x\x1b[2J"}), "cannot be seen"},
		{"an issuer that is too long", sampleToken(t, claims{"alg": "ES256"}, claims{"iss": strings.Repeat("x", 2000)}), "too long"},
		{"an issuer with a user name", sampleToken(t, claims{"alg": "ES256"}, claims{"iss": "https://auth0.com@evil.example/"}), "before an @"},
		{"a session cookie of Firebase", sampleToken(t, claims{"alg": "RS256"}, claims{"iss": "https://session.firebase.google.com/p"}), "session cookie"},
		{"an API key of Supabase", sampleToken(t, claims{"alg": "HS256"}, claims{"iss": "supabase", "role": "service_role"}), "API keys"},
		{"a token for Graph", sampleToken(t, claims{"alg": "RS256", "nonce": "x"}, claims{"iss": "https://sts.windows.net/" + tenantID + "/"}), "Microsoft Graph"},
	} {
		r, err := keys.Recognise(c.paste)
		if err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s is %s with %v, want an error with %q", c.name, r.Preset.ID, err, c.words)
		}
		if err != nil && (strings.Contains(err.Error(), noSignature) || strings.Contains(err.Error(), "example")) {
			t.Errorf("%s: the error quotes the token: %v", c.name, err)
		}
	}
}

func TestOddAudiencesAreLeftOut(t *testing.T) {
	many := []string{"", "two words", "a*", strings.Repeat("x", 2000), "good"}
	for range 100 {
		many = append(many, "more")
	}
	r := recognised(t, sampleToken(t, claims{"alg": "ES256"}, claims{"iss": "https://id.example.org", "aud": many}))
	if len(r.Audience) > 20 || r.Audience[0] != "good" {
		t.Errorf("the audience is %.100q", r.Audience)
	}
	r = recognised(t, sampleToken(t, claims{"alg": "ES256"}, claims{"iss": "https://id.example.org", "aud": claims{"x": 1}}))
	if len(r.Audience) > 0 || !slices.Equal(missingKeys(r), []string{"audience"}) {
		t.Errorf("the audience is %q", r.Audience)
	}
	r = recognised(t, sampleToken(t, claims{"alg": "RS256"}, claims{"iss": "https://sts.windows.net/" + tenantID + "/", "aud": "https://graph.microsoft.com"}))
	if len(r.Audience) > 0 {
		t.Errorf("the audience is %q, which is Graph", r.Audience)
	}
}

func TestAnOddPartyIsLeftOut(t *testing.T) {
	for _, azp := range []any{"", "two words", "x\x1b[2J", "https://a.example\n- name: evil", []string{"a", "b"}, 1, claims{}} {
		r := recognised(t, sampleToken(t, claims{"alg": "RS256"}, claims{"iss": "https://sacred-mule-12.clerk.accounts.dev", "azp": azp}))
		if len(r.AuthorizedParties) > 0 {
			t.Errorf("azp %q became %q", azp, r.AuthorizedParties)
		}
	}
}

func FuzzRecogniseToken(f *testing.F) {
	for _, s := range samples() {
		parts := strings.Split(s.token(f), ".")
		f.Add([]byte(must[[]byte](f)(json.Marshal(claims{"alg": s.alg, "kid": s.kid}))), []byte(must[[]byte](f)(json.Marshal(s.claims))), parts[2])
	}
	f.Fuzz(func(t *testing.T, header, payload []byte, end string) {
		token := b64(header) + "." + b64(payload) + "." + end
		r, err := keys.Recognise(token)
		if err != nil {
			if strings.Contains(err.Error(), token) {
				t.Errorf("the error quotes the token: %v", err)
			}
			return
		}
		holdsTogether(t, r)
		if strings.Contains(r.Block(""), token) {
			t.Error("the token is in the block")
		}
	})
}

func FuzzRecogniseClaims(f *testing.F) {
	for _, s := range samples() {
		aud, _ := s.claims["aud"].(string)
		azp, _ := s.claims["azp"].(string)
		f.Add(s.claims["iss"].(string), aud, azp, s.alg)
	}
	f.Add("x\x1b[2J", "y\n- name: evil", "*", "Ed25519")
	f.Fuzz(func(t *testing.T, iss, aud, azp, alg string) {
		r, err := keys.Recognise(sampleToken(t, claims{"alg": alg}, claims{"iss": iss, "aud": aud, "azp": azp, "client_id": aud, "sub": "user_1", "sid": azp}))
		if err != nil {
			return
		}
		holdsTogether(t, r)
		if !slices.Contains(r.Issuers, iss) {
			t.Errorf("%q is not among %q", iss, r.Issuers)
		}
		for _, text := range slices.Concat(r.Issuers, r.Audience, r.AuthorizedParties) {
			if strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
				t.Errorf("%q goes into a configuration", text)
			}
		}
	})
}
