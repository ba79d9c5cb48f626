package main

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	"rowpass/token"
)

// ClientConfig is one program that may ask for tokens in its own name (RFC 6749, section 4.4).
type ClientConfig struct {
	// ID begins with client_, then letters, digits, _ and -. No two are alike.
	ID string `mapstructure:"id"`
	// SecretSHA256 is the SHA-256 of its secret, 64 hex digits, lower case once loaded. The secret has to be
	// random: a password's hash can be guessed.
	SecretSHA256 string `mapstructure:"secret_sha256"`
	// Tenant is whose rows it works on, a UUID, lower case once loaded. Default none.
	Tenant string `mapstructure:"tenant"`
	// Scopes are what it may ask for. Default none.
	Scopes []string `mapstructure:"scopes"`
	// ActFor lets it ask for tokens of users: none, tenant for those of Tenant, or everyone. Default none. Whoever has
	// its secret is then each of these users.
	ActFor string `mapstructure:"act_for"`
	// Audiences are whom its tokens may be for. Default IssuerConfig.Audience.
	Audiences []string `mapstructure:"audiences"`
	// TokenTTL is how long its tokens are good. Default, 0: IssuerConfig.TokenTTL.
	TokenTTL time.Duration `mapstructure:"token_ttl" allow:"1m..24h"`
}

var (
	clientID   = regexp.MustCompile(`^client_[A-Za-z0-9_-]+$`)
	sha256Hex  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	uuidText   = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	scopeToken = regexp.MustCompile(`^[\x21\x23-\x5b\x5d-\x7e]+$`) // RFC 6749, section 3.3
)

// checkClients checks each client whose section could be read.
func (l *loader) checkClients(clients []ClientConfig) {
	first := map[string]string{} // of each ID: where it was given
	for i, c := range clients {
		name := fmt.Sprintf("clients[%d]", i)
		if _, unread := l.refused[name]; unread {
			continue
		}
		l.checkClient(name, c)
		if place, twice := first[c.ID]; twice {
			l.refuse(name+".id", "%q: given twice, in %s first: each client needs its own", c.ID, place)
		}
		first[c.ID] = l.places[name+".id"]
	}
}

// checkClient doesn't repeat what stands for the secret's hash: it may be the secret.
func (l *loader) checkClient(name string, c ClientConfig) {
	for _, key := range []string{".id", ".secret_sha256"} {
		if l.places[name+key] == "" {
			l.places[name+key] = l.places[name]
		}
	}
	if !clientID.MatchString(c.ID) {
		l.refuse(name+".id", "%q: client_ and letters, digits, _ or - are needed, such as client_reports", c.ID)
	}
	if slices.Contains([]string{token.ClientDemo, token.ClientCLI, token.ClientLogin, token.ClientExchange}, c.ID) {
		l.refuse(name+".id", "%q: rowpass itself is known by this one: give another", c.ID)
	}
	if !sha256Hex.MatchString(c.SecretSHA256) {
		l.refuse(name+".secret_sha256", "64 hex digits are needed, as printf %%s \"$SECRET\" | sha256sum prints them")
	}
	if c.Tenant != "" && !uuidText.MatchString(c.Tenant) {
		l.refuse(name+".tenant", "%q: a UUID is needed, such as 11111111-2222-4333-8444-555555555555", c.Tenant)
	}
	if !slices.Contains([]string{"", "none", "tenant", "everyone"}, c.ActFor) {
		l.refuse(name+".act_for", "%q: allowed are none, tenant, everyone", c.ActFor)
	}
	if c.ActFor == "tenant" && c.Tenant == "" {
		l.refuse(name+".act_for", "tenant is missing: whose users? Give it, or everyone for those of all tenants")
	}
	for _, audience := range c.Audiences {
		if audience == "" {
			l.refuse(name+".audiences", `"": a name is needed, such as rowpass`)
		}
	}
	for _, scope := range c.Scopes {
		if !scopeToken.MatchString(scope) {
			l.refuse(name+".scopes", "%q: no scope: printable ASCII without space, \" and \\ is needed, such as users.read", scope)
		}
	}
}
