package identity

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	listRetries   = 5
	maxRetryAfter = 5 * time.Minute
)

// retryError is a failure that may be gone a moment later.
type retryError struct {
	err   error
	after time.Duration // as the provider asks; 0 or less: it doesn't say
}

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }

// wait is how long to leave the provider alone after so many failures in a row, which were at least one.
func (e *retryError) wait(failures int) time.Duration {
	if e.after > 0 {
		return min(e.after, maxRetryAfter)
	}
	return time.Second << (failures - 1)
}

// retryAfter reads a Retry-After (RFC 9110, section 10.2.3). A date is taken against the answer's own, so that a clock that is
// wrong here doesn't count. 0 or less is none that one could wait for.
func retryAfter(h http.Header) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(seconds, int(maxRetryAfter/time.Second))) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	sent, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return until.Sub(sent)
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
