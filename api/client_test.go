package api_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"rowpass/token"
)

func decodePart(part string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(part) }

func TestClientsProveWhoTheyAre(t *testing.T) {
	s := newIssuing(t, issuing{})
	off := newIssuing(t, issuing{noLogin: true, beside: s})
	const (
		refresh = "grant_type=refresh_token&refresh_token=rpr_x"
		own     = "grant_type=client_credentials"
		ask     = "token=x"
	)
	user := "grant_type=" + url.QueryEscape(userGrant) + "&subject=" + acmeMember
	asLogin, asAll := "&client_id="+token.ClientLogin, "&client_id="+actsForAll
	secret := "&client_secret=" + clientSecret
	for _, tt := range []struct {
		name          string
		at            *server
		path, body    string
		authorization string
		status        int
		want          string // error
	}{
		{"a browser refreshes without a secret", s, "/api/token", refresh + asLogin, "", 400, "invalid_grant"},
		{"where nobody logs in it may not", off, "/api/token", refresh + asLogin, "", 401, "invalid_client"},
		{"a browser has no secret to send", s, "/api/token", refresh + asLogin + secret, "", 401, "invalid_client"},
		{"nor an empty one by HTTP Basic", s, "/api/token", refresh, byBasic(token.ClientLogin, ""), 401, "invalid_client"},
		{"an empty secret in the form is none", s, "/api/token", refresh + asLogin + "&client_secret=", "", 400, "invalid_grant"},
		{"a browser gets no token of its own", s, "/api/token", own + asLogin, "", 401, "invalid_client"},
		{"a browser acts for nobody", s, "/api/token", user + asLogin, "", 401, "invalid_client"},
		{"a browser revokes", s, "/api/revoke", ask + asLogin, "", 200, ""},
		{"where nobody logs in it does not", off, "/api/revoke", ask + asLogin, "", 401, "invalid_client"},
		{"a browser does not introspect", s, "/api/introspect", ask + asLogin, "", 401, "invalid_client"},
		{"a client that has a secret must send it", s, "/api/token", refresh + asAll, "", 401, "invalid_client"},
		{"to revoke, too", s, "/api/revoke", ask + asAll, "", 401, "invalid_client"},
		{"an empty secret is not it", s, "/api/token", own + asAll + "&client_secret=", "", 401, "invalid_client"},
		{"nor is an empty one by HTTP Basic", s, "/api/token", own, byBasic(actsForAll, ""), 401, "invalid_client"},
		{"nor its hash", s, "/api/token", own + asAll + "&client_secret=" + strings.Repeat("0", 64), "", 401, "invalid_client"},
		{"an unknown client without a secret", s, "/api/token", refresh + "&client_id=client_x", "", 401, "invalid_client"},
		{"an unknown client with the secret of another", s, "/api/token", own + "&client_id=client_x" + secret, "", 401, "invalid_client"},
		{"a secret without a client", s, "/api/token", own + secret, "", 401, "invalid_client"},
		{"nobody at all", s, "/api/introspect", ask, "", 401, "invalid_client"},
		{"somebody with a bearer token", s, "/api/introspect", ask, "Bearer " + s.token(acmeMember, acme), 401, "invalid_client"},
		{"HTTP Basic that is not base64", s, "/api/introspect", ask, "Basic !!!", 401, "invalid_client"},
		{"HTTP Basic without a colon", s, "/api/introspect", ask, "Basic Y2xpZW50", 401, "invalid_client"},
		{"HTTP Basic that is not percent-encoded", s, "/api/introspect", ask, byBasic(actsForAll, "%zz"), 400, "invalid_request"},
		{"HTTP Basic in small letters", s, "/api/introspect", ask, "basic " + byBasic(actsForAll, clientSecret)[6:], 200, ""},
		{"HTTP Basic with the same client in the form", s, "/api/introspect", ask + asAll, byBasic(actsForAll, clientSecret), 200, ""},
		{"HTTP Basic with another client in the form", s, "/api/introspect", ask + asLogin, byBasic(actsForAll, clientSecret), 400, "invalid_request"},
		{"both ways at once", s, "/api/introspect", ask + asAll + secret, byBasic(actsForAll, clientSecret), 400, "invalid_request"},
		{"both ways at once with one secret wrong", s, "/api/revoke", ask + asAll + "&client_secret=x", byBasic(actsForAll, clientSecret), 400, "invalid_request"},
		{"in the form", s, "/api/introspect", ask + asAll + secret, "", 200, ""},
		{"no token to ask about", s, "/api/introspect", asAll[1:] + secret, "", 400, "invalid_request"},
		{"no token to revoke", s, "/api/revoke", asAll[1:] + secret + "&token=", "", 400, "invalid_request"},
		{"two tokens to revoke", s, "/api/revoke", asAll[1:] + secret + "&token=x&token=y", "", 400, "invalid_request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			headers := map[string]string{"Content-Type": form}
			if tt.authorization != "" {
				headers["Authorization"] = tt.authorization
			}
			a := tt.at.do(request{"POST", tt.path, "", tt.body, headers})
			a.check(t, tt.status, nil, []string{clientSecret})
			if tt.want != "" && a.said(t) != tt.want {
				t.Errorf("%s, want %s", a.body, tt.want)
			}
			byHeader := tt.authorization != "" && tt.status == 401
			if challenge := a.header.Get("WWW-Authenticate"); byHeader != strings.HasPrefix(challenge, "Basic ") || !byHeader && challenge != "" {
				t.Errorf("challenge %q", challenge)
			}
		})
	}
}

func byBasic(id, secret string) string { return basic(id, secret)["Authorization"] }

func TestClientProvesItselfOnce(t *testing.T) {
	s := newIssuing(t, issuing{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/api/introspect", strings.NewReader("token=x"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {form}, "Authorization": {byBasic(actsForAll, clientSecret), byBasic(actsForAcme, clientSecret)}}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("two Authorization headers: status %d", resp.StatusCode)
	}
}
