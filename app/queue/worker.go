package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"bursar/app/db"
	"bursar/app/redact"
)

const (
	slots          = 16               // jobs at work at once
	pollInterval   = time.Second      // how soon a job that became due, or came from another process, is seen
	defaultTimeout = 60 * time.Second // of one attempt
	drainTimeout   = 8 * time.Second  // for jobs at work when the process is asked to stop
	abandonTimeout = time.Second      // for jobs whose context has ended then
)

// Options describe the jobs of a kind.
type Options struct {
	System    string        // what it talks to: the name of its circuit, "" for nothing outside
	WhileOpen bool          // it has something to do even while the circuit is open
	Timeout   time.Duration // of one attempt; 0 means a minute
}

// Worker runs the jobs of the kinds that have a handler.
type Worker struct {
	DB     *db.DB
	Log    *slog.Logger
	Redact redact.Redactor // of the errors that are stored
	Pulse  Pulse           // it looks for work

	calls    calls
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
// process dies before that is stored. fn must return when its ctx ends: until then its slot is taken.
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
	if err := w.release(ctx); err != nil {
		return fmt.Errorf("release the jobs of an earlier process: %w", err)
	}
	attempts, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	for ctx.Err() == nil {
		w.Pulse.Mark()
		wake := w.DB.Committed()
		if err := w.workOff(ctx, attempts); err != nil && ctx.Err() == nil {
			w.Log.Error("claim jobs", "error", err) // a full disk, say: the jobs stay, and so do we
			wake = nil                              // our own failed write would wake us to fail again at once
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-time.After(pollInterval):
		}
	}
	w.drain(stop)
	return nil
}

// drain waits for the jobs at work, and ends their contexts when they take too long. A job that does
// not even heed that stays running, and is released at the next start.
func (w *Worker) drain(stop func()) {
	done := make(chan struct{})
	go func() {
		w.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return
	case <-time.After(drainTimeout):
	}
	stop()
	select {
	case <-done:
	case <-time.After(abandonTimeout):
		w.Log.Error("jobs that do not stop are left behind", "jobs", slots-len(w.free))
	}
}

// WorkOff runs the jobs that are due, and those that become due through them, and returns when none
// is left: for commands that run without a serve, and for tests.
func (w *Worker) WorkOff(ctx context.Context) error {
	for {
		n, err := w.claim(ctx, ctx)
		w.running.Wait()
		if err != nil || n == 0 {
			return err
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
	taken, err := w.takeSlots(ctx)
	if err != nil {
		return 0, err
	}
	var jobs []db.Job
	err = w.DB.Tx(ctx, func(q *db.Queries) error {
		held, err := w.heldKinds(ctx, q)
		if err != nil {
			return err
		}
		jobs, err = q.ClaimJobs(ctx, db.Now(), held, int64(taken))
		return err
	})
	if err != nil {
		jobs = nil // not committed
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

// takeSlots waits for one free slot and takes all that are free.
func (w *Worker) takeSlots(ctx context.Context) (int, error) {
	select {
	case <-w.free:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for taken := 1; ; taken++ {
		select {
		case <-w.free:
		default:
			return taken, nil
		}
	}
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
