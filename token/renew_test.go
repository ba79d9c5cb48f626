package token_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rowpass/token"
)

// TestAKeyThatAnotherInstanceMadeIsLookedFor has a verifier that knows an older ring than the issuer.
func TestAKeyThatAnotherInstanceMadeIsLookedFor(t *testing.T) {
	s := newSetup(t)
	raw := s.withClaims(nil)
	s.box.set(ringOf(t, newForger(t).key))
	newer := ringOf(t, s.key)
	var ticks, renewals atomic.Int64 // nanoseconds; how often the ring was read again
	v := must[*token.Verifier](t)(token.NewVerifier(token.VerifierConfig{
		Issuer: issuer, Audience: audience, Ring: s.box.ring, Now: func() time.Time { return now.Add(time.Duration(ticks.Add(1))) },
		Renew: func(context.Context) {
			if renewals.Add(1) == 2 {
				s.box.set(newer)
			}
		},
	}))
	for range 1000 {
		if _, err := v.Verify(t.Context(), raw); !errors.Is(err, token.ErrInvalid) {
			t.Fatalf("with a ring that lacks its key: %v, want ErrInvalid", err)
		}
	}
	if got := renewals.Load(); got != 1 {
		t.Errorf("a thousand tokens within a second made %d renewals, want 1", got)
	}
	ticks.Add(int64(time.Second))
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Go(func() {
			if _, err := v.Verify(t.Context(), raw); err != nil {
				t.Errorf("a second later, when the ring can be read: %v", err)
			}
		})
	}
	waiting.Wait()
	if got := renewals.Load(); got != 2 {
		t.Errorf("%d renewals, want 2", got)
	}
}
