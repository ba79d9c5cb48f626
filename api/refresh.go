package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"rowpass/db"
	"rowpass/token"
)

// RefreshConfig is how long refresh tokens are good.
type RefreshConfig struct {
	TTL    time.Duration // how long one may lie unused
	MaxAge time.Duration // how long they can follow one another
	Grace  time.Duration // how long a used one gives the same successor again
}

// errRefreshToken is the one answer to every refresh token that is not good: which of these it is would tell a thief
// whether it was worth stealing.
var errRefreshToken = refuse("invalid_grant", "the refresh token is unknown, out of date, revoked, used before, or another client's; ask the user to log in again")

// starting is how the database starts a family.
type starting func(context.Context, db.Family, time.Duration) (string, db.Family, error)

// startSession begins a family of refresh tokens, whose ID is the sid of every access token that comes with them.
func (a *api) startSession(ctx context.Context, g token.Grant, start starting) (db.Refreshed, error) {
	now := a.Now()
	refresh, family, err := start(ctx, db.Family{
		ClientID: g.ClientID, Subject: g.Subject, Tenant: g.Tenant, Scope: g.Scope, Audience: g.Audience,
		ExpiresAt: now.Add(a.Refresh.MaxAge),
	}, a.Refresh.TTL)
	return db.Refreshed{Family: family, Token: refresh, ExpiresAt: now.Add(min(a.Refresh.TTL, a.Refresh.MaxAge))}, err
}

// with adds a refresh token to an answer.
func (t tokenAnswer) with(refresh db.Refreshed, now time.Time) tokenAnswer {
	t.RefreshToken = refresh.Token
	t.RefreshExpiresIn = int64(refresh.ExpiresAt.Sub(now).Round(time.Second) / time.Second)
	return t
}

// refresh gives the next access and refresh token for the last refresh token (RFC 6749, section 6). Everything that can
// be refused is, before the token is spent: one that was spent in vain would pass for stolen when it came again.
func (a *api) refresh(r *http.Request, client Client, form url.Values) (tokenAnswer, error) {
	old := form.Get("refresh_token")
	if old == "" {
		return tokenAnswer{}, refuse("invalid_request", "refresh_token is missing")
	}
	next, err := a.State.LookUpRefresh(r.Context(), old, client.ID)
	spent := errors.Is(err, db.ErrNotFound) // or no token at all
	if spent {
		next, err = a.spend(r, old, client)
	}
	if err != nil {
		return tokenAnswer{}, err
	}
	grant, err := a.continued(r.Context(), client, next.Family, form)
	if errors.Is(err, errRefreshToken) {
		if failed := a.endFamily(r, old, client, "the user is gone"); failed != nil {
			return tokenAnswer{}, fmt.Errorf("ending the session of a user who is gone: %w", failed)
		}
		return tokenAnswer{}, err
	}
	if err != nil {
		return tokenAnswer{}, err
	}
	raw, claims, err := a.sign(r, grant)
	if err != nil {
		return tokenAnswer{}, err
	}
	if !spent {
		if next, err = a.spend(r, old, client); err != nil {
			return tokenAnswer{}, err
		}
	}
	a.record(r, "refresh", claims)
	return answerWith(raw, claims).with(next, a.Now()), nil
}

// spend exchanges a refresh token for its successor. Of several who try at once each gets the same one; who comes after
// the grace ends the family.
func (a *api) spend(r *http.Request, old string, client Client) (db.Refreshed, error) {
	next, err := a.State.Refresh(r.Context(), old, client.ID, a.Refresh.TTL, a.Refresh.Grace)
	switch {
	case errors.Is(err, db.ErrReused):
		a.familyEnded(r, next.Family, "a refresh token was used twice")
		return next, errRefreshToken
	case errors.Is(err, db.ErrNotFound):
		return next, errRefreshToken
	}
	return next, err
}

// endFamily ends the session of a refresh token: every refresh token of its family, and every access token that came with
// one. A token that is unknown or another client's ends nothing.
func (a *api) endFamily(r *http.Request, raw string, client Client, reason string) error {
	family, err := a.State.EndFamily(r.Context(), raw, client.ID)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	a.familyEnded(r, family, reason)
	return nil
}

// familyEnded takes over here what the database has ended.
func (a *api) familyEnded(r *http.Request, f db.Family, reason string) {
	a.denyHere(db.Denial{Kind: db.DenySession, Value: f.ID})
	a.audit(r, db.Event{
		Name: "revoke", Outcome: outcomeOK, Subject: f.Subject, ClientID: f.ClientID, Tenant: f.Tenant, Reason: reason,
	})
}

// continued is the grant of a family's next access token: of what was granted at first, what is asked for and may still be
// had. The user is looked up again, and errRefreshToken says that there is none.
func (a *api) continued(ctx context.Context, client Client, f db.Family, form url.Values) (token.Grant, error) {
	scopes := strings.Fields(f.Scope)
	if !client.public {
		if !client.actsFor(f.Tenant) || !slices.Contains(client.Scopes, offlineAccess) {
			return token.Grant{}, refuse("unauthorized_client", "this client may not refresh tokens of this user any more")
		}
		scopes = shrink(scopes, client.Scopes)
	}
	scope, err := narrowed(scopes, form)
	if err != nil {
		return token.Grant{}, err
	}
	audience := shrink(a.orOwn(f.Audience), a.orOwn(client.Audiences))
	if len(audience) == 0 {
		return token.Grant{}, refuse("invalid_target", "this client may not have tokens for %s any more", strings.Join(f.Audience, " "))
	}
	if audience, err = a.audienceOf(audience, form); err != nil {
		return token.Grant{}, err
	}
	entry, err := a.State.FindUser(ctx, f.Subject, f.Tenant, client.ID)
	if errors.Is(err, db.ErrNotFound) {
		return token.Grant{}, errRefreshToken
	}
	if err != nil {
		return token.Grant{}, err
	}
	g, err := grantFor(entry, client)
	g.Scope, g.Audience, g.SessionID = scope, audience, f.ID
	return g, err
}

// narrowed is scopeOf without leaving anything out that nobody asked to be left out (RFC 6749, section 6).
func narrowed(granted []string, form url.Values) (string, error) {
	if !form.Has("scope") {
		return strings.Join(granted, " "), nil
	}
	return scopeOf(granted, form)
}
