package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"bursar/app/auth"
	"bursar/app/db"
	"bursar/app/queue"
)

type metrics struct {
	handler  http.Handler
	webhooks *prometheus.CounterVec
	requests *prometheus.HistogramVec
	answers  *prometheus.HistogramVec
}

func newMetrics(c Config) *metrics {
	m := &metrics{
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bursar_webhook_requests_total",
			Help: "Requests to the Stripe webhook by outcome."}, []string{"outcome"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bursar_http_request_duration_seconds",
			Help: "Time to answer, by route and class of status.", Buckets: []float64{.001, .005, .01, .025, .05, .1, .3, 1, 5}}, []string{"route", "class"}),
		answers: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bursar_answer_duration_seconds",
			Help: "Time to answer, by class of route: webhook, admin (pages), action (buttons), api, slow (sign-in, exports).", Buckets: []float64{.005, .01, .025, .05, .1, .25, .3, .5, 1, 2.5, 5}}, []string{"class"}),
	}
	for _, outcome := range []string{stored, duplicate, ignored, badSignature, badTimestamp, badBody, badMethod, bodyTooLarge, unavailable, probed} {
		m.webhooks.WithLabelValues(outcome) // so that a rate can be taken of the first one
	}
	r := prometheus.NewRegistry()
	r.MustRegister(m.webhooks, m.requests, m.answers, newQueueCollector(c.DB), newWatchCollector(c),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	return m
}

// observe counts an answer. route is a pattern of the table, so that their number is bounded.
func (m *metrics) observe(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status/100)+"xx").Observe(took.Seconds())
}

func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request) error {
	s.metrics.handler.ServeHTTP(w, r)
	return nil
}

// queueCollector reads the jobs table, and what became of the audit, when it is asked.
type queueCollector struct {
	db     *db.DB
	jobs   *prometheus.Desc
	oldest *prometheus.Desc
	audit  *prometheus.Desc
}

func newQueueCollector(d *db.DB) *queueCollector {
	return &queueCollector{db: d,
		jobs:   prometheus.NewDesc("bursar_queue_jobs", "Jobs that are not done, by state.", []string{"state"}, nil),
		oldest: prometheus.NewDesc("bursar_queue_oldest_due_seconds", "How long the oldest due job has waited.", nil, nil),
		audit:  prometheus.NewDesc("bursar_audit_broken", "1 if the last nightly check found that the audit was changed.", nil, nil)}
}

// Describe implements prometheus.Collector.
func (c *queueCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.jobs
	ch <- c.oldest
	ch <- c.audit
}

// scrapeTimeout bounds the reading for one scrape.
const scrapeTimeout = 5 * time.Second

// Collect implements prometheus.Collector.
func (c *queueCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	depth, err := c.db.Read().QueueDepth(ctx, db.Now())
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.jobs, err)
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.jobs, float64(depth.Available), queue.Available)
	gauge(c.jobs, float64(depth.Retryable), queue.Retryable)
	gauge(c.jobs, float64(depth.Running), queue.Running)
	gauge(c.jobs, float64(depth.Discarded), queue.Discarded)
	gauge(c.oldest, waited(depth).Seconds())
	check, err := auth.LastAuditCheck(ctx, c.db.Read())
	if err != nil {
		ch <- prometheus.NewInvalidMetric(c.audit, err)
		return
	}
	broken := 0.0
	if check.Broken != "" {
		broken = 1
	}
	gauge(c.audit, broken)
}

// waited is how long the oldest due job has waited, 0 if none is due.
func waited(depth db.QueueDepthRow) time.Duration {
	if depth.OldestDue == 0 {
		return 0
	}
	return max(0, time.Since(time.UnixMilli(depth.OldestDue)))
}
