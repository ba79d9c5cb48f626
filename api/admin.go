package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"rowpass/db"
	"rowpass/keys"
)

// AdminConfig is what the admin listener reports on. Every field is required.
type AdminConfig struct {
	DB       *db.DB
	Ring     func() keys.Ring
	Metrics  *Metrics
	Draining func() bool // true once the process has been told to stop
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
	parts := map[string]string{"database": "ok", "clock": "ok", "keys": "ok", "process": "ok"}
	status := http.StatusOK
	fault := func(part, text string) {
		parts[part], status = text, http.StatusServiceUnavailable
	}
	if err := c.DB.Ping(reqCtx); err != nil {
		fault("database", err.Error())
	}
	if d := c.DB.ClockDifference(); d.Abs() > maxClockDifference {
		fault("clock", fmt.Sprintf("the database's clock differs by %s; set both by NTP", d.Round(time.Millisecond)))
	}
	if _, ok := c.Ring().Current(); !ok {
		fault("keys", "no key signs; run rowpass keys generate")
	}
	if c.Draining() {
		fault("process", "stopping")
	}
	return ctx.JSON(status, map[string]any{"ready": status == http.StatusOK, "parts": parts})
}
