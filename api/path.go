package api

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// wellKnown is where a document is looked for: at the root, and with publicURL's path inserted behind (RFC 8414, section 3.1;
// RFC 9728, section 3.1). A proxy has to hand on the latter too.
func wellKnown(publicURL, name string) []string {
	path := "/.well-known/" + name
	if behind := pathOf(publicURL).Path; behind != "" {
		return []string{path, path + behind}
	}
	return []string{path}
}

// pathOf is what public_url has behind the host; it ends in no slash.
func pathOf(publicURL string) url.URL {
	u, err := url.Parse(publicURL)
	if err != nil {
		return url.URL{}
	}
	return url.URL{Path: u.Path, RawPath: u.EscapedPath()}
}

// resourceMetadataURL is what 401s point to (RFC 9728, section 5.1).
func resourceMetadataURL(publicURL string) string {
	path := pathOf(publicURL).RawPath
	return strings.TrimSuffix(publicURL, path) + "/.well-known/oauth-protected-resource" + path
}

// withoutPath takes public_url's path off a request's, so that a proxy may leave it on or not. It stays on where nothing of
// ours would be behind it: with https://host/api, /api/users is one of our own addresses.
func withoutPath(publicURL string, e *echo.Echo) http.Handler {
	path := pathOf(publicURL)
	if path.Path == "" {
		return e
	}
	ours := map[string]bool{}
	for _, route := range e.Routes() {
		ours[firstSegment(route.Path)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rest, ok := strings.CutPrefix(r.URL.Path, path.Path); ok && ours[firstSegment(rest)] {
			r = moved(r, rest, strings.TrimPrefix(r.URL.RawPath, path.RawPath))
		}
		e.ServeHTTP(w, r)
	})
}

// firstSegment of /api/users is /api.
func firstSegment(path string) string {
	if path == "" {
		return ""
	}
	first, _, _ := strings.Cut(path[1:], "/")
	return path[:1] + first
}

func moved(r *http.Request, path, raw string) *http.Request {
	copied, u := *r, *r.URL
	u.Path, u.RawPath = path, raw
	copied.URL = &u
	return &copied
}
