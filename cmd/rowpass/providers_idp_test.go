package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"rowpass/db/dbtest"
)

// signer is a provider's key.
type signer struct {
	t   testing.TB
	alg string
	key crypto.Signer
}

func newSigner(t testing.TB, alg string) signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return signer{t, alg, key}
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// jwk is the key as the provider publishes it.
func (s signer) jwk(kid string, more map[string]any) map[string]any {
	s.t.Helper()
	jwk := map[string]any{"kid": kid, "alg": s.alg, "use": "sig"}
	switch public := s.key.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", encode(public.N.Bytes()), encode(binary.BigEndian.AppendUint32(nil, uint32(public.E))[1:]) //nolint:gosec // 65537
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", encode(public)
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			s.t.Fatal(err)
		}
		half := len(point) / 2
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", public.Params().Name, encode(point[1:1+half]), encode(point[1+half:])
	}
	return merged(jwk, more)
}

// merged is the one with the other's members over it; null takes a member out.
func merged(of, over map[string]any) map[string]any {
	all := maps.Clone(of)
	maps.Copy(all, over)
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return all
}

func (s signer) sign(header, claims map[string]any) string {
	s.t.Helper()
	input := part(header) + "." + part(claims)
	return input + "." + encode(s.signature([]byte(input)))
}

func part(of map[string]any) string {
	text, _ := json.Marshal(of) // of what JSON can say
	return encode(text)
}

func (s signer) signature(input []byte) []byte {
	s.t.Helper()
	var signature []byte
	var err error
	switch key := s.key.(type) {
	case *rsa.PrivateKey:
		digest := sha256.Sum256(input)
		signature, err = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	case ed25519.PrivateKey:
		signature = ed25519.Sign(key, input)
	case *ecdsa.PrivateKey:
		hash := map[string]crypto.Hash{"ES256": crypto.SHA256, "ES384": crypto.SHA384}[s.alg].New()
		hash.Write(input)
		r, v, failed := ecdsa.Sign(rand.Reader, key, hash.Sum(nil))
		if err = failed; err == nil {
			size := key.Params().BitSize / 8
			signature = append(r.FillBytes(make([]byte, size)), v.FillBytes(make([]byte, size))...)
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return signature
}

// withPublicKey signs by HS256, with the public key for the secret.
func (s signer) withPublicKey(header, claims map[string]any) string {
	s.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.key.Public())
	if err != nil {
		s.t.Fatal(err)
	}
	input := part(merged(header, map[string]any{"alg": "HS256"})) + "." + part(claims)
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(input))
	return input + "." + encode(mac.Sum(nil))
}

// idp is a fake provider's server. Its key set is at every path.
type idp struct {
	*httptest.Server
	fetches atomic.Int64

	mu       sync.Mutex // guards document
	document []byte     // nil: it answers 503
}

func newIDP(t testing.TB, jwks ...map[string]any) *idp {
	t.Helper()
	p := &idp{}
	p.publish(jwks...)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.fetches.Add(1)
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.document == nil {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(p.document)
	}))
	t.Cleanup(p.Close)
	return p
}

// publish replaces the key set. Without a key the provider is down.
func (p *idp) publish(jwks ...map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.document = nil
	if len(jwks) > 0 {
		p.document, _ = json.Marshal(map[string]any{"keys": jwks})
	}
}

// withProviders is an environment with a configuration of these blocks, and the configuration's file.
func withProviders(t *testing.T, blocks ...string) (environ []string, config string) {
	t.Helper()
	config = filepath.Join(t.TempDir(), "config.yaml")
	configure(t, config, blocks...)
	environ = environment(t, append(external(dbtest.New(t)), "ROWPASS_CONFIG="+config)...)
	succeed(t, environ, "keys", "generate")
	return environ, config
}

func configure(t *testing.T, config string, blocks ...string) {
	t.Helper()
	write(t, config, "sql:\n  enabled: true\nproviders:\n"+strings.Join(blocks, ""), 0o600)
}
