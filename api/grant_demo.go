package api

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/token"
)

// demoToken hands out a token for whichever user is named, to anybody. It exists for tutorials.
func (a *api) demoToken(c echo.Context) error {
	entry, err := a.demoUser(c.Request())
	if err != nil {
		return err
	}
	g, err := grantFor(entry, Client{ID: token.ClientDemo})
	if err != nil {
		return err
	}
	raw, claims, err := a.issue(c.Request(), g)
	if errors.Is(err, token.ErrRevoked) {
		return errDenied
	}
	if err != nil {
		return err
	}
	if accepts(c.Request(), "text/plain") { // $(curl -H 'Accept: text/plain' …) is then the token
		noStore(c)
		return c.String(http.StatusOK, raw)
	}
	return answerToken(c, answerWith(raw, claims))
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
		entry, err = a.State.FirstUser(r.Context(), token.ClientDemo)
	} else {
		entry, err = a.State.FindUser(r.Context(), who, tenant, token.ClientDemo)
	}
	if errors.Is(err, db.ErrNotFound) {
		return entry, errUnknownUser
	}
	return entry, err
}

// accepts tells whether the request asks for this media type by name; */* asks for nothing.
func accepts(r *http.Request, kind string) bool {
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",") {
		asked, parameters, err := mime.ParseMediaType(part)
		if err == nil && asked == kind && parameters["q"] != "0" {
			return true
		}
	}
	return false
}
