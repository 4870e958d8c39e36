package server

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bursar/app/alert"
	"bursar/app/db"
)

// watchCollector reads the figures of alerts, systems, comparisons and kinds of jobs when it is asked.
type watchCollector struct {
	Config
	kinds, calls, circuit, lastEvent, lastRun, complete, findings, firing, unknown, value, looked, unstored *prometheus.Desc
}

func newWatchCollector(c Config) *watchCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &watchCollector{Config: c,
		kinds:     desc("bursar_queue_jobs_by_kind", "Jobs that are not done, by state and kind.", "state", "kind"),
		calls:     desc("bursar_system_calls_total", "Attempts of jobs that talk to a system, by what came of them.", "system", "outcome"),
		circuit:   desc("bursar_system_circuit_open", "1 while a system is left alone because it refused Bursar or did not answer.", "system"),
		lastEvent: desc("bursar_last_event_timestamp_seconds", "When the last event was stored."),
		lastRun:   desc("bursar_reconcile_last_run_timestamp_seconds", "When the last comparison ended."),
		complete:  desc("bursar_reconcile_last_run_complete", "1 if the last comparison could read everything."),
		findings:  desc("bursar_reconcile_open_findings", "Differences that are open, by kind.", "kind"),
		firing:    desc("bursar_alert_firing", "1 while an alert fires, also one that was acknowledged.", "key", "level"),
		unknown:   desc("bursar_alert_unknown", "1 while nobody knows how a rule stands.", "key"),
		value:     desc("bursar_alert_value", "What a rule measured last, in its own unit; none while it is unknown.", "key"),
		looked:    desc("bursar_alerts_evaluated_timestamp_seconds", "When the rules were last evaluated."),
		unstored:  desc("bursar_counts_unstored", "1 while counts of deliveries and answers are in memory only: the database cannot be written."),
	}
}

// Describe implements prometheus.Collector.
func (c *watchCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.kinds, c.calls, c.circuit, c.lastEvent, c.lastRun, c.complete, c.findings, c.firing, c.unknown, c.value, c.looked, c.unstored} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What cannot be read is an error in the answer, beside all the rest.
func (c *watchCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	c.collectMemory(ch)
	for _, read := range []func(context.Context, *db.Queries, chan<- prometheus.Metric) error{c.collectJobs, c.collectSystems, c.collectRuns} {
		if err := read(ctx, c.DB.Read(), ch); err != nil {
			ch <- prometheus.NewInvalidMetric(c.lastEvent, err)
			return
		}
	}
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

// collectMemory gives what this process knows without the file.
func (c *watchCollector) collectMemory(ch chan<- prometheus.Metric) {
	gauge(ch, c.unstored, oneIf(!c.Tally.UnstoredSince().IsZero()))
	if c.Worker != nil {
		for call, n := range c.Worker.Calls() {
			ch <- prometheus.MustNewConstMetric(c.calls, prometheus.CounterValue, float64(n), call.System, call.Outcome)
		}
	}
	if c.Alerts == nil {
		return
	}
	list, at := c.Alerts.Statuses()
	if !at.IsZero() {
		gauge(ch, c.looked, seconds(at))
	}
	for _, s := range list {
		gauge(ch, c.firing, oneIf(s.Row.State == alert.Firing), s.Key, s.Level.String())
		gauge(ch, c.unknown, oneIf(s.Unknown), s.Key)
		if !s.Unknown {
			gauge(ch, c.value, s.Number, s.Key)
		}
	}
}

func (c *watchCollector) collectJobs(ctx context.Context, q *db.Queries, ch chan<- prometheus.Metric) error {
	rows, err := q.JobsByKind(ctx)
	for _, r := range rows {
		gauge(ch, c.kinds, float64(r.N), r.State, r.Kind)
	}
	return err
}

func (c *watchCollector) collectSystems(ctx context.Context, q *db.Queries, ch chan<- prometheus.Metric) error {
	open, err := q.OpenCircuits(ctx, db.Now())
	if err != nil {
		return err
	}
	isOpen := map[string]bool{}
	for _, o := range open {
		isOpen[o.System] = true
	}
	for system := range systemNames {
		gauge(ch, c.circuit, oneIf(isOpen[system]), system)
	}
	return nil
}

func (c *watchCollector) collectRuns(ctx context.Context, q *db.Queries, ch chan<- prometheus.Metric) error {
	last, err := q.LastEvent(ctx)
	if err == nil {
		gauge(ch, c.lastEvent, seconds(last.Time))
	} else if !errors.Is(err, db.ErrNoRows) {
		return err
	}
	run, err := q.LastRun(ctx)
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	gauge(ch, c.lastRun, seconds(run.FinishedAt.Time))
	gauge(ch, c.complete, oneIf(run.State == "complete"))
	rows, err := q.CountOpenFindings(ctx)
	for _, r := range rows {
		gauge(ch, c.findings, float64(r.N), r.Kind)
	}
	return err
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
