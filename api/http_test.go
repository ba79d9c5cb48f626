package api_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rowpass/api"
	"rowpass/keys"
)

func TestKeySetIsPublicAndCacheable(t *testing.T) {
	s := newServer(t, options{})
	a := s.do(request{path: "/.well-known/jwks.json"})
	a.check(t, 200, []string{s.ring.Keys()[0].ID(), `"use":"sig"`, `"alg":"ES256"`}, []string{`"d"`})
	want := map[string]string{
		"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=300",
		"Access-Control-Allow-Origin": "*", "ETag": s.ring.ETag(),
	}
	got := map[string]string{}
	for name := range want {
		got[name] = a.header.Get(name)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, tt := range map[string]struct {
		method, match string
		status        int
	}{
		"the same":        {"GET", s.ring.ETag(), 304},
		"weakly the same": {"GET", `"x", W/` + s.ring.ETag(), 304},
		"any":             {"GET", "*", 304},
		"another":         {"GET", `"x"`, 200},
		"only the head":   {"HEAD", `"x"`, 200},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do(request{method: tt.method, path: "/.well-known/jwks.json", headers: map[string]string{"If-None-Match": tt.match}})
			if empty := a.body == ""; a.status != tt.status || empty != (tt.status == 304 || tt.method == "HEAD") {
				t.Errorf("status %d with %d bytes, want %d", a.status, len(a.body), tt.status)
			}
		})
	}
}

func TestEveryProblemLeadsToItsExplanation(t *testing.T) {
	s := newServer(t, options{})
	for _, r := range []request{
		{path: "/api/users"}, {path: "/nowhere"}, {method: "PUT", path: "/api/users"}, {path: "/api/users", token: "x"},
		{path: "/api/users/x", token: s.token(acmeMember, acme)}, {path: "/errors/nothing"},
	} {
		t.Run(r.method+r.path, func(t *testing.T) {
			a := s.do(r)
			o := a.object(t)
			if a.header.Get("Content-Type") != "application/problem+json" || float64(a.status) != o["status"] ||
				a.header.Get("X-Request-Id") != o["instance"] || o["title"] == "" {
				t.Errorf("problem %v, type %s, request %s", o, a.header.Get("Content-Type"), a.header.Get("X-Request-Id"))
			}
			s.do(request{path: o["type"].(string)}).check(t, 200, []string{o["code"].(string), o["title"].(string)}, nil)
			s.do(request{path: "/errors"}).check(t, 200, []string{o["code"].(string)}, nil)
		})
	}
}

func TestErrorsPageListsEveryCode(t *testing.T) {
	page := string(must(os.ReadFile("../docs/errors.md"))(t))
	list := newServer(t, options{}).do(request{path: "/errors"}).body
	for _, line := range strings.Split(strings.TrimSpace(list), "\n") {
		status, rest, _ := strings.Cut(line, " ")
		code := strings.Fields(rest)[0]
		if row := "| " + status + " | `" + code + "` |"; !strings.Contains(page, row) {
			t.Errorf("docs/errors.md has no row %s", row)
		}
	}
	if listed, written := strings.Count(list, "\n"), strings.Count(page, "\n| ")-1; listed != written {
		t.Errorf("docs/errors.md has %d codes, the API %d", written, listed)
	}
}

func TestRequestIDIsOursUnlessATrustedProxySaysOne(t *testing.T) {
	for name, tt := range map[string]struct {
		proxies []netip.Prefix
		sent    string
		kept    bool
	}{
		"a stranger's":            {nil, "abc-1", false},
		"a trusted proxy's":       {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "abc-1", true},
		"another network's proxy": {[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, "abc-1", false},
		"one with a quote in it":  {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, `abc"1`, false},
		"one that is too long":    {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, strings.Repeat("a", 65), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, options{proxies: tt.proxies})
			a := s.do(request{path: "/errors", headers: map[string]string{"X-Request-Id": tt.sent, "X-Forwarded-For": "192.0.2.1, 198.51.100.7"}})
			id := a.header.Get("X-Request-Id")
			if (id == tt.sent) != tt.kept || id == "" {
				t.Errorf("request ID %q for %q", id, tt.sent)
			}
			if said := strings.Contains(s.log.String(), `"remote":"198.51.100.7"`); said != (tt.proxies != nil && name != "another network's proxy") {
				t.Errorf("the log says %s", s.log.String())
			}
		})
	}
}

func TestLogHasOneLineWithTheCause(t *testing.T) {
	s := newServer(t, options{})
	s.do(request{"PATCH", "/api/users/" + acmeAdmin, s.token(acmeMember, acme), `{"name":"X"}`, nil}).check(t, 403, nil, nil)
	var line map[string]any
	if err := json.Unmarshal([]byte(s.log.String()), &line); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"msg": "request", "method": "PATCH", "status": 403.0, "sub": acmeMember, "level": "INFO",
		"err": "the policies do not allow this"} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
}

func TestAdminListenerTellsHowItIs(t *testing.T) {
	s := newServer(t, options{})
	draining, ring, finding, following := false, s.ring, "", ""
	metrics := api.NewMetrics("1.2.3")
	metrics.Watch(s.db)
	admin := httptest.NewServer(api.NewAdmin(api.AdminConfig{
		DB: s.db, State: s.state, Ring: func() keys.Ring { return ring }, Metrics: metrics, Log: slog.New(slog.DiscardHandler), Finding: func() string { return finding }, Following: func() string { return following }, Draining: func() bool { return draining },
	}))
	defer admin.Close()
	s.Server.URL = admin.URL
	s.do(request{path: "/livez"}).check(t, 200, []string{"alive"}, nil)
	s.do(request{path: "/readyz"}).check(t, 200, []string{`"ready":true`, `"database":"ok"`}, nil)
	s.do(request{path: "/metrics"}).check(t, 200, []string{`rowpass_build_info{version="1.2.3"} 1`, "rowpass_gateway_connections_limit 4", "go_goroutines"}, nil)
	draining = true
	s.do(request{path: "/readyz"}).check(t, 503, []string{`"ready":false`, `"process":"stopping"`, `"keys":"ok"`}, nil)
	draining, finding = false, "table public.later has no row-level security"
	s.do(request{path: "/readyz"}).check(t, 503, []string{`"policies":"table public.later`}, nil)
	finding, following = "", "keys stay as they were: reading ring: wrapped"
	s.do(request{path: "/readyz"}).check(t, 503, []string{`"following":"new keys or revocations do not reach this instance`}, []string{"wrapped"})
	following, ring = "", keys.Ring{}
	s.do(request{path: "/readyz"}).check(t, 503, []string{`rowpass keys generate`}, nil)
	ring = s.ring
	s.db.Close()
	s.do(request{path: "/readyz"}).check(t, 503, []string{"cannot be reached"}, []string{"password", "postgres://", "sock"})
	local := httptest.NewServer(api.OnlyLocalNames(admin.Config.Handler))
	defer local.Close()
	s.Server.URL = local.URL
	s.do(request{path: "/livez"}).check(t, 200, nil, nil)
	s.do(request{path: "/livez", headers: map[string]string{"Host": "evil.example"}}).check(t, 421, nil, nil)
}

func noFinding() string { return "" }

func TestMetricsLabelRoutesNotAddresses(t *testing.T) {
	s := newServer(t, options{})
	metrics := s.metricsText(t, func() {
		s.do(request{path: "/api/users/" + acmeAdmin, token: s.token(acmeMember, acme)})
		s.do(request{path: "/made/up/by/a/stranger"})
		s.do(request{method: "PROPFIND", path: "/api/users"})
	})
	for _, want := range []string{`route="/api/users/:id",status="200"`, `method="other"`, `status="404"`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("metrics lack %s:\n%s", want, metrics)
		}
	}
	for _, lack := range []string{acmeAdmin, "stranger", "PROPFIND"} {
		if strings.Contains(metrics, lack) {
			t.Errorf("metrics hold %s", lack)
		}
	}
}

// metricsText is what /metrics says after f.
func (s *server) metricsText(t *testing.T, f func()) string {
	t.Helper()
	f()
	admin := httptest.NewServer(api.NewAdmin(api.AdminConfig{
		DB: s.db, State: s.state, Ring: func() keys.Ring { return s.ring }, Metrics: s.metrics, Log: slog.New(slog.DiscardHandler), Finding: noFinding, Following: noFinding, Draining: func() bool { return false },
	}))
	defer admin.Close()
	public := s.URL
	s.URL = admin.URL
	defer func() { s.URL = public }()
	a := s.do(request{path: "/metrics"})
	if a.status != http.StatusOK {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	return a.body
}
