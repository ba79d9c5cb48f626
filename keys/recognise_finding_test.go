package keys_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"rowpass/keys"
)

func TestAVendorsHostAloneLeadsToItsIssuer(t *testing.T) {
	const base = "https://abcdefghijklmnopqrst.supabase.co"
	for _, paste := range []string{base, base + "/", "abcdefghijklmnopqrst.supabase.co"} {
		r := recognised(t, paste)
		if r.Preset.ID != "supabase" || !r.Sure || !slices.Equal(r.Issuers, []string{base + "/auth/v1"}) || r.JWKSURL != base+"/auth/v1/.well-known/jwks.json" || len(r.Missing) > 0 {
			t.Errorf("%s is %s of %q at %s, sure %v, and misses %q", paste, r.Preset.ID, r.Issuers, r.JWKSURL, r.Sure, r.Missing)
		}
	}
	for _, paste := range []string{base + "/rest/v1", base + ".evil.example", "https://supabase.co", base + ":8443"} {
		if r := recognised(t, paste); r.Preset.ID != "generic" || r.Sure {
			t.Errorf("%s is %s, sure %v", paste, r.Preset.ID, r.Sure)
		}
	}
}

// Nobody's host name makes a block that takes tokens for every service.
func TestAPresetWithoutAudienceIsInDoubt(t *testing.T) {
	for paste, want := range map[string]struct{ preset, hint string }{
		"https://auth.example.com":                                  {"generic", "preset: it may be PropelAuth, whose tokens have no aud to ask for: if it is, write preset: propelauth"},
		"https://auth.example.com/.well-known/jwks.json":            {"generic", "preset: it may be PropelAuth"},
		"https://auth.example.com/.well-known/openid-configuration": {"generic", "preset: it may be PropelAuth"},
		"https://id.example.com/.well-known/jwks.json":              {"generic", ""},
		"https://api.example.com/auth/jwt/jwks.json":                {"supertokens", "preset: tokens of SuperTokens have no aud"},
		"https://58812312.propelauthtest.com":                       {"propelauth", ""},
		"https://clerk.example.com":                                 {"clerk", ""},
	} {
		r := recognised(t, paste)
		if got := strings.Join(r.Hints, "\n"); r.Preset.ID != want.preset || !strings.HasPrefix(got, want.hint) || want.hint == "" && got != "" {
			t.Errorf("%s is %s, with %q", paste, r.Preset.ID, r.Hints)
		}
	}
}

// What a template doesn't know is said in words, each once.
func TestWhatIsMissingIsSaidInWords(t *testing.T) {
	for paste, want := range map[string]string{
		"stytch.com/my-awesome-project": "https://<env>.stytch.com/v1/sessions/jwks/my-awesome-project, with test or live for <env>",
		"https://api.workos.com":        "jwks/<client>, with the client's ID (client_…) for <client>",
	} {
		if r := recognised(t, paste); !slices.ContainsFunc(r.Missing, func(m string) bool { return strings.HasSuffix(m, want) }) {
			t.Errorf("%s misses %q, want %q", paste, r.Missing, want)
		}
	}
	for _, preset := range keys.Presets() {
		for _, problem := range preset.Check(keys.Terms{}) {
			for _, name := range regexp.MustCompile(`<[a-z]+>`).FindAllString(problem, -1) {
				if strings.Count(problem, " for "+name) != 1 {
					t.Errorf("%s: %s stands for something in %q", preset.ID, name, problem)
				}
			}
		}
	}
}
