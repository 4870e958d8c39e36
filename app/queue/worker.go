package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"bursar/app/db"
)

const (
	slots          = 16               // jobs at work at once
	pollInterval   = time.Second      // how soon a job that another process inserted is seen
	defaultTimeout = 60 * time.Second // of one attempt
	drainTimeout   = 8 * time.Second  // for jobs at work when the process is asked to stop
)

// Options describe the jobs of a kind.
type Options struct {
	System    string        // what it talks to: the name of its circuit, "" for nothing outside
	WhileOpen bool          // it has something to do even while the circuit is open
	Timeout   time.Duration // of one attempt; 0 means a minute
}

// Worker runs the jobs of the kinds that have a handler.
type Worker struct {
	DB  *db.DB
	Log *slog.Logger

	handlers map[string]handler
	free     chan struct{} // a token for each slot not in use
	running  sync.WaitGroup
}

type handler struct {
	Options
	run func(ctx context.Context, args []byte) error
}

// NewWorker makes a worker without handlers.
func NewWorker(d *db.DB, log *slog.Logger) *Worker {
	w := &Worker{DB: d, Log: log, handlers: map[string]handler{}, free: make(chan struct{}, slots)}
	for range slots {
		w.free <- struct{}{}
	}
	return w
}

// Handle says what does the jobs of A's kind. Call it before Run. Errors of fn mean a retry, unless
// made by Discard, Snooze, Unavailable or Unauthorized; fn may run again after it succeeded, if the
// process dies before that is stored.
func Handle[A Args](w *Worker, o Options, fn func(ctx context.Context, args A) error) {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	var zero A
	w.handlers[zero.Kind()] = handler{o, func(ctx context.Context, text []byte) error {
		var args A
		if err := json.Unmarshal(text, &args); err != nil {
			return Discard(fmt.Errorf("read the args: %w", err))
		}
		return fn(ctx, args)
	}}
}

// Run works until ctx ends, then lets the jobs at work finish for a few seconds; what does not finish
// is made available again. Only one process may Run on a file.
func (w *Worker) Run(ctx context.Context) error {
	if err := w.recover(ctx); err != nil {
		return err
	}
	attempts, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	for ctx.Err() == nil {
		if err := w.workOff(ctx, attempts); err != nil && ctx.Err() == nil {
			w.Log.Error("claim jobs", "error", err) // a full disk, say: the jobs stay, and so do we
		}
		select {
		case <-ctx.Done():
		case <-w.DB.Committed():
		case <-time.After(pollInterval):
		}
	}
	time.AfterFunc(drainTimeout, stop)
	w.running.Wait()
	return nil
}

// recover makes available what an earlier process was working on when it died.
func (w *Worker) recover(ctx context.Context) error {
	return w.DB.Tx(ctx, func(q *db.Queries) error {
		n, err := q.ReleaseRunning(ctx)
		if err != nil {
			return fmt.Errorf("release jobs: %w", err)
		}
		joined, err := q.CancelRunning(ctx, db.Now()) // those whose successor waits already
		if n+joined > 0 {
			w.Log.Info("jobs of an earlier process made available again", "jobs", n, "joined", joined)
		}
		return err
	})
}

// WorkOff runs the jobs that are due, and those that become due through them, and returns when none
// is left: for commands that run without a serve, and for tests.
func (w *Worker) WorkOff(ctx context.Context) error {
	for {
		n, err := w.claim(ctx, ctx)
		if err != nil {
			return err
		}
		w.running.Wait()
		if n == 0 {
			return ctx.Err()
		}
	}
}

// workOff claims until nothing is due.
func (w *Worker) workOff(ctx, attempts context.Context) error {
	for ctx.Err() == nil {
		// Looking is cheap and does not write; claiming is a commit.
		due, err := w.due(ctx)
		if err != nil || !due {
			return err
		}
		n, err := w.claim(ctx, attempts)
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}

func (w *Worker) due(ctx context.Context) (bool, error) {
	q := w.DB.Read()
	held, err := w.heldKinds(ctx, q)
	if err != nil {
		return false, err
	}
	next, err := q.NextJobAt(ctx, held)
	if errors.Is(err, db.ErrNoRows) {
		return false, nil
	}
	return err == nil && !next.After(time.Now()), err
}

// claim waits for a free slot, takes as many due jobs as there are free slots, and starts them.
func (w *Worker) claim(ctx, attempts context.Context) (int, error) {
	select {
	case <-w.free:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	taken := 1
	for more := true; more && taken < slots; {
		select {
		case <-w.free:
			taken++
		default:
			more = false
		}
	}
	var jobs []db.Job
	err := w.DB.Tx(ctx, func(q *db.Queries) error {
		held, err := w.heldKinds(ctx, q)
		if err != nil {
			return err
		}
		jobs, err = q.ClaimJobs(ctx, db.Now(), held, int64(taken))
		return err
	})
	if err != nil {
		jobs = nil
	}
	for range taken - len(jobs) {
		w.free <- struct{}{}
	}
	for _, job := range jobs {
		w.running.Go(func() {
			defer func() { w.free <- struct{}{} }()
			w.work(attempts, job)
		})
	}
	return len(jobs), err
}

// heldKinds are the kinds that an open circuit keeps waiting, as a JSON list.
func (w *Worker) heldKinds(ctx context.Context, q *db.Queries) (string, error) {
	open, err := q.OpenCircuits(ctx, db.Now())
	if err != nil {
		return "", err
	}
	held := []string{}
	for _, c := range open {
		for kind, h := range w.handlers {
			if h.System == c.System && !h.WhileOpen {
				held = append(held, kind)
			}
		}
	}
	b, err := json.Marshal(held)
	return string(b), err
}

// work is one attempt of one job and the storing of its outcome.
func (w *Worker) work(ctx context.Context, job db.Job) {
	h, known := w.handlers[job.Kind]
	var err error
	if !known {
		err = Discard(fmt.Errorf("no part of this Bursar does jobs of kind %q; it was stored by another version", job.Kind))
	} else {
		err = w.attempt(ctx, h, job)
	}
	if err != nil {
		w.Log.Warn("job failed", "job", job.ID, "kind", job.Kind, "key", job.Key, "attempt", job.Attempt, "error", err)
	}
	stopped := err != nil && ctx.Err() != nil
	// The outcome is stored even while the process stops; if that fails the job stays running, and
	// the next process makes it available.
	store := context.WithoutCancel(ctx)
	txErr := w.DB.Tx(store, func(q *db.Queries) error {
		if stopped {
			return putBack(store, q, job, Available, job.Attempt-1, time.Now(), job.Errors)
		}
		return h.finish(store, q, job, err)
	})
	if txErr != nil {
		w.Log.Error("store a job's outcome", "job", job.ID, "kind", job.Kind, "error", txErr)
	}
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
		if err := recordSystem(ctx, q, h.System, err); err != nil {
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

func finalize(ctx context.Context, q *db.Queries, job db.Job, state, errs string) error {
	_, err := q.FinishJob(ctx, db.FinishJobParams{State: state, Now: db.Now(), Errors: errs, ID: job.ID})
	return err
}

// putBack makes a running job wait again. If a newer job of its kind and key waits already, that one
// takes its place and its delay: new work must not get round the backoff.
func putBack(ctx context.Context, q *db.Queries, job db.Job, state string, attempt int64, at time.Time, errs string) error {
	successor, err := q.WaitingJob(ctx, job.Kind, job.Key)
	if errors.Is(err, db.ErrNoRows) {
		_, err = q.RetryJob(ctx, db.RetryJobParams{State: state, Attempt: attempt, ScheduledAt: db.At(at), Errors: errs, ID: job.ID})
		return err
	}
	if err != nil {
		return err
	}
	if err := q.PostponeJob(ctx, db.At(at), successor.ID); err != nil {
		return err
	}
	return finalize(ctx, q, job, Cancelled, errs)
}
