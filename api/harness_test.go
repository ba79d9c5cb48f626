package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rowpass/api"
	"rowpass/db"
	"rowpass/db/dbtest"
	"rowpass/keys"
	"rowpass/statement"
	"rowpass/token"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// The seed's ids.
const (
	acme         = "a0000000-0000-4000-8000-000000000001"
	acmeAdmin    = "a0000000-0000-4000-8000-00000000000a"
	acmeMember   = "a0000000-0000-4000-8000-00000000000b"
	globex       = "b0000000-0000-4000-8000-000000000001"
	globexAdmin  = "b0000000-0000-4000-8000-00000000000a"
	globexMember = "b0000000-0000-4000-8000-00000000000b"

	issuer   = "https://issuer.example"
	audience = "rowpass"

	client       = "client_reports"
	clientSecret = "correct-horse-battery-staple-9f8e7d"
)

// server is the real API on a database of the test's own.
type server struct {
	*httptest.Server
	t        testing.TB
	database dbtest.Database
	db       *db.DB
	state    *db.State
	denied   *token.DenyList
	audit    *db.Audit
	path     string // public_url's
	endAudit func() // writes what audit holds still; from then on it takes nothing
	ring     keys.Ring
	issuer   *token.Issuer
	metrics  *api.Metrics
	log      *syncBuffer
}

type options struct {
	gatewayURL string // "": the database's
	conns      int    // 0: 4
	plain      bool   // no demo
	proxies    []netip.Prefix
	database   *dbtest.Database // nil: a fresh copy of the seed
	timeout    time.Duration    // 0: 5 s
	mode       string           // "": cache_statement
	sealKey    []byte           // nil: read as the owner
	sql        bool             // POST /sql too, with defaults as config.yaml has them
	sqlConfig  func(*api.SQLConfig)
	config     func(*api.Config) // changes the rest
}

func newServer(t testing.TB, o options) *server {
	t.Helper()
	s := &server{t: t, ring: newRing(t), metrics: api.NewMetrics("test"), log: &syncBuffer{}}
	if o.database == nil {
		d := dbtest.New(t)
		o.database = &d
	}
	s.database = *o.database
	if o.gatewayURL == "" {
		o.gatewayURL = s.database.GatewayURL
	}
	if o.conns == 0 {
		o.conns = 4
	}
	if o.mode == "" {
		o.mode = "cache_statement"
	}
	if o.timeout == 0 {
		o.timeout = 5 * time.Second
	}
	var sink io.Writer = s.log
	if _, bench := t.(*testing.B); bench {
		sink = io.Discard
	}
	log := slog.New(slog.NewJSONHandler(sink, nil))
	owner := s.database.OwnerURL
	if o.sealKey != nil {
		owner = ""
	}
	s.db = must(db.Open(t.Context(), db.Config{
		GatewayURL: o.gatewayURL, OwnerURL: owner, SealKey: o.sealKey,
		MaxConns: o.conns, QueryExecMode: o.mode, StatementTimeout: o.timeout, Log: log,
	}))(t)
	t.Cleanup(s.db.Close)
	s.state = must(db.OpenState(t.Context(), db.StateConfig{
		URL: s.database.ServiceURL, QueryExecMode: o.mode, Timeout: o.timeout, Log: log,
	}))(t)
	t.Cleanup(s.state.Close)
	s.issuer, s.denied = newIssuer(t, s.ring, issuer), token.NewDenyList()
	s.runAudit(log)
	config := api.Config{
		SQL: s.openSQL(o), DB: s.db, State: s.state, Issuer: s.issuer, Verifier: newDenyingVerifier(t, s.ring, s.denied), Denied: s.denied,
		Ring: func() keys.Ring { return s.ring }, JWKSMaxAge: 5 * time.Minute, PublicURL: issuer, Directory: true, Login: true, Audit: s.audit,
		Refresh: api.RefreshConfig{TTL: 24 * time.Hour, MaxAge: 30 * 24 * time.Hour, Grace: 10 * time.Second},
		Clients: []api.Client{{
			ID: client, SecretSHA256: sha256.Sum256([]byte(clientSecret)), Tenant: acme,
			Scopes: []string{"read", "write"}, TokenTTL: time.Hour,
		}},
		Demo: !o.plain, Hosts: []string{"localhost"}, TrustedProxies: o.proxies, Metrics: s.metrics, Log: log,
	}
	if o.config != nil {
		o.config(&config)
	}
	s.path = must(url.Parse(config.PublicURL))(t).Path
	s.Server = httptest.NewServer(api.New(config))
	t.Cleanup(s.Close)
	return s
}

// runAudit writes events until the test, or endAudit, says that there are no more.
func (s *server) runAudit(log *slog.Logger) {
	s.audit = db.NewAudit(s.state, log)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.audit.Run(ctx) })
	s.endAudit = func() {
		cancel()
		running.Wait()
	}
	s.t.Cleanup(s.endAudit)
}

// events ends the audit and gives what was written, the oldest first.
func (s *server) events(f db.EventFilter) []db.Event {
	s.t.Helper()
	s.endAudit()
	events := must(s.state.Events(s.t.Context(), f))(s.t)
	slices.SortStableFunc(events, func(a, b db.Event) int { return a.At.Compare(b.At) })
	return events
}

// openSQL prepares POST /sql, or returns nil where a test does without. Each connection string names the test's database.
func (s *server) openSQL(o options) *api.SQLConfig {
	s.t.Helper()
	if !o.sql {
		return nil
	}
	strangers := must(db.OpenStrangers(s.t.Context(), s.db, db.StrangersConfig{GatewayURL: o.gatewayURL, MaxConns: o.conns, Timeout: o.timeout}))(s.t)
	s.t.Cleanup(strangers.Close)
	c := &api.SQLConfig{
		Strangers: strangers, Checker: must(statement.NewChecker(statement.Config{}))(s.t), Database: s.database.Name,
		Rules:           map[string]api.SQLRole{"authenticated": {Rules: &statement.Rules{}}},
		MaxRequestBytes: 10 << 20, MaxResponseBytes: 10 << 20, MaxRows: 100_000, MaxQueries: 100, PerSubject: 10,
	}
	if o.sqlConfig != nil {
		o.sqlConfig(c)
	}
	return c
}

func newRing(t testing.TB) keys.Ring {
	t.Helper()
	return must(keys.Ring{}.Add(must(keys.Generate("ES256", time.Now()))(t), keys.Current, time.Now()))(t)
}

func newIssuer(t testing.TB, ring keys.Ring, name string) *token.Issuer {
	t.Helper()
	return must(token.NewIssuer(token.IssuerConfig{
		Issuer: name, Audience: audience, TTL: 15 * time.Minute, Ring: func() keys.Ring { return ring }, Now: time.Now,
	}))(t)
}

func newVerifier(t testing.TB, ring keys.Ring) *token.Verifier {
	t.Helper()
	return newDenyingVerifier(t, ring, nil)
}

func newDenyingVerifier(t testing.TB, ring keys.Ring, denied *token.DenyList) *token.Verifier {
	t.Helper()
	return must(token.NewVerifier(token.VerifierConfig{
		Issuer: issuer, Audience: audience, Ring: func() keys.Ring { return ring }, Now: time.Now, CacheSize: 1000, Denied: denied,
	}))(t)
}

// must gives a call's value, or ends the test with its error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// token issues one for a user of a tenant.
func (s *server) token(user, tenant string) string {
	s.t.Helper()
	return s.grant(token.Grant{Subject: user, Tenant: tenant, ClientID: token.ClientDemo})
}

func (s *server) grant(g token.Grant) string {
	s.t.Helper()
	raw, _, err := s.issuer.Issue(g)
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

// request is what a test sends.
type request struct {
	method  string // "": GET
	path    string
	token   string // "": no Authorization header
	body    string
	headers map[string]string
}

// answer is what it gets.
type answer struct {
	status int
	header http.Header
	body   string
}

// object is the answer's JSON.
func (a answer) object(t testing.TB) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(a.body), &o); err != nil {
		t.Fatalf("%q is no JSON object: %v", a.body, err)
	}
	return o
}

func (s *server) do(r request) answer {
	s.t.Helper()
	return s.send(context.Background(), r)
}

func (s *server) send(ctx context.Context, r request) answer {
	s.t.Helper()
	if r.method == "" {
		r.method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, r.method, s.URL+r.path, strings.NewReader(r.body))
	if err != nil {
		s.t.Fatal(err)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.headers {
		req.Header.Set(name, value)
		if name == "Host" {
			req.Host = value
		}
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	a := answer{resp.StatusCode, resp.Header, string(body)}
	s.conform(req, r.body, a)
	return a
}

// check compares status and text: every part of contains must be in the body, and no part of lacks.
func (a answer) check(t *testing.T, status int, contains, lacks []string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d; body %s", a.status, status, a.body)
	}
	for _, part := range contains {
		if !strings.Contains(a.body, part) {
			t.Errorf("body %s\nlacks %s", a.body, part)
		}
	}
	for _, part := range lacks {
		if strings.Contains(a.body, part) {
			t.Errorf("body %s\nholds %s", a.body, part)
		}
	}
}
