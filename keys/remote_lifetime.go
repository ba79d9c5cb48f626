package keys

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	minLifetime    = time.Minute
	maxLifetime    = time.Hour
	silentLifetime = 5 * time.Minute // of an answer that says nothing about it
	maxRetryAfter  = time.Hour
)

// lifetime says how long an answer is fresh (RFC 9111 section 4.2), within what we let a provider choose: so short that a key
// that was taken away is gone soon, so long that a provider that forbids caching isn't asked all the time. spoke is false
// where the answer leaves it to us.
func lifetime(h http.Header, now time.Time) (d time.Duration, spoke bool) {
	d, spoke = stated(h, now)
	if !spoke {
		return silentLifetime, false
	}
	return min(max(d-age(h), minLifetime), maxLifetime), true
}

func stated(h http.Header, now time.Time) (time.Duration, bool) {
	maxAge := time.Duration(-1)
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch strings.TrimSpace(name) {
		case "no-cache", "no-store":
			return 0, true
		case "max-age":
			if maxAge < 0 { // of two, the first (section 4.2.1)
				maxAge = max(seconds(strings.Trim(value, `" `)), 0)
			}
		}
	}
	if maxAge >= 0 {
		return maxAge, true
	}
	return untilExpires(h, now)
}

// untilExpires takes what is no date for one that has passed (section 5.3).
func untilExpires(h http.Header, now time.Time) (time.Duration, bool) {
	text := h.Get("Expires")
	if text == "" {
		return 0, false
	}
	expires, err := http.ParseTime(text)
	if err != nil {
		return 0, true
	}
	return expires.Sub(date(h, now)), true
}

// date is the time on the provider's clock, by which its other dates are meant.
func date(h http.Header, now time.Time) time.Time {
	if its, err := http.ParseTime(h.Get("Date")); err == nil {
		return its
	}
	return now
}

// age is how long the answer lay in a cache before it came to us.
func age(h http.Header) time.Duration { return max(seconds(h.Get("Age")), 0) }

// retryAfter is how long the provider wants to be left alone (RFC 9110 section 10.2.3), an hour at most; 0 where it doesn't say.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	d := seconds(text)
	if at, err := http.ParseTime(text); err == nil {
		d = at.Sub(date(h, now))
	}
	return min(max(d, 0), maxRetryAfter)
}

// seconds reads delta-seconds (RFC 9111 section 1.2.2), however many; below zero where text is something else.
func seconds(text string) time.Duration {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return -1
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		n = 1<<31 - 1
	}
	return time.Duration(n) * time.Second
}
