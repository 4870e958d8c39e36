package server

import (
	"context"
	"errors"
	"net/http"
	"time"

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
	Schedules   map[string]time.Time `json:"schedules"` // when each comes next
	Version     string               `json:"version"`
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

// health is for load balancers and people. Only a database that cannot be written or read is a 503:
// anything else does not get better by sending requests elsewhere.
func (s *Server) health(w http.ResponseWriter, r *http.Request) error {
	h := Health{Status: "ok", Database: "ok", Worker: "ok", Circuits: []CircuitHealth{}, Schedules: map[string]time.Time{}, Version: s.Version}
	if err := s.readHealth(r.Context(), &h); err != nil {
		h.Status, h.Database, h.Worker = "unavailable", "unavailable", "unknown"
		w.Header().Set("Retry-After", retryAfter)
		return errors.Join(err, writeJSON(w, http.StatusServiceUnavailable, h)) // for the log
	}
	if h.Queue.OldestDue > behindAfter.Seconds() {
		h.Worker = "behind"
	}
	if h.Worker != "ok" || h.Queue.Discarded > 0 || len(h.Circuits) > 0 {
		h.Status = "degraded"
	}
	return writeJSON(w, http.StatusOK, h)
}

func (s *Server) readHealth(ctx context.Context, h *Health) error {
	if err := s.DB.Ping(ctx); err != nil {
		return err
	}
	q := s.DB.Read()
	for _, read := range []func(context.Context, *db.Queries) error{h.readQueue, h.readCircuits, h.readEvents, h.readReconcile, h.readSchedules} {
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

func (h *Health) readSchedules(ctx context.Context, q *db.Queries) error {
	rows, err := q.ListSchedules(ctx)
	for _, row := range rows {
		h.Schedules[row.Name] = row.NextAt.Time
	}
	return err
}
