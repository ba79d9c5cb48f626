package keys_test

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

func TestNewRemoteStartsNothing(t *testing.T) {
	f := newFixture(t)
	f.wants(t, "new", keys.KeySet{}, 0)
	if diff := cmp.Diff(keys.RemoteStatus{}, f.Status()); diff != "" {
		t.Error(diff)
	}
}

func TestNewRemoteRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*keys.RemoteConfig)
		says   string
	}{
		{"no name", func(c *keys.RemoteConfig) { c.Name = "" }, "must be given"},
		{"no clock", func(c *keys.RemoteConfig) { c.Now = nil }, "must be given"},
		{"no log", func(c *keys.RemoteConfig) { c.Log = nil }, "must be given"},
		{"no address", func(c *keys.RemoteConfig) { c.URL = "" }, "must be given"},
		{"two addresses", func(c *keys.RemoteConfig) { c.Issuer = "https://x.example" }, "must be given"},
		{"http", func(c *keys.RemoteConfig) { c.URL = "http://x.example/jwks" }, "not https"},
		{"http at another port than is allowed", func(c *keys.RemoteConfig) { c.URL, c.Allow = "http://keycloak:8081/", []string{"keycloak:8080"} }, "name keycloak:8081 in allow"},
		{"an issuer by http", func(c *keys.RemoteConfig) { c.URL, c.Issuer = "", "http://x.example" }, "not https"},
		{"a file", func(c *keys.RemoteConfig) { c.URL = "file:///etc/passwd" }, "no URL"},
		{"another scheme", func(c *keys.RemoteConfig) { c.URL = "ftp://x.example/jwks" }, `begins with "ftp"`},
		{"no scheme", func(c *keys.RemoteConfig) { c.URL = "x.example/jwks" }, "no URL"},
		{"no host", func(c *keys.RemoteConfig) { c.URL = "https:///jwks" }, "no URL"},
		{"a port and no host", func(c *keys.RemoteConfig) { c.URL = "https://:443/jwks" }, "no URL"},
		{"a password", func(c *keys.RemoteConfig) { c.URL = "https://user:hunter2@x.example/jwks" }, "a user or a password"},
		{"a fragment", func(c *keys.RemoteConfig) { c.URL = "https://x.example/jwks#a" }, "#"},
		{"a URL in allow", func(c *keys.RemoteConfig) { c.Allow = []string{"http://keycloak:8080"} }, "allow_private has"},
		{"a range in allow", func(c *keys.RemoteConfig) { c.Allow = []string{"10.0.0.0/8"} }, "allow_private has"},
		{"a pattern in allow", func(c *keys.RemoteConfig) { c.Allow = []string{"*.example"} }, "allow_private has"},
		{"nothing in allow", func(c *keys.RemoteConfig) { c.Allow = []string{""} }, "allow_private has"},
		{"a port by name in allow", func(c *keys.RemoteConfig) { c.Allow = []string{"keycloak:http"} }, "allow_private has"},
	} {
		cfg := keys.RemoteConfig{Name: "acme", URL: "https://x.example/jwks", Now: newClock().now, Log: slog.New(slog.DiscardHandler)}
		tt.change(&cfg)
		r, err := keys.NewRemote(cfg)
		if err == nil || r != nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
	}
}

func TestNewRemoteTakesWhatIsAllowed(t *testing.T) {
	for _, tt := range []struct{ url, allow string }{
		{"http://keycloak:8080/certs", "keycloak:8080"},
		{"http://keycloak:8080/certs", "keycloak"},
		{"http://keycloak/certs", "keycloak:80"},
		{"http://KEYCLOAK:8080/certs", "Keycloak"},
		{"http://127.0.0.1:8080/certs", "127.0.0.1"},
		{"http://[::1]:8080/certs", "::1"},
		{"http://[::1]:8080/certs", "[::1]"},
		{"http://[::1]:8080/certs", "[::1]:8080"},
		{"https://login.microsoftonline.com/common/discovery/keys?appid=1", "localhost"},
	} {
		cfg := keys.RemoteConfig{Name: "acme", URL: tt.url, Allow: []string{tt.allow}, Now: newClock().now, Log: slog.New(slog.DiscardHandler)}
		if _, err := keys.NewRemote(cfg); err != nil {
			t.Errorf("%s with %s: %v", tt.url, tt.allow, err)
		}
	}
}

func TestRemoteTellsHowItFares(t *testing.T) {
	f := newFixture(t)
	document, want := keySet(t, "a", "b")
	f.gives(strings.Replace(document, "[", `[{"kty":"oct","k":"AAAA","kid":"shared"},`, 1), "Cache-Control", "max-age=600")
	f.Refresh(t.Context())
	f.wants(t, "fetched", want, 1)
	got := f.Status()
	if diff := cmp.Diff(keys.RemoteStatus{FetchedAt: now, FreshUntil: now.Add(10 * time.Minute), Fetches: 1, Keys: 2, Skipped: 1}, got); diff != "" {
		t.Error(diff)
	}
	f.refuses(http.StatusInternalServerError)
	f.clock.advance(10 * time.Minute)
	f.Refresh(t.Context())
	f.clock.advance(10 * time.Minute)
	f.Refresh(t.Context())
	want1 := keys.RemoteStatus{FetchedAt: now, FreshUntil: now.Add(10 * time.Minute), Failing: now.Add(10 * time.Minute),
		Err: "it answered with status 500 Internal Server Error", Fetches: 3, Keys: 2, Skipped: 1}
	if diff := cmp.Diff(want1, f.Status()); diff != "" {
		t.Error(diff)
	}
	for _, says := range []string{"level=ERROR msg=\"provider's key is skipped\" provider=acme kid=shared", "level=WARN msg=\"provider's keys were not fetched\""} {
		if !strings.Contains(f.log.String(), says) {
			t.Errorf("the log doesn't say %s: %s", says, f.log)
		}
	}
}

func TestRemoteLogsAKidOfTwoKeys(t *testing.T) {
	f := newFixture(t)
	document, want := keySet(t, "a", "a")
	f.gives(document)
	f.Refresh(t.Context())
	f.wants(t, "fetched", want, 1)
	if !strings.Contains(f.log.String(), `level=WARN msg="provider gives a kid to more than one key" provider=acme kid=[a]`) {
		t.Error(f.log)
	}
}

// What a request has in it, and that nothing of an answer is kept for the next but the ETag.
func TestRemoteAsksPlainly(t *testing.T) {
	f := newFixture(t, func(c *keys.RemoteConfig) { c.URL += "?appid=1" })
	document, _ := keySet(t, "a")
	var headers []http.Header
	f.does(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.String() != "/jwks?appid=1" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		headers = append(headers, r.Header)
		w.Header().Set("Set-Cookie", "a=b")
		w.Header().Set("ETag", `"1"`)
		fmt.Fprint(w, document)
	})
	for range 2 {
		if _, err := f.Fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := http.Header{"User-Agent": {"rowpass"}, "Accept": {"application/jwk-set+json, application/json"}, "Accept-Encoding": {"gzip"}, "Connection": {"close"}}
	if diff := cmp.Diff(want, headers[0]); diff != "" {
		t.Error(diff)
	}
	want.Set("If-None-Match", `"1"`)
	if diff := cmp.Diff(want, headers[1]); diff != "" {
		t.Error(diff)
	}
}

// The provider rotates many times while many read: each token that the provider has signed with a key that it publishes is
// taken, at once or after the one renewal, and never one of a key that is gone.
func TestRemoteFollowsARotationUnderLoad(t *testing.T) {
	f := newFixture(t)
	private := []*ecdsa.PrivateKey{p256(t), p256(t)}
	var mu sync.RWMutex // keeps a rotation from coming between a token's choice and its check
	current := ""
	rotate := func(i int) {
		mu.Lock()
		defer mu.Unlock()
		f.clock.advance(31 * time.Second)
		kid := fmt.Sprint(i)
		f.gives(setOf(publicJWK(t, private[i%2].Public(), map[string]any{"kid": kid})))
		current = kid
	}
	rotate(0)
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				mu.RLock()
				found := f.Set().Find(current, keys.ES256)
				if len(found) == 0 && f.Renew(ctx) {
					found = f.Set().Find(current, keys.ES256)
				}
				if len(found) != 1 && ctx.Err() == nil {
					t.Errorf("key %s is not there: %+v", current, f.Status())
				}
				mu.RUnlock()
			}
		})
	}
	const rotations = 20
	for i := 1; i <= rotations; i++ {
		for f.Set().Find(fmt.Sprint(i-1), keys.ES256) == nil {
			time.Sleep(time.Millisecond)
		}
		rotate(i)
	}
	for f.Set().Find(fmt.Sprint(rotations), keys.ES256) == nil {
		time.Sleep(time.Millisecond)
	}
	stop()
	readers.Wait()
	if got := f.Set().Keys(); len(got) != 1 || f.asked.Load() != rotations+1 {
		t.Errorf("%d keys after %d fetches", len(got), f.asked.Load())
	}
}
