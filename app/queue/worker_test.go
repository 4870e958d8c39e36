package queue_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bursar/app/db"
	"bursar/app/queue"
)

func TestSixteenJobsRunAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, _ := newWorker(d)
		queue.Handle(w, queue.Options{}, func(context.Context, push) error {
			time.Sleep(10 * time.Second)
			return nil
		})
		stop := start(t, w)
		for i := range 40 {
			insert(t, d, push{Contact: fmt.Sprint(i)})
		}
		for _, want := range []int{16, 16, 8, 0} {
			time.Sleep(time.Second)
			if got := count(t, d, queue.Running); got != want {
				t.Errorf("%d jobs run, want %d", got, want)
			}
			time.Sleep(9 * time.Second)
		}
		stop()
	})
}

func count(tb testing.TB, d *db.DB, state string) (n int) {
	tb.Helper()
	for _, job := range jobs(tb, d) {
		if job.State == state {
			n++
		}
	}
	return n
}

func TestJobsOfOneKindAndKeyNeverOverlap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, _ := newWorker(d)
		var mu sync.Mutex
		active, runs := map[string]int{}, 0
		work := func(kind, key string, err error) error {
			mu.Lock()
			active[kind+key]++
			runs++
			if active[kind+key] > 1 {
				t.Errorf("%s of %s runs twice at once", kind, key)
			}
			mu.Unlock()
			time.Sleep(50 * time.Millisecond)
			mu.Lock()
			active[kind+key]--
			mu.Unlock()
			return err
		}
		queue.Handle(w, queue.Options{}, func(_ context.Context, a push) error { return work("push", a.Contact, nil) })
		queue.Handle(w, queue.Options{}, func(_ context.Context, a ticket) error { return work("ticket", a.Cause, errors.New("boom")) })
		stop := start(t, w)
		for i := range 50 {
			insert(t, d, push{Contact: fmt.Sprint(i % 5)}, ticket{fmt.Sprint(i % 3)})
			time.Sleep(7 * time.Millisecond)
		}
		stop()
		if runs < 20 {
			t.Errorf("only %d runs", runs)
		}
	})
}

func TestAKeyWithManyInsertsDoesNotKeepTheOthersWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, _ := newWorker(d)
		queue.Handle(w, queue.Options{}, func(_ context.Context, a push) error {
			time.Sleep(100 * time.Millisecond)
			return nil
		})
		stop := start(t, w)
		for i := range 150 {
			insert(t, d, push{Contact: "hot"})
			if i%10 == 0 {
				insert(t, d, push{Contact: fmt.Sprint(i)})
			}
			time.Sleep(10 * time.Millisecond)
		}
		stop()
		for _, job := range jobs(t, d) {
			if wait := job.AttemptedAt.Sub(job.CreatedAt.Time); job.Key != "hot" && wait > 0 {
				t.Errorf("the job of %s waited %v", job.Key, wait)
			}
		}
	})
}

func TestTheOldestJobsRunFirst(t *testing.T) {
	t.Parallel()
	d := newDB(t)
	w, _ := newWorker(d)
	var mu sync.Mutex
	var order []int
	queue.Handle(w, queue.Options{}, func(_ context.Context, a push) error {
		mu.Lock()
		defer mu.Unlock()
		var n int
		fmt.Sscan(a.Contact, &n)
		order = append(order, n)
		return nil
	})
	for i := range 48 {
		insertAt(t, d, time.Now().Add(-time.Duration(i)*time.Minute), push{Contact: fmt.Sprint(i)})
	}
	workOff(t, w) // 16 at a time
	for i, n := range order {
		if oldest := 47 - i/16*16; n > oldest || n <= oldest-16 {
			t.Errorf("the job that was due %d minutes ago ran as number %d", n, i+1)
		}
	}
	if len(order) != 48 {
		t.Errorf("%d jobs ran", len(order))
	}
}

func TestAJobRunsWithinASecondOfItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, _ := newWorker(d)
		queue.Handle(w, queue.Options{}, func(context.Context, push) error { return nil })
		stop := start(t, w)
		insertAt(t, d, time.Now().Add(time.Minute+300*time.Millisecond), push{Contact: "ada"})
		time.Sleep(2 * time.Minute)
		stop()
		job := only(t, d)
		if late := job.AttemptedAt.Sub(job.ScheduledAt.Time); job.State != queue.Completed || late < 0 || late > time.Second {
			t.Errorf("the job is %s, attempted %v after its time", job.State, late)
		}
	})
}

// holdWriteLock keeps the file from being written to: a worker that only tries to commit, though it
// has nothing to write, waits five seconds in vain and complains.
func holdWriteLock(t *testing.T, d *db.DB) (release func()) {
	t.Helper()
	other, err := sql.Open("sqlite", d.Path())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := other.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() { errors.Join(conn.Close(), other.Close()) }
}

func TestAnIdleWorkerDoesNotWrite(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		fill func(t *testing.T, d *db.DB)
	}{
		{"no jobs", func(*testing.T, *db.DB) {}},
		{"jobs for later", func(t *testing.T, d *db.DB) { insertAt(t, d, time.Now().Add(2*time.Hour), push{Contact: "ada"}) }},
		{"due jobs of a system that is left alone", func(t *testing.T, d *db.DB) {
			insert(t, d, push{Contact: "ada"}, push{Contact: "bob"})
			tx(t, d, func(q *db.Queries) error {
				return q.SaveCircuit(t.Context(), db.SaveCircuitParams{System: "crm", Failures: 5, OpenedAt: db.Now(), UntilAt: db.At(time.Now().Add(2 * time.Hour))})
			})
		}},
		{"a due job whose twin still runs", func(t *testing.T, d *db.DB) {
			insert(t, d, ticket{"cause"})
			synctest.Wait()
			insert(t, d, ticket{"cause"})
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDB(t)
				w, log := newWorker(d)
				queue.Handle(w, queue.Options{System: "crm"}, func(context.Context, push) error { return nil })
				queue.Handle(w, queue.Options{Timeout: 2 * time.Hour}, func(ctx context.Context, _ ticket) error {
					select {
					case <-time.After(65 * time.Second):
						return nil
					case <-ctx.Done():
						return ctx.Err()
					}
				})
				stop := start(t, w)
				row.fill(t, d)
				synctest.Wait()
				release := holdWriteLock(t, d)
				time.Sleep(time.Minute) // a worker that spins would never let this end
				release()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if log.Len() > 0 {
					t.Errorf("the worker tried to write: %s", log)
				}
				stop()
			})
		})
	}
}

func TestAWorkerThatCannotClaimTriesOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDB(t)
		w, log := newWorker(d)
		queue.Handle(w, queue.Options{}, func(context.Context, push) error { return nil })
		insertAt(t, d, time.Now().Add(5*time.Second), push{Contact: "ada"})
		stop := start(t, w)
		release := holdWriteLock(t, d)
		time.Sleep(time.Minute)
		release()
		time.Sleep(10 * time.Second)
		stop()
		// Each try waits five seconds for the lock, and then there is a second of peace.
		if n := bytes.Count(log.Bytes(), []byte("claim jobs")); n < 8 || n > 10 {
			t.Errorf("it tried %d times in a minute, want about 9", n)
		}
		if job := only(t, d); job.State != queue.Completed {
			t.Errorf("the job is %s after the disk is back, want completed", job.State)
		}
		if !strings.Contains(log.String(), "level=ERROR") {
			t.Errorf("the log is %s", log)
		}
	})
}
