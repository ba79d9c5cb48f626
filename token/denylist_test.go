package token_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"rowpass/token"
)

// denying is the setup with a verifier that asks a deny-list.
func (s setup) denying() (setup, *token.DenyList) {
	s.t.Helper()
	list := token.NewDenyList()
	s.verifier = must[*token.Verifier](s.t)(token.NewVerifier(token.VerifierConfig{
		Issuer: issuer, Audience: audience, Ring: s.box.ring, Now: s.clock.now, Denied: list,
	}))
	return s, list
}

func TestDenialTakesATokenBack(t *testing.T) {
	s := newSetup(t)
	raw := s.withClaims(map[string]any{"sid": "s1"}) // u1 of t1 by c1, as j1, issued now
	for _, tt := range []struct {
		name   string
		denial token.Denial
		denied bool
	}{
		{"by its id", token.Denial{Kind: "jti", Value: "j1"}, true},
		{"by another's id", token.Denial{Kind: "jti", Value: "j2"}, false},
		{"by its session", token.Denial{Kind: "sid", Value: "s1"}, true},
		{"by its key", token.Denial{Kind: "kid", Value: s.key.ID()}, true},
		{"by another key", token.Denial{Kind: "kid", Value: "k2"}, false},
		{"by its subject, whenever it was issued", token.Denial{Kind: "sub", Value: "u1"}, true},
		{"by its subject, issued before the next second", token.Denial{Kind: "sub", Value: "u1", IssuedBefore: now.Add(time.Second)}, true},
		{"by its subject, issued before this very second", token.Denial{Kind: "sub", Value: "u1", IssuedBefore: now}, true},
		{"by its subject, issued before the end of this second", token.Denial{Kind: "sub", Value: "u1", IssuedBefore: now.Add(999 * time.Millisecond)}, true},
		{"by its subject, issued before the last second", token.Denial{Kind: "sub", Value: "u1", IssuedBefore: now.Add(-time.Millisecond)}, false},
		{"by its tenant", token.Denial{Kind: "tenant_id", Value: "t1", IssuedBefore: now}, true},
		{"by its tenant, issued long before", token.Denial{Kind: "tenant_id", Value: "t1", IssuedBefore: now.Add(-time.Hour)}, false},
		{"by its client", token.Denial{Kind: "client_id", Value: "c1", IssuedBefore: now}, true},
		{"with all the others", token.Denial{Kind: "all", IssuedBefore: now}, true},
		{"with all that are older", token.Denial{Kind: "all", IssuedBefore: now.Add(-time.Second)}, false},
		{"by a value of another kind", token.Denial{Kind: "jti", Value: "u1"}, false},
		{"by a kind that nobody knows", token.Denial{Kind: "iss", Value: issuer}, false},
		{"by nothing", token.Denial{Kind: "sid"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, list := s.denying()
			must[*token.Claims](t)(s.verifier.Verify(t.Context(), raw)) // from now on it is remembered
			list.Add(tt.denial)
			for range 2 {
				_, err := s.verifier.Verify(t.Context(), raw)
				if errors.Is(err, token.ErrRevoked) != tt.denied || !tt.denied && err != nil {
					t.Errorf("%v, denied should be %v", err, tt.denied)
				}
			}
			if got := token.Describe(token.ErrRevoked); tt.denied && got != "the token has been revoked" {
				t.Errorf("it says %q", got)
			}
		})
	}
}

func TestTokenWithoutTheClaimIsNotDeniedByIt(t *testing.T) {
	s, list := newSetup(t).denying()
	list.Add(token.Denial{Kind: "sid"}, token.Denial{Kind: "tenant_id"}, token.Denial{Kind: "sid", Value: "s1"})
	s.try(t, []attack{
		{"without a session or a tenant", s.withClaims(map[string]any{"tenant_id": nil}), ""},
		{"of another session", s.withClaims(map[string]any{"sid": "s2"}), ""},
		{"of this session", s.withClaims(map[string]any{"sid": "s1"}), "revoked"},
	})
	list.Add(token.Denial{Kind: "sub", Value: "u1", IssuedBefore: now.Add(-time.Hour)})
	s.try(t, []attack{
		{"that does not say when it was issued", s.withClaims(map[string]any{"iat": nil}), "revoked"},
		{"with a fraction in that very second", s.withClaims(map[string]any{"iat": float64(now.Add(-time.Hour).Unix()) + 0.9}), "revoked"},
		{"of the second after it", s.withClaims(map[string]any{"iat": now.Add(-time.Hour).Unix() + 1}), ""},
	})
}

func TestTwoDenialsOfOneThingBothCount(t *testing.T) {
	early, late := now.Add(-time.Hour), now
	for _, tt := range []struct {
		name          string
		first, second time.Time
	}{
		{"the wider one first", late, early},
		{"the wider one second", early, late},
		{"the widest first", time.Time{}, early},
		{"the widest second", early, time.Time{}},
	} {
		s, list := newSetup(t).denying()
		list.Add(token.Denial{Kind: "sub", Value: "u1", IssuedBefore: tt.first, Until: now.Add(2 * time.Hour)})
		list.Add(token.Denial{Kind: "sub", Value: "u1", IssuedBefore: tt.second, Until: now.Add(time.Hour)})
		list.Prune(now.Add(time.Hour + time.Second))
		if _, err := s.verifier.Verify(t.Context(), s.withClaims(nil)); !errors.Is(err, token.ErrRevoked) || list.Len() != 1 {
			t.Errorf("%s: %v, %d entries", tt.name, err, list.Len())
		}
	}
}

func TestDenialGoesWithItsTokens(t *testing.T) {
	list := token.NewDenyList()
	list.Add(
		token.Denial{Kind: "jti", Value: "j1", Until: now},
		token.Denial{Kind: "jti", Value: "j2", Until: now.Add(time.Minute)},
		token.Denial{Kind: "sid", Value: "s1"}, // until when, nobody knows yet
	)
	for _, tt := range []struct {
		at   time.Time
		left int
	}{
		{now, 3}, {now.Add(time.Nanosecond), 2}, {now.Add(time.Hour), 1}, {now.Add(1000 * time.Hour), 1},
	} {
		if list.Prune(tt.at); list.Len() != tt.left {
			t.Errorf("%s later %d are left, want %d", tt.at.Sub(now), list.Len(), tt.left)
		}
	}
	list.Add(token.Denial{Kind: "sid", Value: "s1", Until: now})
	if list.Prune(now.Add(time.Second)); list.Len() != 0 {
		t.Error("what is known to be out of date stays")
	}
}

func TestNoDenyListDeniesNothing(t *testing.T) {
	var list *token.DenyList
	if list.Denies(&token.Claims{ID: "j1"}) || list.Len() != 0 {
		t.Error("it denies")
	}
}

func TestDenyListFromManyGoroutines(t *testing.T) {
	s, list := newSetup(t).denying()
	raw := s.withClaims(nil)
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			for n := range 200 {
				list.Add(token.Denial{Kind: "jti", Value: string(rune('a' + i)), Until: now.Add(time.Duration(n))})
				list.Prune(now)
				if _, err := s.verifier.Verify(t.Context(), raw); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if list.Len() != 8 {
		t.Errorf("%d entries, want 8", list.Len())
	}
}

// The issuer answers for tokens whoever they are for, and without the leeway.
func TestInspectTakesWhoeverItIsFor(t *testing.T) {
	s, list := newSetup(t).denying()
	for _, tt := range []struct {
		name    string
		edits   map[string]any
		want    error
		expired bool
	}{
		{"for us", nil, nil, false},
		{"for another", map[string]any{"aud": "other"}, nil, false},
		{"of another issuer", map[string]any{"iss": "https://other.example"}, token.ErrInvalid, false},
		{"that ends in a second", map[string]any{"exp": now.Unix() + 1}, nil, false},
		{"that ends now", map[string]any{"exp": now.Unix()}, nil, true},
		{"that ended with the leeway", map[string]any{"exp": now.Unix() - 60}, token.ErrExpired, true},
		{"that was revoked", map[string]any{"jti": "gone"}, token.ErrRevoked, false},
	} {
		list.Add(token.Denial{Kind: "jti", Value: "gone"})
		c, err := s.verifier.Inspect(t.Context(), s.withClaims(tt.edits))
		if !errors.Is(err, tt.want) || err == nil && s.verifier.Expired(c) != tt.expired {
			t.Errorf("a token %s: %v, want %v", tt.name, err, tt.want)
		}
		if tt.name == "for another" {
			if _, err := s.verifier.Verify(t.Context(), s.withClaims(tt.edits)); !errors.Is(err, token.ErrInvalid) {
				t.Errorf("remembered as good for us: %v", err)
			}
		}
	}
}
