package api_test

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/db/dbtest"
	"rowpass/token"
)

const form = "application/x-www-form-urlencoded"

func TestDemoGivesAnybodyATokenForAnyUser(t *testing.T) {
	s := newServer(t, options{})
	dbtest.Exec(t, s.database.OwnerURL, `insert into users (tenant_id, email) values ('`+globex+`', 'member@acme.example')`)
	tests := []struct {
		name    string
		path    string
		accept  string
		status  int
		subject string
		code    string
	}{
		{"without a name it is the first user", "/api/token", "", 200, acmeAdmin, ""},
		{"by id", "/api/token?user=" + globexMember, "", 200, globexMember, ""},
		{"by id in capitals", "/api/token?user=" + strings.ToUpper(globexMember), "", 200, globexMember, ""},
		{"by address", "/api/token?user=admin@globex.example", "", 200, globexAdmin, ""},
		{"as text", "/api/token?user=admin@globex.example", "text/plain", 200, globexAdmin, ""},
		{"an address that stands in two tenants", "/api/token?user=member@acme.example", "", 409, "", "ambiguous_user"},
		{"the same with the tenant", "/api/token?user=member@acme.example&tenant=" + acme, "", 200, acmeMember, ""},
		{"a tenant that is no id", "/api/token?user=member@acme.example&tenant=Acme", "", 400, "", "invalid_request"},
		{"nobody's address", "/api/token?user=nobody@acme.example", "", 404, "", "unknown_user"},
		{"SQL instead of an address", "/api/token?user='%20or%201=1", "", 404, "", "unknown_user"},
		{"a NUL instead of an address", "/api/token?user=%00", "", 422, "", "invalid_value"},
	}
	verifier := newVerifier(t, s.ring)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.do(request{path: tt.path, headers: map[string]string{"Accept": tt.accept}})
			a.check(t, tt.status, []string{tt.code}, nil)
			if tt.status != http.StatusOK {
				return
			}
			raw := a.body
			if tt.accept == "" {
				raw = a.object(t)["access_token"].(string)
			}
			claims, err := verifier.Verify(context.Background(), raw)
			if err != nil {
				t.Fatal(err)
			}
			if claims.Subject != tt.subject || claims.ClientID != token.ClientDemo {
				t.Errorf("token for %s by %s, want %s", claims.Subject, claims.ClientID, tt.subject)
			}
		})
	}
}

func TestDemoIsOffUnlessAskedFor(t *testing.T) {
	s := newServer(t, options{plain: true})
	a := s.do(request{path: "/api/token?user=" + acmeAdmin})
	a.check(t, 405, []string{"method_not_allowed"}, []string{"access_token"})
	if allow := a.header.Get("Allow"); !strings.Contains(allow, "POST") {
		t.Errorf("Allow: %q, want POST in it", allow)
	}
}

func TestDemoAnswersOnlyToItsOwnNames(t *testing.T) {
	s := newServer(t, options{})
	for host, status := range map[string]int{
		"localhost:8080": 200, "LOCALHOST": 200, "127.0.0.1:1": 200, "[::1]:8080": 200,
		"evil.example": 421, "localhost.evil.example:8080": 421, "127.0.0.1.evil.example": 421,
	} {
		t.Run(host, func(t *testing.T) {
			s.do(request{path: "/api/token", headers: map[string]string{"Host": host}}).check(t, status, nil, nil)
		})
	}
}

func TestClientsGetTokensOfTheirOwn(t *testing.T) {
	s := newServer(t, options{})
	const good = "grant_type=client_credentials&client_id=" + client + "&client_secret=" + clientSecret
	tests := []struct {
		name    string
		body    string
		headers map[string]string
		status  int
		want    string // error, or scope where the status is 200
	}{
		{"id and secret in the form", good, nil, 200, "read write"},
		{"fewer scopes than allowed", good + "&scope=write", nil, 200, "write"},
		{"a scope twice is one", good + "&scope=write+read+write", nil, 200, "read write"},
		{"a scope too many", good + "&scope=read+admin", nil, 400, "invalid_scope"},
		{"id and secret by HTTP Basic", "grant_type=client_credentials", basic(client, clientSecret), 200, "read write"},
		{"percent-encoded by HTTP Basic", "grant_type=client_credentials", basic("client%5Freports", clientSecret), 200, "read write"},
		{"by both ways", good, basic(client, clientSecret), 400, "invalid_request"},
		{"another client by HTTP Basic than in the form", "grant_type=client_credentials&client_id=client_x", basic(client, clientSecret), 400, "invalid_request"},
		{"a wrong secret", good + "x", nil, 401, "invalid_client"},
		{"a wrong secret by HTTP Basic", "grant_type=client_credentials", basic(client, "x"), 401, "invalid_client"},
		{"an unknown client", "grant_type=client_credentials&client_id=client_x&client_secret=x", nil, 401, "invalid_client"},
		{"no client", "grant_type=client_credentials", nil, 401, "invalid_client"},
		{"a bearer token instead of a secret", "grant_type=client_credentials", map[string]string{"Authorization": "Bearer x"}, 401, "invalid_client"},
		{"no grant", "client_id=" + client + "&client_secret=" + clientSecret, nil, 400, "invalid_request"},
		{"another grant", "grant_type=password&username=a&password=b", nil, 400, "unsupported_grant_type"},
		{"a parameter twice", good + "&scope=read&scope=write", nil, 400, "invalid_request"},
		{"an unreadable form", "grant_type=%zz", nil, 400, "invalid_request"},
		{"JSON", `{"grant_type":"client_credentials"}`, map[string]string{"Content-Type": "application/json"}, 400, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			headers := map[string]string{"Content-Type": form}
			for name, value := range tt.headers {
				headers[name] = value
			}
			a := s.do(request{"POST", "/api/token", "", tt.body, headers})
			a.check(t, tt.status, nil, []string{clientSecret})
			if a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control: %q, want no-store", a.header.Get("Cache-Control"))
			}
			o := a.object(t)
			if tt.status == 200 {
				want := map[string]any{"access_token": o["access_token"], "token_type": "Bearer", "expires_in": 3600.0, "scope": tt.want}
				if diff := cmp.Diff(want, o); diff != "" {
					t.Error(diff)
				}
				return
			}
			if o["error"] != tt.want {
				t.Errorf("error %v, want %s", o["error"], tt.want)
			}
			challenge := a.header.Get("WWW-Authenticate")
			if byHeader := headers["Authorization"] != "" && tt.status == 401; byHeader != strings.HasPrefix(challenge, "Basic ") {
				t.Errorf("challenge %q", challenge)
			}
		})
	}
}

func TestTokenParametersInTheAddressAreRefused(t *testing.T) {
	s := newServer(t, options{})
	a := s.do(request{"POST", "/api/token?client_id=" + client + "&client_secret=" + clientSecret, "", "grant_type=client_credentials",
		map[string]string{"Content-Type": form}})
	a.check(t, 400, []string{"invalid_request"}, nil)
}

func TestClientsTokenSeesTheTenantAndChangesNothing(t *testing.T) {
	s := newServer(t, options{})
	raw := s.do(request{"POST", "/api/token", "", "grant_type=client_credentials", merge(basic(client, clientSecret), "Content-Type", form)}).
		object(t)["access_token"].(string)
	s.do(request{path: "/api/users", token: raw}).check(t, 200, []string{acmeAdmin}, []string{"globex"})
	s.do(request{"PATCH", "/api/users/" + acmeMember, raw, `{"name":"X"}`, nil}).check(t, 403, nil, nil)
	s.do(request{"DELETE", "/api/users/" + acmeMember, raw, "", nil}).check(t, 403, nil, nil)
	claims, err := newVerifier(t, s.ring).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != client || claims.ClientID != client || claims.Expiry.Sub(claims.IssuedAt) != time.Hour {
		t.Errorf("sub %s, client_id %s, life %s; want the client twice, and its hour", claims.Subject, claims.ClientID, claims.Expiry.Sub(claims.IssuedAt))
	}
}

func basic(id, secret string) map[string]string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(id, secret)
	return map[string]string{"Authorization": r.Header.Get("Authorization")}
}

func merge(m map[string]string, name, value string) map[string]string {
	all := map[string]string{name: value}
	maps.Copy(all, m)
	return all
}
