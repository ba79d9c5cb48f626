// Package token issues and verifies access tokens (RFC 9068): a grant becomes a signed claim set, and a stranger's text
// becomes Claims or an error that says why not. Algorithms come from our list and the key, never from the token, and
// nothing in a token makes this package fetch, open or run anything. Who is granted what, and which role of Postgres a
// claim may become, is decided elsewhere.
package token

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"rowpass/keys"
)

// Leeway is how far clocks may be apart where a VerifierConfig doesn't say otherwise. A token is taken for that long
// after its expiry.
const Leeway = 60 * time.Second

const defaultCacheSize = 4096

// VerifierConfig is what a Verifier needs. Issuer, Audience, Ring and Now must be given.
type VerifierConfig struct {
	Issuer    string           // iss that a token must have, character by character
	Audience  string           // must be among a token's aud
	Ring      func() keys.Ring // the ring as it is now, asked at each token
	Now       func() time.Time // the clock
	Leeway    time.Duration    // how far the issuer's clock may be from ours; 0 is the constant Leeway
	CacheSize int              // tokens remembered as verified, each a few KB; 0 is 4096, below 0 none
	Denied    *DenyList        // what was revoked, asked at each token; nil: nothing

	// Providers are whose tokens are taken beside ours, asked at each token; nil: nobody's.
	Providers func() Providers

	// Renew reads the ring again, where a token names a key that it lacks: another instance may have been faster. It is
	// asked once in a second at most, whatever strangers send. Nil: what Ring says is all there is.
	Renew func(context.Context)
}

// Verifier turns a bearer token into Claims. Any number of goroutines may use it.
type Verifier struct {
	cfg   VerifierConfig
	cache *lru.Cache[digest, verified] // nil where there is none

	mu      sync.Mutex // guards renewed, and makes those who want a renewal wait for one that is under way
	renewed time.Time
}

// digest is the SHA-256 of a token's whole text.
type digest [sha256.Size]byte

// verified is a token that passed every check, and the key that it did so with: ours, or a provider's.
type verified struct {
	claims   *Claims
	key      keys.Key
	provider *Provider // nil: the token is ours
	foreign  keys.PublicKey
}

// leeway is how far the clock of a token's issuer may be from ours. Nil is ourselves.
func (p *Provider) leeway(ours time.Duration) time.Duration {
	if p != nil {
		return p.Leeway
	}
	return ours
}

// NewVerifier checks cfg.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	if cfg.Issuer == "" || cfg.Audience == "" || cfg.Ring == nil || cfg.Now == nil {
		return nil, errors.New("making verifier: Issuer, Audience, Ring and Now must be given")
	}
	if cfg.Leeway < 0 {
		return nil, fmt.Errorf("making verifier: a leeway of %s is below zero", cfg.Leeway)
	}
	if cfg.Leeway == 0 {
		cfg.Leeway = Leeway
	}
	if cfg.CacheSize == 0 {
		cfg.CacheSize = defaultCacheSize
	}
	v := &Verifier{cfg: cfg}
	if cfg.CacheSize < 0 {
		return v, nil
	}
	var err error
	v.cache, err = lru.New[digest, verified](cfg.CacheSize)
	return v, err
}

// Verify gives the claims of raw if it is a token of ours for us, now. The errors are ErrTooLarge, ErrInvalid, ErrExpired,
// ErrNotYetValid and ErrRevoked, for Describe; and ctx's, where it has ended already. A token that was verified before costs
// one SHA-256, as long as its key is in the ring; its times and the deny-list are looked at each time. The Claims are
// shared: read only.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Claims, error) {
	c, err := v.Inspect(ctx, raw)
	if err != nil {
		return nil, err
	}
	if f := v.checkAudience(c); f != nil {
		return nil, f.err
	}
	return c, nil
}

// Inspect is Verify for the issuer's own purposes: the token may be meant for somebody else.
func (v *Verifier) Inspect(ctx context.Context, raw string) (*Claims, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(raw) > maxToken {
		return nil, tooLarge("it", maxToken)
	}
	ring, id := v.cfg.Ring(), digest(sha256.Sum256([]byte(raw)))
	known, ok := v.recall(id, ring)
	if !ok {
		var err error
		if known, err = v.open(ctx, raw, ring); err != nil {
			return nil, err
		}
		if !v.stands(known, v.cfg.Ring()) { // while the key was waited for, it or its provider went
			return nil, invalid("the key that signed it is not one of ours any more")
		}
	}
	if f := v.checkTimes(known.claims, known.provider.leeway(v.cfg.Leeway)); f != nil {
		v.forget(id)
		return nil, f.err
	}
	if f := v.checkDenied(known.claims); f != nil {
		return nil, f.err
	}
	if f := v.checkOrigins(known.claims); f != nil {
		return nil, f.err
	}
	if !ok {
		v.remember(id, known)
	}
	return known.claims, nil
}

// Expired says whether the time of a token is over without the leeway, which whoever asks the issuer itself needs not.
func (v *Verifier) Expired(c *Claims) bool { return !v.cfg.Now().Before(c.Expiry) }

// open does every check that the clock doesn't matter to.
func (v *Verifier) open(ctx context.Context, raw string, ring keys.Ring) (verified, error) {
	c := &candidate{verifier: v, raw: raw, ring: ring}
	if err := c.pass(ctx, formChecks); err != nil {
		return verified{}, err
	}
	if err := c.pass(ctx, c.signatureChecks()); err != nil {
		return verified{}, err
	}
	if err := c.pass(ctx, c.claimChecks()); err != nil {
		return verified{}, err
	}
	return verified{claims: c.claims, key: c.key, provider: c.provider, foreign: c.foreign}, nil
}

const (
	renewEvery   = time.Second
	renewTimeout = 5 * time.Second
)

// renew has the ring read again, unless that was done just now. Those who come while it is read wait for it. It goes on if
// the request that began it is given up: others wait for it too.
func (v *Verifier) renew(ctx context.Context) {
	if v.cfg.Renew == nil {
		return
	}
	came := v.cfg.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if came.Sub(v.renewed) < renewEvery {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTimeout)
	defer cancel()
	v.cfg.Renew(ctx)
	v.renewed = v.cfg.Now()
}

// checkTimes is RFC 7519 sections 4.1.4 to 4.1.6, with the leeway on the token's side.
func (v *Verifier) checkTimes(c *Claims, leeway time.Duration) *fault {
	now := v.cfg.Now()
	if !now.Before(c.Expiry.Add(leeway)) {
		return &fault{untimely(ErrExpired, "exp", c.Expiry, now), "get a new token; if it is a fresh one, set the clocks right"}
	}
	const early = "set the clock here or the issuer's right"
	latest := now.Add(leeway)
	if c.NotBefore.After(latest) {
		return &fault{untimely(ErrNotYetValid, "nbf", c.NotBefore, now), early}
	}
	if c.IssuedAt.After(latest) {
		return &fault{untimely(ErrNotYetValid, "iat", c.IssuedAt, now), early}
	}
	return nil
}

func (v *Verifier) checkDenied(c *Claims) *fault {
	if v.cfg.Denied.Denies(c) {
		return &fault{ErrRevoked, "get a new token, by logging in again; rowpass audit --event revoke says what was revoked"}
	}
	return nil
}

// checkAudience is for our own tokens: a provider's are compared with the provider's audience.
func (v *Verifier) checkAudience(c *Claims) *fault {
	if c.Provider != "" || slices.Contains(c.Audience, v.cfg.Audience) {
		return nil
	}
	return refuse("ask for a token whose audience is issuer.audience, which is "+v.cfg.Audience, "claims: aud does not name this service")
}

// recall gives what is known of a token, unless the key that verified it has left the ring.
func (v *Verifier) recall(id digest, ring keys.Ring) (verified, bool) {
	if v.cache == nil {
		return verified{}, false
	}
	known, ok := v.cache.Get(id)
	if !ok {
		return verified{}, false
	}
	return known, v.stands(known, ring)
}

// stands says whether the key that verified a token is still one that may.
func (v *Verifier) stands(known verified, ring keys.Ring) bool {
	if p := known.provider; p != nil {
		return v.cfg.Providers().byIssuer[known.claims.Issuer] == p && p.Keys.Set().Holds(known.foreign)
	}
	key, ok := ring.Find(known.key.ID())
	return ok && key.Equal(known.key)
}

func (v *Verifier) remember(id digest, known verified) {
	if v.cache != nil {
		v.cache.Add(id, known)
	}
}

func (v *Verifier) forget(id digest) {
	if v.cache != nil {
		v.cache.Remove(id)
	}
}
