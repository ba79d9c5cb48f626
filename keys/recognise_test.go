package keys_test

import (
	"encoding/base64"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

func recognised(t testing.TB, paste string) keys.Recognised {
	t.Helper()
	r, err := keys.Recognise(paste)
	if err != nil {
		t.Fatalf("%s: %v", paste, err)
	}
	return r
}

// missingKeys gives the configuration's keys that are still missing.
func missingKeys(r keys.Recognised) []string { return keysOf(r.Missing) }

func TestRecogniseAJWKSURL(t *testing.T) {
	for _, k := range knownOnes() {
		r := recognised(t, k.jwks)
		if r.Preset.ID != k.preset || r.Sure != k.sure || r.From != keys.FromJWKSURL || r.JWKSURL != k.jwks {
			t.Errorf("%s is %s, sure %v, from %s, at %s", k.jwks, r.Preset.ID, r.Sure, r.From, r.JWKSURL)
		}
		issuers := k.issuers
		if issuers == nil {
			issuers = []string{k.issuer}
		}
		if !slices.Equal(r.Issuers, issuers) || !slices.Equal(r.Audience, k.audience) || !slices.Equal(missingKeys(r), k.missing) {
			t.Errorf("%s has issuers %q, audience %q, and misses %q", k.jwks, r.Issuers, r.Audience, r.Missing)
		}
		if !slices.Equal(r.Algorithms, r.Preset.Algorithms) {
			t.Errorf("%s has algorithms %q", k.jwks, r.Algorithms)
		}
	}
}

func TestRecogniseAnIssuer(t *testing.T) {
	for _, k := range knownOnes() {
		if k.issuer == "" {
			continue
		}
		r := recognised(t, k.issuer)
		if k.issuerIsAnyones {
			k.preset, k.sure = "generic", false
		}
		if r.Preset.ID != k.preset || r.Sure != k.sure || r.From != keys.FromIssuer {
			t.Errorf("%s is %s, sure %v, from %s", k.issuer, r.Preset.ID, r.Sure, r.From)
		}
		if !slices.Contains(r.Issuers, k.issuer) && !strings.Contains(k.issuer, "/common/") {
			t.Errorf("%s is not among the issuers %q", k.issuer, r.Issuers)
		}
	}
}

func TestRecogniseADiscoveryURL(t *testing.T) {
	for _, k := range knownOnes() {
		if k.discovery == "" {
			continue
		}
		r := recognised(t, k.discovery)
		if r.Preset.ID != k.preset || r.Sure != k.sure || r.From != keys.FromDiscoveryURL || r.DiscoveryURL != k.discovery {
			t.Errorf("%s is %s, sure %v, from %s, at %s", k.discovery, r.Preset.ID, r.Sure, r.From, r.DiscoveryURL)
		}
		if k.preset != "generic" && r.JWKSURL == "" {
			t.Errorf("%s leads to no key set", k.discovery)
		}
	}
	r := recognised(t, "https://contoso.ciamlogin.com/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration")
	if len(r.Issuers) > 0 || !slices.Contains(missingKeys(r), "issuers") {
		t.Errorf("the issuers of an external tenant are guessed: %q", r.Issuers)
	}
	r = recognised(t, "https://sso.example.com/.well-known/oauth-authorization-server/realms/acme")
	if r.Preset.ID != "keycloak" || r.From != keys.FromDiscoveryURL || !slices.Equal(r.Issuers, []string{"https://sso.example.com/realms/acme"}) {
		t.Errorf("RFC 8414's form is %s with %q", r.Preset.ID, r.Issuers)
	}
}

// An issuer leads to the same key set as the one that was pasted, where only one is possible.
func TestAnIssuerLeadsToItsKeySet(t *testing.T) {
	for issuer, jwks := range map[string]string{
		"https://sacred-mule-12.clerk.accounts.dev":                      clerkKeys,
		"https://dev-abc123.us.auth0.com":                                "https://dev-abc123.us.auth0.com/.well-known/jwks.json",
		"https://securetoken.google.com/my-project":                      firebaseKeys,
		"accounts.google.com":                                            googleKeys,
		"stytch.com/project-live-" + projectID:                           "https://live.stytch.com/v1/sessions/jwks/project-live-" + projectID,
		"Peuc12gotLL7ZROo6LTAOK1XGv0cqsqX":                               "https://api.euc1.descope.com/Peuc12gotLL7ZROo6LTAOK1XGv0cqsqX/.well-known/jwks.json",
		"https://sts.windows.net/" + tenantID + "/":                      "https://login.microsoftonline.com/" + tenantID + "/discovery/v2.0/keys",
		"https://ep-cool-1.neonauth.us-east-1.aws.neon.tech/neondb/auth": "https://ep-cool-1.neonauth.us-east-1.aws.neon.tech/neondb/auth/.well-known/jwks.json",
		"https://api.workos.com/user_management/client_01ABCDEF":         "https://api.workos.com/sso/jwks/client_01ABCDEF",
		"https://api.workos.com":                                         "",
		"stytch.com/my-awesome-project":                                  "",
		"https://ep-cool-1.neonauth.us-east-1.aws.neon.tech":             "",
		"https://id.example.org":                                         "",
		"https://securetoken.google.com/keys":                            firebaseKeys,
	} {
		r := recognised(t, issuer)
		if r.JWKSURL != jwks {
			t.Errorf("%s leads to %q, want %q", issuer, r.JWKSURL, jwks)
		}
		if missing := slices.Contains(missingKeys(r), "jwks_url"); missing != (jwks == "" && r.DiscoveryURL == "") {
			t.Errorf("%s misses %q", issuer, r.Missing)
		}
	}
}

func TestAKeySetAtAnyPathLacksItsIssuers(t *testing.T) {
	for _, paste := range []string{
		"https://id.example.org/oauth/keys", "https://id.example.org/v1/certs", "https://id.example.org/x/jwks", "https://id.example.org/keys.json", "https://id.example.org/x?id=1",
	} {
		r := recognised(t, paste)
		if r.Preset.ID != "generic" || r.From != keys.FromJWKSURL || r.JWKSURL != paste || r.DiscoveryURL != "" || !slices.Equal(missingKeys(r), []string{"issuers", "audience"}) {
			t.Errorf("%s is %s from %s, and misses %q", paste, r.Preset.ID, r.From, r.Missing)
		}
	}
}

func TestAnonymousAndRestrictedUsersAreTheirOwnProvider(t *testing.T) {
	const base = "https://api.stack-auth.com/api/v1/projects"
	for kind, suffix := range map[string]string{"anonymous": "anon", "restricted": "restricted"} {
		r := recognised(t, base+"-"+kind+"-users/"+projectID)
		want := keys.Terms{
			JWKSURL: base + "/" + projectID + "/.well-known/jwks.json?include_" + kind + "=true", Issuers: []string{base + "-" + kind + "-users/" + projectID},
			Audience: []string{projectID + ":" + suffix}, Algorithms: []string{"ES256"}, Role: "anonymous",
		}
		if diff := cmp.Diff(want, r.Terms()); diff != "" || len(r.Missing) > 0 {
			t.Errorf("%s: %s%q", kind, diff, r.Missing)
		}
	}
}

func TestRecogniseHoweverItWasCopied(t *testing.T) {
	for _, paste := range []string{
		"  " + clerkKeys + "\n", `"` + clerkKeys + `"`, "`" + clerkKeys + "`", strings.Replace(clerkKeys, "https://sacred", "HTTPS://SACRED", 1),
		strings.Replace(clerkKeys, ".dev/", ".dev:443/", 1), clerkKeys + "/", strings.TrimPrefix(clerkKeys, "https://"),
	} {
		if r := recognised(t, paste); r.Preset.ID != "clerk" || !r.Sure || r.JWKSURL != clerkKeys {
			t.Errorf("%q is %s at %s", paste, r.Preset.ID, r.JWKSURL)
		}
	}
}

func TestALookAlikeIsNobody(t *testing.T) {
	for _, paste := range []string{
		"https://clerk.accounts.dev.evil.example/.well-known/jwks.json",
		"https://sacred-mule-12.clerk.accounts.dev.evil.example/.well-known/jwks.json",
		"https://clerk.clerk.accounts.dev.evil.example/.well-known/jwks.json",
		"https://a.b.clerk.accounts.dev/.well-known/jwks.json",
		"https://sacred-mule-12.clerk.accounts.dev:8443/.well-known/jwks.json",
		"https://sacred-mule-12-clerk.accounts.dev/.well-known/jwks.json",
		"https://auth0.com.evil.example/.well-known/jwks.json",
		"https://auth.x.auth0.com.evil.example/.well-known/jwks.json",
		"https://evil.example/dev-abc123.us.auth0.com/.well-known/jwks.json",
		"https://dev-abc123.us.auth0.com:444/",
		"https://dev-abc123.us.auth0.com.evil.example/",
		"https://devauth0.com/.well-known/jwks.json",
		"https://test.stytch.com.evil.example/v1/sessions/jwks/my-awesome-project",
		"https://test-stytch.com/v1/sessions/jwks/my-awesome-project",
		"https://www.googleapis.com.evil.example/oauth2/v3/certs",
		"https://evil.example/?https://www.googleapis.com/oauth2/v3/certs",
		"https://login.microsoftonline.com.evil.example/common/discovery/keys",
		"https://login-microsoftonline.com/common/discovery/keys",
		"https://cognito-idp.us-east-1.amazonaws.com.evil.example/us-east-1_AbC/.well-known/jwks.json",
		"https://accounts.google.com.evil.example",
		"https://securetoken.google.com.evil.example/my-project",
		"https://api.descope.com.evil.example/P2abcdefghijklmnopqrstuvwxyz",
		"https://ep-x.neon.tech.evil.example/neondb/auth/.well-known/jwks.json",
		"https://auth.neon.tech.evil.example/realms/x",
		"https://api.workos.com.evil.example/sso/jwks/client_01ABCDEF",
		"https://x.logto.app.evil.example/oidc/jwks",
		"https://sso.auth0.com.evil.example/realms/acme/protocol/openid-connect/certs",
		"https://xn--clrk-8oa.example/.well-known/jwks.json",
		"https://clerk.xn--exmple-cua.com/.well-known/jwks.json",
		"https://auth.xn--exmple-cua.com",
		"https://sso.xn--exmple-cua.com/realms/acme",
		"https://clerk.accounts.dev.evil.example",
		"https://auth.auth0.com.evil.example/.well-known/openid-configuration",
	} {
		r := recognised(t, paste)
		if r.Preset.ID != "generic" || r.Sure {
			t.Errorf("%s is taken for %s, sure %v", paste, r.Preset.Name, r.Sure)
		}
		if !slices.Contains(missingKeys(r), "audience") {
			t.Errorf("%s needs nothing but %q", paste, r.Missing)
		}
	}
}

func TestRecogniseRefuses(t *testing.T) {
	key := func(host string) string { return "pk_live_" + base64.StdEncoding.EncodeToString([]byte(host)) }
	for paste, words := range map[string]string{
		"":                           "nothing",
		" \n":                        "nothing",
		strings.Repeat("a", 40<<10):  "too long",
		"my-company":                 "none of JWKS URL",
		"ftp://id.example.org/jwks":  "no URL",
		"https:///jwks.json":         "no URL",
		"https://id.example.org\\@x": "no URL",
		"https://id.example.org/ü":   "no URL",
		"https://clérk.example/":     "no URL",
		"https://test.stytch.com/v1/sessions/jwks/{YOUR_PROJECT_ID}":         "placeholder",
		"https://<slug>.clerk.accounts.dev/.well-known/jwks.json":            "placeholder",
		"https://auth0.com@evil.example/.well-known/jwks.json":               "before an @",
		"https://dev-abc123.us.auth0.com:x@evil.example/jwks.json":           "before an @",
		"https://evil.example/#.auth0.com/.well-known/jwks.json":             "#",
		"https://evil.example/jwks.json#":                                    "#",
		"http://id.example.org/.well-known/jwks.json":                        "https",
		"http://sso.example.com/realms/dev/protocol/openid-connect/certs":    "allow_private",
		"http://8.8.8.8/realms/dev/protocol/openid-connect/certs":            "allow_private",
		"http://169.254.169.254/realms/dev":                                  "https",
		"http://[::ffff:169.254.169.254]/realms/dev":                         "https",
		"http://internal.example.com/realms/dev":                             "https",
		"http://127.0.0.1.evil.example/.well-known/jwks.json":                "https",
		"http://localhost.evil.example/.well-known/jwks.json":                "https",
		"https://127.1/.well-known/jwks.json":                                "neither a name",
		"https://0x7f000001/.well-known/jwks.json":                           "neither a name",
		"https://2130706433/.well-known/jwks.json":                           "neither a name",
		"https://[fe80::1%25eth0]/.well-known/jwks.json":                     "neither a name",
		"https://id..example/.well-known/jwks.json":                          "neither a name",
		"https://clerk.accounts.dev./.well-known/jwks.json":                  "neither a name",
		"https://api.stack-auth.com/api/v1/../x/.well-known/jwks.json":       ".. as a part",
		"https://id.example.org/a/%2e%2e/b/.well-known/jwks.json":            ".. as a part",
		"https://api.clerk.com/v1/jwks":                                      "secret key",
		"https://session.firebase.google.com/my-project":                     "session cookies",
		"sk_test_abcdefghijklmnop":                                           "secret key",
		"pk_test_":                                                           "publishable key but is none",
		"pk_test_Y2xlcmsuZXhhbXBsZS5jb20":                                    "publishable key but is none",
		"pk_prod_Y2xlcmsuZXhhbXBsZS5jb20k":                                   "publishable key but is none",
		key("sacred-mule-12.clerk.accounts.dev.evil.example$"):               "publishable key but is none",
		key("clerk.example.com/evil$"):                                       "publishable key but is none",
		key("a@clerk.example.com$"):                                          "publishable key but is none",
		key("clerk.example.com?x$"):                                          "publishable key but is none",
		key("localhost$"):                                                    "publishable key but is none",
		"stytch.com/my awesome project":                                      "none of JWKS URL",
		"https://id.example.org/.well-known/jwks.json https://other.example": "no URL",
	} {
		r, err := keys.Recognise(paste)
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q is %s with %v, want an error with %q", paste, r.Preset.ID, err, words)
		}
		if err != nil && len(paste) > 10 && strings.Contains(err.Error(), paste) {
			t.Errorf("the error quotes what was pasted: %v", err)
		}
	}
}

func TestRecogniseAPublishableKey(t *testing.T) {
	for paste, want := range map[string]struct {
		issuer string
		sure   bool
	}{
		"pk_test_c2FjcmVkLW11bGUtMTIuY2xlcmsuYWNjb3VudHMuZGV2JA": {"https://sacred-mule-12.clerk.accounts.dev", true},
		"pk_live_Y2xlcmsuZXhhbXBsZS5jb20k":                       {"https://clerk.example.com", false},
		"pk_live_aWQuZXhhbXBsZS5vcmck":                           {"https://id.example.org", false},
	} {
		r := recognised(t, paste)
		if r.Preset.ID != "clerk" || r.From != keys.FromPublishableKey || r.Sure != want.sure || !slices.Equal(r.Issuers, []string{want.issuer}) ||
			r.JWKSURL != want.issuer+"/.well-known/jwks.json" {
			t.Errorf("%s is %s of %q at %s, sure %v", paste, r.Preset.ID, r.Issuers, r.JWKSURL, r.Sure)
		}
	}
}

func TestPrivateHostsMustBeAllowedByName(t *testing.T) {
	for paste, want := range map[string][]string{
		"http://127.0.0.1:8080/realms/dev/protocol/openid-connect/certs": {"127.0.0.1:8080"},
		"http://localhost:3000/api/auth/jwks":                            {"localhost:3000"},
		"https://10.0.0.7/realms/dev":                                    {"10.0.0.7"},
		"https://[fd00::1]:8443/realms/dev":                              {"[fd00::1]:8443"},
		"https://sso.example.com/realms/dev":                             nil,
		"http://keycloak:8080/realms/acme":                               {"keycloak:8080"},
		"https://keycloak:8443/realms/acme":                              {"keycloak:8443"},
		"http://10.1.2.3:8080/realms/acme/protocol/openid-connect/certs": {"10.1.2.3:8080"},
		"http://keycloak.auth.svc/realms/acme":                           {"keycloak.auth.svc"},
		"http://sso.acme.internal/.well-known/jwks.json":                 {"sso.acme.internal"},
	} {
		r := recognised(t, paste)
		if !slices.Equal(r.AllowPrivate, want) || r.JWKSURL == "" || !slices.Contains(r.Issuers, strings.TrimSuffix(paste, "/protocol/openid-connect/certs")) && r.Preset.ID == "keycloak" {
			t.Errorf("%s allows %q, want %q, for %q at %s", paste, r.AllowPrivate, want, r.Issuers, r.JWKSURL)
		}
		leaves := strings.HasPrefix(paste, "http://") && !strings.Contains(paste, "127.0.0.1") && !strings.Contains(paste, "localhost")
		if warned := strings.Contains(strings.Join(r.Hints, "\n"), "over http, unencrypted"); warned != leaves {
			t.Errorf("%s has hints %q", paste, r.Hints)
		}
	}
}

func FuzzRecognise(f *testing.F) {
	for _, k := range knownOnes() {
		f.Add(k.jwks)
		f.Add(k.issuer)
	}
	f.Add("pk_test_c2FjcmVkLW11bGUtMTIuY2xlcmsuYWNjb3VudHMuZGV2JA")
	f.Add("Authorization: Bearer e30.e30.")
	f.Fuzz(func(t *testing.T, paste string) {
		r, err := keys.Recognise(paste)
		if err != nil {
			return
		}
		holdsTogether(t, r)
	})
}

// holdsTogether checks what must be so whatever was pasted.
func holdsTogether(t *testing.T, r keys.Recognised) {
	t.Helper()
	readBack(t, r, "any: name\n")
	for _, at := range []string{r.JWKSURL, r.DiscoveryURL} {
		u, err := url.Parse(at)
		if err != nil || at != "" && (u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http") {
			t.Errorf("%q is no address to ask", at)
		}
		if at != "" && u.Scheme == "http" && (!slices.Contains(r.AllowPrivate, u.Host) || !ofOwnNetwork(u.Hostname())) {
			t.Errorf("%q is http", at)
		}
		if r.Sure && at != "" && !ofVendor(u.Host) {
			t.Errorf("%q is taken for %s", at, r.Preset.Name)
		}
	}
	if r.Preset.ID == "generic" && r.Sure {
		t.Error("nobody is sure of a provider of any make")
	}
	if r.Preset.SharedKeys && len(r.Audience) == 0 && !slices.Contains(missingKeys(r), "audience") {
		t.Errorf("%s has a shared key set and no audience, and misses only %q", r.Preset.Name, r.Missing)
	}
}

// ofOwnNetwork says whether a host has no public name; a public IP address is nobody's that AllowPrivate names.
func ofOwnNetwork(host string) bool {
	_, err := netip.ParseAddr(host)
	end := host[strings.LastIndexByte(host, '.')+1:]
	return err == nil || end == host || slices.Contains([]string{"localhost", "local", "internal", "svc"}, end) || strings.HasSuffix(host, ".home.arpa")
}

func ofVendor(host string) bool {
	return slices.ContainsFunc([]string{
		"clerk.accounts.dev", "stack-auth.com", "auth0.com", "www.googleapis.com", "google.com", "stytch.com", "stytch.dev", "supabase.co",
		"amazonaws.com", "amazonaws.com.cn", "microsoftonline.com", "microsoftonline.us", "microsoftonline.cn", "ciamlogin.com", "b2clogin.com",
		"descope.com", "propelauthtest.com", "workos.com", "neon.tech", "logto.app", "zitadel.cloud",
	}, func(domain string) bool { return strings.HasSuffix("."+host, "."+domain) })
}
