package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rowpass/keys"
	"rowpass/token"
)

const (
	entraTenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	someProject = "0a1b2c3d-0000-4000-8000-000000000001"
)

// pastes are addresses of every preset.
func pastes() map[string][]string {
	return map[string][]string{
		"clerk":       {"https://sacred-mule-12.clerk.accounts.dev/.well-known/jwks.json", "https://clerk.example.com/.well-known/jwks.json", "pk_test_c2FjcmVkLW11bGUtMTIuY2xlcmsuYWNjb3VudHMuZGV2JA"},
		"stack-auth":  {"https://api.stack-auth.com/api/v1/projects/" + someProject + "/.well-known/jwks.json", "https://api.stack-auth.com/api/v1/projects-anonymous-users/" + someProject},
		"auth0":       {"https://dev-abc123.us.auth0.com/.well-known/jwks.json"},
		"firebase":    {"https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com", "https://securetoken.google.com/my-project"},
		"stytch":      {"https://test.stytch.com/v1/sessions/jwks/my-awesome-project", "stytch.com/my-awesome-project"},
		"stytch-b2b":  {"https://live.stytch.com/v1/b2b/sessions/jwks/project-live-00000000-0000-4000-8000-000000000000"},
		"keycloak":    {"https://sso.example.com/realms/acme/protocol/openid-connect/certs", "http://keycloak:8080/realms/acme", "http://10.1.2.3:8080/realms/acme/protocol/openid-connect/certs", "http://127.0.0.1:8080/realms/dev/protocol/openid-connect/certs"},
		"supabase":    {"https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json", "https://abcdefghijklmnopqrst.supabase.co", "http://127.0.0.1:54321/auth/v1/.well-known/jwks.json"},
		"cognito":     {"https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbC123xyz/.well-known/jwks.json", "https://cognito-idp.cn-north-1.amazonaws.com.cn/cn-north-1_Zz9/.well-known/jwks.json"},
		"entra":       {"https://login.microsoftonline.com/" + entraTenant + "/discovery/v2.0/keys", "https://login.microsoftonline.com/common/discovery/keys", "https://contoso.ciamlogin.com/" + entraTenant + "/discovery/v2.0/keys"},
		"google":      {"https://www.googleapis.com/oauth2/v3/certs", "accounts.google.com"},
		"descope":     {"https://api.descope.com/P2abcdefghijklmnopqrstuvwxyz/.well-known/jwks.json", "P2abcdefghijklmnopqrstuvwxyz"},
		"propelauth":  {"https://58812312.propelauthtest.com/.well-known/jwks.json"},
		"workos":      {"https://api.workos.com/sso/jwks/client_01ABCDEF", "https://id.example.com/sso/jwks/client_01ABCDEF"},
		"neon-auth":   {"https://ep-cool-1.neonauth.us-east-1.aws.neon.tech/neondb/auth/.well-known/jwks.json"},
		"better-auth": {"http://localhost:3000/api/auth/jwks", "https://app.example.com/api/auth"},
		"supertokens": {"https://api.example.com/auth/jwt/jwks.json"},
		"logto":       {"https://ab12cd.logto.app/oidc/jwks", "https://id.example.com/oidc/jwks"},
		"zitadel":     {"https://acme.zitadel.cloud/oauth/v2/keys", "https://id.example.com/oauth/v2/keys"},
		"generic":     {"https://id.example.org/.well-known/jwks.json", "https://id.example.org/", "https://auth.example.com/.well-known/jwks.json"},
	}
}

// filled is a block with what it says is missing.
func filled(r keys.Recognised) string {
	text := "providers:\n" + indent(r.Block(""))
	for _, missing := range r.Missing {
		switch key, _, _ := strings.Cut(missing, ":"); key {
		case "audience":
			text += "    audience: [app]\n"
		case "tenants":
			text += "    tenants: [" + entraTenant + "]\n"
		case "issuers":
			text += "    issuers: [https://login.example.com/v2.0]\n"
		case "jwks_url":
			_, sketch, _ := strings.Cut(missing, "which is ")
			sketch, _, _ = strings.Cut(sketch, ", with ")
			text += "    jwks_url: " + strings.NewReplacer("<env>", "test", "<client>", "client_01ABCDEF", "<database>", "neondb").Replace(sketch) + "\n"
		}
	}
	return text
}

// TestEveryProviderBlockLoads also pastes what was recognised: issuers and discovery documents.
func TestEveryProviderBlockLoads(t *testing.T) {
	t.Parallel()
	for _, preset := range keys.Presets() {
		t.Run(preset.ID, func(t *testing.T) {
			list := pastes()[preset.ID]
			if len(list) == 0 {
				t.Fatal("nothing is pasted")
			}
			for _, paste := range list {
				r := loadBlock(t, paste, preset.ID)
				for _, more := range append(slices.Clone(r.Issuers), r.DiscoveryURL) {
					if _, err := keys.Recognise(more); err == nil {
						loadBlock(t, more, "")
					}
				}
			}
		})
	}
}

// loadBlock recognises paste, as the preset wanted if there is one, and loads its block.
func loadBlock(t *testing.T, paste, wanted string) keys.Recognised {
	t.Helper()
	r, err := keys.Recognise(paste)
	if err != nil || wanted != "" && r.Preset.ID != wanted {
		t.Fatalf("%s: %s, %v", paste, r.Preset.ID, err)
	}
	text := filled(r)
	c := loaded(t, text)
	if len(c.Providers) != 1 || c.Providers[0].Preset != r.Preset.ID {
		t.Fatalf("%s: providers %v of\n%s", paste, c.Providers, text)
	}
	provider := c.Providers[0].provider(new(keys.Remote))
	if _, err := token.NewProviders([]token.Provider{provider}); err != nil {
		t.Errorf("%s: %v, of\n%s", paste, err, text)
	}
	return r
}

// loaded is a configuration of this text alone.
func loaded(t *testing.T, text string) Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	write(t, file, text, 0o600)
	c, err := loadConfig(file, []string{"HOME=/nonexistent"}, nil)
	if err != nil {
		t.Fatalf("%v, of\n%s", err, text)
	}
	return c
}
