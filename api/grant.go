package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/token"
)

// Client is a program that may ask for tokens of its own by client_credentials.
type Client struct {
	ID           string // begins client_, so that it is no user's id
	SecretSHA256 [sha256.Size]byte
	Tenant       string   // whose rows it sees; empty: those that policies give to everybody
	Scopes       []string // what it may ask for
	TokenTTL     time.Duration
}

func clientsByID(clients []Client) map[string]Client {
	byID := make(map[string]Client, len(clients))
	for _, c := range clients {
		byID[c.ID] = c
	}
	return byID
}

// oauthError is the token endpoint's own shape of an error (RFC 6749, section 5.2).
type oauthError struct {
	code   string
	detail string
	basic  bool // the client came by HTTP Basic, so the challenge names that
}

func (e *oauthError) Error() string { return e.code + ": " + e.detail }

func (e *oauthError) write(c echo.Context) {
	status := http.StatusBadRequest
	if e.code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	if e.basic && status == http.StatusUnauthorized {
		c.Response().Header().Set("WWW-Authenticate", `Basic realm="rowpass"`)
	}
	body, _ := json.Marshal(map[string]string{"error": e.code, "error_description": quotable(e.detail)})
	noStore(c)
	_ = c.Blob(status, "application/json", append(body, '\n'))
}

// tokenEndpoint is OAuth 2's (RFC 6749, section 3.2).
func (a *api) tokenEndpoint(c echo.Context) error {
	form, err := readForm(c.Request())
	if err != nil {
		return err
	}
	switch grant := form.Get("grant_type"); grant {
	case "client_credentials":
		return a.clientCredentials(c, form)
	case "":
		return &oauthError{code: "invalid_request", detail: "grant_type is missing; this server knows client_credentials"}
	default:
		return &oauthError{code: "unsupported_grant_type", detail: "this server knows client_credentials"}
	}
}

// clientCredentials issues a client's own token (RFC 6749, section 4.4): its subject is the client, and no refresh token
// comes with it.
func (a *api) clientCredentials(c echo.Context, form url.Values) error {
	client, err := a.authenticate(c.Request(), form)
	if err != nil {
		return err
	}
	attribute(c.Request(), "client_id", client.ID)
	scope, err := grantedScope(client, form)
	if err != nil {
		return err
	}
	raw, claims, err := a.Issuer.Issue(token.Grant{
		Subject: client.ID, ClientID: client.ID, Tenant: client.Tenant, Scope: scope, TTL: client.TokenTTL,
	})
	if err != nil {
		return fmt.Errorf("issuing a token to %s: %w", client.ID, err)
	}
	return answerToken(c, raw, claims)
}

// authenticate checks the client's secret, sent by HTTP Basic or in the form, never both (RFC 6749, section 2.3.1). An
// unknown client takes as long as a wrong secret and is answered alike.
func (a *api) authenticate(r *http.Request, form url.Values) (Client, error) {
	id, secret, basic := r.BasicAuth()
	inForm := form.Has("client_secret")
	if basic {
		var err1, err2 error
		id, err1 = url.QueryUnescape(id)
		secret, err2 = url.QueryUnescape(secret)
		if inForm || form.Has("client_id") && form.Get("client_id") != id || err1 != nil || err2 != nil {
			return Client{}, &oauthError{code: "invalid_request", detail: "send the client's id and secret once: by HTTP Basic, percent-encoded, or in the form"}
		}
	} else {
		id, secret = form.Get("client_id"), form.Get("client_secret")
		if len(r.Header.Values("Authorization")) > 0 {
			return Client{}, &oauthError{code: "invalid_client", detail: "the Authorization header is not HTTP Basic", basic: true}
		}
	}
	client, known := a.clients[id]
	sum := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(sum[:], client.SecretSHA256[:]) != 1 || !known {
		return Client{}, &oauthError{code: "invalid_client", detail: "the client is unknown or its secret is wrong", basic: basic}
	}
	return client, nil
}

// grantedScope is what was asked for, all of it the client's; without asking, all that the client may have.
func grantedScope(client Client, form url.Values) (string, error) {
	asked := strings.Fields(form.Get("scope"))
	if len(asked) == 0 {
		return strings.Join(client.Scopes, " "), nil
	}
	for _, scope := range asked {
		if !slices.Contains(client.Scopes, scope) {
			return "", &oauthError{code: "invalid_scope", detail: "this client may ask for: " + strings.Join(client.Scopes, " ")}
		}
	}
	slices.Sort(asked)
	return strings.Join(slices.Compact(asked), " "), nil
}

// readForm reads the body as a form, and no parameter from the address, where it would end in logs. A parameter that is
// there twice is refused (RFC 6749, section 3.2).
func readForm(r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, &oauthError{code: "invalid_request", detail: "send a form: Content-Type: application/x-www-form-urlencoded"}
	}
	if r.URL.RawQuery != "" {
		return nil, &oauthError{code: "invalid_request", detail: "send the parameters in the body, not in the address"}
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, reading(err)
	}
	form, err := url.ParseQuery(string(data))
	if err != nil {
		return nil, &oauthError{code: "invalid_request", detail: "the form cannot be read"}
	}
	for name, values := range form {
		if len(values) > 1 {
			return nil, &oauthError{code: "invalid_request", detail: name + " is there more than once"}
		}
	}
	return form, nil
}

// demoToken hands out a token for whichever user is named, to anybody. It exists for tutorials.
func (a *api) demoToken(c echo.Context) error {
	entry, err := a.demoUser(c.Request())
	if err != nil {
		return err
	}
	raw, claims, err := a.Issuer.Issue(token.Grant{Subject: entry.UserID, ClientID: token.ClientDemo, Tenant: entry.TenantID})
	if err != nil {
		return fmt.Errorf("issuing a demo token: %w", err)
	}
	attribute(c.Request(), "sub", entry.UserID)
	if wantsText(c.Request()) {
		noStore(c)
		return c.String(http.StatusOK, raw)
	}
	return answerToken(c, raw, claims)
}

func (a *api) demoUser(r *http.Request) (db.Entry, error) {
	query := r.URL.Query()
	who, tenant := query.Get("user"), query.Get("tenant")
	if _, ok := parseUUID(tenant); tenant != "" && !ok {
		return db.Entry{}, fmt.Errorf("%w: tenant must be a tenant's id", errRequest)
	}
	var entry db.Entry
	var err error
	if who == "" {
		entry, err = a.DB.FirstUser(r.Context())
	} else {
		entry, err = a.DB.FindUser(r.Context(), who, tenant)
	}
	if errors.Is(err, db.ErrNotFound) {
		return entry, errUnknownUser
	}
	return entry, err
}

// wantsText is for curl: $(curl -H 'Accept: text/plain' …) is then the token.
func wantsText(r *http.Request) bool {
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		kind, parameters, err := mime.ParseMediaType(part)
		if err == nil && kind == "text/plain" && parameters["q"] != "0" {
			return true
		}
	}
	return false
}

// answerToken is a successful answer of either grant (RFC 6749, section 5.1).
func answerToken(c echo.Context, raw string, claims token.Claims) error {
	answer := struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
		Scope       string `json:"scope,omitempty"`
	}{raw, "Bearer", int64(claims.Expiry.Sub(claims.IssuedAt) / time.Second), claims.Scope}
	noStore(c)
	return c.JSON(http.StatusOK, answer)
}

func noStore(c echo.Context) {
	c.Response().Header().Set("Cache-Control", "no-store")
	c.Response().Header().Set("Pragma", "no-cache")
}
