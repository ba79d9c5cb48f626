package api

import (
	"fmt"
	"net/http"
	"time"

	"rowpass/token"
)

// longestLife is for how long denials are kept at most: a provider whose tokens never expire must not make them pile up.
const longestLife = 366 * 24 * time.Hour

// promise sees to it that what is denied stays so for as long as a provider's tokens live, which the provider decides: before the
// first token of such a life does anything.
func (a *api) promise(r *http.Request, c *token.Claims) error {
	if c.Provider == "" {
		return nil
	}
	issued := c.IssuedAt
	if issued.IsZero() {
		issued = a.Now()
	}
	life := min(c.GoodUntil.Sub(issued)+time.Minute, longestLife) // a denial may be of what is issued within the leeway
	if life <= time.Duration(a.promised.Load()) {
		return nil
	}
	if err := a.State.PromiseTTL(r.Context(), life); err != nil {
		return fmt.Errorf("noting how long tokens of provider %s live: %w", c.Provider, err)
	}
	for {
		known := a.promised.Load()
		if int64(life) <= known || a.promised.CompareAndSwap(known, int64(life)) {
			return nil
		}
	}
}
