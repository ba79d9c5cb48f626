package token

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"rowpass/keys"
)

// originClaim is where a token says what it was exchanged for. Only we write it, and only in tokens of ours.
const originClaim = "rowpass_origin"

// MaxOrigins is how often what came of an exchange can be exchanged again.
const MaxOrigins = 4

// Origin is a token that another one was exchanged for, as far as it can be revoked by. What came of it is good for as long as it
// is not.
type Origin struct {
	Provider  string // whose it was; "": ours
	Issuer    string // of the provider's, as its token names it
	ID        string
	Subject   string
	Tenant    string
	ClientID  string
	SessionID string
	KeyID     string
	IssuedAt  time.Time
}

// origin is an Origin as a claim has it.
type origin struct {
	Provider  string `json:"provider,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	ID        string `json:"jti"`
	Subject   string `json:"sub"`
	Tenant    string `json:"tenant_id,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	SessionID string `json:"sid,omitempty"`
	KeyID     string `json:"kid,omitempty"`
	IssuedAt  int64  `json:"iat"` // 0 where the token didn't say
}

// Lineage is what a token says that is exchanged for the one with these claims: these, and what they came of.
func (c *Claims) Lineage() []Origin { return append([]Origin{c.origin()}, c.Origins...) }

func (c *Claims) origin() Origin {
	o := Origin{
		Provider: c.Provider, ID: c.ID, Subject: c.Subject, Tenant: c.Tenant, ClientID: c.ClientID, SessionID: c.SessionID, KeyID: c.KeyID,
		IssuedAt: c.IssuedAt,
	}
	if c.Provider != "" {
		o.Issuer = c.Issuer
	}
	return o
}

func originClaims(origins []Origin) []origin {
	var all []origin
	for _, o := range origins {
		claim := origin{o.Provider, o.Issuer, o.ID, o.Subject, o.Tenant, o.ClientID, o.SessionID, o.KeyID, 0}
		if !o.IssuedAt.IsZero() {
			claim.IssuedAt = o.IssuedAt.Unix()
		}
		all = append(all, claim)
	}
	return all
}

// readOrigins reads what issuing wrote, and takes nothing else for none.
func readOrigins(o Object) ([]Origin, error) {
	value := o.find(originClaim)
	if value == nil {
		return nil, nil
	}
	var claims []origin
	if err := json.Unmarshal(value, &claims); err != nil || len(claims) == 0 || len(claims) > MaxOrigins {
		return nil, invalid("claims: %s is not one to %d origins", originClaim, MaxOrigins)
	}
	origins := make([]Origin, len(claims))
	for i, c := range claims {
		if c.ID == "" || c.Subject == "" {
			return nil, invalid("claims: an origin has no jti or no sub")
		}
		origins[i] = Origin{c.Provider, c.Issuer, c.ID, c.Subject, c.Tenant, c.ClientID, c.SessionID, c.KeyID, time.Unix(c.IssuedAt, 0).UTC()}
	}
	return origins, nil
}

// checkOrigins says whether the providers' tokens that the token came of would still be exchanged: by the provider, the issuer and the
// key that they had.
func (v *Verifier) checkOrigins(c *Claims) *fault {
	for _, o := range c.Origins {
		if o.Provider != "" && (v.cfg.Providers == nil || !v.cfg.Providers().exchanges(o)) {
			return refuse("get a new token: provider "+o.Provider+" was taken out, or is not for exchange any more, or has withdrawn the key",
				"what it came of is not taken any more")
		}
	}
	return nil
}

// exchanges says whether a token like this one is exchanged.
func (p Providers) exchanges(o Origin) bool {
	of := p.byIssuer[o.Issuer]
	if of == nil || of.Name != o.Provider || of.Match == MatchNone {
		return false
	}
	return o.KeyID == "" || slices.ContainsFunc(of.Keys.Set().Keys(), func(k keys.PublicKey) bool { return k.ID() == o.KeyID })
}

// Extra are the claims of a token of ours that its Grant had as Extra.
func (c *Claims) Extra() (map[string]any, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(c.JSON, &all); err != nil {
		return nil, fmt.Errorf("reading claims: %w", err)
	}
	extra := map[string]any{}
	for name, value := range all {
		if !isReserved(name) {
			extra[name] = value
		}
	}
	return extra, nil
}
