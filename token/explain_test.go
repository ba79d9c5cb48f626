package token_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
	"rowpass/token"
)

// agrees compares Explain with what Verify said of the same token. Every token that a test tries comes by here.
func (s setup) agrees(t testing.TB, raw string, err error) {
	t.Helper()
	all := s.verifier.Explain(t.Context(), raw)
	at := slices.IndexFunc(all, func(v token.Verdict) bool { return !v.OK })
	switch {
	case at < 0 && err != nil:
		t.Errorf("Verify says %q, and Explain finds nothing wrong: %+v", token.Describe(err), all)
	case at >= 0 && (err == nil || all[at].Reason != token.Describe(err)):
		t.Errorf("Verify says %q, and Explain first %+v", token.Describe(err), all[at])
	}
	for _, v := range all {
		if v.OK != (v.Mend == "") || v.OK != (v.Reason == "") {
			t.Errorf("what is wrong has a reason and a mend, and nothing else: %+v", v)
		}
	}
}

// lines are verdicts as a person would tell them: the check's name, ! where it found fault, and what it found.
func lines(all []token.Verdict) []string {
	var out []string
	for _, v := range all {
		line := v.Check
		if !v.OK {
			line = "! " + line
		}
		if v.Found != "" {
			line += ": " + v.Found
		}
		out = append(out, line)
	}
	return out
}

func TestExplain(t *testing.T) {
	a := newAbroad(t)
	a.denied.Add(token.Denial{Kind: token.DenySubject, Value: "u9", Until: now.Add(time.Hour)})
	stranger := newForger(t)
	payload := claimsOf(t, a.token(nil, map[string]any{"aud": "api", "azp": nil, "exp": now.Unix() - 100, "iat": nil, "sub": nil, "sts": "pending", "org_id": 9, "nonce": "n", "auth_time": nil}))
	const whose = `whose: provider idp, by its iss "https://idp.example/"`
	ours := []string{"form", "whose: ours, by its kid", `alg: "ES256"`, `typ: "at+jwt"`, `key: kid "` + a.key.ID() + `"`, "signature", "claims"}
	for _, tt := range []struct {
		name, raw string
		want      []string
	}{
		{"a provider's token", a.token(nil, map[string]any{"sts": "active"}), []string{
			"form", whose, `alg: "ES256"`, `typ: "JWT"`, `key: kid "k1"`, "signature", "claims", `aud: ["other","app"]`, `azp: "web"`, "kind", "required: auth_time 1",
			`refused: sts "active"`, `tenant: org_id "o9"`, `subject: sub "u7"`, "size", "key's issuer", "times: exp 2026-11-22T09:31:00Z, iat 2026-11-22T09:30:00Z", "revoked"}},
		{"one that is wrong in everything", stranger.sign(`{"alg":"ES256","kid":"k1","typ":"logout+jwt"}`, payload), []string{
			"form", whose, `alg: "ES256"`, `! typ: "logout+jwt"`, `key: kid "k1"`, "! signature", "claims", `! aud: "api"`, "! azp: not there", "! kind", "! required: auth_time not there",
			`! refused: sts "pending"`, `! tenant: org_id 9`, `! subject: not there`, "size", "key's issuer", "! times: exp 2026-11-22T09:28:20Z", "revoked"}},
		{"an unknown key", a.token(map[string]any{"kid": "k2"}, map[string]any{"aud": "api"}), []string{
			"form", whose, `alg: "ES256"`, `typ: "JWT"`, `! key: kid "k2"`, "claims", `! aud: "api"`, `azp: "web"`, "kind", "required: auth_time 1",
			"refused", `tenant: org_id "o9"`, `subject: sub "u7"`, "size", "key's issuer", "times: exp 2026-11-22T09:31:00Z, iat 2026-11-22T09:30:00Z", "revoked"}},
		{"a shared secret", a.token(map[string]any{"alg": "HS256"}, map[string]any{"exp": nil}), []string{
			"form", whose, `! alg: "HS256"`, `typ: "JWT"`, "! claims", `aud: ["other","app"]`, `azp: "web"`, "kind", "required: auth_time 1",
			"refused", `tenant: org_id "o9"`, `subject: sub "u7"`, "size", "key's issuer", "revoked"}},
		{"claims that are none", a.idp.sign(`{"alg":"ES256","kid":"k1"}`, "x"), []string{"form", "! whose"}},
		{"nobody's", a.token(nil, map[string]any{"iss": "https://evil.example"}), []string{"form", `! whose: iss "https://evil.example"`}},
		{"no token", "x", []string{"! form"}},
		{"ours", a.withClaims(nil), append(slices.Clone(ours), `iss: "https://rowpass.example"`,
			"times: exp 2026-11-22T09:45:00Z, nbf 2026-11-22T09:30:00Z, iat 2026-11-22T09:30:00Z", "revoked", `aud: ["rowpass"]`)},
		{"ours for somebody else, of another time, and revoked", a.withClaims(map[string]any{"aud": "x", "iss": "https://old.example", "exp": 1, "nbf": nil, "sub": "u9"}),
			append(slices.Clone(ours), `! iss: "https://old.example"`, "! times: exp 1970-01-01T00:00:01Z, iat 2026-11-22T09:30:00Z", "! revoked", `! aud: ["x"]`)},
		{"ours by a key that is gone", stranger.withClaims(nil), []string{"form", "whose: ours, by its iss", `alg: "ES256"`, `typ: "at+jwt"`, `! key: kid "` + stranger.key.ID() + `"`,
			"claims", `iss: "https://rowpass.example"`, "times: exp 2026-11-22T09:45:00Z, nbf 2026-11-22T09:30:00Z, iat 2026-11-22T09:30:00Z", "revoked", `aud: ["rowpass"]`}},
		{"ours without a subject", a.withClaims(map[string]any{"sub": nil}), append(slices.Clone(ours[:6]), "! claims")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := a.verifier.Verify(t.Context(), tt.raw)
			a.agrees(t, tt.raw, err)
			if diff := cmp.Diff(tt.want, lines(a.verifier.Explain(t.Context(), tt.raw))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExplainNamesTheMend(t *testing.T) {
	a := newAbroad(t)
	for _, tt := range []struct {
		name, raw, check, mend string
	}{
		{"another audience", a.token(nil, map[string]any{"aud": "api"}), "aud", `add what was found to audience, which is ["app" "app2"]`},
		{"another application", a.token(nil, map[string]any{"azp": "cli"}), "azp", `add what was found to azp, which is ["web"]`},
		{"nobody's", a.token(nil, map[string]any{"iss": "https://new.example"}), "whose", "rowpass providers add"},
		{"another algorithm", a.token(map[string]any{"alg": "RS256"}, nil), "alg", `add it to algorithms, which is ["ES256"]`},
		{"no kid of theirs", a.token(map[string]any{"kid": "k9"}, nil), "key", "the provider has removed the key"},
		{"an ID token", a.token(nil, map[string]any{"nonce": "n"}), "kind", "send the access token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, v := range a.verifier.Explain(t.Context(), tt.raw) {
				if !v.OK && (v.Check != tt.check || !strings.Contains(v.Mend, tt.mend)) {
					t.Errorf("%+v, want %s to say %q", v, tt.check, tt.mend)
				}
			}
		})
	}
	a.published.set = keys.KeySet{}
	for _, v := range a.verifier.Explain(t.Context(), a.token(nil, nil)) {
		if v.Check == "key" && !strings.Contains(v.Mend, "no key of this provider is known: rowpass providers test idp") {
			t.Errorf("without any key: %+v", v)
		}
	}
}

// TestExplainRemembersNothing has a token that is wrong only for the time being, and one that is good.
func TestExplainRemembersNothing(t *testing.T) {
	a := newAbroad(t)
	raw := a.token(nil, nil)
	a.verifier.Explain(t.Context(), raw)
	a.published.set = keySet(t, map[string]forger{"k1": newForger(t)})
	a.try(t, []attack{{"after its key is gone", raw, "signature"}})
}

func FuzzExplain(f *testing.F) {
	a := newAbroad(f)
	for _, raw := range []string{a.token(nil, nil), a.withClaims(nil), a.token(map[string]any{"alg": "none"}, map[string]any{"exp": -1}), "..", "x"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		_, err := a.verifier.Verify(t.Context(), raw)
		all := a.verifier.Explain(t.Context(), raw)
		at := slices.IndexFunc(all, func(v token.Verdict) bool { return !v.OK })
		if (at < 0) != (err == nil) || at >= 0 && all[at].Reason != token.Describe(err) {
			t.Errorf("Verify says %v, Explain %+v", err, all)
		}
	})
}
