package identity

import (
	"errors"
	"net/http"
	"time"
)

// Why Verify refuses an event. Their texts are for whoever set the webhook up.
var (
	ErrUnsigned  = errors.New("the event has no signature: let the provider send it to this source's address with its secret")
	ErrSignature = errors.New("the event's signature is by none of this source's secrets: copy the endpoint's secret to secrets_file, and let nothing on the way change the body")
	ErrStale     = errors.New("the event's timestamp is too far from now: set this machine's clock; else somebody sends an old event again")
)

const (
	standardWindow = 5 * time.Minute
	workOSWindow   = 3 * time.Minute
	maxSignatures  = 16 // that are looked at, since each is as much work as the body is long
)

// Verify checks that an event is from the provider, by its raw body. An event whose timestamp is signed must be from within
// five minutes of now, in both directions; three for WorkOS.
func (s *Source) Verify(h http.Header, body []byte, now time.Time) error {
	switch s.cfg.Signature {
	case StandardSignature:
		return s.keys.verifyStandard(h, body, now)
	case WorkOSSignature:
		return s.keys.verifyWorkOS(h.Get(s.header), body, now)
	case HMACSignature:
		return s.keys.verifyHMAC(h.Get(s.header), body)
	case BearerSignature:
		return s.keys.verifyBearer(h.Get(s.header))
	}
	return ErrUnsigned
}

// within says whether a time is close enough to now, in both directions.
func within(at, now time.Time, window time.Duration) error {
	if d := now.Sub(at); d > window || d < -window {
		return ErrStale
	}
	return nil
}
