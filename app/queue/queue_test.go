package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/db"
	"bursar/app/db/dbtest"
	"bursar/app/queue"
)

// push talks to the CRM, ticket to the desk, read to Stripe and without it.
type (
	push   struct{ Contact, Plan string }
	ticket struct{ Cause string }
	read   struct{ Customer string }
)

func (push) Kind() string    { return "push" }
func (a push) Key() string   { return a.Contact }
func (ticket) Kind() string  { return "ticket" }
func (a ticket) Key() string { return a.Cause }
func (read) Kind() string    { return "read" }
func (a read) Key() string   { return a.Customer }

func newDB(tb testing.TB) *db.DB {
	tb.Helper()
	d := dbtest.New(tb)
	return d
}

// newWorker gives a worker and what it logs; read that only while the worker does nothing.
func newWorker(d *db.DB) (*queue.Worker, *bytes.Buffer) {
	log := &bytes.Buffer{}
	return queue.NewWorker(d, slog.New(slog.NewTextHandler(log, nil))), log
}

// start runs a worker beside the test; stop asks it to end, waits, and says how long that took.
func start(t *testing.T, w *queue.Worker) (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	synctest.Wait()
	return func() time.Duration {
		began := time.Now()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		return time.Since(began)
	}
}

func workOff(tb testing.TB, w *queue.Worker) {
	tb.Helper()
	if err := w.WorkOff(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

func tx(tb testing.TB, d *db.DB, fn func(q *db.Queries) error) {
	tb.Helper()
	if err := d.Tx(context.Background(), fn); err != nil {
		tb.Fatal(err)
	}
}

func insert(tb testing.TB, d *db.DB, args ...queue.Args) {
	tb.Helper()
	insertAt(tb, d, time.Now(), args...)
}

func insertAt(tb testing.TB, d *db.DB, at time.Time, args ...queue.Args) {
	tb.Helper()
	tx(tb, d, func(q *db.Queries) error {
		for _, a := range args {
			if err := queue.InsertAt(context.Background(), q, a, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// jobs are all jobs, oldest first.
func jobs(tb testing.TB, d *db.DB) []db.Job {
	tb.Helper()
	list, err := d.Read().ListJobs(context.Background(), db.ListJobsParams{Before: 1 << 62, N: 1 << 30})
	if err != nil {
		tb.Fatal(err)
	}
	slices.Reverse(list)
	return list
}

func only(tb testing.TB, d *db.DB) db.Job {
	tb.Helper()
	list := jobs(tb, d)
	if len(list) != 1 {
		tb.Fatalf("there are %d jobs, want 1: %v", len(list), list)
	}
	return list[0]
}

func texts(job db.Job) (texts []string) {
	for _, e := range queue.Errors(job) {
		texts = append(texts, e.Error)
	}
	return texts
}

func TestAnInsertJoinsTheJobThatWaitsAlready(t *testing.T) {
	t.Parallel()
	now := time.Now().Truncate(time.Millisecond)
	for _, row := range []struct {
		name          string
		first, second time.Duration // from now
		want          time.Duration
	}{
		{"the same time", 0, 0, 0},
		{"later: the earlier time stays", time.Hour, 2 * time.Hour, time.Hour},
		{"earlier: it runs then", time.Hour, time.Minute, time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := newDB(t)
			insertAt(t, d, now.Add(row.first), push{"ada", "free"}, push{"bob", "free"})
			insertAt(t, d, now.Add(row.second), push{"ada", "pro"})

			list := jobs(t, d)
			if len(list) != 2 {
				t.Fatalf("there are %d jobs, want one for each contact", len(list))
			}
			if got := list[0].ScheduledAt.Sub(now); got != row.want {
				t.Errorf("it runs after %v, want %v", got, row.want)
			}
			if want := `{"Contact":"ada","Plan":"pro"}`; list[0].Args != want {
				t.Errorf("its args are %s, want the newer %s", list[0].Args, want)
			}
		})
	}
}

func TestAnInsertIsPartOfItsTransaction(t *testing.T) {
	t.Parallel()
	d, boom := newDB(t), errors.New("boom")
	err := d.Tx(t.Context(), func(q *db.Queries) error {
		return errors.Join(queue.Insert(t.Context(), q, push{Contact: "ada"}), boom)
	})
	if !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if list := jobs(t, d); len(list) != 0 {
		t.Errorf("a rolled-back transaction left %v", list)
	}
}

// unstorable has args that are not JSON.
type unstorable struct{ Reply chan int }

func (unstorable) Kind() string { return "unstorable" }
func (unstorable) Key() string  { return "" }

func TestAnInsertOfArgsThatAreNotJSONIsAnError(t *testing.T) {
	t.Parallel()
	err := newDB(t).Tx(t.Context(), func(q *db.Queries) error { return queue.Insert(t.Context(), q, unstorable{}) })
	if err == nil {
		t.Error("it was stored")
	}
}

func TestAJobInsertedWhileItsTwinRunsWaitsItsTurnAndThenRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, _ := newWorker(d)
		var runs []string
		queue.Handle(w, queue.Options{}, func(ctx context.Context, a push) error {
			runs = append(runs, fmt.Sprintf("%s from %v", a.Plan, time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))))
			time.Sleep(10 * time.Second)
			return nil
		})
		stop := start(t, w)
		insert(t, d, push{"ada", "free"})
		time.Sleep(4 * time.Second)
		insert(t, d, push{"ada", "pro"})
		insert(t, d, push{"ada", "team"}) // joins the one that waits
		time.Sleep(time.Minute)
		stop()
		if want := []string{"free from 0s", "team from 10s"}; !slices.Equal(runs, want) {
			t.Errorf("the runs are %q, want %q", runs, want)
		}
	})
}
