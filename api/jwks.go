package api

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// jwks publishes the public keys (RFC 7517).
func (a *api) jwks(c echo.Context) error {
	ring := a.Ring()
	return publish(c, a.JWKSMaxAge, "application/jwk-set+json", ring.ETag(), ring.JWKS())
}

// publish answers whoever asks, from wherever, with what others may keep for a while.
func publish(c echo.Context, maxAge time.Duration, kind, etag string, body []byte) error {
	h := c.Response().Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(maxAge.Seconds())))
	h.Set("ETag", etag)
	if matches(c.Request().Header.Values("If-None-Match"), etag) {
		return c.NoContent(http.StatusNotModified)
	}
	return c.Blob(http.StatusOK, kind, body)
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
