package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// RemoteConfig is what a Remote needs. Name, Now, Log and one of URL and Issuer must be given.
type RemoteConfig struct {
	Name   string // the provider's, for logs, errors and Last
	URL    string // of the key set: https, or http where Allow names the host
	Issuer string // instead of URL: the issuer whose discovery document says where the key set is

	// Allow names the hosts, as "host" or "host:port", that may be asked by plain http and at addresses that are private or
	// this machine's own. All others are asked by https, at public addresses.
	Allow []string

	Last Last             // where the last good set is kept for a start without the provider; nil: nowhere
	Now  func() time.Time // the clock
	Log  *slog.Logger
}

// Remote is a provider's key set as it was last fetched. Any number of goroutines may use it; asking for the set costs one
// atomic load and a look at the clock. The provider is asked by nobody else than Run, Refresh, Renew and Fetch, one at a time.
//
// It uses the roots of the system, follows no redirects, keeps no cookies and no connections, and takes no proxy from the
// environment: behind one, the address that is dialled would be the proxy's, and nothing would keep a provider's name from
// leading into the private network.
type Remote struct {
	cfg     RemoteConfig
	fetcher fetcher
	busy    chan struct{} // has an element while somebody fetches
	held    atomic.Pointer[held]

	fetches, suppressed atomic.Int64
}

// RemoteStatus is how a Remote fares, for a health check and for metrics.
type RemoteStatus struct {
	FetchedAt  time.Time // the last success; zero: none that is known
	FreshUntil time.Time // the end of the lifetime that the provider gave it, within 60 s and 1 h; zero before this process has fetched
	Failing    time.Time // since when fetches fail; zero: the last one went well
	Err        string    // why the last one failed, for an operator; ""
	Fetches    int64     // that were begun, each with the discovery before it
	Suppressed int64     // fetches that tokens asked for and did not get
	Keys       int       // that verify now
	Skipped    int       // in the same set
}

// NewRemote checks cfg and takes the last good set from cfg.Last. It fetches nothing and starts nothing: without a last set,
// the first token or Run brings the first. Where Last cannot be read, it says so in the log and goes on without.
func NewRemote(cfg RemoteConfig) (*Remote, error) {
	if cfg.Name == "" || cfg.Now == nil || cfg.Log == nil || (cfg.URL == "") == (cfg.Issuer == "") {
		return nil, errors.New("making provider: Name, Now, Log and either URL or Issuer must be given")
	}
	f, err := newFetcher(cfg.Allow)
	if err != nil {
		return nil, fmt.Errorf("making provider %s: %w", cfg.Name, err)
	}
	if err := f.check(cfg.source()); err != nil {
		return nil, fmt.Errorf("making provider %s: %w", cfg.Name, err)
	}
	cfg.Log = cfg.Log.With("provider", cfg.Name)
	r := &Remote{cfg: cfg, fetcher: f, busy: make(chan struct{}, 1)}
	r.held.Store(r.recall())
	return r, nil
}

// source is the address that was configured, which a set is only ever used for.
func (c RemoteConfig) source() string {
	if c.URL == "" {
		return discoveryURL(c.Issuer)
	}
	return c.URL
}

// Set is the last good set: fetched before, or given by Last, less than 24 hours ago. Without one it is empty.
func (r *Remote) Set() KeySet {
	if h := r.held.Load(); h.usable(r.cfg.Now()) {
		return h.set
	}
	return KeySet{}
}

// Status never waits for a fetch.
func (r *Remote) Status() RemoteStatus {
	h, set := r.held.Load(), r.Set()
	s := RemoteStatus{FetchedAt: h.fetched, FreshUntil: h.fresh, Failing: h.failing, Err: h.err,
		Fetches: r.fetches.Load(), Suppressed: r.suppressed.Load(), Keys: len(set.keys), Skipped: len(set.skipped)}
	if h.err != "" && !h.fetched.IsZero() && !h.usable(r.cfg.Now()) {
		s.Err = "the last set is more than 24 hours old and not used any more: " + h.err
	}
	return s
}

// acquire waits until nobody else fetches or ctx ends.
func (r *Remote) acquire(ctx context.Context) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case r.busy <- struct{}{}:
		return func() { <-r.busy }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
