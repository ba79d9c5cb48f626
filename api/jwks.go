package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// jwksLifetime is how long others may keep our key set: as long a new key has to be known before it signs.
const jwksLifetime = 5 * time.Minute

// jwks publishes the public keys (RFC 7517), to whoever asks, from wherever.
func (a *api) jwks(c echo.Context) error {
	ring := a.Ring()
	h := c.Response().Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(jwksLifetime.Seconds())))
	h.Set("ETag", ring.ETag())
	if matches(c.Request().Header.Values("If-None-Match"), ring.ETag()) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, "application/jwk-set+json", ring.JWKS())
}

// matches is the weak comparison of RFC 9110, section 13.1.2.
func matches(headers []string, etag string) bool {
	for _, candidate := range strings.Split(strings.Join(headers, ","), ",") {
		candidate = strings.TrimSpace(candidate)
		if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
			return true
		}
	}
	return false
}
