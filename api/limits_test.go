package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"rowpass/api"
	"rowpass/db/dbtest"
)

// clock stands until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// limited is a configuration with limits and a clock.
func limited(l api.Limits, c *clock) func(*api.Config) {
	return func(config *api.Config) { config.Limits, config.Now = l, c.Now }
}

// asClient is a form to one of OAuth's endpoints, by HTTP Basic.
func asClient(path, secret, body string) request {
	return request{"POST", path, "", body, merge(basic(client, secret), "Content-Type", form)}
}

func TestLimitsHoldForEachAddressAndClient(t *testing.T) {
	own := asClient("/api/token", clientSecret, "grant_type=client_credentials")
	wrong := asClient("/api/token", "wrong", "grant_type=client_credentials")
	introspect := asClient("/api/introspect", clientSecret, "token=x")
	revoke := asClient("/api/revoke", clientSecret, "token=x")
	logout := request{"POST", "/api/logout", "", "", map[string]string{}}
	login := request{"POST", "/api/login", "", `{"email":"x@y.example","password":"wrong-password"}`, map[string]string{}}
	perMinute := func(n int) api.Limits {
		return api.Limits{TokenPerAddress: n, LoginPerAddress: n, IntrospectionPerAddress: n}
	}
	database := dbtest.New(t)
	type step struct {
		from    string        // X-Forwarded-For
		wait    time.Duration // before it
		request request
		status  int
	}
	for name, tt := range map[string]struct {
		limits  api.Limits
		proxies string // who may say where a request came from
		steps   []step
		retry   string // Retry-After of the last step
	}{
		"the token endpoint": {perMinute(2), "127.0.0.0/8",
			[]step{{"192.0.2.1", 0, own, 200}, {"192.0.2.1", 0, own, 200}, {"192.0.2.1", 0, own, 429}}, "30"},
		"revocation counts with the token endpoint": {perMinute(2), "127.0.0.0/8",
			[]step{{"192.0.2.1", 0, own, 200}, {"192.0.2.1", 0, revoke, 200}, {"192.0.2.1", 0, own, 429}}, "30"},
		"introspection by itself": {api.Limits{TokenPerAddress: 1, IntrospectionPerAddress: 2}, "127.0.0.0/8",
			[]step{{"192.0.2.1", 0, own, 200}, {"192.0.2.1", 0, introspect, 200}, {"192.0.2.1", 0, introspect, 200}, {"192.0.2.1", 0, introspect, 429}}, "30"},
		"logging in": {perMinute(1), "127.0.0.0/8", []step{{"192.0.2.1", 0, login, 401}, {"192.0.2.1", 0, login, 429}}, "60"},
		"logging out counts with the token endpoint": {perMinute(2), "127.0.0.0/8",
			[]step{{"192.0.2.1", 0, own, 200}, {"192.0.2.1", 0, logout, 401}, {"192.0.2.1", 0, logout, 429}}, "30"},
		"wrong secrets by themselves": {api.Limits{LoginPerAddress: 1}, "127.0.0.0/8",
			[]step{{"192.0.2.1", 0, login, 401}, {"192.0.2.1", 0, wrong, 401}, {"192.0.2.1", 0, wrong, 429}, {"192.0.2.1", 0, own, 200},
				{"192.0.2.1", 0, wrong, 429}}, "60"},
		"another address": {perMinute(1), "127.0.0.0/8",
			[]step{{"192.0.2.1", 0, own, 200}, {"192.0.2.2", 0, own, 200}, {"192.0.2.1", 0, own, 429}}, "60"},
		"a refused request counts too": {perMinute(1), "127.0.0.0/8",
			[]step{{"192.0.2.1", 0, wrong, 401}, {"192.0.2.1", 0, own, 429}}, "60"},
		"the seconds are rounded up": {perMinute(7), "127.0.0.0/8",
			append(times(7, step{"192.0.2.1", 0, own, 200}), step{"192.0.2.1", 0, own, 429}), "9"},
		"who waits as long as was said is answered": {perMinute(7), "127.0.0.0/8",
			append(times(7, step{"192.0.2.1", 0, own, 200}), step{"192.0.2.1", 0, own, 429}, step{"192.0.2.1", 9 * time.Second, own, 200}), ""},
		"once": {perMinute(7), "127.0.0.0/8",
			append(times(7, step{"192.0.2.1", 0, own, 200}), step{"192.0.2.1", 9 * time.Second, own, 200}, step{"192.0.2.1", 0, own, 429}), "9"},
		"who waits for less is not": {perMinute(6), "127.0.0.0/8",
			append(times(6, step{"192.0.2.1", 0, own, 200}), step{"192.0.2.1", 9 * time.Second, own, 429}), "1"},
		"a quiet hour saves no more than a minute's": {perMinute(2), "127.0.0.0/8",
			[]step{{"192.0.2.1", 0, own, 200}, {"192.0.2.1", time.Hour, own, 200}, {"192.0.2.1", 0, own, 200}, {"192.0.2.1", 0, own, 429}}, "30"},

		"one network of IPv6": {perMinute(2), "127.0.0.0/8",
			[]step{{"2001:db8:0:1::1", 0, own, 200}, {"2001:db8:0:1::2", 0, own, 200}, {"2001:db8:0:1:ffff::3", 0, own, 429}}, "30"},
		"its neighbour": {perMinute(1), "127.0.0.0/8",
			[]step{{"2001:db8:0:1::1", 0, own, 200}, {"2001:db8:0:2::1", 0, own, 200}}, ""},
		"IPv4 written as IPv6 is the same address": {perMinute(1), "127.0.0.0/8",
			[]step{{"192.0.2.1", 0, own, 200}, {"::ffff:192.0.2.1", 0, own, 429}}, "60"},
		"and not one network": {perMinute(1), "127.0.0.0/8",
			[]step{{"::ffff:192.0.2.1", 0, own, 200}, {"::ffff:192.0.2.2", 0, own, 200}}, ""},

		"a stranger who makes addresses up": {perMinute(1), "10.0.0.0/8",
			[]step{{"192.0.2.1", 0, own, 200}, {"192.0.2.2", 0, own, 429}}, "60"},
		"a stranger who makes addresses up in front of a proxy's": {perMinute(1), "127.0.0.0/8",
			[]step{{"198.51.100.1, 192.0.2.1", 0, own, 200}, {"198.51.100.2, 192.0.2.1", 0, own, 429}}, "60"},
		"behind two proxies": {perMinute(1), "127.0.0.0/8,203.0.113.0/24",
			[]step{{"192.0.2.1, 203.0.113.7", 0, own, 200}, {"192.0.2.2, 203.0.113.7", 0, own, 200}, {"192.0.2.1, 203.0.113.8", 0, own, 429}}, "60"},

		"a client from everywhere": {api.Limits{TokenPerClient: 2}, "127.0.0.0/8",
			[]step{{"192.0.2.1", 0, own, 200}, {"192.0.2.2", 0, own, 200}, {"192.0.2.3", 0, own, 429}}, "30"},
		"a stranger cannot use up a client's": {api.Limits{TokenPerClient: 1}, "127.0.0.0/8",
			[]step{{"192.0.2.1", 0, wrong, 401}, {"192.0.2.1", 0, wrong, 401}, {"192.0.2.2", 0, own, 200}, {"192.0.2.2", 0, own, 429}}, "60"},
		"a client that introspects": {api.Limits{IntrospectionPerClient: 1}, "127.0.0.0/8",
			[]step{{"192.0.2.1", 0, introspect, 200}, {"192.0.2.2", 0, introspect, 429}}, "60"},
		"no limit": {api.Limits{}, "127.0.0.0/8", times(20, step{"192.0.2.1", 0, own, 200}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			s := newServer(t, options{database: &database, proxies: prefixes(tt.proxies), config: limited(tt.limits, c)})
			var last answer
			for i, step := range tt.steps {
				c.advance(step.wait)
				step.request.headers = merge(maps.Clone(step.request.headers), "X-Forwarded-For", step.from)
				if last = s.do(step.request); last.status != step.status {
					t.Fatalf("step %d: status %d, want %d: %s", i+1, last.status, step.status, last.body)
				}
			}
			if got := last.header.Get("Retry-After"); got != tt.retry {
				t.Errorf("Retry-After %q, want %q", got, tt.retry)
			}
			if last.status == 429 {
				last.check(t, 429, []string{`"code":"too_many_requests"`}, []string{"192.0.2."})
			}
		})
	}
}

func times[T any](n int, v T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = v
	}
	return all
}

func prefixes(text string) (all []netip.Prefix) {
	for _, p := range strings.Split(text, ",") {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// TestAddressesAreForgottenBeforeTheyFillTheMemory asks from so many addresses that the first must have been forgotten,
// which shows in its allowance being whole again.
func TestAddressesAreForgottenBeforeTheyFillTheMemory(t *testing.T) {
	const remembered = 1 << 14
	for name, tt := range map[string]struct {
		others int
		status int
	}{
		"as many as are remembered": {remembered - 1, http.StatusTooManyRequests},
		"one more":                  {remembered, http.StatusUnsupportedMediaType},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, options{config: limited(api.Limits{LoginPerAddress: 1}, newClock())})
			s.ask("/api/login", "192.0.2.1")
			for i := range tt.others {
				if status := s.ask("/api/login", fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)); status != http.StatusUnsupportedMediaType {
					t.Fatalf("address %d: status %d", i, status)
				}
			}
			if status := s.ask("/api/login", "192.0.2.1"); status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
		})
	}
}

// ask is what a POST without a body, from an address, is answered.
func (s *server) ask(path, address string) int {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://localhost"+path, nil)
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(address), 1).String()
	w := httptest.NewRecorder()
	s.Config.Handler.ServeHTTP(w, r)
	return w.Code
}

// TestSiteOfIPv6HasAHundredAllowances asks from one network after another. One that has used up its own takes nothing of
// the site's.
func TestSiteOfIPv6HasAHundredAllowances(t *testing.T) {
	const answered, limited429 = http.StatusUnauthorized, http.StatusTooManyRequests
	c := newClock()
	s := newServer(t, options{config: limited(api.Limits{TokenPerAddress: 2}, c)})
	for i := range 100 {
		for ask, want := range []int{answered, answered, limited429} {
			if got := s.ask("/api/logout", fmt.Sprintf("2001:db8:1:%x::%x", i, ask+1)); got != want {
				t.Fatalf("network %d, request %d: status %d, want %d", i, ask+1, got, want)
			}
		}
	}
	if got := s.ask("/api/logout", "2001:db8:1:ffff::1"); got != limited429 {
		t.Errorf("a network more: status %d", got)
	}
	if got := s.ask("/api/logout", "2001:db8:2::1"); got != answered {
		t.Errorf("another site: status %d", got)
	}
	c.advance(time.Minute)
	if got := s.ask("/api/logout", "2001:db8:1:fffe::1"); got != answered {
		t.Errorf("a minute later: status %d", got)
	}
}
