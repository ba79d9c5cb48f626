package token_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/token"
)

// FuzzClaims signs whatever comes, so that only the claims are between a stranger and a session.
func FuzzClaims(f *testing.F) {
	s := newSetup(f)
	f.Add(s.claims(nil))
	f.Add(s.claims(map[string]any{"aud": []string{audience, "x"}, "exp": 1e12, "scope": "a b", "x": []any{1.5, nil, "\n"}}))
	f.Add(`{"sub":1,"sub":2}`)
	f.Fuzz(func(t *testing.T, payload string) {
		c, err := s.verifier.Verify(t.Context(), string(must[[]byte](t)(s.key.Sign("at+jwt", []byte(payload)))))
		if err != nil {
			if c != nil || token.Describe(err) == "the token was refused" {
				t.Fatal(c, err)
			}
			return
		}
		var members map[string]any
		if err := json.Unmarshal(c.JSON, &members); err != nil || len(c.JSON) > 8<<10 || c.Expiry.Year() > 9999 {
			t.Fatalf("%s, %v", c.JSON, err)
		}
		for name, value := range map[string]string{"iss": c.Issuer, "sub": c.Subject, "client_id": c.ClientID, "jti": c.ID,
			"tenant_id": c.Tenant, "role": c.Role, "scope": c.Scope} {
			if got, ok := members[name]; got != value && (ok || value != "") {
				t.Fatalf("%s is %q in the fields and %v in JSON", name, value, got)
			}
		}
		again, err := s.verifier.Verify(t.Context(), string(must[[]byte](t)(s.key.Sign("at+jwt", c.JSON))))
		if diff := cmp.Diff(c, again); diff != "" || err != nil {
			t.Fatal(err, diff)
		}
	})
}
