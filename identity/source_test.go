package identity_test

import (
	"strings"
	"testing"

	"rowpass/identity"
)

func paths(names ...string) []identity.Path { return []identity.Path{names} }

// generic is a provider of nobody's, with everything that it needs.
func generic() identity.SourceConfig {
	return identity.SourceConfig{
		Name: "users", Preset: "generic", Secrets: []string{otherSecret},
		Fields:  identity.Fields{EventType: paths("type"), ID: paths("id")},
		Created: []string{"made"}, Updated: []string{"changed"}, Deleted: []string{"gone"},
	}
}

func TestSourcesThatAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*identity.SourceConfig)
		want   string // what the error says to set
	}{
		{"without a name", func(c *identity.SourceConfig) { c.Name = "" }, "name:"},
		{"with a name that no address can have", func(c *identity.SourceConfig) { c.Name = "a/b" }, "name:"},
		{"with an unknown preset", func(c *identity.SourceConfig) { c.Preset = "okta" }, "preset:"},
		{"with a NUL in the prefix", func(c *identity.SourceConfig) { c.Prefix = "a\x00|" }, "prefix:"},
		{"with a prefix without end", func(c *identity.SourceConfig) { c.Prefix = strings.Repeat("a", 129) }, "prefix:"},
		{"without a secret", func(c *identity.SourceConfig) { c.Secrets = nil }, "secrets_file:"},
		{"with an empty secret", func(c *identity.SourceConfig) { c.Secrets = []string{otherSecret, " | "} }, "secrets_file: line 2 is empty"},
		{"with a secret that is none", func(c *identity.SourceConfig) { c.Secrets = []string{"whsec_not-base64!"} }, "secrets_file: line 1 is not whsec_"},
		{"with a private key", func(c *identity.SourceConfig) { c.Secrets = []string{"whsk_" + vectorSeed} }, "whpk_"},
		{"with half a public key", func(c *identity.SourceConfig) { c.Secrets = []string{"whpk_AAAA"} }, "Ed25519"},
		{"with an unknown signature", func(c *identity.SourceConfig) { c.Signature = "md5" }, "signature:"},
		{"with a header that isn't looked at", func(c *identity.SourceConfig) { c.SecretHeader = "X-Signature" }, "secret_header: leave it out"},
		{"with a MAC but no header", func(c *identity.SourceConfig) { c.Signature = "hmac-sha256" }, "secret_header: name"},
		{"with a header that is none", func(c *identity.SourceConfig) { c.Signature, c.SecretHeader = "bearer", "a: b" }, "secret_header:"},
		{"with a bearer secret that can be guessed", func(c *identity.SourceConfig) { c.Signature, c.Secrets = "bearer", []string{"hunter2"} }, "fewer than 16"},
		{"with a space at a secret's end", func(c *identity.SourceConfig) {
			c.Signature, c.SecretHeader, c.Secrets = "hmac-sha256", "X-S", []string{"abc "}
		}, "begins or ends with a space"},
		{"without the place of the type", func(c *identity.SourceConfig) { c.Fields.EventType = nil }, "fields.event_type:"},
		{"without the place of the id", func(c *identity.SourceConfig) { c.Fields.ID = nil }, "fields.id:"},
		{"without types", func(c *identity.SourceConfig) { c.Created, c.Updated, c.Deleted = nil, nil, nil }, "created, updated, deleted:"},
		{"with an empty type", func(c *identity.SourceConfig) { c.Updated = []string{""} }, "created, updated, deleted:"},
		{"with a type that means both", func(c *identity.SourceConfig) { c.Deleted = []string{"changed"} }, `deleted: "changed"`},
		{"with fields for a preset that has its own", func(c *identity.SourceConfig) { c.Preset = "clerk" }, "fields: preset clerk"},
		{"with a webhook for tokens", func(c *identity.SourceConfig) {
			*c = identity.SourceConfig{Name: "t", Preset: "tokens", Secrets: []string{"x"}}
		}, "secrets_file: preset tokens"},
		{"of Descope without an API", func(c *identity.SourceConfig) {
			*c = identity.SourceConfig{Name: "d", Preset: "descope", Secrets: []string{"0123456789abcdef"}}
		}, "api.key_file:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cfg := generic()
			c.change(&cfg)
			_, err := identity.NewSource(cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %s", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "not-base64") || strings.Contains(err.Error(), vectorSeed) {
				t.Errorf("%v shows the secret", err)
			}
		})
	}
}

func TestSourceFillsInItsPreset(t *testing.T) {
	t.Parallel()
	s := source(t, identity.SourceConfig{Name: "kc", Preset: "keycloak", Prefix: "kc|", Secrets: []string{"s"}})
	cfg := s.Config()
	if s.Name() != "kc" || cfg.Signature != "hmac-sha256" || cfg.SecretHeader != "X-Keycloak-Signature" || s.ID("u1") != "kc|u1" {
		t.Errorf("got %s, %s, %s, %s", s.Name(), cfg.Signature, cfg.SecretHeader, s.ID("u1"))
	}
	if cfg := source(t, identity.SourceConfig{Name: "t", Preset: "tokens"}).Config(); cfg.Signature != "" {
		t.Errorf("tokens alone have signature %q", cfg.Signature)
	}
}

func TestPresets(t *testing.T) {
	t.Parallel()
	var ids []string
	for _, p := range identity.Presets() {
		ids = append(ids, p.ID)
		if p.Name == "" || p.Notes == "" {
			t.Errorf("%s has no name or no notes: %+v", p.ID, p)
		}
	}
	if want := "clerk stack-auth stytch stytch-b2b auth0 workos supabase keycloak descope logto generic tokens"; strings.Join(ids, " ") != want {
		t.Errorf("got %v", ids)
	}
	identity.Presets()[0].Signatures[0] = "none"
	if p := identity.Presets()[0]; p.Signatures[0] != "standard" {
		t.Error("a caller changed the table")
	}
}
