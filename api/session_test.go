package api_test

import (
	"net/http"
	"strings"
	"testing"

	"rowpass/token"
)

func TestOnlyAGoodBearerTokenOpensASession(t *testing.T) {
	s := newServer(t, options{})
	good := s.token(acmeMember, acme)
	other := newIssuer(t, newRing(t), issuer)
	forged, _, err := other.Issue(token.Grant{Subject: acmeAdmin, Tenant: acme, ClientID: "client_x"})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, _, err := newIssuer(t, s.ring, "https://other.example").Issue(token.Grant{Subject: acmeAdmin, Tenant: acme, ClientID: "client_x"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name      string
		header    string // Authorization; "-": none
		query     string
		status    int
		code      string
		challenge string
	}{
		{"no token", "-", "", 401, "unauthorized", `Bearer realm="rowpass"`},
		{"another scheme is no token", "Basic YTpi", "", 401, "unauthorized", `Bearer realm="rowpass"`},
		{"the scheme in lower case", "bearer " + good, "", 200, "", ""},
		{"a scheme without a token", "Bearer ", "", 400, "invalid_request", `Bearer realm="rowpass", error="invalid_request"`},
		{"something that is no token", "Bearer abc", "", 401, "invalid_token", `error="invalid_token"`},
		{"two tokens in one header", "Bearer " + good + " " + good, "", 401, "invalid_token", `error="invalid_token"`},
		{"a tab before the token", "Bearer\t" + good, "", 401, "unauthorized", ""},
		{"a token in the address", "-", "?access_token=" + good, 400, "invalid_request", ""},
		{"a token in the address and in the header", "Bearer " + good, "?access_token=" + good, 400, "invalid_request", ""},
		{"a key that is not ours", "Bearer " + forged, "", 401, "invalid_token", `error="invalid_token"`},
		{"an issuer that is not ours", "Bearer " + elsewhere, "", 401, "invalid_token", `error="invalid_token"`},
		{"a signature that was changed", "Bearer " + good[:len(good)-8] + "AAAAAAAA", "", 401, "invalid_token", ""},
		{"a token of a megabyte is cut off with the header", "Bearer " + strings.Repeat("a", 20_000), "", 401, "invalid_token", ""},
		{"a role that a token may not take", "Bearer " + s.grant(token.Grant{Subject: acmeAdmin, Tenant: acme, ClientID: "client_x", Role: "postgres"}),
			"", 403, "insufficient_scope", `error="insufficient_scope"`},
		{"a role with SQL in it", "Bearer " + s.grant(token.Grant{Subject: acmeAdmin, ClientID: "client_x", Role: `authenticated"; drop table users --`}),
			"", 403, "insufficient_scope", ""},
		{"the gateway's role", "Bearer " + s.grant(token.Grant{Subject: acmeAdmin, ClientID: "client_x", Role: "rowpass_gateway"}),
			"", 403, "insufficient_scope", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			headers := map[string]string{"Authorization": tt.header}
			if tt.header == "-" {
				headers = nil
			}
			a := s.do(request{path: "/api/users" + tt.query, headers: headers})
			a.check(t, tt.status, []string{tt.code}, []string{"acme.example", good}[boolIndex(tt.status == 200):])
			if !strings.Contains(a.header.Get("WWW-Authenticate"), tt.challenge) {
				t.Errorf("challenge %q, want %q in it", a.header.Get("WWW-Authenticate"), tt.challenge)
			}
			if tt.code == "unauthorized" && strings.Contains(a.header.Get("WWW-Authenticate"), "error=") {
				t.Errorf("challenge %q names an error where no token came", a.header.Get("WWW-Authenticate"))
			}
		})
	}
}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestTwoAuthorizationHeadersAreRefused(t *testing.T) {
	s := newServer(t, options{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/users", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Authorization"] = []string{"Bearer " + s.token(acmeMember, acme), "Bearer " + s.token(globexMember, globex)}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d, want 400", resp.StatusCode)
	}
}

func TestTokensAndSecretsStayOutOfTheLog(t *testing.T) {
	s := newServer(t, options{})
	good := s.token(acmeMember, acme)
	s.do(request{path: "/api/users", token: good}).check(t, 200, nil, nil)
	s.do(request{path: "/api/users", token: good + "x"}).check(t, 401, nil, nil)
	s.do(request{path: "/api/users?access_token=" + good}).check(t, 400, nil, nil)
	demo := s.do(request{path: "/api/token"}).object(t)["access_token"].(string)
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	s.do(request{"POST", "/api/token", "", "grant_type=client_credentials&client_id=" + client + "&client_secret=" + clientSecret, form}).check(t, 200, nil, nil)
	s.do(request{"POST", "/api/token", "", "grant_type=client_credentials&client_id=" + client + "&client_secret=wrong-" + clientSecret, form}).check(t, 401, nil, nil)
	log := s.log.String()
	for _, secret := range []string{good, good[len(good)-40:], demo, clientSecret, "Bearer"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
	if n := strings.Count(log, "\n"); n != 6 {
		t.Errorf("%d lines in the log, want one a request, 6:\n%s", n, log)
	}
}
