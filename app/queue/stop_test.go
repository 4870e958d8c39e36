package queue_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

func TestAWorkerThatIsAskedToStop(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		do      func(ctx context.Context) error
		takes   time.Duration
		state   string
		attempt int64
	}{
		{"lets a job finish", func(context.Context) error { time.Sleep(5 * time.Second); return nil }, 4 * time.Second, queue.Completed, 1},
		{"makes one that takes too long available again, not counting the attempt",
			func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 8 * time.Second, queue.Available, 0},
		{"keeps the success of one that takes too long", func(ctx context.Context) error { <-ctx.Done(); return nil }, 8 * time.Second, queue.Completed, 1},
		{"leaves one behind that does not heed its context", func(context.Context) error { time.Sleep(time.Hour); return nil }, 9 * time.Second, queue.Running, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDB(t)
				w, _ := newWorker(d)
				queue.Handle(w, queue.Options{}, func(ctx context.Context, _ push) error { return row.do(ctx) })
				stop := start(t, w)
				insert(t, d, push{Contact: "ada"})
				time.Sleep(time.Second)
				defer time.Sleep(2 * time.Hour) // for the one left behind
				if took := stop(); took != row.takes {
					t.Errorf("it stopped after %v, want %v", took, row.takes)
				}
				if job := only(t, d); job.State != row.state || job.Attempt != row.attempt || len(texts(job)) > 0 {
					t.Errorf("the job is %s after attempt %d with %q, want %s after %d", job.State, job.Attempt, texts(job), row.state, row.attempt)
				}
			})
		})
	}
}

func TestAWorkerThatIsAskedToStopClaimsNothingMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, _ := newWorker(d)
		queue.Handle(w, queue.Options{}, func(_ context.Context, a push) error {
			time.Sleep(2 * time.Second)
			insert(t, d, ticket{a.Contact})
			return nil
		})
		queue.Handle(w, queue.Options{}, func(context.Context, ticket) error { return nil })
		stop := start(t, w)
		insert(t, d, push{Contact: "ada"})
		time.Sleep(time.Second)
		stop()
		if list := jobs(t, d); list[0].State != queue.Completed || list[1].State != queue.Available {
			t.Errorf("the jobs are %v, want one completed and its ticket available", list)
		}
	})
}

// die leaves the jobs as a process does that is killed while it works on all that are due.
func die(t *testing.T, d *db.DB) {
	t.Helper()
	tx(t, d, func(q *db.Queries) error {
		_, err := q.ClaimJobs(t.Context(), db.Now(), "[]", 100)
		return err
	})
}

func TestAStartTakesUpWhatAnEarlierProcessWasDoing(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		before func(t *testing.T, d *db.DB)
		within time.Duration
		plans  []string // that are pushed
		states []string
	}{
		{"a job", func(t *testing.T, d *db.DB) { insert(t, d, push{"ada", "free"}); die(t, d) }, 0, []string{"free"}, []string{queue.Completed}},
		{"a job whose successor waits already: the successor runs",
			func(t *testing.T, d *db.DB) {
				insert(t, d, push{"ada", "free"})
				die(t, d)
				insert(t, d, push{"ada", "pro"})
			},
			0, []string{"pro"}, []string{queue.Cancelled, queue.Completed}},
		{"a job at which two died: not at once", func(t *testing.T, d *db.DB) { dieOften(t, d, 2) }, 0, nil, []string{queue.Retryable}},
		{"but after a second", func(t *testing.T, d *db.DB) { dieOften(t, d, 2) }, 3 * time.Second, []string{"free"}, []string{queue.Completed}},
		{"at which three died: not after ten", func(t *testing.T, d *db.DB) { dieOften(t, d, 3) }, 10 * time.Second, nil, []string{queue.Retryable}},
		{"whatever news come", func(t *testing.T, d *db.DB) {
			dieOften(t, d, 3)
			w, _ := newWorker(d)
			start(t, w)()
			insert(t, d, push{"ada", "pro"})
		}, 10 * time.Second, nil, []string{queue.Retryable}},
		{"at which fourteen died: once more, after hours", func(t *testing.T, d *db.DB) { dieOften(t, d, 14) }, 0, nil, []string{queue.Retryable}},
		{"at which fifteen died: discarded", func(t *testing.T, d *db.DB) { dieOften(t, d, 15) }, 0, nil, []string{queue.Discarded}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDB(t)
				row.before(t, d)
				w, _ := newWorker(d)
				var plans []string
				queue.Handle(w, queue.Options{}, func(_ context.Context, a push) error { plans = append(plans, a.Plan); return nil })
				stop := start(t, w)
				time.Sleep(row.within)
				stop()

				var states []string
				for _, job := range jobs(t, d) {
					states = append(states, job.State)
					if list := texts(job); len(list) == 0 || !strings.Contains(list[0], "the process ended during this attempt") {
						t.Errorf("the errors of a job are %q", list)
					}
				}
				if !slices.Equal(plans, row.plans) || !slices.Equal(states, row.states) {
					t.Errorf("the runs are %q and the jobs %q, want %q and %q", plans, states, row.plans, row.states)
				}
			})
		})
	}
}

// dieOften leaves a job as a row of processes does that each died of it.
func dieOften(t *testing.T, d *db.DB, processes int64) {
	t.Helper()
	insert(t, d, push{"ada", "free"})
	die(t, d)
	for n := int64(1); n < processes; n++ {
		tx(t, d, func(q *db.Queries) error {
			_, err := q.RetryJob(t.Context(), db.RetryJobParams{State: queue.Available, Attempt: n, ScheduledAt: db.Now(), Errors: "[]", ID: 1})
			return err
		})
		die(t, d)
	}
}
