package token

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"rowpass/keys"
)

// Who asks for a user's token, where that is no registered client (client_id of RFC 9068 section 2.2).
const (
	ClientDemo  = "client_demo"  // the demo grant
	ClientCLI   = "client_cli"   // the command line
	ClientLogin = "client_login" // a user who logged in with a password

	ClientExchange = "client_exchange" // whoever exchanges a token of its own
)

// DefaultRole is the Postgres role of a token whose Grant names none.
const DefaultRole = "authenticated"

// accessToken is typ of RFC 9068 section 2.1. It keeps ID tokens and whatever else our keys may sign apart.
const accessToken = "at+jwt"

// WarnSize is how many bytes a token may have without its issuer being told: a cookie holds some 4 KB of them, and some
// proxies' headers little more.
const WarnSize = 1536

// maxIssued is how many bytes we let a token have: servers in between cut off headers not far above it.
const maxIssued = 4 << 10

// IssuerConfig is what an Issuer needs, all of it.
type IssuerConfig struct {
	Issuer   string           // iss: the service's public URL, character by character as verifiers have it
	Audience string           // aud of a Grant that names none
	TTL      time.Duration    // life of a Grant that names none; at least a second
	Ring     func() keys.Ring // the ring as it is now, asked once a token
	Now      func() time.Time // the clock
}

// Issuer makes access tokens (RFC 9068). Any number of goroutines may use it.
type Issuer struct {
	cfg IssuerConfig
}

// NewIssuer checks cfg.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	if cfg.Issuer == "" || cfg.Audience == "" || cfg.Ring == nil || cfg.Now == nil {
		return nil, errors.New("making issuer: Issuer, Audience, Ring and Now must be given")
	}
	if cfg.TTL < time.Second {
		return nil, fmt.Errorf("making issuer: a token that lives %s is out of date when it arrives: give at least 1s", cfg.TTL)
	}
	return &Issuer{cfg: cfg}, nil
}

// Audience is aud of a Grant that names none.
func (i *Issuer) Audience() string { return i.cfg.Audience }

// TTL is the life of a Grant that names none.
func (i *Issuer) TTL() time.Duration { return i.cfg.TTL }

// Grant is what a token is to say. Who may be granted what is decided before.
type Grant struct {
	Subject  string        // required
	ClientID string        // required: a client's own ID, or one of ours above
	Tenant   string        // "": no tenant_id
	Scope    string        // "": no scope
	Role     string        // "": DefaultRole
	TTL      time.Duration // 0: the issuer's; counted in whole seconds
	Audience []string      // empty: the issuer's

	SessionID string   // sid: the session that this token ends with; "": none
	Actors    []string // act: who acts for the subject, and before it whom; empty: nobody
	Origins   []Origin // what the token is exchanged for, and what that was; empty: nothing

	// Extra are further claims, encoded as encoding/json does. A name of ours, in whatever case, is ErrReserved.
	Extra map[string]any
}

// Issue signs a token with the ring's current key: header alg, kid, typ; claims as Claims has them, read back from what
// was signed, so that nothing is issued that Verify would not take. The errors are ErrReserved, ErrGrant, which says what is
// wrong with g, and ErrNoCurrentKey: none that Verify has.
func (i *Issuer) Issue(g Grant) (string, Claims, error) {
	key, ok := i.cfg.Ring().Current()
	if !ok {
		return "", Claims{}, ErrNoCurrentKey
	}
	payload, err := i.payload(g)
	if err != nil {
		return "", Claims{}, err
	}
	c, err := readClaims(payload)
	if err != nil {
		return "", Claims{}, fmt.Errorf("%w: %v", ErrGrant, err)
	}
	c.KeyID = key.ID()
	raw, err := key.Sign(accessToken, payload)
	if err != nil {
		return "", Claims{}, err
	}
	if len(raw) > maxIssued {
		return "", Claims{}, fmt.Errorf("%w: it would have %d bytes, more than %d", ErrGrant, len(raw), maxIssued)
	}
	return string(raw), *c, nil
}

// claimSet is what every token of ours says (RFC 9068 section 2.2), and role and tenant_id.
type claimSet struct {
	Issuer    string `json:"iss"`
	Subject   string `json:"sub"`
	Audience  any    `json:"aud"` // a string where there is one, since not every verifier takes an array
	Expiry    int64  `json:"exp"`
	IssuedAt  int64  `json:"iat"`
	NotBefore int64  `json:"nbf"`
	ID        string `json:"jti"`
	ClientID  string `json:"client_id"`
	Tenant    string `json:"tenant_id,omitempty"`
	Role      string `json:"role"`
	Scope     string `json:"scope,omitempty"`
	SessionID string `json:"sid,omitempty"`
	Actor     *actor `json:"act,omitempty"`

	Origins []origin `json:"rowpass_origin,omitempty"`
}

// payload encodes the claim set of g. encoding/json escapes the names of Extra, which jwx v2 would not.
func (i *Issuer) payload(g Grant) ([]byte, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	payload, err := json.Marshal(i.claims(g))
	if err != nil || len(g.Extra) == 0 {
		return payload, err
	}
	extra, err := json.Marshal(g.Extra)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrGrant, err)
	}
	payload[len(payload)-1] = ',' // one object of the two: check has seen to it that they share no name
	return append(payload, extra[1:]...), nil
}

func (i *Issuer) claims(g Grant) claimSet {
	now := i.cfg.Now().Unix()
	set := claimSet{
		Issuer: i.cfg.Issuer, Subject: g.Subject, Audience: g.Audience, ID: rand.Text(), ClientID: g.ClientID,
		Expiry: now + int64(cmp.Or(g.TTL, i.cfg.TTL)/time.Second), IssuedAt: now, NotBefore: now,
		Tenant: g.Tenant, Role: cmp.Or(g.Role, DefaultRole), Scope: g.Scope,
		SessionID: g.SessionID, Actor: actorOf(g.Actors), Origins: originClaims(g.Origins),
	}
	switch len(g.Audience) {
	case 0:
		set.Audience = i.cfg.Audience
	case 1:
		set.Audience = g.Audience[0]
	}
	return set
}

// check looks at what reading the claims back would not show.
func (g Grant) check() error {
	if g.TTL != 0 && g.TTL < time.Second {
		return fmt.Errorf("%w: with a life of %s it is out of date when it arrives: grant at least 1s", ErrGrant, g.TTL)
	}
	if slices.Contains(g.Audience, "") {
		return fmt.Errorf("%w: an audience is empty", ErrGrant)
	}
	if len(g.Origins) > MaxOrigins {
		return fmt.Errorf("%w: it was exchanged more than %d times", ErrGrant, MaxOrigins)
	}
	texts := slices.Concat([]string{g.Subject, g.ClientID, g.Tenant, g.Scope, g.Role, g.SessionID}, g.Actors, g.Audience)
	for name := range g.Extra {
		if isReserved(name) {
			return fmt.Errorf("extra claim %q: %w", name, ErrReserved)
		}
		texts = append(texts, name)
	}
	for _, text := range texts {
		if !utf8.ValidString(text) { // encoding/json would make it another one
			return fmt.Errorf("%w: a text of it is not valid UTF-8", ErrGrant)
		}
	}
	return nil
}

// isReserved knows a name in whatever case: some readers of JSON don't tell them apart.
func isReserved(name string) bool {
	return slices.ContainsFunc(reserved(), func(r string) bool { return strings.EqualFold(r, name) })
}

func reserved() []string {
	return []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "tenant_id", "role", "scope", "act", "sid",
		"typ", "cnf", "rowpass_user", "rowpass_tenant", originClaim}
}
