package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rowpass/db"
	"rowpass/token"
)

// Metrics are what /metrics tells. Every label has few values: the route's pattern, never an address.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

// NewMetrics makes the metrics of one process.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rowpass_request_duration_seconds",
			Help:    "How long requests took, by route, method and status.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"route", "method", "status"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rowpass_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Watch adds the state of the database's pool and clock.
func (m *Metrics) Watch(d *db.DB) {
	m.gauge("rowpass_gateway_connections_in_use", "Connections of the gateway's pool that run a statement.", func() float64 {
		inUse, _, _ := d.PoolStats()
		return float64(inUse)
	})
	m.gauge("rowpass_gateway_connections_idle", "Connections of the gateway's pool that wait for a statement.", func() float64 {
		_, idle, _ := d.PoolStats()
		return float64(idle)
	})
	m.gauge("rowpass_gateway_connections_limit", "Connections that the gateway's pool may have.", func() float64 {
		_, _, limit := d.PoolStats()
		return float64(limit)
	})
	m.gauge("rowpass_database_clock_difference_seconds", "How far the database's clock is ahead of this process's.", func() float64 {
		return d.ClockDifference().Seconds()
	})
}

// WatchAudit adds how much of the audit is not written yet.
func (m *Metrics) WatchAudit(audit *db.Audit) {
	m.gauge("rowpass_audit_pending", "Events of the audit that wait to be written.", func() float64 { return float64(audit.Pending()) })
}

// WatchDenied adds how long the deny-list is.
func (m *Metrics) WatchDenied(denied *token.DenyList) {
	m.gauge("rowpass_denied_tokens", "Entries of the deny-list: tokens, and kinds of tokens, that are refused before they expire.", func() float64 {
		return float64(denied.Len())
	})
}

func (m *Metrics) gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

func (m *Metrics) request(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, knownMethod(method), strconv.Itoa(status)).Observe(took.Seconds())
}

// knownMethod keeps strangers from making series by inventing methods.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
