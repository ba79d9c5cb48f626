package api

import (
	"context"
	"net/http"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"

	"rowpass/identity"
	"rowpass/token"
)

const (
	rememberedTokens = 8192        // of providers, whose users have a profile already
	seenTimeout      = time.Second // what a profile may cost the request that makes it
)

func newSeenTokens() *lru.Cache[string, struct{}] {
	cache, err := lru.New[string, struct{}](rememberedTokens)
	if err != nil {
		panic(err) // the size is positive
	}
	return cache
}

// seen gives a provider's user whom nobody has told us of a profile, so that the first query finds it. Nothing about it stops
// the request: what goes wrong is for the log, and is tried again with the next token.
func (a *api) seen(r *http.Request, c *token.Claims) {
	if a.Profiles == nil || c.Provider == "" || c.Role != authenticated || a.seenTokens.Contains(c.ID) {
		return
	}
	a.seenTokens.Add(c.ID, struct{}{})
	source, ok := a.Profiles.OfProvider[c.Provider]
	if !ok {
		return
	}
	issued := c.IssuedAt
	if issued.IsZero() {
		issued = a.Now()
	}
	profile, err := source.FromClaims(c.JSON, c.Identity.Subject, issued)
	if err == nil {
		ctx, cancel := context.WithTimeout(r.Context(), seenTimeout)
		defer cancel()
		err = a.Profiles.Store.Seen(ctx, profile, c.Tenant)
	}
	if err != nil {
		a.Log.WarnContext(r.Context(), "the profile of a user could not be noted from its token", "sub", c.Subject, "source", source.Name(), "err", err)
	}
}

// ProfileStatus says how each source of profiles fares.
type ProfileStatus func(context.Context) ([]identity.SourceStatus, error)

// WatchProfiles adds how each source of profiles fares, asked of the database when somebody asks.
func (m *Metrics) WatchProfiles(status ProfileStatus) {
	m.registry.MustRegister(profileCollector(status))
}

type profileCollector ProfileStatus

// Describe implements prometheus.Collector.
func (c profileCollector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range profileMetrics() {
		to <- m.desc
	}
}

// Collect implements prometheus.Collector. Where the database cannot be asked, the series are missing.
func (c profileCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	all, err := c(ctx)
	if err != nil {
		return
	}
	for _, status := range all {
		for _, m := range profileMetrics() {
			to <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, m.value(status), status.Source)
		}
	}
}

type profileMetric struct {
	desc  *prometheus.Desc
	value func(identity.SourceStatus) float64
}

func profileMetrics() []profileMetric {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("rowpass_sync_"+name, help, []string{"source"}, nil)
	}
	return []profileMetric{
		{desc("last_event_timestamp_seconds", "When the newest event that was read happened."), func(s identity.SourceStatus) float64 { return unix(s.LastEvent) }},
		{desc("last_received_timestamp_seconds", "When an event was received last."), func(s identity.SourceStatus) float64 { return unix(s.LastReceived) }},
		{desc("last_reconciled_timestamp_seconds", "When the provider's whole list was compared last."), func(s identity.SourceStatus) float64 { return unix(s.LastReconciled) }},
		{desc("pending_events", "Events that wait to be read."), func(s identity.SourceStatus) float64 { return float64(s.Pending) }},
		{desc("dead_events", "Events that could not be made a profile of."), func(s identity.SourceStatus) float64 { return float64(s.Dead) }},
		{desc("lag_seconds", "How long the oldest event that waits has waited."), func(s identity.SourceStatus) float64 { return s.Lag.Seconds() }},
		{desc("profiles", "Profiles of users who are not deleted."), func(s identity.SourceStatus) float64 { return float64(s.Live) }},
		{desc("provisional_profiles", "Those of them that come from a token alone."), func(s identity.SourceStatus) float64 { return float64(s.Provisional) }},
		{desc("drift", "Profiles that differed from the provider's list when it was compared last."), func(s identity.SourceStatus) float64 { return float64(s.Drift) }},
	}
}

// unix is 0 for what has not been yet.
func unix(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1000
}
