package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"bursar/app/db"
)

// work is one attempt of one job and the storing of its outcome.
func (w *Worker) work(ctx context.Context, job db.Job) {
	h, known := w.handlers[job.Kind]
	var err error
	if !known {
		err = Discard(fmt.Errorf("no part of this Bursar does jobs of kind %q; it was stored by another version", job.Kind))
	} else {
		err = w.clean(w.attempt(ctx, h, job))
		w.calls.count(h.System, err)
	}
	if err != nil {
		w.Log.Warn("job failed", "job", job.ID, "kind", job.Kind, "key", job.Key, "attempt", job.Attempt, "error", err)
	}
	stopped := err != nil && ctx.Err() != nil
	store := context.WithoutCancel(ctx) // an outcome counts even while the process stops
	for {
		txErr := w.DB.Tx(store, func(q *db.Queries) error {
			if stopped {
				return putBack(store, q, job, Available, job.Attempt-1, time.Now(), job.Errors)
			}
			return h.finish(store, q, job, err)
		})
		if txErr == nil {
			return
		}
		// A full disk, say. Giving up would leave the job running, and its key blocked, until a restart.
		w.Log.Error("store a job's outcome", "job", job.ID, "kind", job.Kind, "error", txErr)
		select {
		case <-ctx.Done():
			return // the next process releases it
		case <-time.After(pollInterval):
		}
	}
}

// clean takes out secrets that another system's words repeat, before they are stored or logged. The error
// itself is left as it is: others may hold it.
func (w *Worker) clean(err error) error {
	cleaned := w.Redact.Error(err)
	var sys *systemError
	if !errors.As(err, &sys) {
		return cleaned
	}
	own := *sys
	own.error = w.Redact.Error(sys.error) // the circuit keeps its text alone
	return &cleanError{cleaned, &own}
}

// cleanError is an error whose systemError is clean too.
type cleanError struct {
	error
	system *systemError
}

func (e *cleanError) Unwrap() error { return e.error }

// As gives the clean systemError in the place of the one that is wrapped.
func (e *cleanError) As(target any) bool {
	sys, ok := target.(**systemError)
	if ok {
		*sys = e.system
	}
	return ok
}

func (w *Worker) attempt(ctx context.Context, h handler, job db.Job) (err error) {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			w.Log.Error("job panicked", "job", job.ID, "kind", job.Kind, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return h.run(ctx, []byte(job.Args))
}

// finish stores what came of an attempt: the job's new state, and what it says of its system.
func (h handler) finish(ctx context.Context, q *db.Queries, job db.Job, err error) error {
	if h.System != "" {
		if err := recordSystem(ctx, q, h.System, job, err); err != nil {
			return err
		}
	}
	var discard *discardError
	var snooze *snoozeError
	var sys *systemError
	switch {
	case err == nil:
		return finalize(ctx, q, job, Completed, job.Errors)
	case errors.As(err, &snooze):
		return putBack(ctx, q, job, Available, job.Attempt-1, snooze.until, job.Errors)
	case errors.As(err, &sys) && sys.unauthorized:
		return putBack(ctx, q, job, Retryable, job.Attempt-1, time.Now().Add(unauthorizedPause), withError(job, err))
	case errors.As(err, &discard) || job.Attempt >= job.MaxAttempts:
		return finalize(ctx, q, job, Discarded, withError(job, err))
	default:
		return putBack(ctx, q, job, Retryable, job.Attempt, time.Now().Add(retryDelay(job.Attempt, err)), withError(job, err))
	}
}

// errDied counts as an attempt: a job that kills the process must not do so for ever. After the first it waits as after
// other errors, and news do not hurry it: when the process dies again and again, most jobs at work are not to blame, and
// would be used up in seconds.
var errDied = errors.New("the process ended during this attempt")

// release makes available what an earlier process was working on when it died.
func (w *Worker) release(ctx context.Context) error {
	var jobs []db.Job
	err := w.DB.Tx(ctx, func(q *db.Queries) (err error) {
		if jobs, err = q.RunningJobs(ctx); err != nil {
			return err
		}
		for _, job := range jobs {
			switch {
			case job.Attempt >= job.MaxAttempts:
				err = finalize(ctx, q, job, Discarded, withError(job, errDied))
			case job.Attempt > 1:
				err = putBack(ctx, q, job, Retryable, job.Attempt, time.Now().Add(retryDelay(job.Attempt-1, errDied)), withError(job, errDied))
			default:
				err = putBack(ctx, q, job, Available, job.Attempt, time.Now(), withError(job, errDied))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && len(jobs) > 0 {
		w.Log.Info("jobs of an earlier process released", "jobs", len(jobs))
	}
	return err
}

func finalize(ctx context.Context, q *db.Queries, job db.Job, state, errs string) error {
	_, err := q.FinishJob(ctx, db.FinishJobParams{State: state, Now: db.Now(), Errors: errs, ID: job.ID})
	return err
}

// putBack makes a running job wait again. If a newer job of its kind and key waits already, that one
// takes its place, attempts and delay: work that arrives during each attempt must not get round them.
func putBack(ctx context.Context, q *db.Queries, job db.Job, state string, attempt int64, at time.Time, errs string) error {
	successor, err := q.WaitingJob(ctx, job.Kind, job.Key)
	if errors.Is(err, db.ErrNoRows) {
		_, err = q.RetryJob(ctx, db.RetryJobParams{State: state, Attempt: attempt, ScheduledAt: db.At(at), Errors: errs, ID: job.ID})
		return err
	}
	if err != nil {
		return err
	}
	if err := q.SucceedJob(ctx, db.SucceedJobParams{State: state, Attempt: attempt, ScheduledAt: db.At(at), Errors: errs, ID: successor.ID}); err != nil {
		return err
	}
	return finalize(ctx, q, job, Cancelled, errs)
}
