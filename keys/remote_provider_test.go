package keys_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
