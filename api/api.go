// Package api is rowpass over HTTP: it takes a bearer token to a database session in one place (session.go), an error to
// a status in one table (errors.go), and lists every route on this page.
//
// Nothing here decides who may see a row. A handler asks the database as the caller, and the policies answer.
package api

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/keys"
	"rowpass/token"
)

// Config is what the API works with. Every field is required, but those that say otherwise.
type Config struct {
	DB             *db.DB    // callers' rows
	State          *db.State // what rowpass keeps for itself
	Issuer         *token.Issuer
	Verifier       *token.Verifier
	Denied         *token.DenyList // the Verifier's too: what is revoked here holds here at once
	Ring           func() keys.Ring
	JWKSMaxAge     time.Duration // how long others may keep the key set
	PublicURL      string        // the issuer, and what the addresses in discovery begin with
	Refresh        RefreshConfig
	Login          bool   // POST /api/login
	Limits         Limits // the zero Limits has none
	Audit          *db.Audit
	Clients        []Client        // may be empty: nobody gets a token by client_credentials
	Directory      bool            // users and tenants are kept here: their routes, log-in, and the grants that are for users
	Demo           bool            // GET /api/token hands out tokens for any user to anybody, and / is the playground
	DemoUsers      DemoUsers       // whom the playground offers; nil: nobody
	Explain        Explain         // nil: the playground explains nothing
	Hosts          []string        // host names that a demo answers to, beside IP addresses; against DNS rebinding
	TrustedProxies []netip.Prefix  // whose X-Forwarded-For and X-Request-Id are believed; may be empty
	SQL            *SQLConfig      // nil: POST /sql is not served
	Profiles       *ProfilesConfig // nil: no profiles are kept
	Metrics        *Metrics
	Log            *slog.Logger     // one line a request, a page's parts at debug level; never a token
	Now            func() time.Time // nil: time.Now
}

type api struct {
	Config
	clients    map[string]Client
	limiters   limiters
	path       string                       // PublicURL's, where it has one: what our own addresses begin with
	metadata   string                       // where a 401 points to
	seenTokens *lru.Cache[string, struct{}] // of providers, by their IDs
	promised   atomic.Int64                 // for how long, in nanoseconds, tokens of providers were promised to live
}

// New is the public listener's handler.
func New(c Config) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &api{
		Config: c, clients: clientsByID(c.Clients, c.Directory, c.Login), limiters: newLimiters(c.Limits),
		seenTokens: newSeenTokens(), path: pathOf(c.PublicURL).RawPath, metadata: resourceMetadataURL(c.PublicURL),
	}
	e := echo.New()
	e.HTTPErrorHandler = func(error, echo.Context) {} // observe has answered already
	e.IPExtractor = a.clientAddress
	e.Pre(a.observe)
	a.routes(e)
	return withoutPath(c.PublicURL, e)
}

// routes is the whole surface. Everything that GET answers, HEAD answers too.
func (a *api) routes(e *echo.Echo) {
	get(e, jwksPath, a.jwks)
	for _, path := range wellKnown(a.PublicURL, "oauth-authorization-server") {
		get(e, path, a.serverMetadata)
	}
	for _, path := range wellKnown(a.PublicURL, "oauth-protected-resource") {
		get(e, path, a.resourceMetadata)
	}
	get(e, "/.well-known/openid-configuration", a.providerMetadata)

	e.POST(tokenPath, a.tokenEndpoint)
	e.POST(revocationPath, a.revoke)
	e.POST(introspectionPath, a.introspect)
	if a.Demo {
		get(e, tokenPath, a.demoToken)
	}
	e.POST("/api/logout", a.logout)
	if a.Directory {
		a.directoryRoutes(e)
	}

	if a.SQL != nil {
		sql := a.sqlEndpoint()
		e.POST(sqlPath, sql.serve)
		e.OPTIONS(sqlPath, sql.preflight)
	}

	if a.Profiles != nil {
		e.POST(webhooksPath+":source", a.webhook)
	}

	get(e, "/", a.introduction)
	get(e, stylePath, func(c echo.Context) error { return servePart(c, stylePath[1:]) })
	get(e, iconPath, func(c echo.Context) error { return servePart(c, "icon.svg") }) // under this name browsers look for one where no page names it
	if a.Demo {
		a.playgroundRoutes(e)
	}
	get(e, "/openapi.yaml", describe(a.PublicURL))
	get(e, "/errors", a.errorList)
	get(e, "/errors/:code", a.errorHelp)
}

// directoryRoutes are those on users and tenants.
func (a *api) directoryRoutes(e *echo.Echo) {
	if a.Login {
		e.POST("/api/login", a.login)
	}

	get(e, "/api/users", list(a, "users", a.DB.Users, appendUser, userID))
	e.POST("/api/users", a.asCaller(a.addUser))
	get(e, "/api/users/me", a.asCaller(a.currentUser))
	get(e, "/api/users/:id", one(a, a.DB.User, appendUser))
	e.PATCH("/api/users/:id", a.onRow(a.changeUser))
	e.DELETE("/api/users/:id", a.onRow(a.removeUser))

	get(e, "/api/tenants", list(a, "tenants", a.DB.Tenants, appendTenant, tenantID))
	get(e, "/api/tenants/:id", one(a, a.DB.Tenant, appendTenant))
	e.PATCH("/api/tenants/:id", a.onRow(a.renameTenant))
}

// Addresses that stand in discovery too, or that are told apart by.
const (
	jwksPath          = "/.well-known/jwks.json"
	tokenPath         = "/api/token"
	revocationPath    = "/api/revoke"
	introspectionPath = "/api/introspect"
	sqlPath           = "/sql"
)

func get(e *echo.Echo, path string, h echo.HandlerFunc) {
	e.GET(path, h)
	e.HEAD(path, h)
}
