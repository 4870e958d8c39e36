package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"bursar/app/alert"
	"bursar/app/db"
)

// behindAfter is how long a due job may wait before the worker counts as behind.
const behindAfter = time.Minute

// Health is what /api/health says. Times that are not known are left out.
type Health struct {
	Status      string               `json:"status"`   // ok, degraded (somebody should look) or unavailable (503)
	Database    string               `json:"database"` // ok, or unavailable: it cannot be written or read
	Worker      string               `json:"worker"`   // ok, or behind: the oldest due job waits for more than a minute
	Queue       QueueHealth          `json:"queue"`
	Circuits    []CircuitHealth      `json:"circuits"` // systems that are left alone for a while
	LastEventAt *time.Time           `json:"last_event_at,omitempty"`
	Ignored     int64                `json:"ignored_events_24h"` // of the other mode or another account
	Reconcile   *ReconcileHealth     `json:"last_reconcile,omitempty"`
	Sweep       *SweepHealth         `json:"last_sweep,omitempty"`
	Schedules   map[string]time.Time `json:"schedules"` // when each comes next
	Reasons     []string             `json:"reasons"`   // why the status is not ok
	Alerts      *AlertHealth         `json:"alerts,omitempty"`
	Version     string               `json:"version"`
}

// AlertHealth is how the rules stand.
type AlertHealth struct {
	Firing  int        `json:"firing"`
	Unknown int        `json:"unknown"`
	At      *time.Time `json:"evaluated_at,omitempty"`
}

// QueueHealth is the work that waits.
type QueueHealth struct {
	Due       int64   `json:"due"`
	OldestDue float64 `json:"oldest_due_seconds"`
	Discarded int64   `json:"discarded"`
}

// CircuitHealth is a system that refused Bursar or did not answer. The reason is for the log and the
// pages: it may quote the system.
type CircuitHealth struct {
	System string    `json:"system"`
	Until  time.Time `json:"until"`
}

// ReconcileHealth is the newest run.
type ReconcileHealth struct {
	At    time.Time `json:"at"`
	State string    `json:"state"`
}

// SweepHealth is the newest look at Stripe's own list of events.
type SweepHealth struct {
	At      time.Time `json:"at"`
	State   string    `json:"state"`
	Missing int64     `json:"missing_24h"` // events that no webhook brought
	Silent  bool      `json:"webhooks_silent"`
	Overdue bool      `json:"overdue"` // the list was not read whole for too long
}

// health is for load balancers and people. Only a database that cannot be written or read is a 503:
// anything else does not get better by sending requests elsewhere.
func (s *Server) health(w http.ResponseWriter, r *http.Request) error {
	h := Health{Status: "ok", Database: "ok", Worker: "ok", Circuits: []CircuitHealth{}, Schedules: map[string]time.Time{}, Reasons: []string{}, Version: s.Version}
	if err := s.readHealth(r.Context(), &h); err != nil {
		h.Status, h.Database, h.Worker = "unavailable", "unavailable", "unknown"
		h.Reasons = []string{"the database cannot be written or read"}
		w.Header().Set("Retry-After", retryAfter)
		return errors.Join(err, writeJSON(w, http.StatusServiceUnavailable, h)) // for the log
	}
	if h.Queue.OldestDue > behindAfter.Seconds() {
		h.Worker = "behind"
	}
	s.judgeHealth(&h)
	return writeJSON(w, http.StatusOK, h)
}

// judgeHealth says why somebody should look, without anything that strangers must not read.
func (s *Server) judgeHealth(h *Health) {
	if h.Worker != "ok" {
		h.Reasons = append(h.Reasons, fmt.Sprintf("the oldest due job waits for %.0f seconds", h.Queue.OldestDue))
	}
	if h.Queue.Discarded > 0 {
		h.Reasons = append(h.Reasons, fmt.Sprintf("jobs that gave up: %d", h.Queue.Discarded))
	}
	for _, c := range h.Circuits {
		h.Reasons = append(h.Reasons, c.System+" is left alone until "+c.Until.UTC().Format(time.RFC3339))
	}
	if h.Sweep != nil && h.Sweep.Silent {
		h.Reasons = append(h.Reasons, fmt.Sprintf("%d events came by the sweep: webhooks are not arriving", h.Sweep.Missing))
	}
	if h.Sweep != nil && h.Sweep.Overdue {
		h.Reasons = append(h.Reasons, "Stripe's list of events was not read whole lately")
	}
	if s.Alerts != nil {
		h.Reasons = append(h.Reasons, s.Alerts.Dead()...)
		list, at := s.Alerts.Statuses()
		h.Alerts = &AlertHealth{At: timeOrNull(at)}
		for _, a := range list {
			if a.Row.State == alert.Firing {
				h.Alerts.Firing++
				h.Reasons = append(h.Reasons, "alert: "+a.Title)
			}
			if a.Unknown {
				h.Alerts.Unknown++
			}
		}
	}
	if len(h.Reasons) > 0 {
		h.Status = "degraded"
	}
}

func (s *Server) readHealth(ctx context.Context, h *Health) error {
	if err := s.DB.Ping(ctx); err != nil {
		return err
	}
	q := s.DB.Read()
	for _, read := range []func(context.Context, *db.Queries) error{h.readQueue, h.readCircuits, h.readEvents, h.readReconcile, h.readSchedules, s.sweepHealth(h)} {
		if err := read(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

func (h *Health) readQueue(ctx context.Context, q *db.Queries) error {
	depth, err := q.QueueDepth(ctx, db.Now())
	h.Queue = QueueHealth{Due: depth.Due, OldestDue: waited(depth).Seconds(), Discarded: depth.Discarded}
	return err
}

func (h *Health) readCircuits(ctx context.Context, q *db.Queries) error {
	open, err := q.OpenCircuits(ctx, db.Now())
	for _, c := range open {
		h.Circuits = append(h.Circuits, CircuitHealth{System: c.System, Until: c.UntilAt.Time})
	}
	return err
}

func (h *Health) readEvents(ctx context.Context, q *db.Queries) error {
	last, err := q.LastEvent(ctx)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return err
	}
	h.LastEventAt = timeOrNull(last.Time)
	counts, err := q.CountEvents(ctx, db.At(time.Now().Add(-24*time.Hour)))
	h.Ignored = counts.IgnoredTotal
	return err
}

func (h *Health) readReconcile(ctx context.Context, q *db.Queries) error {
	run, err := q.LatestRun(ctx)
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	h.Reconcile = &ReconcileHealth{At: run.StartedAt.Time, State: run.State}
	return err
}

func (s *Server) sweepHealth(h *Health) func(context.Context, *db.Queries) error {
	return func(ctx context.Context, q *db.Queries) error {
		sweeps, err := s.Billing.SweepStatus(ctx, q)
		if last := sweeps.Last; last.ID != 0 {
			h.Sweep = &SweepHealth{At: last.StartedAt.Time, State: last.State, Missing: sweeps.Missing, Silent: sweeps.Silent(), Overdue: sweeps.Overdue}
		}
		return err
	}
}

func (h *Health) readSchedules(ctx context.Context, q *db.Queries) error {
	rows, err := q.ListSchedules(ctx)
	for _, row := range rows {
		h.Schedules[row.Name] = row.NextAt.Time
	}
	return err
}
