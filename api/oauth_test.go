package api_test

import (
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"rowpass/api"
	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/keys"
	"rowpass/token"
)

// Clients beside the harness's: whom they may act for is in the name.
const (
	actsForAll    = "client_all"
	actsForAcme   = "client_acme"
	actsForNobody = client
	actsForLost   = "client_lost" // for its tenant, which it hasn't

	userGrant = "urn:rowpass:grant-type:user"
)

// trusted are the clients of these tests. Each has the harness's secret.
func trusted() []api.Client {
	sum := sha256.Sum256([]byte(clientSecret))
	scopes := []string{"read", "write", "offline_access"}
	return []api.Client{
		{ID: actsForAll, SecretSHA256: sum, Scopes: scopes, ActFor: "everyone", TokenTTL: 5 * time.Minute, Audiences: []string{audience, "https://files.example"}},
		{ID: actsForAcme, SecretSHA256: sum, Tenant: acme, Scopes: scopes, ActFor: "tenant"},
		{ID: actsForLost, SecretSHA256: sum, Scopes: scopes, ActFor: "tenant"},
	}
}

// issuing is a server whose part in a test is to issue.
type issuing struct {
	clients []api.Client      // nil: trusted()
	noLogin bool              // no POST /api/login
	now     func() time.Time  // nil: time.Now
	refresh api.RefreshConfig // zero: the harness's
	beside  *server           // another instance, on the same database with the same ring; nil: none
}

func newIssuing(t testing.TB, o issuing) *server {
	t.Helper()
	var of options
	if o.beside != nil {
		of.database = &o.beside.database
	}
	of.config = func(c *api.Config) {
		if o.clients == nil {
			o.clients = trusted()
		}
		c.Clients, c.Login, c.Now = append(c.Clients, o.clients...), !o.noLogin, o.now
		if o.refresh != (api.RefreshConfig{}) {
			c.Refresh = o.refresh
		}
		if o.beside != nil {
			ring := o.beside.ring
			c.Issuer, c.Verifier, c.Ring = o.beside.issuer, newDenyingVerifier(t, ring, c.Denied), func() keys.Ring { return ring }
		}
	}
	s := newServer(t, of)
	if o.beside != nil {
		s.ring, s.issuer = o.beside.ring, o.beside.issuer
	}
	return s
}

// oauth sends a form as a client: by HTTP Basic, or as client_login, which has no secret. Parameters are names and values.
func (s *server) oauth(path, as string, parameters ...string) answer {
	s.t.Helper()
	values, headers := url.Values{}, map[string]string{}
	for i := 0; i < len(parameters); i += 2 {
		values.Add(parameters[i], parameters[i+1])
	}
	switch as {
	case "":
	case token.ClientLogin:
		values.Set("client_id", as)
	default:
		headers = basic(as, clientSecret)
	}
	return s.do(request{"POST", path, "", values.Encode(), merge(headers, "Content-Type", form)})
}

// granted is the answer of the token endpoint to a request that succeeds.
func (s *server) granted(as string, parameters ...string) map[string]any {
	s.t.Helper()
	a := s.oauth("/api/token", as, parameters...)
	if a.status != http.StatusOK {
		s.t.Fatalf("no token: %d %s", a.status, a.body)
	}
	return a.object(s.t)
}

// works says what an access token is answered at our own door.
func (s *server) works(raw any) int {
	s.t.Helper()
	return s.do(request{path: "/api/users", token: raw.(string)}).status
}

// said is the error of an OAuth answer, and of one without an error the empty string.
func (a answer) said(t testing.TB) string {
	t.Helper()
	code, _ := a.object(t)["error"].(string)
	return code
}

// expired is a token whose time is over by less than the leeway.
func (s *server) expired(g token.Grant) string {
	s.t.Helper()
	past := must(token.NewIssuer(token.IssuerConfig{
		Issuer: issuer, Audience: audience, TTL: time.Minute, Ring: func() keys.Ring { return s.ring },
		Now: func() time.Time { return time.Now().Add(-time.Minute - token.Leeway/2) },
	}))(s.t)
	raw, _, err := past.Issue(g)
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

// count is the number that a query of the owner's gives.
func (s *server) count(query string) (n int) {
	s.t.Helper()
	if err := dbtest.Connect(s.t, s.database.OwnerURL).QueryRow(s.t.Context(), query).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

// claimsOf are what a token says, without verifying it.
func claimsOf(t testing.TB, raw any) map[string]any {
	t.Helper()
	return answer{body: string(must(decodePart(strings.Split(raw.(string), ".")[1]))(t))}.object(t)
}

func TestEveryAnswerOfTheTokenEndpointsStaysOutOfCaches(t *testing.T) {
	s := newIssuing(t, issuing{})
	for _, path := range []string{"/api/token", "/api/revoke", "/api/introspect"} {
		for name, a := range map[string]answer{
			"a refusal":            s.oauth(path, "client_nobody", "token", "x"),
			"a request without":    s.oauth(path, actsForAll),
			"a request that works": s.oauth(path, actsForAll, "grant_type", "client_credentials", "token", "x"),
		} {
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" {
				t.Errorf("%s, %s: %v", path, name, a.header)
			}
		}
	}
}

func TestTokenEndpointsAreForPOST(t *testing.T) {
	s := newServer(t, options{plain: true})
	for _, path := range []string{"/api/token", "/api/revoke", "/api/introspect"} {
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
			a := s.do(request{method: method, path: path, headers: basic(client, clientSecret)})
			if a.status != http.StatusMethodNotAllowed || !strings.Contains(a.header.Get("Allow"), "POST") {
				t.Errorf("%s %s: %d, Allow %q", method, path, a.status, a.header.Get("Allow"))
			}
		}
	}
}

// FuzzTokenForm sends any form under any credentials that nobody has: whatever comes back is an error of OAuth's, and no
// token.
func FuzzTokenForm(f *testing.F) {
	for _, body := range []string{
		"grant_type=client_credentials&client_id=client_x&client_secret=x", "grant_type=client_credentials&grant_type=refresh_token",
		"grant_type=refresh_token&refresh_token=rpr_x&client_id=client_login", "grant_type=" + url.QueryEscape(userGrant) + "&subject=a%40b&tenant=%00",
		"token=x&token_type_hint=refresh_token&client_id=client_x", "resource=a&resource=b&audience=&scope=%20&grant_type=", "%zz", "a;b", "=", "&&&", "a=%ff&\xff",
	} {
		f.Add(body, form, "")
		f.Add(body, form+"; charset=utf-8", "Basic Y2xpZW50X3g6eA==")
	}
	silent := slog.New(slog.DiscardHandler)
	h := api.New(api.Config{
		Clients: trusted(), Directory: true, Audit: db.NewAudit(nil, silent), Metrics: api.NewMetrics("test"), Log: silent, PublicURL: issuer,
	})
	codes := []string{"invalid_request", "invalid_client", "unsupported_grant_type"}
	f.Fuzz(func(t *testing.T, body, kind, authorization string) {
		if len(body) > 64<<10 {
			t.Skip("what is too large is refused in another shape")
		}
		for _, path := range []string{"/api/token", "/api/revoke", "/api/introspect"} {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
			r.Header["Content-Type"], r.Header["Authorization"] = []string{kind}, []string{authorization}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			var said struct {
				Error       string `json:"error"`
				Description string `json:"error_description"`
			}
			err := json.Unmarshal(w.Body.Bytes(), &said)
			if err != nil || !slices.Contains(codes, said.Error) || said.Description == "" {
				t.Errorf("%s: %v, %s", path, err, w.Body)
			}
			if want := map[bool]int{true: 401, false: 400}[said.Error == "invalid_client"]; w.Code != want {
				t.Errorf("%s: status %d for %s", path, w.Code, said.Error)
			}
			if twice, err := url.ParseQuery(body); err == nil && len(twice["client_id"]) > 1 && said.Error != "invalid_request" {
				t.Errorf("%s: client_id twice is %s", path, said.Error)
			}
		}
	})
}
