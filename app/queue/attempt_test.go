package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

func TestTheOutcomeOfAnAttempt(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, row := range []struct {
		name    string
		do      func(ctx context.Context) error
		state   string
		attempt int64
		after   time.Duration // until it runs again, give or take a tenth
		errors  []string
	}{
		{"success: completed", func(context.Context) error { return nil }, queue.Completed, 1, 0, nil},
		{"an error: retryable", func(context.Context) error { return boom }, queue.Retryable, 1, time.Second, []string{"boom"}},
		{"Discard: discarded at once", func(context.Context) error { return fmt.Errorf("push: %w", queue.Discard(boom)) },
			queue.Discarded, 1, 0, []string{"push: boom"}},
		{"Snooze: waits, and does not count", func(context.Context) error { return queue.Snooze(time.Now().Add(time.Hour), boom) },
			queue.Available, 0, time.Hour, nil},
		{"a panic: retryable", func(context.Context) error { panic("nil contact") }, queue.Retryable, 1, time.Second, []string{"panic: nil contact"}},
		{"a minute without an answer: retryable", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
			queue.Retryable, 1, time.Minute + time.Second, []string{"context deadline exceeded"}},
		{"a long text: cut between letters", func(context.Context) error { return errors.New(strings.Repeat("x", 499) + "ärger") },
			queue.Retryable, 1, time.Second, []string{strings.Repeat("x", 499) + "…"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDB(t)
				w, _ := newWorker(d)
				queue.Handle(w, queue.Options{}, func(ctx context.Context, _ push) error { return row.do(ctx) })
				began := time.Now()
				insert(t, d, push{Contact: "ada"})
				workOff(t, w)

				job := only(t, d)
				if job.State != row.state || job.Attempt != row.attempt {
					t.Errorf("the job is %s after attempt %d, want %s after %d", job.State, job.Attempt, row.state, row.attempt)
				}
				if !slices.Equal(texts(job), row.errors) {
					t.Errorf("its errors are %q, want %q", texts(job), row.errors)
				}
				if job.FinalizedAt.IsZero() && !about(job.ScheduledAt.Sub(began), row.after) {
					t.Errorf("it runs again after %v, want about %v", job.ScheduledAt.Sub(began), row.after)
				}
			})
		})
	}
}

func about(got, want time.Duration) bool { return math.Abs(float64(got-want)) <= 0.1*float64(want) }

func TestAJobNobodyCanDoIsDiscardedWithTheReason(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, kind, args, reason string }{
		{"a kind of another version", "teleport", `{}`, `no part of this Bursar does jobs of kind "teleport"`},
		{"args of another version", "push", `{"Contact":["ada"]}`, "read the args"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := newDB(t)
			w, _ := newWorker(d)
			queue.Handle(w, queue.Options{}, func(context.Context, push) error { return nil })
			tx(t, d, func(q *db.Queries) error {
				_, err := q.InsertJob(t.Context(), db.InsertJobParams{Kind: row.kind, Args: row.args, MaxAttempts: 15, Now: db.Now(), ScheduledAt: db.Now()})
				return err
			})
			workOff(t, w)
			job := only(t, d)
			if job.State != queue.Discarded || len(texts(job)) != 1 || !strings.Contains(texts(job)[0], row.reason) {
				t.Errorf("the job is %s with %q, want discarded with %q", job.State, texts(job), row.reason)
			}
		})
	}
}

func TestAJobIsRetriedForADayAndAHalfAndThenDiscarded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, _ := newWorker(d)
		attempt := 0
		queue.Handle(w, queue.Options{}, func(context.Context, push) error {
			attempt++
			return fmt.Errorf("failure %d", attempt)
		})
		began := time.Now()
		insert(t, d, push{Contact: "ada"})
		for n := 1; n < 15; n++ {
			workOff(t, w)
			job := only(t, d)
			want := min(time.Duration(n*n*n*n)*time.Second, 10*time.Hour)
			if got := time.Until(job.ScheduledAt.Time); job.State != queue.Retryable || !about(got, want) {
				t.Errorf("after attempt %d the job is %s and waits %v, want retryable and about %v", n, job.State, got, want)
			}
			time.Sleep(time.Until(job.ScheduledAt.Time))
		}
		workOff(t, w)

		job := only(t, d)
		if job.State != queue.Discarded || job.Attempt != 15 || attempt != 15 {
			t.Errorf("after %d attempts the job is %s (attempt %d), want discarded after 15", attempt, job.State, job.Attempt)
		}
		list, err := d.Read().ListJobs(t.Context(), db.ListJobsParams{Before: 1 << 62, State: queue.Discarded, N: 10})
		if err != nil || len(list) != 1 {
			t.Errorf("the list of discarded jobs is %v (%v), want this one", list, err)
		}
		if took := time.Since(began); took < 30*time.Hour || took > 40*time.Hour {
			t.Errorf("that took %v", took)
		}
		if list := texts(job); len(list) != 10 || list[0] != "failure 6" || list[9] != "failure 15" {
			t.Errorf("its errors are %q, want the newest 10, newest last", list)
		}
		if e := queue.Errors(job)[9]; e.Attempt != 15 || !e.At.Equal(time.Now()) {
			t.Errorf("the last error is of attempt %d at %v", e.Attempt, e.At)
		}
	})
}

func TestAJobThatMustWaitAgainGivesWayToTheNewerOne(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		outcome func() error
		state   string
		attempt int64
		after   time.Duration
		errors  []string
	}{
		{"after an error", func() error { return errors.New("boom") }, queue.Retryable, 1, time.Second, []string{"boom"}},
		{"after Snooze", func() error { return queue.Snooze(time.Now().Add(time.Hour), errors.New("wait")) }, queue.Available, 0, time.Hour, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDB(t)
				w, _ := newWorker(d)
				var plans []string
				queue.Handle(w, queue.Options{}, func(_ context.Context, a push) error {
					plans = append(plans, a.Plan)
					if a.Plan == "pro" {
						return nil
					}
					insert(t, d, push{"ada", "pro"})
					return row.outcome()
				})
				insert(t, d, push{"ada", "free"})
				workOff(t, w)

				list := jobs(t, d)
				if len(list) != 2 || list[0].State != queue.Cancelled || !slices.Equal(texts(list[0]), row.errors) {
					t.Fatalf("the jobs are %v, want the older one cancelled with its errors and a newer one", list)
				}
				newer := list[1]
				if newer.State != row.state || newer.Attempt != row.attempt || !slices.Equal(texts(newer), row.errors) {
					t.Errorf("the newer one is %s after attempt %d with %q, want %s after %d with %q: it goes on for the older",
						newer.State, newer.Attempt, texts(newer), row.state, row.attempt, row.errors)
				}
				if !about(time.Until(newer.ScheduledAt.Time), row.after) {
					t.Errorf("the newer one runs after %v, want after the delay of the older, %v", time.Until(newer.ScheduledAt.Time), row.after)
				}
				time.Sleep(time.Until(newer.ScheduledAt.Time))
				workOff(t, w)
				if want := []string{"free", "pro"}; !slices.Equal(plans, want) {
					t.Errorf("the runs are %q, want %q", plans, want)
				}
			})
		})
	}
}

func TestAJobThatFailsForGoodLeavesTheNewerOneItsOwnAttempts(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	w, _ := newWorker(d)
	queue.Handle(w, queue.Options{}, func(_ context.Context, a push) error {
		if a.Plan == "pro" {
			return nil
		}
		insert(t, d, push{"ada", "pro"})
		return queue.Discard(errors.New("no such plan"))
	})
	insert(t, d, push{"ada", "free"})
	workOff(t, w)
	if list := jobs(t, d); len(list) != 2 || list[0].State != queue.Discarded || list[1].State != queue.Completed {
		t.Errorf("the jobs are %v, want one discarded, one completed", list)
	}
}

func TestAnOutcomeThatCannotBeStoredIsStoredLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, log := newWorker(d)
		runs, release := 0, func() {}
		queue.Handle(w, queue.Options{}, func(context.Context, push) error {
			runs++
			release = holdWriteLock(t, d)
			return nil
		})
		stop := start(t, w)
		insert(t, d, push{Contact: "ada"})
		time.Sleep(time.Minute)
		if job := only(t, d); job.State != queue.Running {
			t.Errorf("the job is %s while nothing can be written, want running", job.State)
		}
		release()
		time.Sleep(10 * time.Second)
		stop()
		if job := only(t, d); job.State != queue.Completed || runs != 1 {
			t.Errorf("the job is %s after %d runs, want completed after one", job.State, runs)
		}
		// Each try waits five seconds for the lock.
		if n := strings.Count(log.String(), "store a job's outcome"); n < 8 || n > 12 {
			t.Errorf("it was tried %d times in a minute, want about 10: %s", n, log)
		}
	})
}
