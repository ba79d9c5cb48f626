package token_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rowpass/keys"
	"rowpass/token"
)

func (s setup) issuer() *token.Issuer {
	s.t.Helper()
	return must[*token.Issuer](s.t)(token.NewIssuer(token.IssuerConfig{
		Issuer: issuer, Audience: audience, TTL: 15 * time.Minute, Ring: s.box.ring, Now: s.clock.now,
	}))
}

// part reads one part of a token as somebody else's library would.
func part(t *testing.T, raw string, i int) map[string]any {
	t.Helper()
	var out map[string]any
	data := must[[]byte](t)(base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[i]))
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestIssue(t *testing.T) {
	s := newSetup(t)
	const at = float64(1795339800)
	base := map[string]any{"iss": issuer, "sub": "u1", "aud": audience, "client_id": "client_cli", "role": "authenticated",
		"iat": at, "nbf": at, "exp": at + 900}
	for _, tt := range []struct {
		name  string
		grant token.Grant
		want  map[string]any // besides base
	}{
		{"with the least that is needed", token.Grant{}, nil},
		{"with a tenant", token.Grant{Tenant: "t1"}, map[string]any{"tenant_id": "t1"}},
		{"with a scope", token.Grant{Scope: "read write"}, map[string]any{"scope": "read write"}},
		{"with a role", token.Grant{Role: "reporting"}, map[string]any{"role": "reporting"}},
		{"for an hour", token.Grant{TTL: time.Hour}, map[string]any{"exp": at + 3600}},
		{"for another audience", token.Grant{Audience: []string{"x"}}, map[string]any{"aud": "x"}},
		{"for two audiences", token.Grant{Audience: []string{audience, "x"}}, map[string]any{"aud": []any{audience, "x"}}},
		{"in a session", token.Grant{SessionID: "s1"}, map[string]any{"sid": "s1"}},
		{"by a client that acts for the subject", token.Grant{Actors: []string{"c1"}}, map[string]any{"act": map[string]any{"sub": "c1"}}},
		{"with claims of one's own", token.Grant{Extra: map[string]any{"plan": "pro", "o": map[string]any{"id": 7}}},
			map[string]any{"plan": "pro", "o": map[string]any{"id": 7.0}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.grant.Subject, tt.grant.ClientID = "u1", token.ClientCLI
			raw, c, err := s.issuer().Issue(tt.grant)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]any{"alg": "ES256", "kid": s.key.ID(), "typ": "at+jwt"}, part(t, raw, 0)); diff != "" {
				t.Error(diff)
			}
			want := maps.Clone(base)
			maps.Copy(want, tt.want)
			got := part(t, raw, 1)
			if diff := cmp.Diff(want, got, cmpopts.IgnoreMapEntries(func(name string, _ any) bool { return name == "jti" })); diff != "" {
				t.Error(diff)
			}
			if jti, _ := got["jti"].(string); len(jti) < 26 || jti != c.ID { // 26 letters of base32 are 130 bits
				t.Errorf("jti is %v, claims say %q", got["jti"], c.ID)
			}
			verified, err := s.verifier.Verify(t.Context(), raw)
			if want["aud"] == "x" {
				if !errors.Is(err, token.ErrInvalid) {
					t.Errorf("we take another's token: %v", err)
				}
				return
			}
			c.GoodUntil = c.Expiry.Add(token.Leeway) // which only who verifies it can say
			if diff := cmp.Diff(&c, verified); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}

func TestIssueWithEveryAlgorithm(t *testing.T) {
	s := newSetup(t)
	for _, alg := range keys.Algorithms() {
		s.box.set(ringOf(t, must[keys.Key](t)(keys.Generate(alg, now))))
		raw, _, err := s.issuer().Issue(token.Grant{Subject: "u1", ClientID: "c1"})
		if err != nil {
			t.Fatal(alg, err)
		}
		if got := part(t, raw, 0)["alg"]; got != alg {
			t.Errorf("alg is %v, want %s", got, alg)
		}
		if _, err := s.verifier.Verify(t.Context(), raw); err != nil {
			t.Error(alg, err)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	s := newSetup(t)
	deep := any("x")
	for range 20 {
		deep = []any{deep}
	}
	for _, tt := range []struct {
		name  string
		grant token.Grant
		says  string
	}{
		{"no subject", token.Grant{ClientID: "c1"}, "sub is missing"},
		{"no client", token.Grant{Subject: "u1"}, "client_id is missing"},
		{"a life below zero", token.Grant{Subject: "u1", ClientID: "c1", TTL: -time.Second}, "a life of -1s"},
		{"a life of less than a second", token.Grant{Subject: "u1", ClientID: "c1", TTL: time.Millisecond}, "a life of 1ms"},
		{"an empty audience", token.Grant{Subject: "u1", ClientID: "c1", Audience: []string{audience, ""}}, "audience is empty"},
		{"a subject that is not UTF-8", token.Grant{Subject: "u\xff", ClientID: "c1"}, "UTF-8"},
		{"a session with NUL", token.Grant{Subject: "u1", ClientID: "c1", SessionID: "s\x00"}, "NUL"},
		{"an actor that is not UTF-8", token.Grant{Subject: "u1", ClientID: "c1", Actors: []string{"c\xff"}}, "UTF-8"},
		{"a tenant with NUL", token.Grant{Subject: "u1", ClientID: "c1", Tenant: "t\x00"}, "NUL"},
		{"an extra name that is not UTF-8", token.Grant{Subject: "u1", ClientID: "c1", Extra: map[string]any{"a\xff": 1}}, "UTF-8"},
		{"an extra claim that has no JSON", token.Grant{Subject: "u1", ClientID: "c1", Extra: map[string]any{"a": make(chan int)}}, "chan int"},
		{"an extra claim that is too deep", token.Grant{Subject: "u1", ClientID: "c1", Extra: map[string]any{"a": deep}}, "deeper than 16"},
		{"an extra claim that has a name twice", token.Grant{Subject: "u1", ClientID: "c1", Extra: map[string]any{"a": raw(`{"b":1,"b":2}`)}}, "twice"},
		{"more than 4 KiB", token.Grant{Subject: "u1", ClientID: "c1", Extra: map[string]any{"a": strings.Repeat("x", 4<<10)}}, "more than 4096"},
		{"more than 8 KiB of claims", token.Grant{Subject: "u1", ClientID: "c1", Extra: map[string]any{"a": strings.Repeat("x", 9<<10)}}, "more than 8192 bytes"},
	} {
		raw, _, err := s.issuer().Issue(tt.grant)
		if raw != "" || !errors.Is(err, token.ErrGrant) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %q, %v, want %q", tt.name, raw, err, tt.says)
		}
		if errors.Is(err, token.ErrInvalid) || errors.Is(err, token.ErrTooLarge) {
			t.Errorf("%s: %v passes for a bad token", tt.name, err)
		}
	}
	s.box.set(keys.Ring{})
	if _, _, err := s.issuer().Issue(token.Grant{Subject: "u1", ClientID: "c1"}); !errors.Is(err, token.ErrNoCurrentKey) {
		t.Errorf("without a key: %v", err)
	}
}

func TestReservedNamesAreTheIssuers(t *testing.T) {
	s := newSetup(t)
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "tenant_id", "role", "scope", "act", "sid",
		"typ", "cnf", "rowpass_user", "rowpass_tenant", "Sub", "TENANT_ID", "\u017fub"} {
		_, _, err := s.issuer().Issue(token.Grant{Subject: "u1", ClientID: "c1", Extra: map[string]any{name: "x"}})
		if !errors.Is(err, token.ErrReserved) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// GHSA-4cf7-xm37-g63h: jwx v2 writes the names of claims as they are, so that a name can bring claims of its own.
func TestNamesOfClaimsAreEscaped(t *testing.T) {
	s := newSetup(t)
	const hostile = `x":0,"admin`
	raw, c, err := s.issuer().Issue(token.Grant{Subject: "u1", ClientID: "c1", Extra: map[string]any{hostile: true}})
	if err != nil {
		t.Fatal(err)
	}
	got := part(t, raw, 1)
	if got[hostile] != true || got["admin"] != nil || got["x"] != nil {
		t.Errorf("signed: %v", got)
	}
	var again map[string]any
	if err := json.Unmarshal(c.JSON, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, again); diff != "" {
		t.Error(diff)
	}
	nested := map[string]any{"o": map[string]any{hostile: true}}
	if raw, _, err = s.issuer().Issue(token.Grant{Subject: "u1", ClientID: "c1", Extra: nested}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(nested["o"], part(t, raw, 1)["o"]); diff != "" {
		t.Error(diff)
	}
}

func TestNoTwoTokensShareAnID(t *testing.T) {
	s := newSetup(t)
	seen := make(map[string]bool)
	for range 100 {
		_, c, err := s.issuer().Issue(token.Grant{Subject: "u1", ClientID: "c1"})
		if err != nil || seen[c.ID] {
			t.Fatal(c.ID, err)
		}
		seen[c.ID] = true
	}
}

func TestNewIssuerRefuses(t *testing.T) {
	good := token.IssuerConfig{Issuer: issuer, Audience: audience, TTL: time.Second, Ring: func() keys.Ring { return keys.Ring{} }, Now: time.Now}
	for name, spoil := range map[string]func(*token.IssuerConfig){
		"no issuer":      func(c *token.IssuerConfig) { c.Issuer = "" },
		"no audience":    func(c *token.IssuerConfig) { c.Audience = "" },
		"no life":        func(c *token.IssuerConfig) { c.TTL = 0 },
		"a life of 1 ms": func(c *token.IssuerConfig) { c.TTL = time.Millisecond },
		"no ring":        func(c *token.IssuerConfig) { c.Ring = nil },
		"no clock":       func(c *token.IssuerConfig) { c.Now = nil },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := token.NewIssuer(cfg); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := token.NewIssuer(good); err != nil {
		t.Error(err)
	}
}
