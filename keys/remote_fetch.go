package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	fetchTimeout = 5 * time.Second // in all: names, dialling, TLS, the answer's last byte, and discovery before it
	lookEvery    = time.Second     // how often Run looks at the clock, which may jump
)

// Run fetches whenever it is time, until ctx ends, and leaves nothing behind.
func (r *Remote) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		r.Refresh(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Refresh fetches if it is time to, which Run asks each second: at first, when three quarters or more of the set's lifetime
// have passed, and after a failure when a pause has, which grows from 1 s to 5 min. What went wrong is for Status and the log.
func (r *Remote) Refresh(ctx context.Context) {
	release, err := r.acquire(ctx)
	if err != nil {
		return
	}
	defer release()
	if h := *r.held.Load(); h.isDue(r.cfg.Now()) {
		r.try(ctx, h)
	}
}

// Renew is for a token whose kid is in no key of the set, or whose signature is not that of the key that it names. It fetches
// if no token caused a fetch within the last 30 s and the provider hasn't asked to be left alone for longer (Retry-After);
// those who come meanwhile wait for it, until their ctx ends. True says that the set became another within these 30 s, and so
// may be newer than what the caller looked at. A fetch goes on, 5 s at most, if the request that began it is given up:
// others wait for it too.
func (r *Remote) Renew(ctx context.Context) bool {
	before := r.held.Load()
	release, err := r.acquire(ctx)
	if err != nil {
		return false
	}
	defer release()
	h, now := *r.held.Load(), r.cfg.Now()
	switch {
	case r.held.Load() != before: // a fetch has ended while this one waited
	case h.mayRenew(now):
		h.renewed = now
		r.try(context.WithoutCancel(ctx), h)
	default:
		r.suppressed.Add(1)
	}
	return within(renewEvery, r.held.Load().changed, r.cfg.Now())
}

// Fetch fetches now, whenever the last time was. It is for commands and whoever may ask for it, never for strangers.
func (r *Remote) Fetch(ctx context.Context) (KeySet, error) {
	release, err := r.acquire(ctx)
	if err == nil {
		defer release()
		err = r.try(ctx, *r.held.Load())
	}
	if err != nil {
		return KeySet{}, fmt.Errorf("fetching keys of provider %s: %w", r.cfg.Name, err)
	}
	return r.Set(), nil
}

// try fetches once and keeps what came of it in h, a copy of held. The caller has busy. That ctx ended says nothing about the
// provider.
func (r *Remote) try(ctx context.Context, h held) error {
	r.fetches.Add(1)
	a, err := r.fetch(ctx, &h)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	now := r.cfg.Now()
	set := h.set
	if err == nil && !a.same {
		set, err = parseUsable(a.document)
	}
	if err != nil {
		h.fail(err, now)
		r.held.Store(&h)
		r.logFailure(&h, now)
		return err
	}
	r.logSuccess(&h, set)
	h.succeed(a, set, now)
	r.held.Store(&h)
	r.keep(h.document, now)
	return nil
}

func (r *Remote) fetch(ctx context.Context, h *held) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	url := r.cfg.URL
	if url == "" {
		if h.url == "" || h.failures > 0 { // it may have moved
			d, err := r.fetcher.discover(ctx, r.cfg.Issuer)
			if err != nil {
				return answer{}, err
			}
			if h.url != d.JWKSURL {
				h.url, h.etag = d.JWKSURL, ""
			}
		}
		url = h.url
	}
	return r.fetcher.get(ctx, url, h.etag)
}

// parseUsable takes no set that would leave nothing to verify with: nobody means that, and everybody would be locked out.
func parseUsable(document []byte) (KeySet, error) {
	set, err := ParseKeySet(document)
	if err != nil {
		return KeySet{}, err
	}
	if len(set.keys) > 0 {
		return set, nil
	}
	if len(set.skipped) > 0 {
		return KeySet{}, fmt.Errorf("it has no key that verifies: of %d, the first was skipped because %s", len(set.skipped), set.skipped[0].Why)
	}
	return KeySet{}, errors.New("the key set is empty: let the provider sign with an asymmetric key")
}

func (r *Remote) logFailure(h *held, now time.Time) {
	if h.fetched.IsZero() || h.usable(now) {
		r.cfg.Log.Warn("provider's keys were not fetched", "err", h.err, "failures", h.failures, "next", h.due, "keys", len(h.set.keys))
		return
	}
	r.cfg.Log.Error("provider's keys are too old to be used", "err", h.err, "failures", h.failures, "next", h.due, "fetched_at", h.fetched)
}

// logSuccess tells what set changes in h, before it does.
func (r *Remote) logSuccess(h *held, set KeySet) {
	if h.failures > 0 {
		r.cfg.Log.Info("provider's keys are fetched again", "failures", h.failures, "since", h.failing)
	}
	if set.equal(h.set) {
		return
	}
	r.cfg.Log.Info("provider's keys changed", "keys", len(set.keys), "skipped", len(set.skipped))
	for _, no := range set.skipped {
		level := slog.LevelInfo
		if no.Exposed {
			level = slog.LevelError
		}
		r.cfg.Log.Log(context.Background(), level, "provider's key is skipped", "kid", no.ID, "why", no.Why)
	}
	if ids := set.shared(); len(ids) > 0 {
		r.cfg.Log.Warn("provider gives a kid to more than one key", "kid", ids)
	}
}
