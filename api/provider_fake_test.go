package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rowpass/api"
	"rowpass/keys"
	"rowpass/token"
)

// idp is a fake provider that signs by ES256 and publishes what a test says.
type idp struct {
	*httptest.Server
	t       testing.TB
	now     func() time.Time
	fetches atomic.Int64

	mu        sync.Mutex // guards what follows
	signs     idpKey
	published []idpKey
}

type idpKey struct {
	id      string
	private *ecdsa.PrivateKey
	jwk     string
}

func newIDPKey(t testing.TB, id string) idpKey {
	t.Helper()
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	point := must(private.PublicKey.Bytes())(t)
	jwk := fmt.Sprintf(`{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":%q,"x":%q,"y":%q}`,
		id, base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:]))
	return idpKey{id, private, jwk}
}

func newIDP(t testing.TB, now func() time.Time) *idp {
	t.Helper()
	key := newIDPKey(t, "k1")
	p := &idp{t: t, now: now, signs: key, published: []idpKey{key}}
	p.Server = httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(p.Close)
	return p
}

func (p *idp) serve(w http.ResponseWriter, _ *http.Request) {
	p.fetches.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, key := range p.published {
		all = append(all, key.jwk)
	}
	_, _ = fmt.Fprintf(w, `{"keys":[%s]}`, strings.Join(all, ","))
}

// rotate publishes these keys and signs with the first.
func (p *idp) rotate(published ...idpKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.signs, p.published = published[0], published
}

// token is good for a minute, and says what the claims add to an issuer and a user of Acme.
func (p *idp) token(claims map[string]any) string {
	p.mu.Lock()
	key := p.signs
	p.mu.Unlock()
	return p.sign(key, claims)
}

func (p *idp) sign(key idpKey, claims map[string]any) string {
	all := map[string]any{"iss": "https://idp.example", "aud": "app", "sub": "u7", "org": acme, "exp": p.now().Add(time.Minute).Unix()}
	for name, value := range claims {
		all[name] = value
	}
	input := segment(map[string]any{"alg": "ES256", "typ": "JWT", "kid": key.id}) + "." + segment(all)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, key.private, digest[:])
	signature := make([]byte, 64)
	must(r, err)(p.t).FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func segment(of map[string]any) string {
	text, _ := json.Marshal(of) // of texts and numbers
	return base64.RawURLEncoding.EncodeToString(text)
}

func (p *idp) remote() *keys.Remote {
	p.t.Helper()
	return must(keys.NewRemote(keys.RemoteConfig{
		Name: "idp", URL: p.URL, Allow: []string{"127.0.0.1"}, Now: p.now, Log: slog.New(slog.DiscardHandler),
	}))(p.t)
}

// provider takes its tokens for a role.
func (p *idp) provider(name, role string, source token.KeySource) token.Provider {
	return token.Provider{
		Name: name, Issuers: []string{"https://" + name + ".example"}, Audience: []string{"app"}, Algorithms: []string{"ES256"}, Role: role,
		Subject: []token.Path{{"sub"}}, Prefix: name + "|", Tenant: []token.Path{{"org"}}, Leeway: time.Second, Keys: source,
	}
}

// taking makes a server take the tokens of these providers beside its own.
func taking(t testing.TB, now func() time.Time, list ...token.Provider) func(*api.Config) {
	t.Helper()
	providers := must(token.NewProviders(list))(t)
	return func(c *api.Config) {
		c.Verifier = must(token.NewVerifier(token.VerifierConfig{
			Issuer: issuer, Audience: audience, Ring: c.Ring, Now: now, Denied: c.Denied, Providers: func() token.Providers { return providers },
		}))(t)
	}
}
