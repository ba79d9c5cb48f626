package api

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/token"
)

// grantType is a way to a token: what grant_type says (RFC 6749, section 4), and who serves it once the client is known.
type grantType struct {
	name   string
	public string // the one client without a secret that may use it; "": none
	serve  func(*api, *http.Request, Client, url.Values) (tokenAnswer, error)
}

// grantTypes is all that the token endpoint knows. But for the first, all are for users of the directory.
var grantTypes = []grantType{
	{"client_credentials", "", (*api).clientCredentials},
	{"refresh_token", token.ClientLogin, (*api).refresh},
	{grantExchange, token.ClientExchange, (*api).exchange},
	{"urn:rowpass:grant-type:user", "", (*api).userToken},
}

// grants are those that can be served here.
func (a *api) grants() []grantType {
	if a.Directory {
		return grantTypes
	}
	return grantTypes[:1]
}

func (a *api) grantTypeNames() []string {
	var names []string
	for _, g := range a.grants() {
		names = append(names, g.name)
	}
	return names
}

// tokenAnswer is a successful answer (RFC 6749, section 5.1).
type tokenAnswer struct {
	AccessToken      string `json:"access_token"`
	TokenType        string `json:"token_type"`
	ExpiresIn        int64  `json:"expires_in"`                  // seconds
	IssuedTokenType  string `json:"issued_token_type,omitempty"` // of an exchange
	RefreshToken     string `json:"refresh_token,omitempty"`
	RefreshExpiresIn int64  `json:"refresh_expires_in,omitempty"` // seconds
	Scope            string `json:"scope,omitempty"`
}

func answerWith(raw string, claims token.Claims) tokenAnswer {
	return tokenAnswer{AccessToken: raw, TokenType: "Bearer", ExpiresIn: int64(claims.Expiry.Sub(claims.IssuedAt) / time.Second), Scope: claims.Scope}
}

func answerToken(c echo.Context, answer tokenAnswer) error {
	noStore(c)
	return c.JSON(http.StatusOK, answer)
}

// tokenEndpoint is OAuth 2's (RFC 6749, section 3.2).
func (a *api) tokenEndpoint(c echo.Context) error {
	r := c.Request()
	if err := a.limitAddress(tokenPerAddress, r); err != nil {
		return err
	}
	form, err := readForm(r, "resource", "audience")
	if err != nil {
		return err
	}
	grant, err := a.grantTypeOf(form)
	if err != nil {
		return err
	}
	client, err := a.clientOf(r, form, grant)
	var answer tokenAnswer
	if err == nil {
		answer, err = a.serveGrant(r, grant, client, form)
	}
	if err != nil {
		a.recordRefusal(r, client, err)
		return err
	}
	return answerToken(c, answer)
}

// clientOf is who asks. Whoever exchanges a token need not say that it is no client (RFC 8693, section 2.1).
func (a *api) clientOf(r *http.Request, form url.Values, g grantType) (Client, error) {
	if g.name == grantExchange && !namesClient(r, form) {
		form.Set("client_id", g.public)
	}
	client, err := a.authenticate(r, form, g.public != "")
	if err == nil && client.public && client.ID != g.public {
		return client, refuse("unauthorized_client", "%s is for another grant", client.ID)
	}
	return client, err
}

// serveGrant counts those alone who have proved who they are.
func (a *api) serveGrant(r *http.Request, g grantType, client Client, form url.Values) (tokenAnswer, error) {
	if !client.public {
		if err := a.limit(tokenPerClient, client.ID); err != nil {
			return tokenAnswer{}, err
		}
	}
	answer, err := g.serve(a, r, client, form)
	if errors.Is(err, token.ErrRevoked) {
		return answer, refuse("invalid_grant", "tokens like this one are revoked for the time being")
	}
	return answer, err
}

// recordRefusal notes in the audit which client we gave no token, and why. An unknown one is nobody's concern, and who sends
// too much is not to fill the table. Everybody can send what a public client sends: what is wrong with that counts as a
// wrong secret.
func (a *api) recordRefusal(r *http.Request, client Client, err error) {
	if client.ID == "" || errors.Is(err, errLimited) || client.public && a.limitAddress(wrongSecretPerAddress, r) != nil {
		return
	}
	reason := problemOf(err).code
	var oauth *oauthError
	if errors.As(err, &oauth) {
		reason = strings.TrimSuffix(oauth.code+": "+oauth.about, ": ")
	}
	a.audit(r, db.Event{Name: "refuse", Outcome: outcomeRefused, ClientID: client.ID, Tenant: client.Tenant, Reason: reason})
}

func (a *api) grantTypeOf(form url.Values) (grantType, error) {
	name := form.Get("grant_type")
	for _, g := range a.grants() {
		if g.name == name {
			return g, nil
		}
	}
	code := "unsupported_grant_type"
	if name == "" {
		code = "invalid_request"
	}
	return grantType{}, refuse(code, "grant_type is one of: %s", strings.Join(a.grantTypeNames(), ", "))
}

// clientCredentials issues a client's own token (RFC 6749, section 4.4): its subject is the client, and no refresh token
// comes with it.
func (a *api) clientCredentials(r *http.Request, client Client, form url.Values) (tokenAnswer, error) {
	scope, err := scopeOf(client.Scopes, form)
	if err != nil {
		return tokenAnswer{}, err
	}
	if hasScope(scope, offlineAccess) {
		return tokenAnswer{}, refuse("invalid_scope", "no refresh token comes with a client's own token: leave %s out", offlineAccess)
	}
	audience, err := a.audienceOf(client.Audiences, form)
	if err != nil {
		return tokenAnswer{}, err
	}
	claims, err := a.State.ClientClaims(r.Context(), client.ID)
	if err != nil {
		return tokenAnswer{}, err
	}
	extra, err := HookClaims(claims)
	if err != nil {
		return tokenAnswer{}, err
	}
	raw, issued, err := a.issue(r, token.Grant{
		Subject: client.ID, ClientID: client.ID, Tenant: client.Tenant, Scope: scope, Audience: audience, TTL: client.TokenTTL, Extra: extra,
	})
	return answerWith(raw, issued), err
}
