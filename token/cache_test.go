package token_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"rowpass/keys"
	"rowpass/token"
)

// fromCache says whether raw was verified before: then the very same Claims come back.
func (s setup) fromCache(t *testing.T, raw string) bool {
	t.Helper()
	first := must[*token.Claims](t)(s.verifier.Verify(t.Context(), raw))
	second := must[*token.Claims](t)(s.verifier.Verify(t.Context(), raw))
	return first == second
}

func TestVerifiedTokenIsRemembered(t *testing.T) {
	s := newSetup(t)
	if !s.fromCache(t, s.withClaims(nil)) {
		t.Error("it was verified twice")
	}
}

func TestCacheCanBeOff(t *testing.T) {
	s := newSetup(t)
	s.verifier = must[*token.Verifier](t)(token.NewVerifier(token.VerifierConfig{
		Issuer: issuer, Audience: audience, Ring: s.box.ring, Now: s.clock.now, CacheSize: -1,
	}))
	if s.fromCache(t, s.withClaims(nil)) {
		t.Error("it was remembered")
	}
}

func TestCacheIsBounded(t *testing.T) {
	s := newSetup(t)
	s.verifier = must[*token.Verifier](t)(token.NewVerifier(token.VerifierConfig{
		Issuer: issuer, Audience: audience, Ring: s.box.ring, Now: s.clock.now, CacheSize: 2,
	}))
	first := s.withClaims(map[string]any{"jti": "first"})
	before := must[*token.Claims](t)(s.verifier.Verify(t.Context(), first))
	for _, jti := range []string{"second", "third"} {
		must[*token.Claims](t)(s.verifier.Verify(t.Context(), s.withClaims(map[string]any{"jti": jti})))
	}
	if after := must[*token.Claims](t)(s.verifier.Verify(t.Context(), first)); after == before {
		t.Error("the cache of two kept three")
	}
}

func TestRememberedTokenExpires(t *testing.T) {
	s := newSetup(t)
	raw := s.withClaims(nil) // lives 15 minutes
	must[*token.Claims](t)(s.verifier.Verify(t.Context(), raw))
	for _, tt := range []struct {
		after time.Duration
		want  error
	}{
		{15*time.Minute + 59*time.Second, nil},
		{16 * time.Minute, token.ErrExpired},
		{-61 * time.Second, token.ErrNotYetValid},
		{0, nil},
	} {
		s.clock.set(now.Add(tt.after))
		if _, err := s.verifier.Verify(t.Context(), raw); !errors.Is(err, tt.want) {
			t.Errorf("after %s: %v, want %v", tt.after, err, tt.want)
		}
	}
}

func TestRememberedTokenEndsWithItsKey(t *testing.T) {
	s := newSetup(t)
	raw := s.withClaims(nil)
	must[*token.Claims](t)(s.verifier.Verify(t.Context(), raw))
	fresh := must[keys.Key](t)(keys.Generate(keys.ES256, now))
	for _, tt := range []struct {
		name string
		ring keys.Ring
		want error
	}{
		{"its key is previous", must[keys.Ring](t)(ringOf(t, fresh).Add(s.key, keys.Previous, now)), nil},
		{"its key has left", ringOf(t, fresh), token.ErrInvalid},
		{"the ring is empty", keys.Ring{}, token.ErrInvalid},
		{"its key has come back", ringOf(t, s.key), nil},
	} {
		s.box.set(tt.ring)
		if _, err := s.verifier.Verify(t.Context(), raw); !errors.Is(err, tt.want) {
			t.Errorf("when %s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestVerifyFromManyGoroutines(t *testing.T) {
	s := newSetup(t)
	good, bad := s.withClaims(nil), s.withClaims(map[string]any{"iss": "x"})
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50 {
				c, err := s.verifier.Verify(t.Context(), good)
				if err != nil || c.Subject != "u1" {
					t.Error(c, err)
				}
				if _, err := s.verifier.Verify(t.Context(), bad); !errors.Is(err, token.ErrInvalid) {
					t.Error(err)
				}
			}
		})
	}
	s.box.set(ringOf(t, s.key))
	wait.Wait()
}
