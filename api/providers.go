package api

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"rowpass/keys"
)

// ProviderState is how the keys of one provider fare.
type ProviderState struct {
	Name   string
	Status keys.RemoteStatus
}

// describe says it in a few words; ok where there is nothing to say. The provider's own words are for the log.
func (p ProviderState) describe() string {
	s := p.Status
	switch {
	case s.Failing.IsZero() && s.Keys > 0:
		return "ok"
	case s.Keys > 0:
		return fmt.Sprintf("its keys cannot be fetched since %s; those of %s go on, for a day at most", clock(s.Failing), clock(s.FetchedAt))
	case s.Failing.IsZero():
		return "its keys were not fetched yet"
	}
	return fmt.Sprintf("there are no keys, and none can be fetched since %s: its tokens are refused", clock(s.Failing))
}

func clock(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// WatchProviders adds how each provider's keys fare.
func (m *Metrics) WatchProviders(states func() []ProviderState) {
	m.registry.MustRegister(providerCollector(states))
}

// providerCollector asks when it is asked, since providers come and go.
type providerCollector func() []ProviderState

// Describe implements prometheus.Collector.
func (c providerCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range providerMetrics() {
		to <- d.desc
	}
}

// Collect implements prometheus.Collector.
func (c providerCollector) Collect(to chan<- prometheus.Metric) {
	for _, state := range c() {
		for _, d := range providerMetrics() {
			to <- prometheus.MustNewConstMetric(d.desc, d.kind, d.value(state.Status), state.Name)
		}
	}
}

type providerMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(keys.RemoteStatus) float64
}

func providerMetrics() []providerMetric {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("rowpass_provider_"+name, help, []string{"provider"}, nil)
	}
	return []providerMetric{
		{desc("keys", "Keys of the provider that verify now."), prometheus.GaugeValue, func(s keys.RemoteStatus) float64 { return float64(s.Keys) }},
		{desc("fetched_timestamp_seconds", "When its keys were last fetched."), prometheus.GaugeValue, func(s keys.RemoteStatus) float64 {
			if s.FetchedAt.IsZero() {
				return 0
			}
			return float64(s.FetchedAt.Unix())
		}},
		{desc("failing", "1 where the last fetch went wrong."), prometheus.GaugeValue, func(s keys.RemoteStatus) float64 {
			if s.Failing.IsZero() {
				return 0
			}
			return 1
		}},
		{desc("fetches_total", "Fetches that were begun."), prometheus.CounterValue, func(s keys.RemoteStatus) float64 { return float64(s.Fetches) }},
		{desc("suppressed_fetches_total", "Fetches that unknown keys in tokens asked for, and did not get."), prometheus.CounterValue,
			func(s keys.RemoteStatus) float64 { return float64(s.Suppressed) }},
	}
}
