package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"rowpass/api"
	"rowpass/db/dbtest"
	"rowpass/statement"
	"rowpass/token"
)

// roles is a server that takes tokens of two providers, whose users it runs as authenticated and as anonymous, and of one that
// it was wrongly told to run as the owner. Anonymous may not even ask for users.
func roles(t *testing.T, sql func(*api.SQLConfig)) (*server, *idp) {
	t.Helper()
	p := newIDP(t, time.Now)
	source := p.remote()
	s := newServer(t, options{sql: true, sqlConfig: sql, config: taking(t, time.Now,
		p.provider("idp", "authenticated", source), p.provider("visitors", "anonymous", source), p.provider("owner", dbtest.Owner, source))})
	dbtest.Exec(t, s.database.OwnerURL, "revoke select on users from anonymous")
	return s, p
}

func TestAProvidersRoleIsTheConfigurations(t *testing.T) {
	t.Parallel()
	s, p := roles(t, nil)
	of := func(name string, more map[string]any) string {
		claims := map[string]any{"iss": "https://" + name + ".example"}
		for claim, value := range more {
			claims[claim] = value
		}
		return p.token(claims)
	}
	for _, tt := range []struct {
		name, token, path string
		status            int
		says              string
	}{
		{"a user of the provider reads its tenant's users", of("idp", nil), "/api/users", 200, "admin@acme.example"},
		{"whatever role its token claims", of("idp", map[string]any{"role": dbtest.Owner}), "/api/users", 200, "admin@acme.example"},
		{"and its tenant", of("idp", nil), "/api/tenants", 200, `"name":"Acme"`},
		{"a visitor reads what the policies let anonymous see", of("visitors", nil), "/api/tenants", 200, `"tenants":[]`},
		{"and nothing that only authenticated may", of("visitors", nil), "/api/users", 403, "insufficient_scope"},
		{"whatever role the visitor's token claims", of("visitors", map[string]any{"role": "authenticated"}), "/api/users", 403, "insufficient_scope"},
		{"a role that nobody may be given", of("owner", nil), "/api/tenants", 403, "a token's role must be authenticated"},
		{"a token of ours as anonymous", s.grant(token.Grant{Subject: acmeAdmin, Tenant: acme, ClientID: "client_x", Role: "anonymous"}), "/api/tenants", 403,
			"a token's role must be authenticated"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.do(request{path: tt.path, token: tt.token}).check(t, tt.status, []string{tt.says}, nil)
		})
	}
}

// TestAProvidersTokenTakesTheRoleOfTheConnectionString at /sql, where there is a choice, as far as it is offered.
func TestAProvidersTokenTakesTheRoleOfTheConnectionString(t *testing.T) {
	t.Parallel()
	migrator := func(c *api.SQLConfig) {
		c.Rules["migrator"] = api.SQLRole{Rules: &statement.Rules{}, Clients: []string{"client_cli"}}
	}
	open, p := roles(t, func(c *api.SQLConfig) {
		withAnonymous(c)
		migrator(c)
	})
	closed, q := roles(t, migrator)
	of := func(p *idp, name string) string {
		return p.token(map[string]any{"iss": "https://" + name + ".example", "azp": "client_cli", "client_id": "client_cli"})
	}
	ours := open.grant(token.Grant{Subject: acmeAdmin, Tenant: acme, ClientID: "client_x", Role: "anonymous"})
	for _, tt := range []struct {
		name  string
		s     *server
		token string
		role  string
		says  string
	}{
		{"a user", open, of(p, "idp"), "authenticated", `"rows":[["idp|u7","` + acme + `","authenticated"]]`},
		{"a user who asks for less", open, of(p, "idp"), "anonymous", `"rows":[["idp|u7","` + acme + `","anonymous"]]`},
		{"a user whose client has the name of one of ours", open, of(p, "idp"), "migrator", "is not offered to this token"},
		{"a visitor", open, of(p, "visitors"), "anonymous", `"rows":[["visitors|u7","` + acme + `","anonymous"]]`},
		{"a visitor who asks for more", open, of(p, "visitors"), "authenticated", "is not offered to this token"},
		{"a visitor whose client has the name of one of ours", open, of(p, "visitors"), "migrator", "is not offered to this token"},
		{"a visitor where anonymous is off", closed, of(q, "visitors"), "anonymous", "is not offered to this token"},
		{"a visitor who asks for more where anonymous is off", closed, of(q, "visitors"), "authenticated", "is not offered to this token"},
		{"a user where anonymous is off", closed, of(q, "idp"), "anonymous", "is not offered to this token"},
		{"a role that nobody may be given", open, of(p, "owner"), "authenticated", "a token's role must be authenticated"},
		{"a token of ours as anonymous", open, ours, "anonymous", "a token's role must be authenticated"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.s.sql(`{"query":"select auth.user_id(), auth.tenant(), current_user"}`, "Neon-Connection-String", "postgresql://"+tt.role+"@h/"+tt.s.database.Name)
			r.token = tt.token
			status := http.StatusBadRequest
			if strings.HasPrefix(tt.says, `"rows"`) {
				status = http.StatusOK
			}
			tt.s.do(r).check(t, status, []string{tt.says}, nil)
		})
	}
}

// TestAProvidersUserLogsOut here, where the provider goes on: of what the token says, this service believes nothing any more.
func TestAProvidersUserLogsOut(t *testing.T) {
	t.Parallel()
	s, p := roles(t, nil)
	for _, tt := range []struct {
		name   string
		claims map[string]any
	}{
		{"of a token with an id", map[string]any{"jti": "j7"}},
		{"of a token with a session", map[string]any{"sid": "s7"}},
		{"of a token with neither", nil},
		{"of an anonymous one", map[string]any{"iss": "https://visitors.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw := p.token(tt.claims)
			s.do(request{path: "/api/tenants", token: raw}).check(t, 200, nil, nil)
			s.do(request{method: "POST", path: "/api/logout", token: raw}).check(t, 204, nil, nil)
			s.do(request{path: "/api/tenants", token: raw}).check(t, 401, []string{"revoked"}, nil)
		})
	}
}
