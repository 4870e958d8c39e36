package queue

import (
	"context"
	"errors"
	"time"

	"bursar/app/db"
)

const (
	failuresToOpen    = 5                // in a row
	firstPause        = 30 * time.Second // doubled with each failure after
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
// not. An error that is not the system's, or a job that did not ask it, says nothing about it.
func recordSystem(ctx context.Context, q *db.Queries, system string, err error) error {
	if err == nil {
		_, err := q.CloseCircuit(ctx, system)
		return err
	}
	var sys *systemError
	if !errors.As(err, &sys) {
		return nil
	}
	c, readErr := q.CircuitOf(ctx, system)
	if readErr != nil && !errors.Is(readErr, db.ErrNoRows) {
		return readErr
	}
	now := time.Now()
	pause := time.Duration(0)
	switch {
	case sys.unauthorized:
		pause = unauthorizedPause
	case c.UntilAt.After(now): // jobs that were under way when it opened
		pause = c.UntilAt.Sub(now)
	case c.Failures+1 >= failuresToOpen:
		pause = min(firstPause<<min(c.Failures+1-failuresToOpen, 10), maxPause)
	}
	pause = max(pause, min(sys.after, maxRetryAfter))
	opened := c.OpenedAt
	if opened.IsZero() && pause > 0 {
		opened = db.At(now)
	}
	next := db.SaveCircuitParams{System: system, Failures: c.Failures + 1, Reason: sys.Error(), OpenedAt: opened}
	if pause > 0 {
		next.UntilAt = db.At(now.Add(pause))
	}
	return q.SaveCircuit(ctx, next)
}
