package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

// crm is a system whose every answer a test decides.
type crm struct {
	*db.DB
	worker *queue.Worker
	answer error
	asked  int
}

func newCRM(t *testing.T) *crm {
	d := newDB(t)
	w, _ := newWorker(d)
	c := &crm{DB: d, worker: w}
	queue.Handle(w, queue.Options{System: "crm"}, func(context.Context, push) error { c.asked++; return c.answer })
	return c
}

// push lets one job ask the system, and says for how long that is left alone then.
func (c *crm) push(t *testing.T, answer error) time.Duration {
	t.Helper()
	c.answer = answer
	insert(t, c.DB, push{Contact: fmt.Sprint("contact ", c.asked)})
	workOff(t, c.worker)
	return c.pause(t)
}

func (c *crm) pause(t *testing.T) time.Duration {
	t.Helper()
	until, _, err := queue.OpenUntil(t.Context(), c.Read(), "crm")
	if err != nil {
		t.Fatal(err)
	}
	if until.IsZero() {
		return 0
	}
	return time.Until(until)
}

func down(after time.Duration) error {
	return fmt.Errorf("push: %w", queue.Unavailable(errors.New("503"), after))
}

func refused() error { return fmt.Errorf("push: %w", queue.Unauthorized(errors.New("401"))) }

func TestWhenASystemIsLeftAlone(t *testing.T) {
	t.Parallel()
	var ok error
	ours := errors.New("no such field")
	for _, row := range []struct {
		name    string
		answers []error
		want    time.Duration
	}{
		{"four failures in a row: not yet", []error{down(0), down(0), down(0), down(0)}, 0},
		{"five failures in a row: 30 s", []error{down(0), down(0), down(0), down(0), down(0)}, 30 * time.Second},
		{"a success starts the count again", []error{down(0), down(0), down(0), down(0), ok, down(0), down(0), down(0), down(0)}, 0},
		{"errors that are not the system's do not count", []error{down(0), down(0), down(0), down(0), ours, ours}, 0},
		{"and do not start the count again", []error{down(0), down(0), down(0), down(0), ours, down(0)}, 30 * time.Second},
		{"refused credentials: at once", []error{refused()}, 15 * time.Minute},
		{"Retry-After: at once, for as long as it says", []error{down(10 * time.Minute)}, 10 * time.Minute},
		{"Retry-After of hours: one hour", []error{down(5 * time.Hour)}, time.Hour},
		{"Retry-After shorter than the pause: the pause", []error{down(0), down(0), down(0), down(0), down(time.Second)}, 30 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCRM(t)
				got := time.Duration(0)
				for _, answer := range row.answers {
					got = c.push(t, answer)
				}
				if got != row.want {
					t.Errorf("it is left alone for %v, want %v", got, row.want)
				}
			})
		})
	}
}

func TestThePausesDoubleUntilTheSystemAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCRM(t)
		for range 4 {
			c.push(t, down(0))
		}
		var pauses []time.Duration
		for range 8 {
			pause := c.push(t, down(0))
			pauses = append(pauses, pause)
			asked := c.asked
			insert(t, c.DB, push{Contact: "somebody else"})
			workOff(t, c.worker)
			if c.asked != asked {
				t.Errorf("it is asked while it is left alone")
			}
			time.Sleep(pause)
			// The failed jobs wait longer than the pause for this test to see one failure at a time.
			tx(t, c.DB, func(q *db.Queries) error { return postponeAll(t, q) })
		}
		want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute, 15 * time.Minute}
		if !slices.Equal(pauses, want) {
			t.Errorf("the pauses are %v, want %v", pauses, want)
		}

		c.push(t, nil)
		if got := c.push(t, down(0)); got != 0 {
			t.Errorf("after an answer, one failure makes it left alone for %v", got)
		}
		circuit, err := c.Read().CircuitOf(t.Context(), "crm")
		if err != nil || circuit.Failures != 1 || !circuit.OpenedAt.IsZero() {
			t.Errorf("the circuit is %+v (%v), want one failure and closed", circuit, err)
		}
	})
}

func postponeAll(t *testing.T, q *db.Queries) error {
	list, err := q.ListJobs(t.Context(), db.ListJobsParams{Before: 1 << 62, N: 1 << 30})
	for _, job := range list {
		if job.FinalizedAt.IsZero() {
			err = errors.Join(err, q.SucceedJob(t.Context(), db.SucceedJobParams{
				State: job.State, Attempt: job.Attempt, Errors: job.Errors, ScheduledAt: db.At(time.Now().Add(24 * time.Hour)), ID: job.ID}))
		}
	}
	return err
}

func TestAttemptsUnderWayAreNoNewEvidence(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		last error // the answer of the slowest of sixteen; the others all fail
	}{{"a failure", down(0)}, {"a success", nil}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDB(t)
				w, _ := newWorker(d)
				queue.Handle(w, queue.Options{System: "crm"}, func(_ context.Context, a push) error {
					if a.Contact == "slow" {
						time.Sleep(10 * time.Second)
						return row.last
					}
					return down(0)
				})
				insert(t, d, push{Contact: "slow"})
				for i := range 15 {
					insert(t, d, push{Contact: fmt.Sprint(i)})
				}
				workOff(t, w)
				circuit, err := d.Read().CircuitOf(t.Context(), "crm")
				if err != nil || circuit.Failures != 5 || circuit.UntilAt.Sub(circuit.OpenedAt.Time) != 30*time.Second {
					t.Errorf("the circuit is %+v (%v), want open for 30 s after 5 failures", circuit, err)
				}
			})
		})
	}
}

func TestASystemThatFailsAgainAfterItsPauseIsLeftAloneAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCRM(t)
		time.Sleep(c.push(t, refused()))
		if got := c.push(t, down(0)); got != 30*time.Second {
			t.Errorf("it is left alone for %v, want 30 s", got)
		}
	})
}

func TestRefusedCredentialsDoNotUseUpAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCRM(t)
		began := time.Now()
		pause := c.push(t, refused())
		for range 40 {
			time.Sleep(pause)
			workOff(t, c.worker)
		}
		job := only(t, c.DB)
		if job.State != queue.Retryable || job.Attempt != 0 || c.asked != 41 {
			t.Errorf("after ten hours the job is %s (attempt %d) and the system was asked %d times, want retryable, 0, and 41", job.State, job.Attempt, c.asked)
		}
		circuit, err := c.Read().CircuitOf(t.Context(), "crm")
		if err != nil || !circuit.OpenedAt.Equal(began) {
			t.Errorf("the circuit is open since %v (%v), want one opening, %v", circuit.OpenedAt, err, began)
		}
		c.answer = nil
		time.Sleep(pause)
		workOff(t, c.worker)
		if job := only(t, c.DB); job.State != queue.Completed {
			t.Errorf("after the setting is mended the job is %s, want completed", job.State)
		}
	})
}

func TestAnOpenCircuitHoldsOnlyItsOwnJobs(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	w, _ := newWorker(d)
	nothing := func(context.Context) error { return nil }
	queue.Handle(w, queue.Options{System: "crm"}, func(ctx context.Context, _ push) error { return nothing(ctx) })
	queue.Handle(w, queue.Options{System: "desk"}, func(ctx context.Context, _ ticket) error { return nothing(ctx) })
	queue.Handle(w, queue.Options{System: "crm", WhileOpen: true}, func(ctx context.Context, _ read) error { return nothing(ctx) })
	until := time.Now().Add(time.Hour)
	tx(t, d, func(q *db.Queries) error {
		return q.SaveCircuit(t.Context(), db.SaveCircuitParams{System: "crm", Failures: 5, Reason: "503", OpenedAt: db.Now(), UntilAt: db.At(until)})
	})
	insert(t, d, push{Contact: "ada"}, ticket{"cause"}, read{"ada"})
	workOff(t, w)

	want := map[string]string{"push": queue.Available, "ticket": queue.Completed, "read": queue.Completed}
	for _, job := range jobs(t, d) {
		if job.State != want[job.Kind] {
			t.Errorf("the job %s is %s, want %s", job.Kind, job.State, want[job.Kind])
		}
	}
	got, reason, err := queue.OpenUntil(t.Context(), d.Read(), "crm")
	if err != nil || !got.Equal(db.At(until).Time) || reason != "503" {
		t.Errorf("crm is left alone until %v for %q (%v): what runs while it is open says nothing about it", got, reason, err)
	}
}

func TestAnOutageOfTwoHoursLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, _ := newWorker(d)
		back := time.Now().Add(2 * time.Hour)
		var asked atomic.Int64
		queue.Handle(w, queue.Options{System: "crm"}, func(context.Context, push) error {
			asked.Add(1)
			if time.Now().Before(back) {
				return down(0)
			}
			return nil
		})
		for i := range 60 {
			insert(t, d, push{Contact: fmt.Sprint(i)})
		}
		workFor := func(total time.Duration) {
			for range total / (5 * time.Minute) {
				workOff(t, w)
				time.Sleep(5 * time.Minute)
			}
		}
		workFor(2 * time.Hour)
		if n := asked.Load(); n > 13*16 { // sixteen at once, after pauses of 30 s, 1, 2, 4, 8 and then 15 min
			t.Errorf("it was asked %d times in two hours", n)
		}
		workFor(20 * time.Minute)
		if left := 60 - count(t, d, queue.Completed); left > 20 {
			t.Errorf("%d jobs are left 20 minutes after the system is back", left)
		}
		workFor(4 * time.Hour)
		if n := count(t, d, queue.Completed); n != 60 {
			t.Errorf("%d of 60 jobs are completed four hours after the system is back", n)
		}
	})
}
