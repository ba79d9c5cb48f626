package token

import (
	"errors"
	"fmt"
	"time"
)

// What is wrong with a token. Each error of Verify and Parse is one of these under errors.Is, with a reason that
// Describe gives.
var (
	ErrInvalid     = errors.New("the token is not valid")
	ErrExpired     = errors.New("the token has expired")
	ErrNotYetValid = errors.New("the token is not valid yet")
	ErrTooLarge    = errors.New("the token is too large")
	ErrRevoked     = errors.New("the token has been revoked")
)

// ErrGrant says that a Grant, or what encoding made of it, is no claim set that Verify would take.
var ErrGrant = errors.New("the grant cannot become a token")

// ErrReserved says that a Grant's Extra has a claim that only the issuer sets.
var ErrReserved = errors.New("the claim is the issuer's to set")

// ErrNoCurrentKey says that the ring has no key to sign with.
var ErrNoCurrentKey = errors.New("the ring has no current key: type rowpass keys generate")

// refusal is a sentinel with a reason that a stranger may read: ASCII without quotes or backslashes (RFC 6750
// section 3), and nothing of the token's text but its times.
type refusal struct {
	kind   error
	reason string
}

func (r *refusal) Error() string { return r.kind.Error() + ": " + r.reason }
func (r *refusal) Unwrap() error { return r.kind }

// invalid makes an ErrInvalid. Its arguments must be as safe to show as its format.
func invalid(format string, args ...any) error {
	return &refusal{ErrInvalid, fmt.Sprintf(format, args...)}
}

func tooLarge(what string, limit int) error {
	return &refusal{ErrTooLarge, fmt.Sprintf("%s has more than %d bytes", what, limit)}
}

// untimely states all three of claim, clock and difference, so that a client whose clock is wrong can see it.
func untimely(kind error, claim string, at, now time.Time) error {
	return &refusal{kind, fmt.Sprintf("%s is %s, the time here is %s, a difference of %s", claim,
		at.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339), now.Sub(at).Abs().Round(time.Second))}
}

// Describe says in words that a client may read why a token was refused, fit for error_description of RFC 6750
// section 3. Of an error that isn't this package's it says nothing. Nil gives "".
func Describe(err error) string {
	var r *refusal
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrRevoked):
		return ErrRevoked.Error()
	case errors.As(err, &r):
		return r.Error()
	}
	return "the token was refused"
}
