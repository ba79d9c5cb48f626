package keys_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rowpass/keys"
)

// provider is a server of key sets that answers as it is told to.
type provider struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func newProvider(t testing.TB) *provider {
	p := &provider{}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked.Add(1)
	(*p.answer.Load())(w, r)
}

func (p *provider) does(f http.HandlerFunc) { p.answer.Store(&f) }

// gives answers with a document, and headers in pairs.
func (p *provider) gives(document string, headers ...string) {
	p.does(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Add(headers[i], headers[i+1])
		}
		fmt.Fprint(w, document)
	})
}

// refuses answers with a status, and headers in pairs.
func (p *provider) refuses(status int, headers ...string) {
	p.does(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Add(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
	})
}

// hangsUp is how a provider is down.
func (p *provider) hangsUp() {
	p.does(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

type clock struct{ at atomic.Pointer[time.Time] }

func newClock() *clock {
	c := &clock{}
	c.at.Store(&now)
	return c
}

func (c *clock) now() time.Time { return *c.at.Load() }

func (c *clock) advance(d time.Duration) {
	later := c.now().Add(d)
	c.at.Store(&later)
}

// journal is a log that many may write and one reads.
type journal struct {
	mu  sync.Mutex // guards out
	out bytes.Buffer
}

func (j *journal) Write(data []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.Write(data)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.out.String()
}

// fixture is a Remote of a provider, with its clock and its log.
type fixture struct {
	*keys.Remote
	*provider
	clock *clock
	log   *journal
}

func (f *fixture) config() keys.RemoteConfig {
	return keys.RemoteConfig{Name: "acme", URL: f.URL + "/jwks", Allow: []string{"127.0.0.1"}, Now: f.clock.now, Log: slog.New(slog.NewTextHandler(f.log, nil))}
}

func newFixture(t testing.TB, change ...func(*keys.RemoteConfig)) *fixture {
	t.Helper()
	f := &fixture{provider: newProvider(t), clock: newClock(), log: &journal{}}
	cfg := f.config()
	for _, c := range change {
		c(&cfg)
	}
	f.Remote = must[*keys.Remote](t)(keys.NewRemote(cfg))
	return f
}

// set writes a key set of keys by their kids, and gives it read.
func keySet(t testing.TB, kids ...string) (string, keys.KeySet) {
	t.Helper()
	jwks := make([]string, len(kids))
	for i, kid := range kids {
		jwks[i] = publicJWK(t, p256(t).Public(), map[string]any{"kid": kid})
	}
	return setOf(jwks...), parsed(t, setOf(jwks...))
}

func (f *fixture) wants(t *testing.T, name string, want keys.KeySet, fetches int64) {
	t.Helper()
	got, all := f.Set(), want.Keys()
	if len(got.Keys()) != len(all) {
		t.Errorf("%s: %d keys, want %d", name, len(got.Keys()), len(all))
	}
	for _, k := range all {
		if !got.Holds(k) {
			t.Errorf("%s: key %s is missing", name, k.ID())
		}
	}
	if s := f.Status(); s.Fetches != fetches || f.asked.Load() != fetches || s.Keys != len(all) {
		t.Errorf("%s: %+v, the provider was asked %d times, want %d", name, s, f.asked.Load(), fetches)
	}
}

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
		{"a URL in allow", func(c *keys.RemoteConfig) { c.Allow = []string{"http://keycloak:8080"} }, "allow has"},
		{"a range in allow", func(c *keys.RemoteConfig) { c.Allow = []string{"10.0.0.0/8"} }, "allow has"},
		{"a pattern in allow", func(c *keys.RemoteConfig) { c.Allow = []string{"*.example"} }, "allow has"},
		{"nothing in allow", func(c *keys.RemoteConfig) { c.Allow = []string{""} }, "allow has"},
		{"a port by name in allow", func(c *keys.RemoteConfig) { c.Allow = []string{"keycloak:http"} }, "allow has"},
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

// trusted makes httptest's certificate one of the system's roots, which a process reads once.
var trusted = sync.OnceValue(func() error {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	dir, err := os.MkdirTemp("", "roots")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "roots.pem")
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(name, root, 0o600); err != nil {
		return err
	}
	os.Setenv("SSL_CERT_FILE", name)
	connection, err := tls.Dial("tcp", server.Listener.Addr().String(), nil)
	if err != nil {
		return err
	}
	return connection.Close()
})

func TestRemoteChecksCertificates(t *testing.T) {
	if err := trusted(); err != nil {
		t.Fatal(err)
	}
	document, want := keySet(t, "a")
	for _, tt := range []struct {
		name, host string
		change     func(*tls.Config)
		says       string // "" where it is good
	}{
		{"the host's own", "127.0.0.1", func(*tls.Config) {}, ""},
		{"another host's", "localhost", func(*tls.Config) {}, "not localhost"},
		{"a stranger's", "127.0.0.1", func(c *tls.Config) { c.Certificates = []tls.Certificate{selfSigned(t)} }, "certificate"},
		{"an old protocol", "127.0.0.1", func(c *tls.Config) { c.MaxVersion, c.MinVersion = tls.VersionTLS11, tls.VersionTLS10 }, "protocol version"},
	} {
		p := &provider{}
		p.Server = httptest.NewUnstartedServer(p)
		p.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		p.TLS = &tls.Config{}
		p.StartTLS()
		tt.change(p.TLS)
		p.gives(document)
		f := newFixture(t, func(c *keys.RemoteConfig) {
			c.URL, c.Allow = strings.Replace(p.URL, "127.0.0.1", tt.host, 1), []string{tt.host}
		})
		set, err := f.Fetch(t.Context())
		if tt.says == "" && (err != nil || !set.Holds(want.Keys()[0])) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || len(set.Keys()) > 0 || p.asked.Load() > 0) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.says)
		}
		p.Close()
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	block, _ := pem.Decode([]byte(certificate(t, 0)))
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: p256(t)}
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
