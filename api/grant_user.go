package api

import (
	"errors"
	"net/http"
	"net/url"

	"rowpass/db"
)

// errNoSuchUser does not tell a user of another tenant from none.
var errNoSuchUser = refuse("invalid_grant", "subject names no user that this client may act for")

// userToken issues a token for a user to a client that is trusted with it: the user's own, but for act, which names the
// client (RFC 8693, section 4.1). A refresh token comes with the scope offline_access.
func (a *api) userToken(r *http.Request, client Client, form url.Values) (tokenAnswer, error) {
	entry, err := a.actedFor(r, client, form)
	if err != nil {
		return tokenAnswer{}, err
	}
	g, err := grantFor(entry, client)
	if err != nil {
		return tokenAnswer{}, err
	}
	if g.Scope, err = scopeOf(client.Scopes, form); err != nil {
		return tokenAnswer{}, err
	}
	if g.Audience, err = a.audienceOf(client.Audiences, form); err != nil {
		return tokenAnswer{}, err
	}
	if !hasScope(g.Scope, offlineAccess) {
		raw, claims, err := a.issue(r, g)
		return answerWith(raw, claims), err
	}
	session, err := a.startSession(r.Context(), g, a.State.StartFamily)
	if err != nil {
		return tokenAnswer{}, err
	}
	g.SessionID = session.Family.ID
	raw, claims, err := a.issue(r, g)
	return answerWith(raw, claims).with(session, a.Now()), err
}

// actedFor looks up the user whom a client wants to act for.
func (a *api) actedFor(r *http.Request, client Client, form url.Values) (db.Entry, error) {
	subject, tenant := form.Get("subject"), form.Get("tenant")
	if _, isID := parseUUID(tenant); tenant != "" && !isID {
		return db.Entry{}, refuse("invalid_request", "tenant must be a tenant's id")
	}
	switch client.ActFor {
	case "everyone":
	case "tenant":
		if tenant != "" && !sameUUID(tenant, client.Tenant) {
			return db.Entry{}, errNoSuchUser
		}
		tenant = client.Tenant
	default:
		return db.Entry{}, refuse("unauthorized_client", "this client may not act for users")
	}
	if subject == "" {
		return db.Entry{}, refuse("invalid_request", "subject is missing: a user's id or e-mail address")
	}
	entry, err := a.State.FindUser(r.Context(), subject, tenant, client.ID)
	switch {
	case errors.Is(err, db.ErrAmbiguous):
		return entry, refuse("invalid_request", "subject stands in more than one tenant: name the tenant, or the user's id")
	case errors.Is(err, db.ErrNotFound), errors.Is(err, db.ErrInvalid):
		return entry, errNoSuchUser
	case err == nil && !client.actsFor(entry.TenantID):
		return db.Entry{}, errNoSuchUser
	}
	return entry, err
}

func sameUUID(a, b string) bool {
	x, okX := parseUUID(a)
	y, okY := parseUUID(b)
	return okX && okY && x == y
}
