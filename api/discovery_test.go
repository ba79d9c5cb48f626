package api_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/api"
	"rowpass/db/dbtest"
	"rowpass/keys"
	"rowpass/token"
)

const (
	serverDocument   = "/.well-known/oauth-authorization-server"
	providerDocument = "/.well-known/openid-configuration"
	resourceDocument = "/.well-known/oauth-protected-resource"
)

// reachedAs is a server's configuration where the world knows it as publicURL, with every kind of client.
func reachedAs(t testing.TB, publicURL string, change func(*api.Config)) func(*api.Config) {
	return func(c *api.Config) {
		c.PublicURL, c.Clients = publicURL, append(c.Clients, trusted()...)
		c.Issuer = must(token.NewIssuer(token.IssuerConfig{
			Issuer: publicURL, Audience: audience, TTL: 15 * time.Minute, Ring: c.Ring, Now: time.Now,
		}))(t)
		c.Verifier = must(token.NewVerifier(token.VerifierConfig{
			Issuer: publicURL, Audience: audience, Ring: c.Ring, Now: time.Now, Denied: c.Denied,
		}))(t)
		if change != nil {
			change(c)
		}
	}
}

// at asks for a path of the public address, as a proxy does that hands everything on as it came.
func (s *server) at(method, path string) answer {
	s.t.Helper()
	r := must(http.NewRequestWithContext(s.t.Context(), method, s.URL+path, nil))(s.t)
	resp := must(s.Client().Do(r))(s.t)
	defer func() { _ = resp.Body.Close() }()
	body := must(io.ReadAll(resp.Body))(s.t)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// pathOf is what a proxy is asked for.
func pathOf(t testing.TB, address string) string {
	t.Helper()
	return must(url.Parse(address))(t).EscapedPath()
}

func TestDiscoveryIsWhereItIsLookedFor(t *testing.T) {
	database := dbtest.New(t)
	for name, tt := range map[string]struct{ path, asked, document string }{
		"the server's":                               {"", serverDocument, serverDocument},
		"the server's, with the path behind":         {"/p", serverDocument + "/p", serverDocument},
		"the server's, with a longer path behind":    {"/p/q", serverDocument + "/p/q", serverDocument},
		"the server's, at the root":                  {"/p", serverDocument, serverDocument},
		"the server's, with another path behind":     {"/p", serverDocument + "/q", ""},
		"the server's, with half the path behind":    {"/p/q", serverDocument + "/p", ""},
		"the provider's":                             {"", providerDocument, providerDocument},
		"the provider's, behind the path":            {"/p", "/p" + providerDocument, providerDocument},
		"the provider's, at the root":                {"/p", providerDocument, providerDocument},
		"the provider's, behind another path":        {"/p", "/q" + providerDocument, ""},
		"the resource's":                             {"", resourceDocument, resourceDocument},
		"the resource's, with the path behind":       {"/p", resourceDocument + "/p", resourceDocument},
		"the resource's, with a path that isn't one": {"", resourceDocument + "/p", ""},
	} {
		t.Run(name, func(t *testing.T) {
			publicURL := "https://rows.example" + tt.path
			s := newServer(t, options{database: &database, config: reachedAs(t, publicURL, nil)})
			a := s.at("GET", tt.asked)
			if tt.document == "" {
				a.check(t, 404, []string{"no_route"}, nil)
				return
			}
			a.check(t, 200, []string{`"` + publicURL + `"`}, nil)
			if diff := cmp.Diff(s.do(request{path: tt.document}).body, a.body); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDiscoveryIsPublicAndCacheable(t *testing.T) {
	s := newServer(t, options{})
	for _, path := range []string{serverDocument, providerDocument, resourceDocument} {
		t.Run(path, func(t *testing.T) {
			a := s.do(request{path: path})
			etag := a.header.Get("ETag")
			got := []string{a.header.Get("Content-Type"), a.header.Get("Cache-Control"), a.header.Get("Access-Control-Allow-Origin")}
			if diff := cmp.Diff([]string{"application/json", "public, max-age=300", "*"}, got); diff != "" || etag == "" {
				t.Errorf("ETag %q: %s", etag, diff)
			}
			if again := s.do(request{path: path, headers: map[string]string{"If-None-Match": etag}}); again.status != 304 {
				t.Errorf("with its ETag: status %d", again.status)
			}
			if head := s.do(request{method: "HEAD", path: path}); head.status != 200 || head.header.Get("ETag") != etag {
				t.Errorf("its head: status %d, ETag %s", head.status, head.header.Get("ETag"))
			}
		})
	}
}

// metadata are the members of both documents, as a client reads them.
type metadata struct {
	Issuer        string   `json:"issuer"`
	Grants        []string `json:"grant_types_supported"`
	Responses     []string `json:"response_types_supported"`
	Scopes        []string `json:"scopes_supported"`
	Token         string   `json:"token_endpoint"`
	TokenAuth     []string `json:"token_endpoint_auth_methods_supported"`
	Revocation    string   `json:"revocation_endpoint"`
	RevokeAuth    []string `json:"revocation_endpoint_auth_methods_supported"`
	Introspection string   `json:"introspection_endpoint"`
	IntrospAuth   []string `json:"introspection_endpoint_auth_methods_supported"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	JWKS          string   `json:"jwks_uri"`
	Resources     []string `json:"protected_resources"`
}

func (s *server) discovered(path string) (m metadata) {
	s.t.Helper()
	a := s.do(request{path: path})
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		s.t.Fatalf("%s: %v", a.body, err)
	}
	return m
}

// TestDiscoveryIsTrue holds each thing that the documents say to what happens, where the world knows the server by a path.
func TestDiscoveryIsTrue(t *testing.T) {
	const publicURL = "https://rows.example/of/mine"
	s := newDoor(t, reachedAs(t, publicURL, nil))
	s.ring = must(s.ring.Add(must(keys.Generate("RS256", time.Now()))(t), keys.Standby, time.Now()))(t)
	m := s.discovered(providerDocument)

	t.Run("the issuer is what tokens say", func(t *testing.T) {
		claims := must(token.NewVerifier(token.VerifierConfig{Issuer: m.Issuer, Audience: audience, Ring: s.ringNow, Now: time.Now}))(t)
		raw := s.loggedIn("member@acme.example", "")["access_token"].(string)
		if c := must(claims.Verify(t.Context(), raw))(t); c.Issuer != m.Issuer || m.Issuer != publicURL {
			t.Errorf("issuer %q, iss %q", m.Issuer, c.Issuer)
		}
	})
	t.Run("each address answers, with the path and without", func(t *testing.T) {
		for _, address := range []string{m.Token, m.Revocation, m.Introspection, m.JWKS} {
			path := pathOf(t, address)
			if !strings.HasPrefix(address, publicURL+"/") || s.at("HEAD", path).status == 404 || s.at("HEAD", strings.TrimPrefix(path, "/of/mine")).status == 404 {
				t.Errorf("%s is not there", address)
			}
		}
		if s.at("GET", pathOf(t, m.JWKS)).body != string(s.ring.JWKS()) {
			t.Error("jwks_uri has other keys")
		}
	})
	t.Run("the algorithms are the ring's", func(t *testing.T) {
		if diff := cmp.Diff([]string{"ES256", "RS256"}, m.Algorithms); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("each scope is somebody's", func(t *testing.T) {
		for _, scope := range m.Scopes {
			s.granted(actsForAll, "grant_type", userGrant, "subject", acmeMember, "scope", scope)
		}
		if diff := cmp.Diff([]string{"offline_access", "read", "write"}, m.Scopes); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("the server's document is the provider's without OpenID Connect", func(t *testing.T) {
		want := m
		want.Algorithms = nil
		if diff := cmp.Diff(want, s.discovered(serverDocument)); diff != "" {
			t.Error(diff)
		}
		lacks := []string{"authorization_endpoint", "userinfo_endpoint", "registration_endpoint", "null"}
		s.do(request{path: serverDocument}).check(t, 200, []string{`"response_types_supported":[]`}, append(lacks, "id_token"))
		s.do(request{path: providerDocument}).check(t, 200, []string{`"subject_types_supported":["public"]`, `"request_uri_parameter_supported":false`}, lacks)
	})
	t.Run("the resource is one of the server's", func(t *testing.T) {
		s.do(request{path: resourceDocument}).check(t, 200, []string{`{"resource":"` + publicURL + `","authorization_servers":["` + m.Issuer + `"],`,
			`"bearer_methods_supported":["header"]`, `"scopes_supported":["offline_access","read","write"]`}, []string{"jwks_uri"})
		if diff := cmp.Diff([]string{publicURL}, m.Resources); diff != "" {
			t.Error(diff)
		}
	})
}

func (s *server) ringNow() keys.Ring { return s.ring }

// TestListedGrantsAndNoOthersWork has a request for each grant that the code knows, so that one which is new asks for a
// line here.
func TestListedGrantsAndNoOthersWork(t *testing.T) {
	s := newDoor(t, reachedAs(t, issuer, nil))
	for grant, ask := range map[string]func() answer{
		"client_credentials": func() answer { return s.oauth("/api/token", client, "grant_type", "client_credentials") },
		"refresh_token": func() answer {
			session := s.loggedIn("member@acme.example", "")
			return s.oauth("/api/token", token.ClientLogin, "grant_type", "refresh_token", "refresh_token", session["refresh_token"].(string))
		},
		userGrant: func() answer {
			return s.oauth("/api/token", actsForAll, "grant_type", userGrant, "subject", acmeMember)
		},
		"password": func() answer {
			return s.oauth("/api/token", actsForAll, "grant_type", "password", "username", "member@acme.example", "password", password)
		},
		"authorization_code": func() answer {
			return s.oauth("/api/token", actsForAll, "grant_type", "authorization_code", "code", "x")
		},
		exchangeGrant:        func() answer { return s.exchange("", s.token(acmeMember, acme)) },
		"Client_Credentials": func() answer { return s.oauth("/api/token", client, "grant_type", "Client_Credentials") },
	} {
		t.Run(grant, func(t *testing.T) {
			a := ask()
			if listed := slices.Contains(s.discovered(serverDocument).Grants, grant); listed != (a.status == 200) || !listed && a.said(t) != "unsupported_grant_type" {
				t.Errorf("listed: %t, and answered %d %s", listed, a.status, a.body)
			}
		})
	}
	if n := len(s.discovered(serverDocument).Grants); n != 4 {
		t.Errorf("%d grants are listed, and 4 tried", n)
	}
}

// TestListedAuthenticationAndNoOtherWorks tries every method of RFC 7591's registry at each endpoint.
func TestListedAuthenticationAndNoOtherWorks(t *testing.T) {
	for _, login := range []bool{true, false} {
		s := newDoor(t, reachedAs(t, issuer, func(c *api.Config) { c.Login = login }))
		m := s.discovered(serverDocument)
		inForm := "&client_id=" + client + "&client_secret=" + clientSecret
		assertion := "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion=" + s.token(client, acme)
		ways := map[string]struct {
			form   string
			header map[string]string
		}{
			"client_secret_basic": {"", basic(client, clientSecret)},
			"client_secret_post":  {inForm, map[string]string{}},
			"none":                {"&client_id=client_exchange", map[string]string{}},
			"private_key_jwt":     {assertion, map[string]string{}},
			"client_secret_jwt":   {assertion + "&client_id=" + client, map[string]string{}},
			"tls_client_auth":     {"&client_id=" + client, map[string]string{}},
		}
		for _, endpoint := range []struct {
			address string
			listed  []string
			ask     func(way string) string
		}{
			{m.Token, m.TokenAuth, func(way string) string {
				if way == "none" { // a client without a secret does this, and nothing else
					return "grant_type=" + exchangeGrant + "&subject_token_type=" + accessType + "&subject_token=" + s.token(acmeMember, acme)
				}
				return "grant_type=client_credentials"
			}},
			{m.Revocation, m.RevokeAuth, func(string) string { return "token=x" }},
			{m.Introspection, m.IntrospAuth, func(string) string { return "token=x" }},
		} {
			for way, sent := range ways {
				name := way + " at " + pathOf(t, endpoint.address)
				if !login {
					name += " without logins"
				}
				t.Run(name, func(t *testing.T) {
					a := s.do(request{"POST", pathOf(t, endpoint.address), "", endpoint.ask(way) + sent.form, merge(sent.header, "Content-Type", form)})
					if listed := slices.Contains(endpoint.listed, way); listed != (a.status == 200) {
						t.Errorf("listed: %t, and answered %d %s", listed, a.status, a.body)
					}
				})
			}
		}
	}
}

// TestRefusedTokenLeadsToTheIssuer follows a 401 as a client does that knows nothing yet (RFC 9728, section 5).
func TestRefusedTokenLeadsToTheIssuer(t *testing.T) {
	database := dbtest.New(t)
	for _, publicURL := range []string{"https://rows.example", "https://rows.example/p", "http://localhost:8080/a/b"} {
		t.Run(publicURL, func(t *testing.T) {
			s := newServer(t, options{database: &database, config: reachedAs(t, publicURL, nil)})
			for name, r := range map[string]request{
				"no token": {path: "/api/users"}, "a bad token": {path: "/api/users", token: "x"},
			} {
				challenge := s.do(r).header.Get("WWW-Authenticate")
				_, address, found := strings.Cut(challenge, `resource_metadata="`)
				address = strings.TrimSuffix(address, `"`)
				if !found || strings.Contains(challenge, "error=") != (r.token != "") {
					t.Fatalf("%s: challenge %q", name, challenge)
				}
				s.at("GET", pathOf(t, address)).check(t, 200, []string{`"authorization_servers":["` + publicURL + `"]`}, nil)
			}
			forbidden := s.do(request{"PATCH", "/api/users/" + acmeAdmin, "x", `{}`, nil})
			if challenge := s.do(request{path: "/api/users?access_token=x"}).header.Get("WWW-Authenticate"); strings.Contains(challenge, "resource_metadata") || forbidden.status != 401 {
				t.Errorf("a request that is malformed is led elsewhere: %s", challenge)
			}
		})
	}
}

func TestPublicURLsPathMayStayOnARequest(t *testing.T) {
	database := dbtest.New(t)
	for _, tt := range []struct {
		path, asked string
		status      int
	}{
		{"/p", "/errors", 200},
		{"/p", "/p/errors", 200},
		{"/p", "/p/api/users", 401},
		{"/p", "/p/api/users/a%2Fb", 401},
		{"/p", "/p/.well-known/jwks.json", 200},
		{"/p", "/p/p/errors", 404},
		{"/p", "/perrors", 404},
		{"/p", "/px/errors", 404},
		{"/p", "/p", 404},
		{"/p", "/p/", 200},
		{"/p", "/", 200},
		{"/p/q", "/p/q/errors", 200},
		{"/p/q", "/q/errors", 404},
		{"/p q", "/p%20q/errors", 200},
		{"/api", "/api/users", 401},
		{"/api", "/api/api/users", 401},
		{"/api", "/api/errors", 200},
		{"/errors", "/errors/no_route", 200},
		{"/errors", "/errors/errors/no_route", 200},
	} {
		t.Run(tt.asked+" of "+tt.path, func(t *testing.T) {
			s := newServer(t, options{database: &database, config: reachedAs(t, "https://rows.example"+strings.ReplaceAll(tt.path, " ", "%20"), nil)})
			if a := s.at("GET", tt.asked); a.status != tt.status {
				t.Errorf("status %d, want %d: %s", a.status, tt.status, a.body)
			}
		})
	}
}

func TestOwnAddressesBeginWithPublicURLsPath(t *testing.T) {
	var raw string
	s := newServer(t, options{config: reachedAs(t, "https://rows.example/p", func(c *api.Config) {
		raw, _, _ = c.Issuer.Issue(token.Grant{Subject: acmeAdmin, Tenant: acme, ClientID: token.ClientDemo})
	})})
	problem := s.at("GET", "/p/api/users").object(t)
	s.at("GET", problem["type"].(string)).check(t, 200, []string{"unauthorized"}, nil)
	if problem["type"] != "/p/errors/unauthorized" {
		t.Errorf("a problem's type is %s", problem["type"])
	}
	r := must(http.NewRequestWithContext(t.Context(), "POST", s.URL+"/p/api/users", strings.NewReader(`{"name":"N","email":"n@acme.example"}`)))(t)
	r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + raw}}
	resp := must(s.Client().Do(r))(t)
	_ = resp.Body.Close()
	if location := resp.Header.Get("Location"); !strings.HasPrefix(location, "/p/api/users/") || s.at("GET", location).status != 401 {
		t.Errorf("status %d, Location %q", resp.StatusCode, location)
	}
}
