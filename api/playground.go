package api

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"path"

	"github.com/labstack/echo/v4"

	"rowpass/db"
)

// Where the playground's parts are; the page names them relative to itself.
const (
	stylePath   = "/style.css"
	iconPath    = "/favicon.ico"
	partPath    = "/playground/"
	usersPath   = partPath + "users"
	explainPath = partPath + "explain"
)

// demoUsers is how many users the playground offers.
const demoUsers = 200

// pageFiles are the pages at /, and what they load: from here alone, as pagePolicy says.
//
//go:embed playground
var pageFiles embed.FS

// pagePolicy lets a page load and ask nothing but this server, run nothing that stands in the page itself, and be framed by
// nobody: the demo's tokens are in it.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// DemoUsers lists at most limit users of all tenants.
type DemoUsers func(ctx context.Context, limit int) ([]db.UserRow, error)

// What Explain says of a table that isn't there, and of a row that can't be looked for. The client is told.
var (
	ErrTable = fmt.Errorf("%w: table must name one that is there, such as todos or public.todos", errRequest)
	ErrRow   = fmt.Errorf("%w: row must be a value of the table's primary key; several columns are separated by commas", errRequest)
)

// Explain says why a caller with this role and these claims sees which rows of a table, or one row by its key, "" for none.
// What it gives is answered to that caller as JSON. ErrTable and ErrRow are among its errors; ErrTable of a table that the role may not
// read, too.
type Explain func(ctx context.Context, role string, claims json.RawMessage, table, row string) (any, error)

// playgroundRoutes are there on a demo alone: they tell anybody who the users are, and how many rows others have.
func (a *api) playgroundRoutes(e *echo.Echo) {
	get(e, usersPath, a.playgroundUsers)
	e.POST(explainPath, a.explainer().serve)
	get(e, partPath+":file", func(c echo.Context) error { return servePart(c, c.Param("file")) })
}

// servePart answers with a file of the page. A browser asks each time whether it is still the same, so that the parts of two
// versions of rowpass never meet.
func servePart(c echo.Context, name string) error {
	kind, ok := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}[path.Ext(name)]
	body, err := pageFiles.ReadFile("playground/" + name)
	if !ok || err != nil {
		return errNoRoute
	}
	quieten(c.Request())
	sum := sha256.Sum256(body)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h := c.Response().Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", etag)
	if matches(c.Request().Header.Values("If-None-Match"), etag) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, kind, body)
}

// introduction is for whoever types the address: the playground on a demo, else a page that says what this is; and a few lines
// for who asks for no HTML, as curl does.
func (a *api) introduction(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Vary", "Accept")
	if !accepts(c.Request(), "text/html") {
		return c.String(http.StatusOK, a.introductionText())
	}
	name := "introduction.html"
	if a.Demo {
		name = "playground.html"
	}
	page, err := pageFiles.ReadFile("playground/" + name)
	if err != nil {
		return fmt.Errorf("reading the page: %w", err)
	}
	return respondPage(c, http.StatusOK, page)
}

// introductionText says the same to a terminal, and on a demo how a token is got: the page does that for its reader.
func (a *api) introductionText() string {
	text := fmt.Sprintf(`rowpass: bearer tokens in, your rows and no others out.

%[1]s/openapi.yaml   everything that is served here
%[1]s/errors         what the errors mean
%[1]s/.well-known/oauth-authorization-server   the issuer
`, a.PublicURL)
	if a.Demo {
		text += fmt.Sprintf(`%[1]s/   in a browser: the playground, since this is a demo
%[1]s%[2]s?user=…   a token for any user, named by id or e-mail address
`, a.PublicURL, tokenPath)
	}
	return text
}

// respondPage answers with HTML under pagePolicy.
func respondPage(c echo.Context, status int, page []byte) error {
	h := c.Response().Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	return c.HTMLBlob(status, page)
}

// playground is what the page has to know to begin with.
type playground struct {
	Users    []demoUser `json:"users"`
	Database string     `json:"database"` // for a connection string; "" where POST /sql is not served
	Explains bool       `json:"explains"` // whether POST /playground/explain is served
}

// demoUser is db.UserRow as JSON.
type demoUser struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Email    string `json:"email"`
	Role     string `json:"role"`
	TenantID string `json:"tenant_id"`
	Tenant   string `json:"tenant"`
}

func (a *api) playgroundUsers(c echo.Context) error {
	p := playground{Users: []demoUser{}, Explains: a.Explain != nil}
	if a.SQL != nil {
		p.Database = a.SQL.Database
	}
	if a.DemoUsers != nil {
		rows, err := a.DemoUsers(c.Request().Context(), demoUsers)
		if err != nil {
			return fmt.Errorf("listing the demo's users: %w", err)
		}
		for _, row := range rows {
			p.Users = append(p.Users, demoUser(row))
		}
	}
	noStore(c)
	return c.JSON(http.StatusOK, p)
}
