package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/identity"
	"rowpass/keys"
)

// AdminConfig is what the admin listener reports on. Every field is required.
type AdminConfig struct {
	DB        *db.DB
	State     *db.State
	Ring      func() keys.Ring
	Metrics   *Metrics
	Log       *slog.Logger
	Finding   func() string          // what would stop a start now; "" where nothing does
	Following func() string          // what keeps this instance from hearing of new keys and revocations; "" where nothing does
	Draining  func() bool            // true once the process has been told to stop
	Providers func() []ProviderState // may be nil: there are none
	Profiles  ProfileStatus          // nil: none are kept
}

const (
	// maxClockDifference is how far the database's clock may be from ours before /readyz says so.
	maxClockDifference = 5 * time.Second
	readyTimeout       = 2 * time.Second
)

// NewAdmin is the handler of the second listener, for those who run the process: it has no authentication and belongs on
// loopback or a private network.
func NewAdmin(c AdminConfig) http.Handler {
	e := echo.New()
	get(e, "/livez", func(ctx echo.Context) error { return ctx.String(http.StatusOK, "alive\n") })
	get(e, "/readyz", c.ready)
	get(e, "/metrics", echo.WrapHandler(c.Metrics.handler()))
	return e
}

// ready says of each part whether it works, and answers 503 if one doesn't.
func (c AdminConfig) ready(ctx echo.Context) error {
	reqCtx, cancel := context.WithTimeout(ctx.Request().Context(), readyTimeout)
	defer cancel()
	parts := map[string]string{"database": "ok", "seal": "ok", "clock": "ok", "policies": "ok", "keys": "ok", "following": "ok", "process": "ok"}
	status := http.StatusOK
	fault := func(part, text string) {
		parts[part], status = text, http.StatusServiceUnavailable
	}
	if err := errors.Join(c.DB.Ping(reqCtx), c.State.Ping(reqCtx)); err != nil {
		c.Log.WarnContext(reqCtx, "readyz: the database cannot be reached", "err", err)
		fault("database", "cannot be reached; the log says why")
	}
	if err := c.DB.CheckSeal(reqCtx); errors.Is(err, db.ErrSeal) {
		fault("seal", db.ErrSeal.Error())
	}
	if d := c.DB.ClockDifference(); d.Abs() > maxClockDifference {
		fault("clock", fmt.Sprintf("the database's clock differs by %s; set both by NTP", d.Round(time.Millisecond)))
	}
	if _, ok := c.Ring().Current(); !ok {
		fault("keys", "no key signs; run rowpass keys generate")
	}
	if finding := c.Finding(); finding != "" {
		fault("policies", finding)
	}
	if c.Following() != "" {
		fault("following", "new keys or revocations do not reach this instance; the log says why")
	}
	if c.Draining() {
		fault("process", "stopping")
	}
	answer := map[string]any{"ready": status == http.StatusOK, "parts": parts}
	if states := c.providers(); len(states) > 0 {
		answer["providers"] = states
	}
	if c.Profiles != nil {
		answer["sync"] = c.sources(reqCtx)
	}
	return ctx.JSON(status, answer)
}

// providers says how each provider fares. It doesn't make the instance unready: a restart or another instance would not bring
// the provider back, and all other tokens are served.
func (c AdminConfig) providers() map[string]string {
	if c.Providers == nil {
		return nil
	}
	texts := map[string]string{}
	for _, state := range c.Providers() {
		texts[state.Name] = state.describe()
	}
	return texts
}

// sources says how each source of profiles fares, which doesn't make the instance unready either.
func (c AdminConfig) sources(ctx context.Context) map[string]string {
	all, err := c.Profiles(ctx)
	if err != nil {
		return nil // the database's part says so
	}
	texts := map[string]string{}
	for _, s := range all {
		texts[s.Source] = describeSource(s)
	}
	return texts
}

func describeSource(s identity.SourceStatus) string {
	switch {
	case s.Dead > 0:
		return fmt.Sprintf("%d events could not be read; rowpass sync dead %s says why", s.Dead, s.Source)
	case s.Lag > lagging:
		return fmt.Sprintf("%d events wait, the oldest for %s", s.Pending, s.Lag.Round(time.Second))
	case s.LastReceived.IsZero() && s.LastReconciled.IsZero() && s.Live == s.Provisional:
		return "nothing was heard of it yet"
	}
	return "ok"
}

// lagging is how long events may wait before /readyz says so.
const lagging = time.Minute

// OnlyLocalNames refuses requests under any name but localhost and addresses: a listener on loopback is not meant for web
// pages, one of which could point a name of its own at it.
func OnlyLocalNames(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocalName(r.Host) {
			http.Error(w, "this host name is not ours", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// isLocalName tells whether host is localhost or an address, with or without a port.
func isLocalName(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	address, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return strings.EqualFold(name, "localhost") || err == nil && address.Zone() == ""
}
