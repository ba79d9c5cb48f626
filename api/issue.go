package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"rowpass/db"
	"rowpass/token"
)

// grantFor is what a client's token for a user says.
func grantFor(entry db.Entry, client Client) (token.Grant, error) {
	extra, err := HookClaims(entry.Claims)
	g := token.Grant{Subject: entry.UserID, ClientID: client.ID, Tenant: entry.TenantID, TTL: client.TokenTTL, Extra: extra}
	if client.actsFor(entry.TenantID) {
		g.Actors = []string{client.ID}
	}
	return g, err
}

// HookClaims are the claims that the owner's function adds, for a Grant's Extra: each as the database wrote it.
func HookClaims(object json.RawMessage) (map[string]any, error) {
	if len(object) == 0 {
		return nil, nil
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(object, &values); err != nil {
		return nil, fmt.Errorf("%w: reading its claims: %w", db.ErrHook, err)
	}
	claims := make(map[string]any, len(values))
	for name, value := range values {
		claims[name] = value
	}
	return claims, nil
}

// issue makes an access token and records it. Whoever calls it has decided that g may be granted.
func (a *api) issue(r *http.Request, g token.Grant) (string, token.Claims, error) {
	raw, claims, err := a.sign(r, g)
	if err == nil {
		a.record(r, "issue", claims)
	}
	return raw, claims, err
}

// record notes in the audit what was given out.
func (a *api) record(r *http.Request, name string, c token.Claims) {
	a.audit(r, db.Event{
		Name: name, Outcome: outcomeOK, Subject: c.Subject, ClientID: c.ClientID, Tenant: c.Tenant, TokenID: c.ID, KeyID: c.KeyID,
	})
}

// errDenied is for those who bring no token themselves.
var errDenied = fmt.Errorf("%w: tokens of this user are revoked for the time being", errRole)

// patience is how many seconds a token may wait for a denial to be over.
const patience = 2

// sign makes an access token. A denial takes every token of its second with it, so that one which follows at once, such
// as that of a log-in after a log-out everywhere, would be void: it waits for the next second.
func (a *api) sign(r *http.Request, g token.Grant) (string, token.Claims, error) {
	for waited := 0; ; waited++ {
		raw, claims, err := a.Issuer.Issue(g)
		if err != nil {
			return "", token.Claims{}, hookFault(g, err)
		}
		if !a.Denied.Denies(&claims) {
			attribute(r, "sub", claims.Subject)
			a.warnOfSize(r, raw, claims)
			return raw, claims, nil
		}
		if waited == patience || len(g.Origins) > 0 { // which stay as old as they are
			return "", token.Claims{}, fmt.Errorf("issuing a token to %s: %w", g.ClientID, token.ErrRevoked)
		}
		select {
		case <-r.Context().Done():
			return "", token.Claims{}, r.Context().Err()
		case <-time.After(min(time.Second, claims.IssuedAt.Add(time.Second).Sub(a.Now()))):
		}
	}
}

// hookFault tells an owner's claim that no token may have, or too much of them, from a fault of ours.
func hookFault(g token.Grant, err error) error {
	if len(g.Extra) > 0 && (errors.Is(err, token.ErrReserved) || errors.Is(err, token.ErrGrant)) {
		return fmt.Errorf("%w: %w", db.ErrHook, err)
	}
	return fmt.Errorf("issuing a token to %s: %w", g.ClientID, err)
}

func (a *api) warnOfSize(r *http.Request, raw string, c token.Claims) {
	if len(raw) > token.WarnSize {
		a.Log.WarnContext(r.Context(), "a token is large: some servers cut off headers not far above it",
			"sub", c.Subject, "client_id", c.ClientID, "bytes", len(raw))
	}
}
