package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/identity"
	"rowpass/token"
)

// What a request itself can get wrong. Text behind these names goes to the client.
var (
	errNoToken     = errors.New("a bearer token is needed")
	errRequest     = errors.New("the request is malformed")
	errRole        = errors.New("this token's role may not be taken here")
	errTooLarge    = errors.New("the request is too large")
	errMedia       = errors.New("this kind of body is not read here")
	errHost        = errors.New("this host name is not ours")
	errNoRoute     = errors.New("there is nothing at this address")
	errNotAllowed  = errors.New("this address does not know this method")
	errUnknownUser = errors.New("no such user")
	errPanic       = errors.New("a handler panicked")
	errGone        = errors.New("the client went away")
)

// problem is what an error is to a client.
type problem struct {
	err    error
	status int
	code   string // RFC 6750's where it names one, and then in WWW-Authenticate too
	title  string
	help   string // what to do, as /errors/{code} tells it
}

// problems says what each error is to a client; the first that fits counts. What isn't here is internal, and its text
// stays in the log.
var problems = []problem{
	{errNoToken, http.StatusUnauthorized, "unauthorized", "A bearer token is needed",
		"Send Authorization: Bearer <token>. POST /api/login gives one for a password, POST /api/token to clients; a demo gives them away at GET /api/token."},
	{errLogin, http.StatusUnauthorized, "invalid_login", "The e-mail address or the password is wrong",
		"Or the user has no password, or the address stands in several tenants and none was named: all of these are answered alike."},
	{errRequest, http.StatusBadRequest, "invalid_request", "The request is malformed",
		"Read the detail: it names the part that could not be understood."},
	{token.ErrTooLarge, http.StatusUnauthorized, "invalid_token", "The token is not accepted",
		"The token is expired, revoked, not yet valid, malformed, signed by a key that is not (or no longer) ours, or meant for somebody else. Get a new one."},
	{token.ErrExpired, http.StatusUnauthorized, "invalid_token", "The token is not accepted", ""},
	{token.ErrNotYetValid, http.StatusUnauthorized, "invalid_token", "The token is not accepted", ""},
	{token.ErrInvalid, http.StatusUnauthorized, "invalid_token", "The token is not accepted", ""},
	{token.ErrRevoked, http.StatusUnauthorized, "invalid_token", "The token is not accepted", ""},
	{errEvent, http.StatusForbidden, "invalid_event", "The event is not taken",
		"Read the detail. It was not signed by any of the source's secrets, or too long ago; nothing of it was kept."},
	{errRole, http.StatusForbidden, "insufficient_scope", "The caller may not do this",
		"You may see this row, but the policies do not let you change it, or your token's role may not be taken. An admin of the tenant may do more."},
	{db.ErrForbidden, http.StatusForbidden, "insufficient_scope", "The caller may not do this", ""},
	{db.ErrNotFound, http.StatusNotFound, "not_found", "There is no such row",
		"There is no row of that id, or none that your token's policies let you see; the two are not told apart."},
	{errNoRoute, http.StatusNotFound, "no_route", "There is nothing at this address", "GET /openapi.yaml lists all addresses."},
	{errUnknownUser, http.StatusNotFound, "unknown_user", "There is no such user", "Name a user by id or e-mail address; rowpass users list shows them."},
	{errNotAllowed, http.StatusMethodNotAllowed, "method_not_allowed", "The address does not know this method", "The Allow header lists those that it knows."},
	{db.ErrAmbiguous, http.StatusConflict, "ambiguous_user", "More than one user has this e-mail address", "Name the tenant too, or the user's id."},
	{db.ErrConflict, http.StatusConflict, "conflict", "The change collides with another row", "Read the detail, or send the request again if another change came between."},
	{errTooLarge, http.StatusRequestEntityTooLarge, "too_large", "The request is too large", "A body may have 64 KiB; what a provider sends to /webhooks, 1 MiB."},
	{errMedia, http.StatusUnsupportedMediaType, "unsupported_media_type", "This kind of body is not read here", "Send application/json."},
	{errLimited, http.StatusTooManyRequests, "too_many_requests", "Too many requests", "Wait for as many seconds as Retry-After says. The limits are the operator's."},
	{errHost, http.StatusMisdirectedRequest, "misdirected", "This host name is not ours", "A demo answers to localhost and to public_url's host alone, so that no web page can reach it under a name of its own."},
	{db.ErrInvalid, http.StatusUnprocessableEntity, "invalid_value", "A value is not allowed", "Read the detail: it names the rule."},
	{db.ErrHook, http.StatusInternalServerError, "claims_hook", "The owner's claims could not be added",
		"The database's owner has a function auth.token_claims that adds claims to tokens. It did not work, so no token was issued; the log says why."},
	{identity.ErrFull, http.StatusServiceUnavailable, "busy", "This instance is busy", ""},
	{identity.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "The database cannot be reached", ""},
	{db.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", "The database cannot be reached", "Wait a second and send the request again. Whether an interrupted change was made is not known: look before you repeat it."},
	{db.ErrSeal, http.StatusServiceUnavailable, "seal_refused", "This instance cannot prove its callers to the database", "The operator has to set both clocks, or to give the instance the database's seal key: rowpass seal export."},
	{db.ErrBusy, http.StatusServiceUnavailable, "busy", "This instance is busy",
		"No connection to the database was free in time or, for a log-in, no place to hash its password. Wait a second and send the request again."},
	{db.ErrTimeout, http.StatusGatewayTimeout, "timeout", "The database took too long", "The statement was cancelled and changed nothing."},
	{errGone, 499, "client_closed_request", "The client went away", "Only the log sees this."},
}

// internal is what an error is that nobody foresaw.
var internal = problem{nil, http.StatusInternalServerError, "internal", "Something broke here", "Tell the operator the request ID: the log has the rest."}

func problemOf(err error) problem {
	for _, p := range problems {
		if errors.Is(err, p.err) {
			return p
		}
	}
	return internal
}

// detail is the sentence about this one request, or "". Errors of the database carry one of ours, a token's come through
// token.Describe; an internal error has none.
func detail(err error, p problem) string {
	var refusal *db.Refusal
	switch {
	case errors.As(err, &refusal):
		return refusal.Detail
	case p.code == "invalid_token":
		return token.Describe(err)
	case p.status == internal.status, errors.Is(err, db.ErrNotFound), errors.Is(err, identity.ErrUnavailable), err == p.err:
		return ""
	}
	return strings.TrimPrefix(err.Error(), p.err.Error()+": ")
}

// writeError answers with problem+json (RFC 9457) and, where a token is at fault, a challenge (RFC 6750, section 3).
func (a *api) writeError(c echo.Context, err error) {
	if c.Response().Committed {
		return
	}
	var sql *sqlError
	if errors.As(err, &sql) {
		a.writeSQLError(c, sql)
		return
	}
	p := problemOf(err)
	h := c.Response().Header()
	if p.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	var limited *limitError
	if errors.As(err, &limited) {
		h.Set("Retry-After", limited.retryAfter())
	}
	text := detail(err, p)
	if challenge := a.challengeFor(p, text); challenge != "" {
		h.Set("WWW-Authenticate", challenge)
	}
	var oauth *oauthError
	if errors.As(err, &oauth) {
		oauth.write(c)
		return
	}
	if p.err == errNoRoute && a.writeNoPage(c) {
		return
	}
	body, _ := json.Marshal(problemBody{a.path + "/errors/" + p.code, p.title, p.status, text, p.code, requestID(c)})
	h.Set("Cache-Control", "no-store")
	_ = c.Blob(p.status, "application/problem+json", append(body, '\n'))
}

// problemBody is RFC 9457's object; code is ours.
type problemBody struct {
	Type     string `json:"type"` // an address of ours that says more
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Code     string `json:"code"`
	Instance string `json:"instance"` // the request's ID, as in the log
}

// challengeFor leaves the error code out where no token came: there is nothing wrong with it then. A 401 says where to
// read whose tokens are taken here (RFC 9728, section 5.1).
func (a *api) challengeFor(p problem, text string) string {
	challenge := `Bearer realm="rowpass"`
	switch p.code {
	case "unauthorized", "invalid_login":
	case "invalid_request", "invalid_token", "insufficient_scope":
		if text == "" {
			text = p.title
		}
		challenge += fmt.Sprintf(`, error="%s", error_description="%s"`, p.code, quotable(text))
	default:
		return ""
	}
	if p.status == http.StatusUnauthorized {
		challenge += fmt.Sprintf(`, resource_metadata="%s"`, a.metadata)
	}
	return challenge
}

// quotable keeps what RFC 6750 allows in a description: printable ASCII without quote and backslash.
func quotable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return '\''
		}
		return r
	}, s)
}

// fromEcho takes the router's errors into our table.
func fromEcho(err error, r *http.Request) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, echo.ErrNotFound):
		return errNoRoute
	case errors.Is(err, echo.ErrMethodNotAllowed):
		if r.URL.Path == tokenPath {
			return fmt.Errorf("%w: a token for whomever you name is a demo's, which issuer.demo turns on; here POST a grant", errNotAllowed)
		}
		return errNotAllowed
	case errors.As(err, &tooLarge):
		return errTooLarge
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return err
}
