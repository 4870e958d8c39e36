package queue

import (
	"context"
	"errors"
	"time"

	"bursar/app/db"
)

const (
	failuresToOpen    = 5                // in a row
	firstPause        = 30 * time.Second // doubled with each failure after it
	maxPause          = 15 * time.Minute
	unauthorizedPause = 15 * time.Minute
)

// OpenUntil says until when a system is left alone, and why; the zero time if it is not.
func OpenUntil(ctx context.Context, q *db.Queries, system string) (until time.Time, reason string, err error) {
	c, err := q.CircuitOf(ctx, system)
	switch {
	case errors.Is(err, db.ErrNoRows):
		return time.Time{}, "", nil
	case err != nil:
		return time.Time{}, "", err
	case c.UntilAt.After(time.Now()):
		return c.UntilAt.Time, c.Reason, nil
	}
	return time.Time{}, "", nil
}

// recordSystem closes the circuit of a system that answered, and counts the failure of one that did
// not. An error that is not the system's says nothing about it.
func recordSystem(ctx context.Context, q *db.Queries, system string, job db.Job, err error) error {
	if err == nil {
		_, err := q.CloseCircuit(ctx, system, job.AttemptedAt)
		return err
	}
	var sys *systemError
	if !errors.As(err, &sys) {
		return nil
	}
	c, err := q.CircuitOf(ctx, system)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return err
	}
	return q.SaveCircuit(ctx, afterFailure(c, system, sys, time.Now()))
}

// afterFailure is the circuit after one more failure. Attempts that were under way when it opened fail
// too, but are no new evidence: only one failure after each pause makes the next pause longer.
func afterFailure(c db.Circuit, system string, sys *systemError, now time.Time) db.SaveCircuitParams {
	failures, pause := c.Failures+1, time.Duration(0)
	switch {
	case c.UntilAt.After(now):
		failures, pause = c.Failures, c.UntilAt.Sub(now)
	case failures >= failuresToOpen || !c.OpenedAt.IsZero():
		pause = min(firstPause<<min(max(failures-failuresToOpen, 0), 10), maxPause)
	}
	if sys.unauthorized {
		pause = max(pause, unauthorizedPause)
	}
	pause = max(pause, min(sys.after, maxRetryAfter))

	next := db.SaveCircuitParams{System: system, Failures: failures, Reason: sys.Error(), OpenedAt: c.OpenedAt}
	if pause > 0 {
		next.UntilAt = db.At(now.Add(pause))
		if next.OpenedAt.IsZero() {
			next.OpenedAt = db.At(now)
		}
	}
	return next
}
