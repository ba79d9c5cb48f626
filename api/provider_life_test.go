package api_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rowpass/keys"
	"rowpass/token"
)

// TestAProviderRotatesTwiceUnderLoad, each time signing with a key that nobody here has seen: no request is refused, the keys
// are fetched once each time, and what the key before the last signed ends with it.
func TestAProviderRotatesTwiceUnderLoad(t *testing.T) {
	t.Parallel()
	c := newClock()
	p := newIDP(t, c.Now)
	remote := p.remote()
	s := newServer(t, options{config: taking(t, c.Now, p.provider("idp", "authenticated", remote))})
	first := p.signs
	held := p.token(nil)
	s.do(request{path: "/api/tenants", token: held}).check(t, 200, []string{"Acme"}, nil)

	l := &load{stop: make(chan struct{})}
	defer l.end()
	for range 4 {
		l.working.Go(func() { l.work(s, p) })
	}
	l.more(t, 20)
	second, third := newIDPKey(t, "k2"), newIDPKey(t, "k3")
	for _, published := range [][]idpKey{{second, first}, {third, second}} {
		c.advance(31 * time.Second)
		p.rotate(published...)
		l.more(t, 20)
	}
	l.end()
	if len(l.faults) > 0 {
		t.Errorf("%d of %d requests were refused, such as: %s", len(l.faults), l.answered.Load(), l.faults[0])
	}
	if n := p.fetches.Load(); n != 3 {
		t.Errorf("%d fetches, want 3: the first, and one for each new key", n)
	}
	s.do(request{path: "/api/tenants", token: held}).check(t, 401, []string{"kid names no key of provider idp"}, nil)
	s.do(request{path: "/api/tenants", token: p.sign(first, nil)}).check(t, 401, []string{"kid names no key of provider idp"}, nil)
}

// load is requests with fresh tokens, and which of them were refused.
type load struct {
	stop     chan struct{}
	once     sync.Once
	working  sync.WaitGroup
	answered atomic.Int64

	mu     sync.Mutex // guards faults
	faults []string
}

func (l *load) work(s *server, p *idp) {
	for {
		select {
		case <-l.stop:
			return
		default:
		}
		a := s.do(request{path: "/api/tenants", token: p.token(nil)})
		l.answered.Add(1)
		if a.status != http.StatusOK {
			l.mu.Lock()
			l.faults = append(l.faults, a.body)
			l.mu.Unlock()
		}
	}
}

// more waits for so many more answers.
func (l *load) more(t *testing.T, n int64) {
	t.Helper()
	want := l.answered.Load() + n
	for deadline := time.Now().Add(30 * time.Second); l.answered.Load() < want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %d answers", want)
		}
	}
}

func (l *load) end() {
	l.once.Do(func() { close(l.stop) })
	l.working.Wait()
}

// TestBadTokensCauseNoFetchStorm sends what a stranger can make without a key, all at one moment of the clock.
func TestBadTokensCauseNoFetchStorm(t *testing.T) {
	t.Parallel()
	c := newClock()
	p := newIDP(t, c.Now)
	remote := p.remote()
	s := newServer(t, options{config: taking(t, c.Now, p.provider("idp", "authenticated", remote))})
	s.do(request{path: "/api/tenants", token: p.token(nil)}).check(t, 200, nil, nil)
	var sending sync.WaitGroup
	next := badTokens(c.Now())
	bad := make(chan string)
	for range 8 {
		sending.Go(func() {
			for raw := range bad {
				if a := s.do(request{path: "/api/tenants", token: raw}); a.status != http.StatusUnauthorized || !strings.Contains(a.body, "of provider idp") && !strings.Contains(a.body, "signature") {
					t.Errorf("status %d, %s", a.status, a.body)
				}
			}
		})
	}
	for range 2000 {
		bad <- next()
	}
	close(bad)
	sending.Wait()
	if n := p.fetches.Load(); n > 2 {
		t.Errorf("2,000 bad tokens caused %d fetches, want 1 beside the first", n-1)
	}
	status := remote.Status()
	if status.Suppressed == 0 {
		t.Error("no fetch was suppressed, so that this test tells nothing")
	}
	c.advance(29 * time.Second)
	s.do(request{path: "/api/tenants", token: p.token(nil)}).check(t, 200, nil, nil)
	if after := remote.Status(); after.Keys != 1 || after.Suppressed != status.Suppressed {
		t.Errorf("a good token after them: %+v, want nothing asked for", after)
	}
}

// badTokens makes tokens no two of which are alike: one in three has a kid that nobody knows, one the kid of a key and a
// signature that is none, and one no kid.
func badTokens(now time.Time) func() string {
	claims := segment(map[string]any{"iss": "https://idp.example", "aud": "app", "sub": "u7", "exp": now.Add(time.Hour).Unix()})
	n := 0
	return func() string {
		n++
		header := map[string]any{"alg": "ES256", "n": n}
		switch n % 3 {
		case 0:
			header["kid"] = rand.Text()
		case 1:
			header["kid"] = "k1"
		}
		signature := rand.Text() + rand.Text() + "with twelve."
		return segment(header) + "." + claims + "." + base64.RawURLEncoding.EncodeToString([]byte(signature))
	}
}

// liveBytes is what is in use once the garbage is gone.
func liveBytes() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // no heap is that large
}

// BenchmarkBadTokens: limit is the bare ECDSA verification; each token is another one, and bad. How often they make rowpass ask
// the provider is counted: once when its keys were never fetched, and once for all of them. So is the memory that they leave in use.
func BenchmarkBadTokens(b *testing.B) {
	c := newClock()
	p := newIDP(b, c.Now)
	providers := must(token.NewProviders([]token.Provider{p.provider("idp", "authenticated", p.remote())}))(b)
	ring := newRing(b)
	verifier := must(token.NewVerifier(token.VerifierConfig{
		Issuer: issuer, Audience: audience, Ring: func() keys.Ring { return ring }, Now: c.Now, CacheSize: 1000,
		Providers: func() token.Providers { return providers },
	}))(b)
	must(verifier.Verify(b.Context(), p.token(nil)))(b)
	c.advance(31 * time.Second)
	next, before := badTokens(c.Now()), liveBytes()
	sideBySide(b, 20, bareVerification(b), func() {
		if _, err := verifier.Verify(context.Background(), next()); err == nil {
			b.Fatal("a bad token was accepted")
		}
	})
	b.ReportMetric(float64(p.fetches.Load()), "fetches")
	b.ReportMetric(float64(liveBytes()-before)/1024, "KiB-kept")
	runtime.KeepAlive(verifier)
	if n := p.fetches.Load(); n != 2 {
		b.Errorf("%d fetches, want 2", n)
	}
}
