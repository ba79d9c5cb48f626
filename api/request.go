package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// maxBody is how many bytes a request may bring.
const maxBody = 64 << 10

// observe is around every request: it gives the request its ID, answers for whatever went wrong, and leaves one line in
// the log and one observation in the metrics.
func (a *api) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		r, id := c.Request(), a.newRequestID(c.Request())
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		c.Response().Header().Set("X-Content-Type-Options", "nosniff")
		notes := &notes{requestID: id}
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), notesKey{}, notes)))
		c.Request().Body = http.MaxBytesReader(c.Response(), r.Body, a.bodyLimit(r))

		err := a.answer(next, c)
		if err != nil {
			err = fromEcho(err, r)
			a.writeError(c, err)
		}
		took := time.Since(start)
		a.Metrics.request(route(c), r.Method, c.Response().Status, took)
		a.logRequest(c, notes, took, err)
		return nil
	}
}

func (a *api) bodyLimit(r *http.Request) int64 {
	if a.SQL != nil && r.URL.Path == sqlPath {
		return a.SQL.MaxRequestBytes + 1 // so that it is refused in the driver's shape
	}
	if a.isWebhook(r) {
		return maxEvent
	}
	return maxBody
}

// answer runs the handler; a panic becomes an error with its stack, which only the log sees.
func (a *api) answer(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	if a.Demo && !a.ours(c.Request().Host) {
		return errHost
	}
	return next(c)
}

// ours tells whether a demo answers to this host: a page on the Internet can point a name of its own at a local address
// and would read the demo's tokens, but it cannot make the browser send another name, nor an address.
func (a *api) ours(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	return isLocalName(host) || slices.ContainsFunc(a.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

func (a *api) logRequest(c echo.Context, n *notes, took time.Duration, err error) {
	level, status := slog.LevelInfo, c.Response().Status
	switch {
	case status >= http.StatusInternalServerError:
		level = slog.LevelError
	case n.quiet:
		level = slog.LevelDebug
	}
	r := c.Request()
	if !a.Log.Enabled(r.Context(), level) {
		return
	}
	attrs := append(make([]slog.Attr, 0, 12),
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status),
		slog.Int64("bytes", c.Response().Size), slog.Float64("duration_ms", float64(took.Microseconds())/1000), slog.String("remote", c.RealIP()),
		slog.String("request_id", requestID(c)))
	attrs = append(attrs, n.attrs...)
	if err != nil {
		attrs = append(attrs, slog.String("err", err.Error()))
	}
	a.Log.LogAttrs(r.Context(), level, "request", attrs...)
}

// notes collects what a handler learns about a request, for its line in the log.
type notes struct {
	requestID string
	attrs     []slog.Attr
	quiet     bool // the line is nobody's to read who does not debug
}

type notesKey struct{}

// attribute adds to the request's line in the log. Never a token, nor a secret.
func attribute(r *http.Request, key, value string) {
	if n, ok := r.Context().Value(notesKey{}).(*notes); ok {
		n.attrs = append(n.attrs, slog.String(key, value))
	}
}

// quieten has the request's line at debug level, unless it ends with an error of ours.
func quieten(r *http.Request) {
	if n, ok := r.Context().Value(notesKey{}).(*notes); ok {
		n.quiet = true
	}
}

// route is the matched pattern, never the address, which a stranger chooses: it labels the metrics.
func route(c echo.Context) string {
	if c.Path() == "" {
		return "none"
	}
	return c.Path()
}

func requestID(c echo.Context) string { return c.Response().Header().Get(echo.HeaderXRequestID) }

// newRequestID takes a trusted proxy's, so that one ID leads through both logs, and makes one for everybody else.
func (a *api) newRequestID(r *http.Request) string {
	if id := r.Header.Get(echo.HeaderXRequestID); id != "" && a.trusted(remoteAddress(r)) && plain(id) {
		return id
	}
	return rand.Text()
}

func plain(id string) bool {
	return len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("-_.", r)
	})
}

// clientAddress is the nearest address that is not a trusted proxy's, read from the right of X-Forwarded-For.
func (a *api) clientAddress(r *http.Request) string {
	address := remoteAddress(r)
	hops := strings.Split(strings.Join(r.Header.Values(echo.HeaderXForwardedFor), ","), ",")
	for i := len(hops) - 1; i >= 0 && a.trusted(address); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		address = next.Unmap()
	}
	return address.String()
}

func (a *api) trusted(address netip.Addr) bool {
	return slices.ContainsFunc(a.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(address) })
}

func remoteAddress(r *http.Request) netip.Addr {
	ap, _ := netip.ParseAddrPort(r.RemoteAddr)
	return ap.Addr().Unmap()
}
