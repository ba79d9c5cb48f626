package api

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/statement"
	"rowpass/token"
)

// SQLConfig is POST /sql: SQL over HTTP as npm @neondatabase/serverless speaks it. Every field is required, but those that
// say otherwise.
type SQLConfig struct {
	Strangers        *db.Strangers
	Checker          *statement.Checker
	Rules            map[string]SQLRole // by role; authenticated and anonymous, where it is on, are among them
	Database         string             // the only one that a connection string may name
	AllowedOrigins   []string           // of browsers; may be empty
	MaxRequestBytes  int64
	MaxResponseBytes int
	MaxRows          int // of all results of a request
	MaxQueries       int // in a batch
	PerSubject       int // requests of one subject that run at once
}

// SQLRole is a role that may be asked for over HTTP.
type SQLRole struct {
	Rules   *statement.Rules
	Clients []string // whose tokens may take it, ours alone; empty: every token, or, for anonymous, no token at all
}

// offeredTo says whether a token may take the role of this name. Clients are ours: at a provider anybody may have a client of
// such a name.
func (o SQLRole) offeredTo(claims *token.Claims, name string) bool {
	if claims.Role == anonymous && name != anonymous {
		return false
	}
	return len(o.Clients) == 0 || claims.Provider == "" && slices.Contains(o.Clients, claims.ClientID)
}

// sqlEndpoint runs one statement or a batch. Everything that goes wrong here has the driver's shape of an error, and, where
// the driver should read it, the driver's status 400.
type sqlEndpoint struct {
	*api
	SQLConfig
	running *gauge
}

func (a *api) sqlEndpoint() *sqlEndpoint { return &sqlEndpoint{a, *a.SQL, newGauge()} }

func (e *sqlEndpoint) serve(c echo.Context) error {
	e.allowOrigin(c)
	out, err := e.run(c)
	if err != nil {
		return &sqlError{err}
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "no-store")
	return c.Blob(http.StatusOK, "application/json", out)
}

// run reads the request in the order in which its parts may be trusted: who asks, as what, for what.
func (e *sqlEndpoint) run(c echo.Context) ([]byte, error) {
	r := c.Request()
	target, err := parseTarget(r.Header.Values("Neon-Connection-String"), e.Database)
	if err != nil {
		return nil, err
	}
	session, rules, err := e.session(r, target.role)
	if err != nil {
		return nil, err
	}
	attribute(r, "role", session.Role)
	release, err := e.running.take(session.subject, e.PerSubject)
	if err != nil {
		return nil, err
	}
	defer release()
	query, err := e.read(r)
	if err != nil {
		return nil, err
	}
	for i, q := range query.batch.Statements {
		if err := e.Checker.Check(r.Context(), q.SQL, rules); err != nil {
			return nil, fmt.Errorf("statement %d: %w", i+1, err)
		}
	}
	if err := e.stillHolds(r); err != nil { // the checks may have waited for a parser
		return nil, err
	}
	sink := newResults(r.Context(), query, e.SQLConfig)
	if err := e.Strangers.Run(r.Context(), session.Session, query.batch, sink); err != nil {
		return nil, err
	}
	query.echo(c.Response().Header())
	return sink.finish(), nil
}

// read decodes the body, which may be larger here than elsewhere.
func (e *sqlEndpoint) read(r *http.Request) (*sqlQuery, error) {
	if r.ContentLength > e.MaxRequestBytes {
		return nil, errRequestSize(e.MaxRequestBytes)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, e.MaxRequestBytes+1))
	var ended *endedError
	if errors.As(err, &ended) {
		return nil, ended
	}
	if err != nil {
		return nil, badSQLRequest("the request's body broke off")
	}
	if int64(len(body)) > e.MaxRequestBytes {
		return nil, errRequestSize(e.MaxRequestBytes)
	}
	return parseQuery(r.Header, body, e.MaxQueries)
}

// sqlSession is who asks; the subject is whom limits count.
type sqlSession struct {
	db.Session
	subject string
}

// session is the role of the connection string, if this caller may take it. A token that is bad, or empty where one was
// meant, never makes an anonymous caller: only asking for the role anonymous without any token does.
func (e *sqlEndpoint) session(r *http.Request, role string) (sqlSession, *statement.Rules, error) {
	offered, ok := e.Rules[role]
	if len(r.Header.Values("Authorization")) == 0 {
		if role == anonymous && ok {
			return sqlSession{db.Session{Role: anonymous}, e.clientAddress(r)}, offered.Rules, nil
		}
		return sqlSession{}, nil, badSQLRequest("missing authentication credentials: required authorization bearer token in JWT format")
	}
	claims, err := e.claims(r)
	if err != nil {
		return sqlSession{}, nil, err
	}
	if !ok || !offered.offeredTo(claims, role) {
		return sqlSession{}, nil, fmt.Errorf("%w: the role %q of the connection string is not offered to this token", errRole, clip(role))
	}
	return sqlSession{db.Session{Role: role, Claims: claims.JSON}, claims.Subject}, offered.Rules, nil
}

// allowOrigin is for browsers (the Fetch standard's CORS protocol), by an explicit list.
func (e *sqlEndpoint) allowOrigin(c echo.Context) bool {
	origin := c.Request().Header.Get("Origin")
	c.Response().Header().Add("Vary", "Origin")
	if origin == "" || !slices.Contains(e.AllowedOrigins, origin) {
		return false
	}
	c.Response().Header().Set("Access-Control-Allow-Origin", origin)
	c.Response().Header().Set("Access-Control-Expose-Headers", "Neon-Batch-Isolation-Level, Neon-Batch-Read-Only, Neon-Batch-Deferrable, X-Request-Id")
	return true
}

// preflight answers a browser that asks before it sends.
func (e *sqlEndpoint) preflight(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Allow", "OPTIONS, POST")
	if e.allowOrigin(c) {
		h.Set("Access-Control-Allow-Methods", "POST")
		h.Set("Access-Control-Allow-Headers", strings.Join(sqlHeaders, ", "))
		h.Set("Access-Control-Max-Age", "86400")
	}
	return c.NoContent(http.StatusNoContent)
}

var sqlHeaders = []string{
	"Authorization", "Content-Type", "Neon-Connection-String", "Neon-Raw-Text-Output", "Neon-Array-Mode", "Neon-Pool-Opt-In",
	"Neon-Batch-Isolation-Level", "Neon-Batch-Read-Only", "Neon-Batch-Deferrable",
}

// sqlError marks an error for writeError: it is told in the driver's shape.
type sqlError struct{ error }

func (e *sqlError) Unwrap() error { return e.error }

// Error is for the log, which a refusal's own words are kept from: they quote the caller's text.
func (e *sqlError) Error() string {
	var disallowed *statement.Refusal
	if errors.As(e.error, &disallowed) {
		return "the statement is not allowed: SQLSTATE " + disallowed.Code
	}
	return e.error.Error()
}

// sqlRequestError is a request that cannot be understood, with a message for the client.
type sqlRequestError struct {
	code    string // SQLSTATE; mostly empty
	message string
	hint    string // what to send instead; mostly empty
}

func (e *sqlRequestError) Error() string { return e.message }

func badSQLRequest(format string, args ...any) error {
	return &sqlRequestError{message: fmt.Sprintf(format, args...)}
}

var (
	errResponseSize = errors.New("the response is too large")
	errTooMany      = errors.New("too many requests of this caller run at once")
)

func errRequestSize(limit int64) error {
	return fmt.Errorf("%w: request is too large (max is %d bytes)", errTooLarge, limit)
}
