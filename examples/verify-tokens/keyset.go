package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// keySet is an issuer's public keys for ES256 by their kid (RFC 7517). It fetches them when the first is looked for, when they
// are old, and when a token names one that it doesn't know: so keys can be rotated without anybody being told.
type keySet struct {
	url string

	mu      sync.Mutex // held while fetching, so that many tokens make one request
	keys    map[string]*ecdsa.PublicKey
	fetched time.Time
}

const (
	// maxAge is how long keys are kept: as long as rowpass's Cache-Control allows. Then a revoked one is forgotten.
	maxAge = 5 * time.Minute
	// minAge is how long an unknown kid does not make us ask again. Anybody can invent one.
	minAge = 10 * time.Second
)

// discover finds the address of the key set in the issuer's metadata (RFC 8414), which has to name the issuer that we mean.
func discover(ctx context.Context, issuer string) (*keySet, error) {
	address, err := url.Parse(issuer)
	if err != nil {
		return nil, err
	}
	address.Path = "/.well-known/oauth-authorization-server" + address.Path // an issuer's path comes last (section 3.1)
	var metadata struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := fetch(ctx, address.String(), &metadata); err != nil {
		return nil, err
	}
	if metadata.Issuer != issuer {
		return nil, fmt.Errorf("the issuer calls itself %q, not %q: set ROWPASS_URL to its public_url", metadata.Issuer, issuer)
	}
	return &keySet{url: metadata.JWKSURI}, nil
}

func (s *keySet) find(ctx context.Context, kid string) (*ecdsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	age := time.Since(s.fetched)
	if _, known := s.keys[kid]; age > maxAge || !known && age > minAge {
		if err := s.refresh(ctx); err != nil {
			return nil, err
		}
	}
	key, ok := s.keys[kid]
	if !ok {
		return nil, fmt.Errorf("the issuer has no key %q", kid)
	}
	return key, nil
}

func (s *keySet) refresh(ctx context.Context) error {
	var jwks struct {
		Keys []jwk `json:"keys"`
	}
	if err := fetch(ctx, s.url, &jwks); err != nil {
		return err
	}
	s.keys, s.fetched = map[string]*ecdsa.PublicKey{}, time.Now()
	for _, k := range jwks.Keys {
		if key, err := k.es256(); err == nil { // others are for somebody else
			s.keys[k.ID] = key
		}
	}
	return nil
}

// jwk is what an elliptic curve's public key needs (RFC 7518, section 6.2.1).
type jwk struct {
	ID    string `json:"kid"`
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	Use   string `json:"use"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

func (k jwk) es256() (*ecdsa.PublicKey, error) {
	if k.Type != "EC" || k.Curve != "P-256" || k.Use != "sig" {
		return nil, fmt.Errorf("key %q is not for ES256", k.ID)
	}
	x, err := base64.RawURLEncoding.DecodeString(k.X)
	if err != nil {
		return nil, fmt.Errorf("key %q: x: %w", k.ID, err)
	}
	y, err := base64.RawURLEncoding.DecodeString(k.Y)
	if err != nil {
		return nil, fmt.Errorf("key %q: y: %w", k.ID, err)
	}
	const uncompressed = 4 // SEC 1, section 2.3.4
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{uncompressed}, x, y))
}

var client = &http.Client{Timeout: 5 * time.Second}

func fetch(ctx context.Context, url string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(into); err != nil {
		return fmt.Errorf("GET %s: %w", url, err)
	}
	return nil
}
