package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/token"
)

// isAccessToken tells an access token, which is three parts with dots between them, from a refresh token, which has none.
func isAccessToken(raw string) bool { return strings.Contains(raw, ".") }

// revoke is RFC 7009. Whatever becomes of the token, the answer is 200: after it, the client cannot use it.
func (a *api) revoke(c echo.Context) error {
	r := c.Request()
	if err := a.limitAddress(tokenPerAddress, r); err != nil {
		return err
	}
	client, form, err := a.askedByClient(r, true, tokenPerClient)
	if err != nil {
		return err
	}
	raw := form.Get("token")
	if isAccessToken(raw) {
		err = a.revokeAccess(r, raw, client)
	} else {
		err = a.endFamily(r, raw, client, "refresh token")
	}
	if err != nil {
		return fmt.Errorf("revoking: %w", err)
	}
	noStore(c)
	return c.NoContent(http.StatusOK)
}

// askedByClient reads a client's request about a token. What token_type_hint says is not needed: the token itself says
// which it is.
func (a *api) askedByClient(r *http.Request, public bool, limit limitKind) (Client, url.Values, error) {
	form, err := readForm(r)
	if err != nil {
		return Client{}, nil, err
	}
	client, err := a.authenticate(r, form, public)
	if err != nil {
		a.recordRefusal(r, client, err)
		return Client{}, nil, err
	}
	if !client.public {
		if err := a.limit(limit, client.ID); err != nil {
			return Client{}, nil, err
		}
	}
	if !form.Has("token") {
		return Client{}, nil, refuse("invalid_request", "token is missing")
	}
	return client, form, nil
}

// revokeAccess denies one access token of the client's own for as long as anybody would take it.
func (a *api) revokeAccess(r *http.Request, raw string, client Client) error {
	claims, err := a.Verifier.Inspect(r.Context(), raw)
	if err != nil || claims.ClientID != client.ID {
		return r.Context().Err()
	}
	denial := denialOf(claims)
	denial.Reason = "revoked by " + client.ID
	if err := a.deny(r.Context(), denial); err != nil {
		return err
	}
	a.audit(r, db.Event{
		Name: "revoke", Outcome: outcomeOK, Subject: claims.Subject, ClientID: client.ID, Tenant: claims.Tenant, TokenID: claims.ID,
		KeyID: claims.KeyID, Reason: "access token",
	})
	return nil
}

// deny takes tokens back everywhere. Here it holds when deny returns; the others follow the database.
func (a *api) deny(ctx context.Context, denials ...db.Denial) error {
	if err := a.State.Deny(ctx, denials...); err != nil {
		return err
	}
	a.denyHere(denials...)
	return nil
}

// denyHere takes over what the database holds already.
func (a *api) denyHere(denials ...db.Denial) { TakeOver(a.Denied, denials) }

// TakeOver puts what the database denies on the list that tokens are held to.
func TakeOver(list *token.DenyList, denials []db.Denial) {
	for _, d := range denials {
		list.Add(token.Denial{Kind: string(d.Kind), Value: d.Value, IssuedBefore: d.IssuedBefore, Until: d.Until})
	}
}
