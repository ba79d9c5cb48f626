package keys

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	maxStale     = 24 * time.Hour   // since the last success; an older set is not used any more
	renewEvery   = 30 * time.Second // between two fetches that tokens cause
	firstBackoff = time.Second
	maxBackoff   = 5 * time.Minute
)

// held is all that a Remote knows at one time. Whoever has busy replaces it whole.
type held struct {
	set      KeySet
	document []byte // that it was read from
	etag     string
	lifetime time.Duration // as the last answer that spoke of it said
	url      string        // of the set, where discovery found it

	fetched time.Time // the last success
	fresh   time.Time // the end of its lifetime
	changed time.Time // when set became another
	due     time.Time // when to fetch again without being asked
	retry   time.Time // before it the provider doesn't want to be asked again
	renewed time.Time // the last fetch that a token caused

	failing  time.Time // since when no fetch went well; zero: the last one did
	failures int       // in a row
	err      string    // of the last one
}

// usable says whether the set is young enough to verify with.
func (h *held) usable(now time.Time) bool { return now.Sub(h.fetched) < maxStale }

// isDue, like all that compares times here, lets a clock that was put back do no lasting harm.
func (h *held) isDue(now time.Time) bool {
	return !now.Before(h.due) || h.due.Sub(now) > max(maxLifetime, maxRetryAfter)
}

func (h *held) mayRenew(now time.Time) bool {
	return !within(renewEvery, h.renewed, now) && (!now.Before(h.retry) || h.retry.Sub(now) > maxRetryAfter)
}

// within says whether then is less than d ago.
func within(d time.Duration, then, now time.Time) bool {
	ago := now.Sub(then)
	return ago >= 0 && ago < d
}

func (h *held) succeed(a answer, set KeySet, now time.Time) {
	if !h.usable(now) || !set.equal(h.set) {
		h.changed = now
	}
	h.set = set
	if d, spoke := lifetime(a.header, now); spoke || !a.same {
		h.lifetime = d
	}
	if !a.same { // else RFC 9111 section 4.3.4: what the answer doesn't say is as it was
		h.document, h.etag = a.document, a.etag()
	}
	h.fetched, h.fresh = now, now.Add(h.lifetime)
	h.due = now.Add(h.lifetime*3/4 + jitter(h.lifetime/5))
	h.retry, h.failing, h.failures, h.err = time.Time{}, time.Time{}, 0, ""
}

func (h *held) fail(err error, now time.Time) {
	if h.failures == 0 {
		h.failing = now
	}
	h.failures++
	h.err = fmt.Sprintf("%.300s", err)
	h.due, h.retry = now.Add(backoff(h.failures)), time.Time{}
	var refused *refusedError
	if errors.As(err, &refused) {
		h.retry = now.Add(retryAfter(refused.header, now))
	}
	if h.retry.After(h.due) {
		h.due = h.retry
	}
}

// backoff is 1 s after the first failure, doubled with each up to 5 min, with a random half of it taken away.
func backoff(failures int) time.Duration {
	wait := min(firstBackoff<<min(failures-1, 20), maxBackoff)
	return wait/2 + jitter(wait/2)
}

// jitter keeps instances that started together from asking together. Nobody gains by guessing it.
func jitter(below time.Duration) time.Duration { return rand.N(below) }
